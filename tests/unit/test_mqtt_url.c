/* test_mqtt_url.c - how users name brokers. */
#include "mqtt.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void every_form_of_the_manual_is_understood(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        uint16_t port;
        bool tls;
        const char *user, *password;
    } rows[] = {
        {"broker.emqx.io", "broker.emqx.io", 1883, false, "", ""},
        {"localhost:18830", "localhost", 18830, false, "", ""},
        {"mqtt://host", "host", 1883, false, "", ""},
        {"mqtts://host", "host", 8883, true, "", ""},
        {"MQTTS://host:443/", "host", 443, true, "", ""},
        {"mqtt://me:secret@host:1", "host", 1, false, "me", "secret"},
        {"me@host", "host", 1883, false, "me", ""},
        {"mqtts://me:a%40b%3Ac%25@host", "host", 8883, true, "me", "a@b:c%"},
        {"mqtt://me:a@b@host", "host", 1883, false, "me", "a@b"},
        {"[::1]", "::1", 1883, false, "", ""},
        {"mqtt://[2001:db8::1]:65535", "2001:db8::1", 65535, false, "", ""},
        {"127.0.0.1:1883", "127.0.0.1", 1883, false, "", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct mqtt_url url;
        if (!mqtt_url_parse(&url, rows[i].text))
            fail_msg("not understood: %s", rows[i].text);
        assert_string_equal(url.host, rows[i].host);
        assert_int_equal(url.port, rows[i].port);
        assert_int_equal(url.tls, rows[i].tls);
        assert_string_equal(url.user, rows[i].user);
        assert_string_equal(url.password, rows[i].password);
    }
}

static void anything_else_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",           "mqtt://",       "http://host", "host:",     "host:0",      "host:65536", "host:1x",
        "host:-1",    ":1883",         "host name",   "host/path", "host?x=1",    "::1",        "[::1",
        "[::1]x",     "[host]",        "user@",       "@host",     ":pw@host",    "me:%4@host", "me:%zz@host",
        "me%00@host", "me:a%0Ab@host", "-host",       "ho\nst",    "h\xC3\xB6st", "mqtt:/host",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct mqtt_url url = {.port = 7};
        if (mqtt_url_parse(&url, wrong[i]))
            fail_msg("understood: %s", wrong[i]);
        assert_int_equal(url.port, 7);
        assert_int_equal(url.host[0], '\0');
    }
}

static void what_is_too_long_is_refused(void **state)
{
    (void)state;
    char text[2000];
    struct mqtt_url url;
    memset(text, 'a', sizeof text);
    text[255] = '\0';
    assert_true(mqtt_url_parse(&url, text));
    text[255] = 'a', text[256] = '\0';
    assert_false(mqtt_url_parse(&url, text));
    memcpy(text + 127, "@host", 6);
    assert_true(mqtt_url_parse(&url, text));
    memset(text, 'a', 128);
    memcpy(text + 128, "@host", 6);
    assert_false(mqtt_url_parse(&url, text));
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_false(mqtt_url_parse(&url, text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_the_manual_is_understood),
        cmocka_unit_test(anything_else_is_refused_and_changes_nothing),
        cmocka_unit_test(what_is_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
