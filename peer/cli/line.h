/* line.h - one JSON object on one line, built member by member. */
#ifndef LINE_H
#define LINE_H

#include <stdbool.h>
#include <stddef.h>

/* Begins zeroed. Owns `data`. */
struct line {
    char *data;
    size_t len, capacity;
    bool bad; /* no memory: the line is not written */
};

/* Empties it and begins an object; the memory is used again. */
void line_begin(struct line *line);
/* A member whose value is a text. It may be anything: it arrives as it is where it is UTF-8 (with control
 * characters as \u00XX), other bytes as \xNN; nothing in it reaches a terminal as a command. */
void line_text(struct line *line, const char *name, const char *text, size_t len);
void line_string(struct line *line, const char *name, const char *text);
void line_number(struct line *line, const char *name, long long number);
/* Three digits after the point. */
void line_decimal(struct line *line, const char *name, double number);
void line_bool(struct line *line, const char *name, bool value);
/* An array of texts: open, one line_element each, close. */
void line_array(struct line *line, const char *name);
void line_element(struct line *line, const char *text);
void line_array_end(struct line *line);
/* Ends the object and writes it to standard error, at once. */
void line_write(struct line *line);
void line_free(struct line *line);

#endif
