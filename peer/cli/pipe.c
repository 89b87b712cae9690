/* pipe.c - standard input to one peer, the peer's bytes to standard output.
 *
 * Each direction is a stream of its own that its sender opens, of kind 'p'. The bytes go one way; the
 * receiver ends the other way, empty, once everything is written out. That end is the receipt: a sender does
 * not leave before it has it, so that exit code 0 means that the bytes are in the other side's file and not
 * only in its memory.
 *
 * Standard input is read into the place that the stream sends from, and standard output written from where
 * it received: what has no place waits outside. That is the back-pressure, and the bound on memory. */
#include "commands.h"
#include "heap.h"

#include "session.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    PIPE_KIND = 'p',
    MOVE_BYTES = 255000, /* at once: few calls at 10 Gbit/s, and four whole batches within a machine */
    PIECES_MAX = 32,     /* of a move */
    MOVES_MAX = 8        /* a turn, so that the node gets its turn too */
};

enum receipt { RECEIPT_NONE, RECEIPT_GIVEN, RECEIPT_REFUSED };

struct pipe {
    struct member *partner; /* NULL: nobody yet, or gone */
    struct p2p_stream *out; /* ours */
    struct p2p_stream *in;  /* the peer's; NULL until it opens it */
    bool blocked;           /* `out` takes nothing: wait for WRITABLE */
    bool readable;          /* `in` may have something */
    bool sent_all;          /* standard input has ended and so has `out` */
    bool received_all;      /* the peer's end has come and everything is written out */
    enum receipt receipt;   /* for what we sent */
    bool gone;              /* the peer's CLOSED has come, with: */
    bool left;
    char why[TEXT_SHOWN * 128 + 1];
};

static const char done[] = "done"; /* the goodbye of a side that has everything, and whose receipt is out */

/* ---- standard input to the stream ---- */

/* A file that cannot be read to its end must not look like one that ended: the peer is told. */
static void input_failed(struct session *session, const struct pipe *pipe, int error)
{
    char why[128];
    snprintf(why, sizeof why, "cannot read: %s", strerror(error));
    session_end(session, EXIT_OTHER, "cannot read standard input: %s", strerror(error));
    p2p_peer_close(pipe->partner->peer, why);
}

/* What standard input has, into the room that the stream has. */
static bool fill(struct session *session, struct pipe *pipe, struct iovec *pieces, size_t count)
{
    ssize_t got = channel_readv(&session->input, pieces, count);
    int error = errno;
    p2p_stream_commit(pipe->out, got > 0 ? (size_t)got : 0);
    if (got < 0 && error != EAGAIN)
        input_failed(session, pipe, error);
    if (got == 0) {
        p2p_stream_finish(pipe->out);
        pipe->sent_all = true;
    }
    return got >= 0;
}

static bool send_some(struct session *session, struct pipe *pipe)
{
    struct iovec pieces[PIECES_MAX];
    if (!pipe->out || pipe->sent_all || pipe->blocked)
        return false;
    ptrdiff_t count = p2p_stream_reserve(pipe->out, pieces, PIECES_MAX, MOVE_BYTES);
    if (count > 0)
        return fill(session, pipe, pieces, (size_t)count);
    if (count == P2P_ERESET) { /* the peer takes no more; its receipt, or its CLOSED, says why */
        pipe->sent_all = true;
        pipe->receipt = RECEIPT_REFUSED;
    }
    if (count == P2P_ENOMEM)
        session_end(session, EXIT_OTHER, "no memory");
    pipe->blocked = true;
    return false;
}

/* ---- the stream to standard output ---- */

static void receive_end(struct session *session, struct pipe *pipe)
{
    pipe->received_all = true;
    p2p_stream_finish(pipe->in); /* the receipt */
    channel_end(&session->output);
}

/* What the stream has, as much as standard output takes. */
static bool empty(struct session *session, struct pipe *pipe, struct iovec *pieces, size_t count)
{
    ssize_t written = channel_writev(&session->output, pieces, count);
    if (written > 0)
        p2p_stream_consume(pipe->in, (size_t)written);
    else if (errno != EAGAIN)
        session_output_failed(session);
    return written > 0;
}

static bool receive_some(struct session *session, struct pipe *pipe)
{
    struct iovec pieces[PIECES_MAX];
    if (!pipe->in || pipe->received_all || !pipe->readable)
        return false;
    ptrdiff_t count = p2p_stream_peek(pipe->in, pieces, PIECES_MAX);
    pipe->readable = count > 0;
    if (count > 0)
        return empty(session, pipe, pieces, (size_t)count);
    if (count == 0)
        receive_end(session, pipe);
    if (count == P2P_ERESET)
        session_end(session, EXIT_OTHER, "the other side gave up before the end");
    return count == 0;
}

/* ---- the end ---- */

/* The peer's end of our own stream: everything has been written out there. */
static void look_for_receipt(struct pipe *pipe)
{
    unsigned char nothing[64];
    ptrdiff_t got;
    if (!pipe->out || pipe->receipt != RECEIPT_NONE)
        return;
    do
        got = p2p_stream_read(pipe->out, nothing, sizeof nothing);
    while (got > 0); /* nothing is due here; whoever sends it is answered like one who does not */
    if (got == 0)
        pipe->receipt = RECEIPT_GIVEN;
    else if (got == P2P_ERESET)
        pipe->receipt = RECEIPT_REFUSED;
}

static void end_without_peer(struct session *session, const struct pipe *pipe)
{
    const char *separator = *pipe->why ? ": " : "";
    if (pipe->left)
        session_end(session, EXIT_OTHER, "the other side left before the end%s%s", separator, pipe->why);
    else
        session_end(session, EXIT_LOST, "the connection was lost before the end%s%s", separator, pipe->why);
}

/* Both directions have ended when everything of theirs is written out, and our receipt is here. */
static void look_for_end(struct session *session, struct pipe *pipe)
{
    look_for_receipt(pipe);
    bool sent = pipe->sent_all && pipe->receipt == RECEIPT_GIVEN;
    if (pipe->gone && pipe->left && strcmp(pipe->why, done) == 0)
        sent = pipe->sent_all; /* it says so only when it has everything */
    if (sent && pipe->received_all && (pipe->gone || p2p_stream_drained(pipe->in))) {
        if (pipe->partner)
            p2p_peer_close(pipe->partner->peer, done);
        session_end(session, EXIT_DONE, NULL);
        return;
    }
    /* What arrived before the peer went may still be read and written out; then it is decided. */
    bool unread = pipe->in && !pipe->received_all && pipe->readable;
    if (pipe->gone && !unread)
        end_without_peer(session, pipe);
}

/* ---- the role ---- */

static void pipe_connected(struct session *session, struct member *member)
{
    struct pipe *pipe = session->state;
    if (pipe->partner || pipe->gone)
        return;
    int error = p2p_stream_open(&pipe->out, member->peer, PIPE_KIND, 0);
    if (error)
        session_end(session, EXIT_OTHER, "cannot open a stream: %s", p2p_strerror(error));
    pipe->partner = member;
}

static void pipe_event(struct session *session, struct member *member, const struct p2p_event *event)
{
    struct pipe *pipe = session->state;
    if (event->type == P2P_EVENT_STREAM) {
        if (member != pipe->partner || pipe->in || event->kind != PIPE_KIND) {
            p2p_stream_free(event->stream);
            return;
        }
        pipe->in = event->stream;
    }
    if (event->type == P2P_EVENT_WRITABLE && event->stream == pipe->out)
        pipe->blocked = false;
    if (event->type != P2P_EVENT_WRITABLE && event->stream == pipe->in)
        pipe->readable = true;
}

static void pipe_closed(struct session *session, struct member *member, const struct p2p_event *event)
{
    struct pipe *pipe = session->state;
    if (member != pipe->partner)
        return;
    pipe->partner = NULL;
    pipe->gone = true;
    pipe->readable = pipe->in != NULL;
    pipe->left = strcmp(event->detail, "left") == 0;
    text_show(pipe->why, sizeof pipe->why, event->text, strlen(event->text));
}

static bool pipe_step(struct session *session)
{
    struct pipe *pipe = session->state;
    bool moved = false;
    for (int i = 0; i < MOVES_MAX && !session->ended; i++) {
        bool received = receive_some(session, pipe);
        bool sent = !session->ended && !pipe->gone && send_some(session, pipe);
        if (!received && !sent)
            break;
        moved = true;
    }
    if (!session->ended)
        look_for_end(session, pipe);
    return moved;
}

static void pipe_release(struct session *session)
{
    struct pipe *pipe = session->state;
    p2p_stream_free(pipe->out);
    p2p_stream_free(pipe->in);
}

int pipe_main(const struct options *options, uint64_t started_ns)
{
    static const struct role role = {
        .purpose = "pipe",
        .max_peers = 1,
        .connected = pipe_connected,
        .event = pipe_event,
        .closed = pipe_closed,
        .step = pipe_step,
        .release = pipe_release,
    };
    heap_keep();
    struct pipe pipe = {0};
    return session_run(options, started_ns, &role, &pipe);
}
