/* rush.c - many who enter a room at once, perhaps on one machine: how many are asked at a time, and when
 * something is said again.
 *
 * Sixty who hear each other's hellos could begin a thousand handshakes in the first second. Each would wait
 * for a turn at the other's door and for a processor, and say itself again while it waits: so a room drowns,
 * in repetitions first and then in handshakes that run out of time. Therefore few are under way at once; and
 * while answers come, what has none yet is not lost but queued, and says nothing again. (TCP does both: its
 * window, and its timer that each acknowledgement restarts, RFC 6298 5.3.)
 *
 * Only good proofs count as answers, so strangers hold nothing back by them. An id that never answers, as
 * every one that a flood makes up, has a place for twice as long as answers take, not for as long as it
 * speaks: where they are quick, that lets in as many as the quota does. */
#include "meeting.h"

enum {
    ASKS_MAX = 4,       /* pake1s under way at once: in a room of eight each side asks half of the others */
    ASK_MS = 200,       /* a pake1 is under way for so long at least: ASKS_MAX of these a second are
                           RENDEZVOUS_STARTS_MAX */
    TOOK_MAX_MS = 1000, /* an answer counts as one that took so long at most: it may have been lost first, or
                           one of the two been asleep, and whoever proves itself may take its time */
    LULL_MIN_MS = 250,  /* after a pause in the answers, as long as they take, what waits for one may
                           be lost ... */
    LULL_MAX_MS = 1000, /* ... and it never waits for more than this and such a pause: what was lost is said
                           again while the other side's run still lives (INVITED_MAX_S) */
    MEMORY_S = 10,      /* how long answers took earlier means nothing */
};

void rush_answered(struct rendezvous *r, const struct run *run, uint64_t now)
{
    uint64_t took = run->reply && run->reply->sent ? now - run->reply->began : 0;
    bool old = !r->answered || now >= r->answered + MEMORY_S * NS_PER_S;
    took = earlier(took, TOOK_MAX_MS * NS_PER_MS);
    r->answer_took = old ? took : (r->answer_took * 3 + took) / 4;
    r->answered = now;
}

uint64_t rush_due(const struct rendezvous *r, const struct parcel *reply)
{
    if (!reply->sent || reply->wanted || reply->due == NEVER || !r->answered)
        return reply->due;
    uint64_t lull = later(r->answer_took, LULL_MIN_MS * NS_PER_MS);
    uint64_t longest = reply->last + LULL_MAX_MS * NS_PER_MS + lull;
    return later(reply->due, earlier(r->answered + lull, longest));
}

uint64_t rush_ask_time(const struct rendezvous *r, uint64_t now)
{
    bool old = now >= r->answered + MEMORY_S * NS_PER_S;
    uint64_t place = later(ASK_MS * NS_PER_MS, old ? 0 : 2 * r->answer_took), first = NEVER;
    unsigned under_way = 0;
    for (size_t i = 0; i < r->crowd.used && !r->picks; i++) {
        const struct run *asking = r->crowd.peers[i].asking;
        if (!run_awaits_answer(asking) || asking->began + place <= now)
            continue;
        under_way++;
        first = earlier(first, asking->began + place);
    }
    return under_way < ASKS_MAX ? now : first;
}
