/* presence.c - how many peers are in the room with a place to give: a bit for each id that was heard, in two
 * spans of time. Two ids may share a bit; what is asked for is how many doublings there are, not who is
 * there, and a flood costs nothing. */
#include "presence.h"
#include "message.h"
#include "packet.h"
#include <sodium.h>
#include <string.h>

_Static_assert(crypto_shorthash_KEYBYTES == 16 && crypto_shorthash_BYTES == 8, "SipHash-2-4");

void presence_start(struct presence *presence, const struct random *random)
{
    random->fill(random->context, presence->key, sizeof presence->key);
}

static void turn(struct presence *presence, uint64_t now)
{
    uint64_t span = PRESENCE_SPAN_S * NS_PER_S;
    if (now < presence->began + span)
        return;
    if (now < presence->began + 2 * span)
        memcpy(presence->seen[1], presence->seen[0], sizeof presence->seen[1]);
    else
        memset(presence->seen[1], 0, sizeof presence->seen[1]);
    memset(presence->seen[0], 0, sizeof presence->seen[0]);
    presence->began = now;
}

void presence_note(struct presence *presence, uint64_t now, const char *id, bool places)
{
    uint64_t hash;
    turn(presence, now);
    crypto_shorthash((uint8_t *)&hash, (const uint8_t *)id, PEER_ID_LEN, presence->key);
    unsigned word = hash / 64 % (PRESENCE_BITS / 64);
    uint64_t bit = UINT64_C(1) << hash % 64;
    if (places) {
        presence->seen[0][word] |= bit;
        return;
    }
    presence->seen[0][word] &= ~bit;
    presence->seen[1][word] &= ~bit;
}

static unsigned count_bits(uint64_t word)
{
    unsigned count = 0;
    for (; word; word &= word - 1)
        count++;
    return count;
}

unsigned presence_count(struct presence *presence, uint64_t now)
{
    unsigned count = 0;
    turn(presence, now);
    for (unsigned i = 0; i < PRESENCE_BITS / 64; i++)
        count += count_bits(presence->seen[0][i] | presence->seen[1][i]);
    return count;
}
