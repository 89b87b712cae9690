/* worker.h - a thread of our own, for what blocks in other people's libraries: names, brokers, gateways. */
#ifndef WORKER_H
#define WORKER_H

#include <stdbool.h>

/* Begins run(argument) in a thread that nobody waits for: whoever comes last, it or its owner, frees what
 * they share. It takes no signals: they are the program's, and writing to a dead connection raises SIGPIPE in
 * us. False: the system has no thread for us, and nothing has begun. */
bool worker_start(void *(*run)(void *), void *argument);

/* For a library that writes to standard error: from here on the calling thread has a table of descriptors of
 * its own, with `kept` (above 2) as the only one of the program's, and 0 to 2 are /dev/null. The program
 * keeps its own. What a sanitizer has to say reaches the program's standard error all the same
 * (P2P_SANITIZED). False: this system cannot (Linux before 5.9, or no /dev/null); do without that library. */
bool worker_seclude(int kept);

#endif
