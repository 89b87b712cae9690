/* ice_solo.h - one ICE agent and a peer that says exactly what a test wants, in virtual time. */
#ifndef ICE_SOLO_H
#define ICE_SOLO_H

#include "ice_net.h"

enum { SENT_MAX = 4096 };

#define PEER_UFRAG "PeerFrag"
#define PEER_PWD "PeerPasswordPeerPassword"

/* A datagram that left the agent. */
struct sent {
    uint64_t at;
    struct addr local, remote;
    uint8_t data[300];
    size_t len;
};

struct solo {
    uint64_t now;
    struct net *net; /* for its randomness only */
    struct ice *ice;
    struct addr base;
    struct sent sent[SENT_MAX];
    size_t sent_count;
    struct ice_event events[LOG_MAX];
    uint64_t event_at[LOG_MAX];
    size_t event_count;
    bool (*answers)(const struct addr *to); /* requests to such addresses are answered at once, after `rtt` */
    uint64_t rtt;
    struct {
        uint64_t at;
        size_t sent;
    } due[SENT_MAX];
    size_t due_count;
    uint64_t tie_breaker;
};

static inline struct solo *solo_new_of(const struct ice_config *config)
{
    struct solo *solo = calloc(1, sizeof *solo);
    assert_non_null(solo);
    solo->net = net_new(7);
    struct ice_config copy = *config;
    copy.random = &solo->net->random;
    solo->ice = ice_new(&copy);
    assert_non_null(solo->ice);
    solo->base = at("192.168.1.10:5000");
    solo->rtt = 20 * MS;
    solo->tie_breaker = 1;
    return solo;
}

/* An agent with one base that knows the peer's password. */
static inline struct solo *solo_new(bool controlling)
{
    struct solo *solo =
        solo_new_of(&(struct ice_config){.controlling = controlling, .renominate = true, .paths = PATH_ALL});
    ice_set_own(solo->ice, &solo->base, 1);
    add_candidate(solo->ice, CANDIDATE_HOST, solo->base, solo->base, (struct addr){0});
    ice_set_remote(solo->ice, 0, PEER_UFRAG, PEER_PWD);
    return solo;
}

static inline void solo_free(struct solo *solo)
{
    ice_free(solo->ice);
    net_free(solo->net);
    free(solo);
}

static inline bool add_remote(struct solo *solo, enum candidate_kind kind, const char *address,
                              uint32_t preference)
{
    struct wire_candidate wire = {.kind = kind, .address = at(address), .foundation = "f"};
    wire.priority = candidate_priority(kind, &wire.address, RANK_NORMAL, preference);
    return ice_add_remote(solo->ice, solo->now, &wire);
}

/* ---- what leaves ---- */

static inline struct stun_msg msg_of(struct sent *sent)
{
    struct stun_msg msg;
    assert_true(stun_decode(&msg, sent->data, sent->len));
    return msg;
}

static inline bool is_request(struct sent *sent)
{
    return msg_of(sent).class == STUN_REQUEST;
}

/* Everything that wants to leave now; returns how much that was. */
static inline size_t solo_drain(struct solo *solo)
{
    size_t before = solo->sent_count;
    for (;;) {
        assert_true(solo->sent_count < SENT_MAX);
        struct sent *sent = &solo->sent[solo->sent_count];
        struct packet out = {.data = sent->data, .len = sizeof sent->data};
        if (!ice_output(solo->ice, solo->now, &out))
            break;
        assert_in_range(out.len, 20, sizeof sent->data);
        sent->at = solo->now;
        sent->local = out.local;
        sent->remote = out.remote;
        sent->len = out.len;
        if (solo->answers && is_request(sent) && solo->answers(&sent->remote)) {
            solo->due[solo->due_count].at = solo->now + solo->rtt;
            solo->due[solo->due_count++].sent = solo->sent_count;
        }
        solo->sent_count++;
    }
    while (solo->event_count < LOG_MAX && ice_event(solo->ice, &solo->events[solo->event_count]))
        solo->event_at[solo->event_count++] = solo->now;
    assert_true(ice_deadline(solo->ice) > solo->now);
    return solo->sent_count - before;
}

/* ---- what arrives ---- */

static inline bool solo_input(struct solo *solo, const struct addr *from, const struct addr *to,
                              struct stun_msg *msg, const char *pwd)
{
    uint8_t data[600];
    struct stun_key key = {(const uint8_t *)pwd, pwd ? strlen(pwd) : 0};
    msg->has |= STUN_HAS_FINGERPRINT | (pwd ? STUN_HAS_INTEGRITY : 0);
    size_t len = stun_encode(msg, pwd ? &key : NULL, data, sizeof data);
    assert_true(len > 0);
    struct packet in = {.local = *to, .remote = *from, .data = data, .len = len};
    return ice_input(solo->ice, solo->now, &in);
}

/* A check as the peer would send it; `has` adds to PRIORITY and role. */
static inline struct stun_msg peer_check(struct solo *solo, char username[64], unsigned has)
{
    snprintf(username, 64, "%s:%s", ice_ufrag(solo->ice), PEER_UFRAG);
    struct stun_msg msg = {.class = STUN_REQUEST, .method = STUN_BINDING};
    msg.has = has | STUN_HAS_PRIORITY;
    if (!(has & (STUN_HAS_CONTROLLING | STUN_HAS_CONTROLLED)))
        msg.has |= solo->ice->controlling ? STUN_HAS_CONTROLLED : STUN_HAS_CONTROLLING;
    msg.username = (struct stun_text){username, strlen(username)};
    msg.priority = 0x6e0001ff;
    msg.tie_breaker = solo->tie_breaker;
    net_fill(solo->net, msg.id, sizeof msg.id);
    return msg;
}

/* The peer checks us from `from`; not drained. */
static inline bool heard(struct solo *solo, const char *from, unsigned has, uint32_t nomination)
{
    char username[64];
    struct stun_msg msg = peer_check(solo, username, has);
    msg.nomination = nomination;
    struct addr remote = at(from);
    return solo_input(solo, &remote, &solo->base, &msg, ice_pwd(solo->ice));
}

/* A success for request number `n` that left, from where it went; not drained. */
static inline bool answer(struct solo *solo, size_t n)
{
    struct sent *sent = &solo->sent[n];
    struct stun_msg request = msg_of(sent);
    struct stun_msg msg = {.class = STUN_SUCCESS, .method = STUN_BINDING, .mapped = solo->base};
    memcpy(msg.id, request.id, sizeof msg.id);
    return solo_input(solo, &sent->remote, &sent->local, &msg, PEER_PWD);
}

static inline bool refuse(struct solo *solo, size_t n, uint16_t error)
{
    struct sent *sent = &solo->sent[n];
    struct stun_msg request = msg_of(sent);
    struct stun_msg msg = {.class = STUN_ERROR, .method = STUN_BINDING, .error = error};
    memcpy(msg.id, request.id, sizeof msg.id);
    return solo_input(solo, &sent->remote, &sent->local, &msg, PEER_PWD);
}

/* ---- time ---- */

static inline void solo_run(struct solo *solo, uint64_t until)
{
    solo_drain(solo);
    for (;;) {
        uint64_t next = ice_deadline(solo->ice);
        size_t first = SIZE_MAX;
        for (size_t i = 0; i < solo->due_count; i++)
            if (solo->due[i].at < next || (solo->due[i].at == next && first == SIZE_MAX)) {
                next = solo->due[i].at;
                first = i;
            }
        if (next > until)
            break;
        solo->now = later(solo->now, next);
        if (first != SIZE_MAX) {
            size_t n = solo->due[first].sent;
            solo->due[first] = solo->due[--solo->due_count];
            answer(solo, n);
        }
        solo_drain(solo);
    }
    solo->now = until;
}

static inline bool everybody(const struct addr *to)
{
    (void)to;
    return true;
}

/* ---- questions ---- */

static inline size_t sent_to(const struct solo *solo, const char *address)
{
    struct addr to = at(address);
    size_t count = 0;
    for (size_t i = 0; i < solo->sent_count; i++)
        count += addr_equal(&solo->sent[i].remote, &to);
    return count;
}

/* The last datagram that went there; SIZE_MAX: none. */
static inline size_t last_to(const struct solo *solo, const char *address)
{
    struct addr to = at(address);
    for (size_t i = solo->sent_count; i-- > 0;)
        if (addr_equal(&solo->sent[i].remote, &to))
            return i;
    return SIZE_MAX;
}

static inline size_t last_request_to(struct solo *solo, const char *address)
{
    struct addr to = at(address);
    for (size_t i = solo->sent_count; i-- > 0;)
        if (addr_equal(&solo->sent[i].remote, &to) && is_request(&solo->sent[i]))
            return i;
    return SIZE_MAX;
}

static inline struct ice_pair *pair_to(struct solo *solo, const char *address)
{
    struct addr to = at(address);
    ICE_EACH_PAIR(solo->ice, pair)
    {
        if (addr_equal(&pair->to, &to))
            return pair;
    }
    return NULL;
}

static inline size_t pair_count(const struct ice *ice)
{
    size_t count = 0;
    ICE_EACH_PAIR(ice, pair)
    {
        count++;
    }
    return count;
}

static inline bool path_is(const struct solo *solo, const char *address)
{
    struct addr to = at(address);
    struct path path;
    return ice_path(solo->ice, &path) && addr_equal(&path.remote, &to);
}

static inline size_t events_of(const struct solo *solo, enum ice_event_type type)
{
    size_t count = 0;
    for (size_t i = 0; i < solo->event_count; i++)
        count += solo->events[i].type == type;
    return count;
}

static inline uint64_t when(const struct solo *solo, enum ice_event_type type)
{
    for (size_t i = solo->event_count; i-- > 0;)
        if (solo->events[i].type == type)
            return solo->event_at[i];
    return NEVER;
}

/* Waits for the next datagram to that address, then for half a round trip. Returns which it is. */
static inline size_t next_to(struct solo *solo, const char *address)
{
    size_t before = sent_to(solo, address);
    for (unsigned guard = 0; sent_to(solo, address) == before; guard++) {
        assert_true(guard < 100 && ice_deadline(solo->ice) != NEVER);
        solo_run(solo, later(ice_deadline(solo->ice), solo->now));
    }
    solo->now += solo->rtt / 2;
    return last_to(solo, address);
}

/* Makes the pair to an announced address valid, as fast as may be. */
static inline void validate(struct solo *solo, enum candidate_kind kind, const char *address)
{
    assert_true(add_remote(solo, kind, address, 0));
    for (unsigned i = 0; i < 100 && last_request_to(solo, address) == SIZE_MAX; i++)
        solo_run(solo, solo->now + 5 * MS);
    size_t n = last_request_to(solo, address);
    assert_true(n != SIZE_MAX);
    solo->now = solo->sent[n].at + solo->rtt;
    assert_true(answer(solo, n));
    solo_drain(solo);
}

#endif
