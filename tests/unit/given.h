/* given.h - what unit tests are given: addresses from their text, and randomness that is the same in every
 * run. */
#ifndef GIVEN_H
#define GIVEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "addr.h"
#include "random.h"

static inline struct addr addr_of(const char *text)
{
    struct addr addr = {0};
    if (!addr_parse(&addr, text))
        fail_msg("not an address: %s", text);
    return addr;
}

/* The high bytes of a linear congruence: enough to tell one id from another. */
static inline void linear(void *context, uint8_t *out, size_t len)
{
    uint64_t *state = context;
    for (size_t i = 0; i < len; i++) {
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        out[i] = (uint8_t)(*state >> 56);
    }
}

static uint64_t given_seed;
static const struct random seeded = {linear, &given_seed};

#endif
