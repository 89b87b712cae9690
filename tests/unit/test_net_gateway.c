/* test_net_gateway.c - the kernel's tables of routes, as it writes them. */
#include "net_gateway.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static FILE *table_of(const char *text)
{
    FILE *table = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
    assert_non_null(table);
    return table;
}

/* As on a machine whose bytes come in this order: the test writes numbers, the kernel does too. */
static const char *hex_of(const char *text, char hex[9])
{
    struct addr addr;
    uint32_t value;
    assert_true(addr_parse(&addr, text));
    memcpy(&value, addr.ip, 4);
    snprintf(hex, 9, "%08X", value);
    return hex;
}

static bool read4(const char *interface, struct addr *out)
{
    char text[1024], near[9], far[9];
    snprintf(text, sizeof text,
             "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
             "eth0\t00000000\t%s\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
             "eth0\t00000000\t%s\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
             "eth0\t0000000A\t%s\t0003\t0\t0\t0\t000000FF\t0\t0\t0\n"
             "eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
             "wg0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n",
             hex_of("192.168.1.254", far), hex_of("192.168.1.1", near), far);
    FILE *table = table_of(text);
    bool found = gateway_read4(out, table, interface);
    fclose(table);
    return found;
}

static void the_default_route_of_the_smallest_metric_names_the_gateway(void **state)
{
    (void)state;
    struct addr found, expected;
    assert_true(addr_parse(&expected, "192.168.1.1"));
    assert_true(read4("eth0", &found));
    assert_true(addr_equal(&found, &expected));
}

static void another_interface_or_one_without_a_gateway_has_none(void **state)
{
    (void)state;
    struct addr found;
    assert_false(read4("eth1", &found));
    assert_false(read4("eth", &found));
    assert_false(read4("wg0", &found));
}

#define ZERO "00000000000000000000000000000000"

static void ipv6_names_a_link_local_router_with_its_interface(void **state)
{
    (void)state;
    struct addr found, expected;
    FILE *table =
        table_of("fe800000000000000000000000000000 40 " ZERO " 00 " ZERO
                 " 00000100 00000002 00000000 00000001     eth0\n" ZERO " 00 " ZERO
                 " 00 fe80000000000000000000fffe000001 00000400 00000003 00000000 00450003     eth0\n" ZERO
                 " 00 " ZERO " 00 " ZERO " ffffffff 00000001 00000000 00200200       lo\n");
    assert_true(gateway_read6(&found, table, "eth0", 7));
    assert_true(addr_parse(&expected, "fe80::ff:fe00:1%7"));
    assert_true(addr_equal(&found, &expected));
    rewind(table);
    assert_false(gateway_read6(&found, table, "lo", 1));
    fclose(table);
}

static void what_is_no_table_has_no_gateway(void **state)
{
    (void)state;
    struct addr found;
    const char *texts[] = {"\n", "eth0", "eth0 0 zz 3 0 0 0 0", ZERO " 00 " ZERO " 00 fe80 0 0 0 3 eth0\n",
                           "eth0\t00000000\t01\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        FILE *table = table_of(texts[i]);
        assert_false(gateway_read4(&found, table, "eth0"));
        rewind(table);
        assert_false(gateway_read6(&found, table, "eth0", 1));
        fclose(table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_route_of_the_smallest_metric_names_the_gateway),
        cmocka_unit_test(another_interface_or_one_without_a_gateway_has_none),
        cmocka_unit_test(ipv6_names_a_link_local_router_with_its_interface),
        cmocka_unit_test(what_is_no_table_has_no_gateway),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
