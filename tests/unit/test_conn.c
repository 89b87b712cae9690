/* test_conn.c - two connections in memory, with real ice and quic, in virtual time. */
#include "conn_net.h"
#include "fail_alloc.h"

/* ---- meeting ---- */

static void both_ends_are_connected_and_know_the_path(void **state)
{
    (void)state;
    struct net *net = net_connected();
    for (unsigned i = 0; i < 2; i++) {
        struct path path;
        struct conn_stats stats;
        struct quic_info info;
        assert_true(conn_is_connected(net->ends[i].conn));
        assert_true(conn_is_engaged(net->ends[i].conn));
        assert_true(conn_path(net->ends[i].conn, &path));
        assert_int_equal(path.kind, PATH_LAN);
        assert_true(addr_equal(&path.local, &net->ends[i].address));
        assert_true(addr_equal(&path.remote, &net->ends[!i].address));
        assert_in_range(path.rtt, 10 * NS_PER_MS,
                        21 * NS_PER_MS); /* a copy leaves when the peer's check comes */
        quic_info(quic_at(net, i), &info);
        assert_in_range(info.rtt, 20 * NS_PER_MS, 22 * NS_PER_MS);
        assert_true(strlen(last(net, i, CONN_PATH)->text) > 10);
        conn_stats(net->ends[i].conn, &stats);
        assert_true(stats.bytes_sent > 1200 && stats.bytes_received > 1200);
        assert_in_range(stats.rtt_least, 20 * NS_PER_MS, info.rtt);
        assert_int_equal(stats.unproven, 0);
        assert_int_equal(told(net, i, CONN_CLOSED), 0);
    }
    net_free(net);
}

static void quiet_peers_are_together_after_ten_minutes_and_an_hour(void **state)
{
    (void)state;
    struct net *net = net_connected();
    for (unsigned minutes = 10; minutes <= 60; minutes += 50) {
        struct path path;
        net_run_for(net, minutes * 60000);
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(told(net, i, CONN_CLOSED), 0);
            assert_true(conn_path(net->ends[i].conn, &path));
        }
    }
    net_free(net);
}

static void it_takes_two_round_trips_until_both_are_connected(void **state)
{
    (void)state;
    struct net *net = net_connected();
    /* 10 ms a check arrives, then the client's hello on it, and its answer. */
    assert_in_range(last_at(net, SERVER, CONN_CONNECTED) - NS_PER_S, 20 * NS_PER_MS, 22 * NS_PER_MS);
    assert_in_range(last_at(net, CLIENT, CONN_CONNECTED) - NS_PER_S, 30 * NS_PER_MS, 32 * NS_PER_MS);
    net_free(net);
}

/* ---- hold ---- */

static size_t quic_sent;

static bool counts_quic(struct net *net, unsigned from, const uint8_t *data, size_t len)
{
    (void)net, (void)from;
    quic_sent += is_quic(data, len);
    return false;
}

static void a_held_client_checks_paths_and_says_no_more(void **state)
{
    (void)state;
    struct net *net = net_new();
    struct path path;
    quic_sent = 0;
    net->eats = counts_quic;
    conn_hold(net->ends[CLIENT].conn, net->now, true);
    assert_false(conn_is_eager(net->ends[CLIENT].conn));
    net_run_for(net, 2000);
    assert_int_equal(quic_sent, 0);
    assert_true(conn_path(net->ends[CLIENT].conn, &path));
    assert_true(conn_is_eager(net->ends[CLIENT].conn));
    assert_false(conn_is_engaged(net->ends[CLIENT].conn));
    assert_null(quic_at(net, CLIENT));
    conn_hold(net->ends[CLIENT].conn, net->now, false);
    assert_true(conn_is_engaged(net->ends[CLIENT].conn));
    assert_false(conn_is_eager(net->ends[CLIENT].conn));
    net_run_for(net, 100);
    assert_true(conn_is_connected(net->ends[CLIENT].conn));
    net_free(net);
}

static void a_held_server_answers_once_it_is_let_go(void **state)
{
    (void)state;
    struct net *net = net_new();
    conn_hold(net->ends[SERVER].conn, net->now, true);
    net_run_for(net, 1000);
    assert_true(conn_is_engaged(net->ends[CLIENT].conn));
    assert_false(conn_is_engaged(net->ends[SERVER].conn));
    assert_true(conn_is_eager(net->ends[SERVER].conn));
    conn_hold(net->ends[SERVER].conn, net->now, false);
    net_run_for(net, 1500); /* the client asks again by itself */
    assert_true(conn_is_connected(net->ends[SERVER].conn));
    assert_true(conn_is_connected(net->ends[CLIENT].conn));
    net_free(net);
}

/* ---- who may speak ---- */

static uint8_t caught[1500];

static size_t caught_len;

/* Keeps the client's first QUIC datagram, and swallows the rest of what the client says until it is let go.
 */
static bool catches_hello(struct net *net, unsigned from, const uint8_t *data, size_t len)
{
    (void)net;
    if (from != CLIENT)
        return false;
    if (is_quic(data, len) && !caught_len)
        memcpy(caught, data, caught_len = len);
    return true;
}

static void catch_hello(struct net *net)
{
    caught_len = 0;
    net->eats = catches_hello;
    net_run_for(net, 50);
    assert_true(caught_len >= 1200);
}

static bool eats_client_quic(struct net *net, unsigned from, const uint8_t *data, size_t len)
{
    (void)net;
    return from == CLIENT && is_quic(data, len);
}

static void a_hello_that_overtakes_its_check_waits_for_it(void **state)
{
    (void)state;
    struct net *net = net_new();
    struct conn_stats stats;
    catch_hello(net);
    assert_true(net_hand(net, SERVER, &net->ends[CLIENT].address, caught, caught_len));
    assert_false(conn_is_engaged(net->ends[SERVER].conn));
    assert_null(quic_at(net, SERVER));
    net->eats = eats_client_quic;
    net_run_for(net, 2000);
    assert_int_equal(told(net, SERVER, CONN_CONNECTED), 1); /* by what it kept alone */
    conn_stats(net->ends[SERVER].conn, &stats);
    assert_int_equal(stats.unproven, 0);
    net_free(net);
}

static void a_hello_from_a_stranger_gets_no_answer(void **state)
{
    (void)state;
    struct net *net = net_new();
    struct addr stranger = addr_make4((const uint8_t[]){198, 51, 100, 1}, 6000);
    catch_hello(net);
    size_t flights = net->count, eaten = net->eaten;
    assert_true(net_hand(net, SERVER, &stranger, caught, caught_len));
    assert_int_equal(net->count + net->eaten, flights + eaten);
    assert_false(conn_is_engaged(net->ends[SERVER].conn));
    net_free(net);
}

static bool catches_any(struct net *net, unsigned from, const uint8_t *data, size_t len)
{
    (void)net;
    if (from == CLIENT && is_quic(data, len) && len <= sizeof caught)
        memcpy(caught, data, caught_len = len);
    return from == CLIENT && is_quic(data, len);
}

static void quic_from_an_unproven_address_is_dropped_and_counted(void **state)
{
    (void)state;
    struct net *net = net_connected();
    struct addr stranger = addr_make4((const uint8_t[]){198, 51, 100, 1}, 6000);
    struct conn_stats stats;
    caught_len = 0;
    net->eats = catches_any;
    assert_true(conn_stream_open(net->ends[CLIENT].conn, 'x', false) >= 0);
    net_drain(net, CLIENT);
    assert_true(caught_len > 0);
    assert_true(net_hand(net, SERVER, &stranger, caught, caught_len));
    conn_stats(net->ends[SERVER].conn, &stats);
    assert_int_equal(stats.unproven, 1);
    assert_int_equal(told(net, SERVER, CONN_STREAM), 0);
    assert_true(net_hand(net, SERVER, &net->ends[CLIENT].address, caught, caught_len));
    conn_stats(net->ends[SERVER].conn, &stats);
    assert_int_equal(stats.unproven, 1);
    assert_int_equal(told(net, SERVER, CONN_STREAM), 1);
    net_free(net);
}

static void a_server_takes_no_hello_by_the_broker_before_it_is_allowed(void **state)
{
    (void)state;
    struct net *net = net_new();
    catch_hello(net);
    net->eats = eats_all;
    conn_broker_input(net->ends[SERVER].conn, net->now, caught, caught_len);
    assert_false(conn_is_engaged(net->ends[SERVER].conn));
    net_allow_broker(net, 32768);
    conn_broker_input(net->ends[SERVER].conn, net->now, caught, caught_len);
    assert_true(conn_is_engaged(net->ends[SERVER].conn));
    net_free(net);
}

static size_t checked_anew;

/* The peer's NAT has mapped anew: QUIC from another port of the path's address is a hint, and is checked. */
static void quic_from_another_port_of_the_peer_makes_us_check_it(void **state)
{
    (void)state;
    struct net *net = net_connected();
    struct addr remapped = net->ends[CLIENT].address;
    uint8_t buffer[QUIC_BATCH];
    struct packet out = {.data = buffer, .len = sizeof buffer};
    remapped.port++;
    net->eats = catches_any;
    caught_len = 0;
    assert_true(conn_stream_open(net->ends[CLIENT].conn, 'x', false) >= 0);
    net_drain(net, CLIENT);
    struct packet in = {
        .local = net->ends[SERVER].address, .remote = remapped, .data = caught, .len = caught_len};
    assert_true(conn_input(net->ends[SERVER].conn, net->now, &in));
    checked_anew = 0;
    while (conn_output(net->ends[SERVER].conn, net->now, &out)) {
        checked_anew += addr_equal(&out.remote, &remapped) && stun_is(out.data, out.len);
        assert_false(addr_equal(&out.remote, &remapped) && !stun_is(out.data, out.len));
        out = (struct packet){.data = buffer, .len = sizeof buffer};
    }
    assert_int_equal(checked_anew, 1);
    net_free(net);
}

static void what_is_not_for_this_connection_is_left_to_others(void **state)
{
    (void)state;
    struct net *net = net_connected();
    uint8_t garbage[100];
    for (unsigned i = 0; i < 1000; i++) {
        net_fill(&net->seed, garbage, sizeof garbage);
        assert_false(net_hand(net, SERVER, &net->ends[CLIENT].address, garbage, i % sizeof garbage));
    }
    assert_int_equal(told(net, SERVER, CONN_CLOSED), 0);
    net_free(net);
}

static void while_what_carries_it_is_full_quic_waits_and_checks_go_on(void **state)
{
    (void)state;
    struct net *net = net_connected();
    char got[8];
    struct ice_stats before, after;
    int64_t stream = conn_stream_open(net->ends[SERVER].conn, 'k', false);
    conn_pause(net->ends[SERVER].conn, true);
    assert_int_equal(quic_stream_write(quic_at(net, SERVER), stream, "data", 4), 4);
    ice_stats(conn_ice(net->ends[SERVER].conn), &before);
    net_run_for(net, 8000);
    ice_stats(conn_ice(net->ends[SERVER].conn), &after);
    assert_int_equal(told(net, CLIENT, CONN_STREAM), 0);
    assert_true(after.checks_sent > before.checks_sent);
    conn_pause(net->ends[SERVER].conn, false);
    net_run_for(net, 100);
    assert_int_equal(
        quic_stream_read(quic_at(net, CLIENT), last(net, CLIENT, CONN_STREAM)->stream, got, sizeof got), 4);
    net_free(net);
}

/* ---- doubt ---- */

static void unanswered_data_makes_it_ask_whether_the_path_lives(void **state)
{
    (void)state;
    struct net *net = net_connected();
    struct ice_stats before, after;
    net_run_for(net, 500);
    net->eats = eats_all;
    ice_stats(conn_ice(net->ends[CLIENT].conn), &before);
    assert_true(conn_stream_open(net->ends[CLIENT].conn, 'x', false) >= 0);
    net_run_for(net, 350);
    assert_false(ice_is_suspicious(conn_ice(net->ends[CLIENT].conn)));
    net_run_for(net, 100);
    assert_true(ice_is_suspicious(conn_ice(net->ends[CLIENT].conn)));
    ice_stats(conn_ice(net->ends[CLIENT].conn), &after);
    assert_true(after.checks_sent > before.checks_sent);
    net->eats = NULL;
    net_run_for(net, 2000);
    assert_false(ice_is_suspicious(conn_ice(net->ends[CLIENT].conn)));
    assert_int_equal(told(net, CLIENT, CONN_CLOSED), 0);
    assert_int_equal(told(net, SERVER, CONN_STREAM), 1);
    net_free(net);
}

/* Two that were connected; nothing gets through any more, and the client has just said something. */
static struct net *net_cut_amid_data(void)
{
    struct net *net = net_connected();
    net->eats = eats_all;
    assert_true(conn_stream_open(net->ends[CLIENT].conn, 'x', false) >= 0);
    return net;
}

static void unanswered_data_alone_is_no_loss_before_120_s_for_the_peer_may_sleep(void **state)
{
    (void)state;
    struct net *net = net_cut_amid_data();
    uint64_t cut = net->now;
    net_run_for(net, 110000);
    assert_int_equal(told(net, CLIENT, CONN_STALLED), 1);
    assert_int_equal(told(net, CLIENT, CONN_CLOSED), 0);
    net_run_for(net, 11000);
    assert_int_equal(last(net, CLIENT, CONN_CLOSED)->end, CONN_SILENT);
    assert_in_range(last_at(net, CLIENT, CONN_CLOSED) - cut, 110 * NS_PER_S, 121 * NS_PER_S);
    net_free(net);
}

/* The path was silent, but is the same: nothing but the end of the silence tells QUIC to hurry. */
static void data_moves_at_once_when_a_silent_path_speaks_again(void **state)
{
    (void)state;
    struct net *net = net_cut_amid_data();
    net_run_for(net, 9000);
    net->eats = NULL;
    net_run_for(net, 2500);
    assert_int_equal(told(net, SERVER, CONN_STREAM), 1);
    net_free(net);
}

static void mere_silence_stalls_after_30_s_and_is_a_loss_after_120_s(void **state)
{
    (void)state;
    struct net *net = net_connected();
    net_run_for(net, 8000);
    net->eats = eats_all;
    uint64_t cut = net->now;
    net_run_for(net, 130000);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(told(net, i, CONN_STALLED), 1);
        assert_in_range(last_at(net, i, CONN_STALLED) - cut, 20 * NS_PER_S, 30 * NS_PER_S);
        assert_int_equal(last(net, i, CONN_CLOSED)->end, CONN_SILENT);
        assert_in_range(last_at(net, i, CONN_CLOSED) - cut, 110 * NS_PER_S, 121 * NS_PER_S);
    }
    net_free(net);
}

static size_t longest_of_a_transfer(struct net *net)
{
    static uint8_t data[50000];
    int64_t stream = conn_stream_open(net->ends[CLIENT].conn, 'x', true);
    net->ends[CLIENT].longest = 0;
    assert_int_equal(quic_stream_write(quic_at(net, CLIENT), stream, data, sizeof data), sizeof data);
    net_run_for(net, 1000);
    assert_true(quic_stream_drained(quic_at(net, CLIENT), stream));
    return net->ends[CLIENT].longest;
}

static bool eats_long(struct net *net, unsigned from, const uint8_t *data, size_t len)
{
    (void)net, (void)from, (void)data;
    return len > 1252;
}

static void packets_become_shorter_where_long_ones_vanish(void **state)
{
    (void)state;
    struct net *net = net_connected();
    static uint8_t data[50000];
    net->eats = eats_long;
    int64_t stream = conn_stream_open(net->ends[CLIENT].conn, 'x', true);
    assert_int_equal(quic_stream_write(quic_at(net, CLIENT), stream, data, sizeof data), sizeof data);
    net_run_for(net, 3000);
    assert_true(quic_stream_drained(quic_at(net, CLIENT), stream));
    net->eats = NULL;
    assert_int_equal(longest_of_a_transfer(net),
                     path_payload(PATH_DIRECT)); /* as long as the path is the same */
    net_free(net);
}

static bool eats_long_of_client(struct net *net, unsigned from, const uint8_t *data, size_t len)
{
    return from == CLIENT && eats_long(net, from, data, len);
}

/* Whatever else arrives, nothing acknowledges the long ones. */
static void packets_become_shorter_though_the_peer_goes_on_speaking(void **state)
{
    (void)state;
    struct net *net = net_connected();
    static uint8_t data[50000];
    net->eats = eats_long_of_client;
    int64_t stream = conn_stream_open(net->ends[CLIENT].conn, 'x', true);
    int64_t other = conn_stream_open(net->ends[SERVER].conn, 'y', true);
    assert_int_equal(quic_stream_write(quic_at(net, CLIENT), stream, data, sizeof data), sizeof data);
    for (unsigned i = 0; i < 100; i++, net_run_for(net, 20))
        assert_int_equal(quic_stream_write(quic_at(net, SERVER), other, data, 100), 100);
    assert_true(quic_stream_drained(quic_at(net, CLIENT), stream));
    net_free(net);
}

static void speaks_at_once(struct net *net, unsigned i, enum conn_event_type type)
{
    static uint8_t data[50000];
    if (i != SERVER || type != CONN_CONNECTED)
        return;
    int64_t stream = conn_stream_open(net->ends[i].conn, 'x', true);
    assert_int_equal(quic_stream_write(quic_at(net, i), stream, data, sizeof data), sizeof data);
}

static void the_handshake_does_not_hang_on_a_server_that_has_much_to_say(void **state)
{
    (void)state;
    struct net *net = net_new();
    net->eats = eats_long;
    net->on_event = speaks_at_once;
    net_run_for(net, 100);
    assert_int_equal(told(net, CLIENT, CONN_CONNECTED), 1);
    net_free(net);
}

/* ---- how much fits ---- */

static void the_payload_is_the_paths_unless_the_interface_takes_less(void **state)
{
    (void)state;
    struct net *net = net_connected();
    assert_int_equal(longest_of_a_transfer(net), path_payload(PATH_LAN));
    conn_set_payload_limit(net->ends[CLIENT].conn, 1300);
    assert_int_equal(longest_of_a_transfer(net), 1300);
    conn_set_payload_limit(net->ends[CLIENT].conn, 9000);
    assert_int_equal(longest_of_a_transfer(net), path_payload(PATH_LAN));
    conn_set_payload_limit(net->ends[CLIENT].conn, 0);
    assert_int_equal(longest_of_a_transfer(net), path_payload(PATH_LAN));
    net_free(net);
}

/* ---- memory ---- */

static bool construct(void *context)
{
    struct conn_config config = {.initiator = true, .key = {1}, .paths = PATH_ALL, .random = context};
    struct conn *conn = conn_new(&config);
    bool made = conn != NULL;
    conn_free(conn);
    return made;
}

static void a_constructor_that_fails_leaves_nothing_behind(void **state)
{
    (void)state;
    uint64_t seed = 1;
    struct random random = {.fill = net_fill, .context = &seed};
    assert_true(fail_alloc_each(construct, &random) >= 2);
}

static void without_memory_for_the_handshake_it_ends_as_broken(void **state)
{
    (void)state;
    struct net *net = net_new();
    conn_hold(net->ends[CLIENT].conn, net->now, true);
    net_run_for(net, 500);
    fail_alloc_at(1);
    conn_hold(net->ends[CLIENT].conn, net->now, false);
    assert_true(fail_alloc_hit);
    fail_alloc_at(0);
    net_run_for(net, 100);
    assert_int_equal(last(net, CLIENT, CONN_CLOSED)->end, CONN_BROKEN);
    assert_true(conn_is_silent(net->ends[CLIENT].conn));
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_are_connected_and_know_the_path),
        cmocka_unit_test(quiet_peers_are_together_after_ten_minutes_and_an_hour),
        cmocka_unit_test(it_takes_two_round_trips_until_both_are_connected),
        cmocka_unit_test(a_held_client_checks_paths_and_says_no_more),
        cmocka_unit_test(a_held_server_answers_once_it_is_let_go),
        cmocka_unit_test(a_hello_that_overtakes_its_check_waits_for_it),
        cmocka_unit_test(a_hello_from_a_stranger_gets_no_answer),
        cmocka_unit_test(quic_from_an_unproven_address_is_dropped_and_counted),
        cmocka_unit_test(a_server_takes_no_hello_by_the_broker_before_it_is_allowed),
        cmocka_unit_test(quic_from_another_port_of_the_peer_makes_us_check_it),
        cmocka_unit_test(what_is_not_for_this_connection_is_left_to_others),
        cmocka_unit_test(while_what_carries_it_is_full_quic_waits_and_checks_go_on),
        cmocka_unit_test(unanswered_data_makes_it_ask_whether_the_path_lives),
        cmocka_unit_test(unanswered_data_alone_is_no_loss_before_120_s_for_the_peer_may_sleep),
        cmocka_unit_test(data_moves_at_once_when_a_silent_path_speaks_again),
        cmocka_unit_test(mere_silence_stalls_after_30_s_and_is_a_loss_after_120_s),
        cmocka_unit_test(packets_become_shorter_where_long_ones_vanish),
        cmocka_unit_test(packets_become_shorter_though_the_peer_goes_on_speaking),
        cmocka_unit_test(the_handshake_does_not_hang_on_a_server_that_has_much_to_say),
        cmocka_unit_test(the_payload_is_the_paths_unless_the_interface_takes_less),
        cmocka_unit_test(a_constructor_that_fails_leaves_nothing_behind),
        cmocka_unit_test(without_memory_for_the_handshake_it_ends_as_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
