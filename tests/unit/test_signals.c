/* test_signals.c - Ctrl-C once all is said and only a disk is waited for: it ends the program at once. */
#include "signals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_S = 10 };

/* A process that goes through what a session does with signals, and then waits for what never comes. */
static pid_t start_waiting(bool ignores_interrupt)
{
    int ready[2];
    char byte = 0;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        sigset_t during;
        static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGALRM};
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
            signal(numbers[i], SIG_DFL); /* whoever runs the tests in the background ignores some */
        if (ignores_interrupt)
            signal(SIGINT, SIG_IGN);
        alarm(PATIENCE_S);
        signals_begin();
        signals_hold(&during);
        signals_end_at_once();
        if (write(ready[1], &byte, 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]), close(ready[1]);
    return child;
}

static void assert_ends_with(pid_t child, int code)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), code);
}

static void at_the_end_a_signal_is_not_waited_for(void **state)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        pid_t child = start_waiting(false);
        assert_int_equal(kill(child, numbers[i]), 0);
        assert_ends_with(child, 128 + numbers[i]);
    }
}

static void what_was_ignored_stays_ignored(void **state)
{
    (void)state;
    pid_t child = start_waiting(true);
    assert_int_equal(kill(child, SIGINT), 0);
    assert_int_equal(kill(child, SIGTERM), 0);
    assert_ends_with(child, 128 + SIGTERM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_the_end_a_signal_is_not_waited_for),
        cmocka_unit_test(what_was_ignored_stays_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
