/* mqtt_serve.c - one connection's life: what waits leaves, what comes is read, silence and doubts are asked
 * about, until it ends. */
#include "mqtt_state.h"

#include <errno.h>
#include <mqtt_protocol.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    /* From the connection to CONNACK: with TLS three round trips and the broker's work. */
    ANSWER_TIMEOUT_MS = 10000,
    TLS_BUFFER = 64 * 1024, /* of the socket: what one reading can take in at most, or little more */
    PONG_BYTES = 64,        /* an answered ping, inside TLS: no callback tells of it */
};

/* Elsewhere than on Linux poll() says POLLHUP when the other side has ended its half. */
#ifdef POLLRDHUP
#define END_OF_STREAM POLLRDHUP
#else
#define END_OF_STREAM 0
#endif

static bool is_up(const struct mqtt *mqtt)
{
    return mosquitto_socket(mqtt->client) >= 0;
}

static int subscribe(struct mqtt *mqtt)
{
    /* Not what we say ourselves, and nothing that was retained (MQTT 5, 3.8.3.1). */
    int options = MQTT_SUB_OPT_SEND_RETAIN_NEVER | (mqtt->hears_itself ? 0 : MQTT_SUB_OPT_NO_LOCAL);
    if (mqtt->topic_count == 0)
        return MOSQ_ERR_SUCCESS;
    return mosquitto_subscribe_multiple(mqtt->client, NULL, mqtt->topic_count, mqtt->topics, 0,
                                        mqtt->version == MQTT_PROTOCOL_V5 ? options : 0, NULL);
}

/* Writes what waits, as long as the socket takes it: what it does not take stays in our bounded queue. */
static int send_outbox(struct mqtt *mqtt)
{
    const struct post_node *node;
    while (!mosquitto_want_write(mqtt->client) && (node = post_next(&mqtt->post))) {
        int err = mosquitto_publish(mqtt->client, NULL, node->topic, (int)node->len, node->data, 0, false);
        if (err == MOSQ_ERR_NO_CONN || err == MOSQ_ERR_CONN_LOST || err == MOSQ_ERR_ERRNO ||
            err == MOSQ_ERR_TLS)
            return err;
        mqtt->last_out = mqtt_now_ms();
        post_left(&mqtt->post, node); /* anything else says that this message cannot be sent, ever */
    }
    return MOSQ_ERR_SUCCESS;
}

/* Says DISCONNECT once all has left; true: the connection may be dropped. */
static bool say_goodbye(struct mqtt *mqtt, uint64_t close_by)
{
    if (!mqtt->disconnecting && !mosquitto_want_write(mqtt->client) && !post_next(&mqtt->post)) {
        mqtt->disconnecting = true;
        mosquitto_disconnect(mqtt->client);
    }
    return !is_up(mqtt) || mqtt_now_ms() >= close_by;
}

/* When a ping is due: the library counts whole seconds, from each direction's last packet. */
static uint64_t ping_due(const struct mqtt *mqtt)
{
    return (mqtt->last_in < mqtt->last_out ? mqtt->last_in : mqtt->last_out) + MQTT_KEEPALIVE_S * 1000;
}

/* Milliseconds until something is due: the keep-alive, CONNACK, or the end of closing's patience. */
static int time_left(const struct mqtt *mqtt, uint64_t started, bool closing, uint64_t close_by)
{
    uint64_t now = mqtt_now_ms(), due = ping_due(mqtt);
    if (!mqtt->answered && started + ANSWER_TIMEOUT_MS < due)
        due = started + ANSWER_TIMEOUT_MS;
    if (mqtt->asked && mqtt->asked + MQTT_DOUBT_MS < due)
        due = mqtt->asked + MQTT_DOUBT_MS;
    if (closing && close_by < due)
        due = close_by;
    return due > now ? (int)(due - now) : 0;
}

/* Pings, or finds that the last ping was not answered. */
static int keep_alive(struct mqtt *mqtt)
{
    if (mqtt_now_ms() < ping_due(mqtt))
        return MOSQ_ERR_SUCCESS;
    mqtt->last_in = mqtt->last_out = mqtt_now_ms();
    mqtt->unfinished -= mqtt->unfinished < PONG_BYTES ? mqtt->unfinished : PONG_BYTES;
    return mosquitto_loop_misc(mqtt->client);
}

/* Whether this machine still has the address that the connection leaves from. TCP itself would go on trying
 * for a quarter of an hour. */
static bool has_own_address(const struct mqtt *mqtt)
{
    struct sockaddr_storage own;
    socklen_t len = sizeof own;
    if (getsockname(mosquitto_socket(mqtt->client), (struct sockaddr *)&own, &len) != 0)
        return true;
    if (own.ss_family == AF_INET)
        ((struct sockaddr_in *)&own)->sin_port = 0;
    else
        ((struct sockaddr_in6 *)&own)->sin6_port = 0;
    int probe = socket(own.ss_family, SOCK_DGRAM, 0);
    if (probe < 0)
        return true;
    bool has = bind(probe, (struct sockaddr *)&own, len) == 0 || errno != EADDRNOTAVAIL;
    close(probe);
    return has;
}

/* Subscribing once more is the one question that the library lets us ask at a time of our own choosing. */
static int ask_broker(struct mqtt *mqtt)
{
    bool moved;
    if (mqtt_take_doubt(mqtt, &moved)) {
        if (!has_own_address(mqtt)) {
            mqtt->hasty = true;
            snprintf(mqtt->reason, sizeof mqtt->reason,
                     "this machine has another address than the one that "
                     "broker %s:%u knows",
                     mqtt->url.host, mqtt->url.port);
            return MOSQ_ERR_CONN_LOST;
        }
        if (mqtt->answered && !mqtt->asked && mqtt->topic_count) {
            mqtt->asked = mqtt->last_out = mqtt_now_ms();
            return subscribe(mqtt);
        }
    }
    if (mqtt->last_in >= mqtt->asked)
        mqtt->asked = 0;
    if (!mqtt->asked || mqtt_now_ms() < mqtt->asked + MQTT_DOUBT_MS)
        return MOSQ_ERR_SUCCESS;
    mqtt->hasty = true;
    return MOSQ_ERR_KEEPALIVE;
}

/* Waits for the socket or a wake-up and does what they ask for. */
static int serve_once(struct mqtt *mqtt, int timeout)
{
    const int ended = END_OF_STREAM | POLLHUP | POLLERR;
    struct pollfd fds[2] = {
        {.fd = mosquitto_socket(mqtt->client), .events = POLLIN | END_OF_STREAM},
        {.fd = post_wake_fd(&mqtt->post), .events = POLLIN},
    };
    int err = MOSQ_ERR_SUCCESS;
    if (mosquitto_want_write(mqtt->client))
        fds[0].events |= POLLOUT;
    if (poll(fds, 2, timeout) <= 0)
        return keep_alive(mqtt); /* and nothing in `fds` means anything */
    if (fds[1].revents)
        post_wake_clear(&mqtt->post);
    if (fds[0].revents & (POLLIN | ended))
        err = mqtt_receive(mqtt, fds[0].revents & ended);
    if (err == MOSQ_ERR_SUCCESS && fds[0].revents & POLLOUT && is_up(mqtt)) {
        mqtt->last_out = mqtt_now_ms();
        err = mosquitto_loop_write(mqtt->client, 1);
    }
    return err == MOSQ_ERR_SUCCESS && is_up(mqtt) ? keep_alive(mqtt) : err;
}

int mqtt_serve(struct mqtt *mqtt)
{
    uint64_t started = mqtt_now_ms(), close_by;
    int err = subscribe(mqtt);
    mqtt->last_in = mqtt->last_out = started;
    mqtt->low_water = 1;
    mqtt->unfinished = 0;
    mqtt->asked = 0;
    if (mqtt->url.tls)
        setsockopt(mosquitto_socket(mqtt->client), SOL_SOCKET, SO_RCVBUF, &(int){TLS_BUFFER}, sizeof(int));
    while (err == MOSQ_ERR_SUCCESS && is_up(mqtt)) {
        err = send_outbox(mqtt);
        if (err == MOSQ_ERR_SUCCESS)
            err = ask_broker(mqtt);
        bool closing = mqtt_is_closing(mqtt, &close_by);
        if (closing && say_goodbye(mqtt, close_by))
            break;
        if (err == MOSQ_ERR_SUCCESS)
            err = serve_once(mqtt, time_left(mqtt, started, closing, close_by));
        mqtt->cause = errno;
        if (mqtt->answered && !mqtt->accepted)
            break;
        if (!mqtt->answered && mqtt_now_ms() >= started + ANSWER_TIMEOUT_MS)
            return MOSQ_ERR_TIMEOUT;
    }
    return err == MOSQ_ERR_SUCCESS && !is_up(mqtt) ? MOSQ_ERR_CONN_LOST : err;
}
