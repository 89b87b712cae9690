/* secret.c - the room's secret, from a file, the environment or the terminal.
 *
 * Never from an argument: `ps` shows those to everybody on the machine (security.md). Left out: judging how
 * good it is; one run of the protocol allows one guess, so even a short one is not found by who records
 * everything. */
#include "secret.h"

#include "terminal.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, EXIT_OTHER = 1, EXIT_INTERRUPTED = 130 };

static int complain(char complaint[COMPLAINT_MAX], int code, const char *subject, const char *problem)
{
    char shown[TEXT_SHOWN * 256 + 1];
    text_show(shown, sizeof shown, subject, strlen(subject));
    snprintf(complaint, COMPLAINT_MAX, "%s: %s", shown, problem);
    return code;
}

static void take_environment(struct secret *secret, char complaint[COMPLAINT_MAX], int *code)
{
    char *value = getenv("P2PCONNECT_SECRET");
    if (!value)
        return;
    size_t len = strlen(value);
    if (len > SECRET_MAX)
        *code = complain(complaint, EXIT_USAGE, "P2PCONNECT_SECRET", "a secret has 1024 bytes at most");
    else
        memcpy(secret->bytes, value, len);
    secret->len = len > SECRET_MAX ? 0 : len;
    secret->given = secret->len > 0;
    explicit_bzero(value, len);
    unsetenv("P2PCONNECT_SECRET");
}

/* Not stdio: its buffer would keep a copy. Returns the bytes read, or -1. */
static ptrdiff_t read_file(const char *path, char *bytes, size_t capacity)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -1;
    size_t len = 0;
    ssize_t got = 1;
    while (got != 0 && len < capacity) {
        got = read(fd, bytes + len, capacity - len);
        if (got < 0 && errno != EINTR)
            break;
        len += got > 0 ? (size_t)got : 0;
    }
    int error = errno;
    close(fd);
    errno = error;
    return got < 0 ? -1 : (ptrdiff_t)len;
}

/* One line feed at the end belongs to the editor, not to the secret. */
static int take_file(struct secret *secret, const char *path, char complaint[COMPLAINT_MAX])
{
    ptrdiff_t len = read_file(path, secret->bytes, SECRET_MAX + 2);
    if (len < 0)
        return complain(complaint, EXIT_USAGE, path, strerror(errno));
    if (len > 0 && secret->bytes[len - 1] == '\n')
        len--;
    if (len > 0 && secret->bytes[len - 1] == '\r')
        len--;
    if (len == 0 || len > SECRET_MAX)
        return complain(complaint, EXIT_USAGE, path,
                        len ? "a secret has 1024 bytes at most" : "there is no secret in it");
    secret->len = (size_t)len;
    secret->given = true;
    return 0;
}

static int take_terminal(struct secret *secret, char complaint[COMPLAINT_MAX])
{
    ptrdiff_t len = terminal_ask_secret("The room's secret: ", secret->bytes, SECRET_MAX + 1);
    if (len < 0 && errno == EINTR)
        return complain(complaint, EXIT_INTERRUPTED, "--secret", "interrupted");
    if (len < 0)
        return complain(complaint, EXIT_OTHER, "--secret: cannot ask on the terminal", strerror(errno));
    if (len == 0)
        return complain(complaint, EXIT_USAGE, "--secret", "the secret is empty");
    secret->len = (size_t)len;
    secret->given = true;
    return 0;
}

int secret_read(struct secret *secret, const struct options *options, char complaint[COMPLAINT_MAX])
{
    int code = 0;
    *secret = (struct secret){.given = false};
    take_environment(secret, complaint, &code);
    if (options->secret_file)
        code = take_file(secret, options->secret_file, complaint);
    else if (options->ask_secret)
        code = take_terminal(secret, complaint);
    if (secret->given)
        prctl(PR_SET_DUMPABLE, 0, 0, 0,
              0); /* no core with it in; other programs of this user cannot look inside */
    if (code)
        secret_wipe(secret);
    return code;
}

void secret_wipe(struct secret *secret)
{
    explicit_bzero(secret, sizeof *secret);
}
