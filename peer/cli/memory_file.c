/* memory_file.c - what the library has learnt of networks, kept between runs in the user's state folder.
 *
 * A memory is a help and nothing else: what cannot be read or written costs a sentence at -v. Two processes
 * may write at the same time: each puts a whole new file in the place of the old one, so that the file is
 * never half; what one of them has learnt in that instant may be lost. */
#include "memory_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The folder; false: there is nowhere to keep anything. */
static bool folder_path(char path[PATH_MAX])
{
    const char *base = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int len = -1;
    /* The base directory specification: a relative path is to be ignored. */
    if (base && base[0] == '/')
        len = snprintf(path, PATH_MAX, "%s/p2pconnect", base);
    else if (home && home[0] == '/')
        len = snprintf(path, PATH_MAX, "%s/.local/state/p2pconnect", home);
    return len > 0 && len < PATH_MAX;
}

static bool file_path(char path[PATH_MAX], const char *name)
{
    if (!folder_path(path))
        return false;
    size_t len = strlen(path);
    return (size_t)snprintf(path + len, PATH_MAX - len, "/%s", name) < PATH_MAX - len;
}

static void say(char why[MEMORY_FILE_WHY_MAX], const char *what, const char *because)
{
    snprintf(why, MEMORY_FILE_WHY_MAX, "%s: %s", what, because);
}

/* A pipe of that name must not hold us up, and a longer file is none of ours. */
static size_t read_all(int fd, uint8_t out[P2P_MEMORY_MAX], char why[MEMORY_FILE_WHY_MAX])
{
    struct stat about;
    if (fstat(fd, &about) || !S_ISREG(about.st_mode) || about.st_size > P2P_MEMORY_MAX) {
        say(why, "what worked before is not used", "its file is none of ours");
        return 0;
    }
    ssize_t len = read(fd, out, P2P_MEMORY_MAX);
    uint8_t copy[P2P_MEMORY_MAX];
    if (len < 0)
        say(why, "what worked before is not used", strerror(errno));
    else if (p2p_memory_merge(out, (size_t)len, NULL, 0, copy, sizeof copy) < 0)
        say(why, "what worked before is not used", "its file is broken or not ours");
    else
        return (size_t)len;
    return 0;
}

size_t memory_file_read(uint8_t out[P2P_MEMORY_MAX], char why[MEMORY_FILE_WHY_MAX])
{
    char path[PATH_MAX];
    why[0] = '\0';
    if (!file_path(path, "paths"))
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            say(why, "what worked before is not used", strerror(errno));
        return 0;
    }
    size_t len = read_all(fd, out, why);
    close(fd);
    return len;
}

/* The specification: folders that are missing are made, for the user alone. */
static bool make_folders(char path[PATH_MAX])
{
    for (char *at = path + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        bool made = mkdir(path, 0700) == 0 || errno == EEXIST || errno == EROFS || errno == EACCES;
        *at = '/';
        if (!made)
            return false;
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

static bool write_all(int fd, const char *fresh, const char *path, const uint8_t *data, size_t len)
{
    errno = ENOSPC; /* what a short write means */
    bool good = write(fd, data, len) == (ssize_t)len;
    int error = errno;
    close(fd);
    errno = error;
    if (good && rename(fresh, path) == 0)
        return true;
    error = errno;
    unlink(fresh);
    errno = error;
    return false;
}

static bool replace(const uint8_t *data, size_t len)
{
    char path[PATH_MAX], fresh[PATH_MAX];
    errno = ENAMETOOLONG;
    if (!folder_path(path) || !make_folders(path) || !file_path(path, "paths") ||
        !file_path(fresh, "paths.XXXXXX"))
        return false;
    int fd = mkstemp(fresh); /* mode 0600 */
    return fd >= 0 && write_all(fd, fresh, path, data, len);
}

void memory_file_write(const struct p2p_node *node, char why[MEMORY_FILE_WHY_MAX])
{
    uint8_t kept[P2P_MEMORY_MAX], ours[P2P_MEMORY_MAX], both[P2P_MEMORY_MAX];
    ptrdiff_t len = p2p_node_memory(node, ours, sizeof ours), all = 0;
    size_t kept_len = memory_file_read(kept, why);
    why[0] = '\0';
    if (len <= 0)
        return;
    if (kept_len)
        all = p2p_memory_merge(kept, kept_len, ours, (size_t)len, both, sizeof both);
    if (!(all > 0 ? replace(both, (size_t)all) : replace(ours, (size_t)len)))
        say(why, "what worked is not kept for the next time", strerror(errno));
}
