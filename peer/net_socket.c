/* net_socket.c - one UDP socket: datagrams in by the batch, out from a chosen address.
 *
 * The source address is chosen for every packet (IP_PKTINFO), so one socket serves all interfaces and keeps
 * its NAT mappings. Long writes leave as one call (GSO), arrive as one (GRO); where the system has neither,
 * or a device breaks it, or with -DP2P_NO_BATCHES, datagrams go one by one. */
#include "net_socket.h"
#include "socket_address.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined(__linux__) && !defined(P2P_NO_BATCHES)
#define BATCHES 1
#else
#define BATCHES 0
#endif

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum {
    BATCH = BATCHES ? 8 : 1, /* buffers a receive call fills */
    BUFFER = 65536,          /* bytes of each: the longest that GRO makes */
    CONTROL = 128,           /* bytes of control messages: packet info and segment size */
    NARROW_BUFFER = 8192,    /* bytes: some checks */
};

#if BATCHES
#define MESSAGE struct mmsghdr

static int receive_batch(int fd, struct mmsghdr *messages)
{
    return recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
}

#else
struct single {
    struct msghdr msg_hdr;
    unsigned msg_len;
};
#define MESSAGE struct single

static int receive_batch(int fd, struct single *messages)
{
    ssize_t got = recvmsg(fd, &messages->msg_hdr, MSG_DONTWAIT);
    messages->msg_len = got > 0 ? (unsigned)got : 0;
    return got < 0 ? -1 : 1;
}
#endif

struct inbox {
    bool dry;                  /* the last call found less than it had room for: nothing more for now */
    int batch, next;           /* messages read, the one being handed out */
    size_t offset;             /* inside it */
    size_t segment;            /* of it */
    struct addr local, remote; /* of it */
    MESSAGE messages[BATCH];
    struct iovec vectors[BATCH];
    union socket_address sources[BATCH];
    char controls[BATCH][CONTROL];
    uint8_t *buffers; /* BATCH * BUFFER, touched only as far as datagrams fill it */
};

static void set_option(int fd, int level, int name, int value)
{
    /* Options that make things better, not possible: without them we are slower. */
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

static int bind_port(int fd, int family, uint16_t port)
{
    struct addr any = {.family = family == AF_INET ? 4 : 6, .port = port};
    union socket_address address;
    socklen_t len = socket_address_set(&address, &any);
    return bind(fd, &address.any, len);
}

/* Opens a socket without a word about what it is for. */
static int open_plain(struct net_socket *sock, int family, uint16_t port)
{
    int on = 1;
    sock->fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (sock->fd < 0)
        return errno == EAFNOSUPPORT ? NET_OK : NET_ESYSTEM;
    if (family == AF_INET6 && setsockopt(sock->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on))
        return NET_ESYSTEM;
    if (!bind_port(sock->fd, family, port))
        return NET_OK;
    if (errno == EADDRINUSE || errno == EACCES)
        return NET_EPORT;
    if (family != AF_INET6 || errno != EADDRNOTAVAIL)
        return NET_ESYSTEM;
    close(sock->fd);
    sock->fd = -1;
    return NET_OK;
}

int net_socket_open(struct net_socket *sock, unsigned family, uint16_t port)
{
    int system_family = family == 6 ? AF_INET6 : AF_INET;
    int err = open_plain(sock, system_family, port);
    if (err || sock->fd < 0)
        return err;
    sock->level = family == 6 ? IPPROTO_IPV6 : IPPROTO_IP;
    set_option(sock->fd, sock->level, family == 6 ? IPV6_RECVPKTINFO : IP_PKTINFO, 1);
    union socket_address bound;
    socklen_t len = sizeof bound;
    if (getsockname(sock->fd, &bound.any, &len))
        return NET_ESYSTEM;
    sock->port = socket_address_get(&bound.any).port;
    return NET_OK;
}

void net_socket_widen(struct net_socket *sock)
{
    set_option(sock->fd, SOL_SOCKET, SO_RCVBUF, NET_SOCKET_BUFFER);
    set_option(sock->fd, SOL_SOCKET, SO_SNDBUF, NET_SOCKET_BUFFER);
#if BATCHES
    set_option(sock->fd, IPPROTO_UDP, UDP_GRO, 1);
    sock->gso = true;
#endif
}

void net_socket_buffers(const struct net_socket *sock, int *receive, int *send)
{
    socklen_t len = sizeof *receive;
    *receive = *send = 0;
    (void)getsockopt(sock->fd, SOL_SOCKET, SO_RCVBUF, receive, &len);
    (void)getsockopt(sock->fd, SOL_SOCKET, SO_SNDBUF, send, &len);
#ifdef __linux__
    *receive /= 2; /* it says the double: its own bookkeeping counts too */
    *send /= 2;
#endif
}

void net_socket_narrow(struct net_socket *sock)
{
    set_option(sock->fd, SOL_SOCKET, SO_RCVBUF, NARROW_BUFFER);
}

/* ---- receiving ---- */

struct inbox *inbox_new(void)
{
    struct inbox *inbox = calloc(1, sizeof *inbox);
    if (!inbox)
        return NULL;
    inbox->buffers = malloc((size_t)BATCH * BUFFER);
    if (!inbox->buffers) {
        free(inbox);
        return NULL;
    }
    for (int i = 0; i < BATCH; i++) {
        inbox->vectors[i] =
            (struct iovec){.iov_base = inbox->buffers + (size_t)i * BUFFER, .iov_len = BUFFER};
        inbox->messages[i].msg_hdr = (struct msghdr){.msg_name = &inbox->sources[i],
                                                     .msg_iov = &inbox->vectors[i],
                                                     .msg_iovlen = 1,
                                                     .msg_control = inbox->controls[i]};
    }
    return inbox;
}

void inbox_free(struct inbox *inbox)
{
    if (!inbox)
        return;
    free(inbox->buffers);
    free(inbox);
}

void inbox_forget(struct inbox *inbox)
{
    inbox->batch = inbox->next = 0;
    inbox->dry = false;
}

static bool fill(struct inbox *inbox, const struct net_socket *sock, struct net_stats *stats)
{
    for (int i = 0; i < BATCH; i++) {
        inbox->messages[i].msg_hdr.msg_namelen = sizeof inbox->sources[i];
        inbox->messages[i].msg_hdr.msg_controllen = CONTROL;
    }
    int got;
    do { /* ICMP errors of earlier packets come here too: they are nobody's business, the next try succeeds */
        got = receive_batch(sock->fd, inbox->messages);
        stats->receive_calls++;
    } while (got < 0 &&
             (errno == ECONNREFUSED || errno == EINTR || errno == EHOSTUNREACH || errno == ENETUNREACH));
    inbox->next = 0;
    inbox->offset = 0;
    inbox->batch = got > 0 ? got : 0;
    inbox->dry = got > 0 && got != BATCH;
    return got > 0;
}

/* Where it was sent to, and how long each datagram inside is. */
static void read_controls(struct inbox *inbox, uint16_t port, struct msghdr *header, size_t len)
{
    struct addr *local = &inbox->local;
    inbox->segment = len;
    *local = (struct addr){0};
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            uint8_t ip[4];
            memcpy(&info, CMSG_DATA(c), sizeof info);
            memcpy(ip, &info.ipi_addr, 4);
            *local = addr_make4(ip, port);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            uint8_t ip[16];
            memcpy(&info, CMSG_DATA(c), sizeof info);
            memcpy(ip, &info.ipi6_addr, 16);
            bool link_local = IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr);
            *local = addr_make6(ip, port, link_local ? (uint32_t)info.ipi6_ifindex : 0);
        } else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
            int segment;
            memcpy(&segment, CMSG_DATA(c), sizeof segment);
            if (segment > 0)
                inbox->segment = (size_t)segment;
        }
    }
}

/* A batch that was not full has emptied the socket: no call is spent on hearing so. */
static bool has_more(struct inbox *inbox, const struct net_socket *sock, struct net_stats *stats)
{
    if (inbox->next < inbox->batch)
        return true;
    bool dry = inbox->dry;
    inbox->dry = false;
    return sock->fd >= 0 && !dry && fill(inbox, sock, stats);
}

bool inbox_next(struct inbox *inbox, const struct net_socket *sock, struct packet *in,
                struct net_stats *stats)
{
    while (has_more(inbox, sock, stats)) {
        MESSAGE *message = &inbox->messages[inbox->next];
        size_t len = message->msg_len;
        if (inbox->offset >= len || message->msg_hdr.msg_flags & MSG_TRUNC) {
            stats->truncated += inbox->offset == 0 && len;
            inbox->next++;
            inbox->offset = 0;
            continue;
        }
        if (inbox->offset == 0) {
            read_controls(inbox, sock->port, &message->msg_hdr, len);
            inbox->remote = socket_address_get(&inbox->sources[inbox->next].any);
        }
        in->local = inbox->local;
        in->remote = inbox->remote;
        in->data = (uint8_t *)inbox->vectors[inbox->next].iov_base + inbox->offset;
        in->len = len - inbox->offset < inbox->segment ? len - inbox->offset : inbox->segment;
        in->segment = 0;
        inbox->offset += in->len;
        stats->received++;
        return true;
    }
    return false;
}

/* ---- sending ---- */

static size_t put_control(struct msghdr *header, int level, int type, const void *data, size_t len)
{
    size_t used = header->msg_controllen;
    struct cmsghdr *c = (struct cmsghdr *)((char *)header->msg_control + used);
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = (socklen_t)CMSG_LEN(len); /* POSIX says socklen_t, glibc size_t */
    memcpy(CMSG_DATA(c), data, len);
    return header->msg_controllen = (socklen_t)(used + CMSG_SPACE(len));
}

static void put_source(struct msghdr *header, const struct addr *local, uint32_t index)
{
    index = local->scope ? local->scope : index;
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

static enum net_result send_once(struct net_socket *sock, const struct packet *out, uint32_t index,
                                 size_t segment, struct net_stats *stats)
{
    union socket_address remote;
    _Alignas(struct cmsghdr) char control[CONTROL] = {0};
    struct iovec vector = {.iov_base = out->data, .iov_len = out->len};
    struct msghdr header = {.msg_name = &remote,
                            .msg_namelen = socket_address_set(&remote, &out->remote),
                            .msg_iov = &vector,
                            .msg_iovlen = 1,
                            .msg_control = control};
    put_source(&header, &out->local, index);
    if (out->ttl) {
        int ttl = out->ttl;
        put_control(&header, sock->level, sock->level == IPPROTO_IP ? IP_TTL : IPV6_HOPLIMIT, &ttl,
                    sizeof ttl);
    }
    if (segment) {
        uint16_t size = (uint16_t)segment;
        put_control(&header, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size);
    }
    stats->send_calls++;
    if (sendmsg(sock->fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        return NET_SENT;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS || errno == EINTR)
        return NET_AGAIN;
    if (errno == EMSGSIZE)
        return NET_TOO_LONG;
    if (segment && (errno == EIO || errno == EINVAL || errno == ENOPROTOOPT)) {
        sock->gso = false; /* met on odd devices, even after it had worked (transport.md, trap 8) */
        return NET_SENT;
    }
    stats->refused++; /* no route, not permitted, an ICMP error of an earlier packet: lost, as datagrams
                             may be */
    return NET_SENT;
}

static enum net_result send_each(struct net_socket *sock, const struct packet *out, uint32_t index,
                                 struct net_stats *stats)
{
    for (size_t at = 0; at < out->len; at += out->segment) {
        struct packet one = *out;
        one.data = out->data + at;
        one.len = out->len - at < out->segment ? out->len - at : out->segment;
        enum net_result result = send_once(sock, &one, index, 0, stats);
        if (result == NET_TOO_LONG)
            return result;
        /* NET_AGAIN in the middle: the rest is lost and sent again by its protocol; starting over would
         * double it. */
        if (result == NET_AGAIN)
            return at == 0 ? NET_AGAIN : NET_SENT;
    }
    return NET_SENT;
}

enum net_result net_socket_send(struct net_socket *sock, const struct packet *out, uint32_t index,
                                struct net_stats *stats)
{
    bool many = out->segment && out->len > out->segment;
    stats->sent += many ? (out->len + out->segment - 1) / out->segment : 1;
    if (!many)
        return send_once(sock, out, index, 0, stats);
    if (sock->gso) {
        enum net_result result = send_once(sock, out, index, out->segment, stats);
        if (sock->gso)
            return result;
    }
    return send_each(sock, out, index, stats);
}
