/* node.c - one participant without the world: rendezvous, STUN client and a connection to each peer, joined.
 *
 * It owns no protocol. It carries what one machine says to those whom it concerns: a peer that rendezvous has
 * proven becomes a connection, an address that STUN found becomes a candidate everywhere, a connection that
 * works makes rendezvous stop repeating itself. */
#include "node_state.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FAREWELL_MS = 200 /* an ended connection may use its slot so long to say its last words */ };

struct node *node_new(const struct node_config *config)
{
    struct node *node = calloc(1, sizeof *node);
    if (!node)
        return NULL;
    node->random = config->random;
    node->max_peers = config->max_peers;
    node->streams_max = config->streams_max;
    node->congestion = config->congestion;
    node->paths = node->addresses.paths = config->paths;
    if (config->paths & PATH_BIT(PATH_BROKER))
        node->broker_relay = config->broker_relay;
    if (node->broker_relay)
        node->share = broker_path_bucket(node->broker_relay);
    node->blocked_at = NEVER;
    if (config->to)
        snprintf(node->to, sizeof node->to, "%s", config->to);
    node->maps_ports = config->maps_ports;
    node->stun = stun_client_new(config->random);
    node->survey = nat_survey_new(config->random);
    node->portmap = portmap_new(config->random);
    node->rendezvous = rendezvous_new(&(struct rendezvous_config){
        .room = config->room,
        .secret = config->secret,
        .secret_len = config->secret_len,
        .name = config->name,
        .purpose = config->purpose,
        .slots = config->max_peers,
        .serves = config->serves,
        .picks = config->to != NULL,
        .machine = config->machine,
        .brokers = config->brokers,
        .random = config->random,
    });
    node->bound = config->bound;
    node->memory = config->memory;
    node->epoch_s = config->epoch_s;
    node->memory_told = true;
    node->relays = node_relays_new(config->turn_user, config->turn_password, config->random);
    node->secret_deadline = node->survey_until = NEVER;
    if (!node->stun || !node->survey || !node->portmap || !node->rendezvous || !node->relays) {
        node_free(node);
        return NULL;
    }
    rendezvous_set_trace(node->rendezvous, config->trace);
    return node;
}

void node_free(struct node *node)
{
    if (!node)
        return;
    for (unsigned i = 0; i < node->peers_used; i++)
        conn_free(node->peers[i].conn);
    rendezvous_free(node->rendezvous);
    nat_survey_free(node->survey);
    stun_client_free(node->stun);
    portmap_free(node->portmap);
    node_relays_free(node->relays);
    free(node);
}

struct rendezvous *node_rendezvous(struct node *node)
{
    return node->rendezvous;
}

/* ---- what connections say ---- */

static void conn_connected(struct node *node, uint64_t now, struct peer *peer)
{
    peer->connected = true;
    rendezvous_arrived(node_touch(node), peer->handle);
    if (!conn_is_brokered(peer->conn))
        rendezvous_settle(node_touch(node), peer->handle);
    node_refuse_others(node, now);
    node_update_slots(node, now);
}

static void conn_closed(struct node *node, uint64_t now, struct peer *peer, enum conn_end end)
{
    bool was_connected = peer->connected;
    if (end != CONN_LEFT)
        rendezvous_forget(node_touch(node), now, peer->handle);
    peer->state = PEER_ENDED;
    peer->connected = false;
    peer->farewell_until = now + FAREWELL_MS * NS_PER_MS;
    if (was_connected)
        node_update_slots(node, now);
    node_share_places(node, now);
}

static void path_told(struct node *node, uint64_t now, struct peer *peer, const struct path *path)
{
    if (path->kind == PATH_BROKER) {
        if (peer->connected)
            node_tell_again(node, now, peer);
        return;
    }
    conn_set_payload_limit(
        peer->conn, path->kind == PATH_HOST ? 0 : node_addresses_payload(&node->addresses, &path->local));
    node_remember(node, now, peer);
    if (peer->connected)
        rendezvous_settle(node_touch(node), peer->handle);
}

static bool conn_told(struct node *node, uint64_t now, struct peer *peer, const struct conn_event *told,
                      struct node_event *event)
{
    static const enum node_event_type same[] = {
        [CONN_CONNECTED] = NODE_CONNECTED, [CONN_PATH] = NODE_PATH,         [CONN_STALLED] = NODE_STALLED,
        [CONN_STREAM] = NODE_STREAM,       [CONN_READABLE] = NODE_READABLE, [CONN_WRITABLE] = NODE_WRITABLE,
        [CONN_DATAGRAM] = NODE_DATAGRAM,   [CONN_CLOSED] = NODE_CLOSED};
    if (told->type == CONN_CONNECTED)
        conn_connected(node, now, peer);
    if (told->type == CONN_PATH)
        path_told(node, now, peer, &told->path);
    if (told->type == CONN_SEEK) {
        node_seek(node, now, peer);
        return false;
    }
    event->refused = peer->refused;
    if (told->type == CONN_CLOSED) {
        bool met = peer->state == PEER_MET;
        conn_closed(node, now, peer, told->end);
        if (!met) {
            node_peer_drop(peer);
            return false;
        }
    }
    event->type = same[told->type];
    event->slot = node_slot_of(node, peer);
    event->end = told->end;
    event->stream = told->stream;
    event->kind = told->kind;
    event->path = told->path;
    memcpy(node->text, told->text, sizeof node->text);
    event->text = node->text;
    return true;
}

static bool conns_told(struct node *node, uint64_t now, struct node_event *event)
{
    for (unsigned i = 0; i < node->peers_used; i++) {
        struct peer *peer = &node->peers[i];
        struct conn_event told;
        while (node_peer_is_live(peer) && conn_event(peer->conn, now, &told)) {
            if (conn_is_engaged(peer->conn) && !peer->engaged_until)
                node_share_places(node, now);
            if (conn_told(node, now, peer, &told, event))
                return true;
        }
        if (node_peer_is_live(peer) && conn_is_engaged(peer->conn) && !peer->engaged_until)
            node_share_places(node, now);
    }
    return false;
}

/* ---- time ---- */

static bool secret_told(struct node *node, uint64_t now, struct node_event *event)
{
    if (now < node->secret_deadline)
        return false;
    if (rendezvous_has_untried(node->rendezvous, now)) {
        node->secret_deadline = now + NS_PER_S;
        return false;
    }
    node->secret_deadline = NEVER;
    event->type = NODE_SECRET;
    event->final = true;
    return true;
}

static bool memory_told(struct node *node, struct node_event *event)
{
    if (node->memory_told)
        return false;
    node->memory_told = true;
    event->type = NODE_MEMORY;
    return true;
}

static bool candidate_told(struct node *node, struct node_event *event)
{
    const struct candidate *found = node_addresses_announce(&node->addresses);
    if (!found)
        return false;
    event->type = NODE_CANDIDATE;
    event->address = found->address;
    event->candidate = found->kind;
    return true;
}

bool node_event(struct node *node, uint64_t now, struct node_event *event)
{
    struct rendezvous_event met;
    struct stun_client_event seen;
    node_notice_sleep(node, now);
    node_sweep(node, now);
    node_release_places(node, now);
    *event = (struct node_event){.text = ""};
    while (stun_client_event(node->stun, &seen))
        node_stun_told(node, now, &seen);
    node_notice_blocked(node, now);
    node_survey_told(node, now);
    node_watch_guessing(node, now);
    if (node_portmap_told(node, now, event) || node_relays_event(node, now, event) ||
        candidate_told(node, event) || node_sockets_told(node, now, event))
        return true;
    while (!node->meetings_said) {
        if (!rendezvous_event(node->rendezvous, &met)) {
            node->meetings_said = true;
            break;
        }
        bool told = node_rendezvous_told(node, now, &met, event);
        memset(met.tls_key, 0, sizeof met.tls_key);
        if (told)
            return true;
    }
    if (memory_told(node, event) || conns_told(node, now, event) || secret_told(node, now, event) ||
        node_doubt_told(node, now, event))
        return true;
    node_trickle(node, now);
    return false;
}

uint64_t node_deadline(const struct node *node)
{
    uint64_t deadline = node->secret_deadline;
    uint64_t others[] = {node->blocked ? NEVER : node->blocked_at,
                         node->letters_said && node->meetings_said ? node->rendezvous_at : 0,
                         stun_client_deadline(node->stun),
                         nat_survey_deadline(node->survey),
                         canary_deadline(&node->canary),
                         node->survey_until,
                         portmap_deadline(node->portmap),
                         node_relays_deadline(node),
                         node_doubt_deadline(node)};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        deadline = others[i] < deadline ? others[i] : deadline;
    bool waiting = node_others_wait(node);
    for (unsigned i = 0; i < node->peers_used; i++) {
        const struct peer *peer = &node->peers[i];
        uint64_t due = NEVER;
        if (peer->state == PEER_FREE)
            continue;
        if (peer->conn)
            due = conn_deadline(peer->conn);
        if (peer->state == PEER_ENDED && peer->released && peer->farewell_until < due)
            due = peer->farewell_until;
        if (waiting && peer->state == PEER_MET && !peer->connected && peer->engaged_until &&
            peer->engaged_until < due)
            due = peer->engaged_until;
        deadline = due < deadline ? due : deadline;
    }
    return deadline;
}

/* ---- datagrams and letters ---- */

void node_input(struct node *node, uint64_t now, const struct packet *in)
{
    node_notice_sleep(node, now);
    if (stun_is(in->data, in->len) &&
        (stun_client_input(node->stun, now, in) || nat_survey_input(node->survey, now, in) ||
         canary_input(&node->canary, now, in)))
        return;
    if (portmap_input(node->portmap, now, in))
        return;
    if (!node_relays_input(node, now, in))
        node_deliver(node, now, in);
}

void node_deliver(struct node *node, uint64_t now, const struct packet *in)
{
    for (unsigned i = 0; i < node->peers_used; i++)
        if (node->peers[i].conn && conn_input(node->peers[i].conn, now, in)) {
            if (!node->peers[i].engaged_until && conn_is_engaged(node->peers[i].conn))
                node_share_places(node, now);
            return;
        }
    node->stats.strangers++;
}

/* What leaves from a relayed address is wrapped; the relay's stream may have had enough. */
static bool peer_output(struct node *node, uint64_t now, struct peer *peer, struct packet *out,
                        size_t capacity)
{
    struct path path;
    bool relayed =
        conn_path(peer->conn, &path) && path.kind == PATH_TURN && node_relays_have(node->relays, &path.local);
    conn_pause(peer->conn, relayed && node_relays_are_full(node->relays, &path.local));
    for (;;) {
        out->len = relayed ? node_relays_room(capacity) : capacity;
        out->segment = 0;
        out->stream = 0;
        if (!conn_output(peer->conn, now, out))
            return false;
        if (!node_relays_have(node->relays, &out->local) || node_relays_wrap(node, now, out, capacity))
            return true;
    }
}

static bool conns_are_silent(const struct node *node)
{
    for (unsigned i = 0; i < node->peers_used; i++) {
        const struct peer *peer = &node->peers[i];
        if (node_peer_is_live(peer) || (peer->conn && !conn_is_silent(peer->conn)))
            return false;
    }
    return true;
}

bool node_output(struct node *node, uint64_t now, struct packet *out)
{
    size_t capacity = out->len;
    out->segment = 0;
    out->stream = 0;
    out->ttl = 0;
    if (stun_client_output(node->stun, now, out) || node_relays_output(node, now, out))
        return true;
    out->len = capacity;
    if (canary_output(&node->canary, now, node->random, out))
        return true;
    out->len = capacity;
    if (nat_survey_output(node->survey, now, out))
        return true;
    out->len = capacity;
    if (portmap_output(node->portmap, now, out))
        return true;
    for (unsigned n = 0; n < node->peers_used; n++) {
        unsigned slot = (node->next_output + n) % node->peers_used;
        struct peer *peer = &node->peers[slot];
        if (peer->conn && peer_output(node, now, peer, out, capacity)) {
            node->next_output = slot + 1;
            return true;
        }
    }
    if (!node->leaving || !conns_are_silent(node))
        return false;
    node_relays_leave(node, now);
    out->len = capacity;
    return node_relays_output(node, now, out);
}

/* A packet that came through the broker. */
static void relayed_input(struct node *node, uint64_t now, unsigned broker, const uint8_t *data, size_t len)
{
    struct relayed relayed;
    struct peer *peer = NULL;
    if (rendezvous_relay_input(node->rendezvous, broker, data, len, &relayed))
        peer = node_peer_find(node, relayed.peer);
    if (!peer)
        return;
    conn_broker_input(peer->conn, now, relayed.data, relayed.len);
    if (!peer->engaged_until && conn_is_engaged(peer->conn))
        node_share_places(node, now);
}

void node_letter_input(struct node *node, uint64_t now, unsigned broker, const char *topic,
                       const uint8_t *data, size_t len)
{
    node_notice_sleep(node, now);
    if (node->broker_relay && rendezvous_is_relay(node->rendezvous, topic)) {
        relayed_input(node, now, broker, data, len);
        return;
    }
    rendezvous_input(node_touch(node), now, broker, topic, data, len);
}

/* Packets for the broker, of each peer in turn: they share the rate fairly. */
static bool relayed_output(struct node *node, uint64_t now, struct letter *letter)
{
    for (unsigned n = 0; n < node->peers_used && node->broker_relay; n++) {
        unsigned slot = (node->next_relayed + n) % node->peers_used;
        struct peer *peer = &node->peers[slot];
        if (!peer->conn || !conn_is_brokered(peer->conn) ||
            !rendezvous_relay_address(node->rendezvous, peer->id, letter))
            continue;
        struct packet out = {.data = (uint8_t *)letter->data + letter->len, .len = RELAY_PACKET_MAX};
        if (!conn_broker_output(peer->conn, now, &out))
            continue;
        letter->len += out.len;
        node->next_relayed = slot + 1;
        return true;
    }
    return false;
}

static bool message_output(struct node *node, uint64_t now, struct letter *letter)
{
    if (node->letters_said && now < node->rendezvous_at)
        return false;
    node->meetings_said = false; /* its time makes it say things too */
    if (rendezvous_output(node->rendezvous, now, letter))
        return true;
    node->letters_said = true;
    node->rendezvous_at = rendezvous_deadline(node->rendezvous);
    return false;
}

bool node_letter_output(struct node *node, uint64_t now, struct letter *letter)
{
    return message_output(node, now, letter) || relayed_output(node, now, letter);
}

static void tell_brokers(struct node *node, uint64_t now)
{
    for (unsigned i = 0; i < node->peers_used; i++)
        if (node->peers[i].conn)
            conn_set_broker(node->peers[i].conn, now, node->brokers_up != 0);
}

void node_broker_connected(struct node *node, uint64_t now, unsigned broker)
{
    rendezvous_connected(node_touch(node), now, broker);
    node->brokers_up |= UINT32_C(1) << broker;
    tell_brokers(node, now);
    node_doubt_connected(node);
}

void node_broker_disconnected(struct node *node, uint64_t now, unsigned broker)
{
    rendezvous_disconnected(node_touch(node), now, broker);
    node->brokers_up &= ~(UINT32_C(1) << broker);
    tell_brokers(node, now);
}

/* ---- peers from outside ---- */

const char *node_peer_name(const struct node *node, unsigned slot)
{
    return node->peers[slot].name;
}

const char *node_peer_id(const struct node *node, unsigned slot)
{
    return node->peers[slot].id;
}

const char *node_peer_purpose(const struct node *node, unsigned slot)
{
    return node->peers[slot].purpose;
}

uint64_t node_peer_since(const struct node *node, unsigned slot)
{
    return node->peers[slot].since;
}

struct conn *node_conn(struct node *node, unsigned slot)
{
    const struct peer *peer = &node->peers[slot];
    return peer->state == PEER_MET || peer->state == PEER_ENDED ? peer->conn : NULL;
}

void node_close(struct node *node, uint64_t now, unsigned slot, const char *why)
{
    struct peer *peer = &node->peers[slot];
    if (!node_peer_is_live(peer))
        return;
    conn_close(peer->conn, now, why);
    rendezvous_bye(node_touch(node), now, peer->handle, why);
}

void node_release(struct node *node, unsigned slot)
{
    assert(node->peers[slot].state == PEER_ENDED);
    node->peers[slot].released = true;
}

void node_too_long(struct node *node, const struct addr *remote)
{
    struct path path;
    for (unsigned i = 0; i < node->peers_used; i++) {
        struct peer *peer = &node->peers[i];
        if (node_peer_is_live(peer) && conn_path(peer->conn, &path) && addr_equal(&path.remote, remote))
            conn_set_payload_limit(peer->conn, PACKET_MAX);
    }
}

void node_leave(struct node *node, uint64_t now)
{
    node->leaving = true;
    rendezvous_leave(node_touch(node));
    for (unsigned i = 0; i < node->peers_used; i++)
        node_close(node, now, i, "");
    portmap_remove(node->portmap, now);
    node_update_slots(node, now);
}

bool node_has_left(const struct node *node)
{
    return node->leaving && conns_are_silent(node) && node_relays_have_left(node->relays);
}

void node_stats(const struct node *node, struct node_stats *stats)
{
    *stats = node->stats;
}
