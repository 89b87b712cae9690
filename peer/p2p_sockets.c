/* p2p_sockets.c - the library's UDP sockets: packets between them and the node's machine, and what it must
 * know of this machine's addresses. */
#include "p2p_internal.h"

int sockets_open(struct p2p_node *node)
{
    struct node_address addresses[NODE_ADDRESSES_MAX];
    struct net_config config = {.port = node->port, .exclude = (const char *const *)node->exclude};
    if (node->interfaces[0])
        config.interfaces = (const char *const *)node->interfaces;
    int err = net_open(&node->net, &config);
    if (err)
        return err == NET_EPORT ? P2P_EPORT : err == NET_ENOMEM ? P2P_ENOMEM : P2P_ESYSTEM;
    return net_addresses(node->net, addresses, NODE_ADDRESSES_MAX) ? 0 : P2P_ENETWORK;
}

void sockets_watch(struct p2p_node *node)
{
    for (unsigned i = 0; i < NET_FDS; i++)
        if (net_fd(node->net, i) >= 0)
            loop_watch(node->loop, net_fd(node->net, i));
}

void sockets_tell_addresses(struct p2p_node *node, uint64_t now)
{
    struct node_address addresses[NODE_ADDRESSES_MAX];
    size_t count = net_addresses(node->net, addresses, NODE_ADDRESSES_MAX);
    node_set_addresses(node->node, now, addresses, count);
    struct portmap_local wanted[UPNP_LOCALS_MAX];
    if (node->upnp)
        upnp_set_locals(node->upnp, wanted, node_portmap_wanted(node->node, wanted, UPNP_LOCALS_MAX));
}

static bool is_used(void *context, const struct addr *local)
{
    return node_uses_socket(context, local);
}

void sockets_set_extra(struct p2p_node *node, uint64_t now, size_t count)
{
    struct addr locals[NET_EXTRA_MAX];
    int before = net_fd(node->net, NET_EXTRA);
    if (before >= 0) /* it may be about to be closed */
        loop_forget(node->loop, before);
    net_set_extra(node->net, count, is_used, node->node);
    int after = net_fd(node->net, NET_EXTRA);
    if (after >= 0)
        loop_watch(node->loop, after);
    count = net_extra(node->net, locals);
    node_set_sockets(node->node, now, locals, count);
}

void sockets_read(struct p2p_node *node, uint64_t now)
{
    struct packet in;
    if (loop_is_ready(node->loop, net_fd(node->net, NET_CHANGES)) && net_has_changed(node->net) &&
        node->node) {
        sockets_tell_addresses(node, now);
        brokers_doubt(node, true);
    }
    static const unsigned sources[] = {NET_IPV4, NET_IPV6, NET_EXTRA};
    for (unsigned i = 0; i < sizeof sources / sizeof *sources; i++) {
        unsigned source = sources[i];
        if (!loop_is_ready(node->loop, net_fd(node->net, source)) && !node->unread[source])
            continue;
        unsigned taken = 0;
        for (; taken < RECEIVE_MAX && net_receive(node->net, source, &in); taken++)
            if (node->node)
                node_input(node->node, now, &in);
        node->unread[source] = taken == RECEIVE_MAX;
    }
}

static void await_socket(struct p2p_node *node, const struct packet *out, bool on)
{
    if (!net_await_extra(node->net, out, on))
        loop_watch_write(node->loop, net_fd(node->net, out->remote.family == 6), on);
}

/* False: the socket is full; the packet waits for it. */
static bool send_packet(struct p2p_node *node, const struct packet *out)
{
    if (out->stream) {
        relays_send(node, out);
        return true;
    }
    enum net_result result = net_send(node->net, out);
    bool full = result == NET_AGAIN;
    if (result == NET_TOO_LONG) {
        node_too_long(node->node, &out->remote);
        node->dirty = true; /* shorter ones may be due */
    }
    if (full != node->out_full)
        await_socket(node, out, full);
    node->out_full = full;
    return !full;
}

static bool send_all(struct p2p_node *node)
{
    for (; node->out_next < node->out_count; node->out_next++)
        if (!send_packet(node, &node->out[node->out_next]))
            return false;
    return true;
}

/* False: that was all. */
static bool make_some(struct p2p_node *node, uint64_t now)
{
    node->out_next = node->out_count = 0;
    while (node->out_count < OUT_BATCHES) {
        struct packet *out = &node->out[node->out_count];
        *out = (struct packet){.data = node->buffer + node->out_count * QUIC_BATCH, .len = QUIC_BATCH};
        if (!node_output(node->node, now, out))
            return false;
        node->out_count++;
        if (out->stream)
            break; /* whether its queue takes another shows only after this one */
    }
    return true;
}

void sockets_write(struct p2p_node *node, uint64_t now)
{
    bool more = true;
    while (send_all(node) && more)
        more = make_some(node, now);
}
