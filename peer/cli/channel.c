/* channel.c - an inherited descriptor (standard input, standard output) that is used without ever blocking.
 *
 * O_NONBLOCK belongs to the open file description, which we share with the shell and with our neighbours in
 * the pipeline: setting it there breaks them (they see EAGAIN). So pipes and terminals are opened once more
 * through /proc/self/fd, which makes a description of our own; sockets have MSG_DONTWAIT; regular files never
 * say EAGAIN. Where none of that works (no /proc, a pipe of another user) poll is asked before each call, and
 * not more than PIPE_BUF is written, for which a pipe that polls as writable has room on Linux. That last way
 * can still block when another process takes the bytes in between, or on a terminal stopped with Ctrl-S. */
#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* A pipe of 64 KiB costs a switch of processes for every 64 KiB; what an unprivileged user may have by
 * default. */
enum { PIPE_BYTES = 1 << 20 };

static int reopen(int fd, bool writing)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, (writing ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

void channel_open(struct channel *channel, int fd, bool writing)
{
    *channel = (struct channel){.fd = fd, .inherited = fd, .writing = writing, .way = CHANNEL_CAREFUL};
    struct stat status;
    if (fstat(fd, &status) != 0 || S_ISREG(status.st_mode)) {
        channel->way = CHANNEL_PLAIN; /* when fstat failed, the first use says why */
        return;
    }
    if (S_ISSOCK(status.st_mode)) {
        channel->way = CHANNEL_SOCKET;
        return;
    }
    int flags = fcntl(fd, F_GETFL);
    bool fits = flags >= 0 && (flags & O_ACCMODE) != (writing ? O_RDONLY : O_WRONLY);
    int own = fits ? reopen(fd, writing) : -1;
    if (own >= 0)
        channel->fd = own, channel->owned = true, channel->way = CHANNEL_OWN;
    if (S_ISFIFO(status.st_mode))
        fcntl(channel->fd, F_SETPIPE_SZ, PIPE_BYTES); /* only faster: a refusal changes nothing */
}

void channel_close(struct channel *channel)
{
    if (channel->owned)
        close(channel->fd);
    channel->fd = -1, channel->owned = false;
}

void channel_end(struct channel *channel)
{
    channel_close(channel);
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nothing < 0)
        return;
    dup2(nothing, channel->inherited);
    close(nothing);
}

static bool is_ready(const struct channel *channel)
{
    struct pollfd ask = {.fd = channel->fd, .events = channel->writing ? POLLOUT : POLLIN};
    if (channel->way != CHANNEL_CAREFUL || poll(&ask, 1, 0) != 0)
        return true;
    errno = EAGAIN;
    return false;
}

static ssize_t finished(struct channel *channel, ssize_t result)
{
    if (result < 0 && errno == EWOULDBLOCK)
        errno = EAGAIN;
    channel->waiting = result < 0 && errno == EAGAIN;
    return result;
}

static struct msghdr message_of(struct iovec *pieces, size_t count)
{
    struct msghdr message = {.msg_iov = pieces};
    message.msg_iovlen = (__typeof__(message.msg_iovlen))count; /* size_t with glibc, int with others */
    return message;
}

ssize_t channel_readv(struct channel *channel, struct iovec *pieces, size_t count)
{
    struct msghdr message = message_of(pieces, count);
    ssize_t got;
    if (!is_ready(channel))
        return finished(channel, -1);
    do
        got = channel->way == CHANNEL_SOCKET ? recvmsg(channel->fd, &message, MSG_DONTWAIT)
                                             : readv(channel->fd, pieces, (int)count);
    while (got < 0 && errno == EINTR);
    return finished(channel, got);
}

ssize_t channel_writev(struct channel *channel, struct iovec *pieces, size_t count)
{
    struct msghdr message = message_of(pieces, count);
    ssize_t written;
    if (!is_ready(channel))
        return finished(channel, -1);
    if (channel->way == CHANNEL_CAREFUL) {
        count = 1;
        if (pieces->iov_len > PIPE_BUF)
            pieces->iov_len = PIPE_BUF;
    }
    do
        written = channel->way == CHANNEL_SOCKET ? sendmsg(channel->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL)
                                                 : writev(channel->fd, pieces, (int)count);
    while (written < 0 && errno == EINTR);
    return finished(channel, written);
}

ssize_t channel_read(struct channel *channel, void *data, size_t len)
{
    return channel_readv(channel, &(struct iovec){data, len}, 1);
}

ssize_t channel_write(struct channel *channel, const void *data, size_t len)
{
    return channel_writev(channel, &(struct iovec){(void *)data, len}, 1);
}
