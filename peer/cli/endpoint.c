/* endpoint.c - what -L, -R, -W and --allow name: a host and its port, or a UNIX socket.
 *
 * Peers send them too: whatever is read here may come from outside. Left out: names of services for ports
 * (they differ between machines), port 0, UNIX sockets with datagrams, paths with ':' inside -L and -R. */
#include "endpoint.h"

#include "text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FORWARDING_MAX = 2 * ENDPOINT_TEXT_MAX };

static bool read_port(uint16_t *port, const char *text)
{
    size_t len = strlen(text);
    if (!len || len > 5 || strspn(text, "0123456789") != len)
        return false;
    unsigned long value = strtoul(text, NULL, 10);
    *port = (uint16_t)value;
    return value > 0 && value <= UINT16_MAX;
}

/* One spelling of an address, so that equal ones compare as equal. False: brackets without an IPv6 address,
 * or something that no name has. */
static bool set_host(struct endpoint *endpoint, const char *text, bool bracketed)
{
    struct in6_addr address;
    if (inet_pton(AF_INET6, text, &address) == 1)
        return inet_ntop(AF_INET6, &address, endpoint->host, sizeof endpoint->host) != NULL;
    if (bracketed || !text_is_name(text, ENDPOINT_HOST_MAX) || strpbrk(text, ":/[] *"))
        return false;
    size_t len = strlen(text);
    for (size_t i = 0; i <= len; i++)
        endpoint->host[i] = (char)tolower((unsigned char)text[i]);
    return true;
}

static bool set_path(struct endpoint *endpoint, const char *text)
{
    if (text[0] != '/' || !text[1] || !text_is_name(text, ENDPOINT_PATH_MAX) || endpoint->udp)
        return false;
    endpoint->port = 0;
    return text_copy(endpoint->host, sizeof endpoint->host, text);
}

/* Cuts the protocol off the end of `text`. */
static bool cut_protocol(char *text, bool udp)
{
    char *slash = strrchr(text, '/');
    if (!slash || (strcmp(slash, "/udp") != 0 && strcmp(slash, "/tcp") != 0))
        return udp;
    *slash = '\0';
    return slash[1] == 'u';
}

/* Where the host at the beginning of `text` ends: at its ':', which becomes the end. NULL: there is none. */
static char *cut_host(char *text, char **host, bool *bracketed)
{
    *bracketed = text[0] == '[';
    *host = *bracketed ? text + 1 : text;
    char *end = strchr(text, *bracketed ? ']' : ':');
    if (!end || (*bracketed && end[1] != ':'))
        return NULL;
    char *next = *bracketed ? end + 2 : end + 1;
    *end = '\0';
    return next;
}

static bool read_target(struct endpoint *endpoint, char *text)
{
    char *host;
    bool bracketed;
    if (text[0] == '/')
        return set_path(endpoint, text);
    char *port = cut_host(text, &host, &bracketed);
    return port && read_port(&endpoint->port, port) && set_host(endpoint, host, bracketed);
}

bool endpoint_read(struct endpoint *endpoint, const char *text, bool udp)
{
    char copy[ENDPOINT_TEXT_MAX];
    *endpoint = (struct endpoint){.udp = false};
    if (!text_copy(copy, sizeof copy, text))
        return false;
    if (text[0] != '/')
        endpoint->udp = cut_protocol(copy, udp);
    return read_target(endpoint, copy);
}

bool endpoint_read_port(struct endpoint *endpoint, const char *text, bool udp)
{
    char copy[sizeof "65535/udp"];
    *endpoint = (struct endpoint){.udp = udp};
    if (!text_copy(copy, sizeof copy, text))
        return false;
    endpoint->udp = cut_protocol(copy, udp);
    return read_port(&endpoint->port, copy);
}

/* PORT:, BIND:PORT: or /PATH: at the beginning; returns what follows, or NULL. */
static char *read_listen(struct endpoint *listen, char *text)
{
    char *host, *rest;
    bool bracketed;
    if (text[0] == '/') {
        rest = cut_host(text, &host, &bracketed);
        return rest && set_path(listen, host) ? rest : NULL;
    }
    rest = cut_host(text, &host, &bracketed);
    if (!rest)
        return NULL;
    if (!bracketed && read_port(&listen->port, host))
        return rest;
    char *end = strchr(rest, ':');
    if (!end)
        return NULL;
    *end = '\0';
    bool everywhere = !bracketed && (!*host || strcmp(host, "*") == 0);
    if (everywhere)
        snprintf(listen->host, sizeof listen->host, "*");
    return read_port(&listen->port, rest) && (everywhere || set_host(listen, host, bracketed)) ? end + 1
                                                                                               : NULL;
}

bool endpoint_read_forwarding(struct forwarding *forwarding, const char *text, bool udp)
{
    char copy[FORWARDING_MAX];
    *forwarding = (struct forwarding){.listen = {.port = 0}};
    if (!text_copy(copy, sizeof copy, text))
        return false;
    const char *path = strstr(text, ":/"); /* of the target: it has no protocol, and sockets of UNIX no UDP */
    bool to_path = path && !strchr(path + 2, ':');
    bool is_udp = !to_path && text[0] != '/' && cut_protocol(copy, udp);
    forwarding->listen.udp = forwarding->target.udp = is_udp;
    char *target = read_listen(&forwarding->listen, copy);
    return target && read_target(&forwarding->target, target);
}

const char *endpoint_print(char text[ENDPOINT_TEXT_MAX], const struct endpoint *endpoint)
{
    if (!endpoint->port)
        snprintf(text, ENDPOINT_TEXT_MAX, "%s", endpoint->host);
    else
        snprintf(text, ENDPOINT_TEXT_MAX, strchr(endpoint->host, ':') ? "[%s]:%u" : "%s:%u", endpoint->host,
                 endpoint->port);
    return text;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && a->udp == b->udp && strcmp(a->host, b->host) == 0;
}
