/* signals.c - Ctrl-C and its like, noted and let in only while we wait. */
#include "signals.h"

#include <stddef.h>
#include <unistd.h>

static const int ours[] = {SIGINT, SIGTERM, SIGHUP};
enum { OURS = sizeof ours / sizeof *ours, EXIT_BY_SIGNAL = 128 };

static volatile sig_atomic_t caught;
static sigset_t taken; /* those of `ours` that were not ignored */

static void note(int number)
{
    caught = number;
}

void signals_begin(void)
{
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&taken);
    for (size_t i = 0; i < OURS; i++) {
        struct sigaction before, action = {.sa_handler = note}; /* no SA_RESTART: a question must end too */
        sigaction(ours[i], NULL, &before);
        if (before.sa_handler == SIG_IGN)
            continue;
        sigaction(ours[i], &action, NULL);
        sigaddset(&taken, ours[i]);
    }
}

void signals_hold(sigset_t *during)
{
    sigprocmask(SIG_BLOCK, &taken, during);
    for (size_t i = 0; i < OURS; i++)
        sigdelset(during, ours[i]);
}

int signals_caught(void)
{
    return caught;
}

void signals_forget(void)
{
    caught = 0;
}

static void end_at_once(int number)
{
    _exit(EXIT_BY_SIGNAL + number);
}

void signals_end_at_once(void)
{
    struct sigaction action = {.sa_handler = end_at_once};
    for (size_t i = 0; i < OURS; i++)
        if (sigismember(&taken, ours[i]))
            sigaction(ours[i], &action, NULL);
    sigprocmask(SIG_UNBLOCK, &taken, NULL);
}
