/* test_quic_batch.c - packets in batches: what a long transfer makes of a path. */
#include "quic_transfer.h"

static void hundred_megabytes(unsigned loss, unsigned duplicates, uint64_t jitter, int from)
{
    struct net *net = net_new(5, 1, 1);
    net->loss = loss;
    net->duplicates = duplicates;
    net->jitter = jitter;
    struct transfer *t = transfer_start(net, from, 100000000);
    net_run(net, 3600 * NS_PER_S);
    assert_arrived(net);
    free(t);
    net_free(net);
}

static void hundred_megabytes_arrive_over_a_clean_path(void **state)
{
    (void)state;
    hundred_megabytes(0, 0, 0, CLIENT);
}

static void hundred_megabytes_arrive_at_one_percent_of_loss(void **state)
{
    (void)state;
    hundred_megabytes(10, 0, 0, SERVER);
}

static void hundred_megabytes_arrive_at_ten_percent_of_loss(void **state)
{
    (void)state;
    hundred_megabytes(100, 0, 0, CLIENT);
}

static void hundred_megabytes_arrive_reordered_and_doubled(void **state)
{
    (void)state;
    hundred_megabytes(0, 100, 3 * NS_PER_MS, SERVER);
}

/* What leaves at once meets the smallest queue on the way at once. A window of many packets is spread over
 * the round trip instead (RFC 9002 7.7). */
static void a_window_leaves_spread_over_the_round_trip(void **state)
{
    (void)state;
    struct net *net = net_new(50, 1, 1);
    net_connect(net);
    net_settle(net);
    net->burst = 0;
    struct transfer *t = transfer_start(net, CLIENT, 20000000);
    net_run(net, 60 * NS_PER_S);
    assert_arrived(net);
    assert_in_range(net->burst, 1, 2 * QUIC_BATCH); /* unpaced, 2 MB */
    free(t);
    net_free(net);
}

static void the_payload_may_change_in_mid_transfer(void **state)
{
    (void)state;
    static const size_t payloads[] = {32000, 1452, 1200, 32000, 1200, 1452, 0};
    struct net *net = net_new(5, 1, 1);
    net->payload_max = QUIC_PAYLOAD_MAX;
    net_renew(net);
    struct transfer *t = transfer_start(net, CLIENT, 50000000);
    t->payloads = payloads;
    net_run(net, 60 * NS_PER_S);
    assert_arrived(net);
    free(t);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hundred_megabytes_arrive_over_a_clean_path),
        cmocka_unit_test(hundred_megabytes_arrive_at_one_percent_of_loss),
        cmocka_unit_test(hundred_megabytes_arrive_at_ten_percent_of_loss),
        cmocka_unit_test(hundred_megabytes_arrive_reordered_and_doubled),
        cmocka_unit_test(a_window_leaves_spread_over_the_round_trip),
        cmocka_unit_test(the_payload_may_change_in_mid_transfer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
