/* channel.h - an inherited descriptor (standard input, standard output) that is used without ever blocking.
 */
#ifndef CHANNEL_H
#define CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

enum channel_way {
    CHANNEL_PLAIN,  /* a regular file: always ready, epoll and poll have nothing to say about it */
    CHANNEL_OWN,    /* reopened through /proc: an open file description of our own, which does not block */
    CHANNEL_SOCKET, /* send and recv take MSG_DONTWAIT */
    CHANNEL_CAREFUL /* asked by poll first, and written to in small pieces */
};

struct channel {
    int fd;
    int inherited; /* the number it came as */
    bool owned;    /* fd is ours to close */
    bool writing;  /* standard output */
    bool waiting;  /* the last call would have blocked: poll it */
    enum channel_way way;
};

/* `writing`: for channel_write, else for channel_read. Cannot fail: what is closed shows when it is used. */
void channel_open(struct channel *channel, int fd, bool writing);
void channel_close(struct channel *channel);
/* Closes the inherited descriptor too, so that who reads from us sees the end; /dev/null takes its number. */
void channel_end(struct channel *channel);
/* As readv and writev: bytes, 0 at the end (of what is read), -1 with errno. EAGAIN sets `waiting`. */
ssize_t channel_readv(struct channel *channel, struct iovec *pieces, size_t count);
ssize_t channel_writev(struct channel *channel, struct iovec *pieces, size_t count);
/* The same with one piece. */
ssize_t channel_read(struct channel *channel, void *data, size_t len);
ssize_t channel_write(struct channel *channel, const void *data, size_t len);

#endif
