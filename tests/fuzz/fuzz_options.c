/* fuzz_options.c - a configuration file full of anything. What is taken must be within the limits of
 * options.h; what is not must be told in one line that a terminal can show. */
#include "fuzz.h"
#include "options.h"
#include "text.h"
#include <stdlib.h>
#include <string.h>

static void look_at_list(const struct list *list)
{
    must(list->count <= LIST_MAX && !list->item[list->count]);
    for (unsigned i = 0; i < list->count; i++)
        must(list->item[i] && *list->item[i]);
}

static void look_at(const struct options *options)
{
    must(!options->room || text_is_name(options->room, 128));
    must(!options->name || text_is_name(options->name, 64));
    must(!options->to || text_is_name(options->to, 64));
    must(options->port <= 65535 && options->max_peers <= 64 && options->verbose <= 2);
    must(options->paths < 1u << 5);
    must(!options->command && !options->ask_secret && !options->ask_code && !options->help &&
         !options->version);
    look_at_list(&options->brokers);
    look_at_list(&options->stun);
    look_at_list(&options->interfaces);
    look_at_list(&options->exclude);
    look_at_list(&options->addresses);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char complaint[COMPLAINT_MAX];
    struct options options = {.paths = 0};
    char *text = malloc(size + 1);
    must(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    complaint[0] = '\0';
    if (options_read_config(&options, "config", text, complaint))
        look_at(&options);
    else
        must(!strncmp(complaint, "config:", 7) && text_is_name(complaint, sizeof complaint));
    free(text);
    return 0;
}
