/* quic_datagram.h - datagrams waiting, in one direction (RFC 9221). */
#ifndef QUIC_DATAGRAM_H
#define QUIC_DATAGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct datagram {
    size_t len;
    uint8_t data[];
};

/* A ring that allocates its places with the first datagram; all zero is empty. */
struct datagram_queue {
    struct datagram **ring; /* QUIC_DATAGRAM_QUEUE places */
    size_t first, count;
    uint64_t dropped; /* oldest ones that gave way */
};

/* Copies one in; when the queue is full the oldest gives way. False: no memory. */
bool datagram_push(struct datagram_queue *queue, const void *data, size_t len);
/* The oldest, which stays where it is; NULL: none. */
const struct datagram *datagram_first(const struct datagram_queue *queue);
/* Forgets the oldest. */
void datagram_pop(struct datagram_queue *queue);
void datagram_clear(struct datagram_queue *queue);

#endif
