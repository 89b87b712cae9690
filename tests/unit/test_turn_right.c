/* test_turn_right.c - permissions and channels: asked for, renewed, refused. */
#include "turn_side.h"

static void a_permission_is_asked_for_once_and_renewed_while_it_is_used(void **state)
{
    (void)state;
    struct turn t = ready(false);
    struct addr peer = addr_of(PEER), same_ip = addr_of("198.51.100.7:9999");
    turn_client_permit(t.client, t.now, &peer);
    turn_client_permit(t.client, t.now, &same_ip);
    must_ask(&t, STUN_CREATE_PERMISSION);
    assert_true(addr_equal(&t.asked.peer, &peer) && is_keyed(&t, "nonce1"));
    answer_yes(&t);
    assert_false(asks(&t));
    turn_client_permit(t.client, t.now, &peer);
    assert_false(asks(&t));
    unsigned renewed = 0, refreshed = 0;
    for (t.now += NS_PER_S; t.now < START + 1000 * NS_PER_S; t.now += NS_PER_S) {
        if (t.now < START + 500 * NS_PER_S)
            turn_client_permit(t.client, t.now, &peer);
        while (asks(&t)) {
            renewed += t.asked.method == STUN_CREATE_PERMISSION;
            refreshed += t.asked.method == STUN_REFRESH;
            answer_yes(&t);
        }
    }
    assert_int_equal(renewed, 3); /* at 240, 480 and 720 s, when it had been used since; at 960 s no more */
    assert_true(refreshed > 50);
    turn_client_permit(t.client, t.now, &peer);
    must_ask(&t, STUN_CREATE_PERMISSION);
    end(&t);
}

static void one_forbidden_peer_costs_the_others_nothing(void **state)
{
    (void)state;
    struct turn t = ready(false);
    struct addr bad = addr_of("10.0.0.1:5"), good = addr_of(PEER);
    struct turn_event event;
    turn_client_permit(t.client, t.now, &bad);
    turn_client_permit(t.client, t.now, &good);
    must_ask(&t, STUN_CREATE_PERMISSION);
    answer_error(&t, 403, NULL);
    must_ask(&t, STUN_CREATE_PERMISSION);
    assert_true(addr_equal(&t.asked.peer, &good));
    answer_yes(&t);
    turn_client_permit(t.client, t.now, &bad);
    assert_false(asks(&t));
    assert_false(turn_client_event(t.client, &event));
    end(&t);
}

static void a_stale_nonce_of_a_permission_is_replaced(void **state)
{
    (void)state;
    struct turn t = ready(false);
    struct addr peer = addr_of(PEER);
    turn_client_permit(t.client, t.now, &peer);
    must_ask(&t, STUN_CREATE_PERMISSION);
    answer_error(&t, 438, "nonce2");
    must_ask(&t, STUN_CREATE_PERMISSION);
    assert_true(is_keyed(&t, "nonce2"));
    answer_error(&t, 437, NULL);
    must_fail(&t, TURN_LOST);
    end(&t);
}

static void more_peers_than_places_are_served_in_turn(void **state)
{
    (void)state;
    struct turn t = ready(false);
    uint8_t data[256];
    for (unsigned i = 0; i < 1000; i++) {
        struct addr peer = addr_make4((const uint8_t[]){198, 51, (uint8_t)(i >> 8), (uint8_t)i}, 4000);
        t.now += NS_PER_MS;
        turn_client_permit(t.client, t.now, &peer);
        struct packet out = {.data = data, .len = 100, .local = addr_of(RELAYED), .remote = peer};
        memset(data, 0x40, sizeof data);
        assert_true(turn_client_wrap(t.client, t.now, &out, sizeof data));
        unsigned asked = 0;
        while (asks(&t)) {
            answer_yes(&t);
            asked++;
        }
        assert_int_equal(asked, 2);
    }
    end(&t);
}

/* The one that is asked for again and again has been used last, though it came first. */
static void the_peer_that_was_used_longest_ago_gives_way(void **state)
{
    (void)state;
    struct turn t = ready(false);
    struct addr peer = addr_of(PEER);
    for (unsigned i = 0; i <= TURN_PERMISSIONS_MAX; i++) {
        peer.ip[3] = (uint8_t)(1 + i);
        turn_client_permit(t.client, t.now, &peer);
        while (asks(&t))
            answer_yes(&t);
        t.now += NS_PER_MS;
        if (i == TURN_PERMISSIONS_MAX - 1) {
            peer.ip[3] = 1;
            turn_client_permit(t.client, t.now, &peer);
            t.now += NS_PER_MS;
        }
    }
    peer.ip[3] = 1;
    turn_client_permit(t.client, t.now, &peer);
    assert_false(asks(&t)); /* it has its permission still */
    peer.ip[3] = 2;
    turn_client_permit(t.client, t.now, &peer);
    must_ask(&t, STUN_CREATE_PERMISSION);
    end(&t);
}

static void checks_alone_ask_for_no_channel(void **state)
{
    (void)state;
    struct turn t = ready(false);
    uint8_t data[256];
    struct stun_msg check = {.class = STUN_REQUEST, .method = STUN_BINDING};
    struct packet out = {.data = data, .local = addr_of(RELAYED), .remote = addr_of(PEER)};
    out.len = stun_encode(&check, NULL, data, sizeof data);
    assert_true(turn_client_wrap(t.client, t.now, &out, sizeof data));
    must_ask(&t, STUN_CREATE_PERMISSION);
    assert_false(asks(&t));
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_permission_is_asked_for_once_and_renewed_while_it_is_used),
        cmocka_unit_test(one_forbidden_peer_costs_the_others_nothing),
        cmocka_unit_test(a_stale_nonce_of_a_permission_is_replaced),
        cmocka_unit_test(more_peers_than_places_are_served_in_turn),
        cmocka_unit_test(the_peer_that_was_used_longest_ago_gives_way),
        cmocka_unit_test(checks_alone_ask_for_no_channel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
