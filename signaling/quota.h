/* quota.h - how many handshakes may begin: a flood of strangers costs us a bounded amount of work, and
 * whoever guesses the secret on line a bounded number of guesses (security.md: flood of hellos, guessing on
 * line).
 *
 * A guess is a handshake that showed the other side one of our tags and then failed, or was never finished.
 * Handshakes that may still become one ("open") are counted with those that did. */
#ifndef QUOTA_H
#define QUOTA_H

#include "rendezvous.h"

enum {
    QUOTA_MINUTE_MAX = 10, /* guesses in any ... */
    QUOTA_MINUTE_S = 60,   /* ... of these: the promise */
    QUOTA_QUICK = 4,  /* that many are nothing unusual (a secret mistyped, a peer that vanished); from then
                         on handshakes begin only every ... */
    QUOTA_SLOW_S = 6, /* ... so many seconds, so that the minute's ten are spread over the minute and
                         whoever comes in it has a chance at some; until no more than that ... */
    QUOTA_MEMORY_S = 600, /* ... lie within this time */
};

/* Zeroed is ready; `has_guesses` is set by the owner: in an open room there is nothing to guess. */
struct quota {
    uint64_t starts[RENDEZVOUS_STARTS_MAX]; /* when the last ones began, a ring */
    uint64_t guesses[QUOTA_MINUTE_MAX];     /* when the last ones were made, a ring */
    unsigned start_count, guess_count;      /* ever, so that zeroes are not taken for times */
    bool has_guesses;
};

/* The earliest time, `now` or later, at which a handshake may begin while `open` ones are under way. */
uint64_t quota_next(const struct quota *quota, uint64_t now, unsigned open);
void quota_start(struct quota *quota, uint64_t now);
/* Whether handshakes begin slowly. */
bool quota_is_slow(const struct quota *quota, uint64_t now, unsigned open);
/* Whether a tag may be shown to somebody unproven now. */
bool quota_may_show(const struct quota *quota, uint64_t now, unsigned open);
/* A guess was made `at` this time, and was wrong or left unfinished. True: handshakes begin slowly from now
 * on, and did not before. */
bool quota_guess(struct quota *quota, uint64_t at);

#endif
