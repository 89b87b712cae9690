/* echo.c - stays in the room and sends back what arrives: somebody else's self-test.
 *
 * A stream of kind 'p' is answered with one of ours, as a pipe would (pipe.c says how the two end); a
 * datagram with itself. Left out: answering faster than the other side reads. What it does not take stays
 * where it arrived, and holds it back. */
#include "commands.h"

#include "session.h"

#include <stdlib.h>
#include <string.h>

enum {
    FLOW_KIND = 'p',
    FLOWS_MAX = 64, /* at once, of all peers together */
    FLOW_MOVES = 64 /* pieces a turn */
};

/* One stream that came, and the one it goes back on. */
struct flow {
    struct flow *next;
    struct p2p_peer *peer;
    struct p2p_stream *in, *out;
    bool readable, blocked, ended; /* ended: everything went back, the end too */
};

struct echo {
    struct flow *flows;
    unsigned count;
};

static void flow_free(struct flow *flow)
{
    p2p_stream_free(flow->in);
    p2p_stream_free(flow->out);
    free(flow);
}

static void flow_begin(struct echo *echo, struct p2p_peer *peer, struct p2p_stream *in)
{
    struct flow *flow = echo->count < FLOWS_MAX ? calloc(1, sizeof *flow) : NULL;
    if (!flow || p2p_stream_open(&flow->out, peer, FLOW_KIND, 0) != 0) {
        free(flow);
        p2p_stream_free(in); /* the sender learns that nobody takes it */
        return;
    }
    flow->in = in, flow->peer = peer, flow->readable = true;
    flow->next = echo->flows;
    echo->flows = flow;
    echo->count++;
}

static void flow_end(struct flow *flow)
{
    p2p_stream_finish(flow->out);
    p2p_stream_finish(flow->in); /* the receipt */
    flow->ended = true;
}

/* True: a piece went back, and there may be more. */
static bool flow_move(struct flow *flow)
{
    struct iovec piece;
    if (flow->ended || flow->blocked || !flow->readable)
        return false;
    ptrdiff_t count = p2p_stream_peek(flow->in, &piece, 1);
    flow->readable = count > 0;
    if (count == 0 || count == P2P_ERESET)
        flow_end(flow);
    if (count <= 0)
        return false;
    ptrdiff_t taken = p2p_stream_write(flow->out, piece.iov_base, piece.iov_len);
    if (taken == P2P_ERESET)
        taken = (ptrdiff_t)piece.iov_len; /* nobody wants it back: swallow the rest */
    if (taken > 0)
        p2p_stream_consume(flow->in, (size_t)taken);
    flow->blocked = taken < (ptrdiff_t)piece.iov_len;
    return !flow->blocked;
}

static void echo_event(struct session *session, struct member *member, const struct p2p_event *event)
{
    struct echo *echo = session->state;
    if (event->type == P2P_EVENT_STREAM && event->kind == FLOW_KIND)
        flow_begin(echo, member->peer, event->stream);
    else if (event->type == P2P_EVENT_STREAM)
        p2p_stream_free(event->stream);
    for (struct flow *flow = echo->flows; flow; flow = flow->next) {
        if (event->type == P2P_EVENT_READABLE && event->stream == flow->in)
            flow->readable = true;
        if (event->type == P2P_EVENT_WRITABLE && event->stream == flow->out)
            flow->blocked = false;
    }
}

static void echo_datagram(struct session *session, struct member *member, const uint8_t *data, size_t len)
{
    (void)session;
    p2p_datagram_send(member->peer, data, len); /* lost like any datagram if it does not leave */
}

static void forget_flows(struct echo *echo, const struct p2p_peer *peer)
{
    for (struct flow **at = &echo->flows; *at;) {
        struct flow *flow = *at;
        if (peer && flow->peer != peer) {
            at = &flow->next;
            continue;
        }
        *at = flow->next;
        echo->count--;
        flow_free(flow);
    }
}

static void echo_closed(struct session *session, struct member *member, const struct p2p_event *event)
{
    forget_flows(session->state, member->peer);
    if (session->options->keep)
        return;
    if (strcmp(event->detail, "left") == 0)
        session_end(session, EXIT_DONE, NULL);
    else if (strcmp(event->detail, "lost") == 0)
        session_end(session, EXIT_LOST, "the connection was lost");
    else
        session_end(session, EXIT_OTHER, "the connection ended with an error");
}

static bool echo_step(struct session *session)
{
    struct echo *echo = session->state;
    bool moved = false;
    for (struct flow *flow = echo->flows; flow; flow = flow->next)
        for (int i = 0; i < FLOW_MOVES && flow_move(flow); i++)
            moved = true;
    return moved;
}

static void echo_release(struct session *session)
{
    forget_flows(session->state, NULL);
}

int echo_main(const struct options *options, uint64_t started_ns)
{
    struct echo echo = {0};
    struct role role = {
        .purpose = "echo",
        .max_peers = options->keep ? 0 : 1,
        .serves_pings = true,
        .event = echo_event,
        .datagram = echo_datagram,
        .closed = echo_closed,
        .step = echo_step,
        .release = echo_release,
    };
    return session_run(options, started_ns, &role, &echo);
}
