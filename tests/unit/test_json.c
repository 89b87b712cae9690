/* test_json.c - strict JSON: what is read, what is refused, and that writing is exact. */
#include "json.h"
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

static struct json *parse(const char *text)
{
    return json_parse((const uint8_t *)text, strlen(text));
}

static void refuse_bytes(const char *text, size_t len)
{
    struct json *json = json_parse((const uint8_t *)text, len);
    if (json)
        fail_msg("taken: %.*s", (int)len, text);
}

static void objects_are_read(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        " \t\r\n{ } \t\r\n",
        "{\"\":0}",
        "{\"a\":{\"b\":[{\"c\":[null,true,false,\"\",-0.5e-3,1E+2,0]}]}}",
        "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u20AC\\ud83d\\ude00\"}",
        "{\"a\":\"\\\\u0000\"}", /* a backslash, then text */
        "{\"\xC2\xA2\xE2\x82\xAC\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF\":1}",
        "{\"a\":[[[[[[[]]]]]]]}",
        "{\"a\":{\"x\":1},\"b\":{\"x\":1}}",
        "{\"a\":1,\"A\":2}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct json *json = parse(texts[i]);
        if (!json)
            fail_msg("refused: %s", texts[i]);
        json_free(json);
    }
}

static void what_is_not_strictly_one_object_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        /* not an object, or not only one */
        "",
        " ",
        "null",
        "1",
        "\"a\"",
        "[]",
        "{}{}",
        "{} x",
        "{}\"",
        "{},",
        "x{}",
        "{",
        "}",
        "{]",
        "[}",
        "\xEF\xBB\xBF{}",
        "{}\v",
        "\f{}",
        "{\x01}",
        /* grammar */
        "{a:1}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,\"a\":1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1/**/}",
        "{'a':1}",
        "{\"a\":[1,]}",
        "{\"a\":[,1]}",
        "{\"a\":[1 2]}",
        "{\"a\":True}",
        "{\"a\":nul}",
        "{\"a\":tru}",
        "{1:1}",
        /* numbers */
        "{\"a\":01}",
        "{\"a\":-01}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":-}",
        "{\"a\":-.5}",
        "{\"a\":1e}",
        "{\"a\":1e+}",
        "{\"a\":+1}",
        "{\"a\":1e999}",
        "{\"a\":-1e999}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{\"a\":0x1}",
        "{\"a\":1-2}",
        "{\"a\":1.5.5}",
        "{\"a\":[0,1e400]}",
        /* strings */
        "{\"a\":\"\n\"}",
        "{\"a\":\"\t\"}",
        "{\"a\":\"\x1F\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\u12G4\"}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\\u0000\":1}",
        "{\"a\":\"x\\u0000y\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\udc00\"}",
        "{\"a\":\"\\ud800x\"}",
        "{\"a\":\"\\ud800\\u0041\"}",
        "{\"a\":\"\\udc00\\ud800\"}",
        "{\"a\":\"",
        "{\"a\":\"\\",
        "{\"a\":\"\\\"}",
        /* a key twice */
        "{\"a\":1,\"a\":1}",
        "{\"a\":1,\"b\":2,\"a\":3}",
        "{\"x\":{\"a\":1,\"a\":2}}",
        "{\"x\":[{\"a\":1,\"a\":2}]}",
        "{\"a\":1,\"\\u0061\":2}",
        "{\"\":1,\"\":2}",
        /* too deep */
        "{\"a\":[[[[[[[[]]]]]]]]}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        refuse_bytes(texts[i], strlen(texts[i]));
    refuse_bytes("{}\0", 3);
    refuse_bytes("{\"a\":\"\0\"}", 9);
    refuse_bytes("\0{}", 3);
}

static void only_well_formed_utf8_is_valid(void **state)
{
    (void)state;
    static const char *const good[] = {"",
                                       "a\x7F",
                                       "\xC2\x80",
                                       "\xDF\xBF",
                                       "\xE0\xA0\x80",
                                       "\xED\x9F\xBF",
                                       "\xEE\x80\x80",
                                       "\xEF\xBF\xBF",
                                       "\xF0\x90\x80\x80",
                                       "\xF4\x8F\xBF\xBF"};
    static const char *const bad[] = {
        "\x80",
        "\xBF",
        "\xC0\x80",
        "\xC1\xBF",
        "\xC2",
        "\xC2\x41",
        "\xE0\x9F\xBF",
        "\xE0\xA0",
        "\xED\xA0\x80",
        "\xED\xBF\xBF",
        "\xE2\x82",
        "\xE2\x28\xA1",
        "\xF0\x8F\xBF\xBF",
        "\xF0\x90\x80",
        "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80",
        "\xF8\x88\x80\x80\x80",
        "\xFE",
        "\xFF",
        "ok\xC3",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(utf8_valid((const uint8_t *)good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[64];
        if (utf8_valid((const uint8_t *)bad[i], strlen(bad[i])))
            fail_msg("bad sequence %zu is taken", i);
        size_t len = (size_t)snprintf(text, sizeof text, "{\"a\":\"%s\"}", bad[i]);
        refuse_bytes(text, len);
    }
    assert_false(utf8_valid((const uint8_t *)"a\0b", 3));
}

static void length_and_members_have_limits(void **state)
{
    (void)state;
    static char text[JSON_MAX + 2];
    memset(text, ' ', sizeof text);
    memcpy(text, "{}", 2);
    struct json *json = json_parse((const uint8_t *)text, JSON_MAX);
    assert_non_null(json);
    json_free(json);
    refuse_bytes(text, JSON_MAX + 1);
    for (int members = JSON_MEMBERS_MAX; members <= JSON_MEMBERS_MAX + 1; members++) {
        size_t len = 0;
        for (int i = 0; i < members; i++)
            len += (size_t)snprintf(text + len, sizeof text - len, "%c\"k%d\":1", i ? ',' : '{', i);
        text[len++] = '}';
        json = json_parse((const uint8_t *)text, len);
        assert_int_equal(json != NULL, members <= JSON_MEMBERS_MAX);
        json_free(json);
    }
}

static void text_without_a_final_nul_is_read_within_its_length(void **state)
{
    (void)state;
    for (size_t len = 0; len < 9; len++) {
        uint8_t *exact = malloc(len ? len : 1); /* the sanitizer watches its end */
        memcpy(exact, "{\"a\":\"b\"}", len);
        assert_null(json_parse(exact, len));
        free(exact);
    }
    uint8_t *exact = malloc(9);
    memcpy(exact, "{\"a\":\"b\"}", 9);
    struct json *json = json_parse(exact, 9);
    assert_non_null(json);
    json_free(json);
    free(exact);
}

static void members_of_another_type_are_missing_and_change_nothing(void **state)
{
    (void)state;
    struct json *json =
        parse("{\"text\":\"t\",\"bool\":true,\"int\":7,\"half\":0.5,\"object\":{},\"array\":[{},\"x\",3]}");
    const char *text = "before", *const names[] = {"text",   "bool",  "int",  "half",
                                                   "object", "array", "none", "Text"};
    bool flag = false;
    int64_t number = -1;
    size_t count = 99;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(json_get_text(json, names[i], &text), strcmp(names[i], "text") == 0);
        assert_int_equal(json_get_bool(json, names[i], &flag), strcmp(names[i], "bool") == 0);
        assert_int_equal(json_get_int(json, names[i], 0, 9, &number), strcmp(names[i], "int") == 0);
        assert_int_equal(json_get_object(json, names[i]) != NULL, strcmp(names[i], "object") == 0);
        assert_int_equal(json_get_array(json, names[i], &count) != NULL, strcmp(names[i], "array") == 0);
    }
    assert_string_equal(text, "t");
    assert_int_equal(number, 7);
    assert_int_equal(count, 3);
    const struct json *array = json_get_array(json, "array", &count);
    assert_non_null(json_array_object(array, 0));
    assert_null(json_array_object(array, 1));
    assert_null(json_array_object(array, 3));
    assert_null(json_array_object(array, SIZE_MAX));
    json_free(json);
}

static void whole_numbers_are_exact_and_within_their_range(void **state)
{
    (void)state;
    struct json *json =
        parse("{\"a\":9007199254740992,\"b\":9007199254740994,\"c\":-9007199254740992,\"d\":1.5,\"e\":1e3,"
              "\"f\":-0,\"g\":18446744073709551616,\"h\":4294967296}");
    int64_t out = 5;
    assert_true(json_get_int(json, "a", 0, INT64_MAX, &out));
    assert_int_equal(out, INT64_C(9007199254740992));
    assert_false(json_get_int(json, "b", INT64_MIN, INT64_MAX, &out));
    assert_true(json_get_int(json, "c", INT64_MIN, 0, &out));
    assert_false(json_get_int(json, "d", 0, 9, &out));
    assert_true(json_get_int(json, "e", 1000, 1000, &out));
    assert_false(json_get_int(json, "e", 0, 999, &out));
    assert_false(json_get_int(json, "e", 1001, 2000, &out));
    assert_true(json_get_int(json, "f", 0, 0, &out));
    assert_false(json_get_int(json, "g", INT64_MIN, INT64_MAX, &out));
    assert_false(json_get_int(json, "h", 0, UINT32_MAX, &out));
    assert_int_equal(out, 0);
    json_free(json);
}

static void base64url_is_strict(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int len; /* -1: refused */
    } rows[] = {
        {"", 0},      {"AA", 1},       {"AAA", 2},    {"AAAA", 3},
        {"-_-_", 3},  {"A", -1},       {"AB", -1}, /* stray bits */
        {"AAB", -1},  {"AA==", -1},    {"AAA=", -1},  {"+/+/", -1},
        {"AA A", -1}, {"AA\\nAA", -1}, {"AAAAA", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t out[3] = {1, 2, 3};
        size_t len = 77;
        char text[64];
        snprintf(text, sizeof text, "{\"b\":\"%s\"}", rows[i].text);
        struct json *json = parse(text);
        bool taken = json_get_blob(json, "b", out, sizeof out, &len);
        if (taken != (rows[i].len >= 0))
            fail_msg("wrong judgement of \"%s\"", rows[i].text);
        if (taken)
            assert_int_equal(len, rows[i].len);
        else
            assert_memory_equal(out, "\1\2\3", 3);
        for (int want = 0; want <= 3; want++)
            assert_int_equal(json_get_bytes(json, "b", out, (size_t)want), want == rows[i].len);
        if (rows[i].len > 0)
            assert_false(json_get_blob(json, "b", out, (size_t)rows[i].len - 1, &len));
        json_free(json);
    }
}

static void bytes_of_every_length_survive_the_journey(void **state)
{
    (void)state;
    static uint8_t bytes[5120], back[5120];
    static char text[JSON_MAX];
    randombytes_buf(bytes, sizeof bytes);
    for (size_t len = 0; len <= sizeof bytes; len += len < 70 ? 1 : 505) {
        struct json *json = json_object();
        json_put_bytes(json, "b", bytes, len);
        size_t printed = json_print(json, text, sizeof text);
        json_free(json);
        assert_true(printed > 0);
        assert_int_equal(text[printed], '\0');
        json = json_parse((const uint8_t *)text, printed);
        assert_true(json_get_bytes(json, "b", back, len));
        assert_memory_equal(bytes, back, len);
        json_free(json);
    }
    struct json *json = json_object();
    json_put_bytes(json, "b", bytes, JSON_MAX);
    assert_int_equal(json_print(json, text, sizeof text), 0);
    json_free(json);
}

static void writing_is_compact_and_exact(void **state)
{
    (void)state;
    char text[512];
    struct json *json = json_object();
    json_put_text(json, "t", "a\"\\\n\x01\xE2\x82\xAC");
    json_put_bool(json, "b", false);
    json_put_int(json, "i", INT64_C(9007199254740992));
    json_put_int(json, "j", INT64_C(-9007199254740991));
    json_put_number(json, "n", 40.1);
    json_put_number(json, "m", -0.00049);
    json_put_number(json, "k", 1.0 / 3);
    json_put_number(json, "l", 1234567890.9996);
    struct json *array = json_put_array(json_put_object(json, "o"), "a");
    json_put_int(json_add_object(array), "y", 0);
    size_t len = json_print(json, text, sizeof text);
    assert_string_equal(text, "{\"t\":\"a\\\"\\\\\\n\\u0001\xE2\x82\xAC\",\"b\":false,\"i\":9007199254740992,"
                              "\"j\":-9007199254740991,\"n\":40.1,\"m\":0,\"k\":0.333,\"l\":1234567891,"
                              "\"o\":{\"a\":[{\"y\":0}]}}");
    assert_int_equal(len, strlen(text));
    assert_int_equal(json_print(json, text, len), 0);
    assert_int_equal(json_print(json, text, len + 1), len);
    json_put_number(json, "never", (double)INFINITY);
    assert_int_equal(json_print(json, text, sizeof text), 0);
    json_free(json);
}

/* ---- every allocation may fail ---- */

static int allocations_left;

static void *scarce_malloc(size_t size)
{
    return allocations_left-- > 0 ? malloc(size) : NULL;
}

static size_t write_something(char *out, size_t capacity)
{
    struct json *json = json_object();
    json_put_text(json, "t", "text");
    json_put_int(json, "i", 1);
    json_put_bytes(json, "b", (const uint8_t *)"bytes", 5);
    json_put_int(json_put_object(json, "o"), "n", 1);
    struct json *array = json_put_array(json, "a");
    json_put_bool(json_add_object(array), "n", true);
    size_t len = json_print(json, out, capacity);
    json_free(json);
    return len;
}

static void no_allocation_that_fails_is_forgotten(void **state)
{
    (void)state;
    char text[256], whole[256];
    size_t expected = write_something(whole, sizeof whole);
    assert_true(expected > 0);
    cJSON_Hooks scarce = {scarce_malloc, free};
    cJSON_InitHooks(&scarce);
    int failures = 0;
    for (int count = 0; count < 1000; count++) {
        allocations_left = count;
        size_t len = write_something(text, sizeof text);
        if (len) {
            assert_int_equal(len, expected);
            assert_string_equal(text, whole);
            break;
        }
        failures++;
    }
    assert_in_range(failures, 10, 999);
    int refused = 0;
    for (int count = 0; count < 1000; count++) {
        allocations_left = count;
        struct json *json = json_parse((const uint8_t *)whole, expected);
        json_free(json);
        if (json)
            break;
        refused++;
    }
    cJSON_InitHooks(NULL);
    assert_in_range(refused, 10, 999);
}

static int begin(void **state)
{
    (void)state;
    return sodium_init() >= 0 ? 0 : -1;
}

static void a_line_of_events_may_be_longer_than_a_message(void **state)
{
    (void)state;
    static char text[JSON_MAX + 16];
    int len = snprintf(text, sizeof text, "{\"a\":\"%0*d\"}", JSON_MAX, 7);
    assert_null(json_parse((const uint8_t *)text, (size_t)len));
    assert_null(json_parse_long((const uint8_t *)text, (size_t)len, (size_t)len - 1));
    struct json *json = json_parse_long((const uint8_t *)text, (size_t)len, (size_t)len);
    assert_non_null(json);
    json_free(json);
}

static void numbers_of_any_kind_and_lists_of_text_are_read(void **state)
{
    (void)state;
    struct json *json = parse("{\"n\":-40.25,\"t\":\"1\",\"l\":[\"one\",2]}");
    double number = 7;
    size_t count = 0;
    assert_true(json_get_number(json, "n", &number) && number == -40.25);
    assert_false(json_get_number(json, "t", &number) || json_get_number(json, "none", &number));
    assert_true(number == -40.25);
    const struct json *list = json_get_array(json, "l", &count);
    assert_int_equal(count, 2);
    assert_string_equal(json_array_text(list, 0), "one");
    assert_null(json_array_text(list, 1));
    assert_null(json_array_text(list, 2));
    json_free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_read),
        cmocka_unit_test(what_is_not_strictly_one_object_is_refused),
        cmocka_unit_test(only_well_formed_utf8_is_valid),
        cmocka_unit_test(length_and_members_have_limits),
        cmocka_unit_test(text_without_a_final_nul_is_read_within_its_length),
        cmocka_unit_test(members_of_another_type_are_missing_and_change_nothing),
        cmocka_unit_test(whole_numbers_are_exact_and_within_their_range),
        cmocka_unit_test(base64url_is_strict),
        cmocka_unit_test(bytes_of_every_length_survive_the_journey),
        cmocka_unit_test(writing_is_compact_and_exact),
        cmocka_unit_test(no_allocation_that_fails_is_forgotten),
        cmocka_unit_test(a_line_of_events_may_be_longer_than_a_message),
        cmocka_unit_test(numbers_of_any_kind_and_lists_of_text_are_read),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
