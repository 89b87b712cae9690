/* node_addresses.h - what a node can offer: its own addresses and what STUN servers saw of them. */
#ifndef NODE_ADDRESSES_H
#define NODE_ADDRESSES_H

#include "node.h"
#include "stun_client.h"

/* A candidate and when it was found: whoever has been told up to serial N needs only those above. */
struct offer {
    struct candidate candidate;
    uint32_t serial;
    bool hidden;         /* to send from, not to be told anybody */
    bool announced;      /* as an event */
    struct addr seen_by; /* a mapped port that a STUN server sees us at too: which one; else family 0 */
};

struct node_addresses {
    unsigned paths; /* PATH_BIT set: decides what may be offered at all */
    struct node_address own[NODE_ADDRESSES_MAX];
    size_t own_count;
    struct offer offers[ICE_LOCALS_MAX];
    size_t offer_count;
    uint32_t serial; /* of the newest offer */
};

/* Takes the addresses as they are now; offers whose base is gone are forgotten. `gone` (NODE_ADDRESSES_MAX
 * entries) gets the addresses that are no longer there; returns how many. */
size_t node_addresses_set(struct node_addresses *addresses, const struct node_address *now_own, size_t count,
                          struct addr *gone);
/* A server saw us: a new offer, or a changed one, unless it is worth nothing. */
void node_addresses_mapped(struct node_addresses *addresses, const struct stun_client_event *event);
/* A gateway has opened a port (MAPPED, one a base), or it is no longer open. What is our own address outside
 * too (a firewall's hole) is offered as that. */
void node_addresses_opened(struct node_addresses *addresses, const struct addr *local,
                           const struct addr *external, const struct addr *gateway);
void node_addresses_closed(struct node_addresses *addresses, const struct addr *local);
bool node_addresses_has_mapping(const struct node_addresses *addresses, const struct addr *local);
/* A TURN server relays for us from here: a new offer; and that is over. */
void node_addresses_relayed(struct node_addresses *addresses, const struct addr *relayed,
                            const struct addr *server);
void node_addresses_unrelayed(struct node_addresses *addresses, const struct addr *relayed);
/* The addresses alone; returns how many were written. */
size_t node_addresses_list(const struct node_addresses *addresses, struct addr *out);
/* UDP payload that the interface of `local` takes, bytes; 0: unknown, or nothing to worry about. */
size_t node_addresses_payload(const struct node_addresses *addresses, const struct addr *local);
/* At most `max` of the offers with a serial above `since`, the most promising first. */
size_t node_addresses_offers(const struct node_addresses *addresses, uint32_t since,
                             struct wire_candidate *out, size_t max);
/* The next offer that has not been announced, which then is; NULL: none. */
const struct candidate *node_addresses_announce(struct node_addresses *addresses);

/* Whether the internet reaches it only if the gateway opens a port: a private one, or one behind what may be
 * an IPv6 firewall. Others need no help, or none can be had. */
bool node_address_is_worth_mapping(const struct node_address *own);

#endif
