/* net_socket.h - one UDP socket: datagrams in by the batch, out from a chosen address. Part of net. */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H

#include "net.h"

struct net_socket {
    int fd;    /* -1: none */
    int level; /* of its family's options: IPPROTO_IP or IPPROTO_IPV6 */
    uint16_t port;
    bool gso;
};

/* What the last receive call of a socket brought, to be handed out one by one. */
struct inbox;

/* Opens a socket of `family` (4 or 6) on `port` (0: chosen by the system). NET_OK with fd -1: the machine
 * does not have this family. What was opened before an error is the caller's to close. */
int net_socket_open(struct net_socket *sock, unsigned family, uint16_t port);
/* For a socket that carries much: large buffers, batches as one. */
void net_socket_widen(struct net_socket *sock);
/* What the system granted of the large ones, bytes. */
void net_socket_buffers(const struct net_socket *sock, int *receive, int *send);
/* For a socket that waits for one packet among many such: as little memory as the system gives. */
void net_socket_narrow(struct net_socket *sock);

/* NULL: no memory. */
struct inbox *inbox_new(void);
void inbox_free(struct inbox *inbox);
/* The next datagram of `sock`, in the inbox's buffer until the next call. An inbox may serve several sockets,
 * each until this returns false. */
bool inbox_next(struct inbox *inbox, const struct net_socket *sock, struct packet *in,
                struct net_stats *stats);

/* Drops what has not been handed out: its socket is gone. */
void inbox_forget(struct inbox *inbox);

/* Sends from the interface `index` (0: the routes decide). */
enum net_result net_socket_send(struct net_socket *sock, const struct packet *out, uint32_t index,
                                struct net_stats *stats);

#endif
