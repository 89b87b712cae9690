/* worker.c - a thread of our own, with the stack, the signals and the end that all of them have. */
#include "worker.h"

#include <pthread.h>
#include <signal.h>

/* Instead of some 8 MiB. getaddrinfo's modules take some 100 KiB, TLS and miniupnpc less. */
enum { STACK_BYTES = 256 * 1024 };

bool worker_start(void *(*run)(void *), void *argument)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* a thread begins with the signals of who makes it */
    bool started = pthread_create(&thread, &attributes, run, argument) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return started;
}
