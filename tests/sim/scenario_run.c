/* scenario_run.c - one run of a scenario: from its seed to its verdict. */
#include "run.h"

#include "stun_server.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct chance *run_chance(struct run *run)
{
    return world_chance(run->world);
}

void run_start(struct run *run, unsigned i)
{
    const struct scenario *s = run->scenario;
    char name[16];
    const uint8_t machine[32] = {(uint8_t)(s->placement == ONE_MACHINE ? 1 : i + 1)};
    snprintf(name, sizeof name, "player %u", i);
    struct player_options options = {
        .name = name,
        .secret = s->secrets[i % 2],
        .paths = PATH_ALL,
        .broker_relay = s->broker_relay,
        .max_peers = s->max_peers,
        .memory = run->memories ? &run->memories[i] : NULL,
        .machine = machine,
    };
    uint16_t port = (uint16_t)(40000 + i % 20 * 1000 + chance_below(run_chance(run), 1000));
    host_set_port(run->hosts[i], port);
    player_start(&run->players[i], &run->meeting, run->hosts[i],
                 run->seed * 2 + i + (uint64_t)run->starts++ / s->players * 1000003, &options, port,
                 run->servers, run->server_count);
}

void run_start_first(struct run *run, unsigned count)
{
    /* Every start order, and everything from the same moment to a second apart. */
    for (unsigned left = count; left;) {
        unsigned i = (unsigned)chance_below(run_chance(run), count);
        if (run->players[i].node)
            continue;
        left--;
        run_start(run, i);
        if (left && !run->scenario->at_once && !chance_percent(run_chance(run), 25))
            run_for(run, chance_below(run_chance(run), NS_PER_S));
    }
}

void run_start_all(struct run *run)
{
    run_start_first(run, run->scenario->players);
}

void run_for(struct run *run, uint64_t ns)
{
    world_run(run->world, world_now(run->world) + ns, NULL, NULL);
}

bool run_until(struct run *run, uint64_t ns, bool (*done)(void *run))
{
    return world_run(run->world, world_now(run->world) + ns, done, run);
}

bool run_check(struct run *run, unsigned player, bool holds, const char *complaint)
{
    const struct player *p = &run->players[player];
    char local[ADDR_TEXT_MAX], remote[ADDR_TEXT_MAX];
    if (!holds && run->result.ok) {
        run->result.ok = false;
        snprintf(run->result.complaint, sizeof run->result.complaint,
                 "player %u %s (path %s %s to %s; %zu bytes; %u handshakes; %.90s)", player, complaint,
                 path_kind_name(p->path.kind), addr_print(&p->path.local, local),
                 addr_print(&p->path.remote, remote), p->received, p->handshakes, p->why);
    }
    return holds;
}

static double seconds(uint64_t ns)
{
    return (double)ns / NS_PER_S;
}

static void describe_networks(const struct run *run)
{
    char text[400];
    const struct weather *weather = &run->scenario->weather;
    for (unsigned i = 0; i < 2; i++) {
        network_describe(&run->networks_drawn.pair[i], text, sizeof text);
        printf("  network %u %s\n", i, text);
    }
    printf("  %u %% lost, %.0f to %.0f ms one way%s\n", weather->loss, seconds(weather->delay) * 1000,
           seconds(weather->delay + weather->jitter) * 1000,
           run->networks_drawn.one_carrier ? ", one carrier" : "");
}

static void describe(const struct run *run)
{
    const struct world_stats *stats = world_stats(run->world);
    printf("  %" PRIu64 " datagrams sent, %" PRIu64 " lost, %" PRIu64 " filtered, %" PRIu64 " unroutable\n",
           stats->sent, stats->lost, stats->filtered, stats->unroutable);
    if (run->scenario->draw)
        describe_networks(run);
    for (unsigned i = 0; i < run->scenario->players; i++) {
        const struct player *p = &run->players[i];
        printf("  player %u: started %.3f path %.3f connected %.3f first byte %.3f closed %.3f s; "
               "%zu bytes; %u handshakes; %s\n",
               i, seconds(p->started), seconds(p->path_at), seconds(p->connected_at),
               seconds(p->first_byte_at), seconds(p->closed_at), p->received, p->handshakes, p->why);
    }
}

static void unbuild(struct run *run)
{
    for (unsigned i = 0; i < run->scenario->players; i++)
        player_stop(&run->players[i]);
    for (unsigned i = 0; i < run->server_count; i++)
        stun_server_free(run->stun[i].server);
    world_free(run->world);
}

struct result scenario_run(const struct scenario *scenario, uint64_t seed, bool talk)
{
    struct run *run = calloc(1, sizeof *run);
    assert(run);
    run->scenario = scenario;
    run->seed = seed;
    run->result.ok = true;
    if (scenario->draw) {
        run->drawn = *scenario;
        scenario->draw(run, &run->drawn);
        run->scenario = scenario = &run->drawn;
    }
    run->world = world_new(seed, &scenario->weather);
    world_set_trace(run->world, talk);
    run->meeting = (struct meeting){.world = run->world,
                                    .delay = scenario->letter_delay ? scenario->letter_delay : 30 * NS_PER_MS,
                                    .jitter = scenario->letter_jitter,
                                    .loss = scenario->letters_lost,
                                    .duplicate = scenario->letters_doubled};
    for (unsigned i = 0; i < scenario->players; i++)
        run->players[i].errand.bytes = scenario->bytes;
    run_build(run);
    scenario->story(run);
    if (talk)
        describe(run);
    struct result result = run->result;
    unbuild(run);
    free(run);
    return result;
}
