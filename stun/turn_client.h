/* turn_client.h - a public address borrowed from a relay (RFC 8656): one allocation at one server. */
#ifndef TURN_CLIENT_H
#define TURN_CLIENT_H

#include "packet.h"
#include "random.h"

enum {
    TURN_RELAYED_MAX = 2,      /* relayed addresses of an allocation: one a family */
    TURN_LIFETIME_S = 600,     /* asked for; RFC 8656 7.2 makes it the least that a server gives */
    TURN_KEEPALIVE_S = 15,     /* without a word either way: the shortest mappings live 20 s */
    TURN_CLOSE_MS = 500,       /* the goodbye is said by then, heard or not */
    TURN_OVERHEAD_MAX = 48,    /* bytes that turn_client_wrap adds to a datagram, and ... */
    TURN_PADDING_MAX = 3,      /* ... after it */
    TURN_USER_MAX = 508,       /* bytes of a user name (RFC 8489 14.3) */
    TURN_PASSWORD_MAX = 763,   /* bytes */
    TURN_DATAGRAM_MAX = 4096,  /* bytes of a message from a stream; a longer one is passed over */
    TURN_PERMISSIONS_MAX = 64, /* peers' addresses at a time; the one that was used longest ago gives way */
    TURN_CHANNELS_MAX = 16,    /* peers with a channel at a time; the others' datagrams are 32 bytes longer */
};

struct turn_config {
    struct addr server;
    bool stream; /* TCP or TLS, connected: bytes in order, in pieces of any length. Else datagrams */
    const char *user, *password; /* texts prepared as RFC 8265 wants; copied, wiped at the end */
    const struct random *random; /* outlives the client */
};

enum turn_event_type {
    TURN_ALLOCATED, /* `relayed`, `mapped` */
    TURN_FAILED,    /* it is over: `failure`, `text`; free the client, and make another one if you like */
};

enum turn_failure {
    TURN_SILENT,    /* no answer: not there, or no way to it */
    TURN_REFUSED,   /* the credentials, or what was asked for, will not be accepted another time either */
    TURN_FULL,      /* not now: quota or capacity (486, 508), or an error of the server's own */
    TURN_ELSEWHERE, /* it names another server: `alternate` (300) */
    TURN_LOST,      /* the allocation is gone: another one may be had at once */
    TURN_BROKEN,    /* what answers does not speak TURN */
};

struct turn_event {
    enum turn_event_type type;
    struct addr relayed[TURN_RELAYED_MAX];
    unsigned relayed_count;
    struct addr mapped; /* our address as the server sees it; family 0: it did not say */
    enum turn_failure failure;
    uint16_t error; /* the server's, 300 to 699; 0: none */
    struct addr alternate;
    const char *text; /* what went wrong, in words without a full stop; static */
};

struct turn_stats {
    uint64_t
        malformed; /* messages of the server that were dropped: garbage, or without the right integrity */
    uint64_t strangers; /* datagrams of peers that have neither permission nor channel */
    uint64_t dropped;   /* datagrams that could not be wrapped */
};

struct turn_client;

/* Asks for an allocation with the first output. NULL: no memory, or a user or password that is too long. */
struct turn_client *turn_client_new(const struct turn_config *config);
/* Forgets it; the server does so when the lifetime ends. NULL is fine. */
void turn_client_free(struct turn_client *turn);

/* Lets the peer's address (its port does not matter, RFC 8656 2.3) reach us, for as long as it is used, or
 * soon. For each candidate of a peer, before the first check leaves. */
void turn_client_permit(struct turn_client *turn, uint64_t now, const struct addr *peer);
/* Something suggests that the server, or the way to it, is gone: asks it now. */
void turn_client_doubt(struct turn_client *turn, uint64_t now);
/* Gives the allocation back (RFC 8656 7.1); turn_client_is_closed says when that has been said. */
void turn_client_close(struct turn_client *turn, uint64_t now);
bool turn_client_is_closed(const struct turn_client *turn);
/* Whether it is an address of this allocation. */
bool turn_client_is_relayed(const struct turn_client *turn, const struct addr *address);

/* Whether a datagram is this client's: from its server, and not an answer to a binding request. */
bool turn_client_takes(const struct turn_client *turn, const struct packet *in);

/* The four verbs. `input` takes a datagram, or a piece of the stream: call it until false. True: *inner is a
 * datagram of a peer, `local` the relayed address; its data is *in's or the client's, until the next call. */
bool turn_client_input(struct turn_client *turn, uint64_t now, struct packet *in, struct packet *inner);
/* Requests, one a call; `remote` is the server, `local` of family 0. */
bool turn_client_output(struct turn_client *turn, uint64_t now, struct packet *out);
uint64_t turn_client_deadline(const struct turn_client *turn);
bool turn_client_event(struct turn_client *turn, struct turn_event *event);

/* Turns datagrams (`segment`s, as of GSO) from a relayed address to a peer into what goes to the server, in
 * place: `capacity` bytes are at out->data, TURN_OVERHEAD_MAX and TURN_PADDING_MAX for each are enough. On a
 * stream all are bytes in a row (segment 0). False: dropped, there is no such allocation or no room. */
bool turn_client_wrap(struct turn_client *turn, uint64_t now, struct packet *out, size_t capacity);

void turn_client_stats(const struct turn_client *turn, struct turn_stats *stats);

#endif
