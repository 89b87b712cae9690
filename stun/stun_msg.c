/* stun_msg.c - STUN messages: encode, decode, integrity, fingerprint (RFC 8489; RFC 8445 16.1; RFC 5780 7;
 * RFC 8656 17 and 18).
 * Decoding and encoding walk the table in stun_attribute.c; what covers the whole message is here.
 * Left out: PASSWORD-ALGORITHM(S) and the bidding-down protection of RFC 8489 9.2.1, since no relay in use
 * offers anything but MD5 keys; ALTERNATE-DOMAIN, which belongs to TLS; the RFC 3489 messages without magic
 * cookie. */
#include "stun_attribute.h"
#include <assert.h>
#include <nettle/hmac.h>
#include <nettle/md5.h>
#include <nettle/memops.h>

enum {
    HEADER_LEN = 20,
    ATTRIBUTE_HEADER_LEN = 4,
    SHA1_LEN = SHA1_DIGEST_SIZE,
    SHA256_LEN = SHA256_DIGEST_SIZE,
    SHA256_LEN_MIN = 16, /* RFC 8489 14.6: truncated to no less */
    FINGERPRINT_LEN = 4,
    FINGERPRINT_XOR = 0x5354554e, /* RFC 8489 14.7 */
    REQUIRED_BELOW = 0x8000,      /* RFC 8489 14: types below must be understood */
};

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
    return body == len - HEADER_LEN && take_u32(&r) == STUN_MAGIC_COOKIE;
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
    uint64_t seen; /* a bit for each row of the table */
    bool ended;    /* a fingerprint has come: nothing may follow */
};
_Static_assert(STUN_ATTRIBUTE_COUNT <= 64, "struct decoding's `seen` has 64 bits");

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

/* A type that has two rows may come twice (XOR-RELAYED-ADDRESS, RFC 8656 7.3). */
static bool decode_attribute(struct decoding *d, uint16_t type, struct reader value)
{
    bool known = false;
    for (unsigned i = 0; i < STUN_ATTRIBUTE_COUNT; i++) {
        const struct stun_attribute *attribute = &stun_attributes[i];
        if (attribute->type != type)
            continue;
        known = true;
        if (d->seen & UINT64_C(1) << i)
            continue;
        d->seen |= UINT64_C(1) << i;
        if (value.left < attribute->len_min || value.left > attribute->len_max)
            return false;
        d->msg->has |= attribute->has;
        attribute->read(d->msg, attribute, &value);
        return !value.bad && value.left == 0;
    }
    if (!known)
        note_unknown(d->msg, type);
    return true;
}

/* The attribute of `type` at offset `at`. */
static bool decode_next(struct decoding *d, uint16_t type, size_t at, struct reader value)
{
    switch (type) {
    case STUN_ATTR_MESSAGE_INTEGRITY:
        return decode_integrity(d->msg, at, value.left);
    case STUN_ATTR_MESSAGE_INTEGRITY_SHA256:
        return decode_sha256(d->msg, at, value.left);
    case STUN_ATTR_FINGERPRINT:
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
    size_t len = type == STUN_ATTR_MESSAGE_INTEGRITY ? SHA1_LEN : SHA256_LEN;
    uint8_t *room = put_room(w, len);
    if (!room)
        return;
    if (type == STUN_ATTR_MESSAGE_INTEGRITY)
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
    size_t value = begin(w, STUN_ATTR_FINGERPRINT);
    put_u32(w, fingerprint);
    end(w, value);
}

size_t stun_encode(const struct stun_msg *msg, const struct stun_key *key, uint8_t *out, size_t capacity)
{
    assert(key || !(msg->has & (STUN_HAS_INTEGRITY | STUN_HAS_INTEGRITY_SHA256)));
    struct writer w = writer_of(out, capacity);
    put_u16(&w, joined_type(msg));
    put_u16(&w, 0);
    put_u32(&w, STUN_MAGIC_COOKIE);
    put_bytes(&w, msg->id, STUN_ID_LEN);
    for (const struct stun_attribute *a = stun_attributes; a < stun_attributes + STUN_ATTRIBUTE_COUNT; a++) {
        if (!a->present(msg, a))
            continue;
        size_t value = begin(&w, a->type);
        a->write(msg, a, &w);
        end(&w, value);
    }
    if (msg->has & STUN_HAS_INTEGRITY)
        put_integrity(&w, STUN_ATTR_MESSAGE_INTEGRITY, key);
    if (msg->has & STUN_HAS_INTEGRITY_SHA256)
        put_integrity(&w, STUN_ATTR_MESSAGE_INTEGRITY_SHA256, key);
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
        {300, "Try Alternate"},
        {400, "Bad Request"},
        {401, "Unauthenticated"},
        {420, "Unknown Attribute"},
        {438, "Stale Nonce"},
        {487, "Role Conflict"}, /* RFC 8445 7.3.1.1 */
        {500, "Server Error"},
        /* RFC 8656 19 */
        {403, "Forbidden"},
        {437, "Allocation Mismatch"},
        {440, "Address Family not Supported"},
        {441, "Wrong Credentials"},
        {442, "Unsupported Transport Protocol"},
        {443, "Peer Address Family Mismatch"},
        {486, "Allocation Quota Reached"},
        {508, "Insufficient Capacity"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].code == code)
            return reasons[i].reason;
    return "Error";
}
