/* file_reader.c - a thread that reads the files of a tree, and gives out what the receiver lacks.
 *
 * Every leaf is read and hashed once, compared with what the receiver has, and sent if it differs: a transfer
 * that goes on is the same as one that begins. So nothing has to be remembered here, and a file that has
 * changed in between is sent as it is now. */
#include "file_reader.h"

#include "bell.h"
#include "file_hash.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PIECES = 16
}; /* 2 MiB: some milliseconds of a slow disk at 1 Gbit/s, and no more memory than a stream's window */

struct file_reader {
    const struct file_tree *tree;
    struct held *held;
    void (*wake)(void *);
    void *context;
    struct pieces pieces;
    pthread_t thread;
    struct bell stop; /* rings when the thread is to end: it may be waiting for standard input */
    atomic_bool done;
    atomic_ullong held_bytes;
};

/* What is going on with one file. */
struct reading {
    struct file_reader *reader;
    uint32_t file;
    struct held *held;
    struct hash_root root;
    uint64_t size;                  /* read so far */
    uint32_t leaves_sent;           /* DATA and ZERO */
    uint32_t zero_from, zero_count; /* a run of zeros not yet told */
    char why[REASON_MAX + 1];       /* of a failure */
};

static void put(struct file_reader *reader, struct piece *piece)
{
    record_write(piece->head, &piece->record);
    pieces_put_ready(&reader->pieces, piece);
    reader->wake(reader->context);
}

/* ---- what is told ---- */

static bool tell_zeros(struct reading *reading)
{
    struct piece *piece;
    if (!reading->zero_count)
        return true;
    if (!(piece = pieces_unused(&reading->reader->pieces, true)))
        return false;
    piece->record = (struct record){RECORD_ZERO, reading->file, reading->zero_from, reading->zero_count};
    reading->zero_count = 0;
    put(reading->reader, piece);
    return true;
}

static bool tell_end(struct reading *reading)
{
    struct finish finish = {.size = reading->size, .leaves_sent = reading->leaves_sent};
    struct piece *piece;
    hash_root_end(&reading->root, reading->size, finish.root);
    if (!(piece = pieces_unused(&reading->reader->pieces, true)))
        return false;
    piece->record = (struct record){RECORD_FINISH, reading->file, 0, FINISH_LEN};
    finish_write(piece->data, &finish);
    put(reading->reader, piece);
    return true;
}

static bool tell_failure(struct reading *reading)
{
    struct piece *piece = pieces_unused(&reading->reader->pieces, true);
    if (!piece)
        return false;
    size_t len = strlen(reading->why);
    piece->record = (struct record){RECORD_FAILED, reading->file, 0, (uint32_t)len};
    memcpy(piece->data, reading->why, len);
    put(reading->reader, piece);
    return true;
}

static void fail(struct reading *reading, const char *what, int error)
{
    snprintf(reading->why, sizeof reading->why, "%s%s%s", what, error ? ": " : "",
             error ? strerror(error) : "");
}

/* ---- standard input ---- */

/* Fills a leaf; waits for input, or for the end of the thread (then errno is ECANCELED). */
static ssize_t read_input(struct file_reader *reader, uint8_t *buffer)
{
    size_t have = 0;
    while (have < LEAF_LEN) {
        struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                                {.fd = bell_fd(&reader->stop), .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return -1;
        if (fds[1].revents) {
            errno = ECANCELED;
            return -1;
        }
        if (!fds[0].revents)
            continue;
        ssize_t got = read(STDIN_FILENO, buffer + have, LEAF_LEN - have);
        if (got < 0 && errno != EINTR && errno != EAGAIN)
            return -1;
        if (got == 0)
            break;
        have += got > 0 ? (size_t)got : 0;
    }
    return (ssize_t)have;
}

/* ---- one file ---- */

static bool receiver_has(const struct reading *reading, uint64_t number, const struct leaf *leaf)
{
    const uint8_t *hashes;
    unsigned flags;
    if (number >= reading->held->count)
        return false;
    leaf_map_run(&reading->held->leaves, number, &flags, &hashes);
    if (flags & LEAF_ZERO)
        return leaf->zero && leaf->len == LEAF_LEN;
    return hashes && memcmp(hashes, leaf->hash, HASH_LEN) == 0;
}

/* Sends the leaf or not; gives the piece on or back. False: the thread is to end, or `why` is set. */
static bool deal(struct reading *reading, uint64_t number, struct piece *piece, const struct leaf *leaf)
{
    struct file_reader *reader = reading->reader;
    bool has = receiver_has(reading, number, leaf), empty = !has && leaf->zero && leaf->len == LEAF_LEN;
    hash_root_add(&reading->root, leaf->hash);
    reading->size += leaf->len;
    if (has)
        atomic_fetch_add(&reader->held_bytes, leaf->len);
    else if (reading->held->whole)
        fail(reading, "another file of this name is there already", 0);
    if (empty && reading->zero_count++ == 0)
        reading->zero_from = (uint32_t)number;
    reading->leaves_sent += !has;
    if (has || empty || *reading->why) {
        pieces_put_unused(&reader->pieces, piece);
        return !*reading->why && (empty || tell_zeros(reading));
    }
    if (!tell_zeros(reading)) {
        pieces_put_unused(&reader->pieces, piece);
        return false;
    }
    piece->record = (struct record){RECORD_DATA, reading->file, (uint32_t)number, leaf->len};
    put(reader, piece);
    return true;
}

/* A hole, as far as it and what the receiver has there go. False: `why` is set. */
static bool deal_hole(struct reading *reading, uint64_t number, uint64_t *count)
{
    const uint8_t *hashes;
    unsigned flags = LEAF_ABSENT;
    uint64_t run = *count;
    if (number < reading->held->count)
        run = leaf_map_run(&reading->held->leaves, number, &flags, &hashes);
    *count = *count < run ? *count : run;
    hash_root_add_zeros(&reading->root, *count);
    reading->size += *count * LEAF_LEN;
    if (flags & LEAF_ZERO) {
        atomic_fetch_add(&reading->reader->held_bytes, *count * LEAF_LEN);
        return tell_zeros(reading); /* a run of them ends here */
    }
    if (reading->held->whole)
        fail(reading, "another file of this name is there already", 0);
    if (!reading->zero_count)
        reading->zero_from = (uint32_t)number;
    reading->zero_count += (uint32_t)*count;
    reading->leaves_sent += (uint32_t)*count;
    return !*reading->why;
}

static bool read_piece(struct reading *reading, struct leaf_reader *leaves, uint64_t number,
                       struct piece *piece, struct leaf *leaf)
{
    if (reading->reader->tree->sources[reading->file])
        return leaf_reader_read(leaves, number, piece->data, leaf);
    ssize_t got = read_input(reading->reader, piece->data);
    if (got >= 0)
        leaf_describe(leaf, piece->data, (uint32_t)got);
    return got >= 0;
}

/* A leaf, or a hole; *count: how many leaves it was. False: at the end, or as deal. */
static bool read_some(struct reading *reading, struct leaf_reader *leaves, uint64_t number, uint64_t *count)
{
    struct leaf leaf;
    *count = reading->reader->tree->sources[reading->file] ? leaf_reader_hole(leaves, number) : 0;
    if (*count)
        return deal_hole(reading, number, count);
    *count = 1;
    struct piece *piece = pieces_unused(&reading->reader->pieces, true);
    if (!piece)
        return false;
    bool read = read_piece(reading, leaves, number, piece, &leaf);
    if (!read)
        fail(reading, "it cannot be read", errno);
    if (!read || leaf.len == 0) {
        pieces_put_unused(&reading->reader->pieces, piece);
        return false;
    }
    return deal(reading, number, piece, &leaf) && leaf.len == LEAF_LEN;
}

static bool same_time(const struct stat *status, const struct manifest_entry *entry)
{
    return status->st_mtim.tv_sec == entry->modified_s &&
           (uint32_t)status->st_mtim.tv_nsec == entry->modified_ns;
}

/* What was read must be the file that was announced, from the first leaf to the last. */
static void check_unchanged(struct reading *reading, int fd, const struct manifest_entry *entry)
{
    struct stat status;
    if (entry->size == MANIFEST_SIZE_UNKNOWN || *reading->why)
        return;
    if (fstat(fd, &status) != 0)
        fail(reading, "it cannot be read", errno);
    else if (reading->size != entry->size || (uint64_t)status.st_size != entry->size ||
             !same_time(&status, entry))
        fail(reading, "it was changed while it was sent", 0);
}

static void read_file(struct reading *reading, int fd, const struct manifest_entry *entry)
{
    struct leaf_reader leaves;
    /* Not a byte more than announced, should it grow. */
    leaf_reader_begin(&leaves, fd, entry->size);
    hash_root_begin(&reading->root);
    for (uint64_t number = 0, count;
         !atomic_load(&reading->held->skip) && !*reading->why && read_some(reading, &leaves, number, &count);
         number += count)
        if (reading->size > MANIFEST_SIZE_MAX)
            fail(reading, "it is larger than 8 TiB", 0);
    check_unchanged(reading, fd, entry);
}

/* False: the thread is to end. */
static bool send_file(struct file_reader *reader, uint32_t file)
{
    const struct manifest_entry *entry = &reader->tree->manifest.entries[file];
    struct reading reading = {.reader = reader, .file = file, .held = &reader->held[file]};
    if (atomic_load(&reading.held->skip))
        return true;
    int fd = file_tree_open(reader->tree, file);
    if (fd >= 0) {
        posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* only faster */
        read_file(&reading, fd, entry);
        if (fd != STDIN_FILENO)
            close(fd);
    } else {
        fail(&reading, "it cannot be opened", errno);
    }
    if (atomic_load(&reading.held->skip))
        return true;
    return *reading.why ? tell_failure(&reading) : tell_zeros(&reading) && tell_end(&reading);
}

static void *run(void *context)
{
    struct file_reader *reader = context;
    const struct manifest *manifest = &reader->tree->manifest;
    for (uint32_t file = 0; file < manifest->count; file++)
        if (manifest->entries[file].kind == ENTRY_FILE && !send_file(reader, file))
            break;
    atomic_store(&reader->done, true);
    reader->wake(reader->context);
    return NULL;
}

/* ---- from the loop ---- */

struct file_reader *file_reader_new(const struct file_tree *tree, struct held *held, void (*wake)(void *),
                                    void *context)
{
    sigset_t all, before;
    struct file_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return NULL;
    *reader = (struct file_reader){.tree = tree, .held = held, .wake = wake, .context = context};
    bool pool = bell_open(&reader->stop) && pieces_begin(&reader->pieces, PIECES);
    sigfillset(&all); /* signals are the loop's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool runs = pool && pthread_create(&reader->thread, NULL, run, reader) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (runs)
        return reader;
    if (pool)
        pieces_end(&reader->pieces);
    bell_close(&reader->stop);
    free(reader);
    return NULL;
}

struct piece *file_reader_take(struct file_reader *reader)
{
    return pieces_ready(&reader->pieces, false);
}

void file_reader_give_back(struct file_reader *reader, struct piece *piece)
{
    pieces_put_unused(&reader->pieces, piece);
}

bool file_reader_done(struct file_reader *reader)
{
    return atomic_load(&reader->done);
}

uint64_t file_reader_held(struct file_reader *reader)
{
    return atomic_load(&reader->held_bytes);
}

void file_reader_free(struct file_reader *reader)
{
    if (!reader)
        return;
    pieces_stop(&reader->pieces);
    bell_ring(&reader->stop);
    pthread_join(reader->thread, NULL);
    pieces_end(&reader->pieces);
    bell_close(&reader->stop);
    free(reader);
}
