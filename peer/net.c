/* net.c - one UDP socket a family: the only socket calls.
 *
 * The source address is chosen for every packet (IP_PKTINFO), so one socket serves all interfaces and keeps
 * its NAT mappings. Long writes leave as one call (GSO), arrive as one (GRO); where the system has neither,
 * or a device breaks it, datagrams go one by one. */
#include "net.h"

#include "net_interfaces.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum {
    BATCH = 8,             /* buffers a receive call fills */
    BUFFER = 65536,        /* bytes of each: the longest that GRO makes */
    CONTROL = 128,         /* bytes of control messages: packet info and segment size */
    SEND_SEGMENTS_MAX = 64 /* of one GSO call (UDP_MAX_SEGMENTS) */
};

union socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* A family's socket and what its last receive call brought. */
struct endpoint {
    int fd;
    uint16_t port;
    bool gso;
    bool dry;                  /* the last call found less than it had room for: nothing more for now */
    int batch, next;           /* messages read, the one being handed out */
    size_t offset;             /* inside it */
    size_t segment;            /* of it */
    struct addr local, remote; /* of it */
    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    union socket_address sources[BATCH];
    char controls[BATCH][CONTROL];
};

struct net {
    struct endpoint endpoints[2]; /* IPv4, IPv6 */
    struct interfaces *interfaces;
    uint8_t *buffers; /* BATCH * BUFFER a family, touched only as far as datagrams fill it */
    struct net_stats stats;
};

static socklen_t to_system(union socket_address *out, const struct addr *addr)
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

static struct addr from_system(const union socket_address *in)
{
    uint8_t ip[16];
    if (in->any.sa_family == AF_INET) {
        memcpy(ip, &in->v4.sin_addr, 4);
        return addr_make4(ip, ntohs(in->v4.sin_port));
    }
    memcpy(ip, &in->v6.sin6_addr, 16);
    return addr_make6(ip, ntohs(in->v6.sin6_port), in->v6.sin6_scope_id);
}

static void set_option(int fd, int level, int name, int value)
{
    /* Options that make things better, not possible: without them we are slower. */
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

static int bind_port(int fd, int family, uint16_t port)
{
    struct addr any = {.family = family == AF_INET ? 4 : 6, .port = port};
    union socket_address address;
    socklen_t len = to_system(&address, &any);
    return bind(fd, &address.any, len);
}

/* Opens a family's socket on `port`. NET_OK with fd -1: the machine does not have this family. */
static int endpoint_open(struct endpoint *endpoint, int family, uint16_t port)
{
    int on = 1;
    endpoint->fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (endpoint->fd < 0)
        return errno == EAFNOSUPPORT ? NET_OK : NET_ESYSTEM;
    if (family == AF_INET6 && setsockopt(endpoint->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on))
        return NET_ESYSTEM;
    if (bind_port(endpoint->fd, family, port)) {
        if (errno == EADDRINUSE || errno == EACCES)
            return NET_EPORT;
        if (family == AF_INET6 && errno == EADDRNOTAVAIL) {
            close(endpoint->fd);
            endpoint->fd = -1;
            return NET_OK;
        }
        return NET_ESYSTEM;
    }
    set_option(endpoint->fd, family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
               family == AF_INET ? IP_PKTINFO : IPV6_RECVPKTINFO, 1);
    set_option(endpoint->fd, SOL_SOCKET, SO_RCVBUF, NET_SOCKET_BUFFER);
    set_option(endpoint->fd, SOL_SOCKET, SO_SNDBUF, NET_SOCKET_BUFFER);
    set_option(endpoint->fd, IPPROTO_UDP, UDP_GRO, 1);
    endpoint->gso = true;
    union socket_address bound;
    socklen_t len = sizeof bound;
    if (getsockname(endpoint->fd, &bound.any, &len))
        return NET_ESYSTEM;
    endpoint->port = from_system(&bound).port;
    return NET_OK;
}

/* Both families on one port where that is possible: a firewall's rule then fits both. */
static int open_both(struct net *net, uint16_t port)
{
    int err = endpoint_open(&net->endpoints[0], AF_INET, port);
    if (err)
        return err;
    uint16_t same = net->endpoints[0].port;
    err = endpoint_open(&net->endpoints[1], AF_INET6, same);
    if (err == NET_EPORT && port == 0) {
        close(net->endpoints[1].fd);
        err = endpoint_open(&net->endpoints[1], AF_INET6, 0);
    }
    if (!err && net->endpoints[0].fd < 0 && net->endpoints[1].fd < 0) {
        errno = EAFNOSUPPORT;
        err = NET_ESYSTEM;
    }
    return err;
}

static void endpoint_prepare(struct endpoint *endpoint, uint8_t *buffers)
{
    for (int i = 0; i < BATCH; i++) {
        endpoint->vectors[i] = (struct iovec){.iov_base = buffers + (size_t)i * BUFFER, .iov_len = BUFFER};
        endpoint->messages[i].msg_hdr = (struct msghdr){.msg_name = &endpoint->sources[i],
                                                        .msg_iov = &endpoint->vectors[i],
                                                        .msg_iovlen = 1,
                                                        .msg_control = endpoint->controls[i]};
    }
}

int net_open(struct net **out, const struct net_config *config)
{
    struct net *net = calloc(1, sizeof *net);
    if (!net)
        return NET_ENOMEM;
    net->endpoints[0].fd = net->endpoints[1].fd = -1;
    net->buffers = malloc(2 * (size_t)BATCH * BUFFER);
    int err = net->buffers ? open_both(net, config->port) : NET_ENOMEM;
    if (!err)
        err = interfaces_open(&net->interfaces, config);
    if (err) {
        int saved = errno;
        net_close(net);
        errno = saved;
        return err;
    }
    for (int i = 0; i < 2; i++)
        endpoint_prepare(&net->endpoints[i], net->buffers + (size_t)i * BATCH * BUFFER);
    *out = net;
    return NET_OK;
}

void net_close(struct net *net)
{
    if (!net)
        return;
    for (int i = 0; i < 2; i++)
        if (net->endpoints[i].fd >= 0)
            close(net->endpoints[i].fd);
    interfaces_close(net->interfaces);
    free(net->buffers);
    free(net);
}

int net_fd(const struct net *net, unsigned index)
{
    return index < 2 ? net->endpoints[index].fd : interfaces_fd(net->interfaces);
}

size_t net_addresses(const struct net *net, struct node_address *out, size_t max)
{
    size_t count = interfaces_addresses(net->interfaces, out, max), kept = 0;
    for (size_t i = 0; i < count; i++) {
        const struct endpoint *endpoint = &net->endpoints[out[i].address.family == 6];
        if (endpoint->fd < 0)
            continue;
        out[kept] = out[i];
        out[kept++].address.port = endpoint->port;
    }
    return kept;
}

bool net_has_changed(struct net *net)
{
    return interfaces_have_changed(net->interfaces);
}

/* ---- receiving ---- */

static bool endpoint_fill(struct net *net, struct endpoint *endpoint)
{
    for (int i = 0; i < BATCH; i++) {
        endpoint->messages[i].msg_hdr.msg_namelen = sizeof endpoint->sources[i];
        endpoint->messages[i].msg_hdr.msg_controllen = CONTROL;
    }
    int got;
    do { /* ICMP errors of earlier packets come here too: they are nobody's business, the next try succeeds */
        got = recvmmsg(endpoint->fd, endpoint->messages, BATCH, MSG_DONTWAIT, NULL);
        net->stats.receive_calls++;
    } while (got < 0 &&
             (errno == ECONNREFUSED || errno == EINTR || errno == EHOSTUNREACH || errno == ENETUNREACH));
    endpoint->next = 0;
    endpoint->offset = 0;
    endpoint->batch = got > 0 ? got : 0;
    endpoint->dry = got < BATCH;
    return got > 0;
}

/* Where it was sent to, and how long each datagram inside is. */
static void read_controls(struct endpoint *endpoint, struct msghdr *header, size_t len)
{
    struct addr *local = &endpoint->local;
    endpoint->segment = len;
    *local = (struct addr){0};
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            uint8_t ip[4];
            memcpy(&info, CMSG_DATA(c), sizeof info);
            memcpy(ip, &info.ipi_addr, 4);
            *local = addr_make4(ip, endpoint->port);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            uint8_t ip[16];
            memcpy(&info, CMSG_DATA(c), sizeof info);
            memcpy(ip, &info.ipi6_addr, 16);
            bool link_local = IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr);
            *local = addr_make6(ip, endpoint->port, link_local ? (uint32_t)info.ipi6_ifindex : 0);
        } else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
            int segment;
            memcpy(&segment, CMSG_DATA(c), sizeof segment);
            if (segment > 0)
                endpoint->segment = (size_t)segment;
        }
    }
}

/* A batch that was not full has emptied the socket: no call is spent on hearing so. */
static bool endpoint_has(struct net *net, struct endpoint *endpoint)
{
    if (endpoint->next < endpoint->batch)
        return true;
    bool dry = endpoint->dry;
    endpoint->dry = false;
    return endpoint->fd >= 0 && !dry && endpoint_fill(net, endpoint);
}

static bool endpoint_receive(struct net *net, struct endpoint *endpoint, struct packet *in)
{
    while (endpoint_has(net, endpoint)) {
        struct mmsghdr *message = &endpoint->messages[endpoint->next];
        size_t len = message->msg_len;
        if (endpoint->offset >= len || message->msg_hdr.msg_flags & MSG_TRUNC) {
            net->stats.truncated += endpoint->offset == 0 && len;
            endpoint->next++;
            endpoint->offset = 0;
            continue;
        }
        if (endpoint->offset == 0) {
            read_controls(endpoint, &message->msg_hdr, len);
            endpoint->remote = from_system(&endpoint->sources[endpoint->next]);
        }
        in->local = endpoint->local;
        in->remote = endpoint->remote;
        in->data = (uint8_t *)endpoint->vectors[endpoint->next].iov_base + endpoint->offset;
        in->len = len - endpoint->offset < endpoint->segment ? len - endpoint->offset : endpoint->segment;
        in->segment = 0;
        endpoint->offset += in->len;
        net->stats.received++;
        return true;
    }
    return false;
}

bool net_receive(struct net *net, unsigned family, struct packet *in)
{
    return endpoint_receive(net, &net->endpoints[family], in);
}

/* ---- sending ---- */

static size_t put_control(struct msghdr *header, int level, int type, const void *data, size_t len)
{
    size_t used = header->msg_controllen;
    struct cmsghdr *c = (struct cmsghdr *)((char *)header->msg_control + used);
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(c), data, len);
    return header->msg_controllen = used + CMSG_SPACE(len);
}

static void put_source(const struct net *net, struct msghdr *header, const struct addr *local)
{
    uint32_t index = local->scope ? local->scope : interfaces_index(net->interfaces, local);
    if (local->family == 4) {
        struct in_pktinfo info = {.ipi_ifindex = (int)index};
        memcpy(&info.ipi_spec_dst, local->ip, 4);
        put_control(header, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    } else if (local->family == 6) {
        struct in6_pktinfo info = {.ipi6_ifindex = index};
        memcpy(&info.ipi6_addr, local->ip, 16);
        put_control(header, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
}

static enum net_result send_once(struct net *net, struct endpoint *endpoint, const struct packet *out,
                                 size_t segment)
{
    union socket_address remote;
    _Alignas(struct cmsghdr) char control[CONTROL] = {0};
    struct iovec vector = {.iov_base = out->data, .iov_len = out->len};
    struct msghdr header = {.msg_name = &remote,
                            .msg_namelen = to_system(&remote, &out->remote),
                            .msg_iov = &vector,
                            .msg_iovlen = 1,
                            .msg_control = control};
    put_source(net, &header, &out->local);
    if (segment) {
        uint16_t size = (uint16_t)segment;
        put_control(&header, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size);
    }
    net->stats.send_calls++;
    if (sendmsg(endpoint->fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        return NET_SENT;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS || errno == EINTR)
        return NET_AGAIN;
    if (errno == EMSGSIZE)
        return NET_TOO_LONG;
    if (segment && (errno == EIO || errno == EINVAL || errno == ENOPROTOOPT)) {
        endpoint->gso = false; /* met on odd devices, even after it had worked (transport.md, trap 8) */
        return NET_SENT;
    }
    net->stats.refused++; /* no route, not permitted, an ICMP error of an earlier packet: lost, as datagrams
                             may be */
    return NET_SENT;
}

static enum net_result send_each(struct net *net, struct endpoint *endpoint, const struct packet *out)
{
    for (size_t at = 0; at < out->len; at += out->segment) {
        struct packet one = *out;
        one.data = out->data + at;
        one.len = out->len - at < out->segment ? out->len - at : out->segment;
        enum net_result result = send_once(net, endpoint, &one, 0);
        if (result == NET_TOO_LONG)
            return result;
        /* NET_AGAIN in the middle: the rest is lost and sent again by its protocol; starting over would
         * double it. */
        if (result == NET_AGAIN)
            return at == 0 ? NET_AGAIN : NET_SENT;
    }
    return NET_SENT;
}

enum net_result net_send(struct net *net, const struct packet *out)
{
    struct endpoint *endpoint = &net->endpoints[out->remote.family == 6];
    if (endpoint->fd < 0 || out->remote.family == 0) {
        net->stats.refused++;
        return NET_SENT;
    }
    bool many = out->segment && out->len > out->segment;
    net->stats.sent += many ? (out->len + out->segment - 1) / out->segment : 1;
    if (!many)
        return send_once(net, endpoint, out, 0);
    if (endpoint->gso) {
        enum net_result result = send_once(net, endpoint, out, out->segment);
        if (endpoint->gso)
            return result;
    }
    return send_each(net, endpoint, out);
}

void net_stats(const struct net *net, struct net_stats *stats)
{
    *stats = net->stats;
}
