/* test_credit.c - how far a sender may be ahead: little on a short path, what the path holds on a long one,
 * and never so little that both wait. */
#include "credit.h"

#include "clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define CLOCK_US (CLOCK_MS / 1000)

enum { STEP_US = 100, RING = 1 << 14 };

/* A sender, a path of `rtt` that carries `path` bytes a second, a disk that takes `disk`. */
struct line {
    uint64_t rtt, path, disk; /* ns, bytes a second */
    struct credit credit;
    uint64_t now, sent, written, most_ahead;
    uint64_t there[RING], heard[RING]; /* what has arrived, and what has been granted, by time */
};

static void line_begin(struct line *line, uint64_t rtt, uint64_t path, uint64_t disk)
{
    memset(line, 0, sizeof *line);
    line->rtt = rtt, line->path = path, line->disk = disk;
    line->now = CLOCK_S;
    credit_begin(&line->credit, line->now);
    for (size_t i = 0; i < RING; i++)
        line->heard[i] = line->credit.granted;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Returns the bytes a second that were written meanwhile. */
static uint64_t line_run(struct line *line, double seconds)
{
    const uint64_t step = STEP_US * CLOCK_US, before = line->written;
    const uint64_t way = line->rtt / 2 / step;
    for (uint64_t i = 0; i < (uint64_t)(seconds * CLOCK_S) / step; i++) {
        uint64_t tick = (line->now += step) / step;
        uint64_t granted = line->heard[(tick - way) % RING];
        line->sent += least(line->path / (CLOCK_S / step), granted - line->sent);
        line->there[tick % RING] = line->sent;
        uint64_t there = tick > way ? line->there[(tick - way) % RING] : 0;
        line->written += least(line->disk / (CLOCK_S / step), there - line->written);
        if (credit_is_due(&line->credit, line->now, line->rtt))
            credit_measure(&line->credit, line->now, line->written, line->rtt);
        credit_grant(&line->credit, line->written);
        line->heard[tick % RING] = line->credit.granted;
        if (line->sent - line->written > line->most_ahead)
            line->most_ahead = line->sent - line->written;
    }
    return (uint64_t)((double)(line->written - before) / seconds);
}

static struct line line;

static void on_a_short_path_a_mebibyte_is_ahead(void **state)
{
    (void)state;
    line_begin(&line, 200 * CLOCK_US, 1000000000, 50000000);
    assert_in_range(line_run(&line, 2), 49000000, 50000000);
    assert_in_range(line.most_ahead, 1, CREDIT_LEAST);
}

static void what_looks_like_a_path_may_be_a_busy_machine(void **state)
{
    (void)state;
    line_begin(&line, CREDIT_SHORT_MS * CLOCK_MS, 1000000000, 1000000000);
    line_run(&line, 2);
    assert_in_range(line.most_ahead, 1, CREDIT_LEAST);
}

static void a_slow_disk_on_a_longer_path_holds_a_mebibyte_too(void **state)
{
    (void)state;
    line_begin(&line, 20 * CLOCK_MS, 100000000, 10000000);
    assert_in_range(line_run(&line, 2), 9800000, 10000000);
    assert_in_range(line.most_ahead, 1, CREDIT_LEAST);
}

static void a_long_path_is_filled(void **state)
{
    static const struct {
        uint64_t rtt_ms, rate;
    } paths[] = {{40, 60000000}, {200, 20000000}, {400, 8000000}};
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        line_begin(&line, paths[i].rtt_ms * CLOCK_MS, paths[i].rate, 1000000000);
        line_run(&line, 3);
        uint64_t rate = line_run(&line, 2);
        assert_in_range(rate, paths[i].rate * 98 / 100, paths[i].rate);
        assert_in_range(line.credit.window, 1, CREDIT_MOST);
    }
}

static void a_disk_that_gets_slow_gets_its_credit_back(void **state)
{
    (void)state;
    line_begin(&line, 40 * CLOCK_MS, 60000000, 1000000000);
    line_run(&line, 3);
    assert_in_range(line.credit.window, 2 * CREDIT_LEAST, CREDIT_MOST);
    line.disk = 2000000;
    line_run(&line, 6);
    line.most_ahead = 0;
    line_run(&line, 2);
    assert_in_range(line.most_ahead, 1, CREDIT_LEAST);
}

/* A sender may not begin a leaf that might be longer than what is left; then there must be more to come. */
static void nobody_waits_for_the_other(void **state)
{
    struct credit credit;
    (void)state;
    credit_begin(&credit, CLOCK_S);
    for (uint64_t done = 0; done < 100 * (uint64_t)CREDIT_LEAST;) {
        done = credit.granted - LEAF_LEN + 1; /* sent and written as far as it goes */
        assert_true(credit_grant(&credit, done));
        assert_true(credit.granted >= done + LEAF_LEN);
    }
}

static void it_is_measured_over_a_round_trip_or_fifty_milliseconds(void **state)
{
    static const uint64_t rtts_ms[] = {0, 1, CREDIT_MEASURE_MS, 200};
    struct credit credit;
    (void)state;
    credit_begin(&credit, CLOCK_S);
    for (size_t i = 0; i < sizeof rtts_ms / sizeof *rtts_ms; i++) {
        uint64_t wait = (rtts_ms[i] > CREDIT_MEASURE_MS ? rtts_ms[i] : CREDIT_MEASURE_MS) * CLOCK_MS;
        assert_false(credit_is_due(&credit, CLOCK_S + wait - 1, rtts_ms[i] * CLOCK_MS));
        assert_true(credit_is_due(&credit, CLOCK_S + wait, rtts_ms[i] * CLOCK_MS));
    }
    credit_measure(&credit, 2 * CLOCK_S, 0, 0);
    assert_false(credit_is_due(&credit, 2 * CLOCK_S, 0));
}

/* A path of a second, which holds what is done in one. */
static void the_window_is_four_times_what_a_growing_path_holds_and_twice_what_a_steady_one_does(void **state)
{
    const uint64_t held = 2 << 20;
    struct credit credit;
    uint64_t done = 0;
    (void)state;
    credit_begin(&credit, CLOCK_S);
    credit_measure(&credit, 2 * CLOCK_S, done += held, CLOCK_S);
    assert_int_equal(credit.window, 4 * held);
    for (unsigned i = 3; i < 20; i++)
        credit_measure(&credit, i * CLOCK_S, done += held, CLOCK_S);
    assert_int_equal(credit.window, 2 * held);
    credit_measure(&credit, 20 * CLOCK_S, done += held * 5 / 4, CLOCK_S); /* a quarter more is no growth */
    assert_int_equal(credit.window, 2 * held * 5 / 4);
    credit_measure(&credit, 21 * CLOCK_S, done += held * 25 / 16 + 4, CLOCK_S);
    assert_int_equal(credit.window, 4 * (held * 25 / 16 + 4));
}

static void a_fast_path_gets_no_more_than_the_lanes_hold(void **state)
{
    struct credit credit;
    (void)state;
    credit_begin(&credit, CLOCK_S);
    credit_measure(&credit, 2 * CLOCK_S, UINT64_C(1) << 40, CLOCK_S);
    assert_int_equal(credit.window, CREDIT_MOST);
}

static void what_is_not_worth_a_frame_is_not_granted(void **state)
{
    struct credit credit;
    (void)state;
    credit_begin(&credit, CLOCK_S);
    assert_false(credit_grant(&credit, 0));
    assert_false(credit_grant(&credit, CREDIT_STEP - 1));
    assert_int_equal(credit.granted, CREDIT_LEAST);
    assert_true(credit_grant(&credit, CREDIT_STEP));
    assert_int_equal(credit.granted, CREDIT_LEAST + CREDIT_STEP);
    assert_false(credit_grant(&credit, CREDIT_STEP));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_a_short_path_a_mebibyte_is_ahead),
        cmocka_unit_test(what_looks_like_a_path_may_be_a_busy_machine),
        cmocka_unit_test(a_slow_disk_on_a_longer_path_holds_a_mebibyte_too),
        cmocka_unit_test(a_long_path_is_filled),
        cmocka_unit_test(a_disk_that_gets_slow_gets_its_credit_back),
        cmocka_unit_test(nobody_waits_for_the_other),
        cmocka_unit_test(it_is_measured_over_a_round_trip_or_fifty_milliseconds),
        cmocka_unit_test(the_window_is_four_times_what_a_growing_path_holds_and_twice_what_a_steady_one_does),
        cmocka_unit_test(a_fast_path_gets_no_more_than_the_lanes_hold),
        cmocka_unit_test(what_is_not_worth_a_frame_is_not_granted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
