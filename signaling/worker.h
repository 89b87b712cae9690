/* worker.h - a thread of our own, for what blocks in other people's libraries: names, brokers, gateways. */
#ifndef WORKER_H
#define WORKER_H

#include <stdbool.h>

/* Begins run(argument) in a thread that nobody waits for: whoever comes last, it or its owner, frees what
 * they share. It takes no signals: they are the program's, and writing to a dead connection raises SIGPIPE in
 * us. False: the system has no thread for us, and nothing has begun. */
bool worker_start(void *(*run)(void *), void *argument);

#endif
