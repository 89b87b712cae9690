/* file_mailbox.c - what the thread that writes files leaves for the loop. */
#include "file_mailbox.h"

#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES_MAX = 1 << 20 }; /* bytes of frames that wait for the loop */

static void release(struct file_mailbox *mailbox)
{
    free(mailbox->frames);
    free(mailbox->results);
}

bool file_mailbox_begin(struct file_mailbox *mailbox, void (*wake)(void *), void *context)
{
    *mailbox = (struct file_mailbox){.wake = wake, .context = context};
    mailbox->frames = malloc(FRAMES_MAX);
    mailbox->results = calloc(MAILBOX_RESULTS_MAX, sizeof *mailbox->results);
    if (mailbox->frames && mailbox->results && pthread_mutex_init(&mailbox->lock, NULL) == 0) {
        if (pthread_cond_init(&mailbox->taken, NULL) == 0)
            return true;
        pthread_mutex_destroy(&mailbox->lock);
    }
    release(mailbox);
    return false;
}

void file_mailbox_end(struct file_mailbox *mailbox)
{
    pthread_cond_destroy(&mailbox->taken);
    pthread_mutex_destroy(&mailbox->lock);
    release(mailbox);
}

/* ---- the thread's ---- */

void file_mailbox_wake(struct file_mailbox *mailbox)
{
    mailbox->wake(mailbox->context);
}

bool file_mailbox_tell(struct file_mailbox *mailbox, enum frame_kind kind, const uint8_t *body, size_t len)
{
    pthread_mutex_lock(&mailbox->lock);
    while (mailbox->frames_end + FRAME_LEN + len > FRAMES_MAX && !atomic_load(&mailbox->stop))
        pthread_cond_wait(&mailbox->taken, &mailbox->lock);
    bool fits = !atomic_load(&mailbox->stop);
    if (fits) {
        frame_write(mailbox->frames + mailbox->frames_end, kind, len);
        if (len)
            memcpy(mailbox->frames + mailbox->frames_end + FRAME_LEN, body, len);
        mailbox->frames_end += FRAME_LEN + len;
        if (kind == FRAME_DONE)
            atomic_store(&mailbox->state, WRITER_DONE);
    }
    pthread_mutex_unlock(&mailbox->lock);
    file_mailbox_wake(mailbox);
    return fits;
}

void file_mailbox_report(struct file_mailbox *mailbox, uint32_t file, enum file_fate fate, const char *why)
{
    struct file_result result = {.file = file, .fate = fate};
    snprintf(result.why, sizeof result.why, "%s", why ? why : "");
    pthread_mutex_lock(&mailbox->lock);
    while (mailbox->results_count == MAILBOX_RESULTS_MAX && !atomic_load(&mailbox->stop))
        pthread_cond_wait(&mailbox->taken, &mailbox->lock);
    if (mailbox->results_count < MAILBOX_RESULTS_MAX)
        mailbox->results[(mailbox->results_at + mailbox->results_count++) % MAILBOX_RESULTS_MAX] = result;
    pthread_mutex_unlock(&mailbox->lock);
    file_mailbox_wake(mailbox);
}

void file_mailbox_break(struct file_mailbox *mailbox, const char *why)
{
    if (atomic_load(&mailbox->state) != WRITER_WORKING)
        return;
    snprintf(mailbox->why, sizeof mailbox->why, "%s", why);
    atomic_store(&mailbox->state, WRITER_BROKEN);
}

bool file_mailbox_goes_on(const struct file_mailbox *mailbox)
{
    return !atomic_load(&mailbox->stop) && atomic_load(&mailbox->state) == WRITER_WORKING;
}

void file_mailbox_pause(struct file_mailbox *mailbox, long ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += ms * (long)CLOCK_MS;
    until.tv_sec += until.tv_nsec / (long)CLOCK_S, until.tv_nsec %= (long)CLOCK_S;
    pthread_mutex_lock(&mailbox->lock);
    if (!atomic_load(&mailbox->stop))
        pthread_cond_timedwait(&mailbox->taken, &mailbox->lock, &until);
    pthread_mutex_unlock(&mailbox->lock);
}

/* ---- the loop's ---- */

/* Of the frames that wait, bytes of those that fit. */
static size_t whole_frames(const struct file_mailbox *mailbox, size_t capacity)
{
    size_t at = mailbox->frames_at, body;
    enum frame_kind kind;
    while (at < mailbox->frames_end && frame_read(mailbox->frames + at, &kind, &body) &&
           at - mailbox->frames_at + FRAME_LEN + body <= capacity)
        at += FRAME_LEN + body;
    return at - mailbox->frames_at;
}

size_t file_mailbox_frames(struct file_mailbox *mailbox, uint8_t *out, size_t capacity)
{
    pthread_mutex_lock(&mailbox->lock);
    size_t len = whole_frames(mailbox, capacity);
    memcpy(out, mailbox->frames + mailbox->frames_at, len);
    mailbox->frames_at += len;
    if (mailbox->frames_at == mailbox->frames_end)
        mailbox->frames_at = mailbox->frames_end = 0;
    pthread_cond_signal(&mailbox->taken);
    pthread_mutex_unlock(&mailbox->lock);
    return len;
}

bool file_mailbox_result(struct file_mailbox *mailbox, struct file_result *result)
{
    pthread_mutex_lock(&mailbox->lock);
    bool any = mailbox->results_count > 0;
    if (any) {
        *result = mailbox->results[mailbox->results_at];
        mailbox->results_at = (mailbox->results_at + 1) % MAILBOX_RESULTS_MAX;
        mailbox->results_count--;
    }
    pthread_cond_signal(&mailbox->taken);
    pthread_mutex_unlock(&mailbox->lock);
    return any;
}

void file_mailbox_stop(struct file_mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    atomic_store(&mailbox->stop, true);
    pthread_cond_broadcast(&mailbox->taken);
    pthread_mutex_unlock(&mailbox->lock);
}
