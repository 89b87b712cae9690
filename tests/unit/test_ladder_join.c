/* test_ladder_join.c - two logs by two clocks become one story, in which no message comes before it was sent.
 */
#include "ladder.h"
#include "ladder_event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct side {
    struct ladder ladder;
    struct ladder_reader reader;
};

static struct side left, right;

static void tell(struct side *side, const char *line)
{
    assert_true(ladder_event_line(&side->reader, line, strlen(line)));
}

static void begin(struct side *side, const char *id)
{
    char line[200];
    *side = (struct side){0};
    assert_true(ladder_begin(&side->ladder));
    side->reader.ladder = &side->ladder;
    snprintf(line, sizeof line,
             "{\"event\":\"room\",\"t_ms\":1,\"room\":\"r\",\"id\":\"%s\",\"brokers\":[\"b:1883\"]}", id);
    tell(side, line);
}

static void trace(struct side *side, int at_ms, const char *direction, const char *type, const char *from)
{
    char line[300];
    snprintf(line, sizeof line,
             "{\"event\":\"trace\",\"t_ms\":%d,\"direction\":\"%s\",\"text\":\"{\\\"type\\\":\\\"%s\\\","
             "\\\"from\\\":\\\"%s\\\"}\"}",
             at_ms, direction, type, from);
    tell(side, line);
}

static int setup(void **state)
{
    (void)state;
    begin(&left, "aaaa");
    begin(&right, "bbbb");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ladder_end(&left.ladder);
    ladder_end(&right.ladder);
    return 0;
}

/* Right's clock is 70 ms ahead and each way takes 20 ms. */
static void exchange(void)
{
    trace(&left, 100, "out", "pake1", "aaaa");
    trace(&right, 190, "in", "pake1", "aaaa");
    trace(&right, 191, "out", "pake2", "bbbb");
    trace(&left, 141, "in", "pake2", "bbbb");
}

static void messages_both_ways_tell_how_the_clocks_differ(void **state)
{
    int64_t ahead_ms = 0;
    bool by_messages = false;
    (void)state;
    exchange();
    assert_true(ladder_align(&left.ladder, &right.ladder, &ahead_ms, &by_messages));
    assert_true(by_messages);
    assert_int_equal(ahead_ms, 70);
    assert_true(ladder_align(&right.ladder, &left.ladder, &ahead_ms, &by_messages));
    assert_int_equal(ahead_ms, -70);
}

static void a_copy_is_no_measure_for_nobody_knows_which_one_came(void **state)
{
    int64_t ahead_ms = 0;
    bool by_messages = false;
    (void)state;
    exchange();
    trace(&left, 300, "out", "hello", "aaaa");
    trace(&left, 400, "out", "pake3", "aaaa");
    trace(&left, 500, "out", "hello", "aaaa");
    trace(&right, 301, "in", "hello", "aaaa"); /* would say that it took 1 ms - 70 ms */
    assert_true(ladder_align(&left.ladder, &right.ladder, &ahead_ms, &by_messages));
    assert_int_equal(ahead_ms, 70);
}

static void without_messages_the_moment_of_connecting_aligns(void **state)
{
    int64_t ahead_ms = 0;
    bool by_messages = true;
    (void)state;
    assert_false(ladder_align(&left.ladder, &right.ladder, &ahead_ms, &by_messages));
    tell(&left, "{\"event\":\"connected\",\"t_ms\":50,\"peer\":\"bbbb\",\"name\":\"b\",\"kind\":\"lan\"}");
    assert_false(ladder_align(&left.ladder, &right.ladder, &ahead_ms, &by_messages));
    tell(&right, "{\"event\":\"connected\",\"t_ms\":90,\"peer\":\"aaaa\",\"name\":\"a\",\"kind\":\"lan\"}");
    assert_true(ladder_align(&left.ladder, &right.ladder, &ahead_ms, &by_messages));
    assert_false(by_messages);
    assert_int_equal(ahead_ms, 40);
}

static void strangers_twins_and_logs_of_several_runs_do_not_align(void **state)
{
    int64_t ahead_ms = 0;
    bool by_messages;
    (void)state;
    exchange();
    assert_false(ladder_align(&left.ladder, &left.ladder, &ahead_ms, &by_messages));
    tell(&right, "{\"event\":\"note\",\"t_ms\":0,\"message\":\"a new run\"}");
    assert_false(ladder_align(&left.ladder, &right.ladder, &ahead_ms, &by_messages));
}

static const struct ladder_row *find(const char *label, bool sent)
{
    for (unsigned i = 0; i < left.ladder.row_count; i++) {
        const struct ladder_row *row = &left.ladder.rows[i];
        if (strcmp(row->label, label) == 0 && (sent ? row->sent : row->came))
            return row;
    }
    fail_msg("no %s", label);
    return NULL;
}

static void a_message_is_sent_before_it_comes_whatever_the_clocks_say(void **state)
{
    (void)state;
    exchange();
    assert_true(
        ladder_join(&left.ladder, &right.ladder, 95)); /* by 25 ms wrong: pake1 comes before it was sent */
    assert_true(find("pake1", true) < find("pake1", false));
    assert_true(find("pake2", true) < find("pake2", false));
    assert_true(find("pake1", false) < find("pake2", true));
}

static void of_copies_the_first_is_sent_before_any_comes(void **state)
{
    (void)state;
    trace(&left, 100, "out", "hello", "aaaa");
    tell(&left, "{\"event\":\"note\",\"t_ms\":110,\"message\":\"alone\"}");
    trace(&left, 120, "out", "hello", "aaaa");
    trace(&right, 90, "in", "hello", "aaaa");
    assert_true(ladder_join(&left.ladder, &right.ladder, 0));
    assert_true(find("hello", true) < find("hello", false));
}

static void each_side_tells_its_half_of_the_way(void **state)
{
    (void)state;
    exchange();
    assert_true(ladder_join(&left.ladder, &right.ladder, 70));
    uint8_t broker = ladder_find(&left.ladder, PLACE_BROKER, NULL),
            peer = ladder_find(&left.ladder, PLACE_PEER, "bbbb");
    assert_int_equal(find("pake1", true)->from, 0);
    assert_int_equal(find("pake1", true)->to, broker);
    assert_int_equal(find("pake1", false)->from, broker);
    assert_int_equal(find("pake1", false)->to, peer);
    assert_int_equal(find("pake1", false)->at_ms, 120);
    assert_int_equal(left.ladder.column_count, 3); /* us, the broker, the peer: each once */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(messages_both_ways_tell_how_the_clocks_differ, setup, teardown),
        cmocka_unit_test_setup_teardown(a_copy_is_no_measure_for_nobody_knows_which_one_came, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(without_messages_the_moment_of_connecting_aligns, setup, teardown),
        cmocka_unit_test_setup_teardown(strangers_twins_and_logs_of_several_runs_do_not_align, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_message_is_sent_before_it_comes_whatever_the_clocks_say, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(of_copies_the_first_is_sent_before_any_comes, setup, teardown),
        cmocka_unit_test_setup_teardown(each_side_tells_its_half_of_the_way, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
