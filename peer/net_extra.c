/* net_extra.c - many IPv4 sockets for a while: to hold open, or to look through, a hard NAT.
 *
 * One descriptor stands for all of them, so that whoever waits has one more to watch, and 256 that are silent
 * cost nothing. While there are none, neither is there anything else. */
#include "net_extra.h"

#include "loop_set.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READY_MAX = 16 /* sockets that one call tells of */ };

struct extra {
    struct loop_set *set; /* tagged with the ports; NULL: there are none */
    struct inbox *inbox;
    size_t count;
    struct net_socket sockets[NET_EXTRA_MAX];
    struct loop_set_ready ready[READY_MAX];
    int ready_count, ready_next;
};

struct extra *extra_new(void)
{
    return calloc(1, sizeof(struct extra));
}

static void close_waiting(struct extra *extra)
{
    loop_set_free(extra->set);
    extra->set = NULL;
    inbox_free(extra->inbox);
    extra->inbox = NULL;
}

void extra_free(struct extra *extra)
{
    if (!extra)
        return;
    close_waiting(extra);
    for (size_t i = 0; i < extra->count; i++)
        close(extra->sockets[i].fd);
    free(extra);
}

int extra_fd(const struct extra *extra)
{
    return extra->set ? loop_set_fd(extra->set) : -1;
}

/* ---- opened and closed ---- */

static bool open_waiting(struct extra *extra)
{
    if (extra->set)
        return true;
    extra->set = loop_set_new();
    extra->inbox = inbox_new();
    if (extra->set && extra->inbox)
        return true;
    close_waiting(extra);
    return false;
}

static bool open_one(struct extra *extra)
{
    struct net_socket *sock = &extra->sockets[extra->count];
    *sock = (struct net_socket){.fd = -1};
    if (net_socket_open(sock, 4, 0) == NET_OK && sock->fd >= 0 &&
        loop_set_add(extra->set, sock->fd, LOOP_SET_READ, sock->port)) {
        net_socket_narrow(sock);
        extra->count++;
        return true;
    }
    if (sock->fd >= 0)
        close(sock->fd);
    return false;
}

static struct addr local_of(const struct net_socket *sock)
{
    return (struct addr){.family = 4, .port = sock->port};
}

/* The youngest go first: whoever was given the oldest may still be at it. What is kept because it is used has
 * found its purpose: it will carry much. */
static void close_others(struct extra *extra, size_t count,
                         bool (*keep)(void *context, const struct addr *local), void *context)
{
    for (size_t i = extra->count; i-- > 0;) {
        struct net_socket *sock = &extra->sockets[i];
        struct addr local = local_of(sock);
        bool used = keep(context, &local);
        if (used && !sock->gso)
            net_socket_widen(sock);
        if (used || extra->count <= count)
            continue;
        loop_set_remove(extra->set, sock->fd);
        close(sock->fd);
        extra->count--;
        memmove(sock, sock + 1, (extra->count - i) * sizeof *sock);
    }
    inbox_forget(extra->inbox);
    extra->ready_count = extra->ready_next = 0;
}

size_t extra_set(struct extra *extra, size_t count, bool (*keep)(void *context, const struct addr *local),
                 void *context)
{
    if (count > NET_EXTRA_MAX)
        count = NET_EXTRA_MAX;
    if (extra->count > count)
        close_others(extra, count, keep, context);
    else if (extra->count < count && open_waiting(extra))
        while (extra->count < count && open_one(extra))
            ;
    if (extra->count == 0)
        close_waiting(extra);
    return extra->count;
}

size_t extra_list(const struct extra *extra, struct addr *out)
{
    for (size_t i = 0; i < extra->count; i++)
        out[i] = local_of(&extra->sockets[i]);
    return extra->count;
}

/* ---- receiving and sending ---- */

struct net_socket *extra_find(struct extra *extra, uint16_t port)
{
    for (size_t i = 0; i < extra->count; i++)
        if (extra->sockets[i].port == port)
            return &extra->sockets[i];
    return NULL;
}

bool extra_receive(struct extra *extra, struct packet *in, struct net_stats *stats)
{
    if (extra->count == 0)
        return false;
    for (;;) {
        for (; extra->ready_next < extra->ready_count; extra->ready_next++) {
            const struct loop_set_ready *ready = &extra->ready[extra->ready_next];
            const struct net_socket *sock = extra_find(extra, (uint16_t)ready->tag);
            if (sock && ready->what & LOOP_SET_READ && inbox_next(extra->inbox, sock, in, stats))
                return true;
        }
        bool more = extra->ready_count == READY_MAX || extra->ready_next == 0;
        extra->ready_count = extra->ready_next = 0;
        int got = more ? loop_set_wait(extra->set, extra->ready, READY_MAX, 0) : 0;
        if (got <= 0)
            return false;
        extra->ready_count = got;
    }
}

bool extra_await(struct extra *extra, const struct net_socket *sock, bool on)
{
    return loop_set_change(extra->set, sock->fd, LOOP_SET_READ | (on ? LOOP_SET_WRITE : 0u), sock->port);
}
