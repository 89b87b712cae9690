/* test_nat_question.c - what is asked of whom: the server that can tell the most first, each by turns. */
#include "given.h"
#include "nat_ports.h"
#include "nat_survey_state.h"

#include <string.h>

static const uint64_t start = 1000 * NS_PER_S;
static struct nat_survey survey;

static int begin(void **state)
{
    (void)state;
    survey = (struct nat_survey){.random = &seeded, .local = addr_of("192.168.1.2:4000")};
    return 0;
}

/* A server that has answered; with a second address, if any. */
static const struct answer *hear(const char *server, const char *other, const char *mapped)
{
    struct answer *answer = &survey.answers[survey.answer_count++];
    *answer = (struct answer){
        .server = addr_of(server), .mapped = addr_of(mapped), .rtt = 120 * NS_PER_MS}; /* waits 240 ms */
    if (other)
        answer->other = addr_of(other);
    return answer;
}

static void give_sockets(size_t count)
{
    survey.socket_count = count;
    for (size_t i = 0; i < count; i++) {
        survey.sockets[i] = survey.local;
        survey.sockets[i].port = (uint16_t)(50000 + i);
    }
}

static void answer_sample(size_t i)
{
    survey.questions[i].answered = true;
    survey.questions[i].mapped = addr_of("198.51.100.7:1");
    survey.questions[i].mapped.port = (uint16_t)(30000 + i);
}

static unsigned count_asked(void)
{
    unsigned asked = 0;
    for (size_t i = 0; i < QUESTIONS; i++)
        asked += survey.questions[i].asked;
    return asked;
}

static void the_server_with_a_second_address_is_the_best(void **state)
{
    (void)state;
    assert_int_equal(nat_survey_server(&survey).family, 0);
    hear("203.0.113.1:3478", NULL, "198.51.100.7:4000");
    hear("203.0.113.9:3478", NULL, "198.51.100.7:4001");
    struct addr best = nat_survey_server(&survey);
    assert_true(addr_equal(&best, &survey.answers[0].server)); /* as good as the other, and first */
    hear("203.0.113.20:3478", "203.0.113.21:3479", "198.51.100.7:4002");
    best = nat_survey_server(&survey);
    assert_true(addr_equal(&best, &survey.answers[2].server));
}

static void of_several_with_a_second_address_the_first_is_the_best(void **state)
{
    (void)state;
    hear("203.0.113.1:3478", "203.0.113.2:3479", "198.51.100.7:4000");
    hear("203.0.113.20:3478", "203.0.113.21:3479", "198.51.100.7:4002");
    struct addr best = nat_survey_server(&survey);
    assert_true(addr_equal(&best, &survey.answers[0].server));
}

static void its_other_port_and_its_other_address_are_asked(void **state)
{
    (void)state;
    hear("203.0.113.1:3478", "203.0.113.2:3479", "198.51.100.7:4000");
    survey.round_over = true;
    survey_ask_other_address(&survey, start);
    struct addr port = addr_of("203.0.113.1:3479"), address = addr_of("203.0.113.2:3478");
    assert_true(addr_equal(&survey.questions[OTHER_PORT].remote, &port));
    assert_true(addr_equal(&survey.questions[OTHER_ADDRESS].remote, &address));
    assert_int_equal(count_asked(), 2);
}

/* Whether another server answers too is not known yet. */
static void a_lone_answer_waits_for_the_end_of_the_round(void **state)
{
    (void)state;
    hear("203.0.113.1:3478", "203.0.113.2:3479", "198.51.100.7:4000");
    survey_ask_other_address(&survey, start);
    assert_int_equal(count_asked(), 0);
    survey.wants_all = true;
    survey_ask_other_address(&survey, start);
    assert_int_equal(count_asked(), 2);
}

static void without_a_server_or_sockets_no_sample_is_taken(void **state)
{
    (void)state;
    give_sockets(NAT_SURVEY_SOCKETS);
    survey_ask_samples(&survey, start);
    give_sockets(0);
    hear("203.0.113.1:3478", NULL, "198.51.100.7:4000");
    survey_ask_samples(&survey, start);
    assert_int_equal(count_asked(), 0);
    assert_int_equal(survey.sample_count, 0);
    assert_int_equal(survey.settle_at, 0);
}

/* A server of ours answers an address ten times a second. */
static void one_server_is_not_asked_for_more_than_suffices(void **state)
{
    (void)state;
    give_sockets(NAT_SURVEY_SOCKETS);
    hear("203.0.113.1:3478", NULL, "198.51.100.7:4000");
    survey_ask_samples(&survey, start);
    assert_int_equal(survey.sample_count, NAT_PORTS_SAMPLES_MIN);
    hear("203.0.113.9:3478", NULL, "198.51.100.7:4001");
    survey_ask_samples(&survey, start);
    assert_int_equal(survey.sample_count, NAT_SURVEY_SOCKETS);
}

static void samples_go_to_the_servers_by_turns_beginning_with_the_best(void **state)
{
    (void)state;
    give_sockets(NAT_SURVEY_SOCKETS);
    hear("203.0.113.1:3478", NULL, "198.51.100.7:4000");
    hear("203.0.113.9:3478", "203.0.113.10:3479", "198.51.100.7:4001");
    hear("203.0.113.20:3478", NULL, "198.51.100.7:4002");
    survey_ask_samples(&survey, start);
    for (size_t i = 0; i < NAT_SURVEY_SOCKETS; i++) {
        assert_true(addr_equal(&survey.questions[i].remote, &survey.answers[(1 + i) % 3].server));
        assert_true(addr_equal(&survey.questions[i].local, &survey.sockets[i]));
    }
}

static void most_samples_suffice_when_the_others_had_time_for_two_copies(void **state)
{
    (void)state;
    give_sockets(NAT_SURVEY_SOCKETS);
    hear("203.0.113.1:3478", NULL, "198.51.100.7:4000");
    survey_ask_samples(&survey, start);
    assert_int_equal(survey.settle_at, start + 2 * 240 * NS_PER_MS);
}

/* Only a mapping that is there, and that has sent to nobody else, shows whom the filter lets in. */
static void the_filter_is_tried_on_a_sample_that_its_server_has_answered(void **state)
{
    (void)state;
    hear("203.0.113.1:3478", "203.0.113.2:3479", "198.51.100.7:4000");
    hear("203.0.113.9:3478", NULL, "198.51.100.7:4001");
    give_sockets(4);
    survey_ask_samples(&survey, start);
    answer_sample(1); /* by the other server */
    survey_ask_filter(&survey, start);
    assert_false(survey.questions[FILTER_BOTH].asked);
    answer_sample(2);
    survey_ask_filter(&survey, start);
    for (unsigned which = FILTER_BOTH; which <= FILTER_PORT; which++) {
        assert_true(survey.questions[which].asked);
        assert_true(addr_equal(&survey.questions[which].local, &survey.sockets[2]));
        assert_true(addr_equal(&survey.questions[which].remote, &survey.answers[0].server));
    }
}

static void one_socket_suffices_for_the_filter(void **state)
{
    (void)state;
    hear("203.0.113.1:3478", "203.0.113.2:3479", "198.51.100.7:4000");
    give_sockets(1);
    survey_ask_samples(&survey, start);
    answer_sample(0);
    survey_ask_filter(&survey, start);
    assert_true(survey.questions[FILTER_BOTH].asked);
    assert_true(addr_equal(&survey.questions[FILTER_BOTH].local, &survey.sockets[0]));
}

static void the_hairpin_is_tried_between_the_first_two_that_have_answers(void **state)
{
    const struct question *there = &survey.questions[HAIRPIN_THERE], *back = &survey.questions[HAIRPIN_BACK];
    (void)state;
    hear("203.0.113.1:3478", NULL, "198.51.100.7:4000");
    hear("203.0.113.9:3478", NULL, "198.51.100.7:4001");
    give_sockets(NAT_SURVEY_SOCKETS);
    survey_ask_samples(&survey, start);
    survey.questions[OTHER_PORT].answered = true; /* of the main socket: no sample */
    answer_sample(3);
    survey_ask_hairpin(&survey, start);
    assert_false(there->asked);
    answer_sample(5);
    answer_sample(6);
    survey_ask_hairpin(&survey, start);
    assert_true(addr_equal(&there->local, &survey.sockets[3]));
    assert_true(addr_equal(&there->remote, &survey.questions[5].mapped));
    assert_true(addr_equal(&back->local, &survey.sockets[5]));
    assert_true(addr_equal(&back->remote, &survey.questions[3].mapped));
    uint64_t due = stun_txn_deadline(&there->txn);
    survey_ask_hairpin(&survey, start + NS_PER_S); /* another answer does not begin it again */
    assert_int_equal(stun_txn_deadline(&there->txn), due);
}

static void without_a_nat_there_is_no_hairpin_to_try(void **state)
{
    (void)state;
    survey.nat.mapping = NAT_MAPPING_NONE;
    hear("203.0.113.1:3478", NULL, "198.51.100.7:4000");
    give_sockets(2);
    survey_ask_samples(&survey, start);
    answer_sample(0);
    answer_sample(1);
    survey_ask_hairpin(&survey, start);
    assert_false(survey.questions[HAIRPIN_THERE].asked);
}

static void a_question_is_one_datagram_and_needs_room(void **state)
{
    uint8_t data[64];
    struct packet out = {.data = data, .len = sizeof data, .segment = 1200};
    (void)state;
    hear("203.0.113.1:3478", NULL, "198.51.100.7:4000");
    give_sockets(1);
    survey_ask_samples(&survey, start);
    assert_true(survey_write_question(&survey, 0, &out));
    assert_int_equal(out.segment, 0);
    out.len = 8;
    assert_false(survey_write_question(&survey, 0, &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_server_with_a_second_address_is_the_best, begin),
        cmocka_unit_test_setup(of_several_with_a_second_address_the_first_is_the_best, begin),
        cmocka_unit_test_setup(its_other_port_and_its_other_address_are_asked, begin),
        cmocka_unit_test_setup(a_lone_answer_waits_for_the_end_of_the_round, begin),
        cmocka_unit_test_setup(without_a_server_or_sockets_no_sample_is_taken, begin),
        cmocka_unit_test_setup(one_server_is_not_asked_for_more_than_suffices, begin),
        cmocka_unit_test_setup(samples_go_to_the_servers_by_turns_beginning_with_the_best, begin),
        cmocka_unit_test_setup(most_samples_suffice_when_the_others_had_time_for_two_copies, begin),
        cmocka_unit_test_setup(the_filter_is_tried_on_a_sample_that_its_server_has_answered, begin),
        cmocka_unit_test_setup(one_socket_suffices_for_the_filter, begin),
        cmocka_unit_test_setup(the_hairpin_is_tried_between_the_first_two_that_have_answers, begin),
        cmocka_unit_test_setup(without_a_nat_there_is_no_hairpin_to_try, begin),
        cmocka_unit_test_setup(a_question_is_one_datagram_and_needs_room, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
