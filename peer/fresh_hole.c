/* fresh_hole.c - another port of ours for a peer whose early packet has spoiled the first (RFC 5128 3.5).
 *
 * Some gateways remember a stranger's packet to a port of theirs. Linux does, where it drops nothing: the
 * flow is its own then, and what a machine inside sends to that stranger leaves from another port. The peer's
 * check comes before ours whenever the straight way is shorter than the broker's; if the peer's NAT filters
 * by port, ours never gets in, though both maps are easy. Nobody can see that it has happened.
 *
 *   no direct path after PATIENCE_MS --> a socket --> it opens towards the peer, LOW_TTL --> the peer is told
 *                                                                                             its port
 *
 * The order is the point: the first packet between the new port and the peer's is ours, and it dies before
 * the peer's gateway, which may be such a one, too. What comes then are ordinary checks of the peer, and our
 * answers.
 *
 * Only where ports are preserved, so that the port outside is the socket's; only where both map alike for
 * everybody and neither is known to let in whom it knows by address, for there ordinary checks get through.
 * Left out: gateways that choose ports and remember strangers; a second try. */
#include "fresh_hole.h"

enum {
    LOW_TTL = 5,       /* as punch's: own gateways are nearer, other networks farther */
    PATIENCE_MS = 600, /* for ordinary checks, beyond two ways over the broker: four copies of each */
    DELAY_MAX_MS = 1000,
    HOLD_MS = 7000, /* the peer checks for so long */
};

/* The first two with LOW_TTL; the others for own gateways that are deeper than that. */
static const unsigned shots_ms[] = {0, 200, 1500, 3000};
enum { SHOTS = sizeof shots_ms / sizeof *shots_ms, LOW_SHOTS = 2 };

void fresh_hole_init(struct fresh_hole *hole, uint64_t delay)
{
    uint64_t most = DELAY_MAX_MS * NS_PER_MS;
    *hole = (struct fresh_hole){.delay = delay < most ? delay : most};
}

static bool knows_by_address(const struct nat_behavior *nat)
{
    return nat->filtering == NAT_FILTERING_ENDPOINT || nat->filtering == NAT_FILTERING_ADDRESS;
}

static bool may_help(const struct nat_behavior *ours, const struct nat_behavior *theirs)
{
    bool ours_fits = ours->mapping == NAT_MAPPING_ENDPOINT && ours->ports == NAT_PORTS_PRESERVED;
    bool theirs_fits = theirs->mapping == NAT_MAPPING_ENDPOINT || theirs->mapping == NAT_MAPPING_NONE;
    return ours_fits && theirs_fits && !knows_by_address(ours) && !knows_by_address(theirs);
}

void fresh_hole_set(struct fresh_hole *hole, uint64_t now, const struct nat_behavior *ours,
                    const struct nat_behavior *theirs, const struct addr *base, const struct addr *peer)
{
    bool suits = may_help(ours, theirs) && base->family == 4 && peer->family == 4;
    if (suits && !hole->suits)
        hole->since = now;
    hole->suits = suits;
    hole->base = *base;
    hole->external = ours->external;
    hole->peer = *peer;
    hole->peer.port = theirs->external.port;
}

static void end(struct fresh_hole *hole)
{
    hole->over = true;
    hole->open = false;
}

void fresh_hole_set_direct(struct fresh_hole *hole, bool direct)
{
    if (direct)
        end(hole);
}

unsigned fresh_hole_wants_sockets(const struct fresh_hole *hole)
{
    return hole->open;
}

void fresh_hole_set_sockets(struct fresh_hole *hole, uint64_t now, const struct addr *locals, size_t count)
{
    if (!hole->open || hole->port || count == 0)
        return;
    hole->port = locals[0].port;
    hole->started = now;
}

/* A broker next door is quicker than our next packet. */
static bool has_news(const struct fresh_hole *hole)
{
    return hole->open && hole->sent && !hole->told;
}

bool fresh_hole_told(struct fresh_hole *hole, struct addr *external, struct addr *base)
{
    if (!has_news(hole))
        return false;
    hole->told = true;
    *external = hole->external;
    *base = hole->base;
    external->port = base->port = hole->port;
    return true;
}

static uint64_t begins_at(const struct fresh_hole *hole)
{
    bool waits = hole->suits && !hole->over && !hole->open;
    return waits ? hole->since + 2 * hole->delay + PATIENCE_MS * NS_PER_MS : NEVER;
}

/* Opened, it is over after HOLD_MS; what waits for a socket in vain, too. */
static uint64_t ends_at(const struct fresh_hole *hole)
{
    return hole->open ? hole->started + HOLD_MS * NS_PER_MS : NEVER;
}

static uint64_t shot_at(const struct fresh_hole *hole)
{
    bool shoots = hole->open && hole->port && hole->sent < SHOTS;
    return shoots ? hole->started + shots_ms[hole->sent] * NS_PER_MS : NEVER;
}

bool fresh_hole_output(struct fresh_hole *hole, uint64_t now, struct packet *out)
{
    if (now >= begins_at(hole)) {
        hole->open = true;
        hole->started = now;
    }
    if (hole->open && (!hole->suits || now >= ends_at(hole)))
        end(hole);
    if (now < shot_at(hole))
        return false;
    out->local = hole->base;
    out->local.port = hole->port;
    out->remote = hole->peer;
    out->ttl = hole->sent < LOW_SHOTS ? LOW_TTL : 0;
    hole->sent++;
    return true;
}

uint64_t fresh_hole_deadline(const struct fresh_hole *hole)
{
    if (has_news(hole))
        return 0;
    uint64_t begins = begins_at(hole), ends = ends_at(hole), shot = shot_at(hole);
    uint64_t deadline = begins < ends ? begins : ends;
    return shot < deadline ? shot : deadline;
}
