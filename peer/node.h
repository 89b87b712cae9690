/* node.h - one participant without the world: rendezvous, STUN client and a connection to each peer, joined.
 *
 * p2p.c puts sockets, brokers and a clock around it, the simulator an internet in memory. */
#ifndef NODE_H
#define NODE_H

#include "conn.h"
#include "path_memory.h"
#include "portmap.h"
#include "rendezvous.h"

enum {
    NODE_PEERS_MAX = SLOTS_MAX,
    NODE_ADDRESSES_MAX = 32, /* of this machine */
    NODE_SECRET_PATIENCE_S =
        3,                  /* interface.md, exit code 6; longer while others are there who were not tried */
    NODE_SOCKETS_MAX = 256, /* extra sockets (security.md: at most 256 for the holes of one punch) */
};

/* A TURN server whose name is resolved. */
enum {
    NODE_TURN_MAX = 4,
    NODE_TURN_ADDRESSES_MAX = 2, /* the first of each family */
    NODE_TURN_NAME_MAX = 300,
};

struct node_turn {
    const char *name; /* for sentences */
    struct addr addresses[NODE_TURN_ADDRESSES_MAX];
    size_t count;
    bool stream; /* over TCP: NODE_RELAY_OPEN asks for a connection */
    bool secure; /* ... with TLS */
};

/* One address of this machine. */
struct node_address {
    struct addr address; /* with the port of the socket that serves it */
    enum candidate_rank rank;
    uint32_t mtu;        /* of the interface, bytes; 0: unknown */
    struct addr gateway; /* the router that its packets leave by, without a port; family 0: none known */
};

struct node_config {
    const char *room; /* as rendezvous_config's, these six */
    const uint8_t *secret;
    size_t secret_len;
    const char *name;
    const char *purpose;
    const uint8_t *machine;
    unsigned brokers;
    const char *to;        /* connect to whom this means only (label.h); NULL: anybody */
    bool serves;           /* as rendezvous_config's */
    unsigned max_peers;    /* 1 to NODE_PEERS_MAX */
    unsigned paths;        /* PATH_BIT set */
    uint32_t broker_relay; /* bytes a second that all peers together may send through the broker, and each be
                              sent; 0: none */
    unsigned streams_max;  /* that a peer may have open at once; 0: QUIC_STREAMS_MAX */
    enum quic_congestion congestion; /* as quic_config's */
    bool bound; /* only some interfaces may be used: every packet must name the address it leaves from */
    const char *turn_user, *turn_password; /* for all TURN servers; NULL: none */
    bool trace;
    bool maps_ports;             /* ask gateways for ports (node_address's `gateway`) */
    struct path_memory *memory;  /* read and written; outlives the node; NULL: nothing is remembered ... */
    uint64_t epoch_s;            /* ... with the time: seconds since 1970 when `now` was 0 */
    const struct random *random; /* outlives the node */
};

enum node_event_type {
    NODE_CANDIDATE, /* `address` with `candidate`, new */
    NODE_PEER,      /* proven; `words` */
    NODE_CONNECTED, /* `path` */
    NODE_PATH,      /* `path`, `text` */
    NODE_STREAM,
    NODE_READABLE,
    NODE_WRITABLE,
    NODE_DATAGRAM,
    NODE_STALLED,     /* as conn's */
    NODE_CLOSED,      /* `end`, `text`; the slot is free after node_release */
    NODE_BUSY,        /* `name` (maybe empty) with `id` is there but does not take us, or we not it: `text` */
    NODE_SECRET,      /* `final` as P2P_EVENT_SECRET */
    NODE_TRACE,       /* `text`, `outgoing` */
    NODE_PORTMAP,     /* no gateway opens a port for `address`: `text` says why */
    NODE_RELAY_OPEN,  /* for whoever has the sockets: a stream to `address` from `local` (family 0: the
                         system's choice) for the TURN server `relay`; node_relay_connected or _closed
                         answers
                       */
    NODE_RELAY_CLOSE, /* ... is not needed any more */
    NODE_RELAY_TROUBLE, /* a TURN server cannot be used: `text`. Once, until it works again */
    NODE_DOUBT,  /* for whoever has the brokers: a path is in doubt, or we have slept (`final`): do they still
                    hold us? */
    NODE_MEMORY, /* node_config's `memory` has something new */
    NODE_SOCKETS, /* for whoever has the sockets: there shall be `count` extra ones; node_set_sockets answers
                   */
};

struct node_event {
    enum node_event_type type;
    unsigned slot; /* which peer: 0 to NODE_PEERS_MAX - 1 */
    enum conn_end end;
    bool refused; /* CLOSED: the peer took somebody else */
    int64_t stream;
    uint8_t kind;
    uint8_t words[3];
    bool final, outgoing;
    size_t count;
    struct path path;
    struct addr address, local;
    enum candidate_kind candidate;
    unsigned relay; /* of the TURN servers, in the order in which they were added */
    char name[PEER_NAME_MAX + 1], id[PEER_ID_LEN + 1];
    const char *text; /* never NULL; valid until the next call */
};

struct node;

/* NULL: no memory. */
struct node *node_new(const struct node_config *config);
void node_free(struct node *node);

struct rendezvous *
node_rendezvous(struct node *node); /* for topics, will, id and counters; its verbs are node's */

/* This machine's addresses as they are now; those that are gone are left, new ones offered to everybody. */
void node_set_addresses(struct node *node, uint64_t now, const struct node_address *addresses, size_t count);
/* The extra IPv4 sockets that there are now, at most NODE_SOCKETS_MAX: their ports, and no address, for they
 * listen on all. A packet on one of them has its port in `local`. */
void node_set_sockets(struct node *node, uint64_t now, const struct addr *locals, size_t count);
/* Whether a path, or an attempt at one, needs this extra socket: it must not be closed. */
bool node_uses_socket(const struct node *node, const struct addr *local);
/* What somebody else than the node's own PCP and NAT-PMP (UPnP, which needs a thread) has mapped: packets to
 * `external` reach `local`; family 0: no longer. Offered as a candidate of kind MAPPED. */
void node_set_mapping(struct node *node, uint64_t now, const struct addr *local, const struct addr *external,
                      const struct addr *gateway);
/* How often something suggested that gateways may have forgotten us: whoever has mapped ports asks again when
 * it grows. */
uint32_t node_doubts(const struct node *node);
/* Which of our addresses ports are to be opened for, at most `max`; returns how many. */
size_t node_portmap_wanted(const struct node *node, struct portmap_local *out, size_t max);
/* Whether a gateway has opened a port for this address of ours. */
bool node_has_mapping(const struct node *node, const struct addr *local);
/* A STUN server to ask. */
void node_add_stun(struct node *node, uint64_t now, const struct addr *server);
/* A TURN server to keep an allocation at; its number is how many were added before. False: too many, or turn
 * is not an allowed path. */
bool node_add_turn(struct node *node, uint64_t now, const struct node_turn *server);
/* The stream to a TURN server: it is open; its end, or failure, with the reason in words; bytes arrived; it
 * takes no more bytes for now, or does again. What it shall carry comes from node_output with packet.stream.
 */
void node_relay_connected(struct node *node, uint64_t now, unsigned relay);
void node_relay_closed(struct node *node, uint64_t now, unsigned relay, const char *why);
void node_relay_input(struct node *node, uint64_t now, unsigned relay, uint8_t *data, size_t len);
void node_relay_full(struct node *node, unsigned relay, bool full);
/* Every server's name is resolved, or has failed to: our candidates can be complete. */
void node_stun_resolved(struct node *node, uint64_t now);
void node_broker_connected(struct node *node, uint64_t now, unsigned broker);
void node_broker_disconnected(struct node *node, uint64_t now, unsigned broker);

/* The four verbs, for datagrams and for the broker's messages. */
void node_input(struct node *node, uint64_t now, const struct packet *in);
bool node_output(struct node *node, uint64_t now, struct packet *out); /* capacity: QUIC_BATCH */
void node_letter_input(struct node *node, uint64_t now, unsigned broker, const char *topic,
                       const uint8_t *data, size_t len);
bool node_letter_output(struct node *node, uint64_t now, struct letter *letter);
uint64_t node_deadline(const struct node *node);
bool node_event(struct node *node, uint64_t now, struct node_event *event);

/* The peer in a slot, between its NODE_PEER and node_release. */
const char *node_peer_name(const struct node *node, unsigned slot);
const char *node_peer_id(const struct node *node, unsigned slot);
const char *node_peer_purpose(const struct node *node, unsigned slot);
uint64_t node_peer_since(const struct node *node, unsigned slot); /* `now` of its NODE_PEER */
/* After NODE_CLOSED too: what its streams had received can still be read until node_release. */
struct conn *node_conn(struct node *node, unsigned slot);
/* Says goodbye to it, over QUIC and sealed; NODE_CLOSED follows. */
void node_close(struct node *node, uint64_t now, unsigned slot, const char *why);
/* After NODE_CLOSED: the slot may be used again. */
void node_release(struct node *node, unsigned slot);
/* A datagram to `remote` was too long for the interface. */
void node_too_long(struct node *node, const struct addr *remote);

/* Goodbye to everybody; no new peers. node_has_left: all farewells are out. */
void node_leave(struct node *node, uint64_t now);
bool node_has_left(const struct node *node);

struct node_stats {
    uint64_t strangers; /* datagrams that were nobody's: dropped */
};
void node_stats(const struct node *node, struct node_stats *stats);

#endif
