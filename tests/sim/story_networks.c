/* story_networks.c - two networks of any kind: nobody stays without a connection, and it is noted how soon
 * there was one, and how soon a direct one. */
#include "run.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    CONNECT_S = 20, /* until both have a byte, by whatever path */
    DIRECT_S = 45,  /* ... until the path is direct: two attempts at guessing ports, and their pause */
    AFTER_S = 10,   /* for what is said once nothing changes any more */
    LONG_S = 20,    /* the most that the second comes later */
    MORE = 1000,    /* bytes */
};

static bool have_all(void *self)
{
    const struct run *run = self;
    for (unsigned i = 0; i < 2; i++)
        if (run->players[i].received < run->players[!i].errand.bytes)
            return false;
    return true;
}

static bool is_direct(const struct player *player)
{
    return player->path_at && player->path.kind <= PATH_DIRECT;
}

static bool are_direct(void *self)
{
    const struct run *run = self;
    return is_direct(&run->players[0]) && is_direct(&run->players[1]);
}

static double seconds(uint64_t ns)
{
    return (double)ns / NS_PER_S;
}

/* One line of JSON, for networks.py. */
static void note(struct run *run, uint64_t start)
{
    const struct player *a = &run->players[0], *b = &run->players[1];
    const struct networks *drawn = &run->networks_drawn;
    uint64_t byte =
        a->first_byte_at && b->first_byte_at ? later(a->first_byte_at, b->first_byte_at) - start : 0;
    uint64_t direct = are_direct(run) ? later(a->direct_at, b->direct_at) - start : 0;
    snprintf(run->result.record, sizeof run->result.record,
             "{\"seed\": %" PRIu64 ", \"ok\": %s, \"networks\": [\"%s\", \"%s\"], \"one_carrier\": %s, "
             "\"hairpin\": %s, \"delicate\": %s, \"kind\": \"%s\", \"first_byte\": %.4f, \"direct\": %.4f}",
             run->seed, run->result.ok ? "true" : "false", network_class_name(drawn->pair[0].class),
             network_class_name(drawn->pair[1].class), drawn->one_carrier ? "true" : "false",
             drawn->one_carrier && drawn->pair[0].carrier.hairpin ? "true" : "false",
             networks_are_delicate(drawn) ? "true" : "false",
             !direct && !byte ? "none" : path_kind_name((enum path_kind)later(a->path.kind, b->path.kind)),
             seconds(byte), seconds(direct));
    run->result.bytes = byte;
    run->result.path = direct;
}

static void meet_and_talk(struct run *run)
{
    if (!run_check(run, 0, run_until(run, CONNECT_S * NS_PER_S, have_all), "has no connection"))
        return;
    bool direct = run_until(run, DIRECT_S * NS_PER_S, are_direct);
    run_check(run, 0, direct || !networks_can_connect(&run->networks_drawn),
              "found no direct path, and needed to guess nothing");
    for (unsigned i = 0; i < 2; i++)
        player_send(&run->players[i], MORE);
    run_check(run, 0, run_until(run, AFTER_S * NS_PER_S, have_all), "could not go on");
    if (direct) /* three lost in a row are a doubt, no end */
        run_check(run, 0, run_until(run, AFTER_S * NS_PER_S, are_direct), "lost its direct path");
    for (unsigned i = 0; i < 2; i++) {
        run_check(run, i, !run->players[i].closed, "lost the other");
        run_check(run, i, run->players[i].handshakes == 1, "shook hands more than once");
        run_check(run, i, !run->players[i].altered, "got altered bytes");
    }
}

void story_networks(struct run *run)
{
    for (unsigned i = 0; i < 2; i++)
        run->players[i].errand.lasting = true;
    run_start(run, 0);
    run_for(run, chance_below(run_chance(run),
                              chance_percent(run_chance(run), 50) ? NS_PER_S : LONG_S * NS_PER_S));
    run_start(run, 1);
    uint64_t start = world_now(run->world);
    meet_and_talk(run);
    note(run, start);
}

/* The scenario of this seed: whose networks, and how far apart. */
void story_networks_draw(struct run *run, struct scenario *scenario)
{
    struct chance chance = {.state = ~run->seed};
    struct networks *drawn = &run->networks_drawn;
    *drawn = networks_draw(&chance);
    for (unsigned i = 0; i < 2; i++) {
        struct network_drawn *network = &drawn->pair[i];
        scenario->kinds[i] = network->has_gateway ? &network->gateway : NULL;
        scenario->carriers[i] = network->has_carrier && !drawn->one_carrier ? &network->carrier : NULL;
    }
    if (drawn->one_carrier) {
        scenario->placement = ONE_CARRIER;
        scenario->carrier = &drawn->pair[0].carrier;
    }
    scenario->weather.loss = (unsigned)chance_below(&chance, 6);
    scenario->weather.delay = (5 + chance_below(&chance, 146)) * NS_PER_MS;
    scenario->weather.jitter = chance_below(&chance, scenario->weather.delay / 5);
    scenario->letter_delay = scenario->weather.delay + (5 + chance_below(&chance, 46)) * NS_PER_MS;
    scenario->letter_jitter = scenario->weather.jitter;
    scenario->lifetime = (30 + chance_below(&chance, 91)) * NS_PER_S;
}
