/* test_notice.c - the queue of events that wait to be pulled. */
#include "notice.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct notice *note(const struct notices *notices, enum rendezvous_event_type type, const char *text)
{
    return notice_new(notices, type, text, text ? strlen(text) : 0);
}

static void what_was_put_first_is_taken_first_with_its_text(void **state)
{
    struct notices notices = {0};
    struct rendezvous_event event;
    (void)state;
    for (unsigned round = 0; round < 3; round++) { /* empty in between */
        notices_put(&notices, note(&notices, RENDEZVOUS_BYE, "first"));
        notices_put(&notices, note(&notices, RENDEZVOUS_BUSY, "second"));
        assert_true(notices_take(&notices, &event));
        assert_int_equal(event.type, RENDEZVOUS_BYE);
        assert_string_equal(event.text, "first");
        assert_true(notices_take(&notices, &event));
        assert_int_equal(event.type, RENDEZVOUS_BUSY);
        assert_string_equal(event.text, "second");
        assert_false(notices_take(&notices, &event));
    }
}

static void as_many_as_one_likes_may_pass_one_after_another(void **state)
{
    struct notices notices = {0};
    struct rendezvous_event event;
    (void)state;
    for (unsigned i = 0; i < 3 * NOTICES_MAX; i++) {
        struct notice *notice = note(&notices, RENDEZVOUS_GONE, NULL);
        assert_non_null(notice);
        notices_put(&notices, notice);
        assert_true(notices_take(&notices, &event));
    }
    notices_clear(&notices);
}

static void no_more_wait_than_their_limit_and_traces_leave_room(void **state)
{
    struct notices notices = {0};
    struct notice *notice;
    unsigned traces = 0, all;
    (void)state;
    for (; (notice = note(&notices, RENDEZVOUS_TRACE, "t")); traces++)
        notices_put(&notices, notice);
    for (all = traces; (notice = note(&notices, RENDEZVOUS_GONE, NULL)); all++)
        notices_put(&notices, notice);
    assert_int_equal(traces, NOTICES_TRACE_MAX);
    assert_int_equal(all, NOTICES_MAX);
    notices_clear(&notices);
    assert_int_equal(notices.count, 0);
    assert_null(notices.given);
    notice = note(&notices, RENDEZVOUS_TRACE, "again");
    assert_non_null(notice);
    notice_free(notice);
    notice_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_first_is_taken_first_with_its_text),
        cmocka_unit_test(as_many_as_one_likes_may_pass_one_after_another),
        cmocka_unit_test(no_more_wait_than_their_limit_and_traces_leave_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
