/* loop_set_poll.c - many descriptors as one, through poll: for systems without epoll.
 *
 * poll has no descriptor of its own. For who asks for one there is a thread that polls the same descriptors
 * and rings a bell; then it rests until somebody has looked, so that what stays ready does not ring for ever.
 * Who only waits has no thread. Good for some hundred descriptors: each wait looks at them all. */
#if !defined(__linux__) || defined(P2P_NO_EPOLL)
#include "bell.h"
#include "loop_set.h"
#include "packet.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    int fd;
    unsigned what;
    unsigned told; /* of what has EDGES: not to be told again yet */
    uintptr_t tag;
};

struct loop_set {
    struct entry *entries;
    struct pollfd *polled; /* the owner's */
    size_t count, capacity;

    /* The thread; the lock is for the entries and what follows. */
    pthread_mutex_t lock;
    pthread_t thread;
    bool runs, stop;
    bool armed;               /* it polls; else something was ready, and nobody has looked since */
    struct bell ready, nudge; /* for who polls loop_set_fd; for the thread: look anew */
};

struct loop_set *loop_set_new(void)
{
    struct loop_set *set = calloc(1, sizeof *set);
    if (!set)
        return NULL;
    if (pthread_mutex_init(&set->lock, NULL) != 0) {
        free(set);
        return NULL;
    }
    return set;
}

/* The entries have changed, or may be polled again. */
static void nudge(struct loop_set *set)
{
    if (set->runs)
        bell_ring(&set->nudge);
}

void loop_set_free(struct loop_set *set)
{
    if (!set)
        return;
    if (set->runs) {
        pthread_mutex_lock(&set->lock);
        set->stop = true;
        pthread_mutex_unlock(&set->lock);
        nudge(set);
        pthread_join(set->thread, NULL);
        bell_close(&set->ready);
        bell_close(&set->nudge);
    }
    pthread_mutex_destroy(&set->lock);
    free(set->entries);
    free(set->polled);
    free(set);
}

/* ---- the entries ---- */

static struct entry *find(struct loop_set *set, int fd)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->entries[i].fd == fd)
            return &set->entries[i];
    return NULL;
}

static bool grow(struct loop_set *set)
{
    if (set->count < set->capacity)
        return true;
    size_t capacity = set->capacity ? 2 * set->capacity : 16;
    struct pollfd *polled = realloc(set->polled, capacity * sizeof *polled);
    if (polled)
        set->polled = polled;
    struct entry *entries = polled ? realloc(set->entries, capacity * sizeof *entries) : NULL;
    if (!entries)
        return false;
    set->entries = entries;
    set->capacity = capacity;
    return true;
}

bool loop_set_add(struct loop_set *set, int fd, unsigned what, uintptr_t tag)
{
    pthread_mutex_lock(&set->lock);
    bool added = !find(set, fd) && grow(set);
    if (added)
        set->entries[set->count++] = (struct entry){.fd = fd, .what = what, .tag = tag};
    pthread_mutex_unlock(&set->lock);
    nudge(set);
    return added;
}

bool loop_set_change(struct loop_set *set, int fd, unsigned what, uintptr_t tag)
{
    pthread_mutex_lock(&set->lock);
    struct entry *entry = find(set, fd);
    if (entry)
        *entry = (struct entry){.fd = fd, .what = what, .tag = tag};
    pthread_mutex_unlock(&set->lock);
    nudge(set);
    return entry != NULL;
}

void loop_set_remove(struct loop_set *set, int fd)
{
    pthread_mutex_lock(&set->lock);
    struct entry *entry = find(set, fd);
    if (entry)
        *entry = set->entries[--set->count];
    pthread_mutex_unlock(&set->lock);
    nudge(set);
}

void loop_set_again(struct loop_set *set, int fd, unsigned what)
{
    pthread_mutex_lock(&set->lock);
    struct entry *entry = find(set, fd);
    if (entry)
        entry->told &= ~what;
    pthread_mutex_unlock(&set->lock);
    nudge(set);
}

/* ---- polling ---- */

static struct pollfd polled_of(const struct entry *entry)
{
    unsigned what = entry->what & ~entry->told;
    bool nothing = !(what & (LOOP_SET_READ | LOOP_SET_WRITE)); /* but errors, which would be told for ever */
    return (struct pollfd){
        .fd = nothing ? -1 : entry->fd,
        .events = (short)((what & LOOP_SET_READ ? POLLIN : 0) | (what & LOOP_SET_WRITE ? POLLOUT : 0))};
}

static unsigned what_of(const struct pollfd *polled)
{
    bool failed = polled->revents & (POLLERR | POLLHUP | POLLNVAL);
    return (failed || polled->revents & POLLIN ? LOOP_SET_READ : 0u) |
           (failed || polled->revents & POLLOUT ? LOOP_SET_WRITE : 0u);
}

/* Rounded up: who waits for a deadline must not be back before it. */
static int milliseconds(uint64_t timeout_ns)
{
    if (timeout_ns == UINT64_MAX)
        return -1;
    uint64_t ms = timeout_ns / NS_PER_MS + (timeout_ns % NS_PER_MS != 0);
    return ms > 60000 ? 60000 : (int)ms;
}

/* The owner alone changes entries, so it reads them without the lock. */
int loop_set_wait(struct loop_set *set, struct loop_set_ready *out, int max, uint64_t timeout_ns)
{
    for (size_t i = 0; i < set->count; i++)
        set->polled[i] = polled_of(&set->entries[i]);
    if (set->runs)
        bell_hush(&set->ready);
    int got = poll(set->polled, (nfds_t)set->count, milliseconds(timeout_ns)), told = 0, saved = errno;
    pthread_mutex_lock(&set->lock);
    for (size_t i = 0; got > 0 && i < set->count && told < max; i++) {
        struct entry *entry = &set->entries[i];
        unsigned what = what_of(&set->polled[i]) & entry->what & ~entry->told;
        if (!what)
            continue;
        if (entry->what & LOOP_SET_EDGES)
            entry->told |= what;
        out[told++] = (struct loop_set_ready){.tag = entry->tag, .what = what};
    }
    set->armed = true;
    pthread_mutex_unlock(&set->lock);
    nudge(set);
    errno = saved;
    return got < 0 ? -1 : told;
}

/* ---- a descriptor of its own ---- */

/* What the thread polls: the nudge, then the entries unless it rests. False: no memory for them. */
static bool copy_entries(struct loop_set *set, struct pollfd **copy, size_t *count)
{
    *count = set->armed ? set->count : 0;
    struct pollfd *larger = realloc(*copy, (*count + 1) * sizeof *larger);
    if (!larger)
        return false;
    *copy = larger;
    larger[0] = (struct pollfd){.fd = bell_fd(&set->nudge), .events = POLLIN};
    for (size_t i = 0; i < *count; i++)
        larger[i + 1] = polled_of(&set->entries[i]);
    return true;
}

/* How many are ready, the nudge apart; -1: the system refused (no memory, or more than RLIMIT_NOFILE). */
static int poll_copy(struct loop_set *set, struct pollfd *copy, size_t count)
{
    int got = poll(copy, (nfds_t)(count + 1), -1);
    if (got < 0)
        return errno == EINTR ? 0 : -1;
    bool nudged = copy[0].revents != 0;
    if (nudged)
        bell_hush(&set->nudge);
    return got - nudged;
}

/* The system has not what it takes to look at them all: the owner looks for itself, and nudges us then. */
static void leave_to_owner(struct loop_set *set)
{
    struct pollfd alone = {.fd = bell_fd(&set->nudge), .events = POLLIN};
    bell_ring(&set->ready);
    poll_copy(set, &alone, 0);
}

static void *watch(void *context)
{
    struct loop_set *set = context;
    struct pollfd *copy = NULL;
    for (;;) {
        size_t count;
        pthread_mutex_lock(&set->lock);
        bool stop = set->stop, copied = copy_entries(set, &copy, &count);
        pthread_mutex_unlock(&set->lock);
        if (stop)
            break;
        int ready = copied ? poll_copy(set, copy, count) : -1;
        if (ready < 0)
            leave_to_owner(set);
        if (ready <= 0)
            continue;
        pthread_mutex_lock(&set->lock);
        set->armed = false;
        pthread_mutex_unlock(&set->lock);
        bell_ring(&set->ready);
    }
    free(copy);
    return NULL;
}

static bool begin(struct loop_set *set)
{
    sigset_t all, before;
    if (!bell_open(&set->ready))
        return false;
    if (!bell_open(&set->nudge)) {
        bell_close(&set->ready);
        return false;
    }
    set->armed = true;
    sigfillset(&all); /* signals are the program's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    set->runs = pthread_create(&set->thread, NULL, watch, set) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (set->runs)
        return true;
    bell_close(&set->ready);
    bell_close(&set->nudge);
    return false;
}

int loop_set_fd(struct loop_set *set)
{
    return set->runs || begin(set) ? bell_fd(&set->ready) : -1;
}
#endif
