/* ladder_text.c - a ladder drawn with characters, a line at a time.
 *
 * A line is a row of cells: first the columns' lines, over them an arrow, over that words. */
#include "ladder_draw.h"
#include "wrap.h"

#include <string.h>

enum {
    TIME_CELLS = 10, /* in front: seconds, right-aligned */
    FIRST_AT = TIME_CELLS + 5,
    LAST_MARGIN = 8, /* behind the last column's line */
    SPACING_MIN = 10,
    WORDS_MIN = 24, /* cells of a line of text; where there are not so many it goes over columns */
    CELL_BYTES = 16 /* a character with some that combine with it */
};

enum glyph {
    GLYPH_DOWN,
    GLYPH_PAUSE,
    GLYPH_LINE,
    GLYPH_DOUBLE,
    GLYPH_BROKEN,
    GLYPH_VIA,
    GLYPH_NAT,
    GLYPH_RULE,
    GLYPHS
};

struct cell {
    char bytes[CELL_BYTES];
    enum style style;
};

struct canvas {
    const struct ladder *ladder;
    FILE *out;
    bool utf8, colour;
    unsigned width, places;
    uint8_t at[LADDER_COLUMNS_MAX]; /* the place of each column */
    unsigned x[LADDER_COLUMNS_MAX]; /* of each place */
    struct cell cells[LADDER_WIDTH_MAX];
};

static const char *glyph(const struct canvas *canvas, enum glyph which)
{
    static const char *const glyphs[GLYPHS][2] = {
        [GLYPH_DOWN] = {"|", "│"},   [GLYPH_PAUSE] = {":", "┊"},  [GLYPH_LINE] = {"-", "─"},
        [GLYPH_DOUBLE] = {"=", "═"}, [GLYPH_BROKEN] = {".", "╌"}, [GLYPH_VIA] = {"o", "○"},
        [GLYPH_NAT] = {"#", "╫"},    [GLYPH_RULE] = {"~", "━"},
    };
    return glyphs[which][canvas->utf8];
}

/* ---- one line ---- */

static void set(struct canvas *canvas, unsigned x, const char *bytes, size_t len, enum style style)
{
    if (x >= canvas->width || len >= CELL_BYTES)
        return;
    memcpy(canvas->cells[x].bytes, bytes, len);
    canvas->cells[x].bytes[len] = '\0';
    canvas->cells[x].style = style;
}

static void set_glyph(struct canvas *canvas, unsigned x, enum glyph which, enum style style)
{
    const char *bytes = glyph(canvas, which);
    set(canvas, x, bytes, strlen(bytes), style);
}

static void clear(struct canvas *canvas, enum glyph down)
{
    for (unsigned x = 0; x < canvas->width; x++)
        set(canvas, x, " ", 1, STYLE_PLAIN);
    for (unsigned place = 0; place < canvas->places && down != GLYPHS; place++)
        set_glyph(canvas, canvas->x[place], down, STYLE_QUIET);
}

/* `len` bytes of text from `x` on; a wide character's second cell stays empty. */
static void put(struct canvas *canvas, unsigned x, const char *text, size_t len, enum style style)
{
    for (size_t at = 0, bytes; at < len && x < canvas->width; at += bytes) {
        unsigned cells = wrap_cells(text + at, &bytes);
        bool plain = canvas->utf8 || bytes == 1;
        struct cell *before = x > 0 ? &canvas->cells[x - 1] : NULL;
        if (cells == 0 && before && plain && strlen(before->bytes) + bytes < CELL_BYTES) {
            strncat(before->bytes, text + at, bytes);
            continue;
        }
        if (cells == 0)
            continue;
        if (cells == 2 && x + 1 >= canvas->width)
            return;
        set(canvas, x, plain ? text + at : "?", plain ? bytes : 1, style);
        if (cells == 2)
            set(canvas, x + 1, plain ? "" : "?", plain ? 0 : 1, style);
        x += cells;
    }
}

static const char *style_code(enum style style)
{
    static const char *const codes[] = {
        [STYLE_PLAIN] = "",           [STYLE_QUIET] = "\033[2m",    [STYLE_GOOD] = "\033[32m",
        [STYLE_WARNING] = "\033[33m", [STYLE_PROBLEM] = "\033[31m",
    };
    return codes[style];
}

/* Writes the line, without the spaces at its end. */
static void flush(struct canvas *canvas)
{
    unsigned end = canvas->width;
    enum style style = STYLE_PLAIN;
    while (end > 0 && strcmp(canvas->cells[end - 1].bytes, " ") == 0)
        end--;
    for (unsigned x = 0; x < end; x++) {
        if (canvas->colour && canvas->cells[x].style != style) {
            style = canvas->cells[x].style;
            fprintf(canvas->out, "\033[0m%s", style_code(style));
        }
        fputs(canvas->cells[x].bytes, canvas->out);
    }
    fputs(style != STYLE_PLAIN ? "\033[0m\n" : "\n", canvas->out);
}

static void put_time(struct canvas *canvas, int64_t at_ms)
{
    char text[24];
    ladder_time(text, at_ms);
    size_t len = strlen(text);
    put(canvas, len < TIME_CELLS ? (unsigned)(TIME_CELLS - len) : 0, text, len, STYLE_QUIET);
}

/* ---- rows ---- */

static unsigned x_of(const struct canvas *canvas, uint8_t column)
{
    uint8_t place = column < LADDER_COLUMNS_MAX ? canvas->at[column] : 0;
    return canvas->x[place < canvas->places ? place : 0];
}

/* Text in lines beside the column `from`: to the right, or where more room is on the left, there. */
static void draw_words(struct canvas *canvas, const struct ladder_row *row, const char *text,
                       enum style style, bool timed)
{
    unsigned x = row->from == LADDER_NOWHERE ? canvas->x[0] : x_of(canvas, row->from);
    unsigned other = row->shape == SHAPE_NOTE ? x : x_of(canvas, row->to);
    unsigned low = x < other ? x : other, high = x < other ? other : x;
    bool left = x > canvas->width / 2 && row->shape == SHAPE_NOTE;
    unsigned begin = left ? canvas->x[0] + 2 : low + 2, end = left ? x - 1 : canvas->width;
    if (high > begin + WORDS_MIN)
        end = high - 1;
    if (end < begin + WORDS_MIN)
        begin = canvas->x[0] + 2;
    while (*text) {
        const char *next;
        size_t len = wrap_line(text, end - begin, &next);
        clear(canvas, GLYPH_DOWN);
        if (timed)
            put_time(canvas, row->at_ms);
        timed = false;
        char one[LADDER_TEXT_MAX + LADDER_LABEL_MAX];
        snprintf(one, sizeof one, "%.*s", (int)len, text);
        put(canvas, left ? end - wrap_width(one) : begin, one, len, style);
        flush(canvas);
        text = next;
    }
}

/* Where a label of this width stands on the line: in the middle, but not over who carries the message. 0: it
 * has no room. */
static unsigned label_at(const struct canvas *canvas, const struct ladder_row *row, unsigned low,
                         unsigned high, unsigned width)
{
    unsigned via = row->via == LADDER_NOWHERE ? low : x_of(canvas, row->via);
    unsigned middle = low + (high - low - width) / 2;
    if (high - low < width + 7)
        return 0;
    if (via <= low || via >= high || via + 1 < middle || via > middle + width)
        return middle;
    bool right = high - via > via - low;
    unsigned begin = right ? via : low, room = right ? high - via : via - low;
    return room < width + 5 ? middle : begin + (room - width) / 2;
}

/* From one column's line to another's, with its label if there is room; false: it must stand elsewhere. */
static bool draw_line(struct canvas *canvas, const struct ladder_row *row, const char *label)
{
    static const enum glyph fill[] = {
        [SHAPE_ARROW] = GLYPH_LINE, [SHAPE_PATH] = GLYPH_DOUBLE, [SHAPE_BREAK] = GLYPH_BROKEN};
    unsigned from = x_of(canvas, row->from), to = x_of(canvas, row->to);
    unsigned low = from < to ? from : to, high = from < to ? to : from, width = wrap_width(label);
    for (unsigned x = low + 1; x < high; x++)
        set_glyph(canvas, x, fill[row->shape], row->style);
    for (unsigned i = 0; row->nats && i < canvas->ladder->column_count; i++) {
        unsigned x = x_of(canvas, (uint8_t)i);
        if (canvas->at[i] != LADDER_NOWHERE && ladder_passes(canvas->ladder, row, (uint8_t)i) && x > low &&
            x < high)
            set_glyph(canvas, x, GLYPH_NAT, row->style);
    }
    if (row->via != LADDER_NOWHERE && x_of(canvas, row->via) > low && x_of(canvas, row->via) < high)
        set_glyph(canvas, x_of(canvas, row->via), GLYPH_VIA, row->style);
    if (row->shape != SHAPE_ARROW || to < from)
        set(canvas, low + 1, "<", 1, row->style);
    if (row->shape != SHAPE_ARROW || to > from)
        set(canvas, high - 1, ">", 1, row->style);
    if (row->shape == SHAPE_BREAK) {
        set(canvas, low + 1, " ", 1, row->style);
        set(canvas, high - 1, "x", 1, row->style);
    }
    unsigned x = label_at(canvas, row, low, high, width);
    if (!width || !x)
        return !width;
    set(canvas, x - 1, " ", 1, row->style);
    put(canvas, x, label, strlen(label), row->style);
    set(canvas, x + width, " ", 1, row->style);
    return true;
}

static void draw_across(struct canvas *canvas, const struct ladder_row *row)
{
    char label[LADDER_LABEL_MAX + 24];
    ladder_label(label, row);
    clear(canvas, row->shape == SHAPE_GAP ? GLYPH_PAUSE : GLYPHS);
    if (row->shape == SHAPE_RULE) {
        for (unsigned x = 0; x < canvas->width; x++)
            set_glyph(canvas, x, GLYPH_RULE, STYLE_QUIET);
    }
    put(canvas, canvas->x[0] + 2, label, strlen(label), STYLE_QUIET);
    flush(canvas);
}

static void draw_row(struct canvas *canvas, const struct ladder_row *row)
{
    char label[LADDER_LABEL_MAX + 24];
    bool lies = row->from != LADDER_NOWHERE && row->to != LADDER_NOWHERE && row->shape != SHAPE_NOTE &&
                x_of(canvas, row->from) != x_of(canvas, row->to);
    if (row->shape == SHAPE_RULE || row->shape == SHAPE_GAP) {
        draw_across(canvas, row);
        return;
    }
    ladder_label(label, row);
    if (lies) {
        clear(canvas, GLYPH_DOWN);
        put_time(canvas, row->at_ms);
        bool labelled = draw_line(canvas, row, label);
        flush(canvas);
        if (!labelled)
            draw_words(canvas, row, label, row->style, false);
    } else if (*label) {
        draw_words(canvas, row, label, row->style, true);
    }
    draw_words(canvas, row, row->text, lies ? STYLE_QUIET : row->style, !lies && !*label);
}

/* ---- all of it ---- */

static void draw_heads(struct canvas *canvas)
{
    clear(canvas, GLYPHS);
    put(canvas, TIME_CELLS - 1, "s", 1, STYLE_QUIET);
    for (unsigned i = 0; i < canvas->ladder->column_count; i++) {
        const struct ladder_column *column = &canvas->ladder->columns[i];
        if (canvas->at[i] == LADDER_NOWHERE)
            continue;
        unsigned x = x_of(canvas, (uint8_t)i), room = SPACING_MIN;
        if (canvas->places > 1)
            room = canvas->x[1] - canvas->x[0] - 1;
        bool shared = ladder_is_shared(canvas->ladder, canvas->at, (uint8_t)i);
        const char *name = shared ? "others" : column->name;
        size_t len = wrap_cut(name, room);
        char cut[LADDER_NAME_MAX];
        snprintf(cut, sizeof cut, "%.*s", (int)len, name);
        unsigned width = wrap_width(cut), begin = x > width / 2 ? x - width / 2 : 0;
        if (begin + width > canvas->width)
            begin = canvas->width - width;
        begin = begin > TIME_CELLS ? begin : TIME_CELLS + 1;
        put(canvas, begin, cut, len, STYLE_PLAIN);
    }
    flush(canvas);
}

/* What there is to say of a column, once. */
static void draw_details(const struct canvas *canvas)
{
    const struct ladder *ladder = canvas->ladder;
    for (unsigned i = 0; i < ladder->column_count; i++) {
        const struct ladder_column *column = &ladder->columns[i];
        const char *of = column->place == PLACE_PEER_NAT ? " of " : "", *who = "";
        uint8_t peer = ladder_find(ladder, PLACE_PEER, column->id);
        if (*of && peer != LADDER_NOWHERE)
            who = ladder->columns[peer].name;
        if (!*column->detail)
            continue;
        char line[LADDER_NAME_MAX * 3 + 16];
        int len = snprintf(line, sizeof line, "%s%s%s: %s", column->name, of, who, column->detail);
        for (int at = 0; at < len; at++) /* ASCII, where nothing else can be shown */
            if (!canvas->utf8 && (unsigned char)line[at] >= 0x80)
                line[at] = '?';
        fprintf(canvas->out, "%s\n", line);
    }
}

static void place_columns(struct canvas *canvas)
{
    unsigned room = canvas->width - FIRST_AT - LAST_MARGIN;
    canvas->places = ladder_order(canvas->ladder, room / SPACING_MIN + 1, canvas->at);
    for (unsigned place = 0; place < canvas->places; place++)
        canvas->x[place] = FIRST_AT + (canvas->places > 1 ? room * place / (canvas->places - 1) : 0);
}

void ladder_draw_text(const struct ladder *ladder, FILE *out, unsigned width, bool utf8, bool colour)
{
    struct canvas canvas = {.ladder = ladder, .out = out, .utf8 = utf8, .colour = colour, .width = width};
    int64_t before_ms = ladder->row_count ? ladder->rows[0].at_ms : 0;
    place_columns(&canvas);
    draw_details(&canvas);
    draw_heads(&canvas);
    for (unsigned i = 0; i < ladder->row_count; i++) {
        const struct ladder_row *row = &ladder->rows[i];
        if (row->at_ms - before_ms >= LADDER_PAUSE_MS) {
            clear(&canvas, GLYPH_PAUSE);
            flush(&canvas);
        }
        before_ms = row->at_ms;
        draw_row(&canvas, row);
    }
}
