/* path.c - what a pair of addresses means to people: its kind, whether it beats another, and why.
 *
 * No protocol: ice asks it for judgement, the program for sentences. */
#include "path.h"
#include "nat_words.h"
#include "packet.h"
#include <stdarg.h>
#include <stdio.h>

/* A difference that jitter does not make: 5 ms, and a fifth of the longer one. */
static const uint64_t RTT_GAIN_MIN = 5 * NS_PER_MS;

static const char *const kind_names[PATH_KINDS] = {"host", "lan", "direct", "turn", "broker"};

const char *path_kind_name(enum path_kind kind)
{
    return (unsigned)kind < PATH_KINDS ? kind_names[kind] : "unknown";
}

/* A private address that the peer did not announce as its own is where some NAT between us sends from: a
 * hole, not a neighbour. Link-local addresses pass no router, so they are neighbours whatever was announced.
 */
enum path_kind path_classify(const struct addr *remote, bool own, bool announced_host, bool relayed)
{
    if (relayed)
        return PATH_TURN;
    if (own)
        return PATH_HOST;
    switch (addr_scope(remote)) {
    case ADDR_LOOPBACK:
        return PATH_HOST;
    case ADDR_LINK_LOCAL:
        return PATH_LAN;
    case ADDR_PRIVATE:
    case ADDR_SHARED:
        return announced_host ? PATH_LAN : PATH_DIRECT;
    case ADDR_GLOBAL:
    case ADDR_NONE:
        break;
    }
    return PATH_DIRECT;
}

bool path_beats(const struct path *other, const struct path *current)
{
    if (other->kind != current->kind)
        return other->kind < current->kind;
    if (!other->rtt || !current->rtt || other->rtt >= current->rtt)
        return false;
    uint64_t gain = current->rtt - other->rtt;
    return gain >= RTT_GAIN_MIN && gain >= current->rtt / 5;
}

size_t path_payload(enum path_kind kind)
{
    switch (kind) {
    case PATH_HOST:
        return 32000;
    case PATH_LAN:
        return 1452;
    default:
        return 1200;
    }
}

/* ---- sentences ---- */

struct sentence {
    char *text;
    size_t len;
};

static void say(struct sentence *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct sentence *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(s->text + s->len, PATH_WHY_MAX - s->len, format, args);
    va_end(args);
    if (len > 0)
        s->len += (size_t)len < PATH_WHY_MAX - s->len ? (size_t)len : PATH_WHY_MAX - s->len - 1;
}

static struct sentence begin(char why[PATH_WHY_MAX])
{
    why[0] = '\0';
    return (struct sentence){.text = why};
}

static const char *plural(unsigned count)
{
    return count == 1 ? "" : "s";
}

static void why_not_host(struct sentence *s, const struct path_facts *facts)
{
    if (!facts->same_machine)
        return;
    if (!(facts->allowed & PATH_BIT(PATH_HOST)))
        say(s, "; host paths are not allowed");
    else
        say(s, "; nothing answered inside this machine");
}

static void why_not_lan(struct sentence *s, const struct path_facts *facts)
{
    unsigned tried = facts->tried[PATH_LAN];
    if (!(facts->allowed & PATH_BIT(PATH_LAN)))
        say(s, "; lan paths are not allowed");
    else if (tried == 0)
        say(s, "; no address of a shared network is known");
    else if (facts->answered[PATH_LAN] == 0)
        say(s, "; %u pair%s of local addresses did not answer, so the networks are different ones", tried,
            plural(tried));
    else
        say(s, "; a path inside the local network worked, but no longer does");
}

/* What the NATs are like, where that explains why a hole cannot be punched. False: nothing is known. */
static bool nats(struct sentence *s, const struct path_facts *facts)
{
    bool remote = facts->remote_symmetric || facts->peer_prflx;
    if (nat_is_hard(&facts->local_nat) && remote)
        say(s, "the NATs of both sides map by destination, so neither knows the port to knock at");
    else if (nat_is_hard(&facts->local_nat))
        say(s, "the NAT here maps by destination, so the peer's NAT or firewall cannot tell our packets");
    else if (remote)
        say(s, "the peer's NAT maps by destination, so our NAT or firewall cannot tell its packets");
    else
        return false;
    return true;
}

/* Guesses that have come to nothing so far. */
static void say_missed(struct sentence *s, const struct path_facts *facts)
{
    const struct punch_facts *punched = &facts->punched;
    if (punched->attempts && punched->probes && !facts->answered[PATH_DIRECT])
        say(s, ", nor did %u probe%s of guessed ports", punched->probes, plural(punched->probes));
}

static void why_not_direct(struct sentence *s, const struct path_facts *facts)
{
    unsigned tried = facts->tried[PATH_DIRECT];
    if (!(facts->allowed & PATH_BIT(PATH_DIRECT))) {
        say(s, "; direct paths are not allowed");
    } else if (tried == 0) {
        say(s, "; no public address is known to try");
    } else if (facts->answered[PATH_DIRECT]) {
        say(s, "; a direct path worked, but no longer does");
    } else {
        say(s, "; %u direct pair%s did not answer", tried, plural(tried));
        say_missed(s, facts);
        struct sentence before = *s;
        say(s, ": ");
        if (!nats(s, facts)) {
            s->len = before.len;
            s->text[s->len] = '\0';
        }
    }
}

static void why_not_turn(struct sentence *s, const struct path_facts *facts)
{
    if (!(facts->allowed & PATH_BIT(PATH_TURN)))
        say(s, "; turn is not allowed");
    else if (facts->tried[PATH_TURN] == 0)
        say(s, "; no TURN server is known (--turn)");
    else
        say(s, "; the TURN server's relay did not answer");
}

/* Whose network lets no UDP through. False: nobody's, as far as is known. */
static bool blocked(struct sentence *s, const struct path_facts *facts)
{
    if (!facts->local_blocked && !facts->remote_blocked)
        return false;
    say(s, "UDP seems to be blocked on %s",
        !facts->remote_blocked  ? "this side"
        : !facts->local_blocked ? "the peer's side"
                                : "both sides");
    return true;
}

/* Why a relay: the surest fact first. While attempts go on nothing else is certain. */
static void why_relayed(struct sentence *s, const struct path_facts *facts, enum path_kind kind)
{
    bool hopeless = nat_is_hard(&facts->local_nat) && nat_is_hard(&facts->remote_nat);
    if (facts->local_blocked || facts->remote_blocked) {
        say(s, "; ");
        blocked(s, facts);
    } else if (!facts->failed && !hopeless && facts->allowed & PATH_BIT(PATH_DIRECT) &&
               !facts->answered[PATH_DIRECT]) {
        say(s, "; nothing better has answered yet");
    } else {
        why_not_direct(s, facts);
        if (kind == PATH_BROKER)
            why_not_turn(s, facts);
    }
}

/* A hole was found by guessing. */
static void say_punched(struct sentence *s, const struct punch_facts *punched)
{
    bool hold = punched->plan.way == PUNCH_HOLD;
    const char *whose = hold ? "the NAT here" : "the peer's NAT";
    unsigned sockets = punch_plan_sockets(&punched->plan);
    if (punched->plan.way == PUNCH_MEET) {
        say(s, "both NATs give one port after the other, and each side foretold the other's");
        return;
    }
    if (punched->plan.ports == NAT_PORTS_SEQUENTIAL) {
        say(s, "%s gives one port after the other: ", whose);
        if (hold)
            say(s, "the peer foretold the next");
        else
            say(s, "the next was foretold after %u probe%s", punched->probes, plural(punched->probes));
        return;
    }
    bool block = punched->plan.ports == NAT_PORTS_BLOCK;
    say(s, "%s draws ports at random%s: ", whose, block ? " from a block" : "");
    if (hold)
        say(s, "the peer hit one of %u holes", sockets);
    else
        say(s, "one of %u holes was hit after %u probe%s", sockets, punched->probes, plural(punched->probes));
}

/* A mapped port is the one kind of help that a direct path may have. */
static const char *mapped_words(const struct path *path, const struct path_facts *facts)
{
    if (path->kind != PATH_DIRECT || !(facts->local_mapped || facts->remote_mapped))
        return NULL;
    if (facts->local_mapped && facts->remote_mapped)
        return "the peer answers across the internet, through ports that both sides' routers opened";
    return facts->local_mapped ? "the peer reaches us across the internet at the port that our router opened"
                               : "the peer answers across the internet at the port that its router opened";
}

static const char *network(char out[NAT_WORDS_MAX], const struct nat_behavior *nat, bool blocked)
{
    return blocked && !nat->mapping ? "a network without UDP" : nat_words_kind(out, nat);
}

/* What each side's network is, as far as either has told: what a path hangs on that crosses the internet. */
static void say_networks(struct sentence *s, const struct path_facts *facts)
{
    char here[NAT_WORDS_MAX], there[NAT_WORDS_MAX];
    if (facts->local_nat.mapping || facts->remote_nat.mapping)
        say(s, "; here %s, there %s", network(here, &facts->local_nat, facts->local_blocked),
            network(there, &facts->remote_nat, facts->remote_blocked));
}

void path_why(char why[PATH_WHY_MAX], const struct path *path, const struct path_facts *facts)
{
    static const char *const is[PATH_KINDS] = {
        [PATH_HOST] = "both peers are on this machine",
        [PATH_LAN] = "the peer's own address answers on the local network",
        [PATH_DIRECT] = "the peer answers across the internet without help",
        [PATH_TURN] = "packets go through a TURN server",
        [PATH_BROKER] = "packets go through the broker, slowly",
    };
    struct sentence s = begin(why);
    if ((unsigned)path->kind >= PATH_KINDS)
        return;
    const char *mapped = mapped_words(path, facts);
    if (mapped)
        say(&s, "%s", mapped);
    else if (path->kind == PATH_DIRECT && facts->punched.attempts &&
             addr_equal_ip(&path->remote, &facts->remote_nat.external))
        say_punched(&s, &facts->punched);
    else
        say(&s, "%s", is[path->kind]);
    if (path->kind == PATH_LAN)
        why_not_host(&s, facts);
    if (path->kind == PATH_DIRECT)
        why_not_lan(&s, facts);
    if (path->kind == PATH_TURN || path->kind == PATH_BROKER)
        why_relayed(&s, facts, path->kind);
    if (path->kind >= PATH_DIRECT)
        say_networks(&s, facts);
}

/* "2 lan and 3 direct pairs" */
static void say_tried(struct sentence *s, const struct path_facts *facts)
{
    unsigned total = 0, kinds = 0;
    for (unsigned kind = 0; kind < PATH_KINDS; kind++) {
        total += facts->tried[kind];
        kinds += facts->tried[kind] > 0;
    }
    if (total == 0) {
        say(s, "there was no pair of addresses to try");
        return;
    }
    for (unsigned kind = 0, said = 0; kind < PATH_KINDS; kind++) {
        if (facts->tried[kind] == 0)
            continue;
        said++;
        say(s, "%s%u %s",
            said == 1       ? ""
            : said == kinds ? " and "
                            : ", ",
            facts->tried[kind], kind_names[kind]);
    }
    say(s, " pair%s did not answer", plural(total));
}

/* The likeliest reason, from the surest fact to the vaguest. */
static void say_reason(struct sentence *s, const struct path_facts *facts)
{
    struct sentence before = *s;
    say(s, ": ");
    if (blocked(s, facts) || nats(s, facts))
        return;
    if (facts->heard)
        say(s, "the peer's checks arrive but our answers or checks do not");
    else if (!facts->local_srflx && !facts->remote_srflx)
        say(s, "no STUN server told either side's public address");
    else if (!facts->local_srflx)
        say(s, "no STUN server told our public address");
    else if (!facts->remote_srflx)
        say(s, "the peer's public address is unknown");
    else
        *s = before;
    s->text[s->len] = '\0';
}

/* What the user can change. */
static void say_advice(struct sentence *s, const struct path_facts *facts)
{
    const unsigned usual = PATH_BIT(PATH_HOST) | PATH_BIT(PATH_LAN) | PATH_BIT(PATH_DIRECT);
    unsigned missing = usual & ~facts->allowed;
    if (!missing) {
        say(s, "; %stry one side on another network, or with IPv6",
            facts->tried[PATH_TURN] || !(facts->allowed & PATH_BIT(PATH_TURN))
                ? ""
                : "name a TURN server with --turn, or ");
        return;
    }
    say(s, "; allow more with --paths (");
    for (unsigned kind = 0; kind < PATH_KINDS; kind++)
        if (missing & PATH_BIT(kind)) {
            missing &= ~PATH_BIT(kind);
            say(s, "%s%s", kind_names[kind], missing ? ", " : "");
        }
    say(s, ")");
}

void path_why_none(char why[PATH_WHY_MAX], const struct path_facts *facts)
{
    struct sentence s = begin(why);
    say_tried(&s, facts);
    say_missed(&s, facts);
    say_reason(&s, facts);
    say_networks(&s, facts);
    say_advice(&s, facts);
}
