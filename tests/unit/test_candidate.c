/* test_candidate.c - kinds, priorities, foundations (RFC 8445 5.1). */
#include "candidate.h"
#include "given.h"
#include <string.h>

static uint32_t host(const char *base, enum candidate_rank rank, unsigned index)
{
    struct addr addr = addr_of(base);
    return candidate_priority(CANDIDATE_HOST, &addr, rank, index);
}

static void priority_is_type_then_local_preference_then_component(void **state)
{
    (void)state;
    struct addr base = addr_of("192.0.2.1:5000");
    static const uint32_t type[] = {[CANDIDATE_HOST] = 126,
                                    [CANDIDATE_MAPPED] = 120,
                                    [CANDIDATE_PRFLX] = 110,
                                    [CANDIDATE_SRFLX] = 100,
                                    [CANDIDATE_RELAY] = 0};
    for (unsigned kind = CANDIDATE_HOST; kind <= CANDIDATE_RELAY; kind++) {
        uint32_t priority = candidate_priority((enum candidate_kind)kind, &base, RANK_NORMAL, 0);
        assert_int_equal(priority >> 24, type[kind]);
        assert_int_equal(priority & 0xff, 255);  /* 256 - component 1 */
        assert_in_range(priority, 1, INT32_MAX); /* RFC 8445 5.1.2: below 2^31 */
    }
}

static void kinds_share_the_local_preference_of_their_base(void **state)
{
    (void)state;
    struct addr base = addr_of("192.0.2.1:5000");
    uint32_t mask = 0xffffff;
    uint32_t as_host = candidate_priority(CANDIDATE_HOST, &base, RANK_NORMAL, 3) & mask;
    assert_int_equal(candidate_priority(CANDIDATE_SRFLX, &base, RANK_NORMAL, 3) & mask, as_host);
}

static void addresses_are_preferred_in_this_order(void **state)
{
    (void)state;
    static const char *const best_first[] = {"[::1]:1",       "127.0.0.1:1",   "[2001:db8::1]:1",
                                             "203.0.113.1:1", "100.64.0.1:1",  "[fd00::1]:1",
                                             "10.0.0.1:1",    "[fe80::1%2]:1", "169.254.1.1:1"};
    for (size_t i = 0; i + 1 < sizeof best_first / sizeof *best_first; i++)
        if (host(best_first[i], RANK_NORMAL, 9) <= host(best_first[i + 1], RANK_NORMAL, 0))
            fail_msg("%s is not before %s", best_first[i], best_first[i + 1]);
}

static void a_bridge_comes_after_everything_of_its_kind(void **state)
{
    (void)state;
    assert_true(host("[2001:db8::1]:1", RANK_BRIDGE, 0) < host("169.254.1.1:1", RANK_NORMAL, 255));
}

static void the_index_tells_equals_apart_and_never_wraps(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 255; i++)
        assert_true(host("10.0.0.1:1", RANK_NORMAL, i) > host("10.0.0.1:1", RANK_NORMAL, i + 1));
    assert_int_equal(host("10.0.0.1:1", RANK_NORMAL, 255), host("10.0.0.1:1", RANK_NORMAL, 4000000000u));
}

static struct candidate reflexive(const char *address, const char *base, const char *server)
{
    struct candidate c = {.kind = CANDIDATE_SRFLX,
                          .address = addr_of(address),
                          .base = addr_of(base),
                          .server = addr_of(server)};
    candidate_foundation(&c);
    return c;
}

static bool same_foundation(const struct candidate *a, const struct candidate *b)
{
    return strcmp(a->foundation, b->foundation) == 0;
}

static void foundations_are_equal_for_equal_kind_base_and_server(void **state)
{
    (void)state;
    struct candidate a = reflexive("203.0.113.1:9", "10.0.0.1:5000", "198.51.100.1:3478");
    struct candidate b = reflexive("203.0.113.1:7", "10.0.0.1:5001", "198.51.100.1:3479");
    assert_true(same_foundation(&a, &b)); /* ports do not count (RFC 8445 5.1.1.3) */
    struct candidate other_base = reflexive("203.0.113.1:9", "10.0.0.2:5000", "198.51.100.1:3478");
    struct candidate other_server = reflexive("203.0.113.1:9", "10.0.0.1:5000", "198.51.100.2:3478");
    struct candidate other_kind = a;
    other_kind.kind = CANDIDATE_MAPPED;
    candidate_foundation(&other_kind);
    assert_false(same_foundation(&a, &other_base));
    assert_false(same_foundation(&a, &other_server));
    assert_false(same_foundation(&a, &other_kind));
}

static void a_foundation_is_text_that_sdp_allows(void **state)
{
    (void)state;
    struct candidate c = reflexive("203.0.113.1:9", "10.0.0.1:5000", "198.51.100.1:3478");
    size_t len = strlen(c.foundation);
    assert_in_range(len, 1, FOUNDATION_MAX);
    assert_int_equal(strspn(c.foundation, "0123456789abcdef"), len);
}

static void the_wire_form_has_no_zone(void **state)
{
    (void)state;
    struct candidate c = {.kind = CANDIDATE_HOST, .address = addr_of("[fe80::1%7]:5000"), .priority = 42};
    c.base = c.address;
    candidate_foundation(&c);
    struct wire_candidate wire;
    memset(&wire, 0xff, sizeof wire);
    candidate_to_wire(&wire, &c);
    assert_int_equal(wire.kind, CANDIDATE_HOST);
    assert_int_equal(wire.address.scope, 0);
    assert_int_equal(wire.address.port, 5000);
    assert_int_equal(wire.priority, 42);
    assert_string_equal(wire.foundation, c.foundation);
}

static void a_relay_on_the_internet_reaches_the_internet_alone(void **state)
{
    (void)state;
    static const struct {
        const char *relayed, *remote;
        bool reaches;
    } cases[] = {
        {"203.0.113.1:5", "198.51.100.1:6", true},    {"203.0.113.1:5", "192.168.1.1:6", false},
        {"203.0.113.1:5", "100.64.0.1:6", false},     {"203.0.113.1:5", "127.0.0.1:6", false},
        {"203.0.113.1:5", "169.254.1.1:6", false},    {"203.0.113.1:5", "224.0.0.1:6", false},
        {"203.0.113.1:5", "198.51.100.1", false},     {"203.0.113.1:5", "[2001:db8::1]:6", false},
        {"[2001:db8::9]:5", "[2001:db8::1]:6", true}, {"[2001:db8::9]:5", "[fd00::1]:6", false},
        {"192.168.1.9:5", "192.168.1.1:6", true},     {"192.168.1.9:5", "198.51.100.1:6", true},
        {"127.0.0.1:5", "127.0.0.1:6", true},         {"192.168.1.9:5", "169.254.1.1:6", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct addr relayed = addr_of(cases[i].relayed), remote = addr_of(cases[i].remote);
        if (candidate_relay_reaches(&relayed, &remote) != cases[i].reaches)
            fail_msg("%s to %s", cases[i].relayed, cases[i].remote);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(priority_is_type_then_local_preference_then_component),
        cmocka_unit_test(kinds_share_the_local_preference_of_their_base),
        cmocka_unit_test(addresses_are_preferred_in_this_order),
        cmocka_unit_test(a_bridge_comes_after_everything_of_its_kind),
        cmocka_unit_test(the_index_tells_equals_apart_and_never_wraps),
        cmocka_unit_test(foundations_are_equal_for_equal_kind_base_and_server),
        cmocka_unit_test(a_foundation_is_text_that_sdp_allows),
        cmocka_unit_test(the_wire_form_has_no_zone),
        cmocka_unit_test(a_relay_on_the_internet_reaches_the_internet_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
