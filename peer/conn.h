/* conn.h - all of it for one peer: ice finds the path, quic speaks over it. */
#ifndef CONN_H
#define CONN_H

#include "broker_path.h"
#include "ice.h"
#include "punch.h"
#include "quic.h"

struct conn_config {
    bool initiator;            /* QUIC client, and ICE's controlling side at first */
    uint8_t key[QUIC_KEY_LEN]; /* the PAKE's TLS key; the caller wipes its copy */
    unsigned paths;            /* PATH_BIT set */
    uint64_t delay;       /* one way over the broker, ns: the first guess of the round trip; 0: unknown */
    unsigned streams_max; /* as quic_config's, ... */
    enum quic_congestion congestion; /* ... and this */
    struct bucket *broker_share;     /* what all connections may send through the broker; outlives this one.
                                        NULL: they may not */
    struct punch_budget *punches; /* the node's, which outlives the connection; NULL: no ports are guessed */
    const struct random *random;  /* outlives the connection */
};

enum conn_event_type {
    CONN_CONNECTED, /* bytes may flow */
    CONN_PATH,      /* `path` carries packets now; `text` says why it */
    CONN_STALLED,   /* nothing is heard, nothing is sent */
    CONN_STREAM,    /* the peer opened `stream`, whose first byte was `kind` */
    CONN_READABLE,  /* as quic's */
    CONN_WRITABLE,
    CONN_DATAGRAM,
    CONN_SEEK,   /* packets go through the broker: time to look for better addresses */
    CONN_CLOSED, /* the end: `end` says how, `text` in words */
};

enum conn_end {
    CONN_LEFT,   /* either side said goodbye */
    CONN_SILENT, /* lost and not regained */
    CONN_NOPATH, /* no allowed pair of addresses worked */
    CONN_BROKEN, /* the other's key is not ours, or it broke the protocol */
};

struct conn_event {
    enum conn_event_type type;
    enum conn_end end;
    int64_t stream;
    uint8_t kind;
    struct path path;
    char text[PATH_WHY_MAX];
};

struct conn_stats {
    uint64_t bytes_sent, bytes_received; /* UDP payload, checks included */
    uint64_t flooded;   /* packets through the broker that came faster than both sides allow: dropped */
    uint64_t unproven;  /* QUIC datagrams from addresses that had proven nothing: dropped */
    uint64_t rtt_least; /* ns, see quic.h */
};

struct conn;

/* NULL: no memory. */
struct conn *conn_new(const struct conn_config *config);
void conn_free(struct conn *conn);

/* The agent, to feed it candidates and to ask it. Its events and packets are conn's. */
struct ice *conn_ice(struct conn *conn);

/* A held connection checks paths but neither begins nor answers the QUIC handshake: its place is not free
 * yet. */
void conn_hold(struct conn *conn, uint64_t now, bool hold);
/* Whether the handshake is under way or done: it occupies a place. */
bool conn_is_engaged(const struct conn *conn);
bool conn_is_connected(const struct conn *conn);
/* Whether it waits for its place: held, and packets could go. */
bool conn_is_eager(const struct conn *conn);

/* We have slept. What has waited in the socket meanwhile is dropped: QUIC would take the sleep for the round
 * trip, and pace by that for seconds. It goes on with the answer to a check of now, which has waited behind
 * all that. */
void conn_wake(struct conn *conn);

/* What both networks are like, as far as is known; again whenever one of them is known better. */
void conn_set_nat(struct conn *conn, uint64_t now, const struct nat_behavior *ours,
                  const struct nat_behavior *theirs);

/* As punch_set_strategy. */
void conn_set_strategy(struct conn *conn, enum path_strategy strategy);
/* Which way of guessing has led to the path of now; NONE: none was needed. */
enum path_strategy conn_strategy(const struct conn *conn);

/* Whether it guesses ports at this moment; as punch_hurts. */
bool conn_is_guessing(const struct conn *conn);
void conn_hurts(struct conn *conn, uint64_t now, unsigned lost);
/* How many extra sockets it wants, and those that there are (ports only). It may use any of them. */
unsigned conn_wants_sockets(const struct conn *conn);
void conn_set_sockets(struct conn *conn, uint64_t now, const struct addr *locals, size_t count);
/* A public address of ours that this peer alone shall be told, as a candidate of `base`; each once. */
bool conn_fresh_address(struct conn *conn, struct addr *external, struct addr *base);

/* Both descriptions are known: packets may go through the broker, `rate` bytes a second (0: not), when
 * nothing else works. `delay`: one way over the broker, ns; 0: unknown. */
void conn_allow_broker(struct conn *conn, uint64_t now, uint64_t rate, uint64_t delay);
/* Whether a broker is connected. Again at every change, also from one to another. */
void conn_set_broker(struct conn *conn, uint64_t now, bool up);
/* Why the path that was told last is what it is, by what is known now. */
void conn_why(const struct conn *conn, char why[PATH_WHY_MAX]);
/* Whose UDP seems to be blocked: for the sentences. */
void conn_set_blocked(struct conn *conn, bool ours, bool theirs);
/* The peer said goodbye, but not provenly: whoever does not answer now is gone. */
void conn_suspect(struct conn *conn, uint64_t now);
/* The peer has spoken over the broker, provenly: such a goodbye told before was none. */
void conn_has_spoken(struct conn *conn, uint64_t now);
/* When the peer last proved that it is there: by an answer, a packet, or over the broker. 0: never. */
uint64_t conn_heard(const struct conn *conn);
/* Whether packets go through the broker now. */
bool conn_is_brokered(const struct conn *conn);
/* A packet that the broker brought, of this peer by its proven id; and one for the broker to take: at most
 * BROKER_PATH_PAYLOAD bytes into out->data, addresses are left alone. */
void conn_broker_input(struct conn *conn, uint64_t now, const uint8_t *data, size_t len);
bool conn_broker_output(struct conn *conn, uint64_t now, struct packet *out);
/* What carries the path has had enough: nothing of QUIC is written until it says otherwise. Checks go on. */
void conn_pause(struct conn *conn, bool pause);

/* The largest UDP payload that the interface of the path takes; 0: unlimited. */
void conn_set_payload_limit(struct conn *conn, size_t limit);

/* The four verbs. `input` returns whether the datagram was this connection's. */
bool conn_input(struct conn *conn, uint64_t now, const struct packet *in);
bool conn_output(struct conn *conn, uint64_t now, struct packet *out);
uint64_t conn_deadline(const struct conn *conn);
bool conn_event(struct conn *conn, uint64_t now, struct conn_event *event);

/* A stream whose first byte is `kind`; results as quic_stream_open's. */
int64_t conn_stream_open(struct conn *conn, uint8_t kind, bool one_way);
/* For the other calls on streams and datagrams; NULL before the handshake began. */
struct quic *conn_quic(struct conn *conn);

/* Says goodbye; CONN_CLOSED follows at once, the farewell leaves with the next outputs. */
void conn_close(struct conn *conn, uint64_t now, const char *why);
/* The other side said goodbye over the broker, provenly. */
void conn_left(struct conn *conn, const char *why);
/* After CONN_CLOSED: nothing is left to be said. */
bool conn_is_silent(const struct conn *conn);
/* Where packets go now; false: nowhere, and *path is the last one. */
bool conn_path(const struct conn *conn, struct path *path);
void conn_stats(const struct conn *conn, struct conn_stats *stats);

#endif
