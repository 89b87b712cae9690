/* test_ice.c - two agents find each other (RFC 8445), over every sort of NAT that a punch can pass. */
#include "ice_net.h"

static struct net *homes(uint64_t seed, enum filter a, enum filter b)
{
    struct net *net = net_new(seed);
    struct ice_config config = net_config(net, true);
    side_init(net, 0, &config, "192.168.1.10:5000");
    config.controlling = false;
    side_init(net, 1, &config, "192.168.2.20:6000");
    side_nat(net, 0, "203.0.113.1", a, false);
    side_nat(net, 1, "203.0.113.2", b, false);
    return net;
}

static void port_restricted_peers_connect_in_the_least_round_trips(void **state)
{
    (void)state;
    struct net *net = homes(1, FILTER_PORT, FILTER_PORT);
    learn(net, 0);
    net_run(net, 10 * MS);
    learn(net, 1);
    assert_true(net_connect(net, 10 * S));
    printf("connected at %.3f ms\n", (double)net->now / 1e6);
    net_free(net);
}

static void lossy(uint64_t gap, unsigned first)
{
    uint64_t worst = 0, sum = 0;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct net *net = homes(seed, FILTER_PORT, FILTER_PORT);
        net->loss = 30;
        learn(net, first);
        net_run(net, gap);
        learn(net, !first);
        if (!net_connect(net, gap + 10 * S))
            fail_msg("seed %llu did not connect", (unsigned long long)seed);
        worst = later(worst, net->now - gap);
        sum += net->now - gap;
        net_free(net);
    }
    printf("gap %llu first %u: mean %.0f ms, worst %.0f ms\n", (unsigned long long)(gap / MS), first,
           (double)sum / 1e9, (double)worst / 1e6);
}

static void thirty_percent_loss_never_keeps_them_apart(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 2; first++) {
        lossy(0, first);
        lossy(30 * MS, first);
        lossy(900 * MS, first);
        lossy(3 * S, first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(port_restricted_peers_connect_in_the_least_round_trips),
        cmocka_unit_test(thirty_percent_loss_never_keeps_them_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
