/* test_ice_probe.c - one check for many ports, and the extra sockets on which the peer is heard. */
#include "ice_solo.h"

/* The probe as it would leave: into `sent`, to be answered like any other. */
static size_t probe(struct solo *solo, const struct addr *local, const char *to)
{
    struct sent *sent = &solo->sent[solo->sent_count];
    struct packet out = {.data = sent->data, .len = sizeof sent->data};
    assert_true(ice_probe_write(solo->ice, &out));
    sent->local = *local;
    sent->remote = at(to);
    sent->len = out.len;
    sent->at = solo->now;
    return solo->sent_count++;
}

static void all_probes_are_one_authenticated_request(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    size_t first = probe(solo, &solo->base, "203.0.113.9:1"),
           second = probe(solo, &solo->base, "203.0.113.9:2");
    assert_int_equal(solo->sent[first].len, solo->sent[second].len);
    assert_memory_equal(solo->sent[first].data, solo->sent[second].data, solo->sent[first].len);
    struct stun_msg msg = msg_of(&solo->sent[first]);
    struct stun_key key = {(const uint8_t *)PEER_PWD, strlen(PEER_PWD)};
    assert_int_equal(msg.class, STUN_REQUEST);
    assert_true(msg.has & STUN_HAS_CONTROLLING && msg.has & STUN_HAS_PRIORITY);
    assert_false(msg.has & STUN_HAS_USE_CANDIDATE);
    assert_int_equal(stun_check(&msg, solo->sent[first].data, &key), STUN_INTEGRITY_GOOD);
    struct ice_stats stats;
    ice_stats(solo->ice, &stats);
    assert_int_equal(stats.probes_sent, 2);
    assert_int_equal(pair_count(solo->ice), 0);
    solo_free(solo);
}

static void without_the_peers_password_there_is_none(void **state)
{
    (void)state;
    struct solo *solo = solo_new_of(&(struct ice_config){.paths = PATH_ALL});
    uint8_t buffer[300];
    struct packet out = {.data = buffer, .len = sizeof buffer};
    assert_false(ice_probe_write(solo->ice, &out));
    solo_free(solo);
}

/* An answer shows where to ask; what makes a path is the answer to that question. */
static void an_answer_to_a_probe_leads_to_a_pair(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    size_t sent = probe(solo, &solo->base, "203.0.113.9:4242");
    assert_true(answer(solo, sent));
    struct ice_pair *pair = pair_to(solo, "203.0.113.9:4242");
    assert_non_null(pair);
    assert_int_not_equal(pair->state, PAIR_VALID);
    solo_drain(solo);
    assert_true(answer(solo, last_request_to(solo, "203.0.113.9:4242")));
    assert_int_equal(pair->state, PAIR_VALID);
    assert_true(ice_has_direct(solo->ice));
    assert_true(path_is(solo, "203.0.113.9:4242"));
    solo_free(solo);
}

static void a_forged_answer_to_a_probe_leads_nowhere(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    size_t sent = probe(solo, &solo->base, "203.0.113.9:4242");
    struct stun_msg msg = {.class = STUN_SUCCESS,
                           .method = STUN_BINDING,
                           .has = STUN_HAS_INTEGRITY | STUN_HAS_FINGERPRINT,
                           .mapped = solo->base};
    struct stun_key wrong = {(const uint8_t *)"wrong", 5};
    memcpy(msg.id, msg_of(&solo->sent[sent]).id, sizeof msg.id);
    uint8_t data[300];
    struct packet in = {.local = solo->base, .remote = at("203.0.113.9:4242"), .data = data};
    in.len = stun_encode(&msg, &wrong, data, sizeof data);
    assert_false(ice_input(solo->ice, solo->now, &in));
    assert_null(pair_to(solo, "203.0.113.9:4242"));
    solo_free(solo);
}

/* The peer's check arrives on the extra socket `port` of ours. */
static bool heard_on(struct solo *solo, uint16_t port, const char *from)
{
    struct addr base = solo->base;
    solo->base.port = port;
    bool taken = heard(solo, from, 0, 0);
    solo->base = base;
    return taken;
}

static void who_is_heard_on_an_extra_socket_is_answered_and_checked_there(void **state)
{
    (void)state;
    struct solo *solo = solo_new(false);
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:4242", 0));
    size_t before = pair_count(solo->ice);
    assert_true(heard_on(solo, 7001, "203.0.113.9:4242"));
    assert_int_equal(pair_count(solo->ice), before + 1); /* and none with anybody else */
    assert_true(ice_uses_port(solo->ice, 7001));
    assert_false(ice_uses_port(solo->ice, 7002));
    solo_drain(solo);
    size_t replies = 0, checks = 0;
    for (size_t i = 0; i < solo->sent_count; i++)
        if (solo->sent[i].local.port == 7001) {
            replies += !is_request(&solo->sent[i]);
            checks += is_request(&solo->sent[i]);
        }
    assert_int_equal(replies, 1);
    assert_int_equal(checks, 1);
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.10:4242", 0));
    assert_int_equal(pair_count(solo->ice), before + 2); /* the main socket's */
    solo_free(solo);
}

static void strangers_open_no_extra_base(void **state)
{
    (void)state;
    struct solo *solo = solo_new(false);
    uint8_t data[300];
    struct stun_msg msg = {.class = STUN_REQUEST,
                           .method = STUN_BINDING,
                           .has = STUN_HAS_PRIORITY | STUN_HAS_INTEGRITY | STUN_HAS_FINGERPRINT};
    struct stun_key wrong = {(const uint8_t *)"wrong", 5};
    char name[64];
    snprintf(name, sizeof name, "%s:x", ice_ufrag(solo->ice));
    msg.username = (struct stun_text){name, strlen(name)};
    struct packet in = {.local = solo->base, .remote = at("203.0.113.9:4242"), .data = data};
    in.local.port = 7001;
    in.len = stun_encode(&msg, &wrong, data, sizeof data);
    assert_false(ice_input(solo->ice, solo->now, &in));
    assert_null(ice_base_of(solo->ice, &in.local, &in.remote));
    solo_free(solo);
}

/* A liar who knocks everywhere gets a few bases; those that came to nothing make room. */
static void extra_bases_are_few_and_go_with_their_address(void **state)
{
    (void)state;
    struct solo *solo = solo_new(false);
    for (unsigned i = 0; i < 50; i++)
        heard_on(solo, (uint16_t)(7001 + i), "203.0.113.9:4242");
    unsigned used = 0;
    for (unsigned i = 0; i < 50; i++)
        used += ice_uses_port(solo->ice, (uint16_t)(7001 + i));
    assert_int_equal(used, ICE_EXTRA_BASES_MAX);
    ice_remove_base(solo->ice, solo->now, &solo->base);
    assert_int_equal(pair_count(solo->ice), 0);
    for (size_t i = 0; i < ICE_LOCALS_MAX; i++)
        assert_false(solo->ice->bases[i].used);
    solo_free(solo);
}

static void our_end_and_the_peers_are_what_both_have_said(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    struct addr external = at("198.51.100.7:6000"), base, peer = at("203.0.113.9:1");
    assert_false(ice_base_behind(solo->ice, &external, &base));
    add_candidate(solo->ice, CANDIDATE_SRFLX, at("198.51.100.7:6001"), solo->base, at("203.0.113.2:3478"));
    assert_true(ice_base_behind(solo->ice, &external, &base));
    assert_true(addr_equal(&base, &solo->base));
    assert_false(ice_is_announced(solo->ice, &peer));
    assert_true(heard(solo, "203.0.113.9:4242", 0, 0)); /* found, not announced */
    assert_false(ice_is_announced(solo->ice, &peer));
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:4243", 0));
    assert_true(ice_is_announced(solo->ice, &peer));
    solo_free(solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_probes_are_one_authenticated_request),
        cmocka_unit_test(without_the_peers_password_there_is_none),
        cmocka_unit_test(an_answer_to_a_probe_leads_to_a_pair),
        cmocka_unit_test(a_forged_answer_to_a_probe_leads_nowhere),
        cmocka_unit_test(who_is_heard_on_an_extra_socket_is_answered_and_checked_there),
        cmocka_unit_test(strangers_open_no_extra_base),
        cmocka_unit_test(extra_bases_are_few_and_go_with_their_address),
        cmocka_unit_test(our_end_and_the_peers_are_what_both_have_said),
    };
    return cmocka_run_group_tests_name("ice_probe", tests, NULL, NULL);
}
