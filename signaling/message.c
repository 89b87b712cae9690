/* message.c - what peers say to each other, as JSON: the open message, and the body inside the seal.
 *
 * Tables name every member once, for writing and for reading. Members that no table knows are ignored, so
 * that a later version can add some; a missing or unfit one makes the whole message malformed. What an
 * address is worth is not judged here: ICE does. */
#include "message.h"
#include "json.h"
#include "message_nat.h"
#include <string.h>

enum { UFRAG_MIN = 4, PWD_MIN = 22 }; /* characters, RFC 8839 5.4 */

static const int64_t exact_max = INT64_C(1) << 53; /* above it JSON's numbers skip (RFC 8259 section 6) */

/* ---- what strings may hold ---- */

static bool only_of(const char *text, const char *allowed)
{
    return text[strspn(text, allowed)] == '\0';
}

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

static bool is_base32(const char *text)
{
    return only_of(text, BASE32);
}

bool purpose_valid(const char *text)
{
    return *text && strlen(text) <= PURPOSE_MAX && only_of(text, LOWER "-");
}

/* ice-char of RFC 8839 5.1 */
static bool is_ice(const char *text)
{
    return only_of(text, LOWER UPPER "0123456789+/");
}

/* For people: no control characters, C0, DEL or C1 (U+0080 to U+009F, in UTF-8 C2 80 to C2 9F). That it is
 * UTF-8 the JSON reader has seen to. */
static bool is_printable(const char *text)
{
    for (const uint8_t *at = (const uint8_t *)text; *at; at++)
        if (*at < 0x20 || *at == 0x7F || (*at == 0xC2 && at[1] < 0xA0))
            return false;
    return true;
}

/* ---- the tables ---- */

enum shape { SHAPE_TEXT, SHAPE_BYTES, SHAPE_BOOL, SHAPE_INT };

/* A member of a message and of the struct that holds it. */
struct member {
    const char *name;
    unsigned types; /* bit n: messages of type n have it */
    enum shape shape;
    size_t offset, size; /* in the struct, bytes */
    int64_t min, max;    /* TEXT: bytes, INT: value */
    bool (*valid)(const char *text);
    bool optional; /* may be missing, as from an older peer: then zero. Zero is not written */
};

#define BIT(type) (1U << (type))
#define AT(holder, field) offsetof(struct holder, field), sizeof(((struct holder *)0)->field)
#define TEXT(name, types, holder, field, min, valid)                                                     \
    {                                                                                                    \
        name, types, SHAPE_TEXT, AT(holder, field), min, sizeof(((struct holder *)0)->field) - 1, valid, \
            false                                                                                        \
    }
#define BYTES(name, types, holder, field)                              \
    {                                                                  \
        name, types, SHAPE_BYTES, AT(holder, field), 0, 0, NULL, false \
    }
#define BOOL(name, types, holder, field)                              \
    {                                                                 \
        name, types, SHAPE_BOOL, AT(holder, field), 0, 0, NULL, false \
    }
#define INT(name, types, holder, field, min, max)                        \
    {                                                                    \
        name, types, SHAPE_INT, AT(holder, field), min, max, NULL, false \
    }
#define OPTIONAL_TEXT(name, types, holder, field, min, valid)                                            \
    {                                                                                                    \
        name, types, SHAPE_TEXT, AT(holder, field), min, sizeof(((struct holder *)0)->field) - 1, valid, \
            true                                                                                         \
    }
#define OPTIONAL_BOOL(name, types, holder, field)                    \
    {                                                                \
        name, types, SHAPE_BOOL, AT(holder, field), 0, 0, NULL, true \
    }
#define OPTIONAL_INT(name, types, holder, field, min, max)              \
    {                                                                   \
        name, types, SHAPE_INT, AT(holder, field), min, max, NULL, true \
    }

enum {
    ABOUT = BIT(MESSAGE_HELLO) | BIT(MESSAGE_PAKE1) | BIT(MESSAGE_PAKE2),
    POINT = BIT(MESSAGE_PAKE1) | BIT(MESSAGE_PAKE2),
    TAG = BIT(MESSAGE_PAKE2) | BIT(MESSAGE_PAKE3),
    BOX = BIT(MESSAGE_PAKE2) | BIT(MESSAGE_PAKE3) | BIT(MESSAGE_SEALED),
    ALL = ~0U >> 1,
};

static const char *const message_names[] = {"hello", "pake1", "pake2", "pake3", "sealed", "bye"};

static const struct member message_members[] = {
    TEXT("from", ALL, message, from, PEER_ID_LEN, is_base32),
    BYTES("nonce", ABOUT, message, about.nonce),
    INT("cap", ABOUT, message, about.capabilities, 0, UINT32_MAX),
    BYTES("veil", ABOUT, message, veil),
    BYTES("y", POINT, message, point),
    BYTES("commit", BIT(MESSAGE_PAKE1), message, commit),
    BYTES("tag", TAG, message, tag),
    BYTES("reveal", BIT(MESSAGE_PAKE2), message, reveal),
};

enum {
    DESCRIBED = BIT(BODY_OFFER) | BIT(BODY_ANSWER),
    LISTED = DESCRIBED | BIT(BODY_CANDIDATES),
    REASON = BIT(BODY_BUSY) | BIT(BODY_BYE),
};

static const char *const body_names[] = {"offer", "answer", "candidates", "busy", "bye", "failed"};

static const struct member body_members[] = {
    BYTES("reveal", BIT(BODY_ANSWER), body, reveal),
    TEXT("name", DESCRIBED, body, description.name, 1, is_printable),
    TEXT("ufrag", DESCRIBED, body, description.ufrag, UFRAG_MIN, is_ice),
    TEXT("pwd", DESCRIBED, body, description.pwd, PWD_MIN, is_ice),
    BYTES("machine", DESCRIBED, body, description.machine),
    BOOL("complete", LISTED, body, description.complete),
    OPTIONAL_INT("broker_relay", DESCRIBED, body, description.broker_relay, 1, UINT32_MAX),
    OPTIONAL_BOOL("udp_blocked", LISTED, body, description.udp_blocked),
    OPTIONAL_INT("worked", LISTED, body, description.worked, 1, UINT8_MAX),
    TEXT("reason", REASON, body, reason, 0, is_printable),
    OPTIONAL_TEXT("name", BIT(BODY_BUSY), body, description.name, 1, is_printable),
};

static const char *const kind_names[] = {"host", "mapped", NULL, "srflx", "relay"}; /* prflx never travels */

static const struct member candidate_members[] = {
    INT("priority", ALL, wire_candidate, priority, 1, INT32_MAX),
    TEXT("foundation", ALL, wire_candidate, foundation, 1, is_ice),
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- one member ---- */

/* Numbers are uint8_t or uint32_t. */
static int64_t load_int(const void *at, size_t size)
{
    uint8_t byte;
    uint32_t word;
    memcpy(size == sizeof byte ? (void *)&byte : (void *)&word, at, size);
    return size == sizeof byte ? byte : word;
}

static void store_int(void *at, size_t size, int64_t value)
{
    uint8_t byte = (uint8_t)value;
    uint32_t word = (uint32_t)value;
    memcpy(at, size == sizeof byte ? (const void *)&byte : (const void *)&word, size);
}

static void put_member(struct json *json, const struct member *member, const void *holder)
{
    const uint8_t *at = (const uint8_t *)holder + member->offset;
    switch (member->shape) {
    case SHAPE_TEXT:
        json_put_text(json, member->name, (const char *)at);
        break;
    case SHAPE_BYTES:
        json_put_bytes(json, member->name, at, member->size);
        break;
    case SHAPE_BOOL:
        json_put_bool(json, member->name, *(const bool *)at);
        break;
    case SHAPE_INT:
        json_put_int(json, member->name, load_int(at, member->size));
        break;
    }
}

static bool get_text(const struct json *json, const struct member *member, char *out)
{
    const char *text;
    if (!json_get_text(json, member->name, &text))
        return false;
    size_t len = strlen(text);
    if ((int64_t)len < member->min || (int64_t)len > member->max || !member->valid(text))
        return false;
    memcpy(out, text, len + 1);
    return true;
}

static bool get_int(const struct json *json, const struct member *member, void *out)
{
    int64_t value;
    if (!json_get_int(json, member->name, member->min, member->max, &value))
        return false;
    store_int(out, member->size, value);
    return true;
}

static bool get_member(const struct json *json, const struct member *member, void *holder)
{
    uint8_t *at = (uint8_t *)holder + member->offset;
    switch (member->shape) {
    case SHAPE_TEXT:
        return get_text(json, member, (char *)at);
    case SHAPE_BYTES:
        return json_get_bytes(json, member->name, at, member->size);
    case SHAPE_BOOL:
        return json_get_bool(json, member->name, (bool *)at);
    case SHAPE_INT:
        return get_int(json, member, at);
    }
    return false;
}

/* ---- all members of a type ---- */

static bool is_left_out(const struct member *member, const void *holder)
{
    const uint8_t *at = (const uint8_t *)holder + member->offset;
    if (!member->optional)
        return false;
    if (member->shape == SHAPE_TEXT)
        return !*at;
    return member->shape == SHAPE_BOOL ? !*(const bool *)at : load_int(at, member->size) == 0;
}

static void put_members(struct json *json, const struct member *members, size_t count, unsigned type,
                        const void *holder)
{
    for (size_t i = 0; i < count; i++)
        if (members[i].types & BIT(type) && !is_left_out(&members[i], holder))
            put_member(json, &members[i], holder);
}

static bool get_members(const struct json *json, const struct member *members, size_t count, unsigned type,
                        void *holder)
{
    for (size_t i = 0; i < count; i++) {
        if (!(members[i].types & BIT(type)) || (members[i].optional && !json_has(json, members[i].name)))
            continue;
        if (!get_member(json, &members[i], holder))
            return false;
    }
    return true;
}

/* The index of the member's text among the names, or -1. */
static int get_name(const struct json *json, const char *member, const char *const *names, size_t count)
{
    const char *text;
    if (!json_get_text(json, member, &text))
        return -1;
    for (size_t i = 0; i < count; i++)
        if (names[i] && strcmp(names[i], text) == 0)
            return (int)i;
    return -1;
}

static size_t print_and_free(struct json *json, char *out, size_t capacity)
{
    size_t len = json_print(json, out, capacity);
    json_free(json);
    return len;
}

/* ---- the open message ---- */

/* A pake3 without a box says that the tag before it did not hold. */
static bool has_box(const struct message *message)
{
    return BOX & BIT(message->type) && (message->type != MESSAGE_PAKE3 || message->sealed_len);
}

size_t message_encode(const struct message *message, char *out, size_t capacity)
{
    if (message->sealed_len > SEALED_MAX || message->sequence > (uint64_t)exact_max)
        return 0;
    struct json *json = json_object();
    json_put_int(json, "v", MESSAGE_VERSION);
    json_put_text(json, "type", message_names[message->type]);
    put_members(json, message_members, COUNT(message_members), message->type, message);
    if (has_box(message)) {
        json_put_int(json, "seq", (int64_t)message->sequence);
        json_put_bytes(json, "box", message->sealed, message->sealed_len);
    }
    return print_and_free(json, out, capacity);
}

static bool get_box(const struct json *json, struct message *message)
{
    const char *text;
    int64_t sequence = 0;
    if (!(BOX & BIT(message->type)))
        return true;
    bool numbered = json_get_int(json, "seq", 1, exact_max, &sequence);
    if (message->type == MESSAGE_PAKE3 && !numbered && !json_get_text(json, "box", &text))
        return true;
    if (!numbered)
        return false;
    message->sequence = (uint64_t)sequence;
    return json_get_blob(json, "box", message->sealed, SEALED_MAX, &message->sealed_len) &&
           message->sealed_len > 0;
}

static bool get_message(const struct json *json, struct message *message)
{
    int64_t version;
    int type = get_name(json, "type", message_names, COUNT(message_names));
    if (type < 0 || !json_get_int(json, "v", MESSAGE_VERSION, MESSAGE_VERSION, &version))
        return false;
    message->type = (enum message_type)type;
    return get_members(json, message_members, COUNT(message_members), message->type, message) &&
           get_box(json, message);
}

bool message_decode(struct message *message, const uint8_t *text, size_t len)
{
    *message = (struct message){0};
    struct json *json = len <= MESSAGE_MAX ? json_parse(text, len) : NULL;
    bool good = json && get_message(json, message);
    json_free(json);
    return good;
}

/* ---- inside the seal ---- */

static void put_candidate(struct json *list, const struct wire_candidate *candidate)
{
    struct json *json = json_add_object(list);
    struct addr address = candidate->address;
    char text[ADDR_TEXT_MAX];
    address.scope = 0;
    json_put_text(json, "kind", kind_names[candidate->kind]);
    json_put_text(json, "address", addr_print(&address, text));
    put_members(json, candidate_members, COUNT(candidate_members), 0, candidate);
}

size_t body_encode(const struct body *body, char *out, size_t capacity)
{
    const struct description *description = &body->description;
    if (description->candidate_count > CANDIDATES_MAX)
        return 0;
    struct json *json = json_object();
    json_put_text(json, "type", body_names[body->type]);
    put_members(json, body_members, COUNT(body_members), body->type, body);
    if (LISTED & BIT(body->type)) {
        struct json *list = json_put_array(json, "candidates");
        for (size_t i = 0; i < description->candidate_count; i++)
            put_candidate(list, &description->candidates[i]);
        message_put_nat(json, &description->nat);
    }
    return print_and_free(json, out, capacity);
}

/* A kind or an address that this version cannot read is passed over, as RFC 8839 5.1 lets it be: it may be a
 * later version's. False: not a candidate at all. */
static bool get_candidate(const struct json *json, struct description *description)
{
    struct wire_candidate candidate = {0};
    const char *kind_text, *address;
    if (!json_get_text(json, "kind", &kind_text) || !json_get_text(json, "address", &address) ||
        !get_members(json, candidate_members, COUNT(candidate_members), 0, &candidate))
        return false;
    int kind = get_name(json, "kind", kind_names, COUNT(kind_names));
    if (kind < 0 || !addr_parse(&candidate.address, address))
        return true;
    candidate.kind = (enum candidate_kind)kind;
    candidate.address.scope = 0;
    description->candidates[description->candidate_count++] = candidate;
    return true;
}

static bool get_candidates(const struct json *json, struct description *description)
{
    size_t count;
    const struct json *list = json_get_array(json, "candidates", &count);
    if (!list || count > CANDIDATES_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct json *candidate = json_array_object(list, i);
        if (!candidate || !get_candidate(candidate, description))
            return false;
    }
    return true;
}

static bool get_body(const struct json *json, struct body *body)
{
    int type = get_name(json, "type", body_names, COUNT(body_names));
    if (type < 0)
        return false;
    body->type = (enum body_type)type;
    return get_members(json, body_members, COUNT(body_members), body->type, body) &&
           (!(LISTED & BIT(body->type)) ||
            (get_candidates(json, &body->description) && message_get_nat(json, &body->description.nat)));
}

bool body_decode(struct body *body, const uint8_t *text, size_t len)
{
    *body = (struct body){0};
    struct json *json = json_parse(text, len);
    bool good = json && get_body(json, body);
    json_free(json);
    return good;
}
