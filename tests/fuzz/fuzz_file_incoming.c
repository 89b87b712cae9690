/* fuzz_file_incoming.c - records of a file, whatever they say. What is taken lies within what was announced,
 * and costs no more than what was said. */
#include "file_incoming.h"
#include "fuzz.h"
#include "manifest.h"
#include <string.h>

enum { CELLS_A_RECORD = 4 * 512 * 3 };

static void take(struct incoming *incoming, const struct record *record)
{
    uint8_t hash[HASH_LEN] = {record->kind};
    bool zeros = record->kind == RECORD_ZERO;
    uint64_t len = zeros ? (uint64_t)record->len * LEAF_LEN : record->len;
    uint64_t most = incoming->size == MANIFEST_SIZE_UNKNOWN ? MANIFEST_SIZE_MAX : incoming->size;
    if (incoming_problem(incoming, record->leaf, zeros ? record->len : 1, len))
        return;
    must((uint64_t)record->leaf * LEAF_LEN + len <= most);
    must(!incoming->has_last || len % LEAF_LEN == 0 || incoming->size != MANIFEST_SIZE_UNKNOWN);
    if (zeros)
        incoming_receive_zeros(incoming, record->leaf, record->len);
    else
        incoming_receive(incoming, record->leaf, record->len, hash);
    must(incoming->received <= leaves_of(most));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct incoming incoming = {.fd = -1};
    struct record record;
    unsigned records = 0;
    if (size < 8)
        return 0;
    uint64_t announced = wire_get64(data);
    incoming_begin(&incoming, announced > MANIFEST_SIZE_MAX ? MANIFEST_SIZE_UNKNOWN : announced);
    for (size_t at = 8; size - at >= RECORD_LEN; at += RECORD_LEN) {
        if (record_read(&record, data + at) && (record.kind == RECORD_DATA || record.kind == RECORD_ZERO))
            take(&incoming, &record);
        records++;
    }
    must(incoming.leaves.cells <= (uint64_t)records * CELLS_A_RECORD);
    incoming.finish.size = incoming.size == MANIFEST_SIZE_UNKNOWN ? 3 * LEAF_LEN : incoming.size;
    must(incoming_verify(&incoming) != NULL); /* nobody finds the root of zeros by chance */
    incoming_free(&incoming);
    return 0;
}
