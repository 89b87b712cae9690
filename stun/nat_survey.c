/* nat_survey.c - finds out how the NAT in front of us behaves (RFC 4787; RFC 5780 4), beside the STUN client.
 *
 * Whether it is hard the ordinary answers to the main socket tell, and nothing waits for more. Then, or when
 * all is asked for: a new mapping from each of several sockets, all at once, shows how ports are chosen; a
 * server with two addresses (RFC 5780) tells mappings by address from those by port, and answers from
 * elsewhere; two sockets send to each other's public address. Left out: the life of a mapping, which takes
 * minutes (nat_life); IPv6, where nobody translates, beyond that it is so. */
#include "nat_survey_state.h"

#include "nat_ports.h"
#include "stun_msg.h"

#include <stdlib.h>

struct nat_survey *nat_survey_new(const struct random *random)
{
    struct nat_survey *survey = calloc(1, sizeof *survey);
    if (survey)
        survey->random = random;
    return survey;
}

void nat_survey_free(struct nat_survey *survey)
{
    free(survey);
}

const struct nat_behavior *nat_survey_behavior(const struct nat_survey *survey)
{
    return &survey->nat;
}

struct addr nat_survey_local(const struct nat_survey *survey)
{
    return survey->local;
}

/* ---- what the STUN client says ---- */

/* A server inside our own network, or a liar, says nothing of the NAT. */
static bool is_worth(const struct stun_client_event *told)
{
    if (told->doubt == STUN_OWN_ADDRESS)
        return addr_scope(&told->local) == ADDR_GLOBAL;
    return told->doubt == STUN_CREDIBLE;
}

static void forget(struct nat_survey *survey)
{
    bool wants_all = survey->wants_all;
    const struct random *random = survey->random;
    bool knew = survey->nat.mapping != NAT_MAPPING_UNKNOWN;
    *survey = (struct nat_survey){.random = random, .wants_all = wants_all, .tells_changed = knew};
}

/* The first address that a server answers, but IPv4 before IPv6: that is where the NATs are. False: it is
 * about another address than ours. */
static bool choose_local(struct nat_survey *survey, const struct addr *local)
{
    if (addr_equal(&survey->local, local))
        return true;
    if (survey->local.family == 4 || local->family == survey->local.family)
        return false;
    forget(survey);
    survey->local = *local;
    return true;
}

static struct answer *answer_of(struct nat_survey *survey, const struct addr *server)
{
    for (size_t i = 0; i < survey->answer_count; i++)
        if (addr_equal(&survey->answers[i].server, server))
            return &survey->answers[i];
    return NULL;
}

static void add_answer(struct nat_survey *survey, const struct answer *answer)
{
    struct answer *known = answer_of(survey, &answer->server);
    if (known) {
        survey->shaken |= !addr_equal(&known->mapped, &answer->mapped);
        *known = *answer;
    } else if (survey->answer_count < SURVEY_ANSWERS_MAX) {
        survey->answers[survey->answer_count++] = *answer;
    }
}

static void drop_answer(struct nat_survey *survey, const struct addr *server)
{
    struct answer *known = answer_of(survey, server);
    if (known)
        *known = survey->answers[--survey->answer_count];
}

static void want_sockets(struct nat_survey *survey)
{
    if (survey->has_asked_sockets || !survey->answer_count || survey->local.family != 4)
        return;
    if (!nat_is_hard(&survey->nat) && !survey->wants_all)
        return;
    survey->has_asked_sockets = survey->tells_wanted = true;
}

/* To be called after whatever may have told something. */
static void go_on(struct nat_survey *survey, uint64_t now)
{
    survey_judge(survey);
    survey_ask_other_address(survey, now);
    want_sockets(survey);
}

void nat_survey_told(struct nat_survey *survey, uint64_t now, const struct stun_client_event *told)
{
    if (told->type == STUN_CLIENT_DONE) {
        survey->round_over = true;
        survey->shaken = false;
    } else if (told->type == STUN_CLIENT_SILENT) {
        if (addr_equal(&survey->local, &told->local))
            drop_answer(survey, &told->server);
    } else if (!is_worth(told) || !choose_local(survey, &told->local)) {
        return;
    } else {
        add_answer(survey, &(struct answer){told->server, told->mapped, told->other, told->rtt});
    }
    go_on(survey, now);
}

void nat_survey_set_locals(struct nat_survey *survey, const struct addr *locals, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (addr_equal(&survey->local, &locals[i]))
            return;
    if (survey->local.family)
        forget(survey);
}

void nat_survey_ask_all(struct nat_survey *survey, uint64_t now)
{
    survey->wants_all = true;
    go_on(survey, now);
}

/* ---- sockets of their own ---- */

static bool are_equal(const struct addr *a, const struct addr *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!addr_equal(&a[i], &b[i]))
            return false;
    return true;
}

/* Two questions from sockets that are no more. What was still open is as if it had never been asked: a
 * silence that we made says nothing of the NAT. `decided`: what has been answered says enough. */
static void take_back(struct question two[2], bool decided)
{
    bool open = two[0].txn.running || two[1].txn.running;
    stun_txn_stop(&two[0].txn);
    stun_txn_stop(&two[1].txn);
    if (open && !decided)
        two[0].asked = two[1].asked = false;
}

void nat_survey_set_sockets(struct nat_survey *survey, uint64_t now, const struct addr *locals, size_t count)
{
    if (count > NAT_SURVEY_SOCKETS)
        count = NAT_SURVEY_SOCKETS;
    if (count == survey->socket_count && are_equal(survey->sockets, locals, count))
        return;
    for (size_t i = 0; i < NAT_SURVEY_SOCKETS; i++)
        stun_txn_stop(&survey->questions[i].txn);
    struct question *asked = survey->questions;
    take_back(&asked[FILTER_BOTH], asked[FILTER_BOTH].answered);
    take_back(&asked[HAIRPIN_THERE], asked[HAIRPIN_THERE].answered || asked[HAIRPIN_BACK].answered);
    survey->socket_count = count;
    survey->sample_count = 0;
    survey->sampled = false;
    for (size_t i = 0; i < count; i++)
        survey->sockets[i] = locals[i];
    survey_ask_samples(survey, now);
}

/* ---- datagrams ---- */

static struct question *find_question(struct nat_survey *survey, uint64_t now, const uint8_t *id,
                                      uint64_t *rtt)
{
    for (size_t i = 0; i < QUESTIONS; i++)
        if (stun_txn_answered(&survey->questions[i].txn, now, id, rtt))
            return &survey->questions[i];
    return NULL;
}

/* Whether the answer came from where the question asks it to: whoever does not know CHANGE-REQUEST answers
 * from where it was asked, and has said nothing then. */
static bool comes_from(const struct nat_survey *survey, const struct question *question,
                       const struct addr *remote)
{
    unsigned which = (unsigned)(question - survey->questions);
    if (which == FILTER_BOTH)
        return !addr_equal_ip(remote, &question->remote) && remote->port != question->remote.port;
    if (which == FILTER_PORT)
        return addr_equal_ip(remote, &question->remote) && remote->port != question->remote.port;
    return addr_equal(remote, &question->remote);
}

/* An error, or an answer from elsewhere than was asked for, is no answer; of a filter it says nothing, and so
 * does the silence that follows. */
static void withdraw(struct nat_survey *survey, struct question *question)
{
    unsigned which = (unsigned)(question - survey->questions);
    if (which != FILTER_BOTH && which != FILTER_PORT)
        return;
    survey->filter_refused = true;
    stun_txn_stop(&survey->questions[FILTER_BOTH].txn);
    stun_txn_stop(&survey->questions[FILTER_PORT].txn);
}

static void take_answer(struct nat_survey *survey, uint64_t now, struct question *question,
                        const struct stun_msg *msg, const struct packet *in, uint64_t rtt)
{
    unsigned which = (unsigned)(question - survey->questions);
    if (msg->class != STUN_SUCCESS || msg->mapped.family == 0 || !comes_from(survey, question, &in->remote)) {
        withdraw(survey, question);
        return;
    }
    question->answered = true;
    question->mapped = msg->mapped;
    if (which == OTHER_PORT || which == OTHER_ADDRESS)
        add_answer(survey, &(struct answer){.server = question->remote, .mapped = msg->mapped, .rtt = rtt});
    survey_ask_filter(survey, now);
    survey_ask_hairpin(survey, now);
    go_on(survey, now);
}

/* Our own question to our own public address has come back: RFC 4787 6. */
static bool take_hairpin(struct nat_survey *survey, uint64_t now, const struct stun_msg *msg)
{
    for (unsigned which = HAIRPIN_THERE; which <= HAIRPIN_BACK; which++) {
        struct question *question = &survey->questions[which];
        uint64_t rtt;
        if (!stun_txn_answered(&question->txn, now, msg->id, &rtt))
            continue;
        question->answered = true;
        stun_txn_stop(&survey->questions[HAIRPIN_THERE].txn);
        stun_txn_stop(&survey->questions[HAIRPIN_BACK].txn);
        go_on(survey, now);
        return true;
    }
    return false;
}

bool nat_survey_input(struct nat_survey *survey, uint64_t now, const struct packet *in)
{
    struct stun_msg msg;
    uint64_t rtt;
    if (!survey->asks || !stun_decode(&msg, in->data, in->len) || msg.method != STUN_BINDING)
        return false;
    if (msg.class == STUN_REQUEST)
        return take_hairpin(survey, now, &msg);
    if (msg.class != STUN_SUCCESS && msg.class != STUN_ERROR)
        return false;
    struct question *question = find_question(survey, now, msg.id, &rtt);
    if (!question)
        return false;
    take_answer(survey, now, question, &msg, in, rtt);
    return true;
}

static void fail_overdue(struct nat_survey *survey, uint64_t now)
{
    bool failed = false;
    for (size_t i = 0; i < QUESTIONS; i++)
        failed |= stun_txn_failed(&survey->questions[i].txn, now);
    if (failed)
        go_on(survey, now);
}

/* When the row of samples is judged: as soon as none is awaited any more; most of them suffice once the
 * others have had the time for two copies. */
static uint64_t settle_deadline(const struct nat_survey *survey)
{
    size_t answered = 0, running = 0;
    if (survey->sampled || !survey->sample_count)
        return NEVER;
    for (size_t i = 0; i < survey->sample_count; i++) {
        answered += survey->questions[i].answered;
        running += survey->questions[i].txn.running;
    }
    if (!running)
        return 0;
    return answered < NAT_PORTS_SAMPLES_MIN ? NEVER : survey->settle_at;
}

static void settle(struct nat_survey *survey, uint64_t now)
{
    if (now < settle_deadline(survey))
        return;
    survey->sampled = true;
    go_on(survey, now);
}

/* A transfer comes through here for every batch of packets, when there is hardly ever anything to ask. */
static void finish(struct nat_survey *survey)
{
    for (size_t i = 0; survey->asks && i < QUESTIONS; i++)
        if (survey->questions[i].txn.running)
            return;
    survey->asks = false;
    if (!survey->sampled || survey->done)
        return;
    survey->done = survey->tells_done = true;
}

bool nat_survey_output(struct nat_survey *survey, uint64_t now, struct packet *out)
{
    if (!survey->asks)
        return false;
    fail_overdue(survey, now);
    settle(survey, now);
    for (unsigned which = 0; which < QUESTIONS; which++)
        if (stun_txn_send(&survey->questions[which].txn, now))
            return survey_write_question(survey, which, out);
    return false;
}

uint64_t nat_survey_deadline(const struct nat_survey *survey)
{
    if (!survey->asks)
        return NEVER;
    uint64_t deadline = settle_deadline(survey);
    for (size_t i = 0; i < QUESTIONS; i++) {
        uint64_t due = stun_txn_deadline(&survey->questions[i].txn);
        deadline = due < deadline ? due : deadline;
    }
    return deadline;
}

static bool take(bool *flag)
{
    bool was = *flag;
    *flag = false;
    return was;
}

bool nat_survey_event(struct nat_survey *survey, uint64_t now, struct nat_survey_event *event)
{
    settle(survey, now);
    finish(survey);
    if (take(&survey->tells_changed))
        event->type = NAT_SURVEY_CHANGED;
    else if (take(&survey->tells_wanted))
        event->type = NAT_SURVEY_SOCKETS_WANTED;
    else if (take(&survey->tells_done))
        event->type = NAT_SURVEY_DONE;
    else
        return false;
    return true;
}
