/* fuzz_rendezvous.c - hostile brokers and rooms: two machines meet while the input says what happens to each
 * letter between them. It may deliver, drop, repeat, damage or rewrite it, put in letters of its own, let
 * time pass, and do what a user may do. It does not know the room's secret, so whoever is proven must be the
 * other machine: that, and that a drained machine never asks to be called at once, is what must hold. */
#include "fuzz.h"
#include "packet.h"
#include "rendezvous.h"
#include "veil.h"
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { FLIGHTS_MAX = 32, KEYS_MAX = 256, STEPS_MAX = 400, INPUT_STEP_MS = 25 };

struct side {
    struct rendezvous *machine;
    struct random random;
    uint64_t seed;
    uint8_t keys[KEYS_MAX][PAKE_KEY_LEN]; /* that it has made, a ring */
    unsigned key_count;
    peer_handle last;
};

static struct side sides[2];
static struct letter flights[FLIGHTS_MAX]; /* the oldest first; more are lost */
static unsigned flight_count;
static uint64_t now;

static void begin(void)
{
    flight_count = 0;
    now = NS_PER_S;
    for (unsigned i = 0; i < 2; i++) {
        struct side *side = &sides[i];
        memset(side, 0, sizeof *side);
        side->seed = i + 1;
        side->random = (struct random){fill, &side->seed};
        const struct rendezvous_config config = {.room = "demo",
                                                 .secret = (const uint8_t *)"unknown",
                                                 .secret_len = 7,
                                                 .name = "attic",
                                                 .purpose = "chat",
                                                 .slots = 4,
                                                 .brokers = 2,
                                                 .random = &side->random};
        side->machine = rendezvous_new(&config);
        must(side->machine != NULL);
        rendezvous_set_trace(side->machine, i == 0);
        rendezvous_connected(side->machine, now, 0);
        rendezvous_connected(side->machine, now, 1);
    }
}

static struct description describe(void)
{
    struct description own = {.ufrag = "ufrag123", .pwd = "password9012345678901234", .candidate_count = 1};
    own.candidates[0] = (struct wire_candidate){CANDIDATE_HOST, {0}, 1, "1"};
    must(addr_parse(&own.candidates[0].address, "192.168.1.10:40000"));
    return own;
}

static bool has_key(const struct side *side, const uint8_t *key)
{
    for (unsigned i = 0; i < side->key_count && i < KEYS_MAX; i++)
        if (!memcmp(side->keys[i], key, PAKE_KEY_LEN))
            return true;
    return side->key_count > KEYS_MAX; /* too many to remember them all */
}

static void react(unsigned n, const struct rendezvous_event *event)
{
    struct side *side = &sides[n];
    struct description own = describe();
    if (event->type != RENDEZVOUS_PEER && event->type != RENDEZVOUS_WANT_OFFER)
        return;
    if (event->type == RENDEZVOUS_PEER) {
        must(has_key(&sides[!n], event->tls_key));
        must(!strcmp(event->id, rendezvous_id(sides[!n].machine)));
    }
    memcpy(side->keys[side->key_count++ % KEYS_MAX], event->tls_key, PAKE_KEY_LEN);
    side->last = event->peer;
    rendezvous_describe(side->machine, now, event->peer, &own);
    if (event->type == RENDEZVOUS_PEER)
        rendezvous_send_candidates(side->machine, now, event->peer, &own);
}

static void drain(void)
{
    struct rendezvous_event event;
    static struct letter letter;
    for (unsigned i = 0; i < 2; i++) {
        for (bool more = true; more;) {
            more = false;
            for (; rendezvous_output(sides[i].machine, now, &letter); more = true) {
                must(letter.len > 0 && letter.len <= MESSAGE_MAX && letter.brokers != 0);
                if (flight_count < FLIGHTS_MAX)
                    flights[flight_count++] = letter;
            }
            for (; rendezvous_event(sides[i].machine, &event); more = true)
                react(i, &event);
        }
        must(rendezvous_deadline(sides[i].machine) > now);
    }
}

static void hand_over(const struct letter *letter, unsigned broker)
{
    char hello[TOPIC_MAX], inbox[TOPIC_MAX];
    struct relayed relayed;
    const uint8_t *data = (const uint8_t *)letter->data;
    for (unsigned i = 0; i < 2; i++) {
        rendezvous_topics(sides[i].machine, hello, inbox);
        if (rendezvous_is_relay(sides[i].machine, letter->topic) &&
            rendezvous_relay_input(sides[i].machine, broker, data, letter->len, &relayed))
            must(relayed.peer && relayed.len && relayed.len <= RELAY_PACKET_MAX &&
                 relayed.data == data + PEER_ID_LEN && PEER_ID_LEN + relayed.len == letter->len);
        if (!strcmp(letter->topic, hello) || !strcmp(letter->topic, inbox))
            rendezvous_input(sides[i].machine, now, broker, letter->topic, (const uint8_t *)letter->data,
                             letter->len);
    }
    drain();
}

static bool take_letter(struct letter *letter)
{
    if (!flight_count)
        return false;
    *letter = flights[0];
    memmove(flights, flights + 1, --flight_count * sizeof *flights);
    return true;
}

/* ---- the script ---- */

struct script {
    const uint8_t *at;
    size_t left;
};

static uint8_t next(struct script *script)
{
    if (!script->left)
        return 0;
    script->left--;
    return *script->at++;
}

static void damage(struct script *script, struct letter *letter)
{
    size_t at = (size_t)(next(script) << 8 | next(script));
    letter->data[at % letter->len] = (char)(letter->data[at % letter->len] ^ next(script));
}

/* Well-formed, but not what was said. */
static void rewrite(struct script *script, struct letter *letter)
{
    static struct message message;
    uint8_t key[VEIL_KEY_LEN];
    veil_key(key, "demo"); /* the room's name is no secret */
    if (!message_decode(&message, (const uint8_t *)letter->data, letter->len))
        return;
    bool veiled = veil_open(key, &message);
    uint8_t what = next(script), value = next(script);
    if (what & 1)
        memcpy(message.from, rendezvous_id(sides[value & 1].machine), sizeof message.from);
    if (what & 2)
        message.from[value % PEER_ID_LEN] = (char)('a' + value % 26);
    if (what & 4)
        message.type = (enum message_type)(value % (MESSAGE_BYE + 1));
    if (what & 8)
        message.sequence = value;
    if (what & 16)
        message.point[value % POINT_LEN] ^= value;
    if (what & 32)
        message.about.nonce[value % NONCE_LEN] ^= value;
    if (what & 64)
        message.tag[value % TAG_LEN] ^= value;
    if (what & 128)
        message.sealed_len = value;
    if (veiled && !(value & 64))
        veil_close(key, &message);
    size_t len = message_encode(&message, letter->data, sizeof letter->data);
    letter->len = len ? len : letter->len;
    if (value & 128)
        rendezvous_topics(sides[value & 1].machine, (char[TOPIC_MAX]){0}, letter->topic);
}

static void insert(struct script *script, struct letter *letter)
{
    char hello[TOPIC_MAX], inbox[TOPIC_MAX];
    uint8_t where = next(script);
    size_t len = (size_t)next(script) * 4;
    rendezvous_topics(sides[where & 1].machine, hello, inbox);
    memcpy(letter->topic, where & 2 ? hello : inbox, TOPIC_MAX);
    letter->len = len < script->left ? len : script->left;
    memcpy(letter->data, script->at, letter->len);
    script->at += letter->len;
    script->left -= letter->len;
}

/* A packet of the other side, or whatever the script says, on the topic for packets. */
static void relay(struct script *script, unsigned broker)
{
    static struct letter letter;
    uint8_t what = next(script);
    unsigned to = what & 1;
    if (!rendezvous_relay_address(sides[!to].machine, rendezvous_id(sides[to].machine), &letter))
        return;
    must(letter.relay && letter.len == PEER_ID_LEN);
    if (what & 2)
        letter.len = 0;
    size_t len = (size_t)next(script) * 8;
    len = len < script->left ? len : script->left;
    memcpy(letter.data + letter.len, script->at, len);
    script->at += len;
    script->left -= len;
    letter.len += len;
    hand_over(&letter, broker);
}

static void use(struct script *script)
{
    uint8_t what = next(script);
    struct side *side = &sides[what >> 7];
    struct description own = describe();
    switch (what % 9) {
    case 0:
        rendezvous_forget(side->machine, now, side->last);
        break;
    case 1:
        rendezvous_bye(side->machine, now, side->last, "bye");
        break;
    case 2:
        rendezvous_refuse(side->machine, now, side->last, "busy");
        break;
    case 3:
        rendezvous_settle(side->machine, side->last);
        break;
    case 4:
        rendezvous_send_candidates(side->machine, now, side->last, &own);
        break;
    case 5:
        rendezvous_set_slots(side->machine, now, what & 3);
        break;
    case 6:
        rendezvous_disconnected(side->machine, now, what >> 6 & 1);
        break;
    case 7:
        rendezvous_connected(side->machine, now, what >> 6 & 1);
        break;
    default:
        rendezvous_describe(side->machine, now, side->last, &own);
    }
    drain();
}

static void step(struct script *script)
{
    static struct letter letter;
    uint8_t what = next(script);
    unsigned broker = what >> 7;
    switch (what % 8) {
    case 4:
        now += (1 + (uint64_t)next(script)) * INPUT_STEP_MS * NS_PER_MS;
        drain();
        return;
    case 5:
        insert(script, &letter);
        hand_over(&letter, broker);
        return;
    case 6:
        if (what & 64)
            relay(script, broker);
        else
            use(script);
        return;
    }
    if (!take_letter(&letter))
        return;
    if (what % 8 == 1)
        damage(script, &letter);
    if (what % 8 == 7)
        rewrite(script, &letter);
    if (what % 8 == 3)
        hand_over(&letter, !broker);
    if (what % 8 != 2)
        hand_over(&letter, broker);
}

/* The first byte says how many letters arrive as they should. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct letter letter;
    struct script script = {data, size};
    must(sodium_init() >= 0);
    begin();
    drain();
    for (unsigned good = next(&script) % 16; good && take_letter(&letter); good--)
        hand_over(&letter, 0);
    for (unsigned i = 0; script.left && i < STEPS_MAX; i++)
        step(&script);
    for (unsigned i = 0; i < 2; i++)
        rendezvous_free(sides[i].machine);
    return 0;
}
