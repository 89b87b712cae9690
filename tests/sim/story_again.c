/* story_again.c - two meet twice between the same networks: what worked the first time goes first the second
 * time, and what is remembered wrongly costs nothing. */
#include "run.h"

enum {
    LIMIT_S = 60,
    BETWEEN_S = 40, /* longer than the gateways remember */
    SLACK_MS = 15,  /* jitter of some packets in a row */
};

static bool both_have_bytes(void *self)
{
    const struct run *run = self;
    const struct player *a = &run->players[0], *b = &run->players[1];
    return a->first_byte_at && b->first_byte_at && a->direct_at && b->direct_at;
}

/* The first waits already when the second comes. Returns how long it took then; 0: it did not work. */
static uint64_t meet(struct run *run)
{
    run_start(run, 0);
    run_for(run, 2 * NS_PER_S);
    run_start(run, 1);
    uint64_t start = world_now(run->world);
    if (!run_check(run, 0, run_until(run, LIMIT_S * NS_PER_S, both_have_bytes), "found no direct path"))
        return 0;
    const struct player *a = &run->players[0], *b = &run->players[1];
    run->result.bytes = (a->first_byte_at > b->first_byte_at ? a->first_byte_at : b->first_byte_at) - start;
    return (a->direct_at > b->direct_at ? a->direct_at : b->direct_at) - start;
}

static void part(struct run *run)
{
    for (unsigned i = 0; i < 2; i++)
        player_leave(&run->players[i]);
    run_for(run, NS_PER_S);
    for (unsigned i = 0; i < 2; i++)
        player_stop(&run->players[i]);
    run_for(run, BETWEEN_S * NS_PER_S);
}

/* Ports at random are hit sooner or later, whatever is known. */
static bool is_by_chance(const struct run *run)
{
    const struct nat_kind *hard = run->scenario->kinds[1];
    return hard->ports == NAT_RANDOM || hard->busy;
}

/* What is remembered between two meetings is as `change` leaves it. `later`: so much longer the second may
 * take, percent. */
static void meet_twice(struct run *run, void (*change)(struct path_memory *memory), int later)
{
    static struct path_memory memories[2];
    const struct random random = {.fill = chance_fill, .context = run_chance(run)};
    for (unsigned i = 0; i < 2; i++)
        path_memory_start(&memories[i], &random);
    run->memories = memories;
    uint64_t first = meet(run);
    if (!first)
        return;
    part(run);
    for (unsigned i = 0; i < 2; i++) {
        run_check(run, i, memories[i].count == 1, "does not remember what worked");
        change(&memories[i]);
    }
    uint64_t second = meet(run);
    run->result.path = second;
    bool soon = second <= first * (uint64_t)(100 + later) / 100 + SLACK_MS * NS_PER_MS;
    run_check(run, 0, !second || soon || is_by_chance(run), "took longer the second time");
}

static void keep(struct path_memory *memory)
{
    (void)memory;
}

static void blank(struct path_memory *memory)
{
    memory->count = 0;
}

static void turn(struct path_memory *memory)
{
    struct path_memory_entry *entry = &memory->entries[0];
    entry->strategy = entry->strategy == STRATEGY_WIDE ? STRATEGY_GUESS : STRATEGY_WIDE;
}

void story_again(struct run *run)
{
    meet_twice(run, keep, -10);
}

void story_again_blank(struct run *run)
{
    meet_twice(run, blank, 0);
}

void story_again_wrong(struct run *run)
{
    meet_twice(run, turn, 5);
}
