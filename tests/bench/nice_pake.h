/* nice_pake - a password exchange and a seal that cost what the product's cost, for the libnice peers alone.
 *
 * The same operations as CPace over ristretto255 (two scalar multiplications and a map to the group a side,
 * three messages) with XChaCha20-Poly1305 behind it; not the draft's encoding, and nobody should protect
 * anything with it. */
#ifndef NICE_PAKE_H
#define NICE_PAKE_H

#include <stdbool.h>
#include <stddef.h>

enum { PAKE_NONCE = 16, PAKE_POINT = 32, PAKE_KEY = 32, PAKE_TAG = 32 };

struct nice_pake {
    unsigned char nonce[PAKE_NONCE]; /* ours, sent in the hello */
    unsigned char scalar[PAKE_KEY];
    unsigned char point[PAKE_POINT]; /* ours, once begun */
    bool initiator;
    unsigned char confirm[PAKE_KEY], send[PAKE_KEY], receive[PAKE_KEY];
    unsigned char tls[PAKE_KEY]; /* the external key of the handshake on the path */
};

void nice_pake_init(struct nice_pake *pake);

/* Makes our point for a run with the given nonces; both sides give them in the same order. */
int nice_pake_begin(struct nice_pake *pake, bool initiator, const unsigned char *initiator_nonce,
                    const unsigned char *responder_nonce);

/* Takes the other's point and derives the keys. -1: not a point. */
int nice_pake_finish(struct nice_pake *pake, const unsigned char *theirs);

/* The tag that proves the key: ours to send (MINE) or the one to expect. */
void nice_pake_tag(const struct nice_pake *pake, bool mine, unsigned char tag[PAKE_TAG]);

/* TEXT sealed as hexadecimal; false when it does not fit into HEX_SIZE bytes. */
bool nice_pake_seal(const struct nice_pake *pake, const char *text, char *hex, size_t hex_size);

/* The reverse; false when it was not sealed by the other side of this run. */
bool nice_pake_open(const struct nice_pake *pake, const char *hex, char *text, size_t text_size);

#endif
