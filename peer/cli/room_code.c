/* room_code.c - NAME-WORDS: a room and its secret in one line that can be read aloud (security.md).
 *
 * NAME is where to meet and may be known; WORDS never leave the machine. Every word must be of the list, so
 * a slip of tongue or finger is noticed at once and costs no guess. Left out: codes of other words; who wants
 * a secret of one's own gives a room and a secret. */
#include "room_code.h"

#include "text.h"

#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_MAX = 128 }; /* bytes (interface.md) */

void code_new(char code[CODE_FRESH_MAX])
{
    static const uint32_t names = 900000; /* of six digits, none of them with a 0 in front */
    int len = snprintf(code, CODE_FRESH_MAX, "%u", 100000 + randombytes_uniform(names));
    for (unsigned i = 0; i < CODE_LEAST; i++)
        len += snprintf(code + len, CODE_FRESH_MAX - (size_t)len, "-%s",
                        code_words[randombytes_uniform(CODE_WORDS)]);
}

static int compare_word(const void *key, const void *row)
{
    return strcmp(key, *(const char *const *)row);
}

static bool is_word(const char *word)
{
    return bsearch(word, code_words, CODE_WORDS, sizeof *code_words, compare_word) != NULL;
}

/* What people and their telephones put between words. */
static bool is_separator(uint32_t code)
{
    return code == ' ' || code == '\t' || code == '-' || code == 0xa0 || (code >= 0x2000 && code <= 0x200a) ||
           (code >= 0x2010 && code <= 0x2015) || code == 0x202f || code == 0x2212 || code == 0x3000;
}

static void fold(char *text)
{
    size_t len = strlen(text), used = 0;
    bool between = false;
    for (size_t at = 0; at < len;) {
        uint32_t code = 0;
        size_t bytes = text_character(text + at, len - at, &code);
        bool separates = bytes && is_separator(code);
        if (!bytes)
            bytes = 1;
        if (!separates && between && used)
            text[used++] = '-';
        between = separates;
        for (size_t i = 0; i < bytes && !separates; i++) {
            char c = text[at + i];
            text[used++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        }
        at += bytes;
    }
    text[used] = '\0';
}

/* How many words there are in "one-two"; *unknown: the first that is not in the list. */
static unsigned count_words(const char *words, unsigned *unknown)
{
    unsigned count = 0;
    for (const char *at = words; *at; at += *at == '-') {
        char word[CODE_WORD_MAX + 1] = "";
        size_t len = strcspn(at, "-");
        if (len <= CODE_WORD_MAX)
            memcpy(word, at, len);
        count++;
        if (!*unknown && !is_word(word))
            *unknown = count;
        sodium_memzero(word, sizeof word);
        at += len;
    }
    return count;
}

bool code_split(char *text, struct code_parts *parts)
{
    *parts = (struct code_parts){.room = text, .words = ""};
    fold(text);
    char *hyphen = strchr(text, '-');
    if (!hyphen)
        return false;
    *hyphen = '\0';
    parts->words = hyphen + 1;
    unsigned unknown = 0, count = count_words(parts->words, &unknown);
    if (count < CODE_LEAST)
        return false;
    parts->unknown = unknown;
    return !unknown && text_is_name(parts->room, ROOM_MAX);
}

bool code_is_whole(const char *name)
{
    char text[ROOM_MAX + 1];
    struct code_parts parts;
    size_t len = strlen(name);
    if (len >= sizeof text)
        return false;
    memcpy(text, name, len + 1);
    bool whole = code_split(text, &parts);
    sodium_memzero(text, sizeof text);
    return whole;
}
