/* ladder_event.h - events as rows of a ladder: what --json writes, line by line. */
#ifndef LADDER_EVENT_H
#define LADDER_EVENT_H

#include "ladder.h"

struct json;

enum { EVENT_LINE_MAX = 1 << 19 }; /* bytes; the longest is a message of 64 KiB, each byte as \u00NN */

/* What one event leaves behind for the next. Begins zeroed but for the ladder. */
struct ladder_reader {
    struct ladder *ladder;
    int64_t last_ms;
    int error_code; /* of the last error event; 0: none */
    char path[LADDER_TEXT_MAX];
    char sealed[LADDER_LABEL_MAX],
        sealed_text[LADDER_TEXT_MAX]; /* what the next message out has in its box */
    char opened[LADDER_ID_MAX];       /* whose box the last message in was */
};

/* A line of a log, without its line feed: an event, with anything before it. False: there is none in it. */
bool ladder_event_line(struct ladder_reader *reader, const char *line, size_t len);

/* For the two below, each of which knows one kind of event. */
void ladder_trace(struct ladder_reader *reader, const struct json *event, int64_t at_ms);
void ladder_doctor(struct ladder_reader *reader, const struct json *event, int64_t at_ms);

/* What a NAT does, by the words that peers and doctor have for it (RFC 4787); empty: nothing is known. */
void event_nat_words(char *out, size_t capacity, const char *map, const char *filter, const char *ports);
/* A text member, or "". */
const char *event_text(const struct json *event, const char *name);

#endif
