/* quota.c - how many handshakes may begin. A log of times rather than a bucket: a bucket of 20 that refills
 * with 20 a second lets 40 through in its first. */
#include "quota.h"
#include "packet.h"

/* Guesses at `after` or later; the ring knows of no more than QUOTA_MINUTE_MAX. */
static unsigned guesses_since(const struct quota *quota, uint64_t after)
{
    unsigned known = quota->guess_count < QUOTA_MINUTE_MAX ? quota->guess_count : QUOTA_MINUTE_MAX;
    unsigned count = 0;
    for (unsigned i = 0; i < known; i++)
        count += quota->guesses[i] > after;
    return count;
}

static uint64_t before(uint64_t now, uint64_t seconds)
{
    return now > seconds * NS_PER_S ? now - seconds * NS_PER_S : 0;
}

bool quota_may_show(const struct quota *quota, uint64_t now, unsigned open)
{
    return !quota->has_guesses || guesses_since(quota, before(now, QUOTA_MINUTE_S)) + open < QUOTA_MINUTE_MAX;
}

bool quota_is_slow(const struct quota *quota, uint64_t now, unsigned open)
{
    return quota->has_guesses && guesses_since(quota, before(now, QUOTA_MEMORY_S)) + open >= QUOTA_QUICK;
}

/* When the oldest guess of the last minute leaves it. */
static uint64_t minute_ends(const struct quota *quota, uint64_t now)
{
    uint64_t oldest = now;
    for (unsigned i = 0; i < QUOTA_MINUTE_MAX; i++)
        if (quota->guesses[i] > before(now, QUOTA_MINUTE_S) && quota->guesses[i] < oldest)
            oldest = quota->guesses[i];
    return oldest + QUOTA_MINUTE_S * NS_PER_S;
}

uint64_t quota_next(const struct quota *quota, uint64_t now, unsigned open)
{
    uint64_t at = now;
    if (quota->start_count >= RENDEZVOUS_STARTS_MAX)
        at = later(at, quota->starts[quota->start_count % RENDEZVOUS_STARTS_MAX] + NS_PER_S);
    if (quota->start_count && quota_is_slow(quota, now, open))
        at = later(at,
                   quota->starts[(quota->start_count - 1) % RENDEZVOUS_STARTS_MAX] + QUOTA_SLOW_S * NS_PER_S);
    if (!quota_may_show(quota, now, open))
        at = later(at, minute_ends(quota, now));
    return at;
}

void quota_start(struct quota *quota, uint64_t now)
{
    quota->starts[quota->start_count++ % RENDEZVOUS_STARTS_MAX] = now;
}

bool quota_guess(struct quota *quota, uint64_t at)
{
    bool was_slow = quota_is_slow(quota, at, 0);
    quota->guesses[quota->guess_count++ % QUOTA_MINUTE_MAX] = at;
    return !was_slow && quota_is_slow(quota, at, 0);
}
