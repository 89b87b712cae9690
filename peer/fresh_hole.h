/* fresh_hole.h - another port of ours for a peer whose early packet has spoiled the first (RFC 5128 3.5). */
#ifndef FRESH_HOLE_H
#define FRESH_HOLE_H

#include "nat_behavior.h"
#include "packet.h"

/* One a connection. */
struct fresh_hole {
    bool suits; /* both networks are such that it may help */
    bool over;  /* it was tried, or a direct path has worked */
    bool open;  /* under way */
    bool told;  /* the peer knows the port */
    uint64_t delay, since;
    struct addr base, peer, external; /* family 0: not known */
    uint16_t port;                    /* of the socket; 0: not given yet */
    uint64_t started;
    unsigned sent;
};

/* `delay`: one way over the broker, ns; 0: unknown. */
void fresh_hole_init(struct fresh_hole *hole, uint64_t delay);
/* What both networks are like, the main socket's address that our public one belongs to, and the peer's
 * public address, which it has also announced (family 0: there is none). Again whenever one of them changes.
 */
void fresh_hole_set(struct fresh_hole *hole, uint64_t now, const struct nat_behavior *ours,
                    const struct nat_behavior *theirs, const struct addr *base, const struct addr *peer);
/* Whether a path without relay works: it is needed no more, and never again. */
void fresh_hole_set_direct(struct fresh_hole *hole, bool direct);
/* How many extra sockets it wants, and those that there are: ports alone. */
unsigned fresh_hole_wants_sockets(const struct fresh_hole *hole);
void fresh_hole_set_sockets(struct fresh_hole *hole, uint64_t now, const struct addr *locals, size_t count);
/* Once, when the first packet has left: our new public address, to be told to the peer as a candidate of this
 * base. It is due at once. */
bool fresh_hole_told(struct fresh_hole *hole, struct addr *external, struct addr *base);

/* Two of the verbs. A packet's local, remote and ttl are set; the caller fills in the probe. */
bool fresh_hole_output(struct fresh_hole *hole, uint64_t now, struct packet *out);
uint64_t fresh_hole_deadline(const struct fresh_hole *hole);

#endif
