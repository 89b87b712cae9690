/* quic_pace.c - when the next packet may leave (RFC 9002 7.7).
 *
 * The rate is the congestion controller's, and ngtcp2 does the waiting. ngtcp2 0.12 needs help with both. It
 * lets a packet go up to a millisecond early and counts each wait from the packet before, however early that
 * was, so that where acknowledgements come more often than once a millisecond it does not pace at all: we
 * hand it the moment when the packet was due instead of the one when it left. And its BBR begins as if the
 * round trip were a millisecond, at hundreds of Mbit/s, and keeps to that until it finds the pipe full, which
 * it never does while a stream's window is what holds it back: until then we bound its rate by what arrives.
 */
#include "quic_state.h"

#if QUIC_IS_PACED_BY_US

/* BBR's growth (draft-cardwell-iccrg-bbr-congestion-control-02, 4.3.1): while the rate of delivery grows by a
 * quarter within three rounds, 2.77 of it. Then the cycle of BBR's first version, a step a round. */
enum { GROWTH_ROUNDS = 3, CYCLE_ROUNDS = 8, BEST_ROUNDS = 2 * CYCLE_ROUNDS };
static const double growth_gain = 2.77, growth_least = 1.25;
static const double cycle_gains[CYCLE_ROUNDS] = {0.75, 1, 1, 1, 1, 1, 1, 1.25};
/* BBR goes so far beyond the best it has seen only before the pipe is full. */
static const double probe_most = 1.5;
/* Of a window a round trip: CUBIC's rate (RFC 9002 7.7). */
static const double window_gain = 1.25;

enum {
    INITIAL_WINDOW = 14720, /* bytes: as many may leave at once after a pause (RFC 9002 7.2, 7.7) */
    EARLY_NS = 1000000,     /* and else what is due in so long (BBR 4.6.3): ngtcp2 lets no more go early */
    LATE_NS =
        10000000, /* of what the pace held back and who drives us was late for, so much is made up for */
};

static double rtt_of(const ngtcp2_conn_stat *stat)
{
    return (double)later(stat->smoothed_rtt, 1);
}

/* `best` is forgotten where nothing came up to it for BEST_ROUNDS. */
static void note_rate(struct quic_pace *pace, double rate, double rtt, ngtcp2_tstamp ts)
{
    if (rate > pace->seen)
        pace->seen = rate;
    if (rate > pace->best)
        pace->best = rate;
    if ((double)(ts - pace->seen_since) <= BEST_ROUNDS * rtt)
        return;
    pace->best = pace->seen;
    pace->seen = rate;
    pace->seen_since = ts;
}

/* Bytes a ns that BBR may send while it looks for the limit. */
static double growth_rate(struct quic_pace *pace, const ngtcp2_conn_stat *stat, ngtcp2_tstamp ts)
{
    double rtt = rtt_of(stat);
    note_rate(pace, (double)stat->delivery_rate_sec / (double)NS_PER_S, rtt, ts);
    if (pace->best >= growth_least * pace->grown) {
        pace->grown = pace->best;
        pace->grown_at = ts;
    }
    uint64_t rounds = (uint64_t)((double)(ts - pace->grown_at) / rtt);
    double gain = rounds < GROWTH_ROUNDS ? growth_gain : cycle_gains[(rounds - GROWTH_ROUNDS) % CYCLE_ROUNDS];
    return gain * pace->best;
}

/* Bytes a ns by which ngtcp2 waits: CUBIC leaves them to RFC 9002. */
static double library_rate(const ngtcp2_conn_stat *stat)
{
    return stat->pacing_rate > 0 ? stat->pacing_rate : window_gain * (double)stat->cwnd / rtt_of(stat);
}

/* Never less than the first window a round trip: what was delivered of little, or of what is sent seldom,
 * says nothing of the line, and more than the window does not leave anyhow. */
static double rate_of(struct quic_pace *pace, const ngtcp2_conn_stat *stat, ngtcp2_tstamp ts)
{
    double rate = library_rate(stat), first = INITIAL_WINDOW / rtt_of(stat);
    if (stat->pacing_rate > 0) {
        double bound = growth_rate(pace, stat, ts);
        rate = rate > probe_most * pace->best && bound < rate ? bound : rate;
    }
    return rate > first ? rate : first;
}

size_t quic_pace_burst(struct quic *quic, ngtcp2_tstamp ts, uint64_t in_flight)
{
    struct quic_pace *pace = &quic->pace;
    size_t quantum = ngtcp2_conn_get_send_quantum(quic->conn);
    if (!in_flight)
        pace->saved = INITIAL_WINDOW;
    if (!quic->confirmed)
        return size_min(QUIC_BATCH, quantum);
    ngtcp2_conn_stat stat;
    ngtcp2_conn_get_conn_stat(quic->conn, &stat);
    pace->rate = rate_of(pace, &stat, ts);
    pace->due = later(pace->due, ts - earlier(pace->held ? LATE_NS : 0, ts));
    double bytes = pace->saved + pace->rate * (double)(later(ts + EARLY_NS, pace->due) - pace->due);
    return size_min(bytes < QUIC_BATCH ? (size_t)bytes : QUIC_BATCH, quantum);
}

void quic_pace(struct quic *quic, ngtcp2_tstamp ts, uint64_t before)
{
    (void)ts; /* the packet left then, but was due before */
    struct quic_pace *pace = &quic->pace;
    ngtcp2_conn_stat stat;
    ngtcp2_conn_get_conn_stat(quic->conn, &stat);
    uint64_t after = stat.bytes_in_flight;
    double len = after > before ? (double)(after - before) : 0; /* acknowledgements alone are not paced */
    double paced = len > pace->saved ? len - pace->saved : 0;
    pace->saved -= len - paced;
    pace->due += (uint64_t)(paced / pace->rate);
    uint64_t added = (uint64_t)(len / library_rate(&stat));
    ngtcp2_conn_update_pkt_tx_time(quic->conn, pace->due - earlier(added, pace->due));
}

void quic_pace_idle(struct quic *quic, ngtcp2_tstamp ts, bool waiting)
{
    quic->pace.held = waiting && quic->pace.due > ts + EARLY_NS;
}

#else

size_t quic_pace_burst(struct quic *quic, ngtcp2_tstamp ts, uint64_t in_flight)
{
    (void)ts, (void)in_flight;
    return size_min(QUIC_BATCH, ngtcp2_conn_get_send_quantum(quic->conn));
}

void quic_pace(struct quic *quic, ngtcp2_tstamp ts, uint64_t before)
{
    (void)before;
    ngtcp2_conn_update_pkt_tx_time(quic->conn, ts);
}

void quic_pace_idle(struct quic *quic, ngtcp2_tstamp ts, bool waiting)
{
    (void)quic, (void)ts, (void)waiting;
}

#endif
