/* mqtt_post.c - what passes between a broker's thread and its owner: bounded queues, two bells.
 * Bulk has a share of its own in both directions: it may be lost, messages had better not be. */
#include "mqtt_post.h"
#include <stdlib.h>
#include <string.h>

/* ---- queues ---- */

static struct post_node *node_new(enum mqtt_event_type type, const char *topic, const void *data, size_t len)
{
    size_t topic_size = strlen(topic) + 1;
    struct post_node *node = malloc(sizeof *node + topic_size + len);
    if (!node)
        return NULL;
    char *copy = (char *)(node + 1);
    memcpy(copy, topic, topic_size);
    if (len)
        memcpy(copy + topic_size, data, len);
    *node = (struct post_node){.type = type, .topic = copy, .data = (uint8_t *)copy + topic_size, .len = len};
    return node;
}

static void queue_add(struct post_queue *queue, struct post_node *node)
{
    *queue->end = node;
    queue->end = &node->next;
    queue->count++;
}

static struct post_node *queue_take(struct post_queue *queue)
{
    struct post_node *node = queue->first;
    if (!node)
        return NULL;
    queue->first = node->next;
    if (!queue->first)
        queue->end = &queue->first;
    queue->count--;
    return node;
}

static void queue_clear(struct post_queue *queue)
{
    struct post_node *node;
    while ((node = queue_take(queue)))
        free(node);
}

bool post_open(struct post *post)
{
    *post = (struct post){.told = {{-1, -1}}, .wake = {{-1, -1}}};
    post->events.end = &post->events.first;
    post->outbox.end = &post->outbox.first;
    post->bulk.end = &post->bulk.first;
    pthread_mutex_init(&post->lock, NULL);
    return bell_open(&post->told) && bell_open(&post->wake);
}

void post_free(struct post *post)
{
    queue_clear(&post->events);
    queue_clear(&post->outbox);
    queue_clear(&post->bulk);
    free(post->current);
    bell_close(&post->told);
    bell_close(&post->wake);
    pthread_mutex_destroy(&post->lock);
}

/* ---- events: from the thread to the owner ---- */

void post_tell(struct post *post, enum mqtt_event_type type, const char *topic, const void *data, size_t len)
{
    struct post_node *node = node_new(type, topic, data, len);
    bool bulk = type == MQTT_BULK, message = bulk || type == MQTT_MESSAGE;
    size_t limit = message ? MQTT_QUEUE_MAX : MQTT_QUEUE_MAX + POST_STATUS_MAX;
    pthread_mutex_lock(&post->lock);
    if (node && post->events.count < limit && (!bulk || post->bulk_events < MQTT_BULK_MAX)) {
        post->bulk_events += bulk;
        if (!post->events.first)
            bell_ring(&post->told);
        queue_add(&post->events, node);
        node = NULL;
    } else {
        post->dropped++;
    }
    pthread_mutex_unlock(&post->lock);
    free(node);
}

int post_fd(const struct post *post)
{
    return bell_fd(&post->told);
}

bool post_take(struct post *post, struct mqtt_event *event)
{
    free(post->current);
    pthread_mutex_lock(&post->lock);
    struct post_node *node = post->current = queue_take(&post->events);
    if (node && !post->events.first)
        bell_hush(&post->told);
    if (node && node->type == MQTT_BULK)
        post->bulk_events--;
    pthread_mutex_unlock(&post->lock);
    if (!node)
        return false;
    *event = (struct mqtt_event){.type = node->type};
    if (node->type == MQTT_MESSAGE || node->type == MQTT_BULK)
        event->topic = node->topic, event->data = node->data, event->len = node->len;
    else
        event->text = node->topic;
    return true;
}

/* ---- the outbox: from the owner to the thread ---- */

static void wake_locked(struct post *post)
{
    if (!post->woken)
        bell_ring(&post->wake);
    post->woken = true;
}

void post_wake(struct post *post)
{
    pthread_mutex_lock(&post->lock);
    wake_locked(post);
    pthread_mutex_unlock(&post->lock);
}

int post_wake_fd(const struct post *post)
{
    return bell_fd(&post->wake);
}

void post_wake_clear(struct post *post)
{
    pthread_mutex_lock(&post->lock);
    if (post->woken)
        bell_hush(&post->wake);
    post->woken = false;
    pthread_mutex_unlock(&post->lock);
}

bool post_publish(struct post *post, const char *topic, const void *data, size_t len)
{
    struct post_node *node = len <= MQTT_PACKET_MAX ? node_new(MQTT_MESSAGE, topic, data, len) : NULL;
    pthread_mutex_lock(&post->lock);
    bool listens = post->stage == POST_FIRST || post->stage == POST_UP;
    bool taken = node && listens && post->outbox.count < MQTT_QUEUE_MAX;
    if (taken) {
        queue_add(&post->outbox, node);
        if (!post->unsent)
            post->unsent = node;
        wake_locked(post);
    } else {
        post->dropped++;
    }
    pthread_mutex_unlock(&post->lock);
    if (!taken)
        free(node);
    return taken;
}

bool post_publish_bulk(struct post *post, const char *topic, const void *data, size_t len)
{
    struct post_node *node = len <= MQTT_PACKET_MAX ? node_new(MQTT_BULK, topic, data, len) : NULL;
    pthread_mutex_lock(&post->lock);
    bool taken = node && post->stage == POST_UP && post->bulk.count < MQTT_BULK_MAX;
    if (taken) {
        queue_add(&post->bulk, node);
        wake_locked(post);
    } else {
        post->dropped++;
    }
    pthread_mutex_unlock(&post->lock);
    if (!taken)
        free(node);
    return taken;
}

uint64_t post_dropped(struct post *post)
{
    pthread_mutex_lock(&post->lock);
    uint64_t dropped = post->dropped;
    pthread_mutex_unlock(&post->lock);
    return dropped;
}

const struct post_node *post_next(struct post *post)
{
    pthread_mutex_lock(&post->lock);
    const struct post_node *node = post->unsent ? post->unsent : post->bulk.first;
    pthread_mutex_unlock(&post->lock);
    return node;
}

/* Before the first acceptance a message is kept for another attempt, afterwards it is done with. */
void post_left(struct post *post, const struct post_node *node)
{
    struct post_node *gone = NULL;
    pthread_mutex_lock(&post->lock);
    if (node->type == MQTT_BULK) {
        gone = queue_take(&post->bulk);
    } else {
        post->unsent = post->unsent->next;
        if (post->stage != POST_FIRST)
            gone = queue_take(&post->outbox);
    }
    pthread_mutex_unlock(&post->lock);
    free(gone);
}

void post_again(struct post *post)
{
    pthread_mutex_lock(&post->lock);
    post->unsent = post->outbox.first;
    pthread_mutex_unlock(&post->lock);
}

void post_enter(struct post *post, enum post_stage stage)
{
    pthread_mutex_lock(&post->lock);
    if (stage != POST_UP)
        post->unsent = NULL;
    while (post->outbox.first != post->unsent) {
        if (stage != POST_UP)
            post->dropped++;
        free(queue_take(&post->outbox));
    }
    if (stage != POST_UP) {
        post->dropped += post->bulk.count;
        queue_clear(&post->bulk);
    }
    post->stage = stage;
    pthread_mutex_unlock(&post->lock);
}
