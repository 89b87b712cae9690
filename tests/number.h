/* number.h - numbers of a command line: read whole or not at all. */
#ifndef NUMBER_H
#define NUMBER_H

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

/* Digits and nothing else, from 0 to `max`. False leaves *out as it was. */
static inline bool number_read(const char *text, long long max, long long *out)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || *end || value > max)
        return false;
    *out = value;
    return true;
}

#endif
