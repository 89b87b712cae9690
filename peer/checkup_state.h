/* checkup_state.h - what a checkup has under way, for the files that are it: checkup.c (everybody is asked),
 * checkup_ports.c (what the router opens), checkup_turn.c (relays) and checkup_life.c (how long mappings
 * live). */
#ifndef CHECKUP_STATE_H
#define CHECKUP_STATE_H

#include "checkup.h"

#include "loop.h"
#include "mqtt.h"
#include "nat_survey.h"
#include "portmap.h"
#include "rendezvous.h"
#include "resolve.h"
#include "stun_client.h"
#include "upnp.h"

/* An address of a STUN server. */
struct place {
    struct addr address;
    struct checkup_server *server;
};

/* A broker on trial. */
struct trial {
    struct mqtt *mqtt;
    uint64_t published; /* when; 0: not yet */
    bool over;
};

struct examination {
    struct checkup *out;
    const struct checkup_config *config;
    struct loop *loop;
    struct net *net;
    struct resolver *resolver;
    struct random random;
    struct stun_client *stun;
    struct nat_survey *survey;
    struct portmap *portmap; /* NULL: no port is asked for */
    struct upnp *upnp;
    struct portmap_local ports[PORTMAP_LOCALS_MAX]; /* what is asked for */
    size_t port_count;
    unsigned port_failures[2]; /* of these, by gateways and by UPnP: IPv4, IPv6 */
    struct turn_trials *turns;
    struct trial trials[CHECKUP_BROKERS_MAX];
    char hosts[CHECKUP_STUN_MAX][256]; /* names that are being resolved; empty: none */
    struct place places[CHECKUP_STUN_MAX * RESOLVE_ADDRESSES_MAX];
    size_t place_count;
    char topic[TOPIC_MAX];
    uint64_t started, first_answer; /* 0: none yet */
    uint64_t ports_asked;           /* the same */
    bool asks_ipv6, surveyed, done;
    bool round_done; /* every server has answered each of our addresses, or never will */
};

/* ---- checkup.c ---- */

/* Opens `count` extra sockets, closing those of before; returns how many there are, *locals holding the
 * address of `like` with their ports. */
size_t checkup_sockets(struct examination *e, const struct addr *like, struct addr *locals, size_t count);
/* Whether the user wants it to end. */
bool checkup_is_stopped(struct examination *e);

/* ---- checkup_life.c ---- */

/* After everything else, when nobody else uses sockets any more. */
void checkup_life_measure(struct examination *e);

/* ---- checkup_ports.c ---- */

/* Ports are asked for once the NAT has been asked about: an opened port could change what it does. */
void checkup_ports_ask(struct examination *e, uint64_t now);
/* Takes what gateways and UPnP have said. */
void checkup_ports_read(struct examination *e);
/* Until when they are waited for; 0: they have said all. */
uint64_t checkup_ports_awaited(const struct examination *e);
/* Gives back what was opened, and says so for a moment at most. */
void checkup_ports_close(struct examination *e);

/* ---- checkup_turn.c ---- */

enum { CHECKUP_TAG_TURN = 100 /* of names: from here on they are those of TURN servers */ };

/* False: no memory. */
bool checkup_turn_begin(struct examination *e, const struct checkup_config *config);
void checkup_turn_resolved(struct examination *e, uint64_t now, unsigned index,
                           const struct resolved *resolved);
void checkup_turn_send(struct examination *e, uint64_t now);
/* Whether the datagram was of one of them. */
bool checkup_turn_input(struct examination *e, uint64_t now, struct packet *in);
/* Those that are reached over streams. */
void checkup_turn_read(struct examination *e, uint64_t now);
bool checkup_turn_are_over(const struct examination *e);
uint64_t checkup_turn_deadline(const struct examination *e);
void checkup_turn_close(struct examination *e);

#endif
