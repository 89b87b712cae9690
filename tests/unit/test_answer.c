/* test_answer.c - a newcomer among many: a few answer, the others never do; who is full says so. */
#define POST_HOSTS_MAX 301

#include "meeting.h"
#include "post.h"
#include <sodium.h>

static void note_others(struct rendezvous *machine, uint64_t now, unsigned count)
{
    char id[PEER_ID_LEN + 1];
    for (unsigned i = 0; i < count; i++) {
        snprintf(id, sizeof id, "peer%012u", i);
        presence_note(&machine->presence, now, id, true);
    }
}

static void where_all_fit_everybody_answers_at_once(void **state)
{
    struct post *post = post_new(1, 1);
    (void)state;
    post_add(post, post_config());
    struct rendezvous *machine = post->hosts[0].machine;
    for (unsigned others = 1; others <= 8; others++) { /* the newcomer is one of them */
        note_others(machine, post->now, others);
        for (unsigned i = 0; i < 100; i++)
            assert_int_equal(answer_time(machine, post->now, others, true), post->now);
    }
    assert_int_equal(answer_time(machine, post->now, 9, false), post->now);
    post_free(post);
}

/* `able` answer, `places` of them at once, as many again within a quarter of a second, then twice as many. */
static void as_many_answer_at_once_as_fit_and_nobody_waits_for_three_seconds(void **state)
{
    static const unsigned crowds[][2] = {{2, 1}, {20, 1}, {1000, 1}, {20, 8}, {1000, 8}};
    enum { ROUNDS = 20000 };
    (void)state;
    for (size_t n = 0; n < sizeof crowds / sizeof *crowds; n++) {
        struct post *post = post_new(2 + n, 1);
        unsigned places = crowds[n][1], at_once = 0, soon = 0, next = 0;
        post_add(post, post_config());
        struct rendezvous *machine = post->hosts[0].machine;
        note_others(machine, post->now, crowds[n][0]);
        double able = presence_count(&machine->presence, post->now);
        for (unsigned i = 0; i < ROUNDS; i++) {
            uint64_t wait = answer_time(machine, post->now, places, true) - post->now;
            assert_true(wait < 3 * NS_PER_S);
            at_once += wait == 0;
            soon += wait > 0 && wait < 250 * NS_PER_MS;
            next += wait >= 250 * NS_PER_MS && wait < 500 * NS_PER_MS;
        }
        double expected = ROUNDS * places / able, rest = ROUNDS - expected;
        assert_true(at_once > 0.6 * expected && at_once < 1.5 * expected);
        expected = expected < rest ? expected : rest;
        assert_true(soon > 0.6 * expected && soon < 1.5 * expected);
        rest -= expected;
        expected = 2 * expected < rest ? 2 * expected : rest;
        assert_true(next >= 0.6 * expected && next <= 1.5 * expected);
        post_free(post);
    }
}

/* A newcomer of another kind is not among those who are counted, but we are. */
static void of_another_kind_we_are_one_more_who_could_answer(void **state)
{
    struct post *post = post_new(1, 1);
    unsigned waits = 0;
    (void)state;
    post_add(post, post_config());
    struct rendezvous *machine = post->hosts[0].machine;
    note_others(machine, post->now, 8);
    for (unsigned i = 0; i < 900; i++)
        waits += answer_time(machine, post->now, 8, false) > post->now;
    assert_in_range(waits, 70, 130); /* each of nine waits once in nine times */
    post_free(post);
}

/* Half of them in the last of ten steps, half of the rest in the one before ... */
static void who_is_full_says_so_after_one_to_two_seconds_and_few_say_so_early(void **state)
{
    enum { ROUNDS = 102400, STEPS = 10 };
    struct post *post = post_new(1, 1);
    unsigned in_step[STEPS] = {0}, late = 0;
    (void)state;
    post_add(post, post_config());
    struct rendezvous *machine = post->hosts[0].machine;
    rendezvous_set_slots(machine, post->now, 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t wait = answer_time(machine, post->now, 8, true) - post->now;
        assert_in_range(wait, NS_PER_S, 2 * NS_PER_S - 1);
        in_step[(wait - NS_PER_S) / (100 * NS_PER_MS)]++;
        late += wait % (100 * NS_PER_MS) >= 50 * NS_PER_MS;
    }
    assert_in_range(late, ROUNDS * 45 / 100, ROUNDS * 55 / 100);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned expected = ROUNDS >> (step ? STEPS - step : STEPS - 1);
        assert_in_range(in_step[step], expected * 8 / 10, expected * 12 / 10);
    }
    post_free(post);
}

static void who_is_full_is_spared_when_eight_have_said_so_since_and_who_is_not_never(void **state)
{
    struct post *post = post_new(1, 1);
    struct peer peer = {.full_before = 3};
    (void)state;
    post_add(post, post_config());
    struct rendezvous *machine = post->hosts[0].machine;
    machine->full_heard = 3 + 8;
    assert_false(answer_is_spared(machine, &peer));
    rendezvous_set_slots(machine, post->now, 0);
    assert_true(answer_is_spared(machine, &peer));
    machine->full_heard--;
    assert_false(answer_is_spared(machine, &peer));
    post_free(post);
}

static void only_an_answer_to_a_hello_is_withheld_and_counted_if_there_was_a_place(void **state)
{
    struct post *post = post_new(1, 1);
    struct peer peer = {.id = "abcdefghijklmnop", .wish = WISH_KNOCK};
    (void)state;
    post_add(post, post_config());
    struct rendezvous *machine = post->hosts[0].machine;
    answer_withhold(machine, post->now, &peer); /* a pake1 waits: a word in its name may be forged */
    assert_int_equal(peer.wish, WISH_KNOCK);
    assert_int_equal(withheld_places(&machine->withheld, post->now, peer.id, 1), 1);
    peer.wish = WISH_HELLO;
    answer_withhold(machine, post->now, &peer);
    assert_int_equal(peer.wish, WISH_NOTHING);
    assert_int_equal(withheld_places(&machine->withheld, post->now, peer.id, 1), 4);
    rendezvous_set_slots(machine, post->now, 0);
    peer.wish = WISH_HELLO;
    answer_withhold(machine, post->now, &peer);
    assert_int_equal(peer.wish, WISH_NOTHING);
    assert_int_equal(withheld_places(&machine->withheld, post->now, peer.id, 1), 4);
    post_free(post);
}

static bool hear_hellos(struct rendezvous *machine, uint64_t now, unsigned count)
{
    while (count--)
        answer_count(machine, now);
    return answer_is_flooded(machine, now);
}

static void twelve_hundred_hellos_are_a_flood_for_the_four_seconds_after_theirs_too(void **state)
{
    struct post *post = post_new(1, 1);
    (void)state;
    post_add(post, post_config());
    struct rendezvous *machine = post->hosts[0].machine;
    assert_false(hear_hellos(machine, 100 * NS_PER_S, 1199));
    assert_true(hear_hellos(machine, 100 * NS_PER_S, 1));
    assert_true(hear_hellos(machine, 104 * NS_PER_S, 1));
    assert_true(hear_hellos(machine, 108 * NS_PER_S - 1, 1));
    assert_false(hear_hellos(machine, 108 * NS_PER_S, 1));
    assert_true(hear_hellos(machine, 109 * NS_PER_S, 1199));
    assert_false(hear_hellos(machine, 116 * NS_PER_S, 1)); /* nothing was heard for four seconds */
    assert_true(hear_hellos(machine, 120 * NS_PER_S, 1200));
    assert_true(hear_hellos(machine, 124 * NS_PER_S, 1));
    assert_false(hear_hellos(machine, 132 * NS_PER_S, 1));
    assert_false(hear_hellos(machine, 140 * NS_PER_S, 1199)); /* as many in eight seconds are none */
    assert_false(hear_hellos(machine, 144 * NS_PER_S, 1199));
    post_free(post);
}

/* There are so many whom nobody sees that turns mean nothing. */
static void in_a_flood_answers_wait_for_the_quota_alone(void **state)
{
    struct post *post = post_new(1, 1);
    unsigned waits = 0;
    (void)state;
    post_add(post, post_config());
    struct rendezvous *machine = post->hosts[0].machine;
    note_others(machine, post->now, 100);
    for (unsigned i = 0; i < 100; i++)
        waits += answer_time(machine, post->now, 1, true) > post->now;
    assert_true(waits > 90);
    assert_true(hear_hellos(machine, post->now, 1200));
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(answer_time(machine, post->now, 1, true), post->now);
    post_free(post);
}

static void who_wants_one_of_a_name_waits_for_nobody(void **state)
{
    struct post *post = post_new(3, 1);
    struct rendezvous_config config = post_config();
    (void)state;
    config.picks = true;
    post_add(post, config);
    note_others(post->hosts[0].machine, post->now, 100);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(answer_time(post->hosts[0].machine, post->now, 1, true), post->now);
    post_free(post);
}

static void add_many(struct post *post, unsigned count, const char *purpose, unsigned slots)
{
    struct rendezvous_config config = post_config();
    config.purpose = purpose;
    config.slots = slots;
    for (unsigned i = 0; i < count; i++) {
        unsigned n = post_add(post, config);
        post->hosts[n].places = slots;
    }
}

/* A room of servers that know of each other, and one who wants one of them. */
static void a_newcomer_among_hundreds_costs_the_broker_a_handful_of_messages(void **state)
{
    enum { SERVERS = 300, ROUNDS = 5 };
    unsigned letters = 0;
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct post *post = post_new(50 + round, 1);
        add_many(post, SERVERS, "echo", 8);
        for (unsigned i = 0; i < SERVERS; i++)
            note_others(post->hosts[i].machine, post->now, SERVERS - 1);
        add_many(post, 1, "pipe", 1);
        for (unsigned i = 0; i < SERVERS; i++) { /* they are there: their own hellos are of no interest */
            post->hosts[i].online = post->hosts[i].machine->said = true;
            post->hosts[i].machine->hello_due = NEVER - NS_PER_S;
            post->hosts[i].machine->connected = post->hosts[i].machine->was_connected = true;
        }
        post_connect(post, SERVERS);
        uint64_t begun = post->now;
        while (!post_joined(&post->hosts[SERVERS]))
            assert_true(post_step(post, begun + 3 * NS_PER_S));
        post_run(post, 5 * NS_PER_S);
        assert_int_equal(post_joined(&post->hosts[SERVERS]), 1);
        assert_int_equal(post->hosts[SERVERS].peers, 1); /* nobody was met in vain */
        assert_in_range(post->sent_of[MESSAGE_HELLO], 1, 4);
        letters += post->sent;
        post_free(post);
    }
    print_message("%.1f messages\n", (double)letters / ROUNDS);
    assert_in_range(letters, 6 * ROUNDS, 11 * ROUNDS);
}

/* Of a peer with places for one, proven and on its way, nothing more is wanted until it is connected. */
static void who_is_on_its_way_keeps_its_place_for_a_while(void **state)
{
    struct post *post = post_new(7, 1);
    (void)state;
    add_many(post, 3, "pipe", 1);
    for (unsigned i = 0; i < 3; i++)
        post->hosts[i].keeps_talking = true; /* never connected */
    post_connect(post, 0);
    post_connect(post, 1);
    post_run(post, 200 * NS_PER_MS);
    assert_true(post_are_joined(post, 0, 1));
    post_connect(post, 2);
    post_run(post, 500 * NS_PER_MS);
    assert_int_equal(post->hosts[2].peers + post->hosts[2].wanted, 0);
    post_run(post, NS_PER_S); /* the two have had their time */
    assert_true(post->hosts[2].peers > 0);
    post_free(post);
}

/* By way of the broker, say: what is sealed is repeated all the same. */
static void who_has_arrived_keeps_no_second_place(void **state)
{
    struct post *post = post_new(7, 1);
    (void)state;
    add_many(post, 3, "pipe", 1);
    for (unsigned i = 0; i < 3; i++)
        post->hosts[i].keeps_talking = true;
    post_connect(post, 0);
    post_connect(post, 1);
    post_run(post, 200 * NS_PER_MS);
    assert_true(post_are_joined(post, 0, 1));
    rendezvous_arrived(post->hosts[0].machine, post_link_to(&post->hosts[0], &post->hosts[1])->handle);
    post_connect(post, 2);
    post_run(post, 500 * NS_PER_MS);
    assert_true(post_are_joined(post, 0, 2));
    post_free(post);
}

/* Whom it meets, perhaps to send it away, keeps no place from the next. */
static void who_wants_one_of_a_name_meets_fifteen_in_a_second(void **state)
{
    enum { OTHERS = 15 };
    struct post *post = post_new(13, 1);
    struct rendezvous_config config = post_config();
    (void)state;
    config.picks = true;
    config.purpose = "pipe";
    config.slots = 1;
    post_add(post, config);
    post->hosts[0].keeps_talking = true; /* never connected */
    add_many(post, OTHERS, "echo", 8);
    post_connect(post, 0);
    post_run(post, NS_PER_S);
    for (unsigned i = 1; i <= OTHERS; i++) {
        post_connect(post, i);
        post_run(post, NS_PER_S / OTHERS);
    }
    post_run(post, 200 * NS_PER_MS);
    assert_int_equal(post->hosts[0].peers, OTHERS);
    post_free(post);
}

/* A stranger's pake1 for host 0, under the veil of `room`. */
static void knock_from(struct post *post, const char *room)
{
    struct message knock = {.type = MESSAGE_PAKE1, .about = {.purpose = "pipe", .slots = 1}};
    char inbox[TOPIC_MAX], hello[TOPIC_MAX], text[MESSAGE_MAX];
    uint8_t key[VEIL_KEY_LEN], hash[64] = {1};
    snprintf(knock.from, sizeof knock.from, "abcdefghijklmnop");
    crypto_core_ristretto255_from_hash(knock.point, hash);
    veil_key(key, room);
    veil_close(key, &knock);
    size_t len = message_encode(&knock, text, sizeof text);
    rendezvous_topics(post->hosts[0].machine, hello, inbox);
    rendezvous_input(post->hosts[0].machine, post->now, 0, inbox, (const uint8_t *)text, len);
}

static void who_is_full_says_so_when_somebody_knocks_and_not_otherwise(void **state)
{
    struct post *post = post_new(8, 1);
    (void)state;
    add_many(post, 2, "pipe", 1);
    post_connect(post, 0);
    post_connect(post, 1);
    assert_true(post_join(post, NS_PER_S) != NEVER);
    post_run(post, 10 * NS_PER_S);
    unsigned hellos = post->sent_of[MESSAGE_HELLO];
    assert_in_range(hellos, 2, 3);      /* in a room of two nobody is told */
    for (unsigned i = 0; i < 50; i++) { /* who does not know the room's name cannot make us speak */
        knock_from(post, "another room");
        post_run(post, 50 * NS_PER_MS);
    }
    assert_int_equal(post->sent_of[MESSAGE_HELLO], hellos);
    for (unsigned i = 0; i < 50; i++) { /* at most once a second */
        knock_from(post, "demo");
        post_run(post, 50 * NS_PER_MS);
    }
    assert_in_range(post->sent_of[MESSAGE_HELLO] - hellos, 3, 4);
    assert_int_equal(post->hosts[0].wanted + post->hosts[1].wanted, 1);
    post_free(post);
}

/* Host 1 has a place for one, which host 0 has; host 2 waits, and hears why if it serves. */
static unsigned told_busy(bool serves)
{
    struct post *post = post_new(9, 1);
    struct rendezvous_config config = post_config();
    config.purpose = "echo";
    config.slots = 1;
    config.serves = serves;
    add_many(post, 1, "pipe", 1);
    post->hosts[post_add(post, config)].places = 1;
    add_many(post, 1, "pipe", 1);
    post_connect(post, 0);
    post_connect(post, 1);
    post_run(post, NS_PER_S);
    assert_true(post_are_joined(post, 0, 1));
    post_connect(post, 2);
    post_run(post, 4 * NS_PER_S);
    unsigned busy = post->hosts[2].busy;
    assert_true(!busy || !strcmp(post->hosts[2].busy_name, "attic"));
    assert_int_equal(post_joined(&post->hosts[2]), 0);
    rendezvous_bye(post->hosts[1].machine, post->now, post_link_to(&post->hosts[1], &post->hosts[0])->handle,
                   "");
    post->hosts[0].down = true;
    post_ended(&post->hosts[1], post_link_to(&post->hosts[1], &post->hosts[0])->handle);
    post_count_places(post, &post->hosts[1]);
    post_run(post, NS_PER_S);
    assert_true(post_are_joined(post, 1, 2)); /* a place is free: at once */
    post_free(post);
    return busy;
}

static void who_serves_and_is_full_tells_each_who_waits_and_takes_it_when_a_place_is_free(void **state)
{
    (void)state;
    assert_int_equal(told_busy(true), 1);
    assert_int_equal(told_busy(false), 0); /* others stay silent */
}

/* A newcomer among hundreds of servers that are full, and know nothing of each other. */
static void among_hundreds_who_are_full_a_few_say_so(void **state)
{
    enum { SERVERS = 300 };
    struct post *post = post_new(14, 1);
    struct rendezvous_config config = post_config();
    (void)state;
    config.purpose = "echo";
    config.serves = true;
    for (unsigned i = 0; i < SERVERS; i++) {
        struct host *host = &post->hosts[post_add(post, config)];
        rendezvous_set_slots(host->machine, post->now, 0);
        post_connect(post, i);
        host->refuses = true;
    }
    add_many(post, 1, "pipe", 1);
    post_connect(post, SERVERS);
    post_run(post, 3 * NS_PER_S);
    print_message("%u told\n", post->hosts[SERVERS].busy);
    assert_in_range(post->hosts[SERVERS].busy, 8, 40);
    assert_in_range(post->sent, 40, 250);
    post_free(post);
}

static void who_leaves_tells_nobody_that_no_place_is_left(void **state)
{
    (void)state;
    for (unsigned leaves = 0; leaves < 2; leaves++) {
        struct post *post = post_new(15, 1);
        struct rendezvous_config config = post_config();
        config.serves = true;
        struct host *host = &post->hosts[post_add(post, config)];
        host->refuses = true;
        post_connect(post, 0);
        rendezvous_set_slots(host->machine, post->now, 0);
        add_many(post, 1, "chat", 1);
        post_connect(post, 1);
        post_run(post, 100 * NS_PER_MS); /* its hello was heard */
        if (leaves)
            rendezvous_leave(host->machine);
        post_run(post, 3 * NS_PER_S);
        assert_int_equal(post->hosts[1].busy, !leaves);
        post_free(post);
    }
}

static void hear_of(struct post *post, unsigned stranger)
{
    struct message hello = {.type = MESSAGE_HELLO, .about = {.purpose = "echo", .slots = 8}};
    char text[MESSAGE_MAX], topic[TOPIC_MAX], inbox[TOPIC_MAX];
    uint8_t key[VEIL_KEY_LEN];
    for (unsigned i = 0; i < PEER_ID_LEN; i++, stranger /= 26)
        hello.from[i] = (char)('a' + stranger % 26);
    veil_key(key, "demo");
    veil_close(key, &hello);
    size_t len = message_encode(&hello, text, sizeof text);
    rendezvous_topics(post->hosts[0].machine, topic, inbox);
    rendezvous_input(post->hosts[0].machine, post->now, 0, topic, (const uint8_t *)text, len);
    post_drain(post);
}

/* A thousand come at once and then say hello as seldom as we do: that is no flood, and if everybody answered
 * it with hellos of its own, it would become one. */
static void a_room_of_a_thousand_does_not_make_us_say_hello_more_often(void **state)
{
    enum { PRESENT = 1000, PARTS = 100 };
    static const unsigned first_ms[] = {250, 250, 500, 1000, 2000, 4000, 8000};
    struct post *post = post_new(11, 1);
    (void)state;
    add_many(post, 1, "echo", 8);
    post_connect(post, 0);
    for (unsigned round = 0; round < 10; round++) {
        uint64_t gap = round < 7 ? first_ms[round] : 15000;
        for (unsigned part = 0; part < PARTS; part++) {
            for (unsigned i = 0; i < PRESENT / PARTS; i++)
                hear_of(post, part * (PRESENT / PARTS) + i);
            post_run(post, gap * NS_PER_MS / PARTS);
        }
    }
    assert_in_range(post->sent_of[MESSAGE_HELLO], 8, 12);
    post_free(post);
}

static void in_a_flood_one_hello_of_so_many_is_ours(void **state)
{
    struct post *post = post_new(12, 1);
    (void)state;
    add_many(post, 1, "echo", 8);
    post_connect(post, 0);
    post_run(post, 86400 * NS_PER_S); /* a day is no licence for more */
    unsigned before = post->sent_of[MESSAGE_HELLO];
    for (unsigned ms = 0; ms < 3000; ms++) { /* 700 ids, 10,000 hellos a second */
        for (unsigned i = 0; i < 10; i++)
            hear_of(post, (ms * 10 + i) % 700);
        post_run(post, NS_PER_MS);
    }
    assert_in_range(post->sent_of[MESSAGE_HELLO] - before, 60, 100); /* 30 a second */
    for (unsigned ms = 0; ms < 70000; ms++) {
        for (unsigned i = 0; i < 10; i++)
            hear_of(post, (ms * 10 + i) % 700);
        post_run(post, NS_PER_MS);
    }
    assert_in_range(post->sent_of[MESSAGE_HELLO] - before, 1800, 1800 + 100 + 10); /* not for ever */
    post_free(post);
}

/* The bye of its places in somebody else's name ends nothing. */
static void a_forged_word_that_no_place_is_left_ends_nothing(void **state)
{
    struct post *post = post_new(10, 1);
    (void)state;
    post_add(post, post_config());
    post_add(post, post_config());
    post_connect(post, 0);
    post_run(post, 100 * NS_PER_MS);
    post_connect(post, 1);
    for (unsigned i = 0; i < 40; i++) {
        struct message full = {.type = MESSAGE_HELLO, .about = {.purpose = "chat"}};
        char text[MESSAGE_MAX], hello[TOPIC_MAX], inbox[TOPIC_MAX];
        uint8_t key[VEIL_KEY_LEN];
        for (unsigned of = 0; of < 2; of++) {
            memcpy(full.from, rendezvous_id(post->hosts[of].machine), sizeof full.from);
            veil_key(key, "demo");
            veil_close(key, &full);
            size_t len = message_encode(&full, text, sizeof text);
            rendezvous_topics(post->hosts[!of].machine, hello, inbox);
            rendezvous_input(post->hosts[!of].machine, post->now, 0, hello, (const uint8_t *)text, len);
        }
        post_run(post, 10 * NS_PER_MS);
    }
    assert_true(post_are_joined(post, 0, 1));
    assert_int_equal(post->hosts[0].byes + post->hosts[1].byes, 0);
    post_free(post);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_all_fit_everybody_answers_at_once),
        cmocka_unit_test(as_many_answer_at_once_as_fit_and_nobody_waits_for_three_seconds),
        cmocka_unit_test(of_another_kind_we_are_one_more_who_could_answer),
        cmocka_unit_test(who_is_full_says_so_after_one_to_two_seconds_and_few_say_so_early),
        cmocka_unit_test(who_is_full_is_spared_when_eight_have_said_so_since_and_who_is_not_never),
        cmocka_unit_test(only_an_answer_to_a_hello_is_withheld_and_counted_if_there_was_a_place),
        cmocka_unit_test(twelve_hundred_hellos_are_a_flood_for_the_four_seconds_after_theirs_too),
        cmocka_unit_test(in_a_flood_answers_wait_for_the_quota_alone),
        cmocka_unit_test(who_wants_one_of_a_name_waits_for_nobody),
        cmocka_unit_test(who_wants_one_of_a_name_meets_fifteen_in_a_second),
        cmocka_unit_test(a_newcomer_among_hundreds_costs_the_broker_a_handful_of_messages),
        cmocka_unit_test(who_is_on_its_way_keeps_its_place_for_a_while),
        cmocka_unit_test(who_has_arrived_keeps_no_second_place),
        cmocka_unit_test(who_is_full_says_so_when_somebody_knocks_and_not_otherwise),
        cmocka_unit_test(who_serves_and_is_full_tells_each_who_waits_and_takes_it_when_a_place_is_free),
        cmocka_unit_test(among_hundreds_who_are_full_a_few_say_so),
        cmocka_unit_test(who_leaves_tells_nobody_that_no_place_is_left),
        cmocka_unit_test(a_room_of_a_thousand_does_not_make_us_say_hello_more_often),
        cmocka_unit_test(in_a_flood_one_hello_of_so_many_is_ours),
        cmocka_unit_test(a_forged_word_that_no_place_is_left_ends_nothing),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
