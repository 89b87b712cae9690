/* test_file_store.c - nothing outside the folder is touched, nothing in it replaced, also while somebody
 * swaps folders for links under our hands. RACES in the environment: how many swaps are raced against. */
#include "file_store.h"

#include "file_part.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

/* A folder with "in" (the target) and "out" (what must stay as it is). */
struct place {
    char base[64], in[80], out[80];
    struct file_store store;
};

static void place_make(struct place *place)
{
    snprintf(place->base, sizeof place->base, "/tmp/p2pconnect-store-XXXXXX");
    assert_non_null(mkdtemp(place->base));
    snprintf(place->in, sizeof place->in, "%s/in", place->base);
    snprintf(place->out, sizeof place->out, "%s/out", place->base);
    assert_int_equal(mkdir(place->out, 0755), 0);
    assert_true(file_store_open(&place->store, place->in));
}

static void place_end(struct place *place)
{
    char command[100];
    file_store_close(&place->store);
    snprintf(command, sizeof command, "rm -rf %s", place->base);
    assert_int_equal(system(command), 0);
}

static char *beneath(const char *folder, const char *name)
{
    static char path[400];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static unsigned entries(const char *folder)
{
    unsigned count = 0;
    DIR *opened = opendir(folder);
    assert_non_null(opened);
    for (struct dirent *entry; (entry = readdir(opened));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(opened);
    return count;
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static bool receive(struct file_store *store, const char *path, const char *text)
{
    int fd = file_store_open_part(store, path, true);
    if (fd < 0)
        return false;
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    return file_store_finish(store, path);
}

static void a_file_gets_its_name_at_the_end(void **state)
{
    struct place place;
    struct stat status;
    (void)state;
    place_make(&place);
    assert_true(file_store_make_folder(&place.store, "d"));
    assert_true(file_store_make_folder(&place.store, "d"));
    int fd = file_store_open_part(&place.store, "d/f", true);
    assert_true(fd >= 0);
    assert_int_equal(stat(beneath(place.in, "d/f"), &status), -1);
    assert_int_equal(file_store_open_part(&place.store, "d/f", true), -1);
    assert_int_equal(errno, EWOULDBLOCK); /* somebody is at it */
    close(fd);
    assert_true(file_store_finish(&place.store, "d/f"));
    assert_int_equal(stat(beneath(place.in, "d/f"), &status), 0);
    assert_int_equal(entries(beneath(place.in, "d")), 1);
    place_end(&place);
}

static void what_is_there_is_never_replaced(void **state)
{
    struct place place;
    char text[10] = "";
    (void)state;
    place_make(&place);
    put(beneath(place.in, "f"), "mine");
    assert_false(receive(&place.store, "f", "other"));
    assert_int_equal(errno, EEXIST);
    FILE *file = fopen(beneath(place.in, "f"), "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    assert_string_equal(text, "mine");
    place_end(&place);
}

/* Every kind of thing that may stand where an unfinished file would be. */
static void an_unfinished_file_is_ours_or_refused(void **state)
{
    struct place place;
    char part[PART_NAME_MAX];
    (void)state;
    place_make(&place);
    put(beneath(place.out, "victim"), "secret");
    char victim[400], trap[400];
    snprintf(victim, sizeof victim, "%s", beneath(place.out, "victim"));
    part_name(part, "f");
    snprintf(trap, sizeof trap, "%s", beneath(place.in, part));
    assert_int_equal(symlink(victim, trap), 0);
    assert_int_equal(file_store_open_part(&place.store, "f", true), -1);
    assert_int_equal(unlink(trap), 0);
    assert_int_equal(link(victim, trap), 0);
    assert_int_equal(file_store_open_part(&place.store, "f", true), -1);
    assert_int_equal(unlink(trap), 0);
    assert_int_equal(mkfifo(trap, 0600), 0);
    assert_int_equal(file_store_open_part(&place.store, "f", true), -1);
    assert_int_equal(unlink(trap), 0);
    assert_int_equal(mkdir(trap, 0700), 0);
    assert_int_equal(file_store_open_part(&place.store, "f", true), -1);
    place_end(&place);
}

static void links_on_the_way_are_not_followed(void **state)
{
    (void)state;
    for (int by_parts = 0; by_parts < 2; by_parts++) {
        struct place place;
        place_make(&place);
        place.store.by_parts = by_parts;
        assert_int_equal(symlink("../out", beneath(place.in, "l")), 0);
        assert_true(file_store_make_folder(&place.store, "d"));
        assert_int_equal(symlink("../../out", beneath(place.in, "d/l")), 0);
        assert_false(receive(&place.store, "l/f", "x"));
        assert_false(receive(&place.store, "d/l/f", "x"));
        assert_false(file_store_make_folder(&place.store, "l"));
        assert_false(file_store_make_folder(&place.store, "l/d"));
        assert_false(file_store_make_folder(&place.store, "d/l/d"));
        struct manifest_entry entry = {.path = (char *)"d/l", .mode = 0700, .kind = ENTRY_FOLDER};
        assert_false(file_store_settle_folder(&place.store, &entry));
        assert_int_equal(entries(place.out), 0);
        place_end(&place);
    }
}

static void permissions_keep_the_umask_and_no_set_id(void **state)
{
    struct place place;
    struct stat status;
    (void)state;
    mode_t before = umask(027);
    place_make(&place);
    umask(before);
    struct manifest_entry entry = {.path = (char *)"f", .mode = 0777, .modified_s = 1000, .kind = ENTRY_FILE};
    int fd = file_store_open_part(&place.store, "f", true);
    assert_true(file_store_settle(&place.store, fd, &entry));
    assert_int_equal(fstat(fd, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0750);
    assert_int_equal(status.st_mtim.tv_sec, 1000);
    close(fd);
    place_end(&place);
}

/* ---- races ---- */

struct swapper {
    char folder[400], link[400];
    atomic_bool stop;
    atomic_uint swaps;
};

static void *swap(void *context)
{
    struct swapper *swapper = context;
    while (!atomic_load(&swapper->stop)) {
        syscall(SYS_renameat2, AT_FDCWD, swapper->folder, AT_FDCWD, swapper->link, RENAME_EXCHANGE);
        atomic_fetch_add(&swapper->swaps, 1);
    }
    return NULL;
}

static void race(bool by_parts, unsigned swaps)
{
    struct place place;
    struct swapper swapper = {.stop = false};
    pthread_t thread;
    place_make(&place);
    place.store.by_parts = by_parts;
    snprintf(swapper.folder, sizeof swapper.folder, "%s", beneath(place.in, "d"));
    snprintf(swapper.link, sizeof swapper.link, "%s", beneath(place.in, "l"));
    assert_true(file_store_make_folder(&place.store, "d"));
    assert_int_equal(symlink("../out", swapper.link), 0);
    assert_int_equal(pthread_create(&thread, NULL, swap, &swapper), 0);
    unsigned went = 0, refused = 0;
    for (unsigned i = 0; atomic_load(&swapper.swaps) < swaps || !went || !refused; i++) {
        char path[40];
        file_store_make_folder(&place.store, "o"); /* so that the next one is not found open */
        snprintf(path, sizeof path, "d/%u", i % 50);
        bool good = i % 2 ? receive(&place.store, path, "x") : file_store_make_folder(&place.store, path);
        if (good || errno == EEXIST)
            went++;
        else
            refused++;
    }
    atomic_store(&swapper.stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(entries(place.out), 0);
    place_end(&place);
}

static void no_race_leads_out_of_the_folder(void **state)
{
    const char *wanted = getenv("RACES");
    unsigned swaps = wanted ? (unsigned)strtoul(wanted, NULL, 10) : 5000;
    (void)state;
    race(false, swaps);
    race(true, swaps);
}

static void *try_outside(void *context)
{
    struct place *place = context;
    if (!file_store_cage(&place->store))
        return (void *)"skip";
    bool inside = receive(&place->store, "f", "x");
    int fd = open(beneath(place->out, "f"), O_CREAT | O_WRONLY, 0600);
    return fd < 0 && errno == EACCES && inside ? NULL : (void *)"wrong";
}

static void the_cage_holds_its_thread_alone(void **state)
{
    struct place place;
    pthread_t thread;
    void *result;
    (void)state;
    place_make(&place);
    assert_int_equal(pthread_create(&thread, NULL, try_outside, &place), 0);
    pthread_join(thread, &result);
    put(beneath(place.out, "f"), "we may");
    place_end(&place);
    if (result && !strcmp(result, "skip"))
        skip(); /* this kernel has no Landlock */
    assert_null(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_gets_its_name_at_the_end),
        cmocka_unit_test(what_is_there_is_never_replaced),
        cmocka_unit_test(an_unfinished_file_is_ours_or_refused),
        cmocka_unit_test(links_on_the_way_are_not_followed),
        cmocka_unit_test(permissions_keep_the_umask_and_no_set_id),
        cmocka_unit_test(no_race_leads_out_of_the_folder),
        cmocka_unit_test(the_cage_holds_its_thread_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
