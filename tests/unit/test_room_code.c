/* test_room_code.c - NAME-WORDS: a room and its secret in one line. */
#include "room_code.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static unsigned distance(const char *a, const char *b)
{
    unsigned row[CODE_WORD_MAX + 1], len = (unsigned)strlen(b);
    for (unsigned i = 0; i <= len; i++)
        row[i] = i;
    for (unsigned n = 1; *a; a++, n++) {
        unsigned corner = n - 1;
        row[0] = n;
        for (unsigned i = 1; i <= len; i++) {
            unsigned kept = corner + (*a != b[i - 1]);
            corner = row[i];
            row[i] = row[i] < row[i - 1] ? row[i] + 1 : row[i - 1] + 1;
            row[i] = kept < row[i] ? kept : row[i];
        }
    }
    return row[len];
}

static void words_are_short_sorted_and_of_plain_letters(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CODE_WORDS; i++) {
        size_t len = strlen(code_words[i]);
        assert_in_range(len, 4, CODE_WORD_MAX);
        assert_int_equal(strspn(code_words[i], "abcdefghijklmnopqrstuvwxyz"), len);
        assert_true(i == 0 || strcmp(code_words[i - 1], code_words[i]) < 0);
    }
}

static void no_slip_of_one_letter_makes_another_word(void **state)
{
    (void)state;
    for (unsigned a = 0; a < CODE_WORDS; a++)
        for (unsigned b = 0; b < a; b++)
            if (distance(code_words[a], code_words[b]) < 2 || !strncmp(code_words[a], code_words[b], 5))
                fail_msg("%s and %s are too much alike", code_words[a], code_words[b]);
}

static void a_code_has_at_least_41_bits(void **state)
{
    (void)state;
    assert_true(CODE_LEAST * log2(CODE_WORDS) >= 41);
}

static void a_fresh_code_is_whole_and_new(void **state)
{
    char code[CODE_FRESH_MAX], last[CODE_FRESH_MAX] = "";
    struct code_parts parts;
    (void)state;
    for (unsigned i = 0; i < 10000; i++) {
        code_new(code);
        assert_string_not_equal(code, last);
        memcpy(last, code, sizeof last);
        assert_true(code_is_whole(code));
        assert_true(code_split(code, &parts));
        assert_int_equal(strspn(parts.room, "0123456789"), CODE_NAME_LEN);
        assert_int_equal(strlen(parts.room), CODE_NAME_LEN);
        assert_string_equal(parts.words, last + CODE_NAME_LEN + 1);
    }
}

/* 40,000 words out of 1296: each is drawn about 31 times; below 8 or above 70 happens once in millions. */
static void every_word_is_drawn_about_as_often(void **state)
{
    static unsigned drawn[CODE_WORDS];
    char code[CODE_FRESH_MAX];
    (void)state;
    for (unsigned i = 0; i < 10000; i++) {
        code_new(code);
        strtok(code, "-");
        for (const char *word = strtok(NULL, "-"); word; word = strtok(NULL, "-"))
            for (unsigned n = 0; n < CODE_WORDS; n++)
                drawn[n] += !strcmp(code_words[n], word);
    }
    for (unsigned n = 0; n < CODE_WORDS; n++)
        assert_in_range(drawn[n], 5, 80);
}

static void two_keyboards_agree_on_a_code(void **state)
{
    static const char *const same[] = {
        "482913-alarm-zebra-lemon-lizard",
        "482913-Alarm-Zebra-LEMON-lizard",
        "  482913 alarm zebra\tlemon   lizard  ",
        "482913 - alarm - zebra - lemon - lizard",
        "482913-alarm--zebra-lemon-lizard-",
        "482913\xe2\x80\x93"
        "alarm\xe2\x80\x94zebra\xe2\x80\x91lemon\xc2\xa0lizard", /* dashes and a hard space */
        "482913\xe3\x80\x80"
        "alarm\xe2\x88\x92zebra\xe2\x80\xaflemon\xe2\x80\x89lizard",
    };
    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        char text[CODE_TEXT_MAX];
        struct code_parts parts;
        snprintf(text, sizeof text, "%s", same[i]);
        assert_true(code_split(text, &parts));
        assert_string_equal(parts.room, "482913");
        assert_string_equal(parts.words, "alarm-zebra-lemon-lizard");
    }
}

static void the_first_unknown_word_is_counted(void **state)
{
    static const struct {
        const char *text;
        unsigned unknown;
    } wrong[] = {
        {"", 0},
        {"-", 0},
        {"482913", 0},
        {"alarm-zebra-lemon-lizard", 0}, /* the first is the name, so it is too short */
        {"482913-alarm-zebra-lemon", 0},
        {"482913-alarn-zebra-lemon-lizard", 1},
        {"482913-alarm-zebra-lemon-lizards", 4},
        {"482913-alarm-zebra-lemon-lizard-\xff", 5},
        {"482913-alarm-waytoolongaword-lemon-lizard", 2},
        {"\xff-alarm-zebra-lemon-lizard", 0},
        {"\x1b-alarm-zebra-lemon-lizard", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[CODE_TEXT_MAX];
        struct code_parts parts;
        snprintf(text, sizeof text, "%s", wrong[i].text);
        assert_false(code_split(text, &parts));
        assert_int_equal(parts.unknown, wrong[i].unknown);
        assert_false(code_is_whole(wrong[i].text));
    }
}

static void names_of_rooms_are_no_codes(void **state)
{
    static const char *const rooms[] = {
        "demo", "red-apple", "my kitchen", "a-b-c-d-e-f", "alarm zebra lemon lizard", "482913"};
    char longest[200];
    (void)state;
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++)
        assert_false(code_is_whole(rooms[i]));
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    assert_false(code_is_whole(longest));
    assert_true(code_is_whole("kitchen alarm ZEBRA lemon lizard"));
    assert_true(code_is_whole("kitchen-alarm-zebra-lemon-lizard-apple"));
}

static void any_bytes_split_without_harm(void **state)
{
    uint64_t seed = 88172645463325252ULL;
    static const char alphabet[] = "aA-- 1\xe2\x80\x93\xc2\xa0\xff";
    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        char text[64];
        struct code_parts parts;
        size_t len = 0;
        for (; len < i % sizeof text; len++) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            text[len] = alphabet[seed % (sizeof alphabet - 1)];
        }
        text[len] = '\0';
        assert_false(code_split(text, &parts));
        assert_true(strlen(parts.room) + strlen(parts.words) <= len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_short_sorted_and_of_plain_letters),
        cmocka_unit_test(no_slip_of_one_letter_makes_another_word),
        cmocka_unit_test(a_code_has_at_least_41_bits),
        cmocka_unit_test(a_fresh_code_is_whole_and_new),
        cmocka_unit_test(every_word_is_drawn_about_as_often),
        cmocka_unit_test(two_keyboards_agree_on_a_code),
        cmocka_unit_test(the_first_unknown_word_is_counted),
        cmocka_unit_test(names_of_rooms_are_no_codes),
        cmocka_unit_test(any_bytes_split_without_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
