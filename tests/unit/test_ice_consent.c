/* test_ice_consent.c - whether the peer still lives: consent, suspicion, silence, the end (RFC 7675). */
#include "ice_solo.h"

static const char *const PATH = "203.0.113.9:9";

/* A path that was answered just now; from here on nobody answers. Returns when that was. */
static uint64_t last_proof(struct solo *solo)
{
    validate(solo, CANDIDATE_SRFLX, PATH);
    solo->answers = everybody;
    solo_run(solo, solo->now + 20 * S);
    solo->answers = NULL;
    solo->due_count = 0;
    return solo->ice->proof;
}

static bool is_public(const struct addr *to)
{
    return addr_scope(to) == ADDR_GLOBAL;
}

static bool only_port_10(const struct addr *to)
{
    return to->port == 10;
}

static uint64_t last_sent(const struct solo *solo)
{
    return solo->sent[solo->sent_count - 1].at;
}

/* ---- consent ---- */

/* So many ms later this one answers what it was asked last. */
static void answer_after(struct solo *solo, unsigned ms, const char *address)
{
    solo->now += ms * MS;
    assert_true(answer(solo, last_request_to(solo, address)));
    solo_drain(solo);
}

/* All are asked, this one answers soon. */
static void suspect_and_answer(struct solo *solo, const char *address)
{
    ice_suspect(solo->ice, solo->now, false);
    solo_drain(solo);
    answer_after(solo, 5, address);
}

static void the_path_is_asked_every_four_to_six_seconds(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_SRFLX, PATH);
    solo->answers = everybody;
    solo_run(solo, solo->now + 1 * S);
    size_t first = solo->sent_count;
    solo_run(solo, solo->now + 600 * S);
    uint64_t shortest = NEVER, longest = 0;
    for (size_t i = first + 1; i < solo->sent_count; i++) {
        uint64_t gap = solo->sent[i].at - solo->sent[i - 1].at;
        shortest = earlier(shortest, gap);
        longest = later(longest, gap);
    }
    assert_in_range(shortest / MS, 4000, 4500); /* RFC 7675 5.1: 5 s, randomised by 0.8 to 1.2 */
    assert_in_range(longest / MS, 5500, 6020);
    assert_int_equal(solo->event_count, 1);
    solo_free(solo);
}

static void the_spare_is_kept_warm_every_fifteen_seconds(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_HOST, "192.168.1.20:7");
    validate(solo, CANDIDATE_SRFLX, PATH);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:10"); /* neither path nor spare */
    solo->answers = everybody;
    solo_run(solo, solo->now + 1 * S);
    size_t before = solo->sent_count, spare = 0, other = 0;
    uint64_t last = solo->now, longest = 0;
    solo_run(solo, solo->now + 150 * S);
    const struct addr *warm = &solo->ice->spare->to;
    for (size_t i = before; i < solo->sent_count; i++) {
        if (addr_equal(&solo->sent[i].remote, warm)) {
            longest = later(longest, solo->sent[i].at - last);
            last = solo->sent[i].at;
            spare++;
        } else if (solo->sent[i].remote.port != 7) {
            other++;
        }
    }
    assert_in_range(spare, 9, 11);
    assert_true(longest < 20 * S); /* the shortest life of a mapping */
    assert_int_equal(other, 0);
    solo_free(solo);
}

static void an_unanswered_consent_check_is_repeated_quickly(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    last_proof(solo);
    size_t n = next_to(solo, PATH);
    uint64_t start = solo->sent[n].at;
    solo_run(solo, start + 160 * MS);
    assert_int_equal(solo->sent_count - n, 3); /* 0, 50 and 150 ms: the round trip is 20 */
    assert_int_equal(solo->sent[n + 1].at - start, 50 * MS);
    assert_int_equal(solo->sent[n + 2].at - start, 150 * MS);
    assert_true(path_is(solo, PATH));
    assert_true(answer(solo, n + 2));
    solo_drain(solo);
    assert_false(solo->ice->suspicious);
    solo_free(solo);
}

static void a_long_round_trip_is_waited_for(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    solo->rtt = 320 * MS;
    last_proof(solo);
    size_t n = next_to(solo, PATH);
    solo_run(solo, solo->sent[n].at + 2 * S);
    assert_int_equal(solo->sent[n + 1].at - solo->sent[n].at, 400 * MS); /* 1.25 times */
    solo_free(solo);
}

static void consent_expires_thirty_seconds_after_the_last_proof_and_then_there_is_silence(void **state)
{
    (void)state;
    for (unsigned controlling = 0; controlling < 2; controlling++) {
        struct solo *solo = solo_new(controlling);
        uint64_t proof = last_proof(solo);
        struct path path;
        solo_run(solo, proof + 30 * S - 1);
        assert_true(ice_path(solo->ice, &path));
        solo_run(solo, proof + 119 * S);
        assert_false(ice_path(solo->ice, &path));
        assert_true(when(solo, ICE_STALLED) == proof + 30 * S);
        assert_true(last_sent(solo) < proof + 30 * S);
        assert_true(last_sent(solo) > proof + 20 * S); /* it did ask until then */
        solo_free(solo);
    }
}

static void a_peer_that_is_silent_for_two_minutes_is_lost(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    uint64_t proof = last_proof(solo);
    solo_run(solo, proof + 500 * S);
    assert_int_equal(events_of(solo, ICE_STALLED), 1);
    assert_int_equal(events_of(solo, ICE_LOST), 1);
    assert_true(when(solo, ICE_LOST) == proof + 120 * S);
    assert_true(last_sent(solo) < proof + 30 * S);
    assert_true(ice_deadline(solo->ice) == NEVER);
    solo_free(solo);
}

static void while_the_peer_is_silent_it_is_asked_less_and_less_often(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    last_proof(solo);
    size_t before = solo->sent_count;
    solo_run(solo, solo->now + 40 * S);
    assert_in_range(solo->sent_count - before, 15, 40);
    solo_free(solo);
}

/* ---- coming back ---- */

static void a_check_of_the_sleeper_revives_everything(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    uint64_t proof = last_proof(solo);
    solo_run(solo, proof + 100 * S);
    assert_int_equal(events_of(solo, ICE_STALLED), 1);
    assert_true(heard(solo, PATH, 0, 0));
    assert_int_equal(solo_drain(solo), 2); /* the answer and a check */
    struct path path;
    assert_false(ice_path(solo->ice, &path)); /* heard is not consent */
    answer_after(solo, 20, PATH);
    assert_true(path_is(solo, PATH));
    assert_int_equal(solo->events[solo->event_count - 1].type, ICE_PATH);
    solo->answers = everybody;
    solo_run(solo, solo->now + 300 * S);
    assert_int_equal(events_of(solo, ICE_LOST), 0);
    solo_free(solo);
}

static void a_sleeper_may_come_back_from_elsewhere(void **state)
{
    (void)state;
    struct solo *solo = solo_new(false);
    uint64_t proof = last_proof(solo);
    solo_run(solo, proof + 60 * S);
    assert_true(heard(solo, "198.51.100.20:1234", STUN_HAS_USE_CANDIDATE | STUN_HAS_NOMINATION, 5));
    solo_drain(solo);
    solo->now += 20 * MS;
    assert_true(answer(solo, last_request_to(solo, "198.51.100.20:1234")));
    assert_true(path_is(solo, "198.51.100.20:1234"));
    solo_free(solo);
}

static void a_check_that_does_not_answer_back_only_postpones_nothing(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    uint64_t proof = last_proof(solo);
    for (unsigned i = 0; i < 60; i++) { /* recorded and replayed by somebody on the way */
        solo_run(solo, proof + 31 * S + i * S);
        heard(solo, PATH, 0, 0);
    }
    solo_run(solo, proof + 200 * S);
    assert_true(when(solo, ICE_LOST) == proof + 120 * S);
    solo_free(solo);
}

static void a_new_candidate_of_the_silent_peer_is_tried(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    uint64_t proof = last_proof(solo);
    solo_run(solo, proof + 60 * S);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.44:4");
    assert_true(path_is(solo, "203.0.113.44:4"));
    solo_free(solo);
}

static void after_our_own_sleep_everything_is_checked_again(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    last_proof(solo);
    solo->now += 3600 * S; /* the clock jumped */
    size_t before = sent_to(solo, PATH);
    ice_restart_checks(solo->ice, solo->now);
    struct path path;
    assert_false(ice_path(solo->ice, &path)); /* consent is long gone */
    solo_drain(solo);
    assert_true(sent_to(solo, PATH) > before);
    answer_after(solo, 20, PATH);
    assert_true(path_is(solo, PATH));
    assert_int_equal(events_of(solo, ICE_LOST), 0);
    solo_free(solo);
}

static void a_sleep_that_ended_alone_is_silent_again_after_thirty_seconds(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    last_proof(solo);
    solo->now += 3600 * S;
    uint64_t woken = solo->now;
    ice_restart_checks(solo->ice, woken);
    solo_run(solo, woken + 300 * S);
    assert_true(last_sent(solo) < woken + 30 * S);
    assert_true(when(solo, ICE_LOST) == woken + 120 * S);
    solo_free(solo);
}

static void a_restart_verifies_what_worked_and_tries_what_failed(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    assert_true(add_remote(solo, CANDIDATE_HOST, "192.168.1.20:7", 0));
    last_proof(solo);
    assert_int_equal(pair_to(solo, "192.168.1.20:7")->state, PAIR_VALID);
    solo_free(solo);

    solo = solo_new(true);
    assert_true(add_remote(solo, CANDIDATE_HOST, "192.168.1.20:7", 0));
    solo_run(solo, 30 * S);
    validate(solo, CANDIDATE_SRFLX, PATH);
    size_t failed = sent_to(solo, "192.168.1.20:7"), path = sent_to(solo, PATH);
    solo->now += 2 * S;
    ice_restart_checks(solo->ice, solo->now);
    assert_true(path_is(solo, PATH)); /* goes on meanwhile */
    assert_int_equal(solo->ice->path->state, PAIR_VALID);
    solo_run(solo, solo->now + 50 * MS);
    assert_true(sent_to(solo, "192.168.1.20:7") > failed);
    assert_true(sent_to(solo, PATH) > path);
    solo_free(solo);
}

/* ---- suspicion ---- */

static void a_suspicion_asks_at_once_and_an_answer_ends_it(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    last_proof(solo);
    ice_suspect(solo->ice, solo->now, true);
    assert_int_equal(solo_drain(solo), 1);
    for (unsigned i = 0; i < 1000; i++) { /* a flood of forged goodbyes */
        ice_suspect(solo->ice, solo->now, true);
        assert_int_equal(solo_drain(solo), 0);
    }
    answer_after(solo, 20, PATH);
    assert_false(solo->ice->suspicious);
    assert_int_equal(events_of(solo, ICE_LOST), 0);
    assert_true(ice_deadline(solo->ice) >= solo->now + 4 * S); /* what was due for it is due no more */
    solo_free(solo);
}

static void a_thousand_forged_goodbyes_do_not_end_it(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    last_proof(solo);
    solo->answers = everybody;
    size_t before = solo->sent_count;
    for (unsigned i = 0; i < 1000; i++) {
        ice_suspect(solo->ice, solo->now, true);
        solo_run(solo, solo->now + 5 * MS);
    }
    solo_run(solo, solo->now + 20 * S);
    assert_int_equal(events_of(solo, ICE_LOST) + events_of(solo, ICE_STALLED), 0);
    assert_true(path_is(solo, PATH));
    assert_true(solo->sent_count - before < 300); /* one a round trip */
    solo_free(solo);
}

static void a_goodbye_and_no_answer_is_the_end_within_eight_seconds(void **state)
{
    (void)state;
    static const uint64_t rtts[] = {0, 20 * MS, 320 * MS, 3 * S};
    for (size_t i = 0; i < sizeof rtts / sizeof *rtts; i++) {
        struct solo *solo = solo_new(true);
        last_proof(solo);
        solo->ice->path->rtt = rtts[i];
        uint64_t start = solo->now;
        size_t before = solo->sent_count;
        ice_suspect(solo->ice, start, true);
        solo_run(solo, start + 15 * S);
        assert_int_equal(events_of(solo, ICE_LOST), 1);
        assert_in_range((when(solo, ICE_LOST) - start) / MS, 700, 8000);
        assert_int_equal(solo->sent_count - before, 9); /* three checks of three copies */
        assert_true(ice_deadline(solo->ice) == NEVER);
        solo_free(solo);
    }
}

static void a_goodbye_that_comes_during_a_suspicion_counts(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    last_proof(solo);
    uint64_t start = solo->now;
    ice_suspect(solo->ice, start, false);
    solo_run(solo, start + 5 * S);
    assert_int_equal(events_of(solo, ICE_LOST), 0);
    ice_suspect(solo->ice, solo->now, true);
    solo_run(solo, start + 10 * S);
    assert_int_equal(events_of(solo, ICE_LOST), 1);
    solo_free(solo);
}

/* The broker says it of whoever was silent for as long as it waits: of a sleeper too. */
static void a_goodbye_after_a_long_silence_tells_nothing(void **state)
{
    (void)state;
    for (unsigned after = 9; after < 119; after += 10) {
        struct solo *solo = solo_new(true);
        uint64_t proof = last_proof(solo);
        solo_run(solo, proof + after * S);
        ice_suspect(solo->ice, solo->now, true);
        solo_run(solo, proof + 119 * S);
        assert_int_equal(events_of(solo, ICE_LOST), 0);
        solo_free(solo);
    }
}

static void a_word_over_another_way_takes_a_goodbye_back(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    last_proof(solo);
    uint64_t start = solo->now;
    ice_suspect(solo->ice, start, true);
    solo_run(solo, start + 500 * MS);
    ice_is_alive(solo->ice);
    solo_run(solo, start + 60 * S);
    assert_int_equal(events_of(solo, ICE_LOST), 0);
    solo_free(solo);
}

static void who_still_checks_us_has_not_gone(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    last_proof(solo);
    uint64_t start = solo->now;
    ice_suspect(solo->ice, start, true);
    solo_run(solo, start + 500 * MS);
    assert_true(heard(solo, "203.0.113.9:77", 0, 0));
    solo_run(solo, start + 15 * S);
    assert_int_equal(events_of(solo, ICE_LOST), 0);
    solo_free(solo);
}

static void suspicion_alone_never_loses_the_peer_before_two_minutes(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    uint64_t proof = last_proof(solo);
    for (unsigned i = 0; i < 110; i++) {
        ice_suspect(solo->ice, solo->now, false);
        solo_run(solo, solo->now + 1 * S);
    }
    assert_int_equal(events_of(solo, ICE_LOST), 0);
    assert_true(when(solo, ICE_STALLED) == proof + 30 * S);
    assert_true(last_sent(solo) < proof + 30 * S);
    solo_free(solo);
}

static void before_any_pair_is_valid_there_is_nothing_to_suspect(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    assert_true(add_remote(solo, CANDIDATE_SRFLX, PATH, 0));
    ice_suspect(solo->ice, 0, true);
    solo_run(solo, 5 * S);
    assert_int_equal(solo->event_count, 0);
    assert_true(answer(solo, last_request_to(solo, PATH)));
    assert_true(path_is(solo, PATH));
    solo_free(solo);
}

/* Our address has gone, and with it the broker's word for us: the peer's may be a mistake of the same kind.
 */
static void without_any_pair_left_a_goodbye_waits_some_seconds_for_a_new_one(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    last_proof(solo);
    uint64_t start = solo->now;
    ice_remove_base(solo->ice, solo->now, &solo->base);
    ice_suspect(solo->ice, solo->now, true);
    solo_run(solo, start + 5 * S);
    assert_int_equal(events_of(solo, ICE_LOST), 0);
    solo_run(solo, start + 8 * S);
    assert_int_equal(events_of(solo, ICE_LOST), 1);
    solo_free(solo);
}

static void the_spare_answers_first_but_the_path_is_given_its_time(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_HOST, "192.168.1.20:7");
    validate(solo, CANDIDATE_SRFLX, PATH);
    suspect_and_answer(solo, PATH);
    solo->now += 100 * MS;
    solo_drain(solo);
    assert_true(answer(solo, last_request_to(solo, "192.168.1.20:7")));
    solo_run(solo, solo->now + 1 * S);
    assert_true(path_is(solo, "192.168.1.20:7"));
    assert_int_equal(events_of(solo, ICE_PATH), 1);
    solo_free(solo);
}

/* ---- failure to connect ---- */

static void it_fails_ten_seconds_after_both_lists_are_complete(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    assert_true(add_remote(solo, CANDIDATE_SRFLX, PATH, 0));
    ice_locals_complete(solo->ice, 0);
    solo_run(solo, 20 * S);
    assert_int_equal(solo->event_count, 0);
    ice_remotes_complete(solo->ice, solo->now);
    solo_run(solo, 25 * S);
    ice_remotes_complete(solo->ice, solo->now); /* a second time changes nothing */
    solo_run(solo, 60 * S);
    assert_int_equal(events_of(solo, ICE_FAILED), 1);
    assert_true(when(solo, ICE_FAILED) == 30 * S);
    assert_non_null(strstr(solo->events[0].why, "1 direct pair did not answer"));
    solo_free(solo);
}

static void a_failed_agent_connects_when_it_is_checked(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    ice_locals_complete(solo->ice, 0);
    ice_remotes_complete(solo->ice, 0);
    solo_run(solo, 60 * S);
    assert_int_equal(events_of(solo, ICE_FAILED), 1);
    assert_true(heard(solo, PATH, 0, 0));
    solo_drain(solo);
    solo->now += 20 * MS;
    assert_true(answer(solo, last_request_to(solo, PATH)));
    assert_true(path_is(solo, PATH));
    solo_run(solo, solo->now + 20 * S);
    assert_int_equal(events_of(solo, ICE_FAILED), 1);
    solo_free(solo);
}

static void whoever_has_connected_does_not_fail(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_SRFLX, PATH);
    ice_locals_complete(solo->ice, solo->now);
    ice_remotes_complete(solo->ice, solo->now);
    solo_run(solo, 100 * S);
    assert_int_equal(events_of(solo, ICE_FAILED), 0);
    solo_free(solo);
}

static void copies_under_way_end_with_the_consent(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    uint64_t proof = last_proof(solo);
    solo_run(solo, proof + 30 * S - 10 * MS);
    ice_check_verify(solo->ice, solo->now, solo->ice->path);
    solo->ice->quiet_until = 0;
    solo_run(solo, proof + 60 * S);
    assert_true(last_sent(solo) < proof + 30 * S);
    solo_free(solo);
}

static void whoever_connects_in_time_does_not_fail(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    ice_locals_complete(solo->ice, 0);
    ice_remotes_complete(solo->ice, 0);
    solo_run(solo, 9 * S);
    validate(solo, CANDIDATE_SRFLX, PATH);
    solo_run(solo, 20 * S);
    assert_int_equal(events_of(solo, ICE_FAILED), 0);
    solo_free(solo);
}

static void a_path_takes_back_what_was_not_yet_told(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_SRFLX, PATH);
    ice_tell(solo->ice, ICE_FAILED);
    ice_tell(solo->ice, ICE_STALLED);
    ice_tell(solo->ice, ICE_PATH);
    size_t before = solo->event_count;
    solo_drain(solo);
    assert_int_equal(solo->event_count, before + 1);
    assert_int_equal(solo->events[before].type, ICE_PATH);
    solo_free(solo);
}

static void a_check_of_the_peer_cuts_the_wait_of_a_suspicion_short(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    last_proof(solo);
    ice_suspect(solo->ice, solo->now, false);
    solo_run(solo, solo->now + 15 * S); /* seconds lie between the rounds by now */
    while (solo->ice->path->txn.running)
        solo_run(solo, ice_deadline(solo->ice));
    size_t before = solo->ice->stats.checks_sent;
    assert_true(heard(solo, PATH, 0, 0));
    solo_drain(solo);
    assert_int_equal(solo->ice->stats.checks_sent, before + 1);
    solo_free(solo);
}

static void a_goodbye_does_not_wait_for_the_next_round(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    last_proof(solo);
    ice_suspect(solo->ice, solo->now, false);
    solo_run(solo, solo->now + 5 * S);
    while (solo->ice->path->txn.running)
        solo_run(solo, ice_deadline(solo->ice));
    uint64_t start = solo->now;
    ice_suspect(solo->ice, start, true);
    solo_run(solo, start + 10 * S);
    assert_true(when(solo, ICE_LOST) < start + 1 * S);
    solo_free(solo);
}

/* When requests began to go there: what follows within 450 ms is a copy. */
static size_t rounds_to(struct solo *solo, const char *address, uint64_t since, uint64_t *began, size_t most)
{
    struct addr to = at(address);
    uint64_t last = 0;
    size_t count = 0;
    for (size_t i = 0; i < solo->sent_count && count < most; i++) {
        struct sent *sent = &solo->sent[i];
        if (sent->at < since || !addr_equal(&sent->remote, &to) || !is_request(sent))
            continue;
        if (sent->at >= last + 450 * MS)
            began[count++] = sent->at;
        last = sent->at;
    }
    return count;
}

/* Two pairs that answer, and then nobody does. */
static void validate_two(struct solo *solo)
{
    validate(solo, CANDIDATE_HOST, "192.168.1.20:7");
    validate(solo, CANDIDATE_SRFLX, PATH);
    solo->answers = everybody;
    solo_run(solo, solo->now + 1 * S);
    solo->answers = NULL;
    solo->due_count = 0;
    assert_true(path_is(solo, "192.168.1.20:7"));
}

static void between_the_rounds_of_a_suspicion_the_wait_doubles_from_half_a_second_to_two(void **state)
{
    (void)state;
    static const unsigned waits_ms[] = {500, 1000, 2000, 2000};
    struct solo *solo = solo_new(true);
    last_proof(solo);
    for (unsigned suspicion = 0; suspicion < 2; suspicion++) { /* one that was answered is forgotten */
        uint64_t began[5], start = solo->now;
        ice_suspect(solo->ice, start, false);
        solo_run(solo, start + 12 * S);
        assert_int_equal(rounds_to(solo, PATH, start, began, 5), 5);
        uint64_t round = began[1] - began[0] - waits_ms[0] * MS; /* three copies in vain */
        assert_in_range(round / MS, 100, 1500);
        for (unsigned i = 0; i < 4; i++)
            assert_int_equal(began[i + 1] - began[i], round + waits_ms[i] * MS);
        next_to(solo, PATH);
        answer_after(solo, 0, PATH);
    }
    solo_free(solo);
}

static void a_goodbye_after_a_suspicion_that_passed_has_its_three_rounds(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    last_proof(solo);
    ice_suspect(solo->ice, solo->now, false);
    solo_run(solo, solo->now + 10 * S);
    next_to(solo, PATH);
    answer_after(solo, 0, PATH);
    size_t before = solo->sent_count;
    ice_suspect(solo->ice, solo->now, true);
    solo_run(solo, solo->now + 15 * S);
    assert_int_equal(events_of(solo, ICE_LOST), 1);
    assert_int_equal(solo->sent_count - before, 9);
    solo_free(solo);
}

static void a_goodbye_eight_seconds_after_the_last_proof_is_no_news(void **state)
{
    (void)state;
    for (uint64_t early = 0; early < 2; early++) {
        struct solo *solo = solo_new(true);
        uint64_t proof = last_proof(solo);
        solo_run(solo, proof + ICE_NEWS_S * S - early);
        ice_suspect(solo->ice, solo->now, true);
        solo_run(solo, proof + 20 * S);
        assert_int_equal(events_of(solo, ICE_LOST), early);
        solo_free(solo);
    }
}

/* A round is eight: the path, whose proof is the oldest here, and those that answered last. */
static void of_many_pairs_the_path_and_those_that_answered_last_are_suspected_first(void **state)
{
    (void)state;
    enum { OTHERS = 10, ROUND = 8 };
    struct solo *solo = solo_new(true);
    char address[32];
    validate_two(solo);
    for (unsigned i = 0; i < OTHERS; i++) {
        snprintf(address, sizeof address, "203.0.113.%u:11", 1 + i * 7 % OTHERS);
        validate(solo, CANDIDATE_SRFLX, address);
    }
    for (unsigned i = 0; i < OTHERS; i++) {
        snprintf(address, sizeof address, "203.0.113.%u:11", 1 + i * 7 % OTHERS);
        pair_to(solo, address)->proof = solo->now - (1 + i * 3 % OTHERS) * MS; /* in no order */
    }
    size_t before = solo->sent_count;
    ice_suspect(solo->ice, solo->now, false);
    assert_int_equal(solo_drain(solo), ROUND);
    for (size_t n = before; n < solo->sent_count; n++)
        assert_true(is_request(&solo->sent[n]));
    assert_true(last_to(solo, "192.168.1.20:7") >= before);
    for (unsigned i = 0; i < OTHERS; i++) {
        snprintf(address, sizeof address, "203.0.113.%u:11", 1 + i * 7 % OTHERS);
        assert_int_equal(last_to(solo, address) >= before, i * 3 % OTHERS < ROUND - 1);
    }
    solo_free(solo);
}

/* Rounds that had somebody to ask do not shorten those that have nobody. */
static void a_goodbye_waits_for_a_new_pair_though_the_old_ones_were_asked(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    last_proof(solo);
    uint64_t start = solo->now;
    ice_suspect(solo->ice, start, true);
    solo_drain(solo);
    ice_remove_base(solo->ice, solo->now, &solo->base);
    solo_run(solo, start + 2900 * MS);
    assert_int_equal(events_of(solo, ICE_LOST), 0);
    solo_run(solo, start + 8 * S);
    assert_int_equal(events_of(solo, ICE_LOST), 1);
    solo_free(solo);
}

/* Who answered since the suspicion began takes over, whatever was said meanwhile. */
static void a_goodbye_makes_no_answer_of_the_suspicion_worthless(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate_two(solo);
    suspect_and_answer(solo, PATH);
    ice_suspect(solo->ice, solo->now + 5 * MS, true);
    solo->now += 5 * MS;
    solo_run(solo, solo->now + 400 * MS);
    assert_true(path_is(solo, PATH));
    solo_free(solo);
}

static void a_better_pair_that_failed_is_tried_again_less_and_less_often(void **state)
{
    (void)state;
    static const unsigned waits_s[] = {5, 10, 20, 40, 60, 60};
    enum { WAITS = sizeof waits_s / sizeof *waits_s };
    struct solo *solo = solo_new(true);
    uint64_t began[WAITS + 1];
    validate_two(solo);
    suspect_and_answer(solo, PATH);
    solo->answers = is_public;
    solo_run(solo, solo->now + 1 * S);
    assert_true(path_is(solo, PATH));
    solo_run(solo, solo->now + 300 * S);
    uint64_t moved = when(solo, ICE_PATH);
    assert_int_equal(rounds_to(solo, "192.168.1.20:7", moved, began, WAITS + 1), WAITS + 1);
    assert_int_equal(began[0], moved + 5 * S);
    for (unsigned i = 0; i < WAITS; i++)
        assert_in_range((began[i + 1] - began[i]) / MS, waits_s[i] * 1000, waits_s[i] * 1000 + 999);
    solo_free(solo);
}

static void when_consent_has_expired_no_better_pair_is_tried_again(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate_two(solo);
    suspect_and_answer(solo, PATH);
    solo->answers = is_public;
    solo_run(solo, solo->now + 45 * S); /* the next time is 40 s later */
    solo->answers = NULL;
    solo->due_count = 0;
    uint64_t proof = solo->ice->proof;
    assert_true(pair_to(solo, "192.168.1.20:7")->verify_at > proof + 30 * S);
    solo_run(solo, proof + 119 * S);
    assert_true(when(solo, ICE_STALLED) == proof + 30 * S);
    assert_true(last_sent(solo) < proof + 30 * S);
    solo_free(solo);
}

static void who_was_revived_falls_silent_again_after_thirty_seconds(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    uint64_t proof = last_proof(solo);
    solo_run(solo, proof + 40 * S);
    assert_true(heard(solo, PATH, 0, 0));
    solo_drain(solo);
    solo->now += 20 * MS;
    assert_true(answer(solo, last_request_to(solo, PATH)));
    proof = solo->now;
    solo_drain(solo);
    assert_true(path_is(solo, PATH));
    solo_run(solo, proof + 35 * S);
    assert_int_equal(events_of(solo, ICE_STALLED), 2);
    assert_true(when(solo, ICE_STALLED) == proof + 30 * S);
    solo_free(solo);
}

static void of_who_is_not_known_yet_or_lost_nothing_is_suspected(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    assert_true(add_remote(solo, CANDIDATE_SRFLX, PATH, 0));
    ice_suspect(solo->ice, solo->now, false);
    assert_false(ice_is_suspicious(solo->ice));
    last_proof(solo);
    ice_suspect(solo->ice, solo->now, true);
    solo_run(solo, solo->now + 15 * S);
    assert_int_equal(events_of(solo, ICE_LOST), 1);
    ice_suspect(solo->ice, solo->now, false);
    assert_false(ice_is_suspicious(solo->ice));
    solo_free(solo);
}

static void a_failed_pair_that_is_no_better_is_left_alone(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_SRFLX, PATH);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:10");
    suspect_and_answer(solo, "203.0.113.9:10");
    solo->answers = only_port_10;
    solo_run(solo, solo->now + 2 * S);
    assert_true(path_is(solo, "203.0.113.9:10"));
    size_t before = sent_to(solo, PATH);
    solo_run(solo, solo->now + 200 * S);
    assert_int_equal(sent_to(solo, PATH), before);
    solo_free(solo);
}

static void a_goodbye_after_an_answer_asks_again(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate_two(solo);
    ice_suspect(solo->ice, solo->now, true);
    assert_int_equal(solo_drain(solo), 2);
    answer_after(solo, 20, PATH); /* the spare's; the path is asked still */
    ice_suspect(solo->ice, solo->now, true);
    assert_int_equal(solo_drain(solo), 1);
    solo_free(solo);
}

static void a_check_of_the_peer_begins_no_round_while_one_runs(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate_two(solo);
    pair_to(solo, "192.168.1.20:7")->rtt = 2 * S; /* the path's copies take long, the other's not */
    ice_suspect(solo->ice, solo->now, false);
    solo_drain(solo);
    while (pair_to(solo, PATH)->txn.running)
        solo_run(solo, ice_deadline(solo->ice));
    assert_true(solo->ice->path->txn.running);
    size_t before = sent_to(solo, PATH);
    assert_true(heard(solo, "192.168.1.20:7", 0, 0));
    solo_run(solo, solo->now + 100 * MS);
    assert_true(solo->ice->path->txn.running);
    assert_int_equal(sent_to(solo, PATH), before);
    solo_free(solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_path_is_asked_every_four_to_six_seconds),
        cmocka_unit_test(the_spare_is_kept_warm_every_fifteen_seconds),
        cmocka_unit_test(an_unanswered_consent_check_is_repeated_quickly),
        cmocka_unit_test(a_long_round_trip_is_waited_for),
        cmocka_unit_test(consent_expires_thirty_seconds_after_the_last_proof_and_then_there_is_silence),
        cmocka_unit_test(a_peer_that_is_silent_for_two_minutes_is_lost),
        cmocka_unit_test(while_the_peer_is_silent_it_is_asked_less_and_less_often),
        cmocka_unit_test(a_check_of_the_sleeper_revives_everything),
        cmocka_unit_test(a_sleeper_may_come_back_from_elsewhere),
        cmocka_unit_test(a_check_that_does_not_answer_back_only_postpones_nothing),
        cmocka_unit_test(a_new_candidate_of_the_silent_peer_is_tried),
        cmocka_unit_test(after_our_own_sleep_everything_is_checked_again),
        cmocka_unit_test(a_sleep_that_ended_alone_is_silent_again_after_thirty_seconds),
        cmocka_unit_test(a_restart_verifies_what_worked_and_tries_what_failed),
        cmocka_unit_test(a_suspicion_asks_at_once_and_an_answer_ends_it),
        cmocka_unit_test(a_thousand_forged_goodbyes_do_not_end_it),
        cmocka_unit_test(a_goodbye_and_no_answer_is_the_end_within_eight_seconds),
        cmocka_unit_test(a_goodbye_that_comes_during_a_suspicion_counts),
        cmocka_unit_test(a_goodbye_after_a_long_silence_tells_nothing),
        cmocka_unit_test(a_word_over_another_way_takes_a_goodbye_back),
        cmocka_unit_test(who_still_checks_us_has_not_gone),
        cmocka_unit_test(suspicion_alone_never_loses_the_peer_before_two_minutes),
        cmocka_unit_test(before_any_pair_is_valid_there_is_nothing_to_suspect),
        cmocka_unit_test(without_any_pair_left_a_goodbye_waits_some_seconds_for_a_new_one),
        cmocka_unit_test(the_spare_answers_first_but_the_path_is_given_its_time),
        cmocka_unit_test(it_fails_ten_seconds_after_both_lists_are_complete),
        cmocka_unit_test(a_failed_agent_connects_when_it_is_checked),
        cmocka_unit_test(whoever_has_connected_does_not_fail),
        cmocka_unit_test(copies_under_way_end_with_the_consent),
        cmocka_unit_test(whoever_connects_in_time_does_not_fail),
        cmocka_unit_test(a_path_takes_back_what_was_not_yet_told),
        cmocka_unit_test(a_check_of_the_peer_cuts_the_wait_of_a_suspicion_short),
        cmocka_unit_test(a_goodbye_does_not_wait_for_the_next_round),
        cmocka_unit_test(between_the_rounds_of_a_suspicion_the_wait_doubles_from_half_a_second_to_two),
        cmocka_unit_test(a_goodbye_after_a_suspicion_that_passed_has_its_three_rounds),
        cmocka_unit_test(a_goodbye_eight_seconds_after_the_last_proof_is_no_news),
        cmocka_unit_test(of_many_pairs_the_path_and_those_that_answered_last_are_suspected_first),
        cmocka_unit_test(a_goodbye_waits_for_a_new_pair_though_the_old_ones_were_asked),
        cmocka_unit_test(a_goodbye_makes_no_answer_of_the_suspicion_worthless),
        cmocka_unit_test(a_better_pair_that_failed_is_tried_again_less_and_less_often),
        cmocka_unit_test(when_consent_has_expired_no_better_pair_is_tried_again),
        cmocka_unit_test(a_check_of_the_peer_begins_no_round_while_one_runs),
        cmocka_unit_test(who_was_revived_falls_silent_again_after_thirty_seconds),
        cmocka_unit_test(a_goodbye_after_an_answer_asks_again),
        cmocka_unit_test(of_who_is_not_known_yet_or_lost_nothing_is_suspected),
        cmocka_unit_test(a_failed_pair_that_is_no_better_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
