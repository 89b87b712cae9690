/* forward.c - connections of TCP and datagrams of UDP over the path, as ssh -L, -R and -W.
 *
 * The side that asks names what it wants; the other side's user must have named the same with --allow, or it
 * is refused: security.md, targets are the local user's alone. README.md has the protocol. */
#include "commands.h"

#include "descriptors.h"
#include "forward_state.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    EVENTS_MAX = 256,  /* a turn */
    SPARE_FILES = 128, /* descriptors that are no places: the node's own and its extra sockets' */
};

void forward_tell(struct forward *forward, int level, const char *state, const char *format, ...)
{
    char sentence[1024];
    struct report *report = &forward->session->report;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    if (!report->json) {
        events_note(report, level, "%s", sentence);
        return;
    }
    struct line *line = events_line(report, "forward");
    line_string(line, "state", state);
    line_string(line, "text", sentence);
    line_write(line);
}

bool forward_watch(struct forward *forward, int fd, struct watch *watch)
{
    return loop_set_add(forward->set, fd, LOOP_SET_READ | LOOP_SET_WRITE | LOOP_SET_EDGES, (uintptr_t)watch);
}

void forward_close(struct forward *forward, int fd)
{
    loop_set_remove(forward->set, fd);
    close(fd);
}

/* ---- what the user wants ---- */

static void add_own(struct forward *forward, enum own_kind kind, const char *text, bool udp)
{
    struct own *own = &forward->own[forward->own_count++];
    own->kind = kind;
    if (kind == OWN_STDIO)
        endpoint_read(&own->what.target, text, false);
    else
        endpoint_read_forwarding(&own->what, text, udp);
    own->target.endpoint = own->what.target;
}

static void add_permit(struct forward *forward, const char *text, bool udp)
{
    struct permit *permit = &forward->permits[forward->permit_count++];
    permit->listens = endpoint_read_port(&permit->target.endpoint, text, udp);
    if (!permit->listens)
        endpoint_read(&permit->target.endpoint, text, udp);
}

/* All of it was looked at when it was read: see option_table.c. */
static void take_options(struct forward *forward, const struct options *options)
{
    for (unsigned i = 0; i < options->local.count; i++)
        add_own(forward, OWN_LOCAL, options->local.item[i], options->udp);
    for (unsigned i = 0; i < options->remote.count; i++)
        add_own(forward, OWN_REMOTE, options->remote.item[i], options->udp);
    if (options->stdio)
        add_own(forward, OWN_STDIO, options->stdio, false);
    for (unsigned i = 0; i < options->allow.count; i++)
        add_permit(forward, options->allow.item[i], options->udp);
}

/* ---- beginning ---- */

static void wake_ready(struct forward *forward, struct watch *watch, unsigned what)
{
    (void)watch;
    bell_hush(&forward->wake); /* so that the next one is an edge again */
    loop_set_again(forward->set, bell_fd(&forward->wake), what);
    tunnels_wake(forward);
}

/* A connection is a descriptor, and so is a flow on the side of its target. */
static void raise_limit(struct forward *forward)
{
    unsigned limit = descriptors_raise(PLACES_MAX + SPARE_FILES);
    forward->places_max = PLACES_MAX;
    if (limit && limit < PLACES_MAX + SPARE_FILES)
        forward->places_max = limit > 2 * SPARE_FILES ? limit - SPARE_FILES : SPARE_FILES;
}

static bool listen_all(struct forward *forward)
{
    char at[ENDPOINT_TEXT_MAX], to[ENDPOINT_TEXT_MAX];
    for (unsigned i = 0; i < forward->own_count; i++) {
        struct own *own = &forward->own[i];
        if (own->kind != OWN_LOCAL)
            continue;
        if (!*own->what.listen.host)
            snprintf(own->what.listen.host, sizeof own->what.listen.host, "127.0.0.1");
        endpoint_print(at, &own->what.listen);
        struct gate *gate = gate_open(forward, &own->what.listen);
        if (!gate) {
            session_end(forward->session, EXIT_OTHER, "cannot listen on %s: %s", at, strerror(errno));
            return false;
        }
        gate->number = (uint16_t)i;
        forward_tell(forward, 0, "listening", "listening on %s%s for %s", at, gate->udp ? "/udp" : "",
                     endpoint_print(to, &own->what.target));
    }
    return true;
}

static void forward_begin(struct session *session)
{
    struct forward *forward = session->state;
    forward->session = session;
    raise_limit(forward);
    forward->set = loop_set_new();
    forward->wake_watch.ready = wake_ready;
    if (!forward->set || !bell_open(&forward->wake) ||
        !forward_watch(forward, bell_fd(&forward->wake), &forward->wake_watch)) {
        session_end(session, EXIT_OTHER, "cannot start: %s", strerror(errno));
        return;
    }
    session->watched = loop_set_fd(forward->set);
    listen_all(forward);
}

/* ---- the role ---- */

static void forward_connected(struct session *session, struct member *member)
{
    if (!link_begin(session->state, member))
        p2p_peer_close(member->peer, "no stream could be opened");
}

static void forward_event(struct session *session, struct member *member, const struct p2p_event *event)
{
    struct forward *forward = session->state;
    struct link *link = member->state;
    struct tunnel *tunnel = event->stream ? p2p_stream_user(event->stream) : NULL;
    bool is_new = event->type == P2P_EVENT_STREAM;
    if (tunnel)
        tunnel_event(forward, tunnel, event);
    else if (is_new && link && event->kind == FORWARD_TUNNEL)
        tunnel_accept(forward, link, event->stream);
    else if (is_new && (!link || event->kind != FORWARD_ASKS))
        p2p_stream_free(event->stream);
    else if (link && event->stream)
        link_event(forward, link, event);
}

static void forward_datagram(struct session *session, struct member *member, const uint8_t *data, size_t len)
{
    if (member->state)
        flow_datagram(session->state, member->state, data, len);
}

static void forward_closed(struct session *session, struct member *member, const struct p2p_event *event)
{
    struct forward *forward = session->state;
    if (session->options->keep)
        events_note(&session->report, 1, "waiting for somebody again");
    else if (strcmp(event->detail, "left") == 0 && forward->stdio)
        session_end(session, EXIT_OTHER, "the other side left before the end");
    else if (strcmp(event->detail, "left") == 0)
        session_end(session, EXIT_DONE, NULL);
    else if (strcmp(event->detail, "lost") == 0)
        session_end(session, EXIT_LOST, "the connection was lost");
    else
        session_end(session, EXIT_OTHER, "the connection ended with an error");
    if (member->state)
        link_end(forward, member->state);
    member->state = NULL;
}

static void take_edges(struct forward *forward)
{
    struct loop_set_ready ready[EVENTS_MAX];
    int count = loop_set_wait(forward->set, ready, EVENTS_MAX, 0);
    for (int i = 0; i < count; i++) {
        struct watch *watch = (struct watch *)ready[i].tag;
        watch->ready(forward, watch, ready[i].what);
    }
}

static bool forward_step(struct session *session)
{
    struct forward *forward = session->state;
    take_edges(forward);
    bool moved = gates_step(forward);
    unsigned before = forward->places;
    moved = tunnels_step(forward) || moved;
    moved = flows_step(forward) || moved;
    return moved || forward->places < before; /* somebody may be waiting for the room */
}

static void forward_release(struct session *session)
{
    struct forward *forward = session->state;
    struct gate *gate;
    tunnels_forget(forward, NULL);
    while (!TAILQ_EMPTY(&forward->links)) {
        struct link *link = TAILQ_FIRST(&forward->links);
        link->member->state = NULL;
        link_end(forward, link);
    }
    while ((gate = TAILQ_FIRST(&forward->gates)))
        gate_free(forward, gate);
    for (unsigned i = 0; i < forward->own_count; i++)
        target_free(&forward->own[i].target);
    for (unsigned i = 0; i < forward->permit_count; i++)
        target_free(&forward->permits[i].target);
    loop_set_free(forward->set);
    bell_close(&forward->wake);
}

int forward_main(const struct options *options, uint64_t started_ns)
{
    static struct forward forward = {.wake = {{-1, -1}}}; /* too large for a stack */
    struct role role = {
        .purpose = "forward",
        .max_peers = options->keep ? 0 : 1,
        .max_streams = STREAMS_MAX,
        .begin = forward_begin,
        .connected = forward_connected,
        .event = forward_event,
        .datagram = forward_datagram,
        .closed = forward_closed,
        .step = forward_step,
        .release = forward_release,
    };
    TAILQ_INIT(&forward.links);
    TAILQ_INIT(&forward.gates);
    TAILQ_INIT(&forward.tunnels);
    TAILQ_INIT(&forward.active);
    TAILQ_INIT(&forward.flows);
    take_options(&forward, options);
    return session_run(options, started_ns, &role, &forward);
}
