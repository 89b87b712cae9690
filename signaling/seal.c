/* seal.c - encrypts what two proven peers say over the broker: XChaCha20-Poly1305
 * (draft-irtf-cfrg-xchacha-03), padded to hide lengths, with a replay window as in RFC 4303 3.4.3. A sealed
 * body is nonce, cipher text, tag. Left out: re-keying. A session sends a few hundred of these. */
#include "seal.h"
#include <assert.h>
#include <sodium.h>
#include <string.h>

enum {
    SEAL_NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    SEAL_TAG = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    PADDED_MAX = SEALED_MAX - SEAL_OVERHEAD,
    SEQUENCE_SPARE_BITS = 16, /* JSON's exact numbers end at 2^53: no session counts from 2^48 to there */
    BOUND_MAX = 192, /* bytes of the additional data: 17 of label, 33 of topic, twice 17, 2 of type and 9 of
                        sequence */
};

_Static_assert(SEAL_NONCE + SEAL_TAG == SEAL_OVERHEAD, "what the seal adds");
_Static_assert((SEAL_CLEAR_MAX / SEAL_PADDING + 1) * SEAL_PADDING <= PADDED_MAX,
               "the longest text fits, padded");

static size_t bind_context(uint8_t out[BOUND_MAX], const struct seal_context *context)
{
    static const char label[] = "p2pconnect/1 seal";
    const uint8_t type = (uint8_t)context->type;
    uint8_t sequence[8];
    for (size_t i = 0; i < sizeof sequence; i++)
        sequence[i] = (uint8_t)(context->sequence >> (56 - 8 * i));
    size_t len = pake_lv(out, BOUND_MAX, 0, label, sizeof label - 1);
    len = pake_lv(out, BOUND_MAX, len, context->topic_room, strlen(context->topic_room));
    len = pake_lv(out, BOUND_MAX, len, context->from, strlen(context->from));
    len = pake_lv(out, BOUND_MAX, len, context->to, strlen(context->to));
    len = pake_lv(out, BOUND_MAX, len, &type, sizeof type);
    return pake_lv(out, BOUND_MAX, len, sequence, sizeof sequence);
}

void seal_start(struct seal *seal, const struct pake_keys *keys, enum pake_role role,
                const struct random *random)
{
    bool first = role == PAKE_INITIATOR;
    *seal = (struct seal){.send_sequence = 1 + (random_u64(random) >> SEQUENCE_SPARE_BITS)};
    memcpy(seal->send_key, first ? keys->to_responder : keys->to_initiator, sizeof seal->send_key);
    memcpy(seal->receive_key, first ? keys->to_initiator : keys->to_responder, sizeof seal->receive_key);
}

size_t seal_close(struct seal *seal, const struct seal_context *context, const uint8_t *clear, size_t len,
                  uint8_t *out, const struct random *random)
{
    uint8_t bound[BOUND_MAX], padded[PADDED_MAX];
    size_t padded_len;
    unsigned long long cipher_len;
    if (len > SEAL_CLEAR_MAX)
        return 0;
    memcpy(padded, clear, len);
    int err = sodium_pad(&padded_len, padded, len, SEAL_PADDING, sizeof padded);
    assert(err == 0);
    (void)err;
    random->fill(random->context, out, SEAL_NONCE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(out + SEAL_NONCE, &cipher_len, padded, padded_len, bound,
                                               bind_context(bound, context), NULL, out, seal->send_key);
    sodium_memzero(padded, sizeof padded);
    return SEAL_NONCE + (size_t)cipher_len;
}

/* Whether this number is new and not older than the window. */
static bool is_fresh(const struct seal *seal, uint64_t sequence)
{
    if (sequence == 0)
        return false;
    if (sequence > seal->received_highest)
        return true;
    uint64_t age = seal->received_highest - sequence;
    return age < SEAL_WINDOW && !(seal->received_window >> age & 1);
}

static void note_received(struct seal *seal, uint64_t sequence)
{
    if (sequence > seal->received_highest) {
        uint64_t step = sequence - seal->received_highest;
        seal->received_window = step < SEAL_WINDOW ? seal->received_window << step : 0;
        seal->received_highest = sequence;
    }
    seal->received_window |= UINT64_C(1) << (seal->received_highest - sequence);
}

bool seal_open(struct seal *seal, const struct seal_context *context, const uint8_t *sealed,
               size_t sealed_len, uint8_t *clear, size_t *len)
{
    uint8_t bound[BOUND_MAX];
    unsigned long long padded_len;
    if (sealed_len < SEAL_OVERHEAD + SEAL_PADDING || sealed_len > SEALED_MAX ||
        !is_fresh(seal, context->sequence))
        return false;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            clear, &padded_len, NULL, sealed + SEAL_NONCE, sealed_len - SEAL_NONCE, bound,
            bind_context(bound, context), sealed, seal->receive_key) != 0)
        return false;
    if (sodium_unpad(len, clear, (size_t)padded_len, SEAL_PADDING) != 0) {
        sodium_memzero(clear, (size_t)padded_len);
        return false;
    }
    note_received(seal, context->sequence);
    return true;
}

void seal_wipe(struct seal *seal)
{
    sodium_memzero(seal, sizeof *seal);
}
