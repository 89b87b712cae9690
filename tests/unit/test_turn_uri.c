/* test_turn_uri.c - where a TURN server is. */
#include "turn_uri.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static void every_form_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        uint16_t port;
        bool stream, secure;
    } cases[] = {
        {"turn:relay.example.org", "relay.example.org", 3478, false, false},
        {"turn:relay.example.org:5000", "relay.example.org", 5000, false, false},
        {"turn:relay.example.org?transport=udp", "relay.example.org", 3478, false, false},
        {"turn:relay.example.org:80?transport=tcp", "relay.example.org", 80, true, false},
        {"turns:relay.example.org", "relay.example.org", 5349, true, true},
        {"turns:relay.example.org:443?transport=tcp", "relay.example.org", 443, true, true},
        {"turn:192.0.2.1:7", "192.0.2.1", 7, false, false},
        {"turn:[2001:db8::1]:7", "2001:db8::1", 7, false, false},
        {"turn:2001:db8::1", "2001:db8::1", 3478, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct turn_uri uri;
        assert_true(turn_uri_parse(&uri, cases[i].text));
        assert_string_equal(uri.host, cases[i].host);
        assert_int_equal(uri.port, cases[i].port);
        assert_int_equal(uri.stream, cases[i].stream);
        assert_int_equal(uri.secure, cases[i].secure);
    }
}

static void everything_else_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "turn",
        "turn:",
        "turns:",
        "stun:host",
        "relay.example.org",
        "turn://host",
        "TURN:host",
        "turn:host:",
        "turn:host:0",
        "turn:host:65536",
        "turn:host:12x",
        "turn:host?",
        "turn:host?transport=sctp",
        "turn:host?transport=tcp&x=1",
        "turns:host?transport=udp",
        "turn:user@host",
        "turn:ho st",
        "turn:?transport=udp",
    };
    struct turn_uri uri;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (turn_uri_parse(&uri, cases[i]))
            fail_msg("%s was taken", cases[i]);
    char longer[400] = "turn:";
    memset(longer + 5, 'x', sizeof longer - 6);
    for (size_t len = 250; len < sizeof longer; len++) {
        longer[len] = '\0';
        assert_int_equal(turn_uri_parse(&uri, longer), len - 5 <= 255);
        longer[len] = 'x';
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_read),
        cmocka_unit_test(everything_else_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
