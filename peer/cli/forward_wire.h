/* forward_wire.h - what forward says to the other forward: asks, answers, whose connection, whose datagram.
 *
 * README.md of this folder has the protocol. Numbers are big-endian. */
#ifndef FORWARD_WIRE_H
#define FORWARD_WIRE_H

#include "endpoint.h"

enum {
    FORWARD_ASKS = 'F',   /* the kind of the stream on which a side asks, and is answered */
    FORWARD_TUNNEL = 'f', /* the kind of the streams that carry one connection each */
    FORWARD_OURS = 'd',   /* first byte of a datagram whose number is of an ask of the sender ... */
    FORWARD_THEIRS = 'D', /* ... and of one of the receiver */
    ASK_MAX = 6 + ENDPOINT_TEXT_MAX,
    ANSWER_LEN = 3,
    TUNNEL_HEAD_LEN = 3,
    DATAGRAM_HEAD_LEN = 5,
};

/* An answer, and the first byte that comes back in a tunnel. */
enum forward_status {
    FORWARD_DONE = 0,
    FORWARD_NOT_ALLOWED, /* its user has not named it (--allow) */
    FORWARD_TAKEN,       /* its port is in use */
    FORWARD_FULL,        /* too many */
    FORWARD_REFUSED,     /* the target refused the connection */
    FORWARD_UNREACHABLE,
    FORWARD_UNKNOWN, /* nobody knows the target's name */
    FORWARD_TIMEOUT,
    FORWARD_FAILED
};

/* "May I reach `endpoint` through you?" or "listen on `endpoint`'s port for me". */
struct ask {
    uint16_t number; /* the asker's, for all that follows */
    bool listens;
    struct endpoint endpoint;
};

/* Returns the bytes written. */
size_t ask_write(uint8_t out[ASK_MAX], const struct ask *ask);
/* Returns the bytes of the ask at `data`; 0: it is not whole yet; -1: it is none, and nothing after it is. */
ptrdiff_t ask_read(struct ask *ask, const uint8_t *data, size_t len);

struct answer {
    uint16_t number;
    enum forward_status status;
};

void answer_write(uint8_t out[ANSWER_LEN], const struct answer *answer);
void answer_read(struct answer *answer, const uint8_t data[ANSWER_LEN]);

/* Whose ask a connection belongs to: the opener's (-L) or the other side's (-R). */
struct tunnel_head {
    bool ours; /* the sender's */
    uint16_t number;
};

void tunnel_head_write(uint8_t out[TUNNEL_HEAD_LEN], const struct tunnel_head *head);
bool tunnel_head_read(struct tunnel_head *head, const uint8_t data[TUNNEL_HEAD_LEN]);

struct datagram_head {
    bool ours; /* the sender's ask */
    uint16_t number, flow;
};

void datagram_head_write(uint8_t out[DATAGRAM_HEAD_LEN], const struct datagram_head *head);
bool datagram_head_read(struct datagram_head *head, const uint8_t *data, size_t len);

/* What `status` means, as the end of a sentence; static. */
const char *forward_status_text(enum forward_status status);

#endif
