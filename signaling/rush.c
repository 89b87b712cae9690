/* rush.c - many who enter a room at once, perhaps on one machine: how many are asked at a time, and when
 * something is said again.
 *
 * Sixty who hear each other's hellos could begin a thousand handshakes in the first second. Each would wait
 * for a turn at the other's door and for a processor, and say itself again while it waits: so a room drowns,
 * in repetitions first and then in handshakes that run out of time. Therefore few are under way at once,
 * fewer where answers come late; and while answers come, what has none yet is not lost but queued, and says
 * nothing again. (TCP does both: its window, and its timer that each acknowledgement restarts, RFC 6298 5.3.)
 *
 * Only good proofs count as answers, so strangers hold nothing back by them. Who never answers, as every id
 * that a flood makes up, takes a place from others for so short a time that the quota is the narrower door.
 */
#include "meeting.h"

enum {
    ASKS_MAX = 4,      /* pake1s under way at once: in a room of eight each side asks half of the others */
    ASKS_SLOW = 1,     /* ... where answers of late took ... */
    SLOW_MS = 1000,    /* ... longer than this: brokers are nearer, so somebody has too much to do */
    ASK_MS = 200,      /* where nobody answers at all: ASKS_MAX of these a second are RENDEZVOUS_STARTS_MAX */
    LULL_MIN_MS = 250, /* after a pause in the answers, as long as they take, what waits for one may
                          be lost ... */
    LULL_MAX_MS = 1000, /* ... and it never waits for more than this and such a pause: what was lost is said
                           again while the other side's run still lives (INVITED_MAX_S) */
    MEMORY_S = 10,      /* how long answers took earlier means nothing */
};

void rush_answered(struct rendezvous *r, const struct run *run, uint64_t now)
{
    uint64_t took = run->reply && run->reply->sent ? now - run->reply->began : 0;
    bool old = !r->answered || now >= r->answered + MEMORY_S * NS_PER_S;
    r->answer_took = old ? took : (r->answer_took * 3 + took) / 4; /* one that was lost is no rush */
    r->answered = now;
}

/* Until when answers to others are a reason to believe that what was said at `said` is merely queued. */
static uint64_t patience(const struct rendezvous *r, uint64_t said)
{
    uint64_t lull = later(r->answer_took, LULL_MIN_MS * NS_PER_MS);
    uint64_t quiet = r->answered + lull, longest = said + LULL_MAX_MS * NS_PER_MS + lull;
    if (!r->answered)
        return 0;
    return earlier(quiet, longest);
}

uint64_t rush_due(const struct rendezvous *r, const struct parcel *reply)
{
    if (!reply->sent || reply->wanted || reply->due == NEVER)
        return reply->due;
    return later(reply->due, patience(r, reply->last));
}

/* Until when this pake1 of ours is one under way; 0: it is none. */
static uint64_t way_end(const struct rendezvous *r, const struct run *asking)
{
    if (!run_awaits_answer(asking) || !run_is_asking(asking) || asking->reply->sent > 1)
        return 0;
    if (!asking->reply->sent)
        return NEVER;
    return later(asking->reply->began + ASK_MS * NS_PER_MS, patience(r, asking->reply->began));
}

uint64_t rush_ask_time(const struct rendezvous *r, uint64_t now)
{
    bool slow = r->answer_took > SLOW_MS * NS_PER_MS && now < r->answered + MEMORY_S * NS_PER_S;
    unsigned under_way = 0;
    uint64_t first = NEVER;
    for (size_t i = 0; i < r->crowd.used; i++) {
        uint64_t end = way_end(r, r->crowd.peers[i].asking);
        if (end <= now)
            continue;
        under_way++;
        first = earlier(first, end);
    }
    return under_way < (slow ? ASKS_SLOW : ASKS_MAX) ? now : first;
}
