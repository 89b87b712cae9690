/* message_nat.c - what a side knows of its network, as a member of the bodies inside the seal:
 *
 *     "nat":{"map":"both","filter":"address","ports":"sequential","step":1,"last":40001,
 *            "external":"203.0.113.5:40001","hairpin":"no"}
 *
 * What is not known is left out. The words are RFC 4787's, shortened: the body must stay inside 8 KiB. */
#include "message_nat.h"

#include <string.h>

enum { STEP_MAX = 64, PORT_MAX = 65535 };

static const char *const mapping_words[] = {NULL, "none", "endpoint", "address", "both"};
static const char *const filtering_words[] = {NULL, "endpoint", "address", "both"};
static const char *const ports_words[] = {NULL, "preserved", "sequential", "block", "random"};
static const char *const answer_words[] = {NULL, "no", "yes"};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void put_word(struct json *json, const char *name, const char *const *words, unsigned value)
{
    if (words[value])
        json_put_text(json, name, words[value]);
}

static void put_port(struct json *json, const char *name, uint16_t port)
{
    if (port)
        json_put_int(json, name, port);
}

static bool knows_anything(const struct nat_behavior *nat)
{
    return nat->mapping || nat->filtering || nat->ports || nat->hairpin || nat->external.family;
}

void message_put_nat(struct json *body, const struct nat_behavior *nat)
{
    char text[ADDR_TEXT_MAX];
    if (!knows_anything(nat))
        return;
    struct json *json = json_put_object(body, "nat");
    put_word(json, "map", mapping_words, nat->mapping);
    put_word(json, "filter", filtering_words, nat->filtering);
    put_word(json, "ports", ports_words, nat->ports);
    if (nat->ports == NAT_PORTS_SEQUENTIAL)
        json_put_int(json, "step", nat->step);
    if (nat->ports == NAT_PORTS_BLOCK) {
        put_port(json, "low", nat->low);
        put_port(json, "high", nat->high);
    }
    put_port(json, "last", nat->last);
    if (nat->external.family)
        json_put_text(json, "external", addr_print(&nat->external, text));
    put_word(json, "hairpin", answer_words, nat->hairpin);
}

/* False: there is such a member, but it is no text. */
static bool get_word(const struct json *json, const char *name, const char *const *words, size_t count,
                     unsigned *value)
{
    const char *text;
    *value = 0;
    if (!json_has(json, name))
        return true;
    if (!json_get_text(json, name, &text))
        return false;
    for (unsigned i = 1; i < count; i++)
        if (strcmp(words[i], text) == 0)
            *value = i;
    return true;
}

static bool get_number(const struct json *json, const char *name, int64_t min, int64_t max, int64_t *value)
{
    *value = 0;
    return !json_has(json, name) || json_get_int(json, name, min, max, value);
}

static bool get_words(const struct json *json, struct nat_behavior *nat)
{
    unsigned mapping, filtering, ports, hairpin;
    if (!get_word(json, "map", mapping_words, COUNT(mapping_words), &mapping) ||
        !get_word(json, "filter", filtering_words, COUNT(filtering_words), &filtering) ||
        !get_word(json, "ports", ports_words, COUNT(ports_words), &ports) ||
        !get_word(json, "hairpin", answer_words, COUNT(answer_words), &hairpin))
        return false;
    nat->mapping = (enum nat_mapping)mapping;
    nat->filtering = (enum nat_filtering)filtering;
    nat->ports = (enum nat_ports)ports;
    nat->hairpin = (enum nat_answer)hairpin;
    return true;
}

/* A sequence has a step and a block its bounds; elsewhere they say nothing and are passed over. */
static bool get_numbers(const struct json *json, struct nat_behavior *nat)
{
    int64_t step, last, low, high;
    if (!get_number(json, "step", -STEP_MAX, STEP_MAX, &step) ||
        !get_number(json, "last", 1, PORT_MAX, &last) || !get_number(json, "low", 1, PORT_MAX, &low) ||
        !get_number(json, "high", 1, PORT_MAX, &high))
        return false;
    nat->last = (uint16_t)last;
    if (nat->ports == NAT_PORTS_SEQUENTIAL)
        nat->step = (int)step;
    if (nat->ports == NAT_PORTS_BLOCK) {
        nat->low = (uint16_t)low;
        nat->high = (uint16_t)high;
    }
    return (nat->ports != NAT_PORTS_SEQUENTIAL || step != 0) &&
           (nat->ports != NAT_PORTS_BLOCK || (low && low <= high));
}

/* As a candidate's address: one that this version cannot read is passed over. */
static bool get_external(const struct json *json, struct nat_behavior *nat)
{
    const char *text;
    if (!json_has(json, "external"))
        return true;
    if (!json_get_text(json, "external", &text))
        return false;
    if (addr_parse(&nat->external, text))
        nat->external.scope = 0;
    return true;
}

bool message_get_nat(const struct json *body, struct nat_behavior *nat)
{
    *nat = (struct nat_behavior){0};
    if (!json_has(body, "nat"))
        return true;
    const struct json *json = json_get_object(body, "nat");
    return json && get_words(json, nat) && get_numbers(json, nat) && get_external(json, nat);
}
