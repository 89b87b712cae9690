/* forward_flow.c - UDP: datagrams between one address here and one socket there, over datagrams of QUIC.
 *
 * Nothing is kept, sent again or put together: what is lost is lost, what is too long for a packet of the
 * path is told once and dropped, as a router would. A flow begins with its first datagram and ends after
 * IDLE_S without one. Left out: ICMP, and waiting for a target's name (the datagrams until it is known are
 * lost). */
#include "forward_state.h"

#include "clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    IDLE_S = 300,      /* what RFC 4787 REQ-5 recommends for NATs, and programs expect therefore */
    DATAGRAMS_MAX = 64 /* of a socket a turn: the queue of the connection holds 256, and drops the oldest */
};

static void flow_ready(struct forward *forward, struct watch *watch, unsigned what)
{
    (void)forward, (void)what;
    ((struct flow *)watch)->readable = true;
}

static void flow_free(struct forward *forward, struct flow *flow)
{
    TAILQ_REMOVE(&forward->flows, flow, all);
    flow->link->flow_count--;
    link_leave_place(forward, flow->link);
    if (flow->fd >= 0)
        forward_close(forward, flow->fd);
    free(flow);
}

void flows_forget(struct forward *forward, const struct link *link, const struct gate *gate)
{
    struct flow *next;
    for (struct flow *flow = TAILQ_FIRST(&forward->flows); flow; flow = next) {
        next = TAILQ_NEXT(flow, all);
        if ((!link || flow->link == link) && (!gate || flow->gate == gate))
            flow_free(forward, flow);
    }
}

static void flow_use(struct forward *forward, struct flow *flow)
{
    flow->used_at = forward->session->now;
    TAILQ_REMOVE(&forward->flows, flow, all);
    TAILQ_INSERT_TAIL(&forward->flows, flow, all);
}

void flow_give_way(struct forward *forward, const struct link *link)
{
    struct flow *flow = TAILQ_FIRST(&forward->flows);
    while (flow && flow->link != link)
        flow = TAILQ_NEXT(flow, all);
    if (flow)
        flow_free(forward, flow);
}

static struct flow *flow_new(struct forward *forward, struct link *link)
{
    struct flow *flow = link_has_room(forward, link) ? calloc(1, sizeof *flow) : NULL;
    if (!flow)
        return NULL;
    flow->watch.ready = flow_ready;
    flow->link = link;
    flow->fd = -1;
    flow->used_at = forward->session->now;
    link_take_place(forward, link);
    if (link->flow_count >= FLOWS_MAX)
        flow_give_way(forward, link);
    link->flow_count++;
    TAILQ_INSERT_TAIL(&forward->flows, flow, all);
    return flow;
}

static struct flow *find_flow(struct forward *forward, const struct link *link, bool ours, uint16_t number,
                              uint16_t id)
{
    struct flow *flow;
    TAILQ_FOREACH_REVERSE(flow, &forward->flows, flows, all)
    {
        if (flow->link == link && flow->ours == ours && flow->number == number && flow->id == id)
            return flow;
    }
    return NULL;
}

/* forward->scratch holds `len` bytes after room for a head. */
static void send_on(struct forward *forward, struct flow *flow, size_t len)
{
    char name[SHOWN_NAME_MAX];
    struct link *link = flow->link;
    datagram_head_write(forward->scratch, &(struct datagram_head){flow->ours, flow->number, flow->id});
    int err = p2p_datagram_send(link->member->peer, forward->scratch, DATAGRAM_HEAD_LEN + len);
    size_t most = p2p_datagram_max(link->member->peer);
    if (err != P2P_ETOOLONG || link->told_too_large || most < DATAGRAM_HEAD_LEN)
        return;
    link->told_too_large = true;
    forward_tell(forward, 0, "too-large",
                 "a datagram of %zu bytes is too large for the path to %s, which takes %zu: it "
                 "and its like are lost (a smaller MTU helps)",
                 len, events_name(name, link->member->peer), most - DATAGRAM_HEAD_LEN);
}

/* ---- from the sockets ---- */

static struct flow *flow_from(struct forward *forward, struct gate *gate, struct link *link,
                              const struct target_address *source)
{
    struct flow *flow;
    TAILQ_FOREACH_REVERSE(flow, &forward->flows, flows, all)
    {
        if (flow->gate == gate && flow->link == link && flow->source.len == source->len &&
            memcmp(&flow->source.address, &source->address, source->len) == 0)
            return flow;
    }
    flow = flow_new(forward, link);
    if (!flow)
        return NULL;
    flow->ours = !gate->link;
    flow->number = gate->number;
    flow->gate = gate;
    flow->source = *source;
    while (find_flow(forward, link, flow->ours, gate->number, forward->next_flow))
        forward->next_flow++;
    flow->id = forward->next_flow++;
    return flow;
}

bool flows_gate(struct forward *forward, struct gate *gate)
{
    bool moved = false;
    struct link *link = gate_link(forward, gate);
    for (int i = 0; gate->ready && i < DATAGRAMS_MAX; i++) {
        struct target_address source = {.len = sizeof source.address};
        ssize_t len = recvfrom(gate->fd, forward->scratch + DATAGRAM_HEAD_LEN, SCRATCH - DATAGRAM_HEAD_LEN, 0,
                               (struct sockaddr *)&source.address, &source.len);
        gate->ready = len >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
        if (!gate->ready)
            loop_set_again(forward->set, gate->fd, LOOP_SET_READ);
        struct flow *flow = len >= 0 && link ? flow_from(forward, gate, link, &source) : NULL;
        if (!flow)
            continue; /* nobody takes it: lost */
        flow_use(forward, flow);
        send_on(forward, flow, (size_t)len);
        moved = true;
    }
    return moved || gate->ready;
}

static bool flow_step(struct forward *forward, struct flow *flow)
{
    bool moved = false;
    for (int i = 0; flow->readable && i < DATAGRAMS_MAX; i++) {
        ssize_t len = recv(flow->fd, forward->scratch + DATAGRAM_HEAD_LEN, SCRATCH - DATAGRAM_HEAD_LEN, 0);
        /* ECONNREFUSED and its like: nobody is there yet; the next datagram tries again. */
        flow->readable = len >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
        if (!flow->readable)
            loop_set_again(forward->set, flow->fd, LOOP_SET_READ);
        if (len < 0)
            continue;
        flow_use(forward, flow);
        send_on(forward, flow, (size_t)len);
        moved = true;
    }
    return moved || flow->readable;
}

bool flows_step(struct forward *forward)
{
    struct flow *flow, *next;
    uint64_t now = forward->session->now;
    bool moved = false;
    for (flow = TAILQ_FIRST(&forward->flows); flow; flow = next) {
        next = TAILQ_NEXT(flow, all);
        if (now - flow->used_at >= IDLE_S * CLOCK_S)
            flow_free(forward, flow);
        else if (flow->readable)
            moved = flow_step(forward, flow) || moved;
    }
    flow = TAILQ_FIRST(&forward->flows);
    if (flow) /* the first is not always the one that ends first: then we only look once too often */
        session_wake_at(forward->session, flow->used_at + IDLE_S * CLOCK_S);
    return moved;
}

/* ---- from the peer ---- */

static struct target *target_of(struct forward *forward, struct link *link, bool ours, uint16_t number)
{
    struct own *own = ours ? link_own(forward, link, number) : NULL;
    struct grant *grant = ours ? NULL : link_grant(link, number);
    struct target *target = own && own->kind == OWN_REMOTE ? &own->target : grant ? grant->target : NULL;
    return target && target->endpoint.udp ? target : NULL;
}

static struct flow *flow_to(struct forward *forward, struct link *link, struct target *target)
{
    if (target_resolve(target, forward->session->now, &forward->wake) != TARGET_READY)
        return NULL;
    int fd = -1;
    for (unsigned i = 0; fd < 0 && i < target->count; i++)
        fd = target_connect(target, i);
    if (fd < 0)
        return NULL;
    struct flow *flow = flow_new(forward, link);
    if (flow && forward_watch(forward, fd, &flow->watch)) {
        flow->fd = fd;
        return flow;
    }
    if (flow)
        flow_free(forward, flow);
    close(fd);
    return NULL;
}

void flow_datagram(struct forward *forward, struct link *link, const uint8_t *data, size_t len)
{
    struct datagram_head head;
    if (!datagram_head_read(&head, data, len))
        return;
    bool ours = !head.ours; /* the sender's are the other side's */
    struct flow *flow = find_flow(forward, link, ours, head.number, head.flow);
    struct target *target = flow ? NULL : target_of(forward, link, ours, head.number);
    if (target)
        flow = flow_to(forward, link, target);
    if (!flow)
        return;
    if (target)
        flow->ours = ours, flow->number = head.number, flow->id = head.flow;
    flow_use(forward, flow);
    data += DATAGRAM_HEAD_LEN, len -= DATAGRAM_HEAD_LEN;
    if (flow->gate) /* what the system does not take is lost like any datagram */
        sendto(flow->gate->fd, data, len, MSG_DONTWAIT, (const struct sockaddr *)&flow->source.address,
               flow->source.len);
    else
        send(flow->fd, data, len, MSG_DONTWAIT);
}
