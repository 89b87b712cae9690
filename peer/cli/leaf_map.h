/* leaf_map.h - what is known of each leaf of a file: nothing, a hash, or that it is zeros.
 *
 * A radix tree, in which what is alike takes one cell however large: what somebody says of a terabyte in
 * sixteen bytes costs a few hundred cells, in memory as in time, and a hash 2 KiB where it is alone. */
#ifndef LEAF_MAP_H
#define LEAF_MAP_H

#include "file_wire.h"

enum leaf_flag {
    LEAF_ABSENT = 0,
    LEAF_HELD = 1,     /* it was there before */
    LEAF_RECEIVED = 2, /* it came in this run */
    LEAF_ZERO = 4      /* with one of the two: it is zeros, and has no hash here */
};

enum {
    LEAF_CELLS_MAX = 1 << 27 /* known of at once, of all files of a transfer: two files of 8 TiB. Of leaves a
                              * cell is a byte, and of what is above them ten; hashes come to that */
};

struct leaf_page;

struct leaf_map {
    struct leaf_page *root; /* NULL: nothing is known */
    uint64_t leaves;        /* of the file */
    unsigned height;
    uint64_t cells; /* that exist; their hashes are not counted: whoever tells them sends them, or the leaf */
};

/* For a file of so many leaves; nothing is known of them. */
void leaf_map_begin(struct leaf_map *map, uint64_t leaves);
/* What is known of `leaf` from now on; leaf < leaves. False: no memory. */
bool leaf_map_put(struct leaf_map *map, uint64_t leaf, const uint8_t hash[HASH_LEN], enum leaf_flag flag);
/* The same of `count` leaves of zeros. */
bool leaf_map_put_zeros(struct leaf_map *map, uint64_t first, uint64_t count, enum leaf_flag flag);
/* How many leaves from `leaf` (< leaves) on have the same flags, or some of them. *hashes: theirs, unless
 * they are absent or zeros. */
uint64_t leaf_map_run(const struct leaf_map *map, uint64_t leaf, unsigned *flags, const uint8_t **hashes);
/* Forgets everything. */
void leaf_map_free(struct leaf_map *map);

#endif
