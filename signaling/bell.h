/* bell.h - what one thread rings so that another's poll() returns: a pipe, of which only that matters whether
 * there is anything in it. */
#ifndef BELL_H
#define BELL_H

#include <stdbool.h>

struct bell {
    int fds[2]; /* -1: none */
};

/* False: the system has no descriptors for it; bell_close is fine all the same. No program that we start
 * inherits it. */
bool bell_open(struct bell *bell);
void bell_close(struct bell *bell);
/* Readable from bell_ring to bell_hush. */
int bell_fd(const struct bell *bell);
/* What bell_ring writes to: who rings in a table of descriptors of its own (worker_seclude) keeps it. */
int bell_ringer(const struct bell *bell);
/* Never blocks; a bell that rings already goes on. */
void bell_ring(const struct bell *bell);
void bell_hush(const struct bell *bell);

#endif
