/* moment.h - points in time and spans of it: nanoseconds of the clock of whoever drives the machines. */
#ifndef MOMENT_H
#define MOMENT_H

#include <stdint.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)
#define NEVER UINT64_MAX /* a deadline that never comes */

/* Of two moments, or the shorter of two spans. */
static inline uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Of two moments, or the longer of two spans. */
static inline uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

#endif
