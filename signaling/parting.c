/* parting.c - how runs end: refused, said goodbye to, forgotten, failed. A run that has ended for the user
 * may have to live on for the peer's sake, who is owed a pake3 or a word. */
#include "meeting.h"
#include <stdlib.h>
#include <string.h>

enum {
    DECLINED_S = 5,         /* who was turned away is not met again before ... */
    DECLINED_DOUBLINGS = 4, /* ... twice as long each time, up to 80 s */
};

void parting_notify(struct rendezvous *r, struct run *run, struct notice *notice)
{
    bool known = run->announced || notice->event.type == RENDEZVOUS_FAILED ||
                 notice->event.type == RENDEZVOUS_BUSY || notice->event.type == RENDEZVOUS_BYE;
    run->announced = false;
    if (known && !run->declined)
        notices_put(&r->notices, notice);
    else
        notice_free(notice);
}

void parting_declined(struct rendezvous *r, struct run *run, const struct body *body, struct notice *notice)
{
    notice->event.type = body->type == BODY_BUSY ? RENDEZVOUS_BUSY : RENDEZVOUS_BYE;
    notice->event.proven = true;
    memcpy(notice->event.name, body->description.name, sizeof notice->event.name);
    notice_set_reason(notice, body->reason);
    parting_notify(r, run, notice);
}

void parting_drop_asking(struct peer *peer)
{
    if (peer->asking && peer->asking->handshake.state == HANDSHAKE_OVER) {
        peer_end_run(peer, &peer->asking);
        return;
    }
    run_free(peer->asking);
    peer->asking = NULL;
}

static void park(struct run *run)
{
    run->parked = true;
    if (run->reply)
        parcel_stop(run->reply);
}

/* From here on handshakes begin slowly. What was asked before does not count but for the newest, among which
 * a newcomer's may be: the answers to it could fill the minute. */
static void slow_down(struct rendezvous *r)
{
    struct peer *peers = r->crowd.peers;
    for (size_t i = 0; i < r->crowd.used; i++) {
        unsigned newer = 0; /* handles count up */
        for (size_t n = 0; run_awaits_answer(peers[i].asking) && n < r->crowd.used; n++)
            newer += run_awaits_answer(peers[n].asking) && peers[n].asking->handle > peers[i].asking->handle;
        if (newer >= ASKED_KEPT)
            park(peers[i].asking);
    }
}

void parting_guess(struct rendezvous *r, uint64_t now, const struct peer *peer, const struct run *run)
{
    bool initiator = run == peer->asking;
    if ((initiator || run->handshake.state == HANDSHAKE_ANSWERED) &&
        quota_guess(&r->quota, initiator ? now : run->began))
        slow_down(r);
}

static uint64_t retry_time(struct peer *peer, uint64_t now)
{
    unsigned doublings = peer->failures < RETRY_DOUBLINGS ? peer->failures : RETRY_DOUBLINGS;
    peer->failures++;
    return now + (RETRY_S * NS_PER_S << doublings);
}

/* Whom we turned away once is met again, for there may be room then, but not at each of its hellos: every
 * time costs both sides a PAKE and, in the one that it is told of, the user a line. */
static void put_off(struct peer *peer, uint64_t now)
{
    unsigned doublings = peer->declined < DECLINED_DOUBLINGS ? peer->declined : DECLINED_DOUBLINGS;
    peer->declined++;
    peer->put_off = now + (DECLINED_S * NS_PER_S << doublings);
}

/* An initiator's run stays, to give its pake3 to every pake2 that comes again. */
void parting_fail(struct rendezvous *r, uint64_t now, struct peer *peer, struct run *run,
                  struct notice *notice)
{
    r->stats.failed++;
    parting_guess(r, now, peer, run);
    peer->retry = retry_time(peer, now);
    notice->event.type = RENDEZVOUS_FAILED;
    notice->event.later = peer->later;
    parting_notify(r, run, notice);
    if (run == peer->invited)
        peer_end_run(peer, &peer->invited);
}

void parting_farewell(struct rendezvous *r, struct peer *peer, struct run *run, const struct body *body)
{
    struct message sealed;
    if (!handshake_seal(&run->handshake, &r->party, body, &sealed))
        return;
    rendezvous_show(r, true, peer->id, run, r->party.clear, strlen(r->party.clear));
    struct parcel *parcel = parcel_new(&sealed, peer->id, peer->broker, FAREWELL_COPIES);
    struct parcel **at = &r->farewells;
    size_t count = 0;
    for (; *at; at = &(*at)->next)
        count++;
    *at = parcel;
    if (count < FAREWELLS_MAX)
        return;
    parcel = r->farewells;
    r->farewells = parcel->next;
    parcel_free(parcel);
}

/* As much of `reason` as fits, never half a character of UTF-8. */
static void body_decline(struct body *body, enum body_type type, const char *reason)
{
    memset(body, 0, sizeof *body);
    body->type = type;
    size_t len = reason ? strnlen(reason, sizeof body->reason) : 0;
    if (len == sizeof body->reason)
        for (len--; len && ((uint8_t)reason[len] & 0xc0) == 0x80;)
            len--;
    if (len)
        memcpy(body->reason, reason, len);
}

/* pake2 has not been said: it says busy or bye instead of an offer. */
static void decline_knock(struct rendezvous *r, struct peer *peer, struct run *run, const struct body *body)
{
    struct message pake2;
    if (!handshake_answer(&run->handshake, &r->party, body, &pake2))
        return;
    rendezvous_show(r, true, peer->id, run, r->party.clear, strlen(r->party.clear));
    run->reply = parcel_new(&pake2, peer->id, peer->broker, PARCEL_COPIES_MAX);
    run->declined = true;
}

/* pake2 held an offer: the word follows when pake3 shows that there is somebody to hear it. */
static void decline_answered(struct run *run, const struct body *body)
{
    run->declined = true;
    run->farewell = malloc(sizeof *run->farewell);
    if (run->farewell)
        *run->farewell = *body;
    run_drop_mail(run);
}

/* pake3 has not been said: it says busy or bye instead of an answer. */
static void decline_accepted(struct rendezvous *r, struct peer *peer, struct run *run, struct body *body)
{
    struct message pake3;
    if (handshake_confirm(&run->handshake, &r->party, body, &pake3)) {
        rendezvous_show(r, true, peer->id, run, r->party.clear, strlen(r->party.clear));
        run->reply = parcel_new(&pake3, peer->id, peer->broker, 1);
    }
    parting_drop_asking(peer);
    peer->asking = run;
    peer->session = NULL;
}

static void decline(struct rendezvous *r, uint64_t now, peer_handle handle, enum body_type type,
                    const char *reason)
{
    struct peer *peer;
    struct run *run;
    struct body body;
    r->now = now;
    if (!crowd_handle(&r->crowd, handle, &peer, &run))
        return;
    body_decline(&body, type, reason);
    if (type == BODY_BUSY)
        memcpy(body.description.name, r->name, sizeof body.description.name);
    run->announced = false;
    if (type == BODY_BUSY)
        put_off(peer, now);
    switch (run->handshake.state) {
    case HANDSHAKE_INVITED:
        decline_knock(r, peer, run, &body);
        break;
    case HANDSHAKE_ANSWERED:
        decline_answered(run, &body);
        break;
    case HANDSHAKE_ACCEPTED:
        decline_accepted(r, peer, run, &body);
        break;
    default:
        parting_farewell(r, peer, run, &body);
        peer_end_run(peer, &peer->session);
    }
    rendezvous_pace(r, now);
}

void rendezvous_refuse(struct rendezvous *r, uint64_t now, peer_handle peer, const char *reason)
{
    decline(r, now, peer, BODY_BUSY, reason);
}

void rendezvous_bye(struct rendezvous *r, uint64_t now, peer_handle peer, const char *reason)
{
    decline(r, now, peer, BODY_BYE, reason);
}

void rendezvous_forget(struct rendezvous *r, uint64_t now, peer_handle handle)
{
    struct peer *peer;
    struct run *run;
    r->now = now;
    if (!crowd_handle(&r->crowd, handle, &peer, &run))
        return;
    if (run == peer->session) {
        presence_note(&r->presence, now, peer->id, false);
        peer_end_run(peer, &peer->session);
    } else { /* its pake1 may come again: that run was never finished */
        run_free(run);
        peer->invited = NULL;
    }
    rendezvous_pace(r, now);
}
