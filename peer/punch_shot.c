/* punch_shot.c - the list of shots that an attempt is: a rule says of the i-th one which socket it leaves
 * from, to which port, and when at the earliest. How fast they go, and for how long, punch.c says. */
#include "punch_shot.h"

#include "packet.h"
#include "punch_budget.h"

enum {
    NEAR = 192,          /* ports nearest to where a sequence is expected */
    NEAR_AGAIN_MS = 700, /* the same once more: the first may have come too early, or been lost */
    COMB_STEP = 128,     /* then every so many ports, for a run of PUNCH_SOCKETS_MAX: one tooth hits */
    COMB_AT_MS = 2200,   /* ... which the holder has opened by then */
    COMB_HOLD_MS = 1500, /* it begins with them */
    COMB = (65536 - PUNCH_PORT_MIN) / COMB_STEP,
    MEET_BEHIND = 16, /* a sequence is never so far behind its last port */

    /* Where guessing has worked before, what comes late comes early: */
    WIDE_HOLD_MS = 100,  /* all sockets, where the foretold ports were wrong then ... */
    WIDE_AT_MS = 650,    /* ... and the comb, by turns with the foretold ports' second time */
    WIDE_BLOCK_MS = 300, /* all sockets, where the block was wrong */
    MEET_AGAIN_MS = 280, /* the second round of those that meet: right behind the first */
    MEET_WIDE_MS = 650,  /* with twice the sockets, where only that has led to a meeting */
};

/* Openers: rounds over `sockets` at these times, the first with a low TTL. False: no more. */
static bool hold_rounds(const struct punch_aim *aim, unsigned i, unsigned sockets, const unsigned *rounds,
                        unsigned count, struct punch_shot *shot)
{
    unsigned round = i / sockets;
    if (round >= count)
        return false;
    *shot = (struct punch_shot){.socket = i % sockets + 1,
                                .port = aim->theirs.external.port,
                                .low = round == 0 || (round == 1 && aim->attempt > 1),
                                .at = rounds[round]};
    return true;
}

/* A few in sequence, for who foretells them; then so many that a comb cannot miss them. */
static bool hold_sequence(const struct punch_aim *aim, unsigned i, struct punch_shot *shot)
{
    static const unsigned few[] = {0, 500}, many[] = {COMB_HOLD_MS, 3000};
    static const unsigned early[] = {WIDE_HOLD_MS, COMB_HOLD_MS, 3000};
    const unsigned few_count = PUNCH_SOCKETS_SEQUENCE, all = PUNCH_SOCKETS_MAX + few_count;
    if (aim->strategy == STRATEGY_WIDE && i >= few_count && i < all)
        return hold_rounds(aim, i - few_count, PUNCH_SOCKETS_MAX, early, 3, shot);
    if (aim->strategy == STRATEGY_WIDE && i >= all + few_count)
        return hold_rounds(aim, i - 2 * few_count, PUNCH_SOCKETS_MAX, early, 3, shot);
    if (aim->strategy == STRATEGY_WIDE && i >= all)
        i -= PUNCH_SOCKETS_MAX;
    if (i < 2 * few_count)
        return hold_rounds(aim, i, few_count, few, 2, shot);
    return hold_rounds(aim, i - 2 * few_count, PUNCH_SOCKETS_MAX, many, 2, shot);
}

static bool hold_block(const struct punch_aim *aim, unsigned i, struct punch_shot *shot)
{
    static const unsigned rounds[] = {0, 1000, 2500}, early[] = {WIDE_BLOCK_MS, 1000, 2500};
    bool wide = aim->strategy == STRATEGY_WIDE;
    if (wide && i >= PUNCH_SOCKETS_BLOCK)
        return hold_rounds(aim, i - PUNCH_SOCKETS_BLOCK, PUNCH_SOCKETS_MAX, early, 3, shot);
    return hold_rounds(aim, i, PUNCH_SOCKETS_BLOCK, rounds, 3, shot);
}

static bool hold_shot(const struct punch_aim *aim, unsigned i, struct punch_shot *shot)
{
    static const unsigned random[] = {0, 2000, 4000};
    switch (aim->plan.ports) {
    case NAT_PORTS_SEQUENTIAL:
        return hold_sequence(aim, i, shot);
    case NAT_PORTS_BLOCK:
        return hold_block(aim, i, shot);
    default:
        return hold_rounds(aim, i, PUNCH_SOCKETS_MAX, random, 3, shot);
    }
}

static bool knock_near(const struct punch_aim *aim, unsigned i, struct punch_shot *shot)
{
    shot->port = punch_port_near(&aim->theirs, i % NEAR);
    shot->at = i < NEAR ? 0 : NEAR_AGAIN_MS;
    return true;
}

static bool knock_comb(const struct punch_aim *aim, unsigned i, unsigned at, struct punch_shot *shot)
{
    if (i >= 2 * COMB)
        return false;
    unsigned offset = aim->scatter.offset % COMB_STEP + (i < COMB ? 0 : COMB_STEP / 2);
    shot->port = (uint16_t)(PUNCH_PORT_MIN + i % COMB * COMB_STEP + offset % COMB_STEP);
    shot->at = at;
    return true;
}

static bool knock_sequence(const struct punch_aim *aim, unsigned i, struct punch_shot *shot)
{
    unsigned again = i - NEAR; /* in the foretold ports' second time */
    if (aim->strategy != STRATEGY_WIDE || i < NEAR)
        return i < 2 * NEAR ? knock_near(aim, i, shot) : knock_comb(aim, i - 2 * NEAR, COMB_AT_MS, shot);
    if (again >= 2 * NEAR)
        return knock_comb(aim, again - NEAR, WIDE_AT_MS, shot);
    return again % 2 ? knock_comb(aim, again / 2, WIDE_AT_MS, shot) : knock_near(aim, NEAR + again / 2, shot);
}

/* Each port of the block once, then the same again; or any, where the block was wrong before. */
static bool knock_block(const struct punch_aim *aim, unsigned i, struct punch_shot *shot)
{
    uint32_t size = aim->scatter.size;
    bool anywhere = aim->strategy == STRATEGY_WIDE && i >= size;
    shot->port = (uint16_t)(aim->theirs.low + scatter_at(&aim->scatter, i % size));
    if (anywhere)
        shot->port = (uint16_t)(PUNCH_PORT_MIN + scatter_at(&aim->anywhere, i - size));
    return i < 2 * size || anywhere;
}

static bool knock_shot(const struct punch_aim *aim, unsigned i, struct punch_shot *shot)
{
    *shot = (struct punch_shot){0};
    switch (aim->plan.ports) {
    case NAT_PORTS_SEQUENTIAL:
        return knock_sequence(aim, i, shot);
    case NAT_PORTS_BLOCK:
        return knock_block(aim, i, shot);
    default:
        shot->port = (uint16_t)(PUNCH_PORT_MIN + scatter_at(&aim->scatter, i));
        return i < PUNCH_PROBES_MAX;
    }
}

/* Every socket's packet to one port takes the next number of our sequence. So if we aim enough of them at a
 * number that the peer's sequence will reach within as many packets, and the peer does the same, then one of
 * ours leaves from the port that the peer aims at, and one of the peer's from the port that we aim at. */
static bool meet_rounds(const struct punch_aim *aim, unsigned i, unsigned sockets, const unsigned *rounds,
                        unsigned count, struct punch_shot *shot)
{
    if (!hold_rounds(aim, i, sockets, rounds, count, shot))
        return false;
    shot->port = punch_port_ahead(&aim->target, sockets - MEET_BEHIND);
    return true;
}

/* With more sockets both sequences are by then so much further. */
static bool meet_wide(const struct punch_aim *aim, unsigned i, struct punch_shot *shot)
{
    static const unsigned rounds[] = {MEET_WIDE_MS, 2000, 4000};
    if (!hold_rounds(aim, i, PUNCH_SOCKETS_MAX, rounds, 3, shot))
        return false;
    shot->port = punch_port_ahead(&aim->target, PUNCH_SOCKETS_MEET + PUNCH_SOCKETS_MAX - MEET_BEHIND);
    return true;
}

static bool meet_shot(const struct punch_aim *aim, unsigned i, struct punch_shot *shot)
{
    static const unsigned rounds[] = {0, 400, 2000, 4000}, known[] = {0, MEET_AGAIN_MS, 2000, 4000};
    const unsigned first = 2 * PUNCH_SOCKETS_MEET;
    if (aim->attempt > 1)
        return meet_rounds(aim, i, PUNCH_SOCKETS_MAX, rounds, 4, shot);
    if (aim->strategy == STRATEGY_NONE)
        return meet_rounds(aim, i, PUNCH_SOCKETS_MEET, rounds, 4, shot);
    if (aim->strategy == STRATEGY_WIDE && i >= first)
        return meet_wide(aim, i - first, shot);
    return meet_rounds(aim, i, PUNCH_SOCKETS_MEET, known, 4, shot);
}

bool punch_shot(const struct punch_aim *aim, unsigned i, struct punch_shot *shot)
{
    switch (aim->plan.way) {
    case PUNCH_HOLD:
        return hold_shot(aim, i, shot);
    case PUNCH_KNOCK:
        return knock_shot(aim, i, shot);
    case PUNCH_MEET:
        return meet_shot(aim, i, shot);
    default:
        return false;
    }
}

unsigned punch_shot_sockets(const struct punch_aim *aim, unsigned shots)
{
    if (aim->plan.way != PUNCH_HOLD && aim->plan.way != PUNCH_MEET)
        return 0;
    bool wide = aim->strategy == STRATEGY_WIDE;
    unsigned first = punch_plan_sockets(&aim->plan), rounds = wide ? 1 : 2;
    if (aim->plan.way == PUNCH_MEET)
        return aim->attempt > 1 || (wide && shots >= 2 * first) ? PUNCH_SOCKETS_MAX : first;
    bool more = wide || aim->plan.ports == NAT_PORTS_SEQUENTIAL;
    return more && shots >= rounds * first ? PUNCH_SOCKETS_MAX : first;
}

bool punch_shot_is_late(const struct punch_aim *aim, uint64_t after)
{
    bool wide = aim->strategy == STRATEGY_WIDE;
    uint64_t first = (wide ? MEET_WIDE_MS : COMB_HOLD_MS) * NS_PER_MS;
    bool foretold = aim->plan.ports == NAT_PORTS_SEQUENTIAL && (wide || aim->plan.way != PUNCH_MEET);
    return aim->attempt > 1 || (foretold && after >= first);
}
