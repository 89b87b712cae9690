/* test_quic_close.c - how a connection ends: with a code, in silence, in mid-handshake. */
#include "quic_net.h"

static void a_close_carries_its_code_and_is_answered_for_a_while(void **state)
{
    (void)state;
    struct net *net = net_new(5, 1, 1);
    struct quic *client = net->end[CLIENT];
    net_connect(net);
    int64_t stream = quic_stream_open(client, false);
    assert_int_equal(quic_stream_write(client, stream, "x", 1), 1);
    net->cut = true; /* the first close is lost */
    quic_close(client, net->now, 42, "that is all");
    assert_int_equal(quic_stream_write(client, stream, "x", 1), QUIC_GONE);
    assert_false(quic_is_idle(client));
    uint64_t closed_at = net->now;
    net_run(net, net->now);
    assert_true(quic_is_idle(client));
    assert_int_equal(net->closed[CLIENT].error, 42);
    net->cut = false;
    say(net->end[SERVER], "are you there?");
    net_run(net, net->now + 20 * NS_PER_MS);
    assert_int_equal(net->closed[SERVER].error, 42);
    assert_string_equal(net->closed[SERVER].text, "that is all");
    assert_in_range(quic_deadline(client), closed_at + 15 * NS_PER_MS, closed_at + 1000 * NS_PER_MS);
    net_settle(net);
    assert_int_equal(quic_deadline(client), NEVER);
    assert_int_equal(quic_deadline(net->end[SERVER]), NEVER);
    uint64_t sent = net->sent;
    net_settle(net);
    assert_int_equal(net->sent, sent);
    net_free(net);
}

/* Its reason may not travel yet, since every stranger could read it; that it left must be said all the same.
 */
static void a_goodbye_amid_the_handshake_says_that_it_was_one(void **state)
{
    (void)state;
    struct net *net = net_new(5, 1, 1);
    net_run(net, net->now + 7 * NS_PER_MS); /* the client's hello is there, the answer under way */
    quic_close(net->end[CLIENT], net->now, 42, "for no stranger's eyes");
    net_run(net, net->now + 20 * NS_PER_MS);
    assert_int_equal(net->closed[CLIENT].error, 42);
    assert_true(net->closed_at[SERVER] != 0);
    assert_int_equal(net->closed[SERVER].error, QUIC_ERROR_NONE);
    assert_string_equal(net->closed[SERVER].text, "it ended the handshake and could not say why");
    net_free(net);
}

static void a_close_leaves_twice_since_one_may_be_lost(void **state)
{
    (void)state;
    struct net *net = net_new(5, 1, 1);
    net_connect(net);
    net_settle(net);
    uint64_t before = net->sent;
    quic_close(net->end[CLIENT], net->now, 42, "that is all");
    net_settle(net);
    assert_int_equal(net->sent - before, 2);
    assert_int_equal(net->closed[SERVER].error, 42);
    net_free(net);
}

static void a_close_before_the_first_packet_is_silent(void **state)
{
    (void)state;
    for (int end = 0; end < 2; end++) {
        struct net *net = net_new(5, 1, 1);
        quic_close(net->end[end], net->now, 5, "changed my mind");
        while (net_drain(net, end))
            ;
        assert_int_equal(net->closed[end].error, 5);
        assert_int_equal(net->sent, 0);
        assert_int_equal(quic_stream_open(net->end[end], false), QUIC_GONE);
        net_free(net);
    }
}

static void what_arrived_before_the_close_can_be_read(void **state)
{
    (void)state;
    char text[16];
    struct net *net = net_new(5, 1, 1);
    net_connect(net);
    int64_t stream = quic_stream_open(net->end[CLIENT], false);
    assert_int_equal(quic_stream_write(net->end[CLIENT], stream, "last words", 10), 10);
    quic_stream_finish(net->end[CLIENT], stream);
    net_settle(net);
    quic_close(net->end[CLIENT], net->now, 0, "");
    net_settle(net);
    assert_int_equal(net->closed[SERVER].error, QUIC_ERROR_NONE);
    assert_true(net->closed_at[SERVER]);
    assert_int_equal(quic_stream_read(net->end[SERVER], stream, text, sizeof text), 10);
    assert_int_equal(quic_stream_read(net->end[SERVER], stream, text, sizeof text), 0);
    assert_int_equal(quic_stream_write(net->end[SERVER], stream, "x", 1), QUIC_GONE);
    net_free(net);
}

static void an_idle_connection_ends_after_its_time(void **state)
{
    (void)state;
    struct net *net = net_new(5, 1, 1);
    net_connect(net);
    uint64_t sent = net->sent;
    net_run(net, 170 * NS_PER_S);
    assert_true(!net->closed_at[CLIENT] && !net->closed_at[SERVER]);
    assert_int_equal(net->sent, sent); /* no keep-alive: ice's business */
    net_run(net, 190 * NS_PER_S);
    for (int end = 0; end < 2; end++) {
        assert_in_range(elapsed_ms(net->closed_at[end]), 180000, 181000);
        assert_int_equal(net->closed[end].error, QUIC_ERROR_IDLE);
    }
    net_free(net);
}

static void a_handshake_without_an_answer_ends(void **state)
{
    (void)state;
    struct net *net = net_new(5, 1, 1);
    net->cut = true;
    net_run(net, 60 * NS_PER_S);
    for (int end = 0; end < 2; end++) {
        assert_in_range(elapsed_ms(net->closed_at[end]), 29900, 30100);
        assert_int_equal(net->closed[end].error, QUIC_ERROR_IDLE);
    }
    assert_in_range(net->sent, 20, 60); /* it tried, and flooded nobody */
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_close_carries_its_code_and_is_answered_for_a_while),
        cmocka_unit_test(a_goodbye_amid_the_handshake_says_that_it_was_one),
        cmocka_unit_test(a_close_leaves_twice_since_one_may_be_lost),
        cmocka_unit_test(a_close_before_the_first_packet_is_silent),
        cmocka_unit_test(what_arrived_before_the_close_can_be_read),
        cmocka_unit_test(an_idle_connection_ends_after_its_time),
        cmocka_unit_test(a_handshake_without_an_answer_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
