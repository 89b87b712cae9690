/* option_table.c - every option: its name, what it takes, which commands take it, where its value goes.
 *
 * Parsing, --help and the completions of shells are all made from this one table. Left out: whether a host
 * name resolves or a broker answers; that shows when it is used. */
#include "option_table.h"

#include "endpoint.h"
#include "p2pconnect.h"
#include "room_code.h"
#include "text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROOM_MAX = 128,        /* bytes (interface.md) */
    NAME_MAX_BYTES = 64,   /* bytes (p2pconnect.h) */
    WAIT_MAX_S = 31536000, /* a year */
    PORT_MAX = 65535,
    RATE_MIN = 1024,       /* bytes a second: below, a handshake takes longer than anybody waits */
    RATE_MAX = 1000000000, /* (p2pconnect.h) */
};

/* ---- what values must look like ---- */

static bool valid_room(const char *value, const char **complaint)
{
    *complaint = "a room's name has 1 to 128 bytes of UTF-8 without control characters";
    if (!text_is_name(value, ROOM_MAX))
        return false;
    *complaint = "this is a whole code, and names are public: make a fresh one, and give it with --code";
    return !code_is_whole(value);
}

static bool valid_name(const char *value, const char **complaint)
{
    *complaint = "a name has 1 to 64 bytes of UTF-8 without control characters";
    return text_is_name(value, NAME_MAX_BYTES);
}

/* A name, or what two of one name are shown as: NAME#ID. */
static bool valid_to(const char *value, const char **complaint)
{
    *complaint = "a peer is called by its name, or by NAME#ID, without control characters";
    const char *id = strrchr(value, '#');
    return text_is_name(value, id && id - value <= NAME_MAX_BYTES ? P2P_LABEL_MAX - 1 : NAME_MAX_BYTES);
}

static bool read_number(const char *text, unsigned least, unsigned most, unsigned *number)
{
    if (!isdigit((unsigned char)text[0]))
        return false;
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno || *end || value < least || value > most)
        return false;
    *number = (unsigned)value;
    return true;
}

/* HOST, HOST:PORT, [IPV6]:PORT or a bare IPv6 address. */
static bool is_host(const char *text)
{
    unsigned port;
    const char *colon = strrchr(text, ':');
    if (text[0] == '[') {
        const char *close = strchr(text, ']');
        return close && close > text + 1 &&
               (!close[1] || (close[1] == ':' && read_number(close + 2, 1, PORT_MAX, &port)));
    }
    if (strchr(text, '/') || strpbrk(text, " \t@"))
        return false;
    if (!colon || strchr(text, ':') != colon)
        return text_is_name(text, 255);
    return colon > text && colon - text < 256 && read_number(colon + 1, 1, PORT_MAX, &port);
}

static bool valid_broker(const char *value, const char **complaint)
{
    *complaint = "a broker is HOST[:PORT], mqtt://[USER:PASSWORD@]HOST[:PORT] or mqtts://...";
    if (!text_is_name(value, 512))
        return false;
    const char *scheme = strstr(value, "://");
    if (!scheme)
        return is_host(value);
    if (strncmp(value, "mqtt://", 7) != 0 && strncmp(value, "mqtts://", 8) != 0)
        return false;
    const char *at = strrchr(scheme, '@');
    return is_host(at ? at + 1 : scheme + 3);
}

static bool valid_stun(const char *value, const char **complaint)
{
    *complaint = "a STUN server is HOST[:PORT], or none";
    return is_host(value);
}

static bool valid_turn(const char *value, const char **complaint)
{
    char host[300];
    bool secure = strncmp(value, "turns:", 6) == 0;
    *complaint = "a TURN server is turn:HOST[:PORT][?transport=udp|tcp] or turns:HOST[:PORT]";
    if (!secure && strncmp(value, "turn:", 5) != 0)
        return false;
    value += secure ? 6 : 5;
    size_t len = strcspn(value, "?");
    if (len >= sizeof host || (value[len] && strcmp(value + len, "?transport=tcp") != 0 &&
                               (secure || strcmp(value + len, "?transport=udp") != 0)))
        return false;
    memcpy(host, value, len);
    host[len] = '\0';
    return is_host(host);
}

static bool valid_address(const char *value, const char **complaint)
{
    struct in6_addr address;
    *complaint = "must be an IPv4 or IPv6 address, without a port";
    return inet_pton(AF_INET, value, &address) == 1 || inet_pton(AF_INET6, value, &address) == 1;
}

static bool valid_interface(const char *value, const char **complaint)
{
    *complaint = "there is no such network interface";
    return if_nametoindex(value) != 0;
}

/* Where the other side listens for -R is its loopback, whatever is said here. */
static bool is_loopback(const char *host)
{
    return !*host || strcmp(host, "localhost") == 0 || strcmp(host, "127.0.0.1") == 0 ||
           strcmp(host, "::1") == 0;
}

static bool valid_local(const char *value, const char **complaint)
{
    struct forwarding forwarding;
    *complaint =
        "must be [BIND:]PORT:HOST:PORT, with a /PATH for either half if you like, and /udp at the end";
    return endpoint_read_forwarding(&forwarding, value, false);
}

static bool valid_remote(const char *value, const char **complaint)
{
    struct forwarding forwarding;
    *complaint =
        "must be PORT:HOST:PORT or PORT:/PATH, and /udp at the end; the other side listens on its loopback";
    return endpoint_read_forwarding(&forwarding, value, false) && forwarding.listen.port &&
           is_loopback(forwarding.listen.host);
}

static bool valid_stdio(const char *value, const char **complaint)
{
    struct endpoint endpoint;
    *complaint = "must be HOST:PORT, or a /PATH";
    return endpoint_read(&endpoint, value, false) && !endpoint.udp;
}

static bool valid_allow(const char *value, const char **complaint)
{
    struct endpoint endpoint;
    *complaint =
        "must be HOST:PORT or a /PATH (for -L of the other side), or a PORT (for -R), and /udp at the end";
    return endpoint_read(&endpoint, value, false) || endpoint_read_port(&endpoint, value, false);
}

static bool valid_congestion(const char *value, const char **complaint)
{
    *complaint = "must be bbr or cubic";
    return strcmp(value, "cubic") == 0 || strcmp(value, "bbr") == 0;
}

static bool read_paths(const char *value, unsigned *paths)
{
    *paths = 0;
    for (const char *at = value; *at; at += *at == ',') {
        size_t len = strcspn(at, ",");
        unsigned kind = P2P_HOST;
        while (kind <= P2P_BROKER && (strncmp(at, p2p_path_kind_name((enum p2p_path_kind)kind), len) != 0 ||
                                      strlen(p2p_path_kind_name((enum p2p_path_kind)kind)) != len))
            kind++;
        if (kind > P2P_BROKER)
            return false;
        *paths |= 1u << kind;
        at += len;
    }
    return *paths != 0;
}

/* Bytes a second: a number, K for 1024 of them, M for 1024 of these; or off. */
static bool read_rate(const char *value, uint64_t *rate)
{
    char digits[16];
    unsigned number;
    size_t len = strspn(value, "0123456789");
    const char *unit = value + len;
    if (strcmp(value, "off") == 0) {
        *rate = P2P_BROKER_RELAY_OFF;
        return true;
    }
    if (len >= sizeof digits || (*unit && unit[1]) || !strchr("kKmM", *unit))
        return false;
    snprintf(digits, sizeof digits, "%.*s", (int)len, value);
    if (!read_number(digits, 1, RATE_MAX, &number))
        return false;
    uint64_t bytes = (uint64_t)number << (!*unit ? 0 : tolower((unsigned char)*unit) == 'k' ? 10 : 20);
    if (bytes < RATE_MIN || bytes > RATE_MAX)
        return false;
    *rate = bytes;
    return true;
}

/* Bytes: a number, with K, M, G or T for powers of 1024. */
static bool read_size(const char *value, uint64_t *size)
{
    static const char units[] = "KMGT";
    char digits[16];
    unsigned number;
    size_t len = strspn(value, "0123456789");
    const char *unit = value[len] ? strchr(units, toupper((unsigned char)value[len])) : NULL;
    if (len >= sizeof digits || (value[len] && (!unit || value[len + 1])))
        return false;
    snprintf(digits, sizeof digits, "%.*s", (int)len, value);
    if (!read_number(digits, 0, UINT_MAX, &number))
        return false;
    *size = (uint64_t)number << (unit ? 10 * (unit - units + 1) : 0);
    return *size <= UINT64_C(1) << 53;
}

/* ---- the table ---- */

#define AT(member) offsetof(struct options, member)

const struct option option_table[] = {
    {"room", 0, "NAME", "where to meet; who is to come gives the same", COMMANDS_ROOM, OPTION_TEXT, AT(room),
     0, 0, false, valid_room},
    {"broker", 0, "URL", "HOST[:PORT], mqtt[s]://..., several (broker.emqx.io)",
     COMMANDS_ROOM | COMMAND_DOCTOR, OPTION_LIST, AT(brokers), 0, 4, false, valid_broker},
    {"stun", 0, "HOST[:PORT]", "who tells our public address, several; or none",
     COMMANDS_ROOM | COMMAND_DOCTOR, OPTION_LIST, AT(stun), 0, 8, false, valid_stun},
    {"turn", 0, "URI", "a relay: turn[s]:HOST[:PORT][?transport=tcp], several",
     COMMANDS_ROOM | COMMAND_DOCTOR, OPTION_LIST, AT(turn), 0, 4, false, valid_turn},
    {"turn-user", 0, "NAME", "its user; password in P2PCONNECT_TURN_PASSWORD", COMMANDS_ROOM | COMMAND_DOCTOR,
     OPTION_TEXT, AT(turn_user), 0, 0, false, NULL},
    {"secret-file", 0, "FILE", "the room's secret; or in P2PCONNECT_SECRET", COMMANDS_ROOM, OPTION_TEXT,
     AT(secret_file), 0, 0, false, NULL},
    {"secret", 0, NULL, "ask for the room's secret on the terminal", COMMANDS_ROOM, OPTION_FLAG,
     AT(ask_secret), 0, 0, true, NULL},
    {"code", 0, NULL, "ask for a room code: room and secret in one", COMMANDS_ROOM, OPTION_FLAG, AT(ask_code),
     0, 0, true, NULL},
    {"code-file", 0, "FILE", "a room code; or in P2PCONNECT_CODE", COMMANDS_ROOM, OPTION_TEXT, AT(code_file),
     0, 0, false, NULL},
    {"name", 0, "NAME", "what the others call this peer (this machine's name)", COMMANDS_ROOM, OPTION_TEXT,
     AT(name), 0, 0, false, valid_name},
    {"to", 0, "NAME", "connect to this peer only; of two namesakes NAME#ID", COMMANDS_ROOM, OPTION_TEXT,
     AT(to), 0, 0, false, valid_to},
    {"paths", 0, "LIST", "use only these of host,lan,direct,turn,broker", COMMANDS_ROOM, OPTION_PATHS,
     AT(paths), 0, 0, false, NULL},
    {"broker-relay", 0, "RATE", "bytes/s through the broker at worst; off (32K)", COMMANDS_ROOM, OPTION_RATE,
     AT(broker_relay), 0, 0, false, NULL},
    {"congestion", 0, "HOW", "bbr, or cubic: gives way at every lost packet", COMMANDS_ROOM, OPTION_TEXT,
     AT(congestion), 0, 0, false, valid_congestion},
    {"interface", 0, "NAME", "use only this network interface, several", COMMANDS_ROOM | COMMAND_DOCTOR,
     OPTION_LIST, AT(interfaces), 0, 8, false, valid_interface},
    {"exclude", 0, "NAME", "do not use this network interface, several", COMMANDS_ROOM | COMMAND_DOCTOR,
     OPTION_LIST, AT(exclude), 0, 8, false, NULL},
    {"port", 0, "N", "local UDP port (the system's choice; STUN: 3478)", COMMANDS_ALL & ~COMMAND_EXPLAIN,
     OPTION_NUMBER, AT(port), 0, PORT_MAX, false, NULL},
    {"no-portmap", 0, NULL, "ask no router to open a port (PCP, NAT-PMP, UPnP)",
     COMMANDS_ROOM | COMMAND_DOCTOR, OPTION_FLAG, AT(no_portmap), 0, 0, false, NULL},
    {"life", 0, NULL, "doctor: measure how long idle mappings live, in 5 min", COMMAND_DOCTOR, OPTION_FLAG,
     AT(life), 0, 0, false, NULL},
    {"svg", 0, NULL, "explain: a picture for a browser instead of text", COMMAND_EXPLAIN, OPTION_FLAG,
     AT(svg), 0, 0, false, NULL},
    {"no-memory", 0, NULL, "neither use nor keep what worked between networks", COMMANDS_ROOM, OPTION_FLAG,
     AT(no_memory), 0, 0, false, NULL},
    {"max-peers", 0, "N", "connect to so many at most, 1 to 64 (8; --keep: 64)",
     COMMAND_CHAT | COMMAND_ECHO | COMMAND_SEND | COMMAND_RECEIVE | COMMAND_FORWARD, OPTION_NUMBER,
     AT(max_peers), 1, 64, false, NULL},
    {"keep", 0, NULL, "echo, send, receive, forward: stay, serve all",
     COMMAND_ECHO | COMMAND_SEND | COMMAND_RECEIVE | COMMAND_FORWARD, OPTION_FLAG, AT(keep), 0, 0, false,
     NULL},
    {"yes", 0, NULL, "receive: take what is offered without asking", COMMAND_RECEIVE, OPTION_FLAG, AT(yes), 0,
     0, false, NULL},
    {"ask-above", 0, "SIZE", "receive: take up to so much without asking, as 50M", COMMAND_RECEIVE,
     OPTION_SIZE, AT(ask_above), 0, 0, false, NULL},
    {"symlinks", 0, NULL, "send, receive: links too, that stay inside", COMMAND_SEND | COMMAND_RECEIVE,
     OPTION_FLAG, AT(symlinks), 0, 0, false, NULL},
    {"as", 0, "NAME", "send: what standard input (-) is called there", COMMAND_SEND, OPTION_TEXT, AT(as), 0,
     0, false, NULL},
    {"wait", 0, "SECONDS", "for somebody; 0: for ever (on a terminal 0, else 120)", COMMANDS_ROOM,
     OPTION_NUMBER, AT(wait_s), 0, WAIT_MAX_S, false, NULL},
    {"local", 'L', "SPEC", "[BIND:]PORT:HOST:PORT, as ssh; HOST is the other side's", COMMAND_FORWARD,
     OPTION_LIST, AT(local), 0, LIST_MAX, false, valid_local},
    {"remote", 'R', "SPEC", "the same the other way: it listens, HOST is ours", COMMAND_FORWARD, OPTION_LIST,
     AT(remote), 0, LIST_MAX, false, valid_remote},
    {"stdio", 'W', "HOST:PORT", "standard input and output to the other side's HOST", COMMAND_FORWARD,
     OPTION_TEXT, AT(stdio), 0, 0, false, valid_stdio},
    {"allow", 0, "TARGET", "what its -L or -W (HOST:PORT), -R (PORT) may have", COMMAND_FORWARD, OPTION_LIST,
     AT(allow), 0, LIST_MAX, false, valid_allow},
    {"udp", 0, NULL, "-L, -R and --allow mean UDP, unless they end in /tcp", COMMAND_FORWARD, OPTION_FLAG,
     AT(udp), 0, 0, false, NULL},
    {"count", 'c', "N", "ping: how many (4)", COMMAND_PING, OPTION_NUMBER, AT(count), 1, 1000000, false,
     NULL},
    {"address", 0, "IP", "stun-server: only here; two addresses for RFC 5780", COMMAND_STUN_SERVER,
     OPTION_LIST, AT(addresses), 0, 2, false, valid_address},
    {"json", 0, NULL, "events as JSON lines on standard error, not sentences", COMMANDS_ALL, OPTION_FLAG,
     AT(json), 0, 0, false, NULL},
    {"quiet", 'q', NULL, "say only what went wrong", COMMANDS_ALL, OPTION_FLAG, AT(quiet), 0, 0, false, NULL},
    {"verbose", 'v', NULL, "say more; -vv: every message to and from the room", COMMANDS_ALL, OPTION_TALLY,
     AT(verbose), 0, 0, false, NULL},
    {"version", 0, NULL, "print the version", COMMANDS_ALL, OPTION_FLAG, AT(version), 0, 0, true, NULL},
    {"help", 'h', NULL, "print this", COMMANDS_ALL, OPTION_FLAG, AT(help), 0, 0, true, NULL},
};
const size_t option_table_len = sizeof option_table / sizeof *option_table;
_Static_assert(sizeof option_table / sizeof *option_table <= OPTIONS_MAX, "OPTIONS_MAX must hold the table");

const struct option *option_find(const char *name, size_t len)
{
    for (const struct option *option = option_table; option < option_table + option_table_len; option++)
        if (strlen(option->name) == len && memcmp(option->name, name, len) == 0)
            return option;
    return NULL;
}

const struct option *option_find_letter(char letter)
{
    for (const struct option *option = option_table; option < option_table + option_table_len; option++)
        if (letter && option->letter == letter)
            return option;
    return NULL;
}

/* ---- storing values ---- */

static bool read_flag(const char *value, bool *flag)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(value, words[i]) == 0) {
            *flag = i % 2 == 1;
            return true;
        }
    return false;
}

static const char *store_number(const struct option *option, unsigned *number, const char *value)
{
    static char complaint[64];
    if (read_number(value, option->least, option->most, number))
        return NULL;
    snprintf(complaint, sizeof complaint, "must be a number from %u to %u", option->least, option->most);
    return complaint;
}

static const char *store_list(const struct option *option, struct list *list, const char *value)
{
    static char complaint[64];
    if (list->count < option->most) {
        list->item[list->count++] = value;
        return NULL;
    }
    snprintf(complaint, sizeof complaint, "can be given %u times at most", option->most);
    return complaint;
}

const char *option_store(const struct option *option, struct options *options, const char *value)
{
    void *member = (char *)options + option->offset;
    const char *complaint = "needs a value";
    if (value && (!*value || (option->valid && !option->valid(value, &complaint))))
        return complaint;
    switch (option->kind) {
    case OPTION_TEXT:
        *(const char **)member = value;
        return NULL;
    case OPTION_LIST:
        return store_list(option, member, value);
    case OPTION_NUMBER:
        return store_number(option, member, value);
    case OPTION_PATHS:
        return read_paths(value, member) ? NULL : "must be a list of host,lan,direct,turn,broker";
    case OPTION_RATE:
        return read_rate(value, member) ? NULL : "must be a rate from 1K to 900M, as 32K, or off";
    case OPTION_SIZE:
        return read_size(value, member) ? NULL : "must be a number of bytes, as 50M";
    case OPTION_FLAG:
        *(bool *)member = true;
        return !value || read_flag(value, member) ? NULL : "must be yes or no";
    case OPTION_TALLY:
        *(unsigned *)member += !value;
        return !value || read_number(value, 0, 2, member) ? NULL : "must be a number from 0 to 2";
    }
    return "cannot be used";
}
