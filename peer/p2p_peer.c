/* p2p_peer.c - what a program may know of a peer and of the path to it. */
#include "p2p_internal.h"

#include <stdio.h>
#include <string.h>

const char *p2p_peer_name(const struct p2p_peer *peer)
{
    return peer->used ? node_peer_name(peer->node->node, peer->slot) : "";
}

const char *p2p_peer_id(const struct p2p_peer *peer)
{
    return peer->used ? node_peer_id(peer->node->node, peer->slot) : "";
}

/* How many characters tell these ids apart. */
static unsigned different_at(const char *id, const char *other)
{
    unsigned n = 0;
    while (n < PEER_ID_LEN && id[n] == other[n])
        n++;
    return n + 1;
}

_Static_assert(P2P_LABEL_MAX == LABEL_MAX + 1, "the header says how long a label is");

const char *p2p_peer_label(const struct p2p_peer *peer, char label[P2P_LABEL_MAX])
{
    const char *name = p2p_peer_name(peer), *id = p2p_peer_id(peer);
    unsigned chars = strchr(name, '#') ? LABEL_ID_MIN : 0;
    for (unsigned i = 0; peer->used && i < NODE_PEERS_MAX; i++) {
        const struct p2p_peer *other = &peer->node->peers[i];
        if (other == peer || !other->used || strcmp(p2p_peer_name(other), name) != 0)
            continue;
        unsigned needed = different_at(id, p2p_peer_id(other));
        needed = needed < LABEL_ID_MIN ? LABEL_ID_MIN : needed;
        chars = needed > chars ? needed : chars;
    }
    snprintf(label, P2P_LABEL_MAX, "%s%s%.*s", name, chars ? "#" : "", (int)chars, id);
    return label;
}

int p2p_label_means(const char *label, const char *name, const char *id)
{
    return label_means(label, name, id);
}

const char *p2p_peer_purpose(const struct p2p_peer *peer)
{
    return peer->used ? node_peer_purpose(peer->node->node, peer->slot) : "";
}

const char *p2p_path_kind_name(enum p2p_path_kind kind)
{
    return kind <= P2P_BROKER ? path_kind_name((enum path_kind)kind) : "unknown";
}

_Static_assert((int)P2P_HOST == (int)PATH_HOST && (int)P2P_BROKER == (int)PATH_BROKER,
               "two names, one meaning");

/* The broker that packets to this peer go to, in the place of an address. */
static void print_broker(const struct p2p_peer *peer, char *out, size_t size)
{
    char name[BROKER_TEXT_MAX];
    unsigned broker = 0;
    uint32_t bits = rendezvous_relay_broker(node_rendezvous(peer->node->node), p2p_peer_id(peer));
    while (broker + 1 < peer->node->broker_count && !(bits & UINT32_C(1) << broker))
        broker++;
    brokers_print(peer->node, broker, name);
    snprintf(out, size, "%.*s", (int)size - 1, name);
}

int p2p_peer_path(const struct p2p_peer *peer, struct p2p_path *out)
{
    struct path path;
    struct conn_stats stats;
    *out = (struct p2p_path){0};
    if (!peer->used)
        return P2P_EGONE;
    const struct conn *conn = node_conn(peer->node->node, peer->slot);
    bool now = conn_path(conn, &path);
    conn_stats(conn, &stats);
    out->kind = (enum p2p_path_kind)path.kind;
    if (path.kind == PATH_BROKER) {
        print_broker(peer, out->remote, sizeof out->remote);
    } else {
        addr_print(&path.local, out->local);
        addr_print(&path.remote, out->remote);
    }
    out->rtt_ms = (double)path.rtt / NS_PER_MS;
    out->rtt_least_ms = (double)stats.rtt_least / NS_PER_MS;
    out->bytes_sent = stats.bytes_sent;
    out->bytes_received = stats.bytes_received;
    out->peer_ns = node_peer_since(peer->node->node, peer->slot) - peer->node->joined_at;
    if (now && peer->why[0]) /* told, but more may be known of the networks since */
        conn_why(conn, out->why);
    else
        snprintf(out->why, sizeof out->why, "%s", peer->why);
    return now ? 0 : P2P_EGONE;
}

void p2p_peer_close(struct p2p_peer *peer, const char *why)
{
    if (!peer->used || peer->closed)
        return;
    node_close(peer->node->node, loop_now(), peer->slot, why ? why : "");
    peer->node->dirty = true;
}

void p2p_peer_set_user(struct p2p_peer *peer, void *user)
{
    peer->user = user;
}

void *p2p_peer_user(const struct p2p_peer *peer)
{
    return peer->user;
}
