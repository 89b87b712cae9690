/* node_addresses.c - what a node can offer: its own addresses and what STUN servers saw of them. */
#include "node_addresses.h"

#include <string.h>

enum { IPV4_HEADERS = 20 + 8, IPV6_HEADERS = 40 + 8 }; /* bytes of IP and UDP headers */

static const struct node_address *own_find(const struct node_address *list, size_t count,
                                           const struct addr *address)
{
    for (size_t i = 0; i < count; i++)
        if (addr_equal(&list[i].address, address))
            return &list[i];
    return NULL;
}

/* What is not allowed is not offered: each address only where the kind of path that it can be the end of may
 * be used (path_classify). On one machine loopback is enough, so host paths tell nobody else's network. */
static bool may_offer(const struct node_addresses *addresses, const struct addr *address)
{
    switch (addr_scope(address)) {
    case ADDR_NONE:
        return false;
    case ADDR_LOOPBACK:
        return addresses->paths & PATH_BIT(PATH_HOST);
    case ADDR_LINK_LOCAL:
    case ADDR_PRIVATE:
    case ADDR_SHARED:
        return addresses->paths & PATH_BIT(PATH_LAN);
    case ADDR_GLOBAL:
        return addresses->paths & PATH_BIT(PATH_DIRECT);
    }
    return false;
}

/* A private address is where direct packets leave from too, whatever the peer is told of it. */
static bool may_send_from(const struct node_addresses *addresses, const struct addr *address)
{
    enum addr_scope scope = addr_scope(address);
    return (scope == ADDR_PRIVATE || scope == ADDR_SHARED) && addresses->paths & PATH_BIT(PATH_DIRECT);
}

static struct offer *offer_find(struct node_addresses *addresses, const struct addr *address,
                                const struct addr *base)
{
    for (size_t i = 0; i < addresses->offer_count; i++) {
        const struct candidate *c = &addresses->offers[i].candidate;
        if (addr_equal(&c->address, address) && addr_equal(&c->base, base))
            return &addresses->offers[i];
    }
    return NULL;
}

static struct offer *offer_put(struct node_addresses *addresses, struct offer *offer,
                               const struct candidate *candidate)
{
    if (!offer) {
        if (addresses->offer_count == ICE_LOCALS_MAX)
            return NULL;
        offer = &addresses->offers[addresses->offer_count++];
    }
    *offer = (struct offer){.candidate = *candidate, .serial = ++addresses->serial};
    candidate_foundation(&offer->candidate);
    return offer;
}

static void offer_host(struct node_addresses *addresses, const struct node_address *own, unsigned index)
{
    struct candidate host = {.kind = CANDIDATE_HOST, .address = own->address, .base = own->address};
    bool hidden = !may_offer(addresses, &own->address);
    if ((hidden && !may_send_from(addresses, &own->address)) ||
        offer_find(addresses, &own->address, &own->address))
        return;
    host.priority = candidate_priority(CANDIDATE_HOST, &own->address, own->rank, index);
    struct offer *offer = offer_put(addresses, NULL, &host);
    if (offer)
        offer->hidden = offer->announced = hidden;
}

static void forget_base(struct node_addresses *addresses, const struct addr *base)
{
    size_t kept = 0;
    for (size_t i = 0; i < addresses->offer_count; i++)
        if (!addr_equal(&addresses->offers[i].candidate.base, base))
            addresses->offers[kept++] = addresses->offers[i];
    addresses->offer_count = kept;
}

size_t node_addresses_set(struct node_addresses *addresses, const struct node_address *now_own, size_t count,
                          struct addr *gone)
{
    size_t gone_count = 0;
    if (count > NODE_ADDRESSES_MAX)
        count = NODE_ADDRESSES_MAX;
    for (size_t i = 0; i < addresses->own_count; i++) {
        const struct addr *old = &addresses->own[i].address;
        if (own_find(now_own, count, old))
            continue;
        gone[gone_count++] = *old;
        forget_base(addresses, old);
    }
    memcpy(addresses->own, now_own, count * sizeof *now_own);
    addresses->own_count = count;
    for (size_t i = 0; i < count; i++)
        offer_host(addresses, &now_own[i], (unsigned)i);
    return gone_count;
}

/* The offer that this server made before for the same socket. */
static struct offer *offer_of(struct node_addresses *addresses, const struct stun_client_event *event)
{
    for (size_t i = 0; i < addresses->offer_count; i++) {
        const struct candidate *c = &addresses->offers[i].candidate;
        if (c->kind == CANDIDATE_SRFLX && addr_equal(&c->base, &event->local) &&
            addr_equal(&c->server, &event->server))
            return &addresses->offers[i];
    }
    return NULL;
}

void node_addresses_mapped(struct node_addresses *addresses, const struct stun_client_event *event)
{
    const struct node_address *own = own_find(addresses->own, addresses->own_count, &event->local);
    bool worth = event->doubt == STUN_CREDIBLE || event->doubt == STUN_NOT_PUBLIC;
    if (!own || !worth || !(addresses->paths & PATH_BIT(PATH_DIRECT)))
        return;
    struct offer *same = offer_find(addresses, &event->mapped, &event->local);
    if (same && same->candidate.kind == CANDIDATE_MAPPED)
        same->seen_by = event->server;
    if (same)
        return;
    struct candidate srflx = {
        .kind = CANDIDATE_SRFLX, .address = event->mapped, .base = event->local, .server = event->server};
    srflx.priority =
        candidate_priority(CANDIDATE_SRFLX, &event->local, own->rank, (unsigned)(own - addresses->own));
    offer_put(addresses, offer_of(addresses, event), &srflx);
}

/* ---- ports that a gateway has opened ---- */

static struct offer *mapping_of(struct node_addresses *addresses, const struct addr *local)
{
    for (size_t i = 0; i < addresses->offer_count; i++)
        if (addresses->offers[i].candidate.kind == CANDIDATE_MAPPED &&
            addr_equal(&addresses->offers[i].candidate.base, local))
            return &addresses->offers[i];
    return NULL;
}

static uint32_t priority_of(const struct node_addresses *addresses, enum candidate_kind kind,
                            const struct node_address *own)
{
    return candidate_priority(kind, &own->address, own->rank, (unsigned)(own - addresses->own));
}

/* What a STUN server saw at the very same address gives up its place. */
void node_addresses_opened(struct node_addresses *addresses, const struct addr *local,
                           const struct addr *external, const struct addr *gateway)
{
    const struct node_address *own = own_find(addresses->own, addresses->own_count, local);
    struct offer *same = offer_find(addresses, external, local), *before = mapping_of(addresses, local);
    if (!own || !(addresses->paths & PATH_BIT(PATH_DIRECT)) ||
        (same && same->candidate.kind != CANDIDATE_SRFLX))
        return;
    struct addr seen_by = same ? same->candidate.server : (struct addr){0};
    struct candidate mapped = {
        .kind = CANDIDATE_MAPPED, .address = *external, .base = *local, .server = *gateway};
    mapped.priority = priority_of(addresses, CANDIDATE_MAPPED, own);
    struct offer *offer = offer_put(addresses, same ? same : before, &mapped);
    if (offer)
        offer->seen_by = seen_by;
    if (same && before)
        *before = addresses->offers[--addresses->offer_count];
}

void node_addresses_closed(struct node_addresses *addresses, const struct addr *local)
{
    const struct node_address *own = own_find(addresses->own, addresses->own_count, local);
    struct offer *offer = mapping_of(addresses, local);
    if (!offer)
        return;
    if (!own || !offer->seen_by.family) {
        *offer = addresses->offers[--addresses->offer_count];
        return;
    }
    struct candidate srflx = offer->candidate;
    srflx.kind = CANDIDATE_SRFLX;
    srflx.server = offer->seen_by;
    srflx.priority = priority_of(addresses, CANDIDATE_SRFLX, own);
    offer_put(addresses, offer, &srflx);
}

bool node_addresses_has_mapping(const struct node_addresses *addresses, const struct addr *local)
{
    for (size_t i = 0; i < addresses->offer_count; i++)
        if (addresses->offers[i].candidate.kind == CANDIDATE_MAPPED &&
            addr_equal(&addresses->offers[i].candidate.base, local))
            return true;
    return false;
}

/* Reachable by few: a bridge's address, a link-local one, loopback. RFC 8445's priority puts them before what
 * a server saw of us, but where not all can be offered it is they that must stay behind. */
static bool is_weak(const struct node_addresses *addresses, const struct candidate *candidate)
{
    enum addr_scope scope = addr_scope(&candidate->address);
    const struct node_address *own = own_find(addresses->own, addresses->own_count, &candidate->base);
    bool bridge = own && own->rank == RANK_BRIDGE;
    return candidate->kind == CANDIDATE_HOST &&
           (bridge || scope == ADDR_LINK_LOCAL || scope == ADDR_LOOPBACK);
}

static bool is_before(const struct node_addresses *addresses, const struct candidate *a,
                      const struct candidate *b)
{
    bool weak_a = is_weak(addresses, a), weak_b = is_weak(addresses, b);
    return weak_a != weak_b ? weak_b : a->priority > b->priority;
}

/* Where the table is full of addresses, one that few can reach gives way: without a relay some reach nobody.
 */
static struct offer *relay_place(struct node_addresses *addresses)
{
    if (addresses->offer_count < ICE_LOCALS_MAX)
        return NULL;
    struct offer *least = &addresses->offers[0];
    for (size_t i = 1; i < addresses->offer_count; i++)
        if (is_before(addresses, &least->candidate, &addresses->offers[i].candidate))
            least = &addresses->offers[i];
    return least;
}

void node_addresses_relayed(struct node_addresses *addresses, const struct addr *relayed,
                            const struct addr *server)
{
    struct candidate relay = {
        .kind = CANDIDATE_RELAY, .address = *relayed, .base = *relayed, .server = *server};
    if (!(addresses->paths & PATH_BIT(PATH_TURN)) || offer_find(addresses, relayed, relayed))
        return;
    relay.priority = candidate_priority(CANDIDATE_RELAY, relayed, RANK_NORMAL, 0);
    offer_put(addresses, relay_place(addresses), &relay);
}

void node_addresses_unrelayed(struct node_addresses *addresses, const struct addr *relayed)
{
    forget_base(addresses, relayed);
}

size_t node_addresses_list(const struct node_addresses *addresses, struct addr *out)
{
    for (size_t i = 0; i < addresses->own_count; i++)
        out[i] = addresses->own[i].address;
    return addresses->own_count;
}

size_t node_addresses_payload(const struct node_addresses *addresses, const struct addr *local)
{
    const struct node_address *own = own_find(addresses->own, addresses->own_count, local);
    if (!own || !own->mtu)
        return 0;
    return own->mtu - (local->family == 6 ? IPV6_HEADERS : IPV4_HEADERS);
}

size_t node_addresses_offers(const struct node_addresses *addresses, uint32_t since,
                             struct wire_candidate *out, size_t max)
{
    const struct candidate *best[ICE_LOCALS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < addresses->offer_count; i++) {
        const struct candidate *c = &addresses->offers[i].candidate;
        if (addresses->offers[i].hidden || addresses->offers[i].serial <= since)
            continue;
        size_t at = count++;
        for (; at && is_before(addresses, c, best[at - 1]); at--)
            best[at] = best[at - 1];
        best[at] = c;
    }
    if (count > max)
        count = max;
    for (size_t i = 0; i < count; i++)
        candidate_to_wire(&out[i], best[i]);
    return count;
}

const struct candidate *node_addresses_announce(struct node_addresses *addresses)
{
    for (size_t i = 0; i < addresses->offer_count; i++)
        if (!addresses->offers[i].announced) {
            addresses->offers[i].announced = true;
            return &addresses->offers[i].candidate;
        }
    return NULL;
}

bool node_address_is_worth_mapping(const struct node_address *own)
{
    enum addr_scope scope = addr_scope(&own->address);
    if (own->gateway.family != own->address.family)
        return false;
    return own->address.family == 4 ? scope == ADDR_PRIVATE || scope == ADDR_SHARED : scope == ADDR_GLOBAL;
}
