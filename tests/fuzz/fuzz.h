/* fuzz.h - what the targets share: the entry that libFuzzer calls, what must hold, numbers from a seed. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void must(bool holds)
{
    if (!holds)
        abort();
}

/* A `fill` of struct random whose context is a seed (uint64_t); the same seed, the same bytes. */
static inline void fill(void *context, uint8_t *out, size_t len)
{
    uint64_t *seed = context;
    for (size_t i = 0; i < len; i++) {
        *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        out[i] = (uint8_t)(*seed >> 56);
    }
}

#endif
