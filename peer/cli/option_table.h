/* option_table.h - every option: its name, what it takes, which commands take it, where its value goes. */
#ifndef OPTION_TABLE_H
#define OPTION_TABLE_H

#include "options.h"

enum option_kind {
    OPTION_TEXT,
    OPTION_LIST,
    OPTION_NUMBER,
    OPTION_PATHS,
    OPTION_RATE,
    OPTION_SIZE,
    OPTION_FLAG,
    OPTION_TALLY
};

/* A row of the one table from which parsing, --help and the completions of shells are made. */
struct option {
    const char *name;     /* without the dashes */
    char letter;          /* '\0': none */
    const char *argument; /* as --help calls it; NULL: takes none */
    const char *help;
    unsigned commands; /* COMMAND_ bits */
    enum option_kind kind;
    size_t offset;                                            /* of the member of struct options */
    unsigned least, most;                                     /* NUMBER: the range; LIST: `most` values */
    bool command_line_only;                                   /* not from the environment or the file */
    bool (*valid)(const char *value, const char **complaint); /* NULL: any that is not empty */
};

extern const struct option option_table[];
extern const size_t option_table_len;

enum { OPTIONS_MAX = 64 }; /* rows of the table at most */

/* The row of that name (without dashes) or letter; NULL: there is none. */
const struct option *option_find(const char *name, size_t len);
const struct option *option_find_letter(char letter);
/* Puts `value` (NULL: a flag of the command line) where it belongs; texts are not copied. Returns what is
 * wrong with it, valid until the next call, or NULL. */
const char *option_store(const struct option *option, struct options *options, const char *value);

#endif
