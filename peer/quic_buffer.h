/* quic_buffer.h - a queue of bytes in chunks that never move.
 *
 * ngtcp2 refers to sent bytes until they are acknowledged (transport.md, trap 4), so a buffer grows by chunks
 * and never reallocates. Freed chunks wait in the connection's pool, so that a transfer does not ask malloc
 * for each packet. */
#ifndef QUIC_BUFFER_H
#define QUIC_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
    CHUNK_BYTES = 16384,  /* a packet of the longest payload spans three at most */
    POOL_CHUNKS = 32,     /* spare ones kept while others are in use: 512 KiB, eight GSO batches */
    POOL_CHUNKS_IDLE = 4, /* and when none is: an idle connection holds no memory to speak of */
};

struct chunk {
    struct chunk *next;
    uint8_t data[CHUNK_BYTES];
};

struct chunk_pool {
    struct chunk *spare;
    size_t spares;
    size_t used; /* chunks in buffers */
};

/* All zero is empty. A sender marks how far it has handed bytes out; what lies before the mark is kept until
 * dropped. */
struct buffer {
    struct chunk *head, *tail;
    size_t head_at;     /* first byte in head */
    size_t tail_end;    /* end of the bytes in tail */
    size_t len;         /* bytes held */
    size_t unsent;      /* of these, after the mark */
    struct chunk *mark; /* the chunk the mark is in; NULL: at the first byte */
    size_t mark_at;
    size_t reserved;      /* bytes that buffer_commit may add */
    struct chunk *beyond; /* chunks for them after the tail */
};

void pool_free(struct chunk_pool *pool);

/* Copies bytes to the end. Returns how many: fewer than `len` when memory is short. What was reserved is not
 * any more. */
size_t buffer_append(struct buffer *buffer, struct chunk_pool *pool, const void *data, size_t len);
/* Copies up to `len` bytes from the front and forgets them. Returns how many. */
size_t buffer_take(struct buffer *buffer, struct chunk_pool *pool, void *data, size_t len);
/* Forgets up to `len` bytes from the front; never those after the mark. */
void buffer_drop(struct buffer *buffer, struct chunk_pool *pool, size_t len);
/* Forgets everything. */
void buffer_clear(struct buffer *buffer, struct chunk_pool *pool);

/* Where bytes may be put that buffer_commit then adds: up to `max` runs of `len` bytes at most. Returns how
 * many runs; 0: no memory. */
size_t buffer_reserve(struct buffer *buffer, struct chunk_pool *pool, struct iovec *runs, size_t max,
                      size_t len);
/* The first `len` bytes of the place reserved are at the end now, and the rest is given back. False: so many
 * were not. */
bool buffer_commit(struct buffer *buffer, struct chunk_pool *pool, size_t len);
/* Fills up to `max` runs of the bytes held. Returns how many. */
size_t buffer_peek(const struct buffer *buffer, struct iovec *runs, size_t max);
/* Forgets `len` bytes from the front, at most those held, of a receiver's buffer. */
void buffer_consume(struct buffer *buffer, struct chunk_pool *pool, size_t len);

/* Fills up to `max` runs of unsent bytes from the mark on, `limit` bytes at most. Returns how many runs. */
size_t buffer_unsent(const struct buffer *buffer, struct iovec *runs, size_t max, size_t limit);
/* Moves the mark forward by `len` bytes, which were unsent. */
void buffer_sent(struct buffer *buffer, size_t len);

#endif
