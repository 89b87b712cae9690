/* punch_plan.h - what two NATs allow: who holds holes open, who knocks, and at which ports. */
#ifndef PUNCH_PLAN_H
#define PUNCH_PLAN_H

#include "nat_behavior.h"

enum {
    PUNCH_SOCKETS_MAX = 256,     /* held against ports at random; NODE_SOCKETS_MAX has as many */
    PUNCH_SOCKETS_BLOCK = 128,   /* inside a block of 1,024 ports: every eighth knock is a hit */
    PUNCH_SOCKETS_SEQUENCE = 16, /* where the ports follow each other */
    PUNCH_SOCKETS_MEET = 128,    /* where both sides' do */
    PUNCH_ATTEMPTS_MAX = 2,      /* at one address in PUNCH_WINDOW_S (security.md) */
    PUNCH_PORT_MIN = 1024,       /* no NAT gives away lower ones (RFC 4787 4.2.2, REQ-3) */
};

enum punch_way {
    PUNCH_UNKNOWN,  /* too little is known of one side */
    PUNCH_NEEDLESS, /* ordinary checks find the way, if there is one */
    PUNCH_HOPELESS, /* too many ports on both sides */
    PUNCH_HOLD,     /* we hold sockets open towards the one port of the peer, which tries our ports */
    PUNCH_KNOCK,    /* the other way round */
    PUNCH_MEET,     /* both count: each aims many sockets at one port that the other will come by */
};

struct punch_plan {
    enum punch_way way;
    enum nat_ports ports; /* of the side that holds: SEQUENTIAL, BLOCK or RANDOM */
};

/* What was done, for the sentences. */
struct punch_facts {
    struct punch_plan plan;
    unsigned attempts, probes; /* begun; sent in the last of them */
};

/* How many sockets such a plan is held with, at its beginning. */
unsigned punch_plan_sockets(const struct punch_plan *plan);

/* Both sides, told the same, come to matching plans: `first` is true on one of them. `attempts` failed so
 * far: what they tried is not tried again. */
struct punch_plan punch_plan(const struct nat_behavior *ours, const struct nat_behavior *theirs, bool first,
                             unsigned attempts);

/* The `i`-th likely port of a NAT that counts on: nearest first, three ahead for one behind. */
uint16_t punch_port_near(const struct nat_behavior *nat, unsigned i);
/* The port that its count reaches after `count` more mappings. */
uint16_t punch_port_ahead(const struct nat_behavior *nat, unsigned count);

/* Numbers from 0 to `size` - 1, each once, in no order that any NAT would have. */
struct scatter {
    uint32_t size, factor, offset;
};
/* `draw` is random. */
void scatter_start(struct scatter *scatter, uint32_t size, uint64_t draw);
uint32_t scatter_at(const struct scatter *scatter, uint32_t i);

#endif
