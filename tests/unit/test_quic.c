/* test_quic.c - quic between two ends in memory, in virtual time. */
#include "quic.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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
    bool cut; /* nothing gets through */
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
        while (drain(net, CLIENT) | drain(net, SERVER))
            ;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_first_bytes_ride_in_their_first_flights),
        cmocka_unit_test(another_key_fails_at_the_first_packet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
