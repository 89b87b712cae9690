/* test_ice_request.c - what the peer's checks mean to us, and our answers (RFC 8445 7.3). */
#include "ice_solo.h"

/* The only datagram that wants to leave now. */
static struct stun_msg the_answer(struct solo *solo)
{
    size_t before = solo->sent_count;
    assert_true(solo_drain(solo) >= 1);
    struct stun_msg msg = msg_of(&solo->sent[before]);
    assert_true(msg.class == STUN_SUCCESS || msg.class == STUN_ERROR);
    struct stun_key key = {(const uint8_t *)ice_pwd(solo->ice), strlen(ice_pwd(solo->ice))};
    assert_int_equal(stun_check(&msg, solo->sent[before].data, &key), STUN_INTEGRITY_GOOD);
    assert_true(msg.has & STUN_HAS_FINGERPRINT);
    return msg;
}

static void a_check_is_answered_at_once_to_where_it_came_from(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    char username[64];
    struct stun_msg check = peer_check(solo, username, 0);
    struct addr from = at("203.0.113.9:9");
    assert_true(solo_input(solo, &from, &solo->base, &check, ice_pwd(solo->ice)));
    struct stun_msg msg = the_answer(solo);
    assert_int_equal(msg.class, STUN_SUCCESS);
    assert_memory_equal(msg.id, check.id, sizeof msg.id);
    assert_true(addr_equal(&msg.mapped, &from));
    assert_true(addr_equal(&solo->sent[0].remote, &from));
    assert_true(addr_equal(&solo->sent[0].local, &solo->base));
    assert_int_equal(solo->ice->stats.checks_received, 1);
    solo_free(solo);
}

static void strangers_get_nothing_not_even_an_error(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    char username[64];
    struct addr from = at("203.0.113.9:9");
    struct stun_msg msg = peer_check(solo, username, 0);
    assert_false(solo_input(solo, &from, &solo->base, &msg, "WrongPasswordWrongPasswo"));
    msg = peer_check(solo, username, 0);
    assert_false(solo_input(solo, &from, &solo->base, &msg, PEER_PWD)); /* reflected: theirs, not ours */
    msg = peer_check(solo, username, 0);
    assert_false(solo_input(solo, &from, &solo->base, &msg, NULL));
    assert_int_equal(solo->ice->stats.unauthenticated, 3);
    username[0] ^= 1;
    assert_false(solo_input(solo, &from, &solo->base, &msg, ice_pwd(solo->ice)));
    msg.username = (struct stun_text){0};
    assert_false(solo_input(solo, &from, &solo->base, &msg, ice_pwd(solo->ice)));
    assert_int_equal(solo->ice->stats.unauthenticated, 3); /* for others: not counted */
    assert_int_equal(solo_drain(solo), 0);
    assert_int_equal(pair_count(solo->ice), 0);
    assert_false(ice_is_proven(solo->ice, &from));
    solo_free(solo);
}

static void the_name_must_be_followed_by_a_colon(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool ours;
    } cases[] = {{"abcd:x", true},   {"abcd:", true},     {"abcd", false},
                 {"abcde:x", false}, {"abc:abcd", false}, {"", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stun_msg msg = {.username = {cases[i].name, strlen(cases[i].name)}};
        assert_int_equal(ice_is_for(&msg, "abcd"), cases[i].ours);
    }
    assert_false(ice_is_for(&(struct stun_msg){0}, "abcd"));
    struct stun_msg cut = {.username = {"abcd:x", 4}}; /* the colon is not part of it */
    assert_false(ice_is_for(&cut, "abcd"));
}

static void indications_and_other_methods_are_not_ours(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    char username[64];
    struct addr from = at("203.0.113.9:9");
    struct stun_msg msg = peer_check(solo, username, 0);
    msg.class = STUN_INDICATION;
    assert_false(solo_input(solo, &from, &solo->base, &msg, ice_pwd(solo->ice)));
    msg = peer_check(solo, username, 0);
    msg.method = 3; /* Allocate */
    assert_false(solo_input(solo, &from, &solo->base, &msg, ice_pwd(solo->ice)));
    uint8_t junk[] = {0x40, 1, 2, 3};
    struct packet in = {.local = solo->base, .remote = from, .data = junk, .len = sizeof junk};
    assert_false(ice_input(solo->ice, 0, &in));
    assert_int_equal(solo_drain(solo), 0);
    solo_free(solo);
}

static void a_check_without_priority_is_malformed(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    char username[64];
    struct addr from = at("203.0.113.9:9");
    struct stun_msg msg = peer_check(solo, username, 0);
    msg.has &= ~(unsigned)STUN_HAS_PRIORITY;
    assert_true(solo_input(solo, &from, &solo->base, &msg, ice_pwd(solo->ice)));
    assert_int_equal(solo->ice->stats.malformed, 1);
    assert_int_equal(solo_drain(solo), 0);
    solo_free(solo);
}

static void what_it_must_understand_and_does_not_is_refused_with_420(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    char username[64];
    struct stun_msg msg = peer_check(solo, username, STUN_HAS_INTEGRITY);
    uint8_t data[600];
    struct stun_key key = {(const uint8_t *)ice_pwd(solo->ice), strlen(ice_pwd(solo->ice))};
    size_t len = stun_encode(&msg, &key, data, sizeof data);
    assert_true(stun_decode(&msg, data, len));
    msg.unknown[0] = 0x7777; /* as if one had been found: the encoder writes none */
    msg.unknown_count = 1;
    struct packet in = {.local = solo->base, .remote = at("203.0.113.9:9"), .data = data, .len = len};
    assert_true(ice_request_input(solo->ice, 0, &in, &msg));
    struct stun_msg refusal = the_answer(solo);
    assert_int_equal(refusal.class, STUN_ERROR);
    assert_int_equal(refusal.error, 420);
    assert_int_equal(solo->sent_count, 1); /* and nothing else came of it */
    assert_int_equal(pair_count(solo->ice), 0);
    solo_free(solo);
}

static void addresses_and_kinds_that_are_not_ours_to_use_are_not_answered(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    char username[64];
    struct addr from = at("203.0.113.9:9"), other = at("10.7.7.7:5000");
    struct stun_msg msg = peer_check(solo, username, 0);
    assert_true(solo_input(solo, &from, &other, &msg, ice_pwd(solo->ice))); /* an interface left out */
    assert_true(heard(solo, "127.0.0.1:7", 0, 0));                          /* not on this machine */
    solo->ice->config.paths = PATH_BIT(PATH_LAN);
    assert_true(heard(solo, "203.0.113.9:9", 0, 0));
    assert_int_equal(solo_drain(solo), 0);
    assert_int_equal(solo->event_count, 0);
    assert_false(ice_is_proven(solo->ice, &from));
    solo_free(solo);
}

static void our_own_check_that_comes_back_is_not_the_peers(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", 0));
    solo_drain(solo);
    struct packet in = {.local = solo->base,
                        .remote = at("203.0.113.1:4000"),
                        .data = solo->sent[0].data,
                        .len = solo->sent[0].len};
    assert_false(ice_input(solo->ice, 0, &in)); /* a NAT with hairpin, and the peer's address is our own */
    assert_int_equal(solo_drain(solo), 0);
    solo_free(solo);
}

static void without_a_local_address_the_base_of_the_family_answers(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    char username[64];
    struct stun_msg msg = peer_check(solo, username, 0);
    struct addr from = at("203.0.113.9:9"), none = {0};
    assert_true(solo_input(solo, &from, &none, &msg, ice_pwd(solo->ice)));
    assert_int_equal(solo_drain(solo), 2);
    assert_non_null(pair_to(solo, "203.0.113.9:9"));
    solo_free(solo);
}

/* ---- before the answer to our offer is here ---- */

static struct solo *early(void)
{
    struct solo *solo =
        solo_new_of(&(struct ice_config){.controlling = false, .renominate = true, .paths = PATH_ALL});
    ice_set_own(solo->ice, &solo->base, 1);
    add_candidate(solo->ice, CANDIDATE_HOST, solo->base, solo->base, (struct addr){0});
    return solo;
}

static void early_checks_are_answered_and_remembered(void **state)
{
    (void)state;
    struct solo *solo = early();
    assert_true(heard(solo, "203.0.113.9:9", 0, 0));
    assert_int_equal(solo_drain(solo), 1);
    assert_int_equal(events_of(solo, ICE_HEARD), 1);
    struct addr from = at("203.0.113.9:9"), other = at("203.0.113.9:10");
    assert_true(ice_is_proven(solo->ice, &from)); /* to take QUIC from, before it has answered */
    assert_false(ice_is_proven(solo->ice, &other));
    assert_true(path_is(solo, "203.0.113.9:9")); /* the first QUIC packet may go there */
    solo_run(solo, 300 * MS);
    assert_int_equal(solo->sent_count, 1);
    ice_set_remote(solo->ice, solo->now, PEER_UFRAG, PEER_PWD);
    assert_int_equal(solo_drain(solo), 1); /* checked without any announced candidate, at once */
    assert_int_equal(last_to(solo, "203.0.113.9:9"), 1);
    assert_true(is_request(&solo->sent[1]));
    solo_free(solo);
}

static void an_early_nomination_counts_when_the_pair_is_valid(void **state)
{
    (void)state;
    struct solo *solo = early();
    assert_true(heard(solo, "203.0.113.9:9", STUN_HAS_USE_CANDIDATE | STUN_HAS_NOMINATION, 3));
    solo_drain(solo);
    ice_set_remote(solo->ice, solo->now, PEER_UFRAG, PEER_PWD);
    validate(solo, CANDIDATE_HOST, "203.0.113.9:9");
    assert_true(path_is(solo, "203.0.113.9:9"));
    assert_int_equal(solo->ice->nomination, 3);
    solo_free(solo);
}

static void only_the_first_check_is_told_and_it_stays_the_way_until_one_is_valid(void **state)
{
    (void)state;
    struct solo *solo = early();
    assert_true(heard(solo, "203.0.113.9:9", 0, 0));
    assert_true(heard(solo, "203.0.113.9:10", 0, 0));
    solo_drain(solo);
    assert_int_equal(events_of(solo, ICE_HEARD), 1);
    assert_true(addr_equal(&solo->events[0].path.remote,
                           &(struct addr){.family = 4, .ip = {203, 0, 113, 9}, .port = 9}));
    assert_true(path_is(solo, "203.0.113.9:9"));
    ice_set_remote(solo->ice, solo->now, PEER_UFRAG, PEER_PWD);
    solo_run(solo, 1 * MS);
    assert_true(answer(solo, last_to(solo, "203.0.113.9:10")));
    assert_true(path_is(solo, "203.0.113.9:10"));
    solo_free(solo);
}

static void a_flood_of_checks_is_answered_with_the_latest(void **state)
{
    (void)state;
    struct solo *solo = early();
    for (unsigned i = 0; i < 50; i++) {
        char text[32];
        snprintf(text, sizeof text, "203.0.113.9:%u", 1000 + i);
        assert_true(heard(solo, text, 0, 0)); /* never drained */
    }
    assert_int_equal(solo_drain(solo), ICE_REPLIES_MAX);
    assert_int_equal(last_to(solo, "203.0.113.9:1049"), ICE_REPLIES_MAX - 1);
    solo_free(solo);
}

/* ---- roles (RFC 8445 7.3.1.1) ---- */

static void role_conflicts_are_settled_by_the_tie_breaker(void **state)
{
    (void)state;
    static const struct {
        bool controlling;
        uint64_t ours, theirs;
        bool refused, controlling_after;
    } cases[] = {
        {true, 9, 5, true, true},          {true, 5, 5, true, true},
        {true, 5, 9, false, false},        {false, 9, 5, false, true},
        {false, 5, 5, false, true},        {false, 5, 9, true, false},
        {true, UINT64_MAX, 0, true, true}, {false, 0, UINT64_MAX, true, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct solo *solo = solo_new(cases[i].controlling);
        solo->ice->tie_breaker = cases[i].ours;
        solo->tie_breaker = cases[i].theirs;
        assert_true(heard(solo, "203.0.113.9:9",
                          cases[i].controlling ? STUN_HAS_CONTROLLING : STUN_HAS_CONTROLLED, 0));
        struct stun_msg msg = the_answer(solo);
        assert_int_equal(msg.class, cases[i].refused ? STUN_ERROR : STUN_SUCCESS);
        assert_int_equal(msg.error, cases[i].refused ? 487 : 0);
        assert_int_equal(solo->ice->controlling, cases[i].controlling_after);
        assert_int_equal(events_of(solo, ICE_HEARD), cases[i].refused ? 0 : 1);
        solo_free(solo);
    }
}

static void a_check_without_a_role_is_no_conflict(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    char username[64];
    struct stun_msg msg = peer_check(solo, username, 0);
    msg.has &= ~(unsigned)(STUN_HAS_CONTROLLED | STUN_HAS_CONTROLLING);
    struct addr from = at("203.0.113.9:9");
    assert_true(solo_input(solo, &from, &solo->base, &msg, ice_pwd(solo->ice)));
    assert_int_equal(the_answer(solo).class, STUN_SUCCESS);
    assert_true(solo->ice->controlling);
    solo_free(solo);
}

/* ---- a NAT that maps anew ---- */

static void a_hint_from_the_paths_own_address_is_checked(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    solo_run(solo, solo->now + 1 * S);
    uint8_t quic[30] = {0x40};
    struct packet in = {
        .local = solo->base, .remote = at("203.0.113.9:77"), .data = quic, .len = sizeof quic};
    ice_hint(solo->ice, solo->now, &in);
    solo_drain(solo);
    assert_int_equal(sent_to(solo, "203.0.113.9:77"), 1);
    assert_false(ice_is_proven(solo->ice, &in.remote));
    solo->now += 20 * MS;
    assert_true(answer(solo, last_to(solo, "203.0.113.9:77")));
    assert_true(path_is(solo, "203.0.113.9:77"));
    assert_true(ice_is_proven(solo->ice, &in.remote));
    solo_free(solo);
}

static void a_hint_that_is_forged_costs_one_check_a_second_and_moves_nothing(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    solo->answers = everybody;
    solo_run(solo, solo->now + 1 * S);
    solo->answers = NULL;
    uint8_t quic[30] = {0x40};
    uint64_t start = solo->now;
    size_t before = solo->ice->stats.checks_sent;
    for (unsigned i = 0; i < 1000; i++) {
        struct packet in = {
            .local = solo->base, .remote = at("203.0.113.9:1"), .data = quic, .len = sizeof quic};
        in.remote = at("198.51.100.66:5"); /* not even the peer's address */
        ice_hint(solo->ice, solo->now, &in);
        in.remote = at("203.0.113.9:1");
        in.remote.port = (uint16_t)(1000 + i);
        ice_hint(solo->ice, solo->now, &in);
        solo_run(solo, start + (i + 1) * 2 * MS);
        if (last_to(solo, "203.0.113.9:9") != SIZE_MAX)
            answer(solo, last_to(solo, "203.0.113.9:9"));
    }
    assert_int_equal(sent_to(solo, "198.51.100.66:5"), 0);
    assert_in_range(solo->ice->stats.checks_sent - before, 1, 25);
    assert_true(path_is(solo, "203.0.113.9:9"));
    solo_free(solo);
}

static void a_hint_without_a_path_is_ignored(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    uint8_t quic[30] = {0x40};
    struct packet in = {
        .local = solo->base, .remote = at("203.0.113.9:77"), .data = quic, .len = sizeof quic};
    ice_hint(solo->ice, 0, &in);
    assert_int_equal(solo_drain(solo), 0);
    assert_int_equal(pair_count(solo->ice), 0);
    solo_free(solo);
}

/* ---- somebody else is heard ---- */

static void who_has_just_answered_is_not_doubted(void **state)
{
    (void)state;
    struct solo *solo = solo_new(false);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    size_t before = sent_to(solo, "203.0.113.9:9");
    solo->now += 400 * MS;
    assert_true(heard(solo, "203.0.113.9:10", 0, 0));
    solo_drain(solo);
    assert_int_equal(sent_to(solo, "203.0.113.9:9"), before);
    solo->now += 200 * MS;
    assert_true(heard(solo, "203.0.113.9:11", 0, 0));
    solo_drain(solo);
    assert_int_equal(sent_to(solo, "203.0.113.9:9"), before + 1); /* later it is */
    solo_free(solo);
}

static void a_check_of_another_kind_does_not_cast_doubt(void **state)
{
    (void)state;
    struct solo *solo = solo_new(false);
    validate(solo, CANDIDATE_HOST, "192.168.1.20:7");
    size_t before = sent_to(solo, "192.168.1.20:7");
    solo->now += 2 * S;
    assert_true(heard(solo, "203.0.113.9:9", 0, 0));
    solo_drain(solo);
    assert_int_equal(sent_to(solo, "192.168.1.20:7"), before);
    assert_null(solo->ice->successor);
    solo_free(solo);
}

/* ---- every state with every message ---- */

enum word {
    CHECK,
    NOMINATING,
    CHECK_WITH_CONFLICT,
    SUCCESS,
    ELSEWHERE,
    REFUSED_487,
    REFUSED_400,
    FORGED,
    WORDS
};

static void say(struct solo *solo, enum word what)
{
    const char *remote = "203.0.113.9:9";
    size_t n = SIZE_MAX;
    for (size_t i = solo->sent_count; i-- > 0 && n == SIZE_MAX;)
        if (is_request(&solo->sent[i]))
            n = i;
    switch (what) {
    case CHECK:
        heard(solo, remote, 0, 0);
        return;
    case NOMINATING:
        heard(solo, remote, STUN_HAS_USE_CANDIDATE | STUN_HAS_NOMINATION, 1);
        return;
    case CHECK_WITH_CONFLICT:
        heard(solo, remote, solo->ice->controlling ? STUN_HAS_CONTROLLING : STUN_HAS_CONTROLLED, 0);
        return;
    default:
        break;
    }
    if (n == SIZE_MAX)
        return;
    struct stun_msg msg = {.class = STUN_SUCCESS, .method = STUN_BINDING, .mapped = solo->base};
    memcpy(msg.id, msg_of(&solo->sent[n]).id, sizeof msg.id);
    struct addr elsewhere = at("203.0.113.99:9"), from = solo->sent[n].remote;
    if (what == SUCCESS)
        answer(solo, n);
    else if (what == ELSEWHERE)
        solo_input(solo, &elsewhere, &solo->base, &msg, PEER_PWD);
    else if (what == REFUSED_487)
        refuse(solo, n, 487);
    else if (what == REFUSED_400)
        refuse(solo, n, 400);
    else
        solo_input(solo, &from, &solo->base, &msg, "ForgedPasswordForgedPass");
}

/* What must hold whatever happened. */
static void assert_sane(struct solo *solo)
{
    const struct ice *ice = solo->ice;
    if (ice->path) {
        assert_true(ice->path->used && ice->path->answered);
        assert_false(ice->stalled);
    }
    if (ice->spare)
        assert_true(ice->spare->used && ice->spare != ice->path && ice->spare->state == PAIR_VALID);
    unsigned unanswered = 0;
    for (size_t i = 0; i < ICE_REMOTES_MAX; i++)
        if (ice->remotes[i].used && !ice->remotes[i].answered)
            unanswered += ice->remotes[i].unanswered;
    assert_in_range(ice->unanswered, unanswered, ICE_CHECKS_MAX);
    ICE_EACH_PAIR(ice, pair)
    {
        if (pair->state == PAIR_VALID)
            assert_true(pair->answered);
        if (pair->state == PAIR_WAITING)
            assert_false(pair->txn.running);
    }
}

/* Brings the pair into each state, then says one thing, then another, then lets time pass. */
static void every_state_takes_every_message(void **state)
{
    (void)state;
    for (unsigned controlling = 0; controlling < 2; controlling++)
        for (unsigned begin = 0; begin < 7; begin++)
            for (unsigned first = 0; first < WORDS; first++)
                for (unsigned second = 0; second < WORDS; second++) {
                    struct solo *solo = solo_new(controlling);
                    if (begin >= 1) /* 0: no pair at all; 1: waiting */
                        add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", 0);
                    if (begin >= 2) /* checking */
                        solo_drain(solo);
                    if (begin == 3) /* failed */
                        solo_run(solo, 30 * S);
                    if (begin >= 4) { /* valid */
                        answer(solo, 0);
                        solo_drain(solo);
                    }
                    if (begin == 5) /* doubted: verifications go unanswered */
                        solo_run(solo, 12 * S);
                    if (begin == 6) /* stalled */
                        solo_run(solo, 40 * S);
                    say(solo, (enum word)first);
                    assert_sane(solo);
                    solo_drain(solo);
                    say(solo, (enum word)second);
                    solo_drain(solo);
                    assert_sane(solo);
                    solo_run(solo, solo->now + 10 * S);
                    assert_sane(solo);
                    solo_run(solo, solo->now + 200 * S);
                    assert_sane(solo);
                    size_t count = solo->sent_count;
                    solo_run(solo, solo->now + 100 * S);
                    assert_int_equal(solo->sent_count, count); /* silence in the end */
                    solo_free(solo);
                }
}

static void a_lost_agent_takes_and_says_nothing(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:9");
    solo_run(solo, 200 * S);
    assert_int_equal(events_of(solo, ICE_LOST), 1);
    size_t count = solo->sent_count;
    assert_false(heard(solo, "203.0.113.9:9", 0, 0));
    add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:10", 0);
    ice_suspect(solo->ice, solo->now, true);
    ice_restart_checks(solo->ice, solo->now);
    struct packet in = {.local = solo->base, .remote = at("203.0.113.9:11")};
    ice_hint(solo->ice, solo->now, &in);
    solo_run(solo, 400 * S);
    assert_int_equal(solo->sent_count, count);
    assert_int_equal(events_of(solo, ICE_LOST), 1);
    assert_true(ice_deadline(solo->ice) == NEVER);
    struct path path;
    assert_false(ice_path(solo->ice, &path));
    solo_free(solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_check_is_answered_at_once_to_where_it_came_from),
        cmocka_unit_test(strangers_get_nothing_not_even_an_error),
        cmocka_unit_test(the_name_must_be_followed_by_a_colon),
        cmocka_unit_test(indications_and_other_methods_are_not_ours),
        cmocka_unit_test(a_check_without_priority_is_malformed),
        cmocka_unit_test(what_it_must_understand_and_does_not_is_refused_with_420),
        cmocka_unit_test(addresses_and_kinds_that_are_not_ours_to_use_are_not_answered),
        cmocka_unit_test(our_own_check_that_comes_back_is_not_the_peers),
        cmocka_unit_test(without_a_local_address_the_base_of_the_family_answers),
        cmocka_unit_test(early_checks_are_answered_and_remembered),
        cmocka_unit_test(an_early_nomination_counts_when_the_pair_is_valid),
        cmocka_unit_test(only_the_first_check_is_told_and_it_stays_the_way_until_one_is_valid),
        cmocka_unit_test(a_flood_of_checks_is_answered_with_the_latest),
        cmocka_unit_test(role_conflicts_are_settled_by_the_tie_breaker),
        cmocka_unit_test(a_check_without_a_role_is_no_conflict),
        cmocka_unit_test(a_hint_from_the_paths_own_address_is_checked),
        cmocka_unit_test(a_hint_that_is_forged_costs_one_check_a_second_and_moves_nothing),
        cmocka_unit_test(a_hint_without_a_path_is_ignored),
        cmocka_unit_test(every_state_takes_every_message),
        cmocka_unit_test(a_lost_agent_takes_and_says_nothing),
        cmocka_unit_test(who_has_just_answered_is_not_doubted),
        cmocka_unit_test(a_check_of_another_kind_does_not_cast_doubt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
