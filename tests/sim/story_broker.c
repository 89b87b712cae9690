/* story_broker.c - when no datagram gets through the broker carries the session, no faster than it may; and
 * it is left as soon as something better works. */
#include "run.h"

#include <string.h>

enum {
    LIMIT_S = 30,
    FALL_S = 6,      /* from the moment that no datagram gets through until bytes pass again */
    SEEK_S = 25,     /* ... until a direct path is found once they do: the first search is after 20 s */
    ANSWER_MS = 100, /* what tells the last that somebody is there may be under way when all is there */
    LOSSY_S = 3,     /* until bytes pass where every twentieth letter is lost: four of a packet's in a row */
    BACK_S = 3,      /* from the broker's return until bytes pass again */
    LOST_S = 15,     /* until a death is told */
    BLAME_S = 3,     /* until the sentence says whose UDP is blocked */
    OVERHEAD = 112,  /* bytes that a packet costs beyond itself: sender, topic, MQTT */
    MORE = 1000,     /* bytes */
};

static void block(struct run *run, bool blocked)
{
    world_weather(run->world)->loss = blocked ? 100 : run->scenario->weather.loss;
}

static bool all_have_all(void *self)
{
    const struct run *run = self;
    for (unsigned i = 0; i < 2; i++)
        if (run->players[i].received < run->players[!i].errand.bytes)
            return false;
    return true;
}

static bool all_are_direct(void *self)
{
    const struct run *run = self;
    return run->players[0].path.kind == PATH_DIRECT && run->players[1].path.kind == PATH_DIRECT;
}

static void judge_kind(struct run *run, enum path_kind kind)
{
    for (unsigned i = 0; i < 2; i++)
        run_check(run, i, run->players[i].path.kind == kind, "took another kind of path");
}

static void judge_undisturbed(struct run *run)
{
    for (unsigned i = 0; i < 2; i++) {
        run_check(run, i, run->players[i].closed == 0, "lost the other");
        run_check(run, i, run->players[i].handshakes == 1, "shook hands more than once");
        run_check(run, i, !run->players[i].altered, "got altered bytes");
    }
}

static bool meet(struct run *run)
{
    const struct scenario *s = run->scenario;
    for (unsigned i = 0; i < s->players; i++)
        run->players[i].errand.lasting = true;
    run_start(run, 0);
    run_for(run, chance_below(run_chance(run), 3 * NS_PER_S));
    run_start(run, 1);
    uint64_t start = world_now(run->world);
    bool met = run_until(run, LIMIT_S * NS_PER_S, all_have_all);
    const struct player *a = &run->players[0], *b = &run->players[1];
    run->result.path = (a->path_at > b->path_at ? a->path_at : b->path_at) - start;
    run->result.bytes = (a->first_byte_at > b->first_byte_at ? a->first_byte_at : b->first_byte_at) - start;
    return run_check(run, 0, met, "did not meet the other") &&
           run_check(run, 0, run->result.bytes <= s->bytes_within, "took too long to get the first byte");
}

static bool meet_blocked(struct run *run)
{
    block(run, true);
    if (!meet(run))
        return false;
    judge_kind(run, PATH_BROKER);
    return true;
}

static void talk_again(struct run *run, uint64_t within)
{
    uint64_t start = world_now(run->world);
    for (unsigned i = 0; i < 2; i++)
        player_send(&run->players[i], MORE);
    run_check(run, 0, run_until(run, within, all_have_all), "could not talk with the other again");
    run->result.bytes = world_now(run->world) - start;
}

void story_broker(struct run *run)
{
    if (!meet_blocked(run))
        return;
    run_for(run, BLAME_S * NS_PER_S);
    for (unsigned i = 0; i < 2; i++)
        run_check(run, i, strstr(run->players[i].why, "UDP seems to be blocked on both sides"),
                  "does not say whose UDP is blocked");
    run_for(run, chance_below(run_chance(run), 4 * 60 * NS_PER_S));
    talk_again(run, (run->scenario->letters_lost ? LOSSY_S : 1) * NS_PER_S);
    for (unsigned i = 0; i < 2; i++)
        run_check(run, i, run->players[i].stalled == 0, "fell silent");
    judge_undisturbed(run);
}

/* Whether what was sent since `start` fits the rate and the burst. */
static bool keeps_rate(const struct run *run, const struct player *player, uint64_t start)
{
    uint64_t rate = run->scenario->broker_relay, time = world_now(run->world) - start;
    return player->relayed <= rate * time / NS_PER_S + rate / 4 + OVERHEAD;
}

void story_broker_rate(struct run *run)
{
    block(run, true);
    if (!meet(run))
        return;
    const struct player *a = &run->players[0], *b = &run->players[1];
    uint64_t start = a->connected_at < b->connected_at ? a->connected_at : b->connected_at;
    uint64_t took = world_now(run->world) - start, least = run->scenario->bytes * NS_PER_S / 33000;
    run_check(run, 0, took <= least * 5 / 4, "is slower than it may be");
    for (unsigned i = 0; i < 2; i++)
        run_check(run, i, keeps_rate(run, &run->players[i], run->players[i].started),
                  "is faster than it may be");
    judge_undisturbed(run);
}

static bool is_halfway(void *self)
{
    const struct run *run = self;
    return run->players[0].received + run->players[1].received >= run->scenario->bytes / 2;
}

void story_broker_freed(struct run *run)
{
    block(run, true);
    run_start(run, 0);
    run_start(run, 1);
    if (!run_check(run, 0, run_until(run, LIMIT_S * NS_PER_S, is_halfway), "did not meet the other"))
        return;
    judge_kind(run, PATH_BROKER);
    block(run, false);
    uint64_t start = world_now(run->world);
    run_check(run, 0, run_until(run, SEEK_S * NS_PER_S, all_are_direct), "did not find the direct path");
    run->result.path = world_now(run->world) - start;
    run_check(run, 0, run_until(run, LIMIT_S * NS_PER_S, all_have_all), "did not get everything");
    judge_undisturbed(run);
}

void story_broker_falls(struct run *run)
{
    if (!meet(run))
        return;
    run_until(run, NS_PER_S, all_are_direct);
    judge_kind(run, PATH_DIRECT);
    run_for(run, chance_below(run_chance(run), 20 * NS_PER_S));
    block(run, true);
    talk_again(run, FALL_S * NS_PER_S);
    uint64_t fell = run->result.bytes;
    run_for(run, ANSWER_MS * NS_PER_MS);
    judge_kind(run, PATH_BROKER);
    run_for(run, chance_below(run_chance(run), 200 * NS_PER_S));
    talk_again(run, NS_PER_S);
    block(run, false);
    run_check(run, 0, run_until(run, 330 * NS_PER_S, all_are_direct), "did not find the direct path again");
    talk_again(run, NS_PER_S);
    run->result.bytes = fell;
    judge_undisturbed(run);
}

void story_broker_lost(struct run *run)
{
    if (!meet_blocked(run))
        return;
    run_for(run, chance_below(run_chance(run), 20 * NS_PER_S));
    meeting_set_down(&run->meeting, true);
    run_for(run, NS_PER_S + chance_below(run_chance(run), 80 * NS_PER_S));
    for (unsigned i = 0; i < 2; i++)
        run_check(run, i, run->players[i].stalled, "did not say that the path has stalled");
    meeting_set_down(&run->meeting, false);
    talk_again(run, BACK_S * NS_PER_S);
    judge_kind(run, PATH_BROKER);
    judge_undisturbed(run);
}

void story_broker_killed(struct run *run)
{
    if (!meet_blocked(run))
        return;
    unsigned victim = (unsigned)chance_below(run_chance(run), 2);
    const struct player *other = &run->players[!victim];
    run_for(run, chance_below(run_chance(run), LIMIT_S * NS_PER_S));
    uint64_t killed = world_now(run->world);
    player_kill(&run->players[victim], true);
    run_for(run, LOST_S * NS_PER_S);
    run_check(run, !victim, other->closed == 1 && other->end == CONN_SILENT, "did not notice the death");
    run->result.bytes = other->closed_at - killed;
}

/* Nothing is waited for where both networks are known to be hard. */
void story_broker_hard(struct run *run)
{
    run->players[0].errand.lasting = run->players[1].errand.lasting = true;
    run_start(run, 0);
    run_for(run, NS_PER_S);
    run_start(run, 1);
    run_for(run, NS_PER_S);
    if (!run_check(run, 0, run_until(run, LIMIT_S * NS_PER_S, all_have_all), "did not meet the other"))
        return;
    const struct player *a = &run->players[0], *b = &run->players[1];
    run->result.bytes =
        (a->first_byte_at > b->first_byte_at ? a->first_byte_at : b->first_byte_at) - b->started;
    run_check(run, 0, run->result.bytes <= run->scenario->bytes_within,
              "took too long to get the first byte");
    judge_undisturbed(run);
}

static bool three_have_all(void *self)
{
    const struct run *run = self;
    for (unsigned i = 1; i < run->scenario->players; i++)
        if (run->players[i].received < run->scenario->bytes)
            return false;
    return true;
}

/* The first sends the same to everybody: nobody gets it much earlier than the others. */
void story_broker_fair(struct run *run)
{
    block(run, true);
    for (unsigned i = 0; i < run->scenario->players; i++) {
        run->players[i].errand.lasting = true;
        run->players[i].errand.bytes = 0;
        run_start(run, i);
    }
    run_for(run, 5 * NS_PER_S);
    player_send(&run->players[0], run->scenario->bytes);
    uint64_t start = world_now(run->world);
    run_for(run, NS_PER_S * 5 / 2);
    size_t least = SIZE_MAX, most = 0;
    for (unsigned i = 1; i < run->scenario->players; i++) {
        size_t received = run->players[i].received;
        least = received < least ? received : least;
        most = received > most ? received : most;
    }
    run_check(run, 0, least > 0 && most <= least * 3 / 2, "does not share its rate fairly");
    run_check(run, 0, run_until(run, LIMIT_S * NS_PER_S, three_have_all), "did not send everything");
    run->result.bytes = world_now(run->world) - start;
    for (unsigned i = 0; i < run->scenario->players; i++)
        run_check(run, i, !run->players[i].altered && run->players[i].closed == 0, "was disturbed");
}
