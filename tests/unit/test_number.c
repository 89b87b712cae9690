/* test_number.c - numbers of a command line, as the tests' own programs read them. */
#include "number.h"
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void only_digits_up_to_the_limit_are_a_number(void **state)
{
    static const char *const bad[] = {"",   " 1", "+1",   "-1",  "1 ",
                                      "1x", "x",  "0x10", "101", "99999999999999999999"};
    long long value = 7;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(number_read(bad[i], 100, &value));
        assert_int_equal(value, 7);
    }
    assert_false(number_read("99999999999999999999", LLONG_MAX, &value));
    assert_true(number_read("100", 100, &value));
    assert_int_equal(value, 100);
    assert_true(number_read("0", 100, &value));
    assert_int_equal(value, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_digits_up_to_the_limit_are_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
