/* node.c - one participant without the world: rendezvous, STUN client and a connection to each peer, joined.
 *
 * It owns no protocol. It carries what one machine says to those whom it concerns: a peer that rendezvous has
 * proven becomes a connection, an address that STUN found becomes a candidate everywhere, a connection that
 * works makes rendezvous stop repeating itself. */
#include "node.h"

#include "node_addresses.h"
#include "stun_client.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FAREWELL_MS = 200,      /* an ended connection may use its slot so long to say its last words */
    ENGAGED_PATIENCE_S = 4, /* a handshake that keeps others waiting is given up after this ... */
    ENGAGED_SPREAD_MS =
        2000, /* ... and up to so much more, so that three peers that wait in a ring do not all let go */
    STUN_STALE_S = 5, /* a mapping older than this is asked for again when a peer appears */
    STUN_DOUBT_S = 1, /* ... and when a path does not answer */
    SEEK_PAUSE_S = 5, /* between two times that a peer without a path is told everything, or checked */
    SLEPT_S = 5,      /* whoever is called so long after its deadline has slept */
};

enum peer_state {
    PEER_FREE,
    PEER_MEETING, /* a connection exists, the secret is not proven yet (we are the responder) */
    PEER_MET,     /* proven, told, on its way or connected */
    PEER_ENDED,   /* its NODE_CLOSED has been told */
};

struct peer {
    enum peer_state state;
    peer_handle handle;
    char id[PEER_ID_LEN + 1];
    char name[PEER_NAME_MAX + 1];
    char purpose[PURPOSE_MAX + 1];
    struct conn *conn;
    uint64_t since;          /* of PEER_MET */
    uint64_t engaged_until;  /* the handshake must be done by then if others wait; 0: it has not begun */
    uint64_t farewell_until; /* PEER_ENDED */
    uint64_t retold, sought; /* when it was last told everything again, its pairs all checked; 0: never */
    uint32_t told_serial;    /* candidates up to this one are known to it */
    bool described, told_complete, connected, released, refused;
};

struct node {
    struct rendezvous *rendezvous;
    struct stun_client *stun;
    const struct random *random;
    char to[PEER_NAME_MAX + 1];
    unsigned max_peers, paths;
    struct node_addresses addresses;
    struct peer peers[NODE_PEERS_MAX];
    unsigned peers_used;  /* slots from here on were never used */
    unsigned next_output; /* slot to be served first: fairness */
    unsigned proven;      /* peers ever proven */
    bool have_servers, resolved, round_done, complete, leaving;
    uint64_t secret_deadline, stun_asked;
    /* Rendezvous has said all until `rendezvous_at`, or until it is touched: a transfer runs through here for
     * every batch of packets, and rendezvous looks at all whom it knows. */
    bool letters_said, meetings_said;
    uint64_t rendezvous_at;
    uint64_t seen; /* the last call */
    char text[PATH_WHY_MAX];
    struct node_stats stats;
};

struct node *node_new(const struct node_config *config)
{
    struct node *node = calloc(1, sizeof *node);
    if (!node)
        return NULL;
    node->random = config->random;
    node->max_peers = config->max_peers;
    node->paths = node->addresses.paths = config->paths;
    if (config->to)
        snprintf(node->to, sizeof node->to, "%s", config->to);
    node->stun = stun_client_new(config->random);
    node->rendezvous = rendezvous_new(&(struct rendezvous_config){
        .room = config->room,
        .secret = config->secret,
        .secret_len = config->secret_len,
        .name = config->name,
        .purpose = config->purpose,
        .slots = config->max_peers,
        .machine = config->machine,
        .brokers = config->brokers,
        .random = config->random,
    });
    node->secret_deadline = NEVER;
    if (!node->stun || !node->rendezvous) {
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
    stun_client_free(node->stun);
    free(node);
}

struct rendezvous *node_rendezvous(struct node *node)
{
    return node->rendezvous;
}

/* For every call that may make rendezvous say something. */
static struct rendezvous *touch(struct node *node)
{
    node->letters_said = node->meetings_said = false;
    return node->rendezvous;
}

/* ---- peers and their places ---- */

static bool peer_is_live(const struct peer *peer)
{
    return peer->state == PEER_MEETING || peer->state == PEER_MET;
}

static struct peer *peer_find(struct node *node, peer_handle handle)
{
    for (unsigned i = 0; i < node->peers_used; i++)
        if (peer_is_live(&node->peers[i]) && node->peers[i].handle == handle)
            return &node->peers[i];
    return NULL;
}

static struct peer *peer_slot(struct node *node)
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

static unsigned slot_of(const struct node *node, const struct peer *peer)
{
    return (unsigned)(peer - node->peers);
}

static void peer_drop(struct peer *peer)
{
    conn_free(peer->conn);
    *peer = (struct peer){.state = PEER_FREE};
}

/* A peer's farewell has been said, or it never will be: its slot is free once the program has let go of it.
 */
static void sweep(struct node *node, uint64_t now)
{
    for (unsigned i = 0; i < node->peers_used; i++) {
        struct peer *peer = &node->peers[i];
        if (peer->state != PEER_ENDED || !peer->released)
            continue;
        if (!peer->conn || conn_is_silent(peer->conn) || now >= peer->farewell_until)
            peer_drop(peer);
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
        count += peer_is_live(&node->peers[i]) && conn_is_engaged(node->peers[i].conn);
    return count;
}

/* A client that is let go begins at once and takes the place. */
static void hold_or_let_go(struct node *node, uint64_t now)
{
    for (unsigned i = 0; i < node->peers_used; i++) {
        struct peer *peer = &node->peers[i];
        if (peer_is_live(peer) && !conn_is_engaged(peer->conn))
            conn_hold(peer->conn, now, peer->state != PEER_MET || count_engaged(node) >= node->max_peers);
    }
}

/* At most max_peers handshakes and sessions at once: the rest is held until a place is free. */
static void share_places(struct node *node, uint64_t now)
{
    hold_or_let_go(node, now);
    hold_or_let_go(node, now); /* those who may only answer, let go before others took the last place */
    for (unsigned i = 0; i < node->peers_used; i++) {
        struct peer *peer = &node->peers[i];
        if (peer_is_live(peer) && conn_is_engaged(peer->conn) && !peer->engaged_until)
            peer->engaged_until = now + ENGAGED_PATIENCE_S * NS_PER_S +
                                  random_below(node->random, ENGAGED_SPREAD_MS) * NS_PER_MS;
    }
}

static void update_slots(struct node *node, uint64_t now)
{
    unsigned connected = count_connected(node);
    unsigned left = node->leaving || connected >= node->max_peers ? 0 : node->max_peers - connected;
    rendezvous_set_slots(touch(node), now, left);
    stun_client_set_refresh(node->stun, now, left > 0);
}

/* ---- candidates ---- */

static void describe(struct node *node, uint64_t now, struct peer *peer)
{
    struct description own = {.complete = node->complete};
    snprintf(own.ufrag, sizeof own.ufrag, "%s", ice_ufrag(conn_ice(peer->conn)));
    snprintf(own.pwd, sizeof own.pwd, "%s", ice_pwd(conn_ice(peer->conn)));
    own.candidate_count = node_addresses_offers(&node->addresses, 0, own.candidates, CANDIDATES_MAX);
    peer->told_serial = node->addresses.serial;
    peer->told_complete = node->complete;
    peer->described = true;
    rendezvous_describe(touch(node), now, peer->handle, &own);
}

/* What a peer's agent does not know yet of our addresses. */
static void inform_ice(struct node *node, uint64_t now, struct peer *peer)
{
    struct ice *ice = conn_ice(peer->conn);
    struct addr own[NODE_ADDRESSES_MAX];
    ice_set_own(ice, own, node_addresses_list(&node->addresses, own));
    for (size_t i = 0; i < node->addresses.offer_count; i++)
        ice_add_local(ice, now, &node->addresses.offers[i].candidate);
    ice_set_symmetric(ice, node->addresses.symmetric);
    if (node->complete)
        ice_locals_complete(ice, now);
}

static void inform_everybody(struct node *node, uint64_t now)
{
    for (unsigned i = 0; i < node->peers_used; i++)
        if (peer_is_live(&node->peers[i]))
            inform_ice(node, now, &node->peers[i]);
}

/* Everything found since the last time travels in one batch. Completeness alone matters only while no path
 * works. */
static void trickle(struct node *node, uint64_t now)
{
    struct wire_candidate batch[CANDIDATES_MAX];
    for (unsigned i = 0; i < node->peers_used; i++) {
        struct peer *peer = &node->peers[i];
        bool completes = node->complete && !peer->told_complete && !peer->connected;
        if (!peer_is_live(peer) || !peer->described ||
            (peer->told_serial == node->addresses.serial && !completes))
            continue;
        size_t count = node_addresses_offers(&node->addresses, peer->told_serial, batch, CANDIDATES_MAX);
        peer->told_serial = node->addresses.serial;
        peer->told_complete = node->complete;
        rendezvous_send_candidates(touch(node), now, peer->handle, batch, count, node->complete);
    }
}

static void update_complete(struct node *node, uint64_t now)
{
    bool complete = node->resolved && (!node->have_servers || node->round_done);
    if (complete == node->complete)
        return;
    node->complete = complete;
    inform_everybody(node, now);
}

void node_set_addresses(struct node *node, uint64_t now, const struct node_address *addresses, size_t count)
{
    struct addr gone[NODE_ADDRESSES_MAX], own[NODE_ADDRESSES_MAX];
    uint32_t serial = node->addresses.serial;
    size_t gone_count = node_addresses_set(&node->addresses, addresses, count, gone);
    size_t own_count = node_addresses_list(&node->addresses, own);
    stun_client_set_locals(node->stun, now, own, own_count);
    inform_everybody(node, now);
    for (unsigned i = 0; i < node->peers_used; i++) {
        if (!peer_is_live(&node->peers[i]))
            continue;
        struct ice *ice = conn_ice(node->peers[i].conn);
        for (size_t k = 0; k < gone_count; k++)
            ice_remove_base(ice, now, &gone[k]);
        if (gone_count || serial != node->addresses.serial)
            ice_restart_checks(ice, now);
    }
}

void node_add_stun(struct node *node, uint64_t now, const struct addr *server)
{
    if (!stun_client_add_server(node->stun, now, server))
        return;
    node->have_servers = true;
    node->round_done = false;
    node->stun_asked = now;
    update_complete(node, now);
}

void node_stun_resolved(struct node *node, uint64_t now)
{
    node->resolved = true;
    update_complete(node, now);
}

static void stun_told(struct node *node, uint64_t now, const struct stun_client_event *told)
{
    if (told->type == STUN_CLIENT_MAPPED) {
        node_addresses_mapped(&node->addresses, told);
        inform_everybody(node, now);
    } else if (told->type == STUN_CLIENT_DONE) {
        node->round_done = true;
        update_complete(node, now);
    }
}

static void ask_stun_again(struct node *node, uint64_t now, uint64_t stale_s)
{
    if (now - node->stun_asked < stale_s * NS_PER_S)
        return;
    node->stun_asked = now;
    stun_client_ask(node->stun, now);
}

/* ---- paths that are gone ---- */

static bool is_recent(uint64_t now, uint64_t then)
{
    return then && now - then < SEEK_PAUSE_S * NS_PER_S;
}

/* A gateway may have forgotten us, here or there: then only new addresses, said over the broker, help. Ours
 * are asked for again and all told; what comes back later is told too. */
static void tell_again(struct node *node, uint64_t now, struct peer *peer)
{
    ask_stun_again(node, now, STUN_DOUBT_S);
    if (is_recent(now, peer->retold))
        return;
    peer->retold = now;
    peer->told_serial = 0;
}

/* The peer looks for us, or we have slept: everything is checked anew. */
static void seek(struct node *node, uint64_t now, struct peer *peer)
{
    if (is_recent(now, peer->sought))
        return;
    peer->sought = now;
    tell_again(node, now, peer);
    ice_restart_checks(conn_ice(peer->conn), now);
}

static bool has_lost_path(const struct peer *peer)
{
    struct path path;
    return peer_is_live(peer) && peer->connected && !conn_path(peer->conn, &path);
}

/* Called long after its deadline, in a world that went on: whom the others have not forgotten yet, we seek.
 * ice finds the rest lost by itself. */
static void notice_sleep(struct node *node, uint64_t now)
{
    uint64_t gap = now - node->seen, due = gap < SLEPT_S * NS_PER_S ? NEVER : node_deadline(node);
    bool slept = node->seen && due < now && now - due >= SLEPT_S * NS_PER_S && gap < ICE_FORGET_S * NS_PER_S;
    node->seen = now;
    for (unsigned i = 0; slept && i < node->peers_used; i++)
        if (peer_is_live(&node->peers[i]))
            seek(node, now, &node->peers[i]);
}

/* ---- what rendezvous says ---- */

static struct peer *peer_begin(struct node *node, uint64_t now, const struct rendezvous_event *told)
{
    struct peer *peer = peer_slot(node);
    if (!peer)
        return NULL;
    struct conn_config config = {.initiator = told->role == PAKE_INITIATOR,
                                 .paths = node->paths,
                                 .delay = told->delay,
                                 .random = node->random};
    memcpy(config.key, told->tls_key, sizeof config.key);
    *peer = (struct peer){.state = PEER_MEETING, .handle = told->peer, .conn = conn_new(&config)};
    memset(config.key, 0, sizeof config.key);
    if (!peer->conn) {
        peer->state = PEER_FREE;
        return NULL;
    }
    memcpy(peer->id, told->id, sizeof peer->id);
    memcpy(peer->purpose, told->purpose, sizeof peer->purpose);
    conn_hold(peer->conn, now, true);
    inform_ice(node, now, peer);
    return peer;
}

static void offer_wanted(struct node *node, uint64_t now, const struct rendezvous_event *told)
{
    ask_stun_again(node, now, STUN_STALE_S);
    struct peer *peer = node->leaving ? NULL : peer_begin(node, now, told);
    if (peer)
        describe(node, now, peer);
    else
        rendezvous_refuse(touch(node), now, told->peer, "no room for another peer");
}

static void take_candidates(struct node *node, uint64_t now, struct peer *peer,
                            const struct description *theirs)
{
    struct ice *ice = conn_ice(peer->conn);
    for (size_t i = 0; i < theirs->candidate_count; i++)
        ice_add_remote(ice, now, &theirs->candidates[i]);
    if (theirs->complete)
        ice_remotes_complete(ice, now);
    if (has_lost_path(peer))
        seek(node, now, peer);
}

static bool is_wanted(const struct node *node, const char *name)
{
    return !node->to[0] || strcmp(node->to, name) == 0;
}

static bool event_busy(struct node_event *event, const char *name, const char *why)
{
    event->type = NODE_BUSY;
    snprintf(event->name, sizeof event->name, "%s", name);
    event->text = why;
    return true;
}

/* Proven. As the initiator we answer now; either way its candidates are known from here on. */
static bool peer_proven(struct node *node, uint64_t now, const struct rendezvous_event *told,
                        struct node_event *event)
{
    struct peer *peer = peer_find(node, told->peer);
    bool initiator = told->role == PAKE_INITIATOR;
    node->proven++;
    node->secret_deadline = NEVER;
    if (!is_wanted(node, told->description->name)) {
        if (peer)
            peer_drop(peer);
        rendezvous_refuse(touch(node), now, told->peer, "it waits for somebody else");
        return event_busy(event, told->description->name, "it is not the one who was asked for");
    }
    if (initiator && !peer && !node->leaving)
        peer = peer_begin(node, now, told);
    if (!peer) {
        rendezvous_refuse(touch(node), now, told->peer, "no room for another peer");
        return event_busy(event, told->description->name, "there is no room for another peer");
    }
    struct ice *ice = conn_ice(peer->conn);
    peer->state = PEER_MET;
    peer->since = now;
    snprintf(peer->name, sizeof peer->name, "%s", told->description->name);
    ice_set_same_machine(ice, now, told->same_machine);
    if (initiator)
        describe(node, now, peer);
    ice_set_remote(ice, now, told->description->ufrag, told->description->pwd);
    take_candidates(node, now, peer, told->description);
    share_places(node, now);
    event->type = NODE_PEER;
    event->slot = slot_of(node, peer);
    memcpy(event->words, told->words, sizeof event->words);
    return true;
}

/* The peer took somebody else. If it was told of, it is closed; else only its name matters. */
static bool peer_busy(struct node *node, uint64_t now, const struct rendezvous_event *told,
                      struct node_event *event)
{
    struct peer *peer = peer_find(node, told->peer);
    if (peer && peer->state == PEER_MET && !peer->connected) {
        peer->refused = true;
        conn_left(peer->conn, told->text);
        return false;
    }
    if (peer && peer->state == PEER_MEETING)
        peer_drop(peer);
    (void)now;
    return !peer || peer->state == PEER_FREE ? event_busy(event, "", told->text) : false;
}

static void peer_bye(struct node *node, uint64_t now, const struct rendezvous_event *told)
{
    struct peer *peer = peer_find(node, told->peer);
    if (!peer)
        return;
    if (!told->proven)
        ice_suspect(conn_ice(peer->conn), now, true);
    else if (peer->state == PEER_MET)
        conn_left(peer->conn, told->text);
    else
        peer_drop(peer);
}

static bool secret_failed(struct node *node, uint64_t now, const struct rendezvous_event *told,
                          struct node_event *event)
{
    struct peer *peer = peer_find(node, told->peer);
    if (peer && peer->state == PEER_MEETING) {
        peer_drop(peer);
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
static bool rendezvous_told(struct node *node, uint64_t now, const struct rendezvous_event *told,
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
        peer = peer_find(node, told->peer);
        if (peer)
            take_candidates(node, now, peer, told->description);
        return false;
    case RENDEZVOUS_BUSY:
        return peer_busy(node, now, told, event);
    case RENDEZVOUS_BYE:
        peer_bye(node, now, told);
        return false;
    case RENDEZVOUS_GONE:
        peer = peer_find(node, told->peer);
        if (peer && peer->state == PEER_MEETING)
            peer_drop(peer);
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

/* ---- what connections say ---- */

/* The last place is taken: everybody else is told so. Those of whom the program knows are closed. */
static void refuse_others(struct node *node, uint64_t now)
{
    if (count_connected(node) < node->max_peers)
        return;
    for (unsigned i = 0; i < node->peers_used; i++) {
        struct peer *peer = &node->peers[i];
        if (!peer_is_live(peer) || peer->connected)
            continue;
        rendezvous_refuse(touch(node), now, peer->handle, "it is connected to somebody else");
        if (peer->state == PEER_MEETING) {
            peer_drop(peer);
        } else {
            peer->refused = true;
            conn_close(peer->conn, now, "connected to somebody else");
        }
    }
}

static void conn_connected(struct node *node, uint64_t now, struct peer *peer)
{
    peer->connected = true;
    rendezvous_settle(touch(node), peer->handle);
    refuse_others(node, now);
    update_slots(node, now);
}

static void conn_closed(struct node *node, uint64_t now, struct peer *peer, enum conn_end end)
{
    bool was_connected = peer->connected;
    if (end != CONN_LEFT)
        rendezvous_forget(touch(node), now, peer->handle);
    peer->state = PEER_ENDED;
    peer->connected = false;
    peer->farewell_until = now + FAREWELL_MS * NS_PER_MS;
    if (was_connected)
        update_slots(node, now);
    share_places(node, now);
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
    if (told->type == CONN_PATH) {
        conn_set_payload_limit(peer->conn, told->path.kind == PATH_HOST
                                               ? 0
                                               : node_addresses_payload(&node->addresses, &told->path.local));
        if (peer->connected)
            rendezvous_settle(touch(node), peer->handle);
    }
    if (told->type == CONN_STALLED)
        tell_again(node, now, peer);
    event->refused = peer->refused;
    if (told->type == CONN_CLOSED) {
        bool met = peer->state == PEER_MET;
        conn_closed(node, now, peer, told->end);
        if (!met) {
            peer_drop(peer);
            return false;
        }
    }
    event->type = same[told->type];
    event->slot = slot_of(node, peer);
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
        while (peer_is_live(peer) && conn_event(peer->conn, now, &told)) {
            if (conn_is_engaged(peer->conn) && !peer->engaged_until)
                share_places(node, now);
            if (conn_told(node, now, peer, &told, event))
                return true;
        }
        if (peer_is_live(peer) && conn_is_engaged(peer->conn) && !peer->engaged_until)
            share_places(node, now);
        if (peer_is_live(peer) && peer->connected && ice_is_suspicious(conn_ice(peer->conn)))
            ask_stun_again(node, now, STUN_DOUBT_S);
    }
    return false;
}

/* ---- time ---- */

static bool others_wait(const struct node *node)
{
    for (unsigned i = 0; i < node->peers_used; i++)
        if (node->peers[i].state == PEER_MET && conn_is_eager(node->peers[i].conn))
            return true;
    return false;
}

/* A handshake that takes too long gives its place to those who wait. */
static void release_places(struct node *node, uint64_t now)
{
    for (unsigned i = 0; i < node->peers_used; i++) {
        struct peer *peer = &node->peers[i];
        if (peer->state != PEER_MET || peer->connected || !peer->engaged_until || now < peer->engaged_until)
            continue;
        if (!others_wait(node))
            continue;
        rendezvous_refuse(touch(node), now, peer->handle, "the handshake took too long");
        peer->refused = true;
        conn_close(peer->conn, now, "the handshake took too long");
    }
}

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
    notice_sleep(node, now);
    sweep(node, now);
    release_places(node, now);
    *event = (struct node_event){.text = ""};
    while (stun_client_event(node->stun, &seen))
        stun_told(node, now, &seen);
    if (candidate_told(node, event))
        return true;
    while (!node->meetings_said) {
        if (!rendezvous_event(node->rendezvous, &met)) {
            node->meetings_said = true;
            break;
        }
        bool told = rendezvous_told(node, now, &met, event);
        memset(met.tls_key, 0, sizeof met.tls_key);
        if (told)
            return true;
    }
    if (conns_told(node, now, event) || secret_told(node, now, event))
        return true;
    trickle(node, now);
    return false;
}

uint64_t node_deadline(const struct node *node)
{
    uint64_t deadline = node->secret_deadline;
    uint64_t others[] = {node->letters_said && node->meetings_said ? node->rendezvous_at : 0,
                         stun_client_deadline(node->stun)};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        deadline = others[i] < deadline ? others[i] : deadline;
    bool waiting = others_wait(node);
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
    notice_sleep(node, now);
    if (stun_is(in->data, in->len) && stun_client_input(node->stun, now, in))
        return;
    for (unsigned i = 0; i < node->peers_used; i++)
        if (node->peers[i].conn && conn_input(node->peers[i].conn, now, in)) {
            if (!node->peers[i].engaged_until && conn_is_engaged(node->peers[i].conn))
                share_places(node, now);
            return;
        }
    node->stats.strangers++;
}

bool node_output(struct node *node, uint64_t now, struct packet *out)
{
    size_t capacity = out->len;
    out->segment = 0;
    if (stun_client_output(node->stun, now, out))
        return true;
    for (unsigned n = 0; n < node->peers_used; n++) {
        unsigned slot = (node->next_output + n) % node->peers_used;
        struct peer *peer = &node->peers[slot];
        out->len = capacity;
        out->segment = 0;
        if (peer->conn && conn_output(peer->conn, now, out)) {
            node->next_output = slot + 1;
            return true;
        }
    }
    return false;
}

void node_letter_input(struct node *node, uint64_t now, unsigned broker, const char *topic,
                       const uint8_t *data, size_t len)
{
    notice_sleep(node, now);
    rendezvous_input(touch(node), now, broker, topic, data, len);
}

bool node_letter_output(struct node *node, uint64_t now, struct letter *letter)
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

void node_broker_connected(struct node *node, uint64_t now, unsigned broker)
{
    rendezvous_connected(touch(node), now, broker);
}

void node_broker_disconnected(struct node *node, uint64_t now, unsigned broker)
{
    rendezvous_disconnected(touch(node), now, broker);
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
    if (!peer_is_live(peer))
        return;
    conn_close(peer->conn, now, why);
    rendezvous_bye(touch(node), now, peer->handle, why);
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
        if (peer_is_live(peer) && conn_path(peer->conn, &path) && addr_equal(&path.remote, remote))
            conn_set_payload_limit(peer->conn, PACKET_MAX);
    }
}

void node_leave(struct node *node, uint64_t now)
{
    node->leaving = true;
    for (unsigned i = 0; i < node->peers_used; i++)
        node_close(node, now, i, "");
    update_slots(node, now);
}

bool node_has_left(const struct node *node)
{
    for (unsigned i = 0; i < node->peers_used; i++) {
        const struct peer *peer = &node->peers[i];
        if (peer_is_live(peer) || (peer->conn && !conn_is_silent(peer->conn)))
            return false;
    }
    return node->leaving;
}

void node_stats(const struct node *node, struct node_stats *stats)
{
    *stats = node->stats;
}
