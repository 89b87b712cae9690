/* quic.h - streams and datagrams, encrypted and in order, with one peer: the only door to ngtcp2 (RFC 9000,
 * 9001, 9221).
 *
 * TLS 1.3 by an external PSK, nothing else offered: both sides are proven by the key that the PAKE left. It
 * knows one constant, made-up path; where packets really go is ice's business, so a moving peer is never
 * noticed here. */
#ifndef QUIC_H
#define QUIC_H

#include "packet.h"
#include "random.h"

#include <sys/uio.h>

enum {
    QUIC_TAG_LEN = 4, /* the first bytes of every connection id that an end issues: finds the connection */
    QUIC_CID_LEN = 8, /* bytes of every connection id */
    QUIC_KEY_LEN = 32,
    QUIC_STREAM_WINDOW = 2097152, /* bytes, and never more: transport.md, trap 1 */
    QUIC_WINDOW = 16777216,       /* bytes a connection */
    QUIC_STREAMS_MAX = 256,       /* that a peer may have open at once, of either direction, unless asked */
    QUIC_STREAMS_MANY = 4096,     /* that can be asked for */
    QUIC_FIRST_WINDOW = 65536,    /* bytes of each of so many, until its reader proves quick */
    QUIC_SEND_BUFFER = 2097152,   /* bytes a stream keeps until they are acknowledged */
    QUIC_DATAGRAM_QUEUE = 256,    /* datagrams waiting in either direction; the oldest is dropped */
    QUIC_IDLE_S = 180,            /* longer than ICE_FORGET_S: consent tells first who is gone (design.md) */
    QUIC_HANDSHAKE_S = 30,
    QUIC_BATCH = 64000, /* bytes of a GSO batch (trap 8); capacity to hand to quic_output */
    QUIC_PAYLOAD_USUAL = 1452,
    QUIC_PAYLOAD_MAX = 32000, /* of a packet: two a batch */
};

enum quic_congestion { QUIC_CONGESTION_DEFAULT, QUIC_CONGESTION_CUBIC, QUIC_CONGESTION_BBR };

struct quic_config {
    bool client;
    uint8_t key[QUIC_KEY_LEN]; /* the TLS key of the PAKE; the caller wipes its copy */
    uint8_t tag[QUIC_TAG_LEN]; /* ours, for the ids we issue */
    uint64_t rtt;              /* an estimate of the round trip, ns (trap 3); 0: unknown */
    unsigned streams_max;      /* up to QUIC_STREAMS_MANY; 0: QUIC_STREAMS_MAX. Above that a stream begins
                                  with QUIC_FIRST_WINDOW, and each of them has that beside QUIC_WINDOW: who
                                  does not read some streams holds back none of the others */
    /* Bytes of the longest packets that this side will send, up to QUIC_PAYLOAD_MAX; 0: QUIC_PAYLOAD_USUAL.
     * Congestion control counts in it: four are its smallest window. */
    size_t payload_max;
    enum quic_congestion congestion; /* of what we send; DEFAULT: BBR, but CUBIC with ngtcp2 1.0 to 1.10 */
    const struct random *random;     /* outlives the connection */
};

enum quic_event_type {
    QUIC_CONNECTED, /* application bytes may flow and the peer is proven */
    QUIC_STREAM,    /* the peer opened `stream` */
    QUIC_READABLE,  /* bytes, the end or a reset can be read; again only after quic_stream_read or _peek
                       returned QUIC_BLOCKED */
    QUIC_WRITABLE,  /* a quic_stream_write that took less than offered, or a quic_stream_reserve that had less
                       room than asked for, may go on */
    QUIC_DATAGRAM,  /* quic_datagram_receive has something; again only after it had nothing */
    QUIC_CLOSED,    /* over; `error` and `text` say why: the peer's code, or QUIC_ERROR_*. After a close
                       of our own, or an error that the peer must hear of, once quic_output has given that packet
                     */
};

enum {
    QUIC_ERROR_NONE = 0,      /* closed by either application with code 0 */
    QUIC_ERROR_IDLE = -1,     /* QUIC_IDLE_S without a packet */
    QUIC_ERROR_KEY = -2,      /* the handshake failed: another key, or none */
    QUIC_ERROR_PROTOCOL = -3, /* the peer broke the protocol, or the library did */
};

struct quic_event {
    enum quic_event_type type;
    int64_t stream;
    int64_t error; /* CLOSED: the peer's application code (>= 0) or one of QUIC_ERROR_* */
    char text[96]; /* CLOSED */
};

/* Results of the stream calls below 0. */
enum {
    QUIC_BLOCKED = -1,
    QUIC_RESET = -2,
    QUIC_GONE = -3,
    QUIC_LIMIT = -4,
    QUIC_NOMEM = -5,
    QUIC_TOO_LONG = -6
};

struct quic_info {
    uint64_t rtt;             /* smoothed, ns; 0 unknown */
    uint64_t rtt_least;       /* the shortest since the beginning, ns; 0 unknown */
    uint64_t bytes_in_flight; /* sent and not yet acknowledged or given up */
    uint64_t last_received;   /* when a packet that decrypted arrived; 0: never */
    uint64_t waiting_since; /* since when ack-eliciting bytes are out of which none has been acknowledged; 0:
                               none are out */
    uint64_t congestion_window;
};

struct quic;

/* The connection id of the client's first packets, known to both from the key; its first bytes are the tag
 * under which the server finds it before its own ids are in use. */
void quic_initial_id(uint8_t id[QUIC_CID_LEN], const uint8_t key[QUIC_KEY_LEN]);
/* The first QUIC_TAG_LEN bytes of the destination id of a datagram; false: too short, or an id of another
 * length. */
bool quic_packet_tag(uint8_t tag[QUIC_TAG_LEN], const uint8_t *data, size_t len);

/* A client has its Initial ready for output at once; a server waits for it. NULL: no memory, or the library
 * failed. */
struct quic *quic_new(const struct quic_config *config, uint64_t now);
void quic_free(struct quic *quic);

/* `in`: one datagram (not a GRO batch). Its addresses are ignored. */
void quic_input(struct quic *quic, uint64_t now, const struct packet *in);
/* After a batch of inputs: writes into out->data (capacity out->len, QUIC_BATCH at best) one or several
 * datagrams of `payload` bytes each; out->segment is set when several. Addresses are left alone. Drain until
 * false. */
bool quic_output(struct quic *quic, uint64_t now, struct packet *out, size_t payload);
/* The peer is known to have all that the handshake needs of us (RFC 9001 4.1.2). */
bool quic_is_confirmed(const struct quic *quic);
uint64_t quic_deadline(const struct quic *quic);
bool quic_event(struct quic *quic, struct quic_event *event);
/* The path is new, or works again: what is unanswered is sent again now rather than after its timer, which
 * doubles with every loss. So for a client's first flight (it may have been sent before the pair was valid)
 * and for whatever has waited for longer than an answer takes; else it does nothing. */
void quic_hurry(struct quic *quic, uint64_t now);

/* Asks the peer for a sign of life whenever nothing was sent for `idle` ns; 0: never, as at first. For a path
 * that ice has no consent on. */
void quic_keep_alive(struct quic *quic, uint64_t idle);
/* ... and once now. */
void quic_ping(struct quic *quic);

/* Opens a stream; >= 0 is its id, or QUIC_LIMIT (the peer's limit; a WRITABLE with stream -1 follows when it
 * rises), QUIC_GONE, QUIC_NOMEM. `one_way`: only we write. Allowed before QUIC_CONNECTED: bytes leave as soon
 * as they may. */
int64_t quic_stream_open(struct quic *quic, bool one_way);
/* Copies up to `len` bytes in. Returns how many (fewer: wait for WRITABLE; some batches may wait unsent, and
 * QUIC_SEND_BUFFER bytes unacknowledged), or QUIC_GONE, QUIC_RESET (the peer wants no more), QUIC_NOMEM. */
ptrdiff_t quic_stream_write(struct quic *quic, int64_t stream, const void *data, size_t len);
/* What arrived before QUIC_CLOSED stays readable after it, then comes the end, or QUIC_GONE where it is
 * missing. */
/* Copies up to `len` bytes out; 0 is the end; QUIC_BLOCKED: nothing now; QUIC_RESET: abandoned by the peer;
 * QUIC_GONE. What was read opens the window again: that is the back-pressure. */
ptrdiff_t quic_stream_read(struct quic *quic, int64_t stream, void *data, size_t len);
/* The same without a copy: up to `max` runs of room, of at most `len` bytes together, to fill from the first
 * on. Returns how many runs; 0: so little room that it is not worth a call, wait for WRITABLE; or as
 * quic_stream_write. They are valid until the next call for this connection, which is quic_stream_commit: the
 * first `len` bytes, or none, are written. 0, QUIC_TOO_LONG (so many were not reserved), QUIC_GONE,
 * QUIC_RESET. */
ptrdiff_t quic_stream_reserve(struct quic *quic, int64_t stream, struct iovec *runs, size_t max, size_t len);
int quic_stream_commit(struct quic *quic, int64_t stream, size_t len);
/* What arrived, where it lies: up to `max` runs, valid until the next call for this connection. Returns how
 * many, or as quic_stream_read. The first `len` bytes of them are read then by quic_stream_consume: 0,
 * QUIC_TOO_LONG (there are not so many), QUIC_GONE. */
ptrdiff_t quic_stream_peek(struct quic *quic, int64_t stream, struct iovec *runs, size_t max);
int quic_stream_consume(struct quic *quic, int64_t stream, size_t len);
/* No more writes: the peer reads the end after all that was written. */
void quic_stream_finish(struct quic *quic, int64_t stream);
/* Lets go of a stream: a direction that has not ended is abandoned in `code` (0 to 2^62 - 1); the id is
 * invalid then. */
void quic_stream_release(struct quic *quic, int64_t stream, uint64_t code);
/* Whether everything written has been acknowledged by the peer (and the end too, if finished). */
bool quic_stream_drained(const struct quic *quic, int64_t stream);

/* The longest datagram now, bytes; 0 before QUIC_CONNECTED or where the peer takes none. */
size_t quic_datagram_max(const struct quic *quic);
/* Queues one (the oldest waiting is dropped when the queue is full): 0, or QUIC_TOO_LONG, QUIC_GONE,
 * QUIC_NOMEM. */
int quic_datagram_send(struct quic *quic, const void *data, size_t len);
/* Takes the oldest one that arrived; its bytes (cut to `len`), or QUIC_BLOCKED. */
ptrdiff_t quic_datagram_receive(struct quic *quic, void *data, size_t len);

/* Ends the connection with an application code; the close leaves with the next output. Streams are gone. */
void quic_close(struct quic *quic, uint64_t now, uint64_t code, const char *reason);
/* Whether everything written on every stream and the close itself have left: nothing is lost by exiting now.
 */
bool quic_is_idle(const struct quic *quic);
void quic_info(const struct quic *quic, struct quic_info *info);

#endif
