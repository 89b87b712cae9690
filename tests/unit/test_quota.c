/* test_quota.c - how many handshakes may begin. */
#include "packet.h"
#include "quota.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* What is promised (quota.h), in figures of their own: a limit that is measured with itself always holds. */
enum { PROMISED_STARTS = 20, PROMISED_GUESSES = 10, MINUTE_S = 60, FORGIVEN = 3, SLOW_S = 6, MEMORY_S = 600 };

enum { START_S = 1000 };
static const uint64_t start = START_S * NS_PER_S;

static void no_second_holds_more_than_twenty_starts(void **state)
{
    struct quota quota = {0};
    uint64_t times[200], now = start;
    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        now = quota_next(&quota, now, 0);
        quota_start(&quota, now);
        times[i] = now;
        if (i >= PROMISED_STARTS)
            assert_true(now - times[i - PROMISED_STARTS] >= NS_PER_S);
    }
    assert_true(now - start >= 9 * NS_PER_S && now - start < 10 * NS_PER_S);
}

static void a_start_that_may_be_is_not_delayed(void **state)
{
    struct quota quota = {0};
    (void)state;
    assert_int_equal(quota_next(&quota, start, 0), start);
    quota_start(&quota, start);
    assert_int_equal(quota_next(&quota, start, 0), start);
}

static void a_few_guesses_are_forgiven_and_one_more_slows_down(void **state)
{
    struct quota quota = {.has_guesses = true};
    (void)state;
    quota_start(&quota, start);
    for (unsigned i = 0; i < FORGIVEN; i++)
        assert_false(quota_guess(&quota, start + i));
    assert_int_equal(quota_next(&quota, start + 10, 0), start + 10);
    assert_int_equal(quota_next(&quota, start + 10, 1), start + SLOW_S * NS_PER_S); /* it may be the last */
    assert_true(quota_guess(&quota, start + 9));
    assert_int_equal(quota_next(&quota, start + 10, 0), start + SLOW_S * NS_PER_S);
    assert_int_equal(quota_next(&quota, start + 7 * NS_PER_S, 0), start + 7 * NS_PER_S);
    assert_false(quota_guess(&quota, start + 11)); /* it is slow already */
}

static void no_minute_holds_more_than_ten_guesses(void **state)
{
    struct quota quota = {.has_guesses = true};
    uint64_t times[100], now = start;
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        while (quota_next(&quota, now, 0) > now)
            now = quota_next(&quota, now, 0);
        quota_start(&quota, now);
        assert_true(quota_may_show(&quota, now, 0));
        quota_guess(&quota, now);
        times[i] = now;
        if (i >= PROMISED_GUESSES)
            assert_true(now - times[i - PROMISED_GUESSES] >= MINUTE_S * NS_PER_S);
    }
    assert_false(quota_may_show(&quota, now, 0));
    assert_true(quota_may_show(&quota, times[100 - PROMISED_GUESSES] + MINUTE_S * NS_PER_S, 0));
    assert_in_range(now - start, 95 * SLOW_S * NS_PER_S, 100 * 7 * NS_PER_S);
}

static void what_is_open_counts_with_what_failed(void **state)
{
    struct quota quota = {.has_guesses = true};
    (void)state;
    for (unsigned i = 0; i < 5; i++)
        quota_guess(&quota, start + i);
    assert_true(quota_may_show(&quota, start + 10, 4));
    assert_false(quota_may_show(&quota, start + 10, 5));
    assert_int_equal(quota_next(&quota, start + 10, 5), start + MINUTE_S * NS_PER_S);
}

static void an_open_room_has_nothing_to_guess(void **state)
{
    struct quota quota = {0};
    (void)state;
    quota_start(&quota, start);
    for (unsigned i = 0; i < 100; i++)
        assert_false(quota_guess(&quota, start));
    assert_true(quota_may_show(&quota, start, 8));
    assert_int_equal(quota_next(&quota, start, 8), start);
}

static void after_ten_minutes_a_guess_is_forgotten(void **state)
{
    struct quota quota = {.has_guesses = true};
    (void)state;
    for (unsigned i = 0; i <= FORGIVEN; i++)
        quota_guess(&quota, start);
    uint64_t later = start + MEMORY_S * NS_PER_S;
    quota_start(&quota, later - 1);
    assert_int_equal(quota_next(&quota, later - 1, 0), later - 1 + SLOW_S * NS_PER_S);
    assert_int_equal(quota_next(&quota, later, 0), later);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_second_holds_more_than_twenty_starts),
        cmocka_unit_test(a_start_that_may_be_is_not_delayed),
        cmocka_unit_test(a_few_guesses_are_forgiven_and_one_more_slows_down),
        cmocka_unit_test(no_minute_holds_more_than_ten_guesses),
        cmocka_unit_test(what_is_open_counts_with_what_failed),
        cmocka_unit_test(an_open_room_has_nothing_to_guess),
        cmocka_unit_test(after_ten_minutes_a_guess_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
