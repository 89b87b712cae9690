/* conn_state.h - what a connection knows, for the files that are the connection: conn.c (its verbs),
 * conn_broker.c (packets through the broker) and conn_told.c (what ice and quic say, as events). */
#ifndef CONN_STATE_H
#define CONN_STATE_H

#include "conn.h"
#include "fresh_hole.h"

enum {
    STREAMS_UNNAMED_MAX = 64, /* streams of the peer whose first byte has not come; more are abandoned */
    EARLY_MAX = 1500,         /* bytes of a datagram that is kept until its source is proven */
    CODE_LEFT = 0,            /* QUIC application codes: goodbye */
    CODE_TOO_MANY = 1,        /* a stream without a first byte too many */
};

struct conn {
    struct conn_config config;
    struct ice *ice;
    struct punch *punch; /* NULL: no ports are guessed */
    struct fresh_hole fresh;
    struct quic *quic; /* NULL until the handshake begins */
    uint8_t tag[QUIC_TAG_LEN];
    bool held, heard, connected, closed, ended, paused;
    bool deserted; /* the peer said goodbye */
    bool end_due;  /* CONN_CLOSED is to be told */
    enum conn_end end;
    char end_text[PATH_WHY_MAX];
    size_t payload_limit;
    bool narrow;      /* the path carries small packets only */
    struct path path; /* the last one told */
    struct broker_path broker;
    bool throttled;      /* QUIC was not asked to write through the broker: over the rate */
    bool failed;         /* ice has tried all, once, and nothing worked */
    bool judged;         /* a relay carries packets although the rest has had its time */
    uint64_t judge_at;   /* when that will be so */
    bool blocked[2];     /* UDP seems to be: ours, theirs */
    bool retell;         /* why the path is the broker's is known better */
    uint64_t stalled_at; /* when CONN_STALLED was told; NEVER: packets go */
    uint64_t spoke;      /* when the peer last said something over the broker */
    uint64_t hinted;     /* when the peer's packets through the broker last made us doubt our pair */
    int64_t unnamed[STREAMS_UNNAMED_MAX];
    size_t unnamed_count;
    bool waking; /* QUIC's packets are old until `answers` has grown */
    uint64_t answers;
    uint64_t doubted; /* when unanswered data last made us ask; 0: never */
    int64_t readable; /* a stream that has just been named may hold more; -1: none */
    struct conn_stats stats;
    /* The client's first datagram when it overtook the check that proves its address: networks reorder, and
     * waiting for it to be sent again costs a round trip. Only who knows the key knows our tag, and nothing
     * is answered before. */
    struct packet early; /* len 0: none */
    uint8_t early_data[EARLY_MAX];
};

/* ---- conn.c ---- */

/* The end, once; CONN_CLOSED is told when all before it has been. */
void conn_end(struct conn *conn, enum conn_end end, const char *text);
/* The client's handshake begins as soon as a packet could arrive. */
void conn_start_when_ready(struct conn *conn, uint64_t now);
/* A packet of the peer for quic, from wherever it may come. */
void conn_take_quic(struct conn *conn, uint64_t now, const struct packet *in);

/* ---- conn_broker.c ---- */

/* Where neither network lets the other in and nobody has a relay, the broker is taken at once. */
void conn_hurry_if_hopeless(struct conn *conn, uint64_t now);
/* What a path through the broker looks like: no addresses, QUIC's own round trip. */
struct path conn_broker_road(const struct conn *conn);
/* How often a quiet peer is asked for a sign of life: again when quic begins, and when the way changes. */
void conn_keep_alive(struct conn *conn);
/* What the way through the broker must know of the rest. */
struct broker_view conn_broker_view(const struct conn *conn);
/* What the way through the broker makes of the time that has passed; whether *event tells of it. */
bool conn_broker_told(struct conn *conn, uint64_t now, struct conn_event *event);

/* ---- conn_told.c ---- */

/* Whether *event has something of ice's, of quic's (which is there), or why the path is still a relay's. */
bool conn_ice_told(struct conn *conn, uint64_t now, struct conn_event *event);
bool conn_quic_told(struct conn *conn, struct conn_event *event);
bool conn_judge(struct conn *conn, uint64_t now, struct conn_event *event);
/* For the sentences. */
void conn_facts(const struct conn *conn, struct path_facts *facts);
/* CONN_PATH, with the reason as it is known now. */
bool conn_tell_path(struct conn *conn, const struct path *path, struct conn_event *event);

#endif
