/* file_tree.h - the files and folders named on the command line, as a manifest, and where each of them lies.
 */
#ifndef FILE_TREE_H
#define FILE_TREE_H

#include "manifest.h"

enum { TREE_COMPLAINT_MAX = 1200 };

/* Begins zeroed. */
struct file_tree {
    struct manifest manifest;
    char **sources; /* one an entry: where it lies; NULL: standard input */
    bool symlinks;  /* links are sent as links; else they are left out */
    uint32_t left_out;
    /* Told about each file that is left out, in a sentence fit for a terminal; NULL: nobody. */
    void (*tell)(void *context, const char *sentence);
    void *context;
};

/* Adds a path with everything beneath it; "-" is standard input, to be called `as`. A link that is named here
 * is followed, as cp does. False: `complaint` says why in a sentence fit for a terminal. */
bool file_tree_add(struct file_tree *tree, const char *path, const char *as,
                   char complaint[TREE_COMPLAINT_MAX]);
void file_tree_free(struct file_tree *tree);
/* Opens an entry's file for reading; -1: errno says why, ESTALE that it is no regular file any more. */
int file_tree_open(const struct file_tree *tree, uint32_t file);

#endif
