/* test_mqtt.c - the connection to a broker: against a real mosquitto, or where nobody is. */
#include "fake_broker.h"
#include "mqtt_broker.h"
#include <errno.h>

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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WITH_BROKER(messages_published_before_and_after_the_connection_arrive_in_order),
        WITH_BROKER(thousands_of_messages_pass_without_loss_or_stall),
        WITH_BROKER(closing_lets_everything_leave_and_sends_no_will),
        WITH_BROKER(a_vanished_peer_leaves_its_will),
        WITH_BROKER(retained_messages_are_ignored),
        WITH_BROKER(a_broker_that_comes_back_is_found_again),
        WITH_BROKER(a_refusal_is_said_once_and_is_final),
        WITH_BROKER(user_and_password_open_the_door),
        WITH_BROKER(bulk_arrives_as_such_with_every_byte),
        cmocka_unit_test(a_broker_that_refuses_bulk_carries_the_rest),
        cmocka_unit_test(a_closed_port_fails_with_the_hosts_name_again_and_again),
        cmocka_unit_test(a_name_that_does_not_resolve_fails_with_that_name),
        cmocka_unit_test(closing_never_waits_for_a_connection_attempt),
    };
    return RUN_WITH_BROKER(tests, argc, argv);
}
