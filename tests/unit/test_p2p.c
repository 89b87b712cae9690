/* test_p2p.c - the public library, as programs use it: two nodes, a real broker, this machine's network. */
#include "fail_alloc.h"
#include "p2p_pair.h"

#include <pthread.h>

enum { BULK = 20000000 };

/* ---- configuration ---- */

static void every_wrong_configuration_is_refused(void **state)
{
    (void)state;
    static const char *const no_port[] = {"host:0", NULL}, *const path[] = {"mqtt://host/path", NULL},
                             *const five[] = {"a", "b", "c", "d", "e", NULL}, *const space[] = {"a b", NULL},
                             *const empty[] = {"", NULL}, *const nine[] = {"a", "b", "c", "d", "e",
                                                                           "f", "g", "h", "i", NULL};
    const char *many[40] = {0};
    for (unsigned i = 0; i < 33; i++)
        many[i] = "eth0";
    char long_name[66];
    memset(long_name, 'n', 65);
    long_name[65] = '\0';
    const struct p2p_config wrong[] = {
        {.brokers = no_port}, {.brokers = path},     {.brokers = five},
        {.brokers = space},   {.brokers = empty},    {.stun = space},
        {.stun = no_port},    {.stun = nine},        {.stun = empty},
        {.interfaces = many}, {.exclude = many},     {.name = ""},
        {.name = long_name},  {.name = "\xff\xfe"},  {.name = "a\nb"},
        {.purpose = ""},      {.purpose = "Chat"},   {.purpose = "a purpose"},
        {.to = ""},           {.to = long_name},     {.paths = 1u << 5},
        {.max_peers = 65},    {.max_streams = 4097}, {.purpose = "abcdefghijklmnopq"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct p2p_node *node = NULL;
        struct p2p_config config = wrong[i];
        config.size = sizeof config;
        if (p2p_node_new(&node, &config) != P2P_EINVAL || node)
            fail_msg("configuration %zu was taken", i);
    }
    struct p2p_node *node;
    struct p2p_config config = {.size = 0};
    assert_int_equal(p2p_node_new(&node, &config), P2P_EINVAL);
    assert_int_equal(p2p_node_new(&node, NULL), P2P_EINVAL);
    config.size = sizeof config;
    assert_int_equal(p2p_node_new(NULL, &config), P2P_EINVAL);
}

static void an_older_programs_shorter_configuration_is_taken(void **state)
{
    (void)state;
    struct p2p_node *node = NULL;
    struct p2p_config config = pair_config("not read");
    config.size = offsetof(struct p2p_config, name);
    config.max_peers = 9999; /* lies beyond: whatever is there must not matter */
    assert_int_equal(p2p_node_new(&node, &config), 0);
    p2p_node_free(node);
    p2p_node_free(NULL);
}

static bool construct(void *context)
{
    struct p2p_node *node = NULL;
    int err = p2p_node_new(&node, context);
    if (err)
        assert_int_equal(err, P2P_ENOMEM);
    p2p_node_free(node);
    return err == 0;
}

static void without_memory_there_is_no_node(void **state)
{
    (void)state;
    static const char *const names[] = {"eth7", "eth8", NULL}, *const stun[] = {"a", "b", NULL};
    struct p2p_config config = pair_config("anna");
    config.interfaces = config.exclude = names;
    config.stun = stun;
    assert_int_equal(fail_alloc_each(construct, &config), 2 + 6);
}

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

/* ---- streams ---- */

/* A stream on which a side sends a pattern of BULK bytes, and checks the other's. */
struct bulk {
    struct p2p_stream *stream;
    size_t sent, received;
    bool intact, ended;
};

static uint8_t pattern_at(size_t at)
{
    return (uint8_t)(at * 7 + (at >> 8) * 13 + (at >> 16));
}

static void bulk_send(struct bulk *bulk)
{
    uint8_t chunk[16384];
    while (bulk->sent < BULK) {
        size_t len = BULK - bulk->sent < sizeof chunk ? BULK - bulk->sent : sizeof chunk;
        for (size_t i = 0; i < len; i++)
            chunk[i] = pattern_at(bulk->sent + i);
        ptrdiff_t taken = p2p_stream_write(bulk->stream, chunk, len);
        assert_true(taken >= 0);
        bulk->sent += (size_t)taken;
        if ((size_t)taken < len)
            return;
    }
    p2p_stream_finish(bulk->stream);
}

static void bulk_receive(struct bulk *bulk)
{
    uint8_t chunk[16384];
    ptrdiff_t got;
    while ((got = p2p_stream_read(bulk->stream, chunk, sizeof chunk)) > 0)
        for (ptrdiff_t i = 0; i < got; i++)
            bulk->intact = bulk->intact && chunk[i] == pattern_at(bulk->received++);
    bulk->ended = bulk->ended || got == 0;
}

static void take_bulk(struct side *side, const struct p2p_event *event)
{
    struct bulk *bulk = side->test;
    if (event->type == P2P_EVENT_STREAM) {
        assert_int_equal(event->kind, 'b');
        bulk->stream = event->stream;
        bulk_send(bulk);
    }
    if (event->type == P2P_EVENT_READABLE)
        bulk_receive(bulk);
    if (event->type == P2P_EVENT_WRITABLE && event->stream)
        bulk_send(bulk);
}

static void a_stream_carries_20_mb_both_ways_and_each_its_own_end(void **state)
{
    (void)state;
    struct side *sides[2];
    struct bulk bulks[2] = {{.intact = true}, {.intact = true}};
    pair_connect(sides);
    for (int i = 0; i < 2; i++) {
        sides[i]->test = &bulks[i];
        sides[i]->take = take_bulk;
    }
    assert_int_equal(p2p_stream_open(&bulks[0].stream, sides[0]->peer, 'b', 0), 0);
    bulk_send(&bulks[0]);
    uint64_t end = pair_now_ms() + PATIENCE_S * 1000;
    while (!(bulks[0].ended && bulks[1].ended) && pair_now_ms() < end)
        pair_turn(sides);
    for (int i = 0; i < 2; i++) {
        assert_true(bulks[i].ended);
        assert_true(bulks[i].intact);
        assert_int_equal(bulks[i].received, BULK);
    }
    pair_for_ms(sides[0], sides[1], 200);
    for (int i = 0; i < 2; i++) {
        assert_true(p2p_stream_drained(bulks[i].stream));
        p2p_stream_free(bulks[i].stream);
    }
    pair_free(sides);
}

static void a_half_closed_stream_still_brings_the_answer(void **state)
{
    (void)state;
    struct side *sides[2];
    struct p2p_stream *stream;
    char got[16];
    pair_connect(sides);
    assert_int_equal(p2p_stream_open(&stream, sides[0]->peer, 'q', 0), 0);
    assert_ptr_equal(p2p_stream_peer(stream), sides[0]->peer);
    assert_int_equal(p2p_stream_write(stream, "question", 8), 8);
    p2p_stream_finish(stream);
    assert_int_equal(p2p_stream_write(stream, "more", 4), P2P_ESTATE);
    pair_until(sides[0], sides[1], P2P_EVENT_READABLE, 0, 1);
    assert_int_equal(sides[1]->last[P2P_EVENT_STREAM].kind, 'q');
    assert_int_equal(p2p_stream_read(sides[1]->stream, got, sizeof got), 8);
    pair_for_ms(sides[0], sides[1], 100);
    assert_int_equal(p2p_stream_read(sides[1]->stream, got, sizeof got), 0);
    assert_int_equal(p2p_stream_write(sides[1]->stream, "answer", 6), 6);
    p2p_stream_finish(sides[1]->stream);
    pair_until(sides[0], sides[1], P2P_EVENT_READABLE, 1, 1);
    assert_int_equal(p2p_stream_read(stream, got, sizeof got), 6);
    assert_memory_equal(got, "answer", 6);
    p2p_stream_free(stream);
    pair_free(sides);
}

static void of_a_one_way_stream_only_the_opener_writes(void **state)
{
    (void)state;
    struct side *sides[2];
    struct p2p_stream *stream;
    pair_connect(sides);
    assert_int_equal(p2p_stream_open(&stream, sides[0]->peer, 'o', 2), P2P_EINVAL);
    assert_int_equal(p2p_stream_open(&stream, sides[0]->peer, 'o', P2P_ONE_WAY), 0);
    pair_until(sides[0], sides[1], P2P_EVENT_STREAM, 0, 1);
    assert_true(p2p_stream_write(sides[1]->stream, "x", 1) < 0);
    p2p_stream_free(stream);
    pair_free(sides);
}

static void a_stream_that_is_let_go_is_a_reset_for_the_other(void **state)
{
    (void)state;
    struct side *sides[2];
    struct p2p_stream *stream;
    char got[4];
    pair_connect(sides);
    assert_int_equal(p2p_stream_open(&stream, sides[0]->peer, 'r', 0), 0);
    pair_until(sides[0], sides[1], P2P_EVENT_STREAM, 0, 1);
    unsigned before = sides[1]->told[P2P_EVENT_READABLE];
    while (p2p_stream_read(sides[1]->stream, got, sizeof got) > 0)
        continue;
    p2p_stream_free(stream);
    pair_until(sides[0], sides[1], P2P_EVENT_READABLE, 0, before + 1);
    assert_int_equal(p2p_stream_read(sides[1]->stream, got, sizeof got), P2P_ERESET);
    for (unsigned n = 0; n < 100 && p2p_stream_write(sides[1]->stream, "x", 1) >= 0; n++)
        pair_for_ms(sides[0], sides[1], 10);
    assert_int_equal(p2p_stream_write(sides[1]->stream, "x", 1), P2P_ERESET);
    pair_free(sides);
}

static void what_was_finished_arrives_although_it_was_let_go_at_once(void **state)
{
    (void)state;
    struct side *sides[2];
    struct p2p_stream *stream;
    char got[16];
    pair_connect(sides);
    assert_int_equal(p2p_stream_open(&stream, sides[0]->peer, 'f', P2P_ONE_WAY), 0);
    assert_int_equal(p2p_stream_write(stream, "and gone", 8), 8);
    p2p_stream_finish(stream);
    p2p_stream_free(stream);
    pair_until(sides[0], sides[1], P2P_EVENT_READABLE, 0, 1);
    assert_int_equal(p2p_stream_read(sides[1]->stream, got, sizeof got), 8);
    assert_int_equal(p2p_stream_read(sides[1]->stream, got, sizeof got), 0);
    pair_free(sides);
}

/* Lets go of every stream at the k-th event that names one. */
struct letting_go {
    unsigned left;
};

static void take_and_let_go(struct side *side, const struct p2p_event *event)
{
    struct letting_go *go = side->test;
    static struct p2p_stream *held;
    if (event->type == P2P_EVENT_STREAM)
        held = event->stream;
    if (event->stream && go->left && --go->left == 0) {
        p2p_stream_free(event->stream);
        if (held == event->stream)
            held = NULL;
        go->left = UINT32_MAX;
    }
    if (event->type == P2P_EVENT_CLOSED) {
        p2p_stream_free(held);
        held = NULL;
    }
}

static void a_stream_may_be_let_go_at_every_event(void **state)
{
    (void)state;
    static uint8_t data[100000];
    for (unsigned k = 1; k <= 4; k++) {
        struct side *sides[2];
        struct letting_go go = {k};
        struct p2p_stream *stream;
        pair_connect(sides);
        sides[1]->take = take_and_let_go;
        sides[1]->test = &go;
        assert_int_equal(p2p_stream_open(&stream, sides[0]->peer, 'x', 0), 0);
        for (unsigned n = 0; n < 5; n++) {
            (void)p2p_stream_write(stream, data, sizeof data);
            pair_for_ms(sides[0], sides[1], 10);
        }
        p2p_peer_close(sides[0]->peer, NULL);
        pair_until(sides[0], sides[1], P2P_EVENT_CLOSED, 1, 1);
        p2p_stream_free(stream);
        pair_free(sides);
    }
}

static void a_stream_outlives_its_peer_and_its_node(void **state)
{
    (void)state;
    struct side *sides[2];
    struct p2p_stream *streams[3];
    char got[4];
    pair_connect(sides);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(p2p_stream_open(&streams[i], sides[0]->peer, 'x', 0), 0);
    p2p_stream_set_user(streams[0], got);
    p2p_peer_close(sides[0]->peer, NULL);
    p2p_stream_free(streams[1]); /* before its CLOSED is seen */
    pair_until(sides[0], sides[1], P2P_EVENT_CLOSED, 1, 1);
    assert_null(p2p_stream_peer(streams[0]));
    assert_int_equal(p2p_stream_write(streams[0], "x", 1), P2P_EGONE);
    assert_int_equal(p2p_stream_read(streams[0], got, sizeof got), P2P_EGONE);
    p2p_stream_free(streams[2]); /* after it */
    pair_free(sides);
    assert_ptr_equal(p2p_stream_user(streams[0]), got);
    assert_int_equal(p2p_stream_write(streams[0], "x", 1), P2P_EGONE);
    assert_int_equal(p2p_stream_read(streams[0], got, sizeof got), P2P_EGONE);
    assert_int_equal(p2p_stream_drained(streams[0]), 0);
    p2p_stream_finish(streams[0]);
    p2p_stream_free(streams[0]); /* after the node */
    p2p_stream_free(NULL);
}

/* ---- datagrams ---- */

static void datagrams_arrive_whole_or_are_refused(void **state)
{
    (void)state;
    struct side *sides[2];
    static uint8_t data[70000], got[70000];
    pair_connect(sides);
    pair_until(sides[0], sides[1], P2P_EVENT_PATH, 1, 1);
    size_t most = p2p_datagram_max(sides[0]->peer);
    assert_in_range(most, 1000, 65535);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = pattern_at(i);
    assert_int_equal(p2p_datagram_send(sides[0]->peer, data, most + 1), P2P_ETOOLONG);
    assert_int_equal(p2p_datagram_send(sides[0]->peer, data, most), 0);
    assert_int_equal(p2p_datagram_send(sides[0]->peer, data, 10), 0);
    assert_int_equal(p2p_datagram_send(sides[0]->peer, data, 0), 0);
    pair_until(sides[0], sides[1], P2P_EVENT_DATAGRAM, 0, 1);
    pair_for_ms(sides[0], sides[1], 100);
    assert_int_equal(p2p_datagram_receive(sides[1]->peer, got, sizeof got), most);
    assert_memory_equal(got, data, most);
    assert_int_equal(p2p_datagram_receive(sides[1]->peer, got, 4), 4); /* cut */
    assert_int_equal(p2p_datagram_receive(sides[1]->peer, got, sizeof got), 0);
    assert_int_equal(p2p_datagram_receive(sides[1]->peer, got, sizeof got), P2P_EAGAIN);
    assert_int_equal(sides[1]->told[P2P_EVENT_DATAGRAM], 1);
    assert_int_equal(p2p_datagram_send(sides[0]->peer, data, 1), 0);
    pair_until(sides[0], sides[1], P2P_EVENT_DATAGRAM, 0, 2);
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
        cmocka_unit_test(every_wrong_configuration_is_refused),
        cmocka_unit_test(an_older_programs_shorter_configuration_is_taken),
        cmocka_unit_test(without_memory_there_is_no_node),
        cmocka_unit_test(every_error_has_its_sentence),
        cmocka_unit_test(calls_come_in_their_order_or_not_at_all),
        cmocka_unit_test(a_busy_port_is_told_apart),
        cmocka_unit_test(an_unknown_interface_is_no_network),
        cmocka_unit_test(the_broker_that_took_us_is_named),
        cmocka_unit_test(without_any_broker_the_failure_is_final),
        cmocka_unit_test(a_dead_broker_beside_a_living_one_costs_nothing),
        cmocka_unit_test(two_meet_and_know_each_other),
        cmocka_unit_test(two_threads_meet_by_waiting),
        cmocka_unit_test(another_secret_is_told_and_connects_nobody),
        cmocka_unit_test(a_stream_carries_20_mb_both_ways_and_each_its_own_end),
        cmocka_unit_test(a_half_closed_stream_still_brings_the_answer),
        cmocka_unit_test(of_a_one_way_stream_only_the_opener_writes),
        cmocka_unit_test(a_stream_that_is_let_go_is_a_reset_for_the_other),
        cmocka_unit_test(what_was_finished_arrives_although_it_was_let_go_at_once),
        cmocka_unit_test(a_stream_may_be_let_go_at_every_event),
        cmocka_unit_test(a_stream_outlives_its_peer_and_its_node),
        cmocka_unit_test(datagrams_arrive_whole_or_are_refused),
        cmocka_unit_test(a_closed_peer_hears_why_within_a_second),
        cmocka_unit_test(leaving_is_done_within_a_second),
        cmocka_unit_test(a_peer_can_be_asked_until_the_event_after_its_closed),
        cmocka_unit_test(what_arrived_is_readable_after_closed),
        cmocka_unit_test(who_returns_is_met_again),
        cmocka_unit_test(another_thread_ends_a_wait),
        cmocka_unit_test(a_node_may_be_freed_at_any_moment),
        cmocka_unit_test(garbage_on_the_port_disturbs_nobody),
    };
    return cmocka_run_group_tests_name("p2p", tests, pair_setup, pair_teardown);
}
