/* nat_life.c - how long an idle mapping of the NAT in front of us lives (RFC 4787 4.3; RFC 5780 4.6).
 *
 * Each socket asks once, is silent for a span of its own, and is then looked at: another socket asks the
 * server to answer to the first one's public port (RESPONSE-PORT). What arrives has found the mapping alive.
 * Where nothing does, the socket asks again itself: an answer shows that the silence was the NAT's, not the
 * server's. A server without RESPONSE-PORT is asked again only: another port than before means that the
 * mapping has died, the same port means nothing until one has been seen to change.
 *
 * All spans run side by side, so that the whole takes as long as the life, and five minutes at most. Two
 * spans in a row that died end it: one alone may be six lost packets. Left out: that a flow of many packets
 * may live longer than one question and its answer (Linux: 120 s rather than 30). */
#include "nat_life.h"
#include "stun_msg.h"
#include "stun_txn.h"
#include <stdlib.h>
#include <string.h>

/* Around the lives that are usual (10, 15, 20, 30, 60, 90, 120, 180, 300 s), so that each is told closely. */
static const unsigned spans_s[NAT_LIFE_SOCKETS] = {9,  14, 19,  22,  28,  33,  58,  63,
                                                   88, 92, 118, 125, 178, 185, 295, NAT_LIFE_MAX_S};

enum {
    ASK_COPIES = 8,   /* 3.75 s */
    KNOCK_COPIES = 6, /* silence is the answer: it must not be a lost packet */
    DEAD_ENOUGH = 2,
};

/* One server of ours answers an address ten times a second: sockets begin one after the other. */
static const uint64_t STAGGER = 150 * NS_PER_MS;
static const uint64_t ASK_WAIT = 250 * NS_PER_MS, ASK_WAIT_MAX = 500 * NS_PER_MS;
static const uint64_t KNOCK_WAIT_MIN = 200 * NS_PER_MS, KNOCK_WAIT_MAX = NS_PER_S;

/* Whether the server answers to the port that it is told, which the first socket finds out. */
enum forwards { FORWARDS_UNKNOWN, FORWARDS_NO, FORWARDS_YES };

enum state {
    STATE_WAITING,  /* for its turn, until `at` */
    STATE_OPENING,  /* it asks for its mapping */
    STATE_TRYING,   /* is it reached now, when the mapping cannot have died? The first socket only */
    STATE_RESTING,  /* in silence, until `at` */
    STATE_KNOCKING, /* is it still reached? */
    STATE_ASKING,   /* it asks again itself */
    STATE_ALIVE,
    STATE_SAME, /* not known to be alive, but on the port of before */
    STATE_DEAD,
    STATE_VOID, /* the server was silent */
};

struct span {
    enum state state;
    unsigned length_s;
    struct addr local, mapped;
    uint64_t at, rtt;
    bool early; /* it is looked at before its time: alive, it begins again */
    struct stun_txn txn;
};

struct nat_life {
    const struct random *random;
    struct addr server, asker;
    bool keeps_ports;
    enum forwards forwards;
    struct span spans[NAT_LIFE_SOCKETS]; /* the shortest first */
    size_t count;
    struct nat_life_verdict verdict;
    bool over, tells_changed, tells_done;
};

struct nat_life *nat_life_new(const struct random *random)
{
    struct nat_life *life = calloc(1, sizeof *life);
    if (life)
        life->random = random;
    return life;
}

void nat_life_free(struct nat_life *life)
{
    free(life);
}

const struct nat_life_verdict *nat_life_verdict(const struct nat_life *life)
{
    return &life->verdict;
}

/* ---- what is known ---- */

static bool is_settled(const struct span *span)
{
    return span->state >= STATE_ALIVE;
}

/* The longest that was seen alive, and the shortest beyond it that was seen dead. Ports that stay the same
 * are a sign of life where one has been seen to change. */
static struct nat_life_verdict sum_up(const struct nat_life *life)
{
    struct nat_life_verdict sum = {0};
    size_t i = life->count;
    for (; i > 0 && life->spans[i - 1].state != STATE_ALIVE && life->spans[i - 1].state != STATE_SAME; i--)
        if (life->spans[i - 1].state == STATE_DEAD)
            sum.dead_s = life->spans[i - 1].length_s;
    if (i > 0 && (life->spans[i - 1].state == STATE_ALIVE || sum.dead_s))
        sum.alive_s = life->spans[i - 1].length_s;
    return sum;
}

/* Whether all shorter spans are settled, and so many in a row have died. */
static bool is_decided(const struct nat_life *life)
{
    unsigned dead = 0;
    for (size_t i = 0; i < life->count && is_settled(&life->spans[i]); i++) {
        if (life->spans[i].state != STATE_VOID)
            dead = life->spans[i].state == STATE_DEAD ? dead + 1 : 0;
        if (dead == DEAD_ENOUGH || i + 1 == life->count)
            return true;
    }
    return life->count == 0;
}

static enum nat_life_trouble trouble_of(const struct nat_life *life)
{
    if (life->verdict.alive_s || life->verdict.dead_s)
        return NAT_LIFE_WELL;
    for (size_t i = 0; i < life->count; i++)
        if (life->spans[i].state == STATE_SAME)
            return NAT_LIFE_HIDDEN;
    return life->forwards == FORWARDS_NO ? NAT_LIFE_HIDDEN : NAT_LIFE_SILENT;
}

static void end(struct nat_life *life)
{
    for (size_t i = 0; i < life->count; i++)
        stun_txn_stop(&life->spans[i].txn);
    life->verdict.trouble = trouble_of(life);
    life->over = life->tells_done = true;
}

/* With fewer sockets the longest spans are left out. The longest begins first: it decides how long it takes.
 */
void nat_life_begin(struct nat_life *life, uint64_t now, const struct addr *server, const struct addr *asker,
                    const struct addr *sockets, size_t count, bool keeps_ports)
{
    life->server = *server;
    life->asker = *asker;
    life->keeps_ports = keeps_ports;
    life->count = count < NAT_LIFE_SOCKETS ? count : NAT_LIFE_SOCKETS;
    for (size_t i = 0; i < life->count; i++)
        life->spans[i] = (struct span){
            .length_s = spans_s[i], .local = sockets[i], .at = now + (life->count - 1 - i) * STAGGER};
    if (life->count == 0)
        end(life);
}

/* ---- from one state to the next ---- */

static void ask(struct nat_life *life, uint64_t now, struct span *span, enum state state)
{
    span->state = state;
    stun_txn_start(&span->txn, now, ASK_WAIT, ASK_COPIES, life->random);
    span->txn.rto_max = ASK_WAIT_MAX;
}

static void knock(struct nat_life *life, uint64_t now, struct span *span, enum state state)
{
    uint64_t wait = 2 * span->rtt;
    wait = wait < KNOCK_WAIT_MIN ? KNOCK_WAIT_MIN : wait > KNOCK_WAIT_MAX ? KNOCK_WAIT_MAX : wait;
    span->state = state;
    stun_txn_start(&span->txn, now, wait, KNOCK_COPIES, life->random);
    span->txn.rto_max = wait;
}

static void rest(uint64_t now, struct span *span)
{
    span->state = STATE_RESTING;
    span->at = now + span->length_s * NS_PER_S;
}

/* Looks at a span that has been silent: by a knock where the server knocks. */
static void look(struct nat_life *life, uint64_t now, struct span *span)
{
    if (life->forwards == FORWARDS_YES)
        knock(life, now, span, STATE_KNOCKING);
    else
        ask(life, now, span, STATE_ASKING);
}

/* The next longer span has been silent for longer than this one, which has died, although not for all of its
 * time. */
static void look_at_next(struct nat_life *life, uint64_t now, struct span *span)
{
    do
        span++;
    while (span < life->spans + life->count && span->state == STATE_VOID);
    if (span == life->spans + life->count || span->state != STATE_RESTING)
        return;
    span->early = true;
    look(life, now, span);
}

static void settle(struct nat_life *life, uint64_t now, struct span *span, enum state state)
{
    bool begins_again = span->early && (state == STATE_ALIVE || state == STATE_SAME);
    span->early = false;
    if (begins_again) {
        rest(now, span);
        return;
    }
    span->state = state;
    struct nat_life_verdict sum = sum_up(life);
    life->tells_changed |= sum.alive_s != life->verdict.alive_s || sum.dead_s != life->verdict.dead_s;
    life->verdict = sum;
    if (is_decided(life))
        end(life);
    else if (state == STATE_DEAD)
        look_at_next(life, now, span);
}

static void opened(struct nat_life *life, uint64_t now, struct span *span, const struct addr *mapped)
{
    bool tries = life->forwards == FORWARDS_UNKNOWN;
    span->mapped = *mapped;
    for (size_t i = 0; i < life->count; i++)
        tries &= life->spans[i].state != STATE_TRYING;
    if (tries)
        knock(life, now, span, STATE_TRYING);
    else
        rest(now, span);
}

static void tried(struct nat_life *life, uint64_t now, struct span *span, bool reached)
{
    life->forwards = reached ? FORWARDS_YES : FORWARDS_NO;
    rest(now, span);
    if (!reached && life->keeps_ports)
        end(life);
}

static void asked_again(struct nat_life *life, uint64_t now, struct span *span, const struct addr *mapped)
{
    bool same = addr_equal(&span->mapped, mapped);
    settle(life, now, span, same && life->forwards != FORWARDS_YES ? STATE_SAME : STATE_DEAD);
}

/* What is not answered. */
static void failed(struct nat_life *life, uint64_t now, struct span *span)
{
    if (span->state == STATE_TRYING)
        tried(life, now, span, false);
    else if (span->state == STATE_KNOCKING)
        ask(life, now, span, STATE_ASKING);
    else
        settle(life, now, span, STATE_VOID);
}

static void advance(struct nat_life *life, uint64_t now)
{
    for (size_t i = 0; i < life->count && !life->over; i++) {
        struct span *span = &life->spans[i];
        if (span->state == STATE_WAITING && now >= span->at)
            ask(life, now, span, STATE_OPENING);
        else if (span->state == STATE_RESTING && now >= span->at)
            look(life, now, span);
        else if (stun_txn_failed(&span->txn, now))
            failed(life, now, span);
    }
}

/* ---- datagrams ---- */

static bool is_knock(const struct span *span)
{
    return span->state == STATE_TRYING || span->state == STATE_KNOCKING;
}

/* To a knock only what arrives at the socket that it is about is an answer: an error, or a server that does
 * not know RESPONSE-PORT, answers the asker. */
static void answered(struct nat_life *life, uint64_t now, struct span *span, const struct stun_msg *msg,
                     const struct packet *in)
{
    bool good = msg->class == STUN_SUCCESS && msg->mapped.family != 0;
    if (!good || (is_knock(span) && in->local.port != span->local.port))
        failed(life, now, span);
    else if (span->state == STATE_OPENING)
        opened(life, now, span, &msg->mapped);
    else if (span->state == STATE_TRYING)
        tried(life, now, span, true);
    else if (span->state == STATE_KNOCKING)
        settle(life, now, span, STATE_ALIVE);
    else
        asked_again(life, now, span, &msg->mapped);
}

bool nat_life_input(struct nat_life *life, uint64_t now, const struct packet *in)
{
    struct stun_msg msg;
    if (!stun_decode(&msg, in->data, in->len) || msg.method != STUN_BINDING ||
        (msg.class != STUN_SUCCESS && msg.class != STUN_ERROR) || !addr_equal(&in->remote, &life->server))
        return false;
    for (size_t i = 0; i < life->count; i++) {
        struct span *span = &life->spans[i];
        if (!stun_txn_answered(&span->txn, now, msg.id, &span->rtt))
            continue;
        answered(life, now, span, &msg, in);
        return true;
    }
    return false;
}

static bool write_question(const struct nat_life *life, const struct span *span, struct packet *out)
{
    struct stun_msg msg = {.class = STUN_REQUEST, .method = STUN_BINDING};
    memcpy(msg.id, span->txn.id, STUN_ID_LEN);
    if (is_knock(span)) {
        msg.has = STUN_HAS_RESPONSE_PORT;
        msg.response_port = span->mapped.port;
    }
    out->local = is_knock(span) ? life->asker : span->local;
    out->remote = life->server;
    out->segment = 0;
    out->len = stun_encode(&msg, NULL, out->data, out->len);
    return out->len != 0;
}

bool nat_life_output(struct nat_life *life, uint64_t now, struct packet *out)
{
    advance(life, now);
    for (size_t i = 0; i < life->count && !life->over; i++)
        if (stun_txn_send(&life->spans[i].txn, now))
            return write_question(life, &life->spans[i], out);
    return false;
}

uint64_t nat_life_deadline(const struct nat_life *life)
{
    uint64_t deadline = NEVER;
    for (size_t i = 0; i < life->count && !life->over; i++) {
        const struct span *span = &life->spans[i];
        bool waits = span->state == STATE_WAITING || span->state == STATE_RESTING;
        uint64_t due = waits ? span->at : stun_txn_deadline(&span->txn);
        deadline = due < deadline ? due : deadline;
    }
    return deadline;
}

static bool take(bool *flag)
{
    bool was = *flag;
    *flag = false;
    return was;
}

bool nat_life_event(struct nat_life *life, uint64_t now, struct nat_life_event *event)
{
    advance(life, now);
    if (take(&life->tells_changed))
        event->type = NAT_LIFE_CHANGED;
    else if (take(&life->tells_done))
        event->type = NAT_LIFE_DONE;
    else
        return false;
    return true;
}
