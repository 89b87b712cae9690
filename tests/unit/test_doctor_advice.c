/* test_doctor_advice.c - what a checkup means: what needs attention, and so makes the exit code 1. */
#include "doctor.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* A machine where all is well. */
static struct checkup healthy(void)
{
    struct checkup checkup = {.interface_count = 1,
                              .stun_count = 2,
                              .broker_count = 1,
                              .ipv6 = CHECKUP_IPV6_WORKS,
                              .receive_buffer = NET_SOCKET_BUFFER,
                              .send_buffer = NET_SOCKET_BUFFER};
    assert_true(addr_parse(&checkup.interfaces[0].address, "192.168.1.2"));
    assert_true(addr_parse(&checkup.local, "192.168.1.2:4000"));
    assert_true(addr_parse(&checkup.nat.external, "203.0.113.2:4000"));
    checkup.nat.mapping = NAT_MAPPING_ENDPOINT;
    for (size_t i = 0; i < 2; i++) {
        snprintf(checkup.stun[i].name, sizeof checkup.stun[i].name, "stun%zu.example", i);
        checkup.stun[i].state = CHECKUP_ANSWERS;
    }
    snprintf(checkup.brokers[0].name, sizeof checkup.brokers[0].name, "broker.example:1883");
    checkup.brokers[0].state = CHECKUP_ANSWERS;
    return checkup;
}

/* All sentences in one text; whether none needs attention. */
static bool judged(const struct checkup *checkup, char text[4096])
{
    struct advices advices;
    size_t len = 0;
    doctor_advise(&advices, checkup);
    text[0] = '\0';
    for (size_t i = 0; i < advices.count; i++) {
        assert_true(advices.list[i].text[0]);
        len += (size_t)snprintf(text + len, 4096 - len, "%s\n", advices.list[i].text);
        assert_true(len < 4096);
    }
    return doctor_is_content(&advices);
}

static void where_all_is_well_nothing_is_advised(void **state)
{
    struct checkup checkup = healthy();
    char text[4096];
    (void)state;
    assert_true(judged(&checkup, text));
    assert_string_equal(text, "");
}

static void a_hard_nat_needs_attention_an_easy_one_does_not(void **state)
{
    char text[4096];
    (void)state;
    for (int mapping = NAT_MAPPING_UNKNOWN; mapping <= NAT_MAPPING_ADDRESS_AND_PORT; mapping++) {
        struct checkup checkup = healthy();
        checkup.nat.mapping = (enum nat_mapping)mapping;
        assert_int_equal(judged(&checkup, text), !nat_is_hard(&checkup.nat));
        assert_int_equal(strstr(text, "the NAT is hard") != NULL, nat_is_hard(&checkup.nat));
    }
}

static void a_port_that_the_router_opens_makes_a_hard_nat_harmless(void **state)
{
    struct checkup checkup = healthy();
    char text[4096];
    (void)state;
    checkup.nat.mapping = NAT_MAPPING_ADDRESS_AND_PORT;
    assert_true(addr_parse(&checkup.ports.external, "203.0.113.2:4000"));
    assert_true(judged(&checkup, text));
    assert_non_null(strstr(text, "the router opens a port"));
}

static void a_hole_in_the_firewall_for_ipv6_helps_only_peers_that_have_it(void **state)
{
    struct checkup checkup = healthy();
    char text[4096];
    (void)state;
    checkup.nat.mapping = NAT_MAPPING_ADDRESS_AND_PORT;
    checkup.ipv6 = CHECKUP_IPV6_SILENT;
    assert_true(addr_parse(&checkup.pinhole.external, "[2001:db8::5]:4000"));
    assert_true(addr_parse(&checkup.local, "192.168.1.2:4000"));
    assert_false(judged(&checkup, text));
    assert_null(strstr(text, "are reached straight as it is"));
    checkup.ipv6 = CHECKUP_IPV6_WORKS;
    assert_false(judged(&checkup, text));
    assert_non_null(strstr(text, "peers that have IPv6, too, are reached straight as it is"));
    assert_null(strstr(text, "the router opens a port"));
}

static const struct life {
    enum checkup_life state;
    struct nat_life_verdict verdict;
    bool well;
    const char *text, *advice; /* parts */
} lives[] = {
    {CHECKUP_LIFE_UNASKED, {0}, true, NULL, NULL},
    {CHECKUP_LIFE_NOTHING, {0}, true, "nothing is forgotten", NULL},
    {CHECKUP_LIFE_UNKNOWN, {.trouble = NAT_LIFE_SILENT}, true, "answers no more", NULL},
    {CHECKUP_LIFE_UNKNOWN, {.trouble = NAT_LIFE_HIDDEN}, true, "its old port again", "speaks RFC 5780"},
    {CHECKUP_LIFE_TOLD,
     {.alive_s = 19, .dead_s = 22},
     true,
     "lives 19 to 22 s; p2pconnect sends at least every 15 s",
     NULL},
    {CHECKUP_LIFE_TOLD, {.alive_s = 305}, true, "lives more than 305 s; p2p", NULL},
    {CHECKUP_LIFE_TOLD, {.alive_s = 14, .dead_s = 19}, false, "lives 14 to 19 s", "the router forgets"},
    {CHECKUP_LIFE_TOLD, {.alive_s = 9}, true, "lives more than 9 s", NULL}, /* stopped: it may live longer */
    {CHECKUP_LIFE_TOLD, {.dead_s = 9}, false, "lives less than 9 s", "the router forgets"},
};

static void a_mapping_that_dies_between_two_signs_of_life_needs_attention(void **state)
{
    char text[4096], words[ADVICE_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof lives / sizeof *lives; i++) {
        struct checkup checkup = healthy();
        checkup.life = lives[i].state;
        checkup.life_verdict = lives[i].verdict;
        assert_int_equal(judged(&checkup, text), lives[i].well);
        assert_true(lives[i].advice ? strstr(text, lives[i].advice) != NULL : !*text);
        const char *told = doctor_life_text(words, &checkup);
        assert_int_equal(told != NULL, lives[i].text != NULL);
        assert_true(!told || strstr(told, lives[i].text));
        assert_true(!told || lives[i].verdict.alive_s >= 15 || !strstr(told, "soon enough"));
    }
}

static void blocked_udp_is_told_from_no_internet(void **state)
{
    struct checkup checkup = healthy();
    char text[4096];
    (void)state;
    checkup.nat = (struct nat_behavior){0};
    checkup.stun[0].state = checkup.stun[1].state = CHECKUP_SILENT;
    assert_false(judged(&checkup, text));
    assert_non_null(strstr(text, "UDP seems to be blocked"));
    assert_null(strstr(text, "stun0")); /* one sentence is enough */
    checkup.brokers[0].state = CHECKUP_FAILED;
    assert_false(judged(&checkup, text));
    assert_null(strstr(text, "UDP seems"));
    assert_non_null(strstr(text, "on the internet?"));
}

static void every_server_that_is_of_no_use_is_named(void **state)
{
    static const enum checkup_state states[] = {CHECKUP_SILENT, CHECKUP_UNRESOLVED, CHECKUP_FAILED};
    char text[4096];
    (void)state;
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        struct checkup checkup = healthy();
        checkup.stun[1].state = states[i];
        assert_false(judged(&checkup, text));
        assert_non_null(strstr(text, "stun1.example"));
        checkup = healthy();
        checkup.brokers[0].state = states[i];
        assert_false(judged(&checkup, text));
        assert_non_null(strstr(text, "broker.example"));
    }
}

static void without_a_network_that_is_the_first_thing_said(void **state)
{
    struct checkup checkup = healthy();
    char text[4096];
    (void)state;
    checkup.interfaces[0].use = NET_UNUSED_EXCLUDED;
    assert_false(judged(&checkup, text));
    assert_int_equal(strncmp(text, "no network interface", 20), 0);
    checkup.interfaces[0].use = NET_USED;
    assert_true(addr_parse(&checkup.interfaces[0].address, "127.0.0.1"));
    assert_false(judged(&checkup, text));
}

static void what_could_be_better_needs_no_attention(void **state)
{
    struct checkup checkup = healthy();
    char text[4096];
    (void)state;
    checkup.receive_buffer = 212992;
    checkup.ipv6 = CHECKUP_IPV6_SILENT;
    checkup.nat.mapping = NAT_MAPPING_NONE;
    checkup.nat.filtering = NAT_FILTERING_ADDRESS_AND_PORT;
    assert_true(judged(&checkup, text));
    assert_non_null(strstr(text, "sysctl -w net.core.rmem_max=4194304\n"));
    assert_non_null(strstr(text, "IPv6 is not routed"));
    assert_non_null(strstr(text, "lets in answers only"));
    checkup.send_buffer = 212992;
    assert_true(judged(&checkup, text));
    assert_non_null(strstr(text, "net.core.rmem_max=4194304 net.core.wmem_max=4194304\n"));
}

static void what_servers_say_never_reaches_a_terminal_as_a_command(void **state)
{
    struct checkup checkup = healthy();
    char text[4096];
    (void)state;
    checkup.brokers[0].state = CHECKUP_FAILED;
    snprintf(checkup.brokers[0].text, sizeof checkup.brokers[0].text, "no\x1b[2Jway");
    assert_false(judged(&checkup, text));
    assert_null(strchr(text, '\x1b'));
}

static void every_use_has_a_name_and_words(void **state)
{
    (void)state;
    for (int use = NET_USED; use <= NET_UNUSED_NO_ADDRESS; use++) {
        struct net_interface interface = {.use = (enum net_use)use};
        assert_true(*doctor_use_name((enum net_use)use));
        assert_true(*doctor_use_text(&interface));
    }
    for (int kind = CHECKUP_SILENT; kind <= CHECKUP_FAILED; kind++)
        assert_true(*doctor_state_name((enum checkup_state)kind));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_all_is_well_nothing_is_advised),
        cmocka_unit_test(a_hard_nat_needs_attention_an_easy_one_does_not),
        cmocka_unit_test(a_port_that_the_router_opens_makes_a_hard_nat_harmless),
        cmocka_unit_test(a_hole_in_the_firewall_for_ipv6_helps_only_peers_that_have_it),
        cmocka_unit_test(a_mapping_that_dies_between_two_signs_of_life_needs_attention),
        cmocka_unit_test(blocked_udp_is_told_from_no_internet),
        cmocka_unit_test(every_server_that_is_of_no_use_is_named),
        cmocka_unit_test(without_a_network_that_is_the_first_thing_said),
        cmocka_unit_test(what_could_be_better_needs_no_attention),
        cmocka_unit_test(what_servers_say_never_reaches_a_terminal_as_a_command),
        cmocka_unit_test(every_use_has_a_name_and_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
