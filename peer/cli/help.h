/* help.h - what --help prints, made from the tables of commands and options. */
#ifndef HELP_H
#define HELP_H

#include "options.h"

/* A row of the table of commands. */
struct command {
    const char *name;
    enum command_bit bit;
    int (*main)(const struct options *options, uint64_t started_ns);
    const char *help;
    unsigned words_most;   /* how many words may follow it */
    const char *arguments; /* as --help calls them; NULL: there are none */
};

/* To standard output. False: it could not be written. */
bool help_print(const struct command *commands, size_t count);

#endif
