/* ice_facts.c - what an agent knows: for whom carries packets, and for the sentences about paths. */
#include "ice_internal.h"

bool ice_path(const struct ice *ice, struct path *path)
{
    if (ice->lost || (!ice->path && (ice->proven || !ice->heard.remote.family)))
        return false;
    *path = ice->path ? ice_pair_path(ice->path) : ice->heard;
    return true;
}

bool ice_has_pair(const struct ice *ice)
{
    return ice->path && !ice->lost;
}

bool ice_has_ipv6(const struct ice *ice)
{
    ICE_EACH_PAIR(ice, pair)
    {
        if (pair->kind == PATH_DIRECT && pair->to.family == 6)
            return true;
    }
    return false;
}

bool ice_has_relay(const struct ice *ice)
{
    bool found = false;
    for (size_t i = 0; i < ice->local_count; i++)
        found |= ice->locals[i].kind == CANDIDATE_RELAY;
    for (size_t i = 0; i < ICE_REMOTES_MAX; i++)
        found |= ice->remotes[i].used && ice->remotes[i].kind == CANDIDATE_RELAY;
    return found;
}

bool ice_is_proven(const struct ice *ice, const struct addr *remote)
{
    if (ice->path && addr_equal(&ice->path->to, remote))
        return true;
    ICE_EACH_PAIR(ice, pair)
    {
        if ((pair->heard || pair->answered) && addr_equal(&pair->to, remote))
            return true;
    }
    return false;
}

/* What the peer says of its NAT. A peer that does not know: one public address with several ports, so servers
 * see its one socket differently. (Two of its interfaces behind one NAT look the same; only a sentence would
 * be wrong.) */
static bool remote_is_symmetric(const struct ice *ice)
{
    if (ice->remote_nat.mapping)
        return nat_is_hard(&ice->remote_nat);
    for (size_t i = 0; i < ICE_REMOTES_MAX; i++)
        for (size_t k = 0; k < i; k++) {
            const struct ice_remote *a = &ice->remotes[i], *b = &ice->remotes[k];
            if (a->used && b->used && a->kind == CANDIDATE_SRFLX && b->kind == CANDIDATE_SRFLX &&
                addr_equal_ip(&a->address, &b->address))
                return true;
        }
    return false;
}

/* Whether a public address of ours is known: a server's answer, or an interface's own. */
static bool has_public(const struct ice *ice)
{
    for (size_t i = 0; i < ice->local_count; i++)
        if (ice->locals[i].kind == CANDIDATE_SRFLX || addr_scope(&ice->locals[i].address) == ADDR_GLOBAL)
            return true;
    return false;
}

/* Whether the pair goes through a port that a gateway opened: the peer's, when it is what we send to; ours,
 * when it is what the peer sees us at. */
static void note_mapped(const struct ice *ice, const struct ice_pair *pair, struct path_facts *facts)
{
    facts->remote_mapped = pair->remote->kind == CANDIDATE_MAPPED;
    for (size_t i = 0; i < ice->local_count; i++)
        facts->local_mapped |=
            ice->locals[i].kind == CANDIDATE_MAPPED && addr_equal(&ice->locals[i].address, &pair->mapped);
}

void ice_facts(const struct ice *ice, struct path_facts *facts)
{
    *facts = (struct path_facts){.allowed = ice->config.paths,
                                 .local_nat = ice->local_nat,
                                 .remote_nat = ice->remote_nat,
                                 .punched = ice->punched,
                                 .remote_symmetric = remote_is_symmetric(ice),
                                 .local_srflx = has_public(ice),
                                 .heard = ice->heard.remote.family != 0,
                                 .same_machine = ice->config.same_machine};
    ICE_EACH_PAIR(ice, pair)
    {
        facts->tried[pair->kind] += pair->copies > 0;
        facts->answered[pair->kind] += pair->answered;
        facts->peer_prflx |=
            ice->remotes_complete && pair->remote->kind == CANDIDATE_PRFLX && pair->kind == PATH_DIRECT;
    }
    for (size_t i = 0; i < ICE_REMOTES_MAX; i++)
        facts->remote_srflx |= ice->remotes[i].used && (ice->remotes[i].kind == CANDIDATE_SRFLX ||
                                                        addr_scope(&ice->remotes[i].address) == ADDR_GLOBAL);
    if (ice->path)
        note_mapped(ice, ice->path, facts);
}

void ice_stats(const struct ice *ice, struct ice_stats *stats)
{
    *stats = ice->stats;
}
