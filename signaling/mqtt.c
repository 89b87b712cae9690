/* mqtt.c - one connection to one broker, kept up by a thread of its own: the only file that knows
 * libmosquitto.
 *
 * All of the library's calls that touch the connection are made by that one thread, which waits in poll() for
 * the socket and for a pipe; so a message from another thread leaves within a wake-up, nothing polls at
 * intervals, and TLS is never entered twice. Names resolve and connections are made inside the library and
 * block the thread, never its owner: mqtt_close then leaves it behind to free itself.
 *
 * MQTT 5 is tried first, for its limit on what a broker may send, and 3.1.1 where the broker knows no better.
 * Left out: QoS above 0 and sessions (rendezvous repeats what matters). */
#include "mqtt.h"
#include "message.h"
#include "mqtt_post.h"
#include "worker.h"
#include <errno.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    ANSWER_TIMEOUT_MS =
        10000,          /* from the connection to CONNACK: with TLS three round trips and the broker's work */
    REASON_MAX = 640,   /* bytes of a reason for people: a host's name and the library's complaint fit */
    LOG_MAX = 128,      /* bytes kept of the library's complaint */
    CLIENT_ID_LEN = 20, /* characters: every broker takes up to 23 (MQTT 3.1.1, 3.1.3.1) */
    REFUSED_VERSION_3 = 1, /* CONNACK of a broker that does not know MQTT 5 (3.1.1, 3.2.2.3) ... */
    REFUSED_ID_3 = 2,
    REFUSED_LOGIN_3 = 4,
    REFUSED_AUTHORITY_3 = 5,
    SUBACK_FAILED = 0x80,                 /* and above (3.9.3) */
    PUBLISH_TYPE = 3,                     /* in the upper half of a packet's first byte (2.1.2) */
    UNFINISHED_MAX = 4 * MQTT_PACKET_MAX, /* bytes inside TLS that may come without completing a packet: ours
                                             have 16 KiB, and a handshake's certificates as much */
    TLS_BUFFER = 64 * 1024, /* of the socket: what one reading can take in at most, or little more */
    PONG_BYTES = 64,        /* an answered ping, inside TLS: no callback tells of it */
};

/* A folder of certificates, besides the system's: with the system's alone the library refuses to connect a
 * second time (libmosquitto 2.0.11, net__init_ssl_ctx). */
static const char NO_CERTIFICATES[] = "/dev/null";

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
    bool hasty;                 /* the next attempt need not wait */
    uint64_t asked;             /* ms; when a doubted broker was asked; 0: it was not, or it has answered */
    int answer;                 /* CONNACK's code */
    char reason[REASON_MAX];    /* why the attempt or the connection ended */
    char log[LOG_MAX];          /* the library's last complaint: the only place where it explains TLS */
    int cause;                  /* errno of the call that failed */
    uint64_t last_in, last_out; /* ms */
    int low_water;              /* SO_RCVLOWAT as it is set */
    size_t unfinished;          /* bytes since the last packet that was complete; inside TLS */
    unsigned backoff_ms;
    uint8_t peek[MQTT_PACKET_MAX];
};

static uint64_t now_ms(void)
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

/* Whether the owner has had a doubt since the last time; *moved: of the sort that makes an attempt worth
 * while. */
static bool take_doubt(struct mqtt *mqtt, bool *moved)
{
    pthread_mutex_lock(&mqtt->lock);
    bool doubted = mqtt->doubted;
    *moved = mqtt->moved;
    mqtt->doubted = mqtt->moved = false;
    pthread_mutex_unlock(&mqtt->lock);
    return doubted;
}

static bool is_closing(struct mqtt *mqtt, uint64_t *close_by)
{
    pthread_mutex_lock(&mqtt->lock);
    bool closing = mqtt->closing;
    *close_by = mqtt->close_by;
    pthread_mutex_unlock(&mqtt->lock);
    return closing;
}

/* ---- what the library tells ---- */

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

/* ---- one connection ---- */

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
        mqtt->last_out = now_ms();
        post_left(&mqtt->post, node); /* anything else says that this message cannot be sent, ever */
    }
    return MOSQ_ERR_SUCCESS;
}

/* Elsewhere than on Linux poll() says POLLHUP when the other side has ended its half. */
#ifdef POLLRDHUP
#define END_OF_STREAM POLLRDHUP
#else
#define END_OF_STREAM 0
#endif

enum look { LOOK_READ, LOOK_WAIT, LOOK_REFUSE };

/* What to do with the bytes at the front of the socket. The library has no bound of its own: it would
 * allocate whatever length a broker announces, and keep messages of QoS 2. So it is let at a packet only when
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

/* `ended`: nothing will follow what has come. */
static int receive(struct mqtt *mqtt, bool ended)
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
    mqtt->last_in = now_ms();
    return mosquitto_loop_read(mqtt->client, 1);
}

/* Says DISCONNECT once all has left; true: the connection may be dropped. */
static bool say_goodbye(struct mqtt *mqtt, uint64_t close_by)
{
    if (!mqtt->disconnecting && !mosquitto_want_write(mqtt->client) && !post_next(&mqtt->post)) {
        mqtt->disconnecting = true;
        mosquitto_disconnect(mqtt->client);
    }
    return !is_up(mqtt) || now_ms() >= close_by;
}

/* When a ping is due: the library counts whole seconds, from each direction's last packet. */
static uint64_t ping_due(const struct mqtt *mqtt)
{
    return (mqtt->last_in < mqtt->last_out ? mqtt->last_in : mqtt->last_out) + MQTT_KEEPALIVE_S * 1000;
}

/* Milliseconds until something is due: the keep-alive, CONNACK, or the end of closing's patience. */
static int time_left(const struct mqtt *mqtt, uint64_t started, bool closing, uint64_t close_by)
{
    uint64_t now = now_ms(), due = ping_due(mqtt);
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
    if (now_ms() < ping_due(mqtt))
        return MOSQ_ERR_SUCCESS;
    mqtt->last_in = mqtt->last_out = now_ms();
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
    if (take_doubt(mqtt, &moved)) {
        if (!has_own_address(mqtt)) {
            mqtt->hasty = true;
            snprintf(mqtt->reason, sizeof mqtt->reason,
                     "this machine has another address than the one that "
                     "broker %s:%u knows",
                     mqtt->url.host, mqtt->url.port);
            return MOSQ_ERR_CONN_LOST;
        }
        if (mqtt->answered && !mqtt->asked && mqtt->topic_count) {
            mqtt->asked = mqtt->last_out = now_ms();
            return subscribe(mqtt);
        }
    }
    if (mqtt->last_in >= mqtt->asked)
        mqtt->asked = 0;
    if (!mqtt->asked || now_ms() < mqtt->asked + MQTT_DOUBT_MS)
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
        err = receive(mqtt, fds[0].revents & ended);
    if (err == MOSQ_ERR_SUCCESS && fds[0].revents & POLLOUT && is_up(mqtt)) {
        mqtt->last_out = now_ms();
        err = mosquitto_loop_write(mqtt->client, 1);
    }
    return err == MOSQ_ERR_SUCCESS && is_up(mqtt) ? keep_alive(mqtt) : err;
}

/* Lives with a connection until it ends; returns why. */
static int serve(struct mqtt *mqtt)
{
    uint64_t started = now_ms(), close_by;
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
        bool closing = is_closing(mqtt, &close_by);
        if (closing && say_goodbye(mqtt, close_by))
            break;
        if (err == MOSQ_ERR_SUCCESS)
            err = serve_once(mqtt, time_left(mqtt, started, closing, close_by));
        mqtt->cause = errno;
        if (mqtt->answered && !mqtt->accepted)
            break;
        if (!mqtt->answered && now_ms() >= started + ANSWER_TIMEOUT_MS)
            return MOSQ_ERR_TIMEOUT;
    }
    return err == MOSQ_ERR_SUCCESS && !is_up(mqtt) ? MOSQ_ERR_CONN_LOST : err;
}

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

/* ---- attempts ---- */

/* Why there is no connection, in a sentence. */
static void explain(struct mqtt *mqtt, int err)
{
    const char *host = mqtt->url.host;
    unsigned port = mqtt->url.port;
    if (mqtt->reason[0])
        return;
    if (err == MOSQ_ERR_EAI)
        snprintf(mqtt->reason, REASON_MAX, "broker %s: the name does not resolve (%s)", host,
                 gai_strerror(mqtt->cause));
    else if (err == MOSQ_ERR_TIMEOUT)
        snprintf(mqtt->reason, REASON_MAX, "broker %s:%u does not answer", host, port);
    else if (err == MOSQ_ERR_KEEPALIVE)
        snprintf(mqtt->reason, REASON_MAX, "broker %s:%u stopped answering", host, port);
    else if (err == MOSQ_ERR_TLS || err == MOSQ_ERR_TLS_HANDSHAKE)
        snprintf(mqtt->reason, REASON_MAX, "broker %s:%u cannot be trusted or does not speak TLS (%s)", host,
                 port, mqtt->log);
    else if (err == MOSQ_ERR_ERRNO && mqtt->cause)
        snprintf(mqtt->reason, REASON_MAX, "broker %s:%u cannot be reached (%s)", host, port,
                 strerror(mqtt->cause));
    else if (err == MOSQ_ERR_CONN_LOST || mqtt->accepted)
        snprintf(mqtt->reason, REASON_MAX, "broker %s:%u closed the connection", host, port);
    else
        snprintf(mqtt->reason, REASON_MAX, "broker %s:%u: %s", host, port, mosquitto_strerror(err));
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
    snprintf(mqtt->reason, REASON_MAX, "broker %s:%u refused us: %s", mqtt->url.host, mqtt->url.port, text);
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

enum outcome { OUTCOME_WAIT, OUTCOME_AT_ONCE, OUTCOME_OVER };

/* Tells the owner how an attempt or a connection ended, and what comes next. */
static enum outcome conclude(struct mqtt *mqtt, int err, bool connected)
{
    bool was_up = mqtt->answered && mqtt->answer == 0;
    if (connected && !was_up && speaks_older(mqtt, err)) {
        mqtt->version = MQTT_PROTOCOL_V311;
        return OUTCOME_AT_ONCE;
    }
    if (mqtt->answered && !mqtt->accepted) {
        explain_answer(mqtt);
        if (is_refusal(mqtt)) {
            post_enter(&mqtt->post, POST_OVER);
            post_tell(&mqtt->post, MQTT_REFUSED, mqtt->reason, NULL, 0);
            return OUTCOME_OVER;
        }
    }
    explain(mqtt, err);
    if (was_up)
        post_enter(&mqtt->post, POST_DOWN);
    post_tell(&mqtt->post, was_up ? MQTT_DISCONNECTED : MQTT_FAILED, mqtt->reason, NULL, 0);
    /* That a broker hung up once is no proof: unless 3.1.1 has worked, the next attempt begins with 5 again.
     */
    mqtt->version = mqtt->version_known ? mqtt->version_known : MQTT_PROTOCOL_V5;
    return OUTCOME_WAIT;
}

static enum outcome attempt(struct mqtt *mqtt)
{
    int err;
    mqtt->answered = mqtt->accepted = false;
    mqtt->reason[0] = mqtt->log[0] = '\0';
    if (!connect_client(mqtt, &err))
        return OUTCOME_OVER;
    bool connected = err == MOSQ_ERR_SUCCESS;
    uint64_t started = now_ms(), close_by;
    if (connected)
        err = serve(mqtt);
    if (is_closing(mqtt, &close_by))
        return OUTCOME_OVER;
    enum outcome outcome = conclude(mqtt, err, connected);
    if (mqtt->version_known && now_ms() - started > mqtt->backoff_ms)
        mqtt->backoff_ms = MQTT_BACKOFF_MIN_MS; /* it has held for longer than we would wait */
    return outcome;
}

/* Waits between half and all of the back-off, and doubles it. False: closing. */
static bool back_off(struct mqtt *mqtt)
{
    if (mqtt->hasty) {
        mqtt->hasty = false;
        return true;
    }
    uint64_t close_by, wait = mqtt->backoff_ms / 2 + randombytes_uniform(mqtt->backoff_ms / 2 + 1);
    uint64_t until = now_ms() + wait;
    mqtt->backoff_ms *= 2;
    if (mqtt->backoff_ms > MQTT_BACKOFF_MAX_S * 1000)
        mqtt->backoff_ms = MQTT_BACKOFF_MAX_S * 1000;
    for (uint64_t now; (now = now_ms()) < until;) {
        struct pollfd wake = {.fd = post_wake_fd(&mqtt->post), .events = POLLIN};
        if (is_closing(mqtt, &close_by))
            return false;
        if (poll(&wake, 1, (int)(until - now)) > 0)
            post_wake_clear(&mqtt->post);
        bool moved;
        if (take_doubt(mqtt, &moved) && moved)
            break;
    }
    return true;
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
    enum outcome outcome;
    do
        outcome = attempt(mqtt);
    while (outcome == OUTCOME_AT_ONCE || (outcome == OUTCOME_WAIT && back_off(mqtt)));
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
    mqtt->close_by = now_ms() + grace_ms;
    struct timespec until = {.tv_sec = (time_t)(mqtt->close_by / 1000),
                             .tv_nsec = (long)(mqtt->close_by % 1000) * 1000000};
    post_wake(&mqtt->post);
    int err = 0;
    while (!mqtt->done && !mqtt->connecting && !err)
        err = pthread_cond_timedwait(&mqtt->changed, &mqtt->lock, &until);
    release(mqtt);
}

/* mosquitto_new sets SIGPIPE to be ignored, in the whole program: its disposition is put back. */
static struct mosquitto *client_new(struct mqtt *mqtt)
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

static bool client_configure(struct mqtt *mqtt, const struct mqtt_config *config)
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
    if (post_open(&mqtt->post) && copy_topics(mqtt, config) && (mqtt->client = client_new(mqtt)) &&
        client_configure(mqtt, config) && worker_start(run, mqtt)) {
        *out = mqtt;
        return 0;
    }
    mqtt_free(mqtt);
    return -1;
}
