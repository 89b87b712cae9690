/* node_relays.c - the allocations of a node at TURN servers: made, kept, left and made again.
 *
 * A relayed address is a base like that of a socket: ice sees packets with it as `local`, and knows no more.
 * Here they are wrapped and unwrapped. A server may have two addresses: they are tried one after the other.
 * One that refuses our credentials is asked once; one that is silent again and again, ever more seldom. */
#include "node_state.h"
#include "turn_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RETRY_MIN_S = 5,   /* after a failure, doubled each time ... */
    RETRY_MAX_S = 300, /* ... up to this */
    LIVED_S = 10,      /* an allocation that lived so long and is lost is made again at once */
    CONNECT_S = 10,    /* for a stream to be open */
    BATCH_EXTRA = 64 * (TURN_OVERHEAD_MAX + TURN_PADDING_MAX), /* bytes that wrapping a batch adds */
};

enum relay_state {
    RELAY_IDLE,    /* until retry_at */
    RELAY_OPENING, /* the stream is asked for, until retry_at */
    RELAY_ACTIVE,  /* there is a client */
    RELAY_LEFT,
};

struct relay {
    char name[NODE_TURN_NAME_MAX];
    struct addr addresses[NODE_TURN_ADDRESSES_MAX];
    size_t count, next, tried; /* of them; in turn; without success since one worked */
    bool stream, may_move;
    enum relay_state state;
    struct addr server, local;
    struct turn_client *client;
    struct addr relayed[TURN_RELAYED_MAX];
    unsigned relayed_count;
    uint64_t retry_at, since;
    unsigned failures;
    bool settled, full;
    bool opens, closes, troubled; /* events to be pulled */
    bool complained;              /* since it worked last */
    const char *trouble;
    char trouble_text[96];
};

struct node_relays {
    struct relay list[NODE_TURN_MAX];
    size_t count;
    char *user, *password;
    const struct random *random;
    bool leaving;
    char text[NODE_TURN_NAME_MAX + 160];
};

#define EACH_RELAY(relays, relay)                                      \
    for (struct relay *relay = ((struct node_relays *)(relays))->list; \
         relay < (relays)->list + (relays)->count; relay++)

struct node_relays *node_relays_new(const char *user, const char *password, const struct random *random)
{
    struct node_relays *relays = calloc(1, sizeof *relays);
    if (!relays)
        return NULL;
    relays->random = random;
    relays->user = strdup(user ? user : "");
    relays->password = strdup(password ? password : "");
    if (!relays->user || !relays->password) {
        node_relays_free(relays);
        return NULL;
    }
    return relays;
}

void node_relays_free(struct node_relays *relays)
{
    if (!relays)
        return;
    EACH_RELAY(relays, relay)
    {
        turn_client_free(relay->client);
    }
    if (relays->password)
        explicit_bzero(relays->password, strlen(relays->password));
    free(relays->password);
    free(relays->user);
    free(relays);
}

bool node_relays_add(struct node_relays *relays, const struct node_turn *server)
{
    if (relays->count == NODE_TURN_MAX || !server->count)
        return false;
    struct relay *relay = &relays->list[relays->count++];
    *relay = (struct relay){.stream = server->stream, .may_move = !server->secure, .count = server->count};
    memcpy(relay->addresses, server->addresses, server->count * sizeof *server->addresses);
    snprintf(relay->name, sizeof relay->name, "%s", server->name);
    return true;
}

bool node_relays_are_settled(const struct node_relays *relays)
{
    EACH_RELAY(relays, relay)
    {
        if (!relay->settled)
            return false;
    }
    return true;
}

static struct relay *relay_of(const struct node_relays *relays, const struct addr *local)
{
    EACH_RELAY(relays, relay)
    {
        for (unsigned i = 0; i < relay->relayed_count; i++)
            if (addr_equal(&relay->relayed[i], local))
                return relay;
    }
    return NULL;
}

bool node_relays_have(const struct node_relays *relays, const struct addr *local)
{
    return relay_of(relays, local) != NULL;
}

bool node_relays_are_full(const struct node_relays *relays, const struct addr *local)
{
    const struct relay *relay = relay_of(relays, local);
    return relay && relay->full;
}

static unsigned index_of(const struct node_relays *relays, const struct relay *relay)
{
    return (unsigned)(relay - relays->list);
}

/* ---- trying ---- */

static bool may_carry(const struct addr *own, const struct addr *server)
{
    enum addr_scope ours = addr_scope(own), theirs = addr_scope(server);
    return own->family == server->family && ours != ADDR_LINK_LOCAL &&
           (ours == ADDR_LOOPBACK) == (theirs == ADDR_LOOPBACK);
}

/* The address of ours that a packet to the server leaves from. Where all interfaces may be used the system
 * knows better (family 0); else the first that fits, a bridge's last. False: none. */
static bool choose_local(const struct node *node, const struct addr *server, struct addr *local)
{
    const struct node_address *best = NULL;
    for (size_t i = 0; i < node->addresses.own_count; i++) {
        const struct node_address *own = &node->addresses.own[i];
        if (may_carry(&own->address, server) && (!best || own->rank < best->rank))
            best = own;
    }
    *local = best && node->bound ? best->address : (struct addr){0};
    return best != NULL;
}

static void give_up(struct node *node, uint64_t now, struct relay *relay, const char *trouble);

static void start_client(struct node *node, uint64_t now, struct relay *relay)
{
    struct node_relays *relays = node->relays;
    struct turn_config config = {.server = relay->server,
                                 .stream = relay->stream,
                                 .user = relays->user,
                                 .password = relays->password,
                                 .random = relays->random};
    relay->client = turn_client_new(&config);
    relay->state = RELAY_ACTIVE;
    if (!relay->client)
        give_up(node, now, relay, "no memory, or a user name or password that is too long");
}

static void attempt(struct node *node, uint64_t now, struct relay *relay)
{
    for (size_t i = 0; i < relay->count; i++) {
        relay->server = relay->addresses[relay->next++ % relay->count];
        relay->tried++;
        if (!choose_local(node, &relay->server, &relay->local))
            continue;
        relay->state = RELAY_OPENING;
        relay->retry_at = now + CONNECT_S * NS_PER_S;
        relay->opens = relay->stream;
        if (!relay->stream)
            start_client(node, now, relay);
        return;
    }
    give_up(node, now, relay, "this machine has no address to reach it from");
}

/* ---- ending ---- */

static void forget_relayed(struct node *node, uint64_t now, struct relay *relay)
{
    for (unsigned i = 0; i < relay->relayed_count; i++) {
        node_addresses_unrelayed(&node->addresses, &relay->relayed[i]);
        for (unsigned p = 0; p < node->peers_used; p++)
            if (node_peer_is_live(&node->peers[p]))
                ice_remove_base(conn_ice(node->peers[p].conn), now, &relay->relayed[i]);
    }
    relay->relayed_count = 0;
}

static void let_go(struct node *node, uint64_t now, struct relay *relay)
{
    forget_relayed(node, now, relay);
    turn_client_free(relay->client);
    relay->client = NULL;
    relay->closes = relay->stream && relay->state != RELAY_IDLE && !relay->opens;
    relay->opens = relay->full = false;
    relay->state = RELAY_IDLE;
}

static void complain(struct relay *relay, const char *trouble)
{
    relay->trouble = trouble;
    relay->troubled = !relay->complained;
    relay->complained = true;
}

static uint64_t pause_of(const struct relay *relay)
{
    uint64_t pause = RETRY_MIN_S;
    for (unsigned i = 1; i < relay->failures && pause < RETRY_MAX_S; i++)
        pause *= 2;
    return (pause < RETRY_MAX_S ? pause : RETRY_MAX_S) * NS_PER_S;
}

/* None of its addresses helped. */
static void give_up(struct node *node, uint64_t now, struct relay *relay, const char *trouble)
{
    relay->failures++;
    relay->tried = 0;
    let_go(node, now, relay);
    relay->retry_at = now + pause_of(relay);
    relay->settled = true;
    complain(relay, trouble);
    node_complete(node, now);
}

static void try_next(struct node *node, uint64_t now, struct relay *relay, const char *trouble)
{
    if (relay->tried >= relay->count) {
        give_up(node, now, relay, trouble);
        return;
    }
    let_go(node, now, relay);
    relay->retry_at = now;
}

/* Follows the server to where it sends us, once and where no certificate could say no. */
static bool follow(struct node *node, uint64_t now, struct relay *relay, const struct turn_event *event)
{
    if (!relay->may_move || !addr_is_usable(&event->alternate))
        return false;
    let_go(node, now, relay);
    relay->addresses[0] = event->alternate;
    relay->count = 1;
    relay->tried = relay->next = 0;
    relay->may_move = false;
    relay->retry_at = now;
    return true;
}

static void failed(struct node *node, uint64_t now, struct relay *relay, const struct turn_event *event)
{
    switch (event->failure) {
    case TURN_SILENT:
    case TURN_BROKEN:
        try_next(node, now, relay, event->text);
        return;
    case TURN_LOST:
        if (!relay->relayed_count) {
            try_next(node, now, relay, event->text);
            return;
        }
        if (now - relay->since < LIVED_S * NS_PER_S)
            break;
        let_go(node, now, relay);
        relay->retry_at = now;
        return;
    case TURN_ELSEWHERE:
        if (follow(node, now, relay, event))
            return;
        break;
    case TURN_REFUSED:
    case TURN_FULL:
        break;
    }
    give_up(node, now, relay, event->text);
    if (event->failure == TURN_REFUSED)
        relay->retry_at = NEVER;
}

/* ---- having ---- */

static void allocated(struct node *node, uint64_t now, struct relay *relay, const struct turn_event *event)
{
    relay->relayed_count = event->relayed_count;
    memcpy(relay->relayed, event->relayed, sizeof relay->relayed);
    relay->since = now;
    relay->failures = 0;
    relay->tried = 0;
    relay->settled = true;
    relay->complained = relay->troubled = false;
    for (unsigned i = 0; i < relay->relayed_count; i++)
        node_addresses_relayed(&node->addresses, &relay->relayed[i], &relay->server);
    for (unsigned i = 0; i < node->peers_used; i++)
        if (node_peer_is_live(&node->peers[i]))
            node_relays_permit(node, now, &node->peers[i]);
    node_complete(node, now);
}

static void hear_client(struct node *node, uint64_t now, struct relay *relay)
{
    struct turn_event event;
    while (relay->client && turn_client_event(relay->client, &event)) {
        if (event.type == TURN_ALLOCATED)
            allocated(node, now, relay, &event);
        else
            failed(node, now, relay, &event);
    }
}

void node_relays_permit(struct node *node, uint64_t now, struct peer *peer)
{
    struct addr remotes[ICE_REMOTES_MAX];
    size_t count = ice_remotes(conn_ice(peer->conn), remotes);
    EACH_RELAY(node->relays, relay)
    {
        for (unsigned i = 0; i < relay->relayed_count; i++)
            for (size_t k = 0; k < count; k++)
                if (candidate_relay_reaches(&relay->relayed[i], &remotes[k]))
                    turn_client_permit(relay->client, now, &remotes[k]);
    }
}

void node_relays_doubt(struct node *node, uint64_t now, const struct addr *local)
{
    EACH_RELAY(node->relays, relay)
    {
        if (local && relay_of(node->relays, local) != relay)
            continue;
        if (relay->client)
            turn_client_doubt(relay->client, now);
        else if (relay->state == RELAY_IDLE && !local && relay->retry_at != NEVER)
            relay->retry_at = now;
    }
}

/* ---- packets ---- */

static void take(struct node *node, uint64_t now, struct relay *relay, struct packet *in)
{
    struct packet inner;
    while (relay->client && turn_client_input(relay->client, now, in, &inner))
        node_deliver(node, now, &inner);
    hear_client(node, now, relay);
}

bool node_relays_input(struct node *node, uint64_t now, const struct packet *in)
{
    EACH_RELAY(node->relays, relay)
    {
        if (!relay->client || !turn_client_takes(relay->client, in))
            continue;
        struct packet rest = *in;
        take(node, now, relay, &rest);
        return true;
    }
    return false;
}

void node_relay_input(struct node *node, uint64_t now, unsigned index, uint8_t *data, size_t len)
{
    struct relay *relay = &node->relays->list[index];
    struct packet in = {.remote = relay->server, .data = data, .len = len};
    take(node, now, relay, &in);
}

void node_relay_connected(struct node *node, uint64_t now, unsigned index)
{
    struct relay *relay = &node->relays->list[index];
    if (relay->state == RELAY_OPENING)
        start_client(node, now, relay);
}

void node_relay_closed(struct node *node, uint64_t now, unsigned index, const char *why)
{
    struct relay *relay = &node->relays->list[index];
    if (relay->state != RELAY_OPENING && relay->state != RELAY_ACTIVE)
        return;
    snprintf(relay->trouble_text, sizeof relay->trouble_text, "%s", why);
    struct turn_event event = {.failure = relay->relayed_count ? TURN_LOST : TURN_SILENT,
                               .text = relay->trouble_text};
    if (node->relays->leaving)
        relay->state = RELAY_LEFT;
    else
        failed(node, now, relay, &event);
}

void node_relay_full(struct node *node, unsigned index, bool full)
{
    node->relays->list[index].full = full;
}

static void address_to(const struct node *node, const struct relay *relay, struct packet *out)
{
    out->local = relay->local;
    out->stream = relay->stream ? (uint8_t)(index_of(node->relays, relay) + 1) : 0;
}

bool node_relays_output(struct node *node, uint64_t now, struct packet *out)
{
    size_t capacity = out->len;
    EACH_RELAY(node->relays, relay)
    {
        if (relay->state == RELAY_OPENING && now >= relay->retry_at)
            try_next(node, now, relay, "it cannot be connected to");
        if (relay->state == RELAY_IDLE && now >= relay->retry_at && !node->relays->leaving)
            attempt(node, now, relay);
        if (!relay->client)
            continue;
        out->len = capacity;
        bool wrote = turn_client_output(relay->client, now, out);
        if (wrote)
            address_to(node, relay, out);
        hear_client(node, now, relay);
        if (wrote)
            return true;
    }
    out->len = capacity;
    return false;
}

bool node_relays_wrap(struct node *node, uint64_t now, struct packet *out, size_t capacity)
{
    struct relay *relay = relay_of(node->relays, &out->local);
    if (!relay || (relay->full && out->len > PACKET_MAX))
        return false;
    if (!turn_client_wrap(relay->client, now, out, capacity))
        return false;
    address_to(node, relay, out);
    return true;
}

size_t node_relays_room(size_t capacity)
{
    return capacity > BATCH_EXTRA ? capacity - BATCH_EXTRA : 0;
}

/* ---- the rest of the verbs ---- */

static bool was(bool *flag)
{
    bool set = *flag;
    *flag = false;
    return set;
}

/* A stream is closed before it is opened again. */
static bool relay_told(struct node *node, struct relay *relay, struct node_event *event)
{
    struct node_relays *relays = node->relays;
    event->relay = index_of(relays, relay);
    if (was(&relay->troubled)) {
        snprintf(relays->text, sizeof relays->text, "TURN server %s: %s", relay->name, relay->trouble);
        event->type = NODE_RELAY_TROUBLE;
        event->text = relays->text;
    } else if (was(&relay->closes)) {
        event->type = NODE_RELAY_CLOSE;
    } else if (was(&relay->opens)) {
        event->type = NODE_RELAY_OPEN;
        event->address = relay->server;
        event->local = relay->local;
    } else {
        return false;
    }
    return true;
}

bool node_relays_event(struct node *node, uint64_t now, struct node_event *event)
{
    EACH_RELAY(node->relays, relay)
    {
        hear_client(node, now, relay);
        if (relay_told(node, relay, event))
            return true;
    }
    return false;
}

uint64_t node_relays_deadline(const struct node *node)
{
    uint64_t deadline = NEVER;
    EACH_RELAY(node->relays, relay)
    {
        uint64_t due = relay->client                ? turn_client_deadline(relay->client)
                       : relay->state == RELAY_LEFT ? NEVER
                       : node->relays->leaving      ? NEVER
                                                    : relay->retry_at;
        deadline = due < deadline ? due : deadline;
    }
    return deadline;
}

void node_relays_leave(struct node *node, uint64_t now)
{
    if (node->relays->leaving)
        return;
    node->relays->leaving = true;
    EACH_RELAY(node->relays, relay)
    {
        if (relay->client)
            turn_client_close(relay->client, now);
    }
}

bool node_relays_have_left(const struct node_relays *relays)
{
    EACH_RELAY(relays, relay)
    {
        if (relay->client && !turn_client_is_closed(relay->client))
            return false;
    }
    return true;
}
