/* terminal.c - sentences for people on standard error, and a secret asked without echo. */
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

enum { SENTENCE_MAX = 34000 }; /* bytes; the longest is a whole message of the room, shown by -vv */

bool terminal_takes_colour(int fd)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    if (no_color && *no_color)
        return false;
    return isatty(fd) && term && strcmp(term, "dumb") != 0;
}

bool terminal_has_colour(void)
{
    return terminal_takes_colour(STDERR_FILENO);
}

static bool progress_shown;

static void write_all(const char *text, size_t len)
{
    while (len > 0) {
        ssize_t written = write(STDERR_FILENO, text, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        text += written, len -= (size_t)written;
    }
}

static void hide_progress(void)
{
    static const char clear[] = "\r\033[K";
    if (progress_shown)
        write_all(clear, sizeof clear - 1);
    progress_shown = false;
}

static void (*end_line)(void *context);
static void *end_line_context;

void terminal_before_sentence(void (*end)(void *context), void *context)
{
    struct stat output, error;
    bool same = isatty(STDOUT_FILENO) && isatty(STDERR_FILENO) && fstat(STDOUT_FILENO, &output) == 0 &&
                fstat(STDERR_FILENO, &error) == 0 && output.st_rdev == error.st_rdev;
    end_line = same ? end : NULL;
    end_line_context = context;
}

void terminal_write(const char *text, size_t len)
{
    hide_progress();
    if (end_line)
        end_line(end_line_context);
    write_all(text, len);
}

void terminal_progress(const char *text)
{
    char line[512];
    struct winsize size;
    if (!*text) {
        hide_progress();
        return;
    }
    if (!isatty(STDERR_FILENO))
        return;
    /* A line that wraps could not be taken away again. */
    bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
    size_t len = strlen(text), most = known ? (size_t)size.ws_col - 1 : 79;
    most = most < sizeof line - 8 ? most : sizeof line - 8;
    int written = snprintf(line, sizeof line, "\r%.*s\033[K", (int)(len < most ? len : most), text);
    if (written > 0)
        write_all(line, (size_t)written);
    progress_shown = true;
}

static const char *style_on(enum style style)
{
    static const char *const codes[] = {
        [STYLE_PLAIN] = "",           [STYLE_QUIET] = "\033[2m",    [STYLE_GOOD] = "\033[32m",
        [STYLE_WARNING] = "\033[33m", [STYLE_PROBLEM] = "\033[31m",
    };
    return codes[style];
}

void terminal_say(bool colour, enum style style, const char *format, ...)
{
    char sentence[SENTENCE_MAX], line[SENTENCE_MAX + 16];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    bool styled = colour && style != STYLE_PLAIN;
    int len = snprintf(line, sizeof line, "%s%s%s\n", styled ? style_on(style) : "", sentence,
                       styled ? "\033[0m" : "");
    if (len > 0)
        terminal_write(line, (size_t)len);
}

/* Until the end of the line; the byte after the last is free for a NUL. */
static ptrdiff_t read_line(int fd, char *answer, size_t capacity)
{
    size_t len = 0;
    for (;;) {
        char byte;
        ssize_t got = read(fd, &byte, 1);
        if (got < 0)
            return -1;
        if (got == 0 || byte == '\n')
            break;
        if (len + 1 >= capacity) {
            errno = EMSGSIZE;
            return -1;
        }
        answer[len++] = byte;
    }
    answer[len] = '\0';
    return (ptrdiff_t)len;
}

ptrdiff_t terminal_ask_secret(const char *question, char *answer, size_t capacity)
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -1;
    struct termios before, silent;
    ptrdiff_t len = -1;
    if (tcgetattr(fd, &before) == 0) {
        silent = before;
        silent.c_lflag &= ~(tcflag_t)ECHO;
        if (write(fd, question, strlen(question)) > 0 && tcsetattr(fd, TCSAFLUSH, &silent) == 0) {
            len = read_line(fd, answer, capacity);
            int error = errno;
            tcsetattr(fd, TCSAFLUSH, &before);
            if (write(fd, "\n", 1) < 0)
                len = -1;
            errno = error;
        }
    }
    int error = errno;
    close(fd);
    errno = error;
    return len;
}
