/* scenario_list.c - every scenario, by name. */
#include "run.h"

#include <assert.h>
#include <stdio.h>

enum {
    GUESS_S = 30, /* two attempts at guessing a port, should the first fail */
    FRESH_S = 3,  /* to notice that nothing works, and for another port of ours to be told and checked */
};

static struct scenario table[SCENARIOS_MAX];
static size_t table_len;

static struct scenario *add(const char *name, const char *a, const char *b)
{
    const struct nat_kind *x = nat_kind(a), *y = nat_kind(b);
    assert(table_len < SCENARIOS_MAX);
    struct scenario *s = &table[table_len++];
    *s = (struct scenario){
        .story = story_meet,
        .kinds = {x, y},
        .weather = {.delay = 20 * NS_PER_MS, .jitter = 2 * NS_PER_MS},
        .lifetime = 30 * NS_PER_S,
        .players = 2,
        .max_peers = 1,
        .bytes = 1,
        .outcome = nat_is_odd(x, y)                               ? ODD
                   : nat_can_connect(x, y) || nat_can_punch(x, y) ? MEET
                                                                  : NO_PATH,
        .kind = PATH_DIRECT,
        .path_within = 1 * NS_PER_S,
        .bytes_within = 1 * NS_PER_S,
        .seeds = 1000,
    };
    if (!nat_can_connect(x, y) && nat_can_punch(x, y))
        s->path_within = s->bytes_within = GUESS_S * NS_PER_S;
    snprintf(s->name, sizeof s->name, "%s", name);
    return s;
}

static void add_pairs(void)
{
    char name[SCENARIO_NAME_MAX];
    for (int a = -1; a < NAT_KINDS; a++)
        for (int b = a; b < NAT_KINDS; b++) {
            const char *x = a < 0 ? "open" : nat_kinds[a].name, *y = b < 0 ? "open" : nat_kinds[b].name;
            snprintf(name, sizeof name, "pair/%s-%s", x, y);
            add(name, x, y);
        }
}

/* A hard gateway of a kind that pairs of all with all would be too many of. */
static struct scenario *add_punch(const char *name, const char *easy, const struct nat_kind *hard)
{
    struct scenario *s = add(name, easy, "symr");
    s->kinds[1] = hard;
    s->outcome = MEET;
    s->path_within = s->bytes_within = GUESS_S * NS_PER_S;
    return s;
}

#define HARD .mapping = NAT_ADDRESS_PORT_DEPENDENT, .filtering = NAT_ADDRESS_PORT_DEPENDENT

static void add_punches(void)
{
    static const struct nat_kind syms2 = {.name = "syms2", HARD, .ports = NAT_SEQUENTIAL, .step = 2},
                                 syms5 = {.name = "syms5", HARD, .ports = NAT_SEQUENTIAL, .step = 5},
                                 symsdown = {.name = "symsdown", HARD, .ports = NAT_SEQUENTIAL, .step = -1},
                                 busy = {.name = "busy", HARD, .ports = NAT_SEQUENTIAL, .busy = 5},
                                 /* of two as busy as the one above both attempts fail once in 500 */
        lively = {.name = "lively", HARD, .ports = NAT_SEQUENTIAL, .busy = 3},
                                 block = {.name = "block", HARD, .ports = NAT_RANDOM, .block = 1024},
                                 naive = {.name = "naive",
                                          .filtering = NAT_ADDRESS_PORT_DEPENDENT,
                                          .ports = NAT_PRESERVE,
                                          .naive = true};
    add_punch("punch/port-syms2", "port", &syms2);
    add_punch("punch/port-syms5", "port", &syms5);
    add_punch("punch/fw-symsdown", "fw", &symsdown);
    add_punch("punch/port-block", "port", &block);
    add_punch("punch/fw-block", "fw", &block);
    add_punch("punch/syms2-syms5", "port", &syms5)->kinds[0] = &syms2;
    add_punch("punch/syms-symsdown", "syms", &symsdown);
    add_punch("punch/naive-symr", "port", nat_kind("symr"))->kinds[0] = &naive;
    add_punch("punch/naive-syms", "port", nat_kind("syms"))->kinds[0] = &naive;
    /* The check that came too early has spoiled a port; another one is opened for the peer. */
    struct scenario *s = add_punch("punch/naive-port", "port", &naive);
    s->path_within = s->bytes_within = FRESH_S * NS_PER_S;
    s = add_punch("punch/naive-fw", "fw", &naive);
    s->path_within = s->bytes_within = FRESH_S * NS_PER_S;
    s = add_punch("punch/naive-both", "port", &naive);
    s->kinds[0] = &naive;
    s->path_within = s->bytes_within = FRESH_S * NS_PER_S;
    add_punch("punch/lossy", "port", nat_kind("symr"))->weather.loss = 20;
    add_punch("punch/lossy-syms", "syms", nat_kind("syms"))->weather.loss = 5;
    add_punch("punch/long-wait-busy", "port", &busy)->story = story_wait;
    s = add_punch("punch/long-wait-lively-both", "port", &lively);
    s->kinds[0] = &lively;
    s->story = story_wait;
    s = add_punch("punch/far", "port", nat_kind("symr"));
    s->weather.delay = 150 * NS_PER_MS;
    s->weather.jitter = 30 * NS_PER_MS;
}

/* The same two networks twice: remembered, forgotten, remembered wrongly. */
static void add_again(const char *pair, const char *a, const struct nat_kind *hard)
{
    static void (*const stories[])(struct run * run) = {story_again, story_again_blank, story_again_wrong};
    static const char *const names[] = {"again", "blank", "wrong"};
    char name[SCENARIO_NAME_MAX];
    for (unsigned i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s/%s", names[i], pair);
        struct scenario *s = add_punch(name, a, hard);
        s->story = stories[i];
        s->seeds = 200;
        s->fewer = 10; /* each is two long meetings */
    }
}

static void add_agains(void)
{
    static const struct nat_kind block = {.name = "block", HARD, .ports = NAT_RANDOM, .block = 1024},
                                 crowded = {.name = "crowded", HARD, .ports = NAT_SEQUENTIAL, .busy = 2000};
    add_again("port-symr", "port", nat_kind("symr"));
    add_again("port-syms", "port", nat_kind("syms"));
    add_again("port-block", "port", &block);
    add_again("syms-syms", "syms", nat_kind("syms"));
    add_again("port-crowded", "port", &crowded);
}

static struct scenario *add_weather(const char *name, unsigned loss, uint64_t delay_ms, uint64_t jitter_ms)
{
    struct scenario *s = add(name, "port", "port");
    s->weather.loss = loss;
    s->weather.delay = delay_ms * NS_PER_MS;
    s->weather.jitter = jitter_ms * NS_PER_MS;
    s->path_within = 20 * NS_PER_S;
    s->bytes_within = 60 * NS_PER_S;
    return s;
}

static void add_weathers(void)
{
    struct scenario *s = add_weather("weather/loss30", 30, 20, 2);
    s->seeds = 10000;
    s = add_weather("weather/wild", 10, 20, 60);
    s->weather.duplicate = 10;
    s->bytes = 60000;
    s = add_weather("weather/twice", 0, 20, 2);
    s->weather.duplicate = 100;
    s->bytes = 60000;
    s->path_within = s->bytes_within = NS_PER_S;
    s = add_weather("weather/far", 20, 200, 50);
    s->bytes_within = 10 * NS_PER_S;
    s->seeds = 10000;
    s = add_weather("weather/space", 1, 300, 20);
    s->path_within = s->bytes_within = 10 * NS_PER_S;
}

static void add_upset(const char *name, enum upset upset)
{
    struct scenario *s = add(name, "port", "port");
    s->upset = upset;
    s->bytes = 400000;
    s->weather.loss = 1;
    s->path_within = 10 * NS_PER_S;
    s->bytes_within = 30 * NS_PER_S;
}

static void add_upsets(void)
{
    add_upset("upset/rebind-first", REBIND_FIRST);
    add_upset("upset/rebind-second", REBIND_SECOND);
    add_upset("upset/rebind-both", REBIND_BOTH);
    add_upset("upset/roam-first", ROAM_FIRST);
    add_upset("upset/roam-both", ROAM_BOTH);
}

static struct scenario *add_place(const char *name, enum placement placement, const char *a, const char *b)
{
    struct scenario *s = add(name, a, b);
    s->placement = placement;
    return s;
}

static void add_carrier(const char *name, const struct nat_kind *carrier, enum placement placement,
                        enum outcome outcome)
{
    struct scenario *s = add_place(name, placement, "port", "port");
    s->carrier = carrier;
    s->outcome = outcome;
}

static void add_places(void)
{
    static const struct nat_kind plain = {.name = "carrier",
                                          .filtering = NAT_ADDRESS_PORT_DEPENDENT,
                                          .ports = NAT_RANDOM},
                                 hairpin = {.name = "carrier",
                                            .filtering = NAT_ADDRESS_PORT_DEPENDENT,
                                            .ports = NAT_RANDOM,
                                            .hairpin = true};
    struct scenario *s = add_place("place/one-machine", ONE_MACHINE, "symr", "symr");
    s->kind = PATH_HOST;
    s->outcome = MEET;
    s = add_place("place/one-network", ONE_NETWORK, "symr", "symr");
    s->kind = PATH_LAN;
    s->outcome = MEET;
    add_place("place/overlapping", OVERLAPPING, "port", "port");
    add_place("place/bridges", BRIDGED, "port", "port");
    add_carrier("place/two-in-a-row", &plain, FIRST_CARRIED, MEET);
    add_carrier("place/one-carrier", &plain, ONE_CARRIER, NO_PATH);
    add_carrier("place/one-carrier-hairpin", &hairpin, ONE_CARRIER, MEET);
    add_place("place/ipv6-only", IPV6_ONLY, "fw", "fw");
    s = add_place("place/dual-stack", DUAL_STACK, "symr", "symr");
    s->outcome = MEET; /* IPv6 can what IPv4 cannot */
    s = add_place("place/long-wait", APART, "port", "symaddr");
    s->story = story_wait;
    s->lifetime = 20 * NS_PER_S;
}

static struct scenario *add_room(const char *name, void (*story)(struct run *run), unsigned players,
                                 unsigned max_peers)
{
    struct scenario *s = add(name, "port", "fw");
    s->story = story;
    s->players = players;
    s->max_peers = max_peers;
    s->bytes = 3000;
    s->bytes_within = 10 * NS_PER_S;
    return s;
}

static void add_rooms(void)
{
    struct scenario *s = add("room/glare", "port", "port");
    s->at_once = true;
    s->letter_jitter = 20 * NS_PER_MS;
    s = add("room/lossy-broker", "port", "port");
    s->letters_lost = s->letters_doubled = 10;
    s->letter_jitter = 20 * NS_PER_MS;
    s->path_within = s->bytes_within = 20 * NS_PER_S;
    add_room("room/chat-of-3", story_chat, 3, 8);
    add_room("room/chat-of-5", story_chat, 5, 8);
    s = add_room("room/chat-of-5-glare", story_chat, 5, 8);
    s->at_once = true;
    s = add_room("room/chat-of-8", story_chat, 8, 8);
    s->seeds = 500;
    s->fewer = 5;
    s = add_room("room/chat-of-8-lossy", story_chat, 8, 8);
    s->weather.loss = s->letters_lost = s->letters_doubled = 5;
    s->letter_jitter = 20 * NS_PER_MS;
    s->bytes_within = 30 * NS_PER_S; /* whose hello is lost for one is heard by it 15 s later */
    s->seeds = 500;
    s->fewer = 5;
    s = add_room("room/chat-of-64", story_chat, 64, 64);
    s->kinds[1] = s->kinds[0];
    s->seeds = 4;
    s->fewer = 1000;
    s = add_room("room/full-200", story_full, 201, 1);
    s->kinds[0] = s->kinds[1] = NULL;
    s->bytes = 0;
    s->seeds = 20;
    s->fewer = 500;
    s = add_room("room/full-200-at-once", story_full, 201, 1);
    s->kinds[0] = s->kinds[1] = NULL;
    s->bytes = 0;
    s->at_once = true;
    s->seeds = 20;
    s->fewer = 1000; /* half a minute each */
    add_room("room/pipe-of-3", story_pipe, 3, 1)->bytes_within = 8 * NS_PER_S;
    add_room("room/pipe-of-5", story_pipe, 5, 1)->bytes_within = 8 * NS_PER_S;
    s = add_room("room/secrets", story_secrets, 2, 8);
    s->secrets[0] = "right", s->secrets[1] = "wrong";
    s = add_room("room/secrets-of-3", story_secrets, 3, 8);
    s->secrets[0] = "right", s->secrets[1] = "wrong";
}

static struct scenario *add_life(const char *name, void (*story)(struct run *run))
{
    struct scenario *s = add_room(name, story, 2, 8);
    s->kinds[1] = s->kinds[0];
    return s;
}

static void add_lives(void)
{
    add_life("life/idle", story_idle)->lifetime = 20 * NS_PER_S;
    add_life("life/outage", story_outage);
    add_life("life/outage-random-ports", story_outage)->kinds[0] = nat_kind("addr");
    add_life("life/outage-udp", story_outage_udp)->kinds[0] = nat_kind("addr");
    add_life("life/killed", story_killed);
    add_life("life/killed-dumb", story_killed_dumb);
    add_life("life/nap", story_nap);
    add_life("life/sleep", story_sleep);
    add_life("life/sleep-random-ports", story_sleep)->kinds[0] = nat_kind("addr");
    add_life("life/coma", story_coma);
    struct scenario *s = add_life("life/broker-down", story_broker_down);
    s->players = 3;
    s->bytes = 100000;
}

static struct scenario *add_broker(const char *name, void (*story)(struct run *run))
{
    struct scenario *s = add_life(name, story);
    s->broker_relay = 32768;
    s->path_within = s->bytes_within = NS_PER_S;
    s->max_peers = 1;
    return s;
}

static void add_brokers(void)
{
    struct scenario *s;
    add_broker("broker/blocked", story_broker);
    s = add_broker("broker/blocked-lossy", story_broker);
    s->letters_lost = 5;
    s->letter_jitter = 20 * NS_PER_MS;
    s->path_within = s->bytes_within = 20 * NS_PER_S;
    add_broker("broker/rate", story_broker_rate)->bytes = 100000;
    add_broker("broker/freed", story_broker_freed)->bytes = 400000;
    add_broker("broker/falls", story_broker_falls);
    add_broker("broker/lost", story_broker_lost);
    add_broker("broker/killed", story_broker_killed);
    s = add_broker("broker/hard", story_broker_hard);
    s->kinds[0] = s->kinds[1] = nat_kind("symr");
    add_broker("broker/killed-direct", story_killed)->max_peers = 8;
    add_broker("broker/killed-dumb", story_killed_dumb)->max_peers = 8;
    add_broker("broker/outage", story_outage)->bytes_within = 10 * NS_PER_S;
    add_broker("broker/sleep", story_sleep)->max_peers = 8;
    add_broker("broker/coma", story_coma)->max_peers = 8;
    s = add_broker("broker/fair", story_broker_fair);
    s->players = 4;
    s->max_peers = 8;
    s->bytes = 40000;
}

static void add_networks(void)
{
    struct scenario *s = add("networks", "open", "open");
    s->story = story_networks;
    s->draw = story_networks_draw;
    s->bytes = 1000;
    s->broker_relay = 32768;
    s->seeds = 10000;
}

const struct scenario *scenarios(size_t *count)
{
    if (!table_len) {
        add_pairs();
        add_punches();
        add_agains();
        add_weathers();
        add_upsets();
        add_places();
        add_rooms();
        add_lives();
        add_brokers();
        add_networks();
    }
    *count = table_len;
    return table;
}
