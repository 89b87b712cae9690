/* random.h - randomness as it is handed to the machines, so that a seed replays them. */
#ifndef RANDOM_H
#define RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Fills `out` with `len` unpredictable bytes; cannot fail. The program's fill reads libsodium, a simulation's
 * a stream made from its seed. The struct is the caller's and outlives whoever keeps a pointer to it. */
struct random {
    void (*fill)(void *context, uint8_t *out, size_t len);
    void *context;
};

static inline uint64_t random_u64(const struct random *random)
{
    uint64_t value;
    random->fill(random->context, (uint8_t *)&value, sizeof value);
    return value;
}

/* A number from 0 to `limit` - 1 (`limit` > 0). The bias of the remainder is below 2^-32 for the limits used
 * here. */
static inline uint32_t random_below(const struct random *random, uint32_t limit)
{
    return (uint32_t)(random_u64(random) % limit);
}

#endif
