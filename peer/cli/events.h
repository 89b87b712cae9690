/* events.h - tells on standard error what happens: a sentence for people, or a JSON line for programs. */
#ifndef EVENTS_H
#define EVENTS_H

#include "line.h"
#include "options.h"
#include "p2pconnect.h"

enum { TROUBLE_MAX = 512, EVENTS_PATH_MAX = 128 };

/* Begins zeroed but for what is set by events_begin. */
struct report {
    bool json, colour;
    int level;           /* -1: quiet, 0, 1: -v, 2: -vv */
    uint64_t started_ns; /* of the program: t_ms counts from here */
    struct line line;
    const char *room;          /* for the room event */
    bool open;                 /* the room has no secret */
    bool in_room;              /* the room event is out */
    bool words;                /* chat: show the four words of an open room */
    char trouble[TROUBLE_MAX]; /* what a broker's last failure was, fit for a terminal; empty: none since it
                                  worked */
};

void events_begin(struct report *report, const struct options *options, uint64_t started_ns);
void events_end(struct report *report);

/* `node` is asked for the room's topic. `minor`: people hear of it with -v only (a path to somebody not yet
 * connected, what has been said before). */
void events_show(struct report *report, const struct p2p_node *node, const struct p2p_event *event,
                 bool minor);
/* A text message of a peer. For people it is the program's output: only the JSON line is written here. */
void events_message(struct report *report, const struct p2p_peer *peer, const char *text, size_t len);
/* The reason why the program ends with `code`. */
void events_error(struct report *report, int code, const char *sentence);
/* The last event of a session: the code that it ends with. */
void events_exit(struct report *report, int code);
/* Something worth knowing that is no event of the library: `level` as in the report. */
void events_note(struct report *report, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Begins a JSON line with "event" and "t_ms"; the caller adds members and calls line_write. */
struct line *events_line(struct report *report, const char *event);

enum { SHOWN_NAME_MAX = 280 }; /* 64 bytes of a name, each at most as \xNN, and #ID */

/* A peer's name, fit for a terminal; where another here has the same, with # and the start of its id. Returns
 * `shown`. */
const char *events_name(char shown[SHOWN_NAME_MAX], const struct p2p_peer *peer);

/* "direct, 203.0.113.5:4000, 40.1 ms"; without a round trip while there is none. Returns out. */
const char *events_path_words(char out[EVENTS_PATH_MAX], const struct p2p_path *path);

#endif
