/* forward_gate.c - the sockets at which forward listens. */
#include "forward_state.h"

#include "text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    BACKLOG = 1024,
    ACCEPTS_MAX = 64 /* a turn */
};

/* What is left of a program that was killed: a socket that nobody listens to. */
static void remove_stale(const struct sockaddr_un *address)
{
    struct stat status;
    if (lstat(address->sun_path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 && errno == ECONNREFUSED)
        unlink(address->sun_path);
    close(fd);
}

static int listen_path(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!text_copy(address.sun_path, sizeof address.sun_path, path)) {
        errno = ENAMETOOLONG; /* elsewhere it is shorter than Linux's, which ENDPOINT_PATH_MAX is */
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    remove_stale(&address);
    mode_t before = umask(0177); /* ours alone: whoever may connect to it reaches the other side */
    int err = bind(fd, (const struct sockaddr *)&address, sizeof address);
    umask(before);
    if (!err && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    if (!err)
        unlink(path);
    close(fd);
    errno = error;
    return -1;
}

static socklen_t make_address(struct sockaddr_storage *storage, const struct endpoint *endpoint, bool six)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(endpoint->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(endpoint->port)};
    const char *host = endpoint->host;
    bool everywhere = strcmp(host, "*") == 0;
    if (!*host || strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    if ((everywhere && six) || inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
        memcpy(storage, &v6, sizeof v6);
        return sizeof v6;
    }
    if (!everywhere && inet_pton(AF_INET, host, &v4.sin_addr) != 1)
        return 0;
    memcpy(storage, &v4, sizeof v4);
    return sizeof v4;
}

static int listen_port(const struct endpoint *endpoint, bool six)
{
    struct sockaddr_storage address;
    const int on = 1, off = 0;
    socklen_t len = make_address(&address, endpoint, six);
    if (!len) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    int kind = endpoint->udp ? SOCK_DGRAM : SOCK_STREAM;
    int fd = socket(address.ss_family, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (address.ss_family == AF_INET6) /* "*" is both families */
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, strcmp(endpoint->host, "*") ? &on : &off, sizeof on);
    if (!endpoint->udp)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&address, len) == 0 && (endpoint->udp || listen(fd, BACKLOG) == 0))
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static void gate_ready(struct forward *forward, struct watch *watch, unsigned what)
{
    (void)forward, (void)what;
    ((struct gate *)watch)->ready = true;
}

static int listen_at(const struct endpoint *endpoint)
{
    if (!endpoint->port)
        return listen_path(endpoint->host);
    int fd = listen_port(endpoint, true);
    return fd < 0 && errno == EAFNOSUPPORT ? listen_port(endpoint, false) : fd;
}

struct gate *gate_open(struct forward *forward, const struct endpoint *endpoint)
{
    struct gate *gate = calloc(1, sizeof *gate);
    if (!gate)
        return NULL;
    gate->fd = listen_at(endpoint);
    gate->held = -1;
    gate->watch.ready = gate_ready;
    gate->udp = endpoint->udp;
    if (gate->fd < 0 || !forward_watch(forward, gate->fd, &gate->watch)) {
        int error = errno;
        if (gate->fd >= 0)
            close(gate->fd);
        free(gate);
        errno = error;
        return NULL;
    }
    if (!endpoint->port)
        text_copy(gate->path, sizeof gate->path, endpoint->host); /* it was bound to, so it fits */
    TAILQ_INSERT_TAIL(&forward->gates, gate, all);
    return gate;
}

void gate_free(struct forward *forward, struct gate *gate)
{
    flows_forget(forward, NULL, gate);
    TAILQ_REMOVE(&forward->gates, gate, all);
    forward_close(forward, gate->fd);
    if (gate->held >= 0)
        close(gate->held);
    if (*gate->path)
        unlink(gate->path);
    free(gate);
}

/* The next connection: one that is held, or a new one. -1: none now. */
static int take_connection(struct forward *forward, struct gate *gate)
{
    int fd = gate->held;
    gate->held = -1;
    if (fd >= 0)
        return fd;
    fd = accept4(gate->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    /* Without descriptors it stays ready: the next tunnel that ends gives one back. */
    if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        gate->ready = false;
        loop_set_again(forward->set, gate->fd, LOOP_SET_READ);
    }
    return fd;
}

static bool gate_step(struct forward *forward, struct gate *gate)
{
    bool moved = false;
    struct link *link = gate_link(forward, gate);
    for (int i = 0; link && i < ACCEPTS_MAX && (gate->ready || gate->held >= 0); i++) {
        int fd = take_connection(forward, gate);
        if (fd < 0 && gate->ready && errno != ECONNABORTED)
            return moved;
        if (fd < 0)
            continue;
        struct own *own = gate->link ? NULL : &forward->own[gate->number];
        int err = P2P_ELIMIT;
        if (link_has_room(forward, link))
            err = tunnel_open(forward, link, gate->number, !gate->link, own, fd);
        if (err == P2P_ELIMIT) {
            gate->held = fd; /* more wait in the socket's queue */
            return moved;
        }
        if (err)
            close(fd);
        moved = true;
    }
    return moved;
}

bool gates_step(struct forward *forward)
{
    bool moved = false;
    struct gate *gate;
    TAILQ_FOREACH(gate, &forward->gates, all)
    if (gate->udp)
        moved = flows_gate(forward, gate) || moved;
    else
        moved = gate_step(forward, gate) || moved;
    return moved;
}
