/* node_doubt.c - a path is in doubt, or we have slept: our addresses are asked for and told again, the
 * brokers are asked whether they still hold us, and the other's word makes us check everything anew.
 *
 * No packet goes to a peer that does not answer but for its own word: who is asleep, or dead, says nothing,
 * and is left alone. Who is cut off from us but not from the broker is heard every SEEK_PAUSE_S, and so the
 * path works again that soon after the network does. */
#include "node_state.h"

enum {
    SEEK_PAUSE_S = 2,   /* between two times that a peer in doubt is told everything, or checked */
    SEEK_SLOWER = 60,   /* of a doubt's age is added to that */
    BROKER_PAUSE_S = 5, /* between two times that the brokers are asked whether they still hold us */
    SLEPT_S = 5,        /* whoever is called so long after its deadline has slept */
};

static bool is_recent(uint64_t now, uint64_t then)
{
    return then && now - then < SEEK_PAUSE_S * NS_PER_S;
}

/* When a lasting doubt is told next: less and less often, for the broker is everybody's; NEVER to a peer that
 * is silent. Two who are both there hear each other through the broker, and so go on. */
static uint64_t tell_at(const struct peer *peer)
{
    uint64_t last = peer->retold > peer->doubted ? peer->retold : peer->doubted;
    uint64_t at = last + SEEK_PAUSE_S * NS_PER_S + (last - peer->doubted) / SEEK_SLOWER;
    return at < conn_heard(peer->conn) + BROKER_PATH_QUIET_S * NS_PER_S ? at : NEVER;
}

/* A gateway may have forgotten us, here or there: then only new addresses, said over the broker, help. Ours
 * are asked for again and all told; what comes back later is told too. */
void node_tell_again(struct node *node, uint64_t now, struct peer *peer)
{
    node_ask_stun_again(node, now, STUN_DOUBT_S);
    if (is_recent(now, peer->retold))
        return;
    peer->retold = now;
    peer->told_serial = 0;
}

/* The peer looks for us, or we have slept: everything is checked anew. */
void node_seek(struct node *node, uint64_t now, struct peer *peer)
{
    if (is_recent(now, peer->sought))
        return;
    peer->sought = now;
    node_tell_again(node, now, peer);
    ice_restart_checks(conn_ice(peer->conn), now);
}

static bool is_in_doubt(const struct peer *peer)
{
    struct path path;
    return node_peer_is_live(peer) && peer->connected &&
           (!conn_path(peer->conn, &path) || ice_is_suspicious(conn_ice(peer->conn)));
}

/* Through the broker, where there was something better before. */
static bool is_fallen(const struct peer *peer)
{
    return node_peer_is_live(peer) && peer->connected && conn_is_brokered(peer->conn) &&
           ice_proof(conn_ice(peer->conn));
}

void node_doubt_heard(struct node *node, uint64_t now, struct peer *peer)
{
    conn_has_spoken(peer->conn, now);
    if (is_in_doubt(peer) || (peer->connected && conn_is_brokered(peer->conn)))
        node_seek(node, now, peer);
}

static void ask_brokers(struct node *node, uint64_t now)
{
    if (node->brokers_asked && now - node->brokers_asked < BROKER_PAUSE_S * NS_PER_S)
        return;
    node->brokers_asked = now;
    node->ask_brokers = true;
}

/* Has our mapping changed, or is it the relay, or has the broker lost us too? */
static void doubt_servers(struct node *node, uint64_t now, const struct peer *peer)
{
    struct path path;
    bool somewhere = conn_path(peer->conn, &path);
    node_ask_stun_again(node, now, STUN_DOUBT_S);
    if (somewhere && path.kind == PATH_TURN)
        node_relays_doubt(node, now, &path.local);
    ask_brokers(node, now);
}

/* When a doubt begins the STUN servers are asked, for that tells whether our NAT has mapped anew; only a
 * doubt that lasts is told to the peer. */
static void pursue(struct node *node, uint64_t now, struct peer *peer)
{
    if (!is_in_doubt(peer) && !is_fallen(peer)) {
        peer->doubted = 0;
        return;
    }
    doubt_servers(node, now, peer);
    if (!peer->doubted)
        peer->doubted = now;
    if (now >= tell_at(peer))
        node_tell_again(node, now, peer);
}

uint64_t node_doubt_deadline(const struct node *node)
{
    uint64_t deadline = NEVER;
    for (unsigned i = 0; i < node->peers_used; i++) {
        const struct peer *peer = &node->peers[i];
        if (!node_peer_is_live(peer) || !peer->doubted)
            continue;
        uint64_t due = tell_at(peer);
        deadline = due < deadline ? due : deadline;
    }
    return deadline;
}

bool node_doubt_told(struct node *node, uint64_t now, struct node_event *event)
{
    for (unsigned i = 0; i < node->peers_used; i++)
        pursue(node, now, &node->peers[i]);
    if (!node->ask_brokers)
        return false;
    node->ask_brokers = false;
    event->type = NODE_DOUBT;
    event->final = node->slept;
    node->slept = false;
    return true;
}

/* What was told while the broker was away is lost. */
void node_doubt_connected(struct node *node)
{
    for (unsigned i = 0; i < node->peers_used; i++)
        if (node->peers[i].connected)
            node->peers[i].told_serial = 0;
}

/* Called long after its deadline, in a world that went on: whom the others have not forgotten yet, we seek.
 * ice finds the rest lost by itself. */
void node_notice_sleep(struct node *node, uint64_t now)
{
    uint64_t gap = now - node->seen, due = gap < SLEPT_S * NS_PER_S ? NEVER : node_deadline(node);
    bool slept = node->seen && due < now && now - due >= SLEPT_S * NS_PER_S;
    node->seen = now;
    if (!slept)
        return;
    node->ask_brokers = node->slept = true;
    node_relays_doubt(node, now, NULL);
    for (unsigned i = 0; gap < ICE_FORGET_S * NS_PER_S && i < node->peers_used; i++) {
        struct peer *peer = &node->peers[i];
        if (!node_peer_is_live(peer))
            continue;
        conn_wake(peer->conn);
        node_seek(node, now, peer);
    }
}
