/* send.c - files and folders to everybody who receives in the room.
 *
 * Each receiver has a delivery of its own: an offer on one stream, its answers on the way back, then the
 * lanes. A delivery has a thread that reads (file_reader.c); here bytes only go from its pieces into streams.
 * The lanes are filled in order: a small transfer uses one, and only what a stream's window cannot hold goes
 * to the next. */
#include "clock.h"
#include "commands.h"
#include "credit.h"
#include "file_reader.h"
#include "heap.h"
#include "session.h"
#include "terminal.h"
#include "text.h"
#include "transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PIECES_A_TURN = 32, /* so that the node gets its turn too */
    WHY_MAX = TEXT_SHOWN * REASON_MAX + 600
};

struct lane {
    struct p2p_stream *stream;
    struct piece *piece; /* on its way; NULL: none */
    size_t sign_left;    /* bytes of a sign of life that are not yet */
    bool blocked, ended;
};

struct delivery {
    struct delivery *next;
    struct session *session;
    struct member *member; /* NULL: gone */
    struct p2p_stream *offer;
    bool offer_blocked, offer_ended, readable;
    size_t offered;
    uint8_t frame[FRAME_LEN + FRAME_MAX];
    size_t frame_len;
    struct held *held;          /* one an entry */
    uint64_t cells;             /* of what is known of leaves, in all of `held` */
    struct file_reader *reader; /* NULL: the receiver has not said go */
    struct lane lanes[LANES];
    uint64_t credit, spent;      /* bytes of leaves that may be sent, and that are */
    uint64_t spoke_at, heard_at; /* ns */
    struct transfer transfer;
    bool over;
};

struct sending {
    struct file_tree tree;
    uint8_t *offer; /* the manifest, encoded */
    size_t offer_len;
    struct delivery *deliveries;
    unsigned begun, active;
    int code; /* the worst so far, and its sentence */
    char sentence[WHY_MAX];
};

/* ---- the end of a delivery ---- */

static void note_end(struct sending *sending, int code, const char *sentence)
{
    if (!code || sending->code)
        return;
    sending->code = code;
    snprintf(sending->sentence, sizeof sending->sentence, "%s", sentence ? sentence : "");
}

static void delivery_end(struct delivery *delivery, int code, const char *sentence)
{
    struct sending *sending = delivery->session->state;
    if (delivery->over)
        return;
    delivery->over = true;
    sending->active--;
    transfer_summary(&delivery->session->report, &delivery->transfer, delivery->session->now, sentence);
    if (sentence && sending->code)
        events_note(&delivery->session->report, 0, "%s: %s", delivery->transfer.name, sentence);
    note_end(sending, code, sentence);
    if (delivery->member)
        p2p_peer_close(delivery->member->peer, code == EXIT_DONE ? "done" : NULL);
}

/* The receiver has answered something that no receiver answers. */
static void delivery_confused(struct delivery *delivery)
{
    delivery_end(delivery, EXIT_OTHER, "the other side does not keep to the protocol");
}

/* ---- what the receiver says ---- */

static void take_refusal(struct delivery *delivery, const uint8_t *body, size_t len)
{
    char why[TEXT_SHOWN * REASON_MAX + 1], sentence[WHY_MAX];
    text_show(why, sizeof why, (const char *)body, len < REASON_MAX ? len : REASON_MAX);
    snprintf(sentence, sizeof sentence, "%s did not take it: %s", delivery->transfer.name, why);
    delivery_end(delivery, EXIT_OTHER, sentence);
}

/* Leaves that follow those told before. False: they do not, or no memory. */
static bool hold(struct held *held, uint64_t first, const uint8_t *hashes, uint64_t count)
{
    bool good = first == held->count && held->leaves.leaves - first >= count;
    if (good && count && !hashes)
        good = leaf_map_put_zeros(&held->leaves, first, count, LEAF_HELD);
    for (uint64_t i = 0; good && hashes && i < count; i++)
        good = leaf_map_put(&held->leaves, first + i, hashes + i * HASH_LEN, LEAF_HELD);
    held->count += count;
    return good;
}

/* The body of a HAVE, whose head is there. */
static bool hold_told(struct held *held, const uint8_t *body, size_t len)
{
    uint32_t first = wire_get32(body + 4);
    if (body[8] & HAVE_ZEROS)
        return len == HAVE_ZEROS_LEN && hold(held, first, NULL, wire_get32(body + HAVE_HEAD));
    return (len - HAVE_HEAD) % HASH_LEN == 0 &&
           hold(held, first, body + HAVE_HEAD, (len - HAVE_HEAD) / HASH_LEN);
}

static void take_held(struct delivery *delivery, const uint8_t *body, size_t len)
{
    const struct manifest *manifest = delivery->transfer.manifest;
    uint32_t file = len >= HAVE_HEAD ? wire_get32(body) : UINT32_MAX;
    if (delivery->reader || file >= manifest->count || manifest->entries[file].kind != ENTRY_FILE) {
        delivery_confused(delivery);
        return;
    }
    struct held *held = &delivery->held[file];
    uint64_t size = manifest->entries[file].size;
    if (!held->leaves.leaves)
        leaf_map_begin(&held->leaves, leaves_of(size == MANIFEST_SIZE_UNKNOWN ? MANIFEST_SIZE_MAX : size));
    delivery->cells -= held->leaves.cells;
    bool good = hold_told(held, body, len);
    delivery->cells += held->leaves.cells;
    if (!good || delivery->cells > LEAF_CELLS_MAX)
        delivery_confused(delivery);
    held->whole = body[8] & HAVE_WHOLE;
}

static void take_skip(struct delivery *delivery, const uint8_t *body, size_t len)
{
    uint32_t file = len >= 4 ? wire_get32(body) : UINT32_MAX;
    if (file >= delivery->transfer.manifest->count) {
        delivery_confused(delivery);
        return;
    }
    struct file_result result = {.file = file, .fate = FATE_FAILED};
    size_t text = len - 4 < REASON_MAX ? len - 4 : REASON_MAX;
    memcpy(result.why, body + 4, text);
    if (!atomic_exchange(&delivery->held[file].skip, true))
        transfer_file(&delivery->session->report, &delivery->transfer, &result);
}

static void wake(void *node)
{
    p2p_node_wake(node);
}

static void take_go(struct delivery *delivery)
{
    struct sending *sending = delivery->session->state;
    if (delivery->reader) {
        delivery_confused(delivery);
        return;
    }
    delivery->reader = file_reader_new(&sending->tree, delivery->held, wake, delivery->session->node);
    if (!delivery->reader)
        delivery_end(delivery, EXIT_OTHER, "no memory");
    for (unsigned i = 0; i < LANES && !delivery->over; i++) {
        int error =
            p2p_stream_open(&delivery->lanes[i].stream, delivery->member->peer, STREAM_LANE, P2P_ONE_WAY);
        if (error)
            delivery_end(delivery, EXIT_OTHER, p2p_strerror(error));
    }
}

static void take_credit(struct delivery *delivery, const uint8_t *body, size_t len)
{
    uint64_t credit = len == 8 ? wire_get64(body) : 0;
    if (!credit)
        delivery_confused(delivery);
    else if (credit > delivery->credit)
        delivery->credit = credit;
}

static void take_done(struct delivery *delivery, const uint8_t *body, size_t len)
{
    char sentence[WHY_MAX];
    if (len < 8 || !delivery->reader) {
        delivery_confused(delivery);
        return;
    }
    struct transfer *transfer = &delivery->transfer;
    transfer->arrived = wire_get32(body), transfer->failed = wire_get32(body + 4);
    snprintf(sentence, sizeof sentence, "%u of the files did not arrive", transfer->failed);
    delivery_end(delivery, transfer->failed ? EXIT_OTHER : EXIT_DONE, transfer->failed ? sentence : NULL);
}

static void take_frame(struct delivery *delivery, enum frame_kind kind, const uint8_t *body, size_t len)
{
    switch (kind) {
    case FRAME_ACCEPT:
        events_note(&delivery->session->report, 1, "%s takes it", delivery->transfer.name);
        return;
    case FRAME_REFUSE:
        take_refusal(delivery, body, len);
        return;
    case FRAME_HAVE:
        take_held(delivery, body, len);
        return;
    case FRAME_SKIP:
        take_skip(delivery, body, len);
        return;
    case FRAME_GO:
        take_go(delivery);
        return;
    case FRAME_CREDIT:
        take_credit(delivery, body, len);
        return;
    case FRAME_SIGN:
        return;
    case FRAME_DONE:
        take_done(delivery, body, len);
        return;
    }
}

/* Reads up to a whole frame; true: there is one. */
static bool read_frame(struct delivery *delivery, size_t *body)
{
    enum frame_kind kind;
    for (;;) {
        size_t want = FRAME_LEN;
        *body = 0;
        if (delivery->frame_len >= FRAME_LEN) {
            if (!frame_read(delivery->frame, &kind, body)) {
                delivery_confused(delivery);
                return false;
            }
            want += *body;
        }
        if (delivery->frame_len >= FRAME_LEN && delivery->frame_len == want)
            return true;
        ptrdiff_t got = p2p_stream_read(delivery->offer, delivery->frame + delivery->frame_len,
                                        want - delivery->frame_len);
        if (got <= 0) {
            delivery->readable = false;
            return false;
        }
        delivery->frame_len += (size_t)got;
        delivery->heard_at = delivery->session->now;
    }
}

static bool take_answers(struct delivery *delivery)
{
    size_t body;
    bool any = false;
    while (delivery->readable && !delivery->over && read_frame(delivery, &body)) {
        delivery->frame_len = 0;
        take_frame(delivery, (enum frame_kind)delivery->frame[0], delivery->frame + FRAME_LEN, body);
        any = true;
    }
    return any;
}

/* ---- what we say ---- */

static bool send_offer(struct delivery *delivery)
{
    const struct sending *sending = delivery->session->state;
    if (delivery->offer_blocked || delivery->offer_ended)
        return false;
    ptrdiff_t taken = p2p_stream_write(delivery->offer, sending->offer + delivery->offered,
                                       sending->offer_len - delivery->offered);
    delivery->offered += taken > 0 ? (size_t)taken : 0;
    delivery->offer_ended = delivery->offered == sending->offer_len;
    delivery->offer_blocked = !delivery->offer_ended;
    if (delivery->offer_ended)
        p2p_stream_finish(delivery->offer);
    return taken > 0;
}

/* What cannot be read is known here first. */
static void tell_failure(struct delivery *delivery, const struct piece *piece)
{
    struct file_result result = {.file = piece->record.file, .fate = FATE_FAILED};
    memcpy(result.why, piece->data, piece->record.len);
    transfer_file(&delivery->session->report, &delivery->transfer, &result);
}

static bool lane_load(struct delivery *delivery, struct lane *lane)
{
    bool done = file_reader_done(delivery->reader); /* asked first: what comes after it is all there is */
    lane->piece = file_reader_take(delivery->reader);
    if (!lane->piece && done && !lane->ended) {
        p2p_stream_finish(lane->stream);
        lane->ended = true;
    }
    if (lane->piece && lane->piece->record.kind == RECORD_FAILED)
        tell_failure(delivery, lane->piece);
    if (lane->piece && lane->piece->record.kind == RECORD_DATA)
        delivery->spent += lane->piece->record.len;
    return lane->piece != NULL;
}

/* Writes what the stream takes of the head, then of the body. True: the piece is through. */
static bool lane_write(struct delivery *delivery, struct lane *lane)
{
    struct piece *piece = lane->piece;
    size_t end = RECORD_LEN + record_body(&piece->record);
    while (piece->at < end) {
        bool head = piece->at < RECORD_LEN;
        const uint8_t *from = head ? piece->head + piece->at : piece->data + (piece->at - RECORD_LEN);
        ptrdiff_t taken = p2p_stream_write(lane->stream, from, (head ? RECORD_LEN : end) - piece->at);
        if (taken <= 0) {
            lane->blocked = true;
            return false;
        }
        piece->at += (size_t)taken;
    }
    const struct record *record = &piece->record;
    delivery->transfer.moved += record->kind == RECORD_DATA ? record->len : 0;
    delivery->transfer.zeros += record->kind == RECORD_ZERO ? (uint64_t)record->len * LEAF_LEN : 0;
    file_reader_give_back(delivery->reader, piece);
    lane->piece = NULL;
    return true;
}

/* The rest of a sign of life. False: it waits. */
static bool lane_sign(struct lane *lane)
{
    uint8_t head[RECORD_LEN];
    record_write(head, &(struct record){.kind = RECORD_SIGN});
    while (lane->sign_left && !lane->blocked) {
        ptrdiff_t taken =
            p2p_stream_write(lane->stream, head + RECORD_LEN - lane->sign_left, lane->sign_left);
        lane->sign_left -= taken > 0 ? (size_t)taken : 0;
        lane->blocked = taken <= 0;
    }
    return !lane->sign_left;
}

/* Whatever keeps us from sending: a receiver that hears nothing gives us up. */
static void show_life(struct delivery *delivery)
{
    struct lane *lane = &delivery->lanes[0];
    uint64_t due = delivery->spoke_at + SIGN_S * CLOCK_S;
    session_wake_at(delivery->session, due);
    if (delivery->session->now < due)
        return;
    delivery->spoke_at = delivery->session->now;
    if (lane->stream && !lane->piece && !lane->ended && !lane->sign_left)
        lane->sign_left = RECORD_LEN;
}

/* For another leaf. */
static bool has_credit(const struct delivery *delivery)
{
    return delivery->spent + LEAF_LEN <= delivery->credit;
}

static bool send_pieces(struct delivery *delivery)
{
    unsigned through = 0;
    for (unsigned i = 0; i < LANES && delivery->reader; i++) {
        struct lane *lane = &delivery->lanes[i];
        while (through < PIECES_A_TURN && !lane->blocked && !lane->ended && lane_sign(lane) &&
               (lane->piece || (has_credit(delivery) && lane_load(delivery, lane))) &&
               lane_write(delivery, lane))
            through++;
    }
    if (through)
        delivery->spoke_at = delivery->session->now;
    return through > 0;
}

/* ---- the role ---- */

/* Nothing can be offered to it: it may be gone already, or take no streams. That is its own matter, and the
 * others' deliveries go on. */
static void give_up(struct session *session, struct member *member, int error)
{
    struct sending *sending = session->state;
    char name[SHOWN_NAME_MAX], sentence[WHY_MAX];
    snprintf(sentence, sizeof sentence, "cannot offer anything: %s", p2p_strerror(error));
    if (session->options->keep)
        events_note(&session->report, 0, "%s: %s", events_name(name, member->peer), sentence);
    note_end(sending, EXIT_OTHER, sentence);
    sending->begun++;
    p2p_peer_close(member->peer, "no stream could be opened");
}

static void send_connected(struct session *session, struct member *member)
{
    struct sending *sending = session->state;
    struct delivery *delivery = calloc(1, sizeof *delivery);
    struct held *held = calloc(sending->tree.manifest.count, sizeof *held);
    int error =
        delivery && held ? p2p_stream_open(&delivery->offer, member->peer, STREAM_OFFER, 0) : P2P_ENOMEM;
    if (error) {
        free(delivery);
        free(held);
        give_up(session, member, error);
        return;
    }
    delivery->session = session, delivery->member = member, delivery->held = held;
    delivery->credit = CREDIT_LEAST;
    delivery->spoke_at = delivery->heard_at = session->now;
    transfer_begin(&delivery->transfer, "sending to", member->peer, &sending->tree.manifest);
    delivery->next = sending->deliveries;
    sending->deliveries = delivery;
    sending->begun++, sending->active++;
    member->state = delivery;
}

static void send_event(struct session *session, struct member *member, const struct p2p_event *event)
{
    struct delivery *delivery = member->state;
    (void)session;
    if (event->type == P2P_EVENT_STREAM) {
        p2p_stream_free(event->stream); /* receivers open none */
        return;
    }
    if (!delivery)
        return;
    if (event->stream == delivery->offer)
        *(event->type == P2P_EVENT_WRITABLE ? &delivery->offer_blocked : &delivery->readable) =
            event->type != P2P_EVENT_WRITABLE;
    for (unsigned i = 0; i < LANES && event->type == P2P_EVENT_WRITABLE; i++)
        if (event->stream && event->stream == delivery->lanes[i].stream)
            delivery->lanes[i].blocked = false;
}

static void send_closed(struct session *session, struct member *member, const struct p2p_event *event)
{
    struct delivery *delivery = member->state;
    char why[TEXT_SHOWN * 64 + 1], sentence[WHY_MAX];
    (void)session;
    if (!delivery)
        return;
    delivery->readable = true; /* what it said last may say why */
    take_answers(delivery);
    bool left = strcmp(event->detail, "left") == 0;
    text_show(why, sizeof why, event->text, strlen(event->text));
    snprintf(sentence, sizeof sentence, "%s before the end%s%s; the same command goes on from there",
             left ? "the other side left" : "the connection was lost", *why ? ": " : "", why);
    delivery->member = NULL;
    delivery->transfer.peer = NULL;
    delivery_end(delivery, left ? EXIT_OTHER : EXIT_LOST, sentence);
}

static void look_for_silence(struct delivery *delivery)
{
    char sentence[WHY_MAX];
    uint64_t limit = delivery->heard_at + SILENCE_S * CLOCK_S;
    session_wake_at(delivery->session, limit);
    if (delivery->session->now < limit)
        return;
    snprintf(sentence, sizeof sentence,
             "%s has said nothing for %d seconds; the same command goes on from there",
             delivery->transfer.name, SILENCE_S);
    delivery_end(delivery, EXIT_OTHER, sentence);
}

static bool delivery_step(struct delivery *delivery)
{
    struct session *session = delivery->session;
    bool moved = !delivery->over && take_answers(delivery);
    if (delivery->over)
        return moved;
    look_for_silence(delivery);
    if (delivery->over)
        return true;
    moved = send_offer(delivery) || moved;
    moved = send_pieces(delivery) || moved;
    if (delivery->reader) {
        show_life(delivery);
        delivery->transfer.held = file_reader_held(delivery->reader);
        session_wake_at(session, transfer_progress(&session->report, &delivery->transfer, session->now));
    }
    return moved;
}

/* Takes it out of the list too. */
static void delivery_free(struct delivery **at)
{
    struct delivery *delivery = *at;
    const struct sending *sending = delivery->session->state;
    *at = delivery->next;
    file_reader_free(delivery->reader);
    p2p_stream_free(delivery->offer);
    for (unsigned i = 0; i < LANES; i++)
        p2p_stream_free(delivery->lanes[i].stream);
    for (uint32_t i = 0; i < sending->tree.manifest.count; i++)
        leaf_map_free(&delivery->held[i].leaves);
    free(delivery->held);
    free(delivery);
}

/* Which was left out was said before anything was sent, which may be long ago. */
static void end_all(struct session *session)
{
    struct sending *sending = session->state;
    char sentence[80];
    snprintf(sentence, sizeof sentence, "%u of what was named was left out", sending->tree.left_out);
    if (sending->tree.left_out)
        note_end(sending, EXIT_OTHER, sentence);
    session_end(session, sending->code, sending->code ? "%s" : NULL, sending->sentence);
}

static bool send_step(struct session *session)
{
    struct sending *sending = session->state;
    bool moved = false;
    for (struct delivery **at = &sending->deliveries, *delivery; (delivery = *at);) {
        moved = delivery_step(delivery) || moved;
        if (delivery->over && !delivery->member)
            delivery_free(at);
        else
            at = &delivery->next;
    }
    if (sending->begun && !sending->active && !session->options->keep)
        end_all(session);
    return moved;
}

static void send_release(struct session *session)
{
    struct sending *sending = session->state;
    terminal_progress("");
    while (sending->deliveries)
        delivery_free(&sending->deliveries);
}

/* ---- the beginning ---- */

static void tell_left_out(void *report, const char *sentence)
{
    events_note(report, 0, "%s", sentence);
}

/* The exit code, or EXIT_DONE: there is something to send. */
static int gather(struct sending *sending, const struct options *options, struct report *report)
{
    char complaint[TREE_COMPLAINT_MAX];
    sending->tree.symlinks = options->symlinks;
    sending->tree.tell = tell_left_out, sending->tree.context = report;
    for (unsigned i = 0; i < options->word_count; i++)
        if (!file_tree_add(&sending->tree, options->words[i], options->as, complaint)) {
            events_error(report, EXIT_USAGE, complaint);
            return EXIT_USAGE;
        }
    if (!sending->tree.manifest.count) {
        events_error(report, EXIT_USAGE, "send what? One or more files or folders, or - for standard input");
        return EXIT_USAGE;
    }
    sending->offer = manifest_encode(&sending->tree.manifest, &sending->offer_len);
    if (sending->offer && sending->offer_len <= MANIFEST_BYTES_MAX)
        return EXIT_DONE;
    events_error(report, EXIT_OTHER, "there are too many files for one transfer");
    return EXIT_OTHER;
}

int send_main(const struct options *options, uint64_t started_ns)
{
    static struct sending sending;
    static struct role role = {
        .purpose = "send",
        .connected = send_connected,
        .event = send_event,
        .closed = send_closed,
        .step = send_step,
        .release = send_release,
    };
    struct report report;
    heap_keep();
    events_begin(&report, options, started_ns);
    int code = gather(&sending, options, &report);
    events_end(&report);
    if (sending.tree.manifest.endless)
        role.max_peers = 1; /* standard input can be read once */
    if (code == EXIT_DONE)
        code = session_run(options, started_ns, &role, &sending);
    file_tree_free(&sending.tree);
    free(sending.offer);
    return code;
}
