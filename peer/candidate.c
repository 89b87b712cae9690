/* candidate.c - addresses at which a peer may be reached: kinds, priorities, foundations (RFC 8445 5.1).
 *
 * Left out: components. There is one, so the last byte of every priority is 255 (256 - component id 1). */
#include "candidate.h"
#include <stdio.h>
#include <string.h>

/* RFC 8445 5.1.2.2 recommends 126, 110, 100 and 0. A mapped port is as direct as a host address, but passes
 * through the router: below host, above everything that needs a hole (RFC 8445 allows any value up to 126).
 */
static uint32_t type_preference(enum candidate_kind kind)
{
    switch (kind) {
    case CANDIDATE_HOST:
        return 126;
    case CANDIDATE_MAPPED:
        return 120;
    case CANDIDATE_PRFLX:
        return 110;
    case CANDIDATE_SRFLX:
        return 100;
    case CANDIDATE_RELAY:
        return 0;
    }
    return 0;
}

/* The wider an address is routed, the likelier it is that it reaches; loopback, where it is allowed at all,
 * always does. */
static uint32_t scope_preference(const struct addr *base)
{
    switch (addr_scope(base)) {
    case ADDR_LOOPBACK:
        return 5;
    case ADDR_GLOBAL:
        return 4;
    case ADDR_SHARED:
        return 3;
    case ADDR_PRIVATE:
        return 2;
    case ADDR_LINK_LOCAL:
        return 1;
    case ADDR_NONE:
        return 0;
    }
    return 0;
}

/* 16 bits, from the most significant: not a bridge, scope, IPv6, which of the interfaces. IPv6 goes before
 * IPv4 inside one scope only: a link-local IPv6 address says less about being reachable than a global IPv4
 * one (RFC 8421 4). */
static uint32_t local_preference(const struct addr *base, enum candidate_rank rank, unsigned index)
{
    uint32_t last = index < 255 ? 255 - (uint32_t)index : 0;
    return (uint32_t)(rank == RANK_NORMAL) << 15 | scope_preference(base) << 12 |
           (uint32_t)(base->family == 6) << 11 | last;
}

uint32_t candidate_priority(enum candidate_kind kind, const struct addr *base, enum candidate_rank rank,
                            unsigned index)
{
    return type_preference(kind) << 24 | local_preference(base, rank, index) << 8 | 255;
}

/* FNV-1a, 64 bits: spreads well, needs no key; a chance hit costs nothing but a name that two candidates
 * share. */
static uint64_t mix(uint64_t hash, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t mix_ip(uint64_t hash, const struct addr *addr)
{
    hash = mix(hash, &addr->family, sizeof addr->family);
    return mix(hash, addr->ip, sizeof addr->ip);
}

void candidate_foundation(struct candidate *candidate)
{
    uint8_t kind = (uint8_t)candidate->kind;
    uint64_t hash = mix(UINT64_C(0xcbf29ce484222325), &kind, sizeof kind);
    hash = mix_ip(hash, &candidate->base);
    hash = mix_ip(hash, &candidate->server);
    snprintf(candidate->foundation, sizeof candidate->foundation, "%016llx", (unsigned long long)hash);
}

bool candidate_relay_reaches(const struct addr *relayed, const struct addr *remote)
{
    enum addr_scope there = addr_scope(remote);
    return relayed->family == remote->family && addr_is_usable(remote) && there != ADDR_LINK_LOCAL &&
           (there == ADDR_GLOBAL || addr_scope(relayed) != ADDR_GLOBAL);
}

void candidate_to_wire(struct wire_candidate *wire, const struct candidate *candidate)
{
    *wire = (struct wire_candidate){
        .kind = candidate->kind, .address = candidate->address, .priority = candidate->priority};
    wire->address.scope = 0;
    snprintf(wire->foundation, sizeof wire->foundation, "%s", candidate->foundation);
}
