/* test_bucket.c - so many bytes a second, and some at once. */
#include "bucket.h"
#include "packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct bucket full = {.rate = 1000, .burst = 500};

static void a_full_one_gives_its_burst_at_once_and_no_more(void **state)
{
    (void)state;
    struct bucket bucket = full;
    uint64_t now = 7 * NS_PER_S;
    for (unsigned i = 0; i < 5; i++) {
        assert_true(bucket_ready(&bucket, 100) <= now);
        bucket_take(&bucket, now, 100);
    }
    assert_true(bucket_ready(&bucket, 100) == now + NS_PER_S / 10);
    assert_true(bucket_ready(&bucket, 1) == now + NS_PER_MS);
}

static void over_a_long_time_it_keeps_its_rate_to_the_byte(void **state)
{
    (void)state;
    struct bucket bucket = full;
    uint64_t now = NS_PER_S, given = 0;
    for (; now < 101 * NS_PER_S; now += 3 * NS_PER_MS)
        for (; bucket_ready(&bucket, 70) <= now; given += 70)
            bucket_take(&bucket, now, 70);
    assert_in_range(given, 100 * 1000, 100 * 1000 + 500);
}

static void after_a_pause_it_is_full_and_no_fuller(void **state)
{
    (void)state;
    struct bucket bucket = full;
    bucket_take(&bucket, NS_PER_S, 500);
    uint64_t now = 1000 * NS_PER_S;
    assert_true(bucket_ready(&bucket, 500) <= now);
    bucket_take(&bucket, now, 500);
    assert_true(bucket_ready(&bucket, 100) == now + NS_PER_S / 10);
}

static void what_was_taken_too_much_is_waited_for(void **state)
{
    (void)state;
    struct bucket bucket = full;
    bucket_take(&bucket, NS_PER_S, 2000);
    assert_true(bucket_ready(&bucket, 500) == 3 * NS_PER_S);
}

static void the_highest_rates_do_not_overflow(void **state)
{
    (void)state;
    struct bucket bucket = {.rate = 1000000000, .burst = 5000000000};
    bucket_take(&bucket, NS_PER_S, 5000000000);
    assert_true(bucket_ready(&bucket, 1000) == NS_PER_S + 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_one_gives_its_burst_at_once_and_no_more),
        cmocka_unit_test(over_a_long_time_it_keeps_its_rate_to_the_byte),
        cmocka_unit_test(after_a_pause_it_is_full_and_no_fuller),
        cmocka_unit_test(what_was_taken_too_much_is_waited_for),
        cmocka_unit_test(the_highest_rates_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
