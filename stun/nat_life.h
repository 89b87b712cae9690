/* nat_life.h - how long an idle mapping of the NAT in front of us lives (RFC 4787 4.3; RFC 5780 4.6).
 */
#ifndef NAT_LIFE_H
#define NAT_LIFE_H

#include "addr.h"
#include "packet.h"
#include "random.h"

enum {
    NAT_LIFE_SOCKETS = 16, /* one for each span of silence that is tried, side by side */
    NAT_LIFE_MAX_S = 305,  /* the longest of them */
    NAT_LIFE_ALL_S = 315,  /* after which all is said */
};

enum nat_life_trouble {
    NAT_LIFE_WELL,
    NAT_LIFE_SILENT, /* the server answers no more, or never did */
    NAT_LIFE_HIDDEN, /* a mapping that is made again has its old port, and the server does not answer to the
                        port that it is told: what died cannot be seen */
};

/* What is known so far. Alive after `alive_s` of silence, gone after `dead_s`: it lives between them. */
struct nat_life_verdict {
    unsigned alive_s; /* 0: none was seen alive */
    unsigned dead_s;  /* more than alive_s; 0: none was seen dead */
    enum nat_life_trouble trouble;
};

enum nat_life_event_type {
    NAT_LIFE_CHANGED, /* the verdict says more */
    NAT_LIFE_DONE,    /* it is the last; once */
};

struct nat_life_event {
    enum nat_life_event_type type;
};

struct nat_life;

/* NULL: no memory. `random` outlives it. */
struct nat_life *nat_life_new(const struct random *random);
void nat_life_free(struct nat_life *life);

/* Begins, once. `sockets`, ports of one address, are asked with and then left alone, NAT_LIFE_SOCKETS of them
 * at most; `asker` is another port of that address, and may be busy. A `server` with a second address (RFC
 * 5780) tells most. `keeps_ports`: the NAT is known to give a mapping the inner port. */
void nat_life_begin(struct nat_life *life, uint64_t now, const struct addr *server, const struct addr *asker,
                    const struct addr *sockets, size_t count, bool keeps_ports);
const struct nat_life_verdict *nat_life_verdict(const struct nat_life *life);

/* The four verbs. `input` returns whether the datagram belonged to one of its questions. */
bool nat_life_input(struct nat_life *life, uint64_t now, const struct packet *in);
bool nat_life_output(struct nat_life *life, uint64_t now, struct packet *out);
uint64_t nat_life_deadline(const struct nat_life *life);
bool nat_life_event(struct nat_life *life, uint64_t now, struct nat_life_event *event);

#endif
