/* ice_consent.c - whether the peer still lives: consent, suspicion, silence, the end (RFC 7675).
 *
 * A pair that has answered is verified now and then: ICE_VERIFY_COPIES quick copies of one check. The path
 * every 5 s, one spare every 15 s. RFC 7675 5.1 sends consent checks without retransmission; ours are a
 * superset, for at 30 % loss every second single check goes unanswered.
 *
 *   path verified -> again in 5 s
 *   path silent, or somebody suspects -> rounds in which every pair that ever answered is verified
 *       the path answers: all is well. Another does, the path does not: it takes over.
 *       nobody does: further rounds, less and less often
 *       nobody does, and we were told goodbye: over after SUSPICION_ROUNDS
 *   30 s without an answer on any pair -> stalled: nothing is sent until the peer's check revives us
 *   120 s -> lost */
#include "ice_internal.h"

enum {
    SPARE_S = 15,          /* below the 20 s of the shortest mappings */
    SUSPECTS_MAX = 8,      /* pairs verified in a round */
    SUSPICION_ROUNDS = 3,  /* of 3 copies each: at 30 % loss 1 in 400 of these would be a false alarm */
    NOBODY_MS = 3000,      /* lasts a round without a pair to ask: our address has changed, say */
    BACKOFF_MS = 500,      /* between rounds, doubling */
    BACKOFF_MAX_MS = 2000, /* a network that comes back is noticed within this */
    RETRY_S = 5,           /* a pair that worked and was better than the path is tried again, doubling */
    RETRY_MAX_S = 60,
};

static uint64_t backoff(uint64_t first, unsigned times, uint64_t most)
{
    while (times-- > 0 && first < most)
        first *= 2;
    return earlier(first, most);
}

uint64_t ice_consent_next(struct ice *ice, uint64_t now)
{
    uint64_t spread_ms = random_below(ice->config.random, 400 * ICE_CONSENT_S);
    return now + (800 * ICE_CONSENT_S + spread_ms) * NS_PER_MS;
}

/* ---- suspicion ---- */

static void suspicion_end(struct ice *ice)
{
    ice->suspicious = ice->goodbye = false;
    ice->suspicion_at = NEVER;
}

/* The path first, then whoever answered last. */
static struct ice_pair *next_suspect(struct ice *ice)
{
    struct ice_pair *best = NULL;
    ICE_EACH_PAIR(ice, pair)
    {
        if (!pair->answered || pair->suspect)
            continue;
        if (pair == ice->path)
            return pair;
        if (!best || pair->proof > best->proof)
            best = pair;
    }
    return best;
}

static void suspicion_round(struct ice *ice, uint64_t now)
{
    ice->suspicion_at = NEVER;
    ice->suspects = 0;
    ICE_EACH_PAIR(ice, pair)
    {
        pair->suspect = false;
    }
    for (unsigned i = 0; i < SUSPECTS_MAX; i++) {
        struct ice_pair *pair = next_suspect(ice);
        if (!pair)
            break;
        pair->suspect = true;
        ice_check_verify(ice, now, pair);
        ice->suspects++;
    }
}

void ice_consent_suspect(struct ice *ice, uint64_t now, bool goodbye)
{
    if (!ice->proven || ice->lost)
        return;
    if (now >= ice->proof + ICE_NEWS_S * NS_PER_S)
        goodbye = false;
    if (ice->stalled || (ice->suspicious && (!goodbye || ice->goodbye)))
        return;
    if (!ice->suspicious)
        ice->suspicious_since = now;
    ice->suspicious = true;
    ice->goodbye = goodbye;
    ice->suspicion_rounds = 0;
    suspicion_round(ice, now);
}

static void round_over(struct ice *ice, uint64_t now)
{
    if (ice->goodbye && ++ice->suspicion_rounds >= SUSPICION_ROUNDS) {
        ice->lost = true;
        suspicion_end(ice);
        ice_tell(ice, ICE_LOST);
        return;
    }
    uint64_t wait = backoff(BACKOFF_MS, ice->suspicion_rounds, BACKOFF_MAX_MS) * NS_PER_MS;
    if (!ice->goodbye)
        ice->suspicion_rounds++;
    if (ice->goodbye)
        wait = ice->suspects ? 0 : NOBODY_MS * NS_PER_MS;
    ice->suspicion_at = now + wait;
}

static bool round_runs(const struct ice *ice)
{
    ICE_EACH_PAIR(ice, pair)
    {
        if (pair->suspect && pair->txn.running)
            return true;
    }
    return false;
}

/* Ends: after a round comes a wait, or the end; a round of nobody is over at once, and the wait is longer. */
static void suspicion_tick(struct ice *ice, uint64_t now)
{
    while (ice->suspicious)
        if (ice->suspicion_at == NEVER && !round_runs(ice))
            round_over(ice, now);
        else if (now >= ice->suspicion_at)
            suspicion_round(ice, now);
        else
            break;
}

/* ---- evidence ---- */

void ice_consent_answered(struct ice *ice, uint64_t now, struct ice_pair *pair)
{
    ice->proven = true;
    ice->stalled = false;
    ice->proof = now;
    ice->fail_at = NEVER;
    ice->goodbye = false;
    if (pair == ice->path)
        suspicion_end(ice);
}

/* Heard is not consent (RFC 7675 5.1 wants an answer to our own question), but nobody who speaks is gone. */
void ice_consent_heard(struct ice *ice, uint64_t now)
{
    ice->goodbye = false;
    if (ice->suspicion_at != NEVER)
        ice->suspicion_at = now;
}

/* A pair that worked once and was better than what we have may work again. */
static void retry_later(struct ice *ice, uint64_t now, struct ice_pair *pair)
{
    if (ice->path && pair->answered && pair->state == PAIR_FAILED && pair->kind < ice->path->kind)
        pair->verify_at = now + backoff(RETRY_S, pair->failures, RETRY_MAX_S) * NS_PER_S;
}

void ice_consent_moved(struct ice *ice, uint64_t now)
{
    suspicion_end(ice);
    ICE_EACH_PAIR(ice, pair)
    {
        retry_later(ice, now, pair);
    }
}

void ice_consent_failed(struct ice *ice, uint64_t now, struct ice_pair *pair)
{
    if (pair != ice->path) {
        pair->state = PAIR_FAILED;
        retry_later(ice, now, pair);
        pair->failures++;
        ice_choice_spare(ice);
        return;
    }
    ice->path_doubted = true;
    ice_consent_suspect(ice, now, false);
    ice_choice_replace(ice, now,
                       ice->suspicious_since); /* if nobody else answers it stays until consent expires */
}

/* ---- time ---- */

/* RFC 7675 5.1: without consent nothing is sent. Only a check of the peer, new candidates or a restart wake
 * us. */
void ice_consent_stall(struct ice *ice)
{
    ICE_EACH_PAIR(ice, pair)
    {
        stun_txn_stop(&pair->txn);
        pair->state = PAIR_FAILED;
        pair->triggered = pair->suspect = false;
        pair->verify_at = NEVER;
    }
    ice->path = ice->spare = ice->nominated = ice->successor = NULL;
    suspicion_end(ice);
    ice->stalled = true;
    ice_tell(ice, ICE_STALLED);
}

static void verify_due(struct ice *ice, uint64_t now)
{
    if (ice->spare && ice->spare->verify_at == NEVER)
        ice->spare->verify_at = ice->spare->proof + SPARE_S * NS_PER_S;
    ICE_EACH_PAIR(ice, pair)
    {
        if (now >= pair->verify_at && !pair->txn.running)
            ice_check_verify(ice, now, pair);
    }
}

void ice_consent_tick(struct ice *ice, uint64_t now)
{
    if (!ice->proven)
        return;
    if (!ice->stalled && now >= ice->proof + ICE_CONSENT_EXPIRES_S * NS_PER_S)
        ice_consent_stall(ice);
    if (now >= ice->proof + ICE_FORGET_S * NS_PER_S) {
        ice->lost = true;
        ice_tell(ice, ICE_LOST);
        return;
    }
    suspicion_tick(ice, now);
    verify_due(ice, now);
}

uint64_t ice_consent_deadline(const struct ice *ice)
{
    if (!ice->proven || ice->lost)
        return NEVER;
    uint64_t at = ice->proof + (ice->stalled ? ICE_FORGET_S : ICE_CONSENT_EXPIRES_S) * NS_PER_S;
    at = earlier(at, ice->suspicion_at);
    ICE_EACH_PAIR(ice, pair)
    {
        if (!pair->txn.running)
            at = earlier(at, pair->verify_at);
    }
    return at;
}
