/* p2p.c - the library: sockets, brokers, names and a clock around the node's machine. */
#include "p2p_internal.h"

#include "defaults.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *p2p_version(void)
{
    return P2P_VERSION;
}

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

/* ---- configuration ---- */

static void fill_random(void *context, uint8_t *out, size_t len)
{
    (void)context;
    randombytes_buf(out, len);
}

static size_t list_len(const char *const *list)
{
    size_t len = 0;
    while (list && list[len])
        len++;
    return len;
}

static int copy_list(char **out, size_t max, const char *const *list, size_t *count)
{
    size_t len = list_len(list);
    if (len > max)
        return P2P_EINVAL;
    for (size_t i = 0; i < len; i++) {
        out[i] = strdup(list[i]);
        if (!out[i])
            return P2P_ENOMEM;
        if (count)
            *count = i + 1;
    }
    return 0;
}

static int set_brokers(struct p2p_node *node, const char *const *list)
{
    size_t len = list_len(list);
    if (len > RENDEZVOUS_BROKERS_MAX)
        return P2P_EINVAL;
    for (size_t i = 0; i < len; i++)
        if (!mqtt_url_parse(&node->brokers[i], list[i]))
            return P2P_EINVAL;
    node->broker_count = (unsigned)len;
    return 0;
}

static int set_stun(struct p2p_node *node, const char *const *list)
{
    char host[256];
    uint16_t port;
    if (list_len(list) == 1 && strcmp(list[0], "none") == 0)
        return 0;
    for (size_t i = 0; list[i]; i++)
        if (!resolver_parse(list[i], STUN_PORT, host, &port))
            return P2P_EINVAL;
    return copy_list(node->stun, STUN_MAX, list, &node->stun_count);
}

/* The rules for a peer's name are those for a room's, but for the length: what breaks them nobody would hear.
 */
static int set_name(char *out, size_t size, const char *name)
{
    size_t len = strlen(name);
    if (len >= size || !room_valid(name))
        return P2P_EINVAL;
    memcpy(out, name, len + 1);
    return 0;
}

static int set_purpose(struct p2p_node *node, const char *purpose)
{
    if (!purpose_valid(purpose))
        return P2P_EINVAL;
    snprintf(node->purpose, sizeof node->purpose, "%s", purpose);
    return 0;
}

static int set_names(struct p2p_node *node, const struct p2p_config *config)
{
    char host[PEER_NAME_MAX + 1] = "";
    if (gethostname(host, sizeof host - 1) || !host[0])
        snprintf(host, sizeof host, "unnamed");
    int err = set_name(node->name, sizeof node->name, config->name ? config->name : host);
    if (!err)
        err = set_purpose(node, config->purpose ? config->purpose : "library");
    if (!err && config->to)
        err = set_name(node->to, sizeof node->to, config->to);
    return err;
}

/* Without turn among the paths nobody is asked for a relay. */
static int set_turn(struct p2p_node *node, const struct p2p_config *config)
{
    bool allowed = node->paths & 1u << P2P_TURN;
    for (size_t i = 0; config->turn && config->turn[i]; i++) {
        if (i == NODE_TURN_MAX)
            return P2P_EINVAL;
        struct p2p_turn *turn = &node->turn[i];
        if (!turn_uri_parse(&turn->uri, config->turn[i]) || strlen(config->turn[i]) >= sizeof turn->text)
            return P2P_EINVAL;
        snprintf(turn->text, sizeof turn->text, "%s", config->turn[i]);
        node->turn_count += allowed;
    }
    if (!node->turn_count)
        return 0;
    node->turn_user = strdup(config->turn_user ? config->turn_user : "");
    node->turn_password = strdup(config->turn_password ? config->turn_password : "");
    return node->turn_user && node->turn_password ? 0 : P2P_ENOMEM;
}

static int set_config(struct p2p_node *node, const struct p2p_config *config)
{
    if (config->max_peers > NODE_PEERS_MAX || config->paths & ~(unsigned)PATH_ALL)
        return P2P_EINVAL;
    node->max_peers = config->max_peers ? config->max_peers : 8;
    node->paths = config->paths ? config->paths : PATH_ALL;
    node->port = config->port;
    node->trace = config->trace;
    node->maps_ports = !config->no_portmap;
    if (config->broker_relay != P2P_BROKER_RELAY_OFF && config->broker_relay > BROKER_RELAY_MAX)
        return P2P_EINVAL;
    node->broker_relay = config->broker_relay == P2P_BROKER_RELAY_OFF ? 0
                         : config->broker_relay                       ? (uint32_t)config->broker_relay
                                                                      : BROKER_RELAY_DEFAULT;
    int err = set_names(node, config);
    if (!err)
        err = set_brokers(node, config->brokers && config->brokers[0] ? config->brokers : default_brokers);
    /* What a server would see of us is the end of direct paths alone: without them nobody is asked. */
    if (!err && node->paths & 1u << P2P_DIRECT)
        err = set_stun(node, config->stun && config->stun[0] ? config->stun : default_stun);
    if (!err)
        err = set_turn(node, config);
    if (!err)
        err = copy_list(node->interfaces, LIST_MAX, config->interfaces, NULL);
    if (!err)
        err = copy_list(node->exclude, LIST_MAX, config->exclude, NULL);
    return err;
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
    node->buffer = malloc(QUIC_BATCH);
    int err = node->buffer ? set_config(node, &full) : P2P_ENOMEM;
    if (err) {
        p2p_node_free(node);
        return err;
    }
    *out = node;
    return 0;
}

/* ---- starting and ending ---- */

static void watch_net(struct p2p_node *node)
{
    for (unsigned i = 0; i < NET_FDS; i++)
        if (net_fd(node->net, i) >= 0)
            loop_watch(node->loop, net_fd(node->net, i));
}

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

static int open_net(struct p2p_node *node)
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
    int err = node->loop && node->resolver ? open_net(node) : P2P_ESYSTEM;
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
    watch_net(node);
    resolve_stun(node);
    relays_resolve(node);
    return 0;
}

static void close_brokers(struct p2p_node *node, unsigned grace_ms)
{
    for (unsigned i = 0; i < node->broker_count; i++) {
        if (!node->mqtt[i])
            continue;
        loop_forget(node->loop, mqtt_fd(node->mqtt[i]));
        mqtt_close(node->mqtt[i], grace_ms);
        node->mqtt[i] = NULL;
        node->broker_up[i] = false;
    }
}

static void free_list(char **list)
{
    for (size_t i = 0; list[i]; i++)
        free(list[i]);
}

void p2p_node_free(struct p2p_node *node)
{
    if (!node)
        return;
    close_brokers(node, node->left ? CLOSE_GRACE_MS : 0);
    for (unsigned i = 0; i < NODE_PEERS_MAX; i++)
        streams_orphan(&node->peers[i]);
    events_free(node);
    node_free(node->node);
    close_world(node);
    for (size_t i = 0; i < node->stun_count; i++)
        free(node->stun[i]);
    free_list(node->interfaces);
    free_list(node->exclude);
    if (node->turn_password)
        sodium_memzero(node->turn_password, strlen(node->turn_password));
    free(node->turn_password);
    free(node->turn_user);
    free(node->buffer);
    free(node);
}

/* ---- the room ---- */

static int open_broker(struct p2p_node *node, unsigned broker)
{
    char hello[TOPIC_MAX], inbox[TOPIC_MAX], relay[TOPIC_MAX];
    bool relays = node->broker_relay && node->paths & 1u << P2P_BROKER;
    struct letter will;
    rendezvous_topics(node_rendezvous(node->node), hello, inbox);
    rendezvous_relay_topic(node_rendezvous(node->node), relay);
    rendezvous_will(node_rendezvous(node->node), &will);
    struct mqtt_config config = {.url = node->brokers[broker],
                                 .topics = {hello, inbox},
                                 .bulk_topic = relays ? relay : NULL,
                                 .will_topic = will.topic,
                                 .will = will.data,
                                 .will_len = will.len};
    if (mqtt_open(&node->mqtt[broker], &config))
        return P2P_ESYSTEM;
    return loop_watch(node->loop, mqtt_fd(node->mqtt[broker])) ? 0 : P2P_ESYSTEM;
}

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
                                 .max_peers = node->max_peers,
                                 .paths = node->paths,
                                 .broker_relay = node->broker_relay,
                                 .bound = node->interfaces[0] || node->exclude[0],
                                 .turn_user = node->turn_user,
                                 .turn_password = node->turn_password,
                                 .trace = node->trace,
                                 .maps_ports = node->maps_ports,
                                 .random = &node->random};
    node->node = node_new(&config);
    return node->node ? 0 : P2P_ENOMEM;
}

/* `moved`: this machine is elsewhere, or was asleep: a connection that has gone with that is made anew at
 * once. */
static void doubt_brokers(struct p2p_node *node, bool moved)
{
    for (unsigned i = 0; i < node->broker_count; i++)
        if (node->mqtt[i])
            mqtt_doubt(node->mqtt[i], moved);
}

static void read_addresses(struct p2p_node *node, uint64_t now)
{
    struct node_address addresses[NODE_ADDRESSES_MAX];
    size_t count = net_addresses(node->net, addresses, NODE_ADDRESSES_MAX);
    node_set_addresses(node->node, now, addresses, count);
    struct portmap_local wanted[UPNP_LOCALS_MAX];
    if (node->upnp)
        upnp_set_locals(node->upnp, wanted, node_portmap_wanted(node->node, wanted, UPNP_LOCALS_MAX));
}

static void pump(struct p2p_node *node, uint64_t now);

int p2p_join(struct p2p_node *node, const char *room, const void *secret, size_t secret_len)
{
    if (!room || !room_valid(room))
        return P2P_EINVAL;
    if (!node->loop || node->node)
        return P2P_ESTATE;
    int err = make_machine(node, room, secret, secret_len);
    for (unsigned i = 0; i < node->broker_count && !err; i++)
        err = open_broker(node, i);
    if (err) {
        close_brokers(node, 0);
        node_free(node->node);
        node->node = NULL;
        return err;
    }
    room_topic(node->topic, room);
    uint64_t now = node->joined_at = loop_now();
    read_addresses(node, now);
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

static void broker_text(const struct mqtt_url *url, char text[272])
{
    snprintf(text, 272, "%s:%u", url->host, url->port);
}

/* No broker is connected, and each has failed at least once. */
static bool is_cut_off(const struct p2p_node *node)
{
    for (unsigned i = 0; i < node->broker_count; i++)
        if (node->broker_up[i] || !node->broker_failed[i])
            return false;
    return true;
}

static void broker_told(struct p2p_node *node, uint64_t now, unsigned broker, const struct mqtt_event *told)
{
    char name[272];
    switch (told->type) {
    case MQTT_MESSAGE:
    case MQTT_BULK:
        node_letter_input(node->node, now, broker, told->topic, told->data, told->len);
        return;
    case MQTT_CONNECTED:
        node->broker_up[broker] = true;
        node_broker_connected(node->node, now, broker);
        broker_text(&node->brokers[broker], name);
        events_put(node, &(struct p2p_event){.type = P2P_EVENT_JOINED, .text = name});
        return;
    case MQTT_DISCONNECTED:
        node_broker_disconnected(node->node, now, broker);
        break;
    case MQTT_FAILED:
    case MQTT_REFUSED:
        break;
    }
    node->broker_up[broker] = false;
    node->broker_failed[broker] = true;
    events_put(node, &(struct p2p_event){.type = P2P_EVENT_BROKER,
                                         .text = told->text,
                                         .error = P2P_EBROKER,
                                         .final = is_cut_off(node)});
}

static bool is_used(void *context, const struct addr *local)
{
    return node_uses_socket(context, local);
}

/* More or fewer extra sockets; those that carry a path stay. */
static void set_sockets(struct p2p_node *node, uint64_t now, size_t count)
{
    struct addr locals[NET_EXTRA_MAX];
    int before = net_fd(node->net, NET_EXTRA);
    net_set_extra(node->net, count, is_used, node->node);
    int after = net_fd(node->net, NET_EXTRA);
    if (before < 0 && after >= 0)
        loop_watch(node->loop, after); /* a closed descriptor is forgotten by itself */
    count = net_extra(node->net, locals);
    node_set_sockets(node->node, now, locals, count);
}

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

/* Machines are drained after every letter, so that an answer leaves before the next one is read. */
static void drain_events(struct p2p_node *node, uint64_t now)
{
    struct node_event told;
    while (node_event(node->node, now, &told))
        if (told.type == NODE_SOCKETS)
            set_sockets(node, now, told.count);
        else if (told.type == NODE_DOUBT)
            doubt_brokers(node, told.final);
        else if (!relays_told(node, now, &told)) {
            tell_upnp(node, &told);
            events_put_node(node, &told);
        }
}

static void read_brokers(struct p2p_node *node, uint64_t now)
{
    struct mqtt_event told;
    for (unsigned i = 0; i < node->broker_count; i++) {
        if (!node->mqtt[i] || !loop_is_ready(node->loop, mqtt_fd(node->mqtt[i])))
            continue;
        while (mqtt_event(node->mqtt[i], &told)) {
            broker_told(node, now, i, &told);
            drain_events(node, now);
        }
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

static void read_net(struct p2p_node *node, uint64_t now)
{
    struct packet in;
    if (loop_is_ready(node->loop, net_fd(node->net, NET_CHANGES)) && net_has_changed(node->net) &&
        node->node) {
        read_addresses(node, now);
        doubt_brokers(node, true);
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

/* What is dropped here is said again, by rendezvous or by QUIC. */
static void write_letters(struct p2p_node *node, uint64_t now)
{
    struct letter letter;
    while (node_letter_output(node->node, now, &letter))
        for (unsigned i = 0; i < node->broker_count; i++) {
            if (!(letter.brokers & 1u << i) || !node->mqtt[i])
                continue;
            if (letter.relay)
                (void)mqtt_publish_bulk(node->mqtt[i], letter.topic, letter.data, letter.len);
            else
                (void)mqtt_publish(node->mqtt[i], letter.topic, letter.data, letter.len);
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
    if (result == NET_TOO_LONG)
        node_too_long(node->node, &out->remote);
    if (result == NET_AGAIN && !node->waiting.len)
        await_socket(node, out, true);
    if (result != NET_AGAIN && node->waiting.len)
        await_socket(node, out, false);
    node->waiting = *out;
    if (result != NET_AGAIN)
        node->waiting.len = 0;
    return result != NET_AGAIN;
}

static void write_packets(struct p2p_node *node, uint64_t now)
{
    struct packet waiting = node->waiting;
    if (waiting.len && !send_packet(node, &waiting))
        return;
    struct packet out = {.data = node->buffer, .len = QUIC_BATCH};
    while (node_output(node->node, now, &out)) {
        if (!send_packet(node, &out))
            return;
        out = (struct packet){.data = node->buffer, .len = QUIC_BATCH};
    }
}

/* Lets the machines say all that they have to say now. */
static void pump(struct p2p_node *node, uint64_t now)
{
    drain_events(node, now);
    write_letters(node, now);
    write_packets(node, now);
    drain_events(node, now);  /* what was written may have ended something ... */
    write_letters(node, now); /* ... of which the peer must hear */
}

static void finish_leaving(struct p2p_node *node, uint64_t now)
{
    if (node->left || node->leave_by == NEVER || (now < node->leave_by && !node_has_left(node->node)))
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
    read_net(node, now);
    read_resolver(node, now);
    read_upnp(node, now);
    if (!node->node)
        return 0;
    relays_process(node, now);
    read_brokers(node, now);
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
    uint64_t deadline = node->node && !node->waiting.len ? node_deadline(node->node) : NEVER;
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
        if (loop_woken(node->loop) || loop_now() >= until)
            return 0;
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

/* ---- peers ---- */

const char *p2p_peer_name(const struct p2p_peer *peer)
{
    return peer->used ? node_peer_name(peer->node->node, peer->slot) : "";
}

const char *p2p_peer_id(const struct p2p_peer *peer)
{
    return peer->used ? node_peer_id(peer->node->node, peer->slot) : "";
}

const char *p2p_peer_purpose(const struct p2p_peer *peer)
{
    return peer->used ? node_peer_purpose(peer->node->node, peer->slot) : "";
}

const char *p2p_path_kind_name(enum p2p_path_kind kind)
{
    return kind <= P2P_BROKER ? path_kind_name((enum path_kind)kind) : "unknown";
}

_Static_assert((int)P2P_HOST == (int)PATH_HOST && (int)P2P_BROKER == (int)PATH_BROKER,
               "two names, one meaning");

/* The broker that packets to this peer go to, in the place of an address. */
static void print_broker(const struct p2p_peer *peer, char *out, size_t size)
{
    char name[272];
    unsigned broker = 0;
    uint32_t bits = rendezvous_relay_broker(node_rendezvous(peer->node->node), p2p_peer_id(peer));
    while (broker + 1 < peer->node->broker_count && !(bits & UINT32_C(1) << broker))
        broker++;
    broker_text(&peer->node->brokers[broker], name);
    snprintf(out, size, "%.*s", (int)size - 1, name);
}

int p2p_peer_path(const struct p2p_peer *peer, struct p2p_path *out)
{
    struct path path;
    struct conn_stats stats;
    *out = (struct p2p_path){0};
    if (!peer->used)
        return P2P_EGONE;
    const struct conn *conn = node_conn(peer->node->node, peer->slot);
    bool now = conn_path(conn, &path);
    conn_stats(conn, &stats);
    out->kind = (enum p2p_path_kind)path.kind;
    if (path.kind == PATH_BROKER) {
        print_broker(peer, out->remote, sizeof out->remote);
    } else {
        addr_print(&path.local, out->local);
        addr_print(&path.remote, out->remote);
    }
    out->rtt_ms = (double)path.rtt / NS_PER_MS;
    out->bytes_sent = stats.bytes_sent;
    out->bytes_received = stats.bytes_received;
    out->peer_ns = node_peer_since(peer->node->node, peer->slot) - peer->node->joined_at;
    if (now && peer->why[0]) /* told, but more may be known of the networks since */
        conn_why(conn, out->why);
    else
        snprintf(out->why, sizeof out->why, "%s", peer->why);
    return now ? 0 : P2P_EGONE;
}

void p2p_peer_close(struct p2p_peer *peer, const char *why)
{
    if (!peer->used || peer->closed)
        return;
    node_close(peer->node->node, loop_now(), peer->slot, why ? why : "");
    peer->node->dirty = true;
}

void p2p_peer_set_user(struct p2p_peer *peer, void *user)
{
    peer->user = user;
}

void *p2p_peer_user(const struct p2p_peer *peer)
{
    return peer->user;
}
