/* options.h - what the user asked for: command line, environment, configuration file. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One bit a command, so that the table of options can say which command takes what. */
enum command_bit {
    COMMAND_CHAT = 1 << 0,
    COMMAND_PIPE = 1 << 1,
    COMMAND_PING = 1 << 2,
    COMMAND_ECHO = 1 << 3,
    COMMAND_STUN_SERVER = 1 << 4,
    COMMAND_CODE = 1 << 5,
    COMMAND_DOCTOR = 1 << 6,
    COMMAND_SEND = 1 << 7,
    COMMAND_RECEIVE = 1 << 8,
    COMMAND_FORWARD = 1 << 9,
    COMMAND_EXPLAIN = 1 << 10,
    COMMANDS_ROOM = COMMAND_CHAT | COMMAND_PIPE | COMMAND_PING | COMMAND_ECHO | COMMAND_SEND |
                    COMMAND_RECEIVE | COMMAND_FORWARD,
    COMMANDS_ALL = COMMANDS_ROOM | COMMAND_STUN_SERVER | COMMAND_CODE | COMMAND_DOCTOR | COMMAND_EXPLAIN
};

enum {
    ENVIRONMENT_SECRET_MAX = 1024, /* bytes of a secret or a code */
    LIST_MAX = 32,                 /* values of an option that may be given several times */
    KEEP_PEERS = 64,               /* interface.md: --keep takes all comers */
    WAIT_DEFAULT_S = 120,          /* interface.md: 0 on a terminal, 120 otherwise */
    STUN_PORT_DEFAULT = 3478,      /* RFC 8489 18.6 */
    WAIT_UNSET = INT_MAX,          /* as the two below before anything is read: 0 says something */
    PORT_UNSET = INT_MAX
};

struct list {
    const char *item[LIST_MAX + 1]; /* ends with NULL: p2p_config takes it as it is */
    unsigned count;
};

/* What P2PCONNECT_SECRET, P2PCONNECT_CODE or P2PCONNECT_TURN_PASSWORD said; a `len` above the limit: too
 * long, and no bytes are here.
 */
struct environment_secret {
    char bytes[ENVIRONMENT_SECRET_MAX];
    size_t len;
};

struct environment_secrets {
    struct environment_secret secret, code, turn_password;
};

struct options {
    const char *command;      /* the first word that is no option; NULL: none was given */
    const char *const *words; /* those after the command; point into argv */
    unsigned word_count;
    const char *room, *name, *to, *secret_file, *code_file, *turn_user, *stdio, *as, *congestion;
    struct list brokers, stun, turn, interfaces, exclude, addresses, local, remote, allow;
    unsigned paths;        /* bits 1 << enum p2p_path_kind; 0: all */
    uint64_t broker_relay; /* as p2p_config's */
    uint64_t ask_above;    /* bytes; 0: always ask */
    unsigned port, max_peers, count;
    unsigned wait_s;                        /* 0: for ever */
    struct environment_secrets *hidden;     /* never NULL; not from here but from secret_take_environment */
    bool room_said, secret_said, code_said; /* on the command line, which stands before everything else */
    bool ask_secret, ask_code, keep, yes, symlinks, udp, no_portmap, no_memory, life, svg, json, quiet, help,
        version;
    unsigned verbose;
};

struct option;

enum { COMPLAINT_MAX = PATH_MAX + 1024 }; /* the path of the file, and a sentence */

/* Reads `argv`, then P2PCONNECT_<OPTION> from the environment, then $XDG_CONFIG_HOME/p2pconnect/config; what
 * came first stands. The texts stay owned by argv, the environment or (from the file) the process. False:
 * `complaint` says in one line what is wrong; *options then holds what was read before. */
bool options_read(struct options *options, int argc, char **argv, char complaint[COMPLAINT_MAX]);
/* Only what a configuration file says: `text` ends with NUL and is cut up, and the options point into it;
 * `path` is for the complaint. */
bool options_read_config(struct options *options, const char *path, char *text,
                         char complaint[COMPLAINT_MAX]);
/* Which of the options that were given on the command line this command does not take; NULL: none. */
const struct option *options_misplaced(int argc, char **argv, unsigned command);

#endif
