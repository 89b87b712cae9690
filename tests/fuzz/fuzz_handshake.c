/* fuzz_handshake.c - hostile PAKE messages: two honest sides run a handshake while the input alters what they
 * say, with the room's name but without its secret. Whoever takes the other for proven must have the same
 * keys, and must have been told the truth about everything that is said in the open. */
#include "fuzz.h"
#include "handshake.h"
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

struct script {
    const uint8_t *at;
    size_t left;
};

static struct party alice, bob;
static uint64_t seed;

static const struct random source = {fill, &seed};

static uint8_t next(struct script *script)
{
    if (!script->left)
        return 0;
    script->left--;
    return *script->at++;
}

static void party_begin(struct party *party, const char *id)
{
    memset(party, 0, sizeof *party);
    memcpy(party->id, id, PEER_ID_LEN);
    memcpy(party->room, "47vcn4x2iybnjlcp2fivzwg7gu635hoy", ROOM_TOPIC_LEN);
    pake_password(party->prs, "demo", (const uint8_t *)"unknown", 7);
    veil_key(party->veil_key, "demo");
    party->random = &source;
}

static void take(struct script *script, uint8_t *field, size_t len)
{
    for (size_t i = 0; i < len; i++)
        field[i] = next(script);
}

/* One field becomes something else; 0 leaves the message alone. */
static void alter(struct script *script, struct message *message)
{
    uint8_t what = next(script);
    struct message_about *about = &message->about;
    struct {
        uint8_t *at;
        size_t len;
    } fields[] = {{message->point, POINT_LEN},
                  {message->commit, COMMIT_LEN},
                  {message->tag, TAG_LEN},
                  {message->reveal, REVEAL_LEN},
                  {about->nonce, NONCE_LEN},
                  {&about->slots, 1},
                  {(uint8_t *)&about->capabilities, sizeof about->capabilities}};
    size_t count = sizeof fields / sizeof *fields;
    if (what == 0)
        return;
    if (what <= count)
        take(script, fields[what - 1].at, fields[what - 1].len);
    else if (what == count + 1)
        fields[0].at[next(script) % POINT_LEN] ^= next(script);
    else if (what == count + 2)
        message->sealed[next(script) * 2 % SEALED_MAX] ^= next(script);
    else if (what == count + 3)
        message->sealed_len = next(script);
    else if (what == count + 4)
        message->sequence = next(script);
    else if (what == count + 5)
        about->purpose[0] = (char)next(script);
    else
        about->fresh = next(script);
}

static struct body body_of(enum body_type type)
{
    return (struct body){
        .type = type,
        .description = {.name = "attic", .ufrag = "ufrag", .pwd = "password9012345678901234"},
    };
}

/* All that pake1 and pake2 said in the open, as the other side believes it. */
static bool told_the_truth(const struct handshake *a, const struct handshake *b)
{
    uint8_t ad[2][PAKE_ABOUT_MAX];
    size_t one = pake_about(ad[0], &a->own, a->commit, COMMIT_LEN);
    size_t two = pake_about(ad[1], &b->other, b->commit, COMMIT_LEN);
    bool same = one == two && !memcmp(ad[0], ad[1], one);
    one = pake_about(ad[0], &b->own, b->reveal_b, REVEAL_LEN);
    two = pake_about(ad[1], &a->other, a->reveal_b, REVEAL_LEN);
    return same && one == two && !memcmp(ad[0], ad[1], one) &&
           !memcmp(a->pake.own, b->pake.peer, POINT_LEN) && !memcmp(b->pake.own, a->pake.peer, POINT_LEN);
}

static void agree(const struct handshake *a, const struct handshake *b)
{
    must(!memcmp(&a->pake.keys, &b->pake.keys, sizeof a->pake.keys));
    must(told_the_truth(a, b));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct message pake1, pake2, pake3;
    static struct body offer, answer, heard;
    static struct handshake a, b;
    const struct message_about of_a = {.nonce = {1}, .purpose = "send", .slots = 1, .fresh = 255};
    const struct message_about of_b = {.nonce = {2}, .purpose = "receive", .slots = 3};
    struct script script = {data, size};
    seed = 1;
    party_begin(&alice, "aaaaaaaaaaaaaaaa");
    party_begin(&bob, "bbbbbbbbbbbbbbbb");
    offer = body_of(BODY_OFFER), answer = body_of(BODY_ANSWER);
    handshake_ask(&a, &alice, bob.id, &of_a, &of_b, &pake1);
    alter(&script, &pake1);
    handshake_invite(&b, &bob, &pake1, &of_b);
    must(handshake_answer(&b, &bob, &offer, &pake2));
    alter(&script, &pake2);
    bool good = handshake_accept(&a, &alice, &pake2, &heard) == VERDICT_GOOD;
    if (good)
        agree(&a, &b);
    must(handshake_confirm(&a, &alice, good ? &answer : NULL, &pake3));
    alter(&script, &pake3);
    enum verdict verdict = handshake_prove(&b, &bob, &pake3, &heard);
    must(good || verdict != VERDICT_GOOD);
    if (verdict != VERDICT_BAD)
        agree(&a, &b);
    handshake_wipe(&a);
    handshake_wipe(&b);
    return 0;
}
