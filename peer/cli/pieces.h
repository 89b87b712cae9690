/* pieces.h - leaves on their way between the loop and a thread that reads or writes files. A fixed number of
 * them goes round: free, filled, taken, free again. That is the bound on memory, and the back-pressure. */
#ifndef PIECES_H
#define PIECES_H

#include "file_wire.h"

#include <pthread.h>

struct piece {
    struct piece *next;
    struct record record;
    uint8_t head[RECORD_LEN]; /* of the record, for the loop to send or to assemble */
    size_t at;                /* bytes of head and body that are through */
    uint8_t data[LEAF_LEN];
};

struct pieces {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct piece *unused, *ready, *ready_last;
    struct piece *all;
    bool stopped;
    bool ended; /* no more will be ready */
};

/* False: no memory, or no locks left. */
bool pieces_begin(struct pieces *pieces, unsigned count);
/* After the thread has been joined. */
void pieces_end(struct pieces *pieces);
/* Whoever waits goes on, with NULL. */
void pieces_stop(struct pieces *pieces);
/* No more will be put ready: who waits for one goes on with NULL when all have been taken. */
void pieces_end_ready(struct pieces *pieces);
/* NULL: none now (without `wait`), or stopped. */
struct piece *pieces_unused(struct pieces *pieces, bool wait);
struct piece *pieces_ready(struct pieces *pieces, bool wait);
void pieces_put_unused(struct pieces *pieces, struct piece *piece);
void pieces_put_ready(struct pieces *pieces, struct piece *piece);

#endif
