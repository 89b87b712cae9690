/* parcel.h - a message to one peer that is repeated, byte for byte, until it has had its effect. QoS 0 loses
 * messages when a broker is slow or a connection breaks; the sealed bytes may be sent again but never sealed
 * again. */
#ifndef PARCEL_H
#define PARCEL_H

#include "rendezvous.h"

enum {
    PARCEL_COPIES_MAX = 5, /* at once, and 0.25, 0.5, 1 and 2 s later, but see rush.c */
    PARCEL_GAP_MS =
        100, /* two copies are never closer: a message that came through two brokers is answered once */
    PARCEL_WIDEN_MS = 1000, /* from this age on copies go to every broker */
};

struct parcel {
    struct parcel *next;
    char to[PEER_ID_LEN + 1];
    uint64_t began;   /* when the first copy left */
    uint64_t last;    /* when the last one did */
    uint64_t due;     /* when the next leaves; NEVER: none */
    unsigned sent;    /* copies of this series */
    unsigned copies;  /* that this series has */
    bool wanted;      /* the next copy answers a duplicate */
    uint32_t brokers; /* where it should go while it is young */
    enum message_type type;
    size_t len;
    char data[];
};

/* Due at once. NULL: no memory, or it does not fit a message. */
struct parcel *parcel_new(const struct message *message, const char *to, uint32_t brokers, unsigned copies);
/* Starts the series again, unless one is going on. */
void parcel_again(struct parcel *parcel, uint64_t now);
/* One more copy to `brokers`, because a duplicate asks for it; soon after another it is taken for answered.
 */
void parcel_repeat(struct parcel *parcel, uint64_t now, uint32_t brokers);
/* No more copies. */
void parcel_stop(struct parcel *parcel);
/* The copy that is due, into *letter: false when none is or none of `connected` can take it. */
bool parcel_output(struct parcel *parcel, uint64_t now, uint32_t connected, const char *room,
                   struct letter *letter);
void parcel_free(struct parcel *parcel);      /* NULL is fine */
void parcel_free_list(struct parcel *parcel); /* and what follows it */

#endif
