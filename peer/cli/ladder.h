/* ladder.h - what happened in a session as rows between columns: who told whom what, and when. Pure.
 *
 * Memory is bounded however long a session was: the rows in the middle that say least give way to a count. */
#ifndef LADDER_H
#define LADDER_H

#include "terminal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LADDER_PEERS_MAX = 8,    /* columns of peers; who comes later shares one */
    LADDER_COLUMNS_MAX = 24, /* 5 of ours, and two a peer */
    LADDER_ROWS_MAX = 1024,
    LADDER_NAME_MAX = 80,
    LADDER_LABEL_MAX = 100,
    LADDER_TEXT_MAX = 640, /* a `why` has up to 400 bytes */
    LADDER_ID_MAX = 24,    /* ids have 16 characters */
    LADDER_NOWHERE = 255   /* no column */
};

/* From left to right. */
enum ladder_place { PLACE_SELF, PLACE_NAT, PLACE_STUN, PLACE_TURN, PLACE_BROKER, PLACE_PEER_NAT, PLACE_PEER };

/* All text in a ladder has been through text_show. */
struct ladder_column {
    enum ladder_place place;
    bool met;               /* a peer that is more than a voice in the room */
    char id[LADDER_ID_MAX]; /* of the peer, and of who is behind a NAT of a peer */
    char name[LADDER_NAME_MAX], detail[LADDER_NAME_MAX];
};

enum ladder_shape {
    SHAPE_NOTE,  /* beside the column `from` */
    SHAPE_ARROW, /* one message */
    SHAPE_PATH,  /* both ways, and it carries packets */
    SHAPE_BREAK, /* it does not any more */
    SHAPE_RULE,  /* across all: another run begins */
    SHAPE_GAP    /* `times` rows were left out here */
};

/* How soon a row is left out of a long session: chatter first, turning points last. */
enum ladder_rank { RANK_CHATTER, RANK_DETAIL, RANK_TURN };

struct ladder_row {
    int64_t at_ms;
    enum ladder_shape shape;
    enum style style;
    enum ladder_rank rank;
    uint8_t from, to, via; /* columns; LADDER_NOWHERE */
    bool nats;             /* it goes through the NATs of both ends */
    bool sent, came;       /* a message of the room that we have put out, or taken in */
    uint32_t times;        /* in a row, with nothing else in between */
    uint64_t key;          /* the message's hash: the other side's log has the same; 0: none */
    char label[LADDER_LABEL_MAX], text[LADDER_TEXT_MAX];
};

struct ladder {
    struct ladder_column columns[LADDER_COLUMNS_MAX];
    unsigned column_count;
    struct ladder_row *rows; /* LADDER_ROWS_MAX of them */
    unsigned row_count, runs;
};

/* False: no memory. */
bool ladder_begin(struct ladder *ladder);
void ladder_end(struct ladder *ladder);

/* The column of this kind, made if it is missing; `id` tells peers (and NATs of peers) apart, else NULL. */
uint8_t ladder_column(struct ladder *ladder, enum ladder_place place, const char *id);
/* That of a peer that was met. Where all are taken it gets the one of a mere voice in the room, whose rows
 * are the others' from then on. */
uint8_t ladder_meet(struct ladder *ladder, const char *id);
/* As ladder_column, but LADDER_NOWHERE where it is missing. */
uint8_t ladder_find(const struct ladder *ladder, enum ladder_place place, const char *id);
/* A row that begins like nothing yet: a plain note of ours. */
struct ladder_row ladder_row(int64_t at_ms, enum ladder_shape shape, uint8_t from, uint8_t to);
/* Formatted, then shown with control characters made visible, then cut. */
void ladder_print(char *out, size_t capacity, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Copied. The same as the row before counts there. */
void ladder_add(struct ladder *ladder, const struct ladder_row *row);
/* The row added last; NULL: none. */
struct ladder_row *ladder_last(struct ladder *ladder);

/* Where columns stand, from 0 on: at most `most` places, or 6 where that is less, of which the last one is
 * shared by the peers that found none. Returns how many there are; at[column] may be LADDER_NOWHERE: not
 * shown. */
unsigned ladder_order(const struct ladder *ladder, unsigned most, uint8_t at[LADDER_COLUMNS_MAX]);
/* Whether several columns have this one's place. */
bool ladder_is_shared(const struct ladder *ladder, const uint8_t at[LADDER_COLUMNS_MAX], uint8_t column);
/* Whether the path of this row goes through this column, a NAT in front of one of its ends. */
bool ladder_passes(const struct ladder *ladder, const struct ladder_row *row, uint8_t column);

/* How far `right`'s clock is ahead of `left`'s, from what both saw. `by_messages`: from messages of the room,
 * else from the moment both were connected. False: they are not the two sides of one session. */
bool ladder_align(const struct ladder *left, const struct ladder *right, int64_t *ahead_ms,
                  bool *by_messages);
/* Puts `right`, aligned, into `left` as what its peer did; times are those of `left`. False: no memory. */
bool ladder_join(struct ladder *left, const struct ladder *right, int64_t ahead_ms);

#endif
