/* file_wire.c - what travels between send and receive: streams, records and frames. */
#include "file_wire.h"

#include <string.h>

void wire_put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8), at[1] = (uint8_t)value;
}

void wire_put32(uint8_t *at, uint32_t value)
{
    wire_put16(at, (uint16_t)(value >> 16));
    wire_put16(at + 2, (uint16_t)value);
}

void wire_put64(uint8_t *at, uint64_t value)
{
    wire_put32(at, (uint32_t)(value >> 32));
    wire_put32(at + 4, (uint32_t)value);
}

uint16_t wire_get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

uint32_t wire_get32(const uint8_t *at)
{
    return (uint32_t)wire_get16(at) << 16 | wire_get16(at + 2);
}

uint64_t wire_get64(const uint8_t *at)
{
    return (uint64_t)wire_get32(at) << 32 | wire_get32(at + 4);
}

void record_write(uint8_t out[RECORD_LEN], const struct record *record)
{
    memset(out, 0, RECORD_LEN);
    out[0] = record->kind;
    wire_put32(out + 4, record->file);
    wire_put32(out + 8, record->leaf);
    wire_put32(out + 12, record->len);
}

bool record_read(struct record *record, const uint8_t in[RECORD_LEN])
{
    *record = (struct record){in[0], wire_get32(in + 4), wire_get32(in + 8), wire_get32(in + 12)};
    switch (record->kind) {
    case RECORD_DATA:
        return record->len > 0 && record->len <= LEAF_LEN;
    case RECORD_ZERO:
        return record->len > 0 && record->len <= UINT32_MAX - record->leaf;
    case RECORD_FINISH:
        return record->len == FINISH_LEN;
    case RECORD_FAILED:
        return record->len <= REASON_MAX;
    case RECORD_SIGN:
        return record->len == 0;
    default:
        return false;
    }
}

uint32_t record_body(const struct record *record)
{
    return record->kind == RECORD_ZERO ? 0 : record->len;
}

void finish_write(uint8_t out[FINISH_LEN], const struct finish *finish)
{
    wire_put64(out, finish->size);
    wire_put32(out + 8, finish->leaves_sent);
    memcpy(out + 12, finish->root, HASH_LEN);
}

void finish_read(struct finish *finish, const uint8_t in[FINISH_LEN])
{
    finish->size = wire_get64(in);
    finish->leaves_sent = wire_get32(in + 8);
    memcpy(finish->root, in + 12, HASH_LEN);
}

void frame_write(uint8_t out[FRAME_LEN], enum frame_kind kind, size_t len)
{
    out[0] = (uint8_t)kind;
    wire_put32(out + 1, (uint32_t)len);
}

bool frame_read(const uint8_t in[FRAME_LEN], enum frame_kind *kind, size_t *len)
{
    *kind = (enum frame_kind)in[0];
    *len = wire_get32(in + 1);
    return in[0] && memchr("ARHSGCND", in[0], 8) && *len <= FRAME_MAX;
}

uint64_t leaves_of(uint64_t size)
{
    return size / LEAF_LEN + (size % LEAF_LEN != 0);
}
