/* turn_client.c - a public address borrowed from a relay (RFC 8656): one allocation at one server. Start
 * here.
 *
 * Allocate is refused with realm and nonce; Allocate with credentials makes the relayed addresses known.
 * Permissions and channels for peers are turn_right.c's, datagrams of peers turn_data.c's. Refresh goes out
 * before the lifetime ends and after TURN_KEEPALIVE_S of silence: the allocation is lost where it is not
 * answered. Refresh with lifetime 0 gives it back.
 *
 * It ends once: whoever wants another allocation makes another client. Left out: TCP allocations (RFC 6062),
 * EVEN-PORT and reservations, mobility (RFC 8016), credentials by token (RFC 7635), PASSWORD-ALGORITHM: no
 * peer of ours needs them. ICMP reports are dropped: ice finds out by itself. */
#include "turn_client.h"
#include "turn_internal.h"
#include <stdlib.h>
#include <string.h>

/* As stun_client's: RFC 8489's 39.5 s are for hosts of which nothing is known. */
static const uint64_t RTO = 250 * NS_PER_MS, RTO_MAX = 500 * NS_PER_MS;
static const uint64_t STREAM_PATIENCE = 10 * NS_PER_S; /* for an answer that nothing can lose but its end */
static const uint64_t CLOSE_RTO = 100 * NS_PER_MS;
/* RFC 8656 8 suggests a minute before the end; half of a lifetime that is too short for that. */
static const uint64_t REFRESH_EARLY = 60 * NS_PER_S;
static const uint64_t LIFETIME_MIN = 10 * NS_PER_S; /* a server that gives less does not make us hurry */
enum {
    COPIES = 12,
    CLOSE_COPIES = 3, /* 100, 200, 200 ms: TURN_CLOSE_MS */
    STALE_MAX = 3,    /* nonces in a row that are old when they arrive */
};

struct turn_client *turn_client_new(const struct turn_config *config)
{
    size_t user_len = strlen(config->user), password_len = strlen(config->password);
    if (user_len > TURN_USER_MAX || password_len > TURN_PASSWORD_MAX)
        return NULL;
    struct turn_client *turn = calloc(1, sizeof *turn);
    if (!turn)
        return NULL;
    turn->server = config->server;
    turn->stream = config->stream;
    turn->random = config->random;
    memcpy(turn->user, config->user, user_len + 1);
    memcpy(turn->password, config->password, password_len + 1);
    turn->next_channel = TURN_CHANNEL_FIRST;
    turn->refresh_by = NEVER;
    if (turn->stream && !(turn->held = malloc(TURN_DATAGRAM_MAX))) {
        turn_client_free(turn);
        return NULL;
    }
    return turn;
}

void turn_client_free(struct turn_client *turn)
{
    if (!turn)
        return;
    free(turn->held);
    explicit_bzero(turn->password, sizeof turn->password);
    explicit_bzero(turn->key, sizeof turn->key);
    free(turn);
}

bool turn_client_is_relayed(const struct turn_client *turn, const struct addr *address)
{
    for (unsigned i = 0; i < turn->relayed_count; i++)
        if (addr_equal(&turn->relayed[i], address))
            return turn->state == TURN_READY;
    return false;
}

void turn_client_stats(const struct turn_client *turn, struct turn_stats *stats)
{
    *stats = turn->stats;
}

/* ---- the end ---- */

void turn_fail(struct turn_client *turn, enum turn_failure failure, const char *text)
{
    bool closing = turn->state == TURN_CLOSING;
    if (turn->state == TURN_OVER)
        return;
    turn->state = TURN_OVER;
    turn->txn.running = false;
    turn->quiet_until = NEVER;
    turn->tells_failed = !closing;
    turn->failure = failure;
    turn->text = text;
}

static const char no_user[] = "the server wants a user name and a password";
static const char wrong_user[] = "the server does not accept the user name or the password";

static const struct refusal {
    uint16_t error;
    enum turn_failure failure;
    const char *text;
} refusals[] = {
    {300, TURN_ELSEWHERE, "the server sends us to another one"},
    {401, TURN_REFUSED, wrong_user},
    {403, TURN_REFUSED, "the server forbids relaying to us"},
    {420, TURN_REFUSED, "the server does not understand what a relay must be asked"},
    {437, TURN_LOST, "an older allocation of this address is in the way"},
    {438, TURN_FULL, "the server does not accept the nonces that it gives"},
    {440, TURN_REFUSED, "the server relays for no family of addresses that we have"},
    {441, TURN_REFUSED, "the allocation belongs to another user"},
    {442, TURN_REFUSED, "the server does not relay UDP"},
    {486, TURN_FULL, "this user has as many allocations as the server allows"},
    {508, TURN_FULL, "the server has no address or port left"},
};

static void fail_refused(struct turn_client *turn, const struct stun_msg *msg)
{
    enum turn_failure failure = msg->error >= 500 ? TURN_FULL : TURN_REFUSED;
    const char *text = msg->error >= 500 ? "the server failed" : "the server refuses";
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        if (refusals[i].error == msg->error) {
            failure = refusals[i].failure;
            text = refusals[i].text;
        }
    if (msg->error == 401 && !turn->user[0])
        text = no_user;
    turn->error = msg->error;
    turn->alternate = msg->alternate;
    turn_fail(turn, failure, text);
}

/* ---- asking ---- */

void turn_begin(struct turn_client *turn, uint64_t now, struct stun_txn *txn)
{
    turn->quiet_until = 0;
    if (turn->stream) {
        stun_txn_start(txn, now, STREAM_PATIENCE, 1, turn->random);
        return;
    }
    stun_txn_start(txn, now, RTO, COPIES, turn->random);
    txn->rto_max = RTO_MAX;
}

static void begin_own(struct turn_client *turn, uint64_t now)
{
    turn_begin(turn, now, &turn->txn);
    turn->txn_keyed = turn->keyed;
}

bool turn_take_nonce(struct turn_client *turn, const struct stun_msg *msg)
{
    if (!turn_text_is(msg->nonce) || (!turn->keyed && !turn_text_is(msg->realm)))
        return false;
    turn->nonce_len = msg->nonce.len;
    memcpy(turn->nonce, msg->nonce.at, msg->nonce.len);
    if (turn_text_is(msg->realm)) {
        memcpy(turn->realm, msg->realm.at, msg->realm.len);
        turn->realm[msg->realm.len] = '\0';
    }
    stun_long_term_key(turn->key, turn->user, turn->realm, turn->password);
    turn->keyed = true;
    return true;
}

static struct stun_msg request_of(const struct turn_client *turn, const struct stun_txn *txn,
                                  enum stun_method method, bool keyed)
{
    struct stun_msg msg = {.class = STUN_REQUEST, .method = (uint16_t)method};
    memcpy(msg.id, txn->id, STUN_ID_LEN);
    if (!keyed)
        return msg;
    msg.has = STUN_HAS_INTEGRITY;
    msg.username = (struct stun_text){turn->user, strlen(turn->user)};
    msg.realm = (struct stun_text){turn->realm, strlen(turn->realm)};
    msg.nonce = (struct stun_text){turn->nonce, turn->nonce_len};
    return msg;
}

static bool write_request(struct turn_client *turn, uint64_t now, const struct stun_msg *msg,
                          struct packet *out)
{
    struct stun_key key = {turn->key, TURN_KEY_LEN};
    out->len = stun_encode(msg, &key, out->data, out->len);
    out->segment = 0;
    out->local = (struct addr){0};
    out->remote = turn->server;
    turn->said = now;
    return out->len != 0;
}

static bool write_own(struct turn_client *turn, uint64_t now, struct packet *out)
{
    bool allocates = turn->state == TURN_ALLOCATING && !turn->freeing;
    struct stun_msg msg =
        request_of(turn, &turn->txn, allocates ? STUN_ALLOCATE : STUN_REFRESH, turn->txn_keyed);
    msg.has |= STUN_HAS_LIFETIME;
    msg.lifetime_s = turn->freeing || turn->state == TURN_CLOSING ? 0 : TURN_LIFETIME_S;
    if (allocates) {
        msg.has |= STUN_HAS_TRANSPORT;
        msg.transport = STUN_TRANSPORT_UDP;
        if (turn->family != 4) { /* which is what no wish means (RFC 8656 7.2) */
            msg.has |= turn->family ? STUN_HAS_FAMILY : STUN_HAS_ADDITIONAL_FAMILY;
            msg.family = msg.additional_family = 6;
        }
    }
    return write_request(turn, now, &msg, out);
}

static bool write_right(struct turn_client *turn, uint64_t now, const struct turn_right *right,
                        struct packet *out)
{
    struct stun_msg msg = request_of(
        turn, &right->txn, right->channel ? STUN_CHANNEL_BIND : STUN_CREATE_PERMISSION, turn->keyed);
    msg.peer = right->peer;
    msg.has |= right->channel ? STUN_HAS_CHANNEL : 0;
    msg.channel = right->channel;
    return write_request(turn, now, &msg, out);
}

/* ---- answers ---- */

/* Without our key nobody can say yes to what carried our name (RFC 8489 9.2.5). Errors may come without
 * integrity, since some are told before there is a key; the transaction's id is what they must know. */
static bool is_genuine(const struct turn_client *turn, const struct stun_msg *msg, const uint8_t *data,
                       bool keyed)
{
    struct stun_key key = {turn->key, TURN_KEY_LEN};
    enum stun_integrity integrity = keyed ? stun_check(msg, data, &key) : STUN_INTEGRITY_ABSENT;
    if (msg->class == STUN_SUCCESS)
        return !keyed || integrity == STUN_INTEGRITY_GOOD;
    return integrity != STUN_INTEGRITY_BAD || msg->error == 401 || msg->error == 438;
}

static void note_lifetime(struct turn_client *turn, uint64_t now, const struct stun_msg *msg)
{
    uint64_t lifetime =
        (msg->has & STUN_HAS_LIFETIME ? (uint64_t)msg->lifetime_s : TURN_LIFETIME_S) * NS_PER_S;
    lifetime = lifetime < LIFETIME_MIN ? LIFETIME_MIN : lifetime;
    uint64_t early = lifetime / 2 < REFRESH_EARLY ? lifetime / 2 : REFRESH_EARLY;
    turn->refresh_by = now + lifetime - early;
}

static void note_relayed(struct turn_client *turn, const struct addr *relayed)
{
    bool twice = turn->relayed_count && turn->relayed[0].family == relayed->family;
    if (addr_is_usable(relayed) && !twice)
        turn->relayed[turn->relayed_count++] = *relayed;
}

static void allocated(struct turn_client *turn, uint64_t now, const struct stun_msg *msg)
{
    note_relayed(turn, &msg->relayed);
    note_relayed(turn, &msg->relayed_too);
    if (!turn->relayed_count) {
        turn_fail(turn, TURN_BROKEN, "the server gave an address that cannot be one");
        return;
    }
    turn->mapped = msg->mapped;
    turn->state = TURN_READY;
    turn->tells_allocated = true;
    note_lifetime(turn, now, msg);
}

/* Returns whether the error is no more than a nonce to be used next time. */
static bool asks_again(struct turn_client *turn, const struct stun_msg *msg)
{
    bool first = msg->error == 401 && !turn->txn_keyed && turn->user[0];
    bool stale = msg->error == 438 && turn->stale++ < STALE_MAX;
    return (first || stale) && turn_take_nonce(turn, msg);
}

static void refused(struct turn_client *turn, uint64_t now, const struct stun_msg *msg)
{
    if (asks_again(turn, msg)) {
        begin_own(turn, now);
    } else if (turn->state == TURN_READY && msg->error == 437) {
        turn_fail(turn, TURN_LOST, "the server does not know our allocation any more");
    } else if (turn->freeing) { /* there was none, or it is not ours: see what is said now */
        turn->freeing = false;
        begin_own(turn, now);
    } else if (turn->state == TURN_ALLOCATING && msg->error == 437 && turn->keyed && !turn->freed) {
        /* RFC 8656 7.4 wants another port; ours is the one that our peers know. An earlier run of ours may
         * have left without a goodbye: what it has is ours to end. */
        turn->freed = turn->freeing = true;
        begin_own(turn, now);
    } else if (turn->state == TURN_ALLOCATING && msg->error == 440 && turn->family != 6) {
        /* Not both, as coturn behind a NAT of its own says (--external-ip); then IPv4, then IPv6 alone. */
        turn->family = turn->family ? 6 : 4;
        begin_own(turn, now);
    } else if (turn->state == TURN_READY) {
        turn_fail(turn, TURN_LOST, "the server takes our allocation back");
    } else {
        fail_refused(turn, msg);
    }
}

static void own_answered(struct turn_client *turn, uint64_t now, const struct stun_msg *msg)
{
    stun_txn_stop(&turn->txn);
    if (msg->class == STUN_ERROR) {
        refused(turn, now, msg);
        return;
    }
    turn->stale = 0;
    if (turn->state == TURN_CLOSING) {
        turn_fail(turn, TURN_LOST, "");
    } else if (turn->freeing) {
        turn->freeing = false;
        begin_own(turn, now);
    } else if (turn->state == TURN_ALLOCATING) {
        allocated(turn, now, msg);
    } else {
        note_lifetime(turn, now, msg);
    }
}

void turn_answer(struct turn_client *turn, uint64_t now, const struct stun_msg *msg, const uint8_t *data)
{
    bool own = turn_txn_is(&turn->txn, msg->id);
    struct turn_right *right = own ? NULL : turn_right_asked(turn, msg->id);
    if ((!own && !right) || (msg->class != STUN_SUCCESS && msg->class != STUN_ERROR))
        return;
    if (!is_genuine(turn, msg, data, own ? turn->txn_keyed : turn->keyed) ||
        (msg->class == STUN_ERROR && !msg->error)) {
        turn->stats.malformed++;
        return;
    }
    turn->heard = now;
    turn->quiet_until = 0;
    if (own)
        own_answered(turn, now, msg);
    else
        turn_right_answered(turn, now, right, msg);
}

/* ---- what the owner says ---- */

void turn_client_permit(struct turn_client *turn, uint64_t now, const struct addr *peer)
{
    if (turn->state == TURN_READY)
        turn_permission(turn, now, peer);
}

void turn_client_doubt(struct turn_client *turn, uint64_t now)
{
    if (turn->state == TURN_READY && !turn->txn.running)
        begin_own(turn, now);
}

void turn_client_close(struct turn_client *turn, uint64_t now)
{
    if (turn->state != TURN_READY) {
        if (turn->state == TURN_ALLOCATING)
            turn->state = TURN_CLOSING, turn_fail(turn, TURN_LOST, "");
        return;
    }
    turn->state = TURN_CLOSING;
    turn->quiet_until = 0;
    stun_txn_start(&turn->txn, now, turn->stream ? TURN_CLOSE_MS * NS_PER_MS : CLOSE_RTO,
                   turn->stream ? 1 : CLOSE_COPIES, turn->random);
    turn->txn_keyed = turn->keyed;
}

bool turn_client_is_closed(const struct turn_client *turn)
{
    return turn->state == TURN_OVER;
}

/* ---- time ---- */

/* Silence either way for TURN_KEEPALIVE_S: mappings want packets from us, we want a sign of life. */
static uint64_t refresh_due(const struct turn_client *turn)
{
    uint64_t last = turn->heard < turn->said ? turn->heard : turn->said;
    uint64_t alive = last + TURN_KEEPALIVE_S * NS_PER_S;
    return alive < turn->refresh_by ? alive : turn->refresh_by;
}

static void tick(struct turn_client *turn, uint64_t now)
{
    if (stun_txn_failed(&turn->txn, now)) {
        bool had = turn->state == TURN_READY;
        turn_fail(turn, had ? TURN_LOST : TURN_SILENT,
                  had ? "the server does not answer any more" : "the server does not answer");
        return;
    }
    bool starts = turn->state == TURN_ALLOCATING || (turn->state == TURN_READY && now >= refresh_due(turn));
    if (!turn->txn.running && starts)
        begin_own(turn, now);
}

bool turn_client_output(struct turn_client *turn, uint64_t now, struct packet *out)
{
    if (turn->state == TURN_OVER || now < turn->quiet_until)
        return false;
    turn->quiet_until = 0;
    tick(turn, now);
    if (turn->state == TURN_OVER)
        return false;
    if (stun_txn_send(&turn->txn, now))
        return write_own(turn, now, out);
    struct turn_right *right = turn->state == TURN_READY ? turn_right_next(turn, now) : NULL;
    if (right)
        return write_right(turn, now, right, out);
    turn->quiet_until = turn_client_deadline(turn);
    return false;
}

uint64_t turn_client_deadline(const struct turn_client *turn)
{
    if (turn->state == TURN_OVER)
        return NEVER;
    if (turn->quiet_until)
        return turn->quiet_until;
    if (turn->state == TURN_ALLOCATING && !turn->txn.running)
        return 0;
    uint64_t own = turn->txn.running ? stun_txn_deadline(&turn->txn) : refresh_due(turn);
    uint64_t rights = turn->state == TURN_READY ? turn_rights_deadline(turn) : NEVER;
    return own < rights ? own : rights;
}

bool turn_client_event(struct turn_client *turn, struct turn_event *event)
{
    bool allocated = turn->tells_allocated, failed = turn->tells_failed;
    *event = (struct turn_event){.text = ""};
    if (allocated) {
        turn->tells_allocated = false;
        event->type = TURN_ALLOCATED;
        memcpy(event->relayed, turn->relayed, sizeof event->relayed);
        event->relayed_count = turn->relayed_count;
        event->mapped = turn->mapped;
    } else if (failed) {
        turn->tells_failed = false;
        event->type = TURN_FAILED;
        event->failure = turn->failure;
        event->error = turn->error;
        event->alternate = turn->alternate;
        event->text = turn->text;
    }
    return allocated || failed;
}
