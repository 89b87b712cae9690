/* punch.c - holes through NATs whose ports nobody knows: when an attempt begins, how fast, when it is over.
 *
 *   resting -- a plan, and the budget allows --> running -- a path works --> done
 *      ^                                            |
 *      +---- an attempt of PUNCH_PAUSE_S ago failed +-- two have failed --> over, until more is known
 *
 * An attempt is a list of shots (punch_shot.c). PUNCH_RATE paces them, PUNCH_PROBES_MAX ends them.
 *
 * The first packets of whoever holds a hole open travel LOW_TTL hops: they open the own gateways and die
 * before the peer's. There they would be strangers' packets to a closed port, which some NATs remember: the
 * peer's probe, which has the same two addresses, would then leave from another port than the one that the
 * hole lets in. Where the own gateways are deeper, later rounds make up for it: sooner in the first attempt
 * than in the second. */
#include "punch.h"

#include "punch_canary.h"
#include "punch_shot.h"

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
};

enum state { RESTING, RUNNING, DONE, OVER };

struct punch {
    struct punch_config config;
    struct nat_behavior ours;
    struct addr base, peer;
    struct addr sockets[PUNCH_SOCKETS_MAX];
    size_t socket_count;
    struct punch_aim aim; /* `attempt`: how many have begun since something new was known */
    enum state state;
    bool direct;
    bool slow;         /* the network suffers */
    unsigned shots;    /* of this attempt: gone through, */
    unsigned probes;   /* ... sent */
    bool shots_done;   /* ... all of them */
    unsigned wants;    /* sockets */
    unsigned granted;  /* `wants` that the sockets there are were the answer to */
    uint64_t met_at;   /* since when something of both NATs is known */
    uint64_t known_at; /* since when there is this plan */
    uint64_t quiet_until;
    uint64_t started, paid_until, ends_at;
    enum path_strategy worked; /* what has, if this did */
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

static bool next_shot(const struct punch *punch, struct punch_shot *shot)
{
    return punch->probes < PUNCH_PROBES_MAX && punch_shot(&punch->aim, punch->shots, shot);
}

/* ---- when ---- */

static bool is_active(const struct punch_plan *plan)
{
    return plan->way >= PUNCH_HOLD;
}

/* Ordinary checks find the way by themselves where an easy side lets in whom it knows by address: as long as
 * its filter is not known to look at ports, they are given time. */
static uint64_t grace(const struct punch *punch)
{
    const struct nat_behavior *easy = nat_is_hard(&punch->ours) ? &punch->aim.theirs : &punch->ours;
    const struct nat_behavior *hard = easy == &punch->ours ? &punch->aim.theirs : &punch->ours;
    uint64_t grace = 2 * punch->config.delay, least = GRACE_MIN_MS * NS_PER_MS,
             most = GRACE_MAX_MS * NS_PER_MS;
    grace = grace < least ? least : grace > most ? most : grace;
    if (nat_is_hard(easy) || easy->filtering == NAT_FILTERING_ADDRESS_AND_PORT || punch->aim.strategy)
        grace = 0;
    return grace + (hard->ports == NAT_PORTS_UNKNOWN ? VAGUE_MS * NS_PER_MS : 0);
}

/* Who knocks waits until the other side has had time to hear of us and to open its holes; what worked before
 * the first side says, so that the other need not wait. Two that count ask how far they are when they meet,
 * and tell each other. */
static uint64_t lead(const struct punch *punch)
{
    if (punch->aim.plan.way == PUNCH_MEET)
        return 2 * punch->config.delay + COUNT_MS * NS_PER_MS;
    bool told = punch->aim.strategy && !punch->config.first;
    return punch->aim.plan.way == PUNCH_KNOCK && !told ? punch->config.delay + GRACE_MIN_MS * NS_PER_MS : 0;
}

static uint64_t begins_at(const struct punch *punch, uint64_t now)
{
    if (punch->state != RESTING || !is_active(&punch->aim.plan) || !punch->peer.family || !punch->base.family)
        return NEVER;
    uint64_t at = punch->known_at + grace(punch) + lead(punch);
    if (punch->aim.strategy) /* whose news have changed the plan has begun when it told them */
        at = later(punch->known_at + grace(punch), punch->met_at + lead(punch));
    at = later(at, punch->quiet_until);
    return later(at, punch_budget_when(punch->config.budget, at > now ? at : now, &punch->peer));
}

static uint64_t shot_at(const struct punch *punch, const struct punch_shot *shot)
{
    uint64_t burst = BURST * (NS_PER_S / PUNCH_RATE);
    uint64_t at = punch->started + shot->at * NS_PER_MS;
    at = later(at, punch->paid_until > burst ? punch->paid_until - burst : 0);
    return later(at, punch->quiet_until);
}

/* The order of the ports to come. */
static void aim(struct punch *punch)
{
    bool block = punch->aim.plan.ports == NAT_PORTS_BLOCK && punch->aim.plan.way == PUNCH_KNOCK;
    uint32_t size =
        block ? (uint32_t)(punch->aim.theirs.high - punch->aim.theirs.low + 1) : 65536 - PUNCH_PORT_MIN;
    scatter_start(&punch->aim.scatter, size, random_u64(punch->config.random));
    scatter_start(&punch->aim.anywhere, 65536 - PUNCH_PORT_MIN, random_u64(punch->config.random));
    punch->shots = 0;
    punch->shots_done = false;
    punch->aim.target = punch->aim.theirs;
    punch->wants = punch_shot_sockets(&punch->aim, 0);
}

static void make_plan(struct punch *punch, uint64_t now)
{
    unsigned failed = punch->aim.attempt - (punch->state == RUNNING);
    struct punch_plan plan = punch_plan(&punch->ours, &punch->aim.theirs, punch->config.first, failed);
    if (plan.way == punch->aim.plan.way && plan.ports == punch->aim.plan.ports)
        return;
    if (punch->aim.plan.way == PUNCH_UNKNOWN)
        punch->met_at = now;
    punch->aim.plan = plan;
    if (punch->state == RESTING)
        punch->known_at = now;
    if (punch->state == RUNNING)
        aim(punch);
}

static void begin(struct punch *punch, uint64_t now)
{
    punch_budget_spend(punch->config.budget, now, &punch->peer);
    punch->state = RUNNING;
    punch->aim.attempt++;
    punch->probes = 0;
    punch->slow = false;
    punch->started = punch->paid_until = now;
    punch->ends_at = now + LONGEST_MS * NS_PER_MS;
    aim(punch);
}

static void end(struct punch *punch, uint64_t now)
{
    punch->wants = 0;
    punch->state = punch->aim.attempt < PUNCH_ATTEMPTS_MAX ? RESTING : OVER;
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
    uint64_t hold = punch->aim.plan.way == PUNCH_KNOCK ? 0 : punch->started + HOLD_MS * NS_PER_MS;
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
    bool news = is_news(ours, &punch->ours) || is_news(theirs, &punch->aim.theirs);
    bool moved = theirs->low != punch->aim.theirs.low || theirs->high != punch->aim.theirs.high;
    punch->ours = *ours;
    punch->aim.theirs = *theirs;
    if (!news)
        return;
    if (punch->state == OVER) {
        punch->state = RESTING;
        punch->aim.attempt = 0;
    }
    make_plan(punch, now);
    if (punch->state == RUNNING && punch->aim.plan.ports == NAT_PORTS_BLOCK && moved)
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
        punch->aim.strategy = strategy;
}

enum path_strategy punch_strategy(const struct punch *punch)
{
    return punch->worked;
}

void punch_set_direct(struct punch *punch, uint64_t now, bool direct)
{
    if (punch->direct == direct)
        return;
    punch->direct = direct;
    punch->worked = STRATEGY_NONE;
    if (direct && punch->aim.attempt)
        punch->worked =
            punch_shot_is_late(&punch->aim, now - punch->started) ? STRATEGY_WIDE : STRATEGY_GUESS;
    punch->wants = 0;
    punch->state = direct ? DONE : RESTING;
    if (!direct) {
        punch->aim.attempt = 0;
        punch->aim.plan = (struct punch_plan){0};
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

static bool fire(struct punch *punch, uint64_t now, const struct punch_shot *shot, struct packet *out)
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
static bool lacks_sockets(const struct punch *punch, const struct punch_shot *shot)
{
    return shot->socket > punch->socket_count && punch->granted != punch->wants;
}

bool punch_output(struct punch *punch, uint64_t now, struct packet *out)
{
    struct punch_shot shot;
    tick(punch, now);
    while (punch->state == RUNNING) {
        if (!next_shot(punch, &shot)) {
            set_end(punch, now);
            return false;
        }
        if (now < punch->started + shot.at * NS_PER_MS)
            return false;
        punch->wants = punch_shot_sockets(&punch->aim, punch->shots);
        if (now < shot_at(punch, &shot) || lacks_sockets(punch, &shot))
            return false;
        if (fire(punch, now, &shot, out))
            return true;
    }
    return false;
}

uint64_t punch_deadline(const struct punch *punch)
{
    struct punch_shot shot;
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
    return begins_at(punch, now) <= now + PUNCH_PAUSE_S * NS_PER_S;
}

void punch_facts(const struct punch *punch, struct punch_facts *facts)
{
    *facts = (struct punch_facts){
        .plan = punch->aim.plan, .attempts = punch->aim.attempt, .probes = punch->probes};
}
