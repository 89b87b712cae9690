/* punch_canary.c - tells when guessing ports hurts the network that we are in: asks a STUN server meanwhile.
 *
 * Routers have died of less than a punch. Ours begins to suffer when what has nothing to do with the guessing
 * gets lost: the old mapping of the main socket, to a server that has always answered. */
#include "punch_canary.h"

#include <string.h>

void canary_aim(struct canary *canary, const struct addr *local, const struct addr *server)
{
    canary->local = *local;
    canary->server = *server;
}

void canary_set(struct canary *canary, uint64_t now, bool on)
{
    if (canary->on == on)
        return;
    canary->on = on;
    canary->waiting = false;
    canary->lost = 0;
    canary->due = now;
}

unsigned canary_lost(const struct canary *canary)
{
    return canary->lost;
}

bool canary_input(struct canary *canary, uint64_t now, const struct packet *in)
{
    struct stun_msg msg;
    if (!canary->waiting || !addr_equal(&in->remote, &canary->server) ||
        !stun_decode(&msg, in->data, in->len) || msg.class == STUN_REQUEST ||
        memcmp(msg.id, canary->id, sizeof canary->id) != 0)
        return false;
    canary->waiting = false;
    canary->lost = 0;
    canary->due = now + CANARY_PAUSE_MS * NS_PER_MS;
    return true;
}

bool canary_output(struct canary *canary, uint64_t now, const struct random *random, struct packet *out)
{
    if (!canary->on || !canary->server.family || now < canary->due)
        return false;
    canary->lost += canary->waiting;
    canary->waiting = true;
    canary->due = now + CANARY_PATIENCE_MS * NS_PER_MS;
    random->fill(random->context, canary->id, sizeof canary->id);
    struct stun_msg msg = {.class = STUN_REQUEST, .method = STUN_BINDING};
    memcpy(msg.id, canary->id, sizeof msg.id);
    out->local = canary->local;
    out->remote = canary->server;
    out->segment = 0;
    out->len = stun_encode(&msg, NULL, out->data, out->len);
    return out->len > 0;
}

uint64_t canary_deadline(const struct canary *canary)
{
    return canary->on && canary->server.family ? canary->due : NEVER;
}
