/* test_quic.c - quic between two ends in memory: from the first packet to a connection, and what must not
 * come of one. */
#include "fail_alloc.h"
#include "quic_transfer.h"
#include <assert.h>
#include <dlfcn.h>
#include <gnutls/gnutls.h>

/* Not only memory can be refused: what quic asks of GnuTLS counts as allocations too. A definition in the
 * program goes before the library's; hidden, so that the libraries' own calls go on. */
#define OURS __attribute__((visibility("hidden")))

static const char *other_protocol;

static void *real(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);
    assert(function);
    return function;
}

OURS int gnutls_init(gnutls_session_t *session, unsigned flags)
{
    int (*next)(gnutls_session_t *, unsigned);
    *(void **)&next = real("gnutls_init");
    return fail_alloc_now() ? GNUTLS_E_MEMORY_ERROR : next(session, flags);
}

OURS int gnutls_priority_set_direct(gnutls_session_t session, const char *text, const char **where)
{
    int (*next)(gnutls_session_t, const char *, const char **);
    *(void **)&next = real("gnutls_priority_set_direct");
    return fail_alloc_now() ? GNUTLS_E_MEMORY_ERROR : next(session, text, where);
}

OURS int gnutls_credentials_set(gnutls_session_t session, gnutls_credentials_type_t type, void *credentials)
{
    int (*next)(gnutls_session_t, gnutls_credentials_type_t, void *);
    *(void **)&next = real("gnutls_credentials_set");
    return fail_alloc_now() ? GNUTLS_E_MEMORY_ERROR : next(session, type, credentials);
}

OURS int gnutls_alpn_set_protocols(gnutls_session_t session, const gnutls_datum_t *list, unsigned count,
                                   unsigned flags)
{
    int (*next)(gnutls_session_t, const gnutls_datum_t *, unsigned, unsigned);
    *(void **)&next = real("gnutls_alpn_set_protocols");
    if (fail_alloc_now())
        return GNUTLS_E_MEMORY_ERROR;
    if (!other_protocol)
        return next(session, list, count, flags);
    const gnutls_datum_t other = {(unsigned char *)other_protocol, (unsigned)strlen(other_protocol)};
    return next(session, &other, 1, flags);
}

struct heard {
    uint64_t at[2];
    char text[2][64];
};

static void hear(struct net *net, int end, const struct quic_event *event)
{
    struct heard *heard = net->test;
    if (event->type != QUIC_READABLE)
        return;
    ptrdiff_t len =
        quic_stream_read(net->end[end], event->stream, heard->text[end], sizeof heard->text[end] - 1);
    if (len > 0 && !heard->at[end])
        heard->at[end] = net->now;
}

static void both_sides_first_bytes_ride_in_their_first_flights(void **state)
{
    (void)state;
    struct heard heard = {0};
    struct net *net = net_new(10, 1, 1);
    net->test = &heard;
    net->on_event = hear;
    say(net->end[CLIENT], "from the client");
    say(net->end[SERVER], "from the server");
    net_run(net, 2 * NS_PER_S);
    assert_int_equal(elapsed_ms(net->connected_at[SERVER]), 10);
    assert_int_equal(elapsed_ms(net->connected_at[CLIENT]), 20);
    assert_int_equal(elapsed_ms(heard.at[CLIENT]), 20); /* the server's flight */
    assert_int_equal(elapsed_ms(heard.at[SERVER]), 30); /* the client's Finished */
    assert_string_equal(heard.text[SERVER], "from the client");
    assert_string_equal(heard.text[CLIENT], "from the server");
    net_free(net);
}

static void another_key_fails_at_the_first_packet(void **state)
{
    (void)state;
    struct net *net = net_new(10, 1, 2);
    net_run(net, 60 * NS_PER_S);
    assert_int_equal(elapsed_ms(net->closed_at[SERVER]), 10);
    assert_int_equal(elapsed_ms(net->closed_at[CLIENT]), 20);
    assert_int_equal(net->closed[SERVER].error, QUIC_ERROR_KEY);
    assert_int_equal(net->closed[CLIENT].error, QUIC_ERROR_KEY);
    assert_true(!net->connected_at[CLIENT] && !net->connected_at[SERVER]);
    net_free(net);
}

static void another_protocol_is_refused(void **state)
{
    (void)state;
    struct net *net = net_new(10, 1, 1);
    quic_free(net->end[CLIENT]);
    other_protocol = "h3";
    net->end[CLIENT] = net_end(net, true, 1);
    other_protocol = NULL;
    say(net->end[SERVER], "for friends");
    net_run(net, 3 * NS_PER_S);
    assert_int_equal(net->closed[SERVER].error, QUIC_ERROR_KEY);
    assert_int_equal(net->closed[CLIENT].error, QUIC_ERROR_KEY);
    assert_true(!net->connected_at[CLIENT] && !net->connected_at[SERVER]);
    net_free(net);
}

static void the_handshake_survives_a_third_of_the_packets_lost(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct net *net = net_new(10, 1, 1);
        net->seed = seed;
        net->loss = 333;
        struct transfer *t = transfer_start(net, seed % 2 ? CLIENT : SERVER, 1000);
        net_run(net, NS_PER_S + 2500 * NS_PER_MS);
        if (!t->ended)
            print_message("seed %llu\n", (unsigned long long)seed);
        assert_true(t->ended);
        net->loss = 0; /* the last acknowledgement may still be missing */
        net_run(net, 30 * NS_PER_S);
        assert_arrived(net);
        free(t);
        net_free(net);
    }
}

static void garbage_changes_nothing(void **state)
{
    (void)state;
    struct net *net = net_new(5, 1, 1);
    uint8_t junk[1500];
    struct packet in = {.data = junk};
    for (int i = 0; i < 2000; i++) { /* a server that has no client yet */
        net->random.fill(net->random.context, junk, sizeof junk);
        junk[0] |= i % 2 ? 0xc0 : 0;
        memcpy(junk + 1, i % 3 ? "\0\0\0\1\10" : "\0\0\0\0\10", 5);
        in.len = random_below(&net->random, sizeof junk);
        quic_input(net->end[SERVER], net->now, &in);
        quic_input(net->end[CLIENT], net->now, &in);
    }
    struct transfer *t = transfer_start(net, CLIENT, 5000000);
    for (int i = 0; i < 500; i++) { /* ends in mid-transfer: damaged and cut copies of real packets */
        net_run(net, net->now + NS_PER_MS);
        for (size_t j = 0; j < net->count && j < 20; j++) {
            const struct flight *flight = net->heap[j];
            memcpy(junk, flight->data, flight->len);
            in.len = flight->len;
            if (i % 2)
                in.len = random_below(&net->random, (uint32_t)flight->len);
            else
                junk[random_below(&net->random, (uint32_t)flight->len)] ^= 0x10;
            quic_input(net->end[flight->to], net->now, &in);
        }
    }
    net_run(net, 60 * NS_PER_S);
    assert_arrived(net);
    free(t);
    net_free(net);
}

static void a_damaged_first_packet_does_not_occupy_the_server(void **state)
{
    (void)state;
    struct net *net = net_new(10, 1, 1);
    struct packet out = {.data = net->buffer, .len = sizeof net->buffer};
    assert_true(quic_output(net->end[CLIENT], net->now, &out, 1200));
    for (size_t at = 0; at < out.len; at += 37) {
        uint8_t copy[1200];
        memcpy(copy, out.data, out.len);
        copy[at] ^= 1;
        quic_input(net->end[SERVER], net->now, &(struct packet){.data = copy, .len = out.len});
        quic_input(net->end[SERVER], net->now, &(struct packet){.data = copy, .len = at});
    }
    net_send(net, SERVER, &out);
    net_run(net, 2 * NS_PER_S);
    assert_int_equal(elapsed_ms(net->connected_at[CLIENT]), 20);
    net_free(net);
}

static void a_version_negotiation_is_somebody_elses(void **state)
{
    (void)state;
    struct net *net = net_new(10, 1, 1);
    struct packet out = {.data = net->buffer, .len = sizeof net->buffer};
    assert_true(quic_output(net->end[CLIENT], net->now, &out, 1200));
    uint8_t forged[27] = {0x80, 0, 0, 0, 0, QUIC_CID_LEN};
    memcpy(forged + 6, out.data + 6 + QUIC_CID_LEN + 1, QUIC_CID_LEN); /* its source is now the destination */
    forged[14] = QUIC_CID_LEN;
    memcpy(forged + 15, out.data + 6, QUIC_CID_LEN);
    memcpy(forged + 23, "\x1a\x2a\x3a\x4a", 4);
    quic_input(net->end[CLIENT], net->now, &(struct packet){.data = forged, .len = sizeof forged});
    net_send(net, SERVER, &out);
    net_connect(net);
    net_free(net);
}

static void a_packet_says_whose_it_is(void **state)
{
    (void)state;
    struct net *net = net_new(5, 1, 1);
    uint8_t key[QUIC_KEY_LEN], id[QUIC_CID_LEN], tag[QUIC_TAG_LEN];
    memset(key, 1, sizeof key);
    quic_initial_id(id, key);
    struct packet out = {.data = net->buffer, .len = sizeof net->buffer};
    assert_true(quic_output(net->end[CLIENT], net->now, &out, 1200));
    assert_true(quic_packet_tag(tag, out.data, out.len));
    assert_memory_equal(tag, id, QUIC_TAG_LEN);
    net_send(net, SERVER, &out);
    net_connect(net);
    say(net->end[CLIENT], "x");
    out = (struct packet){.data = net->buffer, .len = sizeof net->buffer};
    assert_true(quic_output(net->end[CLIENT], net->now, &out, 1200));
    assert_true(quic_packet_tag(tag, out.data, out.len));
    assert_memory_equal(tag, "ssss", QUIC_TAG_LEN);
    assert_false(quic_packet_tag(tag, out.data, 8));
    assert_false(quic_packet_tag(tag, (const uint8_t *)"\xc0\0\0\0\1\7abcdefgh", 14));
    net_free(net);
}

static void a_constructor_that_fails_leaves_nothing_behind(void **state)
{
    (void)state;
    uint64_t seed = 1;
    const struct random random = {.fill = net_fill, .context = &seed};
    const struct quic_config config = {.client = true, .random = &random};
    unsigned failed = 0;
    for (struct quic *quic = NULL; !quic; failed++) {
        fail_alloc_at(failed + 1);
        quic = quic_new(&config, NS_PER_S);
        fail_alloc_at(0);
        if (quic)
            quic_free(quic);
        if (quic)
            break;
        assert_in_range(failed, 0, 100);
    }
    assert_in_range(failed, 5, 100);
}

static void no_memory_on_the_way_ends_nothing_but_the_call(void **state)
{
    (void)state;
    struct net *net = net_new(5, 1, 1);
    net_connect(net);
    fail_alloc_at(1);
    assert_int_equal(quic_stream_open(net->end[CLIENT], false), QUIC_NOMEM);
    fail_alloc_at(0);
    int64_t stream = quic_stream_open(net->end[CLIENT], false);
    fail_alloc_at(1);
    assert_int_equal(quic_stream_write(net->end[CLIENT], stream, "x", 1), QUIC_NOMEM);
    fail_alloc_at(1);
    assert_int_equal(quic_datagram_send(net->end[CLIENT], "x", 1), QUIC_NOMEM);
    fail_alloc_at(0);
    assert_int_equal(quic_stream_write(net->end[CLIENT], stream, "x", 1), 1);
    assert_int_equal(quic_datagram_send(net->end[CLIENT], "x", 1), 0);
    net_settle(net);
    assert_true(quic_is_idle(net->end[CLIENT]));
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_first_bytes_ride_in_their_first_flights),
        cmocka_unit_test(another_key_fails_at_the_first_packet),
        cmocka_unit_test(another_protocol_is_refused),
        cmocka_unit_test(the_handshake_survives_a_third_of_the_packets_lost),
        cmocka_unit_test(garbage_changes_nothing),
        cmocka_unit_test(a_damaged_first_packet_does_not_occupy_the_server),
        cmocka_unit_test(a_version_negotiation_is_somebody_elses),
        cmocka_unit_test(a_packet_says_whose_it_is),
        cmocka_unit_test(a_constructor_that_fails_leaves_nothing_behind),
        cmocka_unit_test(no_memory_on_the_way_ends_nothing_but_the_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
