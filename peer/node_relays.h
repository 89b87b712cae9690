/* node_relays.h - the allocations of a node at TURN servers. Part of node. */
#ifndef NODE_RELAYS_H
#define NODE_RELAYS_H

#include "node.h"

struct node_relays;
struct peer;

/* NULL: no memory. `random` outlives it. */
struct node_relays *node_relays_new(const char *user, const char *password, const struct random *random);
void node_relays_free(struct node_relays *relays);
bool node_relays_add(struct node_relays *relays, const struct node_turn *server);

/* Whether every server has given an address, or has failed to once. */
bool node_relays_are_settled(const struct node_relays *relays);
/* Whether it is a relayed address of ours. */
bool node_relays_have(const struct node_relays *relays, const struct addr *local);
/* Whether its server's stream takes no more for now. */
bool node_relays_are_full(const struct node_relays *relays, const struct addr *local);

/* ---- for node.c, with the node around it ---- */

/* Lets a peer's addresses reach us. */
void node_relays_permit(struct node *node, uint64_t now, struct peer *peer);
/* Our addresses have changed, or we slept: are the servers still there? `local` (may be NULL): only its. */
void node_relays_doubt(struct node *node, uint64_t now, const struct addr *local);
/* A datagram of a server: what was in it goes to the connections. False: not of a server. */
bool node_relays_input(struct node *node, uint64_t now, const struct packet *in);
/* What is to be said to servers. */
bool node_relays_output(struct node *node, uint64_t now, struct packet *out);
/* Wraps what leaves from a relayed address, in place. False: it is lost, as datagrams may be. */
bool node_relays_wrap(struct node *node, uint64_t now, struct packet *out, size_t capacity);
/* What is left of a buffer for a batch that is to be wrapped in it. */
size_t node_relays_room(size_t capacity);
bool node_relays_event(struct node *node, uint64_t now, struct node_event *event);
uint64_t node_relays_deadline(const struct node *node);
/* Gives all back; node_relays_have_left: all goodbyes are said. */
void node_relays_leave(struct node *node, uint64_t now);
bool node_relays_have_left(const struct node_relays *relays);

#endif
