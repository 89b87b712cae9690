/* node_recall.c - what worked between two networks: remembered when it did, said to the peer at the next
 * meeting.
 *
 * The initiator alone says it, and both go by that: so both do the same, and a memory that only one of them
 * has does no harm. It knows both networks first, and its answer is early enough. */
#include "node_state.h"

void node_recall(struct node *node, struct peer *peer)
{
    if (!node->memory || !peer->first || peer->worked)
        return;
    uint64_t wall_s = node->epoch_s + node->seen / NS_PER_S;
    peer->worked = path_memory_find(node->memory, wall_s, &node->nat, &peer->nat);
    conn_set_strategy(peer->conn, peer->worked);
}

void node_remember(struct node *node, uint64_t now, struct peer *peer)
{
    enum path_strategy worked = conn_strategy(peer->conn);
    if (node->memory &&
        path_memory_note(node->memory, node->epoch_s + now / NS_PER_S, &node->nat, &peer->nat, worked))
        node->memory_told = false;
}
