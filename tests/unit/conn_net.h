/* conn_net.h - two connections and a wire between them, in virtual time; a test decides what the wire eats.
 */
#ifndef CONN_NET_H
#define CONN_NET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conn.h"
#include <stdlib.h>
#include <string.h>

enum { CLIENT, SERVER, FLIGHTS_MAX = 4096, LOG_MAX = 512, DELAY_MS = 10 };

struct end {
    struct conn *conn;
    struct addr address;
    struct conn_event log[LOG_MAX]; /* everything told, in order */
    uint64_t log_at[LOG_MAX];
    size_t log_count;
    size_t longest; /* UDP payload it sent */
    size_t relayed; /* bytes it sent through the broker */
};

struct flight {
    uint64_t at;
    unsigned from;
    bool brokered; /* came through the broker */
    size_t len;
    uint8_t *data;
};

struct net {
    uint64_t now, seed;
    struct random random;
    struct end ends[2];
    struct bucket share;                /* of both, for the way through the broker */
    bool brokered;                      /* both allow it, and it carries */
    struct flight flights[FLIGHTS_MAX]; /* in the order of sending, which with one delay is that of arrival */
    size_t first, count;
    bool (*eats)(struct net *net, unsigned from, const uint8_t *data, size_t len);
    size_t eaten;
    void (*on_event)(struct net *net, unsigned i, enum conn_event_type type);
};

static void net_fill(void *context, uint8_t *out, size_t len)
{
    uint64_t *state = context;
    for (size_t i = 0; i < len; i++) {
        uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        out[i] = (uint8_t)((z ^ z >> 27) >> 48);
    }
}

static inline bool is_quic(const uint8_t *data, size_t len)
{
    return !stun_is(data, len);
}

static inline bool eats_all(struct net *net, unsigned from, const uint8_t *data, size_t len)
{
    (void)net, (void)from, (void)data, (void)len;
    return true;
}

static void net_launch(struct net *net, unsigned from, const uint8_t *data, size_t len)
{
    struct end *end = &net->ends[from];
    end->longest = len > end->longest ? len : end->longest;
    if (net->eats && net->eats(net, from, data, len)) {
        net->eaten++;
        return;
    }
    assert_true(net->count < FLIGHTS_MAX);
    struct flight *flight = &net->flights[(net->first + net->count++) % FLIGHTS_MAX];
    *flight = (struct flight){.at = net->now + DELAY_MS * NS_PER_MS, .from = from, .len = len};
    flight->data = malloc(len);
    assert_non_null(flight->data);
    memcpy(flight->data, data, len);
}

static bool net_drain_events(struct net *net, unsigned i)
{
    struct end *end = &net->ends[i];
    bool any = false;
    for (; assert_true(end->log_count < LOG_MAX), conn_event(end->conn, net->now, &end->log[end->log_count]);
         any = true) {
        end->log_at[end->log_count++] = net->now;
        if (net->on_event)
            net->on_event(net, i, end->log[end->log_count - 1].type);
    }
    return any;
}

static bool net_drain_packets(struct net *net, unsigned i)
{
    static uint8_t buffer[QUIC_BATCH];
    struct packet out = {.data = buffer, .len = sizeof buffer};
    bool any = false;
    for (; conn_output(net->ends[i].conn, net->now, &out); any = true) {
        size_t segment = out.segment ? out.segment : out.len;
        for (size_t at = 0; at < out.len; at += segment)
            net_launch(net, i, buffer + at, out.len - at < segment ? out.len - at : segment);
        out = (struct packet){.data = buffer, .len = sizeof buffer};
    }
    return any;
}

/* What goes through the broker: nothing eats it while that is up. */
static bool net_drain_broker(struct net *net, unsigned i)
{
    uint8_t buffer[BROKER_PATH_PAYLOAD];
    struct packet out = {.data = buffer, .len = sizeof buffer};
    bool any = false;
    for (; conn_broker_output(net->ends[i].conn, net->now, &out); any = true) {
        bool (*eats)(struct net *, unsigned, const uint8_t *, size_t) = net->eats;
        net->eats = net->brokered ? NULL : eats_all;
        net->ends[i].relayed += out.len;
        size_t count = net->count;
        net_launch(net, i, buffer, out.len);
        if (net->count > count)
            net->flights[(net->first + count) % FLIGHTS_MAX].brokered = true;
        net->eats = eats;
        out.len = sizeof buffer;
    }
    return any;
}

static inline void net_drain(struct net *net, unsigned i)
{
    net_drain_events(net, i);
    for (bool busy = true; busy;) {
        busy = net_drain_packets(net, i);
        busy = net_drain_broker(net, i) || busy;
        busy = net_drain_events(net, i) || busy;
    }
}

/* A datagram for `to` as if from `remote`; whether it was taken. */
static inline bool net_hand(struct net *net, unsigned to, const struct addr *remote, uint8_t *data,
                            size_t len)
{
    struct packet in = {.local = net->ends[to].address, .remote = *remote, .data = data, .len = len};
    bool taken = conn_input(net->ends[to].conn, net->now, &in);
    net_drain(net, to);
    return taken;
}

static void net_land(struct net *net)
{
    struct flight flight = net->flights[net->first];
    net->first = (net->first + 1) % FLIGHTS_MAX;
    net->count--;
    net->now = flight.at > net->now ? flight.at : net->now;
    if (flight.brokered) {
        conn_broker_input(net->ends[!flight.from].conn, net->now, flight.data, flight.len);
        net_drain(net, !flight.from);
    } else {
        net_hand(net, !flight.from, &net->ends[flight.from].address, flight.data, flight.len);
    }
    free(flight.data);
}

/* Until nothing is due before `until`. */
static inline void net_run(struct net *net, uint64_t until)
{
    net_drain(net, CLIENT);
    net_drain(net, SERVER);
    for (;;) {
        uint64_t client = conn_deadline(net->ends[CLIENT].conn),
                 server = conn_deadline(net->ends[SERVER].conn);
        unsigned next = server < client;
        uint64_t due = next ? server : client, arrival = net->count ? net->flights[net->first].at : NEVER;
        if (due > until && arrival > until)
            break;
        if (arrival <= due) {
            net_land(net);
            continue;
        }
        net->now = due > net->now ? due : net->now;
        net_drain(net, next);
    }
    net->now = until;
}

static inline void net_run_for(struct net *net, uint64_t ms)
{
    net_run(net, net->now + ms * NS_PER_MS);
}

/* ---- beginning and ending ---- */

static void net_introduce(struct net *net, unsigned i)
{
    struct ice *ice = conn_ice(net->ends[i].conn), *other = conn_ice(net->ends[!i].conn);
    struct candidate own = {.kind = CANDIDATE_HOST, .address = net->ends[i].address, .priority = 1000};
    struct candidate remote = {.kind = CANDIDATE_HOST, .address = net->ends[!i].address, .priority = 1000};
    struct wire_candidate wire;
    own.base = own.address;
    remote.base = remote.address;
    candidate_to_wire(&wire, &remote);
    ice_set_own(ice, &net->ends[i].address, 1);
    ice_add_local(ice, net->now, &own);
    ice_set_remote(ice, net->now, ice_ufrag(other), ice_pwd(other));
    ice_add_remote(ice, net->now, &wire);
}

/* Both know each other; nothing has been sent. */
static inline struct net *net_new(void)
{
    struct net *net = calloc(1, sizeof *net);
    assert_non_null(net);
    net->now = NS_PER_S;
    net->share = broker_path_bucket(1000000000);
    net->seed = 7;
    net->random = (struct random){.fill = net_fill, .context = &net->seed};
    for (unsigned i = 0; i < 2; i++) {
        struct conn_config config = {.initiator = i == CLIENT,
                                     .key = {1, 2, 3},
                                     .paths = PATH_ALL,
                                     .random = &net->random,
                                     .broker_share = &net->share};
        net->ends[i].conn = conn_new(&config);
        assert_non_null(net->ends[i].conn);
        net->ends[i].address = addr_make4((const uint8_t[]){192, 168, 1, (uint8_t)(10 + i)}, 5000);
    }
    net_introduce(net, CLIENT);
    net_introduce(net, SERVER);
    return net;
}

static inline void net_free(struct net *net)
{
    for (; net->count; net->count--, net->first = (net->first + 1) % FLIGHTS_MAX)
        free(net->flights[net->first].data);
    conn_free(net->ends[CLIENT].conn);
    conn_free(net->ends[SERVER].conn);
    free(net);
}

/* Both allow so many bytes a second through the broker, which is up. */
static inline void net_allow_broker(struct net *net, uint64_t rate)
{
    net->brokered = true;
    for (unsigned i = 0; i < 2; i++) {
        conn_set_broker(net->ends[i].conn, net->now, true);
        conn_allow_broker(net->ends[i].conn, net->now, rate, DELAY_MS * NS_PER_MS);
    }
}

static inline void net_set_broker(struct net *net, bool up)
{
    net->brokered = up;
    for (unsigned i = 0; i < 2; i++)
        conn_set_broker(net->ends[i].conn, net->now, up);
}

/* ---- what was told ---- */

static inline size_t told(const struct net *net, unsigned i, enum conn_event_type type)
{
    size_t count = 0;
    for (size_t k = 0; k < net->ends[i].log_count; k++)
        count += net->ends[i].log[k].type == type;
    return count;
}

/* The last of its type; there must be one. */
static inline const struct conn_event *last(const struct net *net, unsigned i, enum conn_event_type type)
{
    for (size_t k = net->ends[i].log_count; k-- > 0;)
        if (net->ends[i].log[k].type == type)
            return &net->ends[i].log[k];
    fail_msg("end %u was not told of %d", i, (int)type);
    return NULL;
}

static inline uint64_t last_at(const struct net *net, unsigned i, enum conn_event_type type)
{
    return net->ends[i].log_at[last(net, i, type) - net->ends[i].log];
}

static inline struct quic *quic_at(const struct net *net, unsigned i)
{
    return conn_quic(net->ends[i].conn);
}

static inline struct net *net_connected(void)
{
    struct net *net = net_new();
    net_run_for(net, 2000);
    assert_int_equal(told(net, CLIENT, CONN_CONNECTED), 1);
    assert_int_equal(told(net, SERVER, CONN_CONNECTED), 1);
    return net;
}

#endif
