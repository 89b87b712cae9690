/* doctor_advice.c - what a checkup means: what needs attention, what could be better, and what to change.
 *
 * The exit code hangs on it: 1 when something keeps peers from meeting or from a direct path, that is where
 * there is no usable network, a server or broker that was named does not answer, or the NAT is hard and the
 * router opens no port. */
#include "doctor.h"

#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void advise(struct advices *out, bool needs_attention, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void advise(struct advices *out, bool needs_attention, const char *format, ...)
{
    char raw[ADVICE_TEXT_MAX];
    va_list args;
    if (out->count == ADVICE_MAX)
        return;
    struct advice *advice = &out->list[out->count++];
    advice->needs_attention = needs_attention;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    text_show(advice->text, sizeof advice->text, raw, strlen(raw));
}

bool doctor_is_content(const struct advices *advices)
{
    for (size_t i = 0; i < advices->count; i++)
        if (advices->list[i].needs_attention)
            return false;
    return true;
}

static bool has_network(const struct checkup *checkup)
{
    for (size_t i = 0; i < checkup->interface_count; i++) {
        const struct net_interface *found = &checkup->interfaces[i];
        if (found->use == NET_USED && addr_scope(&found->address) != ADDR_LOOPBACK)
            return true;
    }
    return false;
}

static size_t count_state(const struct checkup_server *servers, size_t count, enum checkup_state state)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += servers[i].state == state;
    return found;
}

static void advise_server(struct advices *out, const char *what, const struct checkup_server *server)
{
    if (server->state == CHECKUP_ANSWERS)
        return;
    advise(out, true, "%s %s %s%s", what, server->name,
           *server->text ? "is of no use: " : "does not answer; check its name, or leave it out",
           server->text);
}

/* Everybody is silent, or some are. */
static void advise_servers(struct advices *out, const struct checkup *checkup)
{
    size_t stun = count_state(checkup->stun, checkup->stun_count, CHECKUP_ANSWERS);
    size_t brokers = count_state(checkup->brokers, checkup->broker_count, CHECKUP_ANSWERS);
    bool silent = checkup->stun_count && !stun;
    if (silent && !brokers && checkup->broker_count) {
        advise(
            out, true,
            "neither a STUN server nor a broker answers: is this machine on the internet? Behind a "
            "firewall that lets nothing out but the web, name a broker, and if you have one a TURN server, "
            "that listens on port 443: --broker mqtts://HOST:443, --turn turns:HOST:443");
    } else if (silent) {
        advise(out, true,
               "UDP seems to be blocked: a broker answers, no STUN server does; let UDP out in the firewall, "
               "or connections must go through a relay");
    }
    for (size_t i = 0; i < checkup->stun_count; i++)
        if (!silent || checkup->stun[i].state != CHECKUP_SILENT)
            advise_server(out, "the STUN server", &checkup->stun[i]);
    for (size_t i = 0; i < checkup->turn_count; i++)
        advise_server(out, "the TURN server", &checkup->turn[i]);
    for (size_t i = 0; i < checkup->broker_count; i++)
        advise_server(out, "the broker", &checkup->brokers[i]);
}

static void advise_hard_nat(struct advices *out, const struct checkup *checkup)
{
    const char *rest = checkup->ipv6 == CHECKUP_IPV6_WORKS && checkup->local.family == 4
                           ? "; peers that have IPv6, too, are reached straight as it is"
                           : "";
    if (checkup->ports.external.family)
        advise(out, false, "the NAT is hard, but the router opens a port, so that peers find the way in");
    else if (checkup->nat.ports == NAT_PORTS_SEQUENTIAL)
        advise(out, true,
               "the NAT is hard, but its ports can be foretold: direct paths come about after some tries; "
               "a forwarded UDP port (--port) or port mapping in the router would make them sure%s",
               rest);
    else
        advise(out, true,
               "the NAT is hard: with peers behind an easy NAT a direct path takes some tries, with others a "
               "relay; a forwarded UDP port (--port) or port mapping in the router would help%s",
               rest);
}

static void advise_nat(struct advices *out, const struct checkup *checkup)
{
    const struct nat_behavior *nat = &checkup->nat;
    bool answered = count_state(checkup->stun, checkup->stun_count, CHECKUP_ANSWERS) > 0;
    if (nat_is_hard(nat))
        advise_hard_nat(out, checkup);
    if (nat->mapping == NAT_MAPPING_NONE && nat->filtering == NAT_FILTERING_ADDRESS_AND_PORT)
        advise(out, false,
               "the firewall lets in answers only; that is enough for most peers. To be reachable for "
               "everybody let UDP in to one port and give it with --port");
    if (nat->mapping == NAT_MAPPING_UNKNOWN && answered && checkup->local.family)
        advise(out, false,
               "one STUN server alone cannot tell how the NAT maps; give a second one with --stun");
}

/* As far as it is known: a life between two figures is taken for the shorter one. */
static void advise_life(struct advices *out, const struct checkup *checkup)
{
    const struct nat_life_verdict *life = &checkup->life_verdict;
    const char *what = checkup->nat.mapping == NAT_MAPPING_NONE ? "firewall" : "router";
    if (checkup->life == CHECKUP_LIFE_UNKNOWN && life->trouble == NAT_LIFE_HIDDEN)
        advise(out, false,
               "how long an idle mapping lives is told by a STUN server that speaks RFC 5780 (coturn, or "
               "p2pconnect stun-server, with two addresses); name one with --stun");
    if (checkup->life == CHECKUP_LIFE_TOLD && life->dead_s && life->alive_s < CHECKUP_KEEPALIVE_S)
        advise(out, true,
               "the %s forgets idle mappings sooner than p2pconnect keeps them alive, which it does every %d "
               "s: a peer may not find in. Set its UDP timeout to 120 s or more (RFC 4787)",
               what, CHECKUP_KEEPALIVE_S);
}

static void advise_buffers(struct advices *out, const struct checkup *checkup)
{
    int receive = checkup->receive_buffer, send = checkup->send_buffer;
    if (receive >= NET_SOCKET_BUFFER && send >= NET_SOCKET_BUFFER)
        return;
    advise(out, false, "larger socket buffers make fast transfers faster: sysctl -w%s%.0d%s%.0d",
           receive < NET_SOCKET_BUFFER ? " net.core.rmem_max=" : "",
           receive < NET_SOCKET_BUFFER ? NET_SOCKET_BUFFER : 0,
           send < NET_SOCKET_BUFFER ? " net.core.wmem_max=" : "",
           send < NET_SOCKET_BUFFER ? NET_SOCKET_BUFFER : 0);
}

void doctor_advise(struct advices *out, const struct checkup *checkup)
{
    *out = (struct advices){0};
    if (!has_network(checkup))
        advise(out, true,
               "no network interface can be used: is a cable in, is the wireless network joined, do "
               "--interface and --exclude leave one?");
    advise_servers(out, checkup);
    advise_nat(out, checkup);
    advise_life(out, checkup);
    if (checkup->ipv6 == CHECKUP_IPV6_SILENT)
        advise(out, false, "there is an IPv6 address, but no server answers it: IPv6 is not routed here");
    if (checkup->ipv6 == CHECKUP_IPV6_NONE && nat_is_hard(&checkup->nat))
        advise(out, false,
               "with IPv6 there would be no NAT in the way: ask the provider, switch it on in the router");
    advise_buffers(out, checkup);
}

/* ---- words ---- */

const char *doctor_use_name(enum net_use use)
{
    static const char *const names[] = {
        [NET_USED] = "used",
        [NET_UNUSED_DOWN] = "down",
        [NET_UNUSED_EXCLUDED] = "excluded",
        [NET_UNUSED_NOT_CHOSEN] = "not-chosen",
        [NET_UNUSED_BRIDGE_PORT] = "bridge-port",
        [NET_UNUSED_LINK_LOCAL] = "link-local",
        [NET_UNUSED_NO_ADDRESS] = "no-address",
    };
    return names[use];
}

const char *doctor_use_text(const struct net_interface *interface)
{
    static const char *const texts[] = {
        [NET_UNUSED_DOWN] = "ignored: it is switched off",
        [NET_UNUSED_EXCLUDED] = "ignored: --exclude",
        [NET_UNUSED_NOT_CHOSEN] = "ignored: --interface names others",
        [NET_UNUSED_BRIDGE_PORT] = "ignored: a port of a bridge, which has the address",
        [NET_UNUSED_LINK_LOCAL] = "ignored: it reaches this network only, and there is a better one",
        [NET_UNUSED_NO_ADDRESS] = "ignored: no address",
    };
    if (interface->use != NET_USED)
        return texts[interface->use];
    if (addr_scope(&interface->address) == ADDR_LOOPBACK)
        return "used between peers on this machine";
    return interface->is_last ? "used, but after the others: a bridge or a tunnel, which reaches few"
                              : "used";
}

const char *doctor_state_name(enum checkup_state state)
{
    static const char *const names[] = {
        [CHECKUP_SILENT] = "silent",
        [CHECKUP_ANSWERS] = "answers",
        [CHECKUP_UNRESOLVED] = "unresolved",
        [CHECKUP_FAILED] = "failed",
    };
    return names[state];
}

static const char *unknown_life_text(const struct checkup *checkup)
{
    if (checkup->stopped)
        return "it was stopped before anything was known";
    if (checkup->local.family != 4)
        return "no STUN server answers over IPv4";
    return checkup->life_verdict.trouble == NAT_LIFE_HIDDEN
               ? "a mapping that dies gets its old port again, and no STUN server here can show the "
                 "difference"
               : "the STUN server answers no more";
}

const char *doctor_life_text(char out[ADVICE_TEXT_MAX], const struct checkup *checkup)
{
    const struct nat_life_verdict *life = &checkup->life_verdict;
    size_t len = 0;
    switch (checkup->life) {
    case CHECKUP_LIFE_UNASKED:
        return NULL;
    case CHECKUP_LIFE_NOTHING:
        return "nothing is forgotten in silence: no NAT, no firewall";
    case CHECKUP_LIFE_UNKNOWN:
        snprintf(out, ADVICE_TEXT_MAX, "how long an idle mapping lives is unknown: %s",
                 unknown_life_text(checkup));
        return out;
    case CHECKUP_LIFE_TOLD:
        break;
    }
    if (life->alive_s && life->dead_s)
        len = (size_t)snprintf(out, ADVICE_TEXT_MAX, "an idle mapping lives %u to %u s", life->alive_s,
                               life->dead_s);
    else if (life->alive_s)
        len = (size_t)snprintf(out, ADVICE_TEXT_MAX, "an idle mapping lives more than %u s", life->alive_s);
    else
        len = (size_t)snprintf(out, ADVICE_TEXT_MAX, "an idle mapping lives less than %u s", life->dead_s);
    if (life->alive_s >= CHECKUP_KEEPALIVE_S)
        snprintf(out + len, ADVICE_TEXT_MAX - len,
                 "; p2pconnect sends at least every %d s, which is soon enough", CHECKUP_KEEPALIVE_S);
    return out;
}
