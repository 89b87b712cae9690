/* turn_right.c - permissions and channels at a TURN server: who may reach us, and how (RFC 8656 9 to 12).
 *
 * A permission lives 5 minutes, a channel 10, and a channel's request is a permission's too: both are asked
 * for again after 4 while something goes to the peer. What is not used lapses. Each is a request of its own:
 * one address that the server forbids must not cost the others theirs (RFC 8656 9.2). */
#include "turn_internal.h"

static const uint64_t REFRESH = 240 * NS_PER_S;
static const uint64_t REFUSED_PAUSE = 60 * NS_PER_S; /* before the same is asked again */
enum { STALE_MAX = 3 };                              /* as turn_client.c's */

static bool is_of(const struct turn_right *right, const struct addr *peer)
{
    return right->channel ? addr_equal(&right->peer, peer) : addr_equal_ip(&right->peer, peer);
}

static struct turn_right *find(struct turn_right *list, size_t count, const struct addr *peer)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].peer.family && is_of(&list[i], peer))
            return &list[i];
    return NULL;
}

/* A free place, or that of the one that was used longest ago. */
static struct turn_right *place(struct turn_right *list, size_t count)
{
    struct turn_right *oldest = &list[0];
    for (size_t i = 0; i < count; i++) {
        if (!list[i].peer.family)
            return &list[i];
        if (list[i].used < oldest->used)
            oldest = &list[i];
    }
    return oldest;
}

/* Something goes there, or will. */
static void use(struct turn_client *turn, uint64_t now, struct turn_right *right)
{
    right->used = now;
    if (!right->granted && !right->txn.running && now >= right->refresh_at)
        turn_begin(turn, now, &right->txn);
}

struct turn_right *turn_permission(struct turn_client *turn, uint64_t now, const struct addr *peer)
{
    struct turn_right *right = find(turn->permissions, TURN_PERMISSIONS_MAX, peer);
    if (!right) {
        right = place(turn->permissions, TURN_PERMISSIONS_MAX);
        *right = (struct turn_right){.peer = *peer};
    }
    use(turn, now, right);
    return right;
}

/* Numbers are taken in turn, so that one comes back long after its last binding has ended. */
struct turn_right *turn_channel(struct turn_client *turn, uint64_t now, const struct addr *peer)
{
    struct turn_right *right = find(turn->channels, TURN_CHANNELS_MAX, peer);
    if (!right) {
        right = place(turn->channels, TURN_CHANNELS_MAX);
        *right = (struct turn_right){.peer = *peer, .channel = turn->next_channel};
        turn->next_channel =
            turn->next_channel == TURN_CHANNEL_LAST ? TURN_CHANNEL_FIRST : (uint16_t)(turn->next_channel + 1);
    }
    use(turn, now, right);
    return right;
}

const struct turn_right *turn_channel_find(const struct turn_client *turn, uint16_t number)
{
    for (size_t i = 0; i < TURN_CHANNELS_MAX; i++)
        if (turn->channels[i].peer.family && turn->channels[i].channel == number)
            return &turn->channels[i];
    return NULL;
}

/* Whoever was asked for counts, granted yet or not: the server's word may be overtaken by the peer's. */
bool turn_is_permitted(const struct turn_client *turn, const struct addr *peer)
{
    for (size_t i = 0; i < TURN_PERMISSIONS_MAX; i++)
        if (turn->permissions[i].peer.family && addr_equal_ip(&turn->permissions[i].peer, peer))
            return true;
    for (size_t i = 0; i < TURN_CHANNELS_MAX; i++)
        if (turn->channels[i].peer.family && addr_equal_ip(&turn->channels[i].peer, peer))
            return true;
    return false;
}

struct turn_right *turn_right_asked(struct turn_client *turn, const uint8_t id[STUN_ID_LEN])
{
    for (size_t i = 0; i < TURN_PERMISSIONS_MAX; i++)
        if (turn_txn_is(&turn->permissions[i].txn, id))
            return &turn->permissions[i];
    for (size_t i = 0; i < TURN_CHANNELS_MAX; i++)
        if (turn_txn_is(&turn->channels[i].txn, id))
            return &turn->channels[i];
    return NULL;
}

void turn_right_answered(struct turn_client *turn, uint64_t now, struct turn_right *right,
                         const struct stun_msg *msg)
{
    stun_txn_stop(&right->txn);
    if (msg->class == STUN_SUCCESS) {
        right->granted = true;
        right->stale = 0;
        right->refresh_at = now + REFRESH;
        return;
    }
    if (msg->error == 438 && right->stale++ < STALE_MAX && turn_take_nonce(turn, msg)) {
        turn_begin(turn, now, &right->txn);
        return;
    }
    if (msg->error == 437) {
        turn_fail(turn, TURN_LOST, "the server does not know our allocation any more");
        return;
    }
    right->granted = false;
    right->refresh_at = now + REFUSED_PAUSE;
}

/* Its time has come: asked for again where it was used since the last time. */
static void renew(struct turn_client *turn, uint64_t now, struct turn_right *right)
{
    if (stun_txn_failed(&right->txn, now)) {
        right->granted = false;
        right->refresh_at = now;
    }
    if (!right->granted || right->txn.running || now < right->refresh_at)
        return;
    if (right->used + REFRESH > now)
        turn_begin(turn, now, &right->txn);
    else
        right->granted = false;
}

static struct turn_right *next_of(struct turn_client *turn, uint64_t now, struct turn_right *list,
                                  size_t count)
{
    for (size_t i = 0; i < count; i++) {
        renew(turn, now, &list[i]);
        if (stun_txn_send(&list[i].txn, now))
            return &list[i];
    }
    return NULL;
}

struct turn_right *turn_right_next(struct turn_client *turn, uint64_t now)
{
    struct turn_right *right = next_of(turn, now, turn->permissions, TURN_PERMISSIONS_MAX);
    return right ? right : next_of(turn, now, turn->channels, TURN_CHANNELS_MAX);
}

static uint64_t deadline_of(const struct turn_right *list, size_t count)
{
    uint64_t deadline = NEVER;
    for (size_t i = 0; i < count; i++) {
        uint64_t due = list[i].txn.running ? stun_txn_deadline(&list[i].txn)
                       : list[i].granted   ? list[i].refresh_at
                                           : NEVER;
        deadline = due < deadline ? due : deadline;
    }
    return deadline;
}

uint64_t turn_rights_deadline(const struct turn_client *turn)
{
    uint64_t permissions = deadline_of(turn->permissions, TURN_PERMISSIONS_MAX);
    uint64_t channels = deadline_of(turn->channels, TURN_CHANNELS_MAX);
    return permissions < channels ? permissions : channels;
}
