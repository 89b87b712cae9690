/* upnp_igd.c - one router that speaks UPnP (an Internet Gateway Device): the only file that knows miniupnpc.
 *
 * Whatever answers the search for IPv4 must be the default gateway: anybody on the network may answer, and
 * would have us ask where he likes. Left out: routers that are not the default gateway, TCP. */
#include "upnp_igd.h"

#include <miniupnpc/miniupnpc.h>
#include <miniupnpc/upnpcommands.h>
#include <miniupnpc/upnperrors.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SEARCH_QUICK_MS = 1000, /* all of it is waited for; miniupnpc takes less for a second too */
    SEARCH_MS = 2000,       /* for each kind of device */
    MULTICAST_TTL = 2,      /* UPnP Device Architecture 1.1, 1.3.2 */
    CONFLICT = 718,         /* ConflictInMappingEntry: somebody else has this port */
    ONLY_PERMANENT = 725,   /* OnlyPermanentLeasesSupported */
    TRIES = 4,              /* ports that are tried where the router cannot choose */
    PORT_STEP = 101,
    CONNECTED = 1, /* of UPNP_GetValidIGD, in every version */
};

struct igd {
    struct UPNPUrls urls;
    struct IGDdatas data;
    uint16_t port;   /* outside; 0: none is open */
    char pinhole[8]; /* its id; empty: none is open */
};

static int get_valid(struct UPNPDev *devices, struct igd *igd)
{
    char lan[64];
#if MINIUPNPC_API_VERSION >= 18
    char wan[64];
    return UPNP_GetValidIGD(devices, &igd->urls, &igd->data, lan, sizeof lan, wan, sizeof wan);
#else
    return UPNP_GetValidIGD(devices, &igd->urls, &igd->data, lan, sizeof lan);
#endif
}

/* Whether a URL is of this address: "http://192.168.1.1:5000/...". */
static bool is_at(const char *url, const struct addr *gateway)
{
    char ip[ADDR_TEXT_MAX], start[ADDR_TEXT_MAX + 8];
    snprintf(start, sizeof start, "http://%s", addr_print_ip(gateway, ip));
    size_t len = strlen(start);
    return url && strncmp(url, start, len) == 0 && (url[len] == ':' || url[len] == '/');
}

static struct UPNPDev *search(const struct portmap_local *wanted, bool quick)
{
    char from[ADDR_TEXT_MAX > IF_NAMESIZE ? ADDR_TEXT_MAX : IF_NAMESIZE];
    int error, ipv6 = wanted->local.family == 6;
    addr_print_ip(&wanted->local, from);
    if (ipv6 && !if_indextoname(wanted->gateway.scope, from))
        return NULL;
    if (quick) /* the one service that we want, which nearly every router has */
        return upnpDiscoverDevice("urn:schemas-upnp-org:service:WANIPConnection:1", SEARCH_QUICK_MS, from,
                                  NULL, UPNP_LOCAL_PORT_ANY, ipv6, MULTICAST_TTL, &error);
    return upnpDiscover(SEARCH_MS, from, NULL, UPNP_LOCAL_PORT_ANY, ipv6, MULTICAST_TTL, &error);
}

struct igd *igd_find(const struct portmap_local *wanted, const char **why)
{
    struct igd *igd = calloc(1, sizeof *igd);
    *why = "the router does not offer UPnP";
    if (!igd)
        return NULL;
    struct UPNPDev *devices = search(wanted, true);
    if (!devices)
        devices = search(wanted, false);
    int found = devices ? get_valid(devices, igd) : 0;
    freeUPNPDevlist(devices);
    bool ours = wanted->local.family == 6 || is_at(igd->urls.controlURL, &wanted->gateway);
    if (found == CONNECTED && ours)
        return igd;
    if (found && ours)
        *why = "the router says by UPnP that it has no public address";
    igd_free(igd);
    return NULL;
}

void igd_free(struct igd *igd)
{
    if (!igd)
        return;
    FreeUPNPUrls(&igd->urls);
    free(igd);
}

/* Only version 2 of the service finds a free port by itself. */
static int add_mapping(struct igd *igd, const char *port, const char *inside, const char *ip,
                       const char *lease, char given[6])
{
    const char *service = igd->data.first.servicetype;
    size_t len = strlen(service);
    if (len && service[len - 1] == '2' && !igd->port)
        return UPNP_AddAnyPortMapping(igd->urls.controlURL, service, port, inside, ip, "p2pconnect", "UDP",
                                      NULL, lease, given);
    snprintf(given, 6, "%s", port);
    return UPNP_AddPortMapping(igd->urls.controlURL, service, port, inside, ip, "p2pconnect", "UDP", NULL,
                               lease);
}

static int open_port(struct igd *igd, const struct portmap_local *wanted, uint32_t lifetime_s)
{
    char ip[ADDR_TEXT_MAX], inside[6], port[6], given[6] = "", lease[12];
    uint16_t wish = igd->port ? igd->port : wanted->local.port;
    int error = CONFLICT;
    addr_print_ip(&wanted->local, ip);
    snprintf(inside, sizeof inside, "%u", wanted->local.port);
    snprintf(lease, sizeof lease, "%u", lifetime_s);
    for (int tries = 0; tries < TRIES && (error == CONFLICT || error == ONLY_PERMANENT); tries++) {
        if (error == ONLY_PERMANENT)
            snprintf(lease, sizeof lease, "0");
        else if (tries)
            wish = (uint16_t)(1024 + (wish + PORT_STEP) % (65536 - 1024));
        snprintf(port, sizeof port, "%u", wish);
        error = add_mapping(igd, port, inside, ip, lease, given);
    }
    if (!error)
        igd->port = (uint16_t)strtoul(given, NULL, 10);
    return error;
}

static bool read_external(const struct igd *igd, struct addr *external, const char **why)
{
    char ip[16] = "";
    *why = "the router tells no public address by UPnP";
    if (UPNP_GetExternalIPAddress(igd->urls.controlURL, igd->data.first.servicetype, ip) ||
        !addr_parse(external, ip))
        return false;
    external->port = igd->port;
    *why = portmap_failure_text(PORTMAP_PRIVATE);
    return addr_scope(external) == ADDR_GLOBAL && external->port;
}

/* A hole lets packets in to our own address, from anybody. */
static int open_pinhole(struct igd *igd, const struct portmap_local *wanted, uint32_t lifetime_s)
{
    char ip[ADDR_TEXT_MAX], inside[6], lease[12];
    const char *url = igd->urls.controlURL_6FC, *service = igd->data.IPv6FC.servicetype;
    if (!url || !*url || !*service)
        return UPNPCOMMAND_UNKNOWN_ERROR;
    addr_print_ip(&wanted->local, ip);
    snprintf(inside, sizeof inside, "%u", wanted->local.port);
    snprintf(lease, sizeof lease, "%u", lifetime_s);
    if (igd->pinhole[0] && UPNP_UpdatePinhole(url, service, igd->pinhole, lease) == UPNPCOMMAND_SUCCESS)
        return UPNPCOMMAND_SUCCESS;
    return UPNP_AddPinhole(url, service, "", "0", ip, inside, "17", lease, igd->pinhole);
}

bool igd_open(struct igd *igd, const struct portmap_local *wanted, uint32_t lifetime_s, struct addr *external,
              const char **why)
{
    bool ipv6 = wanted->local.family == 6;
    int error = ipv6 ? open_pinhole(igd, wanted, lifetime_s) : open_port(igd, wanted, lifetime_s);
    if (error) {
        *why = strupnperror(error);
        if (!*why)
            *why = "the router refuses to map ports by UPnP";
        return false;
    }
    *external = wanted->local;
    if (ipv6 || read_external(igd, external, why))
        return true;
    igd_close(igd, wanted);
    return false;
}

void igd_close(struct igd *igd, const struct portmap_local *wanted)
{
    char port[6];
    snprintf(port, sizeof port, "%u", igd->port);
    if (igd->port && wanted->local.family == 4)
        (void)UPNP_DeletePortMapping(igd->urls.controlURL, igd->data.first.servicetype, port, "UDP", NULL);
    if (igd->pinhole[0])
        (void)UPNP_DeletePinhole(igd->urls.controlURL_6FC, igd->data.IPv6FC.servicetype, igd->pinhole);
    igd->port = 0;
    igd->pinhole[0] = '\0';
}
