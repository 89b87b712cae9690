/* test_quic_flight.c - what was not answered goes out again as soon as there is a reason. */
#include "quic_transfer.h"

static void a_path_that_is_dead_for_twenty_seconds_loses_nothing(void **state)
{
    (void)state;
    struct net *net = net_new(5, 1, 1);
    struct transfer *t = transfer_start(net, CLIENT, 50000000);
    net_run(net, NS_PER_S + 100 * NS_PER_MS);
    assert_false(t->ended);
    net->cut = true;
    net_run(net, 21 * NS_PER_S);
    struct quic_info info;
    quic_info(net->end[CLIENT], &info);
    assert_in_range(info.waiting_since, NS_PER_S, NS_PER_S + 200 * NS_PER_MS);
    assert_in_range(info.last_received, NS_PER_S, NS_PER_S + 200 * NS_PER_MS);
    net->cut = false;
    net_run(net, 120 * NS_PER_S);
    assert_arrived(net);
    quic_info(net->end[CLIENT], &info);
    assert_int_equal(info.waiting_since, 0);
    assert_int_equal(info.bytes_in_flight, 0);
    assert_in_range(info.rtt, 10 * NS_PER_MS, 15 * NS_PER_MS);
    free(t);
    net_free(net);
}

static void a_hurried_transfer_goes_on_as_soon_as_the_path_is_back(void **state)
{
    (void)state;
    for (int from = 0; from < 2; from++) {
        struct net *net = net_new(5, 1, 1);
        struct transfer *t = transfer_start(net, from, 50000000);
        net_run(net, NS_PER_S + 100 * NS_PER_MS);
        uint64_t sent = net->sent;
        quic_hurry(net->end[CLIENT], net->now); /* all is well: nothing */
        quic_hurry(net->end[SERVER], net->now);
        net_run(net, net->now);
        assert_int_equal(net->sent, sent);
        net->cut = true;
        net_run(net, 24 * NS_PER_S);
        net->cut = false;
        quic_hurry(net->end[CLIENT], net->now);
        quic_hurry(net->end[SERVER], net->now);
        uint64_t read = t->read;
        net_run(net, net->now + 100 * NS_PER_MS);
        assert_true(t->read > read);
        net_run(net, 100 * NS_PER_S);
        assert_arrived(net);
        free(t);
        net_free(net);
    }
}

static void a_hurry_is_one_probe(void **state)
{
    (void)state;
    struct net *net = net_new(5, 1, 1);
    net_connect(net);
    net_run(net, net->now + NS_PER_S);
    net->cut = true;
    struct transfer *t = transfer_start(net, CLIENT, 1000);
    net_run(net, net->now + 5 * NS_PER_S);
    uint64_t sent = net->sent;
    quic_hurry(net->end[CLIENT], net->now);
    net_run(net, net->now);
    assert_in_range(net->sent - sent, 1, 2); /* RFC 9002 6.2.4 */
    net->cut = false;
    net_run(net, net->now + 20 * NS_PER_S);
    assert_arrived(net);
    free(t);
    net_free(net);
}

static void a_hurried_client_sends_its_first_flight_again_at_once(void **state)
{
    (void)state;
    struct net *net = net_new(10, 1, 1);
    struct quic_info info;
    net->cut = true;
    net_run(net, NS_PER_S + 40 * NS_PER_MS);
    assert_int_equal(net->sent, 1);
    net->cut = false;
    quic_hurry(net->end[CLIENT], net->now);
    net_run(net, 2 * NS_PER_S);
    assert_int_equal(elapsed_ms(net->connected_at[CLIENT]), 60);
    quic_info(net->end[CLIENT], &info);
    assert_in_range(info.rtt, 20 * NS_PER_MS,
                    60 * NS_PER_MS); /* from the lost one on: later answers correct it */
    uint64_t sent = net->sent;
    quic_hurry(net->end[CLIENT], net->now); /* answered: nothing */
    net_run(net, 3 * NS_PER_S);
    assert_int_equal(net->sent, sent);
    net_run(net, 300 * NS_PER_S);
    assert_int_equal(net->closed[CLIENT].error, QUIC_ERROR_IDLE);
    net_free(net);
}

static void a_hello_that_needed_no_hurry_tells_the_true_round_trip(void **state)
{
    (void)state;
    struct net *net = net_new(10, 1, 1);
    struct quic_info info;
    net_run(net, NS_PER_S + 5 * NS_PER_MS);
    quic_hurry(net->end[CLIENT], net->now);
    net_run(net, 2 * NS_PER_S);
    quic_info(net->end[CLIENT], &info);
    assert_in_range(info.rtt, 20 * NS_PER_MS, 21 * NS_PER_MS);
    net_free(net);
}

static void hurrying_does_not_age_the_connection(void **state)
{
    (void)state;
    struct net *net = net_new(10, 1, 1);
    net_connect(net);
    say(net->end[CLIENT], "anybody?");
    net->cut = true;
    for (uint64_t end = net->now + 100 * NS_PER_S; net->now < end;) {
        quic_hurry(net->end[CLIENT], net->now);
        net_run(net, net->now + 100 * NS_PER_MS);
    }
    assert_int_equal(net->closed_at[CLIENT], 0);
    net_free(net);
}

static void hurrying_a_server_does_not_end_its_handshake(void **state)
{
    (void)state;
    struct net *net = net_new(10, 1, 1);
    net_run(net, NS_PER_S + 15 * NS_PER_MS);
    net->cut = true; /* the server's flight is on its way, the client's answer never comes */
    for (uint64_t end = net->now + 5 * NS_PER_S; net->now < end;) {
        quic_hurry(net->end[SERVER], net->now);
        net_run(net, net->now + 100 * NS_PER_MS);
    }
    assert_int_equal(net->closed_at[SERVER], 0);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_that_is_dead_for_twenty_seconds_loses_nothing),
        cmocka_unit_test(a_hurried_transfer_goes_on_as_soon_as_the_path_is_back),
        cmocka_unit_test(a_hurry_is_one_probe),
        cmocka_unit_test(a_hurried_client_sends_its_first_flight_again_at_once),
        cmocka_unit_test(a_hello_that_needed_no_hurry_tells_the_true_round_trip),
        cmocka_unit_test(hurrying_does_not_age_the_connection),
        cmocka_unit_test(hurrying_a_server_does_not_end_its_handshake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
