/* node_sockets.c - the extra sockets of a node: how many are wanted, who is told of them.
 *
 * They are one pool for all who want some: who looks at our NAT, and every connection that punches. */
#include "node_state.h"

#include <string.h>

enum { IDLE_CHECK_S = 5 };

static size_t wanted(const struct node *node)
{
    size_t most = node->survey_wants;
    for (unsigned i = 0; i < node->peers_used; i++)
        if (node_peer_is_live(&node->peers[i])) {
            size_t wants = conn_wants_sockets(node->peers[i].conn);
            most = wants > most ? wants : most;
        }
    return most < NODE_SOCKETS_MAX ? most : NODE_SOCKETS_MAX;
}

/* Whose wishes have changed is told of what there is, also where that suffices. */
static void tell(struct node *node, uint64_t now, bool all)
{
    for (unsigned i = 0; i < node->peers_used; i++) {
        struct peer *peer = &node->peers[i];
        unsigned wants = node_peer_is_live(peer) ? conn_wants_sockets(peer->conn) : 0;
        if (!node_peer_is_live(peer) || (!all && wants == peer->sockets))
            continue;
        peer->sockets = wants;
        conn_set_sockets(peer->conn, now, node->sockets, node->socket_count);
    }
}

void node_watch_guessing(struct node *node, uint64_t now)
{
    bool guessing = false;
    for (unsigned i = 0; i < node->peers_used; i++) {
        struct peer *peer = &node->peers[i];
        bool was = peer->guessing;
        peer->guessing = node_peer_is_live(peer) && conn_is_guessing(peer->conn);
        if (was && !peer->guessing && node_peer_is_live(peer) && !ice_has_direct(conn_ice(peer->conn)))
            node_survey_again(node, now); /* for the next attempt */
        if (!peer->guessing)
            continue;
        guessing = true;
        conn_hurts(peer->conn, now, canary_lost(&node->canary));
    }
    canary_set(&node->canary, now, guessing);
}

/* Sockets that stayed because a path was tried or stood on them, and that nobody needs any more. */
static bool has_idle(struct node *node, uint64_t now)
{
    if (node->socket_count <= node->sockets_told || now < node->idle_at)
        return false;
    node->idle_at = now + IDLE_CHECK_S * NS_PER_S;
    for (size_t i = 0; i < node->socket_count; i++)
        if (!node_uses_socket(node, &node->sockets[i]))
            return true;
    return false;
}

bool node_sockets_told(struct node *node, uint64_t now, struct node_event *event)
{
    size_t count = wanted(node);
    if (count == node->sockets_told && !has_idle(node, now)) {
        tell(node, now, false);
        return false;
    }
    node->sockets_told = count;
    event->type = NODE_SOCKETS;
    event->count = count;
    return true;
}

void node_set_sockets(struct node *node, uint64_t now, const struct addr *locals, size_t count)
{
    node->socket_count = count < NODE_SOCKETS_MAX ? count : NODE_SOCKETS_MAX;
    memcpy(node->sockets, locals, node->socket_count * sizeof *locals);
    node_survey_sockets(node, now);
    tell(node, now, true);
}

bool node_uses_socket(const struct node *node, const struct addr *local)
{
    for (unsigned i = 0; i < node->peers_used; i++)
        if (node_peer_is_live(&node->peers[i]) && ice_uses_port(conn_ice(node->peers[i].conn), local->port))
            return true;
    return false;
}
