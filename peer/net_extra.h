/* net_extra.h - many IPv4 sockets for a while: to hold open, or to look through, a hard NAT. Part of net. */
#ifndef NET_EXTRA_H
#define NET_EXTRA_H

#include "net_socket.h"

struct extra;

/* Opens nothing. NULL: no memory. */
struct extra *extra_new(void);
void extra_free(struct extra *extra);
/* Readable when any of them is; -1 while there are none. */
int extra_fd(const struct extra *extra);
/* As net_set_extra, net_extra and net_receive. */
size_t extra_set(struct extra *extra, size_t count, bool (*keep)(void *context, const struct addr *local),
                 void *context);
size_t extra_list(const struct extra *extra, struct addr *out);
bool extra_receive(struct extra *extra, struct packet *in, struct net_stats *stats);
/* The socket on this port, or NULL. */
struct net_socket *extra_find(struct extra *extra, uint16_t port);
/* Whether extra_fd also tells that `sock` can be written. False: the system refused. */
bool extra_await(struct extra *extra, const struct net_socket *sock, bool on);

#endif
