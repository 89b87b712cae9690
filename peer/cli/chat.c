/* chat.c - a line of standard input is a message to everybody in the room.
 *
 * To each peer we open a stream of kind 'c' that carries messages: their length in 4 bytes, big-endian, then
 * UTF-8. Our lines are kept once, in `queue`, and each peer has its place in it. Lines that are typed while
 * nobody is there wait for the first who comes. Whoever reads the end of a stream ends its other way too,
 * empty: the receipt, so that a program may say its last words and go. Left out: history for those who come
 * later. */
#include "commands.h"

#include "clock.h"
#include "session.h"
#include "terminal.h"
#include "text.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHAT_KIND = 'c',
    TEXT_MAX = 65536,                        /* bytes of a message; longer lines travel in pieces */
    HEADER_LEN = 4,                          /* bytes */
    QUEUE_MAX = 4 * (HEADER_LEN + TEXT_MAX), /* bytes of messages not yet taken by every peer's stream */
    MESSAGE_MAX = SHOWN_NAME_MAX + TEXT_SHOWN * TEXT_MAX + 4, /* a message as it is shown */
    SHOWN_MAX = MESSAGE_MAX + 65536, /* small ones go out together: a write for each costs more than it */
    FAREWELL_S = 5                   /* how long a receipt for our last words is waited for */
};

/* What we have to do with one peer. */
struct talk {
    struct p2p_stream *out, *in;
    uint64_t sent;  /* bytes of the queue, counted from the program's start, that `out` has taken */
    bool blocked;   /* `out` takes nothing: wait for WRITABLE */
    bool finished;  /* our last words are out */
    bool confirmed; /* and were read, or the peer does not want them */
    bool readable;  /* `in` may have something */
    bool heard_all; /* the peer's last words are here */
    uint8_t header[HEADER_LEN];
    char *text;       /* a message as it arrives; NULL between messages */
    size_t have, len; /* bytes of header and text so far; of the text */
};

struct chat {
    char line[TEXT_MAX];      /* of standard input, so far */
    size_t line_at, line_len; /* what is not in the queue yet */
    bool input_ended;
    char queue[QUEUE_MAX];
    uint64_t from, to; /* which bytes, counted from the program's start, are in the queue */
    char shown[SHOWN_MAX];
    size_t shown_at, shown_end; /* what standard output has not taken yet */
    uint64_t farewell_until;    /* 0: not saying goodbye */
};

/* ---- standard input to the queue ---- */

static bool queue_has_room(const struct chat *chat)
{
    return QUEUE_MAX - (chat->to - chat->from) >= HEADER_LEN + TEXT_MAX;
}

static void queue_append(struct chat *chat, const void *data, size_t len)
{
    memcpy(chat->queue + (chat->to - chat->from), data, len);
    chat->to += len;
}

static void queue_message(struct chat *chat, size_t len)
{
    const char *line = chat->line + chat->line_at;
    size_t text = len > 0 && line[len - 1] == '\r' ? len - 1 : len;
    uint8_t header[HEADER_LEN] = {(uint8_t)(text >> 24), (uint8_t)(text >> 16), (uint8_t)(text >> 8),
                                  (uint8_t)text};
    queue_append(chat, header, sizeof header);
    queue_append(chat, line, text);
}

static void line_drop(struct chat *chat, size_t len)
{
    chat->line_len -= len;
    chat->line_at = chat->line_len ? chat->line_at + len : 0;
}

/* Makes room for more of a line that has begun: once for all lines that were read with it. */
static void line_shift(struct chat *chat)
{
    memmove(chat->line, chat->line + chat->line_at, chat->line_len);
    chat->line_at = 0;
}

/* Where a line that is too long is cut: not inside a character. */
static size_t piece_length(const struct chat *chat)
{
    const char *line = chat->line + chat->line_at;
    size_t len = chat->line_len;
    for (size_t back = 1; back < 4 && back < len; back++) {
        uint32_t code;
        if (((unsigned char)line[len - back] & 0xc0) != 0x80)
            return text_character(line + len - back, back, &code) ? len : len - back;
    }
    return len;
}

/* Turns what has been read into messages while the queue has room. False: more must be read for the next one.
 */
static bool cut_line(struct chat *chat)
{
    const char *line = chat->line + chat->line_at, *feed = memchr(line, '\n', chat->line_len);
    if (feed) {
        queue_message(chat, (size_t)(feed - line));
        line_drop(chat, (size_t)(feed - line) + 1);
        return true;
    }
    size_t len = chat->line_len == TEXT_MAX ? piece_length(chat) : chat->input_ended ? chat->line_len : 0;
    if (len == 0)
        return false;
    queue_message(chat, len);
    line_drop(chat, len);
    return true;
}

static void read_lines(struct session *session, struct chat *chat)
{
    while (queue_has_room(chat)) {
        if (cut_line(chat))
            continue;
        if (chat->input_ended)
            return;
        line_shift(chat);
        ssize_t got = channel_read(&session->input, chat->line + chat->line_len, TEXT_MAX - chat->line_len);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got < 0 && errno != EIO) /* EIO: the terminal is gone, which is an end like any other */
            session_end(session, EXIT_OTHER, "cannot read standard input: %s", strerror(errno));
        if (got <= 0)
            chat->input_ended = true;
        else
            chat->line_len += (size_t)got;
    }
}

/* ---- the queue to the peers ---- */

static void talk_send(struct chat *chat, struct talk *talk)
{
    while (!talk->blocked && !talk->finished && talk->sent < chat->to) {
        size_t len = (size_t)(chat->to - talk->sent);
        ptrdiff_t taken = p2p_stream_write(talk->out, chat->queue + (talk->sent - chat->from), len);
        if (taken < 0) { /* the peer is going, or wants to hear no more */
            talk->sent = chat->to;
            talk->finished = talk->confirmed = true;
            return;
        }
        talk->sent += (uint64_t)taken;
        talk->blocked = (size_t)taken < len;
    }
    if (chat->input_ended && chat->line_len == 0 && talk->sent == chat->to && !talk->finished) {
        p2p_stream_finish(talk->out);
        talk->finished = true;
    }
}

static void talk_confirm(struct talk *talk)
{
    char nothing[64];
    ptrdiff_t got = P2P_EAGAIN;
    while (talk->finished && !talk->confirmed &&
           (got = p2p_stream_read(talk->out, nothing, sizeof nothing)) > 0)
        ; /* nothing is due on this way but its end */
    if (got == 0 || got == P2P_ERESET || got == P2P_EGONE)
        talk->confirmed = true;
}

/* What every peer's stream has taken is forgotten; without a peer everything is kept. */
static void queue_trim(const struct session *session, struct chat *chat)
{
    uint64_t least = chat->to;
    bool anybody = false;
    for (const struct member *member = session->members; member; member = member->next) {
        const struct talk *talk = member->state;
        if (!talk)
            continue;
        anybody = true;
        if (talk->sent < least)
            least = talk->sent;
    }
    if (!anybody || least == chat->from)
        return;
    memmove(chat->queue, chat->queue + (least - chat->from), (size_t)(chat->to - least));
    chat->from = least;
}

/* ---- the peers to standard output ---- */

static void show_message(struct session *session, struct chat *chat, const struct member *member)
{
    const struct talk *talk = member->state;
    char name[SHOWN_NAME_MAX];
    events_message(&session->report, member->peer, talk->text, talk->len);
    events_name(name, member->peer);
    size_t name_len = strlen(name);
    char *to = chat->shown + chat->shown_end;
    memcpy(to, name, name_len);
    memcpy(to + name_len, ": ", 2);
    size_t len = name_len + 2;
    len += text_show(to + len, MESSAGE_MAX - len - 1, talk->text, talk->len);
    to[len++] = '\n';
    chat->shown_end += len;
}

/* Whether standard output has taken everything. */
static bool flush_shown(struct session *session, struct chat *chat)
{
    while (chat->shown_at < chat->shown_end) {
        ssize_t written =
            channel_write(&session->output, chat->shown + chat->shown_at, chat->shown_end - chat->shown_at);
        if (written < 0 && errno != EAGAIN)
            session_output_failed(session);
        if (written <= 0)
            return false;
        chat->shown_at += (size_t)written;
    }
    chat->shown_at = chat->shown_end = 0;
    return true;
}

/* A sentence goes to the same terminal: the line that it has taken in part comes first. That waits no longer
 * than the sentence would. */
static void end_line(void *context)
{
    struct session *session = context;
    struct chat *chat = session->state;
    while (chat->shown_at && chat->shown_at < chat->shown_end && chat->shown[chat->shown_at - 1] != '\n') {
        const char *from = chat->shown + chat->shown_at,
                   *end = memchr(from, '\n', chat->shown_end - chat->shown_at);
        ssize_t written = channel_write(&session->output, from, (size_t)(end - from) + 1);
        if (written > 0)
            chat->shown_at += (size_t)written;
        else if (errno == EAGAIN)
            poll(&(struct pollfd){.fd = session->output.fd, .events = POLLOUT}, 1, -1);
        else
            return; /* whoever shows the rest meets it too */
    }
    session->output.waiting = chat->shown_at < chat->shown_end;
}

static bool shown_has_room(struct session *session, struct chat *chat)
{
    return SHOWN_MAX - chat->shown_end >= MESSAGE_MAX || flush_shown(session, chat);
}

static void talk_over(struct talk *talk)
{
    talk->heard_all = true;
    p2p_stream_finish(talk->in); /* the receipt */
}

/* The length is known: make room for the text. Longer than allowed is no mistake of ours: the peer goes. */
static void talk_begin_text(struct session *session, struct member *member)
{
    struct talk *talk = member->state;
    talk->len = (size_t)talk->header[0] << 24 | (size_t)talk->header[1] << 16 | (size_t)talk->header[2] << 8 |
                talk->header[3];
    if (talk->len <= TEXT_MAX)
        talk->text = malloc(talk->len + 1);
    if (talk->text)
        return;
    talk_over(talk);
    if (talk->len > TEXT_MAX)
        p2p_peer_close(member->peer, "a message was too long");
    else
        session_end(session, EXIT_OTHER, "no memory");
}

/* Reads as far as the end of one message. True: it is complete. */
static bool talk_read(struct session *session, struct member *member)
{
    struct talk *talk = member->state;
    while (talk->readable && !talk->heard_all) {
        if (talk->have == HEADER_LEN && !talk->text)
            talk_begin_text(session, member);
        if (talk->text && talk->have == HEADER_LEN + talk->len)
            return true;
        if (talk->heard_all)
            return false;
        void *to =
            talk->text ? (void *)(talk->text + talk->have - HEADER_LEN) : (void *)(talk->header + talk->have);
        size_t want = HEADER_LEN + (talk->text ? talk->len : 0) - talk->have;
        ptrdiff_t got = p2p_stream_read(talk->in, to, want);
        talk->readable = got > 0;
        talk->have += got > 0 ? (size_t)got : 0;
        if (got == 0 || got == P2P_ERESET)
            talk_over(talk);
    }
    return false;
}

/* Shows the messages of one peer while standard output takes them. False: it takes no more now. */
static bool hear(struct session *session, struct chat *chat, struct member *member)
{
    struct talk *talk = member->state;
    while (talk->in && shown_has_room(session, chat) && talk_read(session, member)) {
        show_message(session, chat, member);
        free(talk->text);
        talk->text = NULL;
        talk->have = 0;
    }
    return flush_shown(session, chat);
}

/* ---- the role ---- */

static void chat_connected(struct session *session, struct member *member)
{
    struct chat *chat = session->state;
    struct talk *talk = calloc(1, sizeof *talk);
    terminal_before_sentence(end_line, session);
    if (!talk || p2p_stream_open(&talk->out, member->peer, CHAT_KIND, 0) != 0) {
        free(talk);
        p2p_peer_close(member->peer, "no stream could be opened");
        return;
    }
    /* The first who comes gets what has waited; who comes later hears what is said from now on. */
    talk->sent = session_partners(session) == 1 ? chat->from : chat->to;
    member->state = talk;
}

static void chat_event(struct session *session, struct member *member, const struct p2p_event *event)
{
    struct talk *talk = member->state;
    (void)session;
    if (event->type == P2P_EVENT_STREAM && (!talk || talk->in || event->kind != CHAT_KIND)) {
        p2p_stream_free(event->stream);
        return;
    }
    if (!talk)
        return;
    if (event->type == P2P_EVENT_STREAM)
        talk->in = event->stream;
    if (event->type == P2P_EVENT_WRITABLE && event->stream == talk->out)
        talk->blocked = false;
    if (event->type != P2P_EVENT_WRITABLE && event->stream == talk->in)
        talk->readable = true;
}

static void talk_free(struct talk *talk)
{
    if (!talk)
        return;
    p2p_stream_free(talk->out);
    p2p_stream_free(talk->in);
    free(talk->text);
    free(talk);
}

static void chat_closed(struct session *session, struct member *member, const struct p2p_event *event)
{
    struct talk *talk = member->state;
    (void)event;
    if (talk) {
        talk->readable = true; /* what had arrived before the goodbye */
        hear(session, session->state, member);
    }
    talk_free(talk);
    member->state = NULL;
}

/* After the end of standard input: everybody has our last words, or is gone. */
static void look_for_end(struct session *session, struct chat *chat)
{
    bool all = true, anybody = false;
    if (!chat->input_ended || !session->was_connected)
        return;
    for (const struct member *member = session->members; member; member = member->next) {
        const struct talk *talk = member->state;
        anybody = anybody || talk;
        all = all && (!talk || talk->confirmed);
    }
    if (!anybody && chat->to > chat->from) {
        session_end(session, EXIT_LOST, "the last lines reached nobody");
        return;
    }
    if (!chat->farewell_until)
        chat->farewell_until = session->now + FAREWELL_S * CLOCK_S;
    session_wake_at(session, chat->farewell_until);
    if (all || session->now >= chat->farewell_until)
        session_end(session, EXIT_DONE, NULL);
}

static bool chat_step(struct session *session)
{
    struct chat *chat = session->state;
    uint64_t before = chat->to;
    read_lines(session, chat);
    bool flushed = flush_shown(session, chat);
    bool moved = chat->to != before;
    for (struct member *member = session->members; member && !session->ended; member = member->next) {
        struct talk *talk = member->state;
        if (!talk)
            continue;
        bool finished = talk->finished, heard = talk->heard_all;
        uint64_t sent = talk->sent;
        talk_send(chat, talk);
        talk_confirm(talk);
        flushed = flushed && hear(session, chat, member);
        moved = moved || sent != talk->sent || finished != talk->finished || heard != talk->heard_all;
    }
    queue_trim(session, chat);
    if (!session->ended)
        look_for_end(session, chat);
    return moved;
}

static void chat_release(struct session *session)
{
    terminal_before_sentence(NULL, NULL);
    for (struct member *member = session->members; member; member = member->next) {
        talk_free(member->state);
        member->state = NULL;
    }
}

int chat_main(const struct options *options, uint64_t started_ns)
{
    static const struct role role = {
        .purpose = "chat",
        .shows_words = true,
        .connected = chat_connected,
        .event = chat_event,
        .closed = chat_closed,
        .step = chat_step,
        .release = chat_release,
    };
    static struct chat chat; /* too large for a stack; zero costs nothing */
    return session_run(options, started_ns, &role, &chat);
}
