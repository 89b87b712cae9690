/* mqtt.c - one connection to one broker, kept up by a thread of its own. The mqtt_ files alone know
 * libmosquitto: start here, then mqtt_attempt.c.
 *
 * All of the library's calls that touch the connection are made by that one thread, which waits in poll() for
 * the socket and for a pipe; so a message from another thread leaves within a wake-up, nothing polls at
 * intervals, and TLS is never entered twice. Names resolve and connections are made inside the library and
 * block the thread, never its owner: mqtt_close then leaves it behind to free itself.
 *
 * MQTT 5 is tried first, for its limit on what a broker may send, and 3.1.1 where the broker knows no better.
 * Left out: QoS above 0 and sessions (rendezvous repeats what matters). */
#include "mqtt_state.h"

#include "worker.h"

#include <mqtt_protocol.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t mqtt_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- the owner's side ---- */

int mqtt_fd(const struct mqtt *mqtt)
{
    return post_fd(&mqtt->post);
}

bool mqtt_event(struct mqtt *mqtt, struct mqtt_event *event)
{
    return post_take(&mqtt->post, event);
}

bool mqtt_publish(struct mqtt *mqtt, const char *topic, const void *data, size_t len)
{
    return post_publish(&mqtt->post, topic, data, len);
}

bool mqtt_publish_bulk(struct mqtt *mqtt, const char *topic, const void *data, size_t len)
{
    return post_publish_bulk(&mqtt->post, topic, data, len);
}

uint64_t mqtt_dropped(struct mqtt *mqtt)
{
    return post_dropped(&mqtt->post);
}

void mqtt_doubt(struct mqtt *mqtt, bool moved)
{
    pthread_mutex_lock(&mqtt->lock);
    mqtt->doubted = true;
    mqtt->moved |= moved;
    pthread_mutex_unlock(&mqtt->lock);
    post_wake(&mqtt->post);
}

bool mqtt_take_doubt(struct mqtt *mqtt, bool *moved)
{
    pthread_mutex_lock(&mqtt->lock);
    bool doubted = mqtt->doubted;
    *moved = mqtt->moved;
    mqtt->doubted = mqtt->moved = false;
    pthread_mutex_unlock(&mqtt->lock);
    return doubted;
}

bool mqtt_is_closing(struct mqtt *mqtt, uint64_t *close_by)
{
    pthread_mutex_lock(&mqtt->lock);
    bool closing = mqtt->closing;
    *close_by = mqtt->close_by;
    pthread_mutex_unlock(&mqtt->lock);
    return closing;
}

/* ---- from the beginning to the end ---- */

static void mqtt_free(struct mqtt *mqtt)
{
    mosquitto_destroy(mqtt->client);
    for (int i = 0; i < mqtt->topic_count; i++)
        free(mqtt->topics[i]);
    post_free(&mqtt->post);
    pthread_cond_destroy(&mqtt->changed);
    pthread_mutex_destroy(&mqtt->lock);
    sodium_memzero(&mqtt->url, sizeof mqtt->url);
    free(mqtt);
}

/* The owner or the thread is finished with it. The lock is held, and is released. */
static void release(struct mqtt *mqtt)
{
    bool last = --mqtt->holders == 0;
    pthread_mutex_unlock(&mqtt->lock);
    if (last)
        mqtt_free(mqtt);
}

static void *run(void *context)
{
    struct mqtt *mqtt = context;
    enum mqtt_outcome outcome;
    do
        outcome = mqtt_attempt(mqtt);
    while (outcome == MQTT_OUTCOME_AT_ONCE || (outcome == MQTT_OUTCOME_WAIT && mqtt_back_off(mqtt)));
    mosquitto_destroy(mqtt->client); /* closes the connection, before anybody is told that it is closed */
    mqtt->client = NULL;
    pthread_mutex_lock(&mqtt->lock);
    mqtt->done = true;
    pthread_cond_broadcast(&mqtt->changed);
    release(mqtt);
    return NULL;
}

void mqtt_close(struct mqtt *mqtt, unsigned grace_ms)
{
    if (!mqtt)
        return;
    pthread_mutex_lock(&mqtt->lock);
    mqtt->closing = true;
    mqtt->close_by = mqtt_now_ms() + grace_ms;
    struct timespec until = {.tv_sec = (time_t)(mqtt->close_by / 1000),
                             .tv_nsec = (long)(mqtt->close_by % 1000) * 1000000};
    post_wake(&mqtt->post);
    int err = 0;
    while (!mqtt->done && !mqtt->connecting && !err)
        err = pthread_cond_timedwait(&mqtt->changed, &mqtt->lock, &until);
    release(mqtt);
}

static bool copy_topics(struct mqtt *mqtt, const struct mqtt_config *config)
{
    mqtt->hears_itself = config->hears_itself;
    for (int i = 0; i < MQTT_TOPICS_MAX && config->topics[i]; i++) {
        mqtt->topics[i] = strdup(config->topics[i]);
        if (!mqtt->topics[i])
            return false;
        mqtt->topic_count++;
    }
    if (!config->bulk_topic)
        return true;
    mqtt->bulk_topic = mqtt->topics[mqtt->topic_count] = strdup(config->bulk_topic);
    mqtt->topic_count += mqtt->bulk_topic != NULL;
    return mqtt->bulk_topic != NULL;
}

static struct mqtt *mqtt_alloc(const struct mqtt_config *config)
{
    struct mqtt *mqtt = calloc(1, sizeof *mqtt);
    pthread_condattr_t attributes;
    if (!mqtt)
        return NULL;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&mqtt->lock, NULL);
    pthread_cond_init(&mqtt->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    mqtt->holders = 2;
    mqtt->url = config->url;
    mqtt->version = MQTT_PROTOCOL_V5;
    mqtt->backoff_ms = MQTT_BACKOFF_MIN_MS;
    return mqtt;
}

int mqtt_open(struct mqtt **out, const struct mqtt_config *config)
{
    *out = NULL;
    struct mqtt *mqtt = mqtt_alloc(config);
    if (!mqtt)
        return -1;
    if (post_open(&mqtt->post) && copy_topics(mqtt, config) && mqtt_client_new(mqtt, config) &&
        worker_start(run, mqtt)) {
        *out = mqtt;
        return 0;
    }
    mqtt_free(mqtt);
    return -1;
}
