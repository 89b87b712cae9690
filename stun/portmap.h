/* portmap.h - asks the gateway for a port that the internet can reach (PCP, RFC 6887; NAT-PMP, RFC 6886). */
#ifndef PORTMAP_H
#define PORTMAP_H

#include "packet.h"
#include "random.h"

enum {
    PORTMAP_LOCALS_MAX = 8,
    /* Asked for, seconds. RFC 6886 3.3 recommends two hours; what a program that crashed leaves behind should
     * be gone sooner. */
    PORTMAP_LIFETIME_S = 600,
};

enum portmap_protocol { PORTMAP_NONE, PORTMAP_PCP, PORTMAP_NATPMP };

/* Why there is no mapping. */
enum portmap_failure {
    PORTMAP_SILENT,      /* the gateway speaks neither protocol */
    PORTMAP_REFUSED,     /* it says no: switched off, not for us */
    PORTMAP_FULL,        /* it has no port left */
    PORTMAP_NO_INTERNET, /* it has no address outside itself */
    PORTMAP_PRIVATE,     /* `external`, its address outside, is not public: there is another NAT behind it */
    PORTMAP_NAT_BETWEEN, /* there is a NAT between us and it */
};

enum portmap_event_type {
    PORTMAP_MAPPED, /* packets to `external` reach `local`. Once, and again when it is another one */
    PORTMAP_LOST,   /* they no longer do: not renewed in time, or refused. It is asked for anew */
    PORTMAP_FAILED, /* `failure`; once until it is asked for anew */
};

struct portmap_event {
    enum portmap_event_type type;
    struct addr local, gateway;
    struct addr
        external; /* MAPPED, LOST, and FAILED with PORTMAP_PRIVATE; that of an IPv6 firewall: `local` */
    enum portmap_protocol protocol; /* MAPPED */
    enum portmap_failure failure;
    uint32_t lifetime_s; /* MAPPED: as granted */
};

/* An address of ours, with the port to be mapped, and the gateway that its packets leave by (port ignored).
 */
struct portmap_local {
    struct addr local, gateway;
};

struct portmap;

/* NULL: no memory. `random` outlives it. */
struct portmap *portmap_new(const struct random *random);
void portmap_free(struct portmap *portmap);

/* What is to be mapped from now on, at most PORTMAP_LOCALS_MAX, the rest is ignored: new ones are asked for
 * at once. Those that are gone are forgotten, without a word to the gateway: their address is gone too. */
void portmap_set_locals(struct portmap *portmap, uint64_t now, const struct portmap_local *locals,
                        size_t count);
/* Something suggests that the gateway has forgotten us: everything is asked for again, at most every 2 s.
 * Where it has never answered nothing happens. */
void portmap_ask_again(struct portmap *portmap, uint64_t now);
/* Takes every mapping back, and asks for none any more. Worth one round trip of patience; what is not heard
 * expires. */
void portmap_remove(struct portmap *portmap, uint64_t now);
/* Nothing is on its way: all has been found out, or taken back. */
bool portmap_is_quiet(const struct portmap *portmap);

/* The four verbs. `input` returns whether the datagram came from a gateway's server. What the gateway
 * announces to everybody (to 224.0.0.1 or ff02::1, port 5350) may be given to it too. */
bool portmap_input(struct portmap *portmap, uint64_t now, const struct packet *in);
bool portmap_output(struct portmap *portmap, uint64_t now, struct packet *out);
uint64_t portmap_deadline(const struct portmap *portmap);
bool portmap_event(struct portmap *portmap, struct portmap_event *event);

/* "PCP", "NAT-PMP", "". */
const char *portmap_protocol_name(enum portmap_protocol protocol);
/* A sentence about the gateway, without a full stop. */
const char *portmap_failure_text(enum portmap_failure failure);

#endif
