/* file_names.c - gives written files their names, once the disk has all of them. */
#include "file_names.h"

#include <errno.h>

void file_names_begin(struct file_names *names, struct file_store *store, const struct manifest *manifest,
                      void (*named)(void *context, uint32_t file, int error), void *context)
{
    names->store = store, names->manifest = manifest;
    names->named = named, names->context = context;
    names->written.count = names->synced.count = 0;
    names->written.bytes = names->synced.bytes = 0;
    file_sync_begin(&names->sync, store->root);
}

/* What was on its way to the disk is there, or is waited for. */
static int name_synced(struct file_names *names)
{
    struct file_batch *batch = &names->synced;
    int error = batch->count ? file_sync_wait(&names->sync) : 0;
    if (error)
        return error;
    for (unsigned i = 0; i < batch->count; i++) {
        const char *path = names->manifest->entries[batch->files[i]].path;
        names->named(names->context, batch->files[i], file_store_finish(names->store, path) ? 0 : errno);
    }
    batch->count = 0;
    return 0;
}

static int sync_written(struct file_names *names)
{
    int error = name_synced(names);
    if (error || !names->written.count)
        return error;
    names->synced = names->written;
    names->written.count = 0;
    names->written.bytes = 0;
    file_sync_ask(&names->sync);
    return 0;
}

int file_names_look(struct file_names *names)
{
    const struct file_batch *batch = &names->written;
    bool enough = batch->count >= BATCH_FILES_MIN || batch->bytes >= BATCH_BYTES_MIN;
    if ((!enough && !names->synced.count) || file_sync_busy(&names->sync))
        return 0;
    return enough ? sync_written(names) : name_synced(names);
}

int file_names_add(struct file_names *names, uint32_t file, uint64_t bytes)
{
    struct file_batch *batch = &names->written;
    batch->files[batch->count++] = file;
    batch->bytes += bytes;
    bool full = batch->count == BATCH_FILES_MAX || batch->bytes >= BATCH_BYTES_MAX;
    return full ? sync_written(names) : file_names_look(names);
}

int file_names_all(struct file_names *names)
{
    int error = sync_written(names);
    return error ? error : name_synced(names);
}

void file_names_end(struct file_names *names)
{
    file_sync_end(&names->sync);
}
