/* forward_wire.c - what forward says to the other forward: asks, answers, whose connection, whose datagram.
 */
#include "forward_wire.h"

#include <string.h>

static void put_u16(uint8_t *out, size_t value)
{
    out[0] = (uint8_t)(value >> 8), out[1] = (uint8_t)value;
}

static uint16_t get_u16(const uint8_t *data)
{
    return (uint16_t)(data[0] << 8 | data[1]);
}

/* number, what, protocol, length of the text, text */
size_t ask_write(uint8_t out[ASK_MAX], const struct ask *ask)
{
    char text[ENDPOINT_TEXT_MAX];
    size_t len = strlen(endpoint_print(text, &ask->endpoint));
    put_u16(out, ask->number);
    out[2] = ask->listens ? 'R' : 'L';
    out[3] = ask->endpoint.udp ? 'u' : 't';
    put_u16(out + 4, len);
    memcpy(out + 6, text, len);
    return 6 + len;
}

ptrdiff_t ask_read(struct ask *ask, const uint8_t *data, size_t len)
{
    char text[ENDPOINT_TEXT_MAX];
    if (len < 6)
        return 0;
    size_t size = get_u16(data + 4);
    if ((data[2] != 'R' && data[2] != 'L') || (data[3] != 'u' && data[3] != 't') || size >= sizeof text)
        return -1;
    if (len < 6 + size)
        return 0;
    memcpy(text, data + 6, size);
    text[size] = '\0';
    *ask = (struct ask){.number = get_u16(data), .listens = data[2] == 'R'};
    bool udp = data[3] == 'u';
    const char *port = text[0] == ':' ? text + 1 : text; /* a port alone, as endpoint_print writes it */
    bool good = strlen(text) == size && (ask->listens ? endpoint_read_port(&ask->endpoint, port, udp)
                                                      : endpoint_read(&ask->endpoint, text, udp));
    return good && ask->endpoint.udp == udp ? (ptrdiff_t)(6 + size) : -1;
}

void answer_write(uint8_t out[ANSWER_LEN], const struct answer *answer)
{
    put_u16(out, answer->number);
    out[2] = (uint8_t)answer->status;
}

void answer_read(struct answer *answer, const uint8_t data[ANSWER_LEN])
{
    answer->number = get_u16(data);
    answer->status = data[2] < FORWARD_FAILED ? (enum forward_status)data[2] : FORWARD_FAILED;
}

void tunnel_head_write(uint8_t out[TUNNEL_HEAD_LEN], const struct tunnel_head *head)
{
    out[0] = head->ours ? 'L' : 'R';
    put_u16(out + 1, head->number);
}

bool tunnel_head_read(struct tunnel_head *head, const uint8_t data[TUNNEL_HEAD_LEN])
{
    head->ours = data[0] == 'L';
    head->number = get_u16(data + 1);
    return data[0] == 'L' || data[0] == 'R';
}

void datagram_head_write(uint8_t out[DATAGRAM_HEAD_LEN], const struct datagram_head *head)
{
    out[0] = head->ours ? FORWARD_OURS : FORWARD_THEIRS;
    put_u16(out + 1, head->number);
    put_u16(out + 3, head->flow);
}

bool datagram_head_read(struct datagram_head *head, const uint8_t *data, size_t len)
{
    if (len < DATAGRAM_HEAD_LEN || (data[0] != FORWARD_OURS && data[0] != FORWARD_THEIRS))
        return false;
    head->ours = data[0] == FORWARD_OURS;
    head->number = get_u16(data + 1);
    head->flow = get_u16(data + 3);
    return true;
}

const char *forward_status_text(enum forward_status status)
{
    switch (status) {
    case FORWARD_DONE:
        return "done";
    case FORWARD_NOT_ALLOWED:
        return "the other side does not allow it";
    case FORWARD_TAKEN:
        return "the port is in use there";
    case FORWARD_FULL:
        return "the other side has too many already";
    case FORWARD_REFUSED:
        return "the connection was refused there";
    case FORWARD_UNREACHABLE:
        return "it cannot be reached from there";
    case FORWARD_UNKNOWN:
        return "the name is not known there";
    case FORWARD_TIMEOUT:
        return "it does not answer there";
    default:
        return "the other side cannot open it";
    }
}
