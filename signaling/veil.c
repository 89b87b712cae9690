/* veil.c - hides from those who do not know the room's name what a peer is there for: a stream of BLAKE2b
 * whose start is a check over what it hides (a synthetic initialisation vector, as in RFC 5297), so that it
 * needs no random bytes and nothing can be altered or moved. Left out: forward secrecy; a name is no key. */
#include "veil.h"
#include "pake.h"
#include <sodium.h>
#include <string.h>

enum {
    CHECK_LEN = 8, /* a forgery passes in one of 2^64 attempts, and then only begins a handshake */
    CLEAR_LEN = VEIL_LEN - CHECK_LEN,
    AT_SLOTS = PURPOSE_MAX, /* the purpose, filled up with zeros, then a byte each */
    AT_FRESH,
};

_Static_assert(AT_FRESH + 1 == CLEAR_LEN, "purpose, slots, fresh");

static const char KEY_LABEL[] = "p2pconnect/1 veil";

void veil_key(uint8_t key[VEIL_KEY_LEN], const char *room)
{
    uint8_t input[sizeof KEY_LABEL + 256];
    size_t len = pake_lv(input, sizeof input, 0, KEY_LABEL, sizeof KEY_LABEL - 1);
    len = pake_lv(input, sizeof input, len, room, strlen(room));
    crypto_generichash(key, VEIL_KEY_LEN, input, len, NULL, 0);
}

/* BLAKE2b keyed, over a label, where the veil belongs, and `part`. */
static void veil_hash(uint8_t *out, size_t len, const uint8_t key[VEIL_KEY_LEN], char label,
                      const struct message *message, const uint8_t *part, size_t part_len)
{
    uint8_t whole[crypto_generichash_BYTES];
    const uint8_t head[2] = {(uint8_t)label, (uint8_t)message->type};
    crypto_generichash_state hash;
    crypto_generichash_init(&hash, key, VEIL_KEY_LEN, sizeof whole);
    crypto_generichash_update(&hash, head, sizeof head);
    crypto_generichash_update(&hash, (const uint8_t *)message->from, PEER_ID_LEN);
    crypto_generichash_update(&hash, message->about.nonce, NONCE_LEN);
    crypto_generichash_update(&hash, part, part_len);
    crypto_generichash_final(&hash, whole, sizeof whole);
    memcpy(out, whole, len);
}

static void veil_check(uint8_t check[CHECK_LEN], const uint8_t key[VEIL_KEY_LEN],
                       const struct message *message, const uint8_t clear[CLEAR_LEN])
{
    veil_hash(check, CHECK_LEN, key, 'c', message, clear, CLEAR_LEN);
}

static void veil_mask(uint8_t text[CLEAR_LEN], const uint8_t key[VEIL_KEY_LEN], const struct message *message,
                      const uint8_t check[CHECK_LEN])
{
    uint8_t stream[CLEAR_LEN];
    veil_hash(stream, sizeof stream, key, 's', message, check, CHECK_LEN);
    for (size_t i = 0; i < CLEAR_LEN; i++)
        text[i] ^= stream[i];
}

_Static_assert(CLEAR_LEN <= crypto_generichash_BYTES, "one hash is stream enough");

void veil_close(const uint8_t key[VEIL_KEY_LEN], struct message *message)
{
    uint8_t *check = message->veil, *text = message->veil + CHECK_LEN;
    memset(text, 0, CLEAR_LEN);
    memcpy(text, message->about.purpose, strnlen(message->about.purpose, PURPOSE_MAX));
    text[AT_SLOTS] = message->about.slots;
    text[AT_FRESH] = message->about.fresh;
    veil_check(check, key, message, text);
    veil_mask(text, key, message, check);
}

bool veil_open(const uint8_t key[VEIL_KEY_LEN], struct message *message)
{
    uint8_t text[CLEAR_LEN], check[CHECK_LEN];
    char purpose[PURPOSE_MAX + 1] = "";
    memcpy(text, message->veil + CHECK_LEN, sizeof text);
    veil_mask(text, key, message, message->veil);
    veil_check(check, key, message, text);
    if (sodium_memcmp(check, message->veil, CHECK_LEN) != 0)
        return false;
    memcpy(purpose, text, PURPOSE_MAX);
    if (!purpose_valid(purpose) || text[AT_SLOTS] > SLOTS_MAX)
        return false;
    memcpy(message->about.purpose, purpose, sizeof purpose);
    message->about.slots = text[AT_SLOTS];
    message->about.fresh = text[AT_FRESH];
    return true;
}
