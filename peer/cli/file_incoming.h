/* file_incoming.h - one file on its way in: which leaves are here, and whether together they are what was
 * sent. */
#ifndef FILE_INCOMING_H
#define FILE_INCOMING_H

#include "file_hash.h"
#include "leaf_map.h"

/* Begins zeroed but for fd, and with incoming_begin. Owns what is known of the leaves. */
struct incoming {
    int fd;            /* of the unfinished file; -1: not opened */
    bool whole;        /* it has its name already, and is only compared */
    bool finished;     /* `finish` is known */
    bool has_last;     /* a leaf has come that is shorter than the others */
    uint64_t size;     /* as announced; MANIFEST_SIZE_UNKNOWN */
    uint64_t received; /* leaves, in this run */
    uint64_t held;     /* bytes that were here before */
    uint64_t unsafe;   /* bytes that were written and may be in the memory alone */
    struct leaf_map leaves;
    struct finish finish;
};

void incoming_begin(struct incoming *incoming, uint64_t size);
/* NULL: `count` leaves of together `len` bytes may come at `leaf`. Else what the sender does wrong: more than
 * it announced, twice the same, or two ends. */
const char *incoming_problem(const struct incoming *incoming, uint32_t leaf, uint32_t count, uint64_t len);
/* Takes note of a leaf of `len` bytes. False: no memory. */
bool incoming_receive(struct incoming *incoming, uint32_t leaf, uint32_t len, const uint8_t hash[HASH_LEN]);
/* The same of `count` leaves of zeros. */
bool incoming_receive_zeros(struct incoming *incoming, uint32_t leaf, uint32_t count);
/* Whether all that was announced has come. */
bool incoming_complete(const struct incoming *incoming);
/* NULL: it is what was sent, to the last byte. Else why not. */
const char *incoming_verify(const struct incoming *incoming);
void incoming_free(struct incoming *incoming);

#endif
