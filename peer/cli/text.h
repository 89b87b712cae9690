/* text.h - text from outside: is it UTF-8, and what of it may be shown. */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the well-formed UTF-8 character at `text` (RFC 3629 4) and its number in *code; 0: there is none.
 */
size_t text_character(const char *text, size_t len, uint32_t *code);
/* Whether a terminal might obey it rather than show it: C0, DEL, C1, line separators, direction controls. */
bool text_is_control(uint32_t code);
/* Whether it is 1 to `max` bytes of UTF-8 without control characters: what names of rooms and peers must be.
 */
bool text_is_name(const char *text, size_t max);

/* Copies `text` with its NUL into `capacity` bytes. False, and nothing is copied: it does not fit. */
bool text_copy(char *out, size_t capacity, const char *text);

/* How many bytes at the beginning are printable ASCII that needs no care anywhere: neither control nor quote
 * nor backslash. Most of most texts, at a tenth of the price of looking at characters. */
size_t text_plain(const char *text, size_t len);

enum { TEXT_SHOWN = 4 }; /* bytes that one byte may become: \xNN */

/* Copies `text` with every control character and every byte that is not UTF-8 as \xNN. Always ends with NUL;
 * what does not fit into `capacity` (> 0) is cut between characters. Returns the bytes written without the
 * NUL. */
size_t text_show(char *out, size_t capacity, const char *text, size_t len);

#endif
