/* test_node_relays.c - a node and its TURN servers: when it asks, what it offers, how it goes on when one
 * fails. The servers are lines of this test; tests/lab has real ones. */
#include "given.h"
#include "node.h"
#include "stun_msg.h"
#include "turn_client.h"
#include <stdlib.h>
#include <string.h>

static const uint64_t START = 100 * NS_PER_S;
static const char *const SERVER = "203.0.113.1:3478", *const SERVER6 = "[2001:db8::1]:3478",
                         *const RELAYED = "203.0.113.1:50000";

struct scene {
    struct node *node;
    uint64_t now;
    uint8_t buffer[QUIC_BATCH];
    struct packet out; /* the last request */
    struct stun_msg asked;
    struct node_event event;
};

static void set_addresses(struct scene *scene, const char *first, const char *second)
{
    struct node_address own[2] = {{.address = addr_of(first)}};
    if (second)
        own[1].address = addr_of(second);
    node_set_addresses(scene->node, scene->now, own, second ? 2 : 1);
}

static struct scene *scene_new(unsigned paths, bool bound)
{
    struct scene *scene = calloc(1, sizeof *scene);
    struct node_config config = {.room = "room",
                                 .name = "name",
                                 .purpose = "library",
                                 .brokers = 1,
                                 .max_peers = 1,
                                 .paths = paths,
                                 .bound = bound,
                                 .turn_user = "user",
                                 .turn_password = "pass",
                                 .random = &seeded};
    assert_non_null(scene);
    scene->now = START;
    scene->node = node_new(&config);
    assert_non_null(scene->node);
    set_addresses(scene, "192.168.1.2:4000", NULL);
    return scene;
}

static void scene_free(struct scene *scene)
{
    node_free(scene->node);
    free(scene);
}

static bool add(struct scene *scene, bool stream, const char *first, const char *second)
{
    struct node_turn server = {
        .name = "turn:relay", .addresses = {addr_of(first)}, .count = 1, .stream = stream};
    if (second)
        server.addresses[server.count++] = addr_of(second);
    return node_add_turn(scene->node, scene->now, &server);
}

/* Whether a TURN request leaves now; other packets are passed over. */
static bool asks(struct scene *scene)
{
    struct letter letter;
    for (;;) {
        scene->out = (struct packet){.data = scene->buffer, .len = sizeof scene->buffer};
        if (!node_output(scene->node, scene->now, &scene->out)) {
            while (node_letter_output(scene->node, scene->now, &letter))
                ;
            return false;
        }
        if (stun_decode(&scene->asked, scene->out.data, scene->out.len) &&
            scene->asked.method != STUN_BINDING)
            return true;
    }
}

static bool told(struct scene *scene, enum node_event_type type)
{
    while (node_event(scene->node, scene->now, &scene->event))
        if (scene->event.type == type)
            return true;
    return false;
}

static void answer(struct scene *scene, struct stun_msg msg)
{
    uint8_t data[PACKET_MAX], key[16];
    stun_long_term_key(key, "user", "realm", "pass");
    struct stun_key with = {key, sizeof key};
    memcpy(msg.id, scene->asked.id, STUN_ID_LEN);
    msg.method = scene->asked.method;
    if (scene->asked.has & STUN_HAS_INTEGRITY && msg.class == STUN_SUCCESS)
        msg.has |= STUN_HAS_INTEGRITY;
    size_t len = stun_encode(&msg, &with, data, sizeof data);
    struct packet in = {.data = data, .len = len, .remote = scene->out.remote};
    if (scene->out.stream)
        node_relay_input(scene->node, scene->now, scene->out.stream - 1u, data, len);
    else
        node_input(scene->node, scene->now, &in);
}

static void answer_error(struct scene *scene, uint16_t error)
{
    answer(scene,
           (struct stun_msg){.class = STUN_ERROR,
                             .error = error,
                             .realm = {"realm", 5},
                             .nonce = {"nonce", 5},
                             .alternate = error == 300 ? addr_of("203.0.113.9:3478") : (struct addr){0}});
}

static void allocate(struct scene *scene)
{
    assert_true(asks(scene));
    assert_int_equal(scene->asked.method, STUN_ALLOCATE);
    answer_error(scene, 401);
    assert_true(asks(scene));
    answer(scene, (struct stun_msg){.class = STUN_SUCCESS, .relayed = addr_of(RELAYED)});
}

/* Until a request leaves, or for at most `seconds`. */
static bool wait_asks(struct scene *scene, unsigned seconds)
{
    uint64_t until = scene->now + seconds * NS_PER_S;
    while (!asks(scene)) {
        uint64_t deadline = node_deadline(scene->node);
        if (deadline > until)
            return false;
        scene->now = deadline > scene->now ? deadline : scene->now + 1;
        struct node_event event;
        while (node_event(scene->node, scene->now, &event))
            if (event.type == NODE_RELAY_TROUBLE)
                scene->event = event;
    }
    return true;
}

static void a_relayed_address_is_offered(void **state)
{
    (void)state;
    struct scene *scene = scene_new(PATH_ALL, false);
    struct addr server = addr_of(SERVER), relayed = addr_of(RELAYED);
    assert_true(add(scene, false, SERVER, NULL));
    assert_true(asks(scene));
    assert_true(addr_equal(&scene->out.remote, &server) && scene->out.local.family == 0 &&
                !scene->out.stream);
    answer_error(scene, 401);
    assert_true(asks(scene));
    answer(scene, (struct stun_msg){.class = STUN_SUCCESS, .relayed = relayed});
    do
        assert_true(told(scene, NODE_CANDIDATE));
    while (scene->event.candidate != CANDIDATE_RELAY);
    assert_true(addr_equal(&scene->event.address, &relayed));
    scene_free(scene);
}

static void without_turn_among_the_paths_nobody_is_asked(void **state)
{
    (void)state;
    struct scene *scene = scene_new(PATH_ALL & ~PATH_BIT(PATH_TURN), false);
    assert_false(add(scene, false, SERVER, NULL));
    assert_false(asks(scene));
    scene_free(scene);
}

static void where_interfaces_are_chosen_packets_name_their_address(void **state)
{
    (void)state;
    struct scene *scene = scene_new(PATH_ALL, true);
    struct addr own = addr_of("192.168.1.2:4000");
    assert_true(add(scene, false, SERVER, NULL));
    assert_true(asks(scene));
    assert_true(addr_equal(&scene->out.local, &own));
    scene_free(scene);
}

static void the_servers_second_address_is_tried_when_the_first_is_silent(void **state)
{
    (void)state;
    struct scene *scene = scene_new(PATH_ALL, false);
    struct addr second = addr_of(SERVER6);
    set_addresses(scene, "192.168.1.2:4000", "[2001:db8::2]:4000");
    assert_true(add(scene, false, SERVER, SERVER6));
    while (wait_asks(scene, 10) && scene->out.remote.family == 4)
        ;
    assert_true(addr_equal(&scene->out.remote, &second));
    assert_true(scene->now - START < 7 * NS_PER_S);
    scene_free(scene);
}

static void an_address_of_a_family_that_we_lack_is_passed_over(void **state)
{
    (void)state;
    struct scene *scene = scene_new(PATH_ALL, false);
    assert_true(add(scene, false, SERVER6, SERVER));
    assert_true(asks(scene));
    assert_int_equal(scene->out.remote.family, 4);
    scene_free(scene);
}

static void refused_credentials_are_said_once_and_never_tried_again(void **state)
{
    (void)state;
    struct scene *scene = scene_new(PATH_ALL, false);
    assert_true(add(scene, false, SERVER, NULL));
    for (unsigned i = 0; i < 2; i++) {
        assert_true(asks(scene));
        answer_error(scene, 401);
    }
    assert_true(told(scene, NODE_RELAY_TROUBLE));
    assert_string_equal(scene->event.text,
                        "TURN server turn:relay: the server does not accept the user name or the password");
    assert_false(wait_asks(scene, 3600));
    assert_false(told(scene, NODE_RELAY_TROUBLE));
    scene_free(scene);
}

static void a_silent_server_is_said_once_and_asked_ever_more_seldom(void **state)
{
    (void)state;
    struct scene *scene = scene_new(PATH_ALL, false);
    unsigned copies = 0, troubles = 0;
    assert_true(add(scene, false, SERVER, NULL));
    while (wait_asks(scene, 400) && scene->now < START + 3600 * NS_PER_S) {
        copies++;
        troubles += scene->event.type == NODE_RELAY_TROUBLE;
        scene->event.type = NODE_CANDIDATE;
    }
    assert_int_equal(troubles, 1);
    assert_in_range(copies, 12 * 12, 12 * 22); /* some 17 attempts of 12 copies in an hour */
    scene_free(scene);
}

static void a_lost_allocation_is_made_again(void **state)
{
    (void)state;
    struct scene *scene = scene_new(PATH_ALL, false);
    assert_true(add(scene, false, SERVER, NULL));
    allocate(scene);
    scene->now += 15 * NS_PER_S;
    assert_true(asks(scene));
    assert_int_equal(scene->asked.method, STUN_REFRESH);
    answer_error(scene, 437);
    assert_true(asks(scene));
    assert_int_equal(scene->asked.method, STUN_ALLOCATE);
    assert_false(told(scene, NODE_RELAY_TROUBLE));
    scene_free(scene);
}

static void new_addresses_make_it_ask_at_once(void **state)
{
    (void)state;
    struct scene *scene = scene_new(PATH_ALL, false);
    assert_true(add(scene, false, SERVER, NULL));
    allocate(scene);
    assert_false(asks(scene));
    set_addresses(scene, "10.0.0.9:4000", NULL);
    assert_true(asks(scene));
    assert_int_equal(scene->asked.method, STUN_REFRESH);
    scene_free(scene);
}

static void it_follows_to_another_server_once(void **state)
{
    (void)state;
    struct scene *scene = scene_new(PATH_ALL, false);
    struct addr other = addr_of("203.0.113.9:3478");
    assert_true(add(scene, false, SERVER, NULL));
    assert_true(asks(scene));
    answer_error(scene, 300);
    assert_true(asks(scene));
    assert_true(addr_equal(&scene->out.remote, &other));
    answer_error(scene, 300);
    assert_false(asks(scene));
    assert_true(told(scene, NODE_RELAY_TROUBLE));
    scene_free(scene);
}

static void a_stream_is_asked_for_and_closed_after_the_goodbye(void **state)
{
    (void)state;
    struct scene *scene = scene_new(PATH_ALL, false);
    struct addr server = addr_of(SERVER);
    assert_true(add(scene, true, SERVER, NULL));
    assert_false(asks(scene));
    assert_true(told(scene, NODE_RELAY_OPEN));
    assert_true(scene->event.relay == 0 && addr_equal(&scene->event.address, &server));
    assert_false(asks(scene));
    node_relay_connected(scene->node, scene->now, 0);
    allocate(scene);
    assert_int_equal(scene->out.stream, 1);
    assert_false(asks(scene));
    node_leave(scene->node, scene->now);
    assert_true(asks(scene));
    assert_int_equal(scene->asked.method, STUN_REFRESH);
    assert_true(scene->asked.has & STUN_HAS_LIFETIME && scene->asked.lifetime_s == 0);
    assert_false(node_has_left(scene->node));
    answer(scene, (struct stun_msg){.class = STUN_SUCCESS});
    assert_true(node_has_left(scene->node));
    scene_free(scene);
}

static void a_stream_that_fails_is_opened_again_later(void **state)
{
    (void)state;
    struct scene *scene = scene_new(PATH_ALL, false);
    assert_true(add(scene, true, SERVER, NULL));
    assert_false(asks(scene));
    assert_true(told(scene, NODE_RELAY_OPEN));
    node_relay_closed(scene->node, scene->now, 0, "it cannot be connected to: because");
    assert_true(told(scene, NODE_RELAY_TROUBLE));
    assert_string_equal(scene->event.text, "TURN server turn:relay: it cannot be connected to: because");
    assert_false(told(scene, NODE_RELAY_OPEN));
    scene->now += 5 * NS_PER_S;
    assert_false(asks(scene));
    assert_true(told(scene, NODE_RELAY_OPEN));
    node_relay_connected(scene->node, scene->now, 0);
    allocate(scene);
    node_relay_closed(scene->node, scene->now, 0, "it has closed the connection");
    assert_true(told(scene, NODE_RELAY_TROUBLE)); /* it had worked: that is news again */
    scene_free(scene);
}

static void a_stream_that_never_opens_is_given_up(void **state)
{
    (void)state;
    struct scene *scene = scene_new(PATH_ALL, false);
    assert_true(add(scene, true, SERVER, NULL));
    assert_false(asks(scene));
    assert_true(told(scene, NODE_RELAY_OPEN));
    scene->now += 10 * NS_PER_S;
    assert_false(asks(scene));
    assert_true(told(scene, NODE_RELAY_TROUBLE));
    assert_true(told(scene, NODE_RELAY_CLOSE));
    scene_free(scene);
}

static void more_servers_than_places_are_refused(void **state)
{
    (void)state;
    struct scene *scene = scene_new(PATH_ALL, false);
    for (unsigned i = 0; i < NODE_TURN_MAX; i++)
        assert_true(add(scene, false, SERVER, NULL));
    assert_false(add(scene, false, SERVER, NULL));
    scene_free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_relayed_address_is_offered),
        cmocka_unit_test(without_turn_among_the_paths_nobody_is_asked),
        cmocka_unit_test(where_interfaces_are_chosen_packets_name_their_address),
        cmocka_unit_test(the_servers_second_address_is_tried_when_the_first_is_silent),
        cmocka_unit_test(an_address_of_a_family_that_we_lack_is_passed_over),
        cmocka_unit_test(refused_credentials_are_said_once_and_never_tried_again),
        cmocka_unit_test(a_silent_server_is_said_once_and_asked_ever_more_seldom),
        cmocka_unit_test(a_lost_allocation_is_made_again),
        cmocka_unit_test(new_addresses_make_it_ask_at_once),
        cmocka_unit_test(it_follows_to_another_server_once),
        cmocka_unit_test(a_stream_is_asked_for_and_closed_after_the_goodbye),
        cmocka_unit_test(a_stream_that_fails_is_opened_again_later),
        cmocka_unit_test(a_stream_that_never_opens_is_given_up),
        cmocka_unit_test(more_servers_than_places_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
