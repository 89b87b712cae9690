/* net_stream.h - a TCP connection that is made without blocking and has a small queue in front of it. Part of
 * net. */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "addr.h"
#include <stddef.h>
#include <stdint.h>

struct net_stream;

enum {
    NET_STREAM_ROOM = 262144, /* bytes of the queue: some of the longest writes */
    NET_STREAM_FULL = 65536,  /* with so much in it nothing more should be written ... */
    NET_STREAM_SOFT = 16384,  /* ... until there is no more than this */
};

enum net_stream_state { NET_STREAM_CONNECTING, NET_STREAM_OPEN, NET_STREAM_BROKEN };

/* Begins to connect, from `local` unless its family is 0, by the interface `index` (net_index; 0: the routes
 * decide). NET_OK, NET_ENOMEM or NET_ESYSTEM (errno). */
int net_stream_open(struct net_stream **out, uint32_t index, const struct addr *remote,
                    const struct addr *local);
void net_stream_close(struct net_stream *stream);
int net_stream_fd(const struct net_stream *stream);

/* To be called when the descriptor is ready: finishes connecting, empties the queue as far as it goes. */
enum net_stream_state net_stream_drive(struct net_stream *stream);
/* Whether the descriptor must be watched for writing. */
bool net_stream_wants_write(const struct net_stream *stream);
/* What broke it: errno. */
int net_stream_error(const struct net_stream *stream);

/* Bytes that came (> 0), 0 at the end, or -1 with errno: EAGAIN, or what broke it. */
ptrdiff_t net_stream_read(struct net_stream *stream, void *data, size_t len);
/* Takes all or nothing. False: no room, or broken. */
bool net_stream_write(struct net_stream *stream, const void *data, size_t len);
/* Bytes that wait in the queue. */
size_t net_stream_queued(const struct net_stream *stream);

#endif
