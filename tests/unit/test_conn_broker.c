/* test_conn_broker.c - a connection through the broker: when it goes that way, how it lives there, when it
 * leaves. */
#include "conn_net.h"

static void meets_through_broker(struct net *net)
{
    net->eats = eats_all;
    net_allow_broker(net, 32768);
    net_run_for(net, 1000);
    for (unsigned i = 0; i < 2; i++) {
        struct path path;
        assert_int_equal(told(net, i, CONN_CONNECTED), 1);
        assert_true(conn_path(net->ends[i].conn, &path));
        assert_int_equal(path.kind, PATH_BROKER);
        assert_true(conn_is_brokered(net->ends[i].conn));
    }
}

static void where_no_datagram_gets_through_the_broker_connects_them(void **state)
{
    (void)state;
    struct net *net = net_new();
    meets_through_broker(net);
    assert_in_range(last_at(net, SERVER, CONN_CONNECTED) - NS_PER_S, 160 * NS_PER_MS, 162 * NS_PER_MS);
    assert_in_range(last_at(net, CLIENT, CONN_CONNECTED) - NS_PER_S, 170 * NS_PER_MS, 172 * NS_PER_MS);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(told(net, i, CONN_PATH), 1);
        assert_true(last_at(net, i, CONN_PATH) <= last_at(net, i, CONN_CONNECTED));
    }
    net_free(net);
}

static void a_direct_path_in_time_leaves_the_broker_alone(void **state)
{
    (void)state;
    struct net *net = net_new();
    net_allow_broker(net, 32768);
    net_run_for(net, 60000);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(net->ends[i].relayed, 0);
        assert_int_equal(told(net, i, CONN_PATH), 1);
    }
    net_free(net);
}

static void a_direct_path_takes_over_in_mid_transfer(void **state)
{
    (void)state;
    static uint8_t data[200000];
    struct net *net = net_new();
    meets_through_broker(net);
    int64_t stream = conn_stream_open(net->ends[CLIENT].conn, 'x', true);
    assert_int_equal(quic_stream_write(quic_at(net, CLIENT), stream, data, sizeof data), sizeof data);
    net_run_for(net, 1000);
    assert_false(quic_stream_drained(quic_at(net, CLIENT), stream));
    net->eats = NULL;
    net_run_for(net, 3000);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(last(net, i, CONN_PATH)->path.kind, PATH_LAN);
        assert_false(conn_is_brokered(net->ends[i].conn));
        assert_int_equal(told(net, i, CONN_CONNECTED), 1);
    }
    assert_true(quic_stream_drained(quic_at(net, CLIENT), stream));
    net_free(net);
}

static void when_the_pair_falls_silent_the_broker_carries_on(void **state)
{
    (void)state;
    static uint8_t data[5000];
    struct net *net = net_new();
    net_allow_broker(net, 32768);
    net_run_for(net, 2000);
    assert_int_equal(told(net, CLIENT, CONN_CONNECTED), 1);
    net->eats = eats_all;
    int64_t stream = conn_stream_open(net->ends[CLIENT].conn, 'x', true);
    assert_int_equal(quic_stream_write(quic_at(net, CLIENT), stream, data, sizeof data), sizeof data);
    net_run_for(net, 4000);
    assert_true(quic_stream_drained(quic_at(net, CLIENT), stream));
    net_run_for(net, 200000); /* consent is long gone */
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(last(net, i, CONN_PATH)->path.kind, PATH_BROKER);
        assert_int_equal(told(net, i, CONN_CLOSED), 0);
        assert_true(told(net, i, CONN_SEEK) >= 3);
    }
    net->eats = NULL;
    for (unsigned i = 0; i < 2; i++)
        ice_restart_checks(conn_ice(net->ends[i].conn), net->now);
    net_run_for(net, 1000);
    assert_int_equal(last(net, CLIENT, CONN_PATH)->path.kind, PATH_LAN);
    net_free(net);
}

static void failed_checks_end_nothing_that_lives_on_the_broker(void **state)
{
    (void)state;
    struct net *net = net_new();
    for (unsigned i = 0; i < 2; i++) {
        ice_locals_complete(conn_ice(net->ends[i].conn), net->now);
        ice_remotes_complete(conn_ice(net->ends[i].conn), net->now);
    }
    meets_through_broker(net);
    net_run_for(net, 60000);
    assert_int_equal(told(net, CLIENT, CONN_CLOSED), 0);
    assert_int_equal(told(net, CLIENT, CONN_STALLED), 0);
    net_free(net);
}

static void a_broker_that_carries_nothing_is_no_path(void **state)
{
    (void)state;
    struct net *net = net_new();
    net->eats = eats_all;
    net_allow_broker(net, 32768);
    net->brokered = false; /* it swallows all */
    for (unsigned i = 0; i < 2; i++) {
        ice_locals_complete(conn_ice(net->ends[i].conn), net->now);
        ice_remotes_complete(conn_ice(net->ends[i].conn), net->now);
    }
    net_run_for(net, 9900);
    assert_int_equal(told(net, CLIENT, CONN_CLOSED), 0);
    net_run_for(net, 400);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(last(net, i, CONN_CLOSED)->end, CONN_NOPATH);
    net_free(net);
}

static void a_broker_that_goes_stalls_it_and_one_that_comes_back_revives_it(void **state)
{
    (void)state;
    struct net *net = net_new();
    meets_through_broker(net);
    net_set_broker(net, false);
    net_run_for(net, 60000);
    for (unsigned i = 0; i < 2; i++) {
        struct path path;
        assert_int_equal(told(net, i, CONN_STALLED), 1);
        assert_false(conn_path(net->ends[i].conn, &path));
    }
    net_set_broker(net, true);
    net_run_for(net, 100);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(told(net, i, CONN_PATH), 2);
        assert_int_equal(told(net, i, CONN_CLOSED), 0);
    }
    net_free(net);
}

static void a_will_without_a_sign_of_life_is_a_loss_and_with_one_is_none(void **state)
{
    (void)state;
    struct net *net = net_new();
    meets_through_broker(net);
    conn_suspect(net->ends[CLIENT].conn, net->now);
    net_run_for(net, 20000);
    assert_int_equal(told(net, CLIENT, CONN_CLOSED), 0);
    net->brokered = false;
    uint64_t died = net->now;
    conn_suspect(net->ends[CLIENT].conn, net->now);
    net_run_for(net, 15000);
    assert_int_equal(last(net, CLIENT, CONN_CLOSED)->end, CONN_SILENT);
    assert_in_range(last_at(net, CLIENT, CONN_CLOSED) - died, 5 * NS_PER_S, 6 * NS_PER_S);
    net_free(net);
}

static void an_idle_peer_is_asked_and_a_silent_one_is_lost(void **state)
{
    (void)state;
    struct net *net = net_new();
    meets_through_broker(net);
    size_t before = net->ends[CLIENT].relayed;
    net_run_for(net, 300000);
    assert_true(net->ends[CLIENT].relayed > before);
    assert_in_range(net->ends[CLIENT].relayed - before, 20 * 20, 20 * 200);
    assert_int_equal(told(net, CLIENT, CONN_STALLED), 0);
    net->brokered = false;
    net_run_for(net, 46000);
    assert_int_equal(told(net, CLIENT, CONN_STALLED), 1);
    net_run_for(net, 90000);
    assert_int_equal(last(net, CLIENT, CONN_CLOSED)->end, CONN_SILENT);
    net_free(net);
}

static void a_goodbye_leaves_through_the_broker(void **state)
{
    (void)state;
    struct net *net = net_new();
    meets_through_broker(net);
    conn_close(net->ends[CLIENT].conn, net->now, "enough");
    net_run_for(net, 100);
    assert_true(conn_is_silent(net->ends[CLIENT].conn));
    assert_int_equal(last(net, SERVER, CONN_CLOSED)->end, CONN_LEFT);
    assert_string_equal(last(net, SERVER, CONN_CLOSED)->text, "enough");
    net_free(net);
}

static void forgeries_through_the_broker_use_up_nobodys_share(void **state)
{
    (void)state;
    struct net *net = net_new();
    uint8_t garbage[1200] = {0x40, 1, 2, 3, 4, 5};
    struct conn_stats stats;
    struct path path;
    meets_through_broker(net);
    uint8_t last_tag[QUIC_TAG_LEN], id[QUIC_CID_LEN], key[QUIC_KEY_LEN] = {1, 2, 3};
    quic_initial_id(id, key); /* its first bytes are the server's tag */
    memcpy(last_tag, id, sizeof last_tag);
    for (unsigned i = 0; i < 10000; i++)
        conn_broker_input(net->ends[SERVER].conn, net->now, garbage, sizeof garbage);
    conn_stats(net->ends[SERVER].conn, &stats);
    assert_int_equal(stats.unproven, 10000);
    assert_int_equal(stats.flooded, 0);
    memcpy(garbage + 1, last_tag, sizeof last_tag); /* who listens knows the ids that are in use */
    for (unsigned i = 0; i < 10000; i++)
        conn_broker_input(net->ends[SERVER].conn, net->now, garbage, sizeof garbage);
    conn_stats(net->ends[SERVER].conn, &stats);
    assert_int_equal(stats.flooded, 0);
    net_run_for(net, 10000);
    assert_true(conn_path(net->ends[SERVER].conn, &path));
    assert_int_equal(told(net, SERVER, CONN_CLOSED), 0);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_no_datagram_gets_through_the_broker_connects_them),
        cmocka_unit_test(a_direct_path_in_time_leaves_the_broker_alone),
        cmocka_unit_test(a_direct_path_takes_over_in_mid_transfer),
        cmocka_unit_test(when_the_pair_falls_silent_the_broker_carries_on),
        cmocka_unit_test(failed_checks_end_nothing_that_lives_on_the_broker),
        cmocka_unit_test(a_broker_that_carries_nothing_is_no_path),
        cmocka_unit_test(a_broker_that_goes_stalls_it_and_one_that_comes_back_revives_it),
        cmocka_unit_test(a_will_without_a_sign_of_life_is_a_loss_and_with_one_is_none),
        cmocka_unit_test(an_idle_peer_is_asked_and_a_silent_one_is_lost),
        cmocka_unit_test(a_goodbye_leaves_through_the_broker),
        cmocka_unit_test(forgeries_through_the_broker_use_up_nobodys_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
