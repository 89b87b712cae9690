/* test_file_hash.c - the tree of hashes, against one that was worked out elsewhere (Python's hashlib), and
 * runs of zeros against zeros one by one. */
#include "file_hash.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_root(struct hash_root *root, uint64_t size, const char *hex)
{
    uint8_t hash[HASH_LEN];
    char text[2 * HASH_LEN + 1];
    hash_root_end(root, size, hash);
    assert_string_equal(sodium_bin2hex(text, sizeof text, hash, sizeof hash), hex);
}

/* Leaf i is the byte i alone. */
static void roots_are_those_of_the_description(void **state)
{
    static const struct {
        unsigned leaves;
        const char *root;
    } known[] = {
        {0, "711c23cb7f14a453f3f1466974a672fd6b94086f8058b1c8c72b09c35d6a9d14"},
        {1, "380b292ac2f13d5f7b06f9c9e7c681be7c28d3c5fb8062f7574770adf1f39ac6"},
        {2, "d2119680a0872b60cf1a08414d894459f3f6f498efc190746074e26c53a85d02"},
        {3, "624bceaf0c4b96c5215974c30fcb51e1ea2d6b8a03f36e704db2c9dd50a0a0e4"},
        {5, "7c31cbd20c05d7d9b5736d7b345acf1a8059a277bf16e096a28b088251c4d507"},
        {7, "44e19bcbdc83c20017b897124aa0aee8ad023d8c30da51752361c21ad347ec86"},
        {100, "8bb774b95264fce33df46725c868a968e1bbb9111a7f97b418fca7d2517fcee9"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct hash_root root;
        hash_root_begin(&root);
        for (unsigned leaf = 0; leaf < known[i].leaves; leaf++) {
            uint8_t byte = (uint8_t)leaf, hash[HASH_LEN];
            hash_leaf(hash, &byte, 1);
            hash_root_add(&root, hash);
        }
        assert_root(&root, (uint64_t)known[i].leaves * LEAF_LEN, known[i].root);
    }
}

static void terabytes_of_zeros_have_a_root_at_once(void **state)
{
    struct hash_root root;
    (void)state;
    hash_root_begin(&root);
    hash_root_add_zeros(&root, UINT64_C(1) << 26);
    assert_root(&root, UINT64_C(1) << 43, "375f6525900d4e60e1d046b21c91afd0cbfffa3c1add89272bab8958e54e72d3");
}

static void runs_of_zeros_are_what_single_zeros_are(void **state)
{
    uint8_t other[HASH_LEN] = {1}, one[HASH_LEN], two[HASH_LEN];
    (void)state;
    for (unsigned before = 0; before < 20; before++)
        for (unsigned count = 0; count < 40; count++) {
            struct hash_root runs, singles;
            hash_root_begin(&runs), hash_root_begin(&singles);
            for (unsigned i = 0; i < before; i++)
                hash_root_add(&runs, other), hash_root_add(&singles, other);
            hash_root_add_zeros(&runs, count);
            for (unsigned i = 0; i < count; i++)
                hash_root_add(&singles, hash_zeros(0));
            hash_root_add(&runs, other), hash_root_add(&singles, other);
            hash_root_end(&runs, 0, one), hash_root_end(&singles, 0, two);
            assert_memory_equal(one, two, HASH_LEN);
        }
}

static void a_hole_is_told_without_reading(void **state)
{
    char path[] = "/tmp/p2pconnect-hash-XXXXXX";
    uint8_t *buffer = malloc(LEAF_LEN);
    struct leaf_reader reader;
    struct leaf leaf;
    const uint64_t island = 1000, size = 5000 * (uint64_t)LEAF_LEN + 7;
    int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    assert_int_equal(pwrite(fd, "island", 6, (off_t)(island * LEAF_LEN)), 6);
    leaf_reader_begin(&reader, fd, size);
    uint64_t hole = leaf_reader_hole(&reader, 0);
    if (hole) { /* else this file system has none */
        assert_int_equal(hole, island);
        assert_int_equal(leaf_reader_hole(&reader, island), 0);
        assert_int_equal(leaf_reader_hole(&reader, island + 1), 3999);
        assert_int_equal(leaf_reader_hole(&reader, 5000), 0);
    }
    assert_true(leaf_reader_read(&reader, island, buffer, &leaf));
    assert_false(leaf.zero);
    assert_true(leaf_reader_read(&reader, 5000, buffer, &leaf));
    assert_true(leaf.zero && leaf.len == 7);
    assert_true(leaf_reader_read(&reader, 5001, buffer, &leaf));
    assert_int_equal(leaf.len, 0);
    close(fd);
    free(buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roots_are_those_of_the_description),
        cmocka_unit_test(terabytes_of_zeros_have_a_root_at_once),
        cmocka_unit_test(runs_of_zeros_are_what_single_zeros_are),
        cmocka_unit_test(a_hole_is_told_without_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
