/* sim_nat.h - a NAT or firewall in memory, by the behaviours of RFC 4787. */
#ifndef SIM_NAT_H
#define SIM_NAT_H

#include "addr.h"
#include "chance.h"

/* RFC 4787 4.1 and 5: what a mapping, and what a filter depends on. */
enum nat_depends { NAT_ENDPOINT_INDEPENDENT, NAT_ADDRESS_DEPENDENT, NAT_ADDRESS_PORT_DEPENDENT };
enum sim_ports { NAT_PRESERVE, NAT_SEQUENTIAL, NAT_RANDOM };

/* What it does to IPv4. IPv6 passes its filter untranslated. */
struct nat_kind {
    const char *name;
    bool firewall; /* filters, translates nothing */
    enum nat_depends mapping, filtering;
    enum sim_ports ports;
    int step;       /* of a sequence; 0: 1 */
    unsigned busy;  /* mappings a second of others, who count too */
    unsigned block; /* ports that it draws from; 0: all */
    bool naive;     /* an early packet from outside occupies the mapping that it was sent to (LOW_TTL) */
    bool hairpin;   /* RFC 4787 6 */
    bool blocked;   /* lets nothing out */
};

enum { NAT_MAPPINGS_MAX = 4096, NAT_PERMITS_MAX = 8192, NAT_BUCKETS = 1024, NAT_SQUATS_MAX = 1024 };

struct sim_mapping {
    struct addr inner, outer;
    struct addr towards;        /* what the mapping depends on, the rest zero */
    uint64_t used;              /* when a packet last passed */
    int next_inner, next_outer; /* in their buckets; -1: none */
};

/* Who may send to a mapping. */
struct sim_permit {
    int mapping;
    struct addr allowed;
    int next;
};

/* An early packet that a naive gateway remembers. */
struct sim_squat {
    struct addr outside, inside;
    uint64_t at;
};

struct sim_nat {
    const struct nat_kind *behavior;
    struct addr outside; /* its public address, port 0; a firewall has none */
    uint64_t lifetime;   /* ns without a packet until a mapping is gone */
    uint16_t next_port;
    bool rebound;            /* it does not preserve ports any more */
    uint16_t low;            /* of its block */
    uint64_t swept, counted; /* when others were last counted */
    int by_inner[NAT_BUCKETS], by_outer[NAT_BUCKETS], by_permit[NAT_BUCKETS];
    struct sim_mapping *mappings;
    struct sim_permit *permits;
    int count, permit_count;
    struct sim_squat squats[NAT_SQUATS_MAX];
    unsigned squat_count;
};

void nat_init(struct sim_nat *nat, const struct nat_kind *behavior, const struct addr *outside,
              uint64_t lifetime, struct chance *chance);
void nat_free(struct sim_nat *nat);
/* A packet leaves: its source becomes what the outside sees. False: no mapping to be had, the packet is lost.
 */
bool nat_outbound(struct sim_nat *nat, uint64_t now, struct addr *source, const struct addr *destination,
                  struct chance *chance);
/* A packet arrives from outside: its destination becomes the inner one. False: filtered. */
bool nat_inbound(struct sim_nat *nat, uint64_t now, const struct addr *source, struct addr *destination);
/* Forgets every mapping and goes on with other ports, like a router that was restarted. */
void nat_rebind(struct sim_nat *nat, struct chance *chance);

/* The kinds that scenarios speak of: every pair of a mapping and a filtering behaviour, and a firewall. */
enum { NAT_KINDS = 11 };
extern const struct nat_kind nat_kinds[NAT_KINDS];
const struct nat_kind *nat_kind(const char *name); /* NULL: unknown, so "open" */

/* What physics allows two peers behind such gateways (NULL: none) without guessing ports: whether they find a
 * path. */
bool nat_can_connect(const struct nat_kind *a, const struct nat_kind *b);
/* Whether the port of the one that needs it can be guessed: then they find a path, only later. */
bool nat_can_punch(const struct nat_kind *a, const struct nat_kind *b);
/* Whether bytes may pass although no path is ever proven: neither outcome is promised. */
bool nat_is_odd(const struct nat_kind *a, const struct nat_kind *b);

#endif
