/* test_message_nat.c - what a side knows of its network, on its way inside the seal. */
#include "message.h"
#include "message_nat.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* A batch without candidates and with this "nat"; NULL: without one. False: malformed. */
static bool batch_with(const char *nat, struct nat_behavior *out)
{
    static char text[4096];
    static struct body body;
    int len = snprintf(text, sizeof text, "{\"type\":\"candidates\",\"complete\":true,\"candidates\":[]%s%s}",
                       nat ? ",\"nat\":" : "", nat ? nat : "");
    bool good = body_decode(&body, (const uint8_t *)text, (size_t)len);
    *out = body.description.nat;
    return good;
}

static struct nat_behavior travelled(const struct nat_behavior *nat)
{
    static char text[MESSAGE_MAX];
    static struct body back;
    struct body body = {.type = BODY_CANDIDATES, .description = {.nat = *nat}};
    assert_true(body_decode(&back, (const uint8_t *)text, body_encode(&body, text, sizeof text)));
    return back.description.nat;
}

static bool same(const struct nat_behavior *a, const struct nat_behavior *b)
{
    return a->mapping == b->mapping && a->filtering == b->filtering && a->ports == b->ports &&
           a->step == b->step && a->last == b->last && a->low == b->low && a->high == b->high &&
           addr_equal(&a->external, &b->external) && a->hairpin == b->hairpin;
}

static void every_word_arrives_as_it_was_said(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5 * 4 * 5 * 3; i++) {
        struct nat_behavior nat = {.mapping = (enum nat_mapping)(i % 5),
                                   .filtering = (enum nat_filtering)(i / 5 % 4),
                                   .ports = (enum nat_ports)(i / 20 % 5),
                                   .hairpin = (enum nat_answer)(i / 100)};
        if (i % 5)
            assert_true(addr_parse(&nat.external, i % 2 ? "203.0.113.5:40001" : "[2001:db8::5]:9"));
        if (i % 7 && i % 5)
            nat.last = (uint16_t)(65535 - i);
        if (nat.ports == NAT_PORTS_SEQUENTIAL)
            nat.step = i % 2 ? -64 : 64;
        if (nat.ports == NAT_PORTS_BLOCK)
            nat.low = 34816, nat.high = 35839;
        struct nat_behavior back = travelled(&nat);
        if (!same(&nat, &back))
            fail_msg("behaviour %u was altered", i);
    }
}

static void nothing_known_is_nothing_said(void **state)
{
    static char text[MESSAGE_MAX];
    struct body body = {.type = BODY_CANDIDATES};
    struct nat_behavior nat = {.mapping = NAT_MAPPING_NONE};
    (void)state;
    assert_true(body_encode(&body, text, sizeof text) > 0);
    assert_null(strstr(text, "nat"));
    assert_true(batch_with(NULL, &nat));
    assert_true(same(&nat, &(struct nat_behavior){0}));
    assert_true(batch_with("{}", &nat));
    assert_true(same(&nat, &(struct nat_behavior){0}));
}

static void words_of_later_versions_are_unknown(void **state)
{
    struct nat_behavior nat;
    (void)state;
    assert_true(batch_with("{\"map\":\"quantum\",\"ports\":\"prime\",\"filter\":\"\",\"hairpin\":\"perhaps\","
                           "\"external\":\"example.org\",\"colour\":[1]}",
                           &nat));
    assert_true(same(&nat, &(struct nat_behavior){0}));
    assert_true(batch_with("{\"map\":\"both\",\"step\":5,\"low\":7}", &nat)); /* of no sequence, no block */
    assert_true(same(&nat, &(struct nat_behavior){.mapping = NAT_MAPPING_ADDRESS_AND_PORT}));
}

static void numbers_out_of_range_and_other_types_are_malformed(void **state)
{
    static const char *const misfits[] = {
        "1",
        "null",
        "[]",
        "\"both\"",
        "{\"map\":1}",
        "{\"map\":null}",
        "{\"filter\":{}}",
        "{\"ports\":[]}",
        "{\"hairpin\":true}",
        "{\"external\":5}",
        "{\"last\":0}",
        "{\"last\":65536}",
        "{\"last\":\"5\"}",
        "{\"last\":1.5}",
        "{\"low\":-1}",
        "{\"high\":65536}",
        "{\"step\":65}",
        "{\"step\":-65}",
        "{\"ports\":\"sequential\"}",
        "{\"ports\":\"sequential\",\"step\":0}",
        "{\"ports\":\"block\"}",
        "{\"ports\":\"block\",\"low\":5}",
        "{\"ports\":\"block\",\"low\":6,\"high\":5}",
    };
    struct nat_behavior nat;
    (void)state;
    for (size_t i = 0; i < sizeof misfits / sizeof *misfits; i++)
        if (batch_with(misfits[i], &nat))
            fail_msg("taken: %s", misfits[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_word_arrives_as_it_was_said),
        cmocka_unit_test(nothing_known_is_nothing_said),
        cmocka_unit_test(words_of_later_versions_are_unknown),
        cmocka_unit_test(numbers_out_of_range_and_other_types_are_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
