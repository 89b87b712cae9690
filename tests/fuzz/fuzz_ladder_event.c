/* fuzz_ladder_event.c - logs full of anything, one or (after a line "--") two sides of it. What is drawn of
 * them must be bounded, and nothing that a terminal obeys or that XML does not know. */
#include "fuzz.h"
#include "ladder_draw.h"
#include "ladder_event.h"
#include <locale.h>
#include <string.h>

static const char *read_side(struct ladder_reader *reader, const char *at, const char *end)
{
    while (at < end) {
        const char *feed = memchr(at, '\n', (size_t)(end - at)), *stop = feed ? feed : end;
        if (stop - at == 2 && memcmp(at, "--", 2) == 0)
            return stop + (stop < end);
        ladder_event_line(reader, at, (size_t)(stop - at));
        must(reader->ladder->row_count <= LADDER_ROWS_MAX &&
             reader->ladder->column_count <= LADDER_COLUMNS_MAX);
        at = stop + (stop < end);
    }
    return end;
}

static void look_at(const char *drawn, size_t len, bool ascii)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)drawn[i];
        must(c == '\n' || (c >= 0x20 && c != 0x7f && (c < 0x80 || !ascii)));
    }
}

static void draw(const struct ladder *ladder, int how)
{
    char *drawn = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&drawn, &len);
    must(out != NULL);
    if (how == 0)
        ladder_draw_svg(ladder, out);
    else
        ladder_draw_text(ladder, out, how == 1 ? LADDER_WIDTH_MIN : LADDER_WIDTH_MAX, how == 1, false);
    must(fclose(out) == 0);
    look_at(drawn, len, how == 2);
    must(how != 0 || (!memmem(drawn, len, "\xEF\xBF\xBE", 3) && !memmem(drawn, len, "\xEF\xBF\xBF", 3)));
    if (how == 0) /* every tag is ours */
        for (const char *at = drawn; (at = strchr(at, '<')); at++)
            must(strspn(at + 1, "/abcdefghijklmnopqrstuvwxyz") > 0 && strncmp(at, "<script", 7) != 0);
    free(drawn);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ladder sides[2];
    struct ladder_reader readers[2] = {{.ladder = &sides[0]}, {.ladder = &sides[1]}};
    const char *at = (const char *)data, *end = at + size;
    int64_t ahead_ms;
    bool by_messages;
    static bool begun;
    if (!begun) /* wide characters are known to a locale only */
        begun = setlocale(LC_CTYPE, "C.UTF-8") != NULL;
    must(ladder_begin(&sides[0]) && ladder_begin(&sides[1]));
    at = read_side(&readers[0], at, end);
    read_side(&readers[1], at, end);
    if (ladder_align(&sides[0], &sides[1], &ahead_ms, &by_messages))
        must(ladder_join(&sides[0], &sides[1], ahead_ms));
    must(sides[0].row_count <= LADDER_ROWS_MAX);
    for (int how = 0; how < 3; how++)
        draw(&sides[0], how);
    ladder_end(&sides[0]);
    ladder_end(&sides[1]);
    return 0;
}
