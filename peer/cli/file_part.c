/* file_part.c - what an unfinished file is called.
 *
 * The digits keep us out of other programs' files: NAME.part alone might be a browser's, and writing into it
 * would destroy it. A manifest may not have names that look so. */
#include "file_part.h"

#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { DIGITS = 16, ENDING_LEN = 1 + DIGITS + 5, STEM_MAX = PART_NAME_MAX - 1 - ENDING_LEN };

void part_name(char out[PART_NAME_MAX], const char *path)
{
    uint8_t hash[crypto_generichash_BYTES_MIN];
    char digits[2 * sizeof hash + 1];
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t len = strlen(name);
    crypto_generichash(hash, sizeof hash, (const uint8_t *)path, strlen(path), NULL, 0);
    sodium_bin2hex(digits, sizeof digits, hash, sizeof hash);
    if (len > STEM_MAX)
        for (len = STEM_MAX; len > 0 && ((unsigned char)name[len] & 0xc0) == 0x80;)
            len--; /* not in the middle of a character */
    snprintf(out, PART_NAME_MAX, "%.*s.%.*s.part", (int)len, name, DIGITS, digits);
}

bool part_name_is(const char *name, size_t len)
{
    if (len < ENDING_LEN || memcmp(name + len - 5, ".part", 5) != 0 || name[len - ENDING_LEN] != '.')
        return false;
    for (size_t i = len - ENDING_LEN + 1; i < len - 5; i++)
        if (!memchr("0123456789abcdef", name[i], 16))
            return false;
    return true;
}
