/* ladder_join.c - two logs of one session, each by a clock of its own, as one ladder.
 *
 * As NTP does (RFC 5905 8): a message that went from left to right says how far right's clock is ahead, plus
 * its way; one that came back, less its way. The quickest of each leave half the difference of two ways as
 * the error. */
#include "ladder.h"

#include <stdlib.h>
#include <string.h>

/* The row of the message `key`, if it went that way, or was taken in, just once: of copies nobody knows
 * which. */
static const struct ladder_row *only(const struct ladder *ladder, uint64_t key, bool sent)
{
    const struct ladder_row *found = NULL;
    for (unsigned i = 0; i < ladder->row_count; i++) {
        const struct ladder_row *row = &ladder->rows[i];
        if (row->key != key || !(sent ? row->sent : row->came))
            continue;
        if (found || row->times > 1)
            return NULL;
        found = row;
    }
    return found;
}

/* The least time by both clocks from what `a` has sent to when `b` took it; INT64_MAX: nothing of that kind.
 */
static int64_t quickest(const struct ladder *a, const struct ladder *b)
{
    int64_t least = INT64_MAX;
    for (unsigned i = 0; i < a->row_count; i++) {
        const struct ladder_row *row = &a->rows[i];
        if (!row->key || !row->sent || only(a, row->key, true) != row)
            continue;
        const struct ladder_row *came = only(b, row->key, false);
        if (came && came->at_ms - row->at_ms < least)
            least = came->at_ms - row->at_ms;
    }
    return least;
}

static const char *own_id(const struct ladder *ladder)
{
    return ladder->columns[0].id;
}

/* When the peer of this id was first connected to. */
static bool connected_at(const struct ladder *ladder, const char *id, int64_t *at_ms)
{
    uint8_t peer = ladder_find(ladder, PLACE_PEER, id);
    for (unsigned i = 0; i < ladder->row_count && peer != LADDER_NOWHERE; i++)
        if (ladder->rows[i].shape == SHAPE_PATH && ladder->rows[i].to == peer &&
            ladder->rows[i].rank == RANK_TURN) {
            *at_ms = ladder->rows[i].at_ms;
            return true;
        }
    return false;
}

bool ladder_align(const struct ladder *left, const struct ladder *right, int64_t *ahead_ms, bool *by_messages)
{
    int64_t there = quickest(left, right), back = quickest(right, left), here, other;
    *by_messages = there != INT64_MAX || back != INT64_MAX;
    if (!*own_id(left) || !*own_id(right) || strcmp(own_id(left), own_id(right)) == 0 || left->runs > 1 ||
        right->runs > 1)
        return false;
    if (there != INT64_MAX && back != INT64_MAX)
        *ahead_ms = (there - back) / 2;
    else if (*by_messages)
        *ahead_ms = there != INT64_MAX ? there : -back;
    else if (connected_at(left, own_id(right), &here) && connected_at(right, own_id(left), &other))
        *ahead_ms = other - here;
    else
        return false;
    return true;
}

/* Which column of `left` is that one of `right`. */
static uint8_t translate(struct ladder *left, const struct ladder *right, uint8_t column)
{
    if (column == LADDER_NOWHERE)
        return column;
    const struct ladder_column *from = &right->columns[column];
    bool us = strcmp(from->id, own_id(left)) == 0;
    const char *id = own_id(right);
    uint8_t to;
    if (from->place == PLACE_SELF)
        to = ladder_column(left, PLACE_PEER, id);
    else if (from->place == PLACE_NAT)
        to = ladder_column(left, PLACE_PEER_NAT, id);
    else if (from->place == PLACE_PEER && us)
        return 0;
    else if (from->place == PLACE_PEER_NAT && us)
        to = ladder_column(left, PLACE_NAT, NULL);
    else
        to = ladder_column(left, from->place, from->id);
    if (to != LADDER_NOWHERE && !*left->columns[to].detail)
        memcpy(left->columns[to].detail, from->detail, sizeof from->detail);
    return to;
}

/* One side's rows while both become one. */
struct side {
    const struct ladder *other; /* as it was read */
    const struct ladder_row *rows;
    unsigned count, next;
};

/* Whether the next row is a message that the other side has yet to send, of several copies the first: whole
 * milliseconds, and clocks that are not quite aligned, must not turn cause and effect round. */
static bool must_wait(const struct side *side, const struct side *other)
{
    const struct ladder_row *row = &side->rows[side->next];
    if (!row->came || !row->key)
        return false;
    for (unsigned i = 0; i < other->count; i++)
        if (other->rows[i].sent && other->rows[i].key == row->key)
            return i >= other->next;
    return false;
}

static struct side *choose(struct side *left, struct side *right)
{
    if (left->next == left->count || right->next == right->count)
        return left->next == left->count ? right : left;
    bool later = left->rows[left->next].at_ms > right->rows[right->next].at_ms;
    struct side *first = later ? right : left, *second = later ? left : right;
    return must_wait(first, second) && !must_wait(second, first) ? second : first;
}

/* Everything of `right` in the columns and by the clock of `left`. */
static struct ladder_row *translate_rows(struct ladder *left, const struct ladder *right, int64_t ahead_ms)
{
    struct ladder_row *rows = calloc(right->row_count + 1, sizeof *rows);
    for (unsigned i = 0; rows && i < right->row_count; i++) {
        rows[i] = right->rows[i];
        rows[i].at_ms -= ahead_ms;
        rows[i].from = translate(left, right, rows[i].from);
        rows[i].to = translate(left, right, rows[i].to);
        rows[i].via = translate(left, right, rows[i].via);
    }
    return rows;
}

/* Where both logs are there, each tells its own half of a message's way: to the broker, from the broker. */
static void add_half(struct ladder *ladder, struct ladder_row row, uint8_t peer, const struct ladder *other)
{
    uint8_t broker = ladder_find(ladder, PLACE_BROKER, NULL);
    if (row.came && broker != LADDER_NOWHERE && (row.from == 0 || row.from == peer))
        row.from = broker, row.via = LADDER_NOWHERE;
    if (row.came && only(other, row.key, true)) /* said where it was sent */
        row.text[0] = '\0';
    ladder_add(ladder, &row);
}

bool ladder_join(struct ladder *left, const struct ladder *right, int64_t ahead_ms)
{
    struct ladder before = *left;
    uint8_t peer = ladder_column(left, PLACE_PEER, own_id(right));
    struct ladder_row *here = calloc(left->row_count + 1, sizeof *here);
    struct ladder_row *there = translate_rows(left, right, ahead_ms);
    bool joined = here && there;
    if (joined) {
        memcpy(here, left->rows, left->row_count * sizeof *here);
        before.rows = here;
        struct side sides[] = {{right, here, left->row_count, 0}, {&before, there, right->row_count, 0}};
        left->columns[peer].met = true;
        left->row_count = 0;
        while (sides[0].next < sides[0].count || sides[1].next < sides[1].count) {
            struct side *side = choose(&sides[0], &sides[1]);
            add_half(left, side->rows[side->next++], peer, side->other);
        }
    }
    free(here);
    free(there);
    return joined;
}
