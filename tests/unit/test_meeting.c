/* test_meeting.c - a meeting in which memory runs out, once, at every place where some is asked for. */
#include "fail_alloc.h"
#include "post.h"
#include <sodium.h>

enum { ALLOCATIONS_MAX = 400 };

static unsigned meet_with_failure(unsigned n)
{
    struct post *post = post_new(1, 1);
    post_add(post, post_config());
    post_add(post, post_config());
    post_connect(post, 0);
    post_run(post, 100 * NS_PER_MS);
    post_connect(post, 1);
    unsigned hits = 0;
    for (unsigned i = 0; i < 300 && !post_all_joined(post); i++) {
        if (i == 0)
            fail_alloc_at(n);
        post_step(post, NEVER - 1);
        hits += fail_alloc_hit;
    }
    fail_alloc_at(0);
    post_run(post, 60 * NS_PER_S);
    if (!post_all_joined(post) || post->hosts[0].failed || post->hosts[1].failed)
        fail_msg("allocation %u", n);
    post_free(post);
    return hits;
}

static void a_lack_of_memory_is_like_a_lost_message(void **state)
{
    unsigned n = 1;
    (void)state;
    while (meet_with_failure(n))
        assert_true(++n < ALLOCATIONS_MAX);
    assert_true(n > 10); /* parcels, runs and events of both sides */
}

static bool construct(void *context)
{
    struct rendezvous_config config = post_config();
    config.random = context;
    struct rendezvous *machine = rendezvous_new(&config);
    rendezvous_free(machine);
    return machine != NULL;
}

static void a_rendezvous_is_made_whole_or_not_at_all(void **state)
{
    uint64_t seed = 1;
    struct random random = {post_fill, &seed};
    (void)state;
    assert_true(fail_alloc_each(construct, &random) > 0);
    rendezvous_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lack_of_memory_is_like_a_lost_message),
        cmocka_unit_test(a_rendezvous_is_made_whole_or_not_at_all),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
