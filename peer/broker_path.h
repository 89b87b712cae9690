/* broker_path.h - the way through the broker: when it is taken and left, how fast, whether the peer still
 * answers there. */
#ifndef BROKER_PATH_H
#define BROKER_PATH_H

#include "bucket.h"
#include "packet.h"
#include "quic.h"

enum {
    BROKER_PATH_WAIT_MS = 150, /* after the descriptions, so that what answers at once is not preceded ... */
    BROKER_PATH_DELAYS = 3,    /* ... or so many signalling delays, where that is longer (design.md) */
    BROKER_PATH_PAYLOAD = 1200,
    BROKER_PATH_OVERHEAD = 96, /* bytes of topic, sender and MQTT around a packet: the broker carries them */
    BROKER_PATH_BURST = 8192,  /* at least, so that a handshake and a line of chat leave at once */
    BROKER_PATH_TAKE_S = 4,    /* what arrives may be so many seconds late all at once; more is a flood */
    BROKER_PATH_PING_S = 15,   /* an idle peer is asked so often whether it lives */
    BROKER_PATH_ASK_S = 3,     /* unanswered for so long it is asked again: QUIC repeats data, not that */
    BROKER_PATH_QUIET_S = 25, /* who was not heard for so long, by any way, is sent nothing: what is under way
                                 then has come before consent is over (RFC 7675 5.1: 30 s) */
    BROKER_PATH_SILENT_S = 30,  /* unanswered for so long: stalled */
    BROKER_PATH_FORGET_S = 120, /* ... and so long: lost (design.md) */
    BROKER_PATH_GOODBYE_S = 5,  /* after a will it answers within this, or it is lost */
    BROKER_PATH_FAIL_S = 10,    /* who was never heard there, is not there */
    BROKER_PATH_DOUBT_S = 2,    /* a path that has been silent for so long is left for the broker's ... */
    BROKER_PATH_HINT_MS = 500,  /* ... or for so long, when the peer comes by the broker already */
    BROKER_PATH_SEEK_S = 20,    /* better ones are sought again after this, doubling ... */
    BROKER_PATH_SEEK_MAX_S = 320,
};

struct broker_path {
    bool allowed;                /* both sides' rates are above 0 */
    bool up;                     /* a broker of ours is connected */
    uint64_t risen;              /* ... since then, or was */
    bool used;                   /* packets go there now */
    bool there;                  /* the peer has been heard there since it was taken */
    bool stalled;                /* nobody is heard there (yet), or no broker is up */
    bool quiet;                  /* the peer is silent on every way: nothing is sent to it */
    uint64_t from;               /* it may be taken from then on */
    uint64_t taken;              /* when it last was */
    uint64_t silent;             /* since when it has been stalled */
    uint64_t asked;              /* when it last was asked for a sign of life again */
    uint64_t goodbye;            /* when a will of the peer came, and nothing after it; 0: none */
    uint64_t failed;             /* when all pairs of addresses had failed; NEVER: not yet */
    uint64_t seek_at, seek_next; /* when better ones are sought again, and the pause after that */
    struct bucket send, take;
    struct bucket *shared; /* of all peers together */
    uint64_t flooded;      /* packets that came too fast: dropped */
};

/* What it must know of the rest of the connection. */
struct broker_view {
    /* A pair of addresses carries packets: NEVER, while it is in no doubt; 0: none does. */
    uint64_t direct_until;
    uint64_t heard; /* when the peer last proved, in whatever way, that it is there */
    struct quic_info quic;
};

enum broker_turn {
    BROKER_TURN_NONE,
    BROKER_TURN_TAKEN,   /* packets go through the broker from now on; nobody has been heard there yet */
    BROKER_TURN_THERE,   /* the peer is heard there, or is again */
    BROKER_TURN_LEFT,    /* something better carries them */
    BROKER_TURN_STALLED, /* nobody is heard there any more */
    BROKER_TURN_ASK,     /* time to ask the peer for a sign of life once more */
    BROKER_TURN_SEEK,    /* time to look for something better */
    BROKER_TURN_LOST,    /* the peer is gone */
    BROKER_TURN_NOBODY,  /* it has never been heard: there is no path at all */
};

/* `shared` outlives it. */
void broker_path_init(struct broker_path *path, struct bucket *shared);
/* Both sides allow `rate` bytes a second (0: one does not); `delay`: one way over the broker, ns, 0 unknown.
 */
void broker_path_allow(struct broker_path *path, uint64_t now, uint64_t rate, uint64_t delay);
/* Nothing else will work, or the peer is there already: without waiting. */
void broker_path_hurry(struct broker_path *path, uint64_t now);
void broker_path_set_up(struct broker_path *path, uint64_t now, bool up);
/* A bucket for `rate`, as all of this file have it. */
struct bucket broker_path_bucket(uint64_t rate);

/* When the next full packet may leave; NEVER: there is no way. */
uint64_t broker_path_ready(const struct broker_path *path);
void broker_path_sent(struct broker_path *path, uint64_t now, size_t len);
/* Whether a packet may be taken: not in a flood. Only what then proves to be the peer's counts: forgeries do
 * not use its share up. */
bool broker_path_takes(struct broker_path *path, uint64_t now, size_t len);
void broker_path_took(struct broker_path *path, uint64_t now, size_t len);

/* What changes now: to be drained until NONE; and when to ask again. */
enum broker_turn broker_path_turn(struct broker_path *path, uint64_t now, const struct broker_view *view);
uint64_t broker_path_deadline(const struct broker_path *path, const struct broker_view *view);

#endif
