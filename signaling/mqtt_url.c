/* mqtt_url.c - how a user names a broker: HOST[:PORT], mqtt://, mqtts://, with user:password@ and
 * percent-encoding in those two (RFC 3986 3.2.1). Left out: paths and queries, they mean nothing here. */
#include "mqtt.h"
#include <string.h>
#include <strings.h>

enum { PORT_PLAIN = 1883, PORT_TLS = 8883 };

/* A piece of the text. */
struct span {
    const char *at;
    size_t len;
};

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c | (c >= 'A' && c <= 'F' ? 0x20 : 0)) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Copies without percent signs; NUL and control characters are refused, also encoded ones. */
static bool decode(char *out, size_t capacity, struct span in)
{
    size_t len = 0;
    for (size_t i = 0; i < in.len; i++) {
        int c = (unsigned char)in.at[i];
        if (c == '%') {
            int high = in.len - i > 2 ? hex_digit(in.at[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(in.at[i + 2]) : -1;
            if (low < 0)
                return false;
            c = high * 16 + low;
            i += 2;
        }
        if (c < 0x20 || c == 0x7F || len + 1 >= capacity)
            return false;
        out[len++] = (char)c;
    }
    out[len] = '\0';
    return true;
}

static bool read_port(uint16_t *out, struct span text)
{
    unsigned value = 0;
    if (text.len == 0 || text.len > 5)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        value = value * 10 + (unsigned)(text.at[i] - '0');
    }
    *out = (uint16_t)value;
    return value > 0 && value <= UINT16_MAX;
}

/* A name, or an address in brackets if it is an IPv6 one; what resolvers would not take is refused here. */
static bool read_host(char *out, size_t capacity, struct span text, bool brackets)
{
    static const char in_names[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    static const char in_brackets[] = "0123456789abcdefABCDEF:.%";
    if (text.len == 0 || text.len >= capacity)
        return false;
    memcpy(out, text.at, text.len);
    out[text.len] = '\0';
    return out[strspn(out, brackets ? in_brackets : in_names)] == '\0' && out[0] != '-';
}

static bool read_host_port(struct mqtt_url *url, const char *text)
{
    const char *end = text + strlen(text), *port;
    struct span host = {text, 0};
    bool brackets = *text == '[';
    if (brackets) {
        const char *closing = strchr(text, ']');
        if (!closing)
            return false;
        host = (struct span){text + 1, (size_t)(closing - text) - 1};
        port = closing + 1;
    } else {
        port = strchr(text, ':');
        if (!port)
            port = end;
        host.len = (size_t)(port - text);
    }
    if (port < end &&
        (*port != ':' || !read_port(&url->port, (struct span){port + 1, (size_t)(end - port) - 1})))
        return false;
    return read_host(url->host, sizeof url->host, host, brackets);
}

static bool read_login(struct mqtt_url *url, struct span login)
{
    const char *colon = memchr(login.at, ':', login.len);
    struct span user = {login.at, colon ? (size_t)(colon - login.at) : login.len};
    struct span password = {colon ? colon + 1 : "", colon ? login.len - user.len - 1 : 0};
    return user.len > 0 && decode(url->user, sizeof url->user, user) &&
           decode(url->password, sizeof url->password, password);
}

bool mqtt_url_parse(struct mqtt_url *out, const char *text)
{
    static const char plain[] = "mqtt://", secure[] = "mqtts://";
    struct mqtt_url url = {.port = PORT_PLAIN};
    char rest[1024];
    if (strncasecmp(text, secure, sizeof secure - 1) == 0) {
        url.tls = true;
        url.port = PORT_TLS;
        text += sizeof secure - 1;
    } else if (strncasecmp(text, plain, sizeof plain - 1) == 0) {
        text += sizeof plain - 1;
    }
    size_t len = strlen(text);
    if (len > 0 && text[len - 1] == '/')
        len--;
    if (len >= sizeof rest)
        return false;
    memcpy(rest, text, len);
    rest[len] = '\0';
    const char *at = strrchr(rest, '@'); /* the last: people forget to encode the one in a password */
    if (at && !read_login(&url, (struct span){rest, (size_t)(at - rest)}))
        return false;
    if (!read_host_port(&url, at ? at + 1 : rest))
        return false;
    *out = url;
    return true;
}
