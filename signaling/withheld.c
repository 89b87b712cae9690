/* withheld.c - counters of answers that were not given. They are not kept with the peers: a flood of made-up
 * ids could push a peer out there, and its count with it. */
#include "withheld.h"
#include "message.h"
#include "packet.h"
#include <sodium.h>

_Static_assert(crypto_shorthash_KEYBYTES == 16 && crypto_shorthash_BYTES == 8, "SipHash-2-4");

void withheld_start(struct withheld *withheld, const struct random *random)
{
    random->fill(random->context, withheld->key, sizeof withheld->key);
}

static void fade(struct withheld *withheld, uint64_t now)
{
    uint64_t steps = (now - withheld->faded) / (WITHHELD_FADE_S * NS_PER_S);
    if (!steps)
        return;
    withheld->faded += steps * WITHHELD_FADE_S * NS_PER_S;
    for (unsigned i = 0; i < WITHHELD_PLACES; i++)
        withheld->count[i] = withheld->count[i] > steps ? (uint8_t)(withheld->count[i] - steps) : 0;
}

static uint8_t *counter(struct withheld *withheld, uint64_t now, const char *id)
{
    uint64_t hash;
    fade(withheld, now);
    crypto_shorthash((uint8_t *)&hash, (const uint8_t *)id, PEER_ID_LEN, withheld->key);
    return &withheld->count[hash % WITHHELD_PLACES];
}

void withheld_note(struct withheld *withheld, uint64_t now, const char *id)
{
    uint8_t *count = counter(withheld, now, id);
    *count = *count < WITHHELD_MAX ? (uint8_t)(*count + 1) : WITHHELD_MAX;
}

unsigned withheld_places(struct withheld *withheld, uint64_t now, const char *id, unsigned places)
{
    return places << 2 * *counter(withheld, now, id);
}
