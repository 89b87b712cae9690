/* quic_datagram.c - datagrams waiting, in one direction. */
#include "quic_datagram.h"

#include "quic.h"

#include <stdlib.h>
#include <string.h>

bool datagram_push(struct datagram_queue *queue, const void *data, size_t len)
{
    if (!queue->ring)
        queue->ring = calloc(QUIC_DATAGRAM_QUEUE, sizeof(struct datagram *));
    struct datagram *datagram = queue->ring ? malloc(sizeof *datagram + len) : NULL;
    if (!datagram)
        return false;
    datagram->len = len;
    if (len)
        memcpy(datagram->data, data, len);
    if (queue->count == QUIC_DATAGRAM_QUEUE) {
        datagram_pop(queue);
        queue->dropped++;
    }
    queue->ring[(queue->first + queue->count++) % QUIC_DATAGRAM_QUEUE] = datagram;
    return true;
}

const struct datagram *datagram_first(const struct datagram_queue *queue)
{
    return queue->count ? queue->ring[queue->first] : NULL;
}

void datagram_pop(struct datagram_queue *queue)
{
    free(queue->ring[queue->first]);
    queue->first = (queue->first + 1) % QUIC_DATAGRAM_QUEUE;
    queue->count--;
}

void datagram_clear(struct datagram_queue *queue)
{
    while (queue->count)
        datagram_pop(queue);
    free(queue->ring);
    queue->ring = NULL;
}
