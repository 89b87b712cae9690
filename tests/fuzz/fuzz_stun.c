/* fuzz_stun.c - hostile bytes for everything on the ground floor that reads a datagram.
 * What decodes must survive being written and read again; the client and the server must stay within their
 * promises whatever they are told. The corpus holds the vectors of the RFCs, and what coturn says. */
#include "fuzz.h"
#include "nat_survey.h"
#include "stun_client.h"
#include "stun_msg.h"
#include "stun_server.h"
#include "wire.h"
#include <stdlib.h>
#include <string.h>

enum { HEADER_LEN = 20, INPUT_MAX = 4096, WRITTEN_MAX = 3 * INPUT_MAX };

static const struct stun_key key = {(const uint8_t *)"VOkJxbRl1RmTxUk/WvJxBt", 22};

/* Encoding what was decoded, twice over, gives the same bytes, and an integrity that holds. */
static void round_trip(const uint8_t *data, size_t size)
{
    static uint8_t first[WRITTEN_MAX], second[WRITTEN_MAX];
    struct stun_msg msg, again;
    if (!stun_decode(&msg, data, size))
        return;
    must(stun_is(data, size));
    stun_check(&msg, data, &key);
    msg.unknown_count = 0; /* of a request's attributes, not of those that an answer lists */
    size_t len = stun_encode(&msg, &key, first, sizeof first);
    must(len >= HEADER_LEN && len % 4 == 0);
    must(stun_decode(&again, first, len));
    must(again.has == msg.has && again.class == msg.class && again.method == msg.method);
    must(again.error == msg.error && again.padding == msg.padding && again.unknown_count == 0);
    bool has_integrity = (msg.has & (STUN_HAS_INTEGRITY | STUN_HAS_INTEGRITY_SHA256)) != 0;
    must(stun_check(&again, first, &key) == (has_integrity ? STUN_INTEGRITY_GOOD : STUN_INTEGRITY_ABSENT));
    must(stun_encode(&again, &key, second, sizeof second) == len);
    must(memcmp(first, second, len) == 0);
}

/* Every transaction has the id that the input carries, so that the input can be its answer. */
static void fill_with_id(void *context, uint8_t *out, size_t len)
{
    const uint8_t *id = context;
    for (size_t i = 0; i < len; i++)
        out[i] = id[i % STUN_ID_LEN];
}

static struct addr addr_of(const char *text)
{
    struct addr addr;
    must(addr_parse(&addr, text));
    return addr;
}

static void feed_client(uint8_t *data, size_t size)
{
    struct random random = {fill_with_id, data + 8};
    struct stun_client *client = stun_client_new(&random);
    must(client != NULL);
    struct addr local = addr_of("192.0.2.1:4000"), server = addr_of("198.51.100.1:3478");
    stun_client_set_locals(client, 1, &local, 1);
    must(stun_client_add_server(client, 1, &server));

    uint8_t request[PACKET_MAX];
    struct packet out = {.data = request, .len = sizeof request};
    must(stun_client_output(client, 1, &out) && addr_equal(&out.remote, &server));
    struct packet in = {.local = local, .remote = server, .data = data, .len = size};
    bool taken = stun_client_input(client, 2, &in);
    must(!stun_client_input(client, 3, &in) || !taken);

    unsigned events = 0;
    struct stun_client_event event;
    while (stun_client_event(client, &event))
        events++;
    must(events == (taken ? 2 : 0));
    must(stun_client_deadline(client) != NEVER);
    stun_client_free(client);
}

/* A survey of a hard NAT, whose every question the input may answer, from the server and from its other
 * address. */
static void feed_survey(uint8_t *data, size_t size)
{
    static const char *const servers[] = {"198.51.100.1:3478", "198.51.100.2:3478"};
    struct random random = {fill_with_id, data + 8};
    struct nat_survey *survey = nat_survey_new(&random);
    must(survey != NULL);
    struct addr local = addr_of("192.0.2.1:4000"), sockets[4];
    for (uint16_t i = 0; i < 2; i++) {
        struct stun_client_event told = {.type = STUN_CLIENT_MAPPED, .local = local};
        told.server = addr_of(servers[i]);
        told.mapped = addr_of("203.0.113.7:4000");
        told.mapped.port = (uint16_t)(told.mapped.port + i);
        told.other = addr_of("198.51.100.3:3479");
        nat_survey_told(survey, 1, &told);
    }
    must(nat_is_hard(nat_survey_behavior(survey)));
    for (uint16_t i = 0; i < 4; i++) {
        sockets[i] = local;
        sockets[i].port = (uint16_t)(5000 + i);
    }
    nat_survey_set_sockets(survey, 1, sockets, 4);
    uint8_t request[PACKET_MAX];
    uint64_t now = 1;
    unsigned turns = 0, sent = 0;
    while (nat_survey_deadline(survey) != NEVER) {
        struct nat_survey_event event;
        struct packet out = {.data = request, .len = sizeof request};
        must(turns++ < 1000);
        now = nat_survey_deadline(survey) > now ? nat_survey_deadline(survey) : now;
        while (nat_survey_output(survey, now, &out)) {
            must(sent++ < 200);
            struct packet in = {.local = out.local, .remote = out.remote, .data = data, .len = size};
            nat_survey_input(survey, now, &in);
            in.remote = addr_of("198.51.100.3:3479");
            nat_survey_input(survey, now, &in);
            out = (struct packet){.data = request, .len = sizeof request};
        }
        while (nat_survey_event(survey, now, &event))
            ;
    }
    const struct nat_behavior *told = nat_survey_behavior(survey);
    must(nat_is_hard(told) && told->step >= -64 && told->step <= 64 && told->low <= told->high);
    nat_survey_free(survey);
}

/* One server for all inputs, a second apart so that none is limited. */
static void feed_server(uint8_t *data, size_t size)
{
    enum { ANSWER_MAX = 100 };
    static struct stun_server *server;
    static uint64_t now;
    if (!server) {
        struct stun_server_config config = {
            .address = {{addr_of("198.51.100.1:3478"), addr_of("198.51.100.1:3479")},
                        {addr_of("198.51.100.2:3478"), addr_of("198.51.100.2:3479")}},
        };
        server = stun_server_new(&config);
        must(server != NULL);
    }
    now += NS_PER_S;
    struct packet in = {.local = addr_of("198.51.100.1:3478"),
                        .remote = addr_of("192.0.2.1:4000"),
                        .data = data,
                        .len = size};
    stun_server_input(server, now, &in);
    uint8_t answer[PACKET_MAX];
    struct packet out = {.data = answer, .len = sizeof answer};
    if (!stun_server_output(server, now, &out))
        return;
    struct stun_msg msg;
    must(out.len <= ANSWER_MAX && addr_equal_ip(&out.remote, &in.remote));
    must(stun_decode(&msg, answer, out.len) && memcmp(msg.id, data + 8, STUN_ID_LEN) == 0);
    must(msg.class == STUN_SUCCESS || (msg.class == STUN_ERROR && msg.error == 420));
    must(!stun_server_output(server, now, &out));
}

static void feed(uint8_t *data, size_t size)
{
    round_trip(data, size);
    feed_server(data, size);
    if (size >= HEADER_LEN)
        feed_client(data, size);
    if (size >= HEADER_LEN)
        feed_survey(data, size);
}

/* Once as it is; and once as the attributes of a message whose header is right, so that the cookie and the
 * length, which are hard to guess, do not keep the fuzzer out. The input is copied to where the sanitizer
 * sees its end. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t types[] = {0x0001, 0x0101, 0x0111, 0x0011, 0x0103, 0x0113, 0x0017, 0x0004};
    if (size > INPUT_MAX)
        return 0;
    uint8_t *copy = malloc(size ? size : 1);
    must(copy != NULL);
    if (size)
        memcpy(copy, data, size);
    feed(copy, size);
    free(copy);

    size_t body = size & ~(size_t)3;
    if (body == 0)
        return 0;
    copy = malloc(HEADER_LEN + body);
    must(copy != NULL);
    struct writer w = writer_of(copy, HEADER_LEN + body);
    put_u16(&w, types[(size ^ data[0]) & 7]);
    put_u16(&w, (uint16_t)body);
    put_u32(&w, 0x2112a442);
    put_bytes(&w, "transactioni", STUN_ID_LEN);
    put_bytes(&w, data, body);
    feed(copy, HEADER_LEN + body);
    free(copy);
    return 0;
}
