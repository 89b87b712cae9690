/* echo.c - sends back what a peer sends: the library with its own wait.
 *
 *     echo ROOM [BROKER [STUN]]        the other side: pipe ROOM, or p2pconnect pipe --room ROOM
 */
#include "p2pconnect.h"

#include <stdio.h>
#include <stdlib.h>

enum { KIND = 'p' }; /* what p2pconnect's pipe and echo call their streams */

/* A stream that came, and the one on which its bytes go back. */
struct flow {
    struct p2p_stream *in, *out;
    int ended;
};

static void flow_move(struct flow *flow)
{
    struct iovec piece;
    ptrdiff_t count;
    if (flow->ended)
        return;
    while ((count = p2p_stream_peek(flow->in, &piece, 1)) > 0) {
        ptrdiff_t taken = p2p_stream_write(flow->out, piece.iov_base, piece.iov_len);
        if (taken <= 0)
            return; /* WRITABLE follows; what is not read meanwhile holds the sender back */
        p2p_stream_consume(flow->in, (size_t)taken);
    }
    if (count == P2P_EAGAIN)
        return; /* READABLE follows */
    flow->ended = 1;
    p2p_stream_finish(flow->out);
    p2p_stream_finish(
        flow->in); /* our way back on their stream is empty: its end says that we have everything */
}

/* One flow for each peer; a second stream is refused. */
static void flow_begin(struct p2p_peer *peer, struct p2p_stream *in, uint8_t kind)
{
    struct flow *flow = kind == KIND && !p2p_peer_user(peer) ? calloc(1, sizeof *flow) : NULL;
    if (!flow || p2p_stream_open(&flow->out, peer, KIND, 0)) {
        free(flow);
        p2p_stream_free(in);
        return;
    }
    flow->in = in;
    p2p_peer_set_user(peer, flow);
}

static void take(const struct p2p_event *event)
{
    if (event->type == P2P_EVENT_CONNECTED)
        fprintf(stderr, "connected: %s\n", p2p_peer_id(event->peer));
    if (event->type == P2P_EVENT_BROKER)
        fprintf(stderr, "%s\n", event->text);
    if (event->type == P2P_EVENT_STREAM)
        flow_begin(event->peer, event->stream, event->kind);
    struct flow *flow = event->peer ? p2p_peer_user(event->peer) : NULL;
    if (flow)
        flow_move(flow);
    if (flow && event->type == P2P_EVENT_CLOSED) {
        p2p_stream_free(flow->in);
        p2p_stream_free(flow->out);
        free(flow);
    }
}

int main(int argc, char **argv)
{
    const char *brokers[] = {argc > 2 ? argv[2] : NULL, NULL}, *stun[] = {argc > 3 ? argv[3] : NULL, NULL};
    struct p2p_config config = {.size = sizeof config,
                                .brokers = brokers,
                                .stun = stun,
                                .no_portmap = argc > 3,
                                .name = "echo",
                                .purpose = "echo"};
    struct p2p_node *node = NULL;
    struct p2p_event event;
    if (argc < 2)
        return 2;
    int error = p2p_node_new(&node, &config);
    if (!error)
        error = p2p_node_start(node);
    if (!error)
        error = p2p_join(node, argv[1], NULL, 0);
    while (!error) { /* until somebody ends us */
        error = p2p_node_wait(node, -1) < 0;
        while (p2p_next_event(node, &event))
            take(&event);
    }
    fprintf(stderr, "%s\n", p2p_strerror(error));
    p2p_node_free(node);
    return 1;
}
