/* quic_buffer.c - a queue of bytes in chunks that never move. */
#include "quic_buffer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct chunk *pool_take(struct chunk_pool *pool)
{
    struct chunk *chunk = pool->spare;
    if (chunk) {
        pool->spare = chunk->next;
        pool->spares--;
    } else {
        chunk = malloc(sizeof *chunk);
    }
    if (chunk) {
        chunk->next = NULL;
        pool->used++;
    }
    return chunk;
}

static void pool_shrink(struct chunk_pool *pool, size_t spares)
{
    while (pool->spares > spares) {
        struct chunk *chunk = pool->spare;
        pool->spare = chunk->next;
        pool->spares--;
        free(chunk);
    }
}

static void pool_give(struct chunk_pool *pool, struct chunk *chunk)
{
    chunk->next = pool->spare;
    pool->spare = chunk;
    pool->spares++;
    pool->used--;
    pool_shrink(pool, pool->used ? POOL_CHUNKS : POOL_CHUNKS_IDLE);
}

void pool_free(struct chunk_pool *pool)
{
    assert(!pool->used);
    pool_shrink(pool, 0);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Bytes that fit behind the last one without another chunk. */
static size_t tail_room(const struct buffer *buffer)
{
    return buffer->tail ? CHUNK_BYTES - buffer->tail_end : 0;
}

static void add_chunk(struct buffer *buffer, struct chunk *chunk)
{
    if (buffer->tail)
        buffer->tail->next = chunk;
    else
        buffer->head = chunk;
    chunk->next = NULL;
    buffer->tail = chunk;
    buffer->tail_end = 0;
}

static void unreserve(struct buffer *buffer, struct chunk_pool *pool)
{
    while (buffer->beyond) {
        struct chunk *chunk = buffer->beyond;
        buffer->beyond = chunk->next;
        pool_give(pool, chunk);
    }
    buffer->reserved = 0;
}

size_t buffer_append(struct buffer *buffer, struct chunk_pool *pool, const void *data, size_t len)
{
    const uint8_t *from = data;
    size_t done = 0;
    unreserve(buffer, pool);
    while (done < len) {
        struct chunk *chunk = tail_room(buffer) ? NULL : pool_take(pool);
        if (chunk)
            add_chunk(buffer, chunk);
        size_t part = least(tail_room(buffer), len - done);
        if (!part)
            break;
        memcpy(buffer->tail->data + buffer->tail_end, from + done, part);
        buffer->tail_end += part;
        done += part;
    }
    buffer->len += done;
    buffer->unsent += done;
    return done;
}

size_t buffer_reserve(struct buffer *buffer, struct chunk_pool *pool, struct iovec *runs, size_t max,
                      size_t len)
{
    size_t count = 0;
    struct chunk **end = &buffer->beyond;
    unreserve(buffer, pool);
    if (tail_room(buffer) && len && max) {
        buffer->reserved = least(tail_room(buffer), len);
        runs[count++] = (struct iovec){buffer->tail->data + buffer->tail_end, buffer->reserved};
    }
    while (buffer->reserved < len && count < max && (*end = pool_take(pool))) {
        size_t part = least(CHUNK_BYTES, len - buffer->reserved);
        runs[count++] = (struct iovec){(*end)->data, part};
        buffer->reserved += part;
        end = &(*end)->next;
    }
    return count;
}

bool buffer_commit(struct buffer *buffer, struct chunk_pool *pool, size_t len)
{
    bool good = len <= buffer->reserved;
    for (size_t left = good ? len : 0; left;) {
        if (!tail_room(buffer)) {
            struct chunk *chunk = buffer->beyond;
            buffer->beyond = chunk->next;
            add_chunk(buffer, chunk);
        }
        size_t part = least(tail_room(buffer), left);
        buffer->tail_end += part;
        buffer->len += part;
        buffer->unsent += part;
        left -= part;
    }
    unreserve(buffer, pool);
    return good;
}

static size_t chunk_end(const struct buffer *buffer, const struct chunk *chunk)
{
    return chunk == buffer->tail ? buffer->tail_end : CHUNK_BYTES;
}

static void buffer_drop_head(struct buffer *buffer, struct chunk_pool *pool)
{
    struct chunk *chunk = buffer->head;
    if (buffer->mark == chunk)
        buffer->mark = NULL;
    buffer->head = chunk->next;
    buffer->head_at = 0;
    if (!buffer->head) {
        buffer->tail = NULL;
        unreserve(buffer, pool); /* it began in that chunk */
    }
    pool_give(pool, chunk);
}

/* Forgets `len` bytes of the first chunk, and the chunk when that was all it can ever hold or the buffer is
 * empty. */
static void buffer_advance(struct buffer *buffer, struct chunk_pool *pool, size_t len)
{
    buffer->head_at += len;
    buffer->len -= len;
    if (buffer->head_at == CHUNK_BYTES || !buffer->len)
        buffer_drop_head(buffer, pool);
}

size_t buffer_take(struct buffer *buffer, struct chunk_pool *pool, void *data, size_t len)
{
    uint8_t *to = data;
    size_t done = 0;
    while (done < len && buffer->len) {
        size_t part = least(chunk_end(buffer, buffer->head) - buffer->head_at, len - done);
        memcpy(to + done, buffer->head->data + buffer->head_at, part);
        buffer_consume(buffer, pool, part);
        done += part;
    }
    return done;
}

void buffer_drop(struct buffer *buffer, struct chunk_pool *pool, size_t len)
{
    assert(len <= buffer->len - buffer->unsent);
    while (len) {
        size_t part = least(chunk_end(buffer, buffer->head) - buffer->head_at, len);
        buffer_advance(buffer, pool, part);
        len -= part;
    }
}

size_t buffer_peek(const struct buffer *buffer, struct iovec *runs, size_t max)
{
    size_t count = 0, left = buffer->len, at = buffer->head_at;
    for (struct chunk *chunk = buffer->head; left && count < max; chunk = chunk->next) {
        size_t part = chunk_end(buffer, chunk) - at;
        runs[count++] = (struct iovec){chunk->data + at, part};
        left -= part;
        at = 0;
    }
    return count;
}

void buffer_consume(struct buffer *buffer, struct chunk_pool *pool, size_t len)
{
    buffer->unsent -= len; /* nothing of it is ever marked */
    buffer_drop(buffer, pool, len);
}

void buffer_clear(struct buffer *buffer, struct chunk_pool *pool)
{
    unreserve(buffer, pool);
    while (buffer->head)
        buffer_drop_head(buffer, pool);
    memset(buffer, 0, sizeof *buffer);
}

size_t buffer_unsent(const struct buffer *buffer, struct iovec *runs, size_t max, size_t limit)
{
    struct chunk *chunk = buffer->mark ? buffer->mark : buffer->head;
    size_t at = buffer->mark ? buffer->mark_at : buffer->head_at;
    size_t left = buffer->unsent < limit ? buffer->unsent : limit;
    size_t count = 0;
    while (left && count < max) {
        size_t part = least(chunk_end(buffer, chunk) - at, left);
        if (part)
            runs[count++] = (struct iovec){chunk->data + at, part};
        left -= part;
        chunk = chunk->next;
        at = 0;
    }
    return count;
}

void buffer_sent(struct buffer *buffer, size_t len)
{
    assert(len <= buffer->unsent);
    buffer->unsent -= len;
    if (!buffer->mark) {
        buffer->mark = buffer->head;
        buffer->mark_at = buffer->head_at;
    }
    while (len) {
        size_t part = least(chunk_end(buffer, buffer->mark) - buffer->mark_at, len);
        buffer->mark_at += part;
        len -= part;
        if (len) {
            buffer->mark = buffer->mark->next;
            buffer->mark_at = 0;
        }
    }
}
