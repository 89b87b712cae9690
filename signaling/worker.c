/* worker.c - a thread of our own, with the stack, the signals and the end that all of them have. */
#include "worker.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

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

#ifdef SYS_close_range
enum { CLOSE_AND_UNSHARE = 1 << 1 }; /* CLOSE_RANGE_UNSHARE of linux/close_range.h */

bool worker_seclude(int kept)
{
    /* What is copied must go, too: a pipe of the program's would stay open for as long as we live. */
    if (kept <= STDERR_FILENO || syscall(SYS_close_range, kept + 1, UINT_MAX, CLOSE_AND_UNSHARE) != 0 ||
        syscall(SYS_close_range, 0, kept - 1, 0) != 0)
        return false;
    for (int fd = 0; fd <= STDERR_FILENO; fd++) /* the lowest that is free is taken */
        if (open("/dev/null", O_RDWR | O_CLOEXEC) != fd)
            return false;
    return true;
}
#else
bool worker_seclude(int kept)
{
    (void)kept;
    return false;
}
#endif
