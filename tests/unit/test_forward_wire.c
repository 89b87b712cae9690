/* test_forward_wire.c - what forward says to the other forward. */
#include "forward_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct ask make_ask(const char *text, bool listens, bool udp)
{
    struct ask ask = {.number = 0x1234, .listens = listens};
    assert_true(listens ? endpoint_read_port(&ask.endpoint, text, udp)
                        : endpoint_read(&ask.endpoint, text, udp));
    return ask;
}

static void asks_arrive_as_they_were_sent_in_whatever_pieces(void **state)
{
    (void)state;
    const struct ask asks[] = {make_ask("web:80", false, false), make_ask("[2001:db8::1]:53", false, true),
                               make_ask("/run/x", false, false), make_ask("8080", true, false),
                               make_ask("8080", true, true)};
    for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
        uint8_t data[ASK_MAX];
        struct ask seen;
        size_t len = ask_write(data, &asks[i]);
        for (size_t part = 0; part < len; part++)
            assert_int_equal(ask_read(&seen, data, part), 0);
        assert_int_equal(ask_read(&seen, data, len), len);
        assert_int_equal(seen.number, 0x1234);
        assert_int_equal(seen.listens, asks[i].listens);
        assert_true(endpoint_equal(&seen.endpoint, &asks[i].endpoint));
    }
}

static void what_is_no_ask_ends_the_asking(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "\0\1Lt\0\0",       "\0\1Xt\0\6web:80",      "\0\1Lx\0\6web:80", "\0\1Lt\377\377web:80",
        "\0\1Lt\0\3web",    "\0\1Lt\0\12web:80/udp", "\0\1Lu\0\6/run/x", "\0\1Rt\0\6web:80",
        "\0\1Rt\0\6:80/ud", "\0\1Lt\0\6w\0b:80",     "\0\1Lt\0\6*:8080",
    };
    static const size_t lens[] = {6, 12, 12, 12, 9, 16, 12, 12, 12, 12, 12};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ask ask;
        assert_int_equal(ask_read(&ask, (const uint8_t *)cases[i], lens[i]), -1);
    }
}

static void answers_and_heads_arrive_as_they_were_sent(void **state)
{
    (void)state;
    uint8_t data[8];
    struct answer answer = {0xfedc, FORWARD_TAKEN}, heard;
    answer_write(data, &answer);
    answer_read(&heard, data);
    assert_true(heard.number == 0xfedc && heard.status == FORWARD_TAKEN);
    data[2] = 200; /* a newer one's */
    answer_read(&heard, data);
    assert_int_equal(heard.status, FORWARD_FAILED);
    for (int ours = 0; ours < 2; ours++) {
        struct tunnel_head tunnel = {ours, 0xabcd}, tunnel_seen;
        struct datagram_head head = {ours, 0xabcd, 0x1234}, seen;
        tunnel_head_write(data, &tunnel);
        assert_true(tunnel_head_read(&tunnel_seen, data));
        assert_true(tunnel_seen.ours == tunnel.ours && tunnel_seen.number == tunnel.number);
        datagram_head_write(data, &head);
        assert_false(datagram_head_read(&seen, data, DATAGRAM_HEAD_LEN - 1));
        assert_true(datagram_head_read(&seen, data, DATAGRAM_HEAD_LEN));
        assert_true(seen.ours == head.ours && seen.number == head.number && seen.flow == head.flow);
    }
    data[0] = 'g'; /* ping's */
    struct datagram_head seen;
    struct tunnel_head tunnel;
    assert_false(datagram_head_read(&seen, data, sizeof data));
    assert_false(tunnel_head_read(&tunnel, data));
}

static void every_status_has_a_sentence(void **state)
{
    (void)state;
    for (int status = FORWARD_DONE; status <= FORWARD_FAILED + 1; status++)
        assert_true(strlen(forward_status_text((enum forward_status)status)) > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_arrive_as_they_were_sent_in_whatever_pieces),
        cmocka_unit_test(what_is_no_ask_ends_the_asking),
        cmocka_unit_test(answers_and_heads_arrive_as_they_were_sent),
        cmocka_unit_test(every_status_has_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
