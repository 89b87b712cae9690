/* withheld.h - how often an answer that waited for its turn was not given, because a word in the peer's name
 * said that it needs none. Anybody can forge that word; who was passed over several times is answered sooner,
 * so that forgeries do not keep two peers apart. Inside signaling/ only. */
#ifndef WITHHELD_H
#define WITHHELD_H

#include "random.h"
#include <stdint.h>

enum {
    WITHHELD_PLACES = 1024, /* counters, a byte each: two ids may share one, and are answered sooner then */
    WITHHELD_MAX = 6,       /* so often, and the answer waits for nobody: 4^6 are more than presence counts */
    WITHHELD_FADE_S = 60,   /* so long after one less: who is really full now and then says so more rarely
                               than it would have to, and a lonely peer says hello every 18 s or sooner */
};

/* Zeroed, then withheld_start. */
struct withheld {
    uint8_t key[16]; /* nobody else can tell which counter is whose */
    uint8_t count[WITHHELD_PLACES];
    uint64_t faded; /* when all became one less */
};

void withheld_start(struct withheld *withheld, const struct random *random);
/* The answer to `id` (PEER_ID_LEN characters) is not given. */
void withheld_note(struct withheld *withheld, uint64_t now, const char *id);
/* `places`, or as many more as its waiting in vain is worth: four times as many for each time. */
unsigned withheld_places(struct withheld *withheld, uint64_t now, const char *id, unsigned places);

#endif
