/* portmap_mapping.c - one mapping's life: what is asked for it, when again, and how it fails. */
#include "portmap_state.h"

/* RFC 6886 3.1: 250 ms, doubling. */
static const uint64_t FIRST_WAIT = 250 * NS_PER_MS;
enum {
    RENEWAL_MIN_S = 4,  /* RFC 6887 11.2.1 */
    RETRY_S = 300,      /* after a refusal; longer where the gateway says so, ... */
    RETRY_MAX_S = 3600, /* ... but not for ever */
};

void mapping_ask(struct mapping *m, uint64_t now, enum question_kind kind, unsigned copies)
{
    m->questions[kind] =
        (struct question){.running = true, .copies_max = copies, .due = now, .wait = FIRST_WAIT};
    m->asked_at = now;
}

void mapping_ask_nothing(struct mapping *m)
{
    for (unsigned kind = 0; kind < QUESTIONS; kind++)
        m->questions[kind].running = false;
    m->port_at = NEVER;
}

bool mapping_is_asking(const struct mapping *m)
{
    bool running = m->port_at != NEVER;
    for (unsigned kind = 0; kind < QUESTIONS; kind++)
        running = running || m->questions[kind].running;
    return running;
}

void mapping_begin(struct mapping *m, uint64_t now)
{
    mapping_ask_nothing(m);
    m->protocol = PORTMAP_NONE;
    m->outside = (struct addr){0};
    m->renew_at = m->expires_at = m->retry_at = NEVER;
    m->failure = PORTMAP_SILENT;
    m->retry_s = 0;
    m->tells_failed = false;
    mapping_ask(m, now, ASK_PCP, PORTMAP_COPIES);
    if (m->local.family == 4) /* NAT-PMP knows no other */
        mapping_ask(m, now, ASK_ADDRESS, PORTMAP_COPIES);
}

void mapping_renew(struct mapping *m, uint64_t now)
{
    m->renew_at = NEVER;
    if (m->protocol == PORTMAP_PCP) {
        mapping_ask(m, now, ASK_PCP, PORTMAP_COPIES);
        return;
    }
    mapping_ask(m, now, ASK_ADDRESS, PORTMAP_COPIES);
    mapping_ask(m, now, ASK_PORT, PORTMAP_COPIES);
}

void mapping_take_back(struct mapping *m, uint64_t now, enum question_kind kind)
{
    mapping_ask_nothing(m);
    m->removing = true;
    mapping_ask(m, now, kind, PORTMAP_REMOVAL_COPIES);
}

void mapping_note_lost(struct mapping *m)
{
    if (m->external.family == 0)
        return;
    m->lost = m->external;
    m->tells_lost = !m->tells_mapped; /* what was never told is not missed */
    m->tells_mapped = false;
    m->external = (struct addr){0};
}

void mapping_fail(struct mapping *m, uint64_t now, enum portmap_failure failure)
{
    mapping_ask_nothing(m);
    mapping_note_lost(m);
    m->protocol = PORTMAP_NONE;
    m->renew_at = m->expires_at = NEVER;
    m->failure = failure;
    m->tells_failed = true;
    uint32_t wait = m->retry_s > RETRY_S ? m->retry_s : RETRY_S;
    m->retry_at =
        failure == PORTMAP_SILENT ? NEVER : now + (wait < RETRY_MAX_S ? wait : RETRY_MAX_S) * NS_PER_S;
}

void mapping_fail_if_over(struct mapping *m, uint64_t now)
{
    if (m->removing || mapping_is_asking(m) || m->tells_failed || m->retry_at != NEVER)
        return;
    if (m->protocol == PORTMAP_NONE) {
        mapping_fail(m, now, m->failure);
        return;
    }
    /* A renewal: what we have lives on until it expires. RFC 6887 11.2.1: again after half of what is left.
     */
    uint64_t left = m->expires_at > now ? m->expires_at - now : 0;
    uint64_t wait = left / 2 > RENEWAL_MIN_S * NS_PER_S ? left / 2 : RENEWAL_MIN_S * NS_PER_S;
    m->renew_at = now + wait;
}
