/* test_ice_choice.c - which pair carries application packets: selection and nomination (RFC 8445 8.1). */
#include "ice_solo.h"

enum { NOMINATING = STUN_HAS_USE_CANDIDATE | STUN_HAS_NOMINATION };

static struct solo *regular(void)
{
    struct solo *solo = solo_new_of(&(struct ice_config){.controlling = true, .paths = PATH_ALL});
    ice_set_own(solo->ice, &solo->base, 1);
    add_candidate(solo->ice, CANDIDATE_HOST, solo->base, solo->base, (struct addr){0});
    ice_set_remote(solo->ice, 0, PEER_UFRAG, PEER_PWD);
    return solo;
}

static size_t nominations(struct solo *solo, const char *address)
{
    struct addr to = at(address);
    size_t count = 0;
    for (size_t i = 0; i < solo->sent_count; i++)
        count +=
            addr_equal(&solo->sent[i].remote, &to) && msg_of(&solo->sent[i]).has & STUN_HAS_USE_CANDIDATE;
    return count;
}

/* ---- the controlling side, with renomination ---- */

static bool is_public(const struct addr *to)
{
    return addr_scope(to) == ADDR_GLOBAL;
}

static void the_first_valid_pair_is_the_path_and_is_named_at_once(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    assert_true(add_remote(solo, CANDIDATE_HOST, "192.168.1.20:7", 0)); /* a better one may still come */
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    assert_true(path_is(solo, "203.0.113.9:9"));
    size_t n = last_request_to(solo, "203.0.113.9:9");
    assert_true(solo->sent[n].at == solo->now);
    assert_int_equal(msg_of(&solo->sent[n]).has & NOMINATING, NOMINATING);
    assert_int_equal(msg_of(&solo->sent[n]).nomination, 1);
    solo_free(solo);
}

static void a_better_kind_takes_over_later_and_is_named_with_a_higher_number(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    solo->answers = everybody;
    solo_run(solo, solo->now + 3 * S);
    assert_true(add_remote(solo, CANDIDATE_HOST, "192.168.1.20:7", 0));
    solo_run(solo, solo->now + 1 * S);
    assert_true(path_is(solo, "192.168.1.20:7"));
    assert_int_equal(events_of(solo, ICE_PATH), 2);
    assert_int_equal(msg_of(&solo->sent[last_request_to(solo, "192.168.1.20:7")]).nomination, 2);
    solo_free(solo);
}

static void a_worse_kind_does_not(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_HOST, "192.168.1.20:7");
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    assert_true(path_is(solo, "192.168.1.20:7"));
    assert_int_equal(nominations(solo, "203.0.113.9:9"), 0);
    solo_free(solo);
}

static void within_a_kind_a_clearly_shorter_round_trip_takes_over(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    solo->rtt = 60 * MS;
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    solo->rtt = 57 * MS;
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:10");
    assert_true(path_is(solo, "203.0.113.9:9"));
    solo->rtt = 20 * MS;
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:11");
    assert_true(path_is(solo, "203.0.113.9:11"));
    solo_free(solo);
}

static void the_path_is_named_in_every_check_on_it(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    solo->answers = everybody;
    solo_run(solo, solo->now + 30 * S);
    assert_true(nominations(solo, "203.0.113.9:9") > 5);
    assert_int_equal(msg_of(&solo->sent[last_request_to(solo, "203.0.113.9:9")]).nomination, 1);
    solo_free(solo);
}

static void numbers_do_not_run_over(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    solo->ice->nomination = 0xffffff;
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    assert_int_equal(solo->ice->nomination, 0xffffff);
    solo_free(solo);
}

/* ---- the controlling side, with a peer that knows one nomination ---- */

static void regular_nomination_comes_at_once_where_nothing_better_is_likely(void **state)
{
    (void)state;
    struct solo *solo = regular();
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    assert_int_equal(nominations(solo, "203.0.113.9:9"), 1);
    struct stun_msg msg = msg_of(&solo->sent[last_request_to(solo, "203.0.113.9:9")]);
    assert_false(msg.has & STUN_HAS_NOMINATION);
    solo_free(solo);
}

static void regular_nomination_waits_a_little_for_a_better_kind(void **state)
{
    (void)state;
    struct solo *solo = regular();
    assert_true(add_remote(solo, CANDIDATE_HOST, "192.168.1.20:7", 0));
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    assert_true(path_is(solo, "203.0.113.9:9")); /* used, but not named */
    assert_int_equal(nominations(solo, "203.0.113.9:9"), 0);
    solo->now += 50 * MS;
    assert_true(answer(solo, last_request_to(solo, "192.168.1.20:7")));
    solo_drain(solo);
    assert_true(path_is(solo, "192.168.1.20:7"));
    assert_int_equal(nominations(solo, "192.168.1.20:7"), 1);
    assert_int_equal(nominations(solo, "203.0.113.9:9"), 0);
    solo_free(solo);
}

static void regular_nomination_waits_no_longer_than_100_ms(void **state)
{
    (void)state;
    struct solo *solo = regular();
    assert_true(add_remote(solo, CANDIDATE_HOST, "192.168.1.20:7", 0));
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    uint64_t valid = solo->now;
    solo_run(solo, valid + 99 * MS);
    assert_int_equal(nominations(solo, "203.0.113.9:9"), 0);
    solo_run(solo, valid + 100 * MS);
    assert_int_equal(nominations(solo, "203.0.113.9:9"), 1);
    solo_free(solo);
}

static void after_the_only_nomination_nothing_is_named_and_the_path_stays(void **state)
{
    (void)state;
    struct solo *solo = regular();
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    solo->now += 20 * MS;
    assert_true(answer(solo, last_request_to(solo, "203.0.113.9:9")));
    solo->answers = everybody;
    solo_run(solo, solo->now + 20 * S);
    assert_true(add_remote(solo, CANDIDATE_HOST, "192.168.1.20:7", 0));
    solo_run(solo, solo->now + 20 * S);
    assert_int_equal(nominations(solo, "203.0.113.9:9"), 1);
    assert_int_equal(nominations(solo, "192.168.1.20:7"), 0);
    assert_true(path_is(solo, "203.0.113.9:9"));
    solo_free(solo);
}

static void a_nomination_that_got_lost_is_repeated(void **state)
{
    (void)state;
    struct solo *solo = regular();
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    solo_run(solo, solo->now + 5 * S); /* neither of its copies is answered */
    assert_true(nominations(solo, "203.0.113.9:9") > 3);
    assert_true(answer(solo, last_request_to(solo, "203.0.113.9:9")) || solo->ice->path);
    solo_free(solo);
}

/* ---- the controlled side ---- */

static void the_controlled_side_uses_the_first_valid_pair_until_one_is_named(void **state)
{
    (void)state;
    struct solo *solo = solo_new(false);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    assert_true(path_is(solo, "203.0.113.9:9"));
    validate(solo, CANDIDATE_HOST, "192.168.1.20:7");
    assert_true(path_is(solo, "203.0.113.9:9"));
    assert_true(heard(solo, "192.168.1.20:7", NOMINATING, 1));
    assert_true(path_is(solo, "192.168.1.20:7"));
    solo_free(solo);
}

static void it_never_names_a_pair_itself(void **state)
{
    (void)state;
    struct solo *solo = solo_new(false);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    solo->answers = everybody;
    solo_run(solo, solo->now + 20 * S);
    assert_int_equal(nominations(solo, "203.0.113.9:9"), 0);
    solo_free(solo);
}

static void a_named_pair_is_used_when_its_own_check_is_answered(void **state)
{
    (void)state;
    struct solo *solo = solo_new(false);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    assert_true(heard(solo, "203.0.113.9:10", NOMINATING, 2));
    solo_drain(solo);
    assert_true(path_is(solo, "203.0.113.9:9")); /* RFC 8445 7.3.1.5 */
    size_t n = last_request_to(solo, "203.0.113.9:10");
    solo->now += 20 * MS;
    assert_true(answer(solo, n));
    assert_true(path_is(solo, "203.0.113.9:10"));
    solo_free(solo);
}

static void a_nomination_that_was_overtaken_is_ignored(void **state)
{
    (void)state;
    struct solo *solo = solo_new(false);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:10");
    assert_true(heard(solo, "203.0.113.9:10", NOMINATING, 7));
    assert_true(heard(solo, "203.0.113.9:9", NOMINATING, 6));
    assert_true(heard(solo, "203.0.113.9:9", STUN_HAS_USE_CANDIDATE, 0));
    assert_true(path_is(solo, "203.0.113.9:10"));
    assert_true(heard(solo, "203.0.113.9:9", NOMINATING, 8));
    assert_true(path_is(solo, "203.0.113.9:9"));
    solo_free(solo);
}

static void of_nominations_without_a_number_the_highest_priority_counts(void **state)
{
    (void)state;
    struct solo *solo = solo_new(false);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    validate(solo, CANDIDATE_HOST, "192.168.1.20:7");
    assert_true(heard(solo, "192.168.1.20:7", STUN_HAS_USE_CANDIDATE, 0));
    assert_true(path_is(solo, "192.168.1.20:7"));
    assert_true(heard(solo, "203.0.113.9:9", STUN_HAS_USE_CANDIDATE, 0)); /* aggressive: names everything */
    assert_true(path_is(solo, "192.168.1.20:7"));
    solo_free(solo);
}

static void use_candidate_from_the_controlled_side_means_nothing(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_HOST, "192.168.1.20:7");
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    assert_true(heard(solo, "203.0.113.9:9", NOMINATING, 9));
    assert_true(path_is(solo, "192.168.1.20:7"));
    solo_free(solo);
}

/* ---- leaving ---- */

static void a_path_that_does_not_answer_is_left_for_one_that_does(void **state)
{
    (void)state;
    for (unsigned controlling = 0; controlling < 2; controlling++) {
        struct solo *solo = solo_new(controlling);
        validate(solo, CANDIDATE_HOST, "192.168.1.20:7");
        validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
        solo->answers = everybody;
        solo_run(solo, solo->now + 3 * S);
        solo->answers = NULL;
        solo->due_count = 0;
        uint64_t start = solo->now;
        ice_suspect(solo->ice, solo->now, false);
        solo_run(solo, start + 20 * MS);
        assert_true(answer(solo, last_request_to(solo, "203.0.113.9:9")));
        assert_true(path_is(solo, "192.168.1.20:7")); /* not before it had its three copies */
        solo_run(solo, start + 250 * MS);
        assert_true(path_is(solo, "203.0.113.9:9"));
        assert_int_equal(sent_to(solo, "192.168.1.20:7") >= 3, 1);
        solo_free(solo);
    }
}

static void the_path_left_behind_is_tried_again_and_taken_back(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_HOST, "192.168.1.20:7");
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    ice_suspect(solo->ice, solo->now, false);
    solo_drain(solo);
    solo->now += 20 * MS;
    assert_true(answer(solo, last_request_to(solo, "203.0.113.9:9")));
    solo_run(solo, solo->now + 1 * S);
    assert_true(path_is(solo, "203.0.113.9:9"));
    solo->answers = everybody;
    solo_run(solo, solo->now + 20 * S);
    assert_true(path_is(solo, "192.168.1.20:7"));
    solo_free(solo);
}

static void a_removed_interface_gives_its_path_to_the_next_best_at_once(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    struct addr wifi = at("192.168.5.10:5000");
    add_candidate(solo->ice, CANDIDATE_HOST, wifi, wifi, (struct addr){0});
    solo->answers = everybody;
    solo_run(solo, solo->now + 1 * S);
    ice_remove_base(solo->ice, solo->now, &solo->base);
    struct path path;
    assert_true(ice_path(solo->ice, &path));
    assert_true(addr_equal(&path.local, &wifi));
    size_t before = solo->sent_count;
    solo_drain(solo);
    assert_true(solo->sent_count > before); /* it is asked at once whether it still works */
    assert_int_equal(solo->events[solo->event_count - 1].type, ICE_PATH);
    ice_remove_base(solo->ice, solo->now, &wifi);
    assert_false(ice_path(solo->ice, &path));
    solo_run(solo, solo->now + 200 * S);
    assert_int_equal(events_of(solo, ICE_LOST), 1);
    solo_free(solo);
}

static void the_spare_is_of_another_base_or_kind(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_HOST, "192.168.1.20:7");
    validate(solo, CANDIDATE_HOST, "192.168.1.20:8");
    assert_null(solo->ice->spare);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    assert_ptr_equal(solo->ice->spare, pair_to(solo, "203.0.113.9:9"));
    struct addr wifi = at("192.168.5.10:5000");
    add_candidate(solo->ice, CANDIDATE_HOST, wifi, wifi, (struct addr){0});
    solo->answers = everybody;
    solo_run(solo, solo->now + 1 * S);
    assert_int_equal(solo->ice->spare->kind, PATH_LAN);
    assert_true(addr_equal(&solo->ice->spare->base->address, &wifi));
    solo_free(solo);
}

static void a_kind_that_is_learnt_later_is_told(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    ice_remotes_complete(solo->ice, 0);
    assert_true(heard(solo, "10.8.8.8:7", 0, 0));
    solo_drain(solo);
    solo->now += 5 * MS;
    assert_true(answer(solo, last_request_to(solo, "10.8.8.8:7")));
    solo_drain(solo);
    assert_int_equal(solo->events[solo->event_count - 1].path.kind, PATH_DIRECT);
    assert_true(add_remote(solo, CANDIDATE_HOST, "10.8.8.8:7", 0));
    solo_drain(solo);
    assert_int_equal(solo->events[solo->event_count - 1].type, ICE_PATH);
    assert_int_equal(solo->events[solo->event_count - 1].path.kind, PATH_LAN);
    solo_free(solo);
}

static void every_path_says_why(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    struct path_facts facts;
    char why[PATH_WHY_MAX];
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    ice_facts(solo->ice, &facts);
    path_why(why, &solo->events[0].path, &facts);
    assert_true(strlen(why) > 20);
    solo_free(solo);
}

static void who_becomes_controlling_names_the_path(void **state)
{
    (void)state;
    struct solo *solo = solo_new(false);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    solo->ice->tie_breaker = 9;
    assert_true(heard(solo, "203.0.113.9:9", STUN_HAS_CONTROLLED, 0));
    assert_true(solo->ice->controlling);
    solo_drain(solo);
    assert_true(nominations(solo, "203.0.113.9:9") > 0);
    solo_free(solo);
}

static void who_becomes_controlled_follows_from_the_first_number_on(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:10");
    solo->ice->nomination = 40;
    solo->ice->tie_breaker = 0;
    assert_true(heard(solo, "203.0.113.9:10", STUN_HAS_CONTROLLING | NOMINATING, 1));
    assert_false(solo->ice->controlling);
    assert_true(path_is(solo, "203.0.113.9:10"));
    solo_free(solo);
}

static void a_spare_that_does_not_answer_either_is_not_moved_to(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_HOST, "192.168.1.20:7");
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    solo_run(solo, solo->now + 1 * S);
    ice_suspect(solo->ice, solo->now, false);
    solo_run(solo, solo->now + 20 * S); /* nobody answers */
    assert_true(path_is(solo, "192.168.1.20:7"));
    assert_int_equal(events_of(solo, ICE_PATH), 1);
    /* From now on the first answer from anywhere decides, at once. */
    size_t n = next_to(solo, "203.0.113.9:9");
    assert_true(answer(solo, n));
    assert_true(path_is(solo, "203.0.113.9:9"));
    assert_int_equal(pair_to(solo, "192.168.1.20:7")->state, PAIR_FAILED);
    solo_free(solo);
}

static void of_several_that_answer_the_best_takes_over(void **state)
{
    (void)state;
    for (unsigned order = 0; order < 2; order++) {
        struct solo *solo = solo_new(true);
        struct addr relay = at("198.51.100.5:50000");
        validate(solo, CANDIDATE_HOST, "192.168.1.20:7");
        validate(solo, CANDIDATE_RELAY, order ? "198.51.100.9:9" : "203.0.113.9:9");
        validate(solo, CANDIDATE_SRFLX, order ? "203.0.113.8:9" : "198.51.100.8:9");
        validate(solo, CANDIDATE_RELAY, "198.51.100.7:9");
        (void)relay;
        ice_suspect(solo->ice, solo->now, false);
        solo_drain(solo);
        solo->now += 20 * MS;
        ICE_EACH_PAIR(solo->ice, pair)
        {
            char text[ADDR_TEXT_MAX];
            if (pair != solo->ice->path)
                assert_true(answer(solo, last_request_to(solo, addr_print(&pair->to, text))));
        }
        solo_run(solo, solo->now + 300 * MS);
        assert_int_equal(solo->ice->path->kind, PATH_DIRECT);
        solo_free(solo);
    }
}

static void a_path_that_answers_after_all_keeps_its_place(void **state)
{
    (void)state;
    struct solo *solo = solo_new(false);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    solo->now += 2 * S;
    assert_true(heard(solo, "203.0.113.9:10", 0, 0));
    solo_drain(solo);
    solo->now += 20 * MS;
    assert_true(answer(solo, last_request_to(solo, "203.0.113.9:9")));
    assert_true(answer(solo, last_request_to(solo, "203.0.113.9:10")));
    assert_true(path_is(solo, "203.0.113.9:9"));
    solo_free(solo);
}

static void a_named_pair_that_was_quiet_for_long_is_verified_at_once(void **state)
{
    (void)state;
    struct solo *solo = solo_new(false);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:10");
    solo->answers = everybody;
    solo_run(solo, solo->now + 20 * S);
    size_t before = sent_to(solo, "203.0.113.9:10");
    assert_true(heard(solo, "203.0.113.9:10", NOMINATING, 2));
    assert_true(path_is(solo, "203.0.113.9:10"));
    solo_drain(solo);
    assert_int_equal(sent_to(solo, "203.0.113.9:10"), before + 2); /* our answer, our check */
    solo_free(solo);
}

static void a_pair_under_verification_that_becomes_the_path_is_named_at_once(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    struct addr wifi = at("192.168.5.10:5000");
    add_candidate(solo->ice, CANDIDATE_HOST, wifi, wifi, (struct addr){0});
    solo->answers = everybody;
    solo_run(solo, solo->now + 1 * S);
    solo->answers = NULL;
    ice_suspect(solo->ice, solo->now, false);
    solo_drain(solo);
    size_t before = nominations(solo, "203.0.113.9:9");
    ice_remove_base(solo->ice, solo->now, &solo->base);
    solo_drain(solo);
    assert_int_equal(nominations(solo, "203.0.113.9:9"), before + 1);
    assert_true(addr_equal(&solo->sent[solo->sent_count - 1].local, &wifi));
    solo_free(solo);
}

static void the_controlled_side_does_not_return_to_what_it_left_unless_it_is_named(void **state)
{
    (void)state;
    struct solo *solo = solo_new(false);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:10");
    assert_true(heard(solo, "203.0.113.9:10", NOMINATING, 2));
    ice_suspect(solo->ice, solo->now, false);
    solo_drain(solo);
    solo->now += 20 * MS;
    assert_true(answer(solo, last_request_to(solo, "203.0.113.9:9")));
    solo_run(solo, solo->now + 1 * S);
    assert_true(path_is(solo, "203.0.113.9:9"));
    ice_suspect(solo->ice, solo->now, false);
    solo_drain(solo);
    assert_true(answer(solo, last_request_to(solo, "203.0.113.9:10")));
    assert_true(answer(solo, last_request_to(solo, "203.0.113.9:9")));
    assert_true(path_is(solo, "203.0.113.9:9"));
    assert_true(heard(solo, "203.0.113.9:10", NOMINATING, 2));
    assert_true(path_is(solo, "203.0.113.9:10"));
    solo_free(solo);
}

static bool near(const struct addr *to)
{
    return addr_scope(to) == ADDR_PRIVATE;
}

static bool far(const struct addr *to)
{
    return !near(to);
}

static void what_is_left_behind_is_tried_less_and_less_often(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_HOST, "192.168.1.20:7");
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    ice_suspect(solo->ice, solo->now, false);
    solo_drain(solo);
    solo->now += 20 * MS;
    assert_true(answer(solo, last_request_to(solo, "203.0.113.9:9")));
    solo_run(solo, solo->now + 300 * MS);
    assert_true(path_is(solo, "203.0.113.9:9"));
    size_t before = sent_to(solo, "192.168.1.20:7");
    solo->answers = far;
    solo_run(solo, solo->now + 600 * S);
    assert_true(path_is(solo, "203.0.113.9:9"));
    assert_in_range(sent_to(solo, "192.168.1.20:7") - before, 3 * 8, 3 * 16);
    solo_free(solo);
}

static void a_worse_pair_that_failed_is_not_tried_again(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_HOST, "192.168.1.20:7");
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    size_t before = sent_to(solo, "203.0.113.9:9");
    solo->answers = near;
    solo_run(solo, solo->now + 200 * S);
    assert_in_range(sent_to(solo, "203.0.113.9:9") - before, 1, 3 * 3); /* as the spare; then no more */
    assert_null(solo->ice->spare);
    solo_free(solo);
}

/* ---- what is forgotten, and what is not ---- */

static void a_peer_heard_elsewhere_does_not_undo_what_it_names_afterwards(void **state)
{
    (void)state;
    struct solo *solo = solo_new(false);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:11");
    assert_true(heard(solo, "203.0.113.9:11", 0, 0));
    solo_drain(solo);
    solo->now += 2 * S;
    assert_true(heard(solo, "203.0.113.9:10", 0, 0));
    solo_drain(solo);
    assert_true(heard(solo, "203.0.113.9:11", NOMINATING, 2));
    assert_true(path_is(solo, "203.0.113.9:11"));
    solo_drain(solo);
    assert_true(answer(solo, last_request_to(solo, "203.0.113.9:10")));
    assert_true(path_is(solo, "203.0.113.9:11"));
    solo_free(solo);
}

static void a_path_that_answers_again_is_in_doubt_no_more(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_HOST, "192.168.1.20:7");
    ice_suspect(solo->ice, solo->now, false);
    solo_run(solo, solo->now + 2 * S);
    solo->answers = everybody;
    solo_run(solo, solo->now + 8 * S);
    solo->answers = NULL;
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    assert_true(path_is(solo, "192.168.1.20:7"));
    solo_free(solo);
}

static void the_path_that_was_is_the_spare_of_its_successor(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    validate(solo, CANDIDATE_HOST, "192.168.1.20:7");
    assert_true(path_is(solo, "192.168.1.20:7"));
    assert_ptr_equal(solo->ice->spare, pair_to(solo, "203.0.113.9:9"));
    solo_free(solo);
}

static void of_two_spares_of_a_kind_the_higher_priority_is_kept_warm(void **state)
{
    (void)state;
    static const char *const spares[] = {"203.0.113.9:9", "203.0.113.9:10"};
    for (unsigned high = 0; high < 2; high++) {
        struct solo *solo = solo_new(true);
        validate(solo, CANDIDATE_HOST, "192.168.1.20:7");
        solo->answers = everybody;
        for (unsigned i = 0; i < 2; i++) {
            assert_true(add_remote(solo, CANDIDATE_SRFLX, spares[i], i == high ? 0 : 9));
            solo_run(solo, solo->now + 1 * S);
        }
        solo_run(solo, solo->now + 20 * S);
        size_t to_low = sent_to(solo, spares[!high]), to_high = sent_to(solo, spares[high]);
        solo_run(solo, solo->now + 50 * S);
        assert_int_equal(sent_to(solo, spares[!high]), to_low);
        assert_true(sent_to(solo, spares[high]) >= to_high + 3);
        solo_free(solo);
    }
}

static void a_nomination_without_a_number_does_not_undo_a_numbered_one(void **state)
{
    (void)state;
    struct solo *solo = solo_new(false);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:10");
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:11");
    assert_true(heard(solo, "203.0.113.9:10", NOMINATING, 1));
    assert_true(heard(solo, "203.0.113.9:11", STUN_HAS_USE_CANDIDATE, 0));
    assert_true(path_is(solo, "203.0.113.9:10"));
    solo_free(solo);
}

static void of_pairs_alike_the_higher_priority_takes_over(void **state)
{
    (void)state;
    for (unsigned later_is_higher = 0; later_is_higher < 2; later_is_higher++) {
        struct solo *solo = solo_new(true);
        validate(solo, CANDIDATE_HOST, "192.168.1.20:7");
        solo->answers = everybody;
        assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", later_is_higher ? 9 : 0));
        assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:10", later_is_higher ? 0 : 9));
        solo_run(solo, solo->now + 3 * S);
        solo->answers = is_public;
        ice_suspect(solo->ice, solo->now, false);
        solo_run(solo, solo->now + 2 * S);
        assert_true(path_is(solo, later_is_higher ? "203.0.113.9:10" : "203.0.113.9:9"));
        solo_free(solo);
    }
}

static void what_has_failed_takes_nothing_over_however_good_it_was(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    struct addr wifi = at("192.168.5.10:5000");
    add_candidate(solo->ice, CANDIDATE_HOST, wifi, wifi, (struct addr){0});
    solo->answers = everybody;
    assert_true(add_remote(solo, CANDIDATE_HOST, "192.168.1.20:7", 0));
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", 0));
    solo_run(solo, solo->now + 5 * S);
    solo->answers = is_public;
    ice_suspect(solo->ice, solo->now, false);
    solo_run(solo, solo->now + 5 * S);
    struct path path;
    assert_true(ice_path(solo->ice, &path));
    assert_int_equal(path.kind, PATH_DIRECT);
    ice_remove_base(solo->ice, solo->now, &path.local);
    assert_true(ice_path(solo->ice, &path));
    assert_int_equal(path.kind, PATH_DIRECT);
    solo_free(solo);
}

static void who_loses_the_role_and_gets_it_back_names_its_path_anew(void **state)
{
    (void)state;
    struct solo *solo = regular();
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    solo->answers = everybody;
    solo_run(solo, solo->now + 1 * S);
    size_t before = nominations(solo, "203.0.113.9:9");
    assert_true(before > 0);
    solo->tie_breaker = UINT64_MAX;
    assert_true(heard(solo, "203.0.113.9:9", STUN_HAS_CONTROLLING, 0));
    assert_false(solo->ice->controlling);
    solo->tie_breaker = 0;
    assert_true(heard(solo, "203.0.113.9:9", STUN_HAS_CONTROLLED, 0));
    assert_true(solo->ice->controlling);
    solo_run(solo, solo->now + 1 * S);
    assert_true(nominations(solo, "203.0.113.9:9") > before);
    solo_free(solo);
}

static void what_was_named_before_the_roles_changed_counts_no_more(void **state)
{
    (void)state;
    struct solo *solo = solo_new(false);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    assert_true(heard(solo, "203.0.113.9:10", NOMINATING, 2));
    solo_drain(solo);
    solo->tie_breaker = 0;
    assert_true(heard(solo, "203.0.113.9:9", STUN_HAS_CONTROLLED, 0));
    solo->tie_breaker = UINT64_MAX;
    assert_true(heard(solo, "203.0.113.9:9", STUN_HAS_CONTROLLING, 0));
    assert_false(solo->ice->controlling);
    assert_true(answer(solo, last_request_to(solo, "203.0.113.9:10")));
    assert_true(path_is(solo, "203.0.113.9:9"));
    /* A peer that knows no numbers is followed as one that begins to count. */
    assert_true(heard(solo, "203.0.113.9:10", STUN_HAS_USE_CANDIDATE, 0));
    assert_true(path_is(solo, "203.0.113.9:10"));
    solo_free(solo);
}

static void regular_nomination_waits_for_nothing_that_is_no_better(void **state)
{
    (void)state;
    struct solo *solo = regular();
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:8", 0));
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    assert_int_equal(nominations(solo, "203.0.113.9:9"), 1);
    solo_free(solo);
}

static void regular_nomination_waits_for_nothing_that_has_failed(void **state)
{
    (void)state;
    struct solo *solo = regular();
    assert_true(add_remote(solo, CANDIDATE_HOST, "192.168.1.20:7", 0));
    solo_drain(solo);
    assert_true(refuse(solo, last_request_to(solo, "192.168.1.20:7"), 400));
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    assert_int_equal(nominations(solo, "203.0.113.9:9"), 1);
    solo_free(solo);
}

/* Both of its interfaces go at once; the third has a pair that worked long ago. */
static void a_pair_that_was_quiet_for_long_is_no_path_until_it_answers(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    struct addr second = at("192.168.5.10:5000"), third = at("192.168.6.10:5000");
    add_candidate(solo->ice, CANDIDATE_HOST, second, second, (struct addr){0});
    add_candidate(solo->ice, CANDIDATE_HOST, third, third, (struct addr){0});
    solo->answers = everybody;
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", 0));
    solo_run(solo, solo->now + 60 * S);
    struct path path;
    assert_true(ice_path(solo->ice, &path));
    struct addr used = path.local, spare = solo->ice->spare->base->address;
    ice_remove_base(solo->ice, solo->now, &spare);
    ice_remove_base(solo->ice, solo->now, &used);
    assert_false(ice_has_pair(solo->ice));
    solo_run(solo, solo->now + 5 * S);
    assert_true(ice_path(solo->ice, &path));
    assert_false(addr_equal(&path.local, &used) || addr_equal(&path.local, &spare));
    solo_free(solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_valid_pair_is_the_path_and_is_named_at_once),
        cmocka_unit_test(a_better_kind_takes_over_later_and_is_named_with_a_higher_number),
        cmocka_unit_test(a_worse_kind_does_not),
        cmocka_unit_test(within_a_kind_a_clearly_shorter_round_trip_takes_over),
        cmocka_unit_test(the_path_is_named_in_every_check_on_it),
        cmocka_unit_test(numbers_do_not_run_over),
        cmocka_unit_test(regular_nomination_comes_at_once_where_nothing_better_is_likely),
        cmocka_unit_test(regular_nomination_waits_a_little_for_a_better_kind),
        cmocka_unit_test(regular_nomination_waits_no_longer_than_100_ms),
        cmocka_unit_test(after_the_only_nomination_nothing_is_named_and_the_path_stays),
        cmocka_unit_test(a_nomination_that_got_lost_is_repeated),
        cmocka_unit_test(the_controlled_side_uses_the_first_valid_pair_until_one_is_named),
        cmocka_unit_test(it_never_names_a_pair_itself),
        cmocka_unit_test(a_named_pair_is_used_when_its_own_check_is_answered),
        cmocka_unit_test(a_nomination_that_was_overtaken_is_ignored),
        cmocka_unit_test(of_nominations_without_a_number_the_highest_priority_counts),
        cmocka_unit_test(use_candidate_from_the_controlled_side_means_nothing),
        cmocka_unit_test(a_path_that_does_not_answer_is_left_for_one_that_does),
        cmocka_unit_test(the_path_left_behind_is_tried_again_and_taken_back),
        cmocka_unit_test(a_removed_interface_gives_its_path_to_the_next_best_at_once),
        cmocka_unit_test(the_spare_is_of_another_base_or_kind),
        cmocka_unit_test(a_kind_that_is_learnt_later_is_told),
        cmocka_unit_test(every_path_says_why),
        cmocka_unit_test(who_becomes_controlling_names_the_path),
        cmocka_unit_test(who_becomes_controlled_follows_from_the_first_number_on),
        cmocka_unit_test(a_spare_that_does_not_answer_either_is_not_moved_to),
        cmocka_unit_test(of_several_that_answer_the_best_takes_over),
        cmocka_unit_test(a_path_that_answers_after_all_keeps_its_place),
        cmocka_unit_test(a_named_pair_that_was_quiet_for_long_is_verified_at_once),
        cmocka_unit_test(a_pair_under_verification_that_becomes_the_path_is_named_at_once),
        cmocka_unit_test(the_controlled_side_does_not_return_to_what_it_left_unless_it_is_named),
        cmocka_unit_test(what_is_left_behind_is_tried_less_and_less_often),
        cmocka_unit_test(a_worse_pair_that_failed_is_not_tried_again),
        cmocka_unit_test(a_peer_heard_elsewhere_does_not_undo_what_it_names_afterwards),
        cmocka_unit_test(a_path_that_answers_again_is_in_doubt_no_more),
        cmocka_unit_test(the_path_that_was_is_the_spare_of_its_successor),
        cmocka_unit_test(of_two_spares_of_a_kind_the_higher_priority_is_kept_warm),
        cmocka_unit_test(a_nomination_without_a_number_does_not_undo_a_numbered_one),
        cmocka_unit_test(of_pairs_alike_the_higher_priority_takes_over),
        cmocka_unit_test(a_pair_that_was_quiet_for_long_is_no_path_until_it_answers),
        cmocka_unit_test(what_has_failed_takes_nothing_over_however_good_it_was),
        cmocka_unit_test(who_loses_the_role_and_gets_it_back_names_its_path_anew),
        cmocka_unit_test(what_was_named_before_the_roles_changed_counts_no_more),
        cmocka_unit_test(regular_nomination_waits_for_nothing_that_is_no_better),
        cmocka_unit_test(regular_nomination_waits_for_nothing_that_has_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
