/* test_stun_server.c - answers that are right, short and few. */
#include "fail_alloc.h"
#include "given.h"
#include "stun_msg.h"
#include "stun_server.h"
#include <stdlib.h>
#include <string.h>

static const uint64_t START = 9 * NS_PER_S;
static const char *const CLIENT = "198.51.100.7:50000";
static const char *const SOCKETS[2][2] = {{"203.0.113.1:3478", "203.0.113.1:3479"},
                                          {"203.0.113.2:3478", "203.0.113.2:3479"}};

static struct stun_server *with_one_socket(void)
{
    struct stun_server_config config = {.address = {{addr_of(SOCKETS[0][0])}}};
    struct stun_server *server = stun_server_new(&config);
    assert_non_null(server);
    return server;
}

static struct stun_server *with_four_sockets(void)
{
    struct stun_server_config config;
    config.random = NULL;
    for (int i = 0; i < 4; i++)
        config.address[i / 2][i % 2] = addr_of(SOCKETS[i / 2][i % 2]);
    struct stun_server *server = stun_server_new(&config);
    assert_non_null(server);
    return server;
}

static struct stun_msg binding_request(void)
{
    return (struct stun_msg){.class = STUN_REQUEST, .method = STUN_BINDING, .id = "transaction"};
}

/* What the server said. */
struct answer {
    uint8_t data[PACKET_MAX];
    struct packet packet;
    struct stun_msg msg;
};

static bool exchange_bytes(struct stun_server *server, uint64_t now, const uint8_t *data, size_t len,
                           const char *to, const char *from, struct answer *answer)
{
    uint8_t copy[PACKET_MAX];
    memcpy(copy, data, len);
    struct packet in = {.data = copy, .len = len, .local = addr_of(to), .remote = addr_of(from)};
    stun_server_input(server, now, &in);
    answer->packet = (struct packet){.data = answer->data, .len = sizeof answer->data};
    if (!stun_server_output(server, now, &answer->packet))
        return false;
    struct packet more = {.data = copy, .len = sizeof copy};
    assert_false(stun_server_output(server, now, &more));
    assert_true(stun_decode(&answer->msg, answer->data, answer->packet.len));
    assert_int_equal(answer->msg.method, STUN_BINDING);
    return true;
}

static bool exchange(struct stun_server *server, uint64_t now, const struct stun_msg *request, const char *to,
                     const char *from, struct answer *answer)
{
    uint8_t data[PACKET_MAX];
    size_t len = stun_encode(request, NULL, data, sizeof data);
    assert_true(len > 0);
    return exchange_bytes(server, now, data, len, to, from, answer);
}

static void expect_addr(const struct addr *addr, const char *text)
{
    char printed[ADDR_TEXT_MAX];
    assert_string_equal(addr_print(addr, printed), text);
}

static void expect_stats(struct stun_server *server, uint64_t answered, uint64_t refused, uint64_t limited,
                         uint64_t malformed)
{
    struct stun_server_stats stats;
    stun_server_stats(server, &stats);
    assert_int_equal(stats.answered, answered);
    assert_int_equal(stats.refused, refused);
    assert_int_equal(stats.limited, limited);
    assert_int_equal(stats.malformed, malformed);
}

static void a_binding_request_is_answered_with_where_it_came_from(void **state)
{
    (void)state;
    static const char *const clients[][2] = {
        {"203.0.113.1:3478", "198.51.100.7:50000"},
        {"[2001:db8::1]:3478", "[2001:db8::7]:50000"},
        {"127.0.0.1:3478", "127.0.0.1:1"},
        {"[fe80::1%2]:3478", "[fe80::7%2]:50000"},
    };
    struct stun_server *server = with_one_socket();
    struct stun_msg request = binding_request();
    for (size_t i = 0; i < 4; i++) {
        struct answer answer;
        assert_true(exchange(server, START, &request, clients[i][0], clients[i][1], &answer));
        assert_int_equal(answer.msg.class, STUN_SUCCESS);
        assert_memory_equal(answer.msg.id, request.id, STUN_ID_LEN);
        expect_addr(&answer.packet.remote, clients[i][1]);
        expect_addr(&answer.packet.local, clients[i][0]);
        struct addr seen = addr_of(clients[i][1]);
        seen.scope = 0;
        assert_true(addr_equal(&answer.msg.mapped, &seen));
        assert_int_equal(answer.msg.response_origin.family, 0);
        assert_int_equal(answer.msg.other_address.family, 0);
        assert_null(answer.msg.software.at);
    }
    expect_stats(server, 4, 0, 0, 0);
    stun_server_free(server);
}

static void an_answer_is_hardly_longer_than_its_request(void **state)
{
    (void)state;
    struct stun_server *one = with_one_socket(), *four = with_four_sockets();
    struct stun_msg request = binding_request();
    struct answer answer;
    assert_true(exchange(one, START, &request, SOCKETS[0][0], CLIENT, &answer));
    assert_int_equal(answer.packet.len, 20 + 12);
    assert_true(exchange(one, START, &request, "[2001:db8::1]:3478", "[2001:db8::7]:5", &answer));
    assert_int_equal(answer.packet.len, 20 + 24);
    assert_true(exchange(four, START, &request, SOCKETS[0][0], CLIENT, &answer));
    assert_int_equal(answer.packet.len, 20 + 3 * 12);
    stun_server_free(one);
    stun_server_free(four);
}

static void a_fingerprint_answers_a_fingerprint(void **state)
{
    (void)state;
    struct stun_server *server = with_one_socket();
    struct stun_msg request = binding_request();
    struct answer answer;
    assert_true(exchange(server, START, &request, SOCKETS[0][0], CLIENT, &answer));
    assert_int_equal(answer.msg.has, 0);
    request.has = STUN_HAS_FINGERPRINT;
    assert_true(exchange(server, START, &request, SOCKETS[0][0], CLIENT, &answer));
    assert_int_equal(answer.msg.has, STUN_HAS_FINGERPRINT);
    stun_server_free(server);
}

static void credentials_are_neither_asked_for_nor_minded(void **state)
{
    (void)state;
    struct stun_server *server = with_one_socket();
    struct stun_msg request = binding_request();
    struct stun_key key = {(const uint8_t *)"secret", 6};
    struct answer answer;
    uint8_t data[PACKET_MAX];
    request.username = (struct stun_text){"user", 4};
    request.has = STUN_HAS_INTEGRITY | STUN_HAS_INTEGRITY_SHA256;
    size_t len = stun_encode(&request, &key, data, sizeof data);
    assert_true(exchange_bytes(server, START, data, len, SOCKETS[0][0], CLIENT, &answer));
    assert_int_equal(answer.msg.class, STUN_SUCCESS);
    assert_int_equal(answer.msg.has, 0);
    stun_server_free(server);
}

static void what_must_be_understood_and_is_not_is_refused_by_name(void **state)
{
    (void)state;
    struct stun_server *server = with_one_socket();
    struct answer answer;
    uint8_t data[PACKET_MAX];
    struct stun_msg request = binding_request();
    size_t len = stun_encode(&request, NULL, data, sizeof data);
    memcpy(data + len, "\x7f\xff\0\0\x8f\1\0\0\x12\x34\0\0", 12);
    len += 12, data[3] = 12;
    assert_true(exchange_bytes(server, START, data, len, SOCKETS[0][0], CLIENT, &answer));
    assert_int_equal(answer.msg.class, STUN_ERROR);
    assert_int_equal(answer.msg.error, 420);
    assert_int_equal(answer.msg.mapped.family, 0);
    assert_int_equal(answer.packet.len, 20 + 8 + 8);
    assert_memory_equal(answer.data + 28, "\0\x0a\0\4\x7f\xff\x12\x34", 8);
    expect_stats(server, 0, 1, 0, 0);
    stun_server_free(server);
}

static void at_most_eight_unknown_attributes_are_listed(void **state)
{
    (void)state;
    struct stun_server *server = with_one_socket();
    struct answer answer;
    uint8_t data[PACKET_MAX];
    struct stun_msg request = binding_request();
    request.padding = 4, request.has = STUN_HAS_CHANGE_REQUEST | STUN_HAS_RESPONSE_PORT;
    size_t len = stun_encode(&request, NULL, data, sizeof data);
    for (uint8_t i = 0; i < 200; i++, len += 4)
        memcpy(data + len, ((const uint8_t[]){0x70, i, 0, 0}), 4);
    data[2] = (uint8_t)((len - 20) >> 8), data[3] = (uint8_t)(len - 20);
    assert_true(exchange_bytes(server, START, data, len, SOCKETS[0][0], CLIENT, &answer));
    assert_int_equal(answer.packet.len, 20 + 8 + 4 + 2 * STUN_UNKNOWN_MAX);
    stun_server_free(server);
}

static void one_socket_refuses_what_needs_four(void **state)
{
    (void)state;
    static const struct {
        unsigned has;
        uint16_t padding, type;
    } cases[] = {{STUN_HAS_CHANGE_REQUEST, 0, 0x0003}, {STUN_HAS_RESPONSE_PORT, 0, 0x0027}, {0, 500, 0x0026}};
    for (size_t i = 0; i < 3; i++) {
        struct stun_server *server = with_one_socket();
        struct stun_msg request = binding_request();
        struct answer answer;
        request.has = cases[i].has, request.padding = cases[i].padding;
        request.response_port = 9;
        assert_true(exchange(server, START, &request, SOCKETS[0][0], CLIENT, &answer));
        assert_int_equal(answer.msg.error, 420);
        assert_int_equal(answer.data[32] << 8 | answer.data[33], cases[i].type);
        expect_addr(&answer.packet.remote, CLIENT);
        stun_server_free(server);
    }
}

static void four_sockets_change_address_and_port_as_asked(void **state)
{
    (void)state;
    struct stun_server *server = with_four_sockets();
    uint64_t now = START;
    for (unsigned at = 0; at < 4; at++)
        for (uint32_t change = 0; change < 4; change++, now += NS_PER_S) {
            unsigned ip = at / 2, port = at % 2;
            struct stun_msg request = binding_request();
            struct answer answer;
            request.has = STUN_HAS_CHANGE_REQUEST;
            request.change_request = (change & 1 ? STUN_CHANGE_IP : 0) | (change & 2 ? STUN_CHANGE_PORT : 0);
            assert_true(exchange(server, now, &request, SOCKETS[ip][port], CLIENT, &answer));
            const char *origin = SOCKETS[ip ^ (change & 1)][port ^ (change >> 1)];
            expect_addr(&answer.packet.local, origin);
            expect_addr(&answer.msg.response_origin, origin);
            expect_addr(&answer.msg.other_address, SOCKETS[!ip][!port]);
            expect_addr(&answer.packet.remote, CLIENT);
            expect_addr(&answer.msg.mapped, CLIENT);
        }
    stun_server_free(server);
}

static void four_sockets_answer_to_another_port_of_the_same_address(void **state)
{
    (void)state;
    struct stun_server *server = with_four_sockets();
    struct stun_msg request = binding_request();
    struct answer answer;
    request.has = STUN_HAS_RESPONSE_PORT, request.response_port = 1234;
    assert_true(exchange(server, START, &request, SOCKETS[0][0], CLIENT, &answer));
    expect_addr(&answer.packet.remote, "198.51.100.7:1234");
    expect_addr(&answer.msg.mapped, CLIENT);
    request.response_port = 0;
    assert_false(exchange(server, START, &request, SOCKETS[0][0], CLIENT, &answer));
    expect_stats(server, 1, 0, 0, 1);
    stun_server_free(server);
}

static void four_sockets_refuse_padding_and_a_fifth_socket_serves_no_changes(void **state)
{
    (void)state;
    struct stun_server *server = with_four_sockets();
    struct stun_msg request = binding_request();
    struct answer answer;
    request.padding = 1000;
    assert_true(exchange(server, START, &request, SOCKETS[0][0], CLIENT, &answer));
    assert_int_equal(answer.msg.error, 420);
    request.padding = 0, request.has = STUN_HAS_CHANGE_REQUEST;
    assert_true(exchange(server, START, &request, "203.0.113.9:3478", CLIENT, &answer));
    assert_int_equal(answer.msg.error, 420);
    stun_server_free(server);
}

static void three_sockets_are_one(void **state)
{
    (void)state;
    for (int missing = 0; missing < 4; missing++) {
        struct stun_server_config config = {0};
        for (int i = 0; i < 4; i++)
            if (i != missing)
                config.address[i / 2][i % 2] = addr_of(SOCKETS[i / 2][i % 2]);
        struct stun_server *server = stun_server_new(&config);
        struct stun_msg request = binding_request();
        struct answer answer;
        assert_true(exchange(server, START, &request, SOCKETS[1][1], CLIENT, &answer));
        assert_int_equal(answer.msg.other_address.family, 0);
        stun_server_free(server);
    }
}

static void only_binding_requests_are_answered(void **state)
{
    (void)state;
    struct stun_server *server = with_one_socket();
    struct answer answer;
    uint64_t dropped = 0;
    for (unsigned class = STUN_REQUEST; class <= STUN_ERROR; class ++)
        for (uint16_t method = 0; method <= 0xfff; method++) {
            struct stun_msg msg = binding_request();
            msg.class = (enum stun_class) class, msg.method = method;
            if (class == STUN_REQUEST && method == STUN_BINDING)
                continue;
            assert_false(exchange(server, START, &msg, SOCKETS[0][0], CLIENT, &answer));
            dropped++;
        }
    expect_stats(server, 0, 0, 0, dropped);
    struct stun_msg request = binding_request(); /* and all that has not used up anybody's share */
    assert_true(exchange(server, START, &request, SOCKETS[0][0], CLIENT, &answer));
    stun_server_free(server);
}

static void garbage_is_counted_and_not_answered(void **state)
{
    (void)state;
    struct stun_server *server = with_one_socket();
    struct stun_msg request = binding_request();
    struct answer answer;
    uint8_t data[PACKET_MAX];
    request.has = STUN_HAS_FINGERPRINT;
    size_t len = stun_encode(&request, NULL, data, sizeof data);
    for (size_t shorter = 0; shorter < len; shorter++)
        assert_false(exchange_bytes(server, START, data, shorter, SOCKETS[0][0], CLIENT, &answer));
    data[len - 1] ^= 1;
    assert_false(exchange_bytes(server, START, data, len, SOCKETS[0][0], CLIENT, &answer));
    expect_stats(server, 0, 0, 0, len + 1);
    stun_server_free(server);
}

static void sources_that_cannot_be_answered_are_not(void **state)
{
    (void)state;
    static const char *const sources[] = {"198.51.100.7", "0.0.0.0:5", "224.0.0.1:5", "255.255.255.255:5",
                                          "[ff02::1]:5"};
    struct stun_server *server = with_one_socket();
    struct stun_msg request = binding_request();
    struct answer answer;
    for (size_t i = 0; i < 5; i++)
        assert_false(exchange(server, START, &request, SOCKETS[0][0], sources[i], &answer));
    expect_stats(server, 0, 0, 0, 5);
    stun_server_free(server);
}

static unsigned count_answers(struct stun_server *server, uint64_t now, unsigned requests, const char *from)
{
    struct stun_msg request = binding_request();
    struct answer answer;
    unsigned answers = 0;
    for (unsigned i = 0; i < requests; i++)
        answers += exchange(server, now, &request, SOCKETS[0][0], from, &answer);
    return answers;
}

static void an_address_gets_ten_answers_in_any_second_whatever_its_ports(void **state)
{
    (void)state;
    struct stun_server *server = with_one_socket();
    assert_int_equal(count_answers(server, START, 6, "198.51.100.7:1"), 6);
    assert_int_equal(count_answers(server, START + 600 * NS_PER_MS, 6, "198.51.100.7:2"), 4);
    assert_int_equal(count_answers(server, START + NS_PER_S - 1, 6, "198.51.100.7:3"), 0);
    assert_int_equal(count_answers(server, START + NS_PER_S, 20, "198.51.100.7:4"), 6);
    assert_int_equal(count_answers(server, START + 1600 * NS_PER_MS, 20, "198.51.100.7:4"), 4);
    assert_int_equal(count_answers(server, START + 9 * NS_PER_S, 20, "198.51.100.7:4"), STUN_SERVER_RATE);
    expect_stats(server, 30, 0, 78 - 30, 0);
    stun_server_free(server);
}

static void the_limit_holds_when_the_clock_begins_at_zero(void **state)
{
    (void)state;
    struct stun_server *server = with_one_socket();
    assert_int_equal(count_answers(server, 0, 50, CLIENT), STUN_SERVER_RATE);
    stun_server_free(server);
}

static void another_address_has_its_own_share_and_a_network_of_ipv6_only_one(void **state)
{
    (void)state;
    struct stun_server *server = with_one_socket();
    assert_int_equal(count_answers(server, START, 20, "198.51.100.7:1"), 10);
    assert_int_equal(count_answers(server, START, 20, "198.51.100.8:1"), 10);
    assert_int_equal(count_answers(server, START, 20, "[2001:db8:0:1::1]:1"), 10);
    assert_int_equal(count_answers(server, START, 20, "[2001:db8:0:1:ffff::2]:1"), 0);
    assert_int_equal(count_answers(server, START, 20, "[2001:db8:0:2::1]:1"), 10);
    stun_server_free(server);
}

static void errors_count_as_answers(void **state)
{
    (void)state;
    struct stun_server *server = with_one_socket();
    struct stun_msg request = binding_request();
    struct answer answer;
    unsigned answers = 0;
    request.padding = 4;
    for (unsigned i = 0; i < 50; i++)
        answers += exchange(server, START, &request, SOCKETS[0][0], CLIENT, &answer);
    assert_int_equal(answers, STUN_SERVER_RATE);
    stun_server_free(server);
}

static void a_flood_from_a_thousand_addresses_shuts_nobody_out(void **state)
{
    (void)state;
    struct stun_server *server = with_one_socket();
    struct stun_msg request = binding_request();
    struct answer answer;
    for (unsigned i = 0; i < 100000; i++) {
        char from[ADDR_TEXT_MAX];
        struct addr addr = addr_of("20.0.0.0:5");
        addr.ip[1] = (uint8_t)(i >> 16), addr.ip[2] = (uint8_t)(i >> 8), addr.ip[3] = (uint8_t)i;
        assert_true(exchange(server, START + i, &request, SOCKETS[0][0], addr_print(&addr, from), &answer));
    }
    assert_true(exchange(server, START + 100000, &request, SOCKETS[0][0], CLIENT, &answer));
    stun_server_free(server);
}

/* The limit of many addresses at once, in a table that a flood has filled before. */
static void yesterdays_flood_makes_room_for_todays_guests(void **state)
{
    (void)state;
    enum { GUESTS = 1000 }; /* two for each set of the table */
    struct stun_server *server = with_one_socket();
    unsigned answers[GUESTS] = {0};
    char from[ADDR_TEXT_MAX];
    for (unsigned i = 0; i < 10000; i++) {
        struct addr addr = addr_of("20.0.0.0:5");
        addr.ip[2] = (uint8_t)(i >> 8), addr.ip[3] = (uint8_t)i;
        count_answers(server, START, 1, addr_print(&addr, from));
    }
    for (unsigned i = 0; i < 20 * GUESTS; i++) {
        struct addr addr = addr_of("30.0.0.0:5");
        addr.ip[2] = (uint8_t)(i % GUESTS >> 8), addr.ip[3] = (uint8_t)(i % GUESTS);
        answers[i % GUESTS] += count_answers(server, START + 2 * NS_PER_S, 1, addr_print(&addr, from));
    }
    for (unsigned i = 0; i < GUESTS; i++)
        assert_int_equal(answers[i], STUN_SERVER_RATE);
    stun_server_free(server);
}

/* Forging the victim's address, and a thousand others to make the server forget it, is not worth it. */
static void making_the_server_forget_an_address_costs_more_than_it_brings(void **state)
{
    (void)state;
    struct stun_server *server = with_one_socket();
    unsigned answers = 0, packets = 0;
    for (unsigned i = 0; i < 2000; i++, packets += 2) {
        char from[ADDR_TEXT_MAX];
        struct addr addr = addr_of("20.0.0.0:5");
        addr.ip[2] = (uint8_t)(i >> 8), addr.ip[3] = (uint8_t)i;
        count_answers(server, START + i, 1, addr_print(&addr, from));
        answers += count_answers(server, START + i, 1, CLIENT);
    }
    assert_true(answers < packets / 50);
    stun_server_free(server);
}

static void an_answer_that_does_not_fit_is_dropped(void **state)
{
    (void)state;
    struct stun_server *server = with_one_socket();
    uint8_t data[64];
    struct stun_msg request = binding_request();
    struct packet in = {.data = data, .local = addr_of(SOCKETS[0][0]), .remote = addr_of(CLIENT)};
    in.len = stun_encode(&request, NULL, data, sizeof data);
    stun_server_input(server, START, &in);
    struct packet out = {.data = data, .len = 31};
    assert_false(stun_server_output(server, START, &out));
    out.len = sizeof data;
    assert_false(stun_server_output(server, START, &out));
    stun_server_free(server);
}

static void a_request_replaces_an_answer_that_nobody_took(void **state)
{
    (void)state;
    struct stun_server *server = with_one_socket();
    uint8_t data[64], garbage[4] = {0};
    struct stun_msg request = binding_request();
    struct packet in = {.data = data, .local = addr_of(SOCKETS[0][0]), .remote = addr_of(CLIENT)};
    in.len = stun_encode(&request, NULL, data, sizeof data);
    stun_server_input(server, START, &in);
    in.data = garbage, in.len = sizeof garbage;
    stun_server_input(server, START, &in);
    struct packet out = {.data = data, .len = sizeof data};
    assert_false(stun_server_output(server, START, &out));
    stun_server_free(server);
}

static bool construct(void *context)
{
    struct stun_server *server = stun_server_new(context);
    bool made = server != NULL;
    stun_server_free(server);
    return made;
}

static void without_memory_there_is_no_server(void **state)
{
    (void)state;
    struct stun_server_config config = {.address = {{addr_of(SOCKETS[0][0])}}};
    assert_int_equal(fail_alloc_each(construct, &config), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_binding_request_is_answered_with_where_it_came_from),
        cmocka_unit_test(an_answer_is_hardly_longer_than_its_request),
        cmocka_unit_test(a_fingerprint_answers_a_fingerprint),
        cmocka_unit_test(credentials_are_neither_asked_for_nor_minded),
        cmocka_unit_test(what_must_be_understood_and_is_not_is_refused_by_name),
        cmocka_unit_test(at_most_eight_unknown_attributes_are_listed),
        cmocka_unit_test(one_socket_refuses_what_needs_four),
        cmocka_unit_test(four_sockets_change_address_and_port_as_asked),
        cmocka_unit_test(four_sockets_answer_to_another_port_of_the_same_address),
        cmocka_unit_test(four_sockets_refuse_padding_and_a_fifth_socket_serves_no_changes),
        cmocka_unit_test(three_sockets_are_one),
        cmocka_unit_test(only_binding_requests_are_answered),
        cmocka_unit_test(garbage_is_counted_and_not_answered),
        cmocka_unit_test(sources_that_cannot_be_answered_are_not),
        cmocka_unit_test(an_address_gets_ten_answers_in_any_second_whatever_its_ports),
        cmocka_unit_test(the_limit_holds_when_the_clock_begins_at_zero),
        cmocka_unit_test(another_address_has_its_own_share_and_a_network_of_ipv6_only_one),
        cmocka_unit_test(errors_count_as_answers),
        cmocka_unit_test(a_flood_from_a_thousand_addresses_shuts_nobody_out),
        cmocka_unit_test(yesterdays_flood_makes_room_for_todays_guests),
        cmocka_unit_test(making_the_server_forget_an_address_costs_more_than_it_brings),
        cmocka_unit_test(an_answer_that_does_not_fit_is_dropped),
        cmocka_unit_test(a_request_replaces_an_answer_that_nobody_took),
        cmocka_unit_test(without_memory_there_is_no_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
