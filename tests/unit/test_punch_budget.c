/* test_punch_budget.c - attempts of a node: one at a time, apart, and few at one address. */
#include "punch_budget.h"

#include "punch_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const uint64_t start = 1000 * NS_PER_S;

static struct addr address(unsigned last)
{
    return (struct addr){.family = 4, .ip = {203, 0, 113, (uint8_t)last}};
}

static void attempts_are_apart_whomever_they_are_for(void **state)
{
    (void)state;
    struct punch_budget budget = {0};
    struct addr a = address(1), b = address(2);
    assert_int_equal(punch_budget_when(&budget, start, &a), start);
    punch_budget_spend(&budget, start, &a);
    assert_int_equal(punch_budget_when(&budget, start + 1, &b), start + PUNCH_PAUSE_S * NS_PER_S);
}

static void one_address_gets_two_in_ten_minutes(void **state)
{
    (void)state;
    struct punch_budget budget = {0};
    struct addr a = address(1), b = address(2);
    uint64_t now = start;
    for (unsigned i = 0; i < PUNCH_ATTEMPTS_MAX; i++) {
        assert_int_equal(punch_budget_when(&budget, now, &a), now);
        punch_budget_spend(&budget, now, &a);
        now += PUNCH_PAUSE_S * NS_PER_S;
    }
    assert_int_equal(punch_budget_when(&budget, now, &a), start + PUNCH_WINDOW_S * NS_PER_S);
    assert_int_equal(punch_budget_when(&budget, now, &b), now);
    now = start + PUNCH_WINDOW_S * NS_PER_S;
    assert_int_equal(punch_budget_when(&budget, now, &a), now);
    a.port = 77; /* whatever its port */
    punch_budget_spend(&budget, now, &a);
    assert_int_equal(punch_budget_when(&budget, now, &a), now + PUNCH_PAUSE_S * NS_PER_S);
}

/* However many addresses a peer names, none is forgotten before its window is over. */
static void the_memory_is_long_enough(void **state)
{
    (void)state;
    struct punch_budget budget = {0};
    struct addr a = address(1);
    uint64_t now = start;
    for (unsigned i = 0; i < PUNCH_ATTEMPTS_MAX; i++, now += PUNCH_PAUSE_S * NS_PER_S)
        punch_budget_spend(&budget, now, &a);
    for (unsigned i = 2; now < start + PUNCH_WINDOW_S * NS_PER_S; i++, now += PUNCH_PAUSE_S * NS_PER_S) {
        struct addr other = address(i);
        assert_true(punch_budget_when(&budget, now, &a) >= start + PUNCH_WINDOW_S * NS_PER_S);
        punch_budget_spend(&budget, now, &other);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attempts_are_apart_whomever_they_are_for),
        cmocka_unit_test(one_address_gets_two_in_ten_minutes),
        cmocka_unit_test(the_memory_is_long_enough),
    };
    return cmocka_run_group_tests_name("punch_budget", tests, NULL, NULL);
}
