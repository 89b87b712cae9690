/* sim_nat.c - a NAT or firewall in memory, by the behaviours of RFC 4787. */
#include "sim_nat.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIRST_PORT = 1024,
    PORTS = 64512,
    FIRST_START = 20000, /* a sequence begins here or later, and does not wrap within a run */
    STARTS = 40000,
};
#define SWEEP_NS UINT64_C(1000000000)

static void forget_all(struct sim_nat *nat)
{
    nat->count = nat->permit_count = 0;
    nat->squat_count = 0;
    memset(nat->by_inner, -1, sizeof nat->by_inner);
    memset(nat->by_outer, -1, sizeof nat->by_outer);
    memset(nat->by_permit, -1, sizeof nat->by_permit);
}

static void draw_ports(struct sim_nat *nat, struct chance *chance)
{
    unsigned block = nat->behavior->block ? nat->behavior->block : PORTS;
    nat->next_port = (uint16_t)(FIRST_START + chance_below(chance, STARTS));
    nat->low = (uint16_t)(FIRST_PORT + chance_below(chance, PORTS / block) * block);
}

void nat_init(struct sim_nat *nat, const struct nat_kind *behavior, const struct addr *outside,
              uint64_t lifetime, struct chance *chance)
{
    *nat = (struct sim_nat){.behavior = behavior, .outside = *outside, .lifetime = lifetime};
    nat->mappings = calloc(NAT_MAPPINGS_MAX, sizeof *nat->mappings);
    nat->permits = calloc(NAT_PERMITS_MAX, sizeof *nat->permits);
    assert(nat->mappings && nat->permits);
    forget_all(nat);
    draw_ports(nat, chance);
}

void nat_free(struct sim_nat *nat)
{
    free(nat->mappings);
    free(nat->permits);
}

/* The part of an address that a behaviour looks at. */
static struct addr part_of(const struct addr *address, enum nat_depends depends)
{
    struct addr part = *address;
    if (depends == NAT_ENDPOINT_INDEPENDENT)
        return (struct addr){0};
    if (depends == NAT_ADDRESS_DEPENDENT)
        part.port = 0;
    return part;
}

static unsigned bucket_of(const struct addr *address, unsigned salt)
{
    unsigned hash = salt * 2654435761u + address->port;
    for (size_t i = 0; i < sizeof address->ip; i++)
        hash = hash * 31 + address->ip[i];
    return (hash ^ hash >> 13) % NAT_BUCKETS;
}

static void link_mapping(struct sim_nat *nat, int i)
{
    struct sim_mapping *mapping = &nat->mappings[i];
    int *inner = &nat->by_inner[bucket_of(&mapping->inner, 0)];
    int *outer = &nat->by_outer[bucket_of(&mapping->outer, 0)];
    mapping->next_inner = *inner;
    mapping->next_outer = *outer;
    *inner = *outer = i;
}

static void link_permit(struct sim_nat *nat, int i)
{
    struct sim_permit *permit = &nat->permits[i];
    int *head = &nat->by_permit[bucket_of(&permit->allowed, (unsigned)permit->mapping)];
    permit->next = *head;
    *head = i;
}

static bool is_alive(const struct sim_nat *nat, uint64_t now, int mapping)
{
    return now - nat->mappings[mapping].used <= nat->lifetime;
}

/* Drops what has expired, now and then: until then it is only overlooked. */
static void sweep(struct sim_nat *nat, uint64_t now)
{
    static int moved[NAT_MAPPINGS_MAX];
    int mappings = nat->count, permits = nat->permit_count;
    if (now - nat->swept < SWEEP_NS)
        return;
    nat->swept = now;
    unsigned squats = nat->squat_count;
    bool any = false;
    for (int i = 0; i < mappings && !any; i++)
        any = !is_alive(nat, now, i);
    if (!any)
        return;
    forget_all(nat);
    nat->squat_count = squats;
    for (int i = 0; i < mappings; i++) {
        moved[i] = is_alive(nat, now, i) ? nat->count++ : -1;
        if (moved[i] < 0)
            continue;
        nat->mappings[moved[i]] = nat->mappings[i];
        link_mapping(nat, moved[i]);
    }
    for (int i = 0; i < permits; i++) {
        struct sim_permit permit = nat->permits[i];
        permit.mapping = moved[permit.mapping];
        if (permit.mapping < 0)
            continue;
        nat->permits[nat->permit_count] = permit;
        link_permit(nat, nat->permit_count++);
    }
}

/* IPv6 is filtered only: nobody runs out of its addresses. */
static bool translates(const struct sim_nat *nat, const struct addr *address)
{
    return !nat->behavior->firewall && address->family == 4;
}

static int find_outer(const struct sim_nat *nat, uint64_t now, const struct addr *outer)
{
    int i = nat->by_outer[bucket_of(outer, 0)];
    while (i >= 0 && !(addr_equal(&nat->mappings[i].outer, outer) && is_alive(nat, now, i)))
        i = nat->mappings[i].next_outer;
    return i;
}

static int find_inner(const struct sim_nat *nat, uint64_t now, const struct addr *inner,
                      const struct addr *towards)
{
    int i = nat->by_inner[bucket_of(inner, 0)];
    while (i >= 0 && !(addr_equal(&nat->mappings[i].inner, inner) &&
                       addr_equal(&nat->mappings[i].towards, towards) && is_alive(nat, now, i)))
        i = nat->mappings[i].next_inner;
    return i;
}

static struct addr choose_outer(struct sim_nat *nat, uint64_t now, const struct addr *inner,
                                struct chance *chance)
{
    struct addr outer = nat->outside;
    int step = nat->behavior->step ? nat->behavior->step : 1;
    unsigned block = nat->behavior->block ? nat->behavior->block : PORTS;
    if (!translates(nat, inner))
        return *inner;
    if (nat->behavior->busy) { /* what does not make a whole mapping does by chance */
        uint64_t others = (now - nat->counted) * nat->behavior->busy;
        others = others / SWEEP_NS + (chance_below(chance, SWEEP_NS) < others % SWEEP_NS);
        nat->next_port = (uint16_t)(nat->next_port + (int)(others % 65536) * step);
        nat->counted = now;
    }
    outer.port = nat->behavior->ports == NAT_PRESERVE && !nat->rebound ? inner->port : 0;
    while (outer.port == 0 || find_outer(nat, now, &outer) >= 0) {
        if (nat->behavior->ports == NAT_SEQUENTIAL) {
            outer.port = nat->next_port;
            nat->next_port = (uint16_t)(nat->next_port + step);
        } else {
            outer.port = (uint16_t)(nat->low + chance_below(chance, block));
        }
    }
    return outer;
}

static int find_permit(const struct sim_nat *nat, int mapping, const struct addr *allowed)
{
    int i = nat->by_permit[bucket_of(allowed, (unsigned)mapping)];
    while (i >= 0 && !(nat->permits[i].mapping == mapping && addr_equal(&nat->permits[i].allowed, allowed)))
        i = nat->permits[i].next;
    return i;
}

static void permit(struct sim_nat *nat, int mapping, const struct addr *destination)
{
    struct addr allowed = part_of(destination, nat->behavior->filtering);
    if (nat->permit_count == NAT_PERMITS_MAX || find_permit(nat, mapping, &allowed) >= 0)
        return;
    nat->permits[nat->permit_count] = (struct sim_permit){.mapping = mapping, .allowed = allowed};
    link_permit(nat, nat->permit_count++);
}

static void squat(struct sim_nat *nat, uint64_t now, const struct addr *outside, const struct addr *inside)
{
    if (nat->behavior->naive && nat->squat_count < NAT_SQUATS_MAX)
        nat->squats[nat->squat_count++] = (struct sim_squat){*outside, *inside, now};
}

/* A naive gateway has seen a packet from there to this port of its own: it cannot use the port for an answer.
 */
static bool is_squatted(const struct sim_nat *nat, uint64_t now, const struct addr *outer,
                        const struct addr *destination)
{
    for (unsigned i = 0; i < nat->squat_count; i++)
        if (now - nat->squats[i].at <= nat->lifetime && addr_equal(&nat->squats[i].inside, outer) &&
            addr_equal(&nat->squats[i].outside, destination))
            return true;
    return false;
}

/* A new mapping; -1: there is no room. */
static int add_mapping(struct sim_nat *nat, uint64_t now, const struct addr *inner,
                       const struct addr *towards, struct chance *chance)
{
    if (nat->count == NAT_MAPPINGS_MAX)
        return -1;
    struct addr outer = choose_outer(nat, now, inner, chance);
    int i = nat->count++;
    nat->mappings[i] = (struct sim_mapping){.inner = *inner, .outer = outer, .towards = *towards};
    link_mapping(nat, i);
    return i;
}

/* For a destination whose packets occupy the port a naive gateway takes another port, and keeps to it. */
static int map_aside(struct sim_nat *nat, uint64_t now, int i, const struct addr *inner,
                     const struct addr *destination, struct chance *chance)
{
    int aside = find_inner(nat, now, inner, destination);
    if (aside >= 0 || !is_squatted(nat, now, &nat->mappings[i].outer, destination))
        return aside >= 0 ? aside : i;
    return add_mapping(nat, now, inner, destination, chance);
}

bool nat_outbound(struct sim_nat *nat, uint64_t now, struct addr *source, const struct addr *destination,
                  struct chance *chance)
{
    struct addr towards = part_of(destination, nat->behavior->mapping);
    if (nat->behavior->blocked)
        return false;
    sweep(nat, now);
    int i = find_inner(nat, now, source, &towards);
    if (i < 0)
        i = add_mapping(nat, now, source, &towards, chance);
    if (i >= 0 && nat->behavior->naive)
        i = map_aside(nat, now, i, source, destination, chance);
    if (i < 0)
        return false;
    nat->mappings[i].used = now;
    permit(nat, i, destination);
    *source = nat->mappings[i].outer;
    return true;
}

bool nat_inbound(struct sim_nat *nat, uint64_t now, const struct addr *source, struct addr *destination)
{
    struct addr from = part_of(source, nat->behavior->filtering);
    sweep(nat, now);
    int i = find_outer(nat, now, destination);
    /* Several mappings of a firewall have one outer address. */
    for (; i >= 0; i = nat->mappings[i].next_outer) {
        struct sim_mapping *mapping = &nat->mappings[i];
        if (!addr_equal(&mapping->outer, destination) || !is_alive(nat, now, i) ||
            find_permit(nat, i, &from) < 0)
            continue;
        mapping->used = now;
        *destination = mapping->inner;
        return true;
    }
    squat(nat, now, source, destination);
    return false;
}

void nat_rebind(struct sim_nat *nat, struct chance *chance)
{
    forget_all(nat);
    nat->rebound = true;
    draw_ports(nat, chance);
}
