/* loop_set.h - many descriptors as one: which of them are ready, and a descriptor that says that some are.
 * Part of loop.
 *
 * Through epoll on Linux (loop_set.c), through poll elsewhere and with -DP2P_NO_EPOLL (loop_set_poll.c). */
#ifndef LOOP_SET_H
#define LOOP_SET_H

#include <stdbool.h>
#include <stdint.h>

enum loop_set_what {
    LOOP_SET_READ = 1,  /* there is something to read, the end of it, or an error */
    LOOP_SET_WRITE = 2, /* there is room, or an error */
    LOOP_SET_EDGES = 4, /* with the two above: each is told of once, until loop_set_again */
};

struct loop_set_ready {
    uintptr_t tag;
    unsigned what; /* LOOP_SET_READ, LOOP_SET_WRITE or both */
};

struct loop_set;

/* NULL: the system refused (errno) or no memory. */
struct loop_set *loop_set_new(void);
void loop_set_free(struct loop_set *set);

/* `tag` is for loop_set_wait. False: the system refused, or no memory. */
bool loop_set_add(struct loop_set *set, int fd, unsigned what, uintptr_t tag);
/* For one that is in the set. */
bool loop_set_change(struct loop_set *set, int fd, unsigned what, uintptr_t tag);
/* To be called before `fd` is closed. */
void loop_set_remove(struct loop_set *set, int fd);
/* Of one with LOOP_SET_EDGES: reading or writing found that it is over, so tell of the next time. */
void loop_set_again(struct loop_set *set, int fd, unsigned what);

/* Readable while anything is ready that loop_set_wait has not told of; -1: the system refused. */
int loop_set_fd(struct loop_set *set);
/* Waits for at most `timeout_ns` (UINT64_MAX: no limit; 0: not at all); how many were written, or -1 with
 * errno. */
int loop_set_wait(struct loop_set *set, struct loop_set_ready *out, int max, uint64_t timeout_ns);

#endif
