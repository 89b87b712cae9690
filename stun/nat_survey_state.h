/* nat_survey_state.h - what a survey knows, for the files that are it: nat_survey.c (its verbs),
 * nat_question.c (what it asks) and nat_judge.c (what the answers say). */
#ifndef NAT_SURVEY_STATE_H
#define NAT_SURVEY_STATE_H

#include "nat_survey.h"
#include "stun_txn.h"

enum { SURVEY_ANSWERS_MAX = 16 };

/* What a question is for. The samples' places are their turn. */
enum {
    OTHER_PORT = NAT_SURVEY_SOCKETS, /* main socket, the same server address, its other port */
    OTHER_ADDRESS,                   /* main socket, its other address */
    FILTER_BOTH,                     /* a sample's socket: answer from the other address and port */
    FILTER_PORT,                     /* ... from the other port alone */
    HAIRPIN_THERE,                   /* a sample's socket to another's public address */
    HAIRPIN_BACK,                    /* and the other way, so that neither filter is in the way */
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
    struct answer answers[SURVEY_ANSWERS_MAX]; /* for `local` */
    size_t answer_count;
    bool shaken; /* an answer has changed: the others are of before, until the round is over */
    bool round_over;
    bool wants_all;
    bool has_asked_sockets, sampled, done;
    bool asks;           /* a question may wait */
    bool filter_refused; /* the server does not answer from elsewhere */
    bool tells_changed, tells_wanted, tells_done;
    struct addr sockets[NAT_SURVEY_SOCKETS];
    size_t socket_count, sample_count;
    uint64_t settle_at; /* when most samples suffice */
    struct question questions[QUESTIONS];
};

/* ---- nat_judge.c ---- */

/* What was known stays where the answers of the moment say nothing. */
void survey_judge(struct nat_survey *survey);

/* ---- nat_question.c ---- */

/* Once, where the ordinary answers do not tell everything: RFC 5780 4.3, both questions at once. */
void survey_ask_other_address(struct nat_survey *survey, uint64_t now);
/* All at once, in turn, the servers by turns too: each socket's first packet makes a new mapping, whoever it
 * goes to. The first goes to the server that is asked further. */
void survey_ask_samples(struct nat_survey *survey, uint64_t now);
/* As soon as there is a mapping: a filter is tried on a socket that has sent to nobody else. */
void survey_ask_filter(struct nat_survey *survey, uint64_t now);
/* As soon as there are two mappings: whether one socket reaches the other by its public address. */
void survey_ask_hairpin(struct nat_survey *survey, uint64_t now);
/* One copy. False: it does not fit into *out. */
bool survey_write_question(const struct nat_survey *survey, unsigned which, struct packet *out);

#endif
