/* scenario.h - who is where, what the network does to them, and what must come of it. */
#ifndef SCENARIO_H
#define SCENARIO_H

#include "player.h"

enum { SCENARIOS_MAX = 200, SCENARIO_NAME_MAX = 48, RUN_PLAYERS_MAX = 201, RECORD_MAX = 400 };

/* Where the peers are to each other. */
enum placement {
    APART,       /* each in a network of its own, or on the internet itself */
    ONE_NETWORK, /* behind the same gateway */
    ONE_MACHINE, /* the same host addresses, told apart by port */
    OVERLAPPING, /* apart, both networks use the same private prefix, with strangers at the other's addresses
                  */
    FIRST_CARRIED, /* apart, the first behind two gateways in a row */
    ONE_CARRIER,   /* apart, behind one more gateway that they share */
    BRIDGED,       /* apart, each with addresses of bridges that nobody else can reach, the same on both */
    IPV6_ONLY,     /* apart, behind filters that translate nothing */
    DUAL_STACK,    /* apart, IPv4 as the gateway gives it, and IPv6 behind the filter */
};

/* What happens in mid-transfer. */
enum upset { NO_UPSET, REBIND_FIRST, REBIND_SECOND, REBIND_BOTH, ROAM_FIRST, ROAM_BOTH };

enum outcome {
    MEET,
    NO_PATH, /* physics forbids it: both must end with CONN_NOPATH */
    ODD,     /* neither is promised: it must only come to an end */
};

struct run;

struct scenario {
    char name[SCENARIO_NAME_MAX];
    void (*story)(struct run *run); /* starts the players, and says what must come of it */
    void (*draw)(struct run *run, struct scenario *scenario); /* changes this by the seed; NULL: nothing */
    const struct nat_kind *kinds[2];    /* gateways of the players 0, 2, 4 and of 1, 3; NULL: open */
    const struct nat_kind *carrier;     /* FIRST_CARRIED, ONE_CARRIER */
    const struct nat_kind *carriers[2]; /* of the players 0 and 1, each its own; NULL: none */
    enum placement placement;
    struct weather weather;
    uint64_t lifetime;                      /* of a gateway's mapping, ns without a packet */
    uint64_t letter_delay;                  /* ns; 0: 30 ms */
    uint64_t letter_jitter;                 /* ns */
    unsigned letters_lost, letters_doubled; /* percent */
    unsigned players, max_peers;
    const char *secrets[2]; /* of the players 0, 2, 4 and of 1, 3; NULL: an open room */
    uint32_t broker_relay;  /* bytes a second; 0: none */
    bool at_once;           /* all start in the same instant */
    size_t bytes;           /* each to each */
    enum upset upset;
    enum outcome outcome;
    enum path_kind kind;   /* that must result */
    uint64_t path_within;  /* from the last start to both paths, ns */
    uint64_t bytes_within; /* from the last start to the first bytes of both, ns */
    unsigned seeds;        /* for `make sim` */
    unsigned
        fewer; /* times, where a number of seeds for all scenarios is asked for; 0: it is taken as it is */
};

struct result {
    bool ok;
    uint64_t path, bytes; /* from the last start to both paths, and to both first bytes; 0: never */
    char complaint[240];
    char record[RECORD_MAX]; /* a line of JSON for statistics over all seeds; empty: none */
};

/* Every scenario, by name. */
const struct scenario *scenarios(size_t *count);
/* One run; `talk` prints every datagram. */
struct result scenario_run(const struct scenario *scenario, uint64_t seed, bool talk);

#endif
