/* test_ladder.c - columns and rows of a session, and what is left out of one that is too long. */
#include "fail_alloc.h"
#include "ladder.h"
#include "ladder_draw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int begin(void **state)
{
    static struct ladder ladder;
    *state = &ladder;
    return ladder_begin(&ladder) ? 0 : -1;
}

static int end(void **state)
{
    ladder_end(*state);
    return 0;
}

static void add(struct ladder *ladder, int64_t at_ms, enum ladder_rank rank, const char *text)
{
    struct ladder_row row = ladder_row(at_ms, SHAPE_NOTE, 0, LADDER_NOWHERE);
    row.rank = rank;
    ladder_print(row.text, sizeof row.text, "%s", text);
    ladder_add(ladder, &row);
}

static void columns_stand_in_the_order_of_the_way_whatever_came_first(void **state)
{
    struct ladder *ladder = *state;
    uint8_t at[LADDER_COLUMNS_MAX];
    uint8_t peer = ladder_column(ladder, PLACE_PEER, "p1");
    uint8_t nat = ladder_column(ladder, PLACE_PEER_NAT, "p1");
    uint8_t broker = ladder_column(ladder, PLACE_BROKER, NULL);
    uint8_t own = ladder_column(ladder, PLACE_NAT, NULL);
    assert_int_equal(ladder_column(ladder, PLACE_PEER, "p1"), peer);
    assert_int_equal(ladder_order(ladder, 10, at), 5);
    assert_int_equal(at[0], 0);
    assert_int_equal(at[own], 1);
    assert_int_equal(at[broker], 2);
    assert_int_equal(at[nat], 3);
    assert_int_equal(at[peer], 4);
}

static void peers_that_find_no_place_share_the_last_one(void **state)
{
    struct ladder *ladder = *state;
    uint8_t at[LADDER_COLUMNS_MAX], last = 0;
    for (unsigned i = 0; i < 100; i++) {
        char id[8];
        snprintf(id, sizeof id, "p%u", i);
        last = ladder_column(ladder, PLACE_PEER, id);
        assert_true(last < LADDER_COLUMNS_MAX);
    }
    assert_int_equal(ladder->column_count, 1 + LADDER_PEERS_MAX);
    assert_string_equal(ladder->columns[last].name, "others");
    ladder->columns[ladder_column(ladder, PLACE_PEER, "p5")].met = true;
    assert_int_equal(ladder_order(ladder, 4, at), 4);
    assert_int_equal(at[ladder_column(ladder, PLACE_PEER, "p5")],
                     1); /* who was met has a column of its own */
    assert_true(ladder_is_shared(ladder, at, ladder_column(ladder, PLACE_PEER, "p6")));
    assert_false(ladder_is_shared(ladder, at, ladder_column(ladder, PLACE_PEER, "p5")));
}

static void the_same_again_counts_where_it_was(void **state)
{
    struct ladder *ladder = *state;
    for (int i = 0; i < 5; i++)
        add(ladder, i, RANK_CHATTER, "hello");
    add(ladder, 9, RANK_CHATTER, "other");
    add(ladder, 10, RANK_CHATTER, "hello");
    assert_int_equal(ladder->row_count, 3);
    assert_int_equal(ladder->rows[0].times, 5);
    assert_int_equal(ladder->rows[0].at_ms, 0);
    assert_int_equal(ladder->rows[2].times, 1);
}

static void who_is_met_gets_the_column_of_a_mere_voice(void **state)
{
    struct ladder *ladder = *state;
    char id[8];
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof id, "v%d", i);
        struct ladder_row row = ladder_row(i, SHAPE_ARROW, ladder_column(ladder, PLACE_PEER, id), 0);
        ladder_add(ladder, &row);
    }
    uint8_t met = ladder_meet(ladder, "partner"), others = ladder_find(ladder, PLACE_PEER, "");
    assert_string_equal(ladder->columns[met].id, "partner");
    assert_true(ladder->columns[met].met);
    assert_false(ladder->columns[others].met);
    assert_int_equal(ladder_find(ladder, PLACE_PEER, "v0"), LADDER_NOWHERE);
    assert_int_equal(ladder->rows[0].from, others); /* it was v0's */
    assert_int_equal(ladder_meet(ladder, "partner"), met);
    for (int i = 0; i < 20; i++) { /* and where everybody was met, who comes later is one of the others */
        snprintf(id, sizeof id, "m%d", i);
        ladder_meet(ladder, id);
    }
    assert_int_equal(ladder_find(ladder, PLACE_PEER, "partner"), met);
    assert_int_equal(ladder_meet(ladder, "late"), others);
}

static unsigned long long count_all(const struct ladder *ladder)
{
    unsigned long long all = 0;
    for (unsigned i = 0; i < ladder->row_count; i++)
        all += ladder->rows[i].times;
    return all;
}

static void a_long_session_keeps_its_ends_and_its_turning_points(void **state)
{
    struct ladder *ladder = *state;
    enum { EVENTS = 100000 };
    for (int i = 0; i < EVENTS; i++) {
        char text[32];
        snprintf(text, sizeof text, "number %d", i);
        add(ladder, i, i == 50000 ? RANK_TURN : RANK_CHATTER, text);
        assert_true(ladder->row_count <= LADDER_ROWS_MAX);
    }
    bool turn = false, gap = false;
    for (unsigned i = 0; i < ladder->row_count; i++) {
        turn = turn || strcmp(ladder->rows[i].text, "number 50000") == 0;
        gap = gap || ladder->rows[i].shape == SHAPE_GAP;
        assert_true(i == 0 || ladder->rows[i].at_ms >= ladder->rows[i - 1].at_ms);
    }
    assert_true(turn && gap);
    assert_string_equal(ladder->rows[0].text, "number 0");
    assert_string_equal(ladder->rows[ladder->row_count - 1].text, "number 99999");
    assert_true(count_all(ladder) == EVENTS); /* nothing disappears uncounted */
}

static void too_many_turning_points_are_left_out_too(void **state)
{
    struct ladder *ladder = *state;
    for (int i = 0; i < 20000; i++) {
        char text[32];
        snprintf(text, sizeof text, "number %d", i);
        add(ladder, i, i % 6 ? RANK_CHATTER : RANK_TURN, text);
    }
    assert_true(ladder->row_count <= LADDER_ROWS_MAX);
    assert_true(count_all(ladder) == 20000);
}

static void what_is_shown_has_no_control_characters_and_fits(void **state)
{
    char out[12];
    (void)state;
    ladder_print(out, sizeof out, "%s", "a\x1b[2J\n\xE2\x80\xAE");
    assert_string_equal(out, "a\\x1b[2J");
    ladder_print(out, sizeof out, "%s", "0123456789\xC3\xA4");
    assert_string_equal(out, "0123456789");
}

static void times_are_seconds_on_either_side_of_zero(void **state)
{
    char out[24];
    (void)state;
    ladder_time(out, 0);
    assert_string_equal(out, "0.000");
    ladder_time(out, 61042);
    assert_string_equal(out, "61.042");
    ladder_time(out, -5);
    assert_string_equal(out, "-0.005");
}

static bool construct(void *context)
{
    struct ladder ladder;
    (void)context;
    bool good = ladder_begin(&ladder);
    ladder_end(&ladder);
    return good;
}

static void without_memory_there_is_no_ladder(void **state)
{
    (void)state;
    assert_int_equal(fail_alloc_each(construct, NULL), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(columns_stand_in_the_order_of_the_way_whatever_came_first, begin,
                                        end),
        cmocka_unit_test_setup_teardown(peers_that_find_no_place_share_the_last_one, begin, end),
        cmocka_unit_test_setup_teardown(the_same_again_counts_where_it_was, begin, end),
        cmocka_unit_test_setup_teardown(who_is_met_gets_the_column_of_a_mere_voice, begin, end),
        cmocka_unit_test_setup_teardown(a_long_session_keeps_its_ends_and_its_turning_points, begin, end),
        cmocka_unit_test_setup_teardown(too_many_turning_points_are_left_out_too, begin, end),
        cmocka_unit_test(what_is_shown_has_no_control_characters_and_fits),
        cmocka_unit_test(times_are_seconds_on_either_side_of_zero),
        cmocka_unit_test(without_memory_there_is_no_ladder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
