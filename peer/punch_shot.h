/* punch_shot.h - the list of shots that an attempt is. */
#ifndef PUNCH_SHOT_H
#define PUNCH_SHOT_H

#include "path_memory.h"
#include "punch_plan.h"

/* What the list follows from; nothing of it changes within an attempt but what is learnt of the peer's NAT.
 */
struct punch_aim {
    struct punch_plan plan;
    enum path_strategy strategy;      /* that has worked before */
    unsigned attempt;                 /* this one, from 1; 0: none yet */
    struct nat_behavior theirs;       /* now ... */
    struct nat_behavior target;       /* ... and, for PUNCH_MEET, at the beginning: all aim at one port */
    struct scatter scatter, anywhere; /* of the plan's ports; of all */
};

struct punch_shot {
    unsigned socket; /* 0: the main one, else the n-th extra one, from 1 */
    uint16_t port;   /* of the peer's external address */
    bool low;        /* TTL: it opens our own gateways and dies before the peer's */
    unsigned at;     /* ms after the beginning, at the earliest */
};

/* The `i`-th shot, from 0. False: there is none, and none after it. */
bool punch_shot(const struct punch_aim *aim, unsigned i, struct punch_shot *shot);
/* How many extra sockets the shots from the `i`-th one on need. */
unsigned punch_shot_sockets(const struct punch_aim *aim, unsigned i);

/* Whether, so many ns after the beginning, what the list begins with has had its time, or has failed once. */
bool punch_shot_is_late(const struct punch_aim *aim, uint64_t after);

#endif
