/* pour.c - the two ends of a pipe under test: a source of known bytes, and a sink that knows what must come.
 *
 *     pour source BYTES                  writes them to standard output
 *
 *     pour check [STOP-AT SECONDS]       compares each byte; after STOP-AT bytes stops reading for SECONDS
 *
 * The bytes are blocks of 64 KiB that begin with their number, so a lost, doubled or exchanged block is seen
 * as well as an altered byte; comparing costs 0.04 seconds a GB. At the end of input the sink prints one JSON
 * line on standard error: {"bytes":N,"seconds":T,"intact":true,"stopped_at":T,"went_on_at":T}; the seconds
 * run from the first to the last byte, the moments are on the monotonic clock, 0 for never. */
#include "../number.h"

#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    BLOCK = 65536,
    NUMBER = sizeof(uint64_t),
    STOP_MAX_S = 3600, /* no bench waits longer */
};

struct sink {
    uint64_t bytes, wrong;
    double first_s, last_s, stopped_s, went_on_s;
    unsigned char block[BLOCK]; /* what must come next */
};

static double now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Bytes that no compression or repetition could help with: a small generator is enough, nobody attacks it. */
static void block_fill(unsigned char *block)
{
    uint64_t x = 0x9e3779b97f4a7c15u;
    for (size_t at = 0; at < BLOCK; at += sizeof(x)) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        memcpy(block + at, &x, sizeof(x));
    }
}

static void block_number(unsigned char *block, uint64_t number)
{
    memcpy(block, &number, NUMBER);
}

static int source_run(uint64_t total)
{
    static unsigned char block[BLOCK];
    block_fill(block);
    for (uint64_t at = 0; at < total;) {
        size_t offset = (size_t)(at % BLOCK), length = BLOCK - offset;
        if (length > total - at)
            length = (size_t)(total - at);
        block_number(block, at / BLOCK);
        ssize_t written = write(STDOUT_FILENO, block + offset, length);
        if (written <= 0) {
            perror("pour: source");
            return 1;
        }
        at += (uint64_t)written;
    }
    return 0;
}

static void sink_count(struct sink *sink, ssize_t length)
{
    sink->last_s = now_s();
    if (sink->bytes == 0)
        sink->first_s = sink->last_s;
    sink->bytes += (uint64_t)length;
}

/* LENGTH bytes came that all lie in one block. */
static void sink_compare(struct sink *sink, const unsigned char *data, size_t length)
{
    size_t offset = (size_t)(sink->bytes % BLOCK);
    block_number(sink->block, sink->bytes / BLOCK);
    if (memcmp(data, sink->block + offset, length) != 0)
        sink->wrong++;
}

static void sink_stop(struct sink *sink, unsigned seconds)
{
    struct timespec pause = {.tv_sec = seconds};
    sink->stopped_s = now_s();
    nanosleep(&pause, NULL);
    sink->went_on_s = now_s();
}

static ssize_t sink_check(struct sink *sink, uint64_t stop_at, unsigned seconds)
{
    static unsigned char data[BLOCK];
    ssize_t got;
    block_fill(sink->block);
    while ((got = read(STDIN_FILENO, data, BLOCK - (size_t)(sink->bytes % BLOCK))) > 0) {
        sink_compare(sink, data, (size_t)got);
        sink_count(sink, got);
        if (seconds && sink->bytes >= stop_at && sink->stopped_s <= 0)
            sink_stop(sink, seconds);
    }
    return got;
}

static int sink_end(const struct sink *sink, ssize_t got)
{
    fprintf(stderr,
            "{\"bytes\":%" PRIu64
            ",\"seconds\":%.6f,\"intact\":%s,\"stopped_at\":%.3f,\"went_on_at\":%.3f}\n",
            sink->bytes, sink->last_s - sink->first_s, sink->wrong ? "false" : "true", sink->stopped_s,
            sink->went_on_s);
    return got == 0 && sink->wrong == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    static struct sink sink;
    long long bytes, seconds;
    signal(SIGPIPE, SIG_IGN);
    if (argc == 3 && strcmp(argv[1], "source") == 0 && number_read(argv[2], LLONG_MAX, &bytes))
        return source_run((uint64_t)bytes);
    if (argc == 2 && strcmp(argv[1], "check") == 0)
        return sink_end(&sink, sink_check(&sink, 0, 0));
    if (argc == 4 && strcmp(argv[1], "check") == 0 && number_read(argv[2], LLONG_MAX, &bytes) &&
        number_read(argv[3], STOP_MAX_S, &seconds))
        return sink_end(&sink, sink_check(&sink, (uint64_t)bytes, (unsigned)seconds));
    fprintf(stderr, "usage: pour source BYTES | pour check [STOP-AT SECONDS]\n");
    return 2;
}
