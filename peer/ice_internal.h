/* ice_internal.h - what the files of the ICE agent share. Nobody else includes it.
 *
 *   ice.c          the public calls and the four verbs: start reading there
 *   ice_pairs.c    who could talk to whom: bases, remotes, pairs and their order
 *   ice_check.c    one check's life: when it leaves, how often, what its answer means
 *   ice_request.c  what the peer's checks mean to us, and our answers
 *   ice_choice.c   which pair carries application packets: selection and nomination
 *   ice_probe.c    the one check that goes to many ports
 *   ice_consent.c  whether the peer still lives: consent, suspicion, silence, the end
 *   ice_facts.c    what the agent knows, for others and for the sentences
 *
 * All tables are inside struct ice and never move, so pointers into them stay good until the entry is
 * dropped. */
#ifndef ICE_INTERNAL_H
#define ICE_INTERNAL_H

#include "ice.h"
#include "stun_txn.h"

enum {
    ICE_OWN_MAX = 64, /* addresses of this machine */
    ICE_REPLIES_MAX =
        8, /* answers waiting for output; whoever drains after every input never has more than one */
    ICE_UFRAG_LEN = 8, /* characters; ice.h */
    ICE_USERNAME_MAX = UFRAG_MAX + 1 + ICE_UFRAG_LEN + 1,
    ICE_PWD_LEN = 24,
    ICE_EXTRA_BASES_MAX = 8,         /* extra sockets on which the peer is heard at a time */
    ICE_COPIES_KNOWN = 16,           /* more than leave in a second */
    ICE_PROBE_MAX = UFRAG_MAX + 128, /* bytes: a check whose name is as long as it may be */
    ICE_VERIFY_COPIES = 3,           /* of a check to a pair that has answered before */
};

/* One of our sockets' addresses: what RFC 8445 calls a base. Pairs are made of these, because two candidates
 * with one base send the very same packets (6.1.2.4). */
struct ice_base {
    bool used;
    bool relayed;
    bool
        extra; /* a further socket, on which the peer was heard: no candidate, and no pairs but those heard */
    struct addr address;
    unsigned locals;   /* candidates that share it */
    uint32_t priority; /* of the best of them */
};

struct ice_remote {
    bool used;
    enum candidate_kind kind; /* PRFLX: found, not announced */
    struct addr address;
    uint32_t priority;
    bool answered;       /* a check of ours, ever */
    unsigned unanswered; /* checks sent there before it first answered: what it costs of ICE_CHECKS_MAX */
};

/* RFC 8445 6.1.2.6. Frozen is missing: with one stream of one component there is nothing that a pair could
 * wait for. */
enum ice_pair_state {
    PAIR_WAITING,  /* to be checked */
    PAIR_CHECKING, /* RFC: In-Progress */
    PAIR_VALID,    /* RFC: Succeeded. A check that runs now verifies it */
    PAIR_FAILED,
};

struct ice_pair {
    bool used;
    struct ice_base *base;
    struct ice_remote *remote;
    struct addr to; /* the remote's address, with our zone where it is link-local */
    enum path_kind kind;
    uint64_t priority; /* RFC 8445 6.1.2.3 */
    enum ice_pair_state state;

    bool triggered; /* RFC 8445 6.1.4.1: goes before the others, the oldest first */
    uint64_t triggered_at;
    struct stun_txn txn;
    uint64_t asked_at[ICE_COPIES_KNOWN];    /* when the last copies under this id left, a ring */
    unsigned asked;                         /* copies under this id, ever: what the next one is marked with */
    bool asked_controlling, asked_nominate; /* what the running request says: its copies are all alike */
    uint32_t asked_nomination;
    unsigned copies;     /* sent since the checks (re)started */
    unsigned unanswered; /* sent to an address that had never answered, since the budget was renewed */
    unsigned rounds;     /* transactions that failed before there was an answer */

    bool heard;         /* an authenticated check of the peer arrived on it */
    bool answered;      /* a check of ours, ever */
    uint64_t proof;     /* when it was last answered */
    uint64_t rtt;       /* smoothed, ns */
    struct addr mapped; /* what the peer last saw us as */
    uint64_t verify_at; /* when to check a pair again that has answered; NEVER: not by itself */
    unsigned failures;  /* verifications in a row */
    bool suspect;       /* part of the round of suspicion that runs */
};

struct ice_reply {
    struct addr local, remote;
    uint8_t id[STUN_ID_LEN];
    uint16_t error; /* 0: success */
    uint16_t unknown[STUN_UNKNOWN_MAX];
    size_t unknown_count;
};

struct ice {
    struct ice_config config;
    char ufrag[ICE_UFRAG_LEN + 1], pwd[ICE_PWD_LEN + 1];
    char remote_ufrag[UFRAG_MAX + 1], remote_pwd[PWD_MAX + 1];
    bool remote_known;
    bool controlling;
    uint64_t tie_breaker;

    struct addr own[ICE_OWN_MAX];
    size_t own_count;
    struct candidate locals[ICE_LOCALS_MAX];
    size_t local_count;
    struct ice_base bases[ICE_LOCALS_MAX];
    struct ice_remote remotes[ICE_REMOTES_MAX];
    struct ice_pair pairs[ICE_PAIRS_MAX];
    size_t pair_end; /* those in use are below */
    struct ice_reply replies[ICE_REPLIES_MAX];
    size_t reply_first, reply_count;

    /* ice_check.c: pacing and budget of checks to who has not answered */
    uint64_t ordinary_at; /* no ordinary check before */
    uint64_t debt_until;  /* when all that was sent has been paid off at 20 a second */
    unsigned unanswered;  /* checks sent to addresses that never answered */
    unsigned unanswered_of[PATH_KINDS];
    uint64_t budget_since; /* the first of them */

    /* ice_probe.c: the check that goes to many ports, as it was written; len 0: not yet */
    uint8_t probe[ICE_PROBE_MAX];
    size_t probe_len;
    uint8_t probe_id[STUN_ID_LEN];
    bool probe_controlling;
    uint64_t probe_tie_breaker;

    /* ice_choice.c */
    struct ice_pair *path;                 /* NULL: none */
    struct ice_pair *spare;                /* the next best, kept warm */
    struct ice_pair *nominated;            /* controlled: the last one the peer named */
    struct ice_pair *successor;            /* the peer was just heard from here: does it replace the path? */
    bool path_doubted;                     /* the path's last verification failed */
    uint32_t nomination;                   /* controlling: our last number; controlled: the peer's */
    bool nomination_sent, nomination_done; /* without renomination: the only one */
    uint64_t nominate_by;
    struct path heard; /* where the first authenticated check came from; remote family 0: none yet */

    /* ice_consent.c */
    bool proven;    /* some pair was answered */
    uint64_t proof; /* when last, or when the checks were restarted */
    bool stalled, lost;
    bool suspicious, goodbye;
    uint64_t suspicious_since;
    unsigned suspicion_rounds, suspects; /* rounds that came to nothing; pairs that the last one asked */
    uint64_t suspicion_at;               /* the next round; NEVER while one runs, or none is to */

    bool locals_complete, remotes_complete;
    uint64_t fail_at; /* NEVER: the clock does not run */
    struct punch_facts punched;
    struct nat_behavior local_nat, remote_nat;
    uint64_t hint_at;     /* no hint is taken before */
    uint64_t quiet_until; /* output has nothing to do before; 0: look */
    unsigned events;      /* of 1 << enum ice_event_type, to be drained */
    struct ice_stats stats;
};

/* `pair` runs over those in use. */
#define ICE_EACH_PAIR(ice, pair)                                                                         \
    for (struct ice_pair *pair = (struct ice_pair *)(ice)->pairs; pair < (ice)->pairs + (ice)->pair_end; \
         pair++)                                                                                         \
        if (pair->used)

/* ice.c */
void ice_tell(struct ice *ice, enum ice_event_type type);

/* ice_pairs.c */
/* The base that `local` names; where the system did not say (family 0), the first of the remote's family.
 * NULL: none. */
struct ice_base *ice_base_of(struct ice *ice, const struct addr *local, const struct addr *remote);
/* As ice_base_of, and makes one where `local` is an extra socket. NULL: none. */
struct ice_base *ice_base_adopt(struct ice *ice, const struct addr *local, const struct addr *remote);
/* What traffic between the two would be; *to is the address to send to. False: they cannot or may not talk.
 */
bool ice_may_pair(const struct ice *ice, const struct ice_base *base, const struct addr *address,
                  enum candidate_kind kind, struct addr *to, enum path_kind *path);
struct ice_remote *ice_remote_find(struct ice *ice, const struct addr *address);
/* A place in the table, if need be of one that has come to nothing. NULL: full. */
struct ice_remote *ice_remote_take(struct ice *ice, const struct wire_candidate *candidate);
/* The pair of the two, made where there is none. NULL: they may not talk, or the table is full of better
 * ones. */
struct ice_pair *ice_pair_of(struct ice *ice, struct ice_base *base, struct ice_remote *remote);
/* Makes the missing pairs of all bases and announced remotes. */
void ice_pairs_make(struct ice *ice);
/* Judges all pairs anew: priorities and kinds may have changed, and what is not allowed any more goes. */
void ice_pairs_judge(struct ice *ice);
void ice_pair_drop(struct ice *ice, struct ice_pair *pair);
struct path ice_pair_path(const struct ice_pair *pair);

/* ice_check.c */
/* The check to be sent at `now`, or NULL; *at is when the next one may be (<= now: that one). */
struct ice_pair *ice_check_next(const struct ice *ice, uint64_t now, uint64_t *at);
bool ice_check_write(struct ice *ice, uint64_t now, struct ice_pair *pair, struct packet *out);
/* RFC 8445 7.3.1.4: check this pair as soon as the budget allows. */
void ice_check_trigger(struct ice_pair *pair, uint64_t now);
/* Checks a pair that has answered before: a few quick copies. */
void ice_check_verify(struct ice *ice, uint64_t now, struct ice_pair *pair);
/* Checks whose copies all went unanswered. */
void ice_checks_expire(struct ice *ice, uint64_t now);
bool ice_check_answer(struct ice *ice, uint64_t now, const struct packet *in, const struct stun_msg *msg);
void ice_checks_again(struct ice *ice, uint64_t now);
void ice_budget_renew(struct ice *ice, uint64_t now);
/* When something of the above is due. */
uint64_t ice_checks_deadline(const struct ice *ice);

/* What every check says but for nominations: `msg` points into `username`. */
void ice_check_compose(const struct ice *ice, const struct ice_base *base, bool controlling,
                       char username[ICE_USERNAME_MAX], struct stun_msg *msg);

/* ice_probe.c */
/* An answer to the probe: from there the peer was reached. */
bool ice_probe_answer(struct ice *ice, uint64_t now, const struct packet *in, const struct stun_msg *msg);

/* ice_request.c */
/* The pair of a base and the address where a packet came from, made where nobody announced it (RFC 8445
 * 7.3.1.3). */
struct ice_pair *ice_pair_from(struct ice *ice, struct ice_base *base, const struct addr *from,
                               uint32_t priority);
bool ice_request_input(struct ice *ice, uint64_t now, const struct packet *in, const struct stun_msg *msg);
void ice_request_hint(struct ice *ice, uint64_t now, const struct packet *in);
bool ice_reply_output(struct ice *ice, struct packet *out);

/* ice_choice.c */
/* `pair` has just been answered. */
void ice_choice_answered(struct ice *ice, uint64_t now, struct ice_pair *pair);
/* The peer named `pair`. */
void ice_choice_nominated(struct ice *ice, uint64_t now, struct ice_pair *pair, const struct stun_msg *msg);
/* The path is gone or does not answer: the best of those proven at `since` or later takes over, if there is
 * one. */
void ice_choice_replace(struct ice *ice, uint64_t now, uint64_t since);
void ice_choice_spare(struct ice *ice);
void ice_choice_role(struct ice *ice, uint64_t now);
void ice_choice_tick(struct ice *ice, uint64_t now);
uint64_t ice_choice_deadline(const struct ice *ice);
/* Whether a check on `pair` nominates it, and by which number (0: no renomination). */
bool ice_choice_nominates(const struct ice *ice, const struct ice_pair *pair, uint32_t *number);

/* ice_consent.c */
void ice_consent_answered(struct ice *ice, uint64_t now, struct ice_pair *pair);
/* A verification of `pair` failed. */
void ice_consent_failed(struct ice *ice, uint64_t now, struct ice_pair *pair);
/* The path is another one. */
void ice_consent_moved(struct ice *ice, uint64_t now);
void ice_consent_heard(struct ice *ice, uint64_t now);
void ice_consent_suspect(struct ice *ice, uint64_t now, bool goodbye);
uint64_t ice_consent_next(struct ice *ice, uint64_t now);
/* RFC 7675 5.1: consent is gone; nothing is sent until somebody wakes us. */
void ice_consent_stall(struct ice *ice);
void ice_consent_tick(struct ice *ice, uint64_t now);
uint64_t ice_consent_deadline(const struct ice *ice);

#endif
