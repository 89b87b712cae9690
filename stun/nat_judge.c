/* nat_judge.c - what the answers to a survey's questions say of the NAT. */
#include "nat_survey_state.h"

#include "nat_ports.h"

static bool is_same(const struct nat_behavior *a, const struct nat_behavior *b)
{
    return a->mapping == b->mapping && a->filtering == b->filtering && a->ports == b->ports &&
           a->step == b->step && a->low == b->low && a->high == b->high &&
           addr_equal(&a->external, &b->external) && a->hairpin == b->hairpin &&
           (a->last == b->last || a->ports != NAT_PORTS_SEQUENTIAL);
}

/* Towards one address of a server, at two of its ports: what a mapping depends on, where it is not one for
 * all. Where no server has two ports it is taken for the harder kind: it is hard either way. */
static enum nat_mapping hard_mapping(const struct nat_survey *survey)
{
    for (size_t i = 0; i < survey->answer_count; i++)
        for (size_t k = 0; k < i; k++) {
            const struct answer *a = &survey->answers[i], *b = &survey->answers[k];
            if (addr_equal_ip(&a->server, &b->server))
                return addr_equal(&a->mapped, &b->mapped) ? NAT_MAPPING_ADDRESS
                                                          : NAT_MAPPING_ADDRESS_AND_PORT;
        }
    return NAT_MAPPING_ADDRESS_AND_PORT;
}

static enum nat_mapping judge_mapping(const struct nat_survey *survey)
{
    const struct answer *first = &survey->answers[0];
    bool two_addresses = false;
    if (addr_equal(&first->mapped, &survey->local))
        return NAT_MAPPING_NONE;
    for (size_t i = 1; i < survey->answer_count; i++) {
        if (!addr_equal(&survey->answers[i].mapped, &first->mapped))
            return hard_mapping(survey);
        two_addresses |= !addr_equal_ip(&survey->answers[i].server, &first->server);
    }
    return two_addresses ? NAT_MAPPING_ENDPOINT : NAT_MAPPING_UNKNOWN;
}

static size_t collect_samples(const struct nat_survey *survey, struct nat_sample *samples)
{
    size_t count = 0;
    for (size_t i = 0; i < survey->sample_count; i++)
        if (survey->questions[i].answered)
            samples[count++] = (struct nat_sample){.inner = survey->questions[i].local.port,
                                                   .outer = survey->questions[i].mapped.port};
    return count;
}

static enum nat_filtering judge_filtering(const struct nat_survey *survey)
{
    const struct question *both = &survey->questions[FILTER_BOTH], *port = &survey->questions[FILTER_PORT];
    if (both->answered)
        return NAT_FILTERING_ENDPOINT;
    if (!both->asked || both->txn.running || survey->filter_refused)
        return NAT_FILTERING_UNKNOWN;
    if (port->answered)
        return NAT_FILTERING_ADDRESS;
    return port->txn.running ? NAT_FILTERING_UNKNOWN : NAT_FILTERING_ADDRESS_AND_PORT;
}

static enum nat_answer judge_hairpin(const struct nat_survey *survey)
{
    const struct question *there = &survey->questions[HAIRPIN_THERE],
                          *back = &survey->questions[HAIRPIN_BACK];
    if (there->answered || back->answered)
        return NAT_ANSWER_YES;
    bool over = there->asked && !there->txn.running && !back->txn.running;
    return over ? NAT_ANSWER_NO : NAT_ANSWER_UNKNOWN;
}

static void judge_ports(const struct nat_survey *survey, struct nat_behavior *nat)
{
    struct nat_sample samples[NAT_SURVEY_SOCKETS];
    size_t count = survey->sampled ? collect_samples(survey, samples) : 0;
    if (count) {
        nat_ports_classify(nat, samples, count);
        nat->last = samples[count - 1].outer;
    }
    if (nat->ports == NAT_PORTS_UNKNOWN && nat->mapping == NAT_MAPPING_ENDPOINT &&
        survey->answers[0].mapped.port == survey->local.port)
        nat->ports = NAT_PORTS_PRESERVED;
    if (nat->last == 0 && survey->answer_count)
        nat->last = survey->answers[survey->answer_count - 1].mapped.port;
}

void survey_judge(struct nat_survey *survey)
{
    if (survey->shaken || survey->answer_count == 0)
        return;
    struct nat_behavior nat = survey->nat;
    enum nat_mapping mapping = judge_mapping(survey);
    if (mapping != NAT_MAPPING_UNKNOWN)
        nat.mapping = mapping;
    nat.external = survey->answers[0].mapped;
    if (nat.mapping != NAT_MAPPING_NONE)
        judge_ports(survey, &nat);
    nat.filtering = judge_filtering(survey); /* each is asked once: what is known stays */
    nat.hairpin = judge_hairpin(survey);
    survey->tells_changed |= !is_same(&nat, &survey->nat);
    survey->nat = nat;
}
