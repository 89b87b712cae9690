/* conn_told.c - what ice and quic say, as a connection's events. */
#include "conn_state.h"

enum { HOPE_PAUSE_MS = 500 /* between two questions whether a guess may still succeed */ };

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
    fresh_hole_set_direct(&conn->fresh, ice_has_direct(conn->ice));
    punch_facts(conn->punch, &facts);
    ice_set_punched(conn->ice, &facts);
}

void conn_facts(const struct conn *conn, struct path_facts *facts)
{
    ice_facts(conn->ice, facts);
    facts->failed = conn->failed || conn->judged;
    facts->local_blocked = conn->blocked[0];
    facts->remote_blocked = conn->blocked[1];
}

bool conn_tell_path(struct conn *conn, const struct path *path, struct conn_event *event)
{
    struct path_facts facts;
    conn_facts(conn, &facts);
    conn->retell = false;
    conn->path = *path;
    *event = (struct conn_event){.type = CONN_PATH, .path = *path};
    path_why(event->text, path, &facts);
    return true;
}

void conn_why(const struct conn *conn, char why[PATH_WHY_MAX])
{
    struct path_facts facts;
    conn_facts(conn, &facts);
    path_why(why, &conn->path, &facts);
}

bool conn_judge(struct conn *conn, uint64_t now, struct conn_event *event)
{
    struct path path;
    if (conn->ended || now < conn->judge_at)
        return false;
    conn->judge_at = NEVER;
    conn->judged = true;
    return ice_path(conn->ice, &path) && path.kind == PATH_TURN && conn_tell_path(conn, &path, event);
}

bool conn_ice_told(struct conn *conn, uint64_t now, struct conn_event *event)
{
    struct ice_event told;
    if (conn->punch && !conn->ended && ice_has_event(conn->ice))
        prepare_telling(conn, now);
    while (!conn->ended && ice_event(conn->ice, &told)) {
        switch (told.type) {
        case ICE_HEARD:
            conn->heard = true;
            conn_start_when_ready(conn, now);
            break;
        case ICE_PATH:
            conn->judge_at =
                told.path.kind == PATH_TURN && !conn->judged ? now + ICE_FAIL_S * NS_PER_S : NEVER;
            conn->heard = true;
            conn_start_when_ready(conn, now);
            if (conn->quic)
                quic_hurry(conn->quic, now);
            conn->narrow &= addr_equal(&told.path.remote, &conn->path.remote);
            return conn_tell_path(conn, &told.path, event);
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

bool conn_quic_told(struct conn *conn, struct conn_event *event)
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
