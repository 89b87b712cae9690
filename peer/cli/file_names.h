/* file_names.h - gives written files their names, once the disk has all of them.
 *
 * A sync for each of many small files would take longer than the files, so they are synced in batches, and a
 * batch grows while the disk is at the one before it. */
#ifndef FILE_NAMES_H
#define FILE_NAMES_H

#include "file_store.h"
#include "file_sync.h"

enum {
    BATCH_FILES_MIN = 512,  /* go to the disk together: a sync has a price of its own */
    BATCH_FILES_MAX = 2048, /* may wait while it is busy; then who writes waits for it */
    BATCH_BYTES_MIN = 64 << 20,
    BATCH_BYTES_MAX = 256 << 20
};

struct file_batch {
    uint32_t files[BATCH_FILES_MAX];
    unsigned count;
    uint64_t bytes;
};

struct file_names {
    struct file_store *store;
    const struct manifest *manifest;
    void (*named)(void *context, uint32_t file, int error);
    void *context;
    struct file_sync sync;
    struct file_batch written; /* more come to it */
    struct file_batch synced;  /* on its way to the disk: one at a time */
};

/* `named` tells of each file that it has its name, or with an errno why it has none. Store and manifest stay
 * the caller's. */
void file_names_begin(struct file_names *names, struct file_store *store, const struct manifest *manifest,
                      void (*named)(void *context, uint32_t file, int error), void *context);
/* The unfinished file of this entry is whole, in so many bytes, verified and closed. 0, or the errno of the
 * disk: what waits gets no name then, nor does anything later. */
int file_names_add(struct file_names *names, uint32_t file, uint64_t bytes);
/* Names those that the disk has by now, and lets it go on with the next. Never waits. As file_names_add. */
int file_names_look(struct file_names *names);
/* Waits until all have their names. As file_names_add. */
int file_names_all(struct file_names *names);
/* What waits gets no name. */
void file_names_end(struct file_names *names);

#endif
