/* node_places.c - who gets a place: slots, and at most max_peers handshakes and sessions at once.
 *
 * Whoever must wait is held: it checks its paths but begins no handshake. So nobody is connected and dropped
 * at once. */
#include "node_state.h"

enum {
    /* A handshake that keeps others waiting is given up after this: a peer that answers at all is connected
     * then, so it is held itself, for somebody else, or ten hellos of ours were lost ... */
    ENGAGED_PATIENCE_MS = 1000,
    ENGAGED_ROUND_TRIPS = 8,  /* ... or after so many, where the way is long; */
    ENGAGED_SPREAD_MS = 2000, /* and up to so much more, so that three in a ring do not all let go */
};

struct peer *node_peer_find(struct node *node, peer_handle handle)
{
    for (unsigned i = 0; i < node->peers_used; i++)
        if (node_peer_is_live(&node->peers[i]) && node->peers[i].handle == handle)
            return &node->peers[i];
    return NULL;
}

struct peer *node_peer_slot(struct node *node)
{
    for (unsigned i = 0; i < NODE_PEERS_MAX; i++) {
        if (node->peers[i].state != PEER_FREE)
            continue;
        if (i >= node->peers_used)
            node->peers_used = i + 1;
        return &node->peers[i];
    }
    return NULL;
}

unsigned node_slot_of(const struct node *node, const struct peer *peer)
{
    return (unsigned)(peer - node->peers);
}

void node_peer_drop(struct peer *peer)
{
    conn_free(peer->conn);
    *peer = (struct peer){.state = PEER_FREE};
}

/* A peer's farewell has been said, or it never will be: its slot is free once the program has let go of it.
 */
void node_sweep(struct node *node, uint64_t now)
{
    for (unsigned i = 0; i < node->peers_used; i++) {
        struct peer *peer = &node->peers[i];
        if (peer->state != PEER_ENDED || !peer->released)
            continue;
        if (!peer->conn || conn_is_silent(peer->conn) || now >= peer->farewell_until)
            node_peer_drop(peer);
    }
}

static unsigned count_connected(const struct node *node)
{
    unsigned count = 0;
    for (unsigned i = 0; i < node->peers_used; i++)
        count += node->peers[i].state == PEER_MET && node->peers[i].connected;
    return count;
}

static unsigned count_engaged(const struct node *node)
{
    unsigned count = 0;
    for (unsigned i = 0; i < node->peers_used; i++)
        count += node_peer_is_live(&node->peers[i]) && conn_is_engaged(node->peers[i].conn);
    return count;
}

/* A client that is let go begins at once and takes the place. */
static void hold_or_let_go(struct node *node, uint64_t now)
{
    for (unsigned i = 0; i < node->peers_used; i++) {
        struct peer *peer = &node->peers[i];
        if (node_peer_is_live(peer) && !conn_is_engaged(peer->conn))
            conn_hold(peer->conn, now, peer->state != PEER_MET || count_engaged(node) >= node->max_peers);
    }
}

static uint64_t patience(const struct peer *peer)
{
    struct path path;
    conn_path(peer->conn, &path);
    uint64_t least = ENGAGED_PATIENCE_MS * NS_PER_MS, round_trips = path.rtt * ENGAGED_ROUND_TRIPS;
    return round_trips > least ? round_trips : least;
}

/* At most max_peers handshakes and sessions at once: the rest is held until a place is free. */
void node_share_places(struct node *node, uint64_t now)
{
    hold_or_let_go(node, now);
    hold_or_let_go(node, now); /* those who may only answer, let go before others took the last place */
    for (unsigned i = 0; i < node->peers_used; i++) {
        struct peer *peer = &node->peers[i];
        if (node_peer_is_live(peer) && conn_is_engaged(peer->conn) && !peer->engaged_until)
            peer->engaged_until =
                now + patience(peer) + random_below(node->random, ENGAGED_SPREAD_MS) * NS_PER_MS;
    }
}

void node_update_slots(struct node *node, uint64_t now)
{
    unsigned connected = count_connected(node);
    unsigned left = node->leaving || connected >= node->max_peers ? 0 : node->max_peers - connected;
    rendezvous_set_slots(node_touch(node), now, left);
    stun_client_set_refresh(node->stun, now, left > 0);
}

bool node_is_full(const struct node *node)
{
    return count_connected(node) >= node->max_peers;
}

const char *node_full_text(const struct node *node)
{
    return node->max_peers == 1 ? "it is connected to somebody else" : "all its places are taken";
}

/* The last place is taken: everybody else is told so. Those of whom the program knows are closed. */
void node_refuse_others(struct node *node, uint64_t now)
{
    if (!node_is_full(node))
        return;
    for (unsigned i = 0; i < node->peers_used; i++) {
        struct peer *peer = &node->peers[i];
        if (!node_peer_is_live(peer) || peer->connected)
            continue;
        rendezvous_refuse(node_touch(node), now, peer->handle, node_full_text(node));
        if (peer->state == PEER_MEETING) {
            node_peer_drop(peer);
        } else {
            peer->refused = true;
            conn_close(peer->conn, now, node_full_text(node));
        }
    }
}

bool node_others_wait(const struct node *node)
{
    for (unsigned i = 0; i < node->peers_used; i++)
        if (node->peers[i].state == PEER_MET && conn_is_eager(node->peers[i].conn))
            return true;
    return false;
}

/* A handshake that takes too long gives its place to those who wait. */
void node_release_places(struct node *node, uint64_t now)
{
    for (unsigned i = 0; i < node->peers_used; i++) {
        struct peer *peer = &node->peers[i];
        if (peer->state != PEER_MET || peer->connected || !peer->engaged_until || now < peer->engaged_until)
            continue;
        if (!node_others_wait(node))
            continue;
        rendezvous_refuse(node_touch(node), now, peer->handle, "the handshake took too long");
        peer->refused = true;
        conn_close(peer->conn, now, "the handshake took too long");
    }
}
