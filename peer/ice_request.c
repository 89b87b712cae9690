/* ice_request.c - what the peer's checks mean to us, and our answers (RFC 8445 7.3; RFC 8489 9.1.3).
 *
 * Who does not know our password gets nothing, not even an error: RFC 8489's 401 would tell a scanner that we
 * are here. */
#include "ice_internal.h"
#include <string.h>

enum {
    HINT_PAUSE_S = 1,
    FRESH_MS =
        500, /* who answered so recently is not in doubt; while paths are found, many are heard at once */
};

/* ---- answers ---- */

static struct ice_reply *reply_put(struct ice *ice, const struct packet *in, const struct stun_msg *msg,
                                   uint16_t error)
{
    if (ice->reply_count == ICE_REPLIES_MAX) { /* the oldest goes: the peer asks again */
        ice->reply_first = (ice->reply_first + 1) % ICE_REPLIES_MAX;
        ice->reply_count--;
    }
    struct ice_reply *reply = &ice->replies[(ice->reply_first + ice->reply_count++) % ICE_REPLIES_MAX];
    *reply = (struct ice_reply){.local = in->local, .remote = in->remote, .error = error};
    memcpy(reply->id, msg->id, sizeof reply->id);
    return reply;
}

bool ice_reply_output(struct ice *ice, struct packet *out)
{
    if (ice->reply_count == 0)
        return false;
    const struct ice_reply *reply = &ice->replies[ice->reply_first];
    ice->reply_first = (ice->reply_first + 1) % ICE_REPLIES_MAX;
    ice->reply_count--;
    struct stun_msg msg = {.class = reply->error ? STUN_ERROR : STUN_SUCCESS,
                           .method = STUN_BINDING,
                           .has = STUN_HAS_INTEGRITY | STUN_HAS_FINGERPRINT,
                           .error = reply->error,
                           .unknown_count = reply->unknown_count};
    memcpy(msg.id, reply->id, sizeof msg.id);
    memcpy(msg.unknown, reply->unknown, sizeof msg.unknown);
    if (reply->error) {
        const char *reason = stun_error_reason(reply->error);
        msg.reason = (struct stun_text){reason, strlen(reason)};
    } else {
        msg.mapped = reply->remote;
    }
    struct stun_key key = {(const uint8_t *)ice->pwd, ICE_PWD_LEN};
    out->local = reply->local;
    out->remote = reply->remote;
    out->segment = 0;
    out->len = stun_encode(&msg, &key, out->data, out->len);
    return true;
}

/* ---- what a check says ---- */

bool ice_is_for(const struct stun_msg *msg, const char *ufrag)
{
    size_t len = strlen(ufrag);
    const struct stun_text *name = &msg->username;
    return name->at && name->len > len && memcmp(name->at, ufrag, len) == 0 && name->at[len] == ':';
}

/* RFC 8445 7.3.1.1. True: the peer must change its role, and is told so; else we have, where there was a
 * conflict. */
static bool must_yield(struct ice *ice, uint64_t now, const struct stun_msg *msg)
{
    if (!(msg->has & (STUN_HAS_CONTROLLING | STUN_HAS_CONTROLLED)))
        return false;
    bool peer_controls = msg->has & STUN_HAS_CONTROLLING;
    if (peer_controls != ice->controlling)
        return false;
    bool ours_is_larger = ice->tie_breaker >= msg->tie_breaker;
    if (ours_is_larger == ice->controlling)
        return true;
    ice->controlling = !ice->controlling;
    ice_pairs_judge(ice);
    ice_choice_role(ice, now);
    return false;
}

struct ice_pair *ice_pair_from(struct ice *ice, struct ice_base *base, const struct addr *from,
                               uint32_t priority)
{
    struct ice_remote *remote = ice_remote_find(ice, from);
    if (!remote) {
        struct wire_candidate candidate = {.kind = CANDIDATE_PRFLX, .address = *from, .priority = priority};
        remote = ice_remote_take(ice, &candidate);
    }
    return remote ? ice_pair_of(ice, base, remote) : NULL;
}

/* The peer comes from elsewhere in the middle of a session, by the same sort of way as before: its NAT may
 * have mapped anew. The path is asked at once; whichever of the two answers first is it. */
static void doubt_path(struct ice *ice, uint64_t now, struct ice_pair *pair)
{
    const struct ice_pair *path = ice->path;
    if (!path || path == pair || path->kind != pair->kind || now < path->proof + FRESH_MS * NS_PER_MS)
        return;
    ice->successor = pair;
    ice_check_verify(ice, now, ice->path);
}

static void hear(struct ice *ice, uint64_t now, struct ice_base *base, const struct packet *in,
                 const struct stun_msg *msg)
{
    struct ice_pair *pair = ice_pair_from(ice, base, &in->remote, msg->priority);
    if (!pair)
        return;
    if (!pair->heard)
        doubt_path(ice, now, pair);
    pair->heard = true;
    if (!ice->heard.remote.family) {
        ice->heard = ice_pair_path(pair);
        ice_tell(ice, ICE_HEARD);
    }
    ice_consent_heard(ice, now);
    ice_check_trigger(pair, now);
    if (msg->has & STUN_HAS_USE_CANDIDATE)
        ice_choice_nominated(ice, now, pair, msg);
}

static void request(struct ice *ice, uint64_t now, const struct packet *in, const struct stun_msg *msg)
{
    struct addr to;
    enum path_kind kind;
    const struct ice_remote *known = ice_remote_find(ice, &in->remote);
    struct ice_base *base = ice_base_adopt(ice, &in->local, &in->remote);
    if (!base || !ice_may_pair(ice, base, &in->remote, known ? known->kind : CANDIDATE_PRFLX, &to, &kind))
        return;
    if (msg->unknown_count) {
        struct ice_reply *reply = reply_put(ice, in, msg, 420);
        reply->unknown_count = msg->unknown_count;
        memcpy(reply->unknown, msg->unknown, sizeof reply->unknown);
    } else if (!(msg->has & STUN_HAS_PRIORITY)) {
        ice->stats.malformed++; /* RFC 8445 7.1.1 demands it; without it nothing can be ranked */
    } else if (must_yield(ice, now, msg)) {
        reply_put(ice, in, msg, 487);
    } else {
        reply_put(ice, in, msg, 0);
        hear(ice, now, base, in, msg);
    }
}

bool ice_request_input(struct ice *ice, uint64_t now, const struct packet *in, const struct stun_msg *msg)
{
    if (!ice_is_for(msg, ice->ufrag))
        return false;
    struct stun_key key = {(const uint8_t *)ice->pwd, ICE_PWD_LEN};
    if (stun_check(msg, in->data, &key) != STUN_INTEGRITY_GOOD) {
        ice->stats.unauthenticated++;
        return false;
    }
    ice->stats.checks_received++;
    request(ice, now, in, msg);
    return true;
}

/* Only where the address is the path's but for the port, as when a NAT has mapped anew, and only now and
 * then: whoever forges such packets costs the peer's own address a check a second. */
void ice_request_hint(struct ice *ice, uint64_t now, const struct packet *in)
{
    struct ice_base *base = ice_base_of(ice, &in->local, &in->remote);
    if (!base || !ice->path || now < ice->hint_at || !addr_equal_ip(&in->remote, &ice->path->to))
        return;
    ice->hint_at = now + HINT_PAUSE_S * NS_PER_S;
    struct ice_pair *pair = ice_pair_from(ice, base, &in->remote, ice->path->remote->priority);
    if (!pair)
        return;
    doubt_path(ice, now, pair);
    ice_check_trigger(pair, now);
}
