/* test_socket_address.c - an address as the system's calls want it, from ours and back. */
#include "socket_address.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void an_address_survives_both_ways(void **state)
{
    static const char *const texts[] = {"203.0.113.9:40000", "127.0.0.1:1", "[2001:db8::7]:65535",
                                        "[fe80::1%3]:9"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct addr addr, back;
        union socket_address system;
        assert_true(addr_parse(&addr, texts[i]));
        socklen_t len = socket_address_set(&system, &addr);
        assert_int_equal(len, addr.family == 4 ? sizeof system.v4 : sizeof system.v6);
        back = socket_address_get(&system.any);
        assert_true(addr_equal(&addr, &back));
    }
}

static void ports_and_addresses_are_in_network_order(void **state)
{
    struct addr addr;
    union socket_address system;
    (void)state;
    assert_true(addr_parse(&addr, "203.0.113.9:258"));
    socket_address_set(&system, &addr);
    assert_int_equal(system.v4.sin_family, AF_INET);
    assert_memory_equal(&system.v4.sin_port, "\x01\x02", 2);
    assert_memory_equal(&system.v4.sin_addr, "\xcb\x00\x71\x09", 4);
    assert_true(addr_parse(&addr, "[fe80::1%3]:258"));
    socket_address_set(&system, &addr);
    assert_int_equal(system.v6.sin6_family, AF_INET6);
    assert_memory_equal(&system.v6.sin6_port, "\x01\x02", 2);
    assert_int_equal(system.v6.sin6_scope_id, 3);
    assert_int_equal(system.v6.sin6_flowinfo, 0);
}

static void what_the_system_maps_into_ipv6_is_ipv4(void **state)
{
    struct addr wanted;
    union socket_address system = {.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(7)}};
    (void)state;
    memcpy(&system.v6.sin6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xcb\x00\x71\x09", 16);
    assert_true(addr_parse(&wanted, "203.0.113.9:7"));
    struct addr got = socket_address_get(&system.any);
    assert_true(addr_equal(&wanted, &got));
}

static void another_family_is_no_address(void **state)
{
    union socket_address system = {.any = {.sa_family = AF_UNIX}};
    (void)state;
    assert_int_equal(socket_address_get(&system.any).family, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_survives_both_ways),
        cmocka_unit_test(ports_and_addresses_are_in_network_order),
        cmocka_unit_test(what_the_system_maps_into_ipv6_is_ipv4),
        cmocka_unit_test(another_family_is_no_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
