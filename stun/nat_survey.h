/* nat_survey.h - finds out how the NAT in front of us behaves (RFC 4787; RFC 5780 4), beside the STUN client.
 */
#ifndef NAT_SURVEY_H
#define NAT_SURVEY_H

#include "nat_behavior.h"
#include "packet.h"
#include "random.h"
#include "stun_client.h"

enum {
    NAT_SURVEY_SOCKETS = 16, /* asked for at most: an answer from each in one round trip */
};

enum nat_survey_event_type {
    NAT_SURVEY_CHANGED,        /* nat_survey_behavior says something new; `last` counts for a sequence only */
    NAT_SURVEY_SOCKETS_WANTED, /* sockets of their own would tell more: call nat_survey_set_sockets, if at all
                                */
    NAT_SURVEY_DONE,           /* all that can be known is known; once, after the first sockets were given */
};

struct nat_survey_event {
    enum nat_survey_event_type type;
};

struct nat_survey;

/* NULL: no memory. `random` outlives the survey. */
struct nat_survey *nat_survey_new(const struct random *random);
void nat_survey_free(struct nat_survey *survey);

/* What the STUN client says: every event of it, of the main sockets. As long as two servers see one mapping
 * nothing more is sent. */
void nat_survey_told(struct nat_survey *survey, uint64_t now, const struct stun_client_event *told);
/* Our addresses as they are now: where the one that was looked at is gone, all is forgotten. */
void nat_survey_set_locals(struct nat_survey *survey, const struct addr *locals, size_t count);
/* Finds out all that there is, whether or not the NAT is hard; NAT_SURVEY_SOCKETS_WANTED follows at once, or
 * when a server has answered. Best called when all servers have: they are asked by turns. */
void nat_survey_ask_all(struct nat_survey *survey, uint64_t now);
/* Further sockets on the address of nat_survey_local, with ports of their own: the first NAT_SURVEY_SOCKETS
 * of them are used. Others than before: the ports are learnt anew. 0: they are closed, whatever is asked of
 * them is over. */
void nat_survey_set_sockets(struct nat_survey *survey, uint64_t now, const struct addr *locals, size_t count);

/* What is known so far. */
const struct nat_behavior *nat_survey_behavior(const struct nat_survey *survey);
/* The address of ours that it is true for; family 0: none yet. IPv4 where a server answers it. */
struct addr nat_survey_local(const struct nat_survey *survey);
/* A server that answers it, one with two addresses (RFC 5780) where there is one; family 0: none. */
struct addr nat_survey_server(const struct nat_survey *survey);

/* The four verbs. `input` returns whether the datagram belonged to one of its questions. */
bool nat_survey_input(struct nat_survey *survey, uint64_t now, const struct packet *in);
bool nat_survey_output(struct nat_survey *survey, uint64_t now, struct packet *out);
uint64_t nat_survey_deadline(const struct nat_survey *survey);
bool nat_survey_event(struct nat_survey *survey, uint64_t now, struct nat_survey_event *event);

#endif
