/* presence.h - how many peers of our own purpose are in the room with a place to give: so many could answer a
 * newcomer as well as we. Inside signaling/ only. */
#ifndef PRESENCE_H
#define PRESENCE_H

#include "random.h"
#include <stdbool.h>
#include <stdint.h>

enum {
    PRESENCE_BITS = 4096, /* 1 KiB in all; as many ids as that are counted as two thirds of them */
    PRESENCE_SPAN_S = 20, /* whoever has a place says hello every 18 s at the latest */
};

/* Zeroed, then presence_start. */
struct presence {
    uint8_t key[16];                      /* nobody else can tell which bit an id sets */
    uint64_t seen[2][PRESENCE_BITS / 64]; /* in this span of time, and in the one before */
    uint64_t began;                       /* this span */
};

void presence_start(struct presence *presence, const struct random *random);
/* `id` (PEER_ID_LEN characters) said hello: with places, or that it has none left. */
void presence_note(struct presence *presence, uint64_t now, const char *id, bool places);
/* How many there are, as far as we have heard: 20 to 40 s back. */
unsigned presence_count(struct presence *presence, uint64_t now);

#endif
