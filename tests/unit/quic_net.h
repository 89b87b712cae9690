/* quic_net.h - two ends of a QUIC connection in memory, the wire between them, in virtual time. */
#ifndef QUIC_NET_H
#define QUIC_NET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "quic.h"
#include <stdlib.h>
#include <string.h>

/* splitmix64: a stream of numbers from a seed. */
static inline void net_fill(void *context, uint8_t *out, size_t len)
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
    uint64_t rate;       /* bytes a ms, either way; 0: as many as come */
    uint64_t queue;      /* ns that a packet may wait for those before it, else it is dropped */
    uint64_t free_at[2]; /* when all before it have left */
    uint64_t dropped;
    size_t payload;
    struct flight **heap;
    size_t count, capacity;
    uint64_t order, sent, wakes;
    uint64_t moment;                 /* of the last packet ... */
    size_t at_once, burst;           /* ... and the bytes that left in it; the most of any moment */
    bool cut;                        /* nothing gets through */
    uint64_t lateness;               /* ns, at most, that a deadline is met too late */
    unsigned streams_max;            /* of ends made from now on; 0: the default */
    size_t payload_max;              /* of the same */
    enum quic_congestion congestion; /* of the same */
    void (*on_event)(struct net *net, int end, const struct quic_event *event);
    void (*on_wake)(struct net *net);
    void *test;
    uint8_t buffer[QUIC_BATCH];
    /* what the usual handler notes */
    uint64_t connected_at[2], closed_at[2];
    struct quic_event closed[2];
};

static inline bool flight_before(const struct flight *a, const struct flight *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static inline void heap_swap(struct net *net, size_t a, size_t b)
{
    struct flight *flight = net->heap[a];
    net->heap[a] = net->heap[b];
    net->heap[b] = flight;
}

static inline void heap_push(struct net *net, struct flight *flight)
{
    if (net->count == net->capacity) {
        net->capacity = net->capacity ? 2 * net->capacity : 64;
        net->heap = realloc(net->heap, net->capacity * sizeof *net->heap);
        assert_non_null(net->heap);
    }
    size_t i = net->count++;
    net->heap[i] = flight;
    for (; i && flight_before(net->heap[i], net->heap[(i - 1) / 2]); i = (i - 1) / 2)
        heap_swap(net, i, (i - 1) / 2);
}

static inline struct flight *heap_pop(struct net *net)
{
    struct flight *top = net->heap[0];
    net->heap[0] = net->heap[--net->count];
    for (size_t i = 0, child; (child = 2 * i + 1) < net->count; i = child) {
        if (child + 1 < net->count && flight_before(net->heap[child + 1], net->heap[child]))
            child++;
        if (!flight_before(net->heap[child], net->heap[i]))
            break;
        heap_swap(net, i, child);
    }
    return top;
}

static inline bool net_chance(struct net *net, unsigned thousandths)
{
    return thousandths && random_below(&net->random, 1000) < thousandths;
}

/* When a packet that is sent now has left; NEVER: it found the queue full. */
static inline uint64_t net_leave(struct net *net, int to, size_t len)
{
    if (!net->rate)
        return net->now;
    uint64_t begins = later(net->free_at[to], net->now);
    if (begins - net->now > net->queue) {
        net->dropped++;
        return NEVER;
    }
    return net->free_at[to] = begins + len * NS_PER_MS / net->rate;
}

static inline void net_send_one(struct net *net, int to, const uint8_t *data, size_t len)
{
    net->sent++;
    net->at_once = (net->moment == net->now ? net->at_once : 0) + len;
    net->moment = net->now;
    net->burst = net->at_once > net->burst ? net->at_once : net->burst;
    if (net->cut || net_chance(net, net->loss))
        return;
    uint64_t left = net_leave(net, to, len);
    if (left == NEVER)
        return;
    for (int copies = net_chance(net, net->duplicates) ? 2 : 1; copies; copies--) {
        struct flight *flight = malloc(sizeof *flight + len);
        assert_non_null(flight);
        uint64_t late = net->jitter ? random_u64(&net->random) % net->jitter : 0;
        *flight =
            (struct flight){.at = left + net->delay + late, .order = net->order++, .to = to, .len = len};
        memcpy(flight->data, data, len);
        heap_push(net, flight);
    }
}

static inline void net_send(struct net *net, int to, const struct packet *out)
{
    size_t segment = out->segment ? out->segment : out->len;
    assert_true(out->len <= QUIC_BATCH && segment <= net->payload);
    for (size_t at = 0; at < out->len; at += segment)
        net_send_one(net, to, out->data + at, out->len - at < segment ? out->len - at : segment);
}

static inline void net_note_event(struct net *net, int end, const struct quic_event *event)
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

static inline bool net_drain(struct net *net, int end)
{
    bool any = false;
    struct quic_event event;
    struct packet out = {.data = net->buffer, .len = sizeof net->buffer};
    while (quic_output(net->end[end], net->now, &out, net->payload)) {
        net_send(net, !end, &out);
        out = (struct packet){.data = net->buffer, .len = sizeof net->buffer};
        any = true;
    }
    while (quic_event(net->end[end], &event)) {
        net_note_event(net, end, &event);
        any = true;
    }
    return any;
}

static inline uint64_t net_next_time(const struct net *net)
{
    uint64_t next = net->count ? net->heap[0]->at : NEVER;
    for (int end = 0; end < 2; end++)
        if (quic_deadline(net->end[end]) < next)
            next = quic_deadline(net->end[end]);
    return next;
}

/* Until `until` or until nothing will ever happen. A deadline that does not move is a failure. */
static inline void net_run(struct net *net, uint64_t until)
{
    unsigned spins = 0;
    for (;;) {
        if (net->on_wake)
            net->on_wake(net);
        for (bool any = true; any;) {
            any = net_drain(net, CLIENT);
            any = net_drain(net, SERVER) || any;
        }
        uint64_t next = net_next_time(net);
        if (next > until)
            break;
        spins = next > net->now ? 0 : spins + 1;
        assert_true(spins < 10);
        if (net->lateness && !(net->count && net->heap[0]->at == next))
            next = later(next, net->now) + random_u64(&net->random) % net->lateness;
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

static inline struct quic *net_end(struct net *net, bool client, uint8_t key)
{
    struct quic_config config = {.client = client,
                                 .rtt = 2 * net->delay,
                                 .streams_max = net->streams_max,
                                 .payload_max = net->payload_max,
                                 .congestion = net->congestion,
                                 .random = &net->random};
    memset(config.key, key, sizeof config.key);
    memset(config.tag, client ? 'c' : 's', sizeof config.tag);
    struct quic *quic = quic_new(&config, net->now);
    assert_non_null(quic);
    return quic;
}

/* Both ends anew, as they are configured by now. */
static inline void net_renew(struct net *net)
{
    for (int end = CLIENT; end <= SERVER; end++) {
        quic_free(net->end[end]);
        net->end[end] = net_end(net, end == CLIENT, 1);
    }
}

static inline struct net *net_new(uint64_t delay_ms, uint8_t client_key, uint8_t server_key)
{
    struct net *net = calloc(1, sizeof *net);
    assert_non_null(net);
    net->now = NS_PER_S;
    net->seed = 1;
    net->random = (struct random){.fill = net_fill, .context = &net->seed};
    net->delay = delay_ms * NS_PER_MS;
    net->payload = 1200;
    net->end[CLIENT] = net_end(net, true, client_key);
    net->end[SERVER] = net_end(net, false, server_key);
    return net;
}

static inline void net_free(struct net *net)
{
    quic_free(net->end[CLIENT]);
    quic_free(net->end[SERVER]);
    while (net->count)
        free(heap_pop(net));
    free(net->heap);
    free(net);
}

static inline uint64_t elapsed_ms(uint64_t at)
{
    return at ? (at - NS_PER_S) / NS_PER_MS : UINT64_MAX;
}

static inline void net_connect(struct net *net)
{
    net_run(net, net->now + NS_PER_S);
    assert_true(net->connected_at[CLIENT] && net->connected_at[SERVER]);
}

static inline void net_settle(struct net *net)
{
    net_run(net, net->now + NS_PER_S);
}

static inline void say(struct quic *quic, const char *text)
{
    int64_t stream = quic_stream_open(quic, false);
    assert_true(stream >= 0);
    assert_int_equal(quic_stream_write(quic, stream, text, strlen(text)), strlen(text));
}

#endif
