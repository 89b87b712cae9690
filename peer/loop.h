/* loop.h - the clock, and waiting for descriptors: the only waiting. */
#ifndef LOOP_H
#define LOOP_H

#include "packet.h"
#include <stdbool.h>

enum { LOOP_FDS_MAX = 32 };

struct loop;

/* NULL: the system refused (errno) or no memory. */
struct loop *loop_new(void);
void loop_free(struct loop *loop);

/* Nanoseconds of a clock that goes on while the machine sleeps, where the system has one; never 0. */
uint64_t loop_now(void);

/* Watches a descriptor for reading; false: the system refused. */
bool loop_watch(struct loop *loop, int fd);
/* Whether it is also watched for writing. */
void loop_watch_write(struct loop *loop, int fd, bool on);
void loop_forget(struct loop *loop, int fd);

/* Readable when a watched descriptor is ready or loop_wake was called: to be polled by somebody else's loop.
 */
int loop_fd(const struct loop *loop);
/* Waits until `deadline` (NEVER: no limit; 0: not at all), a ready descriptor, a wake or a signal, and
 * remembers which descriptors are ready. False: the system refused. */
bool loop_wait(struct loop *loop, uint64_t deadline);
/* Whether `fd` was ready at the last loop_wait; says so once. */
bool loop_is_ready(struct loop *loop, int fd);
/* Whether any was, and has not been asked for. */
bool loop_has_ready(const struct loop *loop);
/* Ends the wait under way, or the next one. From any thread, and from a signal handler. */
void loop_wake(struct loop *loop);
/* Takes back the wakes so far; true: there was one. */
bool loop_woken(struct loop *loop);

#endif
