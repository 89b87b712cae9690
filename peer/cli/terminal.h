/* terminal.h - sentences for people on standard error, and a secret asked without echo. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

enum style { STYLE_PLAIN, STYLE_QUIET, STYLE_GOOD, STYLE_WARNING, STYLE_PROBLEM };

/* Whether this descriptor is a terminal that wants colour: not with NO_COLOR (https://no-color.org), not when
 * dumb. */
bool terminal_takes_colour(int fd);
/* The same of standard error. */
bool terminal_has_colour(void);
/* One sentence and a line feed, in one write. What peers said must have gone through text_show. A standard
 * error that cannot be written to is nobody's fault: nothing happens. */
void terminal_say(bool colour, enum style style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Has `end` called before each sentence, where standard output is the same terminal: a line that it has taken
 * only in part must end first. NULL: no more. */
void terminal_before_sentence(void (*end)(void *context), void *context);
/* Writes all of it, as far as it goes. */
void terminal_write(const char *text, size_t len);

/* Shows a line at the end of the terminal that the next one takes the place of, and that goes when a sentence
 * comes; an empty one takes it away. Not on anything but a terminal. */
void terminal_progress(const char *text);

/* Asks on the controlling terminal, without echo. Returns the bytes read (without the line feed), or -1: no
 * terminal (errno ENXIO or so), interrupted (EINTR), too long (EMSGSIZE). The terminal is as before in every
 * case. */
ptrdiff_t terminal_ask_secret(const char *question, char *answer, size_t capacity);

#endif
