/* json.h - strict reading and writing of JSON (RFC 8259): the only door to cJSON. */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    JSON_MAX = 8192,    /* bytes of the longest text that is read: interface.md's limit of a message */
    JSON_DEPTH_MAX = 8, /* nesting; our deepest message has 3 */
    JSON_MEMBERS_MAX =
        64, /* of one object, so that looking for a key given twice stays cheap; ours have at most 12 */
};

struct json; /* a value inside a document; borrowed from the root, which alone is freed */

/* Reads one object and nothing after it. NULL: too long, not UTF-8, NUL inside, a key twice in one object,
 * too deep, too many members, a number that is not finite, trailing bytes, not an object, or no memory. */
struct json *json_parse(const uint8_t *text, size_t len);
/* The same of up to `most` bytes: for what is no message but, say, a line of events. */
struct json *json_parse_long(const uint8_t *text, size_t len, size_t most);
void json_free(struct json *root);

/* Members of an object by exact name. False (or NULL): missing or of another type, and *out is as it was. */
bool json_get_text(const struct json *object, const char *name, const char **out);
bool json_get_bool(const struct json *object, const char *name, bool *out);
/* Whether there is a member of this name, of whatever type. */
bool json_has(const struct json *object, const char *name);
/* A whole number within [min, max]. */
bool json_get_int(const struct json *object, const char *name, int64_t min, int64_t max, int64_t *out);
/* Any number; it is finite. */
bool json_get_number(const struct json *object, const char *name, double *out);
/* Exactly `len` bytes of unpadded base64url (RFC 4648 5). */
bool json_get_bytes(const struct json *object, const char *name, uint8_t *out, size_t len);
/* At most `capacity` bytes of unpadded base64url; *len is how many. */
bool json_get_blob(const struct json *object, const char *name, uint8_t *out, size_t capacity, size_t *len);
const struct json *json_get_object(const struct json *object, const char *name);
const struct json *json_get_array(const struct json *object, const char *name, size_t *count);
const struct json *json_array_object(const struct json *array, size_t index); /* NULL: not an object */
const char *json_array_text(const struct json *array, size_t index);          /* NULL: not a text */

/* Writing. A failure to allocate is remembered: json_print then returns 0. `text` must be UTF-8. */
struct json *json_object(void);
void json_put_text(struct json *object, const char *name, const char *text);
void json_put_bool(struct json *object, const char *name, bool value);
void json_put_int(struct json *object, const char *name, int64_t value); /* exact to 2^53 */
void json_put_number(struct json *object, const char *name,
                     double value); /* finite; printed with at most 3 decimals */
void json_put_bytes(struct json *object, const char *name, const uint8_t *bytes, size_t len);
struct json *json_put_object(struct json *object,
                             const char *name); /* borrowed; NULL after a failure is accepted above */
struct json *json_put_array(struct json *object, const char *name);
struct json *json_add_object(struct json *array);
/* Compact text without a final NUL in the count, but with one in `out`. 0: it did not fit or memory was
 * short. */
size_t json_print(const struct json *root, char *out, size_t capacity);

/* Whether `len` bytes are well-formed UTF-8 (RFC 3629) without NUL. */
bool utf8_valid(const uint8_t *text, size_t len);

#endif
