/* quic_protection.h - the keys of QUIC's 1-RTT packets and what they do (RFC 9001 5), by gcm.h where it is
 * there.
 *
 * What is not AES-128-GCM, the packets of the handshake, and every packet where gcm.h is not there are left
 * to ngtcp2's helper and GnuTLS: the callbacks know by the key whose it is. On the wire it is the same. */
#ifndef QUIC_PROTECTION_H
#define QUIC_PROTECTION_H

#include "quic_ngtcp2.h"

#ifdef P2P_IPSEC_MB

/* After the helper has configured the session; its user pointer is a ngtcp2_crypto_conn_ref. */
void protection_watch(gnutls_session_t session);

/* Callbacks of ngtcp2: encrypt, decrypt, hp_mask, update_key, delete_crypto_aead_ctx,
 * delete_crypto_cipher_ctx. */
int protection_encrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *context,
                       const uint8_t *text, size_t len, const uint8_t *nonce, size_t nonce_len,
                       const uint8_t *aad, size_t aad_len);
int protection_decrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *context,
                       const uint8_t *text, size_t len, const uint8_t *nonce, size_t nonce_len,
                       const uint8_t *aad, size_t aad_len);
int protection_mask(uint8_t *dest, const ngtcp2_crypto_cipher *cipher,
                    const ngtcp2_crypto_cipher_ctx *context, const uint8_t *sample);
int protection_update(ngtcp2_conn *conn, uint8_t *rx_secret, uint8_t *tx_secret, ngtcp2_crypto_aead_ctx *rx,
                      uint8_t *rx_iv, ngtcp2_crypto_aead_ctx *tx, uint8_t *tx_iv, const uint8_t *rx_current,
                      const uint8_t *tx_current, size_t len, void *user);
void protection_forget(ngtcp2_conn *conn, ngtcp2_crypto_aead_ctx *context, void *user);
void protection_forget_mask(ngtcp2_conn *conn, ngtcp2_crypto_cipher_ctx *context, void *user);

#else

#define protection_encrypt ngtcp2_crypto_encrypt_cb
#define protection_decrypt ngtcp2_crypto_decrypt_cb
#define protection_mask ngtcp2_crypto_hp_mask_cb
#define protection_update ngtcp2_crypto_update_key_cb
#define protection_forget ngtcp2_crypto_delete_crypto_aead_ctx_cb
#define protection_forget_mask ngtcp2_crypto_delete_crypto_cipher_ctx_cb

static inline void protection_watch(gnutls_session_t session)
{
    (void)session; /* the helper does */
}

#endif
#endif
