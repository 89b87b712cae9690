/* test_punch_shot.c - the shots of an attempt: which sockets, which ports, when; nothing twice without need.
 */
#include "punch_budget.h"
#include "punch_shot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { SHOTS_MAX = 8192, PEERS_PORT = 41000, LAST = 30000, LOW = 34816, HIGH = 35839, COMB = 504 };

static struct punch_shot shots[SHOTS_MAX];

static struct punch_aim aim_of(enum punch_way way, enum nat_ports ports, enum path_strategy strategy)
{
    struct punch_aim aim = {.plan = {way, ports}, .strategy = strategy, .attempt = 1};
    aim.theirs = (struct nat_behavior){.ports = ports, .step = 1, .last = LAST, .low = LOW, .high = HIGH};
    aim.theirs.external.port = PEERS_PORT;
    aim.target = aim.theirs;
    scatter_start(&aim.scatter, ports == NAT_PORTS_BLOCK ? HIGH - LOW + 1 : 65536 - PUNCH_PORT_MIN, 12345);
    scatter_start(&aim.anywhere, 65536 - PUNCH_PORT_MIN, 54321);
    return aim;
}

/* All of them, as many as the budget has; how many. */
static unsigned list(const struct punch_aim *aim)
{
    unsigned count = 0;
    while (count < PUNCH_PROBES_MAX && punch_shot(aim, count, &shots[count]))
        count++;
    return count;
}

/* How many shots before `end` have what `is` says of this port or socket. */
static unsigned at_port(unsigned end, unsigned port)
{
    unsigned count = 0;
    for (unsigned i = 0; i < end; i++)
        count += shots[i].port == port;
    return count;
}

static unsigned from_socket(unsigned end, unsigned socket)
{
    unsigned count = 0;
    for (unsigned i = 0; i < end; i++)
        count += shots[i].socket == socket;
    return count;
}

static void who_has_no_plan_shoots_at_nothing(void **state)
{
    (void)state;
    for (int way = PUNCH_UNKNOWN; way < PUNCH_HOLD; way++) {
        struct punch_aim aim = aim_of((enum punch_way)way, NAT_PORTS_RANDOM, STRATEGY_NONE);
        assert_int_equal(list(&aim), 0);
        assert_int_equal(punch_shot_sockets(&aim, 0), 0);
    }
}

/* Each socket opens its hole in each round, first with packets that end on the way; never more sockets than
 * the list says that it needs. */
static void who_holds_opens_each_socket_towards_the_one_port(void **state)
{
    static const enum nat_ports ports[] = {NAT_PORTS_SEQUENTIAL, NAT_PORTS_BLOCK, NAT_PORTS_RANDOM};
    static const enum path_strategy strategies[] = {STRATEGY_NONE, STRATEGY_GUESS, STRATEGY_WIDE};
    (void)state;
    for (unsigned p = 0; p < 3; p++)
        for (unsigned s = 0; s < 3; s++) {
            struct punch_aim aim = aim_of(PUNCH_HOLD, ports[p], strategies[s]);
            unsigned count = list(&aim), most = 0;
            for (unsigned i = 0; i < count; i++) {
                assert_int_equal(shots[i].port, PEERS_PORT);
                assert_in_range(shots[i].socket, 1, punch_shot_sockets(&aim, i));
                if (from_socket(i, shots[i].socket) == 0)
                    assert_true(shots[i].low);
                most = shots[i].socket > most ? shots[i].socket : most;
            }
            assert_in_range(most, 1, PUNCH_SOCKETS_MAX);
            for (unsigned socket = 1; socket <= most; socket++)
                assert_in_range(from_socket(count, socket), 2, 6);
            for (unsigned i = count - most; i < count; i++)
                assert_false(shots[i].low); /* for gateways of ours that are deeper */
        }
}

/* 16 sockets twice, then all twice; who was wrong there before opens all in between, 100 ms after the first.
 */
static void a_sequence_is_held_by_a_few_first_and_by_all_at_once_where_that_was_wrong(void **state)
{
    (void)state;
    struct punch_aim aim = aim_of(PUNCH_HOLD, NAT_PORTS_SEQUENTIAL, STRATEGY_NONE);
    const unsigned few = PUNCH_SOCKETS_SEQUENCE, all = PUNCH_SOCKETS_MAX;
    assert_int_equal(list(&aim), 2 * few + 2 * all);
    assert_int_equal(shots[2 * few - 1].socket, few);
    assert_int_equal(shots[2 * few].at, 1500);
    assert_int_equal(punch_shot_sockets(&aim, 2 * few - 1), few);
    assert_int_equal(punch_shot_sockets(&aim, 2 * few), all);
    aim.strategy = STRATEGY_WIDE;
    assert_int_equal(punch_shot_sockets(&aim, few - 1), few);
    assert_int_equal(punch_shot_sockets(&aim, few), all);
    assert_int_equal(list(&aim), 2 * few + 3 * all);
    assert_int_equal(shots[few].at, 100);
    assert_int_equal(shots[few + all - 1].socket, all);
    for (unsigned i = 0; i < few; i++) { /* the few's second time is theirs, not a third of all */
        assert_int_equal(shots[few + all + i].socket, i + 1);
        assert_int_equal(shots[few + all + i].at, 500);
    }
    assert_int_equal(shots[2 * few + all].socket, 1);
    assert_int_equal(shots[2 * few + all].at, 1500);
    assert_false(shots[2 * few + all].low); /* the same holes' second time */
}

static void a_block_is_held_by_half_the_sockets_and_by_all_where_it_was_wrong(void **state)
{
    (void)state;
    struct punch_aim aim = aim_of(PUNCH_HOLD, NAT_PORTS_BLOCK, STRATEGY_NONE);
    const unsigned few = PUNCH_SOCKETS_BLOCK, all = PUNCH_SOCKETS_MAX;
    assert_int_equal(list(&aim), 3 * few);
    assert_int_equal(punch_shot_sockets(&aim, 3 * few - 1), few);
    aim.strategy = STRATEGY_WIDE;
    assert_int_equal(list(&aim), few + 3 * all);
    assert_int_equal(punch_shot_sockets(&aim, few), all);
    assert_int_equal(shots[few].at, 300);
}

static void a_sequence_is_knocked_at_nearest_first_then_with_a_comb(void **state)
{
    (void)state;
    for (unsigned wide = 0; wide < 2; wide++) {
        struct punch_aim aim =
            aim_of(PUNCH_KNOCK, NAT_PORTS_SEQUENTIAL, wide ? STRATEGY_WIDE : STRATEGY_NONE);
        unsigned count = list(&aim);
        assert_int_equal(shots[0].port, LAST + 1);
        for (unsigned i = 0; i < 192; i++) {
            assert_in_range(shots[i].port, LAST - 64, LAST + 160);
            assert_int_equal(at_port(i, shots[i].port), 0);
        }
        for (unsigned i = 0; i < count; i++)
            assert_true(shots[i].socket == 0 && !shots[i].low && shots[i].port >= PUNCH_PORT_MIN);
        /* Each once more, and a tooth in every 128 ports, then between these. */
        for (unsigned i = 0; i < 192; i++) {
            unsigned again = 192 + i * (1 + wide);
            assert_int_equal(shots[again].port, shots[i].port);
            assert_true(shots[i].at == 0 && shots[again].at == 700);
        }
        unsigned teeth = 0, last = 0;
        for (unsigned i = 192; i < count; i++) {
            if (shots[i].at == 700)
                continue;
            assert_int_equal(shots[i].at, wide ? 650 : 2200);
            if (teeth && teeth != COMB)
                assert_int_equal(shots[i].port - last, 128);
            else
                assert_in_range(shots[i].port, PUNCH_PORT_MIN, PUNCH_PORT_MIN + 127);
            if (teeth == COMB)
                assert_int_equal((shots[i].port + 64) % 128, last % 128);
            last = shots[i].port;
            teeth++;
        }
        assert_int_equal(teeth, 2 * COMB);
    }
}

static void a_block_is_knocked_at_port_by_port_and_then_again_or_anywhere(void **state)
{
    (void)state;
    struct punch_aim aim = aim_of(PUNCH_KNOCK, NAT_PORTS_BLOCK, STRATEGY_NONE);
    const unsigned size = HIGH - LOW + 1;
    assert_int_equal(list(&aim), PUNCH_PROBES_MAX);
    for (unsigned port = LOW; port <= HIGH; port++)
        assert_int_equal(at_port(size, port), 1);
    for (unsigned i = size; i < PUNCH_PROBES_MAX; i++)
        assert_in_range(shots[i].port, LOW, HIGH);
    struct punch_shot none;
    assert_false(punch_shot(&aim, 2 * size, &none));
    aim.strategy = STRATEGY_WIDE;
    unsigned inside = 0;
    list(&aim);
    for (unsigned i = size; i < PUNCH_PROBES_MAX; i++) {
        inside += shots[i].port >= LOW && shots[i].port <= HIGH;
        assert_true(shots[i].port >= PUNCH_PORT_MIN);
        assert_int_equal(at_port(i, shots[i].port) - at_port(size, shots[i].port), 0);
    }
    assert_in_range(inside, 0, 40); /* 1 in 63 */
}

static void ports_at_random_are_knocked_at_once_each(void **state)
{
    (void)state;
    struct punch_aim aim = aim_of(PUNCH_KNOCK, NAT_PORTS_RANDOM, STRATEGY_NONE);
    assert_int_equal(list(&aim), PUNCH_PROBES_MAX);
    for (unsigned i = 0; i < PUNCH_PROBES_MAX; i++) {
        assert_true(shots[i].port >= PUNCH_PORT_MIN);
        assert_int_equal(at_port(i, shots[i].port), 0);
    }
}

/* Whoever counts along reaches the port that all aim at; the second attempt's is further, with more sockets.
 */
static void two_that_count_aim_all_sockets_at_one_port_ahead(void **state)
{
    (void)state;
    for (unsigned attempt = 1; attempt < 3; attempt++) {
        struct punch_aim aim = aim_of(PUNCH_MEET, NAT_PORTS_SEQUENTIAL, STRATEGY_NONE);
        const unsigned sockets = attempt > 1 ? PUNCH_SOCKETS_MAX : PUNCH_SOCKETS_MEET;
        aim.attempt = attempt;
        aim.theirs.last += 50; /* what is learnt meanwhile moves nobody's aim */
        assert_int_equal(punch_shot_sockets(&aim, 0), sockets);
        assert_int_equal(list(&aim), 4 * sockets);
        for (unsigned i = 0; i < 4 * sockets; i++) {
            assert_int_equal(shots[i].port, LAST + sockets - 16);
            assert_int_equal(shots[i].low, i < attempt * sockets);
        }
    }
}

static void two_that_count_and_have_met_hurry_and_aim_further_where_only_that_led_there(void **state)
{
    (void)state;
    const unsigned few = PUNCH_SOCKETS_MEET, all = PUNCH_SOCKETS_MAX;
    struct punch_aim aim = aim_of(PUNCH_MEET, NAT_PORTS_SEQUENTIAL, STRATEGY_NONE);
    list(&aim);
    assert_int_equal(shots[few].at, 400);
    aim.strategy = STRATEGY_GUESS;
    assert_int_equal(list(&aim), 4 * few);
    assert_int_equal(shots[few].at, 280);
    assert_int_equal(punch_shot_sockets(&aim, 3 * few), few);
    aim.strategy = STRATEGY_WIDE;
    assert_int_equal(list(&aim), 2 * few + 3 * all);
    assert_int_equal(shots[2 * few - 1].port, LAST + few - 16);
    assert_int_equal(shots[2 * few].port, LAST + few + all - 16);
    assert_int_equal(shots[2 * few].socket, 1);
    assert_int_equal(shots[2 * few].at, 650);
    assert_int_equal(punch_shot_sockets(&aim, 2 * few - 1), few);
    assert_int_equal(punch_shot_sockets(&aim, 2 * few), all);
}

static void what_a_list_begins_with_has_its_time(void **state)
{
    (void)state;
    const uint64_t ms = 1000000;
    struct punch_aim aim = aim_of(PUNCH_KNOCK, NAT_PORTS_SEQUENTIAL, STRATEGY_NONE);
    assert_false(punch_shot_is_late(&aim, 1499 * ms));
    assert_true(punch_shot_is_late(&aim, 1500 * ms));
    aim.strategy = STRATEGY_WIDE;
    assert_false(punch_shot_is_late(&aim, 649 * ms));
    assert_true(punch_shot_is_late(&aim, 650 * ms));
    aim = aim_of(PUNCH_MEET, NAT_PORTS_SEQUENTIAL, STRATEGY_NONE);
    assert_false(punch_shot_is_late(&aim, 9000 * ms));
    aim.attempt = 2;
    assert_true(punch_shot_is_late(&aim, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_no_plan_shoots_at_nothing),
        cmocka_unit_test(who_holds_opens_each_socket_towards_the_one_port),
        cmocka_unit_test(a_sequence_is_held_by_a_few_first_and_by_all_at_once_where_that_was_wrong),
        cmocka_unit_test(a_sequence_is_knocked_at_nearest_first_then_with_a_comb),
        cmocka_unit_test(a_block_is_knocked_at_port_by_port_and_then_again_or_anywhere),
        cmocka_unit_test(ports_at_random_are_knocked_at_once_each),
        cmocka_unit_test(two_that_count_aim_all_sockets_at_one_port_ahead),
        cmocka_unit_test(a_block_is_held_by_half_the_sockets_and_by_all_where_it_was_wrong),
        cmocka_unit_test(two_that_count_and_have_met_hurry_and_aim_further_where_only_that_led_there),
        cmocka_unit_test(what_a_list_begins_with_has_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
