/* turns.c - whose turn it is when more peers want to meet than may (security.md: flood of hellos).
 *
 * The choice is random, so who shouts first gets nothing for it; and it is made among four kinds, so who
 * shouts most has to shout in every way. Knocks and hellos have equal chances. Ids that have spoken before go
 * before strangers: a flood of made-up ids costs its sender one message each, and now two, a while apart.
 * Against whoever pays that too, our own share of the hellos helps (HELLO_SHARE). README.md says what is
 * left. */
#include "meeting.h"

enum { PENDING_KNOWN = 2 }; /* of RENDEZVOUS_PENDING_MAX: places that are no stranger's */

static bool may_be_asked(const struct rendezvous *r, const struct peer *peer)
{
    return peer->wish == WISH_HELLO && r->slots && !peer->session && !peer->invited;
}

/* A proven peer may knock without a free slot: it lost its state, and takes the place it has. */
static bool may_be_invited(const struct rendezvous *r, const struct peer *peer, unsigned pending)
{
    unsigned places = RENDEZVOUS_PENDING_MAX - (peer->known ? 0 : PENDING_KNOWN);
    return peer->wish == WISH_KNOCK && !peer->invited && pending < places && (r->slots || peer->session);
}

static bool may_begin(const struct rendezvous *r, const struct peer *peer, unsigned pending)
{
    return *peer->id && (may_be_asked(r, peer) || may_be_invited(r, peer, pending));
}

static struct peer *one_of(struct rendezvous *r, struct peer *const pair[2])
{
    if (pair[0] && pair[1])
        return pair[random_below(r->party.random, 2)];
    return pair[0] ? pair[0] : pair[1];
}

static uint64_t not_before(const struct peer *peer)
{
    return peer->retry > peer->put_off ? peer->retry : peer->put_off;
}

/* A reservoir of one for each kind, then one of the kinds. */
static struct peer *draw(struct rendezvous *r, uint64_t now)
{
    struct peer *drawn[2][2] = {{NULL, NULL}, {NULL, NULL}}; /* [known][knock] */
    uint32_t count[2][2] = {{0, 0}, {0, 0}};
    unsigned pending = crowd_invited(&r->crowd);
    for (size_t i = 0; i < RENDEZVOUS_PEERS_MAX; i++) {
        struct peer *peer = &r->crowd.peers[i];
        if (!may_begin(r, peer, pending) || not_before(peer) > now)
            continue;
        int known = peer->known, knock = peer->wish == WISH_KNOCK;
        if (random_below(r->party.random, ++count[known][knock]) == 0)
            drawn[known][knock] = peer;
    }
    struct peer *stranger = one_of(r, drawn[0]), *known = one_of(r, drawn[1]);
    return known ? known : stranger;
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
    parting_guess(r, now, peer, run);
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
    while (quota_next(&r->quota, now, crowd_invited(&r->crowd)) <= now) {
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
    unsigned pending = crowd_invited(&r->crowd);
    uint64_t deadline = NEVER, next = quota_next(&r->quota, r->now, pending);
    for (size_t i = 0; i < RENDEZVOUS_PEERS_MAX; i++) {
        const struct peer *peer = &r->crowd.peers[i];
        if (peer->invited && peer->invited->expires < deadline)
            deadline = peer->invited->expires;
        if (!may_begin(r, peer, pending))
            continue;
        uint64_t turn = not_before(peer) > next ? not_before(peer) : next;
        if (turn < deadline)
            deadline = turn;
    }
    return deadline;
}
