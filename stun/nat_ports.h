/* nat_ports.h - how a NAT chooses the external ports of new mappings (RFC 4787 4.2), told from a row of them.
 */
#ifndef NAT_PORTS_H
#define NAT_PORTS_H

#include "nat_behavior.h"
#include <stddef.h>

enum {
    NAT_PORTS_SAMPLES_MAX = 16,
    NAT_PORTS_SAMPLES_MIN = 8, /* fewer do not tell a block from anywhere */
    NAT_STEP_MAX = 64,         /* of a sequence, either way */
};

/* A mapping, in the order in which they were made. */
struct nat_sample {
    uint16_t inner, outer;
};

/* Sets `ports`, `step`, `low` and `high` of *out from at most NAT_PORTS_SAMPLES_MAX samples, and nothing
 * else. */
void nat_ports_classify(struct nat_behavior *out, const struct nat_sample *samples, size_t count);

#endif
