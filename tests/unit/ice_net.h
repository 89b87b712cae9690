/* ice_net.h - two ICE agents, their NATs and the wire between them, in memory and in virtual time.
 *
 * Small on purpose: one socket a side, fixed delay, loss by seed. tests/sim has the whole internet. */
#ifndef ICE_NET_H
#define ICE_NET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ice.h"
#include "ice_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS NS_PER_MS
#define S NS_PER_S

enum { FLIGHTS_MAX = 512, MAPPINGS_MAX = 32, HOLES_MAX = 256, LOG_MAX = 256 };

/* How a NAT filters (RFC 4787 5); mapping is by destination where `symmetric`. */
enum filter { FILTER_NONE, FILTER_ADDRESS, FILTER_PORT };

struct nat {
    bool present;
    bool symmetric;
    enum filter filter;
    struct addr wan; /* without port */
    uint16_t next_port;
    struct {
        struct addr inside, to; /* `to` only where symmetric */
        uint16_t port;
    } mappings[MAPPINGS_MAX];
    size_t mapping_count;
    struct {
        uint16_t port;
        struct addr to;
    } holes[HOLES_MAX];
    size_t hole_count;
};

struct side {
    struct ice *ice;
    struct addr base;
    unsigned lan; /* hosts with the same number reach each other directly; 0: none */
    struct nat nat;
    struct ice_event log[LOG_MAX];
    uint64_t log_at[LOG_MAX];
    size_t log_count;
    size_t sent;
    uint64_t last_sent;
    bool dead;   /* killed: nothing in, nothing out */
    bool asleep; /* its clock stands still */
};

struct flight {
    uint64_t at;
    struct addr from, to;
    uint8_t data[PACKET_MAX];
    size_t len;
};

struct net {
    uint64_t now;
    uint64_t delay;
    unsigned loss; /* percent */
    uint64_t seed;
    struct random random;
    struct side sides[2];
    struct flight flights[FLIGHTS_MAX];
    size_t flight_count;
    bool (*eats)(struct net *net, unsigned from, const struct packet *packet); /* a test's own loss */
    size_t eaten;
};

/* splitmix64 */
static uint64_t net_random(struct net *net)
{
    uint64_t z = (net->seed += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void net_fill(void *context, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)net_random(context);
}

static struct addr at(const char *text)
{
    struct addr addr = {0};
    assert_true(addr_parse(&addr, text));
    return addr;
}

static inline struct ice_config net_config(struct net *net, bool controlling)
{
    return (struct ice_config){
        .controlling = controlling, .renominate = true, .paths = PATH_ALL, .random = &net->random};
}

static inline void add_candidate(struct ice *ice, enum candidate_kind kind, struct addr address,
                                 struct addr base, struct addr server)
{
    struct candidate c = {.kind = kind, .address = address, .base = base, .server = server};
    c.priority = candidate_priority(kind, &base, RANK_NORMAL, 0);
    candidate_foundation(&c);
    assert_true(ice_add_local(ice, 0, &c));
}

/* Makes side `who` with one socket at `base`. */
static inline struct side *side_init(struct net *net, unsigned who, const struct ice_config *config,
                                     const char *base)
{
    struct side *side = &net->sides[who];
    *side = (struct side){.base = at(base)};
    side->ice = ice_new(config);
    assert_non_null(side->ice);
    ice_set_own(side->ice, &side->base, 1);
    add_candidate(side->ice, CANDIDATE_HOST, side->base, side->base, (struct addr){0});
    return side;
}

static inline struct net *net_new(uint64_t seed)
{
    struct net *net = calloc(1, sizeof *net);
    assert_non_null(net);
    net->seed = seed;
    net->delay = 20 * MS;
    net->random = (struct random){net_fill, net};
    return net;
}

static inline void net_free(struct net *net)
{
    for (unsigned who = 0; who < 2; who++)
        ice_free(net->sides[who].ice);
    free(net);
}

/* ---- NAT ---- */

static struct addr nat_out(struct nat *nat, const struct addr *from, const struct addr *to)
{
    if (!nat->present)
        return *from;
    size_t m = 0;
    while (m < nat->mapping_count && !(addr_equal(&nat->mappings[m].inside, from) &&
                                       (!nat->symmetric || addr_equal(&nat->mappings[m].to, to))))
        m++;
    if (m == nat->mapping_count) {
        assert_true(m < MAPPINGS_MAX);
        nat->mappings[m].inside = *from;
        nat->mappings[m].to = *to;
        nat->mappings[m].port = nat->next_port++;
        nat->mapping_count++;
    }
    struct addr out = nat->wan;
    out.port = nat->mappings[m].port;
    size_t h = 0;
    while (h < nat->hole_count && !(nat->holes[h].port == out.port && addr_equal(&nat->holes[h].to, to)))
        h++;
    if (h == nat->hole_count) {
        assert_true(h < HOLES_MAX);
        nat->holes[nat->hole_count].port = out.port;
        nat->holes[nat->hole_count++].to = *to;
    }
    return out;
}

/* Where a packet to the NAT's outside ends up inside. False: filtered, or nobody's. */
static bool nat_in(const struct nat *nat, const struct addr *from, const struct addr *to, struct addr *inside)
{
    bool open = nat->filter == FILTER_NONE;
    for (size_t h = 0; h < nat->hole_count && !open; h++)
        open = nat->holes[h].port == to->port &&
               (nat->filter == FILTER_PORT ? addr_equal(&nat->holes[h].to, from)
                                           : addr_equal_ip(&nat->holes[h].to, from));
    for (size_t m = 0; m < nat->mapping_count && open; m++)
        if (nat->mappings[m].port == to->port && addr_equal_ip(&nat->wan, to)) {
            *inside = nat->mappings[m].inside;
            return true;
        }
    return false;
}

/* A NAT of this sort in front of the side, and the mapped address that a server told. */
static inline void side_nat(struct net *net, unsigned who, const char *wan, enum filter filter,
                            bool symmetric)
{
    struct side *side = &net->sides[who];
    side->nat = (struct nat){.present = true, .filter = filter, .symmetric = symmetric, .wan = at(wan)};
    side->nat.next_port = (uint16_t)(40000 + net_random(net) % 10000);
    struct addr server = at("198.51.100.1:3478");
    struct addr mapped = nat_out(&side->nat, &side->base, &server);
    add_candidate(side->ice, CANDIDATE_SRFLX, mapped, side->base, server);
}

/* The NAT forgets everything and maps anew (RFC 4787 4.3, a router that restarted). */
static inline void side_rebind(struct net *net, unsigned who)
{
    struct nat *nat = &net->sides[who].nat;
    nat->mapping_count = nat->hole_count = 0;
    nat->next_port = (uint16_t)(nat->next_port + 100);
}

/* ---- the wire ---- */

static void net_send(struct net *net, unsigned who, const struct packet *packet)
{
    struct side *side = &net->sides[who];
    side->sent++;
    side->last_sent = net->now;
    if (net->eats && net->eats(net, who, packet)) {
        net->eaten++;
        return;
    }
    const struct side *other = &net->sides[!who];
    bool direct = side->lan && side->lan == other->lan && addr_equal(&packet->remote, &other->base);
    struct addr from = packet->local;
    if (!direct)
        from = nat_out(&side->nat, &packet->local, &packet->remote);
    enum addr_scope scope = addr_scope(&packet->remote);
    if (!direct && scope != ADDR_GLOBAL)
        return; /* no route */
    if (net_random(net) % 100 < net->loss)
        return;
    assert_true(net->flight_count < FLIGHTS_MAX);
    assert_true(packet->len <= PACKET_MAX);
    struct flight *flight = &net->flights[net->flight_count++];
    *flight =
        (struct flight){.at = net->now + net->delay, .from = from, .to = packet->remote, .len = packet->len};
    memcpy(flight->data, packet->data, packet->len);
}

static void side_drain(struct net *net, unsigned who)
{
    struct side *side = &net->sides[who];
    for (unsigned guard = 0;; guard++) {
        assert_true(guard < 1000);
        uint8_t data[PACKET_MAX];
        struct packet out = {.data = data, .len = sizeof data};
        if (!ice_output(side->ice, net->now, &out))
            break;
        assert_true(out.len > 0);
        net_send(net, who, &out);
    }
    while (side->log_count < LOG_MAX && ice_event(side->ice, &side->log[side->log_count]))
        side->log_at[side->log_count++] = net->now;
    assert_true(ice_deadline(side->ice) > net->now); /* or the loop would spin */
}

/* Hands a datagram to whoever sits at `to`. */
static void net_deliver(struct net *net, const struct flight *flight)
{
    for (unsigned who = 0; who < 2; who++) {
        struct side *side = &net->sides[who];
        struct addr local = flight->to;
        bool direct = addr_equal(&side->base, &flight->to) &&
                      (!side->nat.present || addr_scope(&flight->from) != ADDR_GLOBAL);
        if (!direct && !(side->nat.present && nat_in(&side->nat, &flight->from, &flight->to, &local)))
            continue;
        if (side->dead || side->asleep)
            return;
        uint8_t data[PACKET_MAX];
        memcpy(data, flight->data, flight->len);
        struct packet in = {.local = local, .remote = flight->from, .data = data, .len = flight->len};
        ice_input(side->ice, net->now, &in);
        side_drain(net, who);
        return;
    }
}

static bool awake(const struct side *side)
{
    return side->ice && !side->dead && !side->asleep;
}

static uint64_t net_next(const struct net *net)
{
    uint64_t next = NEVER;
    for (size_t i = 0; i < net->flight_count; i++)
        next = earlier(next, net->flights[i].at);
    for (unsigned who = 0; who < 2; who++)
        if (awake(&net->sides[who]))
            next = earlier(next, ice_deadline(net->sides[who].ice));
    return next;
}

static bool net_step(struct net *net, uint64_t until)
{
    uint64_t next = net_next(net);
    if (next > until) {
        net->now = later(net->now, until);
        return false;
    }
    net->now = later(net->now, next);
    for (size_t i = 0; i < net->flight_count; i++)
        if (net->flights[i].at <= net->now) {
            struct flight flight = net->flights[i];
            memmove(&net->flights[i], &net->flights[i + 1], (--net->flight_count - i) * sizeof *net->flights);
            net_deliver(net, &flight);
            return true;
        }
    for (unsigned who = 0; who < 2; who++)
        if (awake(&net->sides[who]) && ice_deadline(net->sides[who].ice) <= net->now)
            side_drain(net, who);
    return true;
}

static inline void net_run(struct net *net, uint64_t until)
{
    for (unsigned guard = 0; net_step(net, until); guard++)
        assert_true(guard < 1000000);
}

/* Runs until both have a path; false: not before `until`. */
static inline bool net_connect(struct net *net, uint64_t until)
{
    while (!net->sides[0].ice->path || !net->sides[1].ice->path)
        if (!net_step(net, until))
            return false;
    return true;
}

/* ---- what signaling would do ---- */

/* Side `who` learns everything about the other. */
static inline void learn(struct net *net, unsigned who)
{
    struct ice *ice = net->sides[who].ice;
    struct ice *other = net->sides[!who].ice;
    ice_set_remote(ice, net->now, ice_ufrag(other), ice_pwd(other));
    for (size_t i = 0; i < other->local_count; i++) {
        struct wire_candidate wire;
        candidate_to_wire(&wire, &other->locals[i]);
        if (wire.kind != CANDIDATE_PRFLX)
            ice_add_remote(ice, net->now, &wire);
    }
    ice_locals_complete(ice, net->now);
    ice_remotes_complete(ice, net->now);
    side_drain(net, who);
}

static inline bool side_path(const struct side *side, struct path *path)
{
    return ice_path(side->ice, path);
}

/* How many events of a type a side has told; *when: the last. */
static inline size_t told(const struct side *side, enum ice_event_type type, uint64_t *when)
{
    size_t count = 0;
    for (size_t i = 0; i < side->log_count; i++)
        if (side->log[i].type == type) {
            count++;
            if (when)
                *when = side->log_at[i];
        }
    return count;
}

#endif
