/* pieces.c - leaves on their way between the loop and a thread that reads or writes files. */
#include "pieces.h"

#include <stdlib.h>

bool pieces_begin(struct pieces *pieces, unsigned count)
{
    *pieces = (struct pieces){.all = calloc(count, sizeof *pieces->all)};
    if (!pieces->all)
        return false;
    if (pthread_mutex_init(&pieces->lock, NULL) != 0) {
        free(pieces->all);
        return false;
    }
    if (pthread_cond_init(&pieces->changed, NULL) != 0) {
        pthread_mutex_destroy(&pieces->lock);
        free(pieces->all);
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        pieces->all[i].next = pieces->unused;
        pieces->unused = &pieces->all[i];
    }
    return true;
}

void pieces_end(struct pieces *pieces)
{
    pthread_cond_destroy(&pieces->changed);
    pthread_mutex_destroy(&pieces->lock);
    free(pieces->all);
}

void pieces_stop(struct pieces *pieces)
{
    pthread_mutex_lock(&pieces->lock);
    pieces->stopped = true;
    pthread_cond_broadcast(&pieces->changed);
    pthread_mutex_unlock(&pieces->lock);
}

void pieces_end_ready(struct pieces *pieces)
{
    pthread_mutex_lock(&pieces->lock);
    pieces->ended = true;
    pthread_cond_broadcast(&pieces->changed);
    pthread_mutex_unlock(&pieces->lock);
}

struct piece *pieces_unused(struct pieces *pieces, bool wait)
{
    pthread_mutex_lock(&pieces->lock);
    while (wait && !pieces->unused && !pieces->stopped)
        pthread_cond_wait(&pieces->changed, &pieces->lock);
    struct piece *piece = pieces->stopped ? NULL : pieces->unused;
    if (piece) {
        pieces->unused = piece->next;
        piece->next = NULL;
        piece->at = 0;
    }
    pthread_mutex_unlock(&pieces->lock);
    return piece;
}

struct piece *pieces_ready(struct pieces *pieces, bool wait)
{
    pthread_mutex_lock(&pieces->lock);
    while (wait && !pieces->ready && !pieces->stopped && !pieces->ended)
        pthread_cond_wait(&pieces->changed, &pieces->lock);
    struct piece *piece = pieces->stopped ? NULL : pieces->ready;
    if (piece) {
        pieces->ready = piece->next;
        piece->next = NULL;
    }
    pthread_mutex_unlock(&pieces->lock);
    return piece;
}

void pieces_put_unused(struct pieces *pieces, struct piece *piece)
{
    pthread_mutex_lock(&pieces->lock);
    piece->next = pieces->unused;
    pieces->unused = piece;
    pthread_cond_signal(&pieces->changed);
    pthread_mutex_unlock(&pieces->lock);
}

void pieces_put_ready(struct pieces *pieces, struct piece *piece)
{
    pthread_mutex_lock(&pieces->lock);
    piece->next = NULL;
    if (pieces->ready)
        pieces->ready_last->next = piece;
    else
        pieces->ready = piece;
    pieces->ready_last = piece;
    pthread_cond_signal(&pieces->changed);
    pthread_mutex_unlock(&pieces->lock);
}
