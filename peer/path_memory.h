/* path_memory.h - which way of guessing ports once led through two networks, so that it goes first next time.
 */
#ifndef PATH_MEMORY_H
#define PATH_MEMORY_H

#include "nat_behavior.h"
#include "random.h"

enum path_strategy {
    STRATEGY_NONE,  /* nothing is known */
    STRATEGY_GUESS, /* ports had to be guessed: ordinary checks are not waited for */
    STRATEGY_WIDE,  /* ... and the foretold ones were wrong: many sockets, early. Higher numbers of a later
                       version are taken for GUESS */
};

enum {
    PATH_MEMORY_MAX = 64,        /* pairs of networks: more than anybody meets in a month; the oldest goes */
    PATH_MEMORY_AGE_S = 2592000, /* 30 days: gateways are replaced, and addresses handed to others */
    PATH_MEMORY_KEY = 32,
    PATH_MEMORY_HASH = 16,
    PATH_MEMORY_BYTES = 8 + PATH_MEMORY_KEY + PATH_MEMORY_MAX * (PATH_MEMORY_HASH + 9) + PATH_MEMORY_HASH,
};

struct path_memory_entry {
    uint8_t pair[PATH_MEMORY_HASH]; /* of both networks, keyed */
    uint64_t at_s;                  /* when it last worked, seconds since 1970 */
    uint8_t strategy;               /* enum path_strategy */
};

struct path_memory {
    uint8_t key[PATH_MEMORY_KEY];
    struct path_memory_entry entries[PATH_MEMORY_MAX];
    size_t count;
};

/* Empty, with a key of its own. */
void path_memory_start(struct path_memory *memory, const struct random *random);

/* What worked between these two at `wall_s` or in the 30 days before. A network is the public prefix (24 bits
 * of IPv4) and whether its NAT is hard, which is what is known of it first. */
enum path_strategy path_memory_find(const struct path_memory *memory, uint64_t wall_s,
                                    const struct nat_behavior *ours, const struct nat_behavior *theirs);
/* It worked. False: that says nothing, for one of the networks is not known. */
bool path_memory_note(struct path_memory *memory, uint64_t wall_s, const struct nat_behavior *ours,
                      const struct nat_behavior *theirs, enum path_strategy strategy);

/* As bytes, at most PATH_MEMORY_BYTES; 0: they do not fit. */
size_t path_memory_save(const struct path_memory *memory, uint8_t *out, size_t capacity);
/* False: these are not what path_memory_save gave; *memory is as it was. */
bool path_memory_load(struct path_memory *memory, const uint8_t *bytes, size_t len);
/* Adds what another has learnt, of each pair what is newer. Entries under another key would mean nothing
 * here: then *memory stays as it is. What is too old, or of the future, goes. */
void path_memory_merge(struct path_memory *memory, uint64_t wall_s, const struct path_memory *other);

#endif
