/* conn.c - all of it for one peer: ice finds the path, quic speaks over it.
 *
 * quic sees one constant path; every packet it writes goes where ice says at that moment, or through the
 * broker (conn_broker.c) while ice knows of nothing that works. What it hears back, or does not, tells ice
 * whether the path still lives. conn_told.c turns what both say into events. */
#include "conn_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    UNANSWERED_MIN_MS =
        400,               /* data unanswered for so long, or for 4 round trips: does the path still live? */
    DOUBT_PAUSE_MS = 1000, /* between two such questions */
    STALLED_MAX_S = ICE_FORGET_S - ICE_CONSENT_EXPIRES_S, /* whoever is still heard of through the broker, but
                                                             cannot be reached for so long, is lost */
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
    fresh_hole_init(&conn->fresh, config->delay);
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
    fresh_hole_set(&conn->fresh, now, ours, theirs, &base, &peer);
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
    conn_hurry_if_hopeless(conn, now);
    if (!conn->punch)
        return;
    punch_set_nat(conn->punch, now, ours, theirs);
    aim_punch(conn, now, ours, theirs);
}

void conn_set_strategy(struct conn *conn, enum path_strategy strategy)
{
    if (conn->punch)
        punch_set_strategy(conn->punch, strategy);
}

/* Into the peer's NAT, or out of ours: what was found beside the guessing needed none. */
enum path_strategy conn_strategy(const struct conn *conn)
{
    struct path path;
    struct path_facts facts;
    if (!conn->punch || !conn_path(conn, &path) || path.kind != PATH_DIRECT)
        return STRATEGY_NONE;
    ice_facts(conn->ice, &facts);
    return addr_equal_ip(&path.remote, &facts.remote_nat.external) ? punch_strategy(conn->punch)
                                                                   : STRATEGY_NONE;
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
    if (!conn->punch || conn->ended)
        return 0;
    unsigned punch = punch_wants_sockets(conn->punch), fresh = fresh_hole_wants_sockets(&conn->fresh);
    return punch > fresh ? punch : fresh;
}

void conn_set_sockets(struct conn *conn, uint64_t now, const struct addr *locals, size_t count)
{
    if (!conn->punch)
        return;
    punch_set_sockets(conn->punch, now, locals, count);
    fresh_hole_set_sockets(&conn->fresh, now, locals, count);
}

bool conn_fresh_address(struct conn *conn, struct addr *external, struct addr *base)
{
    return fresh_hole_told(&conn->fresh, external, base);
}

void conn_pause(struct conn *conn, bool pause)
{
    conn->paused = pause;
}

void conn_set_payload_limit(struct conn *conn, size_t limit)
{
    conn->payload_limit = limit;
}

bool conn_path(const struct conn *conn, struct path *path)
{
    if (!conn->ended && !conn->broker.used && ice_path(conn->ice, path))
        return true;
    *path = conn->path;
    if (conn->ended || !conn->broker.used || conn->broker.stalled)
        return false;
    *path = conn_broker_road(conn);
    return true;
}

void conn_stats(const struct conn *conn, struct conn_stats *stats)
{
    *stats = conn->stats;
    stats->flooded = conn->broker.flooded;
    struct quic_info info = {0};
    if (conn->quic)
        quic_info(conn->quic, &info);
    stats->rtt_least = info.rtt_least;
}

void conn_end(struct conn *conn, enum conn_end end, const char *text)
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
    bool near = ice_path(conn->ice, &path) && path.kind == PATH_HOST;
    struct quic_config config = {.client = conn->config.initiator,
                                 .rtt = path.rtt ? path.rtt + path.rtt / 4 : conn->config.delay * 2,
                                 .streams_max = conn->config.streams_max,
                                 .payload_max = near ? path_payload(PATH_HOST) : 0,
                                 .congestion = conn->config.congestion,
                                 .random = conn->config.random};
    memcpy(config.key, conn->config.key, sizeof config.key);
    memcpy(config.tag, conn->tag, sizeof config.tag);
    conn->quic = quic_new(&config, now);
    memset(config.key, 0, sizeof config.key);
    if (!conn->quic)
        conn_end(conn, CONN_BROKEN, "no memory for the encrypted connection");
    else
        conn_keep_alive(conn);
}

void conn_start_when_ready(struct conn *conn, uint64_t now)
{
    if (conn->config.initiator && conn->heard && !conn->held && !conn->quic && !conn->ended)
        start_quic(conn, now);
}

void conn_hold(struct conn *conn, uint64_t now, bool hold)
{
    conn->held = hold;
    conn_start_when_ready(conn, now);
}

void conn_take_quic(struct conn *conn, uint64_t now, const struct packet *in)
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
        conn_take_quic(conn, now, in);
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
    conn_take_quic(conn, now, &early);
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
 * does not say so (RFC 8899 1.1). A path that was merely silent loses little by that; within this machine
 * nothing is in between. */
static void speaks_again(struct conn *conn, uint64_t now)
{
    struct quic_info info;
    quic_info(conn->quic, &info);
    conn->narrow |= conn->connected && info.waiting_since && conn->path.kind == PATH_LAN;
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

/* A packet of those who look for holes; what it says is the agent's. */
static bool opens_hole(struct conn *conn, uint64_t now, struct packet *out)
{
    return conn->punch && (punch_output(conn->punch, now, out) || fresh_hole_output(&conn->fresh, now, out));
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
    if (!conn->ended && opens_hole(conn, now, out) && ice_probe_write(conn->ice, out)) {
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
    /* A handshake must not depend on the length of its packets; the server is connected before its end. */
    bool unsure = conn->narrow || !quic_is_confirmed(conn->quic);
    if (unsure && payload > path_payload(PATH_DIRECT))
        payload = path_payload(PATH_DIRECT);
    if (!quic_output(conn->quic, now, out, payload))
        return false;
    out->local = path.local;
    out->remote = path.remote;
    conn->stats.bytes_sent += out->len;
    return true;
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

static uint64_t lost_at(const struct conn *conn)
{
    return conn->stalled_at == NEVER ? NEVER : conn->stalled_at + STALLED_MAX_S * NS_PER_S;
}

uint64_t conn_deadline(const struct conn *conn)
{
    uint64_t deadline = conn->ended ? NEVER : ice_deadline(conn->ice);
    if (conn->punch && !conn->ended) {
        uint64_t punch = punch_deadline(conn->punch);
        uint64_t fresh = fresh_hole_deadline(&conn->fresh);
        deadline = punch < deadline ? punch : deadline;
        deadline = fresh < deadline ? fresh : deadline;
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
        struct broker_view view = conn_broker_view(conn);
        uint64_t broker = broker_path_deadline(&conn->broker, &view);
        deadline = broker < deadline ? broker : deadline;
        deadline = conn->judge_at < deadline ? conn->judge_at : deadline;
        deadline = lost_at(conn) < deadline ? lost_at(conn) : deadline;
    }
    return deadline;
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
    if (conn_ice_told(conn, now, event) || conn_judge(conn, now, event) ||
        conn_broker_told(conn, now, event) || (conn->quic && conn_quic_told(conn, event))) {
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
