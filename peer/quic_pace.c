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

/* draft-cardwell-iccrg-bbr-congestion-control-02, 4.3: while the rate of delivery grows by a quarter within
 * three rounds, 2.77 of it; then once around, one step a round. */
enum { GROWTH_ROUNDS = 3, CYCLE_ROUNDS = 8 };
static const double growth_gain = 2.77, growth_least = 1.25;
static const double cycle_gains[CYCLE_ROUNDS] = {0.75, 1, 1, 1, 1, 1, 1, 1.25};
/* BBR goes so far beyond the best it has seen only before the pipe is full. */
static const double probe_most = 1.5;
/* Of a window a round trip: CUBIC's rate (RFC 9002 7.7). */
static const double window_gain = 1.25;

enum {
    INITIAL_WINDOW = 14720, /* bytes: as many may leave at once after a pause (RFC 9002 7.2, 7.7) */
    BURST_NS = 1000000, /* and else no more than in this time (BBR 4.6.3): what ngtcp2 lets go early too */
};

/* Bytes a ns that BBR may send while it looks for the limit. */
static double growth_rate(struct quic_pace *pace, const ngtcp2_conn_stat *stat, ngtcp2_tstamp ts)
{
    double rtt = (double)stat->smoothed_rtt, rate = (double)stat->delivery_rate_sec / (double)NS_PER_S;
    if (rate > pace->best)
        pace->best = rate;
    if (pace->best >= growth_least * pace->grown) {
        pace->grown = pace->best;
        pace->grown_at = ts;
    }
    uint64_t rounds = (uint64_t)((double)(ts - pace->grown_at) / rtt);
    double gain = rounds < GROWTH_ROUNDS ? growth_gain : cycle_gains[(rounds - GROWTH_ROUNDS) % CYCLE_ROUNDS];
    double first = INITIAL_WINDOW / rtt;
    return gain * (pace->best > first ? pace->best : first);
}

/* Bytes a ns by which ngtcp2 waits: CUBIC leaves them to RFC 9002. */
static double library_rate(const ngtcp2_conn_stat *stat)
{
    return stat->pacing_rate > 0 ? stat->pacing_rate
                                 : window_gain * (double)stat->cwnd / (double)stat->smoothed_rtt;
}

static double rate_of(struct quic_pace *pace, const ngtcp2_conn_stat *stat, ngtcp2_tstamp ts)
{
    double rate = library_rate(stat);
    if (stat->pacing_rate <= 0)
        return rate;
    double bound = growth_rate(pace, stat, ts);
    return rate > probe_most * pace->best && bound < rate ? bound : rate;
}

void quic_pace(struct quic *quic, ngtcp2_tstamp ts, uint64_t before)
{
    struct quic_pace *pace = &quic->pace;
    ngtcp2_conn_stat stat;
    ngtcp2_conn_get_conn_stat(quic->conn, &stat);
    uint64_t after = stat.bytes_in_flight;
    double len = after > before ? (double)(after - before) : 0; /* acknowledgements alone are not paced */
    pace->rate = rate_of(pace, &stat, ts);
    uint64_t early = (uint64_t)(pace->saved / pace->rate);
    pace->due = later(pace->due + early, ts) - early + (uint64_t)(len / pace->rate);
    pace->saved = pace->saved > len ? pace->saved - len : 0;
    uint64_t added = (uint64_t)(len / library_rate(&stat));
    ngtcp2_conn_update_pkt_tx_time(quic->conn, pace->due - earlier(added, pace->due));
}

static size_t burst_of(struct quic_pace *pace, uint64_t in_flight)
{
    if (!in_flight)
        pace->saved = INITIAL_WINDOW;
    if (pace->rate <= 0) /* not begun */
        return QUIC_BATCH;
    double bytes = pace->saved + pace->rate * BURST_NS;
    return bytes < QUIC_BATCH ? (size_t)bytes : QUIC_BATCH;
}

#else

void quic_pace(struct quic *quic, ngtcp2_tstamp ts, uint64_t before)
{
    (void)before;
    ngtcp2_conn_update_pkt_tx_time(quic->conn, ts);
}

static size_t burst_of(struct quic_pace *pace, uint64_t in_flight)
{
    (void)pace, (void)in_flight;
    return QUIC_BATCH;
}

#endif

size_t quic_pace_burst(struct quic *quic, uint64_t in_flight)
{
    return size_min(burst_of(&quic->pace, in_flight), ngtcp2_conn_get_send_quantum(quic->conn));
}
