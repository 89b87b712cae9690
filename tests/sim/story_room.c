/* story_room.c - more than two in a room: who meets whom, and who must not. */
#include "run.h"

enum { LIMIT_S = 40, LEAVE_S = 1, SECRET_S = 12, PATIENCE_S = 1 };

/* Says how long it took from the last start. */
static void note_time(struct run *run)
{
    uint64_t last = 0;
    for (unsigned i = 0; i < run->scenario->players; i++)
        if (run->players[i].started > last)
            last = run->players[i].started;
    run->result.bytes = world_now(run->world) - last;
}

/* Who gives up a handshake that takes too long may be too late to stop the other side's: that one is told
 * goodbye at once. It takes several who wait for each other in a ring, and time: no sooner than PATIENCE_S.
 */
static bool only_the_impatient_part(const struct run *run)
{
    for (unsigned i = 0; i < run->scenario->players; i++)
        if (run->players[i].left && run->players[i].left_at - run->players[i].started < PATIENCE_S * NS_PER_S)
            return false;
    return true;
}

static void judge_each(struct run *run, unsigned i, unsigned peers)
{
    const struct player *player = &run->players[i];
    run_check(run, i, player->connected == peers, "is not connected to whom it should be");
    run_check(run, i, player->handshakes == peers + player->left, "shook hands more than once");
    run_check(run, i, player->received == peers * run->scenario->bytes, "did not get everything");
    run_check(run, i, !player->altered, "got altered bytes");
    run_check(run, i, player->closed == player->left, "lost somebody");
}

/* ---- chat: all with all ---- */

static bool all_have_all(void *self)
{
    const struct run *run = self;
    for (unsigned i = 0; i < run->scenario->players; i++)
        if (run->players[i].ended < run->scenario->players - 1)
            return false;
    return true;
}

/* One leaves: the others hear it at once, and nothing else happens to them. */
static void one_leaves(struct run *run)
{
    unsigned gone = (unsigned)chance_below(run_chance(run), run->scenario->players);
    player_leave(&run->players[gone]);
    run_for(run, LEAVE_S * NS_PER_S);
    run_check(run, gone, node_has_left(run->players[gone].node), "did not finish leaving");
    for (unsigned i = 0; i < run->scenario->players; i++) {
        const struct player *player = &run->players[i];
        if (i == gone)
            continue;
        run_check(run, i, player->closed == 1 && player->end == CONN_LEFT, "did not hear the goodbye");
        run_check(run, i, player->connected == run->scenario->players - 2, "lost somebody else too");
    }
}

void story_chat(struct run *run)
{
    run_start_all(run);
    run_until(run, LIMIT_S * NS_PER_S, all_have_all);
    note_time(run);
    for (unsigned i = 0; i < run->scenario->players; i++)
        judge_each(run, i, run->scenario->players - 1);
    run_check(run, 0, only_the_impatient_part(run), "saw somebody leave whom nobody asked to");
    run_check(run, 0, run->result.bytes <= run->scenario->bytes_within, "saw the room take too long to meet");
    one_leaves(run);
}

/* ---- pipe: one with one ---- */

static unsigned count_served(const struct run *run)
{
    unsigned served = 0;
    for (unsigned i = 0; i < run->scenario->players; i++)
        served += run->players[i].connected == 1 && run->players[i].ended > 0;
    return served;
}

static bool all_are_paired(void *self)
{
    const struct run *run = self;
    return count_served(run) == run->scenario->players - run->scenario->players % 2;
}

static unsigned find_alone(const struct run *run)
{
    unsigned i = 0;
    while (i < run->scenario->players && run->players[i].connected)
        i++;
    return i;
}

/* Somebody leaves: who was with it, and who was alone until then, meet. */
static void one_takes_the_place(struct run *run)
{
    unsigned alone = find_alone(run), gone;
    do
        gone = (unsigned)chance_below(run_chance(run), run->scenario->players);
    while (gone == alone);
    player_leave(&run->players[gone]);
    run_for(run, LEAVE_S * NS_PER_S);
    player_kill(&run->players[gone], false);
    run_check(run, alone, run_until(run, LIMIT_S * NS_PER_S, all_are_paired) || run->players[alone].connected,
              "did not meet who became free");
    run_check(run, alone, run->players[alone].handshakes == 1 + run->players[alone].left,
              "shook hands more than once");
}

void story_pipe(struct run *run)
{
    unsigned count = run->scenario->players;
    run_start_all(run);
    run_until(run, LIMIT_S * NS_PER_S, all_are_paired);
    note_time(run);
    run_for(run, 5 * NS_PER_S); /* whoever is alone asks again: nobody must take it */
    unsigned alone = find_alone(run);
    for (unsigned i = 0; i < count; i++)
        judge_each(run, i, i == alone ? 0 : 1);
    run_check(run, 0, only_the_impatient_part(run), "saw somebody connected and left at once");
    run_check(run, 0, all_are_paired(run), "saw fewer pairs than there could be");
    run_check(run, 0, run->result.bytes <= run->scenario->bytes_within, "saw the room take too long to pair");
    if (run->result.ok && alone < count)
        one_takes_the_place(run);
}

/* ---- full: all but the last are pairs of two, who are silent ---- */

enum { SILENCE_S = 60, SILENT_HELLOS = 12 /* 0, 0.25, 0.5, 1, 2, 4, 8, then every 15 s, a fifth less */ };

static unsigned count_paired(const struct run *run)
{
    unsigned paired = 0;
    for (unsigned i = 0; i + 1 < run->scenario->players; i++)
        paired += run->players[i].connected == 1;
    return paired;
}

static bool all_but_the_last_are_paired(void *self)
{
    const struct run *run = self;
    return count_paired(run) == run->scenario->players - 1;
}

static bool the_last_has_met(void *self)
{
    const struct run *run = self;
    return run->players[run->scenario->players - 1].connected == 1;
}

void story_full(struct run *run)
{
    unsigned last = run->scenario->players - 1;
    run_start_first(run, last);
    run_check(run, 0, run_until(run, LIMIT_S * NS_PER_S, all_but_the_last_are_paired),
              "saw somebody left over");
    run->result.bytes = world_now(run->world) - NS_PER_S;
    run_for(run, 30 * NS_PER_S);
    uint64_t letters = run->meeting.letters;
    run_start(run, last);
    run_for(run, SILENCE_S * NS_PER_S);
    run_check(run, last, !the_last_has_met(run), "met somebody who has a peer");
    run_check(run, last, run->meeting.letters - letters <= SILENT_HELLOS, "was answered by who has no place");
    letters = run->meeting.letters;
    unsigned gone = (unsigned)chance_below(run_chance(run), last);
    player_leave(&run->players[gone]);
    run_check(run, last, run_until(run, LEAVE_S * NS_PER_S, the_last_has_met),
              "did not meet who became free");
    run_for(run, LEAVE_S * NS_PER_S);
    run_check(run, last, run->meeting.letters - letters <= 12, "cost the broker too many messages");
    run_check(run, last, count_paired(run) == last - 1, "saw a pair disturbed");
}

/* ---- secrets: the players 0 and 2 know it, 1 does not ---- */

static void judge_final(struct run *run, unsigned i, bool due)
{
    const struct player *player = &run->players[i];
    run_check(run, i, !due || player->final_at, "was not told that its secret is wrong");
    run_check(run, i, due || !player->final_at, "was told to give up, though it was there first");
    uint64_t last =
        run->players[0].started > run->players[1].started ? run->players[0].started : run->players[1].started;
    uint64_t took = player->final_at - last;
    run_check(run, i, !player->final_at || (took >= NODE_SECRET_PATIENCE_S * NS_PER_S && took < 5 * NS_PER_S),
              "was told at another time than 3 s after the failure");
}

/* Alone with the wrong one: exactly the later ends; who is later in the same second is settled by ids. */
static void judge_two(struct run *run, bool apart)
{
    const struct player *right = &run->players[0], *wrong = &run->players[1];
    if (apart) {
        judge_final(run, 0, right->started > wrong->started);
        judge_final(run, 1, wrong->started > right->started);
    } else {
        judge_final(run, 0, !wrong->final_at);
        judge_final(run, 1, !right->final_at);
    }
}

void story_secrets(struct run *run)
{
    bool apart = chance_percent(run_chance(run), 66), wrong_first = chance_percent(run_chance(run), 50);
    uint64_t pause = apart ? NS_PER_S * 3 / 2 + chance_below(run_chance(run), NS_PER_S) : 0;
    bool company = run->scenario->players == 3;
    run_start(run, wrong_first);
    if (company && !wrong_first)
        run_start(run, 2);
    run_for(run, pause);
    run_start(run, !wrong_first);
    if (company && wrong_first)
        run_start(run, 2);
    run_for(run, SECRET_S * NS_PER_S);
    for (unsigned i = 0; i < run->scenario->players; i++)
        run_check(run, i, i == 2 || run->players[i].wrong_secrets > 0, "never heard of the wrong secret");
    judge_each(run, 1, 0);
    if (!company) {
        judge_each(run, 0, 0);
        judge_two(run, apart);
        return;
    }
    for (unsigned i = 0; i < 3; i += 2) {
        judge_each(run, i, 1);
        run_check(run, i, !run->players[i].final_at, "was told to give up, though another has proven it");
    }
    if (apart)
        run_check(run, 1, wrong_first || run->players[1].final_at, "was not told that its secret is wrong");
}
