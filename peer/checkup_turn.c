/* checkup_turn.c - whether the TURN servers lend us an address: over UDP from the main socket, over TCP and
 * TLS on a stream each. What is lent is given back at once. */
#include "checkup_state.h"

#include "net_stream.h"
#include "tls.h"
#include "turn_client.h"
#include "turn_uri.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READ_MAX = 16384 /* bytes: a record of TLS */ };

/* A server on trial. */
struct turn_trial {
    struct turn_uri uri;
    struct addr address; /* family 0: its name is being resolved */
    struct turn_client *client;
    struct net_stream *stream; /* NULL: over UDP, or none any more */
    struct tls *tls;
    uint64_t asked; /* when the client began */
    bool over;
};

struct turn_trials {
    struct turn_trial list[CHECKUP_TURN_MAX];
    struct tls_trust *trust;
    const char *user, *password; /* the configuration's */
};

static struct checkup_server *server_of(struct examination *e, const struct turn_trial *trial)
{
    return &e->out->turn[trial - e->turns->list];
}

static void close_trial(struct examination *e, struct turn_trial *trial)
{
    if (trial->stream)
        loop_forget(e->loop, net_stream_fd(trial->stream));
    tls_free(trial->tls);
    net_stream_close(trial->stream);
    turn_client_free(trial->client);
    trial->tls = NULL;
    trial->stream = NULL;
    trial->client = NULL;
}

static void fail(struct examination *e, struct turn_trial *trial, enum checkup_state state, const char *why)
{
    struct checkup_server *server = server_of(e, trial);
    if (!trial->over) {
        server->state = state;
        snprintf(server->text, sizeof server->text, "%s", why);
    }
    trial->over = true;
    close_trial(e, trial);
}

/* ---- beginning ---- */

static void begin_client(struct examination *e, uint64_t now, struct turn_trial *trial)
{
    struct turn_config config = {.server = trial->address,
                                 .stream = trial->uri.stream,
                                 .user = e->turns->user,
                                 .password = e->turns->password,
                                 .random = &e->random};
    trial->client = turn_client_new(&config);
    trial->asked = now;
    if (!trial->client)
        fail(e, trial, CHECKUP_FAILED, "its user or password is too long");
}

static ptrdiff_t read_stream(void *context, void *data, size_t len)
{
    return net_stream_read(context, data, len);
}

static bool write_stream(void *context, const void *data, size_t len)
{
    return net_stream_write(context, data, len);
}

static bool open_tls(struct examination *e, struct turn_trial *trial)
{
    struct tls_carrier carrier = {read_stream, write_stream, trial->stream};
    if (!e->turns->trust)
        e->turns->trust = tls_trust_new();
    trial->tls = e->turns->trust ? tls_new(e->turns->trust, trial->uri.host, &carrier) : NULL;
    return trial->tls != NULL;
}

static void begin_at(struct examination *e, uint64_t now, struct turn_trial *trial,
                     const struct addr *address)
{
    static const struct addr any;
    trial->address = server_of(e, trial)->address = *address;
    if (!trial->uri.stream) {
        begin_client(e, now, trial);
    } else if (net_stream_open(&trial->stream, 0, address, &any)) {
        fail(e, trial, CHECKUP_FAILED, strerror(errno));
    } else if (trial->uri.secure && !open_tls(e, trial)) {
        fail(e, trial, CHECKUP_FAILED, "no authorities for certificates can be read");
    } else {
        loop_watch(e->loop, net_stream_fd(trial->stream));
        loop_watch_write(e->loop, net_stream_fd(trial->stream), true);
    }
}

bool checkup_turn_begin(struct examination *e, const struct checkup_config *config)
{
    e->turns = calloc(1, sizeof *e->turns);
    if (!e->turns)
        return false;
    e->turns->user = config->turn_user ? config->turn_user : "";
    e->turns->password = config->turn_password ? config->turn_password : "";
    for (size_t i = 0; config->turn && config->turn[i] && e->out->turn_count < CHECKUP_TURN_MAX; i++) {
        struct turn_trial *trial = &e->turns->list[e->out->turn_count];
        struct addr address;
        if (!turn_uri_parse(&trial->uri, config->turn[i]))
            continue;
        struct checkup_server *server = &e->out->turn[e->out->turn_count++];
        snprintf(server->name, sizeof server->name, "%s", config->turn[i]);
        if (addr_parse(&address, trial->uri.host)) {
            address.port = trial->uri.port;
            begin_at(e, e->started, trial, &address);
        } else if (!resolver_ask(e->resolver, trial->uri.host, trial->uri.port, CHECKUP_TAG_TURN + (int)i)) {
            fail(e, trial, CHECKUP_FAILED, "no thread to look its name up");
        }
    }
    return true;
}

void checkup_turn_resolved(struct examination *e, uint64_t now, unsigned index,
                           const struct resolved *resolved)
{
    struct turn_trial *trial = &e->turns->list[index];
    if (resolved->count)
        begin_at(e, now, trial, &resolved->addresses[0]);
    else
        fail(e, trial, CHECKUP_UNRESOLVED, resolved->why);
}

/* ---- what they say ---- */

/* An allocation takes two round trips: a challenge, and the answer to it (RFC 8489 9.2). */
static void drain(struct examination *e, uint64_t now, struct turn_trial *trial)
{
    struct turn_event told;
    while (trial->client && turn_client_event(trial->client, &told)) {
        struct checkup_server *server = server_of(e, trial);
        if (told.type == TURN_FAILED) {
            fail(e, trial, told.failure == TURN_SILENT ? CHECKUP_SILENT : CHECKUP_FAILED, told.text);
            return;
        }
        server->state = CHECKUP_ANSWERS;
        server->rtt = (now - trial->asked) / 2;
        if (told.relayed_count)
            server->mapped = told.relayed[0];
        trial->over = true;
        turn_client_close(trial->client, now);
    }
}

static void write_out(struct examination *e, struct turn_trial *trial, const struct packet *out)
{
    if (!trial->uri.stream)
        net_send(e->net, out);
    else if (trial->tls)
        (void)tls_write(trial->tls, out->data, out->len); /* what broke it shows when it is read */
    else
        (void)net_stream_write(trial->stream, out->data, out->len);
}

void checkup_turn_send(struct examination *e, uint64_t now)
{
    uint8_t data[PACKET_MAX];
    for (size_t i = 0; i < e->out->turn_count; i++) {
        struct turn_trial *trial = &e->turns->list[i];
        struct packet out = {.data = data, .len = sizeof data};
        while (trial->client && turn_client_output(trial->client, now, &out)) {
            write_out(e, trial, &out);
            out = (struct packet){.data = data, .len = sizeof data};
        }
        drain(e, now, trial);
        if (trial->stream)
            loop_watch_write(e->loop, net_stream_fd(trial->stream),
                             !trial->client || net_stream_wants_write(trial->stream));
    }
}

static void take(struct examination *e, uint64_t now, struct turn_trial *trial, struct packet *in)
{
    struct packet inner;
    while (turn_client_input(trial->client, now, in, &inner))
        ; /* nobody has leave to send to us */
    drain(e, now, trial);
}

bool checkup_turn_input(struct examination *e, uint64_t now, struct packet *in)
{
    for (size_t i = 0; i < e->out->turn_count; i++) {
        struct turn_trial *trial = &e->turns->list[i];
        if (trial->uri.stream || !trial->client || !turn_client_takes(trial->client, in))
            continue;
        take(e, now, trial, in);
        return true;
    }
    return false;
}

static void read_bytes(struct examination *e, uint64_t now, struct turn_trial *trial)
{
    uint8_t data[READ_MAX];
    while (trial->stream && trial->client) {
        ptrdiff_t got = trial->tls ? tls_read(trial->tls, data, sizeof data)
                                   : net_stream_read(trial->stream, data, sizeof data);
        bool again = trial->tls ? got == TLS_AGAIN : got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
        if (again)
            return;
        if (got <= 0) {
            fail(e, trial, CHECKUP_FAILED,
                 got == 0 ? "it has closed the connection" : "the connection broke");
            return;
        }
        struct packet in = {.remote = trial->address, .data = data, .len = (size_t)got};
        take(e, now, trial, &in);
    }
}

static void drive(struct examination *e, uint64_t now, struct turn_trial *trial)
{
    enum net_stream_state state = net_stream_drive(trial->stream);
    if (state == NET_STREAM_BROKEN)
        fail(e, trial, CHECKUP_FAILED, strerror(net_stream_error(trial->stream)));
    if (state != NET_STREAM_OPEN)
        return;
    int result = trial->client || !trial->tls ? 0 : tls_handshake(trial->tls);
    if (result == TLS_BROKEN)
        fail(e, trial, CHECKUP_FAILED, tls_problem(trial->tls));
    if (result != 0) {
        if (trial->stream)
            loop_watch_write(e->loop, net_stream_fd(trial->stream), net_stream_wants_write(trial->stream));
        return;
    }
    if (!trial->client)
        begin_client(e, now, trial);
    read_bytes(e, now, trial);
}

void checkup_turn_read(struct examination *e, uint64_t now)
{
    for (size_t i = 0; i < e->out->turn_count; i++) {
        struct turn_trial *trial = &e->turns->list[i];
        if (trial->stream && loop_is_ready(e->loop, net_stream_fd(trial->stream)))
            drive(e, now, trial);
    }
}

bool checkup_turn_are_over(const struct examination *e)
{
    for (size_t i = 0; i < e->out->turn_count; i++)
        if (!e->turns->list[i].over)
            return false;
    return true;
}

uint64_t checkup_turn_deadline(const struct examination *e)
{
    uint64_t deadline = NEVER;
    for (size_t i = 0; i < e->out->turn_count; i++) {
        const struct turn_trial *trial = &e->turns->list[i];
        uint64_t due = trial->client ? turn_client_deadline(trial->client) : NEVER;
        deadline = due < deadline ? due : deadline;
    }
    return deadline;
}

void checkup_turn_close(struct examination *e)
{
    if (!e->turns)
        return;
    for (size_t i = 0; i < CHECKUP_TURN_MAX; i++)
        close_trial(e, &e->turns->list[i]);
    tls_trust_free(e->turns->trust);
    free(e->turns);
    e->turns = NULL;
}
