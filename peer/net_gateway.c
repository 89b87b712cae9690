/* net_gateway.c - the router that an interface's packets for the internet leave by, from /proc/net.
 *
 * Left out: policy routing. A machine with several tables asks the main one's gateway, which may not be the
 * one that its packets take; then no port is mapped, and nothing is lost. */
#include "net_gateway.h"

#include <inttypes.h>
#include <net/if.h>
#include <string.h>

enum {
    LINE = 256,            /* bytes of a line: the tables' are 128 and 150 long */
    IS_UP_WITH_GATEWAY = 3 /* RTF_UP | RTF_GATEWAY of linux/route.h */
};

/* Whether a route is the default one by this interface and better than what was found before. */
static bool is_better(const char *name, const char *interface, unsigned flags, uint32_t metric, uint32_t best)
{
    return strcmp(name, interface) == 0 && (flags & IS_UP_WITH_GATEWAY) == IS_UP_WITH_GATEWAY &&
           metric < best;
}

bool gateway_read4(struct addr *out, FILE *table, const char *interface)
{
    char line[LINE], name[IF_NAMESIZE];
    uint32_t destination, gateway, metric, mask, best = UINT32_MAX;
    unsigned flags;
    while (fgets(line, sizeof line, table)) {
        if (sscanf(line, "%15s %" SCNx32 " %" SCNx32 " %x %*d %*d %" SCNu32 " %" SCNx32, name, &destination,
                   &gateway, &flags, &metric, &mask) != 6)
            continue; /* the heading */
        if (destination || mask || !gateway || !is_better(name, interface, flags, metric, best))
            continue;
        uint8_t ip[4];
        memcpy(ip, &gateway, sizeof ip); /* written as the number that its bytes are on this machine */
        *out = addr_make4(ip, 0);
        best = metric;
    }
    return best != UINT32_MAX;
}

static bool read_ip6(uint8_t ip[16], const char text[33])
{
    for (size_t i = 0; i < 16; i++)
        if (sscanf(text + 2 * i, "%2" SCNx8, &ip[i]) != 1)
            return false;
    return true;
}

bool gateway_read6(struct addr *out, FILE *table, const char *interface, uint32_t index)
{
    static const uint8_t none[16];
    char line[LINE], name[IF_NAMESIZE], destination[33], gateway[33];
    uint32_t metric, best = UINT32_MAX;
    unsigned prefix, flags;
    uint8_t to[16], ip[16];
    while (fgets(line, sizeof line, table)) {
        if (sscanf(line, "%32s %x %*s %*s %32s %" SCNx32 " %*x %*x %x %15s", destination, &prefix, gateway,
                   &metric, &flags, name) != 6 ||
            strlen(destination) != 32 || strlen(gateway) != 32)
            continue;
        if (prefix || !read_ip6(to, destination) || !read_ip6(ip, gateway) || memcmp(to, none, 16) != 0 ||
            memcmp(ip, none, 16) == 0 || !is_better(name, interface, flags, metric, best))
            continue;
        *out = addr_make6(ip, 0, 0);
        if (addr_scope(out) == ADDR_LINK_LOCAL)
            out->scope = index;
        best = metric;
    }
    return best != UINT32_MAX;
}

#if defined(__linux__) && !defined(P2P_NO_NETLINK)
bool gateway_of(struct addr *out, int family, const char *interface)
{
    FILE *table = fopen(family == 4 ? "/proc/net/route" : "/proc/net/ipv6_route", "re");
    if (!table)
        return false;
    bool found = family == 4 ? gateway_read4(out, table, interface)
                             : gateway_read6(out, table, interface, if_nametoindex(interface));
    fclose(table);
    return found;
}
#else
bool gateway_of(struct addr *out, int family, const char *interface)
{
    (void)out, (void)family, (void)interface;
    return false;
}
#endif
