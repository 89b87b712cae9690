/* Rooms of many who start in one instant on few cores: real rendezvous machines in virtual time, which cost
 * their computer what real programs do. A program that has its turn on a core reads all that has come, and
 * what it says leaves when its work is done; its timers and letters wait meanwhile, as they do in the world.
 */
#include "meeting.h"

#include <sodium.h>

#define POST_HOSTS_MAX 64
#include "post.h"

enum {
    CORES_MAX = 64,
    START_US = 10000, /* of a core: loading and starting a program ... */
    LETTER_US = 50,   /* ... reading and writing a letter ... */
    PROOF_US = 400,   /* ... pake1, pake2 or pake3 ... */
    CONNECT_US = 2400 /* ... and all of QUIC's handshake */
};

struct seat {
    struct rendezvous *machine;
    struct random random;
    uint64_t seed;
    struct flight inbox[4096];
    unsigned unread;
    peer_handle connected[POST_HOSTS_MAX]; /* since its last turn */
    unsigned connecting;
    unsigned joined, gone, failed;
    bool started, queued;
    uint64_t busy_until;
};

struct rush {
    uint64_t now, seed;
    unsigned count, cores, slowness,
        loss; /* how many times slower than above; one letter of so many is lost */
    struct seat seats[POST_HOSTS_MAX];
    unsigned queue[POST_HOSTS_MAX], queued; /* who waits for a core */
    uint64_t free_at[CORES_MAX];
    struct flight *flights;
    size_t flying;
    unsigned sent, sent_of[MESSAGE_BYE + 1];
};

enum { FLIGHTS_ROOM = 65536, DELAY_MS = 2 };

static struct rush *rush_new(unsigned count, unsigned cores, unsigned slowness, unsigned loss)
{
    struct rush *rush = calloc(1, sizeof *rush);
    assert_non_null(rush);
    *rush = (struct rush){
        .now = NS_PER_S, .seed = 64, .count = count, .cores = cores, .slowness = slowness, .loss = loss};
    rush->flights = calloc(FLIGHTS_ROOM, sizeof *rush->flights);
    assert_non_null(rush->flights);
    for (unsigned i = 0; i < count; i++) {
        struct seat *seat = &rush->seats[i];
        struct rendezvous_config config = post_config();
        seat->seed = post_draw(&rush->seed);
        seat->random = (struct random){post_fill, &seat->seed};
        config.random = &seat->random;
        config.secret = (const uint8_t *)"secret";
        config.secret_len = 6;
        config.slots = SLOTS_MAX;
        seat->machine = rendezvous_new(&config);
        assert_non_null(seat->machine);
        seat->queued = true;
        rush->queue[rush->queued++] = i;
    }
    return rush;
}

static void rush_free(struct rush *rush)
{
    for (unsigned i = 0; i < rush->count; i++) {
        for (unsigned n = 0; n < rush->seats[i].unread; n++)
            free(rush->seats[i].inbox[n].data);
        rendezvous_free(rush->seats[i].machine);
    }
    for (size_t i = 0; i < rush->flying; i++)
        free(rush->flights[i].data);
    free(rush->flights);
    free(rush);
}

/* What an event costs. */
static unsigned react(struct rush *rush, struct seat *seat, const struct rendezvous_event *event)
{
    struct description own = post_description();
    bool offers = event->type == RENDEZVOUS_WANT_OFFER;
    bool proven = event->type == RENDEZVOUS_PEER;
    seat->joined += proven;
    seat->gone += event->type == RENDEZVOUS_GONE;
    seat->failed += event->type == RENDEZVOUS_FAILED || event->type == RENDEZVOUS_BYE;
    if (offers || (proven && event->role == PAKE_INITIATOR))
        rendezvous_describe(seat->machine, rush->now, event->peer, &own);
    if (proven) {
        assert_true(seat->connecting < POST_HOSTS_MAX);
        seat->connected[seat->connecting++] = event->peer;
    }
    return (proven ? CONNECT_US : 0U) + (offers || proven ? PROOF_US : 0U);
}

static void spread(struct rush *rush, unsigned from, const struct letter *letter, uint64_t at)
{
    for (unsigned to = 0; to < rush->count; to++) {
        bool lost = rush->loss && post_draw(&rush->seed) % rush->loss == 0;
        struct host listener = {.machine = rush->seats[to].machine};
        if (to == from || lost || !post_listens(&listener, letter->topic))
            continue;
        assert_true(rush->flying < FLIGHTS_ROOM);
        struct flight *flight = &rush->flights[rush->flying++];
        *flight = (struct flight){.at = at, .to = to, .data = malloc(letter->len), .len = letter->len};
        assert_non_null(flight->data);
        memcpy(flight->data, letter->data, letter->len);
        memcpy(flight->topic, letter->topic, sizeof flight->topic);
    }
}

static unsigned write_cost(struct rush *rush, const struct letter *letter)
{
    struct message message;
    assert_true(message_decode(&message, (const uint8_t *)letter->data, letter->len));
    rush->sent_of[message.type]++;
    return LETTER_US + (message.type == MESSAGE_PAKE1 ? PROOF_US : 0U);
}

/* One turn of a program on a core; returns when it ends. */
static uint64_t serve(struct rush *rush, unsigned who)
{
    struct seat *seat = &rush->seats[who];
    struct rendezvous_event event;
    static struct letter letters[256];
    unsigned cost = seat->started ? 0U : START_US, count = 0;
    if (!seat->started)
        rendezvous_connected(seat->machine, rush->now, 0);
    seat->started = true;
    while (seat->connecting)
        rendezvous_settle(seat->machine, seat->connected[--seat->connecting]);
    for (unsigned i = 0; i < seat->unread; i++) {
        struct flight *letter = &seat->inbox[i];
        rendezvous_input(seat->machine, rush->now, 0, letter->topic, letter->data, letter->len);
        free(letter->data);
        cost += LETTER_US;
        while (rendezvous_event(seat->machine, &event))
            cost += react(rush, seat, &event);
    }
    seat->unread = 0;
    for (bool more = true; more;) {
        more = rendezvous_output(seat->machine, rush->now, &letters[count]);
        cost += more ? write_cost(rush, &letters[count++]) : 0;
        assert_true(count < sizeof letters / sizeof *letters);
        for (; rendezvous_event(seat->machine, &event); more = true)
            cost += react(rush, seat, &event);
    }
    uint64_t end = rush->now + (uint64_t)cost * rush->slowness * (NS_PER_MS / 1000);
    for (unsigned i = 0; i < count; i++)
        spread(rush, who, &letters[i], end + DELAY_MS * NS_PER_MS);
    rush->sent += count;
    return end;
}

/* Who has something to do, and is not at it. */
static void want_core(struct rush *rush, unsigned who)
{
    struct seat *seat = &rush->seats[who];
    if (seat->queued || seat->busy_until > rush->now ||
        (!seat->unread && rendezvous_deadline(seat->machine) > rush->now))
        return;
    seat->queued = true;
    rush->queue[rush->queued++] = who;
}

/* Hands over what has arrived, in the order of leaving, and gives free cores to who waits longest. */
static void step(struct rush *rush)
{
    size_t left = 0;
    for (size_t i = 0; i < rush->flying; i++) {
        struct flight flight = rush->flights[i];
        struct seat *seat = &rush->seats[flight.to];
        if (flight.at > rush->now) {
            rush->flights[left++] = flight;
            continue;
        }
        assert_true(seat->unread < sizeof seat->inbox / sizeof *seat->inbox);
        seat->inbox[seat->unread++] = flight;
    }
    rush->flying = left;
    for (unsigned i = 0; i < rush->count; i++)
        want_core(rush, i);
    for (unsigned core = 0; core < rush->cores && rush->queued; core++) {
        unsigned who = rush->queue[0];
        if (rush->free_at[core] > rush->now)
            continue;
        memmove(rush->queue, rush->queue + 1, --rush->queued * sizeof *rush->queue);
        rush->seats[who].queued = false;
        rush->free_at[core] = rush->seats[who].busy_until = serve(rush, who);
    }
    rush->now += NS_PER_MS;
}

static bool is_complete(const struct rush *rush)
{
    for (unsigned i = 0; i < rush->count; i++)
        if (rush->seats[i].joined < rush->count - 1)
            return false;
    return true;
}

struct outcome {
    double seconds, letters; /* until all have met; a pair */
    unsigned failed;
};

static struct outcome rush_run(unsigned count, unsigned cores, unsigned slowness, unsigned loss)
{
    struct rush *rush = rush_new(count, cores, slowness, loss);
    struct outcome outcome = {0};
    uint64_t begun = rush->now, pairs = (uint64_t)count * (count - 1) / 2;
    while (!is_complete(rush) && rush->now < begun + 100 * NS_PER_S)
        step(rush);
    outcome.seconds = (double)(rush->now - begun) / NS_PER_S;
    for (unsigned ms = 0; ms < 2000; ms++) /* what would still be said again */
        step(rush);
    outcome.letters = (double)rush->sent / (double)pairs;
    for (unsigned i = 0; i < count; i++)
        outcome.failed += rush->seats[i].failed + rush->seats[i].gone;
    print_message("%u on %u cores, %u times slower, one of %u lost: %.2f s, %.2f messages a pair (pake1 "
                  "%.2f), %u failed\n",
                  count, cores, slowness, loss, outcome.seconds, outcome.letters,
                  rush->sent_of[MESSAGE_PAKE1] / (double)pairs, outcome.failed);
    rush_free(rush);
    return outcome;
}

static void sixty_four_who_start_at_once_on_two_cores_say_less_than_four_messages_a_pair(void **state)
{
    struct outcome outcome = rush_run(64, 2, 1, 0);
    (void)state;
    assert_true(outcome.letters < 4);
    assert_true(outcome.seconds < 9); /* of which the cores' work is all but little */
    assert_int_equal(outcome.failed, 0);
}

/* The quota of who is asked is what makes wait there. */
static void sixty_four_who_have_a_core_each_say_little_more(void **state)
{
    struct outcome outcome = rush_run(64, 64, 1, 0);
    (void)state;
    assert_true(outcome.letters < 4.5);
    assert_true(outcome.seconds < 4.5); /* 63 handshakes, 20 a second */
}

/* Time must not run out: that is a guess, and after four of them handshakes begin slowly. */
static void forty_on_cores_three_times_slower_lose_no_handshake(void **state)
{
    struct outcome outcome = rush_run(40, 2, 3, 0);
    (void)state;
    assert_true(outcome.letters < 4);
    assert_int_equal(outcome.failed, 0);
}

static void what_is_lost_in_a_rush_is_said_again(void **state)
{
    struct outcome outcome = rush_run(40, 2, 1, 50);
    (void)state;
    assert_true(outcome.letters < 4.5);
    assert_true(outcome.seconds < 15);
}

static void eight_meet_as_quickly_as_ever(void **state)
{
    struct outcome outcome = rush_run(8, 2, 1, 0);
    (void)state;
    assert_true(outcome.seconds < 0.2);
    assert_true(outcome.letters < 5);
}

/* ---- who never answers, and who answers late ---- */

enum { SILENT = 8 };

/* So many that were asked at `now` and say nothing. */
struct silence {
    struct rendezvous r;
    struct run runs[SILENT];
    struct parcel said[SILENT];
};

static void silence_begin(struct silence *silence, unsigned count, uint64_t now)
{
    memset(silence, 0, sizeof *silence);
    silence->r.crowd.used = count;
    for (unsigned i = 0; i < count; i++) {
        silence->said[i] = (struct parcel){
            .sent = 1, .began = now, .last = now, .due = now + 250 * NS_PER_MS, .copies = PARCEL_COPIES_MAX};
        silence->runs[i].handshake.state = HANDSHAKE_ASKED;
        silence->runs[i].reply = &silence->said[i];
        silence->runs[i].began = now;
        silence->r.crowd.peers[i].asking = &silence->runs[i];
    }
}

static void take_answer(struct silence *silence, uint64_t now, uint64_t took)
{
    struct parcel said = {.sent = 1, .began = now - took};
    struct run run = {.reply = &said};
    rush_answered(&silence->r, &run, now);
}

static void four_are_asked_at_a_time_and_no_name_is_looked_for_so(void **state)
{
    static struct silence silence;
    uint64_t now = 100 * NS_PER_S;
    (void)state;
    silence_begin(&silence, 3, now);
    assert_int_equal(rush_ask_time(&silence.r, now), now);
    silence_begin(&silence, 4, now);
    assert_int_equal(rush_ask_time(&silence.r, now), now + 200 * NS_PER_MS);
    silence.r.picks = true;
    assert_int_equal(rush_ask_time(&silence.r, now), now);
}

/* Else a few dozen ids whose hellos come again and again would keep all others from being asked. */
static void who_never_answers_has_a_place_once_however_often_it_is_asked_again(void **state)
{
    static struct silence silence;
    uint64_t now = 100 * NS_PER_S;
    (void)state;
    silence_begin(&silence, SILENT, now);
    now += 200 * NS_PER_MS;
    assert_int_equal(rush_ask_time(&silence.r, now), now);
    for (unsigned i = 0; i < SILENT; i++)
        parcel_again(&silence.said[i], now);
    assert_int_equal(rush_ask_time(&silence.r, now), now);
    for (unsigned i = 0; i < SILENT; i++) /* and said */
        silence.said[i].sent = 1, silence.said[i].began = silence.said[i].last = now;
    assert_int_equal(rush_ask_time(&silence.r, now), now);
}

/* It may have been lost, or a computer asleep, or somebody means it so. */
static void one_very_late_answer_holds_nothing_up_for_long(void **state)
{
    static struct silence silence;
    uint64_t now = 10000 * NS_PER_S;
    (void)state;
    silence_begin(&silence, 4, now);
    take_answer(&silence, now, 3600 * NS_PER_S);
    assert_int_equal(rush_ask_time(&silence.r, now), now + 2 * NS_PER_S);
    assert_true(rush_due(&silence.r, &silence.said[0]) <= now + NS_PER_S);
    now += 10 * NS_PER_S;
    silence_begin(&silence, 4, now);
    take_answer(&silence, now - 10 * NS_PER_S, 3600 * NS_PER_S);
    assert_int_equal(rush_ask_time(&silence.r, now), now + 200 * NS_PER_MS);
}

static void answers_to_others_put_off_what_is_said_again_but_not_for_ever(void **state)
{
    static struct silence silence;
    uint64_t said = 100 * NS_PER_S, now = said;
    (void)state;
    silence_begin(&silence, 1, said);
    assert_int_equal(rush_due(&silence.r, &silence.said[0]), said + 250 * NS_PER_MS);
    while (rush_due(&silence.r, &silence.said[0]) > now && now < said + 10 * NS_PER_S) {
        take_answer(&silence, now, 10 * NS_PER_MS);
        now += 50 * NS_PER_MS;
    }
    assert_int_equal(now, said + 1250 * NS_PER_MS);
    silence.said[0].wanted = true;
    assert_int_equal(rush_due(&silence.r, &silence.said[0]), silence.said[0].due);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sixty_four_who_start_at_once_on_two_cores_say_less_than_four_messages_a_pair),
        cmocka_unit_test(sixty_four_who_have_a_core_each_say_little_more),
        cmocka_unit_test(forty_on_cores_three_times_slower_lose_no_handshake),
        cmocka_unit_test(what_is_lost_in_a_rush_is_said_again),
        cmocka_unit_test(eight_meet_as_quickly_as_ever),
        cmocka_unit_test(four_are_asked_at_a_time_and_no_name_is_looked_for_so),
        cmocka_unit_test(who_never_answers_has_a_place_once_however_often_it_is_asked_again),
        cmocka_unit_test(one_very_late_answer_holds_nothing_up_for_long),
        cmocka_unit_test(answers_to_others_put_off_what_is_said_again_but_not_for_ever),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
