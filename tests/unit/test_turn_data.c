/* test_turn_data.c - datagrams of peers, wrapped and unwrapped; a stream's framing. */
#include "turn_side.h"

/* ---- datagrams ---- */

static void a_datagram_travels_as_an_indication_until_there_is_a_channel(void **state)
{
    (void)state;
    static const char *const peers[] = {PEER, PEER6};
    for (size_t i = 0; i < 2; i++) {
        struct turn t = ready(false);
        uint8_t data[256], want[101];
        struct stun_msg msg;
        struct addr peer = addr_of(peers[i]), server = addr_of(SERVER);
        struct packet out = datagram(data, 101, peers[i]);
        memcpy(want, data, sizeof want);
        assert_true(turn_client_wrap(t.client, t.now, &out, sizeof data));
        assert_true(addr_equal(&out.remote, &server) && out.local.family == 0 && out.segment == 0);
        assert_true(stun_decode(&msg, out.data, out.len));
        assert_int_equal(msg.class, STUN_INDICATION);
        assert_int_equal(msg.method, STUN_SEND);
        assert_true(addr_equal(&msg.peer, &peer));
        assert_int_equal(msg.data.len, 101);
        assert_memory_equal(msg.data.at, want, 101);

        uint16_t number = 0;
        bind_channel(&t, peers[i], &number);
        assert_true(number >= 0x4000 && number <= 0x4fff);
        out = datagram(data, 101, peers[i]);
        assert_true(turn_client_wrap(t.client, t.now, &out, sizeof data));
        assert_int_equal(out.len, 105);
        assert_int_equal(data[0] << 8 | data[1], number);
        assert_int_equal(data[2] << 8 | data[3], 101);
        assert_memory_equal(data + 4, want, 101);
        end(&t);
    }
}

static void a_batch_is_wrapped_segment_by_segment(void **state)
{
    (void)state;
    for (unsigned bound = 0; bound < 2; bound++)
        for (unsigned stream = 0; stream < 2; stream++)
            for (size_t len = 1; len <= 1000; len += 37) {
                struct turn t = ready(stream);
                uint8_t data[4096];
                struct packet inner;
                uint16_t number = 0;
                if (bound)
                    bind_channel(&t, PEER, &number);
                struct packet out = datagram(data, len, PEER);
                for (size_t i = 0; i < len; i++)
                    data[i] = (uint8_t)(0x40 + i % 251);
                out.segment = 99;
                assert_true(turn_client_wrap(t.client, t.now, &out, sizeof data));
                size_t head = bound ? 4 : 36, seen = 0;
                for (size_t at = 0; at < out.len; seen += 99) {
                    size_t one = len - seen < 99 ? len - seen : 99;
                    assert_memory_equal(data + at + head, &(uint8_t){(uint8_t)(0x40 + seen % 251)}, 1);
                    assert_memory_equal(data + at + head + one - 1,
                                        &(uint8_t){(uint8_t)(0x40 + (seen + one - 1) % 251)}, 1);
                    if (!bound)
                        assert_int_equal(data[at + 2] << 8 | data[at + 3], 16 + ((one + 3) & ~3u));
                    at += head + (bound && !stream ? one : (one + 3) & ~(size_t)3);
                }
                assert_true(seen >= len && seen < len + 99);
                assert_int_equal(out.segment, stream ? 0 : head + (bound ? 99 : 100));
                (void)inner;
                end(&t);
            }
}

static void what_cannot_be_relayed_is_dropped(void **state)
{
    (void)state;
    struct turn t = begin(false);
    uint8_t data[256];
    struct turn_stats stats;
    struct packet out = datagram(data, 100, PEER);
    assert_false(turn_client_wrap(t.client, t.now, &out, sizeof data)); /* no allocation yet */
    end(&t);
    t = ready(false);
    out = datagram(data, 100, PEER);
    assert_false(turn_client_wrap(t.client, t.now, &out, 120)); /* no room */
    out = datagram(data, 0, PEER);
    assert_false(turn_client_wrap(t.client, t.now, &out, sizeof data));
    turn_client_stats(t.client, &stats);
    assert_int_equal(stats.dropped, 2);
    end(&t);
}

static size_t put_data(uint8_t *data, size_t capacity, const char *peer, const char *text)
{
    struct stun_msg msg = {.class = STUN_INDICATION, .method = STUN_DATA, .peer = addr_of(peer)};
    msg.data = (struct stun_text){text, strlen(text)};
    return stun_encode(&msg, NULL, data, capacity);
}

static size_t put_channel(uint8_t *data, uint16_t number, const char *text)
{
    size_t len = strlen(text);
    memset(data, 0, 4 + len + 3);
    data[0] = (uint8_t)(number >> 8), data[1] = (uint8_t)number;
    data[2] = (uint8_t)(len >> 8), data[3] = (uint8_t)len;
    memcpy(data + 4, text, len);
    return 4 + len;
}

static void peers_datagrams_come_out_with_the_relayed_address(void **state)
{
    (void)state;
    struct turn t = ready(false);
    uint8_t data[256];
    struct packet inner;
    struct addr peer = addr_of(PEER), peer6 = addr_of(PEER6), relayed = addr_of(RELAYED),
                relayed6 = addr_of(RELAYED6);
    uint16_t number = 0;
    bind_channel(&t, PEER, &number);
    turn_client_permit(t.client, t.now, &peer6);
    assert_int_equal(deliver(&t, data, put_data(data, sizeof data, PEER, "hello"), &inner), 1);
    assert_true(addr_equal(&inner.remote, &peer) && addr_equal(&inner.local, &relayed));
    assert_int_equal(inner.len, 5);
    assert_memory_equal(inner.data, "hello", 5);
    assert_int_equal(deliver(&t, data, put_data(data, sizeof data, PEER6, "hello"), &inner), 1);
    assert_true(addr_equal(&inner.remote, &peer6) && addr_equal(&inner.local, &relayed6));
    assert_int_equal(deliver(&t, data, put_channel(data, number, "channel"), &inner), 1);
    assert_true(addr_equal(&inner.remote, &peer) && addr_equal(&inner.local, &relayed));
    assert_memory_equal(inner.data, "channel", 7);
    end(&t);
}

static void strangers_and_garbage_are_dropped_and_counted(void **state)
{
    (void)state;
    struct turn t = ready(false);
    uint8_t data[256];
    struct packet inner;
    struct turn_stats stats;
    uint16_t number = 0;
    bind_channel(&t, PEER, &number);
    assert_int_equal(deliver(&t, data, put_data(data, sizeof data, "9.9.9.9:9", "x"), &inner), 0);
    assert_int_equal(deliver(&t, data, put_channel(data, (uint16_t)(number + 1), "x"), &inner), 0);
    turn_client_stats(t.client, &stats);
    assert_int_equal(stats.strangers, 2);
    put_channel(data, number, "12345678");
    assert_int_equal(deliver(&t, data, 11, &inner), 0); /* shorter than it says */
    assert_int_equal(deliver(&t, data, put_data(data, sizeof data, PEER, ""), &inner), 0);
    size_t len = put_data(data, sizeof data, PEER, "hello");
    data[len - 9] = 0xff; /* the length of DATA */
    assert_int_equal(deliver(&t, data, len, &inner), 0);
    turn_client_stats(t.client, &stats);
    assert_int_equal(stats.malformed, 3);
    end(&t);
}

static void only_its_servers_datagrams_are_the_clients(void **state)
{
    (void)state;
    struct turn t = ready(false);
    uint8_t data[256];
    struct stun_msg msg = {.class = STUN_SUCCESS, .method = STUN_BINDING};
    struct packet in = {.data = data, .remote = addr_of(SERVER)};
    in.len = stun_encode(&msg, NULL, data, sizeof data);
    assert_false(turn_client_takes(t.client, &in)); /* of the STUN client on the same socket */
    msg.method = STUN_REFRESH;
    in.len = stun_encode(&msg, NULL, data, sizeof data);
    assert_true(turn_client_takes(t.client, &in));
    in.remote.port++;
    assert_false(turn_client_takes(t.client, &in));
    in.remote.port--;
    in.len = put_channel(data, 0x4000, "x");
    assert_true(turn_client_takes(t.client, &in));
    data[0] = 0x50;
    assert_false(turn_client_takes(t.client, &in));
    end(&t);
}

/* ---- a stream ---- */

/* Channel data and indications one behind the other, cut in two at every place, and into single bytes. */
static void a_stream_may_be_cut_anywhere(void **state)
{
    (void)state;
    uint8_t whole[2048], piece[2048];
    struct turn t = ready(true);
    uint16_t number = 0;
    bind_channel(&t, PEER, &number);
    size_t len = 0;
    for (unsigned i = 0; i < 4; i++) {
        len += (put_channel(whole + len, number, &"abcdefghij"[i]) + 3) & ~(size_t)3;
        len += put_data(whole + len, sizeof whole - len, PEER, &"indication"[i]);
    }
    for (size_t cut = 0; cut <= len; cut++) {
        struct packet inner = {0};
        unsigned got = 0;
        memcpy(piece, whole, len);
        got += deliver(&t, piece, cut, &inner);
        got += deliver(&t, piece + cut, len - cut, &inner);
        assert_int_equal(got, 8);
        assert_memory_equal(inner.data, "ication", 7);
    }
    unsigned got = 0;
    for (size_t i = 0; i < len; i++) {
        struct packet inner;
        got += deliver(&t, whole + i, 1, &inner);
        if (i == 13)
            assert_int_equal(got, 0); /* a stream's channel data is padded */
    }
    assert_int_equal(got, 8);
    end(&t);
}

static void what_is_too_long_on_a_stream_is_passed_over(void **state)
{
    (void)state;
    struct turn t = ready(true);
    static uint8_t data[70000];
    struct packet inner = {0};
    uint16_t number = 0;
    bind_channel(&t, PEER, &number);
    for (size_t cut = 0; cut < 9000; cut += cut < 8 ? 1 : 113) {
        memset(data, 0x55, sizeof data);
        put_channel(data, number, "");
        data[2] = 8000 >> 8, data[3] = 8000 & 255;
        put_channel(data + 8004, number, "next");
        unsigned got = deliver(&t, data, cut < 8012 ? cut : 8012, &inner);
        got += cut < 8012 ? deliver(&t, data + cut, 8012 - cut, &inner) : 0;
        assert_int_equal(got, 1);
        assert_memory_equal(inner.data, "next", 4);
    }
    end(&t);
}

static void a_stream_that_is_no_turn_is_broken(void **state)
{
    (void)state;
    static const char *const says[] = {"HTTP/1.1 400 Bad Request\r\n", "\x16\x03\x01\x01", "\x80\x01\x00\x00",
                                       "\x50\x01\x00\x00"};
    for (size_t i = 0; i < sizeof says / sizeof *says; i++) {
        struct turn t = begin(true);
        struct packet inner;
        uint8_t data[64];
        must_ask(&t, STUN_ALLOCATE);
        memcpy(data, says[i], 4);
        assert_int_equal(deliver(&t, data, 4, &inner), 0);
        must_fail(&t, TURN_BROKEN);
        end(&t);
    }
}

static void random_bytes_do_no_harm(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 2000; round++) {
        struct turn t = round % 3 ? ready(round % 2) : begin(round % 2);
        uint8_t data[300];
        struct packet inner;
        for (unsigned i = 0; i < 5; i++) {
            size_t len = random_below(&seeded, sizeof data);
            linear(&given_seed, data, len);
            if (len > 20 && i % 2) {
                memcpy(data, "\x01\x03\x00\x00\x21\x12\xa4\x42", 8);
                data[2] = (uint8_t)((len - 20) >> 8), data[3] = (uint8_t)((len - 20) & ~3u);
            }
            deliver(&t, data, len, &inner);
            while (asks(&t))
                ;
        }
        end(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_datagram_travels_as_an_indication_until_there_is_a_channel),
        cmocka_unit_test(a_batch_is_wrapped_segment_by_segment),
        cmocka_unit_test(what_cannot_be_relayed_is_dropped),
        cmocka_unit_test(peers_datagrams_come_out_with_the_relayed_address),
        cmocka_unit_test(strangers_and_garbage_are_dropped_and_counted),
        cmocka_unit_test(only_its_servers_datagrams_are_the_clients),
        cmocka_unit_test(a_stream_may_be_cut_anywhere),
        cmocka_unit_test(what_is_too_long_on_a_stream_is_passed_over),
        cmocka_unit_test(a_stream_that_is_no_turn_is_broken),
        cmocka_unit_test(random_bytes_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
