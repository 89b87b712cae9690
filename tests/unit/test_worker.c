/* test_worker.c - threads of our own: they run, take no signals, and leave the program's as they were. */
#include "worker.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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

struct recluse {
    int kept;         /* to write to */
    int below, above; /* of the program's */
    bool secluded, alone;
};

static void *retire(void *argument)
{
    struct recluse *recluse = argument;
    struct stat error, null;
    recluse->secluded = worker_seclude(recluse->kept);
    recluse->alone = fcntl(recluse->below, F_GETFD) < 0 && fcntl(recluse->above, F_GETFD) < 0 &&
                     fstat(STDERR_FILENO, &error) == 0 && stat("/dev/null", &null) == 0 &&
                     error.st_rdev == null.st_rdev;
    if (write(recluse->kept, "x", 1) != 1)
        recluse->alone = false;
    return NULL;
}

static void a_secluded_worker_has_none_of_the_programs_descriptors_but_one(void **state)
{
    struct recluse recluse;
    struct stat before, after;
    int kept[2];
    char byte;
    (void)state;
    recluse.below = dup(STDERR_FILENO);
    assert_int_equal(pipe(kept), 0);
    recluse.above = dup(STDERR_FILENO);
    assert_int_equal(fstat(STDERR_FILENO, &before), 0);
    recluse.kept = kept[1];
    assert_true(worker_start(retire, &recluse));
    assert_int_equal(read(kept[0], &byte, 1), 1); /* until it is done */
    assert_true(recluse.secluded && recluse.alone);
    assert_int_equal(fstat(STDERR_FILENO, &after), 0);
    assert_true(before.st_dev == after.st_dev && before.st_ino == after.st_ino);
    assert_true(fcntl(recluse.below, F_GETFD) >= 0 && fcntl(recluse.above, F_GETFD) >= 0);
    close(kept[1]);
    assert_int_equal(read(kept[0], &byte, 1), 0); /* its table has gone with it */
    close(kept[0]);
    close(recluse.below);
    close(recluse.above);
}

#ifdef P2P_SANITIZED
static void *blunder(void *argument)
{
    const int *kept = argument;
    volatile size_t too_many = 9;
    char *bytes = malloc(8);
    if (bytes)
        memset(bytes, 'x', 8);
    bool blundered = bytes && worker_seclude(*kept) && strnlen(bytes, too_many) > 7;
    free(bytes);
    return write(*kept, "x", 1) == 1 && blundered ? argument : NULL; /* nothing was found */
}

/* What this program does when it is told to: its sanitizer ends it. */
static int run_blunder(void)
{
    int kept[2];
    char byte;
    alarm(30);
    if (pipe(kept) == 0 && worker_start(blunder, &kept[1]) && read(kept[0], &byte, 1) == 1)
        fprintf(stderr, "the sanitizer has found nothing\n");
    return 0;
}

static void what_a_sanitizer_finds_in_a_secluded_worker_reaches_standard_error(void **state)
{
    (void)state;
    int out[2], status;
    char text[65536];
    size_t len = 0;
    assert_int_equal(pipe(out), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(out[1], STDERR_FILENO);
        execl("/proc/self/exe", "test_worker", "blunder", (char *)NULL);
        _exit(0);
    }
    close(out[1]);
    ssize_t got;
    while ((got = read(out[0], text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)got;
    text[len] = '\0';
    close(out[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_non_null(strstr(text, "heap-buffer-overflow"));
}
#endif

static void standard_error_is_nothing_to_keep(void **state)
{
    (void)state;
    assert_false(worker_seclude(STDERR_FILENO));
}

int main(int argc, char **argv)
{
#ifdef P2P_SANITIZED
    if (argc == 2 && strcmp(argv[1], "blunder") == 0)
        return run_blunder();
#endif
    (void)argc, (void)argv;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_takes_no_signals),
        cmocka_unit_test(the_programs_signals_stay_as_they_were),
        cmocka_unit_test(a_secluded_worker_has_none_of_the_programs_descriptors_but_one),
#ifdef P2P_SANITIZED
        cmocka_unit_test(what_a_sanitizer_finds_in_a_secluded_worker_reaches_standard_error),
#endif
        cmocka_unit_test(standard_error_is_nothing_to_keep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
