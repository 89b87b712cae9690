/* completion.c - scripts for the completion of bash, zsh and fish, made from the tables of commands and
 * options.
 *
 * All three do the same: they look for the command among the words so far, and offer what that one takes;
 * without one yet, the commands and every option. Left out: what is in a room, on the network or in a
 * configuration. A completion that waits for a broker is worse than none. */
#include "completion.h"

#include "option_table.h"

#include <stdio.h>
#include <string.h>

/* What is offered for an option's value. */
enum value { VALUE_ANY /* nothing: who knows */, VALUE_FILE, VALUE_PATHS, VALUE_INTERFACE, VALUE_CONGESTION };

static enum value value_of(const struct option *option)
{
    if (option->kind == OPTION_PATHS)
        return VALUE_PATHS;
    if (strcmp(option->name, "congestion") == 0)
        return VALUE_CONGESTION;
    if (strcmp(option->name, "interface") == 0 || strcmp(option->name, "exclude") == 0)
        return VALUE_INTERFACE;
    return strcmp(option->argument, "FILE") == 0 ? VALUE_FILE : VALUE_ANY;
}

/* `text` with a backslash before each of `special`, and with what each shell does with ' in a quoted text. */
static void put_quoted(const char *text, const char *special, const char *apostrophe)
{
    for (; *text; text++) {
        if (*text == '\'') {
            fputs(apostrophe, stdout);
            continue;
        }
        if (strchr(special, *text))
            putchar('\\');
        putchar(*text);
    }
}

/* The names of all options for which `wanted` holds, as they are typed. */
static void put_options(bool (*wanted)(const struct option *option, unsigned bit), unsigned bit,
                        const char *between)
{
    const char *before = "";
    for (const struct option *option = option_table; option < option_table + option_table_len; option++) {
        if (!wanted(option, bit))
            continue;
        printf("%s--%s", before, option->name);
        before = between;
        if (option->letter)
            printf("%s-%c", before, option->letter);
    }
}

static bool is_of_command(const struct option *option, unsigned bit)
{
    return (option->commands & bit) != 0;
}

static bool takes_value(const struct option *option, unsigned bit)
{
    (void)bit;
    return option->argument != NULL;
}

static bool has_value(const struct option *option, unsigned value)
{
    return option->argument && (unsigned)value_of(option) == value;
}

/* Whether the command is followed by files (false: by one folder); it has `arguments`. */
static bool takes_files(const struct command *command)
{
    return strcmp(command->arguments, "DIR") != 0;
}

/* ---- bash ---- */

static void put_bash_words(const struct command *commands, size_t count)
{
    printf("        case $command in\n        '')\n            mapfile -t COMPREPLY < <(compgen -W '");
    for (size_t i = 0; i < count; i++)
        printf("%s ", commands[i].name);
    printf("' -- \"$cur\") ;;\n");
    for (size_t i = 0; i < count; i++)
        if (commands[i].arguments)
            printf("        %s)\n            compopt -o filenames\n"
                   "            mapfile -t COMPREPLY < <(compgen %s -- \"$cur\") ;;\n",
                   commands[i].name, takes_files(&commands[i]) ? "-f" : "-d");
    printf("        esac\n        return\n    fi\n");
}

static void put_bash_values(void)
{
    printf("    case $prev in\n    ");
    put_options(has_value, VALUE_FILE, "|");
    printf(")\n        compopt -o filenames\n        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
           "        return ;;\n    ");
    put_options(has_value, VALUE_PATHS, "|");
    printf(")\n        compopt -o nospace\n        [[ $cur == *,* ]] && before=${cur%%,*},\n"
           "        mapfile -t COMPREPLY < <(compgen -P \"$before\" -W 'host lan direct turn broker' "
           "-- \"${cur##*,}\")\n        return ;;\n    ");
    put_options(has_value, VALUE_CONGESTION, "|");
    printf(
        ")\n        mapfile -t COMPREPLY < <(compgen -W 'cubic bbr' -- \"$cur\")\n        return ;;\n    ");
    put_options(has_value, VALUE_INTERFACE, "|");
    printf(")\n        mapfile -t COMPREPLY < <(cd /sys/class/net 2>/dev/null && compgen -G \"$cur*\")\n"
           "        return ;;\n    ");
    put_options(has_value, VALUE_ANY, "|");
    printf(")\n        return ;;\n    esac\n");
}

static void print_bash(const struct command *commands, size_t count)
{
    printf("# Completion of p2pconnect for bash; made by p2pconnect --completion bash.\n"
           "_p2pconnect() {\n"
           "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command= before= i\n"
           "    COMPREPLY=()\n"
           "    if [[ $cur == = ]]; then # --paths=lan is three words for bash\n        cur=\n"
           "    elif [[ $prev == = ]]; then\n        prev=${COMP_WORDS[COMP_CWORD - 2]}\n    fi\n"
           "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
           "        case ${COMP_WORDS[i]} in\n        ");
    put_options(takes_value, 0, "|");
    printf(") [[ ${COMP_WORDS[++i]} == = ]] && ((i++)) ;;\n        -*) ;;\n"
           "        *) command=${COMP_WORDS[i]} && break ;;\n        esac\n    done\n");
    put_bash_values();
    printf("    if [[ $cur != -* ]]; then\n");
    put_bash_words(commands, count);
    printf("    case $command in\n");
    for (size_t i = 0; i <= count; i++) {
        printf("    %s) mapfile -t COMPREPLY < <(compgen -W '", i ? commands[i - 1].name : "''");
        put_options(is_of_command, i ? commands[i - 1].bit : COMMANDS_ALL, " ");
        printf("' -- \"$cur\") ;;\n");
    }
    printf("    esac\n}\ncomplete -F _p2pconnect p2pconnect\n");
}

/* ---- zsh ---- */

static const char *zsh_value(const struct option *option)
{
    switch (value_of(option)) {
    case VALUE_FILE:
        return "_files";
    case VALUE_PATHS:
        return "_sequence compadd - host lan direct turn broker";
    case VALUE_CONGESTION:
        return "(cubic bbr)";
    case VALUE_INTERFACE:
        return "_net_interfaces";
    default:
        return " ";
    }
}

/* A row for _arguments: '(-c --count)'{-c+,--count=}'[ping: how many]:N: '. What may be said several times
 * has no list of what it excludes but a star. */
static void put_zsh_option(const struct option *option)
{
    const char *one = option->argument ? "+" : "", *all = option->argument ? "=" : "";
    bool repeats = option->kind == OPTION_LIST || option->kind == OPTION_TALLY;
    printf("            '%s", repeats ? "*" : "");
    if (option->letter && !repeats)
        printf("(-%c --%s)", option->letter, option->name);
    if (option->letter)
        printf("'{-%c%s,--%s%s}'[", option->letter, one, option->name, all);
    else
        printf("--%s%s[", option->name, all);
    put_quoted(option->help, "[]:\\", "'\\''");
    printf("]");
    if (option->argument) {
        putchar(':');
        put_quoted(option->argument, "[]:\\", "'\\''");
        printf(":%s", zsh_value(option));
    }
    printf("'\n");
}

static void put_zsh_command(const struct command *command)
{
    printf("    %s)\n        options=(\n", command ? command->name : "''");
    for (const struct option *option = option_table; option < option_table + option_table_len; option++)
        if (!command || option->commands & command->bit)
            put_zsh_option(option);
    printf("            %s\n", command ? "'1: : '" : "'1:command:->command'");
    if (command && command->arguments)
        printf("            '%s:%s:%s'\n", takes_files(command) ? "*" : "2", command->arguments,
               takes_files(command) ? "_files" : "_path_files -/");
    printf("        ) ;;\n");
}

static void print_zsh(const struct command *commands, size_t count)
{
    printf("#compdef p2pconnect\n# Completion of p2pconnect for zsh; made by p2pconnect --completion zsh.\n"
           "local context state state_descr line word command= value=\n"
           "typeset -A opt_args\nlocal -a options commands\ncommands=(\n");
    for (size_t i = 0; i < count; i++) {
        printf("    '%s:", commands[i].name);
        put_quoted(commands[i].help, "\\", "'\\''");
        printf("'\n");
    }
    printf(")\nfor word in ${words[2,CURRENT-1]}; do\n"
           "    if [[ -n $value ]]; then\n        value=\n    elif [[ $word == (");
    put_options(takes_value, 0, "|");
    printf(") ]]; then\n        value=1\n    elif [[ $word != -* ]]; then\n        command=$word\n"
           "        break\n    fi\ndone\ncase $command in\n");
    put_zsh_command(NULL);
    for (size_t i = 0; i < count; i++)
        put_zsh_command(&commands[i]);
    printf("esac\n_arguments -s -S $options && return\n"
           "[[ $state == command ]] && _describe command commands\n");
}

/* ---- fish ---- */

static const char *fish_value(const struct option *option)
{
    if (!option->argument)
        return "";
    switch (value_of(option)) {
    case VALUE_FILE:
        return " -rF";
    case VALUE_PATHS:
        return " -xa '(__fish_append , host lan direct turn broker)'";
    case VALUE_CONGESTION:
        return " -xa 'cubic bbr'";
    case VALUE_INTERFACE:
        return " -xa '(__fish_print_interfaces)'";
    default:
        return " -x";
    }
}

static void put_fish_option(const struct option *option, const struct command *commands, size_t count)
{
    printf("complete -c p2pconnect -n '__p2pconnect_in none");
    for (size_t i = 0; i < count; i++)
        if (option->commands & commands[i].bit)
            printf(" %s", commands[i].name);
    printf("' -l %s", option->name);
    if (option->letter)
        printf(" -s %c", option->letter);
    printf("%s -d '", fish_value(option));
    put_quoted(option->help, "\\", "\\'");
    printf("'\n");
}

static void print_fish(const struct command *commands, size_t count)
{
    printf("# Completion of p2pconnect for fish; made by p2pconnect --completion fish.\n"
           "function __p2pconnect_in # whether the command so far, or none, is one of these\n"
           "    set -l value no\n    for word in (commandline -opc)[2..-1]\n"
           "        if test $value = yes\n            set value no\n        else if contains -- $word ");
    put_options(takes_value, 0, " ");
    printf("\n            set value yes\n        else if not string match -q -- '-*' $word\n"
           "            contains -- $word $argv\n            return\n        end\n    end\n"
           "    contains none $argv\nend\ncomplete -c p2pconnect -f\n");
    for (size_t i = 0; i < count; i++) {
        printf("complete -c p2pconnect -n '__p2pconnect_in none' -a %s -d '", commands[i].name);
        put_quoted(commands[i].help, "\\", "\\'");
        printf("'\n");
        if (commands[i].arguments)
            printf("complete -c p2pconnect -n '__p2pconnect_in %s' %s\n", commands[i].name,
                   takes_files(&commands[i]) ? "-F" : "-a '(__fish_complete_directories)'");
    }
    for (const struct option *option = option_table; option < option_table + option_table_len; option++)
        put_fish_option(option, commands, count);
}

bool completion_print(const char *shell, const struct command *commands, size_t count)
{
    if (strcmp(shell, "bash") == 0)
        print_bash(commands, count);
    else if (strcmp(shell, "zsh") == 0)
        print_zsh(commands, count);
    else if (strcmp(shell, "fish") == 0)
        print_fish(commands, count);
    else
        return false;
    return true;
}
