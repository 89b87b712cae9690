/* rendezvous.c - who has said what in the room: the four verbs, the hellos and the brokers. The exchange and
 * its states are drawn in README.md; the rest of the machine is listed in meeting.h. */
#include "meeting.h"
#include "room.h"
#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

static void set_topics(struct rendezvous *r)
{
    snprintf(r->hello_topic, sizeof r->hello_topic, "p2pconnect/1/%s/hello", r->party.room);
    snprintf(r->inbox_topic, sizeof r->inbox_topic, "p2pconnect/1/%s/to/%s", r->party.room, r->party.id);
}

struct rendezvous *rendezvous_new(const struct rendezvous_config *config)
{
    uint8_t id[PEER_ID_LEN * 5 / 8];
    assert(room_valid(config->room) && config->slots >= 1 && config->slots <= SLOTS_MAX);
    assert(config->brokers >= 1 && config->brokers <= RENDEZVOUS_BROKERS_MAX);
    struct rendezvous *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->party.random = config->random;
    config->random->fill(config->random->context, id, sizeof id);
    config->random->fill(config->random->context, r->nonce, sizeof r->nonce);
    base32_print(r->party.id, id, sizeof id);
    room_topic(r->party.room, config->room);
    pake_password(r->party.prs, config->room, config->secret, config->secret_len);
    veil_key(r->party.veil_key, config->room);
    sightings_start(&r->sightings, config->random);
    presence_start(&r->presence, config->random);
    withheld_start(&r->withheld, config->random);
    r->quota.has_guesses = config->secret != NULL;
    snprintf(r->name, sizeof r->name, "%s", config->name);
    snprintf(r->purpose, sizeof r->purpose, "%s", config->purpose);
    r->have_machine = config->machine != NULL;
    if (config->machine)
        memcpy(r->machine, config->machine, sizeof r->machine);
    r->slots = config->slots;
    r->serves = config->serves;
    r->picks = config->picks;
    r->brokers = config->brokers;
    set_topics(r);
    return r;
}

void rendezvous_free(struct rendezvous *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->crowd.used; i++)
        peer_leave(&r->crowd.peers[i]);
    parcel_free_list(r->farewells);
    notices_clear(&r->notices);
    sodium_memzero(r, sizeof *r);
    free(r);
}

const char *rendezvous_id(const struct rendezvous *r)
{
    return r->party.id;
}

void rendezvous_topics(const struct rendezvous *r, char hello[TOPIC_MAX], char inbox[TOPIC_MAX])
{
    memcpy(hello, r->hello_topic, TOPIC_MAX);
    memcpy(inbox, r->inbox_topic, TOPIC_MAX);
}

void rendezvous_set_trace(struct rendezvous *r, bool on)
{
    r->trace = on;
}

void rendezvous_stats(const struct rendezvous *r, struct rendezvous_stats *stats)
{
    *stats = r->stats;
}

void rendezvous_show(struct rendezvous *r, bool outgoing, const char *id, const struct run *run,
                     const char *text, size_t len)
{
    struct notice *notice = r->trace ? notice_new(&r->notices, RENDEZVOUS_TRACE, text, len) : NULL;
    if (!notice)
        return;
    notice->event.outgoing = outgoing;
    notice->event.peer = run ? run->handle : 0;
    snprintf(notice->event.id, sizeof notice->event.id, "%s", id);
    notices_put(&r->notices, notice);
}

/* ---- hello ---- */

static uint32_t all_brokers(const struct rendezvous *r)
{
    return (UINT32_C(1) << r->brokers) - 1;
}

static uint8_t freshness(const struct rendezvous *r, uint64_t now)
{
    uint64_t ticks = r->was_connected ? (now - r->entered) / (FRESH_TICK_MS * NS_PER_MS) : 0;
    return ticks < UINT8_MAX ? (uint8_t)(UINT8_MAX - ticks) : 0;
}

struct message_about rendezvous_about(const struct rendezvous *r, uint64_t now)
{
    struct message_about about = {.slots = (uint8_t)r->slots};
    memcpy(about.nonce, r->nonce, sizeof about.nonce);
    memcpy(about.purpose, r->purpose, sizeof about.purpose);
    about.fresh = freshness(r, now);
    return about;
}

static void write_letter(struct rendezvous *r, uint64_t now, enum message_type type, struct letter *letter)
{
    struct message message = {.type = type, .about = rendezvous_about(r, now)};
    memcpy(message.from, r->party.id, sizeof message.from);
    veil_close(r->party.veil_key, &message);
    memcpy(letter->topic, r->hello_topic, sizeof letter->topic);
    letter->len = message_encode(&message, letter->data, sizeof letter->data);
}

void rendezvous_will(const struct rendezvous *r, struct letter *will)
{
    struct message message = {.type = MESSAGE_BYE};
    memcpy(message.from, r->party.id, sizeof message.from);
    will->relay = false;
    will->brokers = all_brokers(r);
    memcpy(will->topic, r->hello_topic, sizeof will->topic);
    will->len = message_encode(&message, will->data, sizeof will->data);
}

/* Twice as long each time, a fifth more or less: peers that started together do not stay together. With
 * company the slowest rate is enough: whoever comes says hello too, and is heard. */
static uint64_t hello_interval(struct rendezvous *r)
{
    uint64_t interval = RENDEZVOUS_HELLO_MIN_MS * NS_PER_MS << r->hello_step;
    if (interval >= RENDEZVOUS_HELLO_MAX_S * NS_PER_S || crowd_sessions(&r->crowd))
        interval = RENDEZVOUS_HELLO_MAX_S * NS_PER_S;
    else
        r->hello_step++;
    return interval * 4 / 5 + interval * 2 / 5 * random_below(r->party.random, 1024) / 1024;
}

static void restart_hellos(struct rendezvous *r, uint64_t now)
{
    r->hello_step = 0;
    r->hello_due = now + hello_interval(r);
}

void rendezvous_crowd(struct rendezvous *r, uint64_t now)
{
    if (r->crowded)
        return;
    r->crowded = true;
    uint64_t due =
        now + HELLO_CROWD_MS * NS_PER_MS + random_below(r->party.random, HELLO_CROWD_MS) * NS_PER_MS;
    r->hello_due = earlier(due, r->hello_due);
}

void rendezvous_pace(struct rendezvous *r, uint64_t now)
{
    unsigned sessions = crowd_sessions(&r->crowd);
    bool company = sessions > 0;
    if (company != r->company)
        restart_hellos(r, now);
    r->company = company;
    if (!company)
        r->crowded = false;
    if (sessions >= 2)
        rendezvous_crowd(r, now);
}

/* Strangers say so much that our hello, at its own rate, would be one of thousands. */
static bool is_flooded(struct rendezvous *r, uint64_t now)
{
    return r->heard >= HELLO_SHARE && now >= r->hello_said + HELLO_FLOODED_MS * NS_PER_MS &&
           r->flood_paid < now + HELLO_FLOODED_MAX * NS_PER_S && answer_is_flooded(r, now);
}

/* The brokers that a hello must go to now. */
static uint32_t hello_brokers(struct rendezvous *r, uint64_t now)
{
    if (!r->slots)
        return r->tell_full && now >= r->full_said + FULL_GAP_MS * NS_PER_MS ? r->connected : 0;
    if (!r->said)
        return all_brokers(r); /* not connected yet: it leaves in the first flight */
    if (r->hello_due <= now || is_flooded(r, now))
        return r->connected;
    return r->greet & r->connected;
}

static bool output_hello(struct rendezvous *r, uint64_t now, struct letter *letter)
{
    letter->brokers = hello_brokers(r, now);
    if (!letter->brokers)
        return false;
    if (r->slots && r->said && r->hello_due > now && !(r->greet & r->connected))
        r->flood_paid = (r->flood_paid > now ? r->flood_paid : now) + NS_PER_S;
    if (!r->said || r->hello_due <= now)
        r->hello_due = now + hello_interval(r);
    r->said = true;
    r->hello_said = now;
    r->heard = 0;
    if (!r->slots)
        r->full_said = now;
    r->tell_full = false;
    r->greeted |= letter->brokers;
    r->greet &= ~letter->brokers;
    write_letter(r, now, MESSAGE_HELLO, letter);
    rendezvous_show(r, true, "", NULL, letter->data, letter->len);
    return true;
}

void rendezvous_set_slots(struct rendezvous *r, uint64_t now, unsigned slots)
{
    assert(slots <= SLOTS_MAX);
    r->now = now;
    if (slots && !r->slots) {
        r->hello_step = 0;
        r->hello_due = now;
        crowd_forgive(&r->crowd); /* there was no room, now there is */
    }
    if (!slots && r->slots)
        r->tell_full = crowd_knocks(&r->crowd);
    r->slots = slots;
}

void rendezvous_leave(struct rendezvous *r)
{
    r->serves = false;
}

bool rendezvous_has_untried(const struct rendezvous *r, uint64_t now)
{
    for (size_t i = 0; i < r->crowd.used; i++) {
        const struct peer *peer = &r->crowd.peers[i];
        if (!peer->session && !peer->failures && now < peer->heard + WISH_MAX_S * NS_PER_S)
            return true;
    }
    return false;
}

/* ---- brokers ---- */

void rendezvous_connected(struct rendezvous *r, uint64_t now, unsigned broker)
{
    uint32_t bit = UINT32_C(1) << broker;
    assert(broker < r->brokers);
    r->now = now;
    if (!r->was_connected) { /* the time until now was not spent alone in the room */
        r->was_connected = true;
        r->entered = now;
        restart_hellos(r, now);
    }
    r->connected |= bit;
    if (!(r->greeted & bit))
        r->greet |= bit;
}

void rendezvous_disconnected(struct rendezvous *r, uint64_t now, unsigned broker)
{
    uint32_t bit = UINT32_C(1) << broker;
    assert(broker < r->brokers);
    r->now = now;
    r->connected &= ~bit;
    r->greeted &= ~bit;
}

/* ---- the verbs ---- */

static void dispatch(struct rendezvous *r, uint64_t now, uint32_t broker, bool inbox,
                     const struct message *message)
{
    static void (*const takers[])(struct rendezvous *, uint64_t, uint32_t, const struct message *) = {
        [MESSAGE_HELLO] = meeting_hello, [MESSAGE_PAKE1] = meeting_pake1,   [MESSAGE_PAKE2] = meeting_pake2,
        [MESSAGE_PAKE3] = meeting_pake3, [MESSAGE_SEALED] = meeting_sealed, [MESSAGE_BYE] = meeting_bye,
    };
    bool for_all = message->type == MESSAGE_HELLO || message->type == MESSAGE_BYE;
    if (for_all == inbox)
        r->stats.stale++;
    else
        takers[message->type](r, now, broker, message);
}

/* A hello that does not open is of somebody who does not know the room's name. In a pake1 or pake2 it stays
 * closed, with an empty purpose: that run fails as one with a wrong secret does, and both sides hear of it.
 */
static bool lift_veil(const struct rendezvous *r, struct message *message)
{
    if (message->type > MESSAGE_PAKE2)
        return true;
    return veil_open(r->party.veil_key, message) || message->type != MESSAGE_HELLO;
}

void rendezvous_input(struct rendezvous *r, uint64_t now, unsigned broker, const char *topic,
                      const uint8_t *data, size_t len)
{
    struct message message;
    assert(broker < r->brokers);
    r->now = now;
    bool inbox = !strcmp(topic, r->inbox_topic);
    if (!inbox && strcmp(topic, r->hello_topic) != 0) {
        r->stats.stale++;
        return;
    }
    if (len > MESSAGE_MAX || !message_decode(&message, data, len) || !lift_veil(r, &message)) {
        r->stats.malformed++;
        return;
    }
    if (!strcmp(message.from, r->party.id)) {
        r->stats.own++;
        return;
    }
    if (message.type != MESSAGE_SEALED)
        rendezvous_show(r, false, message.from, NULL, (const char *)data, len);
    dispatch(r, now, UINT32_C(1) << broker, inbox, &message);
    turns_take(r, now);
}

static bool output_parcel(struct rendezvous *r, uint64_t now, const struct run *run, struct parcel *parcel,
                          struct letter *letter)
{
    if (!parcel_output(parcel, now, r->connected, r->party.room, letter))
        return false;
    if (parcel->type != MESSAGE_SEALED)
        rendezvous_show(r, true, parcel->to, run, letter->data, letter->len);
    return true;
}

static bool output_run(struct rendezvous *r, uint64_t now, struct run *run, struct letter *letter)
{
    if (!run)
        return false;
    if (run->reply && rush_due(r, run->reply) <= now && output_parcel(r, now, run, run->reply, letter))
        return true;
    for (struct parcel *parcel = run->mail; parcel; parcel = parcel->next)
        if (output_parcel(r, now, run, parcel, letter))
            return true;
    return false;
}

static bool output_farewell(struct rendezvous *r, uint64_t now, struct letter *letter)
{
    for (struct parcel **at = &r->farewells; *at; at = &(*at)->next) {
        struct parcel *parcel = *at;
        if (!output_parcel(r, now, NULL, parcel, letter))
            continue;
        if (parcel->due == NEVER) {
            *at = parcel->next;
            parcel_free(parcel);
        }
        return true;
    }
    return false;
}

static bool output_peers(struct rendezvous *r, uint64_t now, struct letter *letter)
{
    for (size_t i = 0; i < r->crowd.used; i++) {
        struct peer *peer = &r->crowd.peers[i];
        if (output_run(r, now, peer->session, letter) || output_run(r, now, peer->invited, letter) ||
            output_run(r, now, peer->asking, letter))
            return true;
    }
    return false;
}

bool rendezvous_output(struct rendezvous *r, uint64_t now, struct letter *letter)
{
    r->now = now;
    letter->relay = false;
    turns_take(r, now);
    if (!output_hello(r, now, letter) && !output_peers(r, now, letter) && !output_farewell(r, now, letter))
        return false;
    r->stats.sent++;
    return true;
}

static uint64_t parcels_deadline(const struct parcel *parcel)
{
    uint64_t deadline = NEVER;
    for (; parcel; parcel = parcel->next)
        deadline = earlier(deadline, parcel->due);
    return deadline;
}

static uint64_t run_deadline(const struct rendezvous *r, const struct run *run)
{
    uint64_t mail = run ? parcels_deadline(run->mail) : NEVER;
    return run && run->reply ? earlier(rush_due(r, run->reply), mail) : mail;
}

uint64_t rendezvous_deadline(const struct rendezvous *r)
{
    uint64_t deadline = turns_deadline(r);
    if (r->notices.first || (!r->said && r->slots))
        return r->now;
    if (!r->connected)
        return deadline;
    if (r->slots)
        deadline = earlier(deadline, r->greet & r->connected ? r->now : r->hello_due);
    else if (r->tell_full)
        deadline = earlier(deadline, r->full_said + FULL_GAP_MS * NS_PER_MS);
    deadline = earlier(deadline, parcels_deadline(r->farewells));
    for (size_t i = 0; i < r->crowd.used; i++) {
        const struct peer *peer = &r->crowd.peers[i];
        deadline = earlier(deadline, run_deadline(r, peer->session));
        deadline = earlier(deadline, run_deadline(r, peer->invited));
        deadline = earlier(deadline, run_deadline(r, peer->asking));
    }
    return deadline;
}

bool rendezvous_event(struct rendezvous *r, struct rendezvous_event *event)
{
    return notices_take(&r->notices, event);
}
