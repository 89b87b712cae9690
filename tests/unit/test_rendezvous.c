/* test_rendezvous.c - two to five peers meet over brokers that lose, repeat and shuffle. The net is post.h.
 */
#include "meeting.h"
#include "post.h"
#include "veil.h"
#include <sodium.h>

enum { PAIR_LETTERS = 8 }; /* hello twice, pake1 to 3, candidates twice; with glare one pake1 more */

static struct post *pair(uint64_t seed, unsigned brokers)
{
    struct post *post = post_new(seed, brokers);
    post_add(post, post_config());
    post_add(post, post_config());
    return post;
}

static void connect_all(struct post *post)
{
    for (unsigned i = 0; i < post->host_count; i++)
        post_connect(post, i);
}

static struct rendezvous_stats stats_of(const struct host *host)
{
    struct rendezvous_stats stats;
    rendezvous_stats(host->machine, &stats);
    return stats;
}

static void assert_joined_once(struct post *post)
{
    for (unsigned i = 0; i < post->host_count; i++) {
        assert_int_equal(post->hosts[i].peers, post->host_count - 1);
        assert_int_equal(post->hosts[i].failed + post->hosts[i].byes + post->hosts[i].busy, 0);
    }
    assert_true(post_all_joined(post));
}

static void two_that_start_together_meet_once_and_the_larger_id_is_the_initiator(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct post *post = pair(seed, 1);
        connect_all(post);
        assert_int_equal(post_join(post, NS_PER_S), 4 * post->delay);
        post_run(post, 10 * NS_PER_S);
        assert_joined_once(post);
        bool first_is_larger =
            strcmp(rendezvous_id(post->hosts[0].machine), rendezvous_id(post->hosts[1].machine)) > 0;
        assert_int_equal(post_link_to(&post->hosts[0], &post->hosts[1])->role,
                         first_is_larger ? PAKE_INITIATOR : PAKE_RESPONDER);
        assert_true(post->sent <= PAIR_LETTERS);
        post_free(post);
    }
}

static void who_hears_the_newcomer_is_the_initiator(void **state)
{
    struct post *post = pair(1, 1);
    (void)state;
    post_connect(post, 0);
    post_run(post, 100 * NS_PER_MS);
    post_connect(post, 1);
    assert_int_equal(post_join(post, NS_PER_S), 4 * post->delay); /* hello, pake1, pake2, pake3 */
    post_run(post, NS_PER_S);
    assert_joined_once(post);
    assert_int_equal(post_link_to(&post->hosts[0], &post->hosts[1])->role, PAKE_INITIATOR);
    assert_int_equal(post->sent, PAIR_LETTERS - 1);
    assert_int_equal(post->sent_of[MESSAGE_SEALED], 2);
    assert_int_equal(post_link_to(&post->hosts[0], &post->hosts[1])->delay, post->delay);
    assert_int_equal(post_link_to(&post->hosts[1], &post->hosts[0])->delay, post->delay);
    post_free(post);
}

enum mishap { LOST, TWICE, LATE, VERY_LATE, MISHAPS };

static void befall(struct post *post, enum mishap mishap, unsigned n)
{
    *(mishap == LOST ? &post->lose : mishap == TWICE ? &post->twice : &post->late) = n;
    post->late_by = (mishap == LATE ? 60 : 900) * NS_PER_MS;
}

/* In both start orders: every letter of the exchange in turn. */
static void any_one_letter_may_be_lost_repeated_or_late(void **state)
{
    (void)state;
    for (unsigned together = 0; together < 2; together++) {
        for (unsigned mishap = 0; mishap < MISHAPS; mishap++) {
            for (unsigned n = 1; n <= PAIR_LETTERS; n++) {
                struct post *post = pair(100 + n, 1);
                befall(post, mishap, n);
                post_connect(post, 0);
                post_run(post, together ? 0 : 100 * NS_PER_MS);
                post_connect(post, 1);
                assert_true(post_join(post, NS_PER_S) != NEVER);
                post_run(post, 10 * NS_PER_S);
                assert_joined_once(post);
                assert_true(post->hosts[0].candidates == 1 && post->hosts[1].candidates == 1);
                post_free(post);
            }
        }
    }
}

static void every_letter_may_come_twice(void **state)
{
    struct post *post = pair(7, 1);
    (void)state;
    post->duplication = 100;
    connect_all(post);
    post_run(post, 5 * NS_PER_S);
    assert_joined_once(post);
    assert_int_equal(post->hosts[0].candidates, 1);
    assert_int_equal(post->hosts[1].candidates, 1);
    assert_true(stats_of(&post->hosts[0]).replayed > 0);
    assert_true(post->sent <= PAIR_LETTERS);
    post_free(post);
}

/* The same seed gives the same bytes, so what a run says later can be known now: each host is handed each
 * letter of the whole exchange, its own too, after each delivery. */
static void every_state_takes_every_message(void **state)
{
    unsigned tried = 0;
    (void)state;
    for (unsigned together = 0; together < 2; together++) {
        struct post *known = pair(11, 1);
        post_connect(known, 0);
        post_run(known, together ? 0 : 100 * NS_PER_MS);
        post_connect(known, 1);
        post_run(known, 5 * NS_PER_S);
        for (unsigned step = 0; step < 24; step++) {
            for (unsigned n = 0; n < known->sent; n++) {
                const struct record *record = &known->records[n];
                struct post *post = pair(11, 1);
                post_connect(post, 0);
                post_run(post, together ? 0 : 100 * NS_PER_MS);
                post_connect(post, 1);
                for (unsigned i = 0; i < step; i++)
                    post_step(post, NEVER - 1);
                for (unsigned to = 0; to < 2; to++)
                    rendezvous_input(post->hosts[to].machine, post->now, 0, record->topic,
                                     (const uint8_t *)record->data, record->len);
                post_run(post, 30 * NS_PER_S);
                if (!post_all_joined(post) || post->hosts[0].failed || post->hosts[1].failed)
                    fail_msg("letter %u (type %d) after step %u", n, (int)record->type, step);
                tried++;
                post_free(post);
            }
        }
        post_free(known);
    }
    assert_true(tried >= 2 * 24 * 7);
}

static void shuffle_one(uint64_t seed)
{
    static const unsigned sizes[] = {2, 3, 5};
    unsigned count = sizes[seed % 3];
    struct post *post = post_new(seed, 1 + seed / 3 % 2);
    post->loss = 20;
    post->duplication = 20;
    post->jitter = 300 * NS_PER_MS;
    for (unsigned i = 0; i < count; i++)
        post_add(post, post_config());
    for (unsigned i = 0; i < count; i++) {
        post_connect(post, i);
        post_run(post, post_draw(&post->seed) % 3 ? 0 : post_draw(&post->seed) % (2 * NS_PER_S));
    }
    post_run(post, 90 * NS_PER_S);
    for (unsigned i = 0; i < count; i++) {
        const struct host *host = &post->hosts[i];
        if (host->peers != count - 1 || host->failed || host->byes)
            fail_msg("seed %llu: host %u met %u, %u failed, %u ended", (unsigned long long)seed, i,
                     host->peers, host->failed, host->byes);
    }
    if (!post_all_joined(post))
        fail_msg("seed %llu: somebody is not joined", (unsigned long long)seed);
    post_free(post);
}

/* SEED=n in the environment runs one of them. */
static void a_thousand_shuffled_rooms_all_end_with_everybody_proven_once(void **state)
{
    const char *only = getenv("SEED");
    (void)state;
    if (only)
        shuffle_one(strtoull(only, NULL, 10));
    for (uint64_t seed = 0; !only && seed < 1000; seed++)
        shuffle_one(seed);
}

static void copies_of_one_letter_through_two_brokers_count_once(void **state)
{
    struct post *post = pair(3, 2);
    (void)state;
    connect_all(post);
    post_run(post, 10 * NS_PER_S);
    assert_joined_once(post);
    assert_true(post->sent <= PAIR_LETTERS);
    for (unsigned i = 0; i < post->sent; i++) {
        bool hello = post->records[i].type == MESSAGE_HELLO;
        assert_int_equal(post->records[i].brokers,
                         hello ? 3 : 1); /* the first answer came through broker 0 */
    }
    post_free(post);
}

/* The peer's side of broker 0 is dead: what goes there alone is not heard. */
static void after_a_second_without_an_answer_every_broker_is_used(void **state)
{
    struct post *post = pair(3, 2);
    (void)state;
    post->broken = 1;
    for (unsigned i = 0; i < 2; i++) {
        post_connect(post, i);
        rendezvous_connected(post->hosts[i].machine, post->now, 0); /* it only seems so */
    }
    assert_true(post_join(post, NS_PER_S) != NEVER); /* hello came through broker 1, so the rest goes there */
    post->broken = 2;
    struct description more = post_description();
    post->hosts[0].candidates = post->hosts[1].candidates = 0;
    post->hosts[1].keeps_talking = true;
    post_run(post, 5 * NS_PER_S);
    unsigned before = post->hosts[1].candidates;
    struct link *link = post_link_to(&post->hosts[0], &post->hosts[1]);
    rendezvous_send_candidates(post->hosts[0].machine, post->now, link->handle, &more);
    post_run(post, 990 * NS_PER_MS);
    assert_int_equal(post->hosts[1].candidates, before);
    post_run(post, 100 * NS_PER_MS);
    assert_int_equal(post->hosts[1].candidates, before + 1);
    post_free(post);
}

static void a_dead_broker_costs_nothing(void **state)
{
    struct post *post = pair(5, 2);
    (void)state;
    post->broken = 1;
    connect_all(post);
    assert_int_equal(post_join(post, NS_PER_S), 4 * post->delay);
    post_run(post, NS_PER_S);
    assert_joined_once(post);
    post_free(post);
}

/* The responder finds more of its addresses before pake3 has come: that it says so is no answer to pake3. */
static void candidates_right_behind_pake2_do_not_stop_pake3(void **state)
{
    struct post *post = pair(5, 1);
    struct rendezvous_event event;
    (void)state;
    connect_all(post);
    while (post_drain(post), !post->sent_of[MESSAGE_PAKE2]) {
        post->now = post_next(post);
        post_deliver(post);
    }
    struct record *pake2 = post->records;
    while (pake2->type != MESSAGE_PAKE2)
        pake2++;
    struct host *responder = &post->hosts[pake2->from], *initiator = &post->hosts[!pake2->from];
    struct description more = post_description();
    rendezvous_send_candidates(responder->machine, post->now, responder->last_wanted, &more);
    post_drain(post);
    post->now += post->delay;
    while (post->flight_count) { /* all of it is read before anything is written */
        assert_true(post_deliver(post));
        while (rendezvous_event(initiator->machine, &event))
            post_react(post, initiator, &event);
    }
    assert_in_range(post_join(post, NS_PER_S), 0, 5 * post->delay);
    post_free(post);
}

static void only_the_first_hello_is_said_before_a_broker_is_connected(void **state)
{
    struct post *post = pair(9, 2);
    (void)state;
    post->hosts[0].online = true; /* it runs, but no broker is connected */
    post_run(post, 60 * NS_PER_S);
    assert_int_equal(post->sent, 1);
    assert_int_equal(post->records[0].brokers, 3);
    assert_int_equal(post->records[0].type, MESSAGE_HELLO);
    rendezvous_connected(post->hosts[0].machine, post->now, 0);
    post_run(post, 190 * NS_PER_MS); /* the first flight had it: not again at once */
    assert_int_equal(post->sent, 1);
    post_run(post, 120 * NS_PER_MS);
    assert_int_equal(post->sent, 2);
    assert_int_equal(post->records[1].brokers, 1);
    rendezvous_connected(post->hosts[0].machine, post->now, 1);
    rendezvous_disconnected(post->hosts[0].machine, post->now, 0);
    rendezvous_connected(post->hosts[0].machine, post->now, 0);
    post_run(post, 0);
    assert_int_equal(post->sent, 3); /* connected again: said there, and there alone */
    assert_int_equal(post->records[2].brokers, 1);
    post_free(post);
}

static void alone_hello_is_repeated_ever_more_rarely(void **state)
{
    static const uint64_t expected_ms[] = {250, 500, 1000, 2000, 4000, 8000, 15000, 15000, 15000};
    struct post *post = post_new(21, 1);
    bool differ = false;
    (void)state;
    post_add(post, post_config());
    post_connect(post, 0);
    post_run(post, 60 * NS_PER_S);
    assert_true(post->sent >= 8);
    for (unsigned i = 1; i < post->sent; i++) {
        uint64_t gap = (post->records[i].at - post->records[i - 1].at) / NS_PER_MS;
        assert_in_range(gap, expected_ms[i - 1] * 8 / 10 - 1, expected_ms[i - 1] * 12 / 10 + 1);
        differ = differ || gap != expected_ms[i - 1];
    }
    assert_true(differ); /* jitter */
    post_free(post);
}

static void with_company_hello_is_rare_and_without_slots_silent(void **state)
{
    struct post *post = pair(22, 1);
    (void)state;
    connect_all(post);
    post_run(post, NS_PER_S);
    unsigned hellos = post->sent_of[MESSAGE_HELLO];
    post_run(post, 60 * NS_PER_S);
    assert_in_range(post->sent_of[MESSAGE_HELLO] - hellos, 6, 10); /* two peers, every 12 to 18 s */
    for (unsigned i = 0; i < 2; i++)
        rendezvous_set_slots(post->hosts[i].machine, post->now, 0);
    hellos = post->sent_of[MESSAGE_HELLO];
    post_run(post, 60 * NS_PER_S);
    assert_int_equal(post->sent_of[MESSAGE_HELLO], hellos);
    rendezvous_set_slots(post->hosts[0].machine, post->now, 1);
    post_run(post, 0);
    assert_int_equal(post->sent_of[MESSAGE_HELLO], hellos + 1);
    post_free(post);
}

static void without_slots_nobody_is_met(void **state)
{
    struct post *post = pair(23, 1);
    (void)state;
    rendezvous_set_slots(post->hosts[0].machine, post->now, 0);
    connect_all(post);
    post_run(post, 10 * NS_PER_S);
    assert_int_equal(post->hosts[0].wanted + post->hosts[1].wanted + post->sent_of[MESSAGE_PAKE1], 0);
    rendezvous_set_slots(post->hosts[0].machine, post->now, 1);
    assert_true(post_join(post, NS_PER_S) != NEVER);
    post_free(post);
}

static void only_matching_purposes_meet(void **state)
{
    struct post *post = post_new(24, 1);
    struct rendezvous_config config = post_config();
    (void)state;
    post_add(post, config);
    config.purpose = "pipe";
    post_add(post, config);
    config.purpose = "echo";
    post_add(post, config);
    connect_all(post);
    post_run(post, 20 * NS_PER_S);
    assert_int_equal(post->hosts[0].peers, 0);
    assert_true(post_are_joined(post, 1, 2));
    post_free(post);
}

/* ---- a room of three ---- */

static unsigned add_chat(struct post *post)
{
    unsigned n = post_add(post, post_config());
    post->hosts[n].places = 8;
    return n;
}

/* What `from` has said and `to` has not heard yet. */
static void lose_flights(struct post *post, unsigned from, unsigned to)
{
    struct message message;
    for (unsigned i = post->flight_count; i--;) {
        struct flight flight = post->flights[i];
        assert_true(message_decode(&message, flight.data, flight.len));
        if (flight.to != to || strcmp(message.from, rendezvous_id(post->hosts[from].machine)) != 0)
            continue;
        post->flights[i] = post->flights[--post->flight_count];
        free(flight.data);
    }
}

/* They come together and neither hears the other; how long it takes them to meet all the same. */
static uint64_t two_miss_each_other(struct post *post)
{
    unsigned a = add_chat(post), b = add_chat(post);
    post_connect(post, a);
    post_connect(post, b);
    lose_flights(post, a, b);
    lose_flights(post, b, a);
    uint64_t begun = post->now;
    while (!post_are_joined(post, a, b))
        assert_true(post_step(post, begun + 20 * NS_PER_S));
    return post->now - begun;
}

static void leave(struct post *post, unsigned n)
{
    struct host *host = &post->hosts[n];
    rendezvous_set_slots(host->machine, post->now, 0);
    for (size_t i = 0; i < LINKS_MAX; i++)
        rendezvous_bye(host->machine, post->now, host->links[i].handle, "");
    post_run(post, NS_PER_S);
    host->down = true;
}

static void in_a_room_of_three_two_who_missed_each_other_meet_within_three_seconds(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct post *post = post_new(seed, 1);
        post_connect(post, add_chat(post));
        post_run(post, (seed % 2 ? 10 : 1) * NS_PER_S);
        assert_in_range(two_miss_each_other(post), 0, 3200 * NS_PER_MS);
        post_run(post, 10 * NS_PER_S);
        leave(post, 1);
        leave(post, 2);
        post_count_places(post, &post->hosts[0]);
        post_run(post, 30 * NS_PER_S); /* who has been alone again does as much for the next two */
        assert_in_range(two_miss_each_other(post), 0, 3200 * NS_PER_MS);
        post_free(post);
    }
}

static void whom_a_newcomer_missed_greets_it_within_three_seconds(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct post *post = post_new(seed, 1);
        for (unsigned i = 0; i < 2; i++)
            post_connect(post, add_chat(post));
        post_run(post, 30 * NS_PER_S);
        post_connect(post, add_chat(post));
        lose_flights(post, 2, 1);
        assert_in_range(post_join(post, 20 * NS_PER_S), 0, 3200 * NS_PER_MS);
        post_free(post);
    }
}

static void in_a_room_of_two_nobody_says_more_for_that(void **state)
{
    struct post *post = post_new(24, 1);
    (void)state;
    for (unsigned i = 0; i < 2; i++)
        post_connect(post, add_chat(post));
    assert_true(post_join(post, NS_PER_S) != NEVER);
    uint64_t last[2] = {post->now, post->now};
    unsigned before = post->sent;
    post_run(post, 60 * NS_PER_S);
    for (unsigned i = before; i < post->sent; i++) {
        const struct record *record = &post->records[i];
        if (record->type != MESSAGE_HELLO)
            continue;
        assert_true(record->at - last[record->from] > 11 * NS_PER_S);
        last[record->from] = record->at;
    }
    post_free(post);
}

/* Receivers of one sender: there are many of them, but not for each other. */
static void who_does_not_meet_its_own_kind_says_nothing_for_them(void **state)
{
    struct post *post = post_new(25, 1);
    struct rendezvous_config config = post_config();
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        config.purpose = i ? "receive" : "send";
        post->hosts[post_add(post, config)].places = 8;
    }
    connect_all(post);
    post_run(post, 10 * NS_PER_S);
    assert_true(post_are_joined(post, 0, 1) && post_are_joined(post, 0, 2));
    assert_int_equal(post->sent_of[MESSAGE_HELLO], 3 + 1); /* the sender has met two */
    post_free(post);
}

/* In the name of who is there: it has given all places but one away. */
static void a_forged_word_of_a_third_makes_us_say_hello_once(void **state)
{
    struct message few = {.type = MESSAGE_HELLO, .about = {.purpose = "chat", .slots = 1}};
    struct post *post = post_new(26, 1);
    char text[MESSAGE_MAX], hello[TOPIC_MAX], inbox[TOPIC_MAX];
    uint8_t key[VEIL_KEY_LEN];
    (void)state;
    for (unsigned i = 0; i < 2; i++)
        post_connect(post, add_chat(post));
    assert_true(post_join(post, NS_PER_S) != NEVER);
    unsigned before = post->sent_of[MESSAGE_HELLO];
    memcpy(few.from, rendezvous_id(post->hosts[1].machine), sizeof few.from);
    veil_key(key, "demo");
    veil_close(key, &few);
    size_t len = message_encode(&few, text, sizeof text);
    rendezvous_topics(post->hosts[0].machine, hello, inbox);
    for (unsigned i = 0; i < 100; i++) {
        rendezvous_input(post->hosts[0].machine, post->now, 0, hello, (const uint8_t *)text, len);
        post_run(post, 100 * NS_PER_MS);
    }
    assert_int_equal(post->sent_of[MESSAGE_HELLO] - before, 1);
    post_free(post);
}

/* ---- proof ---- */

static struct post *strangers(uint64_t seed)
{
    struct post *post = post_new(seed, 1);
    struct rendezvous_config config = post_config();
    config.secret = (const uint8_t *)"correct horse";
    config.secret_len = 13;
    post_add(post, config);
    config.secret = (const uint8_t *)"wrong horse 1";
    post_add(post, config);
    return post;
}

static void a_wrong_secret_fails_on_both_sides_and_the_newcomer_knows_that_it_is_later(void **state)
{
    (void)state;
    for (unsigned mishap = 0; mishap < 2; mishap++) {
        for (unsigned n = 0; n < 6; n++) {
            struct post *post = strangers(30 + n);
            befall(post, mishap, n);
            post_connect(post, 0);
            post_run(post, 1200 * NS_PER_MS);
            post_connect(post, 1);
            post_run(post, 4 * NS_PER_S);
            for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(post->hosts[i].failed, 1);
                assert_int_equal(post->hosts[i].later, i);
                assert_int_equal(post->hosts[i].peers + post->hosts[i].gone, 0);
            }
            post_free(post);
        }
    }
}

static void who_is_later_stays_later_when_they_try_again(void **state)
{
    (void)state;
    for (uint64_t seed = 60; seed < 66; seed++) { /* either id may be the smaller */
        struct post *post = strangers(seed);
        post_connect(post, 0);
        post_run(post, 1200 * NS_PER_MS);
        post_connect(post, 1);
        post_run(post, 60 * NS_PER_S);
        assert_true(post->hosts[1].failed >= 2);
        assert_int_equal(post->hosts[1].later, post->hosts[1].failed);
        assert_int_equal(post->hosts[0].later, 0);
        post_free(post);
    }
}

static void who_came_a_fifth_of_a_second_later_is_later(void **state)
{
    static const unsigned gap_ms[] = {200, 500, 950, 1000, 1050, 3000, 12000};
    (void)state;
    for (size_t i = 0; i < sizeof gap_ms / sizeof *gap_ms; i++) {
        for (uint64_t seed = 80; seed < 86; seed++) { /* either id may be the smaller */
            struct post *post = strangers(seed);
            post_connect(post, 0);
            post_run(post, gap_ms[i] * NS_PER_MS);
            post_connect(post, 1);
            post_run(post, 2 * NS_PER_S);
            assert_int_equal(post->hosts[1].later, 1);
            assert_int_equal(post->hosts[0].later, 0);
            post_free(post);
        }
    }
}

static void of_two_that_came_together_the_smaller_id_is_later(void **state)
{
    struct post *post = strangers(41);
    (void)state;
    connect_all(post);
    post_run(post, 3 * NS_PER_S);
    unsigned smaller =
        strcmp(rendezvous_id(post->hosts[0].machine), rendezvous_id(post->hosts[1].machine)) > 0;
    assert_int_equal(post->hosts[0].failed + post->hosts[1].failed, 2);
    assert_int_equal(post->hosts[smaller].later, 1);
    assert_int_equal(post->hosts[!smaller].later, 0);
    post_free(post);
}

static void a_failed_peer_is_tried_again_only_after_six_seconds(void **state)
{
    struct post *post = strangers(42);
    (void)state;
    connect_all(post);
    uint64_t last = 0;
    unsigned tries = 0;
    post_run(post, 60 * NS_PER_S);
    for (unsigned i = 0; i < post->sent; i++) {
        if (post->records[i].type != MESSAGE_PAKE2)
            continue;
        assert_true(!tries || post->records[i].at - last >= 6 * NS_PER_S);
        last = post->records[i].at;
        tries++;
    }
    assert_true(tries >= 2);
    post_free(post);
}

static void the_same_secret_joins_and_gives_both_the_same_words(void **state)
{
    struct post *post = post_new(43, 1);
    struct rendezvous_config config = post_config();
    config.secret = (const uint8_t *)"correct horse";
    config.secret_len = 13;
    (void)state;
    post_add(post, config);
    post_add(post, config);
    connect_all(post);
    assert_true(post_join(post, NS_PER_S) != NEVER); /* which compares keys and words */
    struct link *a = post_link_to(&post->hosts[0], &post->hosts[1]);
    assert_false(sodium_is_zero(a->key, sizeof a->key));
    assert_false(sodium_is_zero(a->words, sizeof a->words));
    post_free(post);
}

/* ---- tampering: one field of one message ---- */

static enum message_type tampered_type;
static unsigned tampered_field;

static void alter(struct message *message)
{
    struct message_about *about = &message->about;
    switch (tampered_field) {
    case 0:
        about->capabilities ^= 1;
        break;
    case 1:
        strcpy(about->purpose, "ping");
        break;
    case 2:
        about->slots ^= 1;
        break;
    case 3:
        about->fresh = !about->fresh;
        break;
    case 4:
        message->point[3] ^= 1;
        break;
    case 5:
        message->commit[0] ^= 1;
        break;
    case 6:
        message->tag[31] ^= 1;
        break;
    case 7:
        message->reveal[0] ^= 1;
        break;
    case 8:
        message->sealed[50] ^= 1;
        break;
    case 9:
        message->sequence++;
        break;
    case 11:
        about->nonce[15] ^= 1;
        break;
    default:
        message->sealed_len = 0;
    }
}

enum { TAMPERED_FIELDS = 12 };

static bool tamper(struct post *post, unsigned from, struct letter *letter, enum message_type type)
{
    static struct message message;
    (void)post;
    (void)from;
    if (type != tampered_type)
        return true;
    uint8_t key[VEIL_KEY_LEN];
    veil_key(key, "demo");
    assert_true(message_decode(&message, (const uint8_t *)letter->data, letter->len));
    if (type != MESSAGE_PAKE3)
        assert_true(veil_open(key, &message));
    alter(&message);
    veil_close(key, &message); /* whoever alters knows the room's name */
    letter->len = message_encode(&message, letter->data, sizeof letter->data);
    return letter->len > 0;
}

static void nothing_that_was_altered_is_believed(void **state)
{
    static const unsigned of_type[] = {
        [MESSAGE_PAKE1] = 0x83f, [MESSAGE_PAKE2] = 0xbdf, [MESSAGE_PAKE3] = 0x740};
    unsigned tried = 0;
    (void)state;
    for (tampered_type = MESSAGE_PAKE1; tampered_type <= MESSAGE_PAKE3; tampered_type++) {
        for (tampered_field = 0; tampered_field < TAMPERED_FIELDS; tampered_field++) {
            if (!(of_type[tampered_type] >> tampered_field & 1))
                continue;
            struct post *post = pair(50 + tampered_field, 1);
            post->tamper = tamper;
            connect_all(post);
            post_run(post, 5 * NS_PER_S);
            if (post_all_joined(post) || post->hosts[0].failed + post->hosts[1].failed == 0)
                fail_msg("field %u of pake%u", tampered_field, (unsigned)tampered_type);
            tried++;
            post_free(post);
        }
    }
    assert_int_equal(tried, 7 + 10 + 4);
}

/* What is said in pake2 counts; the runs that were made with the wrong nonce have to expire, three at most.
 */
static void a_hello_whose_nonce_was_altered_keeps_nobody_apart(void **state)
{
    (void)state;
    for (unsigned seed = 52; seed < 72; seed++) {
        struct post *post = pair(seed, 1);
        tampered_type = MESSAGE_HELLO;
        tampered_field = 11;
        post->tamper = tamper;
        connect_all(post);
        assert_true(post_join(post, (3 * INVITED_MAX_S + 1) * NS_PER_S) != NEVER);
        assert_int_equal(post->hosts[0].failed + post->hosts[1].failed, 0);
        post_free(post);
    }
}

/* Whoever said pake3 has a session already; it must hear that the other side has none. */
static void a_pake3_that_was_altered_fails_on_both_sides(void **state)
{
    static const unsigned fields[] = {6, 8, 9, 10}; /* tag, box, number, no box */
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct post *post = pair(60 + i, 1);
        tampered_type = MESSAGE_PAKE3;
        tampered_field = fields[i];
        post->tamper = tamper;
        connect_all(post);
        post_run(post, 5 * NS_PER_S);
        assert_true(post->hosts[0].failed == 1 && post->hosts[1].failed == 1);
        assert_int_equal(post->hosts[0].later + post->hosts[1].later, 1);
        post->tamper = NULL;
        assert_true(post_join(post, 30 * NS_PER_S) != NEVER);
        post_free(post);
    }
}

static void a_session_recorded_in_another_room_life_changes_nothing(void **state)
{
    struct post *old = pair(60, 1), *post = pair(61, 1);
    char hello[TOPIC_MAX], inbox[TOPIC_MAX];
    (void)state;
    connect_all(old);
    post_run(old, 5 * NS_PER_S);
    connect_all(post);
    assert_true(post_join(post, NS_PER_S) != NEVER);
    for (unsigned i = 0; i < old->sent; i++) {
        const struct record *record = &old->records[i];
        for (unsigned to = 0; to < 2; to++) {
            rendezvous_topics(post->hosts[to].machine, hello, inbox);
            bool for_all = record->type == MESSAGE_HELLO || record->type == MESSAGE_BYE;
            post_put(post, post->now, to, 0, record->topic, record->data, record->len);
            post_put(post, post->now, to, 0, for_all ? hello : inbox, record->data, record->len);
        }
    }
    post_run(post, 20 * NS_PER_S);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(post->hosts[i].peers + post->hosts[i].byes + post->hosts[i].hints, 1);
    assert_true(post_all_joined(post));
    post_free(old);
    post_free(post);
}

/* ---- the rest of the contract ---- */

static void programs_of_one_machine_know_each_other_and_no_others(void **state)
{
    static const uint8_t here[32] = {1}, there[32] = {2};
    static const uint8_t *const machines[][2] = {{here, here}, {here, there}, {here, NULL}, {NULL, NULL}};
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct post *post = post_new(70 + i, 1);
        struct rendezvous_config config = post_config();
        config.machine = machines[i][0];
        post_add(post, config);
        config.machine = machines[i][1];
        post_add(post, config);
        connect_all(post);
        assert_true(post_join(post, NS_PER_S) != NEVER);
        assert_int_equal(post_link_to(&post->hosts[0], &post->hosts[1])->same_machine, i == 0);
        assert_int_equal(post_link_to(&post->hosts[1], &post->hosts[0])->same_machine, i == 0);
        post_free(post);
    }
}

static void traces_come_only_when_asked_for(void **state)
{
    struct post *post = pair(80, 1);
    (void)state;
    rendezvous_set_trace(post->hosts[0].machine, true);
    connect_all(post);
    post_run(post, NS_PER_S);
    assert_in_range(post->hosts[0].traces, 8, 14);
    assert_int_equal(post->hosts[1].traces, 0);
    post_free(post);
}

static void sealed_messages_are_repeated_until_settled(void **state)
{
    struct post *post = pair(81, 1);
    (void)state;
    post->hosts[0].keeps_talking = post->hosts[1].keeps_talking = true;
    connect_all(post);
    post_run(post, 10 * NS_PER_S);
    assert_int_equal(post->sent_of[MESSAGE_SEALED], 10); /* at once, and after 0.25, 0.5, 1 and 2 s */
    assert_int_equal(post->hosts[0].candidates + post->hosts[1].candidates, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(stats_of(&post->hosts[i]).replayed >= 4);
        assert_int_equal(stats_of(&post->hosts[i]).failed, 0);
    }
    post_free(post);
}

static const struct record *last_of(const struct post *post, enum message_type type, unsigned from)
{
    for (unsigned i = post->sent; i--;)
        if (post->records[i].type == type && post->records[i].from == from)
            return &post->records[i];
    return NULL;
}

static void an_unanswered_pake1_is_given_up_until_the_next_hello(void **state)
{
    struct post *post = pair(82, 1);
    (void)state;
    post_connect(post, 0);
    post_run(post, 100 * NS_PER_MS);
    post_connect(post, 1);
    post->hosts[1].down = true;
    post_run(post, 6 * NS_PER_S);
    assert_int_equal(post->sent_of[MESSAGE_PAKE1], 5); /* at once, and after 0.25, 0.5, 1 and 2 s */
    const struct record *hello = last_of(post, MESSAGE_HELLO, 1);
    const struct record *first = last_of(post, MESSAGE_PAKE1, 0);
    post_put(post, post->now, 0, 0, hello->topic, hello->data, hello->len);
    post_run(post, 3 * NS_PER_S);
    assert_int_equal(post->sent_of[MESSAGE_PAKE1], 10);
    assert_memory_equal(last_of(post, MESSAGE_PAKE1, 0)->data, first->data, first->len);
    post_run(post, 12 * NS_PER_S);
    post_put(post, post->now, 0, 0, hello->topic, hello->data, hello->len);
    post_run(post, 3 * NS_PER_S);
    assert_int_equal(post->sent_of[MESSAGE_PAKE1], 15); /* so late with a new scalar */
    assert_memory_not_equal(last_of(post, MESSAGE_PAKE1, 0)->data, first->data, first->len);
    post->hosts[1].down = false;
    assert_true(post_join(post, 20 * NS_PER_S) != NEVER);
    assert_joined_once(post);
    post_free(post);
}

static void a_pake1_that_comes_again_gets_the_same_pake2(void **state)
{
    struct post *post = pair(83, 1);
    (void)state;
    post_connect(post, 0);
    post_run(post, 100 * NS_PER_MS);
    post_connect(post, 1);
    while (!post->sent_of[MESSAGE_PAKE2])
        assert_true(post_step(post, NEVER - 1));
    post->hosts[0].down = true;
    const struct record *pake1 = last_of(post, MESSAGE_PAKE1, 0);
    const struct record *pake2 = last_of(post, MESSAGE_PAKE2, 1);
    post_run(post, 120 * NS_PER_MS);
    assert_int_equal(post->sent_of[MESSAGE_PAKE2], 1);
    post_put(post, post->now, 1, 0, pake1->topic, pake1->data, pake1->len);
    post_run(post, NS_PER_MS);
    assert_int_equal(post->sent_of[MESSAGE_PAKE2], 2);
    assert_memory_equal(last_of(post, MESSAGE_PAKE2, 1)->data, pake2->data, pake2->len);
    post_free(post);
}

static void garbage_is_counted_and_dropped(void **state)
{
    static uint8_t huge[1 << 20];
    static const char *const texts[] = {"",
                                        "{",
                                        "[]",
                                        "null",
                                        "{}",
                                        "\xff\xfe",
                                        "{\"v\":2,\"type\":\"hello\"}",
                                        "{\"v\":1,\"type\":\"hello\",\"from\":7}"};
    struct post *post = pair(90, 1);
    char hello[TOPIC_MAX], inbox[TOPIC_MAX];
    (void)state;
    connect_all(post);
    assert_true(post_join(post, NS_PER_S) != NEVER);
    struct rendezvous *machine = post->hosts[0].machine;
    uint64_t before = stats_of(&post->hosts[0]).malformed;
    rendezvous_topics(machine, hello, inbox);
    memset(huge, '[', sizeof huge);
    rendezvous_input(machine, post->now, 0, hello, huge, sizeof huge);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        rendezvous_input(machine, post->now, 0, i % 2 ? hello : inbox, (const uint8_t *)texts[i],
                         strlen(texts[i]));
    assert_int_equal(stats_of(&post->hosts[0]).malformed - before, 1 + sizeof texts / sizeof *texts);
    assert_true(stats_of(&post->hosts[0]).own > 0);
    rendezvous_input(machine, post->now, 0, "p2pconnect/1/other/hello", (const uint8_t *)"{}", 2);
    post_run(post, NS_PER_S);
    assert_joined_once(post);
    post_free(post);
}

static void messages_on_the_wrong_topic_are_dropped(void **state)
{
    struct post *post = pair(91, 1);
    char hello[TOPIC_MAX], inbox[TOPIC_MAX];
    (void)state;
    post_connect(post, 1);
    struct rendezvous *machine = post->hosts[0].machine;
    rendezvous_topics(machine, hello, inbox);
    rendezvous_input(machine, post->now, 0, inbox, (const uint8_t *)post->records[0].data,
                     post->records[0].len);
    assert_int_equal(stats_of(&post->hosts[0]).stale, 1);
    post_free(post);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_that_start_together_meet_once_and_the_larger_id_is_the_initiator),
        cmocka_unit_test(who_hears_the_newcomer_is_the_initiator),
        cmocka_unit_test(any_one_letter_may_be_lost_repeated_or_late),
        cmocka_unit_test(every_letter_may_come_twice),
        cmocka_unit_test(every_state_takes_every_message),
        cmocka_unit_test(a_thousand_shuffled_rooms_all_end_with_everybody_proven_once),
        cmocka_unit_test(copies_of_one_letter_through_two_brokers_count_once),
        cmocka_unit_test(after_a_second_without_an_answer_every_broker_is_used),
        cmocka_unit_test(a_dead_broker_costs_nothing),
        cmocka_unit_test(candidates_right_behind_pake2_do_not_stop_pake3),
        cmocka_unit_test(only_the_first_hello_is_said_before_a_broker_is_connected),
        cmocka_unit_test(alone_hello_is_repeated_ever_more_rarely),
        cmocka_unit_test(with_company_hello_is_rare_and_without_slots_silent),
        cmocka_unit_test(without_slots_nobody_is_met),
        cmocka_unit_test(only_matching_purposes_meet),
        cmocka_unit_test(in_a_room_of_three_two_who_missed_each_other_meet_within_three_seconds),
        cmocka_unit_test(whom_a_newcomer_missed_greets_it_within_three_seconds),
        cmocka_unit_test(in_a_room_of_two_nobody_says_more_for_that),
        cmocka_unit_test(who_does_not_meet_its_own_kind_says_nothing_for_them),
        cmocka_unit_test(a_forged_word_of_a_third_makes_us_say_hello_once),
        cmocka_unit_test(a_wrong_secret_fails_on_both_sides_and_the_newcomer_knows_that_it_is_later),
        cmocka_unit_test(who_is_later_stays_later_when_they_try_again),
        cmocka_unit_test(who_came_a_fifth_of_a_second_later_is_later),
        cmocka_unit_test(of_two_that_came_together_the_smaller_id_is_later),
        cmocka_unit_test(a_failed_peer_is_tried_again_only_after_six_seconds),
        cmocka_unit_test(the_same_secret_joins_and_gives_both_the_same_words),
        cmocka_unit_test(nothing_that_was_altered_is_believed),
        cmocka_unit_test(a_hello_whose_nonce_was_altered_keeps_nobody_apart),
        cmocka_unit_test(a_pake3_that_was_altered_fails_on_both_sides),
        cmocka_unit_test(a_session_recorded_in_another_room_life_changes_nothing),
        cmocka_unit_test(programs_of_one_machine_know_each_other_and_no_others),
        cmocka_unit_test(traces_come_only_when_asked_for),
        cmocka_unit_test(sealed_messages_are_repeated_until_settled),
        cmocka_unit_test(an_unanswered_pake1_is_given_up_until_the_next_hello),
        cmocka_unit_test(a_pake1_that_comes_again_gets_the_same_pake2),
        cmocka_unit_test(garbage_is_counted_and_dropped),
        cmocka_unit_test(messages_on_the_wrong_topic_are_dropped),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
