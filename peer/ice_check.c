/* ice_check.c - one check's life: when it leaves, how often, what its answer means (RFC 8445 6.1.4, 7.2, 14).
 *
 * Whoever announces candidates can make us send to any address. So what goes to an address that never
 * answered is counted, every copy of it: ICE_CHECKS_FAST at once, then 20 a second, ICE_CHECKS_MAX in all.
 * When an address answers, what was sent there was no harm and is given back; so a peer that moves often
 * never runs out. */
#include "ice_internal.h"
#include <stdio.h>
#include <string.h>

enum {
    /* Copies leave at 0, 0.1, 0.3, 0.7, 1.5, 3.1, 4.7 s, then, while nothing works at all, at 6.3, 7.9
     * and 9.5. Each side's first copy opens its own NAT; from then on one that gets through is enough, for it
     * triggers the other side. With 10 copies each way at 30 % loss none arrives in 1 of 3e10 cases, and a
     * longer silence than 1.6 s would make people wait. */
    COPIES = 7,
    COPIES_AGAIN = 3,
    RTO_MAX_MS = 1600,
    /* Where the peer was heard, somebody waits at the other end, and a copy succeeds with every second try at
     * 30 % loss both ways: so quickly, and until a path is found or the budget is used up. */
    RTO_HEARD_MAX_MS = 250,
    VERIFY_RTO_MIN_MS = 50,
    VERIFY_RTO_MAX_MS = 500,

    /* Of ICE_CHECKS_MAX, first copies may use so much, further copies so much; the rest is for pairs on which
     * the peer was heard, where every copy counts: 20 of them fail at 30 % loss both ways in 1 of 700,000
     * cases. */
    BUDGET_FIRST = 80,
    BUDGET_AGAIN = 60,
    /* ... and no kind more than this of it, so that a dozen addresses of bridges, or of networks that are not
     * shared, leave enough for the hole across the internet, which may lose packets for long. */
    BUDGET_KIND = 40,
    /* No pair uses more than this, though the peer was heard on it: where our packets leave by another port
     * than the peer's filter waits for, no copy helps, and what is left is for the pair that a guess hits
     * later. 30 copies fail at 30 % loss both ways in 1 of 500 million cases. */
    COPIES_HEARD = 30,
    /* Of the checks that may go at once, further copies leave so many to triggered ones, which then need not
       wait. */
    RESERVE = 4,
    /* A day's roaming must not use up what is meant against aiming at somebody: on average 10 a minute are no
       attack. */
    BUDGET_S = 600,
};

/* ---- when ---- */

static bool is_used_up(const struct ice *ice, const struct ice_pair *pair)
{
    if (pair->remote->answered)
        return false;
    if (pair->heard)
        return pair->unanswered >= COPIES_HEARD || ice->unanswered >= ICE_CHECKS_MAX;
    if (pair->copies == 0)
        return ice->unanswered >= BUDGET_FIRST;
    return ice->unanswered >= BUDGET_AGAIN || ice->unanswered_of[pair->kind] >= BUDGET_KIND;
}

/* When pacing and budget allow a check; NEVER: used up. A pair that has answered is free: it asked for it.
 * The first of each kind is not paced: three packets of 100 bytes crowd nobody (RFC 6928 sends ten full
 * ones), and the path across the internet, which is the last in order, is what most are waiting for. */
static uint64_t allowed_at(const struct ice *ice, const struct ice_pair *pair)
{
    if (pair->answered)
        return 0;
    if (is_used_up(ice, pair))
        return NEVER;
    bool again = pair->copies && !pair->triggered;
    unsigned burst_checks = ICE_CHECKS_FAST - 1 - (again ? RESERVE : 0);
    uint64_t burst = burst_checks * ICE_CHECKS_SLOW_MS * NS_PER_MS;
    uint64_t paid = ice->debt_until > burst ? ice->debt_until - burst : 0;
    return pair->triggered || !ice->unanswered_of[pair->kind] ? paid : later(paid, ice->ordinary_at);
}

static bool has_copies(const struct ice_pair *pair)
{
    return pair->txn.running && pair->txn.sends < pair->txn.sends_max;
}

static uint64_t wanted_at(const struct ice_pair *pair)
{
    if (pair->triggered)
        return pair->triggered_at;
    if (pair->txn.running)
        return has_copies(pair) ? stun_txn_deadline(&pair->txn) : NEVER;
    return pair->state == PAIR_WAITING ? 0 : NEVER;
}

/* Triggered ones in the order they came; then who has had fewest copies, so that all get their share of the
 * budget; then the kind that has, so that a path across the internet need not wait until every local address
 * was tried (RFC 8421 4 does the same with families); then by priority (RFC 8445 6.1.4.2). */
static bool goes_before(const struct ice *ice, const struct ice_pair *a, const struct ice_pair *b)
{
    if (a->triggered != b->triggered)
        return a->triggered;
    if (a->triggered && a->triggered_at != b->triggered_at)
        return a->triggered_at < b->triggered_at;
    if (a->answered != b->answered)
        return a->answered;
    if (!a->answered && a->copies != b->copies)
        return a->copies < b->copies;
    if (ice->unanswered_of[a->kind] != ice->unanswered_of[b->kind])
        return ice->unanswered_of[a->kind] < ice->unanswered_of[b->kind];
    return a->priority > b->priority;
}

struct ice_pair *ice_check_next(const struct ice *ice, uint64_t now, uint64_t *at)
{
    struct ice_pair *best = NULL;
    *at = NEVER;
    if (!ice->remote_known)
        return NULL;
    ICE_EACH_PAIR(ice, pair)
    {
        uint64_t wanted = wanted_at(pair);
        if (wanted == NEVER)
            continue;
        uint64_t due = later(wanted, allowed_at(ice, pair));
        *at = earlier(*at, due);
        if (due <= now && (!best || goes_before(ice, pair, best)))
            best = pair;
    }
    return best;
}

/* When a check has failed: its last copy, or the last that the budget allows, went unanswered. */
static uint64_t fails_at(const struct ice *ice, const struct ice_pair *pair)
{
    if (!pair->txn.running || (has_copies(pair) && allowed_at(ice, pair) != NEVER))
        return NEVER;
    return stun_txn_deadline(&pair->txn);
}

uint64_t ice_checks_deadline(const struct ice *ice)
{
    uint64_t at;
    ice_check_next(ice, 0, &at);
    ICE_EACH_PAIR(ice, pair)
    {
        at = earlier(at, fails_at(ice, pair));
    }
    return at;
}

/* ---- sending ---- */

static uint64_t clamp(uint64_t value, uint64_t min, uint64_t max)
{
    return earlier(later(value, min), max);
}

/* A question that nobody has answered yet keeps its id when it is asked again, unless it says something else:
 * copies may leave more often than a round trip takes, and the answer to any of them counts. */
static void start(struct ice *ice, uint64_t now, struct ice_pair *pair, uint64_t rto, unsigned copies)
{
    struct stun_txn before = pair->txn;
    uint32_t number = 0;
    bool nominate = ice_choice_nominates(ice, pair, &number);
    bool same = pair->copies && !pair->answered && pair->asked_controlling == ice->controlling &&
                pair->asked_nominate == nominate && pair->asked_nomination == number;
    stun_txn_start(&pair->txn, now, rto, copies, ice->config.random);
    if (same)
        memcpy(pair->txn.id, before.id, sizeof before.id);
    else
        pair->asked = 0;
    pair->asked_controlling = ice->controlling;
    pair->asked_nominate = nominate;
    pair->asked_nomination = number;
}

static void begin(struct ice *ice, uint64_t now, struct ice_pair *pair)
{
    /* Not measured where the answer was to a copy whose time is forgotten: the way may be a long one. */
    uint64_t rto = pair->rtt ? pair->rtt + pair->rtt / 4 : VERIFY_RTO_MAX_MS * NS_PER_MS;
    unsigned copies = ICE_VERIFY_COPIES;
    if (pair->answered) {
        rto = clamp(rto, VERIFY_RTO_MIN_MS * NS_PER_MS, VERIFY_RTO_MAX_MS * NS_PER_MS);
    } else {
        bool again = pair->rounds && !pair->heard;
        rto = (again ? RTO_MAX_MS : ICE_RTO_MS) * NS_PER_MS;
        copies = again ? COPIES_AGAIN : COPIES;
    }
    start(ice, now, pair, rto, copies);
    if (pair->state != PAIR_VALID)
        pair->state = PAIR_CHECKING;
}

/* One more copy of a request that is under way, now, and the waiting begins anew. RFC 8445 7.3.1.4 cancels it
 * for a new one; under the same id the answer to an earlier copy counts too, where round trips are long. */
static void hurry(uint64_t now, struct ice_pair *pair)
{
    pair->txn.deadline = now;
    pair->txn.rto = earlier(pair->txn.rto, ICE_RTO_MS * NS_PER_MS / 2); /* it doubles first */
    if (pair->txn.sends == pair->txn.sends_max)
        pair->txn.sends_max++;
}

static void account(struct ice *ice, uint64_t now, struct ice_pair *pair)
{
    pair->copies++;
    ice->stats.checks_sent++;
    if (pair->answered)
        return;
    ice->ordinary_at = now + ICE_CHECK_INTERVAL_MS * NS_PER_MS;
    ice->debt_until = later(ice->debt_until, now) + ICE_CHECKS_SLOW_MS * NS_PER_MS;
    if (pair->remote->answered)
        return;
    if (ice->unanswered++ == 0)
        ice->budget_since = now;
    ice->unanswered_of[pair->kind]++;
    pair->remote->unanswered++;
    pair->unanswered++;
}

/* Each copy's id ends in its own number, so that an answer says which of them it is to: counted from another
 * one, the round trip could be anything (RFC 6298 3). To the peer they are requests of the same content. */
static void mark(struct ice_pair *pair, uint64_t now, uint8_t id[STUN_ID_LEN])
{
    memcpy(id, pair->txn.id, STUN_ID_LEN);
    id[STUN_ID_LEN - 1] ^= (uint8_t)pair->asked;
    pair->asked_at[pair->asked++ % ICE_COPIES_KNOWN] = now;
}

/* Whether a copy with this id left, and if its time is still known, when; else *at is NEVER. */
static bool has_asked(const struct ice_pair *pair, const uint8_t id[STUN_ID_LEN], uint64_t *at)
{
    unsigned copy = id[STUN_ID_LEN - 1] ^ pair->txn.id[STUN_ID_LEN - 1];
    *at = NEVER;
    if (!pair->txn.running || memcmp(pair->txn.id, id, STUN_ID_LEN - 1) != 0 || copy >= pair->asked)
        return false;
    if (pair->asked - copy <= ICE_COPIES_KNOWN)
        *at = pair->asked_at[copy % ICE_COPIES_KNOWN];
    return true;
}

void ice_check_compose(const struct ice *ice, const struct ice_base *base, bool controlling,
                       char username[ICE_USERNAME_MAX], struct stun_msg *msg)
{
    int len = snprintf(username, ICE_USERNAME_MAX, "%s:%s", ice->remote_ufrag, ice->ufrag);
    *msg = (struct stun_msg){
        .class = STUN_REQUEST,
        .method = STUN_BINDING,
        .has = STUN_HAS_PRIORITY | STUN_HAS_INTEGRITY | STUN_HAS_FINGERPRINT,
        .username = {username, (size_t)len},
        /* RFC 8445 7.1.1: what the address this leaves from would have as a peer-reflexive candidate. */
        .priority = UINT32_C(110) << 24 | (base->priority & 0xffffff),
        .tie_breaker = ice->tie_breaker,
    };
    msg->has |= controlling ? STUN_HAS_CONTROLLING : STUN_HAS_CONTROLLED;
}

static size_t request_write(const struct ice *ice, uint64_t now, struct ice_pair *pair, uint8_t *out,
                            size_t capacity)
{
    char username[ICE_USERNAME_MAX];
    struct stun_msg msg;
    ice_check_compose(ice, pair->base, pair->asked_controlling, username, &msg);
    if (pair->asked_nominate)
        msg.has |= STUN_HAS_USE_CANDIDATE;
    if (pair->asked_nominate && pair->asked_nomination) {
        msg.has |= STUN_HAS_NOMINATION;
        msg.nomination = pair->asked_nomination;
    }
    mark(pair, now, msg.id);
    struct stun_key key = {(const uint8_t *)ice->remote_pwd, strlen(ice->remote_pwd)};
    return stun_encode(&msg, &key, out, capacity);
}

bool ice_check_write(struct ice *ice, uint64_t now, struct ice_pair *pair, struct packet *out)
{
    if (!pair->txn.running)
        begin(ice, now, pair);
    else if (pair->triggered)
        hurry(now, pair);
    pair->triggered = false;
    if (!stun_txn_send(&pair->txn, now))
        return false;
    uint64_t rto_max = (pair->heard ? RTO_HEARD_MAX_MS : RTO_MAX_MS) * NS_PER_MS;
    pair->txn.rto = earlier(pair->txn.rto, rto_max);
    pair->txn.deadline = earlier(pair->txn.deadline, now + rto_max);
    account(ice, now, pair);
    out->local = pair->base->address;
    out->remote = pair->to;
    out->segment = 0;
    out->len = request_write(ice, now, pair, out->data, out->len);
    return out->len > 0;
}

void ice_check_trigger(struct ice_pair *pair, uint64_t now)
{
    if (pair->triggered || pair->state == PAIR_VALID)
        return;
    pair->triggered = true;
    pair->triggered_at = now;
    if (pair->state == PAIR_FAILED)
        pair->state = PAIR_WAITING;
}

void ice_check_verify(struct ice *ice, uint64_t now, struct ice_pair *pair)
{
    pair->verify_at = NEVER;
    uint32_t number;
    bool nominate = ice_choice_nominates(ice, pair, &number);
    bool says_it = !nominate || (pair->asked_nominate && pair->asked_nomination == number);
    if (!pair->txn.running || !says_it)
        begin(ice, now, pair);
}

void ice_checks_again(struct ice *ice, uint64_t now)
{
    ICE_EACH_PAIR(ice, pair)
    {
        stun_txn_stop(&pair->txn);
        pair->copies = pair->rounds = pair->failures = 0;
        if (pair->state == PAIR_VALID)
            ice_check_verify(ice, now, pair);
        else
            pair->state = PAIR_WAITING;
    }
}

void ice_budget_renew(struct ice *ice, uint64_t now)
{
    if (ice->unanswered == 0 || now < ice->budget_since + BUDGET_S * NS_PER_S)
        return;
    ice->unanswered = 0;
    memset(ice->unanswered_of, 0, sizeof ice->unanswered_of);
    for (size_t i = 0; i < ICE_REMOTES_MAX; i++)
        ice->remotes[i].unanswered = 0;
    ICE_EACH_PAIR(ice, pair)
    {
        pair->unanswered = 0;
    }
}

/* ---- ending ---- */

/* `final`: the peer, or somebody in between, has answered in a way that makes asking again pointless. */
static void check_failed(struct ice *ice, uint64_t now, struct ice_pair *pair, bool final)
{
    stun_txn_stop(&pair->txn);
    if (pair->answered) {
        ice_consent_failed(ice, now, pair);
        return;
    }
    pair->rounds++;
    bool again = !final && !ice->path && (pair->heard || pair->rounds < 2) && allowed_at(ice, pair) != NEVER;
    pair->state = again ? PAIR_WAITING : PAIR_FAILED;
}

void ice_checks_expire(struct ice *ice, uint64_t now)
{
    ICE_EACH_PAIR(ice, pair)
    {
        if (now >= fails_at(ice, pair))
            check_failed(ice, now, pair, false);
    }
}

/* RFC 8445 7.2.5.1. A late answer to what we asked in the other role changes nothing. */
static void role_refused(struct ice *ice, uint64_t now, struct ice_pair *pair)
{
    if (pair->asked_controlling == ice->controlling) {
        ice->controlling = !ice->controlling;
        ice->tie_breaker = random_u64(ice->config.random); /* 7.1.3 */
        ice_pairs_judge(ice);
        ice_choice_role(ice, now);
    }
    stun_txn_stop(&pair->txn);
    if (pair->state == PAIR_VALID)
        ice_check_verify(ice, now, pair);
    else
        ice_check_trigger(pair, now);
}

/* RFC 8445 7.2.5.3.1: an own address that nobody told us yet. It is no news to the checks, for its base has
 * pairs with everybody; but where it differs from what the same pair had before, our NAT has mapped anew, and
 * what else we keep warm behind it must open its hole again. */
static void learn_mapped(struct ice *ice, uint64_t now, struct ice_pair *pair, const struct addr *mapped)
{
    bool moved = pair->mapped.family && !addr_equal(&pair->mapped, mapped);
    pair->mapped = *mapped;
    if (moved)
        ICE_EACH_PAIR(ice, other)
        {
            if (other != pair && other->base == pair->base && other->state == PAIR_VALID)
                ice_check_verify(ice, now, other);
        }
    for (size_t i = 0; i < ice->local_count; i++)
        if (addr_equal(&ice->locals[i].base, &pair->base->address) &&
            addr_equal(&ice->locals[i].address, mapped))
            return;
    if (ice->local_count == ICE_LOCALS_MAX)
        return;
    struct candidate *found = &ice->locals[ice->local_count++];
    *found = (struct candidate){.kind = CANDIDATE_PRFLX, .address = *mapped, .base = pair->base->address};
    found->priority = UINT32_C(110) << 24 | (pair->base->priority & 0xffffff);
    candidate_foundation(found);
}

static void measured(struct ice_pair *pair, uint64_t rtt)
{
    pair->rtt = pair->rtt ? pair->rtt - pair->rtt / 8 + rtt / 8 : later(rtt, 1);
}

static void answered(struct ice *ice, uint64_t now, struct ice_pair *pair)
{
    pair->state = PAIR_VALID;
    pair->answered = true;
    pair->triggered = false;
    pair->proof = now;
    pair->failures = 0;
    pair->verify_at = NEVER;
    if (!pair->remote->answered) {
        pair->remote->answered = true;
        ice->unanswered -= pair->remote->unanswered;
        /* Where the remote had pairs of several kinds this is a guess, and only a question of whose turn it
         * is. */
        unsigned *of_kind = &ice->unanswered_of[pair->kind];
        *of_kind -= (unsigned)earlier(*of_kind, pair->remote->unanswered);
    }
    ice_consent_answered(ice, now, pair);
    ice_choice_answered(ice, now, pair);
}

static struct ice_pair *pair_that_asked(struct ice *ice, const uint8_t id[STUN_ID_LEN], uint64_t *at)
{
    ICE_EACH_PAIR(ice, pair)
    {
        if (has_asked(pair, id, at))
            return pair;
    }
    return NULL;
}

bool ice_check_answer(struct ice *ice, uint64_t now, const struct packet *in, const struct stun_msg *msg)
{
    uint64_t asked_at;
    struct ice_pair *pair = pair_that_asked(ice, msg->id, &asked_at);
    if (!pair)
        return ice_probe_answer(ice, now, in, msg);
    struct stun_key key = {(const uint8_t *)ice->remote_pwd, strlen(ice->remote_pwd)};
    if (stun_check(msg, in->data, &key) != STUN_INTEGRITY_GOOD) {
        ice->stats.unauthenticated++;
        return false;
    }
    if (msg->class == STUN_SUCCESS && !addr_is_usable(&msg->mapped)) {
        ice->stats.malformed++;
        return true;
    }
    /* RFC 8445 7.2.5.2.1: only a path that is the same in both directions is one. */
    bool symmetric = addr_equal(&in->remote, &pair->to) &&
                     (in->local.family == 0 || addr_equal(&in->local, &pair->base->address));
    stun_txn_stop(&pair->txn);
    ice->stats.answers++;
    if (msg->class == STUN_ERROR && msg->error == 487) {
        role_refused(ice, now, pair);
    } else if (msg->class == STUN_ERROR || !symmetric) {
        check_failed(ice, now, pair, true);
    } else {
        learn_mapped(ice, now, pair, &msg->mapped);
        if (pair->asked_nominate)
            ice->nomination_done = true;
        if (asked_at != NEVER)
            measured(pair, now - asked_at);
        answered(ice, now, pair);
    }
    return true;
}
