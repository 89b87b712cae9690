/* test_net.c - real sockets on loopback: one a family, source addresses, batches, what is too long. */
#include "net.h"

#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* ---- extra sockets ---- */

struct kept {
    uint16_t port;
};

static bool keep(void *context, const struct addr *local)
{
    const struct kept *kept = context;
    return local->port == kept->port;
}

static void extra_sockets_hear_and_speak_each_for_itself(void **state)
{
    (void)state;
    struct net *a = open_one(0), *b = open_one(0);
    struct addr from = loopback(a, 0), to = loopback(b, 0), locals[NET_EXTRA_MAX];
    struct kept kept = {0};
    assert_int_equal(net_fd(b, NET_EXTRA), -1);
    assert_int_equal(net_set_extra(b, NET_EXTRA_MAX, keep, &kept), NET_EXTRA_MAX);
    assert_int_equal(net_extra(b, locals), NET_EXTRA_MAX);
    for (size_t i = 0; i < NET_EXTRA_MAX; i++) {
        to.port = locals[i].port;
        struct packet out = {.local = from, .remote = to, .data = (uint8_t *)"in", .len = 2};
        assert_int_equal(net_send(a, &out), NET_SENT);
    }
    uint8_t heard[65536] = {0};
    for (size_t i = 0; i < NET_EXTRA_MAX; i++) {
        struct packet in = receive(b, NET_EXTRA);
        assert_int_equal(heard[in.local.port]++, 0);
        assert_true(addr_equal(&in.remote, &from));
        struct packet out = {.local = in.local, .remote = in.remote, .data = (uint8_t *)"out", .len = 3};
        assert_int_equal(net_send(b, &out), NET_SENT);
        assert_int_equal(receive(a, NET_IPV4).remote.port, in.local.port);
    }
    struct packet none;
    assert_false(net_receive(b, NET_EXTRA, &none));
    net_close(a);
    net_close(b);
}

static void extra_sockets_close_but_for_the_one_that_is_used(void **state)
{
    (void)state;
    struct net *a = open_one(0), *b = open_one(0);
    struct addr from = loopback(a, 0), to = loopback(b, 0), locals[NET_EXTRA_MAX];
    struct kept kept = {0};
    assert_int_equal(net_set_extra(b, 16, keep, &kept), 16);
    net_extra(b, locals);
    kept.port = to.port = locals[7].port;
    struct packet out = {.local = from, .remote = to, .data = (uint8_t *)"still", .len = 5};
    assert_int_equal(net_set_extra(b, 0, keep, &kept), 1);
    assert_int_equal(net_send(a, &out), NET_SENT);
    assert_int_equal(receive(b, NET_EXTRA).local.port, kept.port);
    kept.port = 0;
    assert_int_equal(net_set_extra(b, 0, keep, &kept), 0);
    assert_int_equal(net_fd(b, NET_EXTRA), -1);
    net_close(a);
    net_close(b);
}

static void a_packet_travels_as_far_as_its_ttl_says(void **state)
{
    (void)state;
    struct net *a = open_one(0);
    int on = 1, ttl = 0, sock = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof any;
    assert_int_equal(bind(sock, (struct sockaddr *)&any, len), 0);
    assert_int_equal(getsockname(sock, (struct sockaddr *)&any, &len), 0);
    assert_int_equal(setsockopt(sock, IPPROTO_IP, IP_RECVTTL, &on, sizeof on), 0);
    struct addr to = loopback(a, 0);
    struct packet out = {.local = to, .remote = to, .data = (uint8_t *)"low", .len = 3, .ttl = 3};
    out.remote.port = ntohs(any.sin_port);
    for (unsigned i = 0; i < 2; i++, out.ttl = 0) {
        _Alignas(struct cmsghdr) char control[64], data[8];
        struct iovec vector = {.iov_base = data, .iov_len = sizeof data};
        struct msghdr header = {
            .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        assert_int_equal(net_send(a, &out), NET_SENT);
        assert_int_equal(recvmsg(sock, &header, 0), 3);
        memcpy(&ttl, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof ttl);
        if (i == 0)
            assert_int_equal(ttl, 3);
        else
            assert_true(ttl > 3);
    }
    close(sock);
    net_close(a);
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
        cmocka_unit_test(extra_sockets_hear_and_speak_each_for_itself),
        cmocka_unit_test(extra_sockets_close_but_for_the_one_that_is_used),
        cmocka_unit_test(a_packet_travels_as_far_as_its_ttl_says),
        cmocka_unit_test(the_machine_is_the_same_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
