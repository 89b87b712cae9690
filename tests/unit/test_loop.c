/* test_loop.c - waiting: for descriptors, for a time, for another thread. */
#include "loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

static int setup(void **state)
{
    *state = loop_new();
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    loop_free(*state);
    return 0;
}

static void a_deadline_ends_the_wait_no_sooner(void **state)
{
    uint64_t deadline = loop_now() + 3 * NS_PER_MS;
    assert_true(loop_wait(*state, deadline));
    assert_true(loop_now() >= deadline);
    assert_false(loop_has_ready(*state));
}

static void a_deadline_in_the_past_does_not_wait(void **state)
{
    uint64_t begun = loop_now();
    assert_true(loop_wait(*state, 0));
    assert_true(loop_now() - begun < NS_PER_S);
}

static void a_readable_descriptor_ends_the_wait_and_is_named_once(void **state)
{
    int ends[2], other[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pipe(other), 0);
    assert_true(loop_watch(*state, ends[0]));
    assert_true(loop_watch(*state, other[0]));
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_true(loop_wait(*state, NEVER));
    assert_true(loop_has_ready(*state));
    assert_false(loop_is_ready(*state, other[0]));
    assert_true(loop_is_ready(*state, ends[0]));
    assert_false(loop_is_ready(*state, ends[0]));
    assert_false(loop_has_ready(*state));
    for (int i = 0; i < 2; i++) {
        close(ends[i]);
        close(other[i]);
    }
}

static void a_forgotten_descriptor_wakes_nobody(void **state)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_true(loop_watch(*state, ends[0]));
    loop_forget(*state, ends[0]);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_true(loop_wait(*state, loop_now() + NS_PER_MS));
    assert_false(loop_is_ready(*state, ends[0]));
    close(ends[0]);
    close(ends[1]);
}

static void *wake(void *loop)
{
    loop_wake(loop);
    return NULL;
}

static void another_thread_can_end_the_wait(void **state)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wake, *state), 0);
    assert_true(loop_wait(*state, NEVER));
    assert_true(loop_woken(*state));
    assert_false(loop_woken(*state));
    pthread_join(thread, NULL);
}

static void wakes_until_they_are_taken_are_one(void **state)
{
    for (int i = 0; i < 3; i++) {
        loop_wake(*state);
        loop_wake(*state);
        assert_true(loop_wait(*state, NEVER));
        assert_true(loop_woken(*state));
        assert_true(loop_wait(*state, 0));
        assert_false(loop_woken(*state));
    }
}

enum { TURNS = 20000 };

struct counted {
    struct loop *loop;
    atomic_uint count;
};

static void *count_and_wake(void *context)
{
    struct counted *counted = context;
    for (unsigned i = 0; i < TURNS; i++) {
        atomic_fetch_add(&counted->count, 1);
        loop_wake(counted->loop);
    }
    return NULL;
}

/* Whoever looks after each wake sees the last count in the end; a wake that was lost would be missed here. */
static void no_wake_is_lost_between_two_looks(void **state)
{
    struct counted counted = {.loop = *state};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, count_and_wake, &counted), 0);
    while (atomic_load(&counted.count) < TURNS) {
        assert_true(loop_wait(*state, loop_now() + 30 * NS_PER_S));
        assert_true(loop_woken(*state));
    }
    pthread_join(thread, NULL);
}

static void the_clock_does_not_go_back(void **state)
{
    (void)state;
    uint64_t before = loop_now();
    for (int i = 0; i < 1000; i++) {
        uint64_t now = loop_now();
        assert_true(now >= before && now > 0);
        before = now;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_deadline_ends_the_wait_no_sooner, setup, teardown),
        cmocka_unit_test_setup_teardown(a_deadline_in_the_past_does_not_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(a_readable_descriptor_ends_the_wait_and_is_named_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_forgotten_descriptor_wakes_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(another_thread_can_end_the_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(wakes_until_they_are_taken_are_one, setup, teardown),
        cmocka_unit_test_setup_teardown(no_wake_is_lost_between_two_looks, setup, teardown),
        cmocka_unit_test(the_clock_does_not_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
