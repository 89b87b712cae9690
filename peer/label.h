/* label.h - what a peer is called where it is asked for: NAME, or NAME#ID where several have that name. */
#ifndef LABEL_H
#define LABEL_H

#include "message.h"

#include <stdbool.h>

enum {
    LABEL_MAX = PEER_NAME_MAX + 1 + PEER_ID_LEN, /* bytes of NAME#ID ... */
    LABEL_ID_MIN = 4,                            /* ... of whose id so many characters suffice */
};

/* Whether `label` means the peer of this name and id (PEER_ID_LEN characters). What ends as an id does means
 * the id: else anybody could take "attic#k3ab" for a name. */
bool label_means(const char *label, const char *name, const char *id);

#endif
