/* test_events.c - how events are worded; what is said when is tried in scenes with the real command. */
#include "events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_round_trip_is_told_once_it_is_known(void **state)
{
    struct p2p_path path = {.kind = P2P_DIRECT, .remote = "203.0.113.5:4000"};
    char words[EVENTS_PATH_MAX];
    (void)state;
    assert_string_equal(events_path_words(words, &path), "direct, 203.0.113.5:4000");
    path.rtt_ms = 40.12;
    assert_string_equal(events_path_words(words, &path), "direct, 203.0.113.5:4000, 40.1 ms");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_round_trip_is_told_once_it_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
