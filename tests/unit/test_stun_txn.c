/* test_stun_txn.c - one request and its retransmissions, in every state. */
#include "packet.h"
#include "stun_txn.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void count_up(void *context, uint8_t *out, size_t len)
{
    uint8_t *next = context;
    for (size_t i = 0; i < len; i++)
        out[i] = (*next)++;
}

static uint8_t counter;
static const struct random counting = {count_up, &counter};

enum { COPIES = 4 };
static const uint64_t START = 7 * NS_PER_S, RTO = 250 * NS_PER_MS;

static struct stun_txn started(void)
{
    struct stun_txn txn;
    stun_txn_start(&txn, START, RTO, COPIES, &counting);
    return txn;
}

/* As if `copies` had been sent, each when it was due; returns when the last one was. */
static uint64_t send_copies(struct stun_txn *txn, unsigned copies)
{
    uint64_t now = START;
    for (unsigned i = 0; i < copies; i++) {
        now = stun_txn_deadline(txn);
        assert_true(stun_txn_send(txn, now));
    }
    return now;
}

static void copies_are_sent_at_once_and_then_at_doubling_distances_until_it_fails(void **state)
{
    (void)state;
    static const uint64_t due_ms[COPIES] = {0, 250, 750, 1750};
    struct stun_txn txn = started();
    for (unsigned i = 0; i < COPIES; i++) {
        uint64_t due = START + due_ms[i] * NS_PER_MS;
        assert_true(stun_txn_deadline(&txn) == due);
        if (i > 0)
            assert_false(stun_txn_send(&txn, due - 1));
        assert_true(stun_txn_send(&txn, due));
        assert_false(stun_txn_send(&txn, due));
        assert_int_equal(txn.sends, i + 1);
    }
    uint64_t end = START + 2750 * NS_PER_MS;
    assert_true(stun_txn_deadline(&txn) == end);
    assert_false(stun_txn_send(&txn, end));
    assert_false(stun_txn_failed(&txn, end - 1));
    assert_true(stun_txn_failed(&txn, end));
    assert_false(stun_txn_failed(&txn, end));
    assert_true(stun_txn_deadline(&txn) == NEVER);
}

static void a_single_copy_is_waited_for_as_long_as_its_rto(void **state)
{
    (void)state;
    struct stun_txn txn;
    stun_txn_start(&txn, START, RTO, 1, &counting);
    assert_true(stun_txn_send(&txn, START));
    assert_false(stun_txn_failed(&txn, START + RTO - 1));
    assert_true(stun_txn_failed(&txn, START + RTO));
}

static void a_late_call_delays_what_follows_and_loses_no_copy(void **state)
{
    (void)state;
    struct stun_txn txn = started();
    assert_true(stun_txn_send(&txn, START + NS_PER_S));
    assert_false(stun_txn_send(&txn, START + NS_PER_S + RTO - 1));
    assert_true(stun_txn_send(&txn, START + 60 * NS_PER_S));
    assert_true(stun_txn_deadline(&txn) == START + 60 * NS_PER_S + 2 * RTO);
}

static void every_transaction_has_another_id(void **state)
{
    (void)state;
    struct stun_txn a = started(), b = started();
    assert_memory_not_equal(a.id, b.id, STUN_ID_LEN);
}

static void an_answer_is_taken_after_any_number_of_copies_and_only_once(void **state)
{
    (void)state;
    for (unsigned copies = 1; copies <= COPIES; copies++) {
        struct stun_txn txn = started();
        uint64_t sent = send_copies(&txn, copies), rtt;
        assert_true(stun_txn_answered(&txn, sent + 40 * NS_PER_MS, txn.id, &rtt));
        assert_true(rtt == 40 * NS_PER_MS);
        assert_false(stun_txn_answered(&txn, sent + 40 * NS_PER_MS, txn.id, &rtt));
        assert_false(stun_txn_send(&txn, sent + 60 * NS_PER_S));
        assert_false(stun_txn_failed(&txn, sent + 60 * NS_PER_S));
        assert_true(stun_txn_deadline(&txn) == NEVER);
    }
}

static void an_answer_right_after_a_retransmission_is_counted_from_the_first_copy(void **state)
{
    (void)state;
    struct stun_txn txn = started();
    uint64_t sent = send_copies(&txn, 2), rtt;
    assert_true(stun_txn_answered(&txn, sent + 1000, txn.id, &rtt));
    assert_true(rtt == RTO + 1000);
}

static void a_round_trip_of_microseconds_is_believed_of_the_first_copy(void **state)
{
    (void)state;
    struct stun_txn txn = started();
    uint64_t sent = send_copies(&txn, 1), rtt;
    assert_true(stun_txn_answered(&txn, sent + 20000, txn.id, &rtt));
    assert_true(rtt == 20000);
}

static void another_id_changes_nothing_in_any_state(void **state)
{
    (void)state;
    for (unsigned copies = 0; copies <= COPIES; copies++)
        for (size_t byte = 0; byte < STUN_ID_LEN; byte++) {
            struct stun_txn txn = started();
            uint64_t sent = send_copies(&txn, copies), rtt;
            uint8_t id[STUN_ID_LEN];
            memcpy(id, txn.id, sizeof id);
            id[byte] ^= 1;
            struct stun_txn before = txn;
            assert_false(stun_txn_answered(&txn, sent, id, &rtt));
            assert_memory_equal(&txn, &before, sizeof txn);
        }
}

static void an_answer_before_the_first_copy_is_a_forgery(void **state)
{
    (void)state;
    struct stun_txn txn = started();
    uint64_t rtt;
    assert_false(stun_txn_answered(&txn, START, txn.id, &rtt));
    assert_true(stun_txn_send(&txn, START));
}

static void a_late_answer_does_not_revive_a_failed_transaction(void **state)
{
    (void)state;
    struct stun_txn txn = started();
    send_copies(&txn, COPIES);
    uint64_t end = stun_txn_deadline(&txn), rtt;
    assert_true(stun_txn_failed(&txn, end));
    assert_false(stun_txn_answered(&txn, end, txn.id, &rtt));
    assert_false(stun_txn_send(&txn, end));
}

static void one_that_was_never_started_or_was_stopped_does_nothing(void **state)
{
    (void)state;
    struct stun_txn idle = {0}, stopped = started();
    stun_txn_stop(&stopped);
    struct stun_txn *both[] = {&idle, &stopped};
    for (size_t i = 0; i < 2; i++) {
        uint64_t rtt;
        assert_true(stun_txn_deadline(both[i]) == NEVER);
        assert_false(stun_txn_send(both[i], START));
        assert_false(stun_txn_failed(both[i], START));
        assert_false(stun_txn_answered(both[i], START, both[i]->id, &rtt));
        stun_txn_stop(both[i]);
    }
}

static void the_wait_between_copies_grows_to_its_limit_and_no_further(void **state)
{
    (void)state;
    static const uint64_t due_ms[] = {0, 250, 650, 1050, 1450};
    struct stun_txn txn;
    stun_txn_start(&txn, START, 250 * NS_PER_MS, 5, &counting);
    txn.rto_max = 400 * NS_PER_MS;
    for (size_t i = 0; i < 5; i++) {
        assert_true(stun_txn_deadline(&txn) == START + due_ms[i] * NS_PER_MS);
        assert_true(stun_txn_send(&txn, START + due_ms[i] * NS_PER_MS));
    }
    assert_true(stun_txn_deadline(&txn) == START + 1850 * NS_PER_MS);
}

static void times_at_the_end_of_the_clock_do_not_wrap(void **state)
{
    (void)state;
    struct stun_txn txn;
    stun_txn_start(&txn, NEVER - 1, NEVER / 2, COPIES, &counting);
    assert_true(stun_txn_send(&txn, NEVER - 1));
    assert_true(stun_txn_deadline(&txn) == NEVER);
    stun_txn_start(&txn, 0, NEVER / 2 + 1, COPIES, &counting);
    assert_true(stun_txn_send(&txn, 0));
    assert_true(stun_txn_send(&txn, NEVER / 2 + 1));
    assert_true(txn.rto == NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_are_sent_at_once_and_then_at_doubling_distances_until_it_fails),
        cmocka_unit_test(a_single_copy_is_waited_for_as_long_as_its_rto),
        cmocka_unit_test(a_late_call_delays_what_follows_and_loses_no_copy),
        cmocka_unit_test(every_transaction_has_another_id),
        cmocka_unit_test(an_answer_is_taken_after_any_number_of_copies_and_only_once),
        cmocka_unit_test(an_answer_right_after_a_retransmission_is_counted_from_the_first_copy),
        cmocka_unit_test(a_round_trip_of_microseconds_is_believed_of_the_first_copy),
        cmocka_unit_test(another_id_changes_nothing_in_any_state),
        cmocka_unit_test(an_answer_before_the_first_copy_is_a_forgery),
        cmocka_unit_test(a_late_answer_does_not_revive_a_failed_transaction),
        cmocka_unit_test(one_that_was_never_started_or_was_stopped_does_nothing),
        cmocka_unit_test(the_wait_between_copies_grows_to_its_limit_and_no_further),
        cmocka_unit_test(times_at_the_end_of_the_clock_do_not_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
