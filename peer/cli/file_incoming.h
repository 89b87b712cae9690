/* file_incoming.h - one file on its way in: which leaves are here, and whether together they are what was
 * sent. */
#ifndef FILE_INCOMING_H
#define FILE_INCOMING_H

#include "file_hash.h"

/* Begins zeroed but for fd. Owns the hashes. */
struct incoming {
    int fd;          /* of the unfinished file; -1: not opened */
    bool whole;      /* it has its name already, and is only compared */
    bool finished;   /* `finish` is known */
    uint32_t leaves; /* how many the arrays hold */
    uint32_t capacity;
    uint32_t received; /* in this run */
    uint8_t *hashes;   /* HASH_LEN a leaf */
    uint8_t *flags;    /* a byte a leaf: enum leaf_flag */
    struct finish finish;
};

enum leaf_flag { LEAF_ABSENT, LEAF_HELD, LEAF_RECEIVED };

/* A leaf that was here before. False: no memory. */
bool incoming_hold(struct incoming *incoming, uint32_t leaf, const uint8_t hash[HASH_LEN]);
/* NULL: a leaf of that length may come there, in a file of `size` bytes (MANIFEST_SIZE_UNKNOWN: any). Else
 * what the sender does wrong: more than it announced, twice the same, or so far ahead that more than `room`
 * further leaves would have to be known of. */
const char *incoming_problem(const struct incoming *incoming, uint64_t size, uint32_t leaf, uint32_t len,
                             uint64_t room);
/* Takes note of it. False: no memory. */
bool incoming_receive(struct incoming *incoming, uint32_t leaf, const uint8_t hash[HASH_LEN]);
/* Whether all that was announced has come. */
bool incoming_complete(const struct incoming *incoming);
/* NULL: it is what was sent, to the last byte. Else why not. */
const char *incoming_verify(const struct incoming *incoming, uint64_t size);
void incoming_free(struct incoming *incoming);

#endif
