/* file_mailbox.h - what the thread that writes files leaves for the loop: frames for the sender, what became
 * of files, and how it stands with the whole. Bounded: when the loop does not take, the thread waits. */
#ifndef FILE_MAILBOX_H
#define FILE_MAILBOX_H

#include "file_wire.h"

#include <pthread.h>
#include <stdatomic.h>

enum { MAILBOX_RESULTS_MAX = 4096 }; /* wait for the loop; after a stop, what is more is lost */

enum file_fate { FATE_ARRIVED, FATE_ALREADY, FATE_FAILED };

struct file_result {
    uint32_t file;
    enum file_fate fate;
    char why[REASON_MAX + 1]; /* of FAILED; may be the sender's: show with care */
};

enum writer_state {
    WRITER_WORKING,
    WRITER_DONE,  /* everything that can be here is here, durably */
    WRITER_BROKEN /* it cannot go on: disk full, or a sender that breaks the rules */
};

struct file_mailbox {
    pthread_mutex_t lock; /* of all up to `results_count` */
    pthread_cond_t taken;
    uint8_t *frames;
    size_t frames_at, frames_end;
    struct file_result *results;
    unsigned results_at, results_count;
    atomic_bool stop;
    atomic_int state;
    char why[REASON_MAX + 1]; /* of BROKEN; written before it is */
    void (*wake)(void *);     /* of the loop */
    void *context;
};

/* False: no memory, or no lock. */
bool file_mailbox_begin(struct file_mailbox *mailbox, void (*wake)(void *), void *context);
/* After the thread has been joined. */
void file_mailbox_end(struct file_mailbox *mailbox);

/* ---- the thread's ---- */

/* A frame of `len` bytes, up to FRAME_MAX. With DONE the state becomes WRITER_DONE, in one step: who sees the
 * one has the other. False: the thread is to end. */
bool file_mailbox_tell(struct file_mailbox *mailbox, enum frame_kind kind, const uint8_t *body, size_t len);
/* `why` NULL: there is nothing to say. */
void file_mailbox_report(struct file_mailbox *mailbox, uint32_t file, enum file_fate fate, const char *why);
/* It cannot go on. The first reason counts. */
void file_mailbox_break(struct file_mailbox *mailbox, const char *why);
/* Neither stopped nor broken nor done. */
bool file_mailbox_goes_on(const struct file_mailbox *mailbox);
/* The loop looks here again: what it may ask the thread for has changed. */
void file_mailbox_wake(struct file_mailbox *mailbox);
/* So many milliseconds, or until it is stopped. */
void file_mailbox_pause(struct file_mailbox *mailbox, long ms);

/* ---- the loop's ---- */

/* Whole frames, up to `capacity` bytes; 0: none now. */
size_t file_mailbox_frames(struct file_mailbox *mailbox, uint8_t *out, size_t capacity);
/* In the order of their becoming. False: none now. */
bool file_mailbox_result(struct file_mailbox *mailbox, struct file_result *result);
/* Nothing is waited for any more. */
void file_mailbox_stop(struct file_mailbox *mailbox);

#endif
