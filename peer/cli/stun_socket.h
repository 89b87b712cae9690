/* stun_socket.h - a UDP socket of the STUN server: bound where the user says, answering from where it was
 * asked. */
#ifndef STUN_SOCKET_H
#define STUN_SOCKET_H

#include "packet.h"

struct stun_socket {
    int fd;            /* -1: closed */
    struct addr local; /* as bound, with the port that the system chose; the address may be the wildcard */
};

/* Binds; 0, or -1 with errno. IPv6 sockets take IPv6 only, so that both families can have the same port. */
int stun_socket_open(struct stun_socket *socket, const struct addr *local);
void stun_socket_close(struct stun_socket *socket);
/* One datagram into in->data (in->len bytes of room); `local` is the address it came to. False: none waits.
 */
bool stun_socket_receive(const struct stun_socket *socket, struct packet *in);
/* Leaves from out->local. What the system refuses is lost, as datagrams may be. */
void stun_socket_send(const struct stun_socket *socket, const struct packet *out);

#endif
