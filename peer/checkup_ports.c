/* checkup_ports.c - whether the router opens a port for us: PCP and NAT-PMP by their machine, UPnP by its
 * threads, all asked at once as a node does. What is opened is taken back. */
#include "checkup_state.h"

#include <stdio.h>
#include <string.h>

enum {
    PORTS_MS =
        1200, /* a router on the local network has answered by then, if ever; finding UPnP takes longest */
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

static void opened(struct examination *e, const struct addr *external, const char *protocol)
{
    if (e->out->ports.external.family)
        return;
    e->out->ports.external = *external;
    snprintf(e->out->ports.protocol, sizeof e->out->ports.protocol, "%s", protocol);
    e->out->ports.text[0] = '\0';
}

static void refused(struct examination *e, const char *why)
{
    e->port_failures++;
    if (!e->out->ports.external.family)
        snprintf(e->out->ports.text, sizeof e->out->ports.text, "%s", why);
}

void checkup_ports_read(struct examination *e)
{
    struct portmap_event told;
    struct upnp_answer answer;
    while (e->portmap && portmap_event(e->portmap, &told))
        if (told.type == PORTMAP_MAPPED)
            opened(e, &told.external, portmap_protocol_name(told.protocol));
        else if (told.type == PORTMAP_FAILED)
            refused(e, portmap_failure_text(told.failure));
    while (e->upnp && upnp_next(e->upnp, &answer))
        if (answer.external.family)
            opened(e, &answer.external, "UPnP");
        else
            refused(e, answer.why);
}

uint64_t checkup_ports_awaited(const struct examination *e)
{
    size_t upnp = e->port_count < UPNP_LOCALS_MAX ? e->port_count : UPNP_LOCALS_MAX;
    if (!e->ports_asked || e->out->ports.external.family || e->port_failures >= e->port_count + upnp)
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
    if (loop_is_ready(e->loop, net_fd(e->net, NET_IPV4)))
        while (net_receive(e->net, NET_IPV4, &in))
            portmap_input(e->portmap, now, &in);
}

void checkup_ports_close(struct examination *e)
{
    if (e->portmap && e->out->ports.external.family) {
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
    if (e->upnp)
        upnp_remove(e->upnp);
    upnp_free(e->upnp, e->out->ports.external.family ? GIVE_BACK_MS : 0);
    portmap_free(e->portmap);
    e->upnp = NULL;
    e->portmap = NULL;
}
