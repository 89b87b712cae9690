/* fuzz_message.c - hostile bytes for the open message and for the body inside the seal. What decodes must
 * keep its limits, and must be the same after being written and read again. */
#include "fuzz.h"
#include "json.h"
#include "message.h"
#include <stdlib.h>
#include <string.h>

static char first[2 * MESSAGE_MAX], second[2 * MESSAGE_MAX];

/* Bounded, UTF-8, and nothing that a terminal would obey. */
static void must_be_printable(const char *text, size_t capacity)
{
    size_t len = strnlen(text, capacity);
    must(len < capacity && utf8_valid((const uint8_t *)text, len));
    for (size_t i = 0; i < len; i++) {
        uint8_t c = (uint8_t)text[i], next = (uint8_t)text[i + 1];
        must(c >= 0x20 && c != 0x7F && !(c == 0xC2 && next < 0xA0));
    }
}

static void try_message(const uint8_t *data, size_t size)
{
    static struct message message, again;
    if (!message_decode(&message, data, size))
        return;
    must(size <= MESSAGE_MAX && strlen(message.from) == PEER_ID_LEN);
    must(message.sealed_len <= SEALED_MAX);
    must(!*message.about.purpose && !message.about.slots && !message.about.fresh); /* until the veil is off */
    size_t len = message_encode(&message, first, sizeof first);
    must(len > 0 && message_decode(&again, (const uint8_t *)first, len));
    must(message_encode(&again, second, sizeof second) == len && memcmp(first, second, len) == 0);
}

static void try_body(const uint8_t *data, size_t size)
{
    static struct body body, again;
    const struct description *description = &body.description;
    if (!body_decode(&body, data, size))
        return;
    must_be_printable(description->name, sizeof description->name);
    must_be_printable(description->ufrag, sizeof description->ufrag);
    must_be_printable(description->pwd, sizeof description->pwd);
    must_be_printable(body.reason, sizeof body.reason);
    must(description->candidate_count <= CANDIDATES_MAX);
    for (size_t i = 0; i < description->candidate_count; i++) {
        const struct wire_candidate *candidate = &description->candidates[i];
        must(candidate->address.family == 4 || candidate->address.family == 6);
        must(candidate->address.scope == 0 && candidate->kind != CANDIDATE_PRFLX && candidate->priority > 0);
        must_be_printable(candidate->foundation, sizeof candidate->foundation);
    }
    size_t len = body_encode(&body, first, sizeof first);
    must(len > 0 && body_decode(&again, (const uint8_t *)first, len));
    must(body_encode(&again, second, sizeof second) == len && memcmp(first, second, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_message(data, size);
    try_body(data, size);
    return 0;
}
