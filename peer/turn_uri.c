/* turn_uri.c - where a TURN server is (RFC 7065). Left out: turns with transport=udp, which is DTLS. */
#include "turn_uri.h"

#include "resolve.h"

#include <stdio.h>
#include <string.h>

enum { AUTHORITY_MAX = 300 /* bytes of HOST:PORT */ };

bool turn_uri_parse(struct turn_uri *uri, const char *text)
{
    char authority[AUTHORITY_MAX];
    bool secure = strncmp(text, "turns:", 6) == 0;
    if (!secure && strncmp(text, "turn:", 5) != 0)
        return false;
    text += secure ? 6 : 5;
    size_t len = strcspn(text, "?");
    const char *query = text + len;
    bool udp = strcmp(query, "?transport=udp") == 0, tcp = strcmp(query, "?transport=tcp") == 0;
    if ((*query && !udp && !tcp) || (secure && udp) || len >= sizeof authority)
        return false;
    memcpy(authority, text, len);
    authority[len] = '\0';
    *uri = (struct turn_uri){.stream = secure || tcp, .secure = secure};
    return resolver_parse(authority, secure ? TURN_TLS_PORT : TURN_PORT, uri->host, &uri->port);
}
