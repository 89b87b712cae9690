/* upnp_igd.h - one router that speaks UPnP (an Internet Gateway Device): the only file that knows miniupnpc.
 * Every call blocks. */
#ifndef UPNP_IGD_H
#define UPNP_IGD_H

#include "portmap.h"

struct igd;

/* Looks for the one that `wanted`'s gateway is, for some seconds. NULL: there is none, *why says so. */
struct igd *igd_find(const struct portmap_local *wanted, const char **why);
void igd_free(struct igd *igd);
/* Opens a port, or a hole in an IPv6 firewall, for `lifetime_s`, or renews it; *external as it is. False:
 * *why. */
bool igd_open(struct igd *igd, const struct portmap_local *wanted, uint32_t lifetime_s, struct addr *external,
              const char **why);
void igd_close(struct igd *igd, const struct portmap_local *wanted);

#endif
