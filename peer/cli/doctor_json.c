/* doctor_json.c - a checkup as one JSON object on one line, for programs. Members may be added, none may go.
 */
#include "doctor.h"

#include "json.h"
#include "packet.h"

#include <stdio.h>
#include <stdlib.h>

enum { REPORT_MAX = 65536 };

static void put_address(struct json *json, const char *name, const struct addr *address)
{
    char text[ADDR_TEXT_MAX];
    if (address->family)
        json_put_text(json, name, addr_print(address, text));
}

static void put_interfaces(struct json *json, const struct checkup *checkup)
{
    struct json *list = json_put_array(json, "interfaces");
    for (size_t i = 0; i < checkup->interface_count; i++) {
        const struct net_interface *found = &checkup->interfaces[i];
        struct json *entry = json_add_object(list);
        json_put_text(entry, "name", found->name);
        put_address(entry, "address", &found->address);
        json_put_text(entry, "use", doctor_use_name(found->use));
        json_put_text(entry, "text", doctor_use_text(found));
    }
}

static void put_servers(struct json *json, const char *name, const struct checkup_server *servers,
                        size_t count)
{
    struct json *list = json_put_array(json, name);
    for (size_t i = 0; i < count; i++) {
        struct json *entry = json_add_object(list);
        json_put_text(entry, "name", servers[i].name);
        json_put_text(entry, "state", doctor_state_name(servers[i].state));
        if (servers[i].state == CHECKUP_ANSWERS)
            json_put_number(entry, "rtt_ms", (double)servers[i].rtt / (double)NS_PER_MS);
        put_address(entry, "address", &servers[i].address);
        put_address(entry, "mapped", &servers[i].mapped);
        if (servers[i].text[0])
            json_put_text(entry, "text", servers[i].text);
    }
}

static void put_life(struct json *json, const struct checkup *checkup)
{
    static const char *const names[] = {
        [CHECKUP_LIFE_NOTHING] = "nothing",
        [CHECKUP_LIFE_UNKNOWN] = "unknown",
        [CHECKUP_LIFE_TOLD] = "measured",
    };
    char text[ADVICE_TEXT_MAX];
    const struct nat_life_verdict *life = &checkup->life_verdict;
    struct json *entry = json_put_object(json, "life");
    json_put_text(entry, "state", names[checkup->life]);
    if (life->alive_s)
        json_put_int(entry, "alive_s", life->alive_s);
    if (life->dead_s)
        json_put_int(entry, "dead_s", life->dead_s);
    json_put_int(entry, "keepalive_s", CHECKUP_KEEPALIVE_S);
    json_put_text(entry, "text", doctor_life_text(text, checkup));
}

static void put_nat(struct json *json, const struct checkup *checkup)
{
    static const char *const mappings[] = {"unknown", "none", "endpoint", "address", "address-and-port"};
    static const char *const filterings[] = {"unknown", "endpoint", "address", "address-and-port"};
    static const char *const ports[] = {"unknown", "preserved", "sequential", "block", "random"};
    static const char *const answers[] = {"unknown", "no", "yes"};
    const struct nat_behavior *nat = &checkup->nat;
    struct json *entry = json_put_object(json, "nat");
    json_put_text(entry, "mapping", mappings[nat->mapping]);
    json_put_text(entry, "filtering", filterings[nat->filtering]);
    json_put_text(entry, "ports", ports[nat->ports]);
    if (nat->ports == NAT_PORTS_SEQUENTIAL)
        json_put_int(entry, "step", nat->step);
    if (nat->ports == NAT_PORTS_BLOCK) {
        json_put_int(entry, "low", nat->low);
        json_put_int(entry, "high", nat->high);
    }
    json_put_text(entry, "hairpin", answers[nat->hairpin]);
    json_put_bool(entry, "hard", nat_is_hard(nat));
    put_address(entry, "local", &checkup->local);
    put_address(entry, "external", &nat->external);
    if (checkup->life != CHECKUP_LIFE_UNASKED)
        put_life(entry, checkup);
}

static void put_ports(struct json *json, const char *name, const struct checkup_ports *ports)
{
    struct json *entry = json_put_object(json, name);
    json_put_bool(entry, "asked", ports->asked);
    put_address(entry, "external", &ports->external);
    if (ports->external.family)
        json_put_text(entry, "protocol", ports->protocol);
    else if (ports->asked)
        json_put_text(entry, "text", ports->text[0] ? ports->text : "no answer");
}

static void put_ipv6(struct json *json, const struct checkup *checkup)
{
    static const char *const names[] = {
        [CHECKUP_IPV6_NONE] = "none",
        [CHECKUP_IPV6_UNKNOWN] = "untried",
        [CHECKUP_IPV6_SILENT] = "silent",
        [CHECKUP_IPV6_WORKS] = "works",
    };
    struct json *entry = json_put_object(json, "ipv6");
    json_put_text(entry, "state", names[checkup->ipv6]);
    put_address(entry, "address", &checkup->ipv6_address);
    put_ports(entry, "pinhole", &checkup->pinhole);
}

static void put_buffers(struct json *json, const struct checkup *checkup)
{
    struct json *entry = json_put_object(json, "buffers");
    json_put_int(entry, "asked", NET_SOCKET_BUFFER);
    json_put_int(entry, "receive", checkup->receive_buffer);
    json_put_int(entry, "send", checkup->send_buffer);
}

static void put_advice(struct json *json, const struct advices *advices)
{
    struct json *list = json_put_array(json, "advice");
    for (size_t i = 0; i < advices->count; i++) {
        struct json *entry = json_add_object(list);
        json_put_bool(entry, "attention", advices->list[i].needs_attention);
        json_put_text(entry, "text", advices->list[i].text);
    }
}

bool doctor_print_json(const struct checkup *checkup, const struct advices *advices, uint64_t t_ms)
{
    struct json *json = json_object();
    char *text = malloc(REPORT_MAX);
    json_put_text(json, "event", "doctor");
    json_put_int(json, "t_ms", (int64_t)t_ms);
    json_put_bool(json, "well", doctor_is_content(advices));
    put_interfaces(json, checkup);
    put_nat(json, checkup);
    put_ports(json, "portmap", &checkup->ports);
    put_ipv6(json, checkup);
    put_servers(json, "stun", checkup->stun, checkup->stun_count);
    put_servers(json, "turn", checkup->turn, checkup->turn_count);
    put_servers(json, "brokers", checkup->brokers, checkup->broker_count);
    put_buffers(json, checkup);
    put_advice(json, advices);
    bool printed =
        text && json_print(json, text, REPORT_MAX) && printf("%s\n", text) > 0 && fflush(stdout) == 0;
    json_free(json);
    free(text);
    return printed;
}
