/* story_life.c - what a connection lives through: silence, death, sleep, and a broker that goes away. */
#include "run.h"

enum {
    LIMIT_S = 20,
    IDLE_S = 60,
    LOST_S = 15,       /* the longest time until a death is told, while the broker is there */
    FORGOTTEN_S = 125, /* ... without anything that tells a death from a sleep */
    AGAIN_S = 3,       /* from the return of a killed peer until both talk */
    AWAKE_S = 5,       /* from waking up until bytes pass again */
    ANEW_S = 20,       /* ... until those who had lost each other have met anew */
    DOWN_S = 20,       /* the broker */
    OUTAGE_MIN_S = 35,
    OUTAGE_MORE_S = 60,
    MORE = 1000, /* bytes */
};

static bool both_have_all(void *self)
{
    const struct run *run = self;
    const struct player *a = &run->players[0], *b = &run->players[1];
    return a->connected && b->connected && a->received >= b->errand.bytes && b->received >= a->errand.bytes;
}

static bool has_path(const struct player *player)
{
    struct path path;
    for (unsigned slot = 0; slot < NODE_PEERS_MAX; slot++)
        if (player->links[slot].connected && conn_path(node_conn(player->node, slot), &path))
            return true;
    return false;
}

static bool both_have_paths(void *self)
{
    const struct run *run = self;
    return has_path(&run->players[0]) && has_path(&run->players[1]);
}

/* Two are connected, and stay so. */
static bool meet(struct run *run)
{
    for (unsigned i = 0; i < run->scenario->players; i++)
        run->players[i].errand.lasting = true;
    run_start(run, 0);
    run_for(run, chance_below(run_chance(run), NS_PER_S));
    run_start(run, 1);
    return run_check(run, 0, run_until(run, LIMIT_S * NS_PER_S, both_have_all), "did not meet the other");
}

static void judge_undisturbed(struct run *run, unsigned handshakes)
{
    for (unsigned i = 0; i < 2; i++) {
        run_check(run, i, run->players[i].closed == 0, "lost the other");
        run_check(run, i, run->players[i].handshakes == handshakes, "shook hands more than it should");
        run_check(run, i, !run->players[i].altered, "got altered bytes");
    }
}

static void talk_again(struct run *run, uint64_t within)
{
    for (unsigned i = 0; i < 2; i++)
        player_send(&run->players[i], MORE);
    run_check(run, 0, run_until(run, within, both_have_all), "could not talk with the other again");
}

void story_idle(struct run *run)
{
    if (!meet(run))
        return;
    run_for(run, IDLE_S * NS_PER_S);
    run_check(run, 0, run->players[0].stalled + run->players[1].stalled == 0, "fell silent");
    talk_again(run, NS_PER_S);
    judge_undisturbed(run, 1);
}

/* No datagram gets through, for longer than gateways remember and consent lasts. */
static void cut_network(struct run *run)
{
    run_for(run, NS_PER_S + chance_below(run_chance(run), LIMIT_S * NS_PER_S));
    world_weather(run->world)->loss = 100;
    run_for(run, (OUTAGE_MIN_S + chance_below(run_chance(run), OUTAGE_MORE_S)) * NS_PER_S);
    for (unsigned i = 0; i < 2; i++)
        run_check(run, i, run->players[i].stalled, "did not say that the path has stalled");
    world_weather(run->world)->loss = run->scenario->weather.loss;
}

static void come_back(struct run *run, uint64_t within)
{
    uint64_t back = world_now(run->world);
    run_check(run, 0, run_until(run, within, both_have_paths), "did not find the path again");
    talk_again(run, AWAKE_S * NS_PER_S);
    run->result.bytes = world_now(run->world) - back;
    judge_undisturbed(run, 1);
}

/* The broker's connections take their time to come back. */
void story_outage(struct run *run)
{
    if (!meet(run))
        return;
    meeting_set_down(&run->meeting, true);
    cut_network(run);
    run_for(run, chance_below(run_chance(run), 3 * NS_PER_S));
    meeting_set_down(&run->meeting, false);
    come_back(run, AWAKE_S * NS_PER_S);
}

/* The broker stays, so that each hears that the other is there. */
void story_outage_udp(struct run *run)
{
    if (!meet(run))
        return;
    cut_network(run);
    come_back(run, AWAKE_S * NS_PER_S);
}

/* ---- killed, and back under the same name ---- */

static bool all_have_returned(void *self)
{
    const struct run *run = self;
    for (unsigned i = 0; i < 2; i++) {
        const struct player *player = &run->players[i];
        bool served = false;
        for (unsigned slot = 0; slot < NODE_PEERS_MAX; slot++) {
            const struct link *link = &player->links[slot];
            served = served || (link->connected && link->received >= run->players[!i].errand.bytes);
        }
        if (!served)
            return false;
    }
    return true;
}

static void kill_and_return(struct run *run, bool will)
{
    if (!meet(run))
        return;
    unsigned victim = (unsigned)chance_below(run_chance(run), 2);
    struct player *dead = &run->players[victim], *other = &run->players[!victim];
    run_for(run, chance_below(run_chance(run), LIMIT_S * NS_PER_S));
    player_kill(dead, will);
    uint64_t killed = world_now(run->world);
    if (!will)
        player_send(other, MORE); /* silence alone is no proof of death */
    for (unsigned slot = 0; slot < NODE_PEERS_MAX; slot++)
        other->links[slot].received = 0; /* who is back has not been heard yet */
    run_for(run, chance_below(run_chance(run), LIMIT_S * NS_PER_S));
    run_start(run, victim);
    run_check(run, victim, run_until(run, AGAIN_S * NS_PER_S, all_have_returned),
              "was not taken back within 3 s");
    run->result.bytes = world_now(run->world) - dead->started;
    uint64_t notices = (will ? LOST_S : FORGOTTEN_S) * NS_PER_S; /* without a word it may as well be asleep */
    run_for(run, notices);
    run_check(run, !victim, other->closed == 1 && other->end == CONN_SILENT, "did not notice the death");
    run_check(run, !victim, other->closed_at <= killed + notices, "noticed the death too late");
    run_check(run, !victim, other->handshakes == 2 && other->connected == 1, "is not connected once");
    run_check(run, victim, dead->handshakes == 1 && dead->closed == 0, "is not connected once");
}

void story_killed(struct run *run)
{
    kill_and_return(run, true);
}

void story_killed_dumb(struct run *run)
{
    kill_and_return(run, false);
}

/* ---- asleep ---- */

/* Its connection to the broker has survived, or is made anew a moment later. */
static void wake(struct run *run, unsigned sleeper)
{
    host_set_on(run->hosts[sleeper], true);
    if (chance_percent(run_chance(run), 50))
        return;
    run_for(run, chance_below(run_chance(run), NS_PER_S));
    player_reconnect(&run->players[sleeper]);
}

static unsigned fall_asleep(struct run *run, uint64_t ns)
{
    unsigned sleeper = (unsigned)chance_below(run_chance(run), 2);
    run_for(run, NS_PER_S + chance_below(run_chance(run), LIMIT_S * NS_PER_S));
    host_set_on(run->hosts[sleeper], false);
    if (chance_percent(run_chance(run), 50))
        player_send(&run->players[!sleeper], MORE); /* silence is no death, whether something is due or not */
    run_for(run, ns);
    return sleeper;
}

static void sleep_and_wake(struct run *run, uint64_t ns)
{
    if (!meet(run))
        return;
    unsigned sleeper = fall_asleep(run, ns);
    uint64_t woken = world_now(run->world);
    wake(run, sleeper);
    run_check(run, sleeper, run_until(run, AWAKE_S * NS_PER_S, both_have_paths),
              "did not find the path again");
    talk_again(run, AWAKE_S * NS_PER_S);
    run->result.bytes = world_now(run->world) - woken;
    judge_undisturbed(run, 1);
}

void story_nap(struct run *run)
{
    sleep_and_wake(run, 60 * NS_PER_S);
}

void story_sleep(struct run *run)
{
    sleep_and_wake(run, 100 * NS_PER_S);
}

static bool both_are_lost(void *self)
{
    const struct run *run = self;
    return run->players[0].closed && run->players[1].closed;
}

/* Longer than anybody waits: both let go, and meet anew as strangers. */
void story_coma(struct run *run)
{
    if (!meet(run))
        return;
    unsigned sleeper = fall_asleep(run, 200 * NS_PER_S);
    run_check(run, !sleeper, run->players[!sleeper].closed == 1, "still waits for one that sleeps");
    run_check(run, !sleeper, run->players[!sleeper].stalled == 1, "did not say that the path has stalled");
    wake(run, sleeper);
    uint64_t woken = world_now(run->world);
    run_check(run, sleeper, run_until(run, AWAKE_S * NS_PER_S, both_are_lost), "did not notice the loss");
    run_check(run, sleeper, run->players[sleeper].end == CONN_SILENT, "did not lose it by silence");
    run_check(run, sleeper, run_until(run, ANEW_S * NS_PER_S, all_have_returned), "did not meet it anew");
    run->result.bytes = world_now(run->world) - woken;
    for (unsigned i = 0; i < 2; i++)
        run_check(run, i, run->players[i].handshakes == 2 && run->players[i].connected == 1,
                  "is not connected once");
}

/* ---- the broker goes away ---- */

static bool is_halfway(void *self)
{
    const struct run *run = self;
    return run->players[0].received + run->players[1].received >= run->scenario->bytes;
}

static bool three_have_all(void *self)
{
    const struct run *run = self;
    for (unsigned i = 0; i < 3; i++)
        if (run->players[i].ended < 2)
            return false;
    return true;
}

void story_broker_down(struct run *run)
{
    run_start(run, 0);
    run_start(run, 1);
    run_check(run, 0, run_until(run, LIMIT_S * NS_PER_S, is_halfway), "did not meet the other");
    meeting_set_down(&run->meeting, true);
    run_for(run, chance_below(run_chance(run), DOWN_S * NS_PER_S / 2));
    run_start(run, 2);
    run_for(run, DOWN_S * NS_PER_S / 2);
    for (unsigned i = 0; i < 2; i++)
        run_check(run, i, run->players[i].ended == 1, "needed the broker for its transfer");
    meeting_set_down(&run->meeting, false);
    uint64_t back = world_now(run->world);
    run_check(run, 2, run_until(run, run->scenario->bytes_within, three_have_all),
              "was not met after the broker's return");
    run->result.bytes = world_now(run->world) - back;
    for (unsigned i = 0; i < 3; i++)
        run_check(run, i, run->players[i].handshakes == 2 && run->players[i].closed == 0,
                  "did not keep everybody");
}
