/* test_file_writer.c - a sender that means it ill, record by record: it gets nothing but what it announced.
 */
#include "file_writer.h"

#include "descriptors.h"
#include "file_hash.h"
#include "file_part.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_S = 20, SIZE = 2 * LEAF_LEN + 10 };

struct world {
    char folder[64];
    struct manifest manifest;
    struct file_writer *writer;
    uint8_t data[SIZE];
};

static void no_wake(void *context)
{
    (void)context;
}

static void pause_briefly(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void world_start(struct world *world)
{
    struct file_store store;
    assert_true(file_store_open(&store, world->folder));
    world->writer = file_writer_new(&store, &world->manifest, false, no_wake, NULL);
    assert_non_null(world->writer);
}

/* A manifest of "a", SIZE bytes, and the folder "d". */
static void world_make(struct world *world)
{
    struct manifest_entry file = {.kind = ENTRY_FILE, .path = (char *)"a", .size = SIZE, .mode = 0644};
    struct manifest_entry folder = {.kind = ENTRY_FOLDER, .path = (char *)"d", .mode = 0755};
    *world = (struct world){.writer = NULL};
    for (size_t i = 0; i < SIZE; i++)
        world->data[i] = (uint8_t)(i * 7 + i / 251);
    snprintf(world->folder, sizeof world->folder, "/tmp/p2pconnect-writer-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    assert_true(manifest_add(&world->manifest, &file) && manifest_add(&world->manifest, &folder));
    world_start(world);
}

static void world_end(struct world *world)
{
    char command[100];
    file_writer_free(world->writer);
    manifest_free(&world->manifest);
    snprintf(command, sizeof command, "rm -rf %s", world->folder);
    assert_int_equal(system(command), 0);
}

static void put(struct world *world, struct record record, const void *body)
{
    struct piece *piece;
    for (int i = 0; !(piece = file_writer_piece(world->writer)); i++) {
        assert_true(i < PATIENCE_S * 1000);
        pause_briefly();
    }
    piece->record = record;
    if (body)
        memcpy(piece->data, body, record_body(&record));
    file_writer_put(world->writer, piece);
}

static void put_leaf(struct world *world, uint32_t leaf)
{
    uint32_t left = SIZE - leaf * LEAF_LEN, len = left < LEAF_LEN ? left : LEAF_LEN;
    put(world, (struct record){RECORD_DATA, 0, leaf, len}, world->data + leaf * LEAF_LEN);
}

static void put_finish(struct world *world, uint64_t size, uint32_t sent, bool lies)
{
    struct finish finish = {.size = size, .leaves_sent = sent};
    struct hash_root root;
    uint8_t hash[HASH_LEN], body[FINISH_LEN];
    hash_root_begin(&root);
    for (size_t at = 0; at < SIZE; at += LEAF_LEN) {
        hash_leaf(hash, world->data + at, SIZE - at < LEAF_LEN ? SIZE - at : LEAF_LEN);
        hash_root_add(&root, hash);
    }
    hash_root_end(&root, SIZE, finish.root);
    finish.root[5] ^= lies;
    finish_write(body, &finish);
    put(world, (struct record){RECORD_FINISH, 0, 0, FINISH_LEN}, body);
}

static enum writer_state wait_for_end(struct world *world, struct file_result *result, const char **why)
{
    enum writer_state state;
    for (int i = 0; (state = file_writer_state(world->writer, why)) == WRITER_WORKING; i++) {
        assert_true(i < PATIENCE_S * 1000);
        pause_briefly();
    }
    if (!file_writer_result(world->writer, result))
        *result = (struct file_result){.file = UINT32_MAX};
    return state;
}

static bool has_name(const struct world *world)
{
    char path[80];
    snprintf(path, sizeof path, "%s/a", world->folder);
    return access(path, F_OK) == 0;
}

static void what_was_announced_arrives(void **state)
{
    struct world world;
    struct file_result result;
    const char *why;
    (void)state;
    world_make(&world);
    put_leaf(&world, 2), put_leaf(&world, 0);
    put_finish(&world, SIZE, 3, false); /* lanes overtake each other */
    put_leaf(&world, 1);
    assert_int_equal(wait_for_end(&world, &result, &why), WRITER_DONE);
    assert_int_equal(result.fate, FATE_ARRIVED);
    assert_true(has_name(&world));
    world_end(&world);
}

static void a_wrong_root_gets_no_name(void **state)
{
    struct world world;
    struct file_result result;
    const char *why;
    (void)state;
    world_make(&world);
    for (uint32_t i = 0; i < 3; i++)
        put_leaf(&world, i);
    put_finish(&world, SIZE, 3, true);
    assert_int_equal(wait_for_end(&world, &result, &why), WRITER_DONE);
    assert_int_equal(result.fate, FATE_FAILED);
    assert_false(has_name(&world));
    world_end(&world);
}

static void a_missing_leaf_gets_no_name(void **state)
{
    struct world world;
    struct file_result result;
    const char *why;
    (void)state;
    world_make(&world);
    put_leaf(&world, 0), put_leaf(&world, 2);
    put_finish(&world, SIZE, 2, false);
    assert_int_equal(wait_for_end(&world, &result, &why), WRITER_DONE);
    assert_int_equal(result.fate, FATE_FAILED);
    assert_false(has_name(&world));
    world_end(&world);
}

/* What was written goes on from the disk, and is believed only by its hash. */
static void an_altered_rest_is_not_believed(void **state)
{
    struct world world;
    struct file_result result;
    const char *why;
    char part[PART_NAME_MAX], path[400];
    (void)state;
    world_make(&world);
    for (uint32_t i = 0; i < 3; i++)
        put_leaf(&world, i);
    put_finish(&world, SIZE, 3, true);
    wait_for_end(&world, &result, &why);
    file_writer_free(world.writer);
    part_name(part, "a");
    snprintf(path, sizeof path, "%s/%s", world.folder, part);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    fseek(file, LEAF_LEN + 5, SEEK_SET);
    fputc('!', file);
    fclose(file);
    world_start(&world);
    put_finish(&world, SIZE, 0, false); /* as if the receiver had said that all is there */
    assert_int_equal(wait_for_end(&world, &result, &why), WRITER_DONE);
    assert_int_equal(result.fate, FATE_FAILED);
    file_writer_free(world.writer);
    world_start(&world);
    put_leaf(&world, 1);
    put_finish(&world, SIZE, 1, false);
    assert_int_equal(wait_for_end(&world, &result, &why), WRITER_DONE);
    assert_int_equal(result.fate, FATE_ARRIVED);
    world_end(&world);
}

/* Each of these ends the transfer, whatever came before. */
static void lies_end_the_transfer(void **state)
{
    static const struct record lies[] = {
        {RECORD_DATA, 0, 3, LEAF_LEN},              /* behind the end */
        {RECORD_DATA, 0, 2, 11},                    /* longer than announced */
        {RECORD_DATA, 0, 2, 9},                     /* shorter */
        {RECORD_DATA, 0, 1, 9},                     /* a piece of a leaf */
        {RECORD_DATA, 0, UINT32_MAX, LEAF_LEN},     /* far behind the end */
        {RECORD_ZERO, 0, 0, 3},                     /* a whole leaf where a part is left */
        {RECORD_ZERO, 0, 1, UINT32_MAX - 1},        /* endless zeros */
        {RECORD_DATA, 1, 0, 1},                     /* bytes for a folder */
        {RECORD_DATA, 2, 0, 1},                     /* a file that was not announced */
        {RECORD_FINISH, UINT32_MAX, 0, FINISH_LEN}, /* the same */
        {RECORD_DATA, 0, 0, LEAF_LEN},              /* twice */
    };
    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct world world;
        struct file_result result;
        const char *why = "";
        world_make(&world);
        put_leaf(&world, 0);
        put(&world, lies[i], world.data);
        assert_int_equal(wait_for_end(&world, &result, &why), WRITER_BROKEN);
        assert_memory_equal(why, "the sender ", 11);
        assert_false(has_name(&world));
        world_end(&world);
    }
}

static void the_end_of_a_file_comes_once(void **state)
{
    struct world world;
    struct file_result result;
    const char *why;
    (void)state;
    world_make(&world);
    put_finish(&world, SIZE, 3, false);
    put_finish(&world, SIZE, 3, false);
    assert_int_equal(wait_for_end(&world, &result, &why), WRITER_BROKEN);
    world_end(&world);
}

static void an_end_before_everything_has_come_ends_it(void **state)
{
    struct world world;
    struct file_result result;
    const char *why;
    (void)state;
    world_make(&world);
    put_leaf(&world, 0);
    file_writer_end(world.writer);
    assert_int_equal(wait_for_end(&world, &result, &why), WRITER_BROKEN);
    assert_false(has_name(&world));
    world_end(&world);
}

/* Announces so many zeros, says so in one record, and then something that is refused or not. */
static void world_of_zeros(struct world *world, uint64_t size)
{
    struct manifest_entry file = {.kind = ENTRY_FILE, .path = (char *)"a", .size = size, .mode = 0644};
    *world = (struct world){.writer = NULL};
    snprintf(world->folder, sizeof world->folder, "/tmp/p2pconnect-writer-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    assert_true(manifest_add(&world->manifest, &file));
    world_start(world);
}

static void put_zeros_finish(struct world *world, uint64_t size, uint64_t sent)
{
    struct finish finish = {.size = size, .leaves_sent = (uint32_t)sent};
    struct hash_root root;
    uint8_t body[FINISH_LEN];
    hash_root_begin(&root);
    hash_root_add_zeros(&root, leaves_of(size));
    hash_root_end(&root, size, finish.root);
    finish_write(body, &finish);
    put(world, (struct record){RECORD_FINISH, 0, 0, FINISH_LEN}, body);
}

static double seconds_of_processor(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void a_sparse_file_of_terabytes_costs_nothing(void **state)
{
    const uint64_t size = UINT64_C(4) << 40;
    struct world world;
    struct file_result result;
    struct stat status;
    const char *why;
    char path[80];
    (void)state;
    double before = seconds_of_processor();
    world_of_zeros(&world, size);
    put(&world, (struct record){RECORD_ZERO, 0, 0, (uint32_t)leaves_of(size)}, NULL);
    put_zeros_finish(&world, size, leaves_of(size));
    assert_int_equal(wait_for_end(&world, &result, &why), WRITER_DONE);
    assert_int_equal(result.fate, FATE_ARRIVED);
    snprintf(path, sizeof path, "%s/a", world.folder);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, size);
    assert_in_range(status.st_blocks * 512, 0, 1 << 20);
    file_writer_free(world.writer);
    world_start(&world); /* and looking at it again neither */
    put_zeros_finish(&world, size, 0);
    assert_int_equal(wait_for_end(&world, &result, &why), WRITER_DONE);
    assert_int_equal(result.fate, FATE_ALREADY);
    assert_true(seconds_of_processor() - before < 1);
    world_end(&world);
}

/* As many records as a liar can send, each about as much as there is: the time is of the records. */
static void lies_about_zeros_cost_what_their_bytes_cost(void **state)
{
    const uint64_t size = MANIFEST_SIZE_MAX;
    const uint32_t leaves = (uint32_t)leaves_of(size), records = 2000;
    struct world world;
    struct file_result result;
    const char *why;
    (void)state;
    double before = seconds_of_processor();
    world_of_zeros(&world, size);
    for (uint32_t i = 0; i < records; i++)
        put(&world, (struct record){RECORD_ZERO, 0, leaves / records * i, leaves / records - 1}, NULL);
    put(&world, (struct record){RECORD_ZERO, 0, 0, leaves}, NULL); /* all of it again */
    assert_int_equal(wait_for_end(&world, &result, &why), WRITER_BROKEN);
    assert_string_equal(why, "the sender sends the same twice");
    assert_true(seconds_of_processor() - before < 2);
    world_end(&world);
}

/* A file whose size is unknown ends once: else each byte could be a leaf of its own. */
static void a_second_short_leaf_ends_the_transfer(void **state)
{
    struct world world;
    struct file_result result;
    const char *why;
    (void)state;
    world_of_zeros(&world, MANIFEST_SIZE_UNKNOWN);
    put(&world, (struct record){RECORD_DATA, 0, 7, 1}, "x");
    put(&world, (struct record){RECORD_DATA, 0, 5000, 1}, "x");
    assert_int_equal(wait_for_end(&world, &result, &why), WRITER_BROKEN);
    assert_string_equal(why, "the sender sends pieces of a wrong length");
    world_end(&world);
}

/* Each is begun by sixteen bytes, and would be open until its second leaf comes. */
static void a_thousand_files_begun_at_once_end_the_transfer(void **state)
{
    enum { FILES = FILE_WRITER_PARTS_MAX + 1 };
    struct world world = {.writer = NULL};
    struct file_result result;
    const char *why;
    char path[20];
    (void)state;
    assert_int_equal(descriptors_raise(2 * FILES), 2 * FILES);
    snprintf(world.folder, sizeof world.folder, "/tmp/p2pconnect-writer-XXXXXX");
    assert_non_null(mkdtemp(world.folder));
    for (unsigned i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "%u", i);
        assert_true(manifest_add(
            &world.manifest,
            &(struct manifest_entry){.kind = ENTRY_FILE, .path = path, .size = SIZE, .mode = 0644}));
    }
    world_start(&world);
    for (uint32_t i = 0; i < FILES; i++)
        put(&world, (struct record){RECORD_ZERO, i, 0, 1}, NULL);
    assert_int_equal(wait_for_end(&world, &result, &why), WRITER_BROKEN);
    assert_string_equal(why, "the sender begins too many files at once");
    world_end(&world);
}

/* Others say something in between: a refusal, a sign of life. */
static void frames_are_given_out_whole(void **state)
{
    enum { TELLS_HELD = FRAME_LEN + HAVE_HEAD + 3 * HASH_LEN };
    struct world world;
    uint8_t out[TELLS_HELD + 2];
    char path[80];
    (void)state;
    world_make(&world);
    snprintf(path, sizeof path, "%s/a", world.folder);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(world.data, 1, SIZE, file), SIZE);
    fclose(file);
    file_writer_free(world.writer);
    world_start(&world);
    for (int i = 0; !file_writer_waits(world.writer); i++) {
        assert_true(i < PATIENCE_S * 1000);
        pause_briefly();
    }
    assert_int_equal(file_writer_frames(world.writer, out, sizeof out), TELLS_HELD);
    assert_int_equal(out[0], FRAME_HAVE);
    assert_int_equal(file_writer_frames(world.writer, out, sizeof out), FRAME_LEN);
    assert_int_equal(out[0], FRAME_GO);
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_announced_arrives),
        cmocka_unit_test(a_wrong_root_gets_no_name),
        cmocka_unit_test(a_missing_leaf_gets_no_name),
        cmocka_unit_test(an_altered_rest_is_not_believed),
        cmocka_unit_test(lies_end_the_transfer),
        cmocka_unit_test(the_end_of_a_file_comes_once),
        cmocka_unit_test(a_sparse_file_of_terabytes_costs_nothing),
        cmocka_unit_test(lies_about_zeros_cost_what_their_bytes_cost),
        cmocka_unit_test(a_second_short_leaf_ends_the_transfer),
        cmocka_unit_test(a_thousand_files_begun_at_once_end_the_transfer),
        cmocka_unit_test(frames_are_given_out_whole),
        cmocka_unit_test(an_end_before_everything_has_come_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
