/* message.h - what peers say to each other over the broker, before and inside the seal. */
#ifndef MESSAGE_H
#define MESSAGE_H

#include "nat_behavior.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MESSAGE_VERSION = 1,
    PEER_ID_LEN = 16,    /* characters of a peer's id: 80 random bits in base32 */
    PEER_NAME_MAX = 64,  /* bytes of a peer's name */
    PURPOSE_MAX = 16,    /* bytes of a purpose */
    NONCE_LEN = 16,      /* bytes */
    POINT_LEN = 32,      /* bytes of a ristretto255 element */
    TAG_LEN = 32,        /* bytes of a confirmation */
    COMMIT_LEN = 32,     /* bytes of H(rA) */
    REVEAL_LEN = 16,     /* bytes of rA and rB */
    SEALED_MAX = 5120,   /* bytes of a sealed body: as base64 it stays inside a message of 8 KiB */
    MESSAGE_MAX = 8192,  /* bytes of a whole message (interface.md) */
    CANDIDATES_MAX = 16, /* per description or batch (security.md: at most 16 candidates) */
    FOUNDATION_MAX = 32, /* characters (RFC 8839 5.1) */
    UFRAG_MAX = 32,
    PWD_MAX = 64, /* characters; RFC 8839 allows 256, ours have 8 and 24 */
    SLOTS_MAX = 64,
    FRESH_TICK_MS = 50, /* so 12.75 s in all: who entered first matters to two that come about together, and
                           what two say of it differs by the time that a message takes */
    VEIL_LEN = 26,      /* bytes: what veil.h makes of purpose, slots and fresh */
};

/* The digits of ids and topics (RFC 4648, lower case). */
#define BASE32 "abcdefghijklmnopqrstuvwxyz234567"

/* ---- what everybody can read ---- */

enum message_type { MESSAGE_HELLO, MESSAGE_PAKE1, MESSAGE_PAKE2, MESSAGE_PAKE3, MESSAGE_SEALED, MESSAGE_BYE };

/* The part of a greeting that later is confirmed by the PAKE's tags (security.md: AD), so nobody can talk it
 * down. Purpose, slots and fresh travel under the veil. */
struct message_about {
    uint8_t nonce[NONCE_LEN];
    uint32_t capabilities;         /* bits; none is defined yet, unknown ones are ignored */
    char purpose[PURPOSE_MAX + 1]; /* [a-z-]+ */
    uint8_t slots;                 /* how many peers it could still take, 0 to SLOTS_MAX */
    uint8_t fresh; /* 255 when it has just entered the room, 1 less every FRESH_TICK_MS, 0 in the end */
};

struct message {
    enum message_type type;
    char from[PEER_ID_LEN + 1];
    struct message_about about; /* HELLO, PAKE1, PAKE2; three of its members only after veil_open */
    uint8_t veil[VEIL_LEN];     /* the same three */
    uint8_t point[POINT_LEN];   /* PAKE1: Ya, PAKE2: Yb */
    uint8_t commit[COMMIT_LEN]; /* PAKE1 */
    uint8_t tag[TAG_LEN];       /* PAKE2, PAKE3 */
    uint8_t reveal[REVEAL_LEN]; /* PAKE2: rB */
    uint64_t sequence;          /* PAKE2, PAKE3, SEALED: of the sealed body, per direction */
    uint8_t sealed[SEALED_MAX]; /* PAKE2: offer; PAKE3: answer, absent after a failure; SEALED: the rest */
    size_t sealed_len;
};

/* Writes the JSON text. Returns its bytes, or 0 when it does not fit. */
size_t message_encode(const struct message *message, char *out, size_t capacity);
/* False: not a message of this version (wrong types, lengths, unknown type, bad id); *message is then
 * undefined. */
bool message_decode(struct message *message, const uint8_t *text, size_t len);
/* 1 to PURPOSE_MAX of a-z and -. */
bool purpose_valid(const char *text);

/* ---- what only the proven peer can read ---- */

enum candidate_kind { CANDIDATE_HOST, CANDIDATE_MAPPED, CANDIDATE_PRFLX, CANDIDATE_SRFLX, CANDIDATE_RELAY };

/* A candidate as it travels (RFC 8839 5.1, the parts that mean something here). */
struct wire_candidate {
    enum candidate_kind kind; /* never PRFLX on the wire */
    struct addr address;      /* scope 0: a zone means nothing to others */
    uint32_t priority;        /* RFC 8445 5.1.2 */
    char foundation[FOUNDATION_MAX + 1];
};

struct description {
    char name[PEER_NAME_MAX + 1];
    char ufrag[UFRAG_MAX + 1], pwd[PWD_MAX + 1];
    uint8_t machine[16]; /* keyed hash of the machine's identity, made and compared by rendezvous */
    struct wire_candidate candidates[CANDIDATES_MAX];
    size_t candidate_count;
    bool complete;           /* no more candidates are expected */
    struct nat_behavior nat; /* of the network it is in; all UNKNOWN: nothing is said of it */
    uint32_t broker_relay;   /* OFFER, ANSWER: bytes a second that it sends and takes through the broker when
                                nothing else works; 0: none */
    bool udp_blocked;        /* it asked servers over UDP and none has answered */
    uint8_t worked; /* as the initiator remembers: which way of guessing ports has led through these two
                       networks; 0: none */
};

/* FAILED: your pake3 did not hold. Only who has the keys can say so. */
enum body_type { BODY_OFFER, BODY_ANSWER, BODY_CANDIDATES, BODY_BUSY, BODY_BYE, BODY_FAILED };

/* What is inside the seal. */
struct body {
    enum body_type type;
    uint8_t reveal[REVEAL_LEN];     /* ANSWER: rA */
    struct description description; /* OFFER, ANSWER; CANDIDATES uses its candidates, `complete` and `nat`,
                                       BUSY its name (empty: an older peer's) */
    char reason[128];               /* BUSY, BYE: for people; may be empty */
};

/* The same rules as above. The text is what `-vv` shows. */
size_t body_encode(const struct body *body, char *out, size_t capacity);
bool body_decode(struct body *body, const uint8_t *text, size_t len);

#endif
