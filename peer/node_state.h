/* node_state.h - what a node knows, for the files that are the node: node.c (its verbs), node_places.c (who
 * gets a place), node_sockets.c (many sockets for hard NATs), node_offer.c (what peers are told of our
 * addresses), node_doubt.c (a path is in doubt) and node_meet.c (whom rendezvous has met). */
#ifndef NODE_STATE_H
#define NODE_STATE_H

#include "node.h"

#include "label.h"
#include "nat_survey.h"
#include "node_addresses.h"
#include "node_relays.h"
#include "portmap.h"
#include "punch_canary.h"
#include "stun_client.h"

/* How old a mapping may be before a server is asked again. */
enum {
    STUN_STALE_S = 5, /* when a peer appears */
    STUN_DOUBT_S = 1, /* when a path does not answer */
    BLOCKED_S = 1,    /* servers have all been asked three times by then: without an answer UDP is blocked */
};

enum peer_state {
    PEER_FREE,
    PEER_MEETING, /* a connection exists, the secret is not proven yet (we are the responder) */
    PEER_MET,     /* proven, told, on its way or connected */
    PEER_ENDED,   /* its NODE_CLOSED has been told */
};

struct peer {
    enum peer_state state;
    peer_handle handle;
    char id[PEER_ID_LEN + 1];
    char name[PEER_NAME_MAX + 1];
    char purpose[PURPOSE_MAX + 1];
    struct conn *conn;
    uint64_t since;          /* of PEER_MET */
    uint64_t engaged_until;  /* the handshake must be done by then if others wait; 0: it has not begun */
    uint64_t farewell_until; /* PEER_ENDED */
    uint64_t doubted;        /* since when its path is in doubt; 0: it is not */
    uint64_t retold, sought; /* when it was last told everything again, its pairs all checked; 0: never */
    uint32_t told_serial;    /* candidates up to this one are known to it */
    uint32_t told_nat;       /* what we know of our NAT up to this verdict is known to it */
    struct nat_behavior nat; /* of its network, as it told */
    bool blocked;            /* its UDP seems to be, as it told */
    bool guessing;           /* ports, when last looked at */
    unsigned sockets;        /* that its connection wanted when it was last told of them */
    bool first;              /* we are the initiator, who says what worked before */
    enum path_strategy worked, told_worked; /* before, as is known here, as it was told */
    bool described, told_complete, connected, released, refused;
};

struct node {
    struct rendezvous *rendezvous;
    struct stun_client *stun;
    struct nat_survey *survey;
    struct portmap *portmap;
    bool maps_ports;
    uint32_t doubts;
    struct node_relays *relays;
    bool bound;
    const struct random *random;
    char to[LABEL_MAX + 1];
    unsigned max_peers, paths, streams_max;
    enum quic_congestion congestion;
    struct node_addresses addresses;
    struct nat_behavior nat; /* of our network, as far as is known ... */
    uint32_t nat_serial;     /* ... and how often that has changed */
    uint32_t broker_relay;   /* bytes a second; 0: none */
    struct bucket share;     /* of it, for all peers together */
    uint32_t brokers_up;     /* bit n: broker n */
    unsigned next_relayed;   /* slot to be served first */
    uint64_t blocked_at;     /* no server has answered by then: UDP is blocked; NEVER: one has */
    bool blocked;            /* UDP seems to be */
    struct peer peers[NODE_PEERS_MAX];
    unsigned peers_used;  /* slots from here on were never used */
    unsigned next_output; /* slot to be served first: fairness */
    unsigned proven;      /* peers ever proven */
    bool have_servers, resolved, round_done, complete, leaving;
    uint64_t secret_deadline, stun_asked;
    /* Rendezvous has said all until `rendezvous_at`, or until it is touched: a transfer runs through here for
     * every batch of packets, and rendezvous looks at all whom it knows. */
    bool letters_said, meetings_said;
    uint64_t rendezvous_at;
    uint64_t seen;              /* the last call */
    uint64_t brokers_asked;     /* when NODE_DOUBT was last told; 0: never */
    bool ask_brokers;           /* NODE_DOUBT is to be told, */
    bool slept;                 /* for we have slept */
    struct path_memory *memory; /* NULL: none */
    uint64_t epoch_s;
    bool memory_told; /* NODE_MEMORY is not due */
    struct punch_budget punches;
    struct canary canary;
    struct addr sockets[NODE_SOCKETS_MAX]; /* extra ones */
    uint64_t surveyed;                     /* when our NAT was last looked at ... */
    uint64_t survey_until;             /* ... and until when sockets are lent for another look; or NEVER */
    size_t survey_wants;               /* of them, for a look at our NAT ... */
    bool survey_given;                 /* ... which has got them */
    uint64_t idle_at;                  /* when to look next whether some are of no use */
    size_t socket_count, sockets_told; /* that there are; that were asked for last */
    char text[PATH_WHY_MAX];
    struct node_stats stats;
};

/* For every call that may make rendezvous say something. */
static inline struct rendezvous *node_touch(struct node *node)
{
    node->letters_said = node->meetings_said = false;
    return node->rendezvous;
}

static inline bool node_peer_is_live(const struct peer *peer)
{
    return peer->state == PEER_MEETING || peer->state == PEER_MET;
}

/* ---- node.c ---- */

/* A datagram that came directly, or out of a relay. */
void node_deliver(struct node *node, uint64_t now, const struct packet *in);

/* ---- node_places.c ---- */

/* The live peer of this handle, or NULL. */
struct peer *node_peer_find(struct node *node, peer_handle handle);
/* A free slot, or NULL. */
struct peer *node_peer_slot(struct node *node);
unsigned node_slot_of(const struct node *node, const struct peer *peer);
void node_peer_drop(struct peer *peer);
/* Frees the slots of those whose farewell has been said, or never will be, once the program has let go of
 * them. */
void node_sweep(struct node *node, uint64_t now);
/* Lets go of and holds handshakes, so that at most max_peers are under way or done. */
void node_share_places(struct node *node, uint64_t now);
/* Tells rendezvous and the STUN client whether there is room for more. */
void node_update_slots(struct node *node, uint64_t now);
/* Whether the last place is taken. */
bool node_is_full(const struct node *node);
/* What those hear for whom there is none. */
const char *node_full_text(const struct node *node);
/* Where the last place is taken: everybody else is told so. */
void node_refuse_others(struct node *node, uint64_t now);
/* Whether somebody met is held although packets could go. */
bool node_others_wait(const struct node *node);
/* Handshakes that take too long give their place to those who wait. */
void node_release_places(struct node *node, uint64_t now);

/* ---- node_offer.c ---- */

/* Gives the peer our description: an offer or an answer. */
void node_describe(struct node *node, uint64_t now, struct peer *peer);
/* Gives a peer's agent what it does not know yet of our addresses. */
void node_inform_ice(struct node *node, uint64_t now, struct peer *peer);
/* The same for every peer's. */
void node_inform_everybody(struct node *node, uint64_t now);
/* Sends everybody what was found since the last time. */
void node_trickle(struct node *node, uint64_t now);
/* Looks again whether our candidates are complete, and tells every agent what it does not know. */
void node_complete(struct node *node, uint64_t now);
void node_stun_told(struct node *node, uint64_t now, const struct stun_client_event *told);
/* Asks the servers, and the gateways for our ports, again where the last question is older than `stale_s`
 * seconds. */
void node_ask_stun_again(struct node *node, uint64_t now, uint64_t stale_s);

/* ---- node_doubt.c ---- */

/* Our addresses are asked for and all told again, at most every SEEK_PAUSE_S. */
void node_tell_again(struct node *node, uint64_t now, struct peer *peer);
/* The same, and everything is checked anew: something better than the broker may work by now. */
void node_seek(struct node *node, uint64_t now, struct peer *peer);
/* The peer said over the broker where it is: if its path is in doubt everything is checked anew. */
void node_doubt_heard(struct node *node, uint64_t now, struct peer *peer);
/* Does what a doubt asks for; returns whether *event is one that whoever has the brokers must hear. */
bool node_doubt_told(struct node *node, uint64_t now, struct node_event *event);
uint64_t node_doubt_deadline(const struct node *node);
/* A broker has us again: what was told meanwhile is told again. */
void node_doubt_connected(struct node *node);
/* To be called with every call's `now`: seeks everybody after a sleep. */
void node_notice_sleep(struct node *node, uint64_t now);

/* No server has answered in time, or one has at last: everybody hears of it. */
void node_notice_blocked(struct node *node, uint64_t now);

/* ---- node_survey.c ---- */

/* Does what the survey says, and tells connections and peers. */
void node_survey_told(struct node *node, uint64_t now);
/* Where our NAT counts: how far it is by now, unless that is known. */
void node_survey_again(struct node *node, uint64_t now);
/* The extra sockets are others now. */
void node_survey_sockets(struct node *node, uint64_t now);

/* ---- node_recall.c ---- */

/* One of the two networks is known better: what worked between them goes first. */
void node_recall(struct node *node, struct peer *peer);
/* There is a path: what has led to it is remembered. */
void node_remember(struct node *node, uint64_t now, struct peer *peer);

/* ---- node_sockets.c ---- */

/* Watches over the network while connections guess ports. */
void node_watch_guessing(struct node *node, uint64_t now);

/* Whether *event asks for more or fewer extra sockets. */
bool node_sockets_told(struct node *node, uint64_t now, struct node_event *event);

/* ---- node_portmap.c ---- */

/* Our addresses, or what is allowed, may have changed. */
void node_portmap_update(struct node *node, uint64_t now);
/* Takes what the gateways say; whether *event is one that the program wants to hear. */
bool node_portmap_told(struct node *node, uint64_t now, struct node_event *event);

/* ---- node_meet.c ---- */

/* Does what rendezvous says; returns whether *event is one that the program wants to hear. */
bool node_rendezvous_told(struct node *node, uint64_t now, const struct rendezvous_event *told,
                          struct node_event *event);

#endif
