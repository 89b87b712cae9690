/* player.h - the hosts of a simulation: peers made of the real node, a STUN server, a broker that posts
 * letters. */
#ifndef PLAYER_H
#define PLAYER_H

#include "node.h"
#include "world.h"

enum { PLAYERS_MAX = 8 };

/* The room: who is subscribed to what. */
struct meeting {
    struct world *world;
    uint64_t delay; /* to the broker or from it, ns */
    bool down;
    struct player *players[PLAYERS_MAX];
    unsigned count;
};

/* What a peer does once connected. */
struct errand {
    size_t bytes; /* to send to every peer on one stream, a pattern that the other side checks; 0: one byte */
};

struct player {
    struct meeting *meeting;
    struct host *host;
    struct node *node;
    struct chance chance;
    struct random random;
    struct errand errand;
    uint64_t started, connected_at, first_byte_at; /* 0: not yet */
    unsigned connected;                            /* peers at this moment */
    unsigned closed;                               /* peers that were lost or failed */
    enum conn_end end;                             /* of the last of these */
    char why[PATH_WHY_MAX];
    struct path path; /* the last one told */
    int64_t sending[NODE_PEERS_MAX], receiving[NODE_PEERS_MAX];
    size_t sent[NODE_PEERS_MAX], received; /* bytes of the pattern */
    bool intact, ended;  /* everything that came fits the pattern; the peer's end was read */
    unsigned handshakes; /* CONNECTED events */
    size_t checks;       /* datagrams sent while not connected */
};

struct player_options {
    const char *name, *secret; /* NULL: an open room */
    unsigned paths, max_peers; /* 0: all, 1 */
    const uint8_t *machine;    /* 32 bytes; NULL: unknown */
};

/* Enters the room from `host` (whose self it becomes) with UDP port `port`. */
void player_start(struct player *player, struct meeting *meeting, struct host *host, uint64_t seed,
                  const struct player_options *options, uint16_t port, const struct addr *stun,
                  size_t stun_count);
void player_stop(struct player *player);
/* The host's addresses have changed. */
void player_roam(struct player *player, uint64_t now, uint16_t port);
extern const struct host_verbs player_verbs;

/* A STUN server on a host with one public address. */
extern const struct host_verbs stun_host_verbs;
struct stun_host {
    struct host *host;
    struct stun_server *server;
};

#endif
