/* message_nat.h - what a side knows of its network, as a member of the bodies inside the seal. */
#ifndef MESSAGE_NAT_H
#define MESSAGE_NAT_H

#include "json.h"
#include "nat_behavior.h"

/* Adds the member "nat" to a body; nothing where nothing is known. */
void message_put_nat(struct json *body, const struct nat_behavior *nat);
/* Reads it; without the member all is UNKNOWN. Words that this version does not know are UNKNOWN too: they
 * may be a later one's. False: a number out of its range, or another type: the body is malformed. */
bool message_get_nat(const struct json *body, struct nat_behavior *nat);

#endif
