/* test_nat_life.c - the life of an idle mapping is told, between two spans, behind NATs that forget after a
 * given time: the simulator's. The servers are real. */
#include "fail_alloc.h"
#include "nat_life.h"
#include "sim/sim_nat.h"
#include "stun_msg.h"
#include "stun_server.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FLYING = 64, SOCKETS = NAT_LIFE_SOCKETS };

struct flight {
    struct addr from, to;
    uint64_t at;
    uint8_t data[256];
    size_t len; /* 0: a free place */
};

/* A machine with its sockets, the NAT before it, and a server. */
struct world {
    struct chance chance;
    struct random random;
    struct sim_nat nat;
    struct stun_server *server;
    struct addr address[4];
    bool deaf; /* the server does not read RESPONSE-PORT, and answers as if it were not there */
    bool dead; /* the server says nothing */
    unsigned loss;
    uint64_t from, until; /* when nothing arrives at sockets[1] */
    uint64_t now, started;
    struct addr asker, sockets[SOCKETS];
    struct flight flying[FLYING];
    struct nat_life *life;
    unsigned sent, busiest, this_second, changed, done;
    uint64_t second, done_at;
};

static struct addr addr_of(const char *text)
{
    struct addr addr;
    assert_true(addr_parse(&addr, text));
    return addr;
}

static struct world *build(const struct nat_kind *kind, unsigned life_s, bool speaks_5780, uint64_t seed)
{
    struct world *w = calloc(1, sizeof *w);
    struct addr outside = addr_of("198.51.100.7");
    struct stun_server_config config = {.address = {{addr_of("203.0.113.1:3478")}}};
    w->chance.state = seed;
    w->random = (struct random){chance_fill, &w->chance};
    w->now = w->started = 1000 * NS_PER_S;
    nat_init(&w->nat, kind, &outside, life_s * NS_PER_S, &w->chance);
    if (speaks_5780) {
        config.address[0][1] = addr_of("203.0.113.1:3479");
        config.address[1][0] = addr_of("203.0.113.2:3478");
        config.address[1][1] = addr_of("203.0.113.2:3479");
    }
    memcpy(w->address, config.address, sizeof w->address);
    w->server = stun_server_new(&config);
    w->life = nat_life_new(&w->random);
    assert_true(w->server && w->life);
    w->asker = addr_of("192.168.1.2:4000");
    for (unsigned i = 0; i < SOCKETS; i++) {
        w->sockets[i] = w->asker;
        w->sockets[i].port = (uint16_t)(50000 + i * 7);
    }
    return w;
}

static void begin(struct world *w, bool keeps_ports)
{
    nat_life_begin(w->life, w->now, &w->address[0], &w->asker, w->sockets, SOCKETS, keeps_ports);
}

static void tear_down(struct world *w)
{
    nat_life_free(w->life);
    stun_server_free(w->server);
    nat_free(&w->nat);
    free(w);
}

static void fly(struct world *w, const struct addr *from, const struct addr *to, const uint8_t *data,
                size_t len)
{
    if (chance_percent(&w->chance, w->loss))
        return;
    for (unsigned i = 0; i < FLYING; i++) {
        struct flight *flight = &w->flying[i];
        if (flight->len)
            continue;
        assert_in_range(len, 1, sizeof flight->data);
        *flight = (struct flight){.from = *from, .to = *to, .at = w->now + 20 * NS_PER_MS, .len = len};
        memcpy(flight->data, data, len);
        return;
    }
    fail_msg("too many datagrams under way");
}

/* What a server that has never heard of RESPONSE-PORT sees: the request without it. */
static void strip(struct packet *in)
{
    in->len = 20;
    in->data[2] = in->data[3] = 0;
}

static void arrive(struct world *w, const struct flight *flight)
{
    uint8_t data[256];
    memcpy(data, flight->data, flight->len);
    struct packet in = {.local = flight->to, .remote = flight->from, .data = data, .len = flight->len};
    struct packet out = {.data = data, .len = sizeof data};
    bool outwards = false;
    for (unsigned i = 0; i < 4; i++)
        outwards |= addr_equal(&flight->to, &w->address[i]);
    if (!outwards) {
        bool swallowed = flight->at >= w->from && flight->at < w->until;
        if (nat_inbound(&w->nat, w->now, &in.remote, &in.local) &&
            !(swallowed && addr_equal(&in.local, &w->sockets[1])))
            nat_life_input(w->life, w->now, &in);
        return;
    }
    if (w->dead)
        return;
    if (w->deaf)
        strip(&in);
    stun_server_input(w->server, w->now, &in);
    if (stun_server_output(w->server, w->now, &out))
        fly(w, &out.local, &out.remote, out.data, out.len);
}

static void count(struct world *w)
{
    if (w->now / NS_PER_S != w->second) {
        w->second = w->now / NS_PER_S;
        w->this_second = 0;
    }
    w->sent++;
    w->this_second++;
    w->busiest = w->this_second > w->busiest ? w->this_second : w->busiest;
}

static void drain(struct world *w)
{
    uint8_t data[256];
    struct nat_life_event event;
    struct packet out = {.data = data, .len = sizeof data};
    while (nat_life_output(w->life, w->now, &out)) {
        struct addr from = out.local;
        count(w);
        if (nat_outbound(&w->nat, w->now, &from, &out.remote, &w->chance))
            fly(w, &from, &out.remote, out.data, out.len);
        out = (struct packet){.data = data, .len = sizeof data};
    }
    while (nat_life_event(w->life, w->now, &event)) {
        w->changed += event.type == NAT_LIFE_CHANGED;
        w->done += event.type == NAT_LIFE_DONE;
        w->done_at = event.type == NAT_LIFE_DONE ? w->now : w->done_at;
    }
}

/* Until it is done, or for so long. */
static void run(struct world *w, uint64_t seconds)
{
    uint64_t until = w->now + seconds * NS_PER_S;
    while (!w->done) {
        drain(w);
        uint64_t next = nat_life_deadline(w->life);
        for (unsigned i = 0; i < FLYING; i++)
            if (w->flying[i].len && w->flying[i].at < next)
                next = w->flying[i].at;
        if (next > until || w->done)
            break;
        w->now = next > w->now ? next : w->now;
        for (unsigned i = 0; i < FLYING; i++)
            if (w->flying[i].len && w->flying[i].at <= w->now) {
                struct flight flight = w->flying[i];
                w->flying[i].len = 0;
                arrive(w, &flight);
            }
    }
    w->now = w->done ? w->now : until;
}

/* Whether the verdict holds `life_s`, and no more than there is between two spans. */
static void must_tell(const struct world *w, unsigned life_s)
{
    const struct nat_life_verdict *told = nat_life_verdict(w->life);
    bool good = told->alive_s <= life_s && (told->dead_s == 0 || life_s <= told->dead_s) && w->done == 1 &&
                told->trouble == NAT_LIFE_WELL && (told->dead_s || told->alive_s == NAT_LIFE_MAX_S);
    if (!good)
        fail_msg("it lives %u s, told %u to %u, trouble %d, done %u", life_s, told->alive_s, told->dead_s,
                 told->trouble, w->done);
}

static const unsigned lives_s[] = {5, 10, 15, 20, 30, 60, 90, 120, 180, 300, 400};

static void every_life_is_told_behind_every_kind_of_nat(void **state)
{
    (void)state;
    for (size_t i = 0; i < NAT_KINDS; i++)
        for (size_t k = 0; k < sizeof lives_s / sizeof *lives_s; k++) {
            if (nat_kinds[i].blocked)
                continue;
            struct world *w = build(&nat_kinds[i], lives_s[k], true, i * 100 + k);
            begin(w, nat_kinds[i].ports == NAT_PRESERVE);
            run(w, 400);
            must_tell(w, lives_s[k]);
            tear_down(w);
        }
}

static const struct nat_kind keeping = {
    .name = "keeping", .filtering = NAT_ADDRESS_PORT_DEPENDENT, .ports = NAT_PRESERVE};
static const struct nat_kind drawing = {.name = "drawing",
                                        .mapping = NAT_ADDRESS_PORT_DEPENDENT,
                                        .filtering = NAT_ADDRESS_PORT_DEPENDENT,
                                        .ports = NAT_RANDOM};

static void twenty_seconds_are_told_closely_and_in_little_more_time(void **state)
{
    (void)state;
    struct world *w = build(&keeping, 20, true, 1);
    begin(w, true);
    run(w, 400);
    assert_int_equal(nat_life_verdict(w->life)->alive_s, 19);
    assert_int_equal(nat_life_verdict(w->life)->dead_s, 22);
    assert_in_range((w->done_at - w->started) / NS_PER_S, 24, 27);
    assert_in_range(w->busiest, 1, STUN_SERVER_RATE + 4);
    tear_down(w);
}

static void it_never_takes_longer_than_it_says(void **state)
{
    (void)state;
    struct world *w = build(&keeping, 1000, true, 2);
    begin(w, true);
    run(w, 400);
    assert_int_equal(nat_life_verdict(w->life)->alive_s, NAT_LIFE_MAX_S);
    assert_int_equal(nat_life_verdict(w->life)->dead_s, 0);
    assert_in_range((w->done_at - w->started) / NS_PER_S, NAT_LIFE_MAX_S, NAT_LIFE_ALL_S - 1);
    assert_int_equal(nat_life_deadline(w->life), NEVER);
    tear_down(w);
}

static void ports_that_change_tell_it_where_a_server_cannot_knock(void **state)
{
    (void)state;
    for (unsigned deaf = 0; deaf < 2; deaf++) {
        struct world *w = build(&drawing, 20, deaf, 3);
        w->deaf = deaf;
        begin(w, false);
        run(w, 400);
        assert_int_equal(nat_life_verdict(w->life)->alive_s, 19);
        assert_int_equal(nat_life_verdict(w->life)->dead_s, 22);
        tear_down(w);
    }
}

static void ports_that_stay_tell_nothing_where_a_server_cannot_knock(void **state)
{
    (void)state;
    for (unsigned known = 0; known < 2; known++) {
        struct world *w = build(&keeping, 20, false, 4);
        begin(w, known);
        run(w, 400);
        const struct nat_life_verdict *told = nat_life_verdict(w->life);
        assert_int_equal(w->done, 1);
        assert_int_equal(told->trouble, NAT_LIFE_HIDDEN);
        assert_true(told->alive_s == 0 && told->dead_s == 0);
        assert_int_equal((w->done_at - w->started) / NS_PER_S < 5, known); /* why wait for it */
        tear_down(w);
    }
}

static void a_server_that_dies_is_no_mapping_that_died(void **state)
{
    (void)state;
    struct world *w = build(&keeping, 120, true, 5);
    begin(w, true);
    run(w, 40);
    assert_int_equal(nat_life_verdict(w->life)->alive_s, 33);
    w->dead = true;
    run(w, 400);
    assert_int_equal(w->done, 1);
    assert_int_equal(nat_life_verdict(w->life)->alive_s, 33);
    assert_int_equal(nat_life_verdict(w->life)->dead_s, 0);
    tear_down(w);
}

static void a_server_that_never_answers_ends_it_soon(void **state)
{
    (void)state;
    struct world *w = build(&keeping, 20, true, 6);
    w->dead = true;
    begin(w, true);
    run(w, 30);
    assert_int_equal(w->done, 1);
    assert_int_equal(nat_life_verdict(w->life)->trouble, NAT_LIFE_SILENT);
    tear_down(w);
}

static void lost_packets_change_no_verdict(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 100; seed++) {
        struct world *w = build(seed % 2 ? &keeping : &drawing, 30, true, 1000 + seed);
        w->loss = 10;
        begin(w, seed % 2);
        run(w, 400);
        must_tell(w, 30);
        tear_down(w);
    }
}

static void a_span_whose_every_knock_was_lost_is_overruled_by_the_next(void **state)
{
    (void)state;
    struct world *w = build(&keeping, 30, true, 9);
    w->from = w->started + 10 * NS_PER_S;
    w->until = w->from + 7400 * NS_PER_MS; /* it asks again itself soon after: the server is not silent */
    begin(w, true);
    run(w, 19);
    assert_int_equal(nat_life_verdict(w->life)->dead_s, 14);
    run(w, 400);
    assert_int_equal(nat_life_verdict(w->life)->alive_s, 28);
    assert_int_equal(nat_life_verdict(w->life)->dead_s, 33);
    tear_down(w);
}

static void strangers_and_stale_answers_have_no_say(void **state)
{
    (void)state;
    uint8_t data[256];
    struct world *w = build(&keeping, 20, true, 7);
    struct packet out = {.data = data, .len = sizeof data};
    begin(w, true);
    assert_true(nat_life_output(w->life, w->now, &out));
    data[1] = 1, data[0] = 1; /* a success */
    struct packet in = {
        .local = out.local, .remote = addr_of("203.0.113.9:3478"), .data = data, .len = out.len};
    assert_false(nat_life_input(w->life, w->now, &in)); /* from elsewhere */
    in.remote = w->address[0];
    data[19] ^= 1;
    assert_false(nat_life_input(w->life, w->now, &in)); /* to another question */
    data[19] ^= 1;
    assert_true(nat_life_input(w->life, w->now, &in));  /* without an address: it counts as none */
    assert_false(nat_life_input(w->life, w->now, &in)); /* twice */
    for (size_t len = 0; len < out.len; len++) {
        in.len = len;
        assert_false(nat_life_input(w->life, w->now, &in));
    }
    tear_down(w);
}

/* What a server asks or says of itself is no answer, whatever its id. */
static void only_an_answer_is_taken_for_one(void **state)
{
    (void)state;
    uint8_t data[256];
    struct world *w = build(&keeping, 20, true, 8);
    struct packet out = {.data = data, .len = sizeof data};
    begin(w, true);
    assert_true(nat_life_output(w->life, w->now, &out));
    struct packet in = {.local = out.local, .remote = w->address[0], .data = data, .len = out.len};
    assert_false(nat_life_input(w->life, w->now, &in)); /* a request */
    data[0] = 0, data[1] = 0x11;
    assert_false(nat_life_input(w->life, w->now, &in)); /* an indication */
    data[0] = 1, data[1] = 0x11;
    assert_true(nat_life_input(w->life, w->now, &in)); /* an error */
    tear_down(w);
}

/* An answer of the first span's socket, `after` its question left. */
static void answer_first(struct world *w, const struct packet *out, uint64_t after)
{
    struct stun_msg question, answer = {.class = STUN_SUCCESS, .method = STUN_BINDING};
    uint8_t data[256];
    assert_true(stun_decode(&question, out->data, out->len));
    memcpy(answer.id, question.id, sizeof answer.id);
    answer.mapped = addr_of("198.51.100.7:40000");
    struct packet in = {.local = out->local, .remote = w->address[0], .data = data};
    in.len = stun_encode(&answer, NULL, data, sizeof data);
    w->now += after;
    assert_true(nat_life_input(w->life, w->now, &in));
}

/* Beyond a satellite a second knock leaves when the first could have been answered. */
static void a_knock_waits_for_twice_the_round_trip(void **state)
{
    (void)state;
    uint8_t data[256];
    struct world *w = build(&keeping, 20, true, 9);
    struct packet out = {.data = data, .len = sizeof data};
    nat_life_begin(w->life, w->now, &w->address[0], &w->asker, w->sockets, 1, true);
    assert_true(nat_life_output(w->life, w->now, &out));
    answer_first(w, &out, 240 * NS_PER_MS);
    out = (struct packet){.data = data, .len = sizeof data};
    assert_true(nat_life_output(w->life, w->now, &out)); /* to the first socket's public port */
    assert_true(addr_equal(&out.local, &w->asker));
    out = (struct packet){.data = data, .len = sizeof data};
    assert_false(nat_life_output(w->life, w->now, &out));
    assert_int_equal(nat_life_deadline(w->life), w->now + 480 * NS_PER_MS);
    tear_down(w);
}

static void fewer_sockets_leave_the_longest_spans_out(void **state)
{
    (void)state;
    struct world *w = build(&keeping, 1000, true, 8);
    nat_life_begin(w->life, w->now, &w->address[0], &w->asker, w->sockets, 4, true);
    run(w, 400);
    assert_int_equal(nat_life_verdict(w->life)->alive_s, 22);
    assert_int_equal(nat_life_verdict(w->life)->dead_s, 0);
    tear_down(w);
    w = build(&keeping, 1000, true, 8);
    nat_life_begin(w->life, w->now, &w->address[0], &w->asker, w->sockets, 0, true);
    run(w, 1);
    assert_int_equal(w->done, 1);
    tear_down(w);
}

static void no_memory_is_survived(void **state)
{
    (void)state;
    fail_alloc_left = 1;
    assert_null(nat_life_new(NULL));
    fail_alloc_left = 0;
    nat_life_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_life_is_told_behind_every_kind_of_nat),
        cmocka_unit_test(twenty_seconds_are_told_closely_and_in_little_more_time),
        cmocka_unit_test(it_never_takes_longer_than_it_says),
        cmocka_unit_test(ports_that_change_tell_it_where_a_server_cannot_knock),
        cmocka_unit_test(ports_that_stay_tell_nothing_where_a_server_cannot_knock),
        cmocka_unit_test(a_server_that_dies_is_no_mapping_that_died),
        cmocka_unit_test(a_server_that_never_answers_ends_it_soon),
        cmocka_unit_test(lost_packets_change_no_verdict),
        cmocka_unit_test(a_span_whose_every_knock_was_lost_is_overruled_by_the_next),
        cmocka_unit_test(strangers_and_stale_answers_have_no_say),
        cmocka_unit_test(fewer_sockets_leave_the_longest_spans_out),
        cmocka_unit_test(no_memory_is_survived),
        cmocka_unit_test(only_an_answer_is_taken_for_one),
        cmocka_unit_test(a_knock_waits_for_twice_the_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
