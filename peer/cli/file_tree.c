/* file_tree.c - the files and folders named on the command line, as a manifest.
 *
 * Left out, with a sentence: sockets, devices and pipes, links unless asked for, folders that cannot be read,
 * and names that no receiver takes. Hard links become files of their own. */
#include "file_tree.h"

#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SHOWN_PATH_MAX = 900 };

static void leave_out(struct file_tree *tree, const char *path, const char *why)
{
    char shown[SHOWN_PATH_MAX], sentence[TREE_COMPLAINT_MAX];
    text_show(shown, sizeof shown, path, strlen(path));
    snprintf(sentence, sizeof sentence, "%s is left out: %s", shown, why);
    tree->left_out++;
    if (tree->tell)
        tree->tell(tree->context, sentence);
}

static bool add_entry(struct file_tree *tree, const struct manifest_entry *entry, const char *source)
{
    uint32_t at = tree->manifest.count;
    if ((at & (at - 1)) == 0) { /* grows at powers of two */
        char **sources = realloc(tree->sources, (at ? (size_t)at * 2 : 1) * sizeof *sources);
        if (!sources)
            return false;
        tree->sources = sources;
    }
    char *copy = source ? strdup(source) : NULL;
    if ((source && !copy) || !manifest_add(&tree->manifest, entry)) {
        free(copy);
        return false;
    }
    tree->sources[at] = copy;
    return true;
}

static bool read_target(const char *source, char target[MANIFEST_PATH_MAX + 1])
{
    ssize_t len = readlink(source, target, MANIFEST_PATH_MAX + 1);
    if (len <= 0 || len > MANIFEST_PATH_MAX)
        return false;
    target[len] = '\0';
    return true;
}

/* NULL: it is one that can be sent, and *entry is filled. */
static const char *describe(const struct file_tree *tree, const char *path, const char *source,
                            const struct stat *status, char target[MANIFEST_PATH_MAX + 1],
                            struct manifest_entry *entry)
{
    *entry = (struct manifest_entry){
        .path = (char *)path,
        .mode = (uint16_t)(status->st_mode & 0777),
        .modified_s = status->st_mtim.tv_sec,
        .modified_ns = (uint32_t)status->st_mtim.tv_nsec,
    };
    const char *problem = manifest_path_problem(path, strlen(path));
    if (problem)
        return problem;
    if (S_ISDIR(status->st_mode)) {
        entry->kind = ENTRY_FOLDER;
        return NULL;
    }
    if (S_ISREG(status->st_mode)) {
        entry->kind = ENTRY_FILE;
        entry->size = (uint64_t)status->st_size;
        return entry->size > MANIFEST_SIZE_MAX ? "it is larger than 8 TiB" : NULL;
    }
    if (!S_ISLNK(status->st_mode))
        return "it is neither a file nor a folder";
    if (!tree->symlinks)
        return "it is a symbolic link (--symlinks sends links)";
    entry->kind = ENTRY_LINK;
    entry->target = target;
    if (!read_target(source, target))
        return "the link cannot be read";
    return manifest_target_problem(path, target);
}

static bool add_path(struct file_tree *tree, const char *path, const char *source, const struct stat *status);

static int not_dots(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool add_child(struct file_tree *tree, const char *path, const char *source, const char *name)
{
    struct stat status;
    char *child = NULL, *child_source = NULL;
    bool good = asprintf(&child, "%s/%s", path, name) >= 0;
    good = asprintf(&child_source, "%s/%s", source, name) >= 0 && good;
    if (good && lstat(child_source, &status) != 0)
        leave_out(tree, child_source, strerror(errno));
    else if (good)
        good = add_path(tree, child, child_source, &status);
    free(child);
    free(child_source);
    return good;
}

static bool add_children(struct file_tree *tree, const char *path, const char *source)
{
    struct dirent **names;
    int count = scandir(source, &names, not_dots, by_bytes);
    if (count < 0) {
        leave_out(tree, source, strerror(errno));
        return true;
    }
    bool good = true;
    for (int i = 0; i < count; i++) {
        good = good && add_child(tree, path, source, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    return good;
}

/* False: no memory, or too many entries. */
static bool add_path(struct file_tree *tree, const char *path, const char *source, const struct stat *status)
{
    struct manifest_entry entry;
    char target[MANIFEST_PATH_MAX + 1];
    const char *problem = describe(tree, path, source, status, target, &entry);
    if (problem) {
        leave_out(tree, source, problem);
        return true;
    }
    if (!add_entry(tree, &entry, source))
        return false;
    return entry.kind != ENTRY_FOLDER || add_children(tree, path, source);
}

/* ---- what is named on the command line ---- */

static bool is_there(const struct file_tree *tree, const char *path)
{
    for (uint32_t i = 0; i < tree->manifest.count; i++)
        if (strcmp(tree->manifest.entries[i].path, path) == 0)
            return true;
    return false;
}

static bool complain(char complaint[TREE_COMPLAINT_MAX], const char *path, const char *why)
{
    char shown[SHOWN_PATH_MAX];
    text_show(shown, sizeof shown, path, strlen(path));
    snprintf(complaint, TREE_COMPLAINT_MAX, "%s: %s", shown, why);
    return false;
}

static bool add_input(struct file_tree *tree, const char *as, char complaint[TREE_COMPLAINT_MAX])
{
    struct manifest_entry entry = {
        .path = (char *)as, .kind = ENTRY_FILE, .mode = 0666, .size = MANIFEST_SIZE_UNKNOWN};
    const char *problem =
        strchr(as, '/') ? "it must be a name without folders" : manifest_path_problem(as, strlen(as));
    if (!problem && is_there(tree, as))
        problem = "this name is given twice";
    if (problem)
        return complain(complaint, as, problem);
    return add_entry(tree, &entry, NULL) || complain(complaint, as, "no memory");
}

bool file_tree_add(struct file_tree *tree, const char *path, const char *as,
                   char complaint[TREE_COMPLAINT_MAX])
{
    struct stat status;
    char real[PATH_MAX], given[PATH_MAX];
    if (strcmp(path, "-") == 0)
        return add_input(tree, as ? as : "stdin", complaint);
    if (!realpath(path, real) || stat(real, &status) != 0)
        return complain(complaint, path, strerror(errno));
    /* A link that is named keeps its own name; . and .. get that of what they are. */
    snprintf(given, sizeof given, "%s", path);
    for (size_t len = strlen(given); len > 1 && given[len - 1] == '/'; len--)
        given[len - 1] = '\0';
    const char *slash = strrchr(given, '/'), *name = slash ? slash + 1 : given;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        name = strrchr(real, '/') + 1;
    const char *problem = manifest_path_problem(name, strlen(name));
    if (!problem && is_there(tree, name))
        problem = "two of this name would become one over there";
    if (!problem && !S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode))
        problem = "it is neither a file nor a folder";
    if (problem)
        return complain(complaint, path, problem);
    return add_path(tree, name, real, &status) ||
           complain(complaint, path, "there are more than 500000 files, or no memory");
}

void file_tree_free(struct file_tree *tree)
{
    for (uint32_t i = 0; i < tree->manifest.count; i++)
        free(tree->sources[i]);
    free(tree->sources);
    manifest_free(&tree->manifest);
}

int file_tree_open(const struct file_tree *tree, uint32_t file)
{
    struct stat status;
    if (!tree->sources[file])
        return STDIN_FILENO;
    /* O_NONBLOCK: a pipe that took its place must not hold us. */
    int fd = open(tree->sources[file], O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd >= 0 && (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))) {
        close(fd);
        errno = ESTALE;
        fd = -1;
    }
    return fd;
}
