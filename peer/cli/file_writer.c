/* file_writer.c - a thread that looks what of a manifest is there, and writes what comes.
 *
 * Nothing that was on the disk before is believed: it is read and hashed, so that neither a kill nor a reboot
 * nor a hand in between can make a wrong file of it. What is whole and verified gets its name when the disk
 * has it, see file_names.h. */
#include "file_writer.h"

#include "clock.h"
#include "file_data.h"
#include "file_incoming.h"
#include "file_names.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PIECES = 8,           /* 1 MiB: what was taken from the network and is not yet in the file */
    HAVE_HASHES = 1024,   /* in a frame */
    LOCK_PATIENCE_S = 30, /* a lost session is known to be lost within 15 s */
    LOCK_TRY_MS = 100,
    UNSAFE_BYTES = 8 << 20 /* of a file, written but not yet on its way to the disk */
};

/* What gets its name after the loop has stopped the thread is the batch that the disk had, and the one that
 * waited: it fits a mailbox that the loop has emptied. */
_Static_assert(MAILBOX_RESULTS_MAX >= 2 * BATCH_FILES_MAX, "results are lost");

struct file_writer {
    struct file_store store;
    const struct manifest *manifest;
    bool symlinks;
    struct pieces pieces;
    pthread_t thread;
    struct file_mailbox mailbox;
    atomic_ullong written, held, zeros, done_with;
    atomic_bool waits, ended;

    /* the thread's own */
    struct incoming **incoming; /* one an entry; NULL: nothing known, or settled */
    uint8_t *settled;    /* a byte an entry: arrived, there already, failed, or about to get its name */
    uint64_t cells;      /* of what is known of leaves, in all of `incoming` */
    uint64_t lock_until; /* what another holds is waited for until then (ns); 0: nothing was yet */
    uint32_t open_files; /* of the manifest's files, those not settled */
    unsigned open_parts; /* descriptors of unfinished files */
    struct file_names names;
    uint32_t here, failed;
    uint8_t buffer[LEAF_LEN];
};

static bool goes_on(const struct file_writer *writer)
{
    return file_mailbox_goes_on(&writer->mailbox);
}

static void break_off(struct file_writer *writer, const char *why)
{
    file_mailbox_break(&writer->mailbox, why);
}

/* ---- what becomes of a file ---- */

static void forget(struct file_writer *writer, uint32_t file)
{
    struct incoming *incoming = writer->incoming[file];
    if (!incoming)
        return;
    if (incoming->fd >= 0) {
        close(incoming->fd);
        writer->open_parts--;
    }
    writer->cells -= incoming->leaves.cells;
    incoming_free(incoming);
    free(incoming);
    writer->incoming[file] = NULL;
}

static void settle(struct file_writer *writer, uint32_t file)
{
    forget(writer, file);
    writer->open_files -= !writer->settled[file] && writer->manifest->entries[file].kind == ENTRY_FILE;
    writer->settled[file] = 1;
}

static void fail(struct file_writer *writer, uint32_t file, const char *why)
{
    const struct incoming *incoming = writer->incoming[file];
    if (incoming && incoming->whole) /* it is there, but not what was sent */
        atomic_fetch_sub(&writer->held, incoming->held);
    settle(writer, file);
    writer->failed++;
    file_mailbox_report(&writer->mailbox, file, FATE_FAILED, why);
}

/* Tells the sender too, so that it does not send in vain, and can say what failed. */
static void fail_told(struct file_writer *writer, uint32_t file, const char *why)
{
    uint8_t body[4 + REASON_MAX];
    size_t len = strlen(why) < REASON_MAX ? strlen(why) : REASON_MAX;
    wire_put32(body, file);
    memcpy(body + 4, why, len);
    file_mailbox_tell(&writer->mailbox, FRAME_SKIP, body, 4 + len);
    fail(writer, file, why);
}

/* What fails for this file alone, and what for all that follow. */
static bool is_general(int error)
{
    return error == ENOSPC || error == EDQUOT || error == EROFS || error == EIO || error == ENOMEM ||
           error == EMFILE || error == ENFILE;
}

static const char *words_of(int error)
{
    switch (error) {
    case EEXIST:
        return "something else of this name is there already";
    case EWOULDBLOCK:
        return "another process is receiving it";
    case ELOOP:
    case EXDEV:
    case ENOTDIR:
        return "its folder is a link, or no folder";
    case ENOSPC:
        return "the disk is full";
    case EDQUOT:
        return "the quota is used up";
    case EROFS:
        return "the folder can only be read";
    default:
        return strerror(error);
    }
}

static void fail_error(struct file_writer *writer, uint32_t file, int error)
{
    if (is_general(error))
        break_off(writer, words_of(error));
    else
        fail_told(writer, file, words_of(error));
}

/* ---- unfinished files ---- */

/* A sender that was killed and is here again finds its file held by the session that it had before, until
 * that one is known to be lost. */
static int open_part(struct file_writer *writer, uint32_t file, bool make)
{
    for (;;) {
        int fd = file_store_open_part(&writer->store, writer->manifest->entries[file].path, make);
        if (fd >= 0 || errno != EWOULDBLOCK)
            return fd;
        uint64_t now = clock_now();
        if (!writer->lock_until)
            writer->lock_until = now + LOCK_PATIENCE_S * CLOCK_S;
        errno = EWOULDBLOCK;
        if (now >= writer->lock_until || !goes_on(writer))
            return -1;
        file_mailbox_pause(&writer->mailbox, LOCK_TRY_MS);
    }
}

/* Opens it, if it is not. False: it cannot be, and errno says why. */
static bool open_incoming(struct file_writer *writer, uint32_t file, struct incoming *incoming)
{
    if (incoming->fd >= 0)
        return true;
    incoming->fd = open_part(writer, file, true);
    writer->open_parts += incoming->fd >= 0;
    return incoming->fd >= 0;
}

/* ---- before: what is there ---- */

static struct incoming *incoming_of(struct file_writer *writer, uint32_t file)
{
    if (!writer->incoming[file] && (writer->incoming[file] = calloc(1, sizeof **writer->incoming))) {
        writer->incoming[file]->fd = -1;
        incoming_begin(writer->incoming[file], writer->manifest->entries[file].size);
    }
    if (!writer->incoming[file])
        break_off(writer, words_of(ENOMEM));
    return writer->incoming[file];
}

/* Those of leaves from `first` on, as many as there are and fit. */
static uint64_t gather_hashes(const struct leaf_map *map, uint64_t first, uint8_t *out)
{
    const uint8_t *hashes;
    unsigned flags;
    uint64_t count = 0;
    while (count < HAVE_HASHES && first + count < map->leaves) {
        uint64_t run = leaf_map_run(map, first + count, &flags, &hashes), room = HAVE_HASHES - count;
        if (!hashes)
            break;
        run = run < room ? run : room;
        memcpy(out + count * HASH_LEN, hashes, run * HASH_LEN);
        count += run;
    }
    return count;
}

/* One frame about leaves from `first` on; returns how many they are. */
static uint64_t tell_some(struct file_writer *writer, uint32_t file, const struct incoming *incoming,
                          uint64_t first)
{
    uint8_t body[HAVE_HEAD + HAVE_HASHES * HASH_LEN];
    const uint8_t *hashes;
    unsigned flags;
    uint64_t count = leaf_map_run(&incoming->leaves, first, &flags, &hashes);
    size_t len = HAVE_ZEROS_LEN;
    wire_put32(body, file);
    wire_put32(body + 4, (uint32_t)first);
    body[8] = incoming->whole ? HAVE_WHOLE : 0;
    if (flags & LEAF_ZERO) {
        body[8] |= HAVE_ZEROS;
        wire_put32(body + HAVE_HEAD, (uint32_t)count);
    } else {
        count = gather_hashes(&incoming->leaves, first, body + HAVE_HEAD);
        len = HAVE_HEAD + (size_t)count * HASH_LEN;
    }
    return file_mailbox_tell(&writer->mailbox, FRAME_HAVE, body, len) ? count : 0;
}

/* `count` leaves are known, from the first on. */
static void tell_held(struct file_writer *writer, uint32_t file, const struct incoming *incoming,
                      uint64_t count)
{
    uint8_t empty[HAVE_HEAD] = {0};
    for (uint64_t first = 0, told; first < count; first += told)
        if (!(told = tell_some(writer, file, incoming, first)))
            return;
    wire_put32(empty, file);
    empty[8] = incoming->whole ? HAVE_WHOLE : 0;
    if (!count)
        file_mailbox_tell(&writer->mailbox, FRAME_HAVE, empty, HAVE_HEAD);
}

/* Hashes a leaf, or all of a hole at once. Returns how many they were; 0: it failed. */
static uint64_t hash_some(struct file_writer *writer, uint32_t file, struct incoming *incoming,
                          struct leaf_reader *reader, uint64_t number)
{
    struct leaf leaf = {.zero = true, .len = LEAF_LEN};
    uint64_t hole = leaf_reader_hole(reader, number), count = hole ? hole : 1;
    if (!hole && !leaf_reader_read(reader, number, writer->buffer, &leaf)) {
        fail_error(writer, file, errno);
        return 0;
    }
    atomic_fetch_add(&writer->held, count * leaf.len);
    incoming->held += count * leaf.len;
    bool zeros = leaf.zero && leaf.len == LEAF_LEN;
    writer->cells -= incoming->leaves.cells;
    bool good = zeros ? leaf_map_put_zeros(&incoming->leaves, number, count, LEAF_HELD)
                      : leaf_map_put(&incoming->leaves, number, leaf.hash, LEAF_HELD);
    writer->cells += incoming->leaves.cells;
    if (good && writer->cells <= LEAF_CELLS_MAX)
        return count;
    break_off(writer, words_of(ENOMEM));
    return 0;
}

static void hash_file(struct file_writer *writer, uint32_t file, int fd, uint64_t size, bool whole)
{
    struct leaf_reader reader;
    struct incoming *incoming = incoming_of(writer, file);
    uint64_t count = leaves_of(size);
    if (!incoming)
        return;
    incoming->whole = whole;
    leaf_reader_begin(&reader, fd, size);
    for (uint64_t number = 0, more; number < count; number += more)
        if (!goes_on(writer) || !(more = hash_some(writer, file, incoming, &reader, number)))
            return;
    tell_held(writer, file, incoming, count);
}

/* What has its name already is only compared: it is somebody's. */
static void look_at_whole(struct file_writer *writer, uint32_t file, int fd, const struct stat *status)
{
    uint64_t size = writer->manifest->entries[file].size;
    if (size != MANIFEST_SIZE_UNKNOWN && (uint64_t)status->st_size != size)
        fail_error(writer, file, EEXIST);
    else if ((uint64_t)status->st_size > MANIFEST_SIZE_MAX)
        fail_error(writer, file, EEXIST);
    else
        hash_file(writer, file, fd, (uint64_t)status->st_size, true);
    close(fd);
}

static void look_at_part(struct file_writer *writer, uint32_t file, int fd)
{
    struct stat status;
    uint64_t most = writer->manifest->entries[file].size;
    if (most == MANIFEST_SIZE_UNKNOWN)
        most = MANIFEST_SIZE_MAX;
    if (fstat(fd, &status) == 0 && status.st_size > 0)
        hash_file(writer, file, fd, (uint64_t)status.st_size < most ? (uint64_t)status.st_size : most, false);
    close(fd);
}

static void look_at_file(struct file_writer *writer, uint32_t file)
{
    struct stat status;
    const char *path = writer->manifest->entries[file].path;
    int fd = file_store_open_whole(&writer->store, path, &status);
    if (fd >= 0) {
        look_at_whole(writer, file, fd, &status);
        return;
    }
    if (errno == ENOENT)
        fd = open_part(writer, file, false);
    if (fd >= 0)
        look_at_part(writer, file, fd);
    else if (errno != ENOENT)
        fail_error(writer, file, errno);
}

static void look(struct file_writer *writer)
{
    const struct manifest *manifest = writer->manifest;
    for (uint32_t i = 0; i < manifest->count && goes_on(writer); i++) {
        const struct manifest_entry *entry = &manifest->entries[i];
        if (entry->kind == ENTRY_FILE)
            look_at_file(writer, i);
        else if (entry->kind == ENTRY_FOLDER && !file_store_make_folder(&writer->store, entry->path))
            fail_error(writer, i, errno);
    }
    if (goes_on(writer))
        file_mailbox_tell(&writer->mailbox, FRAME_GO, NULL, 0);
}

/* ---- giving names ---- */

static void file_named(void *context, uint32_t file, int error)
{
    struct file_writer *writer = context;
    writer->here += !error;
    writer->failed += error != 0;
    file_mailbox_report(&writer->mailbox, file, error ? FATE_FAILED : FATE_ARRIVED,
                        error ? words_of(error) : NULL);
}

/* `error`: 0, or what the disk says. */
static void heed_disk(struct file_writer *writer, int error)
{
    if (error)
        break_off(writer, words_of(error));
}

/* It is all there, and verified. */
static void complete(struct file_writer *writer, uint32_t file, struct incoming *incoming)
{
    const struct manifest_entry *entry = &writer->manifest->entries[file];
    uint64_t size = incoming->finish.size;
    if (incoming->whole) {
        settle(writer, file);
        writer->here++;
        file_mailbox_report(&writer->mailbox, file, FATE_ALREADY, NULL);
        return;
    }
    if (!open_incoming(writer, file, incoming) || ftruncate(incoming->fd, (off_t)size) != 0 ||
        !file_store_settle(&writer->store, incoming->fd, entry)) {
        fail_error(writer, file, errno);
        return;
    }
    settle(writer, file);
    heed_disk(writer, file_names_add(&writer->names, file, size));
}

static void look_for_completion(struct file_writer *writer, uint32_t file, struct incoming *incoming)
{
    if (!incoming_complete(incoming))
        return;
    const char *problem = incoming_verify(incoming);
    if (problem)
        fail_told(writer, file, problem);
    else
        complete(writer, file, incoming);
}

/* ---- what comes ---- */

/* The record's file, open for `count` leaves of together `len` bytes at the record's. NULL: it has failed, or
 * everything has. */
static struct incoming *admit(struct file_writer *writer, const struct record *record, uint32_t count,
                              uint64_t len)
{
    struct incoming *incoming = incoming_of(writer, record->file);
    if (!incoming)
        return NULL;
    const char *problem = incoming_problem(incoming, record->leaf, count, len);
    if (problem) {
        break_off(writer, problem);
        return NULL;
    }
    if (incoming->fd < 0 && writer->open_parts == FILE_WRITER_PARTS_MAX) {
        break_off(writer, "the sender begins too many files at once");
        return NULL;
    }
    if (open_incoming(writer, record->file, incoming))
        return incoming;
    fail_error(writer, record->file, errno);
    return NULL;
}

/* The disk shall have soon what it has to have in the end: when the power fails, little of it comes again,
 * and the last sync has little to wait for. */
static void hurry_disk(struct incoming *incoming, uint32_t len)
{
    incoming->unsafe += len;
    if (incoming->unsafe < UNSAFE_BYTES)
        return;
    incoming->unsafe = 0;
    file_data_hurry(incoming->fd);
}

static void take_data(struct file_writer *writer, const struct piece *piece)
{
    uint8_t hash[HASH_LEN];
    const struct record *record = &piece->record;
    struct incoming *incoming = admit(writer, record, 1, record->len);
    if (!incoming)
        return;
    hash_leaf(hash, piece->data, record->len);
    if (!file_data_write(incoming->fd, piece->data, record->len, (uint64_t)record->leaf * LEAF_LEN)) {
        fail_error(writer, record->file, errno);
        return;
    }
    hurry_disk(incoming, record->len);
    atomic_fetch_add(&writer->written, record->len);
    writer->cells -= incoming->leaves.cells;
    if (!incoming_receive(incoming, record->leaf, record->len, hash))
        break_off(writer, words_of(ENOMEM));
    writer->cells += incoming->leaves.cells;
}

/* However many they are said to be, they are one hole and a few cells. */
static void take_zeros(struct file_writer *writer, const struct record *record)
{
    uint64_t len = (uint64_t)record->len * LEAF_LEN;
    struct incoming *incoming = admit(writer, record, record->len, len);
    if (!incoming)
        return;
    if (!file_data_write_zeros(incoming->fd, (uint64_t)record->leaf * LEAF_LEN, len, &writer->mailbox.stop)) {
        fail_error(writer, record->file, errno);
        return;
    }
    atomic_fetch_add(&writer->zeros, len);
    writer->cells -= incoming->leaves.cells;
    if (!incoming_receive_zeros(incoming, record->leaf, record->len))
        break_off(writer, words_of(ENOMEM));
    writer->cells += incoming->leaves.cells;
}

static void take_failure(struct file_writer *writer, const struct piece *piece)
{
    char why[REASON_MAX + 1];
    memcpy(why, piece->data, piece->record.len);
    why[piece->record.len] = '\0';
    fail(writer, piece->record.file, why);
}

static void take_finish(struct file_writer *writer, const struct piece *piece)
{
    struct incoming *incoming = incoming_of(writer, piece->record.file);
    if (!incoming)
        return;
    if (incoming->finished)
        break_off(writer, "the sender ends a file twice");
    finish_read(&incoming->finish, piece->data);
    incoming->finished = true;
}

static void take_record(struct file_writer *writer, const struct piece *piece)
{
    const struct record *record = &piece->record;
    if (record->file >= writer->manifest->count ||
        writer->manifest->entries[record->file].kind != ENTRY_FILE) {
        break_off(writer, "the sender sends a file that it did not announce");
        return;
    }
    if (writer->settled[record->file])
        return; /* it was on its way when we said that we do not want it */
    if (record->kind == RECORD_DATA) {
        take_data(writer, piece);
    } else if (record->kind == RECORD_ZERO) {
        take_zeros(writer, record);
    } else if (record->kind == RECORD_FINISH) {
        take_finish(writer, piece);
    } else {
        take_failure(writer, piece);
    }
    if (writer->cells > LEAF_CELLS_MAX)
        break_off(writer, "the sender begins too much at once");
    if (goes_on(writer) && writer->incoming[record->file])
        look_for_completion(writer, record->file, writer->incoming[record->file]);
}

/* ---- after: links, and folders from the deepest up, since what is made in one changes its time ---- */

static void end_links(struct file_writer *writer)
{
    for (uint32_t i = 0; i < writer->manifest->count && goes_on(writer); i++) {
        const struct manifest_entry *entry = &writer->manifest->entries[i];
        if (entry->kind != ENTRY_LINK)
            continue;
        if (!writer->symlinks) {
            fail_told(writer, i, "it is a symbolic link (--symlinks takes links)");
        } else if (!file_store_link(&writer->store, entry)) {
            fail_error(writer, i, errno);
        } else {
            writer->here++;
            file_mailbox_report(&writer->mailbox, i, FATE_ARRIVED, NULL);
        }
    }
}

static void end_folders(struct file_writer *writer)
{
    for (uint32_t i = writer->manifest->count; i-- > 0 && goes_on(writer);) {
        const struct manifest_entry *entry = &writer->manifest->entries[i];
        if (entry->kind == ENTRY_FOLDER && !writer->settled[i] &&
            !file_store_settle_folder(&writer->store, entry))
            fail_error(writer, i, errno);
    }
}

static void end_well(struct file_writer *writer)
{
    uint8_t body[8];
    heed_disk(writer, file_names_all(&writer->names));
    end_links(writer);
    end_folders(writer);
    int error = goes_on(writer) ? file_sync_now(writer->store.root) : 0;
    if (error)
        break_off(writer, words_of(error));
    if (!goes_on(writer))
        return;
    wire_put32(body, writer->here);
    wire_put32(body + 4, writer->failed);
    file_mailbox_tell(&writer->mailbox, FRAME_DONE, body, sizeof body);
}

/* ---- the thread ---- */

static struct piece *next_piece(struct file_writer *writer)
{
    atomic_store(&writer->waits, true);
    struct piece *piece = pieces_ready(&writer->pieces, true);
    atomic_store(&writer->waits, false);
    return piece;
}

static void *run(void *context)
{
    struct file_writer *writer = context;
    struct piece *piece;
    file_store_cage(&writer->store); /* a second wall: without it the first one stands as well */
    file_names_begin(&writer->names, &writer->store, writer->manifest, file_named, writer);
    look(writer);
    while (goes_on(writer) && writer->open_files && (piece = next_piece(writer))) {
        take_record(writer, piece);
        heed_disk(writer, file_names_look(&writer->names));
        atomic_fetch_add(&writer->done_with, piece->record.kind == RECORD_DATA ? piece->record.len : 0);
        pieces_put_unused(&writer->pieces, piece);
        file_mailbox_wake(&writer->mailbox);
    }
    if (goes_on(writer) && writer->open_files)
        break_off(writer, "the sender ended before everything had come");
    if (goes_on(writer))
        end_well(writer);
    else
        heed_disk(
            writer,
            file_names_all(
                &writer->names)); /* what is whole is kept under its name; the rest goes on from its .part */
    file_names_end(&writer->names);
    for (uint32_t i = 0; i < writer->manifest->count; i++)
        forget(writer, i); /* and nobody is kept from it */
    atomic_store(&writer->ended, true);
    file_mailbox_wake(&writer->mailbox);
    return NULL;
}

static void release(struct file_writer *writer)
{
    for (uint32_t i = 0; writer->incoming && i < writer->manifest->count; i++)
        forget(writer, i);
    free(writer->incoming);
    free(writer->settled);
    free(writer);
}

static bool start_thread(struct file_writer *writer)
{
    sigset_t all, before;
    sigfillset(&all); /* signals are the loop's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool runs = pthread_create(&writer->thread, NULL, run, writer) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return runs;
}

static bool start(struct file_writer *writer, void (*wake)(void *), void *context)
{
    if (!file_mailbox_begin(&writer->mailbox, wake, context))
        return false;
    if (pieces_begin(&writer->pieces, PIECES)) {
        if (start_thread(writer))
            return true;
        pieces_end(&writer->pieces);
    }
    file_mailbox_end(&writer->mailbox);
    return false;
}

struct file_writer *file_writer_new(struct file_store *store, const struct manifest *manifest, bool symlinks,
                                    void (*wake)(void *), void *context)
{
    struct file_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return NULL;
    writer->store = *store;
    writer->manifest = manifest;
    writer->symlinks = symlinks;
    writer->open_files = manifest->files;
    writer->incoming = calloc(manifest->count, sizeof *writer->incoming);
    writer->settled = calloc(manifest->count, 1);
    if (writer->incoming && writer->settled && start(writer, wake, context)) {
        *store = (struct file_store){.root = -1, .folder = -1};
        return writer;
    }
    release(writer);
    return NULL;
}

struct piece *file_writer_piece(struct file_writer *writer)
{
    return pieces_unused(&writer->pieces, false);
}

void file_writer_put(struct file_writer *writer, struct piece *piece)
{
    pieces_put_ready(&writer->pieces, piece);
}

void file_writer_end(struct file_writer *writer)
{
    pieces_end_ready(&writer->pieces);
}

size_t file_writer_frames(struct file_writer *writer, uint8_t *out, size_t capacity)
{
    return file_mailbox_frames(&writer->mailbox, out, capacity);
}

bool file_writer_result(struct file_writer *writer, struct file_result *result)
{
    return file_mailbox_result(&writer->mailbox, result);
}

enum writer_state file_writer_state(struct file_writer *writer, const char **why)
{
    enum writer_state state = (enum writer_state)atomic_load(&writer->mailbox.state);
    *why = writer->mailbox.why;
    return state;
}

uint64_t file_writer_done_with(struct file_writer *writer)
{
    return atomic_load(&writer->done_with);
}

bool file_writer_waits(struct file_writer *writer)
{
    return atomic_load(&writer->waits);
}

struct writer_bytes file_writer_bytes(struct file_writer *writer)
{
    return (struct writer_bytes){
        .written = atomic_load(&writer->written),
        .held = atomic_load(&writer->held),
        .zeros = atomic_load(&writer->zeros),
    };
}

void file_writer_stop(struct file_writer *writer)
{
    file_mailbox_stop(&writer->mailbox);
    pieces_stop(&writer->pieces);
}

bool file_writer_ended(struct file_writer *writer)
{
    return atomic_load(&writer->ended);
}

void file_writer_free(struct file_writer *writer)
{
    if (!writer)
        return;
    file_writer_stop(writer);
    pthread_join(writer->thread, NULL);
    pieces_end(&writer->pieces);
    file_mailbox_end(&writer->mailbox);
    file_store_close(&writer->store);
    release(writer);
}
