/* quic_batch.c - packets of equal size, filled with what datagrams and streams have to send.
 *
 * The rules of ngtcp2 and of the kernel's GSO that it keeps are traps 5, 6 and 8 of transport.md. */
#include "quic_state.h"

enum {
    BATCH_PACKETS = 64, /* the kernel's limit of segments */
    DATAGRAM_SHARE = 4, /* while streams wait, one packet of so many is theirs first */
    WRITES_MAX = 512,   /* frames tried for one packet: a bound, never met with frames of a byte and more */
};

/* Whether a datagram may start this packet: streams that wait have the first say in one of DATAGRAM_SHARE. */
static bool datagram_may_go(struct quic *quic)
{
    while (quic->datagrams_out.count && datagram_first(&quic->datagrams_out)->len > quic_datagram_max(quic))
        datagram_pop(&quic->datagrams_out); /* the path shrank: it would never fit (trap 6) */
    return quic->datagrams_out.count && quic->can_send &&
           (quic->packets % DATAGRAM_SHARE || !streams_next(quic));
}

static ngtcp2_ssize write_datagram(struct quic *quic, uint8_t *dest, size_t len, ngtcp2_tstamp ts)
{
    const struct datagram *datagram = datagram_first(&quic->datagrams_out);
    ngtcp2_vec vec = {.base = (uint8_t *)datagram->data, .len = datagram->len};
    int accepted = 0;
    ngtcp2_ssize result =
        ngtcp2_conn_writev_datagram(quic->conn, NULL, NULL, dest, len, &accepted,
                                    NGTCP2_WRITE_DATAGRAM_FLAG_MORE, 0, &vec, vec.len > 0, ts);
    bool unwanted = result == NGTCP2_ERR_INVALID_STATE || result == NGTCP2_ERR_INVALID_ARGUMENT;
    if (accepted || unwanted)
        datagram_pop(&quic->datagrams_out);
    return unwanted ? NGTCP2_ERR_WRITE_MORE : result;
}

/* One packet, filled by as many datagrams and streams as fit. 0: nothing may leave now (trap 5). */
static ngtcp2_ssize write_packet(struct quic *quic, uint8_t *dest, size_t len, ngtcp2_tstamp ts)
{
    quic->packets++;
    for (unsigned i = 0; i < WRITES_MAX; i++) {
        struct quic_stream *stream;
        ngtcp2_ssize result;
        if (datagram_may_go(quic))
            result = write_datagram(quic, dest, len, ts);
        else if ((stream = streams_next(quic)))
            result = stream_write_packet(quic, stream, dest, len, ts);
        else
            break;
        if (result == NGTCP2_ERR_STREAM_DATA_BLOCKED)
            break;
        if (result != NGTCP2_ERR_WRITE_MORE)
            return result;
    }
    return ngtcp2_conn_writev_stream(quic->conn, NULL, NULL, dest, len, NULL, NGTCP2_WRITE_STREAM_FLAG_NONE,
                                     -1, NULL, 0, ts);
}

/* Packets of equal size, the last may be shorter. Returns their bytes; a negative error of ngtcp2 only when
 * there are none. */
ngtcp2_ssize batch_write(struct quic *quic, struct packet *out, size_t payload, size_t burst,
                         ngtcp2_tstamp ts)
{
    size_t limit = size_min(size_min(out->len, burst), BATCH_PACKETS * payload);
    size_t used = 0;
    do {
        ngtcp2_ssize len = write_packet(quic, out->data + used, payload, ts);
        if (len < 0 && !used)
            return len;
        if (len < 0)
            quic->failed = (int)len;
        if (len <= 0)
            break;
        used += (size_t)len;
        if ((size_t)len < payload)
            break;
    } while (used + payload <= limit);
    return (ngtcp2_ssize)used;
}
