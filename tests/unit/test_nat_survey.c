/* test_nat_survey.c - every kind of NAT is told for what it is, soon, and by the fewest questions. */
#include "fail_alloc.h"
#include "nat_house.h"
#include "stun_msg.h"

static const struct house_nat plain = {.mapping = NAT_MAPPING_ENDPOINT,
                                       .filtering = NAT_FILTERING_ADDRESS_AND_PORT,
                                       .ports = NAT_PORTS_PRESERVED};
static const struct house_nat hard = {.mapping = NAT_MAPPING_ADDRESS_AND_PORT,
                                      .filtering = NAT_FILTERING_ADDRESS_AND_PORT,
                                      .ports = NAT_PORTS_RANDOM,
                                      .low = 20000,
                                      .size = 41000};

static void two_servers(struct house *house, bool speak_5780)
{
    house_add_server(house, "203.0.113.1:3478", speak_5780 ? "203.0.113.2:3478" : NULL);
    house_add_server(house, "203.0.113.9:19302", NULL);
}

static void add_kind(struct house_nat *nat, unsigned ports)
{
    static const struct house_nat kinds[] = {
        {.ports = NAT_PORTS_PRESERVED},
        {.ports = NAT_PORTS_SEQUENTIAL, .step = 1},
        {.ports = NAT_PORTS_SEQUENTIAL, .step = -2, .others = 20},
        {.ports = NAT_PORTS_BLOCK, .low = 34816, .size = 1024},
        {.ports = NAT_PORTS_RANDOM, .low = 20000, .size = 41000},
    };
    nat->ports = kinds[ports].ports;
    nat->step = kinds[ports].step;
    nat->others = kinds[ports].others;
    nat->low = kinds[ports].low;
    nat->size = kinds[ports].size;
}

/* A symmetric NAT that keeps the port towards its first destination cannot keep it towards the second: where
 * the mapping is hard, `preserved` is not among the kinds. */
static void judge_kind(const struct house_nat *nat, unsigned seed)
{
    struct house house;
    house_open(&house, nat, seed);
    two_servers(&house, true);
    nat_survey_ask_all(house.survey, house.now);
    house_run(&house, 3 * NS_PER_S);
    const struct nat_behavior *told = nat_survey_behavior(house.survey);
    bool good = told->mapping == nat->mapping && told->filtering == nat->filtering;
    if (nat->mapping != NAT_MAPPING_NONE) {
        good &= told->ports == nat->ports && told->step == nat->step;
        if (!nat->hairpin || !nat_is_hard(told)) /* else the filter hides it */
            good &= told->hairpin == (nat->hairpin ? NAT_ANSWER_YES : NAT_ANSWER_NO);
    }
    if (!good)
        fail_msg(
            "mapping %d told %d, filtering %d told %d, ports %d told %d, step %d told %d, hairpin %d told %d",
            nat->mapping, told->mapping, nat->filtering, told->filtering, nat->ports, told->ports, nat->step,
            told->step, nat->hairpin, told->hairpin);
    assert_int_equal(house.done, 1);
    assert_in_range(house.done_at - 1000 * NS_PER_S, 0, 1600 * NS_PER_MS);
    house_close(&house);
}

static void every_kind_of_nat_is_told_for_what_it_is(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4 * 3 * 5 * 2; i++) {
        struct house_nat nat = {.mapping = (enum nat_mapping)(NAT_MAPPING_NONE + i % 4),
                                .filtering = (enum nat_filtering)(NAT_FILTERING_ENDPOINT + i / 4 % 3),
                                .hairpin = i / 60};
        add_kind(&nat, i / 12 % 5);
        if (nat.ports == NAT_PORTS_PRESERVED && nat.mapping >= NAT_MAPPING_ADDRESS)
            continue;
        for (unsigned seed = 0; seed < 5; seed++)
            judge_kind(&nat, seed);
    }
}

static void an_easy_nat_costs_no_question_more(void **state)
{
    struct house house;
    (void)state;
    house_open(&house, &plain, 1);
    two_servers(&house, true);
    house_run(&house, 10 * NS_PER_S);
    const struct nat_behavior *told = nat_survey_behavior(house.survey);
    assert_int_equal(told->mapping, NAT_MAPPING_ENDPOINT);
    assert_int_equal(told->ports, NAT_PORTS_PRESERVED);
    assert_int_equal(told->last, 4000);
    assert_int_equal(told->external.port, 4000);
    assert_int_equal(house.sent, 2);
    assert_int_equal(house.wanted, 0);
    house_close(&house);
}

/* Of eight ports every eighth pair of answers is the same by chance. */
static void two_ports_that_are_the_same_by_chance_are_not_believed(void **state)
{
    struct house_nat nat = hard;
    unsigned mistaken = 0;
    (void)state;
    nat.size = 8;
    for (unsigned seed = 1; seed <= 200; seed++) {
        struct house house;
        house_open(&house, &nat, seed);
        two_servers(&house, true);
        house_run(&house, NS_PER_S);
        mistaken += !nat_is_hard(nat_survey_behavior(house.survey));
        house_close(&house);
    }
    assert_in_range(mistaken, 0, 2);
}

static void hard_is_told_with_the_second_answer_and_the_ports_a_round_trip_later(void **state)
{
    struct house house;
    (void)state;
    house_open(&house, &hard, 2);
    two_servers(&house, false);
    uint64_t started = house.now;
    house_run(&house, 30 * NS_PER_MS);
    assert_true(nat_is_hard(nat_survey_behavior(house.survey)));
    assert_int_equal(house.hard_at - started, 30 * NS_PER_MS);
    assert_int_equal(house.wanted, 1);
    house_run(&house, 30 * NS_PER_MS);
    assert_int_equal(nat_survey_behavior(house.survey)->ports, NAT_PORTS_RANDOM);
    assert_int_equal(nat_survey_behavior(house.survey)->filtering, NAT_FILTERING_UNKNOWN);
    assert_int_equal(house.sent, 2 + NAT_SURVEY_SOCKETS + 2); /* and two that try the hairpin */
    house_close(&house);
}

static void without_sockets_nothing_is_asked_and_hard_stays_hard(void **state)
{
    struct house house;
    (void)state;
    house_open(&house, &hard, 3);
    house.offers_sockets = false;
    two_servers(&house, false);
    house_run(&house, 10 * NS_PER_S);
    assert_true(nat_is_hard(nat_survey_behavior(house.survey)));
    assert_int_equal(nat_survey_behavior(house.survey)->ports, NAT_PORTS_UNKNOWN);
    assert_int_equal(house.sent, 2);
    assert_int_equal(house.done, 0);
    house_close(&house);
}

static void one_server_with_two_addresses_suffices(void **state)
{
    static const enum nat_mapping mappings[] = {NAT_MAPPING_ENDPOINT, NAT_MAPPING_ADDRESS,
                                                NAT_MAPPING_ADDRESS_AND_PORT};
    (void)state;
    for (size_t i = 0; i < sizeof mappings / sizeof *mappings; i++) {
        struct house house;
        struct house_nat nat = hard;
        nat.mapping = mappings[i];
        house_open(&house, &nat, 4);
        house_add_server(&house, "203.0.113.1:3478", "203.0.113.2:3478");
        house_run(&house, 2 * NS_PER_S);
        assert_int_equal(nat_survey_behavior(house.survey)->mapping, mappings[i]);
        house_close(&house);
    }
}

static void one_server_with_one_address_tells_nothing(void **state)
{
    struct house house;
    (void)state;
    house_open(&house, &hard, 4);
    house_add_server(&house, "203.0.113.1:3478", NULL);
    house_run(&house, 10 * NS_PER_S);
    assert_int_equal(nat_survey_behavior(house.survey)->mapping, NAT_MAPPING_UNKNOWN);
    assert_int_equal(nat_survey_behavior(house.survey)->external.family, 4);
    assert_int_equal(house.wanted, 0);
    house_close(&house);
}

static void silence_of_all_servers_is_no_verdict(void **state)
{
    struct house house;
    (void)state;
    house_open(&house, &plain, 5);
    house.loss = 100;
    two_servers(&house, true);
    nat_survey_ask_all(house.survey, house.now);
    house_run(&house, 10 * NS_PER_S);
    assert_int_equal(nat_survey_behavior(house.survey)->mapping, NAT_MAPPING_UNKNOWN);
    assert_int_equal(house.wanted, 0);
    assert_int_equal(nat_survey_local(house.survey).family, 0);
    house_close(&house);
}

static void lost_packets_change_no_verdict(void **state)
{
    unsigned wrong = 0;
    (void)state;
    for (unsigned seed = 0; seed < 200; seed++) {
        struct house house;
        struct house_nat nat = hard;
        add_kind(&nat, 1 + seed % 4);
        nat.others = 0;
        house_open(&house, &nat, seed);
        house.loss = 10;
        two_servers(&house, true);
        house_run(&house, 4 * NS_PER_S);
        const struct nat_behavior *told = nat_survey_behavior(house.survey);
        wrong += told->mapping != nat.mapping || told->ports != nat.ports || told->filtering != nat.filtering;
        house_close(&house);
    }
    assert_in_range(wrong, 0, 4);
}

static void tell(struct house *house, const char *local, const char *server, const char *mapped,
                 enum stun_doubt doubt)
{
    struct stun_client_event told = {.type = STUN_CLIENT_MAPPED,
                                     .local = addr_of(local),
                                     .server = addr_of(server),
                                     .mapped = addr_of(mapped),
                                     .doubt = doubt};
    nat_survey_told(house->survey, house->now, &told);
}

static void tell_done(struct house *house)
{
    nat_survey_told(house->survey, house->now, &(struct stun_client_event){.type = STUN_CLIENT_DONE});
}

static void a_nat_that_maps_anew_is_not_taken_for_a_hard_one(void **state)
{
    struct house house;
    (void)state;
    house_open(&house, &plain, 6);
    tell(&house, "192.168.1.2:4000", "203.0.113.1:3478", "198.51.100.7:4000", STUN_CREDIBLE);
    tell(&house, "192.168.1.2:4000", "203.0.113.9:3478", "198.51.100.7:4000", STUN_CREDIBLE);
    tell_done(&house);
    tell(&house, "192.168.1.2:4000", "203.0.113.9:3478", "198.51.100.7:5555", STUN_CREDIBLE);
    assert_int_equal(nat_survey_behavior(house.survey)->mapping, NAT_MAPPING_ENDPOINT);
    tell(&house, "192.168.1.2:4000", "203.0.113.1:3478", "198.51.100.7:5555", STUN_CREDIBLE);
    tell_done(&house);
    assert_int_equal(nat_survey_behavior(house.survey)->mapping, NAT_MAPPING_ENDPOINT);
    assert_int_equal(nat_survey_behavior(house.survey)->external.port, 5555);
    house_close(&house);
}

static void servers_inside_our_network_and_liars_have_no_say(void **state)
{
    struct house house;
    (void)state;
    house_open(&house, &plain, 7);
    tell(&house, "192.168.1.2:4000", "192.168.1.9:3478", "192.168.1.2:4000", STUN_OWN_ADDRESS);
    tell(&house, "192.168.1.2:4000", "203.0.113.1:3478", "10.1.2.3:4000", STUN_NOT_PUBLIC);
    tell(&house, "192.168.1.2:4000", "203.0.113.1:3478", "203.0.113.1:4000", STUN_SERVER_ADDRESS);
    tell(&house, "192.168.1.2:4000", "203.0.113.1:3478", "127.0.0.1:4000", STUN_NOT_AN_ADDRESS);
    tell_done(&house);
    assert_int_equal(nat_survey_behavior(house.survey)->mapping, NAT_MAPPING_UNKNOWN);
    assert_int_equal(nat_survey_local(house.survey).family, 0);
    house_close(&house);
}

static void ipv4_is_looked_at_even_if_ipv6_answers_first(void **state)
{
    struct house house;
    (void)state;
    house_open(&house, &plain, 8);
    tell(&house, "[2001:db8::2]:4000", "[2001:db8::1]:3478", "[2001:db8::2]:4000", STUN_OWN_ADDRESS);
    assert_int_equal(nat_survey_behavior(house.survey)->mapping, NAT_MAPPING_NONE);
    tell(&house, "192.168.1.2:4000", "203.0.113.1:3478", "198.51.100.7:4000", STUN_CREDIBLE);
    assert_int_equal(nat_survey_local(house.survey).family, 4);
    tell(&house, "192.168.1.2:4000", "203.0.113.9:3478", "198.51.100.7:4000", STUN_CREDIBLE);
    assert_int_equal(nat_survey_behavior(house.survey)->mapping, NAT_MAPPING_ENDPOINT);
    tell(&house, "[2001:db8::2]:4000", "[2001:db8::1]:3478", "[2001:db8::2]:4000", STUN_OWN_ADDRESS);
    assert_int_equal(nat_survey_behavior(house.survey)->mapping, NAT_MAPPING_ENDPOINT);
    house_close(&house);
}

static void another_network_is_looked_at_anew(void **state)
{
    struct house house;
    (void)state;
    house_open(&house, &hard, 9);
    two_servers(&house, true);
    house_run(&house, 3 * NS_PER_S);
    assert_true(nat_is_hard(nat_survey_behavior(house.survey)));
    struct addr locals[2] = {addr_of("192.168.1.2:4000"), addr_of("10.0.0.2:4000")};
    nat_survey_set_locals(house.survey, locals, 2);
    assert_true(nat_is_hard(nat_survey_behavior(house.survey)));
    nat_survey_set_locals(house.survey, &locals[1], 1);
    assert_int_equal(nat_survey_behavior(house.survey)->mapping, NAT_MAPPING_UNKNOWN);
    assert_int_equal(nat_survey_deadline(house.survey), NEVER);
    house_close(&house);
}

static void other_sockets_show_where_a_sequence_goes_on(void **state)
{
    struct house house;
    struct house_nat nat = hard;
    (void)state;
    add_kind(&nat, 1);
    house_open(&house, &nat, 10);
    two_servers(&house, false);
    house_run(&house, 3 * NS_PER_S);
    const struct nat_behavior *told = nat_survey_behavior(house.survey);
    uint16_t before = told->last;
    unsigned changed = house.changed;
    assert_int_equal(told->ports, NAT_PORTS_SEQUENTIAL);
    house_offer(&house);
    house_run(&house, NS_PER_S);
    assert_int_equal(told->ports, NAT_PORTS_SEQUENTIAL);
    assert_in_range((uint16_t)(told->last - before), NAT_SURVEY_SOCKETS, NAT_SURVEY_SOCKETS + 4);
    assert_int_equal(house.changed, changed + 1); /* the peer is to hear of it */
    nat_survey_set_sockets(house.survey, house.now, NULL, 0);
    assert_int_equal(nat_survey_deadline(house.survey), NEVER);
    assert_int_equal(told->ports, NAT_PORTS_SEQUENTIAL);
    house_close(&house);
}

static void a_liar_cannot_send_us_to_others(void **state)
{
    static const char *const others[] = {"192.168.1.1:80",   "127.0.0.1:22",      "224.0.0.1:5",
                                         "203.0.113.1:9999", "203.0.113.77:3478", "203.0.113.77"};
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct house house;
        house_open(&house, &plain, 11);
        struct stun_client_event told = {.type = STUN_CLIENT_MAPPED,
                                         .local = addr_of("192.168.1.2:4000"),
                                         .server = addr_of("203.0.113.1:3478"),
                                         .mapped = addr_of("198.51.100.7:4000"),
                                         .other = addr_of("203.0.113.77:5")};
        assert_true(addr_parse(&told.other, others[i]));
        nat_survey_told(house.survey, house.now, &told);
        tell_done(&house);
        house_drain(&house);
        assert_int_equal(house.sent, 0);
        house_close(&house);
    }
}

/* Answers a question of the survey, as if from `from`, with this id or another. */
static void answer_question(struct house *house, const struct packet *out, const char *from, bool right_id)
{
    struct stun_msg msg, answer = {.class = STUN_SUCCESS, .method = STUN_BINDING, .mapped = house->outside};
    uint8_t data[256];
    struct packet in = {.local = out->local, .remote = addr_of(from), .data = data};
    assert_true(stun_decode(&msg, out->data, out->len));
    answer.mapped.port = (uint16_t)(30000 + house->sent++);
    if (right_id)
        memcpy(answer.id, msg.id, sizeof answer.id);
    in.len = stun_encode(&answer, NULL, data, sizeof data);
    assert_int_equal(nat_survey_input(house->survey, house->now, &in), right_id);
}

static void answers_with_a_foreign_id_or_from_elsewhere_are_not_taken(void **state)
{
    (void)state;
    for (int right_id = 0; right_id < 2; right_id++) {
        struct house house;
        uint8_t data[256];
        struct packet out;
        unsigned asked = 0;
        house_open(&house, &hard, 12);
        house.loss = 100;
        tell(&house, "192.168.1.2:4000", "203.0.113.1:3478", "198.51.100.7:4000", STUN_CREDIBLE);
        tell(&house, "192.168.1.2:4000", "203.0.113.9:3478", "198.51.100.7:4001", STUN_CREDIBLE);
        house_offer(&house);
        while (out = (struct packet){.data = data, .len = sizeof data},
               nat_survey_output(house.survey, house.now, &out)) {
            answer_question(&house, &out, "203.0.113.66:3478", right_id);
            asked++;
        }
        assert_int_equal(asked, NAT_SURVEY_SOCKETS);
        house_run(&house, 3 * NS_PER_S);
        assert_int_equal(nat_survey_behavior(house.survey)->ports, NAT_PORTS_UNKNOWN);
        house_close(&house);
    }
}

static void a_server_that_answers_from_where_it_was_asked_says_nothing_of_the_filter(void **state)
{
    (void)state;
    for (int filtering = NAT_FILTERING_ENDPOINT; filtering <= NAT_FILTERING_ADDRESS_AND_PORT; filtering++) {
        struct house house;
        struct house_nat nat = plain;
        nat.filtering = (enum nat_filtering)filtering;
        house_open(&house, &nat, 13);
        house.ignores_changes = true;
        two_servers(&house, true);
        nat_survey_ask_all(house.survey, house.now);
        house_run(&house, 20 * NS_PER_S); /* and the next rounds do not change it */
        assert_int_equal(nat_survey_behavior(house.survey)->filtering, NAT_FILTERING_UNKNOWN);
        assert_int_equal(house.done, 1);
        house_close(&house);
    }
}

static void lost_packets_break_no_sequence(void **state)
{
    unsigned wrong = 0;
    (void)state;
    for (unsigned seed = 0; seed < 200; seed++) {
        struct house house;
        struct house_nat nat = hard;
        add_kind(&nat, 1);
        house_open(&house, &nat, seed);
        house.loss = 20;
        two_servers(&house, false);
        house_run(&house, 4 * NS_PER_S);
        wrong += nat_survey_behavior(house.survey)->ports != NAT_PORTS_SEQUENTIAL;
        house_close(&house);
    }
    assert_in_range(wrong, 0, 10);
}

/* ---- question by question ---- */

struct asked {
    struct packet out;
    uint8_t data[256];
};

static struct asked asked[2 * NAT_SURVEY_SOCKETS];

/* All that is asked in this moment. */
static unsigned take_questions(struct house *house)
{
    for (unsigned n = 0; n < sizeof asked / sizeof *asked; n++) {
        asked[n].out = (struct packet){.data = asked[n].data, .len = sizeof asked[n].data};
        if (!nat_survey_output(house->survey, house->now, &asked[n].out))
            return n;
    }
    fail_msg("too many questions");
    return 0;
}

static void answer_asked(struct house *house, unsigned first, unsigned end)
{
    char from[ADDR_TEXT_MAX];
    for (; first < end; first++)
        answer_question(house, &asked[first].out, addr_print(&asked[first].out.remote, from), true);
}

static bool is_told(struct house *house, enum nat_survey_event_type type)
{
    struct nat_survey_event event;
    bool told = false;
    while (nat_survey_event(house->survey, house->now, &event))
        told |= event.type == type;
    return told;
}

static void give_sockets(struct house *house, unsigned port, size_t count)
{
    struct addr sockets[NAT_SURVEY_SOCKETS + 4];
    for (size_t i = 0; i < count; i++) {
        sockets[i] = nat_survey_local(house->survey);
        sockets[i].port = (uint16_t)(port + i * i);
    }
    nat_survey_set_sockets(house->survey, house->now, sockets, count);
}

/* A NAT that two servers have shown to be hard; `other`: one of them has a second address. */
static void open_hard(struct house *house, const char *other)
{
    house_open(house, &hard, 14);
    struct stun_client_event told = {.type = STUN_CLIENT_MAPPED,
                                     .local = addr_of("192.168.1.2:4000"),
                                     .server = addr_of("203.0.113.1:3478"),
                                     .mapped = addr_of("198.51.100.7:4000")};
    if (other)
        told.other = addr_of(other);
    nat_survey_told(house->survey, house->now, &told);
    tell(house, "192.168.1.2:4000", "203.0.113.9:3478", "198.51.100.7:4001", STUN_CREDIBLE);
    assert_true(is_told(house, NAT_SURVEY_SOCKETS_WANTED));
}

static void who_asks_for_all_is_asked_for_sockets_at_once(void **state)
{
    struct house house;
    (void)state;
    house_open(&house, &plain, 14);
    tell(&house, "192.168.1.2:4000", "203.0.113.1:3478", "198.51.100.7:4000", STUN_CREDIBLE);
    tell(&house, "192.168.1.2:4000", "203.0.113.9:3478", "198.51.100.7:4000", STUN_CREDIBLE);
    assert_false(is_told(&house, NAT_SURVEY_SOCKETS_WANTED));
    nat_survey_ask_all(house.survey, house.now);
    assert_true(is_told(&house, NAT_SURVEY_SOCKETS_WANTED));
    house_close(&house);
}

static void the_same_sockets_again_are_not_asked_again(void **state)
{
    struct house house;
    (void)state;
    open_hard(&house, NULL);
    give_sockets(&house, 50000, NAT_SURVEY_SOCKETS);
    assert_int_equal(take_questions(&house), NAT_SURVEY_SOCKETS);
    give_sockets(&house, 50000, NAT_SURVEY_SOCKETS);
    assert_int_equal(take_questions(&house), 0);
    struct addr sockets[NAT_SURVEY_SOCKETS];
    for (unsigned i = 0; i < NAT_SURVEY_SOCKETS; i++)
        sockets[i] = asked[i].out.local;
    for (unsigned other = 0; other < NAT_SURVEY_SOCKETS;
         other++) { /* with one other: all from the beginning */
        sockets[other].port = (uint16_t)(40000 + other);
        nat_survey_set_sockets(house.survey, house.now, sockets, NAT_SURVEY_SOCKETS);
        assert_int_equal(take_questions(&house), NAT_SURVEY_SOCKETS);
        assert_true(addr_equal(&asked[other].out.local, &sockets[other]));
    }
    house_close(&house);
}

static void of_too_many_sockets_the_first_are_used(void **state)
{
    struct house house;
    (void)state;
    open_hard(&house, NULL);
    give_sockets(&house, 50000, NAT_SURVEY_SOCKETS + 4);
    assert_int_equal(take_questions(&house), NAT_SURVEY_SOCKETS);
    answer_asked(&house, 0, NAT_SURVEY_SOCKETS);
    is_told(&house, NAT_SURVEY_DONE);
    assert_int_equal(nat_survey_behavior(house.survey)->last, 30000 + NAT_SURVEY_SOCKETS - 1);
    house_close(&house);
}

static void sockets_that_are_closed_are_asked_nothing_and_tell_nothing(void **state)
{
    struct house house;
    (void)state;
    open_hard(&house, "203.0.113.2:3479");
    give_sockets(&house, 50000, NAT_SURVEY_SOCKETS);
    unsigned count = take_questions(&house); /* the main socket's two at the end */
    assert_int_equal(count, NAT_SURVEY_SOCKETS + 2);
    nat_survey_set_sockets(house.survey, house.now, NULL, 0);
    house.now += NS_PER_S;
    assert_int_equal(take_questions(&house), 2);
    answer_asked(&house, 0, 2);
    house.now += NS_PER_S;
    assert_int_equal(take_questions(&house), 0);
    assert_int_equal(nat_survey_deadline(house.survey), NEVER);
    assert_false(is_told(&house, NAT_SURVEY_DONE));
    house_close(&house);
}

/* Their silence is ours, though one of the filter's two may have been answered already. */
static void sockets_that_close_too_soon_say_nothing_of_filter_and_hairpin(void **state)
{
    (void)state;
    for (unsigned answered = 0; answered < 2; answered++) {
        struct house house;
        open_hard(&house, "203.0.113.2:3479");
        give_sockets(&house, 50000, NAT_SURVEY_SOCKETS);
        unsigned count = take_questions(&house);
        answer_asked(&house, 0, count);
        assert_int_equal(take_questions(&house), 4); /* two of the filter, two of the hairpin */
        if (answered)
            answer_question(&house, &asked[1].out, "203.0.113.1:3479", true); /* from the other port alone */
        nat_survey_set_sockets(house.survey, house.now, NULL, 0);
        for (unsigned i = 0; i < 100; i++, house.now += 100 * NS_PER_MS)
            take_questions(&house);
        is_told(&house, NAT_SURVEY_CHANGED);
        assert_int_equal(nat_survey_behavior(house.survey)->filtering, NAT_FILTERING_UNKNOWN);
        assert_int_equal(nat_survey_behavior(house.survey)->hairpin, NAT_ANSWER_UNKNOWN);
        give_sockets(&house, 51000, NAT_SURVEY_SOCKETS); /* and the next are asked in their place */
        count = take_questions(&house);
        answer_asked(&house, 0, count);
        assert_int_equal(take_questions(&house), 4);
        house_close(&house);
    }
}

static void a_row_of_samples_is_judged_when_the_last_has_answered(void **state)
{
    struct house house;
    (void)state;
    open_hard(&house, NULL);
    for (unsigned round = 0; round < 2; round++) { /* other sockets: anew */
        give_sockets(&house, 50000 + 1000 * round, NAT_SURVEY_SOCKETS);
        const struct nat_behavior *told = nat_survey_behavior(house.survey);
        uint16_t last = told->last;
        assert_int_equal(take_questions(&house), NAT_SURVEY_SOCKETS);
        house.now += NS_PER_MS;
        answer_asked(&house, 0, NAT_SURVEY_SOCKETS - 1);
        is_told(&house, NAT_SURVEY_CHANGED);
        assert_int_equal(told->ports, round == 0 ? NAT_PORTS_UNKNOWN : NAT_PORTS_SEQUENTIAL);
        assert_int_equal(told->last, last);
        answer_asked(&house, NAT_SURVEY_SOCKETS - 1, NAT_SURVEY_SOCKETS);
        assert_true(is_told(&house, NAT_SURVEY_CHANGED));
        assert_int_equal(told->ports, NAT_PORTS_SEQUENTIAL);
        assert_true(told->last != last);
    }
    house_close(&house);
}

/* How many of 16 have answered when the others have had the time for two copies. */
static void check_patience(unsigned first, unsigned end, enum nat_ports expected)
{
    struct house house;
    open_hard(&house, NULL);
    give_sockets(&house, 50000, NAT_SURVEY_SOCKETS);
    const struct nat_behavior *told = nat_survey_behavior(house.survey);
    assert_int_equal(take_questions(&house), NAT_SURVEY_SOCKETS);
    answer_asked(&house, first, end);
    house.now += 2 * 100 * NS_PER_MS - 1;
    is_told(&house, NAT_SURVEY_CHANGED);
    assert_int_equal(told->ports, NAT_PORTS_UNKNOWN);
    house.now += 1;
    assert_true(nat_survey_deadline(house.survey) <= house.now);
    is_told(&house, NAT_SURVEY_CHANGED);
    assert_int_equal(told->ports, expected);
    house_close(&house);
}

static void half_of_the_samples_suffice_after_a_while_and_fewer_do_not(void **state)
{
    (void)state;
    check_patience(0, 8, NAT_PORTS_SEQUENTIAL);
    check_patience(8, 16, NAT_PORTS_SEQUENTIAL);
    check_patience(0, 7, NAT_PORTS_UNKNOWN);
}

static void it_is_done_when_no_question_waits_any_more(void **state)
{
    struct house house;
    (void)state;
    open_hard(&house, NULL);
    give_sockets(&house, 50000, NAT_SURVEY_SOCKETS);
    assert_int_equal(take_questions(&house), NAT_SURVEY_SOCKETS);
    answer_asked(&house, 1, NAT_SURVEY_SOCKETS);
    unsigned hairpins = take_questions(&house);
    assert_int_equal(hairpins, 2);
    house.now += 300 * NS_PER_MS; /* the ports are judged, and the first socket may still get an answer */
    assert_false(is_told(&house, NAT_SURVEY_DONE));
    assert_int_equal(nat_survey_behavior(house.survey)->ports, NAT_PORTS_SEQUENTIAL);
    for (unsigned i = 0; i < 40; i++, house.now += 100 * NS_PER_MS)
        take_questions(&house);
    assert_true(is_told(&house, NAT_SURVEY_DONE));
    assert_int_equal(nat_survey_behavior(house.survey)->hairpin, NAT_ANSWER_NO);
    house_close(&house);
}

static void a_survey_that_gets_no_memory_is_none(void **state)
{
    static const struct random random = {house_fill, NULL};
    (void)state;
    fail_alloc_left = 1;
    struct nat_survey *survey = nat_survey_new(&random);
    assert_null(survey);
    nat_survey_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_nat_is_told_for_what_it_is),
        cmocka_unit_test(an_easy_nat_costs_no_question_more),
        cmocka_unit_test(two_ports_that_are_the_same_by_chance_are_not_believed),
        cmocka_unit_test(hard_is_told_with_the_second_answer_and_the_ports_a_round_trip_later),
        cmocka_unit_test(without_sockets_nothing_is_asked_and_hard_stays_hard),
        cmocka_unit_test(one_server_with_two_addresses_suffices),
        cmocka_unit_test(one_server_with_one_address_tells_nothing),
        cmocka_unit_test(silence_of_all_servers_is_no_verdict),
        cmocka_unit_test(lost_packets_change_no_verdict),
        cmocka_unit_test(a_nat_that_maps_anew_is_not_taken_for_a_hard_one),
        cmocka_unit_test(servers_inside_our_network_and_liars_have_no_say),
        cmocka_unit_test(ipv4_is_looked_at_even_if_ipv6_answers_first),
        cmocka_unit_test(another_network_is_looked_at_anew),
        cmocka_unit_test(other_sockets_show_where_a_sequence_goes_on),
        cmocka_unit_test(a_liar_cannot_send_us_to_others),
        cmocka_unit_test(answers_with_a_foreign_id_or_from_elsewhere_are_not_taken),
        cmocka_unit_test(a_server_that_answers_from_where_it_was_asked_says_nothing_of_the_filter),
        cmocka_unit_test(lost_packets_break_no_sequence),
        cmocka_unit_test(a_survey_that_gets_no_memory_is_none),
        cmocka_unit_test(who_asks_for_all_is_asked_for_sockets_at_once),
        cmocka_unit_test(the_same_sockets_again_are_not_asked_again),
        cmocka_unit_test(of_too_many_sockets_the_first_are_used),
        cmocka_unit_test(sockets_that_are_closed_are_asked_nothing_and_tell_nothing),
        cmocka_unit_test(sockets_that_close_too_soon_say_nothing_of_filter_and_hairpin),
        cmocka_unit_test(a_row_of_samples_is_judged_when_the_last_has_answered),
        cmocka_unit_test(half_of_the_samples_suffice_after_a_while_and_fewer_do_not),
        cmocka_unit_test(it_is_done_when_no_question_waits_any_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
