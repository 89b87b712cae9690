/* quic_flight.c - what was sent and not answered goes out again sooner than ngtcp2's timers say. */
#include "quic_state.h"

#include <stdlib.h>
#include <string.h>

enum {
    REPEAT_MS = 100,      /* least time between repetitions, */
    REPEAT_MAX_MS = 1000, /* and the most: grows by a quarter each time */
    HURRIES_MAX = 3,      /* of a flight */
    HURRY_MS = 50,        /* beyond two round trips: acknowledgements may be late by 25 ms (RFC 9000 18.2) */
    HURRY_STEPS = 3, /* of ngtcp2's timers: an acknowledgement and the pace may come before the probe's */
    SKEW_MAX_S = 60, /* between two packets heard: a third of the idle time */
};

void flight_forget(struct quic *quic)
{
    free(quic->flight);
    quic->flight = NULL;
}

/* ngtcp2 doubles its probe timeout with every loss (RFC 9002 6.2.1): where a third of the packets is lost,
 * one handshake in a hundred takes 3 s, some 20 s. A path that ice keeps consent on bears one packet a little
 * more often, so the flight is repeated as it was until the peer has it; a copy that it knows already is
 * dropped there. */
void flight_keep(struct quic *quic, uint64_t now, const struct packet *out)
{
    bool is_next = !quic->flights ||
                   (quic->client && quic->flights == 1 && ngtcp2_conn_get_handshake_completed(quic->conn));
    if (quic->confirmed || !is_next)
        return;
    size_t len = out->segment ? out->segment : out->len;
    flight_forget(quic);
    quic->flights++;
    quic->hurries = 0;
    quic->flight = malloc(len);
    if (!quic->flight)
        return; /* then ngtcp2 alone repeats */
    memcpy(quic->flight, out->data, len);
    quic->flight_len = len;
    uint64_t least = REPEAT_MS * NS_PER_MS, twice = 2 * quic_likely_rtt(quic);
    quic->repeat_after = twice > least ? twice : least;
    quic->repeat_at = now + quic->repeat_after;
}

bool flight_repeat(struct quic *quic, uint64_t now, struct packet *out, size_t payload)
{
    if (quic->flight && payload < quic->flight_len)
        flight_forget(quic); /* too long for the path of now: ngtcp2 makes shorter ones */
    if (!quic->flight || now < quic->repeat_at)
        return false;
    if (quic->repeat_after < REPEAT_MAX_MS * NS_PER_MS)
        quic->repeat_after += quic->repeat_after / 4;
    quic->repeat_at = now + quic->repeat_after;
    memcpy(out->data, quic->flight, quic->flight_len);
    out->len = quic->flight_len;
    out->segment = 0;
    return true;
}

/* A flight may have gone nowhere: a copy of it leaves at once. ngtcp2 must not make a new one for that: the
 * clock that is put ahead would be in the round trip of the first one, which as a rule is answered, and every
 * timeout of the connection would be as much longer. */
static void repeat_flight(struct quic *quic, uint64_t now)
{
    if (!quic->flight || quic->hurries >= HURRIES_MAX)
        return;
    quic->hurries++;
    quic->repeat_at = now;
}

/* Whether something of ours has been out for longer than an answer takes. */
static bool is_unanswered(const struct quic *quic, uint64_t now)
{
    struct quic_info info;
    quic_info(quic, &info);
    return info.waiting_since && now >= info.waiting_since + 2 * info.rtt + HURRY_MS * NS_PER_MS;
}

void quic_hurry(struct quic *quic, uint64_t now)
{
    bool is_hello = quic->client && !quic->decrypted;
    if (quic->phase != QUIC_ACTIVE || !(is_hello || is_unanswered(quic, now)))
        return;
    if (is_hello || (quic->flight && !quic->confirmed))
        repeat_flight(quic, now);
    else
        quic->hurry = HURRY_STEPS;
}

/* ngtcp2's clock is put ahead to its probe timeout, after whatever else it waits for: it sends again as new
 * packets, so that the round trip that it measures is true. A copy of the old ones would carry the old time.
 * Its idle time runs ahead too, hence the bound. */
bool flight_hurry(struct quic *quic, uint64_t now)
{
    if (!quic->hurry)
        return false;
    quic->hurry--;
    ngtcp2_tstamp expiry = ngtcp2_conn_get_expiry(quic->conn), ts = quic_clock(quic, now);
    if (expiry <= ts || expiry - ts > SKEW_MAX_S * NS_PER_S - (quic->skew - quic->skew_heard))
        return false;
    /* A server that has sent all it may (RFC 9000 8.1) has no probe timeout: next is the handshake's end. */
    if (!quic->confirmed && expiry >= quic->started + QUIC_HANDSHAKE_S * NS_PER_S)
        return false;
    quic->skew += expiry - ts;
    return true;
}
