/* fuzz_json.c - hostile bytes for the JSON reader. What is taken must be what the header promises: every
 * string UTF-8 without NUL, every number within the range asked for, all of it readable again after being
 * written. */
#include "fuzz.h"
#include "json.h"
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"", "a", "b", "v", "type", "from", "nonce", "candidates", "box"};

static void look_at_text(const char *text)
{
    must(!text || utf8_valid((const uint8_t *)text, strlen(text)));
}

static void look_at_object(const struct json *object, int depth);

static void look_at_array(const struct json *array, size_t count, int depth)
{
    for (size_t i = 0; i <= count; i++) {
        const struct json *inside = json_array_object(array, i);
        must(i < count || !inside);
        if (inside)
            look_at_object(inside, depth + 1);
    }
}

static void look_at_object(const struct json *object, int depth)
{
    uint8_t bytes[64];
    must(depth < JSON_DEPTH_MAX);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *text = NULL;
        int64_t number = 0;
        bool flag = false;
        size_t count = 0, len = 0;
        json_get_text(object, names[i], &text);
        look_at_text(text);
        json_get_bool(object, names[i], &flag);
        if (json_get_int(object, names[i], -5, 1000, &number))
            must(number >= -5 && number <= 1000);
        if (json_get_blob(object, names[i], bytes, sizeof bytes, &len))
            must(len <= sizeof bytes && json_get_bytes(object, names[i], bytes, len));
        const struct json *inside = json_get_object(object, names[i]);
        if (inside)
            look_at_object(inside, depth + 1);
        const struct json *array = json_get_array(object, names[i], &count);
        if (array)
            look_at_array(array, count, depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[8 * JSON_MAX];
    struct json *json = json_parse(data, size);
    if (!json)
        return 0;
    must(size <= JSON_MAX && utf8_valid(data, size));
    look_at_object(json, 0);
    size_t len = json_print(json, text, sizeof text);
    must(len > 0);
    json_free(json);
    /* An escape may have been short for what now stands there in full, and a number may be printed longer. */
    struct json *again = json_parse((const uint8_t *)text, len);
    must(again || len > JSON_MAX);
    json_free(again);
    return 0;
}
