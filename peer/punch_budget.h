/* punch_budget.h - what a node may spend on punching, all its peers together, so that no router dies of it.
 */
#ifndef PUNCH_BUDGET_H
#define PUNCH_BUDGET_H

#include "addr.h"
#include "packet.h"

enum {
    PUNCH_PAUSE_S = 20,      /* between the beginnings of two attempts of a node, which last less */
    PUNCH_WINDOW_S = 600,    /* in which one address gets PUNCH_ATTEMPTS_MAX */
    PUNCH_REMEMBERED = 64,   /* attempts: more than PUNCH_WINDOW_S has room for */
    PUNCH_PROBES_MAX = 2000, /* a side and attempt */
    PUNCH_RATE = 500,        /* packets a second */
};

/* One a node, all zero at first. */
struct punch_budget {
    uint64_t next_at;
    struct {
        struct addr to; /* port 0 */
        uint64_t at;
    } spent[PUNCH_REMEMBERED];
    unsigned next;
};

/* When an attempt at `to` may begin: now or later. */
uint64_t punch_budget_when(const struct punch_budget *budget, uint64_t now, const struct addr *to);
/* It begins. */
void punch_budget_spend(struct punch_budget *budget, uint64_t now, const struct addr *to);

#endif
