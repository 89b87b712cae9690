/* stun_client.h - our mapped addresses, from several servers, on the socket that the peers will reach. */
#ifndef STUN_CLIENT_H
#define STUN_CLIENT_H

#include "packet.h"
#include "random.h"

enum {
    STUN_CLIENT_SERVERS_MAX = 8,
    STUN_CLIENT_LOCALS_MAX = 16,
    STUN_CLIENT_REFRESH_S = 15, /* between rounds: the shortest mappings live 20 s */
};

enum stun_doubt {
    STUN_CREDIBLE,
    STUN_OWN_ADDRESS,    /* it is the local address: no NAT towards this server */
    STUN_SERVER_ADDRESS, /* the server's own address: a lie */
    STUN_NOT_PUBLIC,     /* private, shared or link-local: true at most inside the server's own network */
    STUN_NOT_AN_ADDRESS, /* loopback, multicast, port 0, the other family: a lie */
};

enum stun_client_event_type {
    /* The first answer for this local address and server, the first after a silence, or another one. */
    STUN_CLIENT_MAPPED,
    /* The server did not answer this local address, or with an error; asked again in the next round. Once a
       streak. */
    STUN_CLIENT_SILENT,
    /* Every question of this round is answered or has failed: the list is complete. Once a round. */
    STUN_CLIENT_DONE,
};

struct stun_client_event {
    enum stun_client_event_type type;
    struct addr local;  /* which of ours asked */
    struct addr server; /* who answered, or did not */
    struct addr mapped; /* MAPPED: what it saw */
    struct addr other;  /* MAPPED: its second address and port, where it speaks RFC 5780; else family 0 */
    enum stun_doubt doubt;
    uint64_t rtt; /* ns */
};

struct stun_client;

/* NULL: no memory. `random` outlives the client. */
struct stun_client *stun_client_new(const struct random *random);
void stun_client_free(struct stun_client *client);

/* Asks `server` from every local address of its family from now on, at once. False: the table is full, it is
 * there, or nothing can be sent to it. */
bool stun_client_add_server(struct stun_client *client, uint64_t now, const struct addr *server);
/* The addresses (with port) of the punching sockets, at most STUN_CLIENT_LOCALS_MAX, the rest is ignored. New
 * ones are asked for at once, those that are gone forgotten. Loopback and link-local addresses reach no
 * server on the internet and are asked for only where the server is in the same scope. */
void stun_client_set_locals(struct stun_client *client, uint64_t now, const struct addr *locals,
                            size_t count);
/* Starts a new round now, where none is under way. DONE follows even when there is nobody to ask. */
void stun_client_ask(struct stun_client *client, uint64_t now);
/* Whether rounds repeat every STUN_CLIENT_REFRESH_S (the default). */
void stun_client_set_refresh(struct stun_client *client, uint64_t now, bool on);

/* The four verbs. `input` returns whether the datagram was an answer to one of its requests, from the right
 * server. */
bool stun_client_input(struct stun_client *client, uint64_t now, const struct packet *in);
bool stun_client_output(struct stun_client *client, uint64_t now, struct packet *out);
uint64_t stun_client_deadline(const struct stun_client *client);
bool stun_client_event(struct stun_client *client, struct stun_client_event *event);

#endif
