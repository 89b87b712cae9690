/* path_memory.c - which way of guessing ports once led through two networks, so that it goes first next time.
 *
 * It is kept between runs, so it holds no address and no name: a pair of networks is a BLAKE2b hash under a
 * random key. The key lies beside the hashes, so whoever reads the file can try networks that he suspects: it
 * hides from a glance and from a search for addresses, not from somebody who guesses. Left out: the other
 * kinds of path, which are all tried at once anyway; IPv6, where no port is guessed. */
#include "path_memory.h"

#include "wire.h"

#include <sodium.h>
#include <string.h>

enum { PREFIX = 3 /* bytes of an IPv4 address: a provider's customers in one street share it */ };

static const char magic[8] = {'p', '2', 'p', 'p', 'a', 't', 'h', '1'};

void path_memory_start(struct path_memory *memory, const struct random *random)
{
    *memory = (struct path_memory){0};
    random->fill(random->context, memory->key, sizeof memory->key);
}

/* ---- pairs of networks ---- */

static bool is_known(const struct nat_behavior *nat)
{
    return nat->mapping != NAT_MAPPING_UNKNOWN && nat->external.family == 4;
}

static void put_network(struct writer *w, const struct nat_behavior *nat)
{
    put_bytes(w, nat->external.ip, PREFIX);
    put_u8(w, nat_is_hard(nat));
}

static bool hash_pair(const struct path_memory *memory, const struct nat_behavior *ours,
                      const struct nat_behavior *theirs, uint8_t out[PATH_MEMORY_HASH])
{
    uint8_t text[2 * (PREFIX + 1)];
    struct writer w = writer_of(text, sizeof text);
    if (!is_known(ours) || !is_known(theirs))
        return false;
    put_network(&w, ours);
    put_network(&w, theirs);
    crypto_generichash(out, PATH_MEMORY_HASH, text, w.len, memory->key, sizeof memory->key);
    return true;
}

static const struct path_memory_entry *find(const struct path_memory *memory,
                                            const uint8_t pair[PATH_MEMORY_HASH])
{
    for (size_t i = 0; i < memory->count; i++)
        if (memcmp(memory->entries[i].pair, pair, PATH_MEMORY_HASH) == 0)
            return &memory->entries[i];
    return NULL;
}

/* An entry of the future is as doubtful as an old one: somebody's clock was wrong. */
static bool is_fresh(const struct path_memory_entry *entry, uint64_t wall_s)
{
    uint64_t apart = wall_s > entry->at_s ? wall_s - entry->at_s : entry->at_s - wall_s;
    return apart <= PATH_MEMORY_AGE_S;
}

enum path_strategy path_memory_find(const struct path_memory *memory, uint64_t wall_s,
                                    const struct nat_behavior *ours, const struct nat_behavior *theirs)
{
    uint8_t pair[PATH_MEMORY_HASH];
    if (!hash_pair(memory, ours, theirs, pair))
        return STRATEGY_NONE;
    const struct path_memory_entry *entry = find(memory, pair);
    if (!entry || !is_fresh(entry, wall_s))
        return STRATEGY_NONE;
    return entry->strategy == STRATEGY_WIDE ? STRATEGY_WIDE : STRATEGY_GUESS;
}

/* ---- learning ---- */

static void drop_old(struct path_memory *memory, uint64_t wall_s)
{
    size_t kept = 0;
    for (size_t i = 0; i < memory->count; i++)
        if (is_fresh(&memory->entries[i], wall_s))
            memory->entries[kept++] = memory->entries[i];
    memory->count = kept;
}

static struct path_memory_entry *oldest(struct path_memory *memory)
{
    struct path_memory_entry *oldest = &memory->entries[0];
    for (size_t i = 1; i < memory->count; i++)
        if (memory->entries[i].at_s < oldest->at_s)
            oldest = &memory->entries[i];
    return oldest;
}

/* Over what is known of this pair, behind the last, or over the oldest, unless that is newer still. */
static void put_entry(struct path_memory *memory, const struct path_memory_entry *entry)
{
    const struct path_memory_entry *own = find(memory, entry->pair);
    struct path_memory_entry *place = own ? &memory->entries[own - memory->entries]
                                      : memory->count < PATH_MEMORY_MAX ? NULL
                                                                        : oldest(memory);
    if (!place)
        memory->entries[memory->count++] = *entry;
    else if (place->at_s <= entry->at_s)
        *place = *entry;
}

bool path_memory_note(struct path_memory *memory, uint64_t wall_s, const struct nat_behavior *ours,
                      const struct nat_behavior *theirs, enum path_strategy strategy)
{
    struct path_memory_entry entry = {.at_s = wall_s, .strategy = (uint8_t)strategy};
    if (strategy == STRATEGY_NONE || !hash_pair(memory, ours, theirs, entry.pair))
        return false;
    drop_old(memory, wall_s);
    put_entry(memory, &entry);
    return true;
}

void path_memory_merge(struct path_memory *memory, uint64_t wall_s, const struct path_memory *other)
{
    drop_old(memory, wall_s);
    if (memcmp(memory->key, other->key, sizeof memory->key) != 0)
        return;
    for (size_t i = 0; i < other->count; i++)
        if (is_fresh(&other->entries[i], wall_s))
            put_entry(memory, &other->entries[i]);
}

/* ---- as bytes ---- */

/* Not against anybody: a file that was cut off or overwritten shall not be believed. */
static void put_sum(struct writer *w, const struct path_memory *memory)
{
    uint8_t sum[PATH_MEMORY_HASH];
    crypto_generichash(sum, sizeof sum, w->start, w->len, memory->key, sizeof memory->key);
    put_bytes(w, sum, sizeof sum);
}

size_t path_memory_save(const struct path_memory *memory, uint8_t *out, size_t capacity)
{
    struct writer w = writer_of(out, capacity);
    put_bytes(&w, magic, sizeof magic);
    put_bytes(&w, memory->key, sizeof memory->key);
    for (size_t i = 0; i < memory->count; i++) {
        put_bytes(&w, memory->entries[i].pair, PATH_MEMORY_HASH);
        put_u64(&w, memory->entries[i].at_s);
        put_u8(&w, memory->entries[i].strategy);
    }
    if (!w.bad)
        put_sum(&w, memory);
    return w.bad ? 0 : w.len;
}

static bool take_entry(struct reader *r, struct path_memory *memory)
{
    struct path_memory_entry entry = {0};
    const uint8_t *pair = take_bytes(r, PATH_MEMORY_HASH);
    entry.at_s = take_u64(r);
    entry.strategy = take_u8(r);
    if (!pair || r->bad || !entry.strategy || memory->count == PATH_MEMORY_MAX || find(memory, pair))
        return false;
    memcpy(entry.pair, pair, PATH_MEMORY_HASH);
    memory->entries[memory->count++] = entry;
    return true;
}

static bool is_whole(const struct path_memory *memory, const uint8_t *bytes, size_t len)
{
    uint8_t sum[PATH_MEMORY_HASH];
    crypto_generichash(sum, sizeof sum, bytes, len - sizeof sum, memory->key, sizeof memory->key);
    return memcmp(sum, bytes + len - sizeof sum, sizeof sum) == 0;
}

bool path_memory_load(struct path_memory *memory, const uint8_t *bytes, size_t len)
{
    struct path_memory read = {0};
    struct reader r = reader_of(bytes, len);
    const uint8_t *name = take_bytes(&r, sizeof magic), *key = take_bytes(&r, sizeof read.key);
    if (!name || !key || memcmp(name, magic, sizeof magic) != 0 || r.left < PATH_MEMORY_HASH)
        return false;
    memcpy(read.key, key, sizeof read.key);
    if (!is_whole(&read, bytes, len))
        return false;
    while (r.left > PATH_MEMORY_HASH)
        if (!take_entry(&r, &read))
            return false;
    if (r.left != PATH_MEMORY_HASH)
        return false;
    *memory = read;
    return true;
}
