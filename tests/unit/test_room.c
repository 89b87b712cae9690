/* test_room.c - a room's name and its topic. */
#include "rendezvous.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Python: base64.b32encode(hashlib.blake2b(b"p2pconnect/1 topic" + name, digest_size=20).digest()).lower() */
static void topic_is_the_hash_of_the_name(void **state)
{
    static const char *const known[][2] = {
        {"demo", "47vcn4x2iybnjlcp2fivzwg7gu635hoy"},
        {"a", "xoovjvlhhuhmuzzorvpyw3kbyb34sa4x"},
        {"K\xc3\xbc"
         "che 7",
         "7v6gpkryrzishb52w7hmjqaqf4a6mqjk"},
    };
    char topic[ROOM_TOPIC_LEN + 1], longest[ROOM_NAME_MAX + 1];
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        room_topic(topic, known[i][0]);
        assert_string_equal(topic, known[i][1]);
    }
    memset(longest, 'x', ROOM_NAME_MAX);
    longest[ROOM_NAME_MAX] = 0;
    room_topic(topic, longest);
    assert_string_equal(topic, "xu7eiltpcigmvgl6sdxfxi4w4f5gw2yj");
}

static void names_follow_the_rules(void **state)
{
    static const char *const good[] = {
        "demo", "#", "+", "a/b", "$SYS", " ", "K\xc3\xbc", "\xf0\x9f\x8f\xa0", "\xc2\xa0"};
    static const char *const bad[] = {
        "",     "a\nb",     "\x7f", "\x1b[31m",     "\xc2\x85",        "\xc2\x9b",
        "\xff", "\xc0\x80", "\xc3", "\xed\xa0\x80", "\xf5\x80\x80\x80"};
    char name[ROOM_NAME_MAX + 2];
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(room_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(room_valid(bad[i]));
    memset(name, 'n', sizeof name);
    name[ROOM_NAME_MAX + 1] = 0;
    assert_false(room_valid(name));
    name[ROOM_NAME_MAX] = 0;
    assert_true(room_valid(name));
}

static uint64_t draw(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Whatever the name, its topic is one level of 32 characters that no broker and no filter gives a meaning. */
static void any_name_has_a_plain_topic(void **state)
{
    uint64_t seed = 88172645463325252ULL;
    char name[ROOM_NAME_MAX + 1], topic[ROOM_TOPIC_LEN + 1], last[ROOM_TOPIC_LEN + 1] = "";
    unsigned valid = 0;
    (void)state;
    for (unsigned i = 0; i < 1000000; i++) {
        size_t len = 1 + draw(&seed) % ROOM_NAME_MAX;
        for (size_t n = 0; n < len; n++) {
            uint8_t byte = (uint8_t)(draw(&seed) >> 8);
            name[n] = (char)(i % 2 ? byte ? byte : 1 : ' ' + byte % 95);
        }
        name[len] = 0;
        valid += room_valid(name);
        room_topic(topic, name);
        assert_int_equal(strspn(topic, "abcdefghijklmnopqrstuvwxyz234567"), ROOM_TOPIC_LEN);
        assert_int_equal(strlen(topic), ROOM_TOPIC_LEN);
        assert_true(len < 8 || strcmp(topic, last) != 0); /* short names may be drawn twice */
        memcpy(last, topic, sizeof last);
    }
    assert_true(valid >= 500000); /* every name of printable ASCII */
}

static void purposes_find_their_counterparts(void **state)
{
    static const char *const names[] = {"chat",    "pipe",    "echo", "send",   "receive",
                                        "forward", "library", "ping", "new-one"};
    static const char *const pairs[] = {"chat chat",    "pipe pipe",    "pipe echo",       "echo pipe",
                                        "send receive", "receive send", "forward forward", "library library"};
    (void)state;
    for (size_t a = 0; a < sizeof names / sizeof *names; a++) {
        for (size_t b = 0; b < sizeof names / sizeof *names; b++) {
            char both[2 * PURPOSE_MAX + 2] = "";
            bool expected = !strcmp(names[a], "ping") || !strcmp(names[b], "ping");
            strcat(strcat(strcat(both, names[a]), " "), names[b]);
            for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
                expected = expected || !strcmp(both, pairs[i]);
            assert_int_equal(purpose_matches(names[a], names[b]), expected);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topic_is_the_hash_of_the_name),
        cmocka_unit_test(names_follow_the_rules),
        cmocka_unit_test(any_name_has_a_plain_topic),
        cmocka_unit_test(purposes_find_their_counterparts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
