/* quic_state.h - what the files of quic share: the connection, its streams, and the calls between them. */
#ifndef QUIC_STATE_H
#define QUIC_STATE_H

#include "quic.h"
#include "quic_buffer.h"
#include "quic_datagram.h"
#include "quic_ngtcp2.h"
#include "quic_tls.h"

#include <sys/queue.h>

enum {
    STREAM_BUCKETS = 256, /* ids count up by fours, so that as many streams as may be open never collide */
    CLOSE_TEXT_MAX = 64,  /* bytes of a reason that travel */
    CLOSE_PACKET_MAX = 1200,
};

struct quic_stream {
    int64_t id;
    struct quic_stream *next;         /* of the same bucket */
    TAILQ_ENTRY(quic_stream) sending; /* in opening or ready */
    TAILQ_ENTRY(quic_stream) eventful;
    struct buffer in, out;
    bool local, one_way;
    bool opened;     /* ngtcp2 knows it */
    bool closed;     /* ngtcp2 has forgotten it */
    bool released;   /* the application has forgotten it */
    bool is_sending; /* in opening or ready */
    bool is_eventful;
    bool tell_stream, tell_readable, tell_writable;
    bool read_armed; /* the next bytes are an event */
    bool want_room;  /* room in `out` is an event */
    bool in_ended, in_reset;
    bool out_finished; /* the application has written all */
    bool end_sent, end_acked;
    bool end_with_bytes;   /* the end went with the last bytes: acknowledged with them */
    bool out_reset;        /* abandoned by either side: nothing more is sent */
    uint64_t abandon_code; /* for a stream released before ngtcp2 knew it */
    bool abandon_in, abandon_out;
};

TAILQ_HEAD(stream_queue, quic_stream);

struct quic_streams {
    struct quic_stream *buckets[STREAM_BUCKETS];
    struct stream_queue
        opening[2]; /* local ones that ngtcp2 does not know yet: [0] of both directions, [1] one-way */
    struct stream_queue ready; /* with something to send, in turn */
    struct stream_queue eventful;
    struct chunk_pool pool;
    int64_t next[2]; /* ordinal of the next local stream */
    unsigned count;
    bool want_limit, tell_limit;
};

enum quic_phase {
    QUIC_LISTENING, /* a server before the client's first packet: there is no ngtcp2 connection yet */
    QUIC_ACTIVE,
    QUIC_CLOSING, /* our CONNECTION_CLOSE is due, or out and answering (RFC 9000 10.2.1) */
    QUIC_OVER,
};

/* See quic_pace.c; nothing of it is used where ngtcp2 paces well by itself. Rates are bytes a ns. */
struct quic_pace {
    double rate;       /* of what quic_pace_burst let go last */
    ngtcp2_tstamp due; /* when the next packet is */
    double saved;      /* bytes that may leave at once, because nothing was in flight */
    bool held;         /* more would have left, had it been due */
    double best, seen; /* rates of delivery: the best, and the best since then */
    ngtcp2_tstamp seen_since;
    double grown; /* what `best` was when it last grew by a quarter */
    ngtcp2_tstamp grown_at;
};

struct quic {
    bool client;
    enum quic_phase phase;
    uint8_t key[QUIC_KEY_LEN]; /* wiped once the handshake is done */
    uint8_t tag[QUIC_TAG_LEN];
    uint64_t rtt; /* the caller's estimate */
    size_t payload_max;
    unsigned streams_max;
    enum quic_congestion congestion;
    const struct random *random;
    ngtcp2_conn *conn;
    struct quic_tls tls;

    uint64_t started;
    uint64_t skew;       /* ngtcp2's clock is ahead of ours by this: see quic_hurry */
    uint64_t skew_heard; /* what it was when a packet last arrived */
    unsigned hurries;
    unsigned hurry;      /* how many of ngtcp2's timers need not be waited for: see flight_hurry */
    uint64_t keep_alive; /* ns of silence after which the peer is asked; 0: never */
    bool ping;           /* it is asked with the next output */
    uint64_t not_before; /* no deadline before: an expiry that stays in the past must not spin (trap 10) */
    size_t payload;      /* of the last output */
    bool can_send;       /* the 1-RTT transmit key is there, and the peer is proven */
    bool decrypted;      /* set by a packet that decrypted */
    bool crypto_seen;    /* TLS bytes of the peer arrived */
    bool confirmed;      /* the peer is known to have all that the handshake needs of us */
    uint8_t *flight;     /* the first datagram of our part of the handshake, to repeat until then */
    size_t flight_len;
    unsigned flights; /* kept so far: the client's hello and its Finished, the server's one */
    uint64_t repeat_at, repeat_after;
    uint64_t last_received;
    uint64_t waiting_since;

    struct quic_pace pace;
    struct quic_streams streams;
    struct datagram_queue datagrams_in, datagrams_out;
    unsigned packets; /* written; for the datagrams' share */
    bool datagram_armed;

    int failed; /* a fatal error of ngtcp2 met outside of input and output */
    ngtcp2_ccerr close_error;
    char close_text[CLOSE_TEXT_MAX];
    uint8_t *close_packet; /* to answer with */
    size_t close_len;
    bool close_due;
    uint64_t close_until;
    unsigned close_heard; /* packets that arrived since */

    bool tell_connected, tell_datagram, tell_closed;
    int64_t closed_error;
    char closed_text[96];
};

static inline size_t size_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* quic.c */
/* `now` on ngtcp2's clock. */
ngtcp2_tstamp quic_clock(const struct quic *quic, uint64_t now);

/* quic_start.c */
/* Makes ngtcp2's connection: the client's, or the server's answer to `first`. False: no memory, or ngtcp2
 * refused; what there is then goes with the rest. */
bool quic_start(struct quic *quic, uint64_t now, const ngtcp2_pkt_hd *first);
/* Two addresses nobody has: packets go where ice says; ngtcp2 sees a path that never changes (trap 11). */
ngtcp2_path quic_path(void);
/* Of the round trip, ns, for the time until it is measured. */
uint64_t quic_likely_rtt(const struct quic *quic);
/* Packets that proved genuine, on this thread: ngtcp2 says neither by its results nor, here, for which
 * connection. */
unsigned quic_decryptions(void);
/* ngtcp2 asks by itself once so much time has passed without a packet (its keep-alive); at once is after a
 * nanosecond. 0.12 has 0 for never, later ones UINT64_MAX, and take 0. */
void quic_set_keep_alive(struct quic *quic);

/* quic_pace.c */
/* How many bytes may leave at once now that so many are in flight. */
size_t quic_pace_burst(struct quic *quic, ngtcp2_tstamp ts, uint64_t in_flight);
/* After they have: when the next may. `before`: the bytes in flight without them. */
void quic_pace(struct quic *quic, ngtcp2_tstamp ts, uint64_t before);
/* Nothing leaves now, though more is `waiting` to. */
void quic_pace_idle(struct quic *quic, ngtcp2_tstamp ts, bool waiting);

/* quic_close.c */
/* Nothing more is sent or taken. */
void quic_set_over(struct quic *quic);
/* The same, and the application is told. */
void quic_end(struct quic *quic, int64_t error, const char *text);
/* What a negative result of ngtcp2 means for the connection: over, or our close is due. */
void quic_fail(struct quic *quic, int err);
/* A packet came after our close. */
void close_answer(struct quic *quic);
/* Writes our close, the first time or again. False: it could not be written. */
bool close_write(struct quic *quic, uint64_t now, struct packet *out);

/* quic_flight.c */
/* Remembers a batch that was just written if it is the next flight of our handshake. */
void flight_keep(struct quic *quic, uint64_t now, const struct packet *out);
/* Writes it again when that is due, unless it is longer than `payload`. */
bool flight_repeat(struct quic *quic, uint64_t now, struct packet *out, size_t payload);
void flight_forget(struct quic *quic);
/* Nothing is left to send: whether ngtcp2 has something after all, since it is in a hurry. */
bool flight_hurry(struct quic *quic, uint64_t now);

/* quic_batch.c */
/* Packets of `payload` bytes, the last may be shorter; several only up to `burst` bytes. Returns their bytes,
 * 0: nothing may leave now; a negative error of ngtcp2 only when there are none (else it waits in `failed`).
 */
ngtcp2_ssize batch_write(struct quic *quic, struct packet *out, size_t payload, size_t burst,
                         ngtcp2_tstamp ts);

/* quic_stream.c */
void streams_init(struct quic_streams *streams);
void streams_free(struct quic *quic);
/* The application hears of no stream any more; those of ngtcp2 are closed with the connection. */
void streams_abandon(struct quic *quic);
/* Introduces local streams to ngtcp2 as far as the peer's limit allows. 0 or a fatal error. */
int streams_open_pending(struct quic *quic);
bool streams_event(struct quic *quic, struct quic_event *event);
bool streams_drained(const struct quic *quic);
/* The next stream with something to send, or NULL. */
struct quic_stream *streams_next(struct quic *quic);
/* Writes of `stream` into the packet at `dest`; results as of ngtcp2_conn_writev_stream, but without those
 * that concern this stream alone: they are dealt with, and the result is NGTCP2_ERR_WRITE_MORE. */
ngtcp2_ssize stream_write_packet(struct quic *quic, struct quic_stream *stream, uint8_t *dest, size_t len,
                                 ngtcp2_tstamp ts);
/* Callbacks of ngtcp2. */
int stream_on_open(ngtcp2_conn *conn, int64_t id, void *user);
int stream_on_data(ngtcp2_conn *conn, uint32_t flags, int64_t id, uint64_t offset, const uint8_t *data,
                   size_t len, void *user, void *stream);
int stream_on_acked(ngtcp2_conn *conn, int64_t id, uint64_t offset, uint64_t len, void *user, void *stream);
int stream_on_reset(ngtcp2_conn *conn, int64_t id, uint64_t size, uint64_t code, void *user, void *stream);
int stream_on_close(ngtcp2_conn *conn, uint32_t flags, int64_t id, uint64_t code, void *user, void *stream);
int stream_on_window(ngtcp2_conn *conn, int64_t id, uint64_t max, void *user, void *stream);
int streams_on_limit(ngtcp2_conn *conn, uint64_t max, void *user);

#endif
