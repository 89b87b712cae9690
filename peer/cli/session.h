/* session.h - what every command in a room shares: the node, the wait, the end. */
#ifndef SESSION_H
#define SESSION_H

#include "channel.h"
#include "events.h"
#include "options.h"
#include "p2pconnect.h"

/* interface.md, exit codes. A signal ends with 128 and its number: 130 for Ctrl-C. */
enum exit_code {
    EXIT_DONE = 0,
    EXIT_OTHER = 1,
    EXIT_USAGE = 2,
    EXIT_BROKER = 3,
    EXIT_NOBODY = 4,
    EXIT_NO_PATH = 5,
    EXIT_SECRET = 6,
    EXIT_LOST = 7,
    EXIT_SIGNAL = 128
};

struct session;

/* Somebody in the room. Made when it is met, gone after its CLOSED. */
struct member {
    struct member *next;
    struct p2p_peer *peer;
    uint64_t met_at; /* ns; 0: its search for a path has been told of */
    bool connected;
    bool partner; /* connected, and somebody this command works with (see struct role) */
    void *state;  /* of the command, freed by its `closed` */
};

/* What a command adds to the session. Every function may be NULL. */
struct role {
    const char *purpose;  /* p2p_config.purpose */
    unsigned max_peers;   /* 0: as --max-peers says */
    bool serves_pings;    /* a peer that only pings counts as a partner too */
    bool shows_words;     /* the four words of an open room */
    unsigned max_streams; /* p2p_config.max_streams */
    /* Before anybody is looked for; a session that it ends does not begin. */
    void (*begin)(struct session *session);
    void (*connected)(struct session *session, struct member *member);
    /* STREAM, READABLE, WRITABLE, and datagrams that are no ping of the other side (see `datagram`). */
    void (*event)(struct session *session, struct member *member, const struct p2p_event *event);
    void (*datagram)(struct session *session, struct member *member, const uint8_t *data, size_t len);
    /* The member's CLOSED; it is freed afterwards. */
    void (*closed)(struct session *session, struct member *member, const struct p2p_event *event);
    /* Moves what can be moved without waiting. True: something moved, call again after the node has done its
     * part. */
    bool (*step)(struct session *session);
    /* Lets go of streams and memory, after the goodbye. */
    void (*release)(struct session *session);
};

enum { PRESENT_MAX = 16 /* listed when --to finds others, or nobody has a place */ };

/* Somebody who is there but not for us. */
struct present {
    char name[SHOWN_NAME_MAX], id[17];
    char why[256];  /* fit for a terminal */
    bool asked_for; /* by --to: it does not take us */
};

struct session {
    const struct options *options;
    const struct role *role;
    void *state; /* of the command */
    struct report report;
    char room[129]; /* --room, or the NAME of a code */
    struct p2p_node *node;
    struct member *members;
    struct channel input, output;
    int watched;       /* a descriptor of the command's to wait for (reading); -1: none */
    uint64_t now;      /* ns, read once a turn */
    uint64_t deadline; /* of this turn: step lowers it with session_wake_at; UINT64_MAX: none */
    uint64_t wait_until;
    struct present present[PRESENT_MAX];
    unsigned present_count;
    bool was_connected; /* a partner was connected at some time */
    bool guessed;       /* somebody did not have our secret */
    bool ended;
    int code; /* exit code, once ended */
};

/* Runs a command from the node's birth to its goodbye; returns the exit code. `state` is the command's. */
int session_run(const struct options *options, uint64_t started_ns, const struct role *role, void *state);

/* From inside the role: ends the session with `code`; a code other than 0 is said with the sentence (NULL
 * with 0). The first end stands. */
void session_end(struct session *session, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Calls step again by `when` (ns) at the latest. */
void session_wake_at(struct session *session, uint64_t when);
/* Connected partners. */
unsigned session_partners(const struct session *session);
/* Writes a line of the command's results to standard output, all of it; a failure ends the session. */
void session_print(struct session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Says why writing to standard output failed (errno), tells the peers, ends with EXIT_OTHER. */
void session_output_failed(struct session *session);

#endif
