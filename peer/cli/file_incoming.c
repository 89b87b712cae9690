/* file_incoming.c - one file on its way in: which leaves are here, and whether together they are what was
 * sent. */
#include "file_incoming.h"

#include "manifest.h"

#include <string.h>

static uint64_t most_of(const struct incoming *incoming)
{
    return incoming->size == MANIFEST_SIZE_UNKNOWN ? MANIFEST_SIZE_MAX : incoming->size;
}

void incoming_begin(struct incoming *incoming, uint64_t size)
{
    incoming->size = size;
    leaf_map_begin(&incoming->leaves, leaves_of(most_of(incoming)));
}

static bool any_received(const struct incoming *incoming, uint64_t leaf, uint64_t count)
{
    const uint8_t *hashes;
    unsigned flags = 0;
    for (uint64_t at = leaf; at < leaf + count && !(flags & LEAF_RECEIVED);)
        at += leaf_map_run(&incoming->leaves, at, &flags, &hashes);
    return flags & LEAF_RECEIVED;
}

const char *incoming_problem(const struct incoming *incoming, uint32_t leaf, uint32_t count, uint64_t len)
{
    uint64_t from = (uint64_t)leaf * LEAF_LEN, most = most_of(incoming);
    if (incoming->whole)
        return "the sender sends what it need not";
    if (from >= most || len > most - from)
        return "the sender sends more than it announced";
    if (len % LEAF_LEN && incoming->size != MANIFEST_SIZE_UNKNOWN && from + len != incoming->size)
        return "the sender sends pieces of a wrong length";
    if (len % LEAF_LEN && incoming->has_last) /* else each byte could be a leaf */
        return "the sender sends pieces of a wrong length";
    if (any_received(incoming, leaf, count))
        return "the sender sends the same twice";
    return NULL;
}

bool incoming_receive(struct incoming *incoming, uint32_t leaf, uint32_t len, const uint8_t hash[HASH_LEN])
{
    incoming->received++;
    incoming->has_last = incoming->has_last || len < LEAF_LEN;
    return leaf_map_put(&incoming->leaves, leaf, hash, LEAF_RECEIVED);
}

bool incoming_receive_zeros(struct incoming *incoming, uint32_t leaf, uint32_t count)
{
    incoming->received += count;
    return leaf_map_put_zeros(&incoming->leaves, leaf, count, LEAF_RECEIVED);
}

bool incoming_complete(const struct incoming *incoming)
{
    return incoming->finished && incoming->received >= incoming->finish.leaves_sent;
}

/* False: a leaf is missing. */
static bool root_of(const struct leaf_map *map, uint64_t size, uint8_t out[HASH_LEN])
{
    struct hash_root root;
    const uint8_t *hashes;
    unsigned flags;
    hash_root_begin(&root);
    for (uint64_t leaf = 0, count = leaves_of(size), run; leaf < count; leaf += run) {
        run = leaf_map_run(map, leaf, &flags, &hashes);
        run = run < count - leaf ? run : count - leaf;
        if (flags == LEAF_ABSENT)
            return false;
        if (flags & LEAF_ZERO)
            hash_root_add_zeros(&root, run);
        for (uint64_t i = 0; hashes && i < run; i++)
            hash_root_add(&root, hashes + i * HASH_LEN);
    }
    hash_root_end(&root, size, out);
    return true;
}

const char *incoming_verify(const struct incoming *incoming)
{
    uint8_t hash[HASH_LEN];
    uint64_t size = incoming->finish.size;
    if (incoming->size == MANIFEST_SIZE_UNKNOWN ? size > MANIFEST_SIZE_MAX : size != incoming->size)
        return "it is not as long as the sender announced";
    if (!root_of(&incoming->leaves, size, hash))
        return "a part of it is missing";
    if (memcmp(hash, incoming->finish.root, HASH_LEN) == 0)
        return NULL;
    return incoming->whole ? "another file of this name is there already"
                           : "it is not what the sender has: the hashes differ";
}

void incoming_free(struct incoming *incoming)
{
    leaf_map_free(&incoming->leaves);
    *incoming = (struct incoming){.fd = -1};
}
