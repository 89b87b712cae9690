/* nat_words.c - what the behaviour of a NAT means to people. No protocol: sentences only.
 *
 * "Easy" and "hard" stand for what a peer must know: an easy NAT has one public port that everybody may be
 * told, a hard one has another for each destination. */
#include "nat_words.h"

#include <stdio.h>

const char *nat_words_ports(char out[NAT_WORDS_MAX], const struct nat_behavior *nat)
{
    switch (nat->ports) {
    case NAT_PORTS_UNKNOWN:
        return NULL;
    case NAT_PORTS_PRESERVED:
        snprintf(out, NAT_WORDS_MAX, "ports are kept as they are inside");
        break;
    case NAT_PORTS_SEQUENTIAL:
        snprintf(out, NAT_WORDS_MAX, "ports in sequence, %+d each", nat->step);
        break;
    case NAT_PORTS_BLOCK:
        snprintf(out, NAT_WORDS_MAX, "ports at random within %u to %u", nat->low, nat->high);
        break;
    case NAT_PORTS_RANDOM:
        snprintf(out, NAT_WORDS_MAX, "ports at random");
        break;
    }
    return out;
}

const char *nat_words_kind(char out[NAT_WORDS_MAX], const struct nat_behavior *nat)
{
    char ports[NAT_WORDS_MAX];
    const char *words = nat_words_ports(ports, nat);
    switch (nat->mapping) {
    case NAT_MAPPING_UNKNOWN:
        snprintf(out, NAT_WORDS_MAX, "an unknown network");
        break;
    case NAT_MAPPING_NONE:
        snprintf(out, NAT_WORDS_MAX, "%s",
                 nat->filtering == NAT_FILTERING_ADDRESS || nat->filtering == NAT_FILTERING_ADDRESS_AND_PORT
                     ? "a firewall but no NAT"
                     : "no NAT");
        break;
    case NAT_MAPPING_ENDPOINT:
        snprintf(out, NAT_WORDS_MAX, "an easy NAT");
        break;
    case NAT_MAPPING_ADDRESS:
    case NAT_MAPPING_ADDRESS_AND_PORT:
        snprintf(out, NAT_WORDS_MAX, words ? "a hard NAT (%s)" : "a hard NAT", words);
        break;
    }
    return out;
}

const char *nat_words_mapping(const struct nat_behavior *nat)
{
    switch (nat->mapping) {
    case NAT_MAPPING_UNKNOWN:
        break;
    case NAT_MAPPING_NONE:
        return "no NAT: this machine's own address is public";
    case NAT_MAPPING_ENDPOINT:
        return "an easy NAT: one public port for all destinations, so peers can be told where to knock";
    case NAT_MAPPING_ADDRESS:
        return "a hard NAT: another public port for every address that is sent to";
    case NAT_MAPPING_ADDRESS_AND_PORT:
        return "a hard NAT: another public port for every destination (symmetric)";
    }
    return NULL;
}

const char *nat_words_filtering(const struct nat_behavior *nat)
{
    bool firewall = nat->mapping == NAT_MAPPING_NONE;
    switch (nat->filtering) {
    case NAT_FILTERING_UNKNOWN:
        break;
    case NAT_FILTERING_ENDPOINT:
        return firewall ? "no firewall in the way: anybody may send to it"
                        : "anybody may send to a port that is open (full cone)";
    case NAT_FILTERING_ADDRESS:
        return firewall ? "a firewall lets in whoever was sent to, from any of its ports"
                        : "whoever was sent to may answer, from any of its ports (address-restricted)";
    case NAT_FILTERING_ADDRESS_AND_PORT:
        return firewall ? "a firewall lets in answers only"
                        : "only exactly who was sent to may answer (port-restricted)";
    }
    return NULL;
}

const char *nat_words_hairpin(const struct nat_behavior *nat)
{
    switch (nat->hairpin) {
    case NAT_ANSWER_UNKNOWN:
        break;
    case NAT_ANSWER_NO:
        return "no hairpin: what this machine sends to its own public address does not come back";
    case NAT_ANSWER_YES:
        return "hairpin: two machines behind it can meet at its public address";
    }
    return NULL;
}
