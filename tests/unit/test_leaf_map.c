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
    leaf_map_begin(&map, 512); /* one page */
    assert_true(leaf_map_put(&map, 1, hash, LEAF_HELD));
    assert_int_equal(map.cells, 512);
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

static void of_a_new_file_nothing_is_known(void **state)
{
    const uint8_t *hashes;
    unsigned flags = LEAF_HELD;
    struct leaf_map map;
    (void)state;
    leaf_map_begin(&map, LEAVES);
    assert_int_equal(leaf_map_run(&map, 77, &flags, &hashes), LEAVES - 77);
    assert_int_equal(flags, LEAF_ABSENT);
    assert_null(hashes);
}

/* They lie in blocks: a run ends where its hashes do. */
static void neighbours_have_their_own_hashes(void **state)
{
    enum { MANY = 100 };
    uint8_t hash[HASH_LEN];
    const uint8_t *hashes;
    unsigned flags;
    struct leaf_map map;
    (void)state;
    leaf_map_begin(&map, LEAVES);
    for (uint64_t i = 0; i < MANY; i++) {
        memset(hash, (int)i, sizeof hash);
        assert_true(leaf_map_put(&map, i, hash, LEAF_RECEIVED));
    }
    for (uint64_t leaf = 0, run; leaf < MANY; leaf += run) {
        run = leaf_map_run(&map, leaf, &flags, &hashes);
        assert_in_range(run, 1, MANY - leaf);
        for (uint64_t i = 0; i < run; i++)
            assert_int_equal(hashes[i * HASH_LEN], leaf + i);
    }
    leaf_map_free(&map);
}

/* A limit on cells ends transfers: what is said twice must not count twice. */
static void what_becomes_alike_gives_its_cells_back(void **state)
{
    uint8_t hash[HASH_LEN] = {9};
    struct leaf_map map;
    (void)state;
    leaf_map_begin(&map, LEAVES);
    assert_true(leaf_map_put_zeros(&map, 0, LEAVES, LEAF_HELD));
    uint64_t whole = map.cells;
    assert_in_range(whole, 1, 3);
    for (unsigned round = 0; round < 3; round++) {
        for (uint64_t leaf = 0; leaf < LEAVES; leaf += 400)
            assert_true(leaf_map_put(&map, leaf, hash, LEAF_HELD));
        assert_in_range(map.cells, LEAVES, LEAVES + 2 * LEAVES / 512);
        assert_true(leaf_map_put_zeros(&map, 0, LEAVES, LEAF_HELD));
        assert_int_equal(map.cells, whole);
    }
    leaf_map_free(&map);
}

static void zeros_that_fill_cells_open_none(void **state)
{
    struct leaf_map map;
    (void)state;
    leaf_map_begin(&map, LEAVES);
    assert_true(leaf_map_put_zeros(&map, 512, 512, LEAF_HELD)); /* one cell of those of 512 leaves */
    assert_int_equal(map.cells, 2 + 512);
    assert_true(leaf_map_put_zeros(&map, 512 * 512, LEAVES - 512 * 512, LEAF_HELD)); /* to the end */
    assert_int_equal(map.cells, 2 + 512);
    leaf_map_free(&map);
}

static void the_last_page_and_block_are_as_long_as_the_file(void **state)
{
    uint8_t hash[HASH_LEN] = {9};
    struct leaf_map map;
    (void)state;
    leaf_map_begin(&map, LEAVES);
    assert_true(leaf_map_put(&map, LEAVES - 1, hash, LEAF_HELD));
    assert_int_equal(map.cells, 2 + 257 + 77);
    leaf_map_free(&map);
    leaf_map_begin(&map, 33);
    assert_true(leaf_map_put(&map, 0, hash, LEAF_HELD));
    uint64_t before = fail_alloc_asked;
    assert_true(leaf_map_put(&map, 32, hash, LEAF_HELD));
    assert_int_equal(fail_alloc_asked - before, HASH_LEN);
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
        cmocka_unit_test(of_a_new_file_nothing_is_known),
        cmocka_unit_test(neighbours_have_their_own_hashes),
        cmocka_unit_test(what_becomes_alike_gives_its_cells_back),
        cmocka_unit_test(zeros_that_fill_cells_open_none),
        cmocka_unit_test(the_last_page_and_block_are_as_long_as_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
