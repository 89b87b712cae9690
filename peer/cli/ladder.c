/* ladder.c - what happened in a session as rows between columns: who told whom what, and when. */
#include "ladder.h"

#include "ladder_draw.h"
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ENDS_KEPT = LADDER_ROWS_MAX / 4 /* rows at either end that are never left out */
};

bool ladder_begin(struct ladder *ladder)
{
    *ladder = (struct ladder){.rows = calloc(LADDER_ROWS_MAX, sizeof *ladder->rows), .runs = 1};
    return ladder->rows && ladder_column(ladder, PLACE_SELF, NULL) == 0;
}

void ladder_end(struct ladder *ladder)
{
    free(ladder->rows);
    *ladder = (struct ladder){0};
}

/* ---- columns ---- */

uint8_t ladder_find(const struct ladder *ladder, enum ladder_place place, const char *id)
{
    for (unsigned i = 0; i < ladder->column_count; i++)
        if (ladder->columns[i].place == place && (!id || strcmp(ladder->columns[i].id, id) == 0))
            return (uint8_t)i;
    return LADDER_NOWHERE;
}

static unsigned count_peers(const struct ladder *ladder)
{
    unsigned count = 0;
    for (unsigned i = 0; i < ladder->column_count; i++)
        count += ladder->columns[i].place == PLACE_PEER;
    return count;
}

static const char *place_name(enum ladder_place place)
{
    static const char *const names[] = {
        [PLACE_SELF] = "here",     [PLACE_NAT] = "NAT",      [PLACE_STUN] = "STUN", [PLACE_TURN] = "TURN",
        [PLACE_BROKER] = "broker", [PLACE_PEER_NAT] = "NAT", [PLACE_PEER] = "peer",
    };
    return names[place];
}

/* One place is kept for those who share it, so a peer's id is "" there. */
uint8_t ladder_column(struct ladder *ladder, enum ladder_place place, const char *id)
{
    char shown[LADDER_ID_MAX];
    ladder_print(shown, sizeof shown, "%s", id ? id : "");
    uint8_t found = ladder_find(ladder, place, shown);
    if (found != LADDER_NOWHERE)
        return found;
    bool shared = place == PLACE_PEER && count_peers(ladder) >= LADDER_PEERS_MAX - 1;
    if (shared && *shown)
        return ladder_column(ladder, PLACE_PEER, "");
    if (ladder->column_count >= LADDER_COLUMNS_MAX ||
        (place == PLACE_PEER_NAT && ladder_find(ladder, PLACE_PEER, shown) == LADDER_NOWHERE))
        return LADDER_NOWHERE;
    struct ladder_column *column = &ladder->columns[ladder->column_count];
    *column = (struct ladder_column){.place = place};
    memcpy(column->id, shown, sizeof shown);
    snprintf(column->name, sizeof column->name, "%s",
             place != PLACE_PEER ? place_name(place)
             : *shown            ? shown
                                 : "others");
    return (uint8_t)ladder->column_count++;
}

/* A peer's column that may be given away: never met, and no NAT is known in front of it. */
static uint8_t find_voice(const struct ladder *ladder)
{
    for (unsigned i = 0; i < ladder->column_count; i++) {
        const struct ladder_column *column = &ladder->columns[i];
        if (column->place == PLACE_PEER && !column->met && *column->id &&
            ladder_find(ladder, PLACE_PEER_NAT, column->id) == LADDER_NOWHERE)
            return (uint8_t)i;
    }
    return LADDER_NOWHERE;
}

static void move_rows(struct ladder *ladder, uint8_t from, uint8_t to)
{
    for (unsigned i = 0; i < ladder->row_count; i++) {
        struct ladder_row *row = &ladder->rows[i];
        row->from = row->from == from ? to : row->from;
        row->to = row->to == from ? to : row->to;
        row->via = row->via == from ? to : row->via;
    }
}

uint8_t ladder_meet(struct ladder *ladder, const char *id)
{
    uint8_t own = ladder_column(ladder, PLACE_PEER, id), voice = LADDER_NOWHERE;
    if (own == LADDER_NOWHERE)
        return own;
    if (!*ladder->columns[own].id)
        voice = find_voice(ladder);
    if (voice != LADDER_NOWHERE) {
        struct ladder_column *column = &ladder->columns[voice];
        move_rows(ladder, voice, own);
        *column = (struct ladder_column){.place = PLACE_PEER};
        ladder_print(column->id, sizeof column->id, "%s", id);
        ladder_print(column->name, sizeof column->name, "%s", id);
        own = voice;
    }
    ladder->columns[own].met = true;
    return own;
}

unsigned ladder_order(const struct ladder *ladder, unsigned most, uint8_t at[LADDER_COLUMNS_MAX])
{
    unsigned count = 0, folded = 0;
    memset(at, LADDER_NOWHERE, LADDER_COLUMNS_MAX);
    for (unsigned place = PLACE_SELF; place <= PLACE_BROKER; place++)
        for (unsigned i = 0; i < ladder->column_count; i++)
            if (ladder->columns[i].place == place)
                at[i] = (uint8_t)count++;
    unsigned peers = count_peers(ladder);
    for (unsigned round = 0; round < 2; round++) /* who was met stands before mere voices */
        for (unsigned i = 0; i < ladder->column_count; i++) {
            const struct ladder_column *peer = &ladder->columns[i];
            if (peer->place != PLACE_PEER || peer->met != (round == 0))
                continue;
            uint8_t nat = ladder_find(ladder, PLACE_PEER_NAT, peer->id);
            unsigned needs = nat == LADDER_NOWHERE ? 1 : 2;
            peers--;
            if (folded || count + needs + (peers > 0) > most) {
                folded++;
                at[i] = (uint8_t)count;
                continue;
            }
            if (nat != LADDER_NOWHERE)
                at[nat] = (uint8_t)count++;
            at[i] = (uint8_t)count++;
        }
    return count + (folded > 0);
}

bool ladder_is_shared(const struct ladder *ladder, const uint8_t at[LADDER_COLUMNS_MAX], uint8_t column)
{
    unsigned count = 0;
    for (unsigned i = 0; i < ladder->column_count; i++)
        count += at[i] == at[column];
    return count > 1;
}

bool ladder_passes(const struct ladder *ladder, const struct ladder_row *row, uint8_t column)
{
    const struct ladder_column *nat = &ladder->columns[column];
    if (!row->nats || (nat->place != PLACE_NAT && nat->place != PLACE_PEER_NAT))
        return false;
    if (nat->place == PLACE_NAT)
        return row->from == 0 || row->to == 0;
    uint8_t peer = ladder_find(ladder, PLACE_PEER, nat->id);
    return peer != LADDER_NOWHERE && (row->from == peer || row->to == peer);
}

/* ---- rows ---- */

struct ladder_row ladder_row(int64_t at_ms, enum ladder_shape shape, uint8_t from, uint8_t to)
{
    return (struct ladder_row){.at_ms = at_ms,
                               .shape = shape,
                               .rank = RANK_DETAIL,
                               .from = from,
                               .to = to,
                               .via = LADDER_NOWHERE,
                               .times = 1};
}

void ladder_print(char *out, size_t capacity, const char *format, ...)
{
    char raw[2048];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(raw, sizeof raw, format, arguments);
    va_end(arguments);
    text_show(out, capacity, raw, len < 0 ? 0 : strlen(raw));
}

struct ladder_row *ladder_last(struct ladder *ladder)
{
    return ladder->row_count ? &ladder->rows[ladder->row_count - 1] : NULL;
}

static bool same(const struct ladder_row *a, const struct ladder_row *b)
{
    return a->shape == b->shape && a->from == b->from && a->to == b->to && a->via == b->via &&
           a->key == b->key && strcmp(a->label, b->label) == 0 && strcmp(a->text, b->text) == 0;
}

/* Leaves out of the middle what is not above `rank`; where rows were stands how many. */
static void leave_out(struct ladder *ladder, enum ladder_rank rank)
{
    unsigned kept = ENDS_KEPT, tail = ladder->row_count - ENDS_KEPT;
    for (unsigned i = ENDS_KEPT; i < ladder->row_count; i++) {
        struct ladder_row *row = &ladder->rows[i], *before = &ladder->rows[kept - 1];
        bool gap = row->shape == SHAPE_GAP, out = i < tail && (gap || row->rank <= rank);
        if (out && before->shape == SHAPE_GAP) {
            before->times += row->times;
        } else {
            if (out && !gap) {
                uint32_t times = row->times;
                *row = ladder_row(row->at_ms, SHAPE_GAP, 0, 0);
                row->times = times;
            }
            ladder->rows[kept++] = *row;
        }
    }
    ladder->row_count = kept;
}

static void thin(struct ladder *ladder)
{
    for (unsigned rank = RANK_CHATTER; rank <= RANK_TURN && ladder->row_count > LADDER_ROWS_MAX * 3 / 4;
         rank++)
        leave_out(ladder, (enum ladder_rank)rank);
}

void ladder_add(struct ladder *ladder, const struct ladder_row *row)
{
    struct ladder_row *last = ladder_last(ladder);
    if (last && same(last, row) && row->times < UINT32_MAX - last->times) {
        last->times += row->times;
        return;
    }
    if (ladder->row_count == LADDER_ROWS_MAX)
        thin(ladder);
    ladder->rows[ladder->row_count++] = *row;
}

/* ---- what both pictures say ---- */

void ladder_time(char out[24], int64_t at_ms)
{
    int64_t whole = at_ms < 0 ? -at_ms : at_ms;
    snprintf(out, 24, "%s%lld.%03d", at_ms < 0 ? "-" : "", (long long)(whole / 1000), (int)(whole % 1000));
}

void ladder_label(char out[LADDER_LABEL_MAX + 24], const struct ladder_row *row)
{
    if (row->shape == SHAPE_GAP)
        snprintf(out, LADDER_LABEL_MAX + 24, "... %u less important rows left out", row->times);
    else if (row->times > 1)
        snprintf(out, LADDER_LABEL_MAX + 24, "%s%s(%u times)", row->label, *row->label ? " " : "",
                 row->times);
    else
        snprintf(out, LADDER_LABEL_MAX + 24, "%s", row->label);
}
