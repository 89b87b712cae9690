/* mqtt_receive.c - how much of what a broker sends libmosquitto is let at. It has no bound of its own: it
 * would allocate whatever length a broker announces, and keep messages of QoS 2. */
#include "mqtt_state.h"

#include <stdio.h>
#include <sys/socket.h>

enum {
    PUBLISH_TYPE = 3,                     /* in the upper half of a packet's first byte (2.1.2) */
    UNFINISHED_MAX = 4 * MQTT_PACKET_MAX, /* bytes inside TLS that may come without completing a packet: ours
                                             have 16 KiB, and a handshake's certificates as much */
};

enum look { LOOK_READ, LOOK_WAIT, LOOK_REFUSE };

/* What to do with the bytes at the front of the socket. The library is let at a packet only when
 * that is whole and within our limits. */
static enum look look_ahead(struct mqtt *mqtt, size_t *whole)
{
    ssize_t got = recv(mosquitto_socket(mqtt->client), mqtt->peek, sizeof mqtt->peek, MSG_PEEK);
    if (got <= 0)
        return LOOK_READ; /* the end or an error: the library tells which */
    size_t len = (size_t)got, at = 1, rest = 0;
    for (unsigned shift = 0;; shift += 7) {
        if (at == len) {
            *whole = len + 1;
            return LOOK_WAIT;
        }
        uint8_t byte = mqtt->peek[at++];
        rest |= (size_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80))
            break;
        if (shift == 21)
            return LOOK_REFUSE; /* longer than 4 bytes (2.2.3) */
    }
    if (at + rest > MQTT_PACKET_MAX || (mqtt->peek[0] >> 4 == PUBLISH_TYPE && mqtt->peek[0] & 0x06))
        return LOOK_REFUSE;
    *whole = at + rest;
    return *whole > len ? LOOK_WAIT : LOOK_READ;
}

/* poll() then sleeps until this many bytes have come. */
static void set_low_water(struct mqtt *mqtt, int bytes)
{
    if (mqtt->low_water != bytes)
        setsockopt(mosquitto_socket(mqtt->client), SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
    mqtt->low_water = bytes;
}

/* Inside TLS packets cannot be seen before the library has them: what is counted is what comes without
 * completing one. That is no hard limit: a reading goes on for as long as bytes are there, so a broker that
 * sends faster than we decrypt, which none across a network does, has us take its whole message. */
static enum look count_unfinished(struct mqtt *mqtt)
{
    ssize_t got = recv(mosquitto_socket(mqtt->client), mqtt->peek, sizeof mqtt->peek, MSG_PEEK);
    if (got > 0)
        mqtt->unfinished += (size_t)got;
    return mqtt->unfinished > UNFINISHED_MAX ? LOOK_REFUSE : LOOK_READ;
}

int mqtt_receive(struct mqtt *mqtt, bool ended)
{
    size_t whole = 1;
    enum look look = mqtt->url.tls ? count_unfinished(mqtt) : look_ahead(mqtt, &whole);
    if (look == LOOK_REFUSE) {
        snprintf(mqtt->reason, sizeof mqtt->reason, "broker %s:%u sent what we do not take", mqtt->url.host,
                 mqtt->url.port);
        return MOSQ_ERR_OVERSIZE_PACKET;
    }
    set_low_water(mqtt, look == LOOK_WAIT ? (int)whole : 1);
    if (look == LOOK_WAIT)
        return ended ? MOSQ_ERR_CONN_LOST : MOSQ_ERR_SUCCESS;
    mqtt->last_in = mqtt_now_ms();
    return mosquitto_loop_read(mqtt->client, 1);
}
