/* test_leaf_map.c - the tree of what is known, against a plain array; and what it costs to say much. */
#include "leaf_map.h"

#include "fail_alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LEAVES = 3 * 512 * 512 / 2 + 77, STEPS = 3000, CHEAP = 4000 };

static uint8_t plain_flags[LEAVES], plain_hashes[LEAVES][HASH_LEN];

static uint32_t draw(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)*seed * below >> 32);
}

static void assert_same(const struct leaf_map *map)
{
    const uint8_t *hashes;
    unsigned flags;
    for (uint64_t leaf = 0, run; leaf < LEAVES; leaf += run) {
        run = leaf_map_run(map, leaf, &flags, &hashes);
        assert_in_range(run, 1, LEAVES - leaf);
        for (uint64_t i = 0; i < run; i++) {
            assert_int_equal(plain_flags[leaf + i], flags);
            if (hashes)
                assert_memory_equal(plain_hashes[leaf + i], hashes + i * HASH_LEN, HASH_LEN);
        }
        assert_int_equal(hashes != NULL, flags == LEAF_HELD || flags == LEAF_RECEIVED);
    }
}

static void it_knows_what_a_plain_array_knows(void **state)
{
    struct leaf_map map;
    uint32_t seed = 5;
    (void)state;
    leaf_map_begin(&map, LEAVES);
    for (int step = 0; step < STEPS; step++) {
        enum leaf_flag flag = draw(&seed, 2) ? LEAF_HELD : LEAF_RECEIVED;
        uint32_t leaf = draw(&seed, LEAVES), count = 1 + draw(&seed, draw(&seed, 9) ? 2000 : LEAVES);
        count = count < LEAVES - leaf ? count : LEAVES - leaf;
        if (draw(&seed, 3) == 0) {
            assert_true(leaf_map_put_zeros(&map, leaf, count, flag));
            memset(plain_flags + leaf, (int)flag | LEAF_ZERO, count);
        } else {
            memset(plain_hashes[leaf], step, HASH_LEN);
            plain_flags[leaf] = (uint8_t)flag;
            assert_true(leaf_map_put(&map, leaf, plain_hashes[leaf], flag));
        }
        if (step % 100 == 0)
            assert_same(&map);
    }
    assert_same(&map);
    leaf_map_free(&map);
    assert_int_equal(map.cells, 0);
}

static void a_run_of_any_length_costs_a_few_cells(void **state)
{
    const uint64_t leaves = UINT64_C(1) << 26;
    const uint8_t *hashes;
    unsigned flags;
    struct leaf_map map;
    (void)state;
    leaf_map_begin(&map, leaves);
    assert_true(leaf_map_put_zeros(&map, 1, leaves - 2, LEAF_RECEIVED));
    assert_in_range(map.cells, 1, CHEAP);
    assert_int_equal(leaf_map_run(&map, 0, &flags, &hashes), 1);
    assert_int_equal(flags, LEAF_ABSENT);
    assert_int_equal(leaf_map_run(&map, leaves - 1, &flags, &hashes), 1);
    assert_int_equal(flags, LEAF_ABSENT);
    leaf_map_run(&map, leaves / 2, &flags, &hashes);
    assert_int_equal(flags, LEAF_RECEIVED | LEAF_ZERO);
    leaf_map_free(&map);
}

static void a_small_file_has_a_small_map(void **state)
{
    uint8_t hash[HASH_LEN] = {9};
    struct leaf_map map;
    (void)state;
    leaf_map_begin(&map, 2);
    assert_true(leaf_map_put(&map, 1, hash, LEAF_HELD));
    assert_int_equal(map.cells, 2);
    leaf_map_free(&map);
    leaf_map_begin(&map, 0);
    leaf_map_free(&map);
}

static void a_hash_here_and_there_costs_little_memory(void **state)
{
    const uint64_t leaves = UINT64_C(1) << 26, step = 512, hashes = 4096;
    uint8_t hash[HASH_LEN] = {9};
    struct leaf_map map;
    (void)state;
    leaf_map_begin(&map, leaves);
    uint64_t before = fail_alloc_asked;
    for (uint64_t i = 0; i < hashes; i++)
        assert_true(leaf_map_put(&map, i * step, hash, LEAF_RECEIVED));
    assert_in_range((fail_alloc_asked - before) / hashes, HASH_LEN, 2048);
    leaf_map_free(&map);
}

static bool fill_some(void *context)
{
    uint8_t hash[HASH_LEN] = {9};
    struct leaf_map map;
    (void)context;
    leaf_map_begin(&map, LEAVES);
    bool good =
        leaf_map_put_zeros(&map, 10, LEAVES - 20, LEAF_HELD) && leaf_map_put(&map, 600, hash, LEAF_HELD);
    leaf_map_free(&map);
    return good;
}

static void without_memory_it_says_so_and_leaves_nothing(void **state)
{
    (void)state;
    assert_in_range(fail_alloc_each(fill_some, NULL), 5, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_knows_what_a_plain_array_knows),
        cmocka_unit_test(a_run_of_any_length_costs_a_few_cells),
        cmocka_unit_test(a_small_file_has_a_small_map),
        cmocka_unit_test(a_hash_here_and_there_costs_little_memory),
        cmocka_unit_test(without_memory_it_says_so_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
