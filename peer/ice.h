/* ice.h - finds and keeps the best pair of addresses with one peer (RFC 8445, 8838, 7675).
 *
 * A full agent for one stream of one component. It never stops: a better pair takes over whenever one becomes
 * valid, a dead one is left. Application packets do not pass through it; it says where they go. */
#ifndef ICE_H
#define ICE_H

#include "candidate.h"
#include "packet.h"
#include "path.h"
#include "random.h"
#include "stun_msg.h"

enum {
    ICE_LOCALS_MAX = 32,       /* own candidates */
    ICE_REMOTES_MAX = 32,      /* the peer's: at most CANDIDATES_MAX announced at a time, and those found */
    ICE_PAIRS_MAX = 100,       /* RFC 8445 6.1.2.5 */
    ICE_CHECK_INTERVAL_MS = 5, /* between the first ICE_CHECKS_FAST checks; RFC 8445 14.2 allows no less */
    ICE_CHECKS_FAST = 20,
    ICE_CHECKS_SLOW_MS = 50,    /* then 20 a second */
    ICE_CHECKS_MAX = 100,       /* to addresses that never answered; then silence (security.md) */
    ICE_RTO_MS = 100,           /* until the first retransmission, where no round trip is known (design.md) */
    ICE_CONSENT_S = 5,          /* RFC 7675 5.1, randomised by 0.8 to 1.2 */
    ICE_CONSENT_EXPIRES_S = 30, /* RFC 7675 5.1: nothing is sent after that */
    ICE_NEWS_S = 8, /* a goodbye that comes so long after the last proof (6 s are usual) tells nothing that
                   the silence does not: the broker has waited as we have */
    ICE_FORGET_S = 120, /* state is kept for a peer that slept (design.md) */
    ICE_FAIL_S = 10,    /* interface.md, exit code 5 */
};

struct ice_config {
    bool controlling;
    bool renominate;   /* the peer knows the renomination attribute; else there is one nomination */
    unsigned paths;    /* PATH_BIT set: kinds that may be used; others are neither checked nor answered */
    bool same_machine; /* loopback pairs make sense */
    const struct random *random; /* outlives the agent */
};

enum ice_event_type {
    ICE_HEARD,   /* the first authenticated check came from `path.remote`: QUIC's Initial may go there already
                  */
    ICE_PATH,    /* application packets go to `path` from now on; path_why says why */
    ICE_STALLED, /* consent is gone on every pair; nothing is sent, a peer that slept may come back (then
                    ICE_PATH) */
    ICE_LOST,    /* gone for good: told so and silent, or silent for too long */
    ICE_FAILED,  /* no allowed pair worked within ICE_FAIL_S of both lists being complete; `why` */
};

struct ice_event {
    enum ice_event_type type;
    struct path path;
    char why[PATH_WHY_MAX]; /* of ICE_FAILED */
};

struct ice_stats {
    uint64_t checks_sent, checks_received, answers, malformed, unauthenticated, pairs_pruned;
    uint64_t probes_sent;
};

struct ice;

/* Draws its credentials and tie-breaker. NULL: no memory. */
struct ice *ice_new(const struct ice_config *config);
void ice_free(struct ice *ice);

const char *
ice_ufrag(const struct ice *ice); /* 8 characters: 48 bits, above the 24 that RFC 8445 5.3 asks for */
const char *ice_pwd(const struct ice *ice); /* 24 characters: 144 bits, above 128 */

/* Every address of this machine, loopback too (port ignored): a remote one among them makes a path `host`. */
void ice_set_own(struct ice *ice, const struct addr *own, size_t count);
/* An own candidate (trickled or not). The same address and base twice is once. False: the table is full. */
bool ice_add_local(struct ice *ice, uint64_t now, const struct candidate *candidate);
/* An interface's address is gone: its candidates and pairs too; if the path was there, the next best takes
 * over. */
void ice_remove_base(struct ice *ice, uint64_t now, const struct addr *base);
/* Whether a pair that works, or is being checked, has a base with this port. */
bool ice_uses_port(const struct ice *ice, uint16_t port);
/* The peer's addresses, announced or found, for permissions at a relay; returns how many were written. */
size_t ice_remotes(const struct ice *ice, struct addr out[ICE_REMOTES_MAX]);
/* The peer's credentials. Checks of the peer are answered before that, and remembered; ours start now. */
void ice_set_remote(struct ice *ice, uint64_t now, const char *ufrag, const char *pwd);
/* A candidate of the peer. Unusable ones (loopback between machines, multicast, port 0, zone unknown) are
 * dropped. False: dropped. */
bool ice_add_remote(struct ice *ice, uint64_t now, const struct wire_candidate *candidate);
/* No more candidates of this side will come (until something changes): the clock of ICE_FAILED runs when both
 * are. */
void ice_locals_complete(struct ice *ice, uint64_t now);
void ice_remotes_complete(struct ice *ice, uint64_t now);
/* What was done to find holes by guessing: for the sentences. */
void ice_set_punched(struct ice *ice, const struct punch_facts *facts);
/* What both networks are like, as far as is known: for the sentences. */
void ice_set_nat(struct ice *ice, const struct nat_behavior *ours, const struct nat_behavior *theirs);
/* Both could be on one machine (learnt after ice_new). */
void ice_set_same_machine(struct ice *ice, uint64_t now, bool same_machine);

/* There is hope for a pair that ICE does not know yet: no ICE_FAILED before `until`. After one, it may be
 * told again. */
void ice_hope(struct ice *ice, uint64_t until);

/* Something suggests that the path, or the peer, is dead (data unanswered, a goodbye, a will): every pair
 * that ever answered is checked at once, in rounds of one check of three copies. Unanswered on the path: it
 * is left, if another pair answers. Unanswered everywhere for three rounds and `goodbye` (or data unanswered
 * for so long that it means the same): ICE_LOST, within 8 s. Calling it again while that goes on does
 * nothing, but `goodbye` may be added. Before any pair was valid there is nothing to suspect. */
void ice_suspect(struct ice *ice, uint64_t now, bool goodbye);
/* When the peer last answered a check, or, if that is later, when its silence began to count; 0: it never
 * answered. */
uint64_t ice_proof(const struct ice *ice);
/* The peer has spoken over another way, provenly: whatever goodbye was told before was none. */
void ice_is_alive(struct ice *ice);
/* Whether that goes on, also because a consent check went unanswered: the time to look whether our address is
 * still the one that the peer knows. Where our NAT has mapped anew and the peer's filters by port, neither
 * finds the other before the peer is told. */
bool ice_is_suspicious(const struct ice *ice);
/* Since when it has gone on; NEVER: it does not. */
uint64_t ice_suspicious_since(const struct ice *ice);
/* After ICE_LOST, where the peer is known to live all the same: as after ICE_STALLED, its checks are answered
 * again. */
void ice_revive(struct ice *ice, uint64_t now);
/* Addresses or the clock have jumped (roaming, sleep): every pair is checked again. After a sleep call it
 * before ice_output, which would find the peer silent for all that time. */
void ice_restart_checks(struct ice *ice, uint64_t now);

/* The four verbs. `input` takes any STUN datagram and returns whether it was this agent's: an answer to one
 * of its checks, or a request with its ufrag and right integrity. Others are not counted. A request to an
 * address of ours with another port than any that is known came to an extra socket: that one becomes a base,
 * without being offered to anybody. */
bool ice_input(struct ice *ice, uint64_t now, const struct packet *in);
bool ice_output(struct ice *ice, uint64_t now, struct packet *out);
uint64_t ice_deadline(const struct ice *ice);
bool ice_event(struct ice *ice, struct ice_event *event);
/* Whether that would return true. */
bool ice_has_event(const struct ice *ice);

/* ---- for punch ---- */

/* The check that goes to many ports: one request for all of them, without a pair of its own. Whoever answers
 * it, or whoever hears it and checks back, becomes an ordinary pair. The packet's addresses are the caller's.
 * False: the peer's password is not known yet. */
bool ice_probe_write(struct ice *ice, struct packet *out);
/* The address of our main socket that `external`, an IPv4 address, belongs to. False: none does. */
bool ice_base_behind(const struct ice *ice, const struct addr *external, struct addr *base);
/* Whether the peer has announced a candidate with this address, whatever its port. */
bool ice_is_announced(const struct ice *ice, const struct addr *address);
/* Whether a pair works that needs no relay. */
bool ice_has_direct(const struct ice *ice);

/* A packet that is not STUN, but ours by its looks, came from an address that is not proven. Where only the
 * port differs from the path's, the peer's NAT may have mapped anew: it is checked, at most once a second,
 * and takes over if it answers. Without it the peer's own next check, within 6 s, tells the same. */
void ice_hint(struct ice *ice, uint64_t now, const struct packet *in);

/* Where application packets go now: the path, before there is one the source of the first authenticated
 * check. False: nowhere (nothing heard yet, or consent is gone). */
bool ice_path(const struct ice *ice, struct path *path);
/* Whether that is a pair which has answered, not the mere source of a check. */
bool ice_has_pair(const struct ice *ice);
/* Whether a path across the internet by IPv6 can be tried. */
bool ice_has_ipv6(const struct ice *ice);
/* Whether either side has announced a relayed address. */
bool ice_has_relay(const struct ice *ice);
/* Whether an authenticated check, or an answer to ours, came from there: QUIC is taken from nowhere else. */
bool ice_is_proven(const struct ice *ice, const struct addr *remote);
void ice_facts(const struct ice *ice, struct path_facts *facts);
void ice_stats(const struct ice *ice, struct ice_stats *stats);

/* Whether a binding request is meant for `ufrag`: the part of its USERNAME before the colon (RFC 8445 7.2.2).
 */
bool ice_is_for(const struct stun_msg *msg, const char *ufrag);

#endif
