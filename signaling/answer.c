/* answer.c - when a hello is answered, where many could do it: a room of hundreds must not answer a newcomer
 * who has a place for one.
 *
 * As many as it has places answer at once, each by the toss of a coin of its own; the same number more within
 * the first step of time, twice as many in the next, and so on, until all have had their turn. So the
 * newcomer's places are taken early, whatever we know of the others, and the wait grows with the logarithm of
 * their number only: who counts thousands that are not there, because somebody made them up, waits for less
 * than three seconds. The newcomer says when it has no place left, and those who have not answered yet never
 * do. (Timers drawn so are an old remedy of multicast protocols, RandomBackoff of RFC 5401.) */
#include "meeting.h"

enum {
    ANSWER_STEP_MS = 250, /* a PAKE over a broker and a handshake take as long: time for the first who fit */
    FLOOD_S = 4,          /* so long a time is looked at: */
    FLOOD_PER_ID = 8, /* so many hellos of each id that is there are a flood, and HELLO_SHARE a second in all:
                         honest peers who come together say six, and seldom one later */
    FULL_WORD_MS = 1000, /* that we have no place is said later: who has one goes first ... */
    FULL_STEP_MS = 100, /* ... in ten steps of this length, in each of which twice as many speak: how many are
                           full nobody knows, but the first are few among ten and among a thousand, and ... */
    FULL_STEPS = 10,
    FULL_VOICES = 8, /* ... when so many have said it the others need not */
};

void answer_count(struct rendezvous *r, uint64_t now)
{
    r->heard++;
    if (now >= r->counted_from + FLOOD_S * NS_PER_S) {
        r->heard_before = now < r->counted_from + 2 * FLOOD_S * NS_PER_S ? r->heard_now : 0;
        r->heard_now = 0;
        r->counted_from = now;
    }
    r->heard_now++;
}

bool answer_is_flooded(struct rendezvous *r, uint64_t now)
{
    unsigned flood = presence_count(&r->presence, now) * FLOOD_PER_ID;
    flood = flood > FLOOD_S * HELLO_SHARE ? flood : FLOOD_S * HELLO_SHARE;
    return r->heard_now >= flood || r->heard_before >= flood;
}

void answer_withhold(struct rendezvous *r, uint64_t now, struct peer *peer)
{
    if (peer->wish != WISH_HELLO)
        return;
    peer->wish = WISH_NOTHING;
    if (r->slots)
        withheld_note(&r->withheld, now, peer->id);
}

/* When to tell somebody that we have no place. */
static uint64_t full_time(const struct rendezvous *r, uint64_t now)
{
    unsigned number = random_below(r->party.random, 1U << FULL_STEPS), wait = FULL_WORD_MS;
    for (; number > 1; number /= 2)
        wait += FULL_STEP_MS;
    return now + (wait + random_below(r->party.random, FULL_STEP_MS)) * NS_PER_MS;
}

bool answer_is_spared(const struct rendezvous *r, const struct peer *peer)
{
    return !r->slots && r->full_heard - peer->full_before >= FULL_VOICES;
}

uint64_t answer_time(struct rendezvous *r, uint64_t now, unsigned places, bool alike)
{
    uint64_t step = ANSWER_STEP_MS * NS_PER_MS, begins = 0;
    if (!r->slots)
        return full_time(r, now);
    unsigned able =
        presence_count(&r->presence, now) + !alike; /* and we: the newcomer is counted if it is alike */
    if (able <= places || r->picks || answer_is_flooded(r, now)) /* here the quota is what limits answers */
        return now;
    unsigned number = random_below(r->party.random, able);
    if (number < places)
        return now;
    for (unsigned turn = 2 * places; turn <= number; turn *= 2)
        begins += step;
    return now + begins + random_below(r->party.random, ANSWER_STEP_MS) * NS_PER_MS;
}
