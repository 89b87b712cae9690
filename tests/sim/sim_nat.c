/* sim_nat.c - a NAT or firewall in memory, by the behaviours of RFC 4787. */
#include "sim_nat.h"

enum { FIRST_PORT = 20000, PORTS = 40000 };

void nat_init(struct sim_nat *nat, const struct nat_kind *behavior, const struct addr *outside,
              uint64_t lifetime, struct chance *chance)
{
    *nat = (struct sim_nat){.behavior = behavior, .outside = *outside, .lifetime = lifetime};
    nat->next_port = (uint16_t)(FIRST_PORT + chance_below(chance, PORTS));
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

static void expire(struct sim_nat *nat, uint64_t now)
{
    size_t kept = 0;
    for (size_t i = 0; i < nat->count; i++) {
        if (now - nat->mappings[i].used > nat->lifetime)
            continue;
        if (kept != i)
            nat->mappings[kept] = nat->mappings[i];
        kept++;
    }
    nat->count = kept;
}

/* IPv6 is filtered only: nobody runs out of its addresses. */
static bool translates(const struct sim_nat *nat, const struct addr *address)
{
    return !nat->behavior->firewall && address->family == 4;
}

static bool port_taken(const struct sim_nat *nat, const struct addr *outer)
{
    for (size_t i = 0; i < nat->count; i++)
        if (addr_equal(&nat->mappings[i].outer, outer))
            return true;
    return false;
}

static struct addr choose_outer(struct sim_nat *nat, const struct addr *inner, struct chance *chance)
{
    struct addr outer = nat->outside;
    if (!translates(nat, inner))
        return *inner;
    outer.port = nat->behavior->ports == NAT_PRESERVE && !nat->rebound ? inner->port : 0;
    while (outer.port == 0 || port_taken(nat, &outer)) {
        if (nat->behavior->ports == NAT_SEQUENTIAL)
            outer.port = nat->next_port++;
        else
            outer.port = (uint16_t)(FIRST_PORT + chance_below(chance, PORTS));
    }
    return outer;
}

static void permit(struct sim_nat *nat, struct sim_mapping *mapping, const struct addr *destination)
{
    struct addr allowed = part_of(destination, nat->behavior->filtering);
    for (size_t i = 0; i < mapping->permit_count; i++)
        if (addr_equal(&mapping->permits[i], &allowed))
            return;
    if (mapping->permit_count < NAT_PERMITS_MAX)
        mapping->permits[mapping->permit_count++] = allowed;
}

bool nat_outbound(struct sim_nat *nat, uint64_t now, struct addr *source, const struct addr *destination,
                  struct chance *chance)
{
    struct addr towards = part_of(destination, nat->behavior->mapping);
    expire(nat, now);
    size_t i = 0;
    while (i < nat->count &&
           !(addr_equal(&nat->mappings[i].inner, source) && addr_equal(&nat->mappings[i].towards, &towards)))
        i++;
    if (i == NAT_MAPPINGS_MAX)
        return false;
    struct sim_mapping *mapping = &nat->mappings[i];
    if (i == nat->count) {
        struct addr outer = choose_outer(nat, source, chance);
        *mapping = (struct sim_mapping){.inner = *source, .outer = outer, .towards = towards};
        nat->count++;
    }
    mapping->used = now;
    permit(nat, mapping, destination);
    *source = mapping->outer;
    return true;
}

bool nat_inbound(struct sim_nat *nat, uint64_t now, const struct addr *source, struct addr *destination)
{
    struct addr from = part_of(source, nat->behavior->filtering);
    expire(nat, now);
    for (size_t i = 0; i < nat->count; i++) {
        struct sim_mapping *mapping = &nat->mappings[i];
        if (!addr_equal(&mapping->outer, destination))
            continue;
        for (size_t k = 0; k < mapping->permit_count; k++)
            if (addr_equal(&mapping->permits[k], &from)) {
                mapping->used = now;
                *destination = mapping->inner;
                return true;
            }
    }
    return false;
}

void nat_rebind(struct sim_nat *nat, struct chance *chance)
{
    nat->count = 0;
    nat->rebound = true;
    nat->next_port = (uint16_t)(FIRST_PORT + chance_below(chance, PORTS));
}
