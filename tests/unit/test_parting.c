/* test_parting.c - how sessions and handshakes end, and begin again. The net is post.h. */
#define POST_HOSTS_MAX 8

#include "meeting.h"
#include "post.h"
#include <sodium.h>

static struct post *pair(uint64_t seed)
{
    struct post *post = post_new(seed, 1);
    post_add(post, post_config());
    post_add(post, post_config());
    return post;
}

/* The first to come is host 0, so it is the initiator. */
static void connect_one_after_the_other(struct post *post)
{
    post_connect(post, 0);
    post_run(post, 100 * NS_PER_MS);
    post_connect(post, 1);
}

static struct post *joined(uint64_t seed)
{
    struct post *post = pair(seed);
    connect_one_after_the_other(post);
    assert_true(post_join(post, NS_PER_S) != NEVER);
    post_run(post, NS_PER_S);
    return post;
}

static peer_handle handle_of(struct post *post, unsigned from, unsigned to)
{
    return post_link_to(&post->hosts[from], &post->hosts[to])->handle;
}

/* As a node does: its own record goes with the call. */
static void forget(struct post *post, unsigned from, unsigned to)
{
    struct link *link = post_link_to(&post->hosts[from], &post->hosts[to]);
    rendezvous_forget(post->hosts[from].machine, post->now, link->handle);
    link->handle = 0;
}

static void a_sealed_goodbye_is_proven_and_said_twice(void **state)
{
    struct post *post = joined(1);
    (void)state;
    unsigned before = post->sent_of[MESSAGE_SEALED];
    rendezvous_set_slots(post->hosts[0].machine, post->now, 0); /* else they meet again */
    rendezvous_bye(post->hosts[0].machine, post->now, handle_of(post, 0, 1), "done");
    post_run(post, 10 * NS_PER_S);
    assert_int_equal(post->hosts[1].byes, 1);
    assert_int_equal(post->hosts[1].hints, 0);
    assert_string_equal(post->hosts[1].reason, "done");
    assert_int_equal(post->sent_of[MESSAGE_SEALED] - before, 2);
    post_free(post);
}

static void after_a_goodbye_both_meet_again(void **state)
{
    struct post *post = joined(2);
    (void)state;
    struct link *link = post_link_to(&post->hosts[0], &post->hosts[1]);
    rendezvous_bye(post->hosts[0].machine, post->now, link->handle, "");
    link->handle = 0;
    assert_true(post_join(post, 2 * NS_PER_S) != NEVER);
    assert_int_equal(post->hosts[0].failed + post->hosts[1].failed, 0);
    post_free(post);
}

/* Busy instead of an offer, after an offer, and instead of an answer. */
static void busy_is_sealed_wherever_it_is_said(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 3; n++) {
        struct post *post = pair(10 + n);
        struct host *refusing = &post->hosts[n == 2 ? 0 : 1], *other = &post->hosts[n == 2 ? 1 : 0];
        refusing->refuses = n != 1;
        refusing->refuses_late = n == 1;
        connect_one_after_the_other(post);
        post_run(post, 190 * NS_PER_MS);
        assert_int_equal(other->busy, 1);
        assert_string_equal(other->reason, "taken");
        assert_int_equal(other->failed + other->gone + other->byes, 0);
        assert_int_equal(refusing->failed + refusing->gone + refusing->byes + refusing->busy, 0);
        post_free(post);
    }
}

/* The word is all that the peer hears then. */
static void candidates_that_wait_for_a_proof_are_not_sent_to_who_is_refused(void **state)
{
    struct post *post = pair(15);
    struct host *refusing = &post->hosts[1];
    struct description own = post_description();
    (void)state;
    refusing->mute = true;
    connect_one_after_the_other(post);
    while (!refusing->wanted)
        assert_true(post_step(post, NEVER - 1));
    rendezvous_describe(refusing->machine, post->now, refusing->last_wanted, &own);
    rendezvous_send_candidates(refusing->machine, post->now, refusing->last_wanted, &own);
    rendezvous_refuse(refusing->machine, post->now, refusing->last_wanted, "taken");
    post_run(post, 3 * NS_PER_S);
    assert_int_equal(post->hosts[0].busy, 1);
    assert_int_equal(post->hosts[0].candidates, 0);
    post_free(post);
}

static void what_fails_is_counted(void **state)
{
    struct post *post = post_new(16, 1);
    struct rendezvous_config config = post_config();
    struct rendezvous_stats stats;
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        config.secret = (const uint8_t *)(i ? "horse" : "zebra");
        config.secret_len = 5;
        post_add(post, config);
    }
    connect_one_after_the_other(post);
    post_run(post, NS_PER_S);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(post->hosts[i].failed, 1);
        rendezvous_stats(post->hosts[i].machine, &stats);
        assert_int_equal(stats.failed, 1);
    }
    post_free(post);
}

/* Words to peers that are no more are kept until they have left; the oldest gives way. */
static void words_to_those_who_have_gone_are_kept_within_bounds(void **state)
{
    struct post *post = joined(17);
    struct rendezvous *r = post->hosts[0].machine;
    struct body body = {.type = BODY_BYE};
    struct peer *peer;
    struct run *run;
    size_t count = 0;
    (void)state;
    assert_true(crowd_handle(&r->crowd, handle_of(post, 0, 1), &peer, &run));
    const struct parcel *first = NULL;
    for (unsigned i = 0; i < FAREWELLS_MAX + 2; i++) {
        parting_farewell(r, peer, run, &body);
        if (i == 2)
            for (first = r->farewells; first->next;)
                first = first->next;
    }
    for (const struct parcel *parcel = r->farewells; parcel; parcel = parcel->next)
        count++;
    assert_int_equal(count, FAREWELLS_MAX);
    assert_ptr_equal(r->farewells, first); /* two have gone, the third is the oldest */
    post_free(post);
}

static void who_is_turned_away_is_not_met_again_at_each_of_its_hellos(void **state)
{
    struct post *post = pair(21);
    (void)state;
    post->hosts[1].refuses = true; /* as one does who waits for somebody else */
    connect_one_after_the_other(post);
    post_run(post, 60 * NS_PER_S);
    assert_in_range(post->hosts[0].busy, 2, 5); /* at 0, 5, 15 and 35 s */
    post_free(post);
}

static void be_refused_for_long(uint64_t seed)
{
    static const unsigned pauses_s[] = {5, 10, 20, 40, 80, 80, 80};
    enum { PAUSES = sizeof pauses_s / sizeof *pauses_s, SLACK_S = 3 };
    struct post *post = pair(seed);
    uint64_t last = 0;
    post->hosts[1].refuses = true;
    connect_one_after_the_other(post);
    post_run(post, NS_PER_S);
    assert_int_equal(post->hosts[0].busy, 1);
    last = post->now;
    for (unsigned i = 0; i < PAUSES; i++) {
        for (unsigned s = 0; s < 200 && post->hosts[0].busy == i + 1; s++)
            post_run(post, NS_PER_S);
        assert_int_equal(post->hosts[0].busy, i + 2);
        assert_in_range((post->now - last) / NS_PER_S, pauses_s[i] - 1, pauses_s[i] + SLACK_S);
        last = post->now;
    }
    assert_int_equal(post->hosts[0].failed + post->hosts[1].failed, 0);
    post_free(post);
}

/* Who waits for so long has begun anew several times: only its last pake1 may be answered. */
static void the_pause_after_a_refusal_doubles_up_to_eighty_seconds(void **state)
{
    (void)state;
    for (uint64_t seed = 22; seed < 42; seed++)
        be_refused_for_long(seed);
}

static void who_was_busy_is_met_when_it_says_hello_anew(void **state)
{
    struct post *post = pair(20);
    (void)state;
    post->hosts[1].refuses = true;
    connect_one_after_the_other(post);
    post_run(post, 5 * NS_PER_S);
    assert_true(post->hosts[0].busy > 0);
    post->hosts[1].refuses = false;
    rendezvous_set_slots(post->hosts[1].machine, post->now, 0);
    rendezvous_set_slots(post->hosts[1].machine, post->now, 1);
    assert_true(post_join(post, NS_PER_S) != NEVER);
    post_free(post);
}

static void a_peer_that_starts_anew_under_a_new_id_is_met_at_once(void **state)
{
    struct post *post = joined(30);
    (void)state;
    post->hosts[1].down = true;
    unsigned again = post_add(post, post_config());
    post_connect(post, again);
    uint64_t start = post->now;
    while (!post_are_joined(post, 0, again))
        assert_true(post_step(post, start + NS_PER_S));
    assert_int_equal(post->hosts[0].byes + post->hosts[0].failed, 0); /* the old one is the node's to judge */
    post_free(post);
}

/* It may vanish after any delivery of the exchange and come back as somebody else. */
static void a_peer_may_start_anew_at_any_moment(void **state)
{
    (void)state;
    for (unsigned victim = 0; victim < 2; victim++) {
        for (unsigned step = 0; step < 24; step++) {
            struct post *post = pair(40 + step);
            connect_one_after_the_other(post);
            for (unsigned i = 0; i < step; i++)
                post_step(post, NEVER - 1);
            post->hosts[victim].down = true;
            unsigned again = post_add(post, post_config());
            post_connect(post, again);
            post_run(post, 5 * NS_PER_S);
            assert_true(post_are_joined(post, !victim, again));
            assert_int_equal(post->hosts[!victim].failed, 0);
            post_free(post);
        }
    }
}

/* Either side, after either has begun: the proof of the new run ends the old session first. */
static void a_peer_that_lost_its_state_replaces_its_session_by_proving_itself(void **state)
{
    (void)state;
    for (unsigned loser = 0; loser < 2; loser++) {
        struct post *post = joined(70 + loser);
        unsigned other = !loser;
        post_run(post, 6 * NS_PER_S);
        forget(post, loser, other);
        assert_true(post_join(post, 25 * NS_PER_S) !=
                    NEVER); /* the other's rare hello brings them together */
        post_run(post, 10 * NS_PER_S);
        assert_int_equal(post->hosts[other].byes, 1);
        assert_int_equal(post->hosts[other].peers, 2);
        assert_int_equal(post->hosts[loser].peers, 2);
        assert_int_equal(post->hosts[0].failed + post->hosts[1].failed, 0);
        assert_true(post_all_joined(post));
        post_free(post);
    }
}

static void both_may_forget_and_meet_again(void **state)
{
    struct post *post = joined(80);
    (void)state;
    forget(post, 0, 1);
    forget(post, 1, 0);
    assert_true(post_join(post, NS_PER_S) != NEVER);
    assert_int_equal(post->hosts[0].byes + post->hosts[1].byes, 0);
    post_free(post);
}

static void a_handshake_that_nobody_finishes_is_gone(void **state)
{
    struct post *post = pair(90);
    (void)state;
    connect_one_after_the_other(post);
    while (!post->hosts[1].wanted)
        assert_true(post_step(post, NEVER - 1));
    post->hosts[0].down = true;
    post_run(post, 5 * NS_PER_S);
    assert_int_equal(post->hosts[1].gone, 1);
    assert_int_equal(post->sent_of[MESSAGE_PAKE2], 5);
    post->hosts[0].down = false;
    assert_true(post_join(post, 20 * NS_PER_S) != NEVER); /* the initiator's pake1 is as good as before */
    assert_int_equal(post->hosts[0].failed + post->hosts[1].failed, 0);
    post_free(post);
}

static void an_ended_handle_does_nothing(void **state)
{
    struct post *post = joined(91);
    struct rendezvous *machine = post->hosts[0].machine;
    struct description own = post_description();
    peer_handle handle = handle_of(post, 0, 1);
    (void)state;
    forget(post, 0, 1);
    unsigned before = post->sent;
    rendezvous_describe(machine, post->now, handle, &own);
    rendezvous_send_candidates(machine, post->now, handle, &own);
    rendezvous_refuse(machine, post->now, handle, "");
    rendezvous_bye(machine, post->now, handle, "");
    rendezvous_forget(machine, post->now, handle);
    rendezvous_settle(machine, handle);
    rendezvous_describe(machine, post->now, 0, &own);
    rendezvous_forget(machine, post->now, 12345);
    post_run(post, 100 * NS_PER_MS);
    assert_int_equal(post->sent, before);
    post_free(post);
}

static void a_long_reason_is_cut_between_characters(void **state)
{
    (void)state;
    for (size_t start = 0; start < 2; start++) {
        struct post *post = joined(92 + start);
        char reason[300] = "xx";
        for (size_t i = start; i + 2 < sizeof reason; i += 2)
            memcpy(reason + i, "\xc3\xbc", 3);
        rendezvous_bye(post->hosts[0].machine, post->now, handle_of(post, 0, 1), reason);
        post_run(post, 100 * NS_PER_MS);
        assert_int_equal(post->hosts[1].byes, 1); /* half a character would make the message malformed */
        post_free(post);
    }
}

/* Handshakes that host 0 has begun, the newest first. */
static unsigned asked_by(struct post *post, struct run *runs[], unsigned most)
{
    struct crowd *crowd = &post->hosts[0].machine->crowd;
    unsigned count = 0;
    for (size_t i = 0; i < crowd->used; i++) {
        struct run *run = crowd->peers[i].asking;
        if (!run_awaits_answer(run))
            continue;
        assert_true(count < most);
        unsigned at = count++;
        for (; at > 0 && runs[at - 1]->handle < run->handle; at--)
            runs[at] = runs[at - 1];
        runs[at] = run;
    }
    return count;
}

static struct peer *asked_in(struct post *post, const struct run *run)
{
    struct crowd *crowd = &post->hosts[0].machine->crowd;
    for (size_t i = 0; i < crowd->used; i++)
        if (crowd->peers[i].asking == run)
            return &crowd->peers[i];
    fail_msg("nobody is asked so");
    return NULL;
}

/* The oldest was asked when memory was short: nothing is repeated there, and nothing is to be stopped. */
static void after_the_guesses_only_the_newest_questions_count(void **state)
{
    enum { ASKED = ASKED_KEPT + 3 };
    struct post *post = post_new(31, 1);
    struct run *runs[ASKED];
    (void)state;
    struct rendezvous_config config = post_config();
    config.secret = (const uint8_t *)"correct horse"; /* without one there is nothing to guess */
    config.secret_len = 13;
    for (unsigned i = 0; i <= ASKED; i++)
        post_add(post, config);
    post_connect(post, 0);
    post_run(post, 100 * NS_PER_MS);
    for (unsigned i = 1; i <= ASKED; i++) {
        post_connect(post, i);
        post->hosts[i].down = true; /* it has said hello, and answers nobody */
    }
    post_run(post, 300 * NS_PER_MS);
    assert_int_equal(asked_by(post, runs, ASKED), ASKED);
    parcel_free(runs[ASKED - 1]->reply);
    runs[ASKED - 1]->reply = NULL;
    for (unsigned i = 0; i < QUOTA_QUICK; i++) {
        for (unsigned n = 0; n < ASKED; n++)
            assert_false(runs[n]->parked);
        parting_guess(post->hosts[0].machine, post->now, asked_in(post, runs[0]), runs[0]);
    }
    for (unsigned n = 0; n < ASKED; n++) {
        assert_int_equal(runs[n]->parked, n >= ASKED_KEPT);
        if (runs[n]->reply)
            assert_int_equal(runs[n]->reply->due == NEVER, n >= ASKED_KEPT);
    }
    post_free(post);
}

static void brokers_may_go_away_in_mid_handshake(void **state)
{
    (void)state;
    for (unsigned step = 0; step < 24; step++) {
        struct post *post = pair(100 + step);
        connect_one_after_the_other(post);
        for (unsigned i = 0; i < step; i++)
            post_step(post, NEVER - 1);
        post->broken = 1;
        rendezvous_disconnected(post->hosts[0].machine, post->now, 0);
        rendezvous_disconnected(post->hosts[1].machine, post->now, 0);
        unsigned before = post->sent;
        post_run(post, 20 * NS_PER_S);
        assert_int_equal(post->sent, before);
        post->broken = 0;
        post_connect(post, 0);
        post_connect(post, 1);
        assert_true(post_join(post, 2 * NS_PER_S) != NEVER);
        assert_int_equal(post->hosts[0].failed + post->hosts[1].failed, 0);
        post_free(post);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sealed_goodbye_is_proven_and_said_twice),
        cmocka_unit_test(after_a_goodbye_both_meet_again),
        cmocka_unit_test(busy_is_sealed_wherever_it_is_said),
        cmocka_unit_test(candidates_that_wait_for_a_proof_are_not_sent_to_who_is_refused),
        cmocka_unit_test(what_fails_is_counted),
        cmocka_unit_test(words_to_those_who_have_gone_are_kept_within_bounds),
        cmocka_unit_test(who_is_turned_away_is_not_met_again_at_each_of_its_hellos),
        cmocka_unit_test(the_pause_after_a_refusal_doubles_up_to_eighty_seconds),
        cmocka_unit_test(who_was_busy_is_met_when_it_says_hello_anew),
        cmocka_unit_test(a_peer_that_starts_anew_under_a_new_id_is_met_at_once),
        cmocka_unit_test(a_peer_may_start_anew_at_any_moment),
        cmocka_unit_test(a_peer_that_lost_its_state_replaces_its_session_by_proving_itself),
        cmocka_unit_test(both_may_forget_and_meet_again),
        cmocka_unit_test(a_handshake_that_nobody_finishes_is_gone),
        cmocka_unit_test(an_ended_handle_does_nothing),
        cmocka_unit_test(a_long_reason_is_cut_between_characters),
        cmocka_unit_test(brokers_may_go_away_in_mid_handshake),
        cmocka_unit_test(after_the_guesses_only_the_newest_questions_count),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
