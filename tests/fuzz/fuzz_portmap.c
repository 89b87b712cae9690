/* fuzz_portmap.c - a gateway that says anything at any time. Whatever it says: packets go to gateways only,
 * what is told as mapped is public, and nobody is asked without end.
 *
 * The input is a row of: which of the gateways speaks and how much time has passed (a byte), how long its
 * datagram is (a byte), the datagram. A datagram of PCP gets the nonce that was asked with, else none would
 * pass. */
#include "fuzz.h"
#include "packet.h"
#include "portmap.h"
#include "portmap_msg.h"
#include <stdlib.h>
#include <string.h>

static struct portmap_local wanted_of(const char *local, const char *gateway)
{
    struct portmap_local wanted;
    must(addr_parse(&wanted.local, local) && addr_parse(&wanted.gateway, gateway));
    wanted.gateway.port = PORTMAP_SERVER_PORT;
    return wanted;
}

struct fuzz {
    struct portmap *portmap;
    struct portmap_local wanted[2];
    uint8_t nonces[2][PORTMAP_NONCE_LEN];
    uint64_t now;
    size_t packets;
};

static void drain(struct fuzz *f)
{
    uint8_t data[PACKET_MAX];
    struct portmap_event event;
    struct packet out = {.data = data, .len = sizeof data};
    while (portmap_output(f->portmap, f->now, &out)) {
        unsigned which = out.remote.family == 6;
        must(addr_equal(&out.remote, &f->wanted[which].gateway) &&
             addr_equal(&out.local, &f->wanted[which].local));
        if (out.len == 60)
            memcpy(f->nonces[which], data + 24, PORTMAP_NONCE_LEN);
        f->packets++;
        out = (struct packet){.data = data, .len = sizeof data};
    }
    while (portmap_event(f->portmap, &event)) {
        must(event.type != PORTMAP_MAPPED ||
             (addr_scope(&event.external) == ADDR_GLOBAL && event.external.port &&
              event.external.family == event.local.family));
        must(portmap_failure_text(event.failure) && portmap_protocol_name(event.protocol));
    }
    must(portmap_deadline(f->portmap) > f->now || portmap_is_quiet(f->portmap));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t seed = 1;
    const struct random random = {fill, &seed};
    struct fuzz f = {.portmap = portmap_new(&random),
                     .wanted = {wanted_of("192.168.1.7:40000", "192.168.1.1"),
                                wanted_of("[2001:db8::7]:40000", "fe80::1%2")},
                     .now = NS_PER_S};
    must(f.portmap != NULL);
    portmap_set_locals(f.portmap, f.now, f.wanted, 2);
    drain(&f);
    size_t steps = 0;
    while (size >= 2) {
        uint8_t datagram[255], which = data[0] & 1, len = data[1];
        if (len > size - 2)
            len = (uint8_t)(size - 2);
        memcpy(datagram, data + 2, len);
        f.now += (uint64_t)(data[0] >> 2) * (data[0] >> 2) * 100 * NS_PER_MS;
        if (len >= 36 && datagram[0] == 2)
            memcpy(datagram + 24, f.nonces[which], PORTMAP_NONCE_LEN);
        struct packet in = {
            .local = f.wanted[which].local, .remote = f.wanted[which].gateway, .data = datagram, .len = len};
        if ((data[0] & 3) == 3)
            portmap_ask_again(f.portmap, f.now);
        must(portmap_input(f.portmap, f.now, &in));
        drain(&f);
        data += 2 + len;
        size -= 2u + len;
        steps++;
    }
    must(f.packets <= 12 + 12 * (steps + 1)); /* nothing but what it says makes us ask */
    portmap_remove(f.portmap, f.now);
    for (uint64_t due; (due = portmap_deadline(f.portmap)) != NEVER; drain(&f))
        f.now = due > f.now ? due : f.now;
    must(portmap_is_quiet(f.portmap));
    portmap_free(f.portmap);
    return 0;
}
