/* stun_server.c - the command around the STUN server (stun/stun_server.h): sockets, the wait, what is said.
 *
 * Without --address it listens on every address of both families. With two addresses of one family it has
 * four sockets, the second port being the next, and answers the questions of RFC 5780. It serves until a
 * signal ends it. */
#include "stun_server.h"

#include "clock.h"
#include "commands.h"
#include "events.h"
#include "session.h"
#include "signals.h"
#include "stun_socket.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    STATIONS_MAX = 2,
    SOCKETS_MAX = 4,
    REQUEST_MAX = 65536, /* bytes, any datagram: PADDING (RFC 5780 7.6) makes it as long as the interface
                            takes, and is to hear 420 */
    BATCH = 64           /* datagrams a turn and socket */
};

/* A server for one family and its sockets: one, or four. */
struct station {
    struct stun_server *server;
    struct stun_socket sockets[SOCKETS_MAX];
    unsigned count;
};

struct desk {
    struct report report;
    struct station stations[STATIONS_MAX];
    unsigned count;
};

static void fill(void *context, uint8_t *out, size_t len)
{
    (void)context;
    while (len > 0) {
        ssize_t got = getrandom(out, len, 0); /* never fails once the system has started */
        if (got > 0)
            out += got, len -= (size_t)got;
    }
}

static const struct random system_random = {.fill = fill};

/* ---- opening ---- */

static void tell_listening(struct desk *desk, const struct addr *local)
{
    char text[ADDR_TEXT_MAX];
    addr_print(local, text);
    if (desk->report.json) {
        struct line *line = events_line(&desk->report, "listening");
        line_string(line, "address", text);
        line_write(line);
    } else {
        events_note(&desk->report, 0, "STUN server on %s", text);
    }
}

static bool open_socket(struct desk *desk, struct station *station, const struct addr *address)
{
    char text[ADDR_TEXT_MAX], sentence[ADDR_TEXT_MAX + 128];
    struct stun_socket *socket = &station->sockets[station->count];
    if (stun_socket_open(socket, address) == 0) {
        station->count++;
        tell_listening(desk, &socket->local);
        return true;
    }
    snprintf(sentence, sizeof sentence, "cannot listen on %s: %s", addr_print(address, text),
             strerror(errno));
    events_error(&desk->report, EXIT_OTHER, sentence);
    return false;
}

static bool open_server(struct desk *desk, struct station *station)
{
    struct stun_server_config config = {.random = &system_random};
    for (unsigned i = 0; i < station->count; i++)
        config.address[i / 2][i % 2] = station->sockets[i].local;
    station->server = stun_server_new(&config);
    if (!station->server)
        events_error(&desk->report, EXIT_OTHER, "no memory");
    return station->server;
}

static bool open_one(struct desk *desk, struct addr address, uint16_t port)
{
    struct station *station = &desk->stations[desk->count++];
    address.port = port;
    return open_socket(desk, station, &address) && open_server(desk, station);
}

/* The four sockets of RFC 5780: [address][port]. */
static bool open_four(struct desk *desk, const struct addr *addresses, uint16_t port)
{
    struct station *station = &desk->stations[desk->count++];
    for (unsigned i = 0; i < SOCKETS_MAX; i++) {
        struct addr address = addresses[i / 2];
        uint16_t first = i ? station->sockets[0].local.port : port;
        address.port = (uint16_t)(first + i % 2);
        if (!open_socket(desk, station, &address))
            return false;
    }
    return open_server(desk, station);
}

/* Every address of the families that this machine has. */
static bool open_everywhere(struct desk *desk, uint16_t port)
{
    int probe = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool has_ipv6 = probe >= 0;
    if (has_ipv6)
        close(probe);
    return open_one(desk, addr_make4((const uint8_t[4]){0}, 0), port) &&
           (!has_ipv6 || open_one(desk, addr_make6((const uint8_t[16]){0}, 0, 0),
                                  desk->stations[0].sockets[0].local.port));
}

static bool open_desk(struct desk *desk, const struct options *options)
{
    const struct list *list = &options->addresses;
    struct addr addresses[STATIONS_MAX];
    uint16_t port = (uint16_t)options->port;
    for (unsigned i = 0; i < list->count; i++)
        addr_parse(&addresses[i], list->item[i]); /* the table of options has seen that it can be read */
    if (list->count == 0)
        return open_everywhere(desk, port);
    if (list->count == 2 && addresses[0].family == addresses[1].family)
        return open_four(desk, addresses, port);
    return open_one(desk, addresses[0], port) && (list->count < 2 || open_one(desk, addresses[1], port));
}

static void close_desk(struct desk *desk)
{
    for (unsigned i = 0; i < desk->count; i++) {
        for (unsigned j = 0; j < desk->stations[i].count; j++)
            stun_socket_close(&desk->stations[i].sockets[j]);
        stun_server_free(desk->stations[i].server);
    }
    events_end(&desk->report);
}

/* ---- serving ---- */

/* The socket that an answer must leave from: the one asked, or the one the client wished for (RFC 5780 6.1).
 */
static const struct stun_socket *socket_for(const struct station *station, const struct stun_socket *asked,
                                            const struct addr *local)
{
    for (unsigned i = 0; i < station->count; i++)
        if (addr_equal(&station->sockets[i].local, local))
            return &station->sockets[i];
    return asked;
}

static void answer(struct station *station, const struct stun_socket *asked, const struct packet *in)
{
    uint8_t data[PACKET_MAX];
    struct packet out = {.data = data, .len = sizeof data};
    stun_server_input(station->server, clock_now(), in);
    while (stun_server_output(station->server, clock_now(), &out)) {
        stun_socket_send(socket_for(station, asked, &out.local), &out);
        out = (struct packet){.data = data, .len = sizeof data};
    }
}

static void serve_socket(struct station *station, const struct stun_socket *socket)
{
    uint8_t data[REQUEST_MAX];
    for (int i = 0; i < BATCH; i++) {
        struct packet in = {.data = data, .len = sizeof data};
        if (!stun_socket_receive(socket, &in))
            return;
        answer(station, socket, &in);
    }
}

static void serve_ready(struct desk *desk, const struct pollfd *fds)
{
    for (unsigned i = 0; i < desk->count; i++)
        for (unsigned j = 0; j < desk->stations[i].count; j++, fds++)
            if (fds->revents)
                serve_socket(&desk->stations[i], &desk->stations[i].sockets[j]);
}

static void serve(struct desk *desk, const sigset_t *during)
{
    struct pollfd fds[STATIONS_MAX * SOCKETS_MAX];
    nfds_t count = 0;
    for (unsigned i = 0; i < desk->count; i++)
        for (unsigned j = 0; j < desk->stations[i].count; j++)
            fds[count++] = (struct pollfd){.fd = desk->stations[i].sockets[j].fd, .events = POLLIN};
    while (!signals_caught())
        if (ppoll(fds, count, NULL, during) > 0)
            serve_ready(desk, fds);
}

static void tell_statistics(struct desk *desk)
{
    for (unsigned i = 0; i < desk->count; i++) {
        struct stun_server_stats stats;
        stun_server_stats(desk->stations[i].server, &stats);
        events_note(&desk->report, 0, "%llu answered, %llu refused, %llu over the limit, %llu malformed",
                    (unsigned long long)stats.answered, (unsigned long long)stats.refused,
                    (unsigned long long)stats.limited, (unsigned long long)stats.malformed);
    }
}

int stun_server_main(const struct options *options, uint64_t started_ns)
{
    struct desk desk = {.count = 0};
    sigset_t during;
    int code = EXIT_OTHER;
    signals_begin();
    signals_hold(&during);
    events_begin(&desk.report, options, started_ns);
    if (open_desk(&desk, options)) {
        serve(&desk, &during);
        tell_statistics(&desk);
        code = EXIT_SIGNAL + signals_caught();
    }
    close_desk(&desk);
    return code;
}
