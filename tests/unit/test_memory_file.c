/* test_memory_file.c - the file of what worked between networks: the user's alone, whole, and never an error.
 */
#include "memory_file.h"
#include "path_memory.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { WRITERS = 4, WRITES = 50 };

static char home[] = "/tmp/memory_file.XXXXXX";
static char folder[64], file[96];
static uint64_t seed = 7;

static void seed_fill(void *context, uint8_t *out, size_t len)
{
    uint64_t *state = context;
    for (size_t i = 0; i < len; i++) {
        *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
        out[i] = (uint8_t)(*state >> 56);
    }
}

/* A node that knows one pair of networks, under the key of `seed`. */
static struct p2p_node *node_that_knows(uint8_t network)
{
    uint64_t key = seed;
    struct random source = {.fill = seed_fill, .context = &key};
    struct path_memory memory;
    uint8_t bytes[P2P_MEMORY_MAX];
    struct nat_behavior ours = {.mapping = NAT_MAPPING_ENDPOINT,
                                .external = {.family = 4, .ip = {203, 0, 1}}};
    struct nat_behavior theirs = ours;
    struct p2p_node *node;
    theirs.external.ip[2] = network;
    path_memory_start(&memory, &source);
    assert_true(path_memory_note(&memory, (uint64_t)time(NULL), &ours, &theirs, STRATEGY_GUESS));
    struct p2p_config config = {.size = sizeof config, .memory = bytes};
    config.memory_len = path_memory_save(&memory, bytes, sizeof bytes);
    assert_int_equal(p2p_node_new(&node, &config), 0);
    return node;
}

static void write_one(uint8_t network)
{
    char why[MEMORY_FILE_WHY_MAX];
    struct p2p_node *node = node_that_knows(network);
    memory_file_write(node, why);
    p2p_node_free(node);
    assert_string_equal(why, "");
}

static size_t count_read(void)
{
    uint8_t bytes[P2P_MEMORY_MAX];
    char why[MEMORY_FILE_WHY_MAX];
    struct path_memory memory = {0};
    size_t len = memory_file_read(bytes, why);
    assert_string_equal(why, "");
    assert_true(!len || path_memory_load(&memory, bytes, len));
    return memory.count;
}

static void put_file(const char *text, size_t len)
{
    FILE *out = fopen(file, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(text, 1, len, out), len);
    fclose(out);
}

static int begin(void **state)
{
    (void)state;
    strcpy(home, "/tmp/memory_file.XXXXXX");
    if (!mkdtemp(home))
        return -1;
    snprintf(folder, sizeof folder, "%s/deep/p2pconnect", home);
    snprintf(file, sizeof file, "%s/paths", folder);
    char base[64];
    snprintf(base, sizeof base, "%s/deep", home);
    return setenv("XDG_STATE_HOME", base, 1);
}

static int end(void **state)
{
    (void)state;
    char base[64];
    snprintf(base, sizeof base, "%s/deep", home);
    if (unlink(file))
        rmdir(file);
    rmdir(folder);
    rmdir(base);
    return rmdir(home);
}

static void no_file_is_no_trouble(void **state)
{
    (void)state;
    assert_int_equal(count_read(), 0);
}

static void what_is_written_is_the_users_alone_and_grows(void **state)
{
    (void)state;
    struct stat about;
    write_one(1);
    write_one(2);
    write_one(2);
    assert_int_equal(count_read(), 2);
    assert_int_equal(stat(file, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    assert_int_equal(stat(folder, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0700);
}

static void garbage_costs_a_sentence_and_is_replaced(void **state)
{
    (void)state;
    static char much[P2P_MEMORY_MAX + 1];
    const struct {
        const char *text;
        size_t len;
    } bad[] = {{"", 0}, {"hello", 5}, {much, sizeof much}, {"p2ppath1", 8}};
    write_one(1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t bytes[P2P_MEMORY_MAX];
        char why[MEMORY_FILE_WHY_MAX];
        put_file(bad[i].text, bad[i].len);
        assert_int_equal(memory_file_read(bytes, why), 0);
        assert_non_null(strstr(why, "ours"));
    }
    write_one(3);
    assert_int_equal(count_read(), 1);
}

static void a_pipe_in_its_place_holds_nobody_up(void **state)
{
    (void)state;
    uint8_t bytes[P2P_MEMORY_MAX];
    char why[MEMORY_FILE_WHY_MAX];
    write_one(1);
    unlink(file);
    assert_int_equal(mkfifo(file, 0600), 0);
    assert_int_equal(memory_file_read(bytes, why), 0);
    assert_string_not_equal(why, "");
}

static void a_folder_in_its_place_is_said(void **state)
{
    (void)state;
    char why[MEMORY_FILE_WHY_MAX];
    write_one(1);
    unlink(file);
    assert_int_equal(mkdir(file, 0700), 0);
    struct p2p_node *node = node_that_knows(2);
    memory_file_write(node, why);
    p2p_node_free(node);
    assert_non_null(strstr(why, "not kept"));
}

static void writers_at_once_leave_a_whole_file_and_nothing_beside_it(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WRITERS; i++)
        if (fork() == 0) {
            for (unsigned k = 0; k < WRITES; k++) {
                char why[MEMORY_FILE_WHY_MAX];
                struct p2p_node *node = node_that_knows((uint8_t)(i * 10 + k % 10));
                memory_file_write(node, why);
                p2p_node_free(node);
            }
            _exit(0);
        }
    size_t seen = 0;
    for (unsigned i = 0; i < WRITES; i++)
        seen = count_read() > seen ? count_read() : seen;
    while (wait(NULL) > 0)
        ;
    assert_true(count_read() > 1);
    unsigned names = 0;
    DIR *list = opendir(folder);
    while (readdir(list))
        names++;
    closedir(list);
    assert_int_equal(names, 3); /* with . and .. */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_file_is_no_trouble, begin, end),
        cmocka_unit_test_setup_teardown(what_is_written_is_the_users_alone_and_grows, begin, end),
        cmocka_unit_test_setup_teardown(garbage_costs_a_sentence_and_is_replaced, begin, end),
        cmocka_unit_test_setup_teardown(a_pipe_in_its_place_holds_nobody_up, begin, end),
        cmocka_unit_test_setup_teardown(a_folder_in_its_place_is_said, begin, end),
        cmocka_unit_test_setup_teardown(writers_at_once_leave_a_whole_file_and_nothing_beside_it, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
