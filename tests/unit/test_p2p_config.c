/* test_p2p_config.c - which configurations make a node, and which do not. */
#include "fail_alloc.h"
#include "p2p_pair.h"

static void every_wrong_configuration_is_refused(void **state)
{
    (void)state;
    static const char *const no_port[] = {"host:0", NULL}, *const path[] = {"mqtt://host/path", NULL},
                             *const five[] = {"a", "b", "c", "d", "e", NULL}, *const space[] = {"a b", NULL},
                             *const empty[] = {"", NULL}, *const nine[] = {"a", "b", "c", "d", "e",
                                                                           "f", "g", "h", "i", NULL};
    const char *many[40] = {0};
    for (unsigned i = 0; i < 33; i++)
        many[i] = "eth0";
    char long_name[66];
    memset(long_name, 'n', 65);
    long_name[65] = '\0';
    const struct p2p_config wrong[] = {
        {.brokers = no_port},
        {.brokers = path},
        {.brokers = five},
        {.brokers = space},
        {.brokers = empty},
        {.stun = space},
        {.stun = no_port},
        {.stun = nine},
        {.stun = empty},
        {.interfaces = many},
        {.exclude = many},
        {.name = ""},
        {.name = long_name},
        {.name = "\xff\xfe"},
        {.name = "a\nb"},
        {.purpose = ""},
        {.purpose = "Chat"},
        {.purpose = "a purpose"},
        {.to = ""},
        {.to = long_name},
        {.paths = 1u << 5},
        {.max_peers = 65},
        {.max_streams = 4097},
        {.congestion = 3},
        {.purpose = "abcdefghijklmnopq"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct p2p_node *node = NULL;
        struct p2p_config config = wrong[i];
        config.size = sizeof config;
        if (p2p_node_new(&node, &config) != P2P_EINVAL || node)
            fail_msg("configuration %zu was taken", i);
    }
    struct p2p_node *node;
    struct p2p_config config = {.size = 0};
    assert_int_equal(p2p_node_new(&node, &config), P2P_EINVAL);
    assert_int_equal(p2p_node_new(&node, NULL), P2P_EINVAL);
    config.size = sizeof config;
    assert_int_equal(p2p_node_new(NULL, &config), P2P_EINVAL);
}

static void an_older_programs_shorter_configuration_is_taken(void **state)
{
    (void)state;
    struct p2p_node *node = NULL;
    struct p2p_config config = pair_config("not read");
    config.size = offsetof(struct p2p_config, name);
    config.max_peers = 9999; /* lies beyond: whatever is there must not matter */
    assert_int_equal(p2p_node_new(&node, &config), 0);
    p2p_node_free(node);
    p2p_node_free(NULL);
}

static bool construct(void *context)
{
    struct p2p_node *node = NULL;
    int err = p2p_node_new(&node, context);
    if (err)
        assert_int_equal(err, P2P_ENOMEM);
    p2p_node_free(node);
    return err == 0;
}

static void without_memory_there_is_no_node(void **state)
{
    (void)state;
    static const char *const names[] = {"eth7", "eth8", NULL}, *const stun[] = {"a", "b", NULL};
    struct p2p_config config = pair_config("anna");
    config.interfaces = config.exclude = names;
    config.stun = stun;
    assert_int_equal(fail_alloc_each(construct, &config), 2 + 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_wrong_configuration_is_refused),
        cmocka_unit_test(an_older_programs_shorter_configuration_is_taken),
        cmocka_unit_test(without_memory_there_is_no_node),
    };
    return cmocka_run_group_tests_name("p2p_config", tests, pair_setup, pair_teardown);
}
