/* net_interfaces.c - this machine's network interfaces and their addresses, watched through rtnetlink.
 *
 * Elsewhere than on Linux, and with -DP2P_NO_NETLINK, nothing is watched: the addresses are those of the
 * start. */
#include "net_interfaces.h"
#include "socket_address.h"

#include "net_gateway.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__linux__) && !defined(P2P_NO_NETLINK)
#define NETLINK 1
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#endif

struct interfaces {
    int watch; /* -1: none */
    char only[NET_INTERFACES_MAX][IF_NAMESIZE];
    size_t only_count;
    char exclude[NET_INTERFACES_MAX][IF_NAMESIZE];
    size_t exclude_count;
    struct place {
        struct addr address;
        uint32_t index;
    } places[NODE_ADDRESSES_MAX]; /* as they were listed last */
    size_t place_count;
};

static size_t copy_names(char out[][IF_NAMESIZE], const char *const *names)
{
    size_t count = 0;
    for (; names && names[count] && count < NET_INTERFACES_MAX; count++)
        snprintf(out[count], IF_NAMESIZE, "%s", names[count]);
    return count;
}

#ifdef NETLINK
static int open_watch(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
    struct sockaddr_nl address = {.nl_family = AF_NETLINK,
                                  .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
                                               RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE};
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address)) {
        close(fd);
        fd = -1;
    }
    return fd;
}
#else
static int open_watch(void)
{
    return -1;
}
#endif

int interfaces_open(struct interfaces **out, const struct net_config *config)
{
    struct interfaces *interfaces = calloc(1, sizeof *interfaces);
    if (!interfaces)
        return NET_ENOMEM;
    interfaces->only_count = copy_names(interfaces->only, config->interfaces);
    interfaces->exclude_count = copy_names(interfaces->exclude, config->exclude);
    interfaces->watch = open_watch();
    *out = interfaces;
    return NET_OK;
}

void interfaces_close(struct interfaces *interfaces)
{
    if (!interfaces)
        return;
    if (interfaces->watch >= 0)
        close(interfaces->watch);
    free(interfaces);
}

int interfaces_fd(const struct interfaces *interfaces)
{
    return interfaces->watch;
}

bool interfaces_have_changed(struct interfaces *interfaces)
{
    char message[8192];
    bool changed = false;
    /* What changed is not read: the addresses are listed anew. Too many changes at once (ENOBUFS) are one
     * too. */
    for (;;) {
        ssize_t got =
            interfaces->watch < 0 ? -1 : recv(interfaces->watch, message, sizeof message, MSG_DONTWAIT);
        if (got <= 0 && !(got < 0 && errno == ENOBUFS))
            return changed;
        changed = true;
    }
}

static bool name_in(const char names[][IF_NAMESIZE], size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static enum net_use allowed_use(const struct interfaces *interfaces, const char *name)
{
    if (name_in(interfaces->exclude, interfaces->exclude_count, name))
        return NET_UNUSED_EXCLUDED;
    bool chosen = !interfaces->only_count || name_in(interfaces->only, interfaces->only_count, name);
    return chosen ? NET_USED : NET_UNUSED_NOT_CHOSEN;
}

static bool has_attribute(const struct ifaddrs *entry, const char *attribute)
{
    char path[64 + IF_NAMESIZE];
    struct stat status;
    snprintf(path, sizeof path, "/sys/class/net/%s/%s", entry->ifa_name, attribute);
    return stat(path, &status) == 0;
}

/* Bridges (of containers and virtual machines) and tunnels: reachable by few, so they are tried last. */
static enum candidate_rank interface_rank(const struct ifaddrs *entry)
{
    return has_attribute(entry, "bridge") || entry->ifa_flags & IFF_POINTOPOINT ? RANK_BRIDGE : RANK_NORMAL;
}

/* A bridge's port: what it hears is the bridge's. A host of many containers has one a container, each with a
 * link-local address of its own that nobody can reach. */
static bool is_port_of_bridge(const struct ifaddrs *entry)
{
    return has_attribute(entry, "brport");
}

static uint32_t interface_mtu(const char *name)
{
    struct ifreq request = {0};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool known = fd >= 0 && ioctl(fd, SIOCGIFMTU, &request) == 0 && request.ifr_mtu > 0;
    if (fd >= 0)
        close(fd);
    return known ? (uint32_t)request.ifr_mtu : 0;
}

static bool entry_address(const struct ifaddrs *entry, struct addr *out)
{
    if (!entry->ifa_addr || !(entry->ifa_flags & IFF_UP))
        return false;
    *out = socket_address_get(entry->ifa_addr);
    out->port = 0;
    return addr_scope(out) != ADDR_NONE;
}

/* A link-local address helps only where its interface has nothing else of that family. */
static bool has_better(const struct ifaddrs *list, const struct ifaddrs *entry, const struct addr *address)
{
    struct addr other;
    if (addr_scope(address) != ADDR_LINK_LOCAL)
        return false;
    for (const struct ifaddrs *e = list; e; e = e->ifa_next)
        if (strcmp(e->ifa_name, entry->ifa_name) == 0 && entry_address(e, &other) &&
            other.family == address->family && addr_scope(&other) != ADDR_LINK_LOCAL)
            return true;
    return false;
}

/* The address in *out, family 0 where there is none. */
static enum net_use entry_use(const struct interfaces *interfaces, const struct ifaddrs *list,
                              const struct ifaddrs *entry, struct addr *out)
{
    *out = (struct addr){0};
    if (!(entry->ifa_flags & IFF_UP))
        return NET_UNUSED_DOWN;
    enum net_use use = allowed_use(interfaces, entry->ifa_name);
    bool usable = entry_address(entry, out);
    if (use != NET_USED)
        return use;
    if (is_port_of_bridge(entry))
        return NET_UNUSED_BRIDGE_PORT;
    if (!usable)
        return NET_UNUSED_NO_ADDRESS;
    return has_better(list, entry, out) ? NET_UNUSED_LINK_LOCAL : NET_USED;
}

static void place_note(struct interfaces *interfaces, const struct addr *address, const char *name)
{
    if (interfaces->place_count < NODE_ADDRESSES_MAX)
        interfaces->places[interfaces->place_count++] =
            (struct place){.address = *address, .index = if_nametoindex(name)};
}

uint32_t interfaces_index(const struct interfaces *interfaces, const struct addr *local)
{
    if (!interfaces->only_count && !interfaces->exclude_count)
        return 0;
    for (size_t i = 0; i < interfaces->place_count; i++)
        if (addr_equal_ip(&interfaces->places[i].address, local))
            return interfaces->places[i].index;
    return 0;
}

size_t interfaces_addresses(struct interfaces *interfaces, struct node_address *out, size_t max)
{
    struct ifaddrs *list;
    size_t count = 0;
    interfaces->place_count = 0;
    if (getifaddrs(&list))
        return 0;
    for (const struct ifaddrs *entry = list; entry && count < max; entry = entry->ifa_next) {
        struct node_address found = {0};
        if (entry_use(interfaces, list, entry, &found.address) != NET_USED)
            continue;
        found.rank = interface_rank(entry);
        found.mtu = interface_mtu(entry->ifa_name);
        (void)gateway_of(&found.gateway, found.address.family, entry->ifa_name); /* many have none */
        place_note(interfaces, &found.address, entry->ifa_name);
        out[count++] = found;
    }
    freeifaddrs(list);
    return count;
}

/* An interface's own entry, without an address, says something only where there is no other. */
static bool has_other_entry(const struct ifaddrs *list, const struct ifaddrs *entry)
{
    for (const struct ifaddrs *e = list; e; e = e->ifa_next)
        if (e != entry && strcmp(e->ifa_name, entry->ifa_name) == 0 && e->ifa_addr &&
            (e->ifa_addr->sa_family == AF_INET || e->ifa_addr->sa_family == AF_INET6))
            return true;
    return false;
}

size_t interfaces_list(const struct interfaces *interfaces, struct net_interface *out, size_t max)
{
    struct ifaddrs *list;
    size_t count = 0;
    if (getifaddrs(&list))
        return 0;
    for (const struct ifaddrs *entry = list; entry && count < max; entry = entry->ifa_next) {
        struct net_interface *found = &out[count];
        *found = (struct net_interface){0};
        snprintf(found->name, sizeof found->name, "%s", entry->ifa_name);
        found->use = entry_use(interfaces, list, entry, &found->address);
        found->is_last = interface_rank(entry) == RANK_BRIDGE;
        count += found->address.family != 0 || !has_other_entry(list, entry);
    }
    freeifaddrs(list);
    return count;
}

/* ---- the machine ---- */

static void hash_file(crypto_generichash_state *state, const char *path)
{
    char text[128];
    FILE *file = fopen(path, "re");
    size_t len = file ? fread(text, 1, sizeof text, file) : 0;
    if (file)
        fclose(file);
    crypto_generichash_update(state, (const uint8_t *)text, len);
}

bool net_machine(uint8_t machine[32])
{
    struct stat network;
    crypto_generichash_state state;
    /* Without the namespace all containers of a host would look like one machine. */
    if (stat("/proc/self/ns/net", &network))
        return false;
    crypto_generichash_init(&state, NULL, 0, 32);
    hash_file(&state, "/etc/machine-id");
    hash_file(&state, "/proc/sys/kernel/random/boot_id");
    crypto_generichash_update(&state, (const uint8_t *)&network.st_ino, sizeof network.st_ino);
    crypto_generichash_final(&state, machine, 32);
    return true;
}
