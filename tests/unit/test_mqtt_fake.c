/* test_mqtt_fake.c - brokers that are old or hostile: a few lines of this test. */
#include "fake_broker.h"
#include "message.h"
#include "mqtt_client.h"
#include "number.h"
#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <sys/resource.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    return cmocka_run_group_tests(tests, NULL, NULL);
}
