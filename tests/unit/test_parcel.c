/* test_parcel.c - a message that is repeated: when, how often, over which brokers. */
#include "packet.h"
#include "parcel.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char peer[] = "abcdefghijklmnop", room[] = "47vcn4x2iybnjlcp2fivzwg7gu635hoy";
static struct letter letter;

static struct parcel *make(unsigned copies)
{
    struct message message = {.type = MESSAGE_BYE, .from = "ponmlkjihgfedcba"};
    struct parcel *parcel = parcel_new(&message, peer, 1, copies);
    assert_non_null(parcel);
    return parcel;
}

static void copies_leave_at_once_and_after_a_quarter_a_half_one_and_two_seconds(void **state)
{
    static const uint64_t due_ms[] = {0, 250, 500, 1000, 2000};
    struct parcel *parcel = make(PARCEL_COPIES_MAX);
    (void)state;
    for (size_t i = 0; i < PARCEL_COPIES_MAX; i++) {
        uint64_t due = 7 * NS_PER_S + due_ms[i] * NS_PER_MS;
        assert_false(parcel_output(parcel, i ? due - 1 : 0, 0, room, &letter));
        assert_true(parcel_output(parcel, due, 1, room, &letter));
        assert_false(parcel_output(parcel, due, 1, room, &letter));
        assert_string_equal(letter.topic,
                            "p2pconnect/1/47vcn4x2iybnjlcp2fivzwg7gu635hoy/to/abcdefghijklmnop");
    }
    assert_true(parcel->due == NEVER);
    parcel_free(parcel);
}

static void from_one_second_on_every_connected_broker_gets_a_copy(void **state)
{
    struct parcel *parcel = make(PARCEL_COPIES_MAX);
    (void)state;
    for (uint64_t ms = 0; ms <= 2000; ms += 250) {
        if (!parcel_output(parcel, NS_PER_S + ms * NS_PER_MS, 7, room, &letter))
            continue;
        assert_int_equal(letter.brokers, ms < 1000 ? 1 : 7);
    }
    parcel_free(parcel);
}

static void when_its_broker_is_gone_the_others_are_used(void **state)
{
    struct parcel *parcel = make(2);
    (void)state;
    assert_false(parcel_output(parcel, NS_PER_S, 0, room, &letter));
    assert_true(parcel_output(parcel, NS_PER_S, 6, room, &letter));
    assert_int_equal(letter.brokers, 6);
    parcel_free(parcel);
}

static void without_a_broker_it_waits_and_does_not_catch_up_in_a_burst(void **state)
{
    struct parcel *parcel = make(PARCEL_COPIES_MAX);
    uint64_t now = 60 * NS_PER_S;
    (void)state;
    assert_true(parcel_output(parcel, NS_PER_S, 1, room, &letter));
    assert_true(parcel_output(parcel, now, 1, room, &letter));
    assert_false(parcel_output(parcel, now + 249 * NS_PER_MS, 1, room, &letter));
    assert_true(parcel_output(parcel, now + 250 * NS_PER_MS, 1, room, &letter));
    parcel_free(parcel);
}

static void a_duplicate_gets_one_more_copy_but_not_within_a_tenth_of_a_second(void **state)
{
    struct parcel *parcel = make(1);
    uint64_t now = NS_PER_S;
    (void)state;
    assert_true(parcel_output(parcel, now, 3, room, &letter));
    parcel_repeat(parcel, now + 99 * NS_PER_MS, 2);
    assert_true(parcel->due == NEVER);
    now += 100 * NS_PER_MS;
    parcel_repeat(parcel, now, 2);
    assert_true(parcel_output(parcel, now, 3, room, &letter));
    assert_int_equal(letter.brokers, 2); /* the broker that brought the duplicate */
    assert_true(parcel->due == NEVER);
    parcel_free(parcel);
}

static void a_series_may_begin_again_when_it_is_over(void **state)
{
    struct parcel *parcel = make(2);
    uint64_t now = NS_PER_S;
    (void)state;
    assert_true(parcel_output(parcel, now, 1, room, &letter));
    parcel_again(parcel, now); /* not over yet */
    assert_false(parcel_output(parcel, now, 1, room, &letter));
    parcel_stop(parcel);
    parcel_again(parcel, now);
    assert_true(parcel_output(parcel, now, 1, room, &letter));
    assert_true(parcel_output(parcel, now + NS_PER_S, 1, room, &letter));
    assert_false(parcel_output(parcel, now + 9 * NS_PER_S, 1, room, &letter));
    parcel_free(parcel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_leave_at_once_and_after_a_quarter_a_half_one_and_two_seconds),
        cmocka_unit_test(from_one_second_on_every_connected_broker_gets_a_copy),
        cmocka_unit_test(when_its_broker_is_gone_the_others_are_used),
        cmocka_unit_test(without_a_broker_it_waits_and_does_not_catch_up_in_a_burst),
        cmocka_unit_test(a_duplicate_gets_one_more_copy_but_not_within_a_tenth_of_a_second),
        cmocka_unit_test(a_series_may_begin_again_when_it_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
