/* main.c - runs scenarios over many seeds: sim [--seeds N] [--seed S] [PATTERN]
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
    uint64_t seeds, seed;
    bool one, list;
    const char *pattern;
};

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static bool run_scenario(const struct scenario *s, const struct options *options, const char *program)
{
    uint64_t seeds = options->one ? 1 : options->seeds ? options->seeds : s->seeds_at_least;
    uint64_t failed = 0, timed = 0, *times = calloc(seeds, sizeof *times);
    clock_t begun = clock();
    if (!times)
        return false;
    for (uint64_t i = 0; i < seeds; i++) {
        uint64_t seed = options->one ? options->seed : i + 1;
        struct result result = scenario_run(s, seed, options->one);
        if (result.time)
            times[timed++] = result.time;
        if (!result.ok && failed++ < COMPLAINTS_MAX)
            printf("FAILED - %s: %s\n  replay: %s --seed %" PRIu64 " %s\n", s->name, result.complaint,
                   program, seed, s->name);
    }
    qsort(times, timed, sizeof *times, by_size);
    printf("%s - %s: %" PRIu64 " of %" PRIu64 " seeds as they must be", failed ? "FAILED" : "ok", s->name,
           seeds - failed, seeds);
    if (timed)
        printf(", first bytes after %.3f s (median), %.3f s (worst)", (double)times[timed / 2] / 1e9,
               (double)times[timed - 1] / 1e9);
    printf(", %.1f s of CPU\n", (double)(clock() - begun) / CLOCKS_PER_SEC);
    fflush(stdout);
    free(times);
    return failed == 0;
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

int main(int argc, char **argv)
{
    struct options options = {.pattern = ""};
    size_t count, passed = 0, failed = 0;
    if (!read_options(&options, argc, argv) || sodium_init() < 0) {
        fprintf(stderr, "usage: %s [--seeds N] [--seed S] [--list] [PATTERN]\n", argv[0]);
        return 2;
    }
    const struct scenario *all = scenarios(&count);
    for (size_t i = 0; i < count; i++) {
        if (!strstr(all[i].name, options.pattern))
            continue;
        if (options.list)
            printf("%s\n", all[i].name);
        else if (run_scenario(&all[i], &options, argv[0]))
            passed++;
        else
            failed++;
    }
    if (!options.list)
        printf("%zu passed, %zu failed, 0 skipped\n", passed, failed);
    return failed || (!options.list && !passed);
}
