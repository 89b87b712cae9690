/* stun_msg.c - STUN messages: encode, decode, integrity, fingerprint (RFC 8489; RFC 8445 16.1; RFC 5780 7).
 * One table says of every attribute what it is and how long it may be; decoding and encoding both walk it.
 * Left out: PASSWORD-ALGORITHM(S) and the bidding-down protection of RFC 8489 9.2.1, since no relay in use
 * offers anything but MD5 keys; ALTERNATE-DOMAIN, which belongs to TLS; the RFC 3489 messages without magic
 * cookie. */
#include "stun_msg.h"
#include "wire.h"
#include <assert.h>
#include <nettle/hmac.h>
#include <nettle/md5.h>
#include <nettle/memops.h>

enum {
    HEADER_LEN = 20,
    MAGIC_COOKIE = 0x2112a442,
    ATTRIBUTE_HEADER_LEN = 4,
    SHA1_LEN = SHA1_DIGEST_SIZE,
    SHA256_LEN = SHA256_DIGEST_SIZE,
    SHA256_LEN_MIN = 16, /* RFC 8489 14.6: truncated to no less */
    FINGERPRINT_LEN = 4,
    FINGERPRINT_XOR = 0x5354554e, /* RFC 8489 14.7 */
    IP4_LEN = 4,
    IP6_LEN = 16,
    WIRE_IP4 = 1, /* RFC 8489 14.1 */
    WIRE_IP6 = 2,
    REQUIRED_BELOW = 0x8000, /* RFC 8489 14: types below must be understood */
};

/* RFC 8489 18.3, RFC 8445 20.1, RFC 5780 9.1, draft-thatcher-ice-renomination */
enum {
    MAPPED_ADDRESS = 0x0001,
    CHANGE_REQUEST = 0x0003,
    USERNAME = 0x0006,
    MESSAGE_INTEGRITY = 0x0008,
    ERROR_CODE = 0x0009,
    UNKNOWN_ATTRIBUTES = 0x000a,
    REALM = 0x0014,
    NONCE = 0x0015,
    MESSAGE_INTEGRITY_SHA256 = 0x001c,
    USERHASH = 0x001e,
    XOR_MAPPED_ADDRESS = 0x0020,
    PRIORITY = 0x0024,
    USE_CANDIDATE = 0x0025,
    PADDING = 0x0026,
    RESPONSE_PORT = 0x0027,
    SOFTWARE = 0x8022,
    ALTERNATE_SERVER = 0x8023,
    FINGERPRINT = 0x8028,
    ICE_CONTROLLED = 0x8029,
    ICE_CONTROLLING = 0x802a,
    RESPONSE_ORIGIN = 0x802b,
    OTHER_ADDRESS = 0x802c,
    NOMINATION = 0xc001,
};

/* An attribute, and the way between its value on the wire and the member of struct stun_msg at `member`. */
struct attribute {
    uint16_t type;
    uint16_t len_min, len_max; /* bytes of a value that is not malformed */
    unsigned has;              /* set when it was read; written when it is set (0: the writer decides) */
    size_t member;
    void (*read)(struct stun_msg *msg, const struct attribute *attribute, struct reader *value);
    /* Writes the value alone; not called when `present` says no. */
    void (*write)(const struct stun_msg *msg, const struct attribute *attribute, struct writer *w);
    bool (*present)(const struct stun_msg *msg, const struct attribute *attribute);
};

static const void *member_of(const struct stun_msg *msg, const struct attribute *attribute)
{
    return (const uint8_t *)msg + attribute->member;
}

static void *member_in(struct stun_msg *msg, const struct attribute *attribute)
{
    return (uint8_t *)msg + attribute->member;
}

static bool has_flag(const struct stun_msg *msg, const struct attribute *attribute)
{
    return (msg->has & attribute->has) != 0;
}

static bool is_never_written(const struct stun_msg *msg, const struct attribute *attribute)
{
    (void)msg, (void)attribute;
    return false;
}

static void ignore_value(struct stun_msg *msg, const struct attribute *attribute, struct reader *value)
{
    (void)msg, (void)attribute;
    take_bytes(value, value->left);
}

static void write_nothing(const struct stun_msg *msg, const struct attribute *attribute, struct writer *w)
{
    (void)msg, (void)attribute, (void)w;
}

/* Texts. */

static bool has_text(const struct stun_msg *msg, const struct attribute *attribute)
{
    const struct stun_text *text = member_of(msg, attribute);
    return text->at != NULL;
}

static void read_text(struct stun_msg *msg, const struct attribute *attribute, struct reader *value)
{
    struct stun_text *text = member_in(msg, attribute);
    text->len = value->left;
    text->at = (const char *)take_bytes(value, value->left);
}

static void write_text(const struct stun_msg *msg, const struct attribute *attribute, struct writer *w)
{
    const struct stun_text *text = member_of(msg, attribute);
    put_bytes(w, text->at, text->len);
}

/* Numbers. */

static void read_u32(struct stun_msg *msg, const struct attribute *attribute, struct reader *value)
{
    *(uint32_t *)member_in(msg, attribute) = take_u32(value);
}

static void write_u32(const struct stun_msg *msg, const struct attribute *attribute, struct writer *w)
{
    put_u32(w, *(const uint32_t *)member_of(msg, attribute));
}

static void read_u64(struct stun_msg *msg, const struct attribute *attribute, struct reader *value)
{
    *(uint64_t *)member_in(msg, attribute) = take_u64(value);
}

static void write_u64(const struct stun_msg *msg, const struct attribute *attribute, struct writer *w)
{
    put_u64(w, *(const uint64_t *)member_of(msg, attribute));
}

/* RFC 5780 7.5: a port, and two bytes that some call padding and some part of the value. */
static void read_response_port(struct stun_msg *msg, const struct attribute *attribute, struct reader *value)
{
    (void)attribute;
    msg->response_port = take_u16(value);
    take_bytes(value, value->left);
}

static void write_response_port(const struct stun_msg *msg, const struct attribute *attribute,
                                struct writer *w)
{
    (void)attribute;
    put_u16(w, msg->response_port);
    put_u16(w, 0);
}

/* PADDING: its length is all that it says. */

static bool has_padding(const struct stun_msg *msg, const struct attribute *attribute)
{
    (void)attribute;
    return msg->padding != 0;
}

static void read_padding(struct stun_msg *msg, const struct attribute *attribute, struct reader *value)
{
    msg->padding = (uint16_t)value->left;
    ignore_value(msg, attribute, value);
}

static void write_padding(const struct stun_msg *msg, const struct attribute *attribute, struct writer *w)
{
    (void)attribute;
    uint8_t *room = put_room(w, msg->padding);
    if (room)
        memset(room, 0, msg->padding);
}

/* Addresses. */

static bool has_address(const struct stun_msg *msg, const struct attribute *attribute)
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
    put_u32(&w, MAGIC_COOKIE);
    put_bytes(&w, msg->id, STUN_ID_LEN);
}

static void read_address(struct stun_msg *msg, const struct attribute *attribute, struct reader *value)
{
    *(struct addr *)member_in(msg, attribute) = take_address(value, no_key);
}

static void write_address(const struct stun_msg *msg, const struct attribute *attribute, struct writer *w)
{
    put_address(w, member_of(msg, attribute), no_key);
}

static void read_xor_mapped(struct stun_msg *msg, const struct attribute *attribute, struct reader *value)
{
    (void)attribute;
    uint8_t key[IP6_LEN];
    xor_key(msg, key);
    msg->mapped = take_address(value, key);
}

static void write_xor_mapped(const struct stun_msg *msg, const struct attribute *attribute, struct writer *w)
{
    (void)attribute;
    uint8_t key[IP6_LEN];
    xor_key(msg, key);
    put_address(w, &msg->mapped, key);
}

/* NATs that rewrite addresses inside packets are why there is XOR-MAPPED-ADDRESS: it wins wherever it stands.
 */
static void read_plain_mapped(struct stun_msg *msg, const struct attribute *attribute, struct reader *value)
{
    (void)attribute;
    struct addr plain = take_address(value, no_key);
    if (msg->mapped.family == 0)
        msg->mapped = plain;
}

/* Errors. */

static bool is_error(const struct stun_msg *msg, const struct attribute *attribute)
{
    (void)attribute;
    return msg->class == STUN_ERROR && msg->error != 0;
}

static void read_error(struct stun_msg *msg, const struct attribute *attribute, struct reader *value)
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

static void write_error(const struct stun_msg *msg, const struct attribute *attribute, struct writer *w)
{
    (void)attribute;
    put_u16(w, 0);
    put_u8(w, (uint8_t)(msg->error / 100));
    put_u8(w, (uint8_t)(msg->error % 100));
    put_bytes(w, msg->reason.at, msg->reason.at ? msg->reason.len : 0);
}

static bool lists_unknown(const struct stun_msg *msg, const struct attribute *attribute)
{
    return is_error(msg, attribute) && msg->unknown_count != 0;
}

static void write_unknown(const struct stun_msg *msg, const struct attribute *attribute, struct writer *w)
{
    (void)attribute;
    for (size_t i = 0; i < msg->unknown_count && i < STUN_UNKNOWN_MAX; i++)
        put_u16(w, msg->unknown[i]);
}

/* Encoding writes in this order, which is that of the examples in RFC 5769. What must come last is not in the
 * table. */
#define MEMBER(name) offsetof(struct stun_msg, name)
#define TEXT(name) MEMBER(name), read_text, write_text, has_text
#define ADDRESS(name) MEMBER(name), read_address, write_address, has_address
#define U32(name) MEMBER(name), read_u32, write_u32, has_flag
#define U64(name) MEMBER(name), read_u64, write_u64, has_flag
enum { USERNAME_MAX = 508, USERHASH_LEN = 32, IP4_VALUE = 8, IP6_VALUE = 20, ANY = UINT16_MAX };

static const struct attribute attributes[] = {
    {SOFTWARE, 0, STUN_TEXT_MAX, 0, TEXT(software)},
    {ERROR_CODE, 4, 4 + STUN_TEXT_MAX, 0, 0, read_error, write_error, is_error},
    {UNKNOWN_ATTRIBUTES, 0, ANY, 0, 0, ignore_value, write_unknown, lists_unknown},
    {PRIORITY, 4, 4, STUN_HAS_PRIORITY, U32(priority)},
    {ICE_CONTROLLED, 8, 8, STUN_HAS_CONTROLLED, U64(tie_breaker)},
    {ICE_CONTROLLING, 8, 8, STUN_HAS_CONTROLLING, U64(tie_breaker)},
    {USE_CANDIDATE, 0, 0, STUN_HAS_USE_CANDIDATE, 0, ignore_value, write_nothing, has_flag},
    {NOMINATION, 4, 4, STUN_HAS_NOMINATION, U32(nomination)},
    {USERNAME, 0, USERNAME_MAX, 0, TEXT(username)},
    {USERHASH, USERHASH_LEN, USERHASH_LEN, 0, TEXT(userhash)},
    {NONCE, 0, STUN_TEXT_MAX, 0, TEXT(nonce)},
    {REALM, 0, STUN_TEXT_MAX, 0, TEXT(realm)},
    {CHANGE_REQUEST, 4, 4, STUN_HAS_CHANGE_REQUEST, U32(change_request)},
    {RESPONSE_PORT, 2, 4, STUN_HAS_RESPONSE_PORT, 0, read_response_port, write_response_port, has_flag},
    {XOR_MAPPED_ADDRESS, IP4_VALUE, IP6_VALUE, 0, MEMBER(mapped), read_xor_mapped, write_xor_mapped,
     has_address},
    {MAPPED_ADDRESS, IP4_VALUE, IP6_VALUE, 0, 0, read_plain_mapped, write_nothing, is_never_written},
    {RESPONSE_ORIGIN, IP4_VALUE, IP6_VALUE, 0, ADDRESS(response_origin)},
    {OTHER_ADDRESS, IP4_VALUE, IP6_VALUE, 0, ADDRESS(other_address)},
    {ALTERNATE_SERVER, IP4_VALUE, IP6_VALUE, 0, ADDRESS(alternate)},
    {PADDING, 0, ANY, 0, 0, read_padding, write_padding, has_padding},
};

enum { ATTRIBUTE_COUNT = sizeof attributes / sizeof *attributes };

static size_t padded(size_t len)
{
    return (len + 3) & ~(size_t)3;
}

/* Fingerprint and integrity. */

/* CRC-32 of ISO 3309 (RFC 8489 14.7), four bits at a time: messages are short, a table of 1 KiB would not
 * pay. */
static uint32_t crc32_of(const uint8_t *data, size_t len)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

/* The message's first bytes with the length that they would have if the message ended at `end`: what comes
 * later is not covered (RFC 8489 14.5). */
static void header_until(uint8_t header[HEADER_LEN], const uint8_t *data, size_t end)
{
    memcpy(header, data, HEADER_LEN);
    header[2] = (uint8_t)((end - HEADER_LEN) >> 8);
    header[3] = (uint8_t)(end - HEADER_LEN);
}

/* HMAC over the message up to the integrity attribute at `at`, whose value is of `len` bytes. */
static void sha1_of(uint8_t *out, size_t len, const uint8_t *data, size_t at, const struct stun_key *key)
{
    uint8_t header[HEADER_LEN];
    header_until(header, data, at + ATTRIBUTE_HEADER_LEN + len);
    struct hmac_sha1_ctx hmac;
    hmac_sha1_set_key(&hmac, key->len, key->bytes);
    hmac_sha1_update(&hmac, HEADER_LEN, header);
    hmac_sha1_update(&hmac, at - HEADER_LEN, data + HEADER_LEN);
    hmac_sha1_digest(&hmac, len, out);
}

static void sha256_of(uint8_t *out, size_t len, const uint8_t *data, size_t at, const struct stun_key *key)
{
    uint8_t header[HEADER_LEN];
    header_until(header, data, at + ATTRIBUTE_HEADER_LEN + len);
    struct hmac_sha256_ctx hmac;
    hmac_sha256_set_key(&hmac, key->len, key->bytes);
    hmac_sha256_update(&hmac, HEADER_LEN, header);
    hmac_sha256_update(&hmac, at - HEADER_LEN, data + HEADER_LEN);
    hmac_sha256_digest(&hmac, len, out);
}

enum stun_integrity stun_check(const struct stun_msg *msg, const uint8_t *data, const struct stun_key *key)
{
    uint8_t digest[SHA256_LEN];
    size_t at, len;
    if (msg->has & STUN_HAS_INTEGRITY_SHA256) {
        at = msg->sha256_at, len = msg->sha256_len;
        sha256_of(digest, len, data, at, key);
    } else if (msg->has & STUN_HAS_INTEGRITY) {
        at = msg->integrity_at, len = SHA1_LEN;
        sha1_of(digest, len, data, at, key);
    } else {
        return STUN_INTEGRITY_ABSENT;
    }
    bool same = memeql_sec(digest, data + at + ATTRIBUTE_HEADER_LEN, len);
    return same ? STUN_INTEGRITY_GOOD : STUN_INTEGRITY_BAD;
}

void stun_long_term_key(uint8_t key[16], const char *username, const char *realm, const char *password)
{
    struct md5_ctx md5;
    md5_init(&md5);
    md5_update(&md5, strlen(username), (const uint8_t *)username);
    md5_update(&md5, 1, (const uint8_t *)":");
    md5_update(&md5, strlen(realm), (const uint8_t *)realm);
    md5_update(&md5, 1, (const uint8_t *)":");
    md5_update(&md5, strlen(password), (const uint8_t *)password);
    md5_digest(&md5, MD5_DIGEST_SIZE, key);
}

/* Decoding. */

bool stun_is(const uint8_t *data, size_t len)
{
    if (len < HEADER_LEN || len % 4 != 0 || data[0] & 0xc0)
        return false;
    struct reader r = reader_of(data, len);
    take_u16(&r);
    size_t body = take_u16(&r);
    return body == len - HEADER_LEN && take_u32(&r) == MAGIC_COOKIE;
}

/* RFC 8489 5: the class's two bits stand inside the method's twelve. */
static void split_type(struct stun_msg *msg, unsigned type)
{
    static const enum stun_class classes[4] = {STUN_REQUEST, STUN_INDICATION, STUN_SUCCESS, STUN_ERROR};
    msg->class = classes[(type >> 7 & 2) | (type >> 4 & 1)];
    msg->method = (uint16_t)((type & 0x000f) | (type & 0x00e0) >> 1 | (type & 0x3e00) >> 2);
}

static uint16_t joined_type(const struct stun_msg *msg)
{
    unsigned method = msg->method, class = msg->class;
    return (uint16_t)((method & 0x00f) | (method & 0x070) << 1 | (method & 0xf80) << 2 | (class & 1) << 4 |
                      (class & 2) << 7);
}

/* How far decoding has come. */
struct decoding {
    struct stun_msg *msg;
    const uint8_t *data;
    size_t len;
    uint32_t seen; /* a bit for each row of the table */
    bool ended;    /* a fingerprint has come: nothing may follow */
};
_Static_assert(ATTRIBUTE_COUNT <= 32, "struct decoding's `seen` has 32 bits");

/* One of the attributes that everything else must precede. `at` is its offset. False: malformed. */
static bool decode_integrity(struct stun_msg *msg, size_t at, size_t len)
{
    if (len != SHA1_LEN)
        return false;
    if (!(msg->has & (STUN_HAS_INTEGRITY | STUN_HAS_INTEGRITY_SHA256))) {
        msg->has |= STUN_HAS_INTEGRITY;
        msg->integrity_at = at;
    }
    return true;
}

static bool decode_sha256(struct stun_msg *msg, size_t at, size_t len)
{
    if (len < SHA256_LEN_MIN || len > SHA256_LEN || len % 4 != 0)
        return false;
    if (!(msg->has & STUN_HAS_INTEGRITY_SHA256)) {
        msg->has |= STUN_HAS_INTEGRITY_SHA256;
        msg->sha256_at = at;
        msg->sha256_len = len;
    }
    return true;
}

static bool decode_fingerprint(struct decoding *d, size_t at, struct reader value)
{
    uint32_t fingerprint = take_u32(&value);
    if (value.bad || value.left || at + ATTRIBUTE_HEADER_LEN + FINGERPRINT_LEN != d->len)
        return false;
    d->ended = true;
    d->msg->has |= STUN_HAS_FINGERPRINT;
    return fingerprint == (crc32_of(d->data, at) ^ FINGERPRINT_XOR);
}

static void note_unknown(struct stun_msg *msg, uint16_t type)
{
    if (type >= REQUIRED_BELOW || msg->unknown_count == STUN_UNKNOWN_MAX)
        return;
    for (size_t i = 0; i < msg->unknown_count; i++)
        if (msg->unknown[i] == type)
            return;
    msg->unknown[msg->unknown_count++] = type;
}

static bool decode_attribute(struct decoding *d, uint16_t type, struct reader value)
{
    for (unsigned i = 0; i < ATTRIBUTE_COUNT; i++) {
        const struct attribute *attribute = &attributes[i];
        if (attribute->type != type)
            continue;
        if (d->seen & UINT32_C(1) << i)
            return true;
        d->seen |= UINT32_C(1) << i;
        if (value.left < attribute->len_min || value.left > attribute->len_max)
            return false;
        d->msg->has |= attribute->has;
        attribute->read(d->msg, attribute, &value);
        return !value.bad && value.left == 0;
    }
    note_unknown(d->msg, type);
    return true;
}

/* The attribute of `type` at offset `at`. */
static bool decode_next(struct decoding *d, uint16_t type, size_t at, struct reader value)
{
    switch (type) {
    case MESSAGE_INTEGRITY:
        return decode_integrity(d->msg, at, value.left);
    case MESSAGE_INTEGRITY_SHA256:
        return decode_sha256(d->msg, at, value.left);
    case FINGERPRINT:
        return decode_fingerprint(d, at, value);
    default:
        if (d->msg->has & (STUN_HAS_INTEGRITY | STUN_HAS_INTEGRITY_SHA256))
            return true;
        return decode_attribute(d, type, value);
    }
}

bool stun_decode(struct stun_msg *msg, const uint8_t *data, size_t len)
{
    *msg = (struct stun_msg){0};
    if (!stun_is(data, len))
        return false;
    struct reader r = reader_of(data, len);
    split_type(msg, take_u16(&r));
    take_u16(&r);
    take_u32(&r);
    memcpy(msg->id, take_bytes(&r, STUN_ID_LEN), STUN_ID_LEN);

    struct decoding d = {.msg = msg, .data = data, .len = len};
    while (r.left) {
        size_t at = len - r.left;
        uint16_t type = take_u16(&r);
        size_t value_len = take_u16(&r);
        const uint8_t *value = take_bytes(&r, padded(value_len));
        if (r.bad || !decode_next(&d, type, at, reader_of(value, value_len)))
            return false;
    }
    return true;
}

/* Encoding. */

/* Begins an attribute; returns where its value starts. */
static size_t begin(struct writer *w, uint16_t type)
{
    put_u16(w, type);
    put_u16(w, 0);
    return w->len;
}

/* Ends the attribute whose value started at `value`: its length, and zeros up to a multiple of 4. */
static void end(struct writer *w, size_t value)
{
    size_t len = w->len - value;
    if (len > UINT16_MAX)
        w->bad = true;
    while (!w->bad && w->len % 4 != 0)
        put_u8(w, 0);
    if (w->bad)
        return;
    w->start[value - 2] = (uint8_t)(len >> 8);
    w->start[value - 1] = (uint8_t)len;
}

static void set_length(struct writer *w, size_t len)
{
    if (len - HEADER_LEN > UINT16_MAX)
        w->bad = true;
    if (!w->bad)
        header_until(w->start, w->start, len);
}

static void put_integrity(struct writer *w, uint16_t type, const struct stun_key *key)
{
    size_t at = w->len;
    size_t value = begin(w, type);
    size_t len = type == MESSAGE_INTEGRITY ? SHA1_LEN : SHA256_LEN;
    uint8_t *room = put_room(w, len);
    if (!room)
        return;
    if (type == MESSAGE_INTEGRITY)
        sha1_of(room, len, w->start, at, key);
    else
        sha256_of(room, len, w->start, at, key);
    end(w, value);
}

/* The length in the header counts the fingerprint already when its sum is taken (RFC 8489 14.7). */
static void put_fingerprint(struct writer *w)
{
    size_t at = w->len;
    set_length(w, at + ATTRIBUTE_HEADER_LEN + FINGERPRINT_LEN);
    uint32_t fingerprint = w->bad ? 0 : crc32_of(w->start, at) ^ FINGERPRINT_XOR;
    size_t value = begin(w, FINGERPRINT);
    put_u32(w, fingerprint);
    end(w, value);
}

size_t stun_encode(const struct stun_msg *msg, const struct stun_key *key, uint8_t *out, size_t capacity)
{
    assert(key || !(msg->has & (STUN_HAS_INTEGRITY | STUN_HAS_INTEGRITY_SHA256)));
    struct writer w = writer_of(out, capacity);
    put_u16(&w, joined_type(msg));
    put_u16(&w, 0);
    put_u32(&w, MAGIC_COOKIE);
    put_bytes(&w, msg->id, STUN_ID_LEN);
    for (const struct attribute *a = attributes; a < attributes + ATTRIBUTE_COUNT; a++) {
        if (!a->present(msg, a))
            continue;
        size_t value = begin(&w, a->type);
        a->write(msg, a, &w);
        end(&w, value);
    }
    if (msg->has & STUN_HAS_INTEGRITY)
        put_integrity(&w, MESSAGE_INTEGRITY, key);
    if (msg->has & STUN_HAS_INTEGRITY_SHA256)
        put_integrity(&w, MESSAGE_INTEGRITY_SHA256, key);
    set_length(&w, w.len);
    if (msg->has & STUN_HAS_FINGERPRINT)
        put_fingerprint(&w);
    return w.bad ? 0 : w.len;
}

const char *stun_error_reason(unsigned code)
{
    static const struct {
        unsigned code;
        const char *reason;
    } reasons[] = {
        {300, "Try Alternate"},     {400, "Bad Request"}, {401, "Unauthenticated"},
        {420, "Unknown Attribute"}, {438, "Stale Nonce"}, {487, "Role Conflict"}, /* RFC 8445 7.3.1.1 */
        {500, "Server Error"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].code == code)
            return reasons[i].reason;
    return "Error";
}
