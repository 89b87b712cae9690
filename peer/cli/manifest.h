/* manifest.h - what a sender offers: files, folders and links, by path beneath the receiver's folder.
 *
 * Everything in a manifest that was parsed holds: paths are as manifest_path_problem asks, none comes twice,
 * every parent is a folder of the manifest that comes earlier. */
#ifndef MANIFEST_H
#define MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MANIFEST_ENTRIES_MAX = 500000,
    MANIFEST_BYTES_MAX = 64 << 20, /* encoded */
    MANIFEST_PATH_MAX = 4000,      /* bytes: below PATH_MAX with some room for the target's own */
    MANIFEST_DEPTH_MAX = 100,      /* parts of a path */
    MANIFEST_NAME_MAX = 255        /* bytes of a part */
};

#define MANIFEST_SIZE_MAX (UINT64_C(1) << 43) /* bytes of a file: 8 TiB */
#define MANIFEST_SIZE_UNKNOWN UINT64_MAX      /* standard input: the end tells */

enum entry_kind { ENTRY_FILE = 'f', ENTRY_FOLDER = 'd', ENTRY_LINK = 'l' };

struct manifest_entry {
    char *path;   /* parts with / in between */
    char *target; /* of a link; NULL otherwise */
    uint64_t size;
    int64_t modified_s;
    uint32_t modified_ns;
    uint16_t mode; /* the nine bits of permission */
    uint8_t kind;
};

/* Begins zeroed. */
struct manifest {
    struct manifest_entry *entries;
    uint32_t count, capacity;
    uint32_t files, folders, links;
    uint64_t bytes; /* of all files whose size is known */
    bool endless;   /* one of them is not known */
};

/* NULL: the path may be created beneath a folder. Else what is wrong with it. */
const char *manifest_path_problem(const char *path, size_t len);
/* NULL: the link leads nowhere but beneath the folder: relative, and never above it. */
const char *manifest_target_problem(const char *path, const char *target);
/* Copies path and target. False: no memory, or too many. */
bool manifest_add(struct manifest *manifest, const struct manifest_entry *entry);
/* All of it, encoded, for the caller to free; NULL: no memory. */
uint8_t *manifest_encode(const struct manifest *manifest, size_t *len);
/* Fills the zeroed *manifest. Returns what is wrong, or NULL. In both cases manifest_free. */
const char *manifest_parse(struct manifest *manifest, const uint8_t *data, size_t len);
void manifest_free(struct manifest *manifest);

#endif
