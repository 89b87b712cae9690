/* socket_address.h - an address as the system's calls want it, from ours and back. Pure: it makes no call. */
#ifndef SOCKET_ADDRESS_H
#define SOCKET_ADDRESS_H

#include "addr.h"
#include <netinet/in.h>
#include <sys/socket.h>

/* Room for either family. */
union socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* Writes `addr`, of either family, port and scope included; returns the length that the system wants to
 * hear. */
socklen_t socket_address_set(union socket_address *out, const struct addr *addr);
/* In canonical form (addr.h). `in` points to as many bytes as its family has; one that is neither IPv4 nor
 * IPv6 gives an addr of family 0. */
struct addr socket_address_get(const struct sockaddr *in);

#endif
