/* pake.h - CPace over ristretto255 with explicit confirmation: one run allows one guess
 * (draft-irtf-cfrg-cpace-21, CPACE-RISTR255-SHA512, initiator and responder roles). */
#ifndef PAKE_H
#define PAKE_H

#include "message.h"
#include "random.h"

enum pake_role { PAKE_INITIATOR, PAKE_RESPONDER };

enum {
    PAKE_KEY_LEN = 32,
    PAKE_ISK_LEN = 64,
    PAKE_TRANSCRIPT_LEN = 64,
    PAKE_ABOUT_MAX = 96, /* bytes of the longest additional data */
    PAKE_WORDS_LEN = 3,  /* bytes that become the four words of an open room */
};

/* The keys that a successful run leaves: crypto_kdf_derive_from_key (BLAKE2b, subkey id as salt, context as
 * personalisation) with the context "p2pconn1" and the ids 1 to 4 in this order, from the key
 * BLAKE2b-256(ISK). */
struct pake_keys {
    uint8_t confirm[PAKE_KEY_LEN];
    uint8_t to_responder[PAKE_KEY_LEN]; /* A to B */
    uint8_t to_initiator[PAKE_KEY_LEN]; /* B to A */
    uint8_t tls[PAKE_KEY_LEN];
};

/* Appends lv(part) of the draft's section 3.1, its length in LEB128 and then its bytes, to the `len` bytes in
 * `out`. Returns the new length. It must fit: callers size their buffers by the limits of their parts. */
size_t pake_lv(uint8_t *out, size_t capacity, size_t len, const void *part, size_t part_len);

/* PRS of the room: BLAKE2b-256(lv_cat("p2pconnect/1 prs", name, secret)). An open room (`secret` NULL) uses
 * the public secret "p2pconnect/1 open room". */
void pake_password(uint8_t prs[32], const char *room, const uint8_t *secret, size_t secret_len);

/* The commitment to a reveal: BLAKE2b-256(lv_cat("p2pconnect/1 commit", reveal)). Compare with
 * pake_tag_equal. */
void pake_commit(uint8_t commit[COMMIT_LEN], const uint8_t reveal[REVEAL_LEN]);

/* A side's additional data: lv_cat("p2pconnect/1 about", version as one byte, capabilities as four bytes (big
 * endian), purpose, slots as one byte, fresh as one byte, the initiator's commit or the responder's
 * reveal). Returns its length, at most PAKE_ABOUT_MAX. The nonce is not in it: the sid holds it. */
size_t pake_about(uint8_t ad[PAKE_ABOUT_MAX], const struct message_about *about, const uint8_t *words,
                  size_t words_len);

/* sid: the first 32 bytes of SHA-512("p2pconnect/1 sid" || nonceA || nonceB). */
void pake_session(uint8_t sid[32], const uint8_t nonce_a[NONCE_LEN], const uint8_t nonce_b[NONCE_LEN]);

/* The pieces of the draft, each held by its vectors. pake_channel writes CI = lv_cat(initiator's id,
 * responder's id) and returns its length, 0 when it does not fit. */
size_t pake_channel(uint8_t *out, size_t capacity, const char *initiator, const char *responder);
void pake_generator(uint8_t g[32], const uint8_t *prs, size_t prs_len, const uint8_t *ci, size_t ci_len,
                    const uint8_t *sid, size_t sid_len);
/* False: the point is invalid or the neutral element. */
bool pake_multiply(uint8_t out[32], const uint8_t scalar[32], const uint8_t point[32]);
void pake_isk(uint8_t isk[PAKE_ISK_LEN], const uint8_t *sid, size_t sid_len, const uint8_t k[32],
              const uint8_t ya[32], const uint8_t *ada, size_t ada_len, const uint8_t yb[32],
              const uint8_t *adb, size_t adb_len);
/* sid_output of the draft: SHA-512("CPaceSidOutput" || transcript_ir), what both sides saw, without a secret.
 */
void pake_transcript(uint8_t transcript[PAKE_TRANSCRIPT_LEN], const uint8_t ya[32], const uint8_t *ada,
                     size_t ada_len, const uint8_t yb[32], const uint8_t *adb, size_t adb_len);

/* One run. A plain value; pake_wipe ends it. */
struct pake {
    enum pake_role role;
    uint8_t scalar[32], own[POINT_LEN], peer[POINT_LEN];
    uint8_t sid[32], generator[32];
    uint8_t transcript[PAKE_TRANSCRIPT_LEN];
    struct pake_keys keys;
    bool have_keys;
};

/* Begins: `prs` of the room, both ids (initiator's first), both nonces (initiator's first). Own point in
 * pake->own. The scalar is 64 bytes of `random` reduced modulo the group's order. */
void pake_start(struct pake *pake, enum pake_role role, const uint8_t prs[32], const char *initiator,
                const char *responder, const uint8_t nonce_a[NONCE_LEN], const uint8_t nonce_b[NONCE_LEN],
                const struct random *random);
/* Takes the other's point and both sides' additional data (initiator's first). False: an invalid point, and
 * no keys. */
bool pake_finish(struct pake *pake, const uint8_t point[POINT_LEN], const uint8_t *ada, size_t ada_len,
                 const uint8_t *adb, size_t adb_len);
/* After an invalid point: keys that nobody else has. The run then fails as one with another secret does, with
 * an answer, so that the other side learns of it if the point was altered on its way (implicit rejection). */
void pake_reject(struct pake *pake, const struct random *random);
/* The tag that `role` sends: HMAC-SHA-512-256(confirm, role || Y of that role || its AD), the role as one
 * byte: 0 for the initiator, 1 for the responder. Only after pake_finish. */
void pake_tag(const struct pake *pake, enum pake_role role, uint8_t tag[TAG_LEN], const uint8_t *ad,
              size_t ad_len);
/* Constant-time comparison of two tags. */
bool pake_tag_equal(const uint8_t a[TAG_LEN], const uint8_t b[TAG_LEN]);
/* What two people compare in an open room: the first 3 bytes of
 * BLAKE2b-256(lv_cat("p2pconnect/1 words", transcript, rA, rB)). Only after pake_finish. */
void pake_words(const struct pake *pake, const uint8_t reveal_a[REVEAL_LEN],
                const uint8_t reveal_b[REVEAL_LEN], uint8_t words[PAKE_WORDS_LEN]);
void pake_wipe(struct pake *pake);

#endif
