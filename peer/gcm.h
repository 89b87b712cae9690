/* gcm.h - AES-128 in Galois/counter mode with the widest instructions that the processor has (NIST SP
 * 800-38D).
 *
 * GnuTLS takes one block an instruction; Intel's multi-buffer library takes four where there are VAES and
 * AVX-512, and AES is the largest part of a bulk transfer's CPU time. For amd64
 * alone: gcm.c is built where the library is (P2P_IPSEC_MB), and only quic_protection.c asks for it. */
#ifndef GCM_H
#define GCM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GCM_KEY_LEN = 16, GCM_NONCE_LEN = 12, GCM_TAG_LEN = 16 };

struct gcm_key;

/* Whether the processor has instructions for AES: without them the library's code would tell the key by the
 * time it takes. The same for as long as the process lives. */
bool gcm_is_there(void);
/* Only where gcm_is_there. NULL: no memory. The key is copied. */
struct gcm_key *gcm_key_new(const uint8_t key[GCM_KEY_LEN]);
/* Wiped first; NULL is fine. */
void gcm_key_free(struct gcm_key *key);
/* Writes the `len` bytes of `text`, at least 1, encrypted, and the tag after them to `dest`, which may be
 * `text`. No nonce may come twice under one key. */
void gcm_seal(const struct gcm_key *key, uint8_t *dest, const uint8_t *text, size_t len,
              const uint8_t nonce[GCM_NONCE_LEN], const uint8_t *aad, size_t aad_len);
/* The way back: `len` bytes of text and tag. False: the tag is not right, or there is not even one; then what
 * is in `dest` means nothing. */
bool gcm_open(const struct gcm_key *key, uint8_t *dest, const uint8_t *text, size_t len,
              const uint8_t nonce[GCM_NONCE_LEN], const uint8_t *aad, size_t aad_len);

#endif
