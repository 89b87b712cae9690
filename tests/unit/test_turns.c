/* test_turns.c - floods, forgeries and guesses: strangers cost a bounded amount and move nothing that is
 * proven. */
#include "meeting.h"
#include "post.h"
#include "veil.h"
#include <sodium.h>

static struct rendezvous_config secret_config(void)
{
    struct rendezvous_config config = post_config();
    config.secret = (const uint8_t *)"correct horse";
    config.secret_len = 13;
    return config;
}

static struct post *joined(uint64_t seed)
{
    struct post *post = post_new(seed, 1);
    post_add(post, secret_config());
    post_add(post, secret_config());
    for (unsigned i = 0; i < 2; i++)
        post_connect(post, i);
    assert_true(post_join(post, NS_PER_S) != NEVER);
    post_run(post, 6 * NS_PER_S); /* any glare is over */
    return post;
}

static void name_stranger(struct post *post, char id[PEER_ID_LEN + 1])
{
    for (unsigned i = 0; i < PEER_ID_LEN; i++)
        id[i] = (char)('a' + post_draw(&post->seed) % 26);
    id[PEER_ID_LEN] = 0;
}

/* A message as anybody in the room could write it: of a stranger unless `from` is given. */
static struct message forge(struct post *post, enum message_type type, const char *from)
{
    struct message message = {.type = type, .about = {.purpose = "chat", .slots = 1, .fresh = true}};
    post_fill(&post->seed, message.about.nonce, NONCE_LEN);
    uint8_t hash[64];
    post_fill(&post->seed, hash, sizeof hash);
    crypto_core_ristretto255_from_hash(message.point, hash);
    post_fill(&post->seed, message.commit, COMMIT_LEN);
    post_fill(&post->seed, message.tag, TAG_LEN);
    post_fill(&post->seed, message.sealed, message.sealed_len = 296);
    message.sequence = 1 + post_draw(&post->seed) % 100;
    if (from)
        memcpy(message.from, from, sizeof message.from);
    else
        name_stranger(post, message.from);
    return message;
}

static void tell(struct post *post, unsigned to, const struct message *message)
{
    char hello[TOPIC_MAX], inbox[TOPIC_MAX], text[MESSAGE_MAX];
    bool for_all = message->type == MESSAGE_HELLO || message->type == MESSAGE_BYE;
    struct message veiled = *message;
    uint8_t key[VEIL_KEY_LEN];
    veil_key(key, "demo");
    veil_close(key, &veiled);
    size_t len = message_encode(&veiled, text, sizeof text);
    assert_true(len > 0);
    rendezvous_topics(post->hosts[to].machine, hello, inbox);
    rendezvous_input(post->hosts[to].machine, post->now, 0, for_all ? hello : inbox, (const uint8_t *)text,
                     len);
    post_drain(post);
}

static unsigned different_pake1(const struct post *post, unsigned from, unsigned first)
{
    unsigned count = 0;
    for (unsigned i = first; i < post->sent && i < RECORD_MAX; i++) {
        bool is_new = post->records[i].type == MESSAGE_PAKE1 && post->records[i].from == from;
        for (unsigned before = first; is_new && before < i; before++)
            is_new = strcmp(post->records[i].topic, post->records[before].topic) != 0;
        count += is_new;
    }
    return count;
}

static void ten_thousand_hellos_in_a_second_begin_at_most_twenty_handshakes(void **state)
{
    struct post *post = joined(1);
    unsigned first = post->sent;
    (void)state;
    for (unsigned i = 0; i < 10000; i++) {
        struct message hello = forge(post, MESSAGE_HELLO, NULL);
        tell(post, 0, &hello);
        if (i % 100 == 99)
            post_run(post, 9990 * NS_PER_MS / 1000); /* all in 999 ms */
    }
    assert_in_range(different_pake1(post, 0, first), 1, 20); /* RENDEZVOUS_STARTS_MAX, as promised */
    post_run(post, 3 * NS_PER_S);
    for (unsigned second = 4; second <= 6; second++) { /* where thousands could answer most wait till here */
        unsigned before = post->hosts[0].machine->quota.start_count;
        post_run(post, NS_PER_S);
        assert_int_equal(post->hosts[0].machine->quota.start_count - before, 20);
    }
    assert_true(post_all_joined(post));
    post_free(post);
}

static void an_honest_peer_joins_after_a_flood_and_a_known_one_talks_on_in_it(void **state)
{
    struct post *post = joined(2);
    struct description more = post_description();
    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        struct message hello = forge(post, MESSAGE_HELLO, NULL);
        struct message knock = forge(post, MESSAGE_PAKE1, NULL);
        tell(post, 0, &hello);
        tell(post, 0, &knock);
        if (i % 10 == 9)
            post_run(post, 10 * NS_PER_MS);
        if (i == 1000)
            rendezvous_send_candidates(post->hosts[1].machine, post->now,
                                       post_link_to(&post->hosts[1], &post->hosts[0])->handle, &more);
    }
    assert_int_equal(post->hosts[0].candidates, 2);
    unsigned honest = post_add(post, secret_config());
    post_connect(post, honest);
    assert_true(post_join(post, 60 * NS_PER_S) != NEVER);
    assert_int_equal(post->hosts[0].peers, 2);
    assert_int_equal(post->hosts[0].byes + post->hosts[0].failed, 0);
    post_free(post);
}

/* In an open room, where nothing is guessed; two of the eight places are kept for known ids. */
static void at_most_six_strangers_knock_at_a_time(void **state)
{
    enum { STRANGERS = 6 };
    struct post *post = post_new(3, 1);
    (void)state;
    post_add(post, post_config());
    post_connect(post, 0);
    for (unsigned i = 0; i < 100; i++) {
        struct message knock = forge(post, MESSAGE_PAKE1, NULL);
        tell(post, 0, &knock);
    }
    assert_int_equal(post->hosts[0].wanted, STRANGERS);
    post_run(post, 3 * NS_PER_S);
    assert_int_equal(post->hosts[0].wanted, STRANGERS);
    post_run(post, 2 * NS_PER_S);
    assert_int_equal(post->hosts[0].gone, STRANGERS);
    post_free(post);
}

static void who_waits_is_served_in_random_order(void **state)
{
    unsigned first_served = 0, rounds = 40;
    (void)state;
    for (unsigned round = 0; round < rounds; round++) {
        struct post *post = post_new(1000 + round, 1);
        post_add(post, post_config());
        post_connect(post, 0);
        char ids[200][PEER_ID_LEN + 1];
        for (unsigned i = 0; i < 200; i++) {
            struct message hello = forge(post, MESSAGE_HELLO, NULL);
            memcpy(ids[i], hello.from, sizeof ids[i]);
            tell(post, 0, &hello);
        }
        unsigned known = post->sent;
        post_run(post, 1100 * NS_PER_MS); /* the twenty-first is drawn from the 180 that wait */
        for (unsigned i = known; i < post->sent; i++)
            first_served += strstr(post->records[i].topic, ids[RENDEZVOUS_STARTS_MAX]) != NULL &&
                            post->records[i].at >= 2 * NS_PER_S;
        post_free(post);
    }
    assert_in_range(first_served, 0, rounds / 2); /* first come, first served would make it every one */
}

/* Guesses that host 0 lets through, by the moment when its tag was shown. */
struct guesses {
    uint64_t at[200];
    unsigned count;
};

/* In figures of its own: a limit that is measured with itself always holds. */
static void must_be_ten_a_minute(const struct guesses *guesses)
{
    assert_in_range(guesses->count, 4, sizeof guesses->at / sizeof *guesses->at);
    for (unsigned i = 10; i < guesses->count; i++)
        assert_true(guesses->at[i] - guesses->at[i - 10] >= 60 * NS_PER_S);
}

/* A new id for each guess, ten a second; each waits for its pake2 and answers it with a wrong tag. */
static void guess_for(struct post *post, unsigned seconds, struct guesses *guesses)
{
    for (unsigned i = 0; i < seconds * 10; i++) {
        struct message knock = forge(post, MESSAGE_PAKE1, NULL);
        struct message guess = forge(post, MESSAGE_PAKE3, knock.from);
        tell(post, 0, &knock);
        tell(post, 0, &guess);
        if (post->hosts[0].failed > guesses->count)
            guesses->at[guesses->count++] = post->now;
        post_run(post, 100 * NS_PER_MS);
    }
}

static void who_guesses_has_ten_a_minute_and_an_honest_peer_still_joins(void **state)
{
    (void)state;
    for (unsigned seed = 100; seed < 110; seed++) {
        struct post *post = joined(seed);
        struct guesses guesses = {.count = 0};
        guess_for(post, 130, &guesses);
        unsigned honest = post_add(post, secret_config());
        post_connect(post, honest);
        for (unsigned i = 0; i < 60 && !post_are_joined(post, 0, honest); i++)
            guess_for(post, 1, &guesses);
        assert_true(post_are_joined(post, 0, honest));
        must_be_ten_a_minute(&guesses);
        post_free(post);
    }
}

/* They answer our pake1 and let us prove first: no way round the limit either. */
static void who_answers_our_pake1_with_guesses_has_ten_a_minute(void **state)
{
    struct post *post = joined(5);
    struct guesses guesses = {.count = 0};
    (void)state;
    for (unsigned i = 0; i < 1300; i++) {
        struct message hello = forge(post, MESSAGE_HELLO, NULL);
        struct message guess = forge(post, MESSAGE_PAKE2, hello.from);
        memcpy(guess.about.nonce, hello.about.nonce, NONCE_LEN);
        tell(post, 0, &hello);
        post_run(post, 50 * NS_PER_MS);
        tell(post, 0, &guess);
        if (post->hosts[0].failed > guesses.count)
            guesses.at[guesses.count++] = post->now;
        post_run(post, 50 * NS_PER_MS);
    }
    must_be_ten_a_minute(&guesses);
    assert_true(post_all_joined(post));
    post_free(post);
}

/* Hundreds are asked while nobody answers; then all answer at once. */
static void guesses_cannot_be_saved_up(void **state)
{
    struct post *post = joined(13);
    static struct message guesses[300];
    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        struct message hello = forge(post, MESSAGE_HELLO, NULL);
        guesses[i] = forge(post, MESSAGE_PAKE2, hello.from);
        memcpy(guesses[i].about.nonce, hello.about.nonce, NONCE_LEN);
        tell(post, 0, &hello);
        post_run(post, 20 * NS_PER_MS);
    }
    assert_in_range(post->hosts[0].failed, 0, 0);
    for (unsigned i = 0; i < 300; i++)
        tell(post, 0, &guesses[i]);
    assert_in_range(post->hosts[0].failed, QUOTA_QUICK, QUOTA_QUICK + ASKED_KEPT);
    post_free(post);
}

static const struct record *is_asked(const struct post *post, const char *id, unsigned from)
{
    for (unsigned i = from; i < post->sent && i < RECORD_MAX; i++)
        if (post->records[i].type == MESSAGE_PAKE1 && strstr(post->records[i].topic, id))
            return &post->records[i];
    return NULL;
}

/* It may be answering the first one already: under another that answer would look like a wrong secret. */
static void who_was_asked_before_the_guesses_is_asked_again_with_the_same_pake1(void **state)
{
    struct post *post = joined(21);
    (void)state;
    struct message honest = forge(post, MESSAGE_HELLO, NULL), hellos[ASKED_KEPT + QUOTA_QUICK], guess;
    tell(post, 0, &honest);
    post_run(post, 20 * NS_PER_MS);
    for (unsigned i = 0; i < ASKED_KEPT + QUOTA_QUICK; i++) {
        hellos[i] = forge(post, MESSAGE_HELLO, NULL);
        tell(post, 0, &hellos[i]);
    }
    post_run(post, NS_PER_S);
    for (unsigned i = 0; i < QUOTA_QUICK; i++) {
        guess = forge(post, MESSAGE_PAKE2, hellos[i].from);
        memcpy(guess.about.nonce, hellos[i].about.nonce, NONCE_LEN);
        tell(post, 0, &guess);
    }
    assert_int_equal(post->hosts[0].failed, QUOTA_QUICK);
    unsigned before = post->sent;
    guess = forge(post, MESSAGE_PAKE2, honest.from); /* no answer counts now */
    memcpy(guess.about.nonce, honest.about.nonce, NONCE_LEN);
    tell(post, 0, &guess);
    assert_int_equal(post->hosts[0].failed, QUOTA_QUICK);
    for (unsigned i = 0; i < 16; i++) { /* its turn comes */
        tell(post, 0, &honest);
        post_run(post, 500 * NS_PER_MS);
    }
    const struct record *first = is_asked(post, honest.from, 0), *again = is_asked(post, honest.from, before);
    assert_non_null(first);
    assert_non_null(again);
    assert_int_equal(again->len, first->len);
    assert_memory_equal(again->data, first->data, first->len);
    post_free(post);
}

static void unfinished_handshakes_count_as_guesses(void **state)
{
    struct post *post = joined(6);
    (void)state;
    for (unsigned i = 0; i < 59; i++) {
        struct message knock = forge(post, MESSAGE_PAKE1, NULL);
        tell(post, 0, &knock);
        post_run(post, NS_PER_S);
    }
    assert_in_range(post->hosts[0].wanted - 1, QUOTA_QUICK, QUOTA_MINUTE_MAX); /* one is the pair's */
    post_free(post);
}

/* Whether somebody new meets host 0 within a minute while `rate` messages of each of `kinds` come in a
 * second, from ids that are said again when all `ids` have been used; 0: never. */
static bool joins_in_flood(uint64_t seed, unsigned kinds, unsigned rate, unsigned ids)
{
    struct post *post = joined(seed);
    struct message *stock = calloc(ids + 1, sizeof *stock);
    unsigned honest = post_add(post, secret_config()), next = 0;
    assert_non_null(stock);
    for (unsigned i = 0; i < ids; i++)
        stock[i] = forge(post, MESSAGE_HELLO, NULL);
    post_connect(post, honest);
    for (unsigned ms = 0; ms < 60000 && !post_are_joined(post, 0, honest); ms++) {
        for (unsigned i = 0; i < rate / 1000; i++, next++) {
            for (unsigned kind = MESSAGE_HELLO; kind <= MESSAGE_PAKE1; kind++) {
                if (!(kinds >> kind & 1))
                    continue;
                struct message message = ids ? stock[next % ids] : forge(post, (enum message_type)kind, NULL);
                message.type = (enum message_type)kind;
                for (unsigned to = 0; to <= honest; to += honest)
                    tell(post, to, &message);
            }
        }
        post_run(post, NS_PER_MS);
    }
    bool joined = post_are_joined(post, 0, honest);
    assert_true(post_are_joined(post, 0, 1));
    post_free(post);
    free(stock);
    return joined;
}

static void an_honest_peer_joins_while_the_flood_runs(void **state)
{
    (void)state;
    for (unsigned seed = 200; seed < 202; seed++) {
        assert_true(joins_in_flood(seed, 1U << MESSAGE_HELLO, 2000, 0));
        assert_true(joins_in_flood(seed, 1U << MESSAGE_PAKE1, 1000, 0));
        assert_true(joins_in_flood(seed, 1U << MESSAGE_HELLO | 1U << MESSAGE_PAKE1, 1000, 0));
    }
}

/* Their ids are as well known as an honest peer's. */
static void an_honest_peer_joins_while_hundreds_repeat_themselves(void **state)
{
    (void)state;
    for (unsigned seed = 200; seed < 205; seed++)
        assert_true(joins_in_flood(seed, 1U << MESSAGE_HELLO, 2000, 700));
}

/* A hundred made-up ids make an answer wait; before its turn a forged word in the newcomer's name ends it. */
static void forged_words_and_made_up_ids_delay_two_peers_by_seconds_only(void **state)
{
    enum { IDS = 100, GAP_MS = 10, MADE_UP_MS = 200 };
    static const enum message_type words[] = {MESSAGE_HELLO, MESSAGE_BYE};
    struct rendezvous_config config = secret_config();
    config.slots = 1;
    (void)state;
    for (unsigned seed = 300; seed < 310; seed++) {
        struct post *post = post_new(seed, 1);
        struct message made_up[IDS], word;
        for (unsigned i = 0; i < 2; i++)
            post_add(post, config);
        for (unsigned i = 0; i < 2; i++)
            post_connect(post, i);
        for (unsigned i = 0; i < IDS; i++) {
            made_up[i] = forge(post, MESSAGE_HELLO, NULL);
            tell(post, 0, &made_up[i]);
            tell(post, 1, &made_up[i]);
        }
        for (unsigned ms = 0; ms < 30000 && !post_are_joined(post, 0, 1); ms += GAP_MS) {
            for (unsigned to = 0; to < 2; to++) {
                if (ms % MADE_UP_MS == 0)
                    tell(post, to, &made_up[ms / MADE_UP_MS % IDS]);
                word = forge(post, words[seed % 2], rendezvous_id(post->hosts[!to].machine));
                word.about.slots = 0;
                tell(post, to, &word);
            }
            post_run(post, GAP_MS * NS_PER_MS);
        }
        assert_true(post_are_joined(post, 0, 1));
        post_free(post);
    }
}

static void a_thousand_forged_goodbyes_are_a_hint_every_five_seconds(void **state)
{
    struct post *post = joined(7);
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        struct message bye = forge(post, MESSAGE_BYE, rendezvous_id(post->hosts[1].machine));
        tell(post, 0, &bye);
        post_run(post, 10 * NS_PER_MS);
    }
    assert_int_equal(post->hosts[0].hints, 2);
    assert_int_equal(post->hosts[0].byes, 0);
    assert_true(post_all_joined(post));
    post_free(post);
}

static void who_failed_waits_while_others_are_untried(void **state)
{
    struct post *post = post_new(14, 1);
    struct rendezvous_config wrong = secret_config();
    (void)state;
    wrong.secret_len--;
    post_add(post, secret_config());
    unsigned mistaken = post_add(post, wrong);
    struct rendezvous *machine = post->hosts[mistaken].machine;
    for (unsigned i = 0; i < 2; i++)
        post_connect(post, i);
    assert_false(rendezvous_has_untried(machine, post->now));
    post_run(post, NS_PER_S);
    assert_int_equal(post->hosts[mistaken].failed, 1);
    assert_false(rendezvous_has_untried(machine, post->now));
    struct message hello = forge(post, MESSAGE_HELLO, NULL);
    tell(post, mistaken, &hello);
    assert_true(rendezvous_has_untried(machine, post->now));
    post_run(post, (WISH_MAX_S - 1) * NS_PER_S);
    assert_true(rendezvous_has_untried(machine, post->now));
    post_run(post, NS_PER_S);
    assert_false(rendezvous_has_untried(machine, post->now)); /* it is gone */
    post_free(post);
}

static void a_goodbye_of_nobody_is_dropped(void **state)
{
    struct post *post = joined(8);
    struct message bye = forge(post, MESSAGE_BYE, NULL);
    (void)state;
    tell(post, 0, &bye);
    assert_int_equal(post->hosts[0].hints, 0);
    post_free(post);
}

/* Whatever is said in its name, the proven session stays and works. */
static void forgeries_in_a_proven_peers_name_do_not_touch_its_session(void **state)
{
    static const enum message_type types[] = {MESSAGE_HELLO, MESSAGE_PAKE1, MESSAGE_PAKE2, MESSAGE_PAKE3,
                                              MESSAGE_SEALED};
    struct description more = post_description();
    (void)state;
    for (unsigned seed = 0; seed < 4; seed++) {
        struct post *post = joined(20 + seed);
        unsigned heard[2] = {post->hosts[0].candidates, post->hosts[1].candidates};
        for (unsigned i = 0; i < 500; i++) {
            unsigned to = i % 2;
            struct message message = forge(post, types[i % 5], rendezvous_id(post->hosts[!to].machine));
            tell(post, to, &message);
            post_run(post, 20 * NS_PER_MS);
        }
        for (unsigned i = 0; i < 2; i++)
            rendezvous_send_candidates(post->hosts[i].machine, post->now,
                                       post_link_to(&post->hosts[i], &post->hosts[!i])->handle, &more);
        post_run(post, 10 * NS_PER_S);
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(post->hosts[i].candidates, heard[i] + 1);
            assert_int_equal(post->hosts[i].peers, 1);
            assert_int_equal(post->hosts[i].byes, 0);
        }
        assert_true(post_all_joined(post));
        post_free(post);
    }
}

/* A stranger who forges the larger id's pake1 does not stop the smaller's own handshake. */
static void a_forged_pake1_does_not_end_our_own_run(void **state)
{
    struct post *post = post_new(9, 1);
    (void)state;
    post_add(post, post_config());
    post_add(post, post_config());
    unsigned smaller =
        strcmp(rendezvous_id(post->hosts[0].machine), rendezvous_id(post->hosts[1].machine)) > 0;
    post_connect(post, smaller);
    post_run(post, 100 * NS_PER_MS);
    post_connect(post, !smaller);
    while (!post->sent_of[MESSAGE_PAKE1])
        assert_true(post_step(post, NEVER - 1));
    struct message forged = forge(post, MESSAGE_PAKE1, rendezvous_id(post->hosts[!smaller].machine));
    tell(post, smaller, &forged);
    post_run(post, NS_PER_S);
    assert_true(post_all_joined(post));
    assert_int_equal(post->hosts[smaller].gone, 1); /* the forged one */
    post_free(post);
}

static void replayed_letters_of_the_same_session_change_nothing(void **state)
{
    struct post *post = joined(10);
    unsigned count = post->sent;
    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < count && i < RECORD_MAX; i++)
            for (unsigned to = 0; to < 2; to++)
                post_put(post, post->now, to, 0, post->records[i].topic, post->records[i].data,
                         post->records[i].len);
        post_run(post, 5 * NS_PER_S);
    }
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(post->hosts[i].peers, 1);
        assert_int_equal(post->hosts[i].candidates, 1);
        assert_int_equal(post->hosts[i].byes + post->hosts[i].failed + post->hosts[i].gone, 0);
    }
    post_free(post);
}

static void replays_of_pake2_are_answered_ten_times_a_second_at_most(void **state)
{
    struct post *post = joined(11);
    const struct record *pake2 = NULL;
    (void)state;
    for (unsigned i = 0; i < post->sent; i++)
        if (post->records[i].type == MESSAGE_PAKE2)
            pake2 = &post->records[i];
    unsigned before = post->sent_of[MESSAGE_PAKE3];
    for (unsigned i = 0; i < 1000; i++) {
        for (unsigned to = 0; to < 2; to++)
            post_put(post, post->now, to, 0, pake2->topic, pake2->data, pake2->len);
        post_run(post, NS_PER_MS);
    }
    assert_in_range(post->sent_of[MESSAGE_PAKE3] - before, 1, 11);
    post_free(post);
}

static void a_point_that_is_none_fails_like_a_wrong_secret(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct post *post = joined(12 + i);
        struct message knock = forge(post, MESSAGE_PAKE1, NULL), guess;
        memset(knock.point, i ? 0xff : 0, sizeof knock.point); /* 0: the neutral element */
        unsigned answers = post->sent_of[MESSAGE_PAKE2];
        tell(post, 0, &knock);
        assert_int_equal(post->sent_of[MESSAGE_PAKE2], answers + 1);
        guess = forge(post, MESSAGE_PAKE3, knock.from);
        tell(post, 0, &guess);
        assert_int_equal(post->hosts[0].failed, 1);
        assert_true(post_all_joined(post));
        post_free(post);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_hellos_in_a_second_begin_at_most_twenty_handshakes),
        cmocka_unit_test(an_honest_peer_joins_after_a_flood_and_a_known_one_talks_on_in_it),
        cmocka_unit_test(at_most_six_strangers_knock_at_a_time),
        cmocka_unit_test(who_waits_is_served_in_random_order),
        cmocka_unit_test(who_guesses_has_ten_a_minute_and_an_honest_peer_still_joins),
        cmocka_unit_test(who_answers_our_pake1_with_guesses_has_ten_a_minute),
        cmocka_unit_test(guesses_cannot_be_saved_up),
        cmocka_unit_test(who_was_asked_before_the_guesses_is_asked_again_with_the_same_pake1),
        cmocka_unit_test(an_honest_peer_joins_while_the_flood_runs),
        cmocka_unit_test(an_honest_peer_joins_while_hundreds_repeat_themselves),
        cmocka_unit_test(unfinished_handshakes_count_as_guesses),
        cmocka_unit_test(forged_words_and_made_up_ids_delay_two_peers_by_seconds_only),
        cmocka_unit_test(a_thousand_forged_goodbyes_are_a_hint_every_five_seconds),
        cmocka_unit_test(who_failed_waits_while_others_are_untried),
        cmocka_unit_test(a_goodbye_of_nobody_is_dropped),
        cmocka_unit_test(forgeries_in_a_proven_peers_name_do_not_touch_its_session),
        cmocka_unit_test(a_forged_pake1_does_not_end_our_own_run),
        cmocka_unit_test(replayed_letters_of_the_same_session_change_nothing),
        cmocka_unit_test(replays_of_pake2_are_answered_ten_times_a_second_at_most),
        cmocka_unit_test(a_point_that_is_none_fails_like_a_wrong_secret),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
