/* nat_words.h - what the behaviour of a NAT means to people. */
#ifndef NAT_WORDS_H
#define NAT_WORDS_H

#include "nat_behavior.h"
#include <stddef.h>

enum { NAT_WORDS_MAX = 160 };

/* A noun with its article, for the middle of a sentence: "no NAT", "an easy NAT", "a hard NAT (ports in
 * sequence, +1 each)", "an unknown network". Returns `out`. */
const char *nat_words_kind(char out[NAT_WORDS_MAX], const struct nat_behavior *nat);
/* Whole clauses without a full stop, for a report: how it maps, who gets in, how ports are chosen, whether it
 * lets its own back in. NULL where nothing is known of that. */
const char *nat_words_mapping(const struct nat_behavior *nat);
const char *nat_words_filtering(const struct nat_behavior *nat);
const char *nat_words_ports(char out[NAT_WORDS_MAX], const struct nat_behavior *nat);
const char *nat_words_hairpin(const struct nat_behavior *nat);

#endif
