/* p2pconnect.h - connect two machines directly, anywhere, without a server or an account of one's own.
 *
 * Make a node, join a room, and pull events until one says CONNECTED; then open streams or send datagrams.
 *
 * Errors. A call that can fail returns 0 (or what it says) for success and a negative P2P_E... otherwise;
 * p2p_strerror says it in words. What goes wrong later arrives as an event. Bad input from the network is
 * neither: it is counted and dropped.
 *
 * Ownership. Arguments are copied. A node owns its peers and everything else but streams: a stream handle is
 * the caller's until p2p_stream_free. A peer handle is valid until the call of p2p_next_event that follows
 * the one which returned its CLOSED. Texts inside events are valid until the next call of p2p_next_event.
 *
 * Threads. A node belongs to one thread at a time; only p2p_node_wake may be called from another. Nodes are
 * independent of each other. The library starts one thread a broker, one for name resolution and one an
 * address for UPnP, blocks all signals in them, calls nobody back, prints nothing, and leaves signal
 * dispositions as they were.
 *
 * Waiting. Only p2p_node_wait waits. With a loop of your own: poll p2p_node_fd for reading, for at most
 * p2p_node_timeout; then p2p_node_process; then p2p_next_event until it says 0. Calls that write
 * (p2p_stream_write and such) send from the next p2p_node_process (or _wait) on: call it after a batch of
 * them. */
#ifndef P2PCONNECT_H
#define P2PCONNECT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define P2P_API __attribute__((visibility("default")))
#else
#define P2P_API
#endif

/* ---- errors ---- */

enum p2p_error {
    P2P_EAGAIN = -1, /* nothing now: wait for an event */
    P2P_ENOMEM = -2,
    P2P_EINVAL = -3,   /* an argument is not what the comment asks for */
    P2P_ESTATE = -4,   /* not now: not started, already joined, already closed */
    P2P_ESYSTEM = -5,  /* the system refused: errno says why */
    P2P_EPORT = -6,    /* the local UDP port is taken */
    P2P_ENETWORK = -7, /* no usable network interface */
    P2P_ERESET = -8,   /* the peer abandoned this stream */
    P2P_EGONE = -9,    /* the peer is gone, or has not been connected yet */
    P2P_ELIMIT = -10,  /* a limit is reached: try again after an event */
    P2P_ETOOLONG = -11,
    P2P_EBROKER = -12, /* no broker could be reached, or it refused us */
    P2P_ENOPATH = -13, /* somebody came, but no allowed path worked */
    P2P_ESECRET = -14, /* the secret could not be proven */
};

/* A sentence without a full stop; static. */
P2P_API const char *p2p_strerror(int error);
/* "0.1.0". */
P2P_API const char *p2p_version(void);
/* The libraries that this one runs with, as they were loaded (miniupnpc, which does not say: as it was
 * compiled): "libmosquitto 2.0.11, cJSON 1.7.15, ...", for reports of bugs. Writes at most `capacity` bytes
 * with the NUL; returns the length of the whole, as snprintf. */
P2P_API size_t p2p_libraries(char *out, size_t capacity);

/* ---- the node ---- */

struct p2p_node;
struct p2p_peer;
struct p2p_stream;

/* How fast it is sent: P2P_BBR (draft-ietf-ccwg-bbr) by what arrives, and slower little by little where some
 * packets in a hundred are lost; P2P_CUBIC (RFC 9438 4.6) ever faster until packets are lost, and then, once
 * a round trip and whatever lost them, 0.7 of that. */
enum p2p_congestion { P2P_CONGESTION_DEFAULT, P2P_CUBIC, P2P_BBR };

enum p2p_path_kind { P2P_HOST, P2P_LAN, P2P_DIRECT, P2P_TURN, P2P_BROKER };

/* Zero it, set `size`, then what matters; zero means the default everywhere. Lists end with NULL. */
struct p2p_config {
    size_t size; /* sizeof(struct p2p_config): newer libraries then know what an older program set */
    const char *const *brokers; /* HOST[:PORT], mqtt://, mqtts://, at most 4; default broker.emqx.io */
    const char *const
        *stun; /* HOST[:PORT], at most 8; default two public ones; the single entry "none": no STUN */
    const char *const *interfaces; /* use only these network interfaces; default all */
    const char *const *exclude;    /* do not use these */
    const char *name;    /* what the others call us, 1 to 64 bytes of UTF-8; default the host's name */
    const char *purpose; /* who pairs with whom: chat, pipe, echo, ping, library (the default), ...; a word
                            that is none of these pairs with nobody */
    const char *to;      /* connect to the peer of this name only, or of this label (p2p_peer_label), whose id
                            may be longer; default anybody */
    unsigned paths;      /* bits 1 << enum p2p_path_kind that may be used; default all */
    unsigned max_peers;  /* 1 to 64; default 8 */
    uint16_t port;       /* local UDP port; default chosen by the system */
    uint8_t trace;       /* not 0: TRACE events */
    uint64_t broker_relay; /* bytes a second that may go through the broker when nothing else works, at most
                              1000000000; default 32768; P2P_BROKER_RELAY_OFF: none */
    uint8_t no_portmap;    /* not 0: no gateway is asked to open a port (PCP, NAT-PMP, UPnP) */
    const char *const
        *turn; /* turn:HOST[:PORT][?transport=udp|tcp] or turns:HOST[:PORT], at most 4; default none */
    const char *turn_user, *turn_password; /* for all of them; wiped when the node is freed */
    unsigned max_streams; /* of both ways, that each peer may have open here at once: up to 4096; default 256.
                             With more than that, streams that are not read hold back none of the others, and
                             cost up to 64 KiB each */
    const void *memory; /* memory_len bytes that p2p_node_memory gave, maybe in an earlier run: what led to a
                           path between two networks goes first next time. NULL: nothing is known yet; what is
                           broken counts as that */
    size_t memory_len;
    uint8_t no_memory;  /* not 0: nothing is remembered */
    uint8_t serves;     /* not 0: who comes while max_peers are connected is told so, and has BUSY */
    uint8_t congestion; /* enum p2p_congestion, of what this side sends; default P2P_BBR, but P2P_CUBIC with
                           ngtcp2 1.0 to 1.10 */
};

enum { P2P_MEMORY_MAX = 2048 }; /* bytes */

#define P2P_BROKER_RELAY_OFF UINT64_MAX

/* Allocates, opens nothing. P2P_EINVAL: the configuration is wrong. */
P2P_API int p2p_node_new(struct p2p_node **out, const struct p2p_config *config);
/* Opens sockets, reads the network's interfaces. P2P_EPORT, P2P_ENETWORK, P2P_ESYSTEM, P2P_ENOMEM. */
P2P_API int p2p_node_start(struct p2p_node *node);
/* Closes everything at once. Say p2p_leave first, and process until LEFT, for a goodbye to be heard. NULL is
 * fine. */
P2P_API void p2p_node_free(struct p2p_node *node);

/* Becomes readable when p2p_node_process has something to do; -1 before p2p_node_start. */
P2P_API int p2p_node_fd(const struct p2p_node *node);
/* Nanoseconds until p2p_node_process is due even if the descriptor stays silent; -1: no such time. */
P2P_API int64_t p2p_node_timeout(const struct p2p_node *node);
/* Does what is due; never waits. 0 or P2P_ESYSTEM, P2P_ENOMEM. */
P2P_API int p2p_node_process(struct p2p_node *node);
/* Waits until there is an event, p2p_node_wake was called or `timeout_ns` has passed (-1: no limit; 0: only
 * process). Returns 1 when p2p_next_event has something, else 0, or as p2p_node_process. */
P2P_API int p2p_node_wait(struct p2p_node *node, int64_t timeout_ns);
/* Ends a p2p_node_wait, or makes p2p_node_fd readable. From any thread, also from a signal handler. */
P2P_API void p2p_node_wake(struct p2p_node *node);

/* ---- the room ---- */

/* Enters `room` (1 to 128 bytes of UTF-8 without control characters) and connects to everybody there whose
 * purpose fits. `secret` NULL: an open room; else only its hash is kept, and the caller wipes the text. One
 * room a node. P2P_EINVAL, P2P_ESTATE, P2P_ENOMEM. A code of `p2pconnect code`, NAME-WORDS, is the room NAME
 * with the secret WORDS, both split at the first '-', in small letters with one '-' between words. */
P2P_API int p2p_join(struct p2p_node *node, const char *room, const void *secret, size_t secret_len);
/* Says goodbye to everybody and to the broker; LEFT follows, at the latest after 1 s. */
P2P_API void p2p_leave(struct p2p_node *node);
/* ROOM of the topics p2pconnect/1/ROOM/..., and our own id in it; NULL before p2p_join. */
P2P_API const char *p2p_room_topic(const struct p2p_node *node);
P2P_API const char *p2p_id(const struct p2p_node *node);

/* ---- what worked before ---- */

/* What the node has learnt, for p2p_config's `memory` of the next run: no address and no name, but hashes
 * under a key that lies beside them, so keep it to yourself. Returns its bytes (0: it remembers nothing), or
 * P2P_ETOOLONG; P2P_MEMORY_MAX are always enough. */
P2P_API ptrdiff_t p2p_node_memory(const struct p2p_node *node, void *out, size_t capacity);
/* Two of them in one, of each pair of networks what is newer; for programs that share a file: `kept` is what
 * is there by now (and what remains where both have nothing in common), `ours` what to add (NULL: nothing).
 * Returns the bytes of `out`, P2P_ETOOLONG, or P2P_EINVAL: `kept` or `ours` is broken. */
P2P_API ptrdiff_t p2p_memory_merge(const void *kept, size_t kept_len, const void *ours, size_t ours_len,
                                   void *out, size_t capacity);

/* ---- events ---- */

enum p2p_event_type {
    P2P_EVENT_NONE,
    P2P_EVENT_CANDIDATE, /* an address at which we may be reached: text = address, detail = host, srflx,
                            mapped, relay */
    P2P_EVENT_JOINED,    /* a broker took us: text = HOST:PORT. Once a broker */
    P2P_EVENT_BROKER, /* a broker cannot be reached, refused us, or was lost (error), text = a sentence. It is
                         tried again by itself unless P2P_EBROKER with `final` */
    P2P_EVENT_PEER,   /* somebody was met and has proven the room's secret; not connected yet */
    P2P_EVENT_CONNECTED, /* streams and datagrams may flow with `peer` */
    P2P_EVENT_PATH,      /* the path to `peer` is known, or is another one: see p2p_peer_path */
    P2P_EVENT_STREAM,    /* `peer` opened `stream`; its first byte is `kind` */
    P2P_EVENT_READABLE,  /* `stream` has bytes, its end, or a reset; again only after P2P_EAGAIN */
    P2P_EVENT_WRITABLE,  /* `stream` takes bytes again after a short write or reservation; stream NULL:
                            p2p_stream_open may  work again */
    P2P_EVENT_DATAGRAM,  /* `peer` sent datagrams; again only after P2P_EAGAIN */
    P2P_EVENT_STALLED,   /* nothing comes from `peer`, nothing is sent to it; PATH follows if it comes back */
    P2P_EVENT_CLOSED,  /* `peer` is gone: detail = left, lost, refused, error; text = why, error = P2P_E... or
                          0 */
    P2P_EVENT_BUSY,    /* somebody is there but does not take us, or we not it: text = its name, `id`,
                          detail = why */
    P2P_EVENT_SECRET,  /* somebody in the room could not prove the secret, or messages were altered; `final`:
                          we came later than that one, and nobody else has proven it for 3 s */
    P2P_EVENT_TRACE,   /* config.trace: text = a message, detail = in or out */
    P2P_EVENT_LEFT,    /* p2p_leave is done */
    P2P_EVENT_PORTMAP, /* no gateway opens a port for an address of ours: text = why, detail = the address */
    P2P_EVENT_RELAY,   /* a TURN server cannot be used: text = a sentence. Once, until it works again */
    P2P_EVENT_MEMORY,  /* something was learnt: p2p_node_memory has what to keep for the next run */
};

struct p2p_event {
    enum p2p_event_type type;
    struct p2p_peer *peer;     /* NULL where there is none */
    struct p2p_stream *stream; /* NULL where there is none; STREAM: from now on the caller's to free */
    const char *text;   /* never NULL, may be empty; what a peer said is as it said it: print with care */
    const char *detail; /* never NULL */
    int error;          /* 0 or P2P_E... */
    int final;          /* BROKER: every broker has failed at least once and none is connected */
    uint8_t kind;       /* STREAM: what it carries */
    uint8_t words[3];   /* PEER: 24 bits equal on both sides unless somebody is in between */
    const char *id;     /* BUSY: whose text is the name; never NULL */
};

/* Fills *event with the next one and returns 1; returns 0 (and NONE) when there is none. */
P2P_API int p2p_next_event(struct p2p_node *node, struct p2p_event *event);

/* ---- peers ---- */

/* Copies: kind, addresses as text (P2P_BROKER: `local` is empty, `remote` the broker's HOST:PORT), round trip
 * and a sentence that says why this path and not a better one. */
struct p2p_path {
    enum p2p_path_kind kind;
    char local[64], remote[64];
    double rtt_ms; /* smoothed; 0: not measured yet */
    char why[400];
    uint64_t bytes_sent, bytes_received; /* UDP payload over this peer's life */
    double rtt_least_ms; /* the shortest round trip since the peer was connected, by whatever path: many more
                            of them are measured while bytes flow, and the shortest has waited for no queue
                            and no busy machine; 0: not measured yet */
    uint64_t peer_ns;    /* when it was met: ns after p2p_join; for the parts of the connect time */
};

P2P_API const char *p2p_peer_name(const struct p2p_peer *peer);
P2P_API const char *p2p_peer_id(const struct p2p_peer *peer);

enum { P2P_LABEL_MAX = 82 }; /* bytes with the NUL */

/* The name as long as no other peer of this node has it; else NAME#ID, with as many characters of the id as
 * tell them apart, four at least: another machine, with other peers, may use fewer or more. A name that has a
 * '#' itself gets them, too. Returns `label`. */
P2P_API const char *p2p_peer_label(const struct p2p_peer *peer, char label[P2P_LABEL_MAX]);
/* Whether `label` in p2p_config.to means a peer of this name and whole id. What ends in '#' and 4 to 16 small
 * letters or digits from 2 to 7 means the peer of that id, never one of that whole name. 1 or 0; none of the
 * three may be NULL. */
P2P_API int p2p_label_means(const char *label, const char *name, const char *id);
P2P_API const char *p2p_peer_purpose(const struct p2p_peer *peer);
/* 0, or P2P_EGONE: there is no path now (*path then has the last one, if any). */
P2P_API int p2p_peer_path(const struct p2p_peer *peer, struct p2p_path *path);
/* "host", "lan", "direct", "turn", "broker". */
P2P_API const char *p2p_path_kind_name(enum p2p_path_kind kind);
/* Says goodbye; streams are gone. CLOSED follows. `why` (NULL: none) reaches the other side's CLOSED as its
 * text. */
P2P_API void p2p_peer_close(struct p2p_peer *peer, const char *why);
/* A pointer of the program's, NULL at first. */
P2P_API void p2p_peer_set_user(struct p2p_peer *peer, void *user);
P2P_API void *p2p_peer_user(const struct p2p_peer *peer);

/* ---- streams: ordered bytes, as many as you like, each with its own end ---- */

enum { P2P_ONE_WAY = 1 }; /* only the opener writes */

/* Opens one; `kind` tells the other side what it carries. P2P_EGONE, P2P_ELIMIT, P2P_ENOMEM. */
P2P_API int p2p_stream_open(struct p2p_stream **out, struct p2p_peer *peer, uint8_t kind, unsigned flags);
/* Takes up to `len` bytes; returns how many, maybe 0 (wait for WRITABLE), or P2P_EGONE, P2P_ERESET,
 * P2P_ESTATE. */
P2P_API ptrdiff_t p2p_stream_write(struct p2p_stream *stream, const void *data, size_t len);
/* Returns how many bytes were read (at most `len`, which is above 0), 0 at the end, or P2P_EAGAIN,
 * P2P_ERESET, P2P_EGONE. What is not read holds the sender back. What arrived before the peer's CLOSED stays
 * readable after it: read on until 0 or P2P_EGONE, or bytes are lost. */
P2P_API ptrdiff_t p2p_stream_read(struct p2p_stream *stream, void *data, size_t len);
/* Both without a copy, for readv and writev. Fills in up to `max` pieces of room, `len` bytes at most
 * together (neither is 0), in which to put what is to be written, from the first on. Returns how many pieces,
 * or as p2p_stream_write, P2P_ENOMEM, P2P_EINVAL. 0: too little room to be worth a call. WRITABLE follows
 * then, as whenever there was less than `len`. */
P2P_API ptrdiff_t p2p_stream_reserve(struct p2p_stream *stream, struct iovec *pieces, size_t max, size_t len);
/* Takes the first `len` bytes of that room, maybe none; it must be the next call for the node. 0,
 * P2P_ETOOLONG (there was less room), P2P_EGONE, P2P_ERESET. */
P2P_API int p2p_stream_commit(struct p2p_stream *stream, size_t len);
/* Fills in up to `max` (not 0) pieces of what arrived, valid until the next call for the node. Returns how
 * many, 0 at the end, or as p2p_stream_read, whose rules hold. */
P2P_API ptrdiff_t p2p_stream_peek(struct p2p_stream *stream, struct iovec *pieces, size_t max);
/* The first `len` bytes of what arrived are read. 0, P2P_ETOOLONG (there are not so many), P2P_EGONE. */
P2P_API int p2p_stream_consume(struct p2p_stream *stream, size_t len);
/* No more writes; the peer reads the end. */
P2P_API void p2p_stream_finish(struct p2p_stream *stream);
/* Whether the peer's machine has acknowledged everything written (and the end). */
P2P_API int p2p_stream_drained(const struct p2p_stream *stream);
/* Lets go of it: a direction not yet ended is abandoned, but what was written before p2p_stream_finish still
 * arrives. NULL is fine. */
P2P_API void p2p_stream_free(struct p2p_stream *stream);
/* NULL once the peer is gone. */
P2P_API struct p2p_peer *p2p_stream_peer(const struct p2p_stream *stream);
P2P_API void p2p_stream_set_user(struct p2p_stream *stream, void *user);
P2P_API void *p2p_stream_user(const struct p2p_stream *stream);

/* ---- datagrams: may be lost or reordered, never altered ---- */

/* The longest that can be sent now, bytes; 0: none. It grows where the path allows once both know that they
 * are connected, a round trip after CONNECTED. */
P2P_API size_t p2p_datagram_max(const struct p2p_peer *peer);
/* 0, P2P_ETOOLONG, P2P_EGONE, P2P_ENOMEM. */
P2P_API int p2p_datagram_send(struct p2p_peer *peer, const void *data, size_t len);
/* Bytes of the oldest one that arrived (cut to `len`), or P2P_EAGAIN. */
P2P_API ptrdiff_t p2p_datagram_receive(struct p2p_peer *peer, void *data, size_t len);

#ifdef __cplusplus
}
#endif

#endif
