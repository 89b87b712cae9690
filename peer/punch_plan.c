/* punch_plan.c - what two NATs allow: who holds holes open, who knocks, and at which ports.
 *
 * A NAT is easy when all its peers see one port of a socket (RFC 4787 4.1, endpoint-independent), hard when
 * each sees another, which nobody knows.
 *
 *   easy, easy      ordinary checks
 *   easy, hard      where the easy side's filter looks at ports: the hard side opens holes towards the one
 * port that it knows, the easy side tries the ports where the holes may be hard, hard      both count: each
 * foretells the other. One lets in whom it knows by address alone: it holds as if the other were easy. Else
 * the chance is one in 64,512 for every pair of packets, or at best one in 1,024: nobody's router should
 * suffer for that.
 *
 * Left out: a NAT that counts with one that draws from a small block. It takes 1,800 mappings for four times
 * out of five, more than a block has ports. */
#include "punch_plan.h"

enum { PORTS = 65536 - PUNCH_PORT_MIN };

static bool is_known(const struct nat_behavior *nat)
{
    return nat->mapping != NAT_MAPPING_UNKNOWN && nat->external.family == 4;
}

/* Whether it lets in who was sent to, from any port. */
static bool knows_by_address(const struct nat_behavior *nat)
{
    return nat->filtering == NAT_FILTERING_ENDPOINT || nat->filtering == NAT_FILTERING_ADDRESS;
}

/* Whether it can hold holes for a peer whose port nobody knows, and answer from them. */
static bool holds_for_anybody(const struct nat_behavior *nat)
{
    return nat->mapping == NAT_MAPPING_ADDRESS && knows_by_address(nat);
}

static bool counts(const struct nat_behavior *nat)
{
    return nat->ports == NAT_PORTS_SEQUENTIAL && nat->step && nat->last;
}

/* What failed once is not what it seemed: its ports may be anywhere. */
static enum nat_ports ports_of(const struct nat_behavior *nat, unsigned attempts)
{
    if (attempts)
        return NAT_PORTS_RANDOM;
    if (counts(nat))
        return NAT_PORTS_SEQUENTIAL;
    if (nat->ports == NAT_PORTS_BLOCK && nat->low >= PUNCH_PORT_MIN && nat->low < nat->high)
        return NAT_PORTS_BLOCK;
    return NAT_PORTS_RANDOM;
}

static struct punch_plan hold(const struct nat_behavior *ours, unsigned attempts)
{
    return (struct punch_plan){PUNCH_HOLD, ports_of(ours, attempts)};
}

static struct punch_plan knock(const struct nat_behavior *theirs, unsigned attempts)
{
    return (struct punch_plan){PUNCH_KNOCK, ports_of(theirs, attempts)};
}

static struct punch_plan both_hard(const struct nat_behavior *ours, const struct nat_behavior *theirs,
                                   bool first, unsigned attempts)
{
    bool we = holds_for_anybody(ours), they = holds_for_anybody(theirs);
    if (we && (!they || first))
        return hold(ours, attempts);
    if (they)
        return knock(theirs, attempts);
    if (counts(ours) && counts(theirs))
        return (struct punch_plan){PUNCH_MEET, NAT_PORTS_SEQUENTIAL};
    return (struct punch_plan){.way = PUNCH_HOPELESS};
}

struct punch_plan punch_plan(const struct nat_behavior *ours, const struct nat_behavior *theirs, bool first,
                             unsigned attempts)
{
    if (!is_known(ours) || !is_known(theirs))
        return (struct punch_plan){.way = PUNCH_UNKNOWN};
    bool we = nat_is_hard(ours), they = nat_is_hard(theirs);
    if (we && they)
        return both_hard(ours, theirs, first, attempts);
    if (we == they || knows_by_address(we ? theirs : ours))
        return (struct punch_plan){.way = PUNCH_NEEDLESS};
    return we ? hold(ours, attempts) : knock(theirs, attempts);
}

unsigned punch_plan_sockets(const struct punch_plan *plan)
{
    if (plan->way == PUNCH_MEET)
        return PUNCH_SOCKETS_MEET;
    if (plan->ports == NAT_PORTS_SEQUENTIAL)
        return PUNCH_SOCKETS_SEQUENCE;
    return plan->ports == NAT_PORTS_BLOCK ? PUNCH_SOCKETS_BLOCK : PUNCH_SOCKETS_MAX;
}

/* ---- ports ---- */

/* A count that leaves the range goes on at its other end. */
static uint16_t port_at(const struct nat_behavior *nat, int count)
{
    int at = ((int)nat->last - PUNCH_PORT_MIN + nat->step * count) % PORTS;
    return (uint16_t)(PUNCH_PORT_MIN + (at < 0 ? at + PORTS : at));
}

uint16_t punch_port_near(const struct nat_behavior *nat, unsigned i)
{
    int group = (int)(i / 4), within = (int)(i % 4);
    return port_at(nat, within == 3 ? -group : group * 3 + within + 1);
}

uint16_t punch_port_ahead(const struct nat_behavior *nat, unsigned count)
{
    return port_at(nat, (int)count);
}

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
    while (b) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

void scatter_start(struct scatter *scatter, uint32_t size, uint64_t draw)
{
    scatter->size = size;
    scatter->offset = (uint32_t)(draw >> 32) % size;
    /* Some half of the size away, so that neighbours are far apart. */
    scatter->factor = size / 3 + (uint32_t)draw % (size / 3 + 1) + 1;
    while (common_divisor(scatter->factor, size) != 1)
        scatter->factor++;
}

uint32_t scatter_at(const struct scatter *scatter, uint32_t i)
{
    return (uint32_t)(((uint64_t)i * scatter->factor + scatter->offset) % scatter->size);
}
