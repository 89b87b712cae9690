/* pake.c - CPace over ristretto255 with explicit confirmation (draft-irtf-cfrg-cpace-21,
 * CPACE-RISTR255-SHA512), on libsodium's group. Roles are fixed, so the draft's symmetric setting (ordered
 * concatenation) is left out. pake.h defines every byte that is hashed, for those who write the other side.
 */
#include "pake.h"
#include <assert.h>
#include <sodium.h>
#include <string.h>

_Static_assert(POINT_LEN == crypto_core_ristretto255_BYTES, "a point is a ristretto255 element");
_Static_assert(TAG_LEN == crypto_auth_hmacsha512256_BYTES, "a tag is an HMAC-SHA-512-256");
_Static_assert(PAKE_KEY_LEN == crypto_kdf_KEYBYTES, "the master key feeds crypto_kdf");
_Static_assert(COMMIT_LEN == TAG_LEN, "commitments are compared as tags are");

static const char dsi[] = "CPaceRistretto255", dsi_isk[] = "CPaceRistretto255_ISK";

enum {
    HASH_BLOCK = 128, /* s_in_bytes of SHA-512 */
    LEB128_MAX = 10,  /* bytes of the longest length */
    BYTE_LOW = 0x7F,
    BYTE_MORE = 0x80,
    CHANNEL_MAX = 2 * (PEER_ID_LEN + 1),
};

/* Text without its final NUL. */
#define LITERAL(text) text, sizeof text - 1

/* ---- lv_cat, into hashes and buffers (draft, 3.1) ---- */

static size_t leb128(uint8_t out[LEB128_MAX], size_t value)
{
    size_t len = 0;
    for (; value > BYTE_LOW; value >>= 7)
        out[len++] = (uint8_t)(BYTE_MORE | (value & BYTE_LOW));
    out[len++] = (uint8_t)value;
    return len;
}

static void sha512_lv(crypto_hash_sha512_state *hash, const void *part, size_t len)
{
    uint8_t prefix[LEB128_MAX];
    crypto_hash_sha512_update(hash, prefix, leb128(prefix, len));
    crypto_hash_sha512_update(hash, part, len);
}

static void blake_lv(crypto_generichash_state *hash, const void *part, size_t len)
{
    uint8_t prefix[LEB128_MAX];
    crypto_generichash_update(hash, prefix, leb128(prefix, len));
    crypto_generichash_update(hash, part, len);
}

size_t pake_lv(uint8_t *out, size_t capacity, size_t len, const void *part, size_t part_len)
{
    uint8_t prefix[LEB128_MAX];
    size_t prefix_len = leb128(prefix, part_len);
    assert(len <= capacity && capacity - len >= prefix_len && capacity - len - prefix_len >= part_len);
    memcpy(out + len, prefix, prefix_len);
    len += prefix_len;
    if (part_len)
        memcpy(out + len, part, part_len);
    return len + part_len;
}

/* ---- what goes in ---- */

void pake_password(uint8_t prs[32], const char *room, const uint8_t *secret, size_t secret_len)
{
    static const char open_secret[] = "p2pconnect/1 open room";
    crypto_generichash_state hash;
    crypto_generichash_init(&hash, NULL, 0, 32);
    blake_lv(&hash, LITERAL("p2pconnect/1 prs"));
    blake_lv(&hash, room, strlen(room));
    if (secret)
        blake_lv(&hash, secret, secret_len);
    else
        blake_lv(&hash, LITERAL(open_secret));
    crypto_generichash_final(&hash, prs, 32);
    sodium_memzero(&hash, sizeof hash);
}

void pake_commit(uint8_t commit[COMMIT_LEN], const uint8_t reveal[REVEAL_LEN])
{
    crypto_generichash_state hash;
    crypto_generichash_init(&hash, NULL, 0, COMMIT_LEN);
    blake_lv(&hash, LITERAL("p2pconnect/1 commit"));
    blake_lv(&hash, reveal, REVEAL_LEN);
    crypto_generichash_final(&hash, commit, COMMIT_LEN);
    sodium_memzero(&hash, sizeof hash);
}

size_t pake_about(uint8_t ad[PAKE_ABOUT_MAX], const struct message_about *about, const uint8_t *words,
                  size_t words_len)
{
    uint32_t bits = about->capabilities;
    const uint8_t version = MESSAGE_VERSION, fresh = about->fresh;
    const uint8_t capabilities[4] = {(uint8_t)(bits >> 24), (uint8_t)(bits >> 16), (uint8_t)(bits >> 8),
                                     (uint8_t)bits};
    size_t len = pake_lv(ad, PAKE_ABOUT_MAX, 0, LITERAL("p2pconnect/1 about"));
    len = pake_lv(ad, PAKE_ABOUT_MAX, len, &version, 1);
    len = pake_lv(ad, PAKE_ABOUT_MAX, len, capabilities, sizeof capabilities);
    len = pake_lv(ad, PAKE_ABOUT_MAX, len, about->purpose, strnlen(about->purpose, PURPOSE_MAX));
    len = pake_lv(ad, PAKE_ABOUT_MAX, len, &about->slots, 1);
    len = pake_lv(ad, PAKE_ABOUT_MAX, len, &fresh, 1);
    return pake_lv(ad, PAKE_ABOUT_MAX, len, words, words_len);
}

void pake_session(uint8_t sid[32], const uint8_t nonce_a[NONCE_LEN], const uint8_t nonce_b[NONCE_LEN])
{
    crypto_hash_sha512_state hash;
    uint8_t whole[crypto_hash_sha512_BYTES];
    crypto_hash_sha512_init(&hash);
    crypto_hash_sha512_update(&hash, (const uint8_t *)LITERAL("p2pconnect/1 sid"));
    crypto_hash_sha512_update(&hash, nonce_a, NONCE_LEN);
    crypto_hash_sha512_update(&hash, nonce_b, NONCE_LEN);
    crypto_hash_sha512_final(&hash, whole);
    memcpy(sid, whole, 32);
}

/* ---- the pieces of the draft ---- */

size_t pake_channel(uint8_t *out, size_t capacity, const char *initiator, const char *responder)
{
    size_t a = strlen(initiator), b = strlen(responder);
    uint8_t prefix[LEB128_MAX];
    if (leb128(prefix, a) + a + leb128(prefix, b) + b > capacity)
        return 0;
    return pake_lv(out, capacity, pake_lv(out, capacity, 0, initiator, a), responder, b);
}

/* 6.2: the password fills the first block of the hash alone, so that its length does not show in the time
 * taken. */
void pake_generator(uint8_t g[32], const uint8_t *prs, size_t prs_len, const uint8_t *ci, size_t ci_len,
                    const uint8_t *sid, size_t sid_len)
{
    static const uint8_t zeros[HASH_BLOCK];
    uint8_t prefix[LEB128_MAX], whole[crypto_hash_sha512_BYTES];
    crypto_hash_sha512_state hash;
    size_t used = leb128(prefix, prs_len) + prs_len + leb128(prefix, strlen(dsi)) + strlen(dsi);
    crypto_hash_sha512_init(&hash);
    sha512_lv(&hash, LITERAL(dsi));
    sha512_lv(&hash, prs, prs_len);
    sha512_lv(&hash, zeros, used < HASH_BLOCK - 1 ? HASH_BLOCK - 1 - used : 0);
    sha512_lv(&hash, ci, ci_len);
    sha512_lv(&hash, sid, sid_len);
    crypto_hash_sha512_final(&hash, whole);
    crypto_core_ristretto255_from_hash(g, whole);
    sodium_memzero(&hash, sizeof hash);
    sodium_memzero(whole, sizeof whole);
}

/* libsodium says -1 for an encoding that is no element and for a neutral result; asking whether a point is
 * valid beforehand would let the neutral element in. */
bool pake_multiply(uint8_t out[32], const uint8_t scalar[32], const uint8_t point[32])
{
    return crypto_scalarmult_ristretto255(out, scalar, point) == 0;
}

/* transcript_ir of 4.2: lv_cat(Ya, ADa) || lv_cat(Yb, ADb). */
static void sha512_transcript(crypto_hash_sha512_state *hash, const uint8_t ya[32], const uint8_t *ada,
                              size_t ada_len, const uint8_t yb[32], const uint8_t *adb, size_t adb_len)
{
    sha512_lv(hash, ya, 32);
    sha512_lv(hash, ada, ada_len);
    sha512_lv(hash, yb, 32);
    sha512_lv(hash, adb, adb_len);
}

void pake_isk(uint8_t isk[PAKE_ISK_LEN], const uint8_t *sid, size_t sid_len, const uint8_t k[32],
              const uint8_t ya[32], const uint8_t *ada, size_t ada_len, const uint8_t yb[32],
              const uint8_t *adb, size_t adb_len)
{
    crypto_hash_sha512_state hash;
    crypto_hash_sha512_init(&hash);
    sha512_lv(&hash, LITERAL(dsi_isk));
    sha512_lv(&hash, sid, sid_len);
    sha512_lv(&hash, k, 32);
    sha512_transcript(&hash, ya, ada, ada_len, yb, adb, adb_len);
    crypto_hash_sha512_final(&hash, isk);
    sodium_memzero(&hash, sizeof hash);
}

void pake_transcript(uint8_t transcript[PAKE_TRANSCRIPT_LEN], const uint8_t ya[32], const uint8_t *ada,
                     size_t ada_len, const uint8_t yb[32], const uint8_t *adb, size_t adb_len)
{
    crypto_hash_sha512_state hash;
    crypto_hash_sha512_init(&hash);
    crypto_hash_sha512_update(&hash, (const uint8_t *)LITERAL("CPaceSidOutput"));
    sha512_transcript(&hash, ya, ada, ada_len, yb, adb, adb_len);
    crypto_hash_sha512_final(&hash, transcript);
}

/* ---- one run ---- */

void pake_start(struct pake *pake, enum pake_role role, const uint8_t prs[32], const char *initiator,
                const char *responder, const uint8_t nonce_a[NONCE_LEN], const uint8_t nonce_b[NONCE_LEN],
                const struct random *random)
{
    uint8_t channel[CHANNEL_MAX], wide[crypto_core_ristretto255_NONREDUCEDSCALARBYTES];
    *pake = (struct pake){.role = role};
    pake_session(pake->sid, nonce_a, nonce_b);
    size_t len = pake_channel(channel, sizeof channel, initiator, responder);
    assert(len > 0);
    pake_generator(pake->generator, prs, 32, channel, len, pake->sid, sizeof pake->sid);
    random->fill(random->context, wide, sizeof wide);
    crypto_core_ristretto255_scalar_reduce(pake->scalar, wide);
    sodium_memzero(wide, sizeof wide);
    /* A scalar of zero has a chance of 2^-252 and leaves a point that the other side refuses. */
    if (!pake_multiply(pake->own, pake->scalar, pake->generator))
        memset(pake->own, 0, sizeof pake->own);
}

static void derive_keys(struct pake_keys *keys, const uint8_t isk[PAKE_ISK_LEN])
{
    static const char context[] = "p2pconn1"; /* exactly crypto_kdf_CONTEXTBYTES */
    _Static_assert(sizeof context - 1 == crypto_kdf_CONTEXTBYTES, "the context is exactly 8 bytes");
    uint8_t *const out[] = {keys->confirm, keys->to_responder, keys->to_initiator, keys->tls};
    uint8_t master[crypto_kdf_KEYBYTES];
    crypto_generichash(master, sizeof master, isk, PAKE_ISK_LEN, NULL, 0);
    for (unsigned i = 0; i < 4; i++)
        crypto_kdf_derive_from_key(out[i], PAKE_KEY_LEN, i + 1, context, master);
    sodium_memzero(master, sizeof master);
}

bool pake_finish(struct pake *pake, const uint8_t point[POINT_LEN], const uint8_t *ada, size_t ada_len,
                 const uint8_t *adb, size_t adb_len)
{
    uint8_t k[32], isk[PAKE_ISK_LEN];
    bool valid = pake_multiply(k, pake->scalar, point);
    if (valid) {
        memcpy(pake->peer, point, POINT_LEN);
        bool first = pake->role == PAKE_INITIATOR;
        const uint8_t *ya = first ? pake->own : pake->peer, *yb = first ? pake->peer : pake->own;
        pake_isk(isk, pake->sid, sizeof pake->sid, k, ya, ada, ada_len, yb, adb, adb_len);
        pake_transcript(pake->transcript, ya, ada, ada_len, yb, adb, adb_len);
        derive_keys(&pake->keys, isk);
        pake->have_keys = true;
        sodium_memzero(isk, sizeof isk);
    }
    /* Never a second answer from one scalar: that would be a second guess. */
    sodium_memzero(pake->scalar, sizeof pake->scalar);
    sodium_memzero(pake->generator, sizeof pake->generator);
    sodium_memzero(k, sizeof k);
    return valid;
}

void pake_reject(struct pake *pake, const struct random *random)
{
    random->fill(random->context, (uint8_t *)&pake->keys, sizeof pake->keys);
    pake->have_keys = true;
}

void pake_tag(const struct pake *pake, enum pake_role role, uint8_t tag[TAG_LEN], const uint8_t *ad,
              size_t ad_len)
{
    assert(pake->have_keys);
    crypto_auth_hmacsha512256_state state;
    const uint8_t side = role == PAKE_RESPONDER;
    crypto_auth_hmacsha512256_init(&state, pake->keys.confirm, sizeof pake->keys.confirm);
    crypto_auth_hmacsha512256_update(&state, &side, 1);
    crypto_auth_hmacsha512256_update(&state, role == pake->role ? pake->own : pake->peer, POINT_LEN);
    crypto_auth_hmacsha512256_update(&state, ad, ad_len);
    crypto_auth_hmacsha512256_final(&state, tag);
    sodium_memzero(&state, sizeof state);
}

bool pake_tag_equal(const uint8_t a[TAG_LEN], const uint8_t b[TAG_LEN])
{
    return sodium_memcmp(a, b, TAG_LEN) == 0;
}

void pake_words(const struct pake *pake, const uint8_t reveal_a[REVEAL_LEN],
                const uint8_t reveal_b[REVEAL_LEN], uint8_t words[PAKE_WORDS_LEN])
{
    assert(pake->have_keys);
    crypto_generichash_state hash;
    uint8_t whole[32];
    crypto_generichash_init(&hash, NULL, 0, sizeof whole);
    blake_lv(&hash, LITERAL("p2pconnect/1 words"));
    blake_lv(&hash, pake->transcript, sizeof pake->transcript);
    blake_lv(&hash, reveal_a, REVEAL_LEN);
    blake_lv(&hash, reveal_b, REVEAL_LEN);
    crypto_generichash_final(&hash, whole, sizeof whole);
    memcpy(words, whole, PAKE_WORDS_LEN);
}

void pake_wipe(struct pake *pake)
{
    sodium_memzero(pake, sizeof *pake);
}
