/* test_relay.c - packets by way of the broker: from and to whoever has proven the secret, nobody else. */
#include "post.h"

#include <sodium.h>

static const uint8_t packet[] = {0x40, 0, 1, 2, 0xff, '{'};

/* Two that have proven each other, over two brokers. */
static struct post *two(void)
{
    struct post *post = post_new(5, 2);
    for (unsigned i = 0; i < 2; i++)
        post_add(post, post_config());
    for (unsigned i = 0; i < 2; i++)
        post_connect(post, i);
    assert_true(post_join(post, NS_PER_S) != NEVER);
    return post;
}

static const char *id_of(const struct post *post, unsigned i)
{
    return rendezvous_id(post->hosts[i].machine);
}

static struct letter letter_to(struct post *post, unsigned from, const char *id)
{
    struct letter letter = {0};
    assert_true(rendezvous_relay_address(post->hosts[from].machine, id, &letter));
    memcpy(letter.data + letter.len, packet, sizeof packet);
    letter.len += sizeof packet;
    return letter;
}

static bool hand(struct post *post, unsigned to, unsigned broker, const struct letter *letter,
                 struct relayed *relayed)
{
    struct rendezvous *machine = post->hosts[to].machine;
    assert_true(rendezvous_is_relay(machine, letter->topic));
    return rendezvous_relay_input(machine, broker, (const uint8_t *)letter->data, letter->len, relayed);
}

static uint64_t strangers(const struct post *post, unsigned i)
{
    struct rendezvous_stats stats;
    rendezvous_stats(post->hosts[i].machine, &stats);
    return stats.strangers;
}

static void a_packet_arrives_as_it_was_under_the_senders_handle(void **state)
{
    (void)state;
    struct post *post = two();
    struct relayed relayed;
    struct letter letter = letter_to(post, 0, id_of(post, 1));
    assert_true(letter.relay);
    assert_int_equal(letter.len, PEER_ID_LEN + sizeof packet);
    assert_memory_equal(letter.data, id_of(post, 0), PEER_ID_LEN);
    assert_true(hand(post, 1, 0, &letter, &relayed));
    assert_int_equal(relayed.peer, post_link_to(&post->hosts[1], &post->hosts[0])->handle);
    assert_int_equal(relayed.len, sizeof packet);
    assert_memory_equal(relayed.data, packet, sizeof packet);
    assert_int_equal(strangers(post, 1), 0);
    post_free(post);
}

static void packets_of_strangers_are_dropped_and_counted(void **state)
{
    (void)state;
    struct post *post = two();
    struct relayed relayed;
    post_add(post, post_config());
    struct letter letter = letter_to(post, 0, id_of(post, 1)), forged = letter;
    memcpy(forged.data, "aaaabbbbccccdddd", PEER_ID_LEN);
    assert_false(hand(post, 1, 0, &forged, &relayed));
    memcpy(forged.data, id_of(post, 2), PEER_ID_LEN); /* in the room, but has proven nothing */
    assert_false(hand(post, 1, 0, &forged, &relayed));
    memset(forged.data, 0, PEER_ID_LEN);
    assert_false(hand(post, 1, 0, &forged, &relayed));
    memcpy(forged.data, id_of(post, 1), PEER_ID_LEN); /* ourselves */
    assert_false(hand(post, 1, 0, &forged, &relayed));
    assert_int_equal(strangers(post, 1), 4);
    assert_true(hand(post, 1, 0, &letter, &relayed));
    post_free(post);
}

static void packets_of_no_length_or_too_long_are_dropped(void **state)
{
    (void)state;
    struct post *post = two();
    struct relayed relayed;
    struct letter letter = letter_to(post, 0, id_of(post, 1));
    static const size_t bad[] = {
        0, 1, PEER_ID_LEN - 1, PEER_ID_LEN, PEER_ID_LEN + RELAY_PACKET_MAX + 1, MESSAGE_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        letter.len = bad[i];
        assert_false(hand(post, 1, 0, &letter, &relayed));
    }
    assert_int_equal(strangers(post, 1), sizeof bad / sizeof *bad);
    letter.len = PEER_ID_LEN + RELAY_PACKET_MAX;
    assert_true(hand(post, 1, 0, &letter, &relayed));
    post_free(post);
}

static void who_has_left_is_a_stranger_but_can_still_be_told(void **state)
{
    (void)state;
    struct post *post = two();
    struct relayed relayed;
    struct letter letter = letter_to(post, 0, id_of(post, 1));
    peer_handle handle = post_link_to(&post->hosts[1], &post->hosts[0])->handle;
    rendezvous_bye(post->hosts[1].machine, post->now, handle, "done");
    assert_false(hand(post, 1, 0, &letter, &relayed));
    letter = letter_to(post, 1, id_of(post, 0));
    assert_true(letter.brokers != 0);
    post_free(post);
}

static void packets_go_where_the_last_one_came_from_and_everywhere_without_it(void **state)
{
    (void)state;
    struct post *post = two();
    struct relayed relayed;
    struct rendezvous *machine = post->hosts[1].machine;
    uint32_t met = letter_to(post, 1, id_of(post, 0)).brokers;
    assert_true(met == 1 || met == 2);
    struct letter letter = letter_to(post, 0, id_of(post, 1));
    assert_true(hand(post, 1, 1, &letter, &relayed));
    assert_int_equal(rendezvous_relay_broker(machine, id_of(post, 0)), 2);
    assert_true(hand(post, 1, 0, &letter, &relayed));
    assert_int_equal(rendezvous_relay_broker(machine, id_of(post, 0)), 1);
    rendezvous_disconnected(machine, post->now, 0);
    assert_int_equal(rendezvous_relay_broker(machine, id_of(post, 0)), 2);
    rendezvous_disconnected(machine, post->now, 1);
    assert_false(rendezvous_relay_address(machine, id_of(post, 0), &letter));
    post_free(post);
}

static void only_our_own_topic_is_ours(void **state)
{
    (void)state;
    struct post *post = two();
    char mine[TOPIC_MAX], hello[TOPIC_MAX], inbox[TOPIC_MAX];
    const struct rendezvous *machine = post->hosts[0].machine;
    rendezvous_relay_topic(machine, mine);
    rendezvous_topics(machine, hello, inbox);
    assert_true(rendezvous_is_relay(machine, mine));
    assert_false(rendezvous_is_relay(machine, hello));
    assert_false(rendezvous_is_relay(machine, inbox));
    assert_non_null(strstr(mine, "/relay/"));
    assert_false(rendezvous_is_relay(post->hosts[1].machine, mine));
    post_free(post);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packet_arrives_as_it_was_under_the_senders_handle),
        cmocka_unit_test(packets_of_strangers_are_dropped_and_counted),
        cmocka_unit_test(packets_of_no_length_or_too_long_are_dropped),
        cmocka_unit_test(who_has_left_is_a_stranger_but_can_still_be_told),
        cmocka_unit_test(packets_go_where_the_last_one_came_from_and_everywhere_without_it),
        cmocka_unit_test(only_our_own_topic_is_ours),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
