/* test_withheld.c - answers that were not given are counted by id, and forgotten one a minute. */
#include "message.h"
#include "packet.h"
#include "withheld.h"
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void fill(void *context, uint8_t *out, size_t len)
{
    (void)context;
    randombytes_buf(out, len);
}

static const struct random randomness = {fill, NULL};
static struct withheld withheld;
static const uint64_t start = 100 * NS_PER_S;
static const char id[PEER_ID_LEN + 1] = "abcdefghijklmnop";

static int begin(void **state)
{
    (void)state;
    memset(&withheld, 0, sizeof withheld);
    withheld_start(&withheld, &randomness);
    return 0;
}

static void each_time_is_worth_four_times_the_places_up_to_six(void **state)
{
    unsigned worth = 3;
    (void)state;
    for (unsigned i = 0; i < WITHHELD_MAX; i++, worth *= 4) {
        assert_int_equal(withheld_places(&withheld, start, id, 3), worth);
        withheld_note(&withheld, start, id);
    }
    for (unsigned i = 0; i < 1000; i++)
        withheld_note(&withheld, start, id);
    assert_int_equal(withheld_places(&withheld, start, id, 3), worth);
}

static void one_is_forgotten_a_minute(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        withheld_note(&withheld, start, id); /* the clock began with 0 */
    assert_int_equal(withheld_places(&withheld, 119 * NS_PER_S, id, 1), 64);
    assert_int_equal(withheld_places(&withheld, 120 * NS_PER_S, id, 1), 16);
    assert_int_equal(withheld_places(&withheld, 180 * NS_PER_S, id, 1), 4);
    assert_int_equal(withheld_places(&withheld, 86400 * NS_PER_S, id, 1), 1);
}

static void name(char *out, unsigned n)
{
    snprintf(out, PEER_ID_LEN + 1, "peer%012u", n);
}

static void each_id_has_a_counter_of_its_own(void **state)
{
    char other[PEER_ID_LEN + 1];
    unsigned shared = 0;
    (void)state;
    withheld_note(&withheld, start, id);
    for (unsigned n = 0; n < 1000; n++) {
        name(other, n);
        shared += withheld_places(&withheld, start, other, 1) != 1;
    }
    assert_in_range(shared, 0, 20); /* 1 is expected */
}

static void every_counter_is_forgotten_in_six_minutes(void **state)
{
    char other[PEER_ID_LEN + 1];
    (void)state;
    withheld_places(&withheld, start, id, 1); /* the clock began with 0 */
    for (unsigned round = 0; round < 2; round++)
        for (unsigned n = 0; n < 20 * WITHHELD_PLACES; n++) {
            name(other, n);
            if (round == 0)
                withheld_note(&withheld, start, other);
            else
                assert_int_equal(withheld_places(&withheld, start + 6 * 60 * NS_PER_S, other, 1), 1);
        }
}

static void fill_with(void *context, uint8_t *out, size_t len)
{
    memset(out, *(const uint8_t *)context, len);
}

/* Who shares a counter with whom, under this key: ids of the same counter as `id`. */
static unsigned with_key(uint8_t key, bool shares[], unsigned count)
{
    struct random same = {fill_with, &key};
    char other[PEER_ID_LEN + 1];
    unsigned shared = 0;
    memset(&withheld, 0, sizeof withheld);
    withheld_start(&withheld, &same);
    withheld_note(&withheld, start, id);
    for (unsigned n = 0; n < count; n++) {
        name(other, n);
        shares[n] = withheld_places(&withheld, start, other, 1) != 1;
        shared += shares[n];
    }
    return shared;
}

/* Else somebody could make up an id that is answered sooner together with a friend's. */
static void who_shares_a_counter_with_whom_depends_on_the_key(void **state)
{
    enum { IDS = 10000 };
    static bool one[IDS], two[IDS];
    unsigned both = 0;
    (void)state;
    assert_in_range(with_key(1, one, IDS), 1, 40);
    assert_in_range(with_key(2, two, IDS), 1, 40);
    for (unsigned n = 0; n < IDS; n++)
        both += one[n] && two[n];
    assert_in_range(both, 0, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_time_is_worth_four_times_the_places_up_to_six, begin),
        cmocka_unit_test_setup(one_is_forgotten_a_minute, begin),
        cmocka_unit_test_setup(each_id_has_a_counter_of_its_own, begin),
        cmocka_unit_test_setup(every_counter_is_forgotten_in_six_minutes, begin),
        cmocka_unit_test(who_shares_a_counter_with_whom_depends_on_the_key),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
