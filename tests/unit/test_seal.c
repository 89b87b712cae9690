/* test_seal.c - the seal opens what it closed, once, in its context, and nothing else. */
#include "seal.h"
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void fill(void *unused, uint8_t *out, size_t len)
{
    (void)unused;
    randombytes_buf(out, len);
}

static const struct random randomness = {fill, NULL};

static struct pake_keys some_keys(void)
{
    struct pake_keys keys;
    randombytes_buf(&keys, sizeof keys);
    return keys;
}

struct pair {
    struct seal a, b;
};

static struct pair some_pair(void)
{
    struct pake_keys keys = some_keys();
    struct pair pair;
    seal_start(&pair.a, &keys, PAKE_INITIATOR, &randomness);
    seal_start(&pair.b, &keys, PAKE_RESPONDER, &randomness);
    return pair;
}

static struct seal_context context_of(uint64_t sequence)
{
    return (struct seal_context){
        .topic_room = "ctdlxp5x6zihzuv2ghtnhmmxyovgcfem",
        .from = "aaaaaaaaaaaaaaaa",
        .to = "bbbbbbbbbbbbbbbb",
        .type = MESSAGE_SEALED,
        .sequence = sequence,
    };
}

struct sealed {
    uint8_t at[SEALED_MAX];
    size_t len;
    uint64_t sequence;
};

static struct sealed seal_text(struct seal *seal, const char *text)
{
    struct sealed sealed = {.sequence = seal->send_sequence++};
    struct seal_context context = context_of(sealed.sequence);
    sealed.len = seal_close(seal, &context, (const uint8_t *)text, strlen(text), sealed.at, &randomness);
    assert_true(sealed.len > 0);
    return sealed;
}

static bool opens(struct seal *seal, const struct sealed *sealed)
{
    uint8_t clear[SEALED_MAX];
    size_t len;
    struct seal_context context = context_of(sealed->sequence);
    return seal_open(seal, &context, sealed->at, sealed->len, clear, &len);
}

static void every_length_returns_as_it_was_and_is_padded(void **state)
{
    (void)state;
    static uint8_t text[SEAL_CLEAR_MAX + 1], sealed[SEALED_MAX], clear[SEALED_MAX];
    struct pair pair = some_pair();
    randombytes_buf(text, sizeof text);
    for (size_t len = 0; len <= SEAL_CLEAR_MAX; len += len < 600 ? 1 : 203) {
        struct seal_context context = context_of(pair.a.send_sequence++);
        size_t sealed_len = seal_close(&pair.a, &context, text, len, sealed, &randomness), opened = 9999;
        assert_int_equal((sealed_len - SEAL_OVERHEAD) % SEAL_PADDING, 0);
        assert_in_range(sealed_len, len + SEAL_OVERHEAD + 1, len + SEAL_OVERHEAD + SEAL_PADDING);
        assert_true(seal_open(&pair.b, &context, sealed, sealed_len, clear, &opened));
        assert_int_equal(opened, len);
        assert_memory_equal(clear, text, len);
    }
    struct seal_context context = context_of(pair.a.send_sequence++);
    assert_int_not_equal(seal_close(&pair.a, &context, text, SEAL_CLEAR_MAX, sealed, &randomness), 0);
    assert_int_equal(seal_close(&pair.a, &context, text, SEAL_CLEAR_MAX + 1, sealed, &randomness), 0);
}

static void both_directions_have_their_own_key(void **state)
{
    (void)state;
    struct pair pair = some_pair();
    struct sealed from_a = seal_text(&pair.a, "to b"), from_b = seal_text(&pair.b, "to a");
    assert_false(opens(&pair.a, &from_a)); /* reflected */
    assert_false(opens(&pair.b, &from_b));
    assert_true(opens(&pair.b, &from_a));
    assert_true(opens(&pair.a, &from_b));
}

static void the_same_text_never_looks_the_same(void **state)
{
    (void)state;
    struct pair pair = some_pair();
    struct sealed one = seal_text(&pair.a, "text"), two = seal_text(&pair.a, "text");
    assert_int_equal(one.len, two.len);
    assert_memory_not_equal(one.at, two.at, 24);
    assert_memory_not_equal(one.at + 24, two.at + 24, one.len - 24);
}

static void every_bit_counts_and_a_failure_moves_nothing(void **state)
{
    (void)state;
    struct pair pair = some_pair();
    struct sealed sealed = seal_text(&pair.a, "text");
    struct seal before = pair.b;
    for (size_t bit = 0; bit < sealed.len * 8; bit++) {
        sealed.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(opens(&pair.b, &sealed));
        sealed.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    size_t whole = sealed.len;
    for (sealed.len = 0; sealed.len < whole; sealed.len++)
        assert_false(opens(&pair.b, &sealed));
    sealed.len = SEALED_MAX + 1;
    assert_false(opens(&pair.b, &sealed));
    assert_memory_equal(&before, &pair.b, sizeof before);
    sealed.len = whole;
    assert_true(opens(&pair.b, &sealed));
}

static void every_part_of_the_context_counts(void **state)
{
    (void)state;
    struct pair pair = some_pair();
    struct sealed sealed = seal_text(&pair.a, "text");
    struct seal_context right = context_of(sealed.sequence), wrong[8];
    uint8_t clear[SEALED_MAX];
    size_t len;
    for (size_t i = 0; i < 8; i++)
        wrong[i] = right;
    wrong[0].topic_room = "dtdlxp5x6zihzuv2ghtnhmmxyovgcfem";
    wrong[1].from = "aaaaaaaaaaaaaaab";
    wrong[2].to = "abbbbbbbbbbbbbbb";
    wrong[3].from = right.to, wrong[3].to = right.from;
    wrong[4].type = MESSAGE_PAKE2;
    wrong[5].sequence++;
    wrong[6].from = "aaaaaaaaaaaaaaaab", wrong[6].to = "bbbbbbbbbbbbbbb"; /* shifted across the border */
    wrong[7].sequence |= UINT64_C(1) << 63;
    for (size_t i = 0; i < 8; i++)
        if (seal_open(&pair.b, &wrong[i], sealed.at, sealed.len, clear, &len))
            fail_msg("context %zu was not noticed", i);
    assert_int_equal(pair.b.received_highest, 0);
    assert_true(seal_open(&pair.b, &right, sealed.at, sealed.len, clear, &len));
}

static void replays_are_refused_and_disorder_is_not(void **state)
{
    (void)state;
    static struct sealed sealed[SEAL_WINDOW + 1];
    struct pair pair = some_pair();
    for (size_t i = 0; i <= SEAL_WINDOW; i++)
        sealed[i] = seal_text(&pair.a, "text");
    assert_true(opens(&pair.b, &sealed[SEAL_WINDOW]));
    assert_false(opens(&pair.b, &sealed[SEAL_WINDOW]));
    assert_false(opens(&pair.b, &sealed[0])); /* older than the window by one */
    for (size_t i = SEAL_WINDOW - 1; i > 0; i--)
        assert_true(opens(&pair.b, &sealed[i]));
    for (size_t i = 0; i <= SEAL_WINDOW; i++)
        assert_false(opens(&pair.b, &sealed[i]));
}

/* The window against a list of all numbers ever taken. */
static void a_thousand_shuffled_messages_open_once_each_if_they_are_not_too_old(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static struct sealed sealed[COUNT];
    bool taken[COUNT] = {false};
    struct pair pair = some_pair();
    uint64_t highest = 0;
    for (size_t i = 0; i < COUNT; i++)
        sealed[i] = seal_text(&pair.a, "text");
    for (size_t step = 0; step < 4 * COUNT; step++) {
        size_t base = step / 4, at = base + randombytes_uniform(80);
        if (at >= COUNT)
            continue;
        uint64_t sequence = at + 1;
        bool expected = !taken[at] && (sequence > highest || highest - sequence < SEAL_WINDOW);
        assert_int_equal(opens(&pair.b, &sealed[at]), expected);
        if (expected) {
            taken[at] = true;
            highest = sequence > highest ? sequence : highest;
        }
    }
}

static void sequence_zero_is_never_opened_and_a_leap_empties_the_window(void **state)
{
    (void)state;
    struct pair pair = some_pair();
    struct sealed first = seal_text(&pair.a, "first");
    pair.a.send_sequence = 0;
    struct sealed zero = seal_text(&pair.a, "zero");
    pair.a.send_sequence = UINT64_C(1) << 50;
    struct sealed far = seal_text(&pair.a, "far");
    assert_false(opens(&pair.b, &zero));
    assert_true(opens(&pair.b, &first));
    assert_true(opens(&pair.b, &far));
    assert_int_equal(pair.b.received_window, 1);
    assert_false(opens(&pair.b, &first));
}

/* A peer that seals without padding, with a padding of zeros alone, or with the mark in the last byte but
 * none. */
static void wrong_padding_is_refused_without_a_trace(void **state)
{
    (void)state;
    struct pair pair = some_pair();
    struct seal_context context = context_of(1);
    uint8_t zeros[SEAL_PADDING] = {0}, sealed[SEALED_MAX], clear[SEALED_MAX];
    const uint8_t bound[] = "\x11p2pconnect/1 seal\x20"
                            "ctdlxp5x6zihzuv2ghtnhmmxyovgcfem\x10"
                            "aaaaaaaaaaaaaaaa\x10"
                            "bbbbbbbbbbbbbbbb\x01\x04\x08\0\0\0\0\0\0\0\x01"; /* as seal.h tells it */
    unsigned long long len;
    size_t opened;
    for (int good = 0; good <= 1; good++) {
        zeros[10] = good ? 0x80 : 0;
        randombytes_buf(sealed, 24);
        crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + 24, &len, zeros, sizeof zeros, bound,
                                                   sizeof bound - 1, NULL, sealed, pair.a.send_key);
        assert_int_equal(seal_open(&pair.b, &context, sealed, 24 + (size_t)len, clear, &opened), good);
        assert_int_equal(pair.b.received_highest, good);
    }
    assert_int_equal(opened, 10);
}

static void wiping_leaves_zeros(void **state)
{
    (void)state;
    struct pair pair = some_pair();
    seal_wipe(&pair.a);
    assert_true(sodium_is_zero((const uint8_t *)&pair.a, sizeof pair.a));
}

static int begin(void **state)
{
    (void)state;
    return sodium_init() >= 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_returns_as_it_was_and_is_padded),
        cmocka_unit_test(both_directions_have_their_own_key),
        cmocka_unit_test(the_same_text_never_looks_the_same),
        cmocka_unit_test(every_bit_counts_and_a_failure_moves_nothing),
        cmocka_unit_test(every_part_of_the_context_counts),
        cmocka_unit_test(replays_are_refused_and_disorder_is_not),
        cmocka_unit_test(a_thousand_shuffled_messages_open_once_each_if_they_are_not_too_old),
        cmocka_unit_test(sequence_zero_is_never_opened_and_a_leap_empties_the_window),
        cmocka_unit_test(wrong_padding_is_refused_without_a_trace),
        cmocka_unit_test(wiping_leaves_zeros),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
