/* test_quic_stream.c - streams: their ends, their turns, their memory. */
#include "quic_buffer.h"
#include "quic_transfer.h"
#include <limits.h>
#include <malloc.h>

static void half_a_stream_may_end_and_the_other_go_on(void **state)
{
    (void)state;
    char text[16] = "";
    struct net *net = net_new(5, 1, 1);
    struct quic *client = net->end[CLIENT], *server = net->end[SERVER];
    net_connect(net);
    int64_t stream = quic_stream_open(client, false);
    assert_int_equal(quic_stream_write(client, stream, "question", 8), 8);
    quic_stream_finish(client, stream);
    assert_int_equal(quic_stream_write(client, stream, "more", 4), QUIC_GONE);
    net_settle(net);
    assert_int_equal(quic_stream_read(server, stream, text, sizeof text), 8);
    assert_int_equal(quic_stream_read(server, stream, text, sizeof text), 0);
    assert_true(quic_stream_drained(client, stream));
    assert_int_equal(quic_stream_read(client, stream, text, sizeof text), QUIC_BLOCKED);
    assert_int_equal(quic_stream_write(server, stream, "answer", 6), 6);
    assert_false(quic_stream_drained(server, stream));
    assert_false(quic_is_idle(server));
    net_settle(net);
    assert_int_equal(quic_stream_read(client, stream, text, sizeof text), 6);
    assert_memory_equal(text, "answer", 6);
    quic_stream_finish(server, stream);
    net_settle(net);
    assert_int_equal(quic_stream_read(client, stream, text, sizeof text), 0);
    assert_true(quic_is_idle(server) && quic_is_idle(client));
    quic_stream_release(client, stream, 0);
    quic_stream_release(server, stream, 0);
    assert_int_equal(quic_stream_read(client, stream, text, sizeof text), QUIC_GONE);
    net_free(net);
}

static void a_released_stream_is_reset_and_stopped(void **state)
{
    (void)state;
    char text[16];
    struct net *net = net_new(5, 1, 1);
    struct quic *client = net->end[CLIENT], *server = net->end[SERVER];
    net_connect(net);
    int64_t stream = quic_stream_open(client, false);
    assert_int_equal(quic_stream_write(client, stream, "x", 1), 1);
    net_settle(net);
    assert_int_equal(quic_stream_read(server, stream, text, sizeof text), 1);
    assert_int_equal(quic_stream_read(server, stream, text, sizeof text), QUIC_BLOCKED);
    quic_stream_release(client, stream, 7);
    net_settle(net);
    assert_int_equal(quic_stream_read(server, stream, text, sizeof text), QUIC_RESET);
    assert_int_equal(quic_stream_write(server, stream, "y", 1), QUIC_RESET);
    quic_stream_release(server, stream, 0);
    net_free(net);
}

static void bytes_may_be_put_and_taken_where_they_lie(void **state)
{
    (void)state;
    struct iovec runs[64];
    struct net *net = net_new(5, 1, 1);
    struct quic *client = net->end[CLIENT], *server = net->end[SERVER];
    net_connect(net);
    int64_t stream = quic_stream_open(client, false);
    assert_int_equal(quic_stream_reserve(client, stream, runs, 64, 8), 1);
    assert_int_equal(runs[0].iov_len, 8);
    memcpy(runs[0].iov_base, "question", 8);
    assert_int_equal(quic_stream_commit(client, stream, 9), QUIC_TOO_LONG);
    assert_int_equal(quic_stream_reserve(client, stream, runs, 64, 100000), 7);
    memcpy(runs[0].iov_base, "question", 8);
    assert_int_equal(quic_stream_commit(client, stream, 8), 0);
    assert_int_equal(quic_stream_commit(client, stream, 1), QUIC_TOO_LONG);
    net_settle(net);
    assert_int_equal(quic_stream_peek(server, stream, runs, 64), 1);
    assert_int_equal(runs[0].iov_len, 8);
    assert_memory_equal(runs[0].iov_base, "question", 8);
    assert_int_equal(quic_stream_consume(server, stream, 9), QUIC_TOO_LONG);
    assert_int_equal(quic_stream_consume(server, stream, 6), 0);
    assert_int_equal(quic_stream_peek(server, stream, runs, 64), 1);
    assert_memory_equal(runs[0].iov_base, "on", 2);
    assert_int_equal(quic_stream_consume(server, stream, 2), 0);
    assert_int_equal(quic_stream_peek(server, stream, runs, 64), QUIC_BLOCKED);
    assert_int_equal(quic_stream_reserve(client, stream, runs, 64, 1), 1);
    *(char *)runs[0].iov_base = '!';
    assert_int_equal(quic_stream_commit(client, stream, 1), 0); /* nothing else makes it leave */
    net_settle(net);
    assert_int_equal(quic_stream_peek(server, stream, runs, 64), 1);
    assert_int_equal(quic_stream_consume(server, stream, 1), 0);
    assert_int_equal(quic_stream_peek(server, stream, runs, 64), QUIC_BLOCKED);
    quic_stream_finish(client, stream);
    assert_int_equal(quic_stream_reserve(client, stream, runs, 64, 8), QUIC_GONE);
    net_settle(net);
    assert_int_equal(quic_stream_peek(server, stream, runs, 64), 0);
    quic_stream_release(server, stream, 7);
    net_settle(net);
    assert_int_equal(quic_stream_peek(client, stream, runs, 64), QUIC_RESET);
    quic_stream_release(client, stream, 0);
    net_free(net);
}

static int64_t writable_again = -1;

static void note_writable(struct net *net, int end, const struct quic_event *event)
{
    (void)net;
    if (end == CLIENT && event->type == QUIC_WRITABLE)
        writable_again = event->stream;
}

static void a_reservation_is_void_once_the_reader_has_left(void **state)
{
    (void)state;
    struct net *net = net_new(5, 1, 1);
    struct iovec runs[64];
    net_connect(net);
    int64_t stream = quic_stream_open(net->end[CLIENT], false);
    assert_int_equal(quic_stream_write(net->end[CLIENT], stream, "x", 1), 1);
    net_settle(net);
    assert_in_range(quic_stream_reserve(net->end[CLIENT], stream, runs, 64, 100000), 1, 64);
    quic_stream_release(net->end[SERVER], stream, 9);
    net_settle(net);
    assert_int_equal(quic_stream_commit(net->end[CLIENT], stream, 1), QUIC_RESET);
    net_free(net); /* what was reserved goes with it */
}

/* A call for a few bytes is not worth its cost, nor is an event. */
static void room_is_reserved_once_there_is_enough_of_it(void **state)
{
    (void)state;
    struct iovec runs[64];
    struct net *net = net_new(5, 1, 1);
    struct quic *client = net->end[CLIENT];
    net_connect(net);
    net->on_event = note_writable;
    int64_t stream = quic_stream_open(client, false);
    assert_int_equal(quic_stream_reserve(client, stream, runs, 64, 1000000), 16);
    assert_int_equal(quic_stream_commit(client, stream, 200000), 0);
    assert_int_equal(quic_stream_reserve(client, stream, runs, 64, 1000), 1);
    assert_int_equal(quic_stream_reserve(client, stream, runs, 64, 1000000), 0);
    assert_int_equal(writable_again, -1);
    net_settle(net);
    assert_int_equal(writable_again, stream);
    assert_in_range(quic_stream_reserve(client, stream, runs, 64, 1000000), 16, 17);
    net_free(net); /* what was reserved goes with it */
}

static void what_is_not_consumed_holds_the_writer(void **state)
{
    (void)state;
    struct iovec runs[256];
    struct net *net = net_new(5, 1, 1);
    struct quic *server = net->end[SERVER];
    struct transfer *t = transfer_start(net, CLIENT, 8000000);
    t->paused = true;
    net_run(net, 3 * NS_PER_S);
    uint64_t held = t->written;
    ptrdiff_t count = quic_stream_peek(server, t->stream, runs, 256);
    assert_in_range(count, QUIC_STREAM_WINDOW / CHUNK_BYTES, 256);
    net_run(net, 4 * NS_PER_S);
    assert_int_equal(t->written, held);
    for (ptrdiff_t i = 0; i < count; i++)
        assert_int_equal(quic_stream_consume(server, t->stream, runs[i].iov_len), 0);
    net_run(net, 5 * NS_PER_S);
    assert_in_range(t->written, held + QUIC_STREAM_WINDOW - QUIC_BATCH, held + 2 * QUIC_STREAM_WINDOW);
    free(t);
    net_free(net);
}

static void a_reader_that_stops_holds_the_writer_and_loses_nothing(void **state)
{
    (void)state;
    struct net *net = net_new(5, 1, 1);
    struct transfer *t = transfer_start(net, CLIENT, 20000000);
    t->paused = true;
    net_run(net, 3 * NS_PER_S);
    uint64_t held = t->written, sent = net->sent;
    assert_in_range(held, 1, QUIC_SEND_BUFFER + QUIC_STREAM_WINDOW);
    net_run(net, 13 * NS_PER_S);
    assert_int_equal(t->written, held);
    assert_in_range(net->sent - sent, 0, 20); /* it is silent, but for probes */
    t->paused = false;
    pump_reader(net, t);
    net_run(net, 60 * NS_PER_S);
    assert_arrived(net);
    free(t);
    net_free(net);
}

static void a_writer_whose_reader_leaves_is_told(void **state)
{
    (void)state;
    struct net *net = net_new(5, 1, 1);
    struct transfer *t = transfer_start(net, CLIENT, 20000000);
    t->paused = true;
    net_settle(net);
    assert_in_range(t->written, 1, t->total - 1);
    net->on_event = NULL;
    quic_stream_release(net->end[SERVER], t->stream, 9);
    net_settle(net);
    struct iovec runs[1];
    assert_int_equal(quic_stream_write(net->end[CLIENT], t->stream, "x", 1), QUIC_RESET);
    assert_int_equal(quic_stream_reserve(net->end[CLIENT], t->stream, runs, 1, 1), QUIC_RESET);
    quic_stream_release(net->end[CLIENT], t->stream, 0);
    net_settle(net);
    assert_true(quic_is_idle(net->end[CLIENT]));
    /* The connection's window is whole again: eight more of them would not fit otherwise. */
    free(t);
    for (int i = 0; i < 10; i++) {
        t = transfer_start(net, CLIENT, 4000000);
        t->paused = true;
        net_settle(net);
        net->on_event = NULL;
        quic_stream_release(net->end[SERVER], t->stream, 9);
        quic_stream_release(net->end[CLIENT], t->stream, 9);
        net_settle(net);
        free(t);
    }
    t = transfer_start(net, CLIENT, 20000000);
    net_run(net, net->now + 60 * NS_PER_S);
    assert_arrived(net);
    free(t);
    net_free(net);
}

static void what_was_finished_arrives_though_its_stream_was_released(void **state)
{
    (void)state;
    for (int early = 0; early < 2; early++) { /* before the handshake, and after */
        struct net *net = net_new(5, 1, 1);
        if (!early)
            net_connect(net);
        struct transfer *t = transfer_start(net, CLIENT, 250000);
        net->loss = 50;
        assert_true(t->finished);
        quic_stream_release(net->end[CLIENT], t->stream, 3);
        assert_false(quic_is_idle(net->end[CLIENT]));
        net_run(net, net->now + 60 * NS_PER_S);
        assert_true(t->ended && !t->damaged && t->read == t->total);
        assert_true(quic_is_idle(net->end[CLIENT]));
        free(t);
        net_free(net);
    }
}

static void two_thousand_streams_follow_each_other(void **state)
{
    (void)state;
    char text[16];
    struct net *net = net_new(1, 1, 1);
    net_connect(net);
    for (int i = 0; i < 2000; i++) {
        int from = i & 1;
        bool one_way = i & 2;
        struct quic *writer = net->end[from], *reader = net->end[!from];
        int64_t stream = quic_stream_open(writer, one_way);
        assert_true(stream >= 0);
        assert_int_equal(quic_stream_write(writer, stream, &i, sizeof i), sizeof i);
        quic_stream_finish(writer, stream);
        net_run(net, net->now + 5 * NS_PER_MS);
        assert_int_equal(quic_stream_read(reader, stream, text, sizeof text), sizeof i);
        assert_memory_equal(text, &i, sizeof i);
        assert_int_equal(quic_stream_read(reader, stream, text, sizeof text), 0);
        quic_stream_finish(reader, stream);
        quic_stream_release(reader, stream, 0);
        quic_stream_release(writer, stream, 0);
        net_run(net, net->now + 5 * NS_PER_MS);
    }
    assert_true(quic_is_idle(net->end[CLIENT]) && quic_is_idle(net->end[SERVER]));
    net_free(net);
}

struct crowd {
    int opened, readable, ended, limit_raised;
    int64_t last;
};

static void crowd_event(struct net *net, int end, const struct quic_event *event)
{
    struct crowd *crowd = net->test;
    static uint8_t bytes[100000];
    crowd->opened += event->type == QUIC_STREAM;
    crowd->limit_raised += event->type == QUIC_WRITABLE && event->stream == -1;
    if (event->type != QUIC_READABLE)
        return;
    ptrdiff_t len;
    while ((len = quic_stream_read(net->end[end], event->stream, bytes, sizeof bytes)) > 0)
        ;
    if (len)
        return;
    crowd->ended++;
    crowd->last = event->stream;
    quic_stream_release(net->end[end], event->stream, 0);
}

static void two_hundred_and_fifty_six_streams_at_once_share_the_path(void **state)
{
    (void)state;
    struct crowd crowd = {0};
    struct net *net = net_new(5, 1, 1);
    net->test = &crowd;
    net->on_event = crowd_event;
    struct quic *client = net->end[CLIENT];
    for (int i = 0; i < QUIC_STREAMS_MAX; i++) { /* before the handshake: the limit is taken to be the same */
        int64_t stream = quic_stream_open(client, true);
        assert_true(stream >= 0);
        assert_int_equal(quic_stream_write(client, stream, pattern(0), 60000), 60000);
        quic_stream_finish(client, stream);
        quic_stream_release(client, stream, 0);
    }
    assert_int_equal(quic_stream_open(client, true), QUIC_LIMIT);
    net_run(net, 60 * NS_PER_S);
    assert_int_equal(crowd.opened, QUIC_STREAMS_MAX);
    assert_int_equal(crowd.ended, QUIC_STREAMS_MAX);
    assert_true(crowd.limit_raised);
    assert_int_equal(quic_stream_open(client, true), 4 * QUIC_STREAMS_MAX + 2);
    net_free(net);
}

static void two_thousand_streams_that_nobody_reads_hold_back_no_other(void **state)
{
    enum { MANY = 2000 };
    (void)state;
    static uint8_t bytes[100000];
    struct net *net = net_new(5, 1, 1);
    net->streams_max = QUIC_STREAMS_MANY;
    net_renew(net);
    struct quic *client = net->end[CLIENT];
    net_connect(net);
    for (int i = 0; i < MANY; i++) {
        int64_t stream = quic_stream_open(client, false);
        assert_true(stream >= 0);
        assert_true(quic_stream_write(client, stream, pattern(0), 80000) > 0); /* more than its window */
    }
    net_run(net, net->now + 20 * NS_PER_S);
    struct crowd crowd = {0};
    net->test = &crowd;
    net->on_event = crowd_event;
    int64_t stream = quic_stream_open(client, false);
    assert_true(stream >= 0);
    assert_int_equal(quic_stream_write(client, stream, pattern(0), 60000), 60000);
    quic_stream_finish(client, stream);
    net_run(net, net->now + 2 * NS_PER_S);
    assert_int_equal(crowd.last, stream);
    assert_int_equal(quic_stream_read(net->end[SERVER], 0, bytes, sizeof bytes), QUIC_FIRST_WINDOW);
    net_free(net);
}

static void a_short_stream_does_not_wait_for_a_long_one(void **state)
{
    (void)state;
    struct net *net = net_new(5, 1, 1);
    struct transfer *t = transfer_start(net, CLIENT, 50000000);
    net_run(net, NS_PER_S + 100 * NS_PER_MS);
    struct crowd crowd = {0};
    int64_t stream = quic_stream_open(net->end[CLIENT], true);
    assert_int_equal(quic_stream_write(net->end[CLIENT], stream, "now", 3), 3);
    quic_stream_finish(net->end[CLIENT], stream);
    net->test = &crowd;
    net->on_event = crowd_event;
    net_run(net, net->now + 12 * NS_PER_MS); /* the path's 5 ms, and some for pacing */
    assert_int_equal(crowd.last, stream);
    free(t);
    net_free(net);
}

struct pair {
    int64_t stream[2];
    uint64_t read[2];
};

static void pair_event(struct net *net, int end, const struct quic_event *event)
{
    struct pair *pair = net->test;
    static uint8_t bytes[PERIOD];
    ptrdiff_t len;
    int i = event->stream == pair->stream[1];
    while (event->type == QUIC_WRITABLE && end == CLIENT &&
           quic_stream_write(net->end[end], pair->stream[i], bytes, sizeof bytes) == sizeof bytes)
        ;
    while (event->type == QUIC_READABLE && end == SERVER &&
           (len = quic_stream_read(net->end[end], pair->stream[i], bytes, sizeof bytes)) > 0)
        pair->read[i] += (uint64_t)len;
}

static void two_long_streams_share_a_slow_path_evenly(void **state)
{
    (void)state;
    struct pair pair;
    struct net *net = net_new(5, 1, 1);
    net_connect(net);
    net->loss = 30;
    net->rate = 1250;
    net->queue = 20 * NS_PER_MS;
    net->test = &pair;
    net->on_event = pair_event;
    for (int i = 0; i < 2; i++) {
        pair.stream[i] = quic_stream_open(net->end[CLIENT], true);
        pair.read[i] = 0;
        pair_event(net, CLIENT, &(struct quic_event){.type = QUIC_WRITABLE, .stream = pair.stream[i]});
    }
    uint64_t low = 0, high = 0;
    for (int i = 0; i < 200; i++) { /* of the two, how far the one behind may be */
        net_run(net, net->now + 10 * NS_PER_MS);
        bool first_behind = pair.read[0] < pair.read[1];
        low = pair.read[!first_behind], high = pair.read[first_behind];
        assert_true(high - low < 200000 + low / 2); /* a loss holds one of them up */
    }
    assert_in_range(low, 500000, UINT64_MAX);
    net_free(net);
}

/* ns that 4 MB take where one packet in a hundred is lost by chance. */
static uint64_t lossy_transfer(enum quic_congestion congestion)
{
    struct net *net = net_new(20, 1, 1);
    net->congestion = congestion;
    net_renew(net);
    net_connect(net);
    net->loss = 10;
    struct transfer *t = transfer_start(net, CLIENT, 4000000);
    uint64_t began = net->now;
    while (!t->ended && net->now < began + 60 * NS_PER_S)
        net_run(net, net->now + 10 * NS_PER_MS);
    assert_true(t->ended);
    uint64_t took = net->now - began;
    free(t);
    net_free(net);
    return took;
}

static void bbr_keeps_its_rate_where_packets_are_lost_by_chance(void **state)
{
    (void)state;
    assert_true(2 * lossy_transfer(QUIC_CONGESTION_BBR) < lossy_transfer(QUIC_CONGESTION_CUBIC));
}

/* Bytes in use as the allocator sees them; under a sanitizer, which has its own, always 0. */
static size_t in_use(void)
{
    return mallinfo2().uordblks + mallinfo2().hblkhd;
}

static void a_connection_gives_back_what_a_transfer_took(void **state)
{
    (void)state;
    struct net *net = net_new(5, 1, 1);
    net_connect(net);
    free(net->heap); /* the wire is not what is measured */
    net->heap = NULL;
    net->capacity = 0;
    size_t before = in_use();
    struct transfer *t = transfer_start(net, CLIENT, 30000000);
    t->paused = true;
    net_settle(net);
    size_t paused = in_use();
    net_run(net, net->now + 10 * NS_PER_S);
    assert_in_range(in_use(), 0, paused + 10000); /* a reader that stopped grows nothing */
    assert_in_range(paused, 0, before + QUIC_STREAM_WINDOW + QUIC_SEND_BUFFER + 1000000);
    t->paused = false;
    pump_reader(net, t);
    net_settle(net);
    assert_arrived(net);
    free(t);
    free(net->heap);
    net->heap = NULL;
    net->capacity = 0;
    net_settle(net);
    assert_in_range(in_use(), 0, before + 800000); /* of it ngtcp2's own pools, for both ends, are the most */
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_a_stream_may_end_and_the_other_go_on),
        cmocka_unit_test(a_released_stream_is_reset_and_stopped),
        cmocka_unit_test(bytes_may_be_put_and_taken_where_they_lie),
        cmocka_unit_test(a_reservation_is_void_once_the_reader_has_left),
        cmocka_unit_test(room_is_reserved_once_there_is_enough_of_it),
        cmocka_unit_test(what_is_not_consumed_holds_the_writer),
        cmocka_unit_test(a_reader_that_stops_holds_the_writer_and_loses_nothing),
        cmocka_unit_test(a_writer_whose_reader_leaves_is_told),
        cmocka_unit_test(what_was_finished_arrives_though_its_stream_was_released),
        cmocka_unit_test(two_thousand_streams_follow_each_other),
        cmocka_unit_test(two_hundred_and_fifty_six_streams_at_once_share_the_path),
        cmocka_unit_test(two_thousand_streams_that_nobody_reads_hold_back_no_other),
        cmocka_unit_test(a_short_stream_does_not_wait_for_a_long_one),
        cmocka_unit_test(two_long_streams_share_a_slow_path_evenly),
        cmocka_unit_test(bbr_keeps_its_rate_where_packets_are_lost_by_chance),
        cmocka_unit_test(a_connection_gives_back_what_a_transfer_took),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
