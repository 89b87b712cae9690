/* forward_pump.c - the bytes of one connection, from its socket to its stream and back.
 *
 * They are read into the place that the stream sends from, and written from where it received them: nothing
 * is kept here. The stream's window and the socket's buffer hold the rest back. */
#include "forward_state.h"

#include <errno.h>
#include <sys/socket.h>

enum {
    MOVE_BYTES = 65536, /* of a move up */
    PIECES_MAX = 8,     /* of a move in either direction */
};

static ssize_t read_end(struct forward *forward, const struct tunnel *tunnel, struct iovec *pieces,
                        size_t count)
{
    struct channel socket = {.fd = tunnel->fd, .way = CHANNEL_SOCKET};
    return channel_readv(tunnel->is_stdio ? &forward->session->input : &socket, pieces, count);
}

static ssize_t write_end(struct forward *forward, const struct tunnel *tunnel, struct iovec *pieces,
                         size_t count)
{
    struct channel socket = {.fd = tunnel->fd, .way = CHANNEL_SOCKET};
    return channel_writev(tunnel->is_stdio ? &forward->session->output : &socket, pieces, count);
}

/* What the socket has, into the room that the stream has. */
static enum moved fill_stream(struct forward *forward, struct tunnel *tunnel, struct iovec *pieces,
                              size_t count)
{
    ssize_t got = read_end(forward, tunnel, pieces, count);
    bool later = got < 0 && errno == EAGAIN;
    tunnel->readable = !later;
    if (later)
        loop_set_again(forward->set, tunnel->fd, LOOP_SET_READ);
    if (p2p_stream_commit(tunnel->stream, got > 0 ? (size_t)got : 0) || (got < 0 && !later))
        return MOVED_BROKEN;
    if (later)
        return MOVED_NOTHING;
    if (got == 0) {
        p2p_stream_finish(tunnel->stream);
        tunnel->up_ended = true;
    }
    return MOVED_SOME;
}

enum moved tunnel_move_up(struct forward *forward, struct tunnel *tunnel)
{
    struct iovec pieces[PIECES_MAX];
    if (tunnel->up_ended || tunnel->stream_full || !tunnel->readable)
        return MOVED_NOTHING;
    ptrdiff_t count = p2p_stream_reserve(tunnel->stream, pieces, PIECES_MAX, MOVE_BYTES);
    if (count > 0)
        return fill_stream(forward, tunnel, pieces, (size_t)count);
    if (count == P2P_ERESET) { /* the other side's socket takes no more; what it sends still comes */
        tunnel->up_ended = tunnel->refused = true;
        return MOVED_SOME;
    }
    tunnel->stream_full = true;
    return count < 0 ? MOVED_BROKEN : MOVED_NOTHING;
}

static enum moved end_down(struct forward *forward, struct tunnel *tunnel)
{
    tunnel->down_ended = true;
    if (tunnel->is_stdio)
        channel_end(&forward->session->output);
    else
        shutdown(tunnel->fd, SHUT_WR);
    return MOVED_SOME;
}

/* What the stream has, as much as the socket takes. Nobody at it any more: what it has sent before still goes
 * out. */
static enum moved fill_socket(struct forward *forward, struct tunnel *tunnel, struct iovec *pieces,
                              size_t count)
{
    ssize_t result = write_end(forward, tunnel, pieces, count);
    bool later = result < 0 && errno == EAGAIN;
    tunnel->down_ended = result < 0 && !later;
    tunnel->writable = !later;
    if (later)
        loop_set_again(forward->set, tunnel->fd, LOOP_SET_WRITE);
    if (result > 0 && p2p_stream_consume(tunnel->stream, (size_t)result))
        return MOVED_BROKEN;
    return later ? MOVED_NOTHING : MOVED_SOME;
}

enum moved tunnel_move_down(struct forward *forward, struct tunnel *tunnel)
{
    struct iovec pieces[PIECES_MAX];
    if (tunnel->down_ended || !tunnel->writable || !tunnel->stream_readable || tunnel->phase != TUNNEL_OPEN)
        return MOVED_NOTHING;
    ptrdiff_t count = p2p_stream_peek(tunnel->stream, pieces, PIECES_MAX);
    tunnel->stream_readable = count != P2P_EAGAIN;
    if (count > 0)
        return fill_socket(forward, tunnel, pieces, (size_t)count);
    if (count == 0)
        return end_down(forward, tunnel);
    return count == P2P_EAGAIN ? MOVED_NOTHING : MOVED_BROKEN;
}
