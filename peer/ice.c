/* ice.c - finds and keeps the best pair of addresses with one peer (RFC 8445, 8838, 7675). Start here.
 *
 * Each side tells the other its addresses (candidates). Every pair of one of ours and one of theirs is
 * checked with a STUN request; a pair is valid when the answer comes back. Checks leave from both sides, for
 * a NAT lets in only what answers something that went out: our check opens our NAT for theirs, theirs opens
 * theirs for ours.
 *
 *   told an address, or the peer's password   pairs are made                         ice_pairs.c
 *   output: a check is due                    the most promising one leaves          ice_check.c
 *   input: the peer's check                   answered; its pair is checked at once  ice_request.c
 *   input: an answer                          the pair is valid                      ice_check.c
 *       is it the best one?                   the path moves, the peer is told       ice_choice.c
 *   output: time passes                       is the peer still there?               ice_consent.c
 *   asked what it knows                       paths, and facts for the sentences     ice_facts.c
 *
 * Left out: several components and streams, lite agents, freezing, ICE restart with new credentials of ours
 * (the whole agent is made anew), consent revoked by 403 (any authenticated error counts as silence). */
#include "ice.h"
#include "ice_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- made and freed ---- */

/* RFC 8445 5.3: characters that RFC 8839 allows, 6 bits each. */
static void draw_text(const struct random *random, char *text, size_t len)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    random->fill(random->context, (uint8_t *)text, len);
    for (size_t i = 0; i < len; i++)
        text[i] = alphabet[(uint8_t)text[i] & 63];
    text[len] = '\0';
}

struct ice *ice_new(const struct ice_config *config)
{
    struct ice *ice = calloc(1, sizeof *ice);
    if (!ice)
        return NULL;
    ice->config = *config;
    ice->controlling = config->controlling;
    ice->tie_breaker = random_u64(config->random);
    draw_text(config->random, ice->ufrag, ICE_UFRAG_LEN);
    draw_text(config->random, ice->pwd, ICE_PWD_LEN);
    ice->fail_at = ice->nominate_by = ice->suspicion_at = NEVER;
    return ice;
}

void ice_free(struct ice *ice)
{
    free(ice);
}

const char *ice_ufrag(const struct ice *ice)
{
    return ice->ufrag;
}

const char *ice_pwd(const struct ice *ice)
{
    return ice->pwd;
}

/* ---- what we are told ---- */

void ice_set_own(struct ice *ice, const struct addr *own, size_t count)
{
    ice->quiet_until = 0;
    ice->own_count = count < ICE_OWN_MAX ? count : ICE_OWN_MAX;
    memcpy(ice->own, own, ice->own_count * sizeof *own);
    ice_pairs_judge(ice);
}

static struct ice_base *base_take(struct ice *ice, const struct addr *address)
{
    struct ice_base *base = ice_base_of(ice, address, address);
    for (size_t i = 0; !base && i < ICE_LOCALS_MAX; i++)
        if (!ice->bases[i].used) {
            base = &ice->bases[i];
            *base = (struct ice_base){.used = true, .address = *address};
        }
    return base;
}

/* A place for one more; what the checks found (it has no pairs of its own) makes room. */
static struct candidate *local_slot(struct ice *ice)
{
    if (ice->local_count < ICE_LOCALS_MAX)
        return &ice->locals[ice->local_count++];
    for (size_t i = 0; i < ICE_LOCALS_MAX; i++)
        if (ice->locals[i].kind == CANDIDATE_PRFLX)
            return &ice->locals[i];
    return NULL;
}

static struct candidate *local_find(struct ice *ice, const struct candidate *candidate)
{
    for (size_t i = 0; i < ice->local_count; i++)
        if (addr_equal(&ice->locals[i].address, &candidate->address) &&
            addr_equal(&ice->locals[i].base, &candidate->base))
            return &ice->locals[i];
    return NULL;
}

bool ice_add_local(struct ice *ice, uint64_t now, const struct candidate *candidate)
{
    (void)now;
    struct candidate *local = local_find(ice, candidate);
    if (local && local->kind != CANDIDATE_PRFLX)
        return true;
    if (!local)
        local = local_slot(ice);
    struct ice_base *base = local ? base_take(ice, &candidate->base) : NULL;
    if (!base)
        return false;
    ice->quiet_until = 0;
    *local = *candidate;
    base->relayed |= candidate->kind == CANDIDATE_RELAY;
    if (base->locals++) /* RFC 8445 6.1.2.4: its pairs would be the same as those of the base */
        ICE_EACH_PAIR(ice, pair)
        {
            ice->stats.pairs_pruned += pair->base == base;
        }
    if (candidate->priority > base->priority) {
        base->priority = candidate->priority;
        ice_pairs_judge(ice);
    }
    ice_pairs_make(ice);
    return true;
}

static void forget_locals(struct ice *ice, const struct addr *base)
{
    size_t kept = 0;
    for (size_t i = 0; i < ice->local_count; i++)
        if (!addr_equal(&ice->locals[i].base, base))
            ice->locals[kept++] = ice->locals[i];
    ice->local_count = kept;
}

/* Extra sockets go with the address that they share. */
static bool stands_on(const struct ice_base *base, const struct ice_base *gone)
{
    return base == gone || (base->extra && addr_equal_ip(&base->address, &gone->address));
}

static void forget_bases(struct ice *ice, struct ice_base *gone)
{
    for (size_t i = 0; i < ICE_LOCALS_MAX; i++)
        if (&ice->bases[i] != gone && ice->bases[i].used && stands_on(&ice->bases[i], gone))
            ice->bases[i] = (struct ice_base){0};
    *gone = (struct ice_base){0};
}

void ice_remove_base(struct ice *ice, uint64_t now, const struct addr *address)
{
    struct ice_base *base = address->family ? ice_base_of(ice, address, address) : NULL;
    if (!base)
        return;
    ice->quiet_until = 0;
    forget_locals(ice, address);
    bool path_gone = ice->path && stands_on(ice->path->base, base);
    ICE_EACH_PAIR(ice, pair)
    {
        if (stands_on(pair->base, base))
            ice_pair_drop(ice, pair);
    }
    forget_bases(ice, base);
    if (path_gone) {
        uint64_t expires = ICE_CONSENT_EXPIRES_S * NS_PER_S;
        ice_choice_replace(ice, now, now > expires ? now - expires : 0);
        ice_consent_suspect(ice, now, false);
    }
    ice_choice_spare(ice);
}

void ice_set_remote(struct ice *ice, uint64_t now, const char *ufrag, const char *pwd)
{
    (void)now;
    ice->quiet_until = 0;
    snprintf(ice->remote_ufrag, sizeof ice->remote_ufrag, "%s", ufrag);
    snprintf(ice->remote_pwd, sizeof ice->remote_pwd, "%s", pwd);
    ice->remote_known = true;
}

/* Whether any base could ever talk to it; before there is one, whether it is an address to talk to at all. */
static bool is_worth_keeping(const struct ice *ice, const struct wire_candidate *candidate)
{
    if (addr_scope(&candidate->address) == ADDR_LOOPBACK && !ice->config.same_machine)
        return false;
    return addr_is_usable(&candidate->address) && candidate->kind != CANDIDATE_PRFLX;
}

bool ice_add_remote(struct ice *ice, uint64_t now, const struct wire_candidate *candidate)
{
    struct wire_candidate announced = *candidate;
    announced.address.scope = 0;
    if (!is_worth_keeping(ice, &announced))
        return false;
    ice->quiet_until = 0;
    ice_budget_renew(ice, now);
    struct ice_remote *remote = ice_remote_find(ice, &announced.address);
    if (remote && remote->kind == CANDIDATE_PRFLX) { /* RFC 8838 11.4: found before it was announced */
        remote->kind = announced.kind;
        remote->address = announced.address;
        remote->priority = announced.priority;
        ice_pairs_judge(ice);
    } else if (!remote) {
        remote = ice_remote_take(ice, &announced);
    }
    if (!remote)
        return false;
    ice_pairs_make(ice);
    return true;
}

size_t ice_remotes(const struct ice *ice, struct addr out[ICE_REMOTES_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < ICE_REMOTES_MAX; i++)
        if (ice->remotes[i].used)
            out[count++] = ice->remotes[i].address;
    return count;
}

static void complete(struct ice *ice, uint64_t now, bool *which)
{
    ice->quiet_until = 0;
    *which = true;
    if (ice->locals_complete && ice->remotes_complete && !ice->proven && ice->fail_at == NEVER)
        ice->fail_at = now + ICE_FAIL_S * NS_PER_S;
}

void ice_locals_complete(struct ice *ice, uint64_t now)
{
    complete(ice, now, &ice->locals_complete);
}

void ice_remotes_complete(struct ice *ice, uint64_t now)
{
    complete(ice, now, &ice->remotes_complete);
    ice_pairs_judge(ice);
}

void ice_set_punched(struct ice *ice, const struct punch_facts *facts)
{
    ice->punched = *facts;
}

void ice_hope(struct ice *ice, uint64_t until)
{
    ice->quiet_until = 0;
    ice->fail_at = until;
}

void ice_set_nat(struct ice *ice, const struct nat_behavior *ours, const struct nat_behavior *theirs)
{
    ice->local_nat = *ours;
    ice->remote_nat = *theirs;
}

void ice_set_same_machine(struct ice *ice, uint64_t now, bool same_machine)
{
    (void)now;
    ice->quiet_until = 0;
    ice->config.same_machine = same_machine;
    ice_pairs_judge(ice);
    ice_pairs_make(ice);
}

void ice_suspect(struct ice *ice, uint64_t now, bool goodbye)
{
    ice->quiet_until = 0;
    ice_consent_suspect(ice, now, goodbye);
}

uint64_t ice_proof(const struct ice *ice)
{
    return ice->proven ? ice->proof : 0;
}

void ice_is_alive(struct ice *ice)
{
    ice->goodbye = false;
}

bool ice_is_suspicious(const struct ice *ice)
{
    return ice->suspicious || (ice->heard.remote.family && !ice->proven && !ice->lost);
}

uint64_t ice_suspicious_since(const struct ice *ice)
{
    return ice->suspicious ? ice->suspicious_since : NEVER;
}

void ice_revive(struct ice *ice, uint64_t now)
{
    if (!ice->lost)
        return;
    ice->quiet_until = 0;
    ice->lost = false;
    ice_consent_stall(ice);
    ice->events = 0;
    ice->proof = now;
}

void ice_restart_checks(struct ice *ice, uint64_t now)
{
    if (ice->lost)
        return;
    ice->quiet_until = 0;
    if (ice->proven && now >= ice->proof + ICE_CONSENT_EXPIRES_S * NS_PER_S) {
        ice_consent_stall(ice); /* nothing but checks until somebody answers */
        ice->stalled = false;
        ice->proof = now;
    }
    if (!ice->proven && ice->locals_complete && ice->remotes_complete)
        ice->fail_at = now + ICE_FAIL_S * NS_PER_S;
    ice_budget_renew(ice, now);
    ice_checks_again(ice, now);
}

/* ---- the four verbs ---- */

bool ice_input(struct ice *ice, uint64_t now, const struct packet *in)
{
    struct stun_msg msg;
    if (!stun_is(in->data, in->len) || !stun_decode(&msg, in->data, in->len) || msg.method != STUN_BINDING)
        return false;
    if (ice->lost)
        return false;
    ice->quiet_until = 0;
    switch (msg.class) {
    case STUN_REQUEST:
        return ice_request_input(ice, now, in, &msg);
    case STUN_SUCCESS:
    case STUN_ERROR:
        return ice_check_answer(ice, now, in, &msg);
    case STUN_INDICATION: /* RFC 8445 11: keeps a mapping alive, says nothing */
        break;
    }
    return false;
}

void ice_hint(struct ice *ice, uint64_t now, const struct packet *in)
{
    if (ice->lost)
        return;
    ice->quiet_until = 0;
    ice_request_hint(ice, now, in);
}

static void tick(struct ice *ice, uint64_t now)
{
    ice_checks_expire(ice, now);
    ice_consent_tick(ice, now);
    ice_choice_tick(ice, now);
    if (now >= ice->fail_at) {
        ice->fail_at = NEVER;
        ice_tell(ice, ICE_FAILED);
    }
}

/* Called with every packet of a transfer, when there is hardly ever anything to do. */
bool ice_output(struct ice *ice, uint64_t now, struct packet *out)
{
    if (ice->lost || now < ice->quiet_until)
        return false;
    ice->quiet_until = 0;
    if (ice_reply_output(ice, out))
        return true;
    tick(ice, now);
    uint64_t at;
    struct ice_pair *pair = ice->lost ? NULL : ice_check_next(ice, now, &at);
    if (pair && ice_check_write(ice, now, pair, out))
        return true;
    ice->quiet_until = ice_deadline(ice);
    return false;
}

uint64_t ice_deadline(const struct ice *ice)
{
    if (ice->lost)
        return NEVER;
    if (ice->quiet_until)
        return ice->quiet_until;
    if (ice->reply_count)
        return 0;
    uint64_t at = earlier(ice_checks_deadline(ice), ice_consent_deadline(ice));
    return earlier(at, earlier(ice_choice_deadline(ice), ice->fail_at));
}

void ice_tell(struct ice *ice, enum ice_event_type type)
{
    if (type == ICE_PATH)
        ice->events &= ~(1u << ICE_STALLED | 1u << ICE_FAILED);
    if (type == ICE_STALLED || type == ICE_LOST)
        ice->events &= ~(1u << ICE_PATH);
    ice->events |= 1u << type;
}

bool ice_has_event(const struct ice *ice)
{
    return ice->events != 0;
}

bool ice_event(struct ice *ice, struct ice_event *event)
{
    if (ice->events == 0)
        return false;
    *event = (struct ice_event){.type = ICE_HEARD};
    while (!(ice->events & 1u << event->type))
        event->type++;
    ice->events &= ~(1u << event->type);
    if (event->type == ICE_HEARD)
        event->path = ice->heard;
    if (event->type == ICE_PATH && ice->path)
        event->path = ice_pair_path(ice->path);
    if (event->type == ICE_FAILED) {
        struct path_facts facts;
        ice_facts(ice, &facts);
        path_why_none(event->why, &facts);
    }
    return true;
}
