/* test_wrap.c - how many cells text takes, and where a line ends. */
#include "wrap.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int utf8(void **state)
{
    (void)state;
    return setlocale(LC_CTYPE, "C.UTF-8") ? 0 : -1;
}

static void characters_take_the_cells_that_a_terminal_gives_them(void **state)
{
    (void)state;
    assert_int_equal(wrap_width(""), 0);
    assert_int_equal(wrap_width("abc"), 3);
    assert_int_equal(wrap_width("\xC3\xA4"), 1);         /* a with two dots */
    assert_int_equal(wrap_width("a\xCC\x88"), 1);        /* the same from two characters */
    assert_int_equal(wrap_width("\xE6\x97\xA5\xE6"), 3); /* a wide one, and half of one */
}

static void expect_line(const char *text, unsigned cells, const char *line, const char *rest)
{
    const char *next;
    size_t len = wrap_line(text, cells, &next);
    assert_int_equal(len, strlen(line));
    assert_memory_equal(text, line, len);
    assert_string_equal(next, rest);
}

static void lines_end_between_words_where_there_are_any(void **state)
{
    (void)state;
    expect_line("one two", 7, "one two", "");
    expect_line("one two", 6, "one", "two");
    expect_line("one two", 3, "one", "two");
    expect_line("one   two", 4, "one", "two");
    expect_line("onetwo three", 4, "onet", "wo three");
    expect_line("one ", 10, "one", "");
}

static void a_wide_character_is_not_cut_and_nothing_stands_still(void **state)
{
    (void)state;
    expect_line("\xE6\x97\xA5\xE6\x97\xA5", 3, "\xE6\x97\xA5", "\xE6\x97\xA5");
    expect_line("\xE6\x97\xA5\xE6\x97\xA5", 1, "",
                ""); /* no cell is wide enough: the end, not an endless loop */
    assert_int_equal(wrap_cut("\xE6\x97\xA5z", 1), 0);
    assert_int_equal(wrap_cut("\xE6\x97\xA5z", 3), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_take_the_cells_that_a_terminal_gives_them),
        cmocka_unit_test(lines_end_between_words_where_there_are_any),
        cmocka_unit_test(a_wide_character_is_not_cut_and_nothing_stands_still),
    };
    return cmocka_run_group_tests(tests, utf8, NULL);
}
