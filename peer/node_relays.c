/* node_relays.c - the allocations of a node at TURN servers: made, kept, left and made again.
 *
 * A relayed address is a base like that of a socket: ice sees packets with it as `local`, and knows no more.
 * Here they are wrapped and unwrapped. How one server is tried and left is node_relay.c's. */
#include "node_relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes that wrapping a batch adds. */
enum { BATCH_EXTRA = 64 * (TURN_OVERHEAD_MAX + TURN_PADDING_MAX) };

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

/* ---- for peers ---- */

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
    node_relay_hear(node, now, relay);
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
        node_relay_start(node, now, relay);
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
        node_relay_failed(node, now, relay, &event);
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
            node_relay_try_next(node, now, relay, "it cannot be connected to");
        if (relay->state == RELAY_IDLE && now >= relay->retry_at && !node->relays->leaving)
            node_relay_attempt(node, now, relay);
        if (!relay->client)
            continue;
        out->len = capacity;
        bool wrote = turn_client_output(relay->client, now, out);
        if (wrote)
            address_to(node, relay, out);
        node_relay_hear(node, now, relay);
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
        node_relay_hear(node, now, relay);
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
