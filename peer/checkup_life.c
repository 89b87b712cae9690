/* checkup_life.c - how long an idle mapping lives: sockets that fall silent, and somebody who looks after
 * them.
 *
 * The only part of a checkup that takes minutes, so it is asked for, says how far it is, and may be stopped:
 * what is known by then is told. */
#include "checkup_state.h"

#include "nat_life.h"

enum { TICK_MS = 1000 /* for progress, and for a wish to stop that came between looking and waiting */ };

static void send_all(struct examination *e, struct nat_life *life, uint64_t now)
{
    uint8_t data[PACKET_MAX];
    struct packet out = {.data = data, .len = sizeof data};
    while (nat_life_output(life, now, &out)) {
        net_send(e->net, &out);
        out = (struct packet){.data = data, .len = sizeof data};
    }
}

/* Other datagrams are late answers of the checkup before. */
static void read_all(struct examination *e, struct nat_life *life, uint64_t now)
{
    static const unsigned indexes[] = {NET_IPV4, NET_IPV6, NET_EXTRA};
    struct packet in;
    for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++)
        if (net_fd(e->net, indexes[i]) >= 0 && loop_is_ready(e->loop, net_fd(e->net, indexes[i])))
            while (net_receive(e->net, indexes[i], &in))
                nat_life_input(life, now, &in);
}

static bool is_done(struct nat_life *life, uint64_t now)
{
    struct nat_life_event event;
    bool done = false;
    while (nat_life_event(life, now, &event))
        done |= event.type == NAT_LIFE_DONE;
    return done;
}

static void tell(struct examination *e, const struct nat_life *life, uint64_t waited)
{
    if (e->config->progress)
        e->config->progress(e->config->context, nat_life_verdict(life), (unsigned)(waited / NS_PER_S));
}

static void wait_for(struct examination *e, struct nat_life *life)
{
    uint64_t started = loop_now(), now = started;
    while (!is_done(life, now) && !checkup_is_stopped(e)) {
        send_all(e, life, now);
        tell(e, life, now - started);
        uint64_t due = nat_life_deadline(life), tick = now + TICK_MS * NS_PER_MS;
        if (!loop_wait(e->loop, due < tick ? due : tick))
            break;
        now = loop_now();
        read_all(e, life, now);
    }
}

void checkup_life_measure(struct examination *e)
{
    const struct nat_behavior *nat = &e->out->nat;
    struct addr server = nat_survey_server(e->survey), local = nat_survey_local(e->survey);
    struct addr sockets[NAT_LIFE_SOCKETS];
    e->out->life = CHECKUP_LIFE_UNKNOWN;
    if (nat->mapping == NAT_MAPPING_NONE && nat->filtering == NAT_FILTERING_ENDPOINT)
        e->out->life = CHECKUP_LIFE_NOTHING;
    if (e->out->life == CHECKUP_LIFE_NOTHING || local.family != 4 || server.family != 4)
        return;
    struct nat_life *life = nat_life_new(&e->random);
    if (!life)
        return;
    size_t count = checkup_sockets(e, &local, sockets, NAT_LIFE_SOCKETS);
    bool keeps_ports = nat->ports == NAT_PORTS_PRESERVED || nat->mapping == NAT_MAPPING_NONE;
    nat_life_begin(life, loop_now(), &server, &local, sockets, count, keeps_ports);
    wait_for(e, life);
    e->out->life_verdict = *nat_life_verdict(life);
    if (e->out->life_verdict.alive_s || e->out->life_verdict.dead_s)
        e->out->life = CHECKUP_LIFE_TOLD;
    nat_life_free(life);
}
