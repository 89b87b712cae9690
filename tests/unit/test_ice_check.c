/* test_ice_check.c - one check's life: when it leaves, how often, what its answer means (RFC 8445 6.1.4, 7.2,
 * 14). */
#include "ice_solo.h"

/* What is promised (ice.h), in figures of their own: a limit that is measured with itself always holds. */
enum {
    PROMISED_FAST = 20,
    PROMISED_SLOW_MS = 50,
    PROMISED_MAX = 100,
    HEARD_MAX = 30, /* of one pair */
};

/* `count` candidates at one address, ports from `port`. Returns how many were taken. */
static size_t add_many(struct solo *solo, const char *ip, unsigned port, unsigned count)
{
    size_t taken = 0;
    for (unsigned i = 0; i < count; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s:%u", ip, port + i);
        taken += add_remote(solo, CANDIDATE_SRFLX, text, 0);
    }
    return taken;
}

/* Never more than 20 at once and 20 a second after that. */
static void assert_paced(const struct solo *solo)
{
    for (size_t i = 0; i < solo->sent_count; i++)
        for (size_t j = i; j < solo->sent_count; j++) {
            uint64_t window = solo->sent[j].at - solo->sent[i].at;
            if (j - i + 1 > PROMISED_FAST + window / (PROMISED_SLOW_MS * MS))
                fail_msg("%zu checks in %llu ms", j - i + 1, (unsigned long long)(window / MS));
        }
}

/* ---- when ---- */

static void nothing_leaves_before_password_and_candidate_are_known(void **state)
{
    (void)state;
    struct solo *solo = solo_new_of(&(struct ice_config){.controlling = true, .paths = PATH_ALL});
    add_candidate(solo->ice, CANDIDATE_HOST, solo->base, solo->base, (struct addr){0});
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", 0));
    solo_run(solo, 5 * S);
    assert_int_equal(solo->sent_count, 0);
    ice_set_remote(solo->ice, solo->now, PEER_UFRAG, PEER_PWD);
    assert_int_equal(solo_drain(solo), 1); /* and then at once */
    solo_free(solo);

    solo = solo_new(true);
    solo_run(solo, 5 * S);
    assert_int_equal(solo->sent_count, 0);
    solo_free(solo);
}

static void a_check_says_what_the_rfc_wants(void **state)
{
    (void)state;
    for (unsigned controlling = 0; controlling < 2; controlling++) {
        struct solo *solo = solo_new(controlling);
        assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", 0));
        assert_int_equal(solo_drain(solo), 1);
        struct stun_msg msg = msg_of(&solo->sent[0]);
        assert_int_equal(msg.class, STUN_REQUEST);
        assert_int_equal(msg.method, STUN_BINDING);
        char username[64];
        snprintf(username, sizeof username, "%s:%s", PEER_UFRAG, ice_ufrag(solo->ice));
        assert_int_equal(msg.username.len, strlen(username));
        assert_memory_equal(msg.username.at, username, msg.username.len);
        unsigned role = controlling ? STUN_HAS_CONTROLLING : STUN_HAS_CONTROLLED;
        assert_int_equal(msg.has, STUN_HAS_PRIORITY | role | STUN_HAS_INTEGRITY | STUN_HAS_FINGERPRINT);
        assert_true(msg.tie_breaker == solo->ice->tie_breaker);
        assert_int_equal(msg.priority >> 24, 110); /* as a peer-reflexive candidate */
        assert_int_equal(msg.priority & 0xffffff, solo->ice->locals[0].priority & 0xffffff);
        struct stun_key key = {(const uint8_t *)PEER_PWD, strlen(PEER_PWD)};
        assert_int_equal(stun_check(&msg, solo->sent[0].data, &key), STUN_INTEGRITY_GOOD);
        assert_true(addr_equal(&solo->sent[0].local, &solo->base));
        solo_free(solo);
    }
}

static void copies_of_a_silent_pair_back_off_over_ten_seconds_and_end(void **state)
{
    (void)state;
    static const unsigned times[] = {0, 100, 300, 700, 1500, 3100, 4700, 6300, 7900, 9500};
    struct solo *solo = solo_new(true);
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", 0));
    solo_run(solo, 300 * S);
    assert_int_equal(solo->sent_count, sizeof times / sizeof *times);
    for (size_t i = 0; i < solo->sent_count; i++)
        assert_int_equal(solo->sent[i].at / MS, times[i]);
    assert_memory_equal(msg_of(&solo->sent[0]).id, msg_of(&solo->sent[6]).id,
                        STUN_ID_LEN - 1); /* one request */
    assert_memory_not_equal(msg_of(&solo->sent[0]).id, msg_of(&solo->sent[6]).id,
                            STUN_ID_LEN); /* its copies */
    assert_int_equal(pair_to(solo, "203.0.113.9:9")->state, PAIR_FAILED);
    assert_true(ice_deadline(solo->ice) == NEVER);
    solo_free(solo);
}

static void twenty_leave_at_once_then_twenty_a_second(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    assert_int_equal(add_many(solo, "203.0.113.9", 1000, 30), 30);
    solo_run(solo, 30 * S);
    assert_paced(solo);
    for (size_t i = 0; i < PROMISED_FAST; i++)
        assert_int_equal(solo->sent[i].at, i * 5 * MS);
    assert_int_equal(solo->sent[PROMISED_FAST].at, 100 * MS);
    for (size_t i = PROMISED_FAST; i < 30; i++)
        assert_true(solo->sent[i].at - solo->sent[i - 1].at <= PROMISED_SLOW_MS * MS);
    solo_free(solo);
}

static void everybody_is_tried_once_before_anybody_twice(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    assert_int_equal(add_many(solo, "203.0.113.9", 1000, 25), 25);
    solo_run(solo, 400 * MS);
    for (unsigned i = 0; i < 25; i++) {
        char text[32];
        snprintf(text, sizeof text, "203.0.113.9:%u", 1000 + i);
        assert_true(sent_to(solo, text) > 0);
    }
    solo_free(solo);
}

static void the_highest_priority_goes_first_and_kinds_take_turns(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    assert_true(add_remote(solo, CANDIDATE_HOST, "192.168.1.21:7", 3));
    assert_true(add_remote(solo, CANDIDATE_HOST, "192.168.1.22:7", 1));
    assert_true(add_remote(solo, CANDIDATE_HOST, "192.168.1.23:7", 2));
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", 0));
    solo_run(solo, 50 * MS);
    static const char *const order[] = {"192.168.1.22:7", "203.0.113.9:9", "192.168.1.23:7",
                                        "192.168.1.21:7"};
    assert_int_equal(solo->sent_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(last_to(solo, order[i]), i);
    solo_free(solo);
}

/* ---- triggered checks and the budget ---- */

static void a_heard_pair_is_checked_at_once(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    add_many(solo, "203.0.113.9", 1000, 10);
    solo_run(solo, 7 * MS); /* the next ordinary one is due at 10 */
    assert_int_equal(solo->sent_count, 2);
    assert_true(heard(solo, "203.0.113.9:1009", 0, 0));
    assert_int_equal(solo_drain(solo), 2); /* the answer and the check */
    assert_false(is_request(&solo->sent[2]));
    assert_true(is_request(&solo->sent[3]));
    assert_int_equal(last_to(solo, "203.0.113.9:1009"), 3);
    solo_free(solo);
}

static void copies_leave_room_for_a_triggered_check(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    add_many(solo, "203.0.113.9", 1000, 10);
    solo_run(solo, 160 * MS); /* the second copies are going */
    for (unsigned i = 0; i < 4; i++) {
        char text[32];
        snprintf(text, sizeof text, "203.0.113.9:%u", 1000 + i);
        assert_true(heard(solo, text, 0, 0));
        assert_int_equal(solo_drain(solo), 2);
    }
    solo_free(solo);
}

static void a_check_under_way_is_hurried_under_the_same_id(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", 0));
    solo_run(solo, 2 * S);
    size_t before = solo->sent_count;
    assert_true(heard(solo, "203.0.113.9:9", 0, 0));
    solo_run(solo, solo->now + 100 * MS);
    assert_int_equal(solo->sent_count - before, 3); /* answer, check, and a copy 100 ms after */
    assert_memory_equal(msg_of(&solo->sent[0]).id, msg_of(&solo->sent[before + 1]).id, STUN_ID_LEN - 1);
    solo_free(solo);
}

static void a_heard_pair_is_asked_often_until_its_share_is_used(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    assert_true(heard(solo, "203.0.113.9:9", 0, 0));
    solo_run(solo, 120 * S);
    assert_int_equal(solo->ice->stats.checks_sent, HEARD_MAX);
    for (size_t i = 2; i < solo->sent_count; i++)
        assert_true(solo->sent[i].at - solo->sent[i - 1].at <= 250 * MS);
    assert_true(ice_deadline(solo->ice) == NEVER);
    solo_free(solo);
}

static void pairs_that_are_heard_later_have_the_rest_of_the_budget(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    for (unsigned i = 0; i < 4; i++) {
        char text[32];
        snprintf(text, sizeof text, "203.0.113.9:%u", 9 + i);
        assert_true(heard(solo, text, 0, 0));
        solo_run(solo, (i + 1) * 100 * S);
        assert_int_equal(solo->ice->stats.checks_sent, i < 3 ? (i + 1) * HEARD_MAX : PROMISED_MAX);
    }
    solo_free(solo);
}

static void five_hundred_candidates_of_one_victim_cost_it_a_hundred_packets(void **state)
{
    (void)state;
    for (unsigned variant = 0; variant < 4; variant++) {
        struct solo *solo = solo_new(variant & 1);
        for (unsigned b = 1; b < 8; b++) { /* from every base of ours */
            char text[32];
            snprintf(text, sizeof text, "10.0.0.%u:5000", b);
            struct addr base = at(text);
            add_candidate(solo->ice, CANDIDATE_HOST, base, base, (struct addr){0});
        }
        for (unsigned i = 0; i < 500; i++) {
            add_many(solo, "198.51.100.66", 2000 + i, 1);
            if (variant >= 2) { /* a hostile peer forges the victim's address as well */
                char text[32];
                snprintf(text, sizeof text, "198.51.100.66:%u", 2000 + i % 7);
                char username[64];
                struct stun_msg msg = peer_check(solo, username, 0);
                struct addr from = at(text);
                assert_true(solo_input(solo, &from, &solo->base, &msg, ice_pwd(solo->ice)));
            }
            solo_run(solo, solo->now + (i % 2 ? 200 * MS : 1 * MS));
        }
        solo_run(solo, solo->now + 300 * S);
        size_t requests = 0;
        for (size_t i = 0; i < solo->sent_count; i++)
            requests += is_request(&solo->sent[i]);
        assert_int_equal(requests, solo->ice->stats.checks_sent);
        assert_in_range(requests, 60, PROMISED_MAX);
        if (variant < 2)
            assert_paced(solo);
        solo_free(solo);
    }
}

/* What is left of the hundred is kept for pairs on which the peer is heard. */
static void silent_addresses_get_their_share_of_the_budget_and_no_more(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    add_many(solo, "203.0.113.9", 1000, 30);
    solo_run(solo, 300 * S);
    assert_int_equal(solo->ice->stats.checks_sent, 40); /* of one kind */
    solo_free(solo);

    solo = solo_new(true);
    for (unsigned i = 0; i < 25; i++) {
        char text[32];
        snprintf(text, sizeof text, "192.168.1.%u:7", 20 + i);
        assert_true(add_remote(solo, CANDIDATE_HOST, text, 0));
    }
    add_many(solo, "203.0.113.9", 1000, 7);
    solo_run(solo, 300 * S);
    assert_int_equal(solo->ice->stats.checks_sent, 60); /* further copies, of all kinds together */
    assert_true(heard(solo, "203.0.113.9:1000", 0, 0));
    assert_true(heard(solo, "203.0.113.9:1001", 0, 0));
    solo_run(solo, 500 * S);
    assert_int_equal(solo->ice->stats.checks_sent, PROMISED_MAX);
    solo_free(solo);

    solo = solo_new(true);
    for (unsigned b = 1; b < 3; b++) {
        char text[32];
        snprintf(text, sizeof text, "10.0.0.%u:5000", b);
        struct addr base = at(text);
        add_candidate(solo->ice, CANDIDATE_HOST, base, base, (struct addr){0});
    }
    add_many(solo, "203.0.113.9", 1000, 32);
    solo_run(solo, 300 * S);
    assert_int_equal(solo->ice->stats.checks_sent, 80); /* first copies */
    solo_free(solo);
}

static bool own_server(const struct addr *to)
{
    struct addr theirs = at("203.0.113.5:1");
    return addr_equal_ip(to, &theirs);
}

static void an_accomplice_who_answers_does_not_raise_the_victims_share(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    solo->answers = own_server;
    for (unsigned i = 0; i < 500; i++) {
        add_many(solo, "203.0.113.5", 2000 + i, 1);
        add_many(solo, "198.51.100.66", 2000 + i, 1);
        solo_run(solo, solo->now + 100 * MS);
    }
    solo_run(solo, solo->now + 60 * S);
    size_t victim = 0;
    struct addr ip = at("198.51.100.66:1");
    for (size_t i = 0; i < solo->sent_count; i++)
        victim += addr_equal_ip(&solo->sent[i].remote, &ip);
    assert_in_range(victim, 20, PROMISED_MAX);
    solo_free(solo);
}

static void an_address_that_answers_gives_back_what_it_cost(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", 0));
    solo_run(solo, 1 * S);
    assert_int_equal(solo->ice->unanswered, 4);
    assert_true(answer(solo, last_to(solo, "203.0.113.9:9")));
    assert_int_equal(solo->ice->unanswered, 0);
    solo_free(solo);
}

static void a_peer_may_move_a_thousand_times(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    solo->answers = everybody;
    for (unsigned i = 0; i < 1000; i++) {
        char text[32];
        snprintf(text, sizeof text, "203.0.113.9:%u", 1000 + i);
        assert_true(heard(solo, text, 0, 0));
        solo_drain(solo);
        assert_true(answer(solo, last_to(solo, text)));
        solo_drain(solo);
        assert_true(path_is(solo, text));
        solo->due_count = solo->sent_count = 0;
        solo->now += 1 * S;
    }
    solo_free(solo);
}

static void ten_minutes_later_there_is_a_new_budget(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    assert_true(heard(solo, "203.0.113.9:9", 0, 0));
    assert_true(heard(solo, "203.0.113.9:10", 0, 0));
    assert_true(heard(solo, "203.0.113.9:11", 0, 0));
    assert_true(heard(solo, "203.0.113.9:12", 0, 0));
    solo_run(solo, 599 * S);
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.10:9", 0));
    solo_run(solo, 600 * S);
    assert_int_equal(solo->ice->stats.checks_sent, PROMISED_MAX);
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.11:9", 0));
    solo_run(solo, 1200 * S);
    assert_in_range(solo->ice->stats.checks_sent, PROMISED_MAX + 10, 2 * PROMISED_MAX);
    solo_free(solo);
}

static void the_clock_may_begin_anywhere(void **state)
{
    (void)state;
    static const uint64_t starts[] = {0, 1, 1u << 30, UINT64_C(1) << 62};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        struct solo *solo = solo_new(true);
        solo->now = starts[i];
        solo->answers = everybody;
        add_many(solo, "203.0.113.9", 1000, 3);
        solo_run(solo, starts[i] + 1 * S);
        assert_int_equal(events_of(solo, ICE_PATH), 1);
        assert_in_range(solo->sent_count, 4, 12);
        solo_free(solo);
    }
}

/* ---- answers ---- */

static void an_answer_makes_the_pair_valid_and_measures_the_round_trip(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    const struct ice_pair *pair = pair_to(solo, "203.0.113.9:9");
    assert_int_equal(pair->state, PAIR_VALID);
    assert_int_equal(pair->rtt, 20 * MS);
    assert_int_equal(events_of(solo, ICE_PATH), 1);
    assert_true(path_is(solo, "203.0.113.9:9"));
    solo_free(solo);
}

static void the_round_trip_is_counted_from_the_copy_that_was_answered(void **state)
{
    (void)state;
    static const unsigned answered_copy[] = {0, 1};
    for (size_t i = 0; i < 2; i++) {
        struct solo *solo = solo_new(true);
        assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", 0));
        solo_run(solo, 50 * MS);
        assert_true(heard(solo, "203.0.113.9:9", 0, 0)); /* another copy leaves at once */
        solo_run(solo, 50 * MS);
        size_t copies[2] = {0, last_request_to(solo, "203.0.113.9:9")};
        assert_int_equal(solo->sent[copies[1]].at, 50 * MS);
        size_t n = copies[answered_copy[i]];
        solo->now = solo->sent[n].at + 60 * MS;
        assert_true(answer(solo, n));
        assert_int_equal(pair_to(solo, "203.0.113.9:9")->rtt, 60 * MS);
        solo_free(solo);
    }
}

/* Sixteen copies are remembered. An answer to an older one proves the path, and measures nothing. */
static void a_copy_that_is_forgotten_measures_nothing(void **state)
{
    (void)state;
    for (unsigned more = 15; more < 17; more++) {
        struct solo *solo = solo_new(true);
        assert_true(heard(solo, "203.0.113.9:9", 0, 0));
        solo_drain(solo);
        size_t first = last_request_to(solo, "203.0.113.9:9");
        while (solo->ice->stats.checks_sent < 1 + more)
            solo_run(solo, ice_deadline(solo->ice));
        assert_true(answer(solo, first));
        assert_int_equal(pair_to(solo, "203.0.113.9:9")->state, PAIR_VALID);
        assert_int_equal(pair_to(solo, "203.0.113.9:9")->rtt, more < 16 ? solo->now : 0);
        solo_free(solo);
    }
}

/* The number of a copy that never left is nobody's: with the other 95 bits it would still prove nothing. */
static void an_id_of_a_copy_that_never_left_is_no_answer(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", 0));
    assert_int_equal(solo_drain(solo), 1);
    struct stun_msg msg = msg_of(&solo->sent[0]);
    struct stun_msg reply = {
        .class = STUN_SUCCESS, .method = STUN_BINDING, .has = STUN_HAS_INTEGRITY | STUN_HAS_FINGERPRINT};
    memcpy(reply.id, msg.id, sizeof reply.id);
    reply.id[STUN_ID_LEN - 1] ^= 1;
    reply.mapped = solo->base;
    assert_false(solo_input(solo, &solo->sent[0].remote, &solo->base, &reply, PEER_PWD));
    assert_int_equal(pair_to(solo, "203.0.113.9:9")->state, PAIR_CHECKING);
    solo_free(solo);
}

static struct stun_msg success_of(struct solo *solo, size_t n)
{
    struct stun_msg msg = {.class = STUN_SUCCESS, .method = STUN_BINDING, .mapped = solo->base};
    memcpy(msg.id, msg_of(&solo->sent[n]).id, sizeof msg.id);
    return msg;
}

static void an_answer_from_elsewhere_fails_the_pair(void **state)
{
    (void)state;
    for (unsigned wrong = 0; wrong < 2; wrong++) {
        struct solo *solo = solo_new(true);
        assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", 0));
        solo_drain(solo);
        struct stun_msg msg = success_of(solo, 0);
        struct addr from = at(wrong ? "203.0.113.9:9" : "203.0.113.9:10");
        struct addr to = wrong ? at("192.168.1.11:5000") : solo->base;
        assert_true(solo_input(solo, &from, &to, &msg, PEER_PWD));
        assert_int_equal(pair_to(solo, "203.0.113.9:9")->state, PAIR_FAILED);
        assert_null(solo->ice->path);
        solo_free(solo);
    }
}

static void an_answer_that_proves_nothing_changes_nothing(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", 0));
    solo_drain(solo);
    struct addr from = at("203.0.113.9:9");
    struct stun_msg msg = success_of(solo, 0);
    assert_false(solo_input(solo, &from, &solo->base, &msg, "WrongPasswordWrongPasswo"));
    msg = success_of(solo, 0);
    assert_false(solo_input(solo, &from, &solo->base, &msg, NULL));
    msg = success_of(solo, 0);
    msg.mapped = (struct addr){0};
    assert_true(solo_input(solo, &from, &solo->base, &msg, PEER_PWD));
    msg = success_of(solo, 0);
    msg.id[3] ^= 1;
    assert_false(solo_input(solo, &from, &solo->base, &msg, PEER_PWD));
    assert_int_equal(solo->ice->stats.unauthenticated, 2);
    assert_int_equal(solo->ice->stats.malformed, 1);
    assert_int_equal(pair_to(solo, "203.0.113.9:9")->state, PAIR_CHECKING);
    assert_true(answer(solo, 0)); /* the true one still counts */
    assert_int_equal(pair_to(solo, "203.0.113.9:9")->state, PAIR_VALID);
    assert_false(answer(solo, 0)); /* but once */
    solo_free(solo);
}

static void a_late_answer_does_not_reopen_a_failed_pair(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", 0));
    solo_run(solo, 60 * S);
    assert_false(answer(solo, 0));
    assert_int_equal(pair_to(solo, "203.0.113.9:9")->state, PAIR_FAILED);
    solo_free(solo);
}

static void an_answer_to_any_copy_counts(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", 0));
    solo_run(solo, 600 * MS); /* a satellite: three copies are out */
    assert_int_equal(solo->sent_count, 3);
    assert_true(answer(solo, 0));
    assert_int_equal(pair_to(solo, "203.0.113.9:9")->state, PAIR_VALID);
    solo_free(solo);
}

static void an_error_fails_the_pair(void **state)
{
    (void)state;
    static const uint16_t errors[] = {400, 401, 403, 420, 500};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        struct solo *solo = solo_new(true);
        assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", 0));
        solo_drain(solo);
        assert_true(refuse(solo, 0, errors[i]));
        assert_int_equal(pair_to(solo, "203.0.113.9:9")->state, PAIR_FAILED);
        solo_run(solo, 30 * S);
        assert_int_equal(solo->sent_count, 1);
        solo_free(solo);
    }
}

static void refused_for_its_role_it_changes_and_asks_again_at_once(void **state)
{
    (void)state;
    for (unsigned controlling = 0; controlling < 2; controlling++) {
        struct solo *solo = solo_new(controlling);
        assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", 0));
        solo_drain(solo);
        uint64_t tie_breaker = solo->ice->tie_breaker;
        assert_true(refuse(solo, 0, 487));
        assert_int_equal(solo->ice->controlling, !controlling);
        assert_true(solo->ice->tie_breaker != tie_breaker); /* RFC 8445 7.1.3 */
        assert_int_equal(solo_drain(solo), 1);
        struct stun_msg msg = msg_of(&solo->sent[1]);
        assert_int_equal(!!(msg.has & STUN_HAS_CONTROLLING), !controlling);
        assert_true(memcmp(msg.id, msg_of(&solo->sent[0]).id, STUN_ID_LEN) != 0);
        assert_true(answer(solo, 1));
        assert_int_equal(pair_to(solo, "203.0.113.9:9")->state, PAIR_VALID);
        solo_free(solo);
    }
}

static void a_refusal_of_the_role_it_no_longer_has_changes_nothing(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", 0));
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:10", 0));
    solo_run(solo, 10 * MS);
    assert_true(refuse(solo, 0, 487));
    assert_false(solo->ice->controlling);
    assert_true(refuse(solo, 1, 487)); /* asked in the same role as the first */
    assert_false(solo->ice->controlling);
    solo_free(solo);
}

static void our_address_as_the_peer_sees_it_becomes_a_candidate(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", 0));
    solo_drain(solo);
    struct stun_msg msg = success_of(solo, 0);
    msg.mapped = at("203.0.113.1:4711");
    struct addr from = at("203.0.113.9:9");
    assert_true(solo_input(solo, &from, &solo->base, &msg, PEER_PWD));
    assert_int_equal(solo->ice->local_count, 2);
    const struct candidate *found = &solo->ice->locals[1];
    assert_int_equal(found->kind, CANDIDATE_PRFLX);
    assert_true(addr_equal(&found->address, &msg.mapped));
    assert_true(addr_equal(&found->base, &solo->base));
    assert_int_equal(found->priority, msg_of(&solo->sent[0]).priority); /* RFC 8445 7.2.5.3.1 */
    assert_int_equal(pair_count(solo->ice), 1);
    solo_free(solo);
}

static void what_the_peer_sees_never_fills_the_table(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    for (unsigned i = 0; i < 100; i++) {
        struct stun_msg msg = success_of(solo, next_to(solo, "203.0.113.9:9"));
        msg.mapped = at("203.0.113.1:1");
        msg.mapped.port = (uint16_t)(1000 + i);
        struct addr from = at("203.0.113.9:9");
        assert_true(solo_input(solo, &from, &solo->base, &msg, PEER_PWD));
        solo_drain(solo);
    }
    assert_int_equal(solo->ice->local_count, ICE_LOCALS_MAX);
    assert_true(path_is(solo, "203.0.113.9:9"));
    struct addr other = at("192.168.9.9:5000");
    add_candidate(solo->ice, CANDIDATE_HOST, other, other, (struct addr){0}); /* a new network still fits */
    solo_free(solo);
}

static void a_new_mapping_of_ours_has_the_other_holes_opened_again(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:10");
    struct stun_msg msg = success_of(solo, next_to(solo, "203.0.113.9:9")); /* a consent check */
    size_t before = sent_to(solo, "203.0.113.9:10");
    msg.mapped = at("203.0.113.1:999");
    struct addr from = at("203.0.113.9:9");
    assert_true(solo_input(solo, &from, &solo->base, &msg, PEER_PWD));
    solo_drain(solo);
    assert_true(sent_to(solo, "203.0.113.9:10") > before);
    solo_free(solo);
}

static void a_path_that_is_there_does_not_stop_the_other_pairs(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    assert_true(add_remote(solo, CANDIDATE_HOST, "192.168.1.20:7", 0));
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    size_t before = sent_to(solo, "192.168.1.20:7");
    solo_run(solo, solo->now + 2 * S);
    assert_true(sent_to(solo, "192.168.1.20:7") > before);
    assert_true(answer(solo, last_to(solo, "192.168.1.20:7")));
    assert_true(path_is(solo, "192.168.1.20:7"));
    solo_free(solo);
}

static void a_triggered_check_goes_before_an_ordinary_one(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    add_many(solo, "203.0.113.9", 1000, 10);
    solo_run(solo, 7 * MS);
    solo->now = 10 * MS; /* the third ordinary one is due as well */
    assert_true(heard(solo, "203.0.113.9:1009", 0, 0));
    assert_true(solo_drain(solo) >= 2);
    assert_int_equal(last_to(solo, "203.0.113.9:1009"), 3);
    solo_free(solo);
}

static void idle_time_is_not_saved_up_for_a_burst(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    add_many(solo, "203.0.113.9", 1000, 1);
    solo_run(solo, 100 * S);
    add_many(solo, "203.0.113.9", 2000, 30);
    solo_run(solo, 200 * S);
    assert_paced(solo);
    solo_free(solo);
}

static void a_path_spares_the_others_their_second_round(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    assert_true(add_remote(solo, CANDIDATE_HOST, "192.168.1.20:7", 0));
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    solo_run(solo, 25 * S);
    assert_int_equal(sent_to(solo, "192.168.1.20:7"), 7);
    solo_free(solo);
}

static void a_refused_role_computes_priorities_anew(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", 0));
    solo_drain(solo);
    uint64_t before = pair_to(solo, "203.0.113.9:9")->priority;
    assert_true(refuse(solo, 0, 487));
    assert_true(pair_to(solo, "203.0.113.9:9")->priority != before);
    solo_free(solo);
}

static void an_answer_makes_a_triggered_check_needless(void **state)
{
    (void)state;
    struct solo *solo = solo_new(false);
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", 0));
    solo_drain(solo);
    assert_true(heard(solo, "203.0.113.9:9", 0, 0));
    assert_true(answer(solo, 0));
    assert_int_equal(solo_drain(solo), 1); /* the answer to the peer's */
    solo_free(solo);
}

static void the_round_trip_is_smoothed(void **state)
{
    (void)state;
    struct solo *solo = solo_new(false);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    size_t n = next_to(solo, "203.0.113.9:9");
    solo->now = solo->sent[n].at + 36 * MS;
    assert_true(answer(solo, n));
    assert_int_equal(solo->ice->path->rtt, 22 * MS); /* an eighth of the difference to 20 */
    solo_free(solo);
}

static void an_answer_after_the_renewal_gives_back_only_what_was_spent_since(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    assert_true(heard(solo, "203.0.113.9:9", 0, 0));
    solo_run(solo, 700 * S);
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.10:9", 0));
    assert_int_equal(solo->ice->unanswered, 0);
    assert_true(heard(solo, "203.0.113.9:9", 0, 0));
    solo_drain(solo);
    assert_true(answer(solo, last_request_to(solo, "203.0.113.9:9")));
    assert_in_range(solo->ice->unanswered, 0, 1);
    solo_free(solo);
}

/* Silence elsewhere is no reason: it has shown that it wants to be asked. */
static void an_address_that_has_answered_is_asked_from_a_new_interface_whatever_is_spent(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    add_many(solo, "198.51.100.7", 1000, 16);
    solo_run(solo, solo->now + 3 * S);
    size_t before = sent_to(solo, "203.0.113.9:9");
    struct addr wifi = at("192.168.5.10:5000");
    add_candidate(solo->ice, CANDIDATE_HOST, wifi, wifi, (struct addr){0});
    solo_run(solo, solo->now + 200 * MS);
    assert_true(sent_to(solo, "203.0.113.9:9") > before);
    assert_true(addr_equal(&solo->sent[last_request_to(solo, "203.0.113.9:9")].local, &wifi));
    solo_free(solo);
}

/* Where the budget makes several wait. */
static void of_two_that_were_heard_the_first_is_checked_first(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    add_many(solo, "203.0.113.9", 1000, 30);
    solo_run(solo, 101 * MS); /* what may go at once has gone */
    assert_true(heard(solo, "203.0.113.9:1027", 0, 0));
    solo_drain(solo);
    assert_true(heard(solo, "203.0.113.9:1029", 0, 0));
    solo_drain(solo);
    solo->now += 1 * MS;
    assert_true(heard(solo, "203.0.113.9:1028", 0, 0));
    solo_drain(solo);
    solo_run(solo, solo->now + 1 * S);
    size_t first = SIZE_MAX, second = SIZE_MAX;
    struct addr earlier_heard = at("203.0.113.9:1029"), later_heard = at("203.0.113.9:1028");
    for (size_t i = solo->sent_count; i-- > 0;) {
        if (is_request(&solo->sent[i]) && addr_equal(&solo->sent[i].remote, &earlier_heard))
            first = i;
        if (is_request(&solo->sent[i]) && addr_equal(&solo->sent[i].remote, &later_heard))
            second = i;
    }
    assert_true(first < second && second != SIZE_MAX);
    assert_true(solo->sent[second].at > solo->sent[first].at);
    solo_free(solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_leaves_before_password_and_candidate_are_known),
        cmocka_unit_test(a_check_says_what_the_rfc_wants),
        cmocka_unit_test(copies_of_a_silent_pair_back_off_over_ten_seconds_and_end),
        cmocka_unit_test(twenty_leave_at_once_then_twenty_a_second),
        cmocka_unit_test(everybody_is_tried_once_before_anybody_twice),
        cmocka_unit_test(the_highest_priority_goes_first_and_kinds_take_turns),
        cmocka_unit_test(a_heard_pair_is_checked_at_once),
        cmocka_unit_test(copies_leave_room_for_a_triggered_check),
        cmocka_unit_test(a_check_under_way_is_hurried_under_the_same_id),
        cmocka_unit_test(a_heard_pair_is_asked_often_until_its_share_is_used),
        cmocka_unit_test(pairs_that_are_heard_later_have_the_rest_of_the_budget),
        cmocka_unit_test(five_hundred_candidates_of_one_victim_cost_it_a_hundred_packets),
        cmocka_unit_test(silent_addresses_get_their_share_of_the_budget_and_no_more),
        cmocka_unit_test(an_accomplice_who_answers_does_not_raise_the_victims_share),
        cmocka_unit_test(an_address_that_answers_gives_back_what_it_cost),
        cmocka_unit_test(a_peer_may_move_a_thousand_times),
        cmocka_unit_test(ten_minutes_later_there_is_a_new_budget),
        cmocka_unit_test(the_clock_may_begin_anywhere),
        cmocka_unit_test(an_answer_makes_the_pair_valid_and_measures_the_round_trip),
        cmocka_unit_test(the_round_trip_is_counted_from_the_copy_that_was_answered),
        cmocka_unit_test(a_copy_that_is_forgotten_measures_nothing),
        cmocka_unit_test(an_id_of_a_copy_that_never_left_is_no_answer),
        cmocka_unit_test(an_answer_from_elsewhere_fails_the_pair),
        cmocka_unit_test(an_answer_that_proves_nothing_changes_nothing),
        cmocka_unit_test(a_late_answer_does_not_reopen_a_failed_pair),
        cmocka_unit_test(an_answer_to_any_copy_counts),
        cmocka_unit_test(an_error_fails_the_pair),
        cmocka_unit_test(refused_for_its_role_it_changes_and_asks_again_at_once),
        cmocka_unit_test(a_refusal_of_the_role_it_no_longer_has_changes_nothing),
        cmocka_unit_test(our_address_as_the_peer_sees_it_becomes_a_candidate),
        cmocka_unit_test(what_the_peer_sees_never_fills_the_table),
        cmocka_unit_test(a_new_mapping_of_ours_has_the_other_holes_opened_again),
        cmocka_unit_test(a_path_that_is_there_does_not_stop_the_other_pairs),
        cmocka_unit_test(a_triggered_check_goes_before_an_ordinary_one),
        cmocka_unit_test(idle_time_is_not_saved_up_for_a_burst),
        cmocka_unit_test(a_path_spares_the_others_their_second_round),
        cmocka_unit_test(a_refused_role_computes_priorities_anew),
        cmocka_unit_test(an_answer_makes_a_triggered_check_needless),
        cmocka_unit_test(the_round_trip_is_smoothed),
        cmocka_unit_test(an_answer_after_the_renewal_gives_back_only_what_was_spent_since),
        cmocka_unit_test(an_address_that_has_answered_is_asked_from_a_new_interface_whatever_is_spent),
        cmocka_unit_test(of_two_that_were_heard_the_first_is_checked_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
