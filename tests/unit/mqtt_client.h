/* mqtt_client.h - a client of a broker, and what must come of it. */
#ifndef MQTT_CLIENT_H
#define MQTT_CLIENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mqtt.h"
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { WAIT_MS = 10000 };

static inline uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static inline struct mqtt *client(const char *url, const char *topic, const char *will)
{
    struct mqtt_config config = {.topics = {topic}};
    struct mqtt *mqtt;
    assert_true(mqtt_url_parse(&config.url, url));
    if (will)
        config.will_topic = "room/hello", config.will = will, config.will_len = strlen(will);
    assert_int_equal(mqtt_open(&mqtt, &config), 0);
    return mqtt;
}

static inline struct mqtt *client_of(uint16_t port, const char *topic)
{
    char url[64];
    snprintf(url, sizeof url, "127.0.0.1:%u", port);
    return client(url, topic, NULL);
}

/* The next event; fails the test when none comes. */
static inline struct mqtt_event next(struct mqtt *mqtt)
{
    struct mqtt_event event;
    for (uint64_t end = clock_ms() + WAIT_MS; !mqtt_event(mqtt, &event);) {
        struct pollfd ready = {.fd = mqtt_fd(mqtt), .events = POLLIN};
        uint64_t now = clock_ms();
        if (now >= end)
            fail_msg("nothing happened for %d ms", WAIT_MS);
        poll(&ready, 1, (int)(end - now));
    }
    return event;
}

static inline struct mqtt_event expect(struct mqtt *mqtt, enum mqtt_event_type type)
{
    struct mqtt_event event = next(mqtt);
    if (event.type != type)
        fail_msg("event %d instead of %d: %s", event.type, type, event.text ? event.text : "");
    return event;
}

static inline void expect_text(struct mqtt *mqtt, enum mqtt_event_type type, const char *part)
{
    struct mqtt_event event = expect(mqtt, type);
    if (!strstr(event.text, part))
        fail_msg("\"%s\" does not say \"%s\"", event.text, part);
}

static inline void expect_message(struct mqtt *mqtt, const char *text)
{
    struct mqtt_event event = expect(mqtt, MQTT_MESSAGE);
    if (event.len != strlen(text) || memcmp(event.data, text, event.len) != 0)
        fail_msg("\"%.*s\" instead of \"%s\"", (int)event.len, (const char *)event.data, text);
}

static inline bool publish(struct mqtt *mqtt, const char *topic, const char *text)
{
    return mqtt_publish(mqtt, topic, text, strlen(text));
}

/* Whether nothing happens; proven by a message to ourselves over another client that arrives first. */
static inline void expect_silence_until(struct mqtt *mqtt, struct mqtt *other, const char *topic)
{
    assert_true(publish(other, topic, "end of silence"));
    expect_message(mqtt, "end of silence");
}

/* Waits until the broker has taken the subscription: what it is asked afterwards, it answers afterwards. */
static inline void settle(struct mqtt *mqtt, struct mqtt *other, const char *topic)
{
    expect(mqtt, MQTT_CONNECTED);
    expect(other, MQTT_CONNECTED);
    expect_silence_until(mqtt, other, topic);
}

#endif
