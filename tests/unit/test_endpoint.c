/* test_endpoint.c - what -L, -R, -W and --allow name. */
#include "endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void every_form_of_a_target_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *printed;
        uint16_t port;
        bool udp;
    } cases[] = {
        {"web:80", "web", "web:80", 80, false},
        {"WEB.Example.ORG:65535", "web.example.org", "web.example.org:65535", 65535, false},
        {"192.0.2.1:1", "192.0.2.1", "192.0.2.1:1", 1, false},
        {"[2001:DB8:0:0::1]:22", "2001:db8::1", "[2001:db8::1]:22", 22, false},
        {"web:53/udp", "web", "web:53", 53, true},
        {"[::1]:53/udp", "::1", "[::1]:53", 53, true},
        {"web:53/tcp", "web", "web:53", 53, false},
        {"/run/a b/udp", "/run/a b/udp", "/run/a b/udp", 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[ENDPOINT_TEXT_MAX];
        struct endpoint endpoint, again;
        assert_true(endpoint_read(&endpoint, cases[i].text, false));
        assert_string_equal(endpoint.host, cases[i].host);
        assert_int_equal(endpoint.port, cases[i].port);
        assert_int_equal(endpoint.udp, cases[i].udp);
        assert_string_equal(endpoint_print(text, &endpoint), cases[i].printed);
        assert_true(endpoint_read(&again, text, endpoint.udp));
        assert_true(endpoint_equal(&endpoint, &again));
    }
}

static void what_is_no_target_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "80",
        "web",
        "web:",
        ":80",
        "web:0",
        "web:65536",
        "web:+1",
        "web: 1",
        "web:1x",
        "web:1/",
        "web:1/sctp",
        "web:1/udp/udp",
        "a b:1",
        "a/b:1",
        "a:b:1",
        "[web]:1",
        "[::1]",
        "[::1]1",
        "[::1:1",
        "::1:80",
        "*:1",
        "/",
        "we\x1b[31mb:1",
        "\xff:1",
        "[fe80::1%lo]:1",
        "[]:1",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct endpoint endpoint;
        if (endpoint_read(&endpoint, cases[i], false))
            fail_msg("\"%s\" was taken", cases[i]);
    }
    char text[400];
    struct endpoint endpoint;
    memset(text, 'a', sizeof text);
    text[ENDPOINT_HOST_MAX] = ':', text[ENDPOINT_HOST_MAX + 1] = '1', text[ENDPOINT_HOST_MAX + 2] = '\0';
    assert_true(endpoint_read(&endpoint, text, false));
    text[ENDPOINT_HOST_MAX] = 'a', text[ENDPOINT_HOST_MAX + 1] = ':', text[ENDPOINT_HOST_MAX + 2] = '1';
    text[ENDPOINT_HOST_MAX + 3] = '\0';
    assert_false(endpoint_read(&endpoint, text, false));
    text[0] = '/', text[ENDPOINT_PATH_MAX] = '\0';
    assert_true(endpoint_read(&endpoint, text, false));
    text[ENDPOINT_PATH_MAX] = 'a', text[ENDPOINT_PATH_MAX + 1] = '\0';
    assert_false(endpoint_read(&endpoint, text, false));
}

static void what_is_longer_than_any_that_is_good_is_refused(void **state)
{
    (void)state;
    char text[4 * ENDPOINT_TEXT_MAX];
    struct endpoint endpoint;
    struct forwarding forwarding;
    memset(text, '1', sizeof text);
    for (size_t len = 0; len < sizeof text; len++) {
        text[len] = '\0';
        assert_false(endpoint_read(&endpoint, text, false));
        assert_false(endpoint_read_forwarding(&forwarding, text, false));
        assert_int_equal(endpoint_read_port(&endpoint, text, false), len > 0 && len < 6);
        text[len] = '1';
    }
}

static void every_form_of_a_forwarding_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text, *bind, *host;
        uint16_t listen, port;
        bool udp;
    } cases[] = {
        {"8080:web:80", "", "web", 8080, 80, false},
        {"127.0.0.2:8080:web:80", "127.0.0.2", "web", 8080, 80, false},
        {"*:8080:web:80", "*", "web", 8080, 80, false},
        {":8080:web:80", "*", "web", 8080, 80, false},
        {"localhost:8080:[::1]:80", "localhost", "::1", 8080, 80, false},
        {"[::1]:8080:[2001:db8::2]:80/udp", "::1", "2001:db8::2", 8080, 80, true},
        {"53:dns:53/udp", "", "dns", 53, 53, true},
        {"8080:/run/x/udp", "", "/run/x/udp", 8080, 0, false},
        {"/tmp/s:web:80", "/tmp/s", "web", 0, 80, false},
        {"/tmp/s:/run/x", "/tmp/s", "/run/x", 0, 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct forwarding forwarding;
        assert_true(endpoint_read_forwarding(&forwarding, cases[i].text, false));
        assert_string_equal(forwarding.listen.host, cases[i].bind);
        assert_string_equal(forwarding.target.host, cases[i].host);
        assert_int_equal(forwarding.listen.port, cases[i].listen);
        assert_int_equal(forwarding.target.port, cases[i].port);
        assert_int_equal(forwarding.target.udp, cases[i].udp);
        assert_int_equal(forwarding.listen.udp, cases[i].udp);
    }
}

static void what_is_no_forwarding_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",          "80",          "80:80",    "80:web",       "web:80",        "80:web:80:90",
        "0:web:80",  "80:web:0",    "x:80:web", "a:b:80:web:1", "[::1]80:w:80",  "[web]:1:w:1",
        "80:[::1]:", "80:",         "/a",       "/a:",          "/a:80",         "/:web:80",
        "80:/",      "80:web:80/x", "*:web:80", "[*]:1:w:1",    "/a:web:80/udp",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct forwarding forwarding;
        if (endpoint_read_forwarding(&forwarding, cases[i], false))
            fail_msg("\"%s\" was taken", cases[i]);
    }
}

static void the_protocol_that_is_meant_without_a_word(void **state)
{
    (void)state;
    struct endpoint endpoint;
    struct forwarding forwarding;
    assert_true(endpoint_read(&endpoint, "web:1", true) && endpoint.udp);
    assert_true(endpoint_read(&endpoint, "web:1/tcp", true) && !endpoint.udp);
    assert_true(endpoint_read(&endpoint, "/run/x", true) && !endpoint.udp);
    assert_true(endpoint_read_port(&endpoint, "53", true) && endpoint.udp && !*endpoint.host);
    assert_true(endpoint_read_port(&endpoint, "53/tcp", true) && !endpoint.udp);
    assert_false(endpoint_read_port(&endpoint, "53/", true));
    assert_false(endpoint_read_port(&endpoint, "web:53", true));
    assert_true(endpoint_read_forwarding(&forwarding, "1:web:1", true) && forwarding.target.udp);
    assert_true(endpoint_read_forwarding(&forwarding, "1:/run/x", true) && !forwarding.target.udp);
}

static void nothing_is_equal_that_is_not_the_same(void **state)
{
    (void)state;
    static const char *const cases[] = {"localhost:1",          "127.0.0.1:1", "[::1]:1",
                                        "[::ffff:127.0.0.1]:1", "localhost:2", "localhost.:1",
                                        "localhost:1/udp",      "/localhost"};
    struct endpoint a, b;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t j = 0; j < sizeof cases / sizeof *cases; j++) {
            assert_true(endpoint_read(&a, cases[i], false) && endpoint_read(&b, cases[j], false));
            assert_int_equal(endpoint_equal(&a, &b), i == j);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_a_target_is_read),
        cmocka_unit_test(what_is_no_target_is_refused),
        cmocka_unit_test(what_is_longer_than_any_that_is_good_is_refused),
        cmocka_unit_test(every_form_of_a_forwarding_is_read),
        cmocka_unit_test(what_is_no_forwarding_is_refused),
        cmocka_unit_test(the_protocol_that_is_meant_without_a_word),
        cmocka_unit_test(nothing_is_equal_that_is_not_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
