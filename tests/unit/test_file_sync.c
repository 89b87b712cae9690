/* test_file_sync.c - waiting for the disk beside writing. */
#include "file_sync.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

static void what_was_asked_for_can_be_waited_for_again_and_again(void **state)
{
    (void)state;
    struct file_sync sync;
    int folder = open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(folder >= 0);
    file_sync_begin(&sync, folder);
    assert_true(sync.runs);
    for (int i = 0; i < 100; i++) {
        file_sync_ask(&sync);
        assert_int_equal(file_sync_wait(&sync), 0);
    }
    assert_int_equal(file_sync_wait(&sync), 0);
    file_sync_end(&sync);
    close(folder);
}

/* The kernel says once that it could not write; what is not on the disk then is not there later either. */
static void a_disk_that_failed_once_stays_failed(void **state)
{
    (void)state;
    struct file_sync sync;
    file_sync_begin(&sync, -1);
    file_sync_ask(&sync);
    assert_int_equal(file_sync_wait(&sync), EBADF);
    sync.folder = open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(sync.folder >= 0);
    file_sync_ask(&sync);
    assert_int_equal(file_sync_wait(&sync), EBADF);
    file_sync_end(&sync);
    close(sync.folder);
}

static void the_end_waits_for_what_was_asked(void **state)
{
    (void)state;
    struct file_sync sync;
    file_sync_begin(&sync, -1);
    file_sync_ask(&sync);
    file_sync_end(&sync);
    assert_int_equal(sync.error, EBADF);
}

static void one_that_was_never_begun_ends(void **state)
{
    (void)state;
    struct file_sync sync = {0};
    file_sync_end(&sync);
}

static void without_a_thread_who_asks_waits(void **state)
{
    (void)state;
    struct file_sync sync = {.folder = -1};
    file_sync_ask(&sync);
    assert_int_equal(file_sync_wait(&sync), EBADF);
    file_sync_end(&sync);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_asked_for_can_be_waited_for_again_and_again),
        cmocka_unit_test(a_disk_that_failed_once_stays_failed),
        cmocka_unit_test(the_end_waits_for_what_was_asked),
        cmocka_unit_test(one_that_was_never_begun_ends),
        cmocka_unit_test(without_a_thread_who_asks_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
