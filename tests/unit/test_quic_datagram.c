/* test_quic_datagram.c - datagrams beside streams. */
#include "quic_transfer.h"

static void datagrams_arrive_whole_or_not_at_all(void **state)
{
    (void)state;
    uint8_t text[2000];
    struct net *net = net_new(5, 1, 1);
    net->payload_max = QUIC_PAYLOAD_MAX;
    net_renew(net);
    struct quic *client = net->end[CLIENT], *server = net->end[SERVER];
    assert_int_equal(quic_datagram_send(client, "early", 5), QUIC_GONE);
    net_connect(net);
    assert_int_equal(quic_datagram_max(client), 1168);
    assert_int_equal(quic_datagram_send(client, pattern(0), 1169), QUIC_TOO_LONG);
    assert_int_equal(quic_datagram_send(client, pattern(0), 1168), 0);
    assert_int_equal(quic_datagram_send(client, pattern(5), 0), 0);
    net_settle(net);
    assert_int_equal(quic_datagram_receive(server, text, sizeof text), 1168);
    assert_memory_equal(text, pattern(0), 1168);
    assert_int_equal(quic_datagram_receive(server, text, sizeof text), 0);
    assert_int_equal(quic_datagram_receive(server, text, sizeof text), QUIC_BLOCKED);
    net->payload = 32000;
    net_settle(net);
    assert_int_equal(quic_datagram_send(client, pattern(0), 1300),
                     0); /* fits the batch before the path shrinks */
    net->payload = 1200;
    assert_int_equal(quic_datagram_send(client, "small", 5), 0);
    net_settle(net);
    assert_int_equal(quic_datagram_receive(server, text, 3), 3); /* the rest of it is cut off */
    assert_int_equal(quic_datagram_receive(server, text, sizeof text), QUIC_BLOCKED);
    net_free(net);
}

static void the_oldest_datagram_gives_way(void **state)
{
    (void)state;
    struct net *net = net_new(5, 1, 1);
    net_connect(net);
    uint32_t number;
    for (number = 0; number < QUIC_DATAGRAM_QUEUE + 10; number++)
        assert_int_equal(quic_datagram_send(net->end[CLIENT], &number, sizeof number), 0);
    net_settle(net);
    for (uint32_t want = 10; want < QUIC_DATAGRAM_QUEUE + 10; want++) {
        assert_int_equal(quic_datagram_receive(net->end[SERVER], &number, sizeof number), sizeof number);
        assert_int_equal(number, want);
    }
    assert_int_equal(quic_datagram_receive(net->end[SERVER], &number, sizeof number), QUIC_BLOCKED);
    net_free(net);
}

static void flood(struct net *net)
{
    for (int i = 0; i < QUIC_DATAGRAM_QUEUE; i++)
        if (quic_datagram_send(net->end[CLIENT], pattern(0), 1100))
            return;
}

static void a_flood_of_datagrams_does_not_starve_a_stream(void **state)
{
    (void)state;
    struct net *net = net_new(5, 1, 1);
    net->on_wake = flood;
    net->loss = 30; /* so that there is not room for both */
    struct transfer *t = transfer_start(net, CLIENT, 1000000);
    while (!t->ended && net->now < 4 * NS_PER_S)
        net_run(net, net->now + NS_PER_MS);
    net_run(net, net->now + 20 * NS_PER_MS);
    assert_arrived(net);
    free(t);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datagrams_arrive_whole_or_not_at_all),
        cmocka_unit_test(the_oldest_datagram_gives_way),
        cmocka_unit_test(a_flood_of_datagrams_does_not_starve_a_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
