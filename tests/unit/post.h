/* post.h - brokers in memory: rendezvous machines meet over them in virtual time. Loss, duplication and delay
 * are drawn from a seed, so a failure replays. Each host answers events as a node would; what it saw is
 * counted. */
#ifndef POST_H
#define POST_H

#include "packet.h"
#include "rendezvous.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#ifndef POST_HOSTS_MAX
#define POST_HOSTS_MAX 6 /* a test of a crowd defines more */
#endif

enum { HOSTS_MAX = POST_HOSTS_MAX, FLIGHTS_MAX = 4096, LINKS_MAX = 16, RECORD_MAX = 128 };

/* What one host knows of one run. */
struct link {
    char id[PEER_ID_LEN + 1];
    peer_handle handle;
    enum pake_role role;
    uint8_t key[PAKE_KEY_LEN], words[3];
    uint64_t delay;
    bool same_machine;
    bool heard, settled; /* its candidates; both have each other's */
};

struct host {
    struct rendezvous *machine;
    struct random random;
    uint64_t seed;
    struct link links[LINKS_MAX]; /* live sessions; handle 0: free */
    unsigned peers, failed, later, byes, hints, gone, busy, wanted, candidates, traces; /* events so far */
    peer_handle last_wanted, last_failed;
    char reason[128];           /* of the last busy or bye */
    bool mute;                  /* never describes: the test does */
    bool refuses, refuses_late; /* at WANT_OFFER or as the initiator at PEER; after describing */
    bool keeps_talking;         /* never settles */
    unsigned places; /* so many are joined at most, as a node counts them; 0: slots stay as they are */
    char busy_name[PEER_NAME_MAX + 1];
    bool online; /* runs, and its subscriptions hold */
    bool down;   /* killed: hears and says nothing */
};

struct flight {
    uint64_t at;
    unsigned to, broker;
    char topic[TOPIC_MAX];
    uint8_t *data;
    size_t len;
};

/* A letter as it was sent. */
struct record {
    unsigned from;
    uint32_t brokers;
    uint64_t at;
    enum message_type type;
    char topic[TOPIC_MAX];
    char data[MESSAGE_MAX];
    size_t len;
};

struct post {
    uint64_t now, seed;
    struct host hosts[HOSTS_MAX];
    unsigned host_count, brokers;
    uint32_t broken;            /* brokers that swallow everything */
    unsigned loss, duplication; /* percent of copies */
    uint64_t delay, jitter;     /* one way, ns */
    struct flight flights[FLIGHTS_MAX];
    unsigned flight_count;
    struct record *records; /* RECORD_MAX, the first ones */
    unsigned sent, sent_of[MESSAGE_BYE + 1];
    unsigned lose, twice,
        late; /* the n-th letter (from 1) is lost, sent twice, or late by `late_by`; 0: none */
    uint64_t late_by;
    unsigned delivered;
    /* May change a letter on its way; false: it is lost. */
    bool (*tamper)(struct post *post, unsigned from, struct letter *letter, enum message_type type);
};

static inline uint64_t post_draw(uint64_t *seed)
{
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static inline void post_fill(void *context, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)post_draw(context);
}

static inline struct rendezvous_config post_config(void)
{
    return (struct rendezvous_config){
        .room = "demo", .name = "attic", .purpose = "chat", .slots = 8, .brokers = 1};
}

static inline struct post *post_new(uint64_t seed, unsigned brokers)
{
    struct post *post = calloc(1, sizeof *post);
    struct record *records = calloc(RECORD_MAX, sizeof *records);
    assert_non_null(post);
    assert_non_null(records);
    *post = (struct post){
        .now = NS_PER_S, .seed = seed, .brokers = brokers, .delay = 20 * NS_PER_MS, .records = records};
    return post;
}

static inline void post_free(struct post *post)
{
    for (unsigned i = 0; i < post->host_count; i++)
        rendezvous_free(post->hosts[i].machine);
    for (unsigned i = 0; i < post->flight_count; i++)
        free(post->flights[i].data);
    free(post->records);
    free(post);
}

/* A host that is not connected yet. */
static inline unsigned post_add(struct post *post, struct rendezvous_config config)
{
    unsigned n = post->host_count++;
    assert_true(n < HOSTS_MAX);
    struct host *host = &post->hosts[n];
    host->seed = post_draw(&post->seed);
    host->random = (struct random){post_fill, &host->seed};
    config.random = &host->random;
    config.brokers = post->brokers;
    host->machine = rendezvous_new(&config);
    assert_non_null(host->machine);
    return n;
}

static inline void post_put(struct post *post, uint64_t at, unsigned to, unsigned broker, const char *topic,
                            const void *data, size_t len)
{
    assert_true(post->flight_count < FLIGHTS_MAX);
    struct flight *flight = &post->flights[post->flight_count++];
    *flight = (struct flight){.at = at, .to = to, .broker = broker, .data = malloc(len + 1), .len = len};
    assert_non_null(flight->data);
    snprintf(flight->topic, sizeof flight->topic, "%s", topic);
    memcpy(flight->data, data, len);
}

static inline bool post_listens(const struct host *host, const char *topic)
{
    char hello[TOPIC_MAX], inbox[TOPIC_MAX];
    rendezvous_topics(host->machine, hello, inbox);
    return !strcmp(topic, hello) || !strcmp(topic, inbox);
}

static inline bool post_hits(struct post *post, unsigned percent)
{
    return percent && post_draw(&post->seed) % 100 < percent;
}

static inline uint64_t post_arrival(struct post *post)
{
    uint64_t jitter = post->jitter ? post_draw(&post->seed) % post->jitter : 0;
    return post->now + post->delay + jitter + (post->late == post->sent ? post->late_by : 0);
}

static inline void post_spread(struct post *post, const struct letter *letter)
{
    for (unsigned broker = 0; broker < post->brokers; broker++) {
        if (!(letter->brokers >> broker & 1) || post->broken >> broker & 1)
            continue;
        for (unsigned to = 0; to < post->host_count; to++) {
            if (!post_listens(&post->hosts[to], letter->topic) || post_hits(post, post->loss))
                continue;
            unsigned copies = 1U + post_hits(post, post->duplication) + (post->twice == post->sent);
            while (copies--)
                post_put(post, post_arrival(post), to, broker, letter->topic, letter->data, letter->len);
        }
    }
}

static inline void post_take(struct post *post, unsigned from, struct letter *letter)
{
    struct message message;
    assert_true(letter->brokers != 0);
    assert_true(message_decode(&message, (const uint8_t *)letter->data, letter->len));
    post->sent_of[message.type]++;
    if (post->sent++ < RECORD_MAX) {
        struct record *record = &post->records[post->sent - 1];
        *record = (struct record){from, letter->brokers, post->now, message.type, "", "", letter->len};
        memcpy(record->topic, letter->topic, sizeof record->topic);
        memcpy(record->data, letter->data, letter->len);
    }
    if (post->tamper && !post->tamper(post, from, letter, message.type))
        return;
    if (post->lose != post->sent)
        post_spread(post, letter);
}

/* Allocations of the net itself never fail (see fail_alloc.h). */
static inline void post_send(struct post *post, unsigned from, struct letter *letter)
{
#ifdef FAIL_ALLOC_H
    unsigned left = fail_alloc_left;
    fail_alloc_left = 0;
#endif
    post_take(post, from, letter);
#ifdef FAIL_ALLOC_H
    fail_alloc_left = left;
#endif
}

static inline struct link *post_link(struct host *host, peer_handle handle)
{
    for (size_t i = 0; i < LINKS_MAX; i++)
        if (host->links[i].handle == handle)
            return &host->links[i];
    return NULL;
}

static inline struct link *post_link_to(struct host *host, const struct host *other)
{
    for (size_t i = 0; i < LINKS_MAX; i++)
        if (host->links[i].handle && !strcmp(host->links[i].id, rendezvous_id(other->machine)))
            return &host->links[i];
    return NULL;
}

static inline struct description post_description(void)
{
    struct description own = {.ufrag = "ufrag123", .pwd = "password9012345678901234", .candidate_count = 1};
    own.candidates[0] = (struct wire_candidate){CANDIDATE_HOST, {0}, 2130706431, "1"};
    assert_true(addr_parse(&own.candidates[0].address, "192.168.1.10:40000"));
    return own;
}

static inline unsigned post_joined(const struct host *host)
{
    unsigned count = 0;
    for (size_t i = 0; i < LINKS_MAX; i++)
        count += host->links[i].handle && host->links[i].settled;
    return count;
}

static inline bool post_is_full(const struct host *host)
{
    return host->places && post_joined(host) >= host->places;
}

static inline void post_count_places(struct post *post, struct host *host)
{
    unsigned joined = post_joined(host);
    if (host->places)
        rendezvous_set_slots(host->machine, post->now, joined < host->places ? host->places - joined : 0);
}

static inline void post_proven(struct post *post, struct host *host, const struct rendezvous_event *event)
{
    struct description own = post_description();
    host->peers++;
    assert_string_equal(event->description->name, "attic");
    assert_string_equal(event->description->ufrag, own.ufrag);
    if ((event->role == PAKE_INITIATOR && host->refuses) || post_is_full(host)) {
        rendezvous_refuse(host->machine, post->now, event->peer, "taken");
        return;
    }
    struct link *link = post_link(host, 0);
    assert_non_null(link);
    *link = (struct link){.handle = event->peer, .role = event->role, .delay = event->delay};
    memcpy(link->id, event->id, sizeof link->id);
    memcpy(link->key, event->tls_key, sizeof link->key);
    memcpy(link->words, event->words, sizeof link->words);
    link->same_machine = event->same_machine;
    if (event->role == PAKE_INITIATOR && !host->mute)
        rendezvous_describe(host->machine, post->now, event->peer, &own);
    rendezvous_send_candidates(host->machine, post->now, event->peer, &own);
}

static inline void post_wanted(struct post *post, struct host *host, const struct rendezvous_event *event)
{
    struct description own = post_description();
    host->wanted++;
    host->last_wanted = event->peer;
    if (host->refuses || post_is_full(host)) {
        rendezvous_refuse(host->machine, post->now, event->peer, "taken");
        return;
    }
    if (!host->mute)
        rendezvous_describe(host->machine, post->now, event->peer, &own);
    if (host->refuses_late)
        rendezvous_refuse(host->machine, post->now, event->peer, "taken");
}

/* When both know each other's candidates, packets flow. */
static inline void post_settle(struct post *post, struct host *host, peer_handle handle)
{
    struct link *link = post_link(host, handle);
    if (!link)
        return;
    link->heard = true;
    for (unsigned i = 0; i < post->host_count; i++) {
        struct host *other = &post->hosts[i];
        struct link *back =
            strcmp(link->id, rendezvous_id(other->machine)) ? NULL : post_link_to(other, host);
        if (!back || !back->heard || host->keeps_talking || other->keeps_talking)
            continue;
        rendezvous_settle(host->machine, handle);
        rendezvous_settle(other->machine, back->handle);
        link->settled = back->settled = true;
        post_count_places(post, host);
        post_count_places(post, other);
    }
}

static inline void post_ended(struct host *host, peer_handle handle)
{
    struct link *link = handle ? post_link(host, handle) : NULL;
    if (link)
        link->handle = 0;
}

static inline void post_react(struct post *post, struct host *host, const struct rendezvous_event *event)
{
    switch (event->type) {
    case RENDEZVOUS_WANT_OFFER:
        post_wanted(post, host, event);
        break;
    case RENDEZVOUS_PEER:
        post_proven(post, host, event);
        break;
    case RENDEZVOUS_CANDIDATES:
        host->candidates++;
        post_settle(post, host, event->peer);
        break;
    case RENDEZVOUS_BUSY:
        host->busy++;
        memcpy(host->busy_name, event->name, sizeof host->busy_name);
        snprintf(host->reason, sizeof host->reason, "%s", event->text ? event->text : "");
        post_ended(host, event->peer);
        break;
    case RENDEZVOUS_BYE:
        host->byes += event->proven;
        host->hints += !event->proven;
        snprintf(host->reason, sizeof host->reason, "%s", event->text ? event->text : "");
        if (event->proven)
            post_ended(host, event->peer);
        break;
    case RENDEZVOUS_FAILED:
        host->failed++;
        host->later += event->later;
        host->last_failed = event->peer;
        post_ended(host, event->peer);
        break;
    case RENDEZVOUS_GONE:
        assert_null(post_link(host, event->peer));
        host->gone++;
        break;
    case RENDEZVOUS_TRACE:
        host->traces++;
    }
}

/* Until there is neither output nor an event. */
static inline void post_drain(struct post *post)
{
    static struct letter letter;
    struct rendezvous_event event;
    for (unsigned i = 0; i < post->host_count; i++) {
        struct host *host = &post->hosts[i];
        for (bool more = host->online && !host->down; more;) {
            more = false;
            while (rendezvous_output(host->machine, post->now, &letter)) {
                post_send(post, i, &letter);
                more = true;
            }
            while (rendezvous_event(host->machine, &event)) {
                post_react(post, host, &event);
                more = true;
            }
        }
        if (host->online && !host->down && rendezvous_deadline(host->machine) <= post->now)
            fail_msg("host %u is drained, but asks to be called again at once", i);
    }
}

static inline uint64_t post_next(const struct post *post)
{
    uint64_t next = NEVER;
    for (unsigned i = 0; i < post->flight_count; i++)
        if (post->flights[i].at < next)
            next = post->flights[i].at;
    for (unsigned i = 0; i < post->host_count; i++) {
        bool asleep = post->hosts[i].down || !post->hosts[i].online;
        uint64_t deadline = asleep ? NEVER : rendezvous_deadline(post->hosts[i].machine);
        if (deadline < next)
            next = deadline;
    }
    return next;
}

/* Hands over the first flight that is due; false: none is. */
static inline bool post_deliver(struct post *post)
{
    for (unsigned i = 0; i < post->flight_count; i++) {
        struct flight flight = post->flights[i];
        if (flight.at > post->now)
            continue;
        memmove(&post->flights[i], &post->flights[i + 1], (--post->flight_count - i) * sizeof flight);
        if (post->hosts[flight.to].online && !post->hosts[flight.to].down)
            rendezvous_input(post->hosts[flight.to].machine, post->now, flight.broker, flight.topic,
                             flight.data, flight.len);
        free(flight.data);
        post->delivered++;
        return true;
    }
    return false;
}

/* One delivery or one deadline, not after `until`. False: the time is over. */
static inline bool post_step(struct post *post, uint64_t until)
{
    post_drain(post);
    uint64_t next = post_next(post);
    if (next > until) {
        post->now = until;
        return false;
    }
    if (next > post->now)
        post->now = next;
    post_deliver(post);
    return true;
}

static inline void post_run(struct post *post, uint64_t duration)
{
    uint64_t until = post->now + duration;
    for (unsigned steps = 0; post_step(post, until); steps++)
        if (steps > 1000000)
            fail_msg("no end");
    post_drain(post);
}

static inline void post_connect(struct post *post, unsigned n)
{
    static struct letter letter;
    post->hosts[n].online = true;
    while (
        rendezvous_output(post->hosts[n].machine, post->now, &letter)) /* in the connection's first flight */
        post_send(post, n, &letter);
    for (unsigned broker = 0; broker < post->brokers; broker++)
        if (!(post->broken >> broker & 1))
            rendezvous_connected(post->hosts[n].machine, post->now, broker);
}

/* Both have the session with the same keys, as each other's counterpart. */
static inline bool post_are_joined(struct post *post, unsigned a, unsigned b)
{
    struct link *to_b = post_link_to(&post->hosts[a], &post->hosts[b]);
    struct link *to_a = post_link_to(&post->hosts[b], &post->hosts[a]);
    return to_a && to_b && to_a->role != to_b->role && !memcmp(to_a->key, to_b->key, sizeof to_a->key) &&
           !memcmp(to_a->words, to_b->words, sizeof to_a->words);
}

static inline bool post_all_joined(struct post *post)
{
    for (unsigned a = 0; a < post->host_count; a++)
        for (unsigned b = 0; b < a; b++)
            if (!post_are_joined(post, a, b))
                return false;
    return true;
}

/* Time until everybody is joined; NEVER after `limit`. */
static inline uint64_t post_join(struct post *post, uint64_t limit)
{
    uint64_t start = post->now;
    while (!post_all_joined(post))
        if (!post_step(post, start + limit))
            return NEVER;
    return post->now - start;
}

#endif
