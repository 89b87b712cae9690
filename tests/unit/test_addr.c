/* test_addr.c - addresses: text, canonical form, order, scope. */
#include "addr.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct addr parsed(const char *text)
{
    struct addr addr;
    if (!addr_parse(&addr, text))
        fail_msg("not understood: %s", text);
    return addr;
}

static void text_is_read_and_written_in_one_canonical_form(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"1.2.3.4", "1.2.3.4"},
        {"1.2.3.4:5", "1.2.3.4:5"},
        {"255.255.255.255:65535", "255.255.255.255:65535"},
        {"0.0.0.0", "0.0.0.0"},
        {"::", "::"},
        {"::1", "::1"},
        {"[::1]:1", "[::1]:1"},
        {"2001:DB8::1", "2001:db8::1"},
        {"2001:0db8:0:0:0:0:0:1", "2001:db8::1"},
        {"[2001:db8:0:0:1:0:0:1]:65535", "[2001:db8::1:0:0:1]:65535"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"fe80::1%3", "fe80::1%3"},
        {"[fe80::1%4294967295]:9", "[fe80::1%4294967295]:9"},
        {"fe80:1111:2222:3333:4444:5555:6666:7777%4294967295",
         "fe80:1111:2222:3333:4444:5555:6666:7777%4294967295"},
        {"[fe80:1111:2222:3333:4444:5555:6666:7777%4294967295]:65535",
         "[fe80:1111:2222:3333:4444:5555:6666:7777%4294967295]:65535"},
        {"::ffff:1.2.3.4", "1.2.3.4"},
        {"[::ffff:102:304]:5", "1.2.3.4:5"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char text[ADDR_TEXT_MAX];
        struct addr addr = parsed(pairs[i][0]);
        assert_string_equal(addr_print(&addr, text), pairs[i][1]);
        struct addr again = parsed(text);
        assert_true(addr_equal(&addr, &again));
    }
}

static void text_that_is_anything_else_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        " ",
        ":",
        "::1:",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "01.2.3.4",
        "1.2.3.04",
        "0x1.2.3.4",
        " 1.2.3.4",
        "1.2.3.4 ",
        "1.2.3.4:",
        "1.2.3.4:0",
        "1.2.3.4:05",
        "1.2.3.4:65536",
        "1.2.3.4:+5",
        "1.2.3.4:-5",
        "1.2.3.4: 5",
        "1.2.3.4:5 ",
        "1.2.3.4:5x",
        "1.2.3.4:99999999999999999999",
        "1.2.3.4:18446744073709551617",
        "fe80::1%18446744073709551617",
        "1.2.3.4:5:6",
        "localhost",
        "localhost:5",
        "[1.2.3.4]:5",
        "[1.2.3.4]",
        "[::1]",
        "[::1",
        "[::1]5",
        "[::1]:",
        "[::1]:0",
        "[::1]:65536",
        "[]:5",
        "::1]:5",
        "[[::1]]:5",
        "::1%1",
        "2001:db8::1%2",
        "fe80::1%",
        "fe80::1%0",
        "fe80::1%eth0",
        "fe80::1%01",
        "fe80::1% 1",
        "fe80::1%4294967296",
        "fe80::1%1%1",
        "%1",
        "1.2.3.4%1",
        "::ffff:1.2.3.4%1",
        "1:2:3:4:5:6:7:8:9",
        ":::",
        "g::",
        "12345::",
        "::1.2.3",
        "[fe80::1]:5%1",
        "1111111111111111111111111111111111111111111111111111111111111111",
        "[fe80:1111:2222:3333:4444:5555:6666:7777%42949672951111111]:65535",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct addr addr, before;
        memset(&before, 0xa5, sizeof before);
        addr = before;
        if (addr_parse(&addr, wrong[i]))
            fail_msg("accepted: '%s'", wrong[i]);
        assert_memory_equal(&addr, &before, sizeof addr);
    }
}

static void no_address_prints_as_none_and_is_of_no_use(void **state)
{
    (void)state;
    char text[ADDR_TEXT_MAX];
    struct addr none = {0};
    assert_string_equal(addr_print(&none, text), "none");
    assert_string_equal(addr_print_ip(&none, text), "none");
    assert_int_equal(addr_scope(&none), ADDR_NONE);
    none.port = 5;
    assert_false(addr_is_usable(&none));
    assert_string_equal(addr_print(&none, text), "none");
}

static void the_port_and_the_brackets_can_be_left_out(void **state)
{
    (void)state;
    char text[ADDR_TEXT_MAX];
    struct addr addr = parsed("[2001:db8::1]:5");
    assert_string_equal(addr_print_ip(&addr, text), "2001:db8::1");
    addr = parsed("192.0.2.1:5");
    assert_string_equal(addr_print_ip(&addr, text), "192.0.2.1");
    addr = parsed("[fe80::1%7]:5");
    assert_string_equal(addr_print_ip(&addr, text), "fe80::1%7");
}

static void every_prefix_has_its_scope_up_to_its_very_edges(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum addr_scope scope;
    } cases[] = {
        {"0.0.0.0", ADDR_NONE},
        {"0.255.255.255", ADDR_NONE},
        {"1.0.0.0", ADDR_GLOBAL},
        {"9.255.255.255", ADDR_GLOBAL},
        {"10.0.0.0", ADDR_PRIVATE},
        {"10.255.255.255", ADDR_PRIVATE},
        {"11.0.0.0", ADDR_GLOBAL},
        {"100.63.255.255", ADDR_GLOBAL},
        {"100.64.0.0", ADDR_SHARED},
        {"100.127.255.255", ADDR_SHARED},
        {"100.128.0.0", ADDR_GLOBAL},
        {"126.255.255.255", ADDR_GLOBAL},
        {"127.0.0.0", ADDR_LOOPBACK},
        {"127.255.255.255", ADDR_LOOPBACK},
        {"128.0.0.0", ADDR_GLOBAL},
        {"169.253.255.255", ADDR_GLOBAL},
        {"169.254.0.0", ADDR_LINK_LOCAL},
        {"169.254.255.255", ADDR_LINK_LOCAL},
        {"169.255.0.0", ADDR_GLOBAL},
        {"172.15.255.255", ADDR_GLOBAL},
        {"172.16.0.0", ADDR_PRIVATE},
        {"172.31.255.255", ADDR_PRIVATE},
        {"172.32.0.0", ADDR_GLOBAL},
        {"192.167.255.255", ADDR_GLOBAL},
        {"192.168.0.0", ADDR_PRIVATE},
        {"192.168.255.255", ADDR_PRIVATE},
        {"192.169.0.0", ADDR_GLOBAL},
        {"192.0.2.1", ADDR_GLOBAL},
        {"198.51.100.1", ADDR_GLOBAL},
        {"203.0.113.1", ADDR_GLOBAL},
        {"223.255.255.255", ADDR_GLOBAL},
        {"224.0.0.0", ADDR_NONE},
        {"239.255.255.255", ADDR_NONE},
        {"240.0.0.0", ADDR_NONE},
        {"255.255.255.255", ADDR_NONE},
        {"::", ADDR_NONE},
        {"::1", ADDR_LOOPBACK},
        {"::2", ADDR_NONE},
        {"::1:0:0", ADDR_GLOBAL},
        {"fbff::1", ADDR_GLOBAL},
        {"fc00::", ADDR_PRIVATE},
        {"fdff::1", ADDR_PRIVATE},
        {"fe00::1", ADDR_GLOBAL},
        {"fe7f::1", ADDR_GLOBAL},
        {"fe80::", ADDR_LINK_LOCAL},
        {"febf:ffff::1", ADDR_LINK_LOCAL},
        {"fec0::1", ADDR_PRIVATE},
        {"feff::1", ADDR_PRIVATE},
        {"ff00::", ADDR_NONE},
        {"ff02::1", ADDR_NONE},
        {"ff0e::1", ADDR_NONE},
        {"2001:db8::1", ADDR_GLOBAL},
        {"2606:4700::1", ADDR_GLOBAL},
        {"100::1", ADDR_NONE},
        {"100:0:0:1::1", ADDR_GLOBAL},
        {"64:ff9b:1::a00:1", ADDR_PRIVATE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct addr addr = parsed(cases[i].text);
        if (addr_scope(&addr) != cases[i].scope)
            fail_msg("%s: scope %d, not %d", cases[i].text, addr_scope(&addr), cases[i].scope);
        assert_false(addr_is_usable(&addr));
        addr.port = 1;
        assert_int_equal(addr_is_usable(&addr), cases[i].scope != ADDR_NONE);
    }
}

/* Thirty ways to write an IPv4 address: those that are the address become it, those that some translator on
 * the way would turn into it never pass for a global one. */
static void thirty_encodings_of_loopback_never_pass_for_a_global_address(void **state)
{
    (void)state;
    static const char *const same[] = {
        "127.0.0.1",
        "::ffff:127.0.0.1",
        "::FFFF:127.0.0.1",
        "::ffff:7f00:1",
        "::ffff:7f00:0001",
        "0:0:0:0:0:ffff:127.0.0.1",
        "0:0:0:0:0:ffff:7f00:1",
        "0000:0000:0000:0000:0000:ffff:7f00:0001",
        "0::ffff:127.0.0.1",
        "::0:ffff:127.0.0.1",
        "0:0::ffff:7f00:1",
    };
    static const char *const embedded[] = {
        "::127.0.0.1",
        "::7f00:1",
        "0:0:0:0:0:0:127.0.0.1",
        "::ffff:0:127.0.0.1",
        "::ffff:0:7f00:1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:0:0:0:0:127.0.0.1",
        "64:ff9b:1::127.0.0.1",
        "2002:7f00:1::",
        "2002:7f00:0001::1",
        "2002:7f00:1:1:1:1:1:1",
        "2001::80ff:fffe",
        "2001:0:ffff:ffff:0:0:80ff:fffe",
        "2001:0:7f00:1::80ff:fffe",
    };
    static const char *const refused[] = {"127.1", "2130706433", "0x7f000001", "0177.0.0.1"};
    assert_int_equal(sizeof same / sizeof *same + sizeof embedded / sizeof *embedded +
                         sizeof refused / sizeof *refused,
                     30);
    struct addr loopback = parsed("127.0.0.1"), addr;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        addr = parsed(same[i]);
        assert_true(addr_equal(&addr, &loopback));
        assert_int_equal(addr_scope(&addr), ADDR_LOOPBACK);
    }
    for (size_t i = 0; i < sizeof embedded / sizeof *embedded; i++) {
        addr = parsed(embedded[i]);
        if (addr_scope(&addr) == ADDR_GLOBAL)
            fail_msg("%s passes for a global address", embedded[i]);
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_false(addr_parse(&addr, refused[i]));
}

static void translated_addresses_are_global_where_the_address_inside_is(void **state)
{
    (void)state;
    static const char *const global[] = {"64:ff9b::8.8.8.8", "2002:808:808::1", "2001::f7f7:f7f7",
                                         "::ffff:0:8.8.8.8"};
    static const char *const none[] = {"64:ff9b::10.0.0.1", "2002:7f08:808:808::1", "2001::3f57:fefe",
                                       "64:ff9b::e000:1"};
    for (size_t i = 0; i < 4; i++) {
        struct addr inside = parsed(global[i]), outside = parsed(none[i]);
        assert_int_equal(addr_scope(&inside), ADDR_GLOBAL);
        assert_int_equal(addr_scope(&outside), ADDR_NONE);
    }
}

static void only_a_link_local_address_keeps_its_interface(void **state)
{
    (void)state;
    uint8_t ip[16] = {0xfe, 0x80, [15] = 1};
    struct addr addr = addr_make6(ip, 5, 7);
    assert_int_equal(addr.scope, 7);
    ip[0] = 0x20;
    addr = addr_make6(ip, 5, 7);
    assert_int_equal(addr.scope, 0);
}

static void order_is_total_and_agrees_with_equality(void **state)
{
    (void)state;
    static const char *const sorted[] = {
        "1.2.3.4",        "1.2.3.4:5",       "1.2.3.4:6",       "1.2.3.5:1", "200.0.0.1", "::1",
        "[2001:db8::]:1", "[2001:db8::1]:1", "[2001:db8::1]:2", "fe80::1",   "fe80::1%1", "fe80::1%2",
    };
    size_t count = sizeof sorted / sizeof *sorted;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++) {
            struct addr a = parsed(sorted[i]), b = parsed(sorted[j]);
            int order = addr_compare(&a, &b);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
            assert_int_equal(addr_equal(&a, &b), i == j);
        }
    struct addr none = {0}, first = parsed(sorted[0]);
    assert_true(addr_compare(&none, &first) < 0);
}

static void equality_of_addresses_alone_forgets_the_port_but_not_the_interface(void **state)
{
    (void)state;
    struct addr a = parsed("1.2.3.4:5"), b = parsed("1.2.3.4:6"), c = parsed("1.2.3.5:5");
    assert_true(addr_equal_ip(&a, &b));
    assert_false(addr_equal(&a, &b));
    assert_false(addr_equal_ip(&a, &c));
    a = parsed("fe80::1%1"), b = parsed("fe80::1%2");
    assert_false(addr_equal_ip(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_read_and_written_in_one_canonical_form),
        cmocka_unit_test(text_that_is_anything_else_is_refused_and_changes_nothing),
        cmocka_unit_test(no_address_prints_as_none_and_is_of_no_use),
        cmocka_unit_test(the_port_and_the_brackets_can_be_left_out),
        cmocka_unit_test(every_prefix_has_its_scope_up_to_its_very_edges),
        cmocka_unit_test(thirty_encodings_of_loopback_never_pass_for_a_global_address),
        cmocka_unit_test(translated_addresses_are_global_where_the_address_inside_is),
        cmocka_unit_test(only_a_link_local_address_keeps_its_interface),
        cmocka_unit_test(order_is_total_and_agrees_with_equality),
        cmocka_unit_test(equality_of_addresses_alone_forgets_the_port_but_not_the_interface),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
