/* wrap.c - text in cells of a terminal: how wide a character is, and where a line ends. */
#include "wrap.h"

#include "text.h"

#include <string.h>
#include <wchar.h>

unsigned wrap_cells(const char *text, size_t *len)
{
    uint32_t code = 0;
    size_t bytes = strnlen(text, WRAP_CHARACTER_MAX);
    *len = text_character(text, bytes, &code);
    if (*len == 0)
        *len = bytes > 0;
    int cells = code < 0x80 ? 1 : wcwidth((wchar_t)code);
    return cells < 0 ? 1
                     : (unsigned)cells; /* the locale does not know it: nobody knows how wide it is shown */
}

unsigned wrap_width(const char *text)
{
    unsigned width = 0;
    for (size_t len; *text; text += len)
        width += wrap_cells(text, &len);
    return width;
}

size_t wrap_cut(const char *text, unsigned cells)
{
    size_t at = 0, len;
    for (unsigned width = 0; text[at]; at += len) {
        width += wrap_cells(text + at, &len);
        if (width > cells)
            break;
    }
    return at;
}

size_t wrap_line(const char *text, unsigned cells, const char **next)
{
    size_t most = wrap_cut(text, cells), end = most;
    if (text[most] && text[most] != ' ') {
        while (end > 0 && text[end - 1] != ' ')
            end--;
        if (end == 0) /* a word that is longer than a line */
            end = most;
    }
    *next = text + end;
    while (**next == ' ')
        (*next)++;
    while (end > 0 && text[end - 1] == ' ')
        end--;
    if (*next == text && *text) /* nothing fits: never stand still */
        *next = text + strlen(text);
    return end;
}
