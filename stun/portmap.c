/* portmap.c - asks the gateway for a port that the internet can reach (PCP, RFC 6887; NAT-PMP, RFC 6886).
 *
 * Both are asked at the same moment, but only PCP for a port: of NAT-PMP the address outside comes first, a
 * question that leaves nothing behind. A gateway that speaks both would otherwise hold two mappings of one
 * port, and taking back the loser's by NAT-PMP takes back both.
 *
 * Left out: the third-party and prefer-failure options, PEER, TCP, several servers on one network. */
#include "portmap.h"

#include "portmap_msg.h"

#include <stdlib.h>
#include <string.h>

/* RFC 6886 3.1: 250 ms, doubling. The RFC goes on to 64 s; a gateway that said nothing for 16 s never does.
 */
static const uint64_t FIRST_WAIT = 250 * NS_PER_MS;
enum {
    COPIES = 6,
    REMOVAL_COPIES = 3,
    PCP_HEAD_START_MS = 50, /* for which NAT-PMP's port waits once its address is known: PCP tells more */
    RENEWAL_MIN_S = 4,      /* RFC 6887 11.2.1 */
    AGAIN_S = 2,            /* between two times that portmap_ask_again asks */
    RETRY_S = 300,          /* after a refusal; longer where the gateway says so, ... */
    RETRY_MAX_S = 3600,     /* ... but not for ever */
    LIFETIME_MAX_S = 86400, /* RFC 6887 15: no client needs more; whoever gives it is asked sooner */
    SPREAD_MS = 500,        /* after a restart of the gateway, so that a network does not ask in one moment */
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

struct portmap *portmap_new(const struct random *random)
{
    struct portmap *portmap = calloc(1, sizeof *portmap);
    if (portmap)
        portmap->random = random;
    return portmap;
}

void portmap_free(struct portmap *portmap)
{
    free(portmap);
}

const char *portmap_protocol_name(enum portmap_protocol protocol)
{
    static const char *const names[] = {"", "PCP", "NAT-PMP"};
    return names[protocol];
}

const char *portmap_failure_text(enum portmap_failure failure)
{
    static const char *const texts[] = {
        [PORTMAP_SILENT] = "the gateway offers neither PCP nor NAT-PMP",
        [PORTMAP_REFUSED] = "the gateway refuses to map ports",
        [PORTMAP_FULL] = "the gateway has no port left",
        [PORTMAP_NO_INTERNET] = "the gateway has no address on the internet now",
        [PORTMAP_PRIVATE] = "the gateway's own address is private: there is another NAT behind it",
        [PORTMAP_NAT_BETWEEN] = "there is another NAT between this machine and the gateway",
    };
    return texts[failure];
}

/* ---- questions ---- */

static void ask(struct mapping *m, uint64_t now, enum question_kind kind, unsigned copies)
{
    m->questions[kind] =
        (struct question){.running = true, .copies_max = copies, .due = now, .wait = FIRST_WAIT};
    m->asked_at = now;
}

static void ask_nothing(struct mapping *m)
{
    for (unsigned kind = 0; kind < QUESTIONS; kind++)
        m->questions[kind].running = false;
    m->port_at = NEVER;
}

static bool is_asking(const struct mapping *m)
{
    bool running = m->port_at != NEVER;
    for (unsigned kind = 0; kind < QUESTIONS; kind++)
        running = running || m->questions[kind].running;
    return running;
}

/* From the beginning: who speaks what is not known, or no longer. NAT-PMP knows IPv4 only. */
static void begin(struct mapping *m, uint64_t now)
{
    ask_nothing(m);
    m->protocol = PORTMAP_NONE;
    m->outside = (struct addr){0};
    m->renew_at = m->expires_at = m->retry_at = NEVER;
    m->failure = PORTMAP_SILENT;
    m->retry_s = 0;
    m->tells_failed = false;
    ask(m, now, ASK_PCP, COPIES);
    if (m->local.family == 4)
        ask(m, now, ASK_ADDRESS, COPIES);
}

static void renew(struct mapping *m, uint64_t now)
{
    m->renew_at = NEVER;
    if (m->protocol == PORTMAP_PCP) {
        ask(m, now, ASK_PCP, COPIES);
        return;
    }
    ask(m, now, ASK_ADDRESS, COPIES);
    ask(m, now, ASK_PORT, COPIES);
}

static void take_back(struct mapping *m, uint64_t now, enum question_kind kind)
{
    ask_nothing(m);
    m->removing = true;
    ask(m, now, kind, REMOVAL_COPIES);
}

static void note_lost(struct mapping *m)
{
    if (m->external.family == 0)
        return;
    m->lost = m->external;
    m->tells_lost = !m->tells_mapped; /* what was never told is not missed */
    m->tells_mapped = false;
    m->external = (struct addr){0};
}

/* No mapping; asked again when there is hope. A gateway that never answers is left alone. */
static void fail(struct mapping *m, uint64_t now, enum portmap_failure failure)
{
    ask_nothing(m);
    note_lost(m);
    m->protocol = PORTMAP_NONE;
    m->renew_at = m->expires_at = NEVER;
    m->failure = failure;
    m->tells_failed = true;
    uint32_t wait = m->retry_s > RETRY_S ? m->retry_s : RETRY_S;
    m->retry_at =
        failure == PORTMAP_SILENT ? NEVER : now + (wait < RETRY_MAX_S ? wait : RETRY_MAX_S) * NS_PER_S;
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

/* To be called when a question has ended without a mapping: the last one to do so decides. */
static void fail_if_over(struct mapping *m, uint64_t now)
{
    if (m->removing || is_asking(m) || m->tells_failed || m->retry_at != NEVER)
        return;
    if (m->protocol == PORTMAP_NONE) {
        fail(m, now, m->failure);
        return;
    }
    /* A renewal: what we have lives on until it expires. RFC 6887 11.2.1: again after half of what is left.
     */
    uint64_t left = m->expires_at > now ? m->expires_at - now : 0;
    uint64_t wait = left / 2 > RENEWAL_MIN_S * NS_PER_S ? left / 2 : RENEWAL_MIN_S * NS_PER_S;
    m->renew_at = now + wait;
}

/* ---- what is to be mapped ---- */

static bool is_same(const struct mapping *m, const struct portmap_local *wanted)
{
    return addr_equal(&m->local, &wanted->local) && addr_equal_ip(&m->gateway, &wanted->gateway);
}

static bool is_wanted(const struct mapping *m, const struct portmap_local *locals, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_same(m, &locals[i]))
            return true;
    return false;
}

static void add(struct portmap *portmap, uint64_t now, const struct portmap_local *wanted)
{
    if (!addr_is_usable(&wanted->local) || wanted->local.family != wanted->gateway.family)
        return;
    struct mapping *place = NULL;
    for (struct mapping *m = portmap->mappings; m < portmap->mappings + PORTMAP_LOCALS_MAX; m++) {
        if (m->local.family != 0 && is_same(m, wanted))
            return;
        if (m->local.family == 0 && !place)
            place = m;
    }
    if (!place)
        return;
    *place = (struct mapping){.local = wanted->local, .gateway = wanted->gateway};
    place->gateway.port = PORTMAP_SERVER_PORT;
    portmap->random->fill(portmap->random->context, place->nonce, sizeof place->nonce);
    begin(place, now);
}

void portmap_set_locals(struct portmap *portmap, uint64_t now, const struct portmap_local *locals,
                        size_t count)
{
    if (portmap->removed)
        return;
    EACH_MAPPING(portmap, m)
    if (!is_wanted(m, locals, count))
        *m = (struct mapping){0};
    for (size_t i = 0; i < count; i++)
        add(portmap, now, &locals[i]);
}

void portmap_ask_again(struct portmap *portmap, uint64_t now)
{
    EACH_MAPPING(portmap, m)
    if (m->protocol != PORTMAP_NONE && !m->removing && now - m->asked_at >= AGAIN_S * NS_PER_S)
        renew(m, now);
}

/* Of what was asked for but not answered a mapping may exist all the same. */
void portmap_remove(struct portmap *portmap, uint64_t now)
{
    if (portmap->removed)
        return;
    portmap->removed = true;
    EACH_MAPPING(portmap, m)
    {
        bool pcp = m->questions[ASK_PCP].running && m->questions[ASK_PCP].copies > 0;
        bool port = m->questions[ASK_PORT].running && m->questions[ASK_PORT].copies > 0;
        enum portmap_protocol protocol = m->protocol;
        m->renew_at = m->expires_at = m->retry_at = NEVER;
        m->tells_lost = m->tells_mapped = m->tells_failed = false;
        if (m->removing)
            continue;
        ask_nothing(m);
        m->removing = true;
        if (protocol == PORTMAP_PCP || (protocol == PORTMAP_NONE && pcp))
            ask(m, now, ASK_PCP, REMOVAL_COPIES);
        if (protocol == PORTMAP_NATPMP || port)
            ask(m, now, ASK_PORT, REMOVAL_COPIES);
    }
}

bool portmap_is_quiet(const struct portmap *portmap)
{
    EACH_MAPPING(portmap, m)
    if (is_asking(m))
        return false;
    return true;
}

/* ---- what the gateway says ---- */

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
        fail(m, now, PORTMAP_PRIVATE);
        take_back(m, now, kind);
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

static void pcp_refused(struct mapping *m, uint64_t now, const struct portmap_msg *msg)
{
    m->questions[ASK_PCP].running = false;
    m->failure = failure_of(msg->result);
    m->retry_s = msg->lifetime_s;
    /* NAT-PMP would map a port for whoever stands between. */
    if (m->protocol == PORTMAP_PCP || m->failure == PORTMAP_NAT_BETWEEN) {
        fail(m, now, m->failure);
        return;
    }
    if (m->port_at != NEVER)
        m->port_at = now;
    fail_if_over(m, now);
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
    ask_nothing(m);
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
        fail(m, now, failure_of(result));
    else
        fail_if_over(m, now);
}

/* At a renewal the gateway's address may be another one than before. */
static void note_outside(struct mapping *m, uint64_t now)
{
    if (m->external.family == 0 || addr_equal_ip(&m->external, &m->outside))
        return;
    if (addr_scope(&m->outside) != ADDR_GLOBAL) {
        m->useless = m->outside;
        fail(m, now, PORTMAP_PRIVATE);
        take_back(m, now, ASK_PORT);
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
        fail(m, now, PORTMAP_PRIVATE);
        if (pcp)
            take_back(m, now, ASK_PCP);
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
        ask_nothing(m);
    else if (msg->version != PCP && m->questions[ASK_PCP].running)
        pcp_refused(m, now, msg);
    else if (msg->version != NATPMP && (m->questions[ASK_ADDRESS].running || m->questions[ASK_PORT].running))
        natpmp_refused(m, now, msg->result);
}

/* Said to everybody, or to one of our addresses: the gateway is up again, or has another address. */
static void announced(struct portmap *portmap, uint64_t now, const struct addr *gateway,
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

static void told(struct portmap *portmap, uint64_t now, struct mapping *m, const struct portmap_msg *msg)
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

bool portmap_input(struct portmap *portmap, uint64_t now, const struct packet *in)
{
    struct portmap_msg msg;
    bool ours = false;
    if (in->remote.port != PORTMAP_SERVER_PORT)
        return false;
    EACH_MAPPING(portmap, m)
    ours = ours || addr_equal(&m->gateway, &in->remote);
    if (!ours || !portmap_msg_decode(&msg, in->data, in->len))
        return ours;
    bool solicited = false;
    EACH_MAPPING(portmap, m)
    if (addr_equal(&m->gateway, &in->remote) && addr_equal(&m->local, &in->local) && is_asking(m)) {
        solicited = true;
        told(portmap, now, m, &msg);
    }
    if (msg.type == PORTMAP_PCP_ANNOUNCE || (msg.type == PORTMAP_NATPMP_ADDRESS && !solicited))
        announced(portmap, now, &in->remote, &msg);
    return true;
}

/* ---- what we say ---- */

static bool write_question(const struct mapping *m, enum question_kind kind, struct packet *out)
{
    static const enum portmap_msg_type types[] = {
        [ASK_PCP] = PORTMAP_PCP_MAP, [ASK_ADDRESS] = PORTMAP_NATPMP_ADDRESS, [ASK_PORT] = PORTMAP_NATPMP_MAP};
    struct portmap_msg msg = {.type = types[kind],
                              .lifetime_s = m->removing ? 0 : PORTMAP_LIFETIME_S,
                              .client = m->local,
                              .internal_port = m->local.port,
                              .external = m->wished};
    memcpy(msg.nonce, m->nonce, sizeof msg.nonce);
    /* The port inside is as good a wish as any, and lets a person find it. RFC 6886 3.4: a removal has 0. */
    if (!msg.external.port)
        msg.external.port = m->local.port;
    if (m->removing && kind == ASK_PORT)
        msg.external.port = 0;
    out->local = m->local;
    out->remote = m->gateway;
    out->segment = 0;
    out->len = portmap_msg_encode(&msg, out->data, out->len);
    return out->len != 0;
}

/* Whether a copy must leave now; if so it is counted. Ends the question whose last copy went unanswered. */
static bool send_copy(struct mapping *m, uint64_t now, struct question *question)
{
    if (!question->running || now < question->due)
        return false;
    if (question->copies == question->copies_max) {
        question->running = false;
        fail_if_over(m, now);
        return false;
    }
    question->copies++;
    question->due = now + question->wait;
    question->wait *= 2;
    return true;
}

static void tick(struct mapping *m, uint64_t now)
{
    if (m->removing && !is_asking(m) && m->retry_at != NEVER)
        m->removing = false; /* a useless mapping is gone; the gateway may get a better address */
    if (now >= m->expires_at) {
        note_lost(m);
        begin(m, now);
    }
    if (now >= m->retry_at)
        begin(m, now);
    if (now >= m->renew_at)
        renew(m, now);
    if (now >= m->port_at) {
        m->port_at = NEVER;
        ask(m, now, ASK_PORT, COPIES);
    }
}

bool portmap_output(struct portmap *portmap, uint64_t now, struct packet *out)
{
    EACH_MAPPING(portmap, m)
    {
        tick(m, now);
        for (unsigned kind = 0; kind < QUESTIONS; kind++)
            if (send_copy(m, now, &m->questions[kind]))
                return write_question(m, (enum question_kind)kind, out);
    }
    return false;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t portmap_deadline(const struct portmap *portmap)
{
    uint64_t deadline = NEVER;
    EACH_MAPPING(portmap, m)
    {
        deadline = earlier(deadline, earlier(m->renew_at, m->expires_at));
        deadline = earlier(deadline, earlier(m->port_at, m->retry_at));
        for (unsigned kind = 0; kind < QUESTIONS; kind++)
            if (m->questions[kind].running)
                deadline = earlier(deadline, m->questions[kind].due);
    }
    return deadline;
}

static bool take(bool *flag)
{
    bool was = *flag;
    *flag = false;
    return was;
}

static bool mapping_event(struct mapping *m, struct portmap_event *event)
{
    *event = (struct portmap_event){.local = m->local, .gateway = m->gateway};
    if (take(&m->tells_lost)) {
        event->type = PORTMAP_LOST;
        event->external = m->lost;
    } else if (take(&m->tells_mapped)) {
        event->type = PORTMAP_MAPPED;
        event->external = m->external;
        event->protocol = m->protocol;
        event->lifetime_s = m->lifetime_s;
    } else if (take(&m->tells_failed)) {
        event->type = PORTMAP_FAILED;
        event->failure = m->failure;
        if (m->failure == PORTMAP_PRIVATE)
            event->external = m->useless;
    } else {
        return false;
    }
    return true;
}

bool portmap_event(struct portmap *portmap, struct portmap_event *event)
{
    EACH_MAPPING(portmap, m)
    if ((m->tells_lost || m->tells_mapped || m->tells_failed) && mapping_event(m, event))
        return true;
    return false;
}
