/* help.c - what --help prints, made from the tables of commands and options: one screen of at most 80
 * columns. */
#include "help.h"

#include "option_table.h"

#include <stdio.h>
#include <string.h>

static void print_option(const struct option *option)
{
    char letter[8] = "   ", label[48];
    if (option->letter)
        snprintf(letter, sizeof letter, "-%c,", option->letter);
    snprintf(label, sizeof label, "--%s%s%s", option->name, option->argument ? " " : "",
             option->argument ? option->argument : "");
    printf(" %s %-18s %s\n", letter, label, option->help);
}

bool help_print(const struct command *commands, size_t count)
{
    printf("Usage: p2pconnect [COMMAND] --room NAME [OPTIONS]\n"
           "Two machines name a room and talk straight to each other, encrypted.\n\n"
           "Commands (none: chat on a terminal, else pipe):\n");
    for (const struct command *command = commands; command < commands + count; command++)
        printf("  %s%s%-*s %s\n", command->name, command->arguments ? " " : "",
               (int)(12 - strlen(command->name) - (command->arguments ? 1 : 0)),
               command->arguments ? command->arguments : "", command->help);
    printf("\nOptions:\n");
    for (size_t i = 0; i < option_table_len; i++)
        print_option(&option_table[i]);
    printf("\nAlso as OPTION = VALUE in ~/.config/p2pconnect/config, or P2PCONNECT_OPTION in\n"
           "the environment. All of it, with exit codes and examples: man p2pconnect.\n");
    return fflush(stdout) == 0 && !ferror(stdout);
}
