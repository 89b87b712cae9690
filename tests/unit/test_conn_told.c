/* test_conn_told.c - what a connection tells of its streams and of its end. */
#include "conn_net.h"
#include <stdio.h>

/* ---- streams ---- */

static void the_first_byte_names_a_stream_and_is_not_data(void **state)
{
    (void)state;
    struct net *net = net_connected();
    char got[8];
    int64_t stream = conn_stream_open(net->ends[SERVER].conn, 'k', false);
    assert_true(stream >= 0);
    assert_int_equal(quic_stream_write(quic_at(net, SERVER), stream, "data", 4), 4);
    net_run_for(net, 100);
    const struct conn_event *event = last(net, CLIENT, CONN_STREAM);
    assert_int_equal(event->kind, 'k');
    assert_true(last(net, CLIENT, CONN_READABLE) > event);
    assert_int_equal(quic_stream_read(quic_at(net, CLIENT), event->stream, got, sizeof got), 4);
    assert_memory_equal(got, "data", 4);
    net_free(net);
}

static void a_stream_that_ends_without_a_byte_was_never_there(void **state)
{
    (void)state;
    struct net *net = net_connected();
    int64_t stream = quic_stream_open(quic_at(net, CLIENT), true);
    quic_stream_finish(quic_at(net, CLIENT), stream);
    net_run_for(net, 200);
    assert_int_equal(told(net, SERVER, CONN_STREAM), 0);
    assert_int_equal(told(net, SERVER, CONN_READABLE), 0);
    assert_true(conn_is_connected(net->ends[SERVER].conn));
    net_free(net);
}

static bool eats_server(struct net *net, unsigned from, const uint8_t *data, size_t len)
{
    (void)net, (void)data, (void)len;
    return from == SERVER;
}

static void write_each(struct net *net, const int64_t *streams, unsigned count, const char *byte)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(quic_stream_write(quic_at(net, CLIENT), streams[i], byte, 1), 1);
    net_drain(net, CLIENT);
}

/* Their first bytes are lost on the way, the second ones arrive: a packet each. */
static void open_unnamed(struct net *net, int64_t *streams, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        streams[i] = quic_stream_open(quic_at(net, CLIENT), true);
        assert_true(streams[i] >= 0);
    }
    net->eats = eats_all;
    write_each(net, streams, count, "u");
    net->eats = eats_server; /* no acknowledgement: nothing is sent again yet */
    write_each(net, streams, count, "v");
}

static void too_many_unnamed_streams_are_abandoned_the_others_named_later(void **state)
{
    (void)state;
    enum { MOST = 64, MORE = 3 };
    struct net *net = net_connected();
    int64_t streams[MOST + MORE];
    open_unnamed(net, streams, MOST + MORE);
    net_run_for(net, DELAY_MS + 1);
    assert_int_equal(told(net, SERVER, CONN_STREAM), 0);
    net->eats = NULL;
    net_run_for(net, 3000);
    assert_int_equal(told(net, SERVER, CONN_STREAM), MOST);
    assert_int_equal(last(net, SERVER, CONN_STREAM)->kind, 'u');
    for (unsigned i = 0; i < MOST + MORE; i++) {
        ptrdiff_t put = quic_stream_write(quic_at(net, CLIENT), streams[i], "w", 1);
        assert_int_equal(put, i < MOST ? 1 : QUIC_RESET);
    }
    net_free(net);
}

static void there_are_no_streams_before_the_handshake_and_after_the_end(void **state)
{
    (void)state;
    struct net *net = net_new();
    assert_int_equal(conn_stream_open(net->ends[CLIENT].conn, 'x', false), QUIC_GONE);
    net_run_for(net, 500);
    assert_true(conn_stream_open(net->ends[CLIENT].conn, 'x', false) >= 0);
    conn_close(net->ends[CLIENT].conn, net->now, "");
    assert_int_equal(conn_stream_open(net->ends[CLIENT].conn, 'x', false), QUIC_GONE);
    net_free(net);
}

/* ---- endings ---- */

static void a_goodbye_is_heard_with_its_reason(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct net *net = net_connected();
        assert_true(conn_is_silent(net->ends[i].conn));
        conn_close(net->ends[i].conn, net->now, "dinner is ready");
        assert_false(conn_is_silent(net->ends[i].conn));
        net_run_for(net, 50);
        for (unsigned k = 0; k < 2; k++) {
            assert_int_equal(told(net, k, CONN_CLOSED), 1);
            assert_int_equal(last(net, k, CONN_CLOSED)->end, CONN_LEFT);
            assert_string_equal(last(net, k, CONN_CLOSED)->text, "dinner is ready");
            assert_false(conn_is_connected(net->ends[k].conn));
            assert_true(conn_is_silent(net->ends[k].conn));
        }
        assert_true(last_at(net, !i, CONN_CLOSED) - last_at(net, i, CONN_CLOSED) <= 11 * NS_PER_MS);
        net_free(net);
    }
}

static void a_goodbye_over_the_broker_ends_it_too_and_only_once(void **state)
{
    (void)state;
    struct net *net = net_connected();
    conn_left(net->ends[CLIENT].conn, "said the broker");
    conn_left(net->ends[CLIENT].conn, "twice");
    conn_close(net->ends[CLIENT].conn, net->now, "thrice");
    net_run_for(net, 100);
    assert_int_equal(told(net, CLIENT, CONN_CLOSED), 1);
    assert_string_equal(last(net, CLIENT, CONN_CLOSED)->text, "said the broker");
    net_free(net);
}

/* The datagram and the broker's word are read in one go: the program hears of the stream all the same. */
static void what_arrived_with_a_goodbye_from_the_broker_is_told_before_it(void **state)
{
    (void)state;
    struct net *net = net_connected();
    char got[32];
    int64_t stream = conn_stream_open(net->ends[CLIENT].conn, 'd', true);
    assert_int_equal(quic_stream_write(quic_at(net, CLIENT), stream, "the last words", 14), 14);
    quic_stream_finish(quic_at(net, CLIENT), stream);
    net_drain(net, CLIENT);
    assert_true(net->count > 0);
    for (size_t i = 0; i < net->count; i++) {
        struct flight *flight = &net->flights[(net->first + i) % FLIGHTS_MAX];
        struct packet in = {.local = net->ends[SERVER].address,
                            .remote = net->ends[CLIENT].address,
                            .data = flight->data,
                            .len = flight->len};
        if (flight->from == CLIENT)
            assert_true(conn_input(net->ends[SERVER].conn, net->now, &in));
    }
    conn_left(net->ends[SERVER].conn, "said the broker");
    net_drain(net, SERVER);
    assert_int_equal(told(net, SERVER, CONN_STREAM), 1);
    assert_int_equal(net->ends[SERVER].log[net->ends[SERVER].log_count - 1].type, CONN_CLOSED);
    stream = last(net, SERVER, CONN_STREAM)->stream;
    assert_int_equal(quic_stream_read(quic_at(net, SERVER), stream, got, sizeof got), 14);
    net_free(net);
}

/* Both live and seek each other, as the broker lets them, but no packet gets through any more. */
static void who_cannot_be_reached_for_two_minutes_is_lost(void **state)
{
    (void)state;
    struct net *net = net_connected();
    uint64_t start = net->now;
    net->eats = eats_all;
    while (!told(net, CLIENT, CONN_CLOSED) && net->now - start < 200 * NS_PER_S) {
        net_run_for(net, 5000);
        for (unsigned i = 0; i < 2; i++)
            if (told(net, i, CONN_STALLED) && !told(net, i, CONN_CLOSED))
                ice_restart_checks(conn_ice(net->ends[i].conn), net->now);
    }
    assert_int_equal(told(net, CLIENT, CONN_CLOSED), 1);
    assert_int_equal(last(net, CLIENT, CONN_CLOSED)->end, CONN_SILENT);
    assert_in_range(last_at(net, CLIENT, CONN_CLOSED) - start, 110 * NS_PER_S, 130 * NS_PER_S);
    net_free(net);
}

static void what_arrived_before_the_end_stays_readable(void **state)
{
    (void)state;
    struct net *net = net_connected();
    char got[32];
    int64_t stream = conn_stream_open(net->ends[CLIENT].conn, 'd', true);
    assert_int_equal(quic_stream_write(quic_at(net, CLIENT), stream, "the last words", 14), 14);
    quic_stream_finish(quic_at(net, CLIENT), stream);
    net_drain(net, CLIENT);
    conn_close(net->ends[CLIENT].conn, net->now, "");
    net_run_for(net, 100);
    assert_int_equal(last(net, SERVER, CONN_CLOSED)->end, CONN_LEFT);
    int64_t incoming = last(net, SERVER, CONN_STREAM)->stream;
    assert_int_equal(quic_stream_read(quic_at(net, SERVER), incoming, got, sizeof got), 14);
    assert_memory_equal(got, "the last words", 14);
    assert_int_equal(quic_stream_read(quic_at(net, SERVER), incoming, got, sizeof got), 0);
    net_free(net);
}

static void it_ends_without_a_path_when_no_check_is_answered(void **state)
{
    (void)state;
    struct net *net = net_new();
    net->eats = eats_all;
    for (unsigned i = 0; i < 2; i++) {
        ice_locals_complete(conn_ice(net->ends[i].conn), net->now);
        ice_remotes_complete(conn_ice(net->ends[i].conn), net->now);
    }
    net_run_for(net, 9900);
    assert_int_equal(told(net, CLIENT, CONN_CLOSED), 0);
    net_run_for(net, 200);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(last(net, i, CONN_CLOSED)->end, CONN_NOPATH);
        assert_true(strlen(last(net, i, CONN_CLOSED)->text) > 10);
    }
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_byte_names_a_stream_and_is_not_data),
        cmocka_unit_test(a_stream_that_ends_without_a_byte_was_never_there),
        cmocka_unit_test(too_many_unnamed_streams_are_abandoned_the_others_named_later),
        cmocka_unit_test(there_are_no_streams_before_the_handshake_and_after_the_end),
        cmocka_unit_test(a_goodbye_is_heard_with_its_reason),
        cmocka_unit_test(a_goodbye_over_the_broker_ends_it_too_and_only_once),
        cmocka_unit_test(what_arrived_with_a_goodbye_from_the_broker_is_told_before_it),
        cmocka_unit_test(who_cannot_be_reached_for_two_minutes_is_lost),
        cmocka_unit_test(what_arrived_before_the_end_stays_readable),
        cmocka_unit_test(it_ends_without_a_path_when_no_check_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
