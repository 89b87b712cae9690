/* nat_kinds.c - the kinds of gateways, and what physics allows between two of them (RFC 4787, RFC 5128 3). */
#include "sim_nat.h"

#include <string.h>

#define EIM NAT_ENDPOINT_INDEPENDENT
#define ADM NAT_ADDRESS_DEPENDENT
#define APDM NAT_ADDRESS_PORT_DEPENDENT

const struct nat_kind nat_kinds[NAT_KINDS] = {
    {.name = "fw", .firewall = true, .mapping = EIM, .filtering = APDM, .ports = NAT_PRESERVE},
    {.name = "full", .mapping = EIM, .filtering = EIM, .ports = NAT_PRESERVE},
    {.name = "addr", .mapping = EIM, .filtering = ADM, .ports = NAT_RANDOM},
    {.name = "port", .mapping = EIM, .filtering = APDM, .ports = NAT_PRESERVE},
    {.name = "admfull", .mapping = ADM, .filtering = EIM, .ports = NAT_SEQUENTIAL},
    {.name = "admaddr", .mapping = ADM, .filtering = ADM, .ports = NAT_RANDOM},
    {.name = "admport", .mapping = ADM, .filtering = APDM, .ports = NAT_RANDOM},
    {.name = "symfull", .mapping = APDM, .filtering = EIM, .ports = NAT_RANDOM},
    {.name = "symaddr", .mapping = APDM, .filtering = ADM, .ports = NAT_RANDOM},
    {.name = "syms", .mapping = APDM, .filtering = APDM, .ports = NAT_SEQUENTIAL},
    {.name = "symr", .mapping = APDM, .filtering = APDM, .ports = NAT_RANDOM},
};

const struct nat_kind *nat_kind(const char *name)
{
    for (size_t i = 0; i < NAT_KINDS; i++)
        if (strcmp(nat_kinds[i].name, name) == 0)
            return &nat_kinds[i];
    return NULL;
}

static enum nat_depends mapping_of(const struct nat_kind *kind)
{
    return kind ? kind->mapping : EIM;
}

static enum nat_depends filtering_of(const struct nat_kind *kind)
{
    return kind ? kind->filtering : EIM;
}

/* A first packet of `x`, sent to the address that a STUN server saw of `y`, gets in, once `y` has knocked
 * too, and the answer gets back. */
static bool reaches(const struct nat_kind *x, const struct nat_kind *y)
{
    bool known = mapping_of(x) == EIM, fixed = mapping_of(y) == EIM;
    bool first = filtering_of(y) == EIM || (fixed && (filtering_of(y) == ADM || known));
    return first && (fixed || filtering_of(x) != APDM);
}

bool nat_can_connect(const struct nat_kind *a, const struct nat_kind *b)
{
    return reaches(a, b) || reaches(b, a);
}

/* One maps by destination, the other does not: the port is one of 64,512. Both do, and count. */
bool nat_can_punch(const struct nat_kind *a, const struct nat_kind *b)
{
    if ((mapping_of(a) == EIM) != (mapping_of(b) == EIM))
        return true;
    return a && b && mapping_of(a) != EIM && a->ports == NAT_SEQUENTIAL && b->ports == NAT_SEQUENTIAL;
}

/* Two gateways that both map by address and port, one of them with an open filter: packets get in, but every
 * answer comes from another address than was asked (RFC 8445 7.2.5.2.1), so that no pair ever becomes valid,
 * though bytes may pass. */
bool nat_is_odd(const struct nat_kind *a, const struct nat_kind *b)
{
    return mapping_of(a) == APDM && mapping_of(b) == APDM &&
           (filtering_of(a) == EIM || filtering_of(b) == EIM);
}
