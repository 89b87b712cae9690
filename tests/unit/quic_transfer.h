/* quic_transfer.h - one stream from one end to the other, each byte of it proven. */
#ifndef QUIC_TRANSFER_H
#define QUIC_TRANSFER_H

#include "quic_net.h"

/* Bytes that tell their place in a stream: a period that no packet, chunk or window divides. */
enum { PERIOD = 65521 };

static inline const uint8_t *pattern(uint64_t offset)
{
    static uint8_t table[2 * PERIOD];
    for (size_t i = 0; !table[1] && i < PERIOD; i++)
        table[i] = table[i + PERIOD] = (uint8_t)(i * 167 + (i >> 8) + 1);
    return table + offset % PERIOD;
}

/* One stream from one end to the other. */
struct transfer {
    int from;
    int64_t stream;
    uint64_t total, written, read;
    bool finished, paused, readable, ended, damaged;
    uint64_t ended_at;
    uint64_t next_payload_at; /* bytes read; the payload changes from time to time when `payloads` is set */
    const size_t *payloads;
};

static inline void pump_writer(struct net *net, struct transfer *t)
{
    struct quic *quic = net->end[t->from];
    while (t->written < t->total) {
        size_t len = t->total - t->written < 60000 ? (size_t)(t->total - t->written) : 60000;
        ptrdiff_t taken = quic_stream_write(quic, t->stream, pattern(t->written), len);
        assert_true(taken >= 0);
        t->written += (uint64_t)taken;
        if ((size_t)taken < len)
            return;
    }
    if (!t->finished)
        quic_stream_finish(quic, t->stream);
    t->finished = true;
}

static inline void pump_reader(struct net *net, struct transfer *t)
{
    static uint8_t bytes[PERIOD];
    ptrdiff_t len;
    while (!t->paused && (len = quic_stream_read(net->end[!t->from], t->stream, bytes, sizeof bytes)) >= 0) {
        if (!len) {
            t->ended = true;
            t->ended_at = net->now;
            return;
        }
        t->damaged = t->damaged || memcmp(bytes, pattern(t->read), (size_t)len);
        t->read += (uint64_t)len;
        if (t->payloads && t->read >= t->next_payload_at) {
            net->payload = *t->payloads;
            t->payloads += t->payloads[1] != 0;
            t->next_payload_at += t->total / 10;
        }
    }
    if (!t->paused)
        assert_int_equal(len, QUIC_BLOCKED);
}

static inline void transfer_event(struct net *net, int end, const struct quic_event *event)
{
    struct transfer *t = net->test;
    if (event->type == QUIC_WRITABLE && end == t->from)
        pump_writer(net, t);
    if (event->type == QUIC_READABLE && end != t->from && event->stream == t->stream)
        pump_reader(net, t);
}

static inline struct transfer *transfer_start(struct net *net, int from, uint64_t total)
{
    struct transfer *t = calloc(1, sizeof *t);
    assert_non_null(t);
    *t = (struct transfer){.from = from, .total = total, .stream = quic_stream_open(net->end[from], false)};
    assert_true(t->stream >= 0);
    net->test = t;
    net->on_event = transfer_event;
    pump_writer(net, t);
    return t;
}

static inline void assert_arrived(const struct net *net)
{
    const struct transfer *t = net->test;
    assert_true(t->ended);
    assert_false(t->damaged);
    assert_int_equal(t->read, t->total);
    assert_true(quic_stream_drained(net->end[t->from], t->stream));
}

#endif
