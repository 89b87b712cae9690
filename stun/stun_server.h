/* stun_server.h - answers binding requests (RFC 8489), and those of NAT behaviour discovery (RFC 5780). */
#ifndef STUN_SERVER_H
#define STUN_SERVER_H

#include "packet.h"
#include "random.h"

/* With CHANGE-REQUEST and OTHER-ADDRESS when all four sockets exist: address[ip][port], ip and port each 0
 * (primary) or 1 (alternate), all of one family; otherwise only address[0][0] is set. */
struct stun_server_config {
    struct addr address[2][2];
    const struct random *random; /* read once, to key the rate limit's table; NULL: a key that all know */
};

/* What has been counted since the start. */
struct stun_server_stats {
    uint64_t answered;  /* with an address */
    uint64_t refused;   /* with an error */
    uint64_t limited;   /* not answered: its address has had its share */
    uint64_t malformed; /* not answered: no request for us */
};

struct stun_server;

/* A server for one family. NULL: no memory. */
struct stun_server *stun_server_new(const struct stun_server_config *config);
void stun_server_free(struct stun_server *server);

/* An answer is made at once and kept until output takes it: one input, then output until false. At most
 * STUN_SERVER_RATE answers go to one address (a /64 of IPv6) in any second, so that forged sources gain
 * nothing. Who floods from thousands of addresses can make the table forget one, at the price of hundreds of
 * packets. */
enum { STUN_SERVER_RATE = 10 };
void stun_server_input(struct stun_server *server, uint64_t now, const struct packet *in);
bool stun_server_output(struct stun_server *server, uint64_t now, struct packet *out);
void stun_server_stats(const struct stun_server *server, struct stun_server_stats *stats);

#endif
