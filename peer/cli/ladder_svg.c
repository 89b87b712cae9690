/* ladder_svg.c - a ladder as one SVG document (SVG 1.1).
 *
 * Where both sides' logs are there, a message of the room is one line from when it was sent to when it came:
 * it leans by its time on the way. Text is the only thing in it that others wrote; XML's five characters are
 * escaped, and the two that XML does not know are left out. */
#include "ladder_draw.h"
#include "text.h"
#include "wrap.h"

#include <string.h>

enum {
    GUTTER = 150,  /* left of the first column's line, for the time */
    SPACING = 165, /* between columns */
    MARGIN = 150,  /* right of the last */
    HEAD = 56,     /* above the first row */
    LINE = 15,     /* height of a line of text */
    ARROW = 26,    /* of a row with an arrow, up to it */
    BESIDE = 8     /* between a column and what stands beside it */
};
static const double CELL = 7.3; /* width of a character of 12 px, as monospace fonts have it */

struct drawing {
    const struct ladder *ladder;
    FILE *out;
    unsigned places, width;
    uint8_t at[LADDER_COLUMNS_MAX];
    unsigned y[LADDER_ROWS_MAX]; /* where each row's arrow, or its first line of text, is */
};

static const char *colour(enum style style)
{
    static const char *const colours[] = {
        [STYLE_PLAIN] = "#24292f",   [STYLE_QUIET] = "#57606a",   [STYLE_GOOD] = "#116329",
        [STYLE_WARNING] = "#7d4e00", [STYLE_PROBLEM] = "#a40e26",
    };
    return colours[style];
}

/* `len` bytes of text as XML's. */
static void print_escaped(FILE *out, const char *text, size_t len)
{
    for (size_t at = 0, bytes; at < len; at += bytes) {
        uint32_t code = 0;
        bytes = text_character(text + at, len - at, &code);
        const char *escape = code == '<'    ? "&lt;"
                             : code == '>'  ? "&gt;"
                             : code == '&'  ? "&amp;"
                             : code == '"'  ? "&quot;"
                             : code == '\'' ? "&#39;"
                                            : NULL;
        if (bytes == 0 || code == 0xfffe || code == 0xffff) /* XML 1.0 2.2: no characters */
            bytes = bytes ? bytes : 1;
        else if (escape)
            fputs(escape, out);
        else
            fwrite(text + at, 1, bytes, out);
    }
}

static void print_text(const struct drawing *drawing, unsigned x, unsigned y, const char *anchor,
                       enum style style, const char *text, size_t len)
{
    fprintf(drawing->out, "<text x=\"%u\" y=\"%u\" text-anchor=\"%s\" fill=\"%s\">", x, y, anchor,
            colour(style));
    print_escaped(drawing->out, text, len);
    fputs("</text>\n", drawing->out);
}

static unsigned x_of(const struct drawing *drawing, uint8_t column)
{
    uint8_t place = column < LADDER_COLUMNS_MAX ? drawing->at[column] : 0;
    return GUTTER + SPACING * (place < drawing->places ? place : 0u);
}

/* ---- where rows stand ---- */

static bool lies(const struct drawing *drawing, const struct ladder_row *row)
{
    return row->shape != SHAPE_NOTE && row->shape != SHAPE_RULE && row->shape != SHAPE_GAP &&
           row->from != LADDER_NOWHERE && row->to != LADDER_NOWHERE &&
           x_of(drawing, row->from) != x_of(drawing, row->to);
}

/* The row in which a message that is sent in this one comes in; NULL: nobody tells. */
static const struct ladder_row *arrival(const struct ladder *ladder, const struct ladder_row *sent)
{
    const struct ladder_row *end = ladder->rows + ladder->row_count;
    if (!sent->sent || !sent->key)
        return NULL;
    for (const struct ladder_row *row = sent + 1; row < end; row++)
        if (row->came && row->key == sent->key)
            return row;
    return NULL;
}

static bool is_arrival(const struct ladder *ladder, const struct ladder_row *came)
{
    if (!came->came || !came->key)
        return false;
    for (const struct ladder_row *row = came; row-- > ladder->rows;)
        if (row->sent && row->key == came->key)
            return arrival(ladder, row) == came;
    return false;
}

/* Text stands to the right of the leftmost column that the row knows, or, of the other side, to its left. */
static bool on_the_left(const struct drawing *drawing, const struct ladder_row *row)
{
    return row->shape == SHAPE_NOTE && row->from != LADDER_NOWHERE &&
           x_of(drawing, row->from) > drawing->width / 2;
}

static unsigned text_x(const struct drawing *drawing, const struct ladder_row *row)
{
    unsigned x = row->from == LADDER_NOWHERE ? GUTTER : x_of(drawing, row->from);
    if (lies(drawing, row) && x_of(drawing, row->to) < x)
        x = x_of(drawing, row->to);
    return on_the_left(drawing, row) ? x - BESIDE : x + BESIDE;
}

static unsigned text_cells(const struct drawing *drawing, const struct ladder_row *row)
{
    unsigned x = text_x(drawing, row), end = drawing->width;
    if (lies(drawing, row) && x_of(drawing, row->from) + x_of(drawing, row->to) > drawing->width)
        end = x_of(drawing, row->from) > x ? x_of(drawing, row->from) : x_of(drawing, row->to);
    unsigned room = on_the_left(drawing, row) ? x - GUTTER : end - x;
    return (unsigned)((room < SPACING - BESIDE ? SPACING - BESIDE : room) / CELL);
}

static unsigned count_lines(const char *text, unsigned cells)
{
    unsigned count = 0;
    for (; *text; count++)
        wrap_line(text, cells, &text);
    return count;
}

static unsigned place_rows(struct drawing *drawing)
{
    const struct ladder *ladder = drawing->ladder;
    unsigned y = HEAD;
    for (unsigned i = 0; i < ladder->row_count; i++) {
        const struct ladder_row *row = &ladder->rows[i];
        bool pause = i > 0 && row->at_ms - row[-1].at_ms >= LADDER_PAUSE_MS;
        y += (unsigned)(lies(drawing, row) ? ARROW : LINE + 3) + (pause ? LINE : 0u);
        drawing->y[i] = y;
        if (is_arrival(ladder, row))
            continue;
        unsigned lines = count_lines(row->text, text_cells(drawing, row));
        bool beside = !lies(drawing, row) && !*row->label && lines > 0;
        y += LINE * (lines - beside);
    }
    return y + LINE * 2;
}

/* ---- what they look like ---- */

static void draw_words(const struct drawing *drawing, const struct ladder_row *row, unsigned y)
{
    const char *text = row->text, *next;
    bool left = on_the_left(drawing, row);
    enum style style = lies(drawing, row) ? STYLE_QUIET : row->style;
    for (; *text; text = next, y += LINE) {
        size_t len = wrap_line(text, text_cells(drawing, row), &next);
        print_text(drawing, text_x(drawing, row), y, left ? "end" : "start", style, text, len);
    }
}

static void draw_line(const struct drawing *drawing, const struct ladder_row *row, unsigned x1, unsigned y1,
                      unsigned x2, unsigned y2)
{
    const char *marks = row->shape == SHAPE_ARROW  ? "marker-end=\"url(#head)\""
                        : row->shape == SHAPE_PATH ? "marker-start=\"url(#tail)\" marker-end=\"url(#head)\""
                                                   : "stroke-dasharray=\"3 4\"";
    fprintf(drawing->out,
            "<line x1=\"%u\" y1=\"%u\" x2=\"%u\" y2=\"%u\" stroke=\"%s\" stroke-width=\"%s\" %s/>\n", x1, y1,
            x2, y2, colour(row->style), row->shape == SHAPE_PATH ? "2.5" : "1.2", marks);
}

/* What the line goes through: the NATs, and who carries it. */
static void draw_marks(const struct drawing *drawing, const struct ladder_row *row, unsigned y)
{
    for (unsigned i = 0; i < drawing->ladder->column_count; i++)
        if (drawing->at[i] != LADDER_NOWHERE && ladder_passes(drawing->ladder, row, (uint8_t)i))
            fprintf(drawing->out, "<rect x=\"%u\" y=\"%u\" width=\"8\" height=\"12\" fill=\"%s\"/>\n",
                    x_of(drawing, (uint8_t)i) - 4, y - 6, colour(row->style));
    if (row->via != LADDER_NOWHERE)
        fprintf(drawing->out, "<circle cx=\"%u\" cy=\"%u\" r=\"4\" fill=\"#fff\" stroke=\"%s\"/>\n",
                x_of(drawing, row->via), y, colour(row->style));
}

static void draw_arrow(const struct drawing *drawing, unsigned index)
{
    const struct ladder_row *row = &drawing->ladder->rows[index], *came = arrival(drawing->ladder, row);
    unsigned y = drawing->y[index], from = x_of(drawing, row->from);
    if (came) {
        draw_line(drawing, row, from, y, x_of(drawing, came->to), drawing->y[came - drawing->ladder->rows]);
        return;
    }
    draw_line(drawing, row, from, y, x_of(drawing, row->to), y);
    draw_marks(drawing, row, y);
}

/* In the middle of an arrow that is long enough, else from its beginning on. */
static void draw_label(const struct drawing *drawing, unsigned index)
{
    const struct ladder_row *row = &drawing->ladder->rows[index];
    char label[LADDER_LABEL_MAX + 24];
    unsigned y = drawing->y[index], from = x_of(drawing, row->from), to = x_of(drawing, row->to);
    ladder_label(label, row);
    if (!lies(drawing, row)) {
        print_text(drawing, text_x(drawing, row), y, on_the_left(drawing, row) ? "end" : "start", row->style,
                   label, strlen(label));
        return;
    }
    bool fits = (from < to ? to - from : from - to) > wrap_width(label) * CELL;
    unsigned x = from < to ? from + BESIDE : from - BESIDE;
    const char *anchor = from < to ? "start" : "end";
    if (fits && !arrival(drawing->ladder, row))
        x = (from + to) / 2, anchor = "middle";
    print_text(drawing, x, y - 5, anchor, row->style, label, strlen(label));
}

static void draw_row_words(const struct drawing *drawing, unsigned index)
{
    const struct ladder_row *row = &drawing->ladder->rows[index];
    char time[24];
    unsigned y = drawing->y[index];
    ladder_time(time, row->at_ms);
    if (row->shape != SHAPE_RULE && row->shape != SHAPE_GAP)
        print_text(drawing, 72, y + (lies(drawing, row) ? 4u : 0u), "end", STYLE_QUIET, time, strlen(time));
    if (is_arrival(drawing->ladder, row))
        return;
    bool labelled = *row->label || row->shape == SHAPE_GAP;
    if (labelled)
        draw_label(drawing, index);
    draw_words(drawing, row, y + (labelled || lies(drawing, row) ? LINE : 0u));
}

static void draw_columns(const struct drawing *drawing, unsigned height)
{
    for (unsigned i = 0; i < drawing->ladder->column_count; i++) {
        const struct ladder_column *column = &drawing->ladder->columns[i];
        unsigned x = x_of(drawing, (uint8_t)i), cells = (unsigned)(SPACING / CELL) - 1;
        bool shared = ladder_is_shared(drawing->ladder, drawing->at, (uint8_t)i);
        const char *name = shared ? "others" : column->name;
        if (drawing->at[i] == LADDER_NOWHERE)
            continue;
        fprintf(drawing->out,
                "<line x1=\"%u\" y1=\"%u\" x2=\"%u\" y2=\"%u\" stroke=\"#d0d7de\" stroke-width=\"%s\"/>\n", x,
                (unsigned)HEAD - 6, x, height - LINE,
                column->place == PLACE_NAT || column->place == PLACE_PEER_NAT ? "6" : "1.5");
        print_text(drawing, x, 24, "middle\" font-weight=\"bold", STYLE_PLAIN, name, wrap_cut(name, cells));
        if (!shared)
            print_text(drawing, x, 41, "middle", STYLE_QUIET, column->detail,
                       wrap_cut(column->detail, cells));
    }
}

void ladder_draw_svg(const struct ladder *ladder, FILE *out)
{
    struct drawing drawing = {.ladder = ladder, .out = out};
    drawing.places = ladder_order(ladder, LADDER_COLUMNS_MAX, drawing.at);
    drawing.width = GUTTER + SPACING * (drawing.places - 1) + MARGIN;
    if (drawing.width < 640) /* a session in which nobody came has notes all the same */
        drawing.width = 640;
    unsigned height = place_rows(&drawing);
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" viewBox=\"0 0 %u %u\" "
            "font-family=\"ui-monospace, monospace\" font-size=\"12\" role=\"img\">\n"
            "<title>The ladder of a session</title>\n"
            "<defs><marker id=\"head\" markerUnits=\"userSpaceOnUse\" markerWidth=\"10\" markerHeight=\"10\" "
            "refX=\"9\" refY=\"5\" orient=\"auto\"><path d=\"M0,1 L9,5 L0,9 z\" fill=\"#24292f\"/></marker>"
            "<marker id=\"tail\" markerUnits=\"userSpaceOnUse\" markerWidth=\"10\" markerHeight=\"10\" "
            "refX=\"0\" "
            "refY=\"5\" orient=\"auto\"><path d=\"M9,1 L0,5 L9,9 z\" fill=\"#24292f\"/></marker></defs>\n"
            "<rect width=\"%u\" height=\"%u\" fill=\"#fff\"/>\n",
            drawing.width, height, drawing.width, height, drawing.width, height);
    draw_columns(&drawing, height);
    print_text(&drawing, 72, 41, "end", STYLE_QUIET, "s", 1);
    for (unsigned i = 0; i < ladder->row_count; i++)
        if (lies(&drawing, &ladder->rows[i]) && !is_arrival(ladder, &ladder->rows[i]))
            draw_arrow(&drawing, i);
    fputs("<g paint-order=\"stroke\" stroke=\"#fff\" stroke-width=\"3\" stroke-linejoin=\"round\">\n", out);
    for (unsigned i = 0; i < ladder->row_count; i++)
        draw_row_words(&drawing, i);
    fputs("</g>\n</svg>\n", out);
}
