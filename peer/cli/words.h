/* words.h - 24 bits as four words that two people can compare aloud. */
#ifndef WORDS_H
#define WORDS_H

#include <stdint.h>

enum { WORDS_MAX = 40 }; /* bytes of the longest four words with spaces and the NUL */

/* Returns `text`. */
const char *words_print(char text[WORDS_MAX], const uint8_t bits[3]);

#endif
