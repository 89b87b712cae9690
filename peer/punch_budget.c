/* punch_budget.c - what a node may spend on punching, all its peers together, so that no router dies of it.
 */
#include "punch_budget.h"

#include "punch_plan.h"

/* The window ends PUNCH_WINDOW_S after the last attempt but one. */
static uint64_t window_end(const struct punch_budget *budget, const struct addr *to)
{
    uint64_t last[PUNCH_ATTEMPTS_MAX] = {0};
    for (unsigned i = 0; i < PUNCH_REMEMBERED; i++) {
        uint64_t at = budget->spent[i].at;
        if (!addr_equal_ip(&budget->spent[i].to, to))
            continue;
        for (unsigned k = 0; k < PUNCH_ATTEMPTS_MAX; k++)
            if (at > last[k]) {
                uint64_t earlier = last[k];
                last[k] = at;
                at = earlier;
            }
    }
    uint64_t oldest = last[PUNCH_ATTEMPTS_MAX - 1];
    return oldest ? oldest + PUNCH_WINDOW_S * NS_PER_S : 0;
}

uint64_t punch_budget_when(const struct punch_budget *budget, uint64_t now, const struct addr *to)
{
    uint64_t end = window_end(budget, to), when = now > budget->next_at ? now : budget->next_at;
    return end > when ? end : when;
}

void punch_budget_spend(struct punch_budget *budget, uint64_t now, const struct addr *to)
{
    budget->next_at = now + PUNCH_PAUSE_S * NS_PER_S;
    budget->spent[budget->next].to = *to;
    budget->spent[budget->next].at = now;
    budget->next = (budget->next + 1) % PUNCH_REMEMBERED;
}
