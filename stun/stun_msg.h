/* stun_msg.h - STUN messages: encode, decode, integrity, fingerprint (RFC 8489; RFC 8445 16.1; RFC 5780 7;
 * RFC 8656 17 and 18). */
#ifndef STUN_MSG_H
#define STUN_MSG_H

#include "addr.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stun_class { STUN_REQUEST, STUN_INDICATION, STUN_SUCCESS, STUN_ERROR }; /* RFC 8489 5 */

/* RFC 8489 18.2, RFC 8656 17 */
enum stun_method {
    STUN_BINDING = 0x001,
    STUN_ALLOCATE = 0x003,
    STUN_REFRESH = 0x004,
    STUN_SEND = 0x006,
    STUN_DATA = 0x007,
    STUN_CREATE_PERMISSION = 0x008,
    STUN_CHANNEL_BIND = 0x009,
};

enum {
    STUN_ID_LEN = 12,     /* bytes of a transaction id */
    STUN_TEXT_MAX = 763,  /* bytes of the longest SOFTWARE, REALM or NONCE (RFC 8489 14.9 to 14.14) */
    STUN_UNKNOWN_MAX = 8, /* unknown comprehension-required attributes that an answer lists */
};

/* RFC 5780 7.2 */
enum { STUN_CHANGE_IP = 0x4, STUN_CHANGE_PORT = 0x2 };

/* RFC 8656 18.8: the only REQUESTED-TRANSPORT that there is (RFC 6062's TCP is left out). */
enum { STUN_TRANSPORT_UDP = 17 };

/* Which of the optional members below are there. */
enum stun_has {
    STUN_HAS_PRIORITY = 1 << 0,
    STUN_HAS_USE_CANDIDATE = 1 << 1,
    STUN_HAS_CONTROLLING = 1 << 2,
    STUN_HAS_CONTROLLED = 1 << 3,
    STUN_HAS_NOMINATION = 1 << 4, /* the renomination attribute, draft-thatcher-ice-renomination: 0xC001 */
    STUN_HAS_CHANGE_REQUEST = 1 << 5,
    STUN_HAS_RESPONSE_PORT = 1 << 6,
    STUN_HAS_INTEGRITY = 1 << 7,
    STUN_HAS_INTEGRITY_SHA256 = 1 << 8,
    STUN_HAS_FINGERPRINT = 1 << 9, /* decoded: and it was right; a wrong one makes stun_decode fail */
    STUN_HAS_CHANNEL = 1 << 10,    /* RFC 8656 18, this and those below */
    STUN_HAS_LIFETIME = 1 << 11,
    STUN_HAS_TRANSPORT = 1 << 12,
    STUN_HAS_FAMILY = 1 << 13,
    STUN_HAS_ADDITIONAL_FAMILY = 1 << 14,
    STUN_HAS_FAMILY_ERROR = 1 << 15,
    STUN_HAS_DONT_FRAGMENT = 1 << 16,
    STUN_HAS_ICMP = 1 << 17,
};

/* Bytes inside the datagram that was decoded, or the caller's own when encoding; NULL: absent. */
struct stun_text {
    const char *at;
    size_t len;
};

/* A message, decoded or to be encoded. Addresses are absent while their family is 0. */
struct stun_msg {
    enum stun_class class;
    uint16_t method; /* 0 to 0xfff */
    uint8_t id[STUN_ID_LEN];
    unsigned has; /* of enum stun_has */
    struct stun_text username, realm, nonce, software, userhash;
    struct addr mapped; /* XOR-MAPPED-ADDRESS; decoding accepts MAPPED-ADDRESS where the former is missing */
    struct addr other_address;   /* RFC 5780 7.4 */
    struct addr response_origin; /* RFC 5780 7.3 */
    struct addr alternate;       /* ALTERNATE-SERVER */
    struct addr peer;            /* XOR-PEER-ADDRESS; of several the first */
    struct addr relayed;         /* XOR-RELAYED-ADDRESS, and ... */
    struct addr relayed_too;     /* ... the second one of an allocation in both families */
    struct stun_text data;       /* DATA */
    uint16_t channel;            /* CHANNEL-NUMBER */
    uint32_t lifetime_s;
    uint8_t transport;                 /* REQUESTED-TRANSPORT: STUN_TRANSPORT_UDP */
    uint8_t family, additional_family; /* REQUESTED- and ADDITIONAL-ADDRESS-FAMILY: 4 or 6 */
    uint8_t error_family;              /* ADDRESS-ERROR-CODE: 4 or 6, which was not allocated, ... */
    uint16_t family_error;             /* ... and why, 300 to 699 */
    uint16_t icmp;                     /* ICMP: type << 9 | code, and ... */
    uint32_t icmp_data;                /* ... what came with it */
    uint32_t priority;                 /* RFC 8445 7.1.1 */
    uint64_t tie_breaker;              /* of ICE-CONTROLLING or ICE-CONTROLLED */
    uint32_t nomination;               /* 24 bits, grows with every nomination */
    uint32_t change_request;           /* STUN_CHANGE_IP, STUN_CHANGE_PORT */
    uint16_t response_port;
    uint16_t padding;                   /* bytes of a PADDING attribute to write (RFC 5780 7.6); 0: none */
    uint16_t error;                     /* 300 to 699 in an error response, else 0 */
    struct stun_text reason;            /* of the error */
    uint16_t unknown[STUN_UNKNOWN_MAX]; /* decoded: comprehension-required types that we do not know (answer
                                           420); encoding: the UNKNOWN-ATTRIBUTES of an error response */
    size_t unknown_count;
    size_t integrity_at, sha256_at; /* decoded: offset of each integrity attribute in the datagram */
    size_t sha256_len;              /* decoded: bytes of the truncated HMAC, 16 to 32 */
};

/* The key of MESSAGE-INTEGRITY: an ICE password as it is, or stun_long_term_key's 16 bytes. */
struct stun_key {
    const uint8_t *bytes;
    size_t len;
};

enum stun_integrity { STUN_INTEGRITY_ABSENT, STUN_INTEGRITY_GOOD, STUN_INTEGRITY_BAD };

/* Whether a datagram is meant as STUN: 20 bytes at least, first two bits 0, magic cookie, consistent length.
 * Of QUIC packets none passes but by a chance of 2^-32; the fixed bit says nothing (RFC 9287). */
bool stun_is(const uint8_t *data, size_t len);

/* Reads a whole datagram; *msg points into `data`. False: malformed, or its FINGERPRINT is wrong: drop it.
 * Attributes after MESSAGE-INTEGRITY other than the two integrity ones and FINGERPRINT are ignored (RFC
 * 8489 14.5); of an attribute that comes twice the first counts (RFC 8489 14). */
bool stun_decode(struct stun_msg *msg, const uint8_t *data, size_t len);

/* Checks the strongest integrity attribute that *msg (decoded from `data`) carries, in constant time. */
enum stun_integrity stun_check(const struct stun_msg *msg, const uint8_t *data, const struct stun_key *key);

/* Writes *msg into `out`, with the integrity attributes and the fingerprint that `has` asks for (`key` may be
 * NULL when neither integrity is). Returns its bytes, or 0 when `capacity` does not suffice. */
size_t stun_encode(const struct stun_msg *msg, const struct stun_key *key, uint8_t *out, size_t capacity);

/* RFC 8489 9.2.2: MD5(username ":" realm ":" password), all already prepared (RFC 8265). */
void stun_long_term_key(uint8_t key[16], const char *username, const char *realm, const char *password);

/* The reason phrase that RFC 8489 14.8 (or 8445, 5780) gives an error code; "Error" for others. Static. */
const char *stun_error_reason(unsigned code);

#endif
