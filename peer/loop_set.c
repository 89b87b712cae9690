/* loop_set.c - many descriptors as one, through epoll. Elsewhere: loop_set_poll.c. */
#if defined(__linux__) && !defined(P2P_NO_EPOLL)
#include "loop_set.h"
#include "packet.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_MAX = 256 /* of one call */ };

struct loop_set {
    int epoll;
};

struct loop_set *loop_set_new(void)
{
    struct loop_set *set = malloc(sizeof *set);
    if (!set)
        return NULL;
    set->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (set->epoll >= 0)
        return set;
    free(set);
    return NULL;
}

void loop_set_free(struct loop_set *set)
{
    if (!set)
        return;
    close(set->epoll);
    free(set);
}

static bool control(struct loop_set *set, int operation, int fd, unsigned what, uintptr_t tag)
{
    uint32_t read = what & LOOP_SET_READ ? EPOLLIN : 0, write = what & LOOP_SET_WRITE ? EPOLLOUT : 0,
             edges = what & LOOP_SET_EDGES ? EPOLLET | EPOLLRDHUP : 0;
    struct epoll_event event = {.events = read | write | edges, .data.u64 = tag};
    return epoll_ctl(set->epoll, operation, fd, &event) == 0;
}

bool loop_set_add(struct loop_set *set, int fd, unsigned what, uintptr_t tag)
{
    return control(set, EPOLL_CTL_ADD, fd, what, tag);
}

bool loop_set_change(struct loop_set *set, int fd, unsigned what, uintptr_t tag)
{
    return control(set, EPOLL_CTL_MOD, fd, what, tag);
}

void loop_set_remove(struct loop_set *set, int fd)
{
    (void)control(set, EPOLL_CTL_DEL, fd, 0, 0);
}

void loop_set_again(struct loop_set *set, int fd, unsigned what)
{
    (void)set, (void)fd, (void)what; /* what EAGAIN was said of, the kernel tells of by itself */
}

int loop_set_fd(struct loop_set *set)
{
    return set->epoll;
}

/* Nanoseconds matter: at 1 Gbit/s a millisecond is two batches. Kernels before 5.11 have milliseconds only,
 * and so has musl. */
static int wait_for(struct loop_set *set, struct epoll_event *events, int max, uint64_t left)
{
#ifdef __GLIBC__
    struct timespec span = {.tv_sec = (time_t)(left / NS_PER_S), .tv_nsec = (long)(left % NS_PER_S)};
    int got = epoll_pwait2(set->epoll, events, max, left == UINT64_MAX ? NULL : &span, NULL);
    if (got >= 0 || errno != ENOSYS)
        return got;
#endif
    uint64_t ms = left / NS_PER_MS + 1;
    return epoll_wait(set->epoll, events, max,
                      left == UINT64_MAX ? -1
                      : left == 0        ? 0
                      : ms > 60000       ? 60000
                                         : (int)ms);
}

int loop_set_wait(struct loop_set *set, struct loop_set_ready *out, int max, uint64_t timeout_ns)
{
    struct epoll_event events[EVENTS_MAX];
    int got = wait_for(set, events, max < EVENTS_MAX ? max : EVENTS_MAX, timeout_ns);
    for (int i = 0; i < got; i++) {
        bool failed = events[i].events & (EPOLLERR | EPOLLHUP);
        out[i].tag = (uintptr_t)events[i].data.u64;
        out[i].what = (failed || events[i].events & (EPOLLIN | EPOLLRDHUP) ? LOOP_SET_READ : 0u) |
                      (failed || events[i].events & EPOLLOUT ? LOOP_SET_WRITE : 0u);
    }
    return got;
}
#endif
