/* interop_turn.c - our TURN client borrows an address from somebody else's server.
 *
 *     interop_turn udp|tcp SERVER-ADDRESS:PORT USER PASSWORD
 *
 * A socket of this machine is the peer: it sends back what comes out of the relay. ROUNDS datagrams of
 * growing length, some as a batch, must come back whole and from the peer's address, at first in indications,
 * then in a channel. Then the allocation is given back. Ends with 0 when all of that was so. */
#include "packet.h"
#include "socket_address.h"
#include "turn_client.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum { SECONDS = 10, ROUNDS = 40, BUFFER = 65536, STEP = 30 };

struct interop {
    struct turn_client *client;
    bool stream;
    int server, peer; /* sockets */
    struct addr peer_addr, relayed;
    unsigned came, wrong;
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

static int open_socket(const struct addr *remote, bool stream)
{
    union socket_address name;
    int fd = socket(remote->family == 6 ? AF_INET6 : AF_INET,
                    (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
    socklen_t size = socket_address_set(&name, remote);
    return fd < 0 || connect(fd, &name.any, size) ? -1 : fd;
}

static int open_peer(struct addr *local)
{
    union socket_address name;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t size = socket_address_set(&name, local);
    if (fd < 0 || bind(fd, &name.any, size) || getsockname(fd, &name.any, &size))
        return -1;
    *local = socket_address_get(&name.any);
    return fd;
}

/* Batches go out one by one: this program knows no GSO. */
static void send_packet(const struct interop *interop, const struct packet *out)
{
    size_t step = out->segment ? out->segment : out->len;
    for (size_t at = 0; at < out->len; at += step) {
        size_t len = out->len - at < step ? out->len - at : step;
        if (send(interop->server, out->data + at, len, MSG_NOSIGNAL) != (ssize_t)len)
            perror("interop_turn: send");
    }
}

static void say(struct interop *interop)
{
    uint8_t data[PACKET_MAX];
    struct packet out = {.data = data, .len = sizeof data};
    while (turn_client_output(interop->client, now_ns(), &out)) {
        send_packet(interop, &out);
        out = (struct packet){.data = data, .len = sizeof data};
    }
}

static void hear(struct interop *interop)
{
    static uint8_t data[BUFFER];
    union socket_address name;
    ssize_t got = recv(interop->server, data, sizeof data, 0);
    if (got <= 0)
        return;
    socklen_t size = sizeof name;
    if (getpeername(interop->server, &name.any, &size))
        return;
    struct packet in = {.remote = socket_address_get(&name.any), .data = data, .len = (size_t)got}, inner;
    while (turn_client_input(interop->client, now_ns(), &in, &inner)) {
        bool right =
            addr_equal(&inner.remote, &interop->peer_addr) && addr_equal(&inner.local, &interop->relayed);
        for (size_t i = 0; i < inner.len; i++)
            right = right && inner.data[i] == (uint8_t)(0x40 + inner.len % 64);
        interop->came++;
        interop->wrong += !right;
    }
}

static void echo(const struct interop *interop)
{
    uint8_t data[2048];
    union socket_address from;
    socklen_t size = sizeof from;
    ssize_t got = recvfrom(interop->peer, data, sizeof data, 0, &from.any, &size);
    struct addr source = socket_address_get(&from.any);
    if (got > 0 && addr_equal(&source, &interop->relayed))
        (void)!sendto(interop->peer, data, (size_t)got, 0, &from.any, size);
}

static void turn(struct interop *interop)
{
    say(interop);
    uint64_t now = now_ns(), deadline = turn_client_deadline(interop->client);
    uint64_t left_ms = deadline <= now ? 0 : (deadline - now) / NS_PER_MS + 1;
    struct pollfd wait[2] = {{.fd = interop->server, .events = POLLIN},
                             {.fd = interop->peer, .events = POLLIN}};
    if (poll(wait, 2, left_ms < 100 ? (int)left_ms : 100) <= 0)
        return;
    if (wait[0].revents)
        hear(interop);
    if (wait[1].revents)
        echo(interop);
}

static bool allocate(struct interop *interop, uint64_t until)
{
    struct turn_event event;
    char text[ADDR_TEXT_MAX];
    while (now_ns() < until) {
        turn(interop);
        if (!turn_client_event(interop->client, &event))
            continue;
        if (event.type == TURN_FAILED) {
            printf("failed: %s\n", event.text);
            return false;
        }
        for (unsigned i = 0; i < event.relayed_count; i++)
            printf("relayed %s\n", addr_print(&event.relayed[i], text));
        interop->relayed = event.relayed[0];
        return true;
    }
    printf("no answer\n");
    return false;
}

static bool exchange(struct interop *interop, uint64_t until)
{
    static uint8_t data[BUFFER];
    unsigned sent = 0;
    for (size_t round = 1; round <= ROUNDS && now_ns() < until; round++) {
        size_t len = round * STEP, count = round % 3 + 1;
        memset(data, (int)(0x40 + len % 64), len * count);
        struct packet out = {.local = interop->relayed,
                             .remote = interop->peer_addr,
                             .data = data,
                             .len = len * count,
                             .segment = count > 1 ? len : 0};
        if (!turn_client_wrap(interop->client, now_ns(), &out, sizeof data))
            return false;
        say(interop); /* the permission goes first */
        send_packet(interop, &out);
        for (sent += (unsigned)count; interop->came < sent && now_ns() < until;)
            turn(interop);
    }
    printf("sent %u, came back %u, of them wrong %u\n", sent, interop->came, interop->wrong);
    return sent && interop->came == sent && !interop->wrong;
}

static bool give_back(struct interop *interop, uint64_t until)
{
    uint64_t start = now_ns();
    turn_client_close(interop->client, start);
    while (!turn_client_is_closed(interop->client) && now_ns() < until)
        turn(interop);
    return now_ns() - start < TURN_CLOSE_MS * NS_PER_MS;
}

int main(int argc, char **argv)
{
    struct addr server;
    struct interop interop = {.stream = argc == 5 && strcmp(argv[1], "tcp") == 0};
    if (argc != 5 || !addr_parse(&server, argv[2]) || !addr_parse(&interop.peer_addr, "127.0.0.1")) {
        fprintf(stderr, "usage: interop_turn udp|tcp SERVER-ADDRESS:PORT USER PASSWORD\n");
        return 2;
    }
    struct turn_config config = {.server = server,
                                 .stream = interop.stream,
                                 .user = argv[3],
                                 .password = argv[4],
                                 .random = &system_random};
    interop.client = turn_client_new(&config);
    interop.server = open_socket(&server, interop.stream);
    interop.peer = open_peer(&interop.peer_addr);
    if (!interop.client || interop.server < 0 || interop.peer < 0) {
        perror("interop_turn");
        return 1;
    }
    uint64_t until = now_ns() + SECONDS * NS_PER_S;
    bool good = allocate(&interop, until) && exchange(&interop, until) && give_back(&interop, until);
    turn_client_free(interop.client);
    close(interop.server);
    close(interop.peer);
    return good ? 0 : 1;
}
