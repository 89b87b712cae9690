/* file_store.c - the folder that a receiver writes into, and nothing outside it.
 *
 * The sender chooses the names, and another user of this machine may exchange folders for links while we
 * work. So no path is ever resolved from the outside: each is opened beneath the folder's descriptor with no
 * link followed on the way, and then only names without a slash are used. Permissions never exceed what the
 * umask allows, and have no set-id bits; a folder stays writable for its owner, or what is missing could not
 * be added. */
#include "file_store.h"

#include "file_part.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>
#if __has_include(<linux/openat2.h>)
#include <linux/openat2.h>
#endif

enum { FOLDER_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

/* ---- beneath ---- */

#if defined(SYS_openat2) && defined(RESOLVE_BENEATH)
static int open_beneath(const struct file_store *store, const char *path)
{
    struct open_how how = {
        .flags = FOLDER_FLAGS,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    return (int)syscall(SYS_openat2, store->root, path, &how, sizeof how);
}
#else
static int open_beneath(const struct file_store *store, const char *path)
{
    (void)store, (void)path;
    errno = ENOSYS;
    return -1;
}
#endif

/* The same with any kernel: one part after the other, none of them a link. No part is "..", see manifest.h.
 */
static int open_by_parts(const struct file_store *store, const char *path)
{
    char part[MANIFEST_NAME_MAX + 1];
    int at = fcntl(store->root, F_DUPFD_CLOEXEC, 0);
    while (at >= 0 && *path) {
        size_t len = strcspn(path, "/");
        int next = -1;
        errno = ENAMETOOLONG;
        if (len < sizeof part) {
            memcpy(part, path, len);
            part[len] = '\0';
            next = openat(at, part, FOLDER_FLAGS);
        }
        int error = errno;
        close(at);
        errno = error;
        at = next;
        path += len + (path[len] == '/');
    }
    return at;
}

static int open_folder(struct file_store *store, const char *path)
{
    if (!*path)
        return fcntl(store->root, F_DUPFD_CLOEXEC, 0);
    int fd = store->by_parts ? -1 : open_beneath(store, path);
    if (fd < 0 && (store->by_parts || errno == ENOSYS || errno == EPERM)) {
        store->by_parts = true; /* EPERM: a sandbox that does not know the call */
        fd = open_by_parts(store, path);
    }
    return fd;
}

/* The folder of `path`, kept open until another is asked for; *name is what remains of the path. */
static int enter(struct file_store *store, const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    *name = slash ? slash + 1 : path;
    if (store->folder >= 0 && strlen(store->folder_path) == len && memcmp(store->folder_path, path, len) == 0)
        return store->folder;
    char *copy = strndup(path, len);
    int fd = copy ? open_folder(store, copy) : -1;
    if (fd < 0) {
        free(copy);
        return -1;
    }
    if (store->folder >= 0)
        close(store->folder);
    free(store->folder_path);
    store->folder = fd, store->folder_path = copy;
    return fd;
}

/* ---- the folder itself ---- */

bool file_store_open(struct file_store *store, const char *folder)
{
    *store = (struct file_store){.root = -1, .folder = -1};
    store->umask = umask(077);
    umask(store->umask);
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return false;
    store->root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return store->root >= 0;
}

void file_store_close(struct file_store *store)
{
    if (store->folder >= 0)
        close(store->folder);
    if (store->root >= 0)
        close(store->root);
    free(store->folder_path);
    *store = (struct file_store){.root = -1, .folder = -1};
}

bool file_store_make_folder(struct file_store *store, const char *path)
{
    const char *name;
    int folder = enter(store, path, &name);
    if (folder < 0)
        return false;
    if (mkdirat(folder, name, 0700) == 0)
        return true;
    if (errno != EEXIST)
        return false;
    int fd = openat(folder, name, FOLDER_FLAGS);
    if (fd < 0) {
        errno = EEXIST;
        return false;
    }
    close(fd);
    return true;
}

/* ---- files ---- */

int file_store_open_whole(struct file_store *store, const char *path, struct stat *status)
{
    const char *name;
    int folder = enter(store, path, &name);
    if (folder < 0)
        return -1;
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        errno = errno == ELOOP || errno == ENXIO ? EEXIST : errno;
        return -1;
    }
    if (fstat(fd, status) == 0 && S_ISREG(status->st_mode))
        return fd;
    close(fd);
    errno = EEXIST;
    return -1;
}

/* Ours alone: a file of one name that we made. Something else of this name might lead anywhere. */
static bool is_ours(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1 &&
           status.st_uid == geteuid();
}

/* One that was about to get its name may have its later permissions already. */
static int reopen_protected(int folder, const char *name)
{
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    bool opened = fd >= 0 && is_ours(fd) && fchmod(fd, 0600) == 0;
    if (fd >= 0)
        close(fd);
    errno = EACCES;
    return opened ? openat(folder, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY) : -1;
}

/* Most that are made were not there before. */
static int open_part(int folder, const char *name, bool make)
{
    enum { FLAGS = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY };
    int fd = make ? openat(folder, name, FLAGS | O_CREAT | O_EXCL, 0600) : -1;
    if (fd < 0 && (!make || errno == EEXIST))
        fd = openat(folder, name, FLAGS);
    if (fd < 0 && errno == EACCES)
        fd = reopen_protected(folder, name);
    return fd;
}

int file_store_open_part(struct file_store *store, const char *path, bool make)
{
    const char *name;
    char part[PART_NAME_MAX];
    int folder = enter(store, path, &name);
    if (folder < 0)
        return -1;
    part_name(part, path);
    int fd = open_part(folder, part, make);
    if (fd < 0) {
        errno = errno == ELOOP || errno == ENXIO || errno == EISDIR ? EEXIST : errno;
        return -1;
    }
    int error = is_ours(fd) ? 0 : EEXIST;
    if (!error && flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        error = EWOULDBLOCK; /* other failures: this file system has no locks */
    if (!error)
        return fd;
    close(fd);
    errno = error;
    return -1;
}

static void times_of(const struct manifest_entry *entry, struct timespec times[2])
{
    times[0] = (struct timespec){.tv_nsec = UTIME_NOW};
    times[1] = (struct timespec){.tv_sec = (time_t)entry->modified_s, .tv_nsec = (long)entry->modified_ns};
}

bool file_store_settle(const struct file_store *store, int fd, const struct manifest_entry *entry)
{
    struct timespec times[2];
    times_of(entry, times);
    bool known = entry->size != MANIFEST_SIZE_UNKNOWN; /* standard input has no times */
    return (!known || futimens(fd, times) == 0) && fchmod(fd, entry->mode & 0777 & ~store->umask) == 0;
}

static int rename_new(int folder, const char *from, const char *to)
{
#if defined(SYS_renameat2) && defined(RENAME_NOREPLACE)
    int result = (int)syscall(SYS_renameat2, folder, from, folder, to, RENAME_NOREPLACE);
    if (result == 0 || (errno != ENOSYS && errno != EINVAL && errno != EPERM))
        return result;
#endif
    /* Some file systems cannot: a second name, which is never given to what has one, then the first is taken
     * away. */
    if (linkat(folder, from, folder, to, 0) != 0)
        return -1;
    return unlinkat(folder, from, 0);
}

bool file_store_finish(struct file_store *store, const char *path)
{
    const char *name;
    char part[PART_NAME_MAX];
    int folder = enter(store, path, &name);
    part_name(part, path);
    return folder >= 0 && rename_new(folder, part, name) == 0;
}

bool file_store_link(struct file_store *store, const struct manifest_entry *entry)
{
    const char *name;
    char there[MANIFEST_PATH_MAX + 1];
    int folder = enter(store, entry->path, &name);
    if (folder < 0)
        return false;
    if (symlinkat(entry->target, folder, name) == 0)
        return true;
    if (errno != EEXIST)
        return false;
    ssize_t len = readlinkat(folder, name, there, sizeof there);
    bool same =
        len >= 0 && (size_t)len == strlen(entry->target) && memcmp(there, entry->target, (size_t)len) == 0;
    errno = EEXIST;
    return same;
}

bool file_store_settle_folder(struct file_store *store, const struct manifest_entry *entry)
{
    struct timespec times[2];
    int fd = open_folder(store, entry->path);
    if (fd < 0)
        return false;
    times_of(entry, times);
    bool good = fchmod(fd, (entry->mode & 0777 & ~store->umask) | 0700) == 0 && futimens(fd, times) == 0;
    int error = errno;
    close(fd);
    errno = error;
    return good;
}
