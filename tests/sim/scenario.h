/* scenario.h - who is where, what the network does to them, and what must come of it. */
#ifndef SCENARIO_H
#define SCENARIO_H

#include "player.h"

enum { SCENARIOS_MAX = 96, SCENARIO_NAME_MAX = 48 };

/* Where the two peers are to each other. */
enum placement {
    APART,       /* each in a network of its own, or on the internet itself */
    ONE_NETWORK, /* behind the same gateway */
    ONE_MACHINE, /* the same host addresses, loopback between them */
    OVERLAPPING, /* apart, both networks use the same private prefix */
    CARRIER,     /* apart, the first behind two gateways in a row */
};

/* What happens in mid-transfer. */
enum upset { NO_UPSET, REBIND_FIRST, REBIND_SECOND, REBIND_BOTH, ROAM_FIRST, ROAM_BOTH };

struct scenario {
    char name[SCENARIO_NAME_MAX];
    const struct nat_behavior *kinds[2]; /* NULL: open */
    enum placement placement;
    struct weather weather;
    size_t bytes; /* each way; 0: one byte */
    enum upset upset;
    bool connects;           /* else both must end with CONN_NOPATH */
    bool odd;                /* neither is promised: it must only come to an end */
    enum path_kind kind;     /* that must result */
    uint64_t within;         /* from the second peer's start to both first bytes, ns */
    unsigned seeds_at_least; /* for `make sim` */
};

struct result {
    bool ok;
    uint64_t time; /* from the later start to both first bytes; 0: never */
    char complaint[200];
};

/* Every scenario, by name. */
const struct scenario *scenarios(size_t *count);
/* One run. */
struct result scenario_run(const struct scenario *scenario, uint64_t seed, bool talk);

#endif
