/* turn_internal.h - what the files of the TURN client share. Nobody else includes it.
 *
 *   turn_client.c   an allocation's life: credentials, refreshing, the four verbs: start reading there
 *   turn_right.c    permissions and channels: who may reach us, and how
 *   turn_data.c     datagrams of peers on their way to and from the server; a stream's framing */
#ifndef TURN_INTERNAL_H
#define TURN_INTERNAL_H

#include "stun_msg.h"
#include "stun_txn.h"
#include "turn_client.h"
#include <string.h>

enum {
    TURN_KEY_LEN = 16,
    TURN_CHANNEL_FIRST = 0x4000, /* RFC 8656 12 */
    TURN_CHANNEL_LAST = 0x4fff,
};

/* A permission (for an address, channel 0) or a channel (for an address and port) at the server. It keeps its
 * place when it lapses, so that a channel's number stays its peer's (RFC 8656 12.1). */
struct turn_right {
    struct addr peer; /* family 0: a free place */
    uint16_t channel;
    bool granted;
    uint64_t used;       /* when something last went to the peer */
    uint64_t refresh_at; /* granted: when it must be asked for again; refused: not before */
    unsigned stale;      /* answers in a row that the nonce is too old */
    struct stun_txn txn;
};

enum turn_state { TURN_ALLOCATING, TURN_READY, TURN_CLOSING, TURN_OVER };

struct turn_client {
    struct addr server;
    bool stream;
    char user[TURN_USER_MAX + 1], password[TURN_PASSWORD_MAX + 1];
    const struct random *random;

    enum turn_state state;
    struct stun_txn txn;  /* Allocate or Refresh */
    bool txn_keyed;       /* it carries the credentials */
    bool freeing;         /* ALLOCATING: it is a Refresh that ends an old allocation of this address */
    bool freed;           /* that has been tried */
    uint8_t family;       /* asked for alone, 4 or 6; 0: IPv4, and IPv6 too if there is some */
    unsigned stale;       /* as a right's */
    uint64_t refresh_by;  /* before the lifetime ends */
    uint64_t heard, said; /* when something last came from, went to the server */
    struct addr relayed[TURN_RELAYED_MAX];
    unsigned relayed_count;
    struct addr mapped;

    char realm[STUN_TEXT_MAX + 1];
    char nonce[STUN_TEXT_MAX];
    size_t nonce_len;
    bool keyed; /* realm, nonce and key are known */
    uint8_t key[TURN_KEY_LEN];

    struct turn_right permissions[TURN_PERMISSIONS_MAX];
    struct turn_right channels[TURN_CHANNELS_MAX];
    uint16_t next_channel;
    uint64_t quiet_until; /* output has nothing to do before; 0: look */

    uint8_t *held; /* of a stream: the beginning of a message whose end has not come */
    size_t held_len, skip;

    bool tells_allocated, tells_failed;
    enum turn_failure failure;
    uint16_t error;
    struct addr alternate;
    const char *text;
    struct turn_stats stats;
};

/* turn_client.c */
void turn_fail(struct turn_client *turn, enum turn_failure failure, const char *text);
/* Takes realm and nonce of a 401 or 438; false: they are missing. */
bool turn_take_nonce(struct turn_client *turn, const struct stun_msg *msg);
void turn_begin(struct turn_client *turn, uint64_t now, struct stun_txn *txn);
/* A message of the server that is not data. */
void turn_answer(struct turn_client *turn, uint64_t now, const struct stun_msg *msg, const uint8_t *data);

/* turn_right.c */
/* The right to send to `peer`, with a place in the table; asks for it where it is not there. */
struct turn_right *turn_permission(struct turn_client *turn, uint64_t now, const struct addr *peer);
struct turn_right *turn_channel(struct turn_client *turn, uint64_t now, const struct addr *peer);
const struct turn_right *turn_channel_find(const struct turn_client *turn, uint16_t number);
bool turn_is_permitted(const struct turn_client *turn, const struct addr *peer);
/* The right whose request has this id; NULL: none. */
struct turn_right *turn_right_asked(struct turn_client *turn, const uint8_t id[STUN_ID_LEN]);
void turn_right_answered(struct turn_client *turn, uint64_t now, struct turn_right *right,
                         const struct stun_msg *msg);
/* One whose request must be sent now; NULL: none. */
struct turn_right *turn_right_next(struct turn_client *turn, uint64_t now);
uint64_t turn_rights_deadline(const struct turn_client *turn);

static inline bool turn_txn_is(const struct stun_txn *txn, const uint8_t id[STUN_ID_LEN])
{
    return txn->running && txn->sends && memcmp(txn->id, id, STUN_ID_LEN) == 0;
}

static inline bool turn_text_is(struct stun_text text)
{
    return text.at != NULL && text.len != 0;
}

#endif
