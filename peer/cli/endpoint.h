/* endpoint.h - what -L, -R, -W and --allow name: a host and its port, or a UNIX socket. */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ENDPOINT_HOST_MAX = 253, /* bytes of a name (RFC 1035 2.3.4); more than a path of a UNIX socket has */
    ENDPOINT_PATH_MAX = 107, /* bytes: sun_path of Linux without its end */
    ENDPOINT_TEXT_MAX = ENDPOINT_HOST_MAX + sizeof "[]:65535/udp",
};

struct endpoint {
    char host[ENDPOINT_HOST_MAX + 1]; /* small letters; IPv6 without brackets, addresses as inet_ntop writes
                                         them; or the path, which begins with '/' */
    uint16_t port;                    /* 0: a path */
    bool udp;
};

struct forwarding {
    struct endpoint listen; /* host "*": every address; empty: loopback */
    struct endpoint target;
};

/* HOST:PORT, [IPV6]:PORT, or /PATH, with /tcp or /udp after a port; `udp`: what is meant without. False: it
 * is none. */
bool endpoint_read(struct endpoint *endpoint, const char *text, bool udp);
/* PORT, or PORT/tcp, PORT/udp. */
bool endpoint_read_port(struct endpoint *endpoint, const char *text, bool udp);
/* [BIND:]PORT:HOST:PORT as ssh has it; either half may be a /PATH; /tcp or /udp at the end. */
bool endpoint_read_forwarding(struct forwarding *forwarding, const char *text, bool udp);
/* HOST:PORT, [IPV6]:PORT or the path, without the protocol. Returns `text`. */
const char *endpoint_print(char text[ENDPOINT_TEXT_MAX], const struct endpoint *endpoint);
/* Whether both say the same, letter for letter: localhost is not 127.0.0.1. */
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);

#endif
