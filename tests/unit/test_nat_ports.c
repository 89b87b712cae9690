/* test_nat_ports.c - a row of external ports tells how a NAT chooses them. */
#include "nat_ports.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t seed;

static unsigned draw(unsigned limit)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(seed >> 33) % limit;
}

static struct nat_behavior judged(const struct nat_sample *samples, size_t count)
{
    struct nat_behavior nat = {.mapping = NAT_MAPPING_ADDRESS, .last = 7, .low = 1, .high = 2, .step = 3};
    nat_ports_classify(&nat, samples, count);
    assert_true(nat.ports == NAT_PORTS_BLOCK ||
                (nat.low == 0 && nat.high == 0)); /* nothing of before stays */
    assert_true(nat.ports == NAT_PORTS_SEQUENTIAL || nat.step == 0);
    assert_int_equal(nat.mapping, NAT_MAPPING_ADDRESS);
    assert_int_equal(nat.last, 7);
    return nat;
}

static void fill_inner(struct nat_sample *samples, size_t count)
{
    for (size_t i = 0; i < count; i++)
        samples[i] = (struct nat_sample){.inner = (uint16_t)(40000 + 3 * i)};
}

/* A sequence where others take `slips` in a hundred turns, up to two each time. */
static void fill_sequence(struct nat_sample *samples, size_t count, unsigned first, int step, unsigned slips)
{
    int at = (int)first;
    fill_inner(samples, count);
    for (size_t i = 0; i < count; i++) {
        samples[i].outer = (uint16_t)at;
        at += step * (int)(1 + (draw(100) < slips ? 1 + draw(2) : 0));
    }
}

static void a_sequence_is_told_with_its_step_whatever_slips_in_between(void **state)
{
    static const int steps[] = {1, -1, 2, 4, -3, 10, 64, -64};
    struct nat_sample samples[NAT_PORTS_SAMPLES_MAX];
    (void)state;
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++)
        for (size_t count = NAT_PORTS_SAMPLES_MIN; count <= NAT_PORTS_SAMPLES_MAX; count++) {
            unsigned wrong = 0;
            for (unsigned row = 0; row < 1000; row++) {
                seed = row;
                fill_sequence(samples, count, 2000 + draw(60000), steps[s], 20);
                struct nat_behavior nat = judged(samples, count);
                wrong += nat.ports != NAT_PORTS_SEQUENTIAL || nat.step != steps[s];
            }
            if (wrong > 20)
                fail_msg("step %d, %zu samples: %u of 1000 told wrong", steps[s], count, wrong);
        }
}

static void a_sequence_may_begin_again_and_lose_its_order_once(void **state)
{
    struct nat_sample samples[12];
    (void)state;
    fill_sequence(samples, 12, 24090, 1, 0);
    for (size_t i = 6; i < 12; i++)
        samples[i].outer = (uint16_t)(20000 + i);
    assert_int_equal(judged(samples, 12).step, 1);
    fill_sequence(samples, 12, 65530, 1, 0); /* over the end, and 0 is not reached */
    assert_int_equal(judged(samples, 12).step, 1);
    fill_sequence(samples, 12, 30000, 2, 0);
    samples[5].outer = 30060; /* its first copy was lost */
    assert_int_equal(judged(samples, 12).step, 2);
}

static void ports_that_stay_are_preserved_though_some_were_taken(void **state)
{
    struct nat_sample samples[8];
    (void)state;
    fill_inner(samples, 8);
    for (size_t i = 0; i < 8; i++)
        samples[i].outer = samples[i].inner;
    samples[2].outer = 1024;
    assert_int_equal(judged(samples, 8).ports, NAT_PORTS_PRESERVED);
    assert_int_equal(judged(samples, 1).ports, NAT_PORTS_PRESERVED);
}

static void fill_random(struct nat_sample *samples, size_t count, unsigned low, unsigned size)
{
    fill_inner(samples, count);
    for (size_t i = 0; i < count; i++)
        samples[i].outer = (uint16_t)(low + draw(size));
}

static void a_block_is_told_with_its_bounds(void **state)
{
    static const struct {
        unsigned low, size, least; /* of a thousand rows with the very bounds */
    } rows[] = {
        {34816, 1024, 990}, {20480, 2048, 990}, {65024, 512, 990}, {40064, 64, 700}, {57344, 4096, 990}};
    struct nat_sample samples[NAT_PORTS_SAMPLES_MAX];
    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        unsigned right = 0;
        for (unsigned row = 0; row < 1000; row++) {
            seed = row;
            fill_random(samples, NAT_PORTS_SAMPLES_MAX, rows[r].low, rows[r].size);
            struct nat_behavior nat = judged(samples, NAT_PORTS_SAMPLES_MAX);
            right += nat.ports == NAT_PORTS_BLOCK && nat.low == rows[r].low &&
                     nat.high == rows[r].low + rows[r].size - 1;
        }
        if (right < rows[r].least)
            fail_msg("%u to %u: told right %u of 1000 times", rows[r].low, rows[r].low + rows[r].size, right);
    }
}

static void a_block_that_is_cut_anywhere_is_nearly_covered_and_not_much_more(void **state)
{
    struct nat_sample samples[NAT_PORTS_SAMPLES_MAX];
    unsigned bad = 0;
    (void)state;
    for (unsigned row = 0; row < 2000; row++) {
        seed = row;
        unsigned size = 500 + draw(3000), low = 1024 + draw(64000 - size);
        fill_random(samples, NAT_PORTS_SAMPLES_MAX, low, size);
        struct nat_behavior nat = judged(samples, NAT_PORTS_SAMPLES_MAX);
        unsigned from = nat.low > low ? nat.low : low, end = low + size;
        unsigned to = nat.high + 1u < end ? nat.high + 1u : end;
        bool covers = to > from && (to - from) * 10 >= size * 7;
        bad += nat.ports != NAT_PORTS_BLOCK || !covers || nat.high > nat.low + 3 * size;
    }
    assert_in_range(bad, 0, 40);
}

static void random_ports_are_neither_a_block_nor_a_sequence(void **state)
{
    struct nat_sample samples[NAT_PORTS_SAMPLES_MAX];
    unsigned wrong = 0;
    (void)state;
    for (size_t count = NAT_PORTS_SAMPLES_MIN; count <= NAT_PORTS_SAMPLES_MAX; count++)
        for (unsigned row = 0; row < 2000; row++) {
            seed = row;
            fill_random(samples, count, 20000, 41000);
            wrong += judged(samples, count).ports != NAT_PORTS_RANDOM;
        }
    assert_in_range(wrong, 0, 9 * 2);
}

static void too_few_samples_say_nothing_but_a_sequence(void **state)
{
    struct nat_sample samples[NAT_PORTS_SAMPLES_MAX];
    (void)state;
    seed = 5;
    fill_random(samples, 7, 20000, 41000);
    assert_int_equal(judged(samples, 0).ports, NAT_PORTS_UNKNOWN);
    for (size_t count = 1; count < NAT_PORTS_SAMPLES_MIN; count++)
        assert_int_equal(judged(samples, count).ports, NAT_PORTS_UNKNOWN);
    fill_sequence(samples, 4, 30000, 1, 0);
    assert_int_equal(judged(samples, 3).ports, NAT_PORTS_UNKNOWN);
    assert_int_equal(judged(samples, 4).ports, NAT_PORTS_SEQUENTIAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sequence_is_told_with_its_step_whatever_slips_in_between),
        cmocka_unit_test(a_sequence_may_begin_again_and_lose_its_order_once),
        cmocka_unit_test(ports_that_stay_are_preserved_though_some_were_taken),
        cmocka_unit_test(a_block_is_told_with_its_bounds),
        cmocka_unit_test(a_block_that_is_cut_anywhere_is_nearly_covered_and_not_much_more),
        cmocka_unit_test(random_ports_are_neither_a_block_nor_a_sequence),
        cmocka_unit_test(too_few_samples_say_nothing_but_a_sequence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
