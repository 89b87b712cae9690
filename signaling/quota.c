/* quota.c - how many handshakes may begin. A log of times rather than a bucket: a bucket of 20 that refills
 * with 20 a second lets 40 through in its first. */
#include "quota.h"
#include "packet.h"

static bool guessed_too_often(const struct quota *quota, uint64_t now)
{
    if (quota->failure_count < QUOTA_FAILURES_MAX)
        return false;
    uint64_t oldest = quota->failures[quota->failure_count % QUOTA_FAILURES_MAX];
    return now < oldest + QUOTA_MEMORY_S * NS_PER_S;
}

uint64_t quota_next(const struct quota *quota, uint64_t now)
{
    uint64_t at = now;
    if (quota->start_count >= RENDEZVOUS_STARTS_MAX) {
        uint64_t oldest = quota->starts[quota->start_count % RENDEZVOUS_STARTS_MAX];
        if (oldest + NS_PER_S > at)
            at = oldest + NS_PER_S;
    }
    if (quota->start_count && guessed_too_often(quota, now)) {
        uint64_t last = quota->starts[(quota->start_count - 1) % RENDEZVOUS_STARTS_MAX];
        if (last + QUOTA_SLOW_S * NS_PER_S > at)
            at = last + QUOTA_SLOW_S * NS_PER_S;
    }
    return at;
}

void quota_start(struct quota *quota, uint64_t now)
{
    quota->starts[quota->start_count++ % RENDEZVOUS_STARTS_MAX] = now;
}

void quota_fail(struct quota *quota, uint64_t now)
{
    quota->failures[quota->failure_count++ % QUOTA_FAILURES_MAX] = now;
}
