/* net.c - the sockets of a node: one a family, extra ones when asked for, and this machine's addresses. */
#include "net_extra.h"
#include "net_interfaces.h"
#include "net_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct net {
    struct net_socket sockets[2]; /* IPv4, IPv6 */
    struct inbox *inboxes[2];
    struct extra *extra;
    struct interfaces *interfaces;
    struct net_stats stats;
};

/* Both families on one port where that is possible: a firewall's rule then fits both. */
static int open_both(struct net *net, uint16_t port)
{
    int err = net_socket_open(&net->sockets[0], 4, port);
    if (err)
        return err;
    err = net_socket_open(&net->sockets[1], 6, net->sockets[0].port);
    if (err == NET_EPORT && port == 0) {
        close(net->sockets[1].fd);
        err = net_socket_open(&net->sockets[1], 6, 0);
    }
    if (!err && net->sockets[0].fd < 0 && net->sockets[1].fd < 0) {
        errno = EAFNOSUPPORT;
        err = NET_ESYSTEM;
    }
    return err;
}

static int open_all(struct net *net, const struct net_config *config)
{
    net->extra = extra_new();
    for (unsigned i = 0; i < 2; i++)
        net->inboxes[i] = inbox_new();
    if (!net->extra || !net->inboxes[0] || !net->inboxes[1])
        return NET_ENOMEM;
    int err = open_both(net, config->port);
    if (!err)
        err = interfaces_open(&net->interfaces, config);
    return err;
}

int net_open(struct net **out, const struct net_config *config)
{
    struct net *net = calloc(1, sizeof *net);
    if (!net)
        return NET_ENOMEM;
    net->sockets[0].fd = net->sockets[1].fd = -1;
    int err = open_all(net, config);
    if (err) {
        int saved = errno;
        net_close(net);
        errno = saved;
        return err;
    }
    for (unsigned i = 0; i < 2; i++)
        if (net->sockets[i].fd >= 0)
            net_socket_widen(&net->sockets[i]);
    *out = net;
    return NET_OK;
}

void net_close(struct net *net)
{
    if (!net)
        return;
    for (unsigned i = 0; i < 2; i++) {
        if (net->sockets[i].fd >= 0)
            close(net->sockets[i].fd);
        inbox_free(net->inboxes[i]);
    }
    extra_free(net->extra);
    interfaces_close(net->interfaces);
    free(net);
}

int net_fd(const struct net *net, unsigned index)
{
    switch (index) {
    case NET_IPV4:
    case NET_IPV6:
        return net->sockets[index].fd;
    case NET_EXTRA:
        return extra_fd(net->extra);
    default:
        return interfaces_fd(net->interfaces);
    }
}

size_t net_interfaces(const struct net *net, struct net_interface *out, size_t max)
{
    return interfaces_list(net->interfaces, out, max);
}

void net_buffers(const struct net *net, int *receive, int *send)
{
    const struct net_socket *sock = &net->sockets[net->sockets[NET_IPV4].fd < 0];
    net_socket_buffers(sock, receive, send);
}

size_t net_addresses(const struct net *net, struct node_address *out, size_t max)
{
    size_t count = interfaces_addresses(net->interfaces, out, max), kept = 0;
    for (size_t i = 0; i < count; i++) {
        const struct net_socket *sock = &net->sockets[out[i].address.family == 6];
        if (sock->fd < 0)
            continue;
        out[kept] = out[i];
        out[kept++].address.port = sock->port;
    }
    return kept;
}

uint32_t net_index(const struct net *net, const struct addr *local)
{
    return interfaces_index(net->interfaces, local);
}

bool net_has_changed(struct net *net)
{
    return interfaces_have_changed(net->interfaces);
}

size_t net_set_extra(struct net *net, size_t count, bool (*keep)(void *context, const struct addr *local),
                     void *context)
{
    return extra_set(net->extra, count, keep, context);
}

size_t net_extra(const struct net *net, struct addr *out)
{
    return extra_list(net->extra, out);
}

bool net_receive(struct net *net, unsigned index, struct packet *in)
{
    if (index == NET_EXTRA)
        return extra_receive(net->extra, in, &net->stats);
    return inbox_next(net->inboxes[index], &net->sockets[index], in, &net->stats);
}

/* The socket that a packet leaves from: one of the extra ones has its port, else the family's own. */
static struct net_socket *socket_of(struct net *net, const struct packet *out)
{
    struct net_socket *own = &net->sockets[out->remote.family == 6];
    if (out->local.family != 4 || out->local.port == own->port)
        return own;
    struct net_socket *extra = extra_find(net->extra, out->local.port);
    return extra ? extra : own;
}

bool net_await_extra(struct net *net, const struct packet *out, bool on)
{
    struct net_socket *sock = socket_of(net, out);
    return sock != &net->sockets[out->remote.family == 6] && extra_await(net->extra, sock, on);
}

enum net_result net_send(struct net *net, const struct packet *out)
{
    struct net_socket *sock = socket_of(net, out);
    if (sock->fd < 0 || out->remote.family == 0) {
        net->stats.refused++;
        return NET_SENT;
    }
    return net_socket_send(sock, out, interfaces_index(net->interfaces, &out->local), &net->stats);
}

void net_stats(const struct net *net, struct net_stats *stats)
{
    *stats = net->stats;
}
