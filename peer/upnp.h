/* upnp.h - asks the router for ports by UPnP, in threads: finding it takes seconds, and each question blocks.
 */
#ifndef UPNP_H
#define UPNP_H

#include "portmap.h"

enum { UPNP_LOCALS_MAX = 4 /* threads at once */ };

struct upnp;

/* What a thread found out. */
struct upnp_answer {
    struct addr local, gateway;
    struct addr external; /* packets to it reach `local`; family 0: none do, or no longer */
    bool lost;            /* `external` is family 0, and was something before */
    char why[96];         /* where there is none: a sentence without a full stop */
};

/* NULL: no memory or no descriptor. */
struct upnp *upnp_new(void);
/* Waits for at most `grace_ms` until ports that were opened are taken back, where upnp_remove has asked for
 * it. Threads that still ask are left behind; they end by themselves and touch nothing of ours. NULL is fine.
 */
void upnp_free(struct upnp *upnp, unsigned grace_ms);

/* What is to be mapped from now on; new ones are asked for at once, those that are gone taken back. */
void upnp_set_locals(struct upnp *upnp, const struct portmap_local *locals, size_t count);
/* Somebody else has mapped this one: UPnP maps it no more, unless it has already. */
void upnp_release(struct upnp *upnp, const struct addr *local);
/* The router may have forgotten us: what is mapped is asked for again now. */
void upnp_ask_again(struct upnp *upnp);
/* Takes all back, without waiting. */
void upnp_remove(struct upnp *upnp);

/* Readable when upnp_next has something. */
int upnp_fd(const struct upnp *upnp);
bool upnp_next(struct upnp *upnp, struct upnp_answer *out);

#endif
