/* notice.h - the queue of events that wait to be pulled. Inside signaling/ only. */
#ifndef NOTICE_H
#define NOTICE_H

#include "rendezvous.h"

enum {
    NOTICES_MAX = 256,      /* waiting at once; who pulls after every call never has more than a few */
    NOTICES_TRACE_MAX = 64, /* from here on traces are left out: they must not crowd out what matters */
    REASON_MAX = 128,       /* bytes of body.reason */
};

struct notice {
    struct notice *next;
    struct rendezvous_event event; /* its description and text point into this struct */
    struct description description;
    char text[];
};

struct notices {
    struct notice *first, *last;
    struct notice *given; /* the last one pulled: it lives until the next call */
    unsigned count;
};

/* A blank with room for `text` (NULL: none), not yet in the queue. It is asked for before a state moves, so
 * that no event is lost to a lack of memory: NULL then means "as if the message had been lost". */
struct notice *notice_new(const struct notices *notices, enum rendezvous_event_type type, const char *text,
                          size_t len);
void notice_free(struct notice *notice);
/* Copies a sentence into a notice that was made with REASON_MAX bytes of room; longer ones are cut. */
void notice_set_reason(struct notice *notice, const char *reason);
void notices_put(struct notices *notices, struct notice *notice);
bool notices_take(struct notices *notices, struct rendezvous_event *event);
void notices_clear(struct notices *notices);

#endif
