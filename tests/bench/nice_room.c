/* nice_room.c - an MQTT room for the libnice peers.
 *
 * As quick as the broker allows: TCP_NODELAY, and subscription and hello follow the connect packet without
 * waiting for its answer. A peer that subscribed first hears the other's hello and answers into its inbox, so
 * nothing is ever repeated. Left out: reconnecting, TLS, quality of service above 0. */
#include "nice_room.h"

#include <glib-unix.h>
#include <glib.h>
#include <mosquitto.h>
#include <stdio.h>
#include <string.h>

enum { KEEPALIVE_S = 60 };

static gboolean room_writable(gint fd, GIOCondition condition, gpointer user)
{
    (void)fd, (void)condition;
    struct nice_room *room = user;
    mosquitto_loop_write(room->mosq, 1);
    return mosquitto_want_write(room->mosq) ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void room_flush(struct nice_room *room)
{
    if (!mosquitto_want_write(room->mosq))
        return;
    mosquitto_loop_write(room->mosq, 1);
    if (mosquitto_want_write(room->mosq))
        g_unix_fd_add(mosquitto_socket(room->mosq), G_IO_OUT, room_writable, room);
}

static gboolean room_readable(gint fd, GIOCondition condition, gpointer user)
{
    (void)fd, (void)condition;
    struct nice_room *room = user;
    if (mosquitto_loop_read(room->mosq, 1) != MOSQ_ERR_SUCCESS) {
        fprintf(stderr, "nice_room: the broker closed the connection\n");
        return G_SOURCE_REMOVE;
    }
    room_flush(room);
    return G_SOURCE_CONTINUE;
}

/* A message is "TYPE FROM\nBODY". */
static void room_message(struct mosquitto *mosq, void *user, const struct mosquitto_message *message)
{
    (void)mosq;
    struct nice_room *room = user;
    char text[NICE_ROOM_MESSAGE], type[16], from[NICE_ROOM_ID + 1];
    int length = message->payloadlen, used = 0;
    if (length <= 0 || length >= (int)sizeof(text))
        return;
    memcpy(text, message->payload, (size_t)length);
    text[length] = '\0';
    if (sscanf(text, "%15s %16s%n", type, from, &used) != 2 || text[used] != '\n')
        return;
    if (strcmp(from, room->id) != 0)
        room->heard(room->user, type, from, text + used + 1);
}

/* Outside a callback of libmosquitto this writes to the socket at once; inside one (where
 * mosquitto_loop_write would wait for itself) it is queued, and room_readable flushes. */
static void room_publish(struct nice_room *room, const char *topic, const char *type, const char *body)
{
    char text[NICE_ROOM_MESSAGE];
    int length = snprintf(text, sizeof(text), "%s %s\n%s", type, room->id, body);
    g_assert(length > 0 && length < (int)sizeof(text));
    mosquitto_publish(room->mosq, NULL, topic, length, text, 0, false);
}

static void topic_of(const struct nice_room *room, const char *inbox, char topic[NICE_ROOM_TOPIC])
{
    if (inbox)
        g_snprintf(topic, NICE_ROOM_TOPIC, "%s/to/%s", room->base, inbox);
    else
        g_snprintf(topic, NICE_ROOM_TOPIC, "%s/hello", room->base);
}

static int room_enter(struct nice_room *room, const char *body)
{
    char hello[NICE_ROOM_TOPIC], inbox[NICE_ROOM_TOPIC];
    topic_of(room, NULL, hello);
    topic_of(room, room->id, inbox);
    char *topics[] = {hello, inbox};
    int err = mosquitto_subscribe_multiple(room->mosq, NULL, 2, topics, 0, 0, NULL);
    if (!err)
        room_publish(room, hello, "hello", body);
    room_flush(room);
    return err;
}

int nice_room_join(struct nice_room *room, const char *host, int port, const char *name, const char *body)
{
    mosquitto_lib_init();
    g_snprintf(room->id, sizeof(room->id), "%08x%08x", g_random_int(), g_random_int());
    g_snprintf(room->base, sizeof(room->base), "nice-bench/%s", name);
    room->mosq = mosquitto_new(NULL, true, room);
    if (!room->mosq)
        return -1;
    mosquitto_int_option(room->mosq, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_message_callback_set(room->mosq, room_message);
    int err = mosquitto_connect(room->mosq, host, port, KEEPALIVE_S);
    if (!err)
        err = room_enter(room, body);
    if (err) {
        fprintf(stderr, "nice_room: %s\n", mosquitto_strerror(err));
        return -1;
    }
    g_unix_fd_add(mosquitto_socket(room->mosq), G_IO_IN | G_IO_HUP | G_IO_ERR, room_readable, room);
    return 0;
}

void nice_room_say(struct nice_room *room, const char *to, const char *type, const char *body)
{
    char topic[NICE_ROOM_TOPIC];
    topic_of(room, to, topic);
    room_publish(room, topic, type, body);
}

void nice_room_leave(struct nice_room *room)
{
    if (!room->mosq)
        return;
    mosquitto_disconnect(room->mosq);
    mosquitto_destroy(room->mosq);
    mosquitto_lib_cleanup();
    room->mosq = NULL;
}
