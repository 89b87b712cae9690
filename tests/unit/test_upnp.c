/* test_upnp.c - threads that ask where nobody answers; a real router answers in the laboratory. */
#include "upnp.h"
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct portmap_local loopback(uint16_t port)
{
    struct portmap_local wanted;
    assert_true(addr_parse(&wanted.local, "127.0.0.1") && addr_parse(&wanted.gateway, "127.0.0.2"));
    wanted.local.port = port;
    return wanted;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void the_end_waits_for_no_thread_that_has_opened_nothing(void **state)
{
    (void)state;
    struct portmap_local wanted[UPNP_LOCALS_MAX + 1];
    struct upnp *upnp = upnp_new();
    assert_non_null(upnp);
    for (uint16_t i = 0; i <= UPNP_LOCALS_MAX; i++)
        wanted[i] = loopback((uint16_t)(40000 + i));
    double start = seconds();
    upnp_set_locals(upnp, wanted, UPNP_LOCALS_MAX + 1); /* one more than there are threads: ignored */
    upnp_set_locals(upnp, wanted, 1);
    upnp_ask_again(upnp);
    upnp_release(upnp, &wanted[0].local);
    upnp_remove(upnp);
    upnp_free(upnp, 10000);
    assert_true(seconds() - start < 0.5);
}

static void nothing_is_heard_before_anything_is_asked(void **state)
{
    (void)state;
    struct upnp_answer answer;
    struct upnp *upnp = upnp_new();
    assert_non_null(upnp);
    struct pollfd fd = {.fd = upnp_fd(upnp), .events = POLLIN};
    assert_int_equal(poll(&fd, 1, 0), 0);
    assert_false(upnp_next(upnp, &answer));
    upnp_free(upnp, 0);
    upnp_free(NULL, 0);
}

/* miniupnpc would say "bind: Cannot assign requested address". */
static void what_fails_is_told_to_the_owner_and_not_to_standard_error(void **state)
{
    (void)state;
    struct upnp_answer answer;
    struct portmap_local wanted = loopback(40000);
    assert_true(addr_parse(&wanted.local, "192.0.2.1")); /* of documentation: never ours */
    int quiet = memfd_create("stderr", MFD_CLOEXEC), loud = dup(STDERR_FILENO);
    assert_true(quiet >= 0 && loud >= 0 && dup2(quiet, STDERR_FILENO) == STDERR_FILENO);
    struct upnp *upnp = upnp_new();
    assert_non_null(upnp);
    upnp_set_locals(upnp, &wanted, 1);
    struct pollfd fd = {.fd = upnp_fd(upnp), .events = POLLIN};
    int heard = poll(&fd, 1, 10000);
    dup2(loud, STDERR_FILENO);
    close(loud);
    assert_int_equal(heard, 1);
    assert_true(upnp_next(upnp, &answer));
    assert_string_equal(answer.why, "the router does not offer UPnP");
    assert_int_equal(lseek(quiet, 0, SEEK_END), 0);
    close(quiet);
    upnp_free(upnp, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_waits_for_no_thread_that_has_opened_nothing),
        cmocka_unit_test(nothing_is_heard_before_anything_is_asked),
        cmocka_unit_test(what_fails_is_told_to_the_owner_and_not_to_standard_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
