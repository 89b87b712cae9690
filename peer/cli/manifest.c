/* manifest.c - what a sender offers: files, folders and links.
 *
 * Names may be of any alphabet, and need not be UTF-8. Control characters are refused: a name must not steer
 * the terminal on which somebody lists the folder later. So are the names of our own unfinished files. */
#include "manifest.h"

#include "file_part.h"
#include "file_wire.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t magic[8] = "p2pfile\1";

enum { ENTRY_HEAD = 1 + 2 + 8 + 4 + 8 + 2 + 2 };

/* ---- paths ---- */

static const char *part_problem(const char *part, size_t len)
{
    if (len == 0)
        return "a part of its path is empty";
    if (len > MANIFEST_NAME_MAX)
        return "a part of its path is longer than 255 bytes";
    if ((len == 1 && part[0] == '.') || (len == 2 && part[0] == '.' && part[1] == '.'))
        return "its path has . or .. in it";
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)part[i] < 0x20 || part[i] == 0x7f)
            return "its name has control characters";
    return part_name_is(part, len) ? "its name is one of those that unfinished files get here" : NULL;
}

const char *manifest_path_problem(const char *path, size_t len)
{
    unsigned depth = 0;
    if (len == 0 || len > MANIFEST_PATH_MAX)
        return "its path is too long, or empty";
    for (size_t at = 0; at <= len;) {
        const char *slash = memchr(path + at, '/', len - at);
        size_t end = slash ? (size_t)(slash - path) : len;
        const char *problem = part_problem(path + at, end - at);
        if (problem)
            return problem;
        if (++depth > MANIFEST_DEPTH_MAX)
            return "its folder is too deep";
        at = end + 1;
    }
    return NULL;
}

const char *manifest_target_problem(const char *path, const char *target)
{
    int depth = 0;
    if (!*target || *target == '/' || strlen(target) > MANIFEST_PATH_MAX)
        return "the link leads to an absolute path";
    for (const char *at = path; *at; at++)
        depth += *at == '/';
    for (const char *at = target; *at;) {
        size_t len = strcspn(at, "/");
        if (len == 2 && at[0] == '.' && at[1] == '.')
            depth--;
        else if (len > 0 && !(len == 1 && at[0] == '.'))
            depth++;
        if (depth < 0)
            return "the link leads out of what is sent";
        at += len + (at[len] == '/');
    }
    return NULL;
}

/* ---- building ---- */

static bool grow(struct manifest *manifest)
{
    if (manifest->count < manifest->capacity)
        return true;
    if (manifest->count >= MANIFEST_ENTRIES_MAX)
        return false;
    uint32_t capacity = manifest->capacity ? manifest->capacity * 2 : 64;
    struct manifest_entry *entries = realloc(manifest->entries, capacity * sizeof *entries);
    if (!entries)
        return false;
    manifest->entries = entries;
    manifest->capacity = capacity;
    return true;
}

static void tally(struct manifest *manifest, const struct manifest_entry *entry)
{
    manifest->files += entry->kind == ENTRY_FILE;
    manifest->folders += entry->kind == ENTRY_FOLDER;
    manifest->links += entry->kind == ENTRY_LINK;
    if (entry->kind == ENTRY_FILE && entry->size == MANIFEST_SIZE_UNKNOWN)
        manifest->endless = true;
    else if (entry->kind == ENTRY_FILE)
        manifest->bytes += entry->size; /* 500,000 times 8 TiB is less than 2^63 */
}

bool manifest_add(struct manifest *manifest, const struct manifest_entry *entry)
{
    if (!grow(manifest))
        return false;
    struct manifest_entry copy = *entry;
    copy.path = strdup(entry->path);
    copy.target = entry->target ? strdup(entry->target) : NULL;
    if (!copy.path || (entry->target && !copy.target)) {
        free(copy.path);
        free(copy.target);
        return false;
    }
    manifest->entries[manifest->count++] = copy;
    tally(manifest, entry);
    return true;
}

void manifest_free(struct manifest *manifest)
{
    for (uint32_t i = 0; i < manifest->count; i++) {
        free(manifest->entries[i].path);
        free(manifest->entries[i].target);
    }
    free(manifest->entries);
    *manifest = (struct manifest){0};
}

/* ---- encoding ---- */

static size_t encoded_len(const struct manifest_entry *entry)
{
    return ENTRY_HEAD + strlen(entry->path) + (entry->target ? strlen(entry->target) : 0);
}

static uint8_t *encode_entry(uint8_t *at, const struct manifest_entry *entry)
{
    size_t path_len = strlen(entry->path), target_len = entry->target ? strlen(entry->target) : 0;
    at[0] = entry->kind;
    wire_put16(at + 1, entry->mode);
    wire_put64(at + 3, (uint64_t)entry->modified_s);
    wire_put32(at + 11, entry->modified_ns);
    wire_put64(at + 15, entry->size);
    wire_put16(at + 23, (uint16_t)path_len);
    wire_put16(at + 25, (uint16_t)target_len);
    memcpy(at + ENTRY_HEAD, entry->path, path_len);
    if (target_len)
        memcpy(at + ENTRY_HEAD + path_len, entry->target, target_len);
    return at + ENTRY_HEAD + path_len + target_len;
}

uint8_t *manifest_encode(const struct manifest *manifest, size_t *len)
{
    *len = sizeof magic;
    for (uint32_t i = 0; i < manifest->count; i++)
        *len += encoded_len(&manifest->entries[i]);
    uint8_t *data = malloc(*len), *at = data;
    if (!data)
        return NULL;
    memcpy(at, magic, sizeof magic);
    at += sizeof magic;
    for (uint32_t i = 0; i < manifest->count; i++)
        at = encode_entry(at, &manifest->entries[i]);
    return data;
}

/* ---- parsing ---- */

static const char *entry_problem(const struct manifest_entry *entry, size_t path_len, size_t target_len)
{
    bool file = entry->kind == ENTRY_FILE, link = entry->kind == ENTRY_LINK;
    if (!file && !link && entry->kind != ENTRY_FOLDER)
        return "an entry is of no known kind";
    if (strlen(entry->path) != path_len || (target_len && strlen(entry->target) != target_len))
        return "a path has a NUL in it";
    if (entry->mode > 0777 || entry->modified_ns > 999999999 || (target_len > 0) != link)
        return "an entry makes no sense";
    if (file ? entry->size > MANIFEST_SIZE_MAX && entry->size != MANIFEST_SIZE_UNKNOWN : entry->size != 0)
        return "a file is too large";
    const char *problem = manifest_path_problem(entry->path, path_len);
    return problem || !link ? problem : manifest_target_problem(entry->path, entry->target);
}

/* Reads one entry; returns the bytes that it took, 0: wrong, *problem says what. */
static size_t parse_entry(struct manifest *manifest, const uint8_t *at, size_t left, const char **problem)
{
    static const char cut[] = "it is cut off";
    char path[MANIFEST_PATH_MAX + 1], target[MANIFEST_PATH_MAX + 1];
    *problem = cut;
    if (left < ENTRY_HEAD)
        return 0;
    size_t path_len = wire_get16(at + 23), target_len = wire_get16(at + 25);
    if (path_len > MANIFEST_PATH_MAX || target_len > MANIFEST_PATH_MAX ||
        left - ENTRY_HEAD < path_len + target_len)
        return 0;
    memcpy(path, at + ENTRY_HEAD, path_len);
    memcpy(target, at + ENTRY_HEAD + path_len, target_len);
    path[path_len] = target[target_len] = '\0';
    struct manifest_entry entry = {
        .kind = at[0],
        .mode = wire_get16(at + 1),
        .modified_s = (int64_t)wire_get64(at + 3),
        .modified_ns = wire_get32(at + 11),
        .size = wire_get64(at + 15),
        .path = path,
        .target = target_len ? target : NULL,
    };
    *problem = entry_problem(&entry, path_len, target_len);
    if (*problem)
        return 0;
    if (!manifest_add(manifest, &entry)) {
        *problem = "there are too many entries, or no memory is left";
        return 0;
    }
    return ENTRY_HEAD + path_len + target_len;
}

static int by_path(const void *a, const void *b)
{
    const struct manifest_entry *const *left = a, *const *right = b;
    return strcmp((*left)->path, (*right)->path);
}

static bool has_parent(struct manifest_entry *const *sorted, uint32_t count,
                       const struct manifest_entry *entry)
{
    char path[MANIFEST_PATH_MAX + 1];
    const char *slash = strrchr(entry->path, '/');
    if (!slash)
        return true;
    memcpy(path, entry->path, (size_t)(slash - entry->path));
    path[slash - entry->path] = '\0';
    const struct manifest_entry key = {.path = path}, *wanted = &key;
    struct manifest_entry *const *found = bsearch(&wanted, sorted, count, sizeof *sorted, by_path);
    return found && (*found)->kind == ENTRY_FOLDER && *found < entry;
}

/* None twice, and every parent is a folder that comes before its children. */
static const char *order_problem(struct manifest *manifest)
{
    struct manifest_entry **sorted = malloc((manifest->count + 1) * sizeof *sorted);
    const char *problem = sorted ? NULL : "no memory is left";
    for (uint32_t i = 0; sorted && i < manifest->count; i++)
        sorted[i] = &manifest->entries[i];
    if (sorted)
        qsort(sorted, manifest->count, sizeof *sorted, by_path);
    for (uint32_t i = 1; sorted && i < manifest->count && !problem; i++)
        if (strcmp(sorted[i - 1]->path, sorted[i]->path) == 0)
            problem = "a path comes twice";
    for (uint32_t i = 0; sorted && i < manifest->count && !problem; i++)
        if (!has_parent(sorted, manifest->count, &manifest->entries[i]))
            problem = "a folder is not announced before what is in it";
    free(sorted);
    return problem;
}

const char *manifest_parse(struct manifest *manifest, const uint8_t *data, size_t len)
{
    const char *problem;
    if (len < sizeof magic || memcmp(data, magic, sizeof magic) != 0)
        return "it is no manifest, or one of another version";
    for (size_t at = sizeof magic; at < len;) {
        size_t taken = parse_entry(manifest, data + at, len - at, &problem);
        if (!taken)
            return problem;
        at += taken;
    }
    return manifest->count ? order_problem(manifest) : "it is empty";
}
