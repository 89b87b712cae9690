/* fake_broker.h - the few bytes of MQTT that a test must see or send itself: an old broker, a hostile one. */
#ifndef FAKE_BROKER_H
#define FAKE_BROKER_H

#include <arpa/inet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { FAKE_WAIT_MS = 10000 };

struct fake_broker {
    int listener, peer;
    uint16_t port;
};

struct fake_packet {
    uint8_t first; /* type and flags */
    uint8_t body[4096];
    size_t len;
};

static inline bool fake_open(struct fake_broker *fake, int backlog)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    *fake = (struct fake_broker){.peer = -1, .listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    bool good = bind(fake->listener, (struct sockaddr *)&address, size) == 0 &&
                getsockname(fake->listener, (struct sockaddr *)&address, &size) == 0 &&
                listen(fake->listener, backlog) == 0;
    fake->port = ntohs(address.sin_port);
    return good;
}

static inline void fake_hang_up(struct fake_broker *fake)
{
    if (fake->peer >= 0)
        close(fake->peer);
    fake->peer = -1;
}

static inline void fake_close(struct fake_broker *fake)
{
    fake_hang_up(fake);
    close(fake->listener);
}

static inline bool fake_readable(int fd, int timeout_ms)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    return poll(&ready, 1, timeout_ms) > 0;
}

static inline bool fake_accept(struct fake_broker *fake)
{
    fake_hang_up(fake);
    if (!fake_readable(fake->listener, FAKE_WAIT_MS))
        return false;
    fake->peer = accept(fake->listener, NULL, NULL);
    const struct timeval patience = {.tv_sec = FAKE_WAIT_MS / 1000};
    return fake->peer >= 0 &&
           setsockopt(fake->peer, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0;
}

static inline bool fake_take(struct fake_broker *fake, uint8_t *out, size_t len)
{
    while (len > 0) {
        ssize_t got = fake_readable(fake->peer, FAKE_WAIT_MS) ? recv(fake->peer, out, len, 0) : -1;
        if (got <= 0)
            return false;
        out += got;
        len -= (size_t)got;
    }
    return true;
}

/* The next packet; false: none came, or it is not MQTT. */
static inline bool fake_read(struct fake_broker *fake, struct fake_packet *packet)
{
    uint8_t byte = 0;
    packet->len = 0;
    if (!fake_take(fake, &packet->first, 1))
        return false;
    for (unsigned shift = 0; shift < 28; shift += 7) {
        if (!fake_take(fake, &byte, 1))
            return false;
        packet->len |= (size_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80))
            break;
    }
    return packet->len <= sizeof packet->body && fake_take(fake, packet->body, packet->len);
}

static inline bool fake_write(struct fake_broker *fake, const void *bytes, size_t len)
{
    return send(fake->peer, bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* A PUBLISH packet's bytes: `first` 0x30 and flags, the topic "t", `len` bytes of payload that are all
 * `fill`; with `properties` the empty ones of MQTT 5. Returns its length. */
static inline size_t fake_publish(uint8_t *out, uint8_t first, bool properties, uint8_t fill, size_t len)
{
    size_t rest = len + (properties ? 4 : 3), at = 0;
    out[at++] = first;
    for (; rest > 0x7F; rest >>= 7)
        out[at++] = (uint8_t)(0x80 | (rest & 0x7F));
    out[at++] = (uint8_t)rest;
    memcpy(out + at, "\0\1t", 3);
    at += 3;
    if (properties)
        out[at++] = 0;
    memset(out + at, fill, len);
    return at + len;
}

#endif
