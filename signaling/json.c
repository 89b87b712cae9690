/* json.c - strict reading and writing of JSON (RFC 8259): the only file that knows cJSON.
 *
 * cJSON is lenient: it takes bytes that are no UTF-8, control characters, "01", a key twice, infinity, and
 * cuts a string at \u0000. So a scan over the raw text refuses what cJSON would let through, and a walk over
 * the tree the rest. What cJSON does check, and is left to it: the grammar's nesting, surrogates in pairs,
 * and that the text ends. */
#include "json.h"
#include <cjson/cJSON.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A struct json is a cJSON that nobody else can look into. */
static cJSON *open_up(const struct json *json)
{
    return (cJSON *)(uintptr_t)json;
}

/* ---- the raw text ---- */

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

/* Bytes of the well-formed character at `text`, 0: none (RFC 3629 section 4: no overlong forms, no
 * surrogates). */
static size_t utf8_character(const uint8_t *text, size_t left)
{
    uint8_t first = text[0];
    if (first < 0x80)
        return first ? 1 : 0;
    size_t len = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || left < len)
        return 0;
    for (size_t i = 1; i < len; i++)
        if (!is_continuation(text[i]))
            return 0;
    uint8_t second = text[1];
    bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
    bool surrogate = first == 0xED && second > 0x9F;
    bool beyond = first == 0xF4 && second > 0x8F;
    return overlong || surrogate || beyond ? 0 : len;
}

bool utf8_valid(const uint8_t *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t step = utf8_character(text + at, len - at);
        if (!step)
            return false;
        at += step;
    }
    return true;
}

/* The four digits after \u, or 0: some are none (cJSON would read them as U+0000), or they are all 0. */
static unsigned hex4(const uint8_t *text, size_t left)
{
    unsigned value = 0;
    for (size_t i = 0; i < 4; i++) {
        const char *digits = "0123456789abcdef0123456789ABCDEF";
        const char *at = i < left && text[i] ? strchr(digits, text[i]) : NULL;
        if (!at)
            return 0;
        value = value << 4 | (unsigned)((at - digits) & 15);
    }
    return value;
}

/* Where the string that begins after the quote at `at` ends (the index of its closing quote); `len`: it is
 * not fit. */
static size_t scan_string(const uint8_t *text, size_t len, size_t at)
{
    for (; at < len && text[at] != '"'; at++) {
        if (text[at] < 0x20)
            return len;
        if (text[at] == '\\' && ++at < len && text[at] == 'u' && !hex4(text + at + 1, len - at - 1))
            return len;
    }
    return at < len ? at : len;
}

static size_t skip_digits(const uint8_t *text, size_t len, size_t at)
{
    while (at < len && text[at] >= '0' && text[at] <= '9')
        at++;
    return at;
}

/* The end of the number at `at` by the grammar of RFC 8259 section 6; `at` itself: it is not one. */
static size_t scan_number(const uint8_t *text, size_t len, size_t at)
{
    size_t whole = at + (text[at] == '-');
    size_t end = skip_digits(text, len, whole);
    if (end == whole || (text[whole] == '0' && end > whole + 1))
        return at;
    if (end < len && text[end] == '.') {
        size_t fraction = end + 1;
        end = skip_digits(text, len, fraction);
        if (end == fraction)
            return at;
    }
    if (end < len && (text[end] == 'e' || text[end] == 'E')) {
        size_t exponent = end + 1;
        if (exponent < len && (text[exponent] == '+' || text[exponent] == '-'))
            exponent++;
        end = skip_digits(text, len, exponent);
        if (end == exponent)
            return at;
    }
    return end;
}

/* Refuses what cJSON would take: see the top. */
static bool scan(const uint8_t *text, size_t len)
{
    size_t depth = 0;
    for (size_t at = 0; at < len; at++) {
        uint8_t c = text[at];
        if (c == '"') {
            at = scan_string(text, len, at + 1);
            if (at >= len)
                return false;
        } else if (c == '-' || (c >= '0' && c <= '9')) {
            size_t end = scan_number(text, len, at);
            if (end == at)
                return false;
            at = end - 1;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAX)
                return false;
        } else if (c == '}' || c == ']') {
            if (depth-- == 0)
                return false;
        } else if (c >= 0x80 || (c < 0x20 && c != '\t' && c != '\n' && c != '\r')) {
            return false; /* cJSON skips a byte order mark, and takes any control character for a space */
        }
    }
    return true;
}

/* ---- the tree ---- */

static bool is_finite(double value)
{
    return value - value == 0;
}

static bool keys_are_unique(const cJSON *object)
{
    int count = 0;
    for (const cJSON *member = object->child; member; member = member->next) {
        if (++count > JSON_MEMBERS_MAX)
            return false;
        for (const cJSON *earlier = object->child; earlier != member; earlier = earlier->next)
            if (strcmp(earlier->string, member->string) == 0)
                return false;
    }
    return true;
}

/* Recursion is bounded: scan has counted the depth. */
static bool tree_is_strict(const cJSON *value)
{
    if (cJSON_IsNumber(value))
        return is_finite(value->valuedouble);
    if (cJSON_IsObject(value) && !keys_are_unique(value))
        return false;
    for (const cJSON *child = value->child; child; child = child->next)
        if (!tree_is_strict(child))
            return false;
    return true;
}

/* White space after the end is JSON's and fine, anything else is not. */
static bool only_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
        at++;
    return at == end;
}

struct json *json_parse_long(const uint8_t *text, size_t len, size_t most)
{
    if (len == 0 || len > most || !utf8_valid(text, len) || !scan(text, len))
        return NULL;
    const char *start = (const char *)text, *end = start;
    cJSON *root = cJSON_ParseWithLengthOpts(start, len, &end, false);
    if (root && cJSON_IsObject(root) && only_space(end, start + len) && tree_is_strict(root))
        return (struct json *)root;
    cJSON_Delete(root);
    return NULL;
}

struct json *json_parse(const uint8_t *text, size_t len)
{
    return json_parse_long(text, len, JSON_MAX);
}

void json_free(struct json *root)
{
    cJSON_Delete(open_up(root));
}

/* ---- reading ---- */

static const cJSON *member_of(const struct json *object, const char *name)
{
    return object ? cJSON_GetObjectItemCaseSensitive(open_up(object), name) : NULL;
}

bool json_get_text(const struct json *object, const char *name, const char **out)
{
    const cJSON *member = member_of(object, name);
    if (!cJSON_IsString(member))
        return false;
    *out = member->valuestring;
    return true;
}

bool json_get_bool(const struct json *object, const char *name, bool *out)
{
    const cJSON *member = member_of(object, name);
    if (!cJSON_IsBool(member))
        return false;
    *out = cJSON_IsTrue(member);
    return true;
}

bool json_has(const struct json *object, const char *name)
{
    return member_of(object, name) != NULL;
}

bool json_get_int(const struct json *object, const char *name, int64_t min, int64_t max, int64_t *out)
{
    const double exact = 9007199254740992.0; /* 2^53: above it a double skips whole numbers */
    const cJSON *member = member_of(object, name);
    if (!cJSON_IsNumber(member) || member->valuedouble < -exact || member->valuedouble > exact)
        return false;
    int64_t value = (int64_t)member->valuedouble;
    if ((double)value != member->valuedouble || value < min || value > max)
        return false;
    *out = value;
    return true;
}

bool json_get_number(const struct json *object, const char *name, double *out)
{
    const cJSON *member = member_of(object, name);
    if (!cJSON_IsNumber(member))
        return false;
    *out = member->valuedouble;
    return true;
}

bool json_get_blob(const struct json *object, const char *name, uint8_t *out, size_t capacity, size_t *len)
{
    uint8_t bytes[JSON_MAX]; /* `out` must stay as it was when the last character turns out to be wrong */
    size_t count;
    const char *text;
    if (!json_get_text(object, name, &text))
        return false;
    if (sodium_base642bin(bytes, sizeof bytes, text, strlen(text), NULL, &count, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        count > capacity)
        return false;
    memcpy(out, bytes, count);
    *len = count;
    return true;
}

bool json_get_bytes(const struct json *object, const char *name, uint8_t *out, size_t len)
{
    const char *text;
    size_t count;
    if (!json_get_text(object, name, &text) || strlen(text) != (len * 4 + 2) / 3)
        return false;
    return json_get_blob(object, name, out, len, &count);
}

const struct json *json_get_object(const struct json *object, const char *name)
{
    const cJSON *member = member_of(object, name);
    return cJSON_IsObject(member) ? (const struct json *)member : NULL;
}

const struct json *json_get_array(const struct json *object, const char *name, size_t *count)
{
    const cJSON *member = member_of(object, name);
    if (!cJSON_IsArray(member))
        return NULL;
    *count = (size_t)cJSON_GetArraySize(member);
    return (const struct json *)member;
}

static const cJSON *element_of(const struct json *array, size_t index)
{
    return index < JSON_MAX ? cJSON_GetArrayItem(open_up(array), (int)index) : NULL;
}

const struct json *json_array_object(const struct json *array, size_t index)
{
    const cJSON *element = element_of(array, index);
    return cJSON_IsObject(element) ? (const struct json *)element : NULL;
}

const char *json_array_text(const struct json *array, size_t index)
{
    const cJSON *element = element_of(array, index);
    return cJSON_IsString(element) ? element->valuestring : NULL;
}

/* ---- writing ---- */

/* A failure is remembered where it happened, in a member that cJSON does not use for objects and arrays. */
static void note_failure(cJSON *parent)
{
    if (parent)
        parent->valueint = -1;
}

static bool has_failed(const cJSON *value)
{
    if ((cJSON_IsObject(value) || cJSON_IsArray(value)) && value->valueint == -1)
        return true;
    for (const cJSON *child = value->child; child; child = child->next)
        if (has_failed(child))
            return true;
    return false;
}

/* Takes `item` over. NULL: there was no memory. */
static struct json *put(struct json *parent, const char *name, cJSON *item)
{
    cJSON *into = open_up(parent);
    bool added =
        into && item && (name ? cJSON_AddItemToObject(into, name, item) : cJSON_AddItemToArray(into, item));
    if (added)
        return (struct json *)item;
    cJSON_Delete(item);
    note_failure(into);
    return NULL;
}

struct json *json_object(void)
{
    return (struct json *)cJSON_CreateObject();
}

void json_put_text(struct json *object, const char *name, const char *text)
{
    put(object, name, cJSON_CreateString(text));
}

void json_put_bool(struct json *object, const char *name, bool value)
{
    put(object, name, cJSON_CreateBool(value));
}

void json_put_int(struct json *object, const char *name, int64_t value)
{
    char digits[24]; /* cJSON would round a number of 16 digits to 15 */
    snprintf(digits, sizeof digits, "%lld", (long long)value);
    put(object, name, cJSON_CreateRaw(digits));
}

void json_put_number(struct json *object, const char *name, double value)
{
    const double roundable = 1e12; /* above it cJSON's 15 digits leave no more than 3 decimals anyway */
    if (value > -roundable && value < roundable)
        value = (double)(int64_t)(value * 1000 + (value < 0 ? -0.5 : 0.5)) / 1000;
    put(object, name, is_finite(value) ? cJSON_CreateNumber(value) : NULL);
}

void json_put_bytes(struct json *object, const char *name, const uint8_t *bytes, size_t len)
{
    char text[JSON_MAX];
    const int variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
    if (len > sizeof text / 4 * 3 - 3) {
        note_failure(open_up(object));
        return;
    }
    sodium_bin2base64(text, sizeof text, bytes, len, variant);
    json_put_text(object, name, text);
}

struct json *json_put_object(struct json *object, const char *name)
{
    return put(object, name, cJSON_CreateObject());
}

struct json *json_put_array(struct json *object, const char *name)
{
    return put(object, name, cJSON_CreateArray());
}

struct json *json_add_object(struct json *array)
{
    return put(array, NULL, cJSON_CreateObject());
}

size_t json_print(const struct json *root, char *out, size_t capacity)
{
    char *text = root && !has_failed(open_up(root)) ? cJSON_PrintUnformatted(open_up(root)) : NULL;
    if (!text)
        return 0;
    size_t len = strlen(text);
    bool fits = len < capacity;
    if (fits)
        memcpy(out, text, len + 1);
    cJSON_free(text);
    return fits ? len : 0;
}
