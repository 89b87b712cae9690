/* bucket.c - so many bytes a second, and some at once: a token bucket.
 *
 * Kept as the one moment at which it is full again: nothing has to be counted up as time passes, and nothing
 * is lost to rounding. */
#include "bucket.h"
#include "packet.h"

static uint64_t time_of(const struct bucket *bucket, uint64_t bytes)
{
    return bytes * NS_PER_S / bucket->rate;
}

uint64_t bucket_ready(const struct bucket *bucket, uint64_t bytes)
{
    uint64_t early = time_of(bucket, bucket->burst - bytes);
    return bucket->full_at > early ? bucket->full_at - early : 0;
}

void bucket_take(struct bucket *bucket, uint64_t now, uint64_t bytes)
{
    if (bucket->full_at < now)
        bucket->full_at = now;
    bucket->full_at += time_of(bucket, bytes);
}
