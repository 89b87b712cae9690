/* nat_house.h - a machine with many sockets behind one NAT in memory, and real STUN servers on the internet
 * beyond. */
#ifndef NAT_HOUSE_H
#define NAT_HOUSE_H

#include "given.h"
#include "nat_survey.h"
#include "stun_server.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOUSE_MAPPINGS = 256, HOUSE_FLYING = 512, HOUSE_SERVERS = 3, HOUSE_SOCKETS = 16 };

/* What the NAT does, in the words of RFC 4787. */
struct house_nat {
    enum nat_mapping mapping;
    enum nat_filtering filtering;
    enum nat_ports ports;
    int step;
    unsigned low, size; /* BLOCK, RANDOM */
    bool hairpin;
    unsigned others; /* percent: somebody else takes a port before ours */
};

struct house_mapping {
    struct addr inner, towards;
    uint16_t outer;
    struct addr sent_to[16];
    unsigned sent_count;
};

/* A datagram under way: from `from` to `to`, there at `at`. */
struct house_flight {
    struct addr from, to;
    uint64_t at;
    uint8_t data[256];
    size_t len; /* 0: a free place */
};

struct house {
    struct house_nat nat;
    uint64_t now, delay; /* one way, ns */
    unsigned loss;       /* percent */
    uint64_t seed;
    struct random random;
    struct addr local, outside;
    struct house_mapping mappings[HOUSE_MAPPINGS];
    unsigned mapping_count;
    int next_port;
    struct house_flight flying[HOUSE_FLYING];
    struct stun_server *servers[HOUSE_SERVERS];
    struct addr addresses[HOUSE_SERVERS][4];
    unsigned server_count;
    struct stun_client *client;
    struct nat_survey *survey;
    bool offers_sockets;
    bool ignores_changes; /* the servers do: they answer from where they were asked */
    unsigned changed, wanted, done, sent;
    uint64_t hard_at, wanted_at, done_at;
};

static inline void house_fill(void *context, uint8_t *out, size_t len)
{
    uint64_t *state = context;
    for (size_t i = 0; i < len; i++) {
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        out[i] = (uint8_t)(*state >> 56);
    }
}

/* Without a NAT the local address is public. */
static inline void house_open(struct house *house, const struct house_nat *nat, uint64_t seed)
{
    *house = (struct house){.nat = *nat,
                            .now = 1000 * NS_PER_S,
                            .delay = 15 * NS_PER_MS,
                            .seed = seed * 77 + 1,
                            .offers_sockets = true};
    house->random = (struct random){house_fill, &house->seed};
    house->outside = addr_of("198.51.100.7");
    house->local = addr_of(nat->mapping == NAT_MAPPING_NONE ? "198.51.100.7:4000" : "192.168.1.2:4000");
    house->next_port = 2000 + (int)random_below(&house->random, 50000);
    house->client = stun_client_new(&house->random);
    house->survey = nat_survey_new(&house->random);
    assert_non_null(house->client);
    assert_non_null(house->survey);
    stun_client_set_locals(house->client, house->now, &house->local, 1);
}

static inline void house_close(struct house *house)
{
    for (unsigned i = 0; i < house->server_count; i++)
        stun_server_free(house->servers[i]);
    stun_client_free(house->client);
    nat_survey_free(house->survey);
}

/* A server with one socket, or with the four of RFC 5780: `second` is its other address. */
static inline void house_add_server(struct house *house, const char *first, const char *second)
{
    unsigned n = house->server_count++;
    struct stun_server_config config = {.random = &house->random};
    for (unsigned i = 0; i < (second ? 4 : 1); i++) {
        struct addr addr = addr_of(i < 2 ? first : second);
        addr.port = (uint16_t)(addr.port + i % 2);
        config.address[i / 2][i % 2] = house->addresses[n][i] = addr;
    }
    house->servers[n] = stun_server_new(&config);
    assert_non_null(house->servers[n]);
    assert_true(stun_client_add_server(house->client, house->now, &house->addresses[n][0]));
}

static inline void house_send(struct house *house, const struct addr *from, const struct addr *to,
                              const uint8_t *data, size_t len)
{
    if (random_below(&house->random, 100) < house->loss)
        return;
    for (unsigned i = 0; i < HOUSE_FLYING; i++) {
        struct house_flight *flight = &house->flying[i];
        if (flight->len)
            continue;
        assert_in_range(len, 1, sizeof flight->data);
        *flight =
            (struct house_flight){.from = *from, .to = *to, .at = house->now + house->delay, .len = len};
        memcpy(flight->data, data, len);
        return;
    }
    fail_msg("too many datagrams under way");
}

static inline uint16_t house_port(struct house *house, const struct addr *inner)
{
    const struct house_nat *nat = &house->nat;
    if (nat->ports == NAT_PORTS_PRESERVED)
        return inner->port;
    if (nat->ports != NAT_PORTS_SEQUENTIAL)
        return (uint16_t)(nat->low + random_below(&house->random, nat->size));
    unsigned turns = 1 + (random_below(&house->random, 100) < nat->others ? 1 : 0);
    house->next_port += (int)turns * nat->step;
    return (uint16_t)house->next_port;
}

static inline struct house_mapping *house_map(struct house *house, const struct addr *inner,
                                              const struct addr *to)
{
    struct addr towards = house->nat.mapping >= NAT_MAPPING_ADDRESS ? *to : (struct addr){0};
    if (house->nat.mapping == NAT_MAPPING_ADDRESS)
        towards.port = 0;
    for (unsigned i = 0; i < house->mapping_count; i++)
        if (addr_equal(&house->mappings[i].inner, inner) && addr_equal(&house->mappings[i].towards, &towards))
            return &house->mappings[i];
    assert_in_range(house->mapping_count, 0, HOUSE_MAPPINGS - 1);
    struct house_mapping *mapping = &house->mappings[house->mapping_count++];
    *mapping = (struct house_mapping){.inner = *inner, .towards = towards};
    mapping->outer = house->nat.mapping == NAT_MAPPING_NONE ? inner->port : house_port(house, inner);
    return mapping;
}

static inline bool house_admits(const struct house *house, const struct house_mapping *mapping,
                                const struct addr *from)
{
    if (house->nat.filtering == NAT_FILTERING_ENDPOINT)
        return true;
    for (unsigned i = 0; i < mapping->sent_count; i++)
        if (house->nat.filtering == NAT_FILTERING_ADDRESS ? addr_equal_ip(&mapping->sent_to[i], from)
                                                          : addr_equal(&mapping->sent_to[i], from))
            return true;
    return false;
}

static inline void house_tell_inside(struct house *house, const struct house_flight *flight,
                                     const struct addr *inner)
{
    uint8_t data[256];
    memcpy(data, flight->data, flight->len);
    struct packet in = {.local = *inner, .remote = flight->from, .data = data, .len = flight->len};
    if (!nat_survey_input(house->survey, house->now, &in))
        stun_client_input(house->client, house->now, &in);
}

static inline void house_arrive(struct house *house, const struct house_flight *flight)
{
    for (unsigned i = 0; addr_equal_ip(&flight->to, &house->outside) && i < house->mapping_count; i++)
        if (house->mappings[i].outer == flight->to.port &&
            house_admits(house, &house->mappings[i], &flight->from)) {
            house_tell_inside(house, flight, &house->mappings[i].inner);
            return;
        }
    for (unsigned n = 0; n < house->server_count; n++)
        for (unsigned i = 0; i < 4; i++) {
            uint8_t data[256];
            struct packet in = {
                .local = flight->to, .remote = flight->from, .data = data, .len = flight->len};
            struct packet out = {.data = data, .len = sizeof data};
            memcpy(data, flight->data, flight->len);
            if (!addr_equal(&house->addresses[n][i], &flight->to))
                continue;
            stun_server_input(house->servers[n], house->now, &in);
            if (stun_server_output(house->servers[n], house->now, &out))
                house_send(house, house->ignores_changes ? &flight->to : &out.local, &out.remote, data,
                           out.len);
        }
}

/* A datagram of ours on its way out through the NAT. */
static inline void house_leave(struct house *house, const struct packet *out)
{
    struct house_mapping *mapping = house_map(house, &out->local, &out->remote);
    struct addr from = house->outside;
    from.port = mapping->outer;
    house->sent++;
    if (mapping->sent_count < 16)
        mapping->sent_to[mapping->sent_count++] = out->remote;
    if (addr_equal_ip(&out->remote, &house->outside) && !house->nat.hairpin)
        return;
    house_send(house, &from, &out->remote, out->data, out->len);
}

static inline void house_offer(struct house *house)
{
    struct addr sockets[HOUSE_SOCKETS];
    struct addr local = nat_survey_local(house->survey);
    for (unsigned i = 0; i < HOUSE_SOCKETS; i++) {
        sockets[i] = local;
        sockets[i].port = (uint16_t)(50000 + random_below(&house->random, 600) * 20 + i);
    }
    nat_survey_set_sockets(house->survey, house->now, sockets, HOUSE_SOCKETS);
}

static inline void house_drain(struct house *house)
{
    uint8_t data[256];
    struct stun_client_event told;
    struct nat_survey_event event;
    struct packet out;
    while (stun_client_event(house->client, &told))
        nat_survey_told(house->survey, house->now, &told);
    while (nat_survey_event(house->survey, house->now, &event)) {
        house->changed += event.type == NAT_SURVEY_CHANGED;
        if (event.type == NAT_SURVEY_CHANGED && !house->hard_at &&
            nat_is_hard(nat_survey_behavior(house->survey)))
            house->hard_at = house->now;
        if (event.type == NAT_SURVEY_DONE) {
            house->done++;
            house->done_at = house->now;
        }
        if (event.type != NAT_SURVEY_SOCKETS_WANTED)
            continue;
        house->wanted++;
        house->wanted_at = house->now;
        if (house->offers_sockets)
            house_offer(house);
    }
    do {
        out = (struct packet){.data = data, .len = sizeof data};
        if (!stun_client_output(house->client, house->now, &out)) {
            out.len = sizeof data;
            if (!nat_survey_output(house->survey, house->now, &out))
                break;
        }
        house_leave(house, &out);
    } while (true);
}

static inline uint64_t house_next(const struct house *house)
{
    uint64_t next = stun_client_deadline(house->client), survey = nat_survey_deadline(house->survey);
    next = survey < next ? survey : next;
    for (unsigned i = 0; i < HOUSE_FLYING; i++)
        if (house->flying[i].len && house->flying[i].at < next)
            next = house->flying[i].at;
    return next;
}

/* Lets `span` ns pass. */
static inline void house_run(struct house *house, uint64_t span)
{
    uint64_t until = house->now + span;
    unsigned turns = 0;
    while (true) {
        house_drain(house);
        house_drain(house); /* what was written may have ended something */
        uint64_t next = house_next(house);
        if (next > until)
            break;
        if (turns++ > 100000)
            fail_msg("time stands still");
        house->now = next > house->now ? next : house->now;
        for (unsigned i = 0; i < HOUSE_FLYING; i++) {
            if (!house->flying[i].len || house->flying[i].at > house->now)
                continue;
            struct house_flight flight = house->flying[i];
            house->flying[i].len = 0;
            house_arrive(house, &flight);
        }
    }
    house->now = until;
}

#endif
