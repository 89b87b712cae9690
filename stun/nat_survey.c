/* nat_survey.c - finds out how the NAT in front of us behaves (RFC 4787; RFC 5780 4), beside the STUN client.
 *
 * Whether it is hard the ordinary answers to the main socket tell, and nothing waits for more. Then, or when
 * all is asked for: a new mapping from each of several sockets, all at once, shows how ports are chosen; a
 * server with two addresses (RFC 5780) tells mappings by address from those by port, and answers from
 * elsewhere; two sockets send to each other's public address. Left out: the life of a mapping, since asking
 * takes minutes; IPv6, where nobody translates, beyond that it is so. */
#include "nat_survey.h"
#include "nat_ports.h"
#include "stun_msg.h"
#include "stun_txn.h"
#include <stdlib.h>
#include <string.h>

enum {
    ANSWERS_MAX = 16,
    SAMPLES = NAT_SURVEY_SOCKETS,
    /* One server of ours answers an address ten times a second: fewer sockets leave room for the rest. */
    SAMPLES_ONE_SERVER = NAT_PORTS_SAMPLES_MIN,
    SAMPLE_COPIES = 4,
    FILTER_COPIES = 6, /* silence is the answer: it must not be a lost packet, or a server's limit a second */
    HAIRPIN_COPIES = 4,
};

/* Between copies: twice the round trip, within these. */
static const uint64_t WAIT_MIN = 100 * NS_PER_MS, WAIT_MAX = 250 * NS_PER_MS, FILTER_WAIT = 200 * NS_PER_MS;

/* What a question is for. The samples' places are their turn. */
enum {
    OTHER_PORT = SAMPLES, /* main socket, the same server address, its other port */
    OTHER_ADDRESS,        /* main socket, its other address */
    FILTER_BOTH,          /* a sample's socket: answer from the other address and port */
    FILTER_PORT,          /* ... from the other port alone */
    HAIRPIN_THERE,        /* a sample's socket to another's public address */
    HAIRPIN_BACK,         /* and the other way, so that neither filter is in the way */
    QUESTIONS,
};

struct question {
    struct stun_txn txn;
    struct addr local, remote;
    struct addr mapped; /* the answer; family 0: none */
    bool asked, answered;
};

/* What a server saw of the main socket. */
struct answer {
    struct addr server, mapped, other;
    uint64_t rtt;
};

struct nat_survey {
    const struct random *random;
    struct nat_behavior nat;
    struct addr local;
    struct answer answers[ANSWERS_MAX]; /* for `local` */
    size_t answer_count;
    bool shaken; /* an answer has changed: the others are of before, until the round is over */
    bool round_over;
    bool wants_all;
    bool has_asked_sockets, sampled, done;
    bool asks;           /* a question may wait */
    bool filter_refused; /* the server does not answer from elsewhere */
    bool tells_changed, tells_wanted, tells_done;
    struct addr sockets[SAMPLES];
    size_t socket_count, sample_count;
    uint64_t settle_at; /* when most samples suffice */
    struct question questions[QUESTIONS];
};

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

static bool is_same(const struct nat_behavior *a, const struct nat_behavior *b)
{
    return a->mapping == b->mapping && a->filtering == b->filtering && a->ports == b->ports &&
           a->step == b->step && a->low == b->low && a->high == b->high &&
           addr_equal(&a->external, &b->external) && a->hairpin == b->hairpin &&
           (a->last == b->last || a->ports != NAT_PORTS_SEQUENTIAL);
}

/* ---- what answers say ---- */

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
    if (survey->answer_count == 0)
        return NAT_MAPPING_UNKNOWN;
    struct addr own = survey->local;
    own.scope = 0;
    if (addr_equal(&first->mapped, &own))
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
    struct nat_sample samples[SAMPLES];
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

/* What was known stays where the answers of the moment say nothing. */
static void judge(struct nat_survey *survey)
{
    struct nat_behavior nat = survey->nat;
    enum nat_mapping mapping = judge_mapping(survey);
    if (survey->shaken || survey->answer_count == 0)
        return;
    if (mapping != NAT_MAPPING_UNKNOWN)
        nat.mapping = mapping;
    nat.external = survey->answers[0].mapped;
    nat.external.scope = 0;
    if (nat.mapping != NAT_MAPPING_NONE)
        judge_ports(survey, &nat);
    if (judge_filtering(survey) != NAT_FILTERING_UNKNOWN)
        nat.filtering = judge_filtering(survey);
    if (judge_hairpin(survey) != NAT_ANSWER_UNKNOWN)
        nat.hairpin = judge_hairpin(survey);
    survey->tells_changed |= !is_same(&nat, &survey->nat);
    survey->nat = nat;
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
    } else if (survey->answer_count < ANSWERS_MAX) {
        survey->answers[survey->answer_count++] = *answer;
    }
}

static void drop_answer(struct nat_survey *survey, const struct addr *server)
{
    struct answer *known = answer_of(survey, server);
    if (known)
        *known = survey->answers[--survey->answer_count];
}

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

/* Once, where the ordinary answers do not tell everything: RFC 5780 4.3, both questions at once. */
static void ask_other_address(struct nat_survey *survey, uint64_t now)
{
    const struct answer *server = best_server(survey);
    bool hard = nat_is_hard(&survey->nat);
    bool over = survey->round_over || survey->wants_all;
    bool alone = over && survey->nat.mapping == NAT_MAPPING_UNKNOWN;
    if (survey->questions[OTHER_PORT].asked || !(hard || alone) || !server || !is_fit_for_questions(server))
        return;
    struct addr port = server->server, address = server->other;
    port.port = server->other.port;
    address.port = server->server.port;
    question_start(survey, now, OTHER_PORT, &survey->local, &port, wait_for(server->rtt), SAMPLE_COPIES);
    question_start(survey, now, OTHER_ADDRESS, &survey->local, &address, wait_for(server->rtt),
                   SAMPLE_COPIES);
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
    judge(survey);
    ask_other_address(survey, now);
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

/* All at once, in turn, the servers by turns too: each socket's first packet makes a new mapping, whoever it
 * goes to. The first goes to the server that is asked further. */
static void ask_samples(struct nat_survey *survey, uint64_t now)
{
    const struct answer *best = best_server(survey);
    if (!best || !survey->socket_count)
        return;
    size_t most = survey->answer_count > 1 ? SAMPLES : SAMPLES_ONE_SERVER;
    size_t first = (size_t)(best - survey->answers);
    survey->sample_count = survey->socket_count < most ? survey->socket_count : most;
    for (size_t i = 0; i < survey->sample_count; i++) {
        const struct answer *server = &survey->answers[(first + i) % survey->answer_count];
        question_start(survey, now, (unsigned)i, &survey->sockets[i], &server->server, wait_for(best->rtt),
                       SAMPLE_COPIES);
    }
    survey->settle_at = now + 2 * wait_for(best->rtt);
}

static bool are_equal(const struct addr *a, const struct addr *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!addr_equal(&a[i], &b[i]))
            return false;
    return true;
}

void nat_survey_set_sockets(struct nat_survey *survey, uint64_t now, const struct addr *locals, size_t count)
{
    if (count > SAMPLES)
        count = SAMPLES;
    if (count == survey->socket_count && are_equal(survey->sockets, locals, count))
        return;
    for (size_t i = 0; i < QUESTIONS; i++)
        if (i != OTHER_PORT && i != OTHER_ADDRESS)
            stun_txn_stop(&survey->questions[i].txn);
    survey->socket_count = count;
    survey->sample_count = 0;
    survey->sampled = false;
    for (size_t i = 0; i < count; i++)
        survey->sockets[i] = locals[i];
    ask_samples(survey, now);
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

/* As soon as there is a mapping: a filter is tried on a socket that has sent to nobody else. */
static void ask_filter(struct nat_survey *survey, uint64_t now)
{
    const struct answer *server = best_server(survey);
    if (survey->questions[FILTER_BOTH].asked || !server || !is_fit_for_questions(server))
        return;
    const struct question *sample = find_answered(survey, &server->server, 0);
    for (unsigned which = FILTER_BOTH; sample && which <= FILTER_PORT; which++)
        question_start(survey, now, which, &sample->local, &sample->remote, FILTER_WAIT, FILTER_COPIES);
}

static void ask_hairpin(struct nat_survey *survey, uint64_t now)
{
    const struct question *one = find_answered(survey, NULL, 0), *two = find_answered(survey, NULL, 1);
    if (survey->questions[HAIRPIN_THERE].asked || !one || !two || !is_behind_nat(survey))
        return;
    question_start(survey, now, HAIRPIN_THERE, &one->local, &two->mapped, WAIT_MIN, HAIRPIN_COPIES);
    question_start(survey, now, HAIRPIN_BACK, &two->local, &one->mapped, WAIT_MIN, HAIRPIN_COPIES);
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
    ask_filter(survey, now);
    ask_hairpin(survey, now);
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

static bool write_question(const struct nat_survey *survey, unsigned which, struct packet *out)
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

bool nat_survey_output(struct nat_survey *survey, uint64_t now, struct packet *out)
{
    if (!survey->asks)
        return false;
    fail_overdue(survey, now);
    settle(survey, now);
    for (unsigned which = 0; which < QUESTIONS; which++)
        if (stun_txn_send(&survey->questions[which].txn, now))
            return write_question(survey, which, out);
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
