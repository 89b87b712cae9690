/* nice_agent.c - a libnice agent on standard input and output: somebody else's ICE for ours to talk to.
 *
 *     nice_agent ADDRESS controlling|controlled
 *
 * uses the local ADDRESS alone and prints lines: `ufrag TEXT` and `pwd TEXT`, its credentials;
 * `candidate:FOUNDATION 1 UDP PRIORITY ADDRESS PORT typ KIND`, each of its candidates (RFC 8839 5.1); `done`,
 * there are no more; `state NAME`, of the component, as libnice calls it; `selected ADDRESS PORT ADDRESS
 * PORT`, the pair, its own side first; `data BYTES`, so many arrived and were sent back. It reads ufrag, pwd,
 * candidate and done of the other side in the same form, and ends with its standard input. */
#include <nice/agent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { COMPONENT = 1, PACING_MS = 20, FIRST_RETRY_MS = 100 };

struct other {
    char ufrag[64], password[128];
    bool known;
};

struct interop {
    GMainLoop *loop;
    NiceAgent *agent;
    guint stream;
    struct other other;
    GSList *candidates; /* that came before the credentials */
};

static void say(const char *text)
{
    puts(text);
    fflush(stdout);
}

static void candidate_found(NiceAgent *agent, NiceCandidate *candidate, gpointer user)
{
    (void)user;
    gchar *line = nice_agent_generate_local_candidate_sdp(agent, candidate);
    say(line + strlen("a="));
    g_free(line);
}

static void gathering_done(NiceAgent *agent, guint stream, gpointer user)
{
    (void)agent, (void)stream, (void)user;
    say("done");
}

static void state_changed(NiceAgent *agent, guint stream, guint component, guint state, gpointer user)
{
    (void)agent, (void)stream, (void)component, (void)user;
    gchar *line = g_strdup_printf("state %s", nice_component_state_to_string(state));
    say(line);
    g_free(line);
}

static void pair_selected(NiceAgent *agent, guint stream, guint component, NiceCandidate *local,
                          NiceCandidate *remote, gpointer user)
{
    (void)agent, (void)stream, (void)component, (void)user;
    gchar from[NICE_ADDRESS_STRING_LEN], to[NICE_ADDRESS_STRING_LEN];
    nice_address_to_string(&local->addr, from);
    nice_address_to_string(&remote->addr, to);
    gchar *line = g_strdup_printf("selected %s %u %s %u", from, nice_address_get_port(&local->addr), to,
                                  nice_address_get_port(&remote->addr));
    say(line);
    g_free(line);
}

static void data_received(NiceAgent *agent, guint stream, guint component, guint length, gchar *data,
                          gpointer user)
{
    (void)user;
    gint sent = nice_agent_send(agent, stream, component, length, data);
    gchar *line = g_strdup_printf("data %d", sent);
    say(line);
    g_free(line);
}

static void add_candidates(struct interop *interop)
{
    if (!interop->other.known || !interop->candidates)
        return;
    nice_agent_set_remote_candidates(interop->agent, interop->stream, COMPONENT, interop->candidates);
    g_slist_free_full(interop->candidates, (GDestroyNotify)nice_candidate_free);
    interop->candidates = NULL;
}

static bool take_credentials(struct interop *interop, const char *line)
{
    struct other *other = &interop->other;
    if (sscanf(line, "ufrag %63s", other->ufrag) != 1 && sscanf(line, "pwd %127s", other->password) != 1)
        return false;
    if (!other->known && other->ufrag[0] && other->password[0])
        other->known =
            nice_agent_set_remote_credentials(interop->agent, interop->stream, other->ufrag, other->password);
    return true;
}

static void take_line(struct interop *interop, const char *line)
{
    gchar *sdp = NULL;
    NiceCandidate *candidate = NULL;
    if (take_credentials(interop, line)) {
        add_candidates(interop);
    } else if (strcmp(line, "done") == 0) {
        nice_agent_peer_candidate_gathering_done(interop->agent, interop->stream);
    } else {
        sdp = g_strdup_printf("a=%s", line);
        candidate = nice_agent_parse_remote_candidate_sdp(interop->agent, interop->stream, sdp);
    }
    if (candidate) {
        interop->candidates = g_slist_append(interop->candidates, candidate);
        add_candidates(interop);
    }
    g_free(sdp);
}

static gboolean input_ready(GIOChannel *channel, GIOCondition condition, gpointer user)
{
    (void)condition;
    struct interop *interop = user;
    gchar *line = NULL;
    if (g_io_channel_read_line(channel, &line, NULL, NULL, NULL) != G_IO_STATUS_NORMAL) {
        g_main_loop_quit(interop->loop);
        return G_SOURCE_REMOVE;
    }
    take_line(interop, g_strchomp(line));
    g_free(line);
    return G_SOURCE_CONTINUE;
}

static bool agent_start(struct interop *interop, const char *address, bool controlling)
{
    NiceAddress local;
    gchar *ufrag = NULL, *password = NULL;
    nice_address_init(&local);
    if (!nice_address_set_from_string(&local, address))
        return false;
    interop->agent = nice_agent_new_full(NULL, NICE_COMPATIBILITY_RFC5245,
                                         NICE_AGENT_OPTION_ICE_TRICKLE | NICE_AGENT_OPTION_CONSENT_FRESHNESS);
    g_object_set(interop->agent, "ice-tcp", FALSE, "upnp", FALSE, "controlling-mode", (gboolean)controlling,
                 "stun-pacing-timer", PACING_MS, "stun-initial-timeout", FIRST_RETRY_MS, NULL);
    nice_agent_add_local_address(interop->agent, &local);
    interop->stream = nice_agent_add_stream(interop->agent, 1);
    g_signal_connect(interop->agent, "new-candidate-full", G_CALLBACK(candidate_found), interop);
    g_signal_connect(interop->agent, "candidate-gathering-done", G_CALLBACK(gathering_done), interop);
    g_signal_connect(interop->agent, "component-state-changed", G_CALLBACK(state_changed), interop);
    g_signal_connect(interop->agent, "new-selected-pair-full", G_CALLBACK(pair_selected), interop);
    nice_agent_attach_recv(interop->agent, interop->stream, COMPONENT, NULL, data_received, interop);
    nice_agent_get_local_credentials(interop->agent, interop->stream, &ufrag, &password);
    printf("ufrag %s\npwd %s\n", ufrag, password);
    g_free(ufrag);
    g_free(password);
    return nice_agent_gather_candidates(interop->agent, interop->stream);
}

int main(int argc, char **argv)
{
    struct interop interop = {0};
    if (argc != 3 || (strcmp(argv[2], "controlling") != 0 && strcmp(argv[2], "controlled") != 0)) {
        fprintf(stderr, "usage: nice_agent ADDRESS controlling|controlled\n");
        return 2;
    }
    interop.loop = g_main_loop_new(NULL, FALSE);
    if (!agent_start(&interop, argv[1], strcmp(argv[2], "controlling") == 0)) {
        fprintf(stderr, "nice_agent: %s: no candidates there\n", argv[1]);
        return 1;
    }
    GIOChannel *input = g_io_channel_unix_new(STDIN_FILENO);
    g_io_add_watch(input, G_IO_IN | G_IO_HUP, input_ready, &interop);
    g_main_loop_run(interop.loop);
    g_io_channel_unref(input);
    g_object_unref(interop.agent);
    g_main_loop_unref(interop.loop);
    return 0;
}
