/* signals.h - Ctrl-C and its like, noted and let in only while we wait. */
#ifndef SIGNALS_H
#define SIGNALS_H

#include <signal.h>

/* From here on SIGINT, SIGTERM and SIGHUP are noted rather than deadly, and SIGPIPE is ignored. What was
 * ignored when we started (nohup, a background job) stays ignored. A read that waits ends with EINTR. */
void signals_begin(void);
/* From here on they are let in only with the mask *during, which is for ppoll: none is missed between looking
 * and waiting. */
void signals_hold(sigset_t *during);
/* The number of the last one noted; 0: none. */
int signals_caught(void);
void signals_forget(void);
/* From here on each ends the program at once, with 128 and its number: what is left may wait for a disk. */
void signals_end_at_once(void);

#endif
