/* place.c - the internet of a run: servers, gateways, homes and strangers. */
#include "run.h"

static struct addr ip4(unsigned a, unsigned b, unsigned c, unsigned d)
{
    return addr_make4((const uint8_t[]){(uint8_t)a, (uint8_t)b, (uint8_t)c, (uint8_t)d}, 0);
}

static struct addr ip6(unsigned network, unsigned host)
{
    const uint8_t ip[16] = {0x20, 0x01, 0x0d, 0xb8, [7] = (uint8_t)network, [15] = (uint8_t)host};
    return addr_make6(ip, 0, 0);
}

static bool has_ip4(const struct run *run)
{
    return run->scenario->placement != IPV6_ONLY;
}

static bool has_ip6(const struct run *run)
{
    return run->scenario->placement == IPV6_ONLY || run->scenario->placement == DUAL_STACK;
}

static void build_server(struct run *run, struct addr address)
{
    struct stun_host *stun = &run->stun[run->server_count];
    stun->host = world_host(run->world, 0, &stun_host_verbs, stun);
    host_add_address(stun->host, &address);
    address.port = 3478;
    run->servers[run->server_count++] = address;
}

static void build_servers(struct run *run)
{
    for (unsigned i = 0; i < 2; i++) {
        if (has_ip4(run))
            build_server(run, ip4(203, 0, 113, 2 + i));
        if (has_ip6(run))
            build_server(run, ip6(0, 2 + i));
    }
}

static bool is_shared(const struct run *run)
{
    return run->scenario->placement == ONE_NETWORK || run->scenario->placement == ONE_MACHINE;
}

static bool is_carried(const struct run *run, unsigned i)
{
    return run->scenario->carriers[i % 2] || run->scenario->placement == ONE_CARRIER ||
           (run->scenario->placement == FIRST_CARRIED && i == 0);
}

/* Player `i`'s network, behind `carrier` (0: none). */
static unsigned build_network(struct run *run, unsigned i, unsigned carrier)
{
    const struct nat_kind *kind = run->scenario->kinds[i % 2];
    struct addr outside = ip4(203, 0, 113, 10 + i), carriers = ip4(203, 0, 113, 31 + i);
    if (is_shared(run) && i)
        return run->networks[0];
    if (!kind)
        return 0;
    if (run->scenario->carriers[i % 2])
        carrier =
            world_network(run->world, 0, run->scenario->carriers[i % 2], &carriers, run->scenario->lifetime);
    if (is_carried(run, i))
        outside = ip4(100, 64, 0, 10 + i);
    return world_network(run->world, is_carried(run, i) ? carrier : 0, kind, &outside,
                         run->scenario->lifetime);
}

static struct addr inside_of(const struct run *run, unsigned i)
{
    const struct nat_kind *kind = run->scenario->kinds[i % 2];
    if (!kind || kind->firewall)
        return ip4(203, 0, 113, 50 + i);
    switch (run->scenario->placement) {
    case ONE_MACHINE:
        return ip4(192, 168, 1, 10);
    case ONE_NETWORK:
    case OVERLAPPING:
        return ip4(192, 168, 1, 10 + i);
    default:
        return ip4(192, 168, 1 + i, 10 + i);
    }
}

static void build_home(struct run *run, unsigned i, unsigned carrier)
{
    struct addr ip4_inside = inside_of(run, i), ip6_inside = ip6(1 + i, 10 + i);
    struct addr bridges[] = {ip4(172, 17, 0, 1), ip4(172, 18, 0, 1)};
    run->networks[i] = build_network(run, i, carrier);
    run->hosts[i] = world_host(run->world, run->networks[i], &player_verbs, &run->players[i]);
    host_set_on(run->hosts[i], false);
    if (run->scenario->placement == BRIDGED)
        for (unsigned k = 0; k < 2; k++)
            host_add_address(run->hosts[i], &bridges[k]);
    if (has_ip4(run))
        host_add_address(run->hosts[i], &ip4_inside);
    if (has_ip6(run))
        host_add_address(run->hosts[i], &ip6_inside);
}

static void ignore_packet(void *self, uint64_t now, const struct packet *in)
{
    (void)self;
    (void)now;
    (void)in;
}

/* At the address that a peer announces there is somebody else in the other's network. */
static void build_strangers(struct run *run)
{
    static const struct host_verbs deaf = {.packet = ignore_packet};
    if (run->scenario->placement != OVERLAPPING)
        return;
    for (unsigned i = 0; i < 2; i++) {
        struct addr announced = inside_of(run, !i);
        host_add_address(world_host(run->world, run->networks[i], &deaf, NULL), &announced);
    }
}

void run_build(struct run *run)
{
    struct addr outside = ip4(203, 0, 113, 30);
    unsigned carrier = 0;
    build_servers(run);
    if (run->scenario->carrier)
        carrier = world_network(run->world, 0, run->scenario->carrier, &outside, 120 * NS_PER_S);
    for (unsigned i = 0; i < run->scenario->players; i++)
        build_home(run, i, carrier);
    build_strangers(run);
}

void run_move(struct run *run, unsigned i)
{
    struct addr moved = ip4(192, 168, 1 + i, 77 + i);
    host_set_address(run->hosts[i], 0, &moved);
    player_roam(&run->players[i], host_port(run->hosts[i]));
}
