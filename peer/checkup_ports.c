/* checkup_ports.c - whether the router opens a port for us: PCP and NAT-PMP by their machine, UPnP by its
 * threads, all asked at once as a node does. What is opened is taken back. */
#include "checkup_state.h"

#include <stdio.h>
#include <string.h>

enum {
    PORTS_MS = 2000, /* the search by UPnP takes 1000, and then four questions over HTTP, to slow machines */
    GIVE_BACK_MS = 200,
};

void checkup_ports_ask(struct examination *e, uint64_t now)
{
    if (e->ports_asked || !e->port_count)
        return;
    e->ports_asked = now;
    e->portmap = portmap_new(&e->random);
    if (e->portmap)
        portmap_set_locals(e->portmap, now, e->ports, e->port_count);
    e->upnp = upnp_new();
    if (!e->upnp)
        return;
    loop_watch(e->loop, upnp_fd(e->upnp));
    upnp_set_locals(e->upnp, e->ports, e->port_count < UPNP_LOCALS_MAX ? e->port_count : UPNP_LOCALS_MAX);
}

static struct checkup_ports *of_family(struct examination *e, const struct addr *address)
{
    return address->family == 6 ? &e->out->pinhole : &e->out->ports;
}

static void opened(struct examination *e, const struct addr *external, const char *protocol)
{
    struct checkup_ports *ports = of_family(e, external);
    if (ports->external.family)
        return;
    ports->external = *external;
    snprintf(ports->protocol, sizeof ports->protocol, "%s", protocol);
    ports->text[0] = '\0';
}

static void refused(struct examination *e, const struct addr *local, const char *why)
{
    struct checkup_ports *ports = of_family(e, local);
    e->port_failures[local->family == 6]++;
    if (!ports->external.family)
        snprintf(ports->text, sizeof ports->text, "%s", why);
}

void checkup_ports_read(struct examination *e)
{
    struct portmap_event told;
    struct upnp_answer answer;
    while (e->portmap && portmap_event(e->portmap, &told))
        if (told.type == PORTMAP_MAPPED)
            opened(e, &told.external, portmap_protocol_name(told.protocol));
        else if (told.type == PORTMAP_FAILED)
            refused(e, &told.local, portmap_failure_text(told.failure));
    while (e->upnp && upnp_next(e->upnp, &answer))
        if (answer.external.family)
            opened(e, &answer.external, "UPnP");
        else
            refused(e, &answer.local, answer.why);
}

/* Whether a family's ports may yet be opened. A gateway and UPnP are asked for each. */
static bool is_open_question(const struct examination *e, bool ipv6)
{
    const struct checkup_ports *ports = ipv6 ? &e->out->pinhole : &e->out->ports;
    unsigned asked = 0;
    for (size_t i = 0; i < e->port_count; i++)
        if ((e->ports[i].local.family == 6) == ipv6)
            asked += i < UPNP_LOCALS_MAX ? 2 : 1;
    return !ports->external.family && e->port_failures[ipv6] < asked;
}

uint64_t checkup_ports_awaited(const struct examination *e)
{
    if (!e->ports_asked || (!is_open_question(e, false) && !is_open_question(e, true)))
        return 0;
    return e->ports_asked + PORTS_MS * NS_PER_MS;
}

static void say_goodbye(struct examination *e, uint64_t now)
{
    uint8_t data[PACKET_MAX];
    struct packet in, out = {.data = data, .len = sizeof data};
    while (portmap_output(e->portmap, now, &out)) {
        net_send(e->net, &out);
        out = (struct packet){.data = data, .len = sizeof data};
    }
    for (unsigned family = NET_IPV4; family <= NET_IPV6; family++)
        if (net_fd(e->net, family) >= 0 && loop_is_ready(e->loop, net_fd(e->net, family)))
            while (net_receive(e->net, family, &in))
                portmap_input(e->portmap, now, &in);
}

void checkup_ports_close(struct examination *e)
{
    bool is_open = e->out->ports.external.family || e->out->pinhole.external.family;
    if (e->portmap && is_open) {
        uint64_t now = loop_now(), end = now + GIVE_BACK_MS * NS_PER_MS;
        portmap_remove(e->portmap, now);
        while (now < end && !portmap_is_quiet(e->portmap)) {
            say_goodbye(e, now);
            uint64_t due = portmap_deadline(e->portmap);
            if (!loop_wait(e->loop, due < end ? due : end))
                break;
            now = loop_now();
        }
    }
    if (e->upnp) {
        upnp_remove(e->upnp);
        loop_forget(e->loop, upnp_fd(e->upnp));
    }
    upnp_free(e->upnp, is_open ? GIVE_BACK_MS : 0);
    portmap_free(e->portmap);
    e->upnp = NULL;
    e->portmap = NULL;
}
