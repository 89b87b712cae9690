/* test_turn_client.c - an allocation at a TURN server, from the first question to the goodbye. */
#include "fail_alloc.h"
#include "turn_side.h"

/* ---- the allocation ---- */

static void an_allocation_is_asked_for_with_credentials_once_realm_and_nonce_are_known(void **state)
{
    (void)state;
    struct turn t = begin(false);
    struct turn_event event;
    assert_true(turn_client_deadline(t.client) <= t.now);
    must_ask(&t, STUN_ALLOCATE);
    assert_int_equal(t.asked.transport, STUN_TRANSPORT_UDP);
    assert_int_equal(t.asked.additional_family, 6);
    assert_false(t.asked.has & STUN_HAS_INTEGRITY);
    assert_null(t.asked.username.at);
    answer_error(&t, 401, "nonce1");
    must_ask(&t, STUN_ALLOCATE);
    assert_true(is_keyed(&t, "nonce1"));
    assert_false(turn_client_event(t.client, &event));
    answer_allocated(&t);
    assert_true(turn_client_event(t.client, &event));
    assert_int_equal(event.type, TURN_ALLOCATED);
    assert_int_equal(event.relayed_count, 2);
    assert_true(turn_client_is_relayed(t.client, &event.relayed[0]));
    assert_true(turn_client_is_relayed(t.client, &event.relayed[1]));
    struct addr mapped = addr_of(MAPPED);
    assert_true(addr_equal(&event.mapped, &mapped));
    assert_false(turn_client_is_relayed(t.client, &mapped));
    assert_false(turn_client_event(t.client, &event));
    end(&t);
}

static void requests_are_repeated_over_udp_until_the_server_counts_as_silent(void **state)
{
    (void)state;
    struct turn t = begin(false);
    unsigned copies = 0;
    while (turn_client_deadline(t.client) != NEVER) {
        t.now = turn_client_deadline(t.client) > t.now ? turn_client_deadline(t.client) : t.now;
        while (asks(&t))
            copies++;
    }
    assert_int_equal(copies, 12);
    assert_true(t.now - START == 5750 * NS_PER_MS);
    must_fail(&t, TURN_SILENT);
    end(&t);
}

static void over_a_stream_nothing_is_repeated(void **state)
{
    (void)state;
    struct turn t = begin(true);
    must_ask(&t, STUN_ALLOCATE);
    assert_false(asks(&t));
    assert_true(turn_client_deadline(t.client) == START + 10 * NS_PER_S);
    t.now = START + 10 * NS_PER_S;
    assert_false(asks(&t));
    must_fail(&t, TURN_SILENT);
    end(&t);
}

static void wrong_credentials_are_refused_for_good(void **state)
{
    (void)state;
    struct turn t = begin(false);
    must_ask(&t, STUN_ALLOCATE);
    answer_error(&t, 401, "nonce1");
    must_ask(&t, STUN_ALLOCATE);
    answer_error(&t, 401, "nonce2");
    must_fail(&t, TURN_REFUSED);
    end(&t);
}

static void every_refusal_is_told_in_words(void **state)
{
    (void)state;
    static const struct {
        unsigned error;
        enum turn_failure failure;
    } cases[] = {{300, TURN_ELSEWHERE}, {400, TURN_REFUSED}, {403, TURN_REFUSED}, {420, TURN_REFUSED},
                 {441, TURN_REFUSED},   {442, TURN_REFUSED}, {486, TURN_FULL},    {500, TURN_FULL},
                 {508, TURN_FULL},      {599, TURN_FULL},    {699, TURN_FULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct turn t = begin(i % 2);
        must_ask(&t, STUN_ALLOCATE);
        answer_error(&t, 401, "nonce1");
        must_ask(&t, STUN_ALLOCATE);
        answer_error(&t, cases[i].error, NULL);
        must_fail(&t, cases[i].failure);
        end(&t);
    }
}

static void another_server_that_is_named_is_told(void **state)
{
    (void)state;
    struct turn t = begin(false);
    struct turn_event event;
    must_ask(&t, STUN_ALLOCATE);
    struct stun_msg msg = reply(&t, STUN_ERROR);
    msg.error = 300;
    msg.alternate = addr_of("203.0.113.99:3479");
    answer(&t, &msg, false);
    assert_true(turn_client_event(t.client, &event));
    assert_int_equal(event.failure, TURN_ELSEWHERE);
    assert_int_equal(event.error, 300);
    assert_true(addr_equal(&event.alternate, &msg.alternate));
    end(&t);
}

static void a_stale_nonce_is_replaced_but_not_for_ever(void **state)
{
    (void)state;
    static const char *const nonces[] = {"a", "bb", "ccc"};
    struct turn t = begin(false);
    must_ask(&t, STUN_ALLOCATE);
    answer_error(&t, 401, "nonce1");
    for (size_t i = 0; i < 3; i++) {
        must_ask(&t, STUN_ALLOCATE);
        answer_error(&t, 438, nonces[i]);
    }
    must_ask(&t, STUN_ALLOCATE);
    assert_true(is_keyed(&t, "ccc"));
    answer_error(&t, 438, "dddd");
    must_fail(&t, TURN_FULL);
    end(&t);
}

static void an_older_allocation_in_the_way_is_ended_once(void **state)
{
    (void)state;
    struct turn t = begin(false);
    must_ask(&t, STUN_ALLOCATE);
    answer_error(&t, 401, "nonce1");
    must_ask(&t, STUN_ALLOCATE);
    answer_error(&t, 437, NULL);
    must_ask(&t, STUN_REFRESH);
    assert_int_equal(t.asked.lifetime_s, 0);
    assert_true(t.asked.has & STUN_HAS_LIFETIME && is_keyed(&t, "nonce1"));
    answer_yes(&t);
    must_ask(&t, STUN_ALLOCATE);
    answer_error(&t, 437, NULL);
    must_fail(&t, TURN_LOST);
    end(&t);
}

/* How often the request has an attribute of the type, with the value of IPv6. */
static unsigned count_ipv6(const struct turn *t, uint16_t type)
{
    const uint8_t wanted[8] = {(uint8_t)(type >> 8), (uint8_t)type, 0, 4, 2};
    unsigned count = 0;
    for (size_t at = 20; at + sizeof wanted <= t->out.len; at += 4)
        count += memcmp(t->out.data + at, wanted, sizeof wanted) == 0;
    return count;
}

static void both_families_are_asked_for_by_the_rfc_and_by_its_drafts(void **state)
{
    (void)state;
    struct turn t = begin(false);
    must_ask(&t, STUN_ALLOCATE);
    assert_int_equal(t.asked.additional_family, 6);
    assert_int_equal(count_ipv6(&t, 0x8000), 1);
    assert_int_equal(count_ipv6(&t, 0x8032), 1); /* coturn until 2025 */
    assert_int_equal(count_ipv6(&t, 0x0017), 0);
    end(&t);
}

static void a_server_that_gives_no_two_families_is_asked_for_one(void **state)
{
    (void)state;
    struct turn t = begin(false);
    must_ask(&t, STUN_ALLOCATE);
    answer_error(&t, 440, NULL);
    must_ask(&t, STUN_ALLOCATE);
    assert_false(t.asked.has & (STUN_HAS_FAMILY | STUN_HAS_ADDITIONAL_FAMILY));
    answer_error(&t, 440, NULL);
    must_ask(&t, STUN_ALLOCATE);
    assert_int_equal(t.asked.family, 6);
    assert_false(t.asked.has & STUN_HAS_ADDITIONAL_FAMILY);
    answer_error(&t, 440, NULL);
    must_fail(&t, TURN_REFUSED);
    end(&t);
}

static void an_answer_without_our_key_is_dropped(void **state)
{
    (void)state;
    struct turn t = begin(false);
    struct turn_event event;
    struct turn_stats stats;
    must_ask(&t, STUN_ALLOCATE);
    answer_error(&t, 401, "nonce1");
    must_ask(&t, STUN_ALLOCATE);
    struct stun_msg msg = reply(&t, STUN_SUCCESS);
    msg.relayed = addr_of(RELAYED);
    answer(&t, &msg, false);
    t.key[3] ^= 1;
    answer_allocated(&t);
    t.key[3] ^= 1;
    assert_false(turn_client_event(t.client, &event));
    turn_client_stats(t.client, &stats);
    assert_int_equal(stats.malformed, 2);
    answer_allocated(&t);
    assert_true(turn_client_event(t.client, &event));
    end(&t);
}

static void an_answer_to_another_question_is_none(void **state)
{
    (void)state;
    struct turn t = begin(false);
    must_ask(&t, STUN_ALLOCATE);
    t.asked.id[0] ^= 1;
    answer_error(&t, 401, "nonce1");
    assert_false(asks(&t));
    end(&t);
}

static void an_allocation_without_a_usable_address_is_none(void **state)
{
    (void)state;
    struct turn t = begin(false);
    must_ask(&t, STUN_ALLOCATE);
    struct stun_msg msg = reply(&t, STUN_SUCCESS); /* a server that wants no credentials */
    msg.relayed = addr_of("0.0.0.0:5");
    answer(&t, &msg, false);
    must_fail(&t, TURN_BROKEN);
    end(&t);
}

/* ---- refreshing ---- */

static void an_idle_allocation_is_refreshed_after_15_s_and_lost_when_nobody_answers(void **state)
{
    (void)state;
    struct turn t = ready(false);
    assert_true(turn_client_deadline(t.client) == START + TURN_KEEPALIVE_S * NS_PER_S);
    for (unsigned i = 0; i < 100; i++) {
        t.now = turn_client_deadline(t.client);
        must_ask(&t, STUN_REFRESH);
        assert_int_equal(t.asked.lifetime_s, TURN_LIFETIME_S);
        assert_true(is_keyed(&t, "nonce1"));
        answer_yes(&t);
        assert_false(asks(&t));
    }
    assert_true(t.now == START + 100 * TURN_KEEPALIVE_S * NS_PER_S);
    while (turn_client_deadline(t.client) != NEVER) {
        t.now = turn_client_deadline(t.client) > t.now ? turn_client_deadline(t.client) : t.now;
        while (asks(&t))
            assert_int_equal(t.asked.method, STUN_REFRESH);
    }
    must_fail(&t, TURN_LOST);
    end(&t);
}

static void doubt_asks_at_once(void **state)
{
    (void)state;
    struct turn t = ready(false);
    turn_client_doubt(t.client, t.now);
    must_ask(&t, STUN_REFRESH);
    turn_client_doubt(t.client, t.now);
    assert_false(asks(&t));
    end(&t);
}

static void a_stale_nonce_while_refreshing_is_replaced(void **state)
{
    (void)state;
    struct turn t = ready(false);
    for (unsigned i = 0; i < 10; i++) { /* only those in a row count */
        turn_client_doubt(t.client, t.now);
        must_ask(&t, STUN_REFRESH);
        answer_error(&t, 438, "nonce2");
        must_ask(&t, STUN_REFRESH);
        assert_true(is_keyed(&t, "nonce2"));
        answer_yes(&t);
    }
    end(&t);
}

static void an_allocation_that_the_server_forgot_is_lost(void **state)
{
    (void)state;
    static const unsigned errors[] = {437, 401, 500};
    for (size_t i = 0; i < 3; i++) {
        struct turn t = ready(false);
        turn_client_doubt(t.client, t.now);
        must_ask(&t, STUN_REFRESH);
        answer_error(&t, errors[i], NULL);
        must_fail(&t, TURN_LOST);
        end(&t);
    }
}

/* With datagrams both ways all the time, what remains is the lifetime. */
static void a_busy_allocation_is_refreshed_before_its_lifetime_ends(void **state)
{
    (void)state;
    struct turn t = ready(false);
    uint8_t data[256];
    bool refreshed = false;
    while (!refreshed) {
        t.now += 10 * NS_PER_S;
        struct stun_msg msg = {.class = STUN_INDICATION, .method = STUN_DATA, .peer = addr_of(PEER)};
        msg.data = (struct stun_text){"hello", 5};
        struct packet inner;
        size_t len = stun_encode(&msg, NULL, data, sizeof data);
        turn_client_permit(t.client, t.now, &msg.peer);
        deliver(&t, data, len, &inner);
        memcpy(data, "data", 4);
        struct packet out = {.data = data, .len = 4, .remote = addr_of(PEER), .local = addr_of(RELAYED)};
        turn_client_wrap(t.client, t.now, &out, sizeof data);
        while (asks(&t)) {
            refreshed |= t.asked.method == STUN_REFRESH;
            answer_yes(&t);
        }
        assert_true(t.now <= START + 541 * NS_PER_S);
    }
    assert_true(t.now >= START + 530 * NS_PER_S);
    end(&t);
}

static void a_goodbye_gives_the_allocation_back_and_ends_in_time(void **state)
{
    (void)state;
    for (unsigned heard = 0; heard < 2; heard++) {
        struct turn t = ready(heard);
        struct turn_event event;
        turn_client_close(t.client, t.now);
        must_ask(&t, STUN_REFRESH);
        assert_int_equal(t.asked.lifetime_s, 0);
        assert_false(turn_client_is_closed(t.client));
        if (heard)
            answer_yes(&t);
        while (turn_client_deadline(t.client) != NEVER) {
            t.now = turn_client_deadline(t.client);
            asks(&t);
        }
        assert_true(t.now <= START + TURN_CLOSE_MS * NS_PER_MS);
        assert_true(turn_client_is_closed(t.client));
        assert_false(turn_client_event(t.client, &event));
        end(&t);
    }
    struct turn t = begin(false); /* nothing to give back */
    turn_client_close(t.client, t.now);
    assert_true(turn_client_is_closed(t.client));
    end(&t);
}

/* ---- memory ---- */

static bool construct(void *context)
{
    struct turn_client *client = turn_client_new(context);
    bool made = client != NULL;
    turn_client_free(client);
    return made;
}

static void every_failed_allocation_of_memory_is_survived(void **state)
{
    (void)state;
    struct turn_config config = {
        .server = addr_of(SERVER), .stream = true, .user = "user", .password = "pass", .random = &seeded};
    assert_int_equal(fail_alloc_each(construct, &config), 2);
    static char longer[TURN_PASSWORD_MAX + 2];
    memset(longer, 'x', sizeof longer - 1);
    config.password = longer;
    assert_null(turn_client_new(&config));
    turn_client_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_allocation_is_asked_for_with_credentials_once_realm_and_nonce_are_known),
        cmocka_unit_test(requests_are_repeated_over_udp_until_the_server_counts_as_silent),
        cmocka_unit_test(over_a_stream_nothing_is_repeated),
        cmocka_unit_test(wrong_credentials_are_refused_for_good),
        cmocka_unit_test(every_refusal_is_told_in_words),
        cmocka_unit_test(another_server_that_is_named_is_told),
        cmocka_unit_test(a_stale_nonce_is_replaced_but_not_for_ever),
        cmocka_unit_test(an_older_allocation_in_the_way_is_ended_once),
        cmocka_unit_test(both_families_are_asked_for_by_the_rfc_and_by_its_drafts),
        cmocka_unit_test(a_server_that_gives_no_two_families_is_asked_for_one),
        cmocka_unit_test(an_answer_without_our_key_is_dropped),
        cmocka_unit_test(an_answer_to_another_question_is_none),
        cmocka_unit_test(an_allocation_without_a_usable_address_is_none),
        cmocka_unit_test(an_idle_allocation_is_refreshed_after_15_s_and_lost_when_nobody_answers),
        cmocka_unit_test(doubt_asks_at_once),
        cmocka_unit_test(a_stale_nonce_while_refreshing_is_replaced),
        cmocka_unit_test(an_allocation_that_the_server_forgot_is_lost),
        cmocka_unit_test(a_busy_allocation_is_refreshed_before_its_lifetime_ends),
        cmocka_unit_test(a_goodbye_gives_the_allocation_back_and_ends_in_time),
        cmocka_unit_test(every_failed_allocation_of_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
