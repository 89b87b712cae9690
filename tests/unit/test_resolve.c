/* test_resolve.c - names become addresses, in threads of their own. */
#include "resolve.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { PATIENCE_MS = 30000 /* a resolver without a network may take that long to say so */ };

static void the_forms_of_a_server_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        uint16_t port;
    } good[] = {
        {"stun.example.org", "stun.example.org", 3478},
        {"stun.example.org:19302", "stun.example.org", 19302},
        {"192.0.2.1", "192.0.2.1", 3478},
        {"192.0.2.1:1", "192.0.2.1", 1},
        {"2001:db8::1", "2001:db8::1", 3478},
        {"[2001:db8::1]:65535", "2001:db8::1", 65535},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char host[256];
        uint16_t port;
        assert_true(resolver_parse(good[i].text, 3478, host, &port));
        assert_string_equal(host, good[i].host);
        assert_int_equal(port, good[i].port);
    }
}

static void other_forms_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",         ":",   ":3478",     "host:",     "host:0", "host:65536", "host:99999999999",
        "host:12a", "a b", "user@host", "host/path", "a:b:c",  "[::1",       "stun:host:1",
        "host\n"};
    char host[256], longest[300];
    uint16_t port;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(resolver_parse(bad[i], 3478, host, &port));
    memset(longest, 'a', 256);
    longest[256] = '\0';
    assert_false(resolver_parse(longest, 3478, host, &port));
}

static struct resolved wait_for_answer(struct resolver *resolver)
{
    struct resolved resolved;
    struct pollfd ready = {.fd = resolver_fd(resolver), .events = POLLIN};
    assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
    assert_true(resolver_next(resolver, &resolved));
    return resolved;
}

static void localhost_resolves_with_the_port_asked_for(void **state)
{
    (void)state;
    struct resolver *resolver = resolver_new();
    assert_non_null(resolver);
    assert_true(resolver_ask(resolver, "localhost", 19302, 0));
    assert_int_equal(resolver_pending(resolver), 1);
    struct resolved resolved = wait_for_answer(resolver);
    assert_string_equal(resolved.host, "localhost");
    assert_true(resolved.count >= 1);
    for (unsigned i = 0; i < resolved.count; i++) {
        assert_int_equal(addr_scope(&resolved.addresses[i]), ADDR_LOOPBACK);
        assert_int_equal(resolved.addresses[i].port, 19302);
    }
    assert_int_equal(resolver_pending(resolver), 0);
    assert_false(resolver_next(resolver, &resolved));
    resolver_free(resolver);
}

static void a_name_that_does_not_exist_is_answered_with_why(void **state)
{
    (void)state;
    struct resolver *resolver = resolver_new();
    assert_true(resolver_ask(resolver, "no-such-name.invalid", 1, 0)); /* RFC 6761 6.4 */
    struct resolved resolved = wait_for_answer(resolver);
    assert_int_equal(resolved.count, 0);
    assert_true(strlen(resolved.why) > 0);
    resolver_free(resolver);
}

static void whoever_leaves_waits_for_no_answer(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct resolver *resolver = resolver_new();
        assert_true(resolver_ask(resolver, "no-such-name.invalid", 1, 0));
        assert_true(resolver_ask(resolver, "127.0.0.1", 1, 0));
        resolver_free(resolver);
    }
    resolver_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_forms_of_a_server_are_read),
        cmocka_unit_test(other_forms_are_refused),
        cmocka_unit_test(localhost_resolves_with_the_port_asked_for),
        cmocka_unit_test(a_name_that_does_not_exist_is_answered_with_why),
        cmocka_unit_test(whoever_leaves_waits_for_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
