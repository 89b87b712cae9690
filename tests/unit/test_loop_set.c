/* test_loop_set.c - many descriptors as one: told of, told of once, forgotten, and polled by somebody else.
 */
#include "loop_set.h"
#include "packet.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 5000, PAIRS = 40 };

struct set_and_ends {
    struct loop_set *set;
    int ours[PAIRS], theirs[PAIRS]; /* -1: closed */
};

static int setup(void **state)
{
    struct set_and_ends *all = calloc(1, sizeof *all);
    all->set = loop_set_new();
    for (int i = 0; i < PAIRS; i++) {
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
            return -1;
        all->ours[i] = ends[0], all->theirs[i] = ends[1];
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
    }
    *state = all;
    return all->set ? 0 : -1;
}

static int teardown(void **state)
{
    struct set_and_ends *all = *state;
    loop_set_free(all->set);
    for (int i = 0; i < PAIRS; i++) {
        close(all->ours[i]);
        close(all->theirs[i]);
    }
    free(all);
    return 0;
}

static void say(const struct set_and_ends *all, int pair)
{
    assert_int_equal(write(all->theirs[pair], "x", 1), 1);
}

static void hear(const struct set_and_ends *all, int pair)
{
    char text[8];
    assert_true(read(all->ours[pair], text, sizeof text) > 0);
}

/* How often `tag` is told of now, with what it is told in *what. */
static int told(struct set_and_ends *all, uintptr_t tag, unsigned *what, uint64_t timeout_ns)
{
    struct loop_set_ready ready[PAIRS];
    int count = loop_set_wait(all->set, ready, PAIRS, timeout_ns), times = 0;
    assert_true(count >= 0);
    for (int i = 0; i < count; i++)
        if (ready[i].tag == tag) {
            times++;
            *what = ready[i].what;
        }
    return times;
}

static bool becomes_readable(int fd, int timeout_ms)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    return poll(&polled, 1, timeout_ms) == 1;
}

static void what_is_ready_is_told_with_its_tag_until_it_is_not(void **state)
{
    struct set_and_ends *all = *state;
    unsigned what = 0;
    assert_true(loop_set_add(all->set, all->ours[0], LOOP_SET_READ, 70));
    assert_true(loop_set_add(all->set, all->ours[1], LOOP_SET_READ, 71));
    assert_int_equal(told(all, 70, &what, 0), 0);
    say(all, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(told(all, 70, &what, UINT64_MAX), 1);
        assert_int_equal(what, LOOP_SET_READ);
        assert_int_equal(told(all, 71, &what, 0), 0);
    }
    hear(all, 0);
    assert_int_equal(told(all, 70, &what, 0), 0);
}

static void room_to_write_is_told_while_it_is_wanted(void **state)
{
    struct set_and_ends *all = *state;
    unsigned what = 0;
    assert_true(loop_set_add(all->set, all->ours[0], LOOP_SET_READ, 1));
    assert_true(loop_set_change(all->set, all->ours[0], LOOP_SET_READ | LOOP_SET_WRITE, 2));
    assert_int_equal(told(all, 2, &what, 0), 1);
    assert_int_equal(what, LOOP_SET_WRITE);
    assert_true(loop_set_change(all->set, all->ours[0], LOOP_SET_READ, 1));
    assert_int_equal(told(all, 1, &what, 0), 0);
    assert_false(loop_set_change(all->set, all->ours[1], LOOP_SET_READ, 1)); /* is not in the set */
}

static void the_other_sides_end_is_something_to_read(void **state)
{
    struct set_and_ends *all = *state;
    unsigned what = 0;
    assert_true(loop_set_add(all->set, all->ours[0], LOOP_SET_READ, 1));
    shutdown(all->theirs[0], SHUT_WR);
    assert_int_equal(told(all, 1, &what, UINT64_MAX), 1);
    assert_int_equal(what, LOOP_SET_READ);
}

static void an_edge_is_told_once_and_again_when_it_was_over(void **state)
{
    struct set_and_ends *all = *state;
    char text[8];
    unsigned what = 0;
    assert_true(loop_set_add(all->set, all->ours[0], LOOP_SET_READ | LOOP_SET_WRITE | LOOP_SET_EDGES, 5));
    assert_int_equal(told(all, 5, &what, 0), 1);
    assert_int_equal(what, LOOP_SET_WRITE);
    assert_int_equal(told(all, 5, &what, 0), 0);
    for (int i = 0; i < 3; i++) {
        say(all, 0);
        assert_int_equal(told(all, 5, &what, UINT64_MAX), 1);
        assert_true(what & LOOP_SET_READ);
        assert_int_equal(told(all, 5, &what, 0), 0);
        hear(all, 0);
        assert_int_equal(read(all->ours[0], text, sizeof text), -1);
        loop_set_again(all->set, all->ours[0], LOOP_SET_READ);
    }
}

static void what_was_removed_is_not_told_of(void **state)
{
    struct set_and_ends *all = *state;
    unsigned what = 0;
    for (int i = 0; i < 3; i++)
        assert_true(loop_set_add(all->set, all->ours[i], LOOP_SET_READ, (uintptr_t)i));
    for (int i = 0; i < 3; i++)
        say(all, i);
    loop_set_remove(all->set, all->ours[1]);
    assert_int_equal(told(all, 1, &what, UINT64_MAX), 0);
    assert_int_equal(told(all, 0, &what, UINT64_MAX), 1);
    assert_int_equal(told(all, 2, &what, UINT64_MAX), 1);
}

static void of_many_each_is_told_in_time(void **state)
{
    struct set_and_ends *all = *state;
    bool seen[PAIRS] = {false};
    struct loop_set_ready ready[7];
    for (int i = 0; i < PAIRS; i++) {
        assert_true(loop_set_add(all->set, all->ours[i], LOOP_SET_READ, (uintptr_t)i));
        say(all, i);
    }
    for (int left = PAIRS; left > 0;) {
        int count = loop_set_wait(all->set, ready, 7, UINT64_MAX);
        assert_true(count > 0);
        for (int i = 0; i < count; i++) {
            int pair = (int)ready[i].tag;
            assert_false(seen[pair]);
            seen[pair] = true;
            hear(all, pair);
            left--;
        }
    }
}

static void its_own_descriptor_is_readable_while_anything_is_ready(void **state)
{
    struct set_and_ends *all = *state;
    unsigned what = 0;
    assert_true(loop_set_add(all->set, all->ours[0], LOOP_SET_READ, 1));
    int fd = loop_set_fd(all->set);
    assert_true(fd >= 0);
    assert_false(becomes_readable(fd, 0));
    assert_true(loop_set_add(all->set, all->ours[1], LOOP_SET_READ, 2)); /* after it was asked for, too */
    for (int i = 0; i < 20; i++) {
        say(all, i % 2);
        assert_true(becomes_readable(fd, PATIENCE_MS));
        assert_int_equal(told(all, i % 2 ? 2 : 1, &what, 0), 1);
        assert_true(becomes_readable(fd, PATIENCE_MS)); /* nobody has read it */
        hear(all, i % 2);
        assert_int_equal(told(all, i % 2 ? 2 : 1, &what, 0), 0);
    }
    assert_int_equal(loop_set_fd(all->set), fd);
}

static void a_set_can_be_in_a_set(void **state)
{
    struct set_and_ends *all = *state;
    struct loop_set *inner = loop_set_new();
    struct loop_set_ready ready;
    unsigned what = 0;
    assert_true(loop_set_add(inner, all->ours[0], LOOP_SET_READ, 9));
    assert_true(loop_set_add(all->set, loop_set_fd(inner), LOOP_SET_READ, 1));
    say(all, 0);
    assert_int_equal(told(all, 1, &what, PATIENCE_MS * NS_PER_MS), 1);
    assert_int_equal(loop_set_wait(inner, &ready, 1, 0), 1);
    assert_int_equal(ready.tag, 9);
    loop_set_remove(all->set, loop_set_fd(inner));
    loop_set_free(inner);
}

#define ON_A_SET(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static void where_the_system_cannot_look_at_so_many_the_owner_does(void **state)
{
    struct set_and_ends *all = *state;
    unsigned what = 0;
    struct rlimit before, few;
    int fd = loop_set_fd(all->set);
    assert_true(fd >= 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = PAIRS / 2; /* poll then takes no more */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int i = 0; i < PAIRS; i++)
        assert_true(loop_set_add(all->set, all->ours[i], LOOP_SET_READ, 70 + (uintptr_t)i));
    say(all, 0);
    bool readable = becomes_readable(fd, PATIENCE_MS);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(readable);
    assert_int_equal(told(all, 70, &what, UINT64_MAX), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_A_SET(what_is_ready_is_told_with_its_tag_until_it_is_not),
        ON_A_SET(room_to_write_is_told_while_it_is_wanted),
        ON_A_SET(the_other_sides_end_is_something_to_read),
        ON_A_SET(an_edge_is_told_once_and_again_when_it_was_over),
        ON_A_SET(what_was_removed_is_not_told_of),
        ON_A_SET(of_many_each_is_told_in_time),
        ON_A_SET(its_own_descriptor_is_readable_while_anything_is_ready),
        ON_A_SET(a_set_can_be_in_a_set),
        ON_A_SET(where_the_system_cannot_look_at_so_many_the_owner_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
