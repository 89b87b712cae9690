/* addr.h - an IPv4 or IPv6 address and port: parse, print, compare, tell its scope. */
#ifndef ADDR_H
#define ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One canonical form: an IPv4-mapped IPv6 address (RFC 4291 2.5.5.2) never appears, addr_make6 turns it into
 * IPv4. So two addresses are the same exactly when addr_equal says so, and every rule is tested once. */
struct addr {
    uint8_t family; /* 0 (no address), 4 or 6 */
    uint8_t ip[16]; /* network order; IPv4 in the first 4, the rest zero */
    uint16_t port;  /* host order; 0: none */
    uint32_t scope; /* interface index of an IPv6 link-local address (RFC 4007), else 0 */
};

enum addr_scope {
    ADDR_NONE,       /* unspecified (0/8, ::), multicast, broadcast, 240/4: nobody to talk to */
    ADDR_LOOPBACK,   /* 127/8, ::1 */
    ADDR_LINK_LOCAL, /* 169.254/16 (RFC 3927), fe80::/10 */
    ADDR_PRIVATE,    /* RFC 1918, fc00::/7 (RFC 4193) */
    ADDR_SHARED,     /* 100.64/10 (RFC 6598), a carrier's NAT */
    ADDR_GLOBAL,     /* the rest, the documentation prefixes (RFC 5737) too: laboratories live there */
};

enum { ADDR_TEXT_MAX = 64 }; /* room for the longest text, with brackets, zone, port and the final NUL */

struct addr addr_make4(const uint8_t ip[4], uint16_t port);
struct addr addr_make6(const uint8_t ip[16], uint16_t port, uint32_t scope);

/* Reads "1.2.3.4", "1.2.3.4:5", "2001:db8::1", "[2001:db8::1]:5", with "%INDEX" (a number) after a link-local
 * IPv6 address. Nothing else: no host names, no octal, no spaces. False leaves *out as it was. */
bool addr_parse(struct addr *out, const char *text);

/* Writes the canonical text (RFC 5952), with the port unless it is 0; always ends with NUL. Returns `text`.
 */
const char *addr_print(const struct addr *addr, char text[ADDR_TEXT_MAX]);
/* The same without the port (and without brackets). */
const char *addr_print_ip(const struct addr *addr, char text[ADDR_TEXT_MAX]);

bool addr_equal(const struct addr *a, const struct addr *b);    /* family, address, port and scope */
bool addr_equal_ip(const struct addr *a, const struct addr *b); /* all but the port */
/* A total order for sorting: < 0, 0 or > 0. */
int addr_compare(const struct addr *a, const struct addr *b);

enum addr_scope addr_scope(const struct addr *addr);
/* Whether packets may be sent to it at all: not ADDR_NONE, and a port other than 0. */
bool addr_is_usable(const struct addr *addr);

#endif
