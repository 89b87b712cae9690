/* portmap_answer.c - what a gateway says, and what that makes of the mappings. */
#include "portmap_state.h"

#include <string.h>

enum {
    PCP_HEAD_START_MS = 50, /* for which NAT-PMP's port waits once its address is known: PCP tells more */
    LIFETIME_MAX_S = 86400, /* RFC 6887 15: no client needs more; whoever gives it is asked sooner */
    SPREAD_MS = 500,        /* after a restart of the gateway, so that a network does not ask in one moment */
};

/* RFC 6887 8.5: whether the gateway's age did not grow as our clock did. Then it has forgotten everything. */
static bool has_restarted(struct epoch *epoch, uint64_t now, uint32_t value)
{
    struct epoch before = *epoch;
    *epoch = (struct epoch){.known = true, .value = value, .at = now};
    if (!before.known)
        return false;
    if (value < before.value)
        return before.value - value > 1;
    uint64_t here = (now - before.at) / NS_PER_S, there = value - before.value;
    return here + 2 < there - there / 16 || there + 2 < here - here / 16;
}

static void renew_soon(struct portmap *portmap, uint64_t now, struct mapping *m)
{
    if (m->protocol != PORTMAP_NONE && !m->removing)
        m->renew_at = now + random_below(portmap->random, SPREAD_MS) * NS_PER_MS;
}

/* All of this gateway's mappings but the one that it has just spoken of; they need not find out for
 * themselves. */
static void renew_others(struct portmap *portmap, uint64_t now, const struct mapping *spoken_of)
{
    EACH_MAPPING(portmap, m)
    {
        if (m == spoken_of || !addr_equal(&m->gateway, &spoken_of->gateway))
            continue;
        memcpy(m->epochs, spoken_of->epochs, sizeof m->epochs);
        renew_soon(portmap, now, m);
    }
}

static void note_mapped(struct portmap *portmap, uint64_t now, struct mapping *m,
                        enum portmap_protocol protocol, const struct addr *external)
{
    enum question_kind kind = protocol == PORTMAP_PCP ? ASK_PCP : ASK_PORT;
    if (addr_scope(external) != ADDR_GLOBAL || external->port == 0) {
        m->useless = *external;
        mapping_fail(m, now, PORTMAP_PRIVATE);
        mapping_take_back(m, now, kind);
        return;
    }
    uint64_t lifetime = m->lifetime_s * NS_PER_S;
    m->protocol = protocol;
    m->wished = *external;
    m->expires_at = now + lifetime;
    /* RFC 6887 11.2.1: at a random moment between half and five eighths */
    m->renew_at = now + lifetime / 2 + random_u64(portmap->random) % (lifetime / 8 + 1);
    if (addr_equal(&m->external, external))
        return;
    m->external = *external;
    m->tells_mapped = true;
    m->tells_failed = false;
}

/* The lifetime as it counts for us; 0: none was given. */
static bool take_lifetime(struct mapping *m, uint32_t lifetime_s)
{
    m->lifetime_s = lifetime_s < LIFETIME_MAX_S ? lifetime_s : LIFETIME_MAX_S;
    return lifetime_s > 0;
}

static enum portmap_failure failure_of(enum portmap_result result)
{
    switch (result) {
    case PORTMAP_NETWORK_FAILURE:
        return PORTMAP_NO_INTERNET;
    case PORTMAP_NO_RESOURCES:
    case PORTMAP_CANNOT_PROVIDE_EXTERNAL:
        return PORTMAP_FULL;
    case PORTMAP_ADDRESS_MISMATCH:
        return PORTMAP_NAT_BETWEEN;
    case PORTMAP_UNSUPP_VERSION:
        return PORTMAP_SILENT;
    default:
        return PORTMAP_REFUSED;
    }
}

static void pcp_refused(struct mapping *m, uint64_t now, const struct portmap_msg *msg)
{
    enum portmap_failure failure = failure_of(msg->result);
    m->questions[ASK_PCP].running = false;
    if (failure != PORTMAP_SILENT) { /* else what NAT-PMP may have said is more precise */
        m->failure = failure;
        m->retry_s = msg->lifetime_s;
    }
    /* NAT-PMP would map a port for whoever stands between. */
    if (m->protocol == PORTMAP_PCP || failure == PORTMAP_NAT_BETWEEN) {
        mapping_fail(m, now, failure);
        return;
    }
    if (m->port_at != NEVER)
        m->port_at = now;
    mapping_fail_if_over(m, now);
}

static void pcp_answered(struct portmap *portmap, uint64_t now, struct mapping *m,
                         const struct portmap_msg *msg)
{
    if (!m->questions[ASK_PCP].running || memcmp(msg->nonce, m->nonce, sizeof m->nonce) != 0 ||
        msg->internal_port != m->local.port)
        return;
    if (m->removing) {
        /* a late answer to the mapping itself is none to its removal */
        if (msg->lifetime_s == 0 || msg->result != PORTMAP_SUCCESS)
            m->questions[ASK_PCP].running = false;
        return;
    }
    if (has_restarted(&m->epochs[0], now, msg->epoch_s))
        renew_others(portmap, now, m);
    if (msg->result != PORTMAP_SUCCESS || !take_lifetime(m, msg->lifetime_s) ||
        msg->external.family != m->local.family) {
        pcp_refused(m, now, msg);
        return;
    }
    mapping_ask_nothing(m);
    note_mapped(portmap, now, m, PORTMAP_PCP, &msg->external);
}

static void natpmp_refused(struct mapping *m, uint64_t now, enum portmap_result result)
{
    m->questions[ASK_ADDRESS].running = m->questions[ASK_PORT].running = false;
    m->port_at = NEVER;
    /* what PCP said is more precise */
    if (m->failure == PORTMAP_SILENT)
        m->failure = failure_of(result);
    if (m->protocol == PORTMAP_NATPMP)
        mapping_fail(m, now, failure_of(result));
    else
        mapping_fail_if_over(m, now);
}

/* At a renewal the gateway's address may be another one than before. */
static void note_outside(struct mapping *m, uint64_t now)
{
    if (m->external.family == 0 || addr_equal_ip(&m->external, &m->outside))
        return;
    if (addr_scope(&m->outside) != ADDR_GLOBAL) {
        m->useless = m->outside;
        mapping_fail(m, now, PORTMAP_PRIVATE);
        mapping_take_back(m, now, ASK_PORT);
        return;
    }
    uint16_t port = m->external.port;
    m->external = m->outside;
    m->external.port = port;
    m->wished = m->external;
    m->tells_mapped = true;
}

static void address_answered(struct portmap *portmap, uint64_t now, struct mapping *m,
                             const struct portmap_msg *msg)
{
    if (!m->questions[ASK_ADDRESS].running)
        return;
    m->questions[ASK_ADDRESS].running = false;
    if (has_restarted(&m->epochs[1], now, msg->epoch_s))
        renew_others(portmap, now, m);
    if (msg->result != PORTMAP_SUCCESS) {
        natpmp_refused(m, now, msg->result);
        return;
    }
    m->outside = msg->external;
    if (addr_scope(&m->outside) != ADDR_GLOBAL && m->protocol == PORTMAP_NONE) {
        m->useless = m->outside; /* PCP, where it is asked too, would get the same */
        bool pcp = m->questions[ASK_PCP].running;
        mapping_fail(m, now, PORTMAP_PRIVATE);
        if (pcp)
            mapping_take_back(m, now, ASK_PCP);
        return;
    }
    if (m->protocol == PORTMAP_NONE)
        m->port_at = now + (m->questions[ASK_PCP].running ? PCP_HEAD_START_MS * NS_PER_MS : 0);
    else
        note_outside(m, now);
}

static void port_answered(struct portmap *portmap, uint64_t now, struct mapping *m,
                          const struct portmap_msg *msg)
{
    if (!m->questions[ASK_PORT].running || msg->internal_port != m->local.port)
        return;
    if (m->removing) {
        if (msg->lifetime_s == 0 || msg->result != PORTMAP_SUCCESS)
            m->questions[ASK_PORT].running = false;
        return;
    }
    if (has_restarted(&m->epochs[1], now, msg->epoch_s))
        renew_others(portmap, now, m);
    if (msg->result != PORTMAP_SUCCESS || !take_lifetime(m, msg->lifetime_s)) {
        natpmp_refused(m, now, msg->result);
        return;
    }
    struct addr external = m->outside;
    external.port = msg->external.port;
    m->questions[ASK_PCP].running = m->questions[ASK_PORT].running = false;
    note_mapped(portmap, now, m, PORTMAP_NATPMP, &external);
}

/* RFC 6887 9, RFC 6886 3.5: by its version we know which of our questions it means. */
static void version_refused(struct mapping *m, uint64_t now, const struct portmap_msg *msg)
{
    enum { NATPMP = 0, PCP = 2 };
    if (m->removing)
        mapping_ask_nothing(m);
    else if (msg->version != PCP && m->questions[ASK_PCP].running)
        pcp_refused(m, now, msg);
    else if (msg->version != NATPMP && (m->questions[ASK_ADDRESS].running || m->questions[ASK_PORT].running))
        natpmp_refused(m, now, msg->result);
}

void mapping_announced(struct portmap *portmap, uint64_t now, const struct addr *gateway,
                       const struct portmap_msg *msg)
{
    bool natpmp = msg->type == PORTMAP_NATPMP_ADDRESS;
    EACH_MAPPING(portmap, m)
    {
        if (!addr_equal(&m->gateway, gateway))
            continue;
        bool moved = natpmp && m->outside.family && !addr_equal(&m->outside, &msg->external);
        if (has_restarted(&m->epochs[natpmp], now, msg->epoch_s) || moved)
            renew_soon(portmap, now, m);
    }
}

void mapping_told(struct portmap *portmap, uint64_t now, struct mapping *m, const struct portmap_msg *msg)
{
    switch (msg->type) {
    case PORTMAP_PCP_MAP:
        pcp_answered(portmap, now, m, msg);
        break;
    case PORTMAP_NATPMP_ADDRESS:
        address_answered(portmap, now, m, msg);
        break;
    case PORTMAP_NATPMP_MAP:
        port_answered(portmap, now, m, msg);
        break;
    case PORTMAP_OTHER_VERSION:
        version_refused(m, now, msg);
        break;
    case PORTMAP_PCP_ANNOUNCE:
        break;
    }
}
