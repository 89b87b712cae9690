/* quota.h - how many handshakes may begin: a flood of strangers costs us a bounded amount of work, and
 * whoever guesses the secret on line a bounded number of guesses (security.md: flood of hellos, guessing on
 * line). */
#ifndef QUOTA_H
#define QUOTA_H

#include "rendezvous.h"

enum {
    QUOTA_FAILURES_MAX = 10, /* guesses within ... */
    QUOTA_MEMORY_S = 600,    /* ... this time, and handshakes begin only every ... */
    QUOTA_SLOW_S = 6,        /* ... so many seconds */
};

/* Zeroed is ready. */
struct quota {
    uint64_t starts[RENDEZVOUS_STARTS_MAX]; /* when the last ones began, a ring */
    uint64_t failures[QUOTA_FAILURES_MAX];
    unsigned start_count, failure_count; /* ever, so that zeroes are not taken for times */
};

/* The earliest time, `now` or later, at which a handshake may begin. */
uint64_t quota_next(const struct quota *quota, uint64_t now);
void quota_start(struct quota *quota, uint64_t now);
/* A guess was wrong, or was never finished. */
void quota_fail(struct quota *quota, uint64_t now);

#endif
