/* file_writer.h - a thread that looks what of a manifest is there, and writes what comes. */
#ifndef FILE_WRITER_H
#define FILE_WRITER_H

#include "file_mailbox.h"
#include "file_store.h"
#include "pieces.h"

enum {
    FILE_WRITER_PARTS_MAX = 1024 /* unfinished files open at once. Lanes overtake each other, so an honest
                                  * sender needs some too: 117 of 30,000 files of one byte */
};

struct file_writer;

/* Starts the thread. Takes *store over when it succeeds; the manifest stays as it is until file_writer_free.
 * `wake` is called from the thread whenever there is something to take. NULL: no memory, or no thread. */
struct file_writer *file_writer_new(struct file_store *store, const struct manifest *manifest, bool symlinks,
                                    void (*wake)(void *), void *context);
/* For a record to be put together in; NULL: none now, the disk is behind. */
struct piece *file_writer_piece(struct file_writer *writer);
void file_writer_put(struct file_writer *writer, struct piece *piece);
/* Nothing more will be put: what is missing then will not come. */
void file_writer_end(struct file_writer *writer);
/* Frames for the sender, whole ones, so that others may follow: up to `capacity` bytes, 33,000 at
 * least, for the longest must fit. 0: none now. */
size_t file_writer_frames(struct file_writer *writer, uint8_t *out, size_t capacity);
/* What became of a file, in the order of its becoming. False: none now. */
bool file_writer_result(struct file_writer *writer, struct file_result *result);
/* With BROKEN, *why is a sentence, fit for a terminal, as long as the writer lives. */
enum writer_state file_writer_state(struct file_writer *writer, const char **why);
/* Bytes of leaves that need not come again, or are not wanted. */
uint64_t file_writer_done_with(struct file_writer *writer);
/* Whether it has nothing to do but to wait for the sender. */
bool file_writer_waits(struct file_writer *writer);
/* Bytes: written in this run, there before, and zeros that the sender need not send. */
struct writer_bytes {
    uint64_t written, held, zeros;
};

struct writer_bytes file_writer_bytes(struct file_writer *writer);
/* Ends the thread wherever it is, without waiting for it; what has been written stays. */
void file_writer_stop(struct file_writer *writer);
/* Whether the thread is through: then file_writer_free does not wait. */
bool file_writer_ended(struct file_writer *writer);
/* Stops it, waits for the thread, which may be waiting for the disk. NULL is fine. */
void file_writer_free(struct file_writer *writer);

#endif
