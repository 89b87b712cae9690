/* handshake.c - one run of the PAKE with one peer and the sealed messages after it (security.md: CPace, then
 * a seal). Every function takes or makes one message; who repeats it, and when a run ends, is rendezvous'
 * business. */
#include "handshake.h"
#include <sodium.h>
#include <string.h>

static const char MACHINE_LABEL[] = "p2pconnect/1 machine";

static enum pake_role other_role(enum pake_role role)
{
    return role == PAKE_INITIATOR ? PAKE_RESPONDER : PAKE_INITIATOR;
}

static void message_begin(struct message *message, enum message_type type, const struct party *party)
{
    memset(message, 0, sizeof *message);
    message->type = type;
    memcpy(message->from, party->id, sizeof message->from);
}

static void fill(const struct party *party, uint8_t *out, size_t len)
{
    party->random->fill(party->random->context, out, len);
}

/* All that `role` said in the open, but its nonce: nobody can change any of it. */
static size_t make_ad(const struct handshake *run, enum pake_role role, uint8_t ad[PAKE_ABOUT_MAX])
{
    const struct message_about *about = role == run->pake.role ? &run->own : &run->other;
    return role == PAKE_INITIATOR ? pake_about(ad, about, run->commit, sizeof run->commit)
                                  : pake_about(ad, about, run->reveal_b, sizeof run->reveal_b);
}

/* Both sides' additional data and the other's point make the keys. */
static void finish(struct handshake *run, const struct party *party, const uint8_t point[POINT_LEN])
{
    uint8_t a[PAKE_ABOUT_MAX], b[PAKE_ABOUT_MAX];
    size_t a_len = make_ad(run, PAKE_INITIATOR, a), b_len = make_ad(run, PAKE_RESPONDER, b);
    bool veiled = !*run->other.purpose; /* it did not open, so nothing in it may be believed */
    if (!pake_finish(&run->pake, point, a, a_len, b, b_len) || veiled)
        pake_reject(&run->pake, party->random);
    seal_start(&run->seal, &run->pake.keys, run->pake.role, party->random);
}

static void make_tag(const struct handshake *run, enum pake_role role, uint8_t tag[TAG_LEN])
{
    uint8_t ad[PAKE_ABOUT_MAX];
    pake_tag(&run->pake, role, tag, ad, make_ad(run, role, ad));
}

static bool tag_holds(struct handshake *run, const struct message *message)
{
    uint8_t tag[TAG_LEN];
    make_tag(run, other_role(run->pake.role), tag);
    memcpy(run->other_tag, message->tag, TAG_LEN);
    return pake_tag_equal(tag, message->tag);
}

/* Seals `body` into a message whose other members are there already. */
static bool close_body(struct handshake *run, struct party *party, const struct body *body,
                       struct message *message)
{
    size_t len = body_encode(body, party->clear, SEAL_CLEAR_MAX);
    if (!len)
        return false;
    party->clear[len] = 0;
    message->sequence = run->seal.send_sequence++;
    struct seal_context context = {party->room, party->id, run->peer, message->type, message->sequence};
    message->sealed_len =
        seal_close(&run->seal, &context, (const uint8_t *)party->clear, len, message->sealed, party->random);
    return message->sealed_len > 0;
}

static bool open_body(struct handshake *run, struct party *party, const struct message *message,
                      struct body *body)
{
    size_t len;
    struct seal_context context = {party->room, run->peer, party->id, message->type, message->sequence};
    if (!seal_open(&run->seal, &context, message->sealed, message->sealed_len, (uint8_t *)party->clear, &len))
        return false;
    party->clear[len] = 0;
    return body_decode(body, (const uint8_t *)party->clear, len);
}

void handshake_ask(struct handshake *run, struct party *party, const char *peer,
                   const struct message_about *own, const struct message_about *other, struct message *pake1)
{
    memset(run, 0, sizeof *run);
    run->state = HANDSHAKE_ASKED;
    memcpy(run->peer, peer, sizeof run->peer);
    run->own = *own;
    run->other = *other;
    fill(party, run->reveal_a, sizeof run->reveal_a);
    pake_start(&run->pake, PAKE_INITIATOR, party->prs, party->id, peer, own->nonce, other->nonce,
               party->random);
    message_begin(pake1, MESSAGE_PAKE1, party);
    pake1->about = *own;
    veil_close(party->veil_key, pake1);
    memcpy(pake1->point, run->pake.own, POINT_LEN);
    pake_commit(run->commit, run->reveal_a);
    memcpy(pake1->commit, run->commit, COMMIT_LEN);
}

void handshake_invite(struct handshake *run, struct party *party, const struct message *pake1,
                      const struct message_about *own)
{
    memset(run, 0, sizeof *run);
    run->state = HANDSHAKE_INVITED;
    memcpy(run->peer, pake1->from, sizeof run->peer);
    run->own = *own;
    run->other = pake1->about;
    memcpy(run->commit, pake1->commit, COMMIT_LEN);
    fill(party, run->reveal_b, sizeof run->reveal_b);
    pake_start(&run->pake, PAKE_RESPONDER, party->prs, run->peer, party->id, run->other.nonce, own->nonce,
               party->random);
    memcpy(run->pake.peer, pake1->point, POINT_LEN); /* known even when it is invalid, to tell copies of it */
    finish(run, party, pake1->point);
}

bool handshake_answer(struct handshake *run, struct party *party, const struct body *body,
                      struct message *pake2)
{
    message_begin(pake2, MESSAGE_PAKE2, party);
    pake2->about = run->own;
    veil_close(party->veil_key, pake2);
    memcpy(pake2->point, run->pake.own, POINT_LEN);
    memcpy(pake2->reveal, run->reveal_b, REVEAL_LEN);
    make_tag(run, PAKE_RESPONDER, pake2->tag);
    if (!close_body(run, party, body, pake2))
        return false;
    run->state = HANDSHAKE_ANSWERED;
    return true;
}

static bool may_decline(enum body_type type)
{
    return type == BODY_BUSY || type == BODY_BYE;
}

enum verdict handshake_accept(struct handshake *run, struct party *party, const struct message *pake2,
                              struct body *body)
{
    run->state = HANDSHAKE_OVER;
    run->other = pake2->about;
    memcpy(run->reveal_b, pake2->reveal, REVEAL_LEN);
    memcpy(run->other_tag, pake2->tag, TAG_LEN);
    memcpy(run->pake.peer, pake2->point, POINT_LEN);
    finish(run, party, pake2->point);
    if (!tag_holds(run, pake2) || !open_body(run, party, pake2, body))
        return VERDICT_BAD;
    if (body->type == BODY_OFFER)
        run->state = HANDSHAKE_ACCEPTED;
    return body->type == BODY_OFFER || may_decline(body->type) ? VERDICT_GOOD : VERDICT_BAD;
}

bool handshake_confirm(struct handshake *run, struct party *party, struct body *body, struct message *pake3)
{
    message_begin(pake3, MESSAGE_PAKE3, party);
    make_tag(run, PAKE_INITIATOR, pake3->tag);
    if (!body)
        return true;
    memcpy(body->reveal, run->reveal_a, REVEAL_LEN);
    if (!close_body(run, party, body, pake3))
        return false;
    run->state = body->type == BODY_ANSWER ? HANDSHAKE_PROVEN : HANDSHAKE_OVER;
    return true;
}

static bool commitment_holds(const struct handshake *run, const struct body *answer)
{
    uint8_t commit[COMMIT_LEN];
    pake_commit(commit, answer->reveal);
    return pake_tag_equal(commit, run->commit);
}

enum verdict handshake_prove(struct handshake *run, struct party *party, const struct message *pake3,
                             struct body *body)
{
    if (!tag_holds(run, pake3))
        return VERDICT_BAD;
    if (!pake3->sealed_len)
        return VERDICT_EMPTY;
    if (!open_body(run, party, pake3, body))
        return VERDICT_BAD;
    if (may_decline(body->type))
        return VERDICT_GOOD;
    if (body->type != BODY_ANSWER || !commitment_holds(run, body))
        return VERDICT_BAD;
    memcpy(run->reveal_a, body->reveal, REVEAL_LEN);
    run->state = HANDSHAKE_PROVEN;
    return VERDICT_GOOD;
}

bool handshake_seal(struct handshake *run, struct party *party, const struct body *body,
                    struct message *sealed)
{
    message_begin(sealed, MESSAGE_SEALED, party);
    return close_body(run, party, body, sealed);
}

bool handshake_open(struct handshake *run, struct party *party, const struct message *sealed,
                    struct body *body)
{
    return open_body(run, party, sealed, body);
}

bool handshake_replayed(const struct handshake *run, uint64_t sequence)
{
    const struct seal *seal = &run->seal;
    if (sequence > seal->received_highest)
        return false;
    uint64_t age = seal->received_highest - sequence;
    return age >= SEAL_WINDOW || (seal->received_window >> age & 1);
}

void handshake_machine(const struct handshake *run, enum pake_role role, const uint8_t machine[32],
                       uint8_t hash[16])
{
    uint8_t label[sizeof MACHINE_LABEL], key[32];
    memcpy(label, MACHINE_LABEL, sizeof MACHINE_LABEL - 1);
    label[sizeof MACHINE_LABEL - 1] = (uint8_t)role;
    crypto_generichash(key, sizeof key, label, sizeof label, run->pake.keys.tls, sizeof run->pake.keys.tls);
    crypto_generichash(hash, 16, machine, 32, key, sizeof key);
    sodium_memzero(key, sizeof key);
}

void handshake_wipe(struct handshake *run)
{
    pake_wipe(&run->pake);
    seal_wipe(&run->seal);
    sodium_memzero(run, sizeof *run);
}
