/* test_mqtt.c - the connection to a broker: against a real mosquitto, and against brokers that are old or
 * hostile. */
#include "fake_broker.h"
#include "message.h"
#include "mqtt.h"
#include "number.h"
#include "real_broker.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <time.h>

#include <cmocka.h>

enum { WAIT_MS = 10000 };

static bool have_mosquitto, have_openssl;

static const char anonymous[] = "allow_anonymous true\n";

/* ---- helpers ---- */

static uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct mqtt *client(const char *url, const char *topic, const char *will)
{
    struct mqtt_config config = {.topics = {topic}};
    struct mqtt *mqtt;
    assert_true(mqtt_url_parse(&config.url, url));
    if (will)
        config.will_topic = "room/hello", config.will = will, config.will_len = strlen(will);
    assert_int_equal(mqtt_open(&mqtt, &config), 0);
    return mqtt;
}

static struct mqtt *client_of(uint16_t port, const char *topic)
{
    char url[64];
    snprintf(url, sizeof url, "127.0.0.1:%u", port);
    return client(url, topic, NULL);
}

/* The next event; fails the test when none comes. */
static struct mqtt_event next(struct mqtt *mqtt)
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

static struct mqtt_event expect(struct mqtt *mqtt, enum mqtt_event_type type)
{
    struct mqtt_event event = next(mqtt);
    if (event.type != type)
        fail_msg("event %d instead of %d: %s", event.type, type, event.text ? event.text : "");
    return event;
}

static void expect_text(struct mqtt *mqtt, enum mqtt_event_type type, const char *part)
{
    struct mqtt_event event = expect(mqtt, type);
    if (!strstr(event.text, part))
        fail_msg("\"%s\" does not say \"%s\"", event.text, part);
}

static void expect_message(struct mqtt *mqtt, const char *text)
{
    struct mqtt_event event = expect(mqtt, MQTT_MESSAGE);
    if (event.len != strlen(text) || memcmp(event.data, text, event.len) != 0)
        fail_msg("\"%.*s\" instead of \"%s\"", (int)event.len, (const char *)event.data, text);
}

static bool publish(struct mqtt *mqtt, const char *topic, const char *text)
{
    return mqtt_publish(mqtt, topic, text, strlen(text));
}

/* Whether nothing happens; proven by a message to ourselves over another client that arrives first. */
static void expect_silence_until(struct mqtt *mqtt, struct mqtt *other, const char *topic)
{
    assert_true(publish(other, topic, "end of silence"));
    expect_message(mqtt, "end of silence");
}

/* Waits until the broker has taken the subscription: what it is asked afterwards, it answers afterwards. */
static void settle(struct mqtt *mqtt, struct mqtt *other, const char *topic)
{
    expect(mqtt, MQTT_CONNECTED);
    expect(other, MQTT_CONNECTED);
    expect_silence_until(mqtt, other, topic);
}

static struct broker broker;

static void start_broker(const char *configuration)
{
    if (!have_mosquitto)
        skip();
    assert_true(broker_make(&broker));
    assert_true(broker_configure(&broker, configuration));
    assert_true(broker_start(&broker));
}

static int clear_broker(void **state)
{
    (void)state;
    if (broker.folder[0])
        broker_clear(&broker);
    broker = (struct broker){0};
    return 0;
}

static bool run_in_folder(const char *command)
{
    char line[1024];
    snprintf(line, sizeof line, "cd %s && %s", broker.folder, command);
    return broker_run((const char *const[]){"sh", "-c", line, NULL});
}

/* ---- a real broker ---- */

static void messages_published_before_and_after_the_connection_arrive_in_order(void **state)
{
    (void)state;
    start_broker(anonymous);
    struct mqtt *listener = client_of(broker.port, "room/#"), *ready = client_of(broker.port, "other");
    settle(listener, ready, "room/x");
    struct mqtt *speaker = client_of(broker.port, "room/#");
    char text[16];
    for (int i = 0; i < 200; i++) {
        snprintf(text, sizeof text, "message %d", i);
        assert_true(publish(speaker, "room/x", text));
        if (i == 99)
            expect(speaker, MQTT_CONNECTED);
    }
    for (int i = 0; i < 200; i++) {
        snprintf(text, sizeof text, "message %d", i);
        expect_message(listener, text);
    }
    /* What one says oneself does not come back (no-local). */
    expect_silence_until(speaker, ready, "room/x");
    mqtt_close(speaker, 1000);
    mqtt_close(ready, 1000);
    mqtt_close(listener, 1000);
}

static void thousands_of_messages_pass_without_loss_or_stall(void **state)
{
    (void)state;
    start_broker(anonymous);
    struct mqtt *listener = client_of(broker.port, "room/#"), *speaker = client_of(broker.port, "other");
    settle(listener, speaker, "room/x");
    for (int i = 0; i < 5000; i++) {
        char text[1000];
        int len = snprintf(text, sizeof text, "%0900d", i);
        assert_true(mqtt_publish(speaker, "room/x", text, (size_t)len));
        if (i % 100 == 99)
            for (int j = i - 99; j <= i; j++) {
                struct mqtt_event event = expect(listener, MQTT_MESSAGE);
                snprintf(text, sizeof text, "%0900d", j);
                assert_int_equal(event.len, strlen(text));
                assert_memory_equal(event.data, text, event.len);
            }
    }
    assert_int_equal(mqtt_dropped(listener) + mqtt_dropped(speaker), 0);
    mqtt_close(speaker, 1000);
    mqtt_close(listener, 1000);
}

static void closing_lets_everything_leave_and_sends_no_will(void **state)
{
    (void)state;
    start_broker(anonymous);
    char url[64], text[16];
    snprintf(url, sizeof url, "127.0.0.1:%u", broker.port);
    struct mqtt *listener = client(url, "room/#", NULL), *ready = client(url, "other", NULL);
    settle(listener, ready, "room/x");
    struct mqtt *speaker = client(url, NULL, "the will");
    expect(speaker, MQTT_CONNECTED);
    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof text, "message %d", i);
        assert_true(publish(speaker, "room/x", text));
    }
    uint64_t before = clock_ms();
    mqtt_close(speaker, 5000);
    assert_in_range(clock_ms() - before, 0, 2500); /* it knows when all has left */
    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof text, "message %d", i);
        expect_message(listener, text);
    }
    expect_silence_until(listener, ready, "room/x");
    mqtt_close(ready, 1000);
    mqtt_close(listener, 1000);
}

/* A process that dies without a word, as kill -9 leaves it. It begins when the parent writes a byte. */
static pid_t dying_client(int begin, uint16_t port)
{
    char url[64], byte;
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    snprintf(url, sizeof url, "127.0.0.1:%u", port);
    if (read(begin, &byte, 1) == 1)
        expect(client(url, NULL, "the will"), MQTT_CONNECTED);
    _exit(0);
}

static void a_vanished_peer_leaves_its_will(void **state)
{
    (void)state;
    start_broker(anonymous);
    int begin[2];
    assert_int_equal(pipe(begin), 0);
    pid_t pid = dying_client(begin[0], broker.port);
    struct mqtt *listener = client_of(broker.port, "room/#"), *ready = client_of(broker.port, "other");
    settle(listener, ready, "room/x");
    assert_int_equal(write(begin[1], "", 1), 1);
    expect_message(listener, "the will");
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(begin[0]);
    close(begin[1]);
    mqtt_close(ready, 1000);
    mqtt_close(listener, 1000);
}

static void retained_messages_are_ignored(void **state)
{
    (void)state;
    start_broker(anonymous);
    char port[8];
    snprintf(port, sizeof port, "%u", broker.port);
    if (!broker_run((const char *const[]){"mosquitto_pub", "-h", "127.0.0.1", "-p", port, "-t", "room/x",
                                          "-m", "poison", "-r", NULL}))
        fail_msg("mosquitto_pub is missing or failed");
    struct mqtt *listener = client_of(broker.port, "room/#"), *ready = client_of(broker.port, "other");
    settle(listener, ready, "room/x"); /* fails if the poison comes first */
    mqtt_close(ready, 1000);
    mqtt_close(listener, 1000);
}

static void a_broker_that_comes_back_is_found_again(void **state)
{
    (void)state;
    start_broker(anonymous);
    struct mqtt *one = client_of(broker.port, "room/#"), *two = client_of(broker.port, "other");
    settle(one, two, "room/x");
    broker_stop(&broker, SIGKILL);
    expect_text(one, MQTT_DISCONNECTED, "closed the connection");
    expect_text(two, MQTT_DISCONNECTED, "127.0.0.1");
    assert_false(publish(two, "room/x", "into the void"));
    assert_true(broker_start(&broker));
    for (int i = 0; i < 2; i++) {
        struct mqtt_event event;
        while ((event = next(i ? two : one)).type == MQTT_FAILED)
            assert_non_null(strstr(event.text, "cannot be reached"));
        assert_int_equal(event.type, MQTT_CONNECTED);
    }
    expect_silence_until(one, two, "room/x"); /* subscribed again, and nothing old is said */
    mqtt_close(two, 1000);
    mqtt_close(one, 1000);
}

static void a_refusal_is_said_once_and_is_final(void **state)
{
    (void)state;
    start_broker("allow_anonymous false\n");
    struct mqtt *mqtt = client_of(broker.port, "room/#");
    expect_text(mqtt, MQTT_REFUSED, "refused us: Not authorized");
    assert_false(publish(mqtt, "room/x", "nobody hears"));
    mqtt_close(mqtt, 1000);
}

static void user_and_password_open_the_door(void **state)
{
    (void)state;
    if (!have_mosquitto)
        skip();
    assert_true(broker_make(&broker));
    assert_true(broker_configure(&broker, "allow_anonymous false\npassword_file @/passwords\n"));
    if (!run_in_folder("mosquitto_passwd -b -c passwords me 's@cret'"))
        fail_msg("mosquitto_passwd is missing or failed");
    assert_true(broker_start(&broker));
    char url[64];
    snprintf(url, sizeof url, "mqtt://me:s%%40cret@127.0.0.1:%u", broker.port);
    struct mqtt *right = client(url, "room/#", NULL);
    expect(right, MQTT_CONNECTED);
    snprintf(url, sizeof url, "mqtt://me:secret@127.0.0.1:%u", broker.port);
    struct mqtt *wrong = client(url, "room/#", NULL);
    expect_text(wrong, MQTT_REFUSED, "Not authorized");
    mqtt_close(wrong, 1000);
    mqtt_close(right, 1000);
}

/* ---- TLS ---- */

static const char tls[] = "allow_anonymous true\ncertfile @/server.crt\nkeyfile @/server.key\n";

/* A broker with a certificate for these names, from an authority that only this test knows. */
static void start_tls_broker(const char *names)
{
    char command[512];
    if (!have_mosquitto || !have_openssl)
        skip();
    assert_true(broker_make(&broker));
    assert_true(broker_configure(&broker, tls));
    assert_true(run_in_folder("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
                              "-keyout ca.key -out ca.crt -subj /CN=authority"));
    assert_true(
        run_in_folder("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key "
                      "-out server.csr -subj /CN=server"));
    snprintf(command, sizeof command,
             "echo subjectAltName=%s > names && openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key "
             "-CAcreateserial -days 2 -extfile names -out server.crt",
             names);
    assert_true(run_in_folder(command));
    assert_true(broker_start(&broker));
}

static void trust_the_authority(bool trust)
{
    char path[64];
    broker_path(&broker, path, "ca.crt");
    if (trust)
        setenv("SSL_CERT_FILE", path, 1);
    else
        unsetenv("SSL_CERT_FILE");
}

static struct mqtt *tls_client(const char *host)
{
    char url[64];
    snprintf(url, sizeof url, "mqtts://%s:%u", host, broker.port);
    return client(url, "room/#", NULL);
}

static void tls_to_a_trusted_broker_carries_messages(void **state)
{
    (void)state;
    start_tls_broker("DNS:localhost,IP:127.0.0.1");
    trust_the_authority(true);
    struct mqtt *one = tls_client("localhost"), *two = tls_client("127.0.0.1");
    assert_true(publish(two, "room/first", "in the first flight"));
    for (int connected = 0; connected < 1;) {
        struct mqtt_event event = next(one);
        connected += event.type == MQTT_CONNECTED;
    }
    expect(two, MQTT_CONNECTED);
    char text[16];
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "message %d", i);
        assert_true(publish(two, "room/x", text));
    }
    for (int i = 0; i < 100;) {
        struct mqtt_event event = expect(one, MQTT_MESSAGE);
        if (strcmp(event.topic, "room/first") == 0)
            continue; /* whether `one` was there in time is not the question here */
        snprintf(text, sizeof text, "message %d", i++);
        assert_int_equal(event.len, strlen(text));
        assert_memory_equal(event.data, text, event.len);
    }
    mqtt_close(two, 1000);
    mqtt_close(one, 1000);
    trust_the_authority(false);
}

static void tls_to_a_broker_that_comes_back_works_again_and_again(void **state)
{
    (void)state;
    start_tls_broker("DNS:localhost");
    trust_the_authority(true);
    struct mqtt *one = tls_client("localhost");
    expect(one, MQTT_CONNECTED);
    for (int i = 0; i < 2; i++) {
        struct mqtt_event event;
        broker_stop(&broker, SIGKILL);
        expect_text(one, MQTT_DISCONNECTED, "closed the connection");
        assert_true(broker_start(&broker));
        while ((event = next(one)).type == MQTT_FAILED)
            assert_non_null(strstr(event.text, "cannot be reached"));
        assert_int_equal(event.type, MQTT_CONNECTED);
    }
    mqtt_close(one, 1000);
    trust_the_authority(false);
}

static void tls_with_an_unknown_authority_is_not_trusted(void **state)
{
    (void)state;
    start_tls_broker("DNS:localhost,IP:127.0.0.1");
    trust_the_authority(false);
    struct mqtt *mqtt = tls_client("localhost");
    expect_text(mqtt, MQTT_FAILED, "certificate verify failed");
    mqtt_close(mqtt, 1000);
}

static void tls_with_a_certificate_for_another_name_is_not_trusted(void **state)
{
    (void)state;
    start_tls_broker("DNS:somebody.else");
    trust_the_authority(true);
    struct mqtt *mqtt = tls_client("localhost");
    expect_text(mqtt, MQTT_FAILED, "cannot be trusted");
    mqtt_close(mqtt, 1000);
    trust_the_authority(false);
}

static void tls_to_a_broker_without_tls_fails_with_a_sentence(void **state)
{
    (void)state;
    start_broker(anonymous);
    struct mqtt *mqtt = tls_client("127.0.0.1");
    expect_text(mqtt, MQTT_FAILED, "127.0.0.1");
    mqtt_close(mqtt, 1000);
}

/* ---- nobody there ---- */

static void a_closed_port_fails_with_the_hosts_name_again_and_again(void **state)
{
    (void)state;
    struct mqtt *mqtt = client_of(broker_free_port(), "room/#");
    assert_true(publish(mqtt, "room/x", "waits"));
    expect_text(mqtt, MQTT_FAILED, "127.0.0.1");
    expect_text(mqtt, MQTT_FAILED, "cannot be reached (Connection refused)");
    mqtt_close(mqtt, 1000);
}

static void a_name_that_does_not_resolve_fails_with_that_name(void **state)
{
    (void)state;
    struct mqtt *mqtt = client("nobody.invalid", "room/#", NULL);
    expect_text(mqtt, MQTT_FAILED, "nobody.invalid: the name does not resolve");
    mqtt_close(mqtt, 1000);
}

/* A port whose queue is full lets a connection attempt hang, as a lost packet does. */
static void closing_never_waits_for_a_connection_attempt(void **state)
{
    (void)state;
    struct fake_broker fake;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fill[4];
    assert_true(fake_open(&fake, 0));
    address.sin_port = htons(fake.port);
    for (int i = 0; i < 4; i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect(fill[i], (struct sockaddr *)&address, sizeof address) != 0)
            assert_int_equal(errno, EINPROGRESS);
    }
    struct mqtt *mqtt = client_of(fake.port, "room/#");
    struct mqtt_event event;
    poll(NULL, 0, 50); /* let it begin */
    assert_false(mqtt_event(mqtt, &event));
    uint64_t before = clock_ms();
    mqtt_close(mqtt, 5000);
    assert_in_range(clock_ms() - before, 0, 1000);
    for (int i = 0; i < 4; i++)
        close(fill[i]);
    fake_close(&fake);
}

/* ---- old and hostile brokers ---- */

static const uint8_t connack3[] = {0x20, 2, 0, 0}, connack5[] = {0x20, 3, 0, 0, 0};

static void expect_connect(struct fake_broker *fake, uint8_t level)
{
    struct fake_packet packet;
    assert_true(fake_accept(fake));
    assert_true(fake_read(fake, &packet));
    assert_int_equal(packet.first, 0x10);
    assert_memory_equal(packet.body, "\0\4MQTT", 6);
    assert_int_equal(packet.body[6], level);
}

/* Answers a client's whole first flight, which holds the one message "early". */
static void expect_flight(struct fake_broker *fake, uint8_t level)
{
    struct fake_packet packet;
    expect_connect(fake, level);
    assert_true(fake_read(fake, &packet));
    assert_int_equal(packet.first, 0x82);
    assert_true(fake_read(fake, &packet));
    assert_int_equal(packet.first, 0x30);
    assert_memory_equal(packet.body + packet.len - 5, "early", 5);
}

static struct mqtt *early_client(const struct fake_broker *fake)
{
    struct mqtt *mqtt = client_of(fake->port, "t");
    assert_true(publish(mqtt, "t", "early"));
    return mqtt;
}

/* A client connected to a fake broker of MQTT 5. */
static struct mqtt *connected_client(struct fake_broker *fake)
{
    assert_true(fake_open(fake, 8));
    struct mqtt *mqtt = early_client(fake);
    expect_flight(fake, 5);
    assert_true(fake_write(fake, connack5, sizeof connack5));
    expect(mqtt, MQTT_CONNECTED);
    return mqtt;
}

static void the_first_flight_waits_for_no_answer(void **state)
{
    (void)state;
    struct fake_broker fake;
    assert_true(fake_open(&fake, 8));
    struct mqtt *mqtt = early_client(&fake);
    expect_flight(&fake, 5); /* the fake broker has not said a byte yet */
    mqtt_close(mqtt, 0);
    fake_close(&fake);
}

static void the_connection_asks_for_small_packets_and_no_echo(void **state)
{
    (void)state;
    struct fake_broker fake;
    struct fake_packet packet;
    const uint8_t maximum[] = {0x27, 0, 0, MQTT_PACKET_MAX >> 8, 0};
    bool asked = false;
    assert_true(fake_open(&fake, 8));
    struct mqtt *mqtt = client_of(fake.port, "t");
    assert_true(fake_accept(&fake) && fake_read(&fake, &packet));
    for (size_t i = 0; i + sizeof maximum <= packet.len; i++)
        asked = asked || memcmp(packet.body + i, maximum, sizeof maximum) == 0;
    assert_true(asked);
    assert_true(fake_read(&fake, &packet));
    assert_int_equal(packet.body[packet.len - 1], 0x20 | 0x04); /* retained ones never, no local, QoS 0 */
    mqtt_close(mqtt, 0);
    fake_close(&fake);
}

static void an_old_broker_gets_its_version(const uint8_t *answer, size_t len)
{
    struct fake_broker fake;
    assert_true(fake_open(&fake, 8));
    struct mqtt *mqtt = early_client(&fake);
    expect_flight(&fake, 5);
    if (len)
        assert_true(fake_write(&fake, answer, len));
    fake_hang_up(&fake);
    expect_flight(&fake, 4); /* and what was said before is said again */
    assert_true(fake_write(&fake, connack3, sizeof connack3));
    expect(mqtt, MQTT_CONNECTED);
    fake_hang_up(&fake);
    expect(mqtt, MQTT_DISCONNECTED);
    expect_connect(&fake, 4); /* remembered */
    mqtt_close(mqtt, 0);
    fake_close(&fake);
}

static void a_broker_without_mqtt_5_that_says_so_is_spoken_to_in_3_1_1(void **state)
{
    (void)state;
    an_old_broker_gets_its_version((const uint8_t[]){0x20, 2, 0, 1}, 4);
    an_old_broker_gets_its_version((const uint8_t[]){0x20, 3, 0, 132, 0}, 5);
}

static void a_broker_without_mqtt_5_that_hangs_up_is_spoken_to_in_3_1_1(void **state)
{
    (void)state;
    an_old_broker_gets_its_version(NULL, 0);
}

static void a_broker_that_hangs_up_on_both_versions_is_tried_in_both_again(void **state)
{
    (void)state;
    struct fake_broker fake;
    assert_true(fake_open(&fake, 8));
    struct mqtt *mqtt = early_client(&fake);
    for (int i = 0; i < 2; i++) {
        expect_flight(&fake, 5);
        fake_hang_up(&fake);
        expect_flight(&fake, 4);
        fake_hang_up(&fake);
        expect_text(mqtt, MQTT_FAILED, "closed the connection");
    }
    mqtt_close(mqtt, 0);
    fake_close(&fake);
}

static void a_refused_subscription_is_a_refusal(void **state)
{
    (void)state;
    struct fake_broker fake;
    struct mqtt *mqtt = connected_client(&fake);
    const uint8_t suback[] = {0x90, 4, 0, 1, 0, 0x87};
    assert_true(fake_write(&fake, suback, sizeof suback));
    expect_text(mqtt, MQTT_REFUSED, "Not authorized");
    mqtt_close(mqtt, 0);
    fake_close(&fake);
}

static void a_busy_broker_is_asked_again(void **state)
{
    (void)state;
    struct fake_broker fake;
    assert_true(fake_open(&fake, 8));
    struct mqtt *mqtt = early_client(&fake);
    const uint8_t busy[] = {0x20, 3, 0, 0x89, 0};
    expect_flight(&fake, 5);
    assert_true(fake_write(&fake, busy, sizeof busy));
    expect_text(mqtt, MQTT_FAILED, "busy");
    expect_flight(&fake, 5);
    assert_true(fake_write(&fake, connack5, sizeof connack5));
    expect(mqtt, MQTT_CONNECTED);
    mqtt_close(mqtt, 0);
    fake_close(&fake);
}

static void a_reason_to_disconnect_is_passed_on(void **state)
{
    (void)state;
    struct fake_broker fake;
    struct mqtt *mqtt = connected_client(&fake);
    const uint8_t taken_over[] = {0xE0, 2, 0x8E, 0};
    assert_true(fake_write(&fake, taken_over, sizeof taken_over));
    expect_text(mqtt, MQTT_DISCONNECTED, "taken over");
    mqtt_close(mqtt, 0);
    fake_close(&fake);
}

static void retained_and_overlong_messages_are_dropped_and_the_next_is_heard(void **state)
{
    (void)state;
    static uint8_t packet[MESSAGE_MAX + 64];
    struct fake_broker fake;
    struct mqtt *mqtt = connected_client(&fake);
    assert_true(fake_write(&fake, packet, fake_publish(packet, 0x31, true, 'r', 5)));
    assert_true(fake_write(&fake, packet, fake_publish(packet, 0x30, true, 'l', MESSAGE_MAX + 1)));
    assert_true(fake_write(&fake, packet, fake_publish(packet, 0x30, true, 'm', MESSAGE_MAX)));
    struct mqtt_event event = expect(mqtt, MQTT_MESSAGE);
    assert_int_equal(event.len, MESSAGE_MAX);
    assert_int_equal(event.data[0], 'm');
    mqtt_close(mqtt, 0);
    fake_close(&fake);
}

static void a_message_that_comes_byte_by_byte_is_heard_whole(void **state)
{
    (void)state;
    uint8_t packet[256];
    struct fake_broker fake;
    struct mqtt *mqtt = connected_client(&fake);
    size_t len = fake_publish(packet, 0x30, true, 'x', 200);
    int on = 1;
    setsockopt(fake.peer, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on);
    for (size_t i = 0; i < len; i++) {
        assert_true(fake_write(&fake, packet + i, 1));
        if (i < 8)
            poll(NULL, 0, 2); /* so that the header comes in pieces, too */
    }
    assert_int_equal(expect(mqtt, MQTT_MESSAGE).len, 200);
    mqtt_close(mqtt, 0);
    fake_close(&fake);
}

static long resident_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static void a_huge_packet_ends_the_connection_and_costs_no_memory(void **state)
{
    (void)state;
    static uint8_t zeros[1 << 20];
    struct fake_broker fake;
    struct mqtt *mqtt = connected_client(&fake);
    const uint8_t huge[] = {0x30, 0x80, 0x80, 0x80, 0x64, 0, 1, 't', 0}; /* says that 200 MiB follow */
    long before = resident_kib();
    assert_true(fake_write(&fake, huge, sizeof huge));
    for (int i = 0; i < 64 && fake_write(&fake, zeros, sizeof zeros); i++)
        continue;
    expect_text(mqtt, MQTT_DISCONNECTED, "sent what we do not take");
    assert_in_range(resident_kib() - before, 0, 16 * 1024);
    mqtt_close(mqtt, 0);
    fake_close(&fake);
}

static void packets_we_did_not_ask_for_end_the_connection(void **state)
{
    (void)state;
    static const uint8_t wrong[][12] = {
        {0x34, 8, 0, 1, 't', 0, 9, 0, 'h', 'i'},    /* a message of QoS 2 */
        {0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0, 0}, /* a length of five bytes */
        {0xF0, 0x80, 0x80, 0x01, 0, 0, 0, 0},       /* 16 KiB and more of authentication */
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct fake_broker fake;
        struct mqtt *mqtt = connected_client(&fake);
        assert_true(fake_write(&fake, wrong[i], sizeof wrong[i]));
        expect(mqtt, MQTT_DISCONNECTED);
        mqtt_close(mqtt, 0);
        fake_close(&fake);
    }
}

static void garbage_instead_of_mqtt_is_an_attempt_that_failed(void **state)
{
    (void)state;
    static const char *const garbage[] = {"HTTP/1.1 400 Bad Request\r\n\r\n", "\xFF\xFF\xFF\xFF\xFF",
                                          "\x20\x01\x01"};
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        struct fake_broker fake;
        assert_true(fake_open(&fake, 8));
        struct mqtt *mqtt = early_client(&fake);
        for (uint8_t level = 5; level >= 4; level--) {
            expect_flight(&fake, level);
            assert_true(fake_write(&fake, garbage[i], strlen(garbage[i])));
            fake_hang_up(&fake);
        }
        expect_text(mqtt, MQTT_FAILED, "127.0.0.1");
        mqtt_close(mqtt, 0);
        fake_close(&fake);
    }
}

static void a_flood_fills_the_queue_and_no_more(void **state)
{
    (void)state;
    uint8_t packet[64];
    struct fake_broker fake;
    struct mqtt *mqtt = connected_client(&fake);
    struct mqtt_event event;
    size_t len = fake_publish(packet, 0x30, true, 'x', 10), heard = 0;
    for (int i = 0; i < 3 * MQTT_QUEUE_MAX; i++)
        assert_true(fake_write(&fake, packet, len));
    fake_hang_up(&fake);
    for (uint64_t end = clock_ms() + WAIT_MS; mqtt_dropped(mqtt) < 2 * MQTT_QUEUE_MAX && clock_ms() < end;)
        poll(NULL, 0, 1);
    while (next(mqtt).type == MQTT_MESSAGE)
        heard++;
    assert_int_equal(heard, MQTT_QUEUE_MAX);
    assert_int_equal(mqtt_dropped(mqtt), 2 * MQTT_QUEUE_MAX);
    assert_false(mqtt_event(mqtt, &event) && event.type == MQTT_MESSAGE);
    mqtt_close(mqtt, 0);
    fake_close(&fake);
}

static void a_broker_that_does_not_read_fills_the_outbox_and_no_more(void **state)
{
    (void)state;
    static char text[8000];
    struct fake_broker fake;
    struct mqtt *mqtt = connected_client(&fake);
    size_t taken = 0;
    memset(text, 'x', sizeof text);
    for (int i = 0; i < 100 * MQTT_QUEUE_MAX; i++)
        taken += mqtt_publish(mqtt, "t", text, sizeof text);
    assert_in_range(taken, MQTT_QUEUE_MAX, 100 * MQTT_QUEUE_MAX - 1);
    uint64_t before = clock_ms();
    mqtt_close(mqtt, 100);
    assert_in_range(clock_ms() - before, 0, 1000);
    fake_close(&fake);
}

/* ---- the program around it ---- */

/* A number from the kernel's account of the youngest thread, by a format for scanf; -1: unknown. */
static long youngest_thread(const char *format)
{
    long value = -1;
    long long youngest = 0, task_id;
    char path[64], line[256];
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *task; tasks && (task = readdir(tasks));)
        if (number_read(task->d_name, LLONG_MAX, &task_id) && task_id > youngest)
            youngest = task_id;
    if (tasks)
        closedir(tasks);
    snprintf(path, sizeof path, "/proc/self/task/%lld/status", youngest);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file) && sscanf(line, format, &value) != 1)
        continue;
    if (file)
        fclose(file);
    return value;
}

/* How often it has slept and woken. */
static long wake_ups(void)
{
    return youngest_thread("voluntary_ctxt_switches: %ld");
}

static void the_programs_signals_stay_the_programs(void **state)
{
    (void)state;
    struct sigaction now;
    struct fake_broker fake;
    signal(SIGPIPE, SIG_DFL);
    struct mqtt *mqtt = connected_client(&fake);
    sigaction(SIGPIPE, NULL, &now);
    assert_ptr_equal(now.sa_handler, SIG_DFL);
    long blocked = youngest_thread("SigBlk: %lx");
    if (blocked >= 0) /* there is a /proc */
        for (int number = SIGHUP; number <= SIGTERM; number++)
            if (number != SIGKILL)
                assert_true(blocked >> (number - 1) & 1);
    /* Writing to a connection that was reset would end the program. */
    struct linger reset = {.l_onoff = 1};
    setsockopt(fake.peer, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    fake_hang_up(&fake);
    for (int i = 0; i < 50; i++)
        publish(mqtt, "t", "into the void");
    expect(mqtt, MQTT_DISCONNECTED);
    mqtt_close(mqtt, 0);
    sigaction(SIGPIPE, NULL, &now);
    assert_ptr_equal(now.sa_handler, SIG_DFL);
    fake_close(&fake);
}

static void an_idle_connection_sleeps(void **state)
{
    (void)state;
    struct fake_broker fake;
    struct mqtt *mqtt = connected_client(&fake);
    poll(NULL, 0, 50); /* let it come to rest */
    long before = wake_ups();
    if (before < 0) {
        print_message("no /proc: skipped\n");
        skip();
    }
    poll(NULL, 0, 1000);
    assert_int_equal(wake_ups(), before);
    mqtt_close(mqtt, 0);
    fake_close(&fake);
}

static void opening_and_closing_at_once_leaves_nothing(void **state)
{
    (void)state;
    struct fake_broker fake;
    assert_true(fake_open(&fake, 64));
    for (int i = 0; i < 50; i++)
        mqtt_close(early_client(&fake), i % 3 ? 0 : 10);
    mqtt_close(NULL, 0);
    fake_close(&fake);
}

static int look_around(void **state)
{
    (void)state;
    have_mosquitto = broker_program_exists("mosquitto") && broker_program_exists("mosquitto_pub") &&
                     broker_program_exists("mosquitto_passwd");
    have_openssl = broker_program_exists("openssl");
    if (!have_mosquitto)
        print_message("mosquitto or its clients are not installed: tests with a real broker are skipped\n");
    if (!have_openssl)
        print_message("openssl is not installed: tests of TLS are skipped\n");
    return 0;
}

/* ---- bulk ---- */

static struct mqtt *client_with_bulk(uint16_t port)
{
    struct mqtt_config config = {.topics = {"room/inbox"}, .bulk_topic = "room/bulk"};
    struct mqtt *mqtt;
    char url[64];
    snprintf(url, sizeof url, "127.0.0.1:%u", port);
    assert_true(mqtt_url_parse(&config.url, url));
    assert_int_equal(mqtt_open(&mqtt, &config), 0);
    return mqtt;
}

static void bulk_arrives_as_such_with_every_byte(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0, 1, 0xff, 0, '{'};
    start_broker(anonymous);
    struct mqtt *hearer = client_with_bulk(broker.port), *speaker = client_of(broker.port, "room/x");
    settle(hearer, speaker, "room/inbox");
    assert_true(mqtt_publish_bulk(speaker, "room/bulk", bytes, sizeof bytes));
    struct mqtt_event event = expect(hearer, MQTT_BULK);
    assert_int_equal(event.len, sizeof bytes);
    assert_memory_equal(event.data, bytes, sizeof bytes);
    mqtt_close(hearer, 100);
    mqtt_close(speaker, 100);
}

/* Whoever runs the broker may not want to carry it. */
static void a_broker_that_refuses_bulk_carries_the_rest(void **state)
{
    (void)state;
    const uint8_t suback[] = {0x90, 5, 0, 1, 0, 0, 0x87};
    uint8_t packet[64];
    struct fake_broker fake;
    struct fake_packet subscribe;
    assert_true(fake_open(&fake, 1));
    struct mqtt *mqtt = client_with_bulk(fake.port);
    assert_true(fake_accept(&fake) && fake_read(&fake, &subscribe));
    assert_true(fake_write(&fake, (const uint8_t[]){0x20, 3, 0, 0, 0}, 5));
    assert_true(fake_read(&fake, &subscribe));
    expect(mqtt, MQTT_CONNECTED);
    assert_true(fake_write(&fake, suback, sizeof suback));
    assert_true(fake_write(&fake, packet, fake_publish(packet, 0x30, true, 'x', 10)));
    expect(mqtt, MQTT_MESSAGE);
    mqtt_close(mqtt, 0);
    fake_close(&fake);
}

#define WITH_BROKER(test) cmocka_unit_test_teardown(test, clear_broker)

/* With an argument only the tests whose names match it, with * for anything. */
int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
           1); /* mosquitto lies in sbin */
    const struct CMUnitTest tests[] = {
        WITH_BROKER(messages_published_before_and_after_the_connection_arrive_in_order),
        WITH_BROKER(thousands_of_messages_pass_without_loss_or_stall),
        WITH_BROKER(bulk_arrives_as_such_with_every_byte),
        cmocka_unit_test(a_broker_that_refuses_bulk_carries_the_rest),
        WITH_BROKER(closing_lets_everything_leave_and_sends_no_will),
        WITH_BROKER(a_vanished_peer_leaves_its_will),
        WITH_BROKER(retained_messages_are_ignored),
        WITH_BROKER(a_broker_that_comes_back_is_found_again),
        WITH_BROKER(a_refusal_is_said_once_and_is_final),
        WITH_BROKER(user_and_password_open_the_door),
        WITH_BROKER(tls_to_a_trusted_broker_carries_messages),
        WITH_BROKER(tls_to_a_broker_that_comes_back_works_again_and_again),
        WITH_BROKER(tls_with_an_unknown_authority_is_not_trusted),
        WITH_BROKER(tls_with_a_certificate_for_another_name_is_not_trusted),
        WITH_BROKER(tls_to_a_broker_without_tls_fails_with_a_sentence),
        cmocka_unit_test(a_closed_port_fails_with_the_hosts_name_again_and_again),
        cmocka_unit_test(a_name_that_does_not_resolve_fails_with_that_name),
        cmocka_unit_test(closing_never_waits_for_a_connection_attempt),
        cmocka_unit_test(the_first_flight_waits_for_no_answer),
        cmocka_unit_test(the_connection_asks_for_small_packets_and_no_echo),
        cmocka_unit_test(a_broker_without_mqtt_5_that_says_so_is_spoken_to_in_3_1_1),
        cmocka_unit_test(a_broker_without_mqtt_5_that_hangs_up_is_spoken_to_in_3_1_1),
        cmocka_unit_test(a_broker_that_hangs_up_on_both_versions_is_tried_in_both_again),
        cmocka_unit_test(a_refused_subscription_is_a_refusal),
        cmocka_unit_test(a_busy_broker_is_asked_again),
        cmocka_unit_test(a_reason_to_disconnect_is_passed_on),
        cmocka_unit_test(retained_and_overlong_messages_are_dropped_and_the_next_is_heard),
        cmocka_unit_test(a_message_that_comes_byte_by_byte_is_heard_whole),
        cmocka_unit_test(a_huge_packet_ends_the_connection_and_costs_no_memory),
        cmocka_unit_test(packets_we_did_not_ask_for_end_the_connection),
        cmocka_unit_test(garbage_instead_of_mqtt_is_an_attempt_that_failed),
        cmocka_unit_test(a_flood_fills_the_queue_and_no_more),
        cmocka_unit_test(a_broker_that_does_not_read_fills_the_outbox_and_no_more),
        cmocka_unit_test(the_programs_signals_stay_the_programs),
        cmocka_unit_test(an_idle_connection_sleeps),
        cmocka_unit_test(opening_and_closing_at_once_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, look_around, NULL);
}
