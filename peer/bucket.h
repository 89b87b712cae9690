/* bucket.h - so many bytes a second, and some at once: a token bucket. */
#ifndef BUCKET_H
#define BUCKET_H

#include <stdint.h>

struct bucket {
    uint64_t rate;    /* bytes a second, above 0 */
    uint64_t burst;   /* bytes that may go at once after a pause */
    uint64_t full_at; /* when it is full again, ns */
};

/* When `bytes` (at most `burst`) may go: now where that has passed. */
uint64_t bucket_ready(const struct bucket *bucket, uint64_t bytes);
/* They went. More than there were make the next ones wait the longer. */
void bucket_take(struct bucket *bucket, uint64_t now, uint64_t bytes);

#endif
