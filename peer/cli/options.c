/* options.c - what the user asked for: command line, environment, configuration file.
 *
 * A value from the command line stands before one of the environment, that before one of the file; options
 * that may be given several times are taken whole from the first of the three. Left out: abbreviations of
 * long options; a script that uses one breaks when another option is added. */
#include "option_table.h"
#include "text.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG_MAX = 65536 }; /* bytes of the configuration file */

/* ---- taking values ---- */

enum source { SOURCE_NONE, SOURCE_FILE, SOURCE_ENVIRONMENT, SOURCE_ARGUMENTS };

struct reading {
    struct options *options;
    enum source source;
    enum source set_by[OPTIONS_MAX]; /* by row of the table */
    char *complaint;
    char prefix[PATH_MAX + 16]; /* of the complaint: file and line, or empty */
};

static bool complain(struct reading *reading, const char *subject, const char *problem)
{
    char shown[TEXT_SHOWN * 64 + 1];
    text_show(shown, sizeof shown, subject, strlen(subject));
    snprintf(reading->complaint, COMPLAINT_MAX, "%s%s: %s", reading->prefix, shown, problem);
    return false;
}

/* How the option is called where it was given. */
static const char *option_label(const struct reading *reading, const struct option *option, char label[64])
{
    bool environment = reading->source == SOURCE_ENVIRONMENT;
    snprintf(label, 64, "%s%s",
             environment                      ? "P2PCONNECT_"
             : reading->source == SOURCE_FILE ? ""
                                              : "--",
             option->name);
    for (char *c = label; environment && *c; c++)
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    return label;
}

/* Takes a value unless a stronger source has given one. */
static bool take(struct reading *reading, const struct option *option, const char *value)
{
    char label[64];
    enum source *set_by = &reading->set_by[option - option_table];
    if (*set_by > reading->source)
        return true;
    *set_by = reading->source;
    const char *problem = option_store(option, reading->options, value);
    return !problem || complain(reading, option_label(reading, option, label), problem);
}

/* ---- the command line ---- */

/* A walk over the arguments, used for reading them and once more to find the misplaced ones. */
struct walk {
    int argc, at;
    char **argv;
    const char *letters; /* the rest of a group like -qv */
    bool only_words;     /* after -- */
};

struct argument {
    const struct option *option; /* NULL: `value` is a word */
    const char *value;           /* NULL: none */
    const char *problem;         /* NULL: fine; else with `value` as its subject */
};

static void take_value(struct walk *walk, struct argument *argument, const char *label)
{
    if (walk->at < walk->argc) {
        argument->value = walk->argv[walk->at++];
        return;
    }
    argument->value = label, argument->problem = "needs a value";
}

static void walk_long(struct walk *walk, struct argument *argument, const char *text)
{
    const char *equals = strchr(text, '=');
    argument->option = option_find(text + 2, equals ? (size_t)(equals - text - 2) : strlen(text + 2));
    argument->value = equals ? equals + 1 : NULL;
    if (!argument->option)
        argument->value = text, argument->problem = "there is no such option; --help lists them";
    else if (!argument->option->argument && equals) /* the value stays unsaid: it may be a secret */
        argument->value = argument->option->name, argument->problem = "takes no value";
    else if (argument->option->argument && !equals)
        take_value(walk, argument, text);
}

static void walk_letter(struct walk *walk, struct argument *argument)
{
    static char label[] = "-?";
    label[1] = *walk->letters++;
    argument->option = option_find_letter(label[1]);
    if (!argument->option) {
        argument->value = label, argument->problem = "there is no such option; --help lists them";
    } else if (argument->option->argument && *walk->letters) {
        argument->value = walk->letters;
        walk->letters = "";
    } else if (argument->option->argument) {
        take_value(walk, argument, label);
    }
}

/* The next option or word; false at the end. */
static bool walk_next(struct walk *walk, struct argument *argument)
{
    *argument = (struct argument){0};
    if (walk->letters && *walk->letters) {
        walk_letter(walk, argument);
        return true;
    }
    if (walk->at >= walk->argc)
        return false;
    const char *text = walk->argv[walk->at++];
    if (!walk->only_words && strcmp(text, "--") == 0) {
        walk->only_words = true;
        return walk_next(walk, argument);
    }
    if (!walk->only_words && strncmp(text, "--", 2) == 0) {
        walk_long(walk, argument, text);
    } else if (!walk->only_words && text[0] == '-' && text[1]) {
        walk->letters = text + 1;
        walk_letter(walk, argument);
    } else {
        argument->value = text;
    }
    return true;
}

static bool read_arguments(struct reading *reading, int argc, char **argv)
{
    struct walk walk = {.argc = argc, .at = 1, .argv = argv};
    struct argument argument;
    static const char **words; /* kept for the process: the options point to it */
    reading->source = SOURCE_ARGUMENTS;
    words = calloc((size_t)argc + 1, sizeof *words);
    if (!words)
        return complain(reading, "the command line", "no memory");
    reading->options->words = words;
    while (walk_next(&walk, &argument)) {
        if (argument.problem)
            return complain(reading, argument.value, argument.problem);
        if (argument.option && !take(reading, argument.option, argument.value))
            return false;
        if (argument.option)
            continue;
        if (reading->options->command)
            words[reading->options->word_count++] = argument.value;
        else
            reading->options->command = argument.value;
    }
    return true;
}

const struct option *options_misplaced(int argc, char **argv, unsigned command)
{
    struct walk walk = {.argc = argc, .at = 1, .argv = argv};
    struct argument argument;
    while (walk_next(&walk, &argument))
        if (argument.option && !(argument.option->commands & command))
            return argument.option;
    return NULL;
}

/* ---- the environment ---- */

static bool read_environment(struct reading *reading)
{
    reading->source = SOURCE_ENVIRONMENT;
    for (const struct option *option = option_table; option < option_table + option_table_len; option++) {
        char label[64];
        const char *value = option->command_line_only ? NULL : getenv(option_label(reading, option, label));
        if (!value || !*value)
            continue;
        if (option->kind != OPTION_LIST) {
            if (!take(reading, option, value))
                return false;
            continue;
        }
        /* Several values are separated by spaces: neither hosts nor interfaces have any. */
        static char *words; /* kept for the process: the options point into it */
        words = strdup(value);
        if (!words)
            return complain(reading, label, "no memory");
        for (char *save, *word = strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save))
            if (!take(reading, option, word))
                return false;
    }
    return true;
}

/* ---- the file ---- */

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        text[--len] = '\0';
    return text;
}

static bool read_config_line(struct reading *reading, char *line)
{
    char *name = trim(line);
    if (!*name || *name == '#')
        return true;
    char *equals = strchr(name, '=');
    if (!equals)
        return complain(reading, name, "a line is OPTION = VALUE");
    *equals = '\0';
    name = trim(name);
    const struct option *option = option_find(name, strlen(name));
    if (!option || option->command_line_only)
        return complain(reading, name, option ? "belongs on the command line" : "there is no such option");
    return take(reading, option, trim(equals + 1));
}

/* The whole file, ending with NUL; NULL: there is none, or it cannot be read (errno). */
static char *load(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = file ? malloc(CONFIG_MAX + 1) : NULL;
    if (text) {
        size_t len = fread(text, 1, CONFIG_MAX + 1, file);
        bool whole = len <= CONFIG_MAX && !ferror(file);
        text[whole ? len : 0] = '\0';
        if (!whole) {
            errno = ferror(file) ? EIO : EFBIG;
            free(text);
            text = NULL;
        }
    }
    int error = errno;
    if (file)
        fclose(file);
    errno = error;
    return text;
}

static bool config_path(char *path, size_t capacity)
{
    const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    int len = -1;
    /* The base directory specification: a relative path is to be ignored. */
    if (base && base[0] == '/')
        len = snprintf(path, capacity, "%s/p2pconnect/config", base);
    else if (home && *home)
        len = snprintf(path, capacity, "%s/.config/p2pconnect/config", home);
    return len > 0 && (size_t)len < capacity;
}

static bool read_config_text(struct reading *reading, const char *path, char *text)
{
    reading->source = SOURCE_FILE;
    unsigned number = 1;
    for (char *line = text, *next; line; line = next, number++) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        snprintf(reading->prefix, sizeof reading->prefix, "%s:%u: ", path, number);
        if (!read_config_line(reading, line))
            return false;
    }
    return true;
}

bool options_read_config(struct options *options, const char *path, char *text, char complaint[COMPLAINT_MAX])
{
    struct reading reading = {.options = options, .complaint = complaint};
    return read_config_text(&reading, path, text);
}

static bool read_config(struct reading *reading)
{
    char path[PATH_MAX];
    if (!config_path(path, sizeof path))
        return true;
    static char *text; /* kept for the process, also after a mistake: the options point into it */
    free(text);
    text = load(path);
    if (!text)
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES ||
               complain(reading, path, strerror(errno));
    return read_config_text(reading, path, text);
}

bool options_read(struct options *options, int argc, char **argv, char complaint[COMPLAINT_MAX])
{
    struct reading reading = {.options = options, .complaint = complaint};
    if (!read_arguments(&reading, argc, argv))
        return false;
    options->room_said = options->room != NULL;
    options->secret_said = options->ask_secret || options->secret_file;
    options->code_said = options->ask_code || options->code_file;
    /* Help must not depend on a broken file. */
    return options->help || options->version || (read_environment(&reading) && read_config(&reading));
}
