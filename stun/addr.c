/* addr.c - an IPv4 or IPv6 address and port: parse, print, compare, tell its scope.
 * Text follows RFC 5952, scopes RFC 6890 and the RFCs named below. The C library converts between digits and
 * bytes (inet_pton, inet_ntop: no system calls); everything that is a decision is here.
 * Left out: host names (they need a resolver, which blocks) and zones by interface name (they need the
 * system). */
#include "addr.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { IP4_LEN = 4, IP6_LEN = 16 };

struct prefix {
    uint8_t ip[IP6_LEN];
    uint8_t bits;
    enum addr_scope scope;
};

/* The first match counts; what matches nothing is ADDR_GLOBAL. */
static const struct prefix prefixes4[] = {
    {{0}, 8, ADDR_NONE},          {{127}, 8, ADDR_LOOPBACK},     {{169, 254}, 16, ADDR_LINK_LOCAL},
    {{10}, 8, ADDR_PRIVATE},      {{172, 16}, 12, ADDR_PRIVATE}, {{192, 168}, 16, ADDR_PRIVATE},
    {{100, 64}, 10, ADDR_SHARED}, {{224}, 4, ADDR_NONE}, /* multicast */
    {{240}, 4, ADDR_NONE},                               /* reserved (RFC 1112 4), broadcast */
};

static const struct prefix prefixes6[] = {
    {{[15] = 1}, 128, ADDR_LOOPBACK},
    {{0}, 96, ADDR_NONE}, /* unspecified, and IPv4-compatible addresses, abolished by RFC 4291 2.5.5.1 */
    {{0xfe, 0x80}, 10, ADDR_LINK_LOCAL},
    {{0xfe, 0xc0}, 10, ADDR_PRIVATE}, /* site-local, abolished by RFC 3879, still somebody's inside */
    {{0xfc}, 7, ADDR_PRIVATE},
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, ADDR_PRIVATE}, /* local translation, RFC 8215 */
    {{0x01}, 64, ADDR_NONE},                                  /* discarded, RFC 6666 */
    {{0xff}, 8, ADDR_NONE},                                   /* multicast */
};

/* IPv6 prefixes whose packets some router turns into IPv4 ones. Filters that forget them let a stranger write
 * 127.0.0.1 as 64:ff9b::7f00:1; so these have a scope only where the IPv4 address inside is a global one. */
struct embedding {
    uint8_t ip[IP6_LEN];
    uint8_t bits;
    uint8_t at;   /* of the IPv4 address */
    uint8_t mask; /* each of its bytes is combined with this by exclusive or */
};

static const struct embedding embeddings[] = {
    {{0x00, 0x64, 0xff, 0x9b}, 96, 12, 0},   /* NAT64, RFC 6052 2.1 */
    {{[8] = 0xff, [9] = 0xff}, 96, 12, 0},   /* IPv4-translated, RFC 2765 2.1 */
    {{0x20, 0x02}, 16, 2, 0},                /* 6to4, RFC 3056 2 */
    {{0x20, 0x01, 0x00, 0x00}, 32, 12, 255}, /* Teredo, RFC 4380 4 */
};

static bool prefix_matches(const uint8_t *prefix, unsigned bits, const uint8_t *ip)
{
    size_t whole = bits / 8;
    if (memcmp(prefix, ip, whole))
        return false;
    unsigned rest = bits % 8;
    return rest == 0 || (prefix[whole] ^ ip[whole]) >> (8 - rest) == 0;
}

static enum addr_scope scope_in(const struct prefix *table, size_t count, const uint8_t *ip)
{
    for (size_t i = 0; i < count; i++)
        if (prefix_matches(table[i].ip, table[i].bits, ip))
            return table[i].scope;
    return ADDR_GLOBAL;
}

static enum addr_scope scope4(const uint8_t *ip)
{
    return scope_in(prefixes4, sizeof prefixes4 / sizeof *prefixes4, ip);
}

static enum addr_scope scope6(const uint8_t *ip)
{
    for (size_t i = 0; i < sizeof embeddings / sizeof *embeddings; i++) {
        const struct embedding *e = &embeddings[i];
        if (!prefix_matches(e->ip, e->bits, ip))
            continue;
        uint8_t inner[IP4_LEN];
        for (size_t b = 0; b < IP4_LEN; b++)
            inner[b] = ip[e->at + b] ^ e->mask;
        return scope4(inner) == ADDR_GLOBAL ? ADDR_GLOBAL : ADDR_NONE;
    }
    return scope_in(prefixes6, sizeof prefixes6 / sizeof *prefixes6, ip);
}

enum addr_scope addr_scope(const struct addr *addr)
{
    switch (addr->family) {
    case 4:
        return scope4(addr->ip);
    case 6:
        return scope6(addr->ip);
    default:
        return ADDR_NONE;
    }
}

bool addr_is_usable(const struct addr *addr)
{
    return addr->port != 0 && addr_scope(addr) != ADDR_NONE;
}

struct addr addr_make4(const uint8_t ip[4], uint16_t port)
{
    struct addr addr = {.family = 4, .port = port};
    memcpy(addr.ip, ip, IP4_LEN);
    return addr;
}

struct addr addr_make6(const uint8_t ip[16], uint16_t port, uint32_t scope)
{
    static const uint8_t mapped[IP6_LEN] = {[10] = 0xff, [11] = 0xff};
    if (prefix_matches(mapped, 96, ip))
        return addr_make4(ip + 12, port);
    struct addr addr = {.family = 6, .port = port};
    memcpy(addr.ip, ip, IP6_LEN);
    if (scope6(ip) == ADDR_LINK_LOCAL)
        addr.scope = scope;
    return addr;
}

/* Reads `text` as a decimal number from 1 to `max`, without sign, spaces or leading zeros. */
static bool parse_number(const char *text, uint32_t max, uint32_t *out)
{
    if (*text < '1' || *text > '9')
        return false;
    uint64_t value = 0;
    for (; *text >= '0' && *text <= '9' && value <= max; text++)
        value = value * 10 + (unsigned)(*text - '0');
    *out = (uint32_t)value;
    return *text == '\0' && value <= max;
}

/* `text` is IPv6, perhaps with a zone, which only a link-local address may have. It is cut up. */
static bool parse6(char *text, uint16_t port, struct addr *out)
{
    uint8_t ip[IP6_LEN];
    uint32_t scope = 0;
    char *zone = strchr(text, '%');
    if (zone) {
        *zone++ = '\0';
        if (!parse_number(zone, UINT32_MAX, &scope))
            return false;
    }
    if (inet_pton(AF_INET6, text, ip) != 1)
        return false;
    struct addr addr = addr_make6(ip, port, scope);
    if (addr.scope != scope)
        return false;
    *out = addr;
    return true;
}

static bool parse4(const char *text, uint16_t port, struct addr *out)
{
    uint8_t ip[IP4_LEN];
    if (inet_pton(AF_INET, text, ip) != 1)
        return false;
    *out = addr_make4(ip, port);
    return true;
}

bool addr_parse(struct addr *out, const char *text)
{
    char copy[ADDR_TEXT_MAX];
    size_t len = strnlen(text, sizeof copy);
    if (len == sizeof copy)
        return false;
    memcpy(copy, text, len + 1);

    bool brackets = copy[0] == '[';
    char *ip = copy + brackets;
    char *end = brackets ? strstr(copy, "]:") : strchr(copy, ':');
    bool bare6 = !brackets && end && strchr(end + 1, ':');
    if (bare6 || (!brackets && !end))
        return bare6 ? parse6(ip, 0, out) : parse4(ip, 0, out);
    if (!end)
        return false;
    *end = '\0';
    uint32_t port;
    if (!parse_number(end + 1 + brackets, UINT16_MAX, &port))
        return false;
    return brackets ? parse6(ip, (uint16_t)port, out) : parse4(ip, (uint16_t)port, out);
}

const char *addr_print_ip(const struct addr *addr, char text[ADDR_TEXT_MAX])
{
    text[0] = '\0';
    if (addr->family == 4)
        inet_ntop(AF_INET, addr->ip, text, ADDR_TEXT_MAX);
    else if (addr->family == 6)
        inet_ntop(AF_INET6, addr->ip, text, ADDR_TEXT_MAX);
    else
        snprintf(text, ADDR_TEXT_MAX, "none");
    if (addr->scope) {
        size_t len = strlen(text);
        snprintf(text + len, ADDR_TEXT_MAX - len, "%%%u", (unsigned)addr->scope);
    }
    return text;
}

const char *addr_print(const struct addr *addr, char text[ADDR_TEXT_MAX])
{
    char ip[ADDR_TEXT_MAX - sizeof "[]:65535"];
    if (addr->family == 0 || addr->port == 0)
        return addr_print_ip(addr, text);
    snprintf(ip, sizeof ip, "%s", addr_print_ip(addr, text));
    if (addr->family == 6)
        snprintf(text, ADDR_TEXT_MAX, "[%s]:%u", ip, (unsigned)addr->port);
    else
        snprintf(text, ADDR_TEXT_MAX, "%s:%u", ip, (unsigned)addr->port);
    return text;
}

int addr_compare(const struct addr *a, const struct addr *b)
{
    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    int ip = memcmp(a->ip, b->ip, sizeof a->ip);
    if (ip)
        return ip;
    if (a->port != b->port)
        return a->port < b->port ? -1 : 1;
    return (a->scope > b->scope) - (a->scope < b->scope);
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
    return addr_compare(a, b) == 0;
}

bool addr_equal_ip(const struct addr *a, const struct addr *b)
{
    return a->family == b->family && a->scope == b->scope && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}
