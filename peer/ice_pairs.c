/* ice_pairs.c - who could talk to whom: bases, remotes, pairs and their order (RFC 8445 6.1.2).
 *
 * Left out: freezing (6.1.2.6). One stream of one component has one checklist, and whatever pair works is
 * wanted at once, so every pair is Waiting from the start. Foundations are made (candidate.c) for others'
 * sake only. */
#include "ice_internal.h"
#include <string.h>

static bool is_own(const struct ice *ice, const struct addr *addr)
{
    for (size_t i = 0; i < ice->own_count; i++)
        if (addr_equal_ip(&ice->own[i], addr))
            return true;
    for (size_t i = 0; i < ICE_LOCALS_MAX; i++)
        if (ice->bases[i].used && !ice->bases[i].relayed && addr_equal_ip(&ice->bases[i].address, addr))
            return true;
    return false;
}

/* One socket a family is bound to all addresses, so any own address with a base's port is ourselves. */
static bool is_own_socket(const struct ice *ice, const struct addr *addr)
{
    if (!is_own(ice, addr))
        return false;
    for (size_t i = 0; i < ICE_LOCALS_MAX; i++) {
        const struct ice_base *base = &ice->bases[i];
        if (base->used && base->address.family == addr->family && base->address.port == addr->port)
            return true;
    }
    return false;
}

struct ice_base *ice_base_of(struct ice *ice, const struct addr *local, const struct addr *remote)
{
    for (size_t i = 0; i < ICE_LOCALS_MAX; i++) {
        struct ice_base *base = &ice->bases[i];
        if (!base->used)
            continue;
        if (local->family ? addr_equal(&base->address, local) : base->address.family == remote->family)
            return base;
    }
    return NULL;
}

/* An extra socket's base goes when all that was heard on it has come to nothing. */
static bool is_spent(const struct ice *ice, const struct ice_base *base)
{
    if (!base->extra)
        return false;
    ICE_EACH_PAIR(ice, pair)
    {
        if (pair->base == base && pair->state != PAIR_FAILED)
            return false;
    }
    return true;
}

static struct ice_base *base_slot(struct ice *ice)
{
    struct ice_base *spent = NULL;
    for (size_t i = 0; i < ICE_LOCALS_MAX; i++) {
        if (!ice->bases[i].used)
            return &ice->bases[i];
        if (is_spent(ice, &ice->bases[i]))
            spent = &ice->bases[i];
    }
    if (spent)
        ICE_EACH_PAIR(ice, pair)
        {
            if (pair->base == spent)
                ice_pair_drop(ice, pair);
        }
    return spent;
}

struct ice_base *ice_base_adopt(struct ice *ice, const struct addr *local, const struct addr *remote)
{
    struct ice_base *base = ice_base_of(ice, local, remote), *sibling = NULL;
    if (base || !local->family)
        return base;
    unsigned extras = 0;
    for (size_t i = 0; i < ICE_LOCALS_MAX; i++) {
        struct ice_base *other = &ice->bases[i];
        extras += other->used && other->extra && !is_spent(ice, other);
        if (other->used && !other->relayed && !other->extra && addr_equal_ip(&other->address, local))
            sibling = other;
    }
    base = sibling && extras < ICE_EXTRA_BASES_MAX ? base_slot(ice) : NULL;
    if (base)
        *base = (struct ice_base){
            .used = true, .extra = true, .address = *local, .priority = sibling->priority - 1};
    return base;
}

bool ice_uses_port(const struct ice *ice, uint16_t port)
{
    ICE_EACH_PAIR(ice, pair)
    {
        if (pair->base->address.port == port && pair->state != PAIR_FAILED)
            return true;
    }
    return false;
}

/* Link-local addresses talk to their like on one link, loopback to itself, and neither to anybody else. */
static bool scopes_meet(const struct ice *ice, const struct addr *base, struct addr *to)
{
    enum addr_scope ours = addr_scope(base), theirs = addr_scope(to);
    if (ours == ADDR_LOOPBACK || theirs == ADDR_LOOPBACK)
        return ours == theirs && ice->config.same_machine;
    if (ours != ADDR_LINK_LOCAL && theirs != ADDR_LINK_LOCAL)
        return true;
    if (ours != theirs)
        return false;
    if (base->family == 4)
        return true;
    /* A zone means nothing to others (RFC 4007 6): what was announced has none and lies on whichever link we
     * try. */
    if (base->scope == 0 || (to->scope != 0 && to->scope != base->scope))
        return false;
    to->scope = base->scope;
    return true;
}

bool ice_may_pair(const struct ice *ice, const struct ice_base *base, const struct addr *address,
                  enum candidate_kind kind, struct addr *to, enum path_kind *path)
{
    *to = *address;
    if (base->address.family != address->family || !addr_is_usable(address))
        return false;
    if (!scopes_meet(ice, &base->address, to) || is_own_socket(ice, to) ||
        (base->relayed && !candidate_relay_reaches(&base->address, to)))
        return false;
    /* Who is heard before all was announced may well be announced yet: until then the benefit of the doubt.
     */
    bool host = kind == CANDIDATE_HOST || (kind == CANDIDATE_PRFLX && !ice->remotes_complete);
    *path = path_classify(to, is_own(ice, to), host, base->relayed || kind == CANDIDATE_RELAY);
    return ice->config.paths & PATH_BIT(*path);
}

/* RFC 8445 6.1.2.3; G is the controlling side's candidate. */
static uint64_t pair_priority(const struct ice *ice, const struct ice_pair *pair)
{
    uint64_t ours = pair->base->priority, theirs = pair->remote->priority;
    uint64_t g = ice->controlling ? ours : theirs, d = ice->controlling ? theirs : ours;
    return (earlier(g, d) << 32) + 2 * later(g, d) + (g > d);
}

/* ---- remotes ---- */

static bool same_remote(const struct addr *a, const struct addr *b)
{
    struct addr x = *a, y = *b;
    if (x.scope == 0 || y.scope == 0)
        x.scope = y.scope = 0;
    return addr_equal(&x, &y);
}

struct ice_remote *ice_remote_find(struct ice *ice, const struct addr *address)
{
    for (size_t i = 0; i < ICE_REMOTES_MAX; i++)
        if (ice->remotes[i].used && same_remote(&ice->remotes[i].address, address))
            return &ice->remotes[i];
    return NULL;
}

/* What would be lost with it: 3 a working pair, 2 checks under way, 1 checks that failed though something was
 * heard, 0 nothing. */
static int remote_worth(const struct ice *ice, const struct ice_remote *remote)
{
    int worth = 0;
    ICE_EACH_PAIR(ice, pair)
    {
        if (pair->remote != remote)
            continue;
        int pair_worth = pair->state == PAIR_FAILED  ? pair->heard || pair->answered
                         : pair->state == PAIR_VALID ? 3
                                                     : 2;
        worth = pair_worth > worth ? pair_worth : worth;
    }
    return worth;
}

/* An announced candidate pushes out only what came to nothing. Who was heard also pushes out what is still
 * being tried: somebody is there, and the others will be heard if they are, too. */
static struct ice_remote *remote_slot(struct ice *ice, bool heard)
{
    struct ice_remote *worst = NULL;
    int worst_worth = heard ? 3 : 2;
    for (size_t i = 0; i < ICE_REMOTES_MAX; i++) {
        struct ice_remote *remote = &ice->remotes[i];
        if (!remote->used)
            return remote;
        int worth = remote_worth(ice, remote);
        if (worth < worst_worth) {
            worst = remote;
            worst_worth = worth;
        }
    }
    return worst;
}

struct ice_remote *ice_remote_take(struct ice *ice, const struct wire_candidate *candidate)
{
    struct ice_remote *remote = remote_slot(ice, candidate->kind == CANDIDATE_PRFLX);
    if (!remote)
        return NULL;
    if (remote->used)
        ICE_EACH_PAIR(ice, pair)
        {
            if (pair->remote == remote)
                ice_pair_drop(ice, pair);
        }
    *remote = (struct ice_remote){.used = true,
                                  .kind = candidate->kind,
                                  .address = candidate->address,
                                  .priority = candidate->priority};
    return remote;
}

/* ---- pairs ---- */

struct path ice_pair_path(const struct ice_pair *pair)
{
    return (struct path){
        .kind = pair->kind, .local = pair->base->address, .remote = pair->to, .rtt = pair->rtt};
}

static struct ice_pair *find_pair(struct ice *ice, const struct ice_base *base, const struct addr *to)
{
    ICE_EACH_PAIR(ice, pair)
    {
        if (pair->base == base && addr_equal(&pair->to, to))
            return pair;
    }
    return NULL;
}

void ice_pair_drop(struct ice *ice, struct ice_pair *pair)
{
    if (ice->path == pair)
        ice->path = NULL;
    if (ice->spare == pair)
        ice->spare = NULL;
    if (ice->nominated == pair)
        ice->nominated = NULL;
    if (ice->successor == pair)
        ice->successor = NULL;
    *pair = (struct ice_pair){0};
    while (ice->pair_end && !ice->pairs[ice->pair_end - 1].used)
        ice->pair_end--;
}

/* RFC 8445 6.1.2.5: over the limit the lowest priority goes; what has failed goes before, what works never.
 */
static struct ice_pair *pair_slot(struct ice *ice, uint64_t priority)
{
    for (size_t i = 0; i < ICE_PAIRS_MAX; i++)
        if (!ice->pairs[i].used)
            return &ice->pairs[i];
    struct ice_pair *worst = NULL;
    ICE_EACH_PAIR(ice, pair)
    {
        if (pair->state == PAIR_VALID || pair->heard || pair->answered)
            continue;
        bool failed = pair->state == PAIR_FAILED, worst_failed = worst && worst->state == PAIR_FAILED;
        if (!worst || failed > worst_failed || (failed == worst_failed && pair->priority < worst->priority))
            worst = pair;
    }
    ice->stats.pairs_pruned++;
    if (!worst || (worst->state != PAIR_FAILED && worst->priority >= priority))
        return NULL;
    ice_pair_drop(ice, worst);
    return worst;
}

struct ice_pair *ice_pair_of(struct ice *ice, struct ice_base *base, struct ice_remote *remote)
{
    struct ice_pair made = {
        .used = true, .base = base, .remote = remote, .state = PAIR_WAITING, .verify_at = NEVER};
    if (!ice_may_pair(ice, base, &remote->address, remote->kind, &made.to, &made.kind))
        return NULL;
    struct ice_pair *pair = find_pair(ice, base, &made.to);
    if (pair)
        return pair;
    made.priority = pair_priority(ice, &made);
    pair = pair_slot(ice, made.priority);
    if (!pair)
        return NULL;
    *pair = made;
    if (pair >= ice->pairs + ice->pair_end)
        ice->pair_end = (size_t)(pair - ice->pairs) + 1;
    return pair;
}

void ice_pairs_make(struct ice *ice)
{
    for (size_t b = 0; b < ICE_LOCALS_MAX; b++)
        for (size_t r = 0; r < ICE_REMOTES_MAX; r++) {
            struct ice_base *base = &ice->bases[b];
            struct ice_remote *remote = &ice->remotes[r];
            /* A found candidate has the one pair that it was found on (RFC 8445 7.3.1.4), and an extra
             * socket those that were heard on it. */
            if (base->used && !base->extra && remote->used && remote->kind != CANDIDATE_PRFLX)
                ice_pair_of(ice, base, remote);
        }
}

void ice_pairs_judge(struct ice *ice)
{
    ICE_EACH_PAIR(ice, pair)
    {
        struct addr to;
        enum path_kind before = pair->kind;
        if (!ice_may_pair(ice, pair->base, &pair->remote->address, pair->remote->kind, &to, &pair->kind)) {
            ice_pair_drop(ice, pair);
            continue;
        }
        pair->priority = pair_priority(ice, pair);
        if (pair == ice->path && pair->kind != before)
            ice_tell(ice, ICE_PATH);
    }
}
