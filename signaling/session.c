/* session.c - what a proven peer says, and what we say to it, until one of the two says goodbye. */
#include "meeting.h"

#include <string.h>

static void take_body(struct rendezvous *r, uint64_t now, struct peer *peer, const struct body *body,
                      struct notice *notice)
{
    if (body->type == BODY_CANDIDATES) {
        notice->event.type = RENDEZVOUS_CANDIDATES;
        notice->description = body->description;
        notice->event.description = &notice->description;
        notices_put(&r->notices, notice);
    } else if (body->type == BODY_BUSY || body->type == BODY_BYE) {
        presence_note(&r->presence, now, peer->id, false);
        parting_declined(r, peer->session, body, notice);
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
    meeting_show(r, peer, session, false);
    take_body(r, now, peer, &body, notice);
}

void meeting_bye(struct rendezvous *r, uint64_t now, uint32_t broker, const struct message *message)
{
    (void)broker;
    struct peer *peer = crowd_find(&r->crowd, message->from);
    if (peer)
        answer_withhold(r, now, peer);
    presence_note(&r->presence, now, message->from, false); /* if it is there, its next hello says so */
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
    meeting_show(r, peer, run, true);
    struct parcel *parcel = parcel_new(&sealed, peer->id, peer->broker, PARCEL_COPIES_MAX);
    if (parcel)
        run_post(run, parcel);
}

void rendezvous_arrived(struct rendezvous *r, peer_handle handle)
{
    struct peer *peer;
    struct run *run;
    if (crowd_handle(&r->crowd, handle, &peer, &run))
        run->arrived = true;
}

void rendezvous_settle(struct rendezvous *r, peer_handle handle)
{
    struct peer *peer;
    struct run *run;
    if (!crowd_handle(&r->crowd, handle, &peer, &run))
        return;
    run_drop_mail(run);
    run->arrived = true;
    if (run == peer->session && run->reply)
        parcel_stop(run->reply); /* kept: the responder may yet ask for it */
}
