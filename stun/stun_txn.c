/* stun_txn.c - one STUN request over UDP and its retransmissions (RFC 8489 6.2.1).
 * Left out: the smoothed round trip of RFC 6298. Our requests are few and far between; who knows the round
 * trip starts with it. */
#include "stun_txn.h"
#include "packet.h"
#include <assert.h>
#include <string.h>

/* An answer this soon after a retransmission was on its way before it: where round trips are shorter, on one
 * machine or one network, it is rare that anything must be sent again. */
static const uint64_t RTT_MIN = 1 * NS_PER_MS;

void stun_txn_start(struct stun_txn *txn, uint64_t now, uint64_t rto, unsigned sends_max,
                    const struct random *random)
{
    assert(sends_max > 0);
    *txn = (struct stun_txn){
        .running = true, .sends_max = sends_max, .rto = rto, .rto_max = NEVER, .deadline = now};
    random->fill(random->context, txn->id, sizeof txn->id);
}

static uint64_t after(uint64_t now, uint64_t wait)
{
    return wait < NEVER - now ? now + wait : NEVER;
}

bool stun_txn_send(struct stun_txn *txn, uint64_t now)
{
    if (!txn->running || txn->sends == txn->sends_max || now < txn->deadline)
        return false;
    if (txn->sends == 0)
        txn->first_sent = now;
    else if (txn->sends + 1 < txn->sends_max)
        txn->rto = earlier(after(txn->rto, txn->rto), txn->rto_max);
    txn->last_sent = now;
    txn->sends++;
    txn->deadline = after(now, txn->rto);
    return true;
}

bool stun_txn_failed(struct stun_txn *txn, uint64_t now)
{
    if (!txn->running || txn->sends < txn->sends_max || now < txn->deadline)
        return false;
    txn->running = false;
    return true;
}

bool stun_txn_answered(struct stun_txn *txn, uint64_t now, const uint8_t id[STUN_ID_LEN], uint64_t *rtt)
{
    if (!txn->running || txn->sends == 0 || memcmp(txn->id, id, STUN_ID_LEN) != 0)
        return false;
    txn->running = false;
    *rtt = now - txn->last_sent;
    if (*rtt < RTT_MIN)
        *rtt = now - txn->first_sent;
    return true;
}

void stun_txn_stop(struct stun_txn *txn)
{
    txn->running = false;
}

uint64_t stun_txn_deadline(const struct stun_txn *txn)
{
    return txn->running ? txn->deadline : NEVER;
}
