/* fuzz_text.c - hostile text on its way to a terminal. What text_show makes of it must fit, be UTF-8, have
 * nothing in it that a terminal obeys, keep plain text as it is, and be as long as any room allows. */
#include "fuzz.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Not text_is_control: what it forgets must be found. The codes are those of Unicode's classes Cc, Zl, Zp and
 * the property Bidi_Control. */
static bool steers(uint32_t code)
{
    static const uint32_t marks[] = {0x061c, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202b,
                                     0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (marks[i] == code)
            return true;
    return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

static bool is_plain(const char *text, size_t len)
{
    for (size_t at = 0, bytes; at < len; at += bytes) {
        uint32_t code = 0;
        bytes = text_character(text + at, len - at, &code);
        if (!bytes || steers(code))
            return false;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char whole[TEXT_SHOWN * 4096 + 1];
    if (size < 1 || size > 4096)
        return 0;
    size_t capacity = 1 + data[0] % 64;
    const char *text = (const char *)data + 1;
    size_t len = text_show(whole, sizeof whole, text, --size);
    must(len == strlen(whole) && len >= size && len <= TEXT_SHOWN * size && is_plain(whole, len));
    char *part = malloc(capacity); /* so that the address sanitizer sees its end */
    must(part != NULL);
    size_t cut = text_show(part, capacity, text, size);
    must(cut == strlen(part) && cut < capacity && is_plain(part, cut) && !memcmp(part, whole, cut));
    free(part);
    char *name = calloc(1, size + 1);
    must(name != NULL);
    memcpy(name, text, size);
    if (text_is_name(name, 128))
        must(strlen(name) <= 128 && is_plain(name, strlen(name)) && !strncmp(name, whole, strlen(name)));
    free(name);
    return 0;
}
