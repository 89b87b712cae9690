/* ladder_doctor.c - what doctor has found out, as rows of a ladder. */
#include "json.h"
#include "ladder_event.h"

#include <stdio.h>
#include <string.h>

enum { LIST_SHOWN = 32 };

static void add_note(struct ladder *ladder, int64_t at_ms, enum style style, const char *text)
{
    struct ladder_row row = ladder_row(at_ms, SHAPE_NOTE, 0, LADDER_NOWHERE);
    row.style = style;
    row.rank = RANK_TURN;
    ladder_print(row.text, sizeof row.text, "%s", text);
    ladder_add(ladder, &row);
}

static void add_interfaces(struct ladder *ladder, const struct json *event, int64_t at_ms)
{
    size_t count = 0;
    const struct json *list = json_get_array(event, "interfaces", &count);
    for (size_t i = 0; list && i < count && i < LIST_SHOWN; i++) {
        char text[400];
        const struct json *found = json_array_object(list, i);
        snprintf(text, sizeof text, "%.32s %.64s: %.200s", event_text(found, "name"),
                 event_text(found, "address"), event_text(found, "text"));
        add_note(ladder, at_ms, strcmp(event_text(found, "use"), "used") ? STYLE_QUIET : STYLE_PLAIN, text);
    }
}

static void add_nat(struct ladder *ladder, const struct json *event, int64_t at_ms)
{
    char words[160], text[200];
    const struct json *nat = json_get_object(event, "nat");
    event_nat_words(words, sizeof words, event_text(nat, "mapping"), event_text(nat, "filtering"),
                    event_text(nat, "ports"));
    snprintf(text, sizeof text, "the NAT: %s", words);
    if (*words)
        add_note(ladder, at_ms, STYLE_PLAIN, text);
}

static void add_server(struct ladder *ladder, const struct json *server, enum ladder_place place,
                       int64_t at_ms)
{
    const char *name = event_text(server, "name"), *mapped = event_text(server, "mapped");
    bool answers = strcmp(event_text(server, "state"), "answers") == 0;
    double rtt_ms = 0;
    uint8_t column = ladder_column(ladder, place, NULL);
    struct ladder_row row = ladder_row(at_ms, answers ? SHAPE_ARROW : SHAPE_BREAK, column, 0);
    json_get_number(server, "rtt_ms", &rtt_ms);
    row.rank = RANK_TURN;
    row.style = answers ? STYLE_GOOD : STYLE_PROBLEM;
    if (answers)
        ladder_print(row.label, sizeof row.label, "%.1f ms", rtt_ms);
    else
        ladder_print(row.label, sizeof row.label, "%s", event_text(server, "state"));
    ladder_print(row.text, sizeof row.text, "%s%s%s%s%s", name, *mapped ? ": you are " : "", mapped,
                 *event_text(server, "text") ? ": " : "", event_text(server, "text"));
    if (place == PLACE_STUN && *mapped)
        ladder_column(ladder, PLACE_NAT, NULL);
    ladder_add(ladder, &row);
}

static void add_servers(struct ladder *ladder, const struct json *event, const char *name,
                        enum ladder_place place, int64_t at_ms)
{
    size_t count = 0;
    const struct json *list = json_get_array(event, name, &count);
    for (size_t i = 0; list && i < count && i < LIST_SHOWN; i++)
        add_server(ladder, json_array_object(list, i), place, at_ms);
}

static void add_advice(struct ladder *ladder, const struct json *event, int64_t at_ms)
{
    size_t count = 0;
    const struct json *list = json_get_array(event, "advice", &count);
    for (size_t i = 0; list && i < count && i < LIST_SHOWN; i++) {
        bool attention = false;
        const struct json *advice = json_array_object(list, i);
        json_get_bool(advice, "attention", &attention);
        add_note(ladder, at_ms, attention ? STYLE_WARNING : STYLE_PLAIN, event_text(advice, "text"));
    }
}

void ladder_doctor(struct ladder_reader *reader, const struct json *event, int64_t at_ms)
{
    struct ladder *ladder = reader->ladder;
    bool well = false;
    add_interfaces(ladder, event, at_ms);
    add_servers(ladder, event, "stun", PLACE_STUN, at_ms);
    add_nat(ladder, event, at_ms);
    add_servers(ladder, event, "turn", PLACE_TURN, at_ms);
    add_servers(ladder, event, "brokers", PLACE_BROKER, at_ms);
    add_advice(ladder, event, at_ms);
    json_get_bool(event, "well", &well);
    add_note(ladder, at_ms, well ? STYLE_GOOD : STYLE_WARNING,
             well ? "all is well" : "something needs attention");
}
