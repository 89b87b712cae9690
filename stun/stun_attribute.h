/* stun_attribute.h - the attributes of STUN messages: what each is, and how it gets to the wire and back.
 * Inside stun/ only: others see struct stun_msg. */
#ifndef STUN_ATTRIBUTE_H
#define STUN_ATTRIBUTE_H

#include "stun_msg.h"
#include "wire.h"

enum { STUN_MAGIC_COOKIE = 0x2112a442 }; /* RFC 8489 5 */

/* RFC 8489 18.3, RFC 8445 20.1, RFC 5780 9.1, RFC 8656 18, draft-thatcher-ice-renomination */
enum stun_attribute_type {
    STUN_ATTR_MAPPED_ADDRESS = 0x0001,
    STUN_ATTR_CHANGE_REQUEST = 0x0003,
    STUN_ATTR_USERNAME = 0x0006,
    STUN_ATTR_MESSAGE_INTEGRITY = 0x0008,
    STUN_ATTR_ERROR_CODE = 0x0009,
    STUN_ATTR_UNKNOWN_ATTRIBUTES = 0x000a,
    STUN_ATTR_CHANNEL_NUMBER = 0x000c,
    STUN_ATTR_LIFETIME = 0x000d,
    STUN_ATTR_XOR_PEER_ADDRESS = 0x0012,
    STUN_ATTR_DATA = 0x0013,
    STUN_ATTR_REALM = 0x0014,
    STUN_ATTR_NONCE = 0x0015,
    STUN_ATTR_XOR_RELAYED_ADDRESS = 0x0016,
    STUN_ATTR_REQUESTED_ADDRESS_FAMILY = 0x0017,
    STUN_ATTR_REQUESTED_TRANSPORT = 0x0019,
    STUN_ATTR_DONT_FRAGMENT = 0x001a,
    STUN_ATTR_MESSAGE_INTEGRITY_SHA256 = 0x001c,
    STUN_ATTR_USERHASH = 0x001e,
    STUN_ATTR_XOR_MAPPED_ADDRESS = 0x0020,
    STUN_ATTR_PRIORITY = 0x0024,
    STUN_ATTR_USE_CANDIDATE = 0x0025,
    STUN_ATTR_PADDING = 0x0026,
    STUN_ATTR_RESPONSE_PORT = 0x0027,
    STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY = 0x8000,
    STUN_ATTR_ADDRESS_ERROR_CODE = 0x8001,
    STUN_ATTR_ICMP = 0x8004,
    STUN_ATTR_SOFTWARE = 0x8022,
    STUN_ATTR_ALTERNATE_SERVER = 0x8023,
    STUN_ATTR_FINGERPRINT = 0x8028,
    STUN_ATTR_ICE_CONTROLLED = 0x8029,
    STUN_ATTR_ICE_CONTROLLING = 0x802a,
    STUN_ATTR_RESPONSE_ORIGIN = 0x802b,
    STUN_ATTR_OTHER_ADDRESS = 0x802c,
    /* Of the drafts before RFC 8656; coturn knows no other until 2025. */
    STUN_ATTR_DRAFT_ADDITIONAL_ADDRESS_FAMILY = 0x8032,
    STUN_ATTR_NOMINATION = 0xc001,
};

/* An attribute, and the way between its value on the wire and the member of struct stun_msg at `member`. */
struct stun_attribute {
    uint16_t type;
    uint16_t len_min, len_max; /* bytes of a value that is not malformed */
    unsigned has;              /* set when it was read; written when it is set (0: the writer decides) */
    size_t member;
    void (*read)(struct stun_msg *msg, const struct stun_attribute *attribute, struct reader *value);
    /* Writes the value alone; not called when `present` says no. */
    void (*write)(const struct stun_msg *msg, const struct stun_attribute *attribute, struct writer *w);
    bool (*present)(const struct stun_msg *msg, const struct stun_attribute *attribute);
};

/* All but the integrity attributes and FINGERPRINT, which need the whole message. Encoding writes in this
 * order, which is that of the examples in RFC 5769. */
enum { STUN_ATTRIBUTE_COUNT = 33 };
extern const struct stun_attribute stun_attributes[STUN_ATTRIBUTE_COUNT];

#endif
