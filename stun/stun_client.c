/* stun_client.c - our mapped addresses, from several servers, on the very socket that the peers will reach.
 * A binding request (RFC 8489 3, 6) goes from every local address to every server of its family, all at once
 * and each with its own retransmissions: a server that is silent costs the others nothing. What they say is
 * only reported, with a doubt where it cannot be the address that a peer should knock at (RFC 8445 5.1.1.2
 * trusts every server). Left out: credentials, ALTERNATE-SERVER and TCP (public servers ask for none of
 * them), and FINGERPRINT: the transaction id tells our answers from everything else on the socket, and the
 * shortest request suits every server. */
#include "stun_client.h"
#include "stun_msg.h"
#include "stun_txn.h"
#include <stdlib.h>
#include <string.h>

/* RFC 8489 6.2.1 starts at 500 ms and sends 7 copies, doubling, for hosts of which nothing is known: 39.5 s
 * until failure. Our servers are asked side by side and a round trip to them takes 10 to 100 ms, so a lost
 * packet is made good after 250 ms, later after 500 ms; where it takes longer (satellite) a few copies of 20
 * bytes are wasted, and each answer fits all of them. Twelve copies end after 5.75 s, so that a round ends
 * before the next begins. At 30 % loss each way five doubling copies left one question in 30 without an
 * answer, twelve one in 3,000; without it nobody behind a NAT is reached. */
static const uint64_t RTO = 250 * NS_PER_MS, RTO_MAX = 500 * NS_PER_MS;
enum { COPIES = 12 };

static const uint64_t REFRESH = STUN_CLIENT_REFRESH_S * NS_PER_S;

/* What a local address has asked of a server, and what it knows. */
struct question {
    struct stun_txn txn;
    struct addr mapped; /* what was last reported; family 0: nothing, or silence since */
    struct addr other;  /* OTHER-ADDRESS (RFC 5780 7.4) */
    uint64_t rtt;
    bool is_silent;
    bool tells_mapped, tells_silent; /* events to be pulled */
};

struct stun_client {
    const struct random *random;
    struct addr servers[STUN_CLIENT_SERVERS_MAX];
    size_t server_count;
    struct addr locals[STUN_CLIENT_LOCALS_MAX]; /* family 0: a free place; an address keeps its place */
    struct question questions[STUN_CLIENT_SERVERS_MAX][STUN_CLIENT_LOCALS_MAX];
    bool in_round;
    bool tells_done;
    bool refreshes;
    uint64_t round_started;
};

struct stun_client *stun_client_new(const struct random *random)
{
    struct stun_client *client = calloc(1, sizeof *client);
    if (!client)
        return NULL;
    client->random = random;
    client->refreshes = true;
    return client;
}

void stun_client_free(struct stun_client *client)
{
    free(client);
}

/* Whether a packet from `local` can reach `server` and bring back something worth knowing. */
static bool can_ask(const struct addr *local, const struct addr *server)
{
    if (local->family == 0 || local->family != server->family)
        return false;
    enum addr_scope scope = addr_scope(local);
    if (scope != ADDR_LOOPBACK && scope != ADDR_LINK_LOCAL)
        return true;
    return scope == addr_scope(server) && (server->scope == 0 || server->scope == local->scope);
}

/* Whether there is a question at all. */
static bool has_questions(const struct stun_client *client)
{
    for (size_t s = 0; s < client->server_count; s++)
        for (size_t l = 0; l < STUN_CLIENT_LOCALS_MAX; l++)
            if (can_ask(&client->locals[l], &client->servers[s]))
                return true;
    return false;
}

static bool is_waiting(const struct stun_client *client)
{
    for (size_t s = 0; s < client->server_count; s++)
        for (size_t l = 0; l < STUN_CLIENT_LOCALS_MAX; l++)
            if (client->questions[s][l].txn.running)
                return true;
    return false;
}

/* To be called after whatever may have ended a question. */
static void end_round(struct stun_client *client)
{
    if (!client->in_round || is_waiting(client))
        return;
    client->in_round = false;
    client->tells_done = true;
}

static void begin_round(struct stun_client *client, uint64_t now)
{
    if (client->in_round)
        return;
    client->in_round = true;
    client->round_started = now;
}

/* Asks one question, as a part of the round that is under way or of a new one. */
static void ask(struct stun_client *client, uint64_t now, size_t s, size_t l)
{
    if (!can_ask(&client->locals[l], &client->servers[s]))
        return;
    begin_round(client, now);
    stun_txn_start(&client->questions[s][l].txn, now, RTO, COPIES, client->random);
    client->questions[s][l].txn.rto_max = RTO_MAX;
}

bool stun_client_add_server(struct stun_client *client, uint64_t now, const struct addr *server)
{
    if (client->server_count == STUN_CLIENT_SERVERS_MAX || !addr_is_usable(server))
        return false;
    for (size_t s = 0; s < client->server_count; s++)
        if (addr_equal(&client->servers[s], server))
            return false;
    client->servers[client->server_count++] = *server;
    for (size_t l = 0; l < STUN_CLIENT_LOCALS_MAX; l++)
        ask(client, now, client->server_count - 1, l);
    return true;
}

static bool list_has(const struct addr *list, size_t count, const struct addr *addr)
{
    for (size_t i = 0; i < count; i++)
        if (addr_equal(&list[i], addr))
            return true;
    return false;
}

static void forget_local(struct stun_client *client, size_t l)
{
    client->locals[l] = (struct addr){0};
    for (size_t s = 0; s < STUN_CLIENT_SERVERS_MAX; s++)
        client->questions[s][l] = (struct question){0};
}

static void add_local(struct stun_client *client, uint64_t now, const struct addr *local)
{
    if (!addr_is_usable(local) || list_has(client->locals, STUN_CLIENT_LOCALS_MAX, local))
        return;
    size_t l = 0;
    while (l < STUN_CLIENT_LOCALS_MAX && client->locals[l].family != 0)
        l++;
    if (l == STUN_CLIENT_LOCALS_MAX)
        return;
    client->locals[l] = *local;
    for (size_t s = 0; s < client->server_count; s++)
        ask(client, now, s, l);
}

void stun_client_set_locals(struct stun_client *client, uint64_t now, const struct addr *locals, size_t count)
{
    for (size_t l = 0; l < STUN_CLIENT_LOCALS_MAX; l++)
        if (!list_has(locals, count, &client->locals[l]))
            forget_local(client, l);
    for (size_t i = 0; i < count; i++)
        add_local(client, now, &locals[i]);
    end_round(client);
}

void stun_client_ask(struct stun_client *client, uint64_t now)
{
    if (client->in_round)
        return;
    begin_round(client, now);
    for (size_t s = 0; s < client->server_count; s++)
        for (size_t l = 0; l < STUN_CLIENT_LOCALS_MAX; l++)
            ask(client, now, s, l);
    end_round(client);
}

void stun_client_set_refresh(struct stun_client *client, uint64_t now, bool on)
{
    (void)now; /* switched on again, a round is due when the last one is old enough: at once after a long
                  while */
    client->refreshes = on;
}

/* When the next round begins by itself. */
static uint64_t next_round(const struct stun_client *client)
{
    if (!client->refreshes || client->in_round || !has_questions(client))
        return NEVER;
    return client->round_started + REFRESH;
}

static enum stun_doubt doubt_of(const struct addr *mapped, const struct addr *local,
                                const struct addr *server)
{
    struct addr own = *local;
    own.scope = 0; /* no server can know it */
    if (addr_equal(mapped, &own))
        return STUN_OWN_ADDRESS;
    enum addr_scope scope = addr_scope(mapped);
    if (!addr_is_usable(mapped) || mapped->family != local->family || scope == ADDR_LOOPBACK)
        return STUN_NOT_AN_ADDRESS;
    struct addr its_own = *server;
    its_own.scope = 0;
    if (addr_equal_ip(mapped, &its_own))
        return STUN_SERVER_ADDRESS;
    return scope == ADDR_GLOBAL ? STUN_CREDIBLE : STUN_NOT_PUBLIC;
}

/* Silence is told once, until the server answers again. */
static void note_silence(struct question *question)
{
    if (!question->is_silent)
        question->tells_silent = true;
    question->is_silent = true;
    question->mapped = (struct addr){0};
    question->tells_mapped = false;
}

static void note_answer(struct question *question, const struct stun_msg *msg, uint64_t rtt)
{
    const struct addr *mapped = &msg->mapped;
    question->is_silent = question->tells_silent = false;
    question->rtt = rtt;
    question->other = msg->other_address;
    if (addr_equal(&question->mapped, mapped))
        return;
    question->mapped = *mapped;
    question->tells_mapped = true;
}

/* Servers that remember RFC 3489 add SOURCE-ADDRESS and CHANGED-ADDRESS, of types that must be understood
 * today. They say nothing that we want, and an answer must not be thrown away for them. */
static bool is_understood(const struct stun_msg *msg)
{
    enum { SOURCE_ADDRESS = 0x0004, CHANGED_ADDRESS = 0x0005 };
    for (size_t i = 0; i < msg->unknown_count; i++)
        if (msg->unknown[i] != SOURCE_ADDRESS && msg->unknown[i] != CHANGED_ADDRESS)
            return false;
    return true;
}

/* The running question to `server` with this id: an answer from anywhere else is a forgery. */
static struct question *find_question(struct stun_client *client, uint64_t now, const struct addr *server,
                                      const uint8_t *id, uint64_t *rtt)
{
    for (size_t s = 0; s < client->server_count; s++) {
        if (!addr_equal(&client->servers[s], server))
            continue;
        for (size_t l = 0; l < STUN_CLIENT_LOCALS_MAX; l++)
            if (stun_txn_answered(&client->questions[s][l].txn, now, id, rtt))
                return &client->questions[s][l];
    }
    return NULL;
}

bool stun_client_input(struct stun_client *client, uint64_t now, const struct packet *in)
{
    struct stun_msg msg;
    uint64_t rtt;
    if (!client->in_round || !stun_decode(&msg, in->data, in->len) || msg.method != STUN_BINDING)
        return false;
    if (msg.class != STUN_SUCCESS && msg.class != STUN_ERROR)
        return false;
    struct question *question = find_question(client, now, &in->remote, msg.id, &rtt);
    if (!question)
        return false;
    /* An error, or an answer without an address, is as good as none: asking the same again would not change
     * it. */
    if (msg.class == STUN_SUCCESS && msg.mapped.family != 0 && is_understood(&msg))
        note_answer(question, &msg, rtt);
    else
        note_silence(question);
    end_round(client);
    return true;
}

static void fail_overdue(struct stun_client *client, uint64_t now)
{
    for (size_t s = 0; s < client->server_count; s++)
        for (size_t l = 0; l < STUN_CLIENT_LOCALS_MAX; l++)
            if (stun_txn_failed(&client->questions[s][l].txn, now))
                note_silence(&client->questions[s][l]);
    end_round(client);
}

static bool write_request(const struct question *question, struct packet *out)
{
    struct stun_msg msg = {.class = STUN_REQUEST, .method = STUN_BINDING};
    memcpy(msg.id, question->txn.id, STUN_ID_LEN);
    out->len = stun_encode(&msg, NULL, out->data, out->len);
    out->segment = 0;
    return out->len != 0;
}

bool stun_client_output(struct stun_client *client, uint64_t now, struct packet *out)
{
    fail_overdue(client, now);
    if (now >= next_round(client))
        stun_client_ask(client, now);
    for (size_t s = 0; s < client->server_count; s++)
        for (size_t l = 0; l < STUN_CLIENT_LOCALS_MAX; l++) {
            if (!stun_txn_send(&client->questions[s][l].txn, now))
                continue;
            out->local = client->locals[l];
            out->remote = client->servers[s];
            return write_request(&client->questions[s][l], out);
        }
    return false;
}

uint64_t stun_client_deadline(const struct stun_client *client)
{
    uint64_t deadline = next_round(client);
    for (size_t s = 0; s < client->server_count; s++)
        for (size_t l = 0; l < STUN_CLIENT_LOCALS_MAX; l++) {
            uint64_t due = stun_txn_deadline(&client->questions[s][l].txn);
            deadline = due < deadline ? due : deadline;
        }
    return deadline;
}

static bool take(bool *flag)
{
    bool was = *flag;
    *flag = false;
    return was;
}

static bool question_event(struct question *question, struct stun_client_event *event)
{
    if (take(&question->tells_silent)) {
        event->type = STUN_CLIENT_SILENT;
        return true;
    }
    if (!take(&question->tells_mapped))
        return false;
    event->type = STUN_CLIENT_MAPPED;
    event->mapped = question->mapped;
    event->other = question->other;
    event->rtt = question->rtt;
    event->doubt = doubt_of(&question->mapped, &event->local, &event->server);
    return true;
}

/* Asked with every packet of a transfer, when there is hardly ever anything to tell. */
bool stun_client_event(struct stun_client *client, struct stun_client_event *event)
{
    for (size_t s = 0; s < client->server_count; s++)
        for (size_t l = 0; l < STUN_CLIENT_LOCALS_MAX; l++) {
            if (!client->questions[s][l].tells_silent && !client->questions[s][l].tells_mapped)
                continue;
            *event = (struct stun_client_event){.local = client->locals[l], .server = client->servers[s]};
            if (question_event(&client->questions[s][l], event))
                return true;
        }
    if (!take(&client->tells_done))
        return false;
    *event = (struct stun_client_event){.type = STUN_CLIENT_DONE};
    return true;
}
