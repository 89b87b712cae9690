/* completion.h - what bash, zsh and fish need to complete a command line of ours. */
#ifndef COMPLETION_H
#define COMPLETION_H

#include "help.h"

/* Prints the script of a shell (bash, zsh or fish), made from the tables of commands and options, to standard
 * output. False: there is none for that shell, and nothing is printed. */
bool completion_print(const char *shell, const struct command *commands, size_t count);

#endif
