/* test_stun_msg.c - STUN messages: the vectors of RFC 5769 and RFC 8489 B.1, boundaries, and hostile bytes.
 */
#include "stun_msg.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

enum { BYTES_MAX = 1500, HEADER_LEN = 20 };

/* The vectors, from tests/vectors/stun.json: tests run in the repository's top folder. */

struct vector {
    uint8_t data[BYTES_MAX];
    size_t len;
    uint8_t key_bytes[64];
    struct stun_key key;
    const char *mapped; /* NULL: none */
};

static cJSON *vectors;

static int load_vectors(void **state)
{
    (void)state;
    static char text[16384];
    FILE *file = fopen("tests/vectors/stun.json", "r");
    if (!file) {
        print_error("tests/vectors/stun.json: not found; run the tests in the repository's top folder\n");
        return -1;
    }
    size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    vectors = cJSON_ParseWithLength(text, len);
    return vectors ? 0 : -1;
}

static int free_vectors(void **state)
{
    (void)state;
    cJSON_Delete(vectors);
    return 0;
}

static const char *text_of(const cJSON *item, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItem(item, name));
}

static size_t from_hex(uint8_t *out, size_t capacity, const char *hex)
{
    size_t len = strlen(hex) / 2;
    assert_true(len <= capacity && strlen(hex) % 2 == 0);
    for (size_t i = 0; i < len; i++) {
        unsigned byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        out[i] = (uint8_t)byte;
    }
    return len;
}

static void load_vector(struct vector *vector, const char *name)
{
    const cJSON *item = cJSON_GetObjectItem(cJSON_GetObjectItem(vectors, "vectors"), name);
    assert_non_null(item);
    vector->len = from_hex(vector->data, sizeof vector->data, text_of(item, "hex"));
    vector->mapped = text_of(item, "mapped");
    const char *username = text_of(item, "username"), *password = text_of(item, "password");
    vector->key.bytes = vector->key_bytes;
    vector->key.len = username ? 16 : strlen(password);
    if (username)
        stun_long_term_key(vector->key_bytes, username, text_of(item, "realm"), password);
    else
        memcpy(vector->key_bytes, password, strlen(password));
}

static const char *const vector_names[] = {
    "sample_request",
    "sample_ipv4_response",
    "sample_ipv6_response",
    "sample_request_long_term",
    "sample_request_long_term_sha256",
};
enum { VECTOR_COUNT = sizeof vector_names / sizeof *vector_names };

static uint16_t u16_at(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

/* Zeros for the bytes between an attribute's value and the next attribute: their content is free. */
static void clear_padding(uint8_t *data, size_t len)
{
    for (size_t at = HEADER_LEN; at + 4 <= len;) {
        size_t value_len = u16_at(data + at + 2), next = at + 4 + ((value_len + 3) & ~(size_t)3);
        memset(data + at + 4 + value_len, 0, next - at - 4 - value_len);
        at = next;
    }
}

static bool text_is(struct stun_text text, const char *expected)
{
    return text.len == strlen(expected) && memcmp(text.at, expected, text.len) == 0;
}

static void every_vector_decodes_and_its_integrity_is_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        struct vector vector;
        struct stun_msg msg;
        load_vector(&vector, vector_names[i]);
        assert_true(stun_is(vector.data, vector.len));
        assert_true(stun_decode(&msg, vector.data, vector.len));
        assert_int_equal(msg.method, STUN_BINDING);
        assert_int_equal(msg.unknown_count, 0);
        assert_int_equal(stun_check(&msg, vector.data, &vector.key), STUN_INTEGRITY_GOOD);
        if (vector.mapped) {
            char text[ADDR_TEXT_MAX];
            assert_string_equal(addr_print(&msg.mapped, text), vector.mapped);
        }
    }
}

static void the_members_of_the_vectors_are_what_their_rfcs_say(void **state)
{
    (void)state;
    struct vector vector;
    struct stun_msg msg;
    load_vector(&vector, "sample_request");
    assert_true(stun_decode(&msg, vector.data, vector.len));
    assert_int_equal(msg.class, STUN_REQUEST);
    assert_int_equal(msg.has,
                     STUN_HAS_PRIORITY | STUN_HAS_CONTROLLED | STUN_HAS_INTEGRITY | STUN_HAS_FINGERPRINT);
    assert_true(text_is(msg.software, "STUN test client"));
    assert_true(text_is(msg.username, "evtj:h6vY"));
    assert_int_equal(msg.priority, 0x6e0001ff);
    assert_true(msg.tie_breaker == UINT64_C(0x932ff9b151263b36));

    load_vector(&vector, "sample_ipv4_response");
    assert_true(stun_decode(&msg, vector.data, vector.len));
    assert_int_equal(msg.class, STUN_SUCCESS);
    assert_true(text_is(msg.software, "test vector"));

    load_vector(&vector, "sample_request_long_term_sha256");
    assert_true(stun_decode(&msg, vector.data, vector.len));
    assert_int_equal(msg.has, STUN_HAS_INTEGRITY_SHA256);
    assert_int_equal(msg.sha256_len, 32);
    assert_int_equal(msg.userhash.len, 32);
    assert_true(text_is(msg.realm, "example.org"));
}

static void every_vector_is_written_again_byte_for_byte_but_for_its_padding(void **state)
{
    (void)state;
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        struct vector vector;
        struct stun_msg msg;
        uint8_t again[BYTES_MAX];
        load_vector(&vector, vector_names[i]);
        assert_true(stun_decode(&msg, vector.data, vector.len));
        size_t len = stun_encode(&msg, &vector.key, again, sizeof again);
        assert_int_equal(len, vector.len);

        uint8_t expected[BYTES_MAX];
        memcpy(expected, vector.data, len);
        clear_padding(expected, len);
        bool same_padding = memcmp(expected, vector.data, len) == 0;
        /* Integrity and fingerprint cover the padding: where it differs, so must they. */
        size_t covered = same_padding ? len : msg.has & STUN_HAS_INTEGRITY ? msg.integrity_at : msg.sha256_at;
        assert_memory_equal(again, expected, covered);
        assert_true(stun_decode(&msg, again, len));
        assert_int_equal(stun_check(&msg, again, &vector.key), STUN_INTEGRITY_GOOD);
    }
}

static void every_flipped_bit_of_a_fingerprinted_vector_is_noticed(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct vector vector;
        load_vector(&vector, vector_names[i]);
        for (size_t bit = 0; bit < vector.len * 8; bit++) {
            vector.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            struct stun_msg msg;
            /* A bit of the fingerprint's type makes it an attribute that may be unknown: then the integrity
             * holds. */
            if (stun_decode(&msg, vector.data, vector.len) && (msg.has & STUN_HAS_FINGERPRINT))
                fail_msg("%s: bit %zu", vector_names[i], bit);
            vector.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

static void every_flipped_bit_before_the_integrity_is_noticed(void **state)
{
    (void)state;
    for (size_t i = 3; i < VECTOR_COUNT; i++) {
        struct vector vector;
        struct stun_msg msg;
        load_vector(&vector, vector_names[i]);
        for (size_t bit = 0; bit < vector.len * 8; bit++) {
            vector.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (stun_decode(&msg, vector.data, vector.len))
                assert_int_not_equal(stun_check(&msg, vector.data, &vector.key), STUN_INTEGRITY_GOOD);
            vector.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

static void a_wrong_key_is_noticed_and_a_missing_integrity_is_not_a_bad_one(void **state)
{
    (void)state;
    struct vector vector;
    struct stun_msg msg;
    load_vector(&vector, "sample_request");
    assert_true(stun_decode(&msg, vector.data, vector.len));
    struct stun_key wrong = {(const uint8_t *)"VOkJxbRl1RmTxUk/WvJxBT", 22}, empty = {(const uint8_t *)"", 0};
    assert_int_equal(stun_check(&msg, vector.data, &wrong), STUN_INTEGRITY_BAD);
    assert_int_equal(stun_check(&msg, vector.data, &empty), STUN_INTEGRITY_BAD);

    struct stun_msg plain = {.class = STUN_REQUEST, .method = STUN_BINDING};
    uint8_t data[BYTES_MAX];
    size_t len = stun_encode(&plain, NULL, data, sizeof data);
    assert_true(stun_decode(&msg, data, len));
    assert_int_equal(stun_check(&msg, data, &vector.key), STUN_INTEGRITY_ABSENT);
}

static void every_shorter_or_longer_datagram_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        struct vector vector;
        struct stun_msg msg;
        load_vector(&vector, vector_names[i]);
        for (size_t len = 0; len <= vector.len + 4; len++)
            assert_int_equal(stun_decode(&msg, vector.data, len), len == vector.len);
    }
}

/* Messages made by hand. */

struct bytes {
    uint8_t data[BYTES_MAX];
    size_t len;
};

static struct bytes message(uint16_t type)
{
    struct bytes m = {.len = HEADER_LEN};
    memcpy(m.data, ((const uint8_t[]){(uint8_t)(type >> 8), (uint8_t)type, 0, 0, 0x21, 0x12, 0xa4, 0x42}), 8);
    memcpy(m.data + 8, "transactioni", STUN_ID_LEN);
    return m;
}

static void add(struct bytes *m, uint16_t type, const void *value, size_t len)
{
    size_t whole = 4 + ((len + 3) & ~(size_t)3);
    assert_true(m->len + whole <= sizeof m->data);
    memcpy(m->data + m->len,
           ((const uint8_t[]){(uint8_t)(type >> 8), (uint8_t)type, (uint8_t)(len >> 8), (uint8_t)len}), 4);
    if (len)
        memcpy(m->data + m->len + 4, value, len);
    m->len += whole;
    m->data[2] = (uint8_t)((m->len - HEADER_LEN) >> 8);
    m->data[3] = (uint8_t)(m->len - HEADER_LEN);
}

static bool decodes(struct stun_msg *msg, const struct bytes *m)
{
    return stun_decode(msg, m->data, m->len);
}

enum { REQUEST = 0x0001, SUCCESS = 0x0101, ERROR_ANSWER = 0x0111 };

static void classes_and_methods_survive_the_interleaving_of_their_bits(void **state)
{
    (void)state;
    for (unsigned class = STUN_REQUEST; class <= STUN_ERROR; class ++)
        for (uint16_t method = 0; method <= 0xfff; method++) {
            struct stun_msg msg = {.class = (enum stun_class) class, .method = method}, again;
            uint8_t data[HEADER_LEN];
            assert_int_equal(stun_encode(&msg, NULL, data, sizeof data), HEADER_LEN);
            assert_int_equal(data[0] & 0xc0, 0);
            assert_true(stun_decode(&again, data, sizeof data));
            assert_int_equal(again.class, class);
            assert_int_equal(again.method, method);
        }
    assert_int_equal(u16_at(message(SUCCESS).data), 0x0101);
}

static void only_what_looks_like_stun_is_stun(void **state)
{
    (void)state;
    struct bytes m = message(REQUEST);
    assert_true(stun_is(m.data, m.len));
    assert_false(stun_is(m.data, 19));
    assert_false(stun_is(m.data, 24));
    for (unsigned bit = 6; bit < 8; bit++) {
        m.data[0] ^= (uint8_t)(1 << bit);
        assert_false(stun_is(m.data, m.len));
        m.data[0] ^= (uint8_t)(1 << bit);
    }
    for (unsigned bit = 0; bit < 48; bit++) {
        m.data[2 + bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(stun_is(m.data, m.len));
        m.data[2 + bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    m.data[3] = 2; /* a length that is no multiple of 4, though consistent */
    assert_false(stun_is(m.data, 22));
}

/* For every attribute, every length of its value from 0 to 70: accepted exactly where its RFC allows it. */
static void every_attribute_has_its_lengths_checked(void **state)
{
    (void)state;
    static const struct {
        uint16_t type;
        size_t min, max, step;
    } rules[] = {
        {0x0003, 4, 4, 4},  {0x0008, 20, 20, 4}, {0x001c, 16, 32, 4}, {0x001e, 32, 32, 4}, {0x0024, 4, 4, 4},
        {0x0025, 0, 0, 4},  {0x0027, 2, 4, 1},   {0x8029, 8, 8, 4},   {0x802a, 8, 8, 4},   {0xc001, 4, 4, 4},
        {0x0006, 0, 70, 1}, {0x0014, 0, 70, 1},  {0x0015, 0, 70, 1},  {0x8022, 0, 70, 1},  {0x0026, 0, 70, 1},
        {0x000a, 0, 70, 1}, {0x7777, 0, 70, 1},  {0xf777, 0, 70, 1},  {0x000c, 4, 4, 4},   {0x000d, 4, 4, 4},
        {0x0013, 0, 70, 1}, {0x0019, 4, 4, 4},   {0x001a, 0, 0, 4},   {0x8004, 8, 8, 4},
    };
    static const uint8_t zeros[70];
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        for (size_t len = 0; len <= sizeof zeros; len++) {
            struct bytes m = message(REQUEST);
            struct stun_msg msg;
            add(&m, rules[i].type, zeros, len);
            bool allowed =
                len >= rules[i].min && len <= rules[i].max && (len - rules[i].min) % rules[i].step == 0;
            if (decodes(&msg, &m) != allowed)
                fail_msg("attribute %#x of %zu bytes", rules[i].type, len);
        }
}

static void texts_are_accepted_up_to_their_limit(void **state)
{
    (void)state;
    static const struct {
        uint16_t type;
        size_t max;
    } rules[] = {{0x0006, 508}, {0x0014, STUN_TEXT_MAX}, {0x0015, STUN_TEXT_MAX}, {0x8022, STUN_TEXT_MAX}};
    static const uint8_t zeros[STUN_TEXT_MAX + 1];
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        for (size_t over = 0; over < 2; over++) {
            struct bytes m = message(REQUEST);
            struct stun_msg msg;
            add(&m, rules[i].type, zeros, rules[i].max + over);
            assert_int_equal(decodes(&msg, &m), !over);
        }
}

static void an_empty_text_is_there_and_an_absent_one_is_not(void **state)
{
    (void)state;
    struct bytes m = message(REQUEST);
    struct stun_msg msg;
    add(&m, 0x0006, "", 0);
    assert_true(decodes(&msg, &m));
    assert_non_null(msg.username.at);
    assert_int_equal(msg.username.len, 0);
    assert_null(msg.realm.at);
    uint8_t data[BYTES_MAX];
    assert_int_equal(stun_encode(&msg, NULL, data, sizeof data), HEADER_LEN + 4);
}

static void addresses_of_the_wrong_family_or_length_are_refused(void **state)
{
    (void)state;
    static const uint16_t types[] = {0x0001, 0x0020, 0x802b, 0x802c, 0x8023};
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        for (uint8_t family = 0; family < 4; family++)
            for (size_t len = 0; len <= 24; len++) {
                uint8_t value[24] = {0, family, 0, 1, 1};
                struct bytes m = message(SUCCESS);
                struct stun_msg msg;
                add(&m, types[t], value, len);
                bool allowed = (family == 1 && len == 8) || (family == 2 && len == 20);
                assert_int_equal(decodes(&msg, &m), allowed);
            }
}

static void the_xor_mapped_address_wins_wherever_it_stands(void **state)
{
    (void)state;
    static const uint8_t plain[8] = {0, 1, 0, 9, 9, 9, 9, 9};
    static const uint8_t xored[8] = {0, 1, 0x21, 0x13, 0x20, 0x12, 0xa4, 0x42}; /* 1.0.0.0:1 */
    for (int first = 0; first < 2; first++) {
        struct bytes m = message(SUCCESS);
        struct stun_msg msg;
        char text[ADDR_TEXT_MAX];
        add(&m, first ? 0x0020 : 0x0001, first ? xored : plain, 8);
        assert_true(decodes(&msg, &m));
        assert_string_equal(addr_print(&msg.mapped, text), first ? "1.0.0.0:1" : "9.9.9.9:9");
        add(&m, first ? 0x0001 : 0x0020, first ? plain : xored, 8);
        assert_true(decodes(&msg, &m));
        assert_string_equal(addr_print(&msg.mapped, text), "1.0.0.0:1");
    }
}

static void an_ipv4_mapped_address_arrives_as_ipv4(void **state)
{
    (void)state;
    static const uint8_t value[20] = {0, 2, 0, 5, [14] = 0xff, [15] = 0xff, [16] = 127, [19] = 1};
    struct bytes m = message(SUCCESS);
    struct stun_msg msg;
    char text[ADDR_TEXT_MAX];
    add(&m, 0x0001, value, sizeof value);
    assert_true(decodes(&msg, &m));
    assert_string_equal(addr_print(&msg.mapped, text), "127.0.0.1:5");
}

static void of_an_attribute_that_comes_twice_the_first_counts(void **state)
{
    (void)state;
    struct bytes m = message(REQUEST);
    struct stun_msg msg;
    add(&m, 0x0006, "first", 5);
    add(&m, 0x0006, "second", 6);
    add(&m, 0x0024, "\0\0\0\1", 4);
    add(&m, 0x0024, "\0\0\0\2", 4);
    add(&m, 0x0024, "", 0); /* not even read */
    assert_true(decodes(&msg, &m));
    assert_true(text_is(msg.username, "first"));
    assert_int_equal(msg.priority, 1);
}

static void what_follows_the_integrity_is_ignored(void **state)
{
    (void)state;
    static const uint8_t zeros[32];
    static const uint16_t integrities[] = {0x0008, 0x001c};
    for (size_t i = 0; i < 2; i++) {
        struct bytes m = message(REQUEST);
        struct stun_msg msg;
        add(&m, integrities[i], zeros, i ? 32 : 20);
        add(&m, 0x0006, "late", 4);
        add(&m, 0x0025, "", 0);
        add(&m, 0x7777, "", 0);
        assert_true(decodes(&msg, &m));
        assert_null(msg.username.at);
        assert_int_equal(msg.has, i ? STUN_HAS_INTEGRITY_SHA256 : STUN_HAS_INTEGRITY);
        assert_int_equal(msg.unknown_count, 0);
    }
}

static void an_integrity_after_the_stronger_one_is_ignored(void **state)
{
    (void)state;
    static const uint8_t zeros[32];
    struct bytes m = message(REQUEST);
    struct stun_msg msg;
    add(&m, 0x001c, zeros, 32);
    add(&m, 0x0008, zeros, 20);
    assert_true(decodes(&msg, &m));
    assert_int_equal(msg.has, STUN_HAS_INTEGRITY_SHA256);
}

static void of_two_integrities_the_stronger_is_checked(void **state)
{
    (void)state;
    struct stun_key key = {(const uint8_t *)"secret", 6};
    struct stun_msg msg = {.method = STUN_BINDING, .has = STUN_HAS_INTEGRITY | STUN_HAS_INTEGRITY_SHA256};
    uint8_t data[BYTES_MAX];
    size_t len = stun_encode(&msg, &key, data, sizeof data);
    assert_true(stun_decode(&msg, data, len));
    assert_int_equal(stun_check(&msg, data, &key), STUN_INTEGRITY_GOOD);
    data[len - 1] ^= 1;
    assert_int_equal(stun_check(&msg, data, &key), STUN_INTEGRITY_BAD);
    data[len - 1] ^= 1;
    msg.has &= ~(unsigned)STUN_HAS_INTEGRITY_SHA256;
    assert_int_equal(stun_check(&msg, data, &key), STUN_INTEGRITY_GOOD);
}

static void a_truncated_sha256_is_checked_over_its_own_length(void **state)
{
    (void)state;
    static const uint8_t zeros[32];
    struct stun_key key = {(const uint8_t *)"secret", 6};
    for (size_t len = 16; len <= 32; len += 4) {
        struct bytes m = message(REQUEST);
        struct stun_msg msg;
        add(&m, 0x001c, zeros, len);
        assert_true(decodes(&msg, &m));
        assert_int_equal(msg.sha256_len, len);
        assert_int_equal(stun_check(&msg, m.data, &key), STUN_INTEGRITY_BAD);
    }
}

static uint32_t crc32_bit_by_bit(const uint8_t *data, size_t len)
{
    uint32_t crc = UINT32_MAX;
    for (size_t bit = 0; bit < len * 8; bit++) {
        uint32_t out = (crc ^ (uint32_t)data[bit / 8] >> bit % 8) & 1;
        crc = crc >> 1 ^ (out ? UINT32_C(0xedb88320) : 0);
    }
    return ~crc;
}

/* Even when the fingerprint is right for the message with what follows. */
static void nothing_may_follow_the_fingerprint(void **state)
{
    (void)state;
    for (int follows = 0; follows < 2; follows++) {
        struct bytes m = message(REQUEST);
        struct stun_msg msg;
        add(&m, 0x8028, "\0\0\0\0", 4);
        if (follows)
            add(&m, 0x8022, "", 0);
        uint32_t fingerprint = crc32_bit_by_bit(m.data, HEADER_LEN) ^ UINT32_C(0x5354554e);
        for (int i = 0; i < 4; i++)
            m.data[HEADER_LEN + 4 + i] = (uint8_t)(fingerprint >> (24 - 8 * i));
        assert_int_equal(decodes(&msg, &m), !follows);
    }
}

static void unknown_attributes_that_must_be_understood_are_listed_once(void **state)
{
    (void)state;
    struct bytes m = message(REQUEST);
    struct stun_msg msg;
    add(&m, 0xf777, "", 0);
    add(&m, 0x8f00, "", 0);
    add(&m, 0x7fff, "abc", 3);
    add(&m, 0x0000, "", 0);
    add(&m, 0x7fff, "", 0);
    assert_true(decodes(&msg, &m));
    assert_int_equal(msg.unknown_count, 2);
    assert_int_equal(msg.unknown[0], 0x7fff);
    assert_int_equal(msg.unknown[1], 0x0000);
    for (uint16_t type = 0x7000; type < 0x7020; type++)
        add(&m, type, "", 0);
    assert_true(decodes(&msg, &m));
    assert_int_equal(msg.unknown_count, STUN_UNKNOWN_MAX);
}

static void error_codes_outside_300_to_699_are_refused(void **state)
{
    (void)state;
    for (unsigned class = 0; class < 256; class ++)
        for (unsigned number = 98; number < 102; number++) {
            uint8_t value[7] = {0, 0, (uint8_t) class, (uint8_t)number, 'w', 'h', 'y'};
            struct bytes m = message(ERROR_ANSWER);
            struct stun_msg msg;
            add(&m, 0x0009, value, sizeof value);
            unsigned hundreds = class & 7;
            bool allowed = hundreds >= 3 && hundreds <= 6 && number <= 99;
            assert_int_equal(decodes(&msg, &m), allowed);
            if (!allowed)
                continue;
            assert_int_equal(msg.error, hundreds * 100 + number);
            assert_true(text_is(msg.reason, "why"));
        }
}

static void an_error_code_counts_in_error_answers_only(void **state)
{
    (void)state;
    struct bytes m = message(SUCCESS);
    struct stun_msg msg;
    add(&m, 0x0009, "\0\0\4\0", 4);
    assert_true(decodes(&msg, &m));
    assert_int_equal(msg.error, 0);
    assert_null(msg.reason.at);
}

static void attributes_that_run_over_the_end_are_refused(void **state)
{
    (void)state;
    static const uint16_t lengths[] = {1, 4, 5, 0x7fff, 0xfffc, 0xfffd, 0xffff};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct bytes m = message(REQUEST);
        struct stun_msg msg;
        add(&m, 0xf777, "", 0);
        m.data[HEADER_LEN + 2] = (uint8_t)(lengths[i] >> 8);
        m.data[HEADER_LEN + 3] = (uint8_t)lengths[i];
        assert_false(decodes(&msg, &m));
    }
}

/* A message with everything in it that is written. */
static struct stun_msg full_message(void)
{
    struct stun_msg msg = {.class = STUN_ERROR, .method = 0xabc, .id = "transaction"};
    msg.has = STUN_HAS_PRIORITY | STUN_HAS_USE_CANDIDATE | STUN_HAS_CONTROLLING | STUN_HAS_NOMINATION |
              STUN_HAS_CHANGE_REQUEST | STUN_HAS_RESPONSE_PORT | STUN_HAS_INTEGRITY |
              STUN_HAS_INTEGRITY_SHA256 | STUN_HAS_FINGERPRINT;
    msg.username = (struct stun_text){"user", 4}, msg.realm = (struct stun_text){"realm", 5};
    msg.nonce = (struct stun_text){"nonces", 6}, msg.software = (struct stun_text){"softwar", 7};
    msg.userhash = (struct stun_text){"01234567890123456789012345678901", 32};
    addr_parse(&msg.mapped, "[2001:db8::1]:1"), addr_parse(&msg.other_address, "1.2.3.4:5");
    addr_parse(&msg.response_origin, "[2001:db8::2]:65535"), addr_parse(&msg.alternate, "4.3.2.1:2");
    msg.priority = 0x01020304, msg.tie_breaker = UINT64_C(0x0102030405060708), msg.nomination = 0xabcdef;
    msg.change_request = STUN_CHANGE_IP | STUN_CHANGE_PORT, msg.response_port = 0xfffe, msg.padding = 5;
    msg.error = 699, msg.reason = (struct stun_text){"because", 7};
    return msg;
}

static void everything_that_is_written_is_read_again(void **state)
{
    (void)state;
    struct stun_key key = {(const uint8_t *)"secret", 6};
    struct stun_msg msg = full_message(), got;
    uint8_t data[BYTES_MAX];
    size_t len = stun_encode(&msg, &key, data, sizeof data);
    assert_true(stun_decode(&got, data, len));
    assert_int_equal(stun_check(&got, data, &key), STUN_INTEGRITY_GOOD);
    assert_int_equal(got.class, msg.class);
    assert_int_equal(got.method, msg.method);
    assert_memory_equal(got.id, msg.id, STUN_ID_LEN);
    assert_int_equal(got.has, msg.has);
    assert_true(text_is(got.username, "user") && text_is(got.realm, "realm") && text_is(got.nonce, "nonces"));
    assert_true(text_is(got.software, "softwar") && text_is(got.reason, "because"));
    assert_memory_equal(got.userhash.at, msg.userhash.at, 32);
    assert_true(addr_equal(&got.mapped, &msg.mapped) && addr_equal(&got.other_address, &msg.other_address));
    assert_true(addr_equal(&got.response_origin, &msg.response_origin) &&
                addr_equal(&got.alternate, &msg.alternate));
    assert_int_equal(got.priority, msg.priority);
    assert_true(got.tie_breaker == msg.tie_breaker);
    assert_int_equal(got.nomination, msg.nomination);
    assert_int_equal(got.change_request, msg.change_request);
    assert_int_equal(got.response_port, msg.response_port);
    assert_int_equal(got.padding, msg.padding);
    assert_int_equal(got.error, msg.error);
}

/* RFC 8656 18. */
static struct stun_msg turn_message(void)
{
    struct stun_msg msg = {.class = STUN_SUCCESS,
                           .method = STUN_ALLOCATE,
                           .has = STUN_HAS_CHANNEL | STUN_HAS_LIFETIME | STUN_HAS_TRANSPORT |
                                  STUN_HAS_FAMILY | STUN_HAS_ADDITIONAL_FAMILY | STUN_HAS_FAMILY_ERROR |
                                  STUN_HAS_DONT_FRAGMENT | STUN_HAS_ICMP,
                           .channel = 0x4001,
                           .lifetime_s = 777,
                           .transport = STUN_TRANSPORT_UDP,
                           .family = 4,
                           .additional_family = 6,
                           .error_family = 6,
                           .family_error = 440,
                           .icmp = 3 << 9 | 1,
                           .icmp_data = 1280,
                           .data = {"payload", 7}};
    memcpy(msg.id, "transactionx", STUN_ID_LEN);
    assert_true(addr_parse(&msg.peer, "[2001:db8::7]:7000") && addr_parse(&msg.relayed, "192.0.2.9:50000") &&
                addr_parse(&msg.relayed_too, "[2001:db8::9]:50001"));
    return msg;
}

static void what_turn_asks_and_answers_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct stun_msg msg = turn_message(), got;
    uint8_t data[BYTES_MAX];
    size_t len = stun_encode(&msg, NULL, data, sizeof data);
    assert_true(stun_decode(&got, data, len));
    assert_int_equal(got.has, msg.has);
    assert_int_equal(got.method, STUN_ALLOCATE);
    assert_int_equal(got.channel, 0x4001);
    assert_int_equal(got.lifetime_s, 777);
    assert_int_equal(got.transport, STUN_TRANSPORT_UDP);
    assert_int_equal(got.family, 4);
    assert_int_equal(got.additional_family, 6);
    assert_int_equal(got.error_family, 6);
    assert_int_equal(got.family_error, 440);
    assert_int_equal(got.icmp, 3 << 9 | 1);
    assert_int_equal(got.icmp_data, 1280);
    assert_true(text_is(got.data, "payload"));
    assert_true(addr_equal(&got.peer, &msg.peer));
    assert_true(addr_equal(&got.relayed, &msg.relayed) && addr_equal(&got.relayed_too, &msg.relayed_too));
    assert_int_equal(got.unknown_count, 0);
}

static void a_third_relayed_address_is_ignored(void **state)
{
    (void)state;
    struct bytes m = message(SUCCESS);
    struct stun_msg msg;
    for (uint8_t i = 0; i < 3; i++)
        add(&m, 0x0016, (const uint8_t[8]){0, 1, 0x21, 0x12, 0x21, 0x12, 0xa4, (uint8_t)(0x42 ^ (i + 1))}, 8);
    assert_true(decodes(&msg, &m));
    assert_int_equal(msg.relayed.ip[3], 1);
    assert_int_equal(msg.relayed_too.ip[3], 2);
    assert_int_equal(msg.unknown_count, 0);
}

static void address_families_other_than_two_are_refused(void **state)
{
    (void)state;
    static const uint16_t types[] = {0x0017, 0x8000, 0x8001};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        for (unsigned family = 0; family < 256; family++) {
            struct bytes m = message(REQUEST);
            struct stun_msg msg;
            add(&m, types[i], (const uint8_t[4]){(uint8_t)family, 0, 4, 40}, 4);
            assert_int_equal(decodes(&msg, &m), family == 1 || family == 2);
        }
}

static void too_small_a_buffer_gives_nothing_and_is_not_overrun(void **state)
{
    (void)state;
    struct stun_key key = {(const uint8_t *)"secret", 6};
    struct stun_msg msg = full_message();
    uint8_t data[BYTES_MAX];
    size_t needed = stun_encode(&msg, &key, data, sizeof data);
    assert_true(needed > 0);
    for (size_t capacity = 0; capacity <= needed; capacity++) {
        uint8_t *exact = malloc(capacity + 1); /* the sanitizer watches its end */
        assert_non_null(exact);
        assert_int_equal(stun_encode(&msg, &key, exact + 1, capacity), capacity < needed ? 0 : needed);
        free(exact);
    }
}

static void padding_and_unknown_attributes_are_written_as_asked(void **state)
{
    (void)state;
    struct stun_msg msg = {.class = STUN_ERROR, .method = STUN_BINDING, .error = 420, .padding = 1001};
    msg.unknown_count = 2, msg.unknown[0] = 0x7fff, msg.unknown[1] = 1;
    uint8_t data[BYTES_MAX];
    size_t len = stun_encode(&msg, NULL, data, sizeof data);
    assert_int_equal(len, HEADER_LEN + 4 + 4 + 4 + 4 + 4 + 1004);
    assert_memory_equal(data + HEADER_LEN, "\0\x09\0\4\0\0\4\x14\0\x0a\0\4\x7f\xff\0\1", 16);
    msg.class = STUN_REQUEST; /* a request lists none and has no error */
    assert_int_equal(stun_encode(&msg, NULL, data, sizeof data), HEADER_LEN + 4 + 1004);
}

static void random_bytes_behind_a_good_header_never_do_harm(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (unsigned round = 0; round < 100000; round++) {
        struct bytes m = message(round % 2 ? SUCCESS : REQUEST);
        struct stun_msg msg;
        for (unsigned n = round % 5; n > 0; n--) {
            static const uint16_t types[] = {0x0001, 0x0006, 0x0008, 0x0009, 0x001c, 0x0020, 0x0024, 0x8028,
                                             0x000c, 0x0012, 0x0013, 0x0016, 0x0017, 0x0019, 0x8001, 0x8004};
            uint8_t value[64];
            for (size_t i = 0; i < sizeof value; i++)
                seed = seed * UINT64_C(6364136223846793005) + 1, value[i] = (uint8_t)(seed >> 56);
            add(&m, types[seed >> 60], value, seed >> 40 & 63);
        }
        uint8_t *exact = malloc(m.len);
        assert_non_null(exact);
        memcpy(exact, m.data, m.len);
        struct stun_key key = {(const uint8_t *)"k", 1};
        if (stun_decode(&msg, exact, m.len))
            assert_int_not_equal(stun_check(&msg, exact, &key), STUN_INTEGRITY_GOOD);
        free(exact);
    }
}

static void every_error_has_a_reason(void **state)
{
    (void)state;
    assert_string_equal(stun_error_reason(420), "Unknown Attribute");
    assert_string_equal(stun_error_reason(487), "Role Conflict");
    for (unsigned code = 0; code < 1000; code++)
        assert_true(strlen(stun_error_reason(code)) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vector_decodes_and_its_integrity_is_good),
        cmocka_unit_test(the_members_of_the_vectors_are_what_their_rfcs_say),
        cmocka_unit_test(every_vector_is_written_again_byte_for_byte_but_for_its_padding),
        cmocka_unit_test(every_flipped_bit_of_a_fingerprinted_vector_is_noticed),
        cmocka_unit_test(every_flipped_bit_before_the_integrity_is_noticed),
        cmocka_unit_test(a_wrong_key_is_noticed_and_a_missing_integrity_is_not_a_bad_one),
        cmocka_unit_test(every_shorter_or_longer_datagram_is_refused),
        cmocka_unit_test(classes_and_methods_survive_the_interleaving_of_their_bits),
        cmocka_unit_test(only_what_looks_like_stun_is_stun),
        cmocka_unit_test(every_attribute_has_its_lengths_checked),
        cmocka_unit_test(texts_are_accepted_up_to_their_limit),
        cmocka_unit_test(an_empty_text_is_there_and_an_absent_one_is_not),
        cmocka_unit_test(addresses_of_the_wrong_family_or_length_are_refused),
        cmocka_unit_test(the_xor_mapped_address_wins_wherever_it_stands),
        cmocka_unit_test(an_ipv4_mapped_address_arrives_as_ipv4),
        cmocka_unit_test(of_an_attribute_that_comes_twice_the_first_counts),
        cmocka_unit_test(what_follows_the_integrity_is_ignored),
        cmocka_unit_test(an_integrity_after_the_stronger_one_is_ignored),
        cmocka_unit_test(of_two_integrities_the_stronger_is_checked),
        cmocka_unit_test(a_truncated_sha256_is_checked_over_its_own_length),
        cmocka_unit_test(nothing_may_follow_the_fingerprint),
        cmocka_unit_test(unknown_attributes_that_must_be_understood_are_listed_once),
        cmocka_unit_test(error_codes_outside_300_to_699_are_refused),
        cmocka_unit_test(an_error_code_counts_in_error_answers_only),
        cmocka_unit_test(attributes_that_run_over_the_end_are_refused),
        cmocka_unit_test(everything_that_is_written_is_read_again),
        cmocka_unit_test(what_turn_asks_and_answers_is_read_as_it_was_written),
        cmocka_unit_test(a_third_relayed_address_is_ignored),
        cmocka_unit_test(address_families_other_than_two_are_refused),
        cmocka_unit_test(too_small_a_buffer_gives_nothing_and_is_not_overrun),
        cmocka_unit_test(padding_and_unknown_attributes_are_written_as_asked),
        cmocka_unit_test(random_bytes_behind_a_good_header_never_do_harm),
        cmocka_unit_test(every_error_has_a_reason),
    };
    return cmocka_run_group_tests(tests, load_vectors, free_vectors);
}
