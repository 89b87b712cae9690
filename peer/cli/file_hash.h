/* file_hash.h - a file's tree of hashes: a leaf for every LEAF_LEN bytes, and a root over the leaves and the
 * size. BLAKE2b-256 (RFC 7693) of libsodium; leaves and roots are personalised apart, so that none passes for
 * the other. */
#ifndef FILE_HASH_H
#define FILE_HASH_H

#include "file_wire.h"

#include <sodium.h>

void hash_leaf(uint8_t out[HASH_LEN], const uint8_t *data, size_t len);

/* The root, leaf by leaf in order, then the size. */
struct hash_root {
    crypto_generichash_blake2b_state state;
};

void hash_root_begin(struct hash_root *root);
void hash_root_add(struct hash_root *root, const uint8_t leaf[HASH_LEN]);
void hash_root_end(struct hash_root *root, uint64_t size, uint8_t out[HASH_LEN]);

/* A file that is read leaf by leaf; holes cost no reading. */
struct leaf_reader {
    int fd;
    uint64_t size;    /* what is read at most */
    uint64_t data_at; /* nothing but a hole lies before this */
    bool zero_known;
    uint8_t zero[HASH_LEN]; /* the hash of a whole leaf of zeros */
};

struct leaf {
    uint32_t len; /* 0: the file has ended */
    bool zero;    /* nothing but zeros; the buffer may then be untouched */
    uint8_t hash[HASH_LEN];
};

void leaf_reader_begin(struct leaf_reader *reader, int fd, uint64_t size);
/* Reads leaf `number` into `buffer` of LEAF_LEN bytes. False: errno says why. */
bool leaf_reader_read(struct leaf_reader *reader, uint64_t number, uint8_t *buffer, struct leaf *leaf);
/* Fills in `zero` and `hash` of what is in the buffer. */
void leaf_describe(struct leaf *leaf, const uint8_t *buffer, uint32_t len);

#endif
