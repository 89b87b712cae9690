/* forward_pump.c - the bytes of one connection, from its socket to its stream and back.
 *
 * Nothing is read from one end before the other has taken what was read before: what one call left over, at
 * most SCRATCH bytes a direction, is all that is kept here; the stream's window and the socket's buffer hold
 * the rest back. */
#include "forward_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static ssize_t read_end(struct forward *forward, struct tunnel *tunnel)
{
    if (tunnel->is_stdio)
        return channel_read(&forward->session->input, forward->scratch, SCRATCH);
    return recv(tunnel->fd, forward->scratch, SCRATCH, MSG_DONTWAIT);
}

static ssize_t write_end(struct forward *forward, const struct tunnel *tunnel, const void *data, size_t len)
{
    if (tunnel->is_stdio)
        return channel_write(&forward->session->output, data, len);
    return send(tunnel->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static bool keep_rest(struct rest *rest, const uint8_t *data, size_t len)
{
    if (!len)
        return true;
    rest->data = malloc(len);
    if (!rest->data)
        return false;
    memcpy(rest->data, data, len);
    rest->at = 0, rest->end = len;
    return true;
}

static void drop_rest(struct rest *rest)
{
    free(rest->data);
    *rest = (struct rest){.data = NULL};
}

/* Gives the stream what it takes. */
static enum moved give_stream(struct tunnel *tunnel, const uint8_t *data, size_t len, size_t *taken)
{
    ptrdiff_t result = p2p_stream_write(tunnel->stream, data, len);
    *taken = result > 0 ? (size_t)result : 0;
    if (result == P2P_ERESET) { /* the other side's socket takes no more; what it sends still comes */
        tunnel->up_ended = tunnel->refused = true;
        drop_rest(&tunnel->up);
        return MOVED_SOME;
    }
    tunnel->stream_full = *taken < len;
    return result < 0 ? MOVED_BROKEN : MOVED_SOME;
}

static enum moved give_rest_up(struct tunnel *tunnel)
{
    size_t taken;
    struct rest *rest = &tunnel->up;
    enum moved moved = give_stream(tunnel, rest->data + rest->at, rest->end - rest->at, &taken);
    if (moved != MOVED_SOME || tunnel->up_ended)
        return moved;
    rest->at += taken;
    if (rest->at == rest->end)
        drop_rest(rest);
    return taken ? MOVED_SOME : MOVED_NOTHING;
}

enum moved tunnel_move_up(struct forward *forward, struct tunnel *tunnel)
{
    size_t taken;
    if (tunnel->up_ended || tunnel->stream_full)
        return MOVED_NOTHING;
    if (tunnel->up.data)
        return give_rest_up(tunnel);
    if (!tunnel->readable)
        return MOVED_NOTHING;
    ssize_t got = read_end(forward, tunnel);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        tunnel->readable = errno == EINTR;
        if (!tunnel->readable)
            loop_set_again(forward->set, tunnel->fd, LOOP_SET_READ);
        return MOVED_NOTHING;
    }
    if (got < 0)
        return MOVED_BROKEN;
    if (got == 0) {
        p2p_stream_finish(tunnel->stream);
        tunnel->up_ended = true;
        return MOVED_SOME;
    }
    enum moved moved = give_stream(tunnel, forward->scratch, (size_t)got, &taken);
    if (moved != MOVED_SOME || tunnel->up_ended)
        return moved;
    return keep_rest(&tunnel->up, forward->scratch + taken, (size_t)got - taken) ? MOVED_SOME : MOVED_BROKEN;
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

/* Gives the socket what it takes. Nobody at it any more: what it has sent before still goes out. */
static enum moved give_socket(struct forward *forward, struct tunnel *tunnel, const uint8_t *data, size_t len,
                              size_t *taken)
{
    ssize_t result = write_end(forward, tunnel, data, len);
    *taken = result > 0 ? (size_t)result : 0;
    bool later = result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
    if (result < 0 && !later) {
        tunnel->down_ended = true;
        drop_rest(&tunnel->down);
        return MOVED_SOME;
    }
    tunnel->writable = !later || errno == EINTR;
    if (!tunnel->writable)
        loop_set_again(forward->set, tunnel->fd, LOOP_SET_WRITE);
    return *taken ? MOVED_SOME : MOVED_NOTHING;
}

enum moved tunnel_move_down(struct forward *forward, struct tunnel *tunnel)
{
    size_t taken;
    struct rest *rest = &tunnel->down;
    if (tunnel->down_ended || !tunnel->writable || tunnel->phase != TUNNEL_OPEN)
        return MOVED_NOTHING;
    if (rest->data) {
        enum moved moved = give_socket(forward, tunnel, rest->data + rest->at, rest->end - rest->at, &taken);
        rest->at += taken;
        if (rest->at == rest->end)
            drop_rest(rest);
        return moved;
    }
    if (!tunnel->stream_readable)
        return MOVED_NOTHING;
    ptrdiff_t got = p2p_stream_read(tunnel->stream, forward->scratch, SCRATCH);
    if (got == P2P_EAGAIN) {
        tunnel->stream_readable = false;
        return MOVED_NOTHING;
    }
    if (got < 0)
        return MOVED_BROKEN;
    if (got == 0)
        return end_down(forward, tunnel);
    give_socket(forward, tunnel, forward->scratch, (size_t)got, &taken);
    if (tunnel->down_ended)
        return MOVED_SOME;
    return keep_rest(rest, forward->scratch + taken, (size_t)got - taken) ? MOVED_SOME : MOVED_BROKEN;
}
