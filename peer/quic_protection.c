/* quic_protection.c - the keys of QUIC's 1-RTT packets and what they do (RFC 9001 5), by gcm.h where it is
 * there. */
#include "quic_protection.h"

#ifdef P2P_IPSEC_MB

#include "gcm.h"

#include <assert.h>
#include <gnutls/crypto.h>
#include <nettle/aes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum {
    SECRET_LEN = 32, /* RFC 8446 B.4, TLS_AES_128_GCM_SHA256 */
    LABEL_MAX = 16,
    MASK_LEN = 5, /* RFC 9001 5.4.1 */
    MANY = 256 /* packets of a key: who has fewer never pays the half millisecond that gcm takes to begin */
};

/* GnuTLS's at first, gcm's once it has had many packets: what they make of them is the same. */
struct packet_key {
    ngtcp2_crypto_aead_ctx slow; /* no handle once there is `fast` */
    struct gcm_key *fast;
    unsigned packets;
    uint8_t bytes[GCM_KEY_LEN]; /* wiped then */
};

/* A handle of ngtcp2 is the helper's or ours. Both point to what malloc gave, and so to even addresses: ours
 * are one more. */
static void *mark(void *key)
{
    return (uint8_t *)key + 1;
}

static bool is_ours(const void *handle)
{
    return (uintptr_t)handle & 1;
}

static void *unmark(void *handle)
{
    return (uint8_t *)handle - 1;
}

/* What the helper opened with `bytes` becomes ours, and the context's handle is that. False: no memory, and
 * the context is as it was. */
static bool take_key(ngtcp2_crypto_aead_ctx *context, const uint8_t bytes[GCM_KEY_LEN])
{
    struct packet_key *key = malloc(sizeof *key);
    if (!key)
        return false;
    *key = (struct packet_key){.slow = *context};
    memcpy(key->bytes, bytes, sizeof key->bytes);
    context->native_handle = mark(key);
    return true;
}

void protection_forget(ngtcp2_conn *conn, ngtcp2_crypto_aead_ctx *context, void *user)
{
    if (!is_ours(context->native_handle)) {
        ngtcp2_crypto_delete_crypto_aead_ctx_cb(conn, context, user);
        return;
    }
    struct packet_key *key = unmark(context->native_handle);
    ngtcp2_crypto_aead_ctx_free(&key->slow);
    gcm_key_free(key->fast);
    sodium_memzero(key, sizeof *key);
    free(key);
}

static bool make_mask(ngtcp2_crypto_cipher_ctx *context, const uint8_t bytes[AES128_KEY_SIZE])
{
    struct aes128_ctx *key = malloc(sizeof *key);
    if (!key)
        return false;
    aes128_set_encrypt_key(key, bytes);
    context->native_handle = mark(key);
    return true;
}

void protection_forget_mask(ngtcp2_conn *conn, ngtcp2_crypto_cipher_ctx *context, void *user)
{
    if (!is_ours(context->native_handle)) {
        ngtcp2_crypto_delete_crypto_cipher_ctx_cb(conn, context, user);
        return;
    }
    struct aes128_ctx *key = unmark(context->native_handle);
    sodium_memzero(key, sizeof *key);
    free(key);
}

/* HKDF-Expand-Label of an empty context (RFC 8446 7.1). */
static bool expand(const uint8_t secret[SECRET_LEN], const char *label, uint8_t *out, size_t len)
{
    size_t label_len = strlen(label);
    uint8_t info[4 + LABEL_MAX] = {0, (uint8_t)len, (uint8_t)label_len};
    memcpy(info + 3, label, label_len); /* and a 0, the context's length */
    const gnutls_datum_t key = {.data = (unsigned char *)secret, .size = SECRET_LEN};
    const gnutls_datum_t about = {.data = info, .size = (unsigned)label_len + 4};
    return !gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &key, &about, out, len);
}

/* What differs between the two directions. */
struct direction {
    int (*open)(ngtcp2_crypto_aead_ctx *context, const ngtcp2_crypto_aead *aead, const uint8_t *key,
                size_t nonce_len);
    int (*install)(ngtcp2_conn *conn, const uint8_t *secret, size_t len, const ngtcp2_crypto_aead_ctx *key,
                   const uint8_t *iv, size_t iv_len, const ngtcp2_crypto_cipher_ctx *mask);
    int (*leave)(ngtcp2_conn *conn, uint8_t *key, uint8_t *iv, uint8_t *mask, ngtcp2_encryption_level level,
                 const uint8_t *secret, size_t len); /* to the helper */
};

static const struct direction receive = {ngtcp2_crypto_aead_ctx_decrypt_init, ngtcp2_conn_install_rx_key,
                                         ngtcp2_crypto_derive_and_install_rx_key};
static const struct direction transmit = {ngtcp2_crypto_aead_ctx_encrypt_init, ngtcp2_conn_install_tx_key,
                                          ngtcp2_crypto_derive_and_install_tx_key};

/* RFC 9001 5.1. False: no memory, or a library refused. */
static bool install(ngtcp2_conn *conn, const uint8_t secret[SECRET_LEN], const struct direction *way)
{
    ngtcp2_crypto_aead_ctx key = {NULL};
    ngtcp2_crypto_cipher_ctx mask = {NULL};
    uint8_t bytes[GCM_KEY_LEN], iv[GCM_NONCE_LEN], mask_bytes[AES128_KEY_SIZE];
    bool ok = expand(secret, "tls13 quic key", bytes, sizeof bytes) &&
              expand(secret, "tls13 quic iv", iv, sizeof iv) &&
              expand(secret, "tls13 quic hp", mask_bytes, sizeof mask_bytes) &&
              !way->open(&key, &ngtcp2_conn_get_crypto_ctx(conn)->aead, bytes, sizeof iv) &&
              make_mask(&mask, mask_bytes) && take_key(&key, bytes) &&
              !way->install(conn, secret, SECRET_LEN, &key, iv, sizeof iv, &mask);
    sodium_memzero(bytes, sizeof bytes);
    sodium_memzero(iv, sizeof iv);
    sodium_memzero(mask_bytes, sizeof mask_bytes);
    if (!ok) {
        protection_forget(conn, &key, NULL);
        protection_forget_mask(conn, &mask, NULL);
    }
    return ok;
}

/* The labels are those of version 1; nettle's AES for the mask needs the instructions too. */
static bool serves(ngtcp2_conn *conn)
{
    return gnutls_cipher_get(ngtcp2_conn_get_tls_native_handle(conn)) == GNUTLS_CIPHER_AES_128_GCM &&
           ngtcp2_conn_get_negotiated_version(conn) == NGTCP2_PROTO_VER_V1 && gcm_is_there();
}

/* A secret of NULL is for the other direction alone. */
static bool take_secret(ngtcp2_conn *conn, ngtcp2_encryption_level level, const void *secret, size_t len,
                        const struct direction *way)
{
    if (!secret)
        return true;
    if (level != NGTCP2_ENCRYPTION_LEVEL_1RTT || !serves(conn))
        return !way->leave(conn, NULL, NULL, NULL, level, secret, len);
    assert(len == SECRET_LEN);
    return install(conn, secret, way);
}

static int on_secrets(gnutls_session_t session, gnutls_record_encryption_level_t of, const void *rx,
                      const void *tx, size_t len)
{
    ngtcp2_crypto_conn_ref *ref = gnutls_session_get_ptr(session);
    ngtcp2_conn *conn = ref->get_conn(ref);
    ngtcp2_encryption_level level = ngtcp2_crypto_gnutls_from_gnutls_record_encryption_level(of);
    return take_secret(conn, level, rx, len, &receive) && take_secret(conn, level, tx, len, &transmit) ? 0
                                                                                                       : -1;
}

void protection_watch(gnutls_session_t session)
{
    gnutls_handshake_set_secret_function(session, on_secrets);
}

/* RFC 9001 6.1. */
int protection_update(ngtcp2_conn *conn, uint8_t *rx_secret, uint8_t *tx_secret, ngtcp2_crypto_aead_ctx *rx,
                      uint8_t *rx_iv, ngtcp2_crypto_aead_ctx *tx, uint8_t *tx_iv, const uint8_t *rx_current,
                      const uint8_t *tx_current, size_t len, void *user)
{
    if (!serves(conn))
        return ngtcp2_crypto_update_key_cb(conn, rx_secret, tx_secret, rx, rx_iv, tx, tx_iv, rx_current,
                                           tx_current, len, user);
    uint8_t rx_bytes[GCM_KEY_LEN], tx_bytes[GCM_KEY_LEN];
    if (ngtcp2_crypto_update_key(conn, rx_secret, tx_secret, rx, rx_bytes, rx_iv, tx, tx_bytes, tx_iv,
                                 rx_current, tx_current, len))
        return NGTCP2_ERR_CALLBACK_FAILURE;
    bool ok = take_key(rx, rx_bytes) && take_key(tx, tx_bytes);
    sodium_memzero(rx_bytes, sizeof rx_bytes);
    sodium_memzero(tx_bytes, sizeof tx_bytes);
    if (ok)
        return 0;
    protection_forget(conn, rx, user);
    protection_forget(conn, tx, user);
    return NGTCP2_ERR_CALLBACK_FAILURE;
}

/* NULL: GnuTLS takes this packet. */
static const struct gcm_key *fast_of(struct packet_key *key)
{
    if (key->fast || ++key->packets != MANY)
        return key->fast;
    key->fast = gcm_key_new(key->bytes);
    if (key->fast) {
        ngtcp2_crypto_aead_ctx_free(&key->slow);
        key->slow.native_handle = NULL;
        sodium_memzero(key->bytes, sizeof key->bytes);
    }
    return key->fast;
}

int protection_encrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *context,
                       const uint8_t *text, size_t len, const uint8_t *nonce, size_t nonce_len,
                       const uint8_t *aad, size_t aad_len)
{
    if (is_ours(context->native_handle)) {
        struct packet_key *key = unmark(context->native_handle);
        const struct gcm_key *fast = fast_of(key);
        if (fast) {
            gcm_seal(fast, dest, text, len, nonce, aad, aad_len);
            return 0;
        }
        context = &key->slow;
    }
    return ngtcp2_crypto_encrypt_cb(dest, aead, context, text, len, nonce, nonce_len, aad, aad_len);
}

int protection_decrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *context,
                       const uint8_t *text, size_t len, const uint8_t *nonce, size_t nonce_len,
                       const uint8_t *aad, size_t aad_len)
{
    if (is_ours(context->native_handle)) {
        struct packet_key *key = unmark(context->native_handle);
        const struct gcm_key *fast = fast_of(key);
        if (fast)
            return gcm_open(fast, dest, text, len, nonce, aad, aad_len) ? 0 : NGTCP2_ERR_DECRYPT;
        context = &key->slow;
    }
    return ngtcp2_crypto_decrypt_cb(dest, aead, context, text, len, nonce, nonce_len, aad, aad_len);
}

int protection_mask(uint8_t *dest, const ngtcp2_crypto_cipher *cipher,
                    const ngtcp2_crypto_cipher_ctx *context, const uint8_t *sample)
{
    if (!is_ours(context->native_handle))
        return ngtcp2_crypto_hp_mask_cb(dest, cipher, context, sample);
    uint8_t block[AES_BLOCK_SIZE];
    aes128_encrypt(unmark(context->native_handle), sizeof block, block, sample);
    memcpy(dest, block, MASK_LEN);
    return 0;
}

#endif
