/* story_meet.c - two meet, talk, are upset in mid-transfer, and must get everything by the path that physics
 * allows. */
#include "run.h"

enum { LIMIT_S = 60, LONG_WAIT_S = 60 };

static bool has_all(const struct run *run, const struct player *player)
{
    return player->received >= run->scenario->bytes && player->ended;
}

/* Whether nothing more needs to be seen. */
static bool is_over(void *self)
{
    const struct run *run = self;
    const struct player *a = &run->players[0], *b = &run->players[1];
    if (a->closed && b->closed)
        return true;
    if (!a->path_at || !b->path_at)
        return false; /* bytes may pass before a pair is proven valid */
    return has_all(run, a) && has_all(run, b);
}

static bool is_halfway(void *self)
{
    const struct run *run = self;
    return is_over(self) || run->players[1].received + run->players[0].received >= run->scenario->bytes / 2;
}

static void do_upset(struct run *run)
{
    enum upset upset = run->scenario->upset;
    for (unsigned i = 0; i < 2; i++) {
        if (upset == REBIND_BOTH || upset == (i ? REBIND_SECOND : REBIND_FIRST))
            nat_rebind(world_nat(run->world, run->networks[i]), run_chance(run));
        if (upset == ROAM_BOTH || (i == 0 && upset == ROAM_FIRST))
            run_move(run, i);
    }
}

static uint64_t since(uint64_t start, uint64_t a, uint64_t b)
{
    return !a || !b ? 0 : (a > b ? a : b) - start;
}

static void judge_no_path(struct run *run, unsigned i)
{
    const struct player *player = &run->players[i];
    run_check(run, i, !player->first_byte_at, "connected against physics");
    run_check(run, i, player->closed && player->end == CONN_NOPATH, "did not end with: no path");
}

static void judge_meeting(struct run *run, unsigned i)
{
    const struct player *player = &run->players[i];
    run_check(run, i, player->path_at, "found no path");
    run_check(run, i, has_all(run, player), "did not get everything");
    run_check(run, i, !player->altered, "got altered bytes");
    run_check(run, i, player->handshakes == 1, "shook hands more than once");
    run_check(run, i, player->path.kind == run->scenario->kind, "took another kind of path");
}

static void judge(struct run *run)
{
    const struct scenario *s = run->scenario;
    const struct player *a = &run->players[0], *b = &run->players[1];
    uint64_t start = a->started > b->started ? a->started : b->started;
    run->result.path = since(start, a->path_at, b->path_at);
    run->result.bytes = since(start, a->first_byte_at, b->first_byte_at);
    for (unsigned i = 0; i < 2; i++)
        if (s->outcome == NO_PATH)
            judge_no_path(run, i);
        else if (s->outcome == MEET)
            judge_meeting(run, i);
    if (s->outcome != MEET)
        return;
    run_check(run, 0, run->result.path <= s->path_within, "took too long to find a path");
    run_check(run, 0, run->result.bytes <= s->bytes_within, "took too long to get the first byte");
}

static void go_on(struct run *run)
{
    if (run->scenario->upset != NO_UPSET && run_until(run, LIMIT_S * NS_PER_S, is_halfway)) {
        run_check(run, 0, !is_over(run), "was done before the upset");
        do_upset(run);
    }
    run_until(run, LIMIT_S * NS_PER_S, is_over);
    judge(run);
}

void story_meet(struct run *run)
{
    run_start_all(run);
    go_on(run);
}

/* Mappings must not be stale when the second comes. */
void story_wait(struct run *run)
{
    run_start(run, 0);
    run_for(run, LONG_WAIT_S * NS_PER_S + chance_below(run_chance(run), 15 * NS_PER_S));
    run_start(run, 1);
    go_on(run);
}
