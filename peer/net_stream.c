/* net_stream.c - a TCP connection that is made without blocking and has a small queue in front of it.
 *
 * What the kernel would hold unsent is kept short too (TCP_NOTSENT_LOWAT): packets of live connections must
 * not grow old in a buffer of megabytes. */
#include "net_stream.h"

#include "net.h"
#include "socket_address.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NOTSENT = 32768 /* bytes */ };

struct net_stream {
    int fd;
    enum net_stream_state state;
    int error;
    size_t first, len; /* of the queue */
    uint8_t queue[NET_STREAM_ROOM];
};

static void set_options(int fd)
{
    int on = 1, notsent = NOTSENT;
    /* They make things better, not possible. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
#ifdef TCP_NOTSENT_LOWAT
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &notsent, sizeof notsent);
#else
    (void)notsent;
#endif
}

/* Where only some interfaces may be used, an address of one is not enough: the routes would decide. */
static bool keep_to_interface(int fd, uint32_t index)
{
    int value = (int)index;
#ifdef SO_BINDTOIFINDEX
    return !index || setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &value, sizeof value) == 0;
#else
    (void)fd, (void)value;
    errno = ENOTSUP;
    return !index;
#endif
}

static int start(struct net_stream *stream, uint32_t index, const struct addr *remote,
                 const struct addr *local)
{
    union socket_address address;
    stream->fd =
        socket(remote->family == 6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (stream->fd < 0)
        return NET_ESYSTEM;
    set_options(stream->fd);
    if (!keep_to_interface(stream->fd, index))
        return NET_ESYSTEM;
    if (local->family) {
        struct addr from = *local;
        from.port = 0;
        socklen_t len = socket_address_set(&address, &from);
        if (bind(stream->fd, &address.any, len))
            return NET_ESYSTEM;
    }
    socklen_t len = socket_address_set(&address, remote);
    if (connect(stream->fd, &address.any, len) && errno != EINPROGRESS && errno != EINTR)
        return NET_ESYSTEM;
    return NET_OK;
}

int net_stream_open(struct net_stream **out, uint32_t index, const struct addr *remote,
                    const struct addr *local)
{
    struct net_stream *stream = malloc(sizeof *stream);
    if (!stream)
        return NET_ENOMEM;
    stream->state = NET_STREAM_CONNECTING;
    stream->error = 0;
    stream->first = stream->len = 0;
    int err = start(stream, index, remote, local);
    if (err) {
        int saved = errno;
        net_stream_close(stream);
        errno = saved;
        return err;
    }
    *out = stream;
    return NET_OK;
}

void net_stream_close(struct net_stream *stream)
{
    if (!stream)
        return;
    if (stream->fd >= 0)
        close(stream->fd);
    free(stream);
}

int net_stream_fd(const struct net_stream *stream)
{
    return stream->fd;
}

int net_stream_error(const struct net_stream *stream)
{
    return stream->error;
}

size_t net_stream_queued(const struct net_stream *stream)
{
    return stream->len;
}

bool net_stream_wants_write(const struct net_stream *stream)
{
    return stream->state == NET_STREAM_CONNECTING || (stream->state == NET_STREAM_OPEN && stream->len);
}

static void break_down(struct net_stream *stream, int error)
{
    stream->state = NET_STREAM_BROKEN;
    stream->error = error;
}

static void flush(struct net_stream *stream)
{
    while (stream->state == NET_STREAM_OPEN && stream->len) {
        ssize_t sent =
            send(stream->fd, stream->queue + stream->first, stream->len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (sent < 0) {
            break_down(stream, errno);
            return;
        }
        stream->first += (size_t)sent;
        stream->len -= (size_t)sent;
    }
    stream->first = stream->len ? stream->first : 0;
}

/* Whether the connection is made: it has a peer then. */
static void finish_connecting(struct net_stream *stream)
{
    int error = 0;
    socklen_t len = sizeof error;
    union socket_address peer;
    socklen_t peer_len = sizeof peer;
    if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &len) || error)
        break_down(stream, error ? error : errno);
    else if (getpeername(stream->fd, &peer.any, &peer_len) == 0)
        stream->state = NET_STREAM_OPEN;
}

enum net_stream_state net_stream_drive(struct net_stream *stream)
{
    if (stream->state == NET_STREAM_CONNECTING)
        finish_connecting(stream);
    flush(stream);
    return stream->state;
}

ptrdiff_t net_stream_read(struct net_stream *stream, void *data, size_t len)
{
    ssize_t got;
    do
        got = recv(stream->fd, data, len, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
        break_down(stream, errno);
    return got;
}

bool net_stream_write(struct net_stream *stream, const void *data, size_t len)
{
    if (stream->state == NET_STREAM_BROKEN || NET_STREAM_ROOM - stream->len < len)
        return false;
    if (NET_STREAM_ROOM - stream->first - stream->len < len) {
        memmove(stream->queue, stream->queue + stream->first, stream->len);
        stream->first = 0;
    }
    memcpy(stream->queue + stream->first + stream->len, data, len);
    stream->len += len;
    flush(stream);
    return true;
}
