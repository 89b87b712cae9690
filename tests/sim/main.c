/* main.c - runs scenarios over many seeds: sim [--seeds N] [--seed S] [--part I/N] [--list]
 * [--record FILE] [PATTERN]
 *
 * A failing seed is printed with the command that replays it. With QUIC in the loop GnuTLS draws randomness
 * of its own: the schedule replays, the bytes do not. */
#include "scenario.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { COMPLAINTS_MAX = 5 };

struct options {
    uint64_t seeds, seed; /* seeds 0: as many as each scenario asks for */
    uint64_t part, parts; /* this process runs the seeds whose remainder by `parts` is `part` */
    bool one, list;
    const char *pattern;
    FILE *record; /* for a line of JSON a run, of scenarios that have one; NULL: nowhere */
};

/* Times of the runs that had any. */
struct times {
    uint64_t *all;
    size_t count;
};

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void print_times(struct times *times, const char *what)
{
    if (!times->count)
        return;
    qsort(times->all, times->count, sizeof *times->all, by_size);
    printf(", %s after %.3f s (median), %.3f s (worst)", what,
           (double)times->all[times->count / 2] / NS_PER_S, (double)times->all[times->count - 1] / NS_PER_S);
}

static void complain(const struct scenario *s, uint64_t seed, const struct result *result,
                     const char *program)
{
    printf("FAILED - %s: %s\n  replay: %s --seed %" PRIu64 " %s\n", s->name, result->complaint, program, seed,
           s->name);
}

static uint64_t seeds_of(const struct scenario *s, const struct options *options)
{
    return !options->seeds ? s->seeds : s->fewer ? options->seeds / s->fewer : options->seeds;
}

/* Returns whether every seed was as it must be. */
static bool run_seeds(const struct scenario *s, const struct options *options, const char *program,
                      struct times *paths, struct times *bytes)
{
    uint64_t ran = 0, failed = 0;
    for (uint64_t i = 1; i <= (options->one ? 1 : seeds_of(s, options)); i++) {
        uint64_t seed = options->one ? options->seed : i;
        if (!options->one && seed % options->parts != options->part)
            continue;
        struct result result = scenario_run(s, seed, options->one);
        ran++;
        if (options->record && *result.record)
            fprintf(options->record, "%s\n", result.record);
        if (result.path)
            paths->all[paths->count++] = result.path;
        if (result.bytes)
            bytes->all[bytes->count++] = result.bytes;
        if (!result.ok && failed++ < COMPLAINTS_MAX)
            complain(s, seed, &result, program);
    }
    printf("%s - %s: %" PRIu64 " of %" PRIu64 " seeds as they must be", failed ? "FAILED" : "ok", s->name,
           ran - failed, ran);
    return failed == 0;
}

static bool run_scenario(const struct scenario *s, const struct options *options, const char *program)
{
    clock_t begun = clock();
    size_t most = (size_t)seeds_of(s, options) + 1;
    struct times paths = {.all = calloc(most, sizeof(uint64_t))};
    struct times bytes = {.all = calloc(most, sizeof(uint64_t))};
    bool good = paths.all && bytes.all && run_seeds(s, options, program, &paths, &bytes);
    print_times(&paths, "paths");
    print_times(&bytes, "bytes");
    printf(", %.1f s of CPU\n", (double)(clock() - begun) / CLOCKS_PER_SEC);
    fflush(stdout);
    free(paths.all);
    free(bytes.all);
    return good;
}

/* "I/N", I from 1. */
static bool read_part(struct options *options, const char *text)
{
    char *end;
    options->part = strtoull(text, &end, 10);
    options->parts = *end == '/' ? strtoull(end + 1, &end, 10) : 0;
    return options->parts && options->part-- && options->part < options->parts && !*end;
}

static bool read_options(struct options *options, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--seeds") == 0 && more) {
            options->seeds = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0 && more) {
            options->seed = strtoull(argv[++i], NULL, 10);
            options->one = true;
        } else if (strcmp(argv[i], "--part") == 0 && more) {
            if (!read_part(options, argv[++i]))
                return false;
        } else if (strcmp(argv[i], "--record") == 0 && more) {
            options->record = fopen(argv[++i], "w");
            if (!options->record)
                return false;
        } else if (strcmp(argv[i], "--list") == 0) {
            options->list = true;
        } else if (argv[i][0] != '-') {
            options->pattern = argv[i];
        } else {
            return false;
        }
    }
    return true;
}

/* A part of a name, unless it is a whole one. */
static bool is_chosen(const struct scenario *all, size_t count, size_t i, const char *pattern)
{
    for (size_t k = 0; k < count; k++)
        if (strcmp(all[k].name, pattern) == 0)
            return k == i;
    return strstr(all[i].name, pattern) != NULL;
}

int main(int argc, char **argv)
{
    struct options options = {.pattern = "", .parts = 1};
    size_t count, passed = 0, failed = 0;
    if (!read_options(&options, argc, argv) || sodium_init() < 0) {
        fprintf(stderr, "usage: %s [--seeds N] [--seed S] [--part I/N] [--list] [--record FILE] [PATTERN]\n",
                argv[0]);
        return 2;
    }
    const struct scenario *all = scenarios(&count);
    for (size_t i = 0; i < count; i++) {
        if (!is_chosen(all, count, i, options.pattern))
            continue;
        if (options.list)
            printf("%s\n", all[i].name);
        else if (run_scenario(&all[i], &options, argv[0]))
            passed++;
        else
            failed++;
    }
    if (options.record && fclose(options.record) != 0)
        failed++;
    if (!options.list)
        printf("%zu passed, %zu failed, 0 skipped\n", passed, failed);
    return failed || (!options.list && !passed);
}
