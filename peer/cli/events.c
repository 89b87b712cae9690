/* events.c - tells on standard error what happens: a sentence for people, or a JSON line for programs.
 *
 * The JSON lines are a promise (interface.md): members may be added, none may go. Sentences may change at any
 * time. Whatever a peer, a broker or a server said goes through text_show or line_text. */
#include "events.h"

#include "clock.h"
#include "terminal.h"
#include "text.h"
#include "words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN_TEXT_MAX = TEXT_SHOWN * 8192 + 1 }; /* a whole message of the room, for -vv */

void events_begin(struct report *report, const struct options *options, uint64_t started_ns)
{
    *report = (struct report){
        .json = options->json,
        .colour = terminal_has_colour(),
        .level = options->quiet         ? -1
                 : options->verbose > 2 ? 2
                                        : (int)options->verbose,
        .started_ns = started_ns,
        .room = options->room,
    };
}

void events_end(struct report *report)
{
    line_free(&report->line);
}

struct line *events_line(struct report *report, const char *event)
{
    line_begin(&report->line);
    line_string(&report->line, "event", event);
    line_number(&report->line, "t_ms", (long long)((clock_now() - report->started_ns) / CLOCK_MS));
    return &report->line;
}

const char *events_name(char shown[SHOWN_NAME_MAX], const struct p2p_peer *peer)
{
    char label[P2P_LABEL_MAX];
    p2p_peer_label(peer, label);
    text_show(shown, SHOWN_NAME_MAX, label, strlen(label));
    return shown;
}

/* One event on its way out. */
struct telling {
    struct report *report;
    const struct p2p_node *node;
    const struct p2p_event *event;
    bool minor;
    char name[SHOWN_NAME_MAX]; /* of event->peer, or empty */
    char text[SHOWN_TEXT_MAX]; /* event->text, fit for a terminal */
};

static bool wants(const struct report *report, int level)
{
    return !report->json && report->level >= level;
}

static struct line *peer_line(const struct telling *telling, const char *event)
{
    struct line *line = events_line(telling->report, event);
    if (telling->event->peer)
        line_string(line, "peer", p2p_peer_id(telling->event->peer));
    return line;
}

static void add_path(struct line *line, const struct p2p_path *path)
{
    line_string(line, "kind", p2p_path_kind_name(path->kind));
    line_string(line, "local", path->local);
    line_string(line, "remote", path->remote);
    line_decimal(line, "rtt_ms", path->rtt_ms);
}

static void tell_candidate(const struct telling *telling)
{
    if (telling->report->json) {
        struct line *line = events_line(telling->report, "candidate");
        line_string(line, "kind", telling->event->detail);
        line_string(line, "address", telling->event->text);
        line_write(line);
    } else if (wants(telling->report, 1)) {
        terminal_say(telling->report->colour, STYLE_QUIET, "reachable at %s (%s)", telling->text,
                     telling->event->detail);
    }
}

static void tell_portmap(const struct telling *telling)
{
    char address[TEXT_SHOWN * 128 + 1];
    text_show(address, sizeof address, telling->event->detail, strlen(telling->event->detail));
    if (telling->report->json) {
        struct line *line = events_line(telling->report, "portmap");
        line_string(line, "address", telling->event->detail);
        line_string(line, "text", telling->event->text);
        line_write(line);
    } else if (wants(telling->report, 1)) {
        terminal_say(telling->report->colour, STYLE_QUIET, "no port is opened for %s: %s", address,
                     telling->text);
    }
}

static void tell_room_json(const struct telling *telling)
{
    struct report *report = telling->report;
    struct line *line = events_line(report, "room");
    line_string(line, "room", report->room);
    line_string(line, "id", p2p_id(telling->node));
    line_string(line, "topic", p2p_room_topic(telling->node));
    line_array(line, "brokers");
    line_element(line, telling->event->text);
    line_array_end(line);
    line_bool(line, "open", report->open);
    line_write(line);
}

static void tell_room_words(const struct telling *telling)
{
    struct report *report = telling->report;
    char room[TEXT_SHOWN * 128 + 1];
    text_show(room, sizeof room, report->room, strlen(report->room));
    if (wants(report, 0))
        terminal_say(report->colour, STYLE_PLAIN, "in room %s by way of %s, waiting for somebody", room,
                     telling->text);
    if (wants(report, 0) && report->open)
        terminal_say(
            report->colour, STYLE_WARNING,
            "the room is open: safe from who only listens, not from who knows its name or runs the broker "
            "(--code, --secret-file)");
    if (wants(report, 1))
        terminal_say(report->colour, STYLE_QUIET, "topics p2pconnect/1/%s/..., our id %s",
                     p2p_room_topic(telling->node), p2p_id(telling->node));
}

/* The first broker that takes us is the room; the others are news for who asks. */
static void tell_joined(const struct telling *telling)
{
    struct report *report = telling->report;
    bool first = !report->in_room;
    report->in_room = true;
    if (report->json && first) {
        tell_room_json(telling);
    } else if (report->json) {
        struct line *line = events_line(report, "broker");
        line_string(line, "broker", telling->event->text);
        line_bool(line, "connected", true);
        line_write(line);
    } else if (first) {
        tell_room_words(telling);
    } else if (wants(report, *report->trouble ? 0 : 1)) {
        terminal_say(report->colour, STYLE_QUIET, "in the room by way of %s %s", telling->text,
                     *report->trouble ? "again" : "too");
    }
    report->trouble[0] = '\0';
}

/* A broker that stays away is tried again and again: people hear of it once. The last failure before we give
 * up is in the sentence of the end. */
static void tell_broker(const struct telling *telling)
{
    struct report *report = telling->report;
    bool known = strncmp(report->trouble, telling->text, TROUBLE_MAX - 1) == 0;
    bool last = telling->event->final && !report->in_room;
    snprintf(report->trouble, TROUBLE_MAX, "%.*s", TROUBLE_MAX - 1, telling->text);
    if (report->json) {
        struct line *line = events_line(report, "broker");
        line_bool(line, "connected", false);
        line_string(line, "message", telling->event->text);
        line_write(line);
    } else if (wants(report, known || last ? 1 : 0)) {
        terminal_say(report->colour, STYLE_WARNING, "%s", telling->text);
    }
}

/* A server that we asked for and cannot use: said once. */
static void tell_relay(const struct telling *telling)
{
    if (telling->report->json) {
        struct line *line = events_line(telling->report, "relay");
        line_string(line, "message", telling->event->text);
        line_write(line);
    } else if (wants(telling->report, 0)) {
        terminal_say(telling->report->colour, STYLE_WARNING, "%s", telling->text);
    }
}

static void tell_peer(const struct telling *telling)
{
    struct report *report = telling->report;
    char words[WORDS_MAX];
    words_print(words, telling->event->words);
    if (report->json) {
        struct line *line = peer_line(telling, "peer");
        line_string(line, "name", p2p_peer_name(telling->event->peer));
        line_string(line, "purpose", p2p_peer_purpose(telling->event->peer));
        if (report->open)
            line_string(line, "words", words);
        line_write(line);
        return;
    }
    if (wants(report, 1))
        terminal_say(report->colour, STYLE_QUIET, "%s is here, looking for a path", telling->name);
    if (wants(report, 0) && report->open && report->words)
        terminal_say(report->colour, STYLE_QUIET, "nobody is in between when %s sees these words too: %s",
                     telling->name, words);
}

const char *events_path_words(char out[EVENTS_PATH_MAX], const struct p2p_path *path)
{
    const char *kind = p2p_path_kind_name(path->kind);
    if (path->rtt_ms > 0)
        snprintf(out, EVENTS_PATH_MAX, "%s, %s, %.1f ms", kind, path->remote, path->rtt_ms);
    else
        snprintf(out, EVENTS_PATH_MAX, "%s, %s", kind, path->remote);
    return out;
}

static void tell_connected(const struct telling *telling)
{
    struct report *report = telling->report;
    char words[EVENTS_PATH_MAX];
    struct p2p_path path = {0};
    p2p_peer_path(telling->event->peer, &path);
    if (report->json) {
        struct line *line = peer_line(telling, "connected");
        line_string(line, "name", p2p_peer_name(telling->event->peer));
        add_path(line, &path);
        line_string(line, "why", path.why);
        line_decimal(line, "met_ms", (double)path.peer_ns / 1e6);
        line_write(line);
    } else if (wants(report, 0)) {
        terminal_say(report->colour, STYLE_GOOD, "connected to %s: %s%s%s", telling->name,
                     events_path_words(words, &path), *path.why ? "; " : "", path.why);
    }
}

static void tell_path(const struct telling *telling)
{
    struct report *report = telling->report;
    char words[EVENTS_PATH_MAX];
    struct p2p_path path = {0};
    if (p2p_peer_path(telling->event->peer, &path) != 0)
        return;
    if (report->json) {
        struct line *line = peer_line(telling, "path");
        add_path(line, &path);
        line_string(line, "why", path.why);
        line_write(line);
    } else if (wants(report, telling->minor ? 1 : 0)) {
        terminal_say(report->colour, STYLE_QUIET, "path to %s: %s; %s", telling->name,
                     events_path_words(words, &path), path.why);
    }
}

static void tell_stalled(const struct telling *telling)
{
    if (telling->report->json)
        line_write(peer_line(telling, "stalled"));
    else if (wants(telling->report, 0))
        terminal_say(telling->report->colour, STYLE_WARNING, "%s is silent; waiting for a sign of life",
                     telling->name);
}

static const char *closed_verb(const char *reason)
{
    static const char *const verbs[][2] = {
        {"left", "has left"},
        {"lost", "is lost: the connection broke and did not come back"},
        {"refused", "has refused us"},
    };
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i][0], reason) == 0)
            return verbs[i][1];
    return "is gone after an error";
}

static void tell_closed(const struct telling *telling)
{
    const struct p2p_event *event = telling->event;
    if (telling->report->json) {
        struct line *line = peer_line(telling, "closed");
        line_string(line, "name", event->peer ? p2p_peer_name(event->peer) : "");
        line_string(line, "reason", event->detail);
        line_string(line, "text", event->text);
        line_write(line);
    } else if (wants(telling->report, telling->minor ? 1 : 0)) {
        terminal_say(telling->report->colour,
                     strcmp(event->detail, "left") == 0 ? STYLE_PLAIN : STYLE_WARNING, "%s %s%s%s%s",
                     *telling->name ? telling->name : "somebody", closed_verb(event->detail),
                     *telling->text ? " (" : "", telling->text, *telling->text ? ")" : "");
    }
}

static void tell_busy(const struct telling *telling)
{
    const struct p2p_event *event = telling->event;
    char why[TEXT_SHOWN * 256 + 1];
    text_show(why, sizeof why, event->detail, strlen(event->detail));
    if (telling->report->json) {
        struct line *line = peer_line(telling, "busy");
        line_string(line, "peer", event->id);
        line_string(line, "name", event->text);
        line_string(line, "text", event->detail);
        line_write(line);
    } else if (wants(telling->report, telling->minor ? 1 : 0)) {
        terminal_say(telling->report->colour, STYLE_QUIET, "%s is here, but not for us: %s",
                     *telling->text ? telling->text : "somebody", why);
    }
}

static void tell_secret(const struct telling *telling)
{
    if (telling->report->json) {
        struct line *line = peer_line(telling, "secret");
        line_bool(line, "final", telling->event->final != 0);
        line_write(line);
    } else if (wants(telling->report, 0)) {
        terminal_say(telling->report->colour, STYLE_WARNING,
                     "somebody in the room does not have our secret, or messages were altered on their way");
    }
}

static void tell_trace(const struct telling *telling)
{
    if (telling->report->json) {
        struct line *line = events_line(telling->report, "trace");
        line_string(line, "direction", telling->event->detail);
        line_string(line, "text", telling->event->text);
        line_write(line);
    } else if (wants(telling->report, 2)) {
        terminal_say(telling->report->colour, STYLE_QUIET, "%s %s",
                     strcmp(telling->event->detail, "in") == 0 ? "<-" : "->", telling->text);
    }
}

void events_show(struct report *report, const struct p2p_node *node, const struct p2p_event *event,
                 bool minor)
{
    static void (*const tell[])(const struct telling *) = {
        [P2P_EVENT_CANDIDATE] = tell_candidate, [P2P_EVENT_JOINED] = tell_joined,
        [P2P_EVENT_BROKER] = tell_broker,       [P2P_EVENT_PEER] = tell_peer,
        [P2P_EVENT_CONNECTED] = tell_connected, [P2P_EVENT_PATH] = tell_path,
        [P2P_EVENT_STALLED] = tell_stalled,     [P2P_EVENT_CLOSED] = tell_closed,
        [P2P_EVENT_BUSY] = tell_busy,           [P2P_EVENT_SECRET] = tell_secret,
        [P2P_EVENT_TRACE] = tell_trace,         [P2P_EVENT_PORTMAP] = tell_portmap,
        [P2P_EVENT_RELAY] = tell_relay,
    };
    if ((size_t)event->type >= sizeof tell / sizeof *tell || !tell[event->type])
        return;
    struct telling telling = {.report = report, .node = node, .event = event, .minor = minor};
    if (event->peer)
        events_name(telling.name, event->peer);
    text_show(telling.text, sizeof telling.text, event->text, strlen(event->text));
    tell[event->type](&telling);
}

void events_message(struct report *report, const struct p2p_peer *peer, const char *text, size_t len)
{
    if (!report->json)
        return;
    struct line *line = events_line(report, "message");
    line_string(line, "peer", p2p_peer_id(peer));
    line_string(line, "name", p2p_peer_name(peer));
    line_text(line, "text", text, len);
    line_write(line);
}

void events_error(struct report *report, int code, const char *sentence)
{
    if (!report->json) {
        terminal_say(report->colour, STYLE_PROBLEM, "p2pconnect: %s", sentence);
        return;
    }
    struct line *line = events_line(report, "error");
    line_number(line, "code", code);
    line_string(line, "message", sentence);
    line_write(line);
}

void events_exit(struct report *report, int code)
{
    if (!report->json)
        return;
    struct line *line = events_line(report, "end");
    line_number(line, "code", code);
    line_write(line);
}

void events_note(struct report *report, int level, const char *format, ...)
{
    char sentence[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    if (report->json && report->level >= level) {
        struct line *line = events_line(report, "note");
        line_string(line, "message", sentence);
        line_write(line);
    } else if (wants(report, level)) {
        terminal_say(report->colour, STYLE_QUIET, "%s", sentence);
    }
}
