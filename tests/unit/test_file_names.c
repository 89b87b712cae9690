/* test_file_names.c - a file gets its name after the disk has it, many at once, and none when the disk fails.
 */
#include "file_names.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { FILES = 3 * BATCH_FILES_MAX };

/* Static wherever it is: its thread outlives a test that fails. */
struct world {
    char folder[64];
    struct file_store store;
    struct manifest manifest;
    struct file_names names;
    unsigned named, failed;
    int error; /* of the last that failed */
};

static void count_name(void *context, uint32_t file, int error)
{
    struct world *world = context;
    (void)file;
    world->named += !error;
    world->failed += error != 0;
    world->error = error ? error : world->error;
}

static void world_make(struct world *world, unsigned files)
{
    char path[24];
    *world = (struct world){.named = 0};
    snprintf(world->folder, sizeof world->folder, "/dev/shm/p2pconnect-names-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    assert_true(file_store_open(&world->store, world->folder));
    for (unsigned i = 0; i < files; i++) {
        struct manifest_entry entry = {.kind = ENTRY_FILE, .path = path, .size = 1, .mode = 0644};
        snprintf(path, sizeof path, "file-%u", i);
        assert_true(manifest_add(&world->manifest, &entry));
        int fd = file_store_open_part(&world->store, path, true);
        assert_true(fd >= 0);
        close(fd);
    }
    file_names_begin(&world->names, &world->store, &world->manifest, count_name, world);
}

static void world_end(struct world *world)
{
    char command[100];
    file_names_end(&world->names);
    file_store_close(&world->store);
    manifest_free(&world->manifest);
    snprintf(command, sizeof command, "rm -rf %s", world->folder);
    assert_int_equal(system(command), 0);
}

static bool is_there(const struct world *world, uint32_t file)
{
    char path[100];
    snprintf(path, sizeof path, "%s/%s", world->folder, world->manifest.entries[file].path);
    return access(path, F_OK) == 0;
}

static void few_files_wait_for_more_of_them(void **state)
{
    static struct world world;
    (void)state;
    world_make(&world, BATCH_FILES_MIN);
    for (uint32_t i = 0; i + 1 < BATCH_FILES_MIN; i++)
        assert_int_equal(file_names_add(&world.names, i, 1), 0);
    assert_int_equal(world.named, 0);
    assert_int_equal(world.names.synced.count, 0);
    assert_int_equal(file_names_add(&world.names, BATCH_FILES_MIN - 1, 1), 0);
    assert_int_equal(world.names.synced.count, BATCH_FILES_MIN);
    assert_int_equal(world.named, 0);
    assert_false(is_there(&world, 0));
    assert_int_equal(file_names_all(&world.names), 0);
    assert_int_equal(world.named, BATCH_FILES_MIN);
    assert_true(is_there(&world, 0));
    world_end(&world);
}

static void many_bytes_do_not_wait_for_more_files(void **state)
{
    static struct world world;
    (void)state;
    world_make(&world, 2);
    assert_int_equal(file_names_add(&world.names, 0, BATCH_BYTES_MIN - 1), 0);
    assert_int_equal(world.names.synced.count, 0);
    assert_int_equal(file_names_add(&world.names, 1, 1), 0);
    assert_int_equal(world.names.synced.count, 2);
    assert_int_equal(file_names_all(&world.names), 0);
    assert_true(is_there(&world, 0));
    world_end(&world);
}

static void all_of_many_get_their_names(void **state)
{
    static struct world world;
    (void)state;
    world_make(&world, FILES);
    for (uint32_t i = 0; i < FILES; i++)
        assert_int_equal(file_names_add(&world.names, i, 1), 0);
    assert_int_equal(file_names_all(&world.names), 0);
    assert_int_equal(world.named, FILES);
    for (uint32_t i = 0; i < FILES; i++)
        assert_true(is_there(&world, i));
    world_end(&world);
}

/* As long as the disk is at the batch before it, and no longer than there is room. */
static void a_batch_grows_while_the_disk_is_busy(void **state)
{
    static struct world world;
    (void)state;
    world_make(&world, FILES);
    file_sync_end(&world.names.sync); /* no thread: it is busy as long as we say so */
    assert_int_equal(pthread_mutex_init(&world.names.sync.lock, NULL), 0);
    world.names.sync.runs = world.names.sync.asked = true;
    for (uint32_t i = 0; i + 1 < BATCH_FILES_MAX; i++)
        assert_int_equal(file_names_add(&world.names, i, 1), 0);
    assert_int_equal(world.names.written.count, BATCH_FILES_MAX - 1);
    assert_int_equal(world.names.synced.count, 0);
    assert_int_equal(file_names_look(&world.names), 0);
    assert_int_equal(world.names.synced.count, 0);
    world.names.sync.runs = world.names.sync.asked = false;
    assert_int_equal(file_names_look(&world.names), 0);
    assert_int_equal(world.names.written.count, 0);
    assert_int_equal(world.names.synced.count, BATCH_FILES_MAX - 1);
    assert_int_equal(file_names_look(&world.names), 0); /* they are not told of by a next file alone */
    assert_int_equal(world.named, BATCH_FILES_MAX - 1);
    pthread_mutex_destroy(&world.names.sync.lock);
    world_end(&world);
}

static void *disk(void *context)
{
    struct file_sync *sync = context;
    nanosleep(&(struct timespec){.tv_nsec = 50000000},
              NULL); /* who does not wait for us is through by then */
    pthread_mutex_lock(&sync->lock);
    sync->asked = false;
    pthread_cond_broadcast(&sync->changed);
    pthread_mutex_unlock(&sync->lock);
    return NULL;
}

static void expect_wait_at(unsigned count, uint64_t bytes)
{
    static struct world world;
    struct file_sync *sync = &world.names.sync;
    pthread_t thread;
    world_make(&world, count + 1);
    file_sync_end(sync); /* no thread but ours */
    assert_int_equal(pthread_mutex_init(&sync->lock, NULL) + pthread_cond_init(&sync->changed, NULL), 0);
    sync->runs = sync->asked = true;
    world.names.synced = (struct file_batch){.files = {count}, .count = 1}; /* it is at this one */
    for (uint32_t i = 0; i + 1 < count; i++)
        assert_int_equal(file_names_add(&world.names, i, bytes), 0);
    assert_int_equal(world.named, 0);
    assert_int_equal(pthread_create(&thread, NULL, disk, sync), 0);
    assert_int_equal(file_names_add(&world.names, count - 1, bytes), 0);
    assert_int_equal(world.named, 1);
    assert_int_equal(world.names.synced.count, count);
    assert_int_equal(pthread_join(thread, NULL), 0);
    sync->runs = sync->asked = false;
    assert_int_equal(file_names_all(&world.names), 0);
    assert_int_equal(world.named, count + 1);
    pthread_cond_destroy(&sync->changed);
    pthread_mutex_destroy(&sync->lock);
    world_end(&world);
}

static void no_more_waits_for_a_busy_disk_than_may(void **state)
{
    (void)state;
    expect_wait_at(BATCH_FILES_MAX, 1);
    expect_wait_at(2, BATCH_BYTES_MAX / 2);
}

static void what_is_there_already_is_told_and_kept(void **state)
{
    static struct world world;
    (void)state;
    world_make(&world, 2);
    int fd = openat(world.store.root, "file-0", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(file_names_add(&world.names, 0, 1), 0);
    assert_int_equal(file_names_add(&world.names, 1, 1), 0);
    assert_int_equal(file_names_all(&world.names), 0);
    assert_int_equal(world.named, 1);
    assert_int_equal(world.failed, 1);
    assert_int_equal(world.error, EEXIST);
    assert_true(is_there(&world, 1));
    world_end(&world);
}

static void a_disk_that_fails_leaves_them_without(void **state)
{
    static struct world world;
    (void)state;
    world_make(&world, 1);
    world.names.sync.folder = -1;
    assert_int_equal(file_names_add(&world.names, 0, 1), 0);
    assert_int_equal(file_names_all(&world.names), EBADF);
    assert_int_equal(world.named + world.failed, 0);
    assert_false(is_there(&world, 0));
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_files_wait_for_more_of_them),
        cmocka_unit_test(many_bytes_do_not_wait_for_more_files),
        cmocka_unit_test(all_of_many_get_their_names),
        cmocka_unit_test(a_batch_grows_while_the_disk_is_busy),
        cmocka_unit_test(no_more_waits_for_a_busy_disk_than_may),
        cmocka_unit_test(what_is_there_already_is_told_and_kept),
        cmocka_unit_test(a_disk_that_fails_leaves_them_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
