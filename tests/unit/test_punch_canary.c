/* test_punch_canary.c - when a network counts as hurt, and that nobody is asked otherwise. */
#include "punch_canary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct addr local = {.family = 4, .ip = {192, 168, 1, 2}, .port = 5000};
static const struct addr server = {.family = 4, .ip = {203, 0, 113, 2}, .port = 3478};
static uint8_t drawn;

static void count_up(void *context, uint8_t *out, size_t len)
{
    (void)context;
    memset(out, ++drawn, len);
}

static const struct random random_source = {.fill = count_up};

/* Asks once, at the moment that it says; `answer`: it is answered, from `from`. */
static bool ask(struct canary *canary, uint64_t *now, bool answer, const struct addr *from)
{
    uint8_t buffer[PACKET_MAX], before = drawn;
    struct packet out = {.data = buffer, .len = sizeof buffer};
    *now = canary_deadline(canary) > *now ? canary_deadline(canary) : *now;
    assert_true(canary_output(canary, *now, &random_source, &out));
    assert_true(addr_equal(&out.local, &local) && addr_equal(&out.remote, &server));
    struct stun_msg msg;
    assert_true(stun_decode(&msg, buffer, out.len));
    assert_int_equal(drawn, before + 1);
    for (size_t i = 0; i < sizeof msg.id; i++)
        assert_int_equal(msg.id[i], drawn); /* that nobody off the path can answer */
    if (!answer)
        return false;
    msg = (struct stun_msg){.class = STUN_SUCCESS, .method = STUN_BINDING, .mapped = local, .id = {0}};
    memcpy(msg.id, canary->id, sizeof msg.id);
    struct packet in = {.local = local, .remote = *from, .data = buffer};
    in.len = stun_encode(&msg, NULL, buffer, sizeof buffer);
    return canary_input(canary, *now, &in);
}

static void losses_in_a_row_are_counted_and_an_answer_ends_them(void **state)
{
    (void)state;
    struct canary canary = {0};
    uint64_t now = NS_PER_S;
    canary_aim(&canary, &local, &server);
    canary_set(&canary, now, true);
    for (unsigned i = 0; i < CANARY_SLOW; i++) {
        assert_int_equal(canary_lost(&canary), i ? i - 1 : 0);
        ask(&canary, &now, false, &server);
    }
    assert_true(ask(&canary, &now, true, &server));
    assert_int_equal(canary_lost(&canary), 0);
    assert_int_equal(canary_deadline(&canary), now + CANARY_PAUSE_MS * NS_PER_MS);
}

static void answers_of_others_do_not_count(void **state)
{
    (void)state;
    struct canary canary = {0};
    uint64_t now = NS_PER_S;
    canary_aim(&canary, &local, &server);
    canary_set(&canary, now, true);
    assert_false(ask(&canary, &now, true, &local));
    ask(&canary, &now, false, &server);
    assert_int_equal(canary_lost(&canary), 1);
}

static void nobody_is_asked_while_nothing_is_guessed(void **state)
{
    (void)state;
    struct canary canary = {0};
    struct packet out = {0};
    uint64_t now = NS_PER_S;
    assert_int_equal(canary_deadline(&canary), NEVER);
    canary_set(&canary, now, true); /* but there is no server */
    assert_int_equal(canary_deadline(&canary), NEVER);
    assert_false(canary_output(&canary, now, &random_source, &out));
    canary_aim(&canary, &local, &server);
    ask(&canary, &now, false, &server);
    ask(&canary, &now, false, &server);
    canary_set(&canary, now, false);
    assert_int_equal(canary_deadline(&canary), NEVER);
    canary_set(&canary, now, true);
    assert_int_equal(canary_lost(&canary), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_in_a_row_are_counted_and_an_answer_ends_them),
        cmocka_unit_test(answers_of_others_do_not_count),
        cmocka_unit_test(nobody_is_asked_while_nothing_is_guessed),
    };
    return cmocka_run_group_tests_name("punch_canary", tests, NULL, NULL);
}
