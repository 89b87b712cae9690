/* p2p_pair.h - programs on the public library, several in one process, on a real broker of this machine. */
#ifndef P2P_PAIR_H
#define P2P_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "p2pconnect.h"
#include "real_broker.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EVENT_TYPES = P2P_EVENT_LEFT + 1, PATIENCE_S = 20 };

/* One program: what it was told, and what it does with it. */
struct side {
    struct p2p_node *node;
    struct p2p_peer *peer;     /* the last one that was connected; NULL once closed */
    struct p2p_stream *stream; /* the last one that came */
    unsigned told[EVENT_TYPES];
    struct p2p_event last[EVENT_TYPES]; /* texts are gone, these two are kept */
    char text[EVENT_TYPES][128], detail[EVENT_TYPES][128];
    void (*take)(struct side *side, const struct p2p_event *event); /* what else to do; may be NULL */
    void *test;
};

static struct broker pair_broker;

static inline uint64_t pair_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int pair_setup(void **state)
{
    (void)state;
    if (!broker_program_exists("mosquitto"))
        return -1;
    return broker_make(&pair_broker) && broker_configure(&pair_broker, "allow_anonymous true\n") &&
                   broker_start(&pair_broker)
               ? 0
               : -1;
}

static int pair_teardown(void **state)
{
    (void)state;
    broker_clear(&pair_broker);
    return 0;
}

/* A configuration that stays on this machine; its lists are static. */
static inline struct p2p_config pair_config(const char *name)
{
    static char url[64];
    static const char *brokers[] = {url, NULL}, *stun[] = {"none", NULL};
    snprintf(url, sizeof url, "127.0.0.1:%u", pair_broker.port);
    return (struct p2p_config){
        .size = sizeof(struct p2p_config), .brokers = brokers, .stun = stun, .name = name, .no_portmap = 1};
}

static inline struct side *side_new(const struct p2p_config *config)
{
    struct side *side = calloc(1, sizeof *side);
    assert_non_null(side);
    assert_int_equal(p2p_node_new(&side->node, config), 0);
    assert_int_equal(p2p_node_start(side->node), 0);
    return side;
}

static inline void side_free(struct side *side)
{
    p2p_stream_free(side->stream);
    p2p_node_free(side->node);
    free(side);
}

static void side_take(struct side *side, const struct p2p_event *event)
{
    side->told[event->type]++;
    side->last[event->type] = *event;
    snprintf(side->text[event->type], sizeof side->text[0], "%s", event->text);
    snprintf(side->detail[event->type], sizeof side->detail[0], "%s", event->detail);
    if (event->type == P2P_EVENT_CONNECTED)
        side->peer = event->peer;
    if (event->type == P2P_EVENT_CLOSED && event->peer == side->peer)
        side->peer = NULL;
    if (event->type == P2P_EVENT_STREAM && !side->take) {
        p2p_stream_free(side->stream);
        side->stream = event->stream;
    }
    if (side->take)
        side->take(side, event);
}

static void side_drain(struct side *side)
{
    struct p2p_event event;
    while (p2p_next_event(side->node, &event))
        side_take(side, &event);
}

/* One turn of a loop over both, as a program with a loop of its own would: at most 10 ms. */
static void pair_turn(struct side *sides[2])
{
    struct pollfd fds[2];
    int64_t wait = 10000000;
    for (int i = 0; i < 2; i++) {
        int64_t timeout = p2p_node_timeout(sides[i]->node);
        fds[i] = (struct pollfd){.fd = p2p_node_fd(sides[i]->node), .events = POLLIN};
        assert_true(fds[i].fd >= 0);
        wait = timeout >= 0 && timeout < wait ? timeout : wait;
    }
    struct timespec time = {.tv_nsec = (long)wait};
    ppoll(fds, 2, &time, NULL);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(p2p_node_process(sides[i]->node), 0);
        side_drain(sides[i]);
    }
}

/* Until both have been told so often of `type`. */
static inline void pair_until(struct side *a, struct side *b, enum p2p_event_type type, unsigned at_a,
                              unsigned at_b)
{
    struct side *sides[2] = {a, b};
    uint64_t end = pair_now_ms() + PATIENCE_S * 1000;
    while (a->told[type] < at_a || b->told[type] < at_b) {
        if (pair_now_ms() > end)
            fail_msg("event %d: %u and %u times, not %u and %u", (int)type, a->told[type], b->told[type],
                     at_a, at_b);
        pair_turn(sides);
    }
}

static inline void pair_for_ms(struct side *a, struct side *b, uint64_t ms)
{
    struct side *sides[2] = {a, b};
    for (uint64_t end = pair_now_ms() + ms; pair_now_ms() < end;)
        pair_turn(sides);
}

static inline void pair_connect(struct side *sides[2])
{
    static unsigned count;
    char room[32];
    snprintf(room, sizeof room, "pair %u", count++);
    for (int i = 0; i < 2; i++) {
        struct p2p_config config = pair_config(i ? "bert" : "anna");
        sides[i] = side_new(&config);
        assert_int_equal(p2p_join(sides[i]->node, room, "secret", 6), 0);
    }
    pair_until(sides[0], sides[1], P2P_EVENT_CONNECTED, 1, 1);
}

static inline void pair_free(struct side *sides[2])
{
    side_free(sides[0]);
    side_free(sides[1]);
}

#endif
