/* checkup.c - looks at this machine and its network, for `doctor`: what is there, what answers, how soon.
 *
 * The world around the same machines that a node has, for a few round trips: everybody is asked at once, and
 * who has not answered in the end is silent. Brokers pass a message to ourselves in a room of our own, which
 * shows that they let us publish and subscribe. */
#include "checkup_state.h"

#include "defaults.h"
#include "node_addresses.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STUN_PORT = 3478,      /* RFC 8489 18.6 */
    SURVEY_AFTER_MS = 400, /* after the first answer the others are not waited for any longer */
    ENOWORLD = -4,
};

static void fill_random(void *context, uint8_t *out, size_t len)
{
    (void)context;
    randombytes_buf(out, len);
}

/* ---- STUN servers ---- */

static void add_stun(struct examination *e, uint64_t now, struct checkup_server *server,
                     const struct addr *address)
{
    if (server->address.family != 4)
        server->address = *address;
    e->asks_ipv6 |= address->family == 6;
    if (e->place_count < sizeof e->places / sizeof *e->places)
        e->places[e->place_count++] = (struct place){*address, server};
    stun_client_add_server(e->stun, now, address);
}

/* An address is asked at once, a name when it is resolved. */
static void begin_stun(struct examination *e, uint64_t now, const char *name)
{
    size_t n = e->out->stun_count;
    struct checkup_server *server = &e->out->stun[n];
    struct addr address;
    uint16_t port;
    if (n == CHECKUP_STUN_MAX || !resolver_parse(name, STUN_PORT, e->hosts[n], &port))
        return;
    e->out->stun_count++;
    snprintf(server->name, sizeof server->name, "%s", name);
    if (addr_parse(&address, e->hosts[n])) {
        address.port = port;
        e->hosts[n][0] = '\0';
        add_stun(e, now, server, &address);
    } else if (!resolver_ask(e->resolver, e->hosts[n], port, (int)n)) {
        e->hosts[n][0] = '\0';
        server->state = CHECKUP_FAILED;
        snprintf(server->text, sizeof server->text, "no thread to look its name up");
    }
}

static void read_resolver(struct examination *e, uint64_t now)
{
    struct resolved resolved;
    while (resolver_next(e->resolver, &resolved)) {
        if (resolved.tag >= CHECKUP_TAG_TURN) {
            checkup_turn_resolved(e, now, (unsigned)(resolved.tag - CHECKUP_TAG_TURN), &resolved);
            continue;
        }
        struct checkup_server *server = &e->out->stun[resolved.tag];
        e->hosts[resolved.tag][0] = '\0';
        for (unsigned i = 0; i < resolved.count; i++)
            add_stun(e, now, server, &resolved.addresses[i]);
        if (resolved.count)
            continue;
        server->state = CHECKUP_UNRESOLVED;
        snprintf(server->text, sizeof server->text, "%s", resolved.why);
    }
}

static struct checkup_server *server_at(struct examination *e, const struct addr *address)
{
    for (size_t i = 0; i < e->place_count; i++)
        if (addr_equal(&e->places[i].address, address))
            return e->places[i].server;
    return NULL;
}

static void stun_mapped(struct examination *e, uint64_t now, const struct stun_client_event *told)
{
    struct checkup_server *server = server_at(e, &told->server);
    if (!e->first_answer)
        e->first_answer = now;
    if (told->server.family == 6 && addr_scope(&told->local) == ADDR_GLOBAL) {
        e->out->ipv6 = CHECKUP_IPV6_WORKS;
        e->out->ipv6_address = told->local;
    }
    if (!server || (server->state == CHECKUP_ANSWERS && server->rtt <= told->rtt))
        return;
    server->state = CHECKUP_ANSWERS;
    server->rtt = told->rtt;
    server->mapped = told->mapped;
}

static bool stun_is_complete(const struct examination *e)
{
    for (size_t n = 0; n < e->out->stun_count; n++)
        if (e->hosts[n][0] || e->out->stun[n].state == CHECKUP_SILENT)
            return false;
    return true;
}

/* ---- the survey ---- */

static bool keep_none(void *context, const struct addr *local)
{
    (void)context;
    (void)local;
    return false;
}

size_t checkup_sockets(struct examination *e, const struct addr *like, struct addr *locals, size_t count)
{
    struct addr ports[NET_EXTRA_MAX];
    if (net_fd(e->net, NET_EXTRA) >= 0)
        loop_forget(e->loop, net_fd(e->net, NET_EXTRA));
    net_set_extra(e->net, 0, keep_none, NULL);
    net_set_extra(e->net, count, keep_none, NULL);
    if (net_fd(e->net, NET_EXTRA) >= 0 && !loop_watch(e->loop, net_fd(e->net, NET_EXTRA)))
        net_set_extra(e->net, 0, keep_none, NULL); /* what nobody hears is of no use */
    size_t opened = net_extra(e->net, ports);
    for (size_t i = 0; i < opened; i++) {
        locals[i] = *like;
        locals[i].port = ports[i].port;
    }
    return opened;
}

static void give_sockets(struct examination *e, uint64_t now)
{
    struct addr locals[NAT_SURVEY_SOCKETS], local = nat_survey_local(e->survey);
    size_t count = checkup_sockets(e, &local, locals, NAT_SURVEY_SOCKETS);
    nat_survey_set_sockets(e->survey, now, locals, count);
    e->done |= count == 0;
}

/* It is told to go on when everybody has answered each of our addresses, or has had the time to. */
static uint64_t survey_due(const struct examination *e)
{
    if (e->surveyed || !e->first_answer)
        return NEVER;
    return stun_is_complete(e) && e->round_done ? 0 : e->first_answer + SURVEY_AFTER_MS * NS_PER_MS;
}

static void drain(struct examination *e, uint64_t now)
{
    struct stun_client_event told;
    struct nat_survey_event event;
    while (stun_client_event(e->stun, &told)) {
        if (told.type == STUN_CLIENT_MAPPED)
            stun_mapped(e, now, &told);
        e->round_done |= told.type == STUN_CLIENT_DONE;
        nat_survey_told(e->survey, now, &told);
    }
    if (now >= survey_due(e)) {
        e->surveyed = true;
        checkup_ports_ask(e, now);
        nat_survey_ask_all(e->survey, now);
        e->done = nat_survey_local(e->survey).family != 4; /* nobody outside, or without a NAT */
    }
    while (nat_survey_event(e->survey, now, &event)) {
        if (event.type == NAT_SURVEY_SOCKETS_WANTED)
            give_sockets(e, now);
        e->done |= event.type == NAT_SURVEY_DONE;
    }
}

/* ---- datagrams ---- */

static void send_all(struct examination *e, uint64_t now)
{
    uint8_t data[PACKET_MAX];
    struct packet out = {.data = data, .len = sizeof data};
    while (stun_client_output(e->stun, now, &out)) {
        net_send(e->net, &out); /* what the system does not take is repeated like what is lost */
        out = (struct packet){.data = data, .len = sizeof data};
    }
    out.len = sizeof data;
    while (nat_survey_output(e->survey, now, &out)) {
        net_send(e->net, &out);
        out = (struct packet){.data = data, .len = sizeof data};
    }
    checkup_turn_send(e, now);
    out.len = sizeof data;
    while (e->portmap && portmap_output(e->portmap, now, &out)) {
        net_send(e->net, &out);
        out = (struct packet){.data = data, .len = sizeof data};
    }
}

static void read_net(struct examination *e, uint64_t now)
{
    static const unsigned indexes[] = {NET_IPV4, NET_IPV6, NET_EXTRA};
    struct packet in;
    for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++) {
        if (net_fd(e->net, indexes[i]) < 0 || !loop_is_ready(e->loop, net_fd(e->net, indexes[i])))
            continue;
        while (net_receive(e->net, indexes[i], &in))
            if (!stun_client_input(e->stun, now, &in) && !nat_survey_input(e->survey, now, &in) &&
                !checkup_turn_input(e, now, &in) && e->portmap)
                portmap_input(e->portmap, now, &in);
    }
}

/* ---- brokers ---- */

static void begin_broker(struct examination *e, const char *name)
{
    size_t n = e->out->broker_count;
    struct mqtt_config config = {.topics = {e->topic}, .hears_itself = true};
    if (n == CHECKUP_BROKERS_MAX || !mqtt_url_parse(&config.url, name))
        return;
    struct checkup_server *server = &e->out->brokers[e->out->broker_count++];
    snprintf(server->name, sizeof server->name, "%s:%u", config.url.host, config.url.port);
    if (mqtt_open(&e->trials[n].mqtt, &config) == 0) {
        loop_watch(e->loop, mqtt_fd(e->trials[n].mqtt));
    } else {
        e->trials[n].over = true;
        server->state = CHECKUP_FAILED;
        snprintf(server->text, sizeof server->text, "the system has no thread for it");
    }
    sodium_memzero(&config.url, sizeof config.url);
}

/* The reason is a sentence about "broker HOST:PORT"; the report has named it already. */
static void tell_reason(struct checkup_server *server, const char *reason)
{
    static const char prefix[] = "broker ";
    const char *port = strrchr(server->name, ':'), *rest = reason + strlen(prefix);
    size_t host = (size_t)(port - server->name);
    if (strncmp(reason, prefix, strlen(prefix)) != 0 || strncmp(rest, server->name, host) != 0) {
        snprintf(server->text, sizeof server->text, "%s", reason);
        return;
    }
    rest += host;
    if (strncmp(rest, port, strlen(port)) == 0)
        rest += strlen(port);
    if (*rest == ':')
        snprintf(server->text, sizeof server->text, "%s", rest + strspn(rest, ": "));
    else
        snprintf(server->text, sizeof server->text, "it%s", rest);
}

/* The clock is read for each event: on one machine the message is back before the next turn of the loop. */
static void broker_told(struct trial *trial, struct checkup_server *server, const struct mqtt_event *told,
                        const char *topic)
{
    switch (told->type) {
    case MQTT_CONNECTED:
        trial->published = loop_now();
        mqtt_publish(trial->mqtt, topic, "?", 1);
        snprintf(server->text, sizeof server->text, "it lets us in, but our own message does not come back");
        return;
    case MQTT_MESSAGE:
        if (!trial->published || trial->over)
            return;
        server->state = CHECKUP_ANSWERS;
        server->rtt = loop_now() - trial->published;
        server->text[0] = '\0';
        break;
    case MQTT_BULK:
        return;
    case MQTT_DISCONNECTED:
    case MQTT_FAILED:
    case MQTT_REFUSED:
        if (trial->over)
            return;
        server->state = CHECKUP_FAILED;
        tell_reason(server, told->text);
        break;
    }
    trial->over = true;
}

static void read_brokers(struct examination *e)
{
    struct mqtt_event told;
    for (size_t n = 0; n < e->out->broker_count; n++)
        if (e->trials[n].mqtt && loop_is_ready(e->loop, mqtt_fd(e->trials[n].mqtt)))
            while (mqtt_event(e->trials[n].mqtt, &told))
                broker_told(&e->trials[n], &e->out->brokers[n], &told, e->topic);
}

/* ---- all of it ---- */

bool checkup_is_stopped(struct examination *e)
{
    e->out->stopped = e->out->stopped || (e->config->stops && e->config->stops(e->config->context));
    return e->out->stopped;
}

static bool is_over(const struct examination *e, uint64_t now)
{
    for (size_t n = 0; n < e->out->broker_count; n++)
        if (!e->trials[n].over)
            return false;
    bool surveyed = stun_is_complete(e) && (e->done || e->out->stun_count == 0 || !e->first_answer);
    return surveyed && now >= checkup_ports_awaited(e) && checkup_turn_are_over(e);
}

static uint64_t next_deadline(const struct examination *e, uint64_t end)
{
    uint64_t others[] = {stun_client_deadline(e->stun),
                         nat_survey_deadline(e->survey),
                         survey_due(e),
                         e->portmap ? portmap_deadline(e->portmap) : NEVER,
                         checkup_turn_deadline(e),
                         checkup_ports_awaited(e) ? checkup_ports_awaited(e) : NEVER};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        end = others[i] < end ? others[i] : end;
    return end;
}

static void examine(struct examination *e)
{
    uint64_t end = e->started + CHECKUP_MS * NS_PER_MS, now = e->started;
    while (!is_over(e, now) && now < end && !checkup_is_stopped(e)) {
        drain(e, now);
        send_all(e, now);
        drain(e, now); /* what is overdue may have ended something */
        if (is_over(e, now) || !loop_wait(e->loop, next_deadline(e, end)))
            break;
        now = loop_now();
        read_net(e, now);
        read_resolver(e, now);
        read_brokers(e);
        checkup_ports_read(e);
        checkup_turn_read(e, now);
    }
    drain(e, now);
    send_all(e, now); /* goodbyes */
}

static void begin(struct examination *e, const struct checkup_config *config)
{
    const char *const *stun = config->stun && config->stun[0] ? config->stun : default_stun;
    const char *const *brokers = config->brokers && config->brokers[0] ? config->brokers : default_brokers;
    struct node_address addresses[NODE_ADDRESSES_MAX];
    struct addr locals[NODE_ADDRESSES_MAX];
    size_t count = net_addresses(e->net, addresses, NODE_ADDRESSES_MAX);
    for (size_t i = 0; !config->no_portmap && i < count && e->port_count < PORTMAP_LOCALS_MAX; i++)
        if (node_address_is_worth_mapping(&addresses[i])) {
            bool ipv6 = addresses[i].address.family == 6;
            *(ipv6 ? &e->out->pinhole.asked : &e->out->ports.asked) = true;
            e->ports[e->port_count++] =
                (struct portmap_local){.local = addresses[i].address, .gateway = addresses[i].gateway};
        }
    for (size_t i = 0; i < count; i++) {
        locals[i] = addresses[i].address;
        bool global = locals[i].family == 6 && addr_scope(&locals[i]) == ADDR_GLOBAL;
        if (global && e->out->ipv6 == CHECKUP_IPV6_NONE) {
            e->out->ipv6 = CHECKUP_IPV6_UNKNOWN;
            e->out->ipv6_address = locals[i];
        }
    }
    stun_client_set_locals(e->stun, e->started, locals, count);
    for (size_t i = 0; stun[i] && strcmp(stun[0], "none") != 0; i++)
        begin_stun(e, e->started, stun[i]);
    for (size_t i = 0; brokers[i]; i++)
        begin_broker(e, brokers[i]);
    if (e->out->stun_count == 0)
        checkup_ports_ask(e, e->started);
}

static bool open_world(struct examination *e)
{
    char room[65];
    uint8_t bytes[32];
    char topic[ROOM_TOPIC_LEN + 1];
    e->random.fill = fill_random;
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2hex(room, sizeof room, bytes, sizeof bytes);
    room_topic(topic, room);
    snprintf(e->topic, sizeof e->topic, "p2pconnect/1/%s/hello", topic);
    e->loop = loop_new();
    e->resolver = resolver_new();
    e->stun = stun_client_new(&e->random);
    e->survey = nat_survey_new(&e->random);
    if (!e->loop || !e->resolver || !e->stun || !e->survey)
        return false;
    loop_watch(e->loop, resolver_fd(e->resolver));
    for (unsigned i = 0; i < NET_FDS; i++)
        if (i != NET_CHANGES && net_fd(e->net, i) >= 0)
            loop_watch(e->loop, net_fd(e->net, i));
    return true;
}

/* What was borrowed is given back, and of all descriptors only those of the sockets have anything to say. */
static void take_leave(struct examination *e)
{
    checkup_ports_close(e);
    checkup_turn_close(e);
    for (size_t n = 0; n < CHECKUP_BROKERS_MAX; n++) {
        if (e->trials[n].mqtt)
            loop_forget(e->loop, mqtt_fd(e->trials[n].mqtt));
        mqtt_close(e->trials[n].mqtt, 0);
        e->trials[n].mqtt = NULL;
    }
    if (e->loop && e->resolver)
        loop_forget(e->loop, resolver_fd(e->resolver));
}

static void close_world(struct examination *e)
{
    take_leave(e);
    nat_survey_free(e->survey);
    stun_client_free(e->stun);
    resolver_free(e->resolver);
    net_close(e->net);
    loop_free(e->loop);
}

int checkup_run(struct checkup *out, const struct checkup_config *config)
{
    struct net_config net = {
        .port = config->port, .interfaces = config->interfaces, .exclude = config->exclude};
    struct examination *e = calloc(1, sizeof *e);
    *out = (struct checkup){0};
    if (!e || sodium_init() < 0) {
        free(e);
        return ENOWORLD;
    }
    e->out = out;
    e->config = config;
    e->started = loop_now();
    int err = net_open(&e->net, &net);
    if (!err && !open_world(e))
        err = ENOWORLD;
    if (!err) {
        out->interface_count = net_interfaces(e->net, out->interfaces, CHECKUP_INTERFACES_MAX);
        net_buffers(e->net, &out->receive_buffer, &out->send_buffer);
        begin(e, config);
        if (checkup_turn_begin(e, config))
            examine(e);
        out->nat = *nat_survey_behavior(e->survey);
        out->local = nat_survey_local(e->survey);
        if (config->life && !out->stopped) {
            take_leave(e);
            checkup_life_measure(e);
        }
        if (out->ipv6 == CHECKUP_IPV6_UNKNOWN && e->asks_ipv6)
            out->ipv6 = CHECKUP_IPV6_SILENT;
        out->elapsed = loop_now() - e->started;
    }
    close_world(e);
    free(e);
    return err;
}
