/* node_survey.c - what a node learns of the NAT in front of it, and whom it tells.
 *
 * The survey borrows extra sockets for a second where the NAT turns out to be hard. It keeps its hands off
 * those that are there for a punch: every question would move the sequence that the peer is foretelling. */
#include "node_state.h"

#include <string.h>

enum {
    COUNT_STALE_S = 5, /* others behind the NAT count on */
    COUNT_MS = 700,    /* for a round trip or two to a server */
};

static void nat_changed(struct node *node, uint64_t now)
{
    node->nat = *nat_survey_behavior(node->survey);
    node->nat_serial++;
    node->surveyed = now;
    for (unsigned i = 0; i < node->peers_used; i++)
        if (node_peer_is_live(&node->peers[i])) {
            node_recall(node, &node->peers[i]);
            conn_set_nat(node->peers[i].conn, now, &node->nat, &node->peers[i].nat);
        }
}

/* It does not say a second time that it is done. */
static void end_again(struct node *node, uint64_t now)
{
    if (now < node->survey_until)
        return;
    node->survey_until = NEVER;
    node->survey_wants = 0;
    node->survey_given = false;
}

void node_survey_told(struct node *node, uint64_t now)
{
    struct nat_survey_event told;
    end_again(node, now);
    while (nat_survey_event(node->survey, now, &told))
        switch (told.type) {
        case NAT_SURVEY_CHANGED:
            nat_changed(node, now);
            break;
        case NAT_SURVEY_SOCKETS_WANTED:
            node->survey_wants = node->paths & PATH_BIT(PATH_DIRECT) ? NAT_SURVEY_SOCKETS : 0;
            node->survey_given = false;
            node_survey_sockets(node, now); /* there may be some */
            break;
        case NAT_SURVEY_DONE:
            node->survey_wants = 0;
            node->survey_given = false;
            break;
        }
}

void node_survey_again(struct node *node, uint64_t now)
{
    if (node->nat.ports != NAT_PORTS_SEQUENTIAL || node->survey_wants ||
        now - node->surveyed < COUNT_STALE_S * NS_PER_S)
        return;
    node->surveyed = now;
    node->survey_wants = NAT_SURVEY_SOCKETS;
    node->survey_until = now + COUNT_MS * NS_PER_MS;
    node_survey_sockets(node, now);
}

/* The first ones, which stay open for as long as it wants them, once for each time that it asks.
 *
 * Extra sockets listen on every address; those of the survey are asked to send from the one that it looks at.
 */
void node_survey_sockets(struct node *node, uint64_t now)
{
    struct addr sockets[NAT_SURVEY_SOCKETS], local = nat_survey_local(node->survey);
    if (node->survey_given)
        return;
    size_t count = node->socket_count < NAT_SURVEY_SOCKETS ? node->socket_count : NAT_SURVEY_SOCKETS;
    if (local.family != 4 || !node->survey_wants)
        count = 0;
    for (size_t i = 0; i < count; i++) {
        sockets[i] = local;
        sockets[i].port = node->sockets[i].port;
    }
    node->survey_given = count > 0;
    nat_survey_set_sockets(node->survey, now, sockets, count);
}
