/* node_relay.h - what node_relays.c and node_relay.c share: the TURN servers of a node, and one of them. */
#ifndef NODE_RELAY_H
#define NODE_RELAY_H

#include "node_state.h"
#include "turn_client.h"

enum relay_state {
    RELAY_IDLE,    /* until retry_at */
    RELAY_OPENING, /* the stream is asked for, until retry_at */
    RELAY_ACTIVE,  /* there is a client */
    RELAY_LEFT,
};

struct relay {
    char name[NODE_TURN_NAME_MAX];
    struct addr addresses[NODE_TURN_ADDRESSES_MAX];
    size_t count, next, tried; /* of them; in turn; without success since one worked */
    bool stream, may_move;
    enum relay_state state;
    struct addr server, local;
    struct turn_client *client;
    struct addr relayed[TURN_RELAYED_MAX];
    unsigned relayed_count;
    uint64_t retry_at, since;
    unsigned failures;
    bool settled, full;
    bool opens, closes, troubled; /* events to be pulled */
    bool complained;              /* since it worked last */
    const char *trouble;
    char trouble_text[96];
};

struct node_relays {
    struct relay list[NODE_TURN_MAX];
    size_t count;
    char *user, *password;
    const struct random *random;
    bool leaving;
    char text[NODE_TURN_NAME_MAX + 160];
};

#define EACH_RELAY(relays, relay)                                      \
    for (struct relay *relay = ((struct node_relays *)(relays))->list; \
         relay < (relays)->list + (relays)->count; relay++)

/* Tries the server's next address that can be reached, or gives up for a while. */
void node_relay_attempt(struct node *node, uint64_t now, struct relay *relay);
/* The way to the server is open: asks it for an allocation. */
void node_relay_start(struct node *node, uint64_t now, struct relay *relay);
/* This address did not help; when none did, `trouble` (which must last) is told. */
void node_relay_try_next(struct node *node, uint64_t now, struct relay *relay, const char *trouble);
/* The allocation, or the attempt at one, is over: event->failure and ->text say how. */
void node_relay_failed(struct node *node, uint64_t now, struct relay *relay, const struct turn_event *event);
/* Does what its client has to tell. */
void node_relay_hear(struct node *node, uint64_t now, struct relay *relay);

#endif
