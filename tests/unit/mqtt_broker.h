/* mqtt_broker.h - a mosquitto for each test that wants one; without it such tests are skipped. */
#ifndef MQTT_BROKER_H
#define MQTT_BROKER_H

#include "mqtt_client.h"
#include "real_broker.h"

static bool have_mosquitto, have_openssl;

static struct broker broker;

static const char anonymous[] = "allow_anonymous true\n";

static inline void start_broker(const char *configuration)
{
    if (!have_mosquitto)
        skip();
    assert_true(broker_make(&broker));
    assert_true(broker_configure(&broker, configuration));
    assert_true(broker_start(&broker));
}

static inline int clear_broker(void **state)
{
    (void)state;
    if (broker.folder[0])
        broker_clear(&broker);
    broker = (struct broker){0};
    return 0;
}

static inline bool run_in_folder(const char *command)
{
    char line[1024];
    snprintf(line, sizeof line, "cd %s && %s", broker.folder, command);
    return broker_run((const char *const[]){"sh", "-c", line, NULL});
}

static inline int look_around(void **state)
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

#define WITH_BROKER(test) cmocka_unit_test_teardown(test, clear_broker)

/* What main() does: all tests, or with an argument those whose names match it, with * for anything. */
#define RUN_WITH_BROKER(tests, argc, argv) \
    (mqtt_test_begin(argc, argv), cmocka_run_group_tests(tests, look_around, NULL))

static inline void mqtt_test_begin(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
           1); /* mosquitto lies in sbin */
}

#endif
