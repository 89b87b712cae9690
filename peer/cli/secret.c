/* secret.c - the room's secret, from a file, the environment or the terminal.
 *
 * Never from an argument: `ps` shows those to everybody on the machine (security.md). Left out: judging how
 * good it is; one run of the protocol allows one guess, so even a short one is not found by who records
 * everything. */
#include "secret.h"

#include "room_code.h"
#include "terminal.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

enum { EXIT_USAGE = 2, EXIT_OTHER = 1, EXIT_INTERRUPTED = 130 };

static const char TOO_LONG[] = "a secret has 1024 bytes at most";

_Static_assert((int)SECRET_MAX == (int)ENVIRONMENT_SECRET_MAX && (int)SECRET_MAX == (int)CODE_TEXT_MAX,
               "one limit for all of them");

extern char **environ;

static int complain(char complaint[COMPLAINT_MAX], int code, const char *subject, const char *problem)
{
    char shown[TEXT_SHOWN * 256 + 1];
    text_show(shown, sizeof shown, subject, strlen(subject));
    snprintf(complaint, COMPLAINT_MAX, "%s: %s", shown, problem);
    return code;
}

void secret_guard(void *memory, size_t len)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
#ifdef __linux__
    /* The limit does not stop cores that go into a pipe; nor are other programs of this user kept from
     * looking inside by it. */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
    if (sodium_init() >= 0)
        sodium_mlock(memory, len); /* RLIMIT_MEMLOCK may be 0: then it may be swapped */
}

/* ---- the environment ---- */

/* Every copy of the variable: a program may be started with two of one name. */
static void take_variable(const char *name, struct environment_secret *taken)
{
    size_t name_len = strlen(name);
    for (char **entry = environ; *entry; entry++) {
        if (strncmp(*entry, name, name_len) != 0 || (*entry)[name_len] != '=')
            continue;
        char *value = *entry + name_len + 1;
        size_t len = strlen(value);
        if (!taken->len)
            memcpy(taken->bytes, value, len > ENVIRONMENT_SECRET_MAX ? 0 : len), taken->len = len;
        explicit_bzero(value, len);
    }
    unsetenv(name);
}

void secret_take_environment(struct environment_secrets *taken)
{
    memset(taken, 0, sizeof *taken);
    if (!getenv("P2PCONNECT_SECRET") && !getenv("P2PCONNECT_CODE") && !getenv("P2PCONNECT_TURN_PASSWORD"))
        return;
    secret_guard(taken, sizeof *taken);
    take_variable("P2PCONNECT_SECRET", &taken->secret);
    take_variable("P2PCONNECT_CODE", &taken->code);
    take_variable("P2PCONNECT_TURN_PASSWORD", &taken->turn_password);
}

static int take_environment(struct secret *secret, const struct environment_secret *taken, const char *name,
                            char complaint[COMPLAINT_MAX])
{
    if (taken->len > SECRET_MAX)
        return complain(complaint, EXIT_USAGE, name, TOO_LONG);
    memcpy(secret->bytes, taken->bytes, taken->len);
    secret->len = taken->len;
    return 0;
}

/* ---- a file ---- */

/* Returns what keeps the file from being a secret, or NULL. Asked of the open file: a name may be moved. */
static const char *find_exposure(int fd)
{
    struct stat about;
    if (fstat(fd, &about) != 0)
        return strerror(errno);
    if (!S_ISREG(about.st_mode))
        return "is not a regular file";
    if (about.st_uid != geteuid())
        return "belongs to another user, who knows what is in it";
    if (about.st_mode & (S_IRWXG | S_IRWXO))
        return "is open to other users of this machine (chmod 600)";
    return about.st_size > SECRET_MAX + 2 ? TOO_LONG : NULL;
}

/* Not stdio: its buffer would keep a copy. Returns the bytes read, or -1. */
static ptrdiff_t read_all(int fd, char *bytes, size_t capacity)
{
    size_t len = 0;
    ssize_t got = 1;
    while (got != 0 && len < capacity) {
        got = read(fd, bytes + len, capacity - len);
        if (got < 0 && errno != EINTR)
            return -1;
        len += got > 0 ? (size_t)got : 0;
    }
    return (ptrdiff_t)len;
}

/* One line feed at the end belongs to the editor, not to the secret. */
static size_t without_line_end(const char *bytes, size_t len)
{
    if (len > 0 && bytes[len - 1] == '\n')
        len--;
    if (len > 0 && bytes[len - 1] == '\r')
        len--;
    return len;
}

static int take_file(struct secret *secret, const char *path, char complaint[COMPLAINT_MAX])
{
    /* Not waiting: a pipe without a writer would hold us before we could see that it is one. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return complain(complaint, EXIT_USAGE, path, strerror(errno));
    const char *problem = find_exposure(fd);
    ptrdiff_t len = problem ? 0 : read_all(fd, secret->bytes, SECRET_MAX + 2);
    if (len < 0)
        problem = strerror(errno);
    close(fd);
    if (problem)
        return complain(complaint, EXIT_USAGE, path, problem);
    secret->len = without_line_end(secret->bytes, (size_t)len);
    if (secret->len == 0 || secret->len > SECRET_MAX)
        return complain(complaint, EXIT_USAGE, path, secret->len ? TOO_LONG : "there is no secret in it");
    return 0;
}

/* ---- the terminal ---- */

static int take_terminal(struct secret *secret, const char *option, const char *question,
                         char complaint[COMPLAINT_MAX])
{
    ptrdiff_t len = terminal_ask_secret(question, secret->bytes, SECRET_MAX + 1);
    if (len < 0 && errno == EINTR)
        return complain(complaint, EXIT_INTERRUPTED, option, "interrupted");
    if (len < 0 && errno == EMSGSIZE)
        return complain(complaint, EXIT_USAGE, option, TOO_LONG);
    if (len < 0) {
        snprintf(complaint, COMPLAINT_MAX, "%s: cannot ask on the terminal: %s", option, strerror(errno));
        return EXIT_OTHER;
    }
    if (len == 0)
        return complain(complaint, EXIT_USAGE, option, "nothing was said");
    secret->len = (size_t)len;
    return 0;
}

/* ---- what two keyboards agree on ---- */

static bool is_ascii(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)bytes[i] >= 0x80)
            return false;
    return true;
}

/* RFC 8265 4.2 (OpaqueString): letters in composed form, every space the plain one; capitals stay. What is
 * no text of that kind stays as it is. */
static void normalise(struct secret *secret)
{
    gnutls_datum_t text;
    if (is_ascii(secret->bytes, secret->len) ||
        gnutls_utf8_password_normalize((const unsigned char *)secret->bytes, (unsigned)secret->len, &text,
                                       0) < 0)
        return;
    if (text.size <= SECRET_MAX) {
        memcpy(secret->bytes, text.data, text.size);
        secret->len = text.size;
    }
    sodium_memzero(text.data, text.size);
    gnutls_free(text.data);
}

static int split_code(struct secret *secret, const char *source, char complaint[COMPLAINT_MAX])
{
    struct code_parts parts;
    char problem[128];
    secret->bytes[secret->len] = '\0';
    bool text = strlen(secret->bytes) == secret->len;
    if (text && code_split(secret->bytes, &parts)) {
        memcpy(secret->room, parts.room, strlen(parts.room) + 1);
        secret->len = strlen(parts.words);
        memmove(secret->bytes, parts.words, secret->len + 1);
        return 0;
    }
    if (text && parts.unknown)
        snprintf(problem, sizeof problem,
                 "word %u of the code is none of p2pconnect's: was it heard or typed wrong?", parts.unknown);
    else
        snprintf(problem, sizeof problem, "a code is a name and four words, as p2pconnect code prints it");
    return complain(complaint, EXIT_USAGE, source, problem);
}

/* ---- which of them ---- */

/* A room on the command line is not to be moved by a code that lies about somewhere. */
bool secret_names_room(const struct options *options)
{
    return options->code_said || (!options->room_said && (options->code_file || options->hidden->code.len));
}

static int read_code(struct secret *secret, const struct options *options, char complaint[COMPLAINT_MAX])
{
    const char *source = "P2PCONNECT_CODE";
    int code;
    if (options->ask_code)
        code = take_terminal(secret, source = "--code", "The room's code: ", complaint);
    else if (options->code_file && (options->code_said || !options->hidden->code.len))
        code = take_file(secret, source = options->code_file, complaint);
    else
        code = take_environment(secret, &options->hidden->code, source, complaint);
    return code ? code : split_code(secret, source, complaint);
}

static int read_secret(struct secret *secret, const struct options *options, char complaint[COMPLAINT_MAX])
{
    int code;
    if (options->ask_secret)
        code = take_terminal(secret, "--secret", "The room's secret: ", complaint);
    else if (options->secret_file && (options->secret_said || !options->hidden->secret.len))
        return take_file(secret, options->secret_file, complaint);
    else
        code = take_environment(secret, &options->hidden->secret, "P2PCONNECT_SECRET", complaint);
    if (!code)
        normalise(secret);
    return code;
}

static bool is_any(const struct options *options)
{
    return options->ask_secret || options->secret_file || options->hidden->secret.len ||
           secret_names_room(options);
}

static int take_turn_password(struct secret *secret, const struct options *options,
                              char complaint[COMPLAINT_MAX])
{
    const struct environment_secret *taken = &options->hidden->turn_password;
    if (taken->len > TURN_PASSWORD_TEXT_MAX)
        return complain(complaint, EXIT_USAGE, "P2PCONNECT_TURN_PASSWORD",
                        "a password has 763 bytes at most");
    memcpy(secret->turn_password, taken->bytes, taken->len);
    return 0;
}

int secret_read(struct secret *secret, const struct options *options, char complaint[COMPLAINT_MAX])
{
    int code = 0;
    memset(secret, 0, sizeof *secret);
    if (is_any(options) || options->hidden->turn_password.len)
        secret_guard(secret, sizeof *secret);
    code = take_turn_password(secret, options, complaint);
    if (!code && is_any(options)) {
        code = secret_names_room(options) ? read_code(secret, options, complaint)
                                          : read_secret(secret, options, complaint);
    }
    sodium_munlock(options->hidden, sizeof *options->hidden);
    memset(options->hidden, 0, sizeof *options->hidden);
    secret->given = !code && secret->len > 0;
    if (code)
        secret_wipe(secret);
    return code;
}

void secret_wipe(struct secret *secret)
{
    sodium_munlock(secret, sizeof *secret);
}
