/* test_text.c - text that is copied: whole, or not at all. */
#include "text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void what_fits_is_copied_with_its_end(void **state)
{
    (void)state;
    char out[] = "xxxxx";
    assert_true(text_copy(out, 4, "abc"));
    assert_memory_equal(out, "abc\0x", 6);
    assert_true(text_copy(out, 1, ""));
    assert_memory_equal(out, "\0bc\0x", 6);
}

static void what_does_not_fit_is_not_cut_and_writes_nothing(void **state)
{
    (void)state;
    char out[] = "xxxxx";
    assert_false(text_copy(out, 3, "abc"));
    assert_false(text_copy(out, 3, "abcdefghijklmnop"));
    assert_false(text_copy(out, 0, ""));
    assert_string_equal(out, "xxxxx");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_is_copied_with_its_end),
        cmocka_unit_test(what_does_not_fit_is_not_cut_and_writes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
