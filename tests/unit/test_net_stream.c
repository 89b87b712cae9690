/* test_net_stream.c - TCP to a listener of this test: connecting, refusal, a reader that is slow or goes
 * away. */
#include "net.h"
#include "net_stream.h"
#include "socket_address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE_MS = 5000 };

static const struct addr any_local;

static int listen_on(struct addr *address)
{
    union socket_address name;
    assert_true(addr_parse(address, "127.0.0.1"));
    socklen_t size = socket_address_set(&name, address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, &name.any, size), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, &name.any, &size), 0);
    *address = socket_address_get(&name.any);
    return fd;
}

static void wait_for(const struct net_stream *stream, short events)
{
    struct pollfd wait = {.fd = net_stream_fd(stream), .events = events};
    assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
}

/* A connection and its other end, which does not block. */
static struct net_stream *connected(int *peer)
{
    struct addr address;
    struct net_stream *stream;
    int listener = listen_on(&address);
    assert_int_equal(net_stream_open(&stream, 0, &address, &any_local), NET_OK);
    assert_true(net_stream_wants_write(stream));
    wait_for(stream, POLLOUT);
    assert_int_equal(net_stream_drive(stream), NET_STREAM_OPEN);
    assert_false(net_stream_wants_write(stream));
    *peer = accept(listener, NULL, NULL);
    assert_true(*peer >= 0);
    fcntl(*peer, F_SETFL, O_NONBLOCK);
    close(listener);
    return stream;
}

static void bytes_go_both_ways(void **state)
{
    (void)state;
    int peer;
    char data[16];
    struct net_stream *stream = connected(&peer);
    assert_true(net_stream_write(stream, "hello", 5));
    struct pollfd wait = {.fd = peer, .events = POLLIN};
    assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
    assert_int_equal(read(peer, data, sizeof data), 5);
    assert_memory_equal(data, "hello", 5);
    assert_int_equal(net_stream_read(stream, data, sizeof data), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(write(peer, "answer", 6), 6);
    wait_for(stream, POLLIN);
    assert_int_equal(net_stream_read(stream, data, sizeof data), 6);
    close(peer);
    wait_for(stream, POLLIN);
    assert_int_equal(net_stream_read(stream, data, sizeof data), 0);
    net_stream_close(stream);
}

static void nobody_there_is_said(void **state)
{
    (void)state;
    struct addr address;
    struct net_stream *stream;
    close(listen_on(&address));
    if (net_stream_open(&stream, 0, &address, &any_local) != NET_OK) {
        assert_int_equal(errno, ECONNREFUSED);
        return;
    }
    wait_for(stream, POLLOUT);
    assert_int_equal(net_stream_drive(stream), NET_STREAM_BROKEN);
    assert_int_equal(net_stream_error(stream), ECONNREFUSED);
    assert_false(net_stream_write(stream, "x", 1));
    assert_false(net_stream_wants_write(stream));
    net_stream_close(stream);
}

static void the_address_to_leave_from_is_kept(void **state)
{
    (void)state;
    struct addr address, local, source;
    struct net_stream *stream;
    union socket_address name;
    socklen_t size = sizeof name;
    int listener = listen_on(&address);
    assert_true(addr_parse(&local, "127.0.0.77:4321"));
    assert_int_equal(net_stream_open(&stream, 0, &address, &local), NET_OK);
    int peer = accept(listener, &name.any, &size);
    assert_true(peer >= 0);
    source = socket_address_get(&name.any);
    assert_true(addr_equal_ip(&source, &local));
    assert_int_not_equal(source.port, 4321); /* that is the UDP socket's */
    close(peer);
    close(listener);
    net_stream_close(stream);
}

static uint8_t pattern(size_t at)
{
    return (uint8_t)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

/* While the reader sleeps what is written waits, all or nothing; then it reads less at a time than is
 * written. */
static void a_slow_reader_fills_the_queue_and_gets_every_byte(void **state)
{
    (void)state;
    enum { PIECE = 10007, LIMIT = 64 << 20, MORE = 8 << 20 };
    int peer;
    struct net_stream *stream = connected(&peer);
    uint8_t piece[PIECE];
    size_t sent = 0, got = 0, until = LIMIT;
    bool full = false;
    while (got < sent || sent == 0) {
        while (sent < until) {
            for (size_t i = 0; i < PIECE; i++)
                piece[i] = pattern(sent + i);
            if (!net_stream_write(stream, piece, PIECE))
                break;
            sent += PIECE;
        }
        if (!full) {
            full = true;
            assert_true(sent < LIMIT);
            assert_true(net_stream_queued(stream) > NET_STREAM_ROOM - PIECE &&
                        net_stream_wants_write(stream));
            until = sent + MORE;
        }
        struct pollfd wait = {.fd = peer, .events = POLLIN};
        assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
        ssize_t len = read(peer, piece, PIECE / 2);
        assert_true(len > 0);
        for (ssize_t i = 0; i < len; i++)
            if (piece[i] != pattern(got++))
                fail_msg("byte %zu is another one", got - 1);
        assert_int_equal(net_stream_drive(stream), NET_STREAM_OPEN);
    }
    assert_true(sent >= until);
    assert_int_equal(net_stream_queued(stream), 0);
    assert_false(net_stream_wants_write(stream));
    close(peer);
    net_stream_close(stream);
}

static void a_reader_that_goes_away_breaks_it(void **state)
{
    (void)state;
    int peer;
    struct net_stream *stream = connected(&peer);
    struct linger hard = {.l_onoff = 1};
    setsockopt(peer, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(peer);
    wait_for(stream, POLLIN);
    net_stream_write(stream, "x", 1); /* this or the next one notices */
    assert_false(net_stream_write(stream, "x", 1) && net_stream_write(stream, "x", 1));
    assert_int_equal(net_stream_drive(stream), NET_STREAM_BROKEN);
    net_stream_close(stream);
    net_stream_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways),
        cmocka_unit_test(nobody_there_is_said),
        cmocka_unit_test(the_address_to_leave_from_is_kept),
        cmocka_unit_test(a_slow_reader_fills_the_queue_and_gets_every_byte),
        cmocka_unit_test(a_reader_that_goes_away_breaks_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
