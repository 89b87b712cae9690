/* parcel.c - a message to one peer that is repeated, byte for byte, until it has had its effect. */
#include "parcel.h"
#include "packet.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* After the first copy. The sum of design.md: a lost message costs a quarter of a second, not a round of TCP.
 */
static const uint16_t REPEAT_MS[PARCEL_COPIES_MAX] = {0, 250, 500, 1000, 2000};

struct parcel *parcel_new(const struct message *message, const char *to, uint32_t brokers, unsigned copies)
{
    char text[MESSAGE_MAX];
    size_t len = message_encode(message, text, sizeof text);
    struct parcel *parcel = len ? calloc(1, sizeof *parcel + len) : NULL;
    if (!parcel)
        return NULL;
    memcpy(parcel->to, to, sizeof parcel->to);
    memcpy(parcel->data, text, len);
    parcel->len = len;
    parcel->brokers = brokers;
    parcel->copies = copies;
    parcel->type = message->type;
    return parcel;
}

void parcel_again(struct parcel *parcel, uint64_t now)
{
    if (parcel->due != NEVER)
        return;
    parcel->sent = 0;
    parcel->due = now;
}

void parcel_repeat(struct parcel *parcel, uint64_t now, uint32_t brokers)
{
    if (parcel->sent && now < parcel->last + PARCEL_GAP_MS * NS_PER_MS)
        return;
    parcel->brokers = brokers;
    if (parcel->sent == parcel->copies) { /* the series is over: this copy stands alone */
        parcel->sent--;
        parcel->began = now;
    }
    parcel->wanted = true;
    parcel->due = now;
}

void parcel_stop(struct parcel *parcel)
{
    parcel->due = NEVER;
}

static void count_copy(struct parcel *parcel, uint64_t now)
{
    if (parcel->sent++ == 0)
        parcel->began = now;
    parcel->last = now;
    parcel->wanted = false;
    if (parcel->sent >= parcel->copies) {
        parcel->due = NEVER;
        return;
    }
    parcel->due = parcel->began + REPEAT_MS[parcel->sent] * NS_PER_MS;
    if (parcel->due <= now) /* no broker was connected for a while: do not catch up in a burst */
        parcel->due = now + REPEAT_MS[1] * NS_PER_MS;
}

bool parcel_output(struct parcel *parcel, uint64_t now, uint32_t connected, const char *room,
                   struct letter *letter)
{
    if (parcel->due > now || !connected)
        return false;
    bool old = parcel->sent && now >= parcel->began + PARCEL_WIDEN_MS * NS_PER_MS;
    letter->brokers = old ? connected : parcel->brokers & connected;
    if (!letter->brokers)
        letter->brokers = connected;
    snprintf(letter->topic, sizeof letter->topic, "p2pconnect/1/%s/to/%s", room, parcel->to);
    memcpy(letter->data, parcel->data, parcel->len);
    letter->len = parcel->len;
    count_copy(parcel, now);
    return true;
}

void parcel_free(struct parcel *parcel)
{
    free(parcel);
}

void parcel_free_list(struct parcel *parcel)
{
    while (parcel) {
        struct parcel *next = parcel->next;
        free(parcel);
        parcel = next;
    }
}
