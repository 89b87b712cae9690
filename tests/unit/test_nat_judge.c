/* test_nat_judge.c - what answers say of a NAT, and what they do not say. */
#include "given.h"
#include "nat_ports.h"
#include "nat_survey_state.h"

static struct nat_survey survey;

static int begin(void **state)
{
    (void)state;
    survey = (struct nat_survey){.local = addr_of("192.168.1.2:4000")};
    return 0;
}

static void hear(const char *server, const char *mapped)
{
    survey.answers[survey.answer_count++] =
        (struct answer){.server = addr_of(server), .mapped = addr_of(mapped)};
}

static bool judge(void)
{
    survey.tells_changed = false;
    survey_judge(&survey);
    return survey.tells_changed;
}

static void without_an_answer_nothing_is_said(void **state)
{
    (void)state;
    assert_false(judge());
    assert_int_equal(survey.nat.mapping, NAT_MAPPING_UNKNOWN);
    survey.local = (struct addr){0};
    assert_false(judge());
    assert_int_equal(survey.nat.mapping, NAT_MAPPING_UNKNOWN);
}

static void a_change_is_told_once(void **state)
{
    (void)state;
    hear("203.0.113.1:3478", "198.51.100.7:4000");
    assert_true(judge()); /* the address */
    assert_false(judge());
    hear("203.0.113.9:3478", "198.51.100.7:4000");
    assert_true(judge()); /* the mapping */
    assert_int_equal(survey.nat.mapping, NAT_MAPPING_ENDPOINT);
    assert_false(judge());
}

static void a_third_answer_from_a_known_address_takes_nothing_back(void **state)
{
    (void)state;
    hear("203.0.113.1:3478", "198.51.100.7:4000");
    hear("203.0.113.9:3478", "198.51.100.7:4000");
    hear("203.0.113.1:3479", "198.51.100.7:4000");
    judge();
    assert_int_equal(survey.nat.mapping, NAT_MAPPING_ENDPOINT);
}

static void what_was_known_stays_when_one_server_is_left(void **state)
{
    (void)state;
    hear("203.0.113.1:3478", "198.51.100.7:4000");
    hear("203.0.113.9:3478", "198.51.100.7:4001");
    judge();
    assert_int_equal(survey.nat.mapping, NAT_MAPPING_ADDRESS_AND_PORT);
    survey.answer_count = 1;
    judge();
    assert_int_equal(survey.nat.mapping, NAT_MAPPING_ADDRESS_AND_PORT);
}

static void give_samples(size_t count, unsigned first, unsigned step)
{
    survey.sampled = true;
    survey.sample_count = count;
    for (size_t i = 0; i < count; i++) {
        struct question *sample = &survey.questions[i];
        *sample = (struct question){.local = survey.local, .asked = true, .answered = true};
        sample->local.port = (uint16_t)(50000 + i * i);
        sample->mapped = addr_of("198.51.100.7:1");
        sample->mapped.port = (uint16_t)(first + step * i);
    }
}

static void hear_that_it_is_hard(void)
{
    hear("203.0.113.1:3478", "198.51.100.7:20000");
    hear("203.0.113.9:3478", "198.51.100.7:20001");
}

static void a_sequence_goes_on_from_its_last_sample(void **state)
{
    (void)state;
    hear_that_it_is_hard();
    give_samples(NAT_SURVEY_SOCKETS, 20002, 3);
    judge();
    assert_int_equal(survey.nat.ports, NAT_PORTS_SEQUENTIAL);
    assert_int_equal(survey.nat.step, 3);
    assert_int_equal(survey.nat.last, 20002 + 3 * (NAT_SURVEY_SOCKETS - 1));
}

/* Fewer do not tell a block from anywhere: none may be left out. */
static void the_least_number_of_samples_suffices(void **state)
{
    (void)state;
    hear_that_it_is_hard();
    give_samples(NAT_PORTS_SAMPLES_MIN, 34816, 0);
    for (size_t i = 0; i < NAT_PORTS_SAMPLES_MIN; i++)
        survey.questions[i].mapped.port = (uint16_t)(34816 + i * 477 % 1024);
    judge();
    assert_int_equal(survey.nat.ports, NAT_PORTS_BLOCK);
}

static void a_sample_without_an_answer_counts_for_nothing(void **state)
{
    (void)state;
    hear_that_it_is_hard();
    give_samples(NAT_SURVEY_SOCKETS, 20002, 1);
    survey.questions[NAT_SURVEY_SOCKETS - 1].answered = false;
    judge();
    assert_int_equal(survey.nat.last, 20002 + NAT_SURVEY_SOCKETS - 2);
}

static void without_samples_a_port_that_a_server_saw_is_the_last(void **state)
{
    (void)state;
    hear_that_it_is_hard();
    judge();
    assert_int_equal(survey.nat.last, 20001);
    survey.nat.last = 0;
    give_samples(NAT_SURVEY_SOCKETS, 20002, 1);
    for (size_t i = 0; i < NAT_SURVEY_SOCKETS; i++)
        survey.questions[i].answered = false;
    judge();
    assert_int_equal(survey.nat.ports, NAT_PORTS_UNKNOWN);
    assert_int_equal(survey.nat.last, 20001);
}

static void where_nobody_translates_there_are_no_ports_to_tell(void **state)
{
    (void)state;
    survey.local = addr_of("198.51.100.7:4000");
    hear("203.0.113.1:3478", "198.51.100.7:4000");
    give_samples(NAT_SURVEY_SOCKETS, 20002, 1);
    judge();
    assert_int_equal(survey.nat.mapping, NAT_MAPPING_NONE);
    assert_int_equal(survey.nat.ports, NAT_PORTS_UNKNOWN);
    assert_int_equal(survey.nat.last, 0);
}

static void the_hairpin_fails_when_both_ways_have_failed(void **state)
{
    struct question *there = &survey.questions[HAIRPIN_THERE], *back = &survey.questions[HAIRPIN_BACK];
    (void)state;
    hear("203.0.113.1:3478", "198.51.100.7:4000");
    judge();
    assert_int_equal(survey.nat.hairpin, NAT_ANSWER_UNKNOWN);
    there->asked = back->asked = there->txn.running = back->txn.running = true;
    judge();
    assert_int_equal(survey.nat.hairpin, NAT_ANSWER_UNKNOWN);
    there->txn.running = false;
    judge();
    assert_int_equal(survey.nat.hairpin, NAT_ANSWER_UNKNOWN);
    there->txn.running = true;
    back->txn.running = false;
    judge();
    assert_int_equal(survey.nat.hairpin, NAT_ANSWER_UNKNOWN);
    there->txn.running = false;
    judge();
    assert_int_equal(survey.nat.hairpin, NAT_ANSWER_NO);
}

static void one_way_suffices_for_the_hairpin(void **state)
{
    (void)state;
    for (unsigned which = HAIRPIN_THERE; which <= HAIRPIN_BACK; which++) {
        begin(NULL);
        hear("203.0.113.1:3478", "198.51.100.7:4000");
        survey.questions[which] = (struct question){.asked = true, .answered = true};
        judge();
        assert_int_equal(survey.nat.hairpin, NAT_ANSWER_YES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_an_answer_nothing_is_said, begin),
        cmocka_unit_test_setup(a_change_is_told_once, begin),
        cmocka_unit_test_setup(a_third_answer_from_a_known_address_takes_nothing_back, begin),
        cmocka_unit_test_setup(what_was_known_stays_when_one_server_is_left, begin),
        cmocka_unit_test_setup(a_sequence_goes_on_from_its_last_sample, begin),
        cmocka_unit_test_setup(the_least_number_of_samples_suffices, begin),
        cmocka_unit_test_setup(a_sample_without_an_answer_counts_for_nothing, begin),
        cmocka_unit_test_setup(without_samples_a_port_that_a_server_saw_is_the_last, begin),
        cmocka_unit_test_setup(where_nobody_translates_there_are_no_ports_to_tell, begin),
        cmocka_unit_test_setup(the_hairpin_fails_when_both_ways_have_failed, begin),
        cmocka_unit_test_setup(one_way_suffices_for_the_hairpin, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
