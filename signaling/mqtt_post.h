/* mqtt_post.h - what passes between a broker's thread and its owner: messages and events one way, messages
 * the other. Safe from both sides; of libmosquitto it knows nothing. */
#ifndef MQTT_POST_H
#define MQTT_POST_H

#include "bell.h"
#include "mqtt.h"
#include <pthread.h>

enum { POST_STATUS_MAX = 32 }; /* status events that may wait beside MQTT_QUEUE_MAX messages */

/* A message or an event on its way; the strings lie behind it. */
struct post_node {
    struct post_node *next;
    enum mqtt_event_type type;
    const char *topic; /* of a status event: its reason */
    const uint8_t *data;
    size_t len;
};

struct post_queue {
    struct post_node *first, **end;
    size_t count;
};

enum post_stage {
    POST_FIRST, /* never connected yet: what is published waits, and is kept until a broker has accepted us */
    POST_UP,
    POST_DOWN, /* what is published is dropped */
    POST_OVER, /* the same, for good */
};

struct post {
    pthread_mutex_t lock; /* over all but `current` and the descriptors */
    enum post_stage stage;
    struct post_queue events, outbox, bulk; /* bulk: leaves when the outbox has left */
    size_t bulk_events;                     /* of `events` */
    struct post_node
        *unsent; /* first of the outbox that has not left on this connection; the head except in POST_FIRST */
    bool woken;  /* `wake` rings */
    uint64_t dropped;
    struct post_node *current; /* the owner's: the event that was handed out last */
    struct bell told, wake;    /* the owner is told, the thread is woken */
};

/* False: no descriptors; post_free is due all the same. */
bool post_open(struct post *post);
void post_free(struct post *post);

/* ---- for the owner: as mqtt.h says of the calls of like names ---- */

int post_fd(const struct post *post);
bool post_take(struct post *post, struct mqtt_event *event);
bool post_publish(struct post *post, const char *topic, const void *data, size_t len);
bool post_publish_bulk(struct post *post, const char *topic, const void *data, size_t len);
uint64_t post_dropped(struct post *post);
/* Makes post_wake_fd readable. */
void post_wake(struct post *post);

/* ---- for the thread ---- */

int post_wake_fd(const struct post *post);
void post_wake_clear(struct post *post);
/* Adds an event; `topic` is the reason where it is no message. */
void post_tell(struct post *post, enum mqtt_event_type type, const char *topic, const void *data, size_t len);
/* Enters a stage. Coming up, what has left has arrived; going down, what waits is dropped. */
void post_enter(struct post *post, enum post_stage stage);
/* A new connection: what was not accepted on the last one leaves again. */
void post_again(struct post *post);
/* The next message to write, NULL: none. It stays valid until post_left says that it has left. */
const struct post_node *post_next(struct post *post);
void post_left(struct post *post, const struct post_node *node);

#endif
