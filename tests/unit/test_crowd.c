/* test_crowd.c - whose place is taken when there are too many. */
#include "crowd.h"
#include "packet.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct crowd *crowd;

static int begin(void **state)
{
    (void)state;
    crowd = calloc(1, sizeof *crowd);
    return crowd ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    for (size_t i = 0; i < RENDEZVOUS_PEERS_MAX; i++)
        peer_leave(&crowd->peers[i]);
    free(crowd);
    return 0;
}

static struct peer *admit(unsigned n)
{
    char id[PEER_ID_LEN + 1];
    snprintf(id, sizeof id, "peer%012u", n);
    return crowd_admit(crowd, 1 + n, id);
}

static bool knows(unsigned n)
{
    char id[PEER_ID_LEN + 1];
    snprintf(id, sizeof id, "peer%012u", n);
    return crowd_find(crowd, id) != NULL;
}

static void fill(void)
{
    for (unsigned n = 0; n < RENDEZVOUS_PEERS_MAX; n++)
        assert_non_null(admit(n));
}

static void the_oldest_of_the_merely_present_makes_way(void **state)
{
    (void)state;
    fill();
    assert_non_null(admit(1000));
    assert_false(knows(0));
    assert_true(knows(1) && knows(1000));
    crowd_find(crowd, "peer000000000001")->wish = WISH_KNOCK;
    assert_non_null(admit(1001));
    assert_true(knows(1)); /* a knock is worth more than presence */
    assert_false(knows(2));
}

static void who_is_known_makes_way_after_every_stranger(void **state)
{
    (void)state;
    fill();
    crowd_find(crowd, "peer000000000000")->known = true;
    for (unsigned n = 1; n < RENDEZVOUS_PEERS_MAX; n++)
        crowd->peers[n].wish = n % 2 ? WISH_KNOCK : WISH_HELLO;
    for (unsigned n = 0; n < RENDEZVOUS_PEERS_MAX - 1; n++) {
        admit(1000 + n)->wish = WISH_KNOCK;
        assert_true(knows(0));
    }
    for (size_t i = 0; i < RENDEZVOUS_PEERS_MAX; i++)
        crowd->peers[i].known = true;
    assert_non_null(admit(5000));
    assert_false(knows(0)); /* the oldest among equals */
}

/* What becomes of every id that a flood makes up. */
static void a_stranger_who_was_asked_and_never_answered_makes_way_first(void **state)
{
    (void)state;
    fill();
    struct peer *asked = crowd_find(crowd, "peer000000000100");
    asked->asking = run_new(1);
    assert_non_null(asked->asking);
    assert_non_null(admit(1000));
    assert_false(knows(100));
    assert_true(knows(0));
}

static void sessions_and_handshakes_never_make_way(void **state)
{
    (void)state;
    fill();
    for (size_t i = 0; i < RENDEZVOUS_PEERS_MAX; i++) {
        struct run *run = run_new((peer_handle)i + 1);
        assert_non_null(run);
        *(i % 2 ? &crowd->peers[i].session : &crowd->peers[i].invited) = run;
    }
    assert_null(admit(1000));
    assert_non_null(admit(7)); /* who is known is not admitted anew */
    run_free(crowd->peers[9].session);
    crowd->peers[9].session = NULL;
    assert_ptr_equal(admit(1000), &crowd->peers[9]);
}

static void only_handles_that_were_announced_mean_anything(void **state)
{
    struct peer *peer;
    struct run *run;
    (void)state;
    fill();
    crowd->peers[5].invited = run_new(77);
    assert_non_null(crowd->peers[5].invited);
    assert_false(crowd_handle(crowd, 77, &peer, &run));
    crowd->peers[5].invited->announced = true;
    assert_true(crowd_handle(crowd, 77, &peer, &run));
    assert_ptr_equal(peer, &crowd->peers[5]);
    assert_ptr_equal(run, peer->invited);
    assert_false(crowd_handle(crowd, 0, &peer, &run));
}

static void the_ninth_sealed_message_takes_the_place_of_the_first(void **state)
{
    struct message message = {.type = MESSAGE_BYE, .from = "ponmlkjihgfedcba"};
    struct run *run = run_new(1);
    struct parcel *second = NULL;
    (void)state;
    for (unsigned i = 0; i < RUN_MAIL_MAX + 1; i++) {
        struct parcel *parcel = parcel_new(&message, "abcdefghijklmnop", 1, 5);
        assert_non_null(parcel);
        second = i == 1 ? parcel : second;
        run_post(run, parcel);
    }
    assert_ptr_equal(run->mail, second);
    unsigned count = 0;
    for (struct parcel *parcel = run->mail; parcel; parcel = parcel->next)
        count++;
    assert_int_equal(count, RUN_MAIL_MAX);
    run_free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_oldest_of_the_merely_present_makes_way, begin, end),
        cmocka_unit_test_setup_teardown(who_is_known_makes_way_after_every_stranger, begin, end),
        cmocka_unit_test_setup_teardown(a_stranger_who_was_asked_and_never_answered_makes_way_first, begin,
                                        end),
        cmocka_unit_test_setup_teardown(sessions_and_handshakes_never_make_way, begin, end),
        cmocka_unit_test_setup_teardown(only_handles_that_were_announced_mean_anything, begin, end),
        cmocka_unit_test(the_ninth_sealed_message_takes_the_place_of_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
