/* interop_stun.c - our STUN client asks somebody else's server.
 *
 *     interop_stun LOCAL-IP SERVER-ADDRESS:PORT
 *
 * Prints `mapped ADDRESS` as soon as the server has told how it sees our socket, and ends with 0 when that is
 * right: from loopback to loopback nobody translates, so it must be the socket's own address. */
#include "stun_client.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SECONDS = 10 };

union socket_address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void random_fill(void *context, uint8_t *out, size_t len)
{
    (void)context;
    if (getrandom(out, len, 0) != (ssize_t)len)
        abort();
}

static const struct random system_random = {.fill = random_fill};

static socklen_t to_socket(union socket_address *to, const struct addr *from)
{
    memset(to, 0, sizeof *to);
    if (from->family == 4) {
        to->in.sin_family = AF_INET;
        to->in.sin_port = htons(from->port);
        memcpy(&to->in.sin_addr, from->ip, 4);
        return sizeof to->in;
    }
    to->in6.sin6_family = AF_INET6;
    to->in6.sin6_port = htons(from->port);
    memcpy(&to->in6.sin6_addr, from->ip, 16);
    return sizeof to->in6;
}

static struct addr from_socket(const union socket_address *from)
{
    if (from->any.sa_family == AF_INET)
        return addr_make4((const uint8_t *)&from->in.sin_addr, ntohs(from->in.sin_port));
    return addr_make6(from->in6.sin6_addr.s6_addr, ntohs(from->in6.sin6_port), 0);
}

/* A socket on a free port of the address, which gets the port. -1: no. */
static int open_socket(struct addr *local)
{
    union socket_address name;
    socklen_t size = to_socket(&name, local);
    int fd = socket(name.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, &name.any, size) != 0 || getsockname(fd, &name.any, &size) != 0)
        return -1;
    *local = from_socket(&name);
    return fd;
}

static void send_requests(struct stun_client *client, int fd)
{
    uint8_t data[PACKET_MAX];
    struct packet out = {.data = data, .len = sizeof data};
    while (stun_client_output(client, now_ns(), &out)) {
        union socket_address to;
        socklen_t size = to_socket(&to, &out.remote);
        if (sendto(fd, data, out.len, 0, &to.any, size) < 0)
            perror("interop_stun: sendto");
        out.len = sizeof data;
    }
}

static void take_answer(struct stun_client *client, int fd, const struct addr *local)
{
    uint8_t data[2048];
    union socket_address from;
    socklen_t size = sizeof from;
    ssize_t got = recvfrom(fd, data, sizeof data, 0, &from.any, &size);
    if (got <= 0)
        return;
    struct packet in = {.local = *local, .remote = from_socket(&from), .data = data, .len = (size_t)got};
    if (!stun_client_input(client, now_ns(), &in))
        fprintf(stderr, "interop_stun: our client did not take the server's answer\n");
}

/* 1: the right address, 0: nothing yet, -1: wrong or none. */
static int verdict(struct stun_client *client, const struct addr *local)
{
    struct stun_client_event event;
    char text[ADDR_TEXT_MAX];
    while (stun_client_event(client, &event)) {
        if (event.type == STUN_CLIENT_SILENT)
            return -1;
        if (event.type != STUN_CLIENT_MAPPED)
            continue;
        printf("mapped %s\n", addr_print(&event.mapped, text));
        return addr_equal(&event.mapped, local) ? 1 : -1;
    }
    return 0;
}

static int ask(struct stun_client *client, int fd, const struct addr *local)
{
    uint64_t until = now_ns() + SECONDS * NS_PER_S;
    int found = 0;
    while (!found && now_ns() < until) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        send_requests(client, fd);
        uint64_t now = now_ns(), deadline = stun_client_deadline(client);
        uint64_t left_ms = deadline <= now ? 0 : (deadline - now) / NS_PER_MS + 1;
        if (poll(&wait, 1, left_ms < 1000 ? (int)left_ms : 1000) > 0)
            take_answer(client, fd, local);
        found = verdict(client, local);
    }
    return found;
}

int main(int argc, char **argv)
{
    struct addr local, server;
    if (argc != 3 || !addr_parse(&local, argv[1]) || !addr_parse(&server, argv[2])) {
        fprintf(stderr, "usage: interop_stun LOCAL-IP SERVER-ADDRESS:PORT\n");
        return 2;
    }
    int fd = open_socket(&local);
    struct stun_client *client = stun_client_new(&system_random);
    if (fd < 0 || !client) {
        perror("interop_stun");
        return 1;
    }
    stun_client_set_locals(client, now_ns(), &local, 1);
    int found = stun_client_add_server(client, now_ns(), &server) ? ask(client, fd, &local) : -1;
    stun_client_free(client);
    close(fd);
    return found == 1 ? 0 : 1;
}
