/* test_worker.c - threads of our own: they run, take no signals, and leave the program's as they were. */
#include "worker.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct seen {
    pthread_mutex_t lock;
    pthread_cond_t told;
    bool done;
    sigset_t blocked;
};

static void *look(void *argument)
{
    struct seen *seen = argument;
    pthread_mutex_lock(&seen->lock);
    pthread_sigmask(SIG_SETMASK, NULL, &seen->blocked);
    seen->done = true;
    pthread_cond_signal(&seen->told);
    pthread_mutex_unlock(&seen->lock);
    return NULL;
}

static void a_worker_takes_no_signals(void **state)
{
    static struct seen seen = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, {{0}}};
    static const int signals[] = {SIGPIPE, SIGINT, SIGTERM, SIGWINCH, SIGCHLD};
    (void)state;
    assert_true(worker_start(look, &seen));
    pthread_mutex_lock(&seen.lock);
    while (!seen.done)
        pthread_cond_wait(&seen.told, &seen.lock);
    pthread_mutex_unlock(&seen.lock);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        assert_true(sigismember(&seen.blocked, signals[i]));
}

static void the_programs_signals_stay_as_they_were(void **state)
{
    static struct seen seen = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, {{0}}};
    sigset_t after;
    (void)state;
    assert_true(worker_start(look, &seen));
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_false(sigismember(&after, SIGPIPE));
    assert_false(sigismember(&after, SIGTERM));
    pthread_mutex_lock(&seen.lock);
    while (!seen.done)
        pthread_cond_wait(&seen.told, &seen.lock);
    pthread_mutex_unlock(&seen.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_takes_no_signals),
        cmocka_unit_test(the_programs_signals_stay_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
