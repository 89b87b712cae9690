/* portmap_msg.c - what is said to a gateway that maps ports: PCP (RFC 6887) and NAT-PMP (RFC 6886).
 *
 * Left out: PEER, options (what we ask for needs none, and a server adds none unasked), other protocols than
 * UDP. */
#include "portmap_msg.h"

#include "wire.h"

enum {
    NATPMP_VERSION = 0,
    PCP_VERSION = 2,
    ANSWER = 0x80, /* the bit of the operation's byte that tells answers from requests, in both protocols */
    PCP_ANNOUNCE = 0,
    PCP_MAP = 1,
    NATPMP_ADDRESS = 0,
    NATPMP_MAP_UDP = 1,
    PROTOCOL_UDP = 17,
};

/* ---- PCP ---- */

/* RFC 6887 5: an IPv4 address travels as ::ffff:a.b.c.d; none asked for is all zeros behind that prefix. */
static void put_ip(struct writer *w, const struct addr *addr, bool ipv6)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff}, none[16];
    if (ipv6) {
        put_bytes(w, addr->family == 6 ? addr->ip : none, 16);
        return;
    }
    put_bytes(w, prefix, sizeof prefix);
    put_bytes(w, addr->family == 4 ? addr->ip : none, 4);
}

static void put_pcp_map(struct writer *w, const struct portmap_msg *msg)
{
    bool ipv6 = msg->client.family == 6;
    put_u8(w, PCP_VERSION);
    put_u8(w, PCP_MAP);
    put_u16(w, 0);
    put_u32(w, msg->lifetime_s);
    put_ip(w, &msg->client, ipv6);
    put_bytes(w, msg->nonce, PORTMAP_NONCE_LEN);
    put_u32(w, (uint32_t)PROTOCOL_UDP << 24);
    put_u16(w, msg->client.port);
    put_u16(w, msg->external.port);
    put_ip(w, &msg->external, ipv6);
}

static enum portmap_result pcp_result(uint8_t code)
{
    switch (code) {
    case PORTMAP_SUCCESS:
    case PORTMAP_UNSUPP_VERSION:
    case PORTMAP_NOT_AUTHORIZED:
    case PORTMAP_NETWORK_FAILURE:
    case PORTMAP_NO_RESOURCES:
    case PORTMAP_CANNOT_PROVIDE_EXTERNAL:
    case PORTMAP_ADDRESS_MISMATCH:
        return (enum portmap_result)code;
    default:
        return PORTMAP_OTHER_ERROR;
    }
}

static bool take_pcp_map(struct reader *r, struct portmap_msg *msg)
{
    const uint8_t *nonce = take_bytes(r, PORTMAP_NONCE_LEN);
    uint32_t protocol = take_u32(r) >> 24;
    msg->internal_port = take_u16(r);
    uint16_t port = take_u16(r);
    const uint8_t *ip = take_bytes(r, 16);
    if (r->bad || protocol != PROTOCOL_UDP)
        return false;
    memcpy(msg->nonce, nonce, PORTMAP_NONCE_LEN);
    msg->external = addr_make6(ip, port, 0); /* turns an IPv4 address into what it is */
    return true;
}

static bool take_pcp(struct reader *r, struct portmap_msg *msg)
{
    uint8_t operation = take_u8(r);
    take_u8(r);
    msg->result = pcp_result(take_u8(r));
    msg->lifetime_s = take_u32(r);
    msg->epoch_s = take_u32(r);
    take_bytes(r, 12);
    if (r->bad)
        return false;
    msg->type = operation == (ANSWER | PCP_MAP) ? PORTMAP_PCP_MAP : PORTMAP_PCP_ANNOUNCE;
    if (operation == (ANSWER | PCP_MAP))
        return take_pcp_map(r, msg);
    return operation == (ANSWER | PCP_ANNOUNCE);
}

/* ---- NAT-PMP ---- */

static void put_natpmp_map(struct writer *w, const struct portmap_msg *msg)
{
    put_u8(w, NATPMP_VERSION);
    put_u8(w, NATPMP_MAP_UDP);
    put_u16(w, 0);
    put_u16(w, msg->internal_port);
    put_u16(w, msg->external.port);
    put_u32(w, msg->lifetime_s);
}

static enum portmap_result natpmp_result(uint16_t code)
{
    static const enum portmap_result results[] = {PORTMAP_SUCCESS, PORTMAP_UNSUPP_VERSION,
                                                  PORTMAP_NOT_AUTHORIZED, PORTMAP_NETWORK_FAILURE,
                                                  PORTMAP_NO_RESOURCES};
    return code < sizeof results / sizeof *results ? results[code] : PORTMAP_OTHER_ERROR;
}

static bool take_natpmp(struct reader *r, struct portmap_msg *msg)
{
    uint8_t operation = take_u8(r);
    msg->result = natpmp_result(take_u16(r));
    msg->epoch_s = take_u32(r);
    if (operation == (ANSWER | NATPMP_ADDRESS)) {
        const uint8_t *ip = take_bytes(r, 4);
        msg->type = PORTMAP_NATPMP_ADDRESS;
        if (ip)
            msg->external = addr_make4(ip, 0);
        return ip || msg->result != PORTMAP_SUCCESS;
    }
    msg->type = PORTMAP_NATPMP_MAP;
    msg->internal_port = take_u16(r);
    msg->external.port = take_u16(r);
    msg->lifetime_s = take_u32(r);
    return operation == (ANSWER | NATPMP_MAP_UDP) && !r->bad;
}

/* ---- either ---- */

size_t portmap_msg_encode(const struct portmap_msg *msg, uint8_t *out, size_t capacity)
{
    struct writer w = writer_of(out, capacity);
    switch (msg->type) {
    case PORTMAP_PCP_MAP:
        put_pcp_map(&w, msg);
        break;
    case PORTMAP_NATPMP_ADDRESS:
        put_u8(&w, NATPMP_VERSION);
        put_u8(&w, NATPMP_ADDRESS);
        break;
    case PORTMAP_NATPMP_MAP:
        put_natpmp_map(&w, msg);
        break;
    case PORTMAP_PCP_ANNOUNCE:
    case PORTMAP_OTHER_VERSION:
        return 0;
    }
    return w.bad ? 0 : w.len;
}

bool portmap_msg_decode(struct portmap_msg *msg, const uint8_t *data, size_t len)
{
    struct reader r = reader_of(data, len);
    *msg = (struct portmap_msg){0};
    if (len < 4 || len > PORTMAP_MSG_MAX || !(data[1] & ANSWER))
        return false;
    uint8_t version = msg->version = take_u8(&r);
    /* Result 1 is at the same place in every version: that is how they find out about each other (RFC 6887 9,
     * RFC 6886 3.5). A server of NAT-PMP answers so to PCP, whatever operation it then names. */
    if (data[2] == 0 && data[3] == PORTMAP_UNSUPP_VERSION) {
        msg->type = PORTMAP_OTHER_VERSION;
        msg->result = PORTMAP_UNSUPP_VERSION;
        return true;
    }
    if (version == PCP_VERSION)
        return take_pcp(&r, msg);
    return version == NATPMP_VERSION && take_natpmp(&r, msg);
}
