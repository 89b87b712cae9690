/* loop.c - the clock, and waiting for descriptors. */
#include "loop.h"
#include "loop_set.h"

#include "bell.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

struct loop {
    struct loop_set *set; /* tagged with the descriptors */
    struct bell wake;
    atomic_bool waking; /* a wake is on its way: another says nothing more, and costs no system call */
    struct loop_set_ready ready[LOOP_FDS_MAX];
    int ready_count;
};

struct loop *loop_new(void)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return NULL;
    loop->set = loop_set_new();
    if (!bell_open(&loop->wake) || !loop->set || !loop_watch(loop, bell_fd(&loop->wake))) {
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
    loop_set_free(loop->set);
    bell_close(&loop->wake);
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
    return loop_set_add(loop->set, fd, LOOP_SET_READ, (uintptr_t)fd);
}

void loop_watch_write(struct loop *loop, int fd, bool on)
{
    /* Fails only for a descriptor that is not watched: a bug of ours that every test would show as a hang. */
    (void)loop_set_change(loop->set, fd, LOOP_SET_READ | (on ? LOOP_SET_WRITE : 0u), (uintptr_t)fd);
}

void loop_forget(struct loop *loop, int fd)
{
    loop_set_remove(loop->set, fd);
}

int loop_fd(const struct loop *loop)
{
    return loop_set_fd(loop->set);
}

bool loop_wait(struct loop *loop, uint64_t deadline)
{
    uint64_t now = deadline == NEVER || deadline == 0 ? 0 : loop_now();
    uint64_t left = deadline == NEVER ? UINT64_MAX : deadline > now ? deadline - now : 0;
    int got = loop_set_wait(loop->set, loop->ready, LOOP_FDS_MAX, left);
    loop->ready_count = got > 0 ? got : 0;
    return got >= 0 || errno == EINTR;
}

bool loop_is_ready(struct loop *loop, int fd)
{
    for (int i = 0; i < loop->ready_count; i++)
        if (loop->ready[i].tag == (uintptr_t)fd) {
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
    if (!atomic_exchange(&loop->waking, true))
        bell_ring(&loop->wake);
    errno = saved;
}

/* Read first: a wake between the two is part of this one, since what it is about was done before it. The
 * other way round that wake would be taken back with the first, and none would ever be heard again. */
bool loop_woken(struct loop *loop)
{
    if (!loop_is_ready(loop, bell_fd(&loop->wake)))
        return false;
    bell_hush(&loop->wake);
    atomic_store(&loop->waking, false);
    return true;
}
