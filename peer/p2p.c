/* p2p.c - the library: a node's life in the world, from its start to its end. Around the node's machine are
 * sockets (p2p_sockets.c), brokers (p2p_broker.c), TURN servers (p2p_relay.c), names and a clock. */
#include "p2p_internal.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *p2p_strerror(int error)
{
    static const char *const texts[] = {
        [0] = "no error",
        [-P2P_EAGAIN] = "nothing there yet",
        [-P2P_ENOMEM] = "out of memory",
        [-P2P_EINVAL] = "an argument is not valid",
        [-P2P_ESTATE] = "not possible in this state",
        [-P2P_ESYSTEM] = "the system refused",
        [-P2P_EPORT] = "the local UDP port is already in use or not permitted",
        [-P2P_ENETWORK] = "no usable network interface",
        [-P2P_ERESET] = "the peer abandoned the stream",
        [-P2P_EGONE] = "the peer is not connected",
        [-P2P_ELIMIT] = "a limit is reached",
        [-P2P_ETOOLONG] = "too long",
        [-P2P_EBROKER] = "no broker could be reached, or it refused us",
        [-P2P_ENOPATH] = "no allowed path worked",
        [-P2P_ESECRET] = "the secret could not be proven",
    };
    size_t index = error <= 0 ? (size_t)-error : SIZE_MAX;
    return index < sizeof texts / sizeof *texts && texts[index] ? texts[index] : "unknown error";
}

static void fill_random(void *context, uint8_t *out, size_t len)
{
    (void)context;
    randombytes_buf(out, len);
}

int p2p_node_new(struct p2p_node **out, const struct p2p_config *config)
{
    /* An older program's configuration is shorter: what it does not know is zero, which means the default. */
    struct p2p_config full = {0};
    if (!out || !config || config->size < offsetof(struct p2p_config, name) || sodium_init() < 0)
        return P2P_EINVAL;
    memcpy(&full, config, config->size < sizeof full ? config->size : sizeof full);
    struct p2p_node *node = calloc(1, sizeof *node);
    if (!node)
        return P2P_ENOMEM;
    node->random.fill = fill_random;
    node->last = &node->first;
    node->leave_by = NEVER;
    node->buffer = malloc(OUT_BATCHES * QUIC_BATCH);
    int err = node->buffer ? config_take(node, &full) : P2P_ENOMEM;
    if (err) {
        p2p_node_free(node);
        return err;
    }
    *out = node;
    return 0;
}

/* ---- starting and ending ---- */

static void add_server(struct p2p_node *node, const struct addr *server)
{
    if (node->server_count == sizeof node->servers / sizeof *node->servers)
        return;
    node->servers[node->server_count++] = *server;
    if (node->node)
        node_add_stun(node->node, loop_now(), server);
}

/* Addresses need no resolver, and no thread. */
static void resolve_stun(struct p2p_node *node)
{
    for (size_t i = 0; i < node->stun_count; i++) {
        char host[256];
        uint16_t port;
        struct addr address;
        resolver_parse(node->stun[i], STUN_PORT, host, &port);
        if (addr_parse(&address, host)) {
            address.port = port;
            add_server(node, &address);
        } else {
            (void)resolver_ask(node->resolver, host, port,
                               RESOLVE_STUN); /* without a thread there is no such server */
        }
    }
}

static void close_world(struct p2p_node *node)
{
    relays_close(node);
    net_close(node->net);
    resolver_free(node->resolver);
    upnp_free(node->upnp, node->left ? CLOSE_GRACE_MS : 0);
    node->upnp = NULL;
    loop_free(node->loop);
    node->net = NULL;
    node->resolver = NULL;
    node->loop = NULL;
}

int p2p_node_start(struct p2p_node *node)
{
    if (node->loop)
        return P2P_ESTATE;
    node->loop = loop_new();
    node->resolver = resolver_new();
    int err = node->loop && node->resolver ? sockets_open(node) : P2P_ESYSTEM;
    if (!err && !loop_watch(node->loop, resolver_fd(node->resolver)))
        err = P2P_ESYSTEM;
    /* Ports are a help: without memory for them the rest works. */
    if (!err && node->maps_ports && node->paths & 1u << P2P_DIRECT)
        node->upnp = upnp_new();
    if (node->upnp && !loop_watch(node->loop, upnp_fd(node->upnp)))
        err = P2P_ESYSTEM;
    if (err) {
        int saved = errno;
        close_world(node);
        errno = saved;
        return err;
    }
    sockets_watch(node);
    resolve_stun(node);
    relays_resolve(node);
    return 0;
}

void p2p_node_free(struct p2p_node *node)
{
    if (!node)
        return;
    brokers_close(node, node->left ? CLOSE_GRACE_MS : 0);
    for (unsigned i = 0; i < NODE_PEERS_MAX; i++)
        streams_orphan(&node->peers[i]);
    events_free(node);
    node_free(node->node);
    close_world(node);
    config_free(node);
    free(node->buffer);
    free(node);
}

/* ---- the room ---- */

_Static_assert((int)P2P_CONGESTION_DEFAULT == (int)QUIC_CONGESTION_DEFAULT &&
                   (int)P2P_CUBIC == (int)QUIC_CONGESTION_CUBIC && (int)P2P_BBR == (int)QUIC_CONGESTION_BBR,
               "a program's choice is handed down as it is");

static int make_machine(struct p2p_node *node, const char *room, const void *secret, size_t secret_len)
{
    uint8_t machine[32];
    bool known = net_machine(machine);
    struct node_config config = {.room = room,
                                 .secret = secret,
                                 .secret_len = secret_len,
                                 .name = node->name,
                                 .purpose = node->purpose,
                                 .machine = known ? machine : NULL,
                                 .brokers = node->broker_count,
                                 .to = node->to[0] ? node->to : NULL,
                                 .serves = node->serves,
                                 .max_peers = node->max_peers,
                                 .streams_max = node->max_streams,
                                 .congestion = (enum quic_congestion)node->congestion,
                                 .paths = node->paths,
                                 .broker_relay = node->broker_relay,
                                 .bound = node->interfaces[0] || node->exclude[0],
                                 .turn_user = node->turn_user,
                                 .turn_password = node->turn_password,
                                 .trace = node->trace,
                                 .maps_ports = node->maps_ports,
                                 .memory = node->remembers ? &node->memory : NULL,
                                 .epoch_s = (uint64_t)time(NULL) - loop_now() / NS_PER_S,
                                 .random = &node->random};
    node->node = node_new(&config);
    return node->node ? 0 : P2P_ENOMEM;
}

static void pump(struct p2p_node *node, uint64_t now);

int p2p_join(struct p2p_node *node, const char *room, const void *secret, size_t secret_len)
{
    if (!room || !room_valid(room))
        return P2P_EINVAL;
    if (!node->loop || node->node)
        return P2P_ESTATE;
    int err = make_machine(node, room, secret, secret_len);
    if (!err)
        err = brokers_open(node);
    if (err) {
        brokers_close(node, 0);
        node_free(node->node);
        node->node = NULL;
        return err;
    }
    room_topic(node->topic, room);
    uint64_t now = node->joined_at = loop_now();
    sockets_tell_addresses(node, now);
    for (size_t i = 0; i < node->server_count; i++)
        node_add_stun(node->node, now, &node->servers[i]);
    relays_join(node);
    if (!resolver_pending(node->resolver))
        node_stun_resolved(node->node, now);
    pump(node, now);
    return 0;
}

void p2p_leave(struct p2p_node *node)
{
    if (!node->node || node->leave_by != NEVER)
        return;
    uint64_t now = loop_now();
    node->leave_by = now + LEAVE_S * NS_PER_S;
    node_leave(node->node, now);
    if (node->upnp)
        upnp_remove(node->upnp);
    node->dirty = true;
}

const char *p2p_room_topic(const struct p2p_node *node)
{
    return node->node ? node->topic : NULL;
}

const char *p2p_id(const struct p2p_node *node)
{
    return node->node ? rendezvous_id(node_rendezvous(node->node)) : NULL;
}

/* ---- what happens ---- */

/* What a port's loss or its opening by another protocol means to UPnP. */
static void tell_upnp(struct p2p_node *node, const struct node_event *told)
{
    struct portmap_local wanted[UPNP_LOCALS_MAX];
    if (!node->upnp)
        return;
    if (told->type != NODE_CANDIDATE || told->candidate != CANDIDATE_MAPPED)
        return;
    size_t count = node_portmap_wanted(node->node, wanted, UPNP_LOCALS_MAX);
    for (size_t i = 0; i < count; i++)
        if (node_has_mapping(node->node, &wanted[i].local))
            upnp_release(node->upnp, &wanted[i].local);
}

void machine_drain(struct p2p_node *node, uint64_t now)
{
    struct node_event told;
    while (node_event(node->node, now, &told))
        if (told.type == NODE_SOCKETS)
            sockets_set_extra(node, now, told.count);
        else if (told.type == NODE_DOUBT)
            brokers_doubt(node, told.final);
        else if (!relays_told(node, now, &told)) {
            tell_upnp(node, &told);
            events_put_node(node, &told);
        }
}

static void read_resolver(struct p2p_node *node, uint64_t now)
{
    struct resolved resolved;
    if (!loop_is_ready(node->loop, resolver_fd(node->resolver)))
        return;
    while (resolver_next(node->resolver, &resolved)) {
        for (unsigned i = 0; resolved.tag == RESOLVE_STUN && i < resolved.count; i++)
            add_server(node, &resolved.addresses[i]);
        if (resolved.tag >= RESOLVE_TURN)
            relays_resolved(node, (unsigned)(resolved.tag - RESOLVE_TURN), &resolved);
    }
    if (node->node && !resolver_pending(node->resolver))
        node_stun_resolved(node->node, now);
}

static void read_upnp(struct p2p_node *node, uint64_t now)
{
    struct upnp_answer answer;
    if (node->upnp && node->node && node->doubts != node_doubts(node->node)) {
        node->doubts = node_doubts(node->node);
        upnp_ask_again(node->upnp);
    }
    if (!node->upnp || !loop_is_ready(node->loop, upnp_fd(node->upnp)))
        return;
    while (upnp_next(node->upnp, &answer)) {
        char local[ADDR_TEXT_MAX];
        if (!node->node)
            continue;
        if (answer.external.family || answer.lost)
            node_set_mapping(node->node, now, &answer.local, &answer.external, &answer.gateway);
        if (!node_has_mapping(node->node, &answer.local) && answer.why[0])
            events_put(node, &(struct p2p_event){.type = P2P_EVENT_PORTMAP,
                                                 .text = answer.why,
                                                 .detail = addr_print(&answer.local, local)});
    }
}

/* Lets the machines say all that they have to say now. */
static void pump(struct p2p_node *node, uint64_t now)
{
    machine_drain(node, now);
    brokers_write(node, now);
    sockets_write(node, now);
    machine_drain(node, now); /* what was written may have ended something ... */
    brokers_write(node, now); /* ... of which the peer must hear */
}

static void finish_leaving(struct p2p_node *node, uint64_t now)
{
    bool has_left = node_has_left(node->node) && !node->out_full;
    if (node->left || node->leave_by == NEVER || (now < node->leave_by && !has_left))
        return;
    node->left = true;
    events_put(node, &(struct p2p_event){.type = P2P_EVENT_LEFT});
}

int p2p_node_process(struct p2p_node *node)
{
    if (!node->loop)
        return P2P_ESTATE;
    if (!loop_has_ready(node->loop) && !loop_wait(node->loop, 0))
        return P2P_ESYSTEM;
    uint64_t now = loop_now();
    node->dirty = false;
    /* Taken back here too: who has a loop of its own never calls p2p_node_wait, and a wake that stays ready
     * would hide everything else. */
    node->woken = loop_woken(node->loop) || node->woken;
    sockets_read(node, now);
    read_resolver(node, now);
    read_upnp(node, now);
    if (!node->node)
        return 0;
    relays_process(node, now);
    brokers_read(node, now);
    pump(node, now);
    finish_leaving(node, now);
    return 0;
}

/* ---- waiting ---- */

int p2p_node_fd(const struct p2p_node *node)
{
    return node->loop ? loop_fd(node->loop) : -1;
}

static uint64_t next_deadline(const struct p2p_node *node)
{
    if (node->dirty || node->first || node->unread[NET_IPV4] || node->unread[NET_IPV6] ||
        node->unread[NET_EXTRA] || relays_are_unread(node))
        return 0;
    uint64_t deadline = node->node && !node->out_full ? node_deadline(node->node) : NEVER;
    return !node->left && node->leave_by < deadline ? node->leave_by : deadline;
}

int64_t p2p_node_timeout(const struct p2p_node *node)
{
    if (!node->loop)
        return -1;
    uint64_t deadline = next_deadline(node), now = loop_now();
    if (deadline == NEVER)
        return -1;
    return deadline > now ? (int64_t)(deadline - now) : 0;
}

int p2p_node_wait(struct p2p_node *node, int64_t timeout_ns)
{
    if (!node->loop)
        return P2P_ESTATE;
    uint64_t until = timeout_ns < 0 ? NEVER : loop_now() + (uint64_t)timeout_ns;
    for (;;) {
        int err = p2p_node_process(node);
        if (err)
            return err;
        if (node->first)
            return 1;
        if (node->woken || loop_now() >= until) {
            node->woken = false;
            return 0;
        }
        uint64_t deadline = next_deadline(node);
        if (!loop_wait(node->loop, deadline < until ? deadline : until))
            return P2P_ESYSTEM;
    }
}

void p2p_node_wake(struct p2p_node *node)
{
    if (node->loop)
        loop_wake(node->loop);
}
