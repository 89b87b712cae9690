/* networks.h - two networks drawn by chance from every behaviour that the simulator has. */
#ifndef NETWORKS_H
#define NETWORKS_H

#include "sim_nat.h"

/* What a person would call them; each is as likely as any other. */
enum network_class {
    NETWORK_OPEN,    /* no translation: the internet itself, or behind a firewall */
    NETWORK_EASY,    /* one port for every destination */
    NETWORK_COUNTS,  /* another for every destination: the next one */
    NETWORK_BLOCK,   /* ... one of a carrier's block */
    NETWORK_RANDOM,  /* ... any */
    NETWORK_BLOCKED, /* no datagram gets out */
    NETWORK_CLASSES
};

struct network_drawn {
    enum network_class class;
    bool has_gateway, has_carrier;
    struct nat_kind gateway, carrier; /* the carrier's is between the gateway and the internet */
};

struct networks {
    struct network_drawn pair[2];
    bool one_carrier; /* both homes are behind the carrier of the first */
};

/* "open", "easy", ... */
const char *network_class_name(enum network_class class);
struct networks networks_draw(struct chance *chance);
/* Whether the two must find a direct path without guessing any port. */
bool networks_can_connect(const struct networks *networks);
/* Whether one remembers strangers' packets and the other lets in by port: who knocks first decides. */
bool networks_are_delicate(const struct networks *networks);
/* The gateways in words, for whoever replays a run. */
void network_describe(const struct network_drawn *network, char *text, size_t size);

#endif
