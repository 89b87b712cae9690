/* test_turn_client.c - an allocation at a TURN server, from the first question to the goodbye. The server
 * here is a few lines that answer as they are told; tests/interop has a real one. */
#include "fail_alloc.h"
#include "stun_msg.h"
#include "turn_client.h"
#include <stdlib.h>
#include <string.h>

static void linear(void *context, uint8_t *out, size_t len)
{
    uint64_t *state = context;
    for (size_t i = 0; i < len; i++) {
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        out[i] = (uint8_t)(*state >> 56);
    }
}

static uint64_t seed;
static const struct random seeded = {linear, &seed};
static const uint64_t START = 5 * NS_PER_S;
static const char *const SERVER = "203.0.113.1:3478", *const RELAYED = "203.0.113.1:50000",
                         *const RELAYED6 = "[2001:db8::1]:50001", *const PEER = "198.51.100.7:4000",
                         *const PEER6 = "[2001:db8::7]:4000", *const MAPPED = "192.0.2.1:40000";

static struct addr addr_of(const char *text)
{
    struct addr addr;
    assert_true(addr_parse(&addr, text));
    return addr;
}

/* A client, and the server's side of it. */
struct turn {
    struct turn_client *client;
    uint64_t now;
    bool stream;
    uint8_t data[PACKET_MAX]; /* what left last */
    struct packet out;
    struct stun_msg asked;
    uint8_t key[16];
};

static struct turn begin(bool stream)
{
    struct turn t = {.now = START, .stream = stream};
    struct turn_config config = {
        .server = addr_of(SERVER), .stream = stream, .user = "user", .password = "pass", .random = &seeded};
    t.client = turn_client_new(&config);
    assert_non_null(t.client);
    stun_long_term_key(t.key, "user", "realm", "pass");
    return t;
}

static void end(struct turn *t)
{
    turn_client_free(t->client);
}

/* Whether a request leaves now; it is in t->asked. */
static bool asks(struct turn *t)
{
    t->out = (struct packet){.data = t->data, .len = sizeof t->data};
    if (!turn_client_output(t->client, t->now, &t->out))
        return false;
    assert_true(stun_decode(&t->asked, t->out.data, t->out.len));
    assert_int_equal(t->asked.class, STUN_REQUEST);
    assert_true(addr_equal(&t->out.remote, &(struct addr[]){addr_of(SERVER)}[0]));
    assert_int_equal(t->out.segment, 0);
    return true;
}

static void must_ask(struct turn *t, enum stun_method method)
{
    assert_true(asks(t));
    assert_int_equal(t->asked.method, method);
}

static bool is_keyed(const struct turn *t, const char *nonce)
{
    struct stun_key key = {t->key, sizeof t->key};
    return stun_check(&t->asked, t->out.data, &key) == STUN_INTEGRITY_GOOD && t->asked.username.at &&
           t->asked.nonce.len == strlen(nonce) && memcmp(t->asked.nonce.at, nonce, strlen(nonce)) == 0;
}

/* Hands over bytes of the server; returns how many datagrams of peers were in them, the last in *inner. */
static unsigned deliver(struct turn *t, uint8_t *data, size_t len, struct packet *inner)
{
    struct packet in = {.data = data, .len = len, .remote = addr_of(SERVER)}, got;
    unsigned count = 0;
    while (turn_client_input(t->client, t->now, &in, &got)) {
        *inner = got;
        count++;
    }
    return count;
}

static struct stun_msg reply(const struct turn *t, enum stun_class class)
{
    struct stun_msg msg = {.class = class, .method = t->asked.method};
    memcpy(msg.id, t->asked.id, STUN_ID_LEN);
    return msg;
}

static void answer(struct turn *t, struct stun_msg *msg, bool keyed)
{
    uint8_t data[PACKET_MAX];
    struct stun_key key = {t->key, sizeof t->key};
    struct packet inner;
    msg->has |= keyed ? STUN_HAS_INTEGRITY : 0;
    size_t len = stun_encode(msg, &key, data, sizeof data);
    assert_true(len > 0);
    assert_int_equal(deliver(t, data, len, &inner), 0);
}

static void answer_error(struct turn *t, unsigned error, const char *nonce)
{
    struct stun_msg msg = reply(t, STUN_ERROR);
    msg.error = (uint16_t)error;
    if (nonce) {
        msg.realm = (struct stun_text){"realm", 5};
        msg.nonce = (struct stun_text){nonce, strlen(nonce)};
    }
    answer(t, &msg, false);
}

static void answer_allocated(struct turn *t)
{
    struct stun_msg msg = reply(t, STUN_SUCCESS);
    msg.relayed = addr_of(RELAYED);
    msg.relayed_too = addr_of(RELAYED6);
    msg.mapped = addr_of(MAPPED);
    msg.has = STUN_HAS_LIFETIME;
    msg.lifetime_s = 600;
    answer(t, &msg, true);
}

static void answer_yes(struct turn *t)
{
    struct stun_msg msg = reply(t, STUN_SUCCESS);
    answer(t, &msg, true);
}

static void must_fail(struct turn *t, enum turn_failure failure)
{
    struct turn_event event;
    assert_true(turn_client_event(t->client, &event));
    assert_int_equal(event.type, TURN_FAILED);
    assert_int_equal(event.failure, failure);
    assert_true(strlen(event.text) > 0);
    assert_false(turn_client_event(t->client, &event));
    assert_true(turn_client_is_closed(t->client));
    assert_true(turn_client_deadline(t->client) == NEVER);
    assert_false(asks(t));
}

/* A client with its allocation. */
static struct turn ready(bool stream)
{
    struct turn t = begin(stream);
    struct turn_event event;
    must_ask(&t, STUN_ALLOCATE);
    answer_error(&t, 401, "nonce1");
    must_ask(&t, STUN_ALLOCATE);
    answer_allocated(&t);
    assert_true(turn_client_event(t.client, &event));
    assert_int_equal(event.type, TURN_ALLOCATED);
    assert_false(asks(&t));
    return t;
}

/* ---- the allocation ---- */

static void an_allocation_is_asked_for_with_credentials_once_realm_and_nonce_are_known(void **state)
{
    (void)state;
    struct turn t = begin(false);
    struct turn_event event;
    assert_true(turn_client_deadline(t.client) <= t.now);
    must_ask(&t, STUN_ALLOCATE);
    assert_int_equal(t.asked.transport, STUN_TRANSPORT_UDP);
    assert_int_equal(t.asked.additional_family, 6);
    assert_false(t.asked.has & STUN_HAS_INTEGRITY);
    assert_null(t.asked.username.at);
    answer_error(&t, 401, "nonce1");
    must_ask(&t, STUN_ALLOCATE);
    assert_true(is_keyed(&t, "nonce1"));
    assert_false(turn_client_event(t.client, &event));
    answer_allocated(&t);
    assert_true(turn_client_event(t.client, &event));
    assert_int_equal(event.type, TURN_ALLOCATED);
    assert_int_equal(event.relayed_count, 2);
    assert_true(turn_client_is_relayed(t.client, &event.relayed[0]));
    assert_true(turn_client_is_relayed(t.client, &event.relayed[1]));
    struct addr mapped = addr_of(MAPPED);
    assert_true(addr_equal(&event.mapped, &mapped));
    assert_false(turn_client_is_relayed(t.client, &mapped));
    assert_false(turn_client_event(t.client, &event));
    end(&t);
}

static void requests_are_repeated_over_udp_until_the_server_counts_as_silent(void **state)
{
    (void)state;
    struct turn t = begin(false);
    unsigned copies = 0;
    while (turn_client_deadline(t.client) != NEVER) {
        t.now = turn_client_deadline(t.client) > t.now ? turn_client_deadline(t.client) : t.now;
        while (asks(&t))
            copies++;
    }
    assert_int_equal(copies, 12);
    assert_true(t.now - START == 5750 * NS_PER_MS);
    must_fail(&t, TURN_SILENT);
    end(&t);
}

static void over_a_stream_nothing_is_repeated(void **state)
{
    (void)state;
    struct turn t = begin(true);
    must_ask(&t, STUN_ALLOCATE);
    assert_false(asks(&t));
    assert_true(turn_client_deadline(t.client) == START + 10 * NS_PER_S);
    t.now = START + 10 * NS_PER_S;
    assert_false(asks(&t));
    must_fail(&t, TURN_SILENT);
    end(&t);
}

static void wrong_credentials_are_refused_for_good(void **state)
{
    (void)state;
    struct turn t = begin(false);
    must_ask(&t, STUN_ALLOCATE);
    answer_error(&t, 401, "nonce1");
    must_ask(&t, STUN_ALLOCATE);
    answer_error(&t, 401, "nonce2");
    must_fail(&t, TURN_REFUSED);
    end(&t);
}

static void every_refusal_is_told_in_words(void **state)
{
    (void)state;
    static const struct {
        unsigned error;
        enum turn_failure failure;
    } cases[] = {{300, TURN_ELSEWHERE}, {400, TURN_REFUSED}, {403, TURN_REFUSED}, {420, TURN_REFUSED},
                 {441, TURN_REFUSED},   {442, TURN_REFUSED}, {486, TURN_FULL},    {500, TURN_FULL},
                 {508, TURN_FULL},      {599, TURN_FULL},    {699, TURN_FULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct turn t = begin(i % 2);
        must_ask(&t, STUN_ALLOCATE);
        answer_error(&t, 401, "nonce1");
        must_ask(&t, STUN_ALLOCATE);
        answer_error(&t, cases[i].error, NULL);
        must_fail(&t, cases[i].failure);
        end(&t);
    }
}

static void another_server_that_is_named_is_told(void **state)
{
    (void)state;
    struct turn t = begin(false);
    struct turn_event event;
    must_ask(&t, STUN_ALLOCATE);
    struct stun_msg msg = reply(&t, STUN_ERROR);
    msg.error = 300;
    msg.alternate = addr_of("203.0.113.99:3479");
    answer(&t, &msg, false);
    assert_true(turn_client_event(t.client, &event));
    assert_int_equal(event.failure, TURN_ELSEWHERE);
    assert_int_equal(event.error, 300);
    assert_true(addr_equal(&event.alternate, &msg.alternate));
    end(&t);
}

static void a_stale_nonce_is_replaced_but_not_for_ever(void **state)
{
    (void)state;
    static const char *const nonces[] = {"a", "bb", "ccc"};
    struct turn t = begin(false);
    must_ask(&t, STUN_ALLOCATE);
    answer_error(&t, 401, "nonce1");
    for (size_t i = 0; i < 3; i++) {
        must_ask(&t, STUN_ALLOCATE);
        answer_error(&t, 438, nonces[i]);
    }
    must_ask(&t, STUN_ALLOCATE);
    assert_true(is_keyed(&t, "ccc"));
    answer_error(&t, 438, "dddd");
    must_fail(&t, TURN_FULL);
    end(&t);
}

static void an_older_allocation_in_the_way_is_ended_once(void **state)
{
    (void)state;
    struct turn t = begin(false);
    must_ask(&t, STUN_ALLOCATE);
    answer_error(&t, 401, "nonce1");
    must_ask(&t, STUN_ALLOCATE);
    answer_error(&t, 437, NULL);
    must_ask(&t, STUN_REFRESH);
    assert_int_equal(t.asked.lifetime_s, 0);
    assert_true(t.asked.has & STUN_HAS_LIFETIME && is_keyed(&t, "nonce1"));
    answer_yes(&t);
    must_ask(&t, STUN_ALLOCATE);
    answer_error(&t, 437, NULL);
    must_fail(&t, TURN_LOST);
    end(&t);
}

/* How often the request has an attribute of the type, with the value of IPv6. */
static unsigned count_ipv6(const struct turn *t, uint16_t type)
{
    const uint8_t wanted[8] = {(uint8_t)(type >> 8), (uint8_t)type, 0, 4, 2};
    unsigned count = 0;
    for (size_t at = 20; at + sizeof wanted <= t->out.len; at += 4)
        count += memcmp(t->out.data + at, wanted, sizeof wanted) == 0;
    return count;
}

static void both_families_are_asked_for_by_the_rfc_and_by_its_drafts(void **state)
{
    (void)state;
    struct turn t = begin(false);
    must_ask(&t, STUN_ALLOCATE);
    assert_int_equal(t.asked.additional_family, 6);
    assert_int_equal(count_ipv6(&t, 0x8000), 1);
    assert_int_equal(count_ipv6(&t, 0x8032), 1); /* coturn until 2025 */
    assert_int_equal(count_ipv6(&t, 0x0017), 0);
    end(&t);
}

static void a_server_that_gives_no_two_families_is_asked_for_one(void **state)
{
    (void)state;
    struct turn t = begin(false);
    must_ask(&t, STUN_ALLOCATE);
    answer_error(&t, 440, NULL);
    must_ask(&t, STUN_ALLOCATE);
    assert_false(t.asked.has & (STUN_HAS_FAMILY | STUN_HAS_ADDITIONAL_FAMILY));
    answer_error(&t, 440, NULL);
    must_ask(&t, STUN_ALLOCATE);
    assert_int_equal(t.asked.family, 6);
    assert_false(t.asked.has & STUN_HAS_ADDITIONAL_FAMILY);
    answer_error(&t, 440, NULL);
    must_fail(&t, TURN_REFUSED);
    end(&t);
}

static void an_answer_without_our_key_is_dropped(void **state)
{
    (void)state;
    struct turn t = begin(false);
    struct turn_event event;
    struct turn_stats stats;
    must_ask(&t, STUN_ALLOCATE);
    answer_error(&t, 401, "nonce1");
    must_ask(&t, STUN_ALLOCATE);
    struct stun_msg msg = reply(&t, STUN_SUCCESS);
    msg.relayed = addr_of(RELAYED);
    answer(&t, &msg, false);
    t.key[3] ^= 1;
    answer_allocated(&t);
    t.key[3] ^= 1;
    assert_false(turn_client_event(t.client, &event));
    turn_client_stats(t.client, &stats);
    assert_int_equal(stats.malformed, 2);
    answer_allocated(&t);
    assert_true(turn_client_event(t.client, &event));
    end(&t);
}

static void an_answer_to_another_question_is_none(void **state)
{
    (void)state;
    struct turn t = begin(false);
    must_ask(&t, STUN_ALLOCATE);
    t.asked.id[0] ^= 1;
    answer_error(&t, 401, "nonce1");
    assert_false(asks(&t));
    end(&t);
}

static void an_allocation_without_a_usable_address_is_none(void **state)
{
    (void)state;
    struct turn t = begin(false);
    must_ask(&t, STUN_ALLOCATE);
    struct stun_msg msg = reply(&t, STUN_SUCCESS); /* a server that wants no credentials */
    msg.relayed = addr_of("0.0.0.0:5");
    answer(&t, &msg, false);
    must_fail(&t, TURN_BROKEN);
    end(&t);
}

/* ---- refreshing ---- */

static void an_idle_allocation_is_refreshed_after_15_s_and_lost_when_nobody_answers(void **state)
{
    (void)state;
    struct turn t = ready(false);
    assert_true(turn_client_deadline(t.client) == START + TURN_KEEPALIVE_S * NS_PER_S);
    for (unsigned i = 0; i < 100; i++) {
        t.now = turn_client_deadline(t.client);
        must_ask(&t, STUN_REFRESH);
        assert_int_equal(t.asked.lifetime_s, TURN_LIFETIME_S);
        assert_true(is_keyed(&t, "nonce1"));
        answer_yes(&t);
        assert_false(asks(&t));
    }
    assert_true(t.now == START + 100 * TURN_KEEPALIVE_S * NS_PER_S);
    while (turn_client_deadline(t.client) != NEVER) {
        t.now = turn_client_deadline(t.client) > t.now ? turn_client_deadline(t.client) : t.now;
        while (asks(&t))
            assert_int_equal(t.asked.method, STUN_REFRESH);
    }
    must_fail(&t, TURN_LOST);
    end(&t);
}

static void doubt_asks_at_once(void **state)
{
    (void)state;
    struct turn t = ready(false);
    turn_client_doubt(t.client, t.now);
    must_ask(&t, STUN_REFRESH);
    turn_client_doubt(t.client, t.now);
    assert_false(asks(&t));
    end(&t);
}

static void a_stale_nonce_while_refreshing_is_replaced(void **state)
{
    (void)state;
    struct turn t = ready(false);
    for (unsigned i = 0; i < 10; i++) { /* only those in a row count */
        turn_client_doubt(t.client, t.now);
        must_ask(&t, STUN_REFRESH);
        answer_error(&t, 438, "nonce2");
        must_ask(&t, STUN_REFRESH);
        assert_true(is_keyed(&t, "nonce2"));
        answer_yes(&t);
    }
    end(&t);
}

static void an_allocation_that_the_server_forgot_is_lost(void **state)
{
    (void)state;
    static const unsigned errors[] = {437, 401, 500};
    for (size_t i = 0; i < 3; i++) {
        struct turn t = ready(false);
        turn_client_doubt(t.client, t.now);
        must_ask(&t, STUN_REFRESH);
        answer_error(&t, errors[i], NULL);
        must_fail(&t, TURN_LOST);
        end(&t);
    }
}

/* With datagrams both ways all the time, what remains is the lifetime. */
static void a_busy_allocation_is_refreshed_before_its_lifetime_ends(void **state)
{
    (void)state;
    struct turn t = ready(false);
    uint8_t data[256];
    bool refreshed = false;
    while (!refreshed) {
        t.now += 10 * NS_PER_S;
        struct stun_msg msg = {.class = STUN_INDICATION, .method = STUN_DATA, .peer = addr_of(PEER)};
        msg.data = (struct stun_text){"hello", 5};
        struct packet inner;
        size_t len = stun_encode(&msg, NULL, data, sizeof data);
        turn_client_permit(t.client, t.now, &msg.peer);
        deliver(&t, data, len, &inner);
        memcpy(data, "data", 4);
        struct packet out = {.data = data, .len = 4, .remote = addr_of(PEER), .local = addr_of(RELAYED)};
        turn_client_wrap(t.client, t.now, &out, sizeof data);
        while (asks(&t)) {
            refreshed |= t.asked.method == STUN_REFRESH;
            answer_yes(&t);
        }
        assert_true(t.now <= START + 541 * NS_PER_S);
    }
    assert_true(t.now >= START + 530 * NS_PER_S);
    end(&t);
}

static void a_goodbye_gives_the_allocation_back_and_ends_in_time(void **state)
{
    (void)state;
    for (unsigned heard = 0; heard < 2; heard++) {
        struct turn t = ready(heard);
        struct turn_event event;
        turn_client_close(t.client, t.now);
        must_ask(&t, STUN_REFRESH);
        assert_int_equal(t.asked.lifetime_s, 0);
        assert_false(turn_client_is_closed(t.client));
        if (heard)
            answer_yes(&t);
        while (turn_client_deadline(t.client) != NEVER) {
            t.now = turn_client_deadline(t.client);
            asks(&t);
        }
        assert_true(t.now <= START + TURN_CLOSE_MS * NS_PER_MS);
        assert_true(turn_client_is_closed(t.client));
        assert_false(turn_client_event(t.client, &event));
        end(&t);
    }
    struct turn t = begin(false); /* nothing to give back */
    turn_client_close(t.client, t.now);
    assert_true(turn_client_is_closed(t.client));
    end(&t);
}

/* ---- permissions and channels ---- */

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

/* ---- data ---- */

/* As application packets look: not like STUN. */
static struct packet datagram(uint8_t *data, size_t len, const char *peer)
{
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(0x40 + i % 50);
    return (struct packet){.data = data,
                           .len = len,
                           .local = addr_of(strchr(peer, '[') ? RELAYED6 : RELAYED),
                           .remote = addr_of(peer)};
}

static void bind_channel(struct turn *t, const char *peer, uint16_t *number)
{
    uint8_t data[256];
    struct packet out = datagram(data, 100, peer);
    assert_true(turn_client_wrap(t->client, t->now, &out, sizeof data));
    while (asks(t)) {
        if (t->asked.method == STUN_CHANNEL_BIND)
            *number = t->asked.channel;
        answer_yes(t);
    }
}

static void a_datagram_travels_as_an_indication_until_there_is_a_channel(void **state)
{
    (void)state;
    static const char *const peers[] = {PEER, PEER6};
    for (size_t i = 0; i < 2; i++) {
        struct turn t = ready(false);
        uint8_t data[256], want[101];
        struct stun_msg msg;
        struct addr peer = addr_of(peers[i]), server = addr_of(SERVER);
        struct packet out = datagram(data, 101, peers[i]);
        memcpy(want, data, sizeof want);
        assert_true(turn_client_wrap(t.client, t.now, &out, sizeof data));
        assert_true(addr_equal(&out.remote, &server) && out.local.family == 0 && out.segment == 0);
        assert_true(stun_decode(&msg, out.data, out.len));
        assert_int_equal(msg.class, STUN_INDICATION);
        assert_int_equal(msg.method, STUN_SEND);
        assert_true(addr_equal(&msg.peer, &peer));
        assert_int_equal(msg.data.len, 101);
        assert_memory_equal(msg.data.at, want, 101);

        uint16_t number = 0;
        bind_channel(&t, peers[i], &number);
        assert_true(number >= 0x4000 && number <= 0x4fff);
        out = datagram(data, 101, peers[i]);
        assert_true(turn_client_wrap(t.client, t.now, &out, sizeof data));
        assert_int_equal(out.len, 105);
        assert_int_equal(data[0] << 8 | data[1], number);
        assert_int_equal(data[2] << 8 | data[3], 101);
        assert_memory_equal(data + 4, want, 101);
        end(&t);
    }
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

static void a_batch_is_wrapped_segment_by_segment(void **state)
{
    (void)state;
    for (unsigned bound = 0; bound < 2; bound++)
        for (unsigned stream = 0; stream < 2; stream++)
            for (size_t len = 1; len <= 1000; len += 37) {
                struct turn t = ready(stream);
                uint8_t data[4096];
                struct packet inner;
                uint16_t number = 0;
                if (bound)
                    bind_channel(&t, PEER, &number);
                struct packet out = datagram(data, len, PEER);
                for (size_t i = 0; i < len; i++)
                    data[i] = (uint8_t)(0x40 + i % 251);
                out.segment = 99;
                assert_true(turn_client_wrap(t.client, t.now, &out, sizeof data));
                size_t head = bound ? 4 : 36, seen = 0;
                for (size_t at = 0; at < out.len; seen += 99) {
                    size_t one = len - seen < 99 ? len - seen : 99;
                    assert_memory_equal(data + at + head, &(uint8_t){(uint8_t)(0x40 + seen % 251)}, 1);
                    assert_memory_equal(data + at + head + one - 1,
                                        &(uint8_t){(uint8_t)(0x40 + (seen + one - 1) % 251)}, 1);
                    if (!bound)
                        assert_int_equal(data[at + 2] << 8 | data[at + 3], 16 + ((one + 3) & ~3u));
                    at += head + (bound && !stream ? one : (one + 3) & ~(size_t)3);
                }
                assert_true(seen >= len && seen < len + 99);
                assert_int_equal(out.segment, stream ? 0 : head + (bound ? 99 : 100));
                (void)inner;
                end(&t);
            }
}

static void what_cannot_be_relayed_is_dropped(void **state)
{
    (void)state;
    struct turn t = begin(false);
    uint8_t data[256];
    struct turn_stats stats;
    struct packet out = datagram(data, 100, PEER);
    assert_false(turn_client_wrap(t.client, t.now, &out, sizeof data)); /* no allocation yet */
    end(&t);
    t = ready(false);
    out = datagram(data, 100, PEER);
    assert_false(turn_client_wrap(t.client, t.now, &out, 120)); /* no room */
    out = datagram(data, 0, PEER);
    assert_false(turn_client_wrap(t.client, t.now, &out, sizeof data));
    turn_client_stats(t.client, &stats);
    assert_int_equal(stats.dropped, 2);
    end(&t);
}

static size_t put_data(uint8_t *data, size_t capacity, const char *peer, const char *text)
{
    struct stun_msg msg = {.class = STUN_INDICATION, .method = STUN_DATA, .peer = addr_of(peer)};
    msg.data = (struct stun_text){text, strlen(text)};
    return stun_encode(&msg, NULL, data, capacity);
}

static size_t put_channel(uint8_t *data, uint16_t number, const char *text)
{
    size_t len = strlen(text);
    memset(data, 0, 4 + len + 3);
    data[0] = (uint8_t)(number >> 8), data[1] = (uint8_t)number;
    data[2] = (uint8_t)(len >> 8), data[3] = (uint8_t)len;
    memcpy(data + 4, text, len);
    return 4 + len;
}

static void peers_datagrams_come_out_with_the_relayed_address(void **state)
{
    (void)state;
    struct turn t = ready(false);
    uint8_t data[256];
    struct packet inner;
    struct addr peer = addr_of(PEER), peer6 = addr_of(PEER6), relayed = addr_of(RELAYED),
                relayed6 = addr_of(RELAYED6);
    uint16_t number = 0;
    bind_channel(&t, PEER, &number);
    turn_client_permit(t.client, t.now, &peer6);
    assert_int_equal(deliver(&t, data, put_data(data, sizeof data, PEER, "hello"), &inner), 1);
    assert_true(addr_equal(&inner.remote, &peer) && addr_equal(&inner.local, &relayed));
    assert_int_equal(inner.len, 5);
    assert_memory_equal(inner.data, "hello", 5);
    assert_int_equal(deliver(&t, data, put_data(data, sizeof data, PEER6, "hello"), &inner), 1);
    assert_true(addr_equal(&inner.remote, &peer6) && addr_equal(&inner.local, &relayed6));
    assert_int_equal(deliver(&t, data, put_channel(data, number, "channel"), &inner), 1);
    assert_true(addr_equal(&inner.remote, &peer) && addr_equal(&inner.local, &relayed));
    assert_memory_equal(inner.data, "channel", 7);
    end(&t);
}

static void strangers_and_garbage_are_dropped_and_counted(void **state)
{
    (void)state;
    struct turn t = ready(false);
    uint8_t data[256];
    struct packet inner;
    struct turn_stats stats;
    uint16_t number = 0;
    bind_channel(&t, PEER, &number);
    assert_int_equal(deliver(&t, data, put_data(data, sizeof data, "9.9.9.9:9", "x"), &inner), 0);
    assert_int_equal(deliver(&t, data, put_channel(data, (uint16_t)(number + 1), "x"), &inner), 0);
    turn_client_stats(t.client, &stats);
    assert_int_equal(stats.strangers, 2);
    put_channel(data, number, "12345678");
    assert_int_equal(deliver(&t, data, 11, &inner), 0); /* shorter than it says */
    assert_int_equal(deliver(&t, data, put_data(data, sizeof data, PEER, ""), &inner), 0);
    size_t len = put_data(data, sizeof data, PEER, "hello");
    data[len - 9] = 0xff; /* the length of DATA */
    assert_int_equal(deliver(&t, data, len, &inner), 0);
    turn_client_stats(t.client, &stats);
    assert_int_equal(stats.malformed, 3);
    end(&t);
}

static void only_its_servers_datagrams_are_the_clients(void **state)
{
    (void)state;
    struct turn t = ready(false);
    uint8_t data[256];
    struct stun_msg msg = {.class = STUN_SUCCESS, .method = STUN_BINDING};
    struct packet in = {.data = data, .remote = addr_of(SERVER)};
    in.len = stun_encode(&msg, NULL, data, sizeof data);
    assert_false(turn_client_takes(t.client, &in)); /* of the STUN client on the same socket */
    msg.method = STUN_REFRESH;
    in.len = stun_encode(&msg, NULL, data, sizeof data);
    assert_true(turn_client_takes(t.client, &in));
    in.remote.port++;
    assert_false(turn_client_takes(t.client, &in));
    in.remote.port--;
    in.len = put_channel(data, 0x4000, "x");
    assert_true(turn_client_takes(t.client, &in));
    data[0] = 0x50;
    assert_false(turn_client_takes(t.client, &in));
    end(&t);
}

/* ---- a stream ---- */

/* Channel data and indications one behind the other, cut in two at every place, and into single bytes. */
static void a_stream_may_be_cut_anywhere(void **state)
{
    (void)state;
    uint8_t whole[2048], piece[2048];
    struct turn t = ready(true);
    uint16_t number = 0;
    bind_channel(&t, PEER, &number);
    size_t len = 0;
    for (unsigned i = 0; i < 4; i++) {
        len += (put_channel(whole + len, number, &"abcdefghij"[i]) + 3) & ~(size_t)3;
        len += put_data(whole + len, sizeof whole - len, PEER, &"indication"[i]);
    }
    for (size_t cut = 0; cut <= len; cut++) {
        struct packet inner = {0};
        unsigned got = 0;
        memcpy(piece, whole, len);
        got += deliver(&t, piece, cut, &inner);
        got += deliver(&t, piece + cut, len - cut, &inner);
        assert_int_equal(got, 8);
        assert_memory_equal(inner.data, "ication", 7);
    }
    unsigned got = 0;
    for (size_t i = 0; i < len; i++) {
        struct packet inner;
        got += deliver(&t, whole + i, 1, &inner);
        if (i == 13)
            assert_int_equal(got, 0); /* a stream's channel data is padded */
    }
    assert_int_equal(got, 8);
    end(&t);
}

static void what_is_too_long_on_a_stream_is_passed_over(void **state)
{
    (void)state;
    struct turn t = ready(true);
    static uint8_t data[70000];
    struct packet inner = {0};
    uint16_t number = 0;
    bind_channel(&t, PEER, &number);
    for (size_t cut = 0; cut < 9000; cut += cut < 8 ? 1 : 113) {
        memset(data, 0x55, sizeof data);
        put_channel(data, number, "");
        data[2] = 8000 >> 8, data[3] = 8000 & 255;
        put_channel(data + 8004, number, "next");
        unsigned got = deliver(&t, data, cut < 8012 ? cut : 8012, &inner);
        got += cut < 8012 ? deliver(&t, data + cut, 8012 - cut, &inner) : 0;
        assert_int_equal(got, 1);
        assert_memory_equal(inner.data, "next", 4);
    }
    end(&t);
}

static void a_stream_that_is_no_turn_is_broken(void **state)
{
    (void)state;
    static const char *const says[] = {"HTTP/1.1 400 Bad Request\r\n", "\x16\x03\x01\x01", "\x80\x01\x00\x00",
                                       "\x50\x01\x00\x00"};
    for (size_t i = 0; i < sizeof says / sizeof *says; i++) {
        struct turn t = begin(true);
        struct packet inner;
        uint8_t data[64];
        must_ask(&t, STUN_ALLOCATE);
        memcpy(data, says[i], 4);
        assert_int_equal(deliver(&t, data, 4, &inner), 0);
        must_fail(&t, TURN_BROKEN);
        end(&t);
    }
}

static void random_bytes_do_no_harm(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 2000; round++) {
        struct turn t = round % 3 ? ready(round % 2) : begin(round % 2);
        uint8_t data[300];
        struct packet inner;
        for (unsigned i = 0; i < 5; i++) {
            size_t len = random_below(&seeded, sizeof data);
            linear(&seed, data, len);
            if (len > 20 && i % 2) {
                memcpy(data, "\x01\x03\x00\x00\x21\x12\xa4\x42", 8);
                data[2] = (uint8_t)((len - 20) >> 8), data[3] = (uint8_t)((len - 20) & ~3u);
            }
            deliver(&t, data, len, &inner);
            while (asks(&t))
                ;
        }
        end(&t);
    }
}

static bool construct(void *context)
{
    struct turn_client *client = turn_client_new(context);
    bool made = client != NULL;
    turn_client_free(client);
    return made;
}

static void every_failed_allocation_of_memory_is_survived(void **state)
{
    (void)state;
    struct turn_config config = {
        .server = addr_of(SERVER), .stream = true, .user = "user", .password = "pass", .random = &seeded};
    assert_int_equal(fail_alloc_each(construct, &config), 2);
    static char longer[TURN_PASSWORD_MAX + 2];
    memset(longer, 'x', sizeof longer - 1);
    config.password = longer;
    assert_null(turn_client_new(&config));
    turn_client_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_allocation_is_asked_for_with_credentials_once_realm_and_nonce_are_known),
        cmocka_unit_test(requests_are_repeated_over_udp_until_the_server_counts_as_silent),
        cmocka_unit_test(over_a_stream_nothing_is_repeated),
        cmocka_unit_test(wrong_credentials_are_refused_for_good),
        cmocka_unit_test(every_refusal_is_told_in_words),
        cmocka_unit_test(another_server_that_is_named_is_told),
        cmocka_unit_test(a_stale_nonce_is_replaced_but_not_for_ever),
        cmocka_unit_test(an_older_allocation_in_the_way_is_ended_once),
        cmocka_unit_test(both_families_are_asked_for_by_the_rfc_and_by_its_drafts),
        cmocka_unit_test(a_server_that_gives_no_two_families_is_asked_for_one),
        cmocka_unit_test(an_answer_without_our_key_is_dropped),
        cmocka_unit_test(an_answer_to_another_question_is_none),
        cmocka_unit_test(an_allocation_without_a_usable_address_is_none),
        cmocka_unit_test(an_idle_allocation_is_refreshed_after_15_s_and_lost_when_nobody_answers),
        cmocka_unit_test(doubt_asks_at_once),
        cmocka_unit_test(a_stale_nonce_while_refreshing_is_replaced),
        cmocka_unit_test(an_allocation_that_the_server_forgot_is_lost),
        cmocka_unit_test(a_busy_allocation_is_refreshed_before_its_lifetime_ends),
        cmocka_unit_test(a_goodbye_gives_the_allocation_back_and_ends_in_time),
        cmocka_unit_test(a_permission_is_asked_for_once_and_renewed_while_it_is_used),
        cmocka_unit_test(one_forbidden_peer_costs_the_others_nothing),
        cmocka_unit_test(a_stale_nonce_of_a_permission_is_replaced),
        cmocka_unit_test(more_peers_than_places_are_served_in_turn),
        cmocka_unit_test(a_datagram_travels_as_an_indication_until_there_is_a_channel),
        cmocka_unit_test(checks_alone_ask_for_no_channel),
        cmocka_unit_test(a_batch_is_wrapped_segment_by_segment),
        cmocka_unit_test(what_cannot_be_relayed_is_dropped),
        cmocka_unit_test(peers_datagrams_come_out_with_the_relayed_address),
        cmocka_unit_test(strangers_and_garbage_are_dropped_and_counted),
        cmocka_unit_test(only_its_servers_datagrams_are_the_clients),
        cmocka_unit_test(a_stream_may_be_cut_anywhere),
        cmocka_unit_test(what_is_too_long_on_a_stream_is_passed_over),
        cmocka_unit_test(a_stream_that_is_no_turn_is_broken),
        cmocka_unit_test(random_bytes_do_no_harm),
        cmocka_unit_test(every_failed_allocation_of_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
