/* forward_target.c - where connections of the other side go, and its addresses.
 *
 * getaddrinfo waits, and nobody else may wait for it: a thread a lookup, one lookup a target at a time.
 * Left out: racing the addresses of a name against each other; they are tried in turn. */
#include "forward_target.h"

#include "clock.h"
#include "text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    FRESH_S = 30, /* a name may move, as with dynamic DNS; a burst of connections asks once */
    FAILED_S = 2, /* nor is a name that nobody knows asked for by each of them */
};

enum { LOOKUP_RUNS, LOOKUP_DONE, LOOKUP_ABANDONED };

/* Belongs to the target until that abandons it, then to the thread. */
struct target_lookup {
    atomic_int state;
    struct endpoint endpoint;
    struct target_address addresses[TARGET_ADDRESSES_MAX];
    unsigned count;
    int wake; /* the bell's end, a copy of our own; -1: closed */
};

static void add_address(struct target_address *addresses, unsigned *count, const void *address, size_t len)
{
    if (*count == TARGET_ADDRESSES_MAX)
        return;
    memcpy(&addresses[*count].address, address, len);
    addresses[(*count)++].len = (socklen_t)len;
}

static void look_up(struct target_address *addresses, unsigned *count, const struct endpoint *endpoint,
                    int flags)
{
    char port[8];
    struct addrinfo *found = NULL;
    const struct addrinfo wanted = {.ai_socktype = endpoint->udp ? SOCK_DGRAM : SOCK_STREAM,
                                    .ai_flags = AI_NUMERICSERV | flags};
    snprintf(port, sizeof port, "%u", endpoint->port);
    if (getaddrinfo(endpoint->host, port, &wanted, &found) != 0)
        return;
    for (const struct addrinfo *at = found; at; at = at->ai_next)
        add_address(addresses, count, at->ai_addr, at->ai_addrlen);
    freeaddrinfo(found);
}

static void lookup_free(struct target_lookup *lookup)
{
    if (lookup->wake >= 0)
        close(lookup->wake);
    free(lookup);
}

static void *run_lookup(void *argument)
{
    struct target_lookup *lookup = argument;
    look_up(lookup->addresses, &lookup->count, &lookup->endpoint, 0);
    int wake = lookup->wake; /* once it is DONE the rest may be gone */
    lookup->wake = -1;
    if (atomic_exchange(&lookup->state, LOOKUP_DONE) == LOOKUP_ABANDONED)
        lookup_free(lookup);
    bell_ring(&(struct bell){{-1, wake}});
    close(wake);
    return NULL;
}

static bool begin_lookup(struct target *target, const struct bell *wake)
{
    struct target_lookup *lookup = calloc(1, sizeof *lookup);
    pthread_t thread;
    if (!lookup)
        return false;
    lookup->endpoint = target->endpoint;
    lookup->wake = dup(wake->fds[1]);
    if (lookup->wake < 0 || pthread_create(&thread, NULL, run_lookup, lookup) != 0) {
        lookup_free(lookup);
        return false;
    }
    pthread_detach(thread);
    target->lookup = lookup;
    return true;
}

static void end_lookup(struct target *target, uint64_t now)
{
    memcpy(target->addresses, target->lookup->addresses, sizeof target->addresses);
    target->count = target->lookup->count;
    target->fresh_until = now + (target->count ? FRESH_S : FAILED_S) * CLOCK_S;
    lookup_free(target->lookup);
    target->lookup = NULL;
}

static void set_path(struct target *target)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (text_copy(address.sun_path, sizeof address.sun_path, target->endpoint.host))
        add_address(target->addresses, &target->count, &address, sizeof address);
}

/* localhost is this machine whatever a name server says (RFC 6761 6.3). */
static void set_localhost(struct target *target)
{
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    four.sin_port = six.sin6_port = htons(target->endpoint.port);
    add_address(target->addresses, &target->count, &four, sizeof four);
    add_address(target->addresses, &target->count, &six, sizeof six);
}

/* What needs nobody's answer; stays for ever. */
static bool resolve_here(struct target *target)
{
    if (!target->endpoint.port)
        set_path(target);
    else if (strcmp(target->endpoint.host, "localhost") == 0)
        set_localhost(target);
    else
        look_up(target->addresses, &target->count, &target->endpoint, AI_NUMERICHOST);
    if (target->count)
        target->fresh_until = UINT64_MAX;
    return target->count > 0;
}

enum target_state target_resolve(struct target *target, uint64_t now, const struct bell *wake)
{
    if (target->lookup && atomic_load(&target->lookup->state) == LOOKUP_DONE)
        end_lookup(target, now);
    if (target->lookup)
        return TARGET_PENDING;
    if (now < target->fresh_until)
        return target->count ? TARGET_READY : TARGET_UNKNOWN;
    target->count = 0;
    if (resolve_here(target))
        return TARGET_READY;
    return begin_lookup(target, wake) ? TARGET_PENDING : TARGET_UNKNOWN;
}

int target_connect(const struct target *target, unsigned index)
{
    const struct target_address *to = &target->addresses[index];
    int kind = target->endpoint.udp ? SOCK_DGRAM : SOCK_STREAM;
    int fd = socket(to->address.ss_family, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)&to->address, to->len) == 0 || errno == EINPROGRESS)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

void target_free(struct target *target)
{
    if (target->lookup && atomic_exchange(&target->lookup->state, LOOKUP_ABANDONED) == LOOKUP_DONE)
        lookup_free(target->lookup);
    target->lookup = NULL;
}
