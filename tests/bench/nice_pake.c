/* nice_pake.c - a password exchange and a seal that cost what the product's cost, for the libnice peers
 * alone. */
#include "nice_pake.h"

#include <sodium.h>
#include <string.h>

enum { SEALED_MAX = 4096, BLOCK = 256 /* sealed messages are padded to this, as ours are */ };

static const char PASSWORD[] = "nice-bench open room";

void nice_pake_init(struct nice_pake *pake)
{
    memset(pake, 0, sizeof(*pake));
    randombytes_buf(pake->nonce, sizeof(pake->nonce));
}

int nice_pake_begin(struct nice_pake *pake, bool initiator, const unsigned char *initiator_nonce,
                    const unsigned char *responder_nonce)
{
    crypto_hash_sha512_state hash;
    unsigned char digest[crypto_hash_sha512_BYTES], generator[PAKE_POINT];
    pake->initiator = initiator;
    crypto_hash_sha512_init(&hash);
    crypto_hash_sha512_update(&hash, (const unsigned char *)PASSWORD, sizeof(PASSWORD));
    crypto_hash_sha512_update(&hash, initiator_nonce, PAKE_NONCE);
    crypto_hash_sha512_update(&hash, responder_nonce, PAKE_NONCE);
    crypto_hash_sha512_final(&hash, digest);
    crypto_core_ristretto255_from_hash(generator, digest);
    crypto_core_ristretto255_scalar_random(pake->scalar);
    return crypto_scalarmult_ristretto255(pake->point, pake->scalar, generator);
}

int nice_pake_finish(struct nice_pake *pake, const unsigned char *theirs)
{
    unsigned char shared[PAKE_POINT], master[PAKE_KEY];
    if (crypto_scalarmult_ristretto255(shared, pake->scalar, theirs) != 0)
        return -1;
    crypto_generichash_state hash;
    crypto_generichash_init(&hash, NULL, 0, sizeof(master));
    crypto_generichash_update(&hash, shared, sizeof(shared));
    crypto_generichash_update(&hash, pake->initiator ? pake->point : theirs, PAKE_POINT);
    crypto_generichash_update(&hash, pake->initiator ? theirs : pake->point, PAKE_POINT);
    crypto_generichash_final(&hash, master, sizeof(master));
    unsigned char *to_responder = pake->initiator ? pake->send : pake->receive;
    unsigned char *to_initiator = pake->initiator ? pake->receive : pake->send;
    crypto_kdf_derive_from_key(pake->confirm, PAKE_KEY, 1, "nicebnch", master);
    crypto_kdf_derive_from_key(to_responder, PAKE_KEY, 2, "nicebnch", master);
    crypto_kdf_derive_from_key(to_initiator, PAKE_KEY, 3, "nicebnch", master);
    crypto_kdf_derive_from_key(pake->tls, PAKE_KEY, 4, "nicebnch", master);
    return 0;
}

void nice_pake_tag(const struct nice_pake *pake, bool mine, unsigned char tag[PAKE_TAG])
{
    unsigned char role = mine == pake->initiator;
    crypto_auth_hmacsha256(tag, &role, 1, pake->confirm);
}

bool nice_pake_seal(const struct nice_pake *pake, const char *text, char *hex, size_t hex_size)
{
    enum { NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES };
    unsigned char plain[SEALED_MAX] = {0};
    unsigned char sealed[NONCE + SEALED_MAX + crypto_aead_xchacha20poly1305_ietf_ABYTES];
    unsigned long long length = 0;
    size_t padded = (strlen(text) / BLOCK + 1) * BLOCK;
    if (padded > sizeof(plain))
        return false;
    memcpy(plain, text, strlen(text));
    randombytes_buf(sealed, NONCE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + NONCE, &length, plain, padded, NULL, 0, NULL, sealed,
                                               pake->send);
    if (hex_size < 2 * (NONCE + length) + 1)
        return false;
    sodium_bin2hex(hex, hex_size, sealed, NONCE + (size_t)length);
    return true;
}

bool nice_pake_open(const struct nice_pake *pake, const char *hex, char *text, size_t text_size)
{
    enum { NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES };
    unsigned char sealed[NONCE + SEALED_MAX + crypto_aead_xchacha20poly1305_ietf_ABYTES];
    unsigned char plain[SEALED_MAX];
    size_t length = 0;
    unsigned long long opened = 0;
    if (sodium_hex2bin(sealed, sizeof(sealed), hex, strlen(hex), NULL, &length, NULL) != 0 || length < NONCE)
        return false;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain, &opened, NULL, sealed + NONCE, length - NONCE, NULL,
                                                   0, sealed, pake->receive) != 0)
        return false;
    if (opened == 0 || opened > text_size || plain[opened - 1] != 0)
        return false;
    memcpy(text, plain, (size_t)opened);
    return true;
}
