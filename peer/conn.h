/* conn.h - all of it for one peer: ice finds the path, quic speaks over it. */
#ifndef CONN_H
#define CONN_H

#include "ice.h"
#include "quic.h"

struct conn_config {
    bool initiator;            /* QUIC client, and ICE's controlling side at first */
    uint8_t key[QUIC_KEY_LEN]; /* the PAKE's TLS key; the caller wipes its copy */
    unsigned paths;            /* PATH_BIT set */
    uint64_t delay; /* one way over the broker, ns: the first guess of the round trip; 0: unknown */
    const struct random *random; /* outlives the connection */
};

enum conn_event_type {
    CONN_CONNECTED, /* bytes may flow */
    CONN_PATH,      /* `path` carries packets now; `text` says why it */
    CONN_STALLED,   /* nothing is heard, nothing is sent */
    CONN_STREAM,    /* the peer opened `stream`, whose first byte was `kind` */
    CONN_READABLE,  /* as quic's */
    CONN_WRITABLE,
    CONN_DATAGRAM,
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
    uint64_t unproven;                   /* QUIC datagrams from addresses that had proven nothing: dropped */
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

/* What both networks are like, as far as is known; again whenever one of them is known better. */
void conn_set_nat(struct conn *conn, uint64_t now, const struct nat_behavior *ours,
                  const struct nat_behavior *theirs);

/* How many extra sockets it wants, and those that there are (ports only). It may use any of them. */
unsigned conn_wants_sockets(const struct conn *conn);
void conn_set_sockets(struct conn *conn, uint64_t now, const struct addr *locals, size_t count);

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
