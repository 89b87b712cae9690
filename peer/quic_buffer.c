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

/* Makes room at the end. Returns how many bytes fit there without another chunk; 0: no memory. */
static size_t buffer_room(struct buffer *buffer, struct chunk_pool *pool)
{
    if (buffer->tail && buffer->tail_end < CHUNK_BYTES)
        return CHUNK_BYTES - buffer->tail_end;
    struct chunk *chunk = pool_take(pool);
    if (!chunk)
        return 0;
    if (buffer->tail)
        buffer->tail->next = chunk;
    else
        buffer->head = chunk;
    buffer->tail = chunk;
    buffer->tail_end = 0;
    return CHUNK_BYTES;
}

size_t buffer_append(struct buffer *buffer, struct chunk_pool *pool, const void *data, size_t len)
{
    const uint8_t *from = data;
    size_t done = 0;
    while (done < len) {
        size_t part = buffer_room(buffer, pool);
        if (!part)
            break;
        if (part > len - done)
            part = len - done;
        memcpy(buffer->tail->data + buffer->tail_end, from + done, part);
        buffer->tail_end += part;
        done += part;
    }
    buffer->len += done;
    buffer->unsent += done;
    return done;
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
    if (!buffer->head)
        buffer->tail = NULL;
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
        size_t part = chunk_end(buffer, buffer->head) - buffer->head_at;
        if (part > len - done)
            part = len - done;
        memcpy(to + done, buffer->head->data + buffer->head_at, part);
        buffer->unsent -= part; /* a receiver's buffer: nothing of it is ever marked */
        buffer_advance(buffer, pool, part);
        done += part;
    }
    return done;
}

void buffer_drop(struct buffer *buffer, struct chunk_pool *pool, size_t len)
{
    assert(len <= buffer->len - buffer->unsent);
    while (len) {
        size_t part = chunk_end(buffer, buffer->head) - buffer->head_at;
        if (part > len)
            part = len;
        buffer_advance(buffer, pool, part);
        len -= part;
    }
}

void buffer_clear(struct buffer *buffer, struct chunk_pool *pool)
{
    while (buffer->head)
        buffer_drop_head(buffer, pool);
    memset(buffer, 0, sizeof *buffer);
}

size_t buffer_unsent(const struct buffer *buffer, struct run *runs, size_t max, size_t limit)
{
    struct chunk *chunk = buffer->mark ? buffer->mark : buffer->head;
    size_t at = buffer->mark ? buffer->mark_at : buffer->head_at;
    size_t left = buffer->unsent < limit ? buffer->unsent : limit;
    size_t count = 0;
    while (left && count < max) {
        size_t part = chunk_end(buffer, chunk) - at;
        if (part > left)
            part = left;
        if (part)
            runs[count++] = (struct run){.base = chunk->data + at, .len = part};
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
        size_t part = chunk_end(buffer, buffer->mark) - buffer->mark_at;
        if (part > len)
            part = len;
        buffer->mark_at += part;
        len -= part;
        if (len) {
            buffer->mark = buffer->mark->next;
            buffer->mark_at = 0;
        }
    }
}
