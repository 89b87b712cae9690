/* test_quic_pace.c - packets leave as the line takes them, not as fast as they can be made. */
#include "quic_ngtcp2.h"
#include "quic_transfer.h"

struct line {
    unsigned mbit, rtt_ms, queue_ms;
    uint64_t bytes;
    unsigned least; /* percent of the rate that must be used */
    unsigned most;  /* of 1,000 packets may find the queue full */
};

static struct net *line_new(const struct line *line, enum quic_congestion congestion)
{
    struct net *net = net_new(line->rtt_ms / 2, 1, 1);
    net->congestion = congestion;
    net_renew(net);
    net_connect(net);
    net->rate = line->mbit * 125;
    net->queue = line->queue_ms * NS_PER_MS;
    net_run(net, net->now + NS_PER_S);
    return net;
}

static void send_over(const struct line *line, enum quic_congestion congestion)
{
    struct net *net = line_new(line, congestion);
    uint64_t began = net->now, sent = net->sent;
    struct transfer *t = transfer_start(net, CLIENT, line->bytes);
    net_run(net, began + 3 * NS_PER_S);
    net->burst = 0; /* what BBR's growth takes is past: a millisecond of a probe's rate, and a packet */
    net_run(net, began + 60 * NS_PER_S);
    assert_arrived(net);
    if (QUIC_IS_PACED_BY_US)
        assert_in_range(net->burst, 1, net->rate * 3 / 2 + 1452);
    double used = 100.0 * (double)line->bytes / (double)(net->rate * ((t->ended_at - began) / NS_PER_MS));
    double dropped = 1000.0 * (double)net->dropped / (double)(net->sent - sent);
    print_message("%u Mbit/s, %u ms, queue %u ms: %.0f %% used, %.1f of 1,000 packets dropped\n", line->mbit,
                  line->rtt_ms, line->queue_ms, used, dropped);
    assert_true(used >= line->least && dropped <= line->most);
    free(t);
    net_free(net);
}

/* The last two are longer than a stream's window fills, where 0.12 never ends BBR's growth by itself. */
static void few_packets_find_a_short_queue_full(void **state)
{
    (void)state;
    static const struct line lines[] = {
        {10, 10, 10, 8000000, 85, 60},
        {10, 200, 20, 10000000, 60, 100},
        {100, 10, 5, 50000000, 80, 30},
        {100, 80, 5, 50000000, 50, 60},
        {100, 140, 5, 50000000, QUIC_IS_PACED_BY_US ? 35 : 30, 60},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        send_over(&lines[i], QUIC_CONGESTION_BBR);
}

static void who_wakes_late_loses_little(void **state)
{
    (void)state;
    for (uint64_t ms = 1; ms <= 8; ms *= 2) {
        struct net *net = line_new(&(struct line){100, 50, 20, 0, 0, 0}, QUIC_CONGESTION_BBR);
        net->lateness = ms * NS_PER_MS;
        uint64_t began = net->now;
        struct transfer *t = transfer_start(net, CLIENT, 50000000);
        net_run(net, began + 100 * NS_PER_S);
        assert_arrived(net);
        assert_in_range(t->ended_at - began, 4 * NS_PER_S, 8 * NS_PER_S);
        free(t);
        net_free(net);
    }
}

/* One stream, whose window is what limits it. */
static void a_line_that_becomes_slower_is_not_flooded(void **state)
{
    (void)state;
    struct net *net = line_new(&(struct line){100, 200, 20, 0, 0, 0}, QUIC_CONGESTION_BBR);
    struct transfer *t = transfer_start(net, CLIENT, 200000000);
    net_run(net, net->now + 10 * NS_PER_S);
    net->rate = 625;
    net_run(net, net->now + 20 * NS_PER_S); /* BBR of 0.12 forgets its best slowly */
    uint64_t sent = net->sent, dropped = net->dropped, read = t->read;
    net_run(net, net->now + 10 * NS_PER_S);
    assert_in_range(t->read - read, 4000000, 6250000);
    assert_true(10 * (net->dropped - dropped) < net->sent - sent);
    free(t);
    net_free(net);
}

static void cubic_is_paced_too(void **state)
{
    (void)state;
    send_over(&(struct line){10, 100, 10, 6000000, 50, 40}, QUIC_CONGESTION_CUBIC);
}

static void no_more_than_the_first_window_leaves_at_once(void **state)
{
    (void)state;
    if (!QUIC_IS_PACED_BY_US) /* 1.11 lets 64 kB go at once by CUBIC */
        skip();
    for (int congestion = QUIC_CONGESTION_CUBIC; congestion <= QUIC_CONGESTION_BBR; congestion++) {
        struct net *net = line_new(&(struct line){1000, 40, 100, 0, 0, 0}, (enum quic_congestion)congestion);
        net->burst = 0;
        struct transfer *t = transfer_start(net, CLIENT, 300000);
        net_run(net, net->now + 5 * NS_PER_S);
        assert_arrived(net);
        assert_in_range(net->burst, 10000, 17000);
        free(t);
        net_free(net);
    }
}

/* ns from writing until all of it is read. */
static uint64_t carry(struct net *net, int from, uint64_t bytes)
{
    uint64_t began = net->now;
    struct transfer *t = transfer_start(net, from, bytes);
    while (!t->ended && net->now < began + 30 * NS_PER_S)
        net_run(net, net->now + NS_PER_MS);
    assert_true(t->ended && !t->damaged);
    uint64_t took = t->ended_at - began;
    net->on_event = NULL;
    free(t);
    return took;
}

static void after_a_pause_a_message_of_one_window_leaves_at_once(void **state)
{
    (void)state;
    struct net *net = line_new(&(struct line){1000, 200, 100, 0, 0, 0}, QUIC_CONGESTION_BBR);
    for (int i = 0; i < 3; i++, net_run(net, net->now + NS_PER_S))
        assert_in_range(carry(net, CLIENT, 12000), 100 * NS_PER_MS, 103 * NS_PER_MS);
    net_free(net);
}

/* The rates of small messages say nothing about the line. */
static void after_small_messages_much_grows_as_in_the_beginning(void **state)
{
    (void)state;
    static const struct line line = {100, 100, 100, 0, 0, 0};
    struct net *net = line_new(&line, QUIC_CONGESTION_BBR);
    uint64_t fresh = carry(net, CLIENT, 1500000);
    net_free(net);
    net = line_new(&line, QUIC_CONGESTION_BBR);
    for (int i = 0; i < 27; i++, net_run(net, net->now + 100 * NS_PER_MS))
        carry(net, CLIENT, 100);
    assert_in_range(carry(net, CLIENT, 1500000), fresh / 2, 2 * fresh);
    net_free(net);
}

static void after_an_outage_it_goes_on_as_fast(void **state)
{
    (void)state;
    struct net *net = line_new(&(struct line){10, 100, 50, 0, 0, 0}, QUIC_CONGESTION_BBR);
    uint64_t began = net->now;
    struct transfer *t = transfer_start(net, CLIENT, 5000000); /* 4 s */
    net_run(net, began + NS_PER_S);
    net->cut = true;
    net_run(net, began + 21 * NS_PER_S);
    net->cut = false;
    quic_hurry(net->end[CLIENT], net->now);
    net_run(net, began + 60 * NS_PER_S);
    assert_arrived(net);
    assert_in_range(t->ended_at - began, 24 * NS_PER_S, 26 * NS_PER_S);
    free(t);
    net_free(net);
}

static void who_only_acknowledged_does_not_wait_with_its_own(void **state)
{
    (void)state;
    struct net *net = line_new(&(struct line){1000, 100, 100, 0, 0, 0}, QUIC_CONGESTION_BBR);
    carry(net, CLIENT, 100000000);
    assert_in_range(carry(net, SERVER, 5000), 50 * NS_PER_MS, 100 * NS_PER_MS);
    net_free(net);
}

/* What the reader asks for room with is all that it sends, little and seldom: its rate is no measure. */
static void a_reader_that_was_slow_is_not_slow_for_ever(void **state)
{
    (void)state;
    struct net *net = line_new(&(struct line){1000, 100, 100, 0, 0, 0}, QUIC_CONGESTION_BBR);
    struct transfer *t = transfer_start(net, CLIENT, 60000000);
    for (int i = 0; i < 20; i++) {
        t->paused = true;
        net_run(net, net->now + NS_PER_S);
        t->paused = false;
        pump_reader(net, t);
    }
    uint64_t began = net->now, rounds = (t->total - t->read) / QUIC_STREAM_WINDOW + 1;
    net_run(net, began + 60 * NS_PER_S);
    assert_arrived(net);
    assert_in_range(t->ended_at - began, 0, 3 * rounds * 100 * NS_PER_MS);
    free(t);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_packets_find_a_short_queue_full),
        cmocka_unit_test(who_wakes_late_loses_little),
        cmocka_unit_test(a_line_that_becomes_slower_is_not_flooded),
        cmocka_unit_test(cubic_is_paced_too),
        cmocka_unit_test(no_more_than_the_first_window_leaves_at_once),
        cmocka_unit_test(after_a_pause_a_message_of_one_window_leaves_at_once),
        cmocka_unit_test(after_small_messages_much_grows_as_in_the_beginning),
        cmocka_unit_test(after_an_outage_it_goes_on_as_fast),
        cmocka_unit_test(a_reader_that_was_slow_is_not_slow_for_ever),
        cmocka_unit_test(who_only_acknowledged_does_not_wait_with_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
