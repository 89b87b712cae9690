/* test_message.c - messages and bodies: every type returns as it was, and every member is checked. */
#include "given.h"
#include "message.h"
#include <cjson/cJSON.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- samples ---- */

static struct message sample(enum message_type type)
{
    struct message message = {
        .type = type,
        .from = "abcdefghijklm234",
        .about = {.capabilities = UINT32_MAX},
        .sequence = UINT64_C(1) << 53,
    };
    randombytes_buf(message.about.nonce, NONCE_LEN);
    randombytes_buf(message.veil, VEIL_LEN);
    randombytes_buf(message.point, POINT_LEN);
    randombytes_buf(message.commit, COMMIT_LEN);
    randombytes_buf(message.tag, TAG_LEN);
    randombytes_buf(message.reveal, REVEAL_LEN);
    randombytes_buf(message.sealed, SEALED_MAX);
    message.sealed_len = SEALED_MAX;
    return message;
}

static struct body sample_body(enum body_type type)
{
    static const char *const addresses[] = {"192.168.1.10:40000", "[2001:db8::1]:9", "203.0.113.5:65535",
                                            "127.0.0.1:1",        "224.0.0.1:5",     "0.0.0.0",
                                            "[fe80::1]:7"};
    struct body body = {
        .type = type,
        .description = {.name = "die Dachkammer \xE2\x82\xAC \"quoted\" \\",
                        .ufrag = "aB3+",
                        .pwd = "0123456789abcdefgh/+AB",
                        .complete = true,
                        .candidate_count = CANDIDATES_MAX,
                        .nat = {.mapping = NAT_MAPPING_ADDRESS_AND_PORT,
                                .filtering = NAT_FILTERING_ADDRESS_AND_PORT,
                                .ports = NAT_PORTS_BLOCK,
                                .low = 34816,
                                .high = 35839,
                                .last = 35001,
                                .external = addr_of("203.0.113.5:35001"),
                                .hairpin = NAT_ANSWER_YES}},
        .reason = "there is room for one only",
    };
    randombytes_buf(body.reveal, REVEAL_LEN);
    randombytes_buf(body.description.machine, sizeof body.description.machine);
    for (size_t i = 0; i < CANDIDATES_MAX; i++) {
        static const enum candidate_kind kinds[] = {CANDIDATE_HOST, CANDIDATE_MAPPED, CANDIDATE_SRFLX,
                                                    CANDIDATE_RELAY};
        struct wire_candidate *candidate = &body.description.candidates[i];
        *candidate = (struct wire_candidate){
            .kind = kinds[i % 4], .priority = INT32_MAX - (uint32_t)i, .address = addr_of(addresses[i % 7])};
        memset(candidate->foundation, 'f', 1 + i * 2);
    }
    return body;
}

static size_t encoded(const struct message *message, char text[MESSAGE_MAX + 1])
{
    size_t len = message_encode(message, text, MESSAGE_MAX + 1);
    if (!len)
        fail_msg("type %d was not encoded", message->type);
    return len;
}

/* ---- the open message ---- */

static void every_message_returns_as_it_was_even_at_its_longest(void **state)
{
    (void)state;
    static char text[MESSAGE_MAX + 1], again[MESSAGE_MAX + 1];
    static struct message back;
    for (enum message_type type = MESSAGE_HELLO; type <= MESSAGE_BYE; type++) {
        struct message message = sample(type);
        size_t len = encoded(&message, text);
        assert_true(message_decode(&back, (const uint8_t *)text, len));
        assert_int_equal(back.type, type);
        assert_string_equal(back.from, message.from);
        assert_int_equal(encoded(&back, again), len);
        assert_string_equal(text, again);
    }
}

static void members_travel_with_the_types_that_have_them(void **state)
{
    (void)state;
    static struct message back;
    static char text[MESSAGE_MAX + 1];
    struct message message = sample(MESSAGE_PAKE2);
    assert_true(message_decode(&back, (const uint8_t *)text, encoded(&message, text)));
    assert_memory_equal(back.about.nonce, message.about.nonce, NONCE_LEN);
    assert_int_equal(back.about.capabilities, message.about.capabilities);
    assert_memory_equal(back.veil, message.veil, VEIL_LEN);
    assert_memory_equal(back.point, message.point, POINT_LEN);
    assert_memory_equal(back.tag, message.tag, TAG_LEN);
    assert_memory_equal(back.reveal, message.reveal, REVEAL_LEN);
    assert_true(sodium_is_zero(back.commit, COMMIT_LEN)); /* pake1's alone */
    assert_int_equal(back.sequence, message.sequence);
    assert_int_equal(back.sealed_len, message.sealed_len);
    assert_memory_equal(back.sealed, message.sealed, SEALED_MAX);
    message.type = MESSAGE_PAKE1;
    assert_true(message_decode(&back, (const uint8_t *)text, encoded(&message, text)));
    assert_memory_equal(back.commit, message.commit, COMMIT_LEN);
    assert_int_equal(back.sealed_len, 0);
}

static void a_pake3_without_a_box_is_the_answer_to_a_bad_tag(void **state)
{
    (void)state;
    static char text[MESSAGE_MAX + 1];
    static struct message back;
    struct message message = sample(MESSAGE_PAKE3);
    message.sealed_len = 0;
    assert_true(message_decode(&back, (const uint8_t *)text, encoded(&message, text)));
    assert_int_equal(back.sealed_len, 0);
    assert_int_equal(back.sequence, 0);
}

static void the_text_is_as_the_manual_shows_it(void **state)
{
    (void)state;
    static char text[MESSAGE_MAX + 1];
    struct message message = {.type = MESSAGE_HELLO, .from = "k3qv7xw2abcdefgh"};
    encoded(&message, text);
    assert_string_equal(
        text,
        "{\"v\":1,\"type\":\"hello\",\"from\":\"k3qv7xw2abcdefgh\",\"nonce\":\"AAAAAAAAAAAAAAAAAAAAAA\","
        "\"cap\":0,\"veil\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}");
    message =
        (struct message){.type = MESSAGE_SEALED, .from = "k3qv7xw2abcdefgh", .sequence = 7, .sealed_len = 3};
    encoded(&message, text);
    assert_string_equal(
        text, "{\"v\":1,\"type\":\"sealed\",\"from\":\"k3qv7xw2abcdefgh\",\"seq\":7,\"box\":\"AAAA\"}");
    message.type = MESSAGE_BYE;
    encoded(&message, text);
    assert_string_equal(text, "{\"v\":1,\"type\":\"bye\",\"from\":\"k3qv7xw2abcdefgh\"}");
}

static void what_does_not_fit_is_not_encoded(void **state)
{
    (void)state;
    static char text[MESSAGE_MAX + 1];
    struct message message = sample(MESSAGE_PAKE2);
    size_t len = encoded(&message, text);
    assert_int_equal(message_encode(&message, text, len), 0);
    assert_int_equal(message_encode(&message, text, len + 1), len);
    message.sealed_len = SEALED_MAX + 1;
    assert_int_equal(message_encode(&message, text, sizeof text), 0);
    message.sealed_len = 1;
    message.sequence++;
    assert_int_equal(message_encode(&message, text, sizeof text), 0);
}

/* ---- every member, altered ---- */

/* Values that no member of ours takes, as JSON; each is put in the place of each member in turn. */
static const char *const misfits[] = {
    "null", "{}", "[]", "-1", "0.5", "1e99", "\"\\u0001\"", "\"\xC2\x85\"", "\"\\u007f=\"",
};

typedef bool decoder(const char *text);

static bool message_is_good(const char *text)
{
    static struct message message;
    return message_decode(&message, (const uint8_t *)text, strlen(text));
}

static bool body_is_good(const char *text)
{
    static struct body body;
    return body_decode(&body, (const uint8_t *)text, strlen(text));
}

/* The object with one member's value replaced, or the member left out (NULL). */
static void print_with(const cJSON *object, const cJSON *altered, const char *value,
                       char text[2 * MESSAGE_MAX])
{
    size_t len = 0;
    text[len++] = '{';
    for (const cJSON *member = object->child; member; member = member->next) {
        if (member == altered && !value)
            continue;
        char *own = cJSON_PrintUnformatted(member);
        len += (size_t)snprintf(text + len, 2 * MESSAGE_MAX - len, "%s\"%s\":%s", len > 1 ? "," : "",
                                member->string, member == altered ? value : own);
        cJSON_free(own);
    }
    snprintf(text + len, 2 * MESSAGE_MAX - len, "}");
}

/* Takes each member away, then puts misfits in its place: neither may be taken. */
static void alter_every_member(const char *whole, decoder *good)
{
    static char text[2 * MESSAGE_MAX];
    cJSON *object = cJSON_Parse(whole);
    for (const cJSON *member = object->child; member; member = member->next) {
        print_with(object, member, NULL, text);
        if (good(text))
            fail_msg("without \"%s\": %s", member->string, text);
        for (size_t i = 0; i < sizeof misfits / sizeof *misfits; i++) {
            print_with(object, member, misfits[i], text);
            if (good(text) && !(cJSON_IsArray(member) && strcmp(misfits[i], "[]") == 0))
                fail_msg("taken: %s", text);
        }
    }
    print_with(object, NULL, NULL, text);
    assert_true(good(text));
    cJSON_Delete(object);
}

static void no_member_of_a_message_may_miss_or_be_of_another_type(void **state)
{
    (void)state;
    static char text[MESSAGE_MAX + 1];
    for (enum message_type type = MESSAGE_HELLO; type <= MESSAGE_BYE; type++) {
        struct message message = sample(type);
        message.sealed_len = 296;
        encoded(&message, text);
        alter_every_member(text, message_is_good);
    }
}

static void no_member_of_a_body_may_miss_or_be_of_another_type(void **state)
{
    (void)state;
    static char text[MESSAGE_MAX + 1];
    for (enum body_type type = BODY_OFFER; type <= BODY_FAILED; type++) {
        struct body body = sample_body(type);
        body.description.candidate_count = 2;
        body.description.nat = (struct nat_behavior){0}; /* may miss: test_message_nat.c */
        if (type == BODY_BUSY)
            body.description.name[0] = '\0'; /* may miss: below */
        assert_true(body_encode(&body, text, sizeof text) > 0);
        alter_every_member(text, body_is_good);
    }
}

static void who_is_busy_may_say_its_name(void **state)
{
    (void)state;
    struct body body = {.type = BODY_BUSY, .reason = "all places are taken"}, back;
    char text[MESSAGE_MAX + 1];
    assert_true(body_encode(&body, text, sizeof text) > 0);
    assert_null(strstr(text, "name"));
    assert_true(body_decode(&back, (const uint8_t *)text, strlen(text)));
    assert_string_equal(back.description.name, "");
    snprintf(body.description.name, sizeof body.description.name, "hub");
    assert_true(body_encode(&body, text, sizeof text) > 0);
    assert_true(body_decode(&back, (const uint8_t *)text, strlen(text)));
    assert_string_equal(back.description.name, "hub");
    assert_false(body_is_good("{\"type\":\"busy\",\"reason\":\"\",\"name\":\"\"}"));
    assert_false(body_is_good("{\"type\":\"busy\",\"reason\":\"\",\"name\":\"a\\u001bb\"}"));
}

static bool hello_with(const char *member, const char *value)
{
    char text[1024], line[256];
    static const char *const names[] = {"v", "type", "from", "nonce", "cap", "veil"};
    static const char *const values[] = {"1",
                                         "\"hello\"",
                                         "\"abcdefghijklm234\"",
                                         "\"AAAAAAAAAAAAAAAAAAAAAA\"",
                                         "0",
                                         "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\""};
    size_t len = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(line, sizeof line, "%c\"%s\":%s", i ? ',' : '{', names[i],
                 strcmp(names[i], member) == 0 ? value : values[i]);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s", line);
    }
    snprintf(text + len, sizeof text - len, ",\"later\":{\"versions\":[\"may add\"]}}");
    return message_is_good(text);
}

static void borders_of_a_hellos_members_hold(void **state)
{
    (void)state;
    static const struct {
        const char *member, *value;
        bool good;
    } rows[] = {
        {"", "", true},
        {"v", "2", false},
        {"v", "0", false},
        {"v", "\"1\"", false},
        {"v", "1.0", true},
        {"type", "\"HELLO\"", false},
        {"type", "\"hello \"", false},
        {"type", "\"\"", false},
        {"type", "0", false},
        {"type", "\"pake1\"", false},
        {"type", "\"bye\"", true},
        {"from", "\"abcdefghijklm23\"", false},
        {"from", "\"abcdefghijklm2345\"", false},
        {"from", "\"Abcdefghijklm234\"", false},
        {"from", "\"abcdefghijklm231\"", false},
        {"from", "\"abcdefg/+/#lm234\"", false},
        {"from", "\"\xC3\xA4zzzzzzzzzzzzzz\"", false},
        {"nonce", "\"AAAAAAAAAAAAAAAAAAAAA\"", false},
        {"nonce", "\"AAAAAAAAAAAAAAAAAAAAAAA\"", false},
        {"nonce", "\"AAAAAAAAAAAAAAAAAAAAAB\"", false},
        {"nonce", "\"AAAAAAAAAAAAAAAAAAAAAA==\"", false},
        {"cap", "4294967295", true},
        {"cap", "4294967296", false},
        {"cap", "-1", false},
        {"cap", "0.5", false},
        {"veil", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"", false},
        {"veil", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"", false},
        {"veil", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB\"", false},
        {"veil", "0", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (hello_with(rows[i].member, rows[i].value) != rows[i].good)
            fail_msg("wrong judgement of \"%s\":%s", rows[i].member, rows[i].value);
}

static bool box_with(const char *type, const char *rest)
{
    char text[512];
    const char *tag = "\"tag\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",";
    snprintf(text, sizeof text, "{\"v\":1,\"type\":\"%s\",\"from\":\"abcdefghijklm234\",%s%s\"x\":0}", type,
             strcmp(type, "pake3") == 0 ? tag : "", rest);
    return message_is_good(text);
}

static void a_box_comes_with_its_number_or_not_at_all(void **state)
{
    (void)state;
    assert_true(box_with("sealed", "\"seq\":1,\"box\":\"AAAA\","));
    assert_true(box_with("sealed", "\"seq\":9007199254740992,\"box\":\"AAAA\","));
    assert_true(box_with("pake3", "\"seq\":1,\"box\":\"AAAA\","));
    assert_true(box_with("pake3", ""));
    assert_false(box_with("sealed", ""));
    assert_false(box_with("sealed", "\"seq\":0,\"box\":\"AAAA\","));
    assert_false(box_with("sealed", "\"seq\":9007199254740994,\"box\":\"AAAA\","));
    assert_false(box_with("sealed", "\"seq\":1,\"box\":\"\","));
    assert_false(box_with("pake3", "\"seq\":1,"));
    assert_false(box_with("pake3", "\"box\":\"AAAA\","));
    assert_false(box_with("pake3", "\"seq\":1,\"box\":\"\","));
    assert_false(box_with("pake3", "\"seq\":1,\"box\":\"AAA=\","));
}

static void too_long_a_message_is_refused_whatever_it_says(void **state)
{
    (void)state;
    static char text[MESSAGE_MAX + 2];
    static struct message message = {.type = MESSAGE_BYE, .from = "abcdefghijklm234"}, back;
    memset(text, ' ', sizeof text);
    size_t len = message_encode(&message, text, sizeof text);
    text[len] = ' ';
    assert_true(message_decode(&back, (const uint8_t *)text, MESSAGE_MAX));
    assert_false(message_decode(&back, (const uint8_t *)text, MESSAGE_MAX + 1));
}

/* ---- bodies ---- */

static void every_body_returns_as_it_was_even_at_its_longest(void **state)
{
    (void)state;
    static char text[MESSAGE_MAX], again[MESSAGE_MAX];
    static struct body back;
    for (enum body_type type = BODY_OFFER; type <= BODY_FAILED; type++) {
        struct body body = sample_body(type);
        size_t len = body_encode(&body, text, sizeof text);
        assert_in_range(len, 1, 4863); /* it fits the seal */
        assert_true(body_decode(&back, (const uint8_t *)text, len));
        assert_int_equal(back.type, type);
        assert_int_equal(body_encode(&back, again, sizeof again), len);
        assert_string_equal(text, again);
        assert_int_equal(body_encode(&body, text, len), 0);
    }
}

static void a_description_travels_with_everything_in_it(void **state)
{
    (void)state;
    static char text[MESSAGE_MAX];
    static struct body back;
    struct body body = sample_body(BODY_ANSWER);
    const struct description *sent = &body.description, *got = &back.description;
    assert_true(body_decode(&back, (const uint8_t *)text, body_encode(&body, text, sizeof text)));
    assert_memory_equal(back.reveal, body.reveal, REVEAL_LEN);
    assert_string_equal(got->name, sent->name);
    assert_string_equal(got->ufrag, sent->ufrag);
    assert_string_equal(got->pwd, sent->pwd);
    assert_memory_equal(got->machine, sent->machine, sizeof sent->machine);
    assert_true(got->complete);
    assert_int_equal(got->candidate_count, CANDIDATES_MAX);
    for (size_t i = 0; i < CANDIDATES_MAX; i++) {
        assert_int_equal(got->candidates[i].kind, sent->candidates[i].kind);
        assert_int_equal(got->candidates[i].priority, sent->candidates[i].priority);
        assert_true(addr_equal(&got->candidates[i].address, &sent->candidates[i].address));
        assert_string_equal(got->candidates[i].foundation, sent->candidates[i].foundation);
    }
}

/* An older peer says nothing of the broker: it relays nothing there. */
static void what_an_older_peer_does_not_say_is_nothing(void **state)
{
    (void)state;
    static char text[16384];
    static struct body back;
    struct body body = sample_body(BODY_OFFER);
    body.description.broker_relay = 0;
    body.description.udp_blocked = false;
    size_t len = body_encode(&body, text, sizeof text);
    assert_null(strstr(text, "broker_relay"));
    assert_null(strstr(text, "udp_blocked"));
    assert_null(strstr(text, "worked"));
    assert_true(body_decode(&back, (const uint8_t *)text, len));
    assert_int_equal(back.description.broker_relay, 0);
    body.description.broker_relay = UINT32_MAX;
    body.description.udp_blocked = true;
    body.description.worked = 2;
    len = body_encode(&body, text, sizeof text);
    assert_true(body_decode(&back, (const uint8_t *)text, len));
    assert_int_equal(back.description.broker_relay, UINT32_MAX);
    assert_true(back.description.udp_blocked);
    assert_int_equal(back.description.worked, 2);
}

static void a_rate_that_is_none_is_malformed(void **state)
{
    (void)state;
    static const char *const rates[] = {"0", "-1", "4294967296", "\"1\"", "1.5", "null"};
    static char text[16384], bad[16384];
    static struct body back;
    struct body body = sample_body(BODY_OFFER);
    body.description.broker_relay = 7777;
    assert_true(body_encode(&body, text, sizeof text) > 0);
    char *at = strstr(text, "7777");
    assert_non_null(at);
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        int len = snprintf(bad, sizeof bad, "%.*s%s%s", (int)(at - text), text, rates[i], at + 4);
        if (body_decode(&back, (const uint8_t *)bad, (size_t)len))
            fail_msg("%s is a rate", rates[i]);
    }
}

/* How many candidates are left of this list; -1: malformed. */
static int candidates_of(const char *list)
{
    static char text[16384];
    static struct body body;
    int len =
        snprintf(text, sizeof text, "{\"type\":\"candidates\",\"complete\":false,\"candidates\":[%s]}", list);
    return body_decode(&body, (const uint8_t *)text, (size_t)len) ? (int)body.description.candidate_count
                                                                  : -1;
}

#define CANDIDATE(kind, address, priority, foundation) \
    "{\"kind\":" kind ",\"address\":" address ",\"priority\":" priority ",\"foundation\":" foundation "}"
#define GOOD CANDIDATE("\"host\"", "\"1.2.3.4:5\"", "1", "\"f\"")

static void candidates_are_judged_one_by_one(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        int count;
    } rows[] = {
        {"", 0},
        {GOOD, 1},
        {CANDIDATE("\"relay\"", "\"[::1]:5\"", "2147483647", "\"+/aZ09\""), 1},
        /* what only a later version knows is passed over */
        {GOOD "," CANDIDATE("\"pigeon\"", "\"1.2.3.4:5\"", "1", "\"f\"") "," GOOD, 2},
        {CANDIDATE("\"prflx\"", "\"1.2.3.4:5\"", "1", "\"f\""), 0},
        {CANDIDATE("\"host\"", "\"example.org:5\"", "1", "\"f\"") "," GOOD, 1},
        {CANDIDATE("\"host\"", "\"1.2.3.4:65536\"", "1", "\"f\""), 0},
        {CANDIDATE("\"host\"", "\"\"", "1", "\"f\""), 0},
        /* what is none of anybody's is not */
        {"1", -1},
        {"null", -1},
        {"{}", -1},
        {CANDIDATE("1", "\"1.2.3.4:5\"", "1", "\"f\""), -1},
        {CANDIDATE("\"host\"", "5", "1", "\"f\""), -1},
        {CANDIDATE("\"host\"", "\"1.2.3.4:5\"", "0", "\"f\""), -1},
        {CANDIDATE("\"host\"", "\"1.2.3.4:5\"", "2147483648", "\"f\""), -1},
        {CANDIDATE("\"host\"", "\"1.2.3.4:5\"", "\"1\"", "\"f\""), -1},
        {CANDIDATE("\"host\"", "\"1.2.3.4:5\"", "1", "\"\""), -1},
        {CANDIDATE("\"host\"", "\"1.2.3.4:5\"", "1", "\"f-\""), -1},
        {CANDIDATE("\"host\"", "\"1.2.3.4:5\"", "1", "\"fffffffffffffffffffffffffffffffff\""), -1},
        {GOOD ",[]", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (candidates_of(rows[i].list) != rows[i].count)
            fail_msg("%d candidates in [%s]", candidates_of(rows[i].list), rows[i].list);
}

static void more_than_sixteen_candidates_are_malformed_even_if_unknown(void **state)
{
    (void)state;
    for (int count = CANDIDATES_MAX; count <= CANDIDATES_MAX + 1; count++) {
        char list[8192] = "";
        size_t len = 0;
        for (int i = 0; i < count; i++)
            len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", i ? "," : "",
                                    i ? GOOD : CANDIDATE("\"pigeon\"", "\"1.2.3.4:5\"", "1", "\"f\""));
        assert_int_equal(candidates_of(list), count <= CANDIDATES_MAX ? CANDIDATES_MAX - 1 : -1);
    }
    static char text[MESSAGE_MAX];
    struct body body = sample_body(BODY_CANDIDATES);
    body.description.candidate_count = CANDIDATES_MAX + 1;
    assert_int_equal(body_encode(&body, text, sizeof text), 0);
}

static void zones_of_addresses_never_travel(void **state)
{
    (void)state;
    static char text[MESSAGE_MAX];
    struct body body = sample_body(BODY_CANDIDATES), back;
    body.description.candidate_count = 1;
    body.description.candidates[0].address = addr_of("[fe80::1%7]:9");
    assert_true(body_encode(&body, text, sizeof text) > 0);
    assert_null(strchr(text, '%'));
    const char *zoned = "{\"type\":\"candidates\",\"complete\":true,\"candidates\":[" CANDIDATE(
        "\"host\"", "\"[fe80::1%7]:9\"", "1", "\"f\"") "]}";
    assert_true(body_decode(&back, (const uint8_t *)zoned, strlen(zoned)));
    assert_int_equal(back.description.candidates[0].address.scope, 0);
}

static bool offer_with(const char *member, const char *value)
{
    char text[1024];
    size_t len = 0;
    static const char *const names[] = {"type", "name", "ufrag", "pwd", "machine", "complete", "candidates"};
    static const char *const values[] = {
        "\"offer\"", "\"attic\"", "\"abcd\"", "\"abcdefghijklmnopqrstuv\"", "\"AAAAAAAAAAAAAAAAAAAAAA\"",
        "false",     "[]"};
    for (size_t i = 0; i < 7; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%c\"%s\":%s", i ? ',' : '{', names[i],
                                strcmp(names[i], member) == 0 ? value : values[i]);
    snprintf(text + len, sizeof text - len, "}");
    return body_is_good(text);
}

#define TEN(c) c c c c c c c c c c

static void borders_of_a_descriptions_members_hold(void **state)
{
    (void)state;
    static const struct {
        const char *member, *value;
        bool good;
    } rows[] = {
        {"", "", true},
        {"type", "\"hello\"", false},
        {"name", "\"\"", false},
        {"name", "\" \"", true},
        {"name", "\"" TEN("x") TEN("x") TEN("x") TEN("x") TEN("x") TEN("x") "xxxx\"", true},
        {"name", "\"" TEN("x") TEN("x") TEN("x") TEN("x") TEN("x") TEN("x") "xxxxx\"", false},
        {"name", "\"a\\u001fb\"", false},
        {"name", "\"a\\nb\"", false},
        {"name",
         "\"a\x7F"
         "b\"",
         false},
        {"name", "\"\\u0080\"", false},
        {"name", "\"\\u009f\"", false},
        {"name", "\"\\u00a0\"", true},
        {"name", "\"\\u001b[2J\"", false},
        {"name", "\"\\u0101\"", true},
        {"name", "\"\xF0\x9F\x98\x80\"", true},
        {"ufrag", "\"abc\"", false},
        {"ufrag", "\"ab:d\"", false},
        {"ufrag", "\"" TEN("a") TEN("a") TEN("a") "aa\"", true},
        {"ufrag", "\"" TEN("a") TEN("a") TEN("a") "aaa\"", false},
        {"ufrag", "\"a\\u0000bcd\"", false},
        {"pwd", "\"abcdefghijklmnopqrstu\"", false},
        {"pwd", "\"abcdefghijklmnopqrst v\"", false},
        {"pwd", "\"" TEN("a") TEN("a") TEN("a") TEN("a") TEN("a") TEN("a") "aaaa\"", true},
        {"pwd", "\"" TEN("a") TEN("a") TEN("a") TEN("a") TEN("a") TEN("a") "aaaaa\"", false},
        {"machine", "\"AAAAAAAAAAAAAAAAAAAA\"", false},
        {"complete", "0", false},
        {"candidates", "{}", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (offer_with(rows[i].member, rows[i].value) != rows[i].good)
            fail_msg("wrong judgement of \"%s\":%s", rows[i].member, rows[i].value);
}

static void a_reason_may_be_empty_but_not_control_a_terminal(void **state)
{
    (void)state;
    char text[256];
    static struct body body;
    assert_true(body_is_good("{\"type\":\"bye\",\"reason\":\"\"}"));
    assert_false(body_is_good("{\"type\":\"bye\"}"));
    assert_false(body_is_good("{\"type\":\"busy\",\"reason\":\"\\u001b]0;x\\u0007\"}"));
    for (size_t len = sizeof body.reason - 1; len <= sizeof body.reason; len++) {
        snprintf(text, sizeof text, "{\"type\":\"busy\",\"reason\":\"%0*d\"}", (int)len, 0);
        assert_int_equal(body_is_good(text), len < sizeof body.reason);
    }
}

static int begin(void **state)
{
    (void)state;
    return sodium_init() >= 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_returns_as_it_was_even_at_its_longest),
        cmocka_unit_test(members_travel_with_the_types_that_have_them),
        cmocka_unit_test(a_pake3_without_a_box_is_the_answer_to_a_bad_tag),
        cmocka_unit_test(the_text_is_as_the_manual_shows_it),
        cmocka_unit_test(what_does_not_fit_is_not_encoded),
        cmocka_unit_test(no_member_of_a_message_may_miss_or_be_of_another_type),
        cmocka_unit_test(borders_of_a_hellos_members_hold),
        cmocka_unit_test(a_box_comes_with_its_number_or_not_at_all),
        cmocka_unit_test(too_long_a_message_is_refused_whatever_it_says),
        cmocka_unit_test(every_body_returns_as_it_was_even_at_its_longest),
        cmocka_unit_test(a_description_travels_with_everything_in_it),
        cmocka_unit_test(no_member_of_a_body_may_miss_or_be_of_another_type),
        cmocka_unit_test(who_is_busy_may_say_its_name),
        cmocka_unit_test(what_an_older_peer_does_not_say_is_nothing),
        cmocka_unit_test(a_rate_that_is_none_is_malformed),
        cmocka_unit_test(candidates_are_judged_one_by_one),
        cmocka_unit_test(more_than_sixteen_candidates_are_malformed_even_if_unknown),
        cmocka_unit_test(zones_of_addresses_never_travel),
        cmocka_unit_test(borders_of_a_descriptions_members_hold),
        cmocka_unit_test(a_reason_may_be_empty_but_not_control_a_terminal),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
