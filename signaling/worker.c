/* worker.c - a thread of our own, with the stack, the signals and the end that all of them have. */
#include "worker.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
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

#ifdef P2P_SANITIZED
#include <sanitizer/common_interface_defs.h>

static int reports = -1;

static void move_reports(void)
{
    reports = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (reports >= 0)
        __sanitizer_set_report_fd((void *)(intptr_t)reports);
}

/* What a sanitizer finds in a secluded thread must be seen: from the first one on all reports go to a copy of
 * standard error, which is in every table. -1: there is none. (gcc's libubsan has a number of its own, which
 * cannot be set; clang's reports all come.) */
static int reports_kept(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, move_reports);
    return reports;
}
#else
static int reports_kept(void)
{
    return -1;
}
#endif

static bool close_from(unsigned first, unsigned last, unsigned flags)
{
    return first > last || syscall(SYS_close_range, first, last, flags) == 0;
}

/* What is copied must go, too: a pipe of the program's would stay open for as long as we live. */
static bool close_all_but(unsigned low, unsigned high)
{
    return close_from(high + 1, UINT_MAX, CLOSE_AND_UNSHARE) && close_from(low + 1, high - 1, 0) &&
           close_from(0, low - 1, 0);
}

bool worker_seclude(int kept)
{
    if (kept <= STDERR_FILENO)
        return false;
    int also = reports_kept();
    if (also < 0)
        also = kept;
    if (!close_all_but((unsigned)(kept < also ? kept : also), (unsigned)(kept < also ? also : kept)))
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
