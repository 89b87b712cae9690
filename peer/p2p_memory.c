/* p2p_memory.c - the library's memory of what worked between networks, as a program keeps it. */
#include "p2p_internal.h"

#include <time.h>

_Static_assert((int)P2P_MEMORY_MAX >= (int)PATH_MEMORY_BYTES, "the header promises that it is enough");

void memory_begin(struct p2p_node *node, const struct p2p_config *config)
{
    node->remembers = !config->no_memory;
    if (!config->memory || !path_memory_load(&node->memory, config->memory, config->memory_len))
        path_memory_start(&node->memory, &node->random);
}

static ptrdiff_t save(const struct path_memory *memory, void *out, size_t capacity)
{
    size_t len = path_memory_save(memory, out, capacity);
    return len ? (ptrdiff_t)len : P2P_ETOOLONG;
}

ptrdiff_t p2p_node_memory(const struct p2p_node *node, void *out, size_t capacity)
{
    return node->remembers && node->memory.count ? save(&node->memory, out, capacity) : 0;
}

ptrdiff_t p2p_memory_merge(const void *kept, size_t kept_len, const void *ours, size_t ours_len, void *out,
                           size_t capacity)
{
    struct path_memory memory, more;
    if (!kept || !path_memory_load(&memory, kept, kept_len))
        return P2P_EINVAL;
    if (ours && !path_memory_load(&more, ours, ours_len))
        return P2P_EINVAL;
    if (ours)
        path_memory_merge(&memory, (uint64_t)time(NULL), &more);
    return save(&memory, out, capacity);
}
