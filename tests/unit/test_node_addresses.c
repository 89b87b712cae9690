/* test_node_addresses.c - what is offered to peers, and what is not. */
#include "given.h"
#include "node_addresses.h"
#include <string.h>

static struct node_address own(const char *text)
{
    return (struct node_address){.address = addr_of(text), .mtu = 1500};
}

static struct stun_client_event seen(const char *local, const char *server, const char *mapped,
                                     enum stun_doubt doubt)
{
    return (struct stun_client_event){.type = STUN_CLIENT_MAPPED,
                                      .local = addr_of(local),
                                      .server = addr_of(server),
                                      .mapped = addr_of(mapped),
                                      .doubt = doubt};
}

/* One private, one public, one loopback address. */
static struct node_addresses three(unsigned paths)
{
    struct node_addresses addresses = {.paths = paths};
    struct addr gone[NODE_ADDRESSES_MAX];
    struct node_address list[] = {own("192.168.1.5:4000"), own("203.0.113.5:4000"), own("127.0.0.1:4000")};
    assert_int_equal(node_addresses_set(&addresses, list, 3, gone), 0);
    return addresses;
}

static bool offers(const struct node_addresses *addresses, const char *text)
{
    struct wire_candidate list[CANDIDATES_MAX];
    struct addr wanted = addr_of(text);
    size_t count = node_addresses_offers(addresses, 0, list, CANDIDATES_MAX);
    for (size_t i = 0; i < count; i++)
        if (addr_equal(&list[i].address, &wanted))
            return true;
    return false;
}

static void only_allowed_kinds_of_path_are_offered(void **state)
{
    (void)state;
    struct node_addresses all = three(PATH_ALL), direct = three(PATH_BIT(PATH_DIRECT)),
                          lan = three(PATH_BIT(PATH_LAN)), turn = three(PATH_BIT(PATH_TURN));
    assert_true(offers(&all, "192.168.1.5:4000") && offers(&all, "203.0.113.5:4000") &&
                offers(&all, "127.0.0.1:4000"));
    assert_false(offers(&direct, "192.168.1.5:4000"));
    assert_true(offers(&direct, "203.0.113.5:4000"));
    assert_false(offers(&direct, "127.0.0.1:4000"));
    assert_false(offers(&lan, "127.0.0.1:4000"));
    assert_true(offers(&lan, "192.168.1.5:4000"));
    assert_false(offers(&lan, "203.0.113.5:4000"));
    struct node_addresses host = three(PATH_BIT(PATH_HOST));
    assert_true(offers(&host, "127.0.0.1:4000"));
    assert_false(offers(&host, "192.168.1.5:4000") || offers(&host, "203.0.113.5:4000"));
    assert_false(offers(&turn, "192.168.1.5:4000") || offers(&turn, "203.0.113.5:4000"));
}

static void a_private_address_that_must_not_be_told_is_still_sent_from(void **state)
{
    (void)state;
    struct node_addresses direct = three(PATH_BIT(PATH_DIRECT)), turn = three(PATH_BIT(PATH_TURN));
    assert_int_equal(direct.offer_count, 2); /* the private one, hidden, and the public one */
    assert_true(direct.offers[0].hidden);
    const struct candidate *announced = node_addresses_announce(&direct);
    assert_int_equal(addr_scope(&announced->address), ADDR_GLOBAL);
    assert_null(node_addresses_announce(&direct));
    assert_int_equal(turn.offer_count, 0);
}

static void a_mapped_address_is_offered_once_and_only_where_direct_is_allowed(void **state)
{
    (void)state;
    struct stun_client_event event =
        seen("192.168.1.5:4000", "203.0.113.1:3478", "203.0.113.9:5000", STUN_CREDIBLE);
    struct node_addresses addresses = three(PATH_ALL), lan = three(PATH_BIT(PATH_LAN));
    size_t before = addresses.offer_count;
    node_addresses_mapped(&addresses, &event);
    event.server = addr_of("203.0.113.2:3478");
    node_addresses_mapped(&addresses, &event);
    assert_int_equal(addresses.offer_count, before + 1);
    assert_true(offers(&addresses, "203.0.113.9:5000"));
    node_addresses_mapped(&lan, &event);
    assert_false(offers(&lan, "203.0.113.9:5000"));
}

static void lies_are_not_offered(void **state)
{
    (void)state;
    static const enum stun_doubt lies[] = {STUN_OWN_ADDRESS, STUN_SERVER_ADDRESS, STUN_NOT_AN_ADDRESS};
    struct node_addresses addresses = three(PATH_ALL);
    size_t before = addresses.offer_count;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct stun_client_event event =
            seen("192.168.1.5:4000", "203.0.113.1:3478", "203.0.113.9:5000", lies[i]);
        node_addresses_mapped(&addresses, &event);
    }
    assert_int_equal(addresses.offer_count, before);
}

static void two_views_of_one_socket_are_both_offered(void **state)
{
    (void)state;
    struct node_addresses addresses = three(PATH_ALL);
    struct stun_client_event one =
        seen("192.168.1.5:4000", "203.0.113.1:3478", "203.0.113.9:5000", STUN_CREDIBLE);
    struct stun_client_event two =
        seen("192.168.1.5:4000", "203.0.113.2:3478", "203.0.113.9:5001", STUN_CREDIBLE);
    node_addresses_mapped(&addresses, &one);
    node_addresses_mapped(&addresses, &two);
    assert_true(offers(&addresses, "203.0.113.9:5000"));
    assert_true(offers(&addresses, "203.0.113.9:5001"));
}

static void a_changed_mapping_replaces_the_old_one_and_is_new(void **state)
{
    (void)state;
    struct node_addresses addresses = three(PATH_ALL);
    struct wire_candidate list[CANDIDATES_MAX];
    struct stun_client_event event =
        seen("192.168.1.5:4000", "203.0.113.1:3478", "203.0.113.9:5000", STUN_CREDIBLE);
    node_addresses_mapped(&addresses, &event);
    uint32_t told = addresses.serial;
    assert_int_equal(node_addresses_offers(&addresses, told, list, CANDIDATES_MAX), 0);
    event.mapped = addr_of("203.0.113.9:6000");
    node_addresses_mapped(&addresses, &event);
    assert_int_equal(node_addresses_offers(&addresses, told, list, CANDIDATES_MAX), 1);
    assert_true(offers(&addresses, "203.0.113.9:6000"));
    assert_false(offers(&addresses, "203.0.113.9:5000"));
}

static void an_address_that_is_gone_takes_its_offers_with_it(void **state)
{
    (void)state;
    struct node_addresses addresses = three(PATH_ALL);
    struct stun_client_event event =
        seen("192.168.1.5:4000", "203.0.113.1:3478", "203.0.113.9:5000", STUN_CREDIBLE);
    struct node_address left = own("203.0.113.5:4000");
    struct addr gone[NODE_ADDRESSES_MAX], lost = addr_of("192.168.1.5:4000");
    node_addresses_mapped(&addresses, &event);
    assert_int_equal(node_addresses_set(&addresses, &left, 1, gone), 2);
    assert_true(addr_equal(&gone[0], &lost));
    assert_false(offers(&addresses, "203.0.113.9:5000"));
    assert_true(offers(&addresses, "203.0.113.5:4000"));
}

static void offers_are_announced_once_and_sorted_by_promise(void **state)
{
    (void)state;
    struct node_addresses addresses = three(PATH_ALL);
    struct wire_candidate list[CANDIDATES_MAX];
    for (int i = 0; i < 3; i++)
        assert_non_null(node_addresses_announce(&addresses));
    assert_null(node_addresses_announce(&addresses));
    size_t count = node_addresses_offers(&addresses, 0, list, CANDIDATES_MAX);
    assert_int_equal(count, 3);
    assert_int_equal(addr_scope(&list[0].address), ADDR_GLOBAL);
    assert_int_equal(addr_scope(&list[2].address), ADDR_LOOPBACK);
    assert_int_equal(node_addresses_offers(&addresses, 0, list, 2), 2);
}

static void what_a_server_saw_goes_before_addresses_that_few_can_reach(void **state)
{
    (void)state;
    struct node_addresses addresses = {.paths = PATH_ALL};
    struct node_address list[20] = {own("192.168.1.5:4000")};
    struct addr gone[NODE_ADDRESSES_MAX];
    struct stun_client_event event =
        seen("192.168.1.5:4000", "203.0.113.1:3478", "203.0.113.9:5000", STUN_CREDIBLE);
    for (uint8_t i = 1; i < 20; i++) {
        list[i] = (struct node_address){.address = addr_make4((const uint8_t[]){172, 17, i, 1}, 4000),
                                        .rank = RANK_BRIDGE};
    }
    assert_int_equal(node_addresses_set(&addresses, list, 20, gone), 0);
    node_addresses_mapped(&addresses, &event);
    struct wire_candidate two[2];
    assert_int_equal(node_addresses_offers(&addresses, 0, two, 2), 2);
    assert_true(addr_equal(&two[0].address, &list[0].address));
    assert_true(addr_equal(&two[1].address, &event.mapped));
}

/* ---- ports that a gateway opened ---- */

static void opened(struct node_addresses *addresses, const char *external)
{
    struct addr local = addr_of("192.168.1.5:4000"), outside = addr_of(external),
                gateway = addr_of("192.168.1.1");
    node_addresses_opened(addresses, &local, &outside, &gateway);
}

static const struct candidate *candidate_at(const struct node_addresses *addresses, const char *text)
{
    struct addr wanted = addr_of(text);
    for (size_t i = 0; i < addresses->offer_count; i++)
        if (addr_equal(&addresses->offers[i].candidate.address, &wanted))
            return &addresses->offers[i].candidate;
    return NULL;
}

static void an_opened_port_is_offered_and_another_one_replaces_it(void **state)
{
    (void)state;
    struct node_addresses all = three(PATH_ALL), lan = three(PATH_BIT(PATH_LAN));
    struct addr local = addr_of("192.168.1.5:4000");
    size_t before = all.offer_count;
    opened(&all, "198.51.100.7:4000");
    assert_int_equal(candidate_at(&all, "198.51.100.7:4000")->kind, CANDIDATE_MAPPED);
    assert_true(node_addresses_has_mapping(&all, &local));
    opened(&all, "198.51.100.7:5000");
    assert_false(offers(&all, "198.51.100.7:4000"));
    assert_true(offers(&all, "198.51.100.7:5000"));
    assert_int_equal(all.offer_count, before + 1);
    node_addresses_closed(&all, &local);
    assert_int_equal(all.offer_count, before);
    assert_false(node_addresses_has_mapping(&all, &local));
    node_addresses_closed(&all, &local); /* there is none: nothing */
    assert_int_equal(all.offer_count, before);
    opened(&lan, "198.51.100.7:4000");
    assert_false(offers(&lan, "198.51.100.7:4000"));
}

static void a_port_where_servers_see_us_too_is_one_candidate_and_outlives_its_mapping(void **state)
{
    (void)state;
    struct stun_client_event event =
        seen("192.168.1.5:4000", "203.0.113.1:3478", "198.51.100.7:4000", STUN_CREDIBLE);
    struct addr local = addr_of("192.168.1.5:4000");
    for (int server_first = 0; server_first < 2; server_first++) {
        struct node_addresses all = three(PATH_ALL);
        size_t before = all.offer_count;
        if (server_first)
            node_addresses_mapped(&all, &event);
        opened(&all, "198.51.100.7:4000");
        if (!server_first)
            node_addresses_mapped(&all, &event);
        assert_int_equal(all.offer_count, before + 1);
        assert_int_equal(candidate_at(&all, "198.51.100.7:4000")->kind, CANDIDATE_MAPPED);
        node_addresses_closed(&all, &local);
        assert_int_equal(candidate_at(&all, "198.51.100.7:4000")->kind, CANDIDATE_SRFLX);
        assert_int_equal(all.offer_count, before + 1);
    }
}

static void a_mapping_that_moves_to_where_servers_see_us_leaves_one_candidate(void **state)
{
    (void)state;
    struct stun_client_event event =
        seen("192.168.1.5:4000", "203.0.113.1:3478", "198.51.100.7:4000", STUN_CREDIBLE);
    struct node_addresses all = three(PATH_ALL);
    size_t before = all.offer_count;
    opened(&all, "198.51.100.7:5000");
    node_addresses_mapped(&all, &event);
    assert_int_equal(all.offer_count, before + 2);
    opened(&all, "198.51.100.7:4000");
    assert_int_equal(all.offer_count, before + 1);
    assert_int_equal(candidate_at(&all, "198.51.100.7:4000")->kind, CANDIDATE_MAPPED);
}

static void a_hole_in_a_firewall_is_the_address_itself(void **state)
{
    (void)state;
    struct node_addresses all = three(PATH_ALL);
    struct addr local = addr_of("203.0.113.5:4000"), gateway = addr_of("203.0.113.1");
    size_t before = all.offer_count;
    node_addresses_opened(&all, &local, &local, &gateway);
    assert_int_equal(all.offer_count, before);
    assert_int_equal(candidate_at(&all, "203.0.113.5:4000")->kind, CANDIDATE_HOST);
}

static void the_interface_limits_the_payload(void **state)
{
    (void)state;
    struct node_addresses addresses = three(PATH_ALL);
    struct addr known = addr_of("192.168.1.5:4000"), unknown = addr_of("192.0.2.1:1");
    assert_int_equal(node_addresses_payload(&addresses, &known), 1472);
    assert_int_equal(node_addresses_payload(&addresses, &unknown), 0);
}

static void a_relayed_address_is_offered_until_the_server_takes_it_back(void **state)
{
    (void)state;
    struct node_addresses addresses = three(PATH_ALL), without = three(PATH_ALL & ~PATH_BIT(PATH_TURN));
    struct addr relayed = addr_of("198.51.100.9:50000"), server = addr_of("198.51.100.9:3478");
    uint32_t before = addresses.serial;
    node_addresses_relayed(&addresses, &relayed, &server);
    node_addresses_relayed(&addresses, &relayed, &server); /* once */
    assert_int_equal(addresses.serial, before + 1);
    assert_true(offers(&addresses, "198.51.100.9:50000"));
    const struct candidate *relay = &addresses.offers[addresses.offer_count - 1].candidate;
    assert_int_equal(relay->kind, CANDIDATE_RELAY);
    assert_true(addr_equal(&relay->base, &relayed));
    node_addresses_unrelayed(&addresses, &relayed);
    assert_false(offers(&addresses, "198.51.100.9:50000"));
    assert_true(offers(&addresses, "203.0.113.5:4000"));
    node_addresses_relayed(&without, &relayed, &server);
    assert_false(offers(&without, "198.51.100.9:50000"));
}

static void a_relay_finds_a_place_among_many_bridges(void **state)
{
    (void)state;
    struct node_addresses addresses = {.paths = PATH_ALL};
    struct node_address list[NODE_ADDRESSES_MAX];
    struct addr gone[NODE_ADDRESSES_MAX], relayed = addr_of("198.51.100.9:50000"),
                                          server = addr_of("198.51.100.9:3478");
    for (unsigned i = 0; i < NODE_ADDRESSES_MAX; i++) {
        list[i] = own("172.17.0.1:4000");
        list[i].address.ip[1] = (uint8_t)(16 + i / 8);
        list[i].address.ip[2] = (uint8_t)i;
        list[i].rank = i ? RANK_BRIDGE : RANK_NORMAL;
    }
    node_addresses_set(&addresses, list, NODE_ADDRESSES_MAX, gone);
    assert_int_equal(addresses.offer_count, ICE_LOCALS_MAX);
    node_addresses_relayed(&addresses, &relayed, &server);
    assert_true(offers(&addresses, "198.51.100.9:50000") && offers(&addresses, "172.16.0.1:4000"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_allowed_kinds_of_path_are_offered),
        cmocka_unit_test(a_private_address_that_must_not_be_told_is_still_sent_from),
        cmocka_unit_test(a_mapped_address_is_offered_once_and_only_where_direct_is_allowed),
        cmocka_unit_test(lies_are_not_offered),
        cmocka_unit_test(two_views_of_one_socket_are_both_offered),
        cmocka_unit_test(a_changed_mapping_replaces_the_old_one_and_is_new),
        cmocka_unit_test(an_address_that_is_gone_takes_its_offers_with_it),
        cmocka_unit_test(offers_are_announced_once_and_sorted_by_promise),
        cmocka_unit_test(what_a_server_saw_goes_before_addresses_that_few_can_reach),
        cmocka_unit_test(an_opened_port_is_offered_and_another_one_replaces_it),
        cmocka_unit_test(a_port_where_servers_see_us_too_is_one_candidate_and_outlives_its_mapping),
        cmocka_unit_test(a_mapping_that_moves_to_where_servers_see_us_leaves_one_candidate),
        cmocka_unit_test(a_hole_in_a_firewall_is_the_address_itself),
        cmocka_unit_test(the_interface_limits_the_payload),
        cmocka_unit_test(a_relayed_address_is_offered_until_the_server_takes_it_back),
        cmocka_unit_test(a_relay_finds_a_place_among_many_bridges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
