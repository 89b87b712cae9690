/* path.h - what a pair of addresses means to people: its kind, whether it beats another, and why. */
#ifndef PATH_H
#define PATH_H

#include "addr.h"
#include "message.h"
#include "punch_plan.h"

/* In order of preference (interface.md). */
enum path_kind { PATH_HOST, PATH_LAN, PATH_DIRECT, PATH_TURN, PATH_BROKER, PATH_KINDS };

#define PATH_BIT(kind) (1u << (kind))
#define PATH_ALL ((1u << PATH_KINDS) - 1)

enum { PATH_WHY_MAX = 400 };

struct path {
    enum path_kind kind;
    struct addr local, remote;
    uint64_t rtt; /* smoothed, ns; 0: not measured */
};

/* "host", "lan", "direct", "turn", "broker". */
const char *path_kind_name(enum path_kind kind);

/* What a remote address is to us. `own`: it is one of this machine's addresses; `announced_host`: the peer
 * announced it as a host candidate; `relayed`: either end of the pair is a relay. */
enum path_kind path_classify(const struct addr *remote, bool own, bool announced_host, bool relayed);

/* Whether traffic should leave `current` for `other`: a better kind always; within a kind only where the
 * round trip is shorter by a fifth and by 5 ms at least, so that jitter moves nobody. */
bool path_beats(const struct path *other, const struct path *current);

/* UDP payload that fits such a path, bytes: 1452 on lan, 1200 elsewhere (transport.md, trap 12), and 32000 on
 * host: loopback takes 65,507, and two fill a batch. */
size_t path_payload(enum path_kind kind);

/* What is known about the attempts, for the sentences. */
struct path_facts {
    unsigned tried[PATH_KINDS];     /* pairs checked, by kind */
    unsigned answered[PATH_KINDS];  /* of these */
    unsigned allowed;               /* PATH_BIT set by --paths */
    bool local_srflx, remote_srflx; /* a server told that side's public address */
    struct punch_facts punched;
    struct nat_behavior local_nat, remote_nat; /* what each side's network is like */
    bool remote_symmetric; /* the peer says so of its NAT, or announces one public address with several ports
                            */
    bool peer_prflx; /* the peer's packets came from an address that it had not announced: so does its */
    bool heard;      /* at least one authenticated check of the peer arrived */
    bool same_machine;
    bool failed;                        /* all has been tried, for as long as it takes */
    bool local_blocked, remote_blocked; /* no server answers that side over UDP */
    bool local_mapped,
        remote_mapped; /* the path goes through a port that our, or the peer's, gateway opened */
};

/* One sentence: why this path and not a better one. Always NUL-terminated. */
void path_why(char why[PATH_WHY_MAX], const struct path *path, const struct path_facts *facts);
/* One sentence: why no path at all, what was tried and what to change (exit code 5). */
void path_why_none(char why[PATH_WHY_MAX], const struct path_facts *facts);

#endif
