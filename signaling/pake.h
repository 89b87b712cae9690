/* pake.h - CPace over ristretto255 with explicit confirmation: one run allows one guess
 * (draft-irtf-cfrg-cpace-21, CPACE-RISTR255-SHA512, initiator and responder roles). */
#ifndef PAKE_H
#define PAKE_H

#include "message.h"
#include "random.h"

enum pake_role { PAKE_INITIATOR, PAKE_RESPONDER };

enum { PAKE_KEY_LEN = 32, PAKE_ISK_LEN = 64, PAKE_TRANSCRIPT_LEN = 32 };

/* The keys that a successful run leaves (security.md: keys). */
struct pake_keys {
    uint8_t confirm[PAKE_KEY_LEN];
    uint8_t to_responder[PAKE_KEY_LEN]; /* A to B */
    uint8_t to_initiator[PAKE_KEY_LEN]; /* B to A */
    uint8_t tls[PAKE_KEY_LEN];
};

/* PRS of the room: BLAKE2b-256 over lv_cat(label, name, secret); an open room's secret is the fixed public one
 * (`secret` NULL). */
void pake_password(uint8_t prs[32], const char *room, const uint8_t *secret, size_t secret_len);

/* sid: the first 32 bytes of SHA-512(label || nonceA || nonceB). */
void pake_session(uint8_t sid[32], const uint8_t nonce_a[NONCE_LEN], const uint8_t nonce_b[NONCE_LEN]);

/* The pieces of the draft, each held by its vectors. lv_cat(A, B) as `ci` is written by pake_channel. */
size_t pake_channel(uint8_t *out, size_t capacity, const char *initiator, const char *responder);
void pake_generator(uint8_t g[32], const uint8_t *prs, size_t prs_len, const uint8_t *ci, size_t ci_len,
                    const uint8_t *sid, size_t sid_len);
/* False: the point is invalid or the neutral element. */
bool pake_multiply(uint8_t out[32], const uint8_t scalar[32], const uint8_t point[32]);
void pake_isk(uint8_t isk[PAKE_ISK_LEN], const uint8_t *sid, size_t sid_len, const uint8_t k[32], const uint8_t ya[32],
              const uint8_t *ada, size_t ada_len, const uint8_t yb[32], const uint8_t *adb, size_t adb_len);

/* One run. A plain value; pake_wipe ends it. */
struct pake {
    enum pake_role role;
    uint8_t scalar[32], own[POINT_LEN], peer[POINT_LEN];
    uint8_t sid[32], generator[32];
    struct pake_keys keys;
    bool have_keys;
};

/* Begins: `prs` of the room, both ids (initiator's first), both nonces (initiator's first). Own point in pake->own. */
void pake_start(struct pake *pake, enum pake_role role, const uint8_t prs[32], const char *initiator,
                const char *responder, const uint8_t nonce_a[NONCE_LEN], const uint8_t nonce_b[NONCE_LEN],
                const struct random *random);
/* Takes the other's point and both sides' additional data (initiator's first). False: invalid point, end the run
 * without an answer. */
bool pake_finish(struct pake *pake, const uint8_t point[POINT_LEN], const uint8_t *ada, size_t ada_len,
                 const uint8_t *adb, size_t adb_len);
/* The tag that `role` sends: HMAC-SHA-512-256(confirm, role || Y of that role || its AD). */
void pake_tag(const struct pake *pake, enum pake_role role, uint8_t tag[TAG_LEN], const uint8_t *ad, size_t ad_len);
/* Constant-time comparison of two tags. */
bool pake_tag_equal(const uint8_t a[TAG_LEN], const uint8_t b[TAG_LEN]);
void pake_wipe(struct pake *pake);

#endif
