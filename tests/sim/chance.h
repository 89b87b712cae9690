/* chance.h - everything random in a simulation comes from one seed. */
#ifndef CHANCE_H
#define CHANCE_H

#include "random.h"
#include <stdbool.h>
#include <string.h>

/* splitmix64 (Steele, Lea and Flood 2014): small, fast, and every seed is a good one. */
struct chance {
    uint64_t state;
};

static inline uint64_t chance_next(struct chance *chance)
{
    uint64_t z = chance->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static inline uint64_t chance_below(struct chance *chance, uint64_t limit)
{
    return limit ? chance_next(chance) % limit : 0;
}

static inline bool chance_percent(struct chance *chance, unsigned percent)
{
    return chance_below(chance, 100) < percent;
}

/* The fill of a struct random whose context is a struct chance. */
static inline void chance_fill(void *context, uint8_t *out, size_t len)
{
    while (len) {
        uint64_t value = chance_next(context);
        size_t take = len < sizeof value ? len : sizeof value;
        memcpy(out, &value, take);
        out += take;
        len -= take;
    }
}

#endif
