/* punch.h - holes through NATs whose ports nobody knows: from how many sockets, to which ports, how fast.
 *
 * It decides where probes go and when; what they say is the ICE agent's: one authenticated binding request
 * for all of them, so that one that arrives is a check like any other. It never hears a packet. */
#ifndef PUNCH_H
#define PUNCH_H

#include "packet.h"
#include "path_memory.h"
#include "punch_budget.h"
#include "punch_plan.h"
#include "random.h"

struct punch_config {
    bool first;                  /* on one of the two sides */
    uint64_t delay;              /* one way over the broker, ns: how far apart the two sides may begin */
    struct punch_budget *budget; /* the node's; outlives the machine */
    const struct random *random; /* outlives the machine */
};

struct punch;

/* NULL: no memory. */
struct punch *punch_new(const struct punch_config *config);
void punch_free(struct punch *punch);

/* What both networks are like; again whenever more is known. */
void punch_set_nat(struct punch *punch, uint64_t now, const struct nat_behavior *ours,
                   const struct nat_behavior *theirs);
/* The main socket's address, which our public one belongs to, and the address of the peer, which it has also
 * announced: family 0 while there is none, then nothing is sent. */
void punch_set_ends(struct punch *punch, uint64_t now, const struct addr *base, const struct addr *peer);
/* The extra sockets that there are: ports alone. */
void punch_set_sockets(struct punch *punch, uint64_t now, const struct addr *locals, size_t count);
/* How many it wants now. */
unsigned punch_wants_sockets(const struct punch *punch);
/* Whether a path without relay works: then there is nothing to do, until it does not any more. */
void punch_set_direct(struct punch *punch, uint64_t now, bool direct);
/* What once led through these two networks, as both sides know: it goes first. */
void punch_set_strategy(struct punch *punch, enum path_strategy strategy);
/* Which way has led through them now; NONE: no port was guessed, or none with success. */
enum path_strategy punch_strategy(const struct punch *punch);
/* A check of the peer has arrived: what it came through may be all that is needed. */
void punch_heard(struct punch *punch, uint64_t now);

/* So many questions in a row to a STUN server went unanswered meanwhile: slower, or no more of it. */
void punch_hurts(struct punch *punch, uint64_t now, unsigned lost);

/* The verbs. A packet's local, remote and ttl are set; the caller fills in the probe. */
bool punch_output(struct punch *punch, uint64_t now, struct packet *out);
uint64_t punch_deadline(const struct punch *punch);
/* Whether a hole may still be found, soon enough to wait for it. */
bool punch_is_hopeful(const struct punch *punch, uint64_t now);
/* Whether an attempt is under way. */
bool punch_is_running(const struct punch *punch);
void punch_facts(const struct punch *punch, struct punch_facts *facts);

#endif
