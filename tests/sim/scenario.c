/* scenario.c - who is where, what the network does to them, and what must come of it. */
#include "scenario.h"

#include "stun_server.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EIM NAT_ENDPOINT_INDEPENDENT
#define ADM NAT_ADDRESS_DEPENDENT
#define APDM NAT_ADDRESS_PORT_DEPENDENT

static const struct nat_behavior kinds[] = {
    {.name = "fw", .firewall = true, .mapping = EIM, .filtering = APDM, .ports = NAT_PRESERVE},
    {.name = "full", .mapping = EIM, .filtering = EIM, .ports = NAT_PRESERVE},
    {.name = "addr", .mapping = EIM, .filtering = ADM, .ports = NAT_RANDOM},
    {.name = "port", .mapping = EIM, .filtering = APDM, .ports = NAT_PRESERVE},
    {.name = "admaddr", .mapping = ADM, .filtering = ADM, .ports = NAT_RANDOM},
    {.name = "admport", .mapping = ADM, .filtering = APDM, .ports = NAT_RANDOM},
    {.name = "symfull", .mapping = APDM, .filtering = EIM, .ports = NAT_RANDOM},
    {.name = "symaddr", .mapping = APDM, .filtering = ADM, .ports = NAT_RANDOM},
    {.name = "syms", .mapping = APDM, .filtering = APDM, .ports = NAT_SEQUENTIAL},
    {.name = "symr", .mapping = APDM, .filtering = APDM, .ports = NAT_RANDOM},
};

enum { KINDS = sizeof kinds / sizeof *kinds, PORT = 3 };

static struct scenario table[SCENARIOS_MAX];
static size_t table_len;

/* ---- what physics allows without prediction ---- */

static enum nat_depends mapping_of(const struct nat_behavior *kind)
{
    return kind ? kind->mapping : EIM;
}

static enum nat_depends filtering_of(const struct nat_behavior *kind)
{
    return kind ? kind->filtering : EIM;
}

/* A first packet of `x`, sent to the address that a STUN server saw of `y`, gets in, once `y` has knocked
 * too, and the answer gets back. */
static bool reaches(const struct nat_behavior *x, const struct nat_behavior *y)
{
    bool known = mapping_of(x) == EIM, fixed = mapping_of(y) == EIM;
    bool first = filtering_of(y) == EIM || (fixed && (filtering_of(y) == ADM || known));
    return first && (fixed || filtering_of(x) != APDM);
}

static bool can_connect(const struct nat_behavior *a, const struct nat_behavior *b)
{
    return reaches(a, b) || reaches(b, a);
}

/* Two gateways that both map by address and port, one of them with an open filter: packets get in, but every
 * answer comes from another address than was asked (RFC 8445 7.2.5.2.1), so that no pair ever becomes valid,
 * though bytes may pass. */
static bool is_odd(const struct nat_behavior *a, const struct nat_behavior *b)
{
    return mapping_of(a) == APDM && mapping_of(b) == APDM &&
           (filtering_of(a) == EIM || filtering_of(b) == EIM);
}

/* ---- the list ---- */

static struct scenario *add(const char *name, const struct nat_behavior *a, const struct nat_behavior *b)
{
    assert(table_len < SCENARIOS_MAX);
    struct scenario *s = &table[table_len++];
    *s = (struct scenario){.kinds = {a, b},
                           .weather = {.delay = 20 * NS_PER_MS, .jitter = 2 * NS_PER_MS},
                           .connects = can_connect(a, b),
                           .odd = is_odd(a, b),
                           .kind = PATH_DIRECT,
                           .within = 1 * NS_PER_S,
                           .seeds_at_least = 1000};
    snprintf(s->name, sizeof s->name, "%s", name);
    return s;
}

static const char *name_of(const struct nat_behavior *kind)
{
    return kind ? kind->name : "open";
}

static void add_pairs(void)
{
    char name[SCENARIO_NAME_MAX];
    for (int a = -1; a < KINDS; a++)
        for (int b = a; b < KINDS; b++) {
            const struct nat_behavior *x = a < 0 ? NULL : &kinds[a], *y = b < 0 ? NULL : &kinds[b];
            snprintf(name, sizeof name, "pair/%s-%s", name_of(x), name_of(y));
            add(name, x, y);
        }
}

static void add_weather(void)
{
    const struct nat_behavior *port = &kinds[PORT];
    struct scenario *s = add("weather/loss30", port, port);
    s->weather.loss = 30;
    s->within = 20 * NS_PER_S;
    s->seeds_at_least = 10000;
    s = add("weather/wild", port, port);
    s->weather =
        (struct weather){.loss = 10, .duplicate = 10, .delay = 20 * NS_PER_MS, .jitter = 60 * NS_PER_MS};
    s->within = 10 * NS_PER_S;
    s->bytes = 60000;
    s = add("weather/far", port, port);
    s->weather = (struct weather){.loss = 20, .delay = 200 * NS_PER_MS, .jitter = 50 * NS_PER_MS};
    s->within = 20 * NS_PER_S;
}

static void add_upsets(void)
{
    static const struct {
        const char *name;
        enum upset upset;
    } upsets[] = {{"upset/rebind-first", REBIND_FIRST},
                  {"upset/rebind-second", REBIND_SECOND},
                  {"upset/roam-first", ROAM_FIRST}};
    for (size_t i = 0; i < sizeof upsets / sizeof *upsets; i++) {
        struct scenario *s = add(upsets[i].name, &kinds[PORT], &kinds[PORT]);
        s->bytes = 400000;
        s->upset = upsets[i].upset;
        s->weather.loss = 1;
        s->within = 30 * NS_PER_S;
    }
}

static void add_places(void)
{
    const struct nat_behavior *port = &kinds[PORT], *symr = &kinds[KINDS - 1];
    struct scenario *s = add("place/one-machine", symr, symr);
    s->placement = ONE_MACHINE;
    s->kind = PATH_HOST;
    s->connects = true;
    s = add("place/one-network", symr, symr);
    s->placement = ONE_NETWORK;
    s->kind = PATH_LAN;
    s->connects = true;
    s = add("place/overlapping", port, port);
    s->placement = OVERLAPPING;
    s = add("place/carrier", port, port);
    s->placement = CARRIER;
}

const struct scenario *scenarios(size_t *count)
{
    if (!table_len) {
        add_pairs();
        add_weather();
        add_upsets();
        add_places();
    }
    *count = table_len;
    return table;
}

/* ---- one run ---- */

struct run {
    const struct scenario *scenario;
    struct world *world;
    struct meeting meeting;
    struct stun_host stun[2];
    struct addr servers[2];
    struct player players[2];
    struct host *hosts[2];
    unsigned networks[2];
    bool upset_done;
};

static struct addr ip4(unsigned a, unsigned b, unsigned c, unsigned d)
{
    return addr_make4((const uint8_t[]){(uint8_t)a, (uint8_t)b, (uint8_t)c, (uint8_t)d}, 0);
}

static void build_servers(struct run *run)
{
    for (unsigned i = 0; i < 2; i++) {
        struct addr address = ip4(203, 0, 113, 2 + i);
        run->stun[i].host = world_host(run->world, 0, &stun_host_verbs, &run->stun[i]);
        host_add_address(run->stun[i].host, &address);
        run->servers[i] = address;
        run->servers[i].port = 3478;
    }
}

/* The network of peer `i`, and its host there. */
static void build_home(struct run *run, unsigned i)
{
    const struct scenario *s = run->scenario;
    const struct nat_behavior *kind = s->kinds[i];
    struct addr outside = ip4(203, 0, 113, 10 + i),
                inside = ip4(192, 168, s->placement == OVERLAPPING ? 1 : 1 + i, 10 + i);
    unsigned parent = 0;
    bool shared = i == 1 && (s->placement == ONE_NETWORK || s->placement == ONE_MACHINE);
    if (i == 0 && s->placement == CARRIER) {
        struct addr carrier = ip4(203, 0, 113, 30);
        parent = world_network(run->world, 0, kind, &carrier, 120 * NS_PER_S);
        outside = ip4(100, 64, 0, 10);
    }
    if (shared)
        run->networks[i] = run->networks[0];
    else
        run->networks[i] = kind ? world_network(run->world, parent, kind, &outside, 30 * NS_PER_S) : 0;
    run->hosts[i] = world_host(run->world, run->networks[i], &player_verbs, &run->players[i]);
    host_set_on(run->hosts[i], false);
    if (!kind || kind->firewall)
        inside = ip4(203, 0, 113, 50 + i);
    if (shared && s->placement == ONE_NETWORK)
        inside = ip4(192, 168, 1, 20);
    if (shared && s->placement == ONE_MACHINE)
        inside = ip4(192, 168, 1, 10);
    host_add_address(run->hosts[i], &inside);
}

static void ignore_packet(void *self, uint64_t now, const struct packet *in)
{
    (void)self;
    (void)now;
    (void)in;
}

/* At the address that the first peer announces there is somebody else in the second one's network. */
static void build_stranger(struct run *run)
{
    static const struct host_verbs deaf = {.packet = ignore_packet};
    struct addr inside = ip4(192, 168, 1, 10);
    if (run->scenario->placement == OVERLAPPING)
        host_add_address(world_host(run->world, run->networks[1], &deaf, NULL), &inside);
}

static void start_player(struct run *run, unsigned i, uint64_t seed)
{
    static const uint8_t machine[2][32] = {{1}, {2}};
    struct player_options options = {
        .name = i ? "second" : "first",
        .paths = PATH_BIT(PATH_HOST) | PATH_BIT(PATH_LAN) | PATH_BIT(PATH_DIRECT),
        .machine = machine[run->scenario->placement == ONE_MACHINE ? 0 : i],
    };
    uint16_t port = (uint16_t)(40000 + i * 1000 + chance_below(world_chance(run->world), 1000));
    host_set_port(run->hosts[i], port);
    run->players[i].errand.bytes = run->scenario->bytes;
    player_start(&run->players[i], &run->meeting, run->hosts[i], seed * 2 + i, &options, port, run->servers,
                 2);
}

static size_t goal_of(const struct run *run)
{
    return run->scenario->bytes ? run->scenario->bytes : 1;
}

/* Whether nothing more needs to be seen. */
static bool is_over(void *self)
{
    const struct run *run = self;
    const struct player *a = &run->players[0], *b = &run->players[1];
    if (a->closed && b->closed)
        return true;
    if (!a->path.remote.family || !b->path.remote.family)
        return false; /* bytes may pass before a pair is proven valid */
    return a->received >= goal_of(run) && b->received >= goal_of(run) && a->ended && b->ended;
}

static bool is_halfway(void *self)
{
    const struct run *run = self;
    return is_over(self) || run->players[1].received + run->players[0].received >= goal_of(run) / 2;
}

static void roam(struct run *run, unsigned i)
{
    uint16_t port = host_port(run->hosts[i]);
    struct addr moved = ip4(192, 168, 1 + i, 77 + i);
    host_set_address(run->hosts[i], 0, &moved);
    player_roam(&run->players[i], world_now(run->world), port);
}

static void do_upset(struct run *run)
{
    enum upset upset = run->scenario->upset;
    for (unsigned i = 0; i < 2; i++) {
        if (upset == REBIND_BOTH || upset == (i ? REBIND_SECOND : REBIND_FIRST))
            nat_rebind(world_nat(run->world, run->networks[i]), world_chance(run->world));
        if (upset == ROAM_BOTH || (i == 0 && upset == ROAM_FIRST))
            roam(run, i);
    }
}

static bool complain(struct result *result, const char *what, const struct player *player)
{
    char local[ADDR_TEXT_MAX], remote[ADDR_TEXT_MAX];
    snprintf(result->complaint, sizeof result->complaint, "%s (path %s %s to %s; %zu bytes; %.90s)", what,
             path_kind_name(player->path.kind), addr_print(&player->path.local, local),
             addr_print(&player->path.remote, remote), player->received, player->why);
    return false;
}

static bool judge_player(const struct run *run, const struct player *player, struct result *result)
{
    const struct scenario *s = run->scenario;
    if (s->odd)
        return true;
    if (!s->connects)
        return player->first_byte_at ? complain(result, "connected against physics", player)
               : player->closed && player->end == CONN_NOPATH
                   ? true
                   : complain(result, "did not end with: no path", player);
    if (player->received < goal_of(run) || !player->ended)
        return complain(result, "did not get everything", player);
    if (!player->intact)
        return complain(result, "got altered bytes", player);
    if (player->handshakes != 1)
        return complain(result, "shook hands more than once", player);
    if (player->path.kind != s->kind)
        return complain(result, "took another kind of path", player);
    return true;
}

static struct result judge(const struct run *run)
{
    struct result result = {0};
    const struct player *a = &run->players[0], *b = &run->players[1];
    uint64_t start = a->started > b->started ? a->started : b->started;
    result.ok = judge_player(run, a, &result) && judge_player(run, b, &result);
    if (a->first_byte_at && b->first_byte_at)
        result.time = (a->first_byte_at > b->first_byte_at ? a->first_byte_at : b->first_byte_at) - start;
    if (result.ok && run->scenario->connects && !run->scenario->odd && result.time > run->scenario->within)
        result.ok = complain(&result, "took too long", b);
    return result;
}

static void describe(const struct run *run)
{
    const struct world_stats *stats = world_stats(run->world);
    printf("  %" PRIu64 " datagrams sent, %" PRIu64 " lost, %" PRIu64 " filtered, %" PRIu64 " unroutable\n",
           stats->sent, stats->lost, stats->filtered, stats->unroutable);
    for (unsigned i = 0; i < 2; i++) {
        const struct player *p = &run->players[i];
        printf("  %s: started %.3f connected %.3f first byte %.3f s; %zu bytes; %u handshakes; %s\n",
               i ? "second" : "first", (double)p->started / 1e9, (double)p->connected_at / 1e9,
               (double)p->first_byte_at / 1e9, p->received, p->handshakes, p->why);
    }
}

struct result scenario_run(const struct scenario *scenario, uint64_t seed, bool talk)
{
    struct run *run = calloc(1, sizeof *run);
    assert(run);
    run->scenario = scenario;
    run->world = world_new(seed, &scenario->weather);
    world_set_trace(run->world, talk);
    run->meeting = (struct meeting){.world = run->world, .delay = 15 * NS_PER_MS};
    build_servers(run);
    for (unsigned i = 0; i < 2; i++)
        build_home(run, i);
    build_stranger(run);
    /* Both start orders, and everything from the same moment to a second apart. */
    unsigned first = (unsigned)chance_below(world_chance(run->world), 2);
    uint64_t apart =
        chance_percent(world_chance(run->world), 25) ? 0 : chance_below(world_chance(run->world), NS_PER_S);
    start_player(run, first, seed);
    world_run(run->world, world_now(run->world) + apart, NULL, NULL);
    start_player(run, !first, seed);
    uint64_t limit = world_now(run->world) + 60 * NS_PER_S;
    if (scenario->upset != NO_UPSET && world_run(run->world, limit, is_halfway, run) && !is_over(run))
        do_upset(run);
    world_run(run->world, limit, is_over, run);
    struct result result = judge(run);
    if (talk)
        describe(run);
    for (unsigned i = 0; i < 2; i++) {
        player_stop(&run->players[i]);
        stun_server_free(run->stun[i].server);
    }
    world_free(run->world);
    free(run);
    return result;
}
