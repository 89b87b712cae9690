/* doctor.h - what a checkup means, for the command `doctor` alone: its advice, and the two ways to tell it.
 */
#ifndef DOCTOR_H
#define DOCTOR_H

#include "checkup.h"

enum { ADVICE_MAX = 32, ADVICE_TEXT_MAX = 400 };

struct advice {
    bool needs_attention; /* makes the exit code 1; otherwise it could only be better */
    char text[ADVICE_TEXT_MAX];
};

struct advices {
    struct advice list[ADVICE_MAX];
    size_t count;
};

/* What to change, the most pressing first. Texts are fit for a terminal. */
void doctor_advise(struct advices *out, const struct checkup *checkup);
bool doctor_is_content(const struct advices *advices);

/* Words for the report and for JSON alike: why an address is not used; "answers", "silent", ... */
const char *doctor_use_text(const struct net_interface *interface);
const char *doctor_use_name(enum net_use use);
const char *doctor_state_name(enum checkup_state state);
/* How long an idle mapping lives, "more than 19 s", or why that is not known; NULL: nobody has asked. */
const char *doctor_life_text(char out[ADVICE_TEXT_MAX], const struct checkup *checkup);

/* Writes to standard output. False: it did not take everything. */
bool doctor_print_json(const struct checkup *checkup, const struct advices *advices, uint64_t t_ms);

#endif
