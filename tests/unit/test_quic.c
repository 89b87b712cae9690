/* test_quic.c - quic between two ends in memory, in virtual time. */
#include "fail_alloc.h"
#include "quic.h"

#include <assert.h>
#include <dlfcn.h>
#include <gnutls/gnutls.h>
#include <limits.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

/* splitmix64: a stream of numbers from a seed. */
static void fill(void *context, uint8_t *out, size_t len)
{
    uint64_t *state = context;
    for (size_t i = 0; i < len; i++) {
        uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        out[i] = (uint8_t)((z ^ z >> 31) >> 56);
    }
}

struct flight {
    uint64_t at, order;
    int to;
    size_t len;
    uint8_t data[];
};

enum { CLIENT, SERVER };

/* A wire between two ends: `delay` each way, then what may go wrong, each in thousandths of the packets. */
struct net {
    uint64_t now, seed;
    struct random random;
    struct quic *end[2];
    uint64_t delay, jitter;
    unsigned loss, duplicates;
    size_t payload;
    struct flight **heap;
    size_t count, capacity;
    uint64_t order, sent, wakes;
    uint64_t moment;       /* of the last packet ... */
    size_t at_once, burst; /* ... and the bytes that left in it; the most of any moment */
    bool cut;              /* nothing gets through */
    void (*on_event)(struct net *net, int end, const struct quic_event *event);
    void (*on_wake)(struct net *net);
    void *test;
    uint8_t buffer[QUIC_BATCH];
    /* what the usual handler notes */
    uint64_t connected_at[2], closed_at[2];
    struct quic_event closed[2];
};

static bool before(const struct flight *a, const struct flight *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void swap(struct net *net, size_t a, size_t b)
{
    struct flight *flight = net->heap[a];
    net->heap[a] = net->heap[b];
    net->heap[b] = flight;
}

static void heap_push(struct net *net, struct flight *flight)
{
    if (net->count == net->capacity) {
        net->capacity = net->capacity ? 2 * net->capacity : 64;
        net->heap = realloc(net->heap, net->capacity * sizeof *net->heap);
        assert_non_null(net->heap);
    }
    size_t i = net->count++;
    net->heap[i] = flight;
    for (; i && before(net->heap[i], net->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(net, i, (i - 1) / 2);
}

static struct flight *heap_pop(struct net *net)
{
    struct flight *top = net->heap[0];
    net->heap[0] = net->heap[--net->count];
    for (size_t i = 0, child; (child = 2 * i + 1) < net->count; i = child) {
        if (child + 1 < net->count && before(net->heap[child + 1], net->heap[child]))
            child++;
        if (!before(net->heap[child], net->heap[i]))
            break;
        swap(net, i, child);
    }
    return top;
}

static bool chance(struct net *net, unsigned thousandths)
{
    return thousandths && random_below(&net->random, 1000) < thousandths;
}

static void send_one(struct net *net, int to, const uint8_t *data, size_t len)
{
    net->sent++;
    net->at_once = (net->moment == net->now ? net->at_once : 0) + len;
    net->moment = net->now;
    net->burst = net->at_once > net->burst ? net->at_once : net->burst;
    if (net->cut || chance(net, net->loss))
        return;
    for (int copies = chance(net, net->duplicates) ? 2 : 1; copies; copies--) {
        struct flight *flight = malloc(sizeof *flight + len);
        assert_non_null(flight);
        uint64_t late = net->jitter ? random_u64(&net->random) % net->jitter : 0;
        *flight =
            (struct flight){.at = net->now + net->delay + late, .order = net->order++, .to = to, .len = len};
        memcpy(flight->data, data, len);
        heap_push(net, flight);
    }
}

static void send_batch(struct net *net, int to, const struct packet *out)
{
    size_t segment = out->segment ? out->segment : out->len;
    assert_true(out->len <= QUIC_BATCH && segment <= net->payload);
    for (size_t at = 0; at < out->len; at += segment)
        send_one(net, to, out->data + at, out->len - at < segment ? out->len - at : segment);
}

static void note_event(struct net *net, int end, const struct quic_event *event)
{
    if (event->type == QUIC_CONNECTED)
        net->connected_at[end] = net->now;
    if (event->type == QUIC_CLOSED) {
        net->closed_at[end] = net->now;
        net->closed[end] = *event;
    }
    if (net->on_event)
        net->on_event(net, end, event);
}

static bool drain(struct net *net, int end)
{
    bool any = false;
    struct quic_event event;
    struct packet out = {.data = net->buffer, .len = sizeof net->buffer};
    while (quic_output(net->end[end], net->now, &out, net->payload)) {
        send_batch(net, !end, &out);
        out = (struct packet){.data = net->buffer, .len = sizeof net->buffer};
        any = true;
    }
    while (quic_event(net->end[end], &event)) {
        note_event(net, end, &event);
        any = true;
    }
    return any;
}

static uint64_t next_time(const struct net *net)
{
    uint64_t next = net->count ? net->heap[0]->at : NEVER;
    for (int end = 0; end < 2; end++)
        if (quic_deadline(net->end[end]) < next)
            next = quic_deadline(net->end[end]);
    return next;
}

/* Until `until` or until nothing will ever happen. A deadline that does not move is a failure. */
static void run(struct net *net, uint64_t until)
{
    unsigned spins = 0;
    for (;;) {
        if (net->on_wake)
            net->on_wake(net);
        for (bool any = true; any;) {
            any = drain(net, CLIENT);
            any = drain(net, SERVER) || any;
        }
        uint64_t next = next_time(net);
        if (next > until)
            break;
        spins = next > net->now ? 0 : spins + 1;
        assert_true(spins < 10);
        net->wakes++;
        net->now = next > net->now ? next : net->now;
        while (net->count && net->heap[0]->at <= net->now) {
            struct flight *flight = heap_pop(net);
            struct packet in = {.data = flight->data, .len = flight->len};
            quic_input(net->end[flight->to], net->now, &in);
            free(flight);
            spins = 0;
        }
    }
    if (net->now < until && until != NEVER)
        net->now = until;
}

static struct quic *end_new(struct net *net, bool client, uint8_t key)
{
    struct quic_config config = {.client = client, .rtt = 2 * net->delay, .random = &net->random};
    memset(config.key, key, sizeof config.key);
    memset(config.tag, client ? 'c' : 's', sizeof config.tag);
    struct quic *quic = quic_new(&config, net->now);
    assert_non_null(quic);
    return quic;
}

static struct net *net_new(uint64_t delay_ms, uint8_t client_key, uint8_t server_key)
{
    struct net *net = calloc(1, sizeof *net);
    assert_non_null(net);
    net->now = NS_PER_S;
    net->seed = 1;
    net->random = (struct random){.fill = fill, .context = &net->seed};
    net->delay = delay_ms * NS_PER_MS;
    net->payload = 1200;
    net->end[CLIENT] = end_new(net, true, client_key);
    net->end[SERVER] = end_new(net, false, server_key);
    return net;
}

static void net_free(struct net *net)
{
    quic_free(net->end[CLIENT]);
    quic_free(net->end[SERVER]);
    while (net->count)
        free(heap_pop(net));
    free(net->heap);
    free(net);
}

static uint64_t elapsed_ms(uint64_t at)
{
    return at ? (at - NS_PER_S) / NS_PER_MS : UINT64_MAX;
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

static void say(struct quic *quic, const char *text)
{
    int64_t stream = quic_stream_open(quic, false);
    assert_true(stream >= 0);
    assert_int_equal(quic_stream_write(quic, stream, text, strlen(text)), strlen(text));
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
    run(net, 2 * NS_PER_S);
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
    run(net, 60 * NS_PER_S);
    assert_int_equal(elapsed_ms(net->closed_at[SERVER]), 10);
    assert_int_equal(elapsed_ms(net->closed_at[CLIENT]), 20);
    assert_int_equal(net->closed[SERVER].error, QUIC_ERROR_KEY);
    assert_int_equal(net->closed[CLIENT].error, QUIC_ERROR_KEY);
    assert_true(!net->connected_at[CLIENT] && !net->connected_at[SERVER]);
    net_free(net);
}

/* Bytes that tell their place in a stream: a period that no packet, chunk or window divides. */
enum { PERIOD = 65521 };

static const uint8_t *pattern(uint64_t offset)
{
    static uint8_t table[2 * PERIOD];
    for (size_t i = 0; !table[1] && i < PERIOD; i++)
        table[i] = table[i + PERIOD] = (uint8_t)(i * 167 + (i >> 8) + 1);
    return table + offset % PERIOD;
}

/* One stream from one end to the other. */
struct transfer {
    int from;
    int64_t stream;
    uint64_t total, written, read;
    bool finished, paused, readable, ended, damaged;
    uint64_t ended_at;
    uint64_t next_payload_at; /* bytes read; the payload changes from time to time when `payloads` is set */
    const size_t *payloads;
};

static void pump_writer(struct net *net, struct transfer *t)
{
    struct quic *quic = net->end[t->from];
    while (t->written < t->total) {
        size_t len = t->total - t->written < 60000 ? (size_t)(t->total - t->written) : 60000;
        ptrdiff_t taken = quic_stream_write(quic, t->stream, pattern(t->written), len);
        assert_true(taken >= 0);
        t->written += (uint64_t)taken;
        if ((size_t)taken < len)
            return;
    }
    if (!t->finished)
        quic_stream_finish(quic, t->stream);
    t->finished = true;
}

static void pump_reader(struct net *net, struct transfer *t)
{
    static uint8_t bytes[PERIOD];
    ptrdiff_t len;
    while (!t->paused && (len = quic_stream_read(net->end[!t->from], t->stream, bytes, sizeof bytes)) >= 0) {
        if (!len) {
            t->ended = true;
            t->ended_at = net->now;
            return;
        }
        t->damaged = t->damaged || memcmp(bytes, pattern(t->read), (size_t)len);
        t->read += (uint64_t)len;
        if (t->payloads && t->read >= t->next_payload_at) {
            net->payload = *t->payloads;
            t->payloads += t->payloads[1] != 0;
            t->next_payload_at += t->total / 10;
        }
    }
    if (!t->paused)
        assert_int_equal(len, QUIC_BLOCKED);
}

static void transfer_event(struct net *net, int end, const struct quic_event *event)
{
    struct transfer *t = net->test;
    if (event->type == QUIC_WRITABLE && end == t->from)
        pump_writer(net, t);
    if (event->type == QUIC_READABLE && end != t->from && event->stream == t->stream)
        pump_reader(net, t);
}

static struct transfer *transfer_start(struct net *net, int from, uint64_t total)
{
    struct transfer *t = calloc(1, sizeof *t);
    assert_non_null(t);
    *t = (struct transfer){.from = from, .total = total, .stream = quic_stream_open(net->end[from], false)};
    assert_true(t->stream >= 0);
    net->test = t;
    net->on_event = transfer_event;
    pump_writer(net, t);
    return t;
}

static void assert_arrived(const struct net *net)
{
    const struct transfer *t = net->test;
    assert_true(t->ended);
    assert_false(t->damaged);
    assert_int_equal(t->read, t->total);
    assert_true(quic_stream_drained(net->end[t->from], t->stream));
}

static void hundred_megabytes(unsigned loss, unsigned duplicates, uint64_t jitter, int from)
{
    struct net *net = net_new(5, 1, 1);
    net->loss = loss;
    net->duplicates = duplicates;
    net->jitter = jitter;
    struct transfer *t = transfer_start(net, from, 100000000);
    run(net, 3600 * NS_PER_S);
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

static void the_handshake_survives_a_third_of_the_packets_lost(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct net *net = net_new(10, 1, 1);
        net->seed = seed;
        net->loss = 333;
        struct transfer *t = transfer_start(net, seed % 2 ? CLIENT : SERVER, 1000);
        run(net, NS_PER_S + 2500 * NS_PER_MS);
        if (!t->ended)
            print_message("seed %llu\n", (unsigned long long)seed);
        assert_true(t->ended);
        net->loss = 0; /* the last acknowledgement may still be missing */
        run(net, 30 * NS_PER_S);
        assert_arrived(net);
        free(t);
        net_free(net);
    }
}

static void a_reader_that_stops_holds_the_writer_and_loses_nothing(void **state)
{
    (void)state;
    struct net *net = net_new(5, 1, 1);
    struct transfer *t = transfer_start(net, CLIENT, 20000000);
    t->paused = true;
    run(net, 3 * NS_PER_S);
    uint64_t held = t->written, sent = net->sent;
    assert_in_range(held, 1, QUIC_SEND_BUFFER + QUIC_STREAM_WINDOW);
    run(net, 13 * NS_PER_S);
    assert_int_equal(t->written, held);
    assert_in_range(net->sent - sent, 0, 20); /* it is silent, but for probes */
    t->paused = false;
    pump_reader(net, t);
    run(net, 60 * NS_PER_S);
    assert_arrived(net);
    free(t);
    net_free(net);
}

static void a_path_that_is_dead_for_twenty_seconds_loses_nothing(void **state)
{
    (void)state;
    struct net *net = net_new(5, 1, 1);
    struct transfer *t = transfer_start(net, CLIENT, 50000000);
    run(net, NS_PER_S + 100 * NS_PER_MS);
    assert_false(t->ended);
    net->cut = true;
    run(net, 21 * NS_PER_S);
    struct quic_info info;
    quic_info(net->end[CLIENT], &info);
    assert_in_range(info.waiting_since, NS_PER_S, NS_PER_S + 200 * NS_PER_MS);
    assert_in_range(info.last_received, NS_PER_S, NS_PER_S + 200 * NS_PER_MS);
    net->cut = false;
    run(net, 120 * NS_PER_S);
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
        run(net, NS_PER_S + 100 * NS_PER_MS);
        uint64_t sent = net->sent;
        quic_hurry(net->end[CLIENT], net->now); /* all is well: nothing */
        quic_hurry(net->end[SERVER], net->now);
        run(net, net->now);
        assert_int_equal(net->sent, sent);
        net->cut = true;
        run(net, 24 * NS_PER_S);
        net->cut = false;
        quic_hurry(net->end[CLIENT], net->now);
        quic_hurry(net->end[SERVER], net->now);
        uint64_t read = t->read;
        run(net, net->now + 100 * NS_PER_MS);
        assert_true(t->read > read);
        run(net, 100 * NS_PER_S);
        assert_arrived(net);
        free(t);
        net_free(net);
    }
}

static void the_payload_may_change_in_mid_transfer(void **state)
{
    (void)state;
    static const size_t payloads[] = {16000, 1452, 1200, 16000, 1200, 1452, 0};
    struct net *net = net_new(5, 1, 1);
    struct transfer *t = transfer_start(net, CLIENT, 50000000);
    t->payloads = payloads;
    run(net, 60 * NS_PER_S);
    assert_arrived(net);
    free(t);
    net_free(net);
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
        run(net, net->now + NS_PER_MS);
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
    run(net, 60 * NS_PER_S);
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
    send_batch(net, SERVER, &out);
    run(net, 2 * NS_PER_S);
    assert_int_equal(elapsed_ms(net->connected_at[CLIENT]), 20);
    net_free(net);
}

static void connect(struct net *net)
{
    run(net, net->now + NS_PER_S);
    assert_true(net->connected_at[CLIENT] && net->connected_at[SERVER]);
}

static void settle(struct net *net)
{
    run(net, net->now + NS_PER_S);
}

static void half_a_stream_may_end_and_the_other_go_on(void **state)
{
    (void)state;
    char text[16] = "";
    struct net *net = net_new(5, 1, 1);
    struct quic *client = net->end[CLIENT], *server = net->end[SERVER];
    connect(net);
    int64_t stream = quic_stream_open(client, false);
    assert_int_equal(quic_stream_write(client, stream, "question", 8), 8);
    quic_stream_finish(client, stream);
    assert_int_equal(quic_stream_write(client, stream, "more", 4), QUIC_GONE);
    settle(net);
    assert_int_equal(quic_stream_read(server, stream, text, sizeof text), 8);
    assert_int_equal(quic_stream_read(server, stream, text, sizeof text), 0);
    assert_true(quic_stream_drained(client, stream));
    assert_int_equal(quic_stream_read(client, stream, text, sizeof text), QUIC_BLOCKED);
    assert_int_equal(quic_stream_write(server, stream, "answer", 6), 6);
    assert_false(quic_stream_drained(server, stream));
    assert_false(quic_is_idle(server));
    settle(net);
    assert_int_equal(quic_stream_read(client, stream, text, sizeof text), 6);
    assert_memory_equal(text, "answer", 6);
    quic_stream_finish(server, stream);
    settle(net);
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
    connect(net);
    int64_t stream = quic_stream_open(client, false);
    assert_int_equal(quic_stream_write(client, stream, "x", 1), 1);
    settle(net);
    assert_int_equal(quic_stream_read(server, stream, text, sizeof text), 1);
    assert_int_equal(quic_stream_read(server, stream, text, sizeof text), QUIC_BLOCKED);
    quic_stream_release(client, stream, 7);
    settle(net);
    assert_int_equal(quic_stream_read(server, stream, text, sizeof text), QUIC_RESET);
    assert_int_equal(quic_stream_write(server, stream, "y", 1), QUIC_RESET);
    quic_stream_release(server, stream, 0);
    net_free(net);
}

static void a_writer_whose_reader_leaves_is_told(void **state)
{
    (void)state;
    struct net *net = net_new(5, 1, 1);
    struct transfer *t = transfer_start(net, CLIENT, 20000000);
    t->paused = true;
    settle(net);
    assert_in_range(t->written, 1, t->total - 1);
    net->on_event = NULL;
    quic_stream_release(net->end[SERVER], t->stream, 9);
    settle(net);
    assert_int_equal(quic_stream_write(net->end[CLIENT], t->stream, "x", 1), QUIC_RESET);
    quic_stream_release(net->end[CLIENT], t->stream, 0);
    settle(net);
    assert_true(quic_is_idle(net->end[CLIENT]));
    /* The connection's window is whole again: eight more of them would not fit otherwise. */
    free(t);
    for (int i = 0; i < 10; i++) {
        t = transfer_start(net, CLIENT, 4000000);
        t->paused = true;
        settle(net);
        net->on_event = NULL;
        quic_stream_release(net->end[SERVER], t->stream, 9);
        quic_stream_release(net->end[CLIENT], t->stream, 9);
        settle(net);
        free(t);
    }
    t = transfer_start(net, CLIENT, 20000000);
    run(net, net->now + 60 * NS_PER_S);
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
            connect(net);
        struct transfer *t = transfer_start(net, CLIENT, 250000);
        net->loss = 50;
        assert_true(t->finished);
        quic_stream_release(net->end[CLIENT], t->stream, 3);
        assert_false(quic_is_idle(net->end[CLIENT]));
        run(net, net->now + 60 * NS_PER_S);
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
    connect(net);
    for (int i = 0; i < 2000; i++) {
        int from = i & 1;
        bool one_way = i & 2;
        struct quic *writer = net->end[from], *reader = net->end[!from];
        int64_t stream = quic_stream_open(writer, one_way);
        assert_true(stream >= 0);
        assert_int_equal(quic_stream_write(writer, stream, &i, sizeof i), sizeof i);
        quic_stream_finish(writer, stream);
        run(net, net->now + 5 * NS_PER_MS);
        assert_int_equal(quic_stream_read(reader, stream, text, sizeof text), sizeof i);
        assert_memory_equal(text, &i, sizeof i);
        assert_int_equal(quic_stream_read(reader, stream, text, sizeof text), 0);
        quic_stream_finish(reader, stream);
        quic_stream_release(reader, stream, 0);
        quic_stream_release(writer, stream, 0);
        run(net, net->now + 5 * NS_PER_MS);
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
    run(net, 60 * NS_PER_S);
    assert_int_equal(crowd.opened, QUIC_STREAMS_MAX);
    assert_int_equal(crowd.ended, QUIC_STREAMS_MAX);
    assert_true(crowd.limit_raised);
    assert_int_equal(quic_stream_open(client, true), 4 * QUIC_STREAMS_MAX + 2);
    net_free(net);
}

static void a_short_stream_does_not_wait_for_a_long_one(void **state)
{
    (void)state;
    struct net *net = net_new(5, 1, 1);
    struct transfer *t = transfer_start(net, CLIENT, 50000000);
    run(net, NS_PER_S + 100 * NS_PER_MS);
    struct crowd crowd = {0};
    int64_t stream = quic_stream_open(net->end[CLIENT], true);
    assert_int_equal(quic_stream_write(net->end[CLIENT], stream, "now", 3), 3);
    quic_stream_finish(net->end[CLIENT], stream);
    net->test = &crowd;
    net->on_event = crowd_event;
    run(net, net->now + 12 * NS_PER_MS); /* the path's 5 ms, and some for pacing */
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
    connect(net);
    net->loss = 30;
    net->test = &pair;
    net->on_event = pair_event;
    for (int i = 0; i < 2; i++) {
        pair.stream[i] = quic_stream_open(net->end[CLIENT], true);
        pair.read[i] = 0;
        pair_event(net, CLIENT, &(struct quic_event){.type = QUIC_WRITABLE, .stream = pair.stream[i]});
    }
    uint64_t low = 0, high = 0;
    for (int i = 0; i < 200; i++) { /* of the two, how far the one behind may be */
        run(net, net->now + 10 * NS_PER_MS);
        bool first_behind = pair.read[0] < pair.read[1];
        low = pair.read[!first_behind], high = pair.read[first_behind];
        assert_true(high - low < 200000 + low / 2); /* a loss holds one of them up */
    }
    assert_in_range(low, 500000, UINT64_MAX);
    net_free(net);
}

/* What leaves at once meets the smallest queue on the way at once. A window of many packets is spread over
 * the round trip instead (RFC 9002 7.7). */
static void a_window_leaves_spread_over_the_round_trip(void **state)
{
    (void)state;
    struct net *net = net_new(50, 1, 1);
    connect(net);
    settle(net);
    net->burst = 0;
    struct transfer *t = transfer_start(net, CLIENT, 20000000);
    run(net, 60 * NS_PER_S);
    assert_arrived(net);
    assert_in_range(net->burst, 1, 2 * QUIC_BATCH); /* unpaced, 2 MB */
    free(t);
    net_free(net);
}

static void datagrams_arrive_whole_or_not_at_all(void **state)
{
    (void)state;
    uint8_t text[2000];
    struct net *net = net_new(5, 1, 1);
    struct quic *client = net->end[CLIENT], *server = net->end[SERVER];
    assert_int_equal(quic_datagram_send(client, "early", 5), QUIC_GONE);
    connect(net);
    assert_int_equal(quic_datagram_max(client), 1168);
    assert_int_equal(quic_datagram_send(client, pattern(0), 1169), QUIC_TOO_LONG);
    assert_int_equal(quic_datagram_send(client, pattern(0), 1168), 0);
    assert_int_equal(quic_datagram_send(client, pattern(5), 0), 0);
    settle(net);
    assert_int_equal(quic_datagram_receive(server, text, sizeof text), 1168);
    assert_memory_equal(text, pattern(0), 1168);
    assert_int_equal(quic_datagram_receive(server, text, sizeof text), 0);
    assert_int_equal(quic_datagram_receive(server, text, sizeof text), QUIC_BLOCKED);
    net->payload = 16000;
    settle(net);
    assert_int_equal(quic_datagram_send(client, pattern(0), 1300),
                     0); /* fits the batch before the path shrinks */
    net->payload = 1200;
    assert_int_equal(quic_datagram_send(client, "small", 5), 0);
    settle(net);
    assert_int_equal(quic_datagram_receive(server, text, 3), 3); /* the rest of it is cut off */
    assert_int_equal(quic_datagram_receive(server, text, sizeof text), QUIC_BLOCKED);
    net_free(net);
}

static void the_oldest_datagram_gives_way(void **state)
{
    (void)state;
    struct net *net = net_new(5, 1, 1);
    connect(net);
    uint32_t number;
    for (number = 0; number < QUIC_DATAGRAM_QUEUE + 10; number++)
        assert_int_equal(quic_datagram_send(net->end[CLIENT], &number, sizeof number), 0);
    settle(net);
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
        run(net, net->now + NS_PER_MS);
    run(net, net->now + 20 * NS_PER_MS);
    assert_arrived(net);
    free(t);
    net_free(net);
}

static void a_close_carries_its_code_and_is_answered_for_a_while(void **state)
{
    (void)state;
    struct net *net = net_new(5, 1, 1);
    struct quic *client = net->end[CLIENT];
    connect(net);
    int64_t stream = quic_stream_open(client, false);
    assert_int_equal(quic_stream_write(client, stream, "x", 1), 1);
    net->cut = true; /* the first close is lost */
    quic_close(client, net->now, 42, "that is all");
    assert_int_equal(quic_stream_write(client, stream, "x", 1), QUIC_GONE);
    assert_false(quic_is_idle(client));
    uint64_t closed_at = net->now;
    run(net, net->now);
    assert_true(quic_is_idle(client));
    assert_int_equal(net->closed[CLIENT].error, 42);
    net->cut = false;
    say(net->end[SERVER], "are you there?");
    run(net, net->now + 20 * NS_PER_MS);
    assert_int_equal(net->closed[SERVER].error, 42);
    assert_string_equal(net->closed[SERVER].text, "that is all");
    assert_in_range(quic_deadline(client), closed_at + 15 * NS_PER_MS, closed_at + 1000 * NS_PER_MS);
    settle(net);
    assert_int_equal(quic_deadline(client), NEVER);
    assert_int_equal(quic_deadline(net->end[SERVER]), NEVER);
    uint64_t sent = net->sent;
    settle(net);
    assert_int_equal(net->sent, sent);
    net_free(net);
}

/* Its reason may not travel yet, since every stranger could read it; that it left must be said all the same.
 */
static void a_goodbye_amid_the_handshake_says_that_it_was_one(void **state)
{
    (void)state;
    struct net *net = net_new(5, 1, 1);
    run(net, net->now + 7 * NS_PER_MS); /* the client's hello is there, the answer under way */
    quic_close(net->end[CLIENT], net->now, 42, "for no stranger's eyes");
    run(net, net->now + 20 * NS_PER_MS);
    assert_int_equal(net->closed[CLIENT].error, 42);
    assert_true(net->closed_at[SERVER] != 0);
    assert_int_equal(net->closed[SERVER].error, QUIC_ERROR_NONE);
    assert_string_equal(net->closed[SERVER].text, "it ended the handshake and could not say why");
    net_free(net);
}

static void a_close_before_the_first_packet_is_silent(void **state)
{
    (void)state;
    for (int end = 0; end < 2; end++) {
        struct net *net = net_new(5, 1, 1);
        quic_close(net->end[end], net->now, 5, "changed my mind");
        while (drain(net, end))
            ;
        assert_int_equal(net->closed[end].error, 5);
        assert_int_equal(net->sent, 0);
        assert_int_equal(quic_stream_open(net->end[end], false), QUIC_GONE);
        net_free(net);
    }
}

static void what_arrived_before_the_close_can_be_read(void **state)
{
    (void)state;
    char text[16];
    struct net *net = net_new(5, 1, 1);
    connect(net);
    int64_t stream = quic_stream_open(net->end[CLIENT], false);
    assert_int_equal(quic_stream_write(net->end[CLIENT], stream, "last words", 10), 10);
    quic_stream_finish(net->end[CLIENT], stream);
    settle(net);
    quic_close(net->end[CLIENT], net->now, 0, "");
    settle(net);
    assert_int_equal(net->closed[SERVER].error, QUIC_ERROR_NONE);
    assert_true(net->closed_at[SERVER]);
    assert_int_equal(quic_stream_read(net->end[SERVER], stream, text, sizeof text), 10);
    assert_int_equal(quic_stream_read(net->end[SERVER], stream, text, sizeof text), 0);
    assert_int_equal(quic_stream_write(net->end[SERVER], stream, "x", 1), QUIC_GONE);
    net_free(net);
}

static void an_idle_connection_ends_after_its_time(void **state)
{
    (void)state;
    struct net *net = net_new(5, 1, 1);
    connect(net);
    uint64_t sent = net->sent;
    run(net, 170 * NS_PER_S);
    assert_true(!net->closed_at[CLIENT] && !net->closed_at[SERVER]);
    assert_int_equal(net->sent, sent); /* no keep-alive: ice's business */
    run(net, 190 * NS_PER_S);
    for (int end = 0; end < 2; end++) {
        assert_in_range(elapsed_ms(net->closed_at[end]), 180000, 181000);
        assert_int_equal(net->closed[end].error, QUIC_ERROR_IDLE);
    }
    net_free(net);
}

static void a_handshake_without_an_answer_ends(void **state)
{
    (void)state;
    struct net *net = net_new(5, 1, 1);
    net->cut = true;
    run(net, 60 * NS_PER_S);
    for (int end = 0; end < 2; end++) {
        assert_in_range(elapsed_ms(net->closed_at[end]), 29900, 30100);
        assert_int_equal(net->closed[end].error, QUIC_ERROR_IDLE);
    }
    assert_in_range(net->sent, 20, 60); /* it tried, and flooded nobody */
    net_free(net);
}

static void a_hurried_client_sends_its_first_flight_again_at_once(void **state)
{
    (void)state;
    struct net *net = net_new(10, 1, 1);
    struct quic_info info;
    net->cut = true;
    run(net, NS_PER_S + 40 * NS_PER_MS);
    assert_int_equal(net->sent, 1);
    net->cut = false;
    quic_hurry(net->end[CLIENT], net->now);
    run(net, 2 * NS_PER_S);
    assert_int_equal(elapsed_ms(net->connected_at[CLIENT]), 60);
    quic_info(net->end[CLIENT], &info);
    assert_in_range(info.rtt, 20 * NS_PER_MS,
                    60 * NS_PER_MS); /* from the lost one on: later answers correct it */
    uint64_t sent = net->sent;
    quic_hurry(net->end[CLIENT], net->now); /* answered: nothing */
    run(net, 3 * NS_PER_S);
    assert_int_equal(net->sent, sent);
    run(net, 300 * NS_PER_S);
    assert_int_equal(net->closed[CLIENT].error, QUIC_ERROR_IDLE);
    net_free(net);
}

static void a_hello_that_needed_no_hurry_tells_the_true_round_trip(void **state)
{
    (void)state;
    struct net *net = net_new(10, 1, 1);
    struct quic_info info;
    run(net, NS_PER_S + 5 * NS_PER_MS);
    quic_hurry(net->end[CLIENT], net->now);
    run(net, 2 * NS_PER_S);
    quic_info(net->end[CLIENT], &info);
    assert_in_range(info.rtt, 20 * NS_PER_MS, 21 * NS_PER_MS);
    net_free(net);
}

static void hurrying_does_not_age_the_connection(void **state)
{
    (void)state;
    struct net *net = net_new(10, 1, 1);
    connect(net);
    say(net->end[CLIENT], "anybody?");
    net->cut = true;
    for (uint64_t end = net->now + 100 * NS_PER_S; net->now < end;) {
        quic_hurry(net->end[CLIENT], net->now);
        run(net, net->now + 100 * NS_PER_MS);
    }
    assert_int_equal(net->closed_at[CLIENT], 0);
    net_free(net);
}

static void hurrying_a_server_does_not_end_its_handshake(void **state)
{
    (void)state;
    struct net *net = net_new(10, 1, 1);
    run(net, NS_PER_S + 15 * NS_PER_MS);
    net->cut = true; /* the server's flight is on its way, the client's answer never comes */
    for (uint64_t end = net->now + 5 * NS_PER_S; net->now < end;) {
        quic_hurry(net->end[SERVER], net->now);
        run(net, net->now + 100 * NS_PER_MS);
    }
    assert_int_equal(net->closed_at[SERVER], 0);
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
    send_batch(net, SERVER, &out);
    connect(net);
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
    send_batch(net, SERVER, &out);
    connect(net);
    say(net->end[CLIENT], "x");
    out = (struct packet){.data = net->buffer, .len = sizeof net->buffer};
    assert_true(quic_output(net->end[CLIENT], net->now, &out, 1200));
    assert_true(quic_packet_tag(tag, out.data, out.len));
    assert_memory_equal(tag, "ssss", QUIC_TAG_LEN);
    assert_false(quic_packet_tag(tag, out.data, 8));
    assert_false(quic_packet_tag(tag, (const uint8_t *)"\xc0\0\0\0\1\7abcdefgh", 14));
    net_free(net);
}

static void another_protocol_is_refused(void **state)
{
    (void)state;
    struct net *net = net_new(10, 1, 1);
    quic_free(net->end[CLIENT]);
    other_protocol = "h3";
    net->end[CLIENT] = end_new(net, true, 1);
    other_protocol = NULL;
    say(net->end[SERVER], "for friends");
    run(net, 3 * NS_PER_S);
    assert_int_equal(net->closed[SERVER].error, QUIC_ERROR_KEY);
    assert_int_equal(net->closed[CLIENT].error, QUIC_ERROR_KEY);
    assert_true(!net->connected_at[CLIENT] && !net->connected_at[SERVER]);
    net_free(net);
}

static void a_constructor_that_fails_leaves_nothing_behind(void **state)
{
    (void)state;
    uint64_t seed = 1;
    const struct random random = {.fill = fill, .context = &seed};
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
    connect(net);
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
    settle(net);
    assert_true(quic_is_idle(net->end[CLIENT]));
    net_free(net);
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
    connect(net);
    free(net->heap); /* the wire is not what is measured */
    net->heap = NULL;
    net->capacity = 0;
    size_t before = in_use();
    struct transfer *t = transfer_start(net, CLIENT, 30000000);
    t->paused = true;
    settle(net);
    size_t paused = in_use();
    run(net, net->now + 10 * NS_PER_S);
    assert_in_range(in_use(), 0, paused + 10000); /* a reader that stopped grows nothing */
    assert_in_range(paused, 0, before + QUIC_STREAM_WINDOW + QUIC_SEND_BUFFER + 1000000);
    t->paused = false;
    pump_reader(net, t);
    settle(net);
    assert_arrived(net);
    free(t);
    free(net->heap);
    net->heap = NULL;
    net->capacity = 0;
    settle(net);
    assert_in_range(in_use(), 0, before + 800000); /* of it ngtcp2's own pools, for both ends, are the most */
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_first_bytes_ride_in_their_first_flights),
        cmocka_unit_test(another_key_fails_at_the_first_packet),
        cmocka_unit_test(hundred_megabytes_arrive_over_a_clean_path),
        cmocka_unit_test(hundred_megabytes_arrive_at_one_percent_of_loss),
        cmocka_unit_test(hundred_megabytes_arrive_at_ten_percent_of_loss),
        cmocka_unit_test(hundred_megabytes_arrive_reordered_and_doubled),
        cmocka_unit_test(the_handshake_survives_a_third_of_the_packets_lost),
        cmocka_unit_test(a_reader_that_stops_holds_the_writer_and_loses_nothing),
        cmocka_unit_test(a_path_that_is_dead_for_twenty_seconds_loses_nothing),
        cmocka_unit_test(a_hurried_transfer_goes_on_as_soon_as_the_path_is_back),
        cmocka_unit_test(the_payload_may_change_in_mid_transfer),
        cmocka_unit_test(garbage_changes_nothing),
        cmocka_unit_test(a_damaged_first_packet_does_not_occupy_the_server),
        cmocka_unit_test(half_a_stream_may_end_and_the_other_go_on),
        cmocka_unit_test(a_released_stream_is_reset_and_stopped),
        cmocka_unit_test(a_writer_whose_reader_leaves_is_told),
        cmocka_unit_test(what_was_finished_arrives_though_its_stream_was_released),
        cmocka_unit_test(two_thousand_streams_follow_each_other),
        cmocka_unit_test(two_hundred_and_fifty_six_streams_at_once_share_the_path),
        cmocka_unit_test(a_short_stream_does_not_wait_for_a_long_one),
        cmocka_unit_test(two_long_streams_share_a_slow_path_evenly),
        cmocka_unit_test(a_window_leaves_spread_over_the_round_trip),
        cmocka_unit_test(datagrams_arrive_whole_or_not_at_all),
        cmocka_unit_test(the_oldest_datagram_gives_way),
        cmocka_unit_test(a_flood_of_datagrams_does_not_starve_a_stream),
        cmocka_unit_test(a_close_carries_its_code_and_is_answered_for_a_while),
        cmocka_unit_test(a_goodbye_amid_the_handshake_says_that_it_was_one),
        cmocka_unit_test(a_close_before_the_first_packet_is_silent),
        cmocka_unit_test(what_arrived_before_the_close_can_be_read),
        cmocka_unit_test(an_idle_connection_ends_after_its_time),
        cmocka_unit_test(a_handshake_without_an_answer_ends),
        cmocka_unit_test(a_hurried_client_sends_its_first_flight_again_at_once),
        cmocka_unit_test(a_version_negotiation_is_somebody_elses),
        cmocka_unit_test(a_hello_that_needed_no_hurry_tells_the_true_round_trip),
        cmocka_unit_test(hurrying_does_not_age_the_connection),
        cmocka_unit_test(hurrying_a_server_does_not_end_its_handshake),
        cmocka_unit_test(a_packet_says_whose_it_is),
        cmocka_unit_test(another_protocol_is_refused),
        cmocka_unit_test(a_constructor_that_fails_leaves_nothing_behind),
        cmocka_unit_test(no_memory_on_the_way_ends_nothing_but_the_call),
        cmocka_unit_test(a_connection_gives_back_what_a_transfer_took),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
