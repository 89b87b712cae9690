/* node_portmap.c - ports that gateways open for us: what to ask them for, and what peers are told of it. */
#include "node_state.h"

#include <stdio.h>

size_t node_portmap_wanted(const struct node *node, struct portmap_local *out, size_t max)
{
    size_t count = 0;
    if (!node->maps_ports || !(node->paths & PATH_BIT(PATH_DIRECT)))
        return 0;
    for (size_t i = 0; i < node->addresses.own_count && count < max; i++) {
        const struct node_address *own = &node->addresses.own[i];
        if (node_address_is_worth_mapping(own))
            out[count++] = (struct portmap_local){.local = own->address, .gateway = own->gateway};
    }
    return count;
}

void node_portmap_update(struct node *node, uint64_t now)
{
    struct portmap_local wanted[PORTMAP_LOCALS_MAX];
    portmap_set_locals(node->portmap, now, wanted, node_portmap_wanted(node, wanted, PORTMAP_LOCALS_MAX));
}

void node_set_mapping(struct node *node, uint64_t now, const struct addr *local, const struct addr *external,
                      const struct addr *gateway)
{
    if (node->leaving)
        return;
    if (external->family)
        node_addresses_opened(&node->addresses, local, external, gateway);
    else
        node_addresses_closed(&node->addresses, local);
    node_inform_everybody(node, now);
}

uint32_t node_doubts(const struct node *node)
{
    return node->doubts;
}

bool node_has_mapping(const struct node *node, const struct addr *local)
{
    return node_addresses_has_mapping(&node->addresses, local);
}

bool node_portmap_told(struct node *node, uint64_t now, struct node_event *event)
{
    static const struct addr none;
    struct portmap_event told;
    char address[ADDR_TEXT_MAX];
    while (portmap_event(node->portmap, &told)) {
        if (told.type == PORTMAP_MAPPED)
            node_set_mapping(node, now, &told.local, &told.external, &told.gateway);
        if (told.type == PORTMAP_LOST)
            node_set_mapping(node, now, &told.local, &none, &told.gateway);
        if (told.type != PORTMAP_FAILED || node_has_mapping(node, &told.local))
            continue;
        bool named = told.external.family != 0;
        snprintf(node->text, sizeof node->text, "%s%s%s%s", portmap_failure_text(told.failure),
                 named ? " (" : "", named ? addr_print_ip(&told.external, address) : "", named ? ")" : "");
        event->type = NODE_PORTMAP;
        event->address = told.local;
        event->text = node->text;
        return true;
    }
    return false;
}
