/* candidate.h - addresses at which a peer may be reached: kinds, priorities, foundations (RFC 8445 5.1). */
#ifndef CANDIDATE_H
#define CANDIDATE_H

#include "message.h"

/* One of our own candidates. */
struct candidate {
    enum candidate_kind kind;
    struct addr address; /* what the peer shall try */
    struct addr base;    /* where we send from: the socket's address on an interface (RFC 8445 4) */
    struct addr server;  /* who told us: SRFLX, MAPPED, RELAY; else family 0 */
    uint32_t priority;
    char foundation[FOUNDATION_MAX + 1];
};

/* How an interface ranks among ours, best first (design.md: bridges of containers and VPNs last). */
enum candidate_rank { RANK_NORMAL, RANK_BRIDGE };

/* RFC 8445 5.1.2.1: type preference << 24 | local preference << 8 | 255. Local preference puts IPv6 before
 * IPv4 (RFC 8421), global before private before link-local, RANK_BRIDGE last; `index` (0 to 255) tells equals
 * apart. */
uint32_t candidate_priority(enum candidate_kind kind, const struct addr *base, enum candidate_rank rank,
                            unsigned index);
/* RFC 8445 5.1.1.3: equal for equal kind, base address and server. Derived from these, so no table is needed.
 */
void candidate_foundation(struct candidate *candidate);
/* Whether packets from a relayed address can get there: a relay on the internet reaches no private network,
 * and none a link. */
bool candidate_relay_reaches(const struct addr *relayed, const struct addr *remote);
void candidate_to_wire(struct wire_candidate *wire, const struct candidate *candidate);

#endif
