/* run.h - one run of a scenario: its world, its players, and what stories need to move them. */
#ifndef RUN_H
#define RUN_H

#include "networks.h"
#include "scenario.h"

enum { RUN_SERVERS = 4 }; /* STUN servers: two of each family */

struct run {
    const struct scenario *scenario;
    struct scenario drawn; /* what `scenario` is, where the seed decides that */
    struct networks networks_drawn;
    uint64_t seed;
    struct world *world;
    struct meeting meeting;
    struct stun_host stun[RUN_SERVERS];
    struct addr servers[RUN_SERVERS];
    unsigned server_count;
    struct player players[RUN_PLAYERS_MAX];
    struct host *hosts[RUN_PLAYERS_MAX];
    unsigned networks[RUN_PLAYERS_MAX];
    unsigned starts;              /* how often somebody was started: gives each a seed of its own */
    struct path_memory *memories; /* of every player; NULL: nothing is remembered */
    struct result result;
};

/* place.c: the internet as the scenario's placement wants it, everybody still off. */
void run_build(struct run *run);
/* Another address for player `i`, as in another network of the same gateway. */
void run_move(struct run *run, unsigned i);

/* scenario_run.c */
struct chance *run_chance(struct run *run);
void run_start(struct run *run, unsigned i);
/* Everybody, or the first `count`, in any order, at once or up to a second apart. */
void run_start_all(struct run *run);
void run_start_first(struct run *run, unsigned count);
void run_for(struct run *run, uint64_t ns);
/* Until `done`, for `ns` at most; returns whether it was. */
bool run_until(struct run *run, uint64_t ns, bool (*done)(void *run));
/* Where it does not hold, the run has failed, and this says why; the first complaint counts. Returns `holds`.
 */
bool run_check(struct run *run, unsigned player, bool holds, const char *complaint);

/* The stories. */
void story_meet(struct run *run);        /* story_meet.c: two meet, talk, and are upset in mid-transfer */
void story_wait(struct run *run);        /* ... the second comes a minute later */
void story_again(struct run *run);       /* story_again.c: two meet twice, and remember what worked */
void story_again_blank(struct run *run); /* ... have forgotten it */
void story_again_wrong(struct run *run); /* ... remember something that is not so */
void story_chat(struct run *run);        /* story_room.c: all meet all */
void story_pipe(struct run *run);        /* ... one takes one */
void story_full(struct run *run);        /* ... and the last comes when all the others are taken */
void story_secrets(struct run *run);     /* ... who does not know the secret learns so */
void story_idle(struct run *run);        /* story_life.c: a minute without a byte */
void story_outage(struct run *run);      /* ... the network is gone for a minute */
void story_outage_udp(struct run *run);  /* ... the broker is not */
void story_killed(struct run *run);      /* ... one is killed, and comes back under its name */
void story_killed_dumb(struct run *run); /* ... the same without a will */
void story_nap(struct run *run);         /* ... asleep for 60 s */
void story_sleep(struct run *run);       /* ... for 100 s */
void story_coma(struct run *run);        /* ... for 200 s: lost */
void story_broker_down(struct run *run); /* ... the broker is gone in mid-session, and comes back */
void story_broker(struct run *run); /* story_broker.c: no datagram gets through, the broker carries all */
void story_broker_rate(struct run *run);   /* ... as fast as it may */
void story_broker_freed(struct run *run);  /* ... until datagrams do get through */
void story_broker_falls(struct run *run);  /* ... from the middle of a session on */
void story_broker_lost(struct run *run);   /* ... and then the broker is gone too, for a while */
void story_broker_killed(struct run *run); /* ... and then one dies */
void story_broker_hard(struct run *run);   /* ... for two NATs that cannot be passed: at once */
void story_broker_fair(struct run *run);   /* ... to three, who share */
void story_networks(struct run *run);      /* story_networks.c: any two networks */
void story_networks_draw(struct run *run, struct scenario *scenario);

#endif
