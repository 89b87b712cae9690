/* main.c - p2pconnect: finds the command, checks the options, runs it. */
#include "clock.h"
#include "commands.h"
#include "completion.h"
#include "events.h"
#include "help.h"
#include "option_table.h"
#include "p2pconnect.h"
#include "secret.h"
#include "session.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct command commands[] = {
    {"chat", COMMAND_CHAT, chat_main, "talk with everybody in the room, line by line", 0, NULL},
    {"pipe", COMMAND_PIPE, pipe_main, "standard input to one peer, its bytes to standard output", 0, NULL},
    {"send", COMMAND_SEND, send_main, "files and folders, verified, resumed; - is standard input", UINT_MAX,
     "PATH"},
    {"receive", COMMAND_RECEIVE, receive_main, "what is sent, into the folder DIR (here)", 1, "DIR"},
    {"ping", COMMAND_PING, ping_main, "measure the path to a peer, and say why it is not better", 0, NULL},
    {"echo", COMMAND_ECHO, echo_main, "send back what arrives: a self-test for the other side", 0, NULL},
    {"forward", COMMAND_FORWARD, forward_main,
     "TCP connections and UDP to hosts of the other side, like ssh -L", 0, NULL},
    {"code", COMMAND_CODE, code_main, "print a fresh room code, for --code on both sides", 0, NULL},
    {"doctor", COMMAND_DOCTOR, doctor_main, "look at this machine's network, and say what to change", 0,
     NULL},
    {"explain", COMMAND_EXPLAIN, explain_main, "draw a session, or both sides of it, from --json's events", 2,
     "FILE"},
    {"stun-server", COMMAND_STUN_SERVER, stun_server_main,
     "tell others their public address (RFC 8489, 5780)", 0, NULL},
};
static const size_t command_count = sizeof commands / sizeof *commands;

/* A program may be started with any of the three closed; the next file it opened would then take that number,
 * and sentences would end up in it. What is put there instead fails as a closed one does when it is used. */
static bool fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
            continue;
        if (open("/dev/null", fd == STDOUT_FILENO ? O_RDONLY : O_RDWR) != fd)
            return false;
    }
    return true;
}

static int complain(const struct options *options, uint64_t started_ns, int code, const char *sentence)
{
    struct report report;
    events_begin(&report, options, started_ns);
    events_error(&report, code, sentence);
    events_end(&report);
    return code;
}

static const struct command *find_command(const struct options *options)
{
    bool terminals = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    const char *name = options->command ? options->command : terminals ? "chat" : "pipe";
    for (const struct command *command = commands; command < commands + command_count; command++)
        if (strcmp(command->name, name) == 0)
            return command;
    return NULL;
}

/* What the table of options cannot say alone. Returns a sentence, or NULL. */
static const char *find_mistake(const struct options *options, const struct command *command, int argc,
                                char **argv, char sentence[COMPLAINT_MAX])
{
    char shown[TEXT_SHOWN * 64 + 1];
    if (!command) {
        text_show(shown, sizeof shown, options->command, strlen(options->command));
        snprintf(sentence, COMPLAINT_MAX, "%s: there is no such command; --help lists them", shown);
        return sentence;
    }
    if (options->word_count > command->words_most) {
        const char *word = options->words[command->words_most];
        text_show(shown, sizeof shown, word, strlen(word));
        snprintf(sentence, COMPLAINT_MAX, "%s: this word is too much; --help shows what can be said", shown);
        return sentence;
    }
    if (command->bit == COMMAND_SEND && !options->word_count)
        return "send what? One or more files or folders, or - for standard input";
    const struct option *misplaced = options_misplaced(argc, argv, command->bit);
    if (misplaced) {
        snprintf(sentence, COMPLAINT_MAX, "%s does not take --%s", command->name, misplaced->name);
        return sentence;
    }
    if (options->room_said && options->code_said)
        return "--room or a code, not both: a code names the room";
    if (options->secret_said && options->code_said)
        return "a secret or a code, not both: a code has the secret in it";
    if (command->bit & COMMANDS_ROOM && !options->room && !secret_names_room(options))
        return "which room? --room NAME or --code, the same on both sides";
    bool forwards = options->local.count || options->remote.count || options->stdio || options->allow.count;
    if (command->bit == COMMAND_FORWARD && !forwards)
        return "forward what? -L, -R or -W says what is wanted, and on the other side --allow the same";
    if (command->bit == COMMAND_FORWARD && options->stdio && options->keep)
        return "-W or --keep, not both: standard input has one end";
    return NULL;
}

/* Defaults that depend on the command and on where we run. */
static void settle(struct options *options, const struct command *command)
{
    if (options->wait_s == WAIT_UNSET)
        options->wait_s = options->keep || isatty(STDERR_FILENO) ? 0 : WAIT_DEFAULT_S;
    if (!options->max_peers && options->keep)
        options->max_peers = KEEP_PEERS;
    if (options->port == PORT_UNSET)
        options->port = command->bit == COMMAND_STUN_SERVER ? STUN_PORT_DEFAULT : 0;
}

static int print_version(void)
{
    char libraries[512];
    p2p_libraries(libraries, sizeof libraries);
    printf("p2pconnect %s\n%s\n", p2p_version(), libraries);
    return fflush(stdout) == 0 ? EXIT_DONE : EXIT_OTHER;
}

/* --version and --help: they need neither a room nor a command. */
static int print_information(const struct options *options, uint64_t started_ns)
{
    int code = EXIT_DONE;
    if (options->version)
        code = print_version();
    else if (!help_print(commands, command_count))
        code = EXIT_OTHER;
    return code ? complain(options, started_ns, code, "cannot write to standard output") : code;
}

/* `p2pconnect --completion SHELL`, for who builds packages: no option of the table, since nobody else needs
 * it. */
static bool asks_completion(int argc, char **argv)
{
    return argc == 3 && strcmp(argv[1], "--completion") == 0;
}

static int print_completion(const struct options *options, const char *shell, uint64_t started_ns)
{
    if (!completion_print(shell, commands, command_count))
        return complain(options, started_ns, EXIT_USAGE, "--completion: there is one for bash, zsh and fish");
    return fflush(stdout) == 0 && !ferror(stdout)
               ? EXIT_DONE
               : complain(options, started_ns, EXIT_OTHER, "cannot write to standard output");
}

int main(int argc, char **argv)
{
    static struct environment_secrets hidden;
    static struct options options = {.hidden = &hidden, .wait_s = WAIT_UNSET, .port = PORT_UNSET};
    static char sentence[COMPLAINT_MAX];
    uint64_t started_ns = clock_now();
    secret_take_environment(&hidden);
    if (!fill_standard_descriptors())
        return EXIT_OTHER;
    if (asks_completion(argc, argv))
        return print_completion(&options, argv[2], started_ns);
    if (!options_read(&options, argc, argv, sentence))
        return complain(&options, started_ns, EXIT_USAGE, sentence);
    if (options.version || options.help)
        return print_information(&options, started_ns);
    const struct command *command = find_command(&options);
    const char *mistake = find_mistake(&options, command, argc, argv, sentence);
    if (mistake)
        return complain(&options, started_ns, EXIT_USAGE, mistake);
    settle(&options, command);
    if (!(command->bit & (COMMANDS_ROOM | COMMAND_DOCTOR))) /* who needs some of it wipes it */
        sodium_memzero(&hidden, sizeof hidden);
    return command->main(&options, started_ns);
}
