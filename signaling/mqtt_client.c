/* mqtt_client.c - libmosquitto's client as we want it, and what it tells. */
#include "mqtt_state.h"

#include "message.h"

#include <mqtt_protocol.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum {
    CLIENT_ID_LEN = 20,   /* characters: every broker takes up to 23 (MQTT 3.1.1, 3.1.3.1) */
    SUBACK_FAILED = 0x80, /* and above (3.9.3) */
};

/* A folder of certificates, besides the system's: with the system's alone the library refuses to connect a
 * second time (libmosquitto 2.0.11, net__init_ssl_ctx). */
static const char NO_CERTIFICATES[] = "/dev/null";

static void on_connect(struct mosquitto *client, void *context, int code, int flags,
                       const mosquitto_property *unused)
{
    struct mqtt *mqtt = context;
    (void)client, (void)flags, (void)unused;
    mqtt->unfinished = 0;
    mqtt->answered = true;
    mqtt->answer = code;
    mqtt->accepted = code == 0;
    if (!mqtt->accepted)
        return;
    mqtt->version_known = mqtt->version;
    post_enter(&mqtt->post, POST_UP);
    post_tell(&mqtt->post, MQTT_CONNECTED, "", NULL, 0);
}

/* Only MQTT 5 brokers say why (3.14.2.1). */
static void on_disconnect(struct mosquitto *client, void *context, int code, const mosquitto_property *unused)
{
    struct mqtt *mqtt = context;
    (void)client, (void)unused;
    if (code >= MQTT_RC_UNSPECIFIED)
        snprintf(mqtt->reason, sizeof mqtt->reason, "broker %s:%u ended the connection: %s", mqtt->url.host,
                 mqtt->url.port, mosquitto_reason_string(code));
}

static void on_subscribe(struct mosquitto *client, void *context, int id, int count, const int *granted)
{
    struct mqtt *mqtt = context;
    (void)client, (void)id;
    mqtt->unfinished = 0;
    for (int i = 0; i < count; i++) {
        if (granted[i] < SUBACK_FAILED || (mqtt->bulk_topic && i == mqtt->topic_count - 1))
            continue;
        mqtt->accepted = false;
        mqtt->answer = mqtt->version == MQTT_PROTOCOL_V5 ? MQTT_RC_NOT_AUTHORIZED : REFUSED_AUTHORITY_3;
    }
}

static void on_message(struct mosquitto *client, void *context, const struct mosquitto_message *message)
{
    struct mqtt *mqtt = context;
    (void)client;
    mqtt->unfinished = 0;
    if (message->retain || message->payloadlen < 0 || message->payloadlen > MESSAGE_MAX)
        return;
    bool bulk = mqtt->bulk_topic && !strcmp(message->topic, mqtt->bulk_topic);
    post_tell(&mqtt->post, bulk ? MQTT_BULK : MQTT_MESSAGE, message->topic, message->payload,
              (size_t)message->payloadlen);
}

static void on_log(struct mosquitto *client, void *context, int level, const char *text)
{
    struct mqtt *mqtt = context;
    (void)client;
    if (level == MOSQ_LOG_ERR)
        snprintf(mqtt->log, sizeof mqtt->log, "%s", text);
}

/* mosquitto_new sets SIGPIPE to be ignored, in the whole program: its disposition is put back. */
static struct mosquitto *make(struct mqtt *mqtt)
{
    static pthread_mutex_t library = PTHREAD_MUTEX_INITIALIZER;
    static bool initialised;
    struct sigaction before;
    uint8_t bytes[CLIENT_ID_LEN / 2];
    char id[CLIENT_ID_LEN +
            1]; /* another than the peer's id, so that a broker alone can tie the two together */
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2hex(id, sizeof id, bytes, sizeof bytes);
    pthread_mutex_lock(&library);
    sigaction(SIGPIPE, NULL, &before);
    if (!initialised)
        initialised = mosquitto_lib_init() == MOSQ_ERR_SUCCESS;
    struct mosquitto *client = initialised ? mosquitto_new(id, true, mqtt) : NULL;
    sigaction(SIGPIPE, &before, NULL);
    pthread_mutex_unlock(&library);
    return client;
}

static bool configure(struct mqtt *mqtt, const struct mqtt_config *config)
{
    struct mosquitto *client = mqtt->client;
    const struct mqtt_url *url = &mqtt->url;
    mosquitto_connect_v5_callback_set(client, on_connect);
    mosquitto_disconnect_v5_callback_set(client, on_disconnect);
    mosquitto_subscribe_callback_set(client, on_subscribe);
    mosquitto_message_callback_set(client, on_message);
    mosquitto_log_callback_set(client, on_log);
    int err = mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1);
    if (!err && url->user[0])
        err = mosquitto_username_pw_set(client, url->user, url->password[0] ? url->password : NULL);
    if (!err && url->tls)
        err = mosquitto_int_option(client, MOSQ_OPT_TLS_USE_OS_CERTS, 1);
    if (!err && url->tls)
        err = mosquitto_tls_set(client, NULL, NO_CERTIFICATES, NULL, NULL, NULL);
    if (!err && url->tls)
        err = mosquitto_tls_opts_set(client, 1, NULL,
                                     NULL); /* 1: the certificate and its host name must hold */
    if (!err && config->will_topic)
        err = mosquitto_will_set(client, config->will_topic, (int)config->will_len, config->will, 0, false);
    return err == MOSQ_ERR_SUCCESS;
}

bool mqtt_client_new(struct mqtt *mqtt, const struct mqtt_config *config)
{
    mqtt->client = make(mqtt);
    return mqtt->client && configure(mqtt, config);
}
