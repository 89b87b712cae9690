/* quic_stream.c - the streams of a QUIC connection: their buffers, their turn, their end (RFC 9000 2 and 3).
 *
 * A local stream has its id before ngtcp2 knows it: ids count up (RFC 9000 2.1), so that a stream may be
 * opened and written before the handshake has told the peer's limits. Such streams wait in `opening`. */
#include "quic_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* More than some batches that wait to be sent serve nobody: they only leave the processor's cache
       meanwhile. */
    UNSENT_MAX = 262144,
    CROWD = 64,              /* streams; of each of more than so many ... */
    UNSENT_OF_CROWD = 65536, /* ... a batch is enough: their readers may all have stopped */
    RUNS_MAX = 4,            /* a packet's bytes lie in three chunks at most */
};

static struct quic_stream **bucket_of(struct quic_streams *streams, int64_t id)
{
    uint64_t ordinal = (uint64_t)id >> 2, kind = (uint64_t)id & 3;
    return &streams->buckets[(ordinal + kind * (STREAM_BUCKETS / 4)) % STREAM_BUCKETS];
}

/* The stream as the application knows it; NULL: no longer, or never. */
static struct quic_stream *stream_find(const struct quic *quic, int64_t id)
{
    struct quic_stream *stream = *bucket_of((struct quic_streams *)&quic->streams, id);
    while (stream && stream->id != id)
        stream = stream->next;
    return stream && !stream->released ? stream : NULL;
}

static bool can_read(const struct quic_stream *stream)
{
    return !stream->one_way || !stream->local;
}

static bool can_write(const struct quic_stream *stream)
{
    return !stream->one_way || stream->local;
}

static struct quic_stream *stream_new(struct quic *quic, int64_t id, bool local)
{
    struct quic_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return NULL;
    struct quic_stream **bucket = bucket_of(&quic->streams, id);
    stream->id = id;
    stream->local = local;
    stream->one_way = id & 2;
    stream->read_armed = true;
    stream->next = *bucket;
    *bucket = stream;
    quic->streams.count++;
    return stream;
}

static struct stream_queue *opening_of(struct quic *quic, const struct quic_stream *stream)
{
    return &quic->streams.opening[stream->one_way];
}

static void stop_sending(struct quic *quic, struct quic_stream *stream)
{
    if (!stream->is_sending)
        return;
    struct stream_queue *queue = stream->opened ? &quic->streams.ready : opening_of(quic, stream);
    TAILQ_REMOVE(queue, stream, sending);
    stream->is_sending = false;
}

static bool has_unsent(const struct quic_stream *stream)
{
    return !stream->out_reset && (stream->out.unsent || (stream->out_finished && !stream->end_sent));
}

static void start_sending(struct quic *quic, struct quic_stream *stream)
{
    if (stream->is_sending || !stream->opened || stream->closed || !has_unsent(stream))
        return;
    TAILQ_INSERT_TAIL(&quic->streams.ready, stream, sending);
    stream->is_sending = true;
}

static void stream_free(struct quic *quic, struct quic_stream *stream)
{
    struct quic_stream **at = bucket_of(&quic->streams, stream->id);
    while (*at != stream)
        at = &(*at)->next;
    *at = stream->next;
    quic->streams.count--;
    stop_sending(quic, stream);
    if (stream->is_eventful)
        TAILQ_REMOVE(&quic->streams.eventful, stream, eventful);
    buffer_clear(&stream->in, &quic->streams.pool);
    buffer_clear(&stream->out, &quic->streams.pool);
    /* The peer may open another one only now, when this one holds nothing: that bounds what it can make us
     * keep. */
    if (!stream->local && quic->phase == QUIC_ACTIVE) {
        if (stream->one_way)
            ngtcp2_conn_extend_max_streams_uni(quic->conn, 1);
        else
            ngtcp2_conn_extend_max_streams_bidi(quic->conn, 1);
    }
    free(stream);
}

/* Puts the stream among those with events, if it has one that the application may still hear of. */
static void tell(struct quic *quic, struct quic_stream *stream)
{
    if (stream->is_eventful || stream->released)
        return;
    TAILQ_INSERT_TAIL(&quic->streams.eventful, stream, eventful);
    stream->is_eventful = true;
}

static void tell_readable(struct quic *quic, struct quic_stream *stream)
{
    if (!stream->read_armed)
        return;
    stream->read_armed = false;
    stream->tell_readable = true;
    tell(quic, stream);
}

static void tell_writable(struct quic *quic, struct quic_stream *stream)
{
    if (!stream->want_room)
        return;
    stream->want_room = false;
    stream->tell_writable = true;
    tell(quic, stream);
}

void streams_init(struct quic_streams *streams)
{
    TAILQ_INIT(&streams->opening[0]);
    TAILQ_INIT(&streams->opening[1]);
    TAILQ_INIT(&streams->ready);
    TAILQ_INIT(&streams->eventful);
}

static void streams_free_all(struct quic *quic)
{
    for (size_t i = 0; i < STREAM_BUCKETS; i++)
        while (quic->streams.buckets[i])
            stream_free(quic, quic->streams.buckets[i]);
}

void streams_free(struct quic *quic)
{
    streams_free_all(quic);
    pool_free(&quic->streams.pool);
}

void streams_abandon(struct quic *quic)
{
    assert(quic->phase != QUIC_ACTIVE);
    streams_free_all(quic);
    quic->streams.want_limit = quic->streams.tell_limit = false;
}

/* Gives the connection's window back for bytes that left a buffer; the stream's too while it can use it. */
static void extend_window(struct quic *quic, struct quic_stream *stream, uint64_t len)
{
    if (quic->phase != QUIC_ACTIVE || !len)
        return;
    if (!stream->closed && !stream->in_ended && !stream->released) {
        int err = ngtcp2_conn_extend_max_stream_offset(quic->conn, stream->id, len);
        if (err && ngtcp2_err_is_fatal(err))
            quic->failed = err;
    }
    ngtcp2_conn_extend_max_offset(quic->conn, len);
}

/* Tells ngtcp2 of the directions that the application gave up. STOP_SENDING must leave before RESET_STREAM,
 * and ngtcp2 puts the latest first: 0.12 forgets at once a stream that it first hears of by its reset, and
 * would never answer the other direction. */
static void stream_abandon(struct quic *quic, struct quic_stream *stream)
{
    int err = 0;
    if (stream->abandon_out)
        err = stream_shutdown_write(quic->conn, stream->id, stream->abandon_code);
    if (!err && stream->abandon_in)
        err = stream_shutdown_read(quic->conn, stream->id, stream->abandon_code);
    if (err && ngtcp2_err_is_fatal(err))
        quic->failed = err;
}

/* What ngtcp2 does not say of the peer's one-way streams: this one, which is released, is closed. */
static void close_one_way(struct quic *quic, struct quic_stream *stream)
{
    if (!QUIC_ONE_WAY_NEVER_CLOSES || stream->local || !stream->one_way || stream->closed)
        return;
    stream->closed = true;
    int err = ngtcp2_conn_set_stream_user_data(quic->conn, stream->id, NULL);
    assert(!err || err == NGTCP2_ERR_STREAM_NOT_FOUND);
    (void)err;
}

/* One local stream that waits. NGTCP2_ERR_STREAM_ID_BLOCKED: the peer's limit. */
static int stream_open(struct quic *quic, struct quic_stream *stream)
{
    int64_t id;
    int err = stream->one_way ? ngtcp2_conn_open_uni_stream(quic->conn, &id, stream)
                              : ngtcp2_conn_open_bidi_stream(quic->conn, &id, stream);
    if (err)
        return err;
    assert(id == stream->id);
    stop_sending(quic, stream);
    stream->opened = true;
    start_sending(quic, stream);
    if (stream->released)
        stream_abandon(quic, stream);
    return 0;
}

int streams_open_pending(struct quic *quic)
{
    for (size_t i = 0; i < 2; i++) {
        struct quic_stream *stream;
        while ((stream = TAILQ_FIRST(&quic->streams.opening[i]))) {
            int err = stream_open(quic, stream);
            if (err == NGTCP2_ERR_STREAM_ID_BLOCKED)
                break;
            if (err)
                return err;
        }
    }
    return 0;
}

/* Whether another local stream may be opened. Before the handshake the peer's limit is taken to be ours:
 * should it be lower, the streams wait. */
static bool below_limit(struct quic *quic, bool one_way)
{
    if (!quic->can_send)
        return quic->streams.next[one_way] < (one_way ? QUIC_STREAMS_MAX : (int64_t)quic->streams_max);
    return TAILQ_EMPTY(&quic->streams.opening[one_way]) &&
           (one_way ? ngtcp2_conn_get_streams_uni_left(quic->conn)
                    : ngtcp2_conn_get_streams_bidi_left(quic->conn));
}

int64_t quic_stream_open(struct quic *quic, bool one_way)
{
    struct quic_streams *streams = &quic->streams;
    if (quic->phase != QUIC_LISTENING && quic->phase != QUIC_ACTIVE)
        return QUIC_GONE;
    if (quic->can_send)
        quic->failed = quic->failed ? quic->failed : streams_open_pending(quic);
    if (!below_limit(quic, one_way)) {
        streams->want_limit = true;
        return QUIC_LIMIT;
    }
    int64_t id = streams->next[one_way] << 2 | (one_way ? 2 : 0) | (quic->client ? 0 : 1);
    struct quic_stream *stream = stream_new(quic, id, true);
    if (!stream)
        return QUIC_NOMEM;
    streams->next[one_way]++;
    TAILQ_INSERT_TAIL(&streams->opening[one_way], stream, sending);
    stream->is_sending = true;
    return id;
}

static size_t unsent_max(const struct quic *quic)
{
    return quic->streams.count > CROWD ? UNSENT_OF_CROWD : UNSENT_MAX;
}

/* What a write may add: bytes that are not acknowledged are bounded, and more narrowly those that are not
 * even sent. */
static size_t room_of(const struct quic *quic, const struct quic_stream *stream)
{
    size_t total = QUIC_SEND_BUFFER - stream->out.len, most = unsent_max(quic);
    return stream->out.unsent < most ? size_min(total, most - stream->out.unsent) : 0;
}

/* Whether the application may write to it: 0, QUIC_GONE or QUIC_RESET. */
static int writable(const struct quic *quic, const struct quic_stream *stream)
{
    if (!stream || quic->phase >= QUIC_CLOSING || !can_write(stream) || stream->out_finished)
        return QUIC_GONE;
    return stream->out_reset ? QUIC_RESET : 0;
}

ptrdiff_t quic_stream_write(struct quic *quic, int64_t id, const void *data, size_t len)
{
    struct quic_stream *stream = stream_find(quic, id);
    int err = writable(quic, stream);
    if (err)
        return err;
    size_t room = room_of(quic, stream);
    size_t taken = buffer_append(&stream->out, &quic->streams.pool, data, len < room ? len : room);
    if (!taken && len && room)
        return QUIC_NOMEM;
    if (taken < len)
        stream->want_room = true;
    start_sending(quic, stream);
    return (ptrdiff_t)taken;
}

ptrdiff_t quic_stream_reserve(struct quic *quic, int64_t id, struct iovec *runs, size_t max, size_t len)
{
    struct quic_stream *stream = stream_find(quic, id);
    int err = writable(quic, stream);
    if (err)
        return err;
    size_t room = room_of(quic, stream);
    if (room < len)
        stream->want_room = true;
    if (room < size_min(len, unsent_max(quic) / 2))
        return 0;
    size_t count = buffer_reserve(&stream->out, &quic->streams.pool, runs, max, size_min(len, room));
    return count ? (ptrdiff_t)count : QUIC_NOMEM;
}

int quic_stream_commit(struct quic *quic, int64_t id, size_t len)
{
    struct quic_stream *stream = stream_find(quic, id);
    int err = writable(quic, stream);
    if (err)
        return err;
    if (!buffer_commit(&stream->out, &quic->streams.pool, len))
        return QUIC_TOO_LONG;
    start_sending(quic, stream);
    return 0;
}

/* Why nothing can be read: 0 is the end. */
static int not_readable(const struct quic *quic, struct quic_stream *stream)
{
    if (stream->in_ended)
        return 0;
    if (stream->in_reset)
        return QUIC_RESET;
    if (quic->phase >= QUIC_CLOSING)
        return QUIC_GONE;
    stream->read_armed = true;
    return QUIC_BLOCKED;
}

ptrdiff_t quic_stream_read(struct quic *quic, int64_t id, void *data, size_t len)
{
    struct quic_stream *stream = stream_find(quic, id);
    if (!stream || !can_read(stream))
        return QUIC_GONE;
    if (!stream->in.len)
        return not_readable(quic, stream);
    size_t taken = buffer_take(&stream->in, &quic->streams.pool, data, len);
    extend_window(quic, stream, taken);
    return (ptrdiff_t)taken;
}

ptrdiff_t quic_stream_peek(struct quic *quic, int64_t id, struct iovec *runs, size_t max)
{
    struct quic_stream *stream = stream_find(quic, id);
    if (!stream || !can_read(stream))
        return QUIC_GONE;
    return stream->in.len ? (ptrdiff_t)buffer_peek(&stream->in, runs, max) : not_readable(quic, stream);
}

int quic_stream_consume(struct quic *quic, int64_t id, size_t len)
{
    struct quic_stream *stream = stream_find(quic, id);
    if (!stream || !can_read(stream))
        return QUIC_GONE;
    if (len > stream->in.len)
        return QUIC_TOO_LONG;
    buffer_consume(&stream->in, &quic->streams.pool, len);
    extend_window(quic, stream, len);
    return 0;
}

void quic_stream_finish(struct quic *quic, int64_t id)
{
    struct quic_stream *stream = stream_find(quic, id);
    if (!stream || !can_write(stream))
        return;
    stream->out_finished = true;
    stream->want_room = false;
    start_sending(quic, stream);
}

void quic_stream_release(struct quic *quic, int64_t id, uint64_t code)
{
    struct quic_stream *stream = stream_find(quic, id);
    if (!stream)
        return;
    stream->released = true;
    if (stream->is_eventful) {
        TAILQ_REMOVE(&quic->streams.eventful, stream, eventful);
        stream->is_eventful = false;
    }
    extend_window(quic, stream, stream->in.len);
    buffer_clear(&stream->in, &quic->streams.pool);
    if (stream->closed || quic->phase >= QUIC_CLOSING) {
        stream_free(quic, stream);
        return;
    }
    stream->abandon_code = code;
    stream->abandon_in = can_read(stream) && !stream->in_ended && !stream->in_reset;
    stream->abandon_out = can_write(stream) && !stream->out_finished && !stream->out_reset;
    if (stream->opened) {
        if (stream->abandon_out)
            stop_sending(quic, stream);
        stream_abandon(quic, stream);
        close_one_way(quic, stream);
    } else if (stream->abandon_out) {
        buffer_clear(&stream->out, &quic->streams.pool);
    }
    /* What ngtcp2 was given stays until it says that the stream is closed. */
    stream->out_reset = stream->out_reset || stream->abandon_out;
    if (stream->closed)
        stream_free(quic, stream);
}

static bool is_drained(const struct quic_stream *stream)
{
    return stream->closed || stream->out_reset ||
           (!stream->out.len && (!stream->out_finished || stream->end_acked || !can_write(stream)));
}

bool quic_stream_drained(const struct quic *quic, int64_t id)
{
    const struct quic_stream *stream = stream_find(quic, id);
    return !stream || is_drained(stream);
}

bool streams_drained(const struct quic *quic)
{
    for (size_t i = 0; i < STREAM_BUCKETS; i++)
        for (const struct quic_stream *stream = quic->streams.buckets[i]; stream; stream = stream->next)
            if (!is_drained(stream))
                return false;
    return true;
}

static bool take_flag(bool *flag)
{
    bool set = *flag;
    *flag = false;
    return set;
}

static enum quic_event_type stream_event(struct quic_stream *stream)
{
    if (take_flag(&stream->tell_stream))
        return QUIC_STREAM;
    if (take_flag(&stream->tell_readable))
        return QUIC_READABLE;
    stream->tell_writable = false;
    return QUIC_WRITABLE;
}

bool streams_event(struct quic *quic, struct quic_event *event)
{
    struct quic_streams *streams = &quic->streams;
    struct quic_stream *stream = TAILQ_FIRST(&streams->eventful);
    if (stream) {
        *event = (struct quic_event){.type = stream_event(stream), .stream = stream->id};
        if (!stream->tell_stream && !stream->tell_readable && !stream->tell_writable) {
            TAILQ_REMOVE(&streams->eventful, stream, eventful);
            stream->is_eventful = false;
        }
        return true;
    }
    if (take_flag(&streams->tell_limit)) {
        *event = (struct quic_event){.type = QUIC_WRITABLE, .stream = -1};
        return true;
    }
    return false;
}

struct quic_stream *streams_next(struct quic *quic)
{
    return TAILQ_FIRST(&quic->streams.ready);
}

/* The peer wants no more, or the stream is gone: ngtcp2 of 0.12 says so only to who writes. */
static void stream_refused(struct quic *quic, struct quic_stream *stream)
{
    stream->out_reset = true;
    stop_sending(quic, stream);
    tell_writable(quic, stream);
}

static ngtcp2_ssize write_failed(struct quic *quic, struct quic_stream *stream, ngtcp2_ssize result)
{
    switch (result) {
    case NGTCP2_ERR_STREAM_DATA_BLOCKED:
        if (!ngtcp2_conn_get_max_data_left(quic->conn))
            return result; /* every stream is: those that wait stay in their turn */
        stop_sending(quic, stream);
        return NGTCP2_ERR_WRITE_MORE;
    case NGTCP2_ERR_STREAM_SHUT_WR:
    case NGTCP2_ERR_STREAM_NOT_FOUND:
        stream_refused(quic, stream);
        return NGTCP2_ERR_WRITE_MORE;
    default:
        return result;
    }
}

ngtcp2_ssize stream_write_packet(struct quic *quic, struct quic_stream *stream, uint8_t *dest, size_t len,
                                 ngtcp2_tstamp ts)
{
    struct iovec runs[RUNS_MAX];
    ngtcp2_vec vecs[RUNS_MAX];
    size_t offered = 0, count = buffer_unsent(&stream->out, runs, RUNS_MAX, len);
    for (size_t i = 0; i < count; i++) {
        vecs[i] = (ngtcp2_vec){.base = runs[i].iov_base, .len = runs[i].iov_len};
        offered += runs[i].iov_len;
    }
    bool end = stream->out_finished && offered == stream->out.unsent;
    uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_MORE | (end ? NGTCP2_WRITE_STREAM_FLAG_FIN : 0);
    ngtcp2_ssize taken = -1;
    ngtcp2_ssize result = ngtcp2_conn_writev_stream(quic->conn, NULL, NULL, dest, len, &taken, flags,
                                                    stream->id, vecs, count, ts);
    if (result < 0 && result != NGTCP2_ERR_WRITE_MORE)
        return write_failed(quic, stream, result);
    if (taken > 0)
        buffer_sent(&stream->out, (size_t)taken);
    if (end && taken == (ngtcp2_ssize)offered) {
        stream->end_sent = true;
        stream->end_with_bytes = offered > 0;
    }
    if (stream->want_room && room_of(quic, stream) >= unsent_max(quic) / 2)
        tell_writable(quic, stream);
    if (!has_unsent(stream)) {
        stop_sending(quic, stream);
    } else if (result > 0) { /* it had its packet: the next one's turn */
        TAILQ_REMOVE(&quic->streams.ready, stream, sending);
        TAILQ_INSERT_TAIL(&quic->streams.ready, stream, sending);
    } else if (result == NGTCP2_ERR_WRITE_MORE && taken <= 0) {
        return NGTCP2_ERR_STREAM_DATA_BLOCKED; /* no progress: the packet is closed without it */
    }
    return result;
}

int stream_on_open(ngtcp2_conn *conn, int64_t id, void *user)
{
    struct quic *quic = user;
    struct quic_stream *stream = stream_new(quic, id, false);
    if (!stream || ngtcp2_conn_set_stream_user_data(conn, id, stream))
        return NGTCP2_ERR_CALLBACK_FAILURE;
    stream->opened = true;
    stream->tell_stream = true;
    tell(quic, stream);
    return 0;
}

int stream_on_data(ngtcp2_conn *conn, uint32_t flags, int64_t id, uint64_t offset, const uint8_t *data,
                   size_t len, void *user, void *user_stream)
{
    (void)conn, (void)id, (void)offset;
    struct quic *quic = user;
    struct quic_stream *stream = user_stream;
    if (!stream)
        return 0;
    if (stream->released) {
        extend_window(quic, stream, len);
        return 0;
    }
    if (buffer_append(&stream->in, &quic->streams.pool, data, len) < len)
        return NGTCP2_ERR_CALLBACK_FAILURE;
    if (flags & NGTCP2_STREAM_DATA_FLAG_FIN)
        stream->in_ended = true;
    tell_readable(quic, stream);
    return 0;
}

int stream_on_acked(ngtcp2_conn *conn, int64_t id, uint64_t offset, uint64_t len, void *user,
                    void *user_stream)
{
    (void)conn, (void)id, (void)offset;
    struct quic *quic = user;
    struct quic_stream *stream = user_stream;
    if (!stream)
        return 0;
    buffer_drop(&stream->out, &quic->streams.pool, (size_t)len);
    /* No bytes: the end itself was acknowledged, perhaps before what precedes it. */
    if (!len || (stream->end_with_bytes && !stream->out.len))
        stream->end_acked = true;
    if (room_of(quic, stream) >= unsent_max(quic) / 2) /* wakes the writer once for some batches */
        tell_writable(quic, stream);
    return 0;
}

int stream_on_reset(ngtcp2_conn *conn, int64_t id, uint64_t size, uint64_t code, void *user,
                    void *user_stream)
{
    (void)conn, (void)id, (void)size, (void)code;
    struct quic *quic = user;
    struct quic_stream *stream = user_stream;
    if (!stream || stream->in_ended)
        return 0;
    extend_window(quic, stream, stream->in.len);
    buffer_clear(&stream->in, &quic->streams.pool);
    stream->in_reset = true;
    tell_readable(quic, stream);
    return 0;
}

int stream_on_close(ngtcp2_conn *conn, uint32_t flags, int64_t id, uint64_t code, void *user,
                    void *user_stream)
{
    (void)conn, (void)flags, (void)id, (void)code;
    struct quic *quic = user;
    struct quic_stream *stream = user_stream;
    if (!stream)
        return 0;
    stop_sending(quic, stream);
    stream->closed = true;
    if (stream->end_sent && !stream->out.len)
        stream->end_acked = true;
    else if (can_write(stream))
        stream->out_reset = true;
    buffer_clear(&stream->out, &quic->streams.pool);
    if (stream->released) {
        stream_free(quic, stream);
        return 0;
    }
    tell_writable(quic, stream);
    if (can_read(stream) && !stream->in_ended && !stream->in_reset) {
        stream->in_reset = true;
        tell_readable(quic, stream);
    }
    return 0;
}

int stream_on_window(ngtcp2_conn *conn, int64_t id, uint64_t max, void *user, void *user_stream)
{
    (void)conn, (void)id, (void)max;
    if (user_stream)
        start_sending(user, user_stream);
    return 0;
}

int streams_on_limit(ngtcp2_conn *conn, uint64_t max, void *user)
{
    (void)conn, (void)max;
    struct quic *quic = user;
    if (take_flag(&quic->streams.want_limit))
        quic->streams.tell_limit = true;
    return 0;
}
