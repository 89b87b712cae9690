/* ladder_trace.c - a message of the room, as -vv shows it, as a row: who sent it, what it is, what its box
 * holds.
 *
 * Of addresses and NATs only what a reader needs is told; keys, tags and boxes are noise to people. */
#include "json.h"
#include "ladder_event.h"

#include <stdio.h>
#include <string.h>

enum { ADDRESSES_MAX = 16 }; /* of one message (signaling/README.md) */

/* FNV-1a: the same message in both logs has the same. Nothing depends on it but a picture. */
static uint64_t hash(const char *text)
{
    uint64_t value = UINT64_C(14695981039346656037);
    for (; *text; text++)
        value = (value ^ (uint8_t)*text) * UINT64_C(1099511628211);
    return value ? value : 1;
}

/* The NAT in front of whoever sent these: a reflexive address says that there is one. */
static void learn_nat(struct ladder *ladder, const char *peer, const char *address)
{
    const char *colon = strrchr(address, ':');
    uint8_t nat = ladder_column(ladder, PLACE_PEER_NAT, peer);
    if (nat != LADDER_NOWHERE)
        ladder_print(ladder->columns[nat].detail, LADDER_NAME_MAX, "%.*s", colon ? (int)(colon - address) : 0,
                     address);
}

static void append(char *text, const char *separator, const char *more)
{
    size_t len = strlen(text);
    ladder_print(text + len, LADDER_TEXT_MAX - len, "%s%s", len ? separator : "", more);
}

static const char *from_where(const char *kind)
{
    static const char *const kinds[][2] = {
        {"srflx", " (seen outside)"}, {"mapped", " (opened port)"}, {"relay", " (relay)"}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i][0], kind) == 0)
            return kinds[i][1];
    return "";
}

/* `peer`: whose they are; NULL: ours. */
static void tell_addresses(struct ladder *ladder, const struct json *inner, const char *peer, char *text)
{
    size_t count = 0;
    const struct json *list = json_get_array(inner, "candidates", &count);
    for (size_t i = 0; list && i < count && i < ADDRESSES_MAX; i++) {
        char one[160];
        const struct json *candidate = json_array_object(list, i);
        const char *kind = event_text(candidate, "kind"), *address = event_text(candidate, "address");
        if (peer && strcmp(kind, "srflx") == 0)
            learn_nat(ladder, peer, address);
        snprintf(one, sizeof one, "%.64s%s", address, from_where(kind));
        append(text, ", ", one);
    }
}

void event_nat_words(char *out, size_t capacity, const char *map, const char *filter, const char *ports)
{
    static const char *const words[][2] = {
        {"none", "no NAT"},
        {"endpoint", "one port for all"},
        {"address", "a port for each address"},
        {"both", "a port for each destination"},
        {"address-and-port", "a port for each destination"},
    };
    static const char *const entries[][2] = {
        {"endpoint", "everybody is let in"},
        {"address", "who was written to is let in"},
        {"both", "answers are let in"},
        {"address-and-port", "answers are let in"},
    };
    const char *said = "", *entry = "";
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        said = strcmp(words[i][0], map) == 0 ? words[i][1] : said;
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        entry = strcmp(entries[i][0], filter) == 0 ? entries[i][1] : entry;
    bool known = *ports && strcmp(ports, "unknown") != 0;
    snprintf(out, capacity, "%s%s%s%s%s%.20s", said, *said && *entry ? ", " : "", entry,
             (*said || *entry) && known ? ", " : "", known ? "ports " : "", known ? ports : "");
}

/* What is known of the NAT in front of it; what is not known is not said. */
static void tell_nat(const struct json *inner, char *text)
{
    const struct json *nat = json_get_object(inner, "nat");
    bool blocked = false;
    char words[160], one[200];
    event_nat_words(words, sizeof words, event_text(nat, "map"), event_text(nat, "filter"),
                    event_text(nat, "ports"));
    snprintf(one, sizeof one, "its NAT: %s", words);
    if (*words)
        append(text, "; ", one);
    if (json_get_bool(inner, "udp_blocked", &blocked) && blocked)
        append(text, "; ", "no UDP passes there");
    if (json_has(inner, "worked"))
        append(text, "; ", "knows what worked before");
}

static void tell_inner(struct ladder *ladder, const struct json *inner, const char *peer, char *text)
{
    *text = '\0';
    tell_addresses(ladder, inner, peer, text);
    tell_nat(inner, text);
    const char *reason = event_text(inner, "reason");
    if (*reason)
        append(text, "; ", reason);
}

/* The message itself, which everybody in the room may read. */
static void add_envelope(struct ladder_reader *reader, const struct json *message, bool in, int64_t at_ms,
                         uint64_t key)
{
    struct ladder *ladder = reader->ladder;
    uint8_t broker = ladder_column(ladder, PLACE_BROKER, NULL);
    const char *type = event_text(message, "type"), *from = event_text(message, "from");
    struct ladder_row row = ladder_row(at_ms, SHAPE_ARROW, 0, broker);
    if (in) {
        row = ladder_row(at_ms, SHAPE_ARROW, ladder_column(ladder, PLACE_PEER, from), 0);
        row.via = broker;
        ladder_print(reader->opened, sizeof reader->opened, "%s", from);
    }
    row.rank = RANK_CHATTER;
    row.style = STYLE_QUIET;
    row.sent = !in, row.came = in;
    row.key = key;
    bool boxed = !in && *reader->sealed && json_has(message, "box");
    ladder_print(row.label, sizeof row.label, "%s%s%s", type, boxed ? ": " : "", boxed ? reader->sealed : "");
    if (boxed) {
        memcpy(row.text, reader->sealed_text, sizeof row.text);
        *reader->sealed = '\0';
    }
    ladder_add(ladder, &row);
}

/* What was in a box: ours comes before the message that carries it, a peer's after. */
static void add_inner(struct ladder_reader *reader, const struct json *inner, bool in)
{
    const char *type = event_text(inner, "type"), *name = event_text(inner, "name");
    struct ladder_row *last = ladder_last(reader->ladder);
    struct ladder_column *self = &reader->ladder->columns[0];
    if (in) {
        if (!last || !last->came || strchr(last->label, ':'))
            return;
        size_t len = strlen(last->label);
        ladder_print(last->label + len, sizeof last->label - len, ": %s", type);
        tell_inner(reader->ladder, inner, reader->opened, last->text);
        return;
    }
    if (*name)
        ladder_print(self->name, sizeof self->name, "%s (here)", name);
    ladder_print(reader->sealed, sizeof reader->sealed, "%s", type);
    tell_inner(reader->ladder, inner, NULL, reader->sealed_text);
}

void ladder_trace(struct ladder_reader *reader, const struct json *event, int64_t at_ms)
{
    const char *text = event_text(event, "text");
    bool in = strcmp(event_text(event, "direction"), "in") == 0;
    struct json *message = json_parse((const uint8_t *)text, strlen(text));
    if (message && *event_text(message, "from"))
        add_envelope(reader, message, in, at_ms, hash(text));
    else if (message)
        add_inner(reader, message, in);
    json_free(message);
}
