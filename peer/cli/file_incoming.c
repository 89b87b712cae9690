/* file_incoming.c - one file on its way in: which leaves are here, and whether together they are what was
 * sent. */
#include "file_incoming.h"

#include "manifest.h"

#include <stdlib.h>
#include <string.h>

static bool reach(struct incoming *incoming, uint32_t leaf)
{
    if (leaf < incoming->leaves)
        return true;
    if (leaf >= incoming->capacity) {
        uint32_t capacity = incoming->capacity ? incoming->capacity : 8;
        while (capacity <= leaf)
            capacity *= 2; /* MANIFEST_SIZE_MAX is 2^26 leaves */
        uint8_t *hashes = realloc(incoming->hashes, (size_t)capacity * HASH_LEN);
        if (!hashes)
            return false;
        incoming->hashes = hashes;
        uint8_t *flags = realloc(incoming->flags, capacity);
        if (!flags)
            return false;
        incoming->flags = flags;
        incoming->capacity = capacity;
    }
    memset(incoming->flags + incoming->leaves, LEAF_ABSENT, leaf + 1 - incoming->leaves);
    incoming->leaves = leaf + 1;
    return true;
}

static bool note(struct incoming *incoming, uint32_t leaf, const uint8_t hash[HASH_LEN], enum leaf_flag flag)
{
    if (!reach(incoming, leaf))
        return false;
    memcpy(incoming->hashes + (size_t)leaf * HASH_LEN, hash, HASH_LEN);
    incoming->flags[leaf] = (uint8_t)flag;
    return true;
}

bool incoming_hold(struct incoming *incoming, uint32_t leaf, const uint8_t hash[HASH_LEN])
{
    return note(incoming, leaf, hash, LEAF_HELD);
}

const char *incoming_problem(const struct incoming *incoming, uint64_t size, uint32_t leaf, uint32_t len,
                             uint64_t room)
{
    uint64_t from = (uint64_t)leaf * LEAF_LEN,
             most = size == MANIFEST_SIZE_UNKNOWN ? MANIFEST_SIZE_MAX : size;
    if (incoming->whole)
        return "the sender sends what it need not";
    if (from >= most || len > most - from)
        return "the sender sends more than it announced";
    if (len < LEAF_LEN && size != MANIFEST_SIZE_UNKNOWN && from + len != size)
        return "the sender sends pieces of a wrong length";
    if (leaf < incoming->leaves && incoming->flags[leaf] == LEAF_RECEIVED)
        return "the sender sends the same twice";
    if (leaf >= incoming->leaves && leaf - incoming->leaves >= room)
        return "the sender begins too much at once";
    return NULL;
}

bool incoming_receive(struct incoming *incoming, uint32_t leaf, const uint8_t hash[HASH_LEN])
{
    if (!note(incoming, leaf, hash, LEAF_RECEIVED))
        return false;
    incoming->received++;
    return true;
}

bool incoming_complete(const struct incoming *incoming)
{
    return incoming->finished && incoming->received >= incoming->finish.leaves_sent;
}

const char *incoming_verify(const struct incoming *incoming, uint64_t size)
{
    struct hash_root root;
    uint8_t hash[HASH_LEN];
    uint64_t count = leaves_of(incoming->finish.size);
    if (size == MANIFEST_SIZE_UNKNOWN ? incoming->finish.size > MANIFEST_SIZE_MAX
                                      : incoming->finish.size != size)
        return "it is not as long as the sender announced";
    if (count > incoming->leaves)
        return "a part of it is missing";
    hash_root_begin(&root);
    for (uint64_t leaf = 0; leaf < count; leaf++) {
        if (incoming->flags[leaf] == LEAF_ABSENT)
            return "a part of it is missing";
        hash_root_add(&root, incoming->hashes + leaf * HASH_LEN);
    }
    hash_root_end(&root, incoming->finish.size, hash);
    if (memcmp(hash, incoming->finish.root, HASH_LEN) == 0)
        return NULL;
    return incoming->whole ? "another file of this name is there already"
                           : "it is not what the sender has: the hashes differ";
}

void incoming_free(struct incoming *incoming)
{
    free(incoming->hashes);
    free(incoming->flags);
    *incoming = (struct incoming){.fd = -1};
}
