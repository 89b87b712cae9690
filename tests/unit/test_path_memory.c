/* test_path_memory.c - what is remembered of pairs of networks: how many, how long, and what a file may hold.
 */
#include "path_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NOW = 1700000000, DAY = 86400 };

static void seed_fill(void *context, uint8_t *out, size_t len)
{
    uint64_t *state = context;
    for (size_t i = 0; i < len; i++) {
        *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
        out[i] = (uint8_t)(*state >> 56);
    }
}

static uint64_t seed = 7;
static const struct random source = {.fill = seed_fill, .context = &seed};

static struct nat_behavior network(unsigned number, bool hard)
{
    return (struct nat_behavior){
        .mapping = hard ? NAT_MAPPING_ADDRESS_AND_PORT : NAT_MAPPING_ENDPOINT,
        .external = {.family = 4, .ip = {203, (uint8_t)(number >> 8), (uint8_t)number, 10}, .port = 4000}};
}

static enum path_strategy find(const struct path_memory *memory, uint64_t at, unsigned number)
{
    struct nat_behavior ours = network(0, false), theirs = network(number, true);
    return path_memory_find(memory, at, &ours, &theirs);
}

static bool note(struct path_memory *memory, uint64_t at, unsigned number, enum path_strategy strategy)
{
    struct nat_behavior ours = network(0, false), theirs = network(number, true);
    return path_memory_note(memory, at, &ours, &theirs, strategy);
}

static void what_worked_is_found_again_between_the_same_networks(void **state)
{
    (void)state;
    struct path_memory memory;
    struct nat_behavior ours = network(0, false), theirs = network(1, true);
    path_memory_start(&memory, &source);
    assert_int_equal(find(&memory, NOW, 1), STRATEGY_NONE);
    assert_true(note(&memory, NOW, 1, STRATEGY_WIDE));
    assert_int_equal(find(&memory, NOW, 1), STRATEGY_WIDE);
    theirs.external.ip[3] = 77, theirs.external.port = 5, theirs.ports = NAT_PORTS_RANDOM;
    assert_int_equal(path_memory_find(&memory, NOW, &ours, &theirs), STRATEGY_WIDE);
    assert_int_equal(path_memory_find(&memory, NOW, &theirs, &ours), STRATEGY_NONE);
    assert_int_equal(find(&memory, NOW, 2), STRATEGY_NONE);
    theirs.mapping = NAT_MAPPING_ENDPOINT;
    assert_int_equal(path_memory_find(&memory, NOW, &ours, &theirs), STRATEGY_NONE);
    assert_true(note(&memory, NOW + 1, 1, STRATEGY_GUESS));
    assert_int_equal(find(&memory, NOW + 1, 1), STRATEGY_GUESS);
    assert_int_equal(memory.count, 1);
}

static void an_unknown_network_is_no_pair(void **state)
{
    (void)state;
    struct path_memory memory;
    struct nat_behavior known = network(1, true), strange = {0}, six = network(2, true);
    six.external.family = 6;
    path_memory_start(&memory, &source);
    assert_false(path_memory_note(&memory, NOW, &known, &strange, STRATEGY_GUESS));
    assert_false(path_memory_note(&memory, NOW, &six, &known, STRATEGY_GUESS));
    assert_false(path_memory_note(&memory, NOW, &known, &known, STRATEGY_NONE));
    assert_int_equal(memory.count, 0);
}

static void nothing_is_older_than_thirty_days(void **state)
{
    (void)state;
    struct path_memory memory;
    path_memory_start(&memory, &source);
    note(&memory, NOW, 1, STRATEGY_GUESS);
    assert_int_equal(find(&memory, NOW + 30 * DAY, 1), STRATEGY_GUESS);
    assert_int_equal(find(&memory, NOW + 30 * DAY + 1, 1), STRATEGY_NONE);
    assert_int_equal(find(&memory, NOW - 31 * DAY, 1), STRATEGY_NONE); /* a clock was wrong */
    note(&memory, NOW + 31 * DAY, 2, STRATEGY_GUESS);
    assert_int_equal(memory.count, 1);
}

static void of_too_many_the_oldest_goes(void **state)
{
    (void)state;
    struct path_memory memory;
    path_memory_start(&memory, &source);
    for (unsigned i = 0; i < PATH_MEMORY_MAX + 3; i++)
        assert_true(note(&memory, NOW + i, i, STRATEGY_GUESS));
    assert_int_equal(memory.count, PATH_MEMORY_MAX);
    for (unsigned i = 0; i < PATH_MEMORY_MAX + 3; i++)
        assert_int_equal(find(&memory, NOW, i), i < 3 ? STRATEGY_NONE : STRATEGY_GUESS);
}

static void bytes_become_the_same_memory(void **state)
{
    (void)state;
    struct path_memory memory, read;
    uint8_t bytes[PATH_MEMORY_BYTES];
    path_memory_start(&memory, &source);
    for (unsigned i = 0; i < PATH_MEMORY_MAX; i++)
        note(&memory, NOW + i, i, i % 2 ? STRATEGY_GUESS : STRATEGY_WIDE);
    size_t len = path_memory_save(&memory, bytes, sizeof bytes);
    assert_int_equal(len, sizeof bytes);
    assert_int_equal(path_memory_save(&memory, bytes, sizeof bytes - 1), 0);
    path_memory_save(&memory, bytes, sizeof bytes);
    path_memory_start(&read, &source);
    assert_true(path_memory_load(&read, bytes, len));
    assert_int_equal(read.count, memory.count);
    for (unsigned i = 0; i < PATH_MEMORY_MAX; i++)
        assert_int_equal(find(&read, NOW + i, i), i % 2 ? STRATEGY_GUESS : STRATEGY_WIDE);
    uint8_t again[PATH_MEMORY_BYTES];
    assert_int_equal(path_memory_save(&read, again, sizeof again), len);
    assert_memory_equal(again, bytes, len);
}

static void a_file_holds_no_address(void **state)
{
    (void)state;
    struct path_memory memory;
    uint8_t bytes[PATH_MEMORY_BYTES];
    const uint8_t ours[] = {203, 0, 0}, theirs[] = {203, 1, 44};
    path_memory_start(&memory, &source);
    note(&memory, NOW, 300, STRATEGY_GUESS);
    size_t len = path_memory_save(&memory, bytes, sizeof bytes);
    for (size_t i = 0; i + 3 <= len; i++) {
        assert_memory_not_equal(bytes + i, ours, 3);
        assert_memory_not_equal(bytes + i, theirs, 3);
    }
}

static void no_damaged_byte_and_no_cut_is_believed(void **state)
{
    (void)state;
    struct path_memory memory, read, before;
    uint8_t bytes[PATH_MEMORY_BYTES];
    path_memory_start(&memory, &source);
    note(&memory, NOW, 1, STRATEGY_GUESS);
    note(&memory, NOW, 2, STRATEGY_WIDE);
    size_t len = path_memory_save(&memory, bytes, sizeof bytes);
    path_memory_start(&read, &source);
    before = read;
    for (size_t i = 0; i < len; i++) {
        bytes[i] ^= 1;
        assert_false(path_memory_load(&read, bytes, len));
        bytes[i] ^= 1;
        assert_false(path_memory_load(&read, bytes, i));
    }
    assert_memory_equal(&read, &before, sizeof read);
    assert_true(path_memory_load(&read, bytes, len));
}

static void two_memories_of_one_key_become_one(void **state)
{
    (void)state;
    struct path_memory ours, theirs, strange;
    path_memory_start(&ours, &source);
    theirs = ours;
    note(&ours, NOW, 1, STRATEGY_GUESS);
    note(&ours, NOW + 5, 2, STRATEGY_GUESS);
    note(&theirs, NOW + 9, 1, STRATEGY_WIDE);
    note(&theirs, NOW, 2, STRATEGY_WIDE);
    note(&theirs, NOW, 3, STRATEGY_WIDE);
    path_memory_merge(&ours, NOW, &theirs);
    assert_int_equal(ours.count, 3);
    assert_int_equal(find(&ours, NOW, 1), STRATEGY_WIDE);
    assert_int_equal(find(&ours, NOW, 2), STRATEGY_GUESS);
    assert_int_equal(find(&ours, NOW, 3), STRATEGY_WIDE);
    path_memory_start(&strange, &source);
    note(&strange, NOW, 4, STRATEGY_WIDE);
    path_memory_merge(&ours, NOW, &strange);
    assert_int_equal(ours.count, 3);
}

/* A clock was wrong when the other one wrote: else what is true could never take the place of that. */
static void of_two_memories_nothing_of_the_future_stays(void **state)
{
    (void)state;
    struct path_memory kept, ours;
    path_memory_start(&kept, &source);
    ours = kept;
    note(&kept, NOW + 1000 * DAY, 1, STRATEGY_WIDE);
    note(&ours, NOW, 1, STRATEGY_GUESS);
    path_memory_merge(&kept, NOW, &ours);
    assert_int_equal(find(&kept, NOW, 1), STRATEGY_GUESS);
    assert_int_equal(kept.count, 1);
    note(&ours, NOW + 1000 * DAY, 2, STRATEGY_WIDE);
    path_memory_merge(&kept, NOW, &ours);
    assert_int_equal(kept.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_worked_is_found_again_between_the_same_networks),
        cmocka_unit_test(an_unknown_network_is_no_pair),
        cmocka_unit_test(nothing_is_older_than_thirty_days),
        cmocka_unit_test(of_too_many_the_oldest_goes),
        cmocka_unit_test(bytes_become_the_same_memory),
        cmocka_unit_test(a_file_holds_no_address),
        cmocka_unit_test(no_damaged_byte_and_no_cut_is_believed),
        cmocka_unit_test(two_memories_of_one_key_become_one),
        cmocka_unit_test(of_two_memories_nothing_of_the_future_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
