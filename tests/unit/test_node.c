/* test_node.c - node in the simulator's world: who is connected, who is refused, what is told. */
#include "fail_alloc.h"
#include "node_state.h"
#include "sim/player.h"
#include "stun_server.h"

#include <stdlib.h>
#include <string.h>

enum { PLAYERS = 4, PORT = 40000 };

/* Some players in one network, with a public STUN server, and gateways where a test wants them. */
struct room {
    struct world *world;
    struct meeting meeting;
    struct stun_host stun;
    struct addr server;
    struct host *hosts[PLAYERS];
    struct player players[PLAYERS];
    struct player_options options[PLAYERS];
};

static struct addr ip4(unsigned a, unsigned b, unsigned c, unsigned d)
{
    return addr_make4((const uint8_t[]){(uint8_t)a, (uint8_t)b, (uint8_t)c, (uint8_t)d}, 0);
}

/* Behind `kind` each; NULL: everybody on the internet. */
static struct room *room_new(const struct nat_kind *kind)
{
    static const char *const names[PLAYERS] = {"anna", "bert", "cleo", "dora"};
    struct weather weather = {.delay = 10 * NS_PER_MS};
    struct room *room = calloc(1, sizeof *room);
    assert_non_null(room);
    room->world = world_new(1, &weather);
    room->meeting = (struct meeting){.world = room->world, .delay = 20 * NS_PER_MS};
    room->server = ip4(203, 0, 113, 2);
    room->stun.host = world_host(room->world, 0, &stun_host_verbs, &room->stun);
    host_add_address(room->stun.host, &room->server);
    room->server.port = 3478;
    for (unsigned i = 0; i < PLAYERS; i++) {
        struct addr outside = ip4(203, 0, 113, 10 + i);
        struct addr inside = kind ? ip4(192, 168, 1 + i, 10) : ip4(203, 0, 113, 50 + i);
        unsigned network = kind ? world_network(room->world, 0, kind, &outside, 30 * NS_PER_S) : 0;
        room->hosts[i] = world_host(room->world, network, &player_verbs, &room->players[i]);
        host_add_address(room->hosts[i], &inside);
        host_set_on(room->hosts[i], false);
        room->options[i] = (struct player_options){.name = names[i], .max_peers = 1};
        room->players[i].errand = (struct errand){.bytes = 100, .lasting = true};
    }
    return room;
}

static void enter(struct room *room, unsigned i)
{
    static uint64_t seed = 1;
    player_start(&room->players[i], &room->meeting, room->hosts[i], seed++, &room->options[i],
                 (uint16_t)(PORT + i), &room->server, 1);
}

static void room_free(struct room *room)
{
    for (unsigned i = 0; i < PLAYERS; i++)
        player_stop(&room->players[i]);
    stun_server_free(room->stun.server);
    world_free(room->world);
    free(room);
}

static void run_ms(struct room *room, uint64_t ms)
{
    world_run(room->world, world_now(room->world) + ms * NS_PER_MS, NULL, NULL);
}

static uint64_t now_of(const struct room *room)
{
    return world_now(room->world);
}

static const char *partner_of(const struct room *room, unsigned i)
{
    for (unsigned slot = 0; slot < NODE_PEERS_MAX; slot++)
        if (room->players[i].links[slot].connected)
            return node_peer_name(room->players[i].node, slot);
    return "";
}

static struct room *two_connected(const struct nat_kind *kind)
{
    struct room *room = room_new(kind);
    enter(room, 0);
    enter(room, 1);
    run_ms(room, 3000);
    assert_int_equal(room->players[0].connected, 1);
    assert_int_equal(room->players[1].connected, 1);
    return room;
}

/* The nodes' events, drained as the program would, without the world. */
static void drain_events(struct room *room, unsigned i)
{
    struct node_event event;
    while (node_event(room->players[i].node, now_of(room), &event))
        continue;
}

/* ---- who takes whom ---- */

static void of_three_with_one_place_each_two_are_connected(void **state)
{
    (void)state;
    struct room *room = room_new(NULL);
    for (unsigned i = 0; i < 3; i++) {
        enter(room, i);
        run_ms(room, 500);
    }
    run_ms(room, 3000);
    assert_string_equal(partner_of(room, 0), "bert");
    assert_string_equal(partner_of(room, 1), "anna");
    assert_string_equal(partner_of(room, 2), "");
    assert_int_equal(room->players[2].handshakes, 0);
    assert_int_equal(room->players[0].handshakes + room->players[1].handshakes, 2);
    room_free(room);
}

static void the_third_meets_whoever_becomes_free(void **state)
{
    (void)state;
    struct room *room = room_new(NULL);
    for (unsigned i = 0; i < 3; i++) {
        enter(room, i);
        run_ms(room, 500);
    }
    player_leave(&room->players[0]);
    uint64_t left = now_of(room);
    run_ms(room, 2000);
    assert_string_equal(partner_of(room, 1), "cleo");
    assert_string_equal(partner_of(room, 2), "bert");
    assert_true(room->players[2].connected_at - left < NS_PER_S);
    room_free(room);
}

static void somebody_new_is_met_although_another_was_refused(void **state)
{
    (void)state;
    struct room *room = room_new(NULL);
    for (unsigned i = 0; i < 4; i++) {
        enter(room, i);
        run_ms(room, 500);
    }
    run_ms(room, 1000);
    assert_string_equal(partner_of(room, 2), "dora");
    assert_string_equal(partner_of(room, 3), "cleo");
    room_free(room);
}

static void everybody_is_connected_where_there_are_places(void **state)
{
    (void)state;
    struct room *room = room_new(NULL);
    for (unsigned i = 0; i < 4; i++) {
        room->options[i].max_peers = i == 3 ? 2 : 3;
        enter(room, i);
    }
    run_ms(room, 5000);
    for (unsigned i = 0; i < 3; i++)
        assert_in_range(room->players[i].connected, 2, 3);
    assert_int_equal(room->players[3].connected, 2);
    room_free(room);
}

static void who_was_not_asked_for_is_named_and_left_alone(void **state)
{
    (void)state;
    struct room *room = room_new(NULL);
    room->options[0].to = "cleo";
    enter(room, 0);
    enter(room, 1);
    run_ms(room, 2000);
    assert_int_equal(room->players[0].connected, 0);
    assert_int_equal(room->players[1].handshakes, 0);
    assert_true(room->players[0].busy >= 1);
    assert_string_equal(room->players[0].busy_name, "bert");
    assert_true(strlen(room->players[0].busy_why) > 10);
    enter(room, 2);
    run_ms(room, 2000);
    assert_string_equal(partner_of(room, 0), "cleo");
    assert_string_equal(partner_of(room, 2), "anna");
    room_free(room);
}

static void a_name_that_ends_as_an_id_does_is_not_taken_for_one(void **state)
{
    static const char *const names[] = {"attic#k3ab", "attic#no1", "attic#k3ab1"};
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct room *room = room_new(NULL);
        room->options[0].to = room->options[1].name = names[i];
        enter(room, 0);
        enter(room, 1);
        run_ms(room, 2000);
        assert_int_equal(room->players[0].connected, i > 0); /* 1 is no character of an id */
        room_free(room);
    }
}

static void who_asks_for_a_name_waits_for_it_although_others_would_come(void **state)
{
    (void)state;
    struct room *room = room_new(NULL);
    room->options[0].to = "nobody";
    for (unsigned i = 0; i < 3; i++)
        enter(room, i);
    run_ms(room, 3000);
    assert_int_equal(room->players[0].handshakes, 0);
    assert_string_equal(partner_of(room, 1), "cleo");
    room_free(room);
}

/* ---- places that are not given back ---- */

/* The slot of a handshake that is under way; NODE_PEERS_MAX: none. */
static unsigned handshaking(const struct room *room, unsigned i)
{
    unsigned slot = 0;
    for (; slot < NODE_PEERS_MAX; slot++) {
        const struct conn *conn = node_conn(room->players[i].node, slot);
        if (conn && conn_is_engaged(conn) && !conn_is_connected(conn))
            break;
    }
    return slot;
}

/* Returns when it began; 0: the peer began it, and then it is over as soon as it is seen. */
static uint64_t wait_for_handshake(struct room *room, unsigned i)
{
    for (unsigned ms = 0; ms < 1000; ms++) {
        run_ms(room, 1);
        if (handshaking(room, i) != NODE_PEERS_MAX)
            return now_of(room);
    }
    return 0;
}

/* Bert dies before he answers Anna's handshake, and Cleo waits for her. Returns for how long, in ms; 0: he
 * had begun it. */
static uint64_t wait_behind_the_dead(void)
{
    struct room *room = room_new(NULL);
    enter(room, 0);
    run_ms(room, 500);
    enter(room, 1);
    uint64_t engaged = wait_for_handshake(room, 0);
    uint64_t waited = 0;
    if (engaged) {
        player_kill(&room->players[1], false);
        enter(room, 2);
        run_ms(room, 6000);
        assert_string_equal(partner_of(room, 0), "cleo");
        assert_int_equal(room->players[0].refused, 1);
        waited = room->players[2].connected_at - engaged;
    }
    room_free(room);
    return waited / NS_PER_MS;
}

static void who_waits_gets_the_place_of_a_handshake_that_takes_too_long(void **state)
{
    uint64_t first = UINT64_MAX, last = 0;
    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        uint64_t waited = wait_behind_the_dead();
        if (!waited)
            continue;
        first = waited < first ? waited : first;
        last = waited > last ? waited : last;
    }
    assert_in_range(first, 1000, 1500);
    assert_in_range(last, 2500, 3100); /* not all at once */
}

/* Nobody else is there: a handshake may take as long as QUIC gives it. */
static void a_handshake_that_nobody_waits_for_keeps_its_place(void **state)
{
    (void)state;
    struct room *room = room_new(NULL);
    enter(room, 0);
    run_ms(room, 500);
    enter(room, 1);
    if (wait_for_handshake(room, 0)) {
        player_kill(&room->players[1], false);
        run_ms(room, 15000);
        assert_int_not_equal(handshaking(room, 0), NODE_PEERS_MAX);
        assert_int_equal(room->players[0].closed, 0);
    }
    room_free(room);
}

/* Without a free place it asks nobody: neither the room nor, for its own sake, the STUN server. */
static void who_has_no_place_is_quiet(void **state)
{
    (void)state;
    struct room *room = two_connected(NULL);
    struct stun_server_stats before, after;
    run_ms(room, 20000);
    stun_server_stats(room->stun.server, &before);
    run_ms(room, 120000);
    stun_server_stats(room->stun.server, &after);
    assert_int_equal(after.answered, before.answered);
    room_free(room);

    room = room_new(NULL);
    enter(room, 0);
    run_ms(room, 20000);
    stun_server_stats(room->stun.server, &before);
    run_ms(room, 120000);
    stun_server_stats(room->stun.server, &after);
    assert_in_range(after.answered - before.answered, 7, 9); /* every 15 s, its mapping is kept */
    room_free(room);
}

/* Two come at once to one who waits: of three with one place each somebody stays alone, and knows it. */
static void who_is_left_over_hears_it_at_once(void **state)
{
    (void)state;
    struct room *room = room_new(NULL);
    enter(room, 0);
    run_ms(room, 500);
    enter(room, 1);
    enter(room, 2);
    run_ms(room, 1000);
    unsigned alone = 0;
    while (alone < 3 && room->players[alone].connected)
        alone++;
    assert_int_equal(room->players[0].connected + room->players[1].connected + room->players[2].connected, 2);
    assert_true(room->players[alone].busy || room->players[alone].refused);
    room_free(room);
}

/* ---- secrets ---- */

static struct room *room_with_secrets(const char *first, const char *second)
{
    struct room *room = room_new(NULL);
    room->options[0].secret = first;
    room->options[1].secret = second;
    return room;
}

static void only_the_later_is_told_to_give_up_3_s_after_the_failure(void **state)
{
    (void)state;
    struct room *room = room_with_secrets("right", "wrong");
    enter(room, 0);
    run_ms(room, 2000);
    enter(room, 1);
    uint64_t entered = now_of(room);
    run_ms(room, 2900);
    assert_int_equal(room->players[1].final_at, 0);
    assert_int_equal(room->players[0].wrong_secrets, 1);
    assert_int_equal(room->players[1].wrong_secrets, 1);
    run_ms(room, 10000);
    assert_in_range(room->players[1].final_at - entered, 3000 * NS_PER_MS, 3200 * NS_PER_MS);
    assert_int_equal(room->players[0].final_at, 0);
    room_free(room);
}

static void nobody_gives_up_once_somebody_has_proven_the_secret(void **state)
{
    (void)state;
    struct room *room = room_with_secrets("wrong", "right");
    room->options[2].secret = "right";
    enter(room, 0);
    run_ms(room, 2000);
    enter(room, 1); /* later than the first, and fails with it ... */
    run_ms(room, 1500);
    assert_int_equal(room->players[1].wrong_secrets, 1);
    enter(room, 2); /* ... but this one proves it in time */
    run_ms(room, 10000);
    assert_string_equal(partner_of(room, 1), "cleo");
    assert_int_equal(room->players[1].final_at, 0);
    assert_int_equal(room->players[2].final_at, 0);
    assert_int_equal(room->players[0].final_at, 0);
    room_free(room);
}

/* ---- candidates ---- */

static void set_addresses(struct room *room, unsigned i, unsigned first, unsigned count)
{
    struct node_address addresses[8] = {0};
    for (unsigned k = 0; k < count; k++) {
        addresses[k].address = ip4(10, 0, 0, first + k);
        addresses[k].address.port = PORT;
    }
    node_set_addresses(room->players[i].node, now_of(room), addresses, count);
}

static unsigned count_letters(struct room *room, unsigned i)
{
    struct letter letter;
    unsigned count = 0;
    drain_events(room, i);
    while (node_letter_output(room->players[i].node, now_of(room), &letter))
        count++;
    return count;
}

static void new_addresses_travel_in_one_batch(void **state)
{
    (void)state;
    struct room *room = two_connected(NULL);
    assert_int_equal(count_letters(room, 0), 0);
    set_addresses(room, 0, 1, 5);
    assert_int_equal(count_letters(room, 0), 1);
    set_addresses(room, 0, 1, 5);
    assert_int_equal(count_letters(room, 0), 0); /* nothing is new */
    set_addresses(room, 0, 3, 5);
    assert_int_equal(count_letters(room, 0), 1);
    room_free(room);
}

static void reconnect(struct node *node, uint64_t now)
{
    node_broker_disconnected(node, now, 0);
    node_broker_connected(node, now, 0);
}

/* What was said while the broker was away is lost. */
static void a_broker_that_comes_back_brings_connected_peers_all_addresses_again(void **state)
{
    (void)state;
    struct room *room = two_connected(NULL);
    struct node *node = room->players[0].node;
    assert_int_equal(count_letters(room, 0), 0);
    assert_int_equal(node->peers_used, 1);
    assert_true(node->peers[0].told_serial > 0);
    reconnect(node, now_of(room));
    assert_int_equal(node->peers[0].told_serial, 0);
    assert_true(count_letters(room, 0) > 0);
    assert_int_equal(node->peers[0].told_serial, node->addresses.serial);
    room_free(room);
}

/* Of its handshake everything is repeated anyway. */
static void who_is_not_connected_yet_is_not_told_twice(void **state)
{
    (void)state;
    struct room *room = room_new(NULL);
    enter(room, 0);
    enter(room, 1);
    struct node *node = room->players[0].node;
    for (unsigned ms = 0; !node->peers_used || !node->peers[0].described; ms++) {
        assert_true(ms < 3000);
        run_ms(room, 1);
    }
    assert_false(node->peers[0].connected);
    uint32_t told = node->peers[0].told_serial;
    assert_true(told > 0);
    reconnect(node, now_of(room));
    assert_int_equal(node->peers[0].told_serial, told);
    room_free(room);
}

static void every_address_is_announced_once(void **state)
{
    (void)state;
    struct room *room = room_new(nat_kind("port"));
    enter(room, 0);
    run_ms(room, 1000);
    assert_int_equal(room->players[0].candidates, 2); /* its own, and what the server saw */
    run_ms(room, 60000);
    assert_int_equal(room->players[0].candidates, 2);
    struct addr another = ip4(192, 168, 1, 99);
    host_add_address(room->hosts[0], &another);
    player_roam(&room->players[0], PORT);
    run_ms(room, 1000);
    assert_int_equal(room->players[0].candidates, 4);
    room_free(room);
}

static void an_address_that_vanishes_is_left_for_another(void **state)
{
    (void)state;
    struct room *room = two_connected(nat_kind("port"));
    struct addr moved = ip4(192, 168, 1, 77);
    host_set_address(room->hosts[0], 0, &moved);
    player_roam(&room->players[0], PORT);
    run_ms(room, 1000);
    assert_true(addr_equal_ip(&room->players[0].path.local, &moved));
    player_send(&room->players[0], 1000);
    player_send(&room->players[1], 1000);
    run_ms(room, 500);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(room->players[i].received, 1100);
        assert_int_equal(room->players[i].handshakes, 1);
        assert_int_equal(room->players[i].closed, 0);
    }
    room_free(room);
}

static void a_gateway_that_forgets_is_asked_about_anew_and_the_peer_is_told(void **state)
{
    (void)state;
    struct room *room = two_connected(nat_kind("port"));
    struct addr before = room->players[1].path.remote;
    nat_rebind(world_nat(room->world, 1), world_chance(room->world));
    player_send(&room->players[0], 1000);
    player_send(&room->players[1], 1000);
    run_ms(room, 3000);
    assert_false(addr_equal(&room->players[1].path.remote, &before));
    assert_true(addr_equal_ip(&room->players[1].path.remote, &before));
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(room->players[i].received, 1100);
        assert_int_equal(room->players[i].handshakes, 1);
    }
    /* It may be the gateway that opened a port, and the broker's connection, too. */
    assert_true(room->players[1].doubts > 0 && node_doubts(room->players[1].node) > 0);
    room_free(room);
}

/* The broker is everybody's, and who does not answer may be dead. */
static void a_silent_peer_is_told_a_few_times_and_then_left_alone(void **state)
{
    (void)state;
    struct room *room = two_connected(nat_kind("port"));
    host_set_on(room->hosts[1], false);
    player_send(&room->players[0], 1000);
    unsigned before = room->players[0].letters;
    run_ms(room, 30000);
    unsigned told = room->players[0].letters - before;
    assert_in_range(told, 1, 60); /* five copies, every 2 s for some 20 s */
    run_ms(room, 60000);
    assert_int_equal(room->players[0].letters - before, told);
    room_free(room);
}

/* PCP (RFC 6887 7.1, 11.1) of what the node says to this gateway, the last of it in `out`; how many. */
static unsigned asked_of(struct room *room, const struct addr *gateway, struct packet *out)
{
    static uint8_t data[QUIC_BATCH];
    struct packet said = {.data = data, .len = sizeof data};
    unsigned count = 0;
    for (; node_output(room->players[0].node, now_of(room), &said); said.data = data, said.len = sizeof data)
        if (addr_equal_ip(&said.remote, gateway) && said.len == 60 && said.data[0] == 2) {
            memcpy(out->data, said.data, said.len);
            out->len = said.len;
            out->local = said.local;
            out->remote = said.remote;
            count++;
        }
    return count;
}

/* The gateway that opened a port may have forgotten it. */
static void who_doubts_a_path_asks_the_gateway_for_its_port_again(void **state)
{
    static const uint8_t external[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 8, 8, 4, 4};
    struct node_address home = {.address = ip4(192, 168, 1, 10), .gateway = ip4(192, 168, 1, 1)};
    struct room *room = room_new(nat_kind("port"));
    uint8_t data[60];
    struct packet packet = {.data = data};
    (void)state;
    room->options[0].maps_ports = true;
    enter(room, 0);
    run_ms(room, 1000);
    struct node *node = room->players[0].node;
    home.address.port = PORT;
    node_set_addresses(node, now_of(room), &home, 1);
    assert_int_equal(asked_of(room, &home.gateway, &packet), 1);
    data[1] |= 0x80; /* the answer: granted, for as long as was asked */
    data[3] = 0;
    memset(data + 8, 0, 16);
    memcpy(data + 44, external, sizeof external);
    node_input(node, now_of(room), &packet);
    drain_events(room, 0);
    assert_true(node_has_mapping(node, &home.address));
    run_ms(room, 5000);
    assert_int_equal(asked_of(room, &home.gateway, &packet), 0);
    node_ask_stun_again(node, now_of(room), 0);
    assert_int_equal(asked_of(room, &home.gateway, &packet), 1);
    room_free(room);
}

/* ---- sleep ---- */

static void who_slept_seeks_its_peers_again(void **state)
{
    (void)state;
    struct room *room = two_connected(nat_kind("port"));
    host_set_on(room->hosts[0], false);
    run_ms(room, 90000);
    assert_int_equal(room->players[1].stalled, 1);
    host_set_on(room->hosts[0], true);
    run_ms(room, 1000);
    assert_int_equal(room->players[0].slept, 1); /* so that the broker's connection is made anew at once */
    player_send(&room->players[0], 1000);
    run_ms(room, 500);
    assert_int_equal(room->players[1].received, 1100);
    assert_int_equal(room->players[0].closed + room->players[1].closed, 0);
    host_set_on(room->hosts[1], false);
    run_ms(room, 20000);
    assert_true(room->players[0].doubts > 1);
    assert_int_equal(room->players[0].slept, 1); /* a doubt is no sleep */
    room_free(room);
}

static void who_slept_for_too_long_knows_at_once_that_it_is_forgotten(void **state)
{
    (void)state;
    struct room *room = two_connected(nat_kind("port"));
    host_set_on(room->hosts[0], false);
    run_ms(room, 125000);
    assert_int_equal(room->players[1].closed, 1);
    assert_int_equal(room->players[1].end, CONN_SILENT);
    host_set_on(room->hosts[0], true);
    run_ms(room, 10);
    assert_int_equal(room->players[0].closed, 1);
    assert_int_equal(room->players[0].end, CONN_SILENT);
    room_free(room);
}

/* ---- networks ---- */

static struct path_facts facts_of(const struct room *room, unsigned i)
{
    struct path_facts facts;
    struct conn *conn = node_conn(room->players[i].node, 0);
    assert_non_null(conn);
    ice_facts(conn_ice(conn), &facts);
    return facts;
}

/* Two, each behind a gateway of this kind, and a second STUN server, by which they find out what it does. */
static struct room *room_of_two(const struct nat_kind *kind, struct stun_host *second)
{
    struct room *room = room_new(kind);
    struct addr server = ip4(203, 0, 113, 3);
    *second = (struct stun_host){.host = world_host(room->world, 0, &stun_host_verbs, second)};
    host_add_address(second->host, &server);
    server.port = 3479;
    for (unsigned i = 0; i < 2; i++) {
        enter(room, i);
        node_add_stun(room->players[i].node, now_of(room), &server);
    }
    return room;
}

static void who_is_behind_a_hard_nat_learns_how_it_counts_and_tells_the_peer(void **state)
{
    (void)state;
    struct stun_host second;
    struct room *room = room_of_two(nat_kind("syms"), &second);
    run_ms(room, 1500);
    for (unsigned i = 0; i < 2; i++) {
        struct path_facts own = facts_of(room, i), other = facts_of(room, !i);
        assert_true(nat_is_hard(&own.local_nat));
        assert_int_equal(own.local_nat.ports, NAT_PORTS_SEQUENTIAL);
        assert_int_equal(own.local_nat.step, 1);
        assert_int_equal(other.remote_nat.ports, NAT_PORTS_SEQUENTIAL);
        assert_int_equal(other.remote_nat.step, 1);
        assert_int_equal(other.remote_nat.last, own.local_nat.last);
        assert_true(addr_equal(&other.remote_nat.external, &own.local_nat.external));
    }
    stun_server_free(second.server);
    room_free(room);
}

static void two_hard_nats_that_count_meet_and_keep_one_extra_socket(void **state)
{
    (void)state;
    struct stun_host second;
    struct room *room = room_of_two(nat_kind("syms"), &second);
    run_ms(room, 20000);
    for (unsigned i = 0; i < 2; i++) {
        const struct player *player = &room->players[i];
        unsigned open = 0;
        for (unsigned k = 0; k < HOST_EXTRA_MAX; k++)
            open += player->extra[k];
        assert_int_equal(player->connected, 1);
        assert_int_equal(player->path.kind, PATH_DIRECT);
        assert_in_range(player->path.local.port, player->extra_first,
                        player->extra_first + HOST_EXTRA_MAX - 1);
        assert_true(player->extra[player->path.local.port - player->extra_first]);
        assert_int_equal(open, 1);
    }
    stun_server_free(second.server);
    room_free(room);
}

/* ---- what agents and peers are told ---- */

static void a_port_that_was_spoiled_is_replaced_by_another(void **state)
{
    static const struct nat_kind naive = {
        .filtering = NAT_ADDRESS_PORT_DEPENDENT, .ports = NAT_PRESERVE, .naive = true};
    struct stun_host second;
    struct room *room = room_of_two(&naive, &second);
    (void)state;
    run_ms(room, 3000);
    unsigned extra = 0;
    for (unsigned i = 0; i < 2; i++) {
        const struct player *player = &room->players[i];
        assert_int_equal(player->connected, 1);
        assert_int_equal(player->path.kind, PATH_DIRECT);
        extra += player->path.local.port != PORT + i;
    }
    assert_int_equal(extra, 1); /* the other's first port is as good as ever */
    stun_server_free(second.server);
    room_free(room);
}

static void who_cannot_be_reached_is_given_up_when_all_is_known_and_tried(void **state)
{
    (void)state;
    struct room *room = room_new(nat_kind("symr"));
    enter(room, 0);
    enter(room, 1);
    run_ms(room, 9000);
    assert_int_equal(room->players[0].closed + room->players[1].closed, 0);
    run_ms(room, 6000);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(room->players[i].closed, 1);
    room_free(room);
}

/* Our list is complete when the last server has answered, or never will: the peer, and our own agent, hear of
 * it although nothing else is new then. */
static void a_silent_server_delays_giving_up_but_does_not_prevent_it(void **state)
{
    (void)state;
    struct room *room = room_new(nat_kind("symr"));
    host_set_on(room->stun.host, false);
    enter(room, 0);
    enter(room, 1);
    run_ms(room, 14000);
    assert_int_equal(room->players[0].closed + room->players[1].closed, 0);
    run_ms(room, 6000);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(room->players[i].closed, 1);
    room_free(room);
}

static void whose_udp_is_blocked_is_said_on_both_sides(void **state)
{
    static const struct nat_kind blocked = {.ports = NAT_PRESERVE, .blocked = true};
    (void)state;
    struct room *room = room_new(&blocked);
    for (unsigned i = 0; i < 2; i++) {
        room->options[i].broker_relay = 32768;
        enter(room, i);
    }
    run_ms(room, 10000);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(room->players[i].connected, 1);
        assert_int_equal(room->players[i].path.kind, PATH_BROKER);
        assert_non_null(strstr(room->players[i].why, "UDP"));
    }
    room_free(room);
}

/* ---- leaving ---- */

static void leaving_says_goodbye_to_all_at_once(void **state)
{
    (void)state;
    struct room *room = room_new(NULL);
    for (unsigned i = 0; i < 4; i++) {
        room->options[i].max_peers = 3;
        enter(room, i);
    }
    run_ms(room, 3000);
    assert_int_equal(room->players[0].connected, 3);
    assert_false(node_has_left(room->players[0].node));
    player_leave(&room->players[0]);
    run_ms(room, 100);
    assert_true(node_has_left(room->players[0].node));
    for (unsigned i = 1; i < 4; i++) {
        assert_int_equal(room->players[i].connected, 2);
        assert_int_equal(room->players[i].closed, 1);
        assert_int_equal(room->players[i].end, CONN_LEFT);
    }
    run_ms(room, 20000);
    assert_int_equal(room->players[0].handshakes, 3); /* it takes nobody any more */
    room_free(room);
}

static void the_slots_of_those_who_left_are_used_again(void **state)
{
    (void)state;
    struct room *room = room_new(NULL);
    enter(room, 0);
    for (unsigned n = 0; n < NODE_PEERS_MAX + 6; n++) {
        enter(room, 1);
        run_ms(room, 500);
        assert_int_equal(room->players[1].connected, 1);
        player_leave(&room->players[1]);
        run_ms(room, 300);
        player_kill(&room->players[1], false);
        assert_int_equal(room->players[0].connected, 0);
    }
    assert_int_equal(room->players[0].left, NODE_PEERS_MAX + 6);
    for (unsigned slot = 4; slot < NODE_PEERS_MAX; slot++)
        assert_int_equal(room->players[0].links[slot].sent, 0); /* never used */
    room_free(room);
}

static void an_ended_peer_keeps_its_slot_until_it_is_released(void **state)
{
    (void)state;
    struct room *room = two_connected(NULL);
    struct node *node = room->players[0].node;
    struct node_event event;
    unsigned slot = 0;
    while (!room->players[0].links[slot].connected)
        slot++;
    node_close(node, now_of(room), slot, "enough");
    bool told = false;
    while (node_event(node, now_of(room), &event))
        told = told || (event.type == NODE_CLOSED && event.slot == slot && event.end == CONN_LEFT);
    assert_true(told);
    for (unsigned s = 0; s < 5; s++) {
        uint8_t buffer[QUIC_BATCH];
        struct packet out = {.data = buffer, .len = sizeof buffer};
        uint64_t now = now_of(room) + s * NS_PER_S;
        while (node_event(node, now, &event) || node_output(node, now, &out))
            out = (struct packet){.data = buffer, .len = sizeof buffer};
        assert_non_null(node_conn(node, slot));
        assert_string_equal(node_peer_name(node, slot), "bert");
    }
    node_release(node, slot);
    drain_events(room, 0);
    while (node_event(node, now_of(room) + 10 * NS_PER_S, &event))
        continue;
    assert_null(node_conn(node, slot));
    room_free(room);
}

/* ---- garbage ---- */

static void garbage_datagrams_are_nobodys_and_harm_nobody(void **state)
{
    (void)state;
    struct room *room = two_connected(NULL);
    struct node *node = room->players[0].node;
    struct node_stats before, after;
    uint8_t garbage[1500];
    struct packet in = {.local = room->players[0].path.local, .data = garbage};
    node_stats(node, &before);
    for (unsigned i = 0; i < 100000; i++) {
        chance_fill(&room->players[0].chance, garbage, 64);
        in.remote = i % 2 ? room->players[0].path.remote : ip4(198, 51, 100, 7);
        in.remote.port = in.remote.port ? in.remote.port : 999;
        in.len = i % sizeof garbage;
        node_input(node, now_of(room), &in);
        if (i % 100 == 0)
            drain_events(room, 0);
    }
    node_stats(node, &after);
    assert_int_equal(after.strangers - before.strangers, 100000);
    player_send(&room->players[1], 50000);
    run_ms(room, 2000);
    assert_int_equal(room->players[0].received, 50100);
    assert_int_equal(room->players[0].handshakes, 1);
    room_free(room);
}

/* ---- who is off the path, but knows all of it except the keys ---- */

enum {
    A_CHECK = 0,
    AN_ANSWER = 1,
    SAMPLES = 3,
    SPOOFED = 1000000,
    INITIAL_LEN = 1200,
    FINGERPRINT_LEN = 8,
};

struct sample {
    uint8_t data[QUIC_BATCH];
    size_t len;
};

static struct conn *conn_of(struct room *room, unsigned i)
{
    unsigned slot = 0;
    while (!room->players[i].links[slot].connected)
        slot++;
    return node_conn(room->players[i].node, slot);
}

/* The next packet of a kind (its first byte) of a player to the other, as soon as there is one. */
static void take_sample(struct room *room, unsigned i, uint64_t *now, int kind, struct sample *sample)
{
    struct packet out = {.data = sample->data};
    struct node *node = room->players[i].node;
    bool found = false;
    for (unsigned tries = 0; !found; tries++) {
        assert_in_range(tries, 0, 100);
        drain_events(room, i);
        out.len = sizeof sample->data;
        if (!node_output(node, *now, &out))
            *now = node_deadline(node) > *now ? node_deadline(node) : *now;
        else
            found = addr_equal(&out.remote, &room->players[i].path.remote) && out.data[0] == kind;
    }
    sample->len = out.len - FINGERPRINT_LEN; /* with it all would be dropped before the proof is looked at */
    sample->data[3] = (uint8_t)(sample->data[3] - FINGERPRINT_LEN);
}

/* A check, its answer, the beginning of a QUIC handshake. Player 0 has taken none of them when this returns.
 */
static void take_samples(struct room *room, uint64_t *now, struct sample samples[SAMPLES])
{
    const struct path *path = &room->players[1].path;
    ice_restart_checks(conn_ice(conn_of(room, 0)), *now);
    take_sample(room, 0, now, A_CHECK, &samples[1]); /* asked, so that an answer is waited for */
    struct packet asked = {
        .local = path->local, .remote = path->remote, .data = samples[1].data, .len = samples[1].len};
    node_input(room->players[1].node, *now, &asked);
    take_sample(room, 1, now, AN_ANSWER, &samples[1]);
    ice_restart_checks(conn_ice(conn_of(room, 1)), *now);
    take_sample(room, 1, now, A_CHECK, &samples[0]);
    chance_fill(&room->players[0].chance, samples[2].data, INITIAL_LEN);
    memcpy(samples[2].data, (uint8_t[]){0xc3, 0, 0, 0, 1, 8}, 6); /* RFC 9000 17.2.2 */
    samples[2].len = INITIAL_LEN;
}

static unsigned replies(struct room *room, uint64_t now)
{
    static uint8_t data[QUIC_BATCH];
    unsigned count = 0;
    drain_events(room, 0);
    for (struct packet out = {.data = data, .len = sizeof data};
         node_output(room->players[0].node, now, &out); out.len = sizeof data)
        count++;
    return count;
}

static void a_million_spoofed_packets_get_no_reply(void **state)
{
    (void)state;
    struct room *room = two_connected(NULL);
    struct node *node = room->players[0].node;
    static struct sample samples[SAMPLES];
    uint8_t spoofed[QUIC_BATCH];
    uint64_t now = now_of(room);
    struct packet in = {.local = room->players[0].path.local, .data = spoofed};
    take_samples(room, &now, samples);
    replies(room, now);
    for (unsigned i = 0, count = 0; i < SPOOFED; i++) {
        const struct sample *sample = &samples[i % SAMPLES];
        size_t at = chance_below(&room->players[0].chance, sample->len);
        memcpy(spoofed, sample->data, sample->len);
        spoofed[at] = (uint8_t)(spoofed[at] ^ (1 + chance_below(&room->players[0].chance, 255)));
        in.len = sample->len;
        in.remote = i & 1 ? room->players[0].path.remote : ip4(198, 51, 100, 7);
        in.remote.port = i & 1 ? in.remote.port : 999;
        node_input(node, now, &in);
        count += i % 100 == 0 ? replies(room, now) : 0;
        assert_int_equal(count, 0);
    }
    assert_int_equal(replies(room, now), 0);
    memcpy(spoofed, samples[0].data, in.len = samples[0].len); /* and the check as it was */
    in.remote = room->players[0].path.remote;
    node_input(node, now, &in);
    assert_true(replies(room, now) > 0);
    room_free(room);
}

static void an_unproven_goodbye_ends_nothing(void **state)
{
    (void)state;
    struct room *room = two_connected(NULL);
    struct letter will;
    rendezvous_will(node_rendezvous(room->players[1].node), &will);
    for (unsigned i = 0; i < 1000; i++) {
        node_letter_input(room->players[0].node, now_of(room), 0, will.topic, (const uint8_t *)will.data,
                          will.len);
        run_ms(room, 20);
    }
    assert_int_equal(room->players[0].closed, 0);
    assert_int_equal(room->players[0].connected, 1);
    room_free(room);
}

/* ---- memory ---- */

static bool construct(void *context)
{
    struct node_config config = {.room = "memory",
                                 .name = "anna",
                                 .purpose = "library",
                                 .brokers = 1,
                                 .max_peers = 1,
                                 .paths = PATH_ALL,
                                 .random = context};
    struct node *node = node_new(&config);
    bool made = node != NULL;
    node_free(node);
    return made;
}

static void a_constructor_that_fails_leaves_nothing_behind(void **state)
{
    (void)state;
    struct chance chance = {1};
    struct random random = {.fill = chance_fill, .context = &chance};
    assert_true(fail_alloc_each(construct, &random) >= 3);
    node_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_three_with_one_place_each_two_are_connected),
        cmocka_unit_test(the_third_meets_whoever_becomes_free),
        cmocka_unit_test(somebody_new_is_met_although_another_was_refused),
        cmocka_unit_test(everybody_is_connected_where_there_are_places),
        cmocka_unit_test(who_was_not_asked_for_is_named_and_left_alone),
        cmocka_unit_test(a_name_that_ends_as_an_id_does_is_not_taken_for_one),
        cmocka_unit_test(who_asks_for_a_name_waits_for_it_although_others_would_come),
        cmocka_unit_test(who_waits_gets_the_place_of_a_handshake_that_takes_too_long),
        cmocka_unit_test(a_handshake_that_nobody_waits_for_keeps_its_place),
        cmocka_unit_test(who_has_no_place_is_quiet),
        cmocka_unit_test(who_is_left_over_hears_it_at_once),
        cmocka_unit_test(only_the_later_is_told_to_give_up_3_s_after_the_failure),
        cmocka_unit_test(nobody_gives_up_once_somebody_has_proven_the_secret),
        cmocka_unit_test(new_addresses_travel_in_one_batch),
        cmocka_unit_test(every_address_is_announced_once),
        cmocka_unit_test(an_address_that_vanishes_is_left_for_another),
        cmocka_unit_test(a_gateway_that_forgets_is_asked_about_anew_and_the_peer_is_told),
        cmocka_unit_test(a_silent_peer_is_told_a_few_times_and_then_left_alone),
        cmocka_unit_test(who_doubts_a_path_asks_the_gateway_for_its_port_again),
        cmocka_unit_test(who_slept_seeks_its_peers_again),
        cmocka_unit_test(who_slept_for_too_long_knows_at_once_that_it_is_forgotten),
        cmocka_unit_test(who_is_behind_a_hard_nat_learns_how_it_counts_and_tells_the_peer),
        cmocka_unit_test(two_hard_nats_that_count_meet_and_keep_one_extra_socket),
        cmocka_unit_test(a_port_that_was_spoiled_is_replaced_by_another),
        cmocka_unit_test(who_cannot_be_reached_is_given_up_when_all_is_known_and_tried),
        cmocka_unit_test(a_silent_server_delays_giving_up_but_does_not_prevent_it),
        cmocka_unit_test(whose_udp_is_blocked_is_said_on_both_sides),
        cmocka_unit_test(leaving_says_goodbye_to_all_at_once),
        cmocka_unit_test(the_slots_of_those_who_left_are_used_again),
        cmocka_unit_test(an_ended_peer_keeps_its_slot_until_it_is_released),
        cmocka_unit_test(garbage_datagrams_are_nobodys_and_harm_nobody),
        cmocka_unit_test(a_million_spoofed_packets_get_no_reply),
        cmocka_unit_test(an_unproven_goodbye_ends_nothing),
        cmocka_unit_test(a_constructor_that_fails_leaves_nothing_behind),
        cmocka_unit_test(a_broker_that_comes_back_brings_connected_peers_all_addresses_again),
        cmocka_unit_test(who_is_not_connected_yet_is_not_told_twice),
    };
    return cmocka_run_group_tests_name("node", tests, NULL, NULL);
}
