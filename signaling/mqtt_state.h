/* mqtt_state.h - what a connection to a broker is made of, for the files that are it: mqtt.c (the owner's
 * side, beginning and end), mqtt_client.c (libmosquitto's client), mqtt_attempt.c (one attempt after the
 * other), mqtt_serve.c (one connection's life) and mqtt_receive.c (what a broker may send). */
#ifndef MQTT_STATE_H
#define MQTT_STATE_H

#include "mqtt.h"
#include "mqtt_post.h"

#include <mosquitto.h>

enum {
    MQTT_REASON_MAX = 640, /* bytes of a reason for people: a host's name and the library's complaint fit */
    MQTT_LOG_MAX = 128,    /* bytes kept of the library's complaint */
};

/* CONNACK's codes of brokers that do not know MQTT 5 (3.1.1, 3.2.2.3). */
enum {
    REFUSED_VERSION_3 = 1,
    REFUSED_ID_3 = 2,
    REFUSED_LOGIN_3 = 4,
    REFUSED_AUTHORITY_3 = 5,
};

struct mqtt {
    struct post post; /* messages and events between the two */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* `connecting` or `done` */

    /* Under the lock. */
    unsigned holders; /* the owner and the thread; the last one frees */
    bool closing, connecting, done;
    bool doubted, moved; /* by the owner, to be taken by the thread */
    uint64_t close_by;   /* ms */

    /* Set before the thread starts. */
    struct mqtt_url url;
    bool hears_itself;
    char *topics[MQTT_TOPICS_MAX + 1]; /* the one for bulk comes last */
    int topic_count;                   /* of all */
    const char *bulk_topic;            /* among `topics`, or NULL */

    /* The thread's. */
    struct mosquitto *client;
    int version, version_known; /* to try, and the one that has worked (0: none) */
    bool answered, accepted, disconnecting;
    bool hasty;                   /* the next attempt need not wait */
    uint64_t asked;               /* ms; when a doubted broker was asked; 0: it was not, or it has answered */
    int answer;                   /* CONNACK's code */
    char reason[MQTT_REASON_MAX]; /* why the attempt or the connection ended */
    char log[MQTT_LOG_MAX];       /* the library's last complaint: the only place where it explains TLS */
    int cause;                    /* errno of the call that failed */
    uint64_t last_in, last_out;   /* ms */
    int low_water;                /* SO_RCVLOWAT as it is set */
    size_t unfinished;            /* bytes since the last packet that was complete; inside TLS */
    unsigned backoff_ms;
    uint8_t peek[MQTT_PACKET_MAX];
};

/* How an attempt ended, or the connection that it made. */
enum mqtt_outcome {
    MQTT_OUTCOME_WAIT, /* the next one comes after a pause */
    MQTT_OUTCOME_AT_ONCE,
    MQTT_OUTCOME_OVER, /* closing, or the broker does not want us */
};

/* ---- mqtt.c ---- */

uint64_t mqtt_now_ms(void);
/* Whether the owner has had a doubt since the last time; *moved: of the sort that makes an attempt worth
 * while. */
bool mqtt_take_doubt(struct mqtt *mqtt, bool *moved);
/* Whether the owner wants the end; *close_by: until when what waits may leave (ms). */
bool mqtt_is_closing(struct mqtt *mqtt, uint64_t *close_by);

/* ---- mqtt_client.c ---- */

/* Makes mqtt->client. False: out of memory; there may be one all the same, which mosquitto_destroy frees. */
bool mqtt_client_new(struct mqtt *mqtt, const struct mqtt_config *config);

/* ---- mqtt_attempt.c ---- */

/* Connects and lives with the connection; it blocks, in the library too. */
enum mqtt_outcome mqtt_attempt(struct mqtt *mqtt);
/* Waits between half and all of the back-off, and doubles it. False: closing. */
bool mqtt_back_off(struct mqtt *mqtt);

/* ---- mqtt_serve.c ---- */

/* Lives with a connection until it ends; returns why: an error of the library's. */
int mqtt_serve(struct mqtt *mqtt);

/* ---- mqtt_receive.c ---- */

/* Reads what has come, as far as it may be read. An error of the library's. `ended`: nothing will follow. */
int mqtt_receive(struct mqtt *mqtt, bool ended);

#endif
