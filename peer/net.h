/* net.h - the UDP sockets of a node, the machine's interfaces, its identity: the only socket calls. */
#ifndef NET_H
#define NET_H

#include "node.h"
#include "packet.h"

enum {
    NET_INTERFACES_MAX = 32,          /* names in the lists below */
    NET_SOCKET_BUFFER = 4194304,      /* bytes asked for in either direction (transport.md, trap 9) */
    NET_EXTRA_MAX = NODE_SOCKETS_MAX, /* further sockets */
};

struct net_config {
    uint16_t port;                 /* 0: chosen by the system */
    const char *const *interfaces; /* use only these, ended by NULL; NULL: all */
    const char *const *exclude;    /* do not use these; may be NULL */
};

enum net_result {
    NET_SENT,  /* or lost on the way, as datagrams may be */
    NET_AGAIN, /* the socket is full: wait until net_is_writable's descriptor is, then send the same again */
    NET_TOO_LONG, /* longer than the interface or the path takes: dropped */
};

enum net_error { NET_OK = 0, NET_ESYSTEM = -1 /* errno says why */, NET_EPORT = -2, NET_ENOMEM = -3 };

struct net_stats {
    uint64_t sent, received; /* datagrams */
    uint64_t send_calls, receive_calls;
    uint64_t refused; /* sends that the system refused: no route, not permitted, ... */
    uint64_t truncated;
};

struct net;

int net_open(struct net **out, const struct net_config *config);
void net_close(struct net *net);

/* Descriptors to wait on: for reading always, for writing after NET_AGAIN; -1 where there is none. */
enum { NET_IPV4, NET_IPV6, NET_CHANGES, NET_EXTRA, NET_FDS };
int net_fd(const struct net *net, unsigned index);

/* The usable addresses now, with the port of the socket of their family; returns how many. A family whose
 * socket could not be opened has none. */
size_t net_addresses(const struct net *net, struct node_address *out, size_t max);
/* Whether an address of this machine is used, and why not. */
enum net_use {
    NET_USED,
    NET_UNUSED_DOWN,        /* its interface is switched off, or has no cable */
    NET_UNUSED_EXCLUDED,    /* the configuration excludes its interface ... */
    NET_UNUSED_NOT_CHOSEN,  /* ... or names others */
    NET_UNUSED_BRIDGE_PORT, /* what a bridge's port hears is the bridge's */
    NET_UNUSED_LINK_LOCAL,  /* its interface has a better one of the family */
    NET_UNUSED_NO_ADDRESS,  /* the interface has none, or none that anybody could send to */
};

/* An interface with one of its addresses. */
struct net_interface {
    char name[16];       /* as the system calls it */
    struct addr address; /* family 0: none */
    enum net_use use;
    bool is_last; /* a bridge or a tunnel: tried after the others */
};

/* Every interface with each of its addresses; returns how many were written. */
size_t net_interfaces(const struct net *net, struct net_interface *out, size_t max);
/* What the system granted of NET_SOCKET_BUFFER, bytes in either direction. */
void net_buffers(const struct net *net, int *receive, int *send);

/* Takes what the descriptor of changes says; true: net_addresses may say something else now. */
bool net_has_changed(struct net *net);
/* The interface by which what leaves from `local` must go where only some may be used; 0: the routes decide.
 */
uint32_t net_index(const struct net *net, const struct addr *local);

/* Opens extra IPv4 sockets until there are `count`, or closes some until there are, but none that `keep`
 * wants: that one gets large buffers. The descriptor NET_EXTRA comes with the first and goes with the last.
 * Returns how many there are: fewer than `count` where the system refuses. */
size_t net_set_extra(struct net *net, size_t count, bool (*keep)(void *context, const struct addr *local),
                     void *context);
/* Where they are: port, and no address, for they listen on all of them. `out` takes NET_EXTRA_MAX. */
size_t net_extra(const struct net *net, struct addr *out);

/* The next datagram of NET_IPV4, NET_IPV6 or NET_EXTRA, in an internal buffer until the next call. False:
 * none now; ask again when the descriptor is readable. A batch is read by one system call and handed out one
 * by one, GRO undone. */
bool net_receive(struct net *net, unsigned index, struct packet *in);
/* Leaves from the extra socket that has the port of `out->local`, else from the family's own. */
enum net_result net_send(struct net *net, const struct packet *out);
/* Whether `out` would leave from an extra socket; then NET_EXTRA's descriptor tells when it can (`on`), or no
 * longer does. */
bool net_await_extra(struct net *net, const struct packet *out, bool on);
void net_stats(const struct net *net, struct net_stats *stats);

/* 32 bytes that are the same for all programs of this machine, this boot and this network namespace, and
 * unknown to others: a hash of the machine id, the boot id and the namespace. False: not to be had. */
bool net_machine(uint8_t machine[32]);

#endif
