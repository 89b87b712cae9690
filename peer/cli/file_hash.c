/* file_hash.c - a file's tree of hashes. */
#include "file_hash.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const uint8_t leaf_person[crypto_generichash_blake2b_PERSONALBYTES] = "p2pconnect leaf";
static const uint8_t root_person[crypto_generichash_blake2b_PERSONALBYTES] = "p2pconnect root";

void hash_leaf(uint8_t out[HASH_LEN], const uint8_t *data, size_t len)
{
    crypto_generichash_blake2b_salt_personal(out, HASH_LEN, data, len, NULL, 0, NULL, leaf_person);
}

void hash_root_begin(struct hash_root *root)
{
    crypto_generichash_blake2b_init_salt_personal(&root->state, NULL, 0, HASH_LEN, NULL, root_person);
}

void hash_root_add(struct hash_root *root, const uint8_t leaf[HASH_LEN])
{
    crypto_generichash_blake2b_update(&root->state, leaf, HASH_LEN);
}

void hash_root_end(struct hash_root *root, uint64_t size, uint8_t out[HASH_LEN])
{
    uint8_t bytes[8];
    wire_put64(bytes, size);
    crypto_generichash_blake2b_update(&root->state, bytes, sizeof bytes);
    crypto_generichash_blake2b_final(&root->state, out, HASH_LEN);
}

void leaf_reader_begin(struct leaf_reader *reader, int fd, uint64_t size)
{
    *reader = (struct leaf_reader){.fd = fd, .size = size};
}

/* Worked out for who meets a hole: for each of many small files it would take longer than the file. */
static void hash_zeros(struct leaf_reader *reader, uint8_t out[HASH_LEN])
{
    static const uint8_t zeros[LEAF_LEN];
    if (!reader->zero_known)
        hash_leaf(reader->zero, zeros, LEAF_LEN);
    reader->zero_known = true;
    memcpy(out, reader->zero, HASH_LEN);
}

void leaf_describe(struct leaf *leaf, const uint8_t *buffer, uint32_t len)
{
    leaf->len = len;
    leaf->zero = len > 0 && buffer[0] == 0 && memcmp(buffer, buffer + 1, len - 1) == 0;
    hash_leaf(leaf->hash, buffer, len);
}

/* Whether the whole leaf at `from` lies in a hole. Systems that cannot say have no holes. */
static bool in_hole(struct leaf_reader *reader, uint64_t from)
{
    if (from + LEAF_LEN > reader->size)
        return false;
    if (from >= reader->data_at) {
        off_t next = lseek(reader->fd, (off_t)from, SEEK_DATA);
        if (next >= 0)
            reader->data_at = (uint64_t)next;
        else /* ENXIO: a hole up to the end */
            reader->data_at = errno == ENXIO ? reader->size : from;
    }
    return from + LEAF_LEN <= reader->data_at;
}

bool leaf_reader_read(struct leaf_reader *reader, uint64_t number, uint8_t *buffer, struct leaf *leaf)
{
    uint64_t from = number * LEAF_LEN;
    uint64_t left = from < reader->size ? reader->size - from : 0;
    size_t want = left < LEAF_LEN ? (size_t)left : LEAF_LEN, have = 0;
    if (in_hole(reader, from)) {
        leaf->len = LEAF_LEN, leaf->zero = true;
        hash_zeros(reader, leaf->hash);
        return true;
    }
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
