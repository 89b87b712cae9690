/* ladder_draw.h - a ladder as a picture: of characters, or as SVG. */
#ifndef LADDER_DRAW_H
#define LADDER_DRAW_H

#include "ladder.h"

#include <stdio.h>

enum { LADDER_WIDTH_MIN = 64, LADDER_WIDTH = 100, LADDER_WIDTH_MAX = 200 }; /* columns of a terminal */

/* `width` within the limits above; `utf8`: lines are drawn with box characters, else everything is ASCII. */
void ladder_draw_text(const struct ladder *ladder, FILE *out, unsigned width, bool utf8, bool colour);
/* One SVG document (SVG 1.1), without scripts, links, or anything from elsewhere. */
void ladder_draw_svg(const struct ladder *ladder, FILE *out);

/* Seconds with milliseconds. */
void ladder_time(char out[24], int64_t at_ms);
/* What stands on a row's line. */
void ladder_label(char out[LADDER_LABEL_MAX + 24], const struct ladder_row *row);

enum { LADDER_PAUSE_MS = 2000 }; /* nothing for so long is shown as a pause */

#endif
