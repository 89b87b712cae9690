/* mqtt_attempt.c - one attempt after the other: connects, explains the end, chooses what comes next. */
#include "mqtt_state.h"

#include <errno.h>
#include <mqtt_protocol.h>
#include <netdb.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

/* The blocking part: resolves and connects. False: closing, nothing was begun. */
static bool connect_client(struct mqtt *mqtt, int *err)
{
    mosquitto_property *limit = NULL;
    pthread_mutex_lock(&mqtt->lock);
    bool begin = mqtt->connecting = !mqtt->closing;
    pthread_mutex_unlock(&mqtt->lock);
    if (!begin)
        return false;
    post_again(&mqtt->post);
    mosquitto_int_option(mqtt->client, MOSQ_OPT_PROTOCOL_VERSION, mqtt->version);
    if (mqtt->version == MQTT_PROTOCOL_V5)
        mosquitto_property_add_int32(&limit, MQTT_PROP_MAXIMUM_PACKET_SIZE, MQTT_PACKET_MAX);
    errno = 0;
    *err = mosquitto_connect_bind_v5(mqtt->client, mqtt->url.host, mqtt->url.port, MQTT_KEEPALIVE_S, NULL,
                                     limit);
    mqtt->cause = errno;
    mosquitto_property_free_all(&limit);
    pthread_mutex_lock(&mqtt->lock);
    mqtt->connecting = false;
    pthread_cond_broadcast(&mqtt->changed);
    pthread_mutex_unlock(&mqtt->lock);
    return true;
}

/* Why there is no connection, in a sentence. */
static void explain(struct mqtt *mqtt, int err)
{
    const char *host = mqtt->url.host;
    unsigned port = mqtt->url.port;
    if (mqtt->reason[0])
        return;
    if (err == MOSQ_ERR_EAI)
        snprintf(mqtt->reason, MQTT_REASON_MAX, "broker %s: the name does not resolve (%s)", host,
                 gai_strerror(mqtt->cause));
    else if (err == MOSQ_ERR_TIMEOUT)
        snprintf(mqtt->reason, MQTT_REASON_MAX, "broker %s:%u does not answer", host, port);
    else if (err == MOSQ_ERR_KEEPALIVE)
        snprintf(mqtt->reason, MQTT_REASON_MAX, "broker %s:%u stopped answering", host, port);
    else if (err == MOSQ_ERR_TLS || err == MOSQ_ERR_TLS_HANDSHAKE)
        snprintf(mqtt->reason, MQTT_REASON_MAX, "broker %s:%u cannot be trusted or does not speak TLS (%s)",
                 host, port, mqtt->log);
    else if (err == MOSQ_ERR_ERRNO && mqtt->cause)
        snprintf(mqtt->reason, MQTT_REASON_MAX, "broker %s:%u cannot be reached (%s)", host, port,
                 strerror(mqtt->cause));
    else if (err == MOSQ_ERR_CONN_LOST || mqtt->accepted)
        snprintf(mqtt->reason, MQTT_REASON_MAX, "broker %s:%u closed the connection", host, port);
    else
        snprintf(mqtt->reason, MQTT_REASON_MAX, "broker %s:%u: %s", host, port, mosquitto_strerror(err));
}

/* Whether the broker will say the same next time: it does not want us. */
static bool is_refusal(const struct mqtt *mqtt)
{
    if (mqtt->version != MQTT_PROTOCOL_V5)
        return mqtt->answer == REFUSED_ID_3 || mqtt->answer == REFUSED_LOGIN_3 ||
               mqtt->answer == REFUSED_AUTHORITY_3;
    return mqtt->answer == MQTT_RC_CLIENTID_NOT_VALID || mqtt->answer == MQTT_RC_BAD_USERNAME_OR_PASSWORD ||
           mqtt->answer == MQTT_RC_NOT_AUTHORIZED || mqtt->answer == MQTT_RC_BANNED ||
           mqtt->answer == MQTT_RC_BAD_AUTHENTICATION_METHOD;
}

static void explain_answer(struct mqtt *mqtt)
{
    const char *text = mqtt->version == MQTT_PROTOCOL_V5 ? mosquitto_reason_string(mqtt->answer)
                                                         : mosquitto_connack_string(mqtt->answer);
    snprintf(mqtt->reason, MQTT_REASON_MAX, "broker %s:%u refused us: %s", mqtt->url.host, mqtt->url.port,
             text);
}

/* Whether an attempt with MQTT 5 ended in the way of a broker that does not know it: it says so, or it hangs
 * up. */
static bool speaks_older(const struct mqtt *mqtt, int err)
{
    if (mqtt->version != MQTT_PROTOCOL_V5 || mqtt->version_known == MQTT_PROTOCOL_V5)
        return false;
    if (mqtt->answered)
        return mqtt->answer == MQTT_RC_UNSUPPORTED_PROTOCOL_VERSION || mqtt->answer == REFUSED_VERSION_3;
    return err != MOSQ_ERR_TIMEOUT && err != MOSQ_ERR_TLS && err != MOSQ_ERR_TLS_HANDSHAKE;
}

/* Tells the owner how an attempt or a connection ended, and what comes next. */
static enum mqtt_outcome conclude(struct mqtt *mqtt, int err, bool connected)
{
    bool was_up = mqtt->answered && mqtt->answer == 0;
    if (connected && !was_up && speaks_older(mqtt, err)) {
        mqtt->version = MQTT_PROTOCOL_V311;
        return MQTT_OUTCOME_AT_ONCE;
    }
    if (mqtt->answered && !mqtt->accepted) {
        explain_answer(mqtt);
        if (is_refusal(mqtt)) {
            post_enter(&mqtt->post, POST_OVER);
            post_tell(&mqtt->post, MQTT_REFUSED, mqtt->reason, NULL, 0);
            return MQTT_OUTCOME_OVER;
        }
    }
    explain(mqtt, err);
    if (was_up)
        post_enter(&mqtt->post, POST_DOWN);
    post_tell(&mqtt->post, was_up ? MQTT_DISCONNECTED : MQTT_FAILED, mqtt->reason, NULL, 0);
    /* That a broker hung up once is no proof: unless 3.1.1 has worked, the next attempt begins with 5 again.
     */
    mqtt->version = mqtt->version_known ? mqtt->version_known : MQTT_PROTOCOL_V5;
    return MQTT_OUTCOME_WAIT;
}

enum mqtt_outcome mqtt_attempt(struct mqtt *mqtt)
{
    int err;
    mqtt->answered = mqtt->accepted = false;
    mqtt->reason[0] = mqtt->log[0] = '\0';
    if (!connect_client(mqtt, &err))
        return MQTT_OUTCOME_OVER;
    bool connected = err == MOSQ_ERR_SUCCESS;
    uint64_t started = mqtt_now_ms(), close_by;
    if (connected)
        err = mqtt_serve(mqtt);
    if (mqtt_is_closing(mqtt, &close_by))
        return MQTT_OUTCOME_OVER;
    enum mqtt_outcome outcome = conclude(mqtt, err, connected);
    if (mqtt->version_known && mqtt_now_ms() - started > mqtt->backoff_ms)
        mqtt->backoff_ms = MQTT_BACKOFF_MIN_MS; /* it has held for longer than we would wait */
    return outcome;
}

bool mqtt_back_off(struct mqtt *mqtt)
{
    if (mqtt->hasty) {
        mqtt->hasty = false;
        return true;
    }
    uint64_t close_by, wait = mqtt->backoff_ms / 2 + randombytes_uniform(mqtt->backoff_ms / 2 + 1);
    uint64_t until = mqtt_now_ms() + wait;
    mqtt->backoff_ms *= 2;
    if (mqtt->backoff_ms > MQTT_BACKOFF_MAX_S * 1000)
        mqtt->backoff_ms = MQTT_BACKOFF_MAX_S * 1000;
    for (uint64_t now; (now = mqtt_now_ms()) < until;) {
        struct pollfd wake = {.fd = post_wake_fd(&mqtt->post), .events = POLLIN};
        if (mqtt_is_closing(mqtt, &close_by))
            return false;
        if (poll(&wake, 1, (int)(until - now)) > 0)
            post_wake_clear(&mqtt->post);
        bool moved;
        if (mqtt_take_doubt(mqtt, &moved) && moved)
            break;
    }
    return true;
}
