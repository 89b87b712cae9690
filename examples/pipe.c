/* pipe ROOM [BROKER [STUN]] - standard input to one peer, its bytes to standard output. */
#include "p2pconnect.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum { KIND = 'p' };

struct pipe {
    struct p2p_node *node;
    struct p2p_stream *out, *in; /* ours, theirs */
    char data[65536];
    size_t at, end;                /* what the stream has not taken yet */
    int sent, received, confirmed; /* our end is out; theirs is in; they have everything */
    int failed, gone;              /* a write here; they left */
};

static void receive(struct pipe *pipe)
{
    char data[65536];
    ptrdiff_t got = P2P_EAGAIN;
    while (pipe->in && !pipe->received && (got = p2p_stream_read(pipe->in, data, sizeof data)) > 0)
        if (write(STDOUT_FILENO, data, (size_t)got) != got) /* blocks: a real program would poll for it */
            pipe->failed = 1;
    if (got == 0) {
        pipe->received = 1;
        p2p_stream_finish(pipe->in); /* the way back on their stream is empty: we have everything */
    }
    if (pipe->sent && p2p_stream_read(pipe->out, data, sizeof data) == 0)
        pipe->confirmed = 1;
}

static void send_more(struct pipe *pipe)
{
    if (pipe->at < pipe->end) {
        ptrdiff_t taken = p2p_stream_write(pipe->out, pipe->data + pipe->at, pipe->end - pipe->at);
        pipe->at += taken > 0 ? (size_t)taken : 0; /* the rest after WRITABLE */
        return;
    }
    ssize_t got = read(STDIN_FILENO, pipe->data, sizeof pipe->data);
    pipe->at = 0, pipe->end = got > 0 ? (size_t)got : 0;
    if (got <= 0) {
        p2p_stream_finish(pipe->out);
        pipe->sent = 1;
    } else {
        send_more(pipe);
    }
}

static void take(struct pipe *pipe, const struct p2p_event *event)
{
    if (event->type == P2P_EVENT_CONNECTED && p2p_stream_open(&pipe->out, event->peer, KIND, 0))
        pipe->gone = 1;
    if (event->type == P2P_EVENT_STREAM && event->kind == KIND && !pipe->in)
        pipe->in = event->stream;
    if (event->type == P2P_EVENT_WRITABLE && event->stream == pipe->out && pipe->at < pipe->end)
        send_more(pipe);
    if (event->type == P2P_EVENT_CLOSED && pipe->out)
        pipe->gone = 1;
}

/* Waits for the library, and for standard input while the stream takes bytes. */
static void turn(struct pipe *pipe)
{
    struct p2p_event event;
    struct pollfd fds[2] = {{.fd = p2p_node_fd(pipe->node), .events = POLLIN}, {.fd = -1, .events = POLLIN}};
    int64_t timeout = p2p_node_timeout(pipe->node);
    if (pipe->out && !pipe->sent && pipe->at == pipe->end)
        fds[1].fd = STDIN_FILENO;
    poll(fds, 2, timeout < 0 ? -1 : (int)((timeout + 999999) / 1000000));
    if (fds[1].revents)
        send_more(pipe);
    if (p2p_node_process(pipe->node) < 0)
        pipe->gone = 1;
    while (p2p_next_event(pipe->node, &event))
        take(pipe, &event);
    receive(pipe);
}

int main(int argc, char **argv)
{
    const char *brokers[] = {argc > 2 ? argv[2] : NULL, NULL}, *stun[] = {argc > 3 ? argv[3] : NULL, NULL};
    struct p2p_config config = {.size = sizeof config,
                                .brokers = brokers,
                                .stun = stun,
                                .no_portmap = argc > 3,
                                .purpose = "pipe",
                                .max_peers = 1};
    static struct pipe pipe;
    if (argc < 2 || p2p_node_new(&pipe.node, &config) || p2p_node_start(pipe.node) ||
        p2p_join(pipe.node, argv[1], NULL, 0))
        return 2;
    while (!pipe.gone && !pipe.failed && !(pipe.confirmed && pipe.received && p2p_stream_drained(pipe.in)))
        turn(&pipe); /* drained: they know that we have everything, and goodbye can lose nothing */
    p2p_leave(pipe.node);
    for (struct p2p_event event = {0}; event.type != P2P_EVENT_LEFT; p2p_next_event(pipe.node, &event))
        p2p_node_wait(pipe.node, -1);
    p2p_stream_free(pipe.in), p2p_stream_free(pipe.out);
    p2p_node_free(pipe.node);
    return pipe.failed || !(pipe.confirmed && pipe.received);
}
