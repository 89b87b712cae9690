/* file_store.h - the folder that a receiver writes into, and nothing outside it.
 *
 * Every path is opened beneath the folder without following a link (openat2 where the kernel has it, else
 * part by part); what is there is never replaced. Functions return -1 or false with errno. */
#ifndef FILE_STORE_H
#define FILE_STORE_H

#include "manifest.h"

#include <sys/stat.h>

struct file_store {
    int root;
    bool by_parts; /* the kernel has no openat2 */
    mode_t umask;
    int folder; /* the last one that was opened; -1: none */
    char *folder_path;
};

/* Opens the folder, and makes it when it is missing. */
bool file_store_open(struct file_store *store, const char *folder);
void file_store_close(struct file_store *store);
/* From now on this thread can touch no file outside the folder (Landlock). False: the kernel cannot do that.
 */
bool file_store_cage(const struct file_store *store);

/* Makes the folder `path`, or finds it. */
bool file_store_make_folder(struct file_store *store, const char *path);
/* Opens what has its name already, for reading; -1 and ENOENT: nothing; EEXIST: something that is no file. */
int file_store_open_whole(struct file_store *store, const char *path, struct stat *status);
/* Opens (with `make`: or makes) the unfinished file for `path`, locked against others. EEXIST: what has its
 * name is not ours to write into; EWOULDBLOCK: another process is at it. */
int file_store_open_part(struct file_store *store, const char *path, bool make);
/* Permissions and times. */
bool file_store_settle(const struct file_store *store, int fd, const struct manifest_entry *entry);
/* Gives the unfinished file its name. EEXIST: there is one of this name. */
bool file_store_finish(struct file_store *store, const char *path);
/* Makes a link. EEXIST: something is there, unless it is the same link. */
bool file_store_link(struct file_store *store, const struct manifest_entry *entry);
/* Permissions and times of a folder of the manifest. */
bool file_store_settle_folder(struct file_store *store, const struct manifest_entry *entry);

#endif
