/* test_sightings.c - who has spoken before is known, who is made up for one message is not. */
#include "message.h"
#include "packet.h"
#include "sightings.h"
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void fill(void *unused, uint8_t *out, size_t len)
{
    (void)unused;
    randombytes_buf(out, len);
}

static const struct random randomness = {fill, NULL};
static struct sightings sightings;
static const uint64_t start = 100 * NS_PER_S;

static bool note(uint64_t now, unsigned n)
{
    char id[PEER_ID_LEN + 1];
    snprintf(id, sizeof id, "peer%012u", n);
    return sightings_note(&sightings, now, id);
}

static int begin(void **state)
{
    (void)state;
    memset(&sightings, 0, sizeof sightings);
    sightings_start(&sightings, &randomness);
    return 0;
}

static void the_second_word_counts_after_a_while(void **state)
{
    (void)state;
    assert_false(note(start, 1));
    assert_false(note(start, 1)); /* the same by another broker */
    assert_false(note(start + (SIGHTINGS_GAP_MS - 1) * NS_PER_MS, 1));
    assert_true(note(start + SIGHTINGS_GAP_MS * NS_PER_MS, 1));
    assert_true(note(start + 1000 * NS_PER_S, 1));
    assert_false(note(start + 1000 * NS_PER_S, 2));
}

static void ids_of_one_message_are_never_known(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 100000; n++)
        assert_false(note(start + n * NS_PER_MS / 10, n));
}

/* 10,000 ids a second, and one that speaks 30 times a second as a flooded room makes it. */
static void who_repeats_itself_in_a_flood_is_known_soon(void **state)
{
    unsigned known = 0, rounds = 50;
    (void)state;
    for (unsigned round = 0; round < rounds; round++) {
        begin(NULL);
        bool is_known = false;
        for (unsigned n = 0; n < 10000 && !is_known; n++) {
            uint64_t now = start + n * NS_PER_MS / 10;
            note(now, n + 1);
            if (n % 333 == 0)
                is_known = note(now, 0);
        }
        known += is_known;
    }
    assert_in_range(known, rounds - 2, rounds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_second_word_counts_after_a_while, begin),
        cmocka_unit_test_setup(ids_of_one_message_are_never_known, begin),
        cmocka_unit_test_setup(who_repeats_itself_in_a_flood_is_known_soon, begin),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
