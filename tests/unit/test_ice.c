/* test_ice.c - two agents find each other and stay together, over every sort of NAT that a punch can pass. */
#include "ice_net.h"

enum { SEEDS = 1000 };

static struct net *two(uint64_t seed, bool a_controls, bool b_controls)
{
    struct net *net = net_new(seed);
    struct ice_config config = net_config(net, a_controls);
    side_init(net, 0, &config, "192.168.1.10:5000");
    config.controlling = b_controls;
    side_init(net, 1, &config, "192.168.2.20:6000");
    return net;
}

/* Both at home, behind NATs that filter so. */
static struct net *homes(uint64_t seed, enum filter a, enum filter b)
{
    struct net *net = two(seed, true, false);
    side_nat(net, 0, "203.0.113.1", a, false);
    side_nat(net, 1, "203.0.113.2", b, false);
    return net;
}

static struct net *connected_over(uint64_t seed, enum filter filter)
{
    struct net *net = homes(seed, filter, filter);
    learn(net, 0);
    learn(net, 1);
    assert_true(net_connect(net, 1 * S));
    net_run(net, net->now + 7 * S);
    return net;
}

static struct net *connected(uint64_t seed)
{
    return connected_over(seed, FILTER_PORT);
}

/* Each sends to where the other receives, and from where the other expects it. */
static void assert_one_path(const struct net *net)
{
    struct path a, b;
    assert_true(side_path(&net->sides[0], &a) && side_path(&net->sides[1], &b));
    const struct ice_pair *pair = net->sides[0].ice->path;
    assert_true(addr_equal(&b.remote, &pair->mapped));
    assert_int_equal(a.kind, b.kind);
}

/* ---- how fast ---- */

static void port_restricted_peers_connect_in_the_least_round_trips(void **state)
{
    (void)state;
    static const uint64_t gaps[] = {0, 10 * MS, 30 * MS, 70 * MS, 400 * MS, 2 * S};
    for (unsigned first = 0; first < 2; first++)
        for (size_t i = 0; i < sizeof gaps / sizeof *gaps; i++) {
            struct net *net = homes(1, FILTER_PORT, FILTER_PORT);
            learn(net, first);
            net_run(net, gaps[i]);
            learn(net, !first);
            uint64_t second_starts = net->now;
            assert_true(net_connect(net, 10 * S));
            /* Its first direct check leaves at once beside the first local one: it needs one round trip for
             * itself, and half a one until it makes the other side check, whose answer needs another: what
             * overlaps counts once. */
            uint64_t least = second_starts + 2 * net->delay;
            if (gaps[i] >= net->delay) /* the first side's own check did not get in: it was triggered */
                least = second_starts + 3 * net->delay;
            assert_true(net->now <= least);
            net_free(net);
        }
}

static void the_later_side_may_send_after_half_a_round_trip(void **state)
{
    (void)state;
    struct net *net = homes(1, FILTER_PORT, FILTER_PORT);
    learn(net, 0);
    net_run(net, 30 * MS);
    learn(net, 1);
    uint64_t check = net->now, heard_at = 0;
    net_run(net, 1 * S);
    assert_int_equal(told(&net->sides[0], ICE_HEARD, &heard_at), 1);
    assert_true(heard_at == check + net->delay); /* QUIC's first packet may leave here */
    net_free(net);
}

static void public_peers_need_one_round_trip(void **state)
{
    (void)state;
    struct net *net = net_new(1);
    struct ice_config config = net_config(net, true);
    side_init(net, 0, &config, "203.0.113.1:5000");
    config.controlling = false;
    side_init(net, 1, &config, "203.0.113.2:6000");
    learn(net, 0);
    learn(net, 1);
    assert_true(net_connect(net, 1 * S));
    assert_true(net->now == 2 * net->delay);
    net_free(net);
}

static void early_checks_cost_no_time(void **state)
{
    (void)state;
    struct net *net = net_new(1);
    struct ice_config config = net_config(net, true);
    side_init(net, 0, &config, "203.0.113.1:5000");
    config.controlling = false;
    side_init(net, 1, &config, "203.0.113.2:6000");
    learn(net, 0); /* the other's answer is still on its way through the broker */
    net_run(net, 30 * MS);
    assert_int_equal(told(&net->sides[1], ICE_HEARD, NULL), 1);
    learn(net, 1);
    assert_true(net_connect(net, 1 * S));
    assert_true(net->now == 30 * MS + 2 * net->delay);
    net_free(net);
}

/* ---- where ---- */

static void every_pair_of_cones_connects_in_both_start_orders(void **state)
{
    (void)state;
    for (unsigned a = FILTER_NONE; a <= FILTER_PORT; a++)
        for (unsigned b = FILTER_NONE; b <= FILTER_PORT; b++)
            for (unsigned first = 0; first < 2; first++) {
                struct net *net = homes(a * 10 + b, (enum filter)a, (enum filter)b);
                learn(net, first);
                net_run(net, 1 * S);
                learn(net, !first);
                assert_true(net_connect(net, 1 * S + 200 * MS));
                net_run(net, 5 * S);
                assert_one_path(net);
                assert_int_equal(net->sides[0].ice->path->kind, PATH_DIRECT);
                net_free(net);
            }
}

static void firewalls_on_public_addresses_are_passed(void **state)
{
    (void)state;
    struct net *net = net_new(1);
    struct ice_config config = net_config(net, true);
    side_init(net, 0, &config, "203.0.113.1:5000");
    config.controlling = false;
    side_init(net, 1, &config, "203.0.113.2:6000");
    for (unsigned who = 0; who < 2; who++) {
        struct side *side = &net->sides[who];
        side->nat = (struct nat){.present = true, .filter = FILTER_PORT, .wan = side->base};
        side->nat.wan.port = 0;
        side->nat.next_port = side->base.port;
    }
    learn(net, 0);
    net_run(net, 500 * MS);
    learn(net, 1);
    assert_true(net_connect(net, 1 * S));
    net_free(net);
}

static void a_symmetric_nat_meets_a_cone_by_peer_reflexive_candidates(void **state)
{
    (void)state;
    for (unsigned symmetric = 0; symmetric < 2; symmetric++)
        for (unsigned first = 0; first < 2; first++) {
            struct net *net = two(5, true, false);
            side_nat(net, symmetric, "203.0.113.1", FILTER_PORT, true);
            side_nat(net, !symmetric, "203.0.113.2", FILTER_ADDRESS, false);
            learn(net, first);
            net_run(net, 300 * MS);
            learn(net, !first);
            assert_true(net_connect(net, 1 * S));
            net_run(net, 5 * S);
            assert_one_path(net);
            assert_int_equal(net->sides[!symmetric].ice->path->remote->kind, CANDIDATE_PRFLX);
            net_free(net);
        }
}

static void a_symmetric_nat_and_a_port_restricted_one_fail_with_a_reason(void **state)
{
    (void)state;
    struct net *net = two(5, true, false);
    side_nat(net, 0, "203.0.113.1", FILTER_PORT, true);
    side_nat(net, 1, "203.0.113.2", FILTER_PORT, false);
    ice_set_nat(net->sides[0].ice, &(struct nat_behavior){.mapping = NAT_MAPPING_ADDRESS_AND_PORT},
                &(struct nat_behavior){0});
    learn(net, 0);
    learn(net, 1);
    net_run(net, 60 * S);
    uint64_t failed_at = 0;
    assert_int_equal(told(&net->sides[0], ICE_FAILED, &failed_at), 1);
    assert_true(failed_at == 10 * S);
    assert_int_equal(net->sides[0].log_count, 1);
    assert_non_null(strstr(net->sides[0].log[0].why, "the NAT here maps by destination"));
    net_free(net);
}

static void one_network_is_a_lan_path_even_when_a_direct_one_was_first(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct net *net = net_new(seed);
        struct ice_config config = net_config(net, seed & 1);
        side_init(net, 0, &config, "192.168.1.10:5000")->lan = 7;
        config.controlling = !(seed & 1);
        side_init(net, 1, &config, "192.168.1.20:6000")->lan = 7;
        side_nat(net, 0, "203.0.113.1", FILTER_PORT, false);
        side_nat(net, 1, "203.0.113.2", FILTER_PORT, false);
        net->loss = 30;
        learn(net, 0);
        learn(net, 1);
        assert_true(net_connect(net, 10 * S));
        net->loss = 0;
        net_run(net, net->now + 60 * S);
        assert_one_path(net);
        assert_int_equal(net->sides[0].ice->path->kind, PATH_LAN);
        net_free(net);
    }
}

static void overlapping_private_addresses_do_not_confuse(void **state)
{
    (void)state;
    struct net *net = net_new(3);
    struct ice_config config = net_config(net, true);
    side_init(net, 0, &config, "192.168.1.10:5000");
    config.controlling = false;
    side_init(net, 1, &config, "192.168.1.10:5000"); /* the very same */
    side_nat(net, 0, "203.0.113.1", FILTER_PORT, false);
    side_nat(net, 1, "203.0.113.2", FILTER_PORT, false);
    learn(net, 0);
    learn(net, 1);
    assert_true(net_connect(net, 1 * S));
    assert_int_equal(net->sides[0].ice->path->kind, PATH_DIRECT);
    net_free(net);
}

static void trickled_candidates_connect_as_they_come(void **state)
{
    (void)state;
    struct net *net = homes(1, FILTER_PORT, FILTER_PORT);
    for (unsigned who = 0; who < 2; who++)
        ice_set_remote(net->sides[who].ice, 0, ice_ufrag(net->sides[!who].ice),
                       ice_pwd(net->sides[!who].ice));
    for (size_t i = 0; i < 2; i++)
        for (unsigned who = 0; who < 2; who++) {
            struct wire_candidate wire;
            candidate_to_wire(&wire, &net->sides[!who].ice->locals[i]);
            net_run(net, net->now + 200 * MS);
            assert_true(ice_add_remote(net->sides[who].ice, net->now, &wire));
            side_drain(net, who);
        }
    assert_true(net_connect(net, net->now + 4 * net->delay));
    net_free(net);
}

/* ---- roles ---- */

static void role_conflicts_end_with_one_of_each(void **state)
{
    (void)state;
    for (unsigned controls = 0; controls < 2; controls++)
        for (uint64_t seed = 0; seed < 200; seed++) {
            struct net *net = two(seed, controls, controls);
            side_nat(net, 0, "203.0.113.1", FILTER_PORT, false);
            side_nat(net, 1, "203.0.113.2", FILTER_PORT, false);
            net->loss = seed < 100 ? 0 : 30;
            learn(net, seed & 1);
            net_run(net, (seed % 7) * 20 * MS);
            learn(net, !(seed & 1));
            assert_true(net_connect(net, 10 * S));
            net->loss = 0;
            net_run(net, net->now + 20 * S);
            assert_int_not_equal(net->sides[0].ice->controlling, net->sides[1].ice->controlling);
            assert_one_path(net);
            net_free(net);
        }
}

static void peers_that_know_one_nomination_agree_too(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct net *net = homes(seed, FILTER_PORT, FILTER_ADDRESS);
        net->sides[0].ice->config.renominate = net->sides[1].ice->config.renominate = false;
        net->loss = seed < 20 ? 0 : 30;
        learn(net, 0);
        learn(net, 1);
        assert_true(net_connect(net, 10 * S));
        net_run(net, net->now + 20 * S);
        assert_true(net->sides[0].ice->nomination_done);
        assert_ptr_equal(net->sides[1].ice->nominated, net->sides[1].ice->path);
        net_free(net);
    }
}

/* ---- loss ---- */

static void lossy(uint64_t gap, unsigned first, unsigned crowd)
{
    uint64_t worst = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct net *net = homes(seed, FILTER_PORT, FILTER_PORT);
        net->loss = 30;
        for (unsigned i = 0; i < crowd; i++) { /* bridges and other networks that nobody reaches */
            char text[32];
            snprintf(text, sizeof text, "172.%u.0.1:5000", 17 + i);
            for (unsigned who = 0; who < 2; who++)
                add_candidate(net->sides[who].ice, CANDIDATE_HOST, at(text), net->sides[who].base,
                              (struct addr){0});
        }
        learn(net, first);
        net_run(net, gap);
        learn(net, !first);
        if (!net_connect(net, gap + 10 * S))
            fail_msg("seed %llu, gap %llu ms, %u first: no path", (unsigned long long)seed,
                     (unsigned long long)(gap / MS), first);
        for (unsigned who = 0; who < 2; who++)
            assert_true(net->sides[who].ice->unanswered <= ICE_CHECKS_MAX);
        worst = later(worst, net->now - gap);
        net_free(net);
    }
    assert_true(worst < 6 * S);
}

static void thirty_percent_loss_never_keeps_them_apart(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 2; first++) {
        lossy(0, first, 0);
        lossy(30 * MS, first, 0);
        lossy(900 * MS, first, 0);
        lossy(3 * S, first, 0);
    }
}

static void nor_do_a_dozen_addresses_that_nobody_reaches(void **state)
{
    (void)state;
    lossy(30 * MS, 0, 12);
    lossy(900 * MS, 1, 12);
}

/* An open filter, another port for every destination: the peer is heard, and no answer of it ever arrives. */
static void who_is_heard_in_vain_leaves_checks_for_the_hole_that_is_hit_later(void **state)
{
    (void)state;
    struct net *net = two(1, true, false);
    side_nat(net, 0, "203.0.113.1", FILTER_NONE, true);
    side_nat(net, 1, "203.0.113.2", FILTER_PORT, false);
    learn(net, 0);
    learn(net, 1);
    for (unsigned i = 0; i < 20; i++) { /* its network changes a little, again and again */
        net_run(net, net->now + 2 * S);
        ice_restart_checks(net->sides[0].ice, net->now);
        ice_restart_checks(net->sides[1].ice, net->now);
    }
    assert_true(net->sides[0].ice->heard.remote.family);
    assert_null(net->sides[0].ice->path);
    assert_in_range(net->sides[0].ice->unanswered, 20, ICE_CHECKS_MAX - 20);
    net_free(net);
}

/* The answer was to a copy whose time is forgotten. */
static void a_long_way_that_was_never_measured_is_asked_patiently(void **state)
{
    (void)state;
    struct net *net = connected(1);
    net->delay = 200 * MS;
    for (unsigned who = 0; who < 2; who++)
        net->sides[who].ice->path->rtt = 0;
    net_run(net, net->now + 60 * S);
    for (unsigned who = 0; who < 2; who++) {
        assert_int_equal(told(&net->sides[who], ICE_STALLED, NULL), 0);
        assert_non_null(net->sides[who].ice->path);
    }
    net_free(net);
}

static void one_seed_is_one_story(void **state)
{
    (void)state;
    uint64_t end[2];
    size_t sent[2];
    for (unsigned i = 0; i < 2; i++) {
        struct net *net = homes(42, FILTER_PORT, FILTER_PORT);
        net->loss = 30;
        learn(net, 0);
        learn(net, 1);
        assert_true(net_connect(net, 10 * S));
        end[i] = net->now;
        net_run(net, 100 * S);
        sent[i] = net->sides[0].sent + net->sides[1].sent;
        net_free(net);
    }
    assert_true(end[0] == end[1] && sent[0] == sent[1]);
}

static void a_lossy_session_of_an_hour_never_stalls(void **state)
{
    (void)state;
    struct net *net = connected(9);
    net->loss = 30;
    net_run(net, net->now + 3600 * S);
    for (unsigned who = 0; who < 2; who++) {
        assert_int_equal(told(&net->sides[who], ICE_STALLED, NULL), 0);
        assert_int_equal(told(&net->sides[who], ICE_LOST, NULL), 0);
        assert_true(net->sides[who].sent < 3600 * 3); /* both checks and answers */
    }
    net_free(net);
}

/* ---- in the middle of a session ---- */

static void a_rebinding_of_either_side_is_followed(void **state)
{
    (void)state;
    for (unsigned who = 0; who < 2; who++)
        for (uint64_t seed = 0; seed < 100; seed++) {
            struct net *net = connected_over(seed, FILTER_ADDRESS);
            net_run(net, net->now + seed * 61 * MS);
            side_rebind(net, who);
            uint64_t start = net->now;
            struct ice *other = net->sides[!who].ice;
            struct addr before = other->path->to;
            while (addr_equal(&other->path->to, &before)) { /* the next consent check tells */
                assert_true(net_step(net, start + 7 * S));
                assert_non_null(other->path);
            }
            net_run(net, net->now + 30 * S);
            assert_one_path(net);
            for (unsigned side = 0; side < 2; side++) {
                assert_int_equal(told(&net->sides[side], ICE_STALLED, NULL), 0);
                assert_true(net->sides[side].log_count <= 6);
            }
            net_free(net);
        }
}

static void unanswered_data_after_a_rebinding_repairs_the_path_in_two_round_trips(void **state)
{
    (void)state;
    for (unsigned who = 0; who < 2; who++) {
        struct net *net = connected_over(3, FILTER_ADDRESS);
        side_rebind(net, who);
        uint64_t start = net->now;
        struct ice *other = net->sides[!who].ice;
        struct addr before = other->path->to;
        ice_suspect(net->sides[who].ice, net->now, false); /* what conn does when data goes unanswered */
        side_drain(net, who);
        while (addr_equal(&other->path->to, &before))
            assert_true(net_step(net, start + 4 * net->delay));
        net_free(net);
    }
}

/* Both filter by port, so neither gets in: the new address must be told. That is what the STUN servers and
 * the broker are asked for as soon as the path is doubtful. */
static void a_rebinding_behind_strict_nats_is_repaired_by_a_new_candidate(void **state)
{
    (void)state;
    for (unsigned who = 0; who < 2; who++)
        for (unsigned idle = 0; idle < 2; idle++) {
            struct net *net = connected(3);
            struct side *moved = &net->sides[who], *other = &net->sides[!who];
            side_rebind(net, who);
            uint64_t start = net->now;
            assert_false(ice_is_suspicious(moved->ice));
            if (!idle)
                ice_suspect(moved->ice, net->now, false);
            side_drain(net, who);
            while (!ice_is_suspicious(moved->ice))
                assert_true(net_step(net, start + 7 * S));
            struct addr server = at("198.51.100.1:3478");
            struct addr mapped = nat_out(&moved->nat, &moved->base, &server);
            add_candidate(moved->ice, CANDIDATE_SRFLX, mapped, moved->base, server);
            net_run(net, net->now + 100 * MS);
            learn(net, !who);
            uint64_t told_at = net->now;
            while (!addr_equal(&other->ice->path->to, &mapped) || ice_is_suspicious(moved->ice))
                assert_true(net_step(net, told_at + 6 * S));
            assert_true(idle || net->now <= told_at + 1 * S);
            net_run(net, net->now + 20 * S);
            assert_one_path(net);
            assert_int_equal(told(moved, ICE_STALLED, NULL) + told(other, ICE_STALLED, NULL), 0);
            net_free(net);
        }
}

static void a_stray_packet_after_a_rebinding_repairs_it_as_well(void **state)
{
    (void)state;
    struct net *net = connected_over(3, FILTER_ADDRESS);
    side_rebind(net, 0);
    struct side *b = &net->sides[1];
    struct addr from = nat_out(&net->sides[0].nat, &net->sides[0].base, &b->ice->path->mapped);
    uint8_t quic[30] = {0x40};
    struct packet in = {.local = b->base, .remote = from, .data = quic, .len = sizeof quic};
    uint64_t start = net->now;
    ice_hint(b->ice, net->now, &in);
    side_drain(net, 1);
    while (!addr_equal(&b->ice->path->to, &from))
        assert_true(net_step(net, start + 2 * net->delay));
    net_free(net);
}

static void silence_after_a_kill_and_then_the_end(void **state)
{
    (void)state;
    struct net *net = connected(4);
    net->sides[1].dead = true;
    struct side *a = &net->sides[0];
    uint64_t proof = a->ice->proof, stalled = 0, lost = 0;
    net_run(net, net->now + 300 * S);
    assert_int_equal(told(a, ICE_STALLED, &stalled), 1);
    assert_int_equal(told(a, ICE_LOST, &lost), 1);
    assert_true(stalled >= proof + 30 * S && stalled <= proof + 30 * S + 2 * net->delay);
    assert_true(a->last_sent <= stalled);
    assert_true(lost == stalled + 90 * S);
    net_free(net);
}

static void a_kill_and_a_will_are_told_within_a_second(void **state)
{
    (void)state;
    struct net *net = connected(4);
    net->sides[1].dead = true;
    net_run(net, net->now + 1 * S);
    uint64_t start = net->now, lost = 0;
    ice_suspect(net->sides[0].ice, start, true);
    side_drain(net, 0);
    net_run(net, start + 15 * S);
    assert_int_equal(told(&net->sides[0], ICE_LOST, &lost), 1);
    assert_true(lost - start < 1 * S);
    net_free(net);
}

static void a_sleeper_wakes_to_its_old_session(void **state)
{
    (void)state;
    for (unsigned who = 0; who < 2; who++) {
        struct net *net = connected_over(6, FILTER_ADDRESS);
        net->sides[who].asleep = true;
        net_run(net, net->now + 100 * S);
        assert_int_equal(told(&net->sides[!who], ICE_STALLED, NULL), 1);
        side_rebind(net, who); /* its mapping died meanwhile, the other's hole did not */
        net->sides[who].asleep = false;
        ice_restart_checks(net->sides[who].ice, net->now);
        side_drain(net, who);
        uint64_t woken = net->now;
        assert_true(net_connect(net, woken + 4 * net->delay + 10 * MS));
        net_run(net, net->now + 60 * S);
        assert_one_path(net);
        assert_int_equal(told(&net->sides[!who], ICE_LOST, NULL), 0);
        net_free(net);
    }
}

/* ---- the agent itself ---- */

static void credentials_are_long_enough_and_differ(void **state)
{
    (void)state;
    struct net *net = two(1, true, false);
    const struct ice *a = net->sides[0].ice, *b = net->sides[1].ice;
    assert_int_equal(strlen(ice_ufrag(a)), 8);
    assert_int_equal(strlen(ice_pwd(a)), 24);
    assert_string_not_equal(ice_ufrag(a), ice_ufrag(b));
    assert_string_not_equal(ice_pwd(a), ice_pwd(b));
    assert_true(a->tie_breaker != b->tie_breaker);
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    assert_int_equal(strspn(ice_pwd(a), allowed), 24); /* RFC 8839 5.4 */
    assert_int_equal(strspn(ice_ufrag(a), allowed), 8);
    net_free(net);
    ice_free(NULL);
}

static void facts_and_counts_are_those_of_the_session(void **state)
{
    (void)state;
    struct net *net = connected(2);
    struct path_facts facts;
    ice_facts(net->sides[0].ice, &facts);
    assert_int_equal(facts.tried[PATH_LAN], 1);
    assert_int_equal(facts.answered[PATH_LAN], 0);
    assert_int_equal(facts.tried[PATH_DIRECT], 1);
    assert_int_equal(facts.answered[PATH_DIRECT], 1);
    assert_true(facts.local_srflx && facts.remote_srflx && facts.heard);
    assert_false(facts.peer_prflx || nat_is_hard(&facts.local_nat) || facts.same_machine);
    assert_int_equal(facts.allowed, PATH_ALL);
    struct ice_stats stats;
    ice_stats(net->sides[0].ice, &stats);
    assert_true(stats.checks_sent > 2 && stats.checks_received > 1 && stats.answers > 1);
    assert_int_equal(stats.malformed + stats.unauthenticated, 0);
    net_free(net);
}

static void garbage_changes_nothing(void **state)
{
    (void)state;
    struct net *net = connected(2);
    struct side *a = &net->sides[0];
    struct path before, after;
    side_path(a, &before);
    for (unsigned i = 0; i < 100000; i++) {
        uint8_t data[100];
        size_t len = net_random(net) % sizeof data;
        net_fill(net, data, len);
        if (i % 2 && len >= 20) { /* the looks of STUN */
            memcpy(data, (uint8_t[]){0, 1, 0, (uint8_t)(len - 20), 0x21, 0x12, 0xa4, 0x42}, 8);
            data[3] &= 0xfc;
            len = 20u + data[3];
        }
        struct packet in = {.local = a->base, .remote = at("198.51.100.9:9"), .data = data, .len = len};
        assert_false(ice_input(a->ice, net->now, &in));
    }
    side_drain(net, 0);
    side_path(a, &after);
    assert_true(addr_equal(&before.remote, &after.remote));
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(port_restricted_peers_connect_in_the_least_round_trips),
        cmocka_unit_test(the_later_side_may_send_after_half_a_round_trip),
        cmocka_unit_test(public_peers_need_one_round_trip),
        cmocka_unit_test(early_checks_cost_no_time),
        cmocka_unit_test(every_pair_of_cones_connects_in_both_start_orders),
        cmocka_unit_test(firewalls_on_public_addresses_are_passed),
        cmocka_unit_test(a_symmetric_nat_meets_a_cone_by_peer_reflexive_candidates),
        cmocka_unit_test(a_symmetric_nat_and_a_port_restricted_one_fail_with_a_reason),
        cmocka_unit_test(one_network_is_a_lan_path_even_when_a_direct_one_was_first),
        cmocka_unit_test(overlapping_private_addresses_do_not_confuse),
        cmocka_unit_test(trickled_candidates_connect_as_they_come),
        cmocka_unit_test(role_conflicts_end_with_one_of_each),
        cmocka_unit_test(peers_that_know_one_nomination_agree_too),
        cmocka_unit_test(thirty_percent_loss_never_keeps_them_apart),
        cmocka_unit_test(nor_do_a_dozen_addresses_that_nobody_reaches),
        cmocka_unit_test(who_is_heard_in_vain_leaves_checks_for_the_hole_that_is_hit_later),
        cmocka_unit_test(a_long_way_that_was_never_measured_is_asked_patiently),
        cmocka_unit_test(one_seed_is_one_story),
        cmocka_unit_test(a_lossy_session_of_an_hour_never_stalls),
        cmocka_unit_test(a_rebinding_of_either_side_is_followed),
        cmocka_unit_test(unanswered_data_after_a_rebinding_repairs_the_path_in_two_round_trips),
        cmocka_unit_test(a_rebinding_behind_strict_nats_is_repaired_by_a_new_candidate),
        cmocka_unit_test(a_stray_packet_after_a_rebinding_repairs_it_as_well),
        cmocka_unit_test(silence_after_a_kill_and_then_the_end),
        cmocka_unit_test(a_kill_and_a_will_are_told_within_a_second),
        cmocka_unit_test(a_sleeper_wakes_to_its_old_session),
        cmocka_unit_test(credentials_are_long_enough_and_differ),
        cmocka_unit_test(facts_and_counts_are_those_of_the_session),
        cmocka_unit_test(garbage_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
