/* ice_choice.c - which pair carries application packets: selection and nomination (RFC 8445 8.1).
 *
 * The controlling side takes the first pair that works, and a better one whenever there is one; each time it
 * says so with USE-CANDIDATE and a growing number (draft-thatcher-ice-renomination), in every check on that
 * pair from then on, so that none of them is the one that must not be lost. The controlled side follows; both
 * leave a dead path by themselves.
 *
 * A peer that does not know the number gets one nomination (RFC 8445 8.1.1, regular nomination). */
#include "ice_internal.h"

enum {
    NOMINATE_WAIT_MS =
        100, /* for a better kind, where there is one nomination: longer than a network's own round trip */
    NOMINATION_MAX = 0xffffff,
};

static bool is_fixed(const struct ice *ice)
{
    return !ice->config.renominate && ice->nomination_sent;
}

/* Names the path to the peer: with the next check, which leaves now. */
static void nominate(struct ice *ice, uint64_t now)
{
    if (ice->config.renominate) {
        if (ice->nomination < NOMINATION_MAX)
            ice->nomination++;
    } else {
        ice->nomination_sent = true;
    }
    ice_check_verify(ice, now, ice->path);
}

bool ice_choice_nominates(const struct ice *ice, const struct ice_pair *pair, uint32_t *number)
{
    *number = ice->config.renominate ? ice->nomination : 0;
    if (!ice->controlling || pair != ice->path)
        return false;
    return ice->config.renominate || (ice->nomination_sent && !ice->nomination_done);
}

void ice_choice_spare(struct ice *ice)
{
    struct ice_pair *best = NULL;
    ICE_EACH_PAIR(ice, pair)
    {
        if (pair->state != PAIR_VALID || pair == ice->path || !ice->path)
            continue;
        if (pair->base == ice->path->base && pair->kind == ice->path->kind)
            continue; /* would die of the same thing */
        if (!best || pair->kind < best->kind || (pair->kind == best->kind && pair->priority > best->priority))
            best = pair;
    }
    ice->spare = best;
}

/* Tells the peer, where that is ours to do. */
static void announce(struct ice *ice, uint64_t now)
{
    if (!ice->controlling)
        return;
    if (ice->config.renominate)
        nominate(ice, now);
    else if (!ice->nomination_done)
        ice->nominate_by = ice->nomination_sent ? now : now + NOMINATE_WAIT_MS * NS_PER_MS;
}

static void move(struct ice *ice, uint64_t now, struct ice_pair *pair)
{
    if (ice->path_doubted && ice->path)
        ice->path->state = PAIR_FAILED;
    ice->path = pair;
    ice->path_doubted = false;
    ice->successor = NULL;
    pair->verify_at = ice_consent_next(ice, pair->proof);
    ice_choice_spare(ice);
    ice_consent_moved(ice, now);
    ice_tell(ice, ICE_PATH);
    announce(ice, now);
}

static bool takes_over(const struct ice *ice, const struct ice_pair *pair)
{
    if (!ice->path || ice->path_doubted || pair == ice->successor)
        return true;
    if (!ice->controlling)
        return pair == ice->nominated;
    struct path other = ice_pair_path(pair), current = ice_pair_path(ice->path);
    return !is_fixed(ice) && path_beats(&other, &current);
}

void ice_choice_answered(struct ice *ice, uint64_t now, struct ice_pair *pair)
{
    if (pair == ice->path) {
        ice->path_doubted = false;
        ice->successor = NULL;
        pair->verify_at = ice_consent_next(ice, now);
    } else if (takes_over(ice, pair)) {
        move(ice, now, pair);
    } else {
        ice_choice_spare(ice);
    }
}

void ice_choice_nominated(struct ice *ice, uint64_t now, struct ice_pair *pair, const struct stun_msg *msg)
{
    if (ice->controlling)
        return;
    bool numbered = msg->has & STUN_HAS_NOMINATION;
    uint32_t number = numbered ? msg->nomination : 0;
    if (number < ice->nomination)
        return; /* overtaken on its way */
    /* RFC 5245's aggressive nomination names many: the highest priority counts (8.1.1.2 there). */
    if (!numbered && ice->nominated && ice->nominated->priority > pair->priority)
        return;
    ice->nomination = number;
    ice->nominated = pair;
    if (pair->state == PAIR_VALID && pair != ice->path)
        move(ice, now, pair);
}

static bool is_better(const struct ice_pair *a, const struct ice_pair *b)
{
    struct path x = ice_pair_path(a), y = ice_pair_path(b);
    return path_beats(&x, &y) || (!path_beats(&y, &x) && a->priority > b->priority);
}

void ice_choice_replace(struct ice *ice, uint64_t now, uint64_t since)
{
    struct ice_pair *best = NULL;
    ICE_EACH_PAIR(ice, pair)
    {
        if (pair->state != PAIR_VALID || pair == ice->path || pair->proof < since)
            continue;
        if (!best || is_better(pair, best))
            best = pair;
    }
    if (!best)
        return;
    ice->nominated = NULL; /* until it is named again */
    move(ice, now, best);
}

void ice_choice_role(struct ice *ice, uint64_t now)
{
    ice->nominated = NULL;
    ice->nomination_sent = ice->nomination_done = false;
    if (!ice->controlling)
        ice->nomination = 0; /* the peer counts for itself */
    if (ice->path)
        announce(ice, now);
}

/* Whether some pair of a better kind than the path's may still turn out to work. */
static bool better_is_likely(const struct ice *ice)
{
    ICE_EACH_PAIR(ice, pair)
    {
        if (pair->kind < ice->path->kind && (pair->state == PAIR_WAITING || pair->state == PAIR_CHECKING))
            return true;
    }
    return false;
}

void ice_choice_tick(struct ice *ice, uint64_t now)
{
    if (!ice->path || ice->nominate_by == NEVER)
        return;
    if (now < ice->nominate_by && better_is_likely(ice))
        return;
    ice->nominate_by = NEVER;
    if (ice->controlling && !ice->config.renominate)
        nominate(ice, now);
}

uint64_t ice_choice_deadline(const struct ice *ice)
{
    return ice->path ? ice->nominate_by : NEVER;
}
