/* test_bell.c - a bell is heard from the first ring until it is hushed, and never blocks. */
#include "bell.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static bool is_heard(const struct bell *bell)
{
    struct pollfd ear = {.fd = bell_fd(bell), .events = POLLIN};
    return poll(&ear, 1, 0) == 1;
}

static void it_rings_until_it_is_hushed(void **state)
{
    struct bell bell;
    (void)state;
    assert_true(bell_open(&bell));
    assert_false(is_heard(&bell));
    for (int i = 0; i < 40; i++) /* more than one read takes */
        bell_ring(&bell);
    assert_true(is_heard(&bell));
    bell_hush(&bell);
    assert_false(is_heard(&bell));
    bell_ring(&bell);
    assert_true(is_heard(&bell));
    bell_close(&bell);
}

static void a_full_pipe_blocks_nobody(void **state)
{
    struct bell bell;
    (void)state;
    assert_true(bell_open(&bell));
    for (int i = 0; i < 100000; i++) /* a pipe holds 65,536 bytes */
        bell_ring(&bell);
    assert_true(is_heard(&bell));
    bell_hush(&bell);
    assert_false(is_heard(&bell));
    bell_close(&bell);
}

static void no_program_inherits_it(void **state)
{
    struct bell bell;
    (void)state;
    assert_true(bell_open(&bell));
    for (int i = 0; i < 2; i++)
        assert_true(fcntl(bell.fds[i], F_GETFD) & FD_CLOEXEC);
    bell_close(&bell);
    bell_close(&bell); /* twice is fine */
    assert_int_equal(bell_fd(&bell), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_rings_until_it_is_hushed),
        cmocka_unit_test(a_full_pipe_blocks_nobody),
        cmocka_unit_test(no_program_inherits_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
