/* nat_ports.c - how a NAT chooses the external ports of new mappings (RFC 4787 4.2), told from a row of them.
 *
 * Others use the same NAT meanwhile, and a lost packet is sent again out of turn: most of the row must fit,
 * not all of it. Left out: parity (RFC 4787 4.2.2), which is a sequence of step 2. */
#include "nat_ports.h"

#include <stdlib.h>

enum {
    SEQUENCE_MIN = 4,  /* samples that tell a sequence */
    SLIP_MAX = 16,     /* mappings of others between two of ours */
    BLOCK_MAX = 8192,  /* ports: carriers give 64 to 4,096 to a customer. Of 16 random ports all lie in so few
                          once in 10^9 rows, of 8 once in 10^4 */
    PORT_FIRST = 1024, /* nobody maps to lower ones (RFC 4787 4.2.1) */
    PORTS_END = 65536,
};

static bool most(size_t part, size_t whole)
{
    return part * 4 >= whole * 3;
}

static bool are_preserved(const struct nat_sample *samples, size_t count)
{
    size_t same = 0;
    for (size_t i = 0; i < count; i++)
        same += samples[i].inner == samples[i].outer;
    return count && most(same, count);
}

/* How far the next port is, either way round. */
static int distance(const struct nat_sample *sample)
{
    return (int16_t)(uint16_t)(sample[1].outer - sample[0].outer);
}

/* How many distances are the step, or several of it because others slipped in between. */
static size_t steps_that_fit(const struct nat_sample *samples, size_t count, int step, size_t *exact)
{
    size_t fit = 0;
    *exact = 0;
    for (size_t i = 0; i + 1 < count; i++) {
        int far = distance(&samples[i]);
        if (far % step != 0 || far / step < 1 || far / step > SLIP_MAX)
            continue;
        fit++;
        *exact += far == step;
    }
    return fit;
}

/* 0: no sequence. Of two steps that fit as often the one that is met itself more
 * often. */
static int find_step(const struct nat_sample *samples, size_t count)
{
    size_t best = 0, best_exact = 0;
    int found = 0;
    for (size_t i = 0; i + 1 < count; i++) {
        size_t exact;
        int step = distance(&samples[i]);
        if (step == 0 || abs(step) > NAT_STEP_MAX)
            continue;
        size_t fit = steps_that_fit(samples, count, step, &exact);
        if (fit > best || (fit == best && exact > best_exact)) {
            best = fit;
            best_exact = exact;
            found = step;
        }
    }
    return count >= SEQUENCE_MIN && most(best, count - 1) && best_exact * 4 >= count - 1 ? found : 0;
}

/* The smallest block of 2^n ports that begins at a multiple of its size and holds both; carriers cut theirs
 * so. */
static unsigned aligned_size(unsigned low, unsigned high)
{
    unsigned size = 64;
    while (low / size != high / size)
        size *= 2;
    return size;
}

/* What n ports drawn from a block leave free at either end of it, on average. */
static unsigned margin(unsigned span, size_t count)
{
    return (span + (unsigned)count - 2) / ((unsigned)count - 1);
}

static bool find_block(struct nat_behavior *out, const struct nat_sample *samples, size_t count)
{
    unsigned low = PORTS_END, high = 0;
    for (size_t i = 0; i < count; i++) {
        low = samples[i].outer < low ? samples[i].outer : low;
        high = samples[i].outer > high ? samples[i].outer : high;
    }
    unsigned span = high - low + 1, free = margin(span, count), size = aligned_size(low, high);
    if (span + 2 * free > BLOCK_MAX)
        return false;
    if (size <= 2 * (span + 2 * free)) {
        low = low / size * size;
        high = low + size - 1;
    } else { /* cut elsewhere */
        low = low > PORT_FIRST + free ? low - free : PORT_FIRST;
        high = high + free < PORTS_END ? high + free : PORTS_END - 1;
    }
    out->low = (uint16_t)(low ? low : 1);
    out->high = (uint16_t)high;
    return true;
}

void nat_ports_classify(struct nat_behavior *out, const struct nat_sample *samples, size_t count)
{
    out->ports = NAT_PORTS_UNKNOWN;
    out->step = 0;
    out->low = out->high = 0;
    if (count > NAT_PORTS_SAMPLES_MAX)
        count = NAT_PORTS_SAMPLES_MAX;
    if (are_preserved(samples, count)) {
        out->ports = NAT_PORTS_PRESERVED;
        return;
    }
    out->step = find_step(samples, count);
    if (out->step)
        out->ports = NAT_PORTS_SEQUENTIAL;
    else if (count >= NAT_PORTS_SAMPLES_MIN)
        out->ports = find_block(out, samples, count) ? NAT_PORTS_BLOCK : NAT_PORTS_RANDOM;
}
