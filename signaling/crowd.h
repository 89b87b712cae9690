/* crowd.h - everybody in the room we have heard of, and our runs with them. Inside signaling/ only. */
#ifndef CROWD_H
#define CROWD_H

#include "handshake.h"
#include "parcel.h"

enum {
    RUN_MAIL_MAX =
        8, /* sealed messages of one run that are being repeated; a ninth takes the place of the first */
    ARRIVAL_MS = 750, /* so long a proven peer that is not connected keeps a place from others: one that
                          lives is connected then, or by way of the broker; ... */
    PROOF_MS = 250,   /* ... and one so long whose pake1 we answered: two ways over most brokers are shorter,
                         and strangers who never prove anything must not take the last place for long */
};

/* One run with one peer, and the session that it becomes. */
struct run {
    struct handshake handshake;
    peer_handle handle;
    bool announced;        /* the user has an event with this handle, and none that ended it */
    bool parked;           /* ASKED, but no answer counts until we ask with the same pake1 again */
    bool declined;         /* we refused after pake2 had begun: pake3 is answered with `farewell` */
    struct body *farewell; /* NULL: pake2 said it already */
    struct parcel *reply;  /* pake1, pake2 or pake3, whichever we said last */
    struct parcel *mail;   /* sealed messages */
    uint64_t proven;       /* when it became the session */
    bool arrived;          /* connected: it has its place */
    uint64_t began;        /* ASKED: when it had its turn; INVITED: when we took pake1 */
    uint64_t expires;      /* INVITED, ANSWERED: pake3 must have come by then */
};

enum wish { WISH_NOTHING, WISH_HELLO, WISH_KNOCK };

/* A pake1 that waits for its turn. */
struct knock {
    struct message_about about;
    uint8_t point[POINT_LEN], commit[COMMIT_LEN];
    uint32_t rivals; /* how many different ones came under this id since one was served, or fell silent */
    uint64_t heard;  /* when this one was last said */
};

struct peer {
    char id[PEER_ID_LEN + 1];
    struct message_about about; /* of its latest hello or pake1 */
    uint64_t heard;             /* when it last said one */
    bool known;                 /* it spoke before, a while ago (sightings.h) */
    uint32_t broker;            /* bit of the broker over which it answered first; 0: none yet */
    uint32_t relayed_by;        /* bit of the broker that last brought a packet of it; 0: none has */
    enum wish wish;             /* what we have not answered yet */
    struct knock knock;
    struct run
        *asking; /* we sent pake1. The two directions are apart, so that a forged pake1 cannot end our own */
    struct run *invited;        /* it sent pake1 */
    struct run *session;        /* proven */
    unsigned failures;          /* runs with it that failed, one after the other */
    uint64_t turn;              /* WISH_HELLO: others may answer it first, so not before this time */
    unsigned full_before;       /* WISH_HELLO: how many had said then that they are full */
    uint64_t retry;             /* after a failure, not before this time */
    unsigned declined;          /* times that we turned it away */
    uint64_t put_off;           /* ... so that it is not met before this time */
    uint64_t hint;              /* no unproven bye is passed on before this time */
    bool met, later;            /* `later` is known since the first pake1 and pake2 */
    uint8_t yielded[POINT_LEN]; /* of the pake1 that lost against ours */
    uint8_t used_pake1[POINT_LEN], used_pake2[POINT_LEN]; /* of the last run that ended: copies are replays */
};

struct crowd {
    struct peer peers[RENDEZVOUS_PEERS_MAX];
    size_t used; /* places from here on were never taken: a room of two looks at two */
};

/* NULL: unknown. */
struct peer *crowd_find(struct crowd *crowd, const char *id);
/* Finds it or gives it a place. Who was asked and has not answered makes way first, then who is merely
 * present, then who knocks; who is known makes way after all strangers; the oldest first. NULL: nobody can.
 */
struct peer *crowd_admit(struct crowd *crowd, uint64_t now, const char *id);
/* The peer and the run that `handle` means; false: neither, or the handle has ended. */
bool crowd_handle(struct crowd *crowd, peer_handle handle, struct peer **peer, struct run **run);
/* Those who were turned away may be met again at once. */
void crowd_forgive(struct crowd *crowd);
unsigned crowd_sessions(const struct crowd *crowd);
/* When fewer than `places` are on their way from a proof to a connection: `now`, or as soon as one of them
 * has had its time. */
uint64_t crowd_place(const struct crowd *crowd, uint64_t now, unsigned places);
/* Whether somebody waits for its pake1 to be answered. */
bool crowd_knocks(const struct crowd *crowd);
/* Handshakes that wait for a pake3: each may be a guess at the secret. */
unsigned crowd_invited(const struct crowd *crowd);

/* NULL: no memory. */
struct run *run_new(peer_handle handle);
void run_free(struct run *run); /* wipes; NULL is fine */
/* Whether it is ours, and a pake2 for it counts. */
bool run_awaits_answer(const struct run *run); /* NULL: no */
/* Whether pake1 is still being repeated. */
bool run_is_asking(const struct run *run);
void run_post(struct run *run, struct parcel *parcel);
void run_drop_mail(struct run *run);
/* Frees the run and remembers its points as used. */
void peer_end_run(struct peer *peer, struct run **run);
void peer_leave(struct peer *peer);

#endif
