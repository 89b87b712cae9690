/* punch_canary.h - tells when guessing ports hurts the network that we are in: asks a STUN server meanwhile.
 */
#ifndef PUNCH_CANARY_H
#define PUNCH_CANARY_H

#include "packet.h"
#include "random.h"
#include "stun_msg.h"

enum {
    CANARY_PAUSE_MS = 250,    /* between two questions */
    CANARY_PATIENCE_MS = 500, /* until one counts as lost: more than a round trip */
    CANARY_SLOW = 4,          /* lost in a row: slower. Where every fifth packet is lost anyway, 1 in 60 */
    CANARY_STOP = 8,          /* ... the attempt ends */
};

/* One a node, all zero at first. */
struct canary {
    struct addr local, server; /* family 0: nobody to ask */
    uint8_t id[STUN_ID_LEN];
    bool on, waiting;
    uint64_t due;  /* the next question, or the end of waiting for the answer */
    unsigned lost; /* in a row */
};

/* Whom to ask, and from which of our addresses: a server that has answered there. */
void canary_aim(struct canary *canary, const struct addr *local, const struct addr *server);
/* Whether ports are being guessed. */
void canary_set(struct canary *canary, uint64_t now, bool on);
/* How many questions in a row went unanswered since then. */
unsigned canary_lost(const struct canary *canary);

/* Three of the verbs; whether the datagram was an answer, whether one is to be sent. */
bool canary_input(struct canary *canary, uint64_t now, const struct packet *in);
bool canary_output(struct canary *canary, uint64_t now, const struct random *random, struct packet *out);
uint64_t canary_deadline(const struct canary *canary);

#endif
