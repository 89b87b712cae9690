/* rendezvous.h - who has said what in the room: hellos, PAKEs, retries, glare, replays, many peers, several
 * brokers. A machine of the usual four verbs, over messages rather than datagrams. It knows no candidate's
 * meaning. */
#ifndef RENDEZVOUS_H
#define RENDEZVOUS_H

#include "message.h"
#include "pake.h"
#include "random.h"

enum {
    RENDEZVOUS_BROKERS_MAX = 4,
    RENDEZVOUS_PEERS_MAX = 256,    /* remembered at once; those only seen are forgotten first */
    RENDEZVOUS_PENDING_MAX = 8,    /* handshakes under way at once (security.md) */
    RENDEZVOUS_STARTS_MAX = 20,    /* new handshakes a second (security.md) */
    ROOM_TOPIC_LEN = 32,           /* characters of ROOM */
    ROOM_NAME_MAX = 128,           /* bytes (interface.md) */
    TOPIC_MAX = 80,                /* characters of our longest topic and the NUL */
    RENDEZVOUS_HELLO_MIN_MS = 250, /* hello is repeated while alone after 0.25, 0.5, 1, 2 s ... */
    RENDEZVOUS_HELLO_MAX_S = 15,   /* ... up to this, with jitter */
    RELAY_PACKET_MAX = 1452, /* bytes of a packet through the broker; ours have 1200, an interface rarely
                                takes more */
};

struct rendezvous_config {
    const char *room;      /* 1 to ROOM_NAME_MAX bytes of UTF-8 without control characters: room_valid */
    const uint8_t *secret; /* NULL: an open room */
    size_t secret_len;
    const char *name;            /* our own, 1 to PEER_NAME_MAX bytes of UTF-8 */
    const char *purpose;         /* what this peer is for; purpose_matches says who pairs with whom */
    unsigned slots;              /* peers that may be met at most, 1 to SLOTS_MAX */
    bool picks;                  /* it wants one of a name: it meets everybody as soon as it may */
    bool serves;                 /* who comes while no place is free is told so */
    const uint8_t *machine;      /* 32 bytes that only programs of this machine know; NULL: unknown */
    unsigned brokers;            /* how many, 1 to RENDEZVOUS_BROKERS_MAX */
    const struct random *random; /* outlives the machine */
};

/* Whether NAME may name a room. */
bool room_valid(const char *name);
/* ROOM of interface.md: base32 of BLAKE2b-160, NUL-terminated. */
void room_topic(char topic[ROOM_TOPIC_LEN + 1], const char *name);
/* chat-chat, pipe-pipe, pipe-echo, send-receive, forward-forward, library-library, ping with anybody. */
bool purpose_matches(const char *a, const char *b);

/* A handle on one run with a peer; small, never reused, > 0. A peer that lost its state runs again under its
 * old id: a second WANT_OFFER or PEER with that id has a new handle. When the new run is proven, the old
 * handle ends with a proven BYE just before the PEER event. BUSY, BYE that is proven, FAILED and GONE end a
 * handle; calls with a handle that has ended do nothing. */
typedef uint32_t peer_handle; /* the one exception to "no typedefs": a number that must not be mixed up */

enum rendezvous_event_type {
    RENDEZVOUS_WANT_OFFER, /* we are the responder: call rendezvous_describe (or _refuse) for `peer` */
    RENDEZVOUS_PEER, /* proven: the other's offer or answer is in `description`, keys in `tls_key`. As the
                        initiator (role says so) call rendezvous_describe (or _refuse) now: pake3 waits for it
                      */
    RENDEZVOUS_CANDIDATES, /* more of them, in `description` */
    RENDEZVOUS_BUSY,       /* the peer cannot take us now (sealed); it is met again when it says hello anew.
                              Its name is in `name`, empty from an older one */
    RENDEZVOUS_BYE, /* `proven`: it said goodbye under the seal. Otherwise a will or a forgery: check for life
                     */
    RENDEZVOUS_FAILED, /* its secret is not ours, or somebody altered what was said. `later`: it was here
                          first */
    RENDEZVOUS_GONE,   /* a run that had a handle ended unproven and without a failure (nobody answered, or
                          another run with the same peer was proven instead): drop what WANT_OFFER began */
    RENDEZVOUS_TRACE,  /* only with rendezvous_set_trace: `text` is a message before its seal, or after it */
};

struct rendezvous_event {
    enum rendezvous_event_type type;
    peer_handle peer;
    char id[PEER_ID_LEN + 1];
    char purpose[PURPOSE_MAX + 1];
    enum pake_role role;                   /* ours: the initiator is the QUIC client */
    bool later;                            /* FAILED: we entered the room after that peer */
    bool proven;                           /* BYE */
    bool same_machine;                     /* PEER */
    uint8_t tls_key[PAKE_KEY_LEN];         /* PEER, WANT_OFFER: wipe after use */
    uint8_t words[3];                      /* PEER: 24 bits that both sides of an open room may compare */
    uint64_t delay;                        /* PEER: ns, one way over the broker as measured, 0 unknown */
    const struct description *description; /* PEER, CANDIDATES: valid until the next call */
    const char *text;                      /* TRACE, BUSY, BYE: valid until the next call */
    char name[PEER_NAME_MAX + 1];          /* BUSY */
    bool outgoing;                         /* TRACE */
};

/* A message for the broker. */
struct letter {
    uint32_t brokers; /* bit n: to broker n */
    bool relay;       /* a packet rather than a message: it may be lost, and must not crowd these out */
    char topic[TOPIC_MAX];
    char data[MESSAGE_MAX]; /* JSON; of a packet its bytes */
    size_t len;
};

/* A packet that a proven peer sent through the broker. */
struct relayed {
    peer_handle peer;
    const uint8_t *data; /* inside the letter */
    size_t len;
};

struct rendezvous_stats {
    uint64_t malformed; /* not JSON, wrong types, unknown version, too long, bad UTF-8 */
    uint64_t own;       /* our own echo */
    uint64_t replayed;  /* duplicates and replays */
    uint64_t stale;     /* well-formed, but for no state that we are in */
    uint64_t limited;   /* over a limit */
    uint64_t failed;    /* tags or seals that did not hold */
    uint64_t strangers; /* packets through the broker, of nobody who has proven anything, or of no length */
    uint64_t sent;      /* letters */
};

struct rendezvous;

/* NULL: no memory. Copies the configuration; the secret is only hashed. */
struct rendezvous *rendezvous_new(const struct rendezvous_config *config);
/* Wipes and frees. */
void rendezvous_free(struct rendezvous *rendezvous);

const char *rendezvous_id(const struct rendezvous *rendezvous);
/* The two topics to subscribe to, and the will (topic of hello, a bye of ours). */
void rendezvous_topics(const struct rendezvous *rendezvous, char hello[TOPIC_MAX], char inbox[TOPIC_MAX]);
void rendezvous_will(const struct rendezvous *rendezvous, struct letter *will);
/* The third topic, for whoever takes packets by way of the broker. */
void rendezvous_relay_topic(const struct rendezvous *rendezvous, char topic[TOPIC_MAX]);
bool rendezvous_is_relay(const struct rendezvous *rendezvous, const char *topic);

/* Broker n is connected (or again): hello is said there. Before the first, nothing is said but the first
 * hello, which rendezvous_output gives at once so that it can leave in the connection's first flight. */
void rendezvous_connected(struct rendezvous *rendezvous, uint64_t now, unsigned broker);
void rendezvous_disconnected(struct rendezvous *rendezvous, uint64_t now, unsigned broker);

/* How many more peers can be taken; 0: hellos stay unanswered (or, of one that serves, are answered with
 * busy), and none are said but the one that tells those who knock. */
void rendezvous_set_slots(struct rendezvous *rendezvous, uint64_t now, unsigned slots);
/* We are leaving: nobody who comes is told that no place is left. The caller also sets 0 slots. */
void rendezvous_leave(struct rendezvous *rendezvous);
void rendezvous_set_trace(struct rendezvous *rendezvous, bool on);

/* Somebody spoke of late who has neither proven the secret nor failed to: after a failure with another it is
 * too early to say that ours is wrong. Whoever guesses in the room would otherwise drive every newcomer away.
 */
bool rendezvous_has_untried(const struct rendezvous *rendezvous, uint64_t now);
/* Our side's description for `peer`: copied; name and machine are filled in here. Sends pake2 or pake3. */
void rendezvous_describe(struct rendezvous *rendezvous, uint64_t now, peer_handle peer,
                         const struct description *own);
/* What was found since, sealed: of `more` the candidates, `complete` and `nat`; repeated at 0.25, 0.5, 1, 2 s
 * until rendezvous_settle. */
void rendezvous_send_candidates(struct rendezvous *rendezvous, uint64_t now, peer_handle peer,
                                const struct description *more);
/* This peer is connected, by whatever way, and `slots` is without its place: it keeps no other from others.
 */
void rendezvous_arrived(struct rendezvous *rendezvous, peer_handle peer);
/* Packets flow with this peer, so it has arrived too: nothing needs to be repeated. */
void rendezvous_settle(struct rendezvous *rendezvous, peer_handle peer);
/* Says busy (sealed; without keys yet, nothing) and forgets the run; the peer may be met again after its next
 * hello. */
void rendezvous_refuse(struct rendezvous *rendezvous, uint64_t now, peer_handle peer, const char *reason);
/* Says bye (sealed) to this peer and forgets it. */
void rendezvous_bye(struct rendezvous *rendezvous, uint64_t now, peer_handle peer, const char *reason);
/* The session with this peer is over without a word: forget it, and answer its hello again. */
void rendezvous_forget(struct rendezvous *rendezvous, uint64_t now, peer_handle peer);

/* `broker` received `len` bytes on `topic`. Retained messages must not get here. */
void rendezvous_input(struct rendezvous *rendezvous, uint64_t now, unsigned broker, const char *topic,
                      const uint8_t *data, size_t len);
bool rendezvous_output(struct rendezvous *rendezvous, uint64_t now, struct letter *letter);
uint64_t rendezvous_deadline(const struct rendezvous *rendezvous);
bool rendezvous_event(struct rendezvous *rendezvous, struct rendezvous_event *event);
/* What `broker` received on the relay topic. False: not of a proven peer; dropped and counted. */
bool rendezvous_relay_input(struct rendezvous *rendezvous, unsigned broker, const uint8_t *data, size_t len,
                            struct relayed *relayed);
/* Begins a letter to the peer `id` (also one that has left since): the caller adds at most RELAY_PACKET_MAX
 * bytes after those `len` that are there. False: no broker is connected. */
bool rendezvous_relay_address(struct rendezvous *rendezvous, const char *id, struct letter *letter);
/* The brokers that such a letter would go to, bit n: broker n. */
uint32_t rendezvous_relay_broker(struct rendezvous *rendezvous, const char *id);
void rendezvous_stats(const struct rendezvous *rendezvous, struct rendezvous_stats *stats);

#endif
