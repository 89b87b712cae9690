/* fuzz_forward_wire.c - what a hostile forward says: asks in a row, heads, and what users write for -L.
 * Whatever is read must print as something that reads as the same. */
#include "forward_wire.h"
#include "fuzz.h"
#include "text.h"
#include <stdlib.h>
#include <string.h>

static void look_at(const struct endpoint *endpoint, bool is_port)
{
    char text[ENDPOINT_TEXT_MAX];
    struct endpoint again;
    endpoint_print(text, endpoint);
    must(text_is_name(text, sizeof text - 1));
    must(is_port ? endpoint_read_port(&again, text + 1, endpoint->udp)
                 : endpoint_read(&again, text, endpoint->udp));
    must(endpoint_equal(endpoint, &again));
}

static void read_asks(const uint8_t *data, size_t size)
{
    struct ask ask;
    ptrdiff_t taken;
    while (size && (taken = ask_read(&ask, data, size)) > 0) {
        uint8_t out[ASK_MAX];
        struct ask again;
        must((size_t)taken <= size && taken <= ASK_MAX);
        look_at(&ask.endpoint, ask.listens);
        size_t len = ask_write(out, &ask);
        must(len <= sizeof out && ask_read(&again, out, len) == (ptrdiff_t)len);
        must(again.number == ask.number && endpoint_equal(&again.endpoint, &ask.endpoint));
        data += taken, size -= (size_t)taken;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct forwarding forwarding;
    struct datagram_head head;
    struct answer answer;
    struct tunnel_head tunnel;
    read_asks(data, size);
    if (datagram_head_read(&head, data, size))
        must(size >= DATAGRAM_HEAD_LEN);
    if (size >= ANSWER_LEN) {
        answer_read(&answer, data);
        must(answer.status <= FORWARD_FAILED);
        tunnel_head_read(&tunnel, data);
    }
    char *text = malloc(size + 1);
    must(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    if (endpoint_read_forwarding(&forwarding, text, false))
        look_at(&forwarding.target, false);
    free(text);
    return 0;
}
