/* socket_address.c - an address as the system's calls want it, from ours and back (RFC 3493 3.3). */
#include "socket_address.h"
#include <string.h>

socklen_t socket_address_set(union socket_address *out, const struct addr *addr)
{
    memset(out, 0, sizeof *out);
    if (addr->family == 4) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(addr->port);
        memcpy(&out->v4.sin_addr, addr->ip, 4);
        return sizeof out->v4;
    }
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = htons(addr->port);
    out->v6.sin6_scope_id = addr->scope;
    memcpy(&out->v6.sin6_addr, addr->ip, 16);
    return sizeof out->v6;
}

struct addr socket_address_get(const struct sockaddr *in)
{
    union socket_address copy;
    memcpy(&copy.any, in, sizeof copy.any);
    if (copy.any.sa_family == AF_INET) {
        uint8_t ip[4];
        memcpy(ip, &copy.v4.sin_addr, sizeof ip);
        return addr_make4(ip, ntohs(copy.v4.sin_port));
    }
    if (copy.any.sa_family == AF_INET6) {
        memcpy(&copy.v6, in, sizeof copy.v6);
        return addr_make6(copy.v6.sin6_addr.s6_addr, ntohs(copy.v6.sin6_port), copy.v6.sin6_scope_id);
    }
    return (struct addr){0};
}
