/* proof.c - pake2, pake3 and the session that comes of them, or what there is instead. */
#include "meeting.h"

#include <string.h>

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

static void confirm(struct rendezvous *r, struct peer *peer, struct run *run, struct body *body)
{
    struct message pake3;
    parcel_free(run->reply);
    run->reply = NULL;
    if (!handshake_confirm(&run->handshake, &r->party, body, &pake3))
        return;
    if (body)
        meeting_show(r, peer, run, true);
    /* An answer is repeated until the responder's first sealed message, or as often as its pake2 comes again.
     */
    bool answers = run->handshake.state == HANDSHAKE_PROVEN;
    run->reply = parcel_new(&pake3, peer->id, peer->broker, answers ? PARCEL_COPIES_MAX : 1);
}

/* ---- pake2 ---- */

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
    return meeting_is_used(peer->used_pake2, pake2->point);
}

static bool is_answer_to(const struct rendezvous *r, const struct run *run, const struct message *pake2)
{
    return run_awaits_answer(run) && meeting_is_for_us(r, pake2);
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
    meeting_note_arrival(r, peer, run);
    if (verdict != VERDICT_GOOD) {
        confirm(r, peer, run, NULL);
        parting_fail(r, now, peer, run, outcome->main);
        outcome->main = NULL;
        return;
    }
    meeting_show(r, peer, run, false);
    rush_answered(r, run, now);
    if (body.type == BODY_OFFER) {
        parcel_free(run->reply);
        run->reply = NULL;
        announce(r, now, peer, run, &body, delay, outcome);
        return;
    }
    confirm(r, peer, run, NULL);
    parting_declined(r, run, &body, outcome->main);
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
    if (verdict == VERDICT_GOOD) {
        meeting_show(r, peer, run, false);
        rush_answered(r, run, now);
    }
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
        parting_declined(r, run, &body, outcome->main);
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
        meeting_show(r, peer, run, true);
        run->reply = parcel_new(&pake2, peer->id, peer->broker, PARCEL_COPIES_MAX);
    }
}
