/* upnp.c - asks the router for ports by UPnP, in threads: finding it takes seconds, and each question blocks.
 *
 * A thread an address: it finds the router, opens a port, renews it after half its life and takes it back at
 * the end. miniupnpc writes what fails to standard error, which is the program's: the thread has descriptors
 * of its own, where that leads nowhere. As with names (resolve.c) whoever comes last, a thread or the owner,
 * frees what they share. */
#include "upnp.h"

#include "bell.h"
#include "upnp_igd.h"
#include "worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RENEW_S = PORTMAP_LIFETIME_S / 2 };

/* What one thread holds. Under the box's lock, but `wanted`. */
struct lease {
    struct box *box;
    struct portmap_local wanted;
    bool used, open;  /* open: a port is, so there is something to take back */
    bool stop, again; /* what the owner wishes */
};

struct answered {
    struct answered *next;
    struct upnp_answer answer;
};

struct box {
    pthread_mutex_t lock;
    pthread_cond_t change;
    unsigned shares; /* threads, and the owner */
    bool left;       /* the owner has, with the bell */
    struct lease leases[UPNP_LOCALS_MAX];
    struct answered *first, **last;
    struct bell bell; /* rings while an answer waits */
};

struct upnp {
    struct box *box;
};

static struct box *box_new(void)
{
    struct box *box = calloc(1, sizeof *box);
    if (!box || !bell_open(&box->bell)) {
        free(box);
        return NULL;
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&box->change, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&box->lock, NULL);
    box->last = &box->first;
    box->shares = 1;
    return box;
}

static void box_leave(struct box *box)
{
    pthread_mutex_lock(&box->lock);
    bool last = --box->shares == 0;
    pthread_mutex_unlock(&box->lock);
    if (!last)
        return;
    while (box->first) {
        struct answered *answered = box->first;
        box->first = answered->next;
        free(answered);
    }
    pthread_cond_destroy(&box->change);
    pthread_mutex_destroy(&box->lock);
    free(box);
}

struct upnp *upnp_new(void)
{
    struct upnp *upnp = calloc(1, sizeof *upnp);
    if (upnp)
        upnp->box = box_new();
    if (!upnp || !upnp->box) {
        free(upnp);
        return NULL;
    }
    return upnp;
}

static struct timespec time_in(uint64_t ns)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    ns += (uint64_t)at.tv_nsec;
    at.tv_sec += (time_t)(ns / NS_PER_S);
    at.tv_nsec = (long)(ns % NS_PER_S);
    return at;
}

/* ---- a thread ---- */

static bool is_wanted(struct lease *lease)
{
    pthread_mutex_lock(&lease->box->lock);
    bool wanted = !lease->stop;
    pthread_mutex_unlock(&lease->box->lock);
    return wanted;
}

/* `external` NULL: there is none, because of `why`. */
static void tell(struct lease *lease, const struct addr *external, const char *why)
{
    struct box *box = lease->box;
    struct answered *answered = calloc(1, sizeof *answered);
    if (!answered)
        return;
    answered->answer = (struct upnp_answer){.local = lease->wanted.local, .gateway = lease->wanted.gateway};
    pthread_mutex_lock(&box->lock);
    answered->answer.lost = !external && lease->open;
    lease->open = external != NULL;
    if (external)
        answered->answer.external = *external;
    else
        snprintf(answered->answer.why, sizeof answered->answer.why, "%s", why);
    *box->last = answered;
    box->last = &answered->next;
    if (!box->left)
        bell_ring(&box->bell);
    pthread_mutex_unlock(&box->lock);
}

/* Under the lock: once the owner has left, the bell's number may be of something else. */
static bool seclude(struct lease *lease)
{
    struct box *box = lease->box;
    pthread_mutex_lock(&box->lock);
    bool secluded = !box->left && worker_seclude(bell_ringer(&box->bell));
    pthread_mutex_unlock(&box->lock);
    return secluded;
}

/* Waits until it is time to renew, or the owner wishes something. */
static void wait_for_renewal(struct lease *lease)
{
    struct box *box = lease->box;
    struct timespec until = time_in(RENEW_S * NS_PER_S);
    pthread_mutex_lock(&box->lock);
    int late = 0;
    while (!lease->stop && !lease->again && !late)
        late = pthread_cond_timedwait(&box->change, &box->lock, &until);
    lease->again = false;
    pthread_mutex_unlock(&box->lock);
}

/* Returns whether a port was open, and had to be given up. */
static bool keep_open(struct lease *lease, struct igd *igd)
{
    struct addr external, before = {0};
    const char *why;
    while (is_wanted(lease)) {
        if (!igd_open(igd, &lease->wanted, PORTMAP_LIFETIME_S, &external, &why)) {
            tell(lease, NULL, why);
            return before.family != 0;
        }
        if (!addr_equal(&external, &before))
            tell(lease, &external, NULL);
        before = external;
        wait_for_renewal(lease);
    }
    igd_close(igd, &lease->wanted);
    return false;
}

/* A router that has opened a port once is looked for again, with a pause: it may be starting. */
static void seek(struct lease *lease)
{
    const char *why;
    bool again = false;
    do {
        struct igd *igd = igd_find(&lease->wanted, &why);
        if (igd)
            again = keep_open(lease, igd);
        else
            tell(lease, NULL, why);
        if (!igd && again)
            wait_for_renewal(lease);
        igd_free(igd);
    } while (again && is_wanted(lease));
}

static void *hold(void *argument)
{
    struct lease *lease = argument;
    struct box *box = lease->box;
    if (seclude(lease))
        seek(lease);
    else
        tell(lease, NULL, "this system cannot keep the library for UPnP from writing to standard error");
    pthread_mutex_lock(&box->lock);
    *lease = (struct lease){0};
    pthread_cond_broadcast(&box->change);
    pthread_mutex_unlock(&box->lock);
    box_leave(box);
    return NULL;
}

/* ---- the owner ---- */

static bool is_same(const struct portmap_local *a, const struct portmap_local *b)
{
    return addr_equal(&a->local, &b->local) && addr_equal_ip(&a->gateway, &b->gateway);
}

/* Called under the lock. */
static void begin(struct box *box, const struct portmap_local *wanted)
{
    struct lease *place = NULL;
    for (size_t i = 0; i < UPNP_LOCALS_MAX; i++) {
        struct lease *lease = &box->leases[i];
        if (lease->used && !lease->stop && is_same(&lease->wanted, wanted))
            return;
        if (!lease->used && !place)
            place = lease;
    }
    if (!place)
        return;
    *place = (struct lease){.box = box, .wanted = *wanted, .used = true};
    box->shares++;
    if (worker_start(hold, place))
        return;
    box->shares--;
    place->used = false;
}

static bool is_in(const struct portmap_local *wanted, const struct portmap_local *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_same(wanted, &list[i]))
            return true;
    return false;
}

void upnp_set_locals(struct upnp *upnp, const struct portmap_local *locals, size_t count)
{
    struct box *box = upnp->box;
    pthread_mutex_lock(&box->lock);
    for (size_t i = 0; i < UPNP_LOCALS_MAX; i++)
        if (box->leases[i].used && !is_in(&box->leases[i].wanted, locals, count))
            box->leases[i].stop = true;
    for (size_t i = 0; i < count; i++)
        begin(box, &locals[i]);
    pthread_cond_broadcast(&box->change);
    pthread_mutex_unlock(&box->lock);
}

void upnp_release(struct upnp *upnp, const struct addr *local)
{
    struct box *box = upnp->box;
    pthread_mutex_lock(&box->lock);
    for (size_t i = 0; i < UPNP_LOCALS_MAX; i++) {
        struct lease *lease = &box->leases[i];
        lease->stop |= lease->used && !lease->open && addr_equal(&lease->wanted.local, local);
    }
    pthread_mutex_unlock(&box->lock);
}

static void wish(struct upnp *upnp, bool stop)
{
    struct box *box = upnp->box;
    pthread_mutex_lock(&box->lock);
    for (size_t i = 0; i < UPNP_LOCALS_MAX; i++) {
        box->leases[i].stop |= stop && box->leases[i].used;
        box->leases[i].again |= box->leases[i].used;
    }
    pthread_cond_broadcast(&box->change);
    pthread_mutex_unlock(&box->lock);
}

void upnp_ask_again(struct upnp *upnp)
{
    wish(upnp, false);
}

void upnp_remove(struct upnp *upnp)
{
    wish(upnp, true);
}

/* Called under the lock. */
static bool takes_back(const struct box *box)
{
    for (size_t i = 0; i < UPNP_LOCALS_MAX; i++)
        if (box->leases[i].open && box->leases[i].stop)
            return true;
    return false;
}

void upnp_free(struct upnp *upnp, unsigned grace_ms)
{
    if (!upnp)
        return;
    struct box *box = upnp->box;
    struct timespec until = time_in(grace_ms * NS_PER_MS);
    wish(upnp, true);
    pthread_mutex_lock(&box->lock);
    int late = grace_ms ? 0 : ETIMEDOUT;
    while (takes_back(box) && !late)
        late = pthread_cond_timedwait(&box->change, &box->lock, &until);
    box->left = true;
    bell_close(&box->bell);
    pthread_mutex_unlock(&box->lock);
    box_leave(box);
    free(upnp);
}

int upnp_fd(const struct upnp *upnp)
{
    return bell_fd(&upnp->box->bell);
}

bool upnp_next(struct upnp *upnp, struct upnp_answer *out)
{
    struct box *box = upnp->box;
    pthread_mutex_lock(&box->lock);
    struct answered *answered = box->first;
    if (answered) {
        box->first = answered->next;
        if (!box->first) {
            box->last = &box->first;
            bell_hush(&box->bell);
        }
    }
    pthread_mutex_unlock(&box->lock);
    if (!answered)
        return false;
    *out = answered->answer;
    free(answered);
    return true;
}
