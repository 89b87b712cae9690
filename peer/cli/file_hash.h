/* file_hash.h - a file's tree of hashes: a leaf for every LEAF_LEN bytes, above them a binary tree as that of
 * RFC 6962 (2.1), and a root over its top and the size. BLAKE2b-256 (RFC 7693) of libsodium; leaves, nodes
 * and roots are personalised apart, so that none passes for another. It is a tree so that a run of zeros,
 * however long, costs no more than its two ends: its length may be a lie. */
#ifndef FILE_HASH_H
#define FILE_HASH_H

#include "file_wire.h"

#include <sodium.h>

enum { HASH_LEVELS = 32 }; /* of the tree */

void hash_leaf(uint8_t out[HASH_LEN], const uint8_t *data, size_t len);
/* The hash of 2^level whole leaves of zeros, level < HASH_LEVELS; worked out once. */
const uint8_t *hash_zeros(unsigned level);

/* The root, leaf by leaf in order, then the size. Of fewer than 2^HASH_LEVELS leaves. */
struct hash_root {
    uint64_t leaves;
    uint8_t done[HASH_LEVELS][HASH_LEN]; /* whole trees of 2^i leaves, for each bit i of `leaves` */
};

void hash_root_begin(struct hash_root *root);
void hash_root_add(struct hash_root *root, const uint8_t leaf[HASH_LEN]);
/* `count` whole leaves of zeros. */
void hash_root_add_zeros(struct hash_root *root, uint64_t count);
void hash_root_end(struct hash_root *root, uint64_t size, uint8_t out[HASH_LEN]);

/* A file that is read leaf by leaf; holes cost no reading. */
struct leaf_reader {
    int fd;
    uint64_t size;    /* what is read at most */
    uint64_t data_at; /* nothing but a hole lies before this */
};

struct leaf {
    uint32_t len; /* 0: the file has ended */
    bool zero;    /* nothing but zeros */
    uint8_t hash[HASH_LEN];
};

void leaf_reader_begin(struct leaf_reader *reader, int fd, uint64_t size);
/* How many whole leaves from `number` on lie in a hole. */
uint64_t leaf_reader_hole(struct leaf_reader *reader, uint64_t number);
/* Reads leaf `number` into `buffer` of LEAF_LEN bytes. False: errno says why. */
bool leaf_reader_read(struct leaf_reader *reader, uint64_t number, uint8_t *buffer, struct leaf *leaf);
/* Fills in `zero` and `hash` of what is in the buffer. */
void leaf_describe(struct leaf *leaf, const uint8_t *buffer, uint32_t len);

#endif
