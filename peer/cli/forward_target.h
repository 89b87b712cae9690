/* forward_target.h - where connections of the other side go: an endpoint that our user has named, and its
 * addresses. */
#ifndef FORWARD_TARGET_H
#define FORWARD_TARGET_H

#include "bell.h"
#include "endpoint.h"

#include <sys/socket.h>

enum { TARGET_ADDRESSES_MAX = 8 };

struct target_address {
    struct sockaddr_storage address;
    socklen_t len;
};

struct target_lookup;

/* Begins zeroed but for `endpoint`. */
struct target {
    struct endpoint endpoint;
    struct target_address addresses[TARGET_ADDRESSES_MAX];
    unsigned count;
    uint64_t fresh_until;         /* ns */
    struct target_lookup *lookup; /* NULL: none under way */
};

enum target_state { TARGET_READY, TARGET_PENDING, TARGET_UNKNOWN };

/* Names are looked up by a thread, which rings `wake` when it is done: then ask again. What it found is used
 * for half a minute. */
enum target_state target_resolve(struct target *target, uint64_t now, const struct bell *wake);
/* A socket that connects, without waiting, to the address of that index; -1 with errno. */
int target_connect(const struct target *target, unsigned index);
void target_free(struct target *target);

#endif
