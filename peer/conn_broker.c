/* conn_broker.c - a connection's packets through the broker, while no pair of addresses carries them.
 *
 * broker_path decides when that way is taken and left; here is what it means for ice and quic. */
#include "conn_state.h"

#include <string.h>

enum {
    HINT_PAUSE_S = 5, /* between two for the reason that the peer prefers the broker to our pair */
    KEEP_ALIVE_S = QUIC_IDLE_S / 3, /* on other paths, so that two packets may be lost */
    BROKER_NEWS_S = 25,             /* less than the keep-alive and a half, 30 s, that a broker waits */
};

/* Neither network lets the other in, they are two, nobody has a relay, and there is no IPv6, which is not
 * translated: then only the broker is left. */
void conn_hurry_if_hopeless(struct conn *conn, uint64_t now)
{
    struct path_facts facts;
    ice_facts(conn->ice, &facts);
    const struct addr *ours = &facts.local_nat.external, *theirs = &facts.remote_nat.external;
    bool same = ours->family && theirs->family && addr_equal_ip(ours, theirs);
    if (nat_is_hard(&facts.local_nat) && nat_is_hard(&facts.remote_nat) && !same &&
        !ice_has_relay(conn->ice) && !ice_has_ipv6(conn->ice))
        broker_path_hurry(&conn->broker, now);
}

struct path conn_broker_road(const struct conn *conn)
{
    struct quic_info info = {0};
    if (conn->quic)
        quic_info(conn->quic, &info);
    return (struct path){.kind = PATH_BROKER, .rtt = info.rtt};
}

void conn_allow_broker(struct conn *conn, uint64_t now, uint64_t rate, uint64_t delay)
{
    const unsigned others = PATH_ALL & ~PATH_BIT(PATH_BROKER);
    if (!conn->config.broker_share)
        return;
    conn->spoke = now;
    broker_path_allow(&conn->broker, now, rate, delay);
    if (!(conn->config.paths & others))
        broker_path_hurry(&conn->broker, now);
    conn_hurry_if_hopeless(conn, now);
}

/* What is unanswered, or a sign of life, leaves now: there is somebody again who may carry it. */
static void knock(struct conn *conn, uint64_t now)
{
    if (!conn->quic)
        return;
    quic_hurry(conn->quic, now);
    quic_ping(conn->quic);
}

void conn_set_broker(struct conn *conn, uint64_t now, bool up)
{
    broker_path_set_up(&conn->broker, now, up);
    if (up && conn->broker.used)
        knock(conn, now);
}

void conn_set_blocked(struct conn *conn, bool ours, bool theirs)
{
    conn->retell |= conn->blocked[0] != ours || conn->blocked[1] != theirs;
    conn->blocked[0] = ours;
    conn->blocked[1] = theirs;
}

/* A broker says goodbye for whoever was silent for long, a sleeper too: that tells nothing new. Through the
 * broker every packet of the peer has shown it to be there, so that a will for silence comes 30 s after the
 * last. */
static bool is_news(const struct conn *conn, uint64_t now)
{
    uint64_t heard = ice_proof(conn->ice), patience = ICE_NEWS_S;
    if (conn->broker.used && conn->connected) {
        struct quic_info info;
        if (conn->broker.stalled)
            return false;
        quic_info(conn->quic, &info);
        heard = info.last_received;
        patience = BROKER_NEWS_S;
    }
    return !heard || now < heard + patience * NS_PER_S;
}

void conn_suspect(struct conn *conn, uint64_t now)
{
    ice_suspect(conn->ice, now, true);
    if (!conn->broker.goodbye && is_news(conn, now))
        conn->broker.goodbye = now;
    if (conn->broker.used && conn->quic)
        quic_ping(conn->quic);
}

void conn_has_spoken(struct conn *conn, uint64_t now)
{
    conn->spoke = now;
    ice_is_alive(conn->ice);
    conn->broker.goodbye = 0;
}

bool conn_is_brokered(const struct conn *conn)
{
    return conn->broker.used;
}

/* Whoever sends through the broker has no pair that works: then ours may be dead too. */
static void doubt_pair(struct conn *conn, uint64_t now)
{
    if (conn->hinted && now < conn->hinted + HINT_PAUSE_S * NS_PER_S)
        return;
    conn->hinted = now;
    ice_suspect(conn->ice, now, false);
}

/* Whether the last packet decrypted. */
static bool was_heard(const struct conn *conn, uint64_t now)
{
    struct quic_info info;
    quic_info(conn->quic, &info);
    return info.last_received == now;
}

void conn_broker_input(struct conn *conn, uint64_t now, const uint8_t *data, size_t len)
{
    struct packet in = {.data = (uint8_t *)data, .len = len}; /* an input is only read */
    uint8_t tag[QUIC_TAG_LEN];
    if (!broker_path_takes(&conn->broker, now, len))
        return;
    if (!quic_packet_tag(tag, data, len) || memcmp(tag, conn->tag, sizeof tag) != 0) {
        conn->stats.unproven++;
        return;
    }
    if (ice_has_pair(conn->ice))
        doubt_pair(conn, now);
    else
        broker_path_hurry(&conn->broker, now);
    conn_take_quic(conn, now, &in);
    if (conn->quic && was_heard(conn, now))
        broker_path_took(&conn->broker, now, len);
}

bool conn_broker_output(struct conn *conn, uint64_t now, struct packet *out)
{
    if (!conn->quic || !conn->broker.used)
        return false;
    conn->throttled = broker_path_ready(&conn->broker) > now;
    if (conn->throttled || !quic_output(conn->quic, now, out, BROKER_PATH_PAYLOAD))
        return false;
    broker_path_sent(&conn->broker, now, out->len);
    conn->stats.bytes_sent += out->len;
    return true;
}

uint64_t conn_heard(const struct conn *conn)
{
    uint64_t heard = ice_proof(conn->ice);
    struct quic_info info = {0};
    if (conn->quic)
        quic_info(conn->quic, &info);
    heard = info.last_received > heard ? info.last_received : heard;
    return conn->spoke > heard ? conn->spoke : heard;
}

struct broker_view conn_broker_view(const struct conn *conn)
{
    struct broker_view view = {.heard = conn_heard(conn)};
    uint64_t since = ice_suspicious_since(conn->ice);
    uint64_t doubted = since + BROKER_PATH_DOUBT_S * NS_PER_S;
    if (conn->hinted >= since && conn->hinted + BROKER_PATH_HINT_MS * NS_PER_MS < doubted)
        doubted = conn->hinted + BROKER_PATH_HINT_MS * NS_PER_MS;
    if (ice_has_pair(conn->ice))
        view.direct_until = since == NEVER ? NEVER : doubted;
    if (conn->quic && view.direct_until != NEVER)
        quic_info(conn->quic, &view.quic);
    return view;
}

/* Where there is no consent QUIC alone tells whether the peer lives. Where there is, its own idle time must
 * not end what is merely quiet. */
void conn_keep_alive(struct conn *conn)
{
    if (conn->quic)
        quic_keep_alive(conn->quic, (conn->broker.used ? BROKER_PATH_PING_S : KEEP_ALIVE_S) * NS_PER_S);
}

static void broker_taken(struct conn *conn, uint64_t now)
{
    conn->heard = true;
    conn_start_when_ready(conn, now);
    conn_keep_alive(conn);
    knock(conn, now);
}

/* What carries packets again where the broker did, unless ice has told it already. */
static bool broker_left(struct conn *conn, struct conn_event *event)
{
    struct path path;
    conn_keep_alive(conn);
    return conn->path.kind == PATH_BROKER && ice_path(conn->ice, &path) && conn_tell_path(conn, &path, event);
}

static void nobody_there(struct conn *conn)
{
    char text[PATH_WHY_MAX];
    struct path_facts facts;
    conn_facts(conn, &facts);
    path_why_none(text, &facts);
    conn_end(conn, CONN_NOPATH, text);
}

/* What the way through the broker makes of it: whether *event tells of that. */
static bool broker_turn(struct conn *conn, uint64_t now, enum broker_turn turn, struct conn_event *event)
{
    struct path path;
    switch (turn) {
    case BROKER_TURN_TAKEN:
        broker_taken(conn, now);
        return false;
    case BROKER_TURN_THERE: /* an answer to something new tells QUIC what was lost elsewhere */
        knock(conn, now);
        return conn_path(conn, &path) && conn_tell_path(conn, &path, event);
    case BROKER_TURN_LEFT:
        return broker_left(conn, event);
    case BROKER_TURN_STALLED:
    case BROKER_TURN_SEEK:
        *event = (struct conn_event){.type = turn == BROKER_TURN_SEEK ? CONN_SEEK : CONN_STALLED,
                                     .path = conn->path};
        return true;
    case BROKER_TURN_ASK:
        quic_ping(conn->quic);
        return false;
    case BROKER_TURN_LOST:
        conn_end(conn, CONN_SILENT, "nothing was heard on any path any more");
        return false;
    case BROKER_TURN_NOBODY:
        nobody_there(conn);
        return false;
    case BROKER_TURN_NONE:
        break;
    }
    return false;
}

bool conn_broker_told(struct conn *conn, uint64_t now, struct conn_event *event)
{
    enum broker_turn turn;
    struct path path;
    do {
        if (conn->ended)
            return false;
        struct broker_view view = conn_broker_view(conn);
        turn = broker_path_turn(&conn->broker, now, &view);
        if (broker_turn(conn, now, turn, event))
            return true;
    } while (turn != BROKER_TURN_NONE);
    return conn->retell && conn_is_brokered(conn) && conn_path(conn, &path) &&
           conn_tell_path(conn, &path, event);
}
