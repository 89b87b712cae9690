/* world.h - an internet in memory: networks, NATs between them, delay, loss, and one virtual clock. */
#ifndef WORLD_H
#define WORLD_H

#include "packet.h"
#include "sim_nat.h"

enum { NETWORKS_MAX = 72, HOSTS_MAX = 208, HOST_ADDRESSES_MAX = 4, HOST_EXTRA_MAX = 1024 };

/* How the internet treats a packet. A local network loses nothing and takes LAN_DELAY. */
struct weather {
    unsigned loss, duplicate; /* percent */
    uint64_t delay, jitter;   /* one way, ns: between delay and delay + jitter, so jitter reorders */
};

#define LAN_DELAY (NS_PER_MS / 5)

enum { INTERNET_HOPS = 8 /* routers between two gateways */ };

struct world;
struct host;

/* What a host does with a datagram, or when its letter arrives or its time has come. */
struct host_verbs {
    void (*packet)(void *self, uint64_t now, const struct packet *in);
    void (*letter)(void *self, uint64_t now, const void *data, size_t len); /* over the broker */
    void (*time)(void *self, uint64_t now);
    uint64_t (*deadline)(void *self);
};

struct world *world_new(uint64_t seed, const struct weather *weather);
void world_free(struct world *world);
struct chance *world_chance(struct world *world);
uint64_t world_now(const struct world *world);
struct weather *world_weather(struct world *world); /* may be changed on the way */

/* Prints every datagram and what becomes of it. */
void world_set_trace(struct world *world, bool on);

/* A network behind a gateway into `parent`; network 0 is the internet. `behavior` NULL: plain routing of
 * everything. */
unsigned world_network(struct world *world, unsigned parent, const struct nat_kind *behavior,
                       const struct addr *outside, uint64_t lifetime);
struct sim_nat *world_nat(struct world *world, unsigned network);
struct host *world_host(struct world *world, unsigned network, const struct host_verbs *verbs, void *self);
/* Another address of a host in its network (port 0). */
void host_add_address(struct host *host, const struct addr *address);
void host_set_address(struct host *host, unsigned index, const struct addr *address);
/* Programs of one machine share its addresses: then the port says whose a packet is (0, the default: any). */
void host_set_port(struct host *host, uint16_t port);
uint16_t host_port(const struct host *host);
/* Further ports of the program, from `first` on: whether each of HOST_EXTRA_MAX is open. */
void host_set_extra(struct host *host, uint16_t first, const bool *open);
size_t host_addresses(const struct host *host, struct addr *out);
/* Off: it neither hears nor is asked (a killed or sleeping machine). */
void host_set_on(struct host *host, bool on);

/* A datagram leaves; `out->data` is copied. */
void host_send(struct host *host, const struct packet *out);
/* Bytes for another host that no NAT sees: the broker's. In order, never lost, after `delay`. */
void host_post(struct host *from, struct host *to, uint64_t delay, const void *data, size_t len);

/* Goes on until `until`, or until done(self) is true; returns whether it was. */
bool world_run(struct world *world, uint64_t until, bool (*done)(void *self), void *self);

struct world_stats {
    uint64_t sent, lost, filtered, unroutable, delivered;
};
const struct world_stats *world_stats(const struct world *world);

#endif
