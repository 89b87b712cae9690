/* gcm.h - AES-128 in Galois/counter mode with the processor's widest instructions (NIST SP 800-38D).
 *
 * GnuTLS takes one block an instruction; Intel's multi-buffer library takes four where there are VAES and
 * AVX-512, and AES is the largest part of a bulk transfer's CPU time. For amd64 alone: gcm.c is built where
 * the library is (P2P_IPSEC_MB), and only quic_protection.c asks for it. No pointer may be NULL but where it
 * says so. */
#ifndef GCM_H
#define GCM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GCM_KEY_LEN = 16, GCM_NONCE_LEN = 12, GCM_TAG_LEN = 16 };

struct gcm_key;

/* Whether the processor has instructions for AES: without them the time it takes would tell the key. */
bool gcm_is_there(void);
/* Copies `key`. The first one takes half a millisecond more, in which the library begins. NULL: no memory, or
 * not gcm_is_there. */
struct gcm_key *gcm_key_new(const uint8_t key[GCM_KEY_LEN]);
/* Wiped first; NULL is fine. */
void gcm_key_free(struct gcm_key *key);
/* Writes the `len` bytes of `text`, encrypted, and the tag after them to `dest`, which may be `text`. No
 * nonce may come twice under one key. */
void gcm_seal(const struct gcm_key *key, uint8_t *dest, const uint8_t *text, size_t len,
              const uint8_t nonce[GCM_NONCE_LEN], const uint8_t *aad, size_t aad_len);
/* The way back: `len` bytes of text and tag. False: the tag is not right, or there is none; then what is in
 * `dest` means nothing. */
bool gcm_open(const struct gcm_key *key, uint8_t *dest, const uint8_t *text, size_t len,
              const uint8_t nonce[GCM_NONCE_LEN], const uint8_t *aad, size_t aad_len);

#endif
