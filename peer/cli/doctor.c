/* doctor.c - this machine's view: its interfaces, its NAT, who answers how soon, and what to change. */
#include "doctor.h"

#include "clock.h"
#include "commands.h"
#include "events.h"
#include "nat_words.h"
#include "session.h"
#include "signals.h"
#include "text.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LABEL = 12 /* columns of the words before a line */ };

/* "label       text"; an empty label goes on below the last one. */
static void print_line(const char *label, const char *text)
{
    printf("%-*s %s\n", LABEL, label, text);
}

static void print_interfaces(const struct checkup *checkup)
{
    char address[ADDR_TEXT_MAX], line[256];
    for (size_t i = 0; i < checkup->interface_count; i++) {
        const struct net_interface *found = &checkup->interfaces[i];
        if (found->address.family)
            addr_print_ip(&found->address, address);
        else
            snprintf(address, sizeof address, "-");
        snprintf(line, sizeof line, "%-10s %-26s %s", found->name, address, doctor_use_text(found));
        print_line(i ? "" : "interfaces", line);
    }
}

static void print_nat(const struct checkup *checkup)
{
    char address[ADDR_TEXT_MAX], ports[NAT_WORDS_MAX], line[256], life[ADVICE_TEXT_MAX];
    const struct nat_behavior *nat = &checkup->nat;
    const char *mapping = nat_words_mapping(nat);
    print_line("network", mapping                    ? mapping
                          : checkup->stun_count == 0 ? "unknown: no STUN server is asked"
                          : checkup->local.family    ? "behind a NAT; one server alone cannot tell its kind"
                                                     : "unknown: no STUN server on the internet answers");
    if (nat->external.family) {
        snprintf(line, sizeof line, "the internet sees %s", addr_print(&nat->external, address));
        print_line("", line);
    }
    const char *more[] = {nat_words_filtering(nat), nat_words_ports(ports, nat), nat_words_hairpin(nat),
                          doctor_life_text(life, checkup)};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        if (more[i])
            print_line("", more[i]);
}

/* What the router opens: `what` of `label`. */
static void print_ports(const char *label, const char *what, const struct checkup_ports *ports)
{
    char why[TEXT_SHOWN * CHECKUP_TEXT_MAX], address[ADDR_TEXT_MAX];
    text_show(why, sizeof why, ports->text, strlen(ports->text));
    if (!ports->asked)
        return;
    if (ports->external.family)
        printf("%-*s the router opens %s (%s): %s, given back now\n", LABEL, label, what, ports->protocol,
               addr_print(&ports->external, address));
    else
        printf("%-*s the router does not open %s: %s\n", LABEL, label, what,
               *why ? why : "it answers neither PCP nor NAT-PMP nor UPnP");
}

static void print_ipv6(const struct checkup *checkup)
{
    static const char *const texts[] = {
        [CHECKUP_IPV6_NONE] = "none: no address that the internet could reach",
        [CHECKUP_IPV6_UNKNOWN] = "there is an address; no server with IPv6 to try it",
        [CHECKUP_IPV6_SILENT] = "there is an address, but no server answers it",
        [CHECKUP_IPV6_WORKS] = "works",
    };
    char line[256], address[ADDR_TEXT_MAX];
    snprintf(line, sizeof line, "%s%s%s", texts[checkup->ipv6], checkup->ipv6_address.family ? ": " : "",
             checkup->ipv6_address.family ? addr_print_ip(&checkup->ipv6_address, address) : "");
    print_line("IPv6", line);
    print_ports("", "its firewall for IPv6", &checkup->pinhole);
}

static void print_servers(const char *label, const struct checkup_server *servers, size_t count)
{
    char name[TEXT_SHOWN * CHECKUP_NAME_MAX], why[TEXT_SHOWN * CHECKUP_TEXT_MAX];
    for (size_t i = 0; i < count; i++) {
        const struct checkup_server *server = &servers[i];
        text_show(name, sizeof name, server->name, strlen(server->name));
        text_show(why, sizeof why, server->text, strlen(server->text));
        printf("%-*s %s: ", LABEL, i ? "" : label, name);
        if (server->state == CHECKUP_ANSWERS)
            printf("%.1f ms\n", (double)server->rtt / (double)CLOCK_MS);
        else
            printf("%s\n", *why ? why : "no answer");
    }
}

static void print_buffers(const struct checkup *checkup)
{
    printf("%-*s %d KiB asked; got %d KiB for what arrives, %d KiB for what leaves\n", LABEL, "buffers",
           NET_SOCKET_BUFFER / 1024, checkup->receive_buffer / 1024, checkup->send_buffer / 1024);
}

static bool print(const struct checkup *checkup, const struct advices *advices)
{
    print_interfaces(checkup);
    print_nat(checkup);
    print_ports("ports", "a port", &checkup->ports);
    print_ipv6(checkup);
    print_servers("STUN", checkup->stun, checkup->stun_count);
    print_servers("TURN", checkup->turn, checkup->turn_count);
    print_servers("broker", checkup->brokers, checkup->broker_count);
    print_buffers(checkup);
    for (size_t i = 0; i < advices->count; i++)
        print_line(advices->list[i].needs_attention ? "ATTENTION" : "advice", advices->list[i].text);
    if (doctor_is_content(advices))
        print_line("verdict", "all is well");
    return fflush(stdout) == 0 && !ferror(stdout);
}

static const char *error_text(int err)
{
    switch (err) {
    case NET_EPORT:
        return "the UDP port is already in use, or not permitted (--port)";
    case NET_ENOMEM:
        return "no memory";
    default:
        return "the system refuses sockets or threads";
    }
}

/* ---- while it lasts ---- */

enum { TOLD_EVERY_S = 30 /* to the user who waits, where there is nothing new */ };

/* What is said while the life of mappings is measured. */
struct watch {
    struct report *report;
    unsigned told_at, told_alive, told_dead;
    bool begun;
};

static void tell_json(struct report *report, const struct nat_life_verdict *verdict, unsigned waited_s)
{
    struct line *line = events_line(report, "life");
    line_number(line, "waited_s", waited_s);
    line_number(line, "alive_s", verdict->alive_s);
    line_number(line, "dead_s", verdict->dead_s);
    line_write(line);
}

static void tell_words(struct watch *watch, const struct nat_life_verdict *verdict, unsigned waited_s)
{
    struct report *report = watch->report;
    if (!watch->begun)
        events_note(report, 0, "measuring how long an idle mapping lives: %d s at most, Ctrl-C ends it",
                    CHECKUP_LIFE_S);
    else if (verdict->dead_s && verdict->dead_s != watch->told_dead)
        events_note(report, 0, "after %u s of silence a mapping is gone", verdict->dead_s);
    else if (verdict->alive_s != watch->told_alive)
        events_note(report, 0, "after %u s of silence a mapping is still there", verdict->alive_s);
    else
        events_note(report, 0, "%u s of %d s", waited_s, CHECKUP_LIFE_S);
}

static void progress(void *context, const struct nat_life_verdict *verdict, unsigned waited_s)
{
    struct watch *watch = context;
    bool news = verdict->alive_s != watch->told_alive || verdict->dead_s != watch->told_dead;
    if (watch->begun && !news && waited_s < watch->told_at + TOLD_EVERY_S)
        return;
    if (watch->report->json && watch->report->level >= 0)
        tell_json(watch->report, verdict, waited_s);
    else
        tell_words(watch, verdict, waited_s);
    *watch = (struct watch){watch->report, waited_s, verdict->alive_s, verdict->dead_s, true};
}

static bool stops(void *context)
{
    (void)context;
    return signals_caught() != 0;
}

/* ---- the command ---- */

/* What was stopped before the end is told where only the life of mappings is missing. */
static int tell_report(struct report *report, const struct options *options, const struct checkup *checkup,
                       uint64_t started_ns)
{
    struct advices advices;
    bool printed = true;
    doctor_advise(&advices, checkup);
    if (!checkup->stopped || checkup->life != CHECKUP_LIFE_UNASKED)
        printed = options->json ? doctor_print_json(checkup, &advices, (clock_now() - started_ns) / CLOCK_MS)
                                : print(checkup, &advices);
    if (!printed)
        events_error(report, EXIT_OTHER, "cannot write to standard output");
    if (checkup->stopped)
        return EXIT_SIGNAL + signals_caught();
    return printed && doctor_is_content(&advices) ? EXIT_DONE : EXIT_OTHER;
}

int doctor_main(const struct options *options, uint64_t started_ns)
{
    struct report report = {0};
    struct watch watch = {.report = &report};
    struct checkup *checkup = calloc(1, sizeof *checkup);
    struct checkup_config config = {.stun = options->stun.item,
                                    .brokers = options->brokers.item,
                                    .interfaces = options->interfaces.count ? options->interfaces.item : NULL,
                                    .exclude = options->exclude.item,
                                    .port = (uint16_t)options->port,
                                    .no_portmap = options->no_portmap,
                                    .life = options->life,
                                    .progress = progress,
                                    .stops = stops,
                                    .context = &watch,
                                    .turn = options->turn.item,
                                    .turn_user = options->turn_user,
                                    .turn_password = options->hidden->turn_password.bytes};
    signals_begin();
    events_begin(&report, options, started_ns);
    int code = EXIT_OTHER, err = checkup ? checkup_run(checkup, &config) : NET_ENOMEM;
    sodium_memzero(options->hidden, sizeof *options->hidden);
    if (err)
        events_error(&report, EXIT_OTHER, error_text(err));
    else
        code = tell_report(&report, options, checkup, started_ns);
    events_end(&report);
    free(checkup);
    return code;
}
