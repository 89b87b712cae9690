/* wrap.h - text in cells of a terminal: how wide a character is, and where a line ends. */
#ifndef WRAP_H
#define WRAP_H

#include <stddef.h>

enum { WRAP_CHARACTER_MAX = 4 }; /* bytes of one character of UTF-8 */

/* The character at `text` (UTF-8 without control characters, ends with NUL): its bytes in *len, its cells
 * returned: 0 for one that combines with what is before it, 2 for a wide one. As LC_CTYPE knows it. */
unsigned wrap_cells(const char *text, size_t *len);
/* All of it. */
unsigned wrap_width(const char *text);
/* Bytes of `text` that fit into `cells` (> 1), up to a space if there is one; *next: where the next line
 * begins. */
size_t wrap_line(const char *text, unsigned cells, const char **next);
/* Bytes of `text` that fit into `cells`. */
size_t wrap_cut(const char *text, unsigned cells);

#endif
