/* receive.c - files and folders from who sends in the room, into one folder.
 *
 * Each sender has an arrival of its own: its offer is read, shown and accepted; then a thread (file_writer.c)
 * looks what is there and writes what comes. Here bytes only go from the lanes into its pieces. Nothing is
 * read from a lane without a free piece: that is the back-pressure of a slow disk, and the bound on memory.
 */
#include "clock.h"
#include "commands.h"
#include "credit.h"
#include "descriptors.h"
#include "file_writer.h"
#include "heap.h"
#include "session.h"
#include "terminal.h"
#include "text.h"
#include "transfer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PIECES_A_TURN = 32,
    OFFER_PATIENCE_S = 60, /* for the whole offer, */
    OFFER_SLOWEST = 1024,  /* and a second more for so many bytes of it */
    SPARE_FILES = 256,     /* what is open besides unfinished files */
    SENDERS = 64,          /* with --keep */
    GOODBYE_S = 3,         /* for our last words to be acknowledged */
    OUT_MAX = 65536,
    LAST_WORDS_MAX = FRAME_LEN + REASON_MAX, /* of OUT_MAX, which nothing else takes */
    ANSWER_MAX = 16,
    WHY_MAX = TEXT_SHOWN * REASON_MAX + 600,
    OFFERS_BYTES_MAX = 4 * MANIFEST_BYTES_MAX /* of all senders together: see make_room */
};

struct lane {
    struct p2p_stream *stream;
    struct piece *piece; /* being put together; NULL: none */
    struct record record;
    uint8_t head[RECORD_LEN];
    size_t head_at;
    bool readable, ended;
};

enum phase { PHASE_OFFER, PHASE_ASKING, PHASE_WORKING, PHASE_LEAVING, PHASE_OVER };

struct arrival {
    struct arrival *next;
    struct session *session;
    struct member *member; /* NULL: gone */
    enum phase phase;
    uint64_t until;               /* OFFER and LEAVING end then (ns) */
    uint64_t signed_at, heard_at; /* the last signs of life: ours, and on the lanes (ns) */
    struct credit credit;
    uint64_t rtt;  /* the shortest of this path, ns; 0: unknown */
    char path[64]; /* the address that it leads to */
    bool moved;    /* it is not the path that the transfer began with */
    struct p2p_stream *offer;
    bool readable, blocked;
    uint8_t *bytes; /* the manifest, encoded */
    size_t len, capacity;
    struct manifest manifest;
    struct file_writer *writer;
    struct lane lanes[LANES];
    bool lanes_ended;
    uint8_t out[OUT_MAX]; /* frames for the sender */
    size_t out_at, out_end;
    struct transfer transfer;
    int code; /* of the end, and its sentence */
    char sentence[WHY_MAX];
};

struct receiving {
    const char *folder;
    struct arrival *arrivals;
    struct arrival *asking; /* the question is out */
    unsigned begun, active;
    size_t offered; /* bytes of the offers of all in the list, taken or not */
    char answer[ANSWER_MAX];
    size_t answer_len;
    int code;
    char why[WHY_MAX]; /* of the first that did not end well */
};

/* ---- the end of an arrival ---- */

static void arrival_over(struct arrival *arrival)
{
    struct receiving *receiving = arrival->session->state;
    if (arrival->phase == PHASE_OVER)
        return;
    arrival->phase = PHASE_OVER;
    receiving->active--;
    if (receiving->asking == arrival)
        receiving->asking = NULL;
    if (arrival->code && !receiving->code) {
        receiving->code = arrival->code;
        snprintf(receiving->why, sizeof receiving->why, "%s", arrival->sentence);
    } else if (arrival->code) {
        events_note(&arrival->session->report, 0, "%s: %s", arrival->transfer.name, arrival->sentence);
    }
    if (arrival->member)
        p2p_peer_close(arrival->member->peer, arrival->code ? NULL : "done");
}

/* What is whole still gets its name; our last frames may need a moment to get there. */
static void arrival_leave(struct arrival *arrival, int code, const char *sentence)
{
    if (arrival->phase >= PHASE_LEAVING)
        return;
    arrival->phase = PHASE_LEAVING;
    arrival->until = UINT64_MAX; /* until the writer is through */
    arrival->code = code;
    snprintf(arrival->sentence, sizeof arrival->sentence, "%s", sentence ? sentence : "");
    if (arrival->writer)
        file_writer_stop(arrival->writer);
}

static void say(struct arrival *arrival, enum frame_kind kind, const char *text)
{
    size_t len = text ? strlen(text) : 0;
    if (len > REASON_MAX)
        len = REASON_MAX;
    if (arrival->out_at == arrival->out_end)
        arrival->out_at = arrival->out_end = 0;
    size_t kept = kind == FRAME_REFUSE ? 0 : LAST_WORDS_MAX;
    if (OUT_MAX - arrival->out_end < FRAME_LEN + len + kept)
        return; /* the sender does not read: it will not read this either */
    frame_write(arrival->out + arrival->out_end, kind, len);
    if (len)
        memcpy(arrival->out + arrival->out_end + FRAME_LEN, text, len);
    arrival->out_end += FRAME_LEN + len;
}

static void refuse(struct arrival *arrival, int code, const char *why, const char *sentence)
{
    say(arrival, FRAME_REFUSE, why);
    arrival_leave(arrival, code, sentence);
}

/* ---- the offer ---- */

static void wake(void *node)
{
    p2p_node_wake(node);
}

static void accept_offer(struct arrival *arrival)
{
    struct receiving *receiving = arrival->session->state;
    struct file_store store;
    char sentence[WHY_MAX];
    if (file_store_open(&store, receiving->folder))
        arrival->writer = file_writer_new(&store, &arrival->manifest, arrival->session->options->symlinks,
                                          wake, arrival->session->node);
    if (!arrival->writer) {
        snprintf(sentence, sizeof sentence, "cannot write into the folder: %s", strerror(errno));
        file_store_close(&store);
        refuse(arrival, EXIT_OTHER, "it cannot write there", sentence);
        return;
    }
    arrival->phase = PHASE_WORKING;
    arrival->heard_at = arrival->session->now;
    credit_begin(&arrival->credit, arrival->session->now);
    say(arrival, FRAME_ACCEPT, NULL);
}

/* Asked when nobody has said yes before, by --yes or by a size below which nobody needs to be asked. */
static void consider_offer(struct arrival *arrival)
{
    const struct options *options = arrival->session->options;
    const char *problem = manifest_parse(&arrival->manifest, arrival->bytes, arrival->len);
    char words[OFFER_WORDS_MAX], sentence[WHY_MAX];
    free(arrival->bytes);
    arrival->bytes = NULL;
    if (problem) {
        snprintf(sentence, sizeof sentence, "what %s offers is refused: %s", arrival->transfer.name, problem);
        refuse(arrival, EXIT_OTHER, problem, sentence);
        return;
    }
    arrival->transfer.manifest = &arrival->manifest;
    transfer_offer(&arrival->session->report, &arrival->transfer);
    if (!arrival->session->report.json)
        events_note(&arrival->session->report, 0, "%s offers %s", arrival->transfer.name,
                    offer_words(words, &arrival->manifest));
    bool small = !arrival->manifest.endless && arrival->manifest.bytes <= options->ask_above;
    if (options->yes || (small && options->ask_above))
        accept_offer(arrival);
    else
        arrival->phase = PHASE_ASKING;
}

/* Of what all offers may have together, each gets at most as much as is still free: there is always some for
 * the next, however many are held. In bytes, what it has already left out. */
static size_t offer_room(const struct arrival *arrival)
{
    const struct receiving *receiving = arrival->session->state;
    size_t share = OFFERS_BYTES_MAX - receiving->offered;
    return share > arrival->len ? share - arrival->len : 0;
}

/* So that the offer can get longer. False: it is long enough. */
static bool offer_grow(struct arrival *arrival)
{
    if (arrival->len < arrival->capacity)
        return true;
    size_t capacity = arrival->capacity ? arrival->capacity * 2 : 4096;
    uint8_t *bytes = arrival->len < MANIFEST_BYTES_MAX ? realloc(arrival->bytes, capacity) : NULL;
    if (!bytes) {
        refuse(arrival, EXIT_OTHER, "these are too many files", "the sender offers too many files");
        return false;
    }
    arrival->bytes = bytes, arrival->capacity = capacity;
    return true;
}

static void take_offer(struct arrival *arrival, size_t len)
{
    struct receiving *receiving = arrival->session->state;
    arrival->until += (arrival->len + len) / OFFER_SLOWEST * CLOCK_S - arrival->len / OFFER_SLOWEST * CLOCK_S;
    arrival->len += len;
    receiving->offered += len;
}

static bool read_offer(struct arrival *arrival)
{
    uint8_t more; /* than there is room for */
    size_t room = offer_room(arrival);
    if (room && !offer_grow(arrival))
        return false;
    size_t held = arrival->capacity - arrival->len;
    ptrdiff_t got =
        room ? p2p_stream_read(arrival->offer, arrival->bytes + arrival->len, room < held ? room : held)
             : p2p_stream_read(arrival->offer, &more, 1);
    arrival->readable = got > 0;
    if (got > 0 && !room)
        refuse(arrival, EXIT_OTHER, "these are too many files beside those of others",
               "the sender offers too many files beside those of others");
    else if (got > 0)
        take_offer(arrival, (size_t)got);
    else if (got == 0)
        consider_offer(arrival);
    return got >= 0;
}

/* ---- the question ---- */

static void ask(struct arrival *arrival)
{
    struct receiving *receiving = arrival->session->state;
    static const char question[] = "Take it? [y/N] ";
    receiving->asking = arrival;
    receiving->answer_len = 0;
    if (!arrival->session->report.json)
        terminal_write(question, sizeof question - 1);
}

static void take_answer(struct arrival *arrival, bool yes, const char *why)
{
    struct receiving *receiving = arrival->session->state;
    receiving->asking = NULL;
    if (yes)
        accept_offer(arrival);
    else
        refuse(arrival, EXIT_OTHER, "it was declined", why);
}

/* A line of standard input: anything that begins with y is a yes. */
static bool read_answer(struct arrival *arrival)
{
    struct receiving *receiving = arrival->session->state;
    char byte;
    ssize_t got = channel_read(&arrival->session->input, &byte, 1);
    if (got < 0 && errno == EAGAIN)
        return false;
    if (got <= 0)
        take_answer(arrival, false,
                    "there is nobody to ask: --yes takes everything, --ask-above SIZE what is smaller");
    else if (byte == '\n')
        take_answer(arrival, receiving->answer_len && (receiving->answer[0] | 0x20) == 'y', "declined");
    else if (receiving->answer_len < ANSWER_MAX)
        receiving->answer[receiving->answer_len++] = byte;
    return true;
}

/* ---- the lanes ---- */

static void break_off(struct arrival *arrival, const char *why)
{
    char sentence[WHY_MAX];
    snprintf(sentence, sizeof sentence, "%s; what has arrived is kept", why);
    refuse(arrival, EXIT_OTHER, why, sentence);
}

/* The head of a record, and a piece for its body. False: not now. */
static bool lane_begin(struct arrival *arrival, struct lane *lane)
{
    while (lane->head_at < RECORD_LEN) {
        ptrdiff_t got = p2p_stream_read(lane->stream, lane->head + lane->head_at, RECORD_LEN - lane->head_at);
        lane->readable = got > 0;
        lane->ended = got == 0 || got == P2P_ERESET;
        if (got <= 0)
            return false;
        lane->head_at += (size_t)got;
        arrival->heard_at = arrival->session->now;
    }
    if (!record_read(&lane->record, lane->head)) {
        break_off(arrival, "the sender does not keep to the protocol");
        return false;
    }
    if (lane->record.kind == RECORD_SIGN)
        return true;
    lane->piece = file_writer_piece(arrival->writer);
    if (lane->piece)
        lane->piece->record = lane->record;
    return lane->piece != NULL;
}

/* True: a whole record came. */
static bool lane_read(struct arrival *arrival, struct lane *lane)
{
    if (!lane->piece && !lane_begin(arrival, lane))
        return false;
    if (lane->record.kind == RECORD_SIGN) {
        lane->head_at = 0;
        return true;
    }
    struct piece *piece = lane->piece;
    size_t end = record_body(&piece->record);
    while (piece->at < end) {
        ptrdiff_t got = p2p_stream_read(lane->stream, piece->data + piece->at, end - piece->at);
        lane->readable = got > 0;
        lane->ended = got == 0 || got == P2P_ERESET;
        if (got <= 0)
            return false;
        piece->at += (size_t)got;
        arrival->heard_at = arrival->session->now;
    }
    file_writer_put(arrival->writer, piece);
    lane->piece = NULL, lane->head_at = 0;
    return true;
}

/* When all lanes have ended, nothing more comes. */
static void look_for_last(struct arrival *arrival)
{
    bool whole = true;
    for (unsigned i = 0; i < LANES; i++) {
        const struct lane *lane = &arrival->lanes[i];
        if (!lane->stream || !lane->ended)
            return;
        whole = whole && !lane->piece && !lane->head_at;
    }
    if (!arrival->lanes_ended && whole)
        file_writer_end(arrival->writer);
    else if (!arrival->lanes_ended)
        break_off(arrival, "the sender ended in the middle of a file");
    arrival->lanes_ended = true;
}

static bool read_lanes(struct arrival *arrival)
{
    unsigned through = 0;
    for (unsigned i = 0; i < LANES; i++) {
        struct lane *lane = &arrival->lanes[i];
        while (lane->stream && lane->readable && !lane->ended && through < PIECES_A_TURN &&
               arrival->phase == PHASE_WORKING && lane_read(arrival, lane))
            through++;
    }
    return through > 0;
}

/* ---- what the writer says ---- */

static void take_results(struct arrival *arrival)
{
    struct file_result result;
    while (file_writer_result(arrival->writer, &result))
        transfer_file(&arrival->session->report, &arrival->transfer, &result);
}

/* The shortest round trip counts: what grows under load is a queue, and more credit would only fill it. */
static void measure_path(struct arrival *arrival)
{
    struct p2p_path path;
    if (!arrival->member || p2p_peer_path(arrival->member->peer, &path) != 0)
        return;
    bool same = strcmp(path.remote, arrival->path) == 0;
    if (!same && *arrival->path)
        arrival->moved = true; /* the shortest of all may be of the path before: the checks' own, then */
    uint64_t rtt = (uint64_t)((arrival->moved ? path.rtt_ms : path.rtt_least_ms) * CLOCK_MS);
    if (rtt && (!same || !arrival->rtt || rtt < arrival->rtt))
        arrival->rtt = rtt;
    snprintf(arrival->path, sizeof arrival->path, "%s", path.remote);
}

/* What the disk has taken, the sender may send more of. */
static size_t next_credit(struct arrival *arrival)
{
    if (arrival->phase != PHASE_WORKING)
        return 0;
    uint64_t now = arrival->session->now, done = file_writer_done_with(arrival->writer);
    if (credit_is_due(&arrival->credit, now, arrival->rtt)) {
        measure_path(arrival);
        credit_measure(&arrival->credit, now, done, arrival->rtt);
    }
    if (!credit_grant(&arrival->credit, done))
        return 0;
    frame_write(arrival->out, FRAME_CREDIT, 8);
    wire_put64(arrival->out + FRAME_LEN, arrival->credit.granted);
    return FRAME_LEN + 8;
}

static bool send_frames(struct arrival *arrival)
{
    bool any = false;
    while (arrival->offer && !arrival->blocked) {
        if (arrival->out_at == arrival->out_end) {
            arrival->out_at = 0;
            arrival->out_end =
                arrival->writer ? file_writer_frames(arrival->writer, arrival->out, OUT_MAX - LAST_WORDS_MAX)
                                : 0;
        }
        if (arrival->out_at == arrival->out_end)
            arrival->out_end += next_credit(arrival);
        if (arrival->out_at == arrival->out_end)
            break;
        ptrdiff_t taken = p2p_stream_write(arrival->offer, arrival->out + arrival->out_at,
                                           arrival->out_end - arrival->out_at);
        arrival->out_at += taken > 0 ? (size_t)taken : 0;
        arrival->blocked = arrival->out_at < arrival->out_end;
        any = any || taken > 0;
    }
    return any;
}

static void count_bytes(struct arrival *arrival)
{
    struct writer_bytes bytes = file_writer_bytes(arrival->writer);
    arrival->transfer.moved = bytes.written, arrival->transfer.held = bytes.held;
    arrival->transfer.zeros = bytes.zeros;
}

static void look_for_end(struct arrival *arrival)
{
    const char *why;
    char sentence[WHY_MAX];
    enum writer_state state = file_writer_state(arrival->writer, &why);
    if (state == WRITER_WORKING)
        return;
    count_bytes(arrival);
    take_results(arrival);
    if (state == WRITER_BROKEN) {
        break_off(arrival, why);
        return;
    }
    uint32_t failed = arrival->transfer.failed;
    snprintf(sentence, sizeof sentence, "%u of the files did not arrive", failed);
    arrival_leave(arrival, failed ? EXIT_OTHER : EXIT_DONE, failed ? sentence : NULL);
}

/* ---- one turn ---- */

/* An offer may take its time on a slow path, somebody over the question, or the disk over a file. */
static void show_life(struct arrival *arrival)
{
    uint64_t due = arrival->signed_at + SIGN_S * CLOCK_S;
    session_wake_at(arrival->session, due);
    if (arrival->session->now < due)
        return;
    arrival->signed_at = arrival->session->now;
    say(arrival, FRAME_SIGN, NULL);
}

/* A sender that could speak and does not. As long as we are busy it may be waiting for us. */
static void look_for_silence(struct arrival *arrival)
{
    char why[80];
    if (arrival->lanes_ended || !file_writer_waits(arrival->writer))
        arrival->heard_at = arrival->session->now;
    uint64_t limit = arrival->heard_at + SILENCE_S * CLOCK_S;
    session_wake_at(arrival->session, limit);
    if (arrival->session->now < limit)
        return;
    snprintf(why, sizeof why, "the sender has said nothing for %d seconds", SILENCE_S);
    break_off(arrival, why);
}

static bool work(struct arrival *arrival)
{
    struct session *session = arrival->session;
    bool moved = read_lanes(arrival);
    if (arrival->phase == PHASE_WORKING)
        look_for_last(arrival);
    if (arrival->phase == PHASE_WORKING)
        look_for_silence(arrival);
    if (arrival->phase != PHASE_WORKING)
        return true;
    count_bytes(arrival);
    take_results(arrival);
    look_for_end(arrival);
    if (arrival->phase == PHASE_WORKING)
        session_wake_at(session, transfer_progress(&session->report, &arrival->transfer, session->now));
    return moved;
}

/* Once, when what has become of all files is known. False: it is not yet. */
static bool sum_up(struct arrival *arrival)
{
    struct session *session = arrival->session;
    if (arrival->until != UINT64_MAX)
        return true;
    bool ended = !arrival->writer || file_writer_ended(arrival->writer); /* asked first: then all is there */
    if (arrival->writer) {
        take_results(arrival); /* meanwhile too: there is room for so many, and what is more gets lost */
        count_bytes(arrival);
    }
    if (!ended)
        return false;
    if (arrival->transfer.manifest)
        transfer_summary(&session->report, &arrival->transfer, session->now,
                         *arrival->sentence ? arrival->sentence : NULL);
    arrival->until = session->now + GOODBYE_S * CLOCK_S;
    return true;
}

/* All frames are in the stream, and then all of the stream is over there. */
static void look_for_goodbye(struct arrival *arrival)
{
    if (!sum_up(arrival))
        return;
    bool told = arrival->out_at == arrival->out_end;
    session_wake_at(arrival->session, arrival->until);
    if (told && arrival->offer)
        p2p_stream_finish(arrival->offer);
    if (!arrival->offer || !arrival->member || (told && p2p_stream_drained(arrival->offer)) ||
        arrival->session->now >= arrival->until)
        arrival_over(arrival);
}

static bool arrival_step(struct arrival *arrival)
{
    struct receiving *receiving = arrival->session->state;
    bool moved = false;
    if (arrival->phase == PHASE_OFFER) {
        session_wake_at(arrival->session, arrival->until);
        while (arrival->readable && arrival->phase == PHASE_OFFER && read_offer(arrival))
            moved = true;
        if (arrival->phase == PHASE_OFFER && arrival->session->now >= arrival->until)
            refuse(arrival, EXIT_OTHER, "no offer came", "the other side offered nothing for a minute");
    }
    if (arrival->phase == PHASE_ASKING && !receiving->asking)
        ask(arrival);
    while (arrival->phase == PHASE_ASKING && receiving->asking == arrival && read_answer(arrival))
        moved = true;
    if (arrival->phase == PHASE_WORKING)
        moved = work(arrival) || moved;
    if (arrival->offer && arrival->phase < PHASE_LEAVING)
        show_life(arrival);
    if (arrival->phase != PHASE_OVER)
        moved = send_frames(arrival) || moved;
    if (arrival->phase == PHASE_LEAVING)
        look_for_goodbye(arrival);
    return moved;
}

/* Takes it out of the list too. */
static void arrival_free(struct arrival **at)
{
    struct arrival *arrival = *at;
    struct receiving *receiving = arrival->session->state;
    *at = arrival->next;
    receiving->offered -= arrival->len;
    file_writer_free(arrival->writer);
    p2p_stream_free(arrival->offer);
    for (unsigned i = 0; i < LANES; i++)
        p2p_stream_free(arrival->lanes[i].stream);
    manifest_free(&arrival->manifest);
    free(arrival->bytes);
    free(arrival);
}

static bool receive_step(struct session *session)
{
    struct receiving *receiving = session->state;
    bool moved = false;
    for (struct arrival **at = &receiving->arrivals, *arrival; (arrival = *at);) {
        if (arrival->phase != PHASE_OVER)
            moved = arrival_step(arrival) || moved;
        if (arrival->phase == PHASE_OVER && !arrival->member)
            arrival_free(at);
        else
            at = &arrival->next;
    }
    if (receiving->begun && !receiving->active && !session->options->keep)
        session_end(session, receiving->code, receiving->code ? "%s" : NULL, receiving->why);
    return moved;
}

/* ---- the role ---- */

static void receive_connected(struct session *session, struct member *member)
{
    struct receiving *receiving = session->state;
    struct arrival *arrival = calloc(1, sizeof *arrival);
    if (!arrival) {
        session_end(session, EXIT_OTHER, "no memory");
        return;
    }
    arrival->session = session, arrival->member = member;
    arrival->until = session->now + OFFER_PATIENCE_S * CLOCK_S;
    arrival->signed_at = session->now;
    transfer_begin(&arrival->transfer, "receiving from", member->peer, NULL);
    arrival->next = receiving->arrivals;
    receiving->arrivals = arrival;
    receiving->begun++, receiving->active++;
    member->state = arrival;
}

/* The offer first, then lanes, once there is somebody to write what they bring. */
static bool take_stream(struct arrival *arrival, const struct p2p_event *event)
{
    if (event->kind == STREAM_OFFER && !arrival->offer) {
        arrival->offer = event->stream;
        arrival->readable = true;
        return true;
    }
    for (unsigned i = 0; i < LANES && event->kind == STREAM_LANE && arrival->phase == PHASE_WORKING; i++)
        if (!arrival->lanes[i].stream) {
            arrival->lanes[i].stream = event->stream;
            arrival->lanes[i].readable = true;
            return true;
        }
    return false;
}

static void receive_event(struct session *session, struct member *member, const struct p2p_event *event)
{
    struct arrival *arrival = member->state;
    (void)session;
    if (event->type == P2P_EVENT_STREAM) {
        if (!arrival || !take_stream(arrival, event))
            p2p_stream_free(event->stream);
        return;
    }
    if (!arrival || !event->stream)
        return;
    if (event->stream == arrival->offer)
        *(event->type == P2P_EVENT_WRITABLE ? &arrival->blocked : &arrival->readable) =
            event->type != P2P_EVENT_WRITABLE;
    for (unsigned i = 0; i < LANES && event->type == P2P_EVENT_READABLE; i++)
        if (event->stream == arrival->lanes[i].stream)
            arrival->lanes[i].readable = true;
}

static void receive_closed(struct session *session, struct member *member, const struct p2p_event *event)
{
    struct arrival *arrival = member->state;
    char why[TEXT_SHOWN * 64 + 1], sentence[WHY_MAX];
    (void)session;
    if (!arrival)
        return;
    if (arrival->phase == PHASE_WORKING)
        look_for_end(arrival); /* a sender that has our DONE leaves at once */
    bool left = strcmp(event->detail, "left") == 0;
    text_show(why, sizeof why, event->text, strlen(event->text));
    snprintf(sentence, sizeof sentence, "%s before the end%s%s%s",
             left ? "the other side left" : "the connection was lost", *why ? ": " : "", why,
             arrival->writer ? "; what has arrived is kept, and the same command goes on from there" : "");
    arrival->member = NULL;
    arrival->transfer.peer = NULL;
    arrival_leave(arrival, left ? EXIT_OTHER : EXIT_LOST, sentence);
}

static void receive_release(struct session *session)
{
    struct receiving *receiving = session->state;
    terminal_progress("");
    while (receiving->arrivals)
        arrival_free(&receiving->arrivals);
}

/* Before anybody is asked for anything: a folder that cannot be written into is no use to wait for. */
static bool try_folder(const char *folder, const struct options *options, uint64_t started_ns)
{
    struct file_store store;
    struct report report;
    char shown[SHOWN_FILE_MAX], sentence[SHOWN_FILE_MAX + 100];
    bool good = file_store_open(&store, folder);
    int error = errno;
    file_store_close(&store);
    if (good)
        return true;
    text_show(shown, sizeof shown, folder, strlen(folder));
    snprintf(sentence, sizeof sentence, "cannot receive into %s: %s", shown, strerror(error));
    events_begin(&report, options, started_ns);
    events_error(&report, EXIT_OTHER, sentence);
    events_end(&report);
    return false;
}

int receive_main(const struct options *options, uint64_t started_ns)
{
    static struct receiving receiving;
    static struct role role = {
        .purpose = "receive",
        .connected = receive_connected,
        .event = receive_event,
        .closed = receive_closed,
        .step = receive_step,
        .release = receive_release,
    };
    receiving.folder = options->word_count ? options->words[0] : ".";
    role.max_peers = options->keep ? 0 : 1;
    /* so that one sender's unfinished files leave room for those of the others */
    descriptors_raise(SPARE_FILES + FILE_WRITER_PARTS_MAX * (options->keep ? SENDERS : 1));
    if (!try_folder(receiving.folder, options, started_ns))
        return EXIT_OTHER;
    heap_keep();
    return session_run(options, started_ns, &role, &receiving);
}
