/* test_broker_path.c - when the way through the broker is taken and left, how fast, whether anybody answers
 * there. */
#include "broker_path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { RATE = 32768 };

static const uint64_t start = 100 * NS_PER_S;

struct road {
    struct broker_path path;
    struct broker_view view;
    struct bucket shared;
    uint64_t now;
};

static void road_make(struct road *road, uint64_t delay)
{
    *road = (struct road){.shared = broker_path_bucket(RATE), .now = start, .view = {.heard = start}};
    broker_path_init(&road->path, &road->shared);
    broker_path_set_up(&road->path, start, true);
    broker_path_allow(&road->path, start, RATE, delay);
}

static enum broker_turn turn(struct road *road)
{
    return broker_path_turn(&road->path, road->now, &road->view);
}

/* Goes to the deadline, which must be so many ms after the start, and expects this turn there and not before.
 */
static void comes(struct road *road, uint64_t ms, enum broker_turn expected)
{
    uint64_t due = broker_path_deadline(&road->path, &road->view);
    assert_true(due == start + ms * NS_PER_MS);
    road->now = due - 1;
    assert_int_equal(turn(road), BROKER_TURN_NONE);
    road->now = due;
    assert_int_equal(turn(road), expected);
}

/* A packet of the peer comes, now. */
static void hear(struct road *road)
{
    road->view.heard = road->view.quic.last_received = road->now;
}

/* Taken, and the peer is there. */
static void road_there(struct road *road)
{
    road_make(road, 0);
    comes(road, 150, BROKER_TURN_TAKEN);
    road->now += 50 * NS_PER_MS;
    hear(road);
    assert_int_equal(turn(road), BROKER_TURN_THERE);
    assert_int_equal(turn(road), BROKER_TURN_NONE);
}

static void it_waits_for_150_ms_or_three_signalling_delays(void **state)
{
    (void)state;
    struct road road;
    road_make(&road, 0);
    comes(&road, 150, BROKER_TURN_TAKEN);
    road_make(&road, 40 * NS_PER_MS);
    comes(&road, 150, BROKER_TURN_TAKEN);
    road_make(&road, 60 * NS_PER_MS);
    comes(&road, 180, BROKER_TURN_TAKEN);
}

static void it_is_taken_at_once_where_nothing_else_will_work(void **state)
{
    (void)state;
    struct road road;
    road_make(&road, 60 * NS_PER_MS);
    broker_path_hurry(&road.path, start);
    assert_int_equal(turn(&road), BROKER_TURN_TAKEN);
}

static void it_is_never_taken_unless_both_allow_it_and_a_broker_is_up(void **state)
{
    (void)state;
    struct road road;
    road_make(&road, 0);
    broker_path_allow(&road.path, start, 0, 0);
    broker_path_hurry(&road.path, start);
    road.now += NS_PER_S;
    assert_int_equal(turn(&road), BROKER_TURN_NONE);
    assert_true(broker_path_ready(&road.path) == NEVER);
    road_make(&road, 0);
    broker_path_set_up(&road.path, start, false);
    assert_true(broker_path_deadline(&road.path, &road.view) == NEVER);
    road.now += NS_PER_S;
    assert_int_equal(turn(&road), BROKER_TURN_NONE);
}

static void a_pair_that_works_keeps_it_away_and_ends_it(void **state)
{
    (void)state;
    struct road road;
    road_make(&road, 0);
    road.view.direct_until = NEVER;
    road.now += NS_PER_S;
    assert_int_equal(turn(&road), BROKER_TURN_NONE);
    assert_true(broker_path_deadline(&road.path, &road.view) == NEVER);
    road.view.direct_until = start + 2 * NS_PER_S; /* in doubt */
    comes(&road, 2000, BROKER_TURN_TAKEN);
    road.view.direct_until = NEVER;
    assert_true(broker_path_deadline(&road.path, &road.view) <= road.now);
    assert_int_equal(turn(&road), BROKER_TURN_LEFT);
    assert_int_equal(turn(&road), BROKER_TURN_NONE);
    assert_true(broker_path_ready(&road.path) == NEVER);
}

static void who_does_not_answer_is_asked_then_stalled_then_lost(void **state)
{
    (void)state;
    struct road road;
    road_there(&road);
    road.path.seek_at = NEVER;
    uint64_t since = road.view.quic.waiting_since = road.now;
    for (unsigned s = 3; s < BROKER_PATH_QUIET_S; s += 3)
        comes(&road, 200 + s * 1000, BROKER_TURN_ASK);
    comes(&road, 200 + BROKER_PATH_QUIET_S * 1000, BROKER_TURN_NONE);
    comes(&road, 200 + 30000, BROKER_TURN_STALLED);
    comes(&road, 200 + 120000, BROKER_TURN_LOST);
    assert_true(road.now == since + BROKER_PATH_FORGET_S * NS_PER_S);
}

static void who_speaks_but_acknowledges_nothing_is_there(void **state)
{
    (void)state;
    struct road road;
    road_there(&road);
    road.path.seek_at = NEVER;
    road.view.quic.waiting_since = road.now;
    for (unsigned i = 0; i < 120; i++) {
        road.now += NS_PER_S;
        hear(&road);
        assert_int_equal(turn(&road), BROKER_TURN_NONE);
    }
}

static void after_a_long_silence_a_question_has_its_time(void **state)
{
    (void)state;
    struct road road;
    road_there(&road);
    road.path.seek_at = NEVER;
    road.now += 3600 * NS_PER_S;
    road.view.heard = road.view.quic.waiting_since = road.now;
    assert_int_equal(turn(&road), BROKER_TURN_NONE);
    comes(&road, 200 + 3600000 + 3000, BROKER_TURN_ASK);
}

static void a_sign_of_life_brings_it_back(void **state)
{
    (void)state;
    struct road road;
    road_there(&road);
    broker_path_set_up(&road.path, ++road.now, false);
    assert_int_equal(turn(&road), BROKER_TURN_STALLED);
    assert_true(broker_path_ready(&road.path) == NEVER);
    road.now += 60 * NS_PER_S;
    broker_path_set_up(&road.path, road.now, true);
    assert_int_equal(turn(&road), BROKER_TURN_NONE);        /* the peer may not be there yet */
    assert_true(broker_path_ready(&road.path) <= road.now); /* but is told where we are */
    road.now += NS_PER_S;
    hear(&road);
    assert_int_equal(turn(&road), BROKER_TURN_THERE);
}

static void who_is_silent_on_every_way_is_sent_nothing_until_it_is_heard(void **state)
{
    (void)state;
    struct road road;
    road_there(&road);
    road.path.seek_at = NEVER;
    road.view.quic.waiting_since = road.now;
    road.path.asked = NEVER - NS_PER_S * BROKER_PATH_ASK_S;
    road.view.heard += NS_PER_S; /* elsewhere */
    comes(&road, 200 + 1000 + BROKER_PATH_QUIET_S * 1000, BROKER_TURN_NONE);
    assert_true(broker_path_ready(&road.path) == NEVER);
    road.view.heard = road.now += NS_PER_S; /* it tells us something, over the broker */
    assert_int_equal(turn(&road), BROKER_TURN_NONE);
    assert_true(broker_path_ready(&road.path) <= road.now);
}

static void a_goodbye_is_believed_after_5_s_without_an_answer(void **state)
{
    (void)state;
    struct road road;
    road_there(&road);
    road.path.goodbye = road.now += NS_PER_S;
    comes(&road, 1200 + 5000, BROKER_TURN_LOST);
}

static void a_forged_goodbye_is_forgotten_when_the_peer_is_heard(void **state)
{
    (void)state;
    struct road road;
    road_there(&road);
    road.path.goodbye = road.now;
    road.view.quic.last_received = road.now += NS_PER_S;
    assert_int_equal(turn(&road), BROKER_TURN_NONE);
    road.now += 6 * NS_PER_S;
    assert_int_equal(turn(&road), BROKER_TURN_NONE);
}

static void nobody_is_there_when_all_has_failed_and_none_was_heard(void **state)
{
    (void)state;
    struct road road;
    road_make(&road, 0);
    comes(&road, 150, BROKER_TURN_TAKEN);
    road.path.failed = start + NS_PER_S;
    comes(&road, 10150, BROKER_TURN_NOBODY);
    road_there(&road);
    road.path.failed = road.now;
    road.now += 11 * NS_PER_S;
    assert_int_not_equal(turn(&road), BROKER_TURN_NOBODY);
}

static void better_paths_are_sought_ever_more_seldom_while_the_peer_is_heard(void **state)
{
    (void)state;
    struct road road;
    road_there(&road);
    uint64_t at = 150;
    for (uint64_t pause = 20; pause < 1500; pause *= 2) {
        at += (pause < BROKER_PATH_SEEK_MAX_S ? pause : BROKER_PATH_SEEK_MAX_S) * 1000;
        road.view.heard = start + at * NS_PER_MS;
        comes(&road, at, BROKER_TURN_SEEK);
    }
    hear(&road);
    road.now++;
    broker_path_set_up(&road.path, road.now, false);
    assert_int_equal(turn(&road), BROKER_TURN_STALLED);
    road.path.seek_at = road.now;
    assert_int_equal(turn(&road), BROKER_TURN_NONE);
}

static void a_handshake_leaves_at_once_and_the_rest_at_the_rate(void **state)
{
    (void)state;
    struct road road;
    road_there(&road);
    uint64_t sent = 0, end = road.now + 10 * NS_PER_S;
    for (unsigned i = 0; i < 4; i++, sent += 1200) {
        assert_true(broker_path_ready(&road.path) <= road.now);
        broker_path_sent(&road.path, road.now, 1200);
    }
    for (uint64_t ready; (ready = broker_path_ready(&road.path)) < end; sent += 1200)
        broker_path_sent(&road.path, ready > road.now ? road.now = ready : road.now, 1200);
    assert_in_range(sent, 10 * RATE * 9 / 10, 10 * RATE + BROKER_PATH_BURST);
}

static void peers_share_what_the_node_may_send(void **state)
{
    (void)state;
    struct road road;
    struct broker_path second;
    road_there(&road);
    second = road.path;
    while (broker_path_ready(&road.path) <= road.now)
        broker_path_sent(&road.path, road.now, 1200);
    assert_true(broker_path_ready(&second) > road.now);
}

/* The node's other peers leave it more than the two have agreed. */
static void a_peer_gets_no_more_than_its_own_rate(void **state)
{
    (void)state;
    struct road road;
    road_there(&road);
    road.shared = broker_path_bucket(100 * RATE);
    uint64_t sent = 0, end = road.now + 10 * NS_PER_S;
    for (uint64_t ready; (ready = broker_path_ready(&road.path)) < end; sent += 1200 + BROKER_PATH_OVERHEAD)
        broker_path_sent(&road.path, ready > road.now ? road.now = ready : road.now, 1200);
    assert_in_range(sent, 10 * RATE * 9 / 10, 10 * RATE + BROKER_PATH_BURST);
}

static void a_flood_is_dropped_and_late_packets_are_not(void **state)
{
    (void)state;
    struct road road;
    road_there(&road);
    size_t taken = 0;
    for (; broker_path_takes(&road.path, road.now, 1200); taken += 1200)
        broker_path_took(&road.path, road.now, 1200);
    assert_in_range(taken, BROKER_PATH_TAKE_S * RATE * 9 / 10, (BROKER_PATH_TAKE_S + 1) * RATE);
    assert_int_equal(road.path.flooded, 1);
    road.now += NS_PER_S;
    assert_true(broker_path_takes(&road.path, road.now, 1200));
}

/* Its clock may run fast, and what waited in its burst comes on top. */
static void a_peer_that_sends_a_fifth_more_than_agreed_loses_nothing(void **state)
{
    (void)state;
    struct road road;
    road_there(&road);
    for (unsigned ms = 0; ms < 600000; ms += 100) {
        road.now += 100 * NS_PER_MS;
        assert_true(broker_path_takes(&road.path, road.now, RATE * 6 / 50));
        broker_path_took(&road.path, road.now, RATE * 6 / 50);
    }
    assert_int_equal(road.path.flooded, 0);
}

/* When the broker's connection is said to be up once more, the peer's silence is as old as before. */
static void a_broker_that_is_up_has_not_risen_again(void **state)
{
    (void)state;
    struct road road;
    road_there(&road);
    road.path.seek_at = NEVER;
    road.view.quic.waiting_since = road.now;
    road.now += (BROKER_PATH_QUIET_S + 1) * NS_PER_S;
    broker_path_set_up(&road.path, road.now, true);
    turn(&road);
    turn(&road);
    assert_true(broker_path_ready(&road.path) == NEVER); /* quiet */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_waits_for_150_ms_or_three_signalling_delays),
        cmocka_unit_test(it_is_taken_at_once_where_nothing_else_will_work),
        cmocka_unit_test(it_is_never_taken_unless_both_allow_it_and_a_broker_is_up),
        cmocka_unit_test(a_pair_that_works_keeps_it_away_and_ends_it),
        cmocka_unit_test(who_does_not_answer_is_asked_then_stalled_then_lost),
        cmocka_unit_test(who_speaks_but_acknowledges_nothing_is_there),
        cmocka_unit_test(after_a_long_silence_a_question_has_its_time),
        cmocka_unit_test(a_sign_of_life_brings_it_back),
        cmocka_unit_test(who_is_silent_on_every_way_is_sent_nothing_until_it_is_heard),
        cmocka_unit_test(a_goodbye_is_believed_after_5_s_without_an_answer),
        cmocka_unit_test(a_forged_goodbye_is_forgotten_when_the_peer_is_heard),
        cmocka_unit_test(nobody_is_there_when_all_has_failed_and_none_was_heard),
        cmocka_unit_test(better_paths_are_sought_ever_more_seldom_while_the_peer_is_heard),
        cmocka_unit_test(a_handshake_leaves_at_once_and_the_rest_at_the_rate),
        cmocka_unit_test(peers_share_what_the_node_may_send),
        cmocka_unit_test(a_peer_gets_no_more_than_its_own_rate),
        cmocka_unit_test(a_flood_is_dropped_and_late_packets_are_not),
        cmocka_unit_test(a_peer_that_sends_a_fifth_more_than_agreed_loses_nothing),
        cmocka_unit_test(a_broker_that_is_up_has_not_risen_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
