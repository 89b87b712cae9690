/* turns.c - whose turn it is when more peers want to meet than may (security.md: flood of hellos). The choice
 * is random and the two ways of asking have equal chances, so neither who shouts first nor who shouts most
 * gets everything. */
#include "meeting.h"

static bool may_be_asked(const struct rendezvous *r, const struct peer *peer)
{
    return peer->wish == WISH_HELLO && r->slots && !peer->session && !peer->invited;
}

/* A proven peer may knock without a free slot: it lost its state, and takes the place it has. */
static bool may_be_invited(const struct rendezvous *r, const struct peer *peer, unsigned pending)
{
    return peer->wish == WISH_KNOCK && !peer->invited && pending < RENDEZVOUS_PENDING_MAX &&
           (r->slots || peer->session);
}

static bool may_begin(const struct rendezvous *r, const struct peer *peer, unsigned pending)
{
    return *peer->id && (may_be_asked(r, peer) || may_be_invited(r, peer, pending));
}

/* One of the knocks or one of the hellos: a reservoir of one for each. */
static struct peer *draw(struct rendezvous *r, uint64_t now)
{
    struct peer *drawn[2] = {NULL, NULL};
    uint32_t count[2] = {0, 0};
    unsigned pending = crowd_invited(&r->crowd);
    for (size_t i = 0; i < RENDEZVOUS_PEERS_MAX; i++) {
        struct peer *peer = &r->crowd.peers[i];
        if (!may_begin(r, peer, pending) || peer->retry > now)
            continue;
        int knock = peer->wish == WISH_KNOCK;
        if (random_below(r->party.random, ++count[knock]) == 0)
            drawn[knock] = peer;
    }
    if (drawn[0] && drawn[1])
        return drawn[random_below(r->party.random, 2)];
    return drawn[0] ? drawn[0] : drawn[1];
}

/* Nobody finished this handshake. Whoever began it has our tag and could test one guess with it, so it counts
 * as one. */
static void expire(struct rendezvous *r, uint64_t now, struct peer *peer)
{
    struct run *run = peer->invited;
    struct notice *notice = meeting_notice(r, RENDEZVOUS_GONE, peer, run);
    if (!notice) { /* no memory: the user must hear of it, so try again a little later */
        run->expires = now + PARCEL_GAP_MS * NS_PER_MS;
        return;
    }
    if (run->handshake.state == HANDSHAKE_ANSWERED)
        quota_fail(&r->quota, now);
    parting_notify(r, run, notice);
    run_free(run); /* its point may be used again: the initiator keeps its scalar until it hears a pake2 */
    peer->invited = NULL;
}

void turns_take(struct rendezvous *r, uint64_t now)
{
    for (size_t i = 0; i < RENDEZVOUS_PEERS_MAX; i++) {
        struct peer *peer = &r->crowd.peers[i];
        if (peer->invited && peer->invited->expires <= now)
            expire(r, now, peer);
        if (peer->wish && peer->heard + WISH_MAX_S * NS_PER_S <= now)
            peer->wish = WISH_NOTHING;
    }
    while (quota_next(&r->quota, now) <= now) {
        struct peer *peer = draw(r, now);
        if (!peer)
            return;
        if (peer->wish == WISH_HELLO)
            meeting_ask(r, now, peer);
        else
            meeting_invite(r, now, peer);
    }
}

uint64_t turns_deadline(const struct rendezvous *r)
{
    uint64_t deadline = NEVER, next = quota_next(&r->quota, r->now);
    unsigned pending = crowd_invited(&r->crowd);
    for (size_t i = 0; i < RENDEZVOUS_PEERS_MAX; i++) {
        const struct peer *peer = &r->crowd.peers[i];
        if (peer->invited && peer->invited->expires < deadline)
            deadline = peer->invited->expires;
        if (!may_begin(r, peer, pending))
            continue;
        uint64_t turn = peer->retry > next ? peer->retry : next;
        if (turn < deadline)
            deadline = turn;
    }
    return deadline;
}
