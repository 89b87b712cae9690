/* test_punch.c - two machines and the two NATs between them, in virtual time; and what an attempt may cost.
 */
#include "punch.h"
#include "punch_canary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    SEEDS = 1000,
    AGAIN_SEEDS = 201,
    MAPPINGS = 8192,
    MAIN_PORT = 5000, /* inside; extra sockets follow */
    EASY_PORT = 6000, /* outside */
    WAY_MS = 20,      /* from one NAT to the other */
};

static const uint64_t start = 1000 * NS_PER_S;

/* A socket's port to one destination, and the only port there that may answer (RFC 4787, APDM and APDF). */
struct mapping {
    uint16_t inside, outside, to;
};

struct side {
    struct punch *punch;
    struct punch_budget budget;
    struct nat_behavior nat;
    struct addr address; /* outside */
    uint16_t next;       /* the port a sequence gives next */
    struct mapping mappings[MAPPINGS];
    size_t mapping_count;
    unsigned sent, late; /* packets; ms that this side learns everything later */
    bool told;
    struct addr to; /* where its last packet went */
};

struct net {
    uint64_t now, seed;
    struct random random;
    struct side sides[2];
};

static void net_fill(void *context, uint8_t *out, size_t len)
{
    uint64_t *state = context;
    for (size_t i = 0; i < len; i++) {
        uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        out[i] = (uint8_t)((z ^ z >> 27) >> 48);
    }
}

static struct nat_behavior nat_easy(void)
{
    return (struct nat_behavior){.mapping = NAT_MAPPING_ENDPOINT,
                                 .filtering = NAT_FILTERING_ADDRESS_AND_PORT,
                                 .ports = NAT_PORTS_PRESERVED};
}

static struct nat_behavior nat_hard(enum nat_ports ports, int step)
{
    return (struct nat_behavior){.mapping = NAT_MAPPING_ADDRESS_AND_PORT,
                                 .filtering = NAT_FILTERING_ADDRESS_AND_PORT,
                                 .ports = ports,
                                 .step = step,
                                 .low = 34816,
                                 .high = 35839};
}

static void side_begin(struct net *net, unsigned i, struct nat_behavior nat)
{
    struct side *side = &net->sides[i];
    side->nat = nat;
    side->address = (struct addr){.family = 4, .ip = {203, 0, 113, (uint8_t)(10 + i)}, .port = EASY_PORT};
    side->nat.external = side->address;
    side->nat.last = (uint16_t)(20000 + random_below(&net->random, 30000));
    /* Some mappings were made since the last one that is known. */
    side->next = (uint16_t)(side->nat.last + nat.step * (int)(1 + random_below(&net->random, 20)));
    side->punch = punch_new(&(struct punch_config){
        .first = i == 0, .delay = WAY_MS * NS_PER_MS, .budget = &side->budget, .random = &net->random});
    assert_non_null(side->punch);
}

static struct net *net_new(uint64_t seed, struct nat_behavior a, struct nat_behavior b)
{
    struct net *net = calloc(1, sizeof *net);
    assert_non_null(net);
    net->seed = seed;
    net->now = start;
    net->random = (struct random){.fill = net_fill, .context = &net->seed};
    side_begin(net, 0, a);
    side_begin(net, 1, b);
    net->sides[random_below(&net->random, 2)].late = random_below(&net->random, 60);
    return net;
}

static void net_free(struct net *net)
{
    for (unsigned i = 0; i < 2; i++)
        punch_free(net->sides[i].punch);
    free(net);
}

static void give_sockets(struct net *net, struct side *side)
{
    struct addr locals[PUNCH_SOCKETS_MAX];
    size_t count = punch_wants_sockets(side->punch);
    for (size_t i = 0; i < count; i++)
        locals[i] = (struct addr){.family = 4, .port = (uint16_t)(MAIN_PORT + 1 + i)};
    punch_set_sockets(side->punch, net->now, locals, count);
}

static void tell(struct net *net, unsigned i)
{
    struct side *side = &net->sides[i], *other = &net->sides[!i];
    struct addr base = {.family = 4, .ip = {192, 168, 1, 2}, .port = MAIN_PORT};
    if (side->told || net->now < start + side->late * NS_PER_MS)
        return;
    side->told = true;
    punch_set_nat(side->punch, net->now, &side->nat, &other->nat);
    punch_set_ends(side->punch, net->now, &base, &other->address);
}

static uint16_t draw_port(struct net *net, struct side *side)
{
    uint16_t port;
    switch (side->nat.ports) {
    case NAT_PORTS_SEQUENTIAL:
        port = side->next;
        side->next = (uint16_t)(side->next + side->nat.step);
        return port;
    case NAT_PORTS_BLOCK:
        return (uint16_t)(side->nat.low + random_below(&net->random, 1024));
    case NAT_PORTS_RANDOM:
        return (uint16_t)(1024 + random_below(&net->random, 64512));
    default:
        return EASY_PORT;
    }
}

/* The packet leaves: the port that the other side sees it come from. */
static uint16_t translate(struct net *net, struct side *side, uint16_t inside, uint16_t to)
{
    for (size_t i = 0; i < side->mapping_count; i++)
        if (side->mappings[i].inside == inside && side->mappings[i].to == to)
            return side->mappings[i].outside;
    assert_true(side->mapping_count < MAPPINGS);
    struct mapping *mapping = &side->mappings[side->mapping_count++];
    *mapping = (struct mapping){.inside = inside, .outside = draw_port(net, side), .to = to};
    return mapping->outside;
}

static bool lets_in(const struct side *side, uint16_t outside, uint16_t from)
{
    for (size_t i = 0; i < side->mapping_count; i++)
        if (side->mappings[i].outside == outside && side->mappings[i].to == from)
            return true;
    return false;
}

/* All that a side has to send at this moment. True: something got through to the other. */
static bool send_all(struct net *net, unsigned i)
{
    struct side *side = &net->sides[i], *other = &net->sides[!i];
    struct packet out = {0};
    bool through = false;
    give_sockets(net, side);
    while (!through && punch_output(side->punch, net->now, &out)) {
        side->sent++;
        side->to = out.remote;
        assert_true(addr_equal_ip(&out.remote, &other->address));
        uint16_t from = translate(net, side, out.local.port, out.remote.port);
        through = !out.ttl && lets_in(other, out.remote.port, from);
        give_sockets(net, side);
    }
    return through;
}

/* ms until something got through, `limit` if nothing did. */
static unsigned net_run(struct net *net, unsigned limit_ms)
{
    for (unsigned ms = 0; ms < limit_ms; ms++, net->now += NS_PER_MS)
        for (unsigned i = 0; i < 2; i++) {
            tell(net, i);
            if (send_all(net, i))
                return ms;
        }
    return limit_ms;
}

static int by_size(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
    return x < y ? -1 : x > y;
}

/* All seeds must get through; at most half need longer than `median_ms`, one in twenty than `most_ms`. */
static void check_pair(const char *name, struct nat_behavior a, struct nat_behavior b, unsigned median_ms,
                       unsigned most_ms, unsigned median_probes)
{
    static unsigned took[SEEDS], probes[SEEDS];
    enum { LIMIT_MS = 40000 };
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        struct net *net = net_new(seed, seed % 2 ? a : b, seed % 2 ? b : a);
        took[seed] = net_run(net, LIMIT_MS);
        probes[seed] = net->sides[0].sent > net->sides[1].sent ? net->sides[0].sent : net->sides[1].sent;
        net_free(net);
    }
    qsort(took, SEEDS, sizeof *took, by_size);
    qsort(probes, SEEDS, sizeof *probes, by_size);
    printf("%s: %u ms (median), %u ms (19 of 20), %u ms (worst); %u packets of a side (median), %u (worst)\n",
           name, took[SEEDS / 2], took[SEEDS * 19 / 20], took[SEEDS - 1], probes[SEEDS / 2],
           probes[SEEDS - 1]);
    assert_true(took[SEEDS - 1] < LIMIT_MS);
    assert_true(took[SEEDS / 2] <= median_ms);
    assert_true(took[SEEDS * 19 / 20] <= most_ms);
    assert_true(probes[SEEDS / 2] <= median_probes);
}

/* ---- pairs ---- */

static void ports_at_random_are_hit(void **state)
{
    (void)state;
    check_pair("easy with random", nat_easy(), nat_hard(NAT_PORTS_RANDOM, 0), 900, 2800, 500);
}

static void ports_of_a_block_are_hit_with_few_probes(void **state)
{
    (void)state;
    check_pair("easy with block", nat_easy(), nat_hard(NAT_PORTS_BLOCK, 0), 300, 500, 150);
}

static void sequences_of_every_step_are_foretold(void **state)
{
    (void)state;
    check_pair("easy with sequence", nat_easy(), nat_hard(NAT_PORTS_SEQUENTIAL, 1), 200, 300, 100);
    check_pair("easy with sequence, step 2", nat_easy(), nat_hard(NAT_PORTS_SEQUENTIAL, 2), 200, 300, 100);
    check_pair("easy with sequence, step -1", nat_easy(), nat_hard(NAT_PORTS_SEQUENTIAL, -1), 200, 300, 100);
    check_pair("easy with sequence, step 17", nat_easy(), nat_hard(NAT_PORTS_SEQUENTIAL, 17), 200, 300, 100);
}

static void two_sequences_meet(void **state)
{
    (void)state;
    struct nat_behavior a = nat_hard(NAT_PORTS_SEQUENTIAL, 1), b = nat_hard(NAT_PORTS_SEQUENTIAL, 4);
    check_pair("sequence with sequence", a, a, 1000, 1500, 400);
    check_pair("sequence with sequence, steps 1 and 4", a, b, 1000, 1500, 400);
}

/* Others behind the NAT open mappings too: it is far ahead of the last port that was seen. */
static void a_sequence_that_ran_away_is_caught_by_the_comb(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct net *net = net_new(seed, nat_easy(), nat_hard(NAT_PORTS_SEQUENTIAL, 1));
        net->sides[1].next = (uint16_t)(2000 + random_below(&net->random, 60000));
        assert_true(net_run(net, 10000) < 5000);
        net_free(net);
    }
}

/* ---- what worked before ---- */

static void net_remember(struct net *net, enum path_strategy strategy)
{
    for (unsigned i = 0; i < 2; i++)
        punch_set_strategy(net->sides[i].punch, strategy);
}

/* Half of the seeds took so long, ms; `away`: the second's sequence is far from where it was seen. */
static unsigned median_of(struct nat_behavior a, struct nat_behavior b, bool away,
                          enum path_strategy strategy)
{
    static unsigned took[SEEDS];
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        struct net *net = net_new(seed, a, b);
        if (away)
            net->sides[1].next = (uint16_t)(2000 + random_below(&net->random, 60000));
        net_remember(net, strategy);
        took[seed] = net_run(net, 40000);
        net_free(net);
    }
    qsort(took, AGAIN_SEEDS, sizeof *took, by_size);
    return took[AGAIN_SEEDS / 2];
}

static void what_worked_before_works_sooner(void **state)
{
    (void)state;
    struct nat_behavior unsure = nat_easy(), count = nat_hard(NAT_PORTS_SEQUENTIAL, 1);
    unsure.filtering = NAT_FILTERING_UNKNOWN; /* ordinary checks would be waited for */
    unsigned first = median_of(unsure, count, false, STRATEGY_NONE);
    assert_true(median_of(unsure, count, false, STRATEGY_GUESS) + 30 <= first);
    first = median_of(count, count, false, STRATEGY_NONE);
    assert_true(median_of(count, count, false, STRATEGY_GUESS) + 80 <= first);
    first = median_of(nat_easy(), count, true, STRATEGY_NONE);
    assert_true(median_of(nat_easy(), count, true, STRATEGY_WIDE) + 800 <= first);
}

static void a_wrong_memory_costs_nothing(void **state)
{
    (void)state;
    const struct nat_behavior easy = nat_easy(), count = nat_hard(NAT_PORTS_SEQUENTIAL, 1),
                              block = nat_hard(NAT_PORTS_BLOCK, 0), random = nat_hard(NAT_PORTS_RANDOM, 0);
    const struct nat_behavior pairs[][2] = {{easy, count}, {easy, block}, {easy, random}, {count, count}};
    for (unsigned i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        unsigned none = median_of(pairs[i][0], pairs[i][1], false, STRATEGY_NONE);
        for (enum path_strategy s = STRATEGY_GUESS; s <= STRATEGY_WIDE; s++) {
            unsigned wrong = median_of(pairs[i][0], pairs[i][1], false, s);
            printf("pair %u, strategy %u: %u ms (median), without %u\n", i, s, wrong, none);
            assert_true(wrong * 100 <= none * 105);
        }
    }
    unsigned none = median_of(easy, count, true, STRATEGY_NONE);
    assert_true(median_of(easy, count, true, STRATEGY_GUESS) * 100 <= none * 105);
}

/* What was needed is what is remembered. */
static void what_has_worked_is_told(void **state)
{
    (void)state;
    for (unsigned away = 0; away < 2; away++) {
        struct net *net = net_new(away, nat_easy(), nat_hard(NAT_PORTS_SEQUENTIAL, 1));
        if (away)
            net->sides[1].nat.last = 20000, net->sides[1].next = 40000;
        assert_true(net_run(net, 10000) < 10000);
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(punch_strategy(net->sides[i].punch), STRATEGY_NONE);
            punch_set_direct(net->sides[i].punch, net->now, true);
            assert_int_equal(punch_strategy(net->sides[i].punch), away ? STRATEGY_WIDE : STRATEGY_GUESS);
        }
        net_free(net);
    }
}

/* ---- what it costs ---- */

/* Deaf NATs: nothing ever gets through. Packets of `side` until `ms` are over, and the most in a second. */
static unsigned spend(struct net *net, unsigned i, unsigned ms, unsigned *most_a_second)
{
    struct side *side = &net->sides[i];
    unsigned before = 0, total = 0;
    *most_a_second = 0;
    for (unsigned at = 0; at < ms; at++, net->now += NS_PER_MS) {
        struct packet out = {0};
        tell(net, 0);
        tell(net, 1);
        give_sockets(net, side);
        while (punch_output(side->punch, net->now, &out)) {
            total++;
            side->to = out.remote;
            give_sockets(net, side);
        }
        if (at % 1000 == 999) {
            *most_a_second = total - before > *most_a_second ? total - before : *most_a_second;
            before = total;
        }
    }
    return total;
}

static void an_attempt_stays_in_its_budget_whatever_the_plan(void **state)
{
    (void)state;
    const struct nat_behavior kinds[] = {nat_easy(), nat_hard(NAT_PORTS_SEQUENTIAL, 1),
                                         nat_hard(NAT_PORTS_BLOCK, 0), nat_hard(NAT_PORTS_RANDOM, 0)};
    for (unsigned a = 0; a < 4; a++)
        for (unsigned i = 0; i < 12; i++) {
            unsigned b = i % 4;
            struct net *net = net_new(a * 4 + b, kinds[a], kinds[b]);
            net_remember(net, (enum path_strategy)(i / 4));
            unsigned most, total = spend(net, 0, 19000, &most);
            assert_true(total <= PUNCH_PROBES_MAX);
            assert_true(most <= PUNCH_RATE + PUNCH_RATE / 50);
            assert_false(punch_is_running(net->sides[0].punch)); /* before another may begin */
            assert_int_equal(punch_wants_sockets(net->sides[0].punch), 0);
            assert_true(total == 0 || punch_is_hopeful(net->sides[0].punch, net->now));
            total += spend(net, 0, 300000, &most);
            assert_true(total <= PUNCH_ATTEMPTS_MAX * PUNCH_PROBES_MAX);
            assert_int_equal(punch_deadline(net->sides[0].punch), NEVER);
            assert_false(punch_is_hopeful(net->sides[0].punch, net->now));
            net_free(net);
        }
}

/* The pause is over in 20 s at the latest: whoever waits for longer is told that there is no direct path. */
static void there_is_hope_for_as_long_as_the_pause_between_attempts(void **state)
{
    (void)state;
    struct net *net = net_new(1, nat_easy(), nat_hard(NAT_PORTS_RANDOM, 0));
    struct punch *punch = net->sides[0].punch;
    punch_budget_spend(&net->sides[0].budget, net->now, &net->sides[1].address); /* for another peer, say */
    net->sides[0].late = 0;
    tell(net, 0);
    assert_int_equal(punch_deadline(punch), net->now + PUNCH_PAUSE_S * NS_PER_S);
    assert_true(punch_is_hopeful(punch, net->now));
    assert_false(punch_is_hopeful(punch, net->now - 1));
    net_free(net);
}

/* A peer says again and again something new of its NAT. */
static void news_do_not_renew_the_budget_of_an_address(void **state)
{
    (void)state;
    struct net *net = net_new(1, nat_easy(), nat_hard(NAT_PORTS_RANDOM, 0));
    unsigned most, total = 0;
    for (unsigned s = 0; s < 590; s++) {
        net->sides[1].nat.external.port = (uint16_t)(7000 + s);
        net->sides[1].nat.ports = s % 3 ? NAT_PORTS_RANDOM : NAT_PORTS_BLOCK;
        net->sides[0].told = false;
        total += spend(net, 0, 1000, &most);
        assert_true(most <= PUNCH_RATE + PUNCH_RATE / 50);
    }
    assert_true(total > 0);
    assert_true(total <= PUNCH_ATTEMPTS_MAX * PUNCH_PROBES_MAX);
    net_free(net);
}

/* The rest of what a survey finds comes while the first attempt runs. */
static void news_do_not_change_a_plan_that_holds(void **state)
{
    (void)state;
    struct net *net = net_new(1, nat_easy(), nat_hard(NAT_PORTS_SEQUENTIAL, 1));
    struct punch_facts facts;
    unsigned most;
    net->sides[1].nat.filtering = NAT_FILTERING_UNKNOWN;
    spend(net, 0, 300, &most);
    assert_true(punch_is_running(net->sides[0].punch));
    net->sides[1].nat.filtering = NAT_FILTERING_ADDRESS_AND_PORT;
    net->sides[0].told = false;
    spend(net, 0, 100, &most);
    punch_facts(net->sides[0].punch, &facts);
    assert_int_equal(facts.plan.ports, NAT_PORTS_SEQUENTIAL);
    net_free(net);
}

static void a_block_that_moves_is_followed_and_never_left(void **state)
{
    (void)state;
    struct net *net = net_new(1, nat_easy(), nat_hard(NAT_PORTS_BLOCK, 0));
    struct packet out = {0};
    unsigned sent = 0;
    for (unsigned ms = 0; ms < 3000; ms++, net->now += NS_PER_MS) {
        if (ms == 500) {
            net->sides[1].nat.low = 65408;
            net->sides[1].nat.high = 65535;
            net->sides[0].told = false;
        }
        tell(net, 0);
        while (punch_output(net->sides[0].punch, net->now, &out)) {
            sent += ms >= 500;
            assert_in_range(out.remote.port, net->sides[1].nat.low, net->sides[1].nat.high);
        }
    }
    assert_true(sent > 100);
    net_free(net);
}

static void an_attempt_at_one_address_is_not_turned_upon_another(void **state)
{
    (void)state;
    struct net *net = net_new(1, nat_easy(), nat_hard(NAT_PORTS_RANDOM, 0));
    unsigned most;
    assert_true(spend(net, 0, 1000, &most) > 100);
    net->sides[1].address.ip[3] = 99;
    net->sides[1].nat.external.ip[3] = 99;
    net->sides[0].told = false;
    assert_int_equal(spend(net, 0, 15000, &most), 0);
    net_free(net);
}

static void a_path_ends_the_attempt_and_its_loss_begins_another_within_the_budget(void **state)
{
    (void)state;
    struct net *net = net_new(1, nat_easy(), nat_hard(NAT_PORTS_RANDOM, 0));
    unsigned most;
    assert_true(spend(net, 1, 1000, &most) > 100);
    assert_int_equal(punch_wants_sockets(net->sides[1].punch), PUNCH_SOCKETS_MAX);
    punch_set_direct(net->sides[1].punch, net->now, true);
    assert_int_equal(punch_wants_sockets(net->sides[1].punch), 0);
    assert_int_equal(spend(net, 1, 60000, &most), 0);
    punch_set_direct(net->sides[1].punch, net->now, false);
    assert_true(spend(net, 1, 10000, &most) > 100);
    punch_set_direct(net->sides[1].punch, net->now, true);
    punch_set_direct(net->sides[1].punch, net->now, false);
    assert_int_equal(spend(net, 1, 60000, &most), 0); /* two were made at this address */
    net_free(net);
}

static void who_is_heard_holds_its_fire(void **state)
{
    (void)state;
    struct net *net = net_new(1, nat_easy(), nat_hard(NAT_PORTS_RANDOM, 0));
    unsigned most;
    assert_true(spend(net, 0, 1000, &most) > 100);
    punch_heard(net->sides[0].punch, net->now);
    assert_int_equal(spend(net, 0, 300, &most), 0);
    assert_true(spend(net, 0, 1000, &most) > 100); /* it came to nothing */
    net_free(net);
}

static void a_network_that_suffers_gets_a_quarter_and_then_nothing(void **state)
{
    (void)state;
    struct net *net = net_new(1, nat_easy(), nat_hard(NAT_PORTS_RANDOM, 0));
    struct punch *punch = net->sides[0].punch;
    unsigned most;
    spend(net, 0, 1000, &most);
    punch_hurts(punch, net->now, CANARY_SLOW - 1);
    spend(net, 0, 1000, &most);
    assert_int_equal(most, PUNCH_RATE);
    punch_hurts(punch, net->now, CANARY_SLOW);
    spend(net, 0, 1000, &most);
    assert_true(most <= PUNCH_RATE / 4 + 1);
    punch_hurts(punch, net->now, CANARY_STOP);
    assert_int_equal(spend(net, 0, 5000, &most), 0);
    assert_int_equal(punch_wants_sockets(punch), 0);
    net_free(net);
}

static void a_system_without_sockets_ends_the_attempt_in_time(void **state)
{
    (void)state;
    struct net *net = net_new(1, nat_hard(NAT_PORTS_RANDOM, 0), nat_easy());
    struct packet out = {0};
    for (unsigned ms = 0; ms < 19000; ms++, net->now += NS_PER_MS) {
        tell(net, 0);
        if (ms % 2) /* asked for, and refused */
            punch_set_sockets(net->sides[0].punch, net->now, NULL, 0);
        assert_false(punch_output(net->sides[0].punch, net->now, &out));
    }
    assert_false(punch_is_running(net->sides[0].punch));
    net_free(net);
}

static void first_openers_die_before_the_other_gateway(void **state)
{
    (void)state;
    struct net *net = net_new(1, nat_hard(NAT_PORTS_RANDOM, 0), nat_easy());
    struct packet out = {0};
    unsigned sent = 0;
    for (unsigned ms = 0; ms < 1900; ms++, net->now += NS_PER_MS) {
        tell(net, 0);
        give_sockets(net, &net->sides[0]);
        while (punch_output(net->sides[0].punch, net->now, &out)) {
            assert_true(out.ttl > 0 && out.ttl < 8);
            assert_int_equal(out.remote.port, EASY_PORT);
            sent++;
        }
    }
    assert_int_equal(sent, PUNCH_SOCKETS_MAX);
    net_free(net);
}

static void a_deadline_is_never_missed_by_more_than_it_says(void **state)
{
    (void)state;
    struct net *net = net_new(1, nat_easy(), nat_hard(NAT_PORTS_SEQUENTIAL, 1));
    struct packet out = {0};
    unsigned sent = 0, turns = 0;
    tell(net, 0);
    tell(net, 1);
    net->now += 100 * NS_PER_MS;
    tell(net, 0);
    while (punch_deadline(net->sides[0].punch) < start + 15 * NS_PER_S) {
        uint64_t at = punch_deadline(net->sides[0].punch);
        net->now = at > net->now ? at : net->now;
        while (punch_output(net->sides[0].punch, net->now, &out))
            sent++;
        assert_true(turns++ < 5000); /* no busy loop */
    }
    assert_true(sent > 500);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ports_at_random_are_hit),
        cmocka_unit_test(ports_of_a_block_are_hit_with_few_probes),
        cmocka_unit_test(sequences_of_every_step_are_foretold),
        cmocka_unit_test(two_sequences_meet),
        cmocka_unit_test(a_sequence_that_ran_away_is_caught_by_the_comb),
        cmocka_unit_test(what_worked_before_works_sooner),
        cmocka_unit_test(a_wrong_memory_costs_nothing),
        cmocka_unit_test(what_has_worked_is_told),
        cmocka_unit_test(an_attempt_stays_in_its_budget_whatever_the_plan),
        cmocka_unit_test(news_do_not_renew_the_budget_of_an_address),
        cmocka_unit_test(news_do_not_change_a_plan_that_holds),
        cmocka_unit_test(a_block_that_moves_is_followed_and_never_left),
        cmocka_unit_test(an_attempt_at_one_address_is_not_turned_upon_another),
        cmocka_unit_test(a_path_ends_the_attempt_and_its_loss_begins_another_within_the_budget),
        cmocka_unit_test(who_is_heard_holds_its_fire),
        cmocka_unit_test(a_network_that_suffers_gets_a_quarter_and_then_nothing),
        cmocka_unit_test(a_system_without_sockets_ends_the_attempt_in_time),
        cmocka_unit_test(first_openers_die_before_the_other_gateway),
        cmocka_unit_test(a_deadline_is_never_missed_by_more_than_it_says),
        cmocka_unit_test(there_is_hope_for_as_long_as_the_pause_between_attempts),
    };
    return cmocka_run_group_tests_name("punch", tests, NULL, NULL);
}
