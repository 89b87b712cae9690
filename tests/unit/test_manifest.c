/* test_manifest.c - what may be in an offer, and what makes a receiver refuse all of it. */
#include "manifest.h"

#include "file_part.h"
#include "file_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *path_problem(const char *path)
{
    return manifest_path_problem(path, strlen(path));
}

static void paths_of_every_alphabet_are_good(void **state)
{
    static const char *const good[] = {"a",   "a/b/c",    "grüße",   "日本語", "שלום", "...",
                                       "..a", "a..",      ".hidden", " ",      "-rf",  "a\\b",
                                       "C:",  "\xff\xfe", "a.part",  "~",      "$(x)", "con"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_null(path_problem(good[i]));
}

/* Every way out that has been tried elsewhere, in every place of a path. */
static void paths_that_lead_out_are_refused(void **state)
{
    static const char *const bad[] = {"",     ".",    "..",   "\n",   "\x1b[2J",
                                      "\x7f", "a\tb", "a\rb", "\x01", "x.0123456789abcdef.part"};
    static const char *const around[] = {"%s",         "/%s",   "%s/",    "a/%s",    "%s/a",
                                         "a/%s/b",     "/%s/",  "//%s",   "a//%s",   "%s/../x",
                                         "../%s",      "./%s",  "a/./%s", "a/../%s", "../../../../%s",
                                         "a/../../%s", "%s/..", "%s/.",   "%s//",    "a/b/c/d/%s"};
    unsigned refused = 0;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (size_t k = 0; k < sizeof around / sizeof *around; k++) {
            char path[200];
            snprintf(path, sizeof path, around[k], bad[i]);
            /* "" in ../%s and the like is still a way out; in none of them does it become a name. */
            assert_non_null(path_problem(path));
            refused++;
        }
    assert_int_equal(refused, 200);
}

static void long_and_deep_paths_are_refused(void **state)
{
    char name[300], deep[2 * MANIFEST_DEPTH_MAX + 3];
    (void)state;
    memset(name, 'n', sizeof name);
    assert_null(manifest_path_problem(name, 255));
    assert_non_null(manifest_path_problem(name, 256));
    for (size_t i = 0; i < sizeof deep; i += 2)
        deep[i] = 'd', deep[i + 1 < sizeof deep ? i + 1 : i] = '/';
    assert_null(manifest_path_problem(deep, 2 * MANIFEST_DEPTH_MAX - 1));
    assert_non_null(manifest_path_problem(deep, 2 * MANIFEST_DEPTH_MAX + 1));
}

static void links_stay_inside(void **state)
{
    (void)state;
    assert_null(manifest_target_problem("a/b", "c"));
    assert_null(manifest_target_problem("a/b", "../c"));
    assert_null(manifest_target_problem("a/b/c", "../.././x/"));
    assert_non_null(manifest_target_problem("a", "../c"));
    assert_non_null(manifest_target_problem("a/b", "../../c"));
    assert_non_null(manifest_target_problem("a/b", "x/../../../c"));
    assert_non_null(manifest_target_problem("a/b", "/etc/passwd"));
    assert_non_null(manifest_target_problem("a/b", ""));
}

static void add(struct manifest *manifest, uint8_t kind, const char *path, uint64_t size)
{
    struct manifest_entry entry = {
        .kind = kind, .path = (char *)path, .size = size, .mode = 0640, .modified_s = -5, .modified_ns = 7};
    if (kind == ENTRY_LINK)
        entry.target = (char *)"target";
    assert_true(manifest_add(manifest, &entry));
}

static const char *parse_encoded(const struct manifest *manifest)
{
    struct manifest parsed = {0};
    size_t len;
    uint8_t *data = manifest_encode(manifest, &len);
    const char *problem = manifest_parse(&parsed, data, len);
    manifest_free(&parsed);
    free(data);
    return problem;
}

static void what_was_encoded_is_parsed(void **state)
{
    struct manifest manifest = {0}, parsed = {0};
    size_t len;
    (void)state;
    add(&manifest, ENTRY_FOLDER, "d", 0);
    add(&manifest, ENTRY_FILE, "d/f", 123456789012);
    add(&manifest, ENTRY_LINK, "d/l", 0);
    add(&manifest, ENTRY_FILE, "stdin", MANIFEST_SIZE_UNKNOWN);
    uint8_t *data = manifest_encode(&manifest, &len);
    assert_null(manifest_parse(&parsed, data, len));
    assert_int_equal(parsed.count, 4);
    assert_int_equal(parsed.files, 2);
    assert_true(parsed.endless);
    assert_true(parsed.bytes == 123456789012);
    assert_string_equal(parsed.entries[1].path, "d/f");
    assert_string_equal(parsed.entries[2].target, "target");
    assert_true(parsed.entries[1].modified_s == -5 && parsed.entries[1].modified_ns == 7);
    for (size_t cut = 0; cut < len; cut++) { /* no prefix reads further than it is long */
        struct manifest partial = {0};
        uint8_t *copy = malloc(cut + 1);
        memcpy(copy, data, cut);
        manifest_parse(&partial, copy, cut);
        manifest_free(&partial);
        free(copy);
    }
    manifest_free(&parsed);
    manifest_free(&manifest);
    free(data);
}

static void twice_the_same_path_is_refused(void **state)
{
    struct manifest manifest = {0};
    (void)state;
    add(&manifest, ENTRY_FILE, "a", 1);
    add(&manifest, ENTRY_FILE, "b", 1);
    assert_null(parse_encoded(&manifest));
    add(&manifest, ENTRY_FILE, "a", 1);
    assert_non_null(parse_encoded(&manifest));
    manifest_free(&manifest);
}

static void a_parent_is_a_folder_that_comes_before(void **state)
{
    static const uint8_t parents[] = {ENTRY_FILE, ENTRY_LINK};
    (void)state;
    for (size_t i = 0; i < sizeof parents; i++) {
        struct manifest manifest = {0};
        add(&manifest, parents[i], "a", 0);
        add(&manifest, ENTRY_FILE, "a/b", 1);
        assert_non_null(parse_encoded(&manifest));
        manifest_free(&manifest);
    }
    struct manifest late = {0};
    add(&late, ENTRY_FILE, "a/b", 1);
    assert_non_null(parse_encoded(&late));
    add(&late, ENTRY_FOLDER, "a", 0);
    assert_non_null(parse_encoded(&late));
    manifest_free(&late);
}

static void sizes_that_lie_are_refused(void **state)
{
    static const uint64_t sizes[] = {MANIFEST_SIZE_MAX + 1, UINT64_MAX - 1, UINT64_C(1) << 63};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct manifest manifest = {0};
        add(&manifest, ENTRY_FILE, "a", sizes[i]);
        assert_non_null(parse_encoded(&manifest));
        manifest_free(&manifest);
    }
}

static void unfinished_names_fit_and_are_known(void **state)
{
    char part[PART_NAME_MAX], other[PART_NAME_MAX], name[256];
    (void)state;
    part_name(part, "folder/name");
    assert_true(part_name_is(part, strlen(part)));
    assert_memory_equal(part, "name.", 5);
    part_name(other, "other/name");
    assert_string_not_equal(part, other);
    memset(name, 'x', 255);
    name[255] = '\0';
    part_name(part, name);
    assert_int_equal(strlen(part), 255);
    assert_true(part_name_is(part, strlen(part)));
    assert_false(part_name_is("movie.part", 10));
    assert_false(part_name_is("", 0));
}

static void records_of_wrong_lengths_are_refused(void **state)
{
    static const struct {
        uint8_t kind;
        uint32_t leaf, len;
        bool good;
    } cases[] = {{'D', 0, 1, true},
                 {'D', 0, LEAF_LEN, true},
                 {'D', 0, 0, false},
                 {'D', 0, LEAF_LEN + 1, false},
                 {'Z', 0, 1, true},
                 {'Z', 5, UINT32_MAX, false},
                 {'Z', 0, 0, false},
                 {'F', 0, FINISH_LEN, true},
                 {'F', 0, 1, false},
                 {'X', 0, REASON_MAX, true},
                 {'X', 0, REASON_MAX + 1, false},
                 {'Q', 0, 1, false},
                 {0, 0, 1, false}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t bytes[RECORD_LEN];
        struct record record = {cases[i].kind, 9, cases[i].leaf, cases[i].len}, read;
        record_write(bytes, &record);
        assert_int_equal(record_read(&read, bytes), cases[i].good);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_of_every_alphabet_are_good),
        cmocka_unit_test(paths_that_lead_out_are_refused),
        cmocka_unit_test(long_and_deep_paths_are_refused),
        cmocka_unit_test(links_stay_inside),
        cmocka_unit_test(what_was_encoded_is_parsed),
        cmocka_unit_test(twice_the_same_path_is_refused),
        cmocka_unit_test(a_parent_is_a_folder_that_comes_before),
        cmocka_unit_test(sizes_that_lie_are_refused),
        cmocka_unit_test(unfinished_names_fit_and_are_known),
        cmocka_unit_test(records_of_wrong_lengths_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
