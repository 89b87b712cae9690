/* turn_side.h - a TURN client and the server's side of it: a few lines that answer as they are told.
 * tests/interop has a real server. */
#ifndef TURN_SIDE_H
#define TURN_SIDE_H

#include "given.h"
#include "stun_msg.h"
#include "turn_client.h"
#include <string.h>

static const uint64_t START = 5 * NS_PER_S;

static const char *const SERVER = "203.0.113.1:3478", *const RELAYED = "203.0.113.1:50000",
                         *const RELAYED6 = "[2001:db8::1]:50001", *const PEER = "198.51.100.7:4000",
                         *const PEER6 = "[2001:db8::7]:4000", *const MAPPED = "192.0.2.1:40000";

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

static inline struct turn begin(bool stream)
{
    struct turn t = {.now = START, .stream = stream};
    struct turn_config config = {
        .server = addr_of(SERVER), .stream = stream, .user = "user", .password = "pass", .random = &seeded};
    t.client = turn_client_new(&config);
    assert_non_null(t.client);
    stun_long_term_key(t.key, "user", "realm", "pass");
    return t;
}

static inline void end(struct turn *t)
{
    turn_client_free(t->client);
}

/* Whether a request leaves now; it is in t->asked. */
static inline bool asks(struct turn *t)
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

static inline void must_ask(struct turn *t, enum stun_method method)
{
    assert_true(asks(t));
    assert_int_equal(t->asked.method, method);
}

static inline bool is_keyed(const struct turn *t, const char *nonce)
{
    struct stun_key key = {t->key, sizeof t->key};
    return stun_check(&t->asked, t->out.data, &key) == STUN_INTEGRITY_GOOD && t->asked.username.at &&
           t->asked.nonce.len == strlen(nonce) && memcmp(t->asked.nonce.at, nonce, strlen(nonce)) == 0;
}

/* Hands over bytes of the server; returns how many datagrams of peers were in them, the last in *inner. */
static inline unsigned deliver(struct turn *t, uint8_t *data, size_t len, struct packet *inner)
{
    struct packet in = {.data = data, .len = len, .remote = addr_of(SERVER)}, got;
    unsigned count = 0;
    while (turn_client_input(t->client, t->now, &in, &got)) {
        *inner = got;
        count++;
    }
    return count;
}

static inline struct stun_msg reply(const struct turn *t, enum stun_class class)
{
    struct stun_msg msg = {.class = class, .method = t->asked.method};
    memcpy(msg.id, t->asked.id, STUN_ID_LEN);
    return msg;
}

static inline void answer(struct turn *t, struct stun_msg *msg, bool keyed)
{
    uint8_t data[PACKET_MAX];
    struct stun_key key = {t->key, sizeof t->key};
    struct packet inner;
    msg->has |= keyed ? STUN_HAS_INTEGRITY : 0;
    size_t len = stun_encode(msg, &key, data, sizeof data);
    assert_true(len > 0);
    assert_int_equal(deliver(t, data, len, &inner), 0);
}

static inline void answer_error(struct turn *t, unsigned error, const char *nonce)
{
    struct stun_msg msg = reply(t, STUN_ERROR);
    msg.error = (uint16_t)error;
    if (nonce) {
        msg.realm = (struct stun_text){"realm", 5};
        msg.nonce = (struct stun_text){nonce, strlen(nonce)};
    }
    answer(t, &msg, false);
}

static inline void answer_allocated(struct turn *t)
{
    struct stun_msg msg = reply(t, STUN_SUCCESS);
    msg.relayed = addr_of(RELAYED);
    msg.relayed_too = addr_of(RELAYED6);
    msg.mapped = addr_of(MAPPED);
    msg.has = STUN_HAS_LIFETIME;
    msg.lifetime_s = 600;
    answer(t, &msg, true);
}

static inline void answer_yes(struct turn *t)
{
    struct stun_msg msg = reply(t, STUN_SUCCESS);
    answer(t, &msg, true);
}

static inline void must_fail(struct turn *t, enum turn_failure failure)
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
static inline struct turn ready(bool stream)
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

/* As application packets look: not like STUN. */
static inline struct packet datagram(uint8_t *data, size_t len, const char *peer)
{
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(0x40 + i % 50);
    return (struct packet){.data = data,
                           .len = len,
                           .local = addr_of(strchr(peer, '[') ? RELAYED6 : RELAYED),
                           .remote = addr_of(peer)};
}

static inline void bind_channel(struct turn *t, const char *peer, uint16_t *number)
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

#endif
