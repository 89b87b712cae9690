/* node_relay.c - one TURN server of a node: tried, allocated at, lost, tried again.
 *
 * A server may have two addresses: they are tried one after the other. One that refuses our credentials is
 * asked once; one that is silent again and again, ever more seldom. */
#include "node_relay.h"

#include <string.h>

enum {
    RETRY_MIN_S = 5,   /* after a failure, doubled each time ... */
    RETRY_MAX_S = 300, /* ... up to this */
    LIVED_S = 10,      /* an allocation that lived so long and is lost is made again at once */
    CONNECT_S = 10,    /* for a stream to be open */
};

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

void node_relay_start(struct node *node, uint64_t now, struct relay *relay)
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

void node_relay_attempt(struct node *node, uint64_t now, struct relay *relay)
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
            node_relay_start(node, now, relay);
        return;
    }
    give_up(node, now, relay, "this machine has no address to reach it from");
}

void node_relay_try_next(struct node *node, uint64_t now, struct relay *relay, const char *trouble)
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

void node_relay_failed(struct node *node, uint64_t now, struct relay *relay, const struct turn_event *event)
{
    switch (event->failure) {
    case TURN_SILENT:
    case TURN_BROKEN:
        node_relay_try_next(node, now, relay, event->text);
        return;
    case TURN_LOST:
        if (!relay->relayed_count) {
            node_relay_try_next(node, now, relay, event->text);
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

void node_relay_hear(struct node *node, uint64_t now, struct relay *relay)
{
    struct turn_event event;
    while (relay->client && turn_client_event(relay->client, &event)) {
        if (event.type == TURN_ALLOCATED)
            allocated(node, now, relay, &event);
        else
            node_relay_failed(node, now, relay, &event);
    }
}
