/* meeting.c - what each message of a peer does to our runs with it.
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

static void notice_set_reason(struct notice *notice, const char *reason)
{
    size_t len = strnlen(reason, REASON_MAX - 1);
    memcpy(notice->text, reason, len);
    notice->text[len] = 0;
    notice->event.text = notice->text;
}

static void show_clear(struct rendezvous *r, const struct peer *peer, const struct run *run, bool outgoing)
{
    rendezvous_show(r, outgoing, peer->id, run, r->party.clear, strlen(r->party.clear));
}

/* Who was in the room first. Both sides compute it from the same two statements, which the tags confirm. */
static void note_arrival(const struct rendezvous *r, struct peer *peer, const struct run *run)
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
    if (!asking || asking->handshake.state != HANDSHAKE_ASKED || !asking->reply)
        return false;
    if (run_is_asking(asking))
        return true;
    if (memcmp(asking->handshake.other.nonce, hello->about.nonce, NONCE_LEN) != 0 ||
        now > asking->reply->last + patience * NS_PER_S)
        return false;
    parcel_again(asking->reply, now);
    return true;
}

void meeting_hello(struct rendezvous *r, uint64_t now, uint32_t broker, const struct message *message)
{
    r->heard++;
    if (!r->slots || !message->about.slots || !purpose_matches(r->purpose, message->about.purpose))
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
    if (peer->session || peer->invited || peer->wish == WISH_KNOCK)
        return;
    if (!is_asked(r, now, peer, message))
        peer->wish = WISH_HELLO;
}

void meeting_ask(struct rendezvous *r, uint64_t now, struct peer *peer)
{
    struct message pake1;
    struct message_about own = rendezvous_about(r, now);
    peer->wish = WISH_NOTHING;
    struct run *run = run_new(++r->last_handle);
    if (!run)
        return;
    quota_start(&r->quota, now);
    handshake_ask(&run->handshake, &r->party, peer->id, &own, &peer->about, &pake1);
    run->reply = parcel_new(&pake1, peer->id, peer->broker, PARCEL_COPIES_MAX);
    parting_drop_asking(peer);
    peer->asking = run;
}

/* ---- pake1 ---- */

/* What is still under its veil cannot tell, and fails later. */
static bool is_for_us(const struct rendezvous *r, const struct message *message)
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
    return peer->session ? now < ours->proven + GLARE_S * NS_PER_S : ours->handshake.state == HANDSHAKE_ASKED;
}

/* Zeros are no memory, though somebody may say them. */
static bool is_used(const uint8_t used[POINT_LEN], const uint8_t point[POINT_LEN])
{
    return !memcmp(used, point, POINT_LEN) && memcmp(used, (uint8_t[POINT_LEN]){0}, POINT_LEN) != 0;
}

/* True: this pake1 begins nothing. */
static bool is_old_knock(struct rendezvous *r, uint64_t now, uint32_t broker, struct peer *peer,
                         const struct message *pake1)
{
    struct run *invited = peer->invited;
    if ((peer->session && same_knock(&peer->session->handshake, pake1)) ||
        is_used(peer->used_pake1, pake1->point)) {
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
 * its owner. */
static void wait_at_door(struct rendezvous *r, struct peer *peer, const struct message *pake1)
{
    struct knock *knock = &peer->knock;
    bool same = peer->wish == WISH_KNOCK && !memcmp(knock->point, pake1->point, POINT_LEN);
    if (peer->wish != WISH_KNOCK)
        knock->rivals = 0;
    if (!same && random_below(r->party.random, ++knock->rivals) == 0) {
        knock->about = pake1->about;
        memcpy(knock->point, pake1->point, POINT_LEN);
        memcpy(knock->commit, pake1->commit, COMMIT_LEN);
    }
    peer->wish = WISH_KNOCK;
}

void meeting_pake1(struct rendezvous *r, uint64_t now, uint32_t broker, const struct message *message)
{
    struct peer *peer = crowd_find(&r->crowd, message->from);
    if (!is_for_us(r, message)) {
        r->stats.stale++;
        return;
    }
    if (peer && is_old_knock(r, now, broker, peer, message))
        return;
    bool room = r->slots || (peer && peer->session);
    peer = room ? crowd_admit(&r->crowd, now, message->from) : NULL;
    if (!peer) {
        r->stats.limited++;
        return;
    }
    peer->about = message->about;
    peer->known |= sightings_note(&r->sightings, now, message->from);
    if (!peer->session)
        peer->broker = broker;
    wait_at_door(r, peer, message);
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
    note_arrival(r, peer, run);
    peer->invited = run;
    if (peer->asking && peer->asking->reply && peer->asking->handshake.state == HANDSHAKE_ASKED)
        parcel_stop(peer->asking->reply); /* glare that we lose; a pake2 for ours would still be taken */
    want_offer(r, now, run, notice);
}

/* ---- proof ---- */

/* The events that a proof may need, allocated before any state moves. */
struct outcome {
    struct notice *main, *replaced, *superseded;
};

static void outcome_discard(struct outcome *outcome)
{
    notice_free(outcome->main);
    notice_free(outcome->replaced);
    notice_free(outcome->superseded);
}

static bool outcome_prepare(struct rendezvous *r, struct peer *peer, struct run *run, struct outcome *outcome)
{
    struct run *other = peer->invited != run ? peer->invited : NULL;
    *outcome = (struct outcome){.main = meeting_notice(r, RENDEZVOUS_PEER, peer, run)};
    if (peer->session)
        outcome->replaced = meeting_notice(r, RENDEZVOUS_BYE, peer, peer->session);
    if (other)
        outcome->superseded = meeting_notice(r, RENDEZVOUS_GONE, peer, other);
    if (outcome->main && (outcome->replaced || !peer->session) && (outcome->superseded || !other))
        return true;
    outcome_discard(outcome);
    return false;
}

/* The run becomes the session; what it replaces ends. */
static void promote(struct rendezvous *r, uint64_t now, struct peer *peer, struct run *run,
                    struct outcome *outcome)
{
    if (peer->session) {
        outcome->replaced->event.proven = true;
        notice_set_reason(outcome->replaced, "started again");
        parting_notify(r, peer->session, outcome->replaced);
        outcome->replaced = NULL;
        peer_end_run(peer, &peer->session);
    }
    if (run == peer->asking) { /* what yielded to it will not be said again, but may be replayed */
        peer->asking = NULL;
        if (memcmp(peer->yielded, (uint8_t[POINT_LEN]){0}, POINT_LEN) != 0)
            memcpy(peer->used_pake1, peer->yielded, POINT_LEN);
    }
    if (peer->invited && run != peer->invited) {
        parting_notify(r, peer->invited, outcome->superseded);
        outcome->superseded = NULL;
        run_free(peer->invited);
    }
    peer->invited = NULL;
    parting_drop_asking(peer);
    peer->session = run;
    run->proven = now;
    peer->failures = 0;
    if (peer->wish == WISH_HELLO)
        peer->wish = WISH_NOTHING;
    rendezvous_pace(r, now);
}

static bool same_machine(const struct rendezvous *r, const struct run *run,
                         const struct description *description)
{
    uint8_t expected[16];
    enum pake_role role = run->handshake.pake.role == PAKE_INITIATOR ? PAKE_RESPONDER : PAKE_INITIATOR;
    if (!r->have_machine)
        return false;
    handshake_machine(&run->handshake, role, r->machine, expected);
    uint8_t differ = 0; /* constant time: each byte is looked at */
    for (size_t i = 0; i < sizeof expected; i++)
        differ |= expected[i] ^ description->machine[i];
    return !differ;
}

/* How long a message takes: half the time from our first copy to the answer. With a lost copy this is too
 * much by an eighth of a second or so, never too little; the peer's own work is in it. */
static uint64_t one_way(const struct run *run, uint64_t now)
{
    return run->reply && run->reply->sent ? (now - run->reply->began) / 2 : 0;
}

static void announce(struct rendezvous *r, uint64_t now, struct peer *peer, struct run *run,
                     const struct body *body, uint64_t delay, struct outcome *outcome)
{
    struct notice *notice = outcome->main;
    const struct handshake *handshake = &run->handshake;
    notice->description = body->description;
    notice->event.description = &notice->description;
    notice->event.same_machine = same_machine(r, run, &body->description);
    notice->event.delay = delay;
    memcpy(notice->event.purpose, handshake->other.purpose, sizeof notice->event.purpose);
    memcpy(notice->event.tls_key, handshake->pake.keys.tls, PAKE_KEY_LEN);
    pake_words(&handshake->pake, handshake->reveal_a, handshake->reveal_b, notice->event.words);
    outcome->main = NULL;
    run->announced = true;
    promote(r, now, peer, run, outcome);
    notices_put(&r->notices, notice);
}

/* The peer said busy or bye, in pake2, pake3 or later. The caller ends the run. */
static void notify_declined(struct rendezvous *r, struct run *run, const struct body *body,
                            struct notice *notice)
{
    notice->event.type = body->type == BODY_BUSY ? RENDEZVOUS_BUSY : RENDEZVOUS_BYE;
    notice->event.proven = true;
    notice_set_reason(notice, body->reason);
    parting_notify(r, run, notice);
}

/* ---- pake2 ---- */

static void confirm(struct rendezvous *r, struct peer *peer, struct run *run, struct body *body)
{
    struct message pake3;
    parcel_free(run->reply);
    run->reply = NULL;
    if (!handshake_confirm(&run->handshake, &r->party, body, &pake3))
        return;
    if (body)
        show_clear(r, peer, run, true);
    /* An answer is repeated until the responder's first sealed message, or as often as its pake2 comes again.
     */
    bool answers = run->handshake.state == HANDSHAKE_PROVEN;
    run->reply = parcel_new(&pake3, peer->id, peer->broker, answers ? PARCEL_COPIES_MAX : 1);
}

/* The pake2 that a run of ours has taken already: its pake3 was lost. */
static bool is_old_answer(uint64_t now, uint32_t broker, struct peer *peer, const struct message *pake2)
{
    struct run *runs[] = {peer->session, peer->asking};
    for (size_t i = 0; i < 2; i++) {
        struct run *run = runs[i];
        if (!run || run->handshake.pake.role != PAKE_INITIATOR || run->handshake.state == HANDSHAKE_ASKED ||
            memcmp(run->handshake.pake.peer, pake2->point, POINT_LEN))
            continue;
        if (run->reply && run->handshake.state != HANDSHAKE_ACCEPTED &&
            !memcmp(run->handshake.other_tag, pake2->tag, TAG_LEN))
            parcel_repeat(run->reply, now, broker);
        return true;
    }
    return is_used(peer->used_pake2, pake2->point);
}

static bool is_answer_to(const struct rendezvous *r, const struct run *run, const struct message *pake2)
{
    return run && run->handshake.state == HANDSHAKE_ASKED && is_for_us(r, pake2);
}

/* pake1 was made with another nonce than the peer says it has: somebody forged or altered its hello, or this.
 * No guess is spent on it; what it says is taken for a hello. */
static bool asks_anew(struct rendezvous *r, struct peer *peer, const struct message *pake2)
{
    if (!*pake2->about.purpose || !memcmp(peer->asking->handshake.other.nonce, pake2->about.nonce, NONCE_LEN))
        return false;
    r->stats.stale++;
    peer->about = pake2->about;
    if (peer->wish == WISH_NOTHING && peer->about.slots)
        peer->wish = WISH_HELLO;
    return true;
}

static void take_answer(struct rendezvous *r, uint64_t now, struct peer *peer, const struct message *pake2,
                        struct outcome *outcome)
{
    struct run *run = peer->asking;
    struct body body;
    uint64_t delay = one_way(run, now);
    enum verdict verdict = handshake_accept(&run->handshake, &r->party, pake2, &body);
    note_arrival(r, peer, run);
    if (verdict != VERDICT_GOOD) {
        confirm(r, peer, run, NULL);
        parting_fail(r, now, peer, run, outcome->main);
        outcome->main = NULL;
        return;
    }
    show_clear(r, peer, run, false);
    if (body.type == BODY_OFFER) {
        parcel_free(run->reply);
        run->reply = NULL;
        announce(r, now, peer, run, &body, delay, outcome);
        return;
    }
    confirm(r, peer, run, NULL);
    notify_declined(r, run, &body, outcome->main);
    outcome->main = NULL;
}

void meeting_pake2(struct rendezvous *r, uint64_t now, uint32_t broker, const struct message *message)
{
    struct outcome outcome;
    struct peer *peer = crowd_find(&r->crowd, message->from);
    if (peer && is_old_answer(now, broker, peer, message)) {
        r->stats.replayed++;
        return;
    }
    if (!peer || !is_answer_to(r, peer->asking, message)) {
        r->stats.stale++;
        return;
    }
    if (asks_anew(r, peer, message))
        return;
    if (!quota_may_show(&r->quota, now, crowd_invited(&r->crowd))) {
        r->stats.limited++;
        return;
    }
    if (!outcome_prepare(r, peer, peer->asking, &outcome))
        return;
    peer->broker = broker;
    take_answer(r, now, peer, message, &outcome);
    outcome_discard(&outcome);
}

/* ---- pake3 ---- */

/* We refused while pake2 was under way; now somebody proved to be there to hear it. */
static void dismiss(struct rendezvous *r, struct peer *peer, struct run *run, enum verdict verdict)
{
    if (verdict == VERDICT_GOOD && run->farewell)
        parting_farewell(r, peer, run, run->farewell);
    peer_end_run(peer, &peer->invited);
}

static void take_proof(struct rendezvous *r, uint64_t now, struct peer *peer, const struct message *pake3,
                       struct outcome *outcome)
{
    struct run *run = peer->invited;
    struct body body;
    uint64_t delay = one_way(run, now);
    enum verdict verdict = handshake_prove(&run->handshake, &r->party, pake3, &body);
    if (verdict == VERDICT_GOOD)
        show_clear(r, peer, run, false);
    bool failed = verdict == VERDICT_BAD || (verdict == VERDICT_EMPTY && !run->declined);
    if (failed && (pake3->sealed_len || verdict == VERDICT_EMPTY)) /* it may have a session: it was altered */
        parting_farewell(r, peer, run, &(struct body){.type = BODY_FAILED});
    if (failed) {
        parting_fail(r, now, peer, run, outcome->main);
        outcome->main = NULL;
    } else if (run->declined) {
        dismiss(r, peer, run, verdict);
    } else if (body.type == BODY_ANSWER) {
        parcel_free(run->reply);
        run->reply = NULL;
        announce(r, now, peer, run, &body, delay, outcome);
    } else {
        notify_declined(r, run, &body, outcome->main);
        outcome->main = NULL;
        peer_end_run(peer, &peer->invited);
    }
}

void meeting_pake3(struct rendezvous *r, uint64_t now, uint32_t broker, const struct message *message)
{
    struct outcome outcome;
    (void)broker;
    struct peer *peer = crowd_find(&r->crowd, message->from);
    struct run *session = peer ? peer->session : NULL;
    if (session && session->handshake.pake.role == PAKE_RESPONDER &&
        !memcmp(session->handshake.other_tag, message->tag, TAG_LEN)) {
        r->stats.replayed++;
        return;
    }
    if (!peer || !peer->invited || peer->invited->handshake.state != HANDSHAKE_ANSWERED) {
        r->stats.stale++;
        return;
    }
    if (!outcome_prepare(r, peer, peer->invited, &outcome))
        return;
    take_proof(r, now, peer, message, &outcome);
    outcome_discard(&outcome);
}

/* ---- what follows ---- */

static void take_body(struct rendezvous *r, uint64_t now, struct peer *peer, const struct body *body,
                      struct notice *notice)
{
    if (body->type == BODY_CANDIDATES) {
        notice->event.type = RENDEZVOUS_CANDIDATES;
        notice->description = body->description;
        notice->event.description = &notice->description;
        notices_put(&r->notices, notice);
    } else if (body->type == BODY_BUSY || body->type == BODY_BYE) {
        notify_declined(r, peer->session, body, notice);
        peer_end_run(peer, &peer->session);
        rendezvous_pace(r, now);
    } else if (body->type == BODY_FAILED) { /* our pake3 was altered on its way */
        parting_fail(r, now, peer, peer->session, notice);
        peer_end_run(peer, &peer->session);
        rendezvous_pace(r, now);
    } else {
        r->stats.stale++;
        notice_free(notice);
    }
}

void meeting_sealed(struct rendezvous *r, uint64_t now, uint32_t broker, const struct message *message)
{
    struct body body;
    (void)broker;
    struct peer *peer = crowd_find(&r->crowd, message->from);
    struct run *session = peer ? peer->session : NULL;
    if (!session) { /* perhaps before its pake3: not kept, it will be repeated */
        r->stats.stale++;
        return;
    }
    if (handshake_replayed(&session->handshake, message->sequence)) {
        r->stats.replayed++;
        return;
    }
    struct notice *notice = meeting_notice(r, RENDEZVOUS_CANDIDATES, peer, session);
    if (!notice)
        return;
    if (!handshake_open(&session->handshake, &r->party, message, &body)) {
        r->stats.failed++;
        notice_free(notice);
        return;
    }
    show_clear(r, peer, session, false);
    take_body(r, now, peer, &body, notice);
}

void meeting_bye(struct rendezvous *r, uint64_t now, uint32_t broker, const struct message *message)
{
    (void)broker;
    struct peer *peer = crowd_find(&r->crowd, message->from);
    if (peer && peer->wish == WISH_HELLO)
        peer->wish = WISH_NOTHING;
    if (!peer || !peer->session) {
        r->stats.stale++;
        return;
    }
    if (now < peer->hint) {
        r->stats.limited++;
        return;
    }
    struct notice *notice = meeting_notice(r, RENDEZVOUS_BYE, peer, peer->session);
    if (!notice)
        return;
    peer->hint = now + HINT_S * NS_PER_S;
    notice_set_reason(notice, "");
    notices_put(&r->notices, notice);
}

/* ---- what the user says ---- */

void rendezvous_describe(struct rendezvous *r, uint64_t now, peer_handle handle,
                         const struct description *own)
{
    struct peer *peer;
    struct run *run;
    struct body body = {.type = BODY_OFFER};
    struct message pake2;
    r->now = now;
    if (!crowd_handle(&r->crowd, handle, &peer, &run))
        return;
    body.description = *own;
    memcpy(body.description.name, r->name, sizeof body.description.name);
    memset(body.description.machine, 0, sizeof body.description.machine);
    if (r->have_machine)
        handshake_machine(&run->handshake, run->handshake.pake.role, r->machine, body.description.machine);
    if (run->handshake.state == HANDSHAKE_ACCEPTED) {
        body.type = BODY_ANSWER;
        confirm(r, peer, run, &body);
    } else if (run->handshake.state == HANDSHAKE_INVITED &&
               handshake_answer(&run->handshake, &r->party, &body, &pake2)) {
        show_clear(r, peer, run, true);
        run->reply = parcel_new(&pake2, peer->id, peer->broker, PARCEL_COPIES_MAX);
    }
}

void rendezvous_send_candidates(struct rendezvous *r, uint64_t now, peer_handle handle,
                                const struct description *more)
{
    struct peer *peer;
    struct run *run;
    struct body body = {.type = BODY_CANDIDATES};
    struct message sealed;
    r->now = now;
    if (!crowd_handle(&r->crowd, handle, &peer, &run) || more->candidate_count > CANDIDATES_MAX)
        return;
    /* As the responder also before pake3: the offer was said under the same keys. */
    if (run->handshake.state != HANDSHAKE_PROVEN && run->handshake.state != HANDSHAKE_ANSWERED)
        return;
    body.description = *more;
    if (!handshake_seal(&run->handshake, &r->party, &body, &sealed))
        return;
    show_clear(r, peer, run, true);
    struct parcel *parcel = parcel_new(&sealed, peer->id, peer->broker, PARCEL_COPIES_MAX);
    if (parcel)
        run_post(run, parcel);
}

void rendezvous_settle(struct rendezvous *r, peer_handle handle)
{
    struct peer *peer;
    struct run *run;
    if (!crowd_handle(&r->crowd, handle, &peer, &run))
        return;
    run_drop_mail(run);
    if (run == peer->session && run->reply)
        parcel_stop(run->reply); /* kept: the responder may yet ask for it */
}
