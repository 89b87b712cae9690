/* turn_uri.h - where a TURN server is: turn:HOST[:PORT][?transport=udp|tcp], turns:HOST[:PORT] (RFC 7065). */
#ifndef TURN_URI_H
#define TURN_URI_H

#include <stdbool.h>
#include <stdint.h>

enum {
    TURN_PORT = 3478,     /* RFC 8656 3.1 */
    TURN_TLS_PORT = 5349, /* the same */
};

struct turn_uri {
    char host[256]; /* a name or an address */
    uint16_t port;
    bool stream; /* over TCP */
    bool secure; /* over TLS, which is over TCP: DTLS is left out */
};

/* False: not of that form. */
bool turn_uri_parse(struct turn_uri *uri, const char *text);

#endif
