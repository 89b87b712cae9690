/* conn.c - all of it for one peer: ice finds the path, quic speaks over it.
 *
 * quic sees one constant path; every packet it writes goes where ice says at that moment, or through the
 * broker while ice knows of nothing that works. What it hears back, or does not, tells ice whether the path
 * still lives. */
#include "conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    UNANSWERED_MIN_MS =
        400,               /* data unanswered for so long, or for 4 round trips: does the path still live? */
    DOUBT_PAUSE_MS = 1000, /* between two such questions */
    STALLED_MAX_S = ICE_FORGET_S - ICE_CONSENT_EXPIRES_S, /* whoever is still heard of through the broker, but
                                                             cannot be reached for so long, is lost */
    HINT_PAUSE_S = 5,         /* between two for the reason that the peer prefers the broker to our pair */
    BROKER_NEWS_S = 25,       /* less than the keep-alive and a half, 30 s, that a broker waits */
    HOPE_PAUSE_MS = 500,      /* between two questions whether a guess may still succeed */
    STREAMS_UNNAMED_MAX = 64, /* streams of the peer whose first byte has not come; more are abandoned */
    EARLY_MAX = 1500,         /* bytes of a datagram that is kept until its source is proven */
    CODE_LEFT = 0,            /* QUIC application codes: goodbye */
    CODE_TOO_MANY = 1,        /* a stream without a first byte too many */
};

struct conn {
    struct conn_config config;
    struct ice *ice;
    struct punch *punch; /* NULL: no ports are guessed */
    struct quic *quic;   /* NULL until the handshake begins */
    uint8_t tag[QUIC_TAG_LEN];
    bool held, heard, connected, closed, ended, paused;
    bool deserted; /* the peer said goodbye */
    bool end_due;  /* CONN_CLOSED is to be told */
    enum conn_end end;
    char end_text[PATH_WHY_MAX];
    size_t payload_limit;
    bool narrow;      /* the path carries small packets only */
    struct path path; /* the last one told */
    struct broker_path broker;
    bool throttled;      /* QUIC was not asked to write through the broker: over the rate */
    bool failed;         /* ice has tried all, once, and nothing worked */
    bool judged;         /* a relay carries packets although the rest has had its time */
    uint64_t judge_at;   /* when that will be so */
    bool blocked[2];     /* UDP seems to be: ours, theirs */
    bool retell;         /* why the path is the broker's is known better */
    uint64_t stalled_at; /* when CONN_STALLED was told; NEVER: packets go */
    uint64_t hinted;     /* when the peer's packets through the broker last made us doubt our pair */
    int64_t unnamed[STREAMS_UNNAMED_MAX];
    size_t unnamed_count;
    bool waking; /* QUIC's packets are old until `answers` has grown */
    uint64_t answers;
    uint64_t doubted; /* when unanswered data last made us ask; 0: never */
    int64_t readable; /* a stream that has just been named may hold more; -1: none */
    struct conn_stats stats;
    /* The client's first datagram when it overtook the check that proves its address: networks reorder, and
     * waiting for it to be sent again costs a round trip. Only who knows the key knows our tag, and nothing
     * is answered before. */
    struct packet early; /* len 0: none */
    uint8_t early_data[EARLY_MAX];
};

struct conn *conn_new(const struct conn_config *config)
{
    struct conn *conn = calloc(1, sizeof *conn);
    if (!conn)
        return NULL;
    conn->config = *config;
    conn->readable = -1;
    conn->stalled_at = NEVER;
    conn->judge_at = NEVER;
    broker_path_init(&conn->broker, config->broker_share);
    uint8_t initial[QUIC_CID_LEN];
    quic_initial_id(initial, config->key);
    if (config->initiator)
        config->random->fill(config->random->context, conn->tag, sizeof conn->tag);
    else
        memcpy(conn->tag, initial,
               sizeof conn->tag); /* so that the client's first packets find us like the later ones */
    conn->ice = ice_new(&(struct ice_config){.controlling = config->initiator,
                                             .renominate = true,
                                             .paths = config->paths,
                                             .random = config->random});
    bool punches = config->punches && config->paths & PATH_BIT(PATH_DIRECT);
    if (punches)
        conn->punch = punch_new(&(struct punch_config){.first = config->initiator,
                                                       .delay = config->delay,
                                                       .budget = config->punches,
                                                       .random = config->random});
    if (!conn->ice || (punches && !conn->punch)) {
        conn_free(conn);
        return NULL;
    }
    return conn;
}

void conn_free(struct conn *conn)
{
    if (!conn)
        return;
    quic_free(conn->quic);
    punch_free(conn->punch);
    ice_free(conn->ice);
    memset(conn->config.key, 0, sizeof conn->config.key);
    free(conn);
}

struct ice *conn_ice(struct conn *conn)
{
    return conn->ice;
}

struct quic *conn_quic(struct conn *conn)
{
    return conn->quic;
}

bool conn_is_engaged(const struct conn *conn)
{
    return conn->quic && !conn->ended;
}

bool conn_is_connected(const struct conn *conn)
{
    return conn->connected && !conn->ended;
}

bool conn_is_eager(const struct conn *conn)
{
    return conn->held && conn->heard && !conn->quic && !conn->ended;
}

/* Neither network lets the other in, they are two, nobody has a relay, and there is no IPv6, which is not
 * translated: then only the broker is left. */
static void hurry_if_hopeless(struct conn *conn, uint64_t now)
{
    struct path_facts facts;
    ice_facts(conn->ice, &facts);
    const struct addr *ours = &facts.local_nat.external, *theirs = &facts.remote_nat.external;
    bool same = ours->family && theirs->family && addr_equal_ip(ours, theirs);
    if (nat_is_hard(&facts.local_nat) && nat_is_hard(&facts.remote_nat) && !same &&
        !ice_has_relay(conn->ice) && !ice_has_ipv6(conn->ice))
        conn_set_hopeless(conn, now);
}

/* Many ports are tried at one address alone, and only where the peer says of it under the seal both that it
 * is its own (as a candidate) and what NAT is there. Two behind one NAT are nobody's that guessing would
 * help. */
static void aim_punch(struct conn *conn, uint64_t now, const struct nat_behavior *ours,
                      const struct nat_behavior *theirs)
{
    struct addr base, peer = theirs->external;
    if (!ice_base_behind(conn->ice, &ours->external, &base))
        base = (struct addr){0};
    if (addr_scope(&peer) != ADDR_GLOBAL || !ice_is_announced(conn->ice, &peer) ||
        addr_equal_ip(&ours->external, &peer))
        peer = (struct addr){0};
    punch_set_ends(conn->punch, now, &base, &peer);
}

static uint64_t count_answers(const struct conn *conn)
{
    struct ice_stats stats;
    ice_stats(conn->ice, &stats);
    return stats.answers;
}

void conn_wake(struct conn *conn)
{
    conn->waking = true;
    conn->answers = count_answers(conn);
}

void conn_set_nat(struct conn *conn, uint64_t now, const struct nat_behavior *ours,
                  const struct nat_behavior *theirs)
{
    struct path_facts before;
    ice_facts(conn->ice, &before);
    conn->retell |= nat_is_hard(&before.local_nat) != nat_is_hard(ours) ||
                    nat_is_hard(&before.remote_nat) != nat_is_hard(theirs);
    ice_set_nat(conn->ice, ours, theirs);
    hurry_if_hopeless(conn, now);
    if (!conn->punch)
        return;
    punch_set_nat(conn->punch, now, ours, theirs);
    aim_punch(conn, now, ours, theirs);
}

bool conn_is_guessing(const struct conn *conn)
{
    return conn->punch && !conn->ended && punch_is_running(conn->punch);
}

void conn_hurts(struct conn *conn, uint64_t now, unsigned lost)
{
    if (conn->punch)
        punch_hurts(conn->punch, now, lost);
}

unsigned conn_wants_sockets(const struct conn *conn)
{
    return conn->punch && !conn->ended ? punch_wants_sockets(conn->punch) : 0;
}

void conn_set_sockets(struct conn *conn, uint64_t now, const struct addr *locals, size_t count)
{
    if (conn->punch)
        punch_set_sockets(conn->punch, now, locals, count);
}

void conn_pause(struct conn *conn, bool pause)
{
    conn->paused = pause;
}

void conn_set_payload_limit(struct conn *conn, size_t limit)
{
    conn->payload_limit = limit;
}

/* What a path through the broker looks like: no addresses, QUIC's own round trip. */
static struct path broker_road(const struct conn *conn)
{
    struct quic_info info = {0};
    if (conn->quic)
        quic_info(conn->quic, &info);
    return (struct path){.kind = PATH_BROKER, .rtt = info.rtt};
}

bool conn_path(const struct conn *conn, struct path *path)
{
    if (!conn->ended && !conn->broker.used && ice_path(conn->ice, path))
        return true;
    *path = conn->path;
    if (conn->ended || !conn->broker.used || conn->broker.stalled)
        return false;
    *path = broker_road(conn);
    return true;
}

void conn_stats(const struct conn *conn, struct conn_stats *stats)
{
    *stats = conn->stats;
    stats->flooded = conn->broker.flooded;
}

static void conn_end(struct conn *conn, enum conn_end end, const char *text)
{
    if (conn->ended)
        return;
    conn->ended = conn->end_due = true;
    conn->end = end;
    snprintf(conn->end_text, sizeof conn->end_text, "%s", text);
}

/* The handshake begins: ours as soon as a packet could arrive, the peer's when its first one is here. */
static void start_quic(struct conn *conn, uint64_t now)
{
    struct path path = {0};
    ice_path(conn->ice, &path);
    struct quic_config config = {.client = conn->config.initiator,
                                 .rtt = path.rtt ? path.rtt + path.rtt / 4 : conn->config.delay * 2,
                                 .random = conn->config.random};
    memcpy(config.key, conn->config.key, sizeof config.key);
    memcpy(config.tag, conn->tag, sizeof config.tag);
    conn->quic = quic_new(&config, now);
    memset(config.key, 0, sizeof config.key);
    if (!conn->quic)
        conn_end(conn, CONN_BROKEN, "no memory for the encrypted connection");
    else if (conn->broker.used)
        quic_keep_alive(conn->quic, BROKER_PATH_PING_S * NS_PER_S);
}

static void start_when_ready(struct conn *conn, uint64_t now)
{
    if (conn->config.initiator && conn->heard && !conn->held && !conn->quic && !conn->ended)
        start_quic(conn, now);
}

void conn_hold(struct conn *conn, uint64_t now, bool hold)
{
    conn->held = hold;
    start_when_ready(conn, now);
}

static void take_quic(struct conn *conn, uint64_t now, const struct packet *in)
{
    if (!conn->quic && !conn->held && !conn->ended && !conn->config.initiator)
        start_quic(conn, now);
    if (!conn->quic)
        return;
    conn->stats.bytes_received += in->len;
    quic_input(conn->quic, now, in);
}

static void keep_early(struct conn *conn, uint64_t now, const struct packet *in)
{
    if (conn->quic || conn->config.initiator || in->len > EARLY_MAX) {
        conn->stats.unproven++;
        ice_hint(conn->ice, now, in);
        return;
    }
    conn->early = *in;
    conn->early.data = memcpy(conn->early_data, in->data, in->len);
}

/* QUIC is taken only from addresses that an authenticated check has proven, so that strangers get 0 bytes. */
static bool quic_packet(struct conn *conn, uint64_t now, const struct packet *in)
{
    uint8_t tag[QUIC_TAG_LEN];
    if (!quic_packet_tag(tag, in->data, in->len) || memcmp(tag, conn->tag, sizeof tag) != 0)
        return false;
    conn->waking = conn->waking && count_answers(conn) == conn->answers;
    if (conn->waking)
        return true;
    if (ice_is_proven(conn->ice, &in->remote))
        take_quic(conn, now, in);
    else
        keep_early(conn, now, in);
    return true;
}

static void take_early(struct conn *conn, uint64_t now)
{
    struct packet early = conn->early;
    if (!early.len || !ice_is_proven(conn->ice, &early.remote))
        return;
    conn->early.len = 0;
    take_quic(conn, now, &early);
}

/* While ports are guessed, a check that comes in may have come through the hole. */
static bool take_stun(struct conn *conn, uint64_t now, const struct packet *in)
{
    struct ice_stats before, after;
    if (!conn->punch || !punch_is_running(conn->punch))
        return ice_input(conn->ice, now, in);
    ice_stats(conn->ice, &before);
    bool taken = ice_input(conn->ice, now, in);
    ice_stats(conn->ice, &after);
    if (after.checks_received > before.checks_received)
        punch_heard(conn->punch, now);
    return taken;
}

/* The path was silent, and a check has been answered. Where data is still unanswered, and longer than every
 * network must take, it may be its length: a network in between that takes less than our interface as a rule
 * does not say so (RFC 8899 1.1). A path that was merely silent loses little by that. */
static void speaks_again(struct conn *conn, uint64_t now)
{
    struct quic_info info;
    quic_info(conn->quic, &info);
    conn->narrow |=
        conn->connected && info.waiting_since && path_payload(conn->path.kind) > path_payload(PATH_DIRECT);
    quic_hurry(conn->quic, now);
}

bool conn_input(struct conn *conn, uint64_t now, const struct packet *in)
{
    if (!stun_is(in->data, in->len))
        return quic_packet(conn, now, in);
    bool suspicious = ice_is_suspicious(conn->ice);
    if (conn->ended || !take_stun(conn, now, in))
        return false;
    if (suspicious && !ice_is_suspicious(conn->ice) && conn->quic)
        speaks_again(conn, now);
    conn->stats.bytes_received += in->len;
    take_early(conn, now);
    return true;
}

/* ---- through the broker ---- */

void conn_allow_broker(struct conn *conn, uint64_t now, uint64_t rate, uint64_t delay)
{
    const unsigned others = PATH_ALL & ~PATH_BIT(PATH_BROKER);
    if (!conn->config.broker_share)
        return;
    broker_path_allow(&conn->broker, now, rate, delay);
    if (!(conn->config.paths & others))
        conn_set_hopeless(conn, now);
    hurry_if_hopeless(conn, now);
}

void conn_set_hopeless(struct conn *conn, uint64_t now)
{
    broker_path_hurry(&conn->broker, now);
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
    conn->broker.up = up;
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

void conn_has_spoken(struct conn *conn)
{
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
    take_quic(conn, now, &in);
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

/* Checks go first: the peer takes QUIC only from an address that a check has proven. */
bool conn_output(struct conn *conn, uint64_t now, struct packet *out)
{
    size_t capacity = out->len;
    if (!conn->ended && ice_output(conn->ice, now, out)) {
        conn->stats.bytes_sent += out->len;
        return true;
    }
    out->len = capacity;
    if (!conn->ended && conn->punch && punch_output(conn->punch, now, out) &&
        ice_probe_write(conn->ice, out)) {
        conn->stats.bytes_sent += out->len;
        return true;
    }
    out->ttl = 0;
    struct path path;
    if (!conn->quic || conn->broker.used || conn->paused || !ice_path(conn->ice, &path))
        return false;
    out->len = capacity;
    size_t payload = path_payload(path.kind);
    if (conn->payload_limit && payload > conn->payload_limit)
        payload = conn->payload_limit;
    bool unsure =
        conn->narrow || !conn->connected; /* a handshake must not depend on the length of its packets */
    if (unsure && payload > path_payload(PATH_DIRECT))
        payload = path_payload(PATH_DIRECT);
    if (!quic_output(conn->quic, now, out, payload))
        return false;
    out->local = path.local;
    out->remote = path.remote;
    conn->stats.bytes_sent += out->len;
    return true;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* When unanswered data makes us doubt the path, at most once in DOUBT_PAUSE_MS; NEVER while all is answered.
 */
static uint64_t doubt_deadline(const struct conn *conn)
{
    struct quic_info info;
    bool brokered = conn->broker.used && (conn->broker.there || !conn->broker.up);
    if (!conn->connected || conn->ended || brokered)
        return NEVER;
    quic_info(conn->quic, &info);
    /* What is asked through the broker alone is no data: a peer that sleeps does not answer it. */
    if (!info.waiting_since || (conn->broker.used && info.waiting_since >= conn->broker.taken))
        return NEVER;
    uint64_t patience = later(info.rtt * 4, UNANSWERED_MIN_MS * NS_PER_MS);
    return later(info.waiting_since + patience,
                 conn->doubted ? conn->doubted + DOUBT_PAUSE_MS * NS_PER_MS : 0);
}

static void doubt_path(struct conn *conn, uint64_t now)
{
    if (now < doubt_deadline(conn))
        return;
    conn->doubted = now;
    ice_suspect(conn->ice, now, false);
}

static struct broker_view broker_view(const struct conn *conn)
{
    struct broker_view view = {0};
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

static uint64_t lost_at(const struct conn *conn)
{
    return conn->stalled_at == NEVER ? NEVER : conn->stalled_at + STALLED_MAX_S * NS_PER_S;
}

uint64_t conn_deadline(const struct conn *conn)
{
    uint64_t deadline = conn->ended ? NEVER : ice_deadline(conn->ice);
    if (conn->punch && !conn->ended) {
        uint64_t punch = punch_deadline(conn->punch);
        deadline = punch < deadline ? punch : deadline;
    }
    struct path path;
    if (conn->quic) {
        /* Without a path QUIC may want to write but cannot: only ice can wake it. */
        bool may_write = conn->broker.used || (!conn->paused && ice_path(conn->ice, &path));
        uint64_t quic = may_write ? quic_deadline(conn->quic) : NEVER;
        if (conn->broker.used)
            quic = later(conn->throttled ? 0 : quic, broker_path_ready(&conn->broker));
        uint64_t doubt = doubt_deadline(conn);
        deadline = quic < deadline ? quic : deadline;
        deadline = doubt < deadline ? doubt : deadline;
    }
    if (!conn->ended) {
        struct broker_view view = broker_view(conn);
        uint64_t broker = broker_path_deadline(&conn->broker, &view);
        deadline = broker < deadline ? broker : deadline;
        deadline = conn->judge_at < deadline ? conn->judge_at : deadline;
        deadline = lost_at(conn) < deadline ? lost_at(conn) : deadline;
    }
    return deadline;
}

/* Whether ICE_FAILED is not the last word. */
static bool hopes(struct conn *conn, uint64_t now)
{
    if (!conn->punch || !punch_is_hopeful(conn->punch, now))
        return false;
    ice_hope(conn->ice, now + HOPE_PAUSE_MS * NS_PER_MS);
    return true;
}

/* What the sentences, and the guessing of ports, must know before ice speaks. */
static void prepare_telling(struct conn *conn, uint64_t now)
{
    struct punch_facts facts;
    punch_set_direct(conn->punch, now, ice_has_direct(conn->ice));
    punch_facts(conn->punch, &facts);
    ice_set_punched(conn->ice, &facts);
}

static void get_facts(const struct conn *conn, struct path_facts *facts)
{
    ice_facts(conn->ice, facts);
    facts->failed = conn->failed || conn->judged;
    facts->local_blocked = conn->blocked[0];
    facts->remote_blocked = conn->blocked[1];
}

static bool tell_path(struct conn *conn, const struct path *path, struct conn_event *event)
{
    struct path_facts facts;
    get_facts(conn, &facts);
    conn->retell = false;
    conn->path = *path;
    *event = (struct conn_event){.type = CONN_PATH, .path = *path};
    path_why(event->text, path, &facts);
    return true;
}

void conn_why(const struct conn *conn, char why[PATH_WHY_MAX])
{
    struct path_facts facts;
    get_facts(conn, &facts);
    path_why(why, &conn->path, &facts);
}

/* Why it is still relayed can be said once everything else has had its time. */
static bool judge(struct conn *conn, uint64_t now, struct conn_event *event)
{
    struct path path;
    if (conn->ended || now < conn->judge_at)
        return false;
    conn->judge_at = NEVER;
    conn->judged = true;
    return ice_path(conn->ice, &path) && path.kind == PATH_TURN && tell_path(conn, &path, event);
}

static bool ice_told(struct conn *conn, uint64_t now, struct conn_event *event)
{
    struct ice_event told;
    if (conn->punch && !conn->ended && ice_has_event(conn->ice))
        prepare_telling(conn, now);
    while (!conn->ended && ice_event(conn->ice, &told)) {
        switch (told.type) {
        case ICE_HEARD:
            conn->heard = true;
            start_when_ready(conn, now);
            break;
        case ICE_PATH:
            conn->judge_at =
                told.path.kind == PATH_TURN && !conn->judged ? now + ICE_FAIL_S * NS_PER_S : NEVER;
            conn->heard = true;
            start_when_ready(conn, now);
            if (conn->quic)
                quic_hurry(conn->quic, now);
            conn->narrow &= addr_equal(&told.path.remote, &conn->path.remote);
            if (told.path.kind == PATH_TURN)
                return tell_path(conn, &told.path, event);
            conn->path = told.path;
            *event = (struct conn_event){.type = CONN_PATH, .path = told.path};
            memcpy(event->text, told.why, sizeof event->text);
            return true;
        case ICE_STALLED:
            if (conn->broker.used && !conn->broker.stalled)
                break;
            *event = (struct conn_event){.type = CONN_STALLED, .path = conn->path};
            return true;
        case ICE_LOST:
            if (conn->broker.allowed && (conn->broker.up || conn->broker.used))
                ice_revive(conn->ice, now);
            else
                conn_end(conn, CONN_SILENT, "nothing was heard on any path any more");
            break;
        case ICE_FAILED:
            if (hopes(conn, now))
                break;
            conn->retell |= !conn->failed;
            conn->failed = true;
            conn->broker.failed = now;
            if (!conn->broker.allowed)
                conn_end(conn, CONN_NOPATH, told.why);
            break;
        }
    }
    return false;
}

static void broker_taken(struct conn *conn, uint64_t now)
{
    conn->heard = true;
    start_when_ready(conn, now);
    if (conn->quic)
        quic_keep_alive(conn->quic, BROKER_PATH_PING_S * NS_PER_S);
    knock(conn, now);
}

/* What carries packets again where the broker did, unless ice has told it already. */
static bool broker_left(struct conn *conn, struct conn_event *event)
{
    struct path path;
    if (conn->quic)
        quic_keep_alive(conn->quic, 0);
    return conn->path.kind == PATH_BROKER && ice_path(conn->ice, &path) && tell_path(conn, &path, event);
}

static void nobody_there(struct conn *conn)
{
    char text[PATH_WHY_MAX];
    struct path_facts facts;
    get_facts(conn, &facts);
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
        return conn_path(conn, &path) && tell_path(conn, &path, event);
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

static bool broker_told(struct conn *conn, uint64_t now, struct conn_event *event)
{
    enum broker_turn turn;
    struct path path;
    do {
        if (conn->ended)
            return false;
        struct broker_view view = broker_view(conn);
        turn = broker_path_turn(&conn->broker, now, &view);
        if (broker_turn(conn, now, turn, event))
            return true;
    } while (turn != BROKER_TURN_NONE);
    return conn->retell && conn_is_brokered(conn) && conn_path(conn, &path) && tell_path(conn, &path, event);
}

/* The first byte of a stream says what it carries: a stream exists for the program once that is known. */
static bool name_stream(struct conn *conn, int64_t stream, struct conn_event *event)
{
    size_t i = 0;
    while (i < conn->unnamed_count && conn->unnamed[i] != stream)
        i++;
    if (i == conn->unnamed_count)
        return false;
    uint8_t kind;
    ptrdiff_t got = quic_stream_read(conn->quic, stream, &kind, 1);
    event->type = CONN_STREAM;
    event->kind = kind;
    if (got == QUIC_BLOCKED) {
        event->stream = -1;
        return true;
    }
    conn->unnamed[i] = conn->unnamed[--conn->unnamed_count];
    if (got == 1) {
        conn->readable = stream;
    } else {
        quic_stream_release(conn->quic, stream, CODE_TOO_MANY);
        event->stream = -1;
    }
    return true;
}

static void remember_unnamed(struct conn *conn, int64_t stream)
{
    if (conn->unnamed_count < STREAMS_UNNAMED_MAX)
        conn->unnamed[conn->unnamed_count++] = stream;
    else
        quic_stream_release(conn->quic, stream, CODE_TOO_MANY);
}

static void quic_ended(struct conn *conn, const struct quic_event *told)
{
    bool left = told->error >= 0;
    conn_end(conn, left ? CONN_LEFT : told->error == QUIC_ERROR_IDLE ? CONN_SILENT : CONN_BROKEN, told->text);
}

/* What arrived before the other side's goodbye is still told: over the broker that can come in between. */
static bool may_hear(const struct conn *conn)
{
    return !conn->ended || (conn->deserted && conn->end_due);
}

static bool quic_told(struct conn *conn, struct conn_event *event)
{
    static const enum conn_event_type same[] = {
        [QUIC_READABLE] = CONN_READABLE, [QUIC_WRITABLE] = CONN_WRITABLE, [QUIC_DATAGRAM] = CONN_DATAGRAM};
    struct quic_event told;
    while (may_hear(conn) && quic_event(conn->quic, &told)) {
        *event = (struct conn_event){.stream = told.stream};
        switch (told.type) {
        case QUIC_CONNECTED:
            conn->connected = true;
            event->type = CONN_CONNECTED;
            conn_path(conn, &event->path);
            return true;
        case QUIC_STREAM:
            remember_unnamed(conn, told.stream);
            break;
        case QUIC_CLOSED:
            quic_ended(conn, &told);
            break;
        default:
            if (told.type == QUIC_READABLE && name_stream(conn, told.stream, event)) {
                if (event->stream < 0)
                    break;
                return true;
            }
            event->type = same[told.type];
            return true;
        }
    }
    return false;
}

static void note_stall(struct conn *conn, uint64_t now, const struct conn_event *event)
{
    if (event->type == CONN_PATH)
        conn->stalled_at = NEVER;
    else if (event->type == CONN_STALLED && conn->stalled_at == NEVER)
        conn->stalled_at = now;
}

bool conn_event(struct conn *conn, uint64_t now, struct conn_event *event)
{
    if (conn->readable >= 0) {
        *event = (struct conn_event){.type = CONN_READABLE, .stream = conn->readable};
        conn->readable = -1;
        return true;
    }
    doubt_path(conn, now);
    if (ice_told(conn, now, event) || judge(conn, now, event) || broker_told(conn, now, event) ||
        (conn->quic && quic_told(conn, event))) {
        note_stall(conn, now, event);
        return true;
    }
    if (now >= lost_at(conn))
        conn_end(conn, CONN_SILENT, "no path came back");
    if (!conn->end_due)
        return false;
    conn->end_due = false;
    *event = (struct conn_event){.type = CONN_CLOSED, .end = conn->end, .path = conn->path};
    memcpy(event->text, conn->end_text, sizeof event->text);
    return true;
}

int64_t conn_stream_open(struct conn *conn, uint8_t kind, bool one_way)
{
    if (!conn->quic || conn->ended)
        return QUIC_GONE;
    int64_t stream = quic_stream_open(conn->quic, one_way);
    if (stream < 0)
        return stream;
    ptrdiff_t put = quic_stream_write(conn->quic, stream, &kind, 1);
    if (put == 1)
        return stream;
    quic_stream_release(conn->quic, stream, CODE_TOO_MANY);
    return put < 0 ? put : QUIC_NOMEM;
}

void conn_close(struct conn *conn, uint64_t now, const char *why)
{
    if (conn->quic && !conn->ended)
        quic_close(conn->quic, now, CODE_LEFT, why);
    conn_end(conn, CONN_LEFT, why);
}

void conn_left(struct conn *conn, const char *why)
{
    conn->deserted = true;
    conn_end(conn, CONN_LEFT, why);
}

bool conn_is_silent(const struct conn *conn)
{
    /* Through the broker nobody listens any more who has said goodbye there. */
    return !conn->quic || (conn->deserted && conn->broker.used) || quic_is_idle(conn->quic);
}
