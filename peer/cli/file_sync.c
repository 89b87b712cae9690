/* file_sync.c - a thread that waits for the disk, so that who writes files can go on writing. */
#include "file_sync.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

int file_sync_now(int folder)
{
#if defined(__linux__) && !defined(P2P_NO_SYNCFS)
    return syncfs(folder) == 0 ? 0 : errno;
#else
    sync(); /* may be back before all is there (POSIX): there is no better call for a whole folder */
    return fsync(folder) == 0 ? 0 : errno;
#endif
}

static void *run(void *context)
{
    struct file_sync *sync = context;
    pthread_mutex_lock(&sync->lock);
    for (;;) {
        while (!sync->asked && !sync->ended)
            pthread_cond_wait(&sync->changed, &sync->lock);
        if (!sync->asked)
            break;
        pthread_mutex_unlock(&sync->lock);
        int error = file_sync_now(sync->folder);
        pthread_mutex_lock(&sync->lock);
        sync->error = sync->error ? sync->error : error;
        sync->asked = false;
        pthread_cond_broadcast(&sync->changed);
    }
    pthread_mutex_unlock(&sync->lock);
    return NULL;
}

void file_sync_begin(struct file_sync *sync, int folder)
{
    *sync = (struct file_sync){.folder = folder};
    if (pthread_mutex_init(&sync->lock, NULL) != 0)
        return;
    if (pthread_cond_init(&sync->changed, NULL) == 0) {
        sync->runs = pthread_create(&sync->thread, NULL, run, sync) == 0;
        if (sync->runs)
            return;
        pthread_cond_destroy(&sync->changed);
    }
    pthread_mutex_destroy(&sync->lock);
}

void file_sync_ask(struct file_sync *sync)
{
    if (!sync->runs) {
        int error = file_sync_now(sync->folder);
        sync->error = sync->error ? sync->error : error;
        return;
    }
    pthread_mutex_lock(&sync->lock);
    assert(!sync->asked);
    sync->asked = true;
    pthread_cond_broadcast(&sync->changed);
    pthread_mutex_unlock(&sync->lock);
}

bool file_sync_busy(struct file_sync *sync)
{
    if (!sync->runs)
        return false;
    pthread_mutex_lock(&sync->lock);
    bool busy = sync->asked;
    pthread_mutex_unlock(&sync->lock);
    return busy;
}

int file_sync_wait(struct file_sync *sync)
{
    if (!sync->runs)
        return sync->error;
    pthread_mutex_lock(&sync->lock);
    while (sync->asked)
        pthread_cond_wait(&sync->changed, &sync->lock);
    int error = sync->error;
    pthread_mutex_unlock(&sync->lock);
    return error;
}

void file_sync_end(struct file_sync *sync)
{
    if (!sync->runs)
        return;
    pthread_mutex_lock(&sync->lock);
    sync->ended = true;
    pthread_cond_broadcast(&sync->changed);
    pthread_mutex_unlock(&sync->lock);
    pthread_join(sync->thread, NULL);
    pthread_cond_destroy(&sync->changed);
    pthread_mutex_destroy(&sync->lock);
    sync->runs = false;
}
