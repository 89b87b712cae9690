/* bell.c - a pipe that wakes a thread out of poll(). */
#include "bell.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

bool bell_open(struct bell *bell)
{
    if (pipe(bell->fds) != 0) {
        bell->fds[0] = bell->fds[1] = -1;
        return false;
    }
    for (int i = 0; i < 2; i++)
        if (fcntl(bell->fds[i], F_SETFL, O_NONBLOCK) != 0 || fcntl(bell->fds[i], F_SETFD, FD_CLOEXEC) != 0) {
            bell_close(bell);
            return false;
        }
    return true;
}

void bell_close(struct bell *bell)
{
    for (int i = 0; i < 2; i++) {
        if (bell->fds[i] >= 0)
            close(bell->fds[i]);
        bell->fds[i] = -1;
    }
}

int bell_fd(const struct bell *bell)
{
    return bell->fds[0];
}

int bell_ringer(const struct bell *bell)
{
    return bell->fds[1];
}

void bell_ring(const struct bell *bell)
{
    ssize_t written;
    do
        written = write(bell->fds[1], "", 1);
    while (written < 0 && errno == EINTR); /* full: it has said all that it can say */
}

void bell_hush(const struct bell *bell)
{
    char bytes[16]; /* fewer: it was empty then, and what came since is a ring of its own */
    while (read(bell->fds[0], bytes, sizeof bytes) == (ssize_t)sizeof bytes)
        continue;
}
