/* test_path.c - what a pair of addresses means to people: kind, preference, sentences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "packet.h"
#include "path.h"
#include <string.h>

#define MS NS_PER_MS

static void kinds_have_the_names_of_the_command_line(void **state)
{
    (void)state;
    static const char *const names[PATH_KINDS] = {"host", "lan", "direct", "turn", "broker"};
    for (unsigned kind = 0; kind < PATH_KINDS; kind++)
        assert_string_equal(path_kind_name((enum path_kind)kind), names[kind]);
}

static void a_pair_is_classified_by_its_remote_end(void **state)
{
    (void)state;
    static const struct {
        const char *remote;
        bool own, announced_host, relayed;
        enum path_kind kind;
    } cases[] = {
        {"192.168.1.2:1", true, true, false, PATH_HOST},
        {"2001:db8::1", true, false, false, PATH_HOST},
        {"127.0.0.1:1", false, true, false, PATH_HOST},
        {"192.168.1.2:1", false, true, false, PATH_LAN},
        {"192.168.1.2:1", false, false, false, PATH_DIRECT}, /* some NAT's outside */
        {"fd00::1", false, true, false, PATH_LAN},
        {"100.64.0.1:1", false, true, false, PATH_LAN},
        {"100.64.0.1:1", false, false, false, PATH_DIRECT},
        {"fe80::1%1", false, false, false, PATH_LAN},
        {"169.254.0.1:1", false, false, false, PATH_LAN},
        {"203.0.113.1:1", false, true, false, PATH_DIRECT},
        {"203.0.113.1:1", false, false, false, PATH_DIRECT},
        {"2001:db8::1", false, true, false, PATH_DIRECT},
        {"203.0.113.1:1", false, true, true, PATH_TURN},
        {"192.168.1.2:1", true, true, true, PATH_TURN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct addr remote;
        assert_true(addr_parse(&remote, cases[i].remote));
        enum path_kind kind = path_classify(&remote, cases[i].own, cases[i].announced_host, cases[i].relayed);
        if (kind != cases[i].kind)
            fail_msg("case %zu: %s is %s", i, cases[i].remote, path_kind_name(kind));
    }
}

static bool beats(enum path_kind other, uint64_t other_ms, enum path_kind current, uint64_t current_ms)
{
    struct path a = {.kind = other, .rtt = other_ms * MS}, b = {.kind = current, .rtt = current_ms * MS};
    return path_beats(&a, &b);
}

static void a_better_kind_always_wins(void **state)
{
    (void)state;
    for (unsigned a = 0; a < PATH_KINDS; a++)
        for (unsigned b = 0; b < PATH_KINDS; b++)
            if (a != b)
                assert_int_equal(beats((enum path_kind)a, 900, (enum path_kind)b, 1), a < b);
}

static void within_a_kind_jitter_moves_nobody(void **state)
{
    (void)state;
    assert_false(beats(PATH_DIRECT, 40, PATH_DIRECT, 40));
    assert_false(beats(PATH_DIRECT, 33, PATH_DIRECT, 40)); /* less than a fifth */
    assert_true(beats(PATH_DIRECT, 32, PATH_DIRECT, 40));
    assert_false(beats(PATH_DIRECT, 1, PATH_DIRECT, 5)); /* less than 5 ms */
    assert_true(beats(PATH_DIRECT, 1, PATH_DIRECT, 6));
    assert_false(beats(PATH_DIRECT, 60, PATH_DIRECT, 40));
    assert_false(beats(PATH_DIRECT, 0, PATH_DIRECT, 40)); /* not measured */
    assert_false(beats(PATH_DIRECT, 1, PATH_DIRECT, 0));
}

static void no_two_paths_beat_each_other(void **state)
{
    (void)state;
    for (unsigned a = 0; a < PATH_KINDS; a++)
        for (unsigned b = 0; b < PATH_KINDS; b++)
            for (uint64_t x = 0; x < 60; x += 3)
                for (uint64_t y = 0; y < 60; y += 3)
                    assert_false(beats((enum path_kind)a, x, (enum path_kind)b, y) &&
                                 beats((enum path_kind)b, y, (enum path_kind)a, x));
}

static void the_payload_fits_the_path(void **state)
{
    (void)state;
    assert_int_equal(path_payload(PATH_HOST), 32000);
    assert_int_equal(path_payload(PATH_LAN), 1452);
    assert_int_equal(path_payload(PATH_DIRECT), 1200);
    assert_int_equal(path_payload(PATH_TURN), 1200);
    assert_int_equal(path_payload(PATH_BROKER), 1200);
}

/* ---- sentences ---- */

static const char *why(enum path_kind kind, const struct path_facts *facts)
{
    static char text[PATH_WHY_MAX];
    struct path path = {.kind = kind};
    memset(text, 'x', sizeof text);
    path_why(text, &path, facts);
    assert_non_null(memchr(text, '\0', sizeof text));
    return text;
}

static const char *why_none(const struct path_facts *facts)
{
    static char text[PATH_WHY_MAX];
    memset(text, 'x', sizeof text);
    path_why_none(text, facts);
    assert_non_null(memchr(text, '\0', sizeof text));
    return text;
}

static void says(const char *sentence, const char *words)
{
    if (!strstr(sentence, words))
        fail_msg("\"%s\" does not say \"%s\"", sentence, words);
}

static void a_path_says_why_it_is_not_a_better_one(void **state)
{
    (void)state;
    struct path_facts facts = {.allowed = PATH_ALL, .tried = {[PATH_LAN] = 2, [PATH_DIRECT] = 3}};
    says(why(PATH_HOST, &facts), "on this machine");
    says(why(PATH_LAN, &facts), "local network");
    says(why(PATH_DIRECT, &facts), "2 pairs of local addresses did not answer");
    says(why(PATH_TURN, &facts), "nothing better has answered yet");
    says(why(PATH_BROKER, &facts), "nothing better has answered yet");
    facts.local_nat.mapping = NAT_MAPPING_ADDRESS_AND_PORT; /* one hard NAT alone rules nothing out */
    says(why(PATH_BROKER, &facts), "nothing better has answered yet");
    facts.local_nat.mapping = NAT_MAPPING_UNKNOWN;
    facts.failed = true;
    says(why(PATH_TURN, &facts), "3 direct pairs did not answer");
    assert_null(strstr(why(PATH_TURN, &facts), "no TURN server"));
    says(why(PATH_BROKER, &facts), "no TURN server is known");
    facts.tried[PATH_LAN] = 0;
    says(why(PATH_DIRECT, &facts), "no address of a shared network is known");
    facts.answered[PATH_DIRECT] = 1;
    says(why(PATH_TURN, &facts), "worked, but no longer does");
}

static void what_is_not_allowed_is_said(void **state)
{
    (void)state;
    struct path_facts facts = {.allowed = PATH_BIT(PATH_BROKER), .same_machine = true};
    says(why(PATH_LAN, &facts), "host paths are not allowed");
    says(why(PATH_DIRECT, &facts), "lan paths are not allowed");
    says(why(PATH_BROKER, &facts), "direct paths are not allowed");
    says(why(PATH_BROKER, &facts), "turn is not allowed");
}

static void blocked_udp_is_blamed_on_whose_it_is(void **state)
{
    (void)state;
    struct path_facts facts = {.allowed = PATH_ALL, .tried = {[PATH_DIRECT] = 1}, .local_blocked = true};
    says(why(PATH_BROKER, &facts), "UDP seems to be blocked on this side");
    says(why_none(&facts), "UDP seems to be blocked on this side");
    facts.remote_blocked = true;
    says(why(PATH_BROKER, &facts), "UDP seems to be blocked on both sides");
    facts.local_blocked = false;
    says(why(PATH_BROKER, &facts), "UDP seems to be blocked on the peer's side");
    facts.local_nat.mapping = NAT_MAPPING_ENDPOINT;
    says(why(PATH_BROKER, &facts), "; here an easy NAT, there a network without UDP");
    facts.remote_blocked = false;
    says(why(PATH_BROKER, &facts), "; here an easy NAT, there an unknown network");
}

static void a_port_that_a_router_opened_is_named(void **state)
{
    (void)state;
    char why[PATH_WHY_MAX];
    struct path path = {.kind = PATH_DIRECT};
    struct path_facts facts = {.allowed = PATH_ALL, .local_mapped = true};
    path_why(why, &path, &facts);
    assert_non_null(strstr(why, "at the port that our router opened"));
    facts.remote_mapped = true;
    path_why(why, &path, &facts);
    assert_non_null(strstr(why, "both sides' routers opened"));
    facts.local_mapped = false;
    path_why(why, &path, &facts);
    assert_non_null(strstr(why, "at the port that its router opened"));
    path.kind = PATH_LAN;
    path_why(why, &path, &facts);
    assert_null(strstr(why, "router opened"));
}

static void the_nats_are_blamed_where_they_are_known(void **state)
{
    (void)state;
    struct path_facts facts = {.allowed = PATH_ALL, .failed = true, .tried = {[PATH_DIRECT] = 1}};
    facts.local_nat.mapping = NAT_MAPPING_ADDRESS;
    says(why(PATH_TURN, &facts), "the NAT here maps by destination");
    facts.peer_prflx = true;
    says(why(PATH_TURN, &facts), "the NATs of both sides map by destination");
    facts.local_nat.mapping = NAT_MAPPING_ENDPOINT;
    says(why(PATH_TURN, &facts), "the peer's NAT maps by destination");
}

static void both_networks_are_named_where_packets_cross_the_internet(void **state)
{
    (void)state;
    struct path_facts facts = {.allowed = PATH_ALL, .tried = {[PATH_DIRECT] = 1}};
    assert_null(strstr(why(PATH_DIRECT, &facts), "here"));
    facts.local_nat.mapping = NAT_MAPPING_ENDPOINT;
    says(why(PATH_DIRECT, &facts), "; here an easy NAT, there an unknown network");
    facts.remote_nat = (struct nat_behavior){
        .mapping = NAT_MAPPING_ADDRESS_AND_PORT, .ports = NAT_PORTS_SEQUENTIAL, .step = 1};
    says(why(PATH_DIRECT, &facts), "; here an easy NAT, there a hard NAT (ports in sequence, +1 each)");
    says(why(PATH_TURN, &facts), "there a hard NAT");
    says(why(PATH_BROKER, &facts), "there a hard NAT");
    says(why_none(&facts), "there a hard NAT");
    assert_null(strstr(why(PATH_LAN, &facts), "here"));
    facts.local_nat = (struct nat_behavior){.mapping = NAT_MAPPING_NONE};
    facts.remote_nat.ports = NAT_PORTS_BLOCK;
    facts.remote_nat.low = 34816;
    facts.remote_nat.high = 35839;
    says(why(PATH_DIRECT, &facts), "here no NAT, there a hard NAT (ports at random within 34816 to 35839)");
    facts.local_nat.filtering = NAT_FILTERING_ADDRESS_AND_PORT;
    says(why(PATH_DIRECT, &facts), "here a firewall but no NAT");
}

static void no_path_says_what_was_tried_and_what_to_change(void **state)
{
    (void)state;
    struct path_facts facts = {.allowed = PATH_BIT(PATH_HOST) | PATH_BIT(PATH_LAN) | PATH_BIT(PATH_DIRECT),
                               .tried = {[PATH_LAN] = 2, [PATH_DIRECT] = 3}};
    facts.peer_prflx = true;
    facts.local_nat.mapping = NAT_MAPPING_ADDRESS_AND_PORT;
    assert_string_equal(
        why_none(&facts),
        "2 lan and 3 direct pairs did not answer: the NATs of both sides map by destination, so "
        "neither knows the port to knock at; here a hard NAT, there an unknown network; try one side on "
        "another network, or with IPv6");
    facts.peer_prflx = false;
    facts.local_nat.mapping = NAT_MAPPING_UNKNOWN;
    facts.remote_symmetric = true;
    says(why_none(&facts), "the peer's NAT maps by destination");
    facts.remote_symmetric = false;
    facts.peer_prflx = false;
    facts.local_nat.mapping = NAT_MAPPING_UNKNOWN;
    says(why_none(&facts), "no STUN server told either side's public address");
    facts.local_srflx = true;
    says(why_none(&facts), "the peer's public address is unknown");
    facts.remote_srflx = true;
    assert_string_equal(
        why_none(&facts),
        "2 lan and 3 direct pairs did not answer; try one side on another network, or with IPv6");
    facts.local_srflx = false;
    says(why_none(&facts), "told our public address");
    facts.heard = true;
    says(why_none(&facts), "the peer's checks arrive");
}

static void no_path_names_the_kinds_that_were_forbidden(void **state)
{
    (void)state;
    struct path_facts facts = {.allowed = PATH_BIT(PATH_DIRECT) | PATH_BIT(PATH_BROKER), .local_srflx = true};
    facts.remote_srflx = true;
    assert_string_equal(why_none(&facts),
                        "there was no pair of addresses to try; allow more with --paths (host, lan)");
}

static void a_guessed_port_says_how_it_was_found(void **state)
{
    (void)state;
    struct path_facts facts = {.allowed = PATH_ALL, .answered = {[PATH_DIRECT] = 1}};
    facts.punched = (struct punch_facts){{PUNCH_KNOCK, NAT_PORTS_RANDOM}, .attempts = 1, .probes = 431};
    says(why(PATH_DIRECT, &facts),
         "the peer's NAT draws ports at random: one of 256 holes was hit after 431 probes");
    facts.punched.plan.way = PUNCH_HOLD;
    says(why(PATH_DIRECT, &facts), "the NAT here draws ports at random: the peer hit one of 256 holes");
    facts.punched.plan.ports = NAT_PORTS_BLOCK;
    says(why(PATH_DIRECT, &facts), "from a block: the peer hit one of 128 holes");
    facts.punched.plan = (struct punch_plan){PUNCH_KNOCK, NAT_PORTS_SEQUENTIAL};
    facts.punched.probes = 1;
    says(why(PATH_DIRECT, &facts), "one port after the other: the next was foretold after 1 probe");
    facts.punched.plan.way = PUNCH_MEET;
    says(why(PATH_DIRECT, &facts), "both NATs give one port after the other");
    facts.punched.attempts = 0; /* ordinary checks were enough */
    says(why(PATH_DIRECT, &facts), "without help");
}

static void guesses_that_missed_are_said(void **state)
{
    (void)state;
    struct path_facts facts = {.allowed = PATH_ALL, .failed = true, .tried = {[PATH_DIRECT] = 2}};
    facts.punched = (struct punch_facts){{PUNCH_KNOCK, NAT_PORTS_RANDOM}, .attempts = 2, .probes = 2000};
    says(why(PATH_TURN, &facts), "2 direct pairs did not answer, nor did 2000 probes of guessed ports");
    says(why_none(&facts), "nor did 2000 probes of guessed ports");
}

static void every_combination_of_facts_makes_a_whole_sentence(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 1u << 12; bits++) {
        struct path_facts facts = {
            .allowed = bits & PATH_ALL,
            .local_nat.mapping = bits >> 5 & 1 ? NAT_MAPPING_ADDRESS : NAT_MAPPING_UNKNOWN,
            .peer_prflx = bits >> 6 & 1,
            .local_srflx = bits >> 7 & 1,
            .remote_srflx = bits >> 8 & 1,
            .heard = bits >> 9 & 1,
            .remote_nat = {.mapping = bits >> 9 & 1 ? NAT_MAPPING_ADDRESS_AND_PORT : NAT_MAPPING_UNKNOWN,
                           .ports = NAT_PORTS_BLOCK,
                           .low = 34816,
                           .high = 35839},
            .same_machine = bits >> 10 & 1};
        for (unsigned kind = 0; bits >> 11 && kind < PATH_KINDS; kind++)
            facts.tried[kind] = 1000000 * kind;
        for (unsigned kind = 0; kind < PATH_KINDS; kind++)
            assert_in_range(strlen(why((enum path_kind)kind, &facts)), 10, PATH_WHY_MAX - 2);
        assert_in_range(strlen(why_none(&facts)), 10, PATH_WHY_MAX - 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_have_the_names_of_the_command_line),
        cmocka_unit_test(a_pair_is_classified_by_its_remote_end),
        cmocka_unit_test(a_better_kind_always_wins),
        cmocka_unit_test(within_a_kind_jitter_moves_nobody),
        cmocka_unit_test(no_two_paths_beat_each_other),
        cmocka_unit_test(the_payload_fits_the_path),
        cmocka_unit_test(a_path_says_why_it_is_not_a_better_one),
        cmocka_unit_test(a_guessed_port_says_how_it_was_found),
        cmocka_unit_test(guesses_that_missed_are_said),
        cmocka_unit_test(what_is_not_allowed_is_said),
        cmocka_unit_test(blocked_udp_is_blamed_on_whose_it_is),
        cmocka_unit_test(a_port_that_a_router_opened_is_named),
        cmocka_unit_test(the_nats_are_blamed_where_they_are_known),
        cmocka_unit_test(both_networks_are_named_where_packets_cross_the_internet),
        cmocka_unit_test(no_path_says_what_was_tried_and_what_to_change),
        cmocka_unit_test(no_path_names_the_kinds_that_were_forbidden),
        cmocka_unit_test(every_combination_of_facts_makes_a_whole_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
