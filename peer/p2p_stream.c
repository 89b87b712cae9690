/* p2p_stream.c - streams and datagrams as the program sees them: handles over the connection's numbers. */
#include "p2p_internal.h"

#include <stdlib.h>

static struct p2p_stream **bucket_of(struct p2p_peer *peer, int64_t id)
{
    return &peer->buckets[(size_t)(id >> 2) % STREAM_BUCKETS];
}

struct p2p_stream *stream_find(struct p2p_peer *peer, int64_t id)
{
    struct p2p_stream *stream = *bucket_of(peer, id);
    while (stream && stream->id != id)
        stream = stream->next;
    return stream;
}

static struct quic *quic_of(const struct p2p_peer *peer)
{
    struct conn *conn = peer && peer->used ? node_conn(peer->node->node, peer->slot) : NULL;
    return conn ? conn_quic(conn) : NULL;
}

/* Who said goodbye over the broker takes nothing any more, although QUIC has not heard of it: NULL then. */
static struct quic *taker_of(const struct p2p_peer *peer)
{
    return peer && peer->closed ? NULL : quic_of(peer);
}

struct p2p_stream *stream_make(struct p2p_peer *peer, int64_t id)
{
    struct p2p_stream *stream = calloc(1, sizeof *stream);
    if (!stream) {
        quic_stream_release(quic_of(peer), id, 0);
        return NULL;
    }
    stream->peer = peer;
    stream->id = id;
    stream->next = *bucket_of(peer, id);
    *bucket_of(peer, id) = stream;
    peer->streams++;
    return stream;
}

void streams_orphan(struct p2p_peer *peer)
{
    for (size_t i = 0; i < STREAM_BUCKETS; i++)
        while (peer->buckets[i]) {
            struct p2p_stream *stream = peer->buckets[i];
            peer->buckets[i] = stream->next;
            stream->peer = NULL;
            if (!stream->delivered)
                free(stream);
        }
    peer->streams = 0;
}

void peer_release_if_unused(struct p2p_peer *peer)
{
    if (!peer->used || !peer->passed || peer->streams)
        return;
    node_release(peer->node->node, peer->slot);
    *peer = (struct p2p_peer){0};
}

static int to_error(ptrdiff_t quic)
{
    switch (quic) {
    case QUIC_BLOCKED:
        return P2P_EAGAIN;
    case QUIC_RESET:
        return P2P_ERESET;
    case QUIC_LIMIT:
        return P2P_ELIMIT;
    case QUIC_NOMEM:
        return P2P_ENOMEM;
    case QUIC_TOO_LONG:
        return P2P_ETOOLONG;
    default:
        return P2P_EGONE;
    }
}

int p2p_stream_open(struct p2p_stream **out, struct p2p_peer *peer, uint8_t kind, unsigned flags)
{
    if (!out || !peer || flags & ~(unsigned)P2P_ONE_WAY)
        return P2P_EINVAL;
    if (!peer->used || peer->closed)
        return P2P_EGONE;
    int64_t id = conn_stream_open(node_conn(peer->node->node, peer->slot), kind, flags & P2P_ONE_WAY);
    if (id < 0)
        return to_error(id);
    struct p2p_stream *stream = stream_make(peer, id);
    if (!stream)
        return P2P_ENOMEM;
    stream->delivered = true;
    peer->node->dirty = true;
    *out = stream;
    return 0;
}

ptrdiff_t p2p_stream_write(struct p2p_stream *stream, const void *data, size_t len)
{
    struct quic *quic = taker_of(stream->peer);
    if (!quic)
        return P2P_EGONE;
    if (stream->finished)
        return P2P_ESTATE;
    ptrdiff_t taken = quic_stream_write(quic, stream->id, data, len);
    if (taken < 0)
        return to_error(taken);
    stream->peer->node->dirty = true;
    return taken;
}

ptrdiff_t p2p_stream_reserve(struct p2p_stream *stream, struct iovec *pieces, size_t max, size_t len)
{
    struct quic *quic = taker_of(stream->peer);
    if (!max || !len)
        return P2P_EINVAL;
    if (!quic)
        return P2P_EGONE;
    if (stream->finished)
        return P2P_ESTATE;
    ptrdiff_t count = quic_stream_reserve(quic, stream->id, pieces, max, len);
    return count < 0 ? to_error(count) : count;
}

int p2p_stream_commit(struct p2p_stream *stream, size_t len)
{
    struct quic *quic = taker_of(stream->peer);
    if (!quic)
        return P2P_EGONE;
    int err = quic_stream_commit(quic, stream->id, len);
    if (len)
        stream->peer->node->dirty = true;
    return err ? to_error(err) : 0;
}

ptrdiff_t p2p_stream_read(struct p2p_stream *stream, void *data, size_t len)
{
    struct quic *quic = quic_of(stream->peer);
    if (!quic)
        return P2P_EGONE;
    ptrdiff_t got = quic_stream_read(quic, stream->id, data, len);
    if (got < 0)
        return to_error(got);
    stream->peer->node->dirty = true; /* the window it opened must be told */
    return got;
}

ptrdiff_t p2p_stream_peek(struct p2p_stream *stream, struct iovec *pieces, size_t max)
{
    struct quic *quic = quic_of(stream->peer);
    if (!max)
        return P2P_EINVAL;
    if (!quic)
        return P2P_EGONE;
    ptrdiff_t count = quic_stream_peek(quic, stream->id, pieces, max);
    return count < 0 ? to_error(count) : count;
}

int p2p_stream_consume(struct p2p_stream *stream, size_t len)
{
    struct quic *quic = quic_of(stream->peer);
    if (!quic)
        return P2P_EGONE;
    int err = quic_stream_consume(quic, stream->id, len);
    if (len)
        stream->peer->node->dirty = true;
    return err ? to_error(err) : 0;
}

void p2p_stream_finish(struct p2p_stream *stream)
{
    struct quic *quic = quic_of(stream->peer);
    if (!quic)
        return;
    quic_stream_finish(quic, stream->id);
    stream->finished = true;
    stream->peer->node->dirty = true;
}

int p2p_stream_drained(const struct p2p_stream *stream)
{
    const struct quic *quic = quic_of(stream->peer);
    return quic && quic_stream_drained(quic, stream->id);
}

static void unlink_stream(struct p2p_stream *stream)
{
    struct p2p_stream **link = bucket_of(stream->peer, stream->id);
    while (*link != stream)
        link = &(*link)->next;
    *link = stream->next;
    stream->peer->streams--;
}

void p2p_stream_free(struct p2p_stream *stream)
{
    if (!stream)
        return;
    struct p2p_peer *peer = stream->peer;
    if (peer) {
        struct quic *quic = quic_of(peer);
        if (quic)
            quic_stream_release(quic, stream->id, 0);
        unlink_stream(stream);
        events_forget_stream(peer->node, stream);
        peer->node->dirty = true;
        peer_release_if_unused(peer);
    }
    free(stream);
}

struct p2p_peer *p2p_stream_peer(const struct p2p_stream *stream)
{
    return stream->peer && !stream->peer->closed ? stream->peer : NULL;
}

void p2p_stream_set_user(struct p2p_stream *stream, void *user)
{
    stream->user = user;
}

void *p2p_stream_user(const struct p2p_stream *stream)
{
    return stream->user;
}

size_t p2p_datagram_max(const struct p2p_peer *peer)
{
    const struct quic *quic = taker_of(peer);
    return quic ? quic_datagram_max(quic) : 0;
}

int p2p_datagram_send(struct p2p_peer *peer, const void *data, size_t len)
{
    struct quic *quic = taker_of(peer);
    if (!quic)
        return P2P_EGONE;
    peer->node->dirty = true;
    int err = quic_datagram_send(quic, data, len);
    return err ? to_error(err) : 0;
}

ptrdiff_t p2p_datagram_receive(struct p2p_peer *peer, void *data, size_t len)
{
    struct quic *quic = quic_of(peer);
    ptrdiff_t got = quic ? quic_datagram_receive(quic, data, len) : QUIC_BLOCKED;
    return got < 0 ? P2P_EAGAIN : got;
}
