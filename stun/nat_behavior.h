/* nat_behavior.h - how the NAT in front of us maps and filters (RFC 4787 4 and 5; RFC 5780 4).
 *
 * The words of RFC 4787. Whatever is not known is UNKNOWN, never guessed. */
#ifndef NAT_BEHAVIOR_H
#define NAT_BEHAVIOR_H

#include "addr.h"

/* RFC 4787 4.1: what a mapping depends on. */
enum nat_mapping {
    NAT_MAPPING_UNKNOWN,
    NAT_MAPPING_NONE,             /* our own address is public: no NAT, at most a firewall */
    NAT_MAPPING_ENDPOINT,         /* endpoint-independent: one for all destinations */
    NAT_MAPPING_ADDRESS,          /* address-dependent: one for each destination address */
    NAT_MAPPING_ADDRESS_AND_PORT, /* one for each destination address and port */
};

/* RFC 4787 5: who may send to a mapping. */
enum nat_filtering {
    NAT_FILTERING_UNKNOWN, /* no server could send from elsewhere (RFC 5780) */
    NAT_FILTERING_ENDPOINT,
    NAT_FILTERING_ADDRESS,
    NAT_FILTERING_ADDRESS_AND_PORT,
};

/* RFC 4787 4.2: how the external port of a new mapping is chosen. */
enum nat_ports {
    NAT_PORTS_UNKNOWN,
    NAT_PORTS_PRESERVED,  /* the inner one */
    NAT_PORTS_SEQUENTIAL, /* the last one plus `step` */
    NAT_PORTS_BLOCK,      /* at random inside `low` to `high`: a carrier's block of ports */
    NAT_PORTS_RANDOM,     /* anywhere */
};

enum nat_answer { NAT_ANSWER_UNKNOWN, NAT_ANSWER_NO, NAT_ANSWER_YES };

/* What one side knows of its NAT, and tells the other under the seal. */
struct nat_behavior {
    enum nat_mapping mapping;
    enum nat_filtering filtering;
    enum nat_ports ports;
    int step;                /* SEQUENTIAL: -64 to 64, never 0 */
    uint16_t last;           /* the external port seen last: where a sequence goes on from; 0: none */
    uint16_t low, high;      /* BLOCK: the ports of the block as far as seen, rounded to its likely bounds */
    struct addr external;    /* the public address of the main socket as seen last; family 0: none was told */
    enum nat_answer hairpin; /* whether packets to our own public address come back */
};

/* Whether a peer cannot know which port to knock at. */
static inline bool nat_is_hard(const struct nat_behavior *nat)
{
    return nat->mapping == NAT_MAPPING_ADDRESS || nat->mapping == NAT_MAPPING_ADDRESS_AND_PORT;
}

#endif
