/* forward_state.h - what the files of forward share: what was asked for, by whom, and what runs over it. */
#ifndef FORWARD_STATE_H
#define FORWARD_STATE_H

#include "bell.h"
#include "forward_target.h"
#include "forward_wire.h"
#include "loop_set.h"
#include "session.h"

#include <sys/queue.h>

enum {
    OWN_MAX = 2 * LIST_MAX + 1, /* -L, -R and -W */
    GRANTS_MAX = 64,            /* asks of one peer */
    STREAMS_MAX = 4096,         /* that one peer may have opened */
    PLACES_MAX = 6144,          /* at once, of all peers, each for a connection or a flow of UDP; ... */
    SHARE_OF_FREE = 2,    /* ... with --keep of one so many times as are still free, see link_has_room */
    FLOWS_MAX = 1024,     /* of UDP, of one peer */
    HEAD_PATIENCE_S = 30, /* for the first bytes of a connection; honest ones come with its beginning */
    SCRATCH = 65536,      /* bytes: of the longest datagram */
};

struct forward;
struct link;

/* The first member of what is watched. Edges only: `ready` notes what has become possible (LOOP_SET_READ and
 * _WRITE), and whoever finds that it is over says loop_set_again. */
struct watch {
    void (*ready)(struct forward *forward, struct watch *watch, unsigned what);
};

/* A socket that listens for one side: our own (-L), or for a peer that may ask for it (-R there). */
struct gate {
    struct watch watch;
    TAILQ_ENTRY(gate) all;
    int fd;
    int held;          /* accepted, but the peer takes no more streams now; -1: none */
    struct link *link; /* NULL: our own, for whoever has granted it */
    uint16_t number;   /* of the ask */
    bool udp, ready;
    char path[ENDPOINT_PATH_MAX + 1]; /* of a UNIX socket, which goes with us; else empty */
};

enum own_kind { OWN_LOCAL, OWN_REMOTE, OWN_STDIO };

/* Something that our user wants of the other side. */
struct own {
    enum own_kind kind;
    struct forwarding what;
    struct target target; /* REMOTE: where it goes from here */
    bool told_trouble;
};

/* Something that our user allows the other side. */
struct permit {
    bool listens; /* on target.endpoint.port, of loopback */
    struct target target;
};

/* An ask of a peer that was granted: one of the two. */
struct grant {
    uint16_t number;
    struct target *target;
    struct gate *gate;
};

enum ask_state { ASK_OPEN, ASK_GRANTED, ASK_DENIED };

/* A peer. */
struct link {
    TAILQ_ENTRY(link) all;
    struct member *member;
    struct p2p_stream *asks;                   /* ours: we ask here and are answered */
    struct p2p_stream *heard;                  /* the peer's; NULL: not yet */
    uint8_t part[ASK_MAX], answer[ANSWER_LEN]; /* of what has come so far */
    size_t part_len, answer_len;
    enum ask_state states[OWN_MAX];
    struct grant grants[GRANTS_MAX];
    unsigned asked, grant_count, flow_count, places;
    bool told_too_large, told_full;
};

enum tunnel_phase {
    TUNNEL_HEAD,    /* it came: which ask is it for? */
    TUNNEL_LOOKUP,  /* ... its target's name is looked up */
    TUNNEL_CONNECT, /* ... and connected to */
    TUNNEL_ASKED,   /* we opened it, and hear next whether the target was reached */
    TUNNEL_OPEN
};

/* A connection: a socket here, a stream to the other side. */
struct tunnel {
    struct watch watch;
    TAILQ_ENTRY(tunnel) all, active;
    bool is_active, is_stdio;
    enum tunnel_phase phase;
    struct link *link;
    struct p2p_stream *stream;
    int fd;          /* -1: none yet, or standard input and output */
    struct own *own; /* opened for it; NULL: for a peer, or by one */
    struct target *target;
    unsigned address; /* of the target, which is tried */
    uint8_t head[TUNNEL_HEAD_LEN];
    size_t head_len;
    uint64_t head_until; /* ns: HEAD ends then */
    bool readable, writable, stream_readable, stream_full;
    bool up_ended, down_ended;
    bool refused; /* the other side takes nothing more */
};

/* Datagrams between one address here and one socket there. */
struct flow {
    struct watch watch;
    TAILQ_ENTRY(flow) all; /* the one used last is the last */
    struct link *link;
    bool ours; /* the number is of an ask of ours */
    uint16_t number, id;
    struct gate *gate; /* NULL: the side of the target */
    int fd;            /* the target's, connected; -1 with a gate */
    struct target_address source;
    uint64_t used_at;
    bool readable;
};

TAILQ_HEAD(gates, gate);
TAILQ_HEAD(links, link);
TAILQ_HEAD(tunnels, tunnel);
TAILQ_HEAD(flows, flow);

struct forward {
    struct session *session;
    struct loop_set *set; /* tagged with pointers to struct watch */
    struct bell wake;     /* lookups ring it */
    struct watch wake_watch;
    struct own own[OWN_MAX];
    struct permit permits[LIST_MAX];
    unsigned own_count, permit_count, places, places_max;
    struct links links;
    struct gates gates;
    struct tunnels tunnels, active;
    uint64_t head_until;  /* the first of theirs, ns; 0: nobody's */
    struct tunnel *stdio; /* of -W; NULL: none now */
    struct flows flows;
    uint16_t next_flow;
    uint8_t scratch[SCRATCH];
};

/* forward.c */
bool forward_watch(struct forward *forward, int fd, struct watch *watch);
/* For what is watched. */
void forward_close(struct forward *forward, int fd);
/* A sentence for people, or a line of JSON: `state` is one word. */
void forward_tell(struct forward *forward, int level, const char *state, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* forward_gate.c */
/* Opens what `endpoint` names; host empty: loopback. NULL with errno. */
struct gate *gate_open(struct forward *forward, const struct endpoint *endpoint);
void gate_free(struct forward *forward, struct gate *gate);
/* Takes who has come. True: somebody had. */
bool gates_step(struct forward *forward);

/* forward_link.c */
bool link_begin(struct forward *forward, struct member *member);
void link_end(struct forward *forward, struct link *link);
/* One of its streams of asks came, or has something. */
void link_event(struct forward *forward, struct link *link, const struct p2p_event *event);
/* The grant of that number which has a target (or `gated`: a gate); NULL: there is none. */
struct grant *link_grant(struct link *link, uint16_t number);
/* Our own of that number, once the peer has granted it; NULL. */
struct own *link_own(struct forward *forward, struct link *link, uint16_t number);
/* Who takes what comes in at the gate; NULL: nobody now. */
struct link *gate_link(struct forward *forward, const struct gate *gate);
/* Whether there is a place for one more connection or flow of this peer. */
bool link_has_room(struct forward *forward, struct link *link);
/* Where no place is free, that of its flow that was silent longest. */
void link_take_place(struct forward *forward, struct link *link);
void link_leave_place(struct forward *forward, struct link *link);

/* forward_tunnel.c */
/* For a connection that was accepted (`fd` is taken over), or standard input and output (-1). 0, or
 * P2P_ELIMIT, in which case `fd` stays the caller's, as with any other error. */
int tunnel_open(struct forward *forward, struct link *link, uint16_t number, bool ours, struct own *own,
                int fd);
/* A peer opened one. */
void tunnel_accept(struct forward *forward, struct link *link, struct p2p_stream *stream);
void tunnel_event(struct forward *forward, struct tunnel *tunnel, const struct p2p_event *event);
/* NULL: of every link. */
void tunnels_forget(struct forward *forward, const struct link *link);
/* A lookup is done. */
void tunnels_wake(struct forward *forward);
bool tunnels_step(struct forward *forward);

/* forward_pump.c */
/* What a step of a direction came to. */
enum moved { MOVED_NOTHING, MOVED_SOME, MOVED_BROKEN };
/* To the stream, to the socket: one piece. */
enum moved tunnel_move_up(struct forward *forward, struct tunnel *tunnel);
enum moved tunnel_move_down(struct forward *forward, struct tunnel *tunnel);

/* forward_flow.c */
/* Datagrams that came to the gate. True: some had. */
bool flows_gate(struct forward *forward, struct gate *gate);
/* Ends the flow of this peer that was silent longest, if it has any. */
void flow_give_way(struct forward *forward, const struct link *link);
void flow_datagram(struct forward *forward, struct link *link, const uint8_t *data, size_t len);
void flows_forget(struct forward *forward, const struct link *link, const struct gate *gate);
bool flows_step(struct forward *forward);

#endif
