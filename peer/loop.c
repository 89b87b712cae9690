/* loop.c - the clock, and waiting for descriptors, through epoll. */
#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct loop {
    int epoll, wake;
    struct epoll_event ready[LOOP_FDS_MAX];
    int ready_count;
};

struct loop *loop_new(void)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return NULL;
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->epoll < 0 || loop->wake < 0 || !loop_watch(loop, loop->wake)) {
        int saved = errno;
        loop_free(loop);
        errno = saved;
        return NULL;
    }
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    if (loop->epoll >= 0)
        close(loop->epoll);
    if (loop->wake >= 0)
        close(loop->wake);
    free(loop);
}

uint64_t loop_now(void)
{
    struct timespec now;
#ifdef CLOCK_BOOTTIME
    clock_gettime(CLOCK_BOOTTIME, &now);
#else
    clock_gettime(CLOCK_MONOTONIC, &now);
#endif
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec + 1;
}

bool loop_watch(struct loop *loop, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

void loop_watch_write(struct loop *loop, int fd, bool on)
{
    struct epoll_event event = {.events = EPOLLIN | (on ? EPOLLOUT : 0), .data.fd = fd};
    /* Fails only for a descriptor that is not watched: a bug of ours that every test would show as a hang. */
    (void)epoll_ctl(loop->epoll, EPOLL_CTL_MOD, fd, &event);
}

void loop_forget(struct loop *loop, int fd)
{
    (void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, NULL);
}

int loop_fd(const struct loop *loop)
{
    return loop->epoll;
}

/* Nanoseconds matter: at 1 Gbit/s a millisecond is two batches. Kernels before 5.11 have milliseconds only.
 */
static int wait_until(struct loop *loop, uint64_t deadline)
{
    uint64_t now = deadline == NEVER ? 0 : loop_now();
    uint64_t left = deadline == NEVER ? NEVER : deadline > now ? deadline - now : 0;
    struct timespec span = {.tv_sec = (time_t)(left / NS_PER_S), .tv_nsec = (long)(left % NS_PER_S)};
    int got = epoll_pwait2(loop->epoll, loop->ready, LOOP_FDS_MAX, left == NEVER ? NULL : &span, NULL);
    if (got >= 0 || errno != ENOSYS)
        return got;
    uint64_t ms = left / NS_PER_MS + 1;
    return epoll_wait(loop->epoll, loop->ready, LOOP_FDS_MAX,
                      left == NEVER ? -1
                      : left == 0   ? 0
                      : ms > 60000  ? 60000
                                    : (int)ms);
}

bool loop_wait(struct loop *loop, uint64_t deadline)
{
    int got = wait_until(loop, deadline);
    loop->ready_count = got > 0 ? got : 0;
    return got >= 0 || errno == EINTR;
}

bool loop_is_ready(struct loop *loop, int fd)
{
    for (int i = 0; i < loop->ready_count; i++)
        if (loop->ready[i].data.fd == fd) {
            loop->ready[i] = loop->ready[--loop->ready_count];
            return true;
        }
    return false;
}

bool loop_has_ready(const struct loop *loop)
{
    return loop->ready_count > 0;
}

void loop_wake(struct loop *loop)
{
    int saved = errno;
    uint64_t one = 1;
    ssize_t put = write(loop->wake, &one, sizeof one);
    (void)put; /* full means: already awake */
    errno = saved;
}

bool loop_woken(struct loop *loop)
{
    uint64_t count;
    return loop_is_ready(loop, loop->wake) && read(loop->wake, &count, sizeof count) == sizeof count;
}
