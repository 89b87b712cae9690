/* test_fresh_hole.c - when another port is opened for a peer, in which order, and where it is of no use. */
#include "fresh_hole.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { DELAY_MS = 50, SOCKET_PORT = 41234, PEER_PORT = 6000 };

static const uint64_t start = 1000 * NS_PER_S;
static const struct addr base = {.family = 4, .ip = {192, 168, 1, 2}, .port = 5000},
                         external = {.family = 4, .ip = {203, 0, 113, 10}, .port = 5000},
                         peer = {.family = 4, .ip = {203, 0, 113, 11}}, nowhere = {0};

static struct nat_behavior easy(void)
{
    return (struct nat_behavior){
        .mapping = NAT_MAPPING_ENDPOINT, .ports = NAT_PORTS_PRESERVED, .external = external};
}

static struct nat_behavior theirs(void)
{
    struct nat_behavior nat = {.mapping = NAT_MAPPING_ENDPOINT, .ports = NAT_PORTS_RANDOM, .external = peer};
    nat.external.port = PEER_PORT;
    return nat;
}

static struct fresh_hole between(struct nat_behavior ours, struct nat_behavior other)
{
    struct fresh_hole hole;
    fresh_hole_init(&hole, DELAY_MS * NS_PER_MS);
    fresh_hole_set(&hole, start, &ours, &other, &base, &peer);
    return hole;
}

/* Lets time pass up to its deadline; false: it has none. */
static bool wake(struct fresh_hole *hole, uint64_t *now, struct packet *out)
{
    struct addr outside, inside;
    fresh_hole_told(hole, &outside, &inside);
    *now = fresh_hole_deadline(hole);
    return *now != NEVER && fresh_hole_output(hole, *now, out);
}

static uint64_t open_it(struct fresh_hole *hole)
{
    struct packet out = {0};
    uint64_t now;
    struct addr given = {.family = 4, .port = SOCKET_PORT};
    assert_false(wake(hole, &now, &out));
    assert_int_equal(fresh_hole_wants_sockets(hole), 1);
    fresh_hole_set_sockets(hole, now, &given, 1);
    return now;
}

static void ordinary_checks_have_their_time_first(void **state)
{
    (void)state;
    struct fresh_hole hole = between(easy(), theirs());
    uint64_t now = open_it(&hole);
    assert_true(now >= start + (2 * DELAY_MS + 500) * NS_PER_MS);
    assert_true(now <= start + (2 * DELAY_MS + 1000) * NS_PER_MS);
}

static void the_first_packets_leave_our_gateway_and_die_before_the_peers(void **state)
{
    (void)state;
    struct fresh_hole hole = between(easy(), theirs());
    struct packet out = {0};
    uint64_t now, begun = open_it(&hole);
    unsigned low = 0, all = 0;
    while (wake(&hole, &now, &out)) {
        assert_int_equal(out.local.port, SOCKET_PORT);
        assert_true(addr_equal_ip(&out.local, &base) && addr_equal_ip(&out.remote, &peer));
        assert_int_equal(out.remote.port, PEER_PORT);
        assert_true(out.ttl ? all == low && out.ttl < 8 : low > 0);
        assert_true(out.ttl || now >= begun + NS_PER_S);
        low += out.ttl != 0;
        all++;
    }
    assert_int_equal(low, 2);
    assert_int_equal(all, 4);
}

/* The other way round, its check could come before our packet has left, and spoil this port too. */
static void the_peer_is_told_when_the_first_packet_has_left(void **state)
{
    (void)state;
    struct fresh_hole hole = between(easy(), theirs());
    struct packet out = {0};
    struct addr outside, inside;
    uint64_t now = open_it(&hole);
    assert_false(fresh_hole_told(&hole, &outside, &inside));
    assert_true(fresh_hole_output(&hole, now, &out));
    assert_true(fresh_hole_deadline(&hole) <= now);
    assert_true(fresh_hole_told(&hole, &outside, &inside));
    assert_true(fresh_hole_deadline(&hole) > now);
}

static void the_peer_is_told_the_port_of_the_socket_once(void **state)
{
    (void)state;
    struct fresh_hole hole = between(easy(), theirs());
    struct packet out = {0};
    struct addr outside, inside;
    assert_true(fresh_hole_output(&hole, open_it(&hole), &out));
    assert_true(fresh_hole_told(&hole, &outside, &inside));
    assert_true(addr_equal_ip(&outside, &external) && addr_equal_ip(&inside, &base));
    assert_int_equal(outside.port, SOCKET_PORT);
    assert_int_equal(inside.port, SOCKET_PORT);
    assert_false(fresh_hole_told(&hole, &outside, &inside));
}

static void nobody_is_told_of_a_socket_that_the_system_did_not_give(void **state)
{
    (void)state;
    struct fresh_hole hole = between(easy(), theirs());
    struct packet out = {0};
    struct addr outside, inside;
    uint64_t now;
    assert_false(wake(&hole, &now, &out));
    fresh_hole_set_sockets(&hole, now, NULL, 0);
    assert_false(fresh_hole_told(&hole, &outside, &inside));
    assert_false(wake(&hole, &now, &out));
    assert_int_equal(fresh_hole_wants_sockets(&hole), 0);
    assert_true(fresh_hole_deadline(&hole) == NEVER);
}

static void it_is_tried_once_and_gives_its_socket_back(void **state)
{
    (void)state;
    struct fresh_hole hole = between(easy(), theirs());
    struct packet out = {0};
    uint64_t now, begun = open_it(&hole);
    while (wake(&hole, &now, &out))
        ;
    assert_true(now >= begun + 5 * NS_PER_S && now <= begun + 10 * NS_PER_S);
    assert_int_equal(fresh_hole_wants_sockets(&hole), 0);
    struct nat_behavior ours = easy(), other = theirs();
    fresh_hole_set(&hole, now, &ours, &other, &base, &peer);
    assert_true(fresh_hole_deadline(&hole) == NEVER);
}

static void a_direct_path_makes_it_needless_for_good(void **state)
{
    (void)state;
    struct fresh_hole before = between(easy(), theirs()), meanwhile = before;
    fresh_hole_set_direct(&before, false);
    assert_true(fresh_hole_deadline(&before) != NEVER);
    fresh_hole_set_direct(&before, true);
    fresh_hole_set_direct(&before, false);
    assert_true(fresh_hole_deadline(&before) == NEVER);
    open_it(&meanwhile);
    fresh_hole_set_direct(&meanwhile, true);
    assert_int_equal(fresh_hole_wants_sockets(&meanwhile), 0);
    assert_true(fresh_hole_deadline(&meanwhile) == NEVER);
}

static void what_is_known_better_meanwhile_ends_it(void **state)
{
    (void)state;
    struct fresh_hole hole = between(easy(), theirs());
    struct nat_behavior ours = easy(), other = theirs();
    struct packet out = {0};
    uint64_t now;
    open_it(&hole);
    other.filtering = NAT_FILTERING_ADDRESS;
    fresh_hole_set(&hole, start, &ours, &other, &base, &peer);
    assert_false(wake(&hole, &now, &out));
    assert_int_equal(fresh_hole_wants_sockets(&hole), 0);
}

static void time_counts_from_when_both_networks_were_known(void **state)
{
    (void)state;
    struct nat_behavior ours = easy(), other = theirs(), unknown = {0};
    struct fresh_hole hole = between(easy(), unknown);
    assert_true(fresh_hole_deadline(&hole) == NEVER);
    fresh_hole_set(&hole, start + 9 * NS_PER_S, &ours, &other, &base, &peer);
    uint64_t due = fresh_hole_deadline(&hole);
    assert_true(due > start + 9 * NS_PER_S && due < start + 11 * NS_PER_S);
    fresh_hole_set(&hole, start + 9 * NS_PER_S + NS_PER_MS, &ours, &other, &base, &peer);
    assert_true(fresh_hole_deadline(&hole) == due);
}

static void a_very_slow_broker_does_not_put_it_off_for_long(void **state)
{
    (void)state;
    struct nat_behavior ours = easy(), other = theirs();
    struct fresh_hole hole;
    fresh_hole_init(&hole, 60 * NS_PER_S);
    fresh_hole_set(&hole, start, &ours, &other, &base, &peer);
    assert_true(fresh_hole_deadline(&hole) <= start + 3 * NS_PER_S);
}

static void check_needless(struct nat_behavior ours, struct nat_behavior other)
{
    struct fresh_hole hole = between(ours, other);
    assert_true(fresh_hole_deadline(&hole) == NEVER);
}

static void networks_that_it_cannot_help_are_left_alone(void **state)
{
    (void)state;
    struct nat_behavior ours = easy(), other = theirs();
    ours.ports = NAT_PORTS_UNKNOWN; /* the port outside would be a guess */
    check_needless(ours, other);
    ours = easy();
    ours.mapping = NAT_MAPPING_ADDRESS;
    check_needless(ours, other);
    ours.mapping = NAT_MAPPING_NONE;
    check_needless(ours, other);
    ours = easy();
    other.mapping = NAT_MAPPING_ADDRESS_AND_PORT;
    check_needless(ours, other);
}

static void who_lets_in_by_address_needs_no_other_port(void **state)
{
    (void)state;
    struct nat_behavior ours = easy(), other = theirs();
    other.filtering = NAT_FILTERING_ENDPOINT;
    check_needless(ours, other);
    other = theirs();
    ours.filtering = NAT_FILTERING_ADDRESS;
    check_needless(ours, other);
}

static void filters_that_look_at_ports_and_firewalls_are_helped(void **state)
{
    (void)state;
    struct nat_behavior ours = easy(), other = theirs();
    ours.filtering = other.filtering = NAT_FILTERING_ADDRESS_AND_PORT;
    other.mapping = NAT_MAPPING_NONE;
    struct fresh_hole hole = between(ours, other);
    assert_true(fresh_hole_deadline(&hole) != NEVER);
}

static void without_both_ends_nothing_is_sent(void **state)
{
    (void)state;
    struct nat_behavior ours = easy(), other = theirs();
    struct fresh_hole hole;
    fresh_hole_init(&hole, 0);
    fresh_hole_set(&hole, start, &ours, &other, &base, &nowhere);
    assert_true(fresh_hole_deadline(&hole) == NEVER);
    fresh_hole_set(&hole, start, &ours, &other, &nowhere, &peer);
    assert_true(fresh_hole_deadline(&hole) == NEVER);
}

/* Whoever opens sockets may take its time. */
static void shots_are_timed_from_when_the_socket_is_there(void **state)
{
    (void)state;
    struct fresh_hole hole = between(easy(), theirs());
    struct addr given = {.family = 4, .port = SOCKET_PORT};
    struct packet out = {0};
    uint64_t now, asked = 0, shots = 0;
    assert_false(wake(&hole, &asked, &out));
    now = asked + 4 * NS_PER_S;
    fresh_hole_set_sockets(&hole, now, &given, 1);
    for (uint64_t end = now + 3500 * NS_PER_MS; now < end; now += 10 * NS_PER_MS) {
        bool shot = fresh_hole_output(&hole, now, &out);
        assert_false(fresh_hole_output(&hole, now, &out));
        shots += shot;
    }
    assert_int_equal(shots, 4);
    assert_int_equal(fresh_hole_wants_sockets(&hole), 1); /* held for as long as from the beginning */
}

static void a_socket_that_was_not_asked_for_or_comes_twice_changes_nothing(void **state)
{
    (void)state;
    struct fresh_hole hole = between(easy(), theirs());
    struct addr given = {.family = 4, .port = SOCKET_PORT}, other = {.family = 4, .port = SOCKET_PORT + 1};
    struct packet out = {0};
    fresh_hole_set_sockets(&hole, start, &other, 1);
    uint64_t begun = open_it(&hole);
    fresh_hole_set_sockets(&hole, begun + NS_PER_S, &other, 1);
    assert_true(fresh_hole_output(&hole, begun, &out));
    assert_int_equal(out.local.port, given.port);
}

static void a_slower_broker_puts_it_off_by_two_ways_more(void **state)
{
    (void)state;
    struct nat_behavior ours = easy(), other = theirs();
    uint64_t due[3];
    static const unsigned delays_ms[] = {50, 250, 1000};
    for (unsigned i = 0; i < 3; i++) {
        struct fresh_hole hole;
        fresh_hole_init(&hole, delays_ms[i] * NS_PER_MS);
        fresh_hole_set(&hole, start, &ours, &other, &base, &peer);
        due[i] = fresh_hole_deadline(&hole);
    }
    assert_int_equal(due[1] - due[0], 2 * 200 * NS_PER_MS);
    assert_int_equal(due[2] - due[1], 2 * 750 * NS_PER_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_checks_have_their_time_first),
        cmocka_unit_test(the_first_packets_leave_our_gateway_and_die_before_the_peers),
        cmocka_unit_test(the_peer_is_told_when_the_first_packet_has_left),
        cmocka_unit_test(the_peer_is_told_the_port_of_the_socket_once),
        cmocka_unit_test(nobody_is_told_of_a_socket_that_the_system_did_not_give),
        cmocka_unit_test(it_is_tried_once_and_gives_its_socket_back),
        cmocka_unit_test(a_direct_path_makes_it_needless_for_good),
        cmocka_unit_test(what_is_known_better_meanwhile_ends_it),
        cmocka_unit_test(time_counts_from_when_both_networks_were_known),
        cmocka_unit_test(a_very_slow_broker_does_not_put_it_off_for_long),
        cmocka_unit_test(networks_that_it_cannot_help_are_left_alone),
        cmocka_unit_test(who_lets_in_by_address_needs_no_other_port),
        cmocka_unit_test(filters_that_look_at_ports_and_firewalls_are_helped),
        cmocka_unit_test(without_both_ends_nothing_is_sent),
        cmocka_unit_test(shots_are_timed_from_when_the_socket_is_there),
        cmocka_unit_test(a_socket_that_was_not_asked_for_or_comes_twice_changes_nothing),
        cmocka_unit_test(a_slower_broker_puts_it_off_by_two_ways_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
