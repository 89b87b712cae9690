/* portmap_msg.h - what is said to a gateway that maps ports: PCP (RFC 6887) and NAT-PMP (RFC 6886). */
#ifndef PORTMAP_MSG_H
#define PORTMAP_MSG_H

#include "addr.h"

enum {
    PORTMAP_SERVER_PORT = 5351, /* RFC 6887 19.4, RFC 6886 3: both protocols */
    PORTMAP_NONCE_LEN = 12,     /* bytes (RFC 6887 11.1) */
    PORTMAP_MSG_MAX = 1100,     /* bytes of a message (RFC 6887 7) */
};

enum portmap_msg_type {
    PORTMAP_PCP_MAP,
    PORTMAP_PCP_ANNOUNCE,   /* answers only: the server has started anew (RFC 6887 14.1) */
    PORTMAP_NATPMP_ADDRESS, /* which address the gateway has outside */
    PORTMAP_NATPMP_MAP,
    PORTMAP_OTHER_VERSION, /* answers only: the server does not speak the version that it was asked in */
};

/* RFC 6887 7.4; NAT-PMP's (RFC 6886 3.5) are told in these words too. */
enum portmap_result {
    PORTMAP_SUCCESS = 0,
    PORTMAP_UNSUPP_VERSION = 1,
    PORTMAP_NOT_AUTHORIZED = 2,
    PORTMAP_NETWORK_FAILURE = 7,
    PORTMAP_NO_RESOURCES = 8,
    PORTMAP_CANNOT_PROVIDE_EXTERNAL = 11,
    PORTMAP_ADDRESS_MISMATCH = 12,
    PORTMAP_OTHER_ERROR = 255, /* every other one */
};

/* One message, either way; which members mean something depends on the type. */
struct portmap_msg {
    enum portmap_msg_type type;
    enum portmap_result result; /* answers */
    uint8_t version;            /* answers: what the server speaks: 0 NAT-PMP, 2 PCP */
    uint32_t lifetime_s;        /* asked for (0: remove), or given; of an error: how long it will last */
    uint32_t epoch_s;           /* answers: how long the gateway has known its mappings */
    struct addr client;         /* PCP requests: our address and, in its port, the one to be mapped */
    uint8_t nonce[PORTMAP_NONCE_LEN]; /* PCP_MAP */
    uint16_t internal_port;           /* answers, and NATPMP_MAP */
    struct addr external;             /* wished for (family 0, port 0: whatever) or given. NATPMP_ADDRESS has
                                         port 0, NATPMP_MAP the port alone */
};

/* Writes a request for a UDP port. Returns its bytes, or 0 when it does not fit. */
size_t portmap_msg_encode(const struct portmap_msg *msg, uint8_t *out, size_t capacity);
/* Reads an answer. False: it is none (a request, too short, an unknown operation, not UDP). */
bool portmap_msg_decode(struct portmap_msg *msg, const uint8_t *data, size_t len);

#endif
