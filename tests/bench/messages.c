/* messages.c - many small messages over one stream, on the public header alone.
 *
 *     messages send BROKER ROOM COUNT BYTES       writes them one by one, as fast as they are taken
 *     messages receive BROKER ROOM COUNT BYTES    reads them one by one
 *
 * A message is what chat makes of a line: its length in 4 bytes, big-endian, and the text; each is a
 * p2p_stream_write of its own, and read as chat reads it, the length first. Each text begins with its number,
 * so that a lost, doubled or exchanged one is seen. The receiver prints one JSON line:
 * {"messages":N,"seconds":T}, the seconds from the first to the last. */
#include "../number.h"
#include "p2pconnect.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    KIND = 'c',
    HEADER = 4,
    NUMBER = sizeof(uint64_t),
    BYTES_MAX = 65536,
    COUNT_MAX = 1000000000,
    PATIENCE_S = 30, /* without an event */
};

struct run {
    struct p2p_node *node;
    struct p2p_stream *stream;
    uint64_t count, done;
    size_t bytes;
    size_t have; /* of a message, in or out */
    uint8_t message[HEADER + BYTES_MAX];
    double first_s, last_s;
    bool sends, over;
};

static double now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void fail(const char *why)
{
    fprintf(stderr, "messages: %s\n", why);
    exit(1);
}

static void message_begin(struct run *run)
{
    uint32_t len = (uint32_t)run->bytes;
    uint8_t header[HEADER] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len};
    memcpy(run->message, header, HEADER);
    memcpy(run->message + HEADER, &run->done, NUMBER);
    run->have = 0;
}

static void write_messages(struct run *run)
{
    while (run->done < run->count) {
        size_t len = HEADER + run->bytes - run->have;
        if (!run->have)
            message_begin(run);
        ptrdiff_t taken = p2p_stream_write(run->stream, run->message + run->have, len);
        if (taken < 0)
            fail(p2p_strerror((int)taken));
        run->have += (size_t)taken;
        if ((size_t)taken < len)
            return;
        run->have = 0;
        run->done++;
    }
    p2p_stream_finish(run->stream);
}

static void message_check(struct run *run)
{
    uint64_t number;
    memcpy(&number, run->message + HEADER, NUMBER);
    if (number != run->done)
        fail("a message is not the one that was due");
    run->last_s = now_s();
    if (!run->done++)
        run->first_s = run->last_s;
    run->have = 0;
}

static size_t message_end(const struct run *run)
{
    if (run->have < HEADER)
        return HEADER;
    const uint8_t *m = run->message;
    size_t len = (size_t)m[0] << 24 | (size_t)m[1] << 16 | (size_t)m[2] << 8 | m[3];
    if (len != run->bytes)
        fail("a message has another length");
    return HEADER + len;
}

static void read_messages(struct run *run)
{
    for (;;) {
        size_t want = message_end(run) - run->have;
        ptrdiff_t got = p2p_stream_read(run->stream, run->message + run->have, want);
        if (got == P2P_EAGAIN)
            return;
        if (got < 0)
            fail(p2p_strerror((int)got));
        if (got == 0) { /* the end, and the answer that it was read */
            run->over = true;
            p2p_stream_finish(run->stream);
            return;
        }
        run->have += (size_t)got;
        if (run->have == HEADER + run->bytes)
            message_check(run);
    }
}

/* The receiver's end is all that ever comes back. */
static void await_receipt(struct run *run)
{
    uint8_t byte;
    ptrdiff_t got = p2p_stream_read(run->stream, &byte, 1);
    if (got == 0 || got == P2P_EGONE)
        run->over = true;
    else if (got != P2P_EAGAIN)
        fail("the receiver said something else than its end");
}

static void take_event(struct run *run, const struct p2p_event *event)
{
    if (event->type == P2P_EVENT_CONNECTED && run->sends) {
        if (p2p_stream_open(&run->stream, event->peer, KIND, 0))
            fail("no stream");
        write_messages(run);
    } else if (event->type == P2P_EVENT_STREAM) {
        run->stream = event->stream;
        read_messages(run);
    } else if (event->type == P2P_EVENT_READABLE) {
        if (run->sends)
            await_receipt(run);
        else
            read_messages(run);
    } else if (event->type == P2P_EVENT_WRITABLE && run->stream && run->sends) {
        write_messages(run);
    } else if (event->type == P2P_EVENT_CLOSED) {
        run->over = true;
    } else if (event->type == P2P_EVENT_LEFT) {
        run->over = true;
    }
}

/* Until `over`. */
static void work(struct run *run)
{
    struct p2p_event event;
    run->over = false;
    while (!run->over) {
        int got = p2p_node_wait(run->node, PATIENCE_S * INT64_C(1000000000));
        if (got < 0)
            fail(p2p_strerror(got));
        if (got == 0)
            fail("nothing happens");
        while (!run->over && p2p_next_event(run->node, &event))
            take_event(run, &event);
    }
}

static void start(struct run *run, const char *broker, const char *room)
{
    const char *brokers[] = {broker, NULL}, *stun[] = {"none", NULL};
    struct p2p_config config = {.size = sizeof config,
                                .brokers = brokers,
                                .stun = stun,
                                .max_peers = 1,
                                .no_portmap = 1,
                                .no_memory = 1};
    int err = p2p_node_new(&run->node, &config);
    if (!err)
        err = p2p_node_start(run->node);
    if (!err)
        err = p2p_join(run->node, room, NULL, 0);
    if (err)
        fail(p2p_strerror(err));
}

int main(int argc, char **argv)
{
    static struct run run;
    long long count, bytes;
    if (argc != 6 || (strcmp(argv[1], "send") != 0 && strcmp(argv[1], "receive") != 0) ||
        !number_read(argv[4], COUNT_MAX, &count) || !number_read(argv[5], BYTES_MAX, &bytes) ||
        bytes < (long long)NUMBER) {
        fprintf(stderr, "usage: messages send|receive BROKER ROOM COUNT BYTES\n");
        return 2;
    }
    run.sends = strcmp(argv[1], "send") == 0;
    run.count = (uint64_t)count, run.bytes = (size_t)bytes;
    start(&run, argv[2], argv[3]);
    work(&run);
    p2p_leave(run.node);
    work(&run);
    p2p_stream_free(run.stream);
    p2p_node_free(run.node);
    if (!run.sends)
        printf("{\"messages\":%" PRIu64 ",\"seconds\":%.6f}\n", run.done, run.last_s - run.first_s);
    return run.done == run.count ? 0 : 1;
}
