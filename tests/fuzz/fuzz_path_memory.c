/* fuzz_path_memory.c - a file of what worked between networks, as anybody may have written it: what is taken
 * stays within its bounds, is given out as it came, and mixes with another. The input is tried as it is, and
 * once more with a sum that fits. */
#include "fuzz.h"
#include "path_memory.h"
#include <sodium.h>
#include <string.h>

enum { HEAD = 8 + PATH_MEMORY_KEY };

static void try_bytes(const uint8_t *data, size_t size)
{
    static struct path_memory memory, other;
    static uint8_t again[PATH_MEMORY_BYTES];
    uint64_t seed = 1;
    const struct random random = {fill, &seed};
    struct nat_behavior ours = {.mapping = NAT_MAPPING_ENDPOINT, .external = {.family = 4, .ip = {1, 2, 3}}};
    path_memory_start(&memory, &random);
    if (!path_memory_load(&memory, data, size))
        return;
    must(memory.count <= PATH_MEMORY_MAX);
    must(path_memory_save(&memory, again, sizeof again) == size && memcmp(again, data, size) == 0);
    path_memory_find(&memory, seed, &ours, &ours);
    other = memory;
    other.count /= 2;
    must(path_memory_note(&memory, seed, &ours, &ours, STRATEGY_WIDE));
    path_memory_merge(&memory, seed, &other);
    must(memory.count && memory.count <= PATH_MEMORY_MAX);
    must(path_memory_find(&memory, seed, &ours, &ours) != STRATEGY_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t whole[PATH_MEMORY_BYTES + PATH_MEMORY_HASH];
    try_bytes(data, size);
    if (size < HEAD || size > PATH_MEMORY_BYTES)
        return 0;
    memcpy(whole, data, size);
    crypto_generichash(whole + size, PATH_MEMORY_HASH, whole, size, whole + 8, PATH_MEMORY_KEY);
    try_bytes(whole, size + PATH_MEMORY_HASH);
    return 0;
}
