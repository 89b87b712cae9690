/* file_reader.h - a thread that reads the files of a tree, leaf by leaf, and gives out what the receiver
 * lacks. */
#ifndef FILE_READER_H
#define FILE_READER_H

#include "file_tree.h"
#include "leaf_map.h"
#include "pieces.h"

#include <stdatomic.h>

/* What the receiver has said of a file. Begins zeroed. */
struct held {
    struct leaf_map leaves;
    uint64_t count;   /* of leaves that were told, from the first on */
    bool whole;       /* it has its name already: only told whether it is the same */
    atomic_bool skip; /* it does not want it */
};

struct file_reader;

/* Starts the thread. Tree and `held` (one an entry) stay as they are until file_reader_free, but for `skip`.
 * `wake` is called from the thread when a piece is ready, and at the end. NULL: no memory, or no thread. */
struct file_reader *file_reader_new(const struct file_tree *tree, struct held *held, void (*wake)(void *),
                                    void *context);
/* The next record to be sent; NULL: none yet. Give it back when it is on its way. */
struct piece *file_reader_take(struct file_reader *reader);
void file_reader_give_back(struct file_reader *reader, struct piece *piece);
/* Whether everything has been read and taken. */
bool file_reader_done(struct file_reader *reader);
/* Bytes that were read and need not be sent: the receiver has them. */
uint64_t file_reader_held(struct file_reader *reader);
/* Ends the thread wherever it is. */
void file_reader_free(struct file_reader *reader);

#endif
