/* ladder_event.c - events as rows of a ladder.
 *
 * Anybody may have written a line, and a peer much of what is in it: nothing here trusts a member to be
 * there, to be of its type or to be fit for a terminal. What a chat says is nobody's business who sees the
 * picture: only its length is told. */
#include "ladder_event.h"

#include "json.h"

#include <stdio.h>
#include <string.h>

const char *event_text(const struct json *event, const char *name)
{
    const char *text = NULL;
    return json_get_text(event, name, &text) ? text : "";
}

static double number_of(const struct json *event, const char *name)
{
    double number = 0;
    json_get_number(event, name, &number);
    return number > -1e15 && number < 1e15 ? number : 0;
}

static bool truth_of(const struct json *event, const char *name)
{
    bool truth = false;
    json_get_bool(event, name, &truth);
    return truth;
}

/* One event on its way in. */
struct reading {
    struct ladder_reader *reader;
    struct ladder *ladder;
    const struct json *event;
    int64_t at_ms;
};

/* With the name that the event says, if it says one. */
static uint8_t named(const struct reading *reading, uint8_t peer)
{
    const char *name = event_text(reading->event, "name");
    struct ladder_column *column = &reading->ladder->columns[peer];
    if (*name && *column->id)
        ladder_print(column->name, sizeof column->name, "%s", name);
    return peer;
}

/* The column of the peer that the event names, and that we have to do with. */
static uint8_t peer_of(const struct reading *reading)
{
    const char *id = event_text(reading->event, "peer");
    return *id ? named(reading, ladder_meet(reading->ladder, id)) : LADDER_NOWHERE;
}

/* The same of one that is only there. */
static uint8_t voice_of(const struct reading *reading)
{
    const char *id = event_text(reading->event, "peer");
    return *id ? named(reading, ladder_column(reading->ladder, PLACE_PEER, id)) : LADDER_NOWHERE;
}

static const char *peer_name(const struct reading *reading, uint8_t peer)
{
    return peer == LADDER_NOWHERE ? "somebody" : reading->ladder->columns[peer].name;
}

static struct ladder_row note(const struct reading *reading, enum style style)
{
    struct ladder_row row = ladder_row(reading->at_ms, SHAPE_NOTE, 0, LADDER_NOWHERE);
    row.style = style;
    return row;
}

/* ---- where we are reachable ---- */

/* HOST of HOST:PORT. */
static void print_host(char *out, size_t capacity, const char *address)
{
    const char *colon = strrchr(address, ':');
    ladder_print(out, capacity, "%.*s", colon ? (int)(colon - address) : 64, address);
}

static void read_candidate(const struct reading *reading)
{
    static const struct {
        const char *kind, *label;
        enum ladder_place from;
    } kinds[] = {{"srflx", "you are", PLACE_STUN},
                 {"mapped", "port opened", PLACE_NAT},
                 {"relay", "lends", PLACE_TURN}};
    const char *kind = event_text(reading->event, "kind"), *address = event_text(reading->event, "address");
    struct ladder_row row = note(reading, STYLE_QUIET), *last = ladder_last(reading->ladder);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kind, kinds[i].kind) != 0)
            continue;
        if (kinds[i].from != PLACE_TURN) {
            uint8_t nat = ladder_column(reading->ladder, PLACE_NAT, NULL);
            print_host(reading->ladder->columns[nat].detail, LADDER_NAME_MAX, address);
        }
        row.shape = SHAPE_ARROW;
        row.from = ladder_column(reading->ladder, kinds[i].from, NULL);
        row.to = 0;
        ladder_print(row.label, sizeof row.label, "%s %s", kinds[i].label, address);
        ladder_add(reading->ladder, &row);
        return;
    }
    bool goes_on = last && last->shape == SHAPE_NOTE && strncmp(last->text, "addresses ", 10) == 0 &&
                   strlen(last->text) + strlen(address) * 4 + 3 < sizeof last->text;
    size_t len = goes_on ? strlen(last->text) : 0;
    if (goes_on) {
        ladder_print(last->text + len, sizeof last->text - len, ", %s", address);
        return;
    }
    ladder_print(row.text, sizeof row.text, "addresses here: %s", address);
    ladder_add(reading->ladder, &row);
}

static void read_portmap(const struct reading *reading)
{
    struct ladder_row row = note(reading, STYLE_QUIET);
    ladder_print(row.text, sizeof row.text, "no port is opened for %s: %s",
                 event_text(reading->event, "address"), event_text(reading->event, "text"));
    ladder_add(reading->ladder, &row);
}

/* ---- the room ---- */

static void name_broker(const struct reading *reading, const char *name)
{
    uint8_t broker = ladder_column(reading->ladder, PLACE_BROKER, NULL);
    if (*name && !*reading->ladder->columns[broker].detail)
        ladder_print(reading->ladder->columns[broker].detail, LADDER_NAME_MAX, "%s", name);
}

static void read_room(const struct reading *reading)
{
    size_t count = 0;
    const struct json *brokers = json_get_array(reading->event, "brokers", &count);
    const char *broker = brokers && count ? json_array_text(brokers, 0) : NULL;
    struct ladder_column *self = &reading->ladder->columns[0];
    name_broker(reading, broker ? broker : "");
    ladder_print(self->id, sizeof self->id, "%s", event_text(reading->event, "id"));
    struct ladder_row row =
        ladder_row(reading->at_ms, SHAPE_ARROW, 0, ladder_column(reading->ladder, PLACE_BROKER, NULL));
    row.rank = RANK_TURN;
    row.style = STYLE_GOOD;
    ladder_print(row.label, sizeof row.label, "joins the room");
    ladder_print(row.text, sizeof row.text, "room %s%s by way of %s", event_text(reading->event, "room"),
                 truth_of(reading->event, "open") ? ", open," : "", broker ? broker : "a broker");
    ladder_add(reading->ladder, &row);
}

static void read_broker(const struct reading *reading)
{
    bool connected = truth_of(reading->event, "connected");
    name_broker(reading, event_text(reading->event, "broker"));
    uint8_t broker = ladder_column(reading->ladder, PLACE_BROKER, NULL);
    struct ladder_row row = ladder_row(reading->at_ms, connected ? SHAPE_ARROW : SHAPE_BREAK, 0, broker);
    row.style = connected ? STYLE_PLAIN : STYLE_WARNING;
    ladder_print(row.label, sizeof row.label, "%s", connected ? "joins here too" : "no broker");
    ladder_print(row.text, sizeof row.text, "%s",
                 event_text(reading->event, connected ? "broker" : "message"));
    ladder_add(reading->ladder, &row);
}

static void read_relay(const struct reading *reading)
{
    struct ladder_row row =
        ladder_row(reading->at_ms, SHAPE_BREAK, 0, ladder_column(reading->ladder, PLACE_TURN, NULL));
    row.style = STYLE_WARNING;
    ladder_print(row.label, sizeof row.label, "no relay");
    ladder_print(row.text, sizeof row.text, "%s", event_text(reading->event, "message"));
    ladder_add(reading->ladder, &row);
}

static void read_secret(const struct reading *reading)
{
    struct ladder_row row = note(reading, STYLE_PROBLEM);
    row.rank = RANK_TURN;
    ladder_print(row.text, sizeof row.text,
                 "somebody could not prove the room's secret, or messages were altered on their way");
    ladder_add(reading->ladder, &row);
}

/* ---- a peer ---- */

static void read_peer(const struct reading *reading)
{
    const char *purpose = event_text(reading->event, "purpose"), *words = event_text(reading->event, "words");
    uint8_t peer = peer_of(reading);
    struct ladder_row row = ladder_row(reading->at_ms, SHAPE_ARROW, peer, 0);
    if (peer == LADDER_NOWHERE)
        return;
    row.via = ladder_column(reading->ladder, PLACE_BROKER, NULL);
    row.rank = RANK_TURN;
    row.style = STYLE_GOOD;
    ladder_print(row.label, sizeof row.label, "met and proven");
    ladder_print(row.text, sizeof row.text, "%s (%s) %s%s", peer_name(reading, peer), purpose,
                 *words ? "knows the open room's name; four words: " : "has proven the room's secret", words);
    ladder_add(reading->ladder, &row);
}

static void read_busy(const struct reading *reading)
{
    uint8_t peer = voice_of(reading);
    struct ladder_row row = ladder_row(reading->at_ms, SHAPE_ARROW, peer, 0);
    if (peer == LADDER_NOWHERE)
        return;
    row.via = ladder_column(reading->ladder, PLACE_BROKER, NULL);
    row.style = STYLE_WARNING;
    ladder_print(row.label, sizeof row.label, "not for us");
    ladder_print(row.text, sizeof row.text, "%s: %s", peer_name(reading, peer),
                 event_text(reading->event, "text"));
    ladder_add(reading->ladder, &row);
}

/* Both `path` and `connected`; the second says again what the first has said. */
static void read_path(const struct reading *reading, bool connected)
{
    const struct json *event = reading->event;
    const char *kind = event_text(event, "kind"), *why = event_text(event, "why");
    uint8_t peer = peer_of(reading);
    struct ladder_row row = ladder_row(reading->at_ms, SHAPE_PATH, 0, peer);
    char path[LADDER_TEXT_MAX];
    if (peer == LADDER_NOWHERE)
        return;
    bool turn = strcmp(kind, "turn") == 0, broker = strcmp(kind, "broker") == 0;
    row.via = turn     ? ladder_column(reading->ladder, PLACE_TURN, NULL)
              : broker ? ladder_column(reading->ladder, PLACE_BROKER, NULL)
                       : LADDER_NOWHERE;
    row.nats = strcmp(kind, "host") != 0 && strcmp(kind, "lan") != 0;
    row.rank = RANK_TURN;
    row.style = broker ? STYLE_WARNING : STYLE_GOOD;
    ladder_print(row.label, sizeof row.label, "%s%s, %.1f ms", connected ? "connected: " : "", kind,
                 number_of(event, "rtt_ms"));
    ladder_print(path, sizeof path, "%s - %s; %s", event_text(event, "local"), event_text(event, "remote"),
                 why);
    if (!connected || strcmp(path, reading->reader->path) != 0)
        memcpy(row.text, path, sizeof path);
    if (!connected)
        row.rank = RANK_DETAIL;
    memcpy(reading->reader->path, path, sizeof path);
    struct ladder_row *last = ladder_last(reading->ladder);
    if (connected && !*row.text && last && last->shape == SHAPE_PATH && last->to == peer) {
        memcpy(last->label, row.label, sizeof row.label);
        last->at_ms = row.at_ms, last->rank = RANK_TURN;
        return;
    }
    ladder_add(reading->ladder, &row);
}

static void read_a_path(const struct reading *reading)
{
    read_path(reading, false);
}

static void read_connected(const struct reading *reading)
{
    read_path(reading, true);
}

static void read_stalled(const struct reading *reading)
{
    uint8_t peer = peer_of(reading);
    struct ladder_row row = ladder_row(reading->at_ms, SHAPE_BREAK, 0, peer);
    if (peer == LADDER_NOWHERE)
        return;
    row.style = STYLE_WARNING;
    row.rank = RANK_TURN;
    ladder_print(row.label, sizeof row.label, "silent");
    ladder_add(reading->ladder, &row);
}

static void read_closed(const struct reading *reading)
{
    uint8_t peer = peer_of(reading);
    struct ladder_row row = ladder_row(reading->at_ms, SHAPE_BREAK, peer, 0);
    const char *reason = event_text(reading->event, "reason");
    if (peer == LADDER_NOWHERE)
        row = note(reading, STYLE_PLAIN);
    row.style = strcmp(reason, "left") == 0 ? STYLE_PLAIN : STYLE_PROBLEM;
    row.rank = RANK_TURN;
    ladder_print(row.label, sizeof row.label, "closed: %s", reason);
    ladder_print(row.text, sizeof row.text, "%s", event_text(reading->event, "text"));
    ladder_add(reading->ladder, &row);
}

/* ---- what travels ---- */

/* `came`: from the peer; else both may have a part in it. */
static void add_exchange(const struct reading *reading, enum ladder_rank rank, bool came, const char *label,
                         const char *text)
{
    uint8_t peer = peer_of(reading);
    struct ladder_row row = note(reading, STYLE_PLAIN);
    if (peer != LADDER_NOWHERE && came)
        row = ladder_row(reading->at_ms, SHAPE_ARROW, peer, 0);
    row.rank = rank;
    ladder_print(row.label, sizeof row.label, "%s", label);
    ladder_print(row.text, sizeof row.text, "%s", text);
    ladder_add(reading->ladder, &row);
}

static void read_message(const struct reading *reading)
{
    char label[64];
    snprintf(label, sizeof label, "message, %zu bytes", strlen(event_text(reading->event, "text")));
    add_exchange(reading, RANK_CHATTER, true, label, "");
}

static void read_ping(const struct reading *reading)
{
    char label[64];
    snprintf(label, sizeof label, "ping %.0f: %.1f ms", number_of(reading->event, "number"),
             number_of(reading->event, "rtt_ms"));
    add_exchange(reading, RANK_CHATTER, true, label, "");
}

static void read_summary(const struct reading *reading)
{
    const struct json *event = reading->event;
    struct ladder_row row = note(reading, STYLE_PLAIN);
    ladder_print(row.text, sizeof row.text,
                 "%.0f pings, %.0f came back; min %.1f, median %.1f, max %.1f ms; path %s; %s",
                 number_of(event, "sent"), number_of(event, "received"), number_of(event, "min_ms"),
                 number_of(event, "median_ms"), number_of(event, "max_ms"), event_text(event, "kind"),
                 event_text(event, "why"));
    ladder_add(reading->ladder, &row);
}

static void read_offer(const struct reading *reading)
{
    char label[80], text[80];
    double files = number_of(reading->event, "files");
    snprintf(label, sizeof label, "offers %.0f file%s", files, files == 1 ? "" : "s");
    snprintf(text, sizeof text, "%.0f bytes", number_of(reading->event, "bytes"));
    add_exchange(reading, RANK_DETAIL, true, label, text);
}

static void read_progress(const struct reading *reading)
{
    char label[100];
    snprintf(label, sizeof label, "%.1f of %.1f MB", number_of(reading->event, "bytes") / 1e6,
             number_of(reading->event, "total") / 1e6);
    add_exchange(reading, RANK_CHATTER, false, label, "");
}

static void read_file(const struct reading *reading)
{
    char text[LADDER_TEXT_MAX];
    snprintf(text, sizeof text, "%.200s: %.20s %.300s", event_text(reading->event, "path"),
             event_text(reading->event, "fate"), event_text(reading->event, "message"));
    struct ladder_row row = note(reading, STYLE_QUIET);
    row.rank = RANK_CHATTER;
    ladder_print(row.text, sizeof row.text, "%s", text);
    ladder_add(reading->ladder, &row);
}

static void read_transfer(const struct reading *reading)
{
    char text[LADDER_TEXT_MAX];
    const struct json *event = reading->event;
    bool complete = truth_of(event, "complete");
    snprintf(text, sizeof text, "%.0f arrived, %.0f were there, %.0f failed; %.0f bytes travelled",
             number_of(event, "arrived"), number_of(event, "already"), number_of(event, "failed"),
             number_of(event, "moved"));
    add_exchange(reading, RANK_TURN, false, complete ? "transfer complete" : "transfer ended", text);
}

/* ---- ourselves ---- */

static void read_error(const struct reading *reading)
{
    struct ladder_row row = note(reading, STYLE_PROBLEM);
    double code = number_of(reading->event, "code");
    row.rank = RANK_TURN;
    reading->reader->error_code = code > 0 && code < 256 ? (int)code : 0;
    ladder_print(row.text, sizeof row.text, "ends with exit code %.0f: %s", code,
                 event_text(reading->event, "message"));
    ladder_add(reading->ladder, &row);
}

static void read_end(const struct reading *reading)
{
    struct ladder_row row = note(reading, STYLE_PLAIN);
    double code = number_of(reading->event, "code");
    row.rank = RANK_TURN;
    if (reading->reader->error_code && reading->reader->error_code == (int)code)
        return;
    ladder_print(row.text, sizeof row.text, "ends with exit code %.0f", code);
    ladder_add(reading->ladder, &row);
}

static void read_life(const struct reading *reading)
{
    struct ladder_row row = note(reading, STYLE_QUIET);
    ladder_print(row.text, sizeof row.text,
                 "a silent mapping: alive after %.0f s, gone after %.0f s (0: not seen)",
                 number_of(reading->event, "alive_s"), number_of(reading->event, "dead_s"));
    ladder_add(reading->ladder, &row);
}

/* Notes, forward's and whatever later versions may tell. */
static void read_other(const struct reading *reading)
{
    static const char *const members[] = {"message", "text", "state", "address", "kind"};
    const char *name = event_text(reading->event, "event"), *says = "";
    for (size_t i = 0; i < sizeof members / sizeof *members && !*says; i++)
        says = event_text(reading->event, members[i]);
    struct ladder_row row = note(reading, STYLE_QUIET);
    bool is_note = strcmp(name, "note") == 0;
    ladder_print(row.text, sizeof row.text, "%s%s%s", is_note ? "" : name, is_note || !*says ? "" : ": ",
                 says);
    ladder_add(reading->ladder, &row);
}

static void read_trace(const struct reading *reading)
{
    ladder_trace(reading->reader, reading->event, reading->at_ms);
}

static void read_doctor(const struct reading *reading)
{
    ladder_doctor(reading->reader, reading->event, reading->at_ms);
}

static void (*reader_of(const char *name))(const struct reading *)
{
    static const struct {
        const char *name;
        void (*read)(const struct reading *);
    } known[] = {
        {"candidate", read_candidate}, {"portmap", read_portmap},   {"room", read_room},
        {"broker", read_broker},       {"relay", read_relay},       {"secret", read_secret},
        {"peer", read_peer},           {"busy", read_busy},         {"path", read_a_path},
        {"connected", read_connected}, {"stalled", read_stalled},   {"closed", read_closed},
        {"message", read_message},     {"ping", read_ping},         {"summary", read_summary},
        {"offer", read_offer},         {"progress", read_progress}, {"file", read_file},
        {"transfer", read_transfer},   {"error", read_error},       {"end", read_end},
        {"life", read_life},           {"trace", read_trace},       {"doctor", read_doctor},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].read;
    return read_other;
}

/* Where the object begins: the last {"event", for inside of an event's texts every quote has a backslash
 * before it. So a journal's time and unit, or data without a line feed, may stand before it. */
static size_t find_event(const char *line, size_t len)
{
    static const char begins[] = "{\"event\"";
    const size_t most = sizeof begins - 1;
    for (size_t at = len >= most ? len - most + 1 : 0; at-- > 0;)
        if (memcmp(line + at, begins, most) == 0)
            return at;
    return len;
}

bool ladder_event_line(struct ladder_reader *reader, const char *line, size_t len)
{
    size_t at = find_event(line, len);
    int64_t at_ms;
    struct json *event = json_parse_long((const uint8_t *)line + at, len - at, EVENT_LINE_MAX);
    const char *name;
    bool good =
        event && json_get_text(event, "event", &name) && json_get_int(event, "t_ms", 0, INT64_MAX, &at_ms);
    if (good) {
        struct reading reading = {reader, reader->ladder, event, at_ms};
        if (at_ms < reader->last_ms) {
            struct ladder_row rule = ladder_row(at_ms, SHAPE_RULE, 0, LADDER_NOWHERE);
            rule.rank = RANK_TURN;
            ladder_print(rule.label, sizeof rule.label, "another run begins");
            ladder_add(reader->ladder, &rule);
            reader->ladder->runs++;
            reader->error_code = 0;
        }
        reader->last_ms = at_ms;
        reader_of(name)(&reading);
    }
    json_free(event);
    return good;
}
