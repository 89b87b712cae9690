/* nat_question.c - what a survey asks: of whom, from which socket, how patiently. */
#include "nat_survey_state.h"

#include "nat_ports.h"
#include "stun_msg.h"

#include <string.h>

enum {
    /* One server of ours answers an address ten times a second: fewer sockets leave room for the rest. */
    SAMPLES_ONE_SERVER = NAT_PORTS_SAMPLES_MIN,
    SAMPLE_COPIES = 4,
    FILTER_COPIES = 6, /* silence is the answer: it must not be a lost packet, or a server's limit a second */
    HAIRPIN_COPIES = 4,
};

/* Between copies: twice the round trip, within these. */
static const uint64_t WAIT_MIN = 100 * NS_PER_MS, WAIT_MAX = 250 * NS_PER_MS, FILTER_WAIT = 200 * NS_PER_MS;

static bool is_behind_nat(const struct nat_survey *survey)
{
    return survey->nat.mapping != NAT_MAPPING_NONE;
}

static void question_start(struct nat_survey *survey, uint64_t now, unsigned which, const struct addr *local,
                           const struct addr *remote, uint64_t wait, unsigned copies)
{
    struct question *question = &survey->questions[which];
    *question = (struct question){.local = *local, .remote = *remote, .asked = true};
    survey->asks = true;
    stun_txn_start(&question->txn, now, wait, copies, survey->random);
    question->txn.rto_max = wait;
}

static uint64_t wait_for(uint64_t rtt)
{
    uint64_t wait = 2 * rtt;
    return wait < WAIT_MIN ? WAIT_MIN : wait > WAIT_MAX ? WAIT_MAX : wait;
}

/* Nobody may send us anywhere: the second address is one of the same kind as the first. */
static bool is_fit_for_questions(const struct answer *server)
{
    const struct addr *other = &server->other;
    return addr_is_usable(other) && other->family == server->server.family &&
           addr_scope(other) == addr_scope(&server->server) && !addr_equal_ip(other, &server->server) &&
           other->port != server->server.port;
}

/* The server that has a second address, if any (coturn gives some of its own one of another family): it can
 * be asked the most. */
static const struct answer *best_server(const struct nat_survey *survey)
{
    for (size_t i = 0; i < survey->answer_count; i++)
        if (is_fit_for_questions(&survey->answers[i]))
            return &survey->answers[i];
    return survey->answer_count ? &survey->answers[0] : NULL;
}

struct addr nat_survey_server(const struct nat_survey *survey)
{
    const struct answer *best = best_server(survey);
    return best ? best->server : (struct addr){0};
}

/* Two servers that saw one port, and not ours: an easy NAT, or one that draws ports and drew one twice.
 * Inside a carrier's block of 1,024 that is one survey in a thousand, and who is taken for easy has no path.
 */
static bool may_be_chance(const struct nat_survey *survey)
{
    return survey->nat.mapping == NAT_MAPPING_ENDPOINT &&
           survey->answers[0].mapped.port != survey->local.port;
}

void survey_ask_other_address(struct nat_survey *survey, uint64_t now)
{
    const struct answer *server = best_server(survey);
    bool hard = nat_is_hard(&survey->nat);
    bool over = survey->round_over || survey->wants_all;
    bool alone = over && survey->nat.mapping == NAT_MAPPING_UNKNOWN;
    if (survey->questions[OTHER_PORT].asked || !(hard || alone || may_be_chance(survey)) || !server ||
        !is_fit_for_questions(server))
        return;
    struct addr port = server->server, address = server->other;
    port.port = server->other.port;
    address.port = server->server.port;
    question_start(survey, now, OTHER_PORT, &survey->local, &port, wait_for(server->rtt), SAMPLE_COPIES);
    question_start(survey, now, OTHER_ADDRESS, &survey->local, &address, wait_for(server->rtt),
                   SAMPLE_COPIES);
}

void survey_ask_samples(struct nat_survey *survey, uint64_t now)
{
    const struct answer *best = best_server(survey);
    if (!best || !survey->socket_count)
        return;
    size_t most = survey->answer_count > 1 ? NAT_SURVEY_SOCKETS : SAMPLES_ONE_SERVER;
    size_t first = (size_t)(best - survey->answers);
    survey->sample_count = survey->socket_count < most ? survey->socket_count : most;
    for (size_t i = 0; i < survey->sample_count; i++) {
        const struct answer *server = &survey->answers[(first + i) % survey->answer_count];
        question_start(survey, now, (unsigned)i, &survey->sockets[i], &server->server, wait_for(best->rtt),
                       SAMPLE_COPIES);
    }
    survey->settle_at = now + 2 * wait_for(best->rtt);
}

/* A sample with an answer, from `server` unless that is NULL, when `skip` others have been passed over; NULL:
 * none yet. */
static const struct question *find_answered(const struct nat_survey *survey, const struct addr *server,
                                            size_t skip)
{
    for (size_t i = 0; i < survey->sample_count; i++) {
        const struct question *sample = &survey->questions[i];
        if (sample->answered && (!server || addr_equal(server, &sample->remote)) && skip-- == 0)
            return sample;
    }
    return NULL;
}

void survey_ask_filter(struct nat_survey *survey, uint64_t now)
{
    const struct answer *server = best_server(survey);
    if (survey->questions[FILTER_BOTH].asked || !server || !is_fit_for_questions(server))
        return;
    const struct question *sample = find_answered(survey, &server->server, 0);
    for (unsigned which = FILTER_BOTH; sample && which <= FILTER_PORT; which++)
        question_start(survey, now, which, &sample->local, &sample->remote, FILTER_WAIT, FILTER_COPIES);
}

void survey_ask_hairpin(struct nat_survey *survey, uint64_t now)
{
    const struct question *one = find_answered(survey, NULL, 0), *two = find_answered(survey, NULL, 1);
    if (survey->questions[HAIRPIN_THERE].asked || !one || !two || !is_behind_nat(survey))
        return;
    question_start(survey, now, HAIRPIN_THERE, &one->local, &two->mapped, WAIT_MIN, HAIRPIN_COPIES);
    question_start(survey, now, HAIRPIN_BACK, &two->local, &one->mapped, WAIT_MIN, HAIRPIN_COPIES);
}

bool survey_write_question(const struct nat_survey *survey, unsigned which, struct packet *out)
{
    const struct question *question = &survey->questions[which];
    struct stun_msg msg = {.class = STUN_REQUEST, .method = STUN_BINDING};
    memcpy(msg.id, question->txn.id, STUN_ID_LEN);
    if (which == FILTER_BOTH || which == FILTER_PORT) {
        msg.has = STUN_HAS_CHANGE_REQUEST;
        msg.change_request = which == FILTER_BOTH ? STUN_CHANGE_IP | STUN_CHANGE_PORT : STUN_CHANGE_PORT;
    }
    out->local = question->local;
    out->remote = question->remote;
    out->segment = 0;
    out->len = stun_encode(&msg, NULL, out->data, out->len);
    return out->len != 0;
}
