/* test_quota.c - how many handshakes may begin. */
#include "packet.h"
#include "quota.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { START_S = 100 };
static const uint64_t start = START_S * NS_PER_S;

static void no_second_holds_more_than_twenty_starts(void **state)
{
    struct quota quota = {0};
    uint64_t times[200], now = start;
    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        now = quota_next(&quota, now);
        quota_start(&quota, now);
        times[i] = now;
        if (i >= RENDEZVOUS_STARTS_MAX)
            assert_true(now - times[i - RENDEZVOUS_STARTS_MAX] >= NS_PER_S);
    }
    assert_true(now - start >= 9 * NS_PER_S && now - start < 10 * NS_PER_S);
}

static void a_start_that_may_be_is_not_delayed(void **state)
{
    struct quota quota = {0};
    (void)state;
    assert_int_equal(quota_next(&quota, start), start);
    quota_start(&quota, start);
    assert_int_equal(quota_next(&quota, start), start);
}

static void nine_failures_are_forgiven_and_ten_slow_down(void **state)
{
    struct quota quota = {0};
    (void)state;
    quota_start(&quota, start);
    for (unsigned i = 0; i < QUOTA_FAILURES_MAX - 1; i++)
        quota_fail(&quota, start + i);
    assert_int_equal(quota_next(&quota, start + 10), start + 10);
    quota_fail(&quota, start + 9);
    assert_int_equal(quota_next(&quota, start + 10), start + QUOTA_SLOW_S * NS_PER_S);
    assert_int_equal(quota_next(&quota, start + 7 * NS_PER_S), start + 7 * NS_PER_S);
}

static void after_ten_minutes_a_failure_is_forgotten(void **state)
{
    struct quota quota = {0};
    (void)state;
    for (unsigned i = 0; i < QUOTA_FAILURES_MAX; i++)
        quota_fail(&quota, start);
    uint64_t later = start + QUOTA_MEMORY_S * NS_PER_S;
    quota_start(&quota, later - 1);
    assert_int_equal(quota_next(&quota, later - 1), later - 1 + QUOTA_SLOW_S * NS_PER_S);
    assert_int_equal(quota_next(&quota, later), later);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_second_holds_more_than_twenty_starts),
        cmocka_unit_test(a_start_that_may_be_is_not_delayed),
        cmocka_unit_test(nine_failures_are_forgiven_and_ten_slow_down),
        cmocka_unit_test(after_ten_minutes_a_failure_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
