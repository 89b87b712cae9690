/* raw_streams.c - a peer that says whatever it is told to: raw_streams ROOM BROKER PURPOSE [hasty]
 *
 * On standard input come lines: "open KIND WAYS" (a character; 1 or 2), which numbers streams from 0 on as
 * they are opened by either side; "write N LEN" and then LEN bytes; "finish N"; "free N"; "deaf N": read no
 * more. On standard output go "connected", "stream N KIND", "data N LEN" with bytes, "end N", "gone N", and
 * "closed DETAIL". Who is hasty goes as soon as it is connected. It stands on the public header alone. */
#include "p2pconnect.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STREAMS_MAX = 4096, LINE_MAX_LEN = 80, IN_MAX = 1 << 20 };

struct out {
    struct p2p_stream *stream;
    char *data; /* not written yet */
    size_t at, len;
    bool finish, deaf, ended;
};

static struct p2p_node *node;
static struct p2p_peer *peer;
static struct out outs[STREAMS_MAX];
static unsigned count;
static char in[IN_MAX];
static size_t in_len;
static unsigned body_of;
static size_t body_left;
static bool input_ended, hasty;
static char closed[40];

static void die(const char *what)
{
    fprintf(stderr, "raw_streams: %s\n", what);
    exit(1);
}

static unsigned take(struct p2p_stream *stream)
{
    if (count == STREAMS_MAX)
        die("too many streams");
    outs[count] = (struct out){.stream = stream};
    return count++;
}

static void flush_out(struct out *out)
{
    while (out->stream && out->at < out->len) {
        ptrdiff_t taken = p2p_stream_write(out->stream, out->data + out->at, out->len - out->at);
        if (taken <= 0)
            return;
        out->at += (size_t)taken;
    }
    if (out->at == out->len)
        out->at = out->len = 0;
    if (out->finish && !out->len && out->stream)
        p2p_stream_finish(out->stream);
}

static void append(struct out *out, const char *data, size_t len)
{
    out->data = realloc(out->data, out->len + len);
    if (!out->data)
        die("no memory");
    memcpy(out->data + out->len, data, len);
    out->len += len;
}

static void obey(const char *line)
{
    char kind;
    unsigned number, ways;
    size_t len;
    struct p2p_stream *stream;
    if (sscanf(line, "open %c %u", &kind, &ways) == 2) {
        bool good = peer && p2p_stream_open(&stream, peer, (uint8_t)kind, ways == 1 ? P2P_ONE_WAY : 0) == 0;
        take(good ? stream : NULL);
    } else if (sscanf(line, "write %u %zu", &number, &len) == 2 && number < count) {
        body_of = number, body_left = len;
    } else if (sscanf(line, "finish %u", &number) == 1 && number < count) {
        outs[number].finish = true;
    } else if (sscanf(line, "free %u", &number) == 1 && number < count) {
        p2p_stream_free(outs[number].stream);
        outs[number].stream = NULL;
    } else if (sscanf(line, "deaf %u", &number) == 1 && number < count) {
        outs[number].deaf = true;
    } else {
        die(line);
    }
}

static void take_input(void)
{
    size_t at = 0;
    while (at < in_len) {
        if (body_left) {
            size_t len = in_len - at < body_left ? in_len - at : body_left;
            append(&outs[body_of], in + at, len);
            at += len, body_left -= len;
            continue;
        }
        char *end = memchr(in + at, '\n', in_len - at);
        if (!end)
            break;
        *end = '\0';
        obey(in + at);
        at = (size_t)(end - in) + 1;
    }
    memmove(in, in + at, in_len - at);
    in_len -= at;
}

static bool waits_to_write(void)
{
    size_t all = 0;
    for (unsigned i = 0; i < count; i++)
        all += outs[i].len - outs[i].at;
    return all > 8 * (size_t)IN_MAX;
}

static void read_input(void)
{
    ssize_t got = read(STDIN_FILENO, in + in_len, sizeof in - in_len);
    if (got < 0 && errno == EAGAIN)
        return;
    input_ended = got <= 0;
    in_len += got > 0 ? (size_t)got : 0;
    take_input();
}

static void read_stream(unsigned number)
{
    static char data[65536];
    struct out *out = &outs[number];
    while (out->stream && !out->deaf && !out->ended) {
        ptrdiff_t got = p2p_stream_read(out->stream, data, sizeof data);
        if (got == P2P_EAGAIN)
            return;
        out->ended = got <= 0;
        if (got > 0)
            printf("data %u %td\n", number, got);
        else
            printf("%s %u\n", got == 0 ? "end" : "gone", number);
        if (got > 0)
            fwrite(data, 1, (size_t)got, stdout);
    }
}

/* False: the peer is gone. */
static bool take_events(void)
{
    struct p2p_event event;
    while (p2p_next_event(node, &event)) {
        if (event.type == P2P_EVENT_CONNECTED && !peer) {
            peer = event.peer;
            printf("connected\n");
            if (hasty)
                p2p_peer_close(peer, NULL);
        } else if (event.type == P2P_EVENT_STREAM) {
            printf("stream %u %c\n", take(event.stream), event.kind);
        } else if (event.type == P2P_EVENT_CLOSED && event.peer == peer && peer) {
            snprintf(closed, sizeof closed, "%s", event.detail);
            return false;
        }
    }
    return true;
}

static void start(char **argv)
{
    const char *brokers[] = {argv[2], NULL}, *stun[] = {"none", NULL};
    struct p2p_config config = {.size = sizeof config, .brokers = brokers, .stun = stun, .purpose = argv[3]};
    config.name = "mallory";
    config.no_portmap = config.no_memory = 1;
    config.max_streams = STREAMS_MAX;
    if (p2p_node_new(&node, &config) || p2p_node_start(node) || p2p_join(node, argv[1], NULL, 0))
        die("cannot start");
    fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
}

int main(int argc, char **argv)
{
    hasty = argc == 5 && strcmp(argv[4], "hasty") == 0;
    if (argc != 4 && !hasty)
        die("ROOM BROKER PURPOSE [hasty]");
    start(argv);
    bool going = true;
    while (going) {
        int64_t timeout = p2p_node_timeout(node);
        bool reads = peer && !input_ended && !waits_to_write();
        struct pollfd fds[2] = {{.fd = p2p_node_fd(node), .events = POLLIN},
                                {.fd = reads ? STDIN_FILENO : -1, .events = POLLIN}};
        poll(fds, 2, timeout < 0 ? -1 : (int)(timeout / 1000000 + 1));
        if (reads && fds[1].revents)
            read_input();
        for (unsigned i = 0; i < count; i++)
            flush_out(&outs[i]);
        p2p_node_process(node);
        going = take_events();
        for (unsigned i = 0; i < count; i++)
            read_stream(i);
        fflush(stdout);
        going = going && !(input_ended && !peer);
    }
    if (*closed)
        printf("closed %s\n", closed); /* after all that was said before it */
    p2p_node_free(node);
    return 0;
}
