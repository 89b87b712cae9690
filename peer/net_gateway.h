/* net_gateway.h - the router that an interface's packets for the internet leave by. Part of net. */
#ifndef NET_GATEWAY_H
#define NET_GATEWAY_H

#include "addr.h"
#include <stdio.h>

/* The default gateway of this family (4 or 6) on the interface; *out without a port, a link-local one with
 * the interface's index. False: none is known. Elsewhere than on Linux none ever is. */
bool gateway_of(struct addr *out, int family, const char *interface);

/* The same out of a table in the form of /proc/net/route, or of /proc/net/ipv6_route. */
bool gateway_read4(struct addr *out, FILE *table, const char *interface);
bool gateway_read6(struct addr *out, FILE *table, const char *interface, uint32_t index);

#endif
