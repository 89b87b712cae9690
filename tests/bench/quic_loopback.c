/* quic_loopback.c - what quic.c itself costs: two ends in one process, without sockets.
 *
 * One stream from end to end in virtual time: a batch of either end is handed to the other at the next tick,
 * as a loop with GSO and GRO would. So the figures are CPU time and nothing else: the ceiling of this
 * machine, both sides together.
 *
 *     quic_loopback [GIGABYTES [PAYLOAD]]        default 2, and 1200, 1452, 32000 one after the other */
#include "quic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum {
    TICK_NS = 20000, /* a loop's turn: some 3 batches of 64 KB at 10 Gbit/s would be 150 microseconds */
    IO_BYTES = 65536,
    STALLED_TICKS = 1000000,
};

struct end {
    struct quic *quic;
    uint8_t batch[QUIC_BATCH]; /* what it sent, on its way to the other */
    struct packet out;
    bool full;
};

static uint8_t io[IO_BYTES];

static void fill(void *context, uint8_t *out, size_t len)
{
    uint64_t *state = context;
    for (size_t i = 0; i < len; i++) {
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        out[i] = (uint8_t)(*state >> 56);
    }
}

static double cpu_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static bool end_open(struct end *end, bool client, size_t payload, const struct random *random, uint64_t now)
{
    struct quic_config config = {
        .client = client, .rtt = NS_PER_MS, .payload_max = payload, .random = random};
    memset(config.key, 7, sizeof config.key);
    memset(config.tag, client, sizeof config.tag);
    end->quic = quic_new(&config, now);
    end->full = false;
    return end->quic;
}

static void deliver(struct end *from, struct end *to, uint64_t now)
{
    if (!from->full)
        return;
    from->full = false;
    size_t segment = from->out.segment ? from->out.segment : from->out.len;
    for (size_t at = 0; at < from->out.len; at += segment) {
        size_t len = from->out.len - at < segment ? from->out.len - at : segment;
        quic_input(to->quic, now, &(struct packet){.data = from->batch + at, .len = len});
    }
}

static bool collect(struct end *end, uint64_t now, size_t payload)
{
    end->out = (struct packet){.data = end->batch, .len = sizeof end->batch};
    end->full = quic_output(end->quic, now, &end->out, payload);
    return end->full;
}

struct run {
    uint64_t total, written, read;
    int64_t stream;
    bool failed;
};

static void write_more(struct quic *quic, struct run *run)
{
    while (run->written < run->total) {
        size_t len = run->total - run->written < sizeof io ? (size_t)(run->total - run->written) : sizeof io;
        ptrdiff_t taken = quic_stream_write(quic, run->stream, io, len);
        if (taken <= 0) {
            run->failed = run->failed || taken < 0;
            return;
        }
        run->written += (uint64_t)taken;
    }
}

static void read_more(struct quic *quic, struct run *run)
{
    ptrdiff_t len;
    while ((len = quic_stream_read(quic, run->stream, io, sizeof io)) > 0)
        run->read += (uint64_t)len;
}

static void handle_events(struct end *end, struct run *run, bool sender)
{
    struct quic_event event;
    while (quic_event(end->quic, &event)) {
        if (event.type == QUIC_CLOSED)
            run->failed = true;
        if (sender && event.type == QUIC_WRITABLE)
            write_more(end->quic, run);
        if (!sender && event.type == QUIC_READABLE)
            read_more(end->quic, run);
    }
}

static uint64_t advance(const struct end *a, const struct end *b, uint64_t now, bool moved)
{
    uint64_t next = now + TICK_NS;
    if (moved)
        return next;
    uint64_t due =
        quic_deadline(a->quic) < quic_deadline(b->quic) ? quic_deadline(a->quic) : quic_deadline(b->quic);
    return due > next && due != NEVER ? due : next;
}

static bool transfer(struct end *a, struct end *b, struct run *run, size_t payload, uint64_t now)
{
    unsigned stalled = 0;
    run->stream = quic_stream_open(a->quic, false);
    write_more(a->quic, run);
    while (run->read < run->total && !run->failed) {
        uint64_t before = run->read;
        bool moved = collect(a, now, payload);
        deliver(a, b, now);
        handle_events(b, run, false);
        moved |= collect(b, now, payload);
        now = advance(a, b, now, moved);
        deliver(b, a, now);
        handle_events(a, run, true);
        stalled = run->read > before ? 0 : stalled + 1;
        if (stalled > STALLED_TICKS)
            return false;
    }
    return !run->failed;
}

static bool measure(double gigabytes, size_t payload)
{
    static struct end a, b;
    uint64_t seed = 1, now = NS_PER_S;
    const struct random random = {.fill = fill, .context = &seed};
    struct run run = {.total = (uint64_t)(gigabytes * 1e9)};
    bool ok = end_open(&a, true, payload, &random, now) && end_open(&b, false, payload, &random, now);
    double start = cpu_s();
    ok = ok && transfer(&a, &b, &run, payload, now);
    double used = cpu_s() - start;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    if (ok)
        printf("payload %5zu: %6.2f Gbit/s, %.3f CPU s a GB, %.1f MB resident at most\n", payload,
               (double)run.total * 8 / used / 1e9, used / ((double)run.total / 1e9),
               (double)usage.ru_maxrss / 1e3);
    else
        fprintf(stderr, "payload %zu: the transfer broke off at %llu bytes\n", payload,
                (unsigned long long)run.read);
    quic_free(a.quic);
    quic_free(b.quic);
    return ok;
}

int main(int argc, char **argv)
{
    static const size_t payloads[] = {1200, 1452, 32000};
    double gigabytes = argc > 1 ? strtod(argv[1], NULL) : 2;
    if (gigabytes <= 0) {
        fprintf(stderr, "usage: quic_loopback [GIGABYTES [PAYLOAD]]\n");
        return 2;
    }
    if (argc > 2)
        return !measure(gigabytes, strtoul(argv[2], NULL, 10));
    for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++)
        if (!measure(gigabytes, payloads[i]))
            return 1;
    return 0;
}
