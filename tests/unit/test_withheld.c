/* test_withheld.c - answers that were not given are counted by id, and forgotten one a minute. */
#include "message.h"
#include "packet.h"
#include "withheld.h"
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_time_is_worth_four_times_the_places_up_to_six, begin),
        cmocka_unit_test_setup(one_is_forgotten_a_minute, begin),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
