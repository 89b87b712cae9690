/* handshake.h - one run of the PAKE with one peer and the sealed messages after it: what each message must
 * hold, and what it proves. Neither time nor brokers nor repetition is known here. */
#ifndef HANDSHAKE_H
#define HANDSHAKE_H

#include "rendezvous.h"
#include "seal.h"
#include "veil.h"

/* What all our runs share. */
struct party {
    uint8_t prs[32];
    uint8_t veil_key[VEIL_KEY_LEN];
    char id[PEER_ID_LEN + 1];
    char room[ROOM_TOPIC_LEN + 1];
    const struct random *random;
    char clear[SEALED_MAX + 1]; /* the text last sealed or opened, for the trace */
};

enum handshake_state {
    HANDSHAKE_ASKED,    /* initiator: pake1 was sent, pake2 is missing */
    HANDSHAKE_INVITED,  /* responder: pake1 came, our description is missing */
    HANDSHAKE_ANSWERED, /* responder: pake2 was sent, pake3 is missing */
    HANDSHAKE_ACCEPTED, /* initiator: pake2 held, our description is missing */
    HANDSHAKE_PROVEN,
    HANDSHAKE_OVER, /* initiator: failed or declined; pake3 is kept for a pake2 that comes again */
};

enum verdict {
    VERDICT_GOOD,
    VERDICT_EMPTY, /* pake3 alone: the tag holds and nothing is sealed (a failure, or "busy" understood) */
    VERDICT_BAD,   /* a tag, seal, body or commitment that does not hold */
};

/* A plain value; handshake_wipe ends it. */
struct handshake {
    enum handshake_state state;
    char peer[PEER_ID_LEN + 1];
    struct pake pake;
    struct seal seal;
    struct message_about own, other; /* exactly as said in pake1 and pake2: both tags cover them */
    uint8_t reveal_a[REVEAL_LEN], reveal_b[REVEAL_LEN], commit[COMMIT_LEN];
    uint8_t other_tag[TAG_LEN]; /* of the pake2 or pake3 that was taken: the same again is a duplicate */
};

/* Initiator: begins and writes pake1. `other` is what the peer's hello said; its nonce counts. */
void handshake_ask(struct handshake *run, struct party *party, const char *peer,
                   const struct message_about *own, const struct message_about *other, struct message *pake1);
/* Responder: takes pake1. What is not a point makes a run that cannot be proven. */
void handshake_invite(struct handshake *run, struct party *party, const struct message *pake1,
                      const struct message_about *own);
/* Responder: writes pake2 around an OFFER, BUSY or BYE. False: the body is too long. */
bool handshake_answer(struct handshake *run, struct party *party, const struct body *body,
                      struct message *pake2);
/* Initiator: takes the one pake2 that its scalar is good for. */
enum verdict handshake_accept(struct handshake *run, struct party *party, const struct message *pake2,
                              struct body *body);
/* Initiator: writes pake3 around an ANSWER (rA is filled in), BUSY or BYE; NULL: around nothing. */
bool handshake_confirm(struct handshake *run, struct party *party, struct body *body, struct message *pake3);
/* Responder: takes pake3. */
enum verdict handshake_prove(struct handshake *run, struct party *party, const struct message *pake3,
                             struct body *body);
/* What follows, in both directions. False: too long; forged, altered or replayed. */
bool handshake_seal(struct handshake *run, struct party *party, const struct body *body,
                    struct message *sealed);
bool handshake_open(struct handshake *run, struct party *party, const struct message *sealed,
                    struct body *body);
/* The number was opened before, or is too old to tell. */
bool handshake_replayed(const struct handshake *run, uint64_t sequence);

/* BLAKE2b-128 of `machine` as `role` says it in this run. Its key is BLAKE2b-256("p2pconnect/1 machine" ||
 * role) keyed with the TLS key: it means nothing in another run, and sent back it does not match. */
void handshake_machine(const struct handshake *run, enum pake_role role, const uint8_t machine[32],
                       uint8_t hash[16]);
void handshake_wipe(struct handshake *run);

#endif
