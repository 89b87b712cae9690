/* portmap_state.h - what is known of the mappings, for the files that are portmap: portmap.c (its verbs),
 * portmap_mapping.c (one mapping's life) and portmap_answer.c (what a gateway says). */
#ifndef PORTMAP_STATE_H
#define PORTMAP_STATE_H

#include "portmap.h"
#include "portmap_msg.h"

/* Of a question, when the answer may be lost. RFC 6886 3.1 goes on to 64 s; a gateway that said nothing for
 * 16 s never does. */
enum {
    PORTMAP_COPIES = 6,
    PORTMAP_REMOVAL_COPIES = 3,
};

enum question_kind { ASK_PCP, ASK_ADDRESS, ASK_PORT, QUESTIONS };

/* One request and its copies. */
struct question {
    bool running;
    unsigned copies, copies_max;
    uint64_t due, wait;
};

/* What the gateway last said of its own age, and when (RFC 6887 8.5). */
struct epoch {
    bool known;
    uint32_t value;
    uint64_t at;
};

/* One address of ours at one gateway. */
struct mapping {
    struct addr local, gateway; /* local family 0: a free place */
    uint8_t nonce[PORTMAP_NONCE_LEN];
    struct question questions[QUESTIONS];
    enum portmap_protocol protocol; /* whose mapping it is; NONE: there is none */
    struct addr external;           /* as it was told; family 0: not */
    struct addr outside;            /* NAT-PMP: the gateway's address; family 0: not known yet */
    struct addr wished;             /* what we had: asked for again */
    struct addr lost, useless;      /* of the events */
    uint64_t asked_at, renew_at, expires_at, port_at, retry_at; /* NEVER: not */
    struct epoch epochs[2];                                     /* PCP's, NAT-PMP's */
    uint32_t lifetime_s, retry_s;
    enum portmap_failure failure;
    bool removing;
    bool tells_lost, tells_mapped, tells_failed;
};

struct portmap {
    const struct random *random;
    struct mapping mappings[PORTMAP_LOCALS_MAX];
    bool removed;
};

#define EACH_MAPPING(portmap, m)                                              \
    for (struct mapping *m = (struct mapping *)(portmap)->mappings;           \
         m < (struct mapping *)(portmap)->mappings + PORTMAP_LOCALS_MAX; m++) \
        if (m->local.family != 0)

/* ---- portmap_mapping.c ---- */

void mapping_ask(struct mapping *m, uint64_t now, enum question_kind kind, unsigned copies);
void mapping_ask_nothing(struct mapping *m);
bool mapping_is_asking(const struct mapping *m);
/* From the beginning: who speaks what is not known, or no longer. */
void mapping_begin(struct mapping *m, uint64_t now);
void mapping_renew(struct mapping *m, uint64_t now);
/* Of no use, or no longer wanted. */
void mapping_take_back(struct mapping *m, uint64_t now, enum question_kind kind);
/* What was mapped is so no more. */
void mapping_note_lost(struct mapping *m);
/* No mapping; asked again when there is hope. A gateway that never answers is left alone. */
void mapping_fail(struct mapping *m, uint64_t now, enum portmap_failure failure);
/* To be called when a question has ended without a mapping: the last one to do so decides. */
void mapping_fail_if_over(struct mapping *m, uint64_t now);

/* ---- portmap_answer.c ---- */

/* The gateway of this mapping, which is asking, says this. */
void mapping_told(struct portmap *portmap, uint64_t now, struct mapping *m, const struct portmap_msg *msg);
/* Said to everybody, or to one of our addresses: the gateway is up again, or has another address. */
void mapping_announced(struct portmap *portmap, uint64_t now, const struct addr *gateway,
                       const struct portmap_msg *msg);

#endif
