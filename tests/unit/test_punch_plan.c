/* test_punch_plan.c - which NATs are worth a guess, who holds and who knocks, and where. */
#include "punch_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct addr somewhere = {.family = 4, .ip = {203, 0, 113, 9}, .port = 4000};

static struct nat_behavior easy(enum nat_filtering filtering)
{
    return (struct nat_behavior){
        .mapping = NAT_MAPPING_ENDPOINT, .filtering = filtering, .external = somewhere};
}

static struct nat_behavior hard(enum nat_ports ports)
{
    return (struct nat_behavior){.mapping = NAT_MAPPING_ADDRESS_AND_PORT,
                                 .filtering = NAT_FILTERING_ADDRESS_AND_PORT,
                                 .ports = ports,
                                 .step = 1,
                                 .last = 30000,
                                 .low = 2048,
                                 .high = 3071,
                                 .external = somewhere};
}

static void who_is_easy_knocks_and_who_is_hard_holds(void **state)
{
    (void)state;
    const enum nat_ports all[] = {NAT_PORTS_SEQUENTIAL, NAT_PORTS_BLOCK, NAT_PORTS_RANDOM};
    for (size_t i = 0; i < 3; i++) {
        struct nat_behavior a = easy(NAT_FILTERING_UNKNOWN), b = hard(all[i]);
        struct punch_plan knock = punch_plan(&a, &b, true, 0), hold = punch_plan(&b, &a, false, 0);
        assert_int_equal(knock.way, PUNCH_KNOCK);
        assert_int_equal(hold.way, PUNCH_HOLD);
        assert_int_equal(knock.ports, all[i]);
        assert_int_equal(hold.ports, all[i]);
    }
}

static void what_ordinary_checks_find_is_left_to_them(void **state)
{
    (void)state;
    struct nat_behavior a = easy(NAT_FILTERING_ADDRESS_AND_PORT), b = hard(NAT_PORTS_RANDOM);
    assert_int_equal(punch_plan(&a, &a, true, 0).way, PUNCH_NEEDLESS);
    a = easy(NAT_FILTERING_ADDRESS);
    assert_int_equal(punch_plan(&a, &b, true, 0).way, PUNCH_NEEDLESS);
    assert_int_equal(punch_plan(&b, &a, false, 0).way, PUNCH_NEEDLESS);
    a = easy(NAT_FILTERING_ENDPOINT);
    assert_int_equal(punch_plan(&a, &b, true, 0).way, PUNCH_NEEDLESS);
}

static void what_is_not_known_is_not_tried(void **state)
{
    (void)state;
    struct nat_behavior a = easy(NAT_FILTERING_UNKNOWN), b = hard(NAT_PORTS_RANDOM), none = {0};
    assert_int_equal(punch_plan(&a, &none, true, 0).way, PUNCH_UNKNOWN);
    assert_int_equal(punch_plan(&none, &b, true, 0).way, PUNCH_UNKNOWN);
    b.external.family = 0;
    assert_int_equal(punch_plan(&a, &b, true, 0).way, PUNCH_UNKNOWN);
}

static void two_that_count_meet_and_others_are_beyond_hope(void **state)
{
    (void)state;
    struct nat_behavior s = hard(NAT_PORTS_SEQUENTIAL), r = hard(NAT_PORTS_RANDOM), b = hard(NAT_PORTS_BLOCK);
    assert_int_equal(punch_plan(&s, &s, true, 0).way, PUNCH_MEET);
    assert_int_equal(punch_plan(&r, &s, true, 0).way, PUNCH_HOPELESS);
    assert_int_equal(punch_plan(&s, &r, true, 0).way, PUNCH_HOPELESS);
    assert_int_equal(punch_plan(&r, &r, true, 0).way, PUNCH_HOPELESS);
    assert_int_equal(punch_plan(&b, &s, true, 0).way, PUNCH_HOPELESS);
    s.last = 0; /* counting from where? */
    assert_int_equal(punch_plan(&s, &s, true, 0).way, PUNCH_HOPELESS);
}

static void who_lets_in_by_address_holds_for_another_hard_one(void **state)
{
    (void)state;
    struct nat_behavior a = hard(NAT_PORTS_RANDOM), b = a;
    a.mapping = NAT_MAPPING_ADDRESS;
    a.filtering = NAT_FILTERING_ADDRESS;
    assert_int_equal(punch_plan(&a, &b, false, 0).way, PUNCH_HOLD);
    assert_int_equal(punch_plan(&b, &a, true, 0).way, PUNCH_KNOCK);
    assert_int_equal(punch_plan(&a, &a, true, 0).way, PUNCH_HOLD); /* both could: the first does */
    assert_int_equal(punch_plan(&a, &a, false, 0).way, PUNCH_KNOCK);
}

static void what_failed_is_not_tried_again(void **state)
{
    (void)state;
    struct nat_behavior a = easy(NAT_FILTERING_UNKNOWN), b = hard(NAT_PORTS_SEQUENTIAL);
    assert_int_equal(punch_plan(&a, &b, true, 1).ports, NAT_PORTS_RANDOM);
    assert_int_equal(punch_plan(&b, &a, true, 1).ports, NAT_PORTS_RANDOM);
}

/* Whatever either side says, the plans of the two fit each other. */
static void the_plans_of_both_sides_match(void **state)
{
    (void)state;
    const enum punch_way match[] = {
        [PUNCH_UNKNOWN] = PUNCH_UNKNOWN, [PUNCH_NEEDLESS] = PUNCH_NEEDLESS, [PUNCH_HOPELESS] = PUNCH_HOPELESS,
        [PUNCH_HOLD] = PUNCH_KNOCK,      [PUNCH_KNOCK] = PUNCH_HOLD,        [PUNCH_MEET] = PUNCH_MEET};
    for (unsigned i = 0; i < 5 * 4 * 5 * 5 * 4 * 5; i++) {
        struct nat_behavior a = {.external = somewhere, .step = 1, .last = 5000, .low = 2048, .high = 3071},
                            b = a;
        unsigned n = i;
        a.mapping = n % 5, n /= 5;
        a.filtering = n % 4, n /= 4;
        a.ports = n % 5, n /= 5;
        b.mapping = n % 5, n /= 5;
        b.filtering = n % 4, n /= 4;
        b.ports = n;
        for (unsigned attempts = 0; attempts < 2; attempts++) {
            struct punch_plan ours = punch_plan(&a, &b, true, attempts);
            struct punch_plan theirs = punch_plan(&b, &a, false, attempts);
            assert_int_equal(theirs.way, match[ours.way]);
            assert_int_equal(theirs.ports, ours.ports);
        }
    }
}

static void a_sequence_is_foretold_nearest_first_and_stays_in_its_range(void **state)
{
    (void)state;
    struct nat_behavior nat = hard(NAT_PORTS_SEQUENTIAL);
    const uint16_t first[] = {30001, 30002, 30003, 30000, 30004, 30005, 30006, 29999};
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(punch_port_near(&nat, i), first[i]);
    nat.step = -5;
    assert_int_equal(punch_port_near(&nat, 0), 29995);
    assert_int_equal(punch_port_ahead(&nat, 10), 29950);
    for (int step = -64; step <= 64; step++)
        for (unsigned i = 0; i < 300; i++) {
            nat.step = step;
            nat.last = (uint16_t)(i % 2 ? 65535 - i : PUNCH_PORT_MIN + i);
            assert_true(punch_port_near(&nat, i) >= PUNCH_PORT_MIN);
            assert_true(punch_port_ahead(&nat, i) >= PUNCH_PORT_MIN);
        }
}

static void scattered_numbers_come_once_each(void **state)
{
    (void)state;
    static uint8_t seen[65536];
    const uint32_t sizes[] = {1, 2, 3, 7, 64, 1000, 1024, 2016, 4096, 64512};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (uint64_t draw = 1; draw < 20; draw++) {
            struct scatter scatter;
            scatter_start(&scatter, sizes[s], draw * UINT64_C(0x9e3779b97f4a7c15));
            for (uint32_t i = 0; i < sizes[s]; i++)
                seen[i] = 0;
            for (uint32_t i = 0; i < sizes[s]; i++) {
                uint32_t at = scatter_at(&scatter, i);
                assert_true(at < sizes[s]);
                assert_int_equal(seen[at]++, 0);
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_easy_knocks_and_who_is_hard_holds),
        cmocka_unit_test(what_ordinary_checks_find_is_left_to_them),
        cmocka_unit_test(what_is_not_known_is_not_tried),
        cmocka_unit_test(two_that_count_meet_and_others_are_beyond_hope),
        cmocka_unit_test(who_lets_in_by_address_holds_for_another_hard_one),
        cmocka_unit_test(what_failed_is_not_tried_again),
        cmocka_unit_test(the_plans_of_both_sides_match),
        cmocka_unit_test(a_sequence_is_foretold_nearest_first_and_stays_in_its_range),
        cmocka_unit_test(scattered_numbers_come_once_each),
    };
    return cmocka_run_group_tests_name("punch_plan", tests, NULL, NULL);
}
