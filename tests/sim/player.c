/* player.c - the hosts of a simulation: peers made of the real node, a STUN server, a broker that posts
 * letters. */
#include "player.h"

#include "stun_server.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STREAM_KIND = 's', CHUNK = 16384, EPOCH_S = 1700000000 /* when the simulation begins */ };

static uint8_t pattern_at(size_t offset)
{
    return (uint8_t)(offset * 31 + (offset >> 8) * 7 + (offset >> 16));
}

/* ---- the broker ---- */

struct posted {
    char topic[TOPIC_MAX];
    size_t len;
    char data[MESSAGE_MAX];
};

static bool is_subscribed(struct player *player, const char *topic)
{
    char hello[TOPIC_MAX], inbox[TOPIC_MAX];
    const struct rendezvous *rendezvous = node_rendezvous(player->node);
    rendezvous_topics(rendezvous, hello, inbox);
    return strcmp(topic, hello) == 0 || strcmp(topic, inbox) == 0 || rendezvous_is_relay(rendezvous, topic);
}

static void post(struct player *from, struct player *to, const struct posted *posted)
{
    struct meeting *meeting = from->meeting;
    struct chance *chance = world_chance(meeting->world);
    unsigned copies = chance_percent(chance, meeting->loss) ? 0 : 1;
    copies += chance_percent(chance, meeting->duplicate);
    while (copies--)
        host_post(from->host, to->host, meeting->delay + chance_below(chance, meeting->jitter), posted,
                  offsetof(struct posted, data) + posted->len);
}

static void publish(struct player *from, const struct letter *letter)
{
    struct meeting *meeting = from->meeting;
    struct posted posted = {.len = letter->len};
    memcpy(posted.topic, letter->topic, sizeof posted.topic);
    memcpy(posted.data, letter->data, letter->len);
    meeting->letters++;
    from->relayed += letter->relay ? letter->len : 0;
    for (unsigned i = 0; i < meeting->count && !meeting->down; i++)
        if (meeting->players[i]->node && is_subscribed(meeting->players[i], letter->topic))
            post(from, meeting->players[i], &posted);
}

/* ---- a peer ---- */

static void send_more(struct player *player, unsigned slot)
{
    uint8_t chunk[CHUNK];
    struct link *link = &player->links[slot];
    struct quic *quic = conn_quic(node_conn(player->node, slot));
    while (link->sent < player->errand.bytes) {
        size_t left = player->errand.bytes - link->sent, len = left < CHUNK ? left : CHUNK;
        for (size_t i = 0; i < len; i++)
            chunk[i] = pattern_at(link->sent + i);
        ptrdiff_t taken = quic_stream_write(quic, link->sending, chunk, len);
        if (taken <= 0)
            return;
        link->sent += (size_t)taken;
    }
    if (!player->errand.lasting)
        quic_stream_finish(quic, link->sending);
}

static void read_more(struct player *player, uint64_t now, unsigned slot)
{
    uint8_t chunk[CHUNK];
    ptrdiff_t got;
    struct link *link = &player->links[slot];
    struct quic *quic = conn_quic(node_conn(player->node, slot));
    while ((got = quic_stream_read(quic, link->receiving, chunk, sizeof chunk)) > 0) {
        for (ptrdiff_t i = 0; i < got; i++)
            link->intact = link->intact && chunk[i] == pattern_at(link->received++);
        player->received += (size_t)got;
        player->altered = player->altered || !link->intact;
        if (!player->first_byte_at)
            player->first_byte_at = now;
    }
    player->ended += got == 0 && !link->ended;
    link->ended = link->ended || got == 0;
}

static void connected(struct player *player, uint64_t now, unsigned slot)
{
    struct link *link = &player->links[slot];
    player->connected++;
    player->handshakes++;
    if (!player->connected_at)
        player->connected_at = now;
    *link = (struct link){.connected = true, .intact = true, .receiving = -1};
    link->sending = conn_stream_open(node_conn(player->node, slot), STREAM_KIND, true);
    assert(link->sending >= 0);
    send_more(player, slot);
}

static void closed(struct player *player, uint64_t now, const struct node_event *event)
{
    struct link *link = &player->links[event->slot];
    if (link->connected && !event->refused && event->end == CONN_LEFT) {
        player->left++;
        player->left_at = now;
    }
    player->connected -= link->connected;
    link->connected = false;
    player->refused += event->refused;
    player->closed += !event->refused;
    player->closed_at = now;
    player->end = event->end;
    snprintf(player->why, sizeof player->why, "%s", event->text);
    node_release(player->node, event->slot);
}

static void path_known(struct player *player, uint64_t now, const struct node_event *event)
{
    if (!player->path_at)
        player->path_at = now;
    if (event->path.kind > PATH_DIRECT)
        player->direct_at = 0;
    else if (!player->direct_at)
        player->direct_at = now;
    player->path = event->path;
    player->paths++;
    snprintf(player->why, sizeof player->why, "%s", event->text);
}

static void secret_failed(struct player *player, uint64_t now, const struct node_event *event)
{
    if (event->final && !player->final_at)
        player->final_at = now;
    else if (!event->final)
        player->wrong_secrets++;
}

/* More or fewer extra sockets, the youngest going first; those that carry a path stay. */
static void set_sockets(struct player *player, uint64_t now, size_t count)
{
    struct addr locals[NODE_SOCKETS_MAX];
    size_t open = 0, listed = 0;
    for (unsigned i = 0; i < HOST_EXTRA_MAX; i++)
        open += player->extra[i];
    for (unsigned i = HOST_EXTRA_MAX; i-- > 0 && open > count;) {
        struct addr local = {.family = 4, .port = (uint16_t)(player->extra_first + i)};
        if (player->extra[i] && !node_uses_socket(player->node, &local)) {
            player->extra[i] = false;
            open--;
        }
    }
    for (; open < count; player->extra_next = (player->extra_next + 1) % HOST_EXTRA_MAX)
        if (!player->extra[player->extra_next]) {
            player->extra[player->extra_next] = true;
            open++;
        }
    for (unsigned i = 0; i < HOST_EXTRA_MAX; i++)
        if (player->extra[i])
            locals[listed++] = (struct addr){.family = 4, .port = (uint16_t)(player->extra_first + i)};
    host_set_extra(player->host, player->extra_first, player->extra);
    node_set_sockets(player->node, now, locals, listed);
}

static void told(struct player *player, uint64_t now, const struct node_event *event)
{
    switch (event->type) {
    case NODE_CONNECTED:
        connected(player, now, event->slot);
        break;
    case NODE_PATH:
        path_known(player, now, event);
        break;
    case NODE_STREAM:
        player->links[event->slot].receiving = event->stream;
        break;
    case NODE_READABLE:
        read_more(player, now, event->slot);
        break;
    case NODE_WRITABLE:
        if (event->stream >= 0)
            send_more(player, event->slot);
        break;
    case NODE_CLOSED:
        closed(player, now, event);
        break;
    case NODE_STALLED:
        player->stalled++;
        break;
    case NODE_BUSY:
        player->busy++;
        snprintf(player->busy_name, sizeof player->busy_name, "%s", event->name);
        snprintf(player->busy_why, sizeof player->busy_why, "%s", event->text);
        break;
    case NODE_CANDIDATE:
        player->candidates++;
        break;
    case NODE_SOCKETS:
        set_sockets(player, now, event->count);
        break;
    case NODE_RELAY_OPEN:
    case NODE_RELAY_CLOSE:
    case NODE_RELAY_TROUBLE:
        break;
    case NODE_DOUBT:
        player->doubts++;
        player->slept += event->final;
        break;
    case NODE_SECRET:
        secret_failed(player, now, event);
        break;
    default:
        break;
    }
}

static bool drain_events(struct player *player, uint64_t now)
{
    struct node_event event;
    bool any = false;
    for (; node_event(player->node, now, &event); any = true)
        told(player, now, &event);
    return any;
}

static bool drain_packets(struct player *player, uint64_t now)
{
    static uint8_t buffer[QUIC_BATCH];
    struct packet out = {.data = buffer, .len = sizeof buffer};
    bool any = false;
    for (; node_output(player->node, now, &out); any = true) {
        host_send(player->host, &out);
        out = (struct packet){.data = buffer, .len = sizeof buffer};
    }
    return any;
}

/* The rule of the four verbs: after any call that changes a machine its events and output are drained. An
 * output that is none may have ended something, so events come last. */
static void drain(struct player *player, uint64_t now)
{
    struct letter letter;
    bool sent, told;
    drain_events(player, now);
    do {
        sent = drain_packets(player, now);
        told = drain_events(player, now);
    } while (sent || told);
    while (node_letter_output(player->node, now, &letter)) {
        player->letters += strstr(letter.topic, "/to/") != NULL;
        publish(player, &letter);
    }
}

static void player_packet(void *self, uint64_t now, const struct packet *in)
{
    struct player *player = self;
    node_input(player->node, now, in);
    drain(player, now);
}

static void player_letter(void *self, uint64_t now, const void *data, size_t len)
{
    struct player *player = self;
    struct posted posted;
    memcpy(&posted, data, len);
    if (!is_subscribed(player, posted.topic))
        return; /* for the program that ran here before */
    node_letter_input(player->node, now, 0, posted.topic, (const uint8_t *)posted.data, posted.len);
    drain(player, now);
}

static void player_time(void *self, uint64_t now)
{
    drain(self, now);
}

static uint64_t player_deadline(void *self)
{
    const struct player *player = self;
    return player->node ? node_deadline(player->node) : NEVER;
}

const struct host_verbs player_verbs = {player_packet, player_letter, player_time, player_deadline};

static void tell_addresses(struct player *player, uint64_t now, uint16_t port)
{
    struct addr list[HOST_ADDRESSES_MAX];
    struct node_address addresses[HOST_ADDRESSES_MAX] = {0};
    size_t count = host_addresses(player->host, list);
    for (size_t i = 0; i < count; i++) {
        addresses[i].address = list[i];
        addresses[i].address.port = port;
        addresses[i].mtu = 1500;
    }
    node_set_addresses(player->node, now, addresses, count);
}

void player_start(struct player *player, struct meeting *meeting, struct host *host, uint64_t seed,
                  const struct player_options *options, uint16_t port, const struct addr *stun,
                  size_t stun_count)
{
    uint64_t now = world_now(meeting->world);
    struct errand errand = player->errand;
    *player = (struct player){.meeting = meeting, .host = host, .errand = errand, .started = now};
    player->chance.state = seed;
    player->extra_first =
        (uint16_t)(port / 1000 % 10 * HOST_EXTRA_MAX + 10000); /* programs of one machine have ports apart */
    host_set_extra(host, player->extra_first, player->extra);
    player->random = (struct random){.fill = chance_fill, .context = &player->chance};
    struct node_config config = {.room = "sim",
                                 .secret = (const uint8_t *)options->secret,
                                 .secret_len = options->secret ? strlen(options->secret) : 0,
                                 .name = options->name,
                                 .purpose = "library",
                                 .machine = options->machine,
                                 .brokers = 1,
                                 .to = options->to,
                                 .max_peers = options->max_peers ? options->max_peers : 1,
                                 .paths = options->paths ? options->paths : PATH_ALL,
                                 .broker_relay = options->broker_relay,
                                 .memory = options->memory,
                                 .maps_ports = options->maps_ports,
                                 .epoch_s = EPOCH_S,
                                 .random = &player->random};
    player->node = node_new(&config);
    assert(player->node);
    bool known = false;
    for (unsigned i = 0; i < meeting->count; i++)
        known = known || meeting->players[i] == player;
    if (!known)
        meeting->players[meeting->count++] = player;
    host_set_on(host, true);
    tell_addresses(player, now, port);
    for (size_t i = 0; i < stun_count; i++)
        node_add_stun(player->node, now, &stun[i]);
    node_stun_resolved(player->node, now);
    if (!meeting->down)
        node_broker_connected(player->node, now, 0);
    drain(player, now);
}

void player_stop(struct player *player)
{
    node_free(player->node);
    player->node = NULL;
}

void player_kill(struct player *player, bool will)
{
    struct letter letter;
    rendezvous_will(node_rendezvous(player->node), &letter);
    host_set_on(player->host, false);
    player_stop(player);
    if (will)
        publish(player, &letter);
}

void player_leave(struct player *player)
{
    uint64_t now = world_now(player->meeting->world);
    node_leave(player->node, now);
    drain(player, now);
}

void player_roam(struct player *player, uint16_t port)
{
    uint64_t now = world_now(player->meeting->world);
    tell_addresses(player, now, port);
    drain(player, now);
}

void player_send(struct player *player, size_t bytes)
{
    uint64_t now = world_now(player->meeting->world);
    player->errand.bytes += bytes;
    for (unsigned slot = 0; slot < NODE_PEERS_MAX; slot++)
        if (player->links[slot].connected)
            send_more(player, slot);
    drain(player, now);
}

void player_reconnect(struct player *player)
{
    uint64_t now = world_now(player->meeting->world);
    node_broker_disconnected(player->node, now, 0);
    node_broker_connected(player->node, now, 0);
    drain(player, now);
}

void meeting_set_down(struct meeting *meeting, bool down)
{
    uint64_t now = world_now(meeting->world);
    meeting->down = down;
    for (unsigned i = 0; i < meeting->count; i++) {
        struct player *player = meeting->players[i];
        if (!player->node)
            continue;
        if (down)
            node_broker_disconnected(player->node, now, 0);
        else
            node_broker_connected(player->node, now, 0);
        drain(player, now);
    }
}

/* ---- a STUN server ---- */

static void stun_packet(void *self, uint64_t now, const struct packet *in)
{
    struct stun_host *stun = self;
    uint8_t buffer[PACKET_MAX];
    struct packet out = {.data = buffer, .len = sizeof buffer};
    if (!stun->server) {
        struct stun_server_config config = {.address = {{in->local}}};
        stun->server = stun_server_new(&config);
    }
    stun_server_input(stun->server, now, in);
    while (stun_server_output(stun->server, now, &out)) {
        host_send(stun->host, &out);
        out = (struct packet){.data = buffer, .len = sizeof buffer};
    }
}

const struct host_verbs stun_host_verbs = {.packet = stun_packet};
