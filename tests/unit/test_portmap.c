/* test_portmap.c - the machine against a gateway of a few lines that speaks what it is told to speak. */
#include "fail_alloc.h"
#include "given.h"
#include "portmap.h"
#include "portmap_msg.h"
#include "wire.h"
#include <string.h>

static const uint64_t START = 100 * NS_PER_S;
static const char *const LOCAL = "192.168.1.7:40000", *const GATEWAY = "192.168.1.1:5351",
                         *const OUTSIDE = "198.51.100.7";

/* ---- a gateway ---- */

struct gateway {
    bool pcp, natpmp;
    struct addr outside;
    uint8_t result; /* of every answer */
    uint32_t lifetime_s;
    uint64_t born;
    uint16_t port; /* what it gives: 0: what is wished for */
    unsigned asked_pcp, asked_address, asked_port, removed;
    uint16_t wished;
    uint8_t last[60]; /* its last answer */
    size_t last_len;
};

static struct gateway gateway_of(bool pcp, bool natpmp)
{
    return (struct gateway){
        .pcp = pcp, .natpmp = natpmp, .outside = addr_of(OUTSIDE), .lifetime_s = 600, .born = 0};
}

static uint32_t age(const struct gateway *g, uint64_t now)
{
    return (uint32_t)((now - g->born) / NS_PER_S);
}

static void answer_pcp(struct gateway *g, uint64_t now, struct reader *r, struct writer *w)
{
    take_bytes(r, 2);
    uint32_t lifetime = take_u32(r);
    take_bytes(r, 16);
    const uint8_t *nonce = take_bytes(r, PORTMAP_NONCE_LEN);
    uint32_t protocol = take_u32(r);
    uint16_t inside = take_u16(r);
    g->wished = take_u16(r);
    g->asked_pcp++;
    g->removed += lifetime == 0;
    put_u32(w, 0x02810000u | g->result);
    put_u32(w, lifetime ? g->lifetime_s : 0);
    put_u32(w, age(g, now));
    put_bytes(w, (uint8_t[12]){0}, 12);
    put_bytes(w, nonce, PORTMAP_NONCE_LEN);
    put_u32(w, protocol);
    put_u16(w, inside);
    put_u16(w, lifetime == 0 ? 0 : g->port ? g->port : g->wished);
    if (g->outside.family == 4)
        put_bytes(w, (uint8_t[12]){[10] = 0xff, [11] = 0xff}, 12);
    put_bytes(w, g->outside.ip, g->outside.family == 4 ? 4 : 16);
}

static void answer_natpmp(struct gateway *g, uint64_t now, struct reader *r, struct writer *w)
{
    uint8_t operation = take_u8(r);
    put_u8(w, 0);
    put_u8(w, 128 | operation);
    put_u16(w, g->result);
    put_u32(w, age(g, now));
    if (operation == 0) {
        g->asked_address++;
        put_bytes(w, g->outside.ip, 4);
        return;
    }
    take_u16(r);
    uint16_t inside = take_u16(r), wished = take_u16(r);
    uint32_t lifetime = take_u32(r);
    g->asked_port++;
    g->wished = wished;
    g->removed += lifetime == 0;
    put_u16(w, inside);
    put_u16(w, lifetime == 0 ? 0 : g->port ? g->port : wished);
    put_u32(w, lifetime ? g->lifetime_s : 0);
}

/* Its answer in `last`; false: none. */
static bool gateway_answer(struct gateway *g, uint64_t now, const struct packet *in)
{
    struct reader r = reader_of(in->data, in->len);
    struct writer w = writer_of(g->last, sizeof g->last);
    uint8_t version = take_u8(&r);
    if (version == 2 && g->pcp) {
        take_u8(&r);
        answer_pcp(g, now, &r, &w);
    } else if (version == 2 && g->natpmp) {
        g->asked_pcp++;
        put_bytes(&w, (uint8_t[]){0, 129, 0, 1, 0, 0, 0, 9}, 8);
    } else if (version == 0 && g->natpmp) {
        answer_natpmp(g, now, &r, &w);
    }
    g->last_len = w.len;
    return w.len > 0;
}

/* ---- the machine and what it says ---- */

struct world {
    struct portmap *portmap;
    uint64_t now;
    unsigned packets;
    struct portmap_event told[32];
    size_t told_count;
};

static struct world world_of(const char *local, const char *gateway)
{
    struct world w = {.portmap = portmap_new(&seeded), .now = START};
    struct portmap_local wanted = {addr_of(local), addr_of(gateway)};
    assert_non_null(w.portmap);
    portmap_set_locals(w.portmap, w.now, &wanted, 1);
    return w;
}

static void hear(struct world *w)
{
    struct portmap_event event;
    while (portmap_event(w->portmap, &event)) {
        assert_true(w->told_count < 32);
        w->told[w->told_count++] = event;
    }
}

static bool deliver(struct world *w, const char *local, const char *remote, const void *data, size_t len)
{
    uint8_t copy[64];
    memcpy(copy, data, len);
    struct packet in = {.local = addr_of(local), .remote = addr_of(remote), .data = copy, .len = len};
    bool ours = portmap_input(w->portmap, w->now, &in);
    hear(w);
    return ours;
}

/* Everything that leaves now reaches the gateway, and its answers us. NULL: it is not there. */
static void exchange(struct world *w, struct gateway *g)
{
    uint8_t data[PACKET_MAX];
    struct packet out = {.data = data, .len = sizeof data};
    while (portmap_output(w->portmap, w->now, &out)) {
        w->packets++;
        if (g && gateway_answer(g, w->now, &out)) {
            struct packet in = {
                .local = out.local, .remote = out.remote, .data = g->last, .len = g->last_len};
            assert_true(portmap_input(w->portmap, w->now, &in));
        }
        out = (struct packet){.data = data, .len = sizeof data};
    }
    hear(w);
}

static void run(struct world *w, struct gateway *g, uint64_t seconds)
{
    uint64_t until = w->now + seconds * NS_PER_S;
    exchange(w, g);
    for (uint64_t due; (due = portmap_deadline(w->portmap)) <= until;) {
        assert_true(due >= w->now);
        w->now = due;
        exchange(w, g);
    }
    w->now = until;
}

static void expect(const struct world *w, size_t at, enum portmap_event_type type, const char *external)
{
    assert_true(at < w->told_count);
    assert_int_equal(w->told[at].type, type);
    if (external) {
        struct addr addr = addr_of(external);
        assert_true(addr_equal(&w->told[at].external, &addr));
    }
}

/* ---- finding out ---- */

static void pcp_maps_in_one_round_trip(void **state)
{
    (void)state;
    struct gateway g = gateway_of(true, true);
    struct world w = world_of(LOCAL, GATEWAY);
    exchange(&w, &g);
    assert_int_equal(w.told_count, 1);
    expect(&w, 0, PORTMAP_MAPPED, "198.51.100.7:40000");
    assert_int_equal(w.told[0].protocol, PORTMAP_PCP);
    assert_int_equal(w.told[0].lifetime_s, 600);
    assert_int_equal(g.asked_port, 0); /* the gateway has one mapping, not two */
    assert_true(portmap_is_quiet(w.portmap));
    portmap_free(w.portmap);
}

static void a_gateway_without_pcp_says_so_and_natpmp_maps(void **state)
{
    (void)state;
    struct gateway g = gateway_of(false, true);
    struct world w = world_of(LOCAL, GATEWAY);
    exchange(&w, &g);
    assert_int_equal(w.told_count, 1);
    expect(&w, 0, PORTMAP_MAPPED, "198.51.100.7:40000");
    assert_int_equal(w.told[0].protocol, PORTMAP_NATPMP);
    assert_int_equal(g.asked_pcp, 1);
    portmap_free(w.portmap);
}

static void a_gateway_that_is_silent_about_pcp_costs_50_ms(void **state)
{
    (void)state;
    uint8_t data[PACKET_MAX];
    struct gateway g = gateway_of(false, true);
    struct world w = world_of(LOCAL, GATEWAY);
    for (int i = 0; i < 2; i++) {
        struct packet out = {.data = data, .len = sizeof data};
        assert_true(portmap_output(w.portmap, w.now, &out));
        if (data[0] == 0) {
            assert_true(gateway_answer(&g, w.now, &out));
            deliver(&w, LOCAL, GATEWAY, g.last, g.last_len);
        }
    }
    exchange(&w, &g);
    assert_int_equal(w.told_count, 0);
    assert_int_equal(portmap_deadline(w.portmap), START + 50 * NS_PER_MS);
    w.now = START + 50 * NS_PER_MS;
    exchange(&w, &g);
    expect(&w, 0, PORTMAP_MAPPED, "198.51.100.7:40000");
    portmap_free(w.portmap);
}

static void a_port_other_than_the_wished_one_is_taken(void **state)
{
    (void)state;
    for (int pcp = 0; pcp < 2; pcp++) {
        struct gateway g = gateway_of(pcp, true);
        struct world w = world_of(LOCAL, GATEWAY);
        g.port = 51234;
        exchange(&w, &g);
        assert_int_equal(g.wished, 40000);
        expect(&w, 0, PORTMAP_MAPPED, "198.51.100.7:51234");
        run(&w, &g, 400);
        assert_int_equal(g.wished, 51234); /* asked for again at the renewal */
        assert_int_equal(w.told_count, 1);
        portmap_free(w.portmap);
    }
}

static void an_ipv6_firewall_is_opened_by_pcp_alone(void **state)
{
    (void)state;
    struct gateway g = gateway_of(true, false);
    struct world w = world_of("[2001:db8::7]:40000", "[fe80::1%2]:5351");
    g.outside = addr_of("2001:db8::7");
    exchange(&w, &g);
    assert_int_equal(w.packets, 1);
    expect(&w, 0, PORTMAP_MAPPED, "[2001:db8::7]:40000");
    portmap_free(w.portmap);
}

static void a_silent_gateway_is_asked_for_sixteen_seconds_and_never_again(void **state)
{
    (void)state;
    static const uint64_t copies[] = {0, 250, 750, 1750, 3750, 7750}; /* ms */
    struct world w = world_of(LOCAL, GATEWAY);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(portmap_deadline(w.portmap), START + copies[i] * NS_PER_MS);
        w.now = START + copies[i] * NS_PER_MS;
        exchange(&w, NULL);
        assert_int_equal(w.packets, 2 * (i + 1));
    }
    run(&w, NULL, 3600);
    assert_int_equal(w.packets, 12);
    assert_int_equal(w.told_count, 1);
    expect(&w, 0, PORTMAP_FAILED, NULL);
    assert_int_equal(w.told[0].failure, PORTMAP_SILENT);
    assert_true(portmap_deadline(w.portmap) == NEVER);
    portmap_ask_again(w.portmap, w.now);
    assert_true(portmap_deadline(w.portmap) == NEVER);
    portmap_free(w.portmap);
}

/* ---- no ---- */

static void a_refusal_is_said_once_and_tried_again_later(void **state)
{
    (void)state;
    static const struct {
        uint8_t result;
        enum portmap_failure failure;
    } cases[] = {{2, PORTMAP_REFUSED}, {7, PORTMAP_NO_INTERNET}, {8, PORTMAP_FULL}, {9, PORTMAP_REFUSED}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct gateway g = gateway_of(true, false);
        struct world w = world_of(LOCAL, GATEWAY);
        g.result = cases[i].result;
        run(&w, &g, 299);
        assert_int_equal(w.told_count, 1);
        expect(&w, 0, PORTMAP_FAILED, NULL);
        assert_int_equal(w.told[0].failure, cases[i].failure);
        g.result = 0;
        run(&w, &g, 700);
        assert_int_equal(w.told_count, 2);
        expect(&w, 1, PORTMAP_MAPPED, "198.51.100.7:40000");
        portmap_free(w.portmap);
    }
}

/* The first question, in PCP, is answered with `result`; whatever comes then, as it should be. */
static void exchange_refusing_pcp(struct world *w, struct gateway *g, uint8_t result)
{
    uint8_t data[PACKET_MAX];
    struct packet out = {.data = data, .len = sizeof data};
    assert_true(portmap_output(w->portmap, w->now, &out));
    g->result = result;
    assert_true(gateway_answer(g, w->now, &out));
    deliver(w, LOCAL, GATEWAY, g->last, g->last_len);
    g->result = 0;
    exchange(w, g);
}

static void natpmp_gets_what_pcp_refuses(void **state)
{
    (void)state;
    struct gateway g = gateway_of(true, true);
    struct world w = world_of(LOCAL, GATEWAY);
    exchange_refusing_pcp(&w, &g, 2);
    assert_int_equal(w.told_count, 1);
    expect(&w, 0, PORTMAP_MAPPED, "198.51.100.7:40000");
    assert_int_equal(w.told[0].protocol, PORTMAP_NATPMP);
    portmap_free(w.portmap);
}

static void a_nat_in_between_is_said_and_natpmp_not_trusted(void **state)
{
    (void)state;
    struct gateway g = gateway_of(true, true);
    struct world w = world_of(LOCAL, GATEWAY);
    exchange_refusing_pcp(&w, &g, 12);
    assert_int_equal(g.asked_port, 0);
    assert_int_equal(w.told_count, 1);
    expect(&w, 0, PORTMAP_FAILED, NULL);
    assert_int_equal(w.told[0].failure, PORTMAP_NAT_BETWEEN);
    portmap_free(w.portmap);
}

static void a_private_address_outside_is_said_and_the_mapping_taken_back(void **state)
{
    (void)state;
    for (int pcp = 0; pcp < 2; pcp++) {
        struct gateway g = gateway_of(pcp, !pcp);
        struct world w = world_of(LOCAL, GATEWAY);
        g.outside = addr_of("100.64.3.2");
        run(&w, &g, 20);
        assert_int_equal(w.told_count, 1);
        expect(&w, 0, PORTMAP_FAILED, pcp ? "100.64.3.2:40000" : "100.64.3.2");
        assert_int_equal(w.told[0].failure, PORTMAP_PRIVATE);
        assert_int_equal(g.removed, pcp);
        assert_int_equal(g.asked_port, 0); /* NAT-PMP tells the address first: nothing was mapped */
        assert_true(portmap_is_quiet(w.portmap));
        g.outside = addr_of(OUTSIDE);
        run(&w, &g, 600);
        expect(&w, 1, PORTMAP_MAPPED, "198.51.100.7:40000");
        portmap_free(w.portmap);
    }
}

/* ---- who may answer ---- */

static void an_answer_counts_only_from_the_gateway_to_the_address_that_asked(void **state)
{
    (void)state;
    uint8_t data[PACKET_MAX];
    struct gateway g = gateway_of(true, false);
    struct world w = world_of(LOCAL, GATEWAY);
    struct packet out = {.data = data, .len = sizeof data};
    assert_true(portmap_output(w.portmap, w.now, &out));
    assert_true(gateway_answer(&g, w.now, &out));
    assert_false(deliver(&w, LOCAL, "192.168.1.66:5351", g.last, g.last_len));
    assert_false(deliver(&w, LOCAL, "192.168.1.1:5352", g.last, g.last_len));
    assert_true(deliver(&w, "192.168.1.8:40000", GATEWAY, g.last, g.last_len));
    assert_true(deliver(&w, LOCAL, GATEWAY, g.last, g.last_len - 1));
    uint8_t wrong[60];
    memcpy(wrong, g.last, sizeof wrong);
    wrong[24] ^= 1; /* the nonce */
    assert_true(deliver(&w, LOCAL, GATEWAY, wrong, sizeof wrong));
    memcpy(wrong, g.last, sizeof wrong);
    wrong[40] ^= 1; /* the port inside */
    assert_true(deliver(&w, LOCAL, GATEWAY, wrong, sizeof wrong));
    assert_int_equal(w.told_count, 0);
    assert_true(deliver(&w, LOCAL, GATEWAY, g.last, g.last_len));
    assert_int_equal(w.told_count, 1);
    assert_true(deliver(&w, LOCAL, GATEWAY, g.last, g.last_len)); /* again: nothing new */
    assert_int_equal(w.told_count, 1);
    portmap_free(w.portmap);
}

static void an_unasked_answer_of_natpmp_maps_nothing(void **state)
{
    (void)state;
    static const uint8_t port[] = {0, 129, 0, 0, 0, 0, 0, 9, 0x9c, 0x40, 0xc3, 0x50, 0, 0, 2, 0x58};
    struct world w = world_of(LOCAL, GATEWAY);
    exchange(&w, NULL);
    assert_true(deliver(&w, LOCAL, GATEWAY, port, sizeof port));
    assert_int_equal(w.told_count, 0);
    portmap_free(w.portmap);
}

/* ---- the years ---- */

static void a_mapping_is_renewed_after_half_its_life(void **state)
{
    (void)state;
    for (int pcp = 0; pcp < 2; pcp++) {
        struct gateway g = gateway_of(pcp, true);
        struct world w = world_of(LOCAL, GATEWAY);
        exchange(&w, &g);
        unsigned *asked = pcp ? &g.asked_pcp : &g.asked_port;
        assert_int_equal(*asked, 1);
        run(&w, &g, 299);
        assert_int_equal(*asked, 1);
        run(&w, &g, 77);
        assert_int_equal(*asked, 2);
        run(&w, &g, 3600);
        assert_true(*asked >= 9 && *asked <= 14);
        assert_int_equal(w.told_count, 1); /* it is the same all the time */
        portmap_free(w.portmap);
    }
}

static void a_gateway_that_falls_silent_loses_the_mapping_when_it_expires(void **state)
{
    (void)state;
    struct gateway g = gateway_of(true, true);
    struct world w = world_of(LOCAL, GATEWAY);
    exchange(&w, &g);
    run(&w, NULL, 599);
    assert_int_equal(w.told_count, 1);
    assert_true(w.packets > 12); /* tried again and again */
    run(&w, NULL, 2);
    assert_int_equal(w.told_count, 2);
    expect(&w, 1, PORTMAP_LOST, "198.51.100.7:40000");
    run(&w, &g, 20);
    expect(&w, 2, PORTMAP_MAPPED, "198.51.100.7:40000");
    portmap_free(w.portmap);
}

static void a_new_address_outside_is_told_at_the_renewal(void **state)
{
    (void)state;
    for (int pcp = 0; pcp < 2; pcp++) {
        struct gateway g = gateway_of(pcp, true);
        struct world w = world_of(LOCAL, GATEWAY);
        exchange(&w, &g);
        g.outside = addr_of("203.0.113.9");
        run(&w, &g, 400);
        assert_int_equal(w.told_count, 2);
        expect(&w, 1, PORTMAP_MAPPED, "203.0.113.9:40000");
        portmap_free(w.portmap);
    }
}

static void a_renewal_that_is_refused_is_a_loss(void **state)
{
    (void)state;
    for (int pcp = 0; pcp < 2; pcp++) {
        struct gateway g = gateway_of(pcp, !pcp);
        struct world w = world_of(LOCAL, GATEWAY);
        exchange(&w, &g);
        g.result = 2;
        run(&w, &g, 400);
        assert_int_equal(w.told_count, 3);
        expect(&w, 1, PORTMAP_LOST, "198.51.100.7:40000");
        expect(&w, 2, PORTMAP_FAILED, NULL);
        assert_int_equal(w.told[2].failure, PORTMAP_REFUSED);
        portmap_free(w.portmap);
    }
}

static const uint8_t announce[24] = {2, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

static void an_announced_restart_makes_us_ask_at_once(void **state)
{
    (void)state;
    static const uint8_t address[] = {0, 128, 0, 0, 0, 0, 0, 1, 198, 51, 100, 7};
    for (int pcp = 0; pcp < 2; pcp++) {
        struct gateway g = gateway_of(pcp, true);
        struct world w = world_of(LOCAL, GATEWAY);
        exchange(&w, &g);
        unsigned *asked = pcp ? &g.asked_pcp : &g.asked_port;
        w.now += 60 * NS_PER_S;
        g.born = w.now - NS_PER_S;
        assert_true(
            deliver(&w, LOCAL, GATEWAY, pcp ? announce : address, pcp ? sizeof announce : sizeof address));
        run(&w, &g, 1);
        assert_int_equal(*asked, 2);
        portmap_free(w.portmap);
    }
}

static void an_announcement_of_an_age_that_fits_changes_nothing(void **state)
{
    (void)state;
    struct gateway g = gateway_of(true, true);
    struct world w = world_of(LOCAL, GATEWAY);
    uint8_t in[sizeof announce];
    exchange(&w, &g);
    w.now += 60 * NS_PER_S;
    memcpy(in, announce, sizeof in);
    in[11] = (uint8_t)age(&g, w.now);
    assert_true(deliver(&w, LOCAL, GATEWAY, in, sizeof in));
    run(&w, &g, 1);
    assert_int_equal(g.asked_pcp, 1);
    assert_false(deliver(&w, LOCAL, "192.168.1.66:5351", announce, sizeof announce)); /* somebody else's */
    run(&w, &g, 1);
    assert_int_equal(g.asked_pcp, 1);
    portmap_free(w.portmap);
}

static void a_restart_seen_by_one_mapping_renews_the_others(void **state)
{
    (void)state;
    for (int pcp = 0; pcp < 2; pcp++) {
        struct gateway g = gateway_of(pcp, !pcp);
        unsigned *asked = pcp ? &g.asked_pcp : &g.asked_port;
        struct portmap *portmap = portmap_new(&seeded);
        struct world w = {.portmap = portmap, .now = START};
        struct portmap_local wanted[] = {{addr_of(LOCAL), addr_of(GATEWAY)},
                                         {addr_of("192.168.1.8:40001"), addr_of(GATEWAY)}};
        portmap_set_locals(portmap, w.now, wanted, 1);
        exchange(&w, &g);
        run(&w, &g, 200);
        portmap_set_locals(portmap, w.now, wanted, 2);
        exchange(&w, &g);
        run(&w, &g, 1); /* an age that fits renews nothing */
        assert_int_equal(*asked, 2);
        g.born = w.now;
        run(&w, &g, 180); /* the first one's renewal falls into it, the second one's not yet */
        assert_int_equal(*asked, 4);
        portmap_free(portmap);
    }
}

/* Everything that leaves now, but of NAT-PMP's answers only those to one operation arrive. */
static void exchange_only(struct world *w, struct gateway *g, uint8_t operation)
{
    uint8_t data[PACKET_MAX];
    struct packet out = {.data = data, .len = sizeof data};
    while (portmap_output(w->portmap, w->now, &out)) {
        bool wanted = out.data[0] == 0 && out.data[1] == operation;
        if (gateway_answer(g, w->now, &out) && wanted) {
            struct packet in = {
                .local = out.local, .remote = out.remote, .data = g->last, .len = g->last_len};
            assert_true(portmap_input(w->portmap, w->now, &in));
        }
        out = (struct packet){.data = data, .len = sizeof data};
    }
    hear(w);
}

static void a_restart_is_seen_in_the_answer_about_a_port_too(void **state)
{
    (void)state;
    struct gateway g = gateway_of(false, true);
    struct portmap *portmap = portmap_new(&seeded);
    struct world w = {.portmap = portmap, .now = START};
    struct portmap_local wanted[] = {{addr_of(LOCAL), addr_of(GATEWAY)},
                                     {addr_of("192.168.1.8:40001"), addr_of(GATEWAY)}};
    portmap_set_locals(portmap, w.now, wanted, 1);
    exchange(&w, &g);
    run(&w, &g, 200);
    portmap_set_locals(portmap, w.now, wanted, 2);
    exchange(&w, &g);
    run(&w, &g, 1);
    assert_int_equal(g.asked_port, 2);
    g.born = w.now = portmap_deadline(portmap); /* the first one's renewal */
    exchange_only(&w, &g, 1);
    assert_int_equal(g.asked_port, 3);
    while (portmap_deadline(portmap) <= g.born + 500 * NS_PER_MS) { /* no answer arrives any more */
        w.now = portmap_deadline(portmap);
        exchange_only(&w, &g, 9);
    }
    assert_true(g.asked_port > 3); /* the second one's renewal */
    portmap_free(portmap);
}

static void a_gateway_of_natpmp_without_a_port_left_is_told_from_a_silent_one(void **state)
{
    (void)state;
    struct gateway g = gateway_of(false, true);
    struct world w = world_of(LOCAL, GATEWAY);
    exchange_only(&w, &g, 0); /* its address; PCP is not answered */
    for (unsigned i = 0; i < 40 && !w.told_count; i++) {
        if (portmap_deadline(w.portmap) > w.now)
            w.now = portmap_deadline(w.portmap);
        g.result = 4; /* out of resources */
        exchange_only(&w, &g, 1);
    }
    assert_int_equal(w.told_count, 1);
    expect(&w, 0, PORTMAP_FAILED, NULL);
    assert_int_equal(w.told[0].failure, PORTMAP_FULL);
    assert_true(portmap_is_quiet(w.portmap));
    portmap_free(w.portmap);
}

/* That it speaks no PCP is known later, and no reason to leave it alone. */
static void what_natpmp_refused_is_said_though_the_gateway_then_denies_to_know_pcp(void **state)
{
    static const uint8_t not_mine[] = {0, 129, 0, 1, 0, 0, 0, 9};
    (void)state;
    struct gateway g = gateway_of(false, true);
    struct world w = world_of(LOCAL, GATEWAY);
    g.result = 4; /* out of resources */
    exchange_only(&w, &g, 0);
    assert_int_equal(w.told_count, 0);
    assert_true(deliver(&w, LOCAL, GATEWAY, not_mine, sizeof not_mine));
    assert_int_equal(w.told_count, 1);
    expect(&w, 0, PORTMAP_FAILED, NULL);
    assert_int_equal(w.told[0].failure, PORTMAP_FULL);
    g.result = 0;
    run(&w, &g, 301);
    assert_int_equal(w.told_count, 2);
    expect(&w, 1, PORTMAP_MAPPED, "198.51.100.7:40000");
    portmap_free(w.portmap);
}

/* ... but of a mapping by PCP it is the end, whatever NAT-PMP said before. */
static void a_gateway_that_knows_pcp_no_more_at_the_renewal_is_left_alone(void **state)
{
    static const uint8_t not_mine[] = {0, 129, 0, 1, 0, 0, 0, 9};
    (void)state;
    struct gateway g = gateway_of(true, true);
    struct world w = world_of(LOCAL, GATEWAY);
    g.result = 4;
    exchange_only(&w, &g, 0); /* PCP's question is lost */
    g.result = 0;
    run(&w, &g, 10);
    assert_int_equal(w.told_count, 1);
    expect(&w, 0, PORTMAP_MAPPED, "198.51.100.7:40000");
    assert_int_equal(w.told[0].protocol, PORTMAP_PCP);
    w.now = portmap_deadline(w.portmap);
    exchange(&w, NULL);
    assert_true(deliver(&w, LOCAL, GATEWAY, not_mine, sizeof not_mine));
    assert_int_equal(w.told_count, 3);
    expect(&w, 1, PORTMAP_LOST, "198.51.100.7:40000");
    expect(&w, 2, PORTMAP_FAILED, NULL);
    assert_int_equal(w.told[2].failure, PORTMAP_SILENT);
    portmap_free(w.portmap);
}

static void asked_again_in_doubt_but_not_more_often_than_every_2_s(void **state)
{
    (void)state;
    struct gateway g = gateway_of(true, false);
    struct world w = world_of(LOCAL, GATEWAY);
    exchange(&w, &g);
    for (int i = 0; i < 100; i++) {
        w.now += 100 * NS_PER_MS;
        portmap_ask_again(w.portmap, w.now);
        exchange(&w, &g);
    }
    assert_int_equal(g.asked_pcp, 6);
    portmap_free(w.portmap);
}

/* ---- the end ---- */

static void a_mapping_is_taken_back(void **state)
{
    (void)state;
    for (int pcp = 0; pcp < 2; pcp++) {
        struct gateway g = gateway_of(pcp, true);
        struct world w = world_of(LOCAL, GATEWAY);
        exchange(&w, &g);
        portmap_remove(w.portmap, w.now);
        assert_false(portmap_is_quiet(w.portmap));
        exchange(&w, &g);
        assert_int_equal(g.removed, 1);
        assert_true(portmap_is_quiet(w.portmap));
        run(&w, &g, 3600);
        assert_int_equal(g.removed, 1);
        assert_int_equal(w.told_count, 1);
        portmap_free(w.portmap);
    }
}

static void what_was_asked_for_but_not_answered_is_taken_back_too(void **state)
{
    (void)state;
    struct gateway g = gateway_of(true, true);
    struct world w = world_of(LOCAL, GATEWAY);
    exchange(&w, NULL);
    portmap_remove(w.portmap, w.now);
    run(&w, NULL, 60);
    assert_int_equal(w.packets, 5); /* two questions, and three copies of the removal */
    assert_true(portmap_is_quiet(w.portmap));
    portmap_free(w.portmap);
    w = world_of(LOCAL, GATEWAY);
    portmap_remove(w.portmap, w.now); /* before anything left: nothing to take back */
    exchange(&w, &g);
    assert_int_equal(w.packets, 0);
    portmap_free(w.portmap);
}

static void a_late_yes_does_not_end_the_removal(void **state)
{
    (void)state;
    uint8_t data[PACKET_MAX], yes[60];
    struct gateway g = gateway_of(true, false);
    struct world w = world_of(LOCAL, GATEWAY);
    struct packet out = {.data = data, .len = sizeof data};
    assert_true(portmap_output(w.portmap, w.now, &out));
    assert_true(gateway_answer(&g, w.now, &out));
    memcpy(yes, g.last, sizeof yes);
    portmap_remove(w.portmap, w.now);
    exchange(&w, NULL);
    assert_true(deliver(&w, LOCAL, GATEWAY, yes, sizeof yes));
    assert_false(portmap_is_quiet(w.portmap));
    portmap_free(w.portmap);
}

/* Before its first answer: what NAT-PMP was asked for may exist. */
static void a_port_that_natpmp_was_asked_for_is_taken_back_too(void **state)
{
    (void)state;
    uint8_t data[PACKET_MAX];
    struct gateway g = gateway_of(false, true);
    struct world w = world_of(LOCAL, GATEWAY);
    struct packet out = {.data = data, .len = sizeof data};
    while (g.asked_port == 0) { /* the answer to that question gets lost */
        assert_true(portmap_output(w.portmap, w.now, &out));
        if (gateway_answer(&g, w.now, &out) && g.asked_port == 0)
            deliver(&w, LOCAL, GATEWAY, g.last, g.last_len);
        out = (struct packet){.data = data, .len = sizeof data};
    }
    portmap_remove(w.portmap, w.now);
    run(&w, &g, 10);
    assert_int_equal(g.removed, 1);
    assert_int_equal(w.told_count, 0);
    portmap_free(w.portmap);
}

/* NAT-PMP's answer to the mapping itself, after its removal was asked for; then one to the removal. */
static void of_natpmp_too_a_late_yes_does_not_end_the_removal_but_a_no_does(void **state)
{
    (void)state;
    for (unsigned result = 0; result < 3; result++) {
        uint8_t yes[16], no[16];
        struct gateway g = gateway_of(false, true);
        struct world w = world_of(LOCAL, GATEWAY);
        exchange(&w, &g);
        assert_int_equal(g.last_len, sizeof yes);
        memcpy(yes, g.last, sizeof yes);
        memcpy(no, yes, sizeof no);
        no[3] = (uint8_t)result; /* 0 with no lifetime: removed; 2: refused; 1: another version */
        if (result == 0)
            memset(no + 12, 0, 4);
        portmap_remove(w.portmap, w.now);
        exchange(&w, NULL);
        assert_true(deliver(&w, LOCAL, GATEWAY, yes, sizeof yes));
        assert_false(portmap_is_quiet(w.portmap));
        assert_true(deliver(&w, LOCAL, GATEWAY, no, sizeof no));
        assert_true(portmap_is_quiet(w.portmap));
        assert_int_equal(portmap_deadline(w.portmap), NEVER);
        assert_int_equal(w.told_count, 1);
        portmap_free(w.portmap);
    }
}

/* RFC 6886 3.5: a server of PCP alone answers NAT-PMP by its own version. */
static void a_gateway_that_knows_no_natpmp_and_refuses_pcp_is_not_waited_for(void **state)
{
    static const uint8_t not_mine[] = {2, 128, 0, 1, 0, 0, 0, 0};
    (void)state;
    struct gateway g = gateway_of(true, false);
    struct world w = world_of(LOCAL, GATEWAY);
    exchange_refusing_pcp(&w, &g, 8); /* no resources */
    assert_int_equal(w.told_count, 0);
    assert_true(deliver(&w, LOCAL, GATEWAY, not_mine, sizeof not_mine));
    assert_int_equal(w.told_count, 1);
    expect(&w, 0, PORTMAP_FAILED, NULL);
    assert_int_equal(w.told[0].failure, PORTMAP_FULL);
    portmap_free(w.portmap);
}

static void a_version_that_was_not_asked_for_refuses_nothing(void **state)
{
    static const uint8_t natpmp[] = {0, 128, 0, 1, 0, 0, 0, 0}, pcp[] = {2, 129, 0, 1, 0, 0, 0, 0};
    (void)state;
    struct world w = world_of(LOCAL, GATEWAY);
    exchange(&w, NULL);
    deliver(&w, LOCAL, GATEWAY, natpmp, sizeof natpmp); /* PCP is over */
    deliver(&w, LOCAL, GATEWAY, natpmp, sizeof natpmp); /* NAT-PMP does not refuse itself */
    assert_false(portmap_is_quiet(w.portmap));
    assert_int_equal(w.told_count, 0);
    deliver(&w, LOCAL, GATEWAY, pcp, sizeof pcp);
    assert_true(portmap_is_quiet(w.portmap));
    assert_int_equal(w.told_count, 1);
    portmap_free(w.portmap);
}

static void who_has_taken_its_mappings_back_gets_no_new_ones(void **state)
{
    (void)state;
    struct gateway g = gateway_of(true, true);
    struct world w = world_of(LOCAL, GATEWAY);
    struct portmap_local moved = {addr_of("192.168.1.99:40000"), addr_of(GATEWAY)};
    exchange(&w, &g);
    portmap_remove(w.portmap, w.now);
    exchange(&w, &g);
    portmap_remove(w.portmap, w.now); /* twice: once is enough */
    portmap_set_locals(w.portmap, w.now, &moved, 1);
    run(&w, &g, 10);
    assert_int_equal(g.removed, 1);
    assert_int_equal(g.asked_pcp, 2);
    portmap_free(w.portmap);
}

static void an_address_that_is_gone_is_forgotten_and_a_new_one_mapped(void **state)
{
    (void)state;
    struct gateway g = gateway_of(true, false);
    struct world w = world_of(LOCAL, GATEWAY);
    struct portmap_local moved = {addr_of("192.168.1.99:40000"), addr_of(GATEWAY)};
    exchange(&w, &g);
    portmap_set_locals(w.portmap, w.now, &moved, 1);
    exchange(&w, &g);
    assert_int_equal(w.told_count, 2);
    expect(&w, 1, PORTMAP_MAPPED, "198.51.100.7:40000");
    assert_true(addr_equal(&w.told[1].local, &moved.local));
    portmap_set_locals(w.portmap, w.now, &moved, 1); /* the same again: nothing */
    exchange(&w, &g);
    assert_int_equal(g.asked_pcp, 2);
    portmap_set_locals(w.portmap, w.now, NULL, 0);
    run(&w, &g, 3600);
    assert_int_equal(g.asked_pcp, 2);
    portmap_free(w.portmap);
}

static void more_addresses_than_the_limit_are_ignored(void **state)
{
    (void)state;
    struct portmap_local many[PORTMAP_LOCALS_MAX + 2];
    struct gateway g = gateway_of(true, false);
    struct world w = {.portmap = portmap_new(&seeded), .now = START};
    for (size_t i = 0; i < PORTMAP_LOCALS_MAX + 2; i++) {
        many[i] = (struct portmap_local){addr_of(LOCAL), addr_of(GATEWAY)};
        many[i].local.port = (uint16_t)(40000 + i);
    }
    portmap_set_locals(w.portmap, w.now, many, PORTMAP_LOCALS_MAX + 2);
    exchange(&w, &g);
    assert_int_equal(w.told_count, PORTMAP_LOCALS_MAX);
    for (size_t i = 0; i < PORTMAP_LOCALS_MAX; i++)
        assert_true(addr_equal(&w.told[i].local, &many[i].local));
    portmap_free(w.portmap);
}

static bool construct(void *context)
{
    struct portmap *portmap = portmap_new(context);
    portmap_free(portmap);
    return portmap != NULL;
}

static void without_memory_there_is_no_machine(void **state)
{
    (void)state;
    assert_int_equal(fail_alloc_each(construct, (void *)&seeded), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pcp_maps_in_one_round_trip),
        cmocka_unit_test(a_gateway_without_pcp_says_so_and_natpmp_maps),
        cmocka_unit_test(a_gateway_that_is_silent_about_pcp_costs_50_ms),
        cmocka_unit_test(a_port_other_than_the_wished_one_is_taken),
        cmocka_unit_test(an_ipv6_firewall_is_opened_by_pcp_alone),
        cmocka_unit_test(a_silent_gateway_is_asked_for_sixteen_seconds_and_never_again),
        cmocka_unit_test(a_refusal_is_said_once_and_tried_again_later),
        cmocka_unit_test(natpmp_gets_what_pcp_refuses),
        cmocka_unit_test(a_nat_in_between_is_said_and_natpmp_not_trusted),
        cmocka_unit_test(a_private_address_outside_is_said_and_the_mapping_taken_back),
        cmocka_unit_test(an_answer_counts_only_from_the_gateway_to_the_address_that_asked),
        cmocka_unit_test(an_unasked_answer_of_natpmp_maps_nothing),
        cmocka_unit_test(a_mapping_is_renewed_after_half_its_life),
        cmocka_unit_test(a_gateway_that_falls_silent_loses_the_mapping_when_it_expires),
        cmocka_unit_test(a_new_address_outside_is_told_at_the_renewal),
        cmocka_unit_test(a_renewal_that_is_refused_is_a_loss),
        cmocka_unit_test(an_announced_restart_makes_us_ask_at_once),
        cmocka_unit_test(an_announcement_of_an_age_that_fits_changes_nothing),
        cmocka_unit_test(a_restart_seen_by_one_mapping_renews_the_others),
        cmocka_unit_test(what_natpmp_refused_is_said_though_the_gateway_then_denies_to_know_pcp),
        cmocka_unit_test(a_gateway_that_knows_pcp_no_more_at_the_renewal_is_left_alone),
        cmocka_unit_test(asked_again_in_doubt_but_not_more_often_than_every_2_s),
        cmocka_unit_test(a_mapping_is_taken_back),
        cmocka_unit_test(what_was_asked_for_but_not_answered_is_taken_back_too),
        cmocka_unit_test(a_late_yes_does_not_end_the_removal),
        cmocka_unit_test(an_address_that_is_gone_is_forgotten_and_a_new_one_mapped),
        cmocka_unit_test(more_addresses_than_the_limit_are_ignored),
        cmocka_unit_test(without_memory_there_is_no_machine),
        cmocka_unit_test(a_port_that_natpmp_was_asked_for_is_taken_back_too),
        cmocka_unit_test(of_natpmp_too_a_late_yes_does_not_end_the_removal_but_a_no_does),
        cmocka_unit_test(a_gateway_that_knows_no_natpmp_and_refuses_pcp_is_not_waited_for),
        cmocka_unit_test(a_version_that_was_not_asked_for_refuses_nothing),
        cmocka_unit_test(who_has_taken_its_mappings_back_gets_no_new_ones),
        cmocka_unit_test(a_restart_is_seen_in_the_answer_about_a_port_too),
        cmocka_unit_test(a_gateway_of_natpmp_without_a_port_left_is_told_from_a_silent_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
