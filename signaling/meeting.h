/* meeting.h - the inside of a rendezvous, shared by the files that make it up:
 *   rendezvous.c  the four verbs: hellos, brokers, what arrives, what leaves
 *   meeting.c     how a meeting begins: hellos and pake1
 *   proof.c       pake2, pake3 and the session that comes of them
 *   session.c     what is said from then on
 *   parting.c     how runs end: refused, said goodbye to, forgotten, replaced, failed
 *   relay.c       packets of proven peers, by way of the broker
 *   answer.c      when a hello is answered, where many could do it
 *   rush.c        how much is under way where many meet at once, and when it is said again
 *   turns.c       whose turn it is when more want to meet than may, and who has waited too long */
#ifndef MEETING_H
#define MEETING_H

#include "crowd.h"
#include "notice.h"
#include "packet.h"
#include "presence.h"
#include "quota.h"
#include "sightings.h"
#include "withheld.h"

enum {
    INVITED_MAX_S = 4, /* the last pake2 leaves after 2 s, later in a rush; pake3 has as long again */
    WISH_MAX_S =
        20,      /* a hello or knock that waited longer is forgotten: the peer has said another meanwhile */
    GLARE_S = 5, /* so long after a proof the losing pake1 of a glare may arrive: its copies leave within 2 s,
                    in a rush 5 */
    ASKED_MAX_S = 10, /* so long after our last pake1 no pake2 for it is under way any more ... */
    ASKED_SLOW_S = WISH_MAX_S + INVITED_MAX_S, /* ... but where somebody guesses it may wait for its turn */
    ASKED_KEPT = 4, /* peers that were asked last, when guesses slow us down: with QUOTA_QUICK that is no
                       minute's ten */
    RETRY_S = 6, /* a peer with which a run failed is not tried before (security.md: one run every 6 s) ... */
    RETRY_DOUBLINGS = 6, /* ... twice as long after each further failure, up to 6.4 minutes: its secret cannot
                            change, but whoever altered its messages may stop */
    HELLO_CROWD_MS = 750, /* who has met two, or one who has met another, says hello once more, so long after
                             or twice that: somebody may have missed the first, and would hear the next 15 s
                             later. In a room of two it is not said */
    HELLO_SHARE =
        300, /* in a flood, which has as many hellos in 4 s as so many a second are, one of so many is ours,
                ... */
    HELLO_FLOODED_MAX = 1800, /* ... a minute long, then one a second, and for each second without a flood
                                one more again: else hundreds of honest peers, once a flood has made them say
                                so many, would be one to each other for ever */
    HELLO_FLOODED_MS =
        33, /* ... but no more than 30 a second: whoever draws from the flood at random finds us */
    FULL_GAP_MS = 1000, /* that no place is left is said at most this often, whoever knocks */
    HINT_S = 5,         /* an unproven goodbye of one peer is passed on this often: anybody can forge it */
    FAREWELLS_MAX = SLOTS_MAX,
    FAREWELL_COPIES = 2, /* of busy and bye: they may be lost, consent notices too */
};

struct rendezvous {
    struct party party;
    struct quota quota;
    struct sightings sightings;
    struct presence presence;
    struct withheld withheld;
    struct crowd crowd;
    struct notices notices;
    struct rendezvous_stats stats;
    char name[PEER_NAME_MAX + 1], purpose[PURPOSE_MAX + 1];
    uint8_t nonce[NONCE_LEN]; /* one for all our runs: the other's nonce and both ids make the sid differ */
    uint8_t machine[32];
    bool have_machine, serves, picks;
    unsigned slots, brokers;
    char hello_topic[TOPIC_MAX], inbox_topic[TOPIC_MAX];
    uint64_t now; /* of the latest call */

    uint32_t connected; /* bit n: broker n */
    uint32_t greeted;   /* the first hello was addressed to it, or a later one */
    uint32_t greet;     /* connected again: a hello is due there */
    bool said;          /* the first hello is out */
    bool was_connected;
    uint64_t entered; /* the room: the first connection */
    bool company;     /* somebody is proven */
    bool crowded;     /* ... and two have been, or who is has met another: HELLO_CROWD_MS */
    uint64_t hello_due;
    unsigned hello_step;              /* doublings of the interval so far */
    uint64_t hello_said;              /* when the last one left */
    uint64_t flood_paid;              /* when those said for there was a flood are paid for, one a second */
    unsigned heard;                   /* hellos of others since then, ... */
    unsigned heard_now, heard_before; /* ... in this span of some seconds, and in the one before */
    uint64_t counted_from;            /* when this one began */
    uint64_t answered;                /* when the last good proof came, 0: none has ... */
    uint64_t answer_took;             /* ... and how long they take of late, from what we said first */
    bool tell_full;                   /* somebody knocked although no place is left: a hello says so */
    uint64_t full_said;               /* when one did last */
    unsigned full_heard;              /* how many such hellos others of our purpose have said */

    struct parcel *farewells; /* of runs that are forgotten already */
    peer_handle last_handle;
    bool trace;
};

/* rendezvous.c */
struct message_about rendezvous_about(const struct rendezvous *r, uint64_t now);
/* Sessions began or ended: hellos become rarer, or frequent again. */
void rendezvous_pace(struct rendezvous *r, uint64_t now);
/* There are three of us, or more: hello is said once more, until we have been alone again. */
void rendezvous_crowd(struct rendezvous *r, uint64_t now);
/* `text` is what is inside the seal or the whole message. `run` may be NULL. */
void rendezvous_show(struct rendezvous *r, bool outgoing, const char *id, const struct run *run,
                     const char *text, size_t len);

/* What arrives; `broker` is the bit of the one that brought the message. meeting.c: */
void meeting_hello(struct rendezvous *r, uint64_t now, uint32_t broker, const struct message *message);
void meeting_pake1(struct rendezvous *r, uint64_t now, uint32_t broker, const struct message *message);
/* proof.c: */
void meeting_pake2(struct rendezvous *r, uint64_t now, uint32_t broker, const struct message *message);
void meeting_pake3(struct rendezvous *r, uint64_t now, uint32_t broker, const struct message *message);
/* session.c: */
void meeting_sealed(struct rendezvous *r, uint64_t now, uint32_t broker, const struct message *message);
void meeting_bye(struct rendezvous *r, uint64_t now, uint32_t broker, const struct message *message);

/* meeting.c */
/* Answers a hello with pake1, and a pake1 with a wish for our offer. Both grant the peer's wish. */
void meeting_ask(struct rendezvous *r, uint64_t now, struct peer *peer);
void meeting_invite(struct rendezvous *r, uint64_t now, struct peer *peer);
/* A blank event about this run; see notice_new. */
struct notice *meeting_notice(const struct rendezvous *r, enum rendezvous_event_type type,
                              const struct peer *peer, const struct run *run);
/* Traces what was last sealed or opened. */
void meeting_show(struct rendezvous *r, const struct peer *peer, const struct run *run, bool outgoing);
/* Who was in the room first. Both sides compute it from the same two statements, which the tags confirm. */
void meeting_note_arrival(const struct rendezvous *r, struct peer *peer, const struct run *run);
/* What is still under its veil cannot tell, and fails later. */
bool meeting_is_for_us(const struct rendezvous *r, const struct message *message);
/* Whether this point is the one remembered. Zeros are no memory, though somebody may say them. */
bool meeting_is_used(const uint8_t used[POINT_LEN], const uint8_t point[POINT_LEN]);

/* parting.c */
void parting_fail(struct rendezvous *r, uint64_t now, struct peer *peer, struct run *run,
                  struct notice *notice);
/* The run failed or was left unfinished: if we had shown it a tag, that was a guess. */
void parting_guess(struct rendezvous *r, uint64_t now, const struct peer *peer, const struct run *run);
/* The run ends for the user too, with this event. */
void parting_notify(struct rendezvous *r, struct run *run, struct notice *notice);
/* Seals busy or bye and leaves it to be delivered when the run is no more. */
void parting_farewell(struct rendezvous *r, struct peer *peer, struct run *run, const struct body *body);
/* The peer said busy or bye, in pake2, pake3 or later: `notice` is about that. The caller ends the run. */
void parting_declined(struct rendezvous *r, struct run *run, const struct body *body, struct notice *notice);
void parting_drop_asking(struct peer *peer);

/* answer.c */
/* A word in the peer's name says that it needs no answer of ours that still waits for its turn. */
void answer_withhold(struct rendezvous *r, uint64_t now, struct peer *peer);
/* A hello was heard. */
void answer_count(struct rendezvous *r, uint64_t now);
/* Whether far more hellos are heard than so many peers as there seem to be would say. */
bool answer_is_flooded(struct rendezvous *r, uint64_t now);
/* We are full, and enough others have told this peer that they are. */
bool answer_is_spared(const struct rendezvous *r, const struct peer *peer);
/* When to answer the hello of who has so many `places`; `alike`: its purpose is ours. */
uint64_t answer_time(struct rendezvous *r, uint64_t now, unsigned places, bool alike);

/* rush.c */
/* A good proof answers what this run said. */
void rush_answered(struct rendezvous *r, const struct run *run, uint64_t now);
/* When one more peer may be asked: `now`, or as soon as one of those that were has had its time. An answer
 * makes it sooner. */
uint64_t rush_ask_time(const struct rendezvous *r, uint64_t now);
/* When the next copy of a pake1, pake2 or pake3 leaves. */
uint64_t rush_due(const struct rendezvous *r, const struct parcel *reply);

/* turns.c */
void turns_take(struct rendezvous *r, uint64_t now);
uint64_t turns_deadline(const struct rendezvous *r);

#endif
