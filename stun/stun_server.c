/* stun_server.c - answers binding requests (RFC 8489), and those of NAT behaviour discovery (RFC 5780).
 * It must be of no use as a reflector: requests only, the shortest answer that the RFCs allow (no SOFTWARE,
 * no reason phrase), and a limited number to each address. Left out: credentials (anybody may ask), the RFC
 * 3489 messages without magic cookie, and PADDING (RFC 5780 7.6), which asks for answers as long as a path
 * allows: it is refused with 420 like any attribute that we do not know. */
#include "stun_server.h"
#include "stun_attribute.h"
#include <stdlib.h>
#include <string.h>

enum {
    /* Header, three IPv6 addresses, fingerprint; or header, error, list of unknown attributes, fingerprint.
     */
    ANSWER_MAX = 20 + 3 * 24 + 8,
    ERROR_UNKNOWN_ATTRIBUTE = 420,
};

/* The rate limit's table: sets of a few places each, found by a hash with a key, so that nobody can aim at a
 * set. Memory is bounded (200 KB); when all places of a set are taken, who was answered longest ago is
 * forgotten. */
enum { SET_BITS = 9, SETS = 1 << SET_BITS, PLACES = 4 };

struct allowance {
    uint64_t source;                     /* IPv4 address, or the first half of an IPv6 address */
    uint64_t answered[STUN_SERVER_RATE]; /* when; a ring */
    uint8_t next;                        /* of the ring: the oldest when it is full */
    uint8_t count;                       /* 0: a free place */
};

struct stun_server {
    struct stun_server_config config;
    bool has_four; /* sockets: RFC 5780 is spoken */
    uint64_t key;  /* odd */
    struct stun_server_stats stats;
    struct addr local, remote; /* of the answer */
    uint8_t answer[ANSWER_MAX];
    size_t answer_len; /* 0: none waits */
    struct allowance table[SETS][PLACES];
};

struct stun_server *stun_server_new(const struct stun_server_config *config)
{
    struct stun_server *server = calloc(1, sizeof *server);
    if (!server)
        return NULL;
    server->config = *config;
    server->has_four = true;
    for (int i = 0; i < 4; i++)
        if (config->address[i / 2][i % 2].family == 0)
            server->has_four = false;
    server->key = (config->random ? random_u64(config->random) : UINT64_C(0x9e3779b97f4a7c15)) | 1;
    return server;
}

void stun_server_free(struct stun_server *server)
{
    free(server);
}

/* What shares one allowance. Whoever has one address of an IPv6 network has 2^64 of them. */
static uint64_t source_of(const struct addr *addr)
{
    uint64_t source = 0;
    for (size_t i = 0; i < (addr->family == 4 ? 4 : 8); i++)
        source = source << 8 | addr->ip[i];
    return source;
}

static uint64_t last_answered(const struct allowance *a)
{
    return a->count == 0 ? 0 : a->answered[(a->next + STUN_SERVER_RATE - 1) % STUN_SERVER_RATE];
}

/* The place of `source`, or the one that it may take over. */
static struct allowance *find_allowance(struct stun_server *server, uint64_t source)
{
    /* Multiply-shift: two sources share a set with a chance of 2 in SETS, whatever they are. */
    struct allowance *set = server->table[source * server->key >> (64 - SET_BITS)];
    struct allowance *oldest = set;
    for (struct allowance *a = set; a < set + PLACES; a++) {
        if (a->count && a->source == source)
            return a;
        if (oldest->count && (!a->count || last_answered(a) < last_answered(oldest)))
            oldest = a;
    }
    *oldest = (struct allowance){.source = source};
    return oldest;
}

static bool may_answer(struct stun_server *server, uint64_t now, const struct addr *addr)
{
    struct allowance *a = find_allowance(server, source_of(addr));
    if (a->count == STUN_SERVER_RATE && now - a->answered[a->next] < NS_PER_S)
        return false;
    a->answered[a->next] = now;
    a->next = (uint8_t)((a->next + 1) % STUN_SERVER_RATE);
    if (a->count < STUN_SERVER_RATE)
        a->count++;
    return true;
}

/* Which of the four sockets the request came to. False: another one, or there are no four. */
static bool find_socket(const struct stun_server *server, const struct addr *local, unsigned *ip,
                        unsigned *port)
{
    if (!server->has_four)
        return false;
    for (*ip = 0; *ip < 2; ++*ip)
        for (*port = 0; *port < 2; ++*port)
            if (addr_equal(&server->config.address[*ip][*port], local))
                return true;
    return false;
}

static void add_unknown(struct stun_msg *msg, uint16_t type)
{
    if (msg->unknown_count < STUN_UNKNOWN_MAX)
        msg->unknown[msg->unknown_count++] = type;
}

/* Adds to the request's unknown attributes those that this socket does not serve. */
static void refuse_unserved(struct stun_msg *request, bool speaks_5780)
{
    if (request->padding)
        add_unknown(request, STUN_ATTR_PADDING);
    if (speaks_5780)
        return;
    if (request->has & STUN_HAS_CHANGE_REQUEST)
        add_unknown(request, STUN_ATTR_CHANGE_REQUEST);
    if (request->has & STUN_HAS_RESPONSE_PORT)
        add_unknown(request, STUN_ATTR_RESPONSE_PORT);
}

static void make_error(const struct stun_msg *request, struct stun_msg *answer)
{
    answer->class = STUN_ERROR;
    answer->error = ERROR_UNKNOWN_ATTRIBUTE;
    answer->unknown_count = request->unknown_count;
    memcpy(answer->unknown, request->unknown, sizeof answer->unknown);
}

/* RFC 5780 6.1: answers from the socket that the request wishes for, and names the one that differs in both.
 */
static void serve_5780(struct stun_server *server, const struct stun_msg *request, struct stun_msg *answer,
                       unsigned ip, unsigned port)
{
    answer->other_address = server->config.address[!ip][!port];
    if (request->has & STUN_HAS_CHANGE_REQUEST) {
        ip ^= (request->change_request & STUN_CHANGE_IP) != 0;
        port ^= (request->change_request & STUN_CHANGE_PORT) != 0;
    }
    server->local = server->config.address[ip][port];
    answer->response_origin = server->local;
    if (request->has & STUN_HAS_RESPONSE_PORT)
        server->remote.port = request->response_port;
}

static void answer_request(struct stun_server *server, struct stun_msg *request, const struct packet *in)
{
    struct stun_msg answer = {.class = STUN_SUCCESS, .method = STUN_BINDING, .mapped = in->remote};
    unsigned ip, port;
    bool speaks_5780 = find_socket(server, &in->local, &ip, &port);
    server->local = in->local;
    server->remote = in->remote;
    memcpy(answer.id, request->id, STUN_ID_LEN);
    answer.has = request->has & STUN_HAS_FINGERPRINT; /* RFC 8489 7: for who shows that he knows it */
    refuse_unserved(request, speaks_5780);
    if (request->unknown_count) {
        answer.mapped = (struct addr){0};
        make_error(request, &answer);
    } else if (speaks_5780) {
        serve_5780(server, request, &answer, ip, port);
    }
    server->answer_len = stun_encode(&answer, NULL, server->answer, sizeof server->answer);
    if (!addr_is_usable(&server->remote))
        server->answer_len = 0;
    if (server->answer_len == 0)
        server->stats.malformed++;
    else if (answer.class == STUN_ERROR)
        server->stats.refused++;
    else
        server->stats.answered++;
}

void stun_server_input(struct stun_server *server, uint64_t now, const struct packet *in)
{
    struct stun_msg request;
    server->answer_len = 0;
    if (!stun_decode(&request, in->data, in->len) || request.class != STUN_REQUEST ||
        request.method != STUN_BINDING)
        server->stats.malformed++;
    else if (!may_answer(server, now, &in->remote))
        server->stats.limited++;
    else
        answer_request(server, &request, in);
}

bool stun_server_output(struct stun_server *server, uint64_t now, struct packet *out)
{
    (void)now;
    size_t len = server->answer_len;
    server->answer_len = 0;
    if (len == 0 || len > out->len)
        return false;
    memcpy(out->data, server->answer, len);
    out->len = len;
    out->segment = 0;
    out->local = server->local;
    out->remote = server->remote;
    return true;
}

void stun_server_stats(const struct stun_server *server, struct stun_server_stats *stats)
{
    *stats = server->stats;
}
