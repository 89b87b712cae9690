/* player.h - the hosts of a simulation: peers made of the real node, a STUN server, a broker that posts
 * letters. */
#ifndef PLAYER_H
#define PLAYER_H

#include "node.h"
#include "world.h"

enum { PLAYERS_MAX = 201 };

/* The room: who is subscribed to what, and how letters travel. */
struct meeting {
    struct world *world;
    uint64_t delay, jitter;   /* from one peer to another, ns: between delay and delay + jitter */
    unsigned loss, duplicate; /* percent of letters */
    bool down;
    struct player *players[PLAYERS_MAX];
    unsigned count;
    uint64_t letters; /* that were published */
};

/* What a peer does once connected: it sends `bytes` to every peer on one stream, a pattern that the other
 * side checks. */
struct errand {
    size_t bytes;
    bool lasting; /* the stream is not finished: more may follow */
};

/* One peer as a player sees it. */
struct link {
    bool connected, intact, ended; /* everything that came fits the pattern; the peer's end was read */
    int64_t sending, receiving;    /* streams; -1: none */
    size_t sent, received;         /* bytes of the pattern */
};

struct player {
    struct meeting *meeting;
    struct host *host;
    struct node *node;
    struct chance chance;
    struct random random;
    struct errand errand;
    struct link links[NODE_PEERS_MAX];
    uint16_t extra_first; /* its extra sockets are the open ones of HOST_EXTRA_MAX ports */
    bool extra[HOST_EXTRA_MAX];
    unsigned extra_next; /* where the next is opened: no port comes again soon */
    uint64_t started, path_at, connected_at, first_byte_at; /* of the first peer; 0: not yet */
    uint64_t direct_at;          /* the path became direct, or better; 0: it is not */
    unsigned connected;          /* peers at this moment */
    unsigned handshakes;         /* CONNECTED events */
    unsigned closed, refused;    /* peers that were told of and ended; those that took somebody else */
    unsigned left;               /* of `closed`, those that were connected and said goodbye */
    uint64_t closed_at, left_at; /* the last of these */
    enum conn_end end;
    unsigned stalled, busy, candidates; /* events of these types */
    char busy_name[PEER_NAME_MAX + 1], busy_why[PATH_WHY_MAX];
    unsigned wrong_secrets;
    uint64_t final_at; /* the first NODE_SECRET that was final; 0: none */
    char why[PATH_WHY_MAX];
    struct path path; /* the last one told */
    size_t received;  /* bytes from all peers */
    bool altered;     /* some byte did not fit the pattern */
    unsigned ended;   /* peers whose end was read */
    size_t relayed;   /* bytes that it sent through the broker */
    unsigned paths;   /* events of this type */
    unsigned doubts;  /* the same; the broker is to be asked whether it holds us ... */
    unsigned slept;   /* ... because we have slept */
    unsigned letters; /* to one peer, that it sent */
};

struct player_options {
    const char *name, *secret;  /* secret NULL: an open room */
    const char *to;             /* NULL: anybody */
    unsigned paths, max_peers;  /* 0: all, 1 */
    uint32_t broker_relay;      /* bytes a second; 0: none */
    const uint8_t *machine;     /* 32 bytes; NULL: unknown */
    struct path_memory *memory; /* NULL: nothing is remembered */
    bool maps_ports;            /* gateways are asked, where there are any */
};

/* Enters the room from `host` (whose self it becomes) with UDP port `port`. */
void player_start(struct player *player, struct meeting *meeting, struct host *host, uint64_t seed,
                  const struct player_options *options, uint16_t port, const struct addr *stun,
                  size_t stun_count);
/* Frees it, without a word. */
void player_stop(struct player *player);
/* Killed: without a word of its own; `will`: the broker says its last will. */
void player_kill(struct player *player, bool will);
/* Says goodbye to everybody. */
void player_leave(struct player *player);
/* The host's addresses have changed. */
void player_roam(struct player *player, uint16_t port);
/* `bytes` more of the pattern to every peer. */
void player_send(struct player *player, size_t bytes);

/* The broker is gone for everybody, or back. */
void meeting_set_down(struct meeting *meeting, bool down);
/* One player's connection to it is replaced by a new one. */
void player_reconnect(struct player *player);
extern const struct host_verbs player_verbs;

/* A STUN server on a host with one public address. */
extern const struct host_verbs stun_host_verbs;
struct stun_host {
    struct host *host;
    struct stun_server *server;
};

#endif
