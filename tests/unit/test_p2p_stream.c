/* test_p2p_stream.c - streams and datagrams of the public library, between two nodes on a real broker. */
#include "full_socket.h"
#include "p2p_pair.h"

enum { BULK = 20000000 };

/* ---- streams ---- */

/* A stream on which a side sends a pattern of BULK bytes, and checks the other's. */
struct bulk {
    struct p2p_stream *stream;
    size_t sent, received;
    bool intact, ended;
};

static uint8_t pattern_at(size_t at)
{
    return (uint8_t)(at * 7 + (at >> 8) * 13 + (at >> 16));
}

static void bulk_send(struct bulk *bulk)
{
    uint8_t chunk[16384];
    while (bulk->sent < BULK) {
        size_t len = BULK - bulk->sent < sizeof chunk ? BULK - bulk->sent : sizeof chunk;
        for (size_t i = 0; i < len; i++)
            chunk[i] = pattern_at(bulk->sent + i);
        ptrdiff_t taken = p2p_stream_write(bulk->stream, chunk, len);
        assert_true(taken >= 0);
        bulk->sent += (size_t)taken;
        if ((size_t)taken < len)
            return;
    }
    p2p_stream_finish(bulk->stream);
}

static void bulk_receive(struct bulk *bulk)
{
    uint8_t chunk[16384];
    ptrdiff_t got;
    while ((got = p2p_stream_read(bulk->stream, chunk, sizeof chunk)) > 0)
        for (ptrdiff_t i = 0; i < got; i++)
            bulk->intact = bulk->intact && chunk[i] == pattern_at(bulk->received++);
    bulk->ended = bulk->ended || got == 0;
}

static void take_bulk(struct side *side, const struct p2p_event *event)
{
    struct bulk *bulk = side->test;
    if (event->type == P2P_EVENT_STREAM) {
        assert_int_equal(event->kind, 'b');
        bulk->stream = event->stream;
        bulk_send(bulk);
    }
    if (event->type == P2P_EVENT_READABLE)
        bulk_receive(bulk);
    if (event->type == P2P_EVENT_WRITABLE && event->stream)
        bulk_send(bulk);
}

static void carry_both_ways(void)
{
    struct side *sides[2];
    struct bulk bulks[2] = {{.intact = true}, {.intact = true}};
    pair_connect(sides);
    for (int i = 0; i < 2; i++) {
        sides[i]->test = &bulks[i];
        sides[i]->take = take_bulk;
    }
    assert_int_equal(p2p_stream_open(&bulks[0].stream, sides[0]->peer, 'b', 0), 0);
    bulk_send(&bulks[0]);
    uint64_t end = pair_now_ms() + PATIENCE_S * 1000;
    while (!(bulks[0].ended && bulks[1].ended) && pair_now_ms() < end)
        pair_turn(sides);
    for (int i = 0; i < 2; i++) {
        assert_true(bulks[i].ended);
        assert_true(bulks[i].intact);
        assert_int_equal(bulks[i].received, BULK);
    }
    pair_for_ms(sides[0], sides[1], 200);
    for (int i = 0; i < 2; i++) {
        assert_true(p2p_stream_drained(bulks[i].stream));
        p2p_stream_free(bulks[i].stream);
    }
    pair_free(sides);
}

static void a_stream_carries_20_mb_both_ways_and_each_its_own_end(void **state)
{
    (void)state;
    carry_both_ways();
}

static void what_a_full_socket_refused_leaves_first(void **state)
{
    (void)state;
    full_socket_set(30);
    carry_both_ways();
    assert_true(full_socket.count > 100);
    full_socket_set(0);
}

static void a_half_closed_stream_still_brings_the_answer(void **state)
{
    (void)state;
    struct side *sides[2];
    struct p2p_stream *stream;
    char got[16];
    pair_connect(sides);
    assert_int_equal(p2p_stream_open(&stream, sides[0]->peer, 'q', 0), 0);
    assert_ptr_equal(p2p_stream_peer(stream), sides[0]->peer);
    assert_int_equal(p2p_stream_write(stream, "question", 8), 8);
    p2p_stream_finish(stream);
    assert_int_equal(p2p_stream_write(stream, "more", 4), P2P_ESTATE);
    pair_until(sides[0], sides[1], P2P_EVENT_READABLE, 0, 1);
    assert_int_equal(sides[1]->last[P2P_EVENT_STREAM].kind, 'q');
    assert_int_equal(p2p_stream_read(sides[1]->stream, got, sizeof got), 8);
    pair_for_ms(sides[0], sides[1], 100);
    assert_int_equal(p2p_stream_read(sides[1]->stream, got, sizeof got), 0);
    assert_int_equal(p2p_stream_write(sides[1]->stream, "answer", 6), 6);
    p2p_stream_finish(sides[1]->stream);
    pair_until(sides[0], sides[1], P2P_EVENT_READABLE, 1, 1);
    assert_int_equal(p2p_stream_read(stream, got, sizeof got), 6);
    assert_memory_equal(got, "answer", 6);
    p2p_stream_free(stream);
    pair_free(sides);
}

static void bytes_are_put_and_taken_in_place(void **state)
{
    (void)state;
    struct side *sides[2];
    struct p2p_stream *stream;
    struct iovec pieces[4];
    pair_connect(sides);
    assert_int_equal(p2p_stream_open(&stream, sides[0]->peer, 'q', 0), 0);
    assert_int_equal(p2p_stream_reserve(stream, pieces, 0, 10), P2P_EINVAL);
    assert_int_equal(p2p_stream_reserve(stream, pieces, 4, 0), P2P_EINVAL);
    pair_for_ms(sides[0], sides[1], 100);
    assert_int_equal(p2p_stream_reserve(stream, pieces, 4, 10), 1);
    memcpy(pieces[0].iov_base, "question", 8);
    assert_int_not_equal(p2p_node_timeout(sides[0]->node), 0);
    assert_int_equal(p2p_stream_commit(stream, 8), 0);
    assert_int_equal(p2p_node_timeout(sides[0]->node), 0); /* it is due */
    assert_int_equal(p2p_stream_commit(stream, 1), P2P_ETOOLONG);
    pair_for_ms(sides[0], sides[1], 100);
    assert_int_equal(p2p_stream_reserve(stream, pieces, 4, 10), 1);
    assert_int_equal(p2p_stream_commit(stream, 0), 0);
    assert_int_not_equal(p2p_node_timeout(sides[0]->node), 0); /* nothing was put: nothing is due */
    p2p_stream_finish(stream);
    assert_int_equal(p2p_stream_reserve(stream, pieces, 4, 10), P2P_ESTATE);
    pair_until(sides[0], sides[1], P2P_EVENT_READABLE, 0, 1);
    struct p2p_stream *theirs = sides[1]->stream;
    assert_int_equal(p2p_stream_peek(theirs, pieces, 0), P2P_EINVAL);
    assert_int_equal(p2p_stream_peek(theirs, pieces, 4), 1);
    assert_int_equal(pieces[0].iov_len, 8);
    assert_memory_equal(pieces[0].iov_base, "question", 8);
    pair_for_ms(sides[0], sides[1], 100);
    assert_int_not_equal(p2p_node_timeout(sides[1]->node), 0);
    assert_int_equal(p2p_stream_consume(theirs, 8), 0);
    assert_int_equal(p2p_node_timeout(sides[1]->node), 0); /* the peer may have to hear of it */
    assert_int_equal(p2p_stream_consume(theirs, 1), P2P_ETOOLONG);
    pair_for_ms(sides[0], sides[1], 100);
    assert_int_equal(p2p_stream_peek(theirs, pieces, 4), 0);
    p2p_peer_close(sides[0]->peer, NULL);
    pair_until(sides[0], sides[1], P2P_EVENT_CLOSED, 1, 1);
    assert_int_equal(p2p_stream_reserve(stream, pieces, 4, 10), P2P_EGONE);
    assert_int_equal(p2p_stream_commit(stream, 0), P2P_EGONE);
    assert_int_equal(p2p_stream_consume(stream, 0), P2P_EGONE);
    assert_int_equal(p2p_stream_peek(stream, pieces, 4), P2P_EGONE);
    p2p_stream_free(stream);
    pair_free(sides);
}

static void of_a_one_way_stream_only_the_opener_writes(void **state)
{
    (void)state;
    struct side *sides[2];
    struct p2p_stream *stream;
    pair_connect(sides);
    assert_int_equal(p2p_stream_open(&stream, sides[0]->peer, 'o', 2), P2P_EINVAL);
    assert_int_equal(p2p_stream_open(&stream, sides[0]->peer, 'o', P2P_ONE_WAY), 0);
    pair_until(sides[0], sides[1], P2P_EVENT_STREAM, 0, 1);
    assert_true(p2p_stream_write(sides[1]->stream, "x", 1) < 0);
    p2p_stream_free(stream);
    pair_free(sides);
}

static void a_stream_that_is_let_go_is_a_reset_for_the_other(void **state)
{
    (void)state;
    struct side *sides[2];
    struct p2p_stream *stream;
    char got[4];
    pair_connect(sides);
    assert_int_equal(p2p_stream_open(&stream, sides[0]->peer, 'r', 0), 0);
    pair_until(sides[0], sides[1], P2P_EVENT_STREAM, 0, 1);
    unsigned before = sides[1]->told[P2P_EVENT_READABLE];
    while (p2p_stream_read(sides[1]->stream, got, sizeof got) > 0)
        continue;
    p2p_stream_free(stream);
    pair_until(sides[0], sides[1], P2P_EVENT_READABLE, 0, before + 1);
    assert_int_equal(p2p_stream_read(sides[1]->stream, got, sizeof got), P2P_ERESET);
    for (unsigned n = 0; n < 100 && p2p_stream_write(sides[1]->stream, "x", 1) >= 0; n++)
        pair_for_ms(sides[0], sides[1], 10);
    assert_int_equal(p2p_stream_write(sides[1]->stream, "x", 1), P2P_ERESET);
    pair_free(sides);
}

static void what_was_finished_arrives_although_it_was_let_go_at_once(void **state)
{
    (void)state;
    struct side *sides[2];
    struct p2p_stream *stream;
    char got[16];
    pair_connect(sides);
    assert_int_equal(p2p_stream_open(&stream, sides[0]->peer, 'f', P2P_ONE_WAY), 0);
    assert_int_equal(p2p_stream_write(stream, "and gone", 8), 8);
    p2p_stream_finish(stream);
    p2p_stream_free(stream);
    pair_until(sides[0], sides[1], P2P_EVENT_READABLE, 0, 1);
    assert_int_equal(p2p_stream_read(sides[1]->stream, got, sizeof got), 8);
    assert_int_equal(p2p_stream_read(sides[1]->stream, got, sizeof got), 0);
    pair_free(sides);
}

/* Lets go of every stream at the k-th event that names one. */
struct letting_go {
    unsigned left;
};

static void take_and_let_go(struct side *side, const struct p2p_event *event)
{
    struct letting_go *go = side->test;
    static struct p2p_stream *held;
    if (event->type == P2P_EVENT_STREAM)
        held = event->stream;
    if (event->stream && go->left && --go->left == 0) {
        p2p_stream_free(event->stream);
        if (held == event->stream)
            held = NULL;
        go->left = UINT32_MAX;
    }
    if (event->type == P2P_EVENT_CLOSED) {
        p2p_stream_free(held);
        held = NULL;
    }
}

static void a_stream_may_be_let_go_at_every_event(void **state)
{
    (void)state;
    static uint8_t data[100000];
    for (unsigned k = 1; k <= 4; k++) {
        struct side *sides[2];
        struct letting_go go = {k};
        struct p2p_stream *stream;
        pair_connect(sides);
        sides[1]->take = take_and_let_go;
        sides[1]->test = &go;
        assert_int_equal(p2p_stream_open(&stream, sides[0]->peer, 'x', 0), 0);
        for (unsigned n = 0; n < 5; n++) {
            (void)p2p_stream_write(stream, data, sizeof data);
            pair_for_ms(sides[0], sides[1], 10);
        }
        p2p_peer_close(sides[0]->peer, NULL);
        pair_until(sides[0], sides[1], P2P_EVENT_CLOSED, 1, 1);
        p2p_stream_free(stream);
        pair_free(sides);
    }
}

static void a_stream_outlives_its_peer_and_its_node(void **state)
{
    (void)state;
    struct side *sides[2];
    struct p2p_stream *streams[3];
    char got[4];
    pair_connect(sides);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(p2p_stream_open(&streams[i], sides[0]->peer, 'x', 0), 0);
    p2p_stream_set_user(streams[0], got);
    p2p_peer_close(sides[0]->peer, NULL);
    p2p_stream_free(streams[1]); /* before its CLOSED is seen */
    pair_until(sides[0], sides[1], P2P_EVENT_CLOSED, 1, 1);
    assert_null(p2p_stream_peer(streams[0]));
    assert_int_equal(p2p_stream_write(streams[0], "x", 1), P2P_EGONE);
    assert_int_equal(p2p_stream_read(streams[0], got, sizeof got), P2P_EGONE);
    p2p_stream_free(streams[2]); /* after it */
    pair_free(sides);
    assert_ptr_equal(p2p_stream_user(streams[0]), got);
    assert_int_equal(p2p_stream_write(streams[0], "x", 1), P2P_EGONE);
    assert_int_equal(p2p_stream_read(streams[0], got, sizeof got), P2P_EGONE);
    assert_int_equal(p2p_stream_drained(streams[0]), 0);
    p2p_stream_finish(streams[0]);
    p2p_stream_free(streams[0]); /* after the node */
    p2p_stream_free(NULL);
}

/* ---- datagrams ---- */

static void datagrams_arrive_whole_or_are_refused(void **state)
{
    (void)state;
    struct side *sides[2];
    static uint8_t data[70000], got[70000];
    pair_connect(sides);
    pair_until(sides[0], sides[1], P2P_EVENT_PATH, 1, 1);
    size_t most = p2p_datagram_max(sides[0]->peer);
    assert_in_range(most, 1000, 65535);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = pattern_at(i);
    assert_int_equal(p2p_datagram_send(sides[0]->peer, data, most + 1), P2P_ETOOLONG);
    assert_int_equal(p2p_datagram_send(sides[0]->peer, data, most), 0);
    assert_int_equal(p2p_datagram_send(sides[0]->peer, data, 10), 0);
    assert_int_equal(p2p_datagram_send(sides[0]->peer, data, 0), 0);
    pair_until(sides[0], sides[1], P2P_EVENT_DATAGRAM, 0, 1);
    pair_for_ms(sides[0], sides[1], 100);
    assert_int_equal(p2p_datagram_receive(sides[1]->peer, got, sizeof got), most);
    assert_memory_equal(got, data, most);
    assert_int_equal(p2p_datagram_receive(sides[1]->peer, got, 4), 4); /* cut */
    assert_int_equal(p2p_datagram_receive(sides[1]->peer, got, sizeof got), 0);
    assert_int_equal(p2p_datagram_receive(sides[1]->peer, got, sizeof got), P2P_EAGAIN);
    assert_int_equal(sides[1]->told[P2P_EVENT_DATAGRAM], 1);
    assert_int_equal(p2p_datagram_send(sides[0]->peer, data, 1), 0);
    pair_until(sides[0], sides[1], P2P_EVENT_DATAGRAM, 0, 2);
    pair_free(sides);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_carries_20_mb_both_ways_and_each_its_own_end),
        cmocka_unit_test(what_a_full_socket_refused_leaves_first),
        cmocka_unit_test(a_half_closed_stream_still_brings_the_answer),
        cmocka_unit_test(bytes_are_put_and_taken_in_place),
        cmocka_unit_test(of_a_one_way_stream_only_the_opener_writes),
        cmocka_unit_test(a_stream_that_is_let_go_is_a_reset_for_the_other),
        cmocka_unit_test(what_was_finished_arrives_although_it_was_let_go_at_once),
        cmocka_unit_test(a_stream_may_be_let_go_at_every_event),
        cmocka_unit_test(a_stream_outlives_its_peer_and_its_node),
        cmocka_unit_test(datagrams_arrive_whole_or_are_refused),
    };
    return cmocka_run_group_tests_name("p2p_stream", tests, pair_setup, pair_teardown);
}
