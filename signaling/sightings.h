/* sightings.h - which ids have spoken before: what tells a newcomer in a flood from ids that are made up for
 * one message each. Inside signaling/ only. */
#ifndef SIGHTINGS_H
#define SIGHTINGS_H

#include "random.h"
#include <stdbool.h>
#include <stdint.h>

enum {
    SIGHTINGS_MAX = 8192, /* ids remembered, 64 KiB: at 10,000 new ones a second an id lasts 0.8 s on average,
                             long enough for the second hello of a flooded room */
    SIGHTINGS_GAP_MS = 200, /* so long after its first word an id counts as seen before: our second hello
                               comes after 0.25 s less a fifth, and the copies that several brokers bring at
                               once do not count */
};

/* Zeroed, then sightings_start. */
struct sightings {
    uint8_t key[16]; /* nobody else can tell whose place an id takes */
    struct sighting {
        uint32_t mark;     /* of the id; 0: free */
        uint32_t first_ms; /* when it was heard first */
    } seen[SIGHTINGS_MAX];
};

void sightings_start(struct sightings *sightings, const struct random *random);
/* Notes that `id` (PEER_ID_LEN characters) spoke. True: it did so before, SIGHTINGS_GAP_MS ago or longer. */
bool sightings_note(struct sightings *sightings, uint64_t now, const char *id);

#endif
