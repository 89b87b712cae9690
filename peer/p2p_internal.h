/* p2p_internal.h - what the library's files share: a node with sockets, brokers and a clock around its
 * machine. */
#ifndef P2P_INTERNAL_H
#define P2P_INTERNAL_H

#include "label.h"
#include "loop.h"
#include "mqtt.h"
#include "net.h"
#include "net_stream.h"
#include "node.h"
#include "p2pconnect.h"
#include "resolve.h"
#include "tls.h"
#include "turn_uri.h"
#include "upnp.h"

enum {
    STREAM_BUCKETS = 256, /* of a peer's table of streams: a forward has thousands */
    OUT_BATCHES = 4, /* made before the first of them is sent: within a machine the other side wakes once for
                        all, and answers once */
    EVENTS_MAX = 4096, /* waiting for the program; TRACE is dropped beyond */
    STUN_MAX = 8,
    LIST_MAX = 32,
    BROKER_RELAY_DEFAULT = 32768, /* bytes a second: what a public broker is not hurt by (interface.md) */
    BROKER_RELAY_MAX = 1000000000,
    STUN_PORT = 3478,      /* RFC 8489 18.6 */
    LEAVE_S = 1,           /* p2p_leave is done by then */
    CLOSE_GRACE_MS = 200,  /* for the last letters to leave */
    RECEIVE_MAX = 2048,    /* datagrams that one p2p_node_process takes, so that sending has its turn */
    BROKER_TEXT_MAX = 272, /* bytes: a broker's host and port, and the NUL */
};

struct p2p_stream {
    struct p2p_peer *peer; /* NULL: the node is gone */
    int64_t id;
    void *user;
    struct p2p_stream *next; /* in its bucket */
    bool delivered;          /* the program knows it */
    bool finished;           /* by the program: no more writes */
};

struct p2p_peer {
    struct p2p_node *node;
    unsigned slot;
    bool used, closed; /* closed: its CLOSED has been queued */
    bool passed;       /* ... and the program has gone on since */
    unsigned streams;
    struct p2p_stream *buckets[STREAM_BUCKETS];
    void *user;
    char why[PATH_WHY_MAX];
};

/* A TURN server of the configuration. */
struct p2p_turn {
    char text[NODE_TURN_NAME_MAX]; /* its URI */
    struct turn_uri uri;
    struct addr addresses[NODE_TURN_ADDRESSES_MAX];
    size_t count;
    bool resolved, added; /* ... to the node */
};

/* A TURN server as the node numbers them, with its stream where it is reached over one. */
struct p2p_relay {
    const struct p2p_turn *turn;
    struct net_stream *stream; /* NULL: none now */
    struct tls *tls;           /* NULL: without */
    bool open, full, writes;   /* as the node, and the loop, were told */
    bool unread;               /* there may be more than was read */
};

/* What a name was asked for. */
enum { RESOLVE_STUN = 0, RESOLVE_TURN = 1 /* + its number */ };

struct queued;

struct p2p_node {
    struct random random;
    struct mqtt_url brokers[RENDEZVOUS_BROKERS_MAX];
    unsigned broker_count;
    char *stun[STUN_MAX];
    size_t stun_count;
    char *interfaces[LIST_MAX + 1], *exclude[LIST_MAX + 1]; /* ended by NULL */
    char name[PEER_NAME_MAX + 1], purpose[PURPOSE_MAX + 1], to[LABEL_MAX + 1];
    bool serves;
    unsigned paths, max_peers, max_streams, congestion;
    uint32_t broker_relay; /* bytes a second; 0: none */
    uint16_t port;
    bool trace, maps_ports, remembers;
    struct path_memory memory;

    struct loop *loop;
    struct net *net;
    struct resolver *resolver;
    uint32_t doubts;                                       /* as upnp has heard of them: node_doubts */
    struct upnp *upnp;                                     /* NULL: no ports are asked for */
    struct addr servers[STUN_MAX * RESOLVE_ADDRESSES_MAX]; /* STUN servers whose names are resolved */
    size_t server_count;

    struct node *node; /* NULL before p2p_join */
    struct mqtt *mqtt[RENDEZVOUS_BROKERS_MAX];
    bool broker_up[RENDEZVOUS_BROKERS_MAX], broker_failed[RENDEZVOUS_BROKERS_MAX];
    char topic[ROOM_TOPIC_LEN + 1];
    uint64_t joined_at, leave_by; /* leave_by NEVER: not leaving */
    bool left;
    bool unread[NET_FDS]; /* of a descriptor, datagrams that were read from the system but not taken yet */
    bool dirty;           /* the program wrote since the last p2p_node_process */
    bool woken;           /* p2p_node_wake was called, and p2p_node_wait has not said so yet */
    struct p2p_peer peers[NODE_PEERS_MAX];
    struct p2p_peer *closing; /* its CLOSED was the event returned last */

    struct queued *first, **last, *returned;
    size_t queued_count;

    struct p2p_turn turn[NODE_TURN_MAX];
    unsigned turn_count;
    char *turn_user, *turn_password; /* wiped */
    struct p2p_relay relays[NODE_TURN_MAX];
    unsigned relay_count;
    struct tls_trust *trust; /* NULL until it is needed */

    struct packet out[OUT_BATCHES]; /* being sent: from next to count - 1 */
    unsigned out_next, out_count;
    bool out_full;   /* a socket takes no more: it is watched */
    uint8_t *buffer; /* of their bytes, QUIC_BATCH for each */
};

/* ---- p2p.c ---- */

/* Does what the machine's events ask for and queues the others for the program. Machines are drained after
 * every letter, so that an answer leaves before the next one is read. */
void machine_drain(struct p2p_node *node, uint64_t now);

/* ---- p2p_config.c ---- */

/* 0, P2P_EINVAL or P2P_ENOMEM; then, too, the node is to be freed by config_free. */
int config_take(struct p2p_node *node, const struct p2p_config *config);
void config_free(struct p2p_node *node);

/* ---- p2p_broker.c ---- */

/* Begins to connect to all; the node has its room. 0 or P2P_ESYSTEM: then some may be open. */
int brokers_open(struct p2p_node *node);
/* `grace_ms`: for the last letters to leave. */
void brokers_close(struct p2p_node *node, unsigned grace_ms);
/* `moved`: this machine is elsewhere, or was asleep: a connection that has gone with that is made anew at
 * once. */
void brokers_doubt(struct p2p_node *node, bool moved);
void brokers_read(struct p2p_node *node, uint64_t now);
void brokers_write(struct p2p_node *node, uint64_t now);
/* As people write it: host and port. */
void brokers_print(const struct p2p_node *node, unsigned broker, char text[BROKER_TEXT_MAX]);

/* ---- p2p_sockets.c ---- */

/* 0, P2P_EPORT, P2P_ENOMEM, P2P_ENETWORK or, with errno, P2P_ESYSTEM. */
int sockets_open(struct p2p_node *node);
/* From now on their packets end a wait. */
void sockets_watch(struct p2p_node *node);
/* Tells the node, and UPnP, which addresses this machine has now. */
void sockets_tell_addresses(struct p2p_node *node, uint64_t now);
/* More or fewer extra sockets; those that carry a path stay. */
void sockets_set_extra(struct p2p_node *node, uint64_t now, size_t count);
void sockets_read(struct p2p_node *node, uint64_t now);
/* What finds no room waits until there is some. */
void sockets_write(struct p2p_node *node, uint64_t now);

/* ---- p2p_event.c ---- */

/* Queues a copy; *event's texts may be NULL. Out of memory it is lost, as an overflow would be. */
void events_put(struct p2p_node *node, const struct p2p_event *event);
void events_put_node(struct p2p_node *node, const struct node_event *told);
/* Forgets what is queued for a stream that the program has let go of. */
void events_forget_stream(struct p2p_node *node, const struct p2p_stream *stream);
void events_free(struct p2p_node *node);

/* ---- p2p_memory.c ---- */

/* What is remembered at first; node->random is there. */
void memory_begin(struct p2p_node *node, const struct p2p_config *config);

/* ---- p2p_relay.c ---- */

/* Asks for the addresses of the TURN servers; their answers, NULL: none. */
void relays_resolve(struct p2p_node *node);
void relays_resolved(struct p2p_node *node, unsigned index, const struct resolved *resolved);
/* Tells the node of those that are resolved. */
void relays_join(struct p2p_node *node);
/* Whether it was about a stream. */
bool relays_told(struct p2p_node *node, uint64_t now, const struct node_event *told);
/* out->stream is not 0. What finds no room is lost. */
void relays_send(struct p2p_node *node, const struct packet *out);
void relays_process(struct p2p_node *node, uint64_t now);
bool relays_are_unread(const struct p2p_node *node);
void relays_close(struct p2p_node *node);

/* ---- p2p_stream.c ---- */

/* The handle of a stream; NULL: unknown. */
struct p2p_stream *stream_find(struct p2p_peer *peer, int64_t id);
struct p2p_stream *stream_make(struct p2p_peer *peer, int64_t id);
/* The node goes: handles that the program knows stay, the others go too. */
void streams_orphan(struct p2p_peer *peer);
/* Gives the slot back once neither the program nor a stream needs it. */
void peer_release_if_unused(struct p2p_peer *peer);

#endif
