/* stun_socket.c - a UDP socket of the STUN server: bound where the user says, answering from where it was
 * asked.
 *
 * An answer from another address than the one that was asked is dropped by every NAT and refused by every
 * client, and a wildcard socket on a machine with several addresses would choose for itself: hence IP_PKTINFO
 * (ip(7)) and IPV6_PKTINFO (RFC 3542 6.1). Apart from the library's sockets because those are bound to no
 * address of ours. */
#include "stun_socket.h"

#include "socket_address.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
    struct cmsghdr align;
    char space[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct in_pktinfo))];
};

static int set_up(int fd, const struct addr *local, struct stun_socket *out)
{
    int on = 1;
    union socket_address address;
    socklen_t len = socket_address_set(&address, local);
    int err = local->family == 4 ? setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on)
                                 : setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on) ||
                                       setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (err || bind(fd, &address.any, len) || getsockname(fd, &address.any, &len))
        return -1;
    *out = (struct stun_socket){.fd = fd, .local = socket_address_get(&address.any)};
    return 0;
}

int stun_socket_open(struct stun_socket *out, const struct addr *local)
{
    out->fd = -1;
    int fd = socket(local->family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || set_up(fd, local, out) == 0)
        return fd < 0 ? -1 : 0;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

void stun_socket_close(struct stun_socket *socket)
{
    if (socket->fd >= 0)
        close(socket->fd);
    socket->fd = -1;
}

/* The address that a datagram was sent to: as bound, but where that is the wildcard, what the system says. */
static struct addr destination(const struct stun_socket *socket, struct msghdr *message)
{
    struct addr local = socket->local;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(part), sizeof info);
            local = addr_make4((const uint8_t *)&info.ipi_addr, socket->local.port);
        } else if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(part), sizeof info);
            bool link_local = IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr);
            local =
                addr_make6(info.ipi6_addr.s6_addr, socket->local.port, link_local ? info.ipi6_ifindex : 0);
        }
    }
    return local;
}

bool stun_socket_receive(const struct stun_socket *socket, struct packet *in)
{
    union socket_address from;
    union control control;
    struct iovec bytes = {.iov_base = in->data, .iov_len = in->len};
    struct msghdr message = {.msg_name = &from,
                             .msg_namelen = sizeof from,
                             .msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t got;
    do
        got = recvmsg(socket->fd, &message, 0);
    while (got < 0 && (errno == EINTR || errno == ECONNREFUSED)); /* an earlier answer came back: no news */
    if (got < 0)
        return false;
    in->len = (size_t)got;
    in->remote = socket_address_get(&from.any);
    in->local = destination(socket, &message);
    return true;
}

static size_t add_source(struct msghdr *message, const struct addr *local)
{
    struct cmsghdr *part = CMSG_FIRSTHDR(message);
    if (local->family == 4) {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, local->ip, 4);
        part->cmsg_level = IPPROTO_IP, part->cmsg_type = IP_PKTINFO;
        part->cmsg_len = CMSG_LEN(sizeof info);
        memcpy(CMSG_DATA(part), &info, sizeof info);
        return CMSG_SPACE(sizeof info);
    }
    struct in6_pktinfo info = {.ipi6_ifindex = local->scope};
    memcpy(&info.ipi6_addr, local->ip, 16);
    part->cmsg_level = IPPROTO_IPV6, part->cmsg_type = IPV6_PKTINFO;
    part->cmsg_len = CMSG_LEN(sizeof info);
    memcpy(CMSG_DATA(part), &info, sizeof info);
    return CMSG_SPACE(sizeof info);
}

void stun_socket_send(const struct stun_socket *socket, const struct packet *out)
{
    union socket_address to;
    union control control = {.space = {0}};
    struct iovec bytes = {.iov_base = out->data, .iov_len = out->len};
    struct msghdr message = {.msg_name = &to,
                             .msg_namelen = socket_address_set(&to, &out->remote),
                             .msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    message.msg_controllen = (socklen_t)add_source(&message, &out->local);
    if (sendmsg(socket->fd, &message, 0) < 0)
        return; /* full or refused: the client asks again (RFC 8489 6.2.1) */
}
