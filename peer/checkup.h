/* checkup.h - looks at this machine and its network, for `doctor`: what is there, what answers, how soon. */
#ifndef CHECKUP_H
#define CHECKUP_H

#include "nat_behavior.h"
#include "nat_life.h"
#include "net.h"
#include "stun_client.h"

enum {
    CHECKUP_MS = 2600,               /* never longer, whoever is silent, but for the life of mappings */
    CHECKUP_LIFE_S = NAT_LIFE_ALL_S, /* that one never takes longer */
    CHECKUP_KEEPALIVE_S = STUN_CLIENT_REFRESH_S, /* a node keeps its mappings by a packet at least so often */
    CHECKUP_INTERFACES_MAX = 64,
    CHECKUP_STUN_MAX = 8,
    CHECKUP_BROKERS_MAX = 4,
    CHECKUP_TURN_MAX = 4,
    CHECKUP_NAME_MAX = 300,
    CHECKUP_TEXT_MAX = 160,
};

struct checkup_config {
    const char *const *stun;    /* as p2p_config's; the first "none": nobody is asked; NULL: the defaults */
    const char *const *brokers; /* as p2p_config's; NULL: the default */
    const char *const *turn;    /* as p2p_config's; NULL: none */
    const char *turn_user, *turn_password; /* NULL: none */
    const char *const *interfaces, *const *exclude;
    uint16_t port;
    bool no_portmap; /* the router is left alone */
    bool life;       /* measure how long idle mappings live, which takes minutes */
    /* Called while that is measured, every second or sooner, with what is known and the seconds so far. NULL:
     * never. */
    void (*progress)(void *context, const struct nat_life_verdict *verdict, unsigned waited_s);
    /* Asked now and then, and after every signal: true ends it all. NULL: never. */
    bool (*stops)(void *context);
    void *context;
};

enum checkup_state {
    CHECKUP_SILENT,     /* no answer in time */
    CHECKUP_ANSWERS,    /* `rtt` */
    CHECKUP_UNRESOLVED, /* its name has no address: `text` */
    CHECKUP_FAILED,     /* `text` says what went wrong */
};

/* A STUN or TURN server or a broker, as it was named. */
struct checkup_server {
    char name[CHECKUP_NAME_MAX];
    enum checkup_state state;
    uint64_t rtt;        /* ns; of a broker, of a message to ourselves */
    struct addr address; /* STUN: the one that answered, or was asked last; IPv4 goes before */
    struct addr mapped;  /* STUN: what it saw of us; TURN: what it lent; family 0: nothing */
    char text[CHECKUP_TEXT_MAX];
};

enum checkup_ipv6 {
    CHECKUP_IPV6_NONE,    /* no address that the internet could reach */
    CHECKUP_IPV6_UNKNOWN, /* there is one, and nobody to try it with */
    CHECKUP_IPV6_SILENT,  /* there is one, and no server answers it */
    CHECKUP_IPV6_WORKS,
};

/* Whether the router opens a port (PCP, NAT-PMP, UPnP), or its firewall for IPv6; taken back at the end. */
struct checkup_ports {
    bool asked;           /* it was not forbidden, and there is an address for it and a router to ask */
    struct addr external; /* family 0: none was opened */
    char protocol[16];    /* that opened it */
    char text[CHECKUP_TEXT_MAX]; /* why none was */
};

enum checkup_life {
    CHECKUP_LIFE_UNASKED,
    CHECKUP_LIFE_NOTHING, /* there is nothing in the way that could forget */
    CHECKUP_LIFE_UNKNOWN, /* nobody to ask answers, or it was stopped too soon */
    CHECKUP_LIFE_TOLD,    /* see the verdict, which may be of less than all where it was stopped */
};

struct checkup {
    struct net_interface interfaces[CHECKUP_INTERFACES_MAX];
    size_t interface_count;
    struct checkup_server stun[CHECKUP_STUN_MAX], brokers[CHECKUP_BROKERS_MAX], turn[CHECKUP_TURN_MAX];
    size_t stun_count, broker_count, turn_count;
    struct nat_behavior nat;
    struct addr local; /* of ours, that `nat` is true for; family 0: nobody has told */
    enum checkup_life life;
    struct nat_life_verdict life_verdict;
    bool stopped; /* by `stops`: what is here is not all */
    enum checkup_ipv6 ipv6;
    struct addr ipv6_address;
    struct checkup_ports ports, pinhole; /* IPv4; IPv6 */
    int receive_buffer, send_buffer;     /* granted, of NET_SOCKET_BUFFER, bytes */
    uint64_t elapsed;                    /* ns */
};

/* Blocks for CHECKUP_MS at most (and CHECKUP_LIFE_S with `life`), as a rule for the time of a few round
 * trips. 0, or net_open's error; -4: the system has no loop, no resolver or no memory for us. Names are those
 * that the command line has let through.
 */
int checkup_run(struct checkup *out, const struct checkup_config *config);

#endif
