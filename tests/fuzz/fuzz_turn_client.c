/* fuzz_turn_client.c - a hostile TURN server, over datagrams and over a stream that is cut anywhere.
 * The first byte says which, and whether there is an allocation already; then pieces, each with its length
 * before it. Every transaction has one id, so that what the input says can be an answer. */
#include "stun_msg.h"
#include "turn_client.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STREAM = 1, READY = 2, BOUND = 4, CLOSED = 8, INPUT_MAX = 4096 };

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void fill(void *context, uint8_t *out, size_t len)
{
    (void)context;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t) "transactioni"[i % STUN_ID_LEN];
}

static const struct random one_id = {fill, NULL};

static struct addr addr_of(const char *text)
{
    struct addr addr;
    must(addr_parse(&addr, text));
    return addr;
}

struct fuzz {
    struct turn_client *client;
    uint64_t now;
    bool stream;
    unsigned requests;
};

/* Lets the client say what it wants to; a server can make it ask again, but not for ever. */
static void drain(struct fuzz *fuzz)
{
    uint8_t data[PACKET_MAX];
    struct turn_event event;
    struct packet out = {.data = data, .len = sizeof data};
    for (unsigned i = 0; turn_client_output(fuzz->client, fuzz->now, &out); i++) {
        struct stun_msg msg;
        must(i < 200 && stun_decode(&msg, data, out.len) && msg.class == STUN_REQUEST);
        fuzz->requests++;
        out = (struct packet){.data = data, .len = sizeof data};
    }
    for (unsigned i = 0; turn_client_event(fuzz->client, &event); i++)
        must(i < 2 && event.text && event.relayed_count <= TURN_RELAYED_MAX);
}

/* The piece is copied to where the sanitizer sees its end. */
static void deliver(struct fuzz *fuzz, const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    must(copy != NULL);
    if (len)
        memcpy(copy, data, len);
    struct packet in = {.data = copy, .len = len, .remote = addr_of("203.0.113.1:3478")}, inner;
    unsigned sum = 0;
    if (fuzz->stream || turn_client_takes(fuzz->client, &in))
        while (turn_client_input(fuzz->client, fuzz->now, &in, &inner)) {
            must(inner.len > 0 && inner.len <= INPUT_MAX + TURN_DATAGRAM_MAX);
            must(turn_client_is_relayed(fuzz->client, &inner.local) && addr_is_usable(&inner.remote));
            for (size_t i = 0; i < inner.len; i++)
                sum += inner.data[i];
        }
    free(copy);
    fuzz->requests += sum == 1; /* the bytes were looked at */
    drain(fuzz);
}

static void answer(struct fuzz *fuzz, struct stun_msg msg)
{
    uint8_t data[PACKET_MAX];
    memcpy(msg.id, "transactioni", STUN_ID_LEN);
    size_t len = stun_encode(&msg, NULL, data, sizeof data);
    must(len != 0);
    deliver(fuzz, data, len);
}

static void wrap(struct fuzz *fuzz, const char *peer, size_t len)
{
    uint8_t *data = malloc(len + 8 * (TURN_OVERHEAD_MAX + TURN_PADDING_MAX));
    must(data != NULL);
    memset(data, 0x55, len);
    struct packet out = {.data = data,
                         .len = len,
                         .segment = len / 5 + 1,
                         .local = addr_of("203.0.113.1:5000"),
                         .remote = addr_of(peer)};
    turn_client_wrap(fuzz->client, fuzz->now, &out, len + 8 * (TURN_OVERHEAD_MAX + TURN_PADDING_MAX));
    free(data);
    drain(fuzz);
}

static void allocate(struct fuzz *fuzz, bool bound)
{
    answer(fuzz, (struct stun_msg){.class = STUN_SUCCESS,
                                   .method = STUN_ALLOCATE,
                                   .relayed = addr_of("203.0.113.1:5000"),
                                   .relayed_too = addr_of("[2001:db8::1]:5000")});
    wrap(fuzz, "198.51.100.7:4000", 500);
    if (bound)
        for (unsigned i = 0; i < 2; i++) /* the permission, and the channel */
            answer(fuzz, (struct stun_msg){.class = STUN_SUCCESS, .method = STUN_CHANNEL_BIND});
}

static void play(uint8_t mode, const uint8_t *data, size_t size)
{
    struct turn_config config = {.server = addr_of("203.0.113.1:3478"),
                                 .stream = mode & STREAM,
                                 .user = "user",
                                 .password = "password",
                                 .random = &one_id};
    struct fuzz fuzz = {.client = turn_client_new(&config), .now = NS_PER_S, .stream = mode & STREAM};
    must(fuzz.client != NULL);
    drain(&fuzz);
    if (mode & READY)
        allocate(&fuzz, mode & BOUND);
    if (mode & CLOSED)
        turn_client_close(fuzz.client, fuzz.now);
    while (size) {
        size_t len = data[0] < size - 1 ? data[0] : size - 1;
        deliver(&fuzz, data + 1, len);
        data += 1 + len;
        size -= 1 + len;
        fuzz.now += (uint64_t)len * NS_PER_MS;
        wrap(&fuzz, len % 2 ? "198.51.100.7:4000" : "[2001:db8::7]:4000", 1 + len);
    }
    must(fuzz.requests < 100000);
    turn_client_free(fuzz.client);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > INPUT_MAX)
        return 0;
    play(data[0], data + 1, size - 1);
    return 0;
}
