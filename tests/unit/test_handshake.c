/* test_handshake.c - one run, message by message: what it proves, and what it must not be fooled by. */
#include "handshake.h"
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static uint64_t seed;

static void fill(void *context, uint8_t *out, size_t len)
{
    uint64_t *state = context;
    for (size_t i = 0; i < len; i++) {
        *state = *state * UINT64_C(6364136223846793005) + 1;
        out[i] = (uint8_t)(*state >> 56);
    }
}

static const struct random source = {fill, &seed};
static struct party a, b;
static struct handshake ra, rb;
static struct message pake1, pake2, pake3;
static struct body body;
static const struct message_about about_a = {.nonce = {1}, .purpose = "send", .slots = 1, .fresh = true};
static const struct message_about about_b = {.nonce = {2}, .purpose = "receive", .slots = 3};

static struct body make_body(enum body_type type)
{
    struct body made = {.type = type};
    strcpy(made.description.name, "attic");
    strcpy(made.description.ufrag, "ufrag");
    strcpy(made.description.pwd, "password9012345678901234");
    return made;
}

static void party_begin(struct party *party, const char *id)
{
    memset(party, 0, sizeof *party);
    strcpy(party->id, id);
    strcpy(party->room, "47vcn4x2iybnjlcp2fivzwg7gu635hoy");
    pake_password(party->prs, "demo", NULL, 0);
    veil_key(party->veil_key, "demo");
    party->random = &source;
}

/* Up to pake2. */
static void meet(void)
{
    struct body offer = make_body(BODY_OFFER);
    party_begin(&a, "aaaaaaaaaaaaaaaa");
    party_begin(&b, "bbbbbbbbbbbbbbbb");
    handshake_ask(&ra, &a, b.id, &about_a, &about_b, &pake1);
    handshake_invite(&rb, &b, &pake1, &about_b);
    assert_true(handshake_answer(&rb, &b, &offer, &pake2));
}

static void prove(void)
{
    struct body answer = make_body(BODY_ANSWER);
    meet();
    assert_int_equal(handshake_accept(&ra, &a, &pake2, &body), VERDICT_GOOD);
    assert_int_equal(body.type, BODY_OFFER);
    assert_true(handshake_confirm(&ra, &a, &answer, &pake3));
    assert_int_equal(handshake_prove(&rb, &b, &pake3, &body), VERDICT_GOOD);
}

static void a_run_ends_with_both_sides_proven_and_equal_keys(void **state)
{
    (void)state;
    prove();
    assert_int_equal(ra.state, HANDSHAKE_PROVEN);
    assert_int_equal(rb.state, HANDSHAKE_PROVEN);
    assert_memory_equal(&ra.pake.keys, &rb.pake.keys, sizeof ra.pake.keys);
    assert_memory_equal(ra.reveal_a, rb.reveal_a, REVEAL_LEN);
    assert_memory_equal(ra.reveal_b, rb.reveal_b, REVEAL_LEN);
    handshake_wipe(&ra);
    assert_true(sodium_is_zero((const uint8_t *)&ra, sizeof ra));
}

static void a_commitment_to_another_number_is_a_failure(void **state)
{
    struct body answer = make_body(BODY_ANSWER);
    (void)state;
    meet();
    assert_int_equal(handshake_accept(&ra, &a, &pake2, &body), VERDICT_GOOD);
    ra.reveal_a[0] ^= 1; /* the initiator looked at rB and chose anew */
    assert_true(handshake_confirm(&ra, &a, &answer, &pake3));
    assert_int_equal(handshake_prove(&rb, &b, &pake3, &body), VERDICT_BAD);
}

static void a_body_of_the_wrong_kind_proves_nothing(void **state)
{
    struct body wrong = make_body(BODY_CANDIDATES);
    (void)state;
    meet();
    assert_int_equal(handshake_accept(&ra, &a, &pake2, &body), VERDICT_GOOD);
    assert_true(handshake_confirm(&ra, &a, &wrong, &pake3));
    assert_int_equal(handshake_prove(&rb, &b, &pake3, &body), VERDICT_BAD);
}

static void a_pake3_around_nothing_says_so(void **state)
{
    (void)state;
    meet();
    assert_int_equal(handshake_accept(&ra, &a, &pake2, &body), VERDICT_GOOD);
    assert_true(handshake_confirm(&ra, &a, NULL, &pake3));
    assert_int_equal(handshake_prove(&rb, &b, &pake3, &body), VERDICT_EMPTY);
}

/* Either side's point may be altered on its way: both sides hear of it, and nobody gets anywhere. */
static void a_point_that_is_none_fails_on_both_sides(void **state)
{
    struct body offer = make_body(BODY_OFFER);
    (void)state;
    meet();
    memset(pake2.point, 0xff, POINT_LEN);
    assert_int_equal(handshake_accept(&ra, &a, &pake2, &body), VERDICT_BAD);
    assert_true(handshake_confirm(&ra, &a, NULL, &pake3));
    assert_int_equal(handshake_prove(&rb, &b, &pake3, &body), VERDICT_BAD);
    meet();
    memset(pake1.point, 0, POINT_LEN);
    handshake_invite(&rb, &b, &pake1, &about_b);
    assert_true(handshake_answer(&rb, &b, &offer, &pake2));
    assert_int_equal(handshake_accept(&ra, &a, &pake2, &body), VERDICT_BAD);
}

static void a_message_sent_back_to_its_author_does_not_open(void **state)
{
    struct body more = make_body(BODY_CANDIDATES);
    struct message sealed;
    (void)state;
    prove();
    assert_true(handshake_seal(&ra, &a, &more, &sealed));
    memcpy(sealed.from, b.id, sizeof sealed.from);
    assert_false(handshake_open(&ra, &a, &sealed, &body));
    memcpy(sealed.from, a.id, sizeof sealed.from);
    assert_true(handshake_open(&rb, &b, &sealed, &body));
    assert_true(handshake_replayed(&rb, sealed.sequence));
    assert_false(handshake_open(&rb, &b, &sealed, &body));
}

static void the_machines_hash_is_bound_to_the_role_and_the_run(void **state)
{
    static const uint8_t machine[32] = {7};
    uint8_t hash[4][16];
    (void)state;
    prove();
    handshake_machine(&ra, PAKE_INITIATOR, machine, hash[0]);
    handshake_machine(&rb, PAKE_INITIATOR, machine, hash[1]);
    handshake_machine(&ra, PAKE_RESPONDER, machine, hash[2]);
    assert_memory_equal(hash[0], hash[1], sizeof hash[0]);
    assert_memory_not_equal(hash[0], hash[2], sizeof hash[0]); /* said back to us it does not match */
    prove();
    handshake_machine(&ra, PAKE_INITIATOR, machine, hash[3]);
    assert_memory_not_equal(hash[0], hash[3], sizeof hash[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_ends_with_both_sides_proven_and_equal_keys),
        cmocka_unit_test(a_commitment_to_another_number_is_a_failure),
        cmocka_unit_test(a_body_of_the_wrong_kind_proves_nothing),
        cmocka_unit_test(a_pake3_around_nothing_says_so),
        cmocka_unit_test(a_point_that_is_none_fails_on_both_sides),
        cmocka_unit_test(a_message_sent_back_to_its_author_does_not_open),
        cmocka_unit_test(the_machines_hash_is_bound_to_the_role_and_the_run),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
