/* file_hash.c - a file's tree of hashes. */
#include "file_hash.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

static const uint8_t leaf_person[crypto_generichash_blake2b_PERSONALBYTES] = "p2pconnect leaf";
static const uint8_t node_person[crypto_generichash_blake2b_PERSONALBYTES] = "p2pconnect node";
static const uint8_t root_person[crypto_generichash_blake2b_PERSONALBYTES] = "p2pconnect root";

void hash_leaf(uint8_t out[HASH_LEN], const uint8_t *data, size_t len)
{
    crypto_generichash_blake2b_salt_personal(out, HASH_LEN, data, len, NULL, 0, NULL, leaf_person);
}

/* `out` may be one of the two. */
static void hash_node(uint8_t out[HASH_LEN], const uint8_t left[HASH_LEN], const uint8_t right[HASH_LEN])
{
    uint8_t both[2 * HASH_LEN];
    memcpy(both, left, HASH_LEN);
    memcpy(both + HASH_LEN, right, HASH_LEN);
    crypto_generichash_blake2b_salt_personal(out, HASH_LEN, both, sizeof both, NULL, 0, NULL, node_person);
}

/* ---- zeros ---- */

static uint8_t zero_trees[HASH_LEVELS][HASH_LEN];

static void grow_zero_trees(void)
{
    static const uint8_t zeros[LEAF_LEN];
    hash_leaf(zero_trees[0], zeros, LEAF_LEN);
    for (unsigned level = 1; level < HASH_LEVELS; level++)
        hash_node(zero_trees[level], zero_trees[level - 1], zero_trees[level - 1]);
}

/* Only for who meets zeros: for a small file it would take longer than the file. */
const uint8_t *hash_zeros(unsigned level)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, grow_zero_trees);
    return zero_trees[level];
}

/* ---- the root ---- */

void hash_root_begin(struct hash_root *root)
{
    root->leaves = 0;
}

/* A whole tree of 2^level leaves, where one of that size may begin. */
static void add_tree(struct hash_root *root, unsigned level, const uint8_t tree[HASH_LEN])
{
    uint8_t hash[HASH_LEN];
    unsigned at = level;
    memcpy(hash, tree, HASH_LEN);
    for (; root->leaves >> at & 1; at++)
        hash_node(hash, root->done[at], hash);
    memcpy(root->done[at], hash, HASH_LEN);
    root->leaves += UINT64_C(1) << level;
}

void hash_root_add(struct hash_root *root, const uint8_t leaf[HASH_LEN])
{
    add_tree(root, 0, leaf);
}

void hash_root_add_zeros(struct hash_root *root, uint64_t count)
{
    while (count) {
        unsigned level = 0;
        while (level + 1 < HASH_LEVELS && !(root->leaves >> level & 1) && count >> (level + 1))
            level++;
        add_tree(root, level, hash_zeros(level));
        count -= UINT64_C(1) << level;
    }
}

/* RFC 6962 divides at the largest power of two: what is left of the trees joins from the right. */
void hash_root_end(struct hash_root *root, uint64_t size, uint8_t out[HASH_LEN])
{
    uint8_t bytes[HASH_LEN + 8];
    size_t len = 0;
    for (unsigned level = 0; level < HASH_LEVELS; level++) {
        if (!(root->leaves >> level & 1))
            continue;
        if (len)
            hash_node(bytes, root->done[level], bytes);
        else
            memcpy(bytes, root->done[level], HASH_LEN);
        len = HASH_LEN;
    }
    wire_put64(bytes + len, size);
    crypto_generichash_blake2b_salt_personal(out, HASH_LEN, bytes, len + 8, NULL, 0, NULL, root_person);
}

/* ---- a file ---- */

void leaf_reader_begin(struct leaf_reader *reader, int fd, uint64_t size)
{
    *reader = (struct leaf_reader){.fd = fd, .size = size};
}

void leaf_describe(struct leaf *leaf, const uint8_t *buffer, uint32_t len)
{
    leaf->len = len;
    leaf->zero = len > 0 && buffer[0] == 0 && memcmp(buffer, buffer + 1, len - 1) == 0;
    hash_leaf(leaf->hash, buffer, len);
}

/* Systems that cannot say have no holes. */
uint64_t leaf_reader_hole(struct leaf_reader *reader, uint64_t number)
{
    uint64_t from = number * LEAF_LEN;
    if (from + LEAF_LEN > reader->size)
        return 0;
    if (from >= reader->data_at) {
        off_t next = lseek(reader->fd, (off_t)from, SEEK_DATA);
        if (next >= 0)
            reader->data_at = (uint64_t)next;
        else /* ENXIO: a hole up to the end */
            reader->data_at = errno == ENXIO ? UINT64_MAX : from;
    }
    uint64_t end = reader->data_at < reader->size ? reader->data_at : reader->size;
    return end > from ? (end - from) / LEAF_LEN : 0;
}

bool leaf_reader_read(struct leaf_reader *reader, uint64_t number, uint8_t *buffer, struct leaf *leaf)
{
    uint64_t from = number * LEAF_LEN;
    uint64_t left = from < reader->size ? reader->size - from : 0;
    size_t want = left < LEAF_LEN ? (size_t)left : LEAF_LEN, have = 0;
    while (have < want) {
        ssize_t got = pread(reader->fd, buffer + have, want - have, (off_t)(from + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        if (got == 0)
            break;
        have += (size_t)got;
    }
    leaf_describe(leaf, buffer, (uint32_t)have);
    return true;
}
