/* test_stun_client.c - several servers asked from several addresses: every state meets every message. */
#include "fail_alloc.h"
#include "given.h"
#include "stun_client.h"
#include "stun_msg.h"
#include <stdlib.h>
#include <string.h>

static const uint64_t START = 5 * NS_PER_S, ROUND_END = 5750 * NS_PER_MS;
static const char *const LOCAL = "192.168.1.2:4000", *const SERVER = "203.0.113.1:3478",
                         *const MAPPED = "198.51.100.7:50000";

/* A request as it left. */
struct request {
    uint8_t data[PACKET_MAX];
    size_t len;
    struct addr local, remote;
    uint8_t id[STUN_ID_LEN];
};

static bool next_request(struct stun_client *client, uint64_t now, struct request *request)
{
    struct packet out = {.data = request->data, .len = sizeof request->data};
    struct stun_msg msg;
    if (!stun_client_output(client, now, &out))
        return false;
    request->len = out.len;
    request->local = out.local;
    request->remote = out.remote;
    assert_int_equal(out.segment, 0);
    assert_true(stun_decode(&msg, out.data, out.len));
    assert_int_equal(msg.class, STUN_REQUEST);
    assert_int_equal(msg.method, STUN_BINDING);
    memcpy(request->id, msg.id, STUN_ID_LEN);
    return true;
}

/* How many requests leave now; the last stays in *request. */
static unsigned drain(struct stun_client *client, uint64_t now, struct request *request)
{
    unsigned count = 0;
    while (next_request(client, now, request))
        count++;
    return count;
}

/* Hands over `msg` as coming from where the request went, or from `from`. */
static bool deliver(struct stun_client *client, uint64_t now, const struct request *request,
                    const struct stun_msg *msg, const char *from)
{
    uint8_t data[PACKET_MAX];
    struct packet in = {
        .data = data, .local = request->local, .remote = from ? addr_of(from) : request->remote};
    in.len = stun_encode(msg, NULL, data, sizeof data);
    assert_true(in.len > 0);
    return stun_client_input(client, now, &in);
}

static struct stun_msg answer_to(const struct request *request, const char *mapped)
{
    struct stun_msg msg = {.class = STUN_SUCCESS, .method = STUN_BINDING};
    memcpy(msg.id, request->id, STUN_ID_LEN);
    if (mapped)
        msg.mapped = addr_of(mapped);
    return msg;
}

static bool answer(struct stun_client *client, uint64_t now, const struct request *request,
                   const char *mapped)
{
    struct stun_msg msg = answer_to(request, mapped);
    return deliver(client, now, request, &msg, NULL);
}

static void expect_nothing(struct stun_client *client)
{
    struct stun_client_event event;
    assert_false(stun_client_event(client, &event));
}

static struct stun_client_event expect(struct stun_client *client, enum stun_client_event_type type)
{
    struct stun_client_event event;
    assert_true(stun_client_event(client, &event));
    assert_int_equal(event.type, type);
    return event;
}

static void expect_mapped(struct stun_client *client, const char *mapped)
{
    struct stun_client_event event = expect(client, STUN_CLIENT_MAPPED);
    struct addr wanted = addr_of(mapped);
    assert_true(addr_equal(&event.mapped, &wanted));
}

static void set_local(struct stun_client *client, uint64_t now, const char *text)
{
    struct addr local = addr_of(text);
    stun_client_set_locals(client, now, &local, 1);
}

static bool add_server(struct stun_client *client, uint64_t now, const char *text)
{
    struct addr server = addr_of(text);
    return stun_client_add_server(client, now, &server);
}

/* A client with one local address and one server, its first request on the way. */
static struct stun_client *asking(struct request *request)
{
    struct stun_client *client = stun_client_new(&seeded);
    assert_non_null(client);
    set_local(client, START, LOCAL);
    assert_true(add_server(client, START, SERVER));
    assert_int_equal(drain(client, START, request), 1);
    return client;
}

/* Lets the round end without an answer; returns when it did. */
static uint64_t let_it_fail(struct stun_client *client)
{
    struct request request;
    uint64_t now = 0;
    for (int step = 0; step < 100 && (now = stun_client_deadline(client)) < NEVER; step++) {
        struct stun_client_event event;
        drain(client, now, &request);
        while (stun_client_event(client, &event))
            if (event.type == STUN_CLIENT_DONE)
                return now;
    }
    fail_msg("the round does not end");
    return 0;
}

static void a_question_is_asked_at_once_in_the_shortest_way(void **state)
{
    (void)state;
    struct request request;
    struct stun_client *client = asking(&request);
    struct addr local = addr_of(LOCAL), server = addr_of(SERVER);
    assert_true(addr_equal(&request.local, &local) && addr_equal(&request.remote, &server));
    assert_int_equal(request.len, 20);
    expect_nothing(client);
    stun_client_free(client);
}

static void an_answer_is_told_once_with_its_round_trip_and_ends_the_round(void **state)
{
    (void)state;
    struct request request;
    struct stun_client *client = asking(&request);
    assert_true(answer(client, START + 30 * NS_PER_MS, &request, MAPPED));
    struct stun_client_event event = expect(client, STUN_CLIENT_MAPPED);
    struct addr local = addr_of(LOCAL), server = addr_of(SERVER), mapped = addr_of(MAPPED);
    assert_true(addr_equal(&event.local, &local) && addr_equal(&event.server, &server));
    assert_true(addr_equal(&event.mapped, &mapped));
    assert_int_equal(event.doubt, STUN_CREDIBLE);
    assert_true(event.rtt == 30 * NS_PER_MS);
    expect(client, STUN_CLIENT_DONE);
    expect_nothing(client);
    assert_false(answer(client, START + 31 * NS_PER_MS, &request, MAPPED)); /* the network's duplicate */
    expect_nothing(client);
    assert_true(stun_client_deadline(client) == START + STUN_CLIENT_REFRESH_S * NS_PER_S);
    stun_client_free(client);
}

static void a_silent_server_is_asked_twelve_times_and_told_of_once_a_streak(void **state)
{
    (void)state;
    struct request first, request;
    struct stun_client *client = asking(&first);
    for (uint64_t due_ms = 250; due_ms <= 5250; due_ms += 500) {
        assert_true(stun_client_deadline(client) == START + due_ms * NS_PER_MS);
        assert_int_equal(drain(client, START + due_ms * NS_PER_MS, &request), 1);
        assert_memory_equal(request.id, first.id, STUN_ID_LEN);
    }
    uint64_t end = START + ROUND_END;
    assert_true(stun_client_deadline(client) == end);
    assert_int_equal(drain(client, end - 1, &request), 0);
    expect_nothing(client);
    assert_int_equal(drain(client, end, &request), 0);
    expect(client, STUN_CLIENT_SILENT);
    expect(client, STUN_CLIENT_DONE);
    expect_nothing(client);

    uint64_t next = START + STUN_CLIENT_REFRESH_S * NS_PER_S;
    assert_true(stun_client_deadline(client) == next);
    assert_int_equal(drain(client, next, &request), 1);
    assert_memory_not_equal(request.id, first.id, STUN_ID_LEN);
    assert_true(let_it_fail(client) == next + ROUND_END);
    expect_nothing(client);
    stun_client_free(client);
}

static void the_second_silent_round_says_only_that_it_is_over(void **state)
{
    (void)state;
    struct request request;
    struct stun_client *client = asking(&request);
    let_it_fail(client);
    for (int round = 0; round < 3; round++) {
        bool done = false;
        for (int step = 0; step < 20 && !done; step++) {
            drain(client, stun_client_deadline(client), &request);
            struct stun_client_event event;
            while (stun_client_event(client, &event)) {
                assert_int_equal(event.type, STUN_CLIENT_DONE);
                done = true;
            }
        }
        assert_true(done);
    }
    stun_client_free(client);
}

static void an_answer_after_a_silence_is_told_even_when_it_is_the_old_one(void **state)
{
    (void)state;
    struct request request;
    struct stun_client *client = asking(&request);
    assert_true(answer(client, START, &request, MAPPED));
    expect_mapped(client, MAPPED);
    expect(client, STUN_CLIENT_DONE);
    let_it_fail(client);
    uint64_t now = stun_client_deadline(client);
    assert_int_equal(drain(client, now, &request), 1);
    assert_true(answer(client, now, &request, MAPPED));
    expect_mapped(client, MAPPED);
    expect(client, STUN_CLIENT_DONE);
    stun_client_free(client);
}

static void an_unchanged_answer_is_not_told_again_and_a_changed_one_is(void **state)
{
    (void)state;
    struct request request;
    struct stun_client *client = asking(&request);
    assert_true(answer(client, START, &request, MAPPED));
    expect_mapped(client, MAPPED);
    expect(client, STUN_CLIENT_DONE);
    uint64_t now = stun_client_deadline(client);
    assert_int_equal(drain(client, now, &request), 1);
    assert_true(answer(client, now, &request, MAPPED));
    expect(client, STUN_CLIENT_DONE);
    now = stun_client_deadline(client);
    assert_int_equal(drain(client, now, &request), 1);
    assert_true(answer(client, now, &request, "198.51.100.7:50001"));
    expect_mapped(client, "198.51.100.7:50001");
    expect(client, STUN_CLIENT_DONE);
    stun_client_free(client);
}

static void a_late_answer_does_not_reopen_a_failed_question(void **state)
{
    (void)state;
    struct request request;
    struct stun_client *client = asking(&request);
    uint64_t end = let_it_fail(client);
    assert_false(answer(client, end, &request, MAPPED));
    expect_nothing(client);
    stun_client_free(client);
}

static void answers_from_strangers_and_with_other_ids_change_nothing(void **state)
{
    (void)state;
    static const char *const strangers[] = {"203.0.113.1:3479", "203.0.113.2:3478", "[2001:db8::1]:3478",
                                            MAPPED};
    struct request request;
    struct stun_client *client = asking(&request);
    struct stun_msg msg = answer_to(&request, MAPPED);
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++)
        assert_false(deliver(client, START, &request, &msg, strangers[i]));
    for (size_t byte = 0; byte < STUN_ID_LEN; byte++) {
        msg.id[byte] ^= 0x80;
        assert_false(deliver(client, START, &request, &msg, NULL));
        msg.id[byte] ^= 0x80;
    }
    expect_nothing(client);
    assert_true(deliver(client, START, &request, &msg, NULL));
    stun_client_free(client);
}

static void requests_indications_other_methods_and_garbage_are_not_answers(void **state)
{
    (void)state;
    struct request request;
    struct stun_client *client = asking(&request);
    struct stun_msg msg = answer_to(&request, MAPPED);
    msg.class = STUN_REQUEST;
    assert_false(deliver(client, START, &request, &msg, NULL));
    msg.class = STUN_INDICATION;
    assert_false(deliver(client, START, &request, &msg, NULL));
    msg.class = STUN_SUCCESS, msg.method = 3;
    assert_false(deliver(client, START, &request, &msg, NULL));
    uint8_t garbage[] = "this is not a STUN message, and never was";
    struct packet in = {
        .local = request.local, .remote = request.remote, .data = garbage, .len = sizeof garbage};
    assert_false(stun_client_input(client, START, &in));
    in.len = 0;
    assert_false(stun_client_input(client, START, &in));
    expect_nothing(client);
    assert_true(answer(client, START, &request, MAPPED));
    stun_client_free(client);
}

static void an_error_or_an_answer_without_address_counts_as_silence_at_once(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        struct request request;
        struct stun_client *client = asking(&request);
        struct stun_msg msg = answer_to(&request, kind == 2 ? MAPPED : NULL);
        if (kind == 0)
            msg.class = STUN_ERROR, msg.error = 500;
        uint8_t data[PACKET_MAX];
        size_t len = stun_encode(&msg, NULL, data, sizeof data);
        if (kind == 2) { /* an attribute of a type that must be understood, RFC 8489 6.3.3 */
            memcpy(data + len, "\x7f\xff\0\0", 4);
            len += 4, data[3] = (uint8_t)(len - 20);
        }
        struct packet in = {.local = request.local, .remote = request.remote, .data = data, .len = len};
        assert_true(stun_client_input(client, START, &in));
        expect(client, STUN_CLIENT_SILENT);
        expect(client, STUN_CLIENT_DONE);
        expect_nothing(client);
        stun_client_free(client);
    }
}

static void an_old_servers_additional_addresses_are_no_reason_to_doubt_it(void **state)
{
    (void)state;
    struct request request;
    struct stun_client *client = asking(&request);
    struct stun_msg msg = answer_to(&request, MAPPED);
    uint8_t data[PACKET_MAX];
    size_t len = stun_encode(&msg, NULL, data, sizeof data);
    memcpy(data + len, "\0\4\0\x08\0\1\1\1\1\1\1\1\0\5\0\x08\0\1\1\1\1\1\1\1", 24);
    len += 24, data[3] = (uint8_t)(len - 20);
    struct packet in = {.local = request.local, .remote = request.remote, .data = data, .len = len};
    assert_true(stun_client_input(client, START, &in));
    expect_mapped(client, MAPPED);
    stun_client_free(client);
}

static void what_cannot_be_our_address_is_doubted(void **state)
{
    (void)state;
    static const struct {
        const char *mapped;
        enum stun_doubt doubt;
    } cases[] = {
        {"198.51.100.7:50000", STUN_CREDIBLE},
        {"198.51.100.7:4000", STUN_CREDIBLE},
        {"192.168.1.2:4000", STUN_OWN_ADDRESS},
        {"192.168.1.2:4001", STUN_NOT_PUBLIC},
        {"203.0.113.1:3478", STUN_SERVER_ADDRESS},
        {"203.0.113.1:9", STUN_SERVER_ADDRESS},
        {"10.0.0.1:5", STUN_NOT_PUBLIC},
        {"100.64.0.1:5", STUN_NOT_PUBLIC},
        {"169.254.0.1:5", STUN_NOT_PUBLIC},
        {"127.0.0.1:5", STUN_NOT_AN_ADDRESS},
        {"0.0.0.0:5", STUN_NOT_AN_ADDRESS},
        {"224.0.0.1:5", STUN_NOT_AN_ADDRESS},
        {"255.255.255.255:5", STUN_NOT_AN_ADDRESS},
        {"198.51.100.7", STUN_NOT_AN_ADDRESS},
        {"[2001:db8::1]:5", STUN_NOT_AN_ADDRESS},
        {"[::ffff:127.0.0.1]:5", STUN_NOT_AN_ADDRESS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct request request;
        struct stun_client *client = asking(&request);
        assert_true(answer(client, START, &request, cases[i].mapped));
        struct stun_client_event event = expect(client, STUN_CLIENT_MAPPED);
        if (event.doubt != cases[i].doubt)
            fail_msg("%s: doubt %d, not %d", cases[i].mapped, event.doubt, cases[i].doubt);
        stun_client_free(client);
    }
}

static void a_silent_server_delays_no_other(void **state)
{
    (void)state;
    struct request quiet, request;
    struct stun_client *client = asking(&quiet);
    assert_true(add_server(client, START, "203.0.113.2:3478"));
    assert_int_equal(drain(client, START, &request), 1);
    assert_true(answer(client, START + NS_PER_MS, &request, MAPPED));
    expect_mapped(client, MAPPED);
    expect_nothing(client);
    assert_true(let_it_fail(client) == START + ROUND_END);
    stun_client_free(client);
}

static void every_local_address_asks_every_server_of_its_family(void **state)
{
    (void)state;
    static const char *const locals[] = {"192.168.1.2:4000", "10.0.0.2:4000",    "[2001:db8::2]:4000",
                                         "[fd00::2]:4000",   "[fe80::2%3]:4000", "127.0.0.1:4000",
                                         "[::1]:4000",       "169.254.1.1:4000"};
    struct stun_client *client = stun_client_new(&seeded);
    struct addr list[8];
    struct request request;
    for (size_t i = 0; i < 8; i++)
        list[i] = addr_of(locals[i]);
    stun_client_set_locals(client, START, list, 8);
    assert_int_equal(drain(client, START, &request), 0);
    static const struct {
        const char *server;
        unsigned requests;
    } cases[] = {
        {"203.0.113.1:3478", 2}, {"[2001:db8::1]:3478", 2}, {"127.0.0.1:3478", 3},   {"[::1]:3478", 3},
        {"169.254.9.9:3478", 3}, {"[fe80::9%3]:3478", 3},   {"[fe80::9%4]:3478", 2}, {"192.168.1.1:3478", 2},
    };
    for (size_t i = 0; i < 8; i++) {
        assert_true(add_server(client, START, cases[i].server));
        assert_int_equal(drain(client, START, &request), cases[i].requests);
    }
    stun_client_free(client);
}

static void a_server_is_refused_when_it_is_there_or_useless_or_one_too_many(void **state)
{
    (void)state;
    struct stun_client *client = stun_client_new(&seeded);
    assert_false(add_server(client, START, "203.0.113.1"));
    assert_false(add_server(client, START, "224.0.0.1:3478"));
    for (unsigned i = 0; i < STUN_CLIENT_SERVERS_MAX; i++) {
        struct addr server = addr_of(SERVER);
        server.ip[3] = (uint8_t)(i + 1);
        assert_true(stun_client_add_server(client, START, &server));
        assert_false(stun_client_add_server(client, START, &server));
    }
    assert_false(add_server(client, START, "203.0.113.99:3478"));
    stun_client_free(client);
}

static void locals_are_kept_added_and_forgotten_by_their_address(void **state)
{
    (void)state;
    struct request first, second, request;
    struct stun_client *client = asking(&first);
    struct addr both[] = {addr_of("10.0.0.2:4000"), addr_of(LOCAL), addr_of(LOCAL), addr_of("10.0.0.3")};
    stun_client_set_locals(client, START, both, 4); /* one new, one old, one twice, one without a port */
    assert_int_equal(drain(client, START, &second), 1);
    assert_true(addr_equal(&second.local, &both[0]));
    stun_client_set_locals(client, START, both, 1); /* the old one is gone */
    assert_false(answer(client, START, &first, MAPPED));
    assert_true(answer(client, START, &second, MAPPED));
    expect_mapped(client, MAPPED);
    expect(client, STUN_CLIENT_DONE);
    stun_client_set_locals(client, START, NULL, 0);
    assert_true(stun_client_deadline(client) == NEVER);
    assert_int_equal(drain(client, START + 100 * NS_PER_S, &request), 0);
    expect_nothing(client);
    set_local(client, START + 100 * NS_PER_S, LOCAL); /* back again: asked at once, told again */
    assert_int_equal(drain(client, START + 100 * NS_PER_S, &request), 1);
    assert_true(answer(client, START + 100 * NS_PER_S, &request, MAPPED));
    expect_mapped(client, MAPPED);
    stun_client_free(client);
}

static void losing_the_last_local_address_ends_the_round(void **state)
{
    (void)state;
    struct request request;
    struct stun_client *client = asking(&request);
    stun_client_set_locals(client, START, NULL, 0);
    expect(client, STUN_CLIENT_DONE);
    expect_nothing(client);
    assert_true(stun_client_deadline(client) == NEVER);
    stun_client_free(client);
}

static void more_locals_than_fit_are_ignored(void **state)
{
    (void)state;
    struct stun_client *client = stun_client_new(&seeded);
    struct addr locals[STUN_CLIENT_LOCALS_MAX + 3];
    for (size_t i = 0; i < STUN_CLIENT_LOCALS_MAX + 3; i++) {
        locals[i] = addr_of(LOCAL);
        locals[i].ip[3] = (uint8_t)(i + 1);
    }
    stun_client_set_locals(client, START, locals, STUN_CLIENT_LOCALS_MAX + 3);
    struct request request;
    assert_true(add_server(client, START, SERVER));
    assert_int_equal(drain(client, START, &request), STUN_CLIENT_LOCALS_MAX);
    stun_client_free(client);
}

static void asking_starts_a_round_only_where_none_is_under_way(void **state)
{
    (void)state;
    struct request request;
    struct stun_client *client = asking(&request);
    stun_client_ask(client, START + NS_PER_MS);
    assert_int_equal(drain(client, START + NS_PER_MS, &request), 0);
    assert_true(answer(client, START + NS_PER_MS, &request, MAPPED));
    expect_mapped(client, MAPPED);
    expect(client, STUN_CLIENT_DONE);
    stun_client_ask(client, START + 2 * NS_PER_MS);
    assert_int_equal(drain(client, START + 2 * NS_PER_MS, &request), 1);
    assert_true(answer(client, START + 3 * NS_PER_MS, &request, MAPPED));
    expect(client, STUN_CLIENT_DONE);
    assert_true(stun_client_deadline(client) == START + 2 * NS_PER_MS + STUN_CLIENT_REFRESH_S * NS_PER_S);
    stun_client_free(client);
}

static void asking_nobody_is_done_at_once(void **state)
{
    (void)state;
    struct stun_client *client = stun_client_new(&seeded);
    struct request request;
    assert_true(stun_client_deadline(client) == NEVER);
    stun_client_ask(client, START);
    expect(client, STUN_CLIENT_DONE);
    expect_nothing(client);
    assert_int_equal(drain(client, START, &request), 0);
    assert_true(stun_client_deadline(client) == NEVER);
    stun_client_free(client);
}

static void refreshing_can_be_switched_off_and_on(void **state)
{
    (void)state;
    struct request request;
    struct stun_client *client = asking(&request);
    stun_client_set_refresh(client, START, false);
    assert_true(answer(client, START, &request, MAPPED));
    assert_true(stun_client_deadline(client) == NEVER);
    assert_int_equal(drain(client, START + 100 * NS_PER_S, &request), 0);
    stun_client_set_refresh(client, START + 100 * NS_PER_S, true);
    assert_true(stun_client_deadline(client) <= START + 100 * NS_PER_S);
    assert_int_equal(drain(client, START + 100 * NS_PER_S, &request), 1);
    stun_client_free(client);
}

static void without_a_refresh_a_round_under_way_is_still_finished(void **state)
{
    (void)state;
    struct request request;
    struct stun_client *client = asking(&request);
    stun_client_set_refresh(client, START, false);
    assert_true(let_it_fail(client) == START + ROUND_END);
    assert_true(stun_client_deadline(client) == NEVER);
    stun_client_free(client);
}

static void too_small_a_buffer_sends_nothing(void **state)
{
    (void)state;
    struct stun_client *client = stun_client_new(&seeded);
    uint8_t data[19];
    struct packet out = {.data = data, .len = sizeof data};
    set_local(client, START, LOCAL);
    assert_true(add_server(client, START, SERVER));
    assert_false(stun_client_output(client, START, &out));
    stun_client_free(client);
}

static bool construct(void *context)
{
    (void)context;
    struct stun_client *client = stun_client_new(&seeded);
    bool made = client != NULL;
    stun_client_free(client);
    return made;
}

static void without_memory_there_is_no_client(void **state)
{
    (void)state;
    assert_int_equal(fail_alloc_each(construct, NULL), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_is_asked_at_once_in_the_shortest_way),
        cmocka_unit_test(an_answer_is_told_once_with_its_round_trip_and_ends_the_round),
        cmocka_unit_test(a_silent_server_is_asked_twelve_times_and_told_of_once_a_streak),
        cmocka_unit_test(the_second_silent_round_says_only_that_it_is_over),
        cmocka_unit_test(an_answer_after_a_silence_is_told_even_when_it_is_the_old_one),
        cmocka_unit_test(an_unchanged_answer_is_not_told_again_and_a_changed_one_is),
        cmocka_unit_test(a_late_answer_does_not_reopen_a_failed_question),
        cmocka_unit_test(answers_from_strangers_and_with_other_ids_change_nothing),
        cmocka_unit_test(requests_indications_other_methods_and_garbage_are_not_answers),
        cmocka_unit_test(an_error_or_an_answer_without_address_counts_as_silence_at_once),
        cmocka_unit_test(an_old_servers_additional_addresses_are_no_reason_to_doubt_it),
        cmocka_unit_test(what_cannot_be_our_address_is_doubted),
        cmocka_unit_test(a_silent_server_delays_no_other),
        cmocka_unit_test(every_local_address_asks_every_server_of_its_family),
        cmocka_unit_test(a_server_is_refused_when_it_is_there_or_useless_or_one_too_many),
        cmocka_unit_test(locals_are_kept_added_and_forgotten_by_their_address),
        cmocka_unit_test(losing_the_last_local_address_ends_the_round),
        cmocka_unit_test(more_locals_than_fit_are_ignored),
        cmocka_unit_test(asking_starts_a_round_only_where_none_is_under_way),
        cmocka_unit_test(asking_nobody_is_done_at_once),
        cmocka_unit_test(refreshing_can_be_switched_off_and_on),
        cmocka_unit_test(without_a_refresh_a_round_under_way_is_still_finished),
        cmocka_unit_test(too_small_a_buffer_sends_nothing),
        cmocka_unit_test(without_memory_there_is_no_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
