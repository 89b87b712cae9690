/* sightings.c - which ids have spoken before: a table in which each id has one place, found by a keyed hash,
 * and a newcomer takes it. So memory is fixed, and who sends most forgets itself first. */
#include "sightings.h"
#include "message.h"
#include "packet.h"
#include <sodium.h>
#include <string.h>

_Static_assert(crypto_shorthash_KEYBYTES == 16 && crypto_shorthash_BYTES == 8, "SipHash-2-4");

void sightings_start(struct sightings *sightings, const struct random *random)
{
    random->fill(random->context, sightings->key, sizeof sightings->key);
}

bool sightings_note(struct sightings *sightings, uint64_t now, const char *id)
{
    uint32_t hash[2], now_ms = (uint32_t)(now / NS_PER_MS);
    crypto_shorthash((uint8_t *)hash, (const uint8_t *)id, PEER_ID_LEN, sightings->key);
    struct sighting *place = &sightings->seen[hash[0] % SIGHTINGS_MAX];
    uint32_t mark = hash[1] ? hash[1] : 1;
    if (place->mark == mark)
        return now_ms - place->first_ms >= SIGHTINGS_GAP_MS;
    *place = (struct sighting){mark, now_ms};
    return false;
}
