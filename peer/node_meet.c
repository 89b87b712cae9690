/* node_meet.c - whom rendezvous has met: a proven peer becomes a connection; who is busy, leaves or cannot
 * prove the secret does not. */
#include "node_state.h"

#include <stdio.h>
#include <string.h>

static struct peer *peer_begin(struct node *node, uint64_t now, const struct rendezvous_event *told)
{
    struct peer *peer = node_peer_slot(node);
    if (!peer)
        return NULL;
    struct conn_config config = {.initiator = told->role == PAKE_INITIATOR,
                                 .streams_max = node->streams_max,
                                 .congestion = node->congestion,
                                 .paths = node->paths,
                                 .delay = told->delay,
                                 .broker_share = node->broker_relay ? &node->share : NULL,
                                 .punches = &node->punches,
                                 .random = node->random};
    memcpy(config.key, told->tls_key, sizeof config.key);
    node_survey_again(node, now);
    *peer = (struct peer){
        .state = PEER_MEETING, .handle = told->peer, .first = config.initiator, .conn = conn_new(&config)};
    memset(config.key, 0, sizeof config.key);
    if (!peer->conn) {
        peer->state = PEER_FREE;
        return NULL;
    }
    memcpy(peer->id, told->id, sizeof peer->id);
    memcpy(peer->purpose, told->purpose, sizeof peer->purpose);
    conn_hold(peer->conn, now, true);
    node_inform_ice(node, now, peer);
    return peer;
}

static void offer_wanted(struct node *node, uint64_t now, const struct rendezvous_event *told)
{
    node_ask_stun_again(node, now, STUN_STALE_S);
    bool full = node_is_full(node);
    struct peer *peer = node->leaving || full ? NULL : peer_begin(node, now, told);
    if (peer)
        node_describe(node, now, peer);
    else
        rendezvous_refuse(node_touch(node), now, told->peer,
                          full ? node_full_text(node) : "no room for another peer");
}

static void take_nat(struct node *node, struct peer *peer, const struct description *theirs)
{
    if (theirs->nat.mapping)
        peer->nat = theirs->nat;
    node_recall(node, peer);
    if (!peer->first && theirs->worked)
        conn_set_strategy(peer->conn, theirs->worked == STRATEGY_WIDE ? STRATEGY_WIDE : STRATEGY_GUESS);
}

/* Batches may overtake each other: that its UDP is blocked holds until a server has seen it after all. */
static void note_blocked(struct peer *peer, const struct description *theirs)
{
    bool seen = false;
    for (size_t i = 0; i < theirs->candidate_count; i++)
        seen |= theirs->candidates[i].kind == CANDIDATE_SRFLX;
    peer->blocked = theirs->udp_blocked || (peer->blocked && !seen);
}

static void take_candidates(struct node *node, uint64_t now, struct peer *peer,
                            const struct description *theirs)
{
    struct ice *ice = conn_ice(peer->conn);
    for (size_t i = 0; i < theirs->candidate_count; i++)
        ice_add_remote(ice, now, &theirs->candidates[i]);
    node_relays_permit(node, now, peer);
    take_nat(node, peer, theirs);
    if (theirs->nat.mapping)
        conn_set_nat(peer->conn, now, &node->nat, &peer->nat);
    note_blocked(peer, theirs);
    conn_set_blocked(peer->conn, node->blocked, peer->blocked);
    if (theirs->complete)
        ice_remotes_complete(ice, now);
    node_doubt_heard(node, now, peer);
}

static bool event_busy(struct node_event *event, const char *name, const char *id, const char *why)
{
    event->type = NODE_BUSY;
    snprintf(event->name, sizeof event->name, "%s", name);
    snprintf(event->id, sizeof event->id, "%s", id);
    event->text = why;
    return true;
}

/* Proven. As the initiator we answer now; either way its candidates are known from here on. */
static bool peer_proven(struct node *node, uint64_t now, const struct rendezvous_event *told,
                        struct node_event *event)
{
    struct peer *peer = node_peer_find(node, told->peer);
    bool initiator = told->role == PAKE_INITIATOR;
    node->proven++;
    node->secret_deadline = NEVER;
    if (node->to[0] && !label_means(node->to, told->description->name, told->id)) {
        if (peer)
            node_peer_drop(peer);
        rendezvous_refuse(node_touch(node), now, told->peer, "it waits for somebody else");
        return event_busy(event, told->description->name, told->id, "it is not the one who was asked for");
    }
    bool full = node_is_full(node);
    if (initiator && !peer && !node->leaving && !full)
        peer = peer_begin(node, now, told);
    if (!peer) {
        rendezvous_refuse(node_touch(node), now, told->peer,
                          full ? node_full_text(node) : "no room for another peer");
        return event_busy(event, told->description->name, told->id, "there is no room for another peer");
    }
    struct ice *ice = conn_ice(peer->conn);
    peer->state = PEER_MET;
    peer->since = now;
    snprintf(peer->name, sizeof peer->name, "%s", told->description->name);
    ice_set_same_machine(ice, now, told->same_machine);
    take_nat(node, peer, told->description);
    if (initiator)
        node_describe(node, now, peer);
    ice_set_remote(ice, now, told->description->ufrag, told->description->pwd);
    take_candidates(node, now, peer, told->description);
    uint32_t theirs = told->description->broker_relay, ours = node->broker_relay;
    conn_set_broker(peer->conn, now, node->brokers_up != 0);
    conn_allow_broker(peer->conn, now, theirs < ours ? theirs : ours, told->delay);
    node_share_places(node, now);
    event->type = NODE_PEER;
    event->slot = node_slot_of(node, peer);
    memcpy(event->words, told->words, sizeof event->words);
    return true;
}

/* The peer took somebody else. If it was told of, it is closed; else only its name matters. */
static bool peer_busy(struct node *node, uint64_t now, const struct rendezvous_event *told,
                      struct node_event *event)
{
    struct peer *peer = node_peer_find(node, told->peer);
    if (peer && peer->state == PEER_MET && !peer->connected) {
        peer->refused = true;
        conn_left(peer->conn, told->text);
        return false;
    }
    if (peer && peer->state == PEER_MEETING)
        node_peer_drop(peer);
    (void)now;
    return !peer || peer->state == PEER_FREE ? event_busy(event, told->name, told->id, told->text) : false;
}

static void peer_bye(struct node *node, uint64_t now, const struct rendezvous_event *told)
{
    struct peer *peer = node_peer_find(node, told->peer);
    if (!peer)
        return;
    if (!told->proven)
        conn_suspect(peer->conn, now);
    else if (peer->state == PEER_MET)
        conn_left(peer->conn, told->text);
    else
        node_peer_drop(peer);
}

static bool secret_failed(struct node *node, uint64_t now, const struct rendezvous_event *told,
                          struct node_event *event)
{
    struct peer *peer = node_peer_find(node, told->peer);
    if (peer && peer->state == PEER_MEETING) {
        node_peer_drop(peer);
    } else if (peer && peer->state == PEER_MET && !peer->connected) { /* it could not prove us */
        node->proven--;
        conn_left(peer->conn, "our proof did not reach it as we said it");
    }
    if (told->later && !node->proven && node->secret_deadline == NEVER)
        node->secret_deadline = now + NODE_SECRET_PATIENCE_S * NS_PER_S;
    event->type = NODE_SECRET;
    return true;
}

/* Returns whether *event is one that the program wants to hear. */
bool node_rendezvous_told(struct node *node, uint64_t now, const struct rendezvous_event *told,
                          struct node_event *event)
{
    struct peer *peer;
    switch (told->type) {
    case RENDEZVOUS_WANT_OFFER:
        offer_wanted(node, now, told);
        return false;
    case RENDEZVOUS_PEER:
        return peer_proven(node, now, told, event);
    case RENDEZVOUS_CANDIDATES:
        peer = node_peer_find(node, told->peer);
        if (peer)
            take_candidates(node, now, peer, told->description);
        return false;
    case RENDEZVOUS_BUSY:
        return peer_busy(node, now, told, event);
    case RENDEZVOUS_BYE:
        peer_bye(node, now, told);
        return false;
    case RENDEZVOUS_GONE:
        peer = node_peer_find(node, told->peer);
        if (peer && peer->state == PEER_MEETING)
            node_peer_drop(peer);
        return false;
    case RENDEZVOUS_FAILED:
        return secret_failed(node, now, told, event);
    case RENDEZVOUS_TRACE:
        event->type = NODE_TRACE;
        event->outgoing = told->outgoing;
        event->text = told->text;
        return true;
    }
    return false;
}
