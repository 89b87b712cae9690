/* test_pake.c - CPace by the draft's vectors, and what a run must and must not let happen. Run from the top
 * folder. */
#include "pake.h"
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

static cJSON *vectors;

static int read_vectors(void **state)
{
    (void)state;
    static char text[65536];
    FILE *file = fopen("tests/vectors/cpace-ristretto255.json", "r");
    if (!file)
        return -1;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    vectors = cJSON_Parse(text);
    return vectors && sodium_init() >= 0 ? 0 : -1;
}

static int free_vectors(void **state)
{
    (void)state;
    cJSON_Delete(vectors);
    return 0;
}

struct bytes {
    uint8_t at[128];
    size_t len;
};

static struct bytes from_hex(const char *hex)
{
    struct bytes out = {.len = 0};
    if (!hex || sodium_hex2bin(out.at, sizeof out.at, hex, strlen(hex), NULL, &out.len, NULL) != 0)
        fail_msg("a vector is missing or is not hexadecimal");
    return out;
}

static struct bytes session(const char *name)
{
    return from_hex(cJSON_GetStringValue(
        cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(vectors, "session"), name)));
}

static struct bytes valid_point(const char *name)
{
    const cJSON *points = cJSON_GetObjectItemCaseSensitive(vectors, "points");
    return from_hex(cJSON_GetStringValue(
        cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(points, "Valid"), name)));
}

static struct bytes point(const char *name)
{
    return from_hex(cJSON_GetStringValue(
        cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(vectors, "points"), name)));
}

static void the_channel_and_generator_are_the_drafts(void **state)
{
    (void)state;
    struct bytes prs = session("PRS"), ci = session("CI"), sid = session("sid"), expected = session("g");
    uint8_t channel[64], g[32];
    assert_int_equal(pake_channel(channel, sizeof channel, "A_initiator", "B_responder"), ci.len);
    assert_memory_equal(channel, ci.at, ci.len);
    assert_int_equal(pake_channel(channel, ci.len - 1, "A_initiator", "B_responder"), 0);
    pake_generator(g, prs.at, prs.len, ci.at, ci.len, sid.at, sid.len);
    assert_memory_equal(g, expected.at, sizeof g);
}

static void points_and_the_shared_element_are_the_drafts(void **state)
{
    (void)state;
    struct bytes g = session("g"), a = session("ya"), b = session("yb");
    uint8_t ya[32], yb[32], k[32];
    assert_true(pake_multiply(ya, a.at, g.at));
    assert_memory_equal(ya, session("Ya").at, 32);
    assert_true(pake_multiply(yb, b.at, g.at));
    assert_memory_equal(yb, session("Yb").at, 32);
    assert_true(pake_multiply(k, a.at, yb));
    assert_memory_equal(k, session("K").at, 32);
    assert_true(pake_multiply(k, b.at, ya));
    assert_memory_equal(k, session("K").at, 32);
}

static void the_key_and_the_transcript_are_the_drafts_of_fixed_roles(void **state)
{
    (void)state;
    struct bytes sid = session("sid"), k = session("K"), ya = session("Ya"), yb = session("Yb"),
                 ada = session("ADa"), adb = session("ADb");
    uint8_t isk[PAKE_ISK_LEN], transcript[PAKE_TRANSCRIPT_LEN];
    pake_isk(isk, sid.at, sid.len, k.at, ya.at, ada.at, ada.len, yb.at, adb.at, adb.len);
    assert_memory_equal(isk, session("ISK_IR").at, sizeof isk);
    assert_memory_not_equal(isk, session("ISK_SY").at,
                            sizeof isk); /* the draft's other setting, which we have not */
    pake_transcript(transcript, ya.at, ada.at, ada.len, yb.at, adb.at, adb.len);
    assert_memory_equal(transcript, session("sid_output_ir").at, sizeof transcript);
    assert_memory_not_equal(transcript, session("sid_output_oc").at, sizeof transcript);
}

static void invalid_points_are_refused_and_valid_ones_multiply(void **state)
{
    (void)state;
    struct bytes s = valid_point("s"), x = valid_point("X");
    uint8_t out[32];
    assert_true(pake_multiply(out, s.at, x.at));
    assert_memory_equal(out, valid_point("G.scalar_mult(s,decode(X))").at, 32);
    assert_memory_equal(out, valid_point("G.scalar_mult_vfy(s,X)").at, 32);
    assert_false(pake_multiply(out, s.at, point("Invalid Y1").at));
    assert_false(pake_multiply(out, s.at, point("Invalid Y2").at));
}

/* ---- whole runs ---- */

static void fill_counting(void *context, uint8_t *out, size_t len)
{
    uint8_t seed[randombytes_SEEDBYTES] = {0};
    memcpy(seed, context, sizeof(unsigned));
    ++*(unsigned *)context;
    randombytes_buf_deterministic(out, len, seed);
}

static const char id_a[] = "aaaaaaaaaaaaaaaa", id_b[] = "bbbbbbbbbbbbbbbb";

/* What may differ between the two sides of a run. */
struct setting {
    const char *room, *secret, *initiator, *responder;
    uint8_t nonce_a[NONCE_LEN], nonce_b[NONCE_LEN];
    struct message_about about_a, about_b;
    uint8_t commit[COMMIT_LEN], reveal[REVEAL_LEN];
};

static struct setting setting_of_everybody(void)
{
    return (struct setting){
        .room = "demo",
        .secret = "correct horse",
        .initiator = id_a,
        .responder = id_b,
        .nonce_a = "0123456789abcde",
        .nonce_b = "fedcba987654321",
        .about_a = {.purpose = "chat", .slots = 8, .fresh = true},
        .about_b = {.purpose = "chat", .slots = 3, .capabilities = 0x01020304},
    };
}

static void start(struct pake *pake, enum pake_role role, const struct setting *setting, unsigned seed)
{
    uint8_t prs[32];
    struct random random = {fill_counting, &seed};
    const uint8_t *secret = (const uint8_t *)setting->secret;
    pake_password(prs, setting->room, secret, secret ? strlen(setting->secret) : 0);
    pake_start(pake, role, prs, setting->initiator, setting->responder, setting->nonce_a, setting->nonce_b,
               &random);
}

struct tags {
    uint8_t a[TAG_LEN], b[TAG_LEN];
};

static struct tags finish(struct pake *pake, const struct setting *setting, const uint8_t other[POINT_LEN])
{
    uint8_t ada[PAKE_ABOUT_MAX], adb[PAKE_ABOUT_MAX];
    size_t ada_len = pake_about(ada, &setting->about_a, setting->commit, sizeof setting->commit);
    size_t adb_len = pake_about(adb, &setting->about_b, setting->reveal, sizeof setting->reveal);
    struct tags tags;
    assert_true(pake_finish(pake, other, ada, ada_len, adb, adb_len));
    pake_tag(pake, PAKE_INITIATOR, tags.a, ada, ada_len);
    pake_tag(pake, PAKE_RESPONDER, tags.b, adb, adb_len);
    return tags;
}

/* Both sides run; whether both tags held at both sides (0 none, 2 both). */
static int run(struct pake *a, struct pake *b, const struct setting *of_a, const struct setting *of_b)
{
    start(a, PAKE_INITIATOR, of_a, 1);
    start(b, PAKE_RESPONDER, of_b, 2);
    struct tags at_a = finish(a, of_a, b->own), at_b = finish(b, of_b, a->own);
    return pake_tag_equal(at_a.a, at_b.a) + pake_tag_equal(at_a.b, at_b.b);
}

static void two_who_agree_have_the_same_keys_and_words(void **state)
{
    (void)state;
    struct setting setting = setting_of_everybody();
    struct pake a, b;
    uint8_t words_a[PAKE_WORDS_LEN], words_b[PAKE_WORDS_LEN];
    const uint8_t reveal_a[REVEAL_LEN] = {1}, reveal_b[REVEAL_LEN] = {2};
    assert_int_equal(run(&a, &b, &setting, &setting), 2);
    assert_memory_equal(&a.keys, &b.keys, sizeof a.keys);
    pake_words(&a, reveal_a, reveal_b, words_a);
    pake_words(&b, reveal_a, reveal_b, words_b);
    assert_memory_equal(words_a, words_b, sizeof words_a);
    pake_words(&b, reveal_b, reveal_a, words_b);
    assert_memory_not_equal(words_a, words_b, sizeof words_a);
    setting.secret = NULL;
    assert_int_equal(run(&a, &b, &setting, &setting), 2);
}

static void the_four_keys_differ(void **state)
{
    (void)state;
    struct setting setting = setting_of_everybody();
    struct pake a, b;
    run(&a, &b, &setting, &setting);
    const uint8_t *keys[] = {a.keys.confirm, a.keys.to_responder, a.keys.to_initiator, a.keys.tls};
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(keys[i], keys[j], PAKE_KEY_LEN);
}

static void no_tag_holds_when_anything_differs(void **state)
{
    (void)state;
    struct setting everybody = setting_of_everybody(), other[14];
    for (size_t i = 0; i < 14; i++)
        other[i] = everybody;
    other[0].secret = "correct horsf";
    other[1].secret = "";
    other[2].secret = NULL;
    other[3].room = "demo2";
    other[4].initiator = id_b;
    other[5].responder = id_a;
    other[6].nonce_a[0] ^= 1;
    other[7].nonce_b[NONCE_LEN - 1] ^= 1;
    other[8].about_a.slots = 7;
    other[9].about_b.capabilities = 0;
    other[10].about_a.fresh = false;
    memcpy(other[11].about_b.purpose, "pipe", 5);
    other[12].commit[COMMIT_LEN - 1] ^= 1;
    other[13].reveal[0] ^= 1;
    for (size_t i = 0; i < 14; i++) {
        struct pake a, b;
        if (run(&a, &b, &everybody, &other[i]) != 0)
            fail_msg("difference %zu was not noticed", i);
        assert_memory_not_equal(a.keys.tls, b.keys.tls, PAKE_KEY_LEN);
    }
}

static const char *one_of(const char *const *names, size_t count)
{
    return names[randombytes_uniform((uint32_t)count)];
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

/* Half of them differ in something, drawn at random. */
static void ten_thousand_pairs_agree_exactly_when_secret_room_and_ids_do(void **state)
{
    static const char *const rooms[] = {"demo", "demo "}, *const ids[] = {id_a, id_b, "cccccccccccccccc"};
    static const char *const secrets[] = {NULL, "", "a", "correct horse", "correct horse "};
    unsigned agreed = 0, differed = 0;
    (void)state;
    for (unsigned i = 0; i < 10000; i++) {
        struct setting one = {.room = one_of(rooms, 2),
                              .secret = one_of(secrets, 5),
                              .initiator = one_of(ids, 3),
                              .responder = one_of(ids, 3)};
        struct setting two = one;
        randombytes_buf(one.nonce_a, NONCE_LEN);
        memcpy(two.nonce_a, one.nonce_a, NONCE_LEN);
        switch (randombytes_uniform(8)) {
        case 0:
            two.room = one_of(rooms, 2);
            break;
        case 1:
            two.secret = one_of(secrets, 5);
            break;
        case 2:
            two.initiator = one_of(ids, 3);
            break;
        case 3:
            two.responder = one_of(ids, 3);
        }
        bool same = same_text(one.room, two.room) && same_text(one.secret, two.secret) &&
                    same_text(one.initiator, two.initiator) && same_text(one.responder, two.responder);
        struct pake a, b;
        if (run(&a, &b, &one, &two) != (same ? 2 : 0))
            fail_msg("pair %u: rooms %s, %s; secrets %s, %s", i, one.room, two.room, one.secret, two.secret);
        assert_int_equal(!memcmp(&a.keys, &b.keys, sizeof a.keys), same);
        agreed += same;
        differed += !same;
    }
    assert_true(agreed > 1000 && differed > 1000);
}

static void a_room_and_a_secret_cannot_be_shifted_into_each_other(void **state)
{
    (void)state;
    uint8_t one[32], two[32];
    pake_password(one, "ab", (const uint8_t *)"c", 1);
    pake_password(two, "a", (const uint8_t *)"bc", 2);
    assert_memory_not_equal(one, two, sizeof one);
}

static void a_tag_sent_back_is_not_the_other_sides(void **state)
{
    (void)state;
    struct setting setting = setting_of_everybody();
    setting.about_b = setting.about_a;
    struct pake a;
    start(&a, PAKE_INITIATOR, &setting, 1);
    uint8_t reflected[POINT_LEN];
    memcpy(reflected, a.own, sizeof reflected);
    struct tags tags = finish(&a, &setting, reflected);
    assert_false(pake_tag_equal(tags.a, tags.b));
}

static void an_invalid_point_ends_the_run_and_leaves_nothing_secret(void **state)
{
    (void)state;
    struct setting setting = setting_of_everybody();
    const char *const names[] = {"Invalid Y1", "Invalid Y2"};
    for (size_t i = 0; i < 2; i++) {
        struct pake a;
        start(&a, PAKE_INITIATOR, &setting, 1);
        struct bytes wrong = point(names[i]);
        assert_false(pake_finish(&a, wrong.at, NULL, 0, NULL, 0));
        assert_false(a.have_keys);
        assert_true(sodium_is_zero(a.scalar, sizeof a.scalar));
        assert_true(sodium_is_zero((uint8_t *)&a.keys, sizeof a.keys));
    }
}

static void one_scalar_answers_once(void **state)
{
    (void)state;
    struct setting setting = setting_of_everybody();
    struct pake a, b;
    run(&a, &b, &setting, &setting);
    assert_false(pake_finish(&a, b.own, NULL, 0, NULL, 0));
    assert_true(sodium_is_zero(a.scalar, sizeof a.scalar));
}

static void every_run_has_its_own_point(void **state)
{
    (void)state;
    struct setting setting = setting_of_everybody();
    struct pake one, two;
    start(&one, PAKE_INITIATOR, &setting, 1);
    start(&two, PAKE_INITIATOR, &setting, 2);
    assert_memory_not_equal(one.own, two.own, POINT_LEN);
    start(&two, PAKE_INITIATOR, &setting, 1);
    assert_memory_equal(one.own, two.own, POINT_LEN); /* a seed replays */
}

static void wiping_leaves_zeros(void **state)
{
    (void)state;
    struct setting setting = setting_of_everybody();
    struct pake a, b;
    run(&a, &b, &setting, &setting);
    pake_wipe(&a);
    assert_true(sodium_is_zero((uint8_t *)&a, sizeof a));
}

/* Numbers that a second implementation must reach; made once by an independent computation
 * (signaling/README.md). */
static void the_hashes_around_the_draft_stay_what_they_are(void **state)
{
    (void)state;
    uint8_t prs[32], sid[32], commit[COMMIT_LEN], ad[PAKE_ABOUT_MAX];
    const uint8_t zeros[REVEAL_LEN] = {0};
    const struct message_about about = {
        .capabilities = 0x01020304, .purpose = "chat", .slots = 8, .fresh = true};
    char hex[2 * PAKE_ABOUT_MAX + 1];
    pake_password(prs, "demo", (const uint8_t *)"secret", 6);
    assert_string_equal(sodium_bin2hex(hex, sizeof hex, prs, 32),
                        "670ab885fb857e805be5bf0659ba4cbd4005435f8bdfde4d3e5a2e543388b06c");
    pake_password(prs, "demo", NULL, 0);
    assert_string_equal(sodium_bin2hex(hex, sizeof hex, prs, 32),
                        "bce80dd1216d8ab82370815ffdac9720ac8ed845f478bf994b1ef98277fee059");
    pake_session(sid, zeros, zeros);
    assert_string_equal(sodium_bin2hex(hex, sizeof hex, sid, 32),
                        "8a554f82de7ad246d4c39df784f9e7cb63b7cd7eb0f621af9080646d3e6baabe");
    pake_commit(commit, zeros);
    assert_string_equal(sodium_bin2hex(hex, sizeof hex, commit, 32),
                        "e9c7871e628dd1d0cec9a450408442eb4fe3e1da9004b2e285330dbf614ed6c5");
    size_t len = pake_about(ad, &about, zeros, sizeof zeros);
    assert_string_equal(sodium_bin2hex(hex, sizeof hex, ad, len),
                        "12703270636f6e6e6563742f312061626f75740101040102030404636861740108010110"
                        "00000000000000000000000000000000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_channel_and_generator_are_the_drafts),
        cmocka_unit_test(points_and_the_shared_element_are_the_drafts),
        cmocka_unit_test(the_key_and_the_transcript_are_the_drafts_of_fixed_roles),
        cmocka_unit_test(invalid_points_are_refused_and_valid_ones_multiply),
        cmocka_unit_test(two_who_agree_have_the_same_keys_and_words),
        cmocka_unit_test(the_four_keys_differ),
        cmocka_unit_test(no_tag_holds_when_anything_differs),
        cmocka_unit_test(ten_thousand_pairs_agree_exactly_when_secret_room_and_ids_do),
        cmocka_unit_test(a_room_and_a_secret_cannot_be_shifted_into_each_other),
        cmocka_unit_test(a_tag_sent_back_is_not_the_other_sides),
        cmocka_unit_test(an_invalid_point_ends_the_run_and_leaves_nothing_secret),
        cmocka_unit_test(one_scalar_answers_once),
        cmocka_unit_test(every_run_has_its_own_point),
        cmocka_unit_test(wiping_leaves_zeros),
        cmocka_unit_test(the_hashes_around_the_draft_stay_what_they_are),
    };
    return cmocka_run_group_tests(tests, read_vectors, free_vectors);
}
