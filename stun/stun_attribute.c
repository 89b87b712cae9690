/* stun_attribute.c - the attributes of STUN messages (RFC 8489 14, RFC 8445 16.1, RFC 5780 7, RFC 8656 18).
 * One table says of each what it is, how long it may be, and how its value gets to the wire and back. */
#include "stun_attribute.h"

enum {
    IP4_LEN = 4,
    IP6_LEN = 16,
    WIRE_IP4 = 1, /* RFC 8489 14.1 */
    WIRE_IP6 = 2,
};

static const void *member_of(const struct stun_msg *msg, const struct stun_attribute *attribute)
{
    return (const uint8_t *)msg + attribute->member;
}

static void *member_in(struct stun_msg *msg, const struct stun_attribute *attribute)
{
    return (uint8_t *)msg + attribute->member;
}

static bool has_flag(const struct stun_msg *msg, const struct stun_attribute *attribute)
{
    return (msg->has & attribute->has) != 0;
}

static bool is_never_written(const struct stun_msg *msg, const struct stun_attribute *attribute)
{
    (void)msg, (void)attribute;
    return false;
}

static void ignore_value(struct stun_msg *msg, const struct stun_attribute *attribute, struct reader *value)
{
    (void)msg, (void)attribute;
    take_bytes(value, value->left);
}

static void write_nothing(const struct stun_msg *msg, const struct stun_attribute *attribute,
                          struct writer *w)
{
    (void)msg, (void)attribute, (void)w;
}

/* Texts. */

static bool has_text(const struct stun_msg *msg, const struct stun_attribute *attribute)
{
    const struct stun_text *text = member_of(msg, attribute);
    return text->at != NULL;
}

static void read_text(struct stun_msg *msg, const struct stun_attribute *attribute, struct reader *value)
{
    struct stun_text *text = member_in(msg, attribute);
    text->len = value->left;
    text->at = (const char *)take_bytes(value, value->left);
}

static void write_text(const struct stun_msg *msg, const struct stun_attribute *attribute, struct writer *w)
{
    const struct stun_text *text = member_of(msg, attribute);
    put_bytes(w, text->at, text->len);
}

/* Numbers. */

static void read_u32(struct stun_msg *msg, const struct stun_attribute *attribute, struct reader *value)
{
    *(uint32_t *)member_in(msg, attribute) = take_u32(value);
}

static void write_u32(const struct stun_msg *msg, const struct stun_attribute *attribute, struct writer *w)
{
    put_u32(w, *(const uint32_t *)member_of(msg, attribute));
}

static void read_u64(struct stun_msg *msg, const struct stun_attribute *attribute, struct reader *value)
{
    *(uint64_t *)member_in(msg, attribute) = take_u64(value);
}

static void write_u64(const struct stun_msg *msg, const struct stun_attribute *attribute, struct writer *w)
{
    put_u64(w, *(const uint64_t *)member_of(msg, attribute));
}

/* RFC 5780 7.5: a port, and two bytes that some call padding and some part of the value. */
static void read_response_port(struct stun_msg *msg, const struct stun_attribute *attribute,
                               struct reader *value)
{
    (void)attribute;
    msg->response_port = take_u16(value);
    take_bytes(value, value->left);
}

static void write_response_port(const struct stun_msg *msg, const struct stun_attribute *attribute,
                                struct writer *w)
{
    (void)attribute;
    put_u16(w, msg->response_port);
    put_u16(w, 0);
}

/* PADDING: its length is all that it says. */

static bool has_padding(const struct stun_msg *msg, const struct stun_attribute *attribute)
{
    (void)attribute;
    return msg->padding != 0;
}

static void read_padding(struct stun_msg *msg, const struct stun_attribute *attribute, struct reader *value)
{
    msg->padding = (uint16_t)value->left;
    ignore_value(msg, attribute, value);
}

static void write_padding(const struct stun_msg *msg, const struct stun_attribute *attribute,
                          struct writer *w)
{
    (void)attribute;
    uint8_t *room = put_room(w, msg->padding);
    if (room)
        memset(room, 0, msg->padding);
}

/* Addresses. */

static bool has_address(const struct stun_msg *msg, const struct stun_attribute *attribute)
{
    const struct addr *addr = member_of(msg, attribute);
    return addr->family != 0;
}

/* Family 0 and a bad reader when it is neither IPv4 nor IPv6. */
static struct addr take_address(struct reader *value, const uint8_t key[IP6_LEN])
{
    take_u8(value);
    uint8_t family = take_u8(value);
    uint16_t port = (uint16_t)(take_u16(value) ^ (key[0] << 8 | key[1]));
    size_t len = family == WIRE_IP4 ? IP4_LEN : IP6_LEN;
    const uint8_t *bytes = take_bytes(value, len);
    if (!bytes || (family != WIRE_IP4 && family != WIRE_IP6)) {
        value->bad = true;
        return (struct addr){0};
    }
    uint8_t ip[IP6_LEN];
    for (size_t i = 0; i < len; i++)
        ip[i] = bytes[i] ^ key[i];
    return family == WIRE_IP4 ? addr_make4(ip, port) : addr_make6(ip, port, 0);
}

static void put_address(struct writer *w, const struct addr *addr, const uint8_t key[IP6_LEN])
{
    put_u8(w, 0);
    put_u8(w, addr->family == 4 ? WIRE_IP4 : WIRE_IP6);
    put_u16(w, (uint16_t)(addr->port ^ (key[0] << 8 | key[1])));
    size_t len = addr->family == 4 ? IP4_LEN : IP6_LEN;
    for (size_t i = 0; i < len; i++)
        put_u8(w, addr->ip[i] ^ key[i]);
}

static const uint8_t no_key[IP6_LEN];

/* RFC 8489 14.2: the cookie, then the transaction id. */
static void xor_key(const struct stun_msg *msg, uint8_t key[IP6_LEN])
{
    struct writer w = writer_of(key, IP6_LEN);
    put_u32(&w, STUN_MAGIC_COOKIE);
    put_bytes(&w, msg->id, STUN_ID_LEN);
}

static void read_address(struct stun_msg *msg, const struct stun_attribute *attribute, struct reader *value)
{
    *(struct addr *)member_in(msg, attribute) = take_address(value, no_key);
}

static void write_address(const struct stun_msg *msg, const struct stun_attribute *attribute,
                          struct writer *w)
{
    put_address(w, member_of(msg, attribute), no_key);
}

static void read_xor(struct stun_msg *msg, const struct stun_attribute *attribute, struct reader *value)
{
    uint8_t key[IP6_LEN];
    xor_key(msg, key);
    *(struct addr *)member_in(msg, attribute) = take_address(value, key);
}

static void write_xor(const struct stun_msg *msg, const struct stun_attribute *attribute, struct writer *w)
{
    uint8_t key[IP6_LEN];
    xor_key(msg, key);
    put_address(w, member_of(msg, attribute), key);
}

/* NATs that rewrite addresses inside packets are why there is XOR-MAPPED-ADDRESS: it wins wherever it stands.
 */
static void read_plain_mapped(struct stun_msg *msg, const struct stun_attribute *attribute,
                              struct reader *value)
{
    (void)attribute;
    struct addr plain = take_address(value, no_key);
    if (msg->mapped.family == 0)
        msg->mapped = plain;
}

/* What TURN asks for (RFC 8656 18): a number in the first bytes, the rest reserved. */

static void read_channel(struct stun_msg *msg, const struct stun_attribute *attribute, struct reader *value)
{
    (void)attribute;
    msg->channel = take_u16(value);
    take_u16(value);
}

static void write_channel(const struct stun_msg *msg, const struct stun_attribute *attribute,
                          struct writer *w)
{
    (void)attribute;
    put_u16(w, msg->channel);
    put_u16(w, 0);
}

static void read_u8(struct stun_msg *msg, const struct stun_attribute *attribute, struct reader *value)
{
    *(uint8_t *)member_in(msg, attribute) = take_u8(value);
    take_bytes(value, 3);
}

static void write_u8(const struct stun_msg *msg, const struct stun_attribute *attribute, struct writer *w)
{
    put_u8(w, *(const uint8_t *)member_of(msg, attribute));
    put_bytes(w, (const uint8_t[3]){0}, 3);
}

static uint8_t take_family(struct reader *value)
{
    uint8_t family = take_u8(value);
    value->bad |= family != WIRE_IP4 && family != WIRE_IP6;
    return family == WIRE_IP6 ? 6 : 4;
}

static void read_family(struct stun_msg *msg, const struct stun_attribute *attribute, struct reader *value)
{
    *(uint8_t *)member_in(msg, attribute) = take_family(value);
    take_bytes(value, 3);
}

static void write_family(const struct stun_msg *msg, const struct stun_attribute *attribute, struct writer *w)
{
    put_u8(w, *(const uint8_t *)member_of(msg, attribute) == 6 ? WIRE_IP6 : WIRE_IP4);
    put_bytes(w, (const uint8_t[3]){0}, 3);
}

static void read_family_error(struct stun_msg *msg, const struct stun_attribute *attribute,
                              struct reader *value)
{
    (void)attribute;
    msg->error_family = take_family(value);
    take_u8(value);
    unsigned hundreds = take_u8(value) & 7, rest = take_u8(value);
    msg->family_error = (uint16_t)(hundreds * 100 + rest);
    value->bad |= hundreds < 3 || hundreds > 6 || rest > 99;
    take_bytes(value, value->left);
}

static void write_family_error(const struct stun_msg *msg, const struct stun_attribute *attribute,
                               struct writer *w)
{
    (void)attribute;
    put_u8(w, msg->error_family == 6 ? WIRE_IP6 : WIRE_IP4);
    put_u8(w, 0);
    put_u8(w, (uint8_t)(msg->family_error / 100));
    put_u8(w, (uint8_t)(msg->family_error % 100));
}

static void read_icmp(struct stun_msg *msg, const struct stun_attribute *attribute, struct reader *value)
{
    (void)attribute;
    take_u16(value);
    msg->icmp = take_u16(value);
    msg->icmp_data = take_u32(value);
}

static void write_icmp(const struct stun_msg *msg, const struct stun_attribute *attribute, struct writer *w)
{
    (void)attribute;
    put_u16(w, 0);
    put_u16(w, msg->icmp);
    put_u32(w, msg->icmp_data);
}

/* Errors. */

static bool is_error(const struct stun_msg *msg, const struct stun_attribute *attribute)
{
    (void)attribute;
    return msg->class == STUN_ERROR && msg->error != 0;
}

static void read_error(struct stun_msg *msg, const struct stun_attribute *attribute, struct reader *value)
{
    (void)attribute;
    take_u16(value);
    unsigned hundreds = take_u8(value) & 7; /* the bits before are reserved (RFC 8489 14.8) */
    unsigned rest = take_u8(value);
    size_t len = value->left;
    const uint8_t *reason = take_bytes(value, len);
    if (hundreds < 3 || hundreds > 6 || rest > 99)
        value->bad = true;
    if (value->bad || msg->class != STUN_ERROR)
        return;
    msg->error = (uint16_t)(hundreds * 100 + rest);
    msg->reason = (struct stun_text){(const char *)reason, len};
}

static void write_error(const struct stun_msg *msg, const struct stun_attribute *attribute, struct writer *w)
{
    (void)attribute;
    put_u16(w, 0);
    put_u8(w, (uint8_t)(msg->error / 100));
    put_u8(w, (uint8_t)(msg->error % 100));
    put_bytes(w, msg->reason.at, msg->reason.at ? msg->reason.len : 0);
}

static bool lists_unknown(const struct stun_msg *msg, const struct stun_attribute *attribute)
{
    return is_error(msg, attribute) && msg->unknown_count != 0;
}

static void write_unknown(const struct stun_msg *msg, const struct stun_attribute *attribute,
                          struct writer *w)
{
    (void)attribute;
    for (size_t i = 0; i < msg->unknown_count && i < STUN_UNKNOWN_MAX; i++)
        put_u16(w, msg->unknown[i]);
}

#define MEMBER(name) offsetof(struct stun_msg, name)
#define TEXT(name) MEMBER(name), read_text, write_text, has_text
#define ADDRESS(name) MEMBER(name), read_address, write_address, has_address
#define XOR(name) MEMBER(name), read_xor, write_xor, has_address
#define FAMILY(name) MEMBER(name), read_family, write_family, has_flag
#define U32(name) MEMBER(name), read_u32, write_u32, has_flag
#define U64(name) MEMBER(name), read_u64, write_u64, has_flag
enum { USERNAME_MAX = 508, USERHASH_LEN = 32, IP4_VALUE = 8, IP6_VALUE = 20, ANY = UINT16_MAX };

const struct stun_attribute stun_attributes[STUN_ATTRIBUTE_COUNT] = {
    {STUN_ATTR_SOFTWARE, 0, STUN_TEXT_MAX, 0, TEXT(software)},
    {STUN_ATTR_ERROR_CODE, 4, 4 + STUN_TEXT_MAX, 0, 0, read_error, write_error, is_error},
    {STUN_ATTR_UNKNOWN_ATTRIBUTES, 0, ANY, 0, 0, ignore_value, write_unknown, lists_unknown},
    {STUN_ATTR_PRIORITY, 4, 4, STUN_HAS_PRIORITY, U32(priority)},
    {STUN_ATTR_ICE_CONTROLLED, 8, 8, STUN_HAS_CONTROLLED, U64(tie_breaker)},
    {STUN_ATTR_ICE_CONTROLLING, 8, 8, STUN_HAS_CONTROLLING, U64(tie_breaker)},
    {STUN_ATTR_USE_CANDIDATE, 0, 0, STUN_HAS_USE_CANDIDATE, 0, ignore_value, write_nothing, has_flag},
    {STUN_ATTR_NOMINATION, 4, 4, STUN_HAS_NOMINATION, U32(nomination)},
    {STUN_ATTR_USERNAME, 0, USERNAME_MAX, 0, TEXT(username)},
    {STUN_ATTR_USERHASH, USERHASH_LEN, USERHASH_LEN, 0, TEXT(userhash)},
    {STUN_ATTR_NONCE, 0, STUN_TEXT_MAX, 0, TEXT(nonce)},
    {STUN_ATTR_REALM, 0, STUN_TEXT_MAX, 0, TEXT(realm)},
    {STUN_ATTR_CHANGE_REQUEST, 4, 4, STUN_HAS_CHANGE_REQUEST, U32(change_request)},
    {STUN_ATTR_RESPONSE_PORT, 2, 4, STUN_HAS_RESPONSE_PORT, 0, read_response_port, write_response_port,
     has_flag},
    {STUN_ATTR_XOR_MAPPED_ADDRESS, IP4_VALUE, IP6_VALUE, 0, XOR(mapped)},
    {STUN_ATTR_MAPPED_ADDRESS, IP4_VALUE, IP6_VALUE, 0, 0, read_plain_mapped, write_nothing,
     is_never_written},
    {STUN_ATTR_RESPONSE_ORIGIN, IP4_VALUE, IP6_VALUE, 0, ADDRESS(response_origin)},
    {STUN_ATTR_OTHER_ADDRESS, IP4_VALUE, IP6_VALUE, 0, ADDRESS(other_address)},
    {STUN_ATTR_ALTERNATE_SERVER, IP4_VALUE, IP6_VALUE, 0, ADDRESS(alternate)},
    {STUN_ATTR_PADDING, 0, ANY, 0, 0, read_padding, write_padding, has_padding},
    {STUN_ATTR_REQUESTED_TRANSPORT, 4, 4, STUN_HAS_TRANSPORT, MEMBER(transport), read_u8, write_u8, has_flag},
    {STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 4, 4, STUN_HAS_FAMILY, FAMILY(family)},
    {STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, 4, 4, STUN_HAS_ADDITIONAL_FAMILY, FAMILY(additional_family)},
    {STUN_ATTR_DRAFT_ADDITIONAL_ADDRESS_FAMILY, 4, 4, STUN_HAS_ADDITIONAL_FAMILY, FAMILY(additional_family)},
    {STUN_ATTR_DONT_FRAGMENT, 0, 0, STUN_HAS_DONT_FRAGMENT, 0, ignore_value, write_nothing, has_flag},
    {STUN_ATTR_LIFETIME, 4, 4, STUN_HAS_LIFETIME, U32(lifetime_s)},
    {STUN_ATTR_CHANNEL_NUMBER, 4, 4, STUN_HAS_CHANNEL, 0, read_channel, write_channel, has_flag},
    {STUN_ATTR_XOR_PEER_ADDRESS, IP4_VALUE, IP6_VALUE, 0, XOR(peer)},
    {STUN_ATTR_XOR_RELAYED_ADDRESS, IP4_VALUE, IP6_VALUE, 0, XOR(relayed)},
    {STUN_ATTR_XOR_RELAYED_ADDRESS, IP4_VALUE, IP6_VALUE, 0, XOR(relayed_too)},
    {STUN_ATTR_ADDRESS_ERROR_CODE, 4, 4 + STUN_TEXT_MAX, STUN_HAS_FAMILY_ERROR, 0, read_family_error,
     write_family_error, has_flag},
    {STUN_ATTR_ICMP, 8, 8, STUN_HAS_ICMP, 0, read_icmp, write_icmp, has_flag},
    {STUN_ATTR_DATA, 0, ANY, 0, TEXT(data)},
};
