/* code.c - prints a fresh room code. */
#include "commands.h"
#include "events.h"
#include "room_code.h"
#include "secret.h"
#include "session.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

/* Not stdio: its buffer would keep a copy. */
static bool print_all(const char *text, size_t len)
{
    while (len > 0) {
        ssize_t written = write(STDOUT_FILENO, text, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        text += written, len -= (size_t)written;
    }
    return true;
}

int code_main(const struct options *options, uint64_t started_ns)
{
    static char code[CODE_FRESH_MAX];
    secret_guard(code, sizeof code);
    code_new(code);
    code[strlen(code)] = '\n';
    bool printed = print_all(code, strlen(code));
    int error = errno;
    sodium_munlock(code, sizeof code);
    if (printed)
        return EXIT_DONE;
    struct report report;
    events_begin(&report, options, started_ns);
    events_error(&report, EXIT_OTHER,
                 error == EBADF ? "cannot write to standard output: it is closed"
                                : "cannot write to standard output");
    events_end(&report);
    return EXIT_OTHER;
}
