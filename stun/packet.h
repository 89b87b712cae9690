/* packet.h - a datagram on its way into or out of a machine. */
#ifndef PACKET_H
#define PACKET_H

#include "addr.h"
#include "moment.h"
#include <stddef.h>
#include <stdint.h>

/* Handed to NOUN_input: `data` holds `len` bytes that arrived; `local` is the address they were sent to.
 * Handed to NOUN_output: `data` is the caller's buffer of `len` bytes, which the machine fills; it sets `len`
 * to the bytes to be sent, `remote` to where, and `local` to the address they must leave from (family 0:
 * whichever the system likes). A machine never keeps `data`. */
struct packet {
    struct addr local;
    struct addr remote;
    uint8_t *data;
    size_t len; /* bytes */
    size_t
        segment; /* output only: bytes of every datagram in `data` but the last (GSO); 0: a single datagram */
    uint8_t
        stream;  /* output only: 0: a datagram; else bytes for the stream to a TURN server, its number + 1 */
    uint8_t ttl; /* output only: hops it may travel, to open our own gateway alone; 0: the system's choice */
};

/* The most bytes that a machine other than quic puts into one packet. RFC 8489 6.1: below the path MTU. */
enum { PACKET_MAX = 1200 };

#endif
