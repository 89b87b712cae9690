/* test_p2p.c - the public library, as programs use it: two nodes, a real broker, this machine's network. */
#include "p2p_pair.h"
#include <pthread.h>

static void every_error_has_its_sentence(void **state)
{
    (void)state;
    for (int error = 0; error >= P2P_ESECRET; error--) {
        assert_true(strlen(p2p_strerror(error)) > 5);
        assert_string_not_equal(p2p_strerror(error), "unknown error");
    }
    assert_string_equal(p2p_strerror(P2P_ESECRET - 1), "unknown error");
    assert_string_equal(p2p_strerror(1), "unknown error");
    assert_true(strlen(p2p_version()) >= 5);
}

static void the_libraries_fit_or_say_what_they_need(void **state)
{
    (void)state;
    char all[512], few[8];
    size_t len = p2p_libraries(all, sizeof all);
    assert_true(len > 50 && len < sizeof all && strlen(all) == len);
    assert_int_equal(p2p_libraries(few, sizeof few), len);
    assert_memory_equal(few, all, sizeof few - 1);
    assert_int_equal(few[sizeof few - 1], 0);
}

/* ---- states ---- */

static void calls_come_in_their_order_or_not_at_all(void **state)
{
    (void)state;
    struct p2p_config config = pair_config("anna");
    struct p2p_node *node = NULL;
    struct p2p_event event;
    assert_int_equal(p2p_node_new(&node, &config), 0);
    assert_int_equal(p2p_node_fd(node), -1);
    assert_int_equal(p2p_node_timeout(node), -1);
    assert_int_equal(p2p_node_process(node), P2P_ESTATE);
    assert_int_equal(p2p_node_wait(node, 0), P2P_ESTATE);
    assert_int_equal(p2p_join(node, "room", NULL, 0), P2P_ESTATE);
    assert_int_equal(p2p_next_event(node, &event), 0);
    assert_int_equal(event.type, P2P_EVENT_NONE);
    assert_null(p2p_id(node));
    assert_null(p2p_room_topic(node));
    p2p_leave(node);
    p2p_node_wake(node);
    assert_int_equal(p2p_node_start(node), 0);
    assert_int_equal(p2p_node_start(node), P2P_ESTATE);
    assert_true(p2p_node_fd(node) >= 0);
    assert_int_equal(p2p_node_process(node), 0);
    assert_int_equal(p2p_join(node, NULL, NULL, 0), P2P_EINVAL);
    assert_int_equal(p2p_join(node, "", NULL, 0), P2P_EINVAL);
    assert_int_equal(p2p_join(node, "a\nb", NULL, 0), P2P_EINVAL);
    assert_int_equal(p2p_join(node, "#+/$SYS is a room like any other", NULL, 0), 0);
    assert_int_equal(p2p_join(node, "another", NULL, 0), P2P_ESTATE);
    assert_int_equal(strlen(p2p_id(node)), 16);
    assert_int_equal(strspn(p2p_room_topic(node), "abcdefghijklmnopqrstuvwxyz234567"), 32);
    p2p_node_free(node);
}

static void a_busy_port_is_told_apart(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    struct p2p_config config = pair_config("anna");
    struct p2p_node *node = NULL;
    config.port = ntohs(address.sin_port);
    assert_int_equal(p2p_node_new(&node, &config), 0);
    assert_int_equal(p2p_node_start(node), P2P_EPORT);
    assert_int_equal(p2p_node_fd(node), -1);
    close(fd);
    assert_int_equal(p2p_node_start(node), 0); /* nothing was left behind */
    p2p_node_free(node);
}

static void an_unknown_interface_is_no_network(void **state)
{
    (void)state;
    static const char *const names[] = {"nosuch0", NULL};
    struct p2p_config config = pair_config("anna");
    struct p2p_node *node = NULL;
    config.interfaces = names;
    assert_int_equal(p2p_node_new(&node, &config), 0);
    assert_int_equal(p2p_node_start(node), P2P_ENETWORK);
    p2p_node_free(node);
}

/* ---- brokers ---- */

static struct side *side_alone(const char *const *brokers)
{
    struct p2p_config config = pair_config("anna");
    config.brokers = brokers;
    struct side *side = side_new(&config);
    assert_int_equal(p2p_join(side->node, "alone", NULL, 0), 0);
    return side;
}

static void wait_until(struct side *side, enum p2p_event_type type)
{
    uint64_t end = pair_now_ms() + PATIENCE_S * 1000;
    while (!side->told[type] && pair_now_ms() < end) {
        assert_true(p2p_node_wait(side->node, 100000000) >= 0);
        side_drain(side);
    }
    assert_true(side->told[type] > 0);
}

static void the_broker_that_took_us_is_named(void **state)
{
    (void)state;
    char url[64];
    const char *brokers[] = {url, NULL};
    snprintf(url, sizeof url, "127.0.0.1:%u", pair_broker.port);
    struct side *side = side_alone(brokers);
    wait_until(side, P2P_EVENT_JOINED);
    assert_string_equal(side->text[P2P_EVENT_JOINED], url);
    assert_int_equal(side->told[P2P_EVENT_BROKER], 0);
    assert_true(side->told[P2P_EVENT_CANDIDATE] > 0);
    assert_string_equal(side->detail[P2P_EVENT_CANDIDATE], "host");
    side_free(side);
}

static void without_any_broker_the_failure_is_final(void **state)
{
    (void)state;
    char dead[64];
    const char *brokers[] = {dead, NULL};
    snprintf(dead, sizeof dead, "127.0.0.1:%u", broker_free_port());
    struct side *side = side_alone(brokers);
    wait_until(side, P2P_EVENT_BROKER);
    assert_int_equal(side->last[P2P_EVENT_BROKER].error, P2P_EBROKER);
    assert_true(side->last[P2P_EVENT_BROKER].final);
    assert_true(strlen(side->text[P2P_EVENT_BROKER]) > 10);
    side_free(side);
}

static void a_dead_broker_beside_a_living_one_costs_nothing(void **state)
{
    (void)state;
    char dead[64], url[64];
    const char *brokers[] = {dead, url, NULL};
    snprintf(dead, sizeof dead, "127.0.0.1:%u", broker_free_port());
    snprintf(url, sizeof url, "127.0.0.1:%u", pair_broker.port);
    struct side *sides[2] = {side_alone(brokers), side_alone(brokers)};
    uint64_t start = pair_now_ms();
    pair_until(sides[0], sides[1], P2P_EVENT_CONNECTED, 1, 1);
    assert_true(pair_now_ms() - start < 1000);
    assert_false(sides[0]->last[P2P_EVENT_BROKER].final && sides[0]->told[P2P_EVENT_JOINED]);
    pair_free(sides);
}

/* ---- meeting ---- */

static void two_meet_and_know_each_other(void **state)
{
    (void)state;
    struct side *sides[2];
    struct p2p_path path;
    pair_connect(sides);
    pair_until(sides[0], sides[1], P2P_EVENT_PATH, 1, 1);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(p2p_peer_name(sides[i]->peer), i ? "anna" : "bert");
        assert_string_equal(p2p_peer_id(sides[i]->peer), p2p_id(sides[!i]->node));
        assert_string_equal(p2p_peer_purpose(sides[i]->peer), "library");
        assert_int_equal(p2p_peer_path(sides[i]->peer, &path), 0);
        assert_int_equal(path.kind, P2P_HOST);
        assert_string_equal(p2p_path_kind_name(path.kind), "host");
        assert_true(strlen(path.why) > 10 && strlen(path.local) > 8 && strlen(path.remote) > 8);
        assert_true(path.bytes_sent > 100 && path.bytes_received > 100 && path.rtt_ms > 0 &&
                    path.peer_ns > 0);
        for (uint64_t end = pair_now_ms() + PATIENCE_S * 1000; path.rtt_least_ms <= 0;) {
            assert_true(pair_now_ms() < end); /* an acknowledgement may be under way */
            pair_turn(sides);
            assert_int_equal(p2p_peer_path(sides[i]->peer, &path), 0);
        }
        assert_int_equal(sides[i]->told[P2P_EVENT_PEER], 1);
        assert_null(p2p_peer_user(sides[i]->peer));
        p2p_peer_set_user(sides[i]->peer, sides[i]);
        assert_ptr_equal(p2p_peer_user(sides[i]->peer), sides[i]);
    }
    assert_memory_equal(sides[0]->last[P2P_EVENT_PEER].words, sides[1]->last[P2P_EVENT_PEER].words, 3);
    pair_free(sides);
}

/* Each in a thread of its own, with p2p_node_wait. */
static void *wait_for_company(void *context)
{
    struct side *side = context;
    uint64_t end = pair_now_ms() + PATIENCE_S * 1000;
    while (!side->told[P2P_EVENT_CONNECTED] && pair_now_ms() < end) {
        p2p_node_wait(side->node, 100000000);
        side_drain(side);
    }
    return NULL;
}

static void two_threads_meet_by_waiting(void **state)
{
    (void)state;
    struct side *sides[2];
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        struct p2p_config config = pair_config(i ? "bert" : "anna");
        sides[i] = side_new(&config);
        assert_int_equal(p2p_join(sides[i]->node, "threads", NULL, 0), 0);
        assert_int_equal(pthread_create(&threads[i], NULL, wait_for_company, sides[i]), 0);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++)
        assert_int_equal(sides[i]->told[P2P_EVENT_CONNECTED], 1);
    pair_free(sides);
}

static void another_secret_is_told_and_connects_nobody(void **state)
{
    (void)state;
    struct side *sides[2];
    for (int i = 0; i < 2; i++) {
        struct p2p_config config = pair_config(i ? "bert" : "anna");
        sides[i] = side_new(&config);
        assert_int_equal(p2p_join(sides[i]->node, "secrets", i ? "right" : "wrong", 5), 0);
    }
    pair_until(sides[0], sides[1], P2P_EVENT_SECRET, 1, 1);
    assert_int_equal(sides[0]->last[P2P_EVENT_SECRET].error, P2P_ESECRET);
    pair_for_ms(sides[0], sides[1], 3500);
    assert_int_equal(sides[0]->told[P2P_EVENT_CONNECTED] + sides[1]->told[P2P_EVENT_CONNECTED], 0);
    assert_int_equal(sides[0]->told[P2P_EVENT_SECRET] + sides[1]->told[P2P_EVENT_SECRET],
                     3); /* one is final */
    pair_free(sides);
}

/* ---- endings ---- */

static void a_closed_peer_hears_why_within_a_second(void **state)
{
    (void)state;
    struct side *sides[2];
    pair_connect(sides);
    uint64_t start = pair_now_ms();
    p2p_peer_close(sides[0]->peer, "tea is ready");
    pair_until(sides[0], sides[1], P2P_EVENT_CLOSED, 1, 1);
    assert_true(pair_now_ms() - start < 1000);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(sides[i]->detail[P2P_EVENT_CLOSED], "left");
        assert_string_equal(sides[i]->text[P2P_EVENT_CLOSED], "tea is ready");
        assert_int_equal(sides[i]->last[P2P_EVENT_CLOSED].error, 0);
    }
    pair_free(sides);
}

static void leaving_is_done_within_a_second(void **state)
{
    (void)state;
    struct side *sides[2];
    pair_connect(sides);
    uint64_t start = pair_now_ms();
    p2p_leave(sides[0]->node);
    p2p_leave(sides[0]->node);
    pair_until(sides[0], sides[1], P2P_EVENT_LEFT, 1, 0);
    assert_true(pair_now_ms() - start < 1500);
    pair_until(sides[0], sides[1], P2P_EVENT_CLOSED, 1, 1);
    assert_string_equal(sides[1]->detail[P2P_EVENT_CLOSED], "left");
    pair_for_ms(sides[0], sides[1], 100);
    assert_int_equal(sides[0]->told[P2P_EVENT_LEFT], 1);
    pair_free(sides);
}

/* The handle is valid until the call of p2p_next_event after the one that returned CLOSED. */
static void take_closed(struct side *side, const struct p2p_event *event)
{
    struct p2p_path path;
    struct p2p_stream *stream;
    if (event->type != P2P_EVENT_CLOSED)
        return;
    assert_string_equal(p2p_peer_name(event->peer), side->test);
    assert_int_equal(strlen(p2p_peer_id(event->peer)), 16);
    assert_int_equal(p2p_peer_path(event->peer, &path), P2P_EGONE);
    assert_int_equal(path.kind, P2P_HOST); /* the last one */
    assert_int_equal(p2p_stream_open(&stream, event->peer, 'x', 0), P2P_EGONE);
    assert_int_equal(p2p_datagram_send(event->peer, "x", 1), P2P_EGONE);
    p2p_peer_close(event->peer, "again");
}

static void a_peer_can_be_asked_until_the_event_after_its_closed(void **state)
{
    (void)state;
    struct side *sides[2];
    char anna[] = "anna", bert[] = "bert";
    pair_connect(sides);
    pair_until(sides[0], sides[1], P2P_EVENT_PATH, 1, 1);
    sides[0]->take = sides[1]->take = take_closed;
    sides[0]->test = bert;
    sides[1]->test = anna;
    p2p_peer_close(sides[0]->peer, NULL);
    pair_until(sides[0], sides[1], P2P_EVENT_CLOSED, 1, 1);
    assert_int_equal(sides[0]->told[P2P_EVENT_CLOSED], 1);
    pair_free(sides);
}

static void what_arrived_is_readable_after_closed(void **state)
{
    (void)state;
    struct side *sides[2];
    struct p2p_stream *stream;
    char got[16];
    pair_connect(sides);
    assert_int_equal(p2p_stream_open(&stream, sides[0]->peer, 'l', P2P_ONE_WAY), 0);
    assert_int_equal(p2p_stream_write(stream, "last words", 10), 10);
    p2p_stream_finish(stream);
    p2p_node_process(sides[0]->node);
    p2p_peer_close(sides[0]->peer, NULL);
    pair_until(sides[0], sides[1], P2P_EVENT_CLOSED, 1, 1);
    pair_for_ms(sides[0], sides[1], 300);
    assert_int_equal(p2p_stream_read(sides[1]->stream, got, sizeof got), 10);
    assert_memory_equal(got, "last words", 10);
    assert_int_equal(p2p_stream_read(sides[1]->stream, got, sizeof got), 0);
    p2p_stream_free(stream);
    pair_free(sides);
}

static void who_returns_is_met_again(void **state)
{
    (void)state;
    struct side *sides[2];
    pair_connect(sides);
    for (unsigned n = 1; n <= 5; n++) {
        p2p_peer_close(sides[n % 2]->peer, NULL);
        pair_until(sides[0], sides[1], P2P_EVENT_CLOSED, n, n);
        p2p_node_free(sides[1]->node);
        struct p2p_config config = pair_config("bert");
        assert_int_equal(p2p_node_new(&sides[1]->node, &config), 0);
        assert_int_equal(p2p_node_start(sides[1]->node), 0);
        assert_int_equal(p2p_join(sides[1]->node, "return", "secret", 6), 0);
        if (n == 1) { /* the other moves to that room too */
            p2p_node_free(sides[0]->node);
            config = pair_config("anna");
            assert_int_equal(p2p_node_new(&sides[0]->node, &config), 0);
            assert_int_equal(p2p_node_start(sides[0]->node), 0);
            assert_int_equal(p2p_join(sides[0]->node, "return", "secret", 6), 0);
        }
        pair_until(sides[0], sides[1], P2P_EVENT_CONNECTED, n + 1, n + 1);
    }
    pair_free(sides);
}

/* ---- waking and freeing ---- */

static void *wake_soon(void *context)
{
    struct timespec pause = {.tv_nsec = 100000000};
    nanosleep(&pause, NULL);
    p2p_node_wake(context);
    return NULL;
}

static void another_thread_ends_a_wait(void **state)
{
    (void)state;
    struct p2p_config config = pair_config("anna");
    struct side *side = side_new(&config);
    pthread_t thread;
    while (p2p_node_wait(side->node, 0) > 0)
        side_drain(side);
    uint64_t start = pair_now_ms();
    assert_int_equal(pthread_create(&thread, NULL, wake_soon, side->node), 0);
    assert_int_equal(p2p_node_wait(side->node, 10000000000), 0);
    assert_in_range(pair_now_ms() - start, 90, 5000);
    pthread_join(thread, NULL);
    start = pair_now_ms();
    assert_int_equal(p2p_node_wait(side->node, 50000000), 0); /* once woken, once ended */
    assert_true(pair_now_ms() - start >= 49);
    side_free(side);
}

/* Who polls p2p_node_fd never calls p2p_node_wait. */
static void a_wake_hides_nothing_from_another_loop(void **state)
{
    (void)state;
    struct side *sides[2];
    for (int i = 0; i < 2; i++) {
        struct p2p_config config = pair_config(i ? "bert" : "anna");
        sides[i] = side_new(&config);
        assert_int_equal(p2p_join(sides[i]->node, "woken", NULL, 0), 0);
    }
    uint64_t until = pair_now_ms() + 1000 * PATIENCE_S;
    while (!sides[0]->told[P2P_EVENT_CONNECTED] || !sides[1]->told[P2P_EVENT_CONNECTED]) {
        assert_true(pair_now_ms() < until);
        for (int i = 0; i < 2; i++) {
            p2p_node_wake(sides[i]->node);
            assert_int_equal(p2p_node_process(sides[i]->node), 0);
            side_drain(sides[i]);
        }
    }
    pair_free(sides);
}

static void a_node_may_be_freed_at_any_moment(void **state)
{
    (void)state;
    for (unsigned turns = 0; turns < 30; turns++) {
        struct side *sides[2];
        for (int i = 0; i < 2; i++) {
            struct p2p_config config = pair_config(i ? "bert" : "anna");
            sides[i] = side_new(&config);
            assert_int_equal(p2p_join(sides[i]->node, "freed", NULL, 0), 0);
        }
        for (unsigned n = 0; n < turns; n++)
            pair_turn(sides);
        if (turns % 3 == 0 && sides[0]->peer) {
            struct p2p_stream *stream;
            if (p2p_stream_open(&stream, sides[0]->peer, 'x', 0) == 0)
                p2p_stream_free(stream);
        }
        if (turns % 4 == 0)
            p2p_leave(sides[0]->node);
        pair_free(sides);
    }
}

static void garbage_on_the_port_disturbs_nobody(void **state)
{
    (void)state;
    struct side *sides[2];
    struct p2p_path path;
    struct p2p_stream *stream;
    char got[8];
    pair_connect(sides);
    pair_until(sides[0], sides[1], P2P_EVENT_PATH, 1, 1);
    assert_int_equal(p2p_peer_path(sides[1]->peer, &path), 0);
    const char *colon = strrchr(path.local, ':');
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    to.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    uint8_t garbage[1400];
    srand(1);
    for (unsigned i = 0; i < 100000; i++) {
        for (unsigned k = 0; k < 32; k++)
            garbage[k] = (uint8_t)rand();
        sendto(fd, garbage, i % sizeof garbage, 0, (struct sockaddr *)&to, sizeof to);
        if (i % 200 == 0)
            pair_turn(sides);
    }
    close(fd);
    assert_int_equal(p2p_stream_open(&stream, sides[0]->peer, 'g', 0), 0);
    assert_int_equal(p2p_stream_write(stream, "alive", 5), 5);
    pair_until(sides[0], sides[1], P2P_EVENT_READABLE, 0, 1);
    assert_int_equal(p2p_stream_read(sides[1]->stream, got, sizeof got), 5);
    assert_int_equal(sides[0]->told[P2P_EVENT_CLOSED] + sides[1]->told[P2P_EVENT_CLOSED], 0);
    p2p_stream_free(stream);
    pair_free(sides);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_its_sentence),
        cmocka_unit_test(the_libraries_fit_or_say_what_they_need),
        cmocka_unit_test(calls_come_in_their_order_or_not_at_all),
        cmocka_unit_test(a_busy_port_is_told_apart),
        cmocka_unit_test(an_unknown_interface_is_no_network),
        cmocka_unit_test(the_broker_that_took_us_is_named),
        cmocka_unit_test(without_any_broker_the_failure_is_final),
        cmocka_unit_test(a_dead_broker_beside_a_living_one_costs_nothing),
        cmocka_unit_test(two_meet_and_know_each_other),
        cmocka_unit_test(two_threads_meet_by_waiting),
        cmocka_unit_test(another_secret_is_told_and_connects_nobody),
        cmocka_unit_test(a_closed_peer_hears_why_within_a_second),
        cmocka_unit_test(leaving_is_done_within_a_second),
        cmocka_unit_test(a_peer_can_be_asked_until_the_event_after_its_closed),
        cmocka_unit_test(what_arrived_is_readable_after_closed),
        cmocka_unit_test(who_returns_is_met_again),
        cmocka_unit_test(another_thread_ends_a_wait),
        cmocka_unit_test(a_wake_hides_nothing_from_another_loop),
        cmocka_unit_test(a_node_may_be_freed_at_any_moment),
        cmocka_unit_test(garbage_on_the_port_disturbs_nobody),
    };
    return cmocka_run_group_tests_name("p2p", tests, pair_setup, pair_teardown);
}
