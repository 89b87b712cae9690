/* test_label.c - NAME and NAME#ID: whom they mean. */
#include "label.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char id[] = "k3ab5cdefghijklm";

static void a_name_means_everybody_who_has_it_whatever_the_id(void **state)
{
    (void)state;
    assert_true(label_means("attic", "attic", id));
    assert_true(label_means("attic", "attic", "zzzzzzzzzzzzzzzz"));
    assert_false(label_means("attic", "cellar", id));
    assert_false(label_means("attic", "attics", id));
    assert_false(label_means("attics", "attic", id));
    assert_false(label_means("attic", "Attic", id));
    assert_false(label_means("attic", "", id));
}

static void the_first_characters_of_an_id_mean_that_peer_from_four_to_all(void **state)
{
    (void)state;
    assert_true(label_means("attic#k3ab", "attic", id));
    assert_true(label_means("attic#k3ab5", "attic", id));
    assert_true(label_means("attic#k3ab5cdefghijklm", "attic", id));
    assert_false(label_means("attic#k3ac", "attic", id));
    assert_false(label_means("attic#k3ab5cdefghijkla", "attic", id));
    assert_false(label_means("attic#3ab5", "attic", id)); /* of its middle */
    assert_false(label_means("attic#k3ab", "cellar", id));
    assert_false(label_means("attic#k3ab", "atti", id));
    assert_false(label_means("attic#k3ab", "attic2", id));
}

static void what_cannot_be_an_id_belongs_to_the_name(void **state)
{
    (void)state;
    static const char *const names[] = {"attic#",     "attic#k3a",  "attic#K3AB",
                                        "attic#k3a1", "attic#k3-b", "attic#k3ab5cdefghijklmn"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        assert_true(label_means(names[i], names[i], id));
        assert_false(label_means(names[i], "attic", id));
    }
}

static void a_name_that_looks_like_an_id_cannot_take_the_place_of_one(void **state)
{
    (void)state;
    assert_false(label_means("attic#k3ab", "attic#k3ab", "zzzzzzzzzzzzzzzz"));
    assert_false(label_means("attic#k3ab", "attic#k3ab", id));
    assert_true(label_means("attic#k3ab#k3ab", "attic#k3ab", id));
}

static void only_the_last_sign_is_followed_by_an_id(void **state)
{
    (void)state;
    assert_true(label_means("a#b#k3ab", "a#b", id));
    assert_false(label_means("a#b#k3ab", "a", id));
    assert_true(label_means("k3ab#home#k3ab", "k3ab#home", id));
    assert_true(label_means("attic##k3ab", "attic#", id));
    assert_false(label_means("attic#k3ab#", "attic", id));
    assert_true(label_means("attic#k3ab#", "attic#k3ab#", id));
}

static void an_id_without_a_name_means_nobody(void **state)
{
    (void)state;
    assert_false(label_means("#k3ab", "attic", id));
    assert_false(label_means("#k3ab", "#k3ab", id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_means_everybody_who_has_it_whatever_the_id),
        cmocka_unit_test(the_first_characters_of_an_id_mean_that_peer_from_four_to_all),
        cmocka_unit_test(what_cannot_be_an_id_belongs_to_the_name),
        cmocka_unit_test(a_name_that_looks_like_an_id_cannot_take_the_place_of_one),
        cmocka_unit_test(only_the_last_sign_is_followed_by_an_id),
        cmocka_unit_test(an_id_without_a_name_means_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
