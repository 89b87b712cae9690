/* nice_peer.c - a rival's connect over MQTT: two libnice agents meet in a room, do ICE and exchange one line.
 *
 * As good as libnice honestly allows: trickled candidates, aggressive nomination, its check pacing at the
 * minimum, one GLib loop that sleeps only until something happens, no name resolution, host candidates in the
 * first message. Plain: hello; each side's description to the other; late candidates; the line on the bare
 * path. Sealed: hello; three messages of a password exchange that carry the sealed descriptions; late
 * candidates sealed; a handshake on the path (nice_tls.h says which); the line inside it. What arrives goes
 * to standard output; the times, as one JSON line, to standard error. */
#include "../number.h"
#include "nice_pake.h"
#include "nice_room.h"
#include "nice_tls.h"

#include <limits.h>
#include <nice/agent.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    COMPONENT = 1,
    TEXT = NICE_ROOM_MESSAGE,
    CHECK_PACING_MS = 5,  /* RFC 8445 14.2: never under 5; libnice's default is 20 */
    FIRST_RETRY_MS = 100, /* as ours; libnice's default is 500 */
    REPEAT_MS = 20,       /* the plain line is repeated until the other side's has come */
    LINGER_MS = 200,      /* so that what was sent last still arrives */
    TIME_MAX = 1000000,   /* of an option, in its unit: milliseconds still fit an int */
    NS_PER_MS = 1000000
};

static const char LINE[] = "hello\n";

struct options {
    const char *broker, *room, *stun, *bind;
    int broker_port, stun_port, pacing_ms, retry_ms, wait_s;
    bool sealed;
    gint64 start_ns;
};

struct peer {
    struct options options;
    GMainLoop *loop;
    NiceAgent *agent;
    guint stream;
    struct nice_room room;
    struct nice_pake pake;
    struct nice_tls tls;
    char other[NICE_ROOM_ID + 1];
    unsigned char other_nonce[PAKE_NONCE];
    GString *candidates; /* lines, all so far */
    bool described;      /* our description is sent: later candidates go one by one */
    bool tls_ready, path, sent, received;
    int status;
    double room_ms, peer_ms, described_ms, remote_ms, path_ms, secure_ms;
};

static gint64 now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (gint64)ts.tv_sec * 1000 * NS_PER_MS + ts.tv_nsec;
}

static double since_start_ms(const struct peer *peer)
{
    return (double)(now_ns() - peer->options.start_ns) / NS_PER_MS;
}

static void peer_fail(struct peer *peer, const char *what, const char *why)
{
    fprintf(stderr, "nice_peer: %s: %s\n", what, why);
    peer->status = 1;
    g_main_loop_quit(peer->loop);
}

/* The line. */

static gboolean peer_done(gpointer user)
{
    g_main_loop_quit(((struct peer *)user)->loop);
    return G_SOURCE_REMOVE;
}

static void peer_report(const struct peer *peer)
{
    fprintf(stderr,
            "{\"event\":\"first_byte\",\"t_ms\":%.2f,\"room_ms\":%.2f,\"peer_ms\":%.2f,\"described_ms\":%.2f,"
            "\"remote_ms\":%.2f,\"path_ms\":%.2f,\"secure_ms\":%.2f,\"controlling\":%s}\n",
            since_start_ms(peer), peer->room_ms, peer->peer_ms, peer->described_ms, peer->remote_ms,
            peer->path_ms, peer->secure_ms, strcmp(peer->room.id, peer->other) > 0 ? "true" : "false");
}

static void line_arrived(struct peer *peer, const void *data, size_t length)
{
    if (peer->received)
        return;
    peer->received = true;
    if (write(STDOUT_FILENO, data, length) < 0)
        peer_fail(peer, "standard output", "closed");
    peer_report(peer);
    if (peer->sent)
        g_timeout_add(LINGER_MS, peer_done, peer);
}

static void line_sent(struct peer *peer)
{
    if (!peer->sent && peer->received)
        g_timeout_add(LINGER_MS, peer_done, peer);
    peer->sent = true;
}

static gboolean plain_send(gpointer user)
{
    struct peer *peer = user;
    if (nice_agent_send(peer->agent, peer->stream, COMPONENT, sizeof(LINE) - 1, LINE) > 0)
        line_sent(peer);
    return peer->received && peer->sent ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

static bool path_send(void *user, const void *data, size_t length)
{
    struct peer *peer = user;
    return nice_agent_send(peer->agent, peer->stream, COMPONENT, (guint)length, data) == (gint)length;
}

static void sealed_step(struct peer *peer)
{
    char data[256];
    int got = peer->tls_ready ? nice_tls_step(&peer->tls) : 0;
    if (got == 1 && !peer->sent) {
        peer->secure_ms = since_start_ms(peer);
        got = nice_tls_write(&peer->tls, LINE, sizeof(LINE) - 1);
        line_sent(peer);
    }
    if (got >= 0 && peer->tls.done && (got = nice_tls_read(&peer->tls, data, sizeof(data))) > 0)
        line_arrived(peer, data, (size_t)got);
    if (got < 0 && !peer->received)
        peer_fail(peer, "handshake", gnutls_strerror(got));
}

static void path_received(NiceAgent *agent, guint stream, guint component, guint length, gchar *data,
                          gpointer user)
{
    (void)agent, (void)stream, (void)component;
    struct peer *peer = user;
    if (!peer->options.sealed) {
        line_arrived(peer, data, length);
        return;
    }
    if (!peer->tls_ready)
        return;
    nice_tls_arrived(&peer->tls, data, length);
    sealed_step(peer);
}

static void pair_selected(NiceAgent *agent, guint stream, guint component, NiceCandidate *local,
                          NiceCandidate *remote, gpointer user)
{
    (void)agent, (void)stream, (void)component, (void)local, (void)remote;
    struct peer *peer = user;
    if (peer->path)
        return;
    peer->path = true;
    peer->path_ms = since_start_ms(peer);
    if (peer->options.sealed)
        sealed_step(peer);
    else if (plain_send(peer) == G_SOURCE_CONTINUE)
        g_timeout_add(REPEAT_MS, plain_send, peer);
}

/* Descriptions: "ufrag U\npwd P\n", then candidate lines. */

static char *peer_description(struct peer *peer)
{
    gchar *ufrag = NULL, *password = NULL;
    nice_agent_get_local_credentials(peer->agent, peer->stream, &ufrag, &password);
    char *text = g_strdup_printf("ufrag %s\npwd %s\n%s", ufrag, password, peer->candidates->str);
    g_free(ufrag);
    g_free(password);
    peer->described = true;
    peer->described_ms = since_start_ms(peer);
    return text;
}

static void peer_described(struct peer *peer, char *text)
{
    char ufrag[64] = "", password[128] = "", *save = NULL;
    GSList *candidates = NULL;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        NiceCandidate *candidate = NULL;
        if (sscanf(line, "ufrag %63s", ufrag) == 1 || sscanf(line, "pwd %127s", password) == 1)
            continue;
        candidate = nice_agent_parse_remote_candidate_sdp(peer->agent, peer->stream, line);
        if (candidate)
            candidates = g_slist_append(candidates, candidate);
    }
    if (ufrag[0] && password[0]) {
        peer->remote_ms = since_start_ms(peer);
        nice_agent_set_remote_credentials(peer->agent, peer->stream, ufrag, password);
    }
    if (candidates)
        nice_agent_set_remote_candidates(peer->agent, peer->stream, COMPONENT, candidates);
    g_slist_free_full(candidates, (GDestroyNotify)nice_candidate_free);
}

static void candidate_found(NiceAgent *agent, NiceCandidate *candidate, gpointer user)
{
    struct peer *peer = user;
    char sealed[TEXT];
    gchar *line = nice_agent_generate_local_candidate_sdp(agent, candidate);
    if (!peer->described)
        g_string_append_printf(peer->candidates, "%s\n", line);
    else if (!peer->options.sealed)
        nice_room_say(&peer->room, peer->other, "cand", line);
    else if (nice_pake_seal(&peer->pake, line, sealed, sizeof(sealed)))
        nice_room_say(&peer->room, peer->other, "cand", sealed);
    g_free(line);
}

static void peer_met(struct peer *peer, const char *from, bool controlling)
{
    if (peer->peer_ms <= 0)
        peer->peer_ms = since_start_ms(peer);
    g_strlcpy(peer->other, from, sizeof(peer->other));
    g_object_set(peer->agent, "controlling-mode", (gboolean)controlling, NULL);
}

/* Plain signalling: whoever hears the other first describes itself, the other answers in kind. */

static void plain_describe(struct peer *peer, const char *from)
{
    if (peer->described)
        return;
    peer_met(peer, from, strcmp(peer->room.id, from) > 0);
    char *text = peer_description(peer);
    nice_room_say(&peer->room, from, "offer", text);
    g_free(text);
}

static void plain_heard(struct peer *peer, const char *type, const char *from, char *body)
{
    if (peer->other[0] && strcmp(from, peer->other) != 0)
        return;
    if (strcmp(type, "hello") == 0 || strcmp(type, "offer") == 0)
        plain_describe(peer, from);
    if (strcmp(type, "offer") == 0 || strcmp(type, "cand") == 0)
        peer_described(peer, body);
}

/* Sealed signalling: pake1 {nonce, point}, pake2 {point, tag, sealed description}, pake3 {tag, sealed
 * description}. */

static bool take_hex(char **at, unsigned char *out, size_t length)
{
    size_t got = 0;
    char *word = strsep(at, " ");
    return word && sodium_hex2bin(out, length, word, strlen(word), NULL, &got, NULL) == 0 && got == length;
}

static char *to_hex(const unsigned char *bin, size_t length, char *hex, size_t size)
{
    return sodium_bin2hex(hex, size, bin, length);
}

static char *sealed_description(struct peer *peer)
{
    char sealed[TEXT], *text = peer_description(peer);
    bool fits = nice_pake_seal(&peer->pake, text, sealed, sizeof(sealed));
    g_assert(fits);
    g_free(text);
    return g_strdup(sealed);
}

static void sealed_begin_tls(struct peer *peer)
{
    int err = nice_tls_start(&peer->tls, !peer->pake.initiator, peer->pake.tls, path_send, peer);
    if (err)
        peer_fail(peer, "TLS", gnutls_strerror(err));
    else
        peer->tls_ready = true;
}

static void heard_hello(struct peer *peer, const char *from, char *body)
{
    char nonce[2 * PAKE_NONCE + 1], point[2 * PAKE_POINT + 1];
    if (peer->other[0] || !take_hex(&body, peer->other_nonce, PAKE_NONCE))
        return;
    peer_met(peer, from, true);
    if (nice_pake_begin(&peer->pake, true, peer->pake.nonce, peer->other_nonce) != 0)
        return;
    char *text = g_strdup_printf("%s %s", to_hex(peer->pake.nonce, PAKE_NONCE, nonce, sizeof(nonce)),
                                 to_hex(peer->pake.point, PAKE_POINT, point, sizeof(point)));
    nice_room_say(&peer->room, from, "pake1", text);
    g_free(text);
}

static void heard_pake1(struct peer *peer, const char *from, char *body)
{
    unsigned char theirs[PAKE_POINT], tag[PAKE_TAG];
    char point_hex[2 * PAKE_POINT + 1], tag_hex[2 * PAKE_TAG + 1];
    bool mine_wins =
        peer->other[0] && strcmp(peer->room.id, from) > 0; /* glare: the smaller id's is discarded */
    if (mine_wins || peer->described || !take_hex(&body, peer->other_nonce, PAKE_NONCE) ||
        !take_hex(&body, theirs, PAKE_POINT))
        return;
    peer_met(peer, from, false);
    if (nice_pake_begin(&peer->pake, false, peer->other_nonce, peer->pake.nonce) != 0 ||
        nice_pake_finish(&peer->pake, theirs) != 0)
        return;
    nice_pake_tag(&peer->pake, true, tag);
    char *sealed = sealed_description(peer);
    char *text =
        g_strdup_printf("%s %s %s", to_hex(peer->pake.point, PAKE_POINT, point_hex, sizeof(point_hex)),
                        to_hex(tag, PAKE_TAG, tag_hex, sizeof(tag_hex)), sealed);
    nice_room_say(&peer->room, from, "pake2", text);
    g_free(text);
    g_free(sealed);
    sealed_begin_tls(peer);
}

/* Reads a tag and the sealed description behind it. */
static bool open_proof(struct peer *peer, char *body, char *text, size_t size)
{
    unsigned char tag[PAKE_TAG], expected[PAKE_TAG];
    if (!take_hex(&body, tag, PAKE_TAG) || !body)
        return false;
    nice_pake_tag(&peer->pake, false, expected);
    return sodium_memcmp(tag, expected, PAKE_TAG) == 0 && nice_pake_open(&peer->pake, body, text, size);
}

static void heard_pake2(struct peer *peer, const char *from, char *body)
{
    unsigned char theirs[PAKE_POINT], tag[PAKE_TAG];
    char text[TEXT], tag_hex[2 * PAKE_TAG + 1];
    if (peer->described || !take_hex(&body, theirs, PAKE_POINT) ||
        nice_pake_finish(&peer->pake, theirs) != 0 || !open_proof(peer, body, text, sizeof(text)))
        return;
    nice_pake_tag(&peer->pake, true, tag);
    char *sealed = sealed_description(peer);
    char *answer = g_strdup_printf("%s %s", to_hex(tag, PAKE_TAG, tag_hex, sizeof(tag_hex)), sealed);
    nice_room_say(&peer->room, from, "pake3", answer);
    g_free(answer);
    g_free(sealed);
    peer_described(peer, text);
    sealed_begin_tls(peer);
}

static void sealed_heard(struct peer *peer, const char *type, const char *from, char *body)
{
    char text[TEXT];
    if (peer->other[0] && strcmp(from, peer->other) != 0)
        return;
    if (strcmp(type, "hello") == 0)
        heard_hello(peer, from, body);
    else if (strcmp(type, "pake1") == 0)
        heard_pake1(peer, from, body);
    else if (strcmp(type, "pake2") == 0)
        heard_pake2(peer, from, body);
    else if (strcmp(type, "pake3") == 0 && open_proof(peer, body, text, sizeof(text)))
        peer_described(peer, text);
    else if (strcmp(type, "cand") == 0 && nice_pake_open(&peer->pake, body, text, sizeof(text)))
        peer_described(peer, text);
}

static void room_heard(void *user, const char *type, const char *from, char *body)
{
    struct peer *peer = user;
    if (peer->options.sealed)
        sealed_heard(peer, type, from, body);
    else
        plain_heard(peer, type, from, body);
}

/* Start and end. */

static void bind_only_to(NiceAgent *agent, const char *text)
{
    NiceAddress *address = nice_address_new();
    if (nice_address_set_from_string(address, text))
        nice_agent_add_local_address(agent, address);
    nice_address_free(address);
}

static void agent_start(struct peer *peer)
{
    const struct options *options = &peer->options;
    peer->agent = nice_agent_new_full(g_main_loop_get_context(peer->loop), NICE_COMPATIBILITY_RFC5245,
                                      NICE_AGENT_OPTION_ICE_TRICKLE);
    g_object_set(peer->agent, "ice-tcp", FALSE, "upnp", FALSE, "stun-pacing-timer", options->pacing_ms,
                 "stun-initial-timeout", options->retry_ms, NULL);
    if (options->stun)
        g_object_set(peer->agent, "stun-server", options->stun, "stun-server-port", options->stun_port, NULL);
    if (options->bind)
        bind_only_to(peer->agent, options->bind);
    peer->stream = nice_agent_add_stream(peer->agent, 1);
    g_signal_connect(peer->agent, "new-candidate-full", G_CALLBACK(candidate_found), peer);
    g_signal_connect(peer->agent, "new-selected-pair-full", G_CALLBACK(pair_selected), peer);
    nice_agent_attach_recv(peer->agent, peer->stream, COMPONENT, g_main_loop_get_context(peer->loop),
                           path_received, peer);
    nice_agent_gather_candidates(peer->agent, peer->stream);
}

static gboolean peer_gave_up(gpointer user)
{
    peer_fail(user, "nobody", "no line has come in time");
    return G_SOURCE_REMOVE;
}

static int peer_run(struct peer *peer)
{
    char nonce[2 * PAKE_NONCE + 1] = "-";
    peer->loop = g_main_loop_new(NULL, FALSE);
    peer->candidates = g_string_new(NULL);
    peer->room.heard = room_heard, peer->room.user = peer;
    if (peer->options.sealed) {
        nice_pake_init(&peer->pake);
        to_hex(peer->pake.nonce, PAKE_NONCE, nonce, sizeof(nonce));
    }
    agent_start(peer);
    if (nice_room_join(&peer->room, peer->options.broker, peer->options.broker_port, peer->options.room,
                       nonce) != 0)
        return 3;
    peer->room_ms = since_start_ms(peer);
    g_timeout_add_seconds((guint)peer->options.wait_s, peer_gave_up, peer);
    g_main_loop_run(peer->loop);
    nice_room_leave(&peer->room);
    nice_tls_end(&peer->tls);
    g_object_unref(peer->agent);
    g_string_free(peer->candidates, TRUE);
    g_main_loop_unref(peer->loop);
    return peer->status;
}

/* HOST:PORT, numeric. */
static bool split_address(char *text, const char **host, int *port)
{
    char *colon = strrchr(text, ':');
    long long number;
    if (!colon || !number_read(colon + 1, 65535, &number))
        return false;
    *colon = '\0';
    *host = text;
    *port = (int)number;
    return number > 0;
}

static int usage(void)
{
    fprintf(stderr,
            "usage: nice_peer --broker ADDRESS:PORT --room NAME [--stun ADDRESS:PORT] [--bind ADDRESS]\n"
            "       [--sealed] [--pacing MS] [--retry MS] [--wait SECONDS] [--start NS]\n");
    return 2;
}

static bool take_option(struct options *options, const char *name, char *value)
{
    long long number;
    if (strcmp(name, "--broker") == 0)
        return split_address(value, &options->broker, &options->broker_port);
    if (strcmp(name, "--stun") == 0)
        return split_address(value, &options->stun, &options->stun_port);
    if (strcmp(name, "--room") == 0)
        return (options->room = value) != NULL;
    if (strcmp(name, "--bind") == 0)
        return (options->bind = value) != NULL;
    if (strcmp(name, "--pacing") == 0)
        return number_read(value, TIME_MAX, &number) && (options->pacing_ms = (int)number) > 0;
    if (strcmp(name, "--retry") == 0)
        return number_read(value, TIME_MAX, &number) && (options->retry_ms = (int)number) > 0;
    if (strcmp(name, "--wait") == 0)
        return number_read(value, TIME_MAX, &number) && (options->wait_s = (int)number) > 0;
    if (strcmp(name, "--start") == 0) /* when the process was started, on the monotonic clock */
        return number_read(value, LLONG_MAX, &number) && (options->start_ns = number) > 0;
    return false;
}

int main(int argc, char **argv)
{
    struct peer peer = {.options = {.pacing_ms = CHECK_PACING_MS, .retry_ms = FIRST_RETRY_MS, .wait_s = 10}};
    peer.options.start_ns = now_ns();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--sealed") == 0)
            peer.options.sealed = true;
        else if (i + 1 >= argc || !take_option(&peer.options, argv[i], argv[i + 1]))
            return usage();
        else
            i++;
    }
    if (!peer.options.broker || !peer.options.room)
        return usage();
    if (peer.options.sealed && sodium_init() < 0)
        return 1;
    return peer_run(&peer);
}
