/* resolve.h - turns host names into addresses without making anybody wait: one thread a name. */
#ifndef RESOLVE_H
#define RESOLVE_H

#include "addr.h"

enum { RESOLVE_ADDRESSES_MAX = 2 /* the first of each family */ };

struct resolver;

/* NULL: no memory or no descriptor. */
struct resolver *resolver_new(void);
/* Threads that still ask are left behind; they end by themselves and touch nothing of ours. NULL is fine. */
void resolver_free(struct resolver *resolver);

/* "HOST[:PORT]" with an address or a name; false: not of that form. `default_port` where none is given. */
bool resolver_parse(const char *text, uint16_t default_port, char host[256], uint16_t *port);
/* Asks for a name; an answer (or its failure) comes from resolver_next, with `tag`. False: no thread to be
 * had. */
bool resolver_ask(struct resolver *resolver, const char *host, uint16_t port, int tag);
/* Readable when resolver_next has something. */
int resolver_fd(const struct resolver *resolver);

struct resolved {
    int tag; /* as it was asked */
    char host[256];
    struct addr addresses[RESOLVE_ADDRESSES_MAX];
    unsigned count; /* 0: it does not resolve; `why` says so */
    char why[96];
};

bool resolver_next(struct resolver *resolver, struct resolved *out);
/* Names that have been asked for and not been taken from resolver_next. */
unsigned resolver_pending(const struct resolver *resolver);

#endif
