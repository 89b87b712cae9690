/* room_code.h - NAME-WORDS: a room and its secret in one line that can be read aloud. */
#ifndef ROOM_CODE_H
#define ROOM_CODE_H

#include <stdbool.h>
#include <stddef.h>

enum {
    CODE_WORDS = 1296,   /* of the list: 6 to the 4th, a word for each throw of four dice */
    CODE_LEAST = 4,      /* words of a code: 41.3 bits. A PAKE allows one guess a run, so that is plenty */
    CODE_NAME_LEN = 6,   /* digits of a fresh NAME: so that two pairs of people seldom share a room */
    CODE_WORD_MAX = 8,   /* bytes of a word */
    CODE_FRESH_MAX = 64, /* bytes of a fresh code, with the NUL */
    CODE_TEXT_MAX = 1024 /* bytes of a code as somebody types it */
};

/* In the order of the alphabet. */
extern const char *const code_words[CODE_WORDS];

/* Writes a fresh code from the system's randomness. Who holds the text wipes it. */
void code_new(char code[CODE_FRESH_MAX]);

/* What code_split found. */
struct code_parts {
    const char *room;  /* NAME, 1 to 128 bytes */
    const char *words; /* WORDS, in small letters with one '-' in between: the secret */
    unsigned unknown;  /* counted from 1: this word is not in the list; 0: none, or there are too few */
};

/* Splits `text` (ends with NUL) in place and makes of it what every keyboard would: small letters; any run of
 * hyphens, dashes and spaces, ASCII or typographic, is one '-'; none at either end. True: *parts points into
 * it. False: it is no whole code, that is, a NAME and at least CODE_LEAST words of the list. */
bool code_split(char *text, struct code_parts *parts);

/* Whether this name of a room is a whole code, which would be public as a name. */
bool code_is_whole(const char *name);

#endif
