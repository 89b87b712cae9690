/* file_sync.h - a thread that waits for the disk, so that who writes files can go on writing. */
#ifndef FILE_SYNC_H
#define FILE_SYNC_H

#include <pthread.h>
#include <stdbool.h>

struct file_sync {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int folder; /* of the file system; the caller's */
    bool runs;  /* there is a thread; else whoever asks waits */
    bool asked, ended;
    int error; /* errno of the first that failed: the kernel says it once, and it stays true */
};

/* Everything written to the folder's file system until now is on its disk: 0, or errno. */
int file_sync_now(int folder);

/* All zero is one that was never begun. The thread has the caller's signal mask and restrictions. */
void file_sync_begin(struct file_sync *sync, int folder);
/* Everything written to the file system until now is to go to its disk. Returns at once; one at a time: not
 * again before file_sync_wait. */
void file_sync_ask(struct file_sync *sync);
/* Whether file_sync_wait would wait. */
bool file_sync_busy(struct file_sync *sync);
/* Waits until what was asked for is there. 0, or errno: it may not be, and nor may anything asked for later.
 */
int file_sync_wait(struct file_sync *sync);
/* Waits, too. */
void file_sync_end(struct file_sync *sync);

#endif
