/* text.c - text from outside: is it UTF-8, and what of it may be shown.
 *
 * A name or a message of a peer must never steer our terminal (escape sequences), fake another line of ours,
 * or turn the reading direction round. Left out: look-alike letters. Nobody is identified by a name alone. */
#include "text.h"

#include <stdio.h>
#include <string.h>

static size_t expected_length(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        return 2;
    if ((first & 0xf0) == 0xe0)
        return 3;
    if (first >= 0xf0 && first <= 0xf4)
        return 4;
    return 0;
}

size_t text_character(const char *text, size_t len, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *byte = (const unsigned char *)text;
    size_t bytes = len ? expected_length(byte[0]) : 0;
    if (bytes == 0 || bytes > len)
        return 0;
    uint32_t value = bytes == 1 ? byte[0] : byte[0] & (0xffu >> (bytes + 1));
    for (size_t i = 1; i < bytes; i++) {
        if ((byte[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (byte[i] & 0x3f);
    }
    /* RFC 3629 3: neither overlong forms nor surrogates, nothing above U+10FFFF. */
    if (value < least[bytes] || (value >= 0xd800 && value <= 0xdfff) || value > 0x10ffff)
        return 0;
    *code = value;
    return bytes;
}

bool text_is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f)         /* C0, DEL, C1 */
           || code == 0x061c || code == 0x200e || code == 0x200f /* marks of direction */
           || (code >= 0x2028 && code <= 0x202e) /* line and paragraph ends, embeddings, overrides */
           || (code >= 0x2066 && code <= 0x2069) || code == 0xfeff; /* isolates; a mark that shows nothing */
}

bool text_is_name(const char *text, size_t max)
{
    size_t len = strlen(text);
    if (len < 1 || len > max)
        return false;
    for (size_t at = 0, bytes; at < len; at += bytes) {
        uint32_t code;
        bytes = text_character(text + at, len - at, &code);
        if (bytes == 0 || text_is_control(code))
            return false;
    }
    return true;
}

bool text_copy(char *out, size_t capacity, const char *text)
{
    size_t size = strlen(text) + 1;
    if (size > capacity)
        return false;
    memcpy(out, text, size);
    return true;
}

size_t text_plain(const char *text, size_t len)
{
    size_t at = 0;
    while (at < len && text[at] >= ' ' && text[at] <= '~' && text[at] != '"' && text[at] != '\\')
        at++;
    return at;
}

size_t text_show(char *out, size_t capacity, const char *text, size_t len)
{
    size_t used = 0;
    for (size_t at = 0; at < len;) {
        uint32_t code;
        size_t run = text_plain(text + at, len - at);
        if (run && used + run < capacity) {
            memcpy(out + used, text + at, run);
            used += run, at += run;
            continue;
        }
        size_t bytes = text_character(text + at, len - at, &code);
        bool plain = bytes && !text_is_control(code);
        if (bytes == 0)
            bytes = 1;
        size_t room = plain ? bytes : TEXT_SHOWN * bytes;
        if (used + room >= capacity)
            break;
        for (size_t i = 0; i < bytes && !plain; i++)
            used += (size_t)snprintf(out + used, TEXT_SHOWN + 1, "\\x%02x", (unsigned char)text[at + i]);
        if (plain) {
            memcpy(out + used, text + at, bytes);
            used += bytes;
        }
        at += bytes;
    }
    out[used] = '\0';
    return used;
}
