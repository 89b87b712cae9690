/* test_presence.c - how many are there: heard within 20 s, gone after 40, or as soon as they say so. */
#include "packet.h"
#include "presence.h"
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void fill(void *unused, uint8_t *out, size_t len)
{
    (void)unused;
    memset(out, 7, len); /* one key: which ids share a bit is always the same */
}

static const struct random randomness = {fill, NULL};
static struct presence presence;
static const uint64_t start = 100 * NS_PER_S;

static void note(uint64_t now, unsigned n, bool places)
{
    char id[17];
    snprintf(id, sizeof id, "peer%012u", n);
    presence_note(&presence, now, id, places);
}

static int begin(void **state)
{
    (void)state;
    memset(&presence, 0, sizeof presence);
    presence_start(&presence, &randomness);
    return 0;
}

static void few_are_counted_exactly_however_often_they_speak(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 8; n++) {
        for (unsigned times = 0; times < 3; times++)
            note(start + times * NS_PER_S, n, true);
        assert_int_equal(presence_count(&presence, start + 3 * NS_PER_S), n + 1);
    }
}

static void a_thousand_are_some_nine_hundred_and_a_flood_no_more_than_the_bits(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 1000; n++)
        note(start, n, true);
    assert_in_range(presence_count(&presence, start), 850, 920);
    for (unsigned n = 1000; n < 100000; n++)
        note(start, n, true);
    assert_int_equal(presence_count(&presence, start), PRESENCE_BITS);
}

static void who_falls_silent_is_forgotten_between_twenty_and_forty_seconds_later(void **state)
{
    (void)state;
    note(start, 1, true);
    for (unsigned s = 0; s < 100; s += 5) {
        note(start + s * NS_PER_S, 2, true); /* turns the spans */
        unsigned count = presence_count(&presence, start + s * NS_PER_S);
        assert_int_equal(count, s < 20 ? 2 : s < 40 ? count : 1);
    }
    assert_int_equal(presence_count(&presence, start + 1000 * NS_PER_S), 0);
}

static void who_has_no_place_left_is_not_counted(void **state)
{
    (void)state;
    note(start, 1, true);
    note(start + 21 * NS_PER_S, 2, true);
    note(start + 21 * NS_PER_S, 1, false);
    assert_int_equal(presence_count(&presence, start + 21 * NS_PER_S), 1);
}

static void who_spoke_at_the_end_of_a_span_is_counted_through_the_next(void **state)
{
    const uint64_t span = PRESENCE_SPAN_S * NS_PER_S;
    (void)state;
    presence_count(&presence, start); /* begins a span */
    note(start + span - 1, 1, true);
    assert_int_equal(presence_count(&presence, start + 2 * span - 1), 1);
    assert_int_equal(presence_count(&presence, start + 3 * span - 1), 0);
}

/* Nobody looked for two spans: what was heard in the first of them is of no span any more. */
static void who_was_heard_two_spans_ago_is_not_counted(void **state)
{
    const uint64_t span = PRESENCE_SPAN_S * NS_PER_S;
    (void)state;
    note(start, 1, true);
    assert_int_equal(presence_count(&presence, start + 2 * span), 0);
}

static void who_takes_its_last_word_back_at_once_is_not_counted(void **state)
{
    (void)state;
    note(start, 1, true);
    note(start, 2, true);
    note(start, 1, false);
    assert_int_equal(presence_count(&presence, start), 1);
}

static void fill_with(void *context, uint8_t *out, size_t len)
{
    memset(out, *(const uint8_t *)context, len);
}

/* So that nobody makes up ids that share their bits, or hides behind another's. */
static void which_ids_share_a_bit_depends_on_the_key(void **state)
{
    enum { IDS = 2000 };
    static uint64_t seen[2][PRESENCE_BITS / 64];
    (void)state;
    for (uint8_t key = 0; key < 2; key++) {
        struct random same = {fill_with, &key};
        memset(&presence, 0, sizeof presence);
        presence_start(&presence, &same);
        for (unsigned n = 0; n < IDS; n++)
            note(start, n, true);
        memcpy(seen[key], presence.seen[0], sizeof seen[key]);
    }
    assert_memory_not_equal(seen[0], seen[1], sizeof seen[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(few_are_counted_exactly_however_often_they_speak, begin),
        cmocka_unit_test_setup(a_thousand_are_some_nine_hundred_and_a_flood_no_more_than_the_bits, begin),
        cmocka_unit_test_setup(who_falls_silent_is_forgotten_between_twenty_and_forty_seconds_later, begin),
        cmocka_unit_test_setup(who_has_no_place_left_is_not_counted, begin),
        cmocka_unit_test_setup(who_spoke_at_the_end_of_a_span_is_counted_through_the_next, begin),
        cmocka_unit_test_setup(who_was_heard_two_spans_ago_is_not_counted, begin),
        cmocka_unit_test_setup(who_takes_its_last_word_back_at_once_is_not_counted, begin),
        cmocka_unit_test(which_ids_share_a_bit_depends_on_the_key),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
