/* test_ice_pairs.c - who could talk to whom: pairs, their priorities, their limits (RFC 8445 6.1.2). */
#include "ice_solo.h"

/* RFC 8445 6.1.2.3, written out. */
static uint64_t rfc_priority(uint64_t g, uint64_t d)
{
    uint64_t min = g < d ? g : d, max = g < d ? d : g;
    return ((uint64_t)1 << 32) * min + 2 * max + (g > d ? 1 : 0);
}

static void pair_priority_is_the_rfcs_and_depends_on_the_role(void **state)
{
    (void)state;
    for (unsigned controlling = 0; controlling < 2; controlling++) {
        struct solo *solo = solo_new(controlling);
        assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", 0));
        const struct ice_pair *pair = pair_to(solo, "203.0.113.9:9");
        uint64_t ours = pair->base->priority, theirs = pair->remote->priority;
        assert_true(ours != theirs);
        assert_true(pair->priority ==
                    (controlling ? rfc_priority(ours, theirs) : rfc_priority(theirs, ours)));
        solo_free(solo);
    }
}

static void a_role_switch_computes_priorities_anew(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", 0));
    uint64_t before = pair_to(solo, "203.0.113.9:9")->priority;
    solo->ice->tie_breaker = 0;
    solo->tie_breaker = 5;
    assert_true(heard(solo, "203.0.113.8:8", STUN_HAS_CONTROLLING, 0));
    assert_false(solo->ice->controlling);
    assert_true(pair_to(solo, "203.0.113.9:9")->priority != before);
    solo_free(solo);
}

static void candidates_with_one_base_make_one_pair(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    assert_true(add_remote(solo, CANDIDATE_HOST, "203.0.113.9:9", 0));
    add_candidate(solo->ice, CANDIDATE_SRFLX, at("203.0.113.1:4"), solo->base, at("198.51.100.1:3478"));
    add_candidate(solo->ice, CANDIDATE_SRFLX, at("203.0.113.1:5"), solo->base, at("198.51.100.2:3478"));
    assert_int_equal(pair_count(solo->ice), 1);
    assert_int_equal(solo->ice->stats.pairs_pruned, 2);
    assert_int_equal(pair_to(solo, "203.0.113.9:9")->base->priority >> 24, 126); /* the better one stays */
    solo_free(solo);
}

static void the_same_candidate_twice_is_once(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    add_candidate(solo->ice, CANDIDATE_HOST, solo->base, solo->base, (struct addr){0});
    assert_int_equal(solo->ice->local_count, 1);
    assert_true(add_remote(solo, CANDIDATE_HOST, "203.0.113.9:9", 0));
    assert_true(add_remote(solo, CANDIDATE_HOST, "203.0.113.9:9", 0));
    assert_int_equal(pair_count(solo->ice), 1);
    solo_free(solo);
}

static void only_a_reflexive_candidate_still_gives_its_base(void **state)
{
    (void)state;
    struct solo *solo =
        solo_new_of(&(struct ice_config){.controlling = true, .paths = PATH_BIT(PATH_DIRECT)});
    add_candidate(solo->ice, CANDIDATE_SRFLX, at("203.0.113.1:4"), solo->base, at("198.51.100.1:3478"));
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", 0));
    assert_int_equal(pair_count(solo->ice), 1);
    assert_true(addr_equal(&pair_to(solo, "203.0.113.9:9")->base->address, &solo->base));
    solo_free(solo);
}

/* An agent that has all sorts of bases. */
static struct solo *many_bases(bool same_machine)
{
    static const char *const bases[] = {"192.168.1.10:5000",   "127.0.0.1:5000", "169.254.7.7:5000",
                                        "[2001:db8::10]:6000", "[::1]:6000",     "[fe80::10%2]:6000",
                                        "[fe80::11%3]:6000"};
    struct solo *solo = solo_new_of(
        &(struct ice_config){.controlling = true, .paths = PATH_ALL, .same_machine = same_machine});
    struct addr own[sizeof bases / sizeof *bases];
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
        own[i] = at(bases[i]);
        add_candidate(solo->ice, CANDIDATE_HOST, own[i], own[i], (struct addr){0});
    }
    ice_set_own(solo->ice, own, sizeof bases / sizeof *bases);
    return solo;
}

static void pairs_are_made_within_one_family_and_scope(void **state)
{
    (void)state;
    static const struct {
        const char *remote;
        bool same_machine;
        size_t pairs;
    } cases[] = {
        {"192.168.1.20:7", false, 1},    {"203.0.113.9:7", false, 1},     {"[2001:db8::20]:7", false, 1},
        {"127.0.0.1:7", false, 0},       {"127.0.0.1:7", true, 1},        {"[::1]:7", true, 1},
        {"169.254.9.9:7", false, 1},     {"[fe80::20]:7", false, 2}, /* one on each link */
        {"192.168.1.10:5001", false, 1}, {"192.168.1.10:5000", false, 0}, {"127.0.0.1:5000", true, 0},
        {"169.254.7.7:5000", false, 0},  {"127.0.0.1:6000", true, 1}, /* the port of our other family's socket
                                                                       */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct solo *solo = many_bases(cases[i].same_machine);
        add_remote(solo, CANDIDATE_HOST, cases[i].remote, 0);
        if (pair_count(solo->ice) != cases[i].pairs)
            fail_msg("case %zu: %s makes %zu pairs", i, cases[i].remote, pair_count(solo->ice));
        solo_free(solo);
    }
}

static void a_link_local_remote_gets_the_zone_of_our_link(void **state)
{
    (void)state;
    struct solo *solo = many_bases(false);
    assert_true(add_remote(solo, CANDIDATE_HOST, "[fe80::20]:7", 0));
    assert_non_null(pair_to(solo, "[fe80::20%2]:7"));
    assert_non_null(pair_to(solo, "[fe80::20%3]:7"));
    assert_int_equal(pair_to(solo, "[fe80::20%2]:7")->base->address.scope, 2);
    assert_int_equal(pair_to(solo, "[fe80::20%3]:7")->kind, PATH_LAN);
    solo_free(solo);
}

static void candidates_that_nobody_should_talk_to_are_dropped(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "0.0.0.0:9", "224.0.0.1:9", "255.255.255.255:9", "203.0.113.9:0",     "[ff02::1]:9",
        "[::]:9",    "127.0.0.1:9", "[::1]:9",           "[::ffff:7f00:1]:9", "[64:ff9b::7f00:1]:9"};
    struct solo *solo = many_bases(false);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct wire_candidate wire = {.kind = CANDIDATE_HOST, .priority = 1};
        if (!addr_parse(&wire.address, wrong[i])) { /* port 0 */
            wire.address = at("203.0.113.9:1");
            wire.address.port = 0;
        }
        if (ice_add_remote(solo->ice, 0, &wire))
            fail_msg("%s was taken", wrong[i]);
    }
    struct wire_candidate found = {.kind = CANDIDATE_PRFLX, .address = at("203.0.113.9:1")};
    assert_false(ice_add_remote(solo->ice, 0, &found)); /* never on the wire */
    assert_int_equal(pair_count(solo->ice), 0);
    solo_free(solo);
}

static void an_own_address_is_host_and_nothing_else(void **state)
{
    (void)state;
    struct solo *solo = many_bases(true);
    assert_true(add_remote(solo, CANDIDATE_HOST, "192.168.1.10:5001", 0));
    assert_int_equal(pair_to(solo, "192.168.1.10:5001")->kind, PATH_HOST);
    solo->ice->config.paths = PATH_ALL & ~PATH_BIT(PATH_HOST);
    ice_pairs_judge(solo->ice);
    assert_null(pair_to(solo, "192.168.1.10:5001"));
    solo_free(solo);
}

static void kinds_that_are_not_allowed_make_no_pairs(void **state)
{
    (void)state;
    for (unsigned kind = PATH_HOST; kind <= PATH_TURN; kind++) {
        struct solo *solo = solo_new_of(
            &(struct ice_config){.controlling = true, .paths = PATH_BIT(kind), .same_machine = true});
        struct addr lo = at("127.0.0.1:5000");
        ice_set_own(solo->ice, (struct addr[]){solo->base, lo}, 2);
        add_candidate(solo->ice, CANDIDATE_HOST, solo->base, solo->base, (struct addr){0});
        add_candidate(solo->ice, CANDIDATE_HOST, lo, lo, (struct addr){0});
        add_remote(solo, CANDIDATE_HOST, "127.0.0.1:7", 0);
        add_remote(solo, CANDIDATE_HOST, "192.168.1.20:7", 0);
        add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:7", 0);
        add_remote(solo, CANDIDATE_RELAY, "198.51.100.7:7", 0);
        assert_int_equal(pair_count(solo->ice), 1);
        ICE_EACH_PAIR(solo->ice, pair)
        {
            assert_int_equal(pair->kind, kind);
        }
        solo_free(solo);
    }
}

static void our_relay_makes_turn_pairs(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    struct addr relay = at("198.51.100.5:50000");
    add_candidate(solo->ice, CANDIDATE_RELAY, relay, relay, at("198.51.100.5:3478"));
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", 0));
    assert_int_equal(pair_count(solo->ice), 2);
    unsigned turn = 0, direct = 0;
    ICE_EACH_PAIR(solo->ice, pair)
    {
        turn += pair->kind == PATH_TURN && addr_equal(&pair->base->address, &relay);
        direct += pair->kind == PATH_DIRECT;
    }
    assert_int_equal(turn, 1);
    assert_int_equal(direct, 1);
    solo_free(solo);
}

static void a_hundred_pairs_are_kept_and_they_are_the_best(void **state)
{
    (void)state;
    struct solo *solo = solo_new_of(&(struct ice_config){.controlling = true, .paths = PATH_ALL});
    for (unsigned b = 0; b < 20; b++) {
        char text[32];
        snprintf(text, sizeof text, "10.0.%u.1:5000", b);
        struct candidate c = {.kind = CANDIDATE_HOST, .address = at(text), .base = at(text)};
        c.priority = candidate_priority(CANDIDATE_HOST, &c.base, RANK_NORMAL, b);
        assert_true(ice_add_local(solo->ice, 0, &c));
    }
    for (unsigned r = 0; r < 10; r++) { /* the worst come first */
        char text[32];
        snprintf(text, sizeof text, "10.1.%u.1:7", r);
        add_remote(solo, CANDIDATE_HOST, text, 200 - r);
    }
    assert_int_equal(pair_count(solo->ice), ICE_PAIRS_MAX);
    assert_true(solo->ice->stats.pairs_pruned >= 100);
    uint64_t lowest = NEVER;
    ICE_EACH_PAIR(solo->ice, pair)
    {
        lowest = earlier(lowest, pair->priority);
    }
    size_t better = 0; /* of all 200 that there could be */
    for (size_t b = 0; b < 20; b++)
        for (size_t r = 0; r < 10; r++)
            better += rfc_priority(solo->ice->bases[b].priority, solo->ice->remotes[r].priority) > lowest;
    assert_int_equal(better, ICE_PAIRS_MAX - 1);
    solo_free(solo);
}

static void a_full_table_of_remotes_keeps_those_that_are_tried(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    for (unsigned i = 0; i < ICE_REMOTES_MAX; i++) {
        char text[32];
        snprintf(text, sizeof text, "203.0.113.9:%u", 1000 + i);
        assert_true(add_remote(solo, CANDIDATE_SRFLX, text, 0));
    }
    assert_false(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:3000", 0));
    solo_run(solo, 30 * S); /* all of them fail */
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:3000", 0));
    assert_non_null(pair_to(solo, "203.0.113.9:3000"));
    solo_free(solo);
}

static void who_is_heard_finds_room_in_a_full_table(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    validate(solo, CANDIDATE_SRFLX, "203.0.113.9:999");
    for (unsigned i = 1; i < ICE_REMOTES_MAX; i++) {
        char text[32];
        snprintf(text, sizeof text, "203.0.113.9:%u", 1000 + i);
        assert_true(add_remote(solo, CANDIDATE_SRFLX, text, 0));
    }
    for (unsigned i = 0; i < 200; i++) {
        char text[32];
        snprintf(text, sizeof text, "203.0.113.77:%u", 2000 + i);
        assert_true(heard(solo, text, 0, 0));
        solo_drain(solo);
        assert_non_null(pair_to(solo, text));
    }
    assert_true(path_is(solo, "203.0.113.9:999")); /* but never at the cost of what works */
    solo_free(solo);
}

static void a_found_candidate_has_one_pair_until_it_is_announced(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    struct addr other = at("192.168.5.10:5000");
    add_candidate(solo->ice, CANDIDATE_HOST, other, other, (struct addr){0});
    assert_true(heard(solo, "192.168.1.20:7", 0, 0));
    assert_int_equal(pair_count(solo->ice), 1);
    assert_int_equal(pair_to(solo, "192.168.1.20:7")->remote->kind, CANDIDATE_PRFLX);
    assert_int_equal(pair_to(solo, "192.168.1.20:7")->remote->priority, 0x6e0001ff); /* from its PRIORITY */
    struct addr third = at("192.168.6.10:5000");
    add_candidate(solo->ice, CANDIDATE_HOST, third, third, (struct addr){0});
    assert_int_equal(pair_count(solo->ice), 1);
    assert_true(add_remote(solo, CANDIDATE_HOST, "192.168.1.20:7", 0));
    assert_int_equal(pair_count(solo->ice), 3);
    assert_int_equal(pair_to(solo, "192.168.1.20:7")->remote->kind, CANDIDATE_HOST);
    solo_free(solo);
}

static void private_and_unannounced_becomes_direct_when_all_is_announced(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    assert_true(heard(solo, "10.9.9.9:7", 0, 0));
    assert_int_equal(pair_to(solo, "10.9.9.9:7")->kind, PATH_LAN);
    ice_remotes_complete(solo->ice, 0);
    assert_int_equal(pair_to(solo, "10.9.9.9:7")->kind, PATH_DIRECT);
    solo_free(solo);
}

static void a_removed_base_takes_its_pairs_along(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    struct addr other = at("192.168.5.10:5000");
    add_candidate(solo->ice, CANDIDATE_HOST, other, other, (struct addr){0});
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", 0));
    assert_int_equal(pair_count(solo->ice), 2);
    ice_remove_base(solo->ice, 0, &solo->base);
    assert_int_equal(pair_count(solo->ice), 1);
    assert_int_equal(solo->ice->local_count, 1);
    ice_remove_base(solo->ice, 0, &solo->base); /* twice is once */
    ice_remove_base(solo->ice, 0, &other);
    assert_int_equal(pair_count(solo->ice), 0);
    assert_int_equal(solo->ice->pair_end, 0);
    solo_drain(solo);
    solo_free(solo);
}

static void own_addresses_and_candidates_beyond_the_tables_are_refused(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    struct addr own[ICE_OWN_MAX + 9];
    for (size_t i = 0; i < ICE_OWN_MAX + 9; i++)
        own[i] = at("10.0.0.1:1");
    ice_set_own(solo->ice, own, ICE_OWN_MAX + 9);
    assert_int_equal(solo->ice->own_count, ICE_OWN_MAX);
    struct candidate c = {.kind = CANDIDATE_SRFLX, .base = solo->base, .address = at("203.0.113.1:1")};
    for (unsigned i = 1; i < ICE_LOCALS_MAX; i++) {
        c.address.port = (uint16_t)i;
        assert_true(ice_add_local(solo->ice, 0, &c));
    }
    c.address.port = 999;
    assert_false(ice_add_local(solo->ice, 0, &c));
    solo->ice->locals[5].kind = CANDIDATE_PRFLX; /* found, not told: makes room */
    assert_true(ice_add_local(solo->ice, 0, &c));
    solo_free(solo);
}

static void loopback_pairs_come_when_one_machine_is_known(void **state)
{
    (void)state;
    struct solo *solo = many_bases(false);
    ice_set_same_machine(solo->ice, 0, true);
    assert_true(add_remote(solo, CANDIDATE_HOST, "127.0.0.1:7", 0));
    assert_int_equal(pair_count(solo->ice), 1);
    ice_set_same_machine(solo->ice, 0, false);
    assert_int_equal(pair_count(solo->ice), 0);
    solo_free(solo);
}

static void without_a_zone_a_link_is_unknown(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    struct addr base = at("[fe80::10]:5000");
    add_candidate(solo->ice, CANDIDATE_HOST, base, base, (struct addr){0});
    add_remote(solo, CANDIDATE_HOST, "[fe80::20]:7", 0);
    assert_int_equal(pair_count(solo->ice), 0);
    solo_free(solo);
}

static void the_zone_of_somebody_else_means_nothing(void **state)
{
    (void)state;
    struct solo *solo = many_bases(false);
    assert_true(add_remote(solo, CANDIDATE_HOST, "[fe80::20%9]:7", 0));
    assert_int_equal(pair_count(solo->ice), 2);
    solo_free(solo);
}

static void a_link_local_peer_found_on_one_link_is_tried_on_all_when_announced(void **state)
{
    (void)state;
    struct solo *solo = many_bases(false);
    char username[64];
    struct stun_msg msg = peer_check(solo, username, 0);
    struct addr from = at("[fe80::20%2]:7"), to = at("[fe80::10%2]:6000");
    assert_true(solo_input(solo, &from, &to, &msg, ice_pwd(solo->ice)));
    assert_int_equal(pair_count(solo->ice), 1);
    assert_true(add_remote(solo, CANDIDATE_HOST, "[fe80::20]:7", 0));
    assert_int_equal(pair_count(solo->ice), 2);
    solo_free(solo);
}

static void a_dropped_pair_is_nowhere_any_more(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:9", 0));
    struct ice_pair *pair = pair_to(solo, "203.0.113.9:9");
    solo->ice->path = solo->ice->spare = solo->ice->nominated = solo->ice->successor = pair;
    ice_pair_drop(solo->ice, pair);
    assert_null(solo->ice->path);
    assert_null(solo->ice->spare);
    assert_null(solo->ice->nominated);
    assert_null(solo->ice->successor);
    solo_free(solo);
}

static void a_full_table_keeps_what_works(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    assert_true(add_remote(solo, CANDIDATE_SRFLX, "203.0.113.9:999", 255)); /* the lowest priority of all */
    solo_drain(solo);
    assert_true(answer(solo, 0));
    for (unsigned b = 0; b < 20; b++) {
        char text[32];
        snprintf(text, sizeof text, "10.0.%u.1:5000", b);
        struct addr base = at(text);
        add_candidate(solo->ice, CANDIDATE_HOST, base, base, (struct addr){0});
    }
    for (unsigned r = 0; r < 10; r++) {
        char text[32];
        snprintf(text, sizeof text, "203.0.113.9:%u", 2000 + r);
        add_remote(solo, CANDIDATE_HOST, text, 0);
    }
    assert_int_equal(pair_count(solo->ice), ICE_PAIRS_MAX);
    assert_true(path_is(solo, "203.0.113.9:999"));
    assert_int_equal(solo->ice->path->state, PAIR_VALID);
    solo_free(solo);
}

static void what_a_server_tells_counts_more_than_what_a_check_found(void **state)
{
    (void)state;
    struct solo *solo = solo_new(true);
    struct addr mapped = at("203.0.113.1:4711");
    solo->ice->locals[solo->ice->local_count++] =
        (struct candidate){.kind = CANDIDATE_PRFLX, .address = mapped, .base = solo->base};
    add_candidate(solo->ice, CANDIDATE_SRFLX, mapped, solo->base, at("198.51.100.1:3478"));
    assert_int_equal(solo->ice->local_count, 2);
    assert_int_equal(solo->ice->locals[1].kind, CANDIDATE_SRFLX);
    solo_free(solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pair_priority_is_the_rfcs_and_depends_on_the_role),
        cmocka_unit_test(a_role_switch_computes_priorities_anew),
        cmocka_unit_test(candidates_with_one_base_make_one_pair),
        cmocka_unit_test(the_same_candidate_twice_is_once),
        cmocka_unit_test(only_a_reflexive_candidate_still_gives_its_base),
        cmocka_unit_test(pairs_are_made_within_one_family_and_scope),
        cmocka_unit_test(a_link_local_remote_gets_the_zone_of_our_link),
        cmocka_unit_test(candidates_that_nobody_should_talk_to_are_dropped),
        cmocka_unit_test(an_own_address_is_host_and_nothing_else),
        cmocka_unit_test(kinds_that_are_not_allowed_make_no_pairs),
        cmocka_unit_test(our_relay_makes_turn_pairs),
        cmocka_unit_test(a_hundred_pairs_are_kept_and_they_are_the_best),
        cmocka_unit_test(a_full_table_of_remotes_keeps_those_that_are_tried),
        cmocka_unit_test(who_is_heard_finds_room_in_a_full_table),
        cmocka_unit_test(a_found_candidate_has_one_pair_until_it_is_announced),
        cmocka_unit_test(private_and_unannounced_becomes_direct_when_all_is_announced),
        cmocka_unit_test(a_removed_base_takes_its_pairs_along),
        cmocka_unit_test(own_addresses_and_candidates_beyond_the_tables_are_refused),
        cmocka_unit_test(loopback_pairs_come_when_one_machine_is_known),
        cmocka_unit_test(without_a_zone_a_link_is_unknown),
        cmocka_unit_test(the_zone_of_somebody_else_means_nothing),
        cmocka_unit_test(a_link_local_peer_found_on_one_link_is_tried_on_all_when_announced),
        cmocka_unit_test(a_dropped_pair_is_nowhere_any_more),
        cmocka_unit_test(a_full_table_keeps_what_works),
        cmocka_unit_test(what_a_server_tells_counts_more_than_what_a_check_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
