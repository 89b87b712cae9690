/* player.c - the hosts of a simulation: peers made of the real node, a STUN server, a broker that posts
 * letters. */
#include "player.h"

#include "stun_server.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STREAM_KIND = 's', CHUNK = 16384 };

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
    rendezvous_topics(node_rendezvous(player->node), hello, inbox);
    return strcmp(topic, hello) == 0 || strcmp(topic, inbox) == 0;
}

static void publish(struct player *from, const struct letter *letter)
{
    struct meeting *meeting = from->meeting;
    struct posted posted = {.len = letter->len};
    memcpy(posted.topic, letter->topic, sizeof posted.topic);
    memcpy(posted.data, letter->data, letter->len);
    for (unsigned i = 0; i < meeting->count && !meeting->down; i++)
        if (meeting->players[i]->node && is_subscribed(meeting->players[i], letter->topic))
            host_post(from->host, meeting->players[i]->host, meeting->delay * 2, &posted,
                      offsetof(struct posted, data) + letter->len);
}

/* ---- a peer ---- */

static void send_more(struct player *player, unsigned slot)
{
    uint8_t chunk[CHUNK];
    struct quic *quic = conn_quic(node_conn(player->node, slot));
    size_t goal = player->errand.bytes ? player->errand.bytes : 1;
    while (player->sent[slot] < goal) {
        size_t len = goal - player->sent[slot] < CHUNK ? goal - player->sent[slot] : CHUNK;
        for (size_t i = 0; i < len; i++)
            chunk[i] = pattern_at(player->sent[slot] + i);
        ptrdiff_t taken = quic_stream_write(quic, player->sending[slot], chunk, len);
        if (taken <= 0)
            return;
        player->sent[slot] += (size_t)taken;
    }
    quic_stream_finish(quic, player->sending[slot]);
}

static void read_more(struct player *player, uint64_t now, unsigned slot)
{
    uint8_t chunk[CHUNK];
    ptrdiff_t got;
    struct quic *quic = conn_quic(node_conn(player->node, slot));
    while ((got = quic_stream_read(quic, player->receiving[slot], chunk, sizeof chunk)) > 0) {
        for (ptrdiff_t i = 0; i < got; i++)
            player->intact = player->intact && chunk[i] == pattern_at(player->received++);
        if (!player->first_byte_at)
            player->first_byte_at = now;
    }
    player->ended = player->ended || got == 0;
}

static void connected(struct player *player, uint64_t now, unsigned slot)
{
    player->connected++;
    player->handshakes++;
    player->connected_at = now;
    player->sent[slot] = 0;
    player->sending[slot] = conn_stream_open(node_conn(player->node, slot), STREAM_KIND, true);
    assert(player->sending[slot] >= 0);
    send_more(player, slot);
}

static void told(struct player *player, uint64_t now, const struct node_event *event)
{
    switch (event->type) {
    case NODE_CONNECTED:
        connected(player, now, event->slot);
        break;
    case NODE_PATH:
        player->path = event->path;
        snprintf(player->why, sizeof player->why, "%s", event->text);
        break;
    case NODE_STREAM:
        player->receiving[event->slot] = event->stream;
        break;
    case NODE_READABLE:
        read_more(player, now, event->slot);
        break;
    case NODE_WRITABLE:
        if (event->stream >= 0)
            send_more(player, event->slot);
        break;
    case NODE_CLOSED:
        player->connected -= player->connected > 0;
        player->closed += !event->refused;
        player->end = event->end;
        snprintf(player->why, sizeof player->why, "%s", event->text);
        node_release(player->node, event->slot);
        break;
    default:
        break;
    }
}

/* The rule of the four verbs: after any call that changes a machine its events and output are drained. */
static void drain(struct player *player, uint64_t now)
{
    static uint8_t buffer[QUIC_BATCH];
    struct node_event event;
    struct letter letter;
    bool busy;
    do {
        struct packet out = {.data = buffer, .len = sizeof buffer};
        busy = false;
        while (node_event(player->node, now, &event))
            told(player, now, &event);
        while (node_output(player->node, now, &out)) {
            player->checks += !player->connected;
            host_send(player->host, &out);
            out = (struct packet){.data = buffer, .len = sizeof buffer};
            busy = true;
        }
        while (node_letter_output(player->node, now, &letter))
            publish(player, &letter);
    } while (busy);
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
    *player =
        (struct player){.meeting = meeting, .host = host, .errand = errand, .intact = true, .started = now};
    player->chance.state = seed;
    player->random = (struct random){.fill = chance_fill, .context = &player->chance};
    struct node_config config = {.room = "sim",
                                 .secret = (const uint8_t *)options->secret,
                                 .secret_len = options->secret ? strlen(options->secret) : 0,
                                 .name = options->name,
                                 .purpose = "library",
                                 .machine = options->machine,
                                 .brokers = 1,
                                 .max_peers = options->max_peers ? options->max_peers : 1,
                                 .paths = options->paths ? options->paths : PATH_ALL,
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
    node_broker_connected(player->node, now, 0);
    drain(player, now);
}

void player_stop(struct player *player)
{
    node_free(player->node);
    player->node = NULL;
}

void player_roam(struct player *player, uint64_t now, uint16_t port)
{
    tell_addresses(player, now, port);
    drain(player, now);
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
