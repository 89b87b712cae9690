/* broker_path.c - the way through the broker: when it is taken and left, how fast, whether the peer still
 * answers there.
 *
 *   allowed by both, a broker up, nothing direct works -> taken, 150 ms after both know each other
 *   taken, and the peer is heard -> there; something direct works -> left
 *   there, then unanswered for 30 s, or no broker -> stalled; heard -> there; 120 s -> lost
 *   not heard on any way for 25 s -> quiet: nothing is sent; heard -> as before
 *   a will came and nothing after it for 5 s -> lost
 *
 * It owns no packet: conn asks QUIC to write when broker_path_ready says so. So nothing is dropped over the
 * rate, it is written later. */
#include "broker_path.h"

void broker_path_init(struct broker_path *path, struct bucket *shared)
{
    *path = (struct broker_path){.shared = shared, .from = NEVER, .failed = NEVER};
}

struct bucket broker_path_bucket(uint64_t rate)
{
    return (struct bucket){.rate = rate, .burst = later(BROKER_PATH_BURST, rate / 4)};
}

void broker_path_allow(struct broker_path *path, uint64_t now, uint64_t rate, uint64_t delay)
{
    path->allowed = rate > 0;
    if (!path->allowed)
        return;
    path->send = path->take = broker_path_bucket(rate);
    path->take.burst += BROKER_PATH_TAKE_S * rate;
    path->take.rate += rate / 4; /* what the peer's burst lets through, and its clock */
    path->from = now + later(BROKER_PATH_WAIT_MS * NS_PER_MS, BROKER_PATH_DELAYS * delay);
}

void broker_path_hurry(struct broker_path *path, uint64_t now)
{
    if (path->allowed)
        path->from = earlier(path->from, now);
}

void broker_path_set_up(struct broker_path *path, uint64_t now, bool up)
{
    if (up && !path->up)
        path->risen = now;
    path->up = up;
}

/* ---- the rate ---- */

enum { COST_MAX = BROKER_PATH_PAYLOAD + BROKER_PATH_OVERHEAD };

uint64_t broker_path_ready(const struct broker_path *path)
{
    if (!path->used || !path->up || path->quiet)
        return NEVER;
    return later(bucket_ready(&path->send, COST_MAX), bucket_ready(path->shared, COST_MAX));
}

void broker_path_sent(struct broker_path *path, uint64_t now, size_t len)
{
    bucket_take(&path->send, now, len + BROKER_PATH_OVERHEAD);
    bucket_take(path->shared, now, len + BROKER_PATH_OVERHEAD);
}

bool broker_path_takes(struct broker_path *path, uint64_t now, size_t len)
{
    bool takes = path->allowed && bucket_ready(&path->take, len + BROKER_PATH_OVERHEAD) <= now;
    path->flooded += !takes;
    return takes;
}

void broker_path_took(struct broker_path *path, uint64_t now, size_t len)
{
    bucket_take(&path->take, now, len + BROKER_PATH_OVERHEAD);
}

/* ---- what changes ---- */

static uint64_t take_at(const struct broker_path *path, const struct broker_view *view)
{
    return path->allowed && path->up ? later(path->from, view->direct_until) : NEVER;
}

/* Since when we wait for a word: whatever arrives is one, also where it acknowledges nothing. */
static uint64_t unheard_since(const struct broker_view *view)
{
    return later(view->quic.waiting_since, view->quic.last_received);
}

/* When nobody has answered for too long; NEVER: all is answered. */
static uint64_t silent_at(const struct broker_path *path, const struct broker_view *view)
{
    if (!path->up)
        return 0;
    if (!view->quic.waiting_since)
        return NEVER;
    return later(unheard_since(view), path->taken) + BROKER_PATH_SILENT_S * NS_PER_S;
}

static bool is_answered(const struct broker_view *view, uint64_t since)
{
    return view->quic.last_received >= since;
}

/* When the peer must have been heard, or is lost. */
static uint64_t lost_at(const struct broker_path *path, const struct broker_view *view)
{
    uint64_t at = NEVER;
    if (view->direct_until)
        return NEVER; /* it may yet answer */
    if (path->goodbye && path->used)
        at = later(path->goodbye, path->taken) + BROKER_PATH_GOODBYE_S * NS_PER_S;
    if (path->stalled)
        at = earlier(at, later(view->quic.last_received, path->taken) + BROKER_PATH_FORGET_S * NS_PER_S);
    return at;
}

/* When it is certain that nobody was ever heard anywhere. */
static uint64_t nobody_at(const struct broker_path *path, const struct broker_view *view)
{
    if (path->failed == NEVER || view->quic.last_received || view->direct_until)
        return NEVER;
    return path->used ? later(path->failed, path->taken + BROKER_PATH_FAIL_S * NS_PER_S) : path->failed;
}

/* While no broker was up the silence was ours. */
static uint64_t quiet_at(const struct broker_path *path, const struct broker_view *view)
{
    return later(view->heard, path->risen) + BROKER_PATH_QUIET_S * NS_PER_S;
}

static uint64_t ask_at(const struct broker_path *path, const struct broker_view *view)
{
    if (!path->up || path->stalled || path->quiet || !view->quic.waiting_since)
        return NEVER;
    return later(unheard_since(view), path->asked) + BROKER_PATH_ASK_S * NS_PER_S;
}

/* Only while the peer is heard: who has gone silent is left in peace. */
static uint64_t seek_at(const struct broker_path *path)
{
    return path->stalled ? NEVER : path->seek_at;
}

static enum broker_turn take(struct broker_path *path, uint64_t now)
{
    path->used = path->stalled = true; /* until the peer is heard there */
    path->there = false;
    path->taken = path->silent = now;
    path->seek_next = BROKER_PATH_SEEK_S * NS_PER_S;
    path->seek_at = now + path->seek_next;
    return BROKER_TURN_TAKEN;
}

static enum broker_turn seek(struct broker_path *path, uint64_t now)
{
    path->seek_next = earlier(2 * path->seek_next, BROKER_PATH_SEEK_MAX_S * NS_PER_S);
    path->seek_at = now + path->seek_next;
    return BROKER_TURN_SEEK;
}

enum broker_turn broker_path_turn(struct broker_path *path, uint64_t now, const struct broker_view *view)
{
    if (path->goodbye && (view->direct_until == NEVER || is_answered(view, path->goodbye)))
        path->goodbye = 0;
    path->quiet = now >= quiet_at(path, view);
    if (now >= nobody_at(path, view)) {
        path->failed = NEVER;
        return BROKER_TURN_NOBODY;
    }
    if (!path->used)
        return now >= take_at(path, view) ? take(path, now) : BROKER_TURN_NONE;
    if (now < view->direct_until) {
        path->used = path->stalled = false;
        return BROKER_TURN_LEFT;
    }
    if (path->stalled && path->up && is_answered(view, path->silent)) {
        path->stalled = false;
        path->there = true;
        return BROKER_TURN_THERE;
    }
    if (now >= lost_at(path, view)) {
        path->used = path->stalled = path->allowed = false;
        return BROKER_TURN_LOST;
    }
    if (!path->stalled && now >= silent_at(path, view)) {
        path->stalled = true;
        path->silent = now;
        return BROKER_TURN_STALLED;
    }
    if (now >= ask_at(path, view)) {
        path->asked = now;
        return BROKER_TURN_ASK;
    }
    return now >= seek_at(path) ? seek(path, now) : BROKER_TURN_NONE;
}

uint64_t broker_path_deadline(const struct broker_path *path, const struct broker_view *view)
{
    uint64_t at = nobody_at(path, view);
    if (!path->used)
        return earlier(at, take_at(path, view));
    if (view->direct_until == NEVER)
        return 0;
    at = earlier(at, lost_at(path, view));
    if (!path->stalled)
        at = earlier(at, earlier(silent_at(path, view), ask_at(path, view)));
    if (!path->quiet)
        at = earlier(at, quiet_at(path, view));
    return earlier(at, seek_at(path));
}
