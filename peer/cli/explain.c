/* explain.c - draws the ladder of a session from what --json has told of it, as text or as SVG.
 *
 * A log may be of any length and from anybody: it is read in pieces, lines that are no events are counted and
 * passed over, and what is kept of it is bounded by the ladder. */
#include "commands.h"
#include "events.h"
#include "ladder_draw.h"
#include "ladder_event.h"
#include "session.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { LOGS_MAX = 2, PIECE = 1 << 16 };

/* One log. */
struct log {
    const char *name;
    struct ladder ladder;
    struct ladder_reader reader;
    unsigned long long events, foreign;
};

struct explain {
    const struct options *options;
    struct report report;
    struct log logs[LOGS_MAX];
    unsigned log_count;
    char line[EVENT_LINE_MAX];
};

/* A file's name in a sentence. */
static const char *shown(const char *name)
{
    static char text[TEXT_SHOWN * 256 + 1];
    text_show(text, sizeof text, name, strlen(name));
    return text;
}

/* ---- reading ---- */

/* Lines as they come to be whole. */
struct lines {
    char *line; /* EVENT_LINE_MAX bytes */
    size_t len;
    bool too_long; /* the rest of this one is passed over */
};

static void end_line(struct lines *lines, struct log *log)
{
    bool empty = lines->len == 0 && !lines->too_long;
    if (!lines->too_long && ladder_event_line(&log->reader, lines->line, lines->len))
        log->events++;
    else if (!empty)
        log->foreign++;
    lines->len = 0;
    lines->too_long = false;
}

static void take(struct lines *lines, struct log *log, const char *piece, size_t len)
{
    while (len > 0) {
        const char *end = memchr(piece, '\n', len);
        size_t part = end ? (size_t)(end - piece) : len;
        if (part > EVENT_LINE_MAX - lines->len)
            lines->too_long = true;
        if (!lines->too_long) {
            memcpy(lines->line + lines->len, piece, part);
            lines->len += part;
        }
        if (end)
            end_line(lines, log);
        part += end != NULL;
        piece += part, len -= part;
    }
}

static bool read_log(struct explain *explain, struct log *log, int fd)
{
    static char piece[PIECE];
    struct lines lines = {.line = explain->line};
    for (;;) {
        ssize_t got = read(fd, piece, sizeof piece);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        if (got == 0)
            break;
        take(&lines, log, piece, (size_t)got);
    }
    end_line(&lines, log);
    return true;
}

static void note_interrupt(int number)
{
    (void)number; /* the next one ends us */
}

/* Ctrl-C goes to both ends of a pipe: the session ends, and its picture is wanted all the same. */
static void outlive_interrupt(void)
{
    struct sigaction action = {.sa_handler = note_interrupt, .sa_flags = (int)(SA_RESETHAND | SA_RESTART)};
    if (!isatty(STDIN_FILENO))
        sigaction(SIGINT, &action, NULL);
}

/* Returns an exit code; what went wrong has been said. */
static int open_and_read(struct explain *explain, struct log *log)
{
    char sentence[TEXT_SHOWN * 256 + 256];
    bool from_input = strcmp(log->name, "-") == 0;
    int fd = from_input ? STDIN_FILENO : open(log->name, O_RDONLY | O_CLOEXEC);
    if (from_input)
        outlive_interrupt();
    if (from_input && isatty(STDIN_FILENO))
        events_note(&explain->report, 0,
                    "reading events from the terminal; p2pconnect --json ... 2>FILE keeps them in a file");
    log->reader.ladder = &log->ladder;
    bool good = fd >= 0 && ladder_begin(&log->ladder) && read_log(explain, log, fd);
    int error = errno;
    if (fd >= 0 && !from_input)
        close(fd);
    if (!good) {
        snprintf(sentence, sizeof sentence, "cannot read %s: %s",
                 from_input ? "standard input" : shown(log->name), strerror(error));
        events_error(&explain->report, EXIT_OTHER, sentence);
        return EXIT_OTHER;
    }
    if (log->foreign)
        events_note(&explain->report, 0, "%s: %llu lines are no events and were passed over",
                    from_input ? "standard input" : shown(log->name), log->foreign);
    if (log->events)
        return EXIT_DONE;
    snprintf(sentence, sizeof sentence,
             "%s: there are no events in it; p2pconnect --json writes them to standard error",
             from_input ? "standard input" : shown(log->name));
    events_error(&explain->report, EXIT_OTHER, sentence);
    return EXIT_OTHER;
}

/* ---- two sides ---- */

static int join(struct explain *explain)
{
    int64_t ahead_ms;
    bool by_messages;
    struct ladder *left = &explain->logs[0].ladder, *right = &explain->logs[1].ladder;
    if (!ladder_align(left, right, &ahead_ms, &by_messages)) {
        events_error(
            &explain->report, EXIT_OTHER,
            "these are not the two sides of one session: neither a message nor a connection is in both; "
            "explain them one by one");
        return EXIT_OTHER;
    }
    if (!ladder_join(left, right, ahead_ms)) {
        events_error(&explain->report, EXIT_OTHER, "no memory");
        return EXIT_OTHER;
    }
    events_note(&explain->report, 0,
                "times are those of the first log; the second's clock began %lld ms %s (%s)",
                (long long)(ahead_ms < 0 ? -ahead_ms : ahead_ms), ahead_ms > 0 ? "earlier" : "later",
                by_messages ? "by messages that both saw" : "by when they connected; -vv is more exact");
    return EXIT_DONE;
}

/* ---- drawing ---- */

static unsigned terminal_width(void)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return LADDER_WIDTH;
    return size.ws_col < LADDER_WIDTH_MIN   ? LADDER_WIDTH_MIN
           : size.ws_col > LADDER_WIDTH_MAX ? LADDER_WIDTH_MAX
                                            : size.ws_col;
}

static int draw(struct explain *explain)
{
    const struct ladder *ladder = &explain->logs[0].ladder;
    bool utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    if (explain->options->svg)
        ladder_draw_svg(ladder, stdout);
    else
        ladder_draw_text(ladder, stdout, terminal_width(), utf8, terminal_takes_colour(STDOUT_FILENO));
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_DONE;
    events_error(&explain->report, EXIT_OTHER, "cannot write to standard output");
    return EXIT_OTHER;
}

int explain_main(const struct options *options, uint64_t started_ns)
{
    static struct explain explain;
    explain.options = options;
    setlocale(LC_CTYPE, "");
    events_begin(&explain.report, options, started_ns);
    explain.log_count = options->word_count ? options->word_count : 1;
    int code = EXIT_DONE;
    for (unsigned i = 0; i < explain.log_count && !code; i++) {
        explain.logs[i].name = options->word_count ? options->words[i] : "-";
        code = open_and_read(&explain, &explain.logs[i]);
    }
    if (!code && explain.log_count == LOGS_MAX)
        code = join(&explain);
    if (!code)
        code = draw(&explain);
    for (unsigned i = 0; i < LOGS_MAX; i++)
        ladder_end(&explain.logs[i].ladder);
    events_end(&explain.report);
    return code;
}
