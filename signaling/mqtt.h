/* mqtt.h - one connection to one broker, kept up: the only door to libmosquitto. No machine: it has a thread,
 * because name resolution, connecting and TLS block in the library; what happens comes back through a queue
 * and a descriptor. */
#ifndef MQTT_H
#define MQTT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MQTT_PACKET_MAX =
        16384, /* bytes we let the broker send us at once (MQTT 5: 3.1.2.11.4): a message and its header */
    MQTT_QUEUE_MAX = 256, /* messages waiting in either direction; more are dropped and counted */
    MQTT_BULK_MAX = 64,   /* of these, bulk: so it crowds nothing else out */
    MQTT_TOPICS_MAX = 4,
    MQTT_BACKOFF_MIN_MS = 500, /* reconnects wait between half and all of this, doubled each time ... */
    MQTT_BACKOFF_MAX_S = 30,   /* ... up to this */
    MQTT_KEEPALIVE_S = 20,
    MQTT_DOUBT_MS = 2000, /* a doubted broker's time to answer: many round trips and a retransmission */
};

/* A broker as the user names it: HOST[:PORT], mqtt://, mqtts://, with user:password@. */
struct mqtt_url {
    char host[256];
    uint16_t port; /* 1883, or 8883 with TLS, where none is given */
    bool tls;
    char user[128], password[128]; /* empty: none */
};

/* False: not of that form. */
bool mqtt_url_parse(struct mqtt_url *out, const char *text);

struct mqtt_config {
    struct mqtt_url url;
    const char *topics[MQTT_TOPICS_MAX]; /* subscribed to at every connect, QoS 0; NULL: no more */
    const char *bulk_topic;              /* also subscribed to; a broker may refuse that. NULL: none */
    const char *will_topic;              /* may be NULL */
    const void *will;
    size_t will_len;
    bool hears_itself; /* what we publish on our topics comes back: a test of the broker */
};

enum mqtt_event_type {
    MQTT_CONNECTED,    /* CONNACK was positive */
    MQTT_DISCONNECTED, /* an established connection ended; it is tried again by itself */
    MQTT_FAILED,       /* an attempt failed: `text` says how; it is tried again by itself */
    MQTT_REFUSED,      /* the broker refused us (credentials, authorisation): not tried again with the same */
    MQTT_MESSAGE,
    MQTT_BULK, /* the same, on the topic for bulk */
};

struct mqtt_event {
    enum mqtt_event_type type;
    const char *text;  /* FAILED, REFUSED, DISCONNECTED: a reason for people; valid until the next call */
    const char *topic; /* MESSAGE, BULK: valid until the next call, as `data` */
    const uint8_t *data;
    size_t len;
};

struct mqtt;

/* Begins to connect. 0, or -1: no memory, no descriptor or no thread; then *out is NULL. Arguments are
 * copied. */
int mqtt_open(struct mqtt **out, const struct mqtt_config *config);
/* Says DISCONNECT where a connection is up (so that no will is sent), after everything published has left,
 * waiting at most `grace_ms` for that; never waits for a connection attempt or a resolver. NULL is fine. */
void mqtt_close(struct mqtt *mqtt, unsigned grace_ms);

/* Becomes readable when mqtt_event has something. */
int mqtt_fd(const struct mqtt *mqtt);
/* The next event; false: none. */
bool mqtt_event(struct mqtt *mqtt, struct mqtt_event *event);
/* Queues a message, QoS 0, not retained. While the first connection is being made it waits, and leaves in the
 * same flight as CONNECT and SUBSCRIBE; while disconnected later it is dropped (rendezvous repeats). False:
 * dropped. */
bool mqtt_publish(struct mqtt *mqtt, const char *topic, const void *data, size_t len);
/* The same for what may be lost: it leaves after all that mqtt_publish took, and only while a connection is
 * up; MQTT_BULK_MAX of it may wait. */
bool mqtt_publish_bulk(struct mqtt *mqtt, const char *topic, const void *data, size_t len);
/* Something suggests that the broker has lost us: it is asked, and a connection that does not answer within
 * MQTT_DOUBT_MS, or whose own address this machine has no more, is made anew at once. `moved`: an attempt
 * that waits for its time is made now too. */
void mqtt_doubt(struct mqtt *mqtt, bool moved);
/* Messages and events that were dropped in either direction because a queue was full or the connection down.
 */
uint64_t mqtt_dropped(struct mqtt *mqtt);

#endif
