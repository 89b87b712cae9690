/* room.c - a room's name, its topic on the broker, and who in it pairs with whom (interface.md: "The room on
 * the broker"). The topic says nothing about the secret: it is made of the name alone. */
#include "room.h"
#include "json.h"
#include "rendezvous.h"
#include <sodium.h>
#include <string.h>

static const char TOPIC_LABEL[] = "p2pconnect/1 topic";

/* C1 controls are two bytes in UTF-8, C2 80 to C2 9F; terminals obey them as they do C0. */
static bool has_control(const uint8_t *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] < 0x20 || text[i] == 0x7f)
            return true;
        if (text[i] == 0xc2 && i + 1 < len && text[i + 1] < 0xa0)
            return true;
    }
    return false;
}

bool room_valid(const char *name)
{
    size_t len = strnlen(name, ROOM_NAME_MAX + 1);
    return len >= 1 && len <= ROOM_NAME_MAX && utf8_valid((const uint8_t *)name, len) &&
           !has_control((const uint8_t *)name, len);
}

void base32_print(char *out, const uint8_t *bytes, size_t len)
{
    uint32_t bits = 0, have = 0;
    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | bytes[i];
        for (have += 8; have >= 5; have -= 5)
            *out++ = BASE32[bits >> (have - 5) & 31];
    }
    *out = 0;
}

void room_topic(char topic[ROOM_TOPIC_LEN + 1], const char *name)
{
    uint8_t hash[20]; /* 160 bits: 32 characters of base32 without padding */
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, sizeof hash);
    crypto_generichash_update(&state, (const uint8_t *)TOPIC_LABEL, sizeof TOPIC_LABEL - 1);
    crypto_generichash_update(&state, (const uint8_t *)name, strlen(name));
    crypto_generichash_final(&state, hash, sizeof hash);
    base32_print(topic, hash, sizeof hash);
}

bool purpose_matches(const char *a, const char *b)
{
    static const char *const pairs[][2] = {
        {"chat", "chat"},    {"pipe", "pipe"},       {"pipe", "echo"},
        {"send", "receive"}, {"forward", "forward"}, {"library", "library"},
    };
    if (!strcmp(a, "ping") || !strcmp(b, "ping"))
        return true;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        if (!strcmp(a, pairs[i][0]) && !strcmp(b, pairs[i][1]))
            return true;
        if (!strcmp(a, pairs[i][1]) && !strcmp(b, pairs[i][0]))
            return true;
    }
    return false;
}
