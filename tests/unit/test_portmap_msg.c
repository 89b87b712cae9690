/* test_portmap_msg.c - PCP and NAT-PMP byte by byte, as their RFCs draw them. */
#include "given.h"
#include "portmap_msg.h"
#include <string.h>

static const uint8_t NONCE[PORTMAP_NONCE_LEN] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

/* RFC 6887 7.1 and 11.1 */
static const uint8_t pcp_request[60] = {
    2,    1,    0,    0,    0, 0, 2, 0x58, 0, 0, 0, 0, 0, 0,  0,    0,    0,   0,  0xff, 0xff,
    192,  168,  1,    7,    1, 2, 3, 4,    5, 6, 7, 8, 9, 10, 11,   12,   17,  0,  0,    0,
    0x9c, 0x40, 0xc3, 0x50, 0, 0, 0, 0,    0, 0, 0, 0, 0, 0,  0xff, 0xff, 198, 51, 100,  7};

static void pcp_asks_for_a_port(void **state)
{
    (void)state;
    uint8_t out[PORTMAP_MSG_MAX];
    struct portmap_msg msg = {.type = PORTMAP_PCP_MAP,
                              .lifetime_s = 600,
                              .client = addr_of("192.168.1.7:40000"),
                              .external = addr_of("198.51.100.7:50000")};
    memcpy(msg.nonce, NONCE, sizeof NONCE);
    assert_int_equal(portmap_msg_encode(&msg, out, sizeof out), sizeof pcp_request);
    assert_memory_equal(out, pcp_request, sizeof pcp_request);
    assert_int_equal(portmap_msg_encode(&msg, out, sizeof pcp_request - 1), 0);
}

static void pcp_wishes_for_no_address_in_its_familys_way(void **state)
{
    (void)state;
    static const uint8_t none4[16] = {[10] = 0xff, [11] = 0xff}, none6[16];
    uint8_t out[PORTMAP_MSG_MAX];
    struct portmap_msg msg = {.type = PORTMAP_PCP_MAP, .client = addr_of("192.168.1.7:40000")};
    assert_int_equal(portmap_msg_encode(&msg, out, sizeof out), 60);
    assert_memory_equal(out + 44, none4, 16);
    msg.client = addr_of("[2001:db8::7]:40000");
    assert_int_equal(portmap_msg_encode(&msg, out, sizeof out), 60);
    assert_memory_equal(out + 8, msg.client.ip, 16);
    assert_memory_equal(out + 44, none6, 16);
}

static size_t pcp_answer(uint8_t out[60], uint8_t result)
{
    memset(out, 0, 60);
    memcpy(out, (uint8_t[]){2, 0x81, 0, result, 0, 0, 1, 0x2c, 0, 0, 0x10, 1}, 12);
    memcpy(out + 24, pcp_request + 24, 36);
    return 60;
}

static void pcps_answer_is_read(void **state)
{
    (void)state;
    uint8_t in[60];
    struct portmap_msg msg;
    struct addr external = addr_of("198.51.100.7:50000");
    assert_true(portmap_msg_decode(&msg, in, pcp_answer(in, 0)));
    assert_int_equal(msg.type, PORTMAP_PCP_MAP);
    assert_int_equal(msg.result, PORTMAP_SUCCESS);
    assert_int_equal(msg.lifetime_s, 300);
    assert_int_equal(msg.epoch_s, 0x1001);
    assert_int_equal(msg.internal_port, 40000);
    assert_memory_equal(msg.nonce, NONCE, sizeof NONCE);
    assert_true(addr_equal(&msg.external, &external));
}

static void pcps_results_are_told_apart(void **state)
{
    (void)state;
    static const enum portmap_result results[] = {[0] = PORTMAP_SUCCESS,
                                                  [2] = PORTMAP_NOT_AUTHORIZED,
                                                  [3] = PORTMAP_OTHER_ERROR,
                                                  [4] = PORTMAP_OTHER_ERROR,
                                                  [5] = PORTMAP_OTHER_ERROR,
                                                  [6] = PORTMAP_OTHER_ERROR,
                                                  [7] = PORTMAP_NETWORK_FAILURE,
                                                  [8] = PORTMAP_NO_RESOURCES,
                                                  [9] = PORTMAP_OTHER_ERROR,
                                                  [10] = PORTMAP_OTHER_ERROR,
                                                  [11] = PORTMAP_CANNOT_PROVIDE_EXTERNAL,
                                                  [12] = PORTMAP_ADDRESS_MISMATCH,
                                                  [13] = PORTMAP_OTHER_ERROR,
                                                  [14] = PORTMAP_OTHER_ERROR};
    uint8_t in[60];
    struct portmap_msg msg;
    for (uint8_t code = 0; code < sizeof results / sizeof *results; code++) {
        assert_true(portmap_msg_decode(&msg, in, pcp_answer(in, code)));
        if (code == 1)
            assert_int_equal(msg.type, PORTMAP_OTHER_VERSION);
        else
            assert_int_equal(msg.result, results[code]);
    }
}

static void every_cut_of_an_answer_is_refused(void **state)
{
    (void)state;
    static const uint8_t address[] = {0, 128, 0, 0, 0, 0, 0, 9, 198, 51, 100, 7};
    static const uint8_t port[] = {0, 129, 0, 0, 0, 0, 0, 9, 0x9c, 0x40, 0xc3, 0x50, 0, 0, 2, 0x58};
    uint8_t in[60];
    struct portmap_msg msg;
    pcp_answer(in, 0);
    for (size_t len = 0; len < 60; len++)
        assert_false(portmap_msg_decode(&msg, in, len));
    for (size_t len = 0; len < sizeof address; len++)
        assert_false(portmap_msg_decode(&msg, address, len));
    for (size_t len = 0; len < sizeof port; len++)
        assert_false(portmap_msg_decode(&msg, port, len));
}

static void what_is_no_answer_of_ours_is_refused(void **state)
{
    (void)state;
    uint8_t in[60];
    struct portmap_msg msg;
    assert_false(portmap_msg_decode(&msg, pcp_request, sizeof pcp_request)); /* a request */
    pcp_answer(in, 0);
    in[36] = 6; /* TCP */
    assert_false(portmap_msg_decode(&msg, in, 60));
    pcp_answer(in, 0);
    in[1] = 0x82; /* PEER */
    assert_false(portmap_msg_decode(&msg, in, 60));
    pcp_answer(in, 0);
    in[0] = 1; /* a version that nobody speaks */
    assert_false(portmap_msg_decode(&msg, in, 60));
    assert_false(portmap_msg_decode(&msg, (uint8_t[]){0, 130, 0, 0, 0, 0, 0, 9, 0, 1, 0, 1, 0, 0, 0, 1}, 16));
}

static void natpmp_asks_in_two_and_in_twelve_bytes(void **state)
{
    (void)state;
    static const uint8_t port[] = {0, 1, 0, 0, 0x9c, 0x40, 0xc3, 0x50, 0, 0, 2, 0x58};
    uint8_t out[PORTMAP_MSG_MAX];
    struct portmap_msg msg = {.type = PORTMAP_NATPMP_ADDRESS};
    assert_int_equal(portmap_msg_encode(&msg, out, sizeof out), 2);
    assert_memory_equal(out, ((uint8_t[]){0, 0}), 2);
    msg = (struct portmap_msg){
        .type = PORTMAP_NATPMP_MAP, .lifetime_s = 600, .internal_port = 40000, .external = {.port = 50000}};
    assert_int_equal(portmap_msg_encode(&msg, out, sizeof out), sizeof port);
    assert_memory_equal(out, port, sizeof port);
    msg.type = PORTMAP_PCP_ANNOUNCE; /* is answered, never asked */
    assert_int_equal(portmap_msg_encode(&msg, out, sizeof out), 0);
}

static void natpmps_answers_are_read(void **state)
{
    (void)state;
    static const uint8_t address[] = {0, 128, 0, 0, 0, 0, 1, 2, 198, 51, 100, 7};
    static const uint8_t port[] = {0, 129, 0, 0, 0, 0, 1, 3, 0x9c, 0x40, 0xc3, 0x50, 0, 0, 2, 0x58};
    struct portmap_msg msg;
    struct addr outside = addr_of("198.51.100.7");
    assert_true(portmap_msg_decode(&msg, address, sizeof address));
    assert_int_equal(msg.type, PORTMAP_NATPMP_ADDRESS);
    assert_int_equal(msg.epoch_s, 0x102);
    assert_true(addr_equal(&msg.external, &outside));
    assert_true(portmap_msg_decode(&msg, port, sizeof port));
    assert_int_equal(msg.type, PORTMAP_NATPMP_MAP);
    assert_int_equal(msg.epoch_s, 0x103);
    assert_int_equal(msg.internal_port, 40000);
    assert_int_equal(msg.external.port, 50000);
    assert_int_equal(msg.lifetime_s, 600);
}

static void another_version_is_heard_however_short_it_is_said(void **state)
{
    (void)state;
    struct portmap_msg msg;
    assert_true(portmap_msg_decode(&msg, (uint8_t[]){0, 129, 0, 1, 0, 0, 0, 9}, 8));
    assert_int_equal(msg.type, PORTMAP_OTHER_VERSION);
    assert_int_equal(msg.version, 0);
    assert_true(portmap_msg_decode(&msg, (uint8_t[]){2, 128, 0, 1}, 4));
    assert_int_equal(msg.type, PORTMAP_OTHER_VERSION);
    assert_int_equal(msg.version, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pcp_asks_for_a_port),
        cmocka_unit_test(pcp_wishes_for_no_address_in_its_familys_way),
        cmocka_unit_test(pcps_answer_is_read),
        cmocka_unit_test(pcps_results_are_told_apart),
        cmocka_unit_test(every_cut_of_an_answer_is_refused),
        cmocka_unit_test(what_is_no_answer_of_ours_is_refused),
        cmocka_unit_test(natpmp_asks_in_two_and_in_twelve_bytes),
        cmocka_unit_test(natpmps_answers_are_read),
        cmocka_unit_test(another_version_is_heard_however_short_it_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
