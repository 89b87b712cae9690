/* full_socket.h - lets sendmsg say now and then that the socket is full, and sees that what did not leave is
 * what leaves next; where batches leave as single datagrams, the rest of one is lost then. The Makefile links
 * a test that includes this with --wrap: calls of our own objects come here, those inside other libraries do
 * not. */
#ifndef FULL_SOCKET_H
#define FULL_SOCKET_H

#include "given.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);

#if defined(__linux__) && !defined(P2P_NO_BATCHES)
enum { FULL_SOCKET_KEEPS = 1 };
#else
enum { FULL_SOCKET_KEEPS = 0 };
#endif
enum { FULL_SOCKET_FDS = 256, FULL_SOCKET_KEPT = 64 };

static struct {
    unsigned percent; /* of all calls fail */
    unsigned count;   /* have failed */
    struct {
        uint8_t data[FULL_SOCKET_KEPT];
        size_t len; /* 0: none */
    } refused[FULL_SOCKET_FDS];
} full_socket;

/* From now on; 0 for descriptors that are new by then. */
static inline void full_socket_set(unsigned percent)
{
    memset(&full_socket, 0, sizeof full_socket);
    full_socket.percent = percent;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    const struct iovec *bytes = message->msg_iov;
    size_t kept = bytes->iov_len < FULL_SOCKET_KEPT ? bytes->iov_len : FULL_SOCKET_KEPT;
    assert_in_range(fd, 0, FULL_SOCKET_FDS - 1);
    if (FULL_SOCKET_KEEPS && full_socket.refused[fd].len) {
        assert_int_equal(bytes->iov_len, full_socket.refused[fd].len);
        assert_memory_equal(bytes->iov_base, full_socket.refused[fd].data, kept);
    }
    full_socket.refused[fd].len = 0;
    if (random_below(&seeded, 100) >= full_socket.percent)
        return __real_sendmsg(fd, message, flags);
    memcpy(full_socket.refused[fd].data, bytes->iov_base, kept);
    full_socket.refused[fd].len = bytes->iov_len;
    full_socket.count++;
    errno = EAGAIN;
    return -1;
}

#endif
