/* credit.h - how many bytes of leaves a sender may be ahead of the receiver's disk.
 *
 * What has been sent and is not yet in a file comes again when the receiver is killed. CREDIT_LEAST of it
 * keeps disk and network busy where the round trip is short; where it is long, twice what the path holds
 * does, since less would be a limit that hides what the path can do. Streams alone would let LANES windows go
 * ahead of a slow disk. Pure: time and round trip are handed in. */
#ifndef CREDIT_H
#define CREDIT_H

#include "file_wire.h"

enum {
    CREDIT_LEAST = 1 << 20,              /* bytes; a sender begins with so many */
    CREDIT_MOST = 2 * LANES * (2 << 20), /* more than all lanes hold, at both ends, is of no use */
    CREDIT_STEP = 2 * LEAF_LEN,          /* what is less is not worth a frame */
    CREDIT_SHORT_MS = 4,    /* up to here a round trip is short: a mebibyte each is 2 Gbit/s, and what is
                               measured is the machines' own time as much as the path's */
    CREDIT_MEASURE_MS = 50, /* at least: the rate is measured over so long, or a round trip */
    CREDIT_DECAY = 8        /* of the window, an eighth less a measurement: a disk that stops for a
                               sync is as quick as before afterwards */
};

struct credit {
    uint64_t granted; /* bytes since the beginning */
    uint64_t window;  /* bytes */
    double held;      /* what the path held by the last measurement, bytes */
    uint64_t measured_ns, measured_bytes;
};

void credit_begin(struct credit *credit, uint64_t now);
/* Whether credit_measure is due; it takes the shortest round trip known of this path (ns; 0: unknown) and how
 * many bytes have been done with. */
bool credit_is_due(const struct credit *credit, uint64_t now, uint64_t rtt);
void credit_measure(struct credit *credit, uint64_t now, uint64_t done, uint64_t rtt);
/* True: there is more to grant, which is in `granted` now. */
bool credit_grant(struct credit *credit, uint64_t done);

#endif
