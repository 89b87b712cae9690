/* stun_txn.h - one STUN request over UDP and its retransmissions (RFC 8489 6.2.1). */
#ifndef STUN_TXN_H
#define STUN_TXN_H

#include "random.h"
#include "stun_msg.h"

/* A plain value without resources; zero it to have one that is not running. */
struct stun_txn {
    uint8_t id[STUN_ID_LEN];
    bool running;
    unsigned sends;     /* copies sent so far */
    unsigned sends_max; /* Rc of RFC 8489 */
    uint64_t first_sent, last_sent;
    uint64_t rto;      /* ns until the next copy; doubles ... */
    uint64_t rto_max;  /* ... up to this; NEVER unless set after stun_txn_start */
    uint64_t deadline; /* when the next copy, or the failure, is due */
};

/* Begins a transaction with a fresh id; its first copy is due at once. `rto` in ns, `sends_max` copies at
 * most; after the last one it waits for as long as it waited before it, then it has failed. */
void stun_txn_start(struct stun_txn *txn, uint64_t now, uint64_t rto, unsigned sends_max,
                    const struct random *random);

/* Whether a copy must be sent now; if so it is counted as sent. */
bool stun_txn_send(struct stun_txn *txn, uint64_t now);
/* Whether every copy went unanswered for long enough; then it is no longer running. */
bool stun_txn_failed(struct stun_txn *txn, uint64_t now);
/* Whether `id` is this running transaction's; then it is no longer running, and *rtt is the time since the
 * copy that was probably answered: the last one, or the first when the answer came sooner than any round trip
 * could be. */
bool stun_txn_answered(struct stun_txn *txn, uint64_t now, const uint8_t id[STUN_ID_LEN], uint64_t *rtt);
void stun_txn_stop(struct stun_txn *txn);
/* NEVER when it is not running. */
uint64_t stun_txn_deadline(const struct stun_txn *txn);

#endif
