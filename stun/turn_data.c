/* turn_data.c - datagrams of peers on their way to and from a TURN server; a stream's framing (RFC 8656 11,
 * 12.4 to 12.6).
 *
 * To a peer that application packets go to a channel is asked for, whose header is 4 bytes; until it is
 * granted, and for checks, they travel in Send indications. What arrives is handed out where it lies: only a
 * message that a stream brings in pieces is put together elsewhere. */
#include "turn_internal.h"
#include "wire.h"

enum {
    STUN_HEADER = 20,
    CHANNEL_HEADER = 4,
    ATTRIBUTE_HEADER = 4,
    PEER4 = ATTRIBUTE_HEADER + 8, /* an XOR-PEER-ADDRESS */
    PEER6 = ATTRIBUTE_HEADER + 20,
    CHANNEL_MASK = 0xf000, /* RFC 8656 12: a channel's number begins with 0100, STUN with 00 */
};
_Static_assert(STUN_HEADER + PEER6 + ATTRIBUTE_HEADER == TURN_OVERHEAD_MAX, "the longest indication");

static const char not_turn[] = "what answers there does not speak TURN";

static size_t padded(size_t len)
{
    return (len + 3) & ~(size_t)3;
}

/* ---- to a peer ---- */

/* How a datagram is wrapped: in a channel, or (number 0) in an indication. */
struct wrapping {
    struct turn_client *turn;
    struct addr peer;
    uint16_t channel;
    size_t overhead;
    bool pads;
};

static void put_indication(const struct wrapping *wrapping, uint8_t *at, size_t len)
{
    struct stun_msg msg = {.class = STUN_INDICATION, .method = STUN_SEND, .peer = wrapping->peer};
    const struct random *random = wrapping->turn->random;
    random->fill(random->context, msg.id, STUN_ID_LEN);
    size_t head = stun_encode(&msg, NULL, at, wrapping->overhead);
    size_t body = head - STUN_HEADER + ATTRIBUTE_HEADER + padded(len);
    struct writer w = writer_of(at + 2, 2);
    put_u16(&w, (uint16_t)body);
    w = writer_of(at + head, ATTRIBUTE_HEADER);
    put_u16(&w, 0x0013); /* DATA (RFC 8656 18.4) */
    put_u16(&w, (uint16_t)len);
}

static void put_header(const struct wrapping *wrapping, uint8_t *at, size_t len)
{
    if (!wrapping->channel) {
        put_indication(wrapping, at, len);
        return;
    }
    struct writer w = writer_of(at, CHANNEL_HEADER);
    put_u16(&w, wrapping->channel);
    put_u16(&w, (uint16_t)len);
}

/* Bytes of a datagram once it is wrapped. */
static size_t wrapped(const struct wrapping *wrapping, size_t len)
{
    return wrapping->overhead + (wrapping->pads ? padded(len) : len);
}

/* From the last to the first, since each moves to where the next one was. */
static void move_apart(const struct wrapping *wrapping, uint8_t *data, size_t len, size_t segment)
{
    size_t step = wrapped(wrapping, segment);
    for (size_t i = (len + segment - 1) / segment; i-- > 0;) {
        size_t one = len - i * segment < segment ? len - i * segment : segment;
        uint8_t *at = data + i * step;
        memmove(at + wrapping->overhead, data + i * segment, one);
        put_header(wrapping, at, one);
        memset(at + wrapping->overhead + one, 0, wrapped(wrapping, one) - wrapping->overhead - one);
    }
}

static bool choose(struct wrapping *wrapping, uint64_t now, const struct packet *out)
{
    struct turn_client *turn = wrapping->turn;
    size_t segment = out->segment ? out->segment : out->len;
    bool has_family = false;
    for (unsigned i = 0; i < turn->relayed_count; i++)
        has_family |= turn->relayed[i].family == out->remote.family;
    if (turn->state != TURN_READY || !has_family || !out->len || segment > UINT16_MAX - TURN_OVERHEAD_MAX)
        return false;
    const struct turn_right *right = stun_is(out->data, segment < out->len ? segment : out->len)
                                         ? NULL
                                         : turn_channel(turn, now, &out->remote);
    if (right && right->granted) {
        wrapping->channel = right->channel;
        wrapping->overhead = CHANNEL_HEADER;
        wrapping->pads = turn->stream; /* RFC 8656 12.5 */
        return true;
    }
    turn_permission(turn, now, &out->remote);
    wrapping->overhead = STUN_HEADER + (out->remote.family == 6 ? PEER6 : PEER4) + ATTRIBUTE_HEADER;
    wrapping->pads = true;
    return true;
}

bool turn_client_wrap(struct turn_client *turn, uint64_t now, struct packet *out, size_t capacity)
{
    struct wrapping wrapping = {.turn = turn, .peer = out->remote};
    size_t segment = out->segment ? out->segment : out->len;
    if (!choose(&wrapping, now, out)) {
        turn->stats.dropped++;
        return false;
    }
    size_t whole = out->len / segment, rest = out->len % segment;
    size_t len = whole * wrapped(&wrapping, segment) + (rest ? wrapped(&wrapping, rest) : 0);
    if (len > capacity) {
        turn->stats.dropped++;
        return false;
    }
    move_apart(&wrapping, out->data, out->len, segment);
    out->segment = out->segment && !turn->stream ? wrapped(&wrapping, segment) : 0;
    out->len = len;
    out->local = (struct addr){0};
    out->remote = turn->server;
    turn->said = now;
    return true;
}

/* ---- from a peer ---- */

static bool is_channel(const uint8_t *data)
{
    return ((data[0] << 8) & CHANNEL_MASK) == TURN_CHANNEL_FIRST;
}

bool turn_client_takes(const struct turn_client *turn, const struct packet *in)
{
    if (turn->stream || in->len < CHANNEL_HEADER || !addr_equal(&in->remote, &turn->server))
        return false;
    if (is_channel(in->data))
        return turn->state == TURN_READY;
    /* Of the message type's bits those of the method 0x001, whatever the class (RFC 8489 5). */
    return stun_is(in->data, in->len) && !(!(in->data[0] & 0x3e) && (in->data[1] & 0xef) == STUN_BINDING);
}

static const struct addr *relayed_of(const struct turn_client *turn, uint8_t family)
{
    for (unsigned i = 0; i < turn->relayed_count; i++)
        if (turn->relayed[i].family == family)
            return &turn->relayed[i];
    return NULL;
}

static bool hand_out(struct turn_client *turn, uint64_t now, struct packet *inner, const struct addr *peer,
                     uint8_t *data, size_t len)
{
    const struct addr *relayed = relayed_of(turn, peer->family);
    if (turn->state != TURN_READY || !relayed || !addr_is_usable(peer) || !len) {
        turn->stats.malformed++;
        return false;
    }
    turn->heard = now;
    *inner = (struct packet){.local = *relayed, .remote = *peer, .data = data, .len = len};
    return true;
}

static bool take_channel(struct turn_client *turn, uint64_t now, uint8_t *data, size_t len,
                         struct packet *inner)
{
    struct reader r = reader_of(data, len);
    uint16_t number = take_u16(&r);
    size_t body = take_u16(&r);
    const struct turn_right *right = turn_channel_find(turn, number);
    if (r.bad || body > r.left) {
        turn->stats.malformed++;
        return false;
    }
    if (!right) {
        turn->stats.strangers++;
        return false;
    }
    return hand_out(turn, now, inner, &right->peer, data + CHANNEL_HEADER, body);
}

static bool take_stun(struct turn_client *turn, uint64_t now, uint8_t *data, size_t len, struct packet *inner)
{
    struct stun_msg msg;
    if (!stun_decode(&msg, data, len)) {
        turn->stats.malformed++;
        if (turn->stream && !stun_is(data, len))
            turn_fail(turn, TURN_BROKEN, not_turn);
        return false;
    }
    if (msg.class != STUN_INDICATION) {
        turn_answer(turn, now, &msg, data);
        return false;
    }
    if (msg.method != STUN_DATA || !msg.data.at || !msg.peer.family) {
        turn->stats.malformed += !(msg.has & STUN_HAS_ICMP);
        return false;
    }
    if (!turn_is_permitted(turn, &msg.peer)) {
        turn->stats.strangers++;
        return false;
    }
    return hand_out(turn, now, inner, &msg.peer, data + ((const uint8_t *)msg.data.at - data), msg.data.len);
}

static bool take_message(struct turn_client *turn, uint64_t now, uint8_t *data, size_t len,
                         struct packet *inner)
{
    if (len < CHANNEL_HEADER)
        return false;
    return is_channel(data) ? take_channel(turn, now, data, len, inner)
                            : take_stun(turn, now, data, len, inner);
}

/* ---- a stream ---- */

/* Bytes of the message that begins with these four; 0: nothing that TURN says. Before there is an allocation
 * there are no channels, but HTTP begins like one. */
static size_t message_len(const struct turn_client *turn, const uint8_t head[CHANNEL_HEADER])
{
    size_t body = (size_t)(head[2] << 8 | head[3]);
    if (is_channel(head))
        return turn->state == TURN_ALLOCATING ? 0 : CHANNEL_HEADER + padded(body);
    return head[0] & 0xc0 || body % 4 ? 0 : STUN_HEADER + body;
}

static void pass(struct packet *in, size_t len)
{
    in->data += len;
    in->len -= len;
}

static void skip(struct turn_client *turn, struct packet *in)
{
    size_t len = turn->skip < in->len ? turn->skip : in->len;
    turn->skip -= len;
    pass(in, len);
}

/* Adds to what is held until there are `want` bytes; false: *in has no more. */
static bool hold(struct turn_client *turn, struct packet *in, size_t want)
{
    size_t len = want - turn->held_len;
    len = len < in->len ? len : in->len;
    memcpy(turn->held + turn->held_len, in->data, len);
    turn->held_len += len;
    pass(in, len);
    return turn->held_len == want;
}

/* The next whole message of the stream: *at and its bytes, or 0 when there is none yet. */
static size_t next_message(struct turn_client *turn, struct packet *in, uint8_t **at)
{
    skip(turn, in);
    bool apart = turn->held_len || in->len < CHANNEL_HEADER;
    if (!in->len || (apart && turn->held_len < CHANNEL_HEADER && !hold(turn, in, CHANNEL_HEADER)))
        return 0;
    size_t len = message_len(turn, apart ? turn->held : in->data);
    if (!len) {
        turn_fail(turn, TURN_BROKEN, not_turn);
    } else if (len > TURN_DATAGRAM_MAX) {
        turn->stats.malformed++;
        turn->skip = len - turn->held_len;
        turn->held_len = 0;
        return next_message(turn, in, at);
    } else if (!apart && len <= in->len) {
        *at = in->data;
        pass(in, len);
        return len;
    } else if (hold(turn, in, len)) {
        *at = turn->held;
        turn->held_len = 0;
        return len;
    }
    return 0;
}

bool turn_client_input(struct turn_client *turn, uint64_t now, struct packet *in, struct packet *inner)
{
    if (!turn->stream) {
        size_t len = in->len;
        in->len = 0;
        return turn->state != TURN_OVER && take_message(turn, now, in->data, len, inner);
    }
    uint8_t *at;
    size_t len;
    while (turn->state != TURN_OVER && (len = next_message(turn, in, &at)) != 0)
        if (take_message(turn, now, at, len, inner))
            return true;
    return false;
}
