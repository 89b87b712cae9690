/* networks.c - two networks drawn by chance: first what a person would call each, then every behaviour within
 * that.
 *
 * All weights are equal: this is the space of behaviours, not how common each is in the field. RFC 4787 4.1
 * (mapping), 4.2 (ports), 5 (filtering), 6 (hairpin). */
#include "networks.h"

#include <stdio.h>

enum {
    CARRIED_PERCENT = 25,    /* of the networks that translate: a carrier above the home's gateway */
    ONE_CARRIER_PERCENT = 5, /* of the pairs */
    NAIVE_PERCENT =
        50, /* of those that preserve ports and filter by address and port: Linux that drops nothing */
    HAIRPIN_PERCENT = 50, /* of the gateways */
    OTHERS_PERCENT = 50,  /* of the gateways that count: somebody else makes them count, too */
    OTHERS_MAX = 10,      /* mappings a second */
};

const char *network_class_name(enum network_class class)
{
    static const char *const names[NETWORK_CLASSES] = {"open",  "easy",   "counts",
                                                       "block", "random", "blocked"};
    return names[class];
}

static enum nat_depends draw_depends(struct chance *chance)
{
    return (enum nat_depends)chance_below(chance, 3);
}

static struct nat_kind draw_firewall(struct chance *chance)
{
    return (struct nat_kind){
        .name = "firewall", .firewall = true, .filtering = draw_depends(chance), .ports = NAT_PRESERVE};
}

static struct nat_kind draw_easy(struct chance *chance)
{
    struct nat_kind kind = {.name = "easy",
                            .filtering = draw_depends(chance),
                            .ports = (enum sim_ports)chance_below(chance, 3),
                            .hairpin = chance_percent(chance, HAIRPIN_PERCENT)};
    kind.naive = kind.ports == NAT_PRESERVE && kind.filtering == NAT_ADDRESS_PORT_DEPENDENT &&
                 chance_percent(chance, NAIVE_PERCENT);
    return kind;
}

static struct nat_kind draw_hard(struct chance *chance, enum network_class class)
{
    static const int steps[] = {1, 2, 3, 4, 5, 8, -1, -2};
    static const unsigned blocks[] = {256, 512, 1024, 2048};
    struct nat_kind kind = {.name = "hard",
                            .mapping = (enum nat_depends)(1 + chance_below(chance, 2)),
                            .filtering = draw_depends(chance),
                            .ports = NAT_RANDOM,
                            .hairpin = chance_percent(chance, HAIRPIN_PERCENT)};
    if (class == NETWORK_COUNTS) {
        kind.ports = NAT_SEQUENTIAL;
        kind.step = steps[chance_below(chance, sizeof steps / sizeof *steps)];
        if (chance_percent(chance, OTHERS_PERCENT))
            kind.busy = 1 + (unsigned)chance_below(chance, OTHERS_MAX);
    } else if (class == NETWORK_BLOCK) {
        kind.block = blocks[chance_below(chance, sizeof blocks / sizeof *blocks)];
    } else if (chance_percent(chance, 50)) {
        kind.ports = NAT_PRESERVE; /* the first destination keeps the port, the others get any */
    }
    return kind;
}

static struct nat_kind draw_kind(struct chance *chance, enum network_class class)
{
    return class == NETWORK_EASY ? draw_easy(chance) : draw_hard(chance, class);
}

/* The gateway next to the internet decides what others see; the one below it is an easy one. */
static void draw_translating(struct chance *chance, struct network_drawn *network)
{
    network->has_gateway = true;
    network->has_carrier = chance_percent(chance, CARRIED_PERCENT);
    network->gateway = draw_kind(chance, network->class);
    if (!network->has_carrier)
        return;
    network->carrier = network->gateway;
    network->gateway = draw_easy(chance);
}

static struct network_drawn draw_network(struct chance *chance)
{
    struct network_drawn network = {.class = (enum network_class)chance_below(chance, NETWORK_CLASSES)};
    if (network.class == NETWORK_OPEN) {
        network.has_gateway = chance_percent(chance, 50);
        network.gateway = draw_firewall(chance);
    } else if (network.class == NETWORK_BLOCKED) {
        network.has_gateway = true;
        network.gateway = chance_percent(chance, 50) ? draw_firewall(chance) : draw_easy(chance);
        network.gateway.blocked = true;
    } else {
        draw_translating(chance, &network);
    }
    return network;
}

/* Two homes behind gateways of their own, both behind one carrier's. */
static struct networks draw_one_carrier(struct chance *chance)
{
    struct networks drawn = {.one_carrier = true};
    enum network_class class = (enum network_class)(NETWORK_EASY + chance_below(chance, 4));
    for (unsigned i = 0; i < 2; i++) {
        drawn.pair[i] = (struct network_drawn){.class = class, .has_gateway = true, .has_carrier = i == 0};
        drawn.pair[i].gateway = draw_easy(chance);
    }
    drawn.pair[0].carrier = draw_kind(chance, class);
    return drawn;
}

struct networks networks_draw(struct chance *chance)
{
    if (chance_percent(chance, ONE_CARRIER_PERCENT))
        return draw_one_carrier(chance);
    struct networks drawn = {0};
    for (unsigned i = 0; i < 2; i++)
        drawn.pair[i] = draw_network(chance);
    return drawn;
}

/* Two gateways in a row, as the outside sees them: what either depends on, both depend on. */
static const struct nat_kind *both_of(const struct network_drawn *network, struct nat_kind *seen)
{
    if (!network->has_gateway)
        return NULL;
    *seen = network->gateway;
    if (network->has_carrier && network->carrier.mapping > seen->mapping)
        seen->mapping = network->carrier.mapping;
    if (network->has_carrier && network->carrier.filtering > seen->filtering)
        seen->filtering = network->carrier.filtering;
    if (network->has_carrier && network->carrier.ports != NAT_PRESERVE)
        seen->ports = network->carrier.ports;
    return seen;
}

static bool is_naive(const struct network_drawn *network)
{
    return network->gateway.naive || (network->has_carrier && network->carrier.naive);
}

bool networks_are_delicate(const struct networks *networks)
{
    for (unsigned i = 0; i < 2 && !networks->one_carrier; i++) {
        struct nat_kind seen;
        const struct nat_kind *other = both_of(&networks->pair[!i], &seen);
        if (is_naive(&networks->pair[i]) && other && other->filtering == NAT_ADDRESS_PORT_DEPENDENT &&
            other->mapping == NAT_ENDPOINT_INDEPENDENT && !other->blocked &&
            networks->pair[i].class == NETWORK_EASY)
            return true;
    }
    return false;
}

/* Another port of theirs is known by the socket's, so that it can be told. */
static bool preserve_ports(const struct networks *networks)
{
    bool all = true;
    for (unsigned i = 0; i < 2; i++) {
        struct nat_kind seen;
        const struct nat_kind *kind = both_of(&networks->pair[i], &seen);
        all &= !is_naive(&networks->pair[i]) || kind->ports == NAT_PRESERVE;
    }
    return all;
}

bool networks_can_connect(const struct networks *networks)
{
    struct nat_kind a, b;
    if (networks->one_carrier || networks->pair[0].gateway.blocked || networks->pair[1].gateway.blocked)
        return false;
    const struct nat_kind *x = both_of(&networks->pair[0], &a), *y = both_of(&networks->pair[1], &b);
    bool can = !networks_are_delicate(networks) || preserve_ports(networks);
    return nat_can_connect(x, y) && !nat_is_odd(x, y) && can;
}

static void describe_kind(const struct nat_kind *kind, char *text, size_t size)
{
    static const char *const depends[] = {"nothing", "address", "address and port"};
    static const char *const ports[] = {"preserved", "counted", "random"};
    if (kind->blocked)
        snprintf(text, size, "lets no UDP out");
    else if (kind->firewall)
        snprintf(text, size, "firewall, filters by %s", depends[kind->filtering]);
    else
        snprintf(text, size, "maps by %s, filters by %s, ports %s, step %d, others %u, block %u%s%s",
                 depends[kind->mapping], depends[kind->filtering], ports[kind->ports], kind->step, kind->busy,
                 kind->block, kind->naive ? ", naive" : "", kind->hairpin ? ", hairpin" : "");
}

void network_describe(const struct network_drawn *network, char *text, size_t size)
{
    char gateway[160] = "none", carrier[160] = "";
    if (network->has_gateway)
        describe_kind(&network->gateway, gateway, sizeof gateway);
    if (network->has_carrier)
        describe_kind(&network->carrier, carrier, sizeof carrier);
    snprintf(text, size, "%s: %s%s%s", network_class_name(network->class), gateway,
             network->has_carrier ? "; carrier " : "", carrier);
}
