/* turns.c - whose turn it is when more peers want to meet than may (security.md: flood of hellos).
 *
 * The choice is random, so who shouts first gets nothing for it; and it is made among four kinds, so who
 * shouts most has to shout in every way. Knocks and hellos have equal chances. Ids that have spoken before go
 * before strangers: a flood of made-up ids costs its sender one message each, and now two, a while apart.
 * Against whoever pays that too, our own share of the hellos helps (HELLO_SHARE). README.md says what is
 * left. */
#include "meeting.h"

enum { PENDING_KNOWN = 2 }; /* of RENDEZVOUS_PENDING_MAX: places that are no stranger's */

/* When somebody new may be taken, or told that no place is left; NEVER: as long as nothing changes. Whoever
 * has proven itself has a place before it is connected: others would only be sent away. But who wants one of
 * a name has to meet them all, and sends away almost all. */
static uint64_t place_time(const struct rendezvous *r, uint64_t now)
{
    if (r->slots)
        return r->picks ? now : crowd_place(&r->crowd, now, r->slots);
    return r->serves ? now : NEVER;
}

static bool may_be_asked(const struct peer *peer)
{
    return peer->wish == WISH_HELLO && !peer->session && !peer->invited;
}

static bool may_be_invited(const struct peer *peer, unsigned pending)
{
    unsigned places = RENDEZVOUS_PENDING_MAX - (peer->known ? 0 : PENDING_KNOWN);
    return peer->wish == WISH_KNOCK && !peer->invited && pending < places;
}

/* When its turn may come, by itself; `place` is place_time. A proven peer may knock without a free slot: it
 * lost its state, and takes the place it has. */
static uint64_t turn_time(const struct peer *peer, uint64_t place, unsigned pending)
{
    uint64_t at = later(peer->retry, peer->put_off);
    if (!may_be_asked(peer) && !may_be_invited(peer, pending))
        return NEVER;
    if (peer->wish == WISH_HELLO)
        at = later(at, peer->turn);
    return peer->session ? at : later(at, place);
}

static struct peer *one_of(struct rendezvous *r, struct peer *const pair[2])
{
    if (pair[0] && pair[1])
        return pair[random_below(r->party.random, 2)];
    return pair[0] ? pair[0] : pair[1];
}

/* A reservoir of one for each kind, then one of the kinds. */
static struct peer *draw(struct rendezvous *r, uint64_t now)
{
    struct peer *drawn[2][2] = {{NULL, NULL}, {NULL, NULL}}; /* [known][knock] */
    uint32_t count[2][2] = {{0, 0}, {0, 0}};
    unsigned pending = crowd_invited(&r->crowd);
    uint64_t place = place_time(r, now);
    bool may_ask = rush_ask_time(r, now) <= now;
    for (size_t i = 0; i < r->crowd.used; i++) {
        struct peer *peer = &r->crowd.peers[i];
        if (turn_time(peer, place, pending) > now || (peer->wish == WISH_HELLO && !may_ask))
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
    for (size_t i = 0; i < r->crowd.used; i++) {
        struct peer *peer = &r->crowd.peers[i];
        if (peer->invited && peer->invited->expires <= now)
            expire(r, now, peer);
        if (peer->wish && peer->heard + WISH_MAX_S * NS_PER_S <= now)
            peer->wish = WISH_NOTHING;
        if (peer->wish == WISH_HELLO && answer_is_spared(r, peer))
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
    uint64_t deadline = NEVER, next = quota_next(&r->quota, r->now, pending), place = place_time(r, r->now);
    uint64_t ask_time = rush_ask_time(r, r->now);
    for (size_t i = 0; i < r->crowd.used; i++) {
        const struct peer *peer = &r->crowd.peers[i];
        if (peer->invited && peer->invited->expires < deadline)
            deadline = peer->invited->expires;
        uint64_t turn = later(turn_time(peer, place, pending), next);
        if (peer->wish == WISH_HELLO)
            turn = later(turn, ask_time);
        if (turn < deadline)
            deadline = turn;
    }
    return deadline;
}
