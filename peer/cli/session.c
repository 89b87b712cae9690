/* session.c - what every command in a room shares: the node, the wait, the end.
 *
 * One turn: wait until the node, standard input or output, a signal or a deadline wants something; let the
 * node do what is due; tell what happened; let the command move its bytes. Signals are let in during the wait
 * only (ppoll), so none is missed and no handler does more than note its number. */
#include "session.h"

#include "clock.h"
#include "memory_file.h"
#include "secret.h"
#include "signals.h"
#include "text.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SEARCH_TOLD_S = 3,        /* who came and has no path yet is told of; nearly all that work do by then */
    LEAVE_PATIENCE_MS = 1500, /* p2p_leave takes 1 s at most; more than that is a bug we do not wait for */
    DATAGRAM_MAX = 32768,     /* more than the longest payload of a packet, which is 32000 (host) */
    PING_REQUEST = 'g',       /* the first byte of a datagram that asks to be sent back ... */
    PING_ANSWER = 'G'         /* ... and of one that was */
};

/* ---- the end ---- */

void session_end(struct session *session, int code, const char *format, ...)
{
    char sentence[1024];
    if (session->ended)
        return;
    session->ended = true;
    session->code = code;
    if (!format)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    events_error(&session->report, code, sentence);
}

void session_wake_at(struct session *session, uint64_t when)
{
    if (when < session->deadline)
        session->deadline = when;
}

void session_output_failed(struct session *session)
{
    const char *problem = errno == EPIPE   ? "nobody reads it any more"
                          : errno == EBADF ? "it is closed"
                                           : strerror(errno);
    char why[128];
    snprintf(why, sizeof why, "cannot write: %s", problem);
    for (struct member *member = session->members; member; member = member->next)
        if (member->connected)
            p2p_peer_close(member->peer, why);
    session_end(session, EXIT_OTHER, "cannot write to standard output: %s", problem);
}

void session_print(struct session *session, const char *format, ...)
{
    char line[2048];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    size_t end = len < 0 ? 0 : len < (int)sizeof line ? (size_t)len : sizeof line - 1;
    for (size_t at = 0; at < end;) {
        ssize_t written = channel_write(&session->output, line + at, end - at);
        if (written > 0) {
            at += (size_t)written;
        } else if (errno == EAGAIN) {
            poll(&(struct pollfd){.fd = session->output.fd, .events = POLLOUT}, 1, -1);
        } else {
            session_output_failed(session);
            return;
        }
    }
}

static bool has_namesake(const struct session *session, const struct present *present)
{
    for (unsigned i = 0; i < session->present_count; i++)
        if (&session->present[i] != present && strcmp(session->present[i].name, present->name) == 0)
            return true;
    return false;
}

/* The names of who is there but was not asked for, or has no place, for exit code 4. */
static const char *present_names(const struct session *session, char *names, size_t capacity)
{
    size_t used = 0;
    names[0] = '\0';
    for (unsigned i = 0; i < session->present_count && used < capacity; i++) {
        const struct present *present = &session->present[i];
        bool namesake = has_namesake(session, present);
        used += (size_t)snprintf(names + used, capacity - used, "%s%s%s%s", i ? ", " : "", present->name,
                                 namesake ? "#" : "", namesake ? present->id : "");
    }
    return names;
}

/* Who was asked for by --to and is there, but does not take us; or NULL. */
static const struct present *present_named(const struct session *session)
{
    for (unsigned i = 0; i < session->present_count; i++)
        if (session->present[i].asked_for)
            return &session->present[i];
    return NULL;
}

static void end_waiting(struct session *session)
{
    char names[512], to[SHOWN_NAME_MAX];
    const struct options *options = session->options;
    const struct present *named = present_named(session);
    if (session->guessed) {
        session_end(
            session, EXIT_SECRET,
            "somebody came, but could not prove the room's secret, or messages were altered on their way");
    } else if (named) {
        session_end(session, EXIT_NOBODY, "%s was here, but not for us within %u s (--wait): %s", named->name,
                    options->wait_s, named->why);
    } else if (options->to) {
        text_show(to, sizeof to, options->to, strlen(options->to));
        session_end(session, EXIT_NOBODY, "nobody called %s came within %u s; there: %s", to, options->wait_s,
                    session->present_count ? present_names(session, names, sizeof names) : "nobody");
    } else if (!session->report.in_room) {
        session_end(session, EXIT_BROKER, "no broker has answered within %u s", options->wait_s);
    } else if (session->present_count) {
        session_end(session, EXIT_NOBODY, "nobody took us within %u s (--wait); there: %s", options->wait_s,
                    present_names(session, names, sizeof names));
    } else {
        session_end(session, EXIT_NOBODY, "nobody came within %u s (--wait)", options->wait_s);
    }
}

/* ---- members ---- */

unsigned session_partners(const struct session *session)
{
    unsigned count = 0;
    for (const struct member *member = session->members; member; member = member->next)
        count += member->partner;
    return count;
}

static struct member *member_find(const struct session *session, const struct p2p_peer *peer)
{
    struct member *member = session->members;
    while (member && member->peer != peer)
        member = member->next;
    return member;
}

static struct member *member_make(struct session *session, struct p2p_peer *peer)
{
    struct member *member = member_find(session, peer);
    if (member)
        return member;
    member = calloc(1, sizeof *member);
    if (!member) {
        session_end(session, EXIT_OTHER, "no memory");
        return NULL;
    }
    member->peer = peer;
    member->met_at = session->now;
    member->next = session->members;
    session->members = member;
    return member;
}

static void member_forget(struct session *session, struct member *gone)
{
    struct member **at = &session->members;
    while (*at != gone)
        at = &(*at)->next;
    *at = gone->next;
    free(gone);
}

/* ---- what the library says ---- */

/* Remembers who is there without being for us. False: that is known already. */
static bool note_present(struct session *session, const struct p2p_event *event)
{
    const char *name = event->text, *id = event->id, *to = session->options->to;
    for (unsigned i = 0; i < session->present_count; i++)
        if (strcmp(session->present[i].id, id) == 0)
            return false;
    if (session->present_count == PRESENT_MAX)
        return true;
    struct present *present = &session->present[session->present_count++];
    text_show(present->name, sizeof present->name, *name ? name : "somebody",
              *name ? strlen(name) : strlen("somebody"));
    snprintf(present->id, sizeof present->id, "%s", id);
    text_show(present->why, sizeof present->why, event->detail, strlen(event->detail));
    present->asked_for = to && p2p_label_means(to, name, id);
    return true;
}

/* What people hear of only when they ask for more. */
static bool is_minor(struct session *session, const struct member *member, const struct p2p_event *event)
{
    if (event->type == P2P_EVENT_BUSY)
        return !note_present(session, event);
    if (event->type == P2P_EVENT_PATH || event->type == P2P_EVENT_CLOSED)
        return !member || !member->connected;
    return false;
}

/* Whoever was here alone of that name has been shown without its id so far. */
static void tell_namesake(struct session *session, const struct member *member)
{
    const struct member *namesake = NULL;
    char name[SHOWN_NAME_MAX];
    for (const struct member *other = session->members; other; other = other->next) {
        if (other == member || !other->connected ||
            strcmp(p2p_peer_name(other->peer), p2p_peer_name(member->peer)) != 0)
            continue;
        if (namesake)
            return; /* told when the second came */
        namesake = other;
    }
    if (namesake)
        events_note(&session->report, 0, "of the two who have this name now, the first is shown as %s",
                    events_name(name, namesake->peer));
}

static void take_connected(struct session *session, struct member *member)
{
    bool pings = strcmp(p2p_peer_purpose(member->peer), "ping") == 0;
    member->connected = true;
    tell_namesake(session, member);
    member->partner = !pings || session->role->serves_pings;
    if (!member->partner)
        return;
    session->was_connected = true;
    if (session->role->connected)
        session->role->connected(session, member);
}

static bool somebody_is_left(const struct session *session, const struct member *but)
{
    for (const struct member *member = session->members; member; member = member->next)
        if (member != but)
            return true;
    return false;
}

static void take_closed(struct session *session, struct member *member, const struct p2p_event *event)
{
    char why[TEXT_SHOWN * 400 + 1];
    text_show(why, sizeof why, event->text, strlen(event->text));
    if (session->role->closed && member->partner)
        session->role->closed(session, member, event);
    if (event->error == P2P_ESECRET)
        session->guessed = true;
    bool last_hope = !session->was_connected && !session->options->keep && !somebody_is_left(session, member);
    if (event->error == P2P_ENOPATH && last_hope)
        session_end(session, EXIT_NO_PATH, "no path: %s", *why ? why : "nothing that was tried worked");
    member_forget(session, member);
}

static void take_datagrams(struct session *session, struct member *member)
{
    uint8_t data[DATAGRAM_MAX];
    for (;;) {
        ptrdiff_t len = p2p_datagram_receive(member->peer, data, sizeof data);
        if (len < 0)
            return;
        if (len > 0 && data[0] == PING_REQUEST) {
            data[0] = PING_ANSWER;
            p2p_datagram_send(member->peer, data,
                              (size_t)len); /* lost like any datagram if it does not leave */
        } else if (session->role->datagram && member->partner) {
            session->role->datagram(session, member, data, (size_t)len);
        }
    }
}

static void take_secret(struct session *session, const struct p2p_event *event)
{
    session->guessed = true;
    bool hopeless = !session->was_connected && !session->options->keep && !somebody_is_left(session, NULL);
    if (event->final && hopeless)
        session_end(session, EXIT_SECRET,
                    "our secret is not that of the room, or messages were altered on their way");
}

/* Written at once: whoever is killed later has learnt it all the same. */
static void keep_memory(struct session *session)
{
    char why[MEMORY_FILE_WHY_MAX];
    memory_file_write(session->node, why);
    if (why[0])
        events_note(&session->report, 1, "%s", why);
}

/* Streams that no command asked for must not hold the sender's window. */
static void take_other(struct session *session, struct member *member, const struct p2p_event *event)
{
    if (member && member->partner && session->role->event)
        session->role->event(session, member, event);
    else if (event->type == P2P_EVENT_STREAM)
        p2p_stream_free(event->stream);
}

static void take_event(struct session *session, const struct p2p_event *event)
{
    bool met = event->type == P2P_EVENT_PEER || event->type == P2P_EVENT_CONNECTED;
    struct member *member = met ? member_make(session, event->peer) : member_find(session, event->peer);
    events_show(&session->report, session->node, event, is_minor(session, member, event));
    switch (event->type) {
    case P2P_EVENT_CONNECTED:
        if (member)
            take_connected(session, member);
        return;
    case P2P_EVENT_CLOSED:
        if (member)
            take_closed(session, member, event);
        return;
    case P2P_EVENT_DATAGRAM:
        if (member)
            take_datagrams(session, member);
        return;
    case P2P_EVENT_SECRET:
        take_secret(session, event);
        return;
    case P2P_EVENT_MEMORY:
        keep_memory(session);
        return;
    case P2P_EVENT_BROKER:
        if (event->final && event->error == P2P_EBROKER && !session->report.in_room &&
            !session->options->keep)
            session_end(session, EXIT_BROKER, "no broker takes us: %s", session->report.trouble);
        return;
    default:
        take_other(session, member, event);
    }
}

/* True: there was one, and what was answered to it must still be sent. */
static bool take_events(struct session *session)
{
    struct p2p_event event;
    bool any = false;
    while (p2p_next_event(session->node, &event)) {
        take_event(session, &event);
        any = true;
    }
    return any;
}

/* Giving up takes up to 25 s, and silence looks like a program that hangs. */
static void tell_search(struct session *session)
{
    char name[SHOWN_NAME_MAX];
    for (struct member *member = session->members; member; member = member->next) {
        uint64_t due = member->met_at + SEARCH_TOLD_S * CLOCK_S;
        if (member->connected || !member->met_at)
            continue;
        session_wake_at(session, due);
        if (session->now < due)
            continue;
        member->met_at = 0;
        events_note(
            &session->report, 0,
            "%s is here, but no path works yet; trying on for 10 s in all, or 25 s where the ports of a "
            "NAT are guessed",
            events_name(name, member->peer));
    }
}

/* ---- one turn ---- */

static struct timespec *time_left(const struct session *session, struct timespec *left)
{
    int64_t node = p2p_node_timeout(session->node);
    uint64_t ns = session->deadline > session->now ? session->deadline - session->now : 0;
    if (session->deadline == UINT64_MAX && node < 0)
        return NULL;
    if (node >= 0 && (session->deadline == UINT64_MAX || (uint64_t)node < ns))
        ns = (uint64_t)node;
    left->tv_sec = (time_t)(ns / CLOCK_S);
    left->tv_nsec = (long)(ns % CLOCK_S);
    return left;
}

/* Waits for the node, for what the last step could not move, for a signal or a deadline. */
static void wait_turn(struct session *session, const sigset_t *during)
{
    struct pollfd fds[4] = {{.fd = p2p_node_fd(session->node), .events = POLLIN}};
    nfds_t count = 1;
    struct timespec left;
    if (session->input.waiting)
        fds[count++] = (struct pollfd){.fd = session->input.fd, .events = POLLIN};
    if (session->output.waiting)
        fds[count++] = (struct pollfd){.fd = session->output.fd, .events = POLLOUT};
    if (session->watched >= 0)
        fds[count++] = (struct pollfd){.fd = session->watched, .events = POLLIN};
    ppoll(fds, count, time_left(session, &left), during); /* EINTR: a signal is noted */
}

static bool take_turn(struct session *session)
{
    int error = p2p_node_process(session->node);
    session->now = clock_now();
    session->deadline = UINT64_MAX;
    if (error) {
        session_end(session, EXIT_OTHER, "%s", p2p_strerror(error));
        return false;
    }
    bool moved = take_events(session);
    session->input.waiting = session->output.waiting = false;
    if (!session->ended && session->role->step)
        moved = session->role->step(session) || moved;
    if (session->ended)
        return false;
    tell_search(session);
    if (!session->was_connected && session->wait_until != UINT64_MAX) {
        session_wake_at(session, session->wait_until);
        if (session->now >= session->wait_until)
            end_waiting(session);
    }
    return moved;
}

static void run_turns(struct session *session, const sigset_t *during)
{
    while (!session->ended) {
        if (!take_turn(session) && !session->ended)
            wait_turn(session, during);
        if (signals_caught()) {
            session->ended = true;
            session->code = EXIT_SIGNAL + signals_caught();
        }
    }
}

/* Goodbyes are said and heard; a second signal ends that. */
static void say_goodbye(struct session *session, const sigset_t *during)
{
    struct p2p_event event = {.type = P2P_EVENT_NONE};
    uint64_t until = clock_now() + LEAVE_PATIENCE_MS * CLOCK_MS;
    signals_forget();
    session->input.waiting = session->output.waiting = false;
    p2p_leave(session->node);
    while (event.type != P2P_EVENT_LEFT && !signals_caught()) {
        if (p2p_node_process(session->node))
            return;
        while (event.type != P2P_EVENT_LEFT && p2p_next_event(session->node, &event))
            if (event.type == P2P_EVENT_STREAM)
                p2p_stream_free(event.stream);
        session->now = clock_now();
        session->deadline = until;
        if (session->now >= until)
            return;
        if (event.type != P2P_EVENT_LEFT)
            wait_turn(session, during);
    }
}

/* ---- the beginning ---- */

static uint8_t congestion_of(const char *said)
{
    return !said ? P2P_CONGESTION_DEFAULT : strcmp(said, "bbr") == 0 ? P2P_BBR : P2P_CUBIC;
}

static void fill_config(const struct session *session, const struct secret *secret, struct p2p_config *config)
{
    const struct options *options = session->options;
    *config = (struct p2p_config){
        .size = sizeof *config,
        .brokers = options->brokers.count ? options->brokers.item : NULL,
        .stun = options->stun.count ? options->stun.item : NULL,
        .interfaces = options->interfaces.count ? options->interfaces.item : NULL,
        .exclude = options->exclude.count ? options->exclude.item : NULL,
        .name = options->name,
        .purpose = session->role->purpose,
        .to = options->to,
        .paths = options->paths,
        .broker_relay = options->broker_relay,
        .max_peers = session->role->max_peers ? session->role->max_peers : options->max_peers,
        .port = (uint16_t)options->port,
        .trace = session->report.level >= 2,
        .max_streams = session->role->max_streams,
        .no_portmap = options->no_portmap,
        .no_memory = options->no_memory,
        .congestion = congestion_of(options->congestion),
        .serves = options->keep,
        .turn = options->turn.count ? options->turn.item : NULL,
        .turn_user = options->turn_user,
        .turn_password = secret->turn_password[0] ? secret->turn_password : NULL,
    };
}

static void end_unstarted(struct session *session, int error)
{
    if (error == P2P_EPORT)
        session_end(session, EXIT_OTHER, "UDP port %u is taken by another program (--port)",
                    session->options->port);
    else if (error == P2P_ENETWORK)
        session_end(session, EXIT_BROKER,
                    "there is no usable network interface, so no broker can be reached");
    else if (error == P2P_ESYSTEM)
        session_end(session, EXIT_OTHER, "cannot start: %s", strerror(errno));
    else
        session_end(session, error == P2P_EINVAL ? EXIT_USAGE : EXIT_OTHER, "cannot start: %s",
                    p2p_strerror(error));
}

static void recall(struct session *session, uint8_t memory[P2P_MEMORY_MAX], struct p2p_config *config)
{
    char why[MEMORY_FILE_WHY_MAX];
    if (config->no_memory)
        return;
    config->memory_len = memory_file_read(memory, why);
    config->memory = config->memory_len ? memory : NULL;
    if (why[0])
        events_note(&session->report, 1, "%s", why);
}

static int start_node(struct session *session, const struct secret *secret)
{
    struct p2p_config config;
    uint8_t memory[P2P_MEMORY_MAX];
    fill_config(session, secret, &config);
    recall(session, memory, &config);
    int error = p2p_node_new(&session->node, &config);
    if (!error)
        error = p2p_node_start(session->node);
    if (error)
        return error;
    return p2p_join(session->node, session->room, secret->given ? secret->bytes : NULL, secret->len);
}

/* False: the session has ended before it began. */
static bool begin(struct session *session, sigset_t *during)
{
    char complaint[COMPLAINT_MAX];
    static struct secret secret; /* not on the stack, whose pages cannot be locked alone */
    signals_begin();
    int code = secret_read(&secret, session->options, complaint);
    signals_hold(during);
    if (!code && session->role->begin)
        session->role->begin(session);
    if (session->ended) {
        secret_wipe(&secret);
        return false;
    }
    if (code) {
        session_end(session, signals_caught() ? EXIT_SIGNAL + signals_caught() : code, "%s", complaint);
        return false;
    }
    session->report.open = !secret.given;
    snprintf(session->room, sizeof session->room, "%s", *secret.room ? secret.room : session->options->room);
    session->report.room = session->room;
    if (session->options->wait_s)
        session->wait_until = clock_now() + session->options->wait_s * CLOCK_S;
    int error = start_node(session, &secret);
    int system = errno;
    secret_wipe(&secret);
    errno = system;
    if (error)
        end_unstarted(session, error);
    return !error;
}

int session_run(const struct options *options, uint64_t started_ns, const struct role *role, void *state)
{
    struct session session = {
        .options = options, .role = role, .state = state, .wait_until = UINT64_MAX, .watched = -1};
    sigset_t during;
    events_begin(&session.report, options, started_ns);
    session.report.words = role->shows_words;
    channel_open(&session.input, STDIN_FILENO, false);
    channel_open(&session.output, STDOUT_FILENO, true);
    bool begun = begin(&session, &during);
    if (begun) {
        run_turns(&session, &during);
        say_goodbye(&session, &during);
    }
    signals_end_at_once(); /* a file is not let go of before the disk has answered, if it ever does */
    if (role->release)
        role->release(&session);
    p2p_node_free(session.node);
    while (session.members)
        member_forget(&session, session.members);
    channel_close(&session.input);
    channel_close(&session.output);
    if (begun) /* else the error event was all there is to say */
        events_exit(&session.report, session.code);
    events_end(&session.report);
    return session.code;
}
