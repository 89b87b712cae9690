/* ice_probe.c - the one check that goes to many ports.
 *
 * A hole in a NAT that nobody knows is looked for with hundreds of packets. All are the same request, so that
 * it is encoded once and none of them costs a pair, a transaction or a place in the budget of ordinary
 * checks: punch has its own. Nothing is proven by its answer, for it does not say to which packet; it shows
 * where to ask again. */
#include "ice_internal.h"

#include <string.h>

static const struct ice_base *any_base(const struct ice *ice)
{
    for (size_t i = 0; i < ICE_LOCALS_MAX; i++)
        if (ice->bases[i].used && !ice->bases[i].relayed && ice->bases[i].address.family == 4)
            return &ice->bases[i];
    return NULL;
}

static void compose(struct ice *ice, const struct ice_base *base)
{
    char username[ICE_USERNAME_MAX];
    struct stun_msg msg;
    ice->config.random->fill(ice->config.random->context, ice->probe_id, sizeof ice->probe_id);
    ice->probe_controlling = ice->controlling;
    ice->probe_tie_breaker = ice->tie_breaker;
    ice_check_compose(ice, base, ice->controlling, username, &msg);
    memcpy(msg.id, ice->probe_id, sizeof msg.id);
    struct stun_key key = {(const uint8_t *)ice->remote_pwd, strlen(ice->remote_pwd)};
    ice->probe_len = stun_encode(&msg, &key, ice->probe, sizeof ice->probe);
}

bool ice_probe_write(struct ice *ice, struct packet *out)
{
    const struct ice_base *base = any_base(ice);
    if (!base || !ice->remote_known)
        return false;
    if (!ice->probe_len || ice->probe_controlling != ice->controlling ||
        ice->probe_tie_breaker != ice->tie_breaker)
        compose(ice, base);
    if (out->len < ice->probe_len)
        return false;
    memcpy(out->data, ice->probe, ice->probe_len);
    out->len = ice->probe_len;
    ice->stats.probes_sent++;
    return true;
}

bool ice_probe_answer(struct ice *ice, uint64_t now, const struct packet *in, const struct stun_msg *msg)
{
    if (!ice->probe_len || memcmp(ice->probe_id, msg->id, sizeof ice->probe_id) != 0)
        return false;
    struct stun_key key = {(const uint8_t *)ice->remote_pwd, strlen(ice->remote_pwd)};
    if (stun_check(msg, in->data, &key) != STUN_INTEGRITY_GOOD) {
        ice->stats.unauthenticated++;
        return false;
    }
    struct addr to;
    enum path_kind kind;
    struct ice_base *base = ice_base_adopt(ice, &in->local, &in->remote);
    if (msg->class != STUN_SUCCESS || !base ||
        !ice_may_pair(ice, base, &in->remote, CANDIDATE_PRFLX, &to, &kind))
        return true;
    struct ice_pair *pair = ice_pair_from(ice, base, &in->remote, base->priority);
    if (pair)
        ice_check_trigger(pair, now);
    return true;
}

bool ice_base_behind(const struct ice *ice, const struct addr *external, struct addr *base)
{
    for (size_t i = 0; i < ice->local_count; i++) {
        const struct candidate *local = &ice->locals[i];
        bool ours = local->kind == CANDIDATE_SRFLX || local->kind == CANDIDATE_HOST;
        if (ours && external->family == 4 && addr_equal_ip(&local->address, external)) {
            *base = local->base;
            return true;
        }
    }
    return false;
}

bool ice_is_announced(const struct ice *ice, const struct addr *address)
{
    for (size_t i = 0; i < ICE_REMOTES_MAX; i++) {
        const struct ice_remote *remote = &ice->remotes[i];
        if (remote->used && remote->kind != CANDIDATE_PRFLX && addr_equal_ip(&remote->address, address))
            return true;
    }
    return false;
}

bool ice_has_direct(const struct ice *ice)
{
    ICE_EACH_PAIR(ice, pair)
    {
        if (pair->state == PAIR_VALID && pair->kind <= PATH_DIRECT)
            return true;
    }
    return false;
}
