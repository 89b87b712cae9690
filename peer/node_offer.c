/* node_offer.c - what agents and peers are told of our addresses: at first, and as more are found. */
#include "node_state.h"

#include <stdio.h>

void node_describe(struct node *node, uint64_t now, struct peer *peer)
{
    struct description own = {.complete = node->complete,
                              .nat = node->nat,
                              .broker_relay = node->broker_relay,
                              .udp_blocked = node->blocked,
                              .worked = (uint8_t)peer->worked};
    snprintf(own.ufrag, sizeof own.ufrag, "%s", ice_ufrag(conn_ice(peer->conn)));
    snprintf(own.pwd, sizeof own.pwd, "%s", ice_pwd(conn_ice(peer->conn)));
    own.candidate_count = node_addresses_offers(&node->addresses, 0, own.candidates, CANDIDATES_MAX);
    peer->told_serial = node->addresses.serial;
    peer->told_complete = node->complete;
    peer->told_nat = node->nat_serial;
    peer->told_worked = peer->worked;
    peer->described = true;
    rendezvous_describe(node_touch(node), now, peer->handle, &own);
}

/* What a peer's agent does not know yet of our addresses. */
void node_inform_ice(struct node *node, uint64_t now, struct peer *peer)
{
    struct ice *ice = conn_ice(peer->conn);
    struct addr own[NODE_ADDRESSES_MAX];
    ice_set_own(ice, own, node_addresses_list(&node->addresses, own));
    for (size_t i = 0; i < node->addresses.offer_count; i++)
        ice_add_local(ice, now, &node->addresses.offers[i].candidate);
    conn_set_nat(peer->conn, now, &node->nat, &peer->nat);
    conn_set_blocked(peer->conn, node->blocked, peer->blocked);
    if (node->complete)
        ice_locals_complete(ice, now);
}

void node_inform_everybody(struct node *node, uint64_t now)
{
    for (unsigned i = 0; i < node->peers_used; i++)
        if (node_peer_is_live(&node->peers[i]))
            node_inform_ice(node, now, &node->peers[i]);
}

/* An address that is for one peer alone: it goes to that one, at once. */
static void tell_fresh(struct node *node, uint64_t now, struct peer *peer)
{
    struct candidate fresh = {.kind = CANDIDATE_SRFLX};
    if (!conn_fresh_address(peer->conn, &fresh.address, &fresh.base))
        return;
    struct description more = {
        .complete = node->complete, .nat = node->nat, .udp_blocked = node->blocked, .candidate_count = 1};
    fresh.priority = candidate_priority(fresh.kind, &fresh.base, RANK_NORMAL, 0);
    candidate_foundation(&fresh);
    candidate_to_wire(&more.candidates[0], &fresh);
    rendezvous_send_candidates(node_touch(node), now, peer->handle, &more);
}

/* Everything found since the last time travels in one batch. Completeness alone matters only while no path
 * works. */
void node_trickle(struct node *node, uint64_t now)
{
    struct description more;
    for (unsigned i = 0; i < node->peers_used; i++) {
        struct peer *peer = &node->peers[i];
        bool direct = peer->connected && !conn_is_brokered(peer->conn);
        bool completes = node->complete && !peer->told_complete && !direct;
        if (node_peer_is_live(peer) && peer->described)
            tell_fresh(node, now, peer);
        if (!node_peer_is_live(peer) || !peer->described ||
            (peer->told_serial == node->addresses.serial && peer->told_nat == node->nat_serial &&
             peer->told_worked == peer->worked && !completes))
            continue;
        more = (struct description){.complete = node->complete,
                                    .nat = node->nat,
                                    .udp_blocked = node->blocked,
                                    .worked = (uint8_t)peer->worked};
        more.candidate_count =
            node_addresses_offers(&node->addresses, peer->told_serial, more.candidates, CANDIDATES_MAX);
        peer->told_serial = node->addresses.serial;
        peer->told_complete = node->complete;
        peer->told_nat = node->nat_serial;
        peer->told_worked = peer->worked;
        rendezvous_send_candidates(node_touch(node), now, peer->handle, &more);
    }
}

static void update_complete(struct node *node, uint64_t now)
{
    bool complete =
        node->resolved && (!node->have_servers || node->round_done) && node_relays_are_settled(node->relays);
    if (complete == node->complete)
        return;
    node->complete = complete;
    node_inform_everybody(node, now);
}

void node_set_addresses(struct node *node, uint64_t now, const struct node_address *addresses, size_t count)
{
    struct addr gone[NODE_ADDRESSES_MAX], own[NODE_ADDRESSES_MAX];
    uint32_t serial = node->addresses.serial;
    size_t gone_count = node_addresses_set(&node->addresses, addresses, count, gone);
    size_t own_count = node_addresses_list(&node->addresses, own);
    stun_client_set_locals(node->stun, now, own, own_count);
    nat_survey_set_locals(node->survey, own, own_count);
    node_portmap_update(node, now);
    if (gone_count || serial != node->addresses.serial)
        node_relays_doubt(node, now, NULL);
    node_inform_everybody(node, now);
    for (unsigned i = 0; i < node->peers_used; i++) {
        if (!node_peer_is_live(&node->peers[i]))
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
    if (!node->have_servers)
        node->blocked_at = now + BLOCKED_S * NS_PER_S;
    node->have_servers = true;
    node->round_done = false;
    node->stun_asked = now;
    update_complete(node, now);
}

bool node_add_turn(struct node *node, uint64_t now, const struct node_turn *server)
{
    if (!(node->paths & PATH_BIT(PATH_TURN)) || !node_relays_add(node->relays, server))
        return false;
    update_complete(node, now);
    return true;
}

void node_complete(struct node *node, uint64_t now)
{
    update_complete(node, now);
    node_inform_everybody(node, now);
}

void node_stun_resolved(struct node *node, uint64_t now)
{
    node->resolved = true;
    update_complete(node, now);
}

void node_stun_told(struct node *node, uint64_t now, const struct stun_client_event *told)
{
    nat_survey_told(node->survey, now, told);
    if (told->type == STUN_CLIENT_MAPPED) {
        node->blocked_at = NEVER;
        if (told->local.family == 4 && told->doubt == STUN_CREDIBLE)
            canary_aim(&node->canary, &told->local, &told->server);
        node_addresses_mapped(&node->addresses, told);
        node_inform_everybody(node, now);
    } else if (told->type == STUN_CLIENT_DONE) {
        node->round_done = true;
        update_complete(node, now);
    }
}

void node_notice_blocked(struct node *node, uint64_t now)
{
    bool blocked = now >= node->blocked_at;
    if (blocked == node->blocked)
        return;
    node->blocked = blocked;
    node->nat_serial++; /* so that peers are told */
    node_inform_everybody(node, now);
}

void node_ask_stun_again(struct node *node, uint64_t now, uint64_t stale_s)
{
    if (now - node->stun_asked < stale_s * NS_PER_S)
        return;
    node->stun_asked = now;
    stun_client_ask(node->stun, now);
    portmap_ask_again(node->portmap, now);
    node->doubts++;
}
