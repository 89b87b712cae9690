/* test_net.c - real sockets on loopback: one a family, source addresses, batches, what is too long. */
#include "net.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PATIENCE_MS = 5000 };

static struct net *open_one(uint16_t port)
{
    struct net *net = NULL;
    assert_int_equal(net_open(&net, &(struct net_config){.port = port}), NET_OK);
    return net;
}

/* The loopback address of a family with the net's port; family 0 where the machine has none. */
static struct addr loopback(const struct net *net, unsigned family)
{
    struct node_address list[NODE_ADDRESSES_MAX];
    size_t count = net_addresses(net, list, NODE_ADDRESSES_MAX);
    for (size_t i = 0; i < count; i++)
        if (addr_scope(&list[i].address) == ADDR_LOOPBACK && list[i].address.family == (family ? 6 : 4))
            return list[i].address;
    return (struct addr){0};
}

static struct packet receive(struct net *net, unsigned family)
{
    struct packet in = {0};
    struct pollfd ready = {.fd = net_fd(net, family), .events = POLLIN};
    while (!net_receive(net, family, &in))
        assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
    return in;
}

static void a_datagram_arrives_with_both_its_addresses(void **state)
{
    (void)state;
    struct net *a = open_one(0), *b = open_one(0);
    for (unsigned family = 0; family < 2; family++) {
        struct addr from = loopback(a, family), to = loopback(b, family);
        if (!from.family)
            continue;
        uint8_t text[] = "knock";
        struct packet out = {.local = from, .remote = to, .data = text, .len = sizeof text};
        assert_int_equal(net_send(a, &out), NET_SENT);
        struct packet in = receive(b, family);
        assert_true(addr_equal(&in.local, &to));
        assert_true(addr_equal(&in.remote, &from));
        assert_int_equal(in.len, sizeof text);
        assert_memory_equal(in.data, text, sizeof text);
    }
    net_close(a);
    net_close(b);
}

static void a_batch_leaves_as_one_and_arrives_as_many(void **state)
{
    (void)state;
    struct net *a = open_one(0), *b = open_one(0);
    struct addr from = loopback(a, 0), to = loopback(b, 0);
    enum { SEGMENT = 1200, COUNT = 10, LAST = 77, TOTAL = SEGMENT * COUNT + LAST };
    uint8_t *data = malloc(TOTAL);
    for (size_t i = 0; i < TOTAL; i++)
        data[i] = (uint8_t)(i / SEGMENT);
    struct packet out = {.local = from, .remote = to, .data = data, .len = TOTAL, .segment = SEGMENT};
    assert_int_equal(net_send(a, &out), NET_SENT);
    for (size_t i = 0; i <= COUNT; i++) {
        struct packet in = receive(b, NET_IPV4);
        assert_int_equal(in.len, i == COUNT ? LAST : SEGMENT);
        assert_int_equal(in.data[0], i);
        assert_int_equal(in.data[in.len - 1], i);
        assert_true(addr_equal(&in.remote, &from));
    }
    struct packet none;
    assert_false(net_receive(b, NET_IPV4, &none));
    free(data);
    net_close(a);
    net_close(b);
}

static void a_datagram_over_the_longest_is_reported(void **state)
{
    (void)state;
    struct net *a = open_one(0);
    struct addr own = loopback(a, 0);
    uint8_t *data = calloc(1, 65530);
    struct packet out = {.local = own, .remote = own, .data = data, .len = 65530};
    assert_int_equal(net_send(a, &out), NET_TOO_LONG);
    free(data);
    net_close(a);
}

static void what_the_system_refuses_is_counted_and_lost(void **state)
{
    (void)state;
    struct net *a = open_one(0);
    struct net_stats stats;
    struct packet out = {.data = (uint8_t *)"x", .len = 1};
    assert_int_equal(net_send(a, &out), NET_SENT); /* no address at all */
    net_stats(a, &stats);
    assert_int_equal(stats.refused, 1);
    net_close(a);
}

static void a_taken_port_is_told_from_other_failures(void **state)
{
    (void)state;
    struct net *a = open_one(0), *b = NULL;
    struct addr own = loopback(a, 0);
    assert_int_equal(net_open(&b, &(struct net_config){.port = own.port}), NET_EPORT);
    assert_null(b);
    net_close(a);
    net_close(NULL);
}

static void excluded_interfaces_have_no_addresses(void **state)
{
    (void)state;
    struct net *net;
    struct node_address list[NODE_ADDRESSES_MAX];
    static const char *const lo[] = {"lo", NULL}, *const none[] = {"no-such-device", NULL};
    assert_int_equal(net_open(&net, &(struct net_config){.exclude = lo}), NET_OK);
    assert_int_equal(loopback(net, 0).family, 0);
    net_close(net);
    assert_int_equal(net_open(&net, &(struct net_config){.interfaces = lo}), NET_OK);
    size_t count = net_addresses(net, list, NODE_ADDRESSES_MAX);
    assert_true(count >= 1);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(addr_scope(&list[i].address), ADDR_LOOPBACK);
    net_close(net);
    assert_int_equal(net_open(&net, &(struct net_config){.interfaces = none}), NET_OK);
    assert_int_equal(net_addresses(net, list, NODE_ADDRESSES_MAX), 0);
    net_close(net);
}

static void the_machine_is_the_same_each_time(void **state)
{
    (void)state;
    uint8_t a[32], b[32];
    if (!net_machine(a))
        skip();
    assert_true(net_machine(b));
    assert_memory_equal(a, b, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_datagram_arrives_with_both_its_addresses),
        cmocka_unit_test(a_batch_leaves_as_one_and_arrives_as_many),
        cmocka_unit_test(a_datagram_over_the_longest_is_reported),
        cmocka_unit_test(what_the_system_refuses_is_counted_and_lost),
        cmocka_unit_test(a_taken_port_is_told_from_other_failures),
        cmocka_unit_test(excluded_interfaces_have_no_addresses),
        cmocka_unit_test(the_machine_is_the_same_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
