/* quic_line.c - what a line makes of quic.c: rate, delay, queue and loss, in virtual time.
 *
 * One stream over a line that has a queue with an end, and loses packets by chance besides. With the same
 * arguments the same figures come out, on any machine, in seconds. So two ways to meet loss can be compared.
 *
 *     quic_line MBIT RTT-MS QUEUE-MS LOSS-PERCENT SECONDS [bbr]
 *
 * Loss is of each way, the rate of the way there; QUEUE is at least ten packets. */
#include "quic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IO_BYTES = 65536, PAYLOAD = 1200, HEADERS = 28, QUEUE_LEAST = 12000 };

struct flight {
    struct flight *next;
    uint64_t due;
    size_t len;
    uint8_t data[PAYLOAD];
};

/* What is on its way to one side, in the order of arrival. */
struct way {
    struct flight *first, *last;
};

struct line {
    double bytes_per_ns, queue, loss;
    uint64_t delay, free_at; /* when the last packet has left the queue */
    struct way to[2];        /* [1]: there, through the queue; [0]: back */
    unsigned long sent, dropped;
};

struct run {
    struct line line;
    struct quic *side[2];
    int64_t stream;
    uint64_t read;
    bool failed;
};

static uint64_t state = 1;
static uint8_t io[IO_BYTES];

static double draw(void)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(state >> 11) / (double)(UINT64_C(1) << 53);
}

static void fill(void *context, uint8_t *out, size_t len)
{
    (void)context;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(draw() * 256);
}

/* When a packet that leaves now arrives; 0: never. */
static uint64_t arrival(struct line *line, int to, uint64_t now, size_t len)
{
    if (draw() < line->loss)
        return 0;
    if (to == 0)
        return now + line->delay;
    if (line->free_at < now)
        line->free_at = now;
    if ((double)(line->free_at - now) * line->bytes_per_ns + (double)len > line->queue) {
        line->dropped++;
        return 0;
    }
    line->free_at += (uint64_t)((double)(len + HEADERS) / line->bytes_per_ns);
    return line->free_at + line->delay;
}

static void line_take(struct line *line, int to, uint64_t now, const uint8_t *data, size_t len)
{
    struct way *way = &line->to[to];
    uint64_t due = arrival(line, to, now, len);
    line->sent += to == 1;
    if (!due)
        return;
    struct flight *flight = malloc(sizeof *flight);
    if (!flight)
        abort();
    flight->next = NULL, flight->due = due, flight->len = len;
    memcpy(flight->data, data, len);
    if (way->first)
        way->last->next = flight;
    else
        way->first = flight;
    way->last = flight;
}

static void handle_events(struct run *run, int side)
{
    struct quic_event event;
    ptrdiff_t got;
    while (quic_event(run->side[side], &event)) {
        run->failed = run->failed || event.type == QUIC_CLOSED;
        while (side == 1 && event.type == QUIC_READABLE &&
               (got = quic_stream_read(run->side[1], event.stream, io, sizeof io)) > 0)
            run->read += (uint64_t)got;
    }
    while (side == 0 && quic_stream_write(run->side[0], run->stream, io, sizeof io) > 0)
        continue;
}

static void send_all(struct run *run, int side, uint64_t now)
{
    static uint8_t batch[QUIC_BATCH];
    struct packet out = {.data = batch, .len = sizeof batch};
    handle_events(run, side);
    while (quic_output(run->side[side], now, &out, PAYLOAD)) {
        for (size_t at = 0; at < out.len; at += PAYLOAD)
            line_take(&run->line, 1 - side, now, batch + at, out.len - at < PAYLOAD ? out.len - at : PAYLOAD);
        out = (struct packet){.data = batch, .len = sizeof batch};
        handle_events(run, side);
    }
}

static void deliver(struct run *run, int side, uint64_t now)
{
    struct flight *flight;
    while ((flight = run->line.to[side].first) && flight->due <= now) {
        run->line.to[side].first = flight->next;
        quic_input(run->side[side], now, &(struct packet){.data = flight->data, .len = flight->len});
        free(flight);
    }
}

static uint64_t next_moment(const struct run *run)
{
    uint64_t next = NEVER;
    for (int side = 0; side < 2; side++) {
        const struct flight *flight = run->line.to[side].first;
        uint64_t deadline = quic_deadline(run->side[side]);
        next = deadline < next ? deadline : next;
        next = flight && flight->due < next ? flight->due : next;
    }
    return next;
}

static bool start(struct run *run, uint64_t now, enum quic_congestion congestion)
{
    static const struct random random = {.fill = fill};
    for (int side = 0; side < 2; side++) {
        struct quic_config config = {
            .client = side == 0, .rtt = 2 * run->line.delay, .congestion = congestion, .random = &random};
        memset(config.key, 7, sizeof config.key);
        memset(config.tag, side, sizeof config.tag);
        run->side[side] = quic_new(&config, now);
        if (!run->side[side])
            return false;
    }
    run->stream = quic_stream_open(run->side[0], false);
    send_all(run, 0, now);
    return true;
}

/* Until `end`; a moment is never earlier than the one before it. */
static void transfer(struct run *run, uint64_t now, uint64_t end)
{
    while (now < end && !run->failed) {
        for (int side = 0; side < 2; side++)
            deliver(run, side, now);
        for (int side = 0; side < 2; side++)
            send_all(run, side, now);
        uint64_t next = next_moment(run);
        now = next > now ? next : now + 1;
    }
}

int main(int argc, char **argv)
{
    static struct run run;
    double arg[5];
    bool bbr = argc == 7 && strcmp(argv[6], "bbr") == 0;
    for (int i = 0; i < 5; i++)
        arg[i] = argc == 6 || bbr ? strtod(argv[i + 1], NULL) : -1;
    if (arg[0] <= 0 || arg[1] < 0 || arg[2] < 0 || arg[3] < 0 || arg[3] >= 100 || arg[4] <= 0) {
        fprintf(stderr, "usage: quic_line MBIT RTT-MS QUEUE-MS LOSS-PERCENT SECONDS [bbr]\n");
        return 2;
    }
    double bytes_per_ns = arg[0] / 8e3, queue = arg[2] * 1e6 * bytes_per_ns;
    run.line = (struct line){.bytes_per_ns = bytes_per_ns,
                             .queue = queue > QUEUE_LEAST ? queue : QUEUE_LEAST,
                             .loss = arg[3] / 100,
                             .delay = (uint64_t)(arg[1] * 1e6 / 2)};
    if (!start(&run, NS_PER_S, bbr ? QUIC_CONGESTION_BBR : QUIC_CONGESTION_DEFAULT))
        return 1;
    transfer(&run, NS_PER_S, NS_PER_S + (uint64_t)(arg[4] * 1e9));
    printf("%.2f Mbit/s, %.1f %% of %lu packets found the queue full\n", (double)run.read * 8 / arg[4] / 1e6,
           run.line.sent ? 100 * (double)run.line.dropped / (double)run.line.sent : 0, run.line.sent);
    for (int side = 0; side < 2; side++)
        quic_free(run.side[side]);
    return run.failed;
}
