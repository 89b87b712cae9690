/* seal.h - encrypts what two proven peers say over the broker: XChaCha20-Poly1305, padded, with a replay
 * window. */
#ifndef SEAL_H
#define SEAL_H

#include "pake.h"

enum {
    SEAL_OVERHEAD = 24 + 16, /* nonce and tag, bytes */
    SEAL_PADDING = 256,      /* the clear text is padded to a multiple of it, ISO/IEC 7816-4 */
    SEAL_CLEAR_MAX =
        4863, /* bytes that may be sealed at once: padded (by at least one) and sealed they fit SEALED_MAX */
    SEAL_WINDOW = 64, /* sequence numbers that may arrive out of order */
};

/* Both directions of one peer. A plain value; seal_wipe ends it. */
struct seal {
    uint8_t send_key[32], receive_key[32];
    uint64_t send_sequence;    /* of the next message; the first is drawn, so that it tells nothing */
    uint64_t received_highest; /* 0: none yet */
    uint64_t received_window;  /* bit n: received_highest - n has been opened */
};

/* What the seal is bound to besides its bytes. As additional data: lv_cat("p2pconnect/1 seal", topic_room,
 * from, to, type as one byte with the value of enum message_type, sequence as eight bytes, big endian). */
struct seal_context {
    const char *topic_room; /* ROOM of interface.md */
    const char *from, *to;  /* ids */
    enum message_type type;
    uint64_t sequence;
};

void seal_start(struct seal *seal, const struct pake_keys *keys, enum pake_role role,
                const struct random *random);
/* Seals `len` bytes (at most SEAL_CLEAR_MAX) into `out` (SEALED_MAX bytes). context->sequence is the
 * caller's: seal->send_sequence++ for a new message, the old one never twice. Returns the sealed bytes; 0:
 * too long. */
size_t seal_close(struct seal *seal, const struct seal_context *context, const uint8_t *clear, size_t len,
                  uint8_t *out, const struct random *random);
/* Opens into `clear` (SEALED_MAX bytes); *len is its length. False: forged, altered, replayed or too old; the
 * state then has not moved. */
bool seal_open(struct seal *seal, const struct seal_context *context, const uint8_t *sealed,
               size_t sealed_len, uint8_t *clear, size_t *len);
void seal_wipe(struct seal *seal);

#endif
