/* stun_server.h - answers binding requests (RFC 8489), and those of NAT behaviour discovery (RFC 5780). */
#ifndef STUN_SERVER_H
#define STUN_SERVER_H

#include "packet.h"
#include "random.h"

/* With CHANGE-REQUEST and OTHER-ADDRESS when all four sockets exist: address[ip][port], ip and port each 0
 * (primary) or 1 (alternate), all of one family; otherwise only address[0][0] is set. */
struct stun_server_config {
    struct addr address[2][2];
};

/* What has been counted since the start. */
struct stun_server_stats {
    uint64_t answered, refused /* with an error */, limited, malformed;
};

struct stun_server;

/* A server for one family. NULL: no memory. */
struct stun_server *stun_server_new(const struct stun_server_config *config);
void stun_server_free(struct stun_server *server);

/* An answer is made at once and kept until output takes it: one input, then output until false. At most
 * STUN_SERVER_RATE answers a second go to one address (a /64 of IPv6), so that forged sources gain nothing.
 */
enum { STUN_SERVER_RATE = 10 };
void stun_server_input(struct stun_server *server, uint64_t now, const struct packet *in);
bool stun_server_output(struct stun_server *server, uint64_t now, struct packet *out);
void stun_server_stats(const struct stun_server *server, struct stun_server_stats *stats);

#endif
