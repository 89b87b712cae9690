/* quic_line.c - what a line makes of quic.c: rate, delay, queue and loss, in virtual time.
 *
 * Streams over a line that has a queue with an end, and loses packets by chance besides. With the same
 * arguments the same figures come out, on any machine, in seconds. So two ways to meet loss can be compared.
 *
 *     quic_line MBIT RTT-MS QUEUE-MS LOSS-PERCENT SECONDS [STREAMS [cubic|bbr]...]
 *
 * Loss is of each way, the rate of the way there; QUEUE is at least ten packets. One stream unless said; a
 * second and a third cubic or bbr are further connections over the same line. */
#include "quic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IO_BYTES = 65536, PAYLOAD = 1200, HEADERS = 28, QUEUE_LEAST = 12000, STREAMS_MAX = 64, RUNS_MAX = 3 };

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
};

/* A connection over it. */
struct run {
    struct line *line;
    struct way to[2]; /* [1]: there, through the queue; [0]: back */
    unsigned long sent, dropped;
    struct quic *side[2];
    int64_t stream[STREAMS_MAX];
    int streams;
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
static uint64_t arrival(struct run *run, int to, uint64_t now, size_t len)
{
    struct line *line = run->line;
    if (draw() < line->loss)
        return 0;
    if (to == 0)
        return now + line->delay;
    if (line->free_at < now)
        line->free_at = now;
    if ((double)(line->free_at - now) * line->bytes_per_ns + (double)len > line->queue) {
        run->dropped++;
        return 0;
    }
    line->free_at += (uint64_t)((double)(len + HEADERS) / line->bytes_per_ns);
    return line->free_at + line->delay;
}

static void line_take(struct run *run, int to, uint64_t now, const uint8_t *data, size_t len)
{
    struct way *way = &run->to[to];
    uint64_t due = arrival(run, to, now, len);
    run->sent += to == 1;
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
    for (int i = 0; side == 0 && i < run->streams; i++)
        while (quic_stream_write(run->side[0], run->stream[i], io, sizeof io) > 0)
            continue;
}

static void send_all(struct run *run, int side, uint64_t now)
{
    static uint8_t batch[QUIC_BATCH];
    struct packet out = {.data = batch, .len = sizeof batch};
    handle_events(run, side);
    while (quic_output(run->side[side], now, &out, PAYLOAD)) {
        for (size_t at = 0; at < out.len; at += PAYLOAD)
            line_take(run, 1 - side, now, batch + at, out.len - at < PAYLOAD ? out.len - at : PAYLOAD);
        out = (struct packet){.data = batch, .len = sizeof batch};
        handle_events(run, side);
    }
}

static void deliver(struct run *run, int side, uint64_t now)
{
    struct flight *flight;
    while ((flight = run->to[side].first) && flight->due <= now) {
        run->to[side].first = flight->next;
        quic_input(run->side[side], now, &(struct packet){.data = flight->data, .len = flight->len});
        free(flight);
    }
}

static uint64_t next_moment(const struct run *run)
{
    uint64_t next = NEVER;
    for (int side = 0; side < 2; side++) {
        const struct flight *flight = run->to[side].first;
        next = earlier(next, earlier(quic_deadline(run->side[side]), flight ? flight->due : NEVER));
    }
    return next;
}

static bool start(struct run *run, uint64_t now, enum quic_congestion congestion)
{
    static const struct random random = {.fill = fill};
    for (int side = 0; side < 2; side++) {
        struct quic_config config = {
            .client = side == 0, .rtt = 2 * run->line->delay, .congestion = congestion, .random = &random};
        memset(config.key, 7, sizeof config.key);
        memset(config.tag, side, sizeof config.tag);
        run->side[side] = quic_new(&config, now);
        if (!run->side[side])
            return false;
    }
    for (int i = 0; i < run->streams; i++)
        run->stream[i] = quic_stream_open(run->side[0], false);
    send_all(run, 0, now);
    return true;
}

/* Until `end`; a moment is never earlier than the one before it. */
static void transfer(struct run *runs, int count, uint64_t now, uint64_t end)
{
    while (now < end) {
        uint64_t next = NEVER;
        for (int i = 0; i < count; i++) {
            for (int side = 0; side < 2; side++)
                deliver(&runs[i], side, now);
            for (int side = 0; side < 2; side++)
                send_all(&runs[i], side, now);
            next = earlier(next, next_moment(&runs[i]));
        }
        now = next > now ? next : now + 1;
    }
}

/* The numbers of the command line, STREAMS at last; false: wrong usage. */
static bool read_numbers(int argc, char **argv, double number[6])
{
    if (argc < 6 || argc > 7 + RUNS_MAX)
        return false;
    number[5] = 1;
    for (int i = 0; i < 6 && i + 1 < argc; i++)
        number[i] = strtod(argv[i + 1], NULL);
    return number[0] > 0 && number[1] >= 0 && number[2] >= 0 && number[3] >= 0 && number[3] < 100 &&
           number[4] > 0 && number[5] >= 1 && number[5] <= STREAMS_MAX;
}

static bool read_congestion(const char *word, enum quic_congestion *out)
{
    *out = strcmp(word, "cubic") == 0 ? QUIC_CONGESTION_CUBIC : QUIC_CONGESTION_BBR;
    return *out == QUIC_CONGESTION_CUBIC || strcmp(word, "bbr") == 0;
}

int main(int argc, char **argv)
{
    static struct run runs[RUNS_MAX];
    double number[6];
    enum quic_congestion congestion[RUNS_MAX] = {QUIC_CONGESTION_DEFAULT};
    bool good = read_numbers(argc, argv, number);
    int count = good && argc > 7 ? argc - 7 : 1;
    for (int i = 0; good && i + 7 < argc; i++)
        good = read_congestion(argv[i + 7], &congestion[i]);
    if (!good) {
        fprintf(stderr,
                "usage: quic_line MBIT RTT-MS QUEUE-MS LOSS-PERCENT SECONDS [STREAMS [cubic|bbr]...]\n");
        return 2;
    }
    double bytes_per_ns = number[0] / 8e3, queue = number[2] * 1e6 * bytes_per_ns;
    struct line line = {.bytes_per_ns = bytes_per_ns,
                        .queue = queue > QUEUE_LEAST ? queue : QUEUE_LEAST,
                        .loss = number[3] / 100,
                        .delay = (uint64_t)(number[1] * 1e6 / 2)};
    for (int i = 0; i < count; i++) {
        runs[i].line = &line, runs[i].streams = (int)number[5];
        if (!start(&runs[i], NS_PER_S, congestion[i]))
            return 1;
    }
    transfer(runs, count, NS_PER_S, NS_PER_S + (uint64_t)(number[4] * 1e9));
    bool failed = false;
    for (int i = 0; i < count; i++) {
        printf("%.2f Mbit/s, %.1f %% of %lu packets found the queue full\n",
               (double)runs[i].read * 8 / number[4] / 1e6,
               runs[i].sent ? 100 * (double)runs[i].dropped / (double)runs[i].sent : 0, runs[i].sent);
        for (int side = 0; side < 2; side++)
            quic_free(runs[i].side[side]);
        failed |= runs[i].failed;
    }
    return failed;
}
