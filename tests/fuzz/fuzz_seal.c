/* fuzz_seal.c - hostile boxes: the input is said to a seal as a box, and then drops, repeats and damages what
 * an honest one closed. What opens must be what was closed, once; what does not may move nothing. */
#include "fuzz.h"
#include "packet.h"
#include "seal.h"
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_MAX = 200, KEPT_MAX = 80, CLEAR_MAX = 700 }; /* more boxes than the window is wide */

struct box {
    uint8_t at[SEALED_MAX], clear[CLEAR_MAX];
    size_t len, clear_len;
    uint64_t sequence;
    bool opened;
};

static struct box kept[KEPT_MAX];
static unsigned kept_count;
static struct seal from, to;
static uint64_t seed;

static const struct random source = {fill, &seed};

static void begin(void)
{
    struct pake_keys keys;
    seed = 1;
    kept_count = 0;
    fill(&seed, (uint8_t *)&keys, sizeof keys);
    seal_start(&from, &keys, PAKE_INITIATOR, &source);
    seal_start(&to, &keys, PAKE_RESPONDER, &source);
}

static struct seal_context context_of(uint64_t sequence)
{
    return (struct seal_context){"47vcn4x2iybnjlcp2fivzwg7gu635hoy", "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb",
                                 MESSAGE_SEALED, sequence};
}

static void close_one(size_t len)
{
    struct box *box = &kept[kept_count++ % KEPT_MAX];
    *box = (struct box){.clear_len = len % CLEAR_MAX, .sequence = from.send_sequence++};
    fill(&seed, box->clear, box->clear_len);
    struct seal_context context = context_of(box->sequence);
    box->len = seal_close(&from, &context, box->clear, box->clear_len, box->at, &source);
    must(box->len > box->clear_len && (box->len - SEAL_OVERHEAD) % SEAL_PADDING == 0);
}

static void open_one(struct box *box)
{
    static uint8_t clear[SEALED_MAX];
    size_t len;
    struct seal_context context = context_of(box->sequence);
    bool late = to.received_highest >= box->sequence + SEAL_WINDOW;
    bool opens = seal_open(&to, &context, box->at, box->len, clear, &len);
    must(opens == (!box->opened && !late));
    must(!opens || (len == box->clear_len && !memcmp(clear, box->clear, len)));
    box->opened |= opens;
}

/* Another number, another bit, another length. */
static void damage_one(const struct box *box, uint8_t what, uint8_t where)
{
    static struct box other;
    static uint8_t clear[SEALED_MAX];
    size_t len;
    other = *box;
    if (what % 3 == 0)
        other.sequence ^= UINT64_C(1) << where % 64;
    else if (what % 3 == 1)
        other.at[(size_t)where * 5 % other.len] ^= (uint8_t)(1U << what / 3 % 8);
    else
        other.len -= where % other.len + 1;
    const struct seal before = to;
    struct seal_context context = context_of(other.sequence);
    must(!seal_open(&to, &context, other.at, other.len, clear, &len));
    must(!memcmp(&before, &to, sizeof to));
}

static void say_input(const uint8_t *data, size_t size)
{
    static uint8_t clear[SEALED_MAX];
    size_t len;
    const struct seal before = to;
    struct seal_context context = context_of(size ? data[0] : 1);
    must(!seal_open(&to, &context, data, size, clear, &len)); /* a forgery has a chance of 2^-128 */
    must(!memcmp(&before, &to, sizeof to));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    begin();
    say_input(data, size);
    for (size_t i = 0; i + 3 <= size && i < 3 * STEPS_MAX; i += 3) {
        unsigned known = kept_count < KEPT_MAX ? kept_count : KEPT_MAX;
        if (data[i] % 4 == 0 || !known)
            close_one((size_t)data[i + 1] << 8 | data[i + 2]);
        else if (data[i] % 4 == 1)
            damage_one(&kept[data[i + 1] % known], data[i], data[i + 2]);
        else
            open_one(&kept[data[i + 1] % known]);
    }
    return 0;
}
