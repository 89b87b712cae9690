/* portmap.c - asks the gateway for a port that the internet can reach (PCP, RFC 6887; NAT-PMP, RFC 6886).
 *
 * Both are asked at the same moment, but only PCP for a port: of NAT-PMP the address outside comes first, a
 * question that leaves nothing behind. A gateway that speaks both would otherwise hold two mappings of one
 * port, and taking back the loser's by NAT-PMP takes back both.
 *
 * Left out: the third-party and prefer-failure options, PEER, TCP, several servers on one network. */
#include "portmap_state.h"

#include <stdlib.h>
#include <string.h>

enum { AGAIN_S = 2 /* between two times that portmap_ask_again asks */ };

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
    mapping_begin(place, now);
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
        mapping_renew(m, now);
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
        bool port = m->questions[ASK_PORT].running; /* what was never said is taken back in vain, and rare */
        enum portmap_protocol protocol = m->protocol;
        m->renew_at = m->expires_at = m->retry_at = NEVER;
        m->tells_lost = m->tells_mapped = m->tells_failed = false;
        if (m->removing)
            continue;
        mapping_ask_nothing(m);
        m->removing = true;
        if (protocol == PORTMAP_PCP || (protocol == PORTMAP_NONE && pcp))
            mapping_ask(m, now, ASK_PCP, PORTMAP_REMOVAL_COPIES);
        if (protocol == PORTMAP_NATPMP || port)
            mapping_ask(m, now, ASK_PORT, PORTMAP_REMOVAL_COPIES);
    }
}

bool portmap_is_quiet(const struct portmap *portmap)
{
    EACH_MAPPING(portmap, m)
    if (mapping_is_asking(m))
        return false;
    return true;
}

/* ---- what the gateway says ---- */

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
    if (addr_equal(&m->gateway, &in->remote) && addr_equal(&m->local, &in->local) && mapping_is_asking(m)) {
        solicited = true;
        mapping_told(portmap, now, m, &msg);
    }
    if (msg.type == PORTMAP_PCP_ANNOUNCE || (msg.type == PORTMAP_NATPMP_ADDRESS && !solicited))
        mapping_announced(portmap, now, &in->remote, &msg);
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
        mapping_fail_if_over(m, now);
        return false;
    }
    question->copies++;
    question->due = now + question->wait;
    question->wait *= 2;
    return true;
}

static void tick(struct mapping *m, uint64_t now)
{
    if (m->removing && !mapping_is_asking(m) && m->retry_at != NEVER)
        m->removing = false; /* a useless mapping is gone; the gateway may get a better address */
    if (now >= m->expires_at) {
        mapping_note_lost(m);
        mapping_begin(m, now);
    }
    if (now >= m->retry_at)
        mapping_begin(m, now);
    if (now >= m->renew_at)
        mapping_renew(m, now);
    if (now >= m->port_at) {
        m->port_at = NEVER;
        mapping_ask(m, now, ASK_PORT, PORTMAP_COPIES);
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
