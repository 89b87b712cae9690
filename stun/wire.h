/* wire.h - cursors over bytes that cannot overrun. */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Read from: once something was missing, `bad` is set and every further read gives zeros. Check it once, at
 * the end. */
struct reader {
    const uint8_t *at;
    size_t left;
    bool bad;
};

/* Write to: once something did not fit, `bad` is set and nothing more is written. */
struct writer {
    uint8_t *start;
    size_t len;
    size_t capacity;
    bool bad;
};

static inline struct reader reader_of(const void *data, size_t len)
{
    return (struct reader){.at = data, .left = len};
}

static inline struct writer writer_of(void *data, size_t capacity)
{
    return (struct writer){.start = data, .capacity = capacity};
}

/* `len` bytes that stay where they are, or NULL. */
static inline const uint8_t *take_bytes(struct reader *r, size_t len)
{
    if (r->bad || r->left < len) {
        r->bad = true;
        return NULL;
    }
    const uint8_t *bytes = r->at;
    r->at += len;
    r->left -= len;
    return bytes;
}

static inline uint8_t take_u8(struct reader *r)
{
    const uint8_t *b = take_bytes(r, 1);
    return b ? b[0] : 0;
}

static inline uint16_t take_u16(struct reader *r)
{
    const uint8_t *b = take_bytes(r, 2);
    if (!b)
        return 0;
    return (uint16_t)(b[0] << 8 | b[1]);
}

static inline uint32_t take_u32(struct reader *r)
{
    const uint8_t *b = take_bytes(r, 4);
    return b ? (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3] : 0;
}

static inline uint64_t take_u64(struct reader *r)
{
    uint64_t high = take_u32(r);
    return high << 32 | take_u32(r);
}

/* Room for `len` bytes that the caller fills, or NULL. */
static inline uint8_t *put_room(struct writer *w, size_t len)
{
    if (w->bad || w->capacity - w->len < len) {
        w->bad = true;
        return NULL;
    }
    uint8_t *room = w->start + w->len;
    w->len += len;
    return room;
}

static inline void put_bytes(struct writer *w, const void *bytes, size_t len)
{
    uint8_t *room = put_room(w, len);
    if (room && len)
        memcpy(room, bytes, len);
}

static inline void put_u8(struct writer *w, uint8_t value)
{
    put_bytes(w, &value, 1);
}

static inline void put_u16(struct writer *w, uint16_t value)
{
    put_bytes(w, (const uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

static inline void put_u32(struct writer *w, uint32_t value)
{
    put_u16(w, (uint16_t)(value >> 16));
    put_u16(w, (uint16_t)value);
}

static inline void put_u64(struct writer *w, uint64_t value)
{
    put_u32(w, (uint32_t)(value >> 32));
    put_u32(w, (uint32_t)value);
}

#endif
