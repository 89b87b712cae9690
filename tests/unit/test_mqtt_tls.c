/* test_mqtt_tls.c - TLS to a broker: who is trusted, and who is not. */
#include "mqtt_broker.h"

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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WITH_BROKER(tls_to_a_trusted_broker_carries_messages),
        WITH_BROKER(tls_to_a_broker_that_comes_back_works_again_and_again),
        WITH_BROKER(tls_with_an_unknown_authority_is_not_trusted),
        WITH_BROKER(tls_with_a_certificate_for_another_name_is_not_trusted),
        WITH_BROKER(tls_to_a_broker_without_tls_fails_with_a_sentence),
    };
    return RUN_WITH_BROKER(tests, argc, argv);
}
