/* credit.c - how many bytes of leaves a sender may be ahead of the receiver's disk. */
#include "credit.h"

#include "clock.h"

void credit_begin(struct credit *credit, uint64_t now)
{
    *credit = (struct credit){.granted = CREDIT_LEAST, .window = CREDIT_LEAST, .measured_ns = now};
}

bool credit_is_due(const struct credit *credit, uint64_t now, uint64_t rtt)
{
    uint64_t least = CREDIT_MEASURE_MS * CLOCK_MS;
    return now - credit->measured_ns >= (rtt > least ? rtt : least);
}

void credit_measure(struct credit *credit, uint64_t now, uint64_t done, uint64_t rtt)
{
    double seconds = (double)(now - credit->measured_ns) / CLOCK_S;
    double holds = (double)(done - credit->measured_bytes) / seconds * (double)rtt / CLOCK_S;
    bool grows = holds > credit->held * 5 / 4; /* the path's own window may double meanwhile, twice */
    double wanted = rtt > CREDIT_SHORT_MS * CLOCK_MS ? (grows ? 4 : 2) * holds : 0;
    double least = (double)(credit->window - credit->window / CREDIT_DECAY);
    least = least > CREDIT_LEAST ? least : CREDIT_LEAST;
    wanted = wanted > least ? wanted : least;
    credit->window = wanted < CREDIT_MOST ? (uint64_t)wanted : CREDIT_MOST;
    credit->held = holds;
    credit->measured_ns = now, credit->measured_bytes = done;
}

bool credit_grant(struct credit *credit, uint64_t done)
{
    uint64_t granted = done + credit->window;
    if (granted < credit->granted + CREDIT_STEP)
        return false;
    credit->granted = granted;
    return true;
}
