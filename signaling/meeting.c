/* meeting.c - how a meeting begins: hellos and pake1, until a run of ours waits for a proof.
 *
 * Nothing that arrives is believed before a tag or a seal holds: until then it may start a bounded amount of
 * work, and never ends or replaces what is proven. A peer has up to three runs with us, apart from each
 * other: one that we began, one that it began, and the session that one of them became. */
#include "meeting.h"
#include <string.h>

struct notice *meeting_notice(const struct rendezvous *r, enum rendezvous_event_type type,
                              const struct peer *peer, const struct run *run)
{
    struct notice *notice = notice_new(&r->notices, type, NULL, REASON_MAX);
    if (!notice)
        return NULL;
    notice->event.peer = run->handle;
    notice->event.role = run->handshake.pake.role;
    memcpy(notice->event.id, peer->id, sizeof notice->event.id);
    memcpy(notice->event.purpose, run->handshake.other.purpose, sizeof notice->event.purpose);
    return notice;
}

void meeting_show(struct rendezvous *r, const struct peer *peer, const struct run *run, bool outgoing)
{
    rendezvous_show(r, outgoing, peer->id, run, r->party.clear, strlen(r->party.clear));
}

void meeting_note_arrival(const struct rendezvous *r, struct peer *peer, const struct run *run)
{
    uint8_t own = run->handshake.own.fresh, other = run->handshake.other.fresh;
    if (peer->met)
        return;
    peer->met = true;
    peer->later = own == other ? strcmp(r->party.id, peer->id) < 0 : own > other;
}

/* ---- hello ---- */

/* We have asked this peer already: if that was given up, the same pake1 is said again, for its scalar has met
 * no pake2. Not for ever: the peer may know that point as one that lost a glare. */
static bool is_asked(const struct rendezvous *r, uint64_t now, struct peer *peer, const struct message *hello)
{
    struct run *asking = peer->asking;
    uint64_t patience = quota_is_slow(&r->quota, now, 0) ? ASKED_SLOW_S : ASKED_MAX_S;
    if (!run_awaits_answer(asking) || !asking->reply)
        return false;
    if (run_is_asking(asking))
        return true;
    if (memcmp(asking->handshake.other.nonce, hello->about.nonce, NONCE_LEN) != 0 ||
        now > asking->reply->last + patience * NS_PER_S)
        return false;
    parcel_again(asking->reply, now);
    return true;
}

/* It has no place left. Anybody can say so in its name, so nothing ends by it: an answer that waits for its
 * turn is not given, one that is under way not repeated. Its next hello makes up for both, and the oftener
 * that happens, the sooner it is answered. */
static void hold_back(struct rendezvous *r, uint64_t now, const char *id)
{
    struct peer *peer = crowd_find(&r->crowd, id);
    if (!peer)
        return;
    answer_withhold(r, now, peer);
    if (peer->asking && run_is_asking(peer->asking))
        parcel_stop(peer->asking->reply);
}

/* Whether it has given away more places since we met than the one to us: there is a third, of whom we may not
 * have heard, nor it of us. */
static bool has_others(const struct run *session, const struct message *hello)
{
    return hello->about.slots + 1 < session->handshake.other.slots;
}

void meeting_hello(struct rendezvous *r, uint64_t now, uint32_t broker, const struct message *message)
{
    bool alike = !strcmp(r->purpose, message->about.purpose);
    answer_count(r, now);
    if (alike)
        presence_note(&r->presence, now, message->from, message->about.slots > 0);
    r->full_heard += alike && !message->about.slots;
    if (!message->about.slots)
        hold_back(r, now, message->from);
    if ((!r->slots && !r->serves) || !message->about.slots ||
        !purpose_matches(r->purpose, message->about.purpose))
        return;
    struct peer *peer = crowd_admit(&r->crowd, now, message->from);
    if (!peer) {
        r->stats.limited++;
        return;
    }
    if (!peer->broker)
        peer->broker = broker;
    peer->about = message->about;
    peer->known |= sightings_note(&r->sightings, now, message->from);
    if (peer->session && alike && has_others(peer->session, message)) /* of another kind: not for us */
        rendezvous_crowd(r, now);
    if (peer->session || peer->invited || peer->wish == WISH_KNOCK)
        return;
    if (is_asked(r, now, peer, message))
        return;
    if (peer->wish == WISH_NOTHING) {
        unsigned places = withheld_places(&r->withheld, now, message->from, message->about.slots);
        peer->turn = answer_time(r, now, places, alike);
        peer->full_before = r->full_heard;
    }
    peer->wish = WISH_HELLO;
}

/* The peer may be answering the pake1 that was forgotten: under a new one that answer would look like a wrong
 * secret. So the same is said again, as long as an answer may be under way. */
static bool ask_again(struct rendezvous *r, uint64_t now, struct peer *peer)
{
    struct run *run = peer->asking;
    if (!run || !run->parked || !run->reply || now > run->reply->last + ASKED_SLOW_S * NS_PER_S ||
        memcmp(run->handshake.other.nonce, peer->about.nonce, NONCE_LEN) != 0)
        return false;
    run->parked = false;
    run->handle = ++r->last_handle; /* the newest */
    run->began = now;
    parcel_again(run->reply, now);
    return true;
}

void meeting_ask(struct rendezvous *r, uint64_t now, struct peer *peer)
{
    struct message pake1;
    struct message_about own = rendezvous_about(r, now);
    peer->wish = WISH_NOTHING;
    r->tell_full |= !r->slots; /* the others that are full count who has said so */
    if (ask_again(r, now, peer)) {
        quota_start(&r->quota, now);
        return;
    }
    struct run *run = run_new(++r->last_handle);
    if (!run)
        return;
    run->began = now;
    quota_start(&r->quota, now);
    handshake_ask(&run->handshake, &r->party, peer->id, &own, &peer->about, &pake1);
    run->reply = parcel_new(&pake1, peer->id, peer->broker, PARCEL_COPIES_MAX);
    parting_drop_asking(peer);
    peer->asking = run;
}

/* ---- pake1 ---- */

bool meeting_is_for_us(const struct rendezvous *r, const struct message *message)
{
    return !*message->about.purpose || purpose_matches(r->purpose, message->about.purpose);
}

static bool same_knock(const struct handshake *run, const struct message *pake1)
{
    return run->pake.role == PAKE_RESPONDER && !memcmp(run->pake.peer, pake1->point, POINT_LEN) &&
           !memcmp(run->commit, pake1->commit, COMMIT_LEN) &&
           !memcmp(&run->other.nonce, pake1->about.nonce, NONCE_LEN);
}

/* Glare: both sides sent pake1, and the smaller id's is discarded. Only when our own pake1 can succeed, that
 * is, when we used the nonce that the peer now says it has. The loser may arrive after the winner has made a
 * session; one that comes much later is new, and its sender has lost its state. */
static bool yields_to_us(const struct rendezvous *r, uint64_t now, const struct peer *peer,
                         const struct message *pake1)
{
    const struct run *ours = peer->session ? peer->session : peer->asking;
    if (!ours || ours->handshake.pake.role != PAKE_INITIATOR || strcmp(r->party.id, peer->id) < 0 ||
        memcmp(ours->handshake.other.nonce, pake1->about.nonce, NONCE_LEN) != 0)
        return false;
    return peer->session ? now < ours->proven + GLARE_S * NS_PER_S : run_awaits_answer(ours);
}

bool meeting_is_used(const uint8_t used[POINT_LEN], const uint8_t point[POINT_LEN])
{
    return !memcmp(used, point, POINT_LEN) && memcmp(used, (uint8_t[POINT_LEN]){0}, POINT_LEN) != 0;
}

/* True: this pake1 begins nothing. */
static bool is_old_knock(struct rendezvous *r, uint64_t now, uint32_t broker, struct peer *peer,
                         const struct message *pake1)
{
    struct run *invited = peer->invited;
    if ((peer->session && same_knock(&peer->session->handshake, pake1)) ||
        meeting_is_used(peer->used_pake1, pake1->point)) {
        r->stats.replayed++;
        return true;
    }
    if (invited && same_knock(&invited->handshake, pake1)) {
        r->stats.replayed++;
        if (invited->reply)
            parcel_repeat(invited->reply, now, broker);
        return true;
    }
    if (yields_to_us(r, now, peer, pake1)) {
        r->stats.stale++;
        memcpy(peer->session ? peer->used_pake1 : peer->yielded, pake1->point, POINT_LEN);
        if (!peer->session && peer->asking->reply)
            parcel_again(peer->asking->reply, now);
        return true;
    }
    return false;
}

/* Waits for its turn. Under one id there is one place: whoever forges the id has no better chance at it than
 * its owner. What has not been said for so long that its sender would begin anew is no rival: an answer to it
 * would look like a wrong secret. */
static void wait_at_door(struct rendezvous *r, uint64_t now, struct peer *peer, const struct message *pake1)
{
    struct knock *knock = &peer->knock;
    bool same = peer->wish == WISH_KNOCK && !memcmp(knock->point, pake1->point, POINT_LEN);
    if (peer->wish != WISH_KNOCK || now >= knock->heard + ASKED_MAX_S * NS_PER_S)
        knock->rivals = 0;
    if (same)
        knock->heard = now;
    else if (random_below(r->party.random, ++knock->rivals) == 0) {
        knock->heard = now;
        knock->about = pake1->about;
        memcpy(knock->point, pake1->point, POINT_LEN);
        memcpy(knock->commit, pake1->commit, COMMIT_LEN);
    }
    peer->wish = WISH_KNOCK;
}

void meeting_pake1(struct rendezvous *r, uint64_t now, uint32_t broker, const struct message *message)
{
    struct peer *peer = crowd_find(&r->crowd, message->from);
    if (!meeting_is_for_us(r, message)) {
        r->stats.stale++;
        return;
    }
    if (peer && is_old_knock(r, now, broker, peer, message))
        return;
    bool room = r->slots || r->serves || (peer && peer->session);
    r->tell_full |= *message->about.purpose && !r->slots && !(peer && peer->session); /* it knows the name */
    peer = room ? crowd_admit(&r->crowd, now, message->from) : NULL;
    if (!peer) {
        r->stats.limited++;
        return;
    }
    peer->about = message->about;
    peer->known |= sightings_note(&r->sightings, now, message->from);
    if (!peer->session)
        peer->broker = broker;
    wait_at_door(r, now, peer, message);
}

static void knock_message(struct message *pake1, const struct peer *peer)
{
    memset(pake1, 0, sizeof *pake1);
    pake1->type = MESSAGE_PAKE1;
    memcpy(pake1->from, peer->id, sizeof pake1->from);
    pake1->about = peer->knock.about;
    memcpy(pake1->point, peer->knock.point, POINT_LEN);
    memcpy(pake1->commit, peer->knock.commit, COMMIT_LEN);
}

static void want_offer(struct rendezvous *r, uint64_t now, struct run *run, struct notice *notice)
{
    run->announced = true;
    run->began = now;
    run->expires = now + INVITED_MAX_S * NS_PER_S;
    memcpy(notice->event.tls_key, run->handshake.pake.keys.tls, PAKE_KEY_LEN);
    notices_put(&r->notices, notice);
}

void meeting_invite(struct rendezvous *r, uint64_t now, struct peer *peer)
{
    struct message pake1;
    struct message_about own = rendezvous_about(r, now);
    knock_message(&pake1, peer);
    peer->wish = WISH_NOTHING;
    struct run *run = run_new(++r->last_handle);
    if (!run)
        return;
    quota_start(&r->quota, now);
    handshake_invite(&run->handshake, &r->party, &pake1, &own);
    struct notice *notice = meeting_notice(r, RENDEZVOUS_WANT_OFFER, peer, run);
    if (!notice) {
        run_free(run);
        return;
    }
    meeting_note_arrival(r, peer, run);
    peer->invited = run;
    if (peer->asking && peer->asking->reply && peer->asking->handshake.state == HANDSHAKE_ASKED)
        parcel_stop(peer->asking->reply); /* glare that we lose; a pake2 for ours would still be taken */
    want_offer(r, now, run, notice);
}
