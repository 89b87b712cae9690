/* p2p_relay.c - the library's way to TURN servers: their names, and streams to those that are reached over
 * TCP or TLS. The allocations are the node's. */
#include "p2p_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    READ_MAX = 16384, /* bytes: a record of TLS */
    READS_MAX = 64,   /* of a stream at a time, so that others have their turn */
};

/* ---- names ---- */

static void add_server(struct p2p_node *node, unsigned index, const struct addr *addresses, size_t count)
{
    struct p2p_turn *turn = &node->turn[index];
    turn->resolved = true;
    turn->count = count < NODE_TURN_ADDRESSES_MAX ? count : NODE_TURN_ADDRESSES_MAX;
    memcpy(turn->addresses, addresses, turn->count * sizeof *addresses);
    if (node->node)
        relays_join(node);
}

void relays_resolve(struct p2p_node *node)
{
    for (unsigned i = 0; i < node->turn_count; i++) {
        const struct turn_uri *uri = &node->turn[i].uri;
        struct addr address;
        if (addr_parse(&address, uri->host)) {
            address.port = uri->port;
            add_server(node, i, &address, 1);
        } else if (!resolver_ask(node->resolver, uri->host, uri->port, RESOLVE_TURN + (int)i)) {
            relays_resolved(node, i, NULL);
        }
    }
}

static void complain(struct p2p_node *node, const struct p2p_turn *turn, const char *why)
{
    char text[sizeof turn->text + 160];
    snprintf(text, sizeof text, "TURN server %s: %s", turn->text, why);
    events_put(node, &(struct p2p_event){.type = P2P_EVENT_RELAY, .text = text});
}

void relays_resolved(struct p2p_node *node, unsigned index, const struct resolved *resolved)
{
    if (resolved && resolved->count)
        add_server(node, index, resolved->addresses, resolved->count);
    else
        complain(node, &node->turn[index], "its name cannot be resolved");
}

void relays_join(struct p2p_node *node)
{
    uint64_t now = loop_now();
    for (unsigned i = 0; i < node->turn_count; i++) {
        struct p2p_turn *turn = &node->turn[i];
        if (!turn->resolved || turn->added)
            continue;
        struct node_turn server = {
            .name = turn->text, .count = turn->count, .stream = turn->uri.stream, .secure = turn->uri.secure};
        memcpy(server.addresses, turn->addresses, sizeof server.addresses);
        turn->added = true;
        if (node_add_turn(node->node, now, &server))
            node->relays[node->relay_count++].turn = turn;
    }
}

/* ---- streams ---- */

static void close_stream(struct p2p_node *node, struct p2p_relay *relay)
{
    tls_free(relay->tls);
    relay->tls = NULL;
    if (relay->stream)
        loop_forget(node->loop, net_stream_fd(relay->stream));
    net_stream_close(relay->stream);
    relay->stream = NULL;
    relay->open = relay->full = relay->writes = relay->unread = false;
}

static void fail(struct p2p_node *node, uint64_t now, struct p2p_relay *relay, const char *why)
{
    char text[TLS_TEXT_MAX];
    snprintf(text, sizeof text, "%s", why);
    close_stream(node, relay);
    node_relay_closed(node->node, now, (unsigned)(relay - node->relays), text);
}

static void fail_connecting(struct p2p_node *node, uint64_t now, struct p2p_relay *relay, int error)
{
    char text[TLS_TEXT_MAX];
    snprintf(text, sizeof text, "it cannot be connected to: %s", strerror(error));
    fail(node, now, relay, text);
}

static ptrdiff_t read_stream(void *context, void *data, size_t len)
{
    return net_stream_read(context, data, len);
}

static bool write_stream(void *context, const void *data, size_t len)
{
    return net_stream_write(context, data, len);
}

/* The authorities are read when the first one is needed: that takes some milliseconds. */
static bool open_tls(struct p2p_node *node, struct p2p_relay *relay)
{
    struct tls_carrier carrier = {read_stream, write_stream, relay->stream};
    if (!node->trust)
        node->trust = tls_trust_new();
    relay->tls = node->trust ? tls_new(node->trust, relay->turn->uri.host, &carrier) : NULL;
    return relay->tls != NULL;
}

static void open_stream(struct p2p_node *node, uint64_t now, const struct node_event *told)
{
    struct p2p_relay *relay = &node->relays[told->relay];
    close_stream(node, relay);
    if (net_stream_open(&relay->stream, net_index(node->net, &told->local), &told->address, &told->local)) {
        fail_connecting(node, now, relay, errno);
        return;
    }
    if (relay->turn->uri.secure && !open_tls(node, relay)) {
        fail(node, now, relay, "no authorities for certificates can be read");
        return;
    }
    loop_watch(node->loop, net_stream_fd(relay->stream));
    loop_watch_write(node->loop, net_stream_fd(relay->stream), true);
    relay->writes = true;
}

bool relays_told(struct p2p_node *node, uint64_t now, const struct node_event *told)
{
    if (told->type == NODE_RELAY_OPEN)
        open_stream(node, now, told);
    else if (told->type == NODE_RELAY_CLOSE)
        close_stream(node, &node->relays[told->relay]);
    else
        return false;
    return true;
}

/* Tells the node whether there is room, and the loop whether to say when there is. */
static void watch_queue(struct p2p_node *node, struct p2p_relay *relay)
{
    size_t queued = net_stream_queued(relay->stream);
    bool full = queued > (relay->full ? NET_STREAM_SOFT : NET_STREAM_FULL);
    if (full != relay->full)
        node_relay_full(node->node, (unsigned)(relay - node->relays), full);
    relay->full = full;
    bool writes = net_stream_wants_write(relay->stream);
    if (writes != relay->writes)
        loop_watch_write(node->loop, net_stream_fd(relay->stream), writes);
    relay->writes = writes;
}

void relays_send(struct p2p_node *node, const struct packet *out)
{
    struct p2p_relay *relay = &node->relays[out->stream - 1];
    if (!relay->open)
        return;
    /* Never a part of it: what follows would not be understood. With room kept for TLS's own bytes. */
    if (NET_STREAM_ROOM - net_stream_queued(relay->stream) < out->len + out->len / 8 + 1024)
        return;
    if (relay->tls)
        (void)tls_write(relay->tls, out->data, out->len); /* what broke it shows when it is read */
    else
        (void)net_stream_write(relay->stream, out->data, out->len);
    watch_queue(node, relay);
}

/* False: it has ended. */
static bool finish_opening(struct p2p_node *node, uint64_t now, struct p2p_relay *relay)
{
    int result = relay->tls ? tls_handshake(relay->tls) : 0;
    if (result == TLS_BROKEN) {
        fail(node, now, relay, tls_problem(relay->tls));
        return false;
    }
    relay->open = result == 0;
    if (relay->open)
        node_relay_connected(node->node, now, (unsigned)(relay - node->relays));
    return true;
}

static void read_bytes(struct p2p_node *node, uint64_t now, struct p2p_relay *relay)
{
    uint8_t data[READ_MAX];
    for (unsigned i = 0; relay->stream && i < READS_MAX; i++) {
        ptrdiff_t got = relay->tls ? tls_read(relay->tls, data, sizeof data)
                                   : net_stream_read(relay->stream, data, sizeof data);
        relay->unread = i + 1 == READS_MAX;
        if (got > 0) {
            node_relay_input(node->node, now, (unsigned)(relay - node->relays), data, (size_t)got);
            continue;
        }
        bool again = relay->tls ? got == TLS_AGAIN : got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
        relay->unread = false;
        if (!again)
            fail(node, now, relay, got == 0 ? "it has closed the connection" : "the connection to it broke");
        return;
    }
}

static void drive(struct p2p_node *node, uint64_t now, struct p2p_relay *relay)
{
    enum net_stream_state state = net_stream_drive(relay->stream);
    if (state == NET_STREAM_BROKEN && !relay->open) {
        fail_connecting(node, now, relay, net_stream_error(relay->stream));
        return;
    }
    if (state != NET_STREAM_OPEN) {
        if (state == NET_STREAM_BROKEN)
            fail(node, now, relay, "the connection to it broke");
        return;
    }
    if (!relay->open && !finish_opening(node, now, relay))
        return;
    if (relay->open)
        read_bytes(node, now, relay);
    if (relay->stream)
        watch_queue(node, relay);
}

void relays_process(struct p2p_node *node, uint64_t now)
{
    for (unsigned i = 0; i < node->relay_count; i++) {
        struct p2p_relay *relay = &node->relays[i];
        if (relay->stream && (loop_is_ready(node->loop, net_stream_fd(relay->stream)) || relay->unread))
            drive(node, now, relay);
    }
}

bool relays_are_unread(const struct p2p_node *node)
{
    for (unsigned i = 0; i < node->relay_count; i++)
        if (node->relays[i].stream && node->relays[i].unread)
            return true;
    return false;
}

void relays_close(struct p2p_node *node)
{
    for (unsigned i = 0; i < node->relay_count; i++)
        close_stream(node, &node->relays[i]);
    tls_trust_free(node->trust);
    node->trust = NULL;
}
