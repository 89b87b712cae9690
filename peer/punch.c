/* punch.c - holes through NATs whose ports nobody knows: from how many sockets, to which ports, how fast.
 *
 *   resting -- a plan, and the budget allows --> running -- a path works --> done
 *      ^                                            |
 *      +---- an attempt of PUNCH_PAUSE_S ago failed +-- two have failed --> over, until more is known
 *
 * An attempt is a list of shots: a rule says of the i-th one which socket it leaves from, to which port, and
 * when at the earliest. PUNCH_RATE paces them, PUNCH_PROBES_MAX ends them.
 *
 * The first packets of whoever holds a hole open travel LOW_TTL hops: they open the own gateways and die
 * before the peer's. There they would be strangers' packets to a closed port, which some NATs remember: the
 * peer's probe, which has the same two addresses, would then leave from another port than the one that the
 * hole lets in. Where the own gateways are deeper, later rounds make up for it: sooner in the first attempt
 * than in the second. */
#include "punch.h"

#include "punch_canary.h"

#include <stdlib.h>
#include <string.h>

enum {
    LOW_TTL = 5, /* own gateways are 1 to 4 hops away, peers in another network hardly ever fewer than 6 */
    SLOWER = 4,  /* times, where the network suffers */
    BURST = 5,   /* packets that may leave at once, after a pause */
    GRACE_MIN_MS = 30, /* ordinary checks go first: two ways over the broker, between these */
    GRACE_MAX_MS = 400,
    VAGUE_MS = 400,     /* more, where it is not known yet how a NAT draws its ports */
    COUNT_MS = 150,     /* a round trip to a STUN server */
    HEARD_MS = 400,     /* who was just heard will have a path in that time, or we go on */
    LAST_MS = 1000,     /* after the last shot: what is under way may still arrive */
    HOLD_MS = 7000,     /* a holder waits so long for the last probe of the other side */
    LONGEST_MS = 15000, /* whatever happens, an attempt is over then: before the next may begin */

    NEAR = 192,          /* ports nearest to where a sequence is expected */
    NEAR_AGAIN_MS = 700, /* the same once more: the first may have come too early, or been lost */
    COMB_STEP = 128,     /* then every so many ports, for a run of PUNCH_SOCKETS_MAX: one tooth hits */
    COMB_AT_MS = 2200,   /* ... which the holder has opened by then */
    COMB_HOLD_MS = 1500, /* it begins with them */
    COMB = (65536 - PUNCH_PORT_MIN) / COMB_STEP,
    MEET_BEHIND = 16, /* a sequence is never so far behind its last port */

    /* Where guessing has worked before, ordinary checks are not waited for, and what comes late comes early:
     */
    WIDE_HOLD_MS = 100,  /* all sockets, where the foretold ports were wrong then ... */
    WIDE_AT_MS = 650,    /* ... and the comb, by turns with the foretold ports' second time */
    WIDE_BLOCK_MS = 300, /* all sockets, where the block was wrong */
    MEET_AGAIN_MS = 280, /* the second round of those that meet: right behind the first */
    MEET_WIDE_MS = 650,  /* with twice the sockets, where only that has led to a meeting */
};

enum state { RESTING, RUNNING, DONE, OVER };

struct shot {
    unsigned socket; /* 0: the main one */
    uint16_t port;
    bool low;    /* TTL */
    unsigned at; /* ms after the beginning, at the earliest */
};

struct punch {
    struct punch_config config;
    struct nat_behavior ours, theirs;
    struct addr base, peer;
    struct addr sockets[PUNCH_SOCKETS_MAX];
    size_t socket_count;
    struct punch_plan plan;
    enum state state;
    bool direct;
    bool slow;         /* the network suffers */
    unsigned attempts; /* begun since something new was known */
    unsigned shots;    /* of this attempt: gone through, */
    unsigned probes;   /* ... sent */
    bool shots_done;   /* ... all of them */
    unsigned wants;    /* sockets */
    unsigned granted;  /* `wants` that the sockets there are were the answer to */
    uint64_t met_at;   /* since when something of both NATs is known */
    uint64_t known_at; /* since when there is this plan */
    uint64_t quiet_until;
    uint64_t started, paid_until, ends_at;
    struct scatter scatter, anywhere; /* of the plan's ports; of all */
    struct nat_behavior target;       /* PUNCH_MEET: theirs as it was at the beginning: all aim at one port */
    enum path_strategy strategy, worked; /* before, and now */
};

struct punch *punch_new(const struct punch_config *config)
{
    struct punch *punch = calloc(1, sizeof *punch);
    if (punch)
        punch->config = *config;
    return punch;
}

void punch_free(struct punch *punch)
{
    free(punch);
}

/* ---- which shots ---- */

/* Openers: rounds over `sockets` at these times, the first with a low TTL. False: no more. */
static bool hold_rounds(const struct punch *punch, unsigned i, unsigned sockets, const unsigned *rounds,
                        unsigned count, struct shot *shot)
{
    unsigned round = i / sockets;
    if (round >= count)
        return false;
    *shot = (struct shot){.socket = i % sockets + 1,
                          .port = punch->theirs.external.port,
                          .low = round == 0 || (round == 1 && punch->attempts > 1),
                          .at = rounds[round]};
    return true;
}

/* A few in sequence, for who foretells them; then so many that a comb cannot miss them. */
static bool hold_sequence(const struct punch *punch, unsigned i, struct shot *shot)
{
    static const unsigned few[] = {0, 500}, many[] = {COMB_HOLD_MS, 3000};
    static const unsigned early[] = {WIDE_HOLD_MS, COMB_HOLD_MS, 3000};
    const unsigned few_count = PUNCH_SOCKETS_SEQUENCE, all = PUNCH_SOCKETS_MAX + few_count;
    if (punch->strategy == STRATEGY_WIDE && i >= few_count && i < all)
        return hold_rounds(punch, i - few_count, PUNCH_SOCKETS_MAX, early, 3, shot);
    if (punch->strategy == STRATEGY_WIDE && i >= all + few_count)
        return hold_rounds(punch, i - 2 * few_count, PUNCH_SOCKETS_MAX, early, 3, shot);
    if (punch->strategy == STRATEGY_WIDE && i >= all)
        i -= PUNCH_SOCKETS_MAX;
    if (i < 2 * few_count)
        return hold_rounds(punch, i, few_count, few, 2, shot);
    return hold_rounds(punch, i - 2 * few_count, PUNCH_SOCKETS_MAX, many, 2, shot);
}

static bool hold_block(const struct punch *punch, unsigned i, struct shot *shot)
{
    static const unsigned rounds[] = {0, 1000, 2500}, early[] = {WIDE_BLOCK_MS, 1000, 2500};
    bool wide = punch->strategy == STRATEGY_WIDE;
    if (wide && i >= PUNCH_SOCKETS_BLOCK)
        return hold_rounds(punch, i - PUNCH_SOCKETS_BLOCK, PUNCH_SOCKETS_MAX, early, 3, shot);
    return hold_rounds(punch, i, PUNCH_SOCKETS_BLOCK, rounds, 3, shot);
}

static bool hold_shot(const struct punch *punch, unsigned i, struct shot *shot)
{
    static const unsigned random[] = {0, 2000, 4000};
    switch (punch->plan.ports) {
    case NAT_PORTS_SEQUENTIAL:
        return hold_sequence(punch, i, shot);
    case NAT_PORTS_BLOCK:
        return hold_block(punch, i, shot);
    default:
        return hold_rounds(punch, i, PUNCH_SOCKETS_MAX, random, 3, shot);
    }
}

static bool knock_near(const struct punch *punch, unsigned i, struct shot *shot)
{
    shot->port = punch_port_near(&punch->theirs, i % NEAR);
    shot->at = i < NEAR ? 0 : NEAR_AGAIN_MS;
    return true;
}

static bool knock_comb(const struct punch *punch, unsigned i, unsigned at, struct shot *shot)
{
    if (i >= 2 * COMB)
        return false;
    unsigned offset = punch->scatter.offset % COMB_STEP + (i < COMB ? 0 : COMB_STEP / 2);
    shot->port = (uint16_t)(PUNCH_PORT_MIN + i % COMB * COMB_STEP + offset % COMB_STEP);
    shot->at = at;
    return true;
}

static bool knock_sequence(const struct punch *punch, unsigned i, struct shot *shot)
{
    unsigned again = i - NEAR; /* in the foretold ports' second time */
    if (punch->strategy != STRATEGY_WIDE || i < NEAR)
        return i < 2 * NEAR ? knock_near(punch, i, shot) : knock_comb(punch, i - 2 * NEAR, COMB_AT_MS, shot);
    if (again >= 2 * NEAR)
        return knock_comb(punch, again - NEAR, WIDE_AT_MS, shot);
    return again % 2 ? knock_comb(punch, again / 2, WIDE_AT_MS, shot)
                     : knock_near(punch, NEAR + again / 2, shot);
}

/* Each port of the block once, then the same again; or any, where the block was wrong before. */
static bool knock_block(const struct punch *punch, unsigned i, struct shot *shot)
{
    uint32_t size = punch->scatter.size;
    bool anywhere = punch->strategy == STRATEGY_WIDE && i >= size;
    shot->port = (uint16_t)(punch->theirs.low + scatter_at(&punch->scatter, i % size));
    if (anywhere)
        shot->port = (uint16_t)(PUNCH_PORT_MIN + scatter_at(&punch->anywhere, i - size));
    return i < 2 * size || anywhere;
}

static bool knock_shot(const struct punch *punch, unsigned i, struct shot *shot)
{
    *shot = (struct shot){0};
    switch (punch->plan.ports) {
    case NAT_PORTS_SEQUENTIAL:
        return knock_sequence(punch, i, shot);
    case NAT_PORTS_BLOCK:
        return knock_block(punch, i, shot);
    default:
        shot->port = (uint16_t)(PUNCH_PORT_MIN + scatter_at(&punch->scatter, i));
        return i < PUNCH_PROBES_MAX;
    }
}

/* Every socket's packet to one port takes the next number of our sequence. So if we aim enough of them at a
 * number that the peer's sequence will reach within as many packets, and the peer does the same, then one of
 * ours leaves from the port that the peer aims at, and one of the peer's from the port that we aim at. */
static bool meet_rounds(const struct punch *punch, unsigned i, unsigned sockets, const unsigned *rounds,
                        unsigned count, struct shot *shot)
{
    if (!hold_rounds(punch, i, sockets, rounds, count, shot))
        return false;
    shot->port = punch_port_ahead(&punch->target, sockets - MEET_BEHIND);
    return true;
}

/* With more sockets both sequences are by then so much further. */
static bool meet_wide(const struct punch *punch, unsigned i, struct shot *shot)
{
    static const unsigned rounds[] = {MEET_WIDE_MS, 2000, 4000};
    if (!hold_rounds(punch, i, PUNCH_SOCKETS_MAX, rounds, 3, shot))
        return false;
    shot->port = punch_port_ahead(&punch->target, PUNCH_SOCKETS_MEET + PUNCH_SOCKETS_MAX - MEET_BEHIND);
    return true;
}

static bool meet_shot(const struct punch *punch, unsigned i, struct shot *shot)
{
    static const unsigned rounds[] = {0, 400, 2000, 4000}, known[] = {0, MEET_AGAIN_MS, 2000, 4000};
    const unsigned first = 2 * PUNCH_SOCKETS_MEET;
    if (punch->attempts > 1)
        return meet_rounds(punch, i, PUNCH_SOCKETS_MAX, rounds, 4, shot);
    if (punch->strategy == STRATEGY_NONE)
        return meet_rounds(punch, i, PUNCH_SOCKETS_MEET, rounds, 4, shot);
    if (punch->strategy == STRATEGY_WIDE && i >= first)
        return meet_wide(punch, i - first, shot);
    return meet_rounds(punch, i, PUNCH_SOCKETS_MEET, known, 4, shot);
}

static bool next_shot(const struct punch *punch, struct shot *shot)
{
    bool more = punch->probes < PUNCH_PROBES_MAX;
    switch (punch->plan.way) {
    case PUNCH_HOLD:
        return more && hold_shot(punch, punch->shots, shot);
    case PUNCH_KNOCK:
        return more && knock_shot(punch, punch->shots, shot);
    case PUNCH_MEET:
        return more && meet_shot(punch, punch->shots, shot);
    default:
        return false;
    }
}

/* How many sockets the shots to come need. */
static unsigned sockets_for(const struct punch *punch, unsigned shots)
{
    if (punch->plan.way != PUNCH_HOLD && punch->plan.way != PUNCH_MEET)
        return 0;
    bool wide = punch->strategy == STRATEGY_WIDE;
    unsigned first = punch_plan_sockets(&punch->plan), rounds = wide ? 1 : 2;
    if (punch->plan.way == PUNCH_MEET)
        return punch->attempts > 1 || (wide && shots >= 2 * first) ? PUNCH_SOCKETS_MAX : first;
    bool more = wide || punch->plan.ports == NAT_PORTS_SEQUENTIAL;
    return more && shots >= rounds * first ? PUNCH_SOCKETS_MAX : first;
}

/* ---- when ---- */

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static bool is_active(const struct punch_plan *plan)
{
    return plan->way >= PUNCH_HOLD;
}

/* Ordinary checks find the way by themselves where an easy side lets in whom it knows by address: as long as
 * its filter is not known to look at ports, they are given time. */
static uint64_t grace(const struct punch *punch)
{
    const struct nat_behavior *easy = nat_is_hard(&punch->ours) ? &punch->theirs : &punch->ours;
    const struct nat_behavior *hard = easy == &punch->ours ? &punch->theirs : &punch->ours;
    uint64_t grace = 2 * punch->config.delay, least = GRACE_MIN_MS * NS_PER_MS,
             most = GRACE_MAX_MS * NS_PER_MS;
    grace = grace < least ? least : grace > most ? most : grace;
    if (nat_is_hard(easy) || easy->filtering == NAT_FILTERING_ADDRESS_AND_PORT || punch->strategy)
        grace = 0;
    return grace + (hard->ports == NAT_PORTS_UNKNOWN ? VAGUE_MS * NS_PER_MS : 0);
}

/* Who knocks waits until the other side has had time to hear of us and to open its holes; what worked before
 * the first side says, so that the other need not wait. Two that count ask how far they are when they meet,
 * and tell each other. */
static uint64_t lead(const struct punch *punch)
{
    if (punch->plan.way == PUNCH_MEET)
        return 2 * punch->config.delay + COUNT_MS * NS_PER_MS;
    bool told = punch->strategy && !punch->config.first;
    return punch->plan.way == PUNCH_KNOCK && !told ? punch->config.delay + GRACE_MIN_MS * NS_PER_MS : 0;
}

static uint64_t begins_at(const struct punch *punch, uint64_t now)
{
    if (punch->state != RESTING || !is_active(&punch->plan) || !punch->peer.family || !punch->base.family)
        return NEVER;
    uint64_t at = punch->known_at + grace(punch) + lead(punch);
    if (punch->strategy) /* whose news have changed the plan has begun when it told them */
        at = later(punch->known_at + grace(punch), punch->met_at + lead(punch));
    at = later(at, punch->quiet_until);
    return later(at, punch_budget_when(punch->config.budget, at > now ? at : now, &punch->peer));
}

static uint64_t shot_at(const struct punch *punch, const struct shot *shot)
{
    uint64_t burst = BURST * (NS_PER_S / PUNCH_RATE);
    uint64_t at = punch->started + shot->at * NS_PER_MS;
    at = later(at, punch->paid_until > burst ? punch->paid_until - burst : 0);
    return later(at, punch->quiet_until);
}

/* The order of the ports to come. */
static void aim(struct punch *punch)
{
    bool block = punch->plan.ports == NAT_PORTS_BLOCK && punch->plan.way == PUNCH_KNOCK;
    uint32_t size = block ? (uint32_t)(punch->theirs.high - punch->theirs.low + 1) : 65536 - PUNCH_PORT_MIN;
    scatter_start(&punch->scatter, size, random_u64(punch->config.random));
    scatter_start(&punch->anywhere, 65536 - PUNCH_PORT_MIN, random_u64(punch->config.random));
    punch->shots = 0;
    punch->shots_done = false;
    punch->target = punch->theirs;
    punch->wants = sockets_for(punch, 0);
}

static void make_plan(struct punch *punch, uint64_t now)
{
    unsigned failed = punch->attempts - (punch->state == RUNNING);
    struct punch_plan plan = punch_plan(&punch->ours, &punch->theirs, punch->config.first, failed);
    if (plan.way == punch->plan.way && plan.ports == punch->plan.ports)
        return;
    if (punch->plan.way == PUNCH_UNKNOWN)
        punch->met_at = now;
    punch->plan = plan;
    if (punch->state == RESTING)
        punch->known_at = now;
    if (punch->state == RUNNING)
        aim(punch);
}

static void begin(struct punch *punch, uint64_t now)
{
    punch_budget_spend(punch->config.budget, now, &punch->peer);
    punch->state = RUNNING;
    punch->attempts++;
    punch->probes = 0;
    punch->slow = false;
    punch->started = punch->paid_until = now;
    punch->ends_at = now + LONGEST_MS * NS_PER_MS;
    aim(punch);
}

static void end(struct punch *punch, uint64_t now)
{
    punch->wants = 0;
    punch->state = punch->attempts < PUNCH_ATTEMPTS_MAX ? RESTING : OVER;
    if (punch->state == RESTING)
        make_plan(punch, now);
}

/* Begins and ends attempts. */
static void tick(struct punch *punch, uint64_t now)
{
    if (punch->state == RESTING && now >= begins_at(punch, now))
        begin(punch, now);
    if (punch->state == RUNNING && now >= punch->ends_at)
        end(punch, now);
}

static void set_end(struct punch *punch, uint64_t now)
{
    if (punch->shots_done)
        return;
    punch->shots_done = true;
    uint64_t hold = punch->plan.way == PUNCH_KNOCK ? 0 : punch->started + HOLD_MS * NS_PER_MS;
    uint64_t at = later(hold, now + LAST_MS * NS_PER_MS);
    punch->ends_at = at < punch->ends_at ? at : punch->ends_at;
}

/* ---- what we are told ---- */

static bool is_news(const struct nat_behavior *a, const struct nat_behavior *b)
{
    return a->mapping != b->mapping || a->filtering != b->filtering || a->ports != b->ports ||
           a->step != b->step || a->low != b->low || a->high != b->high ||
           !addr_equal(&a->external, &b->external);
}

void punch_set_nat(struct punch *punch, uint64_t now, const struct nat_behavior *ours,
                   const struct nat_behavior *theirs)
{
    bool news = is_news(ours, &punch->ours) || is_news(theirs, &punch->theirs);
    bool moved = theirs->low != punch->theirs.low || theirs->high != punch->theirs.high;
    punch->ours = *ours;
    punch->theirs = *theirs;
    if (!news)
        return;
    if (punch->state == OVER) {
        punch->state = RESTING;
        punch->attempts = 0;
    }
    make_plan(punch, now);
    if (punch->state == RUNNING && punch->plan.ports == NAT_PORTS_BLOCK && moved)
        aim(punch);
}

void punch_set_ends(struct punch *punch, uint64_t now, const struct addr *base, const struct addr *peer)
{
    /* What is spent on one address is not turned upon another. */
    if (punch->state == RUNNING && !(addr_equal(&punch->base, base) && addr_equal_ip(&punch->peer, peer)))
        end(punch, now);
    punch->base = *base;
    punch->peer = *peer;
    punch->peer.port = 0;
}

void punch_set_sockets(struct punch *punch, uint64_t now, const struct addr *locals, size_t count)
{
    (void)now;
    punch->socket_count = count < PUNCH_SOCKETS_MAX ? count : PUNCH_SOCKETS_MAX;
    if (count)
        memcpy(punch->sockets, locals, punch->socket_count * sizeof *locals);
    punch->granted = punch->wants;
}

unsigned punch_wants_sockets(const struct punch *punch)
{
    return punch->wants;
}

void punch_set_strategy(struct punch *punch, enum path_strategy strategy)
{
    if (punch->state != RUNNING) /* an attempt goes on as it began */
        punch->strategy = strategy;
}

enum path_strategy punch_strategy(const struct punch *punch)
{
    return punch->worked;
}

/* What the plan begins with has had its time, or has failed once. */
static bool is_late(const struct punch *punch, uint64_t now)
{
    bool wide = punch->strategy == STRATEGY_WIDE;
    uint64_t after = wide ? MEET_WIDE_MS : COMB_HOLD_MS;
    bool foretold = punch->plan.ports == NAT_PORTS_SEQUENTIAL && (wide || punch->plan.way != PUNCH_MEET);
    return punch->attempts > 1 || (foretold && now >= punch->started + after * NS_PER_MS);
}

void punch_set_direct(struct punch *punch, uint64_t now, bool direct)
{
    if (punch->direct == direct)
        return;
    punch->direct = direct;
    punch->worked = STRATEGY_NONE;
    if (direct && punch->attempts)
        punch->worked = is_late(punch, now) ? STRATEGY_WIDE : STRATEGY_GUESS;
    punch->wants = 0;
    punch->state = direct ? DONE : RESTING;
    if (!direct) {
        punch->attempts = 0;
        punch->plan = (struct punch_plan){0};
        make_plan(punch, now);
    }
}

void punch_heard(struct punch *punch, uint64_t now)
{
    punch->quiet_until = now + HEARD_MS * NS_PER_MS;
}

void punch_hurts(struct punch *punch, uint64_t now, unsigned lost)
{
    if (punch->state != RUNNING || lost < CANARY_SLOW)
        return;
    punch->slow = true;
    if (lost >= CANARY_STOP)
        end(punch, now);
}

/* ---- the verbs ---- */

static bool fire(struct punch *punch, uint64_t now, const struct shot *shot, struct packet *out)
{
    punch->shots++;
    if (shot->socket > punch->socket_count || !shot->port)
        return false; /* the system did not give so many */
    punch->probes++;
    punch->paid_until = later(punch->paid_until, now) + NS_PER_S / PUNCH_RATE * (punch->slow ? SLOWER : 1);
    out->local = punch->base;
    if (shot->socket)
        out->local.port = punch->sockets[shot->socket - 1].port;
    out->remote = punch->peer;
    out->remote.port = shot->port;
    out->ttl = shot->low ? LOW_TTL : 0;
    return true;
}

/* Sockets come with the next turn of whoever opens them: until then the shots that need them wait. */
static bool lacks_sockets(const struct punch *punch, const struct shot *shot)
{
    return shot->socket > punch->socket_count && punch->granted != punch->wants;
}

bool punch_output(struct punch *punch, uint64_t now, struct packet *out)
{
    struct shot shot;
    tick(punch, now);
    while (punch->state == RUNNING) {
        if (!next_shot(punch, &shot)) {
            set_end(punch, now);
            return false;
        }
        if (now < punch->started + shot.at * NS_PER_MS)
            return false;
        punch->wants = sockets_for(punch, punch->shots);
        if (now < shot_at(punch, &shot) || lacks_sockets(punch, &shot))
            return false;
        if (fire(punch, now, &shot, out))
            return true;
    }
    return false;
}

uint64_t punch_deadline(const struct punch *punch)
{
    struct shot shot;
    if (punch->state == RESTING)
        return begins_at(punch, 0);
    if (punch->state != RUNNING)
        return NEVER;
    if (!next_shot(punch, &shot))
        return punch->shots_done ? punch->ends_at : 0;
    uint64_t at = lacks_sockets(punch, &shot) ? NEVER : shot_at(punch, &shot);
    return at < punch->ends_at ? at : punch->ends_at;
}

bool punch_is_running(const struct punch *punch)
{
    return punch->state == RUNNING;
}

bool punch_is_hopeful(const struct punch *punch, uint64_t now)
{
    if (punch->state == RUNNING)
        return true;
    uint64_t at = begins_at(punch, now);
    return at != NEVER && at <= now + PUNCH_PAUSE_S * NS_PER_S;
}

void punch_facts(const struct punch *punch, struct punch_facts *facts)
{
    *facts = (struct punch_facts){.plan = punch->plan, .attempts = punch->attempts, .probes = punch->probes};
}
