/* world.c - an internet in memory: networks, NATs between them, delay, loss, and one virtual clock.
 *
 * A packet climbs from its network through the gateways until it finds one that knows its destination, and is
 * translated on the way as it leaves; it descends, and is filtered, when it arrives. */
#include "world.h"

#include "stun_msg.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct network {
    unsigned parent;
    bool has_nat;
    struct sim_nat nat;
};

struct host {
    struct world *world;
    unsigned network;
    const struct host_verbs *verbs;
    void *self;
    struct addr addresses[HOST_ADDRESSES_MAX];
    unsigned address_count;
    uint16_t port; /* 0: any */
    uint16_t extra_first;
    bool extra[HOST_EXTRA_MAX];
    bool on;
    uint64_t posted; /* when the last letter to it is due: letters keep their order */
    uint64_t due;    /* its deadline, as long as nothing has happened to it */
    bool stirred;    /* something has: ask it again */
};

/* Something that will arrive. */
struct parcel {
    uint64_t due, order;
    struct host *to;  /* of a letter; NULL: a datagram */
    unsigned network; /* where the datagram descends */
    struct addr source, destination;
    size_t len;
    uint8_t *data;
};

struct world {
    struct chance chance;
    struct weather weather;
    uint64_t now, order;
    struct network networks[NETWORKS_MAX];
    unsigned network_count;
    struct host hosts[HOSTS_MAX];
    unsigned host_count;
    struct parcel *heap; /* ordered by due, then by order of sending */
    size_t heap_len, heap_capacity;
    struct world_stats stats;
    bool trace;
};

struct world *world_new(uint64_t seed, const struct weather *weather)
{
    struct world *world = calloc(1, sizeof *world);
    assert(world);
    world->chance.state = seed;
    world->weather = *weather;
    world->now = NS_PER_S;
    world->network_count = 1;
    return world;
}

void world_free(struct world *world)
{
    if (!world)
        return;
    for (size_t i = 0; i < world->heap_len; i++)
        free(world->heap[i].data);
    free(world->heap);
    for (unsigned i = 0; i < world->network_count; i++)
        nat_free(&world->networks[i].nat);
    free(world);
}

struct chance *world_chance(struct world *world)
{
    return &world->chance;
}

uint64_t world_now(const struct world *world)
{
    return world->now;
}

struct weather *world_weather(struct world *world)
{
    return &world->weather;
}

const struct world_stats *world_stats(const struct world *world)
{
    return &world->stats;
}

unsigned world_network(struct world *world, unsigned parent, const struct nat_kind *behavior,
                       const struct addr *outside, uint64_t lifetime)
{
    assert(world->network_count < NETWORKS_MAX);
    struct network *network = &world->networks[world->network_count];
    *network = (struct network){.parent = parent, .has_nat = behavior != NULL};
    if (behavior)
        nat_init(&network->nat, behavior, outside, lifetime, &world->chance);
    return world->network_count++;
}

struct sim_nat *world_nat(struct world *world, unsigned network)
{
    return world->networks[network].has_nat ? &world->networks[network].nat : NULL;
}

struct host *world_host(struct world *world, unsigned network, const struct host_verbs *verbs, void *self)
{
    assert(world->host_count < HOSTS_MAX);
    struct host *host = &world->hosts[world->host_count++];
    *host = (struct host){.world = world, .network = network, .verbs = verbs, .self = self, .on = true};
    return host;
}

void host_add_address(struct host *host, const struct addr *address)
{
    assert(host->address_count < HOST_ADDRESSES_MAX);
    host->addresses[host->address_count++] = *address;
}

void host_set_address(struct host *host, unsigned index, const struct addr *address)
{
    host->addresses[index] = *address;
}

void host_set_port(struct host *host, uint16_t port)
{
    host->port = port;
}

void host_set_extra(struct host *host, uint16_t first, const bool *open)
{
    host->extra_first = first;
    memcpy(host->extra, open, sizeof host->extra);
}

uint16_t host_port(const struct host *host)
{
    return host->port;
}

size_t host_addresses(const struct host *host, struct addr *out)
{
    memcpy(out, host->addresses, host->address_count * sizeof *out);
    return host->address_count;
}

void host_set_on(struct host *host, bool on)
{
    host->on = on;
}

void world_set_trace(struct world *world, bool on)
{
    world->trace = on;
}

/* What a datagram is, in a few words; a transaction is known by the start of its id. */
static const char *protocol_of(const uint8_t *data, size_t len)
{
    static const char *const classes[] = {"request", "indication", "answer", "error"};
    static char text[40];
    struct stun_msg msg;
    if (!stun_is(data, len))
        return data[0] & 0x80 ? "QUIC long" : "QUIC";
    if (!stun_decode(&msg, data, len))
        return "broken STUN";
    snprintf(text, sizeof text, "STUN %s %02x%02x", classes[msg.class], msg.id[0], msg.id[1]);
    return text;
}

static void trace(const struct world *world, const char *what, const struct parcel *parcel,
                  const uint8_t *data, size_t len)
{
    char source[ADDR_TEXT_MAX], destination[ADDR_TEXT_MAX];
    if (world->trace && !parcel->to)
        printf("  %9.3f ms %-10s %22s > %-22s %4zu %s\n", (double)world->now / NS_PER_MS, what,
               addr_print(&parcel->source, source), addr_print(&parcel->destination, destination), len,
               protocol_of(data, len));
}

/* ---- the queue ---- */

static bool is_before(const struct parcel *a, const struct parcel *b)
{
    return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void heap_put(struct world *world, const struct parcel *parcel)
{
    if (world->heap_len == world->heap_capacity) {
        world->heap_capacity = world->heap_capacity ? world->heap_capacity * 2 : 256;
        world->heap = realloc(world->heap, world->heap_capacity * sizeof *world->heap);
        assert(world->heap);
    }
    size_t at = world->heap_len++;
    while (at && is_before(parcel, &world->heap[(at - 1) / 2])) {
        world->heap[at] = world->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    world->heap[at] = *parcel;
}

static struct parcel heap_take(struct world *world)
{
    struct parcel first = world->heap[0], last = world->heap[--world->heap_len];
    size_t at = 0, child;
    while ((child = at * 2 + 1) < world->heap_len) {
        if (child + 1 < world->heap_len && is_before(&world->heap[child + 1], &world->heap[child]))
            child++;
        if (!is_before(&world->heap[child], &last))
            break;
        world->heap[at] = world->heap[child];
        at = child;
    }
    if (world->heap_len)
        world->heap[at] = last;
    return first;
}

static void enqueue(struct world *world, struct parcel *parcel, const void *data, size_t len)
{
    parcel->order = world->order++;
    parcel->len = len;
    parcel->data = malloc(len ? len : 1);
    assert(parcel->data);
    if (len)
        memcpy(parcel->data, data, len);
    heap_put(world, parcel);
}

/* ---- the way of a packet ---- */

static bool listens(const struct host *host, uint16_t port)
{
    unsigned extra = (unsigned)port - host->extra_first;
    return !host->port || host->port == port || (extra < HOST_EXTRA_MAX && host->extra[extra]);
}

static bool host_has(const struct host *host, const struct addr *address)
{
    for (unsigned k = 0; k < host->address_count; k++)
        if (addr_equal_ip(&host->addresses[k], address))
            return listens(host, address->port);
    return false;
}

static struct host *host_in(struct world *world, unsigned network, const struct addr *address)
{
    for (unsigned i = 0; i < world->host_count; i++)
        if (world->hosts[i].network == network && host_has(&world->hosts[i], address))
            return &world->hosts[i];
    return NULL;
}

static bool is_below(const struct world *world, unsigned network, unsigned above)
{
    while (network && network != above)
        network = world->networks[network].parent;
    return network == above;
}

/* Whether `network` leads to `ip` downwards: a NAT's outside, or a host behind what does not translate. */
static bool leads_to(struct world *world, unsigned network, const struct addr *ip)
{
    const struct network *n = &world->networks[network];
    if (n->has_nat && !n->nat.behavior->firewall && ip->family == 4)
        return addr_equal_ip(&n->nat.outside, ip);
    for (unsigned inner = 1; inner < world->network_count; inner++)
        if (is_below(world, inner, network) && host_in(world, inner, ip))
            return true;
    return false;
}

static unsigned child_for(struct world *world, unsigned network, const struct addr *ip)
{
    for (unsigned child = 1; child < world->network_count; child++)
        if (world->networks[child].parent == network && leads_to(world, child, ip))
            return child;
    return 0;
}

static void descend(struct world *world, unsigned network, struct parcel *parcel)
{
    for (;;) {
        struct host *host = host_in(world, network, &parcel->destination);
        if (host) {
            struct packet in = {.local = parcel->destination,
                                .remote = parcel->source,
                                .data = parcel->data,
                                .len = parcel->len};
            world->stats.delivered += host->on;
            trace(world, "arrives", parcel, parcel->data, parcel->len);
            host->stirred = true;
            if (host->on)
                host->verbs->packet(host->self, world->now, &in);
            return;
        }
        unsigned child = child_for(world, network, &parcel->destination);
        struct network *below = &world->networks[child];
        if (!child || (below->has_nat &&
                       !nat_inbound(&below->nat, world->now, &parcel->source, &parcel->destination))) {
            trace(world, "filtered", parcel, parcel->data, parcel->len);
            world->stats.filtered += child != 0;
            world->stats.unroutable += child == 0;
            return;
        }
        network = child;
    }
}

/* Climbs until a network knows the destination; false: lost on the way, which a packet with `ttl` hops is
 * where they end. */
static bool climb(struct world *world, unsigned *network, struct parcel *parcel, unsigned ttl)
{
    while (!host_in(world, *network, &parcel->destination) &&
           !child_for(world, *network, &parcel->destination)) {
        struct network *n = &world->networks[*network];
        if (*network == 0 || ttl-- <= 1)
            return false;
        if (n->has_nat) {
            bool own = addr_equal_ip(&n->nat.outside, &parcel->destination);
            if (!nat_outbound(&n->nat, world->now, &parcel->source, &parcel->destination, &world->chance) ||
                (own && !n->nat.behavior->hairpin))
                return false;
        }
        *network = n->parent;
    }
    return *network != 0 || ttl > INTERNET_HOPS;
}

static void send_one(struct host *host, const struct packet *out, const uint8_t *data, size_t len)
{
    struct world *world = host->world;
    struct parcel parcel = {.source = out->local, .destination = out->remote};
    unsigned network = host->network, copies = 1;
    if (parcel.source.family == 0)
        for (unsigned i = 0; i < host->address_count && parcel.source.family == 0; i++)
            if (host->addresses[i].family == out->remote.family)
                parcel.source = host->addresses[i];
    world->stats.sent++;
    trace(world, "leaves", &parcel, data, len);
    if (!climb(world, &network, &parcel, out->ttl ? out->ttl : 64)) {
        trace(world, "unroutable", &parcel, data, len);
        world->stats.unroutable++;
        return;
    }
    bool local = network == host->network && network != 0;
    if (!local && chance_percent(&world->chance, world->weather.loss)) {
        trace(world, "lost", &parcel, data, len);
        world->stats.lost++;
        return;
    }
    if (!local && chance_percent(&world->chance, world->weather.duplicate))
        copies = 2;
    parcel.network = network;
    while (copies--) {
        uint64_t delay = world->weather.delay + chance_below(&world->chance, world->weather.jitter);
        parcel.due = world->now + (local ? LAN_DELAY : delay);
        enqueue(world, &parcel, data, len);
    }
}

void host_send(struct host *host, const struct packet *out)
{
    size_t segment = out->segment ? out->segment : out->len;
    for (size_t at = 0; at < out->len; at += segment)
        send_one(host, out, out->data + at, out->len - at < segment ? out->len - at : segment);
}

void host_post(struct host *from, struct host *to, uint64_t delay, const void *data, size_t len)
{
    struct world *world = from->world;
    struct parcel parcel = {.to = to, .due = world->now + delay};
    if (parcel.due < to->posted)
        parcel.due = to->posted;
    to->posted = parcel.due;
    enqueue(world, &parcel, data, len);
}

/* ---- time ---- */

static struct host *next_host(struct world *world, uint64_t *deadline)
{
    struct host *next = NULL;
    *deadline = NEVER;
    for (unsigned i = 0; i < world->host_count; i++) {
        struct host *host = &world->hosts[i];
        if (host->stirred)
            host->due = host->on && host->verbs->deadline ? host->verbs->deadline(host->self) : NEVER;
        host->stirred = false;
        if (host->due < *deadline) {
            *deadline = host->due;
            next = host;
        }
    }
    return next;
}

static void arrive(struct world *world)
{
    struct parcel parcel = heap_take(world);
    if (parcel.due > world->now)
        world->now = parcel.due;
    if (parcel.to)
        parcel.to->stirred = true;
    if (!parcel.to)
        descend(world, parcel.network, &parcel);
    else if (parcel.to->on)
        parcel.to->verbs->letter(parcel.to->self, world->now, parcel.data, parcel.len);
    free(parcel.data);
}

bool world_run(struct world *world, uint64_t until, bool (*done)(void *self), void *self)
{
    for (unsigned i = 0; i < world->host_count; i++)
        world->hosts[i].stirred = true; /* the story may have moved anybody meanwhile */
    while (!done || !done(self)) {
        uint64_t deadline;
        struct host *host = next_host(world, &deadline);
        uint64_t arrival = world->heap_len ? world->heap[0].due : NEVER;
        if (deadline > until && arrival > until) {
            world->now = until;
            return false;
        }
        if (arrival <= deadline) {
            arrive(world);
            continue;
        }
        if (deadline > world->now)
            world->now = deadline;
        host->stirred = true;
        host->verbs->time(host->self, world->now);
    }
    return true;
}
