/* forward_link.c - a peer: what we ask of it, and what it asks of us.
 *
 * "Targets are the local user's alone": an ask is granted only if it is, letter for letter, one of --allow.
 * Whatever comes later names the number of a granted ask, never a host. */
#include "forward_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what we ask ---- */

static void describe_ask(const struct own *own, uint16_t number, struct ask *ask)
{
    *ask = (struct ask){.number = number, .listens = own->kind == OWN_REMOTE};
    ask->endpoint = ask->listens ? own->what.listen : own->what.target;
    if (ask->listens)
        ask->endpoint.host[0] = '\0'; /* always its loopback */
}

static bool ask_all(struct forward *forward, struct link *link)
{
    uint8_t out[ASK_MAX];
    for (unsigned i = 0; i < forward->own_count; i++) {
        struct ask ask;
        describe_ask(&forward->own[i], (uint16_t)i, &ask);
        size_t len = ask_write(out, &ask);
        if (p2p_stream_write(link->asks, out, len) != (ptrdiff_t)len)
            return false;
    }
    return true;
}

bool link_begin(struct forward *forward, struct member *member)
{
    struct link *link = calloc(1, sizeof *link);
    if (!link)
        return false;
    link->member = member;
    TAILQ_INSERT_TAIL(&forward->links, link, all);
    member->state = link;
    return p2p_stream_open(&link->asks, member->peer, FORWARD_ASKS, 0) == 0 && ask_all(forward, link);
}

void link_end(struct forward *forward, struct link *link)
{
    struct gate *gate, *next;
    tunnels_forget(forward, link);
    flows_forget(forward, link, NULL);
    for (gate = TAILQ_FIRST(&forward->gates); gate; gate = next) {
        next = TAILQ_NEXT(gate, all);
        if (gate->link == link)
            gate_free(forward, gate);
    }
    p2p_stream_free(link->asks);
    p2p_stream_free(link->heard);
    TAILQ_REMOVE(&forward->links, link, all);
    free(link);
}

static const char *describe(char text[2 * ENDPOINT_TEXT_MAX], const struct own *own)
{
    char target[ENDPOINT_TEXT_MAX];
    endpoint_print(target, own->kind == OWN_REMOTE ? &own->what.listen : &own->what.target);
    snprintf(text, 2 * ENDPOINT_TEXT_MAX, "%s%s%s", own->kind == OWN_REMOTE ? "port " : "",
             target[0] == ':' ? target + 1 : target, own->what.target.udp ? "/udp" : "");
    return text;
}

static void take_answer(struct forward *forward, struct link *link, const struct answer *answer)
{
    char text[2 * ENDPOINT_TEXT_MAX], name[SHOWN_NAME_MAX];
    struct session *session = forward->session;
    if (answer->number >= forward->own_count || link->states[answer->number] != ASK_OPEN)
        return;
    struct own *own = &forward->own[answer->number];
    link->states[answer->number] = answer->status == FORWARD_DONE ? ASK_GRANTED : ASK_DENIED;
    describe(text, own);
    events_name(name, link->member->peer);
    if (answer->status == FORWARD_DONE) {
        forward_tell(forward, 0, "granted",
                     own->kind == OWN_REMOTE ? "open at %s: %s" : "open through %s: %s", name, text);
        if (own->kind == OWN_STDIO && tunnel_open(forward, link, answer->number, true, own, -1) != 0)
            session_end(session, EXIT_OTHER, "cannot open a stream");
        return;
    }
    const char *allow = own->kind == OWN_REMOTE ? text + sizeof "port" : text;
    const char *hint = answer->status == FORWARD_NOT_ALLOWED ? "; it would with --allow " : "";
    if (session->options->keep)
        forward_tell(forward, 0, "denied", "%s: %s%s%s", text, forward_status_text(answer->status), hint,
                     *hint ? allow : "");
    else
        session_end(session, EXIT_OTHER, "%s: %s%s%s", text, forward_status_text(answer->status), hint,
                    *hint ? allow : "");
}

static void hear_answers(struct forward *forward, struct link *link)
{
    struct answer answer;
    while (link->asks) {
        ptrdiff_t got =
            p2p_stream_read(link->asks, link->answer + link->answer_len, ANSWER_LEN - link->answer_len);
        if (got <= 0)
            return; /* its end, should it come, changes nothing: what was granted stays */
        link->answer_len += (size_t)got;
        if (link->answer_len < ANSWER_LEN)
            continue;
        link->answer_len = 0;
        answer_read(&answer, link->answer);
        take_answer(forward, link, &answer);
    }
}

/* ---- what it asks ---- */

static struct permit *find_permit(struct forward *forward, const struct ask *ask)
{
    for (unsigned i = 0; i < forward->permit_count; i++) {
        struct permit *permit = &forward->permits[i];
        const struct endpoint *named = &permit->target.endpoint;
        if (permit->listens == ask->listens && endpoint_equal(named, &ask->endpoint))
            return permit;
    }
    return NULL;
}

static struct grant *find_grant(struct link *link, uint16_t number)
{
    for (unsigned i = 0; i < link->grant_count; i++)
        if (link->grants[i].number == number)
            return &link->grants[i];
    return NULL;
}

static enum forward_status listen_for(struct forward *forward, struct link *link, struct grant *grant,
                                      const struct ask *ask)
{
    grant->gate = gate_open(forward, &ask->endpoint);
    if (!grant->gate)
        return errno == EADDRINUSE ? FORWARD_TAKEN : FORWARD_FAILED;
    grant->gate->link = link;
    grant->gate->number = ask->number;
    return FORWARD_DONE;
}

static enum forward_status consider(struct forward *forward, struct link *link, const struct ask *ask)
{
    struct permit *permit = find_permit(forward, ask);
    if (!permit)
        return FORWARD_NOT_ALLOWED;
    if (link->grant_count == GRANTS_MAX || find_grant(link, ask->number))
        return FORWARD_FULL;
    struct grant *grant = &link->grants[link->grant_count];
    *grant = (struct grant){.number = ask->number, .target = permit->listens ? NULL : &permit->target};
    enum forward_status status = permit->listens ? listen_for(forward, link, grant, ask) : FORWARD_DONE;
    link->grant_count += status == FORWARD_DONE;
    return status;
}

static void take_ask(struct forward *forward, struct link *link, const struct ask *ask)
{
    uint8_t out[ANSWER_LEN];
    char text[ENDPOINT_TEXT_MAX], name[SHOWN_NAME_MAX];
    struct answer answer = {.number = ask->number, .status = consider(forward, link, ask)};
    endpoint_print(text, &ask->endpoint);
    forward_tell(forward, 0, answer.status == FORWARD_DONE ? "allowed" : "refused", "%s asks %s%s%s: %s",
                 events_name(name, link->member->peer), ask->listens ? "us to listen on port " : "for ",
                 text[0] == ':' ? text + 1 : text, ask->endpoint.udp ? "/udp" : "",
                 answer.status == FORWARD_DONE          ? "allowed"
                 : answer.status == FORWARD_NOT_ALLOWED ? "not allowed (--allow)"
                 : answer.status == FORWARD_TAKEN       ? "the port is in use"
                                                        : "refused");
    answer_write(out, &answer);
    if (p2p_stream_write(link->heard, out, sizeof out) != sizeof out)
        p2p_peer_close(link->member->peer, "does not read its answers");
}

/* Whoever says something that is no ask, or more than can be granted, is heard no more. */
static void hear_asks(struct forward *forward, struct link *link)
{
    struct ask ask;
    while (link->heard) {
        ptrdiff_t got =
            p2p_stream_read(link->heard, link->part + link->part_len, sizeof link->part - link->part_len);
        if (got == P2P_EAGAIN)
            return;
        link->part_len += got > 0 ? (size_t)got : 0;
        ptrdiff_t taken = got > 0 ? 0 : -1;
        while (got > 0 && (taken = ask_read(&ask, link->part, link->part_len)) > 0) {
            link->part_len -= (size_t)taken;
            memmove(link->part, link->part + taken, link->part_len);
            if (++link->asked <= GRANTS_MAX)
                take_ask(forward, link, &ask);
        }
        if (got == 0)
            return;
        if (taken < 0 || link->asked > GRANTS_MAX || link->part_len == sizeof link->part) {
            p2p_stream_free(link->heard);
            link->heard = NULL;
        }
    }
}

/* ---- places ---- */

/* Where several may come no peer takes what others need, whoever is first, and nobody loses a place to who
 * comes later: there is always something left. Alone a peer gets two thirds of all, of two each gets two
 * fifths, and so on (a dynamic threshold, as Choudhury and Hahne give the buffers of a switch to its queues,
 * 1998). */
static bool place_is_free(const struct forward *forward, const struct link *link)
{
    unsigned left = forward->places < forward->places_max ? forward->places_max - forward->places : 0;
    return left && (!forward->session->options->keep || link->places < SHARE_OF_FREE * left);
}

bool link_has_room(struct forward *forward, struct link *link)
{
    char name[SHOWN_NAME_MAX];
    if (place_is_free(forward, link) || link->flow_count)
        return true;
    if (!link->told_full)
        forward_tell(forward, 0, "full", "%s has %u connections, and with so many no more are opened for it",
                     events_name(name, link->member->peer), link->places);
    link->told_full = true; /* once */
    return false;
}

/* A flow is only remembered, and its next datagram begins another; a connection that is lost stays lost. */
void link_take_place(struct forward *forward, struct link *link)
{
    if (!place_is_free(forward, link))
        flow_give_way(forward, link);
    forward->places++, link->places++;
}

void link_leave_place(struct forward *forward, struct link *link)
{
    forward->places--, link->places--;
}

/* ---- for the others ---- */

void link_event(struct forward *forward, struct link *link, const struct p2p_event *event)
{
    if (event->type == P2P_EVENT_STREAM && !link->heard)
        link->heard = event->stream;
    else if (event->type == P2P_EVENT_STREAM)
        p2p_stream_free(event->stream);
    if (event->type != P2P_EVENT_WRITABLE && event->stream == link->heard)
        hear_asks(forward, link);
    else if (event->type == P2P_EVENT_READABLE && event->stream == link->asks)
        hear_answers(forward, link);
}

struct grant *link_grant(struct link *link, uint16_t number)
{
    return find_grant(link, number);
}

struct own *link_own(struct forward *forward, struct link *link, uint16_t number)
{
    bool good = number < forward->own_count && link->states[number] == ASK_GRANTED;
    return good ? &forward->own[number] : NULL;
}

struct link *gate_link(struct forward *forward, const struct gate *gate)
{
    struct link *link;
    if (gate->link)
        return gate->link;
    TAILQ_FOREACH(link, &forward->links, all)
    if (link->states[gate->number] == ASK_GRANTED)
        return link;
    return NULL;
}
